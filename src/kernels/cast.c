/* kernels/cast.c - changing the element type: straight loops (cast_fast.c), split over threads */
#include "kernels/cast.h"
#include "kernels/kernel.h"
#include "kernels/parallel.h"

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

const fig_kernel fig_kernel_cast = { .name = "cast", .op = "cast", .bf16 = true, .accepts = cast_accepts, .run = cast_run };
