/* kernels/pieces.c - products over the channels of several tensors as if they lay side by side, and weight gradients (ops/pieces.c)
 *
 * A block of some dozens of places is put side by side in the second cache - where pieces are gates' traces, their halves are multiplied
 * on the way - and multiplied by the packed weight, panel by panel; in f32 some pieces at a time. Its results stay there until bias
 * and activation are done. While a tile is multiplied, the rows that are put side by side next are asked for.
 *
 * The weight gradient in f32 adds up outer products of a piece's places, of some hundred at a time, and those of dy, to a part's own
 * sums, asking for the piece that comes next. That of bf16 is in convolution_pair_sums.c. */
#include "kernels/cast.h"
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/pair_product.h"
#include "kernels/pair_steps.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"
#include "kernels/pieces.h"
#include "kernels/triples.h"

#include <stdlib.h>
#include <string.h>

enum {
    PANEL = FIG__PANEL,
    ROWS = FIG__TILE_ROWS,
    TILES_OF_A_BLOCK = 4,
    NARROW_TILES = 2,
    CHANNELS_AT_ONCE = 256, /* of an f32 block: with its results, what is asked for and a panel, half of a second cache of 1 MiB */
    PLACES_AT_ONCE = 256,
    MOST_PIECES = 64,
};

typedef struct pieces_state {
    fig_epilogue after;
    bool gated, narrow, narrow_out, wide_tiles; /* operands, result in bf16; wide_tiles: this processor has AVX-512 */
    int pieces, parts;
    int64_t places, channels, outputs, row, wide; /* row: of a piece; wide: channels of all */
    int64_t panels, block;                        /* of the weight; places at once */
    int group;                                    /* pieces at once */
    size_t panel, bias, own, part, tile;          /* bytes of a panel; places in the workspace; of a part; within it */
} pieces_state;

static size_t rounded(size_t bytes) { return (bytes + 63) / 64 * 64; }

static void read_pieces(pieces_state *s, const fig_kernel_query *q, const fig_type *by_place)
{
    const fig_pieces_attr *attr = q->attr;
    const fig_type *piece = &q->in[1];
    *s = (pieces_state){ .after = attr->after, .gated = attr->gated, .pieces = q->n_in - 1 - (attr->after.bias != 0) };
    s->narrow = q->in[0].dtype == FIG_BF16;
    s->narrow_out = q->out[0].dtype == FIG_BF16;
    s->wide_tiles = fig__machine_get()->avx512;
    s->row = piece->dim[piece->rank - 1];
    s->channels = s->row / (s->gated ? 2 : 1);
    s->wide = s->pieces * s->channels;
    s->outputs = by_place->dim[by_place->rank - 1];
    s->places = s->row ? fig_elements(piece) / s->row : 0;
    s->parts = fig__parts(s->places * s->wide / 16 * s->outputs, q->threads);
}

static bool all_of(const fig_kernel_query *q, int count, fig_dtype dtype)
{
    for (int i = 0; i < count; i++)
        if (q->in[i].dtype != dtype)
            return false;
    return fig_elements(&q->out[0]) > 0 && fig_elements(&q->in[1]) > 0;
}

/* -- the product ------------------------------------------------------------------------------------------------------------------ */

static bool product_accept(const fig_kernel_query *q)
{
    const fig_pieces_attr *attr = q->attr;
    int n = q->n_in - (attr->after.bias != 0);
    const fig_type *piece = &q->in[1];
    if ((attr->after.bias && q->in[n].dtype != FIG_F32) || n - 1 > MOST_PIECES)
        return false;
    if (all_of(q, n, FIG_F32))
        return q->out[0].dtype == FIG_F32;
    return all_of(q, n, FIG_BF16) && fig__pairs_available() && piece->dim[piece->rank - 1] % 4 == 0;
}

static fig_status product_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    pieces_state *s = fig__alloc(sizeof(*s));
    read_pieces(s, q, &q->out[0]);
    size_t size = s->narrow ? sizeof(uint16_t) : sizeof(float);
    s->panels = (s->outputs + PANEL - 1) / PANEL;
    s->block = (s->narrow ? NARROW_TILES : TILES_OF_A_BLOCK) * ROWS;
    s->panel = rounded((size_t)(s->wide * PANEL) * size);
    s->bias = s->panel * (size_t)s->panels;
    s->own = s->bias + sizeof(float) * (size_t)(s->panels * PANEL);
    s->group = s->narrow || s->channels > CHANNELS_AT_ONCE ? 1 : (int)(CHANNELS_AT_ONCE / s->channels);
    if (s->narrow || s->group > s->pieces)
        s->group = s->pieces;
    s->tile = rounded((size_t)(s->block * s->group * s->channels) * size);
    s->part = s->tile + sizeof(float) * (size_t)(s->block * PANEL);
    *workspace = s->own + s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void pieces_release(void *prepared) { free(prepared); }

typedef struct pieces_work {
    const pieces_state *s;
    const fig_tensor *piece;
    const void *w; /* the weight; of the weight gradient dy */
    const float *bias;
    void *y;
    char *workspace;
} pieces_work;

static void *panel_at(const pieces_work *w, int64_t panel) { return w->workspace + w->s->panel * (size_t)panel; }
static float *bias_at(const pieces_work *w, int64_t panel) { return (float *)(void *)(w->workspace + w->s->bias) + panel * PANEL; }
static char *own_at(const pieces_work *w, int part) { return w->workspace + w->s->own + w->s->part * (size_t)part; }

static void pack_part(void *context, int part, int parts)
{
    const pieces_work *w = context;
    const pieces_state *s = w->s;
    int64_t begin, end;
    fig__share(s->panels, 1, part, parts, &begin, &end);
    for (int64_t panel = begin; panel < end; panel++) {
        int64_t first = panel * PANEL, columns = s->outputs - first < PANEL ? s->outputs - first : PANEL, pairs = s->wide / 2;
        if (s->narrow) {
            uint32_t *to = panel_at(w, panel);
            if (columns < PANEL)
                memset(to, 0, s->panel);
            fig__fast_transpose_4(to, PANEL, (const uint32_t *)w->w + first * pairs, pairs, pairs, columns);
        } else {
            fig__fast_panel_pack_transposed(s->wide, columns, (const float *)w->w + first * s->wide, s->wide, panel_at(w, panel));
        }
        for (int64_t j = 0; j < PANEL; j++)
            bias_at(w, panel)[j] = w->bias && j < columns ? w->bias[first + j] : 0;
    }
}

/* Places [at, at + rows) of a group of pieces. */
static void put_together(const pieces_work *w, int first, int count, int64_t at, int64_t rows, void *to)
{
    const pieces_state *s = w->s;
    int64_t wide = count * s->channels;
    for (int i = 0; i < count; i++) {
        if (!s->narrow) {
            const float *from = (const float *)w->piece[first + i].data + at * s->row;
            float *z = (float *)to + i * s->channels;
            if (s->gated)
                fig__fast_gated(z, wide, from, s->row, s->channels, rows, s->channels);
            for (int64_t r = 0; !s->gated && r < rows; r++)
                memcpy(z + r * wide, from + r * s->row, sizeof(float) * (size_t)s->channels);
            continue;
        }
        const uint16_t *from = (const uint16_t *)w->piece[first + i].data + at * s->row;
        uint16_t *z = (uint16_t *)to + i * s->channels;
        for (int64_t r = 0; r < rows; r++, from += s->row, z += wide)
            if (s->gated)
                fig__fast_pair_gated(z, from, from + s->channels, s->channels);
            else
                memcpy(z, from, sizeof(uint16_t) * (size_t)s->channels);
    }
}

/* Results that are whole columns of vectors and need no activation go where they belong, others through a tile. */
static void narrow_tile(const pieces_work *w, const fig__pair_tile *tile, int64_t at, int64_t rows, int64_t panel, float *edge)
{
    const pieces_state *s = w->s;
    int64_t first = panel * PANEL, columns = s->outputs - first < PANEL ? s->outputs - first : PANEL, to = at * s->outputs + first;
    if (columns == PANEL && s->after.activation == FIG_LINEAR && s->narrow_out) {
        fig__fast_pair_steps_bf16(tile, rows, (uint16_t *)w->y + to, s->outputs);
        return;
    }
    fig__fast_pair_steps(tile, rows, edge, PANEL);
    if (s->after.activation != FIG_LINEAR)
        fig__fast_epilogue(edge, rows, PANEL, NULL, &s->after);
    for (int64_t i = 0; i < rows; i++)
        if (s->narrow_out)
            fig__fast_f32_to_bf16((uint16_t *)w->y + to + i * s->outputs, edge + i * PANEL, columns);
        else
            memcpy((float *)w->y + to + i * s->outputs, edge + i * PANEL, sizeof(float) * (size_t)columns);
}

/* `next`: the first place of the next block, or -1; each tile asks for some bytes of each piece's rows there. */
static void narrow_block(const pieces_work *w, int64_t at, int64_t rows, int64_t next, int part)
{
    const pieces_state *s = w->s;
    const uint16_t *block = (const uint16_t *)(const void *)own_at(w, part);
    float *edge = (float *)(void *)(own_at(w, part) + s->tile);
    int64_t tiles = (rows + ROWS - 1) / ROWS, pairs = s->channels / 2, bytes = rows * s->row * 2 / (s->panels * tiles) / 64 * 64 + 64;
    fig__pair_source source[MOST_PIECES];
    for (int64_t panel = 0; panel < s->panels; panel++)
        for (int64_t i = 0; i < tiles; i++) {
            int64_t first = rows * i / tiles, count = rows * (i + 1) / tiles - first, turn = panel * tiles + i;
            for (int k = 0; k < s->pieces; k++) {
                fig__pair_ask ask = { (const char *)block, 0 };
                if (next >= 0)
                    ask = (fig__pair_ask){ (const char *)w->piece[k].data + next * s->row * 2 + turn * bytes, (bytes + pairs - 1) / pairs };
                source[k] = (fig__pair_source){ (const uint32_t *)(const void *)(block + first * s->wide + k * s->channels),
                                                s->wide / 2, pairs, (const uint32_t *)panel_at(w, panel) + k * pairs * PANEL, ask };
            }
            narrow_tile(w, &(fig__pair_tile){ s->pieces, source, bias_at(w, panel) }, at + first, count, panel, edge);
        }
}

/* Rows of a group of pieces; count 0: none. */
typedef struct group {
    int first, count;
    int64_t at, rows;
} group;

static group next_group(const pieces_state *s, const group *here, int64_t end)
{
    group next = { here->first + here->count, 0, here->at, here->rows };
    if (next.first == s->pieces) {
        next.first = 0;
        next.at += here->rows;
        next.rows = end - next.at < s->block ? end - next.at : s->block;
    }
    if (next.rows > 0)
        next.count = s->pieces - next.first < s->group ? s->pieces - next.first : s->group;
    return next;
}

/* Adds a group's share to its rows of y; of columns that do not fill a panel, to `edge`. Meanwhile the next group is asked for. */
static void multiply_group(const pieces_work *w, const group *g, const group *next, const float *block, float *edge)
{
    const pieces_state *s = w->s;
    int64_t wide = g->count * s->channels, tiles = (g->rows + ROWS - 1) / ROWS, lines = 0;
    fig__run run[MOST_PIECES + 1] = { { 0 } };
    for (int k = 0; k < next->count; lines += run[k++].lines)
        run[k] = fig__run_of((const float *)w->piece[next->first + k].data + next->at * s->row, next->rows * s->row);
    fig__runs ask = fig__runs_begin(run, lines, s->panels * tiles * wide);
    for (int64_t panel = 0; panel < s->panels; panel++)
        for (int64_t i = 0; i < tiles; i++) {
            int64_t first = g->rows * i / tiles, rows = g->rows * (i + 1) / tiles - first;
            bool whole = (panel + 1) * PANEL <= s->outputs;
            float *y = whole ? (float *)w->y + (g->at + first) * s->outputs + panel * PANEL : edge + first * PANEL;
            fig__fast_panel_ahead(rows, wide, block + first * wide, wide, (float *)panel_at(w, panel) + g->first * s->channels * PANEL, y,
                                  whole ? s->outputs : PANEL, g->first > 0, &ask);
        }
}

static void wide_part(const pieces_work *w, int64_t at, int64_t end, int part)
{
    const pieces_state *s = w->s;
    float *block = (float *)(void *)own_at(w, part), *edge = (float *)(void *)(own_at(w, part) + s->tile);
    int64_t last = s->outputs / PANEL * PANEL, left = s->outputs - last;
    group here = next_group(s, &(group){ s->pieces, 0, at, 0 }, end);
    while (here.count) {
        group next = next_group(s, &here, end);
        put_together(w, here.first, here.count, here.at, here.rows, block);
        multiply_group(w, &here, &next, block, edge);
        float *y = (float *)w->y + here.at * s->outputs;
        bool done = here.first + here.count == s->pieces;
        for (int64_t i = 0; done && left && i < here.rows; i++)
            memcpy(y + i * s->outputs + last, edge + i * PANEL, sizeof(float) * (size_t)left);
        if (done && (s->after.bias || s->after.activation != FIG_LINEAR))
            fig__fast_epilogue(y, here.rows, s->outputs, w->bias, &s->after);
        here = next;
    }
}

static void product_part(void *context, int part, int parts)
{
    const pieces_work *w = context;
    const pieces_state *s = w->s;
    int64_t at, end;
    fig__share(s->places, 1, part, parts, &at, &end);
    if (!s->narrow) {
        wide_part(w, at, end, part);
        return;
    }
    while (at < end) {
        int64_t rows = end - at < s->block ? end - at : s->block;
        put_together(w, 0, s->pieces, at, rows, own_at(w, part));
        narrow_block(w, at, rows, at + 2 * rows <= end ? at + rows : -1, part);
        at += rows;
    }
}

static void product_run(fig_eval *c)
{
    const pieces_state *s = c->prepared;
    pieces_work w = { s, &c->in[1], c->in[0].data, s->after.bias ? FIG_F32_IN(c, c->n_in - 1) : NULL, c->out[0].data, c->workspace };
    fig__parallel(s->parts, pack_part, &w);
    fig__parallel(s->parts, product_part, &w);
}

/* -- the weight gradient in f32: operands dy, pieces --------------------------------------------------------------------------------- */

static bool sums_accept(const fig_kernel_query *q) { return all_of(q, q->n_in, FIG_F32) && q->out[0].dtype == FIG_F32; }

/* Of a part: sums (pieces, outputs, channels of whole panels), then a block of one piece. */
static fig_status sums_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    pieces_state *s = fig__alloc(sizeof(*s));
    read_pieces(s, q, &q->in[0]);
    s->panels = (s->channels + PANEL - 1) / PANEL; /* of a piece */
    s->tile = rounded(sizeof(float) * (size_t)(s->outputs * s->pieces * s->panels * PANEL));
    s->part = s->tile + rounded(sizeof(float) * (size_t)(PLACES_AT_ONCE * s->panels * PANEL));
    *workspace = s->part * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

/* Places [at, at + rows) of one piece, which lie in `z` by rows of `width`; `next`, next_dy: as many rows that are read after them, or
 * NULL. */
static void add_piece(const pieces_work *w, float *sums, const float *z, int64_t width, int64_t at, int64_t rows, const float *next,
                      const float *next_dy)
{
    const pieces_state *s = w->s;
    const float *dy = (const float *)w->w + at * s->outputs;
    int64_t tiles = (s->outputs + FIG__TRIPLES_OUTER - 1) / FIG__TRIPLES_OUTER;
    int64_t share = rows * s->row / (s->panels * tiles) / 16 * 16 + 16, share_dy = rows * s->outputs / (s->panels * tiles) / 16 * 16 + 16;
    for (int64_t j = 0; j < width; j += PANEL) {
        if (!s->wide_tiles) {
            fig__fast_outer(s->outputs, rows, dy, s->outputs, z + j, width, sums + j, width, true);
            continue;
        }
        for (int64_t i = 0; i < tiles; i++) {
            int64_t first = s->outputs * i / tiles, count = s->outputs * (i + 1) / tiles - first;
            fig__triples_outer t = { .k = rows, .d = dy + first, .d_row = s->outputs, .v = z + j, .v_row = width,
                                     .ask = { z, z }, .sum = sums + first * width + j, .sum_row = width };
            if (next)
                t.ask[0] = next + (j / PANEL * tiles + i) * share, t.step[0] = (share + rows - 1) / rows;
            if (next_dy)
                t.ask[1] = next_dy + (j / PANEL * tiles + i) * share_dy, t.step[1] = (share_dy + rows - 1) / rows;
            fig__fast_triples_outer(&t, count);
        }
    }
}

static void sums_part(void *context, int part, int parts)
{
    const pieces_work *w = context;
    const pieces_state *s = w->s;
    float *sums = (float *)(void *)own_at(w, part), *z = (float *)(void *)(own_at(w, part) + s->tile);
    int64_t at, end, width = s->panels * PANEL;
    memset(sums, 0, s->part);
    fig__share(s->places, 1, part, parts, &at, &end);
    while (at < end) {
        int64_t rows = end - at < PLACES_AT_ONCE ? end - at : PLACES_AT_ONCE;
        for (int i = 0; i < s->pieces; i++) {
            const float *from = (const float *)w->piece[i].data + at * s->row, *next = NULL, *next_dy = NULL;
            if (i + 1 < s->pieces) {
                next = (const float *)w->piece[i + 1].data + at * s->row;
            } else if (at + 2 * rows <= end) {
                next = (const float *)w->piece[0].data + (at + rows) * s->row;
                next_dy = (const float *)w->w + (at + rows) * s->outputs;
            }
            if (s->gated)
                fig__fast_gated(z, width, from, s->row, s->channels, rows, s->channels);
            for (int64_t r = 0; !s->gated && r < rows; r++)
                memcpy(z + r * width, from + r * s->row, sizeof(float) * (size_t)s->channels);
            add_piece(w, sums + i * s->outputs * width, z, width, at, rows, next, next_dy);
        }
        at += rows;
    }
}

/* Sums of all parts, put where they belong; here parts own outputs. */
static void gather_part(void *context, int part, int parts)
{
    const pieces_work *w = context;
    const pieces_state *s = w->s;
    int64_t begin, end, width = s->panels * PANEL;
    fig__share(s->outputs, 1, part, parts, &begin, &end);
    for (int64_t run = begin * s->pieces; run < end * s->pieces; run++) {
        int64_t from = (run % s->pieces * s->outputs + run / s->pieces) * width;
        float *to = (float *)w->y + run * s->channels;
        memcpy(to, (const float *)(const void *)own_at(w, 0) + from, sizeof(float) * (size_t)s->channels);
        for (int other = 1; other < s->parts; other++) {
            const float *more = (const float *)(const void *)own_at(w, other) + from;
            for (int64_t c = 0; c < s->channels; c++)
                to[c] += more[c];
        }
    }
}

static void sums_run(fig_eval *c)
{
    const pieces_state *s = c->prepared;
    pieces_work w = { s, &c->in[1], c->in[0].data, NULL, c->out[0].data, c->workspace };
    fig__parallel(s->parts, sums_part, &w);
    fig__parallel(fig__parts(s->outputs * s->wide, c->run->threads), gather_part, &w);
}

const fig_kernel fig_kernel_pieces_product = {
    .name = "pieces", .op = "pieces_product", .bf16 = true, .rounds = true, .accepts = product_accept, .prepare = product_prepare,
    .release = pieces_release, .run = product_run,
};
const fig_kernel fig_kernel_pieces_weight_gradient = {
    .name = "pieces", .op = "pieces_weight_gradient", .accepts = sums_accept, .prepare = sums_prepare, .release = pieces_release,
    .run = sums_run,
};
