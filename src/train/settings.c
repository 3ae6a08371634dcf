/* train/settings.c - layers of settings: reading them, and resolving them into option structs
 *
 * Length is one setting in two words: a layer that sets `steps` alone takes `epochs` away and the other way round, so
 * that a preset in epochs does not linger under `--steps 100`. */
#include "train/settings.h"
#include "train/schedule.h"

#include <ctype.h>
#include <stdlib.h>
#include <string.h>

/* -- rows ---------------------------------------------------------------------------------------------------------- */

static void add_row(fig__settings *s, fig__layer layer, int line, const char *key, const char *text)
{
    if (s->n_rows == s->cap_rows) {
        s->cap_rows = s->cap_rows ? 2 * s->cap_rows : 64;
        s->rows = fig__realloc(s->rows, sizeof *s->rows * (size_t)s->cap_rows);
    }
    s->rows[s->n_rows++] =
        (fig__setting){ layer, line, fig__arena_text(s->arena, key), fig__arena_text(s->arena, text) };
}

fig_status fig__settings_next(const char **at, fig__arena *arena, const char **key, const char **text, fig_error *err)
{
    const char *p = *at + strspn(*at, " \t\n");
    *key = *text = NULL;
    *at = p;
    if (!*p)
        return FIG_OK;
    size_t length = strcspn(p, "= \t\n");
    if (p[length] != '=' || length == 0)
        return fig_fail(err, FIG_E_USAGE, "\"%.60s\": expected key=value", p);
    *key = fig__arena_format(arena, "%.*s", (int)length, p);
    p += length + 1;
    char quote = *p == '\'' || *p == '"' ? *p++ : 0;
    length = quote ? strcspn(p, quote == '"' ? "\"" : "'") : strcspn(p, " \t\n");
    if (quote && p[length] != quote)
        return fig_fail(err, FIG_E_USAGE, "%s: the quote is not closed", *key);
    *text = fig__arena_format(arena, "%.*s", (int)length, p);
    *at = p + length + (quote != 0);
    return FIG_OK;
}

/* "a=DIR" names the data set "a"; a key is a word of letters, digits and underscores. */
static fig_status add_data(fig__settings *s, const char *key, const char *name, fig_error *err)
{
    if (s->n_data == FIG__MAX_DATA)
        return fig_fail(err, FIG_E_LIMIT, "data: more than %d data sets", FIG__MAX_DATA);
    if (!key) {
        size_t word = 0;
        while (isalnum((unsigned char)name[word]) || name[word] == '_')
            word++;
        key = "";
        if (word && name[word] == '=' && !fig__path_exists(name)) {
            key = fig__arena_format(s->arena, "%.*s", (int)word, name);
            name += word + 1;
        }
    }
    for (int i = 0; i < s->n_data; i++)
        if (!strcmp(s->data[i].key, key))
            return fig_fail(err, FIG_E_USAGE,
                            *key ? "data: \"%s\" is given twice"
                                 : "data: two data sets without a name%s; "
                                   "write --data a=ONE --data b=OTHER",
                            key);
    s->data[s->n_data++] = (fig__data_name){ fig__arena_text(s->arena, key), fig__arena_text(s->arena, name) };
    return FIG_OK;
}

static fig_status read_run_file(fig__settings *s, const char *path, bool own_data, const char **recipe, fig_error *err)
{
    char *text;
    uint64_t length;
    FIG_TRY(fig__file_read(path, 4 << 20, &text, &length, err));
    fig__yaml yaml = { 0 };
    fig_status status = fig__yaml_parse(text, length, path, &yaml, err);
    free(text);
    FIG_TRY(status);
    for (size_t i = 0; i < yaml.count && status == FIG_OK; i++) {
        const fig__yaml_row *row = &yaml.rows[i];
        if (!strcmp(row->key, "recipe"))
            *recipe = fig__arena_text(s->arena, row->value);
        else if (!strcmp(row->key, "preset"))
            s->preset_name = s->preset_name ? s->preset_name : fig__arena_text(s->arena, row->value);
        else if (!strcmp(row->key, "data") && !own_data)
            status = add_data(s, "", row->value, err);
        else if (fig__starts_with(row->key, "data.") && !own_data)
            status = add_data(s, row->key + 5, row->value, err);
        else if (strcmp(row->key, "data") && !fig__starts_with(row->key, "data."))
            add_row(s, FIG__LAYER_FILE, row->line, row->key, row->value);
    }
    fig__yaml_free(&yaml);
    return status;
}

static fig_status find_recipe(fig__settings *s, const char *name, fig_error *err)
{
    const fig_recipe *recipe = fig_recipe_find(name);
    if (recipe) {
        s->recipe = recipe;
        return FIG_OK;
    }
    const char *nearest = NULL;
    int least = 4;
    for (int i = 0; fig_recipe_at(i); i++) {
        int distance = fig__edit_distance(fig_recipe_at(i)->name, name);
        if (distance < least)
            least = distance, nearest = fig_recipe_at(i)->name;
    }
    if (nearest)
        return fig_fail(err, FIG_E_NOT_FOUND, "there is no recipe \"%.60s\"; did you mean \"%s\"?", name, nearest);
    return fig_fail(err, FIG_E_NOT_FOUND, "there is no recipe \"%.60s\"; figment recipes lists them", name);
}

static fig_status read_settings(const fig_train_opts *opts, fig__settings *s, fig_error *err)
{
    const char *recipe = NULL;
    s->recipe = opts->recipe;
    s->preset_name = opts->preset;
    bool own_data = opts->data && opts->data[0];
    if (own_data)
        for (int i = 0; opts->data[i]; i++)
            FIG_TRY(add_data(s, NULL, opts->data[i], err));
    s->run_file = opts->run_file;
    if (!opts->recipe && !opts->run_file && opts->resume && opts->output)
        s->run_file = fig__path_join(s->arena, opts->output, "run.yaml");
    if (s->run_file)
        FIG_TRY(read_run_file(s, s->run_file, own_data, &recipe, err));
    if (!s->recipe && !recipe)
        return fig_fail(err, FIG_E_USAGE, "%s: no recipe is named; add a line \"recipe: NAME\"",
                        s->run_file ? s->run_file : "training");
    if (!s->recipe)
        FIG_TRY(find_recipe(s, recipe, err));
    else if (recipe && strcmp(recipe, s->recipe->name))
        return fig_fail(err, FIG_E_USAGE, "%s: is for recipe %.60s, not %s", s->run_file, recipe, s->recipe->name);
    for (int i = 0; opts->settings && opts->settings[i]; i++) {
        const char *equals = strchr(opts->settings[i], '=');
        if (!equals || equals == opts->settings[i])
            return fig_fail(err, FIG_E_USAGE, "\"%.60s\": expected key=value", opts->settings[i]);
        char *key = fig__arena_format(s->arena, "%.*s", (int)(equals - opts->settings[i]), opts->settings[i]);
        add_row(s, FIG__LAYER_SET, 0, key, equals + 1);
    }
    return FIG_OK;
}

fig_status fig__settings_read(const fig_train_opts *opts, fig__settings *out, fig_error *err)
{
    *out = (fig__settings){ .arena = fig__arena_new() };
    fig_status status = read_settings(opts, out, err);
    if (status != FIG_OK)
        fig__settings_free(out);
    return status;
}

void fig__settings_free(fig__settings *s)
{
    if (s->resolved) {
        fig_options_free(fig__train_options_table, &s->train);
        fig_options_free(s->recipe->options, s->options);
        free(s->options);
    }
    free(s->rows);
    fig__arena_free(s->arena);
    *s = (fig__settings){ 0 };
}

/* -- resolving ----------------------------------------------------------------------------------------------------- */

static fig_status explain(const fig__settings *s, const fig__setting *row, fig_status status, fig_error *err)
{
    if (status == FIG_OK)
        return FIG_OK;
    if (row->layer == FIG__LAYER_FILE)
        fig_error_prefix(err, "%s: line %d", s->run_file, row->line);
    else if (row->layer == FIG__LAYER_PRESET)
        fig_error_prefix(err, "preset %s/%s", s->recipe->name, s->preset->name);
    return status;
}

static fig_status unknown(const fig__settings *s, const fig__setting *row, fig_error *err)
{
    const char *nearest = fig_options_nearest(fig__train_options_table, row->key);
    const char *other = fig_options_nearest(s->recipe->options, row->key);
    if (other && (!nearest || fig__edit_distance(other, row->key) < fig__edit_distance(nearest, row->key)))
        nearest = other;
    fig_status status =
        nearest ? fig_fail(err, FIG_E_USAGE, "unknown setting \"%.80s\"; did you mean \"%s\"?", row->key, nearest)
                : fig_fail(err, FIG_E_USAGE, "unknown setting \"%.80s\"; figment recipes %s lists the settings",
                           row->key, s->recipe->name);
    return explain(s, row, status, err);
}

static fig_status apply_layer(fig__settings *s, fig__layer layer, fig_error *err)
{
    bool steps = false, epochs = false;
    for (int i = 0; i < s->n_rows; i++) {
        const fig__setting *row = &s->rows[i];
        if (row->layer != layer || fig__starts_with(row->key, "phases."))
            continue;
        fig_status status;
        if (fig_options_find(fig__train_options_table, row->key))
            status = fig_options_set(fig__train_options_table, &s->train, row->key, row->text, err);
        else if (fig_options_find(s->recipe->options, row->key))
            status = fig_options_set(s->recipe->options, s->options, row->key, row->text, err);
        else
            return unknown(s, row, err);
        FIG_TRY(explain(s, row, status, err));
        steps |= !strcmp(row->key, "steps") && s->train.steps > 0;
        epochs |= !strcmp(row->key, "epochs") && s->train.epochs > 0;
    }
    if (steps && !epochs)
        s->train.epochs = 0;
    if (epochs && !steps)
        s->train.steps = 0;
    return FIG_OK;
}

static fig_status choose_preset(fig__settings *s, unsigned kind, fig_error *err)
{
    const fig_preset *presets = s->recipe->presets;
    if (s->preset_name) {
        const char *name = s->preset_name;
        size_t prefix = strlen(s->recipe->name);
        if (!strncmp(name, s->recipe->name, prefix) && name[prefix] == '/')
            name += prefix + 1;
        for (const fig_preset *p = presets; p && p->name; p++)
            if (!strcmp(p->name, name))
                s->preset = p;
        if (s->preset)
            return FIG_OK;
        char list[512] = "";
        size_t used = 0;
        for (const fig_preset *p = presets; p && p->name && used + strlen(p->name) + 3 < sizeof list; p++)
            used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", p->name);
        return fig_fail(err, FIG_E_NOT_FOUND, "recipe %s has no preset \"%.60s\"; it has: %s", s->recipe->name, name,
                        used ? list : "none");
    }
    for (const fig_preset *p = presets; p && p->name && !s->preset; p++)
        if (p->data_kinds & kind)
            s->preset = p;
    if (!s->preset && presets && presets->name)
        s->preset = presets;
    return FIG_OK;
}

static fig_status check_texts(fig__settings *s, fig_error *err)
{
    const fig__train_options *t = &s->train;
    FIG_TRY(fig__cadence_parse("log_every", t->log_every, &s->log_every, err));
    FIG_TRY(fig__cadence_parse("sample_every", t->sample_every, &s->sample_every, err));
    FIG_TRY(fig__cadence_parse("eval_every", t->eval_every, &s->eval_every, err));
    FIG_TRY(fig__cadence_parse("checkpoint_every", t->checkpoint_every, &s->checkpoint_every, err));
    FIG_TRY(fig__keep_parse(t->keep, &s->keep, err));
    FIG_TRY(fig__memory_parse("memory_budget", t->memory_budget, &s->memory_budget, err));
    if (s->checkpoint_every.unit == FIG__AUTO)
        s->checkpoint_every = (fig__cadence){ FIG__SECONDS, 300 };
    if (!t->steps && !t->epochs)
        return fig_fail(err, FIG_E_USAGE, "steps: both steps and epochs are 0; set one of them");
    return FIG_OK;
}

/* Adds the preset's rows; they are the lowest layer, so their place in the list does not matter. */
static fig_status add_preset_rows(fig__settings *s, fig_error *err)
{
    const char *at = s->preset && s->preset->settings ? s->preset->settings : "", *key, *text;
    for (;;) {
        FIG_TRY(fig__settings_next(&at, s->arena, &key, &text, err));
        if (!key)
            return FIG_OK;
        add_row(s, FIG__LAYER_PRESET, 0, key, text);
    }
}

fig_status fig__settings_resolve(fig__settings *s, unsigned kind, fig_error *err)
{
    FIG_TRY(choose_preset(s, kind, err));
    FIG_TRY(add_preset_rows(s, err));
    fig_options_defaults(fig__train_options_table, &s->train);
    s->options = fig__alloc(s->recipe->options_size ? s->recipe->options_size : 1);
    fig_options_defaults(s->recipe->options, s->options);
    s->resolved = true;
    for (fig__layer layer = 0; layer < FIG__LAYERS; layer++)
        FIG_TRY(apply_layer(s, layer, err));
    return check_texts(s, err);
}

/* -- phases -------------------------------------------------------------------------------------------------------- */

static fig_status apply_phase_layer(const fig__settings *s, fig__layer layer, const char *phase,
                                    fig__phase_options *out, fig_error *err)
{
    size_t length = strlen(phase);
    for (int own = 0; own <= 1; own++) /* first the bare keys, then the phase's */
        for (int i = 0; i < s->n_rows; i++) {
            const fig__setting *row = &s->rows[i];
            const char *key = row->key;
            bool mine = fig__starts_with(key, "phases.") && !strncmp(key + 7, phase, length) && key[7 + length] == '.';
            if (row->layer != layer || mine != (own == 1))
                continue;
            key = own ? key + 8 + length : key;
            if (!own && (!fig_options_find(fig__phase_options_table, key) || !strcmp(key, "times")))
                continue;
            fig_status status = fig_options_set(fig__phase_options_table, out, key, row->text, err);
            if (status != FIG_OK && own)
                fig_error_prefix(err, "phases.%s", phase);
            FIG_TRY(explain(s, row, status, err));
        }
    return FIG_OK;
}

fig_status fig__settings_phase(const fig__settings *s, const char *phase, const char *defaults, fig__phase_options *out,
                               fig_error *err)
{
    fig_options_defaults(fig__phase_options_table, out);
    /* The preset's bare keys are below the phase's own defaults, its "phases.NAME.key" above them: they name the
     * phase. */
    fig__settings bare = *s, named = *s;
    bare.rows = fig__alloc(sizeof *s->rows * (size_t)(s->n_rows + 1));
    named.rows = fig__alloc(sizeof *s->rows * (size_t)(s->n_rows + 1));
    bare.n_rows = named.n_rows = 0;
    for (int i = 0; i < s->n_rows; i++) {
        fig__settings *to = fig__starts_with(s->rows[i].key, "phases.") ? &named : &bare;
        to->rows[to->n_rows++] = s->rows[i];
    }
    fig_status status = apply_phase_layer(&bare, FIG__LAYER_PRESET, phase, out, err);
    const char *at = defaults ? defaults : "", *key, *text;
    while (status == FIG_OK) {
        status = fig__settings_next(&at, s->arena, &key, &text, err);
        if (!key || status != FIG_OK)
            break;
        status = fig_options_set(fig__phase_options_table, out, key, text, err);
    }
    if (status == FIG_OK)
        status = apply_phase_layer(&named, FIG__LAYER_PRESET, phase, out, err);
    for (fig__layer layer = FIG__LAYER_FILE; layer < FIG__LAYERS && status == FIG_OK; layer++)
        status = apply_phase_layer(s, layer, phase, out, err);
    free(bare.rows);
    free(named.rows);
    return status;
}

fig_status fig__settings_check_phases(const fig__settings *s, const char *const *phases, int count, fig_error *err)
{
    for (int i = 0; i < s->n_rows; i++) {
        const fig__setting *row = &s->rows[i];
        if (!fig__starts_with(row->key, "phases."))
            continue;
        bool known = false;
        char list[256] = "";
        size_t used = 0;
        for (int p = 0; p < count; p++) {
            size_t length = strlen(phases[p]);
            known |= !strncmp(row->key + 7, phases[p], length) && row->key[7 + length] == '.';
            if (used + length + 3 < sizeof list)
                used += (size_t)snprintf(list + used, sizeof list - used, "%s%s", used ? ", " : "", phases[p]);
        }
        if (!known)
            return explain(s, row,
                           fig_fail(err, FIG_E_USAGE, "\"%.80s\": no such phase; this model has: %s", row->key, list),
                           err);
    }
    return FIG_OK;
}
