/* passes/fuse_pointwise.c - chains of element-by-element work become one program over tiles
 *
 * Groups grow from producers to consumers: a node joins the groups of its operands when their iteration space (the full
 * shape) is its own and when the union can still run as one unit. It cannot when something outside depends on a member and
 * is itself needed by another member; that is looked for by walking back from the union's outside operands. Sums and means
 * of a member join as reduced outputs. A fused node computes each member once per element and writes only what is read
 * outside, so no value is computed twice and none is written in vain. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

/* Limits below FIG_FUSED_MAX: registers of a tile must stay in the first-level cache. */
enum { MAX_STEPS = 48, MAX_OPERANDS = 24, MAX_REDUCTIONS = 8 };

typedef struct group {
    int32_t *member; /* nodes, ascending; NULL once merged into another */
    int count, capacity;
    int steps;       /* members that are no reductions */
    int32_t last;    /* largest member */
    fig_type space;
} group;

typedef struct fuser {
    const fig_graph *g;
    const fig__needs *needs;
    group *groups;
    int n_groups;
    int32_t *group_of; /* node -> group or -1 */
    int32_t *stamp;    /* visited marks of the walk back */
    int32_t now;
    int32_t *stack;
    int32_t *reader_start, *reader; /* value -> nodes that read it, packed */
    fig_node *map;
    fig_graph *to;
    bool *emitted;     /* node (of a group: all its members at once) */
} fuser;

static bool fusable(const fuser *f, int32_t n)
{
    const fig_graph *g = f->g;
    const fig__node *node = &g->nodes[n];
    if (!(node->op->flags & FIG_OP_POINTWISE) || g->values[node->first_out].type.dtype != FIG_F32)
        return false;
    for (int i = 0; i < node->n_in; i++)
        if (g->values[node->in[i]].type.dtype != FIG_F32)
            return false;
    return true;
}

static bool reduces(const fuser *f, int32_t n)
{
    const fig__node *node = &f->g->nodes[n];
    return (node->op == &fig_op_sum || node->op == &fig_op_mean) && f->g->values[node->in[0]].type.dtype == FIG_F32;
}

/* -- may a set of groups and a node run as one unit? ------------------------------------------------------------------ */

static bool in_set(const fuser *f, int32_t n, const int32_t *set, int count, int32_t extra)
{
    if (n == extra)
        return true;
    for (int i = 0; i < count; i++)
        if (f->group_of[n] == set[i])
            return true;
    return false;
}

static void push(fuser *f, int *depth, int32_t n)
{
    if (f->stamp[n] == f->now)
        return;
    f->stamp[n] = f->now;
    f->stack[(*depth)++] = n;
}

/* Pushes the producers of n's operands that lie outside the set. hit: one lies inside. */
static void push_operands(fuser *f, int *depth, int32_t n, const int32_t *set, int count, int32_t extra, bool *hit)
{
    const fig__node *node = &f->g->nodes[n];
    for (int i = 0; i < node->n_in; i++) {
        int32_t p = f->g->values[node->in[i]].node;
        if (in_set(f, p, set, count, extra))
            *hit = true;
        else
            push(f, depth, p);
    }
}

/* A member that reads a sum of the set would need it before the unit is through. */
static bool reads_reduction(const fuser *f, int32_t n, const int32_t *set, int count, int32_t extra)
{
    const fig__node *node = &f->g->nodes[n];
    for (int i = 0; i < node->n_in; i++) {
        int32_t p = f->g->values[node->in[i]].node;
        if (reduces(f, p) && in_set(f, p, set, count, extra))
            return true;
    }
    return false;
}

/* The set reads a sum of its own, or a node outside depends on the set and feeds it. Nodes below `first`, the set's smallest member, cannot, unless a
 * group they belong to reaches above it. */
static bool makes_cycle(fuser *f, const int32_t *set, int count, int32_t extra, int32_t first)
{
    int depth = 0;
    bool inside = false, hit = false;
    f->now++;
    for (int i = 0; i < count; i++) {
        for (int m = 0; m < f->groups[set[i]].count; m++) {
            if (reads_reduction(f, f->groups[set[i]].member[m], set, count, extra))
                return true;
            push_operands(f, &depth, f->groups[set[i]].member[m], set, count, extra, &inside);
        }
    }
    if (extra >= 0) {
        if (reads_reduction(f, extra, set, count, extra))
            return true;
        push_operands(f, &depth, extra, set, count, extra, &inside);
    }
    while (depth && !hit) {
        int32_t n = f->stack[--depth], own = f->group_of[n];
        if ((own < 0 ? n : f->groups[own].last) < first)
            continue;
        if (own < 0) {
            push_operands(f, &depth, n, set, count, extra, &hit);
            continue;
        }
        for (int m = 0; m < f->groups[own].count && !hit; m++) {
            f->stamp[f->groups[own].member[m]] = f->now;
            push_operands(f, &depth, f->groups[own].member[m], set, count, extra, &hit);
        }
    }
    return hit;
}

/* -- growing groups -------------------------------------------------------------------------------------------------------- */

static void add_member(group *to, int32_t n, bool step)
{
    if (to->count == to->capacity) {
        to->capacity = to->capacity ? to->capacity * 2 : 8;
        to->member = fig__realloc(to->member, sizeof *to->member * (size_t)to->capacity);
    }
    int at = to->count++;
    for (; at > 0 && to->member[at - 1] > n; at--)
        to->member[at] = to->member[at - 1];
    to->member[at] = n;
    to->steps += step;
    if (n > to->last)
        to->last = n;
}

/* Distinct outside operands of a set; a bound, so counting stops above the limit. */
static int outside_operands(const fuser *f, const int32_t *set, int count, int32_t extra)
{
    int32_t seen[MAX_OPERANDS + 1];
    int n_seen = 0;
    for (int s = 0; s <= count; s++) {
        int members = s < count ? f->groups[set[s]].count : (extra >= 0);
        for (int m = 0; m < members; m++) {
            const fig__node *node = &f->g->nodes[s < count ? f->groups[set[s]].member[m] : extra];
            for (int i = 0; i < node->n_in; i++) {
                bool old = in_set(f, f->g->values[node->in[i]].node, set, count, extra);
                for (int k = 0; k < n_seen && !old; k++)
                    old = seen[k] == node->in[i];
                if (old)
                    continue;
                if (n_seen > MAX_OPERANDS)
                    return n_seen;
                seen[n_seen++] = node->in[i];
            }
        }
    }
    return n_seen;
}

static void merge(fuser *f, int32_t into, int32_t other)
{
    group *a = &f->groups[into], *b = &f->groups[other];
    for (int m = 0; m < b->count; m++) {
        add_member(a, b->member[m], fusable(f, b->member[m]));
        f->group_of[b->member[m]] = into;
    }
    free(b->member);
    *b = (group){.last = -1};
}

static void grow_with(fuser *f, int32_t n)
{
    const fig__node *node = &f->g->nodes[n];
    const fig_type *space = &f->g->values[node->first_out].type;
    int32_t set[4];
    int count = 0, steps = 1;
    for (int i = 0; i < node->n_in; i++) {
        int32_t own = f->group_of[f->g->values[node->in[i]].node];
        if (own < 0 || !fig__shapes_equal(&f->groups[own].space, space) || in_set(f, f->g->values[node->in[i]].node, set, count, -1))
            continue;
        set[count] = own;
        int32_t first = n;
        for (int k = 0; k <= count; k++)
            if (f->groups[set[k]].member[0] < first)
                first = f->groups[set[k]].member[0];
        bool fits = steps + f->groups[own].steps <= MAX_STEPS && outside_operands(f, set, count + 1, n) <= MAX_OPERANDS;
        if (!fits || makes_cycle(f, set, count + 1, n, first))
            continue;
        steps += f->groups[own].steps;
        count++;
    }
    int32_t home = count ? set[0] : f->n_groups++;
    if (!count)
        f->groups[home] = (group){.space = *space, .last = -1};
    add_member(&f->groups[home], n, true);
    f->group_of[n] = home;
    for (int i = 1; i < count; i++)
        merge(f, home, set[i]);
}

static int reductions(const fuser *f, const group *own)
{
    int count = 0;
    for (int m = 0; m < own->count; m++)
        count += reduces(f, own->member[m]);
    return count;
}

/* A sum over a member: read while the tile is in cache instead of from memory afterwards. */
static void attach_reduction(fuser *f, int32_t n)
{
    int32_t producer = f->g->values[f->g->nodes[n].in[0]].node, own = f->group_of[producer];
    if (own < 0 || reduces(f, producer) || reductions(f, &f->groups[own]) >= MAX_REDUCTIONS)
        return;
    add_member(&f->groups[own], n, false);
    f->group_of[n] = own;
}

/* -- making the program ------------------------------------------------------------------------------------------------------ */

static bool read_outside(const fuser *f, int32_t value, int32_t own)
{
    if (f->needs->root[value])
        return true;
    for (int32_t i = f->reader_start[value]; i < f->reader_start[value + 1]; i++)
        if (f->group_of[f->reader[i]] != own)
            return true;
    return false;
}

typedef struct builder {
    fig_fused_program program;
    int32_t operand[FIG_FUSED_MAX];          /* outside values: registers 0.. */
    int32_t step_value[FIG_FUSED_MAX];       /* value of each step */
    int32_t result[FIG_FUSED_MAX];           /* value behind each output */
} builder;

static int register_of(const builder *b, int32_t value)
{
    for (int i = 0; i < b->program.n_in; i++)
        if (b->operand[i] == value)
            return i;
    for (int s = 0; s < b->program.n_steps; s++)
        if (b->step_value[s] == value)
            return b->program.n_in + s;
    return -1;
}

static void collect_operands(const fuser *f, const group *own, int32_t number, builder *b)
{
    for (int m = 0; m < own->count; m++) {
        const fig__node *node = &f->g->nodes[own->member[m]];
        for (int i = 0; i < node->n_in; i++)
            if (f->group_of[f->g->values[node->in[i]].node] != number && register_of(b, node->in[i]) < 0)
                b->operand[b->program.n_in++] = node->in[i];
    }
}

static void add_output(const fuser *f, builder *b, int32_t n)
{
    const fig__node *node = &f->g->nodes[n];
    fig_fused_program *p = &b->program;
    int k = p->n_out++;
    b->result[k] = node->first_out;
    p->outputs[k] = register_of(b, reduces(f, n) ? node->in[0] : node->first_out);
    p->scale[k] = 1;
    if (!reduces(f, n))
        return;
    const fig_reduce_attr *attr = node->attr;
    p->reduce[k] = attr->axes;
    p->keep[k] = attr->keep;
    if (node->op == &fig_op_mean)
        for (int i = 0; i < p->space.rank; i++)
            if ((attr->axes >> i) & 1)
                p->scale[k] /= (float)p->space.dim[i];
}

static void fill_program(const fuser *f, const group *own, int32_t number, builder *b)
{
    fig_fused_program *p = &b->program;
    p->space = own->space;
    collect_operands(f, own, number, b);
    for (int m = 0; m < own->count; m++) {
        const fig__node *node = &f->g->nodes[own->member[m]];
        if (reduces(f, own->member[m]))
            continue;
        fig_fused_step *step = &p->step[p->n_steps];
        step->code = node->op->pointwise->code;
        for (int i = 0; i < node->n_in; i++)
            step->source[i] = register_of(b, node->in[i]);
        memcpy(step->p, ((const fig_pointwise_attr *)node->attr)->p, sizeof step->p);
        b->step_value[p->n_steps++] = node->first_out;
    }
    for (int m = 0; m < own->count; m++)
        if (reduces(f, own->member[m]) || read_outside(f, f->g->nodes[own->member[m]].first_out, number))
            add_output(f, b, own->member[m]);
}

/* -- emitting in an order that respects the units ------------------------------------------------------------------------------ */

static void emit_node(fuser *f, int32_t n);

static void emit_operands(fuser *f, int32_t n, int32_t own)
{
    const fig__node *node = &f->g->nodes[n];
    for (int i = 0; i < node->n_in; i++) {
        int32_t p = f->g->values[node->in[i]].node;
        if (own < 0 || f->group_of[p] != own)
            emit_node(f, p);
    }
}

static void emit_group(fuser *f, int32_t number)
{
    group *own = &f->groups[number];
    for (int m = 0; m < own->count; m++)
        f->emitted[own->member[m]] = true;
    for (int m = 0; m < own->count; m++)
        emit_operands(f, own->member[m], number);
    builder *b = fig__alloc(sizeof *b);
    fill_program(f, own, number, b);
    fig_node in[FIG_FUSED_MAX], out[FIG_FUSED_MAX];
    for (int i = 0; i < b->program.n_in; i++)
        in[i] = f->map[b->operand[i]];
    fig_fused_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.program = &b->program;
    attr.hash = fig__hash64(&b->program, sizeof b->program, 5);
    f->to->scopes.override_path = fig__arena_text(f->to->arena, f->g->nodes[own->member[0]].path);
    fig__emit_multi(f->to, &fig_op_fused, in, b->program.n_in, &attr, out, b->program.n_out);
    f->to->scopes.override_path = NULL;
    for (int k = 0; k < b->program.n_out; k++)
        f->map[b->result[k]] = out[k];
    free(b);
}

static void emit_node(fuser *f, int32_t n)
{
    if (f->emitted[n])
        return;
    int32_t own = f->group_of[n];
    if (own >= 0 && f->groups[own].count > 1) {
        emit_group(f, own);
        return;
    }
    f->emitted[n] = true;
    emit_operands(f, n, -1);
    fig__copy_node(f->to, f->g, n, f->map);
}

static void index_readers(fuser *f)
{
    const fig_graph *g = f->g;
    f->reader_start = fig__alloc(sizeof *f->reader_start * (size_t)(g->n_values + 2));
    size_t total = 1;
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; fig__node_needed(g, f->needs, n) && i < g->nodes[n].n_in; i++, total++)
            f->reader_start[g->nodes[n].in[i] + 1]++;
    for (int32_t v = 0; v <= g->n_values; v++)
        f->reader_start[v + 1] += f->reader_start[v];
    f->reader = fig__alloc(sizeof *f->reader * total);
    int32_t *fill = fig__alloc(sizeof *fill * (size_t)(g->n_values + 1));
    for (int32_t n = 0; n < g->n_nodes; n++) {
        for (int i = 0; fig__node_needed(g, f->needs, n) && i < g->nodes[n].n_in; i++) {
            int32_t v = g->nodes[n].in[i];
            f->reader[f->reader_start[v] + fill[v]++] = n;
        }
    }
    free(fill);
}

void fig__fuse_pointwise(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    size_t nodes = (size_t)from->n_nodes + 1;
    fuser f = {.g = from, .needs = needs, .map = map, .to = to, .groups = fig__alloc(sizeof *f.groups * nodes),
               .group_of = fig__alloc(sizeof *f.group_of * nodes), .stamp = fig__alloc(sizeof *f.stamp * nodes),
               .stack = fig__alloc(sizeof *f.stack * nodes), .emitted = fig__alloc(nodes)};
    index_readers(&f);
    for (int32_t n = 0; n < from->n_nodes; n++) {
        f.group_of[n] = -1;
        if (!fig__node_needed(from, needs, n))
            continue;
        if (fusable(&f, n))
            grow_with(&f, n);
        else if (reduces(&f, n))
            attach_reduction(&f, n);
    }
    for (int32_t n = 0; n < from->n_nodes; n++)
        if (fig__node_needed(from, needs, n))
            emit_node(&f, n);
    for (int i = 0; i < f.n_groups; i++)
        free(f.groups[i].member);
    free(f.groups);
    free(f.group_of);
    free(f.stamp);
    free(f.stack);
    free(f.emitted);
    free(f.reader_start);
    free(f.reader);
}
