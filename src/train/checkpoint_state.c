/* train/checkpoint_state.c - the run state as JSON, and back; every number keeps its bits */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

/* Numbers of the state by name and place: one table for both directions. */
typedef struct field {
    const char *name;
    size_t place;
    enum { INTEGER, REAL, FLAG } kind;
} field;
#define AT(member) offsetof(fig__run_state, member)
static const field fields[] = {
    { "step", AT(step), INTEGER },
    { "averaged", AT(averaged), INTEGER },
    { "noise_skip", AT(noise_skip), INTEGER },
    { "seconds", AT(seconds), REAL },
    { "cpu_seconds", AT(cpu_seconds), REAL },
    { "items", AT(items), REAL },
    { "log_bytes", AT(log_bytes), INTEGER },
    { "best_step", AT(best_step), INTEGER },
    { "best", AT(best), REAL },
    { "last_score", AT(last_score), REAL },
    { "scored_step", AT(scored_step), INTEGER },
    { "stopped", AT(stopped), FLAG },
    { "finished", AT(finished), FLAG },
    { "busy", AT(busy), REAL },
    { "logged_busy", AT(logged_busy), REAL },
    { "logged_items", AT(logged_items), REAL },
};
enum { FIELDS = sizeof fields / sizeof fields[0] };

static void put_hex(fig__text *out, const void *data, size_t bytes)
{
    const uint8_t *at = data;
    fig__text_add(out, "\"", 1);
    for (size_t i = 0; i < bytes; i++)
        fig__text_print(out, "%02x", at[i]);
    fig__text_add(out, "\"", 1);
}

static bool get_hex(const char *text, void *data, size_t bytes)
{
    if (!text || strlen(text) != 2 * bytes)
        return false;
    for (size_t i = 0; i < bytes; i++) {
        int value = 0;
        for (int k = 0; k < 2; k++) {
            char c = text[2 * i + (size_t)k];
            int digit = c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : -1;
            if (digit < 0)
                return false;
            value = value * 16 + digit;
        }
        ((uint8_t *)data)[i] = (uint8_t)value;
    }
    return true;
}

static void put_real(fig__text *out, double value)
{
    char text[32];
    fig__number_text(value, text); /* as text: JSON has no NaN */
    fig__json_put_text(out, text);
}

static void put_integers(fig__text *out, const char *name, const int64_t *values, int count)
{
    fig__text_print(out, ", \"%s\": [", name);
    for (int i = 0; i < count; i++)
        fig__text_print(out, "%s%lld", i ? ", " : "", (long long)values[i]);
    fig__text_print(out, "]");
}

static void put_scores(fig__text *out, const char *name, const fig_score *scores, int count)
{
    fig__text_print(out, ", \"%s\": [", name);
    for (int i = 0; i < count; i++) {
        const fig_score *s = &scores[i];
        const char *texts[4] = { s->name, s->unit, s->split, s->protocol };
        fig__text_print(out, "%s[", i ? ", " : "");
        for (int k = 0; k < 4; k++) {
            fig__json_put_text(out, texts[k]);
            fig__text_print(out, ", ");
        }
        put_real(out, s->value);
        fig__text_print(out, ", ");
        put_real(out, s->standard_error);
        fig__text_print(out, ", %lld, %s]", (long long)s->count, s->higher_is_better ? "true" : "false");
    }
    fig__text_print(out, "]");
}

char *fig__state_write(const fig_trainer *t)
{
    const fig__run_state *s = &t->state;
    fig__text out;
    fig__text_init(&out, 64u << 20);
    fig__text_print(&out, "{\"todo\": %u", s->todo);
    for (int i = 0; i < FIELDS; i++) {
        const void *place = (const char *)s + fields[i].place;
        fig__text_print(&out, ", \"%s\": ", fields[i].name);
        if (fields[i].kind == REAL)
            put_real(&out, *(const double *)place);
        else
            fig__text_print(&out, "%lld",
                            fields[i].kind == FLAG ? (long long)*(const bool *)place
                                                   : (long long)*(const int64_t *)place);
    }
    put_integers(&out, "updates", s->updates, t->round->model->n_phases);
    put_integers(&out, "drawn", s->drawn, t->n_data);
    put_integers(&out, "few", s->few, t->n_data);
    put_integers(&out, "kept", s->kept, s->n_kept);
    fig__text_print(&out, ", \"why\": ");
    fig__json_put_text(&out, s->why);
    fig__text_print(&out, ", \"data\": [");
    for (int i = 0; i < t->n_data; i++) {
        fig__text_print(&out, "%s", i ? ", " : "");
        fig__json_put_text(&out, fig_data_get_spec(t->data[i].data)->data_hash);
    }
    fig__text_print(&out, "], \"threads\": %d, \"overrides\": {", fig_session_threads(t->session));
    for (int i = 0; i < s->n_overrides; i++) {
        fig__text_print(&out, "%s", i ? ", " : "");
        fig__json_put_text(&out, s->overrides[i].name);
        fig__text_print(&out, ": ");
        put_real(&out, s->overrides[i].value);
    }
    fig__text_print(&out, "}, \"controllers\": {");
    for (int i = 0; i < t->n_controllers; i++) {
        fig__text_print(&out, "%s", i ? ", " : "");
        fig__json_put_text(&out, t->controller[i].record->name);
        fig__text_print(&out, ": ");
        put_hex(&out, t->controller[i].state, t->controller[i].record->state_size);
    }
    fig__text_print(&out, "}");
    put_scores(&out, "scores", s->scores, s->n_scores);
    put_scores(&out, "best_scores", s->best_scores, s->n_best_scores);
    fig__text_print(&out, "}");
    return out.data;
}

/* -- reading: from a file, so every number is checked -------------------------------------------------------------- */

static double get_real(const fig__json *value)
{
    double number;
    const char *text = fig__json_text(value, NULL);
    return text && fig__number_parse(text, &number) ? number : NAN;
}

static int get_integers(const fig__json *list, int64_t *values, int max)
{
    int count = (int)(fig__json_count(list) < (size_t)max ? fig__json_count(list) : (size_t)max);
    for (int i = 0; i < count; i++) {
        int64_t value = fig__json_int(fig__json_at(list, (size_t)i), 0);
        values[i] = value < 0 ? 0 : value;
    }
    return count;
}

static int get_scores(const fig__json *list, fig_score *scores)
{
    int count = 0;
    for (size_t i = 0; i < fig__json_count(list) && count < FIG__MAX_SCORES; i++) {
        const fig__json *row = fig__json_at(list, i);
        fig_score *s = &scores[count++];
        *s = (fig_score){ .value = get_real(fig__json_at(row, 4)),
                          .standard_error = get_real(fig__json_at(row, 5)),
                          .count = fig__json_int(fig__json_at(row, 6), 0),
                          .higher_is_better = fig__json_bool(fig__json_at(row, 7), false) };
        snprintf(s->name, sizeof s->name, "%s", fig__json_text(fig__json_at(row, 0), ""));
        snprintf(s->unit, sizeof s->unit, "%s", fig__json_text(fig__json_at(row, 1), ""));
        snprintf(s->split, sizeof s->split, "%s", fig__json_text(fig__json_at(row, 2), ""));
        snprintf(s->protocol, sizeof s->protocol, "%s", fig__json_text(fig__json_at(row, 3), ""));
    }
    return count;
}

static fig_status check_data(const fig_trainer *t, const fig__json *list, const char *where, fig_error *err)
{
    for (int i = 0; i < t->n_data; i++) {
        const char *was = fig__json_text(fig__json_at(list, (size_t)i), ""),
                   *is = fig_data_get_spec(t->data[i].data)->data_hash;
        if (strcmp(was, is))
            return fig_fail(
                err, FIG_E_USAGE,
                "%s: the run was made on other data (%.12s..., now %.12s...); resume with the same data, or begin "
                "a new run",
                where, was, is);
    }
    return FIG_OK;
}

fig_status fig__state_read(fig_trainer *t, const char *json, const char *where, fig_error *err)
{
    fig__json *root;
    FIG_TRY(fig__json_parse(json, strlen(json), where, &root, err));
    fig__run_state s = { 0 };
    for (int i = 0; i < FIELDS; i++) {
        void *place = (char *)&s + fields[i].place;
        const fig__json *value = fig__json_get(root, fields[i].name);
        if (fields[i].kind == REAL)
            *(double *)place = get_real(value);
        else if (fields[i].kind == FLAG)
            *(bool *)place = fig__json_int(value, 0) != 0;
        else
            *(int64_t *)place = fig__json_int(value, -1);
    }
    s.todo = (unsigned)fig__json_int(fig__json_get(root, "todo"), 0) & 31u;
    get_integers(fig__json_get(root, "updates"), s.updates, FIG_MODEL_MAX);
    get_integers(fig__json_get(root, "drawn"), s.drawn, FIG__MAX_DATA);
    get_integers(fig__json_get(root, "few"), s.few, FIG__MAX_DATA);
    s.n_kept = get_integers(fig__json_get(root, "kept"), s.kept, FIG__MAX_KEPT);
    snprintf(s.why, sizeof s.why, "%s", fig__json_text(fig__json_get(root, "why"), ""));
    const fig__json *overrides = fig__json_get(root, "overrides");
    for (size_t i = 0; i < fig__json_count(overrides) && s.n_overrides < FIG__MAX_SCALARS; i++) {
        fig__override *o = &s.overrides[s.n_overrides++];
        snprintf(o->name, sizeof o->name, "%s", fig__json_key(overrides, i));
        o->value = get_real(fig__json_value(overrides, i));
    }
    s.n_scores = get_scores(fig__json_get(root, "scores"), s.scores);
    s.n_best_scores = get_scores(fig__json_get(root, "best_scores"), s.best_scores);
    fig_status status = s.step >= 0 && s.step <= (int64_t)1e15 && s.log_bytes >= 0
                            ? check_data(t, fig__json_get(root, "data"), where, err)
                            : fig_fail(err, FIG_E_FORMAT, "%s: the run state holds numbers out of range", where);
    const fig__json *controllers = fig__json_get(root, "controllers");
    for (int i = 0; i < t->n_controllers && status == FIG_OK; i++) {
        const fig_controller *c = t->controller[i].record;
        if (!get_hex(fig__json_text(fig__json_get(controllers, c->name), NULL), t->controller[i].state, c->state_size))
            fig__say(t, FIG_LOG_WARNING, "controller %s begins anew: the checkpoint does not hold its state", c->name);
    }
    int64_t threads = fig__json_int(fig__json_get(root, "threads"), 0);
    if (status == FIG_OK && threads && threads != fig_session_threads(t->session))
        fig__say(t, FIG_LOG_WARNING,
                 "the run used %lld threads and now has %d: its numbers will differ in the last digits",
                 (long long)threads, fig_session_threads(t->session));
    fig__json_free(root);
    if (status == FIG_OK)
        t->state = s;
    return status;
}
