/* kernels/attention_heads_fast.c - a step's attention over keys and values that are stored in bf16, several heads at a time
 *
 * A head's keys are a straight run of memory, but a short one (28 KB at position 220), and so are its values. One run after the other
 * is read at 11 GB/s by each of two Zen 4 cores, three or four next to one another at 19. Pairs are split by a shift and a mask into
 * even and odd columns (matmul_lines_fast.c). Widths that are no multiple of 32 and other processors have plain loops. */
#include "core/core.h"
#include "kernels/fast.h"
#include "kernels/four_sums.h"
#include "kernels/parallel.h"
#include "ops/bf16.h"

#include <string.h>

FIG_CLONES static void plain_values(int64_t lines, int64_t n, const float *restrict weight, const uint16_t *restrict b, float *restrict y)
{
    memset(y, 0, sizeof *y * (size_t)n);
    for (int64_t i = 0; i < lines; i++, b += n)
        for (int64_t d = 0; d < n; d++)
            y[d] += weight[i] * fig__from_bf16(b[d]);
}

#if defined(__x86_64__)
#include <immintrin.h>

#define WIDE "avx512f,avx512bw,avx512vl,avx512dq"
enum { PAIRS = 32 }; /* columns of a register of pairs */

/* Heads beyond the last are the last once more: read from the cache, written to the same place. */
static inline int64_t head_at(int l, int heads) { return l < heads ? l : heads - 1; }

__attribute__((target(WIDE))) static void wide_keys(fig__heads h, const float *restrict q, const uint16_t *restrict keys,
                                                    float *restrict score)
{
    const __m512i even = _mm512_set_epi32(30, 28, 26, 24, 22, 20, 18, 16, 14, 12, 10, 8, 6, 4, 2, 0);
    const __m512i odd = _mm512_set_epi32(31, 29, 27, 25, 23, 21, 19, 17, 15, 13, 11, 9, 7, 5, 3, 1);
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000u);
    float apart[FIG__HEADS][FIG__ROWS_WIDTH]; /* even and odd columns of each register of pairs */
    const uint16_t *line[FIG__HEADS];
    for (int l = 0; l < FIG__HEADS; l++) {
        const float *own = q + head_at(l, h.heads) * h.width;
        line[l] = keys + head_at(l, h.heads) * h.apart;
        for (int64_t d = 0; d < h.width; d += PAIRS) {
            __m512 x = _mm512_loadu_ps(own + d), y = _mm512_loadu_ps(own + d + 16);
            _mm512_storeu_ps(apart[l] + d, _mm512_permutex2var_ps(x, even, y));
            _mm512_storeu_ps(apart[l] + d + 16, _mm512_permutex2var_ps(x, odd, y));
        }
    }
    for (int64_t i = 0; i < h.seen; i++) {
        __m512 s[FIG__HEADS];
#pragma GCC unroll 4
        for (int l = 0; l < FIG__HEADS; l++) {
            s[l] = _mm512_setzero_ps();
            for (int64_t d = 0; d < h.width; d += PAIRS) {
                __m512i pair = _mm512_loadu_si512(line[l] + i * h.width + d);
                s[l] = _mm512_fmadd_ps(_mm512_loadu_ps(apart[l] + d), _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16)), s[l]);
                s[l] = _mm512_fmadd_ps(_mm512_loadu_ps(apart[l] + d + 16), _mm512_castsi512_ps(_mm512_and_si512(pair, upper)), s[l]);
            }
        }
        float sum[FIG__HEADS];
        _mm_storeu_ps(sum, fig__four_sums(s[0], s[1], s[2], s[3]));
        for (int l = 0; l < h.heads; l++)
            score[l * h.row + i] = sum[l];
    }
}

/* Columns of one register of pairs, of all heads. */
__attribute__((target(WIDE))) static void wide_values(fig__heads h, const float *restrict weight, const uint16_t *restrict values,
                                                      float *restrict y)
{
    const __m512i upper = _mm512_set1_epi32((int)0xFFFF0000u);
    const __m512i first = _mm512_set_epi32(23, 7, 22, 6, 21, 5, 20, 4, 19, 3, 18, 2, 17, 1, 16, 0);
    const __m512i second = _mm512_add_epi32(first, _mm512_set1_epi32(8));
    const uint16_t *line[FIG__HEADS];
    const float *own[FIG__HEADS];
    __m512 even[FIG__HEADS][2], odd[FIG__HEADS][2];
    int64_t both = h.width > PAIRS ? PAIRS : 0; /* two registers of a line at once; of a narrow line the same twice */
    for (int l = 0; l < FIG__HEADS; l++) {
        line[l] = values + head_at(l, h.heads) * h.apart;
        own[l] = weight + head_at(l, h.heads) * h.row;
        even[l][0] = even[l][1] = odd[l][0] = odd[l][1] = _mm512_setzero_ps();
    }
    for (int64_t i = 0; i < h.seen; i++)
#pragma GCC unroll 4
        for (int l = 0; l < FIG__HEADS; l++) {
            __m512 w = _mm512_set1_ps(own[l][i]);
#pragma GCC unroll 2
            for (int k = 0; k < 2; k++) {
                __m512i pair = _mm512_loadu_si512(line[l] + i * h.width + k * both);
                even[l][k] = _mm512_fmadd_ps(w, _mm512_castsi512_ps(_mm512_slli_epi32(pair, 16)), even[l][k]);
                odd[l][k] = _mm512_fmadd_ps(w, _mm512_castsi512_ps(_mm512_and_si512(pair, upper)), odd[l][k]);
            }
        }
    for (int l = 0; l < h.heads; l++)
        for (int k = 0; k < 2; k++) {
            float *to = y + l * h.width + k * both;
            _mm512_storeu_ps(to, _mm512_permutex2var_ps(even[l][k], first, odd[l][k]));
            _mm512_storeu_ps(to + 16, _mm512_permutex2var_ps(even[l][k], second, odd[l][k]));
        }
}

static bool wide(fig__heads h) { return h.width % PAIRS == 0 && h.width <= FIG__ROWS_WIDTH && fig__machine_get()->avx512; }
#endif

void fig__fast_heads_keys(fig__heads h, const float *q, const uint16_t *keys, float *score)
{
#if defined(__x86_64__)
    if (wide(h)) {
        wide_keys(h, q, keys, score);
        return;
    }
#endif
    for (int l = 0; l < h.heads; l++)
        fig__fast_lines_bf16(h.seen, h.width, q + l * h.width, keys + l * h.apart, score + l * h.row);
}

void fig__fast_heads_values(fig__heads h, const float *weight, const uint16_t *values, float *y)
{
    int64_t done = 0;
#if defined(__x86_64__)
    if (wide(h) && (h.width == PAIRS || h.width % (2 * PAIRS) == 0))
        for (; done < h.width; done += 2 * PAIRS)
            wide_values(h, weight, values + done, y + done);
#endif
    for (int l = 0; l < h.heads && !done; l++)
        plain_values(h.seen, h.width, weight + l * h.row, values + l * h.apart, y + l * h.width);
}
