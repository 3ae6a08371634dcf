/* exec/tune.c - timing the kernels that accept a node, and keeping the choice
 *
 * Before a plan chooses its kernels, the nodes that several kernels accept and that have no row in the table of choices are
 * timed, those with the most operations first, each on tensors of its own. A round times every candidate alternately and
 * keeps the least time of each; a challenger replaces the fixed choice only when it was at least 5 % faster in two rounds.
 * Times of a busy machine are all too long alike, or wrong in one round and not in the other.
 *
 * The time that may be spent follows the step's: ten steps, at least LEAST_SECONDS and at most MOST_SECONDS, over all plans of
 * one table. What is not reached keeps the fixed choice, and has a row like the others, so that the next start measures
 * nothing. */
#include "exec/exec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

#define LEAST_SECONDS 1.6   /* with preparing and compiling, below the 3 s that a first start may take */
#define MOST_SECONDS 7.0    /* below 10 s likewise */
#define SLOWEST_RATE 60e9   /* operations a second and thread that a step reaches at least where it matters */
#define LEAST_FLOPS 5e5     /* some microseconds: nothing to gain */
#define BETTER 0.95
#define HOPELESS 1.3        /* dropped when the second run takes this many times the fixed choice's */
#define ROUND_SECONDS 2e-3  /* repeats of a candidate in a round fill this time, within LEAST and MOST repeats */
enum { LEAST_REPEATS = 2, MOST_REPEATS = 12 };

typedef struct job {
    fig_kernel_query query;
    char key[FIG__KEY_LENGTH + 1];
    double flops;
} job;

typedef struct candidate {
    const fig_kernel *kernel;
    void *prepared, *workspace;
    size_t workspace_bytes;
    double seconds[2]; /* least of each round */
    bool dropped;
} candidate;

typedef struct trial {
    fig_session *session;
    const fig_kernel_query *query;
    fig_tensor *tensor; /* operands, then results */
    fig_run run;
    candidate candidate[FIG__CANDIDATES];
    int count;
} trial;

static int by_flops(const void *a, const void *b)
{
    double x = ((const job *)a)->flops, y = ((const job *)b)->flops;
    return (x < y) - (x > y);
}

/* Small numbers of both signs: no overflow, no denormals. Integers stay 0, which every index may be. */
static void fill(const fig_tensor *t)
{
    int64_t n = fig__count(&t->type);
    uint32_t state = 1;
    for (int64_t i = 0; i < n && t->type.dtype == FIG_F32; i++) {
        state = state * 1664525u + 1013904223u;
        ((float *)t->data)[i] = (float)(int32_t)state * (1.0f / 2147483648.0f);
    }
    for (int64_t i = 0; i < n && t->type.dtype == FIG_BF16; i++) {
        state = state * 1664525u + 1013904223u;
        ((uint16_t *)t->data)[i] = (uint16_t)(0x3e00u | (state >> 31 << 15) | (state >> 16 & 0x1ffu)); /* 0.125 .. 0.5 */
    }
}

static double run_once(trial *t, const candidate *c)
{
    const fig_kernel_query *q = t->query;
    fig_eval eval = { .n_in = q->n_in,
                      .n_out = q->n_out,
                      .in = t->tensor,
                      .out = t->tensor + q->n_in,
                      .attr = q->attr,
                      .run = &t->run,
                      .workspace = c->workspace,
                      .prepared = c->prepared };
    double from = fig__seconds();
    c->kernel->run(&eval);
    return fig__seconds() - from;
}

/* Takes tensors and candidates' memory; what cannot be had is left out. False when nothing is to be compared. */
static bool begin_trial(trial *t)
{
    const fig_kernel_query *q = t->query;
    uint64_t bytes = 0;
    for (int i = 0; i < q->n_in + q->n_out; i++)
        bytes += fig__bytes(i < q->n_in ? &q->in[i] : &q->out[i - q->n_in]);
    if (bytes > fig__memory_available() / 4)
        return false;
    for (int i = 0; i < q->n_in + q->n_out; i++) {
        fig_tensor *tensor = &t->tensor[i];
        tensor->type = i < q->n_in ? q->in[i] : q->out[i - q->n_in];
        if (fig__session_allocate(t->session, fig__bytes(&tensor->type), &tensor->data, NULL) != FIG_OK)
            return false;
        fill(tensor);
    }
    for (int i = 0; i < t->count; i++) {
        candidate *c = &t->candidate[i];
        fig_status status = c->kernel->prepare ? c->kernel->prepare(q, &c->prepared, &c->workspace_bytes, NULL) : FIG_OK;
        if (status == FIG_OK && c->workspace_bytes)
            status = fig__session_allocate(t->session, c->workspace_bytes, &c->workspace, NULL);
        c->dropped = status != FIG_OK;
    }
    return !t->candidate[0].dropped;
}

static void end_trial(trial *t)
{
    const fig_kernel_query *q = t->query;
    for (int i = 0; i < t->count; i++) {
        candidate *c = &t->candidate[i];
        if (c->kernel->release && c->prepared)
            c->kernel->release(c->prepared);
        fig__session_release(t->session, c->workspace, c->workspace_bytes);
    }
    for (int i = 0; i < q->n_in + q->n_out; i++)
        fig__session_release(t->session, t->tensor[i].data, fig__bytes(&t->tensor[i].type));
}

static void time_round(trial *t, int round, int repeats)
{
    for (int i = 0; i < t->count; i++)
        t->candidate[i].seconds[round] = INFINITY;
    for (int r = 0; r < repeats; r++)
        for (int i = 0; i < t->count; i++) {
            candidate *c = &t->candidate[i];
            if (!c->dropped)
                c->seconds[round] = fmin(c->seconds[round], run_once(t, c));
        }
}

static int winner(const trial *t)
{
    const candidate *fixed = &t->candidate[0];
    int best = 0;
    for (int i = 1; i < t->count; i++) {
        const candidate *c = &t->candidate[i], *b = &t->candidate[best];
        if (!c->dropped && c->seconds[0] < BETTER * fixed->seconds[0] && c->seconds[1] < BETTER * fixed->seconds[1] &&
            c->seconds[0] + c->seconds[1] < b->seconds[0] + b->seconds[1])
            best = i;
    }
    return best;
}

static int measure(trial *t)
{
    for (int i = 0; i < t->count; i++)
        if (!t->candidate[i].dropped)
            run_once(t, &t->candidate[i]); /* first touch of memory, code that is compiled on the way */
    double fixed = run_once(t, &t->candidate[0]);
    int left = 0;
    for (int i = 1; i < t->count; i++) {
        candidate *c = &t->candidate[i];
        c->dropped = c->dropped || run_once(t, c) > HOPELESS * fixed;
        left += !c->dropped;
    }
    if (!left)
        return 0;
    double fits = ROUND_SECONDS / (fixed > 1e-9 ? fixed : 1e-9);
    int repeats = fits < LEAST_REPEATS ? LEAST_REPEATS : fits > MOST_REPEATS ? MOST_REPEATS : (int)fits;
    time_round(t, 0, repeats);
    time_round(t, 1, repeats);
    return winner(t);
}

/* The kernel for one node, timed. */
static const fig_kernel *choose(fig_session *session, const job *j)
{
    uint64_t held = 0; /* by candidates, which are released */
    fig_kernel_query query = j->query;
    query.held = &held;
    trial t = { .session = session, .query = &query, .run = { .threads = session->threads } };
    const fig_kernel *list[FIG__CANDIDATES];
    t.count = fig__kernel_candidates(&j->query, list);
    for (int i = 0; i < t.count; i++)
        t.candidate[i].kernel = list[i];
    t.tensor = fig__alloc(sizeof *t.tensor * (size_t)(j->query.n_in + j->query.n_out));
    int saved, best = 0;
    pthread_mutex_lock(&session->lock);
    fig__threads_enter(session->threads, &saved);
    if (begin_trial(&t))
        best = measure(&t);
    end_trial(&t);
    fig__threads_leave(saved);
    pthread_mutex_unlock(&session->lock);
    free(t.tensor);
    return list[best];
}

static double allowed(const fig_choices *choices, int threads)
{
    double steps = 10 * choices->flops / (SLOWEST_RATE * threads);
    return fmin(fmax(steps, LEAST_SECONDS), MOST_SECONDS);
}

void fig__tune(fig_session *session, fig_choices *choices, const fig_kernel_query *query, int count)
{
    job *jobs = fig__alloc(sizeof *jobs * (size_t)(count + 1));
    int n = 0;
    for (int i = 0; i < count; i++) {
        const fig_kernel_query *q = &query[i];
        const fig_kernel *list[FIG__CANDIDATES];
        fig_error err = { 0 };
        fig_infer infer = {
            .n_in = q->n_in, .n_out = q->n_out, .in = q->in, .out = (fig_type *)q->out, .attr = q->attr, .err = &err
        };
        job j = { .query = *q, .flops = q->op->flops ? q->op->flops(&infer) : 0 };
        choices->flops += j.flops;
        if (j.flops < LEAST_FLOPS || fig__kernel_candidates(q, list) < 2 || !fig__choice_key(q, j.key))
            continue;
        if (!fig__choices_find(choices, j.key))
            jobs[n++] = j;
    }
    qsort(jobs, (size_t)n, sizeof *jobs, by_flops);
    double most = allowed(choices, session->threads), begun = fig__seconds() - choices->spent;
    for (int i = 0; i < n; i++) {
        if (fig__choices_find(choices, jobs[i].key)) /* of equal key, timed just before */
            continue;
        bool time_left = fig__seconds() - begun < most;
        const fig_kernel *kernel = time_left ? choose(session, &jobs[i]) : fig__kernel_choose(jobs[i].query.op, &jobs[i].query);
        fig__choices_set(choices, jobs[i].key, kernel->name, true);
    }
    choices->spent = n ? fig__seconds() - begun : choices->spent;
    free(jobs);
}
