/* eval/judge.c - the judge: a small convolutional classifier of a fixed recipe, trained once for each data set
 *
 *     [conv 3x3 - batch norm - ReLU - max pool] with 32, 64, 128 ... filters until a side is at most 8, dense 128 - ReLU, classes
 *
 * Pictures above 40 pixels are halved by the first convolution. The 128 numbers before the classes are the features: what tells
 * the classes of *these* data apart, so a distance in them is one that matters to who labelled them, and it needs no weights from
 * elsewhere. The recipe, its settings and its seed are part of the judge's version number and never change under one name;
 * the name also holds the hash of the data, so that scores of different judges differ in their protocol.
 *
 * Without labels the body's first random weights serve (seed 1). Random convolutions tell pictures apart well enough for Frechet
 * distance and coverage (Naeem et al. 2020 found them the better choice away from photographs), cost no training, and
 * are the same for all data, where an autoencoder's would depend on how well it was trained.
 *
 * A judge learns from pictures as the model gets them: the same items kept aside, the same way of bringing pictures to size, the same
 * background, the same two values where they are binarised. Its name says where one of these is not the usual one (fig__judge_view).
 *
 * With weights of the user's, the network of published Frechet distances takes the judge's place (inception.c).
 *
 * The cache holds judges/NAME.safetensors. A judge is trained in a folder of its own and moved there when it is whole. */
#include "eval/judge.h"
#include "eval/inception.h"
#include "exec/exec.h"
#include "registry/trained.h"
#include <figment/train.h>

#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

enum { WIDTH = 128, SEE_BATCH = 100, TRAIN_BATCH = 128, MOST_FILTERS = 128, SMALLEST = 8, HALVED_FROM = 40 };
enum { STALE = 86400 /* seconds */, INCEPTION_BATCH = 10 };
#define VERSION "judge-cnn-1"
#define ENCODER "encoder-random-1"

/* -- hooks and clouds ------------------------------------------------------------------------------------------------------------ */

fig_status fig__hooks_tell(const fig__hooks *hooks, const char *what, double done, fig_error *err)
{
    if (hooks->cancelled && hooks->cancelled(hooks->user))
        return fig_fail(err, FIG_E_INTERRUPTED, "the evaluation was stopped");
    if (hooks->progress)
        hooks->progress(hooks->user, what, done);
    return FIG_OK;
}

/* A metric makes copies of what it compares, so a cloud may take a part of the memory only. */
fig_status fig__cloud_init(fig__cloud *c, int64_t rows, int width, int classes, fig_error *err)
{
    double bytes = (double)rows * ((double)width + (double)classes) * sizeof(double);
    if (bytes > (double)fig__memory_available() / 4)
        return fig_fail(err, FIG_E_LIMIT, "no memory for %d features of %lld items (%.0f MB, with what is computed of them four times as "
                        "much); judge fewer, with --samples or a smaller split", width, (long long)rows, bytes / 1e6);
    *c = (fig__cloud){ .rows = rows, .width = width, .classes = classes };
    c->features = fig__alloc(sizeof *c->features * (size_t)(rows * width + 1));
    if (classes)
        c->probability = fig__alloc(sizeof *c->probability * (size_t)(rows * classes + 1));
    return FIG_OK;
}

void fig__cloud_clear(fig__cloud *c)
{
    free(c->features);
    free(c->probability);
    free(c->label);
    *c = (fig__cloud){ 0 };
}

int fig__cloud_class(const fig__cloud *c, int64_t row)
{
    const double *p = c->probability + row * c->classes;
    int best = 0;
    for (int k = 1; k < c->classes; k++)
        best = p[k] > p[best] ? k : best;
    return best;
}

fig__estimate fig__cloud_accuracy(const fig__cloud *c)
{
    int64_t right = 0, rows = fig__cloud_labelled(c);
    if (!c->classes || rows < 1)
        return (fig__estimate){ NAN, NAN };
    for (int64_t i = 0; i < c->rows; i++)
        right += c->label[i] >= 0 && fig__cloud_class(c, i) == c->label[i];
    double share = (double)right / (double)rows;
    return (fig__estimate){ share, rows > 1 ? sqrt(share * (1 - share) / (double)(rows - 1)) : NAN };
}

int64_t fig__cloud_labelled(const fig__cloud *c)
{
    int64_t rows = 0;
    for (int64_t i = 0; c->label && i < c->rows; i++)
        rows += c->label[i] >= 0;
    return rows;
}

/* -- the recipe: in no table, so nobody can train it by name ---------------------------------------------------------------------- */

typedef struct judge_options {
    int64_t height, width, channels;
    int binarise; /* a fig_binarise */
} judge_options;

static fig_status judge_request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    const judge_options *o = options;
    (void)found, (void)err;
    request->kinds = FIG_DATA_IMAGES;
    request->height = (int)o->height, request->width = (int)o->width, request->channels = (int)o->channels;
    request->binarise = (fig_binarise)o->binarise;
    return FIG_OK;
}

/* x (B, H, W, C) -> (B, WIDTH) */
static fig_node body(fig_node x)
{
    const fig_pool_opts half = { .size = { 2 } };
    int64_t side = fig_dim(x, 1) < fig_dim(x, 2) ? fig_dim(x, 1) : fig_dim(x, 2), filters = 32;
    fig_conv_layer_opts conv = { .padding = FIG_PAD_SAME, .no_bias = true, .stride = side > HALVED_FROM ? 2 : 1 };
    fig_node h = fig_relu(fig_batch_norm(fig_conv2d(x, filters, 3, &conv), NULL));
    conv.stride = 1;
    side = side > HALVED_FROM ? (side + 1) / 2 : side;
    while (side > SMALLEST) {
        filters = filters < MOST_FILTERS ? 2 * filters : filters;
        h = fig_max_pool(h, &half);
        h = fig_relu(fig_batch_norm(fig_conv2d(h, filters, 3, &conv), NULL));
        side /= 2;
    }
    return fig_relu(fig_linear(fig_flatten(h), WIDTH, NULL));
}

static fig_status judge_build(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err)
{
    (void)options;
    fig_graph *g = fig_model_graph(model);
    fig_model_default_init(model, (fig_init){ .kind = FIG_INIT_HE_NORMAL }, (fig_init){ .kind = FIG_INIT_ZEROS });
    fig_node x = fig_model_input(model, "image"), logits = FIG_NONE;
    fig_scope_push(g, "judge");
    fig_node features = body(x), seen = features;
    if (data->classes > 1) {
        if (fig_is_training(g))
            seen = fig_dropout(features, 0.4f);
        logits = fig_linear(seen, data->classes, NULL); /* (B, classes) */
    }
    fig_scope_pop(g);
    if (fig_model_purpose(model) == FIG_FOR_SAMPLING) {
        fig_node out = fig_is_none(logits) ? features : fig_concat((fig_node[]){ features, fig_softmax(logits) }, 2, 1);
        fig_model_sampler(model, &(fig_sampler_decl){ .name = "features", .loop = FIG_LOOP_ONCE, .output = out, .input = "image" });
    }
    if (fig_model_purpose(model) != FIG_FOR_TRAINING || fig_is_none(logits))
        return FIG_OK;
    fig_node loss = fig_cross_entropy(logits, fig_model_input(model, "label")); /* (B) */
    return fig_model_phase(model, &(fig_phase){ .name = "classify", .loss = loss }, err);
}

#define AT(field) offsetof(judge_options, field)
static const fig_option judge_option_table[] = {
    { "height", FIG_INT, AT(height), 0, 0, 4096, "of the pictures; 0 = as the data" },
    { "width", FIG_INT, AT(width), 0, 0, 4096, "of the pictures; 0 = as the data" },
    { "channels", FIG_INT, AT(channels), 0, 0, 3, "1 grey, 3 colour; 0 = as the data" },
    { "binarise", FIG_CHOICE, AT(binarise), 0, 0, 0, "pictures in two values", .choices = "none dynamic threshold" },
    { 0 },
};
static const fig_preset judge_presets[] = {
    { .name = "1",
      .summary = "the only one",
      .settings = "steps=1500 lr=2e-3 schedule=cosine warmup=50 optimizer=adamw weight_decay=0.01 seed=1 precision=f32 "
                  "log_every=100 sample_every=never eval_every=never checkpoint_every=never",
      .data_kinds = FIG_DATA_IMAGES },
    { 0 },
};
static const fig_recipe judge_recipe = {
    .name = VERSION,
    .summary = "the classifier that pictures are judged by",
    .help = "A small convolutional classifier.",
    .data_kinds = FIG_DATA_IMAGES,
    .options = judge_option_table,
    .options_size = sizeof(judge_options),
    .presets = judge_presets,
    .request = judge_request,
    .build = judge_build,
};

/* -- training it ------------------------------------------------------------------------------------------------------------------- */

static void remove_stale(fig__arena *arena, const char *folder)
{
    char **names;
    size_t count;
    struct stat about;
    if (fig__list_folder(arena, folder, &names, &count, NULL) != FIG_OK)
        return;
    for (size_t i = 0; i < count; i++) {
        const char *path = fig__path_join(arena, folder, names[i]);
        if (fig__starts_with(names[i], "training-") && lstat(path, &about) == 0 && about.st_mtime < time(NULL) - STALE)
            fig__remove_folder(path);
    }
}

/* Not named by the process: two threads of one, or two processes of one number in containers that share a cache, must not meet. */
fig_status fig__judge_workplace(char **path, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    char *cache = fig__cache_folder(), *folder = fig__path_join(arena, cache, "judges");
    *path = NULL;
    fig_status status = fig__make_folders(folder, err);
    if (status == FIG_OK) {
        remove_stale(arena, folder);
        char *made = fig__format("%s/training-XXXXXX", folder);
        if (mkdtemp(made))
            *path = made;
        else {
            status = fig_fail(err, FIG_E_IO, "%s: no folder to train a judge in can be made there (%s)", folder, strerror(errno));
            free(made);
        }
    }
    free(cache);
    fig__arena_free(arena);
    return status;
}

static fig_status train_steps(fig_trainer *trainer, const char *what, const fig__hooks *hooks, fig_error *err)
{
    for (fig_train_progress now = { 0 }; !now.finished;) {
        FIG_TRY(fig_trainer_step(trainer, &now, err));
        FIG_TRY(fig__hooks_tell(hooks, what, now.steps ? (double)now.step / (double)now.steps : -1, err));
    }
    return FIG_OK;
}

static const char *const resize_names[] = { "cover", "fit", "stretch", "crop" };
static const char *const binarise_names[] = { "none", "dynamic", "threshold" };

/* A run in `folder`, which leaves model.safetensors there. */
static fig_status train(fig_session *session, const char *name, const fig_data_spec *spec, int64_t items, const char *folder,
                        const char *what, const fig__hooks *hooks, fig_error *err)
{
    const unsigned char *ground = spec->background;
    char *settings[] = { fig__format("height=%d", spec->height),
                         fig__format("width=%d", spec->width),
                         fig__format("channels=%d", spec->channels),
                         fig__format("validation=%.17g", spec->validation),
                         fig__format("test=%.17g", spec->test),
                         fig__format("resize=%s", resize_names[spec->resize]),
                         fig__format("background=#%02x%02x%02x", ground[0], ground[1], ground[2]),
                         fig__format("binarise=%s", binarise_names[spec->binarise]),
                         fig__format("batch=%lld", (long long)(items < TRAIN_BATCH ? items : TRAIN_BATCH)),
                         NULL };
    fig_trainer *trainer = NULL;
    fig_status status = fig_trainer_new(session,
                                        &(fig_train_opts){ .recipe = &judge_recipe,
                                                           .data = (const char *[]){ name, NULL },
                                                           .output = folder,
                                                           .settings = (const char *const *)settings,
                                                           .no_tune = true },
                                        &trainer, err);
    if (status == FIG_OK)
        status = train_steps(trainer, what, hooks, err);
    fig_trainer_free(trainer);
    for (int i = 0; settings[i]; i++)
        free(settings[i]);
    return status;
}

/* -- using it ------------------------------------------------------------------------------------------------------------------------ */

struct fig__judge {
    fig_trained *trained; /* NULL: an encoder */
    fig_store *store;     /* the model's tensors, or the encoder's */
    fig_model *model;
    fig_plan *plan;
    fig_data_spec *spec;
    judge_options options;
    char name[200];
    int classes, width, batch; /* pictures a run */
};

const char *fig__judge_view(const fig_data *data, char out[80])
{
    const fig_data_spec *spec = fig_data_get_spec(data);
    const fig_data_info *info = fig_data_get_info(data);
    const unsigned char *ground = spec->background;
    bool pictures = spec->kind == FIG_DATA_IMAGES;
    bool reshaped = info->mixed_sizes || info->height != spec->height || info->width != spec->width;
    int used = 0;
    *out = 0;
    if (spec->validation > 0 && !info->items[FIG_VALIDATION_SPLIT])
        used += snprintf(out, 80, "-v%g", spec->validation);
    if (spec->test > 0 && !info->items[FIG_TEST_SPLIT])
        used += snprintf(out + used, 80 - (size_t)used, "-t%g", spec->test);
    if (pictures && reshaped && spec->resize)
        used += snprintf(out + used, 80 - (size_t)used, "-%s", resize_names[spec->resize]);
    if (pictures && (ground[0] != 255 || ground[1] != 255 || ground[2] != 255))
        used += snprintf(out + used, 80 - (size_t)used, "-bg%02x%02x%02x", ground[0], ground[1], ground[2]);
    if (pictures && spec->binarise)
        snprintf(out + used, 80 - (size_t)used, "-%s", binarise_names[spec->binarise]);
    return out;
}

/* Letters of a data set's name that can stand in a protocol and in a file name. */
static void plain_name(const char *name, char out[48])
{
    const char *base = strrchr(name, '/') ? strrchr(name, '/') + 1 : name;
    size_t length = 0;
    for (; *base && length < 40; base++) {
        bool plain = (*base >= 'a' && *base <= 'z') || (*base >= 'A' && *base <= 'Z') || (*base >= '0' && *base <= '9') ||
                     *base == '-' || *base == '_';
        out[length++] = plain ? *base : '-';
    }
    snprintf(out + length, 48 - length, "%s", length ? "" : "data");
}

static fig_status compile(fig__judge *j, fig_store *store, uint64_t seed, fig_error *err)
{
    FIG_TRY(fig__model_build(&judge_recipe, &j->options, j->spec, FIG_FOR_SAMPLING, SEE_BATCH, &j->model, err));
    FIG_TRY(fig__model_initialise(j->model, store, seed, err));
    return fig_plan_compile(j->model->graph, store,
                            &(fig_plan_opts){ .outputs = &j->model->sampler[0].output, .n_outputs = 1 }, &j->plan, err);
}

static void unload(fig__judge *j)
{
    fig_plan_free(j->plan);
    fig__model_free(j->model);
    fig_store_free(j->store);
    fig_trained_free(j->trained);
    j->plan = NULL;
    j->model = NULL;
    j->store = NULL;
    j->trained = NULL;
}

/* content: it must have been trained on just these data; else on pictures of this size. */
static fig_status load(fig__judge *j, fig_session *session, const char *path, bool content, fig_error *err)
{
    FIG_TRY(fig_load_with(session, &judge_recipe, path, &j->trained, err));
    const fig_data_spec *found = j->trained->data;
    if (found->height != j->spec->height || found->width != j->spec->width || found->channels != j->spec->channels ||
        (content && (found->classes != j->spec->classes || strcmp(found->data_hash, j->spec->data_hash) != 0)))
        return fig_fail(err, FIG_E_FORMAT, "%s: not the judge of these data; remove it, and it is trained again", path);
    fig_data_spec_free(j->spec);
    j->spec = fig_data_spec_copy(j->trained->data);
    j->classes = j->spec->classes > 1 ? j->spec->classes : 0;
    FIG_TRY(fig__store_above(j->trained->store, &j->store, err));
    return compile(j, j->store, j->trained->seed, err);
}

static fig__judge *judge_new(const fig_data_spec *spec)
{
    fig__judge *j = fig__alloc(sizeof *j);
    j->spec = fig_data_spec_copy(spec);
    j->options = (judge_options){ spec->height, spec->width, spec->channels, (int)spec->binarise };
    j->classes = spec->classes > 1 ? spec->classes : 0;
    j->width = WIDTH;
    j->batch = SEE_BATCH;
    return j;
}

static fig_status open_encoder(fig__judge *j, fig_session *session, fig_error *err)
{
    snprintf(j->name, sizeof j->name, ENCODER);
    FIG_TRY(fig_store_new(session, &j->store, err));
    return compile(j, j->store, 1, err);
}

/* Trains in a folder beside and moves the model to its place; another process may have put its own there first. */
static fig_status make(fig__judge *j, fig_session *session, const char *name, int64_t items, const char *path,
                       const fig__hooks *hooks, fig_error *err)
{
    char *folder, what[120];
    FIG_TRY(fig__judge_workplace(&folder, err));
    char *model = fig__format("%s/model.safetensors", folder);
    snprintf(what, sizeof what, "training the judge of %.60s, once", j->spec->name);
    fig_status status = train(session, name, j->spec, items, folder, what, hooks, err);
    if (status == FIG_OK && rename(model, path) != 0)
        status = fig_fail(err, FIG_E_IO, "%s: the judge cannot be moved to the cache folder", path);
    fig__remove_folder(folder);
    free(model);
    free(folder);
    return status;
}

static fig_status open_classifier(fig__judge *j, fig_session *session, const char *name, const fig_data *data, const fig__hooks *hooks,
                                  fig_error *err)
{
    char plain[48], view[80];
    int64_t items = fig_data_items(data, FIG_TRAIN_SPLIT);
    plain_name(j->spec->name, plain);
    fig__judge_view(data, view);
    snprintf(j->name, sizeof j->name, VERSION "/%s-%.8s%s", plain, j->spec->data_hash, view);
    char *cache = fig__cache_folder(), *folder = fig__format("%s/judges", cache);
    char *path = fig__format("%s/" VERSION "-%s-%.8s%s-%dx%dx%d.safetensors", folder, plain, j->spec->data_hash, view,
                             j->spec->height, j->spec->width, j->spec->channels);
    fig_status status = fig__make_folders(folder, err);
    if (status == FIG_OK && fig__path_exists(path)) {
        status = load(j, session, path, true, err);
        if (status == FIG_E_FORMAT || status == FIG_E_CHECK) { /* damaged, or of other data: made again */
            unload(j);
            remove(path);
            fig_error_clear(err);
            status = FIG_OK;
        }
    }
    if (status == FIG_OK && !j->plan) {
        status = make(j, session, name, items, path, hooks, err);
        if (status == FIG_OK)
            status = load(j, session, path, true, err);
    }
    free(path);
    free(folder);
    free(cache);
    return status;
}

fig_status fig__judge_open(fig_session *session, const char *name, const fig_data *data, const fig__hooks *hooks, fig__judge **out,
                           fig_error *err)
{
    *out = NULL;
    fig__judge *j = judge_new(fig_data_get_spec(data));
    int64_t items = fig_data_items(data, FIG_TRAIN_SPLIT);
    bool labelled = j->classes && fig_data_get_info(data)->classes > 1 && items >= 2 * j->classes; /* a model's spec has classes, too */
    if (!labelled) {
        j->classes = 0;
        j->spec->classes = 0;
    }
    fig_status status = labelled ? open_classifier(j, session, name, data, hooks, err) : open_encoder(j, session, err);
    if (status != FIG_OK) {
        fig__judge_free(j);
        return status;
    }
    *out = j;
    return FIG_OK;
}

fig_status fig__judge_train(fig_session *session, const char *folder, int64_t items, const fig_data_spec *spec, const char *what,
                            const fig__hooks *hooks, fig__judge **out, fig_error *err)
{
    *out = NULL;
    fig__judge *j = judge_new(spec);
    char *name = fig__format("idx:%s", folder), *run = fig__format("%s/run", folder);
    char *model = fig__format("%s/model.safetensors", run);
    fig_data_spec all = *spec; /* all of them, as they were written */
    all.validation = all.test = 0;
    all.binarise = FIG_BINARISE_NONE;
    fig_status status = train(session, name, &all, items, run, what, hooks, err);
    if (status == FIG_OK)
        status = load(j, session, model, false, err);
    free(model);
    free(run);
    free(name);
    if (status != FIG_OK) {
        fig__judge_free(j);
        return status;
    }
    *out = j;
    return FIG_OK;
}

fig_status fig__judge_open_inception(fig_session *session, const char *weights, const fig_data *data, fig__judge **out, fig_error *err)
{
    *out = NULL;
    fig__judge *j = judge_new(fig_data_get_spec(data));
    fig__inception_net net = { .narrow = 1 };
    char hash[65];
    j->classes = 0;
    j->width = FIG__INCEPTION_WIDTH;
    j->batch = INCEPTION_BATCH;
    fig_graph *graph = fig_graph_new();
    fig__inception_build(&net, fig_input(graph, "image", FIG_SHAPE(j->batch, j->spec->height, j->spec->width, j->spec->channels)));
    fig_status status = fig_graph_check(graph, err);
    if (status == FIG_OK)
        status = fig_store_new(session, &j->store, err);
    if (status == FIG_OK)
        status = fig__inception_load(&net, weights, j->store, hash, err);
    if (status == FIG_OK)
        status = fig_plan_compile(graph, j->store, &(fig_plan_opts){ .outputs = &net.output, .n_outputs = 1 }, &j->plan, err);
    if (status == FIG_OK)
        snprintf(j->name, sizeof j->name, "inception-fid-%.12s", hash);
    fig_graph_free(graph);
    if (status != FIG_OK) {
        fig__judge_free(j);
        return status;
    }
    *out = j;
    return FIG_OK;
}

void fig__judge_free(fig__judge *j)
{
    if (!j)
        return;
    unload(j);
    fig_data_spec_free(j->spec);
    free(j);
}

const char *fig__judge_name(const fig__judge *j) { return j->name; }
int fig__judge_width(const fig__judge *j) { return j->width; }
int fig__judge_classes(const fig__judge *j) { return j->classes; }

/* -- seeing ---------------------------------------------------------------------------------------------------------------------------- */

/* Runs the plan, whose input is set, and takes `some` rows. */
static fig_status see_rows(fig__judge *j, int64_t some, fig__cloud *c, int64_t at, fig_error *err)
{
    int64_t wide = j->width + j->classes;
    FIG_TRY(fig_plan_run(j->plan, NULL, err));
    const float *seen = fig_plan_output(j->plan, 0, NULL);
    for (int64_t r = 0; r < some; r++) {
        for (int k = 0; k < j->width; k++)
            c->features[(at + r) * j->width + k] = (double)seen[r * wide + k];
        for (int k = 0; k < j->classes; k++)
            c->probability[(at + r) * j->classes + k] = (double)seen[r * wide + j->width + k];
    }
    return FIG_OK;
}

/* Of one of the two. */
static fig_status see_either(fig__judge *j, const float *pictures, const uint8_t *pixels, int64_t rows, fig__cloud *c, int64_t at,
                             fig_error *err)
{
    fig_type type;
    float *to = fig_plan_input(j->plan, "image", &type);
    int64_t row = fig__count(&type) / j->batch;
    for (int64_t first = 0; first < rows; first += j->batch) {
        int64_t some = rows - first < j->batch ? rows - first : j->batch;
        for (int64_t i = 0; i < some * row; i++)
            to[i] = pictures ? pictures[first * row + i] : (float)pixels[first * row + i] / 255;
        memset(to + some * row, 0, sizeof *to * (size_t)((j->batch - some) * row));
        FIG_TRY(see_rows(j, some, c, at + first, err));
    }
    return FIG_OK;
}

fig_status fig__judge_see(fig__judge *j, const float *pictures, int64_t rows, fig__cloud *c, int64_t at, fig_error *err)
{
    return see_either(j, pictures, NULL, rows, c, at, err);
}

fig_status fig__judge_see_pixels(fig__judge *j, const uint8_t *pixels, int64_t rows, fig__cloud *c, int64_t at, fig_error *err)
{
    return see_either(j, NULL, pixels, rows, c, at, err);
}

static fig_status see_batches(fig__judge *j, fig_loader *loader, int64_t count, const char *what, const fig__hooks *hooks,
                              fig__cloud *c, fig_error *err)
{
    for (int64_t seen = 0; seen < count;) {
        const fig_batch *batch;
        FIG_TRY(fig_loader_next(loader, &batch, err));
        const float *pictures = fig_batch_field(batch, "image", NULL);
        const int32_t *label = fig_batch_field(batch, "label", NULL);
        int64_t rows = count - seen < batch->real_rows ? count - seen : batch->real_rows;
        if (!pictures || rows < 1)
            return fig_fail(err, FIG_E_FAILED, "the data delivered no pictures");
        FIG_TRY(fig__judge_see(j, pictures, rows, c, seen, err));
        if (label && !c->label)
            c->label = fig__alloc(sizeof *c->label * (size_t)(count + 1));
        if (label)
            memcpy(c->label + seen, label, sizeof *label * (size_t)rows);
        seen += rows;
        FIG_TRY(fig__hooks_tell(hooks, what, (double)seen / (double)count, err));
    }
    return FIG_OK;
}

fig_status fig__judge_see_split(fig__judge *j, fig_data *data, fig_split split, int64_t count, bool shuffled, uint64_t seed,
                                const char *what, const fig__hooks *hooks, fig__cloud *cloud, fig_error *err)
{
    int64_t all = fig_data_items(data, split);
    count = count > 0 && count < all ? count : all;
    fig_loader *loader;
    FIG_TRY(fig_loader_new(data,
                           &(fig_loader_opts){ .split = split,
                                               .order = shuffled ? FIG_ORDER_SHUFFLED : FIG_ORDER_SEQUENTIAL,
                                               .batch = SEE_BATCH,
                                               .seed = seed,
                                               .still = true },
                           &loader, err));
    fig_status status = fig__cloud_init(cloud, count, j->width, j->classes, err);
    if (status == FIG_OK)
        status = see_batches(j, loader, count, what, hooks, cloud, err);
    fig_loader_free(loader);
    if (status != FIG_OK)
        fig__cloud_clear(cloud);
    return status;
}
