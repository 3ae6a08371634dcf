/* kernels/adam.c - Adam's update as one loop over memory
 *
 * The optimizer is ordinary graph-building code (train/adam.c), and what pointwise fusion makes of one weight is a program of
 * thirteen to twenty steps that the tile engine runs in seven passes over its tiles. Weight, both moments and gradient are
 * read once and three of them written once: 28 bytes an element and about a dozen operations, so one loop runs at the speed of
 * the memory. This kernel recognises the program by its expressions, in any order of steps and operands:
 *
 *     G  = g [* number]... [* constant] [+ constant * w]      clipping, accumulation, weight decay as L2
 *     M  = b1 * m + c1 * G
 *     V  = b2 * v + c2 * G^2
 *     W  = w [* number] - M * number / (sqrt(V) * number + eps)
 *     outputs W, M, V, each also as select(number, new, old)
 *
 * A program that computes anything else stays with the tile engine. Where products read the weight in bf16, that copy is written
 * along with it: two bytes an element instead of six for a cast of its own. */
#include "kernels/cast.h"
#include "kernels/fast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "ops/pointwise.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { MAX_FACTORS = 4, NONE = -1, GRAIN = 1024, BLOCK = 4096 };

/* Operands by number; outputs by number. */
typedef struct adam {
    int w, m, v, g, rate, root, shrink, keep, factor[MAX_FACTORS], factors;
    int out_w, out_m, out_v;
    int64_t count;
    int parts;
    fig__adam constant;
} adam;

typedef struct matcher {
    const fig_fused_program *p;
    const fig_type *in;
    uint64_t seen; /* steps that are accounted for */
} matcher;

/* The step that makes register r if it has this code: accounted for from now on. Else NULL. */
static const fig_fused_step *made(matcher *m, int r, int code)
{
    int at = r - m->p->n_in;
    if (at < 0 || m->p->step[at].code != code)
        return NULL;
    m->seen |= 1ull << at;
    return &m->p->step[at];
}

static bool is_number(const matcher *m, int r) { return r < m->p->n_in && fig_elements(&m->in[r]) == 1; }

static bool is_whole(const matcher *m, int r)
{
    return r < m->p->n_in && fig_elements(&m->in[r]) == fig_elements(&m->p->space);
}

/* array * number, in either order. */
static bool split_product(matcher *m, int r, int *array, int *number)
{
    const fig_fused_step *s = made(m, r, FIG__CODE_mul);
    if (!s || is_number(m, s->source[0]) == is_number(m, s->source[1]))
        return false;
    int k = is_number(m, s->source[0]) ? 0 : 1;
    *number = s->source[k];
    *array = s->source[1 - k];
    return true;
}

/* constant * a + constant * b. */
static bool split_average(matcher *m, int r, int from[2], float by[2])
{
    const fig_fused_step *sum = made(m, r, FIG__CODE_add);
    for (int k = 0; sum && k < 2; k++) {
        const fig_fused_step *s = made(m, sum->source[k], FIG__CODE_scale);
        if (!s)
            return false;
        from[k] = s->source[0];
        by[k] = s->p[0];
    }
    return sum != NULL;
}

static bool match_gradient(matcher *m, int r, adam *a)
{
    a->constant.scale = 1;
    a->constant.decay = 0;
    const fig_fused_step *sum = made(m, r, FIG__CODE_add);
    if (sum) {
        const fig_fused_step *second = made(m, sum->source[1], FIG__CODE_scale), *first = NULL;
        if (second && second->source[0] != a->w)
            second = NULL;
        if (!second)
            first = made(m, sum->source[0], FIG__CODE_scale);
        const fig_fused_step *decay = second ? second : first;
        if (!decay || decay->source[0] != a->w)
            return false;
        a->constant.decay = decay->p[0];
        r = sum->source[second ? 0 : 1];
    }
    while (!is_whole(m, r)) {
        const fig_fused_step *scaled = made(m, r, FIG__CODE_scale);
        if (scaled) {
            a->constant.scale *= scaled->p[0];
            r = scaled->source[0];
        } else if (a->factors == MAX_FACTORS || !split_product(m, r, &r, &a->factor[a->factors++])) {
            return false;
        }
    }
    a->g = r;
    return true;
}

/* V says which register is the gradient, and M must be made of the same. */
static bool match_moments(matcher *m, int mean, int square, adam *a)
{
    int from[2];
    float by[2];
    if (!split_average(m, square, from, by))
        return false;
    const fig_fused_step *power = made(m, from[1], FIG__CODE_square);
    int k = power ? 1 : 0;
    if (!power && !(power = made(m, from[0], FIG__CODE_square)))
        return false;
    int gradient = power->source[0];
    a->v = from[1 - k];
    a->constant.keep_square = by[1 - k];
    a->constant.add_square = by[k];
    if (!split_average(m, mean, from, by) || (from[0] == gradient) == (from[1] == gradient))
        return false;
    k = from[1] == gradient ? 1 : 0;
    a->m = from[1 - k];
    a->constant.keep_mean = by[1 - k];
    a->constant.add_mean = by[k];
    return is_whole(m, a->m) && is_whole(m, a->v) && match_gradient(m, gradient, a);
}

/* w [* number] - M * number / (sqrt(V) * number + eps); hands out the registers of M and V. */
static bool match_weight(matcher *m, int r, adam *a, int *mean, int *square)
{
    int root;
    const fig_fused_step *sub = made(m, r, FIG__CODE_sub);
    const fig_fused_step *quotient = sub ? made(m, sub->source[1], FIG__CODE_div) : NULL;
    if (!quotient || !split_product(m, quotient->source[0], mean, &a->rate))
        return false;
    const fig_fused_step *shift = made(m, quotient->source[1], FIG__CODE_shift);
    if (!shift || !split_product(m, shift->source[0], &root, &a->root))
        return false;
    const fig_fused_step *power = made(m, root, FIG__CODE_sqrt);
    if (!power)
        return false;
    *square = power->source[0];
    a->constant.eps = shift->p[0];
    a->w = sub->source[0];
    if (!is_whole(m, a->w) && !split_product(m, a->w, &a->w, &a->shrink))
        return false;
    return is_whole(m, a->w);
}

/* Looks through select(number, new, old): all three outputs or none have one, with the same number. */
static bool strip_selects(matcher *m, int made_by[3], int old[3], adam *a)
{
    for (int k = 0; k < 3; k++) {
        const fig_fused_step *s = made(m, m->p->outputs[k], FIG__CODE_select);
        int keep = s ? s->source[0] : NONE;
        if (m->p->reduce[k] || (k && keep != a->keep) || (s && !is_number(m, keep)))
            return false;
        a->keep = keep;
        made_by[k] = s ? s->source[1] : m->p->outputs[k];
        old[k] = s ? s->source[2] : NONE;
    }
    return true;
}

static bool match(const fig_kernel_query *q, adam *a)
{
    const fig_fused_program *p = ((const fig_fused_attr *)q->attr)->program;
    matcher m = { .p = p, .in = q->in };
    int inner[3], old[3], mean, square;
    *a = (adam){ .shrink = NONE, .keep = NONE, .count = fig_elements(&p->space) };
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype != FIG_F32)
            return false;
    if (p->n_out != 3 || a->count < 2 || !strip_selects(&m, inner, old, a))
        return false;
    a->out_w = a->out_m = a->out_v = NONE;
    for (int k = 0; k < 3; k++)
        if (inner[k] >= p->n_in && p->step[inner[k] - p->n_in].code == FIG__CODE_sub)
            a->out_w = k;
    if (a->out_w == NONE || !match_weight(&m, inner[a->out_w], a, &mean, &square) || !match_moments(&m, mean, square, a))
        return false;
    for (int k = 0; k < 3; k++) {
        if (inner[k] == mean)
            a->out_m = k;
        else if (inner[k] == square)
            a->out_v = k;
    }
    if (a->out_m == NONE || a->out_v == NONE || m.seen != (p->n_steps == 64 ? ~0ull : (1ull << p->n_steps) - 1))
        return false;
    return a->keep == NONE || (old[a->out_w] == a->w && old[a->out_m] == a->m && old[a->out_v] == a->v);
}

static bool adam_accepts(const fig_kernel_query *q)
{
    adam a;
    return match(q, &a);
}

static fig_status adam_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    adam *a = fig__alloc(sizeof *a);
    match(q, a);
    a->parts = fig__parts(a->count * 4, q->threads);
    *workspace = 0;
    *prepared = a;
    return FIG_OK;
}

static void adam_release(void *prepared) { free(prepared); }

typedef struct adam_work {
    const adam *a;
    const fig_eval *c;
    fig__adam number; /* with this step's numbers in it */
    bool keep;        /* the old values stay */
} adam_work;

/* All three are read before one is written: an output may lie where another one's operand does. */
static void keep_old(const adam_work *work, int64_t begin, int64_t end)
{
    const adam *a = work->a;
    const fig_eval *c = work->c;
    const float *w = FIG_F32_IN(c, a->w), *m = FIG_F32_IN(c, a->m), *v = FIG_F32_IN(c, a->v);
    float *w_out = FIG_F32_OUT(c, a->out_w), *m_out = FIG_F32_OUT(c, a->out_m), *v_out = FIG_F32_OUT(c, a->out_v);
    for (int64_t i = begin; i < end; i++) {
        float weight = w[i], mean = m[i], square = v[i];
        w_out[i] = weight;
        m_out[i] = mean;
        v_out[i] = square;
    }
}

static void adam_part(void *context, int part, int parts)
{
    const adam_work *work = context;
    const adam *a = work->a;
    const fig_eval *c = work->c;
    int64_t begin, end;
    fig__share(a->count, GRAIN, part, parts, &begin, &end);
    if (work->keep) {
        keep_old(work, begin, end);
        return;
    }
    const int made[3] = { a->out_w, a->out_m, a->out_v };
    for (int64_t i = begin, n; i < end; i += n) {
        n = c->copy && end - i > BLOCK ? BLOCK : end - i; /* copied while it is in the first cache */
        fig__fast_adam(&work->number, n, FIG_F32_IN(c, a->g) + i, FIG_F32_IN(c, a->w) + i, FIG_F32_IN(c, a->m) + i,
                       FIG_F32_IN(c, a->v) + i, FIG_F32_OUT(c, a->out_w) + i, FIG_F32_OUT(c, a->out_m) + i,
                       FIG_F32_OUT(c, a->out_v) + i);
        for (int k = 0; c->copy && k < 3; k++)
            if (c->copy[made[k]])
                fig__fast_f32_to_bf16(c->copy[made[k]] + i, FIG_F32_OUT(c, made[k]) + i, n);
    }
}

static void adam_run(fig_eval *c)
{
    const adam *a = c->prepared;
    adam_work work = { .a = a, .c = c, .number = a->constant };
    work.keep = a->keep != NONE && !(FIG_F32_IN(c, a->keep)[0] != 0);
    work.number.rate = FIG_F32_IN(c, a->rate)[0];
    work.number.root = FIG_F32_IN(c, a->root)[0];
    work.number.shrink = a->shrink == NONE ? 1 : FIG_F32_IN(c, a->shrink)[0];
    for (int i = 0; i < a->factors; i++)
        work.number.scale *= FIG_F32_IN(c, a->factor[i])[0];
    fig__parallel(a->parts, adam_part, &work);
}

const fig_kernel fig_kernel_adam = {
    .name = "adam", .op = "fused", .accepts = adam_accepts, .prepare = adam_prepare, .release = adam_release, .run = adam_run,
    .inplace = ~0u, .copies = true,
};
