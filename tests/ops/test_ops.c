/* ops/test_ops.c - every op against everything that can be known about it
 *
 * For each row of the cases (cases.h says how to add one) random instances are made and checked:
 *   parts        a composite's decomposition against its reference loop
 *   kernels      every kernel that accepts a node of the instance or of its gradient, against the reference loop; and those that
 *                read or write bf16 storage, with operands and results stored so
 *   gradients    the gradient against finite differences of the reference loops; then the gradient of the gradient
 *   passes       a compiled plan, with every pass, without any, and without each, against the reference loops
 *
 * FIGMENT_TEST_CASES sets the number of instances per row (200; 30 with sanitizers), FIGMENT_TEST_OP chooses one op. */
#include "../test.h"

#include "cases.h"
#include "inexact.h"
#include "kernels/kernel.h"
#include "ops/bf16.h"
#include "passes/pass.h"
#include <figment/plan.h>

/* -- walking the cases --------------------------------------------------------------------------------------------- */

#if defined(__SANITIZE_ADDRESS__)
enum { USUAL_INSTANCES = 30 };
#else
enum { USUAL_INSTANCES = 200 };
#endif
enum { ENOUGH_INSTANCES = 200 }; /* for every kernel to have had its turn */

static int instances_wanted(int divisor)
{
    const char *text = getenv("FIGMENT_TEST_CASES");
    int n = (text ? atoi(text) : USUAL_INSTANCES) / divisor;
    return n < 2 ? 2 : n;
}

/* Calls check on `count` instances of every row until one fails. */
static void for_each(int count, bool small, unsigned skip, bool (*check)(instance *t, int number))
{
    const char *only = getenv("FIGMENT_TEST_OP");
    for (const op_case *const *family = all_cases; *family; family++)
        for (const op_case *row = *family; row->op; row++)
            for (int i = 0; i < count; i++) {
                if ((only && strcmp(only, row->op) != 0) || (row->flags & skip))
                    break;
                instance t;
                fig_error err = { 0 };
                instance_begin(&t, row, (uint64_t)i, small);
                bool good = fig_graph_check(t.graph, &err) == FIG_OK;
                if (!good)
                    TEST_FAIL("%s: building: %s", row->op, err.message);
                else
                    good = check(&t, i);
                if (!good)
                    fprintf(stderr, "    %s, instance %d%s, operands %s\n", row->op, i, small ? " (small)" : "",
                            instance_text(&t));
                instance_end(&t);
                if (!good)
                    break;
            }
}

static const fig_run run_of_tests = { .seed = 7, .step = 3, .first_row = 5, .threads = 1 };

/* -- derivatives as graph: outs weighted by random numbers, differentiated with respect to the real operands ------- */

static int real_operands(const instance *t, fig_node *out)
{
    int n = 0;
    for (int i = 0; i < t->operands; i++)
        if (t->operand[i].real)
            out[n++] = t->operand[i].node;
    return n;
}

/* Weights for each f32 value of outs become operands of t. Returns how many values take part; kept[] are those. */
static int weigh(instance *t, const fig_node *outs, int n, fig_node *kept, fig_node *weight)
{
    int count = 0;
    for (int i = 0; i < n; i++) {
        fig_type type = fig_type_of(outs[i]);
        if (type.dtype != FIG_F32 || t->operands == MAX_OPERANDS)
            continue;
        kept[count] = outs[i];
        weight[count++] = any_real(t, type, 0.25, 1);
    }
    return count;
}

/* Gradients of sum(outs * weight) with respect to wrt. */
static void differentiate(instance *t, const fig_node *outs, const fig_node *weight, int n, const fig_node *wrt,
                          int n_wrt, fig_node *gradient)
{
    fig_node loss = fig_constant(t->graph, 0);
    for (int i = 0; i < n; i++)
        loss = fig_add(loss, fig_sum(fig_mul(outs[i], weight[i]), NULL));
    fig_gradients(loss, wrt, n_wrt, gradient);
}

/* -- gradients against finite differences -------------------------------------------------------------------------- */

static const operand *operand_of(const instance *t, fig_node node)
{
    for (int i = 0; i < t->operands; i++)
        if (t->operand[i].node.id == node.id)
            return &t->operand[i];
    return NULL;
}

/* sum(outs * weight), added in double; magnitude is the sum of absolute values. */
static double weighted_sum(const instance *t, const fig_node *outs, const fig_node *weight, int n, double *magnitude)
{
    void **data = interpret(t, outs, n, &run_of_tests);
    double sum = 0, size = 0;
    for (int i = 0; i < n; i++) {
        fig_type type = fig_type_of(outs[i]);
        const float *x = data[outs[i].id], *w = operand_of(t, weight[i])->data;
        for (int64_t k = 0; k < fig__count(&type); k++) {
            sum += (double)x[k] * (double)w[k];
            size += fabs((double)x[k] * (double)w[k]);
        }
    }
    interpret_free(t, data);
    if (magnitude)
        *magnitude = size;
    return sum;
}

/* Moves every wrt operand along its direction. */
static void move(const instance *t, const fig_node *wrt, int n_wrt, float *const *origin, float *const *direction,
                 float by)
{
    for (int i = 0; i < n_wrt; i++) {
        const operand *o = operand_of(t, wrt[i]);
        for (int64_t k = 0; k < fig__count(&o->type); k++)
            ((float *)o->data)[k] = origin[i][k] + by * direction[i][k];
    }
}

/* One random direction: five-point difference of the weighted sum against the inner product with the gradient. */
static bool check_direction(instance *t, const fig_node *outs, const fig_node *weight, int n, const fig_node *wrt,
                            const fig_node *gradient, int n_wrt, const char *what)
{
    const float h = 1.0f / 64;
    float *origin[MAX_OPERANDS], *direction[MAX_OPERANDS];
    double inner = 0, parts = 0, magnitude = 0;
    void **data = interpret(t, gradient, n_wrt, &run_of_tests);
    for (int i = 0; i < n_wrt; i++) {
        const operand *o = operand_of(t, wrt[i]);
        int64_t count = fig__count(&o->type);
        origin[i] = fig__alloc(fig__bytes(&o->type));
        direction[i] = fig__alloc(fig__bytes(&o->type));
        memcpy(origin[i], o->data, fig__bytes(&o->type));
        for (int64_t k = 0; k < count; k++) {
            direction[i][k] = (float)(0.5 + 0.5 * fig__rng_uniform(&t->rng)) * (any_chance(t, 0.5) ? 1.0f : -1.0f);
            double part = (double)((const float *)data[gradient[i].id])[k] * (double)direction[i][k];
            inner += part;
            parts += fabs(part);
        }
    }
    interpret_free(t, data);
    double value[4];
    const float steps[4] = { h, -h, 2 * h, -2 * h };
    for (int i = 0; i < 4; i++) {
        move(t, wrt, n_wrt, origin, direction, steps[i]);
        value[i] = weighted_sum(t, outs, weight, n, &magnitude);
    }
    move(t, wrt, n_wrt, origin, direction, 0);
    for (int i = 0; i < n_wrt; i++) {
        free(origin[i]);
        free(direction[i]);
    }
    double difference = (8 * (value[0] - value[1]) - (value[2] - value[3])) / (12 * (double)h);
    double allowed = 2e-3 * parts + 3e-5 * magnitude + 1e-5;
    if (fabs(difference - inner) <= allowed)
        return true;
    TEST_FAIL("%s: %s: gradient gives %.7g along a direction, differences give %.7g (allowed %.2g)", t->row->op, what,
              inner, difference, allowed);
    return false;
}

/* outs by finite differences with respect to wrt; gradient receives the gradients. */
static bool check_level(instance *t, const fig_node *outs, const fig_node *weight, int n, const fig_node *wrt,
                        int n_wrt, fig_node *gradient, const char *what)
{
    fig_error err = { 0 };
    differentiate(t, outs, weight, n, wrt, n_wrt, gradient);
    if (fig_graph_check(t->graph, &err) != FIG_OK) {
        TEST_FAIL("%s: %s: %s", t->row->op, what, err.message);
        return false;
    }
    for (int i = 0; i < n_wrt; i++)
        if (!fig_same_shape(gradient[i], wrt[i])) {
            TEST_FAIL("%s: %s: gradient %d has another shape than its operand", t->row->op, what, i);
            return false;
        }
    for (int i = 0; i < 2; i++)
        if (!check_direction(t, outs, weight, n, wrt, gradient, n_wrt, what))
            return false;
    return true;
}

static bool check_gradients(instance *t, int number)
{
    fig_node wrt[MAX_OPERANDS], outs[MAX_OPERANDS], weight[MAX_OPERANDS], first[MAX_OPERANDS], second[MAX_OPERANDS];
    (void)number;
    int n_wrt = real_operands(t, wrt);
    int n = weigh(t, t->result, t->results, outs, weight);
    if (!n_wrt || !n)
        return true;
    if (!check_level(t, outs, weight, n, wrt, n_wrt, first, "first derivative"))
        return false;
    if (t->row->flags & FIRST_ONLY)
        return true;
    fig_node weight2[MAX_OPERANDS], outs2[MAX_OPERANDS];
    n_wrt = real_operands(t, wrt); /* with the weights, which stand for the upstream gradient */
    n = weigh(t, first, n_wrt - n, outs2, weight2);
    return check_level(t, outs2, weight2, n, wrt, n_wrt, second, "second derivative");
}

FIG_TEST(gradients_match_differences)
{
    for_each(instances_wanted(4), true, NO_DIFFERENCES | ONLY_BY_PASS, check_gradients);
}

/* -- kernels against reference loops ------------------------------------------------------------------------------- */

static fig_session *kernel_session; /* loops compile their body with it */

enum { MAX_KERNELS = 256 };
static int kernel_ran[MAX_KERNELS];

static int kernel_number(const fig_kernel *kernel)
{
    int number = 0;
    while (fig__kernels[number] != kernel)
        number++;
    FIG_BUG_IF(number >= MAX_KERNELS, "more kernels than MAX_KERNELS");
    return number;
}

typedef struct trial {
    const fig_kernel *kernel;
    fig_kernel_query query;
    const fig_tensor *in;
    fig_tensor *out;
} trial;

/* Runs the kernel; when `shared` >= 0, output 0 lies on a copy of that operand. False when prepare failed. */
static bool run_kernel(const trial *r, const fig_run *run, int shared, fig_error *err)
{
    void *prepared = NULL, *workspace = NULL;
    size_t bytes = 0;
    fig_tensor in[MAX_OPERANDS];
    memcpy(in, r->in, sizeof *in * (size_t)r->query.n_in);
    if (r->kernel->prepare && r->kernel->prepare(&r->query, &prepared, &bytes, err) != FIG_OK)
        return false;
    if (bytes && fig__pages_new(bytes, &workspace, err) != FIG_OK)
        return false;
    if (shared >= 0) {
        memcpy(r->out[0].data, in[shared].data, fig__bytes(&in[shared].type));
        in[shared].data = r->out[0].data;
    }
    r->kernel->run(&(fig_eval){ .n_in = r->query.n_in,
                                .n_out = r->query.n_out,
                                .in = in,
                                .out = r->out,
                                .attr = r->query.attr,
                                .run = run,
                                .workspace = workspace,
                                .prepared = prepared });
    if (r->kernel->release)
        r->kernel->release(prepared);
    fig__pages_free(workspace, bytes);
    return true;
}

/* Whether the node itself rounds what it multiplies, as the cast pass tells it to: the reference loop does so, too. */
static bool rounds_inside(const fig__node *node)
{
    if (!node->op->narrow.rounds)
        return false;
    void *told = fig__alloc(node->op->attr_size);
    memcpy(told, node->attr, node->op->attr_size);
    node->op->narrow.rounds(told);
    bool already = !memcmp(told, node->attr, node->op->attr_size);
    free(told);
    return already;
}

/* Operands of a node and what its outputs must be. */
typedef struct example {
    fig_tensor in[MAX_OPERANDS], out[FIG_MAX_OUTPUTS];
} example;

/* One kernel on one example: apart, then in place where it may. */
static bool check_kernel(const fig__node *node, const fig_kernel *kernel, const example *e, int threads)
{
    fig_type in_type[MAX_OPERANDS], out_type[FIG_MAX_OUTPUTS];
    fig_tensor out[FIG_MAX_OUTPUTS];
    const fig_tensor *in = e->in;
    fig_error err = { 0 };
    fig_run run = run_of_tests;
    bool stored = false;
    run.threads = threads;
    for (int i = 0; i < node->n_in; i++) {
        in_type[i] = in[i].type;
        stored |= fig__narrow_dtype(in_type[i].dtype);
    }
    for (int i = 0; i < node->n_out; i++)
        out_type[i] = e->out[i].type;
    trial r = { kernel,
                { .op = node->op,
                  .n_in = node->n_in,
                  .n_out = node->n_out,
                  .in = in_type,
                  .out = out_type,
                  .attr = node->attr,
                  .threads = threads,
                  .session = kernel_session },
                in,
                out };
    if (!fig__kernel_accepts(kernel, &r.query) && !fig__kernel_competes(kernel, &r.query))
        return true;
    bool good = true;
    int which = kernel_number(kernel);
    double terms = terms_of(node->op, node->attr, in_type, node->n_in, out_type, node->n_out), scale = 0;
    for (int i = 0; i < node->n_in; i++)
        scale = fmax(scale, largest_of(&in_type[i], in[i].data));
    kernel_ran[which]++;
    for (int shared = -1; good && shared < node->n_in; shared++) {
        if (shared >= 0 && (!(kernel->inplace >> shared & 1) || !fig__types_equal(&in_type[shared], &out_type[0])))
            continue;
        for (int i = 0; i < node->n_out; i++)
            out[i] = (fig_tensor){ out_type[i], aligned_alloc(64, (fig__bytes(&out_type[i]) + 63) / 64 * 64) };
        if (!run_kernel(&r, &run, shared, &err)) {
            TEST_FAIL("%s: kernel %s: %s", node->op->name, kernel->name, err.message);
            good = false;
        }
        for (int i = 0; i < node->n_out; i++) {
            const void *expected = e->out[i].data;
            double size = fmax(scale, largest_of(&out_type[i], expected));
            limit allowed = { .exact = is_exact(node->op), .narrow = (stored && kernel->rounds) || rounds_inside(node),
                              .terms = terms, .scale = size, .near = size, .factor = 1 };
            double error = good ? error_between(&out_type[i], out[i].data, expected, &allowed) : 0;
            if (error > 1) {
                TEST_FAIL("%s: kernel %s differs from the reference in output %d by %.2g of what is allowed%s%s, %d threads",
                          node->op->name, kernel->name, i, error, shared >= 0 ? ", in place" : "",
                          stored ? ", from narrow storage" : "", threads);
                good = false;
            }
            free(out[i].data);
        }
    }
    return good;
}

static bool concerns(const fig_kernel *kernel, const fig__node *node)
{
    return !strcmp(kernel->op, node->op->name) || !strcmp(kernel->op, "*") ||
           ((node->op->flags & FIG_OP_POINTWISE) && !strcmp(kernel->op, "pointwise"));
}

static void *narrowed(const fig_type *type, void *data, fig_dtype dtype)
{
    fig_tensor from = { *type, data }, to = { *type, NULL };
    to.type.dtype = dtype;
    to.data = fig__alloc(fig__bytes(&to.type));
    fig_op_cast.reference(&(fig_eval){ .n_in = 1, .n_out = 1, .in = &from, .out = &to });
    return to.data;
}

/* The example with the f32 operands of these bits stored in bf16 or as int8 lines, and outputs in bf16; what is expected follows by
 * the reference loop. */
static void store(const fig__node *node, const example *e, unsigned in_bits, fig_dtype dtype, unsigned out_bits, int threads,
                  example *stored)
{
    fig_type in[MAX_OPERANDS], out[FIG_MAX_OUTPUTS];
    *stored = *e;
    for (int i = 0; i < node->n_in; i++) {
        if ((in_bits >> (i < 31 ? i : 31) & 1) && e->in[i].type.dtype == FIG_F32 && (dtype == FIG_BF16 || e->in[i].type.rank)) {
            stored->in[i].data = narrowed(&e->in[i].type, e->in[i].data, dtype);
            stored->in[i].type.dtype = dtype;
        }
        in[i] = stored->in[i].type;
    }
    for (int k = 0; k < node->n_out; k++) {
        if ((out_bits >> (k < 31 ? k : 31) & 1) && e->out[k].type.dtype == FIG_F32)
            stored->out[k].type.dtype = FIG_BF16;
        out[k] = stored->out[k].type;
        stored->out[k].data = fig__alloc(fig__bytes(&out[k]));
    }
    fig_run run = run_of_tests;
    run.threads = threads;
    void *workspace = fig__alloc(fig__lifted_workspace(node->n_in, in, node->n_out, out) + 1);
    fig__run_lifted(node->op->reference, &(fig_eval){ .n_in = node->n_in, .n_out = node->n_out, .in = stored->in,
                                                      .out = stored->out, .attr = node->attr, .run = &run,
                                                      .workspace = workspace });
    free(workspace);
}

/* Each instance tries three or four of the ten ways; an op's 200 instances try every way. The last four are what plans that decode
 * do with weights: operand 1 of products, 3 and 5 of gated steps. */
static bool check_stored(const fig__node *node, const example *e, int threads, int number)
{
    static const struct {
        unsigned in, out;
        fig_dtype dtype;
    } ways[] = { { ~0u, 0, FIG_BF16 }, { ~0u, ~0u, FIG_BF16 }, { 3, 0, FIG_BF16 }, { 3, 1, FIG_BF16 },
                 { 1, 1, FIG_BF16 },   { 0, 1, FIG_BF16 },     { 2, 0, FIG_BF16 }, { 2, 0, FIG_I8 },
                 { 40, 0, FIG_BF16 },  { 40, 0, FIG_I8 } };
    bool good = true;
    if (!node->op->reference || node->op == &fig_op_scan || node->op == &fig_op_cast)
        return true;
    for (size_t w = (size_t)number % 3; w < sizeof ways / sizeof *ways && good; w += 3) {
        example stored;
        store(node, e, ways[w].in, ways[w].dtype, ways[w].out, threads, &stored);
        for (const fig_kernel *const *kernel = fig__kernels; *kernel; kernel++)
            if (concerns(*kernel, node))
                good = check_kernel(node, *kernel, &stored, threads) && good;
        for (int i = 0; i < node->n_in; i++)
            if (stored.in[i].data != e->in[i].data)
                free(stored.in[i].data);
        for (int k = 0; k < node->n_out; k++)
            free(stored.out[k].data);
    }
    return good;
}

static bool check_kernels(instance *t, int number)
{
    fig_node roots[2 * MAX_OPERANDS], wrt[MAX_OPERANDS], outs[MAX_OPERANDS], weight[MAX_OPERANDS];
    int n_roots = t->results, n_wrt = real_operands(t, wrt);
    memcpy(roots, t->result, sizeof *roots * (size_t)n_roots);
    if (!(t->row->flags & ONLY_BY_PASS)) {
        int n = weigh(t, t->result, t->results, outs, weight);
        differentiate(t, outs, weight, n, wrt, n_wrt, roots + n_roots);
        n_roots += n_wrt;
    }
    fig_error err = { 0 };
    if (fig_graph_check(t->graph, &err) != FIG_OK) {
        TEST_FAIL("%s: gradient: %s", t->row->op, err.message);
        return false;
    }
    void **data = interpret(t, roots, n_roots, &run_of_tests);
    bool good = true;
    for (int32_t n = 0; n < t->graph->n_nodes; n++) {
        const fig__node *node = &t->graph->nodes[n];
        if (!data[node->first_out] || (node->op->flags & (FIG_OP_LEAF | FIG_OP_VIEW)))
            continue;
        example e;
        for (int i = 0; i < node->n_in; i++)
            e.in[i] = (fig_tensor){ t->graph->values[node->in[i]].type, data[node->in[i]] };
        for (int k = 0; k < node->n_out; k++)
            e.out[k] = (fig_tensor){ t->graph->values[node->first_out + k].type, data[node->first_out + k] };
        for (const fig_kernel *const *kernel = fig__kernels; *kernel; kernel++)
            if (concerns(*kernel, node))
                good = check_kernel(node, *kernel, &e, 1 + number % 2) && good;
        good = good && check_stored(node, &e, 1 + number % 2, number);
    }
    interpret_free(t, data);
    return good;
}

FIG_TEST(kernels_match_references)
{
    int saved;
    fig_error err = { 0 };
    REQUIRE_OK(fig_session_new(&(fig_session_opts){ .threads = 2 }, &kernel_session, &err), err);
    fig__threads_enter(2, &saved);
    for_each(instances_wanted(1), false, 0, check_kernels);
    fig__threads_leave(saved);
    fig_session_free(kernel_session);
}

/* A kernel that no instance reached is a defect of its `accepts`, or of the cases. */
FIG_TEST(every_kernel_has_run)
{
    if (getenv("FIGMENT_TEST_OP") || instances_wanted(1) < ENOUGH_INSTANCES)
        SKIP("fewer instances than usual");
    for (int i = 0; fig__kernels[i]; i++)
        if (!kernel_ran[i] && strcmp(fig__kernels[i]->name, "adam") != 0) /* one program alone: unit/test_kernel_adam.c */
            TEST_FAIL("kernel %s of \"%s\" accepted none of the instances", fig__kernels[i]->name, fig__kernels[i]->op);
}

/* -- decompositions of composites ---------------------------------------------------------------------------------- */

static bool check_node_parts(instance *t, int32_t n)
{
    fig__node node = t->graph->nodes[n]; /* by value: the array grows */
    fig_node in[MAX_OPERANDS], roots[2 * FIG_MAX_OUTPUTS] = { { 0 } };
    fig_error err = { 0 };
    for (int i = 0; i < node.n_in; i++)
        in[i] = (fig_node){ t->graph, node.in[i] };
    for (int i = 0; i < node.n_out; i++)
        roots[node.n_out + i] = (fig_node){ t->graph, node.first_out + i };
    node.op->decompose(&(fig_decompose){
        .graph = t->graph, .n_in = node.n_in, .n_out = node.n_out, .in = in, .attr = node.attr, .out = roots });
    if (fig_graph_check(t->graph, &err) != FIG_OK) {
        TEST_FAIL("%s: decomposition: %s", node.op->name, err.message);
        return false;
    }
    void **data = interpret(t, roots, 2 * node.n_out, &run_of_tests);
    fig_type in_type[MAX_OPERANDS], out_type[FIG_MAX_OUTPUTS];
    for (int i = 0; i < node.n_in; i++)
        in_type[i] = fig_type_of(in[i]);
    for (int i = 0; i < node.n_out; i++)
        out_type[i] = fig_type_of(roots[node.n_out + i]);
    double terms = terms_of(node.op, node.attr, in_type, node.n_in, out_type, node.n_out);
    bool good = true;
    for (int i = 0; i < node.n_out; i++) {
        fig_type type = fig_type_of(roots[node.n_out + i]), found = fig_type_of(roots[i]);
        const void *expected = data[roots[node.n_out + i].id];
        double scale = largest_of(&type, expected);
        for (int k = 0; k < node.n_in; k++)
            scale = fmax(scale, largest_of(&in_type[k], data[in[k].id]));
        limit allowed = { .narrow = rounds_inside(&node), .terms = terms, .scale = scale, .near = 1 + largest_of(&type, expected),
                          .factor = 1 };
        bool same = fig__types_equal(&type, &found);
        double error = same ? error_between(&type, data[roots[i].id], expected, &allowed) : INFINITY;
        if (error > 1) {
            TEST_FAIL("%s: output %d of the decomposition differs from the reference by %.2g of what is allowed",
                      node.op->name, i, error);
            good = false;
        }
    }
    interpret_free(t, data);
    return good;
}

static bool check_parts(instance *t, int number)
{
    (void)number;
    int32_t count = t->graph->n_nodes;
    bool good = true;
    for (int32_t n = 0; n < count; n++)
        if (t->graph->nodes[n].op->decompose)
            good = check_node_parts(t, n) && good;
    return good;
}

FIG_TEST(decompositions_match_references) { for_each(instances_wanted(4), false, 0, check_parts); }

/* -- plans, with and without each pass ----------------------------------------------------------------------------- */

/* The most terms, and the largest value, of everything that was interpreted. */
static limit limit_of_graph(const instance *t, void **data)
{
    limit l = { .terms = 1, .factor = 3 };
    for (int32_t n = 0; n < t->graph->n_nodes; n++) {
        const fig__node *node = &t->graph->nodes[n];
        fig_type in[MAX_OPERANDS], out[FIG_MAX_OUTPUTS];
        if (!data[node->first_out])
            continue;
        for (int i = 0; i < node->n_in; i++)
            in[i] = t->graph->values[node->in[i]].type;
        for (int i = 0; i < node->n_out; i++) {
            out[i] = t->graph->values[node->first_out + i].type;
            l.scale = fmax(l.scale, largest_of(&out[i], data[node->first_out + i]));
        }
        if (!(node->op->flags & (FIG_OP_LEAF | FIG_OP_VIEW)))
            l.terms = fmax(l.terms, terms_of(node->op, node->attr, in, node->n_in, out, node->n_out));
    }
    return l;
}

static bool run_plan(const instance *t, fig_store *store, const fig_node *roots, int n_roots, void **expected,
                     const char *off)
{
    fig_plan *plan = NULL;
    fig_error err = { 0 };
    fig_plan_opts wanted = { .outputs = roots, .n_outputs = n_roots };
    bool good = fig_plan_compile(t->graph, store, &wanted, &plan, &err) == FIG_OK;
    limit allowed = limit_of_graph(t, expected);
    double scale = 0;
    for (int i = 0; i < t->operands; i++)
        scale = fmax(scale, largest_of(&t->operand[i].type, t->operand[i].data));
    for (int i = 0; good && i < t->operands; i++) {
        char name[16];
        snprintf(name, sizeof name, "x%d", i);
        void *place = fig_plan_input(plan, name, NULL);
        if (place)
            memcpy(place, t->operand[i].data, fig__bytes(&t->operand[i].type));
    }
    fig_run_opts opts = { .seed = run_of_tests.seed, .step = run_of_tests.step, .first_row = run_of_tests.first_row };
    good = good && fig_plan_run(plan, &opts, &err) == FIG_OK;
    if (!good)
        TEST_FAIL("%s: plan without \"%s\": %s", t->row->op, off, err.message);
    for (int i = 0; good && i < n_roots; i++) {
        fig_type type;
        const void *found = fig_plan_output(plan, i, &type);
        allowed.near = fmax(scale, largest_of(&type, expected[roots[i].id]));
        double error = error_between(&type, found, expected[roots[i].id], &allowed);
        if (error > 1) {
            TEST_FAIL("%s: plan without \"%s\" differs from the reference loops in value %d by %.2g of what is allowed",
                      t->row->op, off,
                      i, error);
            good = false;
        }
    }
    fig_plan_free(plan);
    return good;
}

/* One session per setting: all passes, none, each one off; and all passes with the reference loops. */
enum { MAX_SETTINGS = 32 };
static struct setting {
    const char *off;
    fig_session *session;
    fig_store *store;
} settings[MAX_SETTINGS];
static int n_settings;

static void add_setting(const char *off, bool reference)
{
    struct setting *s = &settings[n_settings++];
    fig_error err = { 0 };
    s->off = off;
    fig_session_opts opts = { .threads = 2, .reference_kernels = reference, .passes_off = off };
    CHECK_OK(fig_session_new(&opts, &s->session, &err), err);
    CHECK_OK(fig_store_new(s->session, &s->store, &err), err);
}

static bool check_passes(instance *t, int number)
{
    fig_node roots[2 * MAX_OPERANDS], wrt[MAX_OPERANDS], outs[MAX_OPERANDS], weight[MAX_OPERANDS];
    (void)number;
    int n_roots = t->results, n_wrt = real_operands(t, wrt);
    memcpy(roots, t->result, sizeof *roots * (size_t)n_roots);
    int n = weigh(t, t->result, t->results, outs, weight);
    differentiate(t, outs, weight, n, wrt, n_wrt, roots + n_roots);
    n_roots += n_wrt;
    void **data = interpret(t, roots, n_roots, &run_of_tests);
    bool good = true;
    for (int i = 0; i < n_settings; i++)
        good = run_plan(t, settings[i].store, roots, n_roots, data, settings[i].off) && good;
    interpret_free(t, data);
    return good;
}

FIG_TEST(passes_keep_values)
{
    add_setting("", false);
    add_setting("", true);
    add_setting("all", false);
    for (const fig__pass *pass = fig__pipeline; pass->name && n_settings < MAX_SETTINGS; pass++)
        add_setting(pass->name, false);
    for_each(instances_wanted(10), false, ONLY_BY_PASS, check_passes);
    while (n_settings) {
        struct setting *s = &settings[--n_settings];
        fig_store_free(s->store);
        fig_session_free(s->session);
    }
}

/* -- nothing without a case ---------------------------------------------------------------------------------------- */

static bool mentions(const instance *t, const char *op)
{
    for (int32_t n = 0; n < t->graph->n_nodes; n++)
        if (strcmp(t->graph->nodes[n].op->name, op) == 0)
            return true;
    return false;
}

static bool check_mentioned(instance *t, int number)
{
    (void)number;
    if (mentions(t, t->row->op))
        return true;
    TEST_FAIL("the case of \"%s\" makes no such node", t->row->op);
    return false;
}

FIG_TEST(every_op_has_a_case)
{
    for (const fig_op *const *op = fig__ops; *op; op++) {
        bool found = ((*op)->flags & FIG_OP_LEAF) != 0;
        for (const op_case *const *family = all_cases; *family && !found; family++)
            for (const op_case *row = *family; row->op && !found; row++)
                found = strcmp(row->op, (*op)->name) == 0;
        if (!found)
            TEST_FAIL("\"%s\" has no row in tests/ops/case_*.c; see tests/ops/cases.h", (*op)->name);
    }
    for_each(1, true, 0, check_mentioned);
}

FIG_TEST_MAIN
