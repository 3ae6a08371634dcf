/* kernels/winograd_fixed_fast.c - transforms of windows stored in bf16 and products of whole numbers, AVX512_VNNI (winograd_fixed.h)
 *
 * A vector of 32 channels is widened into two of f32 by a shift and a mask, those of even number and those of odd. Scaling adds 1.5 2^23,
 * which leaves the rounded number in the low sixteen bits; a permutation of two such vectors joins their halves to pairs. */
#include "kernels/tile_rows.h"
#include "kernels/winograd_fixed.h"

#include "core/core.h"
#include "ops/bf16.h"

#include <math.h>

bool fig__winograd_fixed_available(void) { return fig__machine_get()->avx512_bf16 && fig__machine_get()->avx512_vnni; }

#if defined(__x86_64__)
#include <immintrin.h>

#define TARGET "avx512f,avx512bw,avx512bf16,avx512vnni"
#define FAST __attribute__((target(TARGET)))
#define ALWAYS __attribute__((always_inline, target(TARGET))) static inline
#define EACH(n, i) _Pragma("GCC unroll 13") for (int i = 0; i < n; i++)

enum { LANES = 32, INFINITE = 0x7F80 };

/* Thirty-two channels: those of even number, those of odd. */
typedef struct lanes {
    __m512 even, odd;
} lanes;

ALWAYS __mmask32 lanes_left(int64_t channels) { return channels >= LANES ? ~(__mmask32)0 : (__mmask32)((1u << channels) - 1); }

ALWAYS lanes read_lanes(const uint16_t *from, __mmask32 mask)
{
    __m512i raw = _mm512_maskz_loadu_epi16(mask, from);
    return (lanes){ (__m512)_mm512_slli_epi32(raw, 16), (__m512)_mm512_and_si512(raw, _mm512_set1_epi32((int)0xFFFF0000)) };
}

ALWAYS lanes plus(lanes a, lanes b) { return (lanes){ _mm512_add_ps(a.even, b.even), _mm512_add_ps(a.odd, b.odd) }; }
ALWAYS lanes minus(lanes a, lanes b) { return (lanes){ _mm512_sub_ps(a.even, b.even), _mm512_sub_ps(a.odd, b.odd) }; }
ALWAYS lanes read_scale(const float *scale) { return (lanes){ _mm512_loadu_ps(scale), _mm512_loadu_ps(scale + 16) }; }
ALWAYS lanes times(lanes a, float factor)
{
    return (lanes){ _mm512_mul_ps(a.even, _mm512_set1_ps(factor)), _mm512_mul_ps(a.odd, _mm512_set1_ps(factor)) };
}

FAST void fig__fast_winograd_largest(const uint16_t *const *place, int places, int64_t channels, uint16_t *largest)
{
    for (int64_t i = 0; i < channels; i += LANES) {
        const __mmask32 mask = lanes_left(channels - i);
        const __m512i size = _mm512_set1_epi16(0x7FFF);
        __m512i most = _mm512_maskz_loadu_epi16(mask, largest + i);
        for (int p = 0; p < places; p++)
            most = _mm512_max_epu16(most, _mm512_and_si512(_mm512_maskz_loadu_epi16(mask, place[p] + i), size));
        _mm512_mask_storeu_epi16(largest + i, mask, most);
    }
}

FAST void fig__fast_winograd_sizes(const uint16_t *const *place, int places, int64_t channels, float *sum)
{
    for (int64_t i = 0; i < channels; i += LANES) {
        const __mmask32 mask = lanes_left(channels - i);
        __m512 even = _mm512_loadu_ps(sum + i), odd = _mm512_loadu_ps(sum + i + 16);
        for (int p = 0; p < places; p++) {
            lanes x = read_lanes(place[p] + i, mask);
            even = _mm512_add_ps(even, _mm512_abs_ps(x.even));
            odd = _mm512_add_ps(odd, _mm512_abs_ps(x.odd));
        }
        _mm512_storeu_ps(sum + i, even);
        _mm512_storeu_ps(sum + i + 16, odd);
    }
}

/* The largest number of sixteen bits; of a vector of 32. */
ALWAYS uint16_t largest_half(__m512i x)
{
    return (uint16_t)_mm512_reduce_max_epu32(_mm512_max_epu32(_mm512_srli_epi32(x, 16), _mm512_and_si512(x, _mm512_set1_epi32(0xFFFF))));
}

FAST float fig__fast_winograd_most(const uint16_t *const *place, int places, int64_t channels, const float *weight)
{
    const __m512i size = _mm512_set1_epi16(0x7FFF);
    __m512i all = _mm512_setzero_si512();
    __m512 most = _mm512_setzero_ps();
    for (int64_t i = 0; i < channels; i += LANES) {
        const __mmask32 mask = lanes_left(channels - i);
        __m512i largest = _mm512_setzero_si512();
        for (int p = 0; p < places; p++)
            largest = _mm512_max_epu16(largest, _mm512_and_si512(_mm512_maskz_loadu_epi16(mask, place[p] + i), size));
        all = _mm512_max_epu16(all, largest);
        if (weight) {
            __m512 even = (__m512)_mm512_slli_epi32(largest, 16), odd = (__m512)_mm512_andnot_si512(_mm512_set1_epi32(0xFFFF), largest);
            most = _mm512_max_ps(most, _mm512_mul_ps(even, _mm512_loadu_ps(weight + i)));
            most = _mm512_max_ps(most, _mm512_mul_ps(odd, _mm512_loadu_ps(weight + i + 16)));
        }
    }
    uint16_t largest = largest_half(all);
    return largest >= INFINITE ? INFINITY : weight ? _mm512_reduce_max_ps(most) : fig__from_bf16(largest);
}

ALWAYS __m512i rounded(__m512 x, __m512 scale) { return (__m512i)_mm512_fmadd_ps(x, scale, _mm512_set1_ps(12582912.0f)); }

/* Lanes' low halves of two vectors side by side: 0 of the left one, 0 of the right one, 1, 1 ... */
ALWAYS __m512i order_of_halves(void)
{
    uint16_t at[LANES];
    for (int i = 0; i < LANES; i++)
        at[i] = (uint16_t)(i / 2 * 2 + i % 2 * 32);
    return _mm512_loadu_si512(at);
}

typedef struct joined {
    __m512i even, odd;
} joined;

ALWAYS joined join(lanes left, lanes right, lanes scale, __m512i halves)
{
    return (joined){ _mm512_permutex2var_epi16(rounded(left.even, scale.even), halves, rounded(right.even, scale.even)),
                     _mm512_permutex2var_epi16(rounded(left.odd, scale.odd), halves, rounded(right.odd, scale.odd)) };
}

ALWAYS void write_apart(uint32_t *to, lanes left, lanes right, lanes scale, __m512i halves)
{
    joined p = join(left, right, scale, halves);
    _mm512_storeu_si512(to, p.even);
    _mm512_storeu_si512(to + 16, p.odd);
}

/* Sixteen 32-bit units of two vectors in turn, the first ones and the last. */
ALWAYS __m512i turn_low(__m512i even, __m512i odd)
{
    const __m512i at = _mm512_setr_epi32(0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23);
    return _mm512_permutex2var_epi32(even, at, odd);
}

ALWAYS __m512i turn_high(__m512i even, __m512i odd)
{
    const __m512i at = _mm512_setr_epi32(8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31);
    return _mm512_permutex2var_epi32(even, at, odd);
}

ALWAYS void write_in_order(uint32_t *to, lanes left, lanes right, lanes scale, __m512i halves)
{
    joined p = join(left, right, scale, halves);
    _mm512_storeu_si512(to, turn_low(p.even, p.odd));
    _mm512_storeu_si512(to + 16, turn_high(p.even, p.odd));
}

/* -- forward and data gradient ---------------------------------------------------------------------------------------------------- */

ALWAYS void write_channels(uint32_t *to, lanes x, lanes scale, __m512i halves)
{
    _mm512_storeu_si512(to, _mm512_permutex2var_epi16(rounded(x.even, scale.even), halves, rounded(x.odd, scale.odd)));
}

ALWAYS void window_row(const uint16_t *const *a, const uint16_t *const *b, bool sum, int64_t i, __mmask32 mask, lanes scale, uint32_t *v,
                       int64_t plane, __m512i halves)
{
    lanes r[4];
    EACH(4, j)
    {
        lanes x = read_lanes(a[j] + i, mask), y = read_lanes(b[j] + i, mask);
        r[j] = sum ? plus(x, y) : minus(x, y);
    }
    write_channels(v, minus(r[0], r[2]), scale, halves);
    write_channels(v + plane, plus(r[1], r[2]), scale, halves);
    write_channels(v + 2 * plane, minus(r[2], r[1]), scale, halves);
    write_channels(v + 3 * plane, minus(r[1], r[3]), scale, halves);
}

FAST void fig__fast_winograd_fixed_window(const uint16_t *const *place, int64_t channels, float scale, const float *weight, uint32_t *v,
                                          int64_t plane)
{
    const __m512i halves = order_of_halves();
    for (int64_t i = 0; i < channels; i += LANES, v += LANES / 2) {
        const __mmask32 mask = lanes_left(channels - i);
        const lanes by = times(read_scale(weight + i), scale);
        window_row(place, place + 8, false, i, mask, by, v, plane, halves);
        window_row(place + 4, place + 8, true, i, mask, by, v + 4 * plane, plane, halves);
        window_row(place + 8, place + 4, false, i, mask, by, v + 8 * plane, plane, halves);
        window_row(place + 4, place + 12, false, i, mask, by, v + 12 * plane, plane, halves);
    }
}

/* G w G' of 32 channels, plane by plane. */
ALWAYS void transform_weights(const uint16_t *const *tap, int64_t i, __mmask32 mask, lanes u[16])
{
    lanes row[4][3]; /* G w */
    EACH(3, j)
    {
        lanes a = read_lanes(tap[j] + i, mask), b = read_lanes(tap[3 + j] + i, mask), c = read_lanes(tap[6 + j] + i, mask);
        lanes ends = plus(a, c);
        row[0][j] = a;
        row[1][j] = times(plus(ends, b), 0.5f);
        row[2][j] = times(minus(ends, b), 0.5f);
        row[3][j] = c;
    }
    EACH(4, k)
    {
        lanes ends = plus(row[k][0], row[k][2]);
        u[4 * k] = row[k][0];
        u[4 * k + 1] = times(plus(ends, row[k][1]), 0.5f);
        u[4 * k + 2] = times(minus(ends, row[k][1]), 0.5f);
        u[4 * k + 3] = row[k][2];
    }
}

FAST void fig__fast_winograd_fixed_weights(const uint16_t *const *tap, int64_t channels, float scale, const float *weight, uint32_t *u,
                                           int64_t plane)
{
    const __m512i halves = order_of_halves();
    for (int64_t i = 0; i < channels; i += LANES, u += LANES / 2) {
        lanes made[16];
        transform_weights(tap, i, lanes_left(channels - i), made);
        for (int p = 0; p < 16; p++)
            write_channels(u + p * plane, made[p], times(read_scale(weight + i), scale), halves);
    }
}

FAST void fig__fast_winograd_fixed_weight_pairs(const uint16_t *const *left, const uint16_t *const *right, int64_t channels,
                                                const float weight[2], const float *scale, uint32_t *u, int64_t plane)
{
    const __m512i halves = order_of_halves();
    const lanes by = read_scale(scale);
    lanes first[16], second[16];
    transform_weights(left, 0, lanes_left(channels), first);
    transform_weights(right, 0, lanes_left(channels), second);
    for (int p = 0; p < 16; p++)
        write_in_order(u + p * plane, times(first[p], weight[0]), times(second[p], weight[1]), by, halves);
}

FAST int32_t fig__fast_winograd_fixed_weight_sum(const uint32_t *panel, int64_t pairs)
{
    const __m512i one = _mm512_set1_epi16(1);
    __m512i low = _mm512_setzero_si512(), high = low;
    for (const uint32_t *end = panel + pairs * LANES; panel < end; panel += LANES) {
        low = _mm512_add_epi32(low, _mm512_madd_epi16(_mm512_abs_epi16(_mm512_loadu_si512(panel)), one));
        high = _mm512_add_epi32(high, _mm512_madd_epi16(_mm512_abs_epi16(_mm512_loadu_si512(panel + 16)), one));
    }
    return _mm512_reduce_max_epi32(_mm512_max_epi32(low, high));
}

FAST void fig__fast_winograd_fixed_make(const float *m, int64_t plane, float scale, const float *bias, int64_t channels,
                                        uint16_t *const *place)
{
    const __mmask32 mask = lanes_left(channels);
    __m512 y[4][2];
    for (int half = 0; half < 2; half++, m += 16) {
        __m512 upper[4], lower[4], added = _mm512_loadu_ps(bias + 16 * half), by = _mm512_set1_ps(scale);
        EACH(4, j)
        {
            __m512 m1 = _mm512_loadu_ps(m + (4 + j) * plane), m2 = _mm512_loadu_ps(m + (8 + j) * plane);
            upper[j] = _mm512_add_ps(_mm512_loadu_ps(m + j * plane), _mm512_add_ps(m1, m2));
            lower[j] = _mm512_sub_ps(_mm512_sub_ps(m1, m2), _mm512_loadu_ps(m + (12 + j) * plane));
        }
        y[0][half] = _mm512_fmadd_ps(_mm512_add_ps(upper[0], _mm512_add_ps(upper[1], upper[2])), by, added);
        y[1][half] = _mm512_fmadd_ps(_mm512_sub_ps(_mm512_sub_ps(upper[1], upper[2]), upper[3]), by, added);
        y[2][half] = _mm512_fmadd_ps(_mm512_add_ps(lower[0], _mm512_add_ps(lower[1], lower[2])), by, added);
        y[3][half] = _mm512_fmadd_ps(_mm512_sub_ps(_mm512_sub_ps(lower[1], lower[2]), lower[3]), by, added);
    }
    for (int k = 0; k < 4; k++)
        _mm512_mask_storeu_epi16(place[k], mask, (__m512i)_mm512_cvtne2ps_pbh(y[k][1], y[k][0]));
}

/* -- weight gradient -------------------------------------------------------------------------------------------------------------- */

/* The four planes of one row of transformed rows: six columns are two windows. */
ALWAYS void write_windows(const lanes *r, lanes scale, uint32_t *v, int64_t plane, __m512i halves)
{
    write_apart(v, minus(r[0], r[2]), minus(r[2], r[4]), scale, halves);
    write_apart(v + plane, plus(r[1], r[2]), plus(r[3], r[4]), scale, halves);
    write_apart(v + 2 * plane, minus(r[2], r[1]), minus(r[4], r[3]), scale, halves);
    write_apart(v + 3 * plane, minus(r[1], r[3]), minus(r[3], r[5]), scale, halves);
}

/* Rows a - c and c + b, of the lower half c - b. */
ALWAYS void windows_half(const uint16_t *const *a, const uint16_t *const *b, const uint16_t *const *c, bool lower, int64_t channels,
                         const float *scale, uint32_t *v, int64_t plane, int64_t block)
{
    const __m512i halves = order_of_halves();
    for (int64_t i = 0; i < channels; i += LANES, v += block) {
        const __mmask32 mask = lanes_left(channels - i);
        const lanes by = read_scale(scale + i);
        lanes r[6];
        EACH(6, j) r[j] = minus(read_lanes(a[j] + i, mask), read_lanes(c[j] + i, mask));
        write_windows(r, by, v, plane, halves);
        EACH(6, j)
        {
            lanes x = read_lanes(c[j] + i, mask), y = read_lanes(b[j] + i, mask);
            r[j] = lower ? minus(x, y) : plus(x, y);
        }
        write_windows(r, by, v + 4 * plane, plane, halves);
    }
}

FAST void fig__fast_winograd_fixed_windows(const uint16_t *const *place, int half, int64_t channels, const float *scale, uint32_t *v,
                                           int64_t plane, int64_t block)
{
    if (half)
        windows_half(place + 12, place + 18, place + 6, true, channels, scale, v, plane, block);
    else
        windows_half(place, place + 6, place + 12, false, channels, scale, v, plane, block);
}

ALWAYS void write_results(const lanes *r, lanes scale, uint32_t *d, int64_t plane, __m512i halves)
{
    const lanes zero = { _mm512_setzero_ps(), _mm512_setzero_ps() };
    write_in_order(d, r[0], r[2], scale, halves);
    write_in_order(d + plane, plus(r[0], r[1]), plus(r[2], r[3]), scale, halves);
    write_in_order(d + 2 * plane, minus(r[0], r[1]), minus(r[2], r[3]), scale, halves);
    write_in_order(d + 3 * plane, minus(zero, r[1]), minus(zero, r[3]), scale, halves);
}

FAST void fig__fast_winograd_fixed_results(const uint16_t *const *place, int half, int64_t channels, const float *scale, uint32_t *d,
                                           int64_t plane)
{
    const __m512i halves = order_of_halves();
    const lanes zero = { _mm512_setzero_ps(), _mm512_setzero_ps() };
    for (int64_t i = 0; i < channels; i += LANES, d += LANES) {
        const __mmask32 mask = lanes_left(channels - i);
        const lanes by = read_scale(scale + i);
        lanes alone[4], sum[4]; /* rows of one place, rows of two */
        EACH(4, j)
        {
            lanes a = read_lanes(place[j] + i, mask), b = read_lanes(place[4 + j] + i, mask);
            alone[j] = half ? minus(zero, b) : a;
            sum[j] = half ? minus(a, b) : plus(a, b);
        }
        write_results(half ? sum : alone, by, d, plane, halves);
        write_results(half ? alone : sum, by, d + 4 * plane, plane, halves);
    }
}

/* -- products ------------------------------------------------------------------------------------------------------------------- */

/* Products of pairs added to sums. The compiler's own function has gcc 12 copy sums from register to register and into memory. */
ALWAYS __m512i add_pairs(__m512i sum, __m512i a, __m512i b)
{
    __asm__("vpdpwssd %2, %1, %0" : "+v"(sum) : "v"(a), "v"(b));
    return sum;
}

/* Rows in memory are walked by five pointers, as there are not registers enough for thirteen. */
#define PAIR_ROW(i) ((i) < 3 ? a0 + (i) * row : (i) < 6 ? a3 + ((i) - 3) * row : (i) < 9 ? a6 + ((i) - 6) * row : \
                     (i) < 12 ? a9 + ((i) - 9) * row : a12)

/* rows is a constant after inlining. */
ALWAYS void product_tile(int rows, const fig__fixed_tile *t)
{
    __m512i low[FIG__FIXED_ROWS], high[FIG__FIXED_ROWS];
    const int64_t row = t->a_row;
    const uint32_t *a0 = t->a, *a3 = a0 + 3 * row, *a6 = a3 + 3 * row, *a9 = a6 + 3 * row, *a12 = a9 + 3 * row;
    EACH(rows, i) low[i] = high[i] = _mm512_setzero_si512();
    for (const uint32_t *panel = t->panel, *end = panel + t->pairs * LANES; panel < end; panel += LANES, a0++, a3++, a6++, a9++, a12++) {
        __m512i left = _mm512_loadu_si512(panel), right = _mm512_loadu_si512(panel + 16);
        EACH(rows, i)
        {
            __m512i u = _mm512_set1_epi32((int)*PAIR_ROW(i));
            low[i] = add_pairs(low[i], u, left);
            high[i] = add_pairs(high[i], u, right);
        }
    }
    const __m512 first = _mm512_loadu_ps(t->column), last = _mm512_loadu_ps(t->column + 16);
    EACH(rows, i)
    {
        _mm512_storeu_ps(t->c + i * LANES, _mm512_mul_ps(_mm512_cvtepi32_ps(low[i]), first));
        _mm512_storeu_ps(t->c + i * LANES + 16, _mm512_mul_ps(_mm512_cvtepi32_ps(high[i]), last));
    }
}

ALWAYS void sums_tile(int rows, const fig__fixed_sums *t)
{
    __m512i low[FIG__FIXED_ROWS], high[FIG__FIXED_ROWS];
    const uint32_t *d = t->d;
    const int64_t d_row = t->d_row;
    EACH(rows, i) low[i] = high[i] = _mm512_setzero_si512();
    for (const uint32_t *panel = t->panel, *end = panel + t->pairs * LANES; panel < end; panel += LANES, d += d_row) {
        __m512i left = _mm512_loadu_si512(panel), right = _mm512_loadu_si512(panel + 16);
        EACH(rows, i)
        {
            __m512i u = _mm512_set1_epi32((int)d[i]);
            low[i] = add_pairs(low[i], u, left);
            high[i] = add_pairs(high[i], u, right);
        }
    }
    const __m512 first = _mm512_loadu_ps(t->column), last = _mm512_loadu_ps(t->column + 16);
    EACH(rows, i)
    {
        float *sum = t->sum + i * t->sum_row;
        const __m512 row = _mm512_set1_ps(t->row[i]);
        __m512 a = _mm512_cvtepi32_ps(turn_low(low[i], high[i])), b = _mm512_cvtepi32_ps(turn_high(low[i], high[i]));
        _mm512_storeu_ps(sum, _mm512_fmadd_ps(_mm512_mul_ps(a, row), first, _mm512_loadu_ps(sum)));
        _mm512_storeu_ps(sum + 16, _mm512_fmadd_ps(_mm512_mul_ps(b, row), last, _mm512_loadu_ps(sum + 16)));
    }
}

#define TILES(rows)                                                                \
    FAST static void product_##rows(const fig__fixed_tile *t) { product_tile(rows, t); } \
    FAST static void sums_##rows(const fig__fixed_sums *t) { sums_tile(rows, t); }
FIG__EACH_TILE(TILES)

void fig__fast_winograd_fixed_tile(const fig__fixed_tile *t, int64_t rows)
{
    static void (*const tile[])(const fig__fixed_tile *) = FIG__TILE_TABLE(product);
    tile[rows](t);
}

void fig__fast_winograd_fixed_sums(const fig__fixed_sums *t, int64_t rows)
{
    static void (*const tile[])(const fig__fixed_sums *) = FIG__TILE_TABLE(sums);
    tile[rows](t);
}

#else

#define ABSENT FIG_BUG("products of whole numbers on a processor without them")

float fig__fast_winograd_most(const uint16_t *const *place, int places, int64_t channels, const float *weight)
{
    (void)place, (void)places, (void)channels, (void)weight;
    ABSENT;
    return 0;
}

void fig__fast_winograd_largest(const uint16_t *const *place, int places, int64_t channels, uint16_t *largest)
{
    (void)place, (void)places, (void)channels, (void)largest;
    ABSENT;
}

void fig__fast_winograd_sizes(const uint16_t *const *place, int places, int64_t channels, float *sum)
{
    (void)place, (void)places, (void)channels, (void)sum;
    ABSENT;
}

void fig__fast_winograd_fixed_window(const uint16_t *const *place, int64_t channels, float scale, const float *weight, uint32_t *v,
                                     int64_t plane)
{
    (void)place, (void)channels, (void)scale, (void)weight, (void)v, (void)plane;
    ABSENT;
}

void fig__fast_winograd_fixed_weights(const uint16_t *const *tap, int64_t channels, float scale, const float *weight, uint32_t *u,
                                      int64_t plane)
{
    (void)tap, (void)channels, (void)scale, (void)weight, (void)u, (void)plane;
    ABSENT;
}

void fig__fast_winograd_fixed_weight_pairs(const uint16_t *const *left, const uint16_t *const *right, int64_t channels,
                                           const float weight[2], const float *scale, uint32_t *u, int64_t plane)
{
    (void)left, (void)right, (void)channels, (void)weight, (void)scale, (void)u, (void)plane;
    ABSENT;
}

int32_t fig__fast_winograd_fixed_weight_sum(const uint32_t *panel, int64_t pairs)
{
    (void)panel, (void)pairs;
    ABSENT;
    return 0;
}

void fig__fast_winograd_fixed_make(const float *m, int64_t plane, float scale, const float *bias, int64_t channels,
                                   uint16_t *const *place)
{
    (void)m, (void)plane, (void)scale, (void)bias, (void)channels, (void)place;
    ABSENT;
}

void fig__fast_winograd_fixed_tile(const fig__fixed_tile *t, int64_t rows)
{
    (void)t, (void)rows;
    ABSENT;
}

void fig__fast_winograd_fixed_windows(const uint16_t *const *place, int half, int64_t channels, const float *scale, uint32_t *v,
                                      int64_t plane, int64_t block)
{
    (void)place, (void)half, (void)channels, (void)scale, (void)v, (void)plane, (void)block;
    ABSENT;
}

void fig__fast_winograd_fixed_results(const uint16_t *const *place, int half, int64_t channels, const float *scale, uint32_t *d,
                                      int64_t plane)
{
    (void)place, (void)half, (void)channels, (void)scale, (void)d, (void)plane;
    ABSENT;
}

void fig__fast_winograd_fixed_sums(const fig__fixed_sums *t, int64_t rows)
{
    (void)t, (void)rows;
    ABSENT;
}

#endif
