/* test_semi.c - a critic of K + 1 answers: which examples keep their labels, what its logits are on a net small enough to compute by
 * hand, and that a few labels teach it the classes of all */
#include "data/source.h"
#include "nn_rig.h"
#include "recipes/bodies.h"
#include "unit/sample_data.h"

/* -- the labelled examples ------------------------------------------------------------------------------------------------- */

enum { MOST = 64 };

typedef struct picked {
    float x[MOST];
    int label[MOST], of_class[8], rows;
} picked;

/* One pass over `labelled` examples of data. */
static picked pass(const char *name, int64_t labelled, uint64_t seed)
{
    picked p = { .rows = (int)labelled };
    fig_error err = { 0 };
    fig_data *data;
    fig_loader *loader = NULL;
    const fig_batch *batch;
    CHECK_OK(fig_data_open(name, NULL, &data, &err), err);
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_POINTS }, &err), err);
    fig_loader_opts opts = { .batch = (int)labelled, .labelled = labelled, .seed = seed, .drop_last = true };
    CHECK_OK(fig_loader_new(data, &opts, &loader, &err), err);
    if (loader && fig_loader_next(loader, &batch, &err) == FIG_OK) {
        CHECK_INT(batch->real_rows, labelled);
        CHECK_INT(fig_loader_epoch_batches(loader), 1);
        for (int i = 0; i < p.rows; i++) {
            p.x[i] = ((const float *)batch->data[0])[2 * i];
            p.label[i] = ((const int32_t *)batch->data[1])[i];
            p.of_class[p.label[i]]++;
        }
        CHECK_OK(fig_loader_next(loader, &batch, &err), err); /* the next pass: the same ones in another order */
        for (int i = 0, same = 0; i < p.rows; i++, same = 0) {
            for (int k = 0; k < p.rows; k++)
                same += ((const float *)batch->data[0])[2 * i] == p.x[k];
            CHECK_INT(same, 1);
        }
    }
    fig_loader_free(loader);
    fig_data_free(data);
    return p;
}

FIG_TEST(labels_are_balanced_and_chosen_by_the_seed)
{
    picked a = pass("synthetic:ring8:400", 27, 3), again = pass("synthetic:ring8:400", 27, 3), b = pass("synthetic:ring8:400", 27, 4);
    int fours = 0, shared = 0;
    for (int c = 0; c < 8; c++) {
        CHECK(a.of_class[c] == 3 || a.of_class[c] == 4);
        fours += a.of_class[c] == 4;
    }
    CHECK_INT(fours, 3); /* 27 = 8 * 3 + 3 */
    CHECK(!memcmp(a.x, again.x, sizeof a.x));
    for (int i = 0; i < 27; i++)
        for (int k = 0; k < 27; k++)
            shared += a.x[i] == b.x[k];
    CHECK(shared < 10);
}

FIG_TEST(labels_that_are_not_there_are_refused)
{
    static const struct {
        const char *data, *settings[6], *part;
    } wrong[] = { { "synthetic:swissroll:100", { "labels=10" }, "labels" },
                  { "synthetic:ring8:400", { "labels=7" }, "8 classes" },
                  { "synthetic:ring8:80", { "labels=72", "validation=0.4" }, "ask for fewer" },
                  { "synthetic:ring8:80", { "labels=1000000000" }, "ask for fewer" },
                  { "synthetic:ring8:400", { "labels=16", "condition=concat" }, "condition=none" } };
    for (size_t i = 0; i < sizeof wrong / sizeof *wrong; i++) {
        fig_error err = { 0 };
        fig_trainer *t = NULL;
        fig_train_opts opts = { .recipe = fig_recipe_find("gan"), .data = (const char *[]){ wrong[i].data, NULL },
                                .settings = wrong[i].settings, .no_tune = true };
        CHECK_FAILS(fig_trainer_new(NULL, &opts, &t, &err), err, FIG_E_USAGE, wrong[i].part);
        fig_trainer_free(t);
    }
}

/* -- its logits ------------------------------------------------------------------------------------------------------------ */

enum { B = 4, D = 2, CLASSES = 3 };

typedef struct critic {
    fig__body_options options;
    fig_node out[2];
} critic;

static fig_status build(fig_model *m, void *user, fig_error *err)
{
    critic *c = user;
    fig__body body;
    fig_data_spec spec = { .kind = FIG_DATA_POINTS, .dimensions = D, .classes = CLASSES };
    FIG_TRY(fig__body_open(&body, m, &c->options, &spec, false, err));
    fig_node x = fig_input(fig_model_graph(m), "x", FIG_SHAPE(B, D));
    c->out[0] = fig__body_classify(m, &body, x);
    c->out[1] = fig__body_judge(m, &body, x, FIG_NONE);
    if (fig_model_purpose(m) == FIG_FOR_TRAINING)
        return fig_model_phase(m, &(fig_phase){ .name = "p", .loss = fig_sum_rows(c->out[0]) }, err);
    return FIG_OK;
}

static double weight(int i) { return 0.1 * (i % 7) - 0.25; }
static double bias(int i) { return 0.05 * i - 0.1; }
static double value(int i) { return 0.3 * i - 1; }

/* Logit of class k at place `place` of a pack of the rows first, second: a critic without hidden layers is linear. */
static double by_hand(int packing, const int *row, int place, int k)
{
    int unit = place * CLASSES + k;
    double sum = bias(unit);
    for (int j = 0; j < packing; j++)
        for (int d = 0; d < D; d++)
            sum += weight(unit * packing * D + j * D + d) * value(row[j] * D + d);
    return sum;
}

static void logits_are(int64_t packing, fig_purpose purpose)
{
    char none[] = "0";
    critic c = { .options = { .labels = 6, .packing = packing, .pieces = 1, .generator.hidden = none, .critic.hidden = none } };
    nn_network network = { build, &c };
    nn_rig r;
    bool train = purpose == FIG_FOR_TRAINING;
    REQUIRE(nn_begin(&r, &network, purpose, B) && nn_compile(&r, c.out, 2));
    float *w = nn_state(&r, "discriminator.linear1.weight"), *b = nn_state(&r, "discriminator.linear1.bias");
    for (int i = 0; i < CLASSES * packing * packing * D; i++)
        w[i] = (float)weight(i);
    for (int i = 0; i < CLASSES * packing; i++)
        b[i] = (float)bias(i);
    for (int i = 0; i < B * D; i++)
        nn_input(&r, "x")[i] = (float)value(i);
    nn_run(&r, 0);
    for (int row = 0; row < B; row++) { /* in training a row stands where its pack has it; else it is the first */
        int first = train ? row / (int)packing * (int)packing : row, place = row - first, rows[2] = { first, (first + 1) % B };
        for (int k = 0; k < CLASSES; k++)
            CHECK_NEAR(nn_output(&r, 0)[row * CLASSES + k], by_hand((int)packing, rows, place, k), 1e-5);
    }
    for (int pack = 0; pack < B / packing; pack++) {
        double mean = 0;
        int rows[2] = { pack * (int)packing, pack * (int)packing + 1 };
        for (int place = 0; place < packing; place++) {
            double sum = 0;
            for (int k = 0; k < CLASSES; k++)
                sum += exp(by_hand((int)packing, rows, place, k));
            mean += log(sum) / (double)packing;
        }
        CHECK_NEAR(nn_output(&r, 1)[pack], mean, 1e-5);
    }
    nn_end(&r);
}

FIG_TEST(what_judges_is_the_sum_over_classes)
{
    for (int64_t packing = 1; packing <= 2; packing++) {
        logits_are(packing, FIG_FOR_TRAINING);
        logits_are(packing, FIG_FOR_EVALUATION);
    }
}

/* -- in a game ------------------------------------------------------------------------------------------------------------- */

static double last_validation;

static void watch(void *user, const fig_train_progress *p)
{
    int *seen = user;
    if (p->evaluated && p->validation_name && !strcmp(p->validation_name, "accuracy"))
        (*seen)++, last_validation = p->validation;
}

/* Accuracy on the test part after `steps`. */
static double accuracy_of(const char *labels, const char *weight_of)
{
    char *folder = fig__strdup(sample_folder()), *path = fig__format("%s/run", folder);
    fig_error err = { 0 };
    fig_trained *model = NULL;
    int seen = 0;
    const char *const settings[] = { "threads=1", labels, weight_of, "steps=300", "epochs=0", "batch=32", "critic.hidden=32", "latent=2",
                                     "generator.hidden=16", "lr=3e-3", "critic.pieces=1", "validation=0.1", "eval_every=100",
                                     "phases.discriminator.lr=5e-3", "sample_every=never", "log_every=100", NULL };
    fig_train_opts opts = { .recipe = fig_recipe_find("gan"), .data = (const char *[]){ "synthetic:ring8:2000", NULL }, .output = path,
                            .settings = settings, .no_tune = true };
    CHECK_OK(fig_train(NULL, &opts, watch, &seen, &err), err);
    CHECK(seen >= 3);
    double accuracy = -1;
    if (fig_load(NULL, path, &model, &err) == FIG_OK) {
        fig_score scores[4];
        int count = 0;
        fig_eval_opts how = { .metrics = (const char *const[]){ "accuracy", NULL } };
        CHECK_OK(fig_evaluate(model, &how, scores, 4, &count, &err), err);
        CHECK_INT(count, 1);
        CHECK_HAS(scores[0].protocol, "accuracy/1,labels=24");
        CHECK(scores[0].higher_is_better);
        accuracy = count ? scores[0].value : -1;
    }
    fig_trained_free(model);
    sample_folder_end(folder);
    free(path);
    free(folder);
    return accuracy;
}

FIG_TEST(a_few_labels_teach_the_classes)
{
    CHECK(accuracy_of("labels=24", "labels_weight=1") > 0.95);
    CHECK(last_validation > 0.95);
    CHECK(accuracy_of("labels=24", "labels_weight=0") < 0.5); /* nothing else teaches them: chance is 1/8 */
}

FIG_TEST_MAIN
