/* ops/sort.c - the k largest of the last axis, and all of it in order: values and their i32 indices
 *
 * Both are one heap. The first k elements of a row become a heap whose root is the worst of them; each further element
 * that is better replaces the root; taking the root out k times fills the row from its end. The order is total - by
 * value, then lower index first - so the result is the stable one, and it needs no memory but its own outputs. NaN
 * counts as smaller than every number. The gradient puts the upstream back at the indices. */
#include "ops/shape.h"

#include <math.h>

typedef struct ranking {
    float *value;
    int32_t *index;
    bool descending;
} ranking;

/* True when (a, i) comes before (b, j). */
static bool before(bool descending, float a, int32_t i, float b, int32_t j)
{
    if (isnan(a) || isnan(b)) {
        if (isnan(a) && isnan(b))
            return i < j;
        return isnan(b) == descending;
    }
    if (a != b)
        return descending ? a > b : a < b;
    return i < j;
}

static bool worse(const ranking *r, int64_t a, int64_t b)
{
    return before(r->descending, r->value[b], r->index[b], r->value[a], r->index[a]);
}

static void swap(ranking *r, int64_t a, int64_t b)
{
    float value = r->value[a];
    int32_t index = r->index[a];
    r->value[a] = r->value[b];
    r->index[a] = r->index[b];
    r->value[b] = value;
    r->index[b] = index;
}

/* Restores "no child is worse than its parent" below `at`, in a heap of n. */
static void sink(ranking *r, int64_t at, int64_t n)
{
    for (;;) {
        int64_t child = 2 * at + 1;
        if (child >= n)
            return;
        if (child + 1 < n && worse(r, child + 1, child))
            child++;
        if (!worse(r, child, at))
            return;
        swap(r, at, child);
        at = child;
    }
}

static void rank_row(const float *x, int64_t n, int64_t k, ranking *r)
{
    for (int64_t i = 0; i < k; i++) {
        r->value[i] = x[i];
        r->index[i] = (int32_t)i;
    }
    for (int64_t i = k / 2; i-- > 0;)
        sink(r, i, k);
    for (int64_t i = k; i < n; i++) {
        if (!before(r->descending, x[i], (int32_t)i, r->value[0], r->index[0]))
            continue;
        r->value[0] = x[i];
        r->index[0] = (int32_t)i;
        sink(r, 0, k);
    }
    for (int64_t left = k - 1; left > 0; left--) {
        swap(r, 0, left);
        sink(r, 0, left);
    }
}

static void rank_rows(fig_eval *c, int64_t k, bool descending)
{
    const fig_type *x = &c->in[0].type;
    int64_t n = x->dim[x->rank - 1], rows = fig__count(x) / n;
    for (int64_t i = 0; i < rows; i++) {
        ranking r = { FIG_F32_OUT(c, 0) + i * k, FIG_I32_OUT(c, 1) + i * k, descending };
        rank_row(FIG_F32_IN(c, 0) + i * n, n, k, &r);
    }
}

static fig_status infer_ranking(fig_infer *c, int64_t k, const char *op)
{
    const fig_type *x = &c->in[0];
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, op));
    if (x->rank < 1 || x->dim[x->rank - 1] > INT32_MAX)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: needs a last axis of at most 2^31 - 1 elements", op);
    int64_t n = x->dim[x->rank - 1];
    if (k < 1 || k > n)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: %lld of the %lld elements of the last axis", op, (long long)k,
                        (long long)n);
    c->n_out = 2;
    c->out[0] = fig__plain_type(x, FIG_F32);
    c->out[0].dim[x->rank - 1] = k;
    c->out[1] = fig__plain_type(&c->out[0], FIG_I32);
    return FIG_OK;
}

static fig_status top_k_infer(fig_infer *c)
{
    return infer_ranking(c, ((const fig_classes_attr *)c->attr)->classes, "top_k");
}

static fig_status sort_infer(fig_infer *c)
{
    const fig_type *x = &c->in[0];
    return infer_ranking(c, x->rank ? x->dim[x->rank - 1] : 0, "sort");
}

static void ranking_gradient(fig_gradient *c)
{
    if (!fig_is_none(c->upstreams[0]))
        c->result[0] = fig__place(c->outs[1], c->upstreams[0], fig_dim(c->in[0], -1));
}

static void top_k_reference(fig_eval *c) { rank_rows(c, ((const fig_classes_attr *)c->attr)->classes, true); }

static void sort_reference(fig_eval *c)
{
    const fig_type *x = &c->in[0].type;
    rank_rows(c, x->dim[x->rank - 1], ((const fig_sort_attr *)c->attr)->descending);
}

static void top_k_print(const void *attr, fig__text *out)
{
    fig__text_print(out, " k=%lld", (long long)((const fig_classes_attr *)attr)->classes);
}

static void sort_print(const void *attr, fig__text *out)
{
    fig__text_print(out, "%s", ((const fig_sort_attr *)attr)->descending ? " descending" : "");
}

static void emit_ranking(const fig_op *op, fig_node x, const void *attr, fig_node *values, fig_node *indices)
{
    fig_node out[2] = { x, x };
    if (!fig__any_poisoned(&x, 1))
        fig__emit_multi(x.graph, op, &x, 1, attr, out, 2);
    if (values)
        *values = out[0];
    if (indices)
        *indices = out[1];
}

void fig_top_k(fig_node x, int64_t k, fig_node *values, fig_node *indices)
{
    emit_ranking(&fig_op_top_k, x, &(fig_classes_attr){ .classes = k }, values, indices);
}

void fig_sort(fig_node x, bool descending, fig_node *values, fig_node *indices)
{
    emit_ranking(&fig_op_sort, x, &(fig_sort_attr){ .descending = descending }, values, indices);
}

const fig_op fig_op_top_k = {
    .name = "top_k",
    .operands = 1,
    .attr_size = sizeof(fig_classes_attr),
    .infer = top_k_infer,
    .gradient = ranking_gradient,
    .reference = top_k_reference,
    .print = top_k_print,
};

const fig_op fig_op_sort = {
    .name = "sort",
    .operands = 1,
    .attr_size = sizeof(fig_sort_attr),
    .infer = sort_infer,
    .gradient = ranking_gradient,
    .reference = sort_reference,
    .print = sort_print,
};
