/* kernels/windows.c - convolutions by windows: sizes, workspace, bias and activation, sums of groups (windows.h) */
#include "kernels/windows.h"
#include "kernels/fast.h"
#include "kernels/panel.h"
#include "kernels/parallel.h"

void fig__windows_begin(fig__windows *s, int threads)
{
    const fig__conv *v = &s->v;
    s->from = s->data ? v->outputs : v->channels;
    s->to = s->data ? v->channels : v->outputs;
    for (int i = 0; i < 2; i++) {
        s->source[i] = s->data ? v->out[i + 1] : v->in[i + 1];
        s->result[i] = s->data ? v->in[i + 1] : v->out[i + 1];
    }
    s->windows = v->batch * s->grid[0] * s->grid[1];
    s->panels = ((v->kind == FIG__CONV_WEIGHT ? s->from : s->to) + FIG__PANEL - 1) / FIG__PANEL;
    s->wide = s->panels * FIG__PANEL;
    s->parts = (int)fig__least(fig__parts((int64_t)(fig__conv_flops(v) / 32), threads), s->windows);
}

size_t fig__windows_end(fig__windows *s, int planes)
{
    s->windows_bytes = fig__window_bytes(planes * s->windows_plane);
    s->results_bytes = fig__window_bytes(planes * s->results_plane);
    s->zeros = fig__window_bytes(fig__most(s->from, s->to) + FIG__PANEL);
    s->part = s->windows_bytes + s->results_bytes + s->zeros;
    return s->weights + s->part * (size_t)s->parts;
}

fig__windows_work fig__windows_work_of(fig_eval *c)
{
    const fig__windows *s = c->prepared;
    return (fig__windows_work){ .s = s,
                                .x = FIG_F32_IN(c, 0),
                                .w = FIG_F32_IN(c, 1),
                                .bias = s->v.kind == FIG__CONV_FORWARD && s->v.after_sum.bias ? FIG_F32_IN(c, 2) : NULL,
                                .y = FIG_F32_OUT(c, 0),
                                .workspace = c->workspace };
}

float *fig__windows_at(const fig__windows_work *w, int part)
{
    return (float *)(void *)(w->workspace + w->s->weights + w->s->part * (size_t)part);
}

float *fig__results_at(const fig__windows_work *w, int part)
{
    return (float *)(void *)((char *)fig__windows_at(w, part) + w->s->windows_bytes);
}

float *fig__zeros_at(const fig__windows_work *w, int part)
{
    return (float *)(void *)((char *)fig__results_at(w, part) + w->s->results_bytes);
}

float *fig__other_at(const fig__windows_work *w, int part)
{
    return fig__zeros_at(w, part) + w->s->zeros / sizeof(float) - FIG__PANEL;
}

float *fig__sums_at(const fig__windows_work *w, int group, int64_t plane)
{
    const fig__windows *s = w->s;
    return (float *)(void *)(w->workspace + s->weights / (size_t)s->groups * (size_t)group) + plane * s->weights_plane;
}

void fig__sums_join(const fig__windows_work *w, int planes, int64_t at, int64_t count)
{
    for (int group = 1; group < w->s->groups; group++)
        for (int plane = 0; plane < planes; plane++) {
            float *sums = fig__sums_at(w, 0, plane) + at;
            const float *other = fig__sums_at(w, group, plane) + at;
            for (int64_t i = 0; i < count; i++)
                sums[i] += other[i];
        }
}

void fig__windows_finish(const fig__windows_work *w, int64_t begin, int64_t end)
{
    const fig__windows *s = w->s;
    if (!w->bias && s->v.after_sum.activation == FIG_LINEAR)
        return;
    for (int64_t i = begin; i < end;) {
        fig__window at = fig__window_at(s->grid, i);
        int64_t run = fig__least(end - i, s->grid[1] - at.x), width = fig__least(2 * run, s->result[1] - 2 * at.x);
        for (int64_t y = 2 * at.y; y < fig__least(2 * at.y + 2, s->result[0]); y++)
            fig__fast_epilogue(w->y + ((at.image * s->result[0] + y) * s->result[1] + 2 * at.x) * s->to, width, s->to, w->bias,
                               &s->v.after_sum);
        i += run;
    }
}
