/* kernels/convolution_product.c - convolutions that are plain matrix products
 *
 * Two cases need no window at all: the kernel covers the whole input in one position (a dense layer: a generator's first
 * layer from 1x1, a critic's last to 1x1), and the kernel is 1x1 with stride 1 (a dense layer at every place). Rows M, row
 * length K of the input side, O of the output side; the matmul kernels then choose by measurement:
 *
 *     forward  y (M, O) = x (M, K) w (O, K)^T     data gradient  dx (M, K) = dy (M, O) w (O, K)
 *     weight gradient  dw (O, K) = dy (M, O)^T x (M, K), here for dense layers only (1x1: convolution_columns.c)
 *
 * GFLOP/s against oneDNN's convolution (forward, data gradient), two Zen 4 cores:
 *
 *     100-512 on 1x1 to 4x4, batch 64     207 / 61 and 157 / 21, weight gradient 200 / 28
 *     512-1 on 4x4 to 1x1, batch 64        68 / 2  and  28 / 13, weight gradient  79 / 3
 *     1x1, 128-384, 32 of 16x16           187 / 168, 197 / 162        1x1, 256-128, 32 of 8x8   211 / 201, 216 / 195
 *     1x1, 64-256, 4 x 8192 steps         195 / 147, 186 / 183 */
#include "kernels/conv.h"

#include <stdlib.h>
#include <string.h>

typedef struct product_state {
    const fig_kernel *kernel;
    void *prepared;
    fig_type in[3], out;
    fig_matmul_fused_attr attr;
} product_state;

/* The kernels know an op by its name; the fused product is an op of the passes, so its name alone stands here. */
static const fig_op product_op = { .name = "matmul_fused" };

static fig_type matrix(int64_t rows, int64_t columns, bool narrow)
{
    return (fig_type){ .dtype = narrow ? FIG_BF16 : FIG_F32, .rank = 2, .dim = { rows, columns } };
}

static bool describe(product_state *s, fig_kernel_query *inner, const fig_kernel_query *q)
{
    fig__conv v;
    memset(s, 0, sizeof(*s));
    if (!fig__conv_read_any(&v, q))
        return false;
    bool dense = fig__conv_is_dense(&v), pointwise = fig__conv_is_pointwise(&v);
    if (!dense && !(pointwise && v.kind != FIG__CONV_WEIGHT))
        return false;
    int64_t rows = dense ? v.batch : v.batch * v.in_places, length = dense ? v.in_places * v.channels : v.channels;
    bool made = v.narrow_out, read = v.narrow;
    fig_type x = matrix(rows, length, v.kind == FIG__CONV_DATA ? made : read);
    fig_type w = matrix(v.outputs, length, v.kind == FIG__CONV_WEIGHT ? made : read);
    fig_type y = matrix(rows, v.outputs, v.kind == FIG__CONV_FORWARD ? made : read);
    s->attr.after = v.after_sum;
    switch (v.kind) {
    case FIG__CONV_FORWARD:
        s->in[0] = x, s->in[1] = w, s->out = y;
        s->attr.matmul.transpose_b = 1;
        break;
    case FIG__CONV_DATA:
        s->in[0] = y, s->in[1] = w, s->out = x;
        break;
    case FIG__CONV_WEIGHT: /* operands (x, dy) are swapped when it runs */
        s->in[0] = y, s->in[1] = x, s->out = w;
        s->attr.matmul.transpose_a = 1;
        break;
    }
    s->in[2] = (fig_type){ .dtype = FIG_F32, .rank = 1, .dim = { v.outputs } };
    *inner = (fig_kernel_query){ .op = &product_op, .n_in = q->n_in, .n_out = 1, .in = s->in, .out = &s->out, .attr = &s->attr,
                                 .threads = q->threads };
    s->kernel = fig__kernel_choose(&product_op, inner);
    return s->kernel != NULL;
}

static bool product_accepts(const fig_kernel_query *q)
{
    product_state s;
    fig_kernel_query inner;
    return describe(&s, &inner, q);
}

static void product_release(void *prepared)
{
    product_state *s = prepared;
    if (s && s->kernel->release)
        s->kernel->release(s->prepared);
    free(s);
}

static fig_status product_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    product_state *s = fig__alloc(sizeof(*s));
    fig_kernel_query inner;
    describe(s, &inner, q);
    *workspace = 0;
    fig_status status = s->kernel->prepare(&inner, &s->prepared, workspace, err);
    if (status != FIG_OK) {
        free(s);
        return status;
    }
    *prepared = s;
    return FIG_OK;
}

static void product_run(fig_eval *c)
{
    product_state *s = c->prepared;
    int first = s->attr.matmul.transpose_a ? 1 : 0;
    fig_tensor in[3] = { { s->in[0], c->in[first].data }, { s->in[1], c->in[1 - first].data } }, out = { s->out, c->out[0].data };
    if (c->n_in > 2)
        in[2] = (fig_tensor){ s->in[2], c->in[2].data };
    fig_eval inner = { .n_in = c->n_in, .n_out = 1, .in = in, .out = &out, .attr = &s->attr, .run = c->run,
                       .workspace = c->workspace, .prepared = s->prepared };
    s->kernel->run(&inner);
}

const fig_kernel fig_kernel_convolution_product = {
    .name = "convolution_product", .op = "convolution", .bf16 = true, .accepts = product_accepts, .prepare = product_prepare,
    .release = product_release, .run = product_run,
};
const fig_kernel fig_kernel_convolution_fused_product = {
    .name = "convolution_product", .op = "convolution_fused", .bf16 = true, .accepts = product_accepts, .prepare = product_prepare,
    .release = product_release, .run = product_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_product = {
    .name = "convolution_product", .op = "convolution_data_gradient", .bf16 = true, .accepts = product_accepts, .prepare = product_prepare,
    .release = product_release, .run = product_run,
};
const fig_kernel fig_kernel_convolution_weight_gradient_product = {
    .name = "convolution_product", .op = "convolution_weight_gradient", .bf16 = true, .accepts = product_accepts,
    .prepare = product_prepare,
    .release = product_release, .run = product_run,
};
