/* kernels/conv.c - reading convolution nodes */
#include "kernels/conv.h"

#include <string.h>

static bool types_known(const fig_kernel_query *q)
{
    fig_dtype dtype = q->in[0].dtype;
    if (q->in[1].dtype != dtype || (q->n_in > 2 && q->in[2].dtype != FIG_F32))
        return false;
    for (int i = 0; i < q->n_in; i++)
        if (fig_elements(&q->in[i]) == 0)
            return false;
    if (dtype == FIG_BF16)
        return fig__machine_get()->avx512_bf16 && q->out[0].dtype != FIG_I32;
    return dtype == FIG_F32 && q->out[0].dtype == FIG_F32;
}

bool fig__conv_read(fig__conv *v, const fig_kernel_query *q)
{
    return fig__conv_read_any(v, q) && !v->narrow;
}

bool fig__conv_read_any(fig__conv *v, const fig_kernel_query *q)
{
    memset(v, 0, sizeof(*v));
    const fig_conv_attr *attr = q->attr;
    const fig_type *x = &q->in[0], *w = &q->in[1], *y = &q->out[0];
    const char *name = q->op->name;
    if (strcmp(name, "convolution_fused") == 0 || strcmp(name, "convolution_gate") == 0) {
        const fig_convolution_fused_attr *fused = q->attr;
        attr = &fused->conv;
        v->after_sum = fused->after;
    } else if (strcmp(name, "convolution_plus") == 0) {
        const fig_convolution_plus_attr *plus = q->attr;
        attr = &plus->fused.conv;
        v->after_sum = plus->fused.after;
        v->plus = true;
        v->kind = plus->data ? FIG__CONV_DATA : FIG__CONV_FORWARD;
        if (plus->data)
            x = &q->out[0], y = &q->in[0];
    } else if (strcmp(name, "convolution_data_gradient") == 0) {
        v->kind = FIG__CONV_DATA;
        x = &q->out[0], y = &q->in[0];
    } else if (strcmp(name, "convolution_weight_gradient") == 0) {
        v->kind = FIG__CONV_WEIGHT;
        w = &q->out[0], y = &q->in[1];
    }
    if (!types_known(q))
        return false;
    v->narrow = q->in[0].dtype == FIG_BF16;
    v->narrow_out = q->out[0].dtype == FIG_BF16;
    v->spatial = attr->spatial;
    v->groups = attr->groups;
    v->batch = x->dim[0];
    v->channels = x->dim[x->rank - 1];
    v->outputs = y->dim[y->rank - 1];
    v->in_places = v->out_places = v->taps = 1;
    for (int i = 0; i < 3; i++) {
        int axis = i - (3 - v->spatial); /* of the node; negative: not there */
        bool real = axis >= 0;
        v->in[i] = real ? x->dim[axis + 1] : 1;
        v->out[i] = real ? y->dim[axis + 1] : 1;
        v->kernel[i] = real ? w->dim[axis + 1] : 1;
        v->stride[i] = real ? attr->stride[axis] : 1;
        v->dilation[i] = real ? attr->dilation[axis] : 1;
        v->before[i] = real ? attr->before[axis] : 0;
        v->after[i] = real ? attr->after[axis] : 0;
        v->in_places *= v->in[i];
        v->out_places *= v->out[i];
        v->taps *= v->kernel[i];
    }
    return fig_elements(&q->out[0]) > 0;
}

double fig__conv_flops(const fig__conv *v)
{
    return 2.0 * (double)v->batch * (double)v->out_places * (double)v->taps * (double)(v->channels / v->groups) * (double)v->outputs;
}

bool fig__conv_is_dense(const fig__conv *v)
{
    if (v->groups != 1 || v->out_places != 1)
        return false;
    for (int i = 0; i < 3; i++)
        if (v->kernel[i] != v->in[i] || v->before[i] != 0 || (v->dilation[i] != 1 && v->kernel[i] != 1))
            return false;
    return true;
}

bool fig__conv_is_pointwise(const fig__conv *v)
{
    if (v->groups != 1 || v->taps != 1)
        return false;
    for (int i = 0; i < 3; i++)
        if (v->stride[i] != 1 || v->before[i] != 0 || v->out[i] != v->in[i])
            return false;
    return true;
}
