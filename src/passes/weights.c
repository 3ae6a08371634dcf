/* passes/weights.c - weights of products in bf16 or as int8 lines, for plans that only read them
 *
 * A plan that decodes reads every weight once a token and is as fast as memory gives them, so they are kept a second time, narrower.
 * How a weight is stored is a property of storage, as in a training in bf16 (passes/cast.c): the product stays the same op, whose
 * arithmetic is f32, and its right operand becomes a cast of the weight. A cast depends on states alone, so the plan computes it
 * once and not in every run (exec/compile.c). Nothing new is named or saved, and averaged weights come the same way.
 *
 * A weight is a state that the graph does not replace, perhaps seen through reshapes, of two axes, as the right operand of a product.
 * It is brought to lines along the sum (n, k) first, since that is how kernels read it. Tables keep f32 where rows are picked from
 * them, as that reads one line a token, so a table shared with the last product is exact on one side. Convolutions to and from single
 * places are products of a matrix as well; other ops say in their records which operands are lines. Convolutions otherwise and
 * recurrent layers read f32.
 *
 * Keys and values of earlier steps are read once a token, too: a state that one op alone reads and replaces, and that its record says
 * it remembers by, becomes bf16 itself, for int8 weights as well, and the store keeps it so. Such memories begin at zero. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

enum { SMALL = 1024 }; /* elements: below, nothing is to be gained */

typedef struct keeper {
    const fig_graph *from;
    fig_graph *to;
    fig_node *map;
    bool *replaced;   /* value: a state that is assigned */
    bool *memory;     /* value: a state that is stored in bf16 */
    fig_node *lines;  /* value: its lines in the narrow form; FIG_NONE until somebody asks */
    fig_node *turned; /* the same of its transpose */
    fig_dtype dtype;
} keeper;

static bool is_weight(const keeper *k, int32_t value)
{
    const fig_graph *g = k->from;
    const fig_type *type = &g->values[value].type;
    if (type->dtype != FIG_F32 || fig__count(type) < SMALL)
        return false;
    while (fig__node_of(g, value)->op == &fig_op_reshape)
        value = fig__node_of(g, value)->in[0];
    return fig__node_of(g, value)->op == &fig_op_state && !k->replaced[value];
}

static fig_node narrow_lines(keeper *k, int32_t value, const fig_type *matrix, bool turn)
{
    fig_node *kept = turn ? &k->turned[value] : &k->lines[value];
    if (fig_is_none(*kept)) {
        fig_type own = k->from->values[value].type;
        fig_node x = fig__shapes_equal(&own, matrix) ? k->map[value] : fig_reshape(k->map[value], *matrix);
        *kept = fig_cast(turn ? fig_transpose(x, NULL) : x, k->dtype);
    }
    return *kept;
}

static bool keep_product(keeper *k, const fig__node *node)
{
    const fig_graph *g = k->from;
    bool fused = node->op == &fig_op_matmul_fused;
    if ((!fused && node->op != &fig_op_matmul) || g->values[node->in[1]].type.rank != 2 ||
        g->values[node->in[0]].type.dtype != FIG_F32 || !is_weight(k, node->in[1]))
        return false;
    fig_matmul_fused_attr attr;
    memset(&attr, 0, sizeof attr);
    if (fused)
        attr = *(const fig_matmul_fused_attr *)node->attr;
    else
        attr.matmul = *(const fig_matmul_attr *)node->attr;
    fig_node in[3] = { k->map[node->in[0]], narrow_lines(k, node->in[1], &g->values[node->in[1]].type, !attr.matmul.transpose_b) };
    in[2] = node->n_in > 2 ? k->map[node->in[2]] : FIG_NONE;
    attr.matmul.transpose_b = 1;
    const void *how = fused ? (const void *)&attr : &attr.matmul;
    fig__emit_stored(k->to, node->op, in, node->n_in, how, 0, &k->map[node->first_out], 1);
    return true;
}

static bool one_place(const fig_conv_attr *conv, const fig_type *weight)
{
    bool plain = conv->groups == 1;
    for (int i = 0; i < conv->spatial; i++)
        plain = plain && weight->dim[1 + i] == 1 && conv->stride[i] == 1 && !conv->before[i] && !conv->after[i];
    return plain;
}

static bool keep_convolution(keeper *k, const fig__node *node)
{
    const fig_graph *g = k->from;
    bool fused = node->op == &fig_op_convolution_fused;
    if (!fused && node->op != &fig_op_convolution)
        return false;
    const fig_convolution_fused_attr *conv = node->attr;
    const fig_type *x = &g->values[node->in[0]].type, *weight = &g->values[node->in[1]].type;
    int64_t in_channels = weight->dim[weight->rank - 1];
    if (x->dtype != FIG_F32 || !one_place(fused ? &conv->conv : node->attr, weight) || !is_weight(k, node->in[1]))
        return false;
    fig_matmul_fused_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.matmul.transpose_b = 1;
    if (fused)
        attr.after = conv->after;
    fig_type matrix = FIG_SHAPE(weight->dim[0], in_channels);
    fig_node in[3] = { fig_reshape(k->map[node->in[0]], FIG_SHAPE(-1, in_channels)), narrow_lines(k, node->in[1], &matrix, false) }, y;
    in[2] = node->n_in > 2 ? k->map[node->in[2]] : FIG_NONE;
    const void *how = fused ? (const void *)&attr : &attr.matmul;
    fig__emit_stored(k->to, fused ? &fig_op_matmul_fused : &fig_op_matmul, in, node->n_in, how, 0, &y, 1);
    k->map[node->first_out] = fig_reshape(y, g->values[node->first_out].type);
    return true;
}

/* Ops that say themselves which operands are matrices of lines. */
static bool keep_lines(keeper *k, const fig__node *node)
{
    fig_node in[32], out[FIG_MAX_OUTPUTS];
    bool any = false;
    for (int i = 0; i < node->n_in && node->op->lines; i++) {
        const fig_type *type = &k->from->values[node->in[i]].type;
        bool weight = (node->op->lines >> i & 1) && is_weight(k, node->in[i]);
        in[i] = weight ? narrow_lines(k, node->in[i], type, false) : k->map[node->in[i]];
        any |= weight;
    }
    if (!any)
        return false;
    fig__emit_stored(k->to, node->op, in, node->n_in, node->attr, 0, out, node->n_out);
    for (int i = 0; i < node->n_out; i++)
        k->map[node->first_out + i] = out[i];
    return true;
}

static int uses_of(const fig_graph *g, const fig__needs *needs, int32_t value)
{
    int count = 0;
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; i < g->nodes[n].n_in && fig__node_needed(g, needs, n); i++)
            count += g->nodes[n].in[i] == value;
    for (int i = 0; i < g->n_assigns; i++)
        count += g->assigns[i].value == value;
    return count;
}

/* Operand i of a node is a state that the node alone reads, and result i is what replaces it and nothing else. */
static bool only_memory(const fig_graph *g, const fig__needs *needs, const fig__node *node, int i)
{
    int32_t state = node->in[i], next = node->first_out + i;
    bool replaces = false;
    for (int k = 0; k < g->n_assigns; k++)
        replaces |= g->assigns[k].state == state && g->assigns[k].value == next;
    return replaces && !needs->output[state] && !needs->output[next] && fig__node_of(g, state)->op == &fig_op_state &&
           g->values[state].type.dtype == FIG_F32 && uses_of(g, needs, state) == 1 && uses_of(g, needs, next) == 1;
}

static void find_memories(keeper *k, const fig__needs *needs)
{
    for (int32_t n = 0; n < k->from->n_nodes; n++) {
        const fig__node *node = &k->from->nodes[n];
        for (int i = 0; node->op->remembers >> i && !node->stored && fig__node_needed(k->from, needs, n); i++)
            if ((node->op->remembers >> i & 1) && only_memory(k->from, needs, node, i))
                k->memory[node->in[i]] = true;
    }
}

/* A state in bf16, and the op that remembers by it. */
static bool keep_memory(keeper *k, const fig__node *node)
{
    fig_node in[32], out[FIG_MAX_OUTPUTS];
    uint64_t stored = 0;
    if (node->op == &fig_op_state && k->memory[node->first_out]) {
        fig_type type = k->from->values[node->first_out].type;
        type.dtype = FIG_BF16;
        k->map[node->first_out] = fig_state(k->to, ((const fig_leaf_attr *)node->attr)->name, type);
        return true;
    }
    for (int i = 0; node->op->remembers >> i; i++)
        stored |= (uint64_t)((node->op->remembers >> i & 1) && k->memory[node->in[i]]) << i;
    if (!stored)
        return false;
    for (int i = 0; i < node->n_in; i++)
        in[i] = k->map[node->in[i]];
    fig__emit_stored(k->to, node->op, in, node->n_in, node->attr, stored, out, node->n_out);
    for (int i = 0; i < node->n_out; i++)
        k->map[node->first_out + i] = out[i];
    return true;
}

static void keep(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map, fig_dtype dtype)
{
    size_t values = (size_t)from->n_values;
    keeper k = { .from = from, .to = to, .map = map, .dtype = dtype };
    k.replaced = fig__alloc(sizeof *k.replaced * values);
    k.memory = fig__alloc(sizeof *k.memory * values);
    k.lines = fig__alloc(sizeof *k.lines * values);
    k.turned = fig__alloc(sizeof *k.turned * values);
    for (int i = 0; i < from->n_assigns; i++)
        k.replaced[from->assigns[i].state] = true;
    find_memories(&k, needs);
    for (int32_t n = 0; n < from->n_nodes; n++) {
        const fig__node *node = &from->nodes[n];
        if (!fig__node_needed(from, needs, n))
            continue;
        const char *saved = to->scopes.override_path;
        to->scopes.override_path = fig__arena_text(to->arena, node->path);
        bool kept = !node->stored && (keep_product(&k, node) || keep_convolution(&k, node) || keep_lines(&k, node) ||
                                      keep_memory(&k, node));
        to->scopes.override_path = saved;
        if (!kept)
            fig__copy_node(to, from, n, map);
    }
    free(k.replaced);
    free(k.memory);
    free(k.lines);
    free(k.turned);
}

void fig__weights_bf16(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    keep(from, needs, to, map, FIG_BF16);
}

void fig__weights_int8(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    keep(from, needs, to, map, FIG_I8);
}
