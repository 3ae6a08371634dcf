/* registry/load.c - making a usable model of a file: everything is checked before anything is believed
 *
 * The file names a recipe; its options go through the recipe's own table (unknown names and values out of range are
 * errors); the recipe then builds its graph, which says exactly which tensors there must be. Missing, extra,
 * misshaped, damaged or non-finite tensors are refused. Nothing in a file is ever executed. */
#include "registry/model_file.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { BUILD_BATCH = 4 }; /* of the graph that lists the weights; it is never run */

static fig_status set_options(fig_trained *m, const char *json, const char *path, fig_error *err)
{
    m->options = fig__alloc(m->recipe->options_size ? m->recipe->options_size : 1);
    fig_options_defaults(m->recipe->options, m->options);
    fig__json *root;
    FIG_TRY(fig__json_parse(json, strlen(json), path, &root, err));
    fig_status status =
        fig__json_is_object(root) ? FIG_OK : fig_fail(err, FIG_E_FORMAT, "%s: options are no JSON object", path);
    for (size_t i = 0; i < fig__json_count(root) && status == FIG_OK; i++) {
        const char *value = fig__json_text(fig__json_value(root, i), NULL);
        if (!value)
            status = fig_fail(err, FIG_E_FORMAT, "option \"%.60s\" is not a text", fig__json_key(root, i));
        else
            status = fig_options_set(m->recipe->options, m->options, fig__json_key(root, i), value, err);
        if (status != FIG_OK)
            fig_error_prefix(err, "%s", path);
    }
    fig__json_free(root);
    return status;
}

static fig_status read_description(fig_trained *m, const fig__safetensors *file, const char *path, bool verify,
                                   fig_error *err)
{
    const char *format = fig__safetensors_metadata(file, "format"), *recipe = fig__safetensors_metadata(file, "recipe");
    const char *options = fig__safetensors_metadata(file, "options"), *data = fig__safetensors_metadata(file, "data");
    if (!format || !fig__starts_with(format, "figment."))
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: is a safetensors file, but not a Figment model; figment import can convert some", path);
    if (strcmp(format, "figment.model/1"))
        return fig_fail(err, FIG_E_FORMAT, "%s: has format \"%.40s\"; this version reads figment.model/1", path,
                        format);
    if (verify)
        FIG_TRY(fig__verify_checksums(file, path, err));
    if (!recipe || !options || !data)
        return fig_fail(err, FIG_E_FORMAT, "%s: the metadata lack recipe, options or data", path);
    if (!m->recipe)
        m->recipe = fig_recipe_find(recipe);
    else if (strcmp(m->recipe->name, recipe) != 0)
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: is a model of recipe \"%.60s\", not of \"%s\"", path, recipe,
                        m->recipe->name);
    if (!m->recipe)
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: is a model of recipe \"%.60s\", which this version does not have",
                        path, recipe);
    FIG_TRY(set_options(m, options, path, err));
    fig_status status = fig_data_spec_from_json(data, &m->data, err);
    if (status != FIG_OK)
        return fig_error_prefix(err, "%s", path), status;
    const char *preset = fig__safetensors_metadata(file, "preset"), *scores = fig__safetensors_metadata(file, "scores");
    const char *provenance = fig__safetensors_metadata(file, "provenance");
    m->preset = fig__strdup(preset ? preset : "");
    m->scores = fig__strdup(scores ? scores : "[]");
    m->provenance = fig__strdup(provenance ? provenance : "{}");
    return FIG_OK;
}

/* -- tensors ------------------------------------------------------------------------------------------------------- */

static void list_name(fig__text *list, int *count, const char *what, const char *name)
{
    if (++*count <= 8)
        fig__text_print(list, "%s%s \"%.80s\"", *count > 1 ? ", " : "", what, name);
    else if (*count == 9)
        fig__text_print(list, " ...");
}

static fig_status compare_names(const fig_model *model, const fig__safetensors *file, const char *path, fig_error *err)
{
    fig__text list;
    fig__text_init(&list, 4096);
    int faults = 0;
    for (int i = 0; i < model->n_weights; i++)
        if (model->weights[i].exported && !fig__safetensors_find(file, model->weights[i].name))
            list_name(&list, &faults, "missing", model->weights[i].name);
    for (size_t k = 0; k < fig__safetensors_count(file) && faults < 9; k++) {
        const char *name = fig__safetensors_at(file, k)->name;
        bool known = false;
        for (int i = 0; i < model->n_weights && !known; i++)
            known = model->weights[i].exported && !strcmp(model->weights[i].name, name);
        if (!known)
            list_name(&list, &faults, "not of this model", name);
    }
    fig_status status = FIG_OK;
    if (faults)
        status = fig_fail(err, FIG_E_FORMAT, "%s: tensors do not match recipe %s with these options: %s", path,
                          model->recipe->name, list.data);
    fig__text_free(&list);
    return status;
}

static fig_status check_finite(const char *path, const fig__weight *weight, const float *data, fig_error *err)
{
    int64_t n = fig__count(&weight->type), bad = 0;
    for (int64_t i = 0; weight->type.dtype == FIG_F32 && i < n; i++)
        bad += !isfinite(data[i]);
    if (!bad)
        return FIG_OK;
    return fig_fail(err, FIG_E_FORMAT, "%s: tensor \"%s\" holds %lld values that are not finite", path, weight->name,
                    (long long)bad);
}

static fig_status read_tensors(fig_trained *m, const fig__safetensors *file, const char *path, fig_error *err)
{
    fig_model *model;
    fig_status status = fig__model_build(m->recipe, m->options, m->data, FIG_FOR_TRAINING, BUILD_BATCH, &model, err);
    if (status != FIG_OK)
        return fig_error_prefix(err, "%s", path), status;
    status = compare_names(model, file, path, err);
    for (int i = 0; i < model->n_weights && status == FIG_OK; i++) {
        const fig__weight *w = &model->weights[i];
        if (!w->exported)
            continue;
        /* The file's own size bounds what is allocated: a tensor that is not as large as the options say is refused
         * first. */
        if (fig__safetensors_find(file, w->name)->bytes != fig__bytes(&w->type)) {
            char expected[128], found[128];
            fig__type_text(&w->type, expected);
            fig__type_text(&fig__safetensors_find(file, w->name)->type, found);
            status = fig_fail(err, FIG_E_FORMAT, "%s: tensor \"%s\" is %s, expected %s", path, w->name, found, expected);
            break;
        }
        status = fig_store_add(m->store, w->name, &w->type, (w->trained ? FIG_TRAINED : 0u) | FIG_EXPORTED, err);
        if (status != FIG_OK)
            break;
        float *to = fig_store_data(m->store, fig_store_find(m->store, w->name));
        status = fig__safetensors_get(file, w->name, &w->type, to, err);
        if (status != FIG_OK)
            fig_error_prefix(err, "%s", path);
        else
            status = check_finite(path, w, to, err);
    }
    fig__model_free(model);
    return status;
}

/* -- loading ------------------------------------------------------------------------------------------------------- */

static fig_status begin(fig_trained *m, fig_session *session, fig_error *err)
{
    m->session = session;
    if (!session) {
        FIG_TRY(fig_session_new(NULL, &m->session, err));
        m->own_session = true;
    }
    return fig_store_new(m->session, &m->store, err);
}

static fig_status read_file(fig_trained *m, const fig__safetensors *file, bool verify, fig_error *err)
{
    FIG_TRY(read_description(m, file, m->path, verify, err));
    return read_tensors(m, file, m->path, err);
}

static fig_status load(fig_trained *m, fig_session *session, fig_error *err)
{
    fig__safetensors *file;
    FIG_TRY(begin(m, session, err));
    FIG_TRY(fig__safetensors_open(m->path, &file, err));
    fig_status status = read_file(m, file, true, err);
    fig__safetensors_close(file);
    return status;
}

fig_status fig__load_unverified(fig_session *session, const fig__safetensors *file, const char *where, fig_trained **out,
                                fig_error *err)
{
    fig_trained *m = fig__alloc(sizeof *m);
    m->own_rest = true;
    m->path = fig__strdup(where);
    fig_status status = begin(m, session, err);
    if (status == FIG_OK)
        status = read_file(m, file, false, err);
    if (status != FIG_OK) {
        fig_trained_free(m);
        m = NULL;
    }
    *out = m;
    return status;
}

fig_status fig_load(fig_session *session, const char *path, fig_trained **out, fig_error *err)
{
    return fig_load_with(session, NULL, path, out, err);
}

fig_status fig_load_with(fig_session *session, const fig_recipe *recipe, const char *path, fig_trained **out,
                         fig_error *err)
{
    *out = NULL;
    fig_trained *m = fig__alloc(sizeof *m);
    m->recipe = recipe;
    m->own_rest = true;
    fig_status status = FIG_OK;
    if (fig__path_is_folder(path)) {
        m->run_folder = fig__strdup(path);
        m->path = fig__format("%s%smodel.safetensors", path, fig__ends_with(path, "/") ? "" : "/");
        if (!fig__path_exists(m->path))
            status = fig_fail(err, FIG_E_NOT_FOUND,
                              "%s: holds no model.safetensors; if it is a run, train it further with --resume", path);
    } else {
        m->path = fig__strdup(path);
    }
    if (status == FIG_OK)
        status = load(m, session, err);
    if (status != FIG_OK) {
        fig_trained_free(m);
        return status;
    }
    *out = m;
    return FIG_OK;
}

void fig_trained_free(fig_trained *m)
{
    if (!m)
        return;
    if (m->own_rest) {
        fig_store_free(m->store);
        if (m->recipe && m->options)
            fig_options_free(m->recipe->options, m->options);
        free(m->options);
        fig_data_spec_free(m->data);
    }
    if (m->own_session)
        fig_session_free(m->session);
    free(m->path);
    free(m->run_folder);
    free(m->preset);
    free(m->scores);
    free(m->provenance);
    free(m);
}

const fig_recipe *fig_trained_recipe(const fig_trained *m) { return m->recipe; }
const fig_data_spec *fig_trained_data(const fig_trained *m) { return m->data; }
