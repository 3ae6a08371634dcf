/* test_gan_augment.c - differentiable augmentation: what each kind does to a picture, how often, and that gradients pass it */
#include "nn_rig.h"
#include "recipes/augment.h"

enum { B = 64, SIDE = 8, C = 3, PIXELS = SIDE * SIDE * C };

typedef struct trial {
    unsigned kinds;
    float probability;
    fig_node out[2];
} trial;

static fig_status build(fig_model *m, void *user, fig_error *err)
{
    trial *t = user;
    (void)err;
    fig_graph *g = fig_model_graph(m);
    fig_node x = fig_input(g, "x", FIG_SHAPE(B, SIDE, SIDE, C));
    t->out[0] = fig__augment(t->kinds, x, fig_full(g, FIG_SHAPE(1), t->probability));
    fig_gradients(fig_sum(fig_square(t->out[0]), NULL), &x, 1, &t->out[1]);
    return FIG_OK;
}

static float pixel(int b, int y, int x, int c) { return 0.2f + 0.01f * (float)((b * 7 + y * 13 + x * 5 + c * 3) % 61); }
static float at(const float *p, int y, int x, int c) { return p[(y * SIDE + x) * C + c]; }

static bool is_same(const float *a, const float *b)
{
    for (int i = 0; i < PIXELS; i++)
        if (fabsf(a[i] - b[i]) > 1e-6f)
            return false;
    return true;
}

static bool is_mirror(const float *a, const float *b)
{
    for (int y = 0; y < SIDE; y++)
        for (int x = 0; x < SIDE; x++)
            for (int c = 0; c < C; c++)
                if (at(a, y, x, c) != at(b, y, SIDE - 1 - x, c))
                    return false;
    return true;
}

/* a is b moved by at most 1 either way, with zeros coming in. */
static bool is_moved(const float *a, const float *b)
{
    for (int dy = -1; dy <= 1; dy++)
        for (int dx = -1; dx <= 1; dx++) {
            bool same = true;
            for (int i = 0; i < PIXELS && same; i++) {
                int y = i / C / SIDE + dy, x = i / C % SIDE + dx;
                bool inside = y >= 0 && y < SIDE && x >= 0 && x < SIDE;
                same = a[i] == (inside ? at(b, y, x, i % C) : 0);
            }
            if (same)
                return true;
        }
    return false;
}

/* a is b but for a block of zeros of at most half the side each way. */
static bool is_cut(const float *a, const float *b)
{
    int zeros = 0;
    for (int i = 0; i < PIXELS; i++) {
        if (a[i] != 0 && a[i] != b[i])
            return false;
        zeros += a[i] == 0;
    }
    return zeros <= SIDE * SIDE / 4 * C;
}

/* All channels of a are moved and scaled alike, about as far as colour may. */
static bool is_coloured(const float *a, const float *b)
{
    for (int i = 0; i < PIXELS; i++)
        if (!(fabsf(a[i]) < 4) || fabsf(a[i] - b[i]) > 3)
            return false;
    return true;
}

static int changed_rows(unsigned kinds, float probability, bool (*fits)(const float *, const float *))
{
    trial t = { .kinds = kinds, .probability = probability };
    nn_network network = { build, &t };
    nn_rig r;
    int changed = 0;
    if (!nn_begin(&r, &network, FIG_FOR_EVALUATION, B) || !nn_compile(&r, t.out, 2)) {
        TEST_FAIL("kinds %u: %s", kinds, r.err.message);
        return 0;
    }
    float *x = nn_input(&r, "x");
    for (int b = 0; b < B; b++)
        for (int i = 0; i < PIXELS; i++)
            x[b * PIXELS + i] = pixel(b, i / C / SIDE, i / C % SIDE, i % C);
    nn_run(&r, 0);
    for (int b = 0; b < B; b++) {
        const float *before = x + b * PIXELS, *after = nn_output(&r, 0) + b * PIXELS, *slope = nn_output(&r, 1) + b * PIXELS;
        bool same = is_same(after, before);
        changed += !same;
        if (!same && !fits(after, before))
            TEST_FAIL("kinds %u: row %d is not what it may become", kinds, b);
        double norm = 0;
        for (int i = 0; i < PIXELS; i++) {
            norm += (double)slope[i] * (double)slope[i];
            if (same)
                CHECK_NEAR(slope[i], 2 * before[i], 1e-4);
        }
        CHECK(norm > 0);
    }
    nn_end(&r);
    return changed;
}

static const struct {
    unsigned kind;
    bool (*fits)(const float *, const float *);
    double share; /* of the rows to which it happens that look different then */
} kinds[] = { { FIG__AUGMENT_FLIP, is_mirror, 0.5 },
              { FIG__AUGMENT_TRANSLATION, is_moved, 8.0 / 9 },
              { FIG__AUGMENT_CUTOUT, is_cut, 1 },
              { FIG__AUGMENT_COLOUR, is_coloured, 1 } };

FIG_TEST(each_kind_does_what_it_says)
{
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        CHECK_INT(changed_rows(kinds[i].kind, 0, kinds[i].fits), 0);
        double always = changed_rows(kinds[i].kind, 1, kinds[i].fits);
        CHECK(fabs(always - B * kinds[i].share) <= 4 * sqrt(B * kinds[i].share * (1 - kinds[i].share)) + 1e-9);
        if (kinds[i].kind == FIG__AUGMENT_COLOUR) /* three draws, any of which shows */
            continue;
        double p = 0.3 * kinds[i].share, some = changed_rows(kinds[i].kind, 0.3f, kinds[i].fits);
        CHECK(fabs(some - B * p) <= 4 * sqrt(B * p * (1 - p)));
    }
}

FIG_TEST(names_are_read)
{
    unsigned found;
    fig_error err = { 0 };
    CHECK_OK(fig__read_augment("cutout,flip", &found, &err), err);
    CHECK_INT(found, FIG__AUGMENT_CUTOUT | FIG__AUGMENT_FLIP);
    CHECK_OK(fig__read_augment("none", &found, &err), err);
    CHECK_INT(found, 0);
    CHECK_FAILS(fig__read_augment("cutout,,flip", &found, &err), err, FIG_E_USAGE, "augment");
}

FIG_TEST_MAIN
