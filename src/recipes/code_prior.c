/* recipes/code_prior.c - a PixelCNN over grids of codes; see code_prior.h */
#include "recipes/code_prior.h"

static fig__raster raster_of(const fig__code_prior *p)
{
    return (fig__raster){ .model = p->model, .g = fig_model_graph(p->model), .o = &p->o->raster, .batch = fig_model_batch(p->model),
                          .height = p->rows, .width = p->columns, .channels = p->o->raster.width, .classes = p->classes };
}

fig_status fig__code_prior_check(const fig__code_prior *p, fig_error *err)
{
    fig__raster r = raster_of(p);
    fig_status status = fig__raster_check(&r, err);
    if (status != FIG_OK)
        fig_error_prefix(err, "prior");
    return status;
}

/* index i32 (...) -> (..., width) */
static fig_node embedded(const fig__code_prior *p, fig_node index)
{
    return fig_embedding(index, p->codes, p->o->raster.width,
                         &(fig_embedding_opts){ .label = "embedding", .init = { FIG_INIT_NORMAL, .a = 1 } });
}

static fig_node logits_of(const fig__code_prior *p, const fig__raster *r) /* (B, H, W, codes) */
{
    fig_node h = fig__raster_stacks(r);
    fig_scope_push(r->g, "head");
    h = fig_relu(fig__raster_point(r, fig_relu(h), p->o->head, "hidden"));
    if (p->o->dropout > 0 && fig_is_training(r->g))
        h = fig_dropout(h, (float)p->o->dropout);
    h = fig__raster_point(r, h, p->codes, "out");
    fig_scope_pop(r->g);
    return h;
}

fig_node fig__code_prior_nll(const fig__code_prior *p, fig_node index, fig_node label)
{
    fig__raster r = raster_of(p);
    r.label = p->classes ? label : FIG_NONE;
    fig_scope_push(r.g, "prior");
    r.grid = embedded(p, index); /* (B, H, W, width) */
    fig_node logits = logits_of(p, &r);
    fig_scope_pop(r.g);
    return fig_sum_rows(fig_cross_entropy(logits, index));
}

fig_node fig__code_prior_step(const fig__code_prior *p, fig_node token, fig_node position, fig_node label)
{
    fig__raster r = raster_of(p);
    fig_node across = fig_constant_i32(r.g, (int32_t)r.width), before = fig_constant_i32(r.g, -1), first = fig_constant_i32(r.g, 0);
    fig_scope_push(r.g, "prior");
    r.label = p->classes ? label : FIG_NONE;
    r.row = fig_div(position, across);
    r.column = fig_mod(position, across);
    /* before the first code its own place is written, which no step reads until the code stands there */
    fig_node last = fig_max(fig_add(position, before), first);
    fig__raster_remember(&r, embedded(p, token), fig_mul(last, fig_constant_i32(r.g, (int32_t)r.channels)));
    fig_node logits = fig_reshape(logits_of(p, &r), FIG_SHAPE(r.batch, p->codes));
    fig_scope_pop(r.g);
    return logits;
}
