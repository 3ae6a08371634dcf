/* tests/random_graph.h - makes random graphs: what recipes build, and what nobody would
 *
 * A maker keeps a pool of values and adds to it with random builders (the table of random_training.h): chains with
 * broadcasting, shape changes, reductions, products, normalisations, noise, loops. Then come gradients (also of
 * gradients), updates of states in every shape an optimiser or a swap has, and phases that see weights another phase
 * has just replaced. Values stay moderate and real decisions (comparisons) are taken on exact values only, so that
 * rounding does not decide what comes out.
 *
 * Same number, same graph. */
#ifndef RANDOM_GRAPH_H
#define RANDOM_GRAPH_H

#include "graph/graph.h"
#include "test.h"

enum { MAX_POOL = 400, MAX_LEAVES = 48, MAX_ROOTS = 24 };

typedef struct maker_leaf {
    char name[16];
    fig_type type;
    int64_t below; /* i32: values 0 .. below-1 (and -1 for labels); else 0 */
    fig_node node;
} maker_leaf;

typedef struct maker {
    fig_graph *graph;
    fig__rng rng;
    fig_node pool[MAX_POOL];
    int n_pool;
    maker_leaf input[MAX_LEAVES], state[MAX_LEAVES];
    int inputs, states;
    fig_node root[MAX_ROOTS]; /* what a plan is asked for */
    int roots;
    int64_t most; /* elements of a value */
} maker;

static int64_t between(maker *m, int64_t low, int64_t high)
{
    return low + (int64_t)fig__rng_below(&m->rng, (uint64_t)(high - low + 1));
}

static bool chance(maker *m, double probability) { return fig__rng_uniform(&m->rng) < probability; }

static int64_t count_of(fig_node x)
{
    fig_type type = fig_type_of(x);
    return fig__count(&type);
}

/* -- leaves and the pool ------------------------------------------------------------------------------------------- */

static int64_t any_dim(maker *m)
{
    if (chance(m, 0.2))
        return 1;
    return chance(m, 0.9) ? between(m, 2, 7) : between(m, 8, 40);
}

static fig_type any_type(maker *m, int low_rank, int high_rank)
{
    fig_type type = {.rank = (int)between(m, low_rank, high_rank)};
    int64_t left = m->most;
    for (int i = type.rank - 1; i >= 0; i--) {
        int64_t size = any_dim(m);
        type.dim[i] = size <= left ? size : left;
        left /= type.dim[i];
    }
    return type;
}

static fig_node new_leaf(maker *m, bool state, fig_type type, int64_t below)
{
    maker_leaf *list = state ? m->state : m->input;
    int *count = state ? &m->states : &m->inputs;
    if (*count == MAX_LEAVES) /* one that exists, or any constant */
        return below ? fig_cast(fig_full(m->graph, type, 0), FIG_I32) : fig_full(m->graph, type, 0.5f);
    maker_leaf *leaf = &list[*count];
    snprintf(leaf->name, sizeof leaf->name, "%c%d", state ? 's' : 'x', (*count)++);
    type.dtype = below ? FIG_I32 : FIG_F32;
    leaf->type = type;
    leaf->below = below;
    leaf->node = state ? fig_state(m->graph, leaf->name, type) : fig_input(m->graph, leaf->name, type);
    return leaf->node;
}

static fig_node any_real_leaf(maker *m, fig_type type)
{
    double kind = fig__rng_uniform(&m->rng);
    if (kind < 0.35)
        return new_leaf(m, false, type, 0);
    if (kind < 0.8)
        return new_leaf(m, true, type, 0);
    const float numbers[] = {0, 1, -1, 0.5f, 2};
    type.dtype = FIG_F32;
    return fig_full(m->graph, type, numbers[between(m, 0, 4)]);
}

/* Numbers that no rounding has touched. */
static fig_node any_exact(maker *m, fig_type type)
{
    type.dtype = FIG_F32;
    return chance(m, 0.5) ? new_leaf(m, false, type, 0) : fig_uniform(m->graph, type);
}

/* From the pool, late ones rather; of at least this rank. */
static fig_node pick(maker *m, int low_rank, int high_rank)
{
    for (int tries = 0; tries < 12; tries++) {
        int late = m->n_pool > 8 && chance(m, 0.6) ? m->n_pool - 8 : 0;
        fig_node x = m->pool[between(m, late, m->n_pool - 1)];
        if (fig_rank(x) >= low_rank && fig_rank(x) <= high_rank)
            return x;
    }
    return any_real_leaf(m, any_type(m, low_rank, high_rank));
}

static void keep(maker *m, fig_node x)
{
    if (m->n_pool < MAX_POOL && fig_type_of(x).dtype == FIG_F32 && count_of(x) <= 2 * m->most)
        m->pool[m->n_pool++] = x;
}

/* Something that broadcasts with x. */
static fig_node partner(maker *m, fig_node x)
{
    fig_type type = fig_type_of(x), meet;
    for (int tries = 0; tries < 6; tries++) {
        fig_node other = m->pool[between(m, 0, m->n_pool - 1)];
        fig_type found = fig_type_of(other);
        if (fig__broadcast_types(&type, &found, &meet) == FIG_OK && fig__count(&meet) <= m->most)
            return other;
    }
    int drop = chance(m, 0.4) ? (int)between(m, 0, type.rank) : 0;
    fig_type smaller = {.rank = type.rank - drop};
    for (int i = 0; i < smaller.rank; i++)
        smaller.dim[i] = chance(m, 0.3) ? 1 : type.dim[i + drop];
    return any_real_leaf(m, smaller);
}

/* Keeps numbers moderate. */
static fig_node tame(maker *m, fig_node x)
{
    double kind = fig__rng_uniform(&m->rng);
    return kind < 0.4 ? fig_tanh(x) : kind < 0.6 ? fig_sigmoid(x) : fig_scale(x, 0.3f);
}

static fig_node at_least_one(fig_node x) { return fig_shift(fig_square(fig_tanh(x)), 1); }

/* -- element by element -------------------------------------------------------------------------------------------- */

static void make_unary(maker *m)
{
    fig_node x = pick(m, 0, 5);
    fig_node (*const plain[])(fig_node) = { fig_tanh,      fig_sigmoid, fig_sin,  fig_cos, fig_softplus, fig_gelu,
                                            fig_gelu_tanh, fig_silu,    fig_relu, fig_abs, fig_neg,      fig_erf };
    switch (between(m, 0, 11)) {
    case 0: keep(m, fig_scale(x, 0.7f)); break;
    case 1: keep(m, fig_shift(x, -0.4f)); break;
    case 2: keep(m, fig_clamp(x, -0.6f, 1.3f)); break;
    case 3: keep(m, fig_leaky_relu(x, 0.2f)); break;
    case 4: keep(m, fig_elu(x, 0.9f)); break;
    case 5: keep(m, fig_sqrt(at_least_one(x))); break;
    case 6: keep(m, fig_rsqrt(at_least_one(x))); break;
    case 7: keep(m, fig_log(at_least_one(x))); break;
    case 8: keep(m, fig_log1p(fig_square(fig_tanh(x)))); break;
    case 9: keep(m, fig_exp(fig_tanh(x))); break;
    case 10: keep(m, fig_expm1(fig_tanh(x))); break;
    default: keep(m, fig_reciprocal(at_least_one(x))); break;
    }
    keep(m, plain[between(m, 0, 11)](x));
}

static void make_binary(maker *m)
{
    fig_node a = pick(m, 0, 5), b = partner(m, a);
    if (chance(m, 0.5)) {
        fig_node swapped = a;
        a = b, b = swapped;
    }
    switch (between(m, 0, 6)) {
    case 0: case 1: keep(m, fig_add(a, b)); break;
    case 2: keep(m, fig_sub(a, b)); break;
    case 3: keep(m, fig_mul(fig_tanh(a), b)); break;
    case 4: keep(m, fig_div(a, at_least_one(b))); break;
    case 5: keep(m, chance(m, 0.5) ? fig_min(a, b) : fig_max(a, b)); break;
    default: keep(m, fig_pow(at_least_one(a), fig_tanh(b))); break;
    }
}

static void make_chain(maker *m)
{
    fig_node x = pick(m, 0, 5), first = x;
    for (int i = (int)between(m, 3, 14); i > 0; i--) {
        fig_node other = chance(m, 0.3) ? partner(m, x) : first;
        fig_type a = fig_type_of(x), b = fig_type_of(other), meet;
        if (fig__broadcast_types(&a, &b, &meet) != FIG_OK || fig__count(&meet) > m->most)
            other = x;
        x = chance(m, 0.4)   ? fig_tanh(x)
            : chance(m, 0.5) ? fig_add(fig_scale(x, 0.5f), other)
                             : fig_mul(x, fig_tanh(other));
        if (chance(m, 0.15))
            keep(m, x);
    }
    keep(m, tame(m, x));
}

static void make_select(maker *m)
{
    fig_node a = pick(m, 0, 4), b = partner(m, a);
    fig_type ta = fig_type_of(a), tb = fig_type_of(b), meet;
    if (fig__broadcast_types(&ta, &tb, &meet) != FIG_OK)
        return;
    fig_node condition = fig_less(any_exact(m, meet), any_exact(m, meet));
    keep(m, chance(m, 0.7) ? fig_select(condition, a, b) : fig_mul(condition, fig_add(a, b)));
}

static void make_constant(maker *m)
{
    fig_node x = pick(m, 0, 5);
    fig_type type = fig_type_of(x);
    switch (between(m, 0, 6)) {
    case 0: keep(m, fig_add(x, fig_zeros_like(x))); break;
    case 1: keep(m, fig_mul(fig_ones_like(x), x)); break;
    case 2: keep(m, fig_add(fig_broadcast(fig_constant(m->graph, 0.25f), type), x)); break;
    case 3: keep(m, fig_sub(x, fig_mul(fig_full(m->graph, type, 2), fig_full(m->graph, type, 0.125f)))); break;
    case 4: keep(m, fig_mul(x, fig_zeros_like(x))); break;
    case 5: keep(m, fig_div(fig_scale(x, 1), fig_constant(m->graph, 4))); break;
    default:
        if (type.rank)
            keep(m, fig_add(x, fig_scale(fig_iota(m->graph, type, (int)between(m, 0, type.rank - 1)), 0.01f)));
    }
}

/* -- reductions and shapes ----------------------------------------------------------------------------------------- */

static fig_reduce_opts any_axes(maker *m, int rank)
{
    if (rank == 0 || chance(m, 0.15))
        return (fig_reduce_opts){.axis = FIG_ALL_AXES, .keep = chance(m, 0.3)};
    return (fig_reduce_opts){.axes = (unsigned)between(m, 1, (1 << rank) - 1), .keep = chance(m, 0.5)};
}

static void make_reduction(maker *m)
{
    fig_node x = pick(m, 0, 5), y;
    fig_reduce_opts opts = any_axes(m, fig_rank(x));
    double kind = fig__rng_uniform(&m->rng);
    if (kind < 0.35)
        y = fig_sum(chance(m, 0.5) ? fig_scale(fig_tanh(x), 0.2f) : fig_scale(x, 0.05f), &opts);
    else if (kind < 0.85)
        y = fig_mean(chance(m, 0.5) ? fig_square(fig_tanh(x)) : x, &opts);
    else
        y = fig_reduce_max(x, &opts);
    keep(m, y);
    if (opts.keep && chance(m, 0.5))
        keep(m, fig_sub(x, y)); /* read again beside what it was made of */
}

static void make_shape(maker *m)
{
    fig_node x = pick(m, 0, 5);
    fig_type type = fig_type_of(x);
    int order[FIG_MAX_RANK];
    switch (between(m, 0, 7)) {
    case 0: keep(m, fig_reshape(x, (fig_type){.rank = 1, .dim = {-1}})); break;
    case 1: keep(m, fig_expand(x, (int)between(m, 0, type.rank))); break;
    case 2:
        for (int i = 0; i < type.rank; i++)
            if (type.dim[i] == 1) {
                keep(m, fig_squeeze(x, i));
                break;
            }
        break;
    case 3:
        if (type.rank >= 2) {
            int at = (int)between(m, 0, type.rank - 2);
            type.dim[at] *= type.dim[at + 1];
            for (int i = at + 1; i + 1 < type.rank; i++)
                type.dim[i] = type.dim[i + 1];
            type.rank--;
            keep(m, fig_reshape(x, type));
        }
        break;
    case 4: case 5:
        for (int i = 0; i < type.rank; i++)
            order[i] = i;
        for (int i = type.rank - 1; i > 0; i--) {
            int j = (int)between(m, 0, i), swapped = order[i];
            order[i] = order[j], order[j] = swapped;
        }
        if (type.rank)
            keep(m, fig_transpose(x, order));
        break;
    case 6:
        for (int i = 0; i < type.rank; i++)
            if (type.dim[i] == 1 && chance(m, 0.7))
                type.dim[i] = between(m, 1, 4);
        if (type.rank < 5 && chance(m, 0.5)) {
            for (int i = type.rank++; i > 0; i--)
                type.dim[i] = type.dim[i - 1];
            type.dim[0] = between(m, 1, 3);
        }
        if (fig__count(&type) <= m->most)
            keep(m, fig_broadcast(x, type));
        break;
    default:
        if (type.rank)
            keep(m, fig_cumsum(fig_scale(x, 0.1f), (int)between(m, 0, type.rank - 1), chance(m, 0.5), chance(m, 0.5)));
    }
}

static void make_pieces(maker *m)
{
    fig_node x = pick(m, 1, 5), parts[3];
    int axis = (int)between(m, 0, fig_rank(x) - 1), n = 0;
    int64_t size = fig_dim(x, axis), start = between(m, 0, size - 1);
    switch (between(m, 0, 4)) {
    case 0:
        for (n = 0; n < 3 && chance(m, 0.8); n++)
            parts[n] = n && chance(m, 0.5) ? fig_tanh(parts[n - 1]) : x;
        if (n)
            keep(m, fig_concat(parts, n, axis));
        break;
    case 1: keep(m, fig_slice(x, axis, start, between(m, 1, (size - start + 1) / 2), between(m, 1, 2))); break;
    case 2: keep(m, fig_pad(x, axis, between(m, 0, 2), between(m, 0, 2), 0.5f)); break;
    case 3: keep(m, fig_reverse(x, axis)); break;
    default:
        if (size > 1) {
            int64_t cut = between(m, 1, size - 1);
            parts[0] = fig_slice(x, axis, 0, cut, 1), parts[1] = fig_slice(x, axis, cut, size - cut, 1);
            keep(m, parts[chance(m, 0.5)]);
            keep(m, fig_concat((fig_node[]){fig_tanh(parts[1]), parts[0]}, 2, axis));
        }
    }
}

static void make_index(maker *m)
{
    fig_node x = pick(m, 1, 3);
    int64_t rows = fig_dim(x, 0), last = fig_dim(x, -1);
    fig_type lead = fig_type_of(x);
    lead.rank--;
    fig_node index;
    switch (between(m, 0, 3)) {
    case 0:
        index = new_leaf(m, false, any_type(m, 0, 2), rows);
        if (count_of(index) * (count_of(x) / rows) <= m->most && fig_rank(index) + fig_rank(x) <= 6)
            keep(m, fig_gather(x, index));
        break;
    case 1: keep(m, fig_pick(x, new_leaf(m, false, lead, last))); break;
    case 2: keep(m, fig_one_hot(new_leaf(m, false, lead, last), last)); break;
    default: keep(m, fig_cross_entropy(fig_scale(x, 1.5f), new_leaf(m, false, lead, last)));
    }
}

/* -- products, normalisations, noise ------------------------------------------------------------------------------- */

static fig_node activated(maker *m, fig_node x)
{
    fig_node (*const plain[])(fig_node) = {fig_relu, fig_tanh, fig_sigmoid, fig_gelu_tanh, fig_silu, fig_gelu, fig_neg};
    return chance(m, 0.2) ? fig_leaky_relu(x, 0.1f) : plain[between(m, 0, 6)](x);
}

static void make_product(maker *m)
{
    fig_node x = pick(m, 2, 4);
    int64_t k = fig_dim(x, -1), n = between(m, 1, 9);
    bool stored = chance(m, 0.6);
    fig_node w = any_real_leaf(m, stored ? FIG_SHAPE(n, k) : FIG_SHAPE(k, n));
    fig_node flat = chance(m, 0.5) ? fig_reshape(x, FIG_SHAPE(-1, k)) : x;
    fig_node y = fig_matmul(fig_scale(flat, 0.3f), w, &(fig_matmul_opts){.transpose_b = stored});
    if (chance(m, 0.2))
        keep(m, y);
    if (chance(m, 0.4)) {
        fig_type type = fig_type_of(x);
        type.dim[type.rank - 1] = n;
        y = fig_reshape(y, type);
    }
    if (chance(m, 0.7))
        y = chance(m, 0.8) ? fig_add(y, any_real_leaf(m, FIG_SHAPE(n))) : fig_add(any_real_leaf(m, FIG_SHAPE(n)), y);
    if (chance(m, 0.2))
        keep(m, y);
    keep(m, chance(m, 0.7) ? activated(m, y) : y);
}

static void make_square_product(maker *m)
{
    fig_node x = pick(m, 2, 4);
    fig_node y = fig_matmul(x, chance(m, 0.5) ? x : fig_tanh(x), &(fig_matmul_opts){.transpose_b = true});
    keep(m, chance(m, 0.3) ? fig_softmax(y) : tame(m, fig_scale(y, 0.1f)));
}

static void make_convolution(maker *m)
{
    int spatial = (int)between(m, 1, 2);
    int64_t channels = between(m, 1, 3), filters = between(m, 1, 4), size = between(m, 3, 6), kernel = between(m, 1, 3);
    fig_type type = spatial == 1 ? FIG_SHAPE(2, size, channels) : FIG_SHAPE(2, size, size, channels);
    fig_node x = pick(m, 0, 5);
    x = count_of(x) == fig__count(&type) ? fig_reshape(x, type)
                                         : fig_add(any_real_leaf(m, type), fig_mean(fig_tanh(x), NULL));
    fig_type weight =
        spatial == 1 ? FIG_SHAPE(filters, kernel, channels) : FIG_SHAPE(filters, kernel, kernel, channels);
    fig_conv_opts opts = {.stride = {(int)between(m, 1, 2)}, .before = {FIG_PAD_SAME}};
    fig_node y = fig_convolution(x, fig_scale(any_real_leaf(m, weight), 0.3f), &opts);
    if (chance(m, 0.6))
        y = fig_add(y, any_real_leaf(m, FIG_SHAPE(filters)));
    keep(m, chance(m, 0.6) ? activated(m, y) : y);
    if (chance(m, 0.3) && spatial == 2)
        keep(m, fig_average_pool(y, &(fig_pool_opts){.size = {2}, .stride = {1}, .before = {1}, .after = {1}}));
}

static void make_normalisation(maker *m)
{
    fig_node x = pick(m, 2, 4);
    int64_t c = fig_dim(x, -1);
    fig_node gamma = chance(m, 0.7) ? any_real_leaf(m, FIG_SHAPE(c)) : fig_full(m->graph, FIG_SHAPE(c), 1);
    fig_node beta = any_real_leaf(m, FIG_SHAPE(c)), mean, variance;
    switch (between(m, 0, 5)) {
    case 0: keep(m, fig_softmax(x)); break;
    case 1: keep(m, chance(m, 0.5) ? fig_log_softmax(x) : fig_logsumexp(x)); break;
    case 2: keep(m, fig_layer_normalise(x, gamma, beta, 0.1f)); break;
    case 3: keep(m, fig_rms_normalise(x, gamma, 0.1f)); break;
    case 4:
        keep(m, fig_rank(x) > 2 ? fig_group_normalise(x, 1, gamma, beta, 0.1f) : fig_softmax(fig_scale(x, 2)));
        break;
    default:
        keep(m, fig_batch_normalise(x, gamma, beta, 0.1f, &mean, &variance));
        for (int i = 0; i < 2; i++) { /* running statistics */
            fig_node running = new_leaf(m, true, FIG_SHAPE(c), 0), fresh = i ? variance : mean;
            if (fig__producer(running) == &fig_op_state)
                fig_assign(running, fig_add(fig_scale(running, 0.9f), fig_scale(fresh, 0.1f)));
        }
    }
}

static void make_noise(maker *m)
{
    fig_node x = pick(m, 0, 4);
    fig_type type = fig_type_of(x);
    switch (between(m, 0, 3)) {
    case 0: keep(m, fig_dropout(x, 0.3f)); break;
    case 1: keep(m, fig_add(x, fig_scale(fig_normal(m->graph, type), 0.3f))); break;
    case 2: keep(m, fig_mul(x, fig_uniform(m->graph, type))); break;
    default: keep(m, fig_mul(x, fig_bernoulli(fig_full(m->graph, type, 0.4f))));
    }
}

/* -- pictures, attention, caches, losses --------------------------------------------------------------------------- */

/* Any value as a small picture (2, h, w, c). */
static fig_node any_picture(maker *m, int64_t height, int64_t width, int64_t channels)
{
    fig_type type = FIG_SHAPE(2, height, width, channels);
    fig_node x = pick(m, 0, 5);
    if (count_of(x) == fig__count(&type))
        return fig_reshape(x, type);
    return fig_add(any_real_leaf(m, type), fig_mean(fig_tanh(x), NULL));
}

static void make_picture(maker *m)
{
    int64_t size = 2 * between(m, 1, 3), channels = between(m, 1, 3);
    fig_node x = any_picture(m, size, size, channels);
    switch (between(m, 0, 6)) {
    case 0: keep(m, fig_max_pool(x, &(fig_pool_opts){ .size = { 2 } })); break;
    case 1: keep(m, fig_average_pool(x, &(fig_pool_opts){ .size = { 2 } })); break;
    case 2: keep(m, fig_resize_nearest(x, size + 2, size * 2)); break;
    case 3: keep(m, fig_resize_bilinear(x, size + 1, size * 2)); break;
    case 4:
        keep(m, chance(m, 0.5) ? fig_space_to_depth(x, 2)
                               : fig_depth_to_space(fig_concat((fig_node[]){ x, x, x, x }, 4, 3), 2));
        break;
    case 5: keep(m, fig_instance_normalise(x, FIG_NONE, FIG_NONE, 0.1f)); break;
    default: {
        fig_node w = any_real_leaf(m, FIG_SHAPE(channels, 3, 3, between(m, 1, 3)));
        fig_node y = fig_convolution_transposed(x, fig_scale(w, 0.3f),
                                                &(fig_conv_opts){ .stride = { 2 }, .before = { FIG_PAD_SAME } });
        keep(m, chance(m, 0.5) ? fig_leaky_relu(fig_add(y, any_real_leaf(m, FIG_SHAPE(fig_dim(y, -1)))), 0.2f) : y);
    }
    }
}

static void make_attention(maker *m)
{
    int64_t heads = between(m, 1, 2), depth = between(m, 1, 4), steps = between(m, 1, 5);
    fig_node q[3];
    for (int i = 0; i < 3; i++)
        q[i] = fig_reshape(any_picture(m, steps, heads, depth), FIG_SHAPE(2, steps, heads, depth));
    bool causal = chance(m, 0.6);
    float dropout = chance(m, 0.3) ? 0.2f : 0;
    for (int i = 0; i < 3; i++)
        q[i] = causal ? q[i] : fig_expand(q[i], 2);
    keep(m, causal ? fig_attention(q[0], q[1], q[2], causal, dropout) : fig_attention_joint(fig_concat(q, 3, 2), causal, dropout));
}

/* A state that is written at a place of its own per row and read as a whole, as a cache of keys is. */
static void make_cache(maker *m)
{
    int64_t rows = between(m, 1, 3), places = between(m, 2, 5), width = between(m, 1, 4);
    fig_node cache = new_leaf(m, true, FIG_SHAPE(rows, places, width), 0);
    fig_node at = new_leaf(m, false, FIG_SHAPE(rows), places);
    fig_node row = fig_broadcast(fig_mean(fig_tanh(pick(m, 0, 4)), NULL), FIG_SHAPE(rows, 1, width));
    fig_node fresh =
        fig_dynamic_update(cache, chance(m, 0.5) ? row : any_real_leaf(m, FIG_SHAPE(rows, 1, width)), at, 1);
    if (fig__producer(cache) == &fig_op_state && chance(m, 0.8))
        fig_assign(cache, fresh);
    keep(m, chance(m, 0.6) ? fresh : fig_tanh(fresh));
    keep(m, fig_dynamic_slice(chance(m, 0.5) ? fresh : cache, at, 1, between(m, 1, places)));
}

static void make_loss(maker *m)
{
    fig_node x = pick(m, 1, 4);
    fig_type type = fig_type_of(x);
    switch (between(m, 0, 3)) {
    case 0: keep(m, fig_bce_logits(fig_scale(x, 1.1f), any_exact(m, type))); break;
    case 1: keep(m, fig_sum_rows(fig_scale(fig_square(fig_sub(x, any_real_leaf(m, type))), 0.1f))); break;
    case 2: {
        fig_node values, places;
        fig_top_k(fig_add(any_exact(m, type), any_exact(m, type)), between(m, 1, fig_dim(x, -1)), &values, &places);
        keep(m, fig_mul(values, fig_cast(places, FIG_F32)));
        break;
    }
    default: { /* weighted mean over the first axis */
        fig_node w = new_leaf(m, false, FIG_SHAPE(type.dim[0]), 0), rows = fig_sum_rows(fig_scale(x, 0.2f));
        keep(m, fig_div(fig_sum(fig_mul(rows, w), NULL), fig_shift(fig_sum(fig_square(w), NULL), 1)));
    }
    }
}

/* -- loops --------------------------------------------------------------------------------------------------------- */

static void step_plain(fig_scan_body *b)
{
    b->new_state[0] = fig_tanh(fig_add(fig_mul(b->state[0], b->fixed[0]), b->x[0]));
    b->y[0] = fig_square(b->new_state[0]);
}

static void step_swapping(fig_scan_body *b)
{
    b->new_state[0] = b->state[1];
    b->new_state[1] = fig_tanh(fig_add(b->state[0], fig_mul(b->x[0], b->fixed[0])));
    b->y[0] = b->state[0];
}

static void step_noisy(fig_scan_body *b)
{
    b->new_state[0] = fig_dropout(fig_sin(fig_add(b->state[0], b->fixed[0])), 0.2f);
    b->y[0] = fig_add(fig_mean(b->x[0], NULL), fig_scale(fig_uniform(b->graph, fig_type_of(b->x[0])), 0.1f));
}

static void make_scan(maker *m)
{
    fig_node x = pick(m, 1, 3), state[2], final[2], y, fixed;
    if (fig_dim(x, 0) > 6)
        return;
    fig_type slice = fig_type_of(x);
    slice.rank--;
    for (int i = 0; i < slice.rank; i++)
        slice.dim[i] = slice.dim[i + 1];
    state[0] = any_real_leaf(m, slice), state[1] = any_real_leaf(m, slice);
    fixed = any_real_leaf(m, slice);
    int kind = (int)between(m, 0, 2);
    void (*const step[])(fig_scan_body *) = {step_plain, step_swapping, step_noisy};
    fig_scan(m->graph, step[kind],
             &(fig_scan_opts){ .state = state,
                               .states = kind == 1 ? 2 : 1,
                               .x = &x,
                               .xs = 1,
                               .fixed = &fixed,
                               .fixeds = 1,
                               .ys = 1,
                               .reverse = chance(m, 0.3),
                               .recompute = chance(m, 0.3) },
             final, &y);
    keep(m, final[0]);
    keep(m, y);
}

#endif
