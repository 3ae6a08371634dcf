/* kernels/move_fast.c - blocks of transposes and short rows */
#include "kernels/move.h"
#include "kernels/parallel.h"

#include <string.h>

#if defined(__x86_64__)
#include <immintrin.h>
#endif

enum { BLOCK = 16 }; /* 16 x 16 elements: one cache line of each side per row */

#define TRANSPOSE_BODY(type)                                                                                           \
    for (int64_t i0 = 0; i0 < rows; i0 += BLOCK)                                                                       \
        for (int64_t j0 = 0; j0 < columns; j0 += BLOCK) {                                                              \
            type block[BLOCK][BLOCK];                                                                                  \
            int64_t height = rows - i0 < BLOCK ? rows - i0 : BLOCK, width = columns - j0 < BLOCK ? columns - j0 : BLOCK; \
            if (height == BLOCK && width == BLOCK) {                                                                   \
                for (int j = 0; j < BLOCK; j++) {                                                                      \
                    type line[BLOCK];                                                                                  \
                    memcpy(line, from + (j0 + j) * from_column + i0, sizeof(line));                                    \
                    for (int i = 0; i < BLOCK; i++)                                                                    \
                        block[i][j] = line[i];                                                                         \
                }                                                                                                      \
                for (int i = 0; i < BLOCK; i++)                                                                        \
                    memcpy(to + (i0 + i) * to_row + j0, block[i], sizeof(block[i]));                                   \
                continue;                                                                                              \
            }                                                                                                          \
            for (int64_t i = 0; i < height; i++)                                                                       \
                for (int64_t j = 0; j < width; j++)                                                                    \
                    to[(i0 + i) * to_row + j0 + j] = from[(j0 + j) * from_column + i0 + i];                            \
        }

FIG_CLONES
static void transpose_4(uint32_t *to, int64_t to_row, const uint32_t *from, int64_t from_column, int64_t rows, int64_t columns)
{
    TRANSPOSE_BODY(uint32_t)
}

#if defined(__x86_64__)
/* Sixteen runs of four elements become four of sixteen: runs i, i + 4, i + 8, i + 12 are loaded into the quarters of vector i, so that
 * what is left is to transpose 4 x 4 inside each quarter. */
__attribute__((target("avx512f")))
static void transpose_4_vectors(uint32_t *to, int64_t to_row, const uint32_t *from, int64_t from_column, int64_t rows, int64_t columns)
{
#define RUN(j) _mm_loadu_si128((const __m128i *)(const void *)(x + (j) * from_column))
    for (int64_t j = 0; j < columns; j += 16)
        for (int64_t i = 0; i < rows; i += 4) {
            const uint32_t *x = from + j * from_column + i;
            uint32_t *y = to + i * to_row + j;
            __m512i v[4];
#pragma GCC unroll 4
            for (int k = 0; k < 4; k++) {
                v[k] = _mm512_castsi128_si512(RUN(k));
                v[k] = _mm512_inserti32x4(v[k], RUN(k + 4), 1);
                v[k] = _mm512_inserti32x4(v[k], RUN(k + 8), 2);
                v[k] = _mm512_inserti32x4(v[k], RUN(k + 12), 3);
            }
            __m512i a = _mm512_unpacklo_epi32(v[0], v[1]), b = _mm512_unpackhi_epi32(v[0], v[1]);
            __m512i c = _mm512_unpacklo_epi32(v[2], v[3]), d = _mm512_unpackhi_epi32(v[2], v[3]);
            _mm512_storeu_si512(y, _mm512_unpacklo_epi64(a, c));
            _mm512_storeu_si512(y + to_row, _mm512_unpackhi_epi64(a, c));
            _mm512_storeu_si512(y + 2 * to_row, _mm512_unpacklo_epi64(b, d));
            _mm512_storeu_si512(y + 3 * to_row, _mm512_unpackhi_epi64(b, d));
        }
#undef RUN
}
#endif

void fig__fast_transpose_4(uint32_t *to, int64_t to_row, const uint32_t *from, int64_t from_column, int64_t rows, int64_t columns)
{
#if defined(__x86_64__)
    int64_t high = rows / 4 * 4, wide = columns / 16 * 16;
    if (high > 0 && wide > 0 && __builtin_cpu_supports("avx512f")) {
        transpose_4_vectors(to, to_row, from, from_column, high, wide);
        transpose_4(to + wide, to_row, from + wide * from_column, from_column, high, columns - wide);
        transpose_4(to + high * to_row, to_row, from + high, from_column, rows - high, columns);
        return;
    }
#endif
    transpose_4(to, to_row, from, from_column, rows, columns);
}

FIG_CLONES
void fig__fast_transpose_2(uint16_t *to, int64_t to_row, const uint16_t *from, int64_t from_column, int64_t rows, int64_t columns)
{
    TRANSPOSE_BODY(uint16_t)
}

FIG_CLONES
void fig__fast_copy_rows(uint32_t *restrict to, int64_t to_row, const uint32_t *restrict from, int64_t from_row, int64_t rows, int64_t n)
{
    for (int64_t row = 0; row < rows; row++, to += to_row, from += from_row)
        for (int64_t i = 0; i < n; i++)
            to[i] = from[i];
}
