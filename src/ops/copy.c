/* ops/copy.c - the identity with storage of its own: made when a state is assigned a value that lives elsewhere */
#include "ops/op.h"

#include <string.h>

static fig_status copy_infer(fig_infer *c)
{
    *c->out = c->in[0];
    return FIG_OK;
}

static void copy_gradient(fig_gradient *c)
{
    c->result[0] = c->upstream;
}

static void copy_reference(fig_eval *c)
{
    memcpy(c->out[0].data, c->in[0].data, fig__bytes(&c->out[0].type));
}

const fig_op fig_op_copy = {
    .name = "copy", .operands = 1, .infer = copy_infer, .gradient = copy_gradient, .reference = copy_reference,
    .narrow = { FIG_NARROW_MOVE, 1 },
};
