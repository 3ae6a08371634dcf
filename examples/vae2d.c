/* vae2d.c - a variational autoencoder on points in the plane
 *
 *     vae2d [DATA [STEPS [FOLDER]]]        e.g. vae2d synthetic:moons 5000 run
 *
 * Loss per point: squared error / (2 sigma^2) + KL, both sums, never means over elements (which would make the KL term's weight depend
 * on how many numbers a point and a code have). */
#include <figment/figment.h>
#include <stdio.h>

enum { LATENT = 2, HIDDEN = 64 };
static const float sigma = 0.1f;

typedef struct code {
    fig_node mean, log_variance;
} code; /* (B, 2) each */

static code encode(fig_graph *g, fig_node x)
{
    fig_scope_push(g, "encoder");
    fig_node h = fig_relu(fig_linear(x, HIDDEN, NULL));
    code q = { .mean = fig_linear(h, LATENT, &(fig_linear_opts){ .label = "mean" }), .log_variance = FIG_NONE };
    q.log_variance = fig_linear(h, LATENT, &(fig_linear_opts){ .label = "log_variance" });
    fig_scope_pop(g);
    return q;
}

static fig_node decode(fig_graph *g, fig_node z)
{
    fig_scope_push(g, "decoder");
    fig_node y =
        fig_linear(fig_relu(fig_linear(z, HIDDEN, NULL)), 2, NULL); /* (B, 2): linear, points may lie anywhere */
    fig_scope_pop(g);
    return y;
}

static fig_status build(fig_model *m, const void *options, const fig_data_spec *data, fig_error *err)
{
    fig_graph *g = fig_model_graph(m);
    (void)options, (void)data;
    fig_node noise = fig_model_noise(m, LATENT);
    if (fig_model_purpose(m) == FIG_FOR_SAMPLING) {
        fig_model_sampler(m, &(fig_sampler_decl){ .name = "prior", .output = decode(g, noise) });
        return FIG_OK;
    }
    fig_node x = fig_model_input(m, "point"); /* (B, 2) */
    code q = encode(g, x);
    fig_node z = fig_add(q.mean, fig_mul(fig_exp(fig_scale(q.log_variance, 0.5f)), noise));
    fig_node error = fig_scale(fig_squared_error(x, decode(g, z)), 0.5f / (sigma * sigma)); /* (B) */
    fig_node kl = fig_kl_unit_gaussian(q.mean, q.log_variance);                             /* (B) */
    fig_node loss = fig_add(error, kl);
    if (fig_model_purpose(m) == FIG_FOR_EVALUATION) {
        fig_model_metric(m, &(fig_metric_decl){ .name = "elbo",
                                                .value = fig_neg(loss),
                                                .unit = "nats/item",
                                                .higher_is_better = true,
                                                .protocol = "gaussian without its constant,samples=1" });
        return FIG_OK;
    }
    FIG_TRY(fig_model_phase(m, &(fig_phase){ .name = "elbo", .loss = loss }, err));
    fig_model_log(m, "elbo", "kl", kl);
    return FIG_OK;
}

static fig_status request(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err)
{
    (void)options, (void)found, (void)err;
    request->kinds = FIG_DATA_POINTS;
    return FIG_OK;
}

static const fig_option no_options[] = { { 0 } };
static const fig_preset presets[] = {
    { "plane", "points in the plane", "batch=64 lr=1e-3 epochs=50 log_every=1epochs", FIG_DATA_POINTS },
    { 0 },
};
static const fig_recipe vae2d = {
    .name = "vae2d",
    .summary = "VAE on points",
    .data_kinds = FIG_DATA_POINTS,
    .options = no_options,
    .options_size = 1,
    .presets = presets,
    .request = request,
    .build = build,
    .networks = "encoder decoder",
    .log_line = "Epoch {epoch}: Loss = {loss.elbo:.4f}",
};

static void show(void *user, const fig_train_progress *progress)
{
    (void)user;
    if (progress->logged)
        puts(progress->log_line);
}

int main(int argc, char **argv)
{
    char steps[32];
    snprintf(steps, sizeof steps, "steps=%s", argc > 2 ? argv[2] : "5000");
    fig_train_opts opts = { .recipe = &vae2d,
                            .data = (const char *[]){ argc > 1 ? argv[1] : "synthetic:moons", NULL },
                            .output = argc > 3 ? argv[3] : "run",
                            .settings = (const char *[]){ steps, NULL } };
    fig_error err = { 0 };
    if (fig_train(NULL, &opts, show, NULL, &err) != FIG_OK)
        fprintf(stderr, "vae2d: %s\n", err.message);
    return fig_status_exit_code(err.status);
}
