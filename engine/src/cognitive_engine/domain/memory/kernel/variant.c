/* The kernel's entry points, compiled once per instruction set; dispatch.c picks one at run time.
 *
 * Search is an 8-bit pass over all rows with a proven bound, then double precision where it
 * matters. For a unit row u = s*c + d and a unit query v = t*q + e, with |d| and |e| known,
 *     |u.v - s*t*(c.q)| <= |d| + (1 + |d|) * |e|.
 * A row whose upper bound lies below the k-th largest lower bound seen cannot be among the k best.
 */
#include "dots.h"
#include "kernel.h"
#include "numbers.h"
#include "rank.h"

#define JOIN_(a, b) a##_##b
#define JOIN(a, b) JOIN_(a, b)
#define NAMED(name) JOIN(name, VARIANT)

/* Bounds of GROUP rows; whether any may still be among the best. Reads past the last row. */
static inline int bounds(const Query *query, const float *scales, const float *errors,
                         const int32_t *dot, float *upper, float *lower) {
#if defined(__AVX512F__)
    __m512 error = _mm512_loadu_ps(errors);
    __m512 whole = _mm512_cvtepi32_ps(
        _mm512_sub_epi32(_mm512_loadu_si512(dot), _mm512_set1_epi32(query->offset)));
    __m512 scale = _mm512_mul_ps(_mm512_loadu_ps(scales), _mm512_set1_ps(query->scale));
    __m512 bound = _mm512_fmadd_ps(error, _mm512_set1_ps(1.0f + query->error),
                                   _mm512_set1_ps(query->error + ESTIMATE_SLACK));
    __m512 high = _mm512_fmadd_ps(whole, scale, bound);
    _mm512_storeu_ps(upper, high);
    _mm512_storeu_ps(lower, _mm512_fmsub_ps(whole, scale, bound));
    return _mm512_cmp_ps_mask(high, _mm512_set1_ps(query->floor), _CMP_GE_OQ);
#else
    int any = 0;
    for (int i = 0; i < GROUP; i++) {
        float estimate = (float)(dot[i] - query->offset) * (scales[i] * query->scale);
        float bound = errors[i] * (1.0f + query->error) + (query->error + ESTIMATE_SLACK);
        upper[i] = estimate + bound;
        lower[i] = estimate - bound;
        any |= upper[i] >= query->floor;
    }
    return any;
#endif
}

static inline int weigh(Query *query, const Segment *segment, int64_t first, int64_t rows,
                        const int32_t *dot, int64_t top_k) {
    float upper[GROUP], lower[GROUP];
    if (!bounds(query, segment->scales + first, segment->errors + first, dot, upper, lower))
        return 0;
    for (int64_t i = 0; i < rows; i++) {
        if (!(upper[i] >= query->floor)) continue;
        if (segment->mask && !segment->mask[first + i]) continue;
        if (add(query, upper[i], segment->slots[first + i])) return NO_MEMORY;
        if (query->held < top_k || lower[i] > query->floor) raise_floor(query, lower[i], top_k);
    }
    return 0;
}

static int scan_block(const Bank *bank, const Segment *segment, int64_t first, int64_t rows,
                      Query *const *queries, int taken, int64_t top_k) {
    int32_t out[TILE][BLOCK];
    const uint8_t *codes = segment->codes + first * bank->stride;
    int64_t groups = (rows + GROUP - 1) / GROUP;
    if (taken == TILE)
        dots_tile(codes, bank->stride, groups, queries, out);
    else
        dots_one(codes, bank->stride, groups, queries[0], out[0]);
    for (int q = 0; q < taken; q++)
        for (int64_t at = 0; at < rows; at += GROUP) {
            int64_t left = rows - at < GROUP ? rows - at : GROUP;
            if (weigh(queries[q], segment, first + at, left, out[q] + at, top_k))
                return NO_MEMORY;
        }
    return 0;
}

static int prepare(const Bank *bank, const Search *search, int64_t number, Query *query) {
    *query = (Query){.vector = search->asked + number * bank->dimension,
                     .room = CANDIDATES_START, .floor = -INFINITY};
    query->codes = calloc((size_t)bank->stride, 1);
    query->lowers = malloc((size_t)search->top_k * sizeof *query->lowers);
    query->candidates = malloc(CANDIDATES_START * sizeof *query->candidates);
    if (!query->codes || !query->lowers || !query->candidates) return NO_MEMORY;
    float peak;
    int status = refused(query->vector, bank->dimension, &peak);
    if (status) return status;
    query->norm = length(query->vector, bank->dimension);
    query->scale =
        encode(query->vector, peak, query->norm, bank->dimension, query->codes, &query->error);
    int32_t sum = 0;
    for (int64_t j = 0; j < bank->dimension; j++) sum += query->codes[j];
    query->offset = CODE_ZERO * sum;
    return 0;
}

static void release(Query *query) {
    free(query->codes);
    free(query->lowers);
    free(query->candidates);
}

static int scan_all(const Bank *bank, const Segment *segments, int64_t number, Query *queries,
                    int64_t count, int64_t top_k) {
    for (int64_t s = 0; s < number; s++)
        for (int64_t first = 0; first < segments[s].count; first += BLOCK) {
            int64_t left = segments[s].count - first, rows = left < BLOCK ? left : BLOCK;
            for (int64_t q = 0; q < count;) {
                Query *tile[TILE];
                int taken = count - q >= TILE ? TILE : 1;
                for (int i = 0; i < taken; i++) tile[i] = queries + q + i;
                if (scan_block(bank, segments + s, first, rows, tile, taken, top_k))
                    return NO_MEMORY;
                q += taken;
            }
        }
    return 0;
}

int NAMED(search)(const Bank *bank, const Segment *segments, int64_t number,
                  const Search *search) {
    Query *queries = calloc((size_t)search->queries, sizeof *queries);
    int status = queries ? 0 : NO_MEMORY;
    for (int64_t q = 0; !status && q < search->queries; q++)
        status = prepare(bank, search, q, queries + q);
    if (!status)
        status = scan_all(bank, segments, number, queries, search->queries, search->top_k);
    for (int64_t q = 0; queries && q < search->queries; q++) {
        if (!status) status = settle(bank, search, q, queries + q);
        release(queries + q);
    }
    free(queries);
    return status;
}

/* ---- the approximate way: one bit a component first ---- */

static void sign_bits(const float *vector, int64_t n, int64_t words, uint64_t *signs) {
    for (int64_t w = 0; w < words; w++) signs[w] = 0;
    for (int64_t j = 0; j < n; j++) signs[j / 64] |= (uint64_t)(vector[j] > 0) << (j % 64);
}

/* Take the `wanted` rows whose signs differ least from the query's (all that tie at the edge). */
static int nearest_signs(const Bank *bank, const Segment *segments, int64_t number, int64_t wanted,
                         Query *query, uint64_t *asked, uint16_t *apart) {
    int64_t words = bank->stride / 64, at = 0, taken = 0, edge = 0;
    int64_t *tally = calloc((size_t)bank->stride + 1, sizeof *tally);
    if (!tally) return NO_MEMORY;
    sign_bits(query->vector, bank->dimension, words, asked);
    for (int64_t s = 0; s < number; s++)
        for (int64_t row = 0; row < segments[s].count; row++) {
            const uint64_t *signs = segments[s].signs + row * words;
            int64_t distance = 0;
            for (int64_t w = 0; w < words; w++)
                distance += __builtin_popcountll(signs[w] ^ asked[w]);
            if (segments[s].mask && !segments[s].mask[row]) distance = bank->stride;
            else tally[distance]++;
            apart[at++] = (uint16_t)distance;
        }
    while (edge < bank->stride && (taken += tally[edge]) < wanted) edge++;
    free(tally);
    at = 0;
    for (int64_t s = 0; s < number; s++)
        for (int64_t row = 0; row < segments[s].count; row++) {
            if (apart[at++] > edge) continue;
            if (segments[s].mask && !segments[s].mask[row]) continue;
            if (add(query, INFINITY, segments[s].slots[row])) return NO_MEMORY;
        }
    return 0;
}

int NAMED(sift)(const Bank *bank, const Segment *segments, int64_t number, const Search *search,
                int64_t wanted) {
    int64_t rows = 1;
    for (int64_t s = 0; s < number; s++) rows += segments[s].count;
    uint64_t *asked = malloc((size_t)bank->stride / 8);
    uint16_t *apart = malloc((size_t)rows * sizeof *apart);
    int status = asked && apart ? 0 : NO_MEMORY;
    for (int64_t q = 0; !status && q < search->queries; q++) {
        Query query;
        status = prepare(bank, search, q, &query);
        if (!status)
            status = nearest_signs(bank, segments, number, wanted, &query, asked, apart);
        if (!status) status = settle(bank, search, q, &query);
        release(&query);
    }
    free(asked);
    free(apart);
    return status;
}

/* ---- rows ---- */

static void put_code(const Bank *bank, const Segment *segment, int64_t position, int64_t slot) {
    uint8_t *code = segment->codes + position * bank->stride;
    const float *row = bank->rows + slot * bank->dimension;
    float error, peak;
    refused(row, bank->dimension, &peak);
    segment->scales[position] =
        encode(row, peak, bank->norms[slot], bank->dimension, (int8_t *)code, &error);
    segment->errors[position] = error;
    segment->slots[position] = (int32_t)slot;
    for (int64_t j = 0; j < bank->dimension; j++) code[j] ^= CODE_ZERO;
    for (int64_t j = bank->dimension; j < bank->stride; j++) code[j] = CODE_ZERO;
    if (segment->signs)
        sign_bits(row, bank->dimension, bank->stride / 64,
                  segment->signs + position * (bank->stride / 64));
}

int NAMED(write)(Bank *bank, const Segment *segment, const float *vector, const Memory *memory) {
    int64_t slot = memory->slot;
    float peak;
    int status = refused(vector, bank->dimension, &peak);
    if (status) return status;
    if (bank->ids[slot] >= 0) bank->digest -= mixed(bank->prints[slot]);
    memcpy(bank->rows + slot * bank->dimension, vector,
           (size_t)bank->dimension * sizeof *vector);
    bank->norms[slot] = length(vector, bank->dimension);
    bank->phases[slot] = (float)memory->phase;
    bank->confidences[slot] = memory->confidence;
    bank->created[slot] = memory->created;
    bank->ids[slot] = memory->id;
    bank->words[slot] = memory->words;
    bank->labels[slot] = memory->label;
    bank->prints[slot] = fingerprint(bank, slot);
    bank->digest += mixed(bank->prints[slot]);
    put_code(bank, segment, memory->position, slot);
    return WRITTEN;
}

void NAMED(clear)(Bank *bank, int64_t slot) {
    bank->digest -= mixed(bank->prints[slot]);
    bank->ids[slot] = -1;
}

int NAMED(intact)(const Bank *bank, int64_t slot) {
    return fingerprint(bank, slot) == bank->prints[slot];
}

/* Move a row of a segment; returns the bank row it belongs to. */
int64_t NAMED(move)(const Bank *bank, const Segment *segment, int64_t from, int64_t to) {
    int64_t words = bank->stride / 64;
    memcpy(segment->codes + to * bank->stride, segment->codes + from * bank->stride,
           (size_t)bank->stride);
    segment->scales[to] = segment->scales[from];
    segment->errors[to] = segment->errors[from];
    segment->slots[to] = segment->slots[from];
    if (segment->signs)
        memcpy(segment->signs + to * words, segment->signs + from * words, (size_t)words * 8);
    return segment->slots[to];
}

/* Make a code anew from its bank row. */
void NAMED(mend)(const Bank *bank, const Segment *segment, int64_t position, int64_t slot) {
    put_code(bank, segment, position, slot);
}
