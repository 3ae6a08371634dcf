/* exec/layout.c - where every value of a plan lives
 *
 * Steps are the graph's nodes in order. A value's storage is its own, its operand's (views, and kernels that may
 * write over an operand whose last use this is), the store's (states, and values assigned to a state whose old
 * content nobody reads any more), or fixed memory (inputs, scalars, constants, which stay put between runs). The
 * rest is packed by lifetime. */
#include "exec/exec.h"
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

typedef struct use { int first, last; } use; /* step that makes a storage, and the last that reads it */

typedef struct work {
    const fig__layout_request *r;
    const fig_graph *g;
    fig__layout *out;
    use *use;      /* of roots */
    bool *pinned;  /* readable after the run */
} work;

static void find_roots(work *w)
{
    const fig_graph *g = w->g;
    for (int32_t v = 0; v < g->n_values; v++) {
        w->out->root[v] = v;
        if (v == 0)
            continue;
        const fig__node *node = fig__node_of(g, v);
        if ((node->op->flags & FIG_OP_VIEW) && node->first_out == v)
            w->out->root[v] = w->out->root[node->in[0]];
    }
}

static void find_uses(work *w)
{
    const fig_graph *g = w->g;
    for (int32_t v = 1; v < g->n_values; v++)
        w->use[v] = (use){g->values[v].node, g->values[v].node};
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; i < g->nodes[n].n_in; i++)
            w->use[w->out->root[g->nodes[n].in[i]]].last = n;
    for (int i = 0; i < w->r->n_outputs; i++) {
        int32_t root = w->out->root[w->r->outputs[i]];
        w->use[root].last = g->n_nodes;
        w->pinned[root] = true;
    }
}

static void place_leaves(work *w)
{
    const fig_graph *g = w->g;
    for (int32_t v = 1; v < g->n_values; v++) {
        const fig__node *node = fig__node_of(g, v);
        if (node->op == &fig_op_state) {
            w->out->place[v] = FIG_IN_STORE;
            w->out->offset[v] = w->r->entry[v];
        } else if (node->op == &fig_op_input && w->r->outside &&
                   fig__starts_with(((const fig_leaf_attr *)node->attr)->name, w->r->outside)) {
            w->out->place[v] = FIG_OUTSIDE;
        } else if ((node->op->flags & (FIG_OP_LEAF | FIG_OP_CONSTANT)) ||
                   (w->r->once[g->values[v].node] && w->out->root[v] == v)) {
            w->out->place[v] = FIG_IN_FIXED;
            w->out->offset[v] = (int64_t)w->out->fixed_bytes;
            w->out->fixed_bytes += (fig__bytes(&g->values[v].type) + 63) / 64 * 64;
        }
    }
}

/* An op that works in place may write each result that goes element by element over an operand; others only the
 * first. */
static bool may_share(const fig__node *node, int32_t v)
{
    if (node->op == &fig_op_fused)
        return !((const fig_fused_attr *)node->attr)->program->reduce[v - node->first_out];
    return v == node->first_out;
}

/* True when step n, which makes value v, may write it over storage `root` that it may itself read. */
static bool may_overwrite(const work *w, int32_t n, int32_t v, int32_t root)
{
    const fig__node *node = &w->g->nodes[n];
    if (!may_share(node, v))
        for (int i = 0; i < node->n_in; i++)
            if (w->out->root[node->in[i]] == root)
                return false;
    for (int i = 0; i < node->n_in; i++) {
        if (w->out->root[node->in[i]] != root)
            continue;
        bool allowed = i < 32 && ((w->r->inplace[n] >> i) & 1);
        if (!allowed || !fig__types_equal(&w->g->values[node->in[i]].type, &w->g->values[v].type))
            return false;
    }
    return true;
}

/* Values assigned to a state are computed in the state's own storage where no later step wants its old content. */
static void place_assigned(work *w)
{
    const fig_graph *g = w->g;
    for (int i = 0; i < g->n_assigns; i++) {
        int32_t state = g->assigns[i].state, value = w->out->root[g->assigns[i].value];
        int32_t n = g->values[value].node;
        bool same_size = fig__bytes(&g->values[value].type) == fig__bytes(&g->values[state].type);
        bool last_reader = w->use[state].last <= n && !w->pinned[state];
        w->out->in_state[i] =
            same_size && w->out->place[value] == FIG_IN_BLOCK && last_reader && may_overwrite(w, n, value, state);
        if (w->out->in_state[i]) {
            w->out->place[value] = FIG_IN_STORE;
            w->out->offset[value] = w->r->entry[state];
        } else {
            w->use[value].last = g->n_nodes;
            w->pinned[value] = true;
        }
    }
}

/* Output 0 takes over the storage of an operand that dies here. group[v]: the root whose memory v uses. */
static void share_operands(work *w, int32_t *group)
{
    const fig_graph *g = w->g;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        if (!w->r->inplace[n] || w->out->place[node->first_out] != FIG_IN_BLOCK ||
            w->out->root[node->first_out] != node->first_out)
            continue;
        for (int i = 0; i < node->n_in && i < 32; i++) {
            int32_t root = w->out->root[node->in[i]];
            if (w->out->place[root] != FIG_IN_BLOCK || w->use[root].last != n || w->pinned[root])
                continue;
            if (fig__bytes(&g->values[root].type) != fig__bytes(&g->values[node->first_out].type) ||
                !may_overwrite(w, n, node->first_out, root))
                continue;
            group[node->first_out] = group[root];
            break;
        }
    }
}

static void pack(work *w, const int32_t *group)
{
    const fig_graph *g = w->g;
    fig__lifetime *life = fig__alloc(sizeof *life * (size_t)(g->n_values + g->n_nodes));
    int *slot = fig__alloc(sizeof *slot * (size_t)g->n_values), count = 0;
    for (int32_t v = 1; v < g->n_values; v++) {
        slot[v] = -1;
        if (w->out->root[v] != v || w->out->place[v] != FIG_IN_BLOCK)
            continue;
        if (group[v] != v) {
            slot[v] = slot[group[v]];
            if (w->use[v].last > life[slot[v]].last)
                life[slot[v]].last = w->use[v].last;
            continue;
        }
        slot[v] = count;
        life[count++] = (fig__lifetime){ .bytes = fig__bytes(&g->values[v].type),
                                         .first = w->use[v].first,
                                         .last = w->use[v].last };
    }
    int first_workspace = count;
    for (int32_t n = 0; n < g->n_nodes; n++)
        if (w->r->workspace[n])
            life[count++] = (fig__lifetime){.bytes = w->r->workspace[n], .first = n, .last = n};
    w->out->block_bytes = fig__pack(life, count);
    w->out->live_bytes = fig__live_bound(life, count);
    for (int32_t v = 1; v < g->n_values; v++)
        if (slot[v] >= 0)
            w->out->offset[v] = (int64_t)life[slot[v]].offset;
    for (int32_t n = 0; n < g->n_nodes; n++)
        if (w->r->workspace[n])
            w->out->workspace_offset[n] = (int64_t)life[first_workspace++].offset;
    free(life);
    free(slot);
}

void fig__layout_plan(const fig__layout_request *request, fig__layout *out)
{
    const fig_graph *g = request->graph;
    fig__arena *a = request->arena;
    *out = (fig__layout){
        .root = FIG_NEW_ARRAY(a, int32_t, g->n_values), .place = FIG_NEW_ARRAY(a, fig__place, g->n_values),
        .offset = FIG_NEW_ARRAY(a, int64_t, g->n_values), .workspace_offset = FIG_NEW_ARRAY(a, int64_t, g->n_nodes + 1),
        .in_state = FIG_NEW_ARRAY(a, bool, g->n_assigns + 1),
    };
    work w = {.r = request, .g = g, .out = out};
    w.use = fig__alloc(sizeof *w.use * (size_t)g->n_values);
    w.pinned = fig__alloc(sizeof *w.pinned * (size_t)g->n_values);
    int32_t *group = fig__alloc(sizeof *group * (size_t)g->n_values);
    for (int32_t v = 0; v < g->n_values; v++)
        group[v] = v;
    find_roots(&w);
    find_uses(&w);
    place_leaves(&w);
    place_assigned(&w);
    share_operands(&w, group);
    pack(&w, group);
    free(group);
    free(w.use);
    free(w.pinned);
}
