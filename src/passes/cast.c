/* passes/cast.c - bf16: which values are stored in it, and the casts between
 *
 * A training in bf16 keeps f32 where small differences add up - weights, optimizer, statistics, losses, every sum - and uses
 * bf16 where the time goes: operands of products, and the activations and gradients stored between them. Arithmetic stays f32;
 * a product adds up in f32 (graph.h, fig__node.stored, says what storage is). Four facts about each value decide:
 *
 *     full     an output, a new state, or on the way to one through element-by-element work: stays f32
 *     wished   a product reads it, perhaps behind element-by-element work of its own size
 *     small    fewer than SMALL elements: nothing to gain
 *     widened  everyone who reads it reads f32, so storing it in bf16 would only add a cast
 *
 * and what its op can do, which its record says (fig_op.narrow): a product reads bf16, so its operands are cast; a free op
 * reads and writes either, so its result is bf16 where one of its operands is or a product wishes it; a move keeps what it
 * is given. All other ops read and write f32. A value is cast at most once: a weight once a step, however many products
 * read it. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL = 1024 };

typedef struct caster {
    const fig_graph *from;
    fig_graph *to;
    fig_node *map;         /* the value as it is stored in the new graph */
    fig_node *other;       /* the same value cast to the other type; FIG_NONE until somebody asks */
    bool *full, *wished;
    int *readers, *wide;   /* readers; how many of them read f32 whatever is stored */
} caster;

/* -- what an op can do ------------------------------------------------------------------------------------------------- */

static fig_narrow rule_of(const fig__node *node)
{
    fig_narrow found = node->op->narrow;
    if (node->op->flags & FIG_OP_POINTWISE)
        found = (fig_narrow){ FIG_NARROW_FREE, 1 };
    if (node->op == &fig_op_fused) { /* element by element, every output that is not a sum */
        const fig_fused_program *p = ((const fig_fused_attr *)node->attr)->program;
        found.kind = FIG_NARROW_FREE;
        for (int k = 0; k < p->n_out && k < 32; k++)
            found.stores |= p->reduce[k] ? 0 : 1u << k;
    }
    return found;
}

static bool real(const fig_graph *g, int32_t value) { return g->values[value].type.dtype == FIG_F32; }

/* Whether operand i is one that a product multiplies. */
static bool multiplied(const fig_graph *g, const fig__node *node, const fig_narrow *r, int i)
{
    return r->kind == FIG_NARROW_PRODUCT && (r->all ? g->values[node->in[i]].type.rank > 1 : i < 2);
}

/* Whether the op reads operand i in f32 even where it is stored in bf16. */
static bool reads_f32(const fig_graph *g, const fig__node *node, const fig_narrow *r, int i)
{
    bool either = i < 32 && (r->either >> i & 1);
    return r->kind == FIG_NARROW_NONE ||
           (r->kind == FIG_NARROW_PRODUCT && !multiplied(g, node, r, i) && !either && !(node->op->flags & FIG_OP_VIEW));
}

static int64_t count(const fig_graph *g, int32_t value) { return fig__count(&g->values[value].type); }

/* Whether the op only passes operand i's elements on, changed one by one, to output k. */
static bool passes_on(const fig_graph *g, const fig__node *node, const fig_narrow *r, int i, int k)
{
    return (r->kind == FIG_NARROW_FREE || r->kind == FIG_NARROW_MOVE) && (r->stores >> k & 1) && real(g, node->in[i]) &&
           (r->kind == FIG_NARROW_MOVE || count(g, node->in[i]) == count(g, node->first_out + k));
}

/* -- what becomes of a value ------------------------------------------------------------------------------------------- */

/* Backwards, so that what a reader's results are is known. Full goes through element-by-element work and moves only: a
 * normalisation's or a loss's result may be f32 while what it reads is not. */
static void mark(caster *c, const fig__needs *needs)
{
    const fig_graph *g = c->from;
    for (int32_t v = 0; v < g->n_values; v++)
        c->full[v] = needs->root[v];
    for (int32_t n = g->n_nodes - 1; n >= 0; n--) {
        const fig__node *node = &g->nodes[n];
        if (!fig__node_needed(g, needs, n))
            continue;
        fig_narrow r = rule_of(node);
        bool exact = r.kind == FIG_NARROW_MOVE || (node->op->flags & FIG_OP_POINTWISE) || node->op == &fig_op_fused;
        for (int i = 0; i < node->n_in; i++) {
            c->readers[node->in[i]]++;
            c->wide[node->in[i]] += reads_f32(g, node, &r, i);
            if (multiplied(g, node, &r, i))
                c->wished[node->in[i]] = true;
            for (int k = 0; k < node->n_out && k < 32; k++)
                if (passes_on(g, node, &r, i, k)) {
                    c->full[node->in[i]] |= exact && c->full[node->first_out + k];
                    c->wished[node->in[i]] |= c->wished[node->first_out + k];
                }
        }
    }
}

static bool narrow(const caster *c, int32_t value) { return fig_type_of(c->map[value]).dtype == FIG_BF16; }

/* Outputs of a node that will be stored in bf16. */
static uint64_t choose(const caster *c, const fig__node *node, const fig_narrow *r)
{
    const fig_graph *g = c->from;
    bool any = r->kind == FIG_NARROW_PRODUCT;
    uint64_t bits = 0;
    for (int i = 0; i < node->n_in; i++)
        any |= narrow(c, node->in[i]);
    for (int k = 0; k < node->n_out && k < 32; k++) {
        int32_t v = node->first_out + k;
        bool view = (node->op->flags & FIG_OP_VIEW) != 0; /* is what its operand is */
        if (!(r->stores >> k & 1) || !real(g, v))
            continue;
        bool widened = c->readers[v] && c->wide[v] == c->readers[v];
        if (view ? any : !c->full[v] && !widened && count(g, v) >= SMALL && (any || c->wished[v]))
            bits |= 1ull << k;
    }
    return bits;
}

static fig_node as(caster *c, int32_t value, fig_dtype dtype)
{
    if (fig_type_of(c->map[value]).dtype == dtype || !real(c->from, value))
        return c->map[value];
    if (fig_is_none(c->other[value]))
        c->other[value] = fig_cast(c->map[value], dtype);
    return c->other[value];
}

/* A node whose operands or results are stored in bf16. */
static void emit(caster *c, const fig__node *node, const fig_narrow *r, uint64_t bits)
{
    fig_node *in = fig__alloc(sizeof *in * (size_t)(node->n_in + 1)), out[FIG_MAX_OUTPUTS];
    bool any = bits != 0;
    const void *attr = node->attr;
    void *told = NULL;
    if (r->rounds) {
        attr = told = fig__alloc(node->op->attr_size);
        memcpy(told, node->attr, node->op->attr_size);
        r->rounds(told);
    }
    c->to->scopes.override_path = fig__arena_text(c->to->arena, node->path);
    for (int i = 0; i < node->n_in; i++) {
        int32_t v = node->in[i];
        bool view = (node->op->flags & FIG_OP_VIEW) != 0, product = r->kind == FIG_NARROW_PRODUCT;
        bool either = product && i < 32 && (r->either >> i & 1);
        if (r->kind == FIG_NARROW_NONE || (r->kind == FIG_NARROW_MOVE && !bits && !view) ||
            (product && !multiplied(c->from, node, r, i) && !either))
            in[i] = as(c, v, FIG_F32);
        else if ((product && !either) || (r->kind == FIG_NARROW_MOVE && !view))
            in[i] = as(c, v, FIG_BF16);
        else
            in[i] = c->map[v];
        any |= fig_type_of(in[i]).dtype == FIG_BF16 && real(c->from, v);
    }
    if (any)
        fig__emit_stored(c->to, node->op, in, node->n_in, attr, bits, out, node->n_out);
    else
        fig__emit_multi(c->to, node->op, in, node->n_in, attr, out, node->n_out);
    c->to->scopes.override_path = NULL;
    for (int k = 0; k < node->n_out; k++)
        c->map[node->first_out + k] = out[k];
    free(told);
    free(in);
}

void fig__cast(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    size_t values = (size_t)from->n_values;
    caster c = { .from = from, .to = to, .map = map };
    c.full = fig__alloc(sizeof *c.full * values);
    c.wished = fig__alloc(sizeof *c.wished * values);
    c.other = fig__alloc(sizeof *c.other * values);
    c.readers = fig__alloc(sizeof *c.readers * values);
    c.wide = fig__alloc(sizeof *c.wide * values);
    mark(&c, needs);
    for (int32_t n = 0; n < from->n_nodes; n++) {
        const fig__node *node = &from->nodes[n];
        if (!fig__node_needed(from, needs, n))
            continue;
        fig_narrow r = rule_of(node);
        if ((node->op->flags & FIG_OP_LEAF) || node->stored)
            fig__copy_node(to, from, n, map);
        else
            emit(&c, node, &r, choose(&c, node, &r));
    }
    free(c.full);
    free(c.wished);
    free(c.other);
    free(c.readers);
    free(c.wide);
}
