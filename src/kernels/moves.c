/* kernels/moves.c - transpose, slice, concat, pad, reverse, copy: strided copies (move.h) */
#include "kernels/move.h"
#include "kernels/parallel.h"

#include <stdlib.h>
#include <string.h>

typedef struct moves_state {
    int count;
    bool woven;        /* rows of many operands side by side: see below */
    fig__move move[];  /* one per operand */
} moves_state;

enum { LEAST_WOVEN = 3, ROWS_AT_ONCE = 64 };

/* Elements are bytes here: all tensors are stored alike. */
static bool moves_accepts(const fig_kernel_query *q)
{
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype != q->out[0].dtype)
            return false;
    return fig_elements(&q->out[0]) > 0;
}

/* Dense row-major strides. */
static void dense(const fig_type *type, int64_t *stride)
{
    int64_t size = 1;
    for (int axis = type->rank - 1; axis >= 0; axis--) {
        stride[axis] = size;
        size *= type->dim[axis];
    }
}

/* A move of the box `dims` (rank axes) with dense strides of both tensors; the caller changes what differs. */
static void begin_move(fig__move *m, const fig_type *from, const fig_type *to, const int64_t *dims)
{
    memset(m, 0, sizeof(*m));
    m->axes = to->rank;
    m->size = fig__dtype_size(to->dtype);
    memcpy(m->dim, dims, sizeof(int64_t) * (size_t)to->rank);
    dense(from, m->from);
    dense(to, m->to);
}

static moves_state *new_state(int count, void **prepared)
{
    moves_state *s = fig__alloc(sizeof(*s) + sizeof(fig__move) * (size_t)count);
    s->count = count;
    *prepared = s;
    return s;
}

static fig_status transpose_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fig__move *m = new_state(1, prepared)->move;
    int64_t from[FIG_MAX_RANK];
    begin_move(m, &q->in[0], &q->out[0], q->out[0].dim);
    memcpy(from, m->from, sizeof(from));
    for (int axis = 0; axis < m->axes; axis++)
        m->from[axis] = from[((const fig_transpose_attr *)q->attr)->order[axis]];
    fig__move_finish(m);
    *workspace = 0;
    return FIG_OK;
}

static fig_status slice_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fig__move *m = new_state(1, prepared)->move;
    const fig_slice_attr *attr = q->attr;
    begin_move(m, &q->in[0], &q->out[0], q->out[0].dim);
    m->from_at = attr->start * m->from[attr->axis];
    m->from[attr->axis] *= attr->step;
    fig__move_finish(m);
    *workspace = 0;
    return FIG_OK;
}

/* Every operand gives each row of the result one straight piece. */
static bool is_woven(const moves_state *s)
{
    for (int i = 0; i < s->count; i++) {
        const fig__move *m = &s->move[i];
        if (m->axes != 2 || m->from[1] != 1 || m->to[1] != 1 || m->dim[0] != s->move[0].dim[0] || m->dim[0] < 2 * ROWS_AT_ONCE)
            return false;
    }
    return s->count >= LEAST_WOVEN;
}

static fig_status concat_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    moves_state *s = new_state(q->n_in, prepared);
    int axis = ((const fig_axis_attr *)q->attr)->axis;
    int64_t before = 0;
    for (int i = 0; i < q->n_in; i++) {
        fig__move *m = &s->move[i];
        begin_move(m, &q->in[i], &q->out[0], q->in[i].dim);
        m->to_at = before * m->to[axis];
        before += q->in[i].dim[axis];
        fig__move_finish(m);
    }
    s->woven = is_woven(s);
    *workspace = 0;
    return FIG_OK;
}

static fig_status reverse_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fig__move *m = new_state(1, prepared)->move;
    int axis = ((const fig_axis_attr *)q->attr)->axis;
    begin_move(m, &q->in[0], &q->out[0], q->out[0].dim);
    m->from_at = (q->in[0].dim[axis] - 1) * m->from[axis];
    m->from[axis] = -m->from[axis];
    fig__move_finish(m);
    *workspace = 0;
    return FIG_OK;
}

static fig_status copy_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fig__move *m = new_state(1, prepared)->move;
    begin_move(m, &q->in[0], &q->out[0], q->out[0].dim);
    fig__move_finish(m);
    *workspace = 0;
    return FIG_OK;
}

/* The inner part; the border is filled by pad_run. Negative padding crops. */
static fig_status pad_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    fig__move *m = new_state(1, prepared)->move;
    const fig_pad_attr *attr = q->attr;
    int64_t dims[FIG_MAX_RANK], first = attr->before < 0 ? -attr->before : 0;
    memcpy(dims, q->in[0].dim, sizeof(dims));
    int64_t last = dims[attr->axis] + (attr->after < 0 ? attr->after : 0);
    dims[attr->axis] = last - first;
    begin_move(m, &q->in[0], &q->out[0], dims);
    m->from_at = first * m->from[attr->axis];
    m->to_at = (attr->before > 0 ? attr->before : 0) * m->to[attr->axis];
    fig__move_finish(m);
    *workspace = 0;
    return FIG_OK;
}

static void moves_run(fig_eval *c)
{
    const moves_state *s = c->prepared;
    for (int i = 0; i < s->count; i++)
        fig__move_run(&s->move[i], c->in[i].data, c->out[0].data, c->run);
}

/* Operand after operand, each would walk through the whole result in steps of a page or so; here parts own rows, and some rows of
 * all operands are copied at a time, so that the result is written straight through. 20 of 64 columns, 32768 rows: 38 to 22 ms. */
static void woven_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const moves_state *s = c->prepared;
    int64_t begin, end;
    fig__share(s->move[0].dim[0], ROWS_AT_ONCE, part, parts, &begin, &end);
    for (int64_t row = begin; row < end; row += ROWS_AT_ONCE)
        for (int i = 0; i < s->count; i++) {
            fig__move some = s->move[i];
            some.dim[0] = row + ROWS_AT_ONCE < end ? ROWS_AT_ONCE : end - row;
            some.from_at += row * some.from[0];
            some.to_at += row * some.to[0];
            fig__move_run(&some, c->in[i].data, c->out[0].data, NULL);
        }
}

static void concat_run(fig_eval *c)
{
    const moves_state *s = c->prepared;
    if (s->woven)
        fig__parallel_in(c->run->team, fig__parts(fig_elements(&c->out[0].type), c->run->threads), woven_part, c);
    else
        moves_run(c);
}

typedef struct border {
    uint32_t *out;
    int64_t outer, row, before, after; /* row: elements of one outer index; before, after: filled elements at its ends */
    uint32_t value;
} border;

static void border_part(void *context, int part, int parts)
{
    const border *b = context;
    int64_t begin, end;
    fig__share(b->outer, 1, part, parts, &begin, &end);
    for (int64_t o = begin; o < end; o++) {
        uint32_t *row = b->out + o * b->row;
        for (int64_t i = 0; i < b->before; i++)
            row[i] = b->value;
        for (int64_t i = b->row - b->after; i < b->row; i++)
            row[i] = b->value;
    }
}

static void pad_run(fig_eval *c)
{
    const fig_pad_attr *attr = c->attr;
    const fig_type *y = &c->out[0].type;
    border b = { .out = c->out[0].data, .outer = 1, .row = 1 };
    for (int axis = 0; axis < y->rank; axis++)
        *(axis < attr->axis ? &b.outer : &b.row) *= y->dim[axis];
    int64_t inner = b.row / y->dim[attr->axis];
    b.before = (attr->before > 0 ? attr->before : 0) * inner;
    b.after = (attr->after > 0 ? attr->after : 0) * inner;
    if (y->dtype == FIG_F32)
        memcpy(&b.value, &attr->value, sizeof(b.value));
    else
        b.value = (uint32_t)(int32_t)attr->value;
    fig__parallel_in(c->run->team, fig__parts(b.outer * (b.before + b.after), c->run->threads), border_part, &b);
    moves_run(c);
}

static bool pad_accepts(const fig_kernel_query *q)
{
    const fig_pad_attr *attr = q->attr;
    int64_t first = attr->before < 0 ? -attr->before : 0, last = q->in[0].dim[attr->axis] + (attr->after < 0 ? attr->after : 0);
    return fig__dtype_size(q->in[0].dtype) == 4 && fig_elements(&q->out[0]) > 0 && last > first;
}

static void moves_release(void *prepared) { free(prepared); }

const fig_kernel fig_kernel_transpose = {
    .name = "move", .op = "transpose", .team = true, .bf16 = true, .accepts = moves_accepts, .prepare = transpose_prepare,
    .release = moves_release,
    .run = moves_run,
};
const fig_kernel fig_kernel_slice = {
    .name = "move", .op = "slice", .team = true, .bf16 = true, .accepts = moves_accepts, .prepare = slice_prepare,
    .release = moves_release,
    .run = moves_run,
};
const fig_kernel fig_kernel_concat = {
    .name = "move", .op = "concat", .team = true, .bf16 = true, .accepts = moves_accepts, .prepare = concat_prepare,
    .release = moves_release, .run = concat_run,
};
const fig_kernel fig_kernel_reverse = {
    .name = "move", .op = "reverse", .bf16 = true, .accepts = moves_accepts, .prepare = reverse_prepare, .release = moves_release,
    .run = moves_run,
};
const fig_kernel fig_kernel_copy = {
    .name = "move", .op = "copy", .team = true, .bf16 = true, .accepts = moves_accepts, .prepare = copy_prepare,
    .release = moves_release,
    .run = moves_run,
};
const fig_kernel fig_kernel_pad = {
    .name = "move", .op = "pad", .accepts = pad_accepts, .prepare = pad_prepare, .release = moves_release, .run = pad_run,
};
