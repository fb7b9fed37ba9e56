/* Arithmetic whose result is the same everywhere: fixed order, double precision. */
#ifndef COGNITIVE_NUMBERS_H
#define COGNITIVE_NUMBERS_H

#include <math.h>
#include <string.h>

#include "kernel.h"

static double lane_dot(const float *a, const float *b, int64_t n) {
    double lanes[LANES] = {0};
    int64_t whole = n - n % LANES;
    for (int64_t j = 0; j < whole; j += LANES)
        for (int l = 0; l < LANES; l++) lanes[l] += (double)a[j + l] * (double)b[j + l];
    for (int64_t j = whole; j < n; j++) lanes[j - whole] += (double)a[j] * (double)b[j];
    return ((lanes[0] + lanes[4]) + (lanes[2] + lanes[6])) +
           ((lanes[1] + lanes[5]) + (lanes[3] + lanes[7]));
}

static double length(const float *a, int64_t n) {
    double norm = sqrt(lane_dot(a, a, n));
    return norm > NORM_MIN ? norm : NORM_MIN;
}

static uint32_t bits(float value) {
    uint32_t word;
    memcpy(&word, &value, sizeof word);
    return word;
}

/* Whether a vector can be kept or asked for. The bits of a positive float order as it does, and
 * those of NaN and infinity lie above all others. */
static int refused(const float *vector, int64_t n, float *peak) {
    uint32_t largest = 0;
    for (int64_t j = 0; j < n; j++) {
        uint32_t size = bits(vector[j]) & 0x7FFFFFFF;
        largest = size > largest ? size : largest;
    }
    memcpy(peak, &largest, sizeof *peak);
    return largest > bits(COMPONENT_MAX) ? NOT_FINITE : largest == 0 ? NO_DIRECTION : WRITTEN;
}

/* Codes of vector / norm; returns the scale, and a bound for the length of what they leave out. */
static float encode(const float *vector, float peak, double norm, int64_t n, int8_t *codes,
                    float *error) {
    float scale = (float)((double)peak / norm / CODE_MAX);
    if (!(scale > SCALE_MIN)) scale = 1; /* its inverse would not be finite */
    float inverse = (float)(1.0 / norm), steps = 1.0f / scale, lanes[2 * LANES] = {0};
    int64_t whole = n - n % (2 * LANES);
    for (int64_t j = 0; j < n; j += 2 * LANES) {
        int64_t width = j < whole ? 2 * LANES : n - whole;
        for (int64_t l = 0; l < width; l++) {
            float unit = vector[j + l] * inverse;
            float code = rintf(unit * steps);
            code = code > CODE_MAX ? CODE_MAX : code;
            code = code < -CODE_MAX ? -CODE_MAX : code;
            float rest = unit - code * scale;
            codes[j + l] = (int8_t)code;
            lanes[l] += rest * rest;
        }
    }
    double sum = 0;
    for (int l = 0; l < 2 * LANES; l++) sum += lanes[l];
    *error = (float)(sqrt(sum) * ENCODING_FACTOR + ENCODING_SLACK);
    return scale;
}

static uint64_t mixed(uint64_t value) {
    value = (value ^ (value >> 30)) * 0xBF58476D1CE4E5B9u;
    value = (value ^ (value >> 27)) * 0x94D049BB133111EBu;
    return value ^ (value >> 31);
}

/* Sum of words times odd keys. A key is odd, so a change of any one word changes the sum. */
static uint64_t fingerprint(const Bank *bank, int64_t slot) {
    const float *row = bank->rows + slot * bank->dimension;
    uint64_t sum = 0;
    for (int64_t j = 0; j < bank->dimension; j++) sum += bank->keys[j] * bits(row[j]);
    uint64_t facts[FACTS] = {bits(bank->phases[slot]), 0, 0, (uint64_t)bank->ids[slot],
                             bank->words[slot], 0, bank->labels[slot]};
    memcpy(facts + 1, bank->confidences + slot, sizeof *facts);
    memcpy(facts + 2, bank->created + slot, sizeof *facts);
    memcpy(facts + 5, bank->norms + slot, sizeof *facts);
    for (int64_t f = 0; f < FACTS; f++) sum += bank->keys[bank->dimension + f] * mixed(facts[f]);
    return sum;
}

#endif
