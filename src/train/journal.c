/* train/journal.c - log.jsonl, and the line of plain progress that a recipe words itself
 *
 * A line of log.jsonl is one object: step, epoch, split, then losses and metrics; seconds, cpu_seconds (processor time
 * of all threads) and items_per_s come last, so that two runs of one seed differ at the end of a line only. Lines are
 * written whole. Floats are written so that they read back to the same bits. */
#include "train/trainer.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

void fig__put_float(fig__text *out, double value)
{
    if (!isfinite(value)) {
        fig__text_print(out, "null");
        return;
    }
    char text[40];
    for (int digits = 6; digits <= 9; digits++) {
        double back;
        snprintf(text, sizeof text, "%.*g", digits, value);
        if (fig__number_parse(text, &back) && (float)back == (float)value)
            break;
    }
    fig__text_print(out, "%s", text);
}

fig_status fig__journal_add(fig_trainer *t, const char *line, fig_error *err)
{
    if (!t->output)
        return FIG_OK;
    fig__arena *arena = fig__arena_new();
    size_t length = strlen(line);
    char *whole = fig__arena_format(arena, "%s\n", line);
    fig_status status = fig__file_append(fig__run_path(t, arena, "log.jsonl"), whole, length + 1, err);
    if (status == FIG_OK)
        t->state.log_bytes += (int64_t)length + 1;
    fig__arena_free(arena);
    return status;
}

/* -- plain progress ------------------------------------------------------------------------------------------------ */

static bool value_of(const fig_trainer *t, const char *name, double *value)
{
    int64_t step = t->state.step;
    *value = 0;
    if (!strcmp(name, "step"))
        *value = (double)step;
    else if (!strcmp(name, "steps"))
        *value = (double)t->steps;
    else if (!strcmp(name, "epoch"))
        *value = (double)fig__epoch_of(t, step);
    else if (!strcmp(name, "epochs"))
        *value = (double)fig__epoch_of(t, t->steps);
    else if (!strcmp(name, "epoch_step"))
        *value = t->epoch_steps > 0 && step > 0 ? (double)((step - 1) % t->epoch_steps + 1) : (double)step;
    else if (!strcmp(name, "seconds"))
        *value = fig__elapsed(t);
    else {
        for (int i = 0; i < t->n_losses; i++)
            if (t->loss_key[i] && !strcmp(t->loss_key[i], name)) {
                *value = t->loss[i];
                return true;
            }
        return false;
    }
    return true;
}

/* "{name}" and "{name:.4f}"; a name that is not known stays as it is written. */
void fig__format_line(const fig_trainer *t, const char *format, char *out, size_t size)
{
    size_t used = 0;
    while (*format && used + 1 < size) {
        const char *close = *format == '{' ? strchr(format, '}') : NULL;
        char name[96], number[64];
        int decimals = -1;
        double value;
        size_t length = close ? (size_t)(close - format) - 1 : 0;
        if (close && length < sizeof name) {
            memcpy(name, format + 1, length);
            name[length] = 0;
            char *colon = strchr(name, ':');
            if (colon) {
                *colon = 0;
                if (colon[1] == '.' && colon[2] >= '0' && colon[2] <= '9')
                    decimals = colon[2] - '0';
            }
            if (value_of(t, name, &value)) {
                snprintf(number, sizeof number, decimals >= 0 ? "%.*f" : "%.*g", decimals >= 0 ? decimals : 6, value);
                used += (size_t)snprintf(out + used, size - used, "%s", number);
                format = close + 1;
                continue;
            }
        }
        out[used++] = *format++;
    }
    out[used < size ? used : size - 1] = 0;
}

const char *fig__default_line(const fig_trainer *t, fig__arena *arena)
{
    fig__text line;
    fig__text_init(&line, 1 << 16);
    fig__text_print(&line, "epoch {epoch}/{epochs}, step {step}/{steps}");
    for (int i = 0; i < t->n_losses; i++)
        if (t->loss_key[i])
            fig__text_print(&line, ", %s {%s:.4f}", t->loss_key[i], t->loss_key[i]);
    char *text = fig__arena_text(arena, line.data);
    fig__text_free(&line);
    return text;
}
