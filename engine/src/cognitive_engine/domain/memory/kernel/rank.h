/* What a query has found so far, and how the best are told from the rest. */
#ifndef COGNITIVE_RANK_H
#define COGNITIVE_RANK_H

#include <stdlib.h>

#include "kernel.h"
#include "numbers.h"

/* BLOCK rows stay in the second-level cache while several queries pass over them. */
enum { BLOCK = 512, CANDIDATES_START = 256, FETCHED = 4 };

typedef struct {
    float upper;
    int32_t slot;
} Candidate;

typedef struct {
    const float *vector;
    int8_t *codes;         /* [stride] */
    double norm;
    float scale, error;
    int32_t offset;        /* CODE_ZERO times the sum of the codes */
    float floor;           /* k-th largest lower bound so far */
    float *lowers;         /* heap of the k largest lower bounds, smallest first */
    int64_t held;
    Candidate *candidates;
    int64_t count, room;
} Query;

static void raise_floor(Query *query, float lower, int64_t top_k) {
    float *heap = query->lowers;
    int64_t at;
    if (query->held < top_k) {
        at = query->held++;
        while (at > 0 && heap[(at - 1) / 2] > lower) {
            heap[at] = heap[(at - 1) / 2];
            at = (at - 1) / 2;
        }
        heap[at] = lower;
    } else {
        at = 0;
        for (;;) {
            int64_t child = 2 * at + 1;
            if (child >= top_k) break;
            if (child + 1 < top_k && heap[child + 1] < heap[child]) child++;
            if (heap[child] >= lower) break;
            heap[at] = heap[child];
            at = child;
        }
        heap[at] = lower;
    }
    if (query->held == top_k) query->floor = heap[0];
}

static void drop_beaten(Query *query) {
    int64_t kept = 0;
    for (int64_t i = 0; i < query->count; i++)
        if (query->candidates[i].upper >= query->floor)
            query->candidates[kept++] = query->candidates[i];
    query->count = kept;
}

static int add(Query *query, float upper, int32_t slot) {
    if (query->count == query->room) {
        drop_beaten(query);
        if (query->count * 2 > query->room) {
            Candidate *more = realloc(query->candidates, query->room * 2 * sizeof *more);
            if (!more) return NO_MEMORY;
            query->candidates = more;
            query->room *= 2;
        }
    }
    query->candidates[query->count++] = (Candidate){upper, slot};
    return 0;
}

static int by_upper(const void *left, const void *right) {
    float a = ((const Candidate *)left)->upper, b = ((const Candidate *)right)->upper;
    return (a < b) - (a > b);
}

/* Ask for a row that lies anywhere in memory before it is needed. */
static void fetch(const Bank *bank, int32_t slot) {
    const char *row = (const char *)(bank->rows + (int64_t)slot * bank->dimension);
    for (int64_t at = 0; at < bank->dimension * (int64_t)sizeof(float); at += CODE_ALIGN)
        __builtin_prefetch(row + at);
    __builtin_prefetch(bank->norms + slot);
}

/* The best of the candidates, in `scores` and `slots`; returns how many were scored. `strays` are
 * those that the bank has no row for. */
static int64_t rank(const Bank *bank, Query *query, int64_t top_k, double *scores, int32_t *slots,
                    int64_t *found, int64_t *strays) {
    int64_t reranked = 0, held = 0;
    drop_beaten(query);
    qsort(query->candidates, (size_t)query->count, sizeof *query->candidates, by_upper);
    for (int64_t i = 0; i < query->count && i < FETCHED; i++) fetch(bank, query->candidates[i].slot);
    for (int64_t i = 0; i < query->count; i++) {
        Candidate candidate = query->candidates[i];
        if (i + FETCHED < query->count) fetch(bank, query->candidates[i + FETCHED].slot);
        if (held == top_k && (double)candidate.upper < scores[held - 1]) break;
        if (candidate.slot < 0 || candidate.slot >= bank->capacity) {
            ++*strays;
            continue;
        }
        const float *row = bank->rows + (int64_t)candidate.slot * bank->dimension;
        double norms = bank->norms[candidate.slot] * query->norm;
        double score = lane_dot(row, query->vector, bank->dimension) / norms;
        /* Stored and asked vectors are finite: this is damage, and has to be seen. */
        if (isnan(score)) score = INFINITY;
        reranked++;
        int64_t at = held < top_k ? held++ : held;
        while (at > 0 && (scores[at - 1] < score ||
                          (scores[at - 1] == score &&
                           bank->ids[slots[at - 1]] < bank->ids[candidate.slot]))) {
            if (at < top_k) {
                scores[at] = scores[at - 1];
                slots[at] = slots[at - 1];
            }
            at--;
        }
        if (at < top_k) {
            scores[at] = score;
            slots[at] = candidate.slot;
        }
    }
    *found = held;
    return reranked;
}

static int settle(const Bank *bank, const Search *search, int64_t number, Query *query) {
    int64_t *counts = search->counts + number * COUNTS, damaged = 0;
    double *scores = malloc((size_t)search->top_k * sizeof *scores);
    int32_t *slots = malloc((size_t)search->top_k * sizeof *slots);
    if (scores && slots) {
        counts[ROWS_RERANKED] =
            rank(bank, query, search->top_k, scores, slots, counts + ROWS_FOUND, &damaged);
        for (int64_t i = 0; i < counts[ROWS_FOUND]; i++) {
            int64_t place = number * search->top_k + i, slot = slots[i];
            double *told = search->told + place * TOLD;
            damaged += fingerprint(bank, slot) != bank->prints[slot];
            told[SCORE] = scores[i];
            told[SLOT] = (double)slot;
            told[ID] = (double)bank->ids[slot];
            told[PHASE] = bank->phases[slot];
            told[CONFIDENCE] = bank->confidences[slot];
            told[CREATED] = bank->created[slot];
            told[WORDS] = bank->words[slot];
            told[LABEL] = bank->labels[slot];
            memcpy(search->vectors + place * bank->dimension,
                   bank->rows + slot * bank->dimension, (size_t)bank->dimension * sizeof(float));
        }
        counts[ROWS_DAMAGED] = damaged;
    }
    int status = scores && slots ? 0 : NO_MEMORY;
    free(scores);
    free(slots);
    return status;
}

#endif
