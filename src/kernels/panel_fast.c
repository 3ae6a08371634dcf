/* kernels/panel_fast.c - the tile of a product with a packed panel (kernels/panel.h)
 *
 * AVX-512: 13 rows by 32 columns are 26 registers of sums, two of the panel, one of a; the rows are walked by five pointers, as
 * there are not registers enough for thirteen. Elsewhere: 6 rows by 16 columns. A sum is made in the order of k whatever the
 * number of rows, so a result does not depend on how rows are shared among threads. */
#include "kernels/panel.h"
#include "kernels/parallel.h"

#include <string.h>

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

#define EACH(R, i) _Pragma("GCC unroll 16") for (int i = 0; i < R; i++)

/* Row i of a at this k: pointers to rows 0, 3, 6, 9, 12 and their next two. */
#define ELEMENT(i) (*((i) < 3 ? a0 + (i) * row : (i) < 6 ? a3 + ((i) - 3) * row : (i) < 9 ? a6 + ((i) - 6) * row : \
                      (i) < 12 ? a9 + ((i) - 9) * row : a12))
#define TILE(name, R, target_attribute)                                                                                     \
    target_attribute static void name(int64_t k, const float *restrict a0, int64_t row, const float *restrict panel,       \
                                      float *restrict c, int64_t c_row)                                                     \
    {                                                                                                                       \
        vector low[R], high[R];                                                                                             \
        const float *a3 = a0 + 3 * row, *a6 = a3 + 3 * row, *a9 = a6 + 3 * row, *a12 = a9 + 3 * row, *end = a0 + k;         \
        EACH(R, i) low[i] = high[i] = (vector){ 0 };                                                                        \
        for (; a0 < end; a0++, a3++, a6++, a9++, a12++, panel += FIG__PANEL) {                                              \
            vector b0 = *(const vector *)panel, b1 = *(const vector *)(panel + 16);                                         \
            EACH(R, i)                                                                                                      \
            {                                                                                                               \
                float x = ELEMENT(i);                                                                                       \
                low[i] += x * b0;                                                                                           \
                high[i] += x * b1;                                                                                          \
            }                                                                                                               \
        }                                                                                                                   \
        EACH(R, i)                                                                                                          \
        {                                                                                                                   \
            *(vector *)(c + i * c_row) = low[i];                                                                            \
            *(vector *)(c + i * c_row + 16) = high[i];                                                                      \
        }                                                                                                                   \
    }

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target("arch=x86-64-v4,prefer-vector-width=512"), noinline))
TILE(wide_1, 1, WIDE)
TILE(wide_2, 2, WIDE)
TILE(wide_3, 3, WIDE)
TILE(wide_4, 4, WIDE)
TILE(wide_5, 5, WIDE)
TILE(wide_6, 6, WIDE)
TILE(wide_7, 7, WIDE)
TILE(wide_8, 8, WIDE)
TILE(wide_9, 9, WIDE)
TILE(wide_10, 10, WIDE)
TILE(wide_11, 11, WIDE)
TILE(wide_12, 12, WIDE)
TILE(wide_13, 13, WIDE)
typedef void tile_function(int64_t k, const float *a, int64_t row, const float *panel, float *c, int64_t c_row);
static tile_function *const wide[] = { NULL, wide_1, wide_2, wide_3, wide_4, wide_5, wide_6, wide_7, wide_8, wide_9, wide_10, wide_11,
                                       wide_12, wide_13 };
static int has_wide(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
#else
static int has_wide(void) { return 0; }
#endif

enum { WIDE_ROWS = 13, NARROW_ROWS = 6 };

/* Up to six rows by half a panel. */
FIG_CLONES
static void narrow(int64_t rows, int64_t k, const float *restrict a, int64_t row, const float *restrict panel, float *restrict c,
                   int64_t c_row)
{
    float sum[NARROW_ROWS][16];
    const float *x[NARROW_ROWS];
    for (int i = 0; i < NARROW_ROWS; i++)
        x[i] = a + (i < rows ? i : rows - 1) * row;
    memset(sum, 0, sizeof sum);
    for (int64_t p = 0; p < k; p++, panel += FIG__PANEL)
        EACH(NARROW_ROWS, i)
        for (int j = 0; j < 16; j++)
            sum[i][j] += x[i][p] * panel[j];
    for (int64_t i = 0; i < rows; i++)
        memcpy(c + i * c_row, sum[i], sizeof sum[i]);
}

void fig__fast_panel(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *panel, float *c, int64_t c_row)
{
    int64_t most = has_wide() ? WIDE_ROWS : NARROW_ROWS, blocks = (rows + most - 1) / most;
    for (int64_t block = 0; block < blocks; block++) { /* of nearly equal size: 50 rows are 12 + 13 + 12 + 13 */
        int64_t first = rows * block / blocks, count = rows * (block + 1) / blocks - first;
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
        if (most == WIDE_ROWS) {
            wide[count](k, a + first * a_row, a_row, panel, c + first * c_row, c_row);
            continue;
        }
#endif
        for (int half = 0; half < FIG__PANEL; half += 16)
            narrow(count, k, a + first * a_row, a_row, panel + half, c + first * c_row + half, c_row);
    }
}

void fig__fast_panel_pack(int64_t k, int64_t columns, const float *b, int64_t b_row, float *panel)
{
    for (int64_t p = 0; p < k; p++, b += b_row, panel += FIG__PANEL) {
        memcpy(panel, b, sizeof(float) * (size_t)columns);
        memset(panel + columns, 0, sizeof(float) * (size_t)(FIG__PANEL - columns));
    }
}

void fig__fast_panel_pack_transposed(int64_t k, int64_t columns, const float *b, int64_t b_row, float *panel)
{
    if (columns < FIG__PANEL)
        memset(panel, 0, sizeof(float) * (size_t)(k * FIG__PANEL));
    for (int64_t from = 0; from < k; from += 16) { /* a line of b at a time */
        int64_t to = from + 16 < k ? from + 16 : k;
        for (int64_t j = 0; j < columns; j++)
            for (int64_t p = from; p < to; p++)
                panel[p * FIG__PANEL + j] = b[j * b_row + p];
    }
}
