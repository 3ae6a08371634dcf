/* test_sample_schedule.c - samples made in several runs: scalars of each run, states between them, classes, settings for one sampling,
 * and what is written of classes */
#include "sample_data.h"
#include "test.h"
#include "toy_recipe.h"
#include <figment/use.h>

enum { CLASSES = 3 };

typedef struct walk_options {
    int64_t width, sample_steps;
    double pace;
    bool unlabelled;
} walk_options;
static const fig_option walk_table[] = {
    { "width", FIG_INT, offsetof(walk_options, width), 2, 1, 8, "numbers in a point" },
    { "sample_steps", FIG_INT, offsetof(walk_options, sample_steps), 3, 1, 10, "runs", .sampling = true },
    { "pace", FIG_FLOAT, offsetof(walk_options, pace), 1, 0, 10, "of each", .sampling = true },
    { "unlabelled", FIG_BOOL, offsetof(walk_options, unlabelled), 1, 0, 0, "knows no class as well" },
    { 0 },
};

/* x begins as noise in the first run, and grows by pace * (k + 1) + 100 * label in run k. */
static fig_status walk(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    static const char *const names[] = { "first", "stride" };
    const walk_options *o = options;
    fig_graph *g = fig_model_graph(m);
    fig_type type = FIG_SHAPE(fig_model_batch(m), o->width), rows = FIG_SHAPE(fig_model_batch(m));
    rows.dtype = FIG_I32;
    fig_node unit = fig_param(g, "unit", FIG_SHAPE(1), (fig_init){ .kind = FIG_INIT_ONES });
    if (fig_model_purpose(m) == FIG_FOR_TRAINING)
        return fig_model_phase(m, &(fig_phase){ .name = "none", .loss = fig_broadcast(unit, FIG_SHAPE(type.dim[0])) }, err);
    fig_node x = fig_model_state(m, &(fig_state_decl){ .name = "x", .type = type, .reset = FIG_RESET_SEQUENCE });
    x = fig_select(fig_scalar(g, "first", 0), fig_normal(g, type), x);
    fig_node label = fig_input(g, "label", rows), step = fig_scale(fig_expand(fig_cast(label, FIG_F32), -1), 100);
    fig_node next = fig_add(fig_add(x, step), fig_mul(fig_scalar(g, "stride", 0), unit));
    fig_assign(fig_model_state(m, &(fig_state_decl){ .name = "x", .type = type, .reset = FIG_RESET_SEQUENCE }), next);
    float table[20];
    for (int k = 0; k < o->sample_steps; k++) {
        table[2 * k] = k == 0;
        table[2 * k + 1] = (float)(o->pace * (k + 1));
    }
    fig_sampler_decl d = { .name = "walk",         .loop = FIG_LOOP_SCHEDULE, .output = next, .label = label, .unlabelled = o->unlabelled,
                           .steps = (int)o->sample_steps, .scalars = 2, .scalar_names = names, .table = table };
    if (data->classes == 0)
        d.label = FIG_NONE;
    fig_model_sampler(m, &d);
    return FIG_OK;
}

typedef struct rig {
    fig_session *session;
    fig_trained t;
    walk_options options;
    fig_recipe recipe;
} rig;

static void rig_open(rig *r, bool classes)
{
    static char *const names[CLASSES] = { (char *)"cat", (char *)"a,b", (char *)"../up" };
    fig_error err = { 0 };
    fig_model *m;
    *r = (rig){ .recipe = { .name = "walk", .options = walk_table, .options_size = sizeof(walk_options), .build = walk } };
    fig_options_defaults(walk_table, &r->options);
    CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, &r->session, &err), err);
    fig_data_spec spec = { .kind = FIG_DATA_POINTS, .dimensions = 2, .classes = classes ? CLASSES : 0 };
    spec.class_names = classes ? (char **)(void *)names : NULL;
    r->t = (fig_trained){ .session = r->session, .recipe = &r->recipe, .options = &r->options, .data = fig_data_spec_copy(&spec) };
    CHECK_OK(fig_store_new(r->session, &r->t.store, &err), err);
    CHECK_OK(fig__model_build(&r->recipe, &r->options, r->t.data, FIG_FOR_TRAINING, 2, &m, &err), err);
    CHECK_OK(fig__model_initialise(m, r->t.store, 1, &err), err);
    fig__model_free(m);
}

static void rig_close(rig *r)
{
    fig_data_spec_free(r->t.data);
    fig_store_free(r->t.store);
    fig_session_free(r->session);
}

static float noise_of(rig *r, int64_t sample, int place) /* one run without growth */
{
    fig_error err = { 0 };
    fig_samples *s;
    const char *const settings[] = { "sample_steps=1", "pace=0", NULL };
    CHECK_OK(fig_sample(&r->t, &(fig_sample_opts){ .count = sample + 1, .seed = 5, .classes = "0", .settings = settings }, &s, &err), err);
    float value = fig_samples_values(s, NULL)[sample * 2 + place];
    fig_samples_free(s);
    return value;
}

FIG_TEST(runs_follow_the_table)
{
    rig r;
    rig_open(&r, true);
    fig_error err = { 0 };
    fig_sampler *s;
    bool finished = false;
    int calls = 0;
    REQUIRE_OK(fig_sampler_new(&r.t, &(fig_sample_opts){ .count = 70, .seed = 5 }, &s, &err), err);
    CHECK_NEAR(fig_sampler_done(s), 0, 0);
    for (; !finished && calls < 100; calls++) {
        CHECK_OK(fig_sampler_next(s, &finished, &err), err);
        CHECK_NEAR(fig_sampler_done(s), (calls + 1) / 6.0, 1e-12);
    }
    CHECK_INT(calls, 6); /* two batches of three runs each */
    CHECK_INT(fig_samples_count(fig_sampler_samples(s)), 70);
    const float *v = fig_samples_values(fig_sampler_samples(s), NULL);
    for (int64_t i = 0; i < 70; i += 13) {
        CHECK_INT(fig_samples_class(fig_sampler_samples(s), i), i % CLASSES); /* all in turn */
        CHECK_NEAR(v[2 * i], noise_of(&r, i, 0) + (1 + 2 + 3) + 300 * (double)(i % CLASSES), 1e-4);
    }
    fig_sampler_free(s);
    rig_close(&r);
}

static void expect_classes(rig *r, const char *text, int a, int b, int c)
{
    fig_error err = { 0 };
    fig_samples *s;
    REQUIRE_OK(fig_sample(&r->t, &(fig_sample_opts){ .count = 3, .seed = 5, .classes = text }, &s, &err), err);
    CHECK_INT(fig_samples_class(s, 0), a);
    CHECK_INT(fig_samples_class(s, 1), b);
    CHECK_INT(fig_samples_class(s, 2), c);
    CHECK_INT(fig_samples_class(s, 3), -1);
    CHECK_NEAR(fig_samples_values(s, NULL)[2], noise_of(r, 1, 0) + 6 + 300 * b, 1e-4);
    fig_samples_free(s);
}

FIG_TEST(classes_are_chosen)
{
    rig r;
    rig_open(&r, true);
    fig_error err = { 0 };
    fig_samples *s;
    expect_classes(&r, NULL, 0, 1, 2);
    expect_classes(&r, "2", 2, 2, 2);
    expect_classes(&r, "cat,2", 0, 2, 0);
    expect_classes(&r, "a,b", 1, 1, 1); /* a name with a comma */
    expect_classes(&r, "none", -1, -1, -1);
    fig_sample_opts o = { .count = 1, .classes = "dog" };
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "cat, a,b");
    o.classes = "3";
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "\"3\"");
    o.classes = "";
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "class");
    r.options.unlabelled = false;
    o.classes = "none";
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "label_dropout");
    rig_close(&r);
    rig_open(&r, false);
    o.classes = "1";
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "does not tell classes apart");
    rig_close(&r);
}

FIG_TEST(settings_of_one_sampling)
{
    rig r;
    rig_open(&r, false);
    fig_error err = { 0 };
    fig_samples *s;
    const char *settings[] = { "width=3", NULL };
    fig_sample_opts o = { .count = 1, .settings = settings };
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "sampling from recipe walk can set: sample_steps, pace");
    settings[0] = "speed=3";
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "no option \"speed\"");
    settings[0] = "pace";
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "NAME=VALUE");
    settings[0] = "pace=11";
    CHECK_FAILS(fig_sample(&r.t, &o, &s, &err), err, FIG_E_USAGE, "pace");
    CHECK_NEAR(r.options.pace, 1, 0); /* the model's own are left alone */
    rig_close(&r);
}

FIG_TEST(classes_are_written)
{
    rig r;
    rig_open(&r, true);
    fig_error err = { 0 };
    fig_samples *s;
    char *folder = fig__strdup(sample_folder()), *text;
    uint64_t length;
    REQUIRE_OK(fig_sample(&r.t, &(fig_sample_opts){ .count = 4, .seed = 5, .classes = "2,cat,none" }, &s, &err), err);
    char *json = fig_samples_json(s);
    CHECK_HAS(json, "\"classes\": [2, 0, -1, 2], \"values\": [[");
    free(json);
    CHECK_OK(fig_samples_save(s, sample_path(folder, "a.npy"), &err), err);
    REQUIRE_OK(fig__file_read(sample_path(folder, "a.labels.npy"), 1 << 20, &text, &length, &err), err);
    CHECK_INT(length, 128 + 16);
    CHECK_HAS(text + 10, "{'descr': '<i4', 'fortran_order': False, 'shape': (4,), }");
    CHECK(!memcmp(text + 128, (const int32_t[]){ 2, 0, -1, 2 }, 16));
    free(text);
    char *inside = fig__format("%s/many/", folder);
    CHECK_OK(fig_samples_save(s, inside, &err), err);
    CHECK(fig__path_exists(sample_path(inside, "2/000000.csv"))); /* "../up" is no name for a folder */
    CHECK(fig__path_exists(sample_path(inside, "cat/000001.csv")));
    CHECK(fig__path_exists(sample_path(inside, "000002.csv")));
    CHECK(fig__path_exists(sample_path(inside, "2/000003.csv")));
    free(inside);
    fig_samples_free(s);
    sample_folder_end(folder);
    free(folder);
    rig_close(&r);
}

FIG_TEST_MAIN
