/* sample/sampler.c - making a sampler: choosing it, building and compiling its step graph, and driving its loop */
#include "sample/sampler.h"

#include <stdlib.h>
#include <string.h>

enum {
    PICTURE_BATCH = 64,
    TOKEN_BATCH = 16,
    BEAM = 4
}; /* enough rows for the kernels' speed, few enough to show progress */

#define FIG_SAMPLE_LOOP(name) extern const fig__sample_loop fig__sample_loop_##name;
#include "sample/loops.def"
#undef FIG_SAMPLE_LOOP
const fig__sample_loop *const fig__sample_loops[] = {
#define FIG_SAMPLE_LOOP(name) &fig__sample_loop_##name,
#include "sample/loops.def"
#undef FIG_SAMPLE_LOOP
    NULL,
};

static fig_status check_opts(const fig_sample_opts *o, fig_error *err)
{
    if (o->count < 1 || o->count > 1000000)
        return fig_fail(err, FIG_E_USAGE, "count: %lld samples, expected 1 to 1000000", (long long)o->count);
    if (o->temperature < 0 || o->temperature > 100)
        return fig_fail(err, FIG_E_USAGE, "temperature: %g, expected more than 0 and at most 100", o->temperature);
    if (o->top_p < 0 || o->top_p > 1)
        return fig_fail(err, FIG_E_USAGE, "top_p: %g, expected more than 0 and at most 1", o->top_p);
    if (o->top_k < 0)
        return fig_fail(err, FIG_E_USAGE, "top_k: %d, expected 0 (all) or more", o->top_k);
    if (o->length < 1 || o->length > 1000000)
        return fig_fail(err, FIG_E_USAGE, "length: %lld tokens, expected 1 to 1000000", (long long)o->length);
    if (o->beam < 0 || o->beam > 1024)
        return fig_fail(err, FIG_E_USAGE, "beam: %d rows, expected 1 to 1024", o->beam);
    if (o->weights < FIG_WEIGHTS_F32 || o->weights > FIG_WEIGHTS_INT8)
        return fig_fail(err, FIG_E_USAGE, "weights: kind %d, expected one of " FIG_WEIGHTS_CHOICES, (int)o->weights);
    if (o->batch < 0 || o->batch > 65536)
        return fig_fail(err, FIG_E_USAGE, "batch: %d rows, expected 1 to 65536", o->batch);
    return FIG_OK;
}

static const fig_sampler_decl *find_decl(const fig_model *m, const char *name)
{
    for (int i = 0; i < m->n_samplers; i++)
        if (!name || !strcmp(m->sampler[i].name, name))
            return &m->sampler[i];
    return NULL;
}

static fig_status choose(fig_sampler *s, const char *name, fig_error *err)
{
    s->decl = find_decl(s->model, name);
    if (!s->decl) {
        char list[256] = "";
        size_t used = 0;
        for (int i = 0; i < s->model->n_samplers && used + 64 < sizeof list; i++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%.40s", used ? ", " : "",
                                     s->model->sampler[i].name);
        return fig_fail(err, FIG_E_NOT_FOUND, "recipe %s has no sampler \"%.60s\"; it has: %s",
                        s->trained->recipe->name, name ? name : "", list);
    }
    s->loop = NULL;
    for (int i = 0; fig__sample_loops[i]; i++)
        if (fig__sample_loops[i]->loop == s->decl->loop)
            s->loop = fig__sample_loops[i];
    FIG_BUG_IF(!s->loop, "sampler %s wants loop %d", s->decl->name, (int)s->decl->loop);
    return FIG_OK;
}

/* Pictures always run at one batch size, so that a sample's bits do not depend on how many are asked for; a single
 * text runs alone, because its cost is reading the weights. */
static int choose_batch(const fig_sampler *s)
{
    if (s->loop->loop == FIG_LOOP_BEAM)
        return s->opts.beam ? s->opts.beam : s->opts.count > BEAM ? (int)s->opts.count : BEAM;
    if (s->opts.batch)
        return s->opts.batch;
    if (!s->loop->tokens || s->loop->loop == FIG_LOOP_RASTER)
        return PICTURE_BATCH;
    return s->opts.count == 1 ? 1 : TOKEN_BATCH;
}

static fig_status build(fig_sampler *s, int64_t batch, fig_error *err)
{
    fig_trained *t = s->trained;
    fig__model_free(s->model);
    s->model = NULL;
    fig_purpose purpose = t->standing ? FIG__FOR_STANDING : FIG_FOR_SAMPLING;
    FIG_TRY(fig__model_build(t->recipe, s->options ? s->options : t->options, t->data, purpose, batch, &s->model, err));
    return choose(s, s->opts.sampler, err);
}

/* -- what this sampling sets anew ------------------------------------------------------------------------------------- */

static fig_status refuse_setting(const fig_recipe *recipe, const fig_option *row, const char *name, fig_error *err)
{
    char list[512] = "nothing";
    size_t used = 0;
    for (const fig_option *o = recipe->options; o->type != FIG_END && used + 64 < sizeof list; o++)
        if (o->sampling)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%.60s", used ? ", " : "", o->name);
    if (row)
        return fig_fail(err, FIG_E_USAGE, "%s is settled when a model is trained; sampling from recipe %s can set: %s", row->name,
                        recipe->name, list);
    return fig_fail(err, FIG_E_USAGE, "recipe %s has no option \"%.60s\"; sampling from it can set: %s", recipe->name, name, list);
}

static fig_status apply_settings(fig_sampler *s, fig_error *err)
{
    const fig_recipe *recipe = s->trained->recipe;
    if (!s->opts.settings || !s->opts.settings[0])
        return FIG_OK;
    s->options = fig__alloc(recipe->options_size ? recipe->options_size : 1);
    fig_options_copy(recipe->options, s->options, s->trained->options);
    for (const char *const *setting = s->opts.settings; *setting; setting++) {
        const char *equals = strchr(*setting, '=');
        if (!equals)
            return fig_fail(err, FIG_E_USAGE, "\"%.60s\": expected NAME=VALUE, e.g. guidance=2", *setting);
        char *name = fig__format("%.*s", (int)(equals - *setting), *setting);
        const fig_option *row = fig_options_find(recipe->options, name);
        fig_status status = row && row->sampling ? fig_options_set(recipe->options, s->options, name, equals + 1, err)
                                                 : refuse_setting(recipe, row, name, err);
        free(name);
        FIG_TRY(status);
    }
    return FIG_OK;
}

/* -- the plan --------------------------------------------------------------------------------------------------------- */

/* What the tokens stand for is computed by a plan of its own, once a batch, which assigns nothing. */
static fig_status compile_finish(fig_sampler *s, fig_error *err)
{
    if (fig_is_none(s->decl->finish))
        return FIG_OK;
    s->model->graph->n_assigns = 0;
    return fig_plan_compile(s->model->graph, s->store,
                            &(fig_plan_opts){ .outputs = &s->decl->finish, .n_outputs = 1, .state_prefix = s->trained->state_prefix,
                                              .share = s->plan, .weights = s->opts.weights },
                            &s->finish, err);
}

/* The graph holds every sampler of the model; assignments of the others (their caches) must not run. */
static void keep_own_assigns(fig_sampler *s)
{
    fig_graph *g = s->model->graph;
    bool *needed = fig__alloc((size_t)g->n_values);
    fig__mark_needed(g, &s->decl->output.id, 1, needed);
    int kept = 0;
    for (int i = 0; i < g->n_assigns; i++)
        if (needed[g->assigns[i].anchor < 0 ? g->assigns[i].state : g->assigns[i].anchor])
            g->assigns[kept++] = g->assigns[i];
    g->n_assigns = kept;
    free(needed);
}

static fig_status compile(fig_sampler *s, fig_error *err)
{
    fig_trained *t = s->trained;
    FIG_TRY(apply_settings(s, err));
    FIG_TRY(build(s, 1, err));
    FIG_TRY(fig__sampler_read_classes(s, err));
    s->batch = choose_batch(s);
    if (s->batch != 1)
        FIG_TRY(build(s, s->batch, err));
    if (s->decl->input && !s->opts.input && !s->opts.read)
        return fig_fail(err, FIG_E_USAGE, "sampler %s reads \"%s\": give it data", s->decl->name, s->decl->input);
    keep_own_assigns(s);
    FIG_TRY(fig__store_above(t->store, &s->store, err));
    FIG_TRY(fig__model_initialise(s->model, s->store, t->seed, err));
    FIG_TRY(fig_plan_compile(
        s->model->graph, s->store,
        &(fig_plan_opts){
            .outputs = &s->decl->output, .n_outputs = 1, .state_prefix = t->state_prefix, .share = t->share,
            .weights = s->opts.weights },
        &s->plan, err));
    return compile_finish(s, err);
}

fig_status fig_sampler_new(fig_trained *model, const fig_sample_opts *opts, fig_sampler **out, fig_error *err)
{
    return fig__sampler_new(model, opts, false, out, err);
}

fig_status fig__sampler_new(fig_trained *model, const fig_sample_opts *opts, bool ids, fig_sampler **out,
                            fig_error *err)
{
    *out = NULL;
    fig_sampler *s = fig__alloc(sizeof *s);
    s->trained = model;
    s->ids = ids;
    s->opts = opts ? *opts : (fig_sample_opts){ 0 };
    s->opts.count = s->opts.count ? s->opts.count : 1;
    s->opts.length = s->opts.length ? s->opts.length : 500;
    s->opts.temperature = s->opts.temperature != 0 ? s->opts.temperature : 1;
    s->opts.top_p = s->opts.top_p != 0 ? s->opts.top_p : 1;
    s->opts.prompt = s->prompt = fig__strdup(s->opts.prompt);
    fig_status status = check_opts(&s->opts, err);
    if (status == FIG_OK)
        status = compile(s, err);
    s->opts.sampler = s->opts.classes = NULL; /* borrowed for this call only */
    s->opts.settings = NULL;
    if (status == FIG_OK)
        status = fig__sampler_restart(s, s->opts.seed, err);
    if (status != FIG_OK) {
        fig_sampler_free(s);
        return status;
    }
    *out = s;
    return FIG_OK;
}

fig_status fig__sampler_restart(fig_sampler *s, uint64_t seed, fig_error *err)
{
    if (s->state && s->loop->end)
        s->loop->end(s);
    s->state = NULL;
    fig_samples_free(s->samples);
    static const fig_data_spec codes = { .kind = FIG_DATA_POINTS };
    s->samples = fig__samples_new(s->decl->codes ? &codes : s->trained->data, s->opts.count);
    s->opts.seed = seed;
    s->row = 0;
    fig_plan_renew(s->plan);
    if (s->finish)
        fig_plan_renew(s->finish);
    return s->loop->begin(s, err);
}

void fig__sampler_reset_states(fig_sampler *s)
{
    for (int i = 0; i < s->model->n_weights; i++) {
        const fig__weight *w = &s->model->weights[i];
        int index = fig_store_find(s->store, w->name);
        if (w->exported || w->trained || index < 0)
            continue;
        if (fig_store_type(s->store, index)->dtype == FIG_F32)
            fig__init_fill(&w->init, &w->type, s->trained->seed, w->name, fig_store_data(s->store, index));
        else
            memset(fig_store_data(s->store, index), 0, fig_store_bytes(s->store, index));
    }
}

static void feed_classes(fig_sampler *s)
{
    if (fig_is_none(s->decl->label))
        return;
    fig_type type;
    int32_t *to = fig_plan_input(s->plan, ((const fig_leaf_attr *)fig__producer_attr(s->decl->label))->name, &type);
    for (int row = 0; to && row < s->batch; row++)
        to[row] = fig__sampler_class_of(s, s->row + row);
}

fig_status fig__sampler_feed(fig_sampler *s, fig_error *err)
{
    feed_classes(s);
    if (!s->decl->input)
        return FIG_OK;
    fig_type type;
    char *to = fig_plan_input(s->plan, s->decl->input, &type);
    if (!to)
        return fig_fail(err, FIG_E_FAILED, "sampler %s does not use its input \"%s\"", s->decl->name, s->decl->input);
    size_t row = fig__bytes(&type) / (size_t)type.dim[0];
    int64_t left = s->opts.count - s->row, rows = left < s->batch ? left : s->batch;
    if (s->opts.read)
        FIG_TRY(s->opts.read(s->opts.user, rows, (int64_t)(row / sizeof(float)), (float *)(void *)to, err));
    else
        memcpy(to, (const char *)s->opts.input + (size_t)s->row * row, (size_t)rows * row);
    memset(to + (size_t)rows * row, 0, (size_t)(s->batch - rows) * row);
    return FIG_OK;
}

fig_status fig__sampler_finish(fig_sampler *s, bool (*cancelled)(void *user), void *user, fig_error *err)
{
    for (bool finished = false; !finished;) {
        if (cancelled && cancelled(user))
            return fig_fail(err, FIG_E_INTERRUPTED, "sampling was stopped");
        FIG_TRY(fig_sampler_next(s, &finished, err));
    }
    return FIG_OK;
}

fig_status fig_sampler_next(fig_sampler *s, bool *finished, fig_error *err)
{
    if (s->row >= s->opts.count) {
        *finished = true;
        return FIG_OK;
    }
    return s->loop->next(s, finished, err);
}

double fig_sampler_done(const fig_sampler *s)
{
    if (s->row >= s->opts.count)
        return 1;
    int64_t batches = (s->opts.count + s->batch - 1) / s->batch;
    return ((double)(s->row / s->batch) + (s->loop->share ? s->loop->share(s) : 0)) / (double)batches;
}

const fig_samples *fig_sampler_samples(const fig_sampler *s) { return s->samples; }

fig_plan_info fig_sampler_plan_info(const fig_sampler *s) { return fig_plan_get_info(s->plan); }

char *fig_sampler_profile(fig_sampler *s, int runs) { return fig_plan_profile(s->plan, runs > 0 ? runs : 1); }

void fig_sampler_free(fig_sampler *s)
{
    if (!s)
        return;
    if (s->state && s->loop->end)
        s->loop->end(s);
    fig_plan_free(s->finish);
    fig_plan_free(s->plan);
    fig_store_free(s->store);
    fig__model_free(s->model);
    fig_samples_free(s->samples);
    if (s->options)
        fig_options_free(s->trained->recipe->options, s->options);
    free(s->options);
    free(s->classes);
    free(s->prompt);
    free(s);
}

fig_status fig_sample(fig_trained *model, const fig_sample_opts *opts, fig_samples **out, fig_error *err)
{
    *out = NULL;
    fig_sampler *s;
    FIG_TRY(fig_sampler_new(model, opts, &s, err));
    fig_status status = fig__sampler_finish(s, NULL, NULL, err);
    if (status == FIG_OK) {
        *out = s->samples;
        s->samples = NULL;
    }
    fig_sampler_free(s);
    return status;
}
