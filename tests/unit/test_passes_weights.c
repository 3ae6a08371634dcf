/* test_passes_weights.c - narrow weights in plans: what the pass narrows and what it leaves, that copies are made once and anew when
 * asked for, and what a small trained GPT loses by them, keys and values in bf16
 * included */
#include "../test.h"

#include "graph/graph.h"
#include "passes/pass.h"
#include "sample/sampler.h"
#include "sample_data.h"
#include <figment/figment.h>

enum { IN = 96, HIDDEN = 64, OUT = 40 };

/* Two layers, one stored either way round, a 1x1 convolution, a table shared by look-up and last product, and a state that the run
 * replaces. */
typedef struct net {
    fig_graph *graph;
    fig_node y;
} net;

static net make_net(int64_t rows)
{
    net n = { .graph = fig_graph_new() };
    fig_graph *g = n.graph;
    fig_type index = { .dtype = FIG_I32, .rank = 1, .dim = { rows } };
    fig_node table = fig_state(g, "table", FIG_SHAPE(OUT, IN)), moving = fig_state(g, "moving", FIG_SHAPE(IN, IN));
    fig_node x = fig_gather(table, fig_input(g, "index", index)); /* (rows, IN) */
    x = fig_matmul(x, moving, NULL);
    fig_node h = fig_matmul(x, fig_state(g, "w", FIG_SHAPE(HIDDEN, IN)), &(fig_matmul_opts){ .transpose_b = true });
    h = fig_relu(fig_add(h, fig_state(g, "b", FIG_SHAPE(HIDDEN))));
    h = fig_convolution(fig_reshape(h, FIG_SHAPE(rows, 1, HIDDEN)), fig_state(g, "c", FIG_SHAPE(HIDDEN, 1, HIDDEN)), NULL);
    h = fig_matmul(fig_reshape(h, FIG_SHAPE(rows, HIDDEN)), fig_state(g, "v", FIG_SHAPE(HIDDEN, IN)), NULL);
    n.y = fig_matmul(h, table, &(fig_matmul_opts){ .transpose_b = true }); /* (rows, OUT) */
    fig_assign(moving, fig_scale(moving, 0.5f));
    return n;
}

FIG_TEST(what_is_narrowed)
{
    net n = make_net(3);
    fig_error err = { 0 };
    fig__program program;
    fig__program_begin(n.graph, &n.y.id, 1, &program);
    CHECK_OK(fig__program_optimise(&program, FIG__WITH_INT8_WEIGHTS, NULL, NULL, &err), err);
    const fig_graph *g = program.graph;
    int narrow = 0, wide = 0, casts = 0;
    for (int32_t k = 0; k < g->n_nodes; k++) {
        const fig__node *node = &g->nodes[k];
        casts += node->op == &fig_op_cast;
        CHECK(node->op != &fig_op_convolution);
        if (node->op == &fig_op_gather)
            CHECK_INT(g->values[node->in[0]].type.dtype, FIG_F32);
        if (node->op != &fig_op_matmul && node->op != &fig_op_matmul_fused)
            continue;
        fig_dtype dtype = g->values[node->in[1]].type.dtype;
        narrow += dtype == FIG_I8;
        wide += dtype == FIG_F32;
    }
    CHECK_INT(narrow, 4);
    CHECK_INT(casts, 4);
    CHECK_INT(wide, 1); /* by what the run replaces */
    fig__program_free(&program);
    fig_graph_free(n.graph);
}

static void fill_store(fig_store *store, float scale)
{
    fig__rng rng = { 8 };
    for (int i = 0; i < fig_store_count(store); i++)
        for (int64_t k = 0; k < fig_elements(fig_store_type(store, i)); k++)
            ((float *)fig_store_data(store, i))[k] = (float)(fig__rng_uniform(&rng) - 0.5) * scale;
}

/* Largest difference to f32, over the largest result. */
static double distance(const fig_plan *a, const fig_plan *b)
{
    fig_type type;
    const float *x = fig_plan_output(a, 0, &type), *y = fig_plan_output(b, 0, NULL);
    double worst = 0, largest = 0;
    for (int64_t i = 0; i < fig_elements(&type); i++) {
        worst = fmax(worst, fabs((double)x[i] - (double)y[i]));
        largest = fmax(largest, fabs((double)y[i]));
    }
    return worst / largest;
}

static void compare(int64_t rows, bool reference)
{
    fig_session *session = NULL;
    fig_store *store[3] = { NULL };
    fig_plan *plan[3] = { NULL };
    fig_error err = { 0 };
    net n = make_net(rows);
    REQUIRE_OK(fig_session_new(&(fig_session_opts){ .threads = 2, .reference_kernels = reference }, &session, &err), err);
    const struct {
        const char *name;
        fig_type type;
    } states[] = { { "table", FIG_SHAPE(OUT, IN) }, { "moving", FIG_SHAPE(IN, IN) }, { "w", FIG_SHAPE(HIDDEN, IN) },
                   { "b", FIG_SHAPE(HIDDEN) }, { "c", FIG_SHAPE(HIDDEN, 1, HIDDEN) }, { "v", FIG_SHAPE(HIDDEN, IN) } };
    for (int p = 0; p < 3; p++) {
        REQUIRE_OK(fig_store_new(session, &store[p], &err), err);
        for (int i = 0; i < 6; i++)
            REQUIRE_OK(fig_store_add(store[p], states[i].name, &states[i].type, 0, &err), err);
        fill_store(store[p], 1);
        REQUIRE_OK(fig_plan_compile(n.graph, store[p], &(fig_plan_opts){ .outputs = &n.y, .n_outputs = 1, .weights = (fig_weights)p },
                                    &plan[p], &err), err);
        int32_t *index = fig_plan_input(plan[p], "index", NULL);
        for (int64_t i = 0; i < rows; i++)
            index[i] = (int32_t)(i * 7 % OUT);
    }
    for (int round = 0; round < 3; round++) {
        if (round == 2) /* new weights, and the plans are told */
            for (int p = 0; p < 3; p++) {
                fill_store(store[p], 2);
                fig_plan_renew(plan[p]);
            }
        for (int p = 0; p < 3; p++)
            REQUIRE_OK(fig_plan_run(plan[p], NULL, &err), err);
        CHECK(distance(plan[1], plan[0]) < 0.01); /* four roundings by 2^-9 of random sign */
        CHECK(distance(plan[1], plan[0]) > 0);
        CHECK(distance(plan[2], plan[0]) < 0.03); /* four by 1/254 of the largest of a line */
        CHECK(distance(plan[2], plan[0]) > 0);
    }
    fig_plan_info f32 = fig_plan_get_info(plan[0]), int8 = fig_plan_get_info(plan[2]);
    CHECK(int8.steps <= f32.steps); /* making copies is no part of a run */
    CHECK(int8.planned_bytes > f32.planned_bytes);
    for (int p = 0; p < 3; p++) {
        fig_plan_free(plan[p]);
        fig_store_free(store[p]);
    }
    fig_session_free(session);
    fig_graph_free(n.graph);
}

FIG_TEST(plans_of_one_row) { compare(1, false); }
FIG_TEST(plans_of_several_rows) { compare(16, false); }
FIG_TEST(plans_of_many_rows) { compare(80, false); }
FIG_TEST(plans_of_reference_loops) { compare(3, true); }

/* -- keys and values ----------------------------------------------------------------------------------------------------------- */

enum { ROOM = 40, FED = 30 };

static fig_graph *attention_graph(int64_t rows, int64_t heads, int64_t width, fig_node *y)
{
    fig_graph *g = fig_graph_new();
    fig_type place = { .dtype = FIG_I32, .rank = 1, .dim = { rows } };
    fig_node cache = fig_state(g, "cache", FIG_SHAPE(rows, 2, heads, ROOM, width)), next;
    fig_node qkv = fig_input(g, "qkv", FIG_SHAPE(rows, 1, 3, heads, width));
    *y = fig_attention_step(cache, qkv, fig_input(g, "position", place), &next);
    fig_assign(cache, next);
    return g;
}

static fig_store *attention_store(fig_session *session, int64_t rows, int64_t heads, int64_t width)
{
    fig_error err = { 0 };
    fig_store *store = NULL;
    fig_type type = FIG_SHAPE(rows, 2, heads, ROOM, width);
    CHECK_OK(fig_store_new(session, &store, &err), err);
    CHECK_OK(fig_store_add(store, "cache", &type, 0, &err), err);
    fill_store(store, 2);
    return store;
}

/* Steps of f32, and of narrow weights by kernels and by the reference loop, each with its own cache. Keys and values lie between -1 and
 * 1 and are off by 2^-9 of themselves, so results, which are averages of values, may be off by about as much of the largest. */
static void compare_attention(int64_t rows, int64_t heads, int64_t width)
{
    enum { PLANS = 4 };
    fig_session *session[2] = { NULL };
    fig_store *store[PLANS];
    fig_plan *plan[PLANS] = { NULL };
    fig_node y;
    fig_error err = { 0 };
    fig_graph *g = attention_graph(rows, heads, width, &y);
    for (int i = 0; i < 2; i++)
        REQUIRE_OK(fig_session_new(&(fig_session_opts){ .threads = 2, .reference_kernels = i == 1 }, &session[i], &err), err);
    const fig_weights form[PLANS] = { FIG_WEIGHTS_F32, FIG_WEIGHTS_BF16, FIG_WEIGHTS_INT8, FIG_WEIGHTS_BF16 };
    for (int p = 0; p < PLANS; p++) {
        store[p] = attention_store(session[p == 3], rows, heads, width);
        REQUIRE_OK(fig_plan_compile(g, store[p], &(fig_plan_opts){ .outputs = &y, .n_outputs = 1, .weights = form[p] }, &plan[p], &err),
                   err);
        CHECK_INT(fig_store_type(store[p], 0)->dtype, p ? FIG_BF16 : FIG_F32);
    }
    fig__rng rng = { 3 };
    fig_type type;
    for (int at = 0; at < FED; at++) {
        const float *first = fig_plan_input(plan[0], "qkv", &type);
        for (int p = 0; p < PLANS; p++) {
            float *qkv = fig_plan_input(plan[p], "qkv", NULL);
            for (int64_t i = 0; i < fig_elements(&type); i++)
                qkv[i] = p ? first[i] : (float)fig__rng_uniform(&rng) * 2 - 1;
            for (int64_t row = 0; row < rows; row++)
                ((int32_t *)fig_plan_input(plan[p], "position", NULL))[row] = at + (int32_t)row;
            REQUIRE_OK(fig_plan_run(plan[p], NULL, &err), err);
        }
        CHECK(distance(plan[1], plan[0]) < 0.01);
        CHECK(distance(plan[1], plan[0]) > 0);
        CHECK(distance(plan[2], plan[1]) == 0);
        CHECK(distance(plan[3], plan[1]) < 0.01); /* the loop reads the step's own keys and values before they are rounded */
    }
    CHECK(!memcmp(fig_store_data(store[1], 0), fig_store_data(store[3], 0), fig_store_bytes(store[1], 0)));
    for (int p = 0; p < PLANS; p++) {
        fig_plan_free(plan[p]);
        fig_store_free(store[p]);
    }
    fig_session_free(session[0]);
    fig_session_free(session[1]);
    fig_graph_free(g);
}

FIG_TEST(keys_and_values)
{
    const int64_t width[] = { 5, 32, 64, 96, 128 };
    for (int i = 0; i < 5; i++)
        for (int64_t heads = 1; heads <= 9; heads += i == 2 ? 1 : 4)
            compare_attention(1 + heads % 3, heads, width[i]);
}

/* A store keeps them in one form, and says so when a plan comes that wants another. */
FIG_TEST(keys_and_values_in_one_form)
{
    fig_error err = { 0 };
    fig_node y;
    fig_plan *plan = NULL, *other = NULL;
    fig_session *session = NULL;
    REQUIRE_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, &err), err);
    fig_graph *g = attention_graph(1, 2, 32, &y);
    for (int narrow_first = 0; narrow_first < 2; narrow_first++) {
        fig_store *store = attention_store(session, 1, 2, 32);
        fig_plan_opts f32 = { .outputs = &y, .n_outputs = 1 }, narrow = { .outputs = &y, .n_outputs = 1, .weights = FIG_WEIGHTS_INT8 };
        fig_plan_opts dry = narrow;
        dry.dry = true;
        REQUIRE_OK(fig_plan_compile(g, store, &dry, &plan, &err), err);
        CHECK_INT(fig_store_type(store, 0)->dtype, FIG_F32); /* a dry plan changes nothing */
        fig_plan_free(plan);
        REQUIRE_OK(fig_plan_compile(g, store, narrow_first ? &narrow : &f32, &plan, &err), err);
        CHECK(fig_plan_compile(g, store, narrow_first ? &f32 : &narrow, &other, &err) != FIG_OK);
        CHECK(strstr(err.message, "cache") != NULL);
        err = (fig_error){ 0 };
        fig_plan_free(plan);
        fig_store_free(store);
    }
    fig_session_free(session);
    fig_graph_free(g);
}

/* -- a trained GPT ------------------------------------------------------------------------------------------------------------- */

static const char *const sentences[] = { "the cat sat on the mat. ", "a dog ran to the door! ", "what does the bird sing? " };

static fig_trained *train(const char *folder)
{
    fig_error err = { 0 };
    fig__text text;
    fig__text_init(&text, 1 << 20);
    fig__rng rng = { 2 };
    for (int i = 0; i < 200; i++)
        fig__text_print(&text, "%s", sentences[fig__rng_below(&rng, 3)]);
    const char *file = sample_path(folder, "text.txt"), *run = sample_path(folder, "run");
    sample_text(file, text.data);
    fig__text_free(&text);
    const char *data[] = { file, NULL },
               *settings[] = { "threads=2", "layers=2", "heads=4", "width=64",         "context=32",       "steps=120",
                               "batch=8",   "lr=3e-3",  "eval_every=never", "sample_length=20", NULL };
    fig_trained *m = NULL;
    CHECK_OK(fig_train(NULL, &(fig_train_opts){ .recipe = fig_recipe_find("gpt"), .data = data, .settings = settings, .output = run },
                       NULL, NULL, &err), err);
    CHECK_OK(fig_load(NULL, run, &m, &err), err);
    return m;
}

/* Nats per character of a text, by the sampler's own step graph. */
static double nats(fig_trained *m, fig_weights weights)
{
    fig_error err = { 0 };
    fig_sampler *s = NULL;
    CHECK_OK(fig__sampler_new(m, &(fig_sample_opts){ .count = 1, .weights = weights }, false, &s, &err), err);
    if (!s)
        return NAN;
    char text[2048] = "";
    fig__rng rng = { 9 };
    while (strlen(text) < 200)
        strcat(text, sentences[fig__rng_below(&rng, 3)]);
    int32_t ids[2048];
    int64_t count = fig_tokenizer_encode(m->data->tokenizer, text, (int64_t)strlen(text), ids, 2048, &err);
    int32_t *token = fig_plan_input(s->plan, "token", NULL), *position = fig_plan_input(s->plan, "position", NULL);
    double sum = 0;
    int64_t scored = 0;
    for (int64_t i = 0; i + 1 < count; i++) {
        *token = ids[i];
        *position = (int32_t)(i % 32);
        CHECK_OK(fig_plan_run(s->plan, NULL, &err), err);
        fig_type type;
        const float *logits = fig_plan_output(s->plan, 0, &type);
        double total = 0;
        for (int64_t k = 0; k < fig_elements(&type); k++)
            total += exp((double)logits[k]);
        sum += log(total) - (double)logits[ids[i + 1]];
        scored++;
    }
    fig_sampler_free(s);
    return sum / (double)scored;
}

FIG_TEST(a_trained_gpt_loses_little)
{
    const char *folder = sample_folder();
    char *keep = fig__strdup(folder);
    fig_trained *m = train(keep);
    REQUIRE(m != NULL);
    double f32 = nats(m, FIG_WEIGHTS_F32), bf16 = nats(m, FIG_WEIGHTS_BF16), int8 = nats(m, FIG_WEIGHTS_INT8);
    CHECK(f32 < 1.5); /* it has learned something: 25 characters, log 25 = 3.2 */
    CHECK(f32 != bf16 && f32 != int8);
    CHECK_NEAR(bf16, f32, 0.01);
    CHECK_NEAR(int8, f32, 0.02);
    printf("nats per character: f32 %.4f, bf16 %.4f, int8 %.4f\n", f32, bf16, int8);
    fig_trained_free(m);
    sample_folder_end(keep);
    free(keep);
}

FIG_TEST_MAIN
