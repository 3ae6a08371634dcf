/* graph/build.c - adding nodes to a graph
 *
 * fig__emit is the only way in: it checks the operands, asks the op's shape rule for the outputs' types and appends.
 * A mistake marks the graph once and yields the poisoned value (number 0), which every later call accepts and passes
 * on. */
#include "graph/graph.h"

#include <stdlib.h>
#include <string.h>

/* Pointers to nodes and values die with the next node. The address sanitizer's build moves both arrays every time
 * while they are small, so that it sees who forgot. */
#ifdef __SANITIZE_ADDRESS__
static int larger(int capacity) { return capacity < 1000 ? capacity + 1 : capacity * 2; }
#else
static int larger(int capacity) { return capacity < 64 ? 64 : capacity * 2; }
#endif

fig_graph *fig_graph_new(void)
{
    fig_graph *g = fig__alloc(sizeof *g);
    g->arena = fig__arena_new();
    g->cap_values = larger(0);
    g->values = fig__alloc(sizeof *g->values * (size_t)g->cap_values);
    g->values[0] = (fig__value){.node = -1};
    g->n_values = 1;
    fig_scope_push(g, "");
    return g;
}

void fig_graph_free(fig_graph *g)
{
    if (!g || atomic_fetch_sub(&g->users, 1) > 0)
        return;
    while (g->scopes.depth > 0)
        fig__index_free(&g->scopes.frame[--g->scopes.depth].counters);
    free(g->scopes.frame);
    fig__index_free(&g->scopes.streams);
    fig__index_free(&g->leaves);
    for (int i = 0; i < g->n_children; i++)
        fig_graph_free(g->children[i]);
    free(g->children);
    fig__arena_free(g->arena);
    free(g->nodes);
    free(g->values);
    free(g->assigns);
    free(g);
}

fig_status fig_graph_check(const fig_graph *g, fig_error *err)
{
    if (g->error.status == FIG_OK)
        return FIG_OK;
    return fig_fail(err, g->error.status, "%s", g->error.message);
}

fig_node fig_graph_fail(fig_graph *g, const char *format, ...)
{
    if (!g)
        return FIG_NONE;
    if (g->error.status == FIG_OK) {
        va_list args;
        va_start(args, format);
        fig_failv(&g->error, FIG_E_SHAPE, format, args);
        va_end(args);
        const char *path = fig__scope_path(g, NULL);
        if (*path)
            fig_error_prefix(&g->error, "%s", path);
    }
    return (fig_node){g, 0};
}

bool fig__poisoned(fig_node x)
{
    return !x.graph || x.id == 0;
}

fig_graph *fig__graph_of(const fig_node *in, int n_in)
{
    fig_graph *g = NULL;
    for (int i = 0; i < n_in && !g; i++)
        g = in[i].graph;
    for (int i = 0; g && i < n_in; i++)
        if (in[i].graph && in[i].graph != g)
            fig_graph_fail(g, "operand %d belongs to another graph; a graph can only use its own values", i);
    return g;
}

fig_type fig_type_of(fig_node x)
{
    return x.graph ? x.graph->values[x.id].type : FIG_SCALAR;
}

int fig_rank(fig_node x)
{
    return fig_type_of(x).rank;
}

int64_t fig_dim(fig_node x, int axis)
{
    fig_type type = fig_type_of(x);
    int at = axis < 0 ? axis + type.rank : axis;
    if (at >= 0 && at < type.rank)
        return type.dim[at];
    if (!fig__poisoned(x))
        fig_graph_fail(x.graph, "axis %d of a value with %d axes", axis, type.rank);
    return 1;
}

int64_t fig_elements(const fig_type *type)
{
    int64_t n = 1;
    for (int i = 0; i < type->rank; i++)
        n *= type->dim[i];
    return n;
}

bool fig_same_shape(fig_node a, fig_node b)
{
    fig_type ta = fig_type_of(a), tb = fig_type_of(b);
    return fig__shapes_equal(&ta, &tb);
}

int fig__axis(fig_node x, int axis, const char *op)
{
    int rank = fig_rank(x), at = axis < 0 ? axis + rank : axis;
    if (at >= 0 && at < rank)
        return at;
    if (!fig__poisoned(x))
        fig_graph_fail(x.graph, "%s: axis %d of a value with %d axes", op, axis, rank);
    return 0;
}

fig__arena *fig__graph_arena(fig_graph *g)
{
    return g->arena;
}

const fig_op *fig__producer(fig_node x)
{
    return fig__poisoned(x) ? NULL : fig__node_of(x.graph, x.id)->op;
}

const void *fig__producer_attr(fig_node x)
{
    return fig__poisoned(x) ? NULL : fig__node_of(x.graph, x.id)->attr;
}

/* True when every size is positive and the bytes fit: nothing later multiplies sizes unchecked. */
static bool sane(const fig_type *type)
{
    uint64_t n = 4;
    if (type->rank < 0 || type->rank > FIG_MAX_RANK)
        return false;
    for (int i = 0; i < type->rank; i++)
        if (type->dim[i] < 1 || !fig__mul(n, (uint64_t)type->dim[i], &n) || n > (1ull << 46))
            return false;
    return true;
}

static void reserve(fig_graph *g, int outputs)
{
    if (g->n_nodes + 1 > g->cap_nodes) {
        g->cap_nodes = larger(g->cap_nodes);
        g->nodes = fig__realloc(g->nodes, sizeof *g->nodes * (size_t)g->cap_nodes);
    }
    while (g->n_values + outputs > g->cap_values) {
        g->cap_values = larger(g->cap_values);
        g->values = fig__realloc(g->values, sizeof *g->values * (size_t)g->cap_values);
    }
}

fig_status fig__infer_stored(const fig_op *op, fig_infer *c, uint64_t stored)
{
    for (int i = 0; i < c->n_in; i++) /* such lines are read where the graph says that they are stored so, and by casts */
        if (c->in[i].dtype == FIG_I8 && op != &fig_op_cast && (!stored || (op->flags & FIG_OP_VIEW)))
            return fig_fail(c->err, FIG_E_SHAPE, "%s: operand %d is stored as int8 lines; fig_cast it to f32 first", op->name, i + 1);
    if (!stored)
        return op->infer(c);
    fig_type *in = fig__alloc(sizeof *in * (size_t)(c->n_in + 1));
    for (int i = 0; i < c->n_in; i++) {
        in[i] = c->in[i];
        in[i].dtype = fig__narrow_dtype(in[i].dtype) ? FIG_F32 : in[i].dtype;
    }
    fig_infer plain = *c;
    plain.in = in;
    fig_status status = op->infer(&plain);
    c->n_out = plain.n_out;
    for (int i = 0; status == FIG_OK && i < c->n_out; i++)
        if ((stored >> i & 1) && c->out[i].dtype == FIG_F32)
            c->out[i].dtype = FIG_BF16;
    free(in);
    return status;
}

static bool infer(fig_graph *g, const fig_op *op, const fig_node *in, int n_in, const void *attr, uint64_t stored,
                  fig_type *out, int *n_out)
{
    if (op->operands >= 0 && n_in != op->operands)
        FIG_BUG("%s takes %d operands, got %d", op->name, op->operands, n_in);
    fig_type *types = fig__alloc(sizeof *types * (size_t)(n_in + 1));
    for (int i = 0; i < n_in; i++)
        types[i] = fig_type_of(in[i]);
    fig_error err = {0};
    fig_infer c = {.n_in = n_in, .n_out = 1, .in = types, .out = out, .attr = attr, .err = &err};
    fig_status status = fig__infer_stored(op, &c, stored);
    free(types);
    for (int i = 0; status == FIG_OK && i < c.n_out; i++)
        if (!sane(&out[i]))
            status =
                fig_fail(&err, FIG_E_SHAPE, "%s: the result has an empty, negative or far too large axis", op->name);
    if (status != FIG_OK)
        fig_graph_fail(g, "%s", err.message);
    *n_out = c.n_out;
    return status == FIG_OK;
}

static void append(fig_graph *g, const fig_op *op, const fig_node *in, int n_in, const void *attr, uint64_t stored,
                   const fig_type *types, int n_out)
{
    reserve(g, n_out);
    fig__node *node = &g->nodes[g->n_nodes];
    *node = (fig__node){.op = op, .n_in = n_in, .n_out = n_out, .first_out = g->n_values, .stored = stored};
    node->path = fig__scope_path(g, NULL);
    node->in = FIG_NEW_ARRAY(g->arena, int32_t, n_in);
    for (int i = 0; i < n_in; i++)
        node->in[i] = in[i].id;
    if (op->attr_size) {
        void *copy = fig__arena_alloc(g->arena, op->attr_size);
        memcpy(copy, attr, op->attr_size);
        if (op->adopt)
            op->adopt(copy, g);
        node->attr = copy;
    }
    for (int i = 0; i < n_out; i++)
        g->values[g->n_values++] = (fig__value){.type = types[i], .node = g->n_nodes};
    g->n_nodes++;
}

static void emit(fig_graph *g, const fig_op *op, const fig_node *in, int n_in, const void *attr, uint64_t stored,
                 fig_node *out, int n_out)
{
    for (int i = 0; i < n_out; i++)
        out[i] = (fig_node){g, 0};
    if (!g)
        return;
    for (int i = 0; i < n_in; i++) {
        if (fig_is_none(in[i]))
            fig_graph_fail(g, "%s: operand %d is missing", op->name, i);
        if (fig__poisoned(in[i]))
            return;
    }
    fig__graph_of(in, n_in);
    fig_type types[FIG_MAX_OUTPUTS];
    int found = 1;
    memset(types, 0, sizeof types);
    if (!infer(g, op, in, n_in, attr, stored, types, &found))
        return;
    if (found != n_out)
        FIG_BUG("%s has %d outputs, %d were asked for", op->name, found, n_out);
    append(g, op, in, n_in, attr, stored, types, n_out);
    for (int i = 0; i < n_out; i++)
        out[i] = (fig_node){g, g->n_values - n_out + i};
}

void fig__emit_multi(fig_graph *g, const fig_op *op, const fig_node *in, int n_in, const void *attr, fig_node *out,
                     int n_out)
{
    emit(g, op, in, n_in, attr, 0, out, n_out);
}

void fig__emit_stored(fig_graph *g, const fig_op *op, const fig_node *in, int n_in, const void *attr, uint64_t bits,
                      fig_node *out, int n_out)
{
    emit(g, op, in, n_in, attr, bits | FIG__STORED, out, n_out);
}

fig_node fig__emit(fig_graph *g, const fig_op *op, const fig_node *in, int n_in, const void *attr)
{
    fig_node out;
    fig__emit_multi(g, op, in, n_in, attr, &out, 1);
    return out;
}

void fig__graph_share(fig_graph *g, fig_graph *child)
{
    g->children = fig__realloc(g->children, sizeof *g->children * (size_t)(g->n_children + 1));
    g->children[g->n_children++] = child;
    atomic_fetch_add(&child->users, 1);
}

/* -- leaves: one node per name ------------------------------------------------------------------------------------- */

static uint64_t leaf_key(const fig_op *op, const char *name)
{
    return fig__hash64(name, strlen(name), fig__hash64(op->name, strlen(op->name), 1));
}

int32_t fig__find_leaf(const fig_graph *g, const fig_op *op, const char *name)
{
    return (int32_t)fig__index_get(&g->leaves, leaf_key(op, name), -1);
}

static fig_node leaf(fig_graph *g, const fig_op *op, const char *name, fig_type type, float fallback)
{
    int32_t old = fig__find_leaf(g, op, name);
    if (old >= 0) {
        const fig_type *found = &g->values[old].type;
        if (fig__types_equal(found, &type))
            return (fig_node){g, old};
        char a[128], b[128];
        fig__type_text(found, a);
        fig__type_text(&type, b);
        return fig_graph_fail(g, "%s \"%s\" is %s already and cannot also be %s", op->name, name, a, b);
    }
    fig_leaf_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.name = name;
    attr.fallback = fallback;
    attr.type = type;
    fig_node out = fig__emit(g, op, NULL, 0, &attr);
    if (!fig__poisoned(out))
        *fig__index_at(&g->leaves, leaf_key(op, name), -1) = out.id;
    return out;
}

fig_node fig_input(fig_graph *g, const char *name, fig_type type)
{
    return leaf(g, &fig_op_input, name, type, 0);
}

fig_node fig_state(fig_graph *g, const char *name, fig_type type)
{
    return leaf(g, &fig_op_state, name, type, 0);
}

fig_node fig_scalar(fig_graph *g, const char *name, float fallback)
{
    return leaf(g, &fig_op_scalar, name, FIG_SCALAR, fallback);
}

/* -- assignments --------------------------------------------------------------------------------------------------- */

void fig__assign_anchored(fig_node state, fig_node value, fig_node anchor)
{
    fig_graph *g = fig__graph_of((fig_node[]){state, value}, 2);
    if (!g || fig__poisoned(state) || fig__poisoned(value))
        return;
    if (fig__producer(state) != &fig_op_state) {
        fig_graph_fail(g, "assign: the target is no state but the result of \"%s\"", fig__producer(state)->name);
        return;
    }
    if (!fig__types_equal(&g->values[state.id].type, &g->values[value.id].type)) {
        char a[128], b[128];
        fig__type_text(&g->values[state.id].type, a);
        fig__type_text(&g->values[value.id].type, b);
        fig_graph_fail(g, "assign: state \"%s\" is %s, the value is %s",
                       ((const fig_leaf_attr *)fig__producer_attr(state))->name, a, b);
        return;
    }
    if (g->n_assigns == g->cap_assigns) {
        g->cap_assigns = g->cap_assigns ? g->cap_assigns * 2 : 32;
        g->assigns = fig__realloc(g->assigns, sizeof *g->assigns * (size_t)g->cap_assigns);
    }
    g->assigns[g->n_assigns++] = (fig__assign){state.id, value.id, fig_is_none(anchor) ? -1 : anchor.id};
}

void fig_assign(fig_node state, fig_node value)
{
    fig__assign_anchored(state, value, FIG_NONE);
}
