/* kernels/tiles_run.c - running a compiled program of the tile engine */
#include "kernels/parallel.h"
#include "kernels/storage.h"
#include "kernels/tiles_inside.h"
#include "ops/bf16.h"

#include <math.h>
#include <string.h>

/* What a part keeps while it walks its tiles. */
typedef struct walk {
    const fig__tiles *t;
    const fig_eval *c;
    char *memory;                              /* of this part */
    int64_t plane;                             /* the one whose offsets are below */
    int64_t in_at[FIG_FUSED_MAX], out_at[FIG_FUSED_MAX];
    const float *held[FIG_FUSED_MAX];          /* what an operand's slot was filled from: not filled again for the same */
    int64_t held_count[FIG_FUSED_MAX];
    const float *reg[2 * FIG_FUSED_MAX];       /* this tile's registers as arrays */
    const float *number[FIG_FUSED_MAX];        /* NUMBER operands: their place in memory */
    float wide[FIG_FUSED_MAX];                 /* NUMBER operands stored in bf16 */
} walk;

/* One tile: `rows` rows of `columns` from (row, column) of the current plane, `at` in the space. */
typedef struct tile {
    int64_t row, column, rows, columns, at;
} tile;

static float *slot_of(const walk *w, int slot)
{
    return (float *)(void *)(w->memory + w->t->slot_bytes * (size_t)slot);
}

static void enter_plane(walk *w, int64_t plane)
{
    const fig__tiles *t = w->t;
    w->plane = plane;
    memset(w->in_at, 0, sizeof(int64_t) * (size_t)t->n_in);
    memset(w->out_at, 0, sizeof(int64_t) * (size_t)t->n_out);
    for (int axis = t->axes - 3; axis >= 0; axis--) {
        int64_t index = plane % t->dim[axis];
        plane /= t->dim[axis];
        for (int i = 0; i < t->n_in; i++)
            w->in_at[i] += index * t->operand[i].stride[axis];
        for (int k = 0; k < t->n_out; k++)
            w->out_at[k] += index * t->output[k].stride[axis];
    }
}

/* -- operands -------------------------------------------------------------------------------------------------------------- */

static void expand_rows(float *to, const float *from, const operand *o, const fig__tiles *t, const tile *z)
{
    int64_t row_stride = o->stride[t->axes - 2], column_stride = o->stride[t->axes - 1];
    for (int64_t row = 0; row < z->rows; row++, to += z->columns, from += row_stride) {
        if (column_stride == 0)
            fig__fast_fill(to, *from, z->columns);
        else if (column_stride == 1)
            memcpy(to, from, sizeof(float) * (size_t)z->columns);
        else
            for (int64_t j = 0; j < z->columns; j++)
                to[j] = from[j * column_stride];
    }
}

/* The same from bf16. */
static void widen_rows(float *to, const uint16_t *from, const operand *o, const fig__tiles *t, const tile *z)
{
    int64_t row_stride = o->stride[t->axes - 2], column_stride = o->stride[t->axes - 1];
    if (o->kind == STRAIGHT) {
        fig__widen(to, from, z->rows * z->columns);
        return;
    }
    for (int64_t row = 0; row < z->rows; row++, to += z->columns, from += row_stride) {
        if (column_stride == 0)
            fig__fast_fill(to, fig__from_bf16(*from), z->columns);
        else if (column_stride == 1)
            fig__widen(to, from, z->columns);
        else
            for (int64_t j = 0; j < z->columns; j++)
                to[j] = fig__from_bf16(from[j * column_stride]);
    }
}

static void find_narrow(walk *w, int i, const tile *z)
{
    const fig__tiles *t = w->t;
    const operand *o = &t->operand[i];
    const uint16_t *from = (const uint16_t *)w->c->in[i].data + w->in_at[i] + z->row * o->stride[t->axes - 2] +
                           z->column * o->stride[t->axes - 1];
    int64_t n = z->rows * z->columns;
    const float *mark = (const float *)(const void *)from; /* compared, never read */
    bool same = w->held[i] == mark && w->held_count[i] >= n;
    w->wide[i] = fig__from_bf16(*from);
    w->number[i] = &w->wide[i];
    if (o->slot < 0)
        return;
    float *slot = slot_of(w, o->slot);
    if (o->kind == NUMBER && !same)
        fig__fast_fill(slot, w->wide[i], n);
    else if (o->kind != NUMBER && !(o->kind == REPEATED && same))
        widen_rows(slot, from, o, t, z);
    w->held[i] = mark;
    w->held_count[i] = n;
    w->reg[i] = slot;
}

static void find_operand(walk *w, int i, const tile *z)
{
    const fig__tiles *t = w->t;
    const operand *o = &t->operand[i];
    if (o->narrow) {
        find_narrow(w, i, z);
        return;
    }
    int64_t offset = w->in_at[i] + z->row * o->stride[t->axes - 2] + z->column * o->stride[t->axes - 1];
    const float *from = (const float *)w->c->in[i].data + offset;
    int64_t n = z->rows * z->columns;
    switch (o->kind) {
    case STRAIGHT:
        w->reg[i] = from;
        return;
    case NUMBER:
        w->number[i] = from;
        if (o->slot >= 0 && (w->held[i] != from || w->held_count[i] < n))
            fig__fast_fill(slot_of(w, o->slot), *from, n);
        break;
    case REPEATED:
        if (w->held[i] != from || w->held_count[i] < n)
            for (int64_t row = 0; row < z->rows; row++)
                memcpy(slot_of(w, o->slot) + row * z->columns, from, sizeof(float) * (size_t)z->columns);
        break;
    case EXPANDED:
        expand_rows(slot_of(w, o->slot), from, o, t, z);
        break;
    }
    if (o->slot >= 0) {
        w->held[i] = from;
        w->held_count[i] = n;
        w->reg[i] = slot_of(w, o->slot);
    }
}

/* -- outputs ------------------------------------------------------------------------------------------------------------------ */

/* Adds n values to consecutive accumulators. */
static void add_line(char *sums, const output *o, int64_t at, const float *x, int64_t n)
{
    if (o->wide)
        fig__fast_add_to_double((double *)(void *)sums + at, x, n);
    else
        fig__fast_add_columns((float *)(void *)sums + at, x, 1, n);
}

static void add_number(char *sums, const output *o, int64_t at, float value)
{
    if (o->wide)
        ((double *)(void *)sums)[at] += (double)value;
    else
        ((float *)(void *)sums)[at] += value;
}

static void accumulate_sum(walk *w, const output *o, const float *x, int64_t at, const tile *z)
{
    const fig__tiles *t = w->t;
    char *sums = w->memory + o->sums;
    float *spare = (float *)(void *)(w->memory + t->spare);
    int64_t row_stride = o->stride[t->axes - 2], column_stride = o->stride[t->axes - 1];
    if (o->squared) {
        add_number(sums, o, at, fig__fast_sum_squares(x, z->rows * z->columns));
    } else if (column_stride == 0 && row_stride == 0) {
        add_number(sums, o, at, fig__fast_sum(x, z->rows * z->columns));
    } else if (column_stride == 0) {
        if (z->rows == 1) {
            add_number(sums, o, at, fig__fast_sum(x, z->columns));
            return;
        }
        fig__fast_row_sums(spare, x, z->rows, z->columns);
        for (int64_t row = 0; row < z->rows; row++)
            add_number(sums, o, at + row * row_stride, spare[row]);
    } else if (row_stride != 0) {
        add_line(sums, o, at, x, z->rows * z->columns); /* both kept: the sum is over planes */
    } else if (o->wide && z->rows > 1) {
        memset(spare, 0, sizeof(float) * (size_t)z->columns);
        fig__fast_add_columns(spare, x, z->rows, z->columns);
        add_line(sums, o, at, spare, z->columns);
    } else if (o->wide) {
        add_line(sums, o, at, x, z->columns);
    } else {
        fig__fast_add_columns((float *)(void *)sums + at, x, z->rows, z->columns);
    }
}

static void accumulate_max(walk *w, const output *o, const float *x, int64_t at, const tile *z)
{
    const fig__tiles *t = w->t;
    float *best = (float *)(void *)(w->memory + o->sums) + at;
    int64_t row_stride = o->stride[t->axes - 2], column_stride = o->stride[t->axes - 1];
    if (column_stride != 0) {
        bool both = row_stride != 0;
        fig__fast_max_columns(best, x, both ? 1 : z->rows, both ? z->rows * z->columns : z->columns);
        return;
    }
    for (int64_t row = 0; row < z->rows; row++) {
        float value = fig__fast_max(x + row * z->columns, z->columns);
        fig__fast_max_columns(best + row * row_stride, &value, 1, 1);
    }
}

static void finish_output(walk *w, int k, const tile *z)
{
    const fig__tiles *t = w->t;
    const output *o = &t->output[k];
    if (!o->reduced) {
        if (o->narrow)
            fig__narrow((uint16_t *)w->c->out[k].data + z->at, w->reg[o->reg], z->rows * z->columns);
        else if (o->copied)
            memcpy((float *)w->c->out[k].data + z->at, w->reg[o->reg], sizeof(float) * (size_t)(z->rows * z->columns));
        return;
    }
    int64_t at = w->out_at[k] + z->row * o->stride[t->axes - 2] + z->column * o->stride[t->axes - 1];
    if (t->combine == FIG__COMBINE_MAX)
        accumulate_max(w, o, w->reg[o->reg], at, z);
    else
        accumulate_sum(w, o, w->reg[o->reg], at, z);
}

/* -- tiles --------------------------------------------------------------------------------------------------------------------- */

static void run_tile(walk *w, const tile *z)
{
    const fig__tiles *t = w->t;
    for (int i = 0; i < t->n_in; i++)
        find_operand(w, i, z);
    for (int i = 0; i < t->n_steps; i++) {
        const step *s = &t->step[i];
        if (s->gone)
            continue;
        const float *x[4];
        for (int k = 0; k < s->arity; k++) {
            int r = s->source[k];
            bool number = !s->spread && r < t->n_in && t->operand[r].kind == NUMBER;
            x[k] = number ? w->number[r] : w->reg[r];
        }
        float *y = s->direct >= 0 ? (float *)w->c->out[s->direct].data + z->at : slot_of(w, s->slot);
        s->loop(y, x, s->p, z->rows * z->columns);
        w->reg[t->n_in + i] = y;
    }
    for (int k = 0; k < t->n_out; k++)
        finish_output(w, t->order[k], z);
}

static void clear_sums(const fig__tiles *t, char *memory)
{
    for (int k = 0; k < t->n_out; k++) {
        const output *o = &t->output[k];
        if (!o->reduced)
            continue;
        if (t->combine == FIG__COMBINE_MAX)
            fig__fast_fill((float *)(void *)(memory + o->sums), -INFINITY, o->elements);
        else
            memset(memory + o->sums, 0, (o->wide ? sizeof(double) : sizeof(float)) * (size_t)o->elements);
    }
}

typedef struct tiles_work {
    const fig__tiles *t;
    const fig_eval *c;
} tiles_work;

static void tiles_part(void *context, int part, int parts)
{
    const tiles_work *work = context;
    const fig__tiles *t = work->t;
    walk w = { .t = t, .c = work->c, .memory = (char *)work->c->workspace + t->part_bytes * (size_t)part, .plane = -1 };
    clear_sums(t, w.memory);
    int64_t begin, end;
    fig__share(t->units, 1, part, parts, &begin, &end);
    for (int64_t unit = begin; unit < end; unit++) {
        int64_t column_tile = unit % t->column_tiles, rest = unit / t->column_tiles;
        int64_t row_tile = rest % t->row_tiles, plane = rest / t->row_tiles;
        if (plane != w.plane)
            enter_plane(&w, plane);
        tile z = { .row = row_tile * t->tile_rows, .column = column_tile * t->tile_columns };
        z.rows = t->rows - z.row < t->tile_rows ? t->rows - z.row : t->tile_rows;
        z.columns = t->columns - z.column < t->tile_columns ? t->columns - z.column : t->tile_columns;
        z.at = (plane * t->rows + z.row) * t->columns + z.column;
        run_tile(&w, &z);
    }
}

/* -- combining ------------------------------------------------------------------------------------------------------------------ */

typedef struct combine_work {
    const fig__tiles *t;
    const output *o;
    const char *memory;
    float *out;
} combine_work;

static void combine_part(void *context, int part, int parts)
{
    const combine_work *w = context;
    const fig__tiles *t = w->t;
    int64_t begin, end;
    fig__share(w->o->elements, 16, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        double sum = t->combine == FIG__COMBINE_MAX ? -INFINITY : 0.0;
        for (int p = 0; p < t->parts; p++) {
            const char *sums = w->memory + t->part_bytes * (size_t)p + w->o->sums;
            double value = w->o->wide ? ((const double *)(const void *)sums)[i] : (double)((const float *)(const void *)sums)[i];
            if (t->combine != FIG__COMBINE_MAX)
                sum += value;
            else if (value > sum || isnan(value))
                sum = value;
        }
        w->out[i] = (float)(sum * (double)w->o->scale);
    }
}

void fig__tiles_run(const fig__tiles *t, fig_eval *c)
{
    tiles_work work = { t, c };
    fig__parallel_in(c->run->team, t->parts, tiles_part, &work);
    for (int k = 0; k < t->n_out; k++) {
        const output *o = &t->output[k];
        if (!o->reduced)
            continue;
        combine_work combine = { t, o, c->workspace, c->out[k].data };
        fig__parallel_in(c->run->team, fig__parts(o->elements * t->parts, c->run->threads), combine_part, &combine);
    }
}
