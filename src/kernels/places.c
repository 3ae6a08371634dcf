/* kernels/places.c - ops whose result's places (rows of C numbers) each read one place of the operand: pad_reflect and
 * resize_nearest; and their gradients, which add up along the same map
 *
 * The map is separate per spatial axis, so a line of the result is made of *runs*: `count` places from one place on of the operand, either
 * following one another (step 1: one long copy) or all the same (step 0: a repeated place). The gradient walks the same runs, once
 * for every large line that reads a small line; parts own small lines, so no two of them add to one place. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/tiles.h"

#include <stdlib.h>
#include <string.h>

typedef struct run {
    int32_t large, small, count, step; /* places along the innermost spatial axis */
} run;

typedef struct places_state {
    bool gradient;
    int64_t batch, channels, width[2]; /* of the innermost axis: small, large */
    int64_t lines[2];                  /* of a batch row: small, large */
    int32_t *source;                   /* large line -> small line */
    int32_t *first, *reader;           /* small line -> its large lines: reader[first[i]] to reader[first[i + 1]] */
    run *runs;
    int n_runs;
} places_state;

static int32_t mirrored(int64_t i, int64_t amount, int64_t n)
{
    int64_t at = i < amount ? amount - i : i - amount;
    return (int32_t)(at < n ? at : 2 * (n - 1) - at);
}

/* Which place of an axis of n the place i of the axis of `large` reads. */
static int32_t source_of(const fig_kernel_query *q, int64_t i, int64_t n, int64_t large)
{
    if (strncmp(q->op->name, "pad_reflect", 11) == 0)
        return mirrored(i, ((const fig_reflect_attr *)q->attr)->amount, n);
    return (int32_t)(i * n / large);
}

static bool places_accepts(const fig_kernel_query *q)
{
    bool gradient = strstr(q->op->name, "_gradient") != NULL;
    return fig_elements(&q->out[0]) > 0 && fig_elements(&q->in[0]) < INT32_MAX &&
           fig_elements(&q->out[0]) < INT32_MAX && q->in[0].dtype == q->out[0].dtype &&
           (!gradient || q->in[0].dtype == FIG_F32);
}

static void find_runs(places_state *s, const fig_kernel_query *q)
{
    s->runs = fig__alloc(sizeof *s->runs * (size_t)s->width[1]);
    for (int32_t i = 0; i < s->width[1]; i++) {
        int32_t from = source_of(q, i, s->width[0], s->width[1]);
        run *last = s->n_runs ? &s->runs[s->n_runs - 1] : NULL;
        int32_t step = last ? from - (last->small + (last->count - 1) * last->step) : -1;
        if ((step == 0 || step == 1) && (last->count == 1 || step == last->step)) {
            last->step = step;
            last->count++;
            continue;
        }
        s->runs[s->n_runs++] = (run){ i, from, 1, 1 };
    }
}

/* Lines over all spatial axes but the innermost. */
static void map_lines(places_state *s, const fig_kernel_query *q, const fig_type *small, const fig_type *large)
{
    s->source = fig__alloc(sizeof(int32_t) * (size_t)s->lines[1]);
    s->first = fig__alloc(sizeof(int32_t) * (size_t)(s->lines[0] + 1));
    s->reader = fig__alloc(sizeof(int32_t) * (size_t)s->lines[1]);
    for (int64_t line = 0; line < s->lines[1]; line++) {
        int64_t rest = line, from = 0, step = 1;
        for (int axis = large->rank - 3; axis >= 1; axis--) {
            from += step * source_of(q, rest % large->dim[axis], small->dim[axis], large->dim[axis]);
            rest /= large->dim[axis];
            step *= small->dim[axis];
        }
        s->source[line] = (int32_t)from;
        s->first[from + 1]++;
    }
    for (int64_t i = 0; i < s->lines[0]; i++)
        s->first[i + 1] += s->first[i];
    int32_t *next = fig__alloc(sizeof(int32_t) * (size_t)(s->lines[0] + 1));
    memcpy(next, s->first, sizeof(int32_t) * (size_t)s->lines[0]);
    for (int64_t line = 0; line < s->lines[1]; line++)
        s->reader[next[s->source[line]]++] = (int32_t)line;
    free(next);
}

static fig_status places_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    places_state *s = fig__alloc(sizeof *s);
    s->gradient = strstr(q->op->name, "_gradient") != NULL;
    const fig_type *small = s->gradient ? &q->out[0] : &q->in[0], *large = s->gradient ? &q->in[0] : &q->out[0];
    const fig_type *types[2] = { small, large };
    int rank = small->rank;
    s->batch = small->dim[0];
    s->channels = small->dim[rank - 1];
    for (int i = 0; i < 2; i++) {
        s->width[i] = types[i]->dim[rank - 2];
        s->lines[i] = 1;
        for (int axis = 1; axis < rank - 2; axis++)
            s->lines[i] *= types[i]->dim[axis];
    }
    find_runs(s, q);
    map_lines(s, q, small, large);
    *prepared = s;
    *workspace = 0;
    return FIG_OK;
}

static void places_release(void *prepared)
{
    places_state *s = prepared;
    free(s->source);
    free(s->first);
    free(s->reader);
    free(s->runs);
    free(s);
}

/* Large lines [begin, end) from the small ones. */
static void spread_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const places_state *s = c->prepared;
    size_t place = (size_t)s->channels * fig__dtype_size(c->out[0].type.dtype);
    int64_t begin, end;
    fig__share(s->batch * s->lines[1], 1, part, parts, &begin, &end);
    for (int64_t line = begin; line < end; line++) {
        int64_t row = line / s->lines[1], from_line = row * s->lines[0] + s->source[line % s->lines[1]];
        char *to = (char *)c->out[0].data + (size_t)(line * s->width[1]) * place;
        const char *from = (const char *)c->in[0].data + (size_t)(from_line * s->width[0]) * place;
        for (const run *r = s->runs; r < s->runs + s->n_runs; r++)
            if (r->step)
                memcpy(to + (size_t)r->large * place, from + (size_t)r->small * place, (size_t)r->count * place);
            else
                for (int32_t i = 0; i < r->count; i++)
                    memcpy(to + (size_t)(r->large + i) * place, from + (size_t)r->small * place, place);
    }
}

/* Small lines [begin, end): sums over the large ones. */
static void gather_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const places_state *s = c->prepared;
    int64_t begin, end;
    fig__share(s->batch * s->lines[0], 1, part, parts, &begin, &end);
    for (int64_t line = begin; line < end; line++) {
        int64_t row = line / s->lines[0], own = line % s->lines[0];
        float *to = FIG_F32_OUT(c, 0) + line * s->width[0] * s->channels;
        memset(to, 0, sizeof(float) * (size_t)(s->width[0] * s->channels));
        for (int32_t k = s->first[own]; k < s->first[own + 1]; k++) {
            const float *from = FIG_F32_IN(c, 0) + (row * s->lines[1] + s->reader[k]) * s->width[1] * s->channels;
            for (const run *r = s->runs; r < s->runs + s->n_runs; r++)
                fig__fast_add_columns(to + r->small * s->channels, from + r->large * s->channels,
                                      r->step ? 1 : r->count, r->step ? r->count * s->channels : s->channels);
        }
    }
}

static void places_run(fig_eval *c)
{
    const places_state *s = c->prepared;
    int64_t work = s->batch * s->lines[1] * s->width[1] * s->channels;
    fig__parallel(fig__parts(work / 2, c->run->threads), s->gradient ? gather_part : spread_part, c);
}

const fig_kernel fig_kernel_pad_reflect = {
    .name = "places",
    .op = "pad_reflect",
    .bf16 = true,
    .accepts = places_accepts,
    .prepare = places_prepare,
    .release = places_release,
    .run = places_run,
};
const fig_kernel fig_kernel_pad_reflect_gradient = {
    .name = "places",
    .op = "pad_reflect_gradient",
    .bf16 = true,
    .accepts = places_accepts,
    .prepare = places_prepare,
    .release = places_release,
    .run = places_run,
};
const fig_kernel fig_kernel_resize_nearest = {
    .name = "places",
    .op = "resize_nearest",
    .bf16 = true,
    .accepts = places_accepts,
    .prepare = places_prepare,
    .release = places_release,
    .run = places_run,
};
const fig_kernel fig_kernel_resize_nearest_gradient = {
    .name = "places",
    .op = "resize_nearest_gradient",
    .bf16 = true,
    .accepts = places_accepts,
    .prepare = places_prepare,
    .release = places_release,
    .run = places_run,
};
