/* nn/adversarial.c - the two players' losses of a GAN, per example (B), on logits
 *
 *                    critic, real        critic, fake       generator
 *   non-saturating   softplus(-l)        softplus(l)        softplus(-l)      Goodfellow et al. 2014
 *   least-squares    (l - 1)^2 / 2       l^2 / 2            (l - 1)^2 / 2     Mao et al. 2017
 *   hinge            max(0, 1 - l)       max(0, 1 + l)      -l                Lim and Ye 2017
 *   wasserstein      -l                  l                  -l                Arjovsky et al. 2017 (clip or penalty)
 *   wgan-gp          -l                  l                  -l                Gulrajani et al. 2017
 *
 * A player states its goal, never a label tensor, and a squashed value is refused: a sigmoid under these losses trains, but
 * to something else. Logits with more axes (one per patch) are averaged per example. */
#include "nn/layer.h"

static bool is_view(const fig_op *op) { return op && (op->flags & FIG_OP_VIEW); }

/* The op that squashed x, seen through reshapes and slices of joined batches; NULL = none. */
static const fig__node *squashing(fig_node x)
{
    for (int depth = 0; depth < 8 && !fig__poisoned(x); depth++) {
        const fig__node *node = fig__node_of(x.graph, x.id);
        if (node->op->flags & FIG_OP_SQUASH)
            return node;
        if (node->n_in < 1 || !(is_view(node->op) || node->op == &fig_op_slice))
            return NULL;
        x.id = node->in[0];
    }
    return NULL;
}

/* The logits themselves; refuses what is none. */
static fig_node checked(fig_node logits, const char *who)
{
    if (fig__poisoned(logits))
        return logits;
    const fig__node *squash = squashing(logits);
    if (squash)
        return fig_graph_fail(logits.graph, "%s: expects logits, but gets the output of %s%s%s; leave it out, the loss contains it",
                              who, squash->op->name, *squash->path ? " in " : "", squash->path);
    if (fig_rank(logits) < 1)
        return fig_graph_fail(logits.graph, "%s: expects logits with a batch axis, got a scalar", who);
    return logits;
}

static fig_node average_patches(fig_node loss)
{
    fig_type type = fig_type_of(loss);
    if (type.rank <= 1)
        return loss;
    double patches = (double)(fig_elements(&type) / type.dim[0]);
    return patches > 1 ? fig_scale(fig_sum_rows(loss), (float)(1 / patches))
                       : fig_reshape(loss, FIG_SHAPE(type.dim[0]));
}

static fig_node half_square(fig_node x) { return fig_scale(fig_square(x), 0.5f); }

fig_node fig_critic_loss(fig_adversarial kind, fig_node logits, fig_goal what_they_are)
{
    bool real = what_they_are == FIG_GOAL_REAL;
    fig_node l = checked(logits, "critic_loss");
    if (fig__poisoned(l))
        return l;
    switch (kind) {
    case FIG_NON_SATURATING:
        return average_patches(fig_softplus(real ? fig_neg(l) : l));
    case FIG_LEAST_SQUARES:
        return average_patches(half_square(real ? fig_shift(l, -1) : l));
    case FIG_HINGE:
        return average_patches(fig_relu(fig_shift(real ? fig_neg(l) : l, 1)));
    case FIG_WASSERSTEIN:
    case FIG_WGAN_GP:
        return average_patches(real ? fig_neg(l) : l);
    }
    return fig_graph_fail(l.graph, "critic_loss: unknown kind %d", (int)kind);
}

fig_node fig_generator_loss(fig_adversarial kind, fig_node logits)
{
    fig_node l = checked(logits, "generator_loss");
    if (fig__poisoned(l))
        return l;
    switch (kind) {
    case FIG_NON_SATURATING:
        return average_patches(fig_softplus(fig_neg(l)));
    case FIG_LEAST_SQUARES:
        return average_patches(half_square(fig_shift(l, -1)));
    case FIG_HINGE:
    case FIG_WASSERSTEIN:
    case FIG_WGAN_GP:
        return average_patches(fig_neg(l));
    }
    return fig_graph_fail(l.graph, "generator_loss: unknown kind %d", (int)kind);
}

/* |d sum(logits) / d x|^2 for each logit (B / packed): examples do not mix, so the rows of x that belong to logit b hold its gradient. */
static fig_node slope_square(fig_node logits, fig_node x)
{
    fig_node slope; /* of x's shape */
    fig_gradients(logits, &x, 1, &slope);
    if (fig__poisoned(slope))
        return slope;
    int64_t rows = fig_dim(logits, 0);
    if (rows != fig_dim(x, 0))
        slope = fig_reshape(slope, FIG_SHAPE(rows, -1));
    return fig_sum_rows(fig_square(slope));
}

fig_node fig_gradient_penalty(fig_node logits, fig_node x)
{
    /* The small number keeps the root's own derivative finite where the critic is flat. */
    fig_node length = fig_sqrt(fig_shift(slope_square(logits, x), 1e-12f)); /* (B) */
    return fig_square(fig_shift(length, -1));
}

fig_node fig_r1_penalty(fig_node logits, fig_node x) { return fig_scale(slope_square(logits, x), 0.5f); }
