/* Dots of codes, in integers, over whole groups of rows; the part that differs by instruction set.
 *
 * A stored code is unsigned (CODE_ZERO added), an asked one signed: that is what the instructions
 * take. The shift adds CODE_ZERO times the sum of the asked codes, which the caller takes off.
 */
#include "kernel.h"
#include "rank.h"

#if defined(__AVX512VNNI__) || defined(__AVX2__)
#include <immintrin.h>
#endif

#if defined(__AVX512VNNI__) && defined(__AVX512F__)

static inline __m128i sums(__m512i a, __m512i b, __m512i c, __m512i d) {
    __m512i ab = _mm512_add_epi32(_mm512_unpacklo_epi32(a, b), _mm512_unpackhi_epi32(a, b));
    __m512i cd = _mm512_add_epi32(_mm512_unpacklo_epi32(c, d), _mm512_unpackhi_epi32(c, d));
    __m512i all = _mm512_add_epi32(_mm512_unpacklo_epi64(ab, cd), _mm512_unpackhi_epi64(ab, cd));
    __m256i half = _mm256_add_epi32(_mm512_castsi512_si256(all), _mm512_extracti64x4_epi64(all, 1));
    return _mm_add_epi32(_mm256_castsi256_si128(half), _mm256_extracti128_si256(half, 1));
}

/* One query: two rows at a time, so that memory is read nearly in order. */
static void dots_one(const uint8_t *codes, int64_t stride, int64_t groups, const Query *query,
                     int32_t *out) {
    for (int64_t four = 0; four < groups * (GROUP / 4); four++, codes += 4 * stride) {
        __m512i sum[4];
        for (int r = 0; r < 4; r += 2) {
            const uint8_t *at = codes + r * stride, *next = at + stride;
            __m512i a = _mm512_setzero_si512(), b = a;
            for (int64_t j = 0; j < stride; j += 64) {
                __m512i asked = _mm512_loadu_si512(query->codes + j);
                a = _mm512_dpbusd_epi32(a, _mm512_loadu_si512(at + j), asked);
                b = _mm512_dpbusd_epi32(b, _mm512_loadu_si512(next + j), asked);
            }
            sum[r] = a;
            sum[r + 1] = b;
        }
        _mm_storeu_si128((__m128i *)(out + 4 * four), sums(sum[0], sum[1], sum[2], sum[3]));
    }
}

/* TILE queries: four rows at a time, so that each code read is used TILE times. */
static void dots_tile(const uint8_t *codes, int64_t stride, int64_t groups, Query *const *queries,
                      int32_t (*out)[BLOCK]) {
    for (int64_t four = 0; four < groups * (GROUP / 4); four++, codes += 4 * stride) {
        __m512i sum[TILE][4];
        for (int q = 0; q < TILE; q++)
            for (int r = 0; r < 4; r++) sum[q][r] = _mm512_setzero_si512();
        for (int64_t j = 0; j < stride; j += 64) {
            __m512i code[4];
            for (int r = 0; r < 4; r++) code[r] = _mm512_loadu_si512(codes + r * stride + j);
            for (int q = 0; q < TILE; q++) {
                __m512i asked = _mm512_loadu_si512(queries[q]->codes + j);
                for (int r = 0; r < 4; r++)
                    sum[q][r] = _mm512_dpbusd_epi32(sum[q][r], code[r], asked);
            }
        }
        for (int q = 0; q < TILE; q++)
            _mm_storeu_si128((__m128i *)(out[q] + 4 * four),
                             sums(sum[q][0], sum[q][1], sum[q][2], sum[q][3]));
    }
}

#elif defined(__AVX2__)

static inline __m256i wide(const uint8_t *bytes) {
    return _mm256_cvtepu8_epi16(_mm_loadu_si128((const __m128i *)bytes));
}

static inline __m256i wide_signed(const int8_t *bytes) {
    return _mm256_cvtepi8_epi16(_mm_loadu_si128((const __m128i *)bytes));
}

static inline int32_t sum(__m256i lanes) {
    __m128i half = _mm_add_epi32(_mm256_castsi256_si128(lanes), _mm256_extracti128_si256(lanes, 1));
    half = _mm_hadd_epi32(half, half);
    return _mm_cvtsi128_si32(_mm_hadd_epi32(half, half));
}

static void dots_one(const uint8_t *codes, int64_t stride, int64_t groups, const Query *query,
                     int32_t *out) {
    for (int64_t row = 0; row < groups * GROUP; row += 2, codes += 2 * stride) {
        __m256i a = _mm256_setzero_si256(), b = a;
        for (int64_t j = 0; j < stride; j += 16) {
            __m256i asked = wide_signed(query->codes + j);
            a = _mm256_add_epi32(a, _mm256_madd_epi16(wide(codes + j), asked));
            b = _mm256_add_epi32(b, _mm256_madd_epi16(wide(codes + stride + j), asked));
        }
        out[row] = sum(a);
        out[row + 1] = sum(b);
    }
}

static void dots_tile(const uint8_t *codes, int64_t stride, int64_t groups, Query *const *queries,
                      int32_t (*out)[BLOCK]) {
    for (int64_t row = 0; row < groups * GROUP; row += 2, codes += 2 * stride) {
        __m256i all[TILE][2];
        for (int q = 0; q < TILE; q++) all[q][0] = all[q][1] = _mm256_setzero_si256();
        for (int64_t j = 0; j < stride; j += 16) {
            __m256i a = wide(codes + j), b = wide(codes + stride + j);
            for (int q = 0; q < TILE; q++) {
                __m256i asked = wide_signed(queries[q]->codes + j);
                all[q][0] = _mm256_add_epi32(all[q][0], _mm256_madd_epi16(a, asked));
                all[q][1] = _mm256_add_epi32(all[q][1], _mm256_madd_epi16(b, asked));
            }
        }
        for (int q = 0; q < TILE; q++) {
            out[q][row] = sum(all[q][0]);
            out[q][row + 1] = sum(all[q][1]);
        }
    }
}

#else

static void dots_one(const uint8_t *codes, int64_t stride, int64_t groups, const Query *query,
                     int32_t *out) {
    for (int64_t row = 0; row < groups * GROUP; row++, codes += stride) {
        int32_t sum = 0;
        for (int64_t j = 0; j < stride; j++) sum += (int32_t)codes[j] * query->codes[j];
        out[row] = sum;
    }
}

static void dots_tile(const uint8_t *codes, int64_t stride, int64_t groups, Query *const *queries,
                      int32_t (*out)[BLOCK]) {
    for (int q = 0; q < TILE; q++) dots_one(codes, stride, groups, queries[q], out[q]);
}

#endif
