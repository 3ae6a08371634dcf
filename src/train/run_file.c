/* train/run_file.c - run files as text: the complete run.yaml of a run, a commented one to begin with, and what a
 * resume may change */
#include "train/settings.h"
#include "train/schedule.h"

#include <stdlib.h>
#include <string.h>

enum { MAXIMUM = 1 << 20 };

static void put_line(fig__text *out, const char *indent, const char *key, const char *value)
{
    fig__text_print(out, "%s%s: ", indent, key);
    fig__yaml_scalar(out, value);
    fig__text_add(out, "\n", 1);
}

static void put_comment(fig__text *out, const fig_option *row)
{
    fig__text_print(out, "# %s", row->help ? row->help : "");
    if (row->type == FIG_CHOICE)
        fig__text_print(out, " (%s)", row->choices);
    else if (row->min != 0 || row->max != 0) {
        char low[32], high[32];
        fig__number_text(row->min, low);
        fig__number_text(row->max, high);
        fig__text_print(out, " (%s to %s)", low, high);
    }
    fig__text_add(out, "\n", 1);
}

static void put_table(fig__text *out, const char *indent, const fig_option *table, const void *values, bool comments)
{
    char value[4096];
    for (const fig_option *row = table; row && row->type != FIG_END; row++) {
        if (row->type == FIG_TEXT && !*(char *const *)((const char *)values + row->place))
            continue;
        fig_options_get(row, values, value, sizeof value);
        if (comments)
            put_comment(out, row);
        put_line(out, indent, row->name, value);
    }
}

char *fig__settings_write(const fig__settings *s, const char *command, const char *const *phases,
                          const fig__phase_options *values, int count)
{
    fig__text out;
    fig__text_init(&out, MAXIMUM);
    fig__text_print(&out, "# Everything that made this run: figment train run.yaml repeats it.\n");
    if (command && !strpbrk(command, "\r\n"))
        fig__text_print(&out, "# made by: %s\n", command);
    put_line(&out, "", "recipe", s->recipe->name);
    if (s->preset)
        put_line(&out, "", "preset", s->preset->name);
    if (s->n_data == 1 && !*s->data[0].key)
        put_line(&out, "", "data", s->data[0].name);
    else if (s->n_data) {
        fig__text_print(&out, "data:\n");
        for (int i = 0; i < s->n_data; i++)
            put_line(&out, "  ", *s->data[i].key ? s->data[i].key : "0", s->data[i].name);
    }
    fig__text_print(&out, "\n# the model\n");
    put_table(&out, "", s->recipe->options, s->options, false);
    fig__text_print(&out, "\n# the training\n");
    put_table(&out, "", fig__train_options_table, &s->train, false);
    if (count)
        fig__text_print(&out, "\nphases:\n");
    for (int i = 0; i < count; i++) {
        fig__text_print(&out, "  %s:\n", phases[i]);
        put_table(&out, "    ", fig__phase_options_table, &values[i], false);
    }
    return out.data;
}

fig_status fig_run_file_template(const fig_recipe *recipe, const char *preset, char **yaml, fig_error *err)
{
    *yaml = NULL;
    fig__settings s;
    FIG_TRY(fig__settings_read(&(fig_train_opts){ .recipe = recipe, .preset = preset }, &s, err));
    fig_status status = fig__settings_resolve(&s, recipe->data_kinds, err);
    if (status == FIG_OK) {
        fig__text out;
        fig__text_init(&out, MAXIMUM);
        fig__text_print(&out, "# A run file: figment train THIS-FILE -o RUN\n# %s\n\n",
                        recipe->summary ? recipe->summary : recipe->name);
        put_line(&out, "", "recipe", recipe->name);
        if (s.preset)
            fig__text_print(&out, "# %s\n", s.preset->summary ? s.preset->summary : "");
        if (s.preset)
            put_line(&out, "", "preset", s.preset->name);
        fig__text_print(&out, "# a catalogue name (figment data list), a file, or a folder\n");
        put_line(&out, "", "data", s.preset && s.preset->data ? s.preset->data : "PATH");
        fig__text_print(&out, "\n# -- the model --------------------------------------------------------------\n");
        put_table(&out, "", recipe->options, s.options, true);
        fig__text_print(&out, "\n# -- the training -----------------------------------------------------------\n");
        put_table(&out, "", fig__train_options_table, &s.train, true);
        fig__text_print(
            &out, "\n# A phase can have its own of some of these, for example\n# phases:\n#   NAME:\n#     lr: 1e-4\n");
        *yaml = out.data;
    }
    fig__settings_free(&s);
    return status;
}

/* -- what a resume may change -------------------------------------------------------------------------------------- */

static bool may_change(const char *key)
{
    static const char *const free_keys[] = { "steps",      "epochs",           "minutes", "log_every", "sample_every",
                                             "eval_every", "checkpoint_every", "keep",    "workers",   "memory_budget",
                                             "cpu_minutes", "snapshots", NULL };
    for (int i = 0; free_keys[i]; i++)
        if (!strcmp(key, free_keys[i]))
            return true;
    return !strcmp(key, "data") || fig__starts_with(key, "data."); /* moved data is the same data when its hash is */
}

static const char *find(const fig__yaml *yaml, const char *key)
{
    for (size_t i = 0; i < yaml->count; i++)
        if (!strcmp(yaml->rows[i].key, key))
            return yaml->rows[i].value;
    return NULL;
}

static bool different_recipe(const fig__yaml *a, const fig__yaml *b)
{
    const char *one = find(a, "recipe"), *other = find(b, "recipe");
    return !one || !other || strcmp(one, other);
}

fig_status fig__settings_compare(const char *old_yaml, const char *new_yaml, const char *where, fig_error *err)
{
    fig__yaml before = { 0 }, after = { 0 };
    FIG_TRY(fig__yaml_parse(old_yaml, strlen(old_yaml), where, &before, err));
    fig_status status = fig__yaml_parse(new_yaml, strlen(new_yaml), "the new settings", &after, err);
    char list[400] = "";
    size_t used = 0;
    int differences = 0;
    for (int side = 0; side < 2 && status == FIG_OK; side++) {
        const fig__yaml *one = side ? &before : &after, *other = side ? &after : &before;
        for (size_t i = 0; i < one->count; i++) {
            const char *key = one->rows[i].key, *value = one->rows[i].value, *old = find(other, key);
            if (may_change(key) || (old && (side || !strcmp(old, value))))
                continue;
            differences++;
            if (used + 120 < sizeof list && differences <= 6)
                used += (size_t)snprintf(list + used, sizeof list - used, "%s%.40s was %.24s, now %.24s",
                                         used ? "; " : "", key,
                                         side  ? value
                                         : old ? old
                                               : "unset",
                                         side ? "unset" : value);
        }
    }
    if (status == FIG_OK && different_recipe(&before, &after))
        differences = 0,
        status = fig_fail(err, FIG_E_USAGE, "%s: is the run of another recipe; choose another output folder", where);
    fig__yaml_free(&before);
    fig__yaml_free(&after);
    FIG_TRY(status);
    if (differences)
        return fig_fail(
            err, FIG_E_USAGE,
            "%s: a resumed run keeps its settings, %d differ%s: %s%s; use the old ones or another output folder", where,
            differences, differences == 1 ? "s" : "", list, differences > 6 ? " ..." : "");
    return FIG_OK;
}
