/* ops/logits.c - losses that take logits, and their guard
 *
 * Squashing twice - a sigmoid before a loss that applies one itself - trains badly without any error, so it cannot be
 * written here: such a loss looks at what made its operand, through reshapes and other views, and refuses.
 *
 * bce_logits itself is a row of pointwise.def. */
#include "ops/logits.h"
#include "graph/graph.h"
#include "ops/pointwise.h"

bool fig__expect_logits(fig_node logits, const char *loss)
{
    if (fig__poisoned(logits))
        return true; /* the earlier mistake is reported */
    const fig__node *node = fig__node_of(logits.graph, logits.id);
    while (node->op->flags & FIG_OP_VIEW)
        node = fig__node_of(logits.graph, node->in[0]);
    if (!(node->op->flags & FIG_OP_SQUASH))
        return true;
    fig_graph_fail(logits.graph,
                   "%s: takes logits, but is given the output of %s%s%s; remove the %s (the loss applies its own)",
                   loss, node->op->name, *node->path ? " in " : "", node->path, node->op->name);
    return false;
}

fig_node fig_bce_logits(fig_node logits, fig_node target)
{
    if (!fig__expect_logits(logits, "bce_logits"))
        return (fig_node){ logits.graph, 0 };
    return fig__pointwise(&fig_op_bce_logits, logits, target, FIG_NONE, 0, 0);
}
