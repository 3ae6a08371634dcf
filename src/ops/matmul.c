/* ops/matmul.c - (..., m, k) x (..., k, n), leading axes broadcast
 *
 * The flags say that an operand is stored transposed, so no gradient ever moves memory: with y = op(a) op(b),
 *     da = dy op(b)^T      and      db = op(a)^T dy
 * are again matmuls with flags (the operands change places when the wanted side is stored transposed).
 *
 * A linear layer, (..., k) x (k, n), is brought to rank 2 by the builder: reshape is free, kernels see one big product,
 * and the weight's gradient is one product over all rows instead of one per leading index and a sum. */
#include "ops/shape.h"

#include <string.h>

typedef struct product {
    int64_t m, k, n, batch;
} product;

/* Leading axes of both, broadcast: a type of rank max(rank) - 2. */
static fig_status leading(const fig_type *a, const fig_type *b, fig_type *out)
{
    fig_type la = fig__plain_type(a, FIG_F32), lb = fig__plain_type(b, FIG_F32);
    la.rank -= 2;
    lb.rank -= 2;
    return fig__broadcast_types(&la, &lb, out);
}

static product product_of(const fig_type *a, const fig_type *out, const fig_matmul_attr *attr)
{
    product p = { .m = out->dim[out->rank - 2], .n = out->dim[out->rank - 1], .batch = 1 };
    p.k = a->dim[a->rank - (attr->transpose_a ? 2 : 1)];
    for (int i = 0; i < out->rank - 2; i++)
        p.batch *= out->dim[i];
    return p;
}

static fig_status matmul_infer(fig_infer *c)
{
    const fig_matmul_attr *attr = c->attr;
    const fig_type *a = &c->in[0], *b = &c->in[1];
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, "matmul"));
    FIG_TRY(fig__expect_dtype(c, 1, FIG_F32, "matmul"));
    char text_a[128], text_b[128];
    fig__type_text(a, text_a);
    fig__type_text(b, text_b);
    if (a->rank < 2 || b->rank < 2)
        return fig_fail(c->err, FIG_E_SHAPE, "matmul: both operands need at least 2 axes, got %s and %s", text_a,
                        text_b);
    int64_t k_a = a->dim[a->rank - (attr->transpose_a ? 2 : 1)], k_b = b->dim[b->rank - (attr->transpose_b ? 1 : 2)];
    if (k_a != k_b)
        return fig_fail(c->err, FIG_E_SHAPE, "matmul: %s%s times %s%s: %lld columns meet %lld rows", text_a,
                        attr->transpose_a ? " transposed" : "", text_b, attr->transpose_b ? " transposed" : "",
                        (long long)k_a, (long long)k_b);
    fig_type out;
    if (leading(a, b, &out) != FIG_OK)
        return fig_fail(c->err, FIG_E_SHAPE, "matmul: leading axes of %s and %s do not broadcast", text_a, text_b);
    out = fig__plain_type(&out, FIG_F32);
    out.dim[out.rank++] = a->dim[a->rank - (attr->transpose_a ? 1 : 2)];
    out.dim[out.rank++] = b->dim[b->rank - (attr->transpose_b ? 2 : 1)];
    c->out[0] = out;
    return FIG_OK;
}

static void matmul_gradient(fig_gradient *c)
{
    const fig_matmul_attr *attr = c->attr;
    bool ta = attr->transpose_a, tb = attr->transpose_b;
    fig_node a = c->in[0], b = c->in[1], dy = c->upstream;
    if (c->wanted[0]) {
        fig_node da = ta ? fig_matmul(b, dy, &(fig_matmul_opts){ .transpose_a = tb, .transpose_b = true })
                         : fig_matmul(dy, b, &(fig_matmul_opts){ .transpose_b = !tb });
        c->result[0] = fig__unbroadcast(da, a);
    }
    if (c->wanted[1]) {
        fig_node db = tb ? fig_matmul(dy, a, &(fig_matmul_opts){ .transpose_a = true, .transpose_b = ta })
                         : fig_matmul(a, dy, &(fig_matmul_opts){ .transpose_a = !ta });
        c->result[1] = fig__unbroadcast(db, b);
    }
}

/* One product. Operands are read through (row, column) strides, so that a flag only swaps two numbers; columns go in
 * tiles whose sums stay in double. */
static void multiply(const product *p, const float *a, const int64_t stride_a[2], const float *b,
                     const int64_t stride_b[2], float *y)
{
    enum { TILE = 64 };
    for (int64_t i = 0; i < p->m; i++) {
        for (int64_t j = 0; j < p->n; j += TILE) {
            int64_t width = p->n - j < TILE ? p->n - j : TILE;
            double sum[TILE] = { 0 };
            for (int64_t k = 0; k < p->k; k++) {
                double factor = (double)a[i * stride_a[0] + k * stride_a[1]];
                const float *row = b + k * stride_b[0] + j * stride_b[1];
                for (int64_t t = 0; t < width; t++)
                    sum[t] += factor * (double)row[t * stride_b[1]];
            }
            for (int64_t t = 0; t < width; t++)
                y[i * p->n + j + t] = (float)sum[t];
        }
    }
}

static void matmul_reference(fig_eval *c)
{
    const fig_matmul_attr *attr = c->attr;
    const fig_type *a = &c->in[0].type, *b = &c->in[1].type, *y = &c->out[0].type;
    product p = product_of(a, y, attr);
    fig_type lead_a = *a, lead_b = *b, lead = *y;
    lead_a.rank -= 2;
    lead_b.rank -= 2;
    lead.rank -= 2;
    int64_t step_a[FIG_MAX_RANK], step_b[FIG_MAX_RANK], index[FIG_MAX_RANK] = { 0 }, n = 0;
    fig__broadcast_strides(&lead_a, &lead, step_a);
    fig__broadcast_strides(&lead_b, &lead, step_b);
    int64_t plain_a[2] = { p.k, 1 }, turned_a[2] = { 1, p.m }, plain_b[2] = { p.n, 1 }, turned_b[2] = { 1, p.k };
    do {
        int64_t at_a = 0, at_b = 0;
        for (int i = 0; i < lead.rank; i++) {
            at_a += index[i] * step_a[i];
            at_b += index[i] * step_b[i];
        }
        multiply(&p, FIG_F32_IN(c, 0) + at_a * p.m * p.k, attr->transpose_a ? turned_a : plain_a,
                 FIG_F32_IN(c, 1) + at_b * p.k * p.n, attr->transpose_b ? turned_b : plain_b,
                 FIG_F32_OUT(c, 0) + n * p.m * p.n);
        n++;
    } while (fig__next_index(index, lead.dim, lead.rank));
}

static double matmul_flops(const fig_infer *c)
{
    product p = product_of(&c->in[0], &c->out[0], c->attr);
    return 2.0 * (double)p.batch * (double)p.m * (double)p.k * (double)p.n;
}

static void matmul_print(const void *attr, fig__text *out)
{
    const fig_matmul_attr *a = attr;
    fig__text_print(out, "%s%s", a->transpose_a ? " transpose_a" : "", a->transpose_b ? " transpose_b" : "");
}

static bool leads_with_ones(const fig_type *type)
{
    for (int i = 0; i < type->rank - 2; i++) {
        if (type->dim[i] != 1)
            return false;
    }
    return true;
}

fig_node fig_matmul(fig_node a, fig_node b, const fig_matmul_opts *opts)
{
    fig_node in[2] = { a, b };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "matmul");
    fig_graph *graph = fig__graph_of(in, 2);
    fig_matmul_attr attr = { .transpose_a = opts && opts->transpose_a, .transpose_b = opts && opts->transpose_b };
    fig_type ta = fig_type_of(a), tb = fig_type_of(b);
    bool flat = ta.rank >= 2 && tb.rank >= 2 && ta.rank + tb.rank > 4 && leads_with_ones(&tb) &&
                (!attr.transpose_a || leads_with_ones(&ta));
    if (!flat)
        return fig__emit(graph, &fig_op_matmul, in, 2, &attr);
    /* all leading indices of a become rows: (..., m, k) x (k, n) is (M, k) x (k, n) */
    fig_type shape = ta.rank >= tb.rank ? ta : tb;
    if (ta.rank < tb.rank)
        memcpy(shape.dim + (tb.rank - ta.rank), ta.dim, sizeof(int64_t) * (size_t)ta.rank);
    int64_t rows = attr.transpose_a ? ta.dim[ta.rank - 2] : -1;
    in[0] = fig_reshape(a, FIG_SHAPE(rows, ta.dim[ta.rank - 1]));                /* (M, k) or (k, m) */
    in[1] = fig_reshape(b, FIG_SHAPE(tb.dim[tb.rank - 2], tb.dim[tb.rank - 1])); /* (k, n) or (n, k) */
    fig_node y = fig__emit(graph, &fig_op_matmul, in, 2, &attr);                 /* (M, n) */
    if (fig__poisoned(y))
        return y;
    if (attr.transpose_a)
        shape.dim[shape.rank - 2] = fig_dim(y, 0);
    shape.dim[shape.rank - 1] = fig_dim(y, 1);
    return fig_reshape(y, shape);
}

const fig_op fig_op_matmul = {
    .name = "matmul",
    .operands = 2,
    .attr_size = sizeof(fig_matmul_attr),
    .infer = matmul_infer,
    .gradient = matmul_gradient,
    .reference = matmul_reference,
    .flops = matmul_flops,
    .print = matmul_print,
    .narrow = { FIG_NARROW_PRODUCT, 1 },
};
