/* exec/scan.c - running a loop: the body is a plan of its own, run once per step
 *
 * The body's plan is compiled when the loop's plan is. Each step copies this step's slices and the states into the
 * body's inputs, runs it, and copies its outputs to their places; values fixed for all steps are read where they
 * lie. Noise in the body is a function of the outer step and of the time step. This is the only implementation of
 * "scan", so it also serves sessions that use reference kernels. */
#include "exec/exec.h"

#include <stdlib.h>
#include <string.h>

typedef struct prepared_scan {
    fig_plan *body;
    const fig__scan *scan;
    void **state, **x; /* where the body wants this step's values; NULL: it does not read them */
    int32_t *fixed;    /* leaf in the body's plan, -1: not read */
} prepared_scan;

static bool scan_accepts(const fig_kernel_query *q)
{
    (void)q;
    return true;
}

static void scan_release(void *prepared)
{
    prepared_scan *p = prepared;
    fig_plan_free(p->body);
    free(p->state);
    free(p->x);
    free(p->fixed);
    free(p);
}

/* Finds the body's inputs once, so that a step looks nothing up. */
static void find_inputs(prepared_scan *p)
{
    const fig__scan *s = p->scan;
    char name[32];
    p->state = fig__alloc(sizeof *p->state * (size_t)(s->states + 1));
    p->x = fig__alloc(sizeof *p->x * (size_t)(s->xs + 1));
    p->fixed = fig__alloc(sizeof *p->fixed * (size_t)(s->fixeds + 1));
    for (int i = 0; i < s->states; i++) {
        snprintf(name, sizeof name, "state%d", i);
        p->state[i] = fig_plan_input(p->body, name, NULL);
    }
    for (int i = 0; i < s->xs; i++) {
        snprintf(name, sizeof name, "x%d", i);
        p->x[i] = fig_plan_input(p->body, name, NULL);
    }
    for (int i = 0; i < s->fixeds; i++) {
        snprintf(name, sizeof name, "fixed%d", i);
        p->fixed[i] = fig__find_leaf(p->body->graph, &fig_op_input, name);
    }
}

static fig_status scan_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    const fig__scan *s = ((const fig_scan_attr *)q->attr)->scan;
    int32_t *outputs = fig__alloc(sizeof *outputs * (size_t)(s->states + s->ys + 1));
    memcpy(outputs, s->new_state, sizeof *outputs * (size_t)s->states);
    memcpy(outputs + s->states, s->y, sizeof *outputs * (size_t)s->ys);
    prepared_scan *p = fig__alloc(sizeof *p);
    p->scan = s;
    *workspace = 0;
    fig_status status = fig__plan_body(q->session, s->body, outputs, s->states + s->ys, q->choices, q->dry, &p->body, err);
    free(outputs);
    if (status != FIG_OK) {
        free(p);
        return status;
    }
    find_inputs(p);
    if (q->held)
        *q->held += fig_plan_get_info(p->body).planned_bytes;
    *prepared = p;
    return FIG_OK;
}

/* One step at time t. The final-state outputs of the scan double as the current states between steps. */
static void run_step(fig_eval *c, const prepared_scan *p, int64_t t)
{
    const fig__scan *s = p->scan;
    fig_tensor *kept = c->out + s->states + s->ys;
    for (int i = 0; i < s->states; i++) {
        size_t bytes = fig__bytes(&c->out[i].type);
        if (p->state[i])
            memcpy(p->state[i], c->out[i].data, bytes);
        if (s->keep)
            memcpy((char *)kept[i].data + (size_t)t * bytes, c->out[i].data, bytes);
    }
    for (int i = 0; i < s->xs; i++) {
        const fig_tensor *x = &c->in[s->states + i];
        size_t bytes = fig__bytes(&x->type) / (size_t)s->steps;
        if (p->x[i])
            memcpy(p->x[i], (const char *)x->data + (size_t)t * bytes, bytes);
    }
    fig_run run = *c->run;
    run.step = fig__hash64(&t, sizeof t, c->run->step);
    fig__plan_run_inside(p->body, &run);
    for (int i = 0; i < s->states; i++)
        memcpy(c->out[i].data, fig_plan_output(p->body, i, NULL), fig__bytes(&c->out[i].type));
    for (int i = 0; i < s->ys; i++) {
        const fig_tensor *y = &c->out[s->states + i];
        size_t bytes = fig__bytes(&y->type) / (size_t)s->steps;
        memcpy((char *)y->data + (size_t)t * bytes, fig_plan_output(p->body, s->states + i, NULL), bytes);
    }
}

static void scan_run(fig_eval *c)
{
    const prepared_scan *p = c->prepared;
    const fig__scan *s = p->scan;
    for (int i = 0; i < s->states; i++)
        memcpy(c->out[i].data, c->in[i].data, fig__bytes(&c->out[i].type));
    for (int i = 0; i < s->fixeds; i++)
        if (p->fixed[i] >= 0)
            fig__plan_bind(p->body, p->fixed[i], c->in[s->states + s->xs + i].data);
    for (int64_t k = 0; k < s->steps; k++)
        run_step(c, p, s->reverse ? s->steps - 1 - k : k);
}

const fig_kernel fig_kernel_scan = {
    .name = "scan",
    .op = "scan",
    .accepts = scan_accepts,
    .prepare = scan_prepare,
    .release = scan_release,
    .run = scan_run,
};
