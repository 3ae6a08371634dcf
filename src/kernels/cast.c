/* kernels/cast.c - changing the element type: straight loops (cast_fast.c), split over threads; int8 storage line by line */
#include "kernels/cast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "ops/int8.h"

static const struct {
    fig_dtype from, to;
    fig__cast *loop;
} casts[] = {
    { FIG_F32, FIG_BF16, fig__fast_f32_to_bf16 }, { FIG_BF16, FIG_F32, fig__fast_bf16_to_f32 },
    { FIG_F32, FIG_I32, fig__fast_f32_to_i32 },   { FIG_I32, FIG_F32, fig__fast_i32_to_f32 },
    { FIG_I32, FIG_BF16, fig__fast_i32_to_bf16 }, { FIG_BF16, FIG_I32, fig__fast_bf16_to_i32 },
};

static fig__cast *loop_of(fig_dtype from, fig_dtype to)
{
    for (size_t i = 0; i < sizeof casts / sizeof *casts; i++)
        if (casts[i].from == from && casts[i].to == to)
            return casts[i].loop;
    return NULL;
}

static bool cast_accepts(const fig_kernel_query *q) { return loop_of(q->in[0].dtype, q->out[0].dtype) != NULL; }

static void cast_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const fig_type *x = &c->in[0].type, *y = &c->out[0].type;
    int64_t begin, end;
    fig__share(fig_elements(x), 64, part, parts, &begin, &end);
    loop_of(x->dtype, y->dtype)((char *)c->out[0].data + (size_t)begin * fig__dtype_size(y->dtype),
                                (const char *)c->in[0].data + (size_t)begin * fig__dtype_size(x->dtype), end - begin);
}

static void cast_run(fig_eval *c)
{
    fig__parallel(fig__parts(fig_elements(&c->in[0].type), c->run->threads), cast_part, c);
}

static bool lines_accept(const fig_kernel_query *q) { return q->in[0].dtype == FIG_F32 && q->out[0].dtype == FIG_I8; }

static void lines_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const fig_type *type = &c->out[0].type;
    int64_t length = fig__int8_length(type), begin, end;
    float *scale = fig__int8_scales(type, c->out[0].data);
    fig__share(fig__int8_lines(type), 16, part, parts, &begin, &end);
    for (int64_t line = begin; line < end; line++) {
        const float *w = FIG_F32_IN(c, 0) + line * length;
        float inverse;
        scale[line] = fig__int8_scale(fig__fast_largest(w, length), &inverse);
        fig__fast_f32_to_int8((int8_t *)c->out[0].data + line * length, w, inverse, length);
    }
}

static void lines_run(fig_eval *c)
{
    fig__parallel(fig__parts(fig_elements(&c->in[0].type), c->run->threads), lines_part, c);
}

const fig_kernel fig_kernel_cast_lines = { .name = "cast_lines", .op = "cast", .int8 = true, .accepts = lines_accept, .run = lines_run };
const fig_kernel fig_kernel_cast = { .name = "cast", .op = "cast", .bf16 = true, .accepts = cast_accepts, .run = cast_run };
