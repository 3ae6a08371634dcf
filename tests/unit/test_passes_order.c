/* test_passes_order.c - the order of running: memory, early updates, old content read before it is replaced; and
 * packing */
#include "pass_rig.h"

static uint64_t live_bytes(fig_graph *g, const fig_node *outputs, int n, fig_store *store, const char *off)
{
    fig_session *session = NULL;
    fig_store *own = NULL;
    fig_plan *plan = NULL;
    fig_error err = {0};
    fig_session_new(&(fig_session_opts){.threads = 1, .passes_off = off}, &session, &err);
    fig_store_new(session, &own, &err);
    for (int i = 0; i < fig_store_count(store); i++)
        fig_store_add(own, fig_store_name(store, i), fig_store_type(store, i), 0, &err);
    CHECK_OK(fig_plan_compile(g, own, &(fig_plan_opts){ .outputs = outputs, .n_outputs = n, .dry = true }, &plan, &err),
             err);
    uint64_t bytes = plan ? fig_plan_get_info(plan).live_bytes : 0;
    fig_plan_free(plan);
    fig_store_free(own);
    fig_session_free(session);
    return bytes;
}

/* Layers wide enough that a weight's gradient is much larger than an activation. */
static fig_node train_network(pass_rig *r, int layers)
{
    fig_node h = rig_input(r, FIG_SHAPE(4, 64)), w[16], d[16];
    for (int i = 0; i < layers; i++) {
        char name[8];
        snprintf(name, sizeof name, "w%d", i);
        w[i] = rig_state(r, name, FIG_SHAPE(64, 64));
        h = fig_tanh(fig_scale(fig_matmul(h, w[i], &(fig_matmul_opts){.transpose_b = true}), 0.02f));
    }
    fig_node loss = fig_mean(fig_square(h), NULL);
    fig_gradients(loss, w, layers, d);
    for (int i = 0; i < layers; i++)
        fig_assign(w[i], fig_sub(w[i], fig_scale(d[i], 0.1f)));
    return loss;
}

/* Place in the order of the node that makes the new value of a state. */
static int update_of(const fig_plan *plan, const char *state)
{
    const fig_graph *g = plan->graph;
    int32_t leaf = fig__find_leaf(g, &fig_op_state, state);
    for (int i = 0; i < g->n_assigns; i++)
        if (g->assigns[i].state == leaf)
            return g->values[check_root(g, g->assigns[i].value)].node;
    return -1;
}

FIG_TEST(weights_are_updated_as_soon_as_their_gradient_is_there)
{
    pass_rig r = rig_begin(NULL);
    rig_output(&r, train_network(&r, 8));
    if (rig_compile(&r)) {
        CHECK_INT(r.plan->n_copies, 0);
        for (int i = 0; i < 7; i++) { /* from the last layer to the first */
            char earlier[8], later[8];
            snprintf(earlier, sizeof earlier, "w%d", i + 1);
            snprintf(later, sizeof later, "w%d", i);
            CHECK(update_of(r.plan, earlier) < update_of(r.plan, later));
        }
        /* one gradient lives at a time, not eight */
        CHECK(fig_plan_get_info(r.plan).live_bytes < 4 * 64 * 64 * sizeof(float));
    }
    uint64_t ordered = live_bytes(r.graph, r.output, 1, r.store, ""),
             built = live_bytes(r.graph, r.output, 1, r.store, "order");
    CHECK(ordered < built);
    rig_end(&r);
}

FIG_TEST(branches_run_one_after_the_other)
{
    pass_rig r = rig_begin(NULL);
    fig_node x = rig_input(&r, FIG_SHAPE(64, 8)), y[12];
    for (int i = 0; i < 12; i++)
        y[i] = fig_matmul(x, rig_input(&r, FIG_SHAPE(8, 64)), NULL); /* all big ones first ... */
    for (int i = 0; i < 12; i++)
        rig_output(&r, fig_reduce_max(y[i], NULL));                   /* ... as it was built */
    if (rig_compile(&r)) /* inputs, one product and its workspaces */
        CHECK(fig_plan_get_info(r.plan).live_bytes <= r.plan->fixed_bytes + 2 * 64 * 64 * sizeof(float));
    rig_end(&r);
}

FIG_TEST(never_more_memory_than_in_the_order_of_building)
{
    for (int kind = 0; kind < 3; kind++) {
        pass_rig r = rig_begin(NULL);
        fig_node x = rig_input(&r, FIG_SHAPE(2, 8, 8, 4)), w, d, y = x;
        if (kind == 0) {
            rig_output(&r, train_network(&r, 5));
        } else if (kind == 1) { /* residual convolutions */
            for (int i = 0; i < 4; i++) {
                char name[8];
                snprintf(name, sizeof name, "k%d", i);
                w = rig_state(&r, name, FIG_SHAPE(4, 3, 3, 4));
                y = fig_add(y, fig_relu(fig_convolution(y, w, &(fig_conv_opts){.before = {FIG_PAD_SAME}})));
            }
            rig_output(&r, fig_mean(y, NULL));
            fig_gradients(r.output[0], &w, 1, &d);
            fig_assign(w, fig_sub(w, d));
        } else { /* attention and a penalty on the gradient */
            fig_node rows = fig_reshape(x, FIG_SHAPE(8, 16, 4));
            fig_node a = fig_softmax(fig_matmul(rows, rows, &(fig_matmul_opts){.transpose_b = true}));
            fig_gradients(fig_mean(fig_tanh(fig_matmul(a, rows, NULL)), NULL), &x, 1, &d);
            rig_output(&r, fig_mean(fig_square(d), NULL));
        }
        uint64_t ordered = live_bytes(r.graph, r.output, r.n_outputs, r.store, "");
        CHECK(ordered <= live_bytes(r.graph, r.output, r.n_outputs, r.store, "order"));
        rig_end(&r);
    }
}

/* The reader of the old content is built after the new value, and reads it through a view. */
FIG_TEST(old_content_is_read_before_it_is_replaced)
{
    pass_rig r = rig_begin(NULL);
    fig_node s = rig_state(&r, "s", FIG_SHAPE(4, 6)), x = rig_input(&r, FIG_SHAPE(4, 6));
    fig_assign(s, fig_tanh(fig_add(s, x)));
    rig_output(&r, fig_matmul(fig_reshape(s, FIG_SHAPE(6, 4)), x, NULL));
    if (rig_compile(&r))
        CHECK_INT(r.plan->n_copies, 0);
    rig_end(&r);
}

/* A reader needs the old and the new content: the new one cannot be in place, and is copied at the end. */
FIG_TEST(a_reader_of_old_and_new_gets_both)
{
    pass_rig r = rig_begin(NULL);
    fig_node s = rig_state(&r, "s", FIG_SHAPE(5, 5)), fresh = fig_matmul(s, rig_input(&r, FIG_SHAPE(5, 5)), NULL);
    fig_assign(s, fig_scale(fresh, 0.1f));
    rig_output(&r, fig_matmul(fig_scale(fresh, 0.1f), s, NULL));
    CHECK(rig_compile(&r));
    rig_end(&r);
}

/* -- packing ------------------------------------------------------------------------------------------------------- */

static void check_packed(const fig__lifetime *life, int count, uint64_t total)
{
    for (int i = 0; i < count; i++) {
        CHECK_INT(life[i].offset % 64, 0);
        CHECK(life[i].offset + life[i].bytes <= total);
        for (int j = 0; j < i; j++)
            if (life[i].first <= life[j].last && life[j].first <= life[i].last)
                CHECK(life[i].offset >= life[j].offset + life[j].bytes ||
                      life[j].offset >= life[i].offset + life[i].bytes);
    }
    CHECK(total >= fig__live_bound(life, count));
}

FIG_TEST(lifetimes_that_meet_never_share_memory)
{
    fig__rng rng = {3};
    double total = 0, bound = 0;
    for (int round = 0; round < 200; round++) {
        fig__lifetime life[60];
        int count = (int)fig__rng_below(&rng, 60);
        for (int i = 0; i < count; i++) {
            int first = (int)fig__rng_below(&rng, 40);
            life[i] = (fig__lifetime){.bytes = 1 + fig__rng_below(&rng, 3000), .first = first,
                                      .last = first + (int)fig__rng_below(&rng, round % 2 ? 5 : 30)};
        }
        uint64_t packed = fig__pack(life, count);
        check_packed(life, count, packed);
        total += (double)packed;
        bound += (double)fig__live_bound(life, count);
    }
    CHECK(total < 1.15 * bound);
    CHECK_INT(fig__pack(NULL, 0), 0);
}

/* -- a step of a large network ------------------------------------------------------------------------------------- */

/* Thousands of nodes: compiling must not take seconds (there is no clock here; the run's time limit is what would
 * tell). */
FIG_TEST(a_graph_of_thousands_of_nodes)
{
    pass_rig r = rig_begin(NULL);
    fig_node h = rig_input(&r, FIG_SHAPE(2, 4)), w = rig_state(&r, "w", FIG_SHAPE(4, 4)), d;
    for (int i = 0; i < 2000; i++)
        h = fig_tanh(fig_add(fig_matmul(h, fig_scale(w, 0.3f), NULL), rig_input(&r, FIG_SHAPE(4))));
    fig_node loss = fig_mean(fig_square(h), NULL);
    fig_gradients(loss, &w, 1, &d);
    fig_assign(w, fig_sub(w, fig_scale(d, 0.1f)));
    rig_output(&r, loss);
    CHECK(fig_type_of(d).rank == 2 && r.graph->n_nodes > 15000);
    r.plan = rig_compile_one(&r, r.store);
    REQUIRE(r.plan);
    CHECK(check_plan_layout(r.plan));
    CHECK_OK(fig_plan_run(r.plan, NULL, &r.err), r.err);
    rig_end(&r);
}

FIG_TEST_MAIN
