/* test_recurrent.c - recurrent layers and their gradients against numbers of an independent implementation
 *
 * recurrent.inc holds, per case, the output, the final states and the gradients of everything; make_recurrent.py made it and says
 * how. Each case runs with the plain reference loops and with the kernels that this machine would choose. */
#include "nn_rig.h"

typedef struct recurrent_case {
    int kind;
    int64_t batch, steps, in, units;
    bool reverse, before;
    const float *y, *final[2], *gradient[6];
} recurrent_case;

#include "recurrent.inc"

/* The value that make_recurrent.py gives to element `index` of operand `seed`. */
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

static void numbers(float *x, int64_t n, uint32_t seed)
{
    for (int64_t i = 0; x && i < n; i++)
        x[i] = number(seed, (uint32_t)i);
}

static fig_node constant(fig_graph *g, fig_type type, uint32_t seed)
{
    float *x = malloc(sizeof(float) * (size_t)fig_elements(&type));
    numbers(x, fig_elements(&type), seed);
    fig_node node = fig_constant_data(g, type, x);
    free(x);
    return node;
}

typedef struct built {
    const recurrent_case *c;
    fig_node out[9]; /* y, finals, gradients */
    int finals, gradients;
} built;

static fig_status build(fig_model *model, void *user, fig_error *err)
{
    static fig_node (*const kinds[])(fig_node, int64_t, const fig_recurrent_opts *) = { fig_rnn, fig_lstm, fig_gru };
    built *b = user;
    const recurrent_case *c = b->c;
    fig_graph *g = fig_model_graph(model);
    (void)err;
    fig_type state_type = FIG_SHAPE(c->batch, c->units);
    fig_node x = fig_input(g, "x", FIG_SHAPE(c->batch, c->steps, c->in)), final[2];
    fig_node state[2] = { fig_input(g, "h", state_type) };
    if (c->kind == FIG_CELL_LSTM)
        state[1] = fig_input(g, "c", state_type);
    fig_node y = kinds[c->kind](x, c->units, &(fig_recurrent_opts){ .state = state, .final = final, .reverse = c->reverse,
                                                                   .reset_before = c->before, .label = "net" });
    b->finals = c->kind == FIG_CELL_LSTM ? 2 : 1;
    fig_node loss = fig_sum(fig_mul(y, constant(g, fig_type_of(y), 7)), NULL);
    b->out[0] = y;
    for (int i = 0; i < b->finals; i++) {
        b->out[1 + i] = final[i];
        loss = fig_add(loss, fig_sum(fig_mul(final[i], constant(g, state_type, 8 + (uint32_t)i)), NULL));
    }
    int64_t gates = fig_dim(fig_state(g, "net.recurrent.weight", FIG_SHAPE((int64_t[]){ 1, 4, 3 }[c->kind] * c->units, c->units)), 0);
    fig_node wrt[6] = { x, fig_state(g, "net.input.weight", FIG_SHAPE(gates, c->in)),
                        fig_state(g, "net.recurrent.weight", FIG_SHAPE(gates, c->units)),
                        fig_state(g, "net.input.bias", FIG_SHAPE(gates)), state[0] };
    b->gradients = c->kind == FIG_CELL_TANH ? 5 : 6;
    if (c->kind == FIG_CELL_GRU)
        wrt[5] = fig_state(g, "net.recurrent.bias", FIG_SHAPE(c->units));
    if (c->kind == FIG_CELL_LSTM)
        wrt[5] = state[1];
    fig_gradients(loss, wrt, b->gradients, b->out + 1 + b->finals);
    return FIG_OK;
}

static void compare(const char *what, int number, const float *found, const float *expected, const fig_type *type)
{
    for (int64_t i = 0; i < fig_elements(type); i++) {
        double error = fabs((double)found[i] - (double)expected[i]);
        if (error <= 2e-5 * (1.0 + fabs((double)expected[i])))
            continue;
        TEST_FAIL("%s %d: element %lld is %.9g, expected %.9g", what, number, (long long)i, (double)found[i], (double)expected[i]);
        return;
    }
}

static void run_case(const recurrent_case *c, bool reference)
{
    built b = { .c = c };
    nn_network network = { build, &b };
    nn_rig r;
    if (reference)
        setenv("FIGMENT_KERNELS", "reference", 1);
    bool good = nn_begin(&r, &network, FIG_FOR_EVALUATION, c->batch);
    unsetenv("FIGMENT_KERNELS");
    int outputs = 1 + b.finals + b.gradients;
    if (!good)
        TEST_FAIL("building: %s", r.err.message);
    else if (nn_compile(&r, b.out, outputs)) {
        fig_type state_type = FIG_SHAPE(c->batch, c->units);
        static const char *const states[] = { "net.input.weight", "net.recurrent.weight", "net.input.bias", "net.recurrent.bias" };
        static const uint32_t seeds[] = { 2, 3, 4, 6 };
        numbers(nn_input(&r, "x"), c->batch * c->steps * c->in, 1);
        numbers(nn_input(&r, "h"), fig_elements(&state_type), 5);
        numbers(nn_input(&r, "c"), fig_elements(&state_type), 6);
        for (int i = 0; i < (c->kind == FIG_CELL_GRU ? 4 : 3); i++)
            numbers(nn_state(&r, states[i]), fig_elements(fig_store_type(r.store, fig_store_find(r.store, states[i]))), seeds[i]);
        nn_run(&r, 0);
        for (int i = 0; i < outputs; i++) {
            fig_type type;
            const float *found = fig_plan_output(r.plan, i, &type);
            const float *expected = i == 0 ? c->y : i <= b.finals ? c->final[i - 1] : c->gradient[i - 1 - b.finals];
            compare(i == 0 ? "output" : i <= b.finals ? "final state" : "gradient", i, found, expected, &type);
        }
    }
    nn_end(&r);
}

FIG_TEST(layers_agree_by_kernels)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&cases[i], false);
}

FIG_TEST(layers_agree_by_reference_loops)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++)
        run_case(&cases[i], true);
}

/* -- what the numbers above cannot show ------------------------------------------------------------------------------------ */

static void one_layer(fig_graph *g, fig_cell cell, int64_t batch, int64_t width, fig_node out[3])
{
    int64_t gates = (int64_t[]){ 1, 4, 3 }[cell] * width;
    fig_node x = fig_input(g, "x", FIG_SHAPE(batch, 5, gates)), w = fig_input(g, "w", FIG_SHAPE(gates, width));
    fig_node state[2] = { fig_full(g, FIG_SHAPE(batch, width), 0), fig_full(g, FIG_SHAPE(batch, width), 0) };
    fig_node y = fig_recurrent(cell, x, w, state, cell == FIG_CELL_GRU ? fig_full(g, FIG_SHAPE(width), 0.1f) : FIG_NONE, NULL);
    fig_node wrt[2] = { x, w };
    out[0] = y;
    fig_gradients(fig_sum(fig_square(y), NULL), wrt, 2, out + 1);
}

/* Sums are made in the same order however rows and units are shared among threads: 100 rows are split by rows, 3 by units. */
FIG_TEST(threads_change_no_bit_of_the_states)
{
    for (int cell = 0; cell < 3; cell++)
        for (int64_t batch = 3; batch <= 100; batch += 97) {
            float *result[2];
            size_t bytes = 0;
            for (int threads = 1; threads <= 2; threads++) {
                fig_error err = { 0 };
                fig_session *session = NULL;
                fig_store *store = NULL;
                fig_plan *plan = NULL;
                fig_graph *g = fig_graph_new();
                fig_node out[3];
                one_layer(g, (fig_cell)cell, batch, 150, out);
                CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = threads }, &session, &err), err);
                CHECK_OK(fig_store_new(session, &store, &err), err);
                fig_status status = fig_plan_compile(g, store, &(fig_plan_opts){ .outputs = out, .n_outputs = 2 }, &plan, &err);
                CHECK_OK(status, err);
                fig_type type;
                float *x = fig_plan_input(plan, "x", &type), *w;
                for (int64_t i = 0; i < fig_elements(&type); i++)
                    x[i] = number(1, (uint32_t)i);
                w = fig_plan_input(plan, "w", &type);
                for (int64_t i = 0; i < fig_elements(&type); i++)
                    w[i] = 0.2f * number(2, (uint32_t)i);
                CHECK_OK(fig_plan_run(plan, NULL, &err), err);
                const float *dx = fig_plan_output(plan, 1, &type);
                bytes = sizeof(float) * (size_t)fig_elements(&type);
                result[threads - 1] = malloc(bytes);
                memcpy(result[threads - 1], dx, bytes);
                fig_plan_free(plan);
                fig_store_free(store);
                fig_session_free(session);
                fig_graph_free(g);
            }
            CHECK(memcmp(result[0], result[1], bytes) == 0);
            free(result[0]);
            free(result[1]);
        }
}

FIG_TEST(wrong_operands_are_named)
{
    fig_error err = { 0 };
    fig_graph *g = fig_graph_new();
    fig_lstm(fig_input(g, "x", FIG_SHAPE(2, 3)), 4, NULL);
    CHECK(fig_graph_check(g, &err) != FIG_OK);
    CHECK_HAS(err.message, "lstm: needs an input (batch, time, channels)");
    fig_graph_free(g);
    g = fig_graph_new();
    fig_node state[1] = { fig_input(g, "h", FIG_SHAPE(2, 5)) };
    fig_recurrent(FIG_CELL_TANH, fig_input(g, "x", FIG_SHAPE(2, 3, 4)), fig_input(g, "w", FIG_SHAPE(4, 4)), state, FIG_NONE, NULL);
    err = (fig_error){ 0 };
    CHECK(fig_graph_check(g, &err) != FIG_OK);
    CHECK_HAS(err.message, "the first state is f32 (2, 5), expected f32 (2, 4)");
    fig_graph_free(g);
}

FIG_TEST_MAIN
