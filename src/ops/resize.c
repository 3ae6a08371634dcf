/* ops/resize.c - pictures (B, H, W, C) at another size
 *
 * Every output pixel is a weighted sum of at most 2 x 2 input pixels with weights that depend on the sizes only, so the
 * gradient is the same loop with reading and adding exchanged, and each op of a pair is the other's gradient.
 *
 *     nearest    row y reads row floor(y * in / out)
 *     bilinear   half-pixel centres: row y reads place (y + 0.5) * in / out - 0.5, clamped to the picture
 *
 * Folding blocks of pixels into channels and back needs no op: it is a transpose between two free reshapes. */
#include "ops/resize.h"
#include "ops/shape.h"

#include <string.h>

static fig__resize_tap nearest_tap(int64_t i, int64_t in, int64_t out)
{
    int64_t at = i * in / out;
    return (fig__resize_tap){ at, at, 0.0f };
}

typedef fig__resize_tap (*tap_rule)(int64_t i, int64_t in, int64_t out);

static void resize(const fig_type *from, const float *x, const fig_type *to, float *y, tap_rule rule)
{
    int64_t channels = from->dim[3], width = from->dim[2];
    for (int64_t n = 0; n < to->dim[0] * to->dim[1]; n++) {
        const float *picture = x + n / to->dim[1] * from->dim[1] * width * channels;
        fig__resize_tap v = rule(n % to->dim[1], from->dim[1], to->dim[1]);
        const float *upper = picture + v.first * width * channels, *lower = picture + v.second * width * channels;
        for (int64_t j = 0; j < to->dim[2]; j++) {
            fig__resize_tap h = rule(j, width, to->dim[2]);
            int64_t left = h.first * channels, right = h.second * channels;
            for (int64_t c = 0; c < channels; c++) {
                float top = upper[left + c] * (1.0f - h.weight) + upper[right + c] * h.weight;
                float bottom = lower[left + c] * (1.0f - h.weight) + lower[right + c] * h.weight;
                *y++ = top * (1.0f - v.weight) + bottom * v.weight;
            }
        }
    }
}

/* The transpose: dy has the resized shape, dx the source's. */
static void resize_back(const fig_type *small, float *dx, const fig_type *large, const float *dy, tap_rule rule)
{
    int64_t channels = small->dim[3], width = small->dim[2];
    memset(dx, 0, fig__bytes(small));
    for (int64_t n = 0; n < large->dim[0] * large->dim[1]; n++) {
        float *picture = dx + n / large->dim[1] * small->dim[1] * width * channels;
        fig__resize_tap v = rule(n % large->dim[1], small->dim[1], large->dim[1]);
        float *upper = picture + v.first * width * channels, *lower = picture + v.second * width * channels;
        for (int64_t j = 0; j < large->dim[2]; j++, dy += channels) {
            fig__resize_tap h = rule(j, width, large->dim[2]);
            int64_t left = h.first * channels, right = h.second * channels;
            for (int64_t c = 0; c < channels; c++) {
                float top = dy[c] * (1.0f - v.weight), bottom = dy[c] * v.weight;
                upper[left + c] += top * (1.0f - h.weight);
                upper[right + c] += top * h.weight;
                lower[left + c] += bottom * (1.0f - h.weight);
                lower[right + c] += bottom * h.weight;
            }
        }
    }
}

static void resize_nearest_reference(fig_eval *c)
{
    resize(&c->in[0].type, FIG_F32_IN(c, 0), &c->out[0].type, FIG_F32_OUT(c, 0), nearest_tap);
}

static void resize_bilinear_reference(fig_eval *c)
{
    resize(&c->in[0].type, FIG_F32_IN(c, 0), &c->out[0].type, FIG_F32_OUT(c, 0), fig__resize_bilinear_tap);
}

static void resize_nearest_gradient_reference(fig_eval *c)
{
    resize_back(&c->out[0].type, FIG_F32_OUT(c, 0), &c->in[0].type, FIG_F32_IN(c, 0), nearest_tap);
}

static void resize_bilinear_gradient_reference(fig_eval *c)
{
    resize_back(&c->out[0].type, FIG_F32_OUT(c, 0), &c->in[0].type, FIG_F32_IN(c, 0), fig__resize_bilinear_tap);
}

/* -- shape rule and gradients ------------------------------------------------------------------------------------- */

static fig_status resize_infer(fig_infer *c)
{
    const fig_resize_attr *attr = c->attr;
    FIG_TRY(fig__expect_dtype(c, 0, FIG_F32, "resize"));
    FIG_TRY(fig__expect_rank(c, 0, 4, "resize"));
    if (attr->height < 1 || attr->width < 1)
        return fig_fail(c->err, FIG_E_SHAPE, "resize: to %lld x %lld pixels", (long long)attr->height,
                        (long long)attr->width);
    c->out[0] = fig__plain_type(&c->in[0], FIG_F32);
    c->out[0].dim[1] = attr->height;
    c->out[0].dim[2] = attr->width;
    return FIG_OK;
}

static fig_node emit_resize(const fig_op *op, fig_node x, int64_t height, int64_t width)
{
    fig_resize_attr attr = { .height = height, .width = width };
    return fig__emit(x.graph, op, &x, 1, &attr);
}

/* The gradient goes to the partner op, at the operand's size. */
static void give_back(fig_gradient *c, const fig_op *partner)
{
    c->result[0] = emit_resize(partner, c->upstream, fig_dim(c->in[0], 1), fig_dim(c->in[0], 2));
}

static void resize_nearest_rule(fig_gradient *c) { give_back(c, &fig_op_resize_nearest_gradient); }
static void resize_nearest_gradient_rule(fig_gradient *c) { give_back(c, &fig_op_resize_nearest); }
static void resize_bilinear_rule(fig_gradient *c) { give_back(c, &fig_op_resize_bilinear_gradient); }
static void resize_bilinear_gradient_rule(fig_gradient *c) { give_back(c, &fig_op_resize_bilinear); }

static void resize_print(const void *attr, fig__text *out)
{
    const fig_resize_attr *a = attr;
    fig__text_print(out, " to=%lldx%lld", (long long)a->height, (long long)a->width);
}

/* -- builders ----------------------------------------------------------------------------------------------------- */

static fig_node resize_or_same(const fig_op *op, fig_node x, int64_t height, int64_t width)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    if (fig_rank(x) == 4 && fig_dim(x, 1) == height && fig_dim(x, 2) == width)
        return x;
    return emit_resize(op, x, height, width);
}

fig_node fig_resize_nearest(fig_node x, int64_t height, int64_t width)
{
    return resize_or_same(&fig_op_resize_nearest, x, height, width);
}

fig_node fig_resize_bilinear(fig_node x, int64_t height, int64_t width)
{
    return resize_or_same(&fig_op_resize_bilinear, x, height, width);
}

static fig_node bad_block(fig_node x, int block, const char *op, const char *needs)
{
    char text[128];
    fig_type type = fig_type_of(x);
    fig__type_text(&type, text);
    return fig_graph_fail(x.graph, "%s: block %d of %s; needs (B, H, W, C) with %s", op, block, text, needs);
}

fig_node fig_space_to_depth(fig_node x, int block)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    fig_type t = fig_type_of(x);
    if (t.rank != 4 || block < 1 || t.dim[1] % block || t.dim[2] % block)
        return bad_block(x, block, "space_to_depth", "H and W divisible by the block");
    int64_t b = block, h = t.dim[1] / b, w = t.dim[2] / b;
    fig_node split = fig_reshape(x, FIG_SHAPE(t.dim[0], h, b, w, b, t.dim[3]));
    fig_node moved = fig_transpose(split, (int[]){ 0, 1, 3, 2, 4, 5 }); /* (B, h, w, b, b, C) */
    return fig_reshape(moved, FIG_SHAPE(t.dim[0], h, w, b * b * t.dim[3]));
}

fig_node fig_depth_to_space(fig_node x, int block)
{
    if (fig__any_poisoned(&x, 1))
        return x;
    fig_type t = fig_type_of(x);
    if (t.rank != 4 || block < 1 || t.dim[3] % ((int64_t)block * block))
        return bad_block(x, block, "depth_to_space", "C divisible by the block squared");
    int64_t b = block, c = t.dim[3] / (b * b);
    fig_node split = fig_reshape(x, FIG_SHAPE(t.dim[0], t.dim[1], t.dim[2], b, b, c));
    fig_node moved = fig_transpose(split, (int[]){ 0, 1, 3, 2, 4, 5 }); /* (B, H, b, W, b, c) */
    return fig_reshape(moved, FIG_SHAPE(t.dim[0], t.dim[1] * b, t.dim[2] * b, c));
}

const fig_op fig_op_resize_nearest = {
    .name = "resize_nearest",
    .operands = 1,
    .attr_size = sizeof(fig_resize_attr),
    .infer = resize_infer,
    .gradient = resize_nearest_rule,
    .reference = resize_nearest_reference,
    .print = resize_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

const fig_op fig_op_resize_nearest_gradient = {
    .name = "resize_nearest_gradient",
    .operands = 1,
    .attr_size = sizeof(fig_resize_attr),
    .infer = resize_infer,
    .gradient = resize_nearest_gradient_rule,
    .reference = resize_nearest_gradient_reference,
    .print = resize_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

const fig_op fig_op_resize_bilinear = {
    .name = "resize_bilinear",
    .operands = 1,
    .attr_size = sizeof(fig_resize_attr),
    .infer = resize_infer,
    .gradient = resize_bilinear_rule,
    .reference = resize_bilinear_reference,
    .print = resize_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};

const fig_op fig_op_resize_bilinear_gradient = {
    .name = "resize_bilinear_gradient",
    .operands = 1,
    .attr_size = sizeof(fig_resize_attr),
    .infer = resize_infer,
    .gradient = resize_bilinear_gradient_rule,
    .reference = resize_bilinear_gradient_reference,
    .print = resize_print,
    .narrow = { FIG_NARROW_FREE, 1 },
};
