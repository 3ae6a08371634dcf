/* recipes/solvers.c - how samples are made from what a denoiser guesses
 *
 * Flows: the guess v is a velocity, and samples walk along it from noise at t = 0 to data at t = 1, h = 1 / (number of steps):
 *
 *     euler   x += h v(x, t)
 *     heun    x += h/2 (v(x, t) + v(x + h v(x, t), t + h))        two looks a step, an error of second order
 *
 * Diffusion: the guess is made one of the example, and every sampler is a table of coefficients (recipes/noise_schedule.c). */
#include "recipes/solvers.h"

void fig__solve_flow(const fig__denoiser *d, int kind, int count)
{
    static const char *const names[] = { "euler", "heun" }, *const scalars[] = { "first", "time", "stride" };
    struct { float first, time, stride; } table[FIG__MOST_STEPS];
    for (int row = 0; row < count; row++) {
        table[row].first = row == 0;
        table[row].time = (float)row / (float)count;
        table[row].stride = 1.0f / (float)count;
    }
    fig_graph *g = fig_model_graph(d->model);
    fig_type rows = FIG_SHAPE(d->sample.dim[0]);
    fig_node time = fig_scalar(g, "time", 0), stride = fig_scalar(g, "stride", 1);
    fig_node x = fig__carried(d, names[kind]);
    fig_node velocity = fig__denoise_guided(d, x, fig_broadcast(time, rows), d->asked);
    if (kind == FIG__HEUN) {
        fig_node ahead = fig_add(x, fig_mul(stride, velocity)), later = fig_broadcast(fig_add(time, stride), rows);
        velocity = fig_scale(fig_add(velocity, fig__denoise_guided(d, ahead, later, d->asked)), 0.5f);
    }
    fig__carry_on(d, fig_add(x, fig_mul(stride, velocity)),
                  &(fig_sampler_decl){ .name = names[kind], .steps = count, .scalars = 3, .scalar_names = scalars,
                                       .table = &table[0].first });
}

/* -- diffusion -------------------------------------------------------------------------------------------------------- */

fig_node fig__implied_sample(int predict, fig_node guess, fig_node x, fig_node signal, fig_node noise)
{
    if (predict == FIG__PREDICT_SAMPLE)
        return guess;
    if (predict == FIG__PREDICT_VELOCITY)
        return fig_sub(fig_mul(signal, x), fig_mul(noise, guess));
    return fig_div(fig_sub(x, fig_mul(noise, guess)), signal);
}

/* The guess of the step before, kept in a state: times `earlier`. */
static fig_node recalled(const fig__denoiser *d, fig_node guess, fig_node earlier, const char *sampler)
{
    fig_scope_push(guess.graph, sampler);
    fig_node before = fig_model_state(d->model, &(fig_state_decl){ .name = "guess", .type = d->sample, .reset = FIG_RESET_SEQUENCE });
    fig_scope_pop(guess.graph);
    fig_assign(before, guess);
    return fig_mul(earlier, before);
}

enum { SCALARS = 8 };

static void fill_table(const fig__denoise_step *steps, int count, float (*table)[SCALARS])
{
    for (int row = 0; row < count; row++) {
        const fig__denoise_step *s = &steps[row];
        const double values[SCALARS] = { row == 0, s->time, s->signal, s->noise, s->keep, s->clean, s->earlier, s->fresh };
        for (int i = 0; i < SCALARS; i++)
            table[row][i] = (float)values[i];
    }
}

void fig__solve_diffusion(const fig__denoiser *d, const fig__diffusion *how, int kind, int count)
{
    static const char *const names[] = { "ddim", "ancestral", "dpm++" };
    static const char *const scalars[SCALARS] = { "first", "time", "signal", "noise", "keep", "clean", "earlier", "fresh" };
    fig__denoise_step steps[FIG__MOST_STEPS];
    float table[FIG__MOST_STEPS][SCALARS];
    fig__denoise_steps(how->schedule, kind, how->eta, count, steps);
    fill_table(steps, count, table);
    fig_graph *g = fig_model_graph(d->model);
    fig_node at[SCALARS];
    for (int i = 0; i < SCALARS; i++)
        at[i] = fig_scalar(g, scalars[i], 0);
    fig_node x = fig__carried(d, names[kind]);
    fig_node guess = fig__denoise_guided(d, x, fig_broadcast(at[1], FIG_SHAPE(d->sample.dim[0])), d->asked);
    guess = fig__implied_sample(how->predict, guess, x, at[2], at[3]);
    if (how->clip && d->sample.rank == 4)
        guess = fig_clamp(guess, d->low, d->high);
    fig_node next = fig_add(fig_mul(at[4], x), fig_mul(at[5], guess));
    if (kind == FIG__DPM)
        next = fig_add(next, recalled(d, guess, at[6], names[kind]));
    if (kind == FIG__ANCESTRAL || (kind == FIG__DDIM && how->eta > 0))
        next = fig_add(next, fig_mul(at[7], fig_normal(g, d->sample)));
    fig__carry_on(d, next, &(fig_sampler_decl){ .name = names[kind], .steps = count, .scalars = SCALARS, .scalar_names = scalars,
                                                .table = table[0] });
}
