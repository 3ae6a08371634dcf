/* kernels/onednn_convolution.c - convolution and its two gradients through oneDNN, activations channels last
 *
 * Activations stay as they are. Weights are reordered at each run into the layout that the primitive asks for (they change at
 * each step; the reorder is 1-5 % of the work at training batches), weight gradients back.
 *
 * Measured against keeping activations in the library's blocked layout inside this kernel, reorders counted (GFLOP/s forward /
 * data gradient / weight gradient, two Zen 4 cores, peak 230):
 *
 *     64-128 4x4 stride 2, 64 of 32x32     channels last 214 / 200 / 175     blocked 190 / 183 / 173
 *     256-512 4x4 stride 2, 64 of 8x8                    219 / 221 / 154             160 / 202 / 160
 *     64-128 5x5 stride 2, 256 of 14x14                  242 / 220 / 140             190 / 224 / 148
 *     64-64 3x3, 32 of 32x32                             222 / 200 / 169             185 / 183 / 156
 *     256-256 3x3, 1 of 18x18                            198 / 175 / 183             179 / 150 / 164
 *
 * so blocked activations never pay for themselves here. The data gradient as a deconvolution forward is the same code inside
 * and measured the same. Weight gradients are mostly better as columns times products: convolution_columns.c. */
#include "kernels/conv.h"
#include "kernels/onednn.h"

#include <stdlib.h>

typedef struct conv_state {
    fig__conv v;
    fig__call conv, weights; /* weights: reorder in before, or out after for the weight gradient; may be absent */
    size_t scratch, packed;  /* offsets in the workspace */
} conv_state;

/* Batch and channels first in the library's order of axes, channels last in memory. */
static dnnl_status_t describe_places(dnnl_memory_desc_t *out, const fig__conv *v, int64_t channels, const int64_t *places)
{
    dnnl_dims_t dims = { v->batch, channels }, strides = { 0, 1 };
    int64_t step = channels;
    for (int i = v->spatial - 1; i >= 0; i--) {
        dims[2 + i] = places[3 - v->spatial + i];
        strides[2 + i] = step;
        step *= dims[2 + i];
    }
    strides[0] = step;
    return dnnl_memory_desc_init_by_strides(out, v->spatial + 2, dims, dnnl_f32, strides);
}

/* (groups, outputs, channels, kernel...) in the library's order, (groups * outputs, kernel..., channels) in memory. */
static dnnl_status_t describe_weights(dnnl_memory_desc_t *plain, dnnl_memory_desc_t *any, const fig__conv *v)
{
    int64_t channels = v->channels / v->groups, outputs = v->outputs / v->groups;
    dnnl_dims_t dims = { v->groups, outputs, channels }, strides = { 0, 0, 1 };
    int64_t step = channels;
    for (int i = v->spatial - 1; i >= 0; i--) {
        dims[3 + i] = v->kernel[3 - v->spatial + i];
        strides[3 + i] = step;
        step *= dims[3 + i];
    }
    strides[1] = step;
    strides[0] = step * outputs;
    int skip = v->groups == 1 ? 1 : 0, axes = v->spatial + 3 - skip;
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(plain, axes, dims + skip, dnnl_f32, strides + skip);
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(any, axes, dims + skip, dnnl_f32, dnnl_format_tag_any);
    return status;
}

typedef struct descriptors {
    dnnl_memory_desc_t x, y, plain, any, bias;
    dnnl_dims_t stride, dilation, before, after;
} descriptors;

static fig_status describe(const fig__conv *v, descriptors *d, fig_error *err)
{
    dnnl_status_t status = describe_places(&d->x, v, v->channels, v->in);
    if (status == dnnl_success)
        status = describe_places(&d->y, v, v->outputs, v->out);
    if (status == dnnl_success)
        status = describe_weights(&d->plain, &d->any, v);
    dnnl_dims_t bias = { v->outputs };
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(&d->bias, 1, bias, dnnl_f32, dnnl_a);
    for (int i = 0; i < v->spatial; i++) {
        int axis = 3 - v->spatial + i;
        d->stride[i] = v->stride[axis];
        d->dilation[i] = v->dilation[axis] - 1;
        d->before[i] = v->before[axis];
        d->after[i] = v->after[axis];
    }
    return fig__dnnl_check(status, "convolution", err);
}

/* The primitive descriptor of the node's own kind; `forward` is the hint that the gradients ask for. */
static fig_status make_descriptor(const fig__conv *v, const descriptors *d, dnnl_primitive_desc_t forward, dnnl_primitive_desc_t *pd,
                                  fig_error *err)
{
    dnnl_convolution_desc_t desc;
    dnnl_status_t status;
    const dnnl_alg_kind_t direct = dnnl_convolution_direct;
    bool back = forward != NULL;
    if (!back)
        status = dnnl_dilated_convolution_forward_desc_init(&desc, v->kind ? dnnl_forward_training : dnnl_forward_inference, direct,
                                                            &d->x, &d->any, v->after_sum.bias ? &d->bias : NULL, &d->y, d->stride,
                                                            d->dilation, d->before, d->after);
    else if (v->kind == FIG__CONV_DATA)
        status = dnnl_dilated_convolution_backward_data_desc_init(&desc, direct, &d->x, &d->any, &d->y, d->stride, d->dilation,
                                                                  d->before, d->after);
    else
        status = dnnl_dilated_convolution_backward_weights_desc_init(&desc, direct, &d->x, &d->any, NULL, &d->y, d->stride,
                                                                     d->dilation, d->before, d->after);
    FIG_TRY(fig__dnnl_check(status, "convolution", err));
    dnnl_primitive_attr_t attr = NULL;
    FIG_TRY(fig__dnnl_attr(back ? NULL : &v->after_sum, &attr, err));
    status = dnnl_primitive_desc_create(pd, &desc, attr, fig__dnnl_engine(), forward);
    dnnl_primitive_attr_destroy(attr);
    return fig__dnnl_check(status, "convolution", err);
}

static fig_status make_primitives(conv_state *s, fig_error *err)
{
    static const int forward_args[] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS };
    static const int data_args[] = { DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC };
    static const int weight_args[] = { DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS };
    const fig__conv *v = &s->v;
    descriptors d = { 0 };
    FIG_TRY(describe(v, &d, err));
    dnnl_primitive_desc_t forward = NULL, pd = NULL;
    FIG_TRY(make_descriptor(v, &d, NULL, &forward, err));
    if (v->kind == FIG__CONV_FORWARD) {
        dnnl_memory_desc_t wanted = *dnnl_primitive_desc_query_md(forward, dnnl_query_weights_md, 0);
        FIG_TRY(fig__call_make(&s->conv, forward, forward_args, v->after_sum.bias ? 4 : 3, "convolution", err));
        return dnnl_memory_desc_equal(&wanted, &d.plain) ? FIG_OK : fig__call_reorder(&s->weights, &d.plain, &wanted, err);
    }
    fig_status status = make_descriptor(v, &d, forward, &pd, err);
    dnnl_primitive_desc_destroy(forward);
    FIG_TRY(status);
    bool data = v->kind == FIG__CONV_DATA;
    dnnl_memory_desc_t wanted = *dnnl_primitive_desc_query_md(pd, data ? dnnl_query_weights_md : dnnl_query_diff_weights_md, 0);
    FIG_TRY(fig__call_make(&s->conv, pd, data ? data_args : weight_args, 3, "convolution", err));
    if (dnnl_memory_desc_equal(&wanted, &d.plain))
        return FIG_OK;
    return data ? fig__call_reorder(&s->weights, &d.plain, &wanted, err) : fig__call_reorder(&s->weights, &wanted, &d.plain, err);
}

static bool conv_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    return fig__conv_read(&v, q) && fig__dnnl_engine();
}

static void conv_release(void *prepared)
{
    conv_state *s = prepared;
    if (!s)
        return;
    fig__call_clear(&s->conv);
    fig__call_clear(&s->weights);
    free(s);
}

static fig_status conv_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    conv_state *s = fig__alloc(sizeof(*s));
    fig__conv_read(&s->v, q);
    int saved;
    fig__threads_enter(q->threads, &saved);
    fig_status status = make_primitives(s, err);
    fig__threads_leave(saved);
    if (status != FIG_OK) {
        conv_release(s);
        return status;
    }
    *workspace = 0;
    s->scratch = fig__carve(workspace, s->conv.scratch > s->weights.scratch ? s->conv.scratch : s->weights.scratch);
    if (fig__call_made(&s->weights)) {
        const dnnl_memory_desc_t *packed = NULL;
        dnnl_memory_get_memory_desc(s->weights.arg[s->v.kind == FIG__CONV_WEIGHT ? 0 : 1].memory, &packed);
        s->packed = fig__carve(workspace, dnnl_memory_desc_get_size(packed));
    }
    *prepared = s;
    return FIG_OK;
}

static void conv_run(fig_eval *c)
{
    conv_state *s = c->prepared;
    char *workspace = c->workspace;
    void *scratch = workspace + s->scratch, *packed = workspace + s->packed;
    bool reorder = fig__call_made(&s->weights);
    if (s->v.kind == FIG__CONV_WEIGHT) {
        fig__call_run(&s->conv, (void *[]){ c->in[0].data, c->in[1].data, reorder ? packed : c->out[0].data }, scratch);
        if (reorder)
            fig__call_run(&s->weights, (void *[]){ packed, c->out[0].data }, scratch);
        return;
    }
    if (reorder)
        fig__call_run(&s->weights, (void *[]){ c->in[1].data, packed }, scratch);
    void *bias = s->v.after_sum.bias ? c->in[2].data : NULL;
    fig__call_run(&s->conv, (void *[]){ c->in[0].data, reorder ? packed : c->in[1].data, c->out[0].data, bias }, scratch);
}

const fig_kernel fig_kernel_onednn_convolution = {
    .name = "onednn_convolution", .op = "convolution", .accepts = conv_accepts, .prepare = conv_prepare, .release = conv_release,
    .run = conv_run,
};

const fig_kernel fig_kernel_onednn_convolution_fused = {
    .name = "onednn_convolution", .op = "convolution_fused", .accepts = conv_accepts, .prepare = conv_prepare,
    .release = conv_release, .run = conv_run,
};

const fig_kernel fig_kernel_onednn_convolution_data_gradient = {
    .name = "onednn_convolution", .op = "convolution_data_gradient", .accepts = conv_accepts, .prepare = conv_prepare,
    .release = conv_release, .run = conv_run,
};

const fig_kernel fig_kernel_onednn_convolution_weight_gradient = {
    .name = "onednn_convolution", .op = "convolution_weight_gradient", .accepts = conv_accepts, .prepare = conv_prepare,
    .release = conv_release, .run = conv_run,
};
