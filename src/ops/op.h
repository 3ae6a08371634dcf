/* ops/op.h - the record of an operation, and what its functions are given
 *
 * Everything about an op stands in one file of this folder: shape rule, gradient as graph building, plain reference loop,
 * public builder. The record stands at the file's end, with one row in ops.def. Element-by-element ops are rows of
 * pointwise.def instead. How to add one: docs/adding.md. */
#ifndef FIG_OPS_OP_H
#define FIG_OPS_OP_H

#include "core/core.h"
#include <figment/graph.h>

typedef struct fig_op fig_op;

/* A tensor in memory: dense, row-major. */
typedef struct fig_tensor {
    fig_type type;
    void *data;
} fig_tensor;

/* What one run of a plan is told; constant while a step of it runs. */
typedef struct fig_run {
    uint64_t seed, step;
    uint64_t first_row; /* index in the global batch of row 0 of this plan's batch, for noise */
    int threads;
    struct fig__team *team; /* threads that wait for parts of a step's work; NULL = a step starts its own (kernels/parallel.h) */
} fig_run;

/* Shape rule: reads in[], fills out[] (n_out is 1 unless the rule changes it, at most FIG_MAX_OUTPUTS). */
#define FIG_MAX_OUTPUTS 64
typedef struct fig_infer {
    int n_in, n_out;
    const fig_type *in;
    fig_type *out;
    const void *attr;
    fig_error *err; /* never NULL */
} fig_infer;

/* Gradient rule: builds nodes and puts one value per operand into result[] (FIG_NONE = no gradient flows there). */
typedef struct fig_gradient {
    fig_graph *graph;
    int n_in, n_out;
    const fig_node *in;
    fig_node out;              /* outs[0] */
    const fig_node *outs;
    fig_node upstream;         /* upstreams[0]: gradient of the loss with respect to out */
    const fig_node *upstreams; /* one per output; FIG_NONE where none flows */
    const bool *wanted;        /* per operand: skip the work when false */
    const void *attr;
    fig_node *result;
} fig_gradient;

/* Decomposition of a composite: builds the same outputs from simpler ops (differentiating goes through it). */
typedef struct fig_decompose {
    fig_graph *graph;
    int n_in, n_out;
    const fig_node *in;
    const void *attr;
    fig_node *out;
} fig_decompose;

/* Computation of one node, by reference loop or kernel. */
typedef struct fig_eval {
    int n_in, n_out;
    const fig_tensor *in;
    fig_tensor *out;
    const void *attr;
    const fig_run *run;
    void *workspace;    /* as many bytes as the kernel asked for, 64-byte aligned; NULL for reference loops */
    void *prepared;     /* what the kernel's prepare made */
    uint16_t *const *copy; /* per output: where its bf16 copy goes as well, or NULL; NULL: none. Kernels that say .copies are asked */
} fig_eval;

enum {
    FIG_OP_LEAF = 1,       /* value given from outside (input, state, scalar) */
    FIG_OP_VIEW = 2,       /* output 0 is operand 0's memory under another shape */
    FIG_OP_POINTWISE = 4,  /* element by element with broadcasting; .pointwise is set */
    FIG_OP_NOISE = 8,      /* reads run->seed and step: never merged, folded or renumbered */
    FIG_OP_SQUASH = 16,    /* output is a probability or bounded: refused under a logits loss (sigmoid, softmax, tanh) */
    FIG_OP_INTEGER = 32,   /* no gradient flows through it (compare, argmax, floor ...) */
    FIG_OP_INPLACE = 64,   /* its reference loop may write over operand 0 of equal type (update ops, fused programs) */
    FIG_OP_CONSTANT = 128, /* no operands, not noise: same value each run */
    FIG_OP_LOWERED = 256   /* composite without a fast kernel: computed through its decomposition (passes/lower.c) */
};

/* The scalar form of an element-by-element op: a, b, c operands, p the attribute's numbers. */
typedef struct fig_pointwise_rule {
    int arity;
    float (*f32)(float a, float b, float c, const float *p);
    int32_t (*i32)(int32_t a, int32_t b, int32_t c); /* NULL: f32 only */
    bool compares; /* f32 result from f32 or i32 operands */
    int code;      /* place in pointwise.def: index into the fast tile table */
} fig_pointwise_rule;
typedef struct fig_pointwise_attr { float p[2]; } fig_pointwise_attr;

/* What a training in bf16 may do with an op's operands and results (passes/cast.c). Ops that add up many numbers, or from which
 * weights and statistics come, keep those results in f32; so do gradients of weights, as the optimizer
 * reads them. */
typedef enum fig_narrow_kind {
    FIG_NARROW_NONE,    /* reads and writes f32; element-by-element ops are FREE by their flag */
    FIG_NARROW_PRODUCT, /* reads operands 0 and 1 in bf16, others in f32 (see `all`), adds up in f32 */
    FIG_NARROW_FREE,    /* reads and writes either; arithmetic is f32 */
    FIG_NARROW_MOVE     /* keeps what it is given */
} fig_narrow_kind;
typedef struct fig_narrow {
    fig_narrow_kind kind;
    unsigned stores; /* outputs that may be stored in bf16: bit i */
    unsigned either; /* of a product: operands that are read as they are stored */
    void (*rounds)(void *attr); /* tells a product that rounds inside to do so */
    bool all;        /* of a product: every operand of more than one axis is read in bf16 */
} fig_narrow;

struct fig_op {
    const char *name;
    int operands;         /* exact count; -1 = any */
    unsigned flags;
    size_t attr_size;     /* plain bytes, compared with memcmp: zero the padding (fig__emit copies) */
    fig_status (*infer)(fig_infer *c);
    void (*gradient)(fig_gradient *c);       /* NULL: through decompose, or none (FIG_OP_INTEGER) */
    void (*decompose)(fig_decompose *c);     /* composites */
    void (*reference)(fig_eval *c);          /* plain loops; always there except for leaves and views */
    const fig_pointwise_rule *pointwise;
    double (*flops)(const fig_infer *c);     /* multiply and add counted as 2; NULL = 0 */
    void (*print)(const void *attr, fig__text *out); /* " stride=2": for dumps */
    /* For attributes with pointers: `attr` was just copied into `graph`; what it points to must be made the graph's own. */
    void (*adopt)(void *attr, fig_graph *graph);
    fig_narrow narrow;
    /* Operands (bit i) that are matrices of weights, read line by line: a plan that decodes may store them narrower (passes/weights.c,
     * which treats products by itself, as they may be stored either way round). */
    unsigned lines;
    /* Operands (bit i) that are a memory of the op's own, which result i replaces and nobody else reads (keys and values): such a plan
     * may store the state that holds it in bf16. */
    unsigned remembers;
};

/* All records, in the order of ops.def; NULL-terminated. */
extern const fig_op *const fig__ops[];
const fig_op *fig__op_find(const char *name);

#define FIG_OP(name) extern const fig_op fig_op_##name;
#define FIG_POINTWISE(name, arity, f32_expression, i32_expression) extern const fig_op fig_op_##name;
#define FIG_COMPARE(name, f32_expression, i32_expression) extern const fig_op fig_op_##name;
#include "ops/ops.def"
#undef FIG_OP
#undef FIG_POINTWISE
#undef FIG_COMPARE

/* -- building (graph/build.c) --------------------------------------------------------------------------------------- */

/* Adds a node with one output. Poisoned operands or a failing shape rule mark the graph and return a poisoned value. */
fig_node fig__emit(fig_graph *graph, const fig_op *op, const fig_node *in, int n_in, const void *attr);
/* The same for several outputs: out[n_out] is filled; n_out must be what the shape rule says. */
void fig__emit_multi(fig_graph *graph, const fig_op *op, const fig_node *in, int n_in, const void *attr, fig_node *out, int n_out);
/* True when x was poisoned by an earlier mistake (its type is a scalar then). */
bool fig__poisoned(fig_node x);
/* Builder's guard: the graph common to these operands; marks it when they come from different graphs. */
fig_graph *fig__graph_of(const fig_node *in, int n_in);
/* Normalises a possibly negative axis; out of range marks the graph ("op: axis 5 of a rank-4 value") and returns 0. */
int fig__axis(fig_node x, int axis, const char *op);
/* Memory that lives as long as the graph, for attributes with pointers. */
fig__arena *fig__graph_arena(fig_graph *graph);
/* Noise stream of the node being built: a hash of its layer path and occurrence. */
uint64_t fig__next_stream(fig_graph *graph);
/* Producer of a value, for checks such as "no squashing op under a logits loss". */
const fig_op *fig__producer(fig_node x);
const void *fig__producer_attr(fig_node x);

/* -- storage narrower than f32 (ops/lifted.c) ----------------------------------------------------------------------------- */

/* Numbers stored in bf16 (ops/bf16.h) or as int8 lines (ops/int8.h). Results are never int8 lines, but for those of a cast. */
static inline bool fig__narrow_dtype(fig_dtype dtype) { return dtype == FIG_BF16 || dtype == FIG_I8; }

/* Runs a loop that knows f32 only on tensors of which some are narrower: operands widened, results rounded, in the workspace, which
 * has fig__lifted_workspace bytes. That is 0 where nothing is narrow. */
size_t fig__lifted_workspace(int n_in, const fig_type *in, int n_out, const fig_type *out);
void fig__run_lifted(void (*reference)(fig_eval *c), fig_eval *c);

/* -- helpers for shape rules and reference loops (ops/helpers.c) -------------------------------------------------------- */

fig_status fig__expect_rank(fig_infer *c, int operand, int rank, const char *op);
fig_status fig__expect_dtype(fig_infer *c, int operand, fig_dtype dtype, const char *op);
fig_status fig__broadcast_types(const fig_type *a, const fig_type *b, fig_type *out); /* FIG_E_SHAPE when they do not meet */
void fig__type_text(const fig_type *type, char out[128]); /* "f32 (64, 28, 28, 1)" */
bool fig__types_equal(const fig_type *a, const fig_type *b); /* dtype, rank and dims */
bool fig__shapes_equal(const fig_type *a, const fig_type *b);
int64_t fig__count(const fig_type *type);
size_t fig__dtype_size(fig_dtype dtype);
size_t fig__bytes(const fig_type *type);
/* Gradient of a broadcast: sums `gradient` down to the type of x (used by every element-by-element gradient). */
fig_node fig__unbroadcast(fig_node gradient, fig_node x);
/* Rule of the element-by-element op with this code (ops/fused.c). */
const fig_pointwise_rule *fig__pointwise_rule(int code);
/* Row-major strides in elements; broadcast axes of `type` against `out` get stride 0 (aligned at the last axis). */
void fig__broadcast_strides(const fig_type *type, const fig_type *out, int64_t strides[FIG_MAX_RANK]);
/* Steps a multi-index over dims; false after the last. */
bool fig__next_index(int64_t *index, const int64_t *dim, int rank);

#define FIG_F32_IN(c, i) ((const float *)(c)->in[i].data)
#define FIG_I32_IN(c, i) ((const int32_t *)(c)->in[i].data)
#define FIG_F32_OUT(c, i) ((float *)(c)->out[i].data)
#define FIG_I32_OUT(c, i) ((int32_t *)(c)->out[i].data)

/* noise.c. Element i of a noise value has the global index fig__noise_first + i, and draws word index % 4 of Philox block
 * index / 4. What is made of the word stands in ops/noise_math.h; kernels use the same. */
uint64_t fig__noise_first(const fig_run *run, const fig_type *type);
uint32_t fig__noise_word(const fig_run *run, uint64_t stream, uint64_t index);

#endif
