/* test_networks.c - the U-Net, the diffusion Transformer, the ResNet generator and the patch critic against an independent implementation
 *
 * networks.inc holds outputs, and of every weight's gradient a projection and the norm; make_networks.py made it and says how. Errors are
 * measured against the largest value of the output, or the norm of all gradients: single precision goes through some thirty layers. */
#include "hashed.h"
#include "nn_rig.h"
#include <math.h>

typedef struct gradient {
    const char *name;
    double inner, norm;
} gradient;
#include "networks.inc"

typedef struct network_case {
    const char *name;
    fig_node (*build)(fig_graph *g, fig_node x);
    fig_type x;
    const float *y;
    size_t count;
    const gradient *d;
} network_case;

static fig_node build_unet(fig_graph *g, fig_node x)
{
    fig_node time = fig_constant_data(g, FIG_SHAPE(2), (float[]){ 3, 711 });
    return fig_unet(
        x, time,
        &(fig_unet_opts){ .width = 8, .multipliers = { 1, 2 }, .blocks = 1, .attention = { 4 }, .label = "net" });
}
static fig_node build_unet_odd(fig_graph *g, fig_node x)
{
    fig_node time = fig_constant_data(g, FIG_SHAPE(1), (float[]){ 40 });
    return fig_unet(
        x, time,
        &(fig_unet_opts){ .width = 6, .multipliers = { 1, 3, 2 }, .attention = { 6 }, .heads = 2, .label = "net" });
}
static fig_node told(fig_graph *g, int64_t width) /* (2, width) */
{
    float values[64];
    for (uint32_t i = 0; i < 2 * width; i++)
        values[i] = (float)hashed_number(4, i);
    return fig_constant_data(g, FIG_SHAPE(2, width), values);
}
static fig_node build_unet_told(fig_graph *g, fig_node x)
{
    fig_node time = fig_constant_data(g, FIG_SHAPE(2), (float[]){ 0, 500 });
    return fig_unet(x, time, &(fig_unet_opts){ .width = 4, .multipliers = { 1, 2 }, .blocks = 1, .attention = { -1 }, .zero_out = true,
                                               .condition = told(g, 16), .label = "net" });
}
static fig_node build_dit(fig_graph *g, fig_node x)
{
    fig_node time = fig_constant_data(g, FIG_SHAPE(2), (float[]){ 3, 711 });
    return fig_dit(x, time, &(fig_dit_opts){ .width = 8, .depth = 2, .heads = 2, .patch = 2, .condition = told(g, 8), .label = "net" });
}
static fig_node build_resnet(fig_graph *g, fig_node x)
{
    (void)g;
    return fig_resnet_generator(x, &(fig_resnet_generator_opts){ .width = 4, .blocks = 2, .label = "net" });
}
static fig_node build_critic(fig_graph *g, fig_node x)
{
    (void)g;
    return fig_patch_critic(x, &(fig_patch_critic_opts){ .width = 4, .label = "net" });
}

#define CASE(NAME, ...)                                                                                   \
    {                                                                                                     \
#NAME, build_##NAME,                                                                              \
            { .rank = 4, .dim = { __VA_ARGS__ } }, NAME##_y, sizeof NAME##_y / sizeof *NAME##_y, NAME##_d \
    }
static const network_case cases[] = {
    CASE(unet, 2, 8, 8, 3),
    CASE(unet_odd, 1, 6, 10, 2),
    CASE(unet_told, 2, 4, 4, 2),
    CASE(dit, 2, 4, 6, 3),
    CASE(resnet, 2, 8, 12, 3),
    CASE(critic, 1, 32, 40, 3),
};

/* Output, then the gradients of sum(output * u) in the order of the expected rows. */
enum { MOST_ROWS = 256 };
typedef struct building {
    const network_case *c;
    fig_node output[1 + MOST_ROWS];
    int rows;
} building;

static fig_node weight_named(const fig_model *m, const char *name)
{
    for (int i = 0; i < m->n_weights; i++)
        if (!strcmp(m->weights[i].name, name))
            return m->weights[i].node;
    return FIG_NONE;
}

static fig_status build(fig_model *m, void *user, fig_error *err)
{
    building *b = user;
    fig_graph *g = fig_model_graph(m);
    fig_node x = fig_input(g, "x", b->c->x), wrt[MOST_ROWS];
    b->output[0] = b->c->build(g, x);
    b->rows = 0;
    for (const gradient *d = b->c->d; d->name; d++) {
        wrt[b->rows] = strcmp(d->name, "x") ? weight_named(m, d->name) : x;
        if (fig_is_none(wrt[b->rows++]))
            return fig_fail(err, FIG_E_NOT_FOUND, "no weight %s", d->name);
    }
    if (b->rows != m->n_weights + 1)
        return fig_fail(err, FIG_E_FAILED, "%d weights, expected %d", m->n_weights, b->rows - 1);
    fig_gradients_from(b->output[0], fig_input(g, "u", fig_type_of(b->output[0])), wrt, b->rows, b->output + 1);
    return fig_graph_check(g, err);
}

static void fill_weights(nn_rig *r)
{
    for (int i = 0; i < r->model->n_weights; i++) {
        const fig__weight *w = &r->model->weights[i];
        float *data = nn_state(r, w->name);
        uint32_t seed = hashed_seed(w->name);
        int64_t inner = w->type.rank > 1 ? fig_elements(&w->type) / w->type.dim[0] : 1;
        bool gamma = strstr(w->name, "gamma") != NULL;
        for (int64_t k = 0; k < fig_elements(&w->type); k++) {
            double v = hashed_number(seed, (uint32_t)k);
            data[k] = (float)(w->type.rank > 1 ? v * sqrt(3.0 / (double)inner) : gamma ? 1 + v / 4 : v / 8);
        }
    }
}

static void compare(nn_rig *r, const building *b)
{
    const network_case *c = b->c;
    double largest = 0, all = 0, worst = 0;
    fig_type type;
    const float *y = fig_plan_output(r->plan, 0, &type);
    CHECK_INT(fig_elements(&type), c->count);
    for (size_t i = 0; i < c->count; i++)
        largest = fmax(largest, fabs((double)c->y[i]));
    for (size_t i = 0; i < c->count; i++)
        worst = fmax(worst, fabs((double)y[i] - (double)c->y[i]));
    CHECK_NEAR(worst / largest, 0, 2e-5);
    for (int i = 0; i < b->rows; i++)
        all += c->d[i].norm * c->d[i].norm;
    for (int i = 0; i < b->rows; i++) {
        const float *d = fig_plan_output(r->plan, 1 + i, &type);
        double inner = 0, norm = 0;
        for (int64_t k = 0; k < fig_elements(&type); k++) {
            inner += (double)d[k] * hashed_number(3, (uint32_t)k);
            norm += (double)d[k] * (double)d[k];
        }
        double gap = fmax(fabs(inner - c->d[i].inner), fabs(sqrt(norm) - c->d[i].norm)) / sqrt(all);
        if (!(gap < 5e-5))
            TEST_FAIL("%s: gradient of %s: %g and norm %g, expected %g and %g", c->name, c->d[i].name, inner,
                      sqrt(norm), c->d[i].inner, c->d[i].norm);
    }
}

FIG_TEST(networks_agree)
{
    for (size_t i = 0; i < sizeof cases / sizeof *cases; i++) {
        building b = { .c = &cases[i] };
        nn_network network = { build, &b };
        nn_rig r;
        if (!nn_begin(&r, &network, FIG_FOR_EVALUATION, cases[i].x.dim[0])) {
            TEST_FAIL("%s: %s", cases[i].name, r.err.message);
            continue;
        }
        if (nn_compile(&r, b.output, 1 + b.rows)) {
            fill_weights(&r);
            float *x = nn_input(&r, "x"), *u = nn_input(&r, "u");
            for (int64_t k = 0; k < fig_elements(&cases[i].x); k++)
                x[k] = (float)hashed_number(1, (uint32_t)k);
            for (size_t k = 0; k < cases[i].count; k++)
                u[k] = (float)hashed_number(2, (uint32_t)k);
            nn_run(&r, 0);
            compare(&r, &b);
        }
        nn_end(&r);
    }
}

FIG_TEST(wrong_shapes_are_named)
{
    fig_error err = { 0 };
    fig_graph *g = fig_graph_new();
    fig_resnet_generator(fig_input(g, "x", FIG_SHAPE(1, 10, 12, 3)), NULL);
    CHECK(fig_graph_check(g, &err) != FIG_OK);
    CHECK_HAS(err.message, "multiples of 4");
    fig_graph_free(g);
    err = (fig_error){ 0 };
    g = fig_graph_new();
    fig_unet(fig_input(g, "x", FIG_SHAPE(2, 8, 8, 3)), fig_input(g, "t", FIG_SHAPE(3)), NULL);
    CHECK(fig_graph_check(g, &err) != FIG_OK);
    CHECK_HAS(err.message, "a time per row");
    fig_graph_free(g);
    err = (fig_error){ 0 };
    g = fig_graph_new();
    fig_unet(fig_input(g, "x", FIG_SHAPE(2, 8, 8, 3)), fig_input(g, "t", FIG_SHAPE(2)),
             &(fig_unet_opts){ .width = 8, .condition = fig_input(g, "c", FIG_SHAPE(2, 8)) });
    CHECK(fig_graph_check(g, &err) != FIG_OK);
    CHECK_HAS(err.message, "32 numbers a row");
    fig_graph_free(g);
    err = (fig_error){ 0 };
    g = fig_graph_new();
    fig_dit(fig_input(g, "x", FIG_SHAPE(2, 9, 8, 3)), fig_input(g, "t", FIG_SHAPE(2)), NULL);
    CHECK(fig_graph_check(g, &err) != FIG_OK);
    CHECK_HAS(err.message, "patches of 2");
    fig_graph_free(g);
}

FIG_TEST_MAIN
