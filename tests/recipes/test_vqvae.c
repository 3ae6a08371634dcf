/* test_vqvae.c - codebooks by hand: nearest vectors, gradients straight through, moving averages, restarts; the prior's steps are its
 * whole; every option trains something else; codes and back; a run that was cut in two holds the same bits */
#include "denoiser_rig.h"
#include "nn_rig.h"
#include "recipes/code_prior.h"
#include "recipes/codebook.h"
#include "train/trainer.h"
#include <stdlib.h>
#include <string.h>

/* -- the codebook by hand ------------------------------------------------------------------------------------------------- */

enum { B = 2, PLACES = 2, K = 3, D = 2 };
/* Row 1's second place fills up only in the test of weights. */
static const float places_of[B * PLACES * D] = { 0.9f, 0.2f, -2, 0.5f, 0.1f, 0.9f, 1.2f, -0.1f };
static const float sums_of[K * D] = { 2, 0, 0, 1, -4, 0 };   /* with counts 2, 1, 4: (1, 0), (0, 1), (-1, 0) */
static const float counts_of[K] = { 2, 1, 4 };
static const int32_t code_of[B * PLACES] = { 0, 2, 1, 0 };

typedef struct book_rig {
    fig__codebook_options options;
    fig_node vectors, index, through, slope, perplexity;
} book_rig;

static fig_status build_book(fig_model *model, void *user, fig_error *err)
{
    book_rig *r = user;
    (void)err;
    fig_node h = fig_input(fig_model_graph(model), "h", FIG_SHAPE(B, PLACES, D));
    fig_node upstream = fig_input(fig_model_graph(model), "upstream", FIG_SHAPE(B, PLACES, D));
    r->vectors = fig__codebook(model, &r->options);
    r->index = fig__codebook_nearest(r->vectors, h);
    r->through = fig__straight_through(h, fig_gather(r->vectors, r->index));
    fig_gradients(fig_sum(fig_mul(fig_square(r->through), upstream), NULL), &h, 1, &r->slope);
    r->perplexity = fig__codebook_follow(model, &r->options, h, r->index);
    return FIG_OK;
}

/* Begins, sets states and inputs, runs once. */
static bool run_book(nn_rig *rig, book_rig *r, const float weight[B])
{
    nn_network network = { build_book, r };
    if (!nn_begin(rig, &network, FIG_FOR_EVALUATION, B)) {
        TEST_FAIL("build: %s", rig->err.message);
        return false;
    }
    fig_node outputs[] = { r->vectors, r->index, r->through, r->slope, r->perplexity };
    if (!nn_compile(rig, outputs, 5))
        return false;
    memcpy(nn_state(rig, "codebook.counts"), counts_of, sizeof counts_of);
    memcpy(nn_state(rig, "codebook.sums"), sums_of, sizeof sums_of);
    memcpy(nn_input(rig, "h"), places_of, sizeof places_of);
    memcpy(nn_input(rig, "weight"), weight, sizeof(float) * B);
    for (int i = 0; i < B * PLACES * D; i++)
        nn_input(rig, "upstream")[i] = 0.1f * (float)(i + 1);
    nn_run(rig, 1);
    return true;
}

FIG_TEST(codes_are_the_nearest_and_gradients_pass_through)
{
    nn_rig rig;
    book_rig r = { .options = { .codes = K, .width = D, .decay = 0.9 } };
    if (run_book(&rig, &r, (const float[B]){ 1, 1 })) {
        static const float vectors[K * D] = { 1, 0, 0, 1, -1, 0 };
        const float *v = nn_output(&rig, 0), *through = nn_output(&rig, 2), *slope = nn_output(&rig, 3);
        for (int i = 0; i < K * D; i++)
            CHECK_NEAR(v[i], vectors[i], 2e-5);
        CHECK(!memcmp(nn_output(&rig, 1), code_of, sizeof code_of));
        for (int i = 0; i < B * PLACES * D; i++) {
            double q = vectors[code_of[i / D] * D + i % D];
            CHECK_NEAR(through[i], q, 2e-5);
            CHECK_NEAR(slope[i], 2 * q * 0.1 * (i + 1), 1e-4); /* the decoder's gradient at q, as if it were h */
        }
    }
    nn_end(&rig);
}

FIG_TEST(the_codebook_follows_by_moving_averages)
{
    nn_rig rig;
    book_rig r = { .options = { .codes = K, .width = D, .decay = 0.9 } };
    if (run_book(&rig, &r, (const float[B]){ 1, 1 })) {
        static const double counts[K] = { 0.9 * 2 + 0.1 * 2, 0.9 + 0.1, 0.9 * 4 + 0.1 };
        static const double sums[K * D] = { 0.9 * 2 + 0.1 * 2.1, 0.1 * 0.1, 0.1 * 0.1, 0.9 + 0.1 * 0.9, -0.9 * 4 - 0.1 * 2, 0.1 * 0.5 };
        for (int i = 0; i < K; i++)
            CHECK_NEAR(nn_state(&rig, "codebook.counts")[i], counts[i], 1e-6);
        for (int i = 0; i < K * D; i++)
            CHECK_NEAR(nn_state(&rig, "codebook.sums")[i], sums[i], 1e-6);
        CHECK_NEAR(nn_output(&rig, 4)[0], exp(-0.5 * log(0.5) - 2 * 0.25 * log(0.25)), 1e-4);
        nn_run(&rig, 2); /* the vectors of the next step are the new sums by the new counts, nearly */
        for (int i = 0; i < K * D; i++)
            CHECK_NEAR(nn_output(&rig, 0)[i], sums[i] / counts[i / D], 1e-4);
    }
    nn_end(&rig);
    if (run_book(&rig, &r, (const float[B]){ 1, 0 })) { /* rows that fill up count nothing */
        static const double counts[K] = { 0.9 * 2 + 0.1, 0.9, 0.9 * 4 + 0.1 };
        for (int i = 0; i < K; i++)
            CHECK_NEAR(nn_state(&rig, "codebook.counts")[i], counts[i], 1e-6);
        CHECK_NEAR(nn_output(&rig, 4)[0], 2, 1e-4);
    }
    nn_end(&rig);
}

FIG_TEST(starved_codes_begin_anew_where_places_are)
{
    nn_rig rig;
    book_rig r = { .options = { .codes = K, .width = D, .decay = 0.9, .restart = 0.45 } };
    if (run_book(&rig, &r, (const float[B]){ 1, 0 })) { /* counts 1.9, 0.9, 3.7: the average is 2.1667 */
        const float *counts = nn_state(&rig, "codebook.counts"), *sums = nn_state(&rig, "codebook.sums");
        CHECK_NEAR(counts[0], 1.9, 1e-6);
        CHECK_NEAR(counts[1], 6.5 / 3, 1e-5);
        CHECK_NEAR(counts[2], 3.7, 1e-6);
        bool found = false; /* at one of the two places of the row that counts */
        for (int i = 0; i < PLACES; i++) {
            const float *place = places_of + i * D;
            found = found || (fabsf(sums[D] / counts[1] - place[0]) < 1e-5f && fabsf(sums[D + 1] / counts[1] - place[1]) < 1e-5f);
        }
        CHECK(found);
    }
    nn_end(&rig);
}

/* -- the prior -------------------------------------------------------------------------------------------------------------- */

enum { ROWS = 3, COLUMNS = 4, CODES = 5, CLASSES = 3 };

typedef struct prior_rig {
    fig__code_prior_options options;
    int classes;
    bool step;
    fig_node out;
} prior_rig;

static fig_status build_prior(fig_model *model, void *user, fig_error *err)
{
    prior_rig *r = user;
    fig_graph *g = fig_model_graph(model);
    fig_type one = { .dtype = FIG_I32, .rank = 1, .dim = { B } };
    fig_type grid = { .dtype = FIG_I32, .rank = 3, .dim = { B, ROWS, COLUMNS } };
    fig__code_prior p = { .model = model, .o = &r->options, .rows = ROWS, .columns = COLUMNS, .codes = CODES, .classes = r->classes };
    FIG_TRY(fig__code_prior_check(&p, err));
    fig_node label = r->classes ? fig_input(g, "label", one) : FIG_NONE;
    r->out = r->step ? fig__code_prior_step(&p, fig_input(g, "token", one), fig_input(g, "position", one), label)
                     : fig__code_prior_nll(&p, fig_input(g, "index", grid), label);
    return FIG_OK;
}

static bool open_prior(nn_rig *rig, nn_network *network, prior_rig *r)
{
    *network = (nn_network){ build_prior, r };
    if (!nn_begin(rig, network, FIG_FOR_EVALUATION, B)) {
        TEST_FAIL("build: %s", rig->err.message);
        return false;
    }
    if (!nn_compile(rig, &r->out, 1))
        return false;
    for (int row = 0; row < B && r->classes; row++)
        ((int32_t *)nn_input(rig, "label"))[row] = (row + 1) % r->classes;
    return true;
}

static void steps_equal_the_whole(int classes)
{
    nn_rig whole, steps;
    nn_network networks[2];
    prior_rig a = { .options = { .raster = { 3, 6, 3, 5 }, .head = 7 }, .classes = classes }, b = a;
    b.step = true;
    double sum[B] = { 0 };
    int32_t index[B][ROWS * COLUMNS];
    for (int row = 0; row < B; row++)
        for (int i = 0; i < ROWS * COLUMNS; i++)
            index[row][i] = (row * 3 + i * i + i / 3) % CODES;
    if (open_prior(&whole, &networks[0], &a) && open_prior(&steps, &networks[1], &b)) {
        memcpy(nn_input(&whole, "index"), index, sizeof index);
        nn_run(&whole, 1);
        for (int i = 0; i < ROWS * COLUMNS; i++) {
            for (int row = 0; row < B; row++) {
                ((int32_t *)nn_input(&steps, "token"))[row] = i ? index[row][i - 1] : 0;
                ((int32_t *)nn_input(&steps, "position"))[row] = i;
            }
            nn_run(&steps, (uint64_t)i);
            for (int row = 0; row < B; row++) {
                const float *logits = nn_output(&steps, 0) + row * CODES;
                double total = 0;
                for (int k = 0; k < CODES; k++)
                    total += exp(logits[k]);
                sum[row] += log(total) - logits[index[row][i]];
            }
        }
        for (int row = 0; row < B; row++)
            CHECK_NEAR(sum[row], nn_output(&whole, 0)[row], 1e-4);
    }
    nn_end(&whole);
    nn_end(&steps);
}

FIG_TEST(the_prior_steps_equal_the_whole)
{
    steps_equal_the_whole(0);
    steps_equal_the_whole(CLASSES);
}

/* -- whole runs ------------------------------------------------------------------------------------------------------------- */

static void note_sum(void *user, const fig_train_progress *p) /* of the losses of all phases */
{
    losses *l = user;
    double sum = 0;
    for (int i = 0; i < p->losses; i++)
        sum += strncmp(p->loss_name[i], "loss.", 5) ? 0 : p->loss[i];
    CHECK(isfinite(sum));
    l->last = sum;
    if (!l->count++)
        l->first = sum;
}

/* Trains in folder/name. */
static losses train(const char *folder, const char *name, const char *settings)
{
    char path[400];
    const char *list[32] = { "threads=1", "log_every=1", "eval_every=never", "sample_every=never", "batch=8", "epochs=0", "width=4",
                             "codes=8", "code_width=4", "blocks=1", "size=16", "channels=1", "prior.layers=2", "prior.width=4",
                             "prior.head=8", "warmup=0", "schedule=constant" };
    int count = 17;
    char *copy = strdup(settings), *rest = copy, *word;
    while ((word = strsep(&rest, " ")) && count < 31)
        list[count++] = word;
    snprintf(path, sizeof path, "%s/%s", folder, name);
    losses l = { 0 };
    fig_error err = { 0 };
    fig_train_opts opts = { .recipe = fig_recipe_find("vqvae"), .data = (const char *[]){ "synthetic:shapes:64", NULL }, .output = path,
                            .settings = list, .no_tune = true };
    CHECK_OK(fig_train(NULL, &opts, note_sum, &l, &err), err);
    free(copy);
    return l;
}

static double logged(const fig_trainer *t, const char *key)
{
    for (int i = 0; i < t->n_losses; i++)
        if (t->loss_key[i] && !strcmp(t->loss_key[i], key))
            return t->loss[i];
    TEST_FAIL("nothing is logged as %s", key);
    return 0;
}

FIG_TEST(the_loss_is_the_sum_of_its_terms)
{
    const char *settings[] = { "threads=1", "steps=3", "epochs=0", "batch=8", "width=4", "codes=8", "code_width=4", "size=16", "sigma=0.2",
                               "prior.layers=1", "prior.width=4", "commitment=0.5", "adversarial=0.7", "adversarial_scale=fixed",
                               "critic.width=4", "critic.features=2", NULL };
    fig_error err = { 0 };
    fig_trainer *t = NULL;
    fig_train_opts opts = { .recipe = fig_recipe_find("vqvae"), .data = (const char *[]){ "synthetic:shapes:64", NULL },
                            .settings = settings, .no_tune = true };
    REQUIRE_OK(fig_trainer_new(NULL, &opts, &t, &err), err);
    for (int step = 0; step < 3; step++) {
        fig_train_progress p;
        CHECK_OK(fig_trainer_step(t, &p, &err), err);
        double sum = logged(t, "mse") / (2 * 0.2 * 0.2) + 0.5 * logged(t, "commitment") + 2 * logged(t, "features") +
                     0.7 * logged(t, "adversarial");
        CHECK_NEAR(logged(t, "loss.autoencoder"), sum, 1e-4 * fabs(sum));
    }
    fig_trainer_free(t);
}

FIG_TEST(the_bound_is_the_sum_of_its_terms)
{
    static const char *const laws[] = { "sigma=0.2", "likelihood=bernoulli prior=frequency" };
    for (int k = 0; k < 2; k++) {
        char folder[256], path[300], settings[100];
        fig_error err = { 0 };
        fig_trained *model = NULL;
        fig_score s[8];
        int count = 0;
        double elbo = 0, parts = 0;
        make_folder(folder);
        snprintf(settings, sizeof settings, "steps=5 %s", laws[k]);
        train(folder, "run", settings);
        snprintf(path, sizeof path, "%s/run", folder);
        REQUIRE_OK(fig_load(NULL, path, &model, &err), err);
        CHECK_OK(fig_evaluate(model, &(fig_eval_opts){ .seed = 1 }, s, 8, &count, &err), err);
        for (int i = 0; i < count; i++) {
            elbo = strcmp(s[i].name, "elbo") ? elbo : s[i].value;
            if (!strcmp(s[i].name, "reconstruction") || !strcmp(s[i].name, "code_nll"))
                parts += s[i].value;
        }
        CHECK(count >= 4 && elbo != 0);
        CHECK_NEAR(elbo, -parts, 1e-3 * fabs(parts));
        fig_trained_free(model);
        drop_folder(folder);
    }
}

#define CRITIC "adversarial=0.5 critic.width=4"

FIG_TEST(each_option_trains_something_else)
{
    static const char *const kinds[] = {
        "codes=8", "autoencoder_steps=10", "condition=none", "prior.layers=1", "prior.width=6", "prior.head=9", "prior.kernel=5",
        "prior.first_kernel=3", "prior.dropout=0.3", "prior=frequency", "body=light width=8", "halvings=1", "halvings=3", "blocks=0",
        "codes=16", "code_width=2", "decay=0.5", "restart=0.3", "commitment=2", "sigma=0.2", "likelihood=bernoulli",
        "likelihood=bernoulli pixels=dynamic", "norm=sample", "activation=silu",
        CRITIC, CRITIC " critic.patches=no", CRITIC " critic.width=5", CRITIC " adversarial_scale=fixed", CRITIC " adversarial_from=10",
        CRITIC " critic.loss=least-squares", CRITIC " critic.loss=non-saturating", CRITIC " critic.features=1", CRITIC " critic.r1=1",
        CRITIC " critic.spectral_norm=no", CRITIC " critic.rate=3", CRITIC " critic.augment=translation,colour",
        CRITIC " autoencoder_steps=10", "critic.features=1 critic.width=4"
    };
    enum { KINDS = sizeof kinds / sizeof *kinds };
    char folder[256], name[16], settings[200];
    losses l[KINDS];
    make_folder(folder);
    for (int i = 0; i < KINDS; i++) {
        snprintf(name, sizeof name, "k%d", i);
        snprintf(settings, sizeof settings, "steps=20 %s", kinds[i]);
        l[i] = train(folder, name, settings);
        CHECK(l[i].count == 20);
        for (int k = 0; k < i; k++)
            if (l[k].last == l[i].last)
                TEST_FAIL("%s and %s gave the same loss", kinds[k], kinds[i]);
    }
    drop_folder(folder);
}

static fig_samples *half(fig_trained *model, const char *name, int64_t count, const float *from)
{
    fig_samples *out = NULL;
    fig_error err = { 0 };
    CHECK_OK(fig_sample(model, &(fig_sample_opts){ .count = count, .sampler = name, .batch = 7, .input = from }, &out, &err), err);
    return out;
}

FIG_TEST(the_halves_make_the_whole)
{
    enum { PICTURES = 20, PIXELS = 16 * 16 };
    static float x[PICTURES * PIXELS];
    char folder[256], path[300];
    make_folder(folder);
    losses l = train(folder, "run", "steps=150 lr=1e-2");
    CHECK(l.last < 0.6 * l.first);
    fig_trained *model = NULL;
    fig_error err = { 0 };
    snprintf(path, sizeof path, "%s/run", folder);
    REQUIRE_OK(fig_load(NULL, path, &model, &err), err);
    for (int i = 0; i < PICTURES * PIXELS; i++)
        x[i] = (float)(i / 5 % 7 == 0) + 0.1f * (float)(i % 3);
    fig_type type;
    fig_samples *whole = half(model, "reconstruct", PICTURES, x), *codes = half(model, "encode", PICTURES, x);
    const float *z = fig_samples_values(codes, &type);
    REQUIRE(z && type.rank == 2 && type.dim[0] == PICTURES && type.dim[1] == 16);
    bool several = false;
    for (int i = 0; i < PICTURES * 16; i++) {
        CHECK(z[i] >= 0 && z[i] < 8 && floorf(z[i]) == z[i]);
        several = several || z[i] != z[0];
    }
    CHECK(several);
    fig_samples *again = half(model, "decode", PICTURES, z);
    CHECK(!memcmp(fig_samples_values(whole, NULL), fig_samples_values(again, NULL), sizeof x));
    fig_samples *drawn = half(model, NULL, 9, NULL), *more = half(model, NULL, 16, NULL); /* the first are the same ones */
    CHECK(fig_samples_values(drawn, &type) && type.rank == 4 && type.dim[0] == 9 && type.dim[1] == 16);
    CHECK(!memcmp(fig_samples_values(drawn, NULL), fig_samples_values(more, NULL), sizeof(float) * 9 * PIXELS));
    for (int i = 0; i < 9; i++) /* of all classes in turn */
        CHECK_INT(fig_samples_class(drawn, i), i % fig_trained_data(model)->classes);
    fig_samples_free(more);
    fig_samples_free(whole);
    fig_samples_free(codes);
    fig_samples_free(again);
    fig_samples_free(drawn);
    fig_trained_free(model);
    drop_folder(folder);
}

#define TINY "batch=8 width=4 codes=8 code_width=4 blocks=1 size=16 channels=1 prior.layers=2 prior.width=4 prior.head=8 warmup=0 " \
             "schedule=constant epochs=0 restart=0.3 "

FIG_TEST(a_resumed_run_holds_the_same_bits)
{
    check_resume("vqvae", "pictures", "synthetic:shapes:64", TINY "prior=frequency");
    check_resume("vqvae", "pictures", "synthetic:shapes:64", TINY "prior.dropout=0.1 ema=0.9");
    check_resume("vqvae", "pictures", "synthetic:shapes:64", TINY "autoencoder_steps=6");
    check_resume("vqvae", "pictures", "synthetic:shapes:64", TINY CRITIC " critic.features=0.1 adversarial_from=3 autoencoder_steps=7");
}

/* States whose name begins so, hashed. */
static uint64_t states_of(const fig_trainer *t, const char *scope)
{
    uint64_t hash = 1;
    for (int i = 0; i < fig_store_count(t->store); i++)
        if (!strncmp(fig_store_name(t->store, i), scope, strlen(scope)))
            hash = hash * 31 + fig__hash64(fig_store_data(t->store, i), fig_store_bytes(t->store, i), 1);
    return hash;
}

FIG_TEST(the_autoencoder_rests_while_the_prior_learns)
{
    static const char *const scopes[] = { "encoder.", "decoder.", "codebook.", "prior." };
    const char *settings[] = { "threads=1", "steps=8", "epochs=0", "batch=8", "width=4", "codes=8", "code_width=4", "size=16",
                               "prior.layers=2", "prior.width=4", "autoencoder_steps=4", "restart=0.3", NULL };
    fig_error err = { 0 };
    fig_trainer *t = NULL;
    fig_train_opts opts = { .recipe = fig_recipe_find("vqvae"), .data = (const char *[]){ "synthetic:shapes:64", NULL },
                            .settings = settings, .no_tune = true };
    REQUIRE_OK(fig_trainer_new(NULL, &opts, &t, &err), err);
    for (int step = 0; step < 8; step++) {
        uint64_t before[4];
        fig_train_progress p;
        for (int i = 0; i < 4; i++)
            before[i] = states_of(t, scopes[i]);
        CHECK_OK(fig_trainer_step(t, &p, &err), err);
        for (int i = 0; i < 4; i++)
            if ((states_of(t, scopes[i]) != before[i]) != (i == 3 ? step >= 4 : step < 4))
                TEST_FAIL("step %d: %s %s", step, scopes[i], i == 3 ? "prior's turn is after step 4" : "learns in the first four steps");
    }
    fig_trainer_free(t);
}

FIG_TEST_MAIN
