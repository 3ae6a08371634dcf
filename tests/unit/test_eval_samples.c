/* test_eval_samples.c - judging pictures: a judge that is trained once and kept, protocols, training on generated pictures */
#include "core/core.h"
#include "eval/judged.h"
#include "test.h"

#include <fcntl.h>
#include <sys/stat.h>
#include <unistd.h>

enum { SIDE = 5, PIXELS = SIDE * SIDE };

static char home[160];

static void write_idx(const char *folder, const char *name, const uint8_t *data, int64_t count, bool labels)
{
    char path[256];
    snprintf(path, sizeof path, "%s/%s", folder, name);
    FILE *out = fopen(path, "wb");
    uint8_t head[16] = { 0, 0, 8, labels ? 1 : 3, 0, 0, (uint8_t)(count >> 8), (uint8_t)count, 0, 0, 0, SIDE, 0, 0, 0, SIDE };
    fwrite(head, 1, labels ? 8 : 16, out);
    fwrite(data, 1, (size_t)(labels ? count : count * PIXELS), out);
    fclose(out);
}

/* Two classes: the left or the right half bright, with noise. only >= 0: that class alone. */
static void write_split(const char *folder, const char *split, uint64_t seed, int64_t count, int noise, bool labelled, int only)
{
    fig__rng rng = { seed };
    uint8_t *pixels = malloc((size_t)(count * PIXELS)), *label = malloc((size_t)count);
    char name[64];
    for (int64_t i = 0; i < count; i++) {
        label[i] = only >= 0 ? (uint8_t)only : (uint8_t)(i % 2);
        for (int p = 0; p < PIXELS; p++) {
            bool bright = (p % SIDE < SIDE / 2) == (label[i] == 0);
            pixels[i * PIXELS + p] = (uint8_t)((bright ? 150 : 40) + (int)fig__rng_below(&rng, (uint64_t)noise));
        }
    }
    snprintf(name, sizeof name, "%s-images-idx3-ubyte", split);
    write_idx(folder, name, pixels, count, false);
    snprintf(name, sizeof name, "%s-labels-idx1-ubyte", split);
    if (labelled)
        write_idx(folder, name, label, count, true);
    free(pixels);
    free(label);
}

static const char *make_folder(const char *name, char out[256])
{
    snprintf(out, 256, "%s/%s", home, name);
    mkdir(out, 0700);
    return out;
}

/* data: 40 to train on, 60 to test; same: of the same law; left: one class only; plain: without labels. */
static bool make_all(void)
{
    char folder[256];
    if (home[0])
        return true;
    const char *base = getenv("TMPDIR");
    snprintf(home, sizeof home, "%s/figment-eval-XXXXXX", base ? base : P_tmpdir);
    if (!mkdtemp(home))
        return false;
    setenv("FIGMENT_HOME", home, 1);
    write_split(make_folder("data", folder), "train", 1, 40, 80, true, -1);
    write_split(folder, "test", 2, 60, 80, true, -1);
    write_split(make_folder("same", folder), "train", 3, 60, 80, true, -1);
    write_split(make_folder("left", folder), "train", 4, 60, 80, true, 0);
    write_split(make_folder("plain", folder), "train", 1, 40, 80, false, -1);
    write_split(folder, "test", 2, 60, 80, false, -1);
    write_split(make_folder("copies", folder), "train", 1, 40, 80, true, -1);
    return true;
}

static char told[64];
static int tellings;
static void on_task(void *user, const char *what, double done)
{
    (void)user, (void)done;
    tellings++;
    if (strstr(what, "training the judge"))
        snprintf(told, sizeof told, "%s", what);
}

static fig_status judge(const char *pictures, const char *data, const char *const *metrics, fig_score *scores, int *count,
                        fig_error *err)
{
    char from[160], to[160];
    snprintf(from, sizeof from, "%s/%s", home, pictures);
    snprintf(to, sizeof to, "%s/%s", home, data);
    told[0] = 0;
    fig_session *session;
    if (fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, err) != FIG_OK)
        return FIG_E_FAILED;
    fig_eval_opts opts = { .data = to, .metrics = metrics, .task = on_task };
    fig_status status = fig_evaluate_pictures(session, from, &opts, scores, 32, count, err);
    fig_session_free(session);
    return status;
}

static const fig_score *named(const fig_score *scores, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(scores[i].name, name))
            return &scores[i];
    static const fig_score none = { .value = NAN };
    TEST_FAIL("no score %s", name);
    return &none;
}

#define JUDGE(pictures, data, ...) \
    judge(pictures, data, (const char *const[]){ __VA_ARGS__, NULL }, scores, &count, &err)

FIG_TEST(a_judge_is_trained_once_and_knows_its_classes)
{
    fig_score scores[32], again[32];
    fig_error err = { 0 };
    int count = 0;
    REQUIRE(make_all());
    CHECK_INT(JUDGE("same", "data", "frechet", "modes", "diversity"), FIG_OK);
    CHECK_TEXT(err.message, "");
    CHECK(strstr(told, "training the judge of data") != NULL);
    CHECK(tellings > 100);
    CHECK(named(scores, count, "judge_accuracy")->value > 0.95);
    CHECK_NEAR(named(scores, count, "modes")->value, 2, 0);
    CHECK(named(scores, count, "mode_kl")->value < 0.1);
    CHECK_NEAR(named(scores, count, "diversity")->value, 1, 0.2);
    const fig_score *distance = named(scores, count, "frechet");
    CHECK(strstr(distance->protocol, "frechet/judge-cnn-1/data-") == distance->protocol);
    CHECK(strstr(distance->protocol, "/5x5x1/n60/test60") != NULL);
    CHECK_INT(distance->count, 60);
    CHECK(distance->standard_error > 0);
    int before = count;
    memcpy(again, scores, sizeof again);
    CHECK_INT(JUDGE("same", "data", "frechet", "modes", "diversity"), FIG_OK);
    CHECK_TEXT(told, ""); /* it was in the cache */
    CHECK_INT(count, before);
    for (int i = 0; i < count; i++)
        CHECK(!memcmp(&scores[i].value, &again[i].value, sizeof(double)) || isnan(scores[i].value));
}

FIG_TEST(a_judge_sees_what_is_missing)
{
    fig_score scores[32];
    fig_error err = { 0 };
    int count = 0;
    REQUIRE(make_all());
    CHECK_INT(JUDGE("same", "data", "frechet", "precision"), FIG_OK);
    double fair = named(scores, count, "frechet")->value;
    CHECK_INT(count, 4); /* of prdc only what was named */
    CHECK_INT(JUDGE("left", "data", "frechet", "modes"), FIG_OK);
    CHECK(named(scores, count, "frechet")->value > 2 * fair);
    CHECK_NEAR(named(scores, count, "modes")->value, 1, 0);
    CHECK_NEAR(named(scores, count, "mode_kl")->value, log(2), 0.1);
    CHECK_INT(JUDGE("copies", "data", "neighbours"), FIG_OK);
    CHECK_NEAR(named(scores, count, "memorisation")->value, 1, 0);
    CHECK_NEAR(named(scores, count, "neighbour_ratio")->value, 0, 1e-4);
    CHECK_INT(JUDGE("same", "data", "neighbours"), FIG_OK);
    const fig_score *memory = named(scores, count, "memorisation");
    CHECK(fabs(memory->value - 0.05) < 5 * memory->standard_error);
}

FIG_TEST(without_labels_an_encoder_judges)
{
    fig_score scores[32], labelled[32];
    fig_error err = { 0 };
    int count = 0;
    REQUIRE(make_all());
    CHECK_INT(JUDGE("same", "data", "frechet"), FIG_OK);
    memcpy(labelled, scores, sizeof labelled);
    CHECK_INT(JUDGE("same", "plain", "frechet"), FIG_OK);
    CHECK_INT(count, 2); /* no accuracy */
    CHECK(strstr(scores[0].protocol, "frechet/encoder-random-1/plain-") == scores[0].protocol);
    CHECK(scores[0].value >= 0);
    CHECK_INT(fig_scores_comparable(&scores[0], &labelled[0], &err), FIG_E_CHECK);
    CHECK(strstr(err.message, "cannot be compared") != NULL);
    err = (fig_error){ 0 };
    CHECK_INT(JUDGE("same", "plain", "modes"), FIG_E_USAGE);
    CHECK(strstr(err.message, "needs labelled data") != NULL);
}

FIG_TEST(training_on_other_pictures)
{
    fig_score scores[32];
    fig_error err = { 0 };
    int count = 0;
    REQUIRE(make_all());
    CHECK_INT(JUDGE("same", "data", "tstr"), FIG_OK);
    CHECK(named(scores, count, "tstr_accuracy")->value > 0.95);
    CHECK_INT(JUDGE("same", "data", "augmentation_gain"), FIG_OK);
    CHECK(fabs(named(scores, count, "augmentation_gain")->value) < 0.05);
    CHECK_INT(count, 1);
    CHECK_INT(JUDGE("plain", "data", "tstr"), FIG_E_USAGE);
    CHECK(strstr(err.message, "have none") != NULL);
}

FIG_TEST(items_without_a_class_do_not_count)
{
    fig__cloud cloud;
    fig_error err = { 0 };
    CHECK_FAILS(fig__cloud_init(&cloud, (int64_t)1 << 40, 2048, 0, &err), err, FIG_E_LIMIT, "judge fewer");
    CHECK_INT(fig__cloud_init(&cloud, 3, 1, 2, &err), FIG_OK);
    cloud.label = calloc(3, sizeof *cloud.label);
    cloud.label[1] = cloud.label[2] = -1;
    cloud.probability[0] = 1;
    CHECK_INT(fig__cloud_labelled(&cloud), 1);
    CHECK_NEAR(fig__cloud_accuracy(&cloud).value, 1, 0);
    cloud.label[0] = -1;
    CHECK(isnan(fig__cloud_accuracy(&cloud).value));
    fig__cloud_clear(&cloud);
}

/* A judge's name says how its pictures were made, and it has learnt from pictures made so. */
FIG_TEST(the_judge_sees_as_the_model_does)
{
    char path[256], view[80], *bytes = NULL;
    uint64_t length = 0;
    fig_error err = { 0 };
    REQUIRE(make_all());
    fig_data *data;
    snprintf(path, sizeof path, "%s/same", home);
    CHECK_INT(fig_data_open(path, NULL, &data, &err), FIG_OK);
    CHECK_INT(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES }, &err), FIG_OK);
    CHECK_TEXT(fig__judge_view(data, view), "");
    fig_data_request usual = { .kinds = FIG_DATA_IMAGES, .resize = FIG_RESIZE_STRETCH, .validation = 0.2 };
    CHECK_INT(fig_data_prepare(data, &usual, &err), FIG_OK);
    CHECK_TEXT(fig__judge_view(data, view), "-v0.2"); /* of one size already */
    fig_data_request request = { .kinds = FIG_DATA_IMAGES, .height = 6, .width = 4, .channels = 1, .resize = FIG_RESIZE_FIT,
                                 .background = (const unsigned char[]){ 0, 0, 0 }, .binarise = FIG_BINARISE_DYNAMIC, .test = 0.25 };
    CHECK_INT(fig_data_prepare(data, &request, &err), FIG_OK);
    CHECK_TEXT(fig__judge_view(data, view), "-t0.25-fit-bg000000-dynamic");
    fig__judge *one = NULL;
    fig__hooks hooks = { 0 };
    fig_session *session;
    REQUIRE(fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, &err) == FIG_OK);
    CHECK_INT(fig__judge_open(session, path, data, &hooks, &one, &err), FIG_OK);
    CHECK_TEXT(err.message, "");
    CHECK(one && strstr(fig__judge_name(one), "-t0.25-fit-bg000000-dynamic") != NULL);
    snprintf(path, sizeof path, "%s/cache/judges/judge-cnn-1-same-%.8s%s-6x4x1.safetensors", home,
             fig_data_get_spec(data)->data_hash, view);
    CHECK_INT(fig__file_read(path, 1 << 24, &bytes, &length, &err), FIG_OK);
    CHECK(bytes && memmem(bytes, length, "fit", 3) && memmem(bytes, length, "#000000", 7) && memmem(bytes, length, "dynamic", 7));
    free(bytes);
    fig__judge_free(one);
    /* A damaged one is made again, and no complaint is left over. */
    FILE *file = fopen(path, "wb");
    REQUIRE(file != NULL);
    fputs("not a judge", file);
    fclose(file);
    snprintf(path, sizeof path, "%s/same", home);
    CHECK_INT(fig__judge_open(session, path, data, &hooks, &one, &err), FIG_OK);
    CHECK_TEXT(err.message, "");
    CHECK(one != NULL);
    fig__judge_free(one);
    fig_session_free(session);
    fig_data_free(data);
}

FIG_TEST(scores_on_the_split_that_chose_the_model_say_so)
{
    fig_score scores[32];
    fig_error err = { 0 };
    int count = 0;
    char from[256], to[256];
    REQUIRE(make_all());
    snprintf(from, sizeof from, "%s/same", home);
    snprintf(to, sizeof to, "%s/data", home);
    fig_session *session;
    REQUIRE(fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, &err) == FIG_OK);
    fig__judging what = { .session = session, .pictures = from, .data = to, .metrics = (const char *const[]){ "diversity", NULL },
                          .chosen_on = "test" };
    CHECK_INT(fig__judge_samples(&what, scores, 32, &count, &err), FIG_OK);
    CHECK_HAS(named(scores, count, "diversity")->protocol, "/test60/chosen-on-this-split");
    what.chosen_on = "validation";
    CHECK_INT(fig__judge_samples(&what, scores, 32, &count, &err), FIG_OK);
    CHECK(!strstr(named(scores, count, "diversity")->protocol, "chosen"));
    fig_session_free(session);
}

FIG_TEST(a_place_to_train_in_is_its_makers_own)
{
    char *one = NULL, *other = NULL;
    fig_error err = { 0 };
    REQUIRE(make_all());
    CHECK_INT(fig__judge_workplace(&one, &err), FIG_OK);
    CHECK_INT(fig__judge_workplace(&other, &err), FIG_OK);
    REQUIRE(one && other);
    CHECK(strcmp(one, other) != 0);
    struct timespec old[2] = { { .tv_sec = 1000000 }, { .tv_sec = 1000000 } };
    CHECK_INT(utimensat(AT_FDCWD, one, old, 0), 0);
    free(one);
    one = other;
    CHECK_INT(fig__judge_workplace(&other, &err), FIG_OK);
    char **names;
    size_t count;
    fig__arena *arena = fig__arena_new();
    CHECK_INT(fig__list_folder(arena, fig__path_join(arena, other, ".."), &names, &count, &err), FIG_OK);
    int places = 0;
    for (size_t i = 0; i < count; i++)
        places += !strncmp(names[i], "training-", 9);
    CHECK_INT(places, 2); /* the old one is gone */
    fig__arena_free(arena);
    fig__remove_folder(one);
    fig__remove_folder(other);
    free(one);
    free(other);
}

FIG_TEST(scores_survive_json)
{
    fig_score given[2] = { { .name = "frechet", .split = "test", .protocol = "frechet/x/n2", .value = 3.25, .standard_error = 0.5,
                             .count = 2 },
                           { .name = "recall", .unit = "u", .split = "test", .protocol = "recall/x", .value = NAN,
                             .standard_error = NAN, .higher_is_better = true } },
              back[4];
    fig_error err = { 0 };
    char model[256], *json = fig_scores_json("a \"run\"", given, 2);
    int count = 0;
    CHECK_INT(fig_scores_read(json, "test", model, back, 4, &count, &err), FIG_OK);
    CHECK_INT(count, 2);
    CHECK_TEXT(model, "a \"run\"");
    CHECK_TEXT(back[0].protocol, given[0].protocol);
    CHECK_NEAR(back[0].value, 3.25, 0);
    CHECK(isnan(back[1].value) && back[1].higher_is_better && !back[0].higher_is_better);
    CHECK_INT(fig_scores_comparable(&back[0], &given[0], &err), FIG_OK);
    CHECK_INT(fig_scores_comparable(&back[0], &back[1], &err), FIG_E_CHECK);
    free(json);
    fig_origin origin, back_again;
    fig_origin_read(json = fig_scores_json("m", given, 2), &origin); /* a document of before origins, or of no model */
    CHECK(isnan(origin.cpu_seconds) && isnan(origin.validation) && !origin.data_hash[0]);
    free(json);
    origin = (fig_origin){ .recipe = "vae", .data_name = "a", .data_hash = "1f", .parameters = 5, .seconds = NAN, .cpu_seconds = 1.5,
                           .test = 0.1 };
    fig_origin_read(json = fig_scores_json_of("m", &origin, given, 2), &back_again);
    CHECK_TEXT(back_again.recipe, "vae");
    CHECK_TEXT(back_again.data_hash, "1f");
    CHECK(isnan(back_again.seconds));
    CHECK_NEAR(back_again.cpu_seconds, 1.5, 0);
    CHECK_NEAR(back_again.parameters, 5, 0);
    CHECK_NEAR(back_again.validation, 0, 0);
    CHECK_NEAR(back_again.test, 0.1, 0);
    CHECK_INT(fig_scores_read(json, "test", model, back, 4, &count, &err), FIG_OK);
    CHECK_INT(count, 2);
    free(json);
    CHECK_INT(fig_scores_read("{\"schema\": \"figment.run/1\"}", "test", model, back, 4, &count, NULL), FIG_E_FORMAT);
    CHECK_INT(fig_scores_read("[", "test", model, back, 4, &count, NULL), FIG_E_FORMAT);
}

FIG_TEST(the_folder_is_removed)
{
    if (!home[0])
        SKIP("nothing was made");
    CHECK(access(home, F_OK) == 0);
    fig__remove_folder(home);
    CHECK(access(home, F_OK) != 0);
}

FIG_TEST_MAIN
