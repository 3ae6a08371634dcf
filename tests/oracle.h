/* tests/oracle.h - runs a whole graph by the reference loops, node after node: what a plan's outputs and states must be
 *
 * Independent of passes, plans and kernels: every value has memory of its own, all assignments happen together after
 * the last node, and loops run their body by the same rules. To learn how much rounding can move a result, `shake`
 * makes every computed real number a little wrong (relative, from a seed): where shaken runs differ much, plans may
 * too. */
#ifndef ORACLE_H
#define ORACLE_H

#include "graph/graph.h"
#include "test.h"

typedef struct oracle_leaf { const char *name; void *data; } oracle_leaf;

typedef struct oracle {
    const fig_graph *graph;
    const oracle_leaf *inputs, *states; /* by name; NULL data = not there */
    int n_inputs, n_states;
    float shake;      /* relative size; 0 = exact */
    fig__rng rng;
    const fig_run *run;
    void **data;      /* per value; leaves borrow */
} oracle;

static inline void *oracle_find(const oracle_leaf *leaf, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(leaf[i].name, name))
            return leaf[i].data;
    return NULL;
}

/* Moved numbers only: noise that decides (0 or 1), comparisons, copies and integers stay as they are. */
static inline bool oracle_shakes(const fig_op *op)
{
    static const char *const exact[] = {
        "copy", "broadcast", "transpose", "concat", "slice", "pad", "reverse", "gather", "pick", "place", "one_hot",
        "dynamic_slice", "dynamic_update", "select", "relu", "neg", "min", "max", "abs", "sign", "floor", "bernoulli",
        "uniform", "cast", "stop_gradient", "full", "iota", "reduce_max", "constant_data", "relu_slope", "max_pool",
        "max_pool_pick", "resize_nearest", "top_k", "sort",
    };
    for (size_t i = 0; i < sizeof exact / sizeof *exact; i++)
        if (!strcmp(exact[i], op->name))
            return false;
    return !(op->pointwise && op->pointwise->compares) && !(op->flags & (FIG_OP_VIEW | FIG_OP_LEAF));
}

static inline void oracle_shake(oracle *o, const fig_tensor *t)
{
    float *x = t->data;
    int64_t n = t->type.dtype == FIG_F32 ? fig__count(&t->type) : 0;
    for (int64_t i = 0; i < n; i++)
        x[i] *= 1 + o->shake * (float)(2 * fig__rng_uniform(&o->rng) - 1);
}

static inline float oracle_largest(const fig_tensor *t)
{
    float most = 0;
    for (int64_t i = 0; i < fig__count(&t->type); i++)
        most = fmaxf(most, fabsf(((const float *)t->data)[i]));
    return most;
}

/* What centring takes away is rounded as the mean is, by the same amount in a whole group: (x - mean) / deviation of
 * equal numbers is that rounding and nothing else, and a sum over it grows with the count. Half a unit of the last
 * place of x, which is 1/32 of the shake. */
static inline void oracle_shift(oracle *o, const fig_tensor *x, const fig_tensor *variance, float eps,
                                const fig_tensor *y)
{
    float least = INFINITY;
    for (int64_t i = 0; i < fig__count(&variance->type); i++)
        least = fminf(least, ((const float *)variance->data)[i]);
    float shift = o->shake / 32 * oracle_largest(x) / sqrtf(least + eps);
    shift *= fig__rng_uniform(&o->rng) < 0.5 ? -1 : 1;
    for (int64_t i = 0; i < fig__count(&y->type); i++)
        ((float *)y->data)[i] += shift;
}

/* A normalisation centres x, its gradient (x, gamma, mean, variance, dy) centres dy. */
static inline void oracle_centre(oracle *o, const fig__node *node, const fig_tensor *in, const fig_tensor *out)
{
    const char *end = strstr(node->op->name, "_normalise");
    if (!end || out[0].type.dtype != FIG_F32)
        return;
    float eps = ((const fig_normalise_attr *)node->attr)->eps;
    if (!strcmp(end, "_normalise") && node->n_out == 3)
        oracle_shift(o, &in[0], &out[2], eps, &out[0]);
    else if (!strcmp(end, "_normalise_gradient") && strncmp(node->op->name, "rms", 3))
        oracle_shift(o, &in[node->n_in - 1], &in[node->n_in - 2], eps, &out[0]);
}

static inline void oracle_run(oracle *o);
static inline void oracle_free(oracle *o);

/* A loop by its definition: the body is interpreted once per step. */
static inline void oracle_scan(oracle *o, const fig__node *node, const fig_tensor *in, const fig_tensor *out)
{
    const fig__scan *s = ((const fig_scan_attr *)node->attr)->scan;
    oracle_leaf leaf[3 * FIG_MAX_SCAN * 4];
    char name[3 * FIG_MAX_SCAN * 4][16];
    int n = 0;
    for (int i = 0; i < s->states; i++, n++)
        snprintf(name[n], 16, "state%d", i), leaf[n] = (oracle_leaf){name[n], out[i].data};
    for (int i = 0; i < s->xs; i++, n++)
        snprintf(name[n], 16, "x%d", i), leaf[n].name = name[n];
    for (int i = 0; i < s->fixeds; i++, n++)
        snprintf(name[n], 16, "fixed%d", i), leaf[n] = (oracle_leaf){name[n], in[s->states + s->xs + i].data};
    for (int i = 0; i < s->states; i++)
        memcpy(out[i].data, in[i].data, fig__bytes(&in[i].type));
    for (int64_t k = 0; k < s->steps; k++) {
        int64_t t = s->reverse ? s->steps - 1 - k : k;
        for (int i = 0; i < s->xs; i++) {
            const fig_tensor *x = &in[s->states + i];
            leaf[s->states + i].data = (char *)x->data + (size_t)t * (fig__bytes(&x->type) / (size_t)s->steps);
        }
        for (int i = 0; s->keep && i < s->states; i++)
            memcpy((char *)out[s->states + s->ys + i].data + (size_t)t * fig__bytes(&in[i].type), out[i].data,
                   fig__bytes(&in[i].type));
        fig_run run = *o->run;
        run.step = fig__hash64(&t, sizeof t, o->run->step);
        oracle body = {.graph = s->body, .inputs = leaf, .n_inputs = n, .shake = o->shake, .rng = o->rng, .run = &run};
        oracle_run(&body);
        for (int i = 0; i < s->ys; i++) {
            size_t bytes = fig__bytes(&s->body->values[s->y[i]].type);
            memcpy((char *)out[s->states + i].data + (size_t)t * bytes, body.data[s->y[i]], bytes);
        }
        void *fresh[FIG_MAX_SCAN * 4];
        for (int i = 0; i < s->states; i++) /* all results first: a new state may be another's old one */
            fresh[i] = memcpy(fig__alloc(fig__bytes(&in[i].type)), body.data[s->new_state[i]], fig__bytes(&in[i].type));
        for (int i = 0; i < s->states; i++) {
            memcpy(out[i].data, fresh[i], fig__bytes(&in[i].type));
            free(fresh[i]);
        }
        o->rng = body.rng;
        oracle_free(&body);
    }
}

static inline void oracle_node(oracle *o, const fig__node *node)
{
    const fig_graph *g = o->graph;
    fig_tensor in[160], out[FIG_MAX_OUTPUTS];
    FIG_BUG_IF(node->n_in > 160, "%s has %d operands", node->op->name, node->n_in);
    for (int i = 0; i < node->n_in; i++)
        in[i] = (fig_tensor){g->values[node->in[i]].type, o->data[node->in[i]]};
    for (int i = 0; i < node->n_out; i++) {
        const fig_type *type = &g->values[node->first_out + i].type;
        out[i] = (fig_tensor){*type, fig__alloc(fig__bytes(type))};
        o->data[node->first_out + i] = out[i].data;
    }
    if (node->op->flags & FIG_OP_VIEW)
        memcpy(out[0].data, in[0].data, fig__bytes(&out[0].type));
    else if (node->op == &fig_op_scan)
        oracle_scan(o, node, in, out);
    else
        node->op->reference(&(fig_eval){
            .n_in = node->n_in, .n_out = node->n_out, .in = in, .out = out, .attr = node->attr, .run = o->run });
    for (int i = 0; o->shake > 0 && oracle_shakes(node->op) && i < node->n_out; i++)
        oracle_shake(o, &out[i]);
    if (o->shake > 0)
        oracle_centre(o, node, in, out);
}

static inline void oracle_run(oracle *o)
{
    const fig_graph *g = o->graph;
    o->data = fig__alloc(sizeof *o->data * (size_t)g->n_values);
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        if (!(node->op->flags & FIG_OP_LEAF)) {
            oracle_node(o, node);
            continue;
        }
        const fig_leaf_attr *leaf = node->attr;
        bool state = node->op == &fig_op_state;
        o->data[node->first_out] =
            oracle_find(state ? o->states : o->inputs, state ? o->n_states : o->n_inputs, leaf->name);
        FIG_BUG_IF(!o->data[node->first_out], "the oracle has no \"%s\"", leaf->name);
    }
}

/* All assignments at once, the last to a state wins. After this the data of state leaves is that of the next run. */
static inline void oracle_assign(oracle *o)
{
    const fig_graph *g = o->graph;
    void **fresh = fig__alloc(sizeof *fresh * (size_t)(g->n_assigns + 1));
    for (int i = 0; i < g->n_assigns; i++) {
        size_t bytes = fig__bytes(&g->values[g->assigns[i].value].type);
        fresh[i] = memcpy(fig__alloc(bytes), o->data[g->assigns[i].value], bytes);
    }
    for (int i = 0; i < g->n_assigns; i++) {
        memcpy(o->data[g->assigns[i].state], fresh[i], fig__bytes(&g->values[g->assigns[i].state].type));
        free(fresh[i]);
    }
    free(fresh);
}

static inline void oracle_free(oracle *o)
{
    for (int32_t n = 0; n < o->graph->n_nodes; n++)
        for (int i = 0; !(o->graph->nodes[n].op->flags & FIG_OP_LEAF) && i < o->graph->nodes[n].n_out; i++)
            free(o->data[o->graph->nodes[n].first_out + i]);
    free(o->data);
    o->data = NULL;
}

#endif
