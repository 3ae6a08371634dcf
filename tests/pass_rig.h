/* tests/pass_rig.h - a small graph compiled with some passes only: what has become of it, and does it still compute
 * the same? */
#ifndef PASS_RIG_H
#define PASS_RIG_H

#include "exec/exec.h"
#include "passes/pass.h"
#include "plan_check.h"
#include "test.h"
#include <figment/figment.h>

enum { RIG_MAX = 64 };

typedef struct pass_rig {
    fig_graph *graph;
    fig_session *session, *plain; /* with the passes; without any */
    fig_store *store, *plain_store;
    fig_plan *plan, *plain_plan;
    fig_node output[RIG_MAX];
    int n_outputs, n_inputs;
    fig_error err;
} pass_rig;

/* Only the passes named (NULL: all). */
static inline pass_rig rig_begin(const char *passes)
{
    pass_rig r = {.graph = fig_graph_new()};
    char off[256] = "";
    for (const fig__pass *pass = fig__pipeline; passes && pass->name; pass++)
        if (!strstr(passes, pass->name))
            strcat(strcat(off, pass->name), " ");
    fig_session_new(&(fig_session_opts){.threads = 1, .passes_off = off}, &r.session, &r.err);
    fig_session_new(&(fig_session_opts){ .threads = 1, .passes_off = "all", .reference_kernels = true }, &r.plain,
                    &r.err);
    fig_store_new(r.session, &r.store, &r.err);
    fig_store_new(r.plain, &r.plain_store, &r.err);
    return r;
}

static inline fig_node rig_input(pass_rig *r, fig_type type)
{
    char name[16];
    snprintf(name, sizeof name, "x%d", r->n_inputs++);
    return fig_input(r->graph, name, type);
}

static inline void rig_fill(float *data, int64_t n, uint64_t seed)
{
    fig__rng rng = {seed};
    for (int64_t i = 0; i < n; i++)
        data[i] = (float)(0.2 + fig__rng_uniform(&rng));
}

static inline fig_node rig_state(pass_rig *r, const char *name, fig_type type)
{
    fig_store *stores[] = {r->store, r->plain_store};
    for (int k = 0; k < 2; k++) {
        fig_store_add(stores[k], name, &type, 0, &r->err);
        rig_fill(fig_store_data(stores[k], fig_store_find(stores[k], name)), fig__count(&type),
                 fig__hash64(name, strlen(name), 1));
    }
    return fig_state(r->graph, name, type);
}

static inline void rig_output(pass_rig *r, fig_node x) { r->output[r->n_outputs++] = x; }

static inline fig_plan *rig_compile_one(pass_rig *r, fig_store *store)
{
    fig_plan *plan = NULL;
    CHECK_OK(fig_plan_compile(r->graph, store, &(fig_plan_opts){ .outputs = r->output, .n_outputs = r->n_outputs },
                              &plan, &r->err),
             r->err);
    return plan;
}

static inline bool rig_equal(const float *a, const float *b, int64_t n)
{
    for (int64_t i = 0; i < n; i++)
        if (!(fabs((double)a[i] - (double)b[i]) <= 2e-5 * (1 + fabs((double)b[i]))))
            return false;
    return true;
}

/* Compiles both, runs both on the same numbers twice, compares outputs and states, and checks the layout. */
static inline bool rig_compile(pass_rig *r)
{
    r->plan = rig_compile_one(r, r->store);
    r->plain_plan = rig_compile_one(r, r->plain_store);
    if (!r->plan || !r->plain_plan)
        return false;
    check_plan_layout(r->plan);
    fig_plan *plans[] = {r->plan, r->plain_plan};
    for (int run = 0; run < 2; run++) {
        for (int k = 0; k < 2; k++) {
            for (int i = 0; i < r->n_inputs; i++) {
                char name[16];
                fig_type type;
                snprintf(name, sizeof name, "x%d", i);
                float *data = fig_plan_input(plans[k], name, &type);
                if (data)
                    rig_fill(data, fig__count(&type), (uint64_t)(100 * run + i));
            }
            CHECK_OK(fig_plan_run(plans[k], &(fig_run_opts){.seed = 3, .step = (uint64_t)run}, &r->err), r->err);
        }
        for (int i = 0; i < r->n_outputs; i++) {
            fig_type type;
            const float *found = fig_plan_output(r->plan, i, &type);
            if (type.dtype == FIG_F32 && !rig_equal(found, fig_plan_output(r->plain_plan, i, NULL), fig__count(&type)))
                TEST_FAIL("output %d differs in run %d", i, run);
        }
        for (int i = 0; i < fig_store_count(r->store); i++)
            if (!rig_equal(fig_store_data(r->store, i), fig_store_data(r->plain_store, i),
                           fig__count(fig_store_type(r->store, i))))
                TEST_FAIL("state %s differs in run %d", fig_store_name(r->store, i), run);
    }
    return true;
}

/* Nodes of an op in the compiled graph; NULL: all that compute something (no leaves, views, constants). */
static inline int rig_count(const pass_rig *r, const char *op)
{
    int count = 0;
    const fig_graph *g = r->plan->graph;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig_op *found = g->nodes[n].op;
        count += op ? !strcmp(found->name, op) : !(found->flags & (FIG_OP_LEAF | FIG_OP_VIEW | FIG_OP_CONSTANT));
    }
    return count;
}

static inline const fig_fused_program *rig_program(const pass_rig *r, int index)
{
    const fig_graph *g = r->plan->graph;
    for (int32_t n = 0; n < g->n_nodes; n++)
        if (g->nodes[n].op == &fig_op_fused && index-- == 0)
            return ((const fig_fused_attr *)g->nodes[n].attr)->program;
    return NULL;
}

static inline void rig_end(pass_rig *r)
{
    fig_plan_free(r->plan);
    fig_plan_free(r->plain_plan);
    fig_graph_free(r->graph);
    fig_store_free(r->store);
    fig_store_free(r->plain_store);
    fig_session_free(r->session);
    fig_session_free(r->plain);
}

#endif
