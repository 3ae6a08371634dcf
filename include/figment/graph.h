/* figment/graph.h - describing a computation
 *
 * A graph is a list of operations on dense tensors. Building it computes nothing: each call below adds a node and returns
 * a handle to its value. Shapes are known at once. Building is *sticky*: a bad call marks the graph and returns a value
 * that later calls accept, so model code has no `if` per line; fig_graph_check reports the first mistake with its layer
 * path. A graph is differentiated into itself (fig_gradients), compiled (figment/plan.h) and run many times.
 *
 * Layout: row-major and channels last - images (B, H, W, C), sequences (B, T, C), video (B, T, H, W, C).
 * Element-by-element functions broadcast as NumPy does: shapes are aligned at the last axis, an axis of size 1 stretches.
 * An axis argument may be negative (-1 = last). Zero in an option struct means the default named beside it. */
#ifndef FIGMENT_GRAPH_H
#define FIGMENT_GRAPH_H

#include <figment/error.h>
#include <stdbool.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define FIG_MAX_RANK 8
#define FIG_ALL_AXES (-99) /* axis of a reduction: all of them */

/* FIG_I8 is no number type of its own: a line along the last axis is stored as bytes and one f32 scale, for weights that are only
 * read (fig_plan_opts.weights). Only fig_cast makes it, from f32, and reads it, to f32. */
typedef enum fig_dtype { FIG_F32 = 0, FIG_I32 = 1, FIG_BF16 = 2, FIG_I8 = 3 } fig_dtype;

/* Type and shape of a value; rank 0 is a scalar. */
typedef struct fig_type {
    fig_dtype dtype;
    int rank;
    int64_t dim[FIG_MAX_RANK];
} fig_type;

#define FIG_SHAPE(...) \
    ((fig_type){.rank = (int)(sizeof((int64_t[]){__VA_ARGS__}) / sizeof(int64_t)), .dim = {__VA_ARGS__}})
#define FIG_SCALAR ((fig_type){.rank = 0})

typedef struct fig_graph fig_graph;
/* Handle of one value. graph == NULL means "none" (fig_is_none). Copied freely; valid while its graph lives. */
typedef struct fig_node {
    fig_graph *graph;
    int32_t id;
} fig_node;

#define FIG_NONE ((fig_node){0})
static inline bool fig_is_none(fig_node x) { return !x.graph; }

/* -- the graph ------------------------------------------------------------------------------------------------- */

FIG_API fig_graph *fig_graph_new(void);
FIG_API void fig_graph_free(fig_graph *graph); /* NULL is fine */
/* FIG_OK, or the first mistake made while building. */
FIG_API fig_status fig_graph_check(const fig_graph *graph, fig_error *err);
/* Marks the graph with a mistake found by the caller's own layer (first wins) and returns a poisoned value. */
FIG_API fig_node fig_graph_fail(fig_graph *graph, const char *format, ...) FIG_PRINTF(2, 3);
/* Text listing, or Graphviz with dot = true; heap text, free() it. */
FIG_API char *fig_graph_print(const fig_graph *graph, bool dot);

/* Layer paths: nodes made between push and pop are called "outer.inner". Entering the same name again starts its
 * automatic layer names anew, so that calling a network twice reuses its weights (figment/layers.h). */
FIG_API void fig_scope_push(fig_graph *graph, const char *name);
FIG_API void fig_scope_pop(fig_graph *graph);

FIG_API fig_type fig_type_of(fig_node x);
FIG_API int fig_rank(fig_node x);
FIG_API int64_t fig_dim(fig_node x, int axis);   /* negative axis counts from the end */
FIG_API int64_t fig_elements(const fig_type *type);
FIG_API bool fig_same_shape(fig_node a, fig_node b);

/* -- leaves ----------------------------------------------------------------------------------------------------- */

/* A tensor that the caller feeds before each run; name is unique in the graph. */
FIG_API fig_node fig_input(fig_graph *graph, const char *name, fig_type type);
/* A named tensor that outlives a run (weights, moments, running statistics); asking again for the same name gives the
 * same node. The storage is bound when a plan is compiled. */
FIG_API fig_node fig_state(fig_graph *graph, const char *name, fig_type type);
/* A named f32 number fed by the host before each run (rate, temperature); asking again gives the same node. */
FIG_API fig_node fig_scalar(fig_graph *graph, const char *name, float fallback);
FIG_API fig_node fig_constant(fig_graph *graph, float value);              /* rank 0 */
FIG_API fig_node fig_constant_i32(fig_graph *graph, int32_t value);        /* rank 0 */
FIG_API fig_node fig_full(fig_graph *graph, fig_type type, float value);   /* any shape, f32 or i32 */
FIG_API fig_node fig_constant_data(fig_graph *graph, fig_type type, const void *data); /* copied */
FIG_API fig_node fig_zeros_like(fig_node x);
FIG_API fig_node fig_ones_like(fig_node x);
FIG_API fig_node fig_iota(fig_graph *graph, fig_type type, int axis); /* i32 or f32: 0, 1, 2 ... along axis */

/* Replaces a state after the run: at its end state's storage holds `value` (same type). The last assignment wins. */
FIG_API void fig_assign(fig_node state, fig_node value);

/* -- noise: counter-based, a function of (seed, this node's path, step, element index in the global batch) ----------- */

FIG_API fig_node fig_normal(fig_graph *graph, fig_type type);             /* N(0, 1) */
FIG_API fig_node fig_uniform(fig_graph *graph, fig_type type);            /* [0, 1) */
FIG_API fig_node fig_bernoulli(fig_node probability);                     /* 0 or 1, shape of probability; no gradient */
FIG_API fig_node fig_categorical(fig_node logits);                        /* (..., K) -> i32 (...) by Gumbel maximum */
/* x * mask / (1 - rate), mask Bernoulli(1 - rate); rate 0 is x itself. */
FIG_API fig_node fig_dropout(fig_node x, float rate);

/* -- element by element -------------------------------------------------------------------------------------------- */

FIG_API fig_node fig_add(fig_node a, fig_node b);
FIG_API fig_node fig_sub(fig_node a, fig_node b);
FIG_API fig_node fig_mul(fig_node a, fig_node b);
FIG_API fig_node fig_div(fig_node a, fig_node b); /* i32: towards zero; division by zero gives 0 */
FIG_API fig_node fig_mod(fig_node a, fig_node b); /* floor modulus, sign of b */
FIG_API fig_node fig_pow(fig_node a, fig_node b);
FIG_API fig_node fig_min(fig_node a, fig_node b);
FIG_API fig_node fig_max(fig_node a, fig_node b);
FIG_API fig_node fig_equal(fig_node a, fig_node b);         /* comparisons: f32 1 or 0, operands f32 or i32 */
FIG_API fig_node fig_less(fig_node a, fig_node b);
FIG_API fig_node fig_less_equal(fig_node a, fig_node b);
FIG_API fig_node fig_greater(fig_node a, fig_node b);
FIG_API fig_node fig_greater_equal(fig_node a, fig_node b);
FIG_API fig_node fig_select(fig_node condition, fig_node a, fig_node b); /* condition != 0 ? a : b; condition f32 */
FIG_API fig_node fig_neg(fig_node x);
FIG_API fig_node fig_abs(fig_node x);
FIG_API fig_node fig_sign(fig_node x);
FIG_API fig_node fig_floor(fig_node x);
FIG_API fig_node fig_exp(fig_node x);
FIG_API fig_node fig_expm1(fig_node x);
FIG_API fig_node fig_log(fig_node x);
FIG_API fig_node fig_log1p(fig_node x);
FIG_API fig_node fig_sqrt(fig_node x);
FIG_API fig_node fig_rsqrt(fig_node x);
FIG_API fig_node fig_square(fig_node x);
FIG_API fig_node fig_reciprocal(fig_node x);
FIG_API fig_node fig_sin(fig_node x);
FIG_API fig_node fig_cos(fig_node x);
FIG_API fig_node fig_tanh(fig_node x);
FIG_API fig_node fig_erf(fig_node x);
FIG_API fig_node fig_sigmoid(fig_node x);
FIG_API fig_node fig_relu(fig_node x);
FIG_API fig_node fig_leaky_relu(fig_node x, float slope);
FIG_API fig_node fig_elu(fig_node x, float alpha);
FIG_API fig_node fig_gelu(fig_node x);      /* exact: x * Phi(x) */
FIG_API fig_node fig_gelu_tanh(fig_node x); /* the tanh form of GPT-2 */
FIG_API fig_node fig_silu(fig_node x);
FIG_API fig_node fig_softplus(fig_node x);
FIG_API fig_node fig_clamp(fig_node x, float low, float high);
FIG_API fig_node fig_scale(fig_node x, float factor); /* x * factor */
FIG_API fig_node fig_shift(fig_node x, float offset); /* x + offset */
FIG_API fig_node fig_cast(fig_node x, fig_dtype dtype);
FIG_API fig_node fig_stop_gradient(fig_node x);

/* -- reductions ----------------------------------------------------------------------------------------------------- */

/* One axis in .axis, or several as a bit mask in .axes. */
typedef struct fig_reduce_opts {
    int axis;      /* an axis; FIG_ALL_AXES = all. Note that 0 is the first axis */
    unsigned axes; /* bit i = axis i, instead of .axis when not 0 */
    bool keep;     /* keep the reduced axes with size 1 */
} fig_reduce_opts;
/* opts == NULL reduces all axes to a scalar. */
FIG_API fig_node fig_sum(fig_node x, const fig_reduce_opts *opts);
FIG_API fig_node fig_mean(fig_node x, const fig_reduce_opts *opts);
FIG_API fig_node fig_reduce_max(fig_node x, const fig_reduce_opts *opts);
FIG_API fig_node fig_argmax(fig_node x, int axis); /* i32, axis removed; first of equals */
FIG_API fig_node fig_sum_rows(fig_node x);         /* sums all but the first axis: (B, ...) -> (B) */
FIG_API fig_node fig_cumsum(fig_node x, int axis, bool exclusive, bool reverse);

/* -- shape ------------------------------------------------------------------------------------------------------------ */

FIG_API fig_node fig_reshape(fig_node x, fig_type shape); /* one dim may be -1; the dtype of shape is ignored */
FIG_API fig_node fig_flatten(fig_node x);                 /* (B, ...) -> (B, rest) */
FIG_API fig_node fig_transpose(fig_node x, const int *order); /* output axis i = input axis order[i]; NULL swaps the last two */
FIG_API fig_node fig_broadcast(fig_node x, fig_type shape);
FIG_API fig_node fig_expand(fig_node x, int axis);        /* inserts an axis of size 1 before `axis`; -1 = at the end */
FIG_API fig_node fig_squeeze(fig_node x, int axis);       /* removes an axis of size 1 */
FIG_API fig_node fig_concat(const fig_node *parts, int count, int axis);
FIG_API fig_node fig_slice(fig_node x, int axis, int64_t start, int64_t length, int64_t step); /* step 0 = 1 */
FIG_API fig_node fig_pad(fig_node x, int axis, int64_t before, int64_t after, float value); /* negative crops */
/* (B, spatial..., C): `amount` mirrored places on both sides of every spatial axis; the border itself is not repeated. */
FIG_API fig_node fig_pad_reflect(fig_node x, int64_t amount);
FIG_API fig_node fig_reverse(fig_node x, int axis);
/* One start per row: x (B, ..., n, ...), start i32 (B) [or rank 0: the same for all]; axis >= 1; starts are clamped so
 * that the slice fits. Update writes `part` there and returns the whole. */
FIG_API fig_node fig_dynamic_slice(fig_node x, fig_node start, int axis, int64_t length);
FIG_API fig_node fig_dynamic_update(fig_node x, fig_node part, fig_node start, int axis);
/* table (V, ...), index i32 (any shape) -> (index shape, ...). Indices out of range are clamped. */
FIG_API fig_node fig_gather(fig_node table, fig_node index);
/* zeros of `shape` (V, ...) plus update (index shape, ...) added at rows index. */
FIG_API fig_node fig_scatter_add(fig_type shape, fig_node index, fig_node update);
/* x (..., n), index i32 (...) -> (...): one element of the last axis per row. */
FIG_API fig_node fig_pick(fig_node x, fig_node index);
FIG_API fig_node fig_one_hot(fig_node index, int64_t classes); /* i32 (...) -> f32 (..., classes) */
/* The k largest along the last axis, largest first: values and i32 indices (ties: lower index first). */
FIG_API void fig_top_k(fig_node x, int64_t k, fig_node *values, fig_node *indices);
FIG_API void fig_sort(fig_node x, bool descending, fig_node *values, fig_node *indices); /* last axis, stable */

/* -- products ----------------------------------------------------------------------------------------------------------- */

/* (..., m, k) x (..., k, n); leading axes broadcast. The flags say that an operand is stored transposed. */
typedef struct fig_matmul_opts { bool transpose_a, transpose_b; } fig_matmul_opts;
FIG_API fig_node fig_matmul(fig_node a, fig_node b, const fig_matmul_opts *opts);

#define FIG_MAX_SPATIAL 3
#define FIG_PAD_SAME (-1)  /* padding before and after so that out = ceil(in / stride); the odd one goes after */
#define FIG_PAD_NONE (-2)  /* no padding on an axis where 0 would repeat axis 0 */
/* Any rank: x (B, spatial..., C), weight (out, kernel..., C / groups) -> (B, out spatial..., out). Fields given per
 * spatial axis; 0 in axis 1 and 2 repeats axis 0. */
typedef struct fig_conv_opts {
    int stride[FIG_MAX_SPATIAL];     /* 1 */
    int dilation[FIG_MAX_SPATIAL];   /* 1 */
    int before[FIG_MAX_SPATIAL], after[FIG_MAX_SPATIAL]; /* padding; 0. before[0] = FIG_PAD_SAME: see above */
    int groups;                      /* 1 */
    int output_extra[FIG_MAX_SPATIAL]; /* transposed only: added to the output size, 0 */
} fig_conv_opts;
FIG_API fig_node fig_convolution(fig_node x, fig_node weight, const fig_conv_opts *opts);
/* Transposed convolution: the data gradient of fig_convolution as an op of its own. x (B, spatial..., C_in), weight (C_in,
 * kernel..., C_out / groups) -> (B, (in-1)*stride + dilation*(kernel-1) + 1 - before - after + extra, C_out). The weight lies
 * as that of the convolution from C_out back to C_in, so nothing is transposed per step. With FIG_PAD_SAME the output is
 * in * stride, cropped so that it inverts the strided "same" convolution. */
FIG_API fig_node fig_convolution_transposed(fig_node x, fig_node weight, const fig_conv_opts *opts);

typedef struct fig_pool_opts {
    int size[FIG_MAX_SPATIAL], stride[FIG_MAX_SPATIAL]; /* stride 0 = size */
    int before[FIG_MAX_SPATIAL], after[FIG_MAX_SPATIAL];
} fig_pool_opts;
FIG_API fig_node fig_max_pool(fig_node x, const fig_pool_opts *opts);
FIG_API fig_node fig_average_pool(fig_node x, const fig_pool_opts *opts); /* padding is not counted */
FIG_API fig_node fig_resize_nearest(fig_node x, int64_t height, int64_t width);  /* (B, H, W, C) */
FIG_API fig_node fig_resize_bilinear(fig_node x, int64_t height, int64_t width); /* half-pixel centres */
FIG_API fig_node fig_space_to_depth(fig_node x, int block); /* (B, H, W, C) -> (B, H/b, W/b, b*b*C) */
FIG_API fig_node fig_depth_to_space(fig_node x, int block);
/* x (B, H, W, C), at f32 (B, h, w, 2) = (row, column) in pixels; outside is 0. -> (B, h, w, C) */
FIG_API fig_node fig_sample_bilinear(fig_node x, fig_node at);

/* -- composites: each has a decomposition into the above, and may have a fast kernel ----------------------------------- */

FIG_API fig_node fig_softmax(fig_node x);     /* last axis */
FIG_API fig_node fig_log_softmax(fig_node x); /* last axis */
FIG_API fig_node fig_logsumexp(fig_node x);   /* last axis, removed */
/* logits (..., K), label i32 (...) -> nats (...); a label < 0 costs 0. */
FIG_API fig_node fig_cross_entropy(fig_node logits, fig_node label);
/* Element by element, target in [0, 1]: max(x,0) - x*t + log(1 + exp(-|x|)). logits must not come from a squashing op. */
FIG_API fig_node fig_bce_logits(fig_node logits, fig_node target);
/* Training form: statistics over all axes but the last. mean and variance (biased) come out (C) for running averages. */
FIG_API fig_node fig_batch_normalise(fig_node x, fig_node gamma, fig_node beta, float eps, fig_node *mean, fig_node *variance);
/* (x - mean) * rsqrt(variance + eps) * gamma + beta with given statistics (C). */
FIG_API fig_node fig_normalise_with(fig_node x, fig_node mean, fig_node variance, fig_node gamma, fig_node beta, float eps);
FIG_API fig_node fig_layer_normalise(fig_node x, fig_node gamma, fig_node beta, float eps); /* last axis; gamma, beta may be none */
FIG_API fig_node fig_group_normalise(fig_node x, int groups, fig_node gamma, fig_node beta, float eps); /* (B, spatial..., C) */
FIG_API fig_node fig_instance_normalise(fig_node x, fig_node gamma, fig_node beta, float eps);
FIG_API fig_node fig_rms_normalise(fig_node x, fig_node gamma, float eps);
/* q (B, T, H, D), k and v (B, S, H, D) -> (B, T, H, D); scale 1/sqrt(D). causal: position t sees s <= t + S - T. */
FIG_API fig_node fig_attention(fig_node q, fig_node k, fig_node v, bool causal, float dropout);
/* The same with queries, keys and values in one: qkv (B, T, 3, H, D) -> (B, T, H, D). */
FIG_API fig_node fig_attention_joint(fig_node qkv, bool causal, float dropout);

/* One or a few steps against a cache of keys and values: q (B, T, H, D), keys and values (B, H, S, D), position i32 (B) -> (B, T, H,
 * D). Step t of row b stands at position[b] + t >= 0 and sees everything up to there; what lies behind in the cache is not read. */
FIG_API fig_node fig_attention_cached(fig_node q, fig_node keys, fig_node values, fig_node position);
/* The same with the step's own keys and values put into the cache first: cache (B, 2, H, S, D) holds keys, then values, qkv (B, T, 3,
 * H, D). next is the cache as it is afterwards. */
FIG_API fig_node fig_attention_step(fig_node cache, fig_node qkv, fig_node position, fig_node *next);
FIG_API fig_node fig_gate(fig_node x); /* (..., 2 C) -> (..., C): tanh of the first half times the logistic function of the second */
/* One step of a gated residual layer (fig_gated_layer), row by row. Earlier inputs lie in ring (B, (kernel - 1) dilation, C): step t
 * stands at t modulo its length, and what is from before step 0 counts as zeros. x (B, 1, C), position i32 (B), weight (2 G, kernel
 * C) with the oldest tap first, bias (2 G), residual (C, G), residual_bias (C): out[0] is the ring with x put in, out[1] = x +
 * residual z + residual_bias (B, 1, C), out[2] = z (B, 1, G) = gate(weight [taps] + bias). kernel at least 2. */
typedef struct fig_gated_step_in { fig_node ring, x, position, weight, bias, residual, residual_bias; } fig_gated_step_in;
FIG_API void fig_gated_step(const fig_gated_step_in *in, int kernel, int dilation, fig_node out[3]);
/* A recurrent layer over whole sequences; with z = x[t] + weight h and s the logistic function, gates in this order:
 *   FIG_CELL_TANH  h' = tanh(z)
 *   FIG_CELL_LSTM  i, f, g, o:  c' = s(f) c + s(i) tanh(g),  h' = s(o) tanh(c')   (Hochreiter and Schmidhuber 1997)
 *   FIG_CELL_GRU   r, u, n:     n = tanh(x_n + s(r) (weight_n h + bias)),  h' = (1 - s(u)) n + s(u) h   (Cho et al. 2014)
 * x (B, T, G H): the input products of all steps with their bias, G = 1, 4 or 3 gates; weight (G H, H); state: h (B, H) before
 * the first step, and c (B, H) for an LSTM; bias (H) for a GRU, else FIG_NONE. Result: h of every step, (B, T, H); `final`, if
 * not NULL, receives the states after the last. */
typedef enum fig_cell { FIG_CELL_TANH, FIG_CELL_LSTM, FIG_CELL_GRU } fig_cell;
FIG_API fig_node fig_recurrent(fig_cell cell, fig_node x, fig_node weight, const fig_node *state, fig_node bias, fig_node *final);

/* -- loops ---------------------------------------------------------------------------------------------------------------- */

#define FIG_MAX_SCAN 16
/* One step of a scan, called once to record the body: state[i] and x[i] are this step's values (x without its time axis),
 * fixed[i] are values of the outer graph visible in the body. Put the new states into new_state and outputs into y. */
typedef struct fig_scan_body {
    fig_graph *graph;
    const fig_node *state, *x, *fixed;
    fig_node *new_state, *y;
    const void *user;
} fig_scan_body;
typedef struct fig_scan_opts {
    const fig_node *state, *x, *fixed; /* initial states; sequences (T, ...) with time first; loop constants */
    int states, xs, fixeds, ys;
    int64_t steps;     /* needed only when xs == 0 */
    bool reverse;      /* from the last step to the first; outputs keep their places */
    bool recompute;    /* keep no states for the gradient: run the forward loop again instead */
    const void *user;
} fig_scan_opts;
/* final_state[states] and y[ys] (T, ...) receive the results. */
FIG_API void fig_scan(fig_graph *graph, void (*step)(fig_scan_body *body), const fig_scan_opts *opts, fig_node *final_state, fig_node *y);

/* -- derivatives -------------------------------------------------------------------------------------------------------------- */

/* Adds the gradient of `loss` (summed over its elements) with respect to each of `wrt` to the graph: result[i] has the
 * shape of wrt[i]; zeros when loss does not depend on it. The result can be differentiated again. */
FIG_API void fig_gradients(fig_node loss, const fig_node *wrt, int count, fig_node *result);
/* The same with a given upstream gradient of loss's shape. */
FIG_API void fig_gradients_from(fig_node loss, fig_node upstream, const fig_node *wrt, int count, fig_node *result);

#ifdef __cplusplus
}
#endif
#endif
