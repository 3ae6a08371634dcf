/* ops/lifted.c - reference loops for tensors that are stored in bf16 or as int8 lines
 *
 * A node may read narrow and write bf16 storage with f32 arithmetic (graph.h, fig__node.stored). The loops know f32 only, so narrow
 * operands are widened into a workspace, the loop runs there, and its results are rounded. */
#include "ops/bf16.h"
#include "ops/int8.h"
#include "ops/op.h"

#include <stdlib.h>

static size_t lifted_bytes(const fig_type *type)
{
    return fig__narrow_dtype(type->dtype) ? (sizeof(float) * (size_t)fig__count(type) + 63) / 64 * 64 : 0;
}

size_t fig__lifted_workspace(int n_in, const fig_type *in, int n_out, const fig_type *out)
{
    size_t bytes = 0;
    for (int i = 0; i < n_in; i++)
        bytes += lifted_bytes(&in[i]);
    for (int k = 0; k < n_out; k++)
        bytes += lifted_bytes(&out[k]);
    return bytes;
}

static void widen(const fig_tensor *from, float *to)
{
    int64_t length = from->type.dtype == FIG_I8 ? fig__int8_length(&from->type) : 1;
    const float *scale = from->type.dtype == FIG_I8 ? fig__int8_scales(&from->type, from->data) : NULL;
    for (int64_t k = 0, n = fig__count(&from->type); k < n; k++)
        to[k] = scale ? (float)((const int8_t *)from->data)[k] * scale[k / length] : fig__from_bf16(((const uint16_t *)from->data)[k]);
}

void fig__run_lifted(void (*reference)(fig_eval *c), fig_eval *c)
{
    fig_tensor *in = fig__alloc(sizeof *in * (size_t)(c->n_in + 1)), out[FIG_MAX_OUTPUTS];
    char *at = c->workspace;
    for (int i = 0; i < c->n_in; i++) {
        in[i] = c->in[i];
        if (!fig__narrow_dtype(in[i].type.dtype))
            continue;
        float *wide = (float *)(void *)at;
        at += lifted_bytes(&in[i].type);
        widen(&c->in[i], wide);
        in[i].type.dtype = FIG_F32;
        in[i].data = wide;
    }
    for (int i = 0; i < c->n_out; i++) {
        out[i] = c->out[i];
        if (out[i].type.dtype != FIG_BF16)
            continue;
        out[i].data = at;
        at += lifted_bytes(&out[i].type);
        out[i].type.dtype = FIG_F32;
    }
    fig_eval wide = *c;
    wide.in = in;
    wide.out = out;
    wide.workspace = NULL;
    reference(&wide);
    for (int i = 0; i < c->n_out; i++)
        for (int64_t k = 0, n = fig__count(&c->out[i].type); c->out[i].type.dtype == FIG_BF16 && k < n; k++)
            ((uint16_t *)c->out[i].data)[k] = fig__to_bf16(((const float *)out[i].data)[k]);
    free(in);
}
