/* test_ddpm.c - diffusion: schedules and steps against numbers computed apart, samplers against Gaussian data, where the exact guess is
 * known, learning with each target, exact resume */
#include "denoiser_rig.h"

/* By Python's floats from the papers' formulas, not from this program. */
FIG_TEST(schedules)
{
    static fig__noise_schedule s;
    fig__noise_schedule_fill(&s, FIG__NOISE_LINEAR, 1000);
    CHECK_NEAR(s.signal[0] * s.signal[0], 0.9999, 1e-12);
    CHECK_NEAR(s.signal[499] * s.signal[499], 0.07858724288177821, 1e-12);
    CHECK_NEAR(s.signal[999] * s.signal[999], 4.0358297653756754e-05, 1e-15);
    fig__noise_schedule_fill(&s, FIG__NOISE_COSINE, 1000);
    CHECK_NEAR(s.signal[0] * s.signal[0], 0.999958715775178, 1e-12);
    CHECK_NEAR(s.signal[499] * s.signal[499], 0.49384359044063775, 1e-12);
    CHECK_NEAR(s.signal[900] * s.signal[900], 0.02361610879439383, 1e-12);
    CHECK_NEAR(s.signal[999] * s.signal[999], 2.4287669070348567e-09, 1e-18); /* its beta is bounded by 0.999 */
    for (int t = 0; t < 1000; t++)
        CHECK_NEAR(s.signal[t] * s.signal[t] + s.noise[t] * s.noise[t], 1, 1e-12);
}

FIG_TEST(steps)
{
    static fig__noise_schedule s;
    static fig__denoise_step step[1000];
    fig__noise_schedule_fill(&s, FIG__NOISE_LINEAR, 1000);
    fig__denoise_steps(&s, FIG__ANCESTRAL, 0, 1000, step); /* every time: the posterior of Ho et al., equation 7 */
    CHECK_NEAR(step[699].time, 0.3, 1e-12);
    CHECK_NEAR(step[699].keep, 0.9929947554480406, 1e-10);
    CHECK_NEAR(step[699].clean, 0.006312901917263441, 1e-10);
    CHECK_NEAR(step[699].fresh, 0.0777934808610915, 1e-10);
    CHECK_NEAR(step[999].keep, 0, 0);
    CHECK_NEAR(step[999].clean, 1, 0);
    CHECK_NEAR(step[999].fresh, 0, 0);
    fig__denoise_steps(&s, FIG__DPM, 0, 10, step); /* times 999, 899 ... 99 */
    CHECK_NEAR(step[4].time, 0.599, 1e-12);
    CHECK_NEAR(step[4].keep, 0.9725697203490592, 1e-10);
    CHECK_NEAR(step[4].clean, 0.1781288543108542, 1e-10);
    CHECK_NEAR(step[4].earlier, -0.05425268521611995, 1e-10);
    CHECK_NEAR(step[0].earlier, 0, 0);
    CHECK_NEAR(step[9].clean, 1, 0);
    CHECK_NEAR(step[9].earlier, 0, 0);
    fig__denoise_steps(&s, FIG__DDIM, 0, 10, step);
    CHECK_NEAR(step[4].keep, 0.9725697203490592, 1e-10);
    CHECK_NEAR(step[4].clean, 0.1238761690947342, 1e-10);
    CHECK_NEAR(step[4].fresh, 0, 0);
    fig__denoise_step other[10];
    fig__denoise_steps(&s, FIG__DDIM, 1, 10, step);
    fig__denoise_steps(&s, FIG__ANCESTRAL, 0, 10, other);
    CHECK(!memcmp(step, other, sizeof other));
}

/* -- Gaussian data: the guess of the example is linear in x ---------------------------------------------------------- */

enum { TIMES = 1000, N = 2000 };
static const double MEAN = 0.7, DEVIATION = 0.4;
static int exact_steps, exact_predict, exact_noise;
static double exact_eta;

/* E(example | x) = MEAN + gain (x - signal MEAN) */
static double gain_at(double signal, double noise)
{
    return signal * DEVIATION * DEVIATION / (signal * signal * DEVIATION * DEVIATION + noise * noise);
}

static fig_node exact_guess(const fig__denoiser *d, fig_node x, fig_node time, fig_node label)
{
    static fig__noise_schedule s;
    float table[3][TIMES];
    (void)label;
    fig__noise_schedule_fill(&s, exact_noise, TIMES);
    for (int t = 0; t < TIMES; t++) {
        table[0][t] = (float)s.signal[t];
        table[1][t] = (float)s.noise[t];
        table[2][t] = (float)gain_at(s.signal[t], s.noise[t]);
    }
    fig_node index = fig_cast(fig_floor(fig_shift(fig_scale(time, TIMES), 0.5f)), FIG_I32), at[3];
    for (int i = 0; i < 3; i++)
        at[i] = fig__per_sample(d, fig_gather(fig_constant_data(x.graph, FIG_SHAPE(TIMES), table[i]), index));
    fig_node example = fig_shift(fig_mul(at[2], fig_sub(x, fig_scale(at[0], (float)MEAN))), (float)MEAN);
    fig_node noise = fig_div(fig_sub(x, fig_mul(at[0], example)), at[1]);
    if (exact_predict == FIG__PREDICT_SAMPLE)
        return example;
    return exact_predict == FIG__PREDICT_NOISE ? noise : fig_sub(fig_mul(at[0], noise), fig_mul(at[1], example));
}

static fig_node nothing(const fig__denoiser *d, fig_node x, fig_node time, fig_node label)
{
    (void)d, (void)time, (void)label;
    return fig_scale(x, 0);
}

static fig_status build_exact(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    static const fig__denoiser_options o = { .guidance = 1, .levels = (char *)"1", .hidden = (char *)"4", .heads = 1, .stem = 1 };
    static fig__noise_schedule s;
    fig__denoiser d;
    (void)options;
    FIG_TRY(fig__denoiser_open(&d, model, &o, data, err));
    fig__noise_schedule_fill(&s, exact_noise, TIMES);
    d.network = nothing;
    fig__solve_flow(&d, FIG__EULER, 1); /* a flow that stands still: the noise itself */
    d.network = exact_guess;
    fig__diffusion how = { .schedule = &s, .predict = exact_predict, .eta = exact_eta, .clip = true };
    for (int kind = FIG__DDIM; kind <= FIG__DPM; kind++)
        fig__solve_diffusion(&d, &how, kind, exact_steps);
    return FIG_OK;
}

/* What becomes of z: slope z + offset, plus noise of the given variance. The guess is c x + e. */
typedef struct carried { double slope, offset, variance; } carried;
static carried carry(int kind)
{
    static fig__noise_schedule s;
    static fig__denoise_step step[TIMES];
    carried x = { 1, 0, 0 }, guess = { 0, 0, 0 };
    fig__noise_schedule_fill(&s, exact_noise, TIMES);
    fig__denoise_steps(&s, kind, exact_eta, exact_steps, step);
    for (int k = 0; k < exact_steps; k++) {
        double c = gain_at(step[k].signal, step[k].noise), e = MEAN * (1 - c * step[k].signal);
        carried before = guess;
        guess = (carried){ c * x.slope, c * x.offset + e, 0 };
        x.slope = step[k].keep * x.slope + step[k].clean * guess.slope + step[k].earlier * before.slope;
        x.offset = step[k].keep * x.offset + step[k].clean * guess.offset + step[k].earlier * before.offset;
        double factor = step[k].keep + step[k].clean * c;
        x.variance = factor * factor * x.variance + step[k].fresh * step[k].fresh;
    }
    return x;
}

static const char *const sampler_names[] = { "ddim", "ancestral", "dpm++" };

static void check_line(exact_rig *r, int kind, const float *z)
{
    float *x = exact_draw(r, sampler_names[kind], N);
    carried c = carry(kind);
    for (int i = 0; x && z && i < 2 * N; i++)
        if (!(fabs((double)x[i] - (c.slope * (double)z[i] + c.offset)) < 1e-3)) {
            TEST_FAIL("%s, %d steps, target %d: %g from %g, expected %g", sampler_names[kind], exact_steps, exact_predict, (double)x[i],
                      (double)z[i], c.slope * (double)z[i] + c.offset);
            break;
        }
    free(x);
}

FIG_TEST(samplers_without_noise_follow_their_line)
{
    exact_rig r;
    exact_eta = 0;
    exact_steps = 20;
    REQUIRE(exact_open(&r, build_exact));
    float *z = exact_draw(&r, "euler", N);
    for (exact_predict = 0; exact_predict < 3; exact_predict++) {
        exact_noise = FIG__NOISE_LINEAR;
        check_line(&r, FIG__DDIM, z);
        check_line(&r, FIG__DPM, z);
        exact_noise = exact_predict == FIG__PREDICT_NOISE ? FIG__NOISE_LINEAR : FIG__NOISE_COSINE;
        check_line(&r, FIG__DPM, z);
    }
    free(z);
    exact_close(&r);
}

/* The line is the data's: z becomes MEAN + DEVIATION z, the better the more steps, and sooner with the second order. */
FIG_TEST(lines_end_at_the_data)
{
    double error[2][3];
    exact_noise = FIG__NOISE_LINEAR;
    exact_eta = 0;
    for (int fine = 0; fine < 3; fine++)
        for (int kind = 0; kind < 2; kind++) {
            exact_steps = fine == 0 ? 10 : fine == 1 ? 40 : 1000;
            carried c = carry(kind ? FIG__DPM : FIG__DDIM);
            error[kind][fine] = fabs(c.slope - DEVIATION);
            CHECK_NEAR(c.offset, MEAN, fine == 2 ? 0.01 : 0.05);
        }
    CHECK(error[0][2] < 2e-3 && error[1][2] < 2e-3);
    CHECK(error[0][1] < 0.4 * error[0][0]);
    CHECK(error[1][1] < 0.6 * error[0][1]);
}

FIG_TEST(samplers_with_noise_have_the_data_s_moments)
{
    exact_rig r;
    exact_predict = FIG__PREDICT_VELOCITY;
    exact_noise = FIG__NOISE_LINEAR;
    exact_steps = 50;
    REQUIRE(exact_open(&r, build_exact));
    for (int kind = FIG__DDIM; kind <= FIG__ANCESTRAL; kind++) {
        exact_eta = kind == FIG__DDIM ? 0.5 : 0;
        float *x = exact_draw(&r, sampler_names[kind], N);
        carried c = carry(kind);
        double expected = c.slope * c.slope + c.variance, sum = 0, square = 0;
        for (int i = 0; x && i < 2 * N; i++)
            sum += (double)x[i], square += (double)x[i] * (double)x[i];
        double mean = sum / (2 * N), variance = square / (2 * N) - mean * mean;
        CHECK_NEAR(mean, c.offset, 4 * sqrt(expected / (2 * N)));          /* four standard errors */
        CHECK_NEAR(variance, expected, 4 * expected * sqrt(2.0 / (2 * N)));
        free(x);
    }
    exact_eta = 0;
    exact_steps = 1000;
    carried whole = carry(FIG__ANCESTRAL); /* nothing is left of the noise it began with */
    CHECK(fabs(whole.slope) < 0.01);
    CHECK_NEAR(whole.variance, DEVIATION * DEVIATION, 0.03 * DEVIATION * DEVIATION); /* the posterior's variance is the smaller choice */
    exact_close(&r);
}

/* -- training --------------------------------------------------------------------------------------------------------- */

FIG_TEST(every_target_is_learned)
{
    static const char *const kinds[] = { "predict=noise noise=linear", "predict=velocity noise=cosine weighting=min_snr",
                                         "predict=sample noise=cosine weighting=min_snr", "predict=noise noise=linear weighting=min_snr" };
    static const char *const samplers[] = { "dpm++", "ddim", "ancestral", NULL };
    char folder[256], settings[512];
    make_folder(folder);
    for (int i = 0; i < 4; i++) {
        char name[16];
        snprintf(name, sizeof name, "run%d", i);
        snprintf(settings, sizeof settings, "%s %s", kinds[i],
                 "steps=400 batch=128 hidden=64,64 condition=class warmup=20 lr=5e-3 log_every=20 ema=0.98 sample_steps=20");
        losses l = train_run("ddpm", "points", "synthetic:ring2:2000", folder, name, settings, false);
        CHECK(l.last < 0.8 * l.first);
        fig_samples *s = draw_from(folder, name, &(fig_sample_opts){ .count = 400, .seed = 1, .sampler = samplers[i] });
        CHECK(on_their_side(s) > 0.9);
        fig_samples_free(s);
    }
    drop_folder(folder);
}

FIG_TEST(pictures_are_learned)
{
    char folder[256];
    make_folder(folder);
    losses l = train_run("ddpm", "pictures", "synthetic:shapes:300", folder, "shapes",
                         "steps=120 batch=8 width=8 heads=2 warmup=5 lr=1e-2 log_every=5 sample_steps=3", false);
    CHECK(l.last < 0.7 * l.first);
    static const char *const settings[] = { "guidance=2", "eta=0.5", "sample_steps=2", NULL };
    static const char *const samplers[] = { "ddim", "ancestral", "dpm++" };
    for (int i = 0; i < 3; i++) {
        fig_samples *s = draw_from(folder, "shapes", &(fig_sample_opts){ .count = 3, .settings = settings, .sampler = samplers[i] });
        fig_type type;
        const float *v = s ? fig_samples_values(s, &type) : NULL;
        for (int64_t k = 0; v && k < fig_elements(&type); k++)
            if (!(v[k] >= -1 && v[k] <= 1)) {
                TEST_FAIL("a sample is %g", (double)v[k]);
                break;
            }
        fig_samples_free(s);
    }
    drop_folder(folder);
}

FIG_TEST(resume_is_exact)
{
    check_resume("ddpm", "points", "synthetic:ring8:300", "hidden=32 batch=32 warmup=3 condition=class weighting=min_snr");
    check_resume("ddpm", "pictures", "synthetic:shapes:60",
                 "width=4 heads=1 batch=4 warmup=3 dropout=0.1 time=uniform sample_every=never predict=noise");
}

FIG_TEST_MAIN
