/* eval/judged.c - judging samples: drawing them, the real items beside them, and what the judge sees of both
 *
 *     model -> sampler -> 8-bit pictures -\
 *                                          judge -> clouds of features -> metrics -> scores
 *     data set -> loader -> pictures 0..1 -/
 *
 * Generated pictures are rounded to 8 bits, as a file of them would be: a score does not depend on the way the pictures came.
 * A model of binarised pictures is compared with binarised ones, and its grey levels, which are chances, are drawn too.
 * Real items of the split are shuffled once with a fixed seed, so that the first n of them are a fair part. */
#include "eval/judged.h"
#include "data/source.h"
#include "registry/trained.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIG_SAMPLE_METRIC(name) extern const fig__sample_metric fig__sample_metric_##name;
#include "eval/metrics.def"
#undef FIG_SAMPLE_METRIC
const fig__sample_metric *const fig__sample_metrics[] = {
#define FIG_SAMPLE_METRIC(name) &fig__sample_metric_##name,
#include "eval/metrics.def"
#undef FIG_SAMPLE_METRIC
    NULL,
};

enum { SHUFFLE_SEED = 1, POINT_BATCH = 256, MOST_SAMPLES = 1000000 };

struct fig__judged {
    const fig__judging *what;
    fig_data *data;
    const fig_data_spec *spec; /* pictures in 0..1, points in their own units */
    fig_split split;
    fig__judge *judge;
    int64_t wanted; /* generated items that the metrics ask for at most */
    uint8_t *pixels;
    float *points;
    int32_t *asked;
    int64_t made; /* how many there are */
    fig__cloud cloud[4];
    bool seen[4], accuracy_told;
    fig_score *scores;
    int max, count;
};

static bool is_word_of(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
    return false;
}

const fig__sample_metric *fig__sample_metric_find(const char *name)
{
    for (int i = 0; fig__sample_metrics[i]; i++)
        if (!strcmp(fig__sample_metrics[i]->name, name) || is_word_of(fig__sample_metrics[i]->gives, name))
            return fig__sample_metrics[i];
    return NULL;
}

fig_data_kind fig__judged_kind(const fig__judged *j) { return j->spec->kind; }
const fig__judging *fig__judged_what(const fig__judged *j) { return j->what; }
const fig_data_spec *fig__judged_spec(const fig__judged *j) { return j->spec; }
fig_data *fig__judged_data(fig__judged *j) { return j->data; }

fig_status fig__judged_tell(const fig__judged *j, const char *what, double done, fig_error *err)
{
    return fig__hooks_tell(&j->what->hooks, what, done, err);
}

/* -- generated items ----------------------------------------------------------------------------------------------------------------- */

static uint64_t row_size(const fig__judged *j)
{
    return j->spec->kind == FIG_DATA_POINTS ? (uint64_t)j->spec->dimensions
                                            : (uint64_t)j->spec->height * (uint64_t)j->spec->width * (uint64_t)j->spec->channels;
}

/* Grey levels become pixels that are on or off by the rule the real ones were made by. */
static uint8_t binary(fig_binarise rule, double level, uint64_t seed, uint64_t element)
{
    uint32_t bits[4];
    if (rule == FIG_BINARISE_THRESHOLD)
        return level >= 0.5 ? 255 : 0;
    fig__philox(seed, fig__hash64("judged", 6, 0), 0, element, bits);
    return (bits[0] + 0.5) / 4294967296.0 < level ? 255 : 0;
}

static void take_pictures(fig__judged *j, const float *values, int64_t first, int64_t rows, float low, float high)
{
    uint64_t row = row_size(j);
    for (uint64_t i = 0; i < (uint64_t)rows * row; i++) {
        double level = ((double)values[i] - (double)low) / ((double)high - (double)low);
        uint64_t element = (uint64_t)first * row + i;
        level = level > 0 ? (level < 1 ? level : 1) : 0; /* NaN is black */
        j->pixels[element] = j->spec->binarise == FIG_BINARISE_NONE ? (uint8_t)lrint(level * 255)
                                                                    : binary(j->spec->binarise, level, j->what->seed, element);
    }
}

static fig_status hold(fig__judged *j, int64_t count, fig_error *err)
{
    size_t one = j->spec->kind == FIG_DATA_POINTS ? sizeof(float) : 1, bytes = (size_t)count * row_size(j) * one;
    void *block = malloc(bytes + 1);
    j->asked = malloc(sizeof *j->asked * (size_t)(count + 1));
    if (one == 1)
        j->pixels = block;
    else
        j->points = block;
    if (!block || !j->asked)
        return fig_fail(err, FIG_E_LIMIT, "no memory for %lld samples (%zu MB); ask for fewer", (long long)count, bytes >> 20);
    return FIG_OK;
}

static fig_status draw_from_model(fig__judged *j, fig_error *err)
{
    const fig_data_spec *own = j->what->model->data;
    fig_sampler *sampler = NULL;
    char what[64];
    snprintf(what, sizeof what, "sampling %lld", (long long)j->wanted);
    fig_sample_opts opts = { .count = j->wanted, .seed = j->what->seed, .settings = j->what->settings };
    FIG_TRY(fig_sampler_new(j->what->model, &opts, &sampler, err));
    fig_status status = FIG_OK;
    double from = fig__seconds(), cpu_from = fig__cpu_seconds();
    for (bool finished = false; status == FIG_OK && !finished;) {
        status = fig_sampler_next(sampler, &finished, err);
        if (status == FIG_OK)
            status = fig__judged_tell(j, what, fig_sampler_done(sampler), err);
    }
    if (j->what->cost)
        *j->what->cost = (fig_sampling_cost){ j->wanted, fig__seconds() - from, fig__cpu_seconds() - cpu_from };
    fig_type type = { 0 };
    const fig_samples *samples = fig_sampler_samples(sampler);
    const float *values = status == FIG_OK ? fig_samples_values(samples, &type) : NULL;
    int64_t count = status == FIG_OK ? fig_samples_count(samples) : 0;
    if (status == FIG_OK && (!values || (uint64_t)fig_elements(&type) != (uint64_t)count * row_size(j)))
        status = fig_fail(err, FIG_E_USAGE, "recipe %s: its samples are not of the data's kind and size", j->what->model->recipe->name);
    if (status == FIG_OK)
        status = hold(j, count, err);
    if (status == FIG_OK && j->pixels)
        take_pictures(j, values, 0, count, own->low, own->high);
    else if (status == FIG_OK)
        memcpy(j->points, values, fig__bytes(&type));
    for (int64_t i = 0; status == FIG_OK && i < count; i++)
        j->asked[i] = fig_samples_class(samples, i);
    j->made = status == FIG_OK ? count : 0;
    fig_sampler_free(sampler);
    return status;
}

/* Pictures of a file or folder, brought to the reference's size; all of its splits. */
static fig_status read_pictures(fig__judged *j, fig_data *from, bool labelled, fig_error *err)
{
    int64_t all = 0;
    for (int split = 0; split < FIG_SPLITS; split++)
        all += fig_data_items(from, (fig_split)split);
    FIG_TRY(hold(j, all < j->wanted ? all : j->wanted, err));
    for (int split = 0; split < FIG_SPLITS; split++) {
        fig_loader *loader;
        if (fig_data_items(from, (fig_split)split) < 1)
            continue;
        FIG_TRY(fig_loader_new(from,
                               &(fig_loader_opts){ .split = (fig_split)split, .order = FIG_ORDER_SEQUENTIAL, .batch = 100, .still = true },
                               &loader, err));
        fig_status status = FIG_OK;
        for (int64_t left = fig_data_items(from, (fig_split)split); status == FIG_OK && left > 0 && j->made < j->wanted;) {
            const fig_batch *batch;
            status = fig_loader_next(loader, &batch, err);
            if (status != FIG_OK)
                break;
            int64_t rows = j->wanted - j->made < batch->real_rows ? j->wanted - j->made : batch->real_rows;
            const int32_t *label = fig_batch_field(batch, "label", NULL);
            take_pictures(j, fig_batch_field(batch, "image", NULL), j->made, rows, 0, 1);
            for (int64_t i = 0; i < rows; i++)
                j->asked[j->made + i] = label && labelled ? label[i] : -1;
            j->made += rows;
            left -= batch->real_rows;
            status = fig__judged_tell(j, "reading the pictures", (double)j->made / (double)j->wanted, err);
        }
        fig_loader_free(loader);
        FIG_TRY(status);
    }
    return FIG_OK;
}

static fig_status draw_from_pictures(fig__judged *j, fig_error *err)
{
    fig_data *from;
    FIG_TRY(fig_data_open(j->what->pictures, NULL, &from, err));
    fig_data_request request = { .kinds = FIG_DATA_IMAGES, .height = j->spec->height, .width = j->spec->width,
                                 .channels = j->spec->channels, .resize = j->spec->resize, .background = j->spec->background };
    /* Classes in the numbers of the reference; where their names are others, they tell nothing. */
    bool labelled = fig_data_get_info(from)->classes > 1 && j->spec->classes > 1 && fig_data_prepare_like(from, j->spec, NULL) == FIG_OK;
    fig_status status = labelled ? FIG_OK : fig_data_prepare(from, &request, err);
    if (status == FIG_OK)
        status = read_pictures(j, from, labelled, err);
    fig_data_free(from);
    return status;
}

static fig_status draw(fig__judged *j, fig_error *err)
{
    return j->made ? FIG_OK : j->what->pictures ? draw_from_pictures(j, err) : draw_from_model(j, err);
}

fig_status fig__judged_pictures(fig__judged *j, int64_t count, const uint8_t **pixels, const int32_t **label, fig_error *err)
{
    FIG_TRY(draw(j, err));
    if (j->made < count)
        return fig_fail(err, FIG_E_USAGE, "%lld generated pictures are wanted, there are %lld", (long long)count, (long long)j->made);
    *pixels = j->pixels;
    *label = j->asked;
    return FIG_OK;
}

/* -- seeing -------------------------------------------------------------------------------------------------------------------------- */

fig_status fig__judged_judge(fig__judged *j, bool labels, const char *for_what, fig__judge **out, fig_error *err)
{
    const char *weights = j->what->inception;
    if (labels && weights)
        return fig_fail(err, FIG_E_USAGE, "%s needs the judge that knows the classes; leave the Inception weights out", for_what);
    if (!j->judge)
        FIG_TRY(weights ? fig__judge_open_inception(j->what->session, weights, j->data, &j->judge, err)
                        : fig__judge_open(j->what->session, j->what->data, j->data, &j->what->hooks, &j->judge, err));
    *out = j->judge;
    if (labels && !fig__judge_classes(j->judge))
        return fig_fail(err, FIG_E_USAGE, "%s needs labelled data, and %s has no classes", for_what, j->spec->name);
    return FIG_OK;
}

static fig_status see_made_pictures(fig__judged *j, fig__cloud *cloud, fig_error *err)
{
    fig__judge *judge;
    FIG_TRY(fig__judged_judge(j, false, NULL, &judge, err));
    FIG_TRY(draw(j, err));
    FIG_TRY(fig__cloud_init(cloud, j->made, fig__judge_width(judge), fig__judge_classes(judge), err));
    const int64_t part = 100; /* between two tellings */
    size_t row = row_size(j);
    fig_status status = FIG_OK;
    for (int64_t first = 0; status == FIG_OK && first < j->made; first += part) {
        int64_t rows = j->made - first < part ? j->made - first : part;
        status = fig__judge_see_pixels(judge, j->pixels + (size_t)first * row, rows, cloud, first, err);
        if (status == FIG_OK)
            status = fig__judged_tell(j, "judging samples", (double)(first + rows) / (double)j->made, err);
    }
    return status;
}

static fig_status see_points(fig__judged *j, fig_split split, int64_t count, bool shuffled, uint64_t seed, fig__cloud *cloud,
                             fig_error *err)
{
    int64_t all = fig_data_items(j->data, split), width = j->spec->dimensions;
    count = count > 0 && count < all ? count : all;
    fig_loader *loader;
    FIG_TRY(fig_loader_new(j->data,
                           &(fig_loader_opts){ .split = split,
                                               .order = shuffled ? FIG_ORDER_SHUFFLED : FIG_ORDER_SEQUENTIAL,
                                               .batch = POINT_BATCH,
                                               .seed = seed },
                           &loader, err));
    fig_status status = fig__cloud_init(cloud, count, (int)width, 0, err);
    for (int64_t seen = 0; seen < count && status == FIG_OK;) {
        const fig_batch *batch;
        status = fig_loader_next(loader, &batch, err);
        if (status != FIG_OK)
            break;
        const float *point = fig_batch_field(batch, "point", NULL);
        const int32_t *label = fig_batch_field(batch, "label", NULL);
        int64_t rows = count - seen < batch->real_rows ? count - seen : batch->real_rows;
        for (int64_t i = 0; i < rows * width; i++)
            cloud->features[seen * width + i] = (double)point[i];
        if (label && j->spec->classes > 0) {
            cloud->label = cloud->label ? cloud->label : fig__alloc(sizeof *label * (size_t)(count + 1));
            memcpy(cloud->label + seen, label, sizeof *label * (size_t)rows);
        }
        seen += rows;
    }
    fig_loader_free(loader);
    return status;
}

static fig_status see_made_points(fig__judged *j, fig__cloud *cloud, fig_error *err)
{
    FIG_TRY(draw(j, err));
    FIG_TRY(fig__cloud_init(cloud, j->made, j->spec->dimensions, 0, err));
    for (int64_t i = 0; i < j->made * j->spec->dimensions; i++)
        cloud->features[i] = (double)j->points[i];
    return FIG_OK;
}

static fig_status see(fig__judged *j, fig__sight sight, int64_t count, fig__cloud *cloud, fig_error *err)
{
    bool points = j->spec->kind == FIG_DATA_POINTS, shuffled = sight != FIG__SEE_TRAIN;
    fig_split split = sight == FIG__SEE_REFERENCE ? j->split : FIG_TRAIN_SPLIT;
    uint64_t seed = sight == FIG__SEE_AGAIN ? j->what->seed : SHUFFLE_SEED;
    if (sight == FIG__SEE_MADE)
        return points ? see_made_points(j, cloud, err) : see_made_pictures(j, cloud, err);
    if (points)
        return see_points(j, split, sight == FIG__SEE_AGAIN ? count : 0, shuffled, seed, cloud, err);
    fig__judge *judge;
    FIG_TRY(fig__judged_judge(j, false, NULL, &judge, err));
    return fig__judge_see_split(judge, j->data, split, sight == FIG__SEE_AGAIN ? count : 0, shuffled, seed,
                                sight == FIG__SEE_TRAIN ? "judging training items" : "judging real items", &j->what->hooks, cloud, err);
}

fig_status fig__judged_see(fig__judged *j, fig__sight sight, int64_t count, const fig__cloud **out, fig_error *err)
{
    fig__cloud *cloud = &j->cloud[sight];
    if (!j->seen[sight])
        FIG_TRY(see(j, sight, sight == FIG__SEE_AGAIN ? j->wanted : count, cloud, err));
    j->seen[sight] = true;
    *out = cloud;
    if (sight == FIG__SEE_MADE && cloud->rows < count)
        return fig_fail(err, FIG_E_USAGE, "%lld generated items are wanted, there are %lld; set the number to that or less",
                        (long long)count, (long long)cloud->rows);
    return FIG_OK;
}

fig_status fig__judged_see_with(fig__judged *j, fig__judge *reader, fig__cloud *cloud, fig_error *err)
{
    return fig__judge_see_split(reader, j->data, j->split, 0, true, SHUFFLE_SEED, "testing on real items", &j->what->hooks, cloud, err);
}

fig__matrix fig__cloud_matrix(const fig__cloud *c, int64_t rows)
{
    return (fig__matrix){ c->features, rows > 0 && rows < c->rows ? rows : c->rows, c->width };
}

/* -- scores -------------------------------------------------------------------------------------------------------------------------- */

const char *fig__judged_draw(const fig__judged *j, int64_t count, char out[64])
{
    if (j->what->pictures)
        snprintf(out, 64, "n%lld", (long long)count);
    else
        snprintf(out, 64, "n%lld/s%llu", (long long)count, (unsigned long long)j->what->seed);
    return out;
}

static void put_size(const fig__judged *j, char *out, size_t size)
{
    const fig_data_spec *spec = j->spec;
    char view[80], name[41]; /* a folder or a model file may name its data as it likes */
    fig__judge_view(j->data, view);
    fig_printable(spec->name, name, sizeof name);
    if (spec->kind == FIG_DATA_POINTS)
        snprintf(out, size, "points/%s-%.8s%s", name, spec->data_hash, view);
    else if (j->judge && fig__judge_classes(j->judge)) /* its name holds the data's and the view */
        snprintf(out, size, "%s/%dx%dx%d", fig__judge_name(j->judge), spec->height, spec->width, spec->channels);
    else
        snprintf(out, size, "%s/%s-%.8s%s/%dx%dx%d", j->judge ? fig__judge_name(j->judge) : "pixels", name, spec->data_hash, view,
                 spec->height, spec->width, spec->channels);
}

static bool wants(const fig__judged *j, const char *name)
{
    bool any = false;
    for (int i = 0; j->what->metrics && j->what->metrics[i]; i++) {
        const fig__sample_metric *m = fig__sample_metric_find(j->what->metrics[i]);
        any |= m && !strcmp(m->name, j->what->metrics[i]) && is_word_of(m->gives, name);
        any |= !strcmp(j->what->metrics[i], name);
    }
    return any || !j->what->metrics;
}

void fig__judged_put(fig__judged *j, const char *name, const char *unit, fig__estimate e, int64_t count, bool higher,
                     const char *detail)
{
    if (!wants(j, name) || j->count >= j->max)
        return;
    fig_score *s = &j->scores[j->count++];
    char size[160];
    put_size(j, size, sizeof size);
    *s = (fig_score){ .value = e.value, .standard_error = e.standard_error, .count = count, .higher_is_better = higher };
    snprintf(s->name, sizeof s->name, "%s", name);
    snprintf(s->unit, sizeof s->unit, "%s", unit);
    snprintf(s->split, sizeof s->split, "%s", fig__split_names[j->split]);
    bool chosen_on = j->what->chosen_on && !strcmp(j->what->chosen_on, fig__split_names[j->split]);
    snprintf(s->protocol, sizeof s->protocol, "%.24s/%.120s/%.64s/%s%lld%s", name, size, detail, fig__split_names[j->split],
             (long long)fig_data_items(j->data, j->split), chosen_on ? "/chosen-on-this-split" : "");
}

fig_status fig__judged_put_accuracy(fig__judged *j, fig_error *err)
{
    const fig__cloud *reference;
    if (j->accuracy_told || j->spec->kind != FIG_DATA_IMAGES)
        return FIG_OK;
    FIG_TRY(fig__judged_see(j, FIG__SEE_REFERENCE, 0, &reference, err));
    j->accuracy_told = true;
    if (fig__judge_classes(j->judge) && reference->label)
        fig__judged_put(j, "judge_accuracy", "", fig__cloud_accuracy(reference), fig__cloud_labelled(reference), true, "1500-steps");
    return FIG_OK;
}

/* -- all of it ------------------------------------------------------------------------------------------------------------------------ */

/* The model's own preparation, but pictures in 0..1 and points in their own units; without a model, the pictures' size. */
static fig_status prepare(fig__judged *j, fig_error *err)
{
    const fig_data_info *info = fig_data_get_info(j->data);
    double aside = info->items[FIG_TEST_SPLIT] || info->items[FIG_VALIDATION_SPLIT] ? 0 : 0.1;
    if (j->what->model) {
        fig_data_spec *like = fig_data_spec_copy(j->what->model->data);
        free(like->offset);
        free(like->scale);
        like->offset = like->scale = NULL;
        like->low = 0, like->high = 1;
        fig_status status = fig_data_prepare_like(j->data, like, err);
        fig_data_spec_free(like);
        return status;
    }
    fig_data *pictures;
    FIG_TRY(fig_data_open(j->what->pictures, NULL, &pictures, err));
    const fig_data_info *found = fig_data_get_info(pictures);
    fig_status status = FIG_OK;
    fig_data_request request = { .kinds = FIG_DATA_IMAGES, .height = found->height, .width = found->width,
                                 .channels = found->channels == 1 ? 1 : 3, .validation = aside };
    if (found->kind != FIG_DATA_IMAGES)
        status = fig_fail(err, FIG_E_USAGE, "%s: holds no pictures; only pictures can be judged without their model", j->what->pictures);
    else if (found->mixed_sizes)
        status = fig_fail(err, FIG_E_USAGE, "%s: pictures of different sizes; bring them to one size to judge them", j->what->pictures);
    else
        status = fig_data_prepare(j->data, &request, err);
    fig_data_free(pictures);
    return status;
}

static fig_status choose_split(fig__judged *j, fig_error *err)
{
    const char *name = j->what->split;
    for (int i = 0; i < FIG_SPLITS; i++)
        if (name ? !strcmp(fig__split_names[i], name)
                 : (i == FIG_TEST_SPLIT && fig_data_items(j->data, FIG_TEST_SPLIT) > 0) ||
                       (i == FIG_VALIDATION_SPLIT && fig_data_items(j->data, FIG_TEST_SPLIT) < 1)) {
            j->split = (fig_split)i;
            if (fig_data_items(j->data, j->split) > 1)
                return FIG_OK;
            return fig_fail(err, FIG_E_NOT_FOUND,
                            "%s has no %s split to compare with; keep one by training with --set test=0.1, name other data (--data), or "
                            "--split train",
                            j->spec->name, fig__split_names[i]);
        }
    return fig_fail(err, FIG_E_USAGE, "split \"%.40s\" is not one of train, validation, test", name);
}

fig_split fig__judged_split(const fig__judged *j) { return j->split; }

static bool has_classes(const fig__judged *j)
{
    bool plane = j->spec->kind != FIG_DATA_POINTS || j->spec->dimensions == 2;
    return plane && j->spec->classes > 1 && fig_data_items(j->data, FIG_TRAIN_SPLIT) >= 2 * (int64_t)j->spec->classes;
}

static bool chosen(const fig__judged *j, const fig__sample_metric *m)
{
    if (!j->what->metrics)
        return !m->on_request && (m->kinds & (unsigned)j->spec->kind) && (!m->classes || (has_classes(j) && !j->what->inception));
    for (int i = 0; j->what->metrics[i]; i++)
        if (fig__sample_metric_find(j->what->metrics[i]) == m)
            return true;
    return false;
}

static int64_t usual_of(const fig__judged *j, const fig__sample_metric *m)
{
    return j->what->count > 0 ? j->what->count : m->usual[j->spec->kind == FIG_DATA_POINTS];
}

static fig_status score(fig__judged *j, fig_error *err)
{
    if (j->what->inception && j->spec->kind != FIG_DATA_IMAGES)
        return fig_fail(err, FIG_E_USAGE, "%s holds no pictures, and Inception weights are for pictures", j->spec->name);
    for (int i = 0; fig__sample_metrics[i]; i++) {
        const fig__sample_metric *m = fig__sample_metrics[i];
        if (!chosen(j, m))
            continue;
        if (!(m->kinds & (unsigned)j->spec->kind))
            return fig_fail(err, FIG_E_USAGE, "metric %s cannot be taken of %s: it is for %s", m->name, j->spec->name,
                            m->kinds & FIG_DATA_POINTS ? "pictures and points" : "pictures");
        j->wanted = usual_of(j, m) > j->wanted ? usual_of(j, m) : j->wanted;
    }
    if (j->wanted < 2 || j->wanted > MOST_SAMPLES)
        return fig_fail(err, FIG_E_USAGE, "samples: %lld, expected 2 to %d", (long long)j->wanted, MOST_SAMPLES);
    if (j->what->pictures && !j->what->count) { /* however many there are */
        FIG_TRY(draw(j, err));
        j->wanted = j->made < j->wanted ? j->made : j->wanted;
    }
    for (int i = 0; fig__sample_metrics[i]; i++) {
        const fig__sample_metric *m = fig__sample_metrics[i];
        int64_t count = usual_of(j, m);
        if (chosen(j, m))
            FIG_TRY(m->score(j, count < j->wanted ? count : j->wanted, err));
    }
    return FIG_OK;
}

fig_status fig__judge_samples(const fig__judging *what, fig_score *scores, int max, int *count, fig_error *err)
{
    fig__judged *j = fig__alloc(sizeof *j);
    j->what = what;
    j->scores = scores;
    j->max = max;
    *count = 0;
    fig_status status =
        fig_data_open(what->data, &(fig_data_open_opts){ .user = what->hooks.user, .cancelled = what->hooks.cancelled }, &j->data, err);
    if (status == FIG_OK)
        status = prepare(j, err);
    if (status == FIG_OK) {
        j->spec = fig_data_get_spec(j->data);
        status = choose_split(j, err);
    }
    if (status == FIG_OK)
        status = score(j, err);
    *count = j->count;
    for (int i = 0; i < 4; i++)
        fig__cloud_clear(&j->cloud[i]);
    fig__judge_free(j->judge);
    fig_data_free(j->data);
    free(j->pixels);
    free(j->points);
    free(j->asked);
    free(j);
    return status;
}
