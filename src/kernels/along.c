/* kernels/along.c - cumsum and argmax: the axis seen as the middle of (outer, n, inner)
 *
 * Work is split into groups of columns, or of outer rows where there is one column; every chain of additions is one thread's,
 * in the reference's order and precision: results are equal to its bits. */
#include "kernels/along.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "ops/shape.h"

enum { CHAINS = 8 }; /* rows side by side where there is one column */

static bool along_accepts(const fig_kernel_query *q)
{
    return fig_elements(&q->in[0]) > 0 && (q->in[0].dtype == FIG_F32 || q->in[0].dtype == FIG_I32);
}

static int axis_of(const fig_eval *c, bool cumsum)
{
    return cumsum ? ((const fig_cumsum_attr *)c->attr)->axis : ((const fig_axis_attr *)c->attr)->axis;
}

/* Groups of FIG__ALONG columns of every outer row, or of CHAINS outer rows. */
typedef struct groups {
    fig__split x;
    int64_t per_outer, count;
} groups;

static groups groups_of(const fig_eval *c, bool cumsum)
{
    groups g = { .x = fig__split_at(&c->in[0].type, axis_of(c, cumsum)) };
    g.per_outer = (g.x.inner + FIG__ALONG - 1) / FIG__ALONG;
    g.count = g.x.inner == 1 ? (g.x.outer + CHAINS - 1) / CHAINS : g.x.outer * g.per_outer;
    return g;
}

/* Group `i`: its walk, and where it starts in the operand. */
static fig__along group(const groups *g, int64_t i, int64_t *first)
{
    if (g->x.inner == 1) {
        int64_t row = i * CHAINS, left = g->x.outer - row;
        *first = row * g->x.n;
        return (fig__along){ g->x.n, 1, left < CHAINS ? left : CHAINS, g->x.n };
    }
    int64_t column = i % g->per_outer * FIG__ALONG, left = g->x.inner - column;
    *first = i / g->per_outer * g->x.n * g->x.inner + column;
    return (fig__along){ g->x.n, g->x.inner, left < FIG__ALONG ? left : FIG__ALONG, 1 };
}

static void cumsum_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const fig_cumsum_attr *attr = c->attr;
    groups g = groups_of(c, true);
    int64_t begin, end, first;
    fig__share(g.count, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        fig__along a = group(&g, i, &first);
        if (attr->reverse) {
            first += (a.n - 1) * a.step;
            a.step = -a.step;
        }
        if (c->in[0].type.dtype == FIG_F32)
            fig__fast_cumsum(&a, attr->exclusive, FIG_F32_IN(c, 0) + first, FIG_F32_OUT(c, 0) + first);
        else
            fig__fast_cumsum_i32(&a, attr->exclusive, FIG_I32_IN(c, 0) + first, FIG_I32_OUT(c, 0) + first);
    }
}

static void argmax_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    groups g = groups_of(c, false);
    bool real = c->in[0].type.dtype == FIG_F32;
    int64_t begin, end, first;
    fig__share(g.count, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        fig__along a = group(&g, i, &first);
        int32_t *place = FIG_I32_OUT(c, 0) +
                         (g.x.inner == 1 ? i * CHAINS : first / (g.x.n * g.x.inner) * g.x.inner + first % g.x.inner);
        if (!real)
            fig__fast_argmax_i32(&a, FIG_I32_IN(c, 0) + first, place);
        else if (g.x.inner > 1)
            fig__fast_argmax(&a, FIG_F32_IN(c, 0) + first, place);
        else
            for (int64_t row = 0; row < a.columns; row++)
                place[row] = fig__fast_argmax_row(FIG_F32_IN(c, 0) + first + row * a.apart, a.n);
    }
}

static void cumsum_run(fig_eval *c)
{
    fig__parallel(fig__parts(2 * fig_elements(&c->in[0].type), c->run->threads), cumsum_part, c);
}
static void argmax_run(fig_eval *c)
{
    fig__parallel(fig__parts(fig_elements(&c->in[0].type), c->run->threads), argmax_part, c);
}

const fig_kernel fig_kernel_cumsum = { .name = "along", .op = "cumsum", .accepts = along_accepts, .run = cumsum_run };
const fig_kernel fig_kernel_argmax = { .name = "along", .op = "argmax", .accepts = along_accepts, .run = argmax_run };
