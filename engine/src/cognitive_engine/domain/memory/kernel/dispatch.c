/* One library, several instruction sets: the best that this processor has, chosen once. */
#include "kernel.h"

#define VARIANT_FUNCTIONS(v)                                                                       \
    int search_##v(const Bank *, const Segment *, int64_t, const Search *);                        \
    int sift_##v(const Bank *, const Segment *, int64_t, const Search *, int64_t);                 \
    int write_##v(Bank *, const Segment *, const float *, const Memory *);                         \
    void clear_##v(Bank *, int64_t);                                                               \
    int intact_##v(const Bank *, int64_t);                                                         \
    int64_t move_##v(const Bank *, const Segment *, int64_t, int64_t);                             \
    void mend_##v(const Bank *, const Segment *, int64_t, int64_t);

#define VARIANT_TABLE(v)                                                                           \
    {#v, search_##v, sift_##v, write_##v, clear_##v, intact_##v, move_##v, mend_##v}

typedef struct {
    const char *name;
    int (*search)(const Bank *, const Segment *, int64_t, const Search *);
    int (*sift)(const Bank *, const Segment *, int64_t, const Search *, int64_t);
    int (*write)(Bank *, const Segment *, const float *, const Memory *);
    void (*clear)(Bank *, int64_t);
    int (*intact)(const Bank *, int64_t);
    int64_t (*move)(const Bank *, const Segment *, int64_t, int64_t);
    void (*mend)(const Bank *, const Segment *, int64_t, int64_t);
} Kernel;

VARIANT_FUNCTIONS(plain)
static const Kernel plain = VARIANT_TABLE(plain);

#if defined(__x86_64__)
VARIANT_FUNCTIONS(avx2)
VARIANT_FUNCTIONS(avx512vnni)
static const Kernel avx2 = VARIANT_TABLE(avx2);
static const Kernel avx512vnni = VARIANT_TABLE(avx512vnni);
#endif

#if defined(__x86_64__)
/* Asked of the processor itself: not every compiler's run-time library answers for it. */
#include <cpuid.h>

enum { YMM_SAVED = 0x06, ZMM_SAVED = 0xE6 };

static uint32_t saved_registers(void) {
    uint32_t low, high;
    __asm__("xgetbv" : "=a"(low), "=d"(high) : "c"(0));
    return low;
}

static int able_x86(const Kernel **able) {
    uint32_t a, b, c, d, basic, saved;
    int count = 0;
    if (!__get_cpuid(1, &a, &b, &basic, &d) || !(basic & bit_OSXSAVE)) return 0;
    if (!__get_cpuid_count(7, 0, &a, &b, &c, &d)) return 0;
    saved = saved_registers();
    int common = (basic & bit_FMA) && (basic & bit_POPCNT) && (b & bit_AVX2);
    int wide = (b & bit_AVX512F) && (b & bit_AVX512DQ) && (b & bit_AVX512BW) &&
               (b & bit_AVX512VL) && (c & bit_AVX512VNNI);
    if (common && wide && (saved & ZMM_SAVED) == ZMM_SAVED) able[count++] = &avx512vnni;
    if (common && (saved & YMM_SAVED) == YMM_SAVED) able[count++] = &avx2;
    return count;
}
#endif

/* Kernel number `index`, best first; NULL past the last this processor can run. */
__attribute__((visibility("default"))) const Kernel *cognitive_kernel(int index) {
    const Kernel *able[3];
    int count = 0;
#if defined(__x86_64__)
    count = able_x86(able);
#endif
    able[count++] = &plain;
    return index >= 0 && index < count ? able[index] : 0;
}
