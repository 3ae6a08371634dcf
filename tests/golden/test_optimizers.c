/* test_optimizers.c - every optimizer follows the same gradients to the same weights as an independent implementation,
 * and the plan with all passes gives the same as without any */
#include "test.h"
#include "train/optimizer.h"
#include "train/settings.h"
#include <figment/plan.h>

enum { N = 6, STEPS = 20, KEPT = 4 };
static const int kept[KEPT] = { 1, 2, 10, 20 };
typedef struct golden {
    const char *optimizer, *settings;
    double weight[KEPT][N];
} golden;
static const golden cases[] = {
#include "optimizers.inc"
};

static void read_options(const golden *c, fig__phase_options *o)
{
    fig__arena *arena = fig__arena_new();
    fig_options_defaults(fig__phase_options_table, o);
    const char *at = c->settings, *key, *text;
    while (fig__settings_next(&at, arena, &key, &text, NULL) == FIG_OK && key)
        CHECK(fig_options_set(fig__phase_options_table, o, key, text, NULL) == FIG_OK);
    CHECK(fig_options_set(fig__phase_options_table, o, "optimizer", c->optimizer, NULL) == FIG_OK);
    fig__arena_free(arena);
}

static void follow(const golden *c, const char *passes_off)
{
    fig_error err = { 0 };
    fig__phase_options o;
    read_options(c, &o);
    const fig__optimizer *optimizer = fig__optimizers[o.optimizer];
    fig_session *session;
    fig_store *store;
    REQUIRE_OK(fig_session_new(&(fig_session_opts){ .threads = 1, .passes_off = passes_off }, &session, &err), err);
    REQUIRE_OK(fig_store_new(session, &store, &err), err);
    fig_graph *g = fig_graph_new();
    fig_type type = FIG_SHAPE(2, 3);
    fig__update u = { .options = &o, .graph = g, .decays = o.weight_decay > 0 };
    u.weight = fig_state(g, "w", type);
    u.gradient = fig_input(g, "g", type);
    fig_store_add(store, "w", &type, FIG_TRAINED, &err);
    int states = 0;
    while (optimizer->state[states])
        states++;
    states = optimizer->states ? optimizer->states(&o) : states;
    fig_node leaf[FIG__OPTIMIZER_STATES];
    for (int i = 0; i < states; i++) {
        leaf[i] = u.state[i] = fig_state(g, optimizer->state[i], type);
        fig_store_add(store, optimizer->state[i], &type, 0, &err);
    }
    for (int i = 0; optimizer->scalar[i]; i++)
        u.scalar[i] = fig_scalar(g, optimizer->scalar[i], 0);
    fig_assign(u.weight, optimizer->update(&u));
    for (int i = 0; i < states; i++)
        fig_assign(leaf[i], u.state[i]);
    fig_plan *plan;
    REQUIRE_OK(fig_plan_compile(g, store, NULL, &plan, &err), err);
    float *w = fig_store_data(store, fig_store_find(store, "w")), *gradient = fig_plan_input(plan, "g", NULL);
    for (int i = 0; i < N; i++)
        w[i] = (float)(0.1 * (i - 2.5));
    for (int t = 0, k = 0; t < STEPS; t++) {
        double scalar[FIG__OPTIMIZER_SCALARS] = { 0 };
        for (int i = 0; i < N; i++)
            gradient[i] = (float)(sin(1.7 * (t + 1) + 0.9 * i) * (1 + 0.1 * t));
        optimizer->set(&o, o.lr, t + 1, scalar);
        for (int i = 0; optimizer->scalar[i]; i++)
            fig_plan_set_scalar(plan, optimizer->scalar[i], (float)scalar[i]);
        REQUIRE_OK(fig_plan_run(plan, NULL, &err), err);
        if (t + 1 != kept[k])
            continue;
        for (int i = 0; i < N; i++)
            CHECK_NEAR(w[i], c->weight[k][i], 2e-6);
        k++;
    }
    fig_plan_free(plan);
    fig_graph_free(g);
    fig_store_free(store);
    fig_session_free(session);
}

FIG_TEST(trajectories)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        follow(&cases[i], NULL);
}

FIG_TEST(trajectories_without_passes)
{
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        follow(&cases[i], "all");
}

FIG_TEST_MAIN
