/* passes/fuse_pointwise.c - chains of element-by-element work become one program over tiles
 *
 * Groups grow from producers to consumers: a node joins the groups of its operands when their iteration space (the
 * full shape) is its own and when the union can still run as one unit (units.c). Sums and means of a member join as
 * reduced outputs. A fused node computes each member once per element and writes only what is read outside, so no
 * value is computed twice and none is written in vain. A sum is complete only when the whole program has run: no
 * member may read one. */
#include "passes/units.h"

#include <stdlib.h>
#include <string.h>

/* Limits below FIG_FUSED_MAX: registers of a tile must stay in the first-level cache. Steps and sums together are at
 * most the outputs that a program can have. */
enum { MAX_STEPS = 48, MAX_OPERANDS = 24, MAX_SUMS = 8 };
_Static_assert(MAX_STEPS + MAX_SUMS <= FIG_FUSED_MAX && FIG_FUSED_MAX <= FIG_MAX_OUTPUTS, "a program's outputs");

typedef struct fuser {
    const fig_graph *g;
    const fig__needs *needs;
    fig__units units;  /* a group is a unit that is named by one of its steps */
    int *steps, *sums; /* of units; steps 0 = no group */
    fig_node *map;
    fig_graph *to;
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

static bool is_sum(const fuser *f, int32_t n)
{
    const fig__node *node = &f->g->nodes[n];
    return (node->op == &fig_op_sum || node->op == &fig_op_mean) && f->g->values[node->in[0]].type.dtype == FIG_F32;
}

static int32_t group_of(const fuser *f, int32_t value)
{
    return f->units.unit_of[f->g->values[value].node];
}

/* -- growing groups ------------------------------------------------------------------------------------------------ */

/* Whether the members of two groups can be one program: operands from outside within the limit, and none reads a
 * sum. */
static bool fits(const fuser *f, int32_t a, int32_t b)
{
    int32_t seen[MAX_OPERANDS];
    int count = 0;
    if (f->steps[a] + f->steps[b] > MAX_STEPS || f->sums[a] + f->sums[b] > MAX_SUMS)
        return false;
    for (int side = 0; side < 2; side++) {
        for (int32_t n = side ? b : a; n >= 0; n = f->units.next[n]) {
            const fig__node *node = &f->g->nodes[n];
            for (int i = 0; i < node->n_in; i++) {
                int32_t from = f->g->values[node->in[i]].node, group = f->units.unit_of[from];
                bool inside = group == a || group == b, old = false;
                if (inside && is_sum(f, from))
                    return false;
                for (int k = 0; k < count && !inside && !old; k++)
                    old = seen[k] == node->in[i];
                if (inside || old)
                    continue;
                if (count == MAX_OPERANDS)
                    return false;
                seen[count++] = node->in[i];
            }
        }
    }
    return true;
}

static bool join(fuser *f, int32_t group, int32_t other)
{
    if (!fits(f, group, other) || !fig__units_join(&f->units, group, other))
        return false;
    f->steps[group] += f->steps[other];
    f->sums[group] += f->sums[other];
    return true;
}

static void grow_with(fuser *f, int32_t n)
{
    const fig__node *node = &f->g->nodes[n];
    f->steps[n] = 1;
    for (int i = 0; i < node->n_in; i++) {
        int32_t home = f->units.unit_of[n], other = group_of(f, node->in[i]);
        if (other == home || !f->steps[other] ||
            !fig__shapes_equal(&f->g->values[f->g->nodes[other].first_out].type, &f->g->values[node->first_out].type))
            continue;
        join(f, other, home);
    }
}

/* A sum over a member: read while the tile is in cache instead of from memory afterwards. */
static void attach_sum(fuser *f, int32_t n)
{
    int32_t operand = f->g->nodes[n].in[0];
    f->sums[n] = 1;
    if (f->steps[group_of(f, operand)])
        join(f, group_of(f, operand), n);
}

/* -- making the program -------------------------------------------------------------------------------------------- */

static bool read_outside(const fuser *f, int32_t value, int32_t group)
{
    const fig__units *u = &f->units;
    if (f->needs->root[value])
        return true;
    for (int32_t i = u->reader_start[value]; i < u->reader_start[value + 1]; i++)
        if (u->unit_of[u->reader[i]] != group)
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

static void collect_operands(const fuser *f, int32_t group, const int32_t *member, int count, builder *b)
{
    for (int m = 0; m < count; m++) {
        const fig__node *node = &f->g->nodes[member[m]];
        for (int i = 0; i < node->n_in; i++)
            if (group_of(f, node->in[i]) != group && register_of(b, node->in[i]) < 0)
                b->operand[b->program.n_in++] = node->in[i];
    }
}

static void add_step(const fuser *f, int32_t n, builder *b)
{
    const fig__node *node = &f->g->nodes[n];
    fig_fused_program *p = &b->program;
    fig_fused_step *step = &p->step[p->n_steps];
    step->code = node->op->pointwise->code;
    for (int i = 0; i < node->n_in; i++)
        step->source[i] = register_of(b, node->in[i]);
    memcpy(step->p, ((const fig_pointwise_attr *)node->attr)->p, sizeof step->p);
    b->step_value[p->n_steps++] = node->first_out;
}

static void add_output(const fuser *f, int32_t n, builder *b)
{
    const fig__node *node = &f->g->nodes[n];
    fig_fused_program *p = &b->program;
    int k = p->n_out++;
    b->result[k] = node->first_out;
    p->outputs[k] = register_of(b, is_sum(f, n) ? node->in[0] : node->first_out);
    p->scale[k] = 1;
    if (!is_sum(f, n))
        return;
    const fig_reduce_attr *attr = node->attr;
    p->reduce[k] = attr->axes;
    p->keep[k] = attr->keep;
    if (node->op == &fig_op_mean)
        for (int i = 0; i < p->space.rank; i++)
            if ((attr->axes >> i) & 1)
                p->scale[k] /= (float)p->space.dim[i];
}

static void fill_program(const fuser *f, int32_t group, const int32_t *member, int count, builder *b)
{
    b->program.space = f->g->values[f->g->nodes[group].first_out].type;
    collect_operands(f, group, member, count, b);
    for (int m = 0; m < count; m++)
        if (!is_sum(f, member[m]))
            add_step(f, member[m], b);
    for (int m = 0; m < count; m++)
        if (is_sum(f, member[m]) || read_outside(f, f->g->nodes[member[m]].first_out, group))
            add_output(f, member[m], b);
}

static void emit_group(fuser *f, int32_t group, const int32_t *member, int count)
{
    builder *b = fig__alloc(sizeof *b);
    fill_program(f, group, member, count, b);
    fig_node in[FIG_FUSED_MAX], out[FIG_FUSED_MAX];
    for (int i = 0; i < b->program.n_in; i++)
        in[i] = f->map[b->operand[i]];
    fig_fused_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.program = &b->program;
    attr.hash = fig__hash64(&b->program, sizeof b->program, 5);
    f->to->scopes.override_path = fig__arena_text(f->to->arena, f->g->nodes[member[0]].path);
    fig__emit_multi(f->to, &fig_op_fused, in, b->program.n_in, &attr, out, b->program.n_out);
    f->to->scopes.override_path = NULL;
    for (int k = 0; k < b->program.n_out; k++)
        f->map[b->result[k]] = out[k];
    free(b);
}

void fig__fuse_pointwise(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    size_t nodes = (size_t)from->n_nodes + 1;
    fuser f = {.g = from, .needs = needs, .map = map, .to = to};
    f.steps = fig__alloc(sizeof(int) * nodes);
    f.sums = fig__alloc(sizeof(int) * nodes);
    int32_t *order = fig__alloc(sizeof *order * nodes), member[MAX_STEPS + MAX_SUMS];
    fig__units_begin(&f.units, from, needs);
    for (int32_t n = 0; n < from->n_nodes; n++) {
        if (!fig__node_needed(from, needs, n))
            continue;
        if (fusable(&f, n))
            grow_with(&f, n);
        else if (is_sum(&f, n))
            attach_sum(&f, n);
    }
    int32_t count = fig__units_order(&f.units, order);
    for (int32_t i = 0; i < count; i++) {
        if (!fig__node_needed(from, needs, order[i]))
            continue;
        if (f.units.next[order[i]] < 0)
            fig__copy_node(to, from, order[i], map);
        else
            emit_group(&f, order[i], member, fig__units_members(&f.units, order[i], member));
    }
    fig__units_end(&f.units);
    free(f.steps);
    free(f.sums);
    free(order);
}
