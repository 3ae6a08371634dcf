/* test_flow.c - flow matching: solvers against the exact flow of Gaussian data, learning, classes, guidance, exact resume */
#include "denoiser_rig.h"

/* Data N(MEAN, DEVIATION^2) in each coordinate. On the line x(t) = (1 - t) noise + t example the mean velocity is
 *     v(x, t) = MEAN + (t DEVIATION^2 - (1 - t)) / (t^2 DEVIATION^2 + (1 - t)^2) (x - t MEAN),
 * and its flow carries a noise z to MEAN + DEVIATION z: linear, so that a solver's error is one number. */
static const float MEAN = 0.7f, DEVIATION = 0.4f;

static fig_node exact_velocity(const fig__denoiser *d, fig_node x, fig_node time, fig_node label)
{
    (void)label;
    fig_node t = fig__per_sample(d, time), rest = fig_shift(fig_neg(t), 1);
    fig_node variance = fig_add(fig_scale(fig_square(t), DEVIATION * DEVIATION), fig_square(rest));
    fig_node slope = fig_div(fig_sub(fig_scale(t, DEVIATION * DEVIATION), rest), variance);
    return fig_shift(fig_mul(slope, fig_sub(x, fig_scale(t, MEAN))), MEAN);
}

static int exact_steps;

static fig_status build_exact(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    (void)options;
    static const fig__denoiser_options o = { .guidance = 1, .levels = (char *)"1", .hidden = (char *)"4", .heads = 1, .stem = 1 };
    fig__denoiser d;
    FIG_TRY(fig__denoiser_open(&d, model, &o, data, err));
    d.network = exact_velocity;
    fig__solve_flow(&d, FIG__EULER, exact_steps);
    fig__solve_flow(&d, FIG__HEUN, exact_steps);
    return FIG_OK;
}

/* The slope and offset by which `steps` of a solver carry z, in double. */
static void carry(int steps, bool heun, double *slope, double *offset)
{
    double a = 1, b = 0, h = 1.0 / steps, s2 = (double)DEVIATION * (double)DEVIATION, m = (double)MEAN;
    for (int k = 0; k < steps; k++) {
        double c[2], e[2]; /* v = c x + e now, and a step later */
        for (int j = 0; j < 2; j++) {
            double t = (k + j) * h;
            c[j] = (t * s2 - (1 - t)) / (t * t * s2 + (1 - t) * (1 - t));
            e[j] = m - c[j] * t * m;
        }
        double c_step = heun ? (c[0] + c[1] * (1 + h * c[0])) / 2 : c[0];
        double e_step = heun ? (e[0] + c[1] * h * e[0] + e[1]) / 2 : e[0];
        a *= 1 + h * c_step;
        b = b * (1 + h * c_step) + h * e_step;
    }
    *slope = a;
    *offset = b;
}

FIG_TEST(solvers_follow_the_exact_flow)
{
    exact_rig r;
    REQUIRE(exact_open(&r, build_exact));
    enum { N = 2000 };
    exact_steps = 1000;
    float *exact = exact_draw(&r, "heun", N);
    REQUIRE(exact != NULL);
    double sum = 0, square = 0;
    for (int i = 0; i < 2 * N; i++)
        sum += (double)exact[i], square += (double)exact[i] * (double)exact[i];
    double mean = sum / (2 * N), deviation = sqrt(square / (2 * N) - mean * mean);
    CHECK_NEAR(mean, MEAN, 4 * (double)DEVIATION / sqrt(2.0 * N)); /* four standard errors */
    CHECK_NEAR(deviation, DEVIATION, 4 * (double)DEVIATION / sqrt(4.0 * N));
    static const char *const names[] = { "euler", "heun" };
    double error[2][2];
    for (int kind = 0; kind < 2; kind++)
        for (int fine = 0; fine < 2; fine++) {
            exact_steps = fine ? 20 : 10;
            float *x = exact_draw(&r, names[kind], N);
            double slope, offset;
            carry(exact_steps, kind == 1, &slope, &offset);
            error[kind][fine] = fabs(slope - (double)DEVIATION);
            for (int i = 0; x && i < 2 * N; i++) {
                double z = ((double)exact[i] - (double)MEAN) / (double)DEVIATION;
                if (!(fabs((double)x[i] - (slope * z + offset)) < 2e-4)) {
                    TEST_FAIL("%s, %d steps: %g, expected %g", names[kind], exact_steps, (double)x[i], slope * z + offset);
                    break;
                }
            }
            free(x);
        }
    CHECK(error[0][1] < 0.65 * error[0][0]); /* first order: about a half */
    CHECK(error[1][1] < 0.35 * error[1][0]); /* second order: about a quarter */
    CHECK(error[1][0] < 0.3 * error[0][0]);
    free(exact);
    exact_close(&r);
}

FIG_TEST(samples_do_not_depend_on_how_many)
{
    exact_rig r;
    REQUIRE(exact_open(&r, build_exact));
    exact_steps = 3;
    float *few = exact_draw(&r, "euler", 70), *many = exact_draw(&r, "euler", 200);
    CHECK(few && many && !memcmp(few, many, 70 * 2 * sizeof(float)));
    free(few);
    free(many);
    exact_close(&r);
}

FIG_TEST(points_are_learned_with_their_classes)
{
    char folder[256];
    make_folder(folder);
    losses l = train_run("flow", "points", "synthetic:ring2:2000", folder, "ring",
                         "steps=400 batch=128 hidden=64,64 condition=class warmup=20 log_every=20 ema=0.98 sample_steps=20", false);
    CHECK(l.last < 0.8 * l.first);
    const char *const guided[] = { "guidance=3", "sampler=heun", NULL };
    fig_samples *plain = draw_from(folder, "ring", &(fig_sample_opts){ .count = 400, .seed = 1 });
    fig_samples *strong = draw_from(folder, "ring", &(fig_sample_opts){ .count = 400, .seed = 1, .settings = guided });
    fig_samples *free_ones = draw_from(folder, "ring", &(fig_sample_opts){ .count = 400, .seed = 1, .classes = "none" });
    CHECK(on_their_side(plain) > 0.95);
    CHECK(on_their_side(strong) > 0.95);
    int64_t right = 0;
    for (int64_t i = 0; free_ones && i < 400; i++) {
        float x = fig_samples_values(free_ones, NULL)[2 * i];
        right += x > 0;
        CHECK_INT(fig_samples_class(free_ones, i), -1);
    }
    CHECK(right > 100 && right < 300); /* both modes when no class is asked for */
    fig_samples_free(plain);
    fig_samples_free(strong);
    fig_samples_free(free_ones);
    drop_folder(folder);
}

/* Guidance 1 is the network told the class, 0 the one told none; between, the line through both. */
FIG_TEST(guidance_is_linear_in_one_step)
{
    char folder[256];
    make_folder(folder);
    train_run("flow", "points", "synthetic:ring2:500", folder, "ring", "steps=40 batch=64 hidden=32 condition=class warmup=5 lr=1e-2 ema=0",
              false);
    static const char *const strengths[] = { "guidance=0", "guidance=1", "guidance=3", "guidance=1" };
    float x[4];
    for (int i = 0; i < 4; i++) {
        const char *const settings[] = { strengths[i], "sample_steps=1", NULL };
        fig_sample_opts o = { .count = 1, .seed = 1, .settings = settings, .classes = i == 3 ? "none" : "1" };
        fig_samples *s = draw_from(folder, "ring", &o);
        x[i] = s ? fig_samples_values(s, NULL)[0] : NAN;
        fig_samples_free(s);
    }
    CHECK_NEAR(x[0], x[3], 1e-5);
    CHECK(fabsf(x[1] - x[0]) > 1e-3f);
    CHECK_NEAR(x[2] - x[0], 3 * (x[1] - x[0]), 1e-4);
    drop_folder(folder);
}

FIG_TEST(pictures_are_learned)
{
    char folder[256];
    make_folder(folder);
    losses l = train_run("flow", "pictures", "synthetic:shapes:300", folder, "shapes",
                         "steps=60 batch=8 width=8 heads=2 stem=2 levels=1,2 warmup=5 lr=5e-3 log_every=10 sample_steps=2", false);
    CHECK(l.last < 0.7 * l.first);
    const char *const two[] = { "guidance=2", "sample_steps=2", "sampler=heun", NULL };
    fig_samples *s = draw_from(folder, "shapes", &(fig_sample_opts){ .count = 7, .seed = 1, .settings = two });
    REQUIRE(s != NULL);
    fig_type type;
    const float *v = fig_samples_values(s, &type);
    CHECK_INT(fig_elements(&type), 7 * 28 * 28);
    for (int64_t i = 0; i < fig_elements(&type); i++)
        if (!(v[i] >= -1 && v[i] <= 1)) {
            TEST_FAIL("a sample is %g", (double)v[i]);
            break;
        }
    CHECK_INT(fig_samples_class(s, 6), 0); /* six shapes in turn */
    fig_samples_free(s);
    drop_folder(folder);
}

FIG_TEST(transformer_learns)
{
    char folder[256];
    make_folder(folder);
    losses l = train_run("flow", "dit", "synthetic:shapes:300", folder, "shapes",
                         "steps=150 batch=16 width=32 depth=2 heads=2 warmup=5 lr=5e-3 log_every=5 sample_steps=2 dropout=0.1", false);
    CHECK(l.last < 0.7 * l.first);
    const char *const guided[] = { "guidance=2", NULL };
    fig_samples *s = draw_from(folder, "shapes", &(fig_sample_opts){ .count = 2, .seed = 1, .settings = guided, .classes = "ring" });
    CHECK(s != NULL && fig_samples_class(s, 1) == 4);
    fig_samples_free(s);
    drop_folder(folder);
}

FIG_TEST(noise_is_taken_by_the_nearest)
{
    enum { B = 5 };
    const float x[B] = { 0, 10, 20, 30, 1 }, noise[B] = { 29, 19, -1, 11, 3 }, expected[B] = { -1, 11, 19, 29, 3 };
    fig_error err = { 0 };
    fig_session *session;
    fig_store *store;
    fig_plan *plan;
    fig_graph *g = fig_graph_new();
    fig_node y = fig__nearest_noise(fig_constant_data(g, FIG_SHAPE(B, 1), x), fig_constant_data(g, FIG_SHAPE(B, 1), noise));
    REQUIRE_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, &err), err);
    REQUIRE_OK(fig_store_new(session, &store, &err), err);
    REQUIRE_OK(fig_plan_compile(g, store, &(fig_plan_opts){ .outputs = &y, .n_outputs = 1 }, &plan, &err), err);
    CHECK_OK(fig_plan_run(plan, &(fig_run_opts){ 0 }, &err), err);
    const float *found = fig_plan_output(plan, 0, NULL);
    for (int i = 0; i < B; i++)
        CHECK_NEAR(found[i], expected[i], 0); /* the last takes what is left */
    fig_plan_free(plan);
    fig_store_free(store);
    fig_session_free(session);
    fig_graph_free(g);
    char folder[256];
    make_folder(folder);
    losses any = train_run("flow", "points", "synthetic:ring8:500", folder, "any",
                           "steps=60 hidden=32 batch=64 warmup=5 log_every=10", false);
    losses near = train_run("flow", "points", "synthetic:ring8:500", folder, "near",
                            "steps=60 hidden=32 batch=64 warmup=5 log_every=10 coupling=nearest", false);
    CHECK(near.first < 0.7 * any.first); /* shorter ways */
    drop_folder(folder);
}

FIG_TEST(resume_is_exact)
{
    check_resume("flow", "points", "synthetic:ring8:300", "hidden=32 batch=32 warmup=3 condition=class dropout=0.1");
    check_resume("flow", "pictures", "synthetic:shapes:60",
                 "width=4 heads=1 levels=1,2 stem=2 batch=4 warmup=3 dropout=0.1 time=logit_normal sample_every=never");
}

FIG_TEST(mistakes_are_named)
{
    struct {
        const char *data, *setting, *part;
    } cases[] = {
        { "synthetic:shapes:60", "stem=3", "stem" },
        { "synthetic:shapes:60", "levels=1,2,2,2,2", "levels" },
        { "synthetic:shapes:60", "levels=0", "levels" },
        { "synthetic:shapes:60", "width=30", "heads" },
        { "synthetic:ring8:60", "body=unet", "body" },
        { "synthetic:ring8:60", "body=dit", "body" },
        { "synthetic:shapes:60", "body=dit patch=5", "patch" },
        { "synthetic:shapes:60", "body=dit width=30 heads=2", "multiple of 4" },
        { "synthetic:swissroll:60", "condition=class", "condition" },
        { "synthetic:shapes:60", "coupling=nearest", "condition=none" },
    };
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        fig_error err = { 0 };
        fig_trainer *t = NULL;
        char *copy = strdup(cases[i].setting), *rest = copy;
        const char *settings[4] = { "batch=4" };
        for (int k = 1; rest && k < 3; k++)
            settings[k] = strsep(&rest, " ");
        fig_train_opts opts = { .recipe = fig_recipe_find("flow"), .data = (const char *[]){ cases[i].data, NULL }, .dry_run = true,
                                .settings = settings };
        CHECK_FAILS(fig_trainer_new(NULL, &opts, &t, &err), err, FIG_E_USAGE, cases[i].part);
        fig_trainer_free(t);
        free(copy);
    }
}

FIG_TEST_MAIN
