/* train/clip.c - limits on gradients: by element, and by the norm over all weights of the phase (Pascanu et al. 2013)
 *
 * By norm: g * min(1, limit / norm), norm = sqrt(sum of squares over every gradient of the phase). */
#include "core/core.h"
#include "train/transform.h"
#include <stdlib.h>

static bool wants_value(const fig__phase_options *options) { return options->clip_value > 0; }

static void apply_value(fig__transforming *t)
{
    float limit = (float)t->options->clip_value;
    for (int i = 0; i < t->count; i++)
        t->gradient[i] = fig_clamp(t->gradient[i], -limit, limit);
}

static bool wants_norm(const fig__phase_options *options) { return options->clip > 0; }

static void apply_norm(fig__transforming *t)
{
    if (!t->count)
        return;
    fig_node *squares = fig__alloc(sizeof *squares * (size_t)t->count);
    for (int i = 0; i < t->count; i++)
        squares[i] = fig_reshape(fig_sum(fig_square(t->gradient[i]), NULL), FIG_SHAPE(1));
    t->norm = fig_sqrt(fig_sum(t->count > 1 ? fig_concat(squares, t->count, 0) : squares[0], NULL));
    free(squares);
    fig_node limit = fig_constant(t->graph, (float)t->options->clip);
    fig_node factor = fig_min(fig_constant(t->graph, 1), fig_div(limit, fig_shift(t->norm, 1e-6f)));
    for (int i = 0; i < t->count; i++)
        t->gradient[i] = fig_mul(t->gradient[i], factor);
}

const fig__transform fig__transform_clip_value = { .name = "clip_value", .wanted = wants_value, .apply = apply_value };
const fig__transform fig__transform_clip_norm = { .name = "clip_norm", .wanted = wants_norm, .apply = apply_norm };
