/* test_dcgan.c - one step of listings A and G against an independent implementation, from the same weights
 *
 * Losses per example and gradients, to 1e-4 relative. make_dcgan.py wrote the expected numbers and explains them. */
#include "nn_rig.h"
#include <stdlib.h>

enum { B = 4 };

/* Number i of the formula with this key, in (-1, 1). */
static double formula(uint32_t i, uint32_t key)
{
    uint32_t h = i + key * 0x9E3779B9u;
    h = (h ^ (h >> 16)) * 0x85EBCA6Bu;
    h = (h ^ (h >> 13)) * 0xC2B2AE35u;
    h ^= h >> 16;
    return ((double)h + 0.5) / 2147483648.0 - 1.0;
}

static void fill(float *data, int64_t count, double centre, double scale, uint32_t key)
{
    for (int64_t i = 0; i < count; i++)
        data[i] = (float)(centre + scale * formula((uint32_t)i, key));
}

/* The model with every noise node replaced by an input "noise1", "noise2" ..., and the two phases' losses after that. */
static void feed_noise(fig_model *m, fig_node losses[2])
{
    fig_graph *g = m->graph;
    fig_node old[4], new[4];
    int count = 0;
    for (int32_t v = 1, end = g->n_values; v < end; v++) {
        if (fig__node_of(g, v)->op != &fig_op_normal)
            continue;
        char name[16];
        snprintf(name, sizeof name, "noise%d", count + 1);
        old[count] = (fig_node){ g, v };
        new[count++] = fig_input(g, name, g->values[v].type);
    }
    fig_node roots[2] = { m->phase[0].loss, m->phase[1].loss };
    fig_node *map = fig__substitute(g, old, new, count, roots, 2, g->arena);
    for (int i = 0; i < 2; i++)
        losses[i] = map[roots[i].id];
}

typedef struct expected {
    char kind[16], name[64];
    double v[7];
    int numbers;
} expected;

/* inputs: the key of the first noise; those of the second and of the pictures follow. */
static int read_expected(const char *file, expected *rows, int most, unsigned *inputs)
{
    char path[512], line[512];
    snprintf(path, sizeof path, "%s/golden/%s", getenv("FIGMENT_TESTS") ? getenv("FIGMENT_TESTS") : "tests", file);
    FILE *f = fopen(path, "r");
    int n = 0;
    while (f && n < most && fgets(line, sizeof line, f)) {
        expected *e = &rows[n];
        if (sscanf(line, "inputs %u", inputs) == 1)
            continue;
        e->numbers = sscanf(line, "%15s %63s %lf %lf %lf %lf %lf %lf %lf", e->kind, e->name, e->v, e->v + 1, e->v + 2,
                            e->v + 3, e->v + 4, e->v + 5, e->v + 6) -
                     2;
        n += e->numbers >= 4;
    }
    if (f)
        fclose(f);
    return n;
}

static void check_gradient(const expected *e, int index, const float *g)
{
    int64_t count = (int64_t)e->v[0];
    double norm = 0, dot = 0;
    for (int64_t i = 0; i < count; i++) {
        norm += (double)g[i] * (double)g[i];
        dot += (double)g[i] * formula((uint32_t)i, (uint32_t)(2000 + index));
    }
    norm = sqrt(norm);
    if (!(fabs(norm - e->v[1]) <= 1e-4 * e->v[1]) || !(fabs(dot - e->v[2]) <= 1e-4 * e->v[1]))
        TEST_FAIL("%s: gradient has norm %.9g and product %.9g, expected %.9g and %.9g", e->name, norm, dot, e->v[1],
                  e->v[2]);
    for (int i = 0; i < 4 && i < count; i++)
        CHECK_NEAR(g[i], e->v[3 + i], 1e-4 * (fabs(e->v[3 + i]) + e->v[1] / sqrt((double)count)));
}

static void one_step(const char *preset, const char *file, int side, int channels)
{
    const fig_recipe *recipe = fig_recipe_find("dcgan");
    fig_data_spec spec = {
        .kind = FIG_DATA_IMAGES, .height = side, .width = side, .channels = channels, .low = -1, .high = 1
    };
    nn_rig r = { 0 };
    void *options = calloc(1, recipe->options_size);
    fig_options_defaults(recipe->options, options);
    const fig_preset *p = recipe->presets;
    while (strcmp(p->name, preset))
        p++;
    char *copy = strdup(p->settings), *rest = copy, *word;
    while ((word = strsep(&rest, " "))) {
        char *value = strchr(word, '=');
        if (value && (*value = 0, fig_options_find(recipe->options, word)))
            CHECK_OK(fig_options_set(recipe->options, options, word, value + 1, &r.err), r.err);
    }
    free(copy);
    CHECK_OK(fig_options_set(recipe->options, options, "critic.dropout", "0", &r.err), r.err);

    fig_session_new(&(fig_session_opts){ .threads = 2 }, &r.session, &r.err);
    fig_store_new(r.session, &r.store, &r.err);
    REQUIRE_OK(fig__model_build(recipe, options, &spec, FIG_FOR_TRAINING, B, &r.model, &r.err), r.err);
    REQUIRE_OK(fig__model_initialise(r.model, r.store, 1, &r.err), r.err);
    fig_node losses[2], outputs[64];
    feed_noise(r.model, losses);
    int count = 0, weights[64];
    for (int phase = 0; phase < 2; phase++) {
        outputs[count++] = losses[phase];
        fig_node wrt[64];
        int n = 0;
        for (int i = 0, trained = 0; i < r.model->n_weights; i++) {
            if (!r.model->weights[i].trained)
                continue;
            if (fig__in_scopes(r.model->weights[i].name, r.model->phase[phase].trains)) {
                weights[count + n] = trained;
                wrt[n++] = r.model->weights[i].node;
            }
            trained++;
        }
        fig_gradients(fig_mean(losses[phase], NULL), wrt, n, outputs + count);
        count += n;
    }
    if (nn_compile(&r, outputs, count)) {
        for (int i = 0, trained = 0; i < r.model->n_weights; i++) {
            const fig__weight *w = &r.model->weights[i];
            bool gain = strstr(w->name, "gamma") != NULL;
            if (w->trained)
                fill(nn_state(&r, w->name), fig__count(&w->type), gain, gain ? 0.1 : 0.06, (uint32_t)++trained);
        }
        static expected rows[64];
        unsigned inputs = 0;
        int n = read_expected(file, rows, 64, &inputs);
        fill(nn_input(&r, "noise1"), B * 100, 0, 1.7, inputs);
        if (nn_input(&r, "noise2"))
            fill(nn_input(&r, "noise2"), B * 100, 0, 1.7, inputs + 1);
        fill(nn_input(&r, "image"), B * side * side * channels, 0, 1, inputs + 2);
        nn_run(&r, 0);
        CHECK_INT(n, count);
        for (int i = 0; i < n && i < count; i++) {
            const float *found = nn_output(&r, i);
            if (strcmp(rows[i].kind, "gradient") == 0)
                check_gradient(&rows[i], weights[i], found);
            else
                for (int b = 0; b < B; b++)
                    CHECK_NEAR(found[b], rows[i].v[b], 1e-4 * fabs(rows[i].v[b]));
        }
    }
    nn_end(&r);
    fig_options_free(recipe->options, options);
    free(options);
}

FIG_TEST(listing_a) { one_step("mnist-5x5", "dcgan_a.txt", 28, 1); }
FIG_TEST(listing_g) { one_step("folder-32", "dcgan_g.txt", 32, 3); }

FIG_TEST_MAIN
