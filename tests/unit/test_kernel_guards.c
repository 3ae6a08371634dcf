/* test_kernel_guards.c - do library convolutions stay within their memory?
 *
 * The library was seen to write beyond what it had asked for, for some shapes, which src/kernels/onednn_convolution.c refuses since.
 * Here random convolutions, data and weight gradients that the kernels accept, in f32 and bf16, run between guard bytes: before
 * and behind the workspace and the result. What they compute is checked elsewhere (test_ops). FIGMENT_TEST_CASES: how many. */
#include "graph/graph.h"
#include "kernels/kernel.h"
#include "test.h"

#include <stdlib.h>

enum { GUARD = 8192, MARK = 0x5a, CASES = 60 };

static fig__rng rng;

static int64_t between(int64_t low, int64_t high) { return low + (int64_t)fig__rng_below(&rng, (uint64_t)(high - low + 1)); }
static bool chance(double p) { return fig__rng_uniform(&rng) < p; }

/* `bytes` between two guards. */
static void *guarded(size_t bytes)
{
    size_t whole = (bytes + 63) / 64 * 64 + 2 * GUARD;
    char *base = aligned_alloc(64, whole);
    memset(base, MARK, whole);
    return base + GUARD;
}

static bool untouched(const void *block, size_t bytes)
{
    const unsigned char *at = block;
    for (size_t i = 1; i <= GUARD; i++)
        if (at[-(ptrdiff_t)i] != MARK)
            return false;
    for (size_t i = bytes; i < (bytes + 63) / 64 * 64 + GUARD; i++)
        if (at[i] != MARK)
            return false;
    return true;
}

static void unguard(void *block)
{
    if (block)
        free((char *)block - GUARD);
}

static void fill(const fig_type *type, void *data)
{
    for (int64_t i = 0; i < fig__count(type); i++) {
        uint32_t bits = (uint32_t)fig__rng_next(&rng);
        if (type->dtype == FIG_BF16)
            ((uint16_t *)data)[i] = (uint16_t)(0x3e00u | (bits & 0x81ffu));
        else
            ((float *)data)[i] = (float)(int32_t)bits * (1.0f / 2147483648.0f);
    }
}

/* Whether it ran. */
static bool run_guarded(const fig_kernel_query *q, const fig_kernel *kernel)
{
    void *prepared = NULL, *workspace = NULL;
    size_t bytes = 0;
    fig_error err = { 0 };
    if (kernel->prepare(q, &prepared, &bytes, &err) != FIG_OK)
        return false; /* refused: another kernel takes the node */
    fig_tensor in[4], out[1] = { { q->out[0], guarded(fig__bytes(&q->out[0])) } };
    workspace = bytes ? guarded(bytes) : NULL;
    for (int i = 0; i < q->n_in; i++) {
        in[i] = (fig_tensor){ q->in[i], guarded(fig__bytes(&q->in[i])) };
        fill(&in[i].type, in[i].data);
    }
    fig_run run = { .seed = 1, .threads = q->threads };
    fig_eval eval = { q->n_in, 1, in, out, q->attr, &run, workspace, prepared };
    int saved;
    fig__threads_enter(q->threads, &saved);
    kernel->run(&eval);
    kernel->run(&eval);
    fig__threads_leave(saved);
    bool good = untouched(out[0].data, fig__bytes(&q->out[0])) && (!workspace || untouched(workspace, bytes));
    for (int i = 0; i < q->n_in; i++) {
        good = good && untouched(in[i].data, fig__bytes(&q->in[i]));
        unguard(in[i].data);
    }
    if (!good) {
        char text[3][128];
        for (int i = 0; i < 3; i++)
            fig__type_text(i < 2 ? &q->in[i] : &q->out[0], text[i]);
        TEST_FAIL("%s of %s, %d threads: wrote beyond its memory: %s, %s -> %s", kernel->name, q->op->name, q->threads, text[0], text[1],
                  text[2]);
    }
    unguard(out[0].data);
    unguard(workspace);
    if (kernel->release)
        kernel->release(prepared);
    return true;
}

static int try_node(const fig_graph *g, const fig__node *node, bool narrow, int threads)
{
    fig_type in[4], out = g->values[node->first_out].type;
    int runs = 0;
    for (int i = 0; i < node->n_in; i++) {
        in[i] = g->values[node->in[i]].type;
        in[i].dtype = narrow ? FIG_BF16 : FIG_F32;
    }
    out.dtype = narrow && node->op != &fig_op_convolution_weight_gradient ? FIG_BF16 : FIG_F32;
    fig_kernel_query q = {
        .op = node->op, .n_in = node->n_in, .n_out = 1, .in = in, .out = &out, .attr = node->attr, .threads = threads
    };
    for (int k = 0; fig__kernels[k]; k++)
        if (fig__starts_with(fig__kernels[k]->name, "onednn_convolution") && !strcmp(fig__kernels[k]->op, node->op->name) &&
            (!narrow || fig__kernels[k]->bf16) && (fig__kernel_accepts(fig__kernels[k], &q) || fig__kernel_competes(fig__kernels[k], &q)))
            runs += run_guarded(&q, fig__kernels[k]);
    return runs;
}

/* Sizes as networks have them, and odd ones; some along one axis. */
static fig_node make(fig_graph *g)
{
    bool line = chance(0.25);
    int64_t kernel = between(1, 5), groups = chance(0.15) ? between(2, 4) : 1;
    int64_t side = between(kernel, chance(0.2) ? 40 : 18), channels = groups * (chance(0.4) ? between(1, 7) : 8 * between(1, 8)),
            outputs = groups * (chance(0.4) ? between(1, 7) : 8 * between(1, 8));
    int64_t height = line ? 1 : side, down = line ? 1 : kernel;
    fig_node x = fig_input(g, "x", FIG_SHAPE(between(1, 9), height, line ? 4 * side : side, channels));
    fig_node w = fig_input(g, "w", FIG_SHAPE(outputs, down, kernel, channels / groups));
    int stride = (int)between(1, 2);
    fig_conv_opts opts = { .stride = { line ? 1 : stride, stride }, .groups = (int)groups };
    for (int a = 0; a < 2; a++) {
        int64_t most = (a == 0 ? down : kernel) - 1;
        opts.before[a] = (int)between(0, most);
        opts.after[a] = (int)between(0, most);
    }
    return fig_convolution(x, w, &opts);
}

FIG_TEST(library_convolutions_stay_within_their_memory)
{
    const char *text = getenv("FIGMENT_TEST_CASES");
    int count = text ? atoi(text) : CASES, first = getenv("FIGMENT_TEST_FIRST") ? atoi(getenv("FIGMENT_TEST_FIRST")) : 0, runs = 0;
    for (int number = first; number < first + count; number++) {
        rng = (fig__rng){ fig__hash64(&number, sizeof number, 77) };
        fig_graph *g = fig_graph_new();
        fig_error err = { 0 };
        fig_node y = make(g), back[2];
        fig_node wrt[2] = { { g, fig__find_leaf(g, &fig_op_input, "x") }, { g, fig__find_leaf(g, &fig_op_input, "w") } };
        if (fig_graph_check(g, &err) == FIG_OK) {
            fig_gradients_from(y, fig_input(g, "d", fig_type_of(y)), wrt, 2, back);
            for (int32_t n = 0; n < g->n_nodes; n++)
                if (fig__starts_with(g->nodes[n].op->name, "convolution"))
                    for (int variant = 0; variant < 4; variant++)
                        runs += try_node(g, &g->nodes[n], variant / 2, 1 + variant % 2);
        } else {
            TEST_FAIL("case %d: %s", number, err.message);
        }
        fig_graph_free(g);
    }
    if (!fig__machine_get()->avx2 || runs == 0)
        SKIP("the library takes no convolutions on this processor");
    CHECK(count < CASES || runs > 2 * count);
}

FIG_TEST_MAIN
