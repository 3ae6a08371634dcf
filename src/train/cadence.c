/* train/cadence.c - settings that are more than a number: how often something happens, which checkpoints stay, how much memory
 *
 * "100" and "100 steps" count rounds, "2 epochs" count epochs, "5 minutes" and "30 seconds" go by the clock (and so
 * are not repeated to the step by a second run), "0" and "never" switch off, "auto" is settled once the length of the
 * run is known. A blank between number and unit may be left out. */
#include "train/options.h"
#include <math.h>
#include <string.h>

static bool is_unit(const char *word, const char *unit)
{
    size_t length = strlen(unit); /* "epoch": also "epochs" */
    return !strncmp(word, unit, length) && (!word[length] || !strcmp(word + length, "s"));
}

fig_status fig__cadence_parse(const char *key, const char *text, fig__cadence *out, fig_error *err)
{
    *out = (fig__cadence){ FIG__NEVER, 0 };
    if (!text || !strcmp(text, "never"))
        return FIG_OK;
    if (!strcmp(text, "auto")) {
        out->unit = FIG__AUTO;
        return FIG_OK;
    }
    char number[40];
    size_t digits = strspn(text, "0123456789.");
    const char *unit = text + digits;
    unit += strspn(unit, " _");
    double every = -1;
    if (digits && digits < sizeof number) {
        memcpy(number, text, digits);
        number[digits] = 0;
        if (!fig__number_parse(number, &every))
            every = -1;
    }
    out->every = every;
    if (!*unit || is_unit(unit, "step"))
        out->unit = FIG__STEPS;
    else if (is_unit(unit, "epoch"))
        out->unit = FIG__EPOCHS;
    else if (is_unit(unit, "minute") || is_unit(unit, "second")) {
        out->unit = FIG__SECONDS;
        out->every = *unit == 'm' ? every * 60 : every;
    } else
        every = -1;
    bool whole = out->unit == FIG__SECONDS || every == floor(every);
    if (every < 0 || every > 1e12 || !whole)
        return fig_fail(
            err, FIG_E_USAGE,
            "%s: \"%.60s\" is no cadence; expected a number of steps, or \"2 epochs\", \"5 minutes\", \"never\"", key,
            text);
    if (every == 0)
        *out = (fig__cadence){ FIG__NEVER, 0 };
    return FIG_OK;
}

bool fig__cadence_due(const fig__cadence *cadence, int64_t step, int64_t epoch_steps, double last, double now)
{
    switch (cadence->unit) {
    case FIG__STEPS:
        return step % (int64_t)cadence->every == 0;
    case FIG__EPOCHS:
        return epoch_steps > 0 && step % ((int64_t)cadence->every * epoch_steps) == 0;
    case FIG__SECONDS:
        return now - last >= cadence->every;
    case FIG__NEVER:
    case FIG__AUTO:
        break;
    }
    return false;
}

void fig__cadence_settle(fig__cadence *cadence, int parts, int64_t most, int64_t steps, int64_t epoch_steps,
                         bool whole_epochs)
{
    if (cadence->unit != FIG__AUTO)
        return;
    int64_t target = steps / parts;
    if (whole_epochs && epoch_steps > 0) {
        int64_t epochs = (target + epoch_steps / 2) / epoch_steps;
        *cadence = (fig__cadence){ FIG__EPOCHS, (double)(epochs > 0 ? epochs : 1) };
        return;
    }
    int64_t round = 1;
    for (int64_t power = 1; power <= target; power *= 10)
        for (int factor = 1; factor <= 5; factor += factor == 1 ? 1 : 3) /* 1 2 5 */
            if (power * factor <= target)
                round = power * factor;
    if (most > 0 && round > most)
        round = most;
    *cadence = (fig__cadence){ FIG__STEPS, (double)round };
}

fig_status fig__keep_parse(const char *text, fig__keep *out, fig_error *err)
{
    const char *at = text ? text : "";
    *out = (fig__keep){ .last = 1 };
    if (!strcmp(at, "all")) {
        out->last = 0;
        return FIG_OK;
    }
    long long last = 0;
    int used = 0;
    bool understood = *at != 0;
    if (sscanf(at, "last %lld%n", &last, &used) == 1 && used > 0) {
        understood = last >= 1 && last <= 1000000;
        out->last = last;
        at += used;
        at += strspn(at, " ");
    }
    if (!strcmp(at, "best"))
        out->best = true;
    else if (*at)
        understood = false;
    return understood
               ? FIG_OK
               : fig_fail(err, FIG_E_USAGE,
                          "keep: \"%.60s\" is not understood; expected all, \"last 3\", best, or \"last 2 best\"",
                          text ? text : "");
}

#define LEAST_MEMORY 1e6 /* bytes: below this the unit is a mistake */
#define MOST_MEMORY 1e15

fig_status fig__memory_parse(const char *key, const char *text, uint64_t *out, fig_error *err)
{
    static const struct { const char *name; double bytes; } units[] = {
        { "MB", 1e6 }, { "GB", 1e9 }, { "TB", 1e12 }, { "MiB", 1048576.0 }, { "GiB", 1073741824.0 },
    };
    *out = 0;
    if (!text || !*text || !strcmp(text, "none"))
        return FIG_OK;
    char number[40];
    size_t digits = strspn(text, "0123456789.");
    const char *unit = text + digits + strspn(text + digits, " ");
    double amount = 0, bytes = -1;
    if (digits && digits < sizeof number) {
        memcpy(number, text, digits);
        number[digits] = 0;
        for (size_t i = 0; i < sizeof units / sizeof *units; i++)
            if (!strcmp(unit, units[i].name) && fig__number_parse(number, &amount))
                bytes = amount * units[i].bytes;
    }
    if (!(bytes >= LEAST_MEMORY && bytes <= MOST_MEMORY))
        return fig_fail(err, FIG_E_USAGE,
                        "%s: \"%.60s\" is no amount of memory; expected 1MB to 1000TB, such as 600MB, 1.5GB or 512MiB, or none", key,
                        text);
    *out = (uint64_t)bytes;
    return FIG_OK;
}
