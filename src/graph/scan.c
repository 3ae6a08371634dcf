/* graph/scan.c - loops: recording a body, shape rule, derivative
 *
 * A scan runs its body once per step. States go from step to step; sequences (time first) are read and outputs
 * written one slice at a time; fixed values are the same in every step. The derivative is a scan in the other
 * direction, whose body contains the forward body once more (from the state before the step) and its vector-Jacobian
 * product. It needs the states before each step: `keep` makes the forward scan output them; with `recompute` a
 * second forward scan makes them when the gradient is taken, so that nothing is held in between. Being a scan, the
 * derivative can be differentiated again. */
#include "graph/graph.h"

#include <string.h>

static const fig__scan *scan_of(const void *attr)
{
    return ((const fig_scan_attr *)attr)->scan;
}

/* Body leaves by role; a body need not use all of them. */
static fig_node body_leaf(fig_graph *body, const char *role, int index, fig_type type)
{
    char name[32];
    snprintf(name, sizeof name, "%s%d", role, index);
    return fig_input(body, name, type);
}

static fig_type slice_type(fig_type sequence)
{
    fig_type t = {.dtype = sequence.dtype, .rank = sequence.rank - 1};
    for (int i = 0; i < t.rank; i++)
        t.dim[i] = sequence.dim[i + 1];
    return t;
}

static fig_type sequence_type(fig_type slice, int64_t steps)
{
    fig_type t = {.dtype = slice.dtype, .rank = slice.rank + 1};
    t.dim[0] = steps;
    for (int i = 0; i < slice.rank; i++)
        t.dim[i + 1] = slice.dim[i];
    return t;
}

/* -- record -------------------------------------------------------------------------------------------------------- */

static fig_status scan_infer(fig_infer *c)
{
    const fig__scan *s = scan_of(c->attr);
    if (c->n_in != s->states + s->xs + s->fixeds)
        return fig_fail(c->err, FIG_E_SHAPE, "scan: %d operands, expected %d", c->n_in, s->states + s->xs + s->fixeds);
    for (int i = 0; i < s->xs; i++) {
        const fig_type *x = &c->in[s->states + i];
        if (x->rank < 1 || x->dim[0] != s->steps || x->rank >= FIG_MAX_RANK)
            return fig_fail(c->err, FIG_E_SHAPE, "scan: sequence %d has no time axis of %lld steps in front", i, (long long)s->steps);
    }
    c->n_out = 0;
    for (int i = 0; i < s->states; i++) {
        fig_type t = s->body->values[s->new_state[i]].type;
        if (!fig__types_equal(&t, &c->in[i]))
            return fig_fail(c->err, FIG_E_SHAPE, "scan: state %d comes out of the step with another type than it went in", i);
        c->out[c->n_out++] = t;
    }
    for (int i = 0; i < s->ys; i++)
        c->out[c->n_out++] = sequence_type(s->body->values[s->y[i]].type, s->steps);
    for (int i = 0; s->keep && i < s->states; i++)
        c->out[c->n_out++] = sequence_type(c->in[i], s->steps);
    return FIG_OK;
}

static void scan_adopt(void *attr, fig_graph *graph)
{
    fig_scan_attr *a = attr;
    fig__arena *arena = fig__graph_arena(graph);
    fig__scan *copy = FIG_NEW(arena, fig__scan);
    *copy = *a->scan;
    copy->new_state = FIG_NEW_ARRAY(arena, int32_t, copy->states);
    copy->y = FIG_NEW_ARRAY(arena, int32_t, copy->ys);
    memcpy(copy->new_state, a->scan->new_state, sizeof *copy->new_state * (size_t)copy->states);
    memcpy(copy->y, a->scan->y, sizeof *copy->y * (size_t)copy->ys);
    fig__graph_share(graph, copy->body);
    a->scan = copy;
}

static void scan_print(const void *attr, fig__text *out)
{
    const fig__scan *s = scan_of(attr);
    fig__text_print(out, " steps=%lld states=%d body=%d%s%s", (long long)s->steps, s->states, s->body->n_nodes,
                    s->reverse ? " reverse" : "", s->keep ? " keep" : "");
}

static double scan_flops(const fig_infer *c)
{
    const fig__scan *s = scan_of(c->attr);
    double flops = 0;
    for (int32_t n = 0; n < s->body->n_nodes; n++) {
        const fig__node *node = &s->body->nodes[n];
        fig_type in[64], out[FIG_MAX_OUTPUTS];
        if (!node->op->flops || node->n_in > 64)
            continue;
        for (int i = 0; i < node->n_in; i++)
            in[i] = s->body->values[node->in[i]].type;
        for (int i = 0; i < node->n_out; i++)
            out[i] = s->body->values[node->first_out + i].type;
        fig_infer inner = {.n_in = node->n_in, .n_out = node->n_out, .in = in, .out = out, .attr = node->attr, .err = c->err};
        flops += node->op->flops(&inner);
    }
    return flops * (double)s->steps;
}

/* -- building ------------------------------------------------------------------------------------------------------ */

/* Emits a scan node for a recorded body; results in the order of scan_infer. */
static void emit_scan(fig_graph *g, fig_graph *body, const fig_node *operands, int n_operands, const fig__scan *wiring, fig_node *out)
{
    int n_out = wiring->states * (wiring->keep ? 2 : 1) + wiring->ys;
    fig_error err = {0};
    for (int i = 0; i < n_out; i++)
        out[i] = (fig_node){g, 0};
    if (fig_graph_check(body, &err) != FIG_OK) {
        fig_graph_fail(g, "scan body: %s", err.message);
    } else if (n_out > FIG_MAX_OUTPUTS) {
        fig_graph_fail(g, "scan: %d states and outputs; the most is %d", n_out, FIG_MAX_OUTPUTS);
    } else {
        fig_scan_attr attr;
        memset(&attr, 0, sizeof attr);
        attr.scan = wiring;
        fig__emit_multi(g, &fig_op_scan, operands, n_operands, &attr, out, n_out);
    }
    fig_graph_free(body); /* the graph holds it now */
}

static bool check_counts(fig_graph *g, const fig_scan_opts *o, int64_t *steps)
{
    if (o->states > FIG_MAX_SCAN || o->xs > FIG_MAX_SCAN || o->fixeds > FIG_MAX_SCAN || o->ys > FIG_MAX_SCAN) {
        fig_graph_fail(g, "scan: at most %d states, sequences, fixed values and outputs each", FIG_MAX_SCAN);
        return false;
    }
    *steps = o->steps;
    if (o->xs && fig_rank(o->x[0]) >= 1)
        *steps = fig_dim(o->x[0], 0);
    if (*steps < 1)
        fig_graph_fail(g, "scan: needs at least one step");
    return *steps >= 1;
}

void fig_scan(fig_graph *g, void (*step)(fig_scan_body *body), const fig_scan_opts *o, fig_node *final_state, fig_node *y)
{
    int64_t steps = 0;
    fig_node operands[3 * FIG_MAX_SCAN], state[FIG_MAX_SCAN], x[FIG_MAX_SCAN], fixed[FIG_MAX_SCAN];
    fig_node new_state[FIG_MAX_SCAN] = {{0}}, outs[FIG_MAX_SCAN] = {{0}}, result[3 * FIG_MAX_SCAN];
    int n = 0;
    bool good = check_counts(g, o, &steps);
    for (int i = 0; good && i < o->states; i++)
        operands[n++] = o->state[i];
    for (int i = 0; good && i < o->xs; i++)
        operands[n++] = o->x[i];
    for (int i = 0; good && i < o->fixeds; i++)
        operands[n++] = o->fixed[i];
    for (int i = 0; i < n; i++)
        good &= !fig__poisoned(operands[i]);
    for (int i = 0; i < o->states && final_state && i < FIG_MAX_SCAN; i++)
        final_state[i] = (fig_node){g, 0};
    for (int i = 0; i < o->ys && i < FIG_MAX_SCAN; i++)
        y[i] = (fig_node){g, 0};
    if (!good)
        return;
    fig_graph *body = fig_graph_new();
    fig_scope_push(body, fig__scope_path(g, fig__scope_auto(g, "scan")));
    for (int i = 0; i < o->states; i++)
        state[i] = body_leaf(body, "state", i, fig_type_of(o->state[i]));
    for (int i = 0; i < o->xs; i++)
        x[i] = body_leaf(body, "x", i, slice_type(fig_type_of(o->x[i])));
    for (int i = 0; i < o->fixeds; i++)
        fixed[i] = body_leaf(body, "fixed", i, fig_type_of(o->fixed[i]));
    step(&(fig_scan_body){.graph = body, .state = state, .x = x, .fixed = fixed, .new_state = new_state, .y = outs, .user = o->user});
    int32_t new_ids[FIG_MAX_SCAN], y_ids[FIG_MAX_SCAN];
    for (int i = 0; i < o->states; i++)
        new_ids[i] = new_state[i].id;
    for (int i = 0; i < o->ys; i++)
        y_ids[i] = outs[i].id;
    for (int i = 0; i < o->states + o->ys; i++)
        if ((i < o->states ? new_state[i] : outs[i - o->states]).graph != body)
            fig_graph_fail(body, "the step did not set %s %d", i < o->states ? "new_state" : "y", i < o->states ? i : i - o->states);
    fig__scan wiring = {.body = body, .states = o->states, .xs = o->xs, .fixeds = o->fixeds, .ys = o->ys, .new_state = new_ids,
                        .y = y_ids, .steps = steps, .reverse = o->reverse, .keep = !o->recompute, .recompute = o->recompute};
    emit_scan(g, body, operands, n, &wiring, result);
    for (int i = 0; i < o->states && final_state; i++)
        final_state[i] = result[i];
    for (int i = 0; i < o->ys; i++)
        y[i] = result[o->states + i];
}

/* -- derivative ---------------------------------------------------------------------------------------------------- */

/* One list of values of the backward scan: operands in the outer graph and the leaves that stand for them in the
 * body. */
typedef struct role {
    const char *name;       /* "state" "x" "fixed" */
    fig_node *operand;
    fig_node *leaf;
    int count;
} role;

/* The backward scan. Its states: gradient of each real state, then gradient so far of each wanted fixed value. Its
 * sequences: the state before each step, the forward sequences, the upstream gradients of y and of the kept states. Its
 * fixed values: the forward ones. Its outputs: gradient of each wanted forward sequence. Lists are indexed as in the
 * forward scan; FIG_NONE where there is nothing. */
typedef struct backward {
    const fig__scan *s;
    fig_gradient *c;
    fig__arena *arena;
    fig_graph *body;
    role states, xs, fixeds;
    fig_node *d_state, *d_fixed, *before, *x, *d_y, *d_before, *fixed; /* leaves in the body */
    fig_node *wrt, *sum;
    int n_wrt;
} backward;

static bool is_real(fig_node x)
{
    return fig_type_of(x).dtype == FIG_F32;
}

static fig_node take(backward *b, role *r, fig_node operand, fig_type leaf)
{
    r->operand[r->count] = operand;
    r->leaf[r->count] = body_leaf(b->body, r->name, r->count, leaf);
    return r->leaf[r->count++];
}

static role new_role(backward *b, const char *name)
{
    int most = 2 * (b->s->states + b->s->xs + b->s->ys + b->s->fixeds) + b->s->states + 1;
    return (role){name, FIG_NEW_ARRAY(b->arena, fig_node, most), FIG_NEW_ARRAY(b->arena, fig_node, most), 0};
}

static fig_node *new_list(backward *b, int count)
{
    return FIG_NEW_ARRAY(b->arena, fig_node, count + 1);
}

/* The states before each step: kept by the forward scan, or made by running it again. */
static const fig_node *states_before(backward *b)
{
    const fig__scan *s = b->s;
    if (s->keep)
        return b->c->outs + s->states + s->ys;
    fig__scan again = *s;
    again.keep = true;
    fig_scan_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.scan = &again;
    fig_node *out = new_list(b, 2 * s->states + s->ys);
    fig__emit_multi(b->c->graph, &fig_op_scan, b->c->in, b->c->n_in, &attr, out, 2 * s->states + s->ys);
    return out + s->states + s->ys;
}

static void wire_states(backward *b)
{
    const fig__scan *s = b->s;
    const fig_node *fixed = b->c->in + s->states + s->xs;
    for (int i = 0; i < s->states; i++) {
        fig_node state = b->c->in[i], upstream = b->c->upstreams[i];
        if (is_real(state))
            b->d_state[i] = take(b, &b->states, fig_is_none(upstream) ? fig_zeros_like(state) : upstream, fig_type_of(state));
    }
    for (int i = 0; i < s->fixeds; i++)
        if (is_real(fixed[i]) && b->c->wanted[s->states + s->xs + i])
            b->d_fixed[i] = take(b, &b->states, fig_zeros_like(fixed[i]), fig_type_of(fixed[i]));
}

static void wire_sequences(backward *b)
{
    const fig__scan *s = b->s;
    const fig_node *before = states_before(b), *upstream = b->c->upstreams;
    for (int i = 0; i < s->states; i++)
        b->before[i] = take(b, &b->xs, before[i], fig_type_of(b->c->in[i]));
    for (int i = 0; i < s->xs; i++)
        b->x[i] = take(b, &b->xs, b->c->in[s->states + i], slice_type(fig_type_of(b->c->in[s->states + i])));
    for (int i = 0; i < s->ys; i++)
        if (!fig_is_none(upstream[s->states + i]))
            b->d_y[i] = take(b, &b->xs, upstream[s->states + i], s->body->values[s->y[i]].type);
    for (int i = 0; s->keep && i < s->states; i++)
        if (!fig_is_none(upstream[s->states + s->ys + i]))
            b->d_before[i] = take(b, &b->xs, upstream[s->states + s->ys + i], fig_type_of(b->c->in[i]));
    for (int i = 0; i < s->fixeds; i++)
        b->fixed[i] = take(b, &b->fixeds, b->c->in[s->states + s->xs + i], fig_type_of(b->c->in[s->states + s->xs + i]));
}

/* Copies the forward body into the backward one, its leaves replaced; returns the map of values. */
static fig_node *inline_body(backward *b)
{
    const fig__scan *s = b->s;
    fig_node *map = new_list(b, s->body->n_values);
    for (int32_t n = 0; n < s->body->n_nodes; n++) {
        const fig__node *node = &s->body->nodes[n];
        if (node->op != &fig_op_input) {
            fig__copy_node(b->body, s->body, n, map);
            continue;
        }
        const char *name = ((const fig_leaf_attr *)node->attr)->name;
        int index = 0;
        if (sscanf(name, "state%d", &index) == 1)
            map[node->first_out] = b->before[index];
        else if (sscanf(name, "x%d", &index) == 1)
            map[node->first_out] = b->x[index];
        else if (sscanf(name, "fixed%d", &index) == 1)
            map[node->first_out] = b->fixed[index];
    }
    return map;
}

/* Gradients of one step with respect to wrt, of all results that have an upstream gradient in one walk. */
static void step_gradients(backward *b, const fig_node *map)
{
    const fig__scan *s = b->s;
    fig_node *value = new_list(b, s->states + s->ys), *upstream = new_list(b, s->states + s->ys);
    int count = 0;
    for (int r = 0; r < s->states + s->ys; r++) {
        value[count] = map[r < s->states ? s->new_state[r] : s->y[r - s->states]];
        upstream[count] = r < s->states ? b->d_state[r] : b->d_y[r - s->states];
        count += !fig_is_none(upstream[count]) && is_real(value[count]);
    }
    fig__gradients_of(b->body, value, upstream, count, b->wrt, b->n_wrt, b->sum);
}

/* New states and outputs of the backward body, in the order of wrt: states, fixed values, sequences. */
static void close_body(backward *b, fig__scan *wiring)
{
    const fig__scan *s = b->s;
    int at = 0, n = 0;
    for (int i = 0; i < s->states; i++) {
        if (fig_is_none(b->d_state[i]))
            continue;
        fig_node d = b->sum[at++];
        wiring->new_state[n++] = (fig_is_none(b->d_before[i]) ? d : fig_add(d, b->d_before[i])).id;
    }
    for (int i = 0; i < s->fixeds; i++)
        if (!fig_is_none(b->d_fixed[i]))
            wiring->new_state[n++] = fig_add(b->d_fixed[i], b->sum[at++]).id;
    while (at < b->n_wrt)
        wiring->y[wiring->ys++] = b->sum[at++].id;
}

static void choose_wrt(backward *b)
{
    const fig__scan *s = b->s;
    for (int i = 0; i < s->states; i++)
        if (!fig_is_none(b->d_state[i]))
            b->wrt[b->n_wrt++] = b->before[i];
    for (int i = 0; i < s->fixeds; i++)
        if (!fig_is_none(b->d_fixed[i]))
            b->wrt[b->n_wrt++] = b->fixed[i];
    for (int i = 0; i < s->xs; i++)
        if (is_real(b->c->in[s->states + i]) && b->c->wanted[s->states + i])
            b->wrt[b->n_wrt++] = b->x[i];
}

static void hand_out(const backward *b, const fig_node *result)
{
    const fig__scan *s = b->s;
    int at = 0;
    for (int i = 0; i < s->states; i++)
        if (!fig_is_none(b->d_state[i]))
            b->c->result[i] = result[at++];
    for (int i = 0; i < s->fixeds; i++)
        if (!fig_is_none(b->d_fixed[i]))
            b->c->result[s->states + s->xs + i] = result[at++];
    for (int i = 0; i < s->xs; i++)
        if (is_real(b->c->in[s->states + i]) && b->c->wanted[s->states + i])
            b->c->result[s->states + i] = result[at++];
}

static void scan_gradient(fig_gradient *c)
{
    const fig__scan *s = scan_of(c->attr);
    fig__arena *arena = fig__arena_new();
    backward b = {.s = s, .c = c, .arena = arena, .body = fig_graph_new()};
    fig_scope_push(b.body, fig__scope_path(c->graph, NULL));
    b.states = new_role(&b, "state"), b.xs = new_role(&b, "x"), b.fixeds = new_role(&b, "fixed");
    b.d_state = new_list(&b, s->states), b.before = new_list(&b, s->states), b.d_before = new_list(&b, s->states);
    b.d_fixed = new_list(&b, s->fixeds), b.fixed = new_list(&b, s->fixeds);
    b.x = new_list(&b, s->xs), b.d_y = new_list(&b, s->ys);
    b.wrt = new_list(&b, c->n_in), b.sum = new_list(&b, c->n_in);
    wire_states(&b);
    wire_sequences(&b);
    choose_wrt(&b);
    step_gradients(&b, inline_body(&b));
    fig__scan wiring = {.body = b.body, .states = b.states.count, .xs = b.xs.count, .fixeds = b.fixeds.count, .steps = s->steps,
                        .reverse = !s->reverse, .keep = true, .new_state = FIG_NEW_ARRAY(arena, int32_t, c->n_in),
                        .y = FIG_NEW_ARRAY(arena, int32_t, c->n_in)};
    close_body(&b, &wiring);
    int n = 0;
    fig_node *operands = new_list(&b, b.states.count + b.xs.count + b.fixeds.count);
    fig_node *result = new_list(&b, 2 * wiring.states + wiring.ys);
    const role *roles[] = {&b.states, &b.xs, &b.fixeds};
    for (int r = 0; r < 3; r++)
        for (int i = 0; i < roles[r]->count; i++)
            operands[n++] = roles[r]->operand[i];
    emit_scan(c->graph, b.body, operands, n, &wiring, result);
    hand_out(&b, result);
    fig__arena_free(arena);
}

const fig_op fig_op_scan = {
    .name = "scan", .operands = -1, .attr_size = sizeof(fig_scan_attr), .infer = scan_infer, .gradient = scan_gradient,
    .flops = scan_flops, .print = scan_print, .adopt = scan_adopt,
};
