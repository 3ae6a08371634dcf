/* recipes/augment.c - differentiable augmentation (Zhao et al. 2020, arXiv 2006.10738), each kind with a probability (Karras et al. 2020,
 * arXiv 2006.06676)
 *
 *     colour        brightness + U(-1/2, 1/2); distance from grey times U(0, 2); distance from the picture's mean times U(1/2, 3/2)
 *     translation   by up to an eighth of the side either way; 0 comes in
 *     cutout        a square of half the side becomes 0
 *     flip          left and right change places
 *
 * The critic sees nothing else, so that it cannot learn a small set by heart; since gradients pass, the generator learns what the
 * pictures are before the change. Every row draws for itself. */
#include "recipes/augment.h"
#include <string.h>

typedef struct draw {
    fig_graph *g;
    fig_type rows; /* (B, 1, 1, 1) */
    fig_node probability;
} draw;

static fig_node uniform(const draw *d, float low, float high)
{
    return fig_shift(fig_scale(fig_uniform(d->g, d->rows), high - low), low);
}

/* 1 where it happens to a row. */
static fig_node happens(const draw *d) { return fig_less(fig_uniform(d->g, d->rows), d->probability); }

/* U(low, high) where it happens, else `still`: (B, 1, 1, 1). */
static fig_node change(const draw *d, float low, float high, float still)
{
    fig_node does = happens(d);
    return fig_shift(fig_mul(does, fig_shift(uniform(d, low, high), -still)), still);
}

static fig_node colour(const draw *d, fig_node x)
{
    x = fig_add(x, change(d, -0.5f, 0.5f, 0));
    if (fig_dim(x, 3) > 1) {
        fig_node grey = fig_mean(x, &(fig_reduce_opts){ .axis = 3, .keep = true });
        x = fig_add(grey, fig_mul(fig_sub(x, grey), change(d, 0, 2, 1)));
    }
    fig_node mean = fig_mean(x, &(fig_reduce_opts){ .axes = 14, .keep = true });
    return fig_add(mean, fig_mul(fig_sub(x, mean), change(d, 0.5f, 1.5f, 1)));
}

/* A whole number per row in [-most, most], 0 where it does not happen: i32 (B). */
static fig_node steps(const draw *d, fig_node does, int64_t most)
{
    fig_node n = fig_shift(fig_floor(uniform(d, 0, (float)(2 * most + 1))), -(float)most);
    return fig_cast(fig_reshape(fig_mul(does, n), FIG_SHAPE(-1)), FIG_I32);
}

static fig_node translation(const draw *d, fig_node x)
{
    fig_node does = happens(d);
    for (int axis = 1; axis <= 2; axis++) {
        int64_t side = fig_dim(x, axis), most = (side + 7) / 8;
        fig_node start = fig_add(steps(d, does, most), fig_constant_i32(d->g, (int32_t)most));
        x = fig_dynamic_slice(fig_pad(x, axis, most, most, 0), start, axis, side);
    }
    return x;
}

/* 1 along one axis of the pictures where the square lies: (B, side, 1, 1) or (B, 1, side, 1). */
static fig_node strip(const draw *d, fig_node x, int axis)
{
    int64_t side = fig_dim(x, axis), length = (side + 1) / 2;
    fig_type line = FIG_SHAPE(1, 1, 1, 1);
    line.dim[axis] = side;
    fig_node place = fig_iota(d->g, line, axis);
    fig_node from = fig_shift(fig_floor(uniform(d, 0, (float)side + 1)), -(float)(length / 2)); /* of the square */
    return fig_mul(fig_greater_equal(place, from), fig_less(place, fig_shift(from, (float)length)));
}

static fig_node cutout(const draw *d, fig_node x)
{
    fig_node does = happens(d);
    fig_node square = fig_mul(fig_mul(strip(d, x, 1), strip(d, x, 2)), does); /* (B, H, W, 1) */
    return fig_mul(x, fig_shift(fig_neg(square), 1));
}

static fig_node flip(const draw *d, fig_node x)
{
    fig_node half = fig_less(fig_uniform(d->g, d->rows), fig_constant(d->g, 0.5f));
    return fig_select(fig_mul(happens(d), half), fig_reverse(x, 2), x);
}

static const struct {
    const char *name;
    unsigned kind;
    fig_node (*apply)(const draw *d, fig_node x);
} kinds_known[] = { { "flip", FIG__AUGMENT_FLIP, flip },
                    { "colour", FIG__AUGMENT_COLOUR, colour },
                    { "translation", FIG__AUGMENT_TRANSLATION, translation },
                    { "cutout", FIG__AUGMENT_CUTOUT, cutout } };
enum { KINDS = sizeof kinds_known / sizeof *kinds_known };

fig_node fig__augment(unsigned kinds, fig_node pictures, fig_node probability)
{
    fig_graph *g = pictures.graph;
    draw d = { g, FIG_SHAPE(fig_dim(pictures, 0), 1, 1, 1), fig_reshape(probability, FIG_SHAPE(1, 1, 1, 1)) };
    fig_scope_push(g, "augment");
    for (int i = 0; i < KINDS; i++)
        if (kinds & kinds_known[i].kind)
            pictures = kinds_known[i].apply(&d, pictures);
    fig_scope_pop(g);
    return pictures;
}

fig_status fig__read_augment(const char *text, unsigned *kinds, fig_error *err)
{
    *kinds = 0;
    if (!text || !*text || !strcmp(text, "none"))
        return FIG_OK;
    for (const char *at = text; at; at = strchr(at, ',') ? strchr(at, ',') + 1 : NULL) {
        size_t length = strcspn(at, ",");
        unsigned found = 0;
        for (int i = 0; i < KINDS; i++)
            if (strlen(kinds_known[i].name) == length && !strncmp(at, kinds_known[i].name, length))
                found = kinds_known[i].kind;
        if (!found)
            return fig_fail(err, FIG_E_USAGE, "augment: \"%.*s\" is unknown; expected some of colour, translation, cutout, flip with "
                                              "commas between, or none",
                            length > 40 ? 40 : (int)length, at);
        *kinds |= found;
    }
    return FIG_OK;
}
