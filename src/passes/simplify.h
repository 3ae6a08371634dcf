/* passes/simplify.h - what the rules of the simplifying pass are given */
#ifndef FIG_PASSES_SIMPLIFY_H
#define FIG_PASSES_SIMPLIFY_H

#include "passes/pass.h"

/* A node that is about to enter the new graph. Its operands are there already, simplified; a rule may replace them. */
typedef struct fig__candidate {
    fig_graph *to;
    const fig_op *op;
    const void *attr;
    fig_node *in;
    int n_in;
    fig_type type; /* of its one result */
} fig__candidate;

/* True: `result`, of the candidate's type, takes its place. False: it stays, with the operands that the rule left in
 * c->in. */
typedef bool fig__rule(fig__candidate *c, fig_node *result);
typedef struct fig__rule_row { const fig_op *op; fig__rule *rule; } fig__rule_row;

extern const fig__rule_row fig__pointwise_rules[],
    fig__shape_rules[]; /* several rows of one op are tried in order; end: {0} */
/* For every element-by-element op, after its own rows. */
fig__rule fig__simplify_pointwise;

/* A new node, itself simplified. */
fig_node fig__simplified(fig_graph *to, const fig_op *op, const fig_node *in, int n_in, const void *attr);
/* The one number that fills x. */
bool fig__is_full(fig_node x, double *value);
fig_node fig__full_like(fig_graph *to, const fig_type *type, double value);
/* Attribute and operand of the node that makes x, when it is of this op; else NULL. */
const void *fig__made_by(fig_node x, const fig_op *op);
fig_node fig__operand_of(fig_node x, int index);

#endif
