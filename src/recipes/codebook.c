/* recipes/codebook.c - nearest vectors, and how a codebook follows what its codes are taken for; see codebook.h
 *
 *     nearest        argmin |h - e|^2 = argmax 2 h e - |e|^2: one product of all places with all vectors
 *     each step      count <- decay count + (1 - decay) places taken,   sum <- decay sum + (1 - decay) their h
 *     a vector       e = sum / smoothed count,    smoothed = (count + eps) / (total + K eps) * total
 *
 * The smoothing (Laplace's) keeps a code that is never taken from dividing by nothing. Counts begin at next to nothing: the first places
 * outweigh where a code began, and the codes that get none starve at once. A code that starves is put where the encoder's output is,
 * with the average count: it competes again. */
#include "recipes/codebook.h"
#include <math.h>

#define SMOOTHING 1e-5f
#define FIRST_COUNT 1e-4f

typedef struct book {
    fig_node counts, sums; /* (K), (K, D) */
} book;

static book states(fig_model *model, const fig__codebook_options *o)
{
    fig_graph *g = fig_model_graph(model);
    fig_init first = { .kind = FIG_INIT_NORMAL, .a = FIRST_COUNT / sqrtf((float)o->width) }; /* vectors of length 1 */
    fig_scope_push(g, "codebook");
    book b = { fig_buffer(g, "counts", FIG_SHAPE(o->codes), (fig_init){ .kind = FIG_INIT_CONSTANT, .a = FIRST_COUNT }),
               fig_buffer(g, "sums", FIG_SHAPE(o->codes, o->width), first) };
    fig_scope_pop(g);
    return b;
}

fig_node fig__codebook(fig_model *model, const fig__codebook_options *o)
{
    book b = states(model, o);
    fig_node total = fig_sum(b.counts, NULL);
    fig_node share = fig_div(fig_shift(b.counts, SMOOTHING), fig_shift(total, (float)o->codes * SMOOTHING));
    return fig_div(b.sums, fig_expand(fig_mul(share, total), -1)); /* (K, D) */
}

fig_node fig__codebook_log_frequency(fig_model *model, const fig__codebook_options *o)
{
    fig_node counts = fig_shift(states(model, o).counts, SMOOTHING);
    return fig_log(fig_div(counts, fig_sum(counts, NULL)));
}

fig_node fig__codebook_nearest(fig_node vectors, fig_node h)
{
    fig_type places = fig_type_of(h);
    fig_node rows = fig_reshape(fig_stop_gradient(h), FIG_SHAPE(-1, fig_dim(h, -1)));                     /* (N, D) */
    fig_node product = fig_matmul(rows, fig_stop_gradient(vectors), &(fig_matmul_opts){ .transpose_b = true }); /* (N, K) */
    fig_node nearness = fig_sub(fig_scale(product, 2), fig_sum_rows(fig_square(fig_stop_gradient(vectors))));
    places.rank--;
    return fig_reshape(fig_argmax(nearness, 1), places);
}

fig_node fig__straight_through(fig_node h, fig_node q) { return fig_add(h, fig_stop_gradient(fig_sub(q, h))); }

/* One of the batch's places for each code, by lot: (K, D). Filled-up rows stand last and are left out. */
static fig_node some_places(fig_node h, fig_node real, int64_t codes)
{
    fig_node places = fig_mul(fig_uniform(h.graph, FIG_SHAPE(codes)), real); /* (K) */
    return fig_gather(h, fig_cast(fig_floor(places), FIG_I32));
}

fig_node fig__codebook_follow(fig_model *model, const fig__codebook_options *o, fig_node h, fig_node index)
{
    book b = states(model, o);
    float keep = (float)o->decay;
    fig_type each = fig_type_of(index);
    each.dtype = FIG_F32;
    fig_node weight = fig_model_weight(model); /* (B) */
    while (fig_rank(weight) < each.rank)
        weight = fig_expand(weight, -1);
    weight = fig_reshape(fig_broadcast(weight, each), FIG_SHAPE(-1)); /* (N) */
    h = fig_stop_gradient(fig_reshape(h, FIG_SHAPE(-1, o->width)));   /* (N, D) */
    index = fig_reshape(index, FIG_SHAPE(-1));
    fig_node taken = fig_scatter_add(FIG_SHAPE(o->codes), index, weight);                                           /* (K) */
    fig_node of = fig_scatter_add(FIG_SHAPE(o->codes, o->width), index, fig_mul(h, fig_expand(weight, -1)));        /* (K, D) */
    fig_node counts = fig_add(fig_scale(b.counts, keep), fig_scale(taken, 1 - keep));
    fig_node sums = fig_add(fig_scale(b.sums, keep), fig_scale(of, 1 - keep));
    fig_node real = fig_sum(weight, NULL);
    if (o->restart > 0) {
        fig_node average = fig_broadcast(fig_mean(counts, NULL), FIG_SHAPE(o->codes));
        fig_node starved = fig_less(counts, fig_scale(average, (float)o->restart)); /* (K) */
        sums = fig_select(fig_expand(starved, -1), fig_mul(some_places(h, real, o->codes), fig_expand(average, -1)), sums);
        counts = fig_select(starved, average, counts);
    }
    fig_assign(b.counts, counts);
    fig_assign(b.sums, sums);
    fig_node p = fig_div(taken, fig_max(real, fig_constant(h.graph, 1)));
    return fig_exp(fig_neg(fig_sum(fig_mul(p, fig_log(fig_shift(p, 1e-10f))), NULL)));
}
