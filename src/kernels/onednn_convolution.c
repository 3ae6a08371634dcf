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
 * and measured the same.
 *
 * Weight gradients run at 100 of 115 GFLOP/s on one thread, but the library's own split over two loses up to half. So the
 * batch is split here: each part (thread) has a primitive for its share of the images and weights of its own, which are then
 * added in order of parts. Shapes that do better as plain products are taken earlier: convolution_columns.c. */
#include "kernels/conv.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"

#include <stdlib.h>

/* One thread's share of a weight gradient. */
typedef struct share {
    fig__call conv;
    int64_t image;           /* first */
    size_t scratch, sums;    /* offsets in the workspace */
} share;

typedef struct conv_state {
    fig__conv v;
    fig__call conv, weights; /* weights: reorder in before, or out after for the weight gradient; may be absent */
    size_t scratch, packed;  /* offsets in the workspace */
    size_t packed_bytes;
    int parts;               /* above 1: weight gradient by shares, without .conv */
    share *share;
} conv_state;

/* Bytes that all copies of the weights may take together; above it the library splits the work itself. */
#define SHARES_LIMIT ((size_t)64 << 20)

/* Batch and channels first in the library's order of axes, channels last in memory. */
static dnnl_status_t describe_places(dnnl_memory_desc_t *out, const fig__conv *v, int64_t channels, const int64_t *places, bool narrow)
{
    dnnl_dims_t dims = { v->batch, channels }, strides = { 0, 1 };
    int64_t step = channels;
    for (int i = v->spatial - 1; i >= 0; i--) {
        dims[2 + i] = places[3 - v->spatial + i];
        strides[2 + i] = step;
        step *= dims[2 + i];
    }
    strides[0] = step;
    return dnnl_memory_desc_init_by_strides(out, v->spatial + 2, dims, narrow ? dnnl_bf16 : dnnl_f32, strides);
}

/* (groups, outputs, channels, kernel...) in the library's order, (groups * outputs, kernel..., channels) in memory. */
static dnnl_status_t describe_weights(dnnl_memory_desc_t *plain, dnnl_memory_desc_t *any, const fig__conv *v, bool narrow)
{
    dnnl_data_type_t type = narrow ? dnnl_bf16 : dnnl_f32;
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
    dnnl_status_t status = dnnl_memory_desc_init_by_strides(plain, axes, dims + skip, type, strides + skip);
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(any, axes, dims + skip, type, dnnl_format_tag_any);
    return status;
}

typedef struct descriptors {
    dnnl_memory_desc_t x, y, plain, any, bias;
    dnnl_dims_t stride, dilation, before, after;
} descriptors;

/* hint: as a forward primitive wants it that is only asked about; there the result is stored as the operands are. */
static fig_status describe(const fig__conv *v, bool hint, descriptors *d, fig_error *err)
{
    bool made = v->narrow_out && !hint, read = v->narrow;
    dnnl_status_t status = describe_places(&d->x, v, v->channels, v->in, v->kind == FIG__CONV_DATA && !hint ? made : read);
    if (status == dnnl_success)
        status = describe_places(&d->y, v, v->outputs, v->out, v->kind == FIG__CONV_FORWARD ? made : read);
    if (status == dnnl_success)
        status = describe_weights(&d->plain, &d->any, v, v->kind == FIG__CONV_WEIGHT && !hint ? made : read);
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

/* Makes *conv for this geometry and, unless NULL, the reorder that goes with it. */
static fig_status make_primitives(const fig__conv *v, fig__call *conv, fig__call *weights, fig_error *err)
{
    static const int forward_args[] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS };
    static const int data_args[] = { DNNL_ARG_DIFF_DST, DNNL_ARG_WEIGHTS, DNNL_ARG_DIFF_SRC };
    static const int weight_args[] = { DNNL_ARG_SRC, DNNL_ARG_DIFF_DST, DNNL_ARG_DIFF_WEIGHTS };
    descriptors d = { 0 }, hint = { 0 };
    FIG_TRY(describe(v, false, &d, err));
    FIG_TRY(describe(v, v->kind != FIG__CONV_FORWARD, &hint, err));
    dnnl_primitive_desc_t forward = NULL, pd = NULL;
    FIG_TRY(make_descriptor(v, &hint, NULL, &forward, err));
    if (v->kind == FIG__CONV_FORWARD) {
        dnnl_memory_desc_t wanted = *dnnl_primitive_desc_query_md(forward, dnnl_query_weights_md, 0);
        FIG_TRY(fig__call_make(conv, forward, forward_args, v->after_sum.bias ? 4 : 3, "convolution", err));
        return dnnl_memory_desc_equal(&wanted, &d.plain) ? FIG_OK : fig__call_reorder(weights, &d.plain, &wanted, err);
    }
    fig_status status = make_descriptor(v, &d, forward, &pd, err);
    dnnl_primitive_desc_destroy(forward);
    FIG_TRY(status);
    bool data = v->kind == FIG__CONV_DATA;
    dnnl_memory_desc_t wanted = *dnnl_primitive_desc_query_md(pd, data ? dnnl_query_weights_md : dnnl_query_diff_weights_md, 0);
    FIG_TRY(fig__call_make(conv, pd, data ? data_args : weight_args, 3, "convolution", err));
    if (!weights || dnnl_memory_desc_equal(&wanted, &d.plain))
        return FIG_OK;
    return data ? fig__call_reorder(weights, &d.plain, &wanted, err) : fig__call_reorder(weights, &wanted, &d.plain, err);
}

/* Whether all shares keep their weights in the layout that the reorder expects. */
static bool same_layout(const conv_state *s)
{
    const dnnl_memory_desc_t *first = NULL, *other = NULL;
    dnnl_memory_get_memory_desc(s->share[0].conv.arg[2].memory, &first);
    for (int i = 1; i < s->parts; i++) {
        dnnl_memory_get_memory_desc(s->share[i].conv.arg[2].memory, &other);
        if (!dnnl_memory_desc_equal(first, other))
            return false;
    }
    return true;
}

static void clear_shares(conv_state *s)
{
    for (int i = 0; s->share && i < s->parts; i++)
        fig__call_clear(&s->share[i].conv);
    free(s->share);
    s->share = NULL;
    s->parts = 1;
}

/* Splits a weight gradient's batch over the threads, each with a single-threaded primitive. */
static fig_status make_shares(conv_state *s, int threads, fig_error *err)
{
    s->parts = threads;
    s->share = fig__alloc(sizeof(share) * (size_t)threads);
    int saved;
    fig__threads_enter(1, &saved);
    fig_status status = FIG_OK;
    for (int i = 0; i < threads && status == FIG_OK; i++) {
        int64_t begin, end;
        fig__share(s->v.batch, 1, i, threads, &begin, &end);
        fig__conv v = s->v;
        v.batch = end - begin;
        s->share[i].image = begin;
        status = make_primitives(&v, &s->share[i].conv, i == 0 ? &s->weights : NULL, err);
    }
    fig__threads_leave(saved);
    if (status == FIG_OK && !same_layout(s)) {
        clear_shares(s);
        fig__call_clear(&s->weights);
    }
    return status;
}

static bool wants_shares(const fig__conv *v, int threads)
{
    size_t bytes = sizeof(float) * (size_t)(v->outputs * v->taps * (v->channels / v->groups));
    return v->kind == FIG__CONV_WEIGHT && !v->narrow_out && threads > 1 && v->batch >= threads && bytes * (size_t)threads <= SHARES_LIMIT &&
           fig__conv_flops(v) > 4e6;
}

/* What oneDNN 2.6.3 does wrong (found by tests/ops/test_ops.c):
 *   weight gradients of one tap with a stride, from fewer than 16 channels: writes beyond its scratchpad
 *   bf16 weight gradients of three axes: garbage, and writes beyond its memory
 *   bf16 weight gradients of a tap that sees nothing but padding: garbage where 0 belongs
 *   bf16 data gradients of one tap from an odd number of channels: leaves out a term at some places */
static bool has_unseen_tap(const fig__conv *v)
{
    for (int axis = 0; axis < 3; axis++)
        for (int64_t tap = 0; tap < v->kernel[axis]; tap++) {
            bool seen = false;
            for (int64_t q = 0; q < v->out[axis] && !seen; q++) {
                int64_t at = q * v->stride[axis] + tap * v->dilation[axis] - v->before[axis];
                seen = at >= 0 && at < v->in[axis];
            }
            if (!seen)
                return true;
        }
    return false;
}

static bool library_errs(const fig__conv *v)
{
    bool strided = v->stride[0] * v->stride[1] * v->stride[2] > 1;
    if (v->kind == FIG__CONV_WEIGHT)
        return (v->taps == 1 && strided && v->groups == 1 && v->channels < 16) || (v->narrow && (v->spatial == 3 || has_unseen_tap(v)));
    return v->kind == FIG__CONV_DATA && v->narrow && v->taps == 1 && v->outputs / v->groups % 2 == 1;
}

static bool conv_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    return fig__conv_read_any(&v, q) && !library_errs(&v) && fig__dnnl_engine();
}

static void conv_release(void *prepared)
{
    conv_state *s = prepared;
    if (!s)
        return;
    clear_shares(s);
    fig__call_clear(&s->conv);
    fig__call_clear(&s->weights);
    free(s);
}

/* Workspace: the reordered weights, a scratchpad; by shares: those and the sums of each. */
static void lay_workspace(conv_state *s, size_t *workspace)
{
    *workspace = 0;
    s->packed_bytes = 0;
    if (s->parts > 1 || fig__call_made(&s->weights)) {
        const dnnl_memory_desc_t *packed = NULL;
        dnnl_memory_get_memory_desc(s->parts > 1 ? s->share[0].conv.arg[2].memory
                                    : s->weights.arg[s->v.kind == FIG__CONV_WEIGHT ? 0 : 1].memory, &packed);
        s->packed_bytes = dnnl_memory_desc_get_size(packed);
    }
    s->packed = fig__carve(workspace, s->packed_bytes);
    s->scratch = fig__carve(workspace, s->conv.scratch > s->weights.scratch ? s->conv.scratch : s->weights.scratch);
    for (int i = 0; s->parts > 1 && i < s->parts; i++) {
        s->share[i].scratch = fig__carve(workspace, s->share[i].conv.scratch);
        s->share[i].sums = i == 0 ? s->packed : fig__carve(workspace, s->packed_bytes);
    }
}

static fig_status prepare(const fig_kernel_query *q, bool shares, void **prepared, size_t *workspace, fig_error *err)
{
    conv_state *s = fig__alloc(sizeof(*s));
    fig__conv_read_any(&s->v, q);
    s->parts = 1;
    fig_status status = shares && wants_shares(&s->v, q->threads) ? make_shares(s, q->threads, err) : FIG_OK;
    if (status == FIG_OK && s->parts == 1) {
        int saved;
        fig__threads_enter(q->threads, &saved);
        status = make_primitives(&s->v, &s->conv, &s->weights, err);
        fig__threads_leave(saved);
    }
    if (status != FIG_OK) {
        conv_release(s);
        return status;
    }
    lay_workspace(s, workspace);
    *prepared = s;
    return FIG_OK;
}

static fig_status conv_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    return prepare(q, true, prepared, workspace, err);
}

/* The library's own split of a weight gradient, as a challenger. */
static fig_status whole_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    return prepare(q, false, prepared, workspace, err);
}

static bool whole_accepts(const fig_kernel_query *q)
{
    (void)q;
    return false;
}

static bool whole_competes(const fig_kernel_query *q)
{
    fig__conv v;
    return conv_accepts(q) && fig__conv_read_any(&v, q) && wants_shares(&v, q->threads);
}

typedef struct share_work {
    conv_state *s;
    const fig_eval *c;
    float *sums; /* of part 0; where the others are added */
} share_work;

static void share_part(void *context, int part, int parts)
{
    (void)parts;
    const share_work *w = context;
    const fig__conv *v = &w->s->v;
    share *own = &w->s->share[part];
    char *workspace = w->c->workspace;
    int64_t size = v->narrow ? 2 : 4;
    char *x = (char *)w->c->in[0].data + own->image * v->in_places * v->channels * size;
    char *dy = (char *)w->c->in[1].data + own->image * v->out_places * v->outputs * size;
    void *sums = part == 0 ? (void *)w->sums : workspace + own->sums;
    fig__call_run(&own->conv, (void *[]){ x, dy, sums }, workspace + own->scratch);
}

static void add_part(void *context, int part, int parts)
{
    const share_work *w = context;
    int64_t begin, end;
    fig__share((int64_t)(w->s->packed_bytes / sizeof(float)), 16, part, parts, &begin, &end);
    for (int i = 1; i < w->s->parts; i++) {
        const float *other = (const float *)(const void *)((const char *)w->c->workspace + w->s->share[i].sums);
        for (int64_t j = begin; j < end; j++)
            w->sums[j] += other[j];
    }
}

static void run_shares(conv_state *s, fig_eval *c)
{
    bool reorder = fig__call_made(&s->weights);
    char *workspace = c->workspace;
    share_work w = { s, c, reorder ? (float *)(void *)(workspace + s->packed) : FIG_F32_OUT(c, 0) };
    fig__parallel(s->parts, share_part, &w);
    fig__parallel(fig__parts((int64_t)(s->packed_bytes / sizeof(float)), c->run->threads), add_part, &w);
    if (reorder)
        fig__call_run(&s->weights, (void *[]){ w.sums, c->out[0].data }, workspace + s->scratch);
}

static void conv_run(fig_eval *c)
{
    conv_state *s = c->prepared;
    char *workspace = c->workspace;
    void *scratch = workspace + s->scratch, *packed = workspace + s->packed;
    bool reorder = fig__call_made(&s->weights);
    if (s->parts > 1) {
        run_shares(s, c);
        return;
    }
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
    .name = "onednn_convolution", .op = "convolution", .bf16 = true, .accepts = conv_accepts, .prepare = conv_prepare,
    .release = conv_release,
    .run = conv_run,
};

const fig_kernel fig_kernel_onednn_convolution_fused = {
    .name = "onednn_convolution", .op = "convolution_fused", .bf16 = true, .accepts = conv_accepts, .prepare = conv_prepare,
    .release = conv_release, .run = conv_run,
};

const fig_kernel fig_kernel_onednn_convolution_data_gradient = {
    .name = "onednn_convolution", .op = "convolution_data_gradient", .bf16 = true, .accepts = conv_accepts, .prepare = conv_prepare,
    .release = conv_release, .run = conv_run,
};

const fig_kernel fig_kernel_onednn_convolution_weight_gradient = {
    .name = "onednn_convolution", .op = "convolution_weight_gradient", .bf16 = true, .accepts = conv_accepts, .prepare = conv_prepare,
    .release = conv_release, .run = conv_run,
};

const fig_kernel fig_kernel_convolution_weight_gradient_whole = {
    .name = "onednn_convolution_whole", .op = "convolution_weight_gradient", .bf16 = true, .accepts = whole_accepts,
    .competes = whole_competes,
    .prepare = whole_prepare, .release = conv_release, .run = conv_run,
};
