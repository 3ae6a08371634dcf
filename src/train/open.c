/* train/open.c - from data names to prepared data and the spec that the model is built for
 *
 * "random:HxWxC", "random:points:D" and "random:tokens:V" are data of the right shape without a source: random
 * numbers, made once. They serve benchmarks and dry runs; nothing can be learnt from them. */
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

static fig_data_info random_info(const char *what, fig_data_spec *spec)
{
    fig_data_info info = { .name = "random", .source = "random", .path = "random", .items = { 60000, 0, 0 } };
    int h = 0, w = 0, c = 0;
    if (sscanf(what, "points:%d", &spec->dimensions) == 1) {
        spec->kind = FIG_DATA_POINTS;
    } else if (sscanf(what, "tokens:%d", &spec->vocabulary) == 1) {
        spec->kind = FIG_DATA_TEXT;
    } else if (sscanf(what, "%dx%dx%d", &h, &w, &c) == 3) {
        spec->kind = FIG_DATA_IMAGES;
        spec->height = h, spec->width = w, spec->channels = c;
        spec->classes = 10;
    }
    info.kind = spec->kind;
    info.height = spec->height, info.width = spec->width, info.channels = spec->channels;
    info.classes = spec->classes;
    info.dimensions = spec->dimensions;
    return info;
}

static fig_status open_random(fig_trainer *t, const char *name, fig_error *err)
{
    fig_data_spec *spec = t->spec = fig_data_spec_copy(&(fig_data_spec){ .low = 0, .high = 1, .background = { 255, 255, 255 } });
    fig_data_info info = random_info(name + strlen("random:"), spec);
    bool sane = spec->height <= 16384 && spec->width <= 16384 && spec->channels <= 4 && spec->dimensions <= 65536 &&
                spec->vocabulary <= 1 << 24 && spec->height >= 0 && spec->width >= 0 && spec->channels >= 0;
    if (!info.kind || !sane)
        return fig_fail(err, FIG_E_USAGE, "data: \"%.60s\": expected random:HxWxC, random:points:D or random:tokens:V",
                        name);
    FIG_TRY(fig__settings_resolve(&t->settings, info.kind, err));
    fig_data_request request = { 0 };
    if (t->settings.recipe->request)
        FIG_TRY(t->settings.recipe->request(t->settings.options, &info, &request, err));
    if (request.kinds && !(request.kinds & info.kind))
        return fig_fail(err, FIG_E_USAGE, "data: recipe %s does not take this kind of data", t->settings.recipe->name);
    if (request.height)
        spec->height = request.height;
    if (request.width)
        spec->width = request.width;
    if (request.channels)
        spec->channels = request.channels;
    if (request.low != 0 || request.high != 0)
        spec->low = request.low, spec->high = request.high;
    spec->context = request.context ? request.context : 64;
    snprintf(spec->name, sizeof spec->name, "random");
    t->random_data = true;
    return FIG_OK;
}

typedef struct opening {
    fig_trainer *t;
} opening;
static void on_progress(void *user, const char *what, double done)
{
    fig_trainer *t = ((opening *)user)->t;
    if (t->notify)
        t->notify(t->user, what, done);
}
static void on_warning(void *user, const char *message)
{
    fig__say(((opening *)user)->t, FIG_LOG_WARNING, "%s", message);
}
static bool on_cancel(void *user) { return ((opening *)user)->t->stop != 0; }

/* "white", "black", "grey" or "#rrggbb". */
static fig_status parse_colour(const char *text, unsigned char out[3], fig_error *err)
{
    static const struct {
        const char *name, *value;
    } names[] = { { "white", "#ffffff" }, { "black", "#000000" }, { "grey", "#808080" } };
    const char *value = text;
    for (size_t i = 0; i < sizeof names / sizeof *names; i++)
        value = strcmp(text, names[i].name) ? value : names[i].value;
    if (strlen(value) != 7 || *value != '#' || strspn(value + 1, "0123456789abcdefABCDEF") != 6)
        return fig_fail(err, FIG_E_USAGE, "background: \"%.40s\" is no colour; expected white, black, grey or #rrggbb", text);
    long bits = strtol(value + 1, NULL, 16);
    for (int c = 0; c < 3; c++)
        out[c] = (unsigned char)(bits >> (16 - 8 * c));
    return FIG_OK;
}

static fig_status prepare(fig_trainer *t, fig_data *data, fig_error *err)
{
    const fig_recipe *recipe = t->settings.recipe;
    const fig_data_info *info = fig_data_get_info(data);
    fig_data_request request = { .kinds = recipe->data_kinds };
    if (recipe->request)
        FIG_TRY(recipe->request(t->settings.options, info, &request, err));
    const fig__train_options *o = &t->settings.train;
    unsigned char background[3];
    FIG_TRY(parse_colour(o->background, background, err));
    if (o->validation >= 0)
        request.validation = o->validation;
    request.test = o->test;
    request.resize = (fig_resize)o->resize;
    request.background = background;
    if (o->standardise && info->kind == FIG_DATA_IMAGES && !request.any_range)
        return fig_fail(err, FIG_E_USAGE,
                        "standardise: recipe %s makes pictures in a fixed range, %g to %g; only recipes without one, such as flow "
                        "and ddpm, take standardised pictures",
                        recipe->name, (double)request.low, request.low == 0 && request.high == 0 ? 1 : (double)request.high);
    request.standardise_pictures = o->standardise && info->kind == FIG_DATA_IMAGES;
    return fig_data_prepare(data, &request, err);
}

/* A path is written into run.yaml so that it means the same from any folder; names of the catalogue stay names. */
static void make_absolute(fig_trainer *t, int set)
{
    const char *name = t->settings.data[set].name, *colon = strchr(name, ':');
    const char *path = colon && !memchr(name, '/', (size_t)(colon - name)) ? colon + 1 : name;
    const char *opened = fig_data_get_info(t->data[set].data)->path;
    char *given = realpath(path, NULL), *found = opened ? realpath(opened, NULL) : NULL;
    if (given && found && !strcmp(given, found))
        t->settings.data[set].name = fig__arena_format(t->settings.arena, "%.*s%s", (int)(path - name), name, given);
    free(given);
    free(found);
}

fig_status fig__trainer_open_data(fig_trainer *t, fig_error *err)
{
    fig__settings *s = &t->settings;
    if (!s->n_data)
        return fig_fail(err, FIG_E_USAGE, "no data: name some with --data (a catalogue name, a file, or a folder)");
    if (fig__starts_with(s->data[0].name, "random:"))
        return open_random(t, s->data[0].name, err);
    opening hooks = { t };
    for (int i = 0; i < s->n_data; i++) {
        fig_data_open_opts opts = {
            .progress = on_progress, .warn = on_warning, .cancelled = on_cancel, .user = &hooks
        };
        t->data[i].key = s->data[i].key;
        FIG_TRY(fig_data_open(s->data[i].name, &opts, &t->data[i].data, err));
        t->n_data = i + 1;
        make_absolute(t, i);
    }
    FIG_TRY(fig__settings_resolve(&t->settings, fig_data_get_info(t->data[0].data)->kind, err));
    for (int i = 0; i < t->n_data; i++)
        FIG_TRY(prepare(t, t->data[i].data, err));
    t->spec = fig_data_spec_copy(fig_data_get_spec(t->data[0].data));
    return FIG_OK;
}
