/* ops/cases.h - what it takes to have an op tested
 *
 * Every record of fig__ops (leaves aside) needs at least one row in a case_FAMILY.c; a new family is one row in cases.def.
 * A row names the op and a function that makes one random instance of it:
 *
 *     static void softmax(instance *t) { give(t, fig_softmax(any_real(t, any_shape(t, 2), -3, 3))); }
 *     const op_case cases_softmax[] = { { "softmax", softmax }, {0} };
 *
 * From that alone test_ops checks: every kernel that accepts the op (and the ops of its gradient) against the reference loop;
 * the gradient against finite differences; the gradient of the gradient; and a compiled plan, with and without each
 * pass, against the reference loops. The operands of an instance are graph inputs with data. `t->small` is set where
 * finite differences follow: tensors of a few elements. */
#ifndef FIG_TESTS_CASES_H
#define FIG_TESTS_CASES_H

#include "graph/graph.h"
#include <figment/graph.h>

typedef struct instance instance;

enum {
    FIRST_ONLY = 1,     /* no check of second derivatives: say why beside the row */
    NO_DIFFERENCES = 2, /* no check of derivatives by differences */
    ONLY_BY_PASS = 4    /* made by a pass (fused ops): no gradient, left out of the check of passes */
};

typedef struct op_case {
    const char *op;
    void (*build)(instance *t);
    unsigned flags;
    float low, high;    /* for builders that serve several rows: range of the values, */
    float p[2];         /* and numbers of the op */
} op_case;

enum { MAX_OPERANDS = 40 };

typedef struct operand {
    fig_node node;
    fig_type type;
    void *data;
    bool real;          /* f32, differentiated */
} operand;

struct instance {
    const op_case *row;
    fig_graph *graph;
    fig__rng rng;
    bool small;
    int operands, results;
    operand operand[MAX_OPERANDS];
    fig_node result[MAX_OPERANDS];
};

/* -- for builders (instance.c) ------------------------------------------------------------------------------------- */

int64_t any_between(instance *t, int64_t low, int64_t high); /* inclusive */
bool any_chance(instance *t, double probability);
int64_t any_size(instance *t);                               /* of an axis: often 1, often odd */
fig_type any_shape(instance *t, int rank);                   /* f32; few thousand elements at most, few when small */
fig_node any_real(instance *t, fig_type type, double low, double high);
/* Values at least 0.06 from every multiple of `step` (step 0: from zero alone), where an op has a corner. */
fig_node any_apart(instance *t, fig_type type, double low, double high, double step);
/* Values of the form offset + k * spacing: with different offsets two operands never tie. */
fig_node any_grid(instance *t, fig_type type, double low, double high, double spacing, double offset);
fig_node any_distinct(instance *t, fig_type type);           /* no two equal, 1/4 apart at least */
fig_node any_fixed(instance *t, fig_type type, double low, double high); /* not differentiated */
fig_node any_choice(instance *t, fig_type type);             /* 0 or 1 as f32, not differentiated */
fig_node any_integers(instance *t, fig_type type, int64_t low, int64_t high);
void give(instance *t, fig_node result);

/* -- for the driver ------------------------------------------------------------------------------------------------ */

void instance_begin(instance *t, const op_case *row, uint64_t number, bool small);
void instance_end(instance *t);
/* Operands as text, for messages; valid until the next call. */
const char *instance_text(const instance *t);

extern const op_case *const all_cases[]; /* families; NULL-terminated, each ended by a row without name */

/* Runs the instance's graph by the reference loops, as far as the roots need (interpret.c): a pointer per value, NULL where
 * nothing was needed. */
void **interpret(const instance *t, const fig_node *roots, int n_roots, const fig_run *run);
void interpret_free(const instance *t, void **data);

#endif
