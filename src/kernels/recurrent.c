/* kernels/recurrent.c - recurrent layers over whole sequences, forward and backward
 *
 *     forward, step t    z = h[t-1] weight'      then, per block of 32 units, its gates, c and h at once
 *     backward, step t   dh = dz[t+1] weight     then, per block of 32 units, its gates' dz
 *
 * The weight is packed into panels (kernels/panel.h) once per run; the state that the product reads lies dense in a buffer of two
 * turns, with rows a little longer than a power of two, since rows of one step are T times as far apart in the tensors and would
 * all meet in one set of the cache.
 *
 * A node that rounds (ops/recurrent.c) with a weight stored in bf16 has its products by pairs (kernels/pair_product.h): the weight is
 * packed so, and each block of a state is rounded into turns of its own as soon as it is there. All other arithmetic is f32. Where
 * everything that may be is stored in bf16 as well, a cell reads and writes it so (`narrow`); where only some of it is, that passes
 * through blocks of a tile's rows in the first cache.
 *
 * Parts own rows of the batch where there are enough of them: then a part runs through all steps alone. Otherwise parts own
 * blocks of units, and meet after each step. A unit's sum is made in the same order either way. */
#include "kernels/cells.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/pair_product.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "ops/recurrent.h"

#include <stdlib.h>
#include <string.h>

typedef struct recurrent_state {
    int cell, gates, parts;
    bool backward, by_rows, rounded, pairs;   /* rounded: what products read; pairs: and they are made in bf16 */
    bool narrow;                              /* pairs, and gates, h and their gradients are all stored in bf16 */
    int64_t batch, steps, width, blocks;      /* blocks of 32 units */
    int64_t row_line, step_line;              /* lines of a tensor from one row to the next, and from one step */
    int64_t k, panels, turn_row;              /* of the product: length, panels in all, row length of its dense operand */
    size_t packed, turn, narrow_turn, flow, parts_at, part; /* offsets and sizes in the workspace */
} recurrent_state;

/* A part's memory, in blocks of a tile's rows: products, then f32 in place of what is stored in bf16. */
enum { PRODUCT, STAGE_X, STAGE_TRACE, STAGE_DZ, WIDE_AREAS, STAGE_Y = WIDE_AREAS, STAGE_BEFORE, AREAS }; /* wide: of all gates */

static int64_t area_at(const recurrent_state *s, int area) /* in floats */
{
    int64_t line = FIG__TILE_ROWS * FIG__PANEL;
    return area <= WIDE_AREAS ? area * line * s->gates : (WIDE_AREAS * s->gates + area - WIDE_AREAS) * line;
}

/* What may be stored in bf16: gates, what a step hands on, their gradients; the weight where the node rounds. Cell states never. */
typedef struct narrow_places {
    unsigned in, out; /* bit i: operand i, result i */
} narrow_places;

static narrow_places may_be_narrow(const fig_kernel_query *q)
{
    const fig_recurrent_attr *attr = q->attr;
    bool gru = attr->cell == FIG_CELL_GRU;
    if (!strcmp(q->op->name, "recurrent_gradient"))
        return (narrow_places){ 1u << FIG__X | 1u << FIG__D_HIDDEN | (gru ? 1u << FIG__GRU_H : 0),
                                1u << FIG__DX | (gru ? 1u << FIG__GRU_DZ : 0) };
    return (narrow_places){ 1u << FIG__X, 1u << FIG__TRACE | 1u << FIG__HIDDEN };
}

static bool recurrent_accepts(const fig_kernel_query *q)
{
    const fig_recurrent_attr *attr = q->attr;
    bool pairs = attr->rounded && fig__pairs_available() && q->in[FIG__WEIGHT].dim[1] % 2 == 0;
    unsigned in = may_be_narrow(q).in | (pairs ? 1u << FIG__WEIGHT : 0), out = may_be_narrow(q).out;
    if (!strcmp(q->op->name, "recurrent_gradient"))
        out |= 1u << FIG__LSTM_DC_FIRST;
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype == FIG_BF16 && !(in >> i & 1))
            return false;
    for (int i = 0; i < q->n_out; i++)
        if (q->out[i].dtype == FIG_BF16 && !(out >> i & 1))
            return false;
    return fig_elements(&q->in[0]) > 0;
}

static bool all_narrow(const fig_kernel_query *q)
{
    narrow_places may = may_be_narrow(q);
    for (int i = 0; i < q->n_in; i++)
        if ((may.in >> i & 1) && q->in[i].dtype != FIG_BF16)
            return false;
    for (int i = 0; i < q->n_out; i++)
        if ((may.out >> i & 1) && q->out[i].dtype != FIG_BF16)
            return false;
    return q->in[FIG__WEIGHT].dtype == FIG_BF16;
}

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
    s->rounded = ((const fig_recurrent_attr *)q->attr)->rounded != 0;
    s->pairs = q->in[FIG__WEIGHT].dtype == FIG_BF16;
    s->narrow = all_narrow(q);
    s->backward = backward;
    s->batch = dim[0], s->steps = dim[1], s->width = dim[2] / s->gates;
    s->blocks = (s->width + FIG__PANEL - 1) / FIG__PANEL;
    s->row_line = s->steps, s->step_line = 1;
    s->k = backward ? s->gates * s->width : s->width;
    s->panels = backward ? s->blocks : s->blocks * s->gates;
    s->turn_row = (s->k + 15) / 16 * 16 + 16;
    s->parts = fig__parts(s->batch * s->gates * s->width * s->width / 8, q->threads);
    s->by_rows = s->batch >= s->parts * (int64_t)FIG__TILE_ROWS;
    if (!s->by_rows && s->parts > s->blocks)
        s->parts = (int)s->blocks;
    *workspace = 0;
    s->packed = carve(workspace, s->panels * (s->pairs ? s->k / 2 : s->k) * FIG__PANEL);
    s->turn = carve(workspace, 2 * s->batch * s->turn_row);
    s->narrow_turn = carve(workspace, s->pairs ? s->batch * s->turn_row : 0);
    s->flow = carve(workspace, backward ? s->batch * s->width : 0);
    s->part = sizeof(float) * (size_t)area_at(s, AREAS);
    s->parts_at = carve(workspace, area_at(s, AREAS) * s->parts);
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
    uint16_t *narrow; /* turns of bf16 */
} recurrent_work;

static float *workspace_at(const fig_eval *c, size_t offset) { return (float *)(void *)((char *)c->workspace + offset); }

/* Rows and blocks that a part works on. */
typedef struct range {
    int64_t row, rows, block, blocks_end;
    float *memory; /* of the part */
} range;

static range range_of(const recurrent_work *w, int part, int parts)
{
    const recurrent_state *s = w->s;
    range r = { 0, s->batch, 0, s->blocks, workspace_at(w->c, s->parts_at + (size_t)part * s->part) };
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

/* By pairs: forward the weight's rows run along the sum and are turned, backward two rows are joined. */
static void pack_pairs(const recurrent_work *w, int64_t p)
{
    const recurrent_state *s = w->s;
    const uint16_t *weight = w->c->in[FIG__WEIGHT].data;
    uint32_t *panel = (uint32_t *)(void *)w->packed + p * (s->k / 2) * FIG__PANEL;
    int64_t block = s->backward ? p : p / s->gates, gate = s->backward ? 0 : p % s->gates, units = units_of(s, block);
    if (units < FIG__PANEL)
        memset(panel, 0, sizeof *panel * (size_t)(s->k / 2 * FIG__PANEL));
    if (!s->backward) {
        const uint16_t *from = weight + (gate * s->width + block * FIG__PANEL) * s->width;
        fig__fast_transpose_4(panel, FIG__PANEL, (const uint32_t *)(const void *)from, s->width / 2, s->k / 2, units);
        return;
    }
    for (int64_t l = 0; l < s->k / 2; l++) {
        const uint16_t *from = weight + 2 * l * s->width + block * FIG__PANEL;
        fig__fast_pair_rows(panel + l * FIG__PANEL, from, from + s->width, units);
    }
}

static void pack_part(void *context, int part, int parts)
{
    const recurrent_work *w = context;
    const recurrent_state *s = w->s;
    const float *weight = FIG_F32_IN(w->c, FIG__WEIGHT); /* (G H, H) */
    int64_t begin, end;
    fig__share(s->panels, 1, part, parts, &begin, &end);
    for (int64_t p = begin; p < end; p++) {
        float *panel = w->packed + p * s->k * FIG__PANEL;
        if (s->pairs) {
            pack_pairs(w, p);
            continue;
        }
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

static uint16_t *narrow_turn_of(const recurrent_work *w, int64_t step, int64_t row)
{
    return w->narrow + ((step & 1) * w->s->batch + row) * w->s->turn_row;
}

/* Lines of memory that a tile's cells of a step will touch. Rows lie far apart, so no prefetcher of the processor finds them; the
 * product before them asks for them and hides the way from memory. */
enum { MOST_LINES = 12 * 2 * FIG__TILE_ROWS }; /* the gradient of a GRU: three tensors of three gates and three more, in f32 */
typedef struct lines {
    const char *at[MOST_LINES];
    int64_t count;
} lines;

static void ask_for(lines *l, const fig_tensor *t, int64_t at, int64_t rows, int64_t row, int64_t gates, int64_t width)
{
    int64_t size = t->type.dtype == FIG_BF16 ? 2 : 4;
    const char *x = (const char *)t->data + at * size;
    for (int64_t r = 0; r < rows; r++)
        for (int64_t g = 0; g < gates; g++)
            for (int64_t j = 0; j < FIG__PANEL * size && l->count < MOST_LINES; j += 64)
                l->at[l->count++] = x + (r * row + g * width) * size + j;
}

/* product (rows, 32), rows c_row apart = the step's state times a panel, and the share `part` of `parts` of the lines is asked for. */
static void multiply(const recurrent_work *w, const range *r, int64_t step, int64_t panel, float *product, int64_t c_row, const lines *l,
                     int64_t part, int64_t parts)
{
    const recurrent_state *s = w->s;
    int64_t first = l->count * part / parts;
    fig__lines ask = { l->at + first, l->count * (part + 1) / parts - first };
    if (s->pairs)
        fig__fast_pair_panel(r->rows, s->k / 2, (const uint32_t *)(const void *)narrow_turn_of(w, step, r->row), s->turn_row / 2,
                             (const uint32_t *)(const void *)w->packed + panel * (s->k / 2) * FIG__PANEL, product, c_row, ask);
    else
        fig__fast_panel_asking(r->rows, s->k, turn_of(w, step, r->row), s->turn_row, w->packed + panel * s->k * FIG__PANEL, product,
                               c_row, ask);
}

/* What a step has left in its turn, for the next product: `units` from `unit` of each gate. */
static void round_turn(const recurrent_work *w, int64_t step, int64_t row, int64_t rows, int64_t gates, int64_t unit, int64_t units)
{
    const recurrent_state *s = w->s;
    if (!s->rounded)
        return;
    fig__cell_block b = { rows, gates, units, s->turn_row, s->width, s->turn_row, s->width };
    if (s->pairs)
        fig__fast_cells_narrow(&b, turn_of(w, step, row) + unit, narrow_turn_of(w, step, row) + unit);
    else
        fig__fast_cells_round(&b, turn_of(w, step, row) + unit);
}

/* -- cells in memory ------------------------------------------------------------------------------------------------------- */

/* A tile's cells of one tensor: there, or in an area where the tensor is stored in bf16 and cells are not narrow. */
typedef struct place {
    void *at;
    int64_t row, gate;
    fig__cell_block block;
    uint16_t *narrow; /* NULL: f32 */
} place;

static place place_of(const recurrent_work *w, const range *r, const fig_tensor *t, int64_t at, int64_t gates, int64_t units, int area)
{
    const recurrent_state *s = w->s;
    int64_t row = s->row_line * s->width * gates;
    if (t->type.dtype == FIG_F32)
        return (place){ .at = (float *)t->data + at, .row = row, .gate = s->width };
    if (s->narrow)
        return (place){ .at = (uint16_t *)t->data + at, .row = row, .gate = s->width };
    place p = { .at = r->memory + area_at(s, area), .row = gates * FIG__PANEL, .gate = FIG__PANEL, .narrow = (uint16_t *)t->data + at };
    p.block = (fig__cell_block){ r->rows, gates, units, p.row, p.gate, row, s->width };
    return p;
}

static place read_place(const recurrent_work *w, const range *r, const fig_tensor *t, int64_t at, int64_t gates, int64_t units, int area)
{
    place p = place_of(w, r, t, at, gates, units, area);
    if (p.narrow)
        fig__fast_cells_widen(&p.block, p.at, p.narrow);
    return p;
}

static void finish_place(const place *p)
{
    if (p->narrow)
        fig__fast_cells_narrow(&p->block, p->at, p->narrow);
}

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

/* -- forward --------------------------------------------------------------------------------------------------------------- */

static void forward_block(const recurrent_work *w, const range *r, int64_t t, int64_t block)
{
    const recurrent_state *s = w->s;
    const fig_eval *c = w->c;
    int64_t gates = s->gates, unit = block * FIG__PANEL, units = units_of(s, block), y_row = s->row_line * s->width;
    int64_t line = r->row * s->row_line + t * s->step_line, at = line * s->width + unit, x_at = line * s->width * gates + unit;
    float *product = r->memory + area_at(s, PRODUCT);
    lines ask = { .count = 0 };
    ask_for(&ask, &c->in[FIG__X], x_at, r->rows, y_row * gates, gates, s->width);
    if (c->in[FIG__X].data != c->out[FIG__TRACE].data)
        ask_for(&ask, &c->out[FIG__TRACE], x_at, r->rows, y_row * gates, gates, s->width);
    for (int i = FIG__HIDDEN; i < c->n_out; i++)
        ask_for(&ask, &c->out[i], at, r->rows, y_row, 1, s->width);
    for (int64_t g = 0; g < gates; g++)
        multiply(w, r, t, block * gates + g, product + g * FIG__PANEL, gates * FIG__PANEL, &ask, g, gates);
    place x = read_place(w, r, &c->in[FIG__X], x_at, gates, units, STAGE_X), y = { 0 };
    place trace = place_of(w, r, &c->out[FIG__TRACE], x_at, gates, units, STAGE_TRACE);
    fig__cells cells = { .rows = r->rows, .units = units, .narrow = s->narrow, .product = product, .x = x.at, .x_row = x.row,
                         .x_gate = x.gate, .trace = trace.at, .trace_row = trace.row, .trace_gate = trace.gate,
                         .state = turn_of(w, t + 1, r->row) + unit, .state_row = s->turn_row };
    if (s->narrow) {
        cells.wide_state = cells.state;
        cells.state = narrow_turn_of(w, t + 1, r->row) + unit;
    }
    if (s->cell != FIG_CELL_TANH) {
        bool lstm = s->cell == FIG_CELL_LSTM;
        y = place_of(w, r, &c->out[FIG__HIDDEN], at, 1, units, STAGE_Y);
        cells.y = y.at, cells.y_row = y.row;
        cells.extra = FIG_F32_OUT(c, FIG__EXTRA) + at, cells.extra_row = y_row;
        cells.before = t ? cells.extra - s->step_line * s->width : FIG_F32_IN(c, FIG__C) + r->row * s->width + unit;
        cells.before_row = t ? y_row : s->width;
        if (!lstm) { /* h, which the turn holds unless it was rounded there */
            place before = { .at = turn_of(w, t, r->row) + unit, .row = s->turn_row };
            if (s->rounded && !s->pairs)
                before = !t ? (place){ .at = (float *)c->in[FIG__H].data + r->row * s->width + unit, .row = s->width }
                            : read_place(w, r, &c->out[FIG__HIDDEN], at - s->step_line * s->width, 1, units, STAGE_BEFORE);
            cells.before = before.at, cells.before_row = before.row;
            cells.bias = FIG_F32_IN(c, FIG__CELL_BIAS) + unit;
        }
    }
    fig__fast_cells_forward(s->cell, &cells);
    finish_place(&trace);
    finish_place(&y);
    if (!s->narrow)
        round_turn(w, t + 1, r->row, r->rows, 1, unit, units);
}

static void forward_step(void *context, int64_t t, int part, int parts)
{
    each_tile(context, t, part, parts, forward_block);
}

/* -- backward -------------------------------------------------------------------------------------------------------------- */

/* Leaves a gradient before the first step, dense (B, H). */
static void leave(const recurrent_work *w, const range *r, int result, int64_t unit, int64_t units, const float *from, int64_t from_row)
{
    const recurrent_state *s = w->s;
    fig_tensor *out = &w->c->out[result];
    int64_t at = r->row * s->width + unit;
    fig__cell_block b = { r->rows, 1, units, from_row, 0, s->width, 0 };
    if (out->type.dtype == FIG_BF16)
        fig__fast_cells_narrow(&b, from, (uint16_t *)out->data + at);
    else
        for (int64_t i = 0; i < r->rows; i++)
            memcpy((float *)out->data + at + i * s->width, from + i * from_row, sizeof(float) * (size_t)units);
}

static void ask_backward(const recurrent_work *w, const range *r, int64_t t, int64_t at, int64_t x_at, lines *l)
{
    const recurrent_state *s = w->s;
    const fig_eval *c = w->c;
    int64_t gates = s->gates, y_row = s->row_line * s->width;
    ask_for(l, &c->in[FIG__TRACE], x_at, r->rows, y_row * gates, gates, s->width);
    if (c->in[FIG__TRACE].data != c->out[FIG__DX].data)
        ask_for(l, &c->out[FIG__DX], x_at, r->rows, y_row * gates, gates, s->width);
    if (s->cell == FIG_CELL_GRU)
        ask_for(l, &c->out[FIG__GRU_DZ], x_at, r->rows, y_row * gates, gates, s->width);
    for (int k = FIG__D_HIDDEN; k < c->n_in; k++)
        if (k != FIG__LSTM_C_FIRST && !(k == FIG__GRU_H && s->cell == FIG_CELL_GRU))
            ask_for(l, &c->in[k], at, r->rows, y_row, 1, s->width);
    if (t && s->cell != FIG_CELL_TANH) /* c or h of the step before */
        ask_for(l, &c->in[FIG__LSTM_C], at - s->step_line * s->width, r->rows, y_row, 1, s->width);
}

/* Step i is time T - 1 - i; the one after the last leaves dh before the first step. */
static void backward_block(const recurrent_work *w, const range *r, int64_t i, int64_t block)
{
    const recurrent_state *s = w->s;
    const fig_eval *c = w->c;
    bool lstm = s->cell == FIG_CELL_LSTM, gru = s->cell == FIG_CELL_GRU;
    int64_t gates = s->gates, unit = block * FIG__PANEL, units = units_of(s, block), y_row = s->row_line * s->width, t = s->steps - 1 - i;
    int64_t line = r->row * s->row_line + t * s->step_line, at = line * s->width + unit, x_at = line * s->width * gates + unit;
    float *product = r->memory + area_at(s, PRODUCT), *flow = w->flow + r->row * s->width + unit;
    lines ask = { .count = 0 };
    if (t >= 0)
        ask_backward(w, r, t, at, x_at, &ask);
    if (i)
        multiply(w, r, i, block, product, FIG__PANEL, &ask, 0, 1);
    else
        memset(product, 0, sizeof(float) * (size_t)(r->rows * FIG__PANEL));
    if (t < 0) {
        for (int64_t b = 0; gru && b < r->rows; b++)
            for (int64_t j = 0; j < units; j++)
                product[b * FIG__PANEL + j] += flow[b * s->width + j];
        leave(w, r, FIG__DH_FIRST, unit, units, product, FIG__PANEL);
        if (lstm)
            leave(w, r, FIG__LSTM_DC_FIRST, unit, units, flow, s->width);
        return;
    }
    place trace = read_place(w, r, &c->in[FIG__TRACE], x_at, gates, units, STAGE_TRACE);
    place dy = read_place(w, r, &c->in[FIG__D_HIDDEN], at, 1, units, STAGE_Y);
    place dx = place_of(w, r, &c->out[FIG__DX], x_at, gates, units, STAGE_X), dz = { 0 };
    fig__cells cells = { .rows = r->rows, .units = units, .narrow = s->narrow, .product = product, .trace = trace.at,
                         .trace_row = trace.row, .trace_gate = trace.gate, .dy = dy.at, .dy_row = dy.row, .dx = dx.at, .x_row = dx.row,
                         .x_gate = dx.gate, .flow = flow, .flow_row = s->width, .state = turn_of(w, i + 1, r->row) + unit,
                         .state_row = s->turn_row, .state_gate = s->width, .wide_before = !t };
    if (s->narrow)
        cells.state = narrow_turn_of(w, i + 1, r->row) + unit;
    if (lstm || gru) {
        place before = { .at = (float *)c->in[lstm ? FIG__LSTM_C_FIRST : FIG__GRU_H_FIRST].data + r->row * s->width + unit,
                         .row = s->width };
        if (t)
            before = read_place(w, r, &c->in[lstm ? FIG__LSTM_C : FIG__GRU_H], at - s->step_line * s->width, 1, units, STAGE_BEFORE);
        cells.before = before.at, cells.before_row = before.row;
        cells.extra = (float *)c->in[lstm ? FIG__LSTM_C : FIG__GRU_EXTRA].data + at, cells.extra_row = y_row;
        cells.dextra = lstm && c->n_in > FIG__LSTM_DC ? FIG_F32_IN(c, FIG__LSTM_DC) + at : NULL;
    }
    if (gru) {
        dz = place_of(w, r, &c->out[FIG__GRU_DZ], x_at, gates, units, STAGE_DZ);
        cells.dz = dz.at, cells.dz_row = dz.row, cells.dz_gate = dz.gate;
    }
    fig__fast_cells_backward(s->cell, &cells);
    finish_place(&dx);
    finish_place(&dz);
    if (!s->narrow)
        round_turn(w, i + 1, r->row, r->rows, gates, unit, units);
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
    recurrent_work w = { s, c, workspace_at(c, s->packed), workspace_at(c, s->turn), workspace_at(c, s->flow),
                         (uint16_t *)(void *)workspace_at(c, s->narrow_turn) };
    fig__parallel(s->parts, pack_part, &w);
    if (s->backward)
        memset(w.flow, 0, sizeof(float) * (size_t)(s->batch * s->width));
    else
        for (int64_t b = 0; b < s->batch; b++)
            memcpy(turn_of(&w, 0, b), FIG_F32_IN(c, FIG__H) + b * s->width, sizeof(float) * (size_t)s->width);
    if (!s->backward)
        round_turn(&w, 0, 0, s->batch, 1, 0, s->width);
    if (s->by_rows)
        fig__parallel(s->parts, all_steps, &w);
    else
        fig__parallel_steps(s->parts, s->steps + s->backward, s->backward ? backward_step : forward_step, &w);
}

const fig_kernel fig_kernel_recurrent = {
    .name = "recurrent", .bf16 = true, .op = "recurrent", .accepts = recurrent_accepts,
    .prepare = forward_prepare, .release = release, .run = recurrent_run, .inplace = 1,
};
const fig_kernel fig_kernel_recurrent_gradient = {
    .name = "recurrent", .bf16 = true, .op = "recurrent_gradient", .accepts = recurrent_accepts,
    .prepare = backward_prepare, .release = release, .run = recurrent_run, .inplace = 1,
};
