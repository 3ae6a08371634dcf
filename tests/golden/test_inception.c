/* test_inception.c - the network of Frechet distances against an independent implementation
 *
 * inception.inc holds names, shapes and features of a network a sixteenth as wide, which make_inception.py made. The network in full is
 * checked by what is known of it: its number of weights, the shape of its features. */
#include "eval/inception.h"
#include "interop/safetensors.h"
#include "hashed.h"
#include "test.h"
#include <math.h>
#include <sys/stat.h>
#include <unistd.h>

#include "inception.inc"

enum { NARROW = 16, UNITS = sizeof inception_units / sizeof *inception_units, PARTS = 5 };

static const char *const parts[PARTS] = { "conv.weight", "bn.weight", "bn.bias", "bn.running_mean", "bn.running_var" };

static double value_of(int part, double u, int64_t fan_in)
{
    return part == 0 ? u * sqrt(6 / (double)fan_in) : part == 1 ? 1 + u / 4 : part == 4 ? 1 + u / 2 : u / 8;
}

/* A file as pytorch-fid's would be, `wider` times as wide as the narrow network; `leave_out` is not in it, `spoil` has a number that is
 * none. */
static void write_weights(const char *path, int wider, const char *leave_out, const char *spoil)
{
    static fig__safetensors_entry entries[UNITS * PARTS + 1];
    size_t count = 0;
    fig__arena *arena = fig__arena_new();
    for (size_t i = 0; i < UNITS; i++)
        for (int p = 0; p < PARTS; p++) {
            const int *s = inception_units[i].shape;
            int out = s[0] * wider, in = i ? s[1] * wider : 3; /* the first sees the picture */
            fig_type type = p ? FIG_SHAPE(out) : FIG_SHAPE(out, in, s[2], s[3]);
            char *name = fig__arena_format(arena, "%s.%s", inception_units[i].name, parts[p]);
            float *data = FIG_NEW_ARRAY(arena, float, fig_elements(&type));
            for (int64_t k = 0; k < fig_elements(&type); k++)
                data[k] = (float)value_of(p, hashed_number(hashed_seed(name), (uint32_t)k), (int64_t)in * s[2] * s[3]);
            if (spoil && !strcmp(name, spoil))
                data[0] = NAN;
            if (!leave_out || strcmp(name, leave_out))
                entries[count++] = (fig__safetensors_entry){ .name = name, .type = type, .data = data,
                                                             .bytes = sizeof *data * (uint64_t)fig_elements(&type) };
        }
    static const float classifier[2] = { 1, 2 }; /* files hold more than the features need */
    entries[count++] = (fig__safetensors_entry){ .name = "fc.bias", .type = FIG_SHAPE(2), .data = classifier, .bytes = sizeof classifier };
    fig_error err = { 0 };
    CHECK_OK(fig__safetensors_write(path, entries, count, NULL, 0, &err), err);
    fig__arena_free(arena);
}

static const char *weights_path(void)
{
    static char path[64];
    snprintf(path, sizeof path, "%s/figment-inception-%ld", P_tmpdir, (long)getpid());
    return path;
}

static void check_features(int rows, int height, int width, int channels, uint32_t seed, const float *expected)
{
    fig_error err = { 0 };
    fig_session *session = NULL;
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    fig__inception_net net = { .narrow = NARROW };
    char hash[65];
    fig_graph *graph = fig_graph_new();
    fig_type type = FIG_SHAPE(rows, height, width, channels);
    fig__inception_build(&net, fig_input(graph, "image", type));
    if (fig_graph_check(graph, &err) != FIG_OK) { TEST_FAIL("%s", err.message); return; }
    CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, &err), err);
    CHECK_OK(fig_store_new(session, &store, &err), err);
    CHECK_OK(fig__inception_load(&net, weights_path(), store, hash, &err), err);
    CHECK_INT(strlen(hash), 64);
    CHECK_OK(fig_plan_compile(graph, store, &(fig_plan_opts){ .outputs = &net.output, .n_outputs = 1 }, &plan, &err), err);
    float *x = fig_plan_input(plan, "image", NULL);
    for (int64_t i = 0; i < fig_elements(&type); i++)
        x[i] = (float)((hashed_number(seed, (uint32_t)i) + 1) / 2);
    CHECK_OK(fig_plan_run(plan, NULL, &err), err);
    const float *y = fig_plan_output(plan, 0, &type);
    CHECK(type.rank == 2 && type.dim[0] == rows && type.dim[1] == FIG__INCEPTION_WIDTH / NARROW);
    double worst = 0, most = 0;
    for (int64_t i = 0; i < fig_elements(&type); i++) {
        worst = fmax(worst, fabs((double)y[i] - (double)expected[i]));
        most = fmax(most, fabs((double)expected[i]));
    }
    CHECK(most > 0.1);
    if (!(worst <= 2e-5 * most))
        TEST_FAIL("%d x %d x %d: off by %g of %g", height, width, channels, worst, most);
    fig_plan_free(plan);
    fig_store_free(store);
    fig_session_free(session);
    fig_graph_free(graph);
}

FIG_TEST(features_of_a_narrow_network)
{
    write_weights(weights_path(), 1, NULL, NULL);
    check_features(2, 32, 40, 3, 11, inception_colour);
    check_features(2, 28, 28, 1, 12, inception_grey);
    check_features(1, 320, 350, 3, 13, inception_large);
    unlink(weights_path());
}

FIG_TEST(the_network_in_full)
{
    fig__inception_net net = { .narrow = 1 };
    fig_error err = { 0 };
    fig_graph *graph = fig_graph_new();
    fig__inception_build(&net, fig_input(graph, "image", FIG_SHAPE(1, 64, 64, 3)));
    CHECK_OK(fig_graph_check(graph, &err), err);
    CHECK(fig_dim(net.output, 0) == 1 && fig_dim(net.output, 1) == FIG__INCEPTION_WIDTH);
    CHECK_INT(net.units, FIG__INCEPTION_UNITS);
    CHECK_INT(net.units, UNITS);
    int64_t weights = 0;
    for (int i = 0; i < net.units; i++) {
        const int64_t *dim = net.unit[i].weight.dim;
        weights += fig_elements(&net.unit[i].weight) + 2 * dim[0]; /* with the gain and shift of batch norm */
        size_t k = 0;
        while (k < UNITS && strcmp(inception_units[k].name, net.unit[i].name))
            k++;
        REQUIRE(k < UNITS);
        const int *s = inception_units[k].shape;
        bool first = !strcmp(net.unit[i].name, "Conv2d_1a_3x3");
        CHECK(dim[0] == s[0] * NARROW && dim[1] == s[2] && dim[2] == s[3] && dim[3] == (first ? 3 : s[1] * NARROW));
    }
    CHECK_INT(weights, 21785568); /* as torchvision counts, without classifiers */
    fig_graph_free(graph);
}

FIG_TEST(other_files_are_refused)
{
    fig_error err = { 0 };
    fig_session *session = NULL;
    fig_store *store = NULL;
    fig__inception_net net = { .narrow = NARROW }, wide = { .narrow = 1 };
    char hash[65];
    fig_graph *graph = fig_graph_new();
    fig__inception_build(&net, fig_input(graph, "image", FIG_SHAPE(1, 8, 8, 3)));
    fig__inception_build(&wide, fig_input(graph, "image", FIG_SHAPE(1, 8, 8, 3)));
    CHECK_OK(fig_session_new(&(fig_session_opts){ .threads = 1 }, &session, &err), err);
    CHECK_OK(fig_store_new(session, &store, &err), err);
    write_weights(weights_path(), 1, "Mixed_6e.branch7x7_2.bn.bias", NULL);
    CHECK_FAILS(fig__inception_load(&net, weights_path(), store, hash, &err), err, FIG_E_FORMAT, "Mixed_6e.branch7x7_2.bn.bias");
    write_weights(weights_path(), 1, NULL, "Mixed_7c.branch_pool.bn.running_var");
    CHECK_FAILS(fig__inception_load(&net, weights_path(), store, hash, &err), err, FIG_E_FORMAT, "Mixed_7c.branch_pool");
    write_weights(weights_path(), 1, NULL, NULL);
    fig_store_free(store);
    CHECK_OK(fig_store_new(session, &store, &err), err);
    CHECK_FAILS(fig__inception_load(&wide, weights_path(), store, hash, &err), err, FIG_E_FORMAT, "Conv2d_1a_3x3.conv.weight");
    unlink(weights_path());
    CHECK_FAILS(fig__inception_load(&net, weights_path(), store, hash, &err), err, FIG_E_NOT_FOUND, "figment-inception");
    fig_store_free(store);
    fig_session_free(session);
    fig_graph_free(graph);
}

/* What the command prints, which must end well. */
static void run_command(char *out, size_t size, const char *arguments)
{
    char command[2000];
    const char *build = getenv("FIGMENT_BUILD");
    snprintf(command, sizeof command, "cd '%s.dir' && '%s/figment' %s", weights_path(), build ? build : "build", arguments);
    FILE *pipe = popen(command, "r");
    REQUIRE(pipe != NULL);
    out[fread(out, 1, size - 1, pipe)] = 0;
    if (pclose(pipe) != 0)
        TEST_FAIL("figment %s", arguments);
}

static double number_behind(const char *text, const char *name)
{
    char key[64];
    snprintf(key, sizeof key, "\"name\": \"%s\", \"value\":", name);
    const char *at = strstr(text, key);
    return at ? strtod(at + strlen(key), NULL) : (double)NAN;
}

/* The whole way with weights of full width: real pictures are nearer to others of their kind than an untrained decoder's. */
FIG_TEST(a_score_in_full)
{
    char dir[80], arguments[1000], out[20000];
    snprintf(dir, sizeof dir, "%s.dir", weights_path());
    REQUIRE(mkdir(dir, 0700) == 0);
    write_weights(weights_path(), NARROW, NULL, NULL);
    run_command(out, sizeof out,
                "train vae --data synthetic:shapes:40 --steps 1 --set batch=8 --set sample_every=never -t 1 -q --no-tune -o run");
    snprintf(arguments, sizeof arguments,
             "eval run --metric frechet --samples 10 --split train --inception '%s' --json -t 1 -q", weights_path());
    run_command(out, sizeof out, arguments);
    double made = number_behind(out, "frechet"), real = number_behind(out, "frechet_real");
    if (!(real > 0 && made > 2 * real && made < 1e9))
        TEST_FAIL("Frechet distance %g, of real pictures %g: %s", made, real, out);
    CHECK(strstr(out, "inception-fid-") != NULL);
    unlink(weights_path());
    fig__remove_folder(dir);
}

FIG_TEST_MAIN
