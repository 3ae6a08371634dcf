/* ops/sample_bilinear.c - reads a picture between its pixels
 *
 * x (B, H, W, C), at (B, h, w, 2) = (row, column) in pixels, fractions allowed -> (B, h, w, C): the four neighbours
 * weighted by nearness, where a neighbour outside the picture is 0 (so the value fades to 0 within one pixel of the
 * edge). This is the sampler of spatial transformers (Jaderberg et al. 2015).
 *
 * Its gradient is an op of its own with both results; with respect to `at` it is the slope within the cell, which is right
 * almost everywhere. Both have a decomposition - four gathers, four scatters and their weights -, so derivatives of any order
 * follow. */
#include "ops/sample_bilinear.h"
#include "ops/shape.h"

#include <string.h>

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
        const float *picture = FIG_F32_IN(c, 0) + n / places * height * width * channels;
        fig__cell cell = fig__cell_of(FIG_F32_IN(c, 1) + 2 * n, height, width);
        float *out = FIG_F32_OUT(c, 0) + n * channels;
        for (int64_t ch = 0; ch < channels; ch++)
            out[ch] = 0.0f;
        for (int corner = 0; corner < 4; corner++) {
            for (int64_t ch = 0; ch < channels && cell.inside[corner]; ch++)
                out[ch] += cell.weight[corner] * picture[cell.pixel[corner] * channels + ch];
        }
    }
}

/* One coordinate (B, h, w): each neighbour's place within the picture; its weight and the weight's slope, 0 outside. */
typedef struct neighbours {
    fig_node place[2], weight[2], slope[2];
} neighbours;

static neighbours neighbours_of(fig_node at, int axis, int64_t n)
{
    fig_node given = fig_squeeze(fig_slice(at, 3, axis, 1, 1), 3);
    fig_node place = fig_clamp(given, -1.0f, (float)n); /* whatever lies further out reads nothing either */
    fig_node moves = fig_equal(place, given);
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
        r.slope[i] = fig_scale(fig_mul(inside, moves), i ? 1.0f : -1.0f);
        r.place[i] = fig_clamp(r.place[i], 0.0f, (float)(n - 1));
    }
    return r;
}

/* Row of the table (B * H * W, C) where each place's corner lies: (B, h, w). */
static fig_node corner_index(const neighbours *rows, const neighbours *columns, int corner, const fig_type *x)
{
    fig_graph *graph = rows->place[0].graph;
    fig_type pictures = { .dtype = FIG_I32, .rank = 3, .dim = { x->dim[0], 1, 1 } };
    fig_node row = fig_cast(rows->place[corner / 2], FIG_I32), column = fig_cast(columns->place[corner % 2], FIG_I32);
    fig_node picture = fig_iota(graph, pictures, 0);
    fig_node line = fig_add(fig_mul(picture, fig_constant_i32(graph, (int32_t)x->dim[1])), row);
    return fig_add(fig_mul(line, fig_constant_i32(graph, (int32_t)x->dim[2])), column);
}

static fig_type table_of(const fig_type *x) { return FIG_SHAPE(x->dim[0] * x->dim[1] * x->dim[2], x->dim[3]); }

static fig_node add_up(fig_node sum, fig_node part) { return fig_is_none(sum) ? part : fig_add(sum, part); }

static void sample_bilinear_decompose(fig_decompose *c)
{
    fig_type x = fig_type_of(c->in[0]);
    neighbours rows = neighbours_of(c->in[1], 0, x.dim[1]), columns = neighbours_of(c->in[1], 1, x.dim[2]);
    fig_node table = fig_reshape(c->in[0], table_of(&x)), sum = FIG_NONE;
    for (int corner = 0; corner < 4; corner++) {
        fig_node index = corner_index(&rows, &columns, corner, &x);
        fig_node weight = fig_mul(rows.weight[corner / 2], columns.weight[corner % 2]);
        sum = add_up(sum, fig_mul(fig_gather(table, index), fig_expand(weight, -1))); /* (B, h, w, C) */
    }
    c->out[0] = sum;
}

static void sample_bilinear_rule(fig_gradient *c)
{
    fig_node in[3] = { c->in[0], c->in[1], c->upstream };
    fig__emit_multi(c->graph, &fig_op_sample_bilinear_gradient, in, 3, NULL, c->result, 2);
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
    .gradient = sample_bilinear_rule,
    .decompose = sample_bilinear_decompose,
    .reference = sample_bilinear_reference,
};

/* -- its gradient: operands x, at, dy (B, h, w, C), results dx and dat -------------------------------------------------- */

static fig_status gradient_infer(fig_infer *c)
{
    fig_type y;
    fig_infer forward = { .n_in = 2, .n_out = 1, .in = c->in, .out = &y, .err = c->err };
    FIG_TRY(sample_bilinear_infer(&forward));
    if (!fig__types_equal(&c->in[2], &y))
        return fig_fail(c->err, FIG_E_SHAPE, "sample_bilinear_gradient: upstream has another shape than the result");
    c->n_out = 2;
    for (int i = 0; i < 2; i++)
        c->out[i] = fig__plain_type(&c->in[i], FIG_F32);
    return FIG_OK;
}

static void gradient_reference(fig_eval *c)
{
    const fig_type *x = &c->in[0].type, *y = &c->in[2].type;
    int64_t height = x->dim[1], width = x->dim[2], channels = x->dim[3], places = y->dim[1] * y->dim[2];
    memset(c->out[0].data, 0, fig__bytes(x));
    for (int64_t n = 0; n < y->dim[0] * places; n++) {
        int64_t picture = n / places * height * width * channels;
        fig__cell cell = fig__cell_of(FIG_F32_IN(c, 1) + 2 * n, height, width);
        const float *dy = FIG_F32_IN(c, 2) + n * channels;
        double slope[2] = { 0, 0 };
        for (int corner = 0; corner < 4; corner++) {
            int64_t pixel = picture + cell.pixel[corner] * channels;
            double dot = 0;
            for (int64_t ch = 0; ch < channels && cell.inside[corner]; ch++) {
                FIG_F32_OUT(c, 0)[pixel + ch] += cell.weight[corner] * dy[ch];
                dot += (double)FIG_F32_IN(c, 0)[pixel + ch] * (double)dy[ch];
            }
            slope[0] += dot * (double)cell.down[corner];
            slope[1] += dot * (double)cell.right[corner];
        }
        for (int i = 0; i < 2; i++)
            FIG_F32_OUT(c, 1)[2 * n + i] = (float)slope[i];
    }
}

static void gradient_decompose(fig_decompose *c)
{
    fig_type x = fig_type_of(c->in[0]);
    fig_node table = fig_reshape(c->in[0], table_of(&x)), dx = FIG_NONE, slope[2] = { FIG_NONE, FIG_NONE };
    neighbours rows = neighbours_of(c->in[1], 0, x.dim[1]), columns = neighbours_of(c->in[1], 1, x.dim[2]);
    for (int corner = 0; corner < 4; corner++) {
        fig_node index = corner_index(&rows, &columns, corner, &x);
        fig_node down = rows.weight[corner / 2], right = columns.weight[corner % 2];
        fig_node part = fig_mul(c->in[2], fig_expand(fig_mul(down, right), -1)); /* (B, h, w, C) */
        dx = add_up(dx, fig_scatter_add(table_of(&x), index, part));
        fig_node dot = fig_sum(fig_mul(fig_gather(table, index), c->in[2]), &(fig_reduce_opts){ .axis = -1 }); /* (B, h, w) */
        slope[0] = add_up(slope[0], fig_mul(dot, fig_mul(rows.slope[corner / 2], right)));
        slope[1] = add_up(slope[1], fig_mul(dot, fig_mul(down, columns.slope[corner % 2])));
    }
    c->out[0] = fig_reshape(dx, x);
    c->out[1] = fig_concat((fig_node[]){ fig_expand(slope[0], -1), fig_expand(slope[1], -1) }, 2, -1); /* (B, h, w, 2) */
}

const fig_op fig_op_sample_bilinear_gradient = {
    .name = "sample_bilinear_gradient",
    .operands = 3,
    .infer = gradient_infer,
    .decompose = gradient_decompose,
    .reference = gradient_reference,
};
