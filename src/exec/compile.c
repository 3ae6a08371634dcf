/* exec/compile.c - from a graph to a plan: prune, rewrite, choose kernels, lay out memory, bind
 *
 * A plan's steps are the nodes of the rewritten graph that compute something. Constants are computed once, here. */
#include "exec/exec.h"
#include "passes/pass.h"

#include <stdlib.h>
#include <string.h>

/* What a process takes beside tensors, as measured over the workloads of `figment bench`: program and libraries as far as a
 * step touches them, with stacks and the heap of a command; graph, plan and generated code per node. */
#define PROCESS_BYTES 20500000u
#define NODE_BYTES 4000u

typedef struct compile {
    fig_plan *plan;
    const fig_plan_opts *opts;
    size_t *workspace;           /* per node */
    unsigned *inplace;           /* per node */
    const fig_kernel **kernel;   /* per node */
    void **prepared;             /* per node */
    int *entry;                  /* per value: store entry */
    bool *once;                  /* per node: depends on weights alone, and these are the same in every run */
    int32_t *kept;               /* per value: the value that is its bf16 copy and stays from run to run; 0 = none. NULL: nowhere */
    const char *outside;         /* see fig__layout_request */
    uint64_t held;               /* tensor memory that kernels took for themselves */
    bool measuring;              /* kernels are asked what they would take, no more */
    bool tuned;
    fig_choices *choices;        /* NULL: fixed kernels */
    fig__layout layout;
} compile;

static bool computes(const fig__node *node)
{
    return !(node->op->flags & (FIG_OP_LEAF | FIG_OP_VIEW));
}

static fig_type *types_of(const fig_plan *plan, const int32_t *values, int32_t first, int count)
{
    fig_type *types = FIG_NEW_ARRAY(plan->arena, fig_type, count + 1);
    for (int i = 0; i < count; i++)
        types[i] = plan->graph->values[values ? values[i] : first + i].type;
    return types;
}

/* Operands that are smaller than an element-by-element node's iteration space are read many times: never written
 * over. */
static unsigned safe_inplace(const fig_plan *plan, const fig__node *node, unsigned bits)
{
    const fig_graph *g = plan->graph;
    const fig_type *space = &g->values[node->first_out].type;
    if (node->op == &fig_op_fused)
        space = &((const fig_fused_attr *)node->attr)->program->space;
    else if (!(node->op->flags & FIG_OP_POINTWISE))
        return bits;
    for (int i = 0; i < node->n_in && i < 32; i++)
        if (!fig__shapes_equal(&g->values[node->in[i]].type, space))
            bits &= ~(1u << i);
    return bits;
}

static fig_kernel_query query_of(compile *c, int32_t n)
{
    fig_plan *plan = c->plan;
    const fig__node *node = &plan->graph->nodes[n];
    return (fig_kernel_query){ .op = node->op,
                               .n_in = node->n_in,
                               .n_out = node->n_out,
                               .attr = node->attr,
                               .threads = plan->session->threads,
                               .session = plan->session,
                               .choices = c->choices,
                               .dry = plan->dry,
                               .held = &c->held,
                               .in = types_of(plan, node->in, 0, node->n_in),
                               .out = types_of(plan, NULL, node->first_out, node->n_out) };
}

/* The kernels for a node in the order to try them: what a measured choice names, when it still accepts, then the fixed ones. */
static int candidates(const compile *c, const fig_kernel_query *q, const fig_kernel *list[FIG__CANDIDATES])
{
    char key[FIG__KEY_LENGTH + 1];
    int count = fig__kernel_candidates(q, list);
    if (!c->choices || count < 2 || !fig__choice_key(q, key))
        return count;
    const fig__choice *row = fig__choices_find(c->choices, key);
    if (!row)
        return count;
    int best = 0;
    for (int i = 0; i < count; i++)
        if (!strcmp(list[i]->name, row->kernel))
            best = i;
    if (best == 0 && strcmp(list[0]->name, row->kernel) != 0) /* a row that no longer means anything */
        fig__choices_set(c->choices, key, list[0]->name, false);
    c->choices->row[row - c->choices->row].used = true;
    const fig_kernel *first = list[best];
    memmove(list + 1, list, sizeof *list * (size_t)best);
    list[0] = first;
    return count;
}

fig_status fig__prepare_first(const fig_kernel *const *list, int count, const fig_kernel_query *q, const fig_kernel **kernel,
                              void **prepared, size_t *workspace, fig_error *err)
{
    fig_error first = { 0 };
    *kernel = NULL;
    for (int i = 0; i < count; i++) {
        *prepared = NULL;
        *workspace = 0;
        uint64_t held = q->held ? *q->held : 0;
        fig_error refusal = { 0 };
        fig_status status = list[i]->prepare ? list[i]->prepare(q, prepared, workspace, &refusal) : FIG_OK;
        if (status == FIG_OK) {
            *kernel = list[i];
            return FIG_OK;
        }
        if (q->held)
            *q->held = held;
        if (status == FIG_E_LIMIT)
            return fig_fail(err, status, "%s", refusal.message);
        if (!first.status)
            first = refusal;
    }
    *prepared = NULL;
    *workspace = 0;
    if (q->op->reference)
        return FIG_OK;
    if (first.status)
        return fig_fail(err, first.status, "%s", first.message);
    return fig_fail(err, FIG_E_FAILED, "\"%s\" has neither a kernel nor a reference loop", q->op->name);
}

/* The plain loop on tensors of which some are stored in bf16. */
static void lifted_reference_run(fig_eval *c)
{
    const fig_op *const *op = c->prepared;
    fig__run_lifted((*op)->reference, c);
}

static const fig_kernel lifted_reference = { .name = "reference", .run = lifted_reference_run, .team = true };

static fig_status choose_kernel(compile *c, int32_t n, const fig_kernel_query *q, fig_error *err)
{
    fig_plan *plan = c->plan;
    const fig__node *node = &plan->graph->nodes[n];
    const fig_kernel *list[FIG__CANDIDATES], *kernel;
    int count = plan->session->opts.reference_kernels && node->op->reference ? 0 : candidates(c, q, list);
    FIG_TRY(fig__prepare_first(list, count, q, &kernel, &c->prepared[n], &c->workspace[n], err));
    if (!kernel && (c->workspace[n] = fig__lifted_workspace(q->n_in, q->in, q->n_out, q->out)) > 0) {
        const fig_op **op = FIG_NEW(plan->arena, const fig_op *);
        *op = node->op;
        c->prepared[n] = op;
        kernel = &lifted_reference;
    }
    c->kernel[n] = kernel;
    c->inplace[n] = safe_inplace(plan, node, kernel ? kernel->inplace : (node->op->flags & FIG_OP_INPLACE) != 0);
    if (node->op->flops && !c->once[n]) {
        fig_infer infer = {
            .n_in = q->n_in, .n_out = q->n_out, .in = q->in, .out = (fig_type *)q->out, .attr = q->attr, .err = err
        };
        double flops = node->op->flops(&infer);
        *(node->again ? &plan->info.recomputed_flops : &plan->info.flops) += flops;
    }
    plan->info.recomputed_steps += node->again;
    return FIG_OK;
}

static fig_status choose_kernels(compile *c, fig_error *err)
{
    fig_plan *plan = c->plan;
    fig_graph *g = plan->graph;
    fig_kernel_query *query = FIG_NEW_ARRAY(plan->arena, fig_kernel_query, g->n_nodes + 1);
    int32_t *node = FIG_NEW_ARRAY(plan->arena, int32_t, g->n_nodes + 1);
    int count = 0;
    for (int32_t n = 0; n < g->n_nodes; n++)
        if (computes(&g->nodes[n])) {
            node[count] = n;
            query[count++] = query_of(c, n);
        }
    if (c->choices && !c->choices->frozen && !plan->dry && !c->tuned)
        fig__tune(plan->session, c->choices, query, count);
    c->tuned = true;
    for (int i = 0; i < count; i++) {
        query[i].dry = plan->dry || c->measuring;
        FIG_TRY(choose_kernel(c, node[i], &query[i], err));
    }
    return FIG_OK;
}

static fig_status bind_state(const fig_plan *plan, int found, const char *name, const fig_type *type, fig_error *err)
{
    const fig_type *stored = fig_store_type(plan->store, found);
    bool narrower = type->dtype == FIG_BF16 && stored->dtype == FIG_F32 && fig__shapes_equal(type, stored); /* passes/weights.c */
    if (!fig__types_equal(stored, type) && !narrower) {
        char a[128], b[128];
        fig__type_text(type, a);
        fig__type_text(stored, b);
        return fig_fail(err, FIG_E_SHAPE, "state \"%s\" is %s in the graph and %s in the store", name, a, b);
    }
    if (plan->dry)
        return FIG_OK;
    if (narrower)
        FIG_TRY(fig__store_narrow(plan->store, found, err));
    plan->store->entry[found].bound = true;
    return FIG_OK;
}

static fig_status find_states(compile *c, fig_error *err)
{
    fig_plan *plan = c->plan;
    fig_graph *g = plan->graph;
    c->entry = FIG_NEW_ARRAY(plan->arena, int, g->n_values);
    for (int32_t v = 0; v < g->n_values; v++)
        c->entry[v] = -1;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        if (node->op != &fig_op_state)
            continue;
        const char *name = ((const fig_leaf_attr *)node->attr)->name;
        int found = -1;
        if (c->opts->state_prefix)
            found = fig_store_find(plan->store, fig__arena_format(plan->arena, "%s%s", c->opts->state_prefix, name));
        if (found < 0 && plan->store)
            found = fig_store_find(plan->store, name);
        if (found < 0)
            return fig_fail(err, FIG_E_NOT_FOUND, "the graph uses state \"%s\", which the store does not have", name);
        const fig_type *type = &g->values[node->first_out].type;
        FIG_TRY(bind_state(plan, found, name, type, err));
        c->entry[node->first_out] = found;
        plan->info.state_bytes += fig__bytes(type);
    }
    return FIG_OK;
}

/* Where weights have another form, making it is no part of a run; nor is anything else that depends on them alone. */
static void find_once(compile *c)
{
    fig_plan *plan = c->plan;
    const fig_graph *g = plan->graph;
    bool *still = FIG_NEW_ARRAY(plan->arena, bool, g->n_values);
    c->once = FIG_NEW_ARRAY(plan->arena, bool, g->n_nodes + 1);
    if (c->opts->weights == FIG_WEIGHTS_F32)
        return;
    for (int32_t v = 1; v < g->n_values; v++)
        still[v] = fig__node_of(g, v)->op == &fig_op_state;
    for (int i = 0; i < g->n_assigns; i++)
        still[g->assigns[i].state] = false;
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        bool same = !(node->op->flags & (FIG_OP_LEAF | FIG_OP_NOISE)) && node->op != &fig_op_scan;
        for (int i = 0; i < node->n_in; i++)
            same = same && still[node->in[i]];
        for (int i = 0; i < node->n_out && same; i++)
            still[node->first_out + i] = true;
        c->once[n] = same && computes(node) && !(node->op->flags & FIG_OP_CONSTANT);
    }
}

/* Node n casts a weight to bf16. Returns the value assigned to that weight if its kernel can write the copy, too, and every reader
 * of the copy has run by then; else 0. */
static int32_t kept_with(const compile *c, int32_t n)
{
    const fig_graph *g = c->plan->graph;
    const fig__node *node = &g->nodes[n];
    int32_t state = node->in[0], value = 0;
    if (node->op != &fig_op_cast || fig__node_of(g, state)->op != &fig_op_state ||
        g->values[state].type.dtype != FIG_F32 || g->values[node->first_out].type.dtype != FIG_BF16)
        return 0;
    for (int i = 0; i < g->n_assigns; i++)
        value = g->assigns[i].state == state ? g->assigns[i].value : value;
    if (!value || c->kept[value] || fig__node_of(g, value)->op == &fig_op_state)
        return 0;
    int32_t maker = g->values[value].node;
    bool *copy = fig__alloc(sizeof *copy * (size_t)g->n_values), late = false; /* the copy and its views */
    copy[node->first_out] = true;
    for (int32_t m = n + 1; m < g->n_nodes; m++)
        for (int i = 0; i < g->nodes[m].n_in; i++)
            if (copy[g->nodes[m].in[i]]) {
                copy[g->nodes[m].first_out] |= (g->nodes[m].op->flags & FIG_OP_VIEW) != 0;
                late |= m >= maker && !(g->nodes[m].op->flags & FIG_OP_VIEW);
            }
    for (int i = 0; i < c->plan->n_outputs; i++)
        late |= copy[c->plan->output[i]];
    free(copy);
    return !late && c->kernel[maker] && c->kernel[maker]->copies ? value : 0;
}

/* Weights that an optimizer changes are cast by it, so that a step need not read them once more. */
static void find_kept(compile *c)
{
    const fig_graph *g = c->plan->graph;
    c->kept = NULL;
    c->plan->keeps = c->opts->keep_copies && !c->opts->memory_budget;
    if (!c->plan->keeps)
        return;
    c->kept = FIG_NEW_ARRAY(c->plan->arena, int32_t, g->n_values);
    for (int32_t n = 0; n < g->n_nodes; n++) {
        int32_t value = g->nodes[n].n_in == 1 ? kept_with(c, n) : 0;
        if (value) {
            c->kept[value] = g->nodes[n].first_out;
            c->once[n] = true;
        }
    }
}

static fig_status take_memory(compile *c, fig_error *err)
{
    fig_plan *plan = c->plan;
    fig_plan *share = c->opts->share;
    plan->fixed_bytes = c->layout.fixed_bytes;
    uint64_t available = fig__memory_available();
    if (plan->info.planned_bytes - c->held > available)
        return fig_fail(err, FIG_E_LIMIT,
                        "the plan needs %.0f MB of memory and this machine has %.0f MB free; use a smaller batch",
                        (double)plan->info.planned_bytes / 1e6, (double)available / 1e6);
    if (plan->fixed_bytes)
        FIG_TRY(fig__session_allocate(plan->session, plan->fixed_bytes, &plan->fixed, err));
    if (share && share->block && share->block->bytes >= c->layout.block_bytes) {
        plan->block = share->block;
        plan->block->users++;
        return FIG_OK;
    }
    if (!c->layout.block_bytes)
        return FIG_OK;
    plan->block = fig__alloc(sizeof *plan->block);
    *plan->block = (fig__block){.bytes = c->layout.block_bytes, .users = 1};
    return fig__session_allocate(plan->session, plan->block->bytes, &plan->block->base, err);
}

static void address_values(compile *c)
{
    fig_plan *plan = c->plan;
    fig_graph *g = plan->graph;
    plan->data = FIG_NEW_ARRAY(plan->arena, void *, g->n_values);
    for (int32_t v = 1; v < g->n_values; v++) {
        int32_t root = c->layout.root[v];
        int64_t offset = c->layout.offset[root];
        if (c->layout.place[root] == FIG_OUTSIDE)
            continue;
        if (c->layout.place[root] == FIG_IN_STORE)
            plan->data[v] = plan->store->entry[offset].data;
        else
            plan->data[v] = (char *)(c->layout.place[root] == FIG_IN_FIXED ? plan->fixed : plan->block->base) + offset;
    }
}

/* Where a node's kernel writes bf16 copies of its results; NULL: nowhere. */
static uint16_t *const *copies_of(const compile *c, const fig__node *node)
{
    uint16_t **copy = NULL;
    for (int i = 0; c->kept && i < node->n_out; i++) {
        int32_t kept = c->kept[node->first_out + i];
        if (kept && !copy)
            copy = FIG_NEW_ARRAY(c->plan->arena, uint16_t *, node->n_out);
        if (kept)
            copy[i] = c->plan->data[kept];
    }
    return copy;
}

static void make_step(compile *c, int32_t n, fig__step *step)
{
    fig_plan *plan = c->plan;
    fig_graph *g = plan->graph;
    const fig__node *node = &g->nodes[n];
    fig_tensor *in = FIG_NEW_ARRAY(plan->arena, fig_tensor, node->n_in + 1),
               *out = FIG_NEW_ARRAY(plan->arena, fig_tensor, node->n_out);
    for (int i = 0; i < node->n_in; i++)
        in[i] = (fig_tensor){g->values[node->in[i]].type, plan->data[node->in[i]]};
    for (int i = 0; i < node->n_out; i++)
        out[i] = (fig_tensor){g->values[node->first_out + i].type, plan->data[node->first_out + i]};
    *step = (fig__step){ .kernel = c->kernel[n],
                         .run = c->kernel[n] ? c->kernel[n]->run : node->op->reference,
                         .node = n,
                         .workspace = c->workspace[n],
                         .team = !c->kernel[n] || c->kernel[n]->team, /* reference loops have one thread */
                         .shares = c->kernel[n] && c->kernel[n]->team };
    step->eval =
        (fig_eval){ .n_in = node->n_in,
                    .n_out = node->n_out,
                    .in = in,
                    .out = out,
                    .attr = node->attr,
                    .run = &plan->run,
                    .prepared = c->prepared[n],
                    .copy = copies_of(c, node),
                    .workspace = c->workspace[n] ? (char *)plan->block->base + c->layout.workspace_offset[n] : NULL };
}

static void add_steps(compile *c, bool once)
{
    fig_plan *plan = c->plan;
    for (int32_t n = 0; n < plan->graph->n_nodes; n++) {
        const fig__node *node = &plan->graph->nodes[n];
        if (computes(node) && !(node->op->flags & FIG_OP_CONSTANT) && c->once[n] == once)
            make_step(c, n, &plan->step[plan->n_steps++]);
    }
}

/* What lies still from run to run and is read by a later step, for threads that wait meanwhile. */
static void look_ahead(compile *c)
{
    fig_plan *plan = c->plan;
    fig__ahead next = { 0 };
    for (int i = plan->n_steps - 1; i >= plan->n_once; i--) {
        fig__step *step = &plan->step[i];
        step->ahead = next;
        if (!step->kernel || !step->kernel->ahead)
            continue;
        int of;
        fig__ahead own = step->kernel->ahead(&step->eval, &of);
        if (own.parts > 0 && c->layout.place[c->layout.root[plan->graph->nodes[step->node].in[of]]] != FIG_IN_BLOCK)
            next = own;
    }
}

static void make_steps(compile *c)
{
    fig_plan *plan = c->plan;
    fig_graph *g = plan->graph;
    plan->step = FIG_NEW_ARRAY(plan->arena, fig__step, g->n_nodes + 1);
    plan->copy = FIG_NEW_ARRAY(plan->arena, fig__copy, g->n_assigns + 1);
    for (int32_t n = 0; n < g->n_nodes; n++) {
        const fig__node *node = &g->nodes[n];
        if (node->op == &fig_op_scalar)
            *(float *)plan->data[node->first_out] = ((const fig_leaf_attr *)node->attr)->fallback;
        if (!computes(node) || !(node->op->flags & FIG_OP_CONSTANT))
            continue;
        fig__step step;
        make_step(c, n, &step);
        step.run(&step.eval);
        if (step.kernel && step.kernel->release && c->prepared[n])
            step.kernel->release(c->prepared[n]);
        c->prepared[n] = NULL;
    }
    add_steps(c, true);
    plan->n_once = plan->n_steps;
    plan->stale = true;
    add_steps(c, false);
    look_ahead(c);
    for (int i = 0; i < g->n_assigns; i++)
        if (!c->layout.in_state[i])
            plan->copy[plan->n_copies++] = (fig__copy){plan->data[g->assigns[i].state], plan->data[g->assigns[i].value],
                                                       fig__bytes(&g->values[g->assigns[i].state].type)};
}

/* Kernels and layout: what the plan would need. */
static fig_status lay_out(compile *c, fig_error *err)
{
    fig_plan *plan = c->plan;
    fig_graph *g = plan->graph;
    fig_plan_info *info = &plan->info;
    c->held = info->state_bytes = 0;
    info->flops = info->recomputed_flops = 0;
    info->steps = info->recomputed_steps = 0;
    c->workspace = FIG_NEW_ARRAY(plan->arena, size_t, g->n_nodes + 1);
    c->inplace = FIG_NEW_ARRAY(plan->arena, unsigned, g->n_nodes + 1);
    c->kernel = FIG_NEW_ARRAY(plan->arena, const fig_kernel *, g->n_nodes + 1);
    c->prepared = FIG_NEW_ARRAY(plan->arena, void *, g->n_nodes + 1);
    FIG_TRY(find_states(c, err));
    find_once(c);
    FIG_TRY(choose_kernels(c, err));
    find_kept(c);
    fig__layout_request request = { .graph = g,
                                    .outputs = plan->output,
                                    .n_outputs = plan->n_outputs,
                                    .workspace = c->workspace,
                                    .inplace = c->inplace,
                                    .once = c->once,
                                    .entry = c->entry,
                                    .outside = c->outside,
                                    .arena = plan->arena };
    fig__layout_plan(&request, &c->layout);
    plan->info.planned_bytes = c->layout.block_bytes + c->layout.fixed_bytes + c->held;
    plan->info.live_bytes = c->layout.live_bytes + c->layout.fixed_bytes + c->held;
    plan->info.block_bytes = c->layout.block_bytes;
    plan->info.overhead_bytes = PROCESS_BYTES + NODE_BYTES * (uint64_t)(plan->info.nodes + g->n_nodes);
    for (int32_t n = 0; n < g->n_nodes; n++)
        plan->info.steps += computes(&g->nodes[n]) && !(g->nodes[n].op->flags & FIG_OP_CONSTANT) && !c->once[n];
    return FIG_OK;
}

/* What prepare made belongs to a step once there are steps; before that (dry, or an error) it is released here. */
static void release_prepared(compile *c)
{
    for (int32_t n = 0; c->prepared && n < c->plan->graph->n_nodes; n++)
        if (c->kernel[n] && c->kernel[n]->release && c->prepared[n])
            c->kernel[n]->release(c->prepared[n]);
    c->prepared = NULL;
}

/* -- a plan within a budget ---------------------------------------------------------------------------------------- */

/* Attempts at a target: what packing and operands written over make of it is known only afterwards. */
enum { ATTEMPTS = 8 };
/* Sparing: the least block, and what may be paid for less: more where it is many times what weights and moments take. */
enum { SPARED_BYTES = 1 << 28, MOSTLY_BLOCK = 6 };
#define SPARED_FOR 0.004
#define SPARED_FOR_MOST 0.0135

static fig__footprint footprint_of(const compile *c)
{
    const fig_plan *plan = c->plan;
    const fig_graph *g = plan->graph;
    bool *in_block = FIG_NEW_ARRAY(plan->arena, bool, g->n_values);
    for (int32_t v = 1; v < g->n_values; v++)
        in_block[v] = c->layout.root[v] == v && c->layout.place[v] == FIG_IN_BLOCK;
    return (fig__footprint){ .workspace = c->workspace, .inplace = c->inplace, .in_block = in_block };
}

static fig_status measure(compile *c, fig__program *p, fig_error *err)
{
    release_prepared(c);
    c->plan->graph = p->graph;
    c->plan->output = p->output;
    return lay_out(c, err);
}

/* Makes the graph one that needs at most the budget, if it can be had; if not, *least is what it came down to. */
static fig_status fit_budget(compile *c, fig__program *p, uint64_t *least, fig_error *err)
{
    fig_plan *plan = c->plan;
    uint64_t budget = c->opts->memory_budget;
    c->measuring = true;
    FIG_TRY(measure(c, p, err));
    plan->info.unbudgeted_bytes = *least = plan->info.planned_bytes;
    if (*least <= budget)
        return FIG_OK;
    fig__footprint memory = footprint_of(c);
    int32_t *outputs = FIG_NEW_ARRAY(plan->arena, int32_t, p->n_outputs + 1);
    memcpy(outputs, p->output, sizeof *outputs * (size_t)p->n_outputs);
    uint64_t outside = plan->info.planned_bytes - c->layout.block_bytes, target = budget > outside ? budget - outside : 0;
    fig_graph *original = NULL;
    fig_status status = FIG_OK;
    for (int i = 0; i < ATTEMPTS && status == FIG_OK && plan->info.planned_bytes > budget; i++) {
        uint64_t asked = i + 1 < ATTEMPTS ? target : 0; /* the last time: as little as can be */
        release_prepared(c);
        if (original) { /* each attempt begins with the graph as it was */
            fig_graph_free(p->graph);
            p->graph = original;
            memcpy(p->output, outputs, sizeof *outputs * (size_t)p->n_outputs);
        }
        bool reached = fig__program_recompute(p, &memory, asked, &original);
        status = fig__program_reorder(p, plan->session->passes_off, c->opts->dump, err);
        plan->graph = p->graph;
        if (status == FIG_OK)
            status = measure(c, p, err);
        if (status == FIG_OK && plan->info.planned_bytes < *least)
            *least = plan->info.planned_bytes;
        if (!asked)
            break;
        uint64_t over = plan->info.planned_bytes > budget ? plan->info.planned_bytes - budget : 0;
        target = reached && asked > over + over / 4 ? asked - over - over / 4 : 0;
    }
    fig_graph_free(original);
    return status;
}

/* Without a budget: what costs next to nothing to compute again is not kept in a large block. */
static fig_status spare(compile *c, fig__program *p, fig_error *err)
{
    const fig_plan_info *info = &c->plan->info;
    uint64_t outside = info->state_bytes + info->planned_bytes - info->block_bytes; /* weights and moments, mostly */
    if (c->opts->memory_budget || c->outside || info->block_bytes < SPARED_BYTES)
        return FIG_OK;
    fig__footprint memory = footprint_of(c);
    fig_graph *original = NULL;
    if (!fig__program_spare(p, &memory, info->block_bytes / MOSTLY_BLOCK < outside ? SPARED_FOR : SPARED_FOR_MOST, &original))
        return FIG_OK;
    release_prepared(c);
    fig_status status = fig__program_reorder(p, c->plan->session->passes_off, c->opts->dump, err);
    if (status == FIG_OK)
        status = measure(c, p, err);
    fig_graph_free(original);
    return status;
}

static fig_status over_budget(const compile *c, uint64_t least, fig_error *err)
{
    return fig_fail(err, FIG_E_LIMIT,
                    "the plan needs %.0f MB, and at least %.0f MB with activations computed again; its budget is %.0f MB",
                    (double)c->plan->info.unbudgeted_bytes / 1e6, (double)least / 1e6, (double)c->opts->memory_budget / 1e6);
}

/* Everything behind the passes. */
static fig_status build(compile *c, fig__program *p, fig_error *err)
{
    fig_plan *plan = c->plan;
    if (c->opts->memory_budget) {
        uint64_t least;
        FIG_TRY(fit_budget(c, p, &least, err));
        if (c->opts->least)
            *c->opts->least = least;
        if (plan->info.planned_bytes > c->opts->memory_budget)
            return over_budget(c, least, err);
        c->measuring = false;
    }
    if (!c->opts->memory_budget || !plan->dry) /* dry: what was measured is all there is to know */
        FIG_TRY(measure(c, p, err));
    FIG_TRY(spare(c, p, err));
    if (!c->opts->memory_budget)
        plan->info.unbudgeted_bytes = plan->info.planned_bytes;
    if (plan->dry)
        return FIG_OK;
    FIG_TRY(take_memory(c, err));
    address_values(c);
    make_steps(c);
    return FIG_OK;
}

static unsigned wanted_passes(const fig_plan_opts *opts)
{
    static const unsigned form[] = { [FIG_WEIGHTS_BF16] = FIG__WITH_BF16_WEIGHTS, [FIG_WEIGHTS_INT8] = FIG__WITH_INT8_WEIGHTS };
    return (opts->bf16 ? FIG__WITH_BF16 : FIG__WITH_F32) | form[opts->weights];
}

static fig_status compile_program(fig_session *session, fig_store *store, const fig_graph *graph,
                                  const int32_t *outputs, int n_outputs, const fig_plan_opts *opts,
                                  const char *outside, fig_plan **out, fig_error *err)
{
    fig_plan *plan = fig__alloc(sizeof *plan);
    plan->session = session;
    plan->store = store;
    plan->dry = opts->dry;
    plan->arena = fig__arena_new();
    plan->run.threads = session->threads;
    fig__program program;
    fig__program_begin(graph, outputs, n_outputs, &program);
    fig_status status = fig_graph_check(program.graph, err);
    if (status == FIG_OK)
        status = fig__program_optimise(&program, wanted_passes(opts), session->passes_off, opts->dump, err);
    plan->graph = program.graph;
    plan->output = program.output;
    plan->n_outputs = n_outputs;
    plan->info.nodes = graph->n_nodes;
    compile c = {.plan = plan, .opts = opts, .outside = outside, .choices = opts->choices ? opts->choices : session->choices};
    if (session->opts.reference_kernels)
        c.choices = NULL;
    if (status == FIG_OK)
        status = build(&c, &program, err);
    plan->graph = program.graph;
    if (status != FIG_OK || plan->dry)
        release_prepared(&c);
    if (status != FIG_OK) {
        plan->n_steps = 0;
        fig_plan_free(plan);
        return status;
    }
    *out = plan;
    return FIG_OK;
}

fig_status fig_plan_compile(fig_graph *graph, fig_store *store, const fig_plan_opts *opts, fig_plan **out,
                            fig_error *err)
{
    static const fig_plan_opts none;
    *out = NULL;
    opts = opts ? opts : &none;
    FIG_TRY(fig_graph_check(graph, err));
    int32_t *outputs = fig__alloc(sizeof *outputs * (size_t)(opts->n_outputs + 1));
    for (int i = 0; i < opts->n_outputs; i++) {
        if (opts->outputs[i].graph != graph || fig__poisoned(opts->outputs[i])) {
            free(outputs);
            return fig_fail(err, FIG_E_USAGE, "compile: output %d is not a value of this graph", i);
        }
        outputs[i] = opts->outputs[i].id;
    }
    fig_choices *choices = opts->choices ? opts->choices : store->session->choices;
    if (choices)
        pthread_mutex_lock(&choices->lock);
    fig_status status = compile_program(store->session, store, graph, outputs, opts->n_outputs, opts, NULL, out, err);
    if (choices) {
        if (!choices->frozen)
            fig__choices_save(choices);
        pthread_mutex_unlock(&choices->lock);
    }
    free(outputs);
    return status;
}

fig_status fig__plan_body(fig_session *session, const fig_graph *body, const int32_t *outputs, int n_outputs,
                          fig_choices *choices, bool dry, fig_plan **out, fig_error *err)
{
    fig_plan_opts opts = {.dry = dry, .choices = choices};
    return compile_program(session, NULL, body, outputs, n_outputs, &opts, "fixed", out, err);
}

static void drop_block(fig_session *session, fig__block *block)
{
    if (!block || --block->users > 0)
        return;
    fig__session_release(session, block->base, block->bytes);
    free(block);
}

void fig_plan_free(fig_plan *plan)
{
    if (!plan)
        return;
    for (int i = 0; i < plan->n_steps; i++)
        if (plan->step[i].kernel && plan->step[i].kernel->release && plan->step[i].eval.prepared)
            plan->step[i].kernel->release(plan->step[i].eval.prepared);
    drop_block(plan->session, plan->block);
    fig__session_release(plan->session, plan->fixed, plan->fixed_bytes);
    fig_graph_free(plan->graph);
    free(plan->output);
    fig__arena_free(plan->arena);
    free(plan);
}
