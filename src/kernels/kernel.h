/* kernels/kernel.h - the record of a fast kernel
 *
 * A kernel computes one op faster than its reference loop, for the shapes it accepts. It is its own file here plus one row in
 * kernels.def; rows of one op are tried in order, the first that accepts is the fixed choice. Without any, the reference loop
 * runs. Where a plan is tuned (exec/tune.c), the others that accept, or at least compete, are timed against it. */
#ifndef FIG_KERNELS_KERNEL_H
#define FIG_KERNELS_KERNEL_H

#include "kernels/parallel.h"
#include "ops/attributes.h"
#include "ops/op.h"

typedef struct fig_kernel_query {
    const fig_op *op;
    int n_in, n_out;
    const fig_type *in, *out;
    const void *attr;
    int threads;   /* at least 1; prepare and run see the same number */
    struct fig_session *session; /* for kernels that compile a sub-graph */
    struct fig_choices *choices; /* measured choices, for kernels that compile a sub-graph; NULL = the fixed ones */
    bool dry;      /* planning only: prepare must take no tensor memory */
    uint64_t *held; /* prepare adds tensor memory that it takes for itself (dry: would take) beyond its workspace */
} fig_kernel_query;

typedef struct fig_kernel {
    const char *name;  /* "onednn_convolution" */
    const char *op;    /* name of the op it computes; "pointwise" = every element-by-element op, "*" = every op */
    bool (*accepts)(const fig_kernel_query *q);  /* NULL: everything */
    /* Optional: can compute the node as well, though a fixed rule would not take it: a challenger where plans are tuned. */
    bool (*competes)(const fig_kernel_query *q);
    /* Optional: makes what running needs (a primitive) and says how much workspace it wants. */
    fig_status (*prepare)(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err);
    void (*release)(void *prepared);
    void (*run)(fig_eval *c);
    bool bf16;         /* may be asked about tensors stored in bf16; kernels without it never see one */
    bool int8;         /* may be asked about operands stored as int8 lines (ops/int8.h) */
    bool rounds;       /* with bf16 operands it rounds to bf16 in between, too: its f32 results are as exact as bf16 ones */
    /* Optional: what a run will read from memory (kernels/parallel.h, fig__team_ahead), if operand `of` is what the run before made it. */
    fig__ahead (*ahead)(const fig_eval *c, int *of);
    bool team;         /* all its threads come from fig__parallel_in (kernels/parallel.h): it may run inside a team of ours */
    bool copies;       /* writes a bf16 copy of an f32 result as well, where fig_eval.copy asks for one */
    unsigned inplace;  /* bit i: output 0 may share memory with operand i of equal type */
} fig_kernel;

extern const fig_kernel *const fig__kernels[]; /* NULL-terminated, in order */
/* First kernel that accepts, or NULL (reference). */
const fig_kernel *fig__kernel_choose(const fig_op *op, const fig_kernel_query *q);
bool fig__kernel_accepts(const fig_kernel *kernel, const fig_kernel_query *q);
bool fig__kernel_competes(const fig_kernel *kernel, const fig_kernel_query *q);
/* The fixed choice first, then its challengers; returns how many, 0 when no kernel accepts. */
#define FIG__CANDIDATES 8
int fig__kernel_candidates(const fig_kernel_query *q, const fig_kernel *list[FIG__CANDIDATES]);
/* Thread setting of this process's OpenMP team: set on entry to a run, restored on leaving, so that a host's own setting is
 * untouched (kernels/threads.c). */
void fig__threads_enter(int threads, int *saved);
void fig__threads_leave(int saved);
/* The team's size at this moment, for work whose result does not depend on it. */
int fig__threads_now(void);
/* "2.6.3": the library behind most kernels (kernels/onednn.c). */
const char *fig__onednn_version(void);

#endif
