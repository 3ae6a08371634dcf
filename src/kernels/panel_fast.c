/* kernels/panel_fast.c - the tile of a product with a packed panel (kernels/panel.h)
 *
 * AVX-512: 13 rows by 32 columns are 26 registers of sums, two of the panel, one of a; rows in memory are walked by five pointers,
 * as there are not registers enough for thirteen. Elsewhere: 6 rows by 16 columns. A sum is made in the order of k whatever the
 * number of rows, so a result does not depend on how rows are shared among threads.
 *
 * Measured on one Zen 4 core, operands in the second cache: 115 GFLOP/s of 118 (oneDNN's product 103). */
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "kernels/tile_rows.h"

#include <string.h>

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

#define EACH(R, i) _Pragma("GCC unroll 16") for (int i = 0; i < R; i++)

/* A tile's operands and result: row i of a at a + i * row, element k of it `step` further; row k of the panel at panel + k * pitch. */
typedef struct tile {
    int64_t k, row, step, pitch;
    const float *a, *panel;
    float *c;
    int64_t c_row;
    bool add;
    fig__lines ask;
    fig__runs *ahead; /* instead of `ask`, or NULL */
} tile;

#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define WIDE __attribute__((target("arch=x86-64-v4,prefer-vector-width=512"), noinline))

/* Row i of a at this k: pointers to rows 0, 3, 6, 9, 12 and their next two; or consecutive numbers. */
#define IN_ROWS(i) (*((i) < 3 ? a0 + (i) * row : (i) < 6 ? a3 + ((i) - 3) * row : (i) < 9 ? a6 + ((i) - 6) * row : \
                      (i) < 12 ? a9 + ((i) - 9) * row : a12))
#define IN_COLUMNS(i) a0[i]
#define TILE(name, R, ELEMENT, step)                                                                                       \
    WIDE static void name(const tile *t)                                                                                   \
    {                                                                                                                      \
        vector low[R], high[R];                                                                                            \
        const int64_t row = t->row, c_row = t->c_row, pitch = t->pitch, along = step;                                      \
        const float *a0 = t->a, *a3 = a0 + 3 * row, *a6 = a3 + 3 * row, *a9 = a6 + 3 * row, *a12 = a9 + 3 * row;           \
        const float *restrict panel = t->panel, *end = panel + t->k * pitch;                                               \
        float *restrict c = t->c;                                                                                          \
        (void)row, (void)a3, (void)a6, (void)a9, (void)a12;                                                                \
        EACH(R, i)                                                                                                         \
        {                                                                                                                  \
            low[i] = high[i] = (vector){ 0 };                                                                              \
            __builtin_prefetch(c + i * c_row, 1);                                                                          \
            __builtin_prefetch(c + i * c_row + 16, 1);                                                                     \
        }                                                                                                                  \
        const char *const *ask = t->ask.at, *const *asked = ask + t->ask.count;                                            \
        const fig__runs *ahead = t->ahead;                                                                                 \
        const fig__run *run = ahead ? ahead->run : NULL;                                                                   \
        const float *line = ahead ? run->from + 16 * ahead->asked : NULL, *run_end = ahead ? run->from + 16 * run->lines : NULL;\
        const int64_t each = ahead ? ahead->each : 0, stretch = ahead ? ahead->stretch : fig__lines_stretch(t->k, t->ask.count);\
        while (panel < end) {                                                                                              \
            const float *stop = end - panel > stretch * pitch ? panel + stretch * pitch : end;                             \
            if (ask < asked)                                                                                               \
                __builtin_prefetch(*ask++, 1);                                                                             \
            for (int64_t i = 0; i < each && line < run_end; i++) {                                                         \
                __builtin_prefetch(line, 1);                                                                               \
                line += 16;                                                                                                \
                if (line == run_end)                                                                                       \
                    run++, line = run->from, run_end = line + 16 * run->lines;                                             \
            }                                                                                                              \
            for (; panel < stop; a0 += along, a3++, a6++, a9++, a12++, panel += pitch) {                                   \
                vector b0 = *(const vector *)panel, b1 = *(const vector *)(panel + 16);                                    \
                EACH(R, i)                                                                                                 \
                {                                                                                                          \
                    float x = ELEMENT(i);                                                                                  \
                    low[i] += x * b0;                                                                                      \
                    high[i] += x * b1;                                                                                     \
                }                                                                                                          \
            }                                                                                                              \
        }                                                                                                                  \
        if (ahead)                                                                                                         \
            t->ahead->run = run, t->ahead->asked = (line - run->from) / 16;                                                \
        if (t->add)                                                                                                        \
            EACH(R, i)                                                                                                     \
            {                                                                                                              \
                low[i] += *(const vector *)(c + i * c_row);                                                                \
                high[i] += *(const vector *)(c + i * c_row + 16);                                                          \
            }                                                                                                              \
        EACH(R, i)                                                                                                         \
        {                                                                                                                  \
            *(vector *)(c + i * c_row) = low[i];                                                                           \
            *(vector *)(c + i * c_row + 16) = high[i];                                                                     \
        }                                                                                                                  \
    }
#define BOTH(R)                     \
    TILE(rows_##R, R, IN_ROWS, 1)   \
    TILE(columns_##R, R, IN_COLUMNS, t->step)
FIG__EACH_TILE(BOTH)
typedef void tile_function(const tile *t);
static tile_function *const wide_rows[] = FIG__TILE_TABLE(rows);
static tile_function *const wide_columns[] = FIG__TILE_TABLE(columns);

static bool has_wide(void)
{
    return __builtin_cpu_supports("avx512f") && __builtin_cpu_supports("avx512bw") && __builtin_cpu_supports("avx512dq") &&
           __builtin_cpu_supports("avx512vl");
}
static void wide(const tile *t, int64_t rows, bool columns) { (columns ? wide_columns : wide_rows)[rows](t); }

/* to[k * 32 + j] = from[j * row + k] for k, j < 16: four times, lines i and i + 8 are merged element by element. */
WIDE static void turn_16(const float *from, int64_t row, float *to)
{
    typedef int mask __attribute__((vector_size(64)));
    const mask low = { 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23 };
    const mask high = { 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31 };
    vector a[16], b[16];
    EACH(16, i) a[i] = *(const vector *)(from + i * row);
    EACH(8, i) b[2 * i] = __builtin_shuffle(a[i], a[i + 8], low), b[2 * i + 1] = __builtin_shuffle(a[i], a[i + 8], high);
    EACH(8, i) a[2 * i] = __builtin_shuffle(b[i], b[i + 8], low), a[2 * i + 1] = __builtin_shuffle(b[i], b[i + 8], high);
    EACH(8, i) b[2 * i] = __builtin_shuffle(a[i], a[i + 8], low), b[2 * i + 1] = __builtin_shuffle(a[i], a[i + 8], high);
    EACH(8, i) a[2 * i] = __builtin_shuffle(b[i], b[i + 8], low), a[2 * i + 1] = __builtin_shuffle(b[i], b[i + 8], high);
    EACH(16, i) *(vector *)(to + i * FIG__PANEL) = a[i];
}
#else
static void turn_16(const float *from, int64_t row, float *to) { (void)from, (void)row, (void)to; }
static bool has_wide(void) { return false; }
static void wide(const tile *t, int64_t rows, bool columns) { (void)t, (void)rows, (void)columns; }
#endif

enum { NARROW_ROWS = 6 };

/* Up to six rows by half a panel. */
FIG_CLONES
static void narrow(const tile *t, int64_t rows)
{
    const int64_t step = t->step, pitch = t->pitch;
    float sum[NARROW_ROWS][16];
    const float *x[NARROW_ROWS], *restrict panel = t->panel;
    for (int i = 0; i < NARROW_ROWS; i++) {
        x[i] = t->a + (i < rows ? i : rows - 1) * t->row;
    }
    memset(sum, 0, sizeof sum);
    for (int64_t p = 0; p < t->k; p++, panel += pitch)
        EACH(NARROW_ROWS, i)
        for (int j = 0; j < 16; j++)
            sum[i][j] += x[i][p * step] * panel[j];
    for (int64_t i = 0; i < rows; i++)
        for (int j = 0; j < 16; j++)
            t->c[i * t->c_row + j] = (t->add ? t->c[i * t->c_row + j] : 0.0f) + sum[i][j];
}

/* Blocks of nearly equal size: 50 rows are 12 + 13 + 12 + 13. */
static void tiles(const tile *whole, int64_t rows, bool columns)
{
    bool is_wide = has_wide();
    int64_t most = is_wide ? FIG__TILE_ROWS : NARROW_ROWS, blocks = (rows + most - 1) / most;
    for (int64_t block = 0; block < blocks; block++) {
        int64_t first = rows * block / blocks, count = rows * (block + 1) / blocks - first;
        tile t = *whole;
        t.a += first * t.row;
        t.c += first * t.c_row;
        if (is_wide) {
            wide(&t, count, columns);
            continue;
        }
        narrow(&t, count);
        t.panel += 16;
        t.c += 16;
        narrow(&t, count);
    }
}

void fig__fast_panel(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *panel, float *c, int64_t c_row, bool add)
{
    tiles(&(tile){ k, a_row, 1, FIG__PANEL, a, panel, c, c_row, add, { 0 }, NULL }, rows, false);
}

void fig__fast_panel_asking(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *panel, float *c, int64_t c_row,
                            fig__lines ask)
{
    tiles(&(tile){ k, a_row, 1, FIG__PANEL, a, panel, c, c_row, false, ask, NULL }, rows, false);
}

void fig__fast_panel_ahead(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *panel, float *c, int64_t c_row, bool add,
                           fig__runs *ask)
{
    tiles(&(tile){ k, a_row, 1, FIG__PANEL, a, panel, c, c_row, add, { 0 }, ask }, rows, false);
}

void fig__fast_outer(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *b, int64_t b_row, float *c, int64_t c_row,
                     bool add)
{
    tiles(&(tile){ k, 1, a_row, b_row, a, b, c, c_row, add, { 0 }, NULL }, rows, true);
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
    int64_t turned = has_wide() && columns == FIG__PANEL ? k / 16 * 16 : 0;
    for (int64_t p = 0; p < turned; p += 16) {
        turn_16(b + p, b_row, panel + p * FIG__PANEL);
        turn_16(b + 16 * b_row + p, b_row, panel + p * FIG__PANEL + 16);
    }
    if (columns < FIG__PANEL)
        memset(panel, 0, sizeof(float) * (size_t)(k * FIG__PANEL));
    for (int64_t from = turned; from < k; from += 16) { /* a line of b at a time */
        int64_t to = from + 16 < k ? from + 16 : k;
        for (int64_t j = 0; j < columns; j++)
            for (int64_t p = from; p < to; p++)
                panel[p * FIG__PANEL + j] = b[j * b_row + p];
    }
}
