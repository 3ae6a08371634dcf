/* test_autoregressive.c - recipes that write a picture pixel by pixel: nothing sees what comes later, scores are probabilities, the
 * sampler's steps tell the same chances as the whole picture does, and an interrupted run goes on to the same bytes */
#include "exec/exec.h"
#include "nn/model.h"
#include "ops/op.h"
#include "test.h"
#include "unit/sample_data.h"
#include <figment/figment.h>

/* A recipe with options of a few small pictures, its weights drawn at random (biases too). */
typedef struct subject {
    const fig_recipe *recipe;
    void *options;
    fig_data_spec spec;
    fig_session *session;
    fig_store *store;
    fig_error err;
} subject;

static void begin(subject *s, const char *recipe, const char *settings, int side)
{
    *s = (subject){ .recipe = fig_recipe_find(recipe), .spec = { .kind = FIG_DATA_IMAGES, .channels = 1, .high = 1, .classes = 3 } };
    s->spec.height = s->spec.width = side;
    s->options = calloc(1, s->recipe->options_size);
    fig_options_defaults(s->recipe->options, s->options);
    char *copy = strdup(settings), *rest = copy, *word;
    while ((word = strsep(&rest, " "))) {
        char *value = strchr(word, '=');
        *value++ = 0;
        CHECK_OK(fig_options_set(s->recipe->options, s->options, word, value, &s->err), s->err);
    }
    free(copy);
    CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, &s->session, &s->err), s->err);
    CHECK_OK(fig_store_new(s->session, &s->store, &s->err), s->err);
}

static fig_model *build(subject *s, fig_purpose purpose, int64_t batch)
{
    fig_model *m = NULL;
    fig_status status = fig__model_build(s->recipe, s->options, &s->spec, purpose, batch, &m, &s->err);
    if (status == FIG_OK)
        status = fig__model_initialise(m, s->store, 5, &s->err);
    if (status != FIG_OK) {
        TEST_FAIL("%s: %s", s->recipe->name, s->err.message);
        return NULL;
    }
    fig__rng rng = { 9 };
    for (int i = 0; i < m->n_weights; i++) { /* the same each time: by name, in the order of the build */
        float *value = fig_store_data(s->store, fig_store_find(s->store, m->weights[i].name));
        int64_t count = m->weights[i].trained ? fig_elements(&m->weights[i].type) : 0;
        rng.state = fig__hash64(m->weights[i].name, strlen(m->weights[i].name), 1);
        for (int64_t k = 0; k < count; k++)
            value[k] = (float)(fig__rng_uniform(&rng) * 2 - 1) * (m->weights[i].type.rank > 1 ? 0.6f : 0.3f);
    }
    return m;
}

static fig_plan *compile(subject *s, fig_model *m, const fig_node *outputs, int count)
{
    fig_plan *plan = NULL;
    CHECK_OK(fig_plan_compile(m->graph, s->store, &(fig_plan_opts){ .outputs = outputs, .n_outputs = count }, &plan, &s->err), s->err);
    return plan;
}

static void end(subject *s)
{
    fig_store_free(s->store);
    fig_session_free(s->session);
    fig_options_free(s->recipe->options, s->options);
    free(s->options);
}

static const float *output(const fig_plan *plan) { return fig_plan_output(plan, 0, NULL); }

static void feed_labels(fig_plan *plan, int64_t batch, int label)
{
    int32_t *to = fig_plan_input(plan, "label", NULL);
    for (int64_t i = 0; to && i < batch; i++)
        to[i] = label;
}

/* The chances of all black-and-white pictures of 3 x 3 pixels sum to one. */
static void sums_to_one(const char *recipe, const char *settings)
{
    enum { ALL = 512 };
    subject s;
    begin(&s, recipe, settings, 3);
    fig_model *m = build(&s, FIG_FOR_EVALUATION, ALL);
    REQUIRE(m != NULL);
    CHECK_TEXT(m->metric[0].name, "nll");
    CHECK_INT(fig_rank(m->metric[0].value), 1);
    fig_plan *plan = compile(&s, m, &m->metric[0].value, 1);
    REQUIRE(plan != NULL);
    for (int label = 0; label < 2; label++) {
        float *x = fig_plan_input(plan, "image", NULL);
        for (int i = 0; i < ALL * 9; i++)
            x[i] = (float)(i / 9 >> i % 9 & 1);
        feed_labels(plan, ALL, label);
        CHECK_OK(fig_plan_run(plan, NULL, &s.err), s.err);
        double sum = 0, least = 1e9, most = -1e9;
        for (int i = 0; i < ALL; i++) {
            double nll = output(plan)[i];
            sum += exp(-nll);
            least = fmin(least, nll);
            most = fmax(most, nll);
        }
        if (!(fabs(sum - 1) < 1e-4))
            TEST_FAIL("%s %s: the chances sum to %.7f", recipe, settings, sum);
        CHECK(most - least > 0.02); /* and are no constant */
    }
    fig_plan_free(plan);
    fig__model_free(m);
    end(&s);
}

/* What the losses of the evaluation graph are computed from. */
static fig_node find_logits(fig_model *m)
{
    for (int32_t i = 0; i < m->graph->n_nodes; i++)
        if (!strcmp(m->graph->nodes[i].op->name, "bce_logits") || !strcmp(m->graph->nodes[i].op->name, "cross_entropy"))
            return (fig_node){ m->graph, m->graph->nodes[i].in[0] };
    return FIG_NONE;
}

/* Changing a pixel changes no logit of its own place or an earlier one, and some later logit. place NULL = raster order. */
static void sees_only_what_is_before(const char *recipe, const char *settings, int side, const int32_t *place)
{
    subject s;
    begin(&s, recipe, settings, side);
    fig_model *m = build(&s, FIG_FOR_EVALUATION, 1);
    REQUIRE(m != NULL);
    fig_node logits = find_logits(m);
    REQUIRE(!fig_is_none(logits));
    fig_plan *plan = compile(&s, m, &logits, 1);
    REQUIRE(plan != NULL);
    int pixels = side * side;
    fig_type type;
    float *x = fig_plan_input(plan, "image", NULL), *before;
    for (int i = 0; i < pixels; i++)
        x[i] = (float)(i * 7 % 3 == 0);
    feed_labels(plan, 1, 2);
    CHECK_OK(fig_plan_run(plan, NULL, &s.err), s.err);
    const float *now = fig_plan_output(plan, 0, &type);
    int64_t each = fig_elements(&type) / pixels, reached = 0;
    before = malloc(sizeof *before * (size_t)fig_elements(&type));
    memcpy(before, now, sizeof *before * (size_t)fig_elements(&type));
    for (int i = 0; i < pixels; i++) {
        x[i] = 1 - x[i];
        CHECK_OK(fig_plan_run(plan, NULL, &s.err), s.err);
        now = output(plan);
        int64_t later = 0;
        for (int k = 0; k < pixels; k++) {
            bool changed = memcmp(now + k * each, before + k * each, sizeof *now * (size_t)each) != 0;
            bool after = place ? place[k] > place[i] : k > i;
            if (changed && !after)
                TEST_FAIL("%s %s: pixel %d changes the logit of pixel %d", recipe, settings, i, k);
            later += changed && after;
        }
        reached += later > 0;
        x[i] = 1 - x[i];
    }
    CHECK_INT(reached, pixels - 1); /* all but the last pixel matter to some later one */
    free(before);
    fig_plan_free(plan);
    fig__model_free(m);
    end(&s);
}

static double log_share(const float *logits, int64_t levels, int64_t token)
{
    double sum = 0;
    for (int64_t v = 0; v < levels; v++)
        sum += exp((double)logits[v] - (double)logits[token]);
    return -log(sum);
}

/* Feeding a picture through the sampler's steps gives, step by step, the chances that its score is made of. */
static void steps_equal_the_whole(const char *recipe, const char *settings, int side, int channels)
{
    enum { ROWS = 3 };
    subject s;
    begin(&s, recipe, settings, side);
    s.spec.channels = channels;
    fig_model *whole = build(&s, FIG_FOR_EVALUATION, ROWS), *step = build(&s, FIG_FOR_SAMPLING, ROWS);
    REQUIRE(whole && step);
    const fig_sampler_decl *d = &step->sampler[0];
    fig_plan *score = compile(&s, whole, &whole->metric[0].value, 1), *walk = compile(&s, step, &d->output, 1);
    REQUIRE(score && walk);
    int64_t elements = (int64_t)side * side * channels;
    CHECK_INT(d->length, elements);
    fig_type type;
    fig_plan_output(walk, 0, &type);
    int64_t levels = type.dim[1];
    float *x = fig_plan_input(score, "image", NULL);
    fig__rng rng = { 3 };
    for (int64_t i = 0; i < ROWS * elements; i++)
        x[i] = (float)fig__rng_below(&rng, (uint64_t)levels) / (float)(levels - 1);
    feed_labels(score, ROWS, 1);
    CHECK_OK(fig_plan_run(score, NULL, &s.err), s.err);
    double sum[ROWS] = { 0 };
    int32_t *token = fig_plan_input(walk, "token", NULL), *position = fig_plan_input(walk, "position", NULL);
    feed_labels(walk, ROWS, 1);
    for (int64_t k = 0; k < elements; k++) {
        int64_t last = k ? d->order ? d->order[k - 1] : k - 1 : 0, own = d->order ? d->order[k] : k;
        for (int row = 0; row < ROWS; row++) {
            token[row] = k ? (int32_t)lrintf(x[row * elements + last] * (float)(levels - 1)) : 0;
            position[row] = (int32_t)k;
        }
        CHECK_OK(fig_plan_run(walk, &(fig_run_opts){ .step = (uint64_t)k }, &s.err), s.err);
        for (int row = 0; row < ROWS; row++)
            sum[row] -= log_share(output(walk) + row * levels, levels,
                                  (int64_t)lrintf(x[row * elements + own] * (float)(levels - 1)));
    }
    for (int row = 0; row < ROWS; row++) {
        double nll = output(score)[row];
        if (!(fabs(sum[row] - nll) < 2e-4 * (1 + nll)))
            TEST_FAIL("%s %s: %g nats in steps, %g as a whole", recipe, settings, sum[row], nll);
    }
    fig_plan_free(score);
    fig_plan_free(walk);
    fig__model_free(whole);
    fig__model_free(step);
    end(&s);
}

/* The loss of 40 steps, and a run stopped half-way and taken up again, against one that went through: the same bytes. */
static void learns_and_resumes(const char *recipe, const char *settings)
{
    char *folder = fig__strdup(sample_folder());
    fig_error err = { 0 };
    char *bytes[2] = { NULL, NULL };
    uint64_t length[2] = { 0, 0 };
    for (int halves = 0; halves < 2; halves++) {
        char *path = fig__format("%s/run%d", folder, halves), *model = fig__format("%s/model.safetensors", path);
        for (int part = 0; part <= halves; part++) {
            const char *list[24] = { "threads=1", "log_every=1", "eval_every=never", "sample_every=never", "seed=3",
                                     halves && !part ? "steps=20" : "steps=40" };
            int count = 6;
            char *copy = strdup(settings), *rest = copy, *word;
            while ((word = strsep(&rest, " ")))
                list[count++] = word;
            fig_train_opts opts = { .recipe = fig_recipe_find(recipe), .preset = "pictures",
                                    .data = (const char *[]){ "synthetic:shapes:200", NULL }, .output = path, .settings = list,
                                    .resume = part > 0, .no_tune = true };
            CHECK_OK(fig_train(NULL, &opts, NULL, NULL, &err), err);
            free(copy);
        }
        CHECK_OK(fig__file_read(model, 64 << 20, &bytes[halves], &length[halves], &err), err);
        free(model);
        free(path);
    }
    CHECK(length[0] > 0 && length[0] == length[1] && !memcmp(bytes[0], bytes[1], length[0]));
    free(bytes[0]);
    free(bytes[1]);
    sample_folder_end(folder);
    free(folder);
}

FIG_TEST(made_is_a_distribution)
{
    sums_to_one("made", "hidden=20");
    sums_to_one("made", "hidden=15,24 order=random direct=yes activation=tanh");
    sums_to_one("made", "hidden=0");
    sums_to_one("made", "hidden=30 masks=4 order=random conditional=yes");
    sums_to_one("made", "hidden=30,12 masks=3");
}

FIG_TEST(made_sees_only_what_is_before)
{
    sees_only_what_is_before("made", "hidden=40", 4, NULL);
    sees_only_what_is_before("made", "hidden=30,20 direct=yes conditional=yes", 4, NULL);
    sees_only_what_is_before("made", "hidden=0", 4, NULL);
    subject s; /* the ordering drawn by lot is what the sampler says */
    begin(&s, "made", "hidden=40,40 order=random", 4);
    fig_model *m = build(&s, FIG_FOR_SAMPLING, 1);
    REQUIRE(m != NULL && m->sampler[0].order);
    int32_t place[16];
    for (int k = 0; k < 16; k++)
        place[m->sampler[0].order[k]] = k;
    fig__model_free(m);
    end(&s);
    sees_only_what_is_before("made", "hidden=40,40 order=random", 4, place);
}

FIG_TEST(made_steps_equal_the_whole)
{
    steps_equal_the_whole("made", "hidden=20 order=random", 4, 1);
    steps_equal_the_whole("made", "hidden=20,30 direct=yes conditional=yes", 4, 1);
}

FIG_TEST(made_resumes) { learns_and_resumes("made", "hidden=30 batch=20 masks=2 epochs=0 schedule=constant"); }

FIG_TEST(pixelcnn_is_a_distribution)
{
    sums_to_one("pixelcnn", "layers=2 width=6 head=8 first_kernel=3");
    sums_to_one("pixelcnn", "layers=3 width=4 head=8 conditional=yes");
    sums_to_one("pixelcnn", "layers=2 width=4 head=8 likelihood=softmax levels=2");
    sums_to_one("pixelcnn", "layers=1 width=4 head=8 likelihood=logistic levels=2 mixtures=3 conditional=yes");
}

FIG_TEST(pixelcnn_sees_only_what_is_before)
{
    sees_only_what_is_before("pixelcnn", "layers=4 width=6 head=8", 6, NULL);
    sees_only_what_is_before("pixelcnn", "layers=3 width=6 head=8 kernel=5 first_kernel=5 conditional=yes", 7, NULL);
    sees_only_what_is_before("pixelcnn", "layers=4 width=4 head=8 likelihood=softmax levels=4", 5, NULL);
}

FIG_TEST(pixelcnn_steps_equal_the_whole)
{
    steps_equal_the_whole("pixelcnn", "layers=3 width=6 head=8", 5, 1);
    steps_equal_the_whole("pixelcnn", "layers=2 width=4 head=8 kernel=5 conditional=yes", 8, 1);
    steps_equal_the_whole("pixelcnn", "layers=2 width=4 head=8 channels=3", 4, 3);
    steps_equal_the_whole("pixelcnn", "layers=2 width=4 head=8 likelihood=softmax levels=5", 5, 1);
    steps_equal_the_whole("pixelcnn", "layers=2 width=4 head=8 likelihood=softmax levels=7 channels=3", 4, 3);
    steps_equal_the_whole("pixelcnn", "layers=2 width=4 head=8 likelihood=logistic mixtures=3 conditional=yes", 4, 1);
    steps_equal_the_whole("pixelcnn", "layers=2 width=4 head=8 likelihood=logistic levels=16 channels=3", 4, 3);
}

FIG_TEST(pixelcnn_resumes)
{
    learns_and_resumes("pixelcnn", "layers=2 width=6 head=8 batch=8 size=12 epochs=0 schedule=constant");
}

FIG_TEST_MAIN
