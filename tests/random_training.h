/* tests/random_training.h - gradients (also of gradients), updates of states in every shape that an optimiser or a
 * swap has, phases that see weights which another phase has just replaced; and make_graph, which makes a whole
 * random graph
 *
 * Same number, same graph. */
#ifndef RANDOM_TRAINING_H
#define RANDOM_TRAINING_H

#include "random_graph.h"

/* -- derivatives, updates ------------------------------------------------------------------------------------------ */

static fig_node some_loss(maker *m)
{
    fig_node loss = fig_mean(fig_square(pick(m, 0, 5)), NULL);
    for (int i = 0; i < 2; i++)
        if (chance(m, 0.6))
            loss = fig_add(loss, chance(m, 0.5) ? fig_mean(pick(m, 0, 5), NULL)
                                                : fig_scale(fig_sum(fig_tanh(pick(m, 0, 5)), NULL), 0.1f));
    return loss;
}

static int some_wrt(maker *m, fig_node *wrt)
{
    int n = 0;
    for (int i = m->states - 1; i >= 0 && n < 4; i--)
        if (chance(m, 0.5))
            wrt[n++] = m->state[i].node;
    for (int i = m->inputs - 1; i >= 0 && n < 5; i--)
        if (!m->input[i].below && chance(m, 0.2))
            wrt[n++] = m->input[i].node;
    return n;
}

/* Brings any value to a type. */
static fig_node fit(maker *m, fig_node x, fig_type type)
{
    if (count_of(x) == fig__count(&type))
        return fig_reshape(x, type);
    return fig_broadcast(chance(m, 0.5) ? fig_mean(x, NULL) : fig_tanh(fig_sum(x, NULL)), type);
}

static fig_node new_state_like(maker *m, fig_node x)
{
    fig_node state = new_leaf(m, true, fig_type_of(x), 0);
    return fig__producer(state) == &fig_op_state ? state : FIG_NONE;
}

static fig_node adam(maker *m, fig_node w, fig_node g)
{
    fig_node first = new_state_like(m, w), second = new_state_like(m, w), lr = fig_scalar(m->graph, "lr", 0.01f);
    if (fig_is_none(first) || fig_is_none(second))
        return fig_sub(w, fig_mul(lr, g));
    fig_node m1 = fig_add(fig_scale(first, 0.9f), fig_scale(g, 0.1f)),
             v1 = fig_add(fig_scale(fig_abs(second), 0.99f), fig_scale(fig_square(g), 0.01f));
    fig_assign(first, m1);
    fig_assign(second, v1);
    return fig_sub(w, fig_mul(lr, fig_div(m1, fig_sqrt(fig_shift(v1, 0.5f)))));
}

static void make_gradients(maker *m)
{
    fig_node wrt[8], gradient[8], second[8], loss = some_loss(m);
    int n = some_wrt(m, wrt);
    if (!n)
        return;
    fig_gradients(loss, wrt, n, gradient);
    keep(m, loss);
    for (int i = 0; i < n; i++)
        keep(m, fig_scale(gradient[i], 0.5f));
    if (m->roots < MAX_ROOTS - 4)
        m->root[m->roots++] = gradient[between(m, 0, n - 1)];
    if (chance(m, 0.35)) {
        fig_node penalty = fig_constant(m->graph, 0);
        for (int i = 0; i < n; i++)
            penalty = fig_add(penalty, fig_mean(fig_square(gradient[i]), NULL));
        fig_gradients(penalty, wrt, n, second);
        for (int i = 0; i < n; i++)
            gradient[i] = fig_add(gradient[i], fig_scale(second[i], 0.1f));
    }
    for (int i = 0; i < n; i++)
        if (fig__producer(wrt[i]) == &fig_op_state && chance(m, 0.7)) {
            fig_node g = fig_tanh(gradient[i]);
            fig_node fresh = chance(m, 0.5) ? adam(m, wrt[i], g) : fig_sub(wrt[i], fig_scale(g, 0.1f));
            fig_assign(wrt[i], fresh);
            keep(m, fresh);
        }
}

/* A second phase: a loss once more, with some states' new values in place of the old. */
static void make_phase(maker *m)
{
    const fig_graph *g = m->graph;
    fig_node old[8], fresh[8], loss = some_loss(m), gradient[8];
    int n = 0;
    for (int i = 0; i < g->n_assigns && n < 8; i++)
        if (chance(m, 0.6)) {
            old[n] = (fig_node){m->graph, g->assigns[i].state};
            fresh[n++] = (fig_node){m->graph, g->assigns[i].value};
        }
    for (int i = 0; i < n; i++) /* one new value per state */
        for (int j = i + 1; j < n; j++)
            if (old[i].id == old[j].id)
                fresh[i] = fresh[j];
    if (!n)
        return;
    fig__arena *arena = fig__arena_new();
    fig_node *map = fig__substitute(m->graph, old, fresh, n, &loss, 1, arena);
    loss = map[loss.id];
    fig__arena_free(arena);
    fig_gradients(loss, fresh, n, gradient);
    keep(m, loss);
    for (int i = 0; i < n; i++) {
        keep(m, gradient[i]);
        if (chance(m, 0.5))
            fig_assign(old[i], fig_sub(fresh[i], fig_scale(fig_tanh(gradient[i]), 0.1f)));
    }
}

static void make_assignments(maker *m)
{
    for (int i = 0; i < m->states; i++) {
        fig_node state = m->state[i].node, other = m->state[between(m, 0, m->states - 1)].node;
        fig_type type = m->state[i].type;
        bool same = fig_same_shape(state, other);
        switch (between(m, 0, 15)) {
        case 0: fig_assign(state, state); break;
        case 1: /* swapped, or rotated */
            if (same) {
                fig_assign(state, other);
                if (chance(m, 0.7))
                    fig_assign(other, state);
            }
            break;
        case 2: fig_assign(state, fit(m, other, type)); break; /* a view of another, or made of it */
        case 3: case 4: fig_assign(state, fit(m, tame(m, pick(m, 0, 5)), type)); break;
        case 5: { /* one value for two */
            fig_node value = fig_add(fig_scale(state, 0.5f), fit(m, fig_tanh(pick(m, 0, 5)), type));
            fig_assign(state, value);
            if (same)
                fig_assign(other, chance(m, 0.5) ? value : fig_reshape(fig_expand(value, 0), type));
            break;
        }
        case 6: fig_assign(state, fig_full(m->graph, type, 0.25f)); break;
        case 7: /* seems to be computed and is not */
            if (same)
                fig_assign(state, fig_mul(fig_add(other, fig_zeros_like(other)), fig_ones_like(other)));
            break;
        case 8: { /* new, and the old read late */
            fig_node fresh = fig_scale(fig_shift(state, 0.1f), 0.9f);
            fig_assign(state, fresh);
            keep(m, fig_sub(fig_tanh(fresh), state));
            break;
        }
        case 9:
            fig_assign(state, fig_add(state, fit(m, fig_tanh(pick(m, 0, 5)), type))),
                fig_assign(state, fig_tanh(state));
            break;
        case 10: /* reads itself other than in place */
            if (type.rank)
                fig_assign(state, fig_reverse(state, (int)between(m, 0, type.rank - 1)));
            break;
        default: break;
        }
    }
}

static void choose_roots(maker *m)
{
    for (int i = (int)between(m, 1, 6); i > 0 && m->roots < MAX_ROOTS; i--) {
        fig_node x = chance(m, 0.15) && m->states ? m->state[between(m, 0, m->states - 1)].node
                                                  : m->pool[between(m, 0, m->n_pool - 1)];
        if (chance(m, 0.1))
            x = fig_reshape(x, (fig_type){.rank = 1, .dim = {-1}});
        m->root[m->roots++] = x;
    }
}

static const struct { void (*make)(maker *m); int weight; } maker_table[] = {
    { make_unary, 5 },         { make_binary, 8 },    { make_chain, 4 },          { make_select, 2 },
    { make_constant, 3 },      { make_reduction, 6 }, { make_shape, 5 },          { make_pieces, 3 },
    { make_index, 2 },         { make_product, 5 },   { make_square_product, 1 }, { make_convolution, 1 },
    { make_normalisation, 3 }, { make_noise, 2 },     { make_scan, 1 },           { make_gradients, 2 },
    { make_picture, 2 },       { make_attention, 1 },  { make_cache, 1 },         { make_loss, 2 },
};

static void add_something(maker *m)
{
    int total = 0, at = 0;
    for (size_t i = 0; i < sizeof maker_table / sizeof *maker_table; i++)
        total += maker_table[i].weight;
    int64_t left = between(m, 0, total - 1);
    while (left >= maker_table[at].weight)
        left -= maker_table[at++].weight;
    maker_table[at].make(m);
}

/* Free with fig_graph_free(m->graph). */
static void make_graph(maker *m, uint64_t number)
{
    memset(m, 0, sizeof *m);
    m->graph = fig_graph_new();
    m->rng.state = fig__hash64(&number, sizeof number, 77);
    m->most = chance(m, 0.9) ? 300 : 6000;
    for (int i = (int)between(m, 1, 3); i > 0; i--) {
        fig_type type = any_type(m, 0, 4);
        keep(m, new_leaf(m, chance(m, 0.6), type, 0));
        if (chance(m, 0.4))
            keep(m, new_leaf(m, true, type, 0)); /* states of one type, to swap */
    }
    for (int i = (int)between(m, 3, 24); i > 0; i--)
        add_something(m);
    if (chance(m, 0.6))
        make_gradients(m);
    make_assignments(m);
    if (m->graph->n_assigns && chance(m, 0.4))
        make_phase(m);
    choose_roots(m);
}

#endif
