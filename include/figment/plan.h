/* figment/plan.h - compiling a graph and running it
 *
 * A session owns the threads' setting and the choice of kernels. A store owns named tensors (weights, moments, running
 * statistics) that outlive runs. A plan is a graph compiled against a store: memory is laid out once, running allocates
 * nothing. One thread runs plans of a session at a time; other callers wait. */
#ifndef FIGMENT_PLAN_H
#define FIGMENT_PLAN_H

#include <figment/graph.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_session fig_session;
typedef struct fig_store fig_store;
typedef struct fig_plan fig_plan;
typedef struct fig_choices fig_choices; /* inside only: kernels chosen by measuring */

typedef struct fig_session_opts {
    int threads;            /* 0: what affinity and the container's quota allow */
    bool reference_kernels; /* plain loops only; so does FIGMENT_KERNELS=reference in the environment */
    bool tune;              /* kernels of every plan are chosen by measuring, with a cache in the user's cache folder */
    const char *passes_off; /* names of passes to leave out, blank-separated; "all" */
    void (*log)(void *user, int level, const char *message); /* 0 error, 1 warning, 2 info, 3 debug */
    void *log_user;
    void *(*allocate)(void *user, size_t bytes); /* tensor memory, 64-byte aligned; NULL: the system's */
    void (*release)(void *user, void *block, size_t bytes);
    void *allocate_user;
} fig_session_opts;
FIG_API fig_status fig_session_new(const fig_session_opts *opts, fig_session **out, fig_error *err);
FIG_API void fig_session_free(fig_session *session);
/* With .tune: the measured choices that the session's plans have used so far, lines "KEY KERNEL"; else empty. Heap text. */
FIG_API char *fig_session_kernels(const fig_session *session);
FIG_API int fig_session_threads(const fig_session *session);
FIG_API const char *fig_version(void); /* "0.1.0" */
/* "figment.doctor/1": processor, threads, memory, libraries, kernels, cache folder, findings; heap text. */
FIG_API char *fig_doctor_json(fig_session *session);

/* -- store: named tensors ------------------------------------------------------------------------------------------- */

enum { FIG_TRAINED = 1, FIG_EXPORTED = 2 }; /* a trained weight; goes into the model file */
FIG_API fig_status fig_store_new(fig_session *session, fig_store **out, fig_error *err);
FIG_API void fig_store_free(fig_store *store);
/* Adds a zeroed tensor; an existing one of equal type is left alone, of another type is FIG_E_SHAPE. */
FIG_API fig_status fig_store_add(fig_store *store, const char *name, const fig_type *type, unsigned flags, fig_error *err);
FIG_API int fig_store_count(const fig_store *store);
FIG_API const char *fig_store_name(const fig_store *store, int index);
FIG_API int fig_store_find(const fig_store *store, const char *name); /* -1 = none */
FIG_API const fig_type *fig_store_type(const fig_store *store, int index);
FIG_API unsigned fig_store_flags(const fig_store *store, int index);
FIG_API void fig_store_set_flags(fig_store *store, int index, unsigned flags);
FIG_API void *fig_store_data(fig_store *store, int index);
FIG_API size_t fig_store_bytes(const fig_store *store, int index);

/* -- plan ------------------------------------------------------------------------------------------------------------- */

/* How a plan reads the weights of its products: as they are, or from a narrower copy that it makes when it first runs. Sums stay f32. */
typedef enum fig_weights { FIG_WEIGHTS_F32, FIG_WEIGHTS_BF16, FIG_WEIGHTS_INT8 /* a scale for each row */ } fig_weights;
#define FIG_WEIGHTS_CHOICES "f32 bf16 int8"

typedef struct fig_plan_opts {
    const fig_node *outputs;  /* values to be readable after a run */
    int n_outputs;
    const char *state_prefix; /* bind state "w" to "<prefix>w" where the store has it (EMA weights); NULL = none */
    const char *dump;         /* folder for text dumps of the graph before and after each pass; NULL = none */
    bool bf16;                /* operands of products and stored activations in bf16; weights, states and sums stay f32 */
    bool keep_copies;         /* of a training in bf16 without a budget: the bf16 copies of weights that this plan's optimizer changes
                               * stay from run to run, and the optimizer writes them with the weights. Who writes a state from outside
                               * asks fig_store_data for its address each time, which is how the plan knows */
    fig_weights weights;      /* other than f32: of states that the graph only reads; see fig_plan_renew. Keys and values of earlier
                               * steps are kept in bf16 then, also by the store, which serves no f32 plan of them any more */
    bool dry;                 /* measure only: no memory is taken, the plan cannot run */
    fig_choices *choices;     /* of a training, which keeps them in its checkpoints; NULL = as the session says */
    struct fig_plan *share;   /* reuse this plan's arena when it is large enough (plans that run in turn) */
    uint64_t memory_budget;   /* most planned_bytes; activations are computed again to stay within it. 0 = as many as it likes */
    uint64_t *least;          /* with a budget: set to the least planned_bytes that were reached, also when they are too many */
} fig_plan_opts;
typedef struct fig_plan_info {
    uint64_t planned_bytes;  /* arena: activations, gradients, workspaces */
    uint64_t live_bytes;     /* lower bound: the most bytes alive at one moment */
    uint64_t state_bytes;    /* what it uses of the store */
    double flops;            /* per run, multiply and add counted as 2; what is computed a second time not counted */
    int nodes, steps;        /* of the graph given; of the compiled plan */
    uint64_t unbudgeted_bytes; /* planned_bytes without a memory budget */
    double recomputed_flops; /* of steps that run a second time */
    int recomputed_steps;
    uint64_t block_bytes;    /* the part of planned_bytes that plans can share */
    uint64_t overhead_bytes; /* about what the process takes beside: program and libraries, graphs, generated code */
} fig_plan_info;
/* Compiles. Graph states must be in the store (FIG_E_NOT_FOUND otherwise). All assignments of the graph run. The graph is
 * only read and may be freed after. Memory that cannot be had is FIG_E_LIMIT with the numbers. */
FIG_API fig_status fig_plan_compile(fig_graph *graph, fig_store *store, const fig_plan_opts *opts, fig_plan **out, fig_error *err);
FIG_API void fig_plan_free(fig_plan *plan);
FIG_API fig_plan_info fig_plan_get_info(const fig_plan *plan);
/* Where to write an input's data before a run (stays put for the plan's life); NULL when the graph does not use it. */
FIG_API void *fig_plan_input(fig_plan *plan, const char *name, fig_type *type);
FIG_API bool fig_plan_set_scalar(fig_plan *plan, const char *name, float value); /* false: the graph does not use it */
/* The store's weights have changed: a plan with weights in a narrower form makes them anew at its next run. */
FIG_API void fig_plan_renew(fig_plan *plan);
/* One run. seed and step drive the noise; first_row is the global index of row 0 of the batch. */
typedef struct fig_run_opts {
    uint64_t seed, step, first_row;
} fig_run_opts;
FIG_API fig_status fig_plan_run(fig_plan *plan, const fig_run_opts *opts, fig_error *err);
/* Output i (order of fig_plan_opts.outputs); valid until the next run. */
FIG_API const void *fig_plan_output(const fig_plan *plan, int index, fig_type *type);
/* What is computed a second time to stay within the budget: rows {"layer", "steps", "mb", "flops"} as a JSON list, at most `rows`
 * (layers are put together until they fit); heap text. */
FIG_API char *fig_plan_recomputed_json(const fig_plan *plan, int rows);
/* Table of steps: kernels, shapes, least time of `runs` runs, operations and bytes a second, layers; heap text, free() it. */
FIG_API char *fig_plan_profile(fig_plan *plan, int runs);
/* First node whose output is not finite after the last run when re-run with checks: its path and op; heap text or NULL. */
FIG_API char *fig_plan_find_nonfinite(fig_plan *plan, const fig_run_opts *opts);

#ifdef __cplusplus
}
#endif
#endif
