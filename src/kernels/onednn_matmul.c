/* kernels/onednn_matmul.c - matrix products: oneDNN's matmul primitive, its sgemm, or the primitive on a repacked b
 *
 * Which of the three is fastest depends on how the operands lie. GFLOP/s on two Zen 4 cores (peak 230), weights changing at
 * each run, so that packing counts:
 *
 *     m x k x n              a b     sgemm  primitive  packed b
 *     128 x 784 x 400        N T      184      208       153
 *     50 x 512 x 2048        N T       80      187       171
 *     256 x 3072 x 768       N T      140      213       179
 *     4096 x 384 x 1536      N T      206      192       204
 *     4096 x 1536 x 384      N T      174      210       212
 *     5000 x 512 x 2048      N T      219      198       208
 *     32768 x 64 x 256       N T      194      153       182
 *     32768 x 64 x 64        N T      195      180       219
 *     5000 x 512 x 65        N T      149      171       162
 *     128 x 400 x 784        N N      224      229       162
 *     4096 x 1152 x 384      N N      213      175       204
 *     256 x 50257 x 768      N N      215      175       172
 *     256 x 768 x 3072       N N      157      182       175
 *     400 x 128 x 784        T N      222      221       195
 *     1536 x 4096 x 384      T N      212      190       184
 *     50257 x 256 x 768      T N      209      172       192
 *     48 of 64 x 32 x 64     N T      117*     134       152      (* one product per thread)
 *     96 of 256 x 64 x 256   N T      158*     127       128
 *     48 of 64 x 64 x 32     N N      157*     195       195
 *     48 of 64 x 64 x 32     T N      171*     113       140
 *     96 of 256 x 256 x 64   T N      164*     126        90
 *
 * The rules below follow from it, and the other ways are challengers where plans are tuned. The primitive and the packed one do bias
 * and activation on the way; after sgemm they are a pass of their own over a result that is still in the caches. */
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/product.h"

#include <stdlib.h>

typedef enum method { SGEMM, SGEMM_EACH, PRIMITIVE, PACKED } method;

typedef struct matmul_state {
    fig__product p;
    method method;
    fig__call product, pack;
    size_t scratch, packed; /* offsets in the workspace */
} matmul_state;

static method choose(const fig__product *p)
{
    bool even = p->a_step >= 0 && p->b_step >= 0;
    if (p->narrow)
        return PACKED;
    if (p->batch > 1) {
        if (p->transpose_a || !even || (p->transpose_b && p->m >= 128))
            return SGEMM_EACH;
        return p->transpose_b && p->b_step > 0 ? PACKED : PRIMITIVE;
    }
    if (p->transpose_a)
        return SGEMM;
    if (!p->transpose_b)
        return (p->m <= 128 && p->k <= 1024) || (p->m <= 512 && p->n >= 2048 && p->k <= 1024) ? PRIMITIVE : SGEMM;
    if (p->m < 1024)
        return PRIMITIVE;
    if (p->n < 128)
        return p->k <= 256 ? PACKED : PRIMITIVE;
    return p->n >= p->k ? SGEMM : PACKED;
}

/* Descriptors (batch, rows, columns); a stored-transposed operand has its strides swapped. */
static dnnl_status_t describe(dnnl_memory_desc_t *out, int64_t batch, int64_t rows, int64_t columns, bool transposed, int64_t step,
                              bool narrow)
{
    dnnl_dims_t dims = { step == 0 ? 1 : batch, rows, columns };
    dnnl_dims_t strides = { step ? step : rows * columns, transposed ? 1 : columns, transposed ? rows : 1 };
    int skip = batch == 1 ? 1 : 0;
    return dnnl_memory_desc_init_by_strides(out, 3 - skip, dims + skip, narrow ? dnnl_bf16 : dnnl_f32, strides + skip);
}

static fig_status make_primitive(matmul_state *s, fig_error *err)
{
    const fig__product *p = &s->p;
    dnnl_memory_desc_t a, b, c, bias, any;
    dnnl_status_t status = describe(&a, p->batch, p->m, p->k, p->transpose_a, p->a_step, p->narrow);
    if (status == dnnl_success)
        status = describe(&b, p->batch, p->k, p->n, p->transpose_b, p->b_step, p->narrow);
    if (status == dnnl_success)
        status = describe(&c, p->batch, p->m, p->n, false, p->m * p->n, p->narrow_out);
    dnnl_dims_t ones = { 1, 1, p->n };
    int skip = p->batch == 1 ? 1 : 0;
    if (status == dnnl_success)
        status = dnnl_memory_desc_init_by_tag(&bias, 3 - skip, ones + skip, dnnl_f32, skip ? dnnl_ab : dnnl_abc);
    any = b;
    if (status == dnnl_success && s->method == PACKED)
        status = dnnl_memory_desc_init_by_tag(&any, b.ndims, b.dims, p->narrow ? dnnl_bf16 : dnnl_f32, dnnl_format_tag_any);
    FIG_TRY(fig__dnnl_check(status, "matmul", err));

    dnnl_matmul_desc_t desc;
    FIG_TRY(fig__dnnl_check(dnnl_matmul_desc_init(&desc, &a, &any, p->after.bias ? &bias : NULL, &c), "matmul", err));
    dnnl_primitive_attr_t attr = NULL;
    FIG_TRY(fig__dnnl_attr(&p->after, &attr, err));
    dnnl_primitive_desc_t pd = NULL;
    status = dnnl_primitive_desc_create(&pd, &desc, attr, fig__dnnl_engine(), NULL);
    dnnl_primitive_attr_destroy(attr);
    FIG_TRY(fig__dnnl_check(status, "matmul", err));

    dnnl_memory_desc_t wanted = *dnnl_primitive_desc_query_md(pd, dnnl_query_weights_md, 0);
    static const int args[] = { DNNL_ARG_SRC, DNNL_ARG_WEIGHTS, DNNL_ARG_DST, DNNL_ARG_BIAS };
    FIG_TRY(fig__call_make(&s->product, pd, args, p->after.bias ? 4 : 3, "matmul", err));
    if (dnnl_memory_desc_equal(&wanted, &b))
        return FIG_OK;
    return fig__call_reorder(&s->pack, &b, &wanted, err);
}

/* In bf16 only the primitive, which wants its batch evenly spaced, on processors with the instructions. */
static bool matmul_accepts(const fig_kernel_query *q)
{
    if (!fig__dnnl_engine())
        return false;
    if (!fig__product_bf16(q))
        return fig__product_f32(q);
    fig__product p;
    fig__product_init(&p, q);
    fig__product_clear(&p);
    return fig__machine_get()->avx512_bf16 && (p.batch == 1 || (p.a_step >= 0 && p.b_step >= 0));
}

static void matmul_release(void *prepared)
{
    matmul_state *s = prepared;
    if (!s)
        return;
    fig__call_clear(&s->product);
    fig__call_clear(&s->pack);
    fig__product_clear(&s->p);
    free(s);
}

static fig_status prepare_method(const fig_kernel_query *q, const method *wanted, void **prepared, size_t *workspace, fig_error *err)
{
    matmul_state *s = fig__alloc(sizeof(*s));
    fig__product_init(&s->p, q);
    s->method = wanted ? *wanted : choose(&s->p);
    *workspace = 0;
    if (s->method == PRIMITIVE || s->method == PACKED) {
        int saved;
        fig__threads_enter(q->threads, &saved);
        fig_status status = make_primitive(s, err);
        fig__threads_leave(saved);
        if (status != FIG_OK) {
            matmul_release(s);
            return status;
        }
        size_t scratch = s->product.scratch > s->pack.scratch ? s->product.scratch : s->pack.scratch;
        s->scratch = fig__carve(workspace, scratch);
        if (fig__call_made(&s->pack)) {
            const dnnl_memory_desc_t *packed = NULL;
            dnnl_memory_get_memory_desc(s->pack.arg[1].memory, &packed);
            s->packed = fig__carve(workspace, dnnl_memory_desc_get_size(packed));
        }
    }
    *prepared = s;
    return FIG_OK;
}

static fig_status matmul_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    return prepare_method(q, NULL, prepared, workspace, err);
}

/* -- the methods as challengers -------------------------------------------------------------------------------------- */

/* Whether this method can do the product, and is not what the rules take anyway. */
static bool method_competes(const fig_kernel_query *q, method wanted)
{
    if (!matmul_accepts(q))
        return false;
    fig__product p;
    fig__product_init(&p, q);
    bool even = p.a_step >= 0 && p.b_step >= 0, can = choose(&p) != wanted;
    if (wanted == SGEMM)
        can = can && p.batch == 1 && !p.narrow;
    else if (wanted == SGEMM_EACH)
        can = can && p.batch > 1 && !p.narrow;
    else
        can = can && (p.batch == 1 || even);
    fig__product_clear(&p);
    return can;
}

static bool never(const fig_kernel_query *q)
{
    (void)q;
    return false;
}

static bool sgemm_competes(const fig_kernel_query *q) { return method_competes(q, SGEMM); }
static bool each_competes(const fig_kernel_query *q) { return method_competes(q, SGEMM_EACH); }
static bool primitive_competes(const fig_kernel_query *q) { return method_competes(q, PRIMITIVE); }
static bool packed_competes(const fig_kernel_query *q) { return method_competes(q, PACKED); }

static fig_status sgemm_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    return prepare_method(q, &(method){ SGEMM }, prepared, workspace, err);
}

static fig_status each_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    return prepare_method(q, &(method){ SGEMM_EACH }, prepared, workspace, err);
}

static fig_status primitive_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    return prepare_method(q, &(method){ PRIMITIVE }, prepared, workspace, err);
}

static fig_status packed_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    return prepare_method(q, &(method){ PACKED }, prepared, workspace, err);
}

typedef struct each_work {
    const fig__product *p;
    const float *a, *b, *bias;
    float *c;
} each_work;

static void each_part(void *context, int part, int parts)
{
    const each_work *w = context;
    const fig__product *p = w->p;
    int64_t begin, end;
    fig__share(p->batch, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        float *c = w->c + i * p->m * p->n;
        fig__gemm(p->transpose_a, p->transpose_b, p->m, p->n, p->k, w->a + p->a_at[i], p->a_row, w->b + p->b_at[i], p->b_row, 0.0f,
                  c, p->n);
        fig__epilogue(c, p->m, p->n, w->bias, &p->after, NULL);
    }
}

static void run_primitive(matmul_state *s, fig_eval *c)
{
    char *workspace = c->workspace;
    void *scratch = workspace + s->scratch, *b = c->in[1].data;
    if (fig__call_made(&s->pack)) {
        b = workspace + s->packed;
        fig__call_run(&s->pack, (void *[]){ c->in[1].data, b }, scratch);
    }
    void *bias = s->p.after.bias ? c->in[2].data : NULL;
    fig__call_run(&s->product, (void *[]){ c->in[0].data, b, c->out[0].data, bias }, scratch);
}

static void matmul_run(fig_eval *c)
{
    matmul_state *s = c->prepared;
    const fig__product *p = &s->p;
    const float *bias = fig__epilogue_bias(c, &p->after);
    each_work work = { p, FIG_F32_IN(c, 0), FIG_F32_IN(c, 1), bias, FIG_F32_OUT(c, 0) }; /* of f32 products */
    switch (s->method) {
    case SGEMM:
        fig__gemm(p->transpose_a, p->transpose_b, p->m, p->n, p->k, work.a, p->a_row, work.b, p->b_row, 0.0f, work.c, p->n);
        fig__epilogue(work.c, p->m, p->n, bias, &p->after, c->run);
        break;
    case SGEMM_EACH:
        /* The thread's own sgemm inside a team runs alone; with fewer matrices than threads the team goes into each. */
        fig__parallel(p->batch >= c->run->threads ? c->run->threads : 1, each_part, &work);
        break;
    case PRIMITIVE:
    case PACKED:
        run_primitive(s, c);
        break;
    }
}

const fig_kernel fig_kernel_onednn_matmul = {
    .name = "onednn_matmul", .op = "matmul", .bf16 = true, .accepts = matmul_accepts, .prepare = matmul_prepare, .release = matmul_release,
    .run = matmul_run,
};

const fig_kernel fig_kernel_onednn_matmul_fused = {
    .name = "onednn_matmul", .op = "matmul_fused", .bf16 = true, .accepts = matmul_accepts, .prepare = matmul_prepare,
    .release = matmul_release,
    .run = matmul_run,
};

const fig_kernel fig_kernel_matmul_sgemm = {
    .name = "matmul_sgemm", .op = "matmul", .accepts = never, .competes = sgemm_competes, .prepare = sgemm_prepare,
    .release = matmul_release, .run = matmul_run,
};

const fig_kernel fig_kernel_matmul_fused_sgemm = {
    .name = "matmul_sgemm", .op = "matmul_fused", .accepts = never, .competes = sgemm_competes, .prepare = sgemm_prepare,
    .release = matmul_release, .run = matmul_run,
};

const fig_kernel fig_kernel_matmul_sgemm_each = {
    .name = "matmul_sgemm_each", .op = "matmul", .accepts = never, .competes = each_competes, .prepare = each_prepare,
    .release = matmul_release, .run = matmul_run,
};

const fig_kernel fig_kernel_matmul_fused_sgemm_each = {
    .name = "matmul_sgemm_each", .op = "matmul_fused", .accepts = never, .competes = each_competes, .prepare = each_prepare,
    .release = matmul_release, .run = matmul_run,
};

const fig_kernel fig_kernel_matmul_primitive = {
    .name = "matmul_primitive", .op = "matmul", .bf16 = true, .accepts = never, .competes = primitive_competes,
    .prepare = primitive_prepare,
    .release = matmul_release, .run = matmul_run,
};

const fig_kernel fig_kernel_matmul_fused_primitive = {
    .name = "matmul_primitive", .op = "matmul_fused", .bf16 = true, .accepts = never, .competes = primitive_competes,
    .prepare = primitive_prepare,
    .release = matmul_release, .run = matmul_run,
};

const fig_kernel fig_kernel_matmul_packed = {
    .name = "matmul_packed", .op = "matmul", .bf16 = true, .accepts = never, .competes = packed_competes, .prepare = packed_prepare,
    .release = matmul_release, .run = matmul_run,
};

const fig_kernel fig_kernel_matmul_fused_packed = {
    .name = "matmul_packed", .op = "matmul_fused", .bf16 = true, .accepts = never, .competes = packed_competes, .prepare = packed_prepare,
    .release = matmul_release, .run = matmul_run,
};
