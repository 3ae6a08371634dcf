/* train/build.c - the graph of a group of phases
 *
 * Each weight has a *current value*: the state at first, later what an earlier phase of the group has made of it. A
 * phase is built by substituting the current values into its loss - what does not depend on them is shared with the
 * phases before - and then
 *
 *     mean loss = sum(w * loss) / sum(w)       w: weights of examples, times the mask
 *     gradients of it with respect to the current values of what the phase trains
 *     transforms in order, then the optimizer: new current values
 *
 * What one phase has made reaches the next with the gradient stopped: the new critic depends on the generator's
 * weights through its own update, and no player shall differentiate through the other's learning.
 *
 * At the end every state that has changed is assigned its current value, and the moving averages follow.
 *
 * Running statistics are assignments anchored on the layer that made them. A phase takes those whose layer its loss
 * needs, unless an earlier phase of the group took them at the very same node (a shared fake batch was computed once,
 * so it counts once). Two layers that share a state, as a critic called on real and on fake pictures, move it one
 * after the other.
 *
 * A step whose loss is not finite changes no weight and no moment: every update is a select on the loss, which costs
 * nothing inside the fused update, keeps the run alive for the checkpoint, and lets the faulty step be run again to
 * find the layer. */
#include "train/build.h"
#include "train/transform.h"

#include <stdlib.h>
#include <string.h>

#define LARGEST 3e38f /* a finite f32 below its maximum: |loss| < LARGEST is false for NaN and infinity */

static int weight_index(const fig_model *m, int32_t id)
{
    for (int i = 0; i < m->n_weights; i++)
        if (m->weights[i].node.id == id)
            return i;
    return -1;
}

void fig__builder_begin(fig__builder *b, fig__round *round, fig_store *store)
{
    fig_model *m = round->model;
    fig_graph *g = m->graph;
    *b = (fig__builder){ .round = round, .graph = g, .store = store, .arena = fig__arena_new() };
    b->n_declared = g->n_assigns;
    b->declared = FIG_NEW_ARRAY(b->arena, fig__assign, g->n_assigns);
    if (g->n_assigns)
        memcpy(b->declared, g->assigns, sizeof *g->assigns * (size_t)g->n_assigns);
    b->weight_of = FIG_NEW_ARRAY(b->arena, int32_t, g->n_assigns);
    b->used = FIG_NEW_ARRAY(b->arena, bool, g->n_assigns);
    b->anchor = FIG_NEW_ARRAY(b->arena, int32_t, g->n_assigns);
    for (int i = 0; i < b->n_declared; i++)
        b->weight_of[i] = weight_index(m, b->declared[i].state);
    b->current = FIG_NEW_ARRAY(b->arena, fig_node, m->n_weights);
}

void fig__builder_end(fig__builder *b)
{
    b->graph->n_assigns = 0;
    fig__arena_free(b->arena);
}

static void begin_group(fig__builder *b, fig__group *group)
{
    const fig_model *m = b->round->model;
    b->graph->n_assigns = 0;
    for (int i = 0; i < m->n_weights; i++)
        b->current[i] = m->weights[i].node;
    for (int i = 0; i < b->n_declared; i++)
        b->used[i] = false;
    /* Pool outputs were listed while grouping; losses come after them. */
    int kept = 0;
    for (int i = 0; i < group->n_outputs; i++)
        if (group->output[i].kind == FIG__OUT_POOL)
            group->output[kept++] = group->output[i];
    group->n_outputs = kept;
}

/* A state of the training itself: moments, averages, sums. Zero at first. */
static fig_node own_state(fig__builder *b, const char *name, const fig_type *type, fig_error *err)
{
    if (fig_store_add(b->store, name, type, FIG__SAVED, err) != FIG_OK)
        return fig_graph_fail(b->graph, "%s", err && err->status ? err->message : name);
    return fig_state(b->graph, fig__arena_text(b->graph->arena, name), *type);
}

/* -- one phase: its loss at the current weights -------------------------------------------------------------------- */

typedef struct phase_graph {
    int index;
    const fig_phase *phase;
    const fig__phase_options *options;
    fig_node weight;           /* (B) or (B, T) */
    fig_node sum, count, mean; /* rank 0: sum(w * loss), sum(w), their quotient */
    int *trained;              /* indices of weights */
    fig_node *gradient;
    int n_trained;
} phase_graph;

/* mean over examples of a logged value: rank 0 as it is, (B) and (B, T) by weight. */
static fig_node weighted_mean(fig_node value, fig_node example_weight, fig_node mask)
{
    if (fig_rank(value) == 0)
        return value;
    fig_node w = example_weight;
    if (fig_rank(value) == 2)
        w = fig_is_none(mask) ? fig_broadcast(fig_expand(w, 1), fig_type_of(value)) : fig_mul(fig_expand(w, 1), mask);
    return fig_div(fig_sum(fig_mul(value, w), NULL), fig_sum(w, NULL));
}

static fig_node *substitute(fig__builder *b, const phase_graph *p, const fig_node *start)
{
    const fig_model *m = b->round->model;
    fig_node *olds = FIG_NEW_ARRAY(b->arena, fig_node, m->n_weights + 1),
             *news = FIG_NEW_ARRAY(b->arena, fig_node, m->n_weights + 1);
    fig_node *roots = FIG_NEW_ARRAY(b->arena, fig_node, b->n_declared + m->n_logs + 2 * m->n_metrics + 2);
    int changed = 0, n_roots = 0;
    for (int i = 0; i < m->n_weights; i++)
        if (start[i].id != m->weights[i].node.id) {
            olds[changed] = m->weights[i].node;
            news[changed++] = start[i];
        }
    roots[n_roots++] = p->phase->loss;
    if (!fig_is_none(p->phase->mask))
        roots[n_roots++] = p->phase->mask;
    for (int i = 0; i < m->n_logs; i++)
        if (!strcmp(m->log[i].phase, p->phase->name))
            roots[n_roots++] = m->log[i].value;
    for (int i = 0; i < m->n_metrics && p->index == 0; i++) {
        roots[n_roots++] = m->metric[i].value;
        if (!fig_is_none(m->metric[i].mask))
            roots[n_roots++] = m->metric[i].mask;
    }
    for (int i = 0; i < b->n_declared; i++)
        roots[n_roots++] = (fig_node){ b->graph, b->declared[i].value };
    return fig__substitute(b->graph, olds, news, changed, roots, n_roots, b->arena);
}

/* Takes the declared assignments that belong to this phase into the current values. */
static void take_assignments(fig__builder *b, const phase_graph *p, const fig_node *map, const fig_node *start,
                             bool first_of_round)
{
    const fig_model *m = b->round->model;
    fig_graph *g = b->graph;
    bool *needed = FIG_NEW_ARRAY(b->arena, bool, g->n_values);
    int32_t roots[FIG_MODEL_MAX + 1];
    int n_roots = 0;
    roots[n_roots++] = p->phase->loss.id;
    for (int i = 0; i < m->n_logs; i++)
        if (!strcmp(m->log[i].phase, p->phase->name))
            roots[n_roots++] = m->log[i].value.id;
    fig__mark_needed(g, roots, n_roots, needed);
    for (int i = 0; i < b->n_declared; i++) {
        const fig__assign *assign = &b->declared[i];
        int w = b->weight_of[i];
        if (w < 0)
            continue;
        fig_node value = map[assign->value];
        if (assign->anchor < 0) {
            if (first_of_round && !b->used[i])
                b->current[w] = fig_stop_gradient(value);
            b->used[i] = true;
            continue;
        }
        int32_t anchor = map[assign->anchor].id;
        if (!needed[assign->anchor] || (b->used[i] && b->anchor[i] == anchor))
            continue;
        b->used[i] = true;
        b->anchor[i] = anchor;
        if (b->current[w].id != start[w].id)
            value = fig__substitute(g, &start[w], &b->current[w], 1, &value, 1, b->arena)[value.id];
        b->current[w] = fig_stop_gradient(value);
    }
}

/* Gradients may reach a frozen part's weights by scope; they are left alone. */
static bool is_frozen(const fig_model *m, const char *name)
{
    for (int i = 0; i < m->n_parts; i++)
        if (m->part[i].frozen && fig__in_scopes(name, m->part[i].name))
            return true;
    return false;
}

static const char *log_key(fig__builder *b, const fig__log_value *log)
{
    const fig_model *m = b->round->model;
    int same = 0;
    for (int i = 0; i < m->n_logs; i++)
        same += !strcmp(m->log[i].name, log->name);
    return same > 1 ? fig__arena_format(b->graph->arena, "%s.%s", log->phase, log->name) : log->name;
}

static void add_output(fig__group *group, fig__output_kind kind, int phase, const char *key, fig_node node)
{
    if (group->n_outputs == 4 * FIG_MODEL_MAX)
        return;
    group->output[group->n_outputs++] = (fig__output){ kind, phase, key, node };
}

static void build_loss(fig__builder *b, fig__group *group, phase_graph *p, const fig_node *start, bool first_of_round)
{
    const fig_model *m = b->round->model;
    fig_node *map = substitute(b, p, start);
    take_assignments(b, p, map, start, first_of_round);
    fig_scope_push(b->graph, p->phase->name);
    fig_node loss = map[p->phase->loss.id], mask = fig_is_none(p->phase->mask) ? FIG_NONE : map[p->phase->mask.id];
    p->weight = m->weight;
    if (fig_rank(loss) == 2)
        p->weight = fig_is_none(mask) ? fig_broadcast(fig_expand(m->weight, 1), fig_type_of(loss))
                                      : fig_mul(fig_expand(m->weight, 1), mask);
    p->sum = fig_sum(fig_mul(loss, p->weight), NULL);
    p->count = fig_sum(p->weight, NULL);
    p->mean = fig_div(p->sum, p->count);
    add_output(group, FIG__OUT_LOSS, p->index, fig__arena_format(b->graph->arena, "loss.%s", p->phase->name), p->mean);
    for (int i = 0; i < m->n_logs; i++)
        if (!strcmp(m->log[i].phase, p->phase->name))
            add_output(group, FIG__OUT_LOG, p->index, log_key(b, &m->log[i]),
                       weighted_mean(map[m->log[i].value.id], m->weight, mask));
    for (int i = 0; i < m->n_metrics && p->index == 0; i++) { /* metrics of a training graph are logged with its first phase */
        const fig_metric_decl *d = &m->metric[i];
        fig_node metric_mask = fig_is_none(d->mask) ? FIG_NONE : map[d->mask.id];
        add_output(group, FIG__OUT_LOG, p->index, d->name, weighted_mean(map[d->value.id], m->weight, metric_mask));
    }
    fig_scope_pop(b->graph);
}

static void build_gradient(fig__builder *b, phase_graph *p, const fig_node *start, fig_node loss)
{
    const fig_model *m = b->round->model;
    p->trained = FIG_NEW_ARRAY(b->arena, int, m->n_weights);
    fig_node *wrt = FIG_NEW_ARRAY(b->arena, fig_node, m->n_weights);
    p->gradient = FIG_NEW_ARRAY(b->arena, fig_node, m->n_weights);
    for (int i = 0; i < m->n_weights; i++)
        if (m->weights[i].trained && fig__in_scopes(m->weights[i].name, p->phase->trains) &&
            !is_frozen(m, m->weights[i].name)) {
            wrt[p->n_trained] = start[i];
            p->trained[p->n_trained++] = i;
        }
    fig_gradients(loss, wrt, p->n_trained, p->gradient);
}

/* -- updates ------------------------------------------------------------------------------------------------------- */

static void transform(fig__builder *b, fig__group *group, phase_graph *p, bool with_outputs)
{
    fig__transforming t = { .options = p->options, .graph = b->graph, .gradient = p->gradient, .count = p->n_trained };
    fig_scope_push(b->graph, "transform");
    for (const fig__transform *const *at = fig__transforms; *at; at++)
        if ((*at)->wanted(p->options))
            (*at)->apply(&t);
    fig_scope_pop(b->graph);
    if (!fig_is_none(t.norm) && with_outputs)
        add_output(group, FIG__OUT_NORM, p->index,
                   b->round->model->n_phases > 1 ? fig__arena_format(b->graph->arena, "grad_norm.%s", p->phase->name)
                                                 : "grad_norm",
                   t.norm);
}

static bool decays(const fig__phase_options *o, const fig_type *type)
{
    return o->weight_decay > 0 && (o->decay_all || type->rank >= 2);
}

/* New values of what the phase trains, into `next`. `fine` is 1 when the step counts. */
static void update(fig__builder *b, const phase_graph *p, const fig_node *start, fig_node fine, fig_node *next,
                   fig_error *err)
{
    const fig_model *m = b->round->model;
    const fig__optimizer *optimizer = fig__optimizers[p->options->optimizer];
    const char *phase = p->phase->name;
    int states = 0;
    while (optimizer->state[states])
        states++;
    if (optimizer->states)
        states = optimizer->states(p->options);
    fig__update u = { .options = p->options, .graph = b->graph };
    for (int i = 0; optimizer->scalar[i]; i++)
        u.scalar[i] =
            fig_scalar(b->graph, fig__arena_format(b->graph->arena, "phases.%s.%s", phase, optimizer->scalar[i]), 0);
    fig_scope_push(b->graph, optimizer->name);
    for (int k = 0; k < p->n_trained; k++) {
        const fig__weight *weight = &m->weights[p->trained[k]];
        fig_node leaf[FIG__OPTIMIZER_STATES];
        for (int i = 0; i < states; i++) {
            char *name = fig__arena_format(b->arena, "opt/%s/%s/%s", phase, optimizer->state[i], weight->name);
            leaf[i] = u.state[i] = own_state(b, name, &weight->type, err);
        }
        fig_scope_push(b->graph, weight->name);
        u.weight = start[p->trained[k]];
        u.gradient = p->gradient[k];
        u.decays = decays(p->options, &weight->type);
        fig_node value = optimizer->update(&u);
        if (p->phase->clip_weights > 0)
            value = fig_clamp(value, -p->phase->clip_weights, p->phase->clip_weights);
        next[p->trained[k]] =
            fig_stop_gradient(fig_select(fine, value, u.weight)); /* later phases see a weight, not its making */
        for (int i = 0; i < states; i++)
            fig_assign(leaf[i], fig_select(fine, u.state[i], leaf[i]));
        fig_scope_pop(b->graph);
    }
    fig_scope_pop(b->graph);
}

static fig_node is_fine(fig_node loss) { return fig_less(fig_abs(loss), fig_constant(loss.graph, LARGEST)); }

/* Assigns what has changed, and moves the averages of the trained weights among it. */
static void finish_group(fig__builder *b, fig_error *err)
{
    const fig_model *m = b->round->model;
    bool averages = b->round->settings->train.ema > 0;
    fig_node decay = averages ? fig_scalar(b->graph, "ema", 0) : FIG_NONE;
    for (int i = 0; i < m->n_weights; i++) {
        const fig__weight *weight = &m->weights[i];
        if (b->current[i].id == weight->node.id)
            continue;
        fig_assign(weight->node, b->current[i]);
        if (!averages || !weight->trained || !weight->exported)
            continue;
        fig_node mean = own_state(b, fig__arena_format(b->arena, "ema/%s", weight->name), &weight->type, err);
        fig_scope_push(b->graph, "ema");
        fig_assign(mean, fig_add(b->current[i], fig_mul(fig_sub(mean, b->current[i]), decay)));
        fig_scope_pop(b->graph);
    }
}

/* Assignments without an anchor happen once a round: in the first phase of each stage. */
static bool is_first(const fig_model *m, int phase)
{
    for (int i = 0; i < phase; i++)
        if (!m->phase[i].stage || !strcmp(m->phase[i].stage, m->phase[phase].stage))
            return false;
    return true;
}

static phase_graph begin_phase(const fig__builder *b, int index)
{
    return (phase_graph){ .index = index, .phase = &b->round->model->phase[index], .options = &b->round->phase[index] };
}

/* The values that a phase begins with. */
static fig_node *begin_values(fig__builder *b)
{
    const fig_model *m = b->round->model;
    fig_node *start = FIG_NEW_ARRAY(b->arena, fig_node, m->n_weights);
    if (m->n_weights)
        memcpy(start, b->current, sizeof *start * (size_t)m->n_weights);
    return start;
}

fig_status fig__build_group(fig__builder *b, fig__group *group, fig_error *err)
{
    const fig_model *m = b->round->model;
    begin_group(b, group);
    if (group->only_pool)
        return fig_graph_check(b->graph, err);
    bool simultaneous = m->phase[group->phase[0]].simultaneous;
    fig_node *begin = begin_values(b), *after = begin_values(b);
    for (int k = 0; k < group->n_phases; k++) {
        phase_graph p = begin_phase(b, group->phase[k]);
        fig_node *start = simultaneous ? begin : begin_values(b);
        build_loss(b, group, &p, start, is_first(m, group->phase[k]));
        build_gradient(b, &p, start, p.mean);
        transform(b, group, &p, true);
        update(b, &p, start, is_fine(p.mean), simultaneous ? after : b->current, err);
    }
    for (int i = 0; simultaneous && i < m->n_weights; i++)
        if (after[i].id != begin[i].id)
            b->current[i] = after[i];
    finish_group(b, err);
    return fig_graph_check(b->graph, err);
}

/* -- accumulation -------------------------------------------------------------------------------------------------- */

static fig_node sum_state(fig__builder *b, const phase_graph *p, const char *name, const fig_type *type, fig_error *err)
{
    return own_state(b, fig__arena_format(b->arena, "acc/%s/%s", p->phase->name, name), type, err);
}

fig_status fig__build_accumulate(fig__builder *b, fig__group *group, fig_error *err)
{
    const fig_model *m = b->round->model;
    begin_group(b, group);
    phase_graph p = begin_phase(b, group->phase[0]);
    fig_node *start = begin_values(b);
    build_loss(b, group, &p, start, is_first(m, group->phase[0]));
    build_gradient(b, &p, start, p.sum);
    fig_type scalar = FIG_SCALAR;
    fig_node total = sum_state(b, &p, "#loss", &scalar, err), count = sum_state(b, &p, "#count", &scalar, err);
    fig_assign(total, fig_add(total, p.sum));
    fig_assign(count, fig_add(count, p.count));
    for (int k = 0; k < p.n_trained; k++) {
        const fig__weight *weight = &m->weights[p.trained[k]];
        fig_node sum = sum_state(b, &p, weight->name, &weight->type, err);
        fig_assign(sum, fig_add(sum, p.gradient[k]));
    }
    for (int i = 0; i < m->n_weights; i++) /* running statistics */
        if (b->current[i].id != m->weights[i].node.id)
            fig_assign(m->weights[i].node, b->current[i]);
    return fig_graph_check(b->graph, err);
}

fig_status fig__build_apply(fig__builder *b, fig__group *group, fig_error *err)
{
    const fig_model *m = b->round->model;
    fig__group unused = { 0 };
    int outputs = group->n_outputs;
    begin_group(b, &unused);
    group->n_outputs = outputs;
    phase_graph p = begin_phase(b, group->phase[0]);
    fig_type scalar = FIG_SCALAR;
    fig_node total = sum_state(b, &p, "#loss", &scalar, err), count = sum_state(b, &p, "#count", &scalar, err);
    p.trained = FIG_NEW_ARRAY(b->arena, int, m->n_weights);
    p.gradient = FIG_NEW_ARRAY(b->arena, fig_node, m->n_weights);
    for (int i = 0; i < m->n_weights; i++) {
        const fig__weight *weight = &m->weights[i];
        if (!weight->trained || !fig__in_scopes(weight->name, p.phase->trains) || is_frozen(m, weight->name))
            continue;
        fig_node sum = sum_state(b, &p, weight->name, &weight->type, err);
        p.gradient[p.n_trained] = fig_div(sum, count);
        p.trained[p.n_trained++] = i;
        fig_assign(sum, fig_zeros_like(sum));
    }
    transform(b, &unused, &p, false);
    fig_node *start = begin_values(b);
    update(b, &p, start, is_fine(total), b->current, err);
    fig_assign(total, fig_zeros_like(total));
    fig_assign(count, fig_zeros_like(count));
    finish_group(b, err);
    return fig_graph_check(b->graph, err);
}
