/* passes/replay.c - walking a running order with second runs, and building it */
#include "passes/replay.h"

#include <stdlib.h>
#include <string.h>

/* Operations that the time of moving a byte would do: some 400 GFLOP/s beside some 40 GB/s. */
#define OPERATIONS_PER_BYTE 10.0

static bool is_view(const fig__node *node) { return (node->op->flags & FIG_OP_VIEW) != 0; }

static bool computes(const fig__node *node)
{
    return !(node->op->flags & (FIG_OP_LEAF | FIG_OP_CONSTANT | FIG_OP_VIEW));
}

/* -- what does not depend on the cuts ------------------------------------------------------------------------------ */

static void find_roots(fig__replay *r, const fig__program *p)
{
    const fig_graph *g = r->g;
    for (int32_t v = 1; v < g->n_values; v++) {
        const fig__node *node = fig__node_of(g, v);
        r->root[v] = is_view(node) && node->first_out == v ? r->root[node->in[0]] : v;
    }
    for (int i = 0; i < p->n_outputs; i++)
        r->pinned[r->root[p->output[i]]] = true;
    for (int i = 0; i < g->n_assigns; i++)
        r->pinned[r->root[g->assigns[i].value]] = true;
    for (int32_t v = 1; v < g->n_values; v++)
        if (r->root[v] == v && r->memory->in_block[v])
            r->bytes[v] = (int64_t)((fig__bytes(&g->values[v].type) + 63) / 64 * 64);
}

static void find_costs(fig__replay *r)
{
    const fig_graph *g = r->g;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        if (!computes(node))
            continue;
        fig_type in[64], out[FIG_MAX_OUTPUTS];
        fig_error err = { 0 };
        double moved = 0;
        for (int i = 0; i < node->n_in; i++)
            moved += (double)fig__bytes(&g->values[node->in[i]].type);
        for (int i = 0; i < node->n_out; i++) {
            out[i] = g->values[node->first_out + i].type;
            moved += (double)fig__bytes(&out[i]);
        }
        for (int i = 0; i < node->n_in && i < 64; i++)
            in[i] = g->values[node->in[i]].type;
        fig_infer infer = {
            .n_in = node->n_in, .n_out = node->n_out, .in = in, .out = out, .attr = node->attr, .err = &err
        };
        r->product[n] = node->op->flops && node->n_in <= 64 ? node->op->flops(&infer) : 0;
        r->cost[n] = OPERATIONS_PER_BYTE * moved + r->product[n];
    }
}

static void find_readers(fig__replay *r)
{
    const fig_graph *g = r->g;
    int total = 1;
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; !is_view(&g->nodes[n]) && i < g->nodes[n].n_in; i++, total++)
            r->reader_start[r->root[g->nodes[n].in[i]] + 1]++;
    for (int32_t v = 0; v < g->n_values; v++)
        r->reader_start[v + 1] += r->reader_start[v];
    r->reader = fig__alloc(sizeof *r->reader * (size_t)total);
    int32_t *fill = fig__alloc(sizeof *fill * (size_t)g->n_values);
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; !is_view(&g->nodes[n]) && i < g->nodes[n].n_in; i++) {
            int32_t v = r->root[g->nodes[n].in[i]];
            r->reader[r->reader_start[v] + fill[v]++] = n;
        }
    free(fill);
}

void fig__replay_begin(fig__replay *r, const fig__program *p, const fig__footprint *memory)
{
    const fig_graph *g = p->graph;
    size_t values = (size_t)g->n_values, nodes = (size_t)g->n_nodes + 1, operands = 1;
    *r = (fig__replay){ .g = g, .memory = memory };
    for (int32_t n = 0; n < g->n_nodes; n++)
        operands += (size_t)g->nodes[n].n_in;
    r->root = fig__alloc(values * sizeof *r->root);
    r->pinned = fig__alloc(values);
    r->bytes = fig__alloc(values * sizeof *r->bytes);
    r->cost = fig__alloc(nodes * sizeof *r->cost);
    r->product = fig__alloc(nodes * sizeof *r->product);
    r->reader_start = fig__alloc((values + 2) * sizeof *r->reader_start);
    r->cut = fig__alloc(nodes * sizeof *r->cut);
    r->run = fig__alloc(2 * nodes * sizeof *r->run);
    r->operand_again = fig__alloc(2 * operands);
    r->made[0] = fig__alloc(nodes);
    r->made[1] = fig__alloc(nodes);
    r->last = fig__alloc(2 * values * sizeof *r->last);
    r->last_at = fig__alloc(2 * values * sizeof *r->last_at);
    r->live = fig__alloc((2 * nodes + 2) * sizeof *r->live);
    for (int32_t n = 0; n < g->n_nodes; n++)
        r->cut[n] = FIG__NO_CUT;
    find_roots(r, p);
    find_costs(r);
    find_readers(r);
}

void fig__replay_end(fig__replay *r)
{
    free(r->root);
    free(r->pinned);
    free(r->bytes);
    free(r->cost);
    free(r->product);
    free(r->reader);
    free(r->reader_start);
    free(r->cut);
    free(r->run);
    free(r->operand_again);
    free(r->made[0]);
    free(r->made[1]);
    free(r->last);
    free(r->last_at);
    free(r->live);
}

bool fig__replay_can_repeat(const fig__replay *r, int32_t n)
{
    const fig__node *node = &r->g->nodes[n];
    if (!computes(node))
        return false;
    for (int i = 0; i < node->n_out; i++)
        if (r->pinned[node->first_out + i])
            return false;
    return true;
}

void fig__replay_cut(fig__replay *r, const int32_t *nodes, int count, int32_t cut)
{
    const fig_graph *g = r->g;
    for (int i = 0; i < count; i++)
        r->cut[nodes[i]] = cut;
    for (int32_t n = 0; n < g->n_nodes; n++)
        if (is_view(&g->nodes[n]))
            r->cut[n] = r->cut[g->values[r->root[g->nodes[n].first_out]].node];
}

/* -- walking --------------------------------------------------------------------------------------------------------- */

/* Runs a node, after what it reads. Depth is at most the longest chain of second runs. */
static void run_node(fig__replay *r, int32_t n, bool again, int32_t at)
{
    const fig__node *node = &r->g->nodes[n];
    r->made[again][n] = true;
    int32_t first = r->n_operands;
    r->n_operands += node->n_in;
    for (int i = 0; i < node->n_in; i++) {
        int32_t from = r->g->values[node->in[i]].node;
        bool second = at > r->cut[from];
        if (!r->made[second][from])
            run_node(r, from, second, at);
        r->operand_again[first + i] = second;
    }
    r->run[r->count++] = (fig__replay_run){ n, at, first, again };
}

static void walk(fig__replay *r)
{
    const fig_graph *g = r->g;
    r->count = r->n_operands = 0;
    memset(r->made[0], 0, (size_t)g->n_nodes + 1);
    memset(r->made[1], 0, (size_t)g->n_nodes + 1);
    for (int32_t n = 0; n < g->n_nodes; n++)
        if (!r->made[0][n] && (!is_view(&g->nodes[n]) || n <= r->cut[n])) /* a view behind the cut waits for its reader */
            run_node(r, n, false, n);
}

static void find_last_readers(fig__replay *r)
{
    const fig_graph *g = r->g;
    memset(r->last, 0xff, sizeof *r->last * 2 * (size_t)g->n_values);
    memset(r->last_at, 0xff, sizeof *r->last_at * 2 * (size_t)g->n_values);
    for (int32_t v = 1; v < g->n_values; v++)
        if (r->pinned[v])
            r->last[v] = r->count;
    for (int k = r->count - 1; k >= 0; k--) { /* from the end: readers of a run are known before it */
        fig__replay_run *run = &r->run[k];
        const fig__node *node = &g->nodes[run->node];
        run->idle = !run->again && r->cut[run->node] != FIG__NO_CUT;
        for (int i = 0; run->idle && i < node->n_out; i++)
            run->idle = r->last[r->root[node->first_out + i]] < 0;
        for (int i = 0; !run->idle && !is_view(node) && i < node->n_in; i++) {
            int32_t id = r->root[node->in[i]] + (r->operand_again[run->operand + i] ? g->n_values : 0);
            if (r->last[id] >= 0)
                continue;
            r->last[id] = k;
            r->last_at[id] = run->at;
        }
    }
}

/* Output 0 takes over the storage of an operand that dies here, as the layout does it: its bytes are free one run earlier. */
static int32_t overwritten(const fig__replay *r, int k)
{
    const fig_graph *g = r->g;
    const fig__replay_run *run = &r->run[k];
    const fig__node *node = &g->nodes[run->node];
    for (int i = 0; i < node->n_in && i < 32; i++) {
        int32_t root = r->root[node->in[i]], id = root + (r->operand_again[run->operand + i] ? g->n_values : 0);
        if (((r->memory->inplace[run->node] >> i) & 1) && r->last[id] == k && r->bytes[root] &&
            r->bytes[root] == r->bytes[node->first_out])
            return id;
    }
    return -1;
}

fig__replay_sum fig__replay_measure(fig__replay *r, int64_t target)
{
    const fig_graph *g = r->g;
    fig__replay_sum sum = { 0 };
    walk(r);
    find_last_readers(r);
    memset(r->live, 0, sizeof *r->live * (size_t)(r->count + 2)); /* changes at first */
    for (int k = 0; k < r->count; k++) {
        const fig__replay_run *run = &r->run[k];
        const fig__node *node = &g->nodes[run->node];
        sum.extra -= run->idle ? r->cost[run->node] : 0;
        if (is_view(node) || run->idle)
            continue;
        int32_t reused = overwritten(r, k);
        for (int i = 0; i < node->n_out; i++) {
            int32_t v = node->first_out + i, id = v + (run->again ? g->n_values : 0);
            int last = r->last[id] < k ? k : r->last[id];
            r->live[k] += r->bytes[v];
            r->live[last + 1 < r->count + 1 ? last + 1 : r->count + 1] -= r->bytes[v];
        }
        if (reused >= 0) {
            r->live[k] -= r->bytes[node->first_out];
            r->live[k + 1] += r->bytes[node->first_out];
        }
        sum.extra += run->again ? r->cost[run->node] : 0;
    }
    int64_t now = 0;
    for (int k = 0; k < r->count; k++) {
        now += r->live[k];
        r->live[k] = now + (int64_t)r->memory->workspace[r->run[k].node];
        if (r->live[k] > sum.peak) {
            sum.peak = r->live[k];
            sum.peak_at = r->run[k].at;
        }
        if (r->live[k] > target)
            sum.excess += (double)(r->live[k] - target);
    }
    return sum;
}

/* -- building -------------------------------------------------------------------------------------------------------- */

void fig__replay_build(const fig__replay *r, fig_graph *to, fig_node *map)
{
    const fig_graph *g = r->g;
    fig_node *second = fig__alloc(sizeof *second * (size_t)g->n_values),
             *mixed = fig__alloc(sizeof *mixed * (size_t)g->n_values);
    bool *waits = fig__alloc((size_t)g->n_nodes + 1); /* its only run is the second */
    for (int k = 0; k < r->count; k++) {
        const fig__replay_run *run = &r->run[k];
        const fig__node *node = &g->nodes[run->node];
        if (run->idle) {
            waits[run->node] = true;
            continue;
        }
        for (int i = 0; i < node->n_in; i++)
            mixed[node->in[i]] = r->operand_again[run->operand + i] ? second[node->in[i]] : map[node->in[i]];
        fig__copy_node(to, g, run->node, mixed);
        to->nodes[to->n_nodes - 1].again = run->again && !is_view(node) && !waits[run->node];
        memcpy((run->again ? second : map) + node->first_out, mixed + node->first_out, sizeof *map * (size_t)node->n_out);
    }
    free(second);
    free(waits);
    free(mixed);
}
