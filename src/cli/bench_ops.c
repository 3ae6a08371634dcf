/* cli/bench_ops.c - one measurement for each family of operations: `figment bench op:NAME`
 *
 * Shapes are the usual ones of the model families. A name with _gradient is what the derivative costs by itself, with an
 * upstream gradient as input. GB/s are of what has to be read and written at least. */
#include "cli/bench.h"

#define PICTURES(batch) FIG_SHAPE(batch, 32, 32, 64)
#define TOKENS(batch) FIG_SHAPE(batch, 256, 384)

static fig_node a_of(fig_graph *g, fig_type type) { return fig_input(g, "a", type); }
static fig_node b_of(fig_graph *g, fig_type type) { return fig_input(g, "b", type); }
static fig_node c_of(fig_graph *g, fig_type type) { return fig_input(g, "c", type); }

static fig_node indices(fig_graph *g, const char *name, fig_type type)
{
    type.dtype = FIG_I32;
    return fig_input(g, name, type);
}

/* The gradient of y with respect to x, for the upstream gradient "d". */
static fig_node back(fig_node y, fig_node x)
{
    fig_node result;
    fig_gradients_from(y, fig_input(y.graph, "d", fig_type_of(y)), &x, 1, &result);
    return result;
}

/* -- products -------------------------------------------------------------------------------------------------------- */

static fig_node matmul(fig_graph *g, int64_t n)
{
    return fig_matmul(a_of(g, FIG_SHAPE(n * 256, 384)), b_of(g, FIG_SHAPE(384, 1536)), NULL);
}
static fig_node matmul_small(fig_graph *g, int64_t n)
{
    return fig_matmul(a_of(g, FIG_SHAPE(n, 4, 64, 32)), b_of(g, FIG_SHAPE(n, 4, 32, 64)), NULL);
}
static fig_node matmul_row(fig_graph *g, int64_t n)
{
    return fig_matmul(a_of(g, FIG_SHAPE(n, 768)), b_of(g, FIG_SHAPE(3072, 768)),
                      &(fig_matmul_opts){ .transpose_b = true });
}

static const fig_conv_opts same = { .before = { 1 }, .after = { 1 } };
static fig_node convolution(fig_graph *g, int64_t n)
{
    return fig_convolution(a_of(g, PICTURES(n)), b_of(g, FIG_SHAPE(64, 3, 3, 64)), &same);
}
static fig_node convolution_data_gradient(fig_graph *g, int64_t n)
{
    fig_node y = convolution(g, n);
    return back(y, a_of(g, PICTURES(n)));
}
static fig_node convolution_weight_gradient(fig_graph *g, int64_t n)
{
    fig_node y = convolution(g, n);
    return back(y, b_of(g, FIG_SHAPE(64, 3, 3, 64)));
}
static fig_node convolution_transposed(fig_graph *g, int64_t n)
{
    return fig_convolution_transposed(a_of(g, FIG_SHAPE(n, 16, 16, 128)), b_of(g, FIG_SHAPE(128, 4, 4, 64)),
                                      &(fig_conv_opts){ .stride = { 2 }, .before = { 1 }, .after = { 1 } });
}
static fig_node convolution_1d(fig_graph *g, int64_t n)
{
    return fig_convolution(a_of(g, FIG_SHAPE(n, 1024, 64)), b_of(g, FIG_SHAPE(128, 2, 64)),
                           &(fig_conv_opts){ .dilation = { 64 }, .before = { 64 }, .after = { FIG_PAD_NONE } });
}
static const fig_conv_opts apart = { .before = { 1 }, .after = { 1 }, .groups = 64 };
static fig_node depthwise(fig_graph *g, int64_t n)
{
    return fig_convolution(a_of(g, PICTURES(n)), b_of(g, FIG_SHAPE(64, 3, 3, 1)), &apart);
}
static fig_node depthwise_data_gradient(fig_graph *g, int64_t n) { return back(depthwise(g, n), a_of(g, PICTURES(n))); }
static fig_node depthwise_weight_gradient(fig_graph *g, int64_t n)
{
    return back(depthwise(g, n), b_of(g, FIG_SHAPE(64, 3, 3, 1)));
}
static fig_node attention(fig_graph *g, int64_t n)
{
    fig_type type = FIG_SHAPE(n, 256, 6, 64);
    return fig_attention(a_of(g, type), b_of(g, type), c_of(g, type), true, 0);
}
static fig_node attention_gradient(fig_graph *g, int64_t n)
{
    return back(attention(g, n), a_of(g, FIG_SHAPE(n, 256, 6, 64)));
}

/* -- normalisation, softmax, losses ----------------------------------------------------------------------------------- */

static fig_node batch_normalise(fig_graph *g, int64_t n)
{
    fig_node mean, variance;
    return fig_batch_normalise(a_of(g, PICTURES(n)), b_of(g, FIG_SHAPE(64)), c_of(g, FIG_SHAPE(64)), 1e-5f, &mean,
                               &variance);
}
static fig_node batch_normalise_gradient(fig_graph *g, int64_t n)
{
    return back(batch_normalise(g, n), a_of(g, PICTURES(n)));
}
static fig_node layer_normalise(fig_graph *g, int64_t n)
{
    return fig_layer_normalise(a_of(g, TOKENS(n)), b_of(g, FIG_SHAPE(384)), c_of(g, FIG_SHAPE(384)), 1e-5f);
}
static fig_node layer_normalise_gradient(fig_graph *g, int64_t n)
{
    return back(layer_normalise(g, n), a_of(g, TOKENS(n)));
}
static fig_node rms_normalise(fig_graph *g, int64_t n)
{
    return fig_rms_normalise(a_of(g, TOKENS(n)), b_of(g, FIG_SHAPE(384)), 1e-5f);
}
static fig_node group_normalise(fig_graph *g, int64_t n)
{
    return fig_group_normalise(a_of(g, PICTURES(n)), 32, b_of(g, FIG_SHAPE(64)), c_of(g, FIG_SHAPE(64)), 1e-5f);
}
static fig_node group_normalise_silu(fig_graph *g, int64_t n) { return fig_silu(group_normalise(g, n)); }
static fig_node group_normalise_silu_gradient(fig_graph *g, int64_t n)
{
    return back(group_normalise_silu(g, n), a_of(g, PICTURES(n)));
}
static fig_node softmax(fig_graph *g, int64_t n) { return fig_softmax(a_of(g, FIG_SHAPE(n, 256, 256))); }
static fig_node softmax_gradient(fig_graph *g, int64_t n)
{
    return back(softmax(g, n), a_of(g, FIG_SHAPE(n, 256, 256)));
}
static fig_node cross_entropy(fig_graph *g, int64_t n)
{
    return fig_cross_entropy(a_of(g, FIG_SHAPE(n * 64, 8192)), indices(g, "b", FIG_SHAPE(n * 64)));
}
static fig_node cross_entropy_gradient(fig_graph *g, int64_t n)
{
    return back(cross_entropy(g, n), a_of(g, FIG_SHAPE(n * 64, 8192)));
}

/* -- element by element, reductions, noise ---------------------------------------------------------------------------- */

static fig_node pointwise(fig_graph *g, int64_t n)
{
    return fig_mul(fig_silu(a_of(g, PICTURES(n))), fig_tanh(b_of(g, PICTURES(n))));
}
static fig_node cast(fig_graph *g, int64_t n) { return fig_cast(indices(g, "a", PICTURES(n)), FIG_F32); }
static fig_node reduce(fig_graph *g, int64_t n)
{
    return fig_sum(a_of(g, PICTURES(n)), &(fig_reduce_opts){ .axes = 7 });
}
static fig_node cumsum(fig_graph *g, int64_t n) { return fig_cumsum(a_of(g, TOKENS(n)), 1, false, false); }
static fig_node normal(fig_graph *g, int64_t n) { return fig_normal(g, PICTURES(n)); }
static fig_node dropout(fig_graph *g, int64_t n) { return fig_dropout(a_of(g, TOKENS(n)), 0.2f); }

/* -- moving and choosing ---------------------------------------------------------------------------------------------- */

static fig_node transpose(fig_graph *g, int64_t n)
{
    return fig_transpose(a_of(g, FIG_SHAPE(n, 256, 6, 64)), (const int[]){ 0, 2, 1, 3 });
}
static fig_node broadcast(fig_graph *g, int64_t n)
{
    return fig_broadcast(a_of(g, FIG_SHAPE(n, 1, 1, 64)), PICTURES(n));
}
static fig_node concat(fig_graph *g, int64_t n)
{
    return fig_concat((fig_node[]){ a_of(g, PICTURES(n)), b_of(g, PICTURES(n)) }, 2, -1);
}
static fig_node slice(fig_graph *g, int64_t n) { return fig_slice(a_of(g, PICTURES(n)), -1, 16, 32, 1); }
static fig_node reverse(fig_graph *g, int64_t n) { return fig_reverse(a_of(g, TOKENS(n)), 1); }
static fig_node pad(fig_graph *g, int64_t n) { return fig_pad(fig_pad(a_of(g, PICTURES(n)), 1, 1, 1, 0), 2, 1, 1, 0); }
static fig_node pad_reflect(fig_graph *g, int64_t n) { return fig_pad_reflect(a_of(g, PICTURES(n)), 1); }
static fig_node pad_reflect_gradient(fig_graph *g, int64_t n) { return back(pad_reflect(g, n), a_of(g, PICTURES(n))); }
static fig_node dynamic(fig_graph *g, int64_t n)
{
    return fig_dynamic_update(a_of(g, TOKENS(n)), b_of(g, FIG_SHAPE(n, 1, 384)), indices(g, "c", FIG_SHAPE(n)), 1);
}
static fig_node gather(fig_graph *g, int64_t n)
{
    return fig_gather(a_of(g, FIG_SHAPE(8192, 384)), indices(g, "b", FIG_SHAPE(n, 256)));
}
static fig_node scatter_add(fig_graph *g, int64_t n)
{
    return fig_scatter_add(FIG_SHAPE(8192, 384), indices(g, "b", FIG_SHAPE(n, 256)), a_of(g, TOKENS(n)));
}
static fig_node top_k(fig_graph *g, int64_t n)
{
    fig_node values, places;
    fig_top_k(a_of(g, FIG_SHAPE(n, 8192)), 40, &values, &places);
    return values;
}
static fig_node sort(fig_graph *g, int64_t n)
{
    fig_node values, places;
    fig_sort(a_of(g, FIG_SHAPE(n, 8192)), true, &values, &places);
    return values;
}
static fig_node max_pool(fig_graph *g, int64_t n)
{
    return fig_max_pool(a_of(g, PICTURES(n)), &(fig_pool_opts){ .size = { 2 } });
}
static fig_node max_pool_gradient(fig_graph *g, int64_t n) { return back(max_pool(g, n), a_of(g, PICTURES(n))); }
static fig_node average_pool(fig_graph *g, int64_t n)
{
    return fig_average_pool(a_of(g, PICTURES(n)), &(fig_pool_opts){ .size = { 2 } });
}
static fig_node resize_nearest(fig_graph *g, int64_t n) { return fig_resize_nearest(a_of(g, PICTURES(n)), 64, 64); }
static fig_node resize_nearest_gradient(fig_graph *g, int64_t n)
{
    return back(resize_nearest(g, n), a_of(g, PICTURES(n)));
}
static fig_node resize_bilinear(fig_graph *g, int64_t n) { return fig_resize_bilinear(a_of(g, PICTURES(n)), 64, 64); }
static fig_node sample_bilinear(fig_graph *g, int64_t n)
{
    return fig_sample_bilinear(a_of(g, PICTURES(n)), b_of(g, FIG_SHAPE(n, 32, 32, 2)));
}

/* -- loops ------------------------------------------------------------------------------------------------------------ */

static void recur(fig_scan_body *body)
{
    fig_node h = fig_tanh(fig_add(body->x[0], fig_matmul(body->state[0], body->fixed[0], NULL)));
    body->new_state[0] = body->y[0] = h;
}
static fig_node scan(fig_graph *g, int64_t n)
{
    fig_node state = a_of(g, FIG_SHAPE(n, 128)), x = b_of(g, FIG_SHAPE(64, n, 128)),
             fixed = c_of(g, FIG_SHAPE(128, 128)), last, y;
    fig_scan(g, recur,
             &(fig_scan_opts){ .state = &state, .x = &x, .fixed = &fixed, .states = 1, .xs = 1, .fixeds = 1, .ys = 1 },
             &last, &y);
    return y;
}

#define OP(NAME, BATCH)                                                            \
    {                                                                              \
        .name = "op:" #NAME, .run = cli_bench_graph, .graph = NAME, .batch = BATCH \
    }
static const fig_workload ops[] = {
    OP(matmul, 8),
    OP(matmul_small, 16),
    OP(matmul_row, 1),
    OP(convolution, 32),
    OP(convolution_data_gradient, 32),
    OP(convolution_weight_gradient, 32),
    OP(convolution_transposed, 32),
    OP(convolution_1d, 8),
    OP(depthwise, 32),
    OP(depthwise_data_gradient, 32),
    OP(depthwise_weight_gradient, 32),
    OP(attention, 8),
    OP(attention_gradient, 8),
    OP(scan, 32),
    OP(batch_normalise, 32),
    OP(batch_normalise_gradient, 32),
    OP(layer_normalise, 16),
    OP(layer_normalise_gradient, 16),
    OP(rms_normalise, 16),
    OP(group_normalise, 32),
    OP(group_normalise_silu, 32),
    OP(group_normalise_silu_gradient, 32),
    OP(softmax, 32),
    OP(softmax_gradient, 32),
    OP(cross_entropy, 4),
    OP(cross_entropy_gradient, 4),
    OP(pointwise, 32),
    OP(cast, 32),
    OP(reduce, 32),
    OP(cumsum, 16),
    OP(normal, 32),
    OP(dropout, 16),
    OP(transpose, 16),
    OP(broadcast, 32),
    OP(concat, 32),
    OP(slice, 32),
    OP(reverse, 16),
    OP(pad, 32),
    OP(pad_reflect, 32),
    OP(pad_reflect_gradient, 32),
    OP(dynamic, 16),
    OP(gather, 16),
    OP(scatter_add, 16),
    OP(top_k, 64),
    OP(sort, 64),
    OP(max_pool, 32),
    OP(max_pool_gradient, 32),
    OP(average_pool, 32),
    OP(resize_nearest, 32),
    OP(resize_nearest_gradient, 32),
    OP(resize_bilinear, 32),
    OP(sample_bilinear, 32),
    { 0 },
};

const fig_workload *cli_bench_op_at(int index)
{
    return index >= 0 && index < (int)(sizeof ops / sizeof *ops) - 1 ? &ops[index] : NULL;
}
