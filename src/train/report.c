/* train/report.c - report.html: one page about a run that needs nothing but itself
 *
 * Losses and scores from log.jsonl as SVG lines, the last sheet of samples inside the page, scores, settings. Drawn
 * with some 600 points per line at most. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WIDTH = 720, HEIGHT = 260, LEFT = 60, BOTTOM = 30, MOST_POINTS = 600, MOST_LINES = 8 };

typedef struct curve {
    char name[64];
    double *step, *value;
    int count, capacity;
} curve;
typedef struct chart {
    curve line[MOST_LINES];
    int lines;
} chart;

static void put_escaped(fig__text *out, const char *text)
{
    for (; *text; text++)
        if (*text == '<' || *text == '>' || *text == '&' || *text == '"')
            fig__text_print(out, "&#%d;", *text);
        else
            fig__text_add(out, text, 1);
}

/* -- reading the log ----------------------------------------------------------------------------------------------- */

static void add_point(chart *c, const char *name, double step, double value)
{
    int i = 0;
    while (i < c->lines && strcmp(c->line[i].name, name))
        i++;
    if (i == MOST_LINES)
        return;
    curve *l = &c->line[i];
    if (i == c->lines) {
        c->lines++;
        snprintf(l->name, sizeof l->name, "%s", name);
    }
    if (l->count == l->capacity) {
        l->capacity = l->capacity ? 2 * l->capacity : 256;
        l->step = fig__realloc(l->step, sizeof *l->step * (size_t)l->capacity);
        l->value = fig__realloc(l->value, sizeof *l->value * (size_t)l->capacity);
    }
    l->step[l->count] = step;
    l->value[l->count++] = value;
}

static void read_line(const char *text, size_t length, chart *losses, chart *scores, const char *watch)
{
    fig__json *row;
    if (fig__json_parse(text, length, "log.jsonl", &row, NULL) != FIG_OK)
        return;
    double step = fig__json_number(fig__json_get(row, "step"), NAN);
    bool train = !strcmp(fig__json_text(fig__json_get(row, "split"), ""), "train");
    for (size_t i = 0; i < fig__json_count(row) && isfinite(step); i++) {
        const char *key = fig__json_key(row, i);
        double value = fig__json_number(fig__json_value(row, i), NAN);
        if (!isfinite(value))
            continue;
        if (train && fig__starts_with(key, "loss."))
            add_point(losses, key, step, value);
        else if (!train && !strcmp(key, watch))
            add_point(scores, key, step, value);
    }
    fig__json_free(row);
}

static fig_status read_log(fig_trainer *t, fig__arena *arena, chart *losses, chart *scores, fig_error *err)
{
    char *text;
    uint64_t length;
    FIG_TRY(fig__file_read(fig__run_path(t, arena, "log.jsonl"), 1u << 30, &text, &length, err));
    for (char *at = text, *end; *at; at = end) {
        size_t line = strcspn(at, "\n");
        read_line(at, line, losses, scores, t->watch);
        end = at + line + (at[line] == '\n');
    }
    free(text);
    return FIG_OK;
}

/* -- drawing ------------------------------------------------------------------------------------------------------- */

static const char *const colours[MOST_LINES] = { "#2563eb", "#dc2626", "#059669", "#d97706",
                                                 "#7c3aed", "#0891b2", "#be185d", "#4b5563" };

static void range_of(const chart *c, double x[2], double y[2])
{
    x[0] = y[0] = INFINITY;
    x[1] = y[1] = -INFINITY;
    for (int i = 0; i < c->lines; i++)
        for (int k = 0; k < c->line[i].count; k++) {
            x[0] = fmin(x[0], c->line[i].step[k]), x[1] = fmax(x[1], c->line[i].step[k]);
            y[0] = fmin(y[0], c->line[i].value[k]), y[1] = fmax(y[1], c->line[i].value[k]);
        }
    if (!(x[1] > x[0]))
        x[1] = x[0] + 1;
    if (!(y[1] > y[0]))
        y[1] = y[0] + 1;
}

static void put_chart(fig__text *out, const char *title, const chart *c)
{
    if (!c->lines)
        return;
    double x[2], y[2];
    range_of(c, x, y);
    fig__text_print(out, "<h2>%s</h2>\n<svg viewBox=\"0 0 %d %d\" width=\"%d\" height=\"%d\">\n", title, WIDTH, HEIGHT,
                    WIDTH, HEIGHT);
    for (int i = 0; i <= 4; i++) {
        double at = 10 + (HEIGHT - BOTTOM - 10) * i / 4.0, value = y[1] + (y[0] - y[1]) * i / 4;
        fig__text_print(out,
                        "<line x1=\"%d\" x2=\"%d\" y1=\"%.1f\" y2=\"%.1f\" stroke=\"#ddd\"/><text x=\"%d\" y=\"%.1f\" "
                        "text-anchor=\"end\">%.4g</text>\n",
                        LEFT, WIDTH, at, at, LEFT - 6, at + 4, value);
    }
    fig__text_print(out,
                    "<text x=\"%d\" y=\"%d\">step %.0f</text><text x=\"%d\" y=\"%d\" text-anchor=\"end\">%.0f</text>\n",
                    LEFT, HEIGHT - 8, x[0], WIDTH, HEIGHT - 8, x[1]);
    for (int i = 0; i < c->lines; i++) {
        const curve *l = &c->line[i];
        int stride = l->count / MOST_POINTS + 1;
        fig__text_print(out, "<polyline fill=\"none\" stroke=\"%s\" stroke-width=\"1.5\" points=\"", colours[i]);
        for (int k = 0; k < l->count; k += stride)
            fig__text_print(out, "%.1f,%.1f ", LEFT + (WIDTH - LEFT) * (l->step[k] - x[0]) / (x[1] - x[0]),
                            10 + (HEIGHT - BOTTOM - 10) * (y[1] - l->value[k]) / (y[1] - y[0]));
        fig__text_print(out, "\"/>\n<text x=\"%d\" y=\"%d\" fill=\"%s\">", LEFT + 10, 24 + 16 * i, colours[i]);
        put_escaped(out, l->name);
        fig__text_print(out, "</text>\n");
    }
    fig__text_print(out, "</svg>\n");
}

static void put_base64(fig__text *out, const uint8_t *data, uint64_t length)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    for (uint64_t i = 0; i < length; i += 3) {
        uint32_t b = (uint32_t)data[i] << 16 | (i + 1 < length ? (uint32_t)data[i + 1] << 8 : 0) |
                     (i + 2 < length ? data[i + 2] : 0);
        char four[4] = { digits[b >> 18], digits[b >> 12 & 63], i + 1 < length ? digits[b >> 6 & 63] : '=',
                         i + 2 < length ? digits[b & 63] : '=' };
        fig__text_add(out, four, 4);
    }
}

static void put_samples(fig_trainer *t, fig__arena *arena, fig__text *out)
{
    char **names;
    size_t count;
    if (fig__list_folder(arena, fig__run_path(t, arena, "samples"), &names, &count, NULL) != FIG_OK || !count)
        return;
    const char *name = names[count - 1];
    char *data;
    uint64_t length;
    if (fig__file_read(fig__run_path(t, arena, fig__arena_format(arena, "samples/%s", name)), 16 << 20, &data, &length,
                       NULL) != FIG_OK)
        return;
    fig__text_print(out, "<h2>Samples: %s</h2>\n", name);
    if (fig__ends_with(name, ".png")) {
        fig__text_print(out, "<img alt=\"samples\" src=\"data:image/png;base64,");
        put_base64(out, (const uint8_t *)data, length);
        fig__text_print(out, "\">\n");
    } else {
        fig__text_print(out, "<pre>");
        put_escaped(out, data);
        fig__text_print(out, "</pre>\n");
    }
    free(data);
}

static void put_scores(const fig__run_state *s, fig__text *out)
{
    const fig_score *scores = s->best_step >= 0 ? s->best_scores : s->scores;
    int count = s->best_step >= 0 ? s->n_best_scores : s->n_scores;
    if (!count)
        return;
    fig__text_print(out, "<h2>Scores</h2>\n<table>\n");
    for (int i = 0; i < count; i++)
        fig__text_print(out, "<tr><td>%s</td><td>%.6g</td><td>%s</td><td>%s</td></tr>\n", scores[i].name,
                        scores[i].value, scores[i].unit, scores[i].split);
    fig__text_print(out, "</table>\n");
}

void fig__report_remove(const fig_trainer *t)
{
    if (!t->output)
        return;
    fig__arena *arena = fig__arena_new();
    unlink(fig__run_path(t, arena, "report.html"));
    fig__arena_free(arena);
}

fig_status fig__report(fig_trainer *t, fig_error *err)
{
    if (!t->output)
        return FIG_OK;
    fig__arena *arena = fig__arena_new();
    chart losses = { 0 }, scores = { 0 };
    fig__text out;
    fig__text_init(&out, 256u << 20);
    fig_status status = read_log(t, arena, &losses, &scores, err);
    fig__text_print(&out,
                    "<!doctype html>\n<meta charset=\"utf-8\">\n<title>%s run</title>\n<style>body{font:15px "
                    "sans-serif;max-width:760px;"
                    "margin:2em auto;color:#222}svg text{font-size:12px}td{padding:2px 12px 2px "
                    "0}img{max-width:100%%}pre{white-space:pre-wrap;"
                    "background:#f5f5f5;padding:1em}</style>\n",
                    t->settings.recipe->name);
    fig__text_print(&out, "<h1>%s%s%s</h1>\n<p>", t->settings.recipe->name, t->settings.preset ? "/" : "",
                    t->settings.preset ? t->settings.preset->name : "");
    put_escaped(&out, t->settings.recipe->summary ? t->settings.recipe->summary : "");
    fig__text_print(&out, "</p>\n<p>%lld steps, %.1f s, ended by: ", (long long)t->state.step, t->state.seconds);
    put_escaped(&out, t->state.why);
    fig__text_print(&out, "</p>\n");
    put_chart(&out, "Losses", &losses);
    put_chart(&out, "Validation", &scores);
    put_scores(&t->state, &out);
    put_samples(t, arena, &out);
    char *yaml =
        fig__settings_write(&t->settings, t->command, t->round->phase_name, t->round->phase, t->round->model->n_phases);
    fig__text_print(&out, "<h2>Settings</h2>\n<pre>");
    put_escaped(&out, yaml);
    fig__text_print(&out, "</pre>\n");
    free(yaml);
    if (status == FIG_OK)
        status = fig__file_write(fig__run_path(t, arena, "report.html"), out.data, out.length, err);
    for (int i = 0; i < MOST_LINES; i++) {
        free(losses.line[i].step), free(losses.line[i].value);
        free(scores.line[i].step), free(scores.line[i].value);
    }
    fig__text_free(&out);
    fig__arena_free(arena);
    return status;
}
