/* kernels/tiles.c - compiling a program for the tile engine (tiles.h draws the picture); tiles_run.c runs it */
#include "kernels/tiles_inside.h"
#include "kernels/parallel.h"
#include "ops/pointwise.h"

#include <stdlib.h>
#include <string.h>

bool fig__tiles_accepts(const fig__tile_program *program)
{
    if (fig_elements(&program->space) == 0)
        return false;
    bool narrow = false, integer = false;
    for (int i = 0; i < program->n_in; i++) {
        narrow |= program->in[i].dtype == FIG_BF16;
        integer |= program->in[i].dtype == FIG_I32;
    }
    for (int k = 0; k < program->n_out; k++) {
        narrow |= program->out[k].dtype == FIG_BF16;
        if (program->reduce[k] && program->out[k].dtype == FIG_BF16)
            return false;
    }
    return !(narrow && integer);
}

/* -- axes ------------------------------------------------------------------------------------------------------------------ */

/* Strides of an output in its own dense order; 0 along reduced axes. */
static int64_t output_strides(const fig_type *space, uint32_t reduce, int64_t *stride)
{
    int64_t size = 1;
    for (int axis = space->rank - 1; axis >= 0; axis--) {
        bool gone = (reduce >> axis & 1) != 0;
        stride[axis] = gone || space->dim[axis] == 1 ? 0 : size;
        size *= gone ? 1 : space->dim[axis];
    }
    return size;
}

/* True when axis and the one after it can be walked as one by this pattern. */
static bool mergeable(const int64_t *stride, const int64_t *dim, int axis)
{
    return stride[axis] == stride[axis + 1] * dim[axis + 1];
}

/* Merges axes that every pattern walks alike and drops those of size 1. patterns: pointers to stride arrays. */
static int merge_axes(int64_t *dim, int rank, int64_t **patterns, int count)
{
    int axes = 0;
    for (int axis = 0; axis < rank; axis++) {
        if (dim[axis] == 1)
            continue;
        dim[axes] = dim[axis];
        for (int i = 0; i < count; i++)
            patterns[i][axes] = patterns[i][axis];
        axes++;
        while (axes > 1) {
            bool all = true;
            for (int i = 0; i < count && all; i++)
                all = mergeable(patterns[i], dim, axes - 2);
            if (!all)
                break;
            dim[axes - 2] *= dim[axes - 1];
            for (int i = 0; i < count; i++)
                patterns[i][axes - 2] = patterns[i][axes - 1];
            axes--;
        }
    }
    if (axes == 0) {
        dim[axes++] = 1;
        for (int i = 0; i < count; i++)
            patterns[i][0] = 0;
    }
    return axes;
}

static void lay_axes(fig__tiles *t, const fig__tile_program *program)
{
    int64_t dense[FIG_MAX_RANK], *patterns[3 * FIG_FUSED_MAX];
    int count = 0;
    memcpy(t->dim, program->space.dim, sizeof(t->dim));
    output_strides(&program->space, 0, dense);
    patterns[count++] = dense;
    for (int i = 0; i < program->n_in; i++) {
        fig__broadcast_strides(&program->in[i], &program->space, t->operand[i].stride);
        patterns[count++] = t->operand[i].stride;
    }
    for (int k = 0; k < program->n_out; k++) {
        t->output[k].elements = output_strides(&program->space, program->reduce[k], t->output[k].stride);
        patterns[count++] = t->output[k].stride;
    }
    t->axes = merge_axes(t->dim, program->space.rank, patterns, count);
    t->columns = t->dim[t->axes - 1];
    t->rows = t->axes > 1 ? t->dim[t->axes - 2] : 1;
    t->total = fig_elements(&program->space);
    t->planes = t->total / (t->rows * t->columns);
    if (t->axes == 1) { /* give every pattern a row axis */
        t->dim[1] = t->dim[0];
        t->dim[0] = 1;
        for (int i = 0; i < count; i++) {
            patterns[i][1] = patterns[i][0];
            patterns[i][0] = 0;
        }
        t->axes = 2;
    }
}

/* -- tiles -------------------------------------------------------------------------------------------------------------------- */

/* A tile is whole rows when several fit, else a piece of one. Rows go in multiples of 16 when they are short, so that a
 * tile's length is a multiple of the vector. */
static void size_tiles(fig__tiles *t, int64_t wanted)
{
    t->tile_columns = t->columns <= wanted ? t->columns : wanted;
    t->tile_rows = t->columns <= wanted ? wanted / t->columns : 1;
    if (t->tile_rows > 16)
        t->tile_rows -= t->tile_rows % 16;
    if (t->tile_rows > t->rows)
        t->tile_rows = t->rows;
    t->row_tiles = (t->rows + t->tile_rows - 1) / t->tile_rows;
    t->column_tiles = (t->columns + t->tile_columns - 1) / t->tile_columns;
    t->units = t->planes * t->row_tiles * t->column_tiles;
}

/* How an operand reaches a tile, given the shape of tiles. */
static void classify(fig__tiles *t, operand *o)
{
    int64_t row = o->stride[t->axes - 2], column = o->stride[t->axes - 1];
    bool one_row = t->tile_rows == 1, constant = true;
    for (int axis = 0; axis < t->axes; axis++)
        constant = constant && o->stride[axis] == 0;
    if (constant || (column == 0 && (row == 0 || one_row)))
        o->kind = NUMBER;
    else if (column == 1 && (one_row || row == t->columns))
        o->kind = STRAIGHT;
    else if (column == 1 && row == 0)
        o->kind = REPEATED;
    else
        o->kind = EXPANDED;
}

/* Whether the operand walks exactly as the space does: it may share memory with an output. */
static bool walks_space(const fig__tiles *t, const operand *o)
{
    int64_t size = 1;
    for (int axis = t->axes - 1; axis >= 0; axis--) {
        if (t->dim[axis] != 1 && o->stride[axis] != size)
            return false;
        size *= t->dim[axis];
    }
    return true;
}

/* -- registers ------------------------------------------------------------------------------------------------------------------- */

/* Chooses the loop of a step: single numbers go in directly where a form for them exists. Marks operands that must be
 * expanded to an array. */
static void choose_loop(fig__tiles *t, step *s, bool integers)
{
    int numbers = 0;
    if (s->joined >= 0) {
        s->loop = fig__tile_joined[s->joined];
        return;
    }
    for (int i = 0; i < s->arity; i++)
        numbers |= (s->source[i] < t->n_in && t->operand[s->source[i]].kind == NUMBER) << i;
    fig__tile *by_hand = integers ? NULL : fig__fast_activation(s->rule->code);
    s->loop = integers ? fig__tile_i32[s->rule->code] : by_hand ? by_hand : fig__tile_f32[s->rule->code][FIG__TILE_ARRAYS];
    if (!integers && s->arity == 2 && (numbers == 1 || numbers == 2)) {
        s->loop = fig__tile_f32[s->rule->code][numbers == 1 ? FIG__TILE_NUMBER_FIRST : FIG__TILE_NUMBER_SECOND];
        return; /* the number stays a number */
    }
    for (int i = 0; i < s->arity; i++)
        if (numbers >> i & 1)
            t->operand[s->source[i]].spread = true;
    s->spread = numbers != 0;
}

static const fig_pointwise_rule *rule_of(int code)
{
    for (int i = 0; fig__ops[i]; i++)
        if (fig__ops[i]->pointwise && fig__ops[i]->pointwise->code == code)
            return fig__ops[i]->pointwise;
    FIG_BUG("no element-by-element op has code %d", code);
}

static void read_steps(fig__tiles *t, const fig__tile_program *program)
{
    bool integer[2 * FIG_FUSED_MAX] = { false }, any = false;
    for (int i = 0; i < t->n_in; i++)
        any |= integer[i] = program->in[i].dtype == FIG_I32;
    for (int i = 0; i < t->n_steps; i++) {
        step *s = &t->step[i];
        const fig_fused_step *from = &program->step[i];
        s->rule = rule_of(from->code);
        s->arity = s->rule->arity;
        s->joined = s->direct = -1;
        memcpy(s->p, from->p, sizeof(s->p));
        memcpy(s->source, from->source, sizeof(from->source));
    }
    if (!any)
        fig__tiles_join(t);
    for (int i = 0; i < t->n_steps; i++) {
        step *s = &t->step[i];
        bool integers = integer[s->source[s->arity - 1]];
        if (!s->gone)
            choose_loop(t, s, integers);
        integer[t->n_in + i] = integers && !s->rule->compares;
    }
}

/* Decides where each register lives: operand arrays that are expanded, and results of steps. A result that is an output goes
 * straight to its memory if no operand is read after; other results share a few slots, each free again after its last use. */
static void place_registers(fig__tiles *t)
{
    int last_use[3 * FIG_FUSED_MAX], last_read = -1, slots = 0;
    bool taken[4 * FIG_FUSED_MAX] = { false };
    for (int r = 0; r < t->n_in + t->n_steps; r++)
        last_use[r] = -1;
    for (int i = 0; i < t->n_steps; i++)
        for (int k = 0; k < t->step[i].arity && !t->step[i].gone; k++) {
            int r = t->step[i].source[k];
            last_use[r] = i;
            if (r < t->n_in && t->operand[r].shares)
                last_read = i;
        }
    for (int k = 0; k < t->n_out; k++)
        if (t->output[k].reg < t->n_in && t->operand[t->output[k].reg].shares)
            last_read = t->n_steps;
    for (int k = 0; k < t->n_out; k++) {
        output *o = &t->output[k];
        int r = o->reg - t->n_in;
        if (r >= 0 && !o->reduced && !o->narrow && r >= last_read && t->step[r].direct < 0) {
            t->step[r].direct = k;
            o->copied = false;
        } else {
            last_use[o->reg] = t->n_steps;
        }
    }
    for (int i = 0; i < t->n_in; i++) {
        operand *o = &t->operand[i];
        bool read_whole = (o->narrow && o->kind == STRAIGHT) || o->kind == REPEATED || o->kind == EXPANDED ||
                          (o->kind == NUMBER && (o->spread || last_use[i] == t->n_steps));
        o->slot = read_whole ? slots : -1;
        o->spread = o->spread || last_use[i] == t->n_steps;
        if (read_whole)
            taken[slots++] = true;
    }
    for (int i = 0; i < t->n_steps; i++) {
        step *s = &t->step[i];
        if (s->gone)
            continue;
        for (int k = 0; k < s->arity; k++) {
            int r = s->source[k] - t->n_in;
            if (r >= 0 && t->step[r].direct < 0 && last_use[s->source[k]] == i)
                taken[t->step[r].slot] = false; /* may be taken again at once: loops work in place */
        }
        if (s->direct >= 0)
            continue;
        s->slot = 0;
        while (taken[s->slot])
            s->slot++;
        taken[s->slot] = last_use[t->n_in + i] >= 0;
        if (s->slot >= slots)
            slots = s->slot + 1;
    }
    t->slots = slots;
}

/* -- memory -------------------------------------------------------------------------------------------------------------------------- */

/* Up to this many sums are kept in double: long columns of small terms stay exact, and the cost is hidden. */
enum { DOUBLE_LIMIT = 4096 };

static size_t lay_memory(fig__tiles *t)
{
    size_t part = 0;
    t->slot_bytes = sizeof(float) * (size_t)((t->tile_rows * t->tile_columns + 15) / 16 * 16);
    part += t->slot_bytes * (size_t)t->slots;
    t->spare = part;
    part += t->slot_bytes;
    for (int k = 0; k < t->n_out; k++) {
        output *o = &t->output[k];
        if (!o->reduced)
            continue;
        o->wide = t->combine == FIG__COMBINE_SUM && o->elements <= DOUBLE_LIMIT;
        o->sums = part;
        part += ((o->wide ? sizeof(double) : sizeof(float)) * (size_t)o->elements + 63) / 64 * 64;
    }
    t->part_bytes = part;
    return part * (size_t)t->parts;
}

/* Reductions first, then copies of operands, then copies of results, which may overwrite an operand. */
static void order_outputs(fig__tiles *t)
{
    int count = 0;
    for (int rank = 0; rank < 3; rank++)
        for (int k = 0; k < t->n_out; k++) {
            const output *o = &t->output[k];
            if (rank == (o->reduced ? 0 : o->reg < t->n_in ? 1 : 2))
                t->order[count++] = k;
        }
}

/* One sum over the squares of one operand. */
static bool is_norm(const fig__tiles *t, const fig__tile_program *program)
{
    return t->n_in == 1 && t->n_steps == 1 && t->n_out == 1 && program->step[0].code == FIG__CODE_square &&
           t->output[0].reduced && t->output[0].elements == 1 && program->in[0].dtype == FIG_F32;
}

fig__tiles *fig__tiles_new(const fig__tile_program *program, int threads, size_t *workspace)
{
    fig__tiles *t = fig__alloc(sizeof(*t));
    t->n_in = program->n_in;
    t->n_steps = program->n_steps;
    t->n_out = program->n_out;
    t->combine = program->combine;
    FIG_BUG_IF(t->n_in > FIG_FUSED_MAX || t->n_steps > FIG_FUSED_MAX || t->n_out > FIG_FUSED_MAX,
               "a program of %d operands, %d steps and %d outputs", t->n_in, t->n_steps, t->n_out);
    lay_axes(t, program);
    for (int k = 0; k < t->n_out; k++) {
        output *o = &t->output[k];
        o->reg = program->outputs[k];
        o->reduced = program->reduce[k] != 0;
        o->scale = program->scale[k];
        o->narrow = program->out[k].dtype == FIG_BF16;
        o->copied = true;
    }
    order_outputs(t);
    /* As many elements as keep a dozen registers in the first cache; a norm stores nothing on its way. */
    int64_t wanted = t->n_in + t->n_steps > 12 ? 512 : is_norm(t, program) ? 8192 : 1024;
    size_tiles(t, wanted);
    for (int i = 0; i < t->n_in; i++) {
        classify(t, &t->operand[i]);
        t->operand[i].narrow = program->in[i].dtype == FIG_BF16;
        t->operand[i].shares = !t->operand[i].narrow && walks_space(t, &t->operand[i]);
    }
    read_steps(t, program);
    place_registers(t);
    int64_t work = t->total * (1 + t->n_steps / 2);
    t->parts = fig__parts(work, threads);
    if (t->parts > t->units)
        t->parts = (int)t->units;
    *workspace = lay_memory(t);
    return t;
}

void fig__tiles_free(fig__tiles *tiles)
{
    free(tiles);
}
