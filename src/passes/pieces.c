/* passes/pieces.c - products over tensors side by side read the pieces where they lie
 *
 *     concat(z1 ... zn) -> 1x1 convolution             pieces_product(w, z1 ... zn)
 *     concat(z1 ... zn), dy -> weight gradient         pieces_weight_gradient(dy, z1 ... zn)
 *     dy -> data gradient -> slices dz1 ... dzn        a data gradient each, of dy and a slice of the weight
 *
 * The copy side by side and its gradient, which hold all pieces at once, are not made: both are read by nobody else, or nothing is
 * changed. A piece's gradient is computed just before its first reader rather than where slices stood, which is before all of them.
 * Pieces that are the results of gates are not read at all, but the gates' traces, which their gradients need anyway (ops/gate.c), so that
 * the results need not be kept; likewise the weight gradient of a 1x1 convolution of a gate's result alone.
 *
 * With a skip connection from each layer of a deep network (WaveNet) this is half of what a step holds. */
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

enum { LEAST_PLACES = 512, LEAST_CHANNELS = 16, MOST_PIECES = 64 };

typedef struct finder {
    const fig_graph *g;
    const fig__needs *needs;
    int32_t *start, *reader; /* readers of value v: reader[start[v]] to reader[start[v + 1] - 1] */
    bool *joined;            /* concats that are not made */
    bool *apart;             /* data gradients that are made piece by piece */
} finder;

static void list_readers(finder *f)
{
    const fig_graph *g = f->g;
    f->start = fig__alloc(sizeof *f->start * (size_t)(g->n_values + 2));
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; fig__node_needed(g, f->needs, n) && i < g->nodes[n].n_in; i++)
            f->start[g->nodes[n].in[i] + 1]++;
    for (int32_t v = 0; v < g->n_values; v++)
        f->start[v + 1] += f->start[v];
    int32_t *at = fig__alloc(sizeof *at * (size_t)(g->n_values + 1));
    memcpy(at, f->start, sizeof *at * (size_t)g->n_values);
    f->reader = fig__alloc(sizeof *f->reader * (size_t)(f->start[g->n_values] + 1));
    for (int32_t n = 0; n < g->n_nodes; n++)
        for (int i = 0; fig__node_needed(g, f->needs, n) && i < g->nodes[n].n_in; i++)
            f->reader[at[g->nodes[n].in[i]]++] = n;
    free(at);
}

static const fig_type *type_of(const finder *f, int32_t value) { return &f->g->values[value].type; }

static int64_t last_of(const fig_type *type) { return type->dim[type->rank - 1]; }

bool fig__plain_product(const fig_graph *g, const fig__node *node)
{
    const fig_conv_attr *a = node->attr;
    if (node->op == &fig_op_convolution_fused)
        a = &((const fig_convolution_fused_attr *)node->attr)->conv;
    const fig_type *w = &g->values[node->op == &fig_op_convolution_weight_gradient ? node->first_out : node->in[1]].type;
    bool plain = a->groups == 1 && fig__count(w) == w->dim[0] * last_of(w);
    for (int i = 0; i < a->spatial; i++)
        plain = plain && a->stride[i] == 1 && a->before[i] == 0 && a->after[i] == 0;
    return plain;
}

static bool reads_joined(const finder *f, const fig__node *node, int32_t value)
{
    bool known = node->op == &fig_op_convolution || node->op == &fig_op_convolution_fused ||
                 node->op == &fig_op_convolution_weight_gradient;
    return known && node->in[0] == value && node->in[1] != value && fig__plain_product(f->g, node);
}

static bool large(const fig_type *type, int64_t channels)
{
    return type->dtype == FIG_F32 && channels >= LEAST_CHANNELS && channels % LEAST_CHANNELS == 0 &&
           fig__count(type) / last_of(type) >= LEAST_PLACES;
}

static bool joins(const finder *f, int32_t n)
{
    const fig__node *node = &f->g->nodes[n];
    if (node->op != &fig_op_concat || node->n_in > MOST_PIECES || f->needs->root[node->first_out])
        return false;
    const fig_type *piece = type_of(f, node->in[0]);
    if (((const fig_axis_attr *)node->attr)->axis != piece->rank - 1 || !large(piece, last_of(piece)))
        return false;
    for (int i = 1; i < node->n_in; i++)
        if (!fig__types_equal(piece, type_of(f, node->in[i])))
            return false;
    for (int32_t k = f->start[node->first_out]; k < f->start[node->first_out + 1]; k++)
        if (!reads_joined(f, &f->g->nodes[f->reader[k]], node->first_out))
            return false;
    return true;
}

/* A data gradient that is read in pieces only. */
static bool parts(const finder *f, int32_t n)
{
    const fig__node *node = &f->g->nodes[n];
    if (node->op != &fig_op_convolution_data_gradient || f->needs->root[node->first_out] || !fig__plain_product(f->g, node))
        return false;
    const fig_type *type = type_of(f, node->first_out);
    int64_t covered = 0;
    int32_t first = f->start[node->first_out], end = f->start[node->first_out + 1];
    for (int32_t k = first; k < end; k++) {
        const fig__node *reader = &f->g->nodes[f->reader[k]];
        const fig_slice_attr *a = reader->attr;
        if (reader->op != &fig_op_slice || a->axis != type->rank - 1 || a->step != 1 || !large(type, a->length))
            return false;
        covered += a->length;
    }
    return end - first > 1 && covered <= last_of(type);
}

/* The gate's trace when the value is a gate's result, else -1. */
static int32_t trace_of(const finder *f, int32_t value)
{
    const fig__node *node = fig__node_of(f->g, value);
    bool gate = node->op == &fig_op_gate || node->op == &fig_op_convolution_gate;
    return gate && value == node->first_out + 1 ? node->first_out : -1;
}

typedef struct writer {
    const finder *f;
    fig_graph *to;
    fig_node *map;
} writer;

static bool left_out(const finder *f, int32_t n)
{
    const fig__node *node = &f->g->nodes[n];
    return f->joined[n] || f->apart[n] || (node->op == &fig_op_slice && f->apart[f->g->values[node->in[0]].node]);
}

static void emit_part(const writer *w, int32_t slice);

/* A value in the new graph. Gradients of pieces are made when somebody first wants them. */
static fig_node value_of(const writer *w, int32_t v)
{
    int32_t from = w->f->g->values[v].node;
    if (fig_is_none(w->map[v]) && left_out(w->f, from) && w->f->g->nodes[from].op == &fig_op_slice)
        emit_part(w, from);
    return w->map[v];
}

/* A product of pieces, or a weight gradient, in place of a node that reads them side by side or (n == 1) one by itself. */
static void emit_pieces(const writer *w, const fig__node *node, const int32_t *piece, int n)
{
    fig_node in[MOST_PIECES + 2];
    fig_pieces_attr attr;
    bool gradient = node->op == &fig_op_convolution_weight_gradient;
    memset(&attr, 0, sizeof attr);
    attr.gated = 1;
    for (int i = 0; i < n; i++)
        attr.gated &= trace_of(w->f, piece[i]) >= 0;
    if (node->op == &fig_op_convolution_fused)
        attr.after = ((const fig_convolution_fused_attr *)node->attr)->after;
    attr.ones = gradient ? type_of(w->f, node->first_out)->rank - 2 : 0;
    in[0] = value_of(w, node->in[1]);
    for (int i = 0; i < n; i++)
        in[1 + i] = value_of(w, attr.gated ? trace_of(w->f, piece[i]) : piece[i]);
    if (attr.after.bias)
        in[1 + n] = value_of(w, node->in[2]);
    w->map[node->first_out] = fig__emit(w->to, gradient ? &fig_op_pieces_weight_gradient : &fig_op_pieces_product, in,
                                        1 + n + (attr.after.bias != 0), &attr);
}

/* The gradient of a piece, in place of a slice of all. */
static void emit_part(const writer *w, int32_t slice)
{
    const fig__node *node = &w->f->g->nodes[slice], *whole = fig__node_of(w->f->g, node->in[0]);
    const fig_slice_attr *a = node->attr;
    fig_conv_attr attr = *(const fig_conv_attr *)whole->attr;
    fig_node weight = value_of(w, whole->in[1]), dy = value_of(w, whole->in[0]);
    const char *path = w->to->scopes.override_path; /* of the reader, who goes on after this */
    w->to->scopes.override_path = fig__arena_text(w->to->arena, node->path);
    weight = fig_slice(weight, fig_rank(weight) - 1, a->start, a->length, 1);
    w->map[node->first_out] = fig__emit(w->to, &fig_op_convolution_data_gradient, (fig_node[]){ dy, weight }, 2, &attr);
    w->to->scopes.override_path = path;
}

static void write_node(const writer *w, int32_t n)
{
    const finder *f = w->f;
    const fig__node *node = &f->g->nodes[n];
    for (int i = 0; i < node->n_in; i++)
        value_of(w, node->in[i]);
    w->to->scopes.override_path = fig__arena_text(w->to->arena, node->path);
    const fig__node *joined = node->n_in && f->joined[f->g->values[node->in[0]].node] ? fig__node_of(f->g, node->in[0]) : NULL;
    if (joined)
        emit_pieces(w, node, joined->in, joined->n_in);
    else if (node->op == &fig_op_convolution_weight_gradient && trace_of(f, node->in[0]) >= 0 && node->in[1] != node->in[0] &&
             fig__plain_product(f->g, node) && large(type_of(f, node->in[0]), last_of(type_of(f, node->in[0]))))
        emit_pieces(w, node, node->in, 1);
    else
        fig__copy_node(w->to, f->g, n, w->map);
    w->to->scopes.override_path = NULL;
}

void fig__pieces(const fig_graph *from, const fig__needs *needs, fig_graph *to, fig_node *map)
{
    finder f = { .g = from, .needs = needs };
    writer w = { &f, to, map };
    list_readers(&f);
    f.joined = fig__alloc(sizeof *f.joined * (size_t)(from->n_nodes + 1));
    f.apart = fig__alloc(sizeof *f.apart * (size_t)(from->n_nodes + 1));
    for (int32_t n = 0; n < from->n_nodes; n++) {
        f.joined[n] = fig__node_needed(from, needs, n) && joins(&f, n);
        f.apart[n] = fig__node_needed(from, needs, n) && parts(&f, n);
    }
    for (int32_t n = 0; n < from->n_nodes; n++) {
        if (!fig__node_needed(from, needs, n))
            continue;
        bool wanted = left_out(&f, n) && from->nodes[n].op == &fig_op_slice && needs->root[from->nodes[n].first_out];
        if (wanted)
            emit_part(&w, n);
        else if (!left_out(&f, n))
            write_node(&w, n);
    }
    free(f.start);
    free(f.reader);
    free(f.joined);
    free(f.apart);
}
