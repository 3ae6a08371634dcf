/* recipes/settings.c - words and small readers that several recipes' options share */
#include "recipes/settings.h"
#include <errno.h>
#include <stdlib.h>
#include <string.h>

void fig__set_init(fig_model *model, int choice)
{
    static const fig_init_kind weights[] = { FIG_INIT_GLOROT_UNIFORM, FIG_INIT_UNIFORM_FAN_IN,   FIG_INIT_HE_NORMAL,
                                             FIG_INIT_NORMAL,         FIG_INIT_TRUNCATED_NORMAL, FIG_INIT_ORTHOGONAL };
    fig_init bias = { .kind = choice == FIG__INIT_FAN_IN ? FIG_INIT_UNIFORM_FAN_IN : FIG_INIT_ZEROS };
    fig_model_default_init(model, (fig_init){ .kind = weights[choice] }, bias);
}

const char *const fig__pixel_protocols[] = { "grey-bernoulli", "dynamic-binary", "threshold-binary" };

fig_node fig__activate(fig_node x, int choice, double slope)
{
    switch (choice) {
    case 0:
        return fig_relu(x);
    case 1:
        return fig_leaky_relu(x, (float)slope);
    case 2:
        return fig_tanh(x);
    case 3:
        return fig_silu(x);
    default:
        return fig_gelu(x);
    }
}

fig_status fig__read_widths(const char *option, const char *text, fig__widths *out, fig_error *err)
{
    *out = (fig__widths){ 0 };
    if (!text || !*text || !strcmp(text, "0") || !strcmp(text, "none"))
        return FIG_OK;
    for (const char *at = text;; at++) {
        char *end;
        errno = 0;
        long long width = strtoll(at, &end, 10);
        if (end == at || errno || width < 1 || width > 65536 || (*end && *end != ','))
            return fig_fail(
                err, FIG_E_USAGE,
                "%s: \"%.80s\" is no list of widths; expected numbers from 1 to 65536, such as 400 or 128,128", option,
                text);
        if (out->count == FIG__MOST_LAYERS)
            return fig_fail(err, FIG_E_USAGE, "%s: more than %d layers", option, FIG__MOST_LAYERS);
        out->width[out->count++] = width;
        at = end;
        if (!*end)
            return FIG_OK;
    }
}

void fig__ask_pictures(const fig_data_info *found, int64_t size, int64_t channels, fig_data_request *request)
{
    int shorter = found->height < found->width ? found->height : found->width;
    bool as_is =
        !found->mixed_sizes && found->height == found->width && shorter <= 64 && shorter % 4 == 0 && shorter >= 8;
    if (size > 0)
        request->height = request->width = (int)size;
    else if (!as_is)
        request->height = request->width = shorter >= 64 ? 64 : 32;
    else
        request->height = request->width = shorter;
    request->channels = channels > 0 ? (int)channels : found->channels == 1 ? 1 : 3;
}

fig_node fig__mean_over_rows(fig_model *model, fig_node value)
{
    fig_node weight = fig_model_weight(model); /* (B) */
    fig_node total = fig_max(fig_sum(weight, NULL), fig_constant(fig_model_graph(model), 1));
    while (fig_rank(weight) < fig_rank(value))
        weight = fig_expand(weight, -1);
    return fig_div(fig_sum(fig_mul(value, weight), &(fig_reduce_opts){ .axis = 0 }), total);
}
