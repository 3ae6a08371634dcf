/* nn/declare.c - what a build declares: inputs, ramps, phases, stages, log values, metrics, samplers, parts
 *
 * Each declaration is copied into the model (names into the graph's arena) and checked where it is made, so that a mistake
 * in a recipe is reported with its layer path before anything runs. Functions without an error argument mark the graph. */
#include "nn/model.h"
#include <string.h>

static char *keep(fig_model *model, const char *text) { return fig__arena_text(model->graph->arena, text); }

static bool is_full(fig_model *model, int count, const char *what)
{
    if (count < FIG_MODEL_MAX)
        return false;
    fig_graph_fail(model->graph, "a model declares at most %d %s", FIG_MODEL_MAX, what);
    return true;
}

/* -- inputs ----------------------------------------------------------------------------------------------------------- */

/* Shape of a data set's field with the batch axis; false when these data have no such field. */
static bool field_type(const fig_model *model, const char *field, fig_type *type)
{
    const fig_data_spec *data = model->data;
    int64_t b = model->batch;
    if (strcmp(field, "weight") == 0)
        return *type = FIG_SHAPE(b), true;
    if (!data)
        return false;
    if (strcmp(field, "image") == 0 && data->kind == FIG_DATA_IMAGES)
        return *type = FIG_SHAPE(b, data->height, data->width, data->channels), true;
    if (strcmp(field, "point") == 0 && data->kind == FIG_DATA_POINTS)
        return *type = FIG_SHAPE(b, data->dimensions), true;
    if (strcmp(field, "tokens") == 0 && data->kind == FIG_DATA_TEXT) {
        *type = FIG_SHAPE(b, data->context + 1);
        type->dtype = FIG_I32;
        return true;
    }
    if (strcmp(field, "label") == 0 && data->classes > 0) {
        *type = FIG_SHAPE(b);
        type->dtype = FIG_I32;
        return true;
    }
    return false;
}

fig_node fig_model_input_declare(fig_model *model, const fig_input_decl *decl)
{
    static const char *const kinds[] = { "no data", "pictures", "text", "points", "points" };
    fig_input_decl d = *decl;
    d.field = d.field ? d.field : d.name;
    d.data = d.data ? d.data : "";
    for (int i = 0; i < model->n_inputs; i++) {
        const fig__input *known = &model->input[i];
        if (strcmp(known->decl.name, d.name) != 0)
            continue;
        if (known->decl.feed != d.feed || known->decl.labelled != d.labelled || strcmp(known->decl.field, d.field) != 0)
            return fig_graph_fail(model->graph, "input \"%s\" is declared twice, with different feeds", d.name);
        return known->node;
    }
    if (is_full(model, model->n_inputs, "inputs"))
        return fig_graph_fail(model->graph, "input \"%s\" is one too many", d.name);
    if (d.feed == FIG_FEED_POOL && !fig_is_none(d.from))
        d.type = fig_type_of(d.from);
    else if (d.feed == FIG_FEED_LOADER && d.type.rank == 0 && !field_type(model, d.field, &d.type))
        return fig_graph_fail(model->graph, "input \"%s\": the data (%s) have no field \"%s\"", d.name,
                              kinds[model->data && model->data->kind <= FIG_DATA_POINTS ? model->data->kind : 0],
                              d.field);
    if (d.feed != FIG_FEED_LOADER && d.type.rank == 0)
        return fig_graph_fail(model->graph, "input \"%s\": a pool or sampler feed needs a type with a batch axis",
                              d.name);
    d.name = keep(model, d.name);
    d.field = keep(model, d.field);
    d.data = keep(model, d.data);
    d.sampler = keep(model, d.sampler);
    fig__input *input = &model->input[model->n_inputs++];
    input->decl = d;
    input->node = fig_input(model->graph, d.name, d.type);
    return input->node;
}

fig_node fig_model_input(fig_model *model, const char *field)
{
    return fig_model_input_declare(model, &(fig_input_decl){ .name = field });
}

fig_node fig_model_weight(fig_model *model)
{
    if (fig_is_none(model->weight))
        model->weight = fig_model_input(model, "weight");
    return model->weight;
}

fig_node fig_model_noise(fig_model *model, int64_t width)
{
    return fig_normal(model->graph, FIG_SHAPE(model->batch, width));
}

fig_node fig_model_ramp(fig_model *model, const char *name, double start, double end, double steps)
{
    fig_node node = fig_scalar(model->graph, name, (float)start);
    for (int i = 0; i < model->n_ramps; i++)
        if (strcmp(model->ramp[i].name, name) == 0)
            return node;
    if (!is_full(model, model->n_ramps, "ramps"))
        model->ramp[model->n_ramps++] = (fig__ramp){ keep(model, name), start, end, steps };
    return node;
}

/* -- phases ----------------------------------------------------------------------------------------------------------- */

static bool trains_something(const fig_model *model, const char *scopes)
{
    for (int i = 0; i < model->n_weights; i++)
        if (model->weights[i].trained && fig__in_scopes(model->weights[i].name, scopes))
            return true;
    return false;
}

static fig_status check_loss(const fig_model *model, const fig_phase *phase, fig_error *err)
{
    fig_type loss = fig_type_of(phase->loss);
    char found[128];
    fig__type_text(&loss, found);
    if (loss.dtype != FIG_F32 || loss.rank < 1 || loss.rank > 2 || loss.dim[0] != model->batch)
        return fig_fail(err, FIG_E_SHAPE,
                        "phase \"%s\": loss is %s, expected one number per example (%lld), or (%lld, T)", phase->name,
                        found, (long long)model->batch, (long long)model->batch);
    if (!fig_is_none(phase->mask) && !fig_same_shape(phase->mask, phase->loss))
        return fig_fail(err, FIG_E_SHAPE, "phase \"%s\": mask and loss differ in shape (loss is %s)", phase->name,
                        found);
    return FIG_OK;
}

fig_status fig_model_phase(fig_model *model, const fig_phase *phase, fig_error *err)
{
    FIG_TRY(fig_graph_check(model->graph, err));
    if (!phase->name || !*phase->name || fig_is_none(phase->loss))
        return fig_fail(err, FIG_E_USAGE, "a phase needs a name and a loss");
    if (model->n_phases == FIG_MODEL_MAX)
        return fig_fail(err, FIG_E_LIMIT, "phase \"%s\": a model has at most %d phases", phase->name, FIG_MODEL_MAX);
    for (int i = 0; i < model->n_phases; i++)
        if (strcmp(model->phase[i].name, phase->name) == 0)
            return fig_fail(err, FIG_E_USAGE, "phase \"%s\" is declared twice", phase->name);
    FIG_TRY(check_loss(model, phase, err));
    if (!trains_something(model, phase->trains))
        return fig_fail(err, FIG_E_USAGE, "phase \"%s\": no trained weight lies under \"%s\"", phase->name,
                        phase->trains ? phase->trains : "(all)");
    fig_phase *p = &model->phase[model->n_phases++];
    *p = *phase;
    p->name = keep(model, phase->name);
    p->trains = keep(model, phase->trains);
    p->stage = keep(model, phase->stage);
    p->settings = keep(model, phase->settings);
    p->times = phase->times > 0 ? phase->times : 1;
    p->every = phase->every > 0 ? phase->every : 1;
    return FIG_OK;
}

fig_status fig_model_stages(fig_model *model, const fig_stage *stages, int count, fig_error *err)
{
    if (count > FIG_MODEL_MAX)
        return fig_fail(err, FIG_E_LIMIT, "%d stages, a model has at most %d", count, FIG_MODEL_MAX);
    for (int i = 0; i < count; i++)
        model->stage[i] = (fig_stage){ keep(model, stages[i].name), stages[i].steps };
    model->n_stages = count;
    return FIG_OK;
}

void fig_model_log(fig_model *model, const char *phase, const char *name, fig_node value)
{
    fig_type type = fig_type_of(value);
    if (!fig__poisoned(value) && (type.rank > 2 || (type.rank > 0 && type.dim[0] != model->batch)))
        fig_graph_fail(model->graph, "log value \"%s\" has %d axes, expected one number per example or a single one",
                       name, type.rank);
    else if (!is_full(model, model->n_logs, "log values"))
        model->log[model->n_logs++] = (fig__log_value){ keep(model, phase), keep(model, name), value };
}

/* -- metrics, samplers, parts --------------------------------------------------------------------------------------------- */

void fig_model_metric(fig_model *model, const fig_metric_decl *metric)
{
    fig_type type = fig_type_of(metric->value);
    for (int i = 0; i < model->n_metrics; i++)
        if (strcmp(model->metric[i].name, metric->name) == 0) {
            fig_graph_fail(model->graph, "metric \"%s\" is declared twice", metric->name);
            return;
        }
    if (!fig__poisoned(metric->value) && (type.rank < 1 || type.rank > 2 || type.dim[0] != model->batch)) {
        fig_graph_fail(model->graph, "metric \"%s\" has %d axes, expected one number per example, or (B, T)",
                       metric->name, type.rank);
        return;
    }
    if (metric->samples > 0 && !fig__poisoned(metric->value) && type.rank != 1) {
        fig_graph_fail(model->graph, "metric \"%s\" is a mean over samples, so it is one number per example", metric->name);
        return;
    }
    if (is_full(model, model->n_metrics, "metrics"))
        return;
    fig_metric_decl *m = &model->metric[model->n_metrics++];
    *m = *metric;
    m->name = keep(model, metric->name);
    m->unit = keep(model, metric->unit);
    m->protocol = keep(model, metric->protocol);
    m->derive = keep(model, metric->derive);
}

void fig_model_sampler(fig_model *model, const fig_sampler_decl *sampler)
{
    bool tokens = sampler->loop == FIG_LOOP_TOKEN || sampler->loop == FIG_LOOP_RASTER || sampler->loop == FIG_LOOP_BEAM;
    if (fig_is_none(sampler->output) || (tokens && (fig_is_none(sampler->token) || sampler->length < 1))) {
        fig_graph_fail(model->graph, "sampler \"%s\" needs an output%s", sampler->name,
                       tokens ? ", a token input and a length" : "");
        return;
    }
    if (!fig_is_none(sampler->finish) && (sampler->loop != FIG_LOOP_RASTER || fig_is_none(sampler->made))) {
        fig_graph_fail(model->graph, "sampler \"%s\": only a raster sampler with a `made` input can finish", sampler->name);
        return;
    }
    if (is_full(model, model->n_samplers, "samplers"))
        return;
    fig_sampler_decl *s = &model->sampler[model->n_samplers++];
    *s = *sampler;
    s->name = keep(model, sampler->name);
    s->input = keep(model, sampler->input);
    if (sampler->order) {
        int32_t *order = FIG_NEW_ARRAY(model->graph->arena, int32_t, (size_t)sampler->length);
        memcpy(order, sampler->order, sizeof *order * (size_t)sampler->length);
        s->order = order;
    }
    if (sampler->scalars > 0 && sampler->steps > 0) {
        size_t cells = (size_t)sampler->steps * (size_t)sampler->scalars;
        float *table = FIG_NEW_ARRAY(model->graph->arena, float, cells);
        const char **names = FIG_NEW_ARRAY(model->graph->arena, const char *, sampler->scalars);
        memcpy(table, sampler->table, sizeof *table * cells);
        for (int i = 0; i < sampler->scalars; i++)
            names[i] = keep(model, sampler->scalar_names[i]);
        s->table = table;
        s->scalar_names = names;
    }
}

void fig_model_part(fig_model *model, const fig_part *part)
{
    if (!is_full(model, model->n_parts, "parts"))
        model->part[model->n_parts++] = (fig_part){ keep(model, part->name), keep(model, part->path), part->frozen };
}
