/* recipes/denoiser.c - the network of flow matching and diffusion: bodies, classes, guidance
 *
 *     unet   pictures; the class is a vector added to what the time becomes, so that every block is told. With a stem, squares of
 *            pixels become channels first and pixels again last.
 *     dit    pictures; squares of pixels are tokens of a Transformer, and the class is added to the time in the same manner
 *     mlp    points: [point, sines of the time, class vector] -> hidden layers with silu -> point
 *
 * A class that is withheld, or not asked for, is a class of its own: the last row of the table of vectors. */
#include "recipes/denoiser.h"

enum { TIME_WIDTH = 64, CLASS_WIDTH = 32, TIME_SCALE = 1000 /* the sines of fig_time_embedding expect times up to about this */ };

static bool is_picture(const fig__denoiser *d) { return d->sample.rank == 4; }

void fig__denoiser_request(const fig__denoiser_options *o, const fig_data_info *found, fig_data_request *request)
{
    request->kinds = FIG_DATA_IMAGES | FIG_DATA_POINTS;
    request->low = -1;
    request->high = 1;
    request->standardise = request->any_range = true;
    if (found->kind == FIG_DATA_IMAGES)
        fig__ask_pictures(found, o->size, o->channels, request);
}

/* -- bodies ----------------------------------------------------------------------------------------------------------- */

/* A vector per row for its class, (rows, width); the last row of the table stands for none. */
static fig_node class_vector(const fig__denoiser *d, fig_node label, int64_t width)
{
    fig_node none = fig_constant_i32(label.graph, (int32_t)d->classes);
    fig_node row = fig_select(fig_less(label, fig_constant_i32(label.graph, 0)), none, label);
    return fig_embedding(row, d->classes + 1, width, &(fig_embedding_opts){ .label = "class" });
}

static fig_node through_unet(const fig__denoiser *d, fig_node x, fig_node time, fig_node label)
{
    const fig__denoiser_options *o = d->o;
    fig_unet_opts u = { .width = o->width, .blocks = (int)o->blocks, .heads = (int)o->heads, .dropout = (float)o->dropout,
                        .zero_out = true, .label = "unet" };
    int looks = 0, side = (int)(d->sample.dim[1] / o->stem);
    for (int i = 0; i < d->levels.count; i++, side = (side + 1) / 2) {
        u.multipliers[i] = (int)d->levels.width[i];
        if (side <= o->attention)
            u.attention[looks++] = side;
    }
    if (!looks)
        u.attention[0] = -1; /* in the middle alone */
    if (d->classes)
        u.condition = class_vector(d, label, 4 * o->width);
    x = o->stem > 1 ? fig_space_to_depth(x, (int)o->stem) : x;
    x = fig_unet(x, fig_scale(time, TIME_SCALE), &u);
    return o->stem > 1 ? fig_depth_to_space(x, (int)o->stem) : x;
}

static fig_node through_dit(const fig__denoiser *d, fig_node x, fig_node time, fig_node label)
{
    const fig__denoiser_options *o = d->o;
    fig_dit_opts t = { .width = o->width, .depth = (int)o->depth, .heads = (int)o->heads, .patch = (int)o->patch,
                       .dropout = (float)o->dropout, .label = "dit" };
    if (d->classes)
        t.condition = class_vector(d, label, o->width);
    return fig_dit(x, fig_scale(time, TIME_SCALE), &t);
}

static fig_node through_mlp(const fig__denoiser *d, fig_node x, fig_node time, fig_node label)
{
    fig_type type = fig_type_of(x);
    fig_node part[3] = { fig_flatten(x), fig_time_embedding(fig_scale(time, TIME_SCALE), TIME_WIDTH) };
    if (d->classes)
        part[2] = class_vector(d, label, CLASS_WIDTH);
    fig_node h = fig_concat(part, d->classes ? 3 : 2, 1);
    for (int i = 0; i < d->hidden.count; i++)
        h = fig_silu(fig_linear(h, d->hidden.width[i], NULL));
    return fig_reshape(fig_linear(h, fig_elements(&type) / type.dim[0], NULL), type);
}

/* -- reading options -------------------------------------------------------------------------------------------------- */

static fig_status check_dit(const fig__denoiser *d, fig_error *err)
{
    const fig__denoiser_options *o = d->o;
    if (o->width % 4 || o->width % o->heads)
        return fig_fail(err, FIG_E_USAGE, "width: %lld; a dit needs a multiple of 4 and of its %lld heads", (long long)o->width,
                        (long long)o->heads);
    if (d->sample.dim[1] % o->patch || d->sample.dim[2] % o->patch)
        return fig_fail(err, FIG_E_USAGE, "patch: squares of %lld pixels do not fill %lldx%lld pictures", (long long)o->patch,
                        (long long)d->sample.dim[1], (long long)d->sample.dim[2]);
    return FIG_OK;
}

static fig_status check_unet(const fig__denoiser *d, fig_error *err)
{
    const fig__denoiser_options *o = d->o;
    int64_t side = d->sample.dim[1], other = d->sample.dim[2];
    if (d->levels.count < 1 || d->levels.count > 8)
        return fig_fail(err, FIG_E_USAGE, "levels: a U-Net has 1 to 8, e.g. levels=1,2,2");
    for (int i = 0; i < d->levels.count; i++)
        if (d->levels.width[i] > 16 || d->levels.width[i] * o->width % o->heads)
            return fig_fail(err, FIG_E_USAGE, "levels: %lld times the width %lld; expected multiples up to 16 that %lld heads divide",
                            (long long)d->levels.width[i], (long long)o->width, (long long)o->heads);
    if (side % o->stem || other % o->stem)
        return fig_fail(err, FIG_E_USAGE, "stem: %lldx%lld pictures have no whole number of squares of %lld pixels",
                        (long long)side, (long long)other, (long long)o->stem);
    int64_t shorter = (side < other ? side : other) / o->stem;
    if (shorter >> (d->levels.count - 1) < 2)
        return fig_fail(err, FIG_E_USAGE, "levels: %d are too many for %lldx%lld places; leave some out or take stem=1", d->levels.count,
                        (long long)(side / o->stem), (long long)(other / o->stem));
    return FIG_OK;
}

fig_status fig__denoiser_open(fig__denoiser *d, fig_model *model, const fig__denoiser_options *o, const fig_data_spec *data,
                              fig_error *err)
{
    static fig_node (*const networks[])(const fig__denoiser *, fig_node, fig_node, fig_node) = { NULL, through_unet, through_mlp,
                                                                                                 through_dit };
    int64_t b = fig_model_batch(model);
    bool points = data->kind == FIG_DATA_POINTS;
    *d = (fig__denoiser){ .o = o, .model = model, .body = o->body, .low = -1, .high = 1 };
    if (data->offset && !points)
        fig_data_spec_range(data, &d->low, &d->high);
    d->sample = points ? FIG_SHAPE(b, data->dimensions) : FIG_SHAPE(b, data->height, data->width, data->channels);
    if (d->body == FIG__BODY_AUTO)
        d->body = points ? FIG__BODY_MLP : FIG__BODY_UNET;
    if (points && d->body != FIG__BODY_MLP)
        return fig_fail(err, FIG_E_USAGE, "body: points go through an mlp; leave body=auto");
    if (o->condition == FIG__CONDITION_CLASS && data->classes < 1)
        return fig_fail(err, FIG_E_USAGE, "condition: the data have no classes; set condition=none");
    if (o->condition == FIG__CONDITION_CLASS || (o->condition == FIG__CONDITION_AUTO && !points && data->classes > 1))
        d->classes = data->classes;
    FIG_TRY(fig__read_widths("levels", o->levels, &d->levels, err));
    FIG_TRY(fig__read_widths("hidden", o->hidden, &d->hidden, err));
    if (d->body == FIG__BODY_UNET)
        FIG_TRY(check_unet(d, err));
    if (d->body == FIG__BODY_DIT)
        FIG_TRY(check_dit(d, err));
    d->network = networks[d->body];
    fig__set_init(model, o->init);
    if (fig_model_purpose(model) != FIG_FOR_SAMPLING)
        return FIG_OK;
    d->start = fig_normal(fig_model_graph(model), d->sample);
    if (d->classes)
        d->asked = fig_input(fig_model_graph(model), "label", (fig_type){ .dtype = FIG_I32, .rank = 1, .dim = { b } });
    return FIG_OK;
}

void fig__denoiser_advise(const fig__denoiser_options *o, const fig_data_spec *data, fig__text *out)
{
    if (o->guidance != 1 && o->label_dropout <= 0 && o->condition != FIG__CONDITION_NONE)
        fig__text_print(out, "guidance %g compares with what the network does without a class, but it never learns that with "
                             "label_dropout 0; set label_dropout=0.1\n", o->guidance);
    if (o->guidance != 1 && (o->condition == FIG__CONDITION_NONE || (data && data->classes < 2)))
        fig__text_print(out, "guidance %g does nothing here: the network is told no class\n", o->guidance);
}

/* -- inputs ----------------------------------------------------------------------------------------------------------- */

fig_node fig__denoiser_examples(const fig__denoiser *d)
{
    return fig_model_input(d->model, is_picture(d) ? "image" : "point");
}

fig_node fig__denoiser_labels(const fig__denoiser *d)
{
    if (!d->classes)
        return FIG_NONE;
    fig_graph *g = fig_model_graph(d->model);
    fig_node label = fig_model_input(d->model, "label"); /* (B) */
    if (d->o->label_dropout <= 0)
        return label;
    fig_node withheld = fig_bernoulli(fig_full(g, FIG_SHAPE(d->sample.dim[0]), (float)d->o->label_dropout));
    return fig_select(withheld, fig_constant_i32(g, -1), label);
}

fig_node fig__per_sample(const fig__denoiser *d, fig_node numbers)
{
    return fig_reshape(numbers, is_picture(d) ? FIG_SHAPE(-1, 1, 1, 1) : FIG_SHAPE(-1, 1));
}

fig_node fig__row_uniform(const fig__denoiser *d, bool stratified)
{
    fig_graph *g = fig_model_graph(d->model);
    fig_type rows = FIG_SHAPE(d->sample.dim[0]);
    fig_node u = fig_uniform(g, rows);
    return stratified ? fig_scale(fig_add(fig_iota(g, rows, 0), u), 1.0f / (float)rows.dim[0]) : u;
}

/* state: 1 for noises that are taken (B); x: distances of one row to all of them (B); y: the one that it takes. */
static void take_nearest(fig_scan_body *b)
{
    fig_node taken = b->state[0];
    fig_node chosen = fig_argmax(fig_neg(fig_add(b->x[0], fig_scale(taken, 1e30f))), 0);
    b->new_state[0] = fig_max(taken, fig_one_hot(chosen, fig_dim(taken, 0)));
    b->y[0] = chosen;
}

fig_node fig__nearest_noise(fig_node x, fig_node noise)
{
    fig_node flat = fig_flatten(noise), last, order;
    /* |x - n|^2 less |x|^2, which is the same for all noises */
    fig_node products = fig_matmul(fig_flatten(x), flat, &(fig_matmul_opts){ .transpose_b = true }); /* (B, B) */
    fig_node distance = fig_sub(fig_reshape(fig_sum_rows(fig_square(flat)), FIG_SHAPE(1, -1)), fig_scale(products, 2));
    fig_node none = fig_full(x.graph, FIG_SHAPE(fig_dim(x, 0)), 0);
    distance = fig_stop_gradient(distance);
    fig_scan(x.graph, take_nearest, &(fig_scan_opts){ .state = &none, .states = 1, .x = &distance, .xs = 1, .ys = 1 }, &last, &order);
    return fig_gather(noise, order);
}

fig_node fig__row_mean(fig_node x)
{
    fig_type type = fig_type_of(x);
    return fig_scale(fig_sum_rows(x), (float)type.dim[0] / (float)fig_elements(&type));
}

/* -- the guess -------------------------------------------------------------------------------------------------------- */

fig_node fig__denoise(const fig__denoiser *d, fig_node x, fig_node time, fig_node label)
{
    fig_scope_push(x.graph, "denoiser");
    fig_node y = d->network(d, x, time, label);
    fig_scope_pop(x.graph);
    return y;
}

fig_node fig__denoise_guided(const fig__denoiser *d, fig_node x, fig_node time, fig_node label)
{
    float guidance = (float)d->o->guidance;
    if (!d->classes || guidance == 1.0f)
        return fig__denoise(d, x, time, label);
    int64_t rows = fig_dim(x, 0);
    fig_node none = fig_sub(fig_mul(label, fig_constant_i32(x.graph, 0)), fig_constant_i32(x.graph, 1)); /* -1 for every row */
    fig_node both = fig__denoise(d, fig_concat((fig_node[]){ x, x }, 2, 0), fig_concat((fig_node[]){ time, time }, 2, 0),
                                 fig_concat((fig_node[]){ label, none }, 2, 0)); /* (2B, ...) */
    fig_node with = fig_slice(both, 0, 0, rows, 1), without = fig_slice(both, 0, rows, rows, 1);
    return fig_add(without, fig_scale(fig_sub(with, without), guidance));
}

/* -- samplers --------------------------------------------------------------------------------------------------------- */

static fig_node sample_state(const fig__denoiser *d, const char *sampler)
{
    fig_graph *g = fig_model_graph(d->model);
    fig_scope_push(g, sampler);
    fig_node x = fig_model_state(d->model, &(fig_state_decl){ .name = "sample", .type = d->sample, .reset = FIG_RESET_SEQUENCE });
    fig_scope_pop(g);
    return x;
}

fig_node fig__carried(const fig__denoiser *d, const char *sampler)
{
    return fig_select(fig_scalar(fig_model_graph(d->model), "first", 0), d->start, sample_state(d, sampler));
}

void fig__carry_on(const fig__denoiser *d, fig_node next, fig_sampler_decl *sampler)
{
    fig_assign(sample_state(d, sampler->name), next);
    sampler->loop = FIG_LOOP_SCHEDULE;
    sampler->output = is_picture(d) ? fig_clamp(next, d->low, d->high) : next;
    sampler->label = d->asked;
    sampler->unlabelled = d->o->label_dropout > 0;
    fig_model_sampler(d->model, sampler);
}
