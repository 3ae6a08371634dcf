/* ops/attributes.h - the attribute structs that an op's shape rule, reference loop and kernels share
 *
 * An attribute lies in the graph as plain bytes and is compared with memcmp, so builders zero it first. */
#ifndef FIG_OPS_ATTRIBUTES_H
#define FIG_OPS_ATTRIBUTES_H

#include <figment/graph.h>

typedef struct fig_leaf_attr { const char *name; float fallback; fig_type type; } fig_leaf_attr; /* input state scalar */
typedef struct fig_full_attr { fig_type type; double value; } fig_full_attr;
typedef struct fig_constant_data_attr { fig_type type; const void *data; uint64_t hash; } fig_constant_data_attr;
typedef struct fig_iota_attr { fig_type type; int axis; int unused; } fig_iota_attr;
/* normal, uniform: stream and type; bernoulli, categorical, dropout: stream (type from the operand), rate */
typedef struct fig_noise_attr { uint64_t stream; fig_type type; float rate; float unused; } fig_noise_attr;

typedef struct fig_reduce_attr { uint32_t axes; int32_t keep; } fig_reduce_attr; /* sum, mean, reduce_max: bit i = axis i */
typedef struct fig_axis_attr { int axis; int unused; } fig_axis_attr;            /* argmax, reverse, concat */
typedef struct fig_cumsum_attr { int axis, exclusive, reverse; } fig_cumsum_attr;
typedef struct fig_shape_attr { fig_type type; } fig_shape_attr;                 /* reshape, broadcast, cast (dtype), scatter_add */
typedef struct fig_transpose_attr { int order[FIG_MAX_RANK]; } fig_transpose_attr;
typedef struct fig_slice_attr { int axis, unused; int64_t start, length, step; } fig_slice_attr;
typedef struct fig_pad_attr { int axis; float value; int64_t before, after; } fig_pad_attr;
typedef struct fig_reflect_attr { int64_t amount; } fig_reflect_attr; /* places on both sides of every spatial axis */
typedef struct fig_dynamic_attr { int axis, unused; int64_t length; } fig_dynamic_attr;
typedef struct fig_classes_attr { int64_t classes; } fig_classes_attr;           /* one_hot; top_k's k */
typedef struct fig_sort_attr { int descending; } fig_sort_attr;
typedef struct fig_matmul_attr { int transpose_a, transpose_b; } fig_matmul_attr;

/* convolution (x, w), convolution_data_gradient (dy, w) and convolution_weight_gradient (x, dy). All defaults are filled
 * in and "same" padding is resolved: plain numbers only. `spatial` is rank - 2. `size` is the input's spatial shape (data
 * gradient's result) or the kernel's (weight gradient's result). The transposed convolution is the data gradient op with
 * its weight's roles swapped: x (B, s..., C_in) takes dy's place and weight is (C_in, k..., C_out / groups). */
typedef struct fig_conv_attr {
    int spatial, groups;
    int stride[FIG_MAX_SPATIAL], dilation[FIG_MAX_SPATIAL], before[FIG_MAX_SPATIAL], after[FIG_MAX_SPATIAL];
    int64_t size[FIG_MAX_SPATIAL];
} fig_conv_attr;
typedef struct fig_pool_attr {
    int spatial;
    int size[FIG_MAX_SPATIAL], stride[FIG_MAX_SPATIAL], before[FIG_MAX_SPATIAL], after[FIG_MAX_SPATIAL];
    int64_t input[FIG_MAX_SPATIAL]; /* the pooled tensor's spatial shape, for the gradient ops */
} fig_pool_attr;
typedef struct fig_resize_attr { int64_t height, width; } fig_resize_attr; /* target; in a gradient op the source size */

typedef struct fig_normalise_attr { float eps; int groups; int affine; } fig_normalise_attr; /* affine: gamma and beta operands present */
typedef struct fig_attention_attr { uint64_t stream; float dropout, scale; int causal, unused; } fig_attention_attr;

typedef struct fig_gated_step_attr { int kernel, dilation; } fig_gated_step_attr;

/* rounded: what the recurrent product multiplies with the weight is rounded to bf16 first, step by step (passes/cast.c) */
typedef struct fig_recurrent_attr { int cell, rounded; } fig_recurrent_attr; /* fig_cell */

/* matmul and convolution after fusion of bias and activation (passes/fuse_epilogue.c): operand 2 is the bias (n) */
typedef enum fig_activation { FIG_LINEAR, FIG_RELU, FIG_LEAKY_RELU, FIG_TANH, FIG_SIGMOID, FIG_GELU_TANH, FIG_SILU } fig_activation;
typedef struct fig_epilogue { int bias; fig_activation activation; float p; } fig_epilogue;
float fig__epilogue_value(const fig_epilogue *e, float x); /* the activation of one number (ops/epilogue.c) */
typedef struct fig_matmul_fused_attr { fig_matmul_attr matmul; fig_epilogue after; } fig_matmul_fused_attr;
typedef struct fig_convolution_fused_attr { fig_conv_attr conv; fig_epilogue after; } fig_convolution_fused_attr;
/* What is added to a convolution with its bias, or (data) to a data gradient, as it is computed (ops/convolution_plus.c): operand 2. */
typedef struct fig_convolution_plus_attr { fig_convolution_fused_attr fused; int data; } fig_convolution_plus_attr;
/* Products over the channels of several tensors as if they lay side by side (ops/pieces.c). gated: each is a gate's trace, and its
 * channels are the products of the two halves. ones: axes of size 1 between the two of a weight gradient's result. */
typedef struct fig_pieces_attr { fig_epilogue after; int gated, ones; } fig_pieces_attr;

/* A fused pointwise program (passes/fuse_pointwise.c). Registers 0..n_in-1 are the operands; instruction i writes register
 * n_in + i. Output k is register outputs[k], whole (of type iteration space) or summed over the axes in reduce[k]. */
#define FIG_FUSED_MAX 64
typedef struct fig_fused_step { int code; /* fig_pointwise_rule.code */ int source[3]; float p[2]; } fig_fused_step;
typedef struct fig_fused_program {
    fig_type space;   /* the iteration space; operands broadcast to it */
    int n_in, n_steps, n_out;
    fig_fused_step step[FIG_FUSED_MAX];
    int outputs[FIG_FUSED_MAX];
    uint32_t reduce[FIG_FUSED_MAX]; /* bit i = axis i summed away; 0 = elementwise output */
    int keep[FIG_FUSED_MAX];        /* reduced axes stay with size 1 */
    float scale[FIG_FUSED_MAX];     /* factor after the sum (mean); 1 otherwise */
} fig_fused_program;
typedef struct fig_fused_attr { const fig_fused_program *program; uint64_t hash; } fig_fused_attr;

/* A scan: the recorded body and how its inputs are wired (graph/scan.c). */
struct fig__scan;
typedef struct fig_scan_attr { const struct fig__scan *scan; } fig_scan_attr;

#endif
