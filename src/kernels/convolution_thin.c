/* kernels/convolution_thin.c - convolutions with a thin side: one to a few channels (pictures, a critic's map)
 *
 * oneDNN makes vectors of 16 output channels, so a thin result leaves most of each vector empty: 12-40 of 230 GFLOP/s. Here the
 * product runs over the fat side, with every tap's thin channels beside one another, and the taps are added up after:
 *
 *     data gradient    columns (M, taps * t) = dy (M, F) w (F, taps * t);    dx = scatter(columns)       t = input channels
 *     forward          the same with x for dy, y for dx and the taps mirrored; stride 1 only             t = output channels
 *     weight gradient  dw (F, taps * t) = x^T (F, M) columns(dy) (M, taps * t), mirrored; stride 1       t = output channels
 *
 * Parts own images; one big image is shared by its lines, after a product of the whole team.
 *
 * GFLOP/s against oneDNN, two Zen 4 cores:
 *
 *     data gradient    3-64 4x4 stride 2, 64 of 64x64   113 / 38      1-64 5x5 stride 2, 256 of 28x28    75 / 14
 *                      3-64 7x7, 1 of 70x70             132 / 42      3-64 3x3, 32 of 32x32             116 / 39
 *     forward          64-3 7x7, 1 of 70x70             113 / 42      64-3 3x3, 32 of 32x32             100 / 37
 *     weight gradient  64-3 7x7, 1 of 70x70             117 / 39      64-3 3x3, 32 of 32x32              99 / 37 */
#include "kernels/columns.h"
#include "kernels/onednn.h"
#include "kernels/parallel.h"
#include "kernels/product.h"

#include <stdlib.h>
#include <string.h>

enum { THIN = 4, BLOCK = 1 << 17 }; /* channels of the thin side at most; elements of a part's block of columns */

typedef struct thin_state {
    fig__conv v;      /* as the node says */
    fig__conv g;      /* as computed: the fat side is y (g.outputs), the thin one x (g.channels) */
    bool mirrored;    /* g is v seen from the other side: weights are mirrored and transposed */
    int parts;
    int64_t images;   /* of a block */
    int64_t length;   /* taps * t */
    size_t weights, block, sums; /* bytes: mirrored weights, one part's columns, one part's weight sums */
} thin_state;

/* A convolution with stride 1 seen from its output: the same sums are the data gradient of a convolution that takes y to x with
 * its taps in mirrored order. */
static void mirror(fig__conv *g, const fig__conv *v)
{
    *g = *v;
    g->channels = v->outputs;
    g->outputs = v->channels;
    g->in_places = v->out_places;
    g->out_places = v->in_places;
    for (int i = 0; i < 3; i++) {
        g->in[i] = v->out[i];
        g->out[i] = v->in[i];
        g->before[i] = v->dilation[i] * (v->kernel[i] - 1) - v->before[i];
    }
}

static bool thin_accepts(const fig_kernel_query *q)
{
    fig__conv v;
    if (!fig__conv_read(&v, q) || v.groups != 1 || v.taps == 1)
        return false;
    if (v.kind == FIG__CONV_DATA)
        return v.channels <= THIN && v.outputs >= 8;
    bool steps = v.stride[0] == 1 && v.stride[1] == 1 && v.stride[2] == 1;
    return steps && v.outputs <= THIN && v.channels >= 8;
}

static fig_status thin_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    thin_state *s = fig__alloc(sizeof(*s));
    fig__conv_read(&s->v, q);
    s->mirrored = s->v.kind != FIG__CONV_DATA;
    s->g = s->v;
    if (s->mirrored)
        mirror(&s->g, &s->v);
    s->length = s->g.taps * s->g.channels;
    int64_t image = s->g.out_places * s->length, weights = s->length * s->g.outputs;
    s->parts = fig__parts(s->g.batch * image * 4, q->threads);
    bool own = s->g.batch >= s->parts;
    s->images = own ? (BLOCK + image - 1) / image : 1;
    s->weights = s->mirrored ? sizeof(float) * (size_t)((weights + 15) / 16 * 16) : 0;
    s->block = sizeof(float) * (size_t)((s->images * image + 15) / 16 * 16);
    s->sums = s->v.kind == FIG__CONV_WEIGHT ? s->weights : 0;
    *workspace = s->weights + (s->block + s->sums) * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

/* w (O, taps, C) to and from (C, mirrored taps, O). */
static void mirror_weights(const thin_state *s, const float *from, float *to, bool back)
{
    const fig__conv *v = &s->v;
    for (int64_t o = 0; o < v->outputs; o++)
        for (int64_t t = 0; t < v->taps; t++)
            for (int64_t c = 0; c < v->channels; c++) {
                int64_t plain = (o * v->taps + t) * v->channels + c, other = (c * v->taps + v->taps - 1 - t) * v->outputs + o;
                to[back ? plain : other] = from[back ? other : plain];
            }
}

typedef struct thin_work {
    const thin_state *s;
    const float *fat, *weights;
    float *thin;
    const float *bias;
    char *blocks;
    const float *image_columns; /* shared image: its columns */
} thin_work;

static float *block_of(const thin_work *w, int part)
{
    return (float *)(void *)(w->blocks + (w->s->block + w->s->sums) * (size_t)part);
}

/* -- data gradient and forward ------------------------------------------------------------------------------------------------ */

static void images_part(void *context, int part, int parts)
{
    const thin_work *w = context;
    const thin_state *s = w->s;
    const fig__conv *g = &s->g;
    int64_t begin, end, thin = g->in_places * g->channels;
    fig__share(g->batch, 1, part, parts, &begin, &end);
    float *columns = block_of(w, part);
    for (int64_t i = begin; i < end; i += s->images) {
        int64_t count = end - i < s->images ? end - i : s->images;
        fig__gemm(false, false, count * g->out_places, s->length, g->outputs, w->fat + i * g->out_places * g->outputs, g->outputs,
                  w->weights, s->length, 0.0f, columns, s->length);
        fig__columns_scatter(g, columns, count, 0, g->in[1], w->thin + i * thin);
        fig__epilogue(w->thin + i * thin, count * g->in_places, g->channels, w->bias, &s->v.after_sum, NULL);
    }
}

static void lines_part(void *context, int part, int parts)
{
    const thin_work *w = context;
    const fig__conv *g = &w->s->g;
    int64_t begin, end;
    fig__share(g->in[1], 1, part, parts, &begin, &end);
    fig__columns_scatter(g, w->image_columns, 1, begin, end, w->thin);
}

static void run_sums(fig_eval *c, thin_work *w)
{
    const thin_state *s = w->s;
    const fig__conv *g = &s->g;
    if (g->batch >= s->parts) {
        fig__parallel(s->parts, images_part, w);
        return;
    }
    for (int64_t i = 0; i < g->batch; i++, w->thin += g->in_places * g->channels) {
        fig__gemm(false, false, g->out_places, s->length, g->outputs, w->fat + i * g->out_places * g->outputs, g->outputs,
                  w->weights, s->length, 0.0f, block_of(w, 0), s->length);
        w->image_columns = block_of(w, 0);
        fig__parallel(s->parts, lines_part, w);
    }
    fig__epilogue(FIG_F32_OUT(c, 0), g->batch * g->in_places, g->channels, w->bias, &s->v.after_sum, c->run);
}

/* -- weight gradient ------------------------------------------------------------------------------------------------------------- */

static void weights_part(void *context, int part, int parts)
{
    const thin_work *w = context;
    const thin_state *s = w->s;
    const fig__conv *g = &s->g;
    int64_t begin, end, rows = s->images * g->out_places;
    fig__share(g->batch * g->out_places, 16, part, parts, &begin, &end);
    float *columns = block_of(w, part), *sums = (float *)(void *)((char *)columns + s->block);
    if (begin >= end)
        memset(sums, 0, s->sums);
    for (int64_t row = begin; row < end; row += rows) {
        int64_t count = end - row < rows ? end - row : rows;
        fig__columns_gather(g, w->thin, row, count, columns);
        fig__gemm(true, false, g->outputs, s->length, count, w->fat + row * g->outputs, g->outputs, columns, s->length,
                  row > begin ? 1.0f : 0.0f, sums, s->length);
    }
}

static void run_weights(thin_work *w, float *dw)
{
    const thin_state *s = w->s;
    fig__parallel(s->parts, weights_part, w);
    float *all = (float *)(void *)((char *)block_of(w, 0) + s->block);
    for (int part = 1; part < s->parts; part++) {
        const float *sums = (const float *)(const void *)((const char *)block_of(w, part) + s->block);
        for (int64_t i = 0; i < s->length * s->g.outputs; i++)
            all[i] += sums[i];
    }
    mirror_weights(s, all, dw, true);
}

static void thin_run(fig_eval *c)
{
    const thin_state *s = c->prepared;
    char *workspace = c->workspace;
    thin_work w = { .s = s, .fat = FIG_F32_IN(c, 0), .weights = FIG_F32_IN(c, 1), .thin = FIG_F32_OUT(c, 0),
                    .bias = fig__epilogue_bias(c, &s->v.after_sum), .blocks = workspace + s->weights };
    if (s->v.kind == FIG__CONV_WEIGHT) {
        w.thin = (float *)c->in[1].data;
        run_weights(&w, FIG_F32_OUT(c, 0));
        return;
    }
    if (s->mirrored) {
        mirror_weights(s, FIG_F32_IN(c, 1), (float *)(void *)workspace, false);
        w.weights = (const float *)(const void *)workspace;
    }
    run_sums(c, &w);
}

static void thin_release(void *prepared) { free(prepared); }

const fig_kernel fig_kernel_convolution_thin = {
    .name = "convolution_thin", .op = "convolution", .accepts = thin_accepts, .prepare = thin_prepare, .release = thin_release,
    .run = thin_run,
};
const fig_kernel fig_kernel_convolution_fused_thin = {
    .name = "convolution_thin", .op = "convolution_fused", .accepts = thin_accepts, .prepare = thin_prepare, .release = thin_release,
    .run = thin_run,
};
const fig_kernel fig_kernel_convolution_data_gradient_thin = {
    .name = "convolution_thin", .op = "convolution_data_gradient", .accepts = thin_accepts, .prepare = thin_prepare,
    .release = thin_release, .run = thin_run,
};
const fig_kernel fig_kernel_convolution_weight_gradient_thin = {
    .name = "convolution_thin", .op = "convolution_weight_gradient", .accepts = thin_accepts, .prepare = thin_prepare,
    .release = thin_release, .run = thin_run,
};
