/* kernels/recurrent.c - recurrent layers over whole sequences, forward and backward
 *
 *     forward, step t    z = h[t-1] weight'      then, per block of 32 units, its gates, c and h at once
 *     backward, step t   dh = dz[t+1] weight     then, per block of 32 units, its gates' dz
 *
 * The weight is packed into panels (kernels/panel.h) once per run; the state that the product reads lies dense in a buffer of two
 * turns, with rows a little longer than a power of two, since rows of one step are T times as far apart in the tensors and would
 * all meet in one set of the cache.
 *
 * Parts own rows of the batch where there are enough of them: then a part runs through all steps alone. Otherwise parts own
 * blocks of units, and meet after each step. A unit's sum is made in the same order either way. */
#include "kernels/cells.h"
#include "kernels/kernel.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "ops/recurrent.h"

#include <stdlib.h>
#include <string.h>

typedef struct recurrent_state {
    int cell, gates, parts;
    bool backward, by_rows;
    int64_t batch, steps, width, blocks;      /* blocks of 32 units */
    int64_t k, panels, turn_row;              /* of the product: length, panels in all, row length of its dense operand */
    size_t packed, turn, flow, product, part; /* offsets and sizes in the workspace */
} recurrent_state;

static bool recurrent_accepts(const fig_kernel_query *q) { return fig_elements(&q->in[0]) > 0; }

static size_t carve(size_t *total, int64_t floats)
{
    size_t at = *total;
    *total += (sizeof(float) * (size_t)floats + 63) / 64 * 64;
    return at;
}

static fig_status prepare(const fig_kernel_query *q, bool backward, void **prepared, size_t *workspace)
{
    recurrent_state *s = fig__alloc(sizeof(*s));
    const int64_t *dim = q->in[0].dim;
    s->cell = ((const fig_recurrent_attr *)q->attr)->cell;
    s->gates = fig__cell_gates(s->cell);
    s->backward = backward;
    s->batch = dim[0], s->steps = dim[1], s->width = dim[2] / s->gates;
    s->blocks = (s->width + FIG__PANEL - 1) / FIG__PANEL;
    s->k = backward ? s->gates * s->width : s->width;
    s->panels = backward ? s->blocks : s->blocks * s->gates;
    s->turn_row = (s->k + 15) / 16 * 16 + 16;
    s->parts = fig__parts(s->batch * s->gates * s->width * s->width / 8, q->threads);
    s->by_rows = s->batch >= s->parts * (int64_t)FIG__TILE_ROWS;
    if (!s->by_rows && s->parts > s->blocks)
        s->parts = (int)s->blocks;
    *workspace = 0;
    s->packed = carve(workspace, s->panels * s->k * FIG__PANEL);
    s->turn = carve(workspace, 2 * s->batch * s->turn_row);
    s->flow = carve(workspace, backward ? s->batch * s->width : 0);
    s->part = sizeof(float) * (size_t)(FIG__TILE_ROWS * FIG__PANEL * (backward ? 1 : s->gates));
    s->product = carve(workspace, (int64_t)(s->part / sizeof(float)) * s->parts);
    *prepared = s;
    return FIG_OK;
}

static fig_status forward_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    return prepare(q, false, prepared, workspace);
}

static fig_status backward_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    return prepare(q, true, prepared, workspace);
}

static void release(void *prepared) { free(prepared); }

typedef struct recurrent_work {
    const recurrent_state *s;
    const fig_eval *c;
    float *packed, *turn, *flow;
} recurrent_work;

static float *workspace_at(const fig_eval *c, size_t offset) { return (float *)(void *)((char *)c->workspace + offset); }

/* Rows and blocks that a part works on. */
typedef struct range {
    int64_t row, rows, block, blocks_end;
    float *product;
} range;

static range range_of(const recurrent_work *w, int part, int parts)
{
    const recurrent_state *s = w->s;
    range r = { 0, s->batch, 0, s->blocks, workspace_at(w->c, s->product + (size_t)part * s->part) };
    if (s->by_rows) {
        int64_t end;
        fig__share(s->batch, 1, part, parts, &r.row, &end);
        r.rows = end - r.row;
    } else {
        fig__share(s->blocks, 1, part, parts, &r.block, &r.blocks_end);
    }
    return r;
}

static int64_t units_of(const recurrent_state *s, int64_t block)
{
    int64_t left = s->width - block * FIG__PANEL;
    return left < FIG__PANEL ? left : FIG__PANEL;
}

/* -- packing --------------------------------------------------------------------------------------------------------------- */

static void pack_part(void *context, int part, int parts)
{
    const recurrent_work *w = context;
    const recurrent_state *s = w->s;
    const float *weight = FIG_F32_IN(w->c, FIG__WEIGHT); /* (G H, H) */
    int64_t begin, end;
    fig__share(s->panels, 1, part, parts, &begin, &end);
    for (int64_t p = begin; p < end; p++) {
        float *panel = w->packed + p * s->k * FIG__PANEL;
        if (s->backward) {
            fig__fast_panel_pack(s->k, units_of(s, p), weight + p * FIG__PANEL, s->width, panel);
            continue;
        }
        int64_t block = p / s->gates, gate = p % s->gates;
        fig__fast_panel_pack_transposed(s->k, units_of(s, block), weight + (gate * s->width + block * FIG__PANEL) * s->width, s->width,
                                        panel);
    }
}

static float *turn_of(const recurrent_work *w, int64_t step, int64_t row)
{
    return w->turn + ((step & 1) * w->s->batch + row) * w->s->turn_row;
}

static const float *panel_of(const recurrent_work *w, int64_t index) { return w->packed + index * w->s->k * FIG__PANEL; }

/* A part's blocks, a tile of rows at a time: cells of many rows would push one another out of the caches, as rows of one step
 * are a multiple of 4 KiB apart where widths are powers of two. */
static void each_tile(const recurrent_work *w, int64_t step, int part, int parts,
                      void (*body)(const recurrent_work *w, const range *tile, int64_t step, int64_t block))
{
    range all = range_of(w, part, parts);
    int64_t tiles = (all.rows + FIG__TILE_ROWS - 1) / FIG__TILE_ROWS;
    for (int64_t block = all.block; block < all.blocks_end; block++)
        for (int64_t i = 0; i < tiles; i++) {
            range tile = all;
            tile.row = all.row + all.rows * i / tiles;
            tile.rows = all.row + all.rows * (i + 1) / tiles - tile.row;
            body(w, &tile, step, block);
        }
}

/* Asks for a block's cells of the step before their product is made: rows lie far apart, so no prefetcher of the processor finds
 * them, and the product hides the way from memory. */
static void fetch(const void *tensor, int64_t at, int64_t rows, int64_t row, int64_t gates, int64_t width)
{
    const float *x = (const float *)tensor + at;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t g = 0; g < gates; g++)
            for (int64_t j = 0; j < FIG__PANEL; j += 16)
                __builtin_prefetch(x + r * row + g * width + j, 1);
}

/* -- forward --------------------------------------------------------------------------------------------------------------- */

static void forward_block(const recurrent_work *w, const range *r, int64_t t, int64_t block)
{
    const recurrent_state *s = w->s;
    const fig_eval *c = w->c;
    int64_t gates = s->gates, unit = block * FIG__PANEL, y_row = s->steps * s->width;
    int64_t at = (r->row * s->steps + t) * s->width + unit, x_at = (r->row * s->steps + t) * s->width * gates + unit;
    fetch(c->in[FIG__X].data, x_at, r->rows, y_row * gates, gates, s->width);
    if (c->in[FIG__X].data != c->out[FIG__TRACE].data)
        fetch(c->out[FIG__TRACE].data, x_at, r->rows, y_row * gates, gates, s->width);
    for (int i = FIG__HIDDEN; i < c->n_out; i++)
        fetch(c->out[i].data, at, r->rows, y_row, 1, s->width);
    for (int64_t g = 0; g < gates; g++)
        fig__fast_panel(r->rows, s->k, turn_of(w, t, r->row), s->turn_row, panel_of(w, block * gates + g), r->product + g * FIG__PANEL,
                        gates * FIG__PANEL, false);
    fig__cells cells = { .rows = r->rows, .units = units_of(s, block), .product = r->product, .x = FIG_F32_IN(c, FIG__X) + x_at,
                         .trace = FIG_F32_OUT(c, FIG__TRACE) + x_at, .x_row = y_row * gates, .x_gate = s->width, .y_row = y_row,
                         .state = turn_of(w, t + 1, r->row) + unit, .state_row = s->turn_row };
    if (s->cell != FIG_CELL_TANH) {
        bool lstm = s->cell == FIG_CELL_LSTM;
        cells.y = FIG_F32_OUT(c, FIG__HIDDEN) + at;
        cells.extra = FIG_F32_OUT(c, FIG__EXTRA) + at;
        cells.before = t ? (lstm ? cells.extra : cells.y) - s->width
                         : FIG_F32_IN(c, lstm ? FIG__C : FIG__H) + r->row * s->width + unit;
        cells.before_row = t ? y_row : s->width;
        cells.bias = lstm ? NULL : FIG_F32_IN(c, FIG__CELL_BIAS) + unit;
    }
    fig__fast_cells_forward[s->cell](&cells);
}

static void forward_step(void *context, int64_t t, int part, int parts)
{
    each_tile(context, t, part, parts, forward_block);
}

/* -- backward -------------------------------------------------------------------------------------------------------------- */

/* Step i is time T - 1 - i; the one after the last leaves dh before the first step. */
static void backward_block(const recurrent_work *w, const range *r, int64_t i, int64_t block)
{
    const recurrent_state *s = w->s;
    const fig_eval *c = w->c;
    int64_t gates = s->gates, unit = block * FIG__PANEL, units = units_of(s, block), y_row = s->steps * s->width, t = s->steps - 1 - i;
    int64_t at = (r->row * s->steps + t) * s->width + unit, x_at = (r->row * s->steps + t) * s->width * gates + unit;
    if (t >= 0) {
        fetch(c->in[FIG__TRACE].data, x_at, r->rows, y_row * gates, gates, s->width);
        if (c->in[FIG__TRACE].data != c->out[FIG__DX].data)
            fetch(c->out[FIG__DX].data, x_at, r->rows, y_row * gates, gates, s->width);
        if (s->cell == FIG_CELL_GRU)
            fetch(c->out[FIG__GRU_DZ].data, x_at, r->rows, y_row * gates, gates, s->width);
        for (int k = FIG__D_HIDDEN; k < c->n_in; k++)
            if (k != FIG__LSTM_C_FIRST)
                fetch(c->in[k].data, at, r->rows, y_row, 1, s->width);
    }
    if (i)
        fig__fast_panel(r->rows, s->k, turn_of(w, i, r->row), s->turn_row, panel_of(w, block), r->product, FIG__PANEL, false);
    else
        memset(r->product, 0, sizeof(float) * (size_t)(r->rows * FIG__PANEL));
    float *flow = w->flow + r->row * s->width + unit;
    if (t < 0) {
        for (int64_t b = 0; b < r->rows; b++)
            for (int64_t j = 0; j < units; j++) {
                int64_t to = (r->row + b) * s->width + unit + j;
                float passed = flow[b * s->width + j];
                FIG_F32_OUT(c, FIG__DH_FIRST)[to] = r->product[b * FIG__PANEL + j] + (s->cell == FIG_CELL_GRU ? passed : 0.0f);
                if (s->cell == FIG_CELL_LSTM)
                    FIG_F32_OUT(c, FIG__LSTM_DC_FIRST)[to] = passed;
            }
        return;
    }
    fig__cells cells = { .rows = r->rows, .units = units, .product = r->product, .trace = (float *)c->in[FIG__TRACE].data + x_at,
                         .x_row = y_row * gates, .x_gate = s->width, .y_row = y_row, .dy = FIG_F32_IN(c, FIG__D_HIDDEN) + at,
                         .flow = flow, .flow_row = s->width, .dx = FIG_F32_OUT(c, FIG__DX) + x_at,
                         .state = turn_of(w, i + 1, r->row) + unit, .state_row = s->turn_row, .state_gate = s->width };
    if (s->cell != FIG_CELL_TANH) {
        bool lstm = s->cell == FIG_CELL_LSTM;
        cells.extra = (float *)c->in[lstm ? FIG__LSTM_C : FIG__GRU_EXTRA].data + at;
        cells.before = t ? FIG_F32_IN(c, lstm ? FIG__LSTM_C : FIG__GRU_H) + at - s->width
                         : FIG_F32_IN(c, lstm ? FIG__LSTM_C_FIRST : FIG__GRU_H_FIRST) + r->row * s->width + unit;
        cells.before_row = t ? y_row : s->width;
        cells.dextra = lstm && c->n_in > FIG__LSTM_DC ? FIG_F32_IN(c, FIG__LSTM_DC) + at : NULL;
        cells.dz = lstm ? NULL : FIG_F32_OUT(c, FIG__GRU_DZ) + x_at;
    }
    fig__fast_cells_backward[s->cell](&cells);
}

static void backward_step(void *context, int64_t i, int part, int parts)
{
    each_tile(context, i, part, parts, backward_block);
}

/* -- running --------------------------------------------------------------------------------------------------------------- */

static void all_steps(void *context, int part, int parts)
{
    const recurrent_work *w = context;
    bool backward = w->s->backward;
    for (int64_t t = 0, steps = w->s->steps + backward; t < steps; t++)
        (backward ? backward_step : forward_step)(context, t, part, parts);
}

static void recurrent_run(fig_eval *c)
{
    const recurrent_state *s = c->prepared;
    recurrent_work w = { s, c, workspace_at(c, s->packed), workspace_at(c, s->turn), workspace_at(c, s->flow) };
    fig__parallel(s->parts, pack_part, &w);
    if (s->backward)
        memset(w.flow, 0, sizeof(float) * (size_t)(s->batch * s->width));
    else
        for (int64_t b = 0; b < s->batch; b++)
            memcpy(turn_of(&w, 0, b), FIG_F32_IN(c, FIG__H) + b * s->width, sizeof(float) * (size_t)s->width);
    if (s->by_rows)
        fig__parallel(s->parts, all_steps, &w);
    else
        fig__parallel_steps(s->parts, s->steps + s->backward, s->backward ? backward_step : forward_step, &w);
}

const fig_kernel fig_kernel_recurrent = {
    .name = "recurrent", .op = "recurrent", .accepts = recurrent_accepts, .prepare = forward_prepare, .release = release,
    .run = recurrent_run, .inplace = 1,
};
const fig_kernel fig_kernel_recurrent_gradient = {
    .name = "recurrent", .op = "recurrent_gradient", .accepts = recurrent_accepts, .prepare = backward_prepare, .release = release,
    .run = recurrent_run, .inplace = 1,
};
