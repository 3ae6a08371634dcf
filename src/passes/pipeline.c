/* passes/pipeline.c - the ordered list of graph rewrites, and how it runs
 *
 * One rewrite is not in the list, because it needs kernels and layout: recompute.c, which the plan asks for when it has
 * to do with less memory. It comes after all of them, and the order is made once more. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

const fig__pass fig__pipeline[] = {
    {"lower", fig__lower, "first: the parts of a composite go through all that follows"},
    {"simplify", fig__simplify, "early: later passes see fewer forms"},
    {"dedup", fig__dedup, "before fusion: a value used twice must be one value"},
    {"fuse-epilogue", fig__fuse_epilogue, "before fuse-pointwise, which would take the bias and activation away"},
    {"pieces", fig__pieces, "after fuse-epilogue, which makes gates whose traces are read; before additions are fused with slices"},
    {"gate-products", fig__gate_products, "after pieces, which leaves a product for each gate; before additions are fused", FIG__WITH_F32},
    {"convolution-plus", fig__convolution_plus, "after gate-products, which takes sums of products whole", FIG__WITH_F32},
    {"fuse-pointwise", fig__fuse_pointwise, "what is left of element-by-element work and the sums behind it"},
    {"cast", fig__cast, "after fusion, which knows f32 only: what lies inside a program is never stored", FIG__WITH_BF16},
    {"weights-bf16", fig__weights_bf16, "after fusion: a product and its bias are one node by now", FIG__WITH_BF16_WEIGHTS},
    {"weights-int8", fig__weights_int8, "the same", FIG__WITH_INT8_WEIGHTS},
    {"order", fig__order, "last: lifetimes depend on the final nodes"},
    {0},
};

int *fig__count_users(const fig_graph *g, const fig__needs *needs)
{
    int *users = fig__alloc(sizeof *users * (size_t)(g->n_values + 1));
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; fig__node_needed(g, needs, n) && i < g->nodes[n].n_in; i++)
            users[g->nodes[n].in[i]]++;
    return users;
}

void fig__copy_but_sums(fig_graph *to, const fig_graph *from, int32_t n, const fig_node *sums, fig_node *map)
{
    const fig__node *node = &from->nodes[n];
    int rank = node->op == &fig_op_sum ? from->values[node->in[0]].type.rank : 0;
    unsigned places = rank > 0 ? (1u << (rank - 1)) - 1 : 0;
    if (places && !fig_is_none(sums[node->in[0]]) && ((const fig_reduce_attr *)node->attr)->axes == places)
        map[node->first_out] = fig_reshape(sums[node->in[0]], from->values[node->first_out].type);
    else
        fig__copy_node(to, from, n, map);
}

void fig__program_free(fig__program *program)
{
    fig_graph_free(program->graph);
    free(program->output);
    *program = (fig__program){0};
}

static void keep_needed(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    for (int32_t n = 0; n < from->n_nodes; n++) {
        if (fig__node_needed(from, needs, n))
            fig__copy_node(to, from, n, map);
    }
}

/* Applies one rewrite; outputs and assignments are carried over through the map. */
static void rewrite(fig__program *p, const fig_graph *from,
                    void (*pass)(const fig_graph *, const fig__needs *, fig_graph *, fig_node *))
{
    fig_graph *to = fig_graph_new();
    bool *needed = fig__alloc(sizeof *needed * (size_t)from->n_values),
         *root = fig__alloc(sizeof *root * (size_t)from->n_values), *output = fig__alloc(sizeof *output * (size_t)from->n_values);
    fig_node *map = fig__alloc(sizeof *map * (size_t)from->n_values);
    int32_t *roots = fig__alloc(sizeof *roots * (size_t)(p->n_outputs + 2 * from->n_assigns + 1));
    int n_roots = 0;
    for (int i = 0; i < p->n_outputs; i++)
        output[roots[n_roots++] = p->output[i]] = true;
    for (int i = 0; i < from->n_assigns; i++) {
        roots[n_roots++] = from->assigns[i].state;
        roots[n_roots++] = from->assigns[i].value;
    }
    fig__mark_needed(from, roots, n_roots, needed);
    for (int i = 0; i < n_roots; i++)
        root[roots[i]] = true;
    pass(from, &(fig__needs){needed, root, output}, to, map);
    for (int i = 0; i < p->n_outputs; i++)
        p->output[i] = map[p->output[i]].id;
    for (int i = 0; i < from->n_assigns; i++)
        fig_assign(map[from->assigns[i].state], map[from->assigns[i].value]);
    free(needed);
    free(root);
    free(output);
    free(map);
    free(roots);
    p->graph = to;
}

static int32_t storage_of(const fig_graph *g, int32_t value)
{
    while (fig__node_of(g, value)->op->flags & FIG_OP_VIEW)
        value = fig__node_of(g, value)->in[0];
    return value;
}

/* The same with storage of its own. A constant is written anew rather than kept a second time. */
static int32_t copied(fig_graph *g, int32_t value)
{
    const fig__node *node = fig__node_of(g, value);
    const fig_type type = g->values[value].type;
    if (node->op != &fig_op_full || type.rank == 0)
        return fig__emit(g, &fig_op_copy, (fig_node[]){{g, value}}, 1, NULL).id;
    const fig_full_attr *full = node->attr; /* node itself moves with the next one */
    fig_full_attr number;
    memset(&number, 0, sizeof number);
    number.type.dtype = type.dtype;
    number.value = full->value;
    fig_node one = fig__emit(g, &fig_op_full, NULL, 0, &number);
    fig_shape_attr shape;
    memset(&shape, 0, sizeof shape);
    shape.type = full->type;
    return fig__emit(g, &fig_op_broadcast, &one, 1, &shape).id;
}

/* What the layout counts on, and simplifying may undo: a new state's value is computed, not a leaf or a constant (a
 * copy of another state must be taken before that is replaced), no two states share one, and an output is no state
 * that this run replaces (an output is the value as it was read). */
static void own_storage(fig__program *p)
{
    fig_graph *g = p->graph;
    bool *taken = fig__alloc(sizeof *taken * (size_t)g->n_values);
    for (int i = 0; i < g->n_assigns; i++)
        taken[g->assigns[i].state] = true;
    for (int i = 0; i < p->n_outputs; i++)
        if (taken[storage_of(g, p->output[i])])
            p->output[i] = copied(g, p->output[i]);
    for (int i = 0; i < g->n_assigns; i++) {
        int32_t value = g->assigns[i].value, root = storage_of(g, value);
        if (taken[root] || (fig__node_of(g, root)->op->flags & (FIG_OP_LEAF | FIG_OP_CONSTANT)))
            g->assigns[i].value = copied(g, value);
        else
            taken[root] = true;
    }
    free(taken);
}

/* The last assignment to a state wins, and one to itself is none. */
static void drop_assignments(fig_graph *g)
{
    bool *later = fig__alloc(sizeof *later * (size_t)g->n_values);
    int kept = g->n_assigns;
    for (int i = g->n_assigns - 1; i >= 0; i--) {
        fig__assign a = g->assigns[i];
        if (!later[a.state] && a.state != a.value)
            g->assigns[--kept] = a;
        later[a.state] = true;
    }
    if (kept < g->n_assigns)
        memmove(g->assigns, g->assigns + kept, sizeof *g->assigns * (size_t)(g->n_assigns - kept));
    g->n_assigns -= kept;
    free(later);
}

void fig__program_begin(const fig_graph *graph, const int32_t *outputs, int n_outputs, fig__program *out)
{
    *out = (fig__program){.n_outputs = n_outputs};
    out->output = fig__alloc(sizeof *out->output * (size_t)(n_outputs + 1));
    memcpy(out->output, outputs, sizeof *outputs * (size_t)n_outputs);
    rewrite(out, graph, keep_needed);
    drop_assignments(out->graph);
    if (out->graph->error.status == FIG_OK)
        own_storage(out);
}

static bool named(const char *list, const char *name)
{
    size_t length = strlen(name);
    for (const char *at = list; at && *at;) {
        size_t word = strcspn(at, " ,");
        if ((word == length && !memcmp(at, name, word)) || (word == 3 && !memcmp(at, "all", 3)))
            return true;
        at += word + strspn(at + word, " ,");
    }
    return false;
}

static fig_status dump_graph(const fig__program *p, const char *folder, int number, const char *name, fig_error *err)
{
    fig__arena *arena = fig__arena_new();
    char *text = fig_graph_print(p->graph, false);
    fig_status status = fig__make_folders(folder, err);
    if (status == FIG_OK)
        status = fig__file_write(fig__path_join(arena, folder, fig__arena_format(arena, "%02d-%s.txt", number, name)),
                                 text, strlen(text), err);
    free(text);
    fig__arena_free(arena);
    return status;
}

static fig_status run_pass(fig__program *p, const fig__pass *pass, const char *dump, int number, fig_error *err)
{
    fig_graph *before = p->graph;
    rewrite(p, before, pass->rewrite);
    fig_graph_free(before);
    fig_status status = fig_graph_check(p->graph, err);
    if (status == FIG_OK) {
        drop_assignments(p->graph);
        own_storage(p);
        status = fig__graph_verify(p->graph, err);
    }
    if (status != FIG_OK)
        return fig_error_prefix(err, "pass %s", pass->name);
    return dump ? dump_graph(p, dump, number, pass->name, err) : FIG_OK;
}

fig_status fig__program_optimise(fig__program *p, unsigned with, const char *off, const char *dump, fig_error *err)
{
    if (dump)
        FIG_TRY(dump_graph(p, dump, 0, "begin", err));
    for (int i = 0; fig__pipeline[i].name; i++)
        if (!named(off, fig__pipeline[i].name) && (!fig__pipeline[i].only_with || (fig__pipeline[i].only_with & with)))
            FIG_TRY(run_pass(p, &fig__pipeline[i], dump, i + 1, err));
    return FIG_OK;
}

fig_status fig__program_reorder(fig__program *p, const char *off, const char *dump, fig_error *err)
{
    int last = 0;
    while (fig__pipeline[last + 1].name)
        last++;
    if (dump)
        FIG_TRY(dump_graph(p, dump, last + 2, "recompute", err));
    return named(off, fig__pipeline[last].name) ? FIG_OK : run_pass(p, &fig__pipeline[last], dump, last + 3, err);
}
