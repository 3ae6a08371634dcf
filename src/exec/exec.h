/* exec/exec.h - inside of sessions, stores and plans */
#ifndef FIG_EXEC_EXEC_H
#define FIG_EXEC_EXEC_H

#include "exec/choices.h"
#include "graph/graph.h"
#include "kernels/kernel.h"
#include <figment/plan.h>
#include <pthread.h>

struct fig_session {
    fig_session_opts opts;
    char *passes_off;
    int threads;
    fig_choices *choices; /* NULL: plans use the fixed kernels unless they bring choices of their own */
    pthread_mutex_t lock; /* one run at a time */
};

/* Tensor memory from the session's allocator; zeroed. */
fig_status fig__session_allocate(fig_session *session, size_t bytes, void **out, fig_error *err);
void fig__session_release(fig_session *session, void *block, size_t bytes);

typedef struct fig__entry {
    char *name;
    fig_type type;
    unsigned flags;
    void *data;
    size_t bytes;
    bool borrowed; /* data belongs to the store below */
    bool bound;    /* a plan, or a store above, knows where data lies */
} fig__entry;

struct fig_store {
    fig_session *session;
    fig__entry *entry;
    int count, capacity;
    fig__index names; /* hash of name -> entry */
    uint64_t changes;
    uint64_t *version; /* changes whenever a state may have got another value; one count for all stores above one another */
};

/* A store that sees every tensor of `below` where it lies, and keeps what is added to itself: several samplers of
 * one model have caches of their own this way. `below` must outlive it. */
fig_status fig__store_above(const fig_store *below, fig_store **out, fig_error *err);

/* Keeps a state in bf16 from now on, with its values rounded; FIG_E_USAGE where something knows it as it is. */
fig_status fig__store_narrow(fig_store *store, int index, fig_error *err);

/* A block of memory that plans which run in turn may share. */
typedef struct fig__block {
    void *base;
    size_t bytes;
    int users;
} fig__block;

/* One kernel call. */
typedef struct fig__step {
    fig_eval eval;
    void (*run)(fig_eval *c);
    const fig_kernel *kernel; /* NULL = reference loop */
    int32_t node;             /* in plan->graph */
    size_t workspace;
    bool team;                /* may run inside a team of threads (kernels/parallel.h) */
    bool shares;              /* gives the team's threads parts of its work */
    fig__ahead ahead;         /* what the next step that says so will read from memory; parts 0 = nothing */
} fig__step;

/* state storage := value storage after the last step, where the value could not be computed in place. */
typedef struct fig__copy { void *to; const void *from; size_t bytes; } fig__copy;

struct fig_plan {
    fig_session *session;
    fig_store *store;
    fig_graph *graph;     /* compiled: pruned, rewritten, ordered */
    fig__arena *arena;    /* bookkeeping */
    fig__block *block;    /* activations, workspaces */
    void *fixed;          /* inputs, scalars, constants */
    size_t fixed_bytes;
    fig__step *step;
    int n_steps, n_once;  /* the first n_once run only when `stale`: what depends on weights alone */
    bool stale;
    bool keeps;           /* copies of weights that it changes itself are up to date as long as the store's version is `seen` */
    uint64_t seen;
    fig__copy *copy;
    int n_copies;
    int32_t *output;      /* value numbers in graph */
    int n_outputs;
    void **data;          /* address of every value */
    fig_plan_info info;
    fig_run run;
    bool dry;
};

/* Where every value lives (exec/memory.c). */
typedef enum fig__place { FIG_IN_BLOCK, FIG_IN_FIXED, FIG_IN_STORE, FIG_OUTSIDE } fig__place;
typedef struct fig__layout {
    int32_t *root;        /* value -> value that owns its storage (views follow their operand) */
    fig__place *place;    /* of roots */
    int64_t *offset;      /* of roots: within block or fixed; store: entry index */
    int64_t *workspace_offset; /* per node */
    bool *in_state;       /* per assignment: value is computed in the state's own storage */
    uint64_t block_bytes, fixed_bytes, live_bytes;
} fig__layout;
typedef struct fig__layout_request {
    const fig_graph *graph;
    const int32_t *outputs;
    int n_outputs;
    const size_t *workspace;   /* per node */
    const unsigned *inplace;   /* per node: kernel's bits */
    const bool *once;          /* per node: its results stay put between runs */
    const int *entry;          /* per value: store entry of a state, or -1 */
    const char *outside;       /* inputs whose name begins so get their address later (fig__plan_bind); NULL = none */
    fig__arena *arena;
} fig__layout_request;
void fig__layout_plan(const fig__layout_request *request, fig__layout *out);

/* Times what the table has no row for (exec/tune.c). The caller holds the table's lock. */
void fig__tune(fig_session *session, fig_choices *choices, const fig_kernel_query *query, int count);

/* Prepares the first kernel of the list that does not refuse (a library may refuse a shape that `accepts` could not foresee); NULL
 * when all refuse and the reference loop takes over. Lack of memory is no refusal: it is passed on. (compile.c) */
fig_status fig__prepare_first(const fig_kernel *const *list, int count, const fig_kernel_query *q, const fig_kernel **kernel,
                              void **prepared, size_t *workspace, fig_error *err);
/* A sub-graph compiled for a loop's body: outputs in order; inputs by fig_plan_input. No store. Inputs called
 * "fixed..." have no memory of their own: fig__plan_bind says where they lie before a run. */
fig_status fig__plan_body(fig_session *session, const fig_graph *body, const int32_t *outputs, int n_outputs,
                          fig_choices *choices, bool dry, fig_plan **out, fig_error *err);
/* Runs steps [begin, end); each one's time, where that is wanted and less than what stands there, into least[step]. */
void fig__plan_steps(fig_plan *plan, int begin, int end, double *least);
/* Steps that depend on weights alone, where the weights are new. */
void fig__plan_run_once(fig_plan *plan);
/* Around every run: the session's lock and its team of threads. */
void fig__plan_enter(fig_plan *plan, int *saved);
void fig__plan_leave(fig_plan *plan, int saved);
/* The last of a run: assigned states that were not computed in place. */
void fig__plan_copy_states(const fig_plan *plan);
void fig__plan_bind(fig_plan *plan, int32_t input, void *data); /* input: value number of the leaf */
/* Runs without taking the session's lock or the thread team (already inside a run). */
void fig__plan_run_inside(fig_plan *plan, const fig_run *run);

#endif
