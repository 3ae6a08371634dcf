/* ops/sample_bilinear.c - reads a picture between its pixels
 *
 * x (B, H, W, C), at (B, h, w, 2) = (row, column) in pixels, fractions allowed -> (B, h, w, C): the four neighbours
 * weighted by nearness, where a neighbour outside the picture is 0 (so the value fades to 0 within one pixel of the
 * edge). This is the sampler of spatial transformers (Jaderberg et al. 2015).
 *
 * A composite: the gradient goes through the decomposition below, four gathers and their weights. With respect to `at`
 * it is the slope within the cell, which is right almost everywhere, and derivatives of any order follow. */
#include "ops/shape.h"

#include <math.h>

static fig_status sample_bilinear_infer(fig_infer *c)
{
    const char *op = "sample_bilinear";
    const fig_type *x = &c->in[0], *at = &c->in[1];
    for (int i = 0; i < 2; i++) {
        FIG_TRY(fig__expect_dtype(c, i, FIG_F32, op));
        FIG_TRY(fig__expect_rank(c, i, 4, op));
    }
    if (at->dim[3] != 2 || at->dim[0] != x->dim[0] || x->dim[0] * x->dim[1] * x->dim[2] > INT32_MAX) {
        char text[128], text_at[128];
        fig__type_text(x, text);
        fig__type_text(at, text_at);
        return fig_fail(c->err, FIG_E_SHAPE, "%s: x is %s and at %s; at must be (B, h, w, 2) with the batch of x", op,
                        text, text_at);
    }
    c->out[0] = fig__plain_type(at, FIG_F32);
    c->out[0].dim[3] = x->dim[3];
    return FIG_OK;
}

static void sample_bilinear_reference(fig_eval *c)
{
    const fig_type *x = &c->in[0].type, *y = &c->out[0].type;
    int64_t height = x->dim[1], width = x->dim[2], channels = x->dim[3], places = y->dim[1] * y->dim[2];
    for (int64_t n = 0; n < y->dim[0] * places; n++) {
        const float *picture = FIG_F32_IN(c, 0) + n / places * height * width * channels,
                    *at = FIG_F32_IN(c, 1) + 2 * n;
        float *out = FIG_F32_OUT(c, 0) + n * channels;
        for (int64_t ch = 0; ch < channels; ch++)
            out[ch] = 0.0f;
        if (!(at[0] > -1.0f && at[0] < (float)height && at[1] > -1.0f && at[1] < (float)width))
            continue;
        int64_t top = (int64_t)floorf(at[0]), left = (int64_t)floorf(at[1]);
        float down = at[0] - (float)top, right = at[1] - (float)left;
        for (int corner = 0; corner < 4; corner++) {
            int64_t row = top + corner / 2, column = left + corner % 2;
            float weight = (corner / 2 ? down : 1.0f - down) * (corner % 2 ? right : 1.0f - right);
            if (row < 0 || row >= height || column < 0 || column >= width)
                continue;
            for (int64_t ch = 0; ch < channels; ch++)
                out[ch] += weight * picture[(row * width + column) * channels + ch];
        }
    }
}

/* One coordinate (B, h, w): the whole part of each neighbour, and its weight, 0 where it lies outside. */
typedef struct neighbours {
    fig_node place[2], weight[2];
} neighbours;

static neighbours neighbours_of(fig_node at, int axis, int64_t n)
{
    fig_node place = fig_squeeze(fig_slice(at, 3, axis, 1, 1), 3);
    place = fig_clamp(place, -1.0f, (float)n); /* whatever lies further out reads nothing either */
    neighbours r;
    fig_node low = fig_floor(place);
    fig_node fraction = fig_sub(place, low);
    r.place[0] = low;
    r.place[1] = fig_shift(low, 1.0f);
    r.weight[0] = fig_sub(fig_ones_like(fraction), fraction);
    r.weight[1] = fraction;
    for (int i = 0; i < 2; i++) {
        fig_node inside = fig_equal(r.place[i], fig_clamp(r.place[i], 0.0f, (float)(n - 1)));
        r.weight[i] = fig_mul(r.weight[i], inside);
        r.place[i] = fig_clamp(r.place[i], 0.0f, (float)(n - 1));
    }
    return r;
}

static void sample_bilinear_decompose(fig_decompose *c)
{
    fig_node x = c->in[0], at = c->in[1];
    int64_t batch = fig_dim(x, 0), height = fig_dim(x, 1), width = fig_dim(x, 2);
    neighbours rows = neighbours_of(at, 0, height), columns = neighbours_of(at, 1, width);
    fig_node table = fig_reshape(x, FIG_SHAPE(batch * height * width, fig_dim(x, 3)));
    fig_type pictures = { .dtype = FIG_I32, .rank = 3, .dim = { batch, 1, 1 } };
    fig_node picture = fig_iota(c->graph, pictures, 0);
    fig_node sum = FIG_NONE;
    for (int corner = 0; corner < 4; corner++) {
        fig_node row = fig_cast(rows.place[corner / 2], FIG_I32), column = fig_cast(columns.place[corner % 2], FIG_I32);
        fig_node line = fig_add(fig_mul(picture, fig_constant_i32(c->graph, (int32_t)height)), row);
        fig_node index = fig_add(fig_mul(line, fig_constant_i32(c->graph, (int32_t)width)), column); /* (B, h, w) */
        fig_node weight = fig_mul(rows.weight[corner / 2], columns.weight[corner % 2]);
        fig_node part = fig_mul(fig_gather(table, index), fig_expand(weight, -1)); /* (B, h, w, C) */
        sum = fig_is_none(sum) ? part : fig_add(sum, part);
    }
    c->out[0] = sum;
}

fig_node fig_sample_bilinear(fig_node x, fig_node at)
{
    fig_node in[2] = { x, at };
    if (fig__any_poisoned(in, 2))
        return fig__first_poisoned(in, 2, "sample_bilinear");
    return fig__emit(fig__graph_of(in, 2), &fig_op_sample_bilinear, in, 2, NULL);
}

const fig_op fig_op_sample_bilinear = {
    .name = "sample_bilinear",
    .operands = 2,
    .infer = sample_bilinear_infer,
    .decompose = sample_bilinear_decompose,
    .reference = sample_bilinear_reference,
};
