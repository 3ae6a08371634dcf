/* kernels/panel.h - the inside of a matrix product: tiles of a few rows by a packed panel of 32 columns
 *
 * A panel is 32 columns of the right-hand matrix, one behind another: panel[k * 32 + j], filled up with zeros. A tile of up to
 * FIG__TILE_ROWS rows times one panel stays in registers (AVX-512: 26 sums), so that the panel is read once per tile, straight
 * through. For loops that use the same matrix many times: packing costs one pass over it. */
#ifndef FIG_KERNELS_PANEL_H
#define FIG_KERNELS_PANEL_H

#include <stdbool.h>
#include <stdint.h>

#define FIG__PANEL 32
#define FIG__TILE_ROWS 13

/* Lines of memory that a product asks for on its way, since of many at once most would not be fetched: spread evenly over its sum
 * but for the last quarter, so that the last ones come in time. */
typedef struct fig__lines {
    const char *const *at;
    int64_t count;
} fig__lines;

/* Terms of a sum of k from one line to the next. */
static inline int64_t fig__lines_stretch(int64_t k, int64_t count)
{
    int64_t stretch = count ? k * 3 / 4 / count : k;
    return stretch > 1 ? stretch : 1;
}

/* The same of straight runs of memory, one behind another, over several products: each goes on where the one before has stopped. A run
 * of 0 lines ends them. */
typedef struct fig__run {
    const float *from;
    int64_t lines;
} fig__run;
typedef struct fig__runs {
    const fig__run *run;   /* the first one of which something is left */
    int64_t asked;         /* lines of it */
    int64_t stretch, each; /* terms from one time to the next, lines each time */
} fig__runs;

static inline fig__run fig__run_of(const float *from, int64_t floats) { return (fig__run){ from, (floats + 15) / 16 }; }
/* So many lines are asked for beside so many terms of sums: some at a time, so that products are seldom interrupted. */
static inline fig__runs fig__runs_begin(const fig__run *run, int64_t lines, int64_t terms)
{
    enum { SOME = 4 };
    int64_t stretch = fig__lines_stretch(terms, lines), most = terms * 3 / 4 + 1;
    return stretch >= SOME ? (fig__runs){ run, 0, stretch, 1 } : (fig__runs){ run, 0, SOME, lines * SOME / most + 1 };
}

/* c[i * c_row + j] = sum over k of a[i * a_row + k] * panel[k * 32 + j], for i < rows and j < 32; `add`: added to what is there.
 * Any number of rows. */
void fig__fast_panel(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *panel, float *c, int64_t c_row, bool add);
/* The same of at most FIG__TILE_ROWS rows, asking for lines meanwhile; without `add`. */
void fig__fast_panel_asking(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *panel, float *c, int64_t c_row,
                            fig__lines ask);
/* The same of any number of rows, asking for what runs of memory are left. */
void fig__fast_panel_ahead(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *panel, float *c, int64_t c_row, bool add,
                           fig__runs *ask);
/* Of two matrices side by side, nothing packed: c[i * c_row + j] = sum over k of a[k * a_row + i] * b[k * b_row + j]. */
void fig__fast_outer(int64_t rows, int64_t k, const float *a, int64_t a_row, const float *b, int64_t b_row, float *c, int64_t c_row,
                     bool add);

/* panel[k * 32 + j] = b[k * b_row + j] for j < columns, 0 beyond. */
void fig__fast_panel_pack(int64_t k, int64_t columns, const float *b, int64_t b_row, float *panel);
/* The same of a matrix stored transposed: panel[k * 32 + j] = b[j * b_row + k]. */
void fig__fast_panel_pack_transposed(int64_t k, int64_t columns, const float *b, int64_t b_row, float *panel);

#endif
