/* test_layers.c - layers and their gradients against numbers of an independent implementation
 *
 * layers.inc holds, per case, the expected output, the gradient of every operand, and a summary of the gradients of
 * those gradients; make_layers.py made it and says how. Each case runs twice: with the plain reference loops, and with
 * whatever kernels this machine would choose. */
#include "test.h"

#include <figment/plan.h>

#define MAX_OPERANDS 3

typedef struct layer_case {
    fig_node (*build)(const struct layer_case *c, const fig_node *in);
    const char *name;
    int operands;
    fig_type in[MAX_OPERANDS], shape;
    const float *y, *gradient[MAX_OPERANDS];
    double second[MAX_OPERANDS + 1]
                 [3]; /* gradients of the gradients: two inner products and the norm; the last is u's */
    int stride[3], dilation[3], before[3], after[3], extra[3], size[3], groups;
    bool causal;
} layer_case;

static const float eps = 1e-5f;

static fig_conv_opts conv_opts(const layer_case *c)
{
    fig_conv_opts opts = { .groups = c->groups };
    memcpy(opts.stride, c->stride, sizeof opts.stride);
    memcpy(opts.dilation, c->dilation, sizeof opts.dilation);
    memcpy(opts.before, c->before, sizeof opts.before);
    memcpy(opts.after, c->after, sizeof opts.after);
    memcpy(opts.output_extra, c->extra, sizeof opts.output_extra);
    return opts;
}

static fig_pool_opts pool_opts(const layer_case *c)
{
    fig_pool_opts opts = { 0 };
    memcpy(opts.size, c->size, sizeof opts.size);
    memcpy(opts.stride, c->stride, sizeof opts.stride);
    memcpy(opts.before, c->before, sizeof opts.before);
    memcpy(opts.after, c->after, sizeof opts.after);
    return opts;
}

static fig_node build_convolution(const layer_case *c, const fig_node *in)
{
    return fig_convolution(in[0], in[1], &(fig_conv_opts[]){ conv_opts(c) }[0]);
}

static fig_node build_transposed(const layer_case *c, const fig_node *in)
{
    return fig_convolution_transposed(in[0], in[1], &(fig_conv_opts[]){ conv_opts(c) }[0]);
}

static fig_node build_max_pool(const layer_case *c, const fig_node *in)
{
    return fig_max_pool(in[0], &(fig_pool_opts[]){ pool_opts(c) }[0]);
}

static fig_node build_average_pool(const layer_case *c, const fig_node *in)
{
    return fig_average_pool(in[0], &(fig_pool_opts[]){ pool_opts(c) }[0]);
}

static fig_node build_resize_nearest(const layer_case *c, const fig_node *in)
{
    return fig_resize_nearest(in[0], c->size[0], c->size[1]);
}

static fig_node build_resize_bilinear(const layer_case *c, const fig_node *in)
{
    return fig_resize_bilinear(in[0], c->size[0], c->size[1]);
}

static fig_node build_pad_reflect(const layer_case *c, const fig_node *in) { return fig_pad_reflect(in[0], c->size[0]); }

static fig_node build_space_to_depth(const layer_case *c, const fig_node *in)
{
    return fig_space_to_depth(in[0], c->size[0]);
}
static fig_node build_depth_to_space(const layer_case *c, const fig_node *in)
{
    return fig_depth_to_space(in[0], c->size[0]);
}

static fig_node build_sample_bilinear(const layer_case *c, const fig_node *in)
{
    (void)c;
    return fig_sample_bilinear(in[0], fig_scale(in[1], 3.0f));
}

static fig_node build_layer_normalise(const layer_case *c, const fig_node *in)
{
    bool affine = c->operands == 3;
    return fig_layer_normalise(in[0], affine ? in[1] : FIG_NONE, affine ? in[2] : FIG_NONE, eps);
}

static fig_node build_group_normalise(const layer_case *c, const fig_node *in)
{
    return fig_group_normalise(in[0], c->groups, in[1], in[2], eps);
}

static fig_node build_instance_normalise(const layer_case *c, const fig_node *in)
{
    (void)c;
    return fig_instance_normalise(in[0], in[1], in[2], eps);
}

static fig_node build_batch_normalise(const layer_case *c, const fig_node *in)
{
    fig_node mean, variance;
    (void)c;
    return fig_batch_normalise(in[0], in[1], in[2], eps, &mean, &variance);
}

static fig_node build_rms_normalise(const layer_case *c, const fig_node *in)
{
    (void)c;
    return fig_rms_normalise(in[0], in[1], eps);
}

static fig_node build_softmax(const layer_case *c, const fig_node *in)
{
    (void)c;
    return fig_softmax(fig_scale(in[0], 5.0f));
}

static fig_node build_log_softmax(const layer_case *c, const fig_node *in)
{
    (void)c;
    return fig_log_softmax(fig_scale(in[0], 5.0f));
}

static fig_node build_cross_entropy(const layer_case *c, const fig_node *in)
{
    fig_node label = fig_iota(in[0].graph, (fig_type){ .dtype = FIG_I32, .rank = 1, .dim = { c->in[0].dim[0] } }, 0);
    return fig_cross_entropy(fig_scale(in[0], 5.0f), label);
}

static fig_node build_bce_logits(const layer_case *c, const fig_node *in)
{
    (void)c;
    return fig_bce_logits(fig_scale(in[0], 5.0f), fig_shift(fig_scale(in[1], 0.5f), 0.5f));
}

static fig_node build_gelu(const layer_case *c, const fig_node *in)
{
    (void)c;
    return fig_gelu(fig_scale(in[0], 4.0f));
}

static fig_node build_gelu_tanh(const layer_case *c, const fig_node *in)
{
    (void)c;
    return fig_gelu_tanh(fig_scale(in[0], 4.0f));
}

static fig_node build_attention(const layer_case *c, const fig_node *in)
{
    return fig_attention(in[0], in[1], in[2], c->causal, 0.0f);
}

#define SHAPE(rank_, ...)                     \
    {                                         \
        .rank = rank_, .dim = { __VA_ARGS__ } \
    }
#include "layers.inc"

/* The value that make_layers.py gives to element `index` of operand `seed`: a hash, in [-1, 1) and exact in f32. */
static float number(uint32_t seed, uint32_t index)
{
    uint32_t x = seed * 1000003u + index;
    x ^= x >> 16;
    x *= 0x7feb352du;
    x ^= x >> 15;
    x *= 0x846ca68bu;
    x ^= x >> 16;
    return (float)(x >> 8) / 8388608.0f - 1.0f;
}

static void compare(const layer_case *c, const char *what, const float *found, const float *expected,
                    const fig_type *type)
{
    for (int64_t i = 0; i < fig_elements(type); i++) {
        double error = fabs((double)found[i] - (double)expected[i]);
        if (error <= 2e-5 * (1.0 + fabs((double)expected[i])))
            continue;
        TEST_FAIL("%s: %s: element %lld is %.9g, expected %.9g", c->name, what, (long long)i, (double)found[i],
                  (double)expected[i]);
        return;
    }
}

/* Three numbers stand for a gradient of the gradients: an error anywhere moves the inner products. */
static void compare_second(const layer_case *c, int operand, const float *found, const fig_type *type,
                           const double expected[3])
{
    double inner[2] = { 0, 0 }, square = 0;
    for (int64_t i = 0; i < fig_elements(type); i++) {
        for (uint32_t k = 0; k < 2; k++)
            inner[k] += (double)found[i] * (double)number(30 + k, (uint32_t)i);
        square += (double)found[i] * (double)found[i];
    }
    double tolerance = 1e-4 * expected[2] + 1e-5;
    if (!(fabs(inner[0] - expected[0]) <= tolerance && fabs(inner[1] - expected[1]) <= tolerance &&
          fabs(sqrt(square) - expected[2]) <= tolerance))
        TEST_FAIL("%s: second gradient of operand %d: %.8g %.8g, norm %.8g; expected %.8g %.8g, norm %.8g", c->name,
                  operand + 1, inner[0], inner[1], sqrt(square), expected[0], expected[1], expected[2]);
}

static const char *const operand_name[MAX_OPERANDS] = { "a", "b", "c" };
static const char *const second_name[MAX_OPERANDS] = { "v1", "v2", "v3" };

/* Output, its gradients, and the gradients of those, in this order. */
static int build_case(fig_graph *graph, const layer_case *c, fig_node *outputs)
{
    fig_node in[MAX_OPERANDS + 1], loss2 = fig_constant(graph, 0.0f);
    for (int i = 0; i < c->operands; i++)
        in[i] = fig_input(graph, operand_name[i], c->in[i]);
    in[c->operands] = fig_input(graph, "u", c->shape);
    outputs[0] = c->build(c, in);
    fig_gradients(fig_mul(outputs[0], in[c->operands]), in, c->operands, outputs + 1);
    for (int i = 0; i < c->operands; i++)
        loss2 = fig_add(loss2, fig_sum(fig_mul(outputs[i + 1], fig_input(graph, second_name[i], c->in[i])), NULL));
    fig_gradients(loss2, in, c->operands + 1, outputs + 1 + c->operands);
    return 2 + 2 * c->operands;
}

static void fill_input(fig_plan *plan, const char *name, uint32_t seed)
{
    fig_type type;
    float *to = fig_plan_input(plan, name, &type);
    for (int64_t i = 0; to && i < fig_elements(&type); i++)
        to[i] = number(seed, (uint32_t)i);
}

static void check_results(const layer_case *c, const fig_plan *plan)
{
    fig_type type;
    const float *y = fig_plan_output(plan, 0, &type);
    if (type.rank != c->shape.rank || memcmp(type.dim, c->shape.dim, sizeof(int64_t) * (size_t)type.rank)) {
        TEST_FAIL("%s: the output has another shape than expected", c->name);
        return;
    }
    compare(c, "output", y, c->y, &c->shape);
    for (int i = 0; i < c->operands; i++)
        compare(c,
                i == 0   ? "gradient of operand 1"
                : i == 1 ? "gradient of operand 2"
                         : "gradient of operand 3",
                fig_plan_output(plan, i + 1, &type), c->gradient[i], &c->in[i]);
    for (int i = 0; i <= c->operands; i++) {
        const float *found = fig_plan_output(plan, 1 + c->operands + i, &type);
        compare_second(c, i, found, &type, c->second[i]);
    }
}

static void run_case(fig_session *session, const layer_case *c)
{
    fig_error err = { 0 };
    fig_graph *graph = fig_graph_new();
    fig_node outputs[2 + 2 * MAX_OPERANDS];
    fig_plan_opts opts = { .outputs = outputs, .n_outputs = build_case(graph, c, outputs) };
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    bool ready = fig_graph_check(graph, &err) == FIG_OK && fig_store_new(session, &store, &err) == FIG_OK &&
                 fig_plan_compile(graph, store, &opts, &plan, &err) == FIG_OK;
    for (int i = 0; ready && i < c->operands; i++) {
        fill_input(plan, operand_name[i], (uint32_t)i + 1);
        fill_input(plan, second_name[i], (uint32_t)i + 20);
    }
    if (ready)
        fill_input(plan, "u", 9);
    if (ready && fig_plan_run(plan, &(fig_run_opts){ 0 }, &err) == FIG_OK)
        check_results(c, plan);
    else
        TEST_FAIL("%s: %s", c->name, err.message);
    fig_plan_free(plan);
    fig_store_free(store);
    fig_graph_free(graph);
}

static void run_all(bool reference)
{
    fig_error err = { 0 };
    fig_session *session = NULL;
    CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = 2, .reference_kernels = reference }, &session, &err), err);
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(session, &cases[i]);
    fig_session_free(session);
}

FIG_TEST(layers_by_reference_loops) { run_all(true); }

FIG_TEST(layers_by_kernels) { run_all(false); }

FIG_TEST_MAIN
