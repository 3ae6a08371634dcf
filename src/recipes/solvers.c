/* recipes/solvers.c - how samples are made from what a denoiser guesses
 *
 * Flows: the guess v is a velocity, and samples walk along it from noise at t = 0 to data at t = 1, h = 1 / steps:
 *
 *     euler   x += h v(x, t)
 *     heun    x += h/2 (v(x, t) + v(x + h v(x, t), t + h))        two looks a step, an error of second order */
#include "recipes/solvers.h"

void fig__solve_flow(const fig__denoiser *d, int kind, int steps)
{
    static const char *const names[] = { "euler", "heun" }, *const scalars[] = { "first", "time", "stride" };
    fig_graph *g = fig_model_graph(d->model);
    struct { float first, time, stride; } table[FIG__MOST_STEPS];
    for (int row = 0; row < steps; row++) {
        table[row].first = row == 0;
        table[row].time = (float)row / (float)steps;
        table[row].stride = 1.0f / (float)steps;
    }
    fig_type rows = FIG_SHAPE(d->sample.dim[0]);
    fig_node time = fig_scalar(g, "time", 0), stride = fig_scalar(g, "stride", 1);
    fig_node x = fig__carried(d, names[kind]);
    fig_node velocity = fig__denoise_guided(d, x, fig_broadcast(time, rows), d->asked);
    if (kind == FIG__HEUN) {
        fig_node ahead = fig_add(x, fig_mul(stride, velocity)), later = fig_broadcast(fig_add(time, stride), rows);
        velocity = fig_scale(fig_add(velocity, fig__denoise_guided(d, ahead, later, d->asked)), 0.5f);
    }
    fig__carry_on(d, fig_add(x, fig_mul(stride, velocity)),
                  &(fig_sampler_decl){ .name = names[kind], .steps = steps, .scalars = 3, .scalar_names = scalars, .table = &table[0].first });
}
