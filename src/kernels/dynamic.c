/* kernels/dynamic.c - slices and updates whose place is known only when the plan runs: straight copies
 *
 * The tensor is seen as (outer, n, inner); a unit of work is one inner run. An update that lies on its operand writes the part
 * alone: a key-value cache grows by one row without being copied. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "ops/shape.h"

#include <string.h>

static bool slice_accepts(const fig_kernel_query *q)
{
    return q->in[0].dtype == q->out[0].dtype && fig_elements(&q->out[0]) > 0;
}
static bool update_accepts(const fig_kernel_query *q) { return q->in[1].dtype == q->out[0].dtype && slice_accepts(q); }

typedef struct dynamic_work {
    fig__split x;
    int64_t length;
    size_t unit; /* bytes */
    const fig_tensor *start;
    const char *from, *part;
    char *to;
} dynamic_work;

static dynamic_work work_of(const fig_eval *c, int start)
{
    const fig_dynamic_attr *attr = c->attr;
    dynamic_work w = { .x = fig__split_at(&c->in[0].type, attr->axis),
                       .length = attr->length,
                       .start = &c->in[start],
                       .from = c->in[0].data,
                       .part = c->in[1].data,
                       .to = c->out[0].data };
    w.unit = (size_t)w.x.inner * fig__dtype_size(c->in[0].type.dtype);
    return w;
}

static int64_t start_of(const dynamic_work *w, int64_t outer)
{
    int64_t row = w->start->type.rank ? outer / (w->x.outer / w->start->type.dim[0]) : 0;
    int64_t at = ((const int32_t *)w->start->data)[row], most = w->x.n - w->length;
    return at < 0 ? 0 : at > most ? most : at;
}

static void slice_part(void *context, int part, int parts)
{
    const dynamic_work *w = context;
    int64_t begin, end;
    fig__share(w->x.outer * w->length, 1, part, parts, &begin, &end);
    while (begin < end) {
        int64_t outer = begin / w->length, skip = begin % w->length;
        int64_t units = w->length - skip < end - begin ? w->length - skip : end - begin;
        memcpy(w->to + (size_t)begin * w->unit,
               w->from + (size_t)(outer * w->x.n + start_of(w, outer) + skip) * w->unit, (size_t)units * w->unit);
        begin += units;
    }
}

static void keep_part(void *context, int part, int parts)
{
    const dynamic_work *w = context;
    int64_t begin, end;
    fig__share(w->x.outer * w->x.n, 1, part, parts, &begin, &end);
    memcpy(w->to + (size_t)begin * w->unit, w->from + (size_t)begin * w->unit, (size_t)(end - begin) * w->unit);
}

static void update_part(void *context, int part, int parts)
{
    const dynamic_work *w = context;
    int64_t begin, end;
    fig__share(w->x.outer, 1, part, parts, &begin, &end);
    for (int64_t outer = begin; outer < end; outer++)
        memcpy(w->to + (size_t)(outer * w->x.n + start_of(w, outer)) * w->unit,
               w->part + (size_t)(outer * w->length) * w->unit, (size_t)w->length * w->unit);
}

static void slice_run(fig_eval *c)
{
    dynamic_work w = work_of(c, 1);
    fig__parallel_in(c->run->team, fig__parts(fig_elements(&c->out[0].type) / 2, c->run->threads), slice_part, &w);
}

static void update_run(fig_eval *c)
{
    dynamic_work w = work_of(c, 2);
    if (w.to != w.from)
        fig__parallel_in(c->run->team, fig__parts(fig_elements(&c->out[0].type) / 2, c->run->threads), keep_part, &w);
    fig__parallel_in(c->run->team, fig__parts(fig_elements(&c->in[1].type) / 2, c->run->threads), update_part, &w);
}

const fig_kernel fig_kernel_dynamic_slice = {
    .name = "dynamic",
    .op = "dynamic_slice",
    .team = true,
    .bf16 = true,
    .accepts = slice_accepts,
    .run = slice_run,
};
const fig_kernel fig_kernel_dynamic_update = {
    .name = "dynamic",
    .op = "dynamic_update",
    .team = true,
    .bf16 = true,
    .accepts = update_accepts,
    .run = update_run,
    .inplace = 1,
};
