/* autodiff/gradient.c - reverse-mode differentiation as graph building
 *
 * Walks the nodes between `wrt` and the outputs from last to first. Each op's gradient rule builds the contribution
 * to its operands; contributions to one value are added. The result is ordinary graph, so it can be differentiated
 * again. An op without a rule is differentiated through its decomposition: the decomposition is built, and a walk
 * over just those new nodes yields the partial derivatives of the op's operands. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

/* Values below `base` take part only as members of wrt: the walk over a decomposition must not leave it. */
typedef struct walk {
    fig_graph *graph;
    int32_t base, end;  /* the walk's values: base <= v < end, end = n_values when it began */
    bool *depends;      /* [v - base]: depends on a wrt value */
    fig_node *gradient; /* [v - base]: what has arrived so far */
    const fig_node *wrt;
    int n_wrt;
    fig_node *wrt_gradient; /* of wrt values below base */
} walk;

static void vjp(fig_graph *g, int32_t base, const fig_node *outputs, const fig_node *upstreams, int n_outputs,
                const fig_node *wrt, int n_wrt, fig_node *result);

static int wrt_index(const walk *w, int32_t value)
{
    for (int i = 0; i < w->n_wrt; i++)
        if (w->wrt[i].id == value)
            return i;
    return -1;
}

static bool depends(const walk *w, int32_t value)
{
    if (value >= w->base)
        return value < w->end && w->depends[value - w->base];
    return w->base > 1 && wrt_index(w, value) >= 0;
}

static void mark(walk *w, int32_t first_node)
{
    fig_graph *g = w->graph;
    for (int i = 0; i < w->n_wrt; i++)
        if (w->wrt[i].id >= w->base)
            w->depends[w->wrt[i].id - w->base] = true;
    for (int32_t n = first_node; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        if (node->op->flags & FIG_OP_INTEGER)
            continue;
        bool any = false;
        for (int i = 0; i < node->n_in && !any; i++)
            any = g->values[node->in[i]].type.dtype != FIG_I32 && depends(w, node->in[i]);
        for (int i = 0; any && i < node->n_out; i++)
            w->depends[node->first_out + i - w->base] = true;
    }
}

static void arrive(walk *w, int32_t value, fig_node contribution)
{
    if (fig_is_none(contribution) || !depends(w, value))
        return;
    fig_node *place = value >= w->base ? &w->gradient[value - w->base] : &w->wrt_gradient[wrt_index(w, value)];
    *place = fig_is_none(*place) ? contribution : fig_add(*place, contribution);
}

static void through_decomposition(walk *w, const fig__node *node, const fig_node *in, const bool *wanted,
                                  const fig_node *upstreams, fig_node *result)
{
    fig_graph *g = w->graph;
    int32_t base = g->n_values;
    fig_node parts[FIG_MAX_OUTPUTS] = {{0}}, given[FIG_MAX_OUTPUTS], flow[FIG_MAX_OUTPUTS];
    fig_decompose c = {
        .graph = g, .n_in = node->n_in, .n_out = node->n_out, .in = in, .attr = node->attr, .out = parts
    };
    node->op->decompose(&c);
    int n_given = 0, n_asked = 0;
    for (int i = 0; i < node->n_out; i++) {
        if (fig_is_none(upstreams[i]))
            continue;
        given[n_given] = parts[i];
        flow[n_given++] = upstreams[i];
    }
    fig_node *asked = fig__alloc(sizeof *asked * (size_t)(node->n_in + 1));
    fig_node *got = fig__alloc(sizeof *got * (size_t)(node->n_in + 1));
    int *place = fig__alloc(sizeof *place * (size_t)(node->n_in + 1));
    for (int i = 0; i < node->n_in; i++) {
        if (!wanted[i])
            continue;
        asked[n_asked] = in[i];
        place[n_asked++] = i;
    }
    vjp(g, base, given, flow, n_given, asked, n_asked, got);
    for (int i = 0; i < n_asked; i++)
        result[place[i]] = got[i];
    free(asked);
    free(got);
    free(place);
}

/* One node's rule or decomposition; result[i] receives the contribution to operand i. */
static void differentiate(walk *w, const fig__node *node, const fig_node *upstreams, fig_node *result)
{
    fig_graph *g = w->graph;
    fig_node *in = fig__alloc(sizeof *in * (size_t)(node->n_in + 1));
    bool *wanted = fig__alloc(sizeof *wanted * (size_t)(node->n_in + 1));
    fig_node outs[FIG_MAX_OUTPUTS];
    for (int i = 0; i < node->n_in; i++) {
        in[i] = (fig_node){g, node->in[i]};
        wanted[i] = g->values[node->in[i]].type.dtype != FIG_I32 && depends(w, node->in[i]);
    }
    for (int i = 0; i < node->n_out; i++)
        outs[i] = (fig_node){g, node->first_out + i};
    if (node->op->gradient) {
        fig_gradient c = { .graph = g,
                           .n_in = node->n_in,
                           .n_out = node->n_out,
                           .in = in,
                           .out = outs[0],
                           .outs = outs,
                           .upstream = upstreams[0],
                           .upstreams = upstreams,
                           .wanted = wanted,
                           .attr = node->attr,
                           .result = result };
        node->op->gradient(&c);
    } else if (node->op->decompose) {
        through_decomposition(w, node, in, wanted, upstreams, result);
    } else if (!(node->op->flags & FIG_OP_NOISE)) {
        fig_graph_fail(g, "\"%s\" has no derivative; stop the gradient before it", node->op->name);
    }
    free(in);
    free(wanted);
}

static void visit(walk *w, int32_t n)
{
    fig_graph *g = w->graph;
    fig__node node = g->nodes[n]; /* by value: the array grows while gradients are built */
    if ((node.op->flags & (FIG_OP_INTEGER | FIG_OP_LEAF)) || !node.n_in)
        return;
    fig_node upstreams[FIG_MAX_OUTPUTS];
    bool any = false;
    for (int i = 0; i < node.n_out; i++) {
        upstreams[i] = w->gradient[node.first_out + i - w->base];
        any |= !fig_is_none(upstreams[i]);
    }
    bool useful = false;
    for (int i = 0; i < node.n_in; i++)
        useful |= g->values[node.in[i]].type.dtype != FIG_I32 && depends(w, node.in[i]);
    if (!any || !useful)
        return;
    fig_node *result = fig__alloc(sizeof *result * (size_t)(node.n_in + 1));
    const char *saved = g->scopes.override_path;
    g->scopes.override_path = node.path;
    differentiate(w, &node, upstreams, result);
    for (int i = 0; i < node.n_in; i++)
        if (g->values[node.in[i]].type.dtype != FIG_I32)
            arrive(w, node.in[i], result[i]);
    g->scopes.override_path = saved;
    free(result);
}

/* result[i] = sum over outputs of upstream * d output / d wrt[i], or FIG_NONE where nothing flows. */
static void vjp(fig_graph *g, int32_t base, const fig_node *outputs, const fig_node *upstreams, int n_outputs,
                const fig_node *wrt, int n_wrt, fig_node *result)
{
    walk w = {.graph = g, .base = base, .end = g->n_values, .wrt = wrt, .n_wrt = n_wrt, .wrt_gradient = result};
    size_t span = (size_t)(w.end - base) + 1;
    w.depends = fig__alloc(span * sizeof *w.depends);
    w.gradient = fig__alloc(span * sizeof *w.gradient);
    for (int i = 0; i < n_wrt; i++)
        result[i] = FIG_NONE;
    int32_t first = base < w.end ? g->values[base].node : g->n_nodes, last = first - 1;
    mark(&w, first);
    for (int i = 0; i < n_outputs; i++) {
        arrive(&w, outputs[i].id, upstreams[i]);
        if (outputs[i].id >= base && g->values[outputs[i].id].node > last)
            last = g->values[outputs[i].id].node;
    }
    for (int32_t n = last; n >= first; n--)
        visit(&w, n);
    for (int i = 0; i < n_wrt; i++)
        if (wrt[i].id >= base)
            result[i] = w.gradient[wrt[i].id - base];
    free(w.depends);
    free(w.gradient);
}

void fig__gradients_of(fig_graph *g, const fig_node *values, const fig_node *upstreams, int count, const fig_node *wrt,
                       int n_wrt, fig_node *result)
{
    bool poisoned = !g;
    for (int i = 0; i < count; i++)
        poisoned |= fig__poisoned(values[i]) || fig__poisoned(upstreams[i]);
    for (int i = 0; i < n_wrt; i++) {
        result[i] = (fig_node){g, 0};
        poisoned |= fig__poisoned(wrt[i]);
    }
    if (poisoned)
        return;
    for (int i = 0; i < count; i++)
        if (!fig_same_shape(values[i], upstreams[i])) {
            fig_graph_fail(g, "gradients: the upstream gradient has another shape than the loss");
            return;
        }
    vjp(g, 1, values, upstreams, count, wrt, n_wrt, result); /* every real value may lie between wrt and the values */
    for (int i = 0; i < n_wrt; i++)
        if (fig_is_none(result[i]))
            result[i] = fig_zeros_like(wrt[i]);
}

void fig_gradients_from(fig_node loss, fig_node upstream, const fig_node *wrt, int count, fig_node *result)
{
    fig__gradients_of(loss.graph, &loss, &upstream, 1, wrt, count, result);
}

void fig_gradients(fig_node loss, const fig_node *wrt, int count, fig_node *result)
{
    fig_gradients_from(loss, fig_ones_like(loss), wrt, count, result);
}
