/* The recall kernel: what is kept of a memory, and the loops over it.
 *
 * A bank row keeps a memory's float32 vector and its facts. A segment keeps what a search reads:
 * for each of its rows an 8-bit code of the unit vector, the code's scale and the distance between
 * code and vector. Rows of one segment lie side by side, so a search streams.
 *
 * All sums that decide an answer are double precision in a fixed order (eight lanes, then the
 * lanes), so an answer is the same on every machine. A product of two float32 is exact in double
 * precision; contracting it into a fused multiply-add changes nothing.
 */
#ifndef COGNITIVE_KERNEL_H
#define COGNITIVE_KERNEL_H

#include <stdint.h>

enum { LANES = 8, GROUP = 16, TILE = 4, CODE_ALIGN = 64, CODE_ZERO = 128, CODE_MAX = 127, FACTS = 7 };

/* Below this a norm counts as this; a component beyond the bound is refused. */
#define NORM_MIN 1e-9
#define COMPONENT_MAX 1e6f

/* Covers the float32 rounding of a score's estimate and of its bound (at most five roundings of
 * values below 2.1), with an ample factor. */
#define ESTIMATE_SLACK 4e-6f

/* The length of what a code leaves out is added up in float32. Its terms are off by some 2^-22 of
 * a component of a unit vector, 1.2e-6 of its length in all at most; the sum of up to 256 squares
 * a lane by 2^-15 of itself. */
#define ENCODING_SLACK 2e-6
#define ENCODING_FACTOR (1 + 1e-4)
#define SCALE_MIN 1e-30f

typedef struct {
    int64_t capacity;
    int64_t dimension;
    int64_t stride;        /* bytes of a code, a multiple of CODE_ALIGN */
    float *rows;           /* [capacity][dimension] */
    double *norms;         /* [capacity] ... */
    float *phases;
    double *confidences;
    double *created;       /* seconds */
    int64_t *ids;          /* -1: free */
    uint32_t *words;       /* CRC-32 of the text */
    uint32_t *labels;      /* CRC-32 of scope and origin */
    uint64_t *prints;      /* fingerprint of the row and all these facts */
    const uint64_t *keys;  /* [dimension + FACTS], odd */
    uint64_t digest;       /* sum of the mixed fingerprints of all rows in use */
} Bank;

typedef struct {
    uint8_t *codes;        /* [room][stride]: code + CODE_ZERO; padding is CODE_ZERO */
    float *scales;         /* [room] */
    float *errors;         /* [room]: length of (unit vector - code * scale), rounded up */
    int32_t *slots;        /* [room]: bank row */
    uint64_t *signs;       /* [room][stride / 64]: one bit a component, or NULL */
    const uint8_t *mask;   /* [count]: 0 leaves a row out; NULL takes all */
    int64_t count;
} Segment;

/* What is told of a memory that was found, in this order. */
enum { SCORE, SLOT, ID, PHASE, CONFIDENCE, CREATED, WORDS, LABEL, TOLD };
/* What is told of a search: rows found, rows scored in double precision, and rows found that are
 * not as they were written or that the bank does not have. */
enum { ROWS_FOUND, ROWS_RERANKED, ROWS_DAMAGED, COUNTS };

typedef struct {
    const float *asked;    /* [queries][dimension] */
    int64_t queries;
    int64_t top_k;
    double *told;          /* out: [queries][top_k][TOLD], best first, newest first among equals */
    float *vectors;        /* out: [queries][top_k][dimension] */
    int64_t *counts;       /* out: [queries][COUNTS] */
} Search;

typedef struct {
    int64_t slot, position;
    double phase, confidence, created;
    int64_t id;
    uint32_t words, label;
} Memory;

enum { WRITTEN = 0, NOT_FINITE = 1, NO_DIRECTION = 2, NO_MEMORY = -1 };

#endif
