/* test_host_unchanged.c - what belongs to the host stays as it was: floating-point mode, OpenMP's setting, its own
 * memory
 *
 * The control register and omp_get_max_threads() are looked at around loading the shared library and around every
 * call. Then the host's allocator refuses its n-th request, for every n: a clean FIG_E_LIMIT, and everything given
 * back. At last several threads of the host run plans of one session at once. */
#include "test.h"

#include <dlfcn.h>
#include <figment/figment.h>
#include <omp.h>
#include <pthread.h>
#include <unistd.h>
#if defined(__x86_64__)
#include <xmmintrin.h>
#endif

typedef struct host { unsigned control; int threads; } host;

static host look(void)
{
    host h = {.threads = omp_get_max_threads()};
#if defined(__x86_64__)
    h.control = _mm_getcsr() & ~0x3fu; /* the flags of past exceptions are no mode */
#endif
    return h;
}

static void check_same(const host *before, const char *call, int line)
{
    host now = look();
    if (now.control != before->control || now.threads != before->threads)
        TEST_FAIL("line %d: %s: control register %#x -> %#x, threads %d -> %d", line, call, before->control,
                  now.control, before->threads, now.threads);
}

#define SAME(call)                                                                                                    \
    do {                                                                                                              \
        host before_ = look();                                                                                        \
        call;                                                                                                         \
        check_same(&before_, #call, __LINE__);                                                                        \
    } while (0)

/* -- a model that uses a little of everything ---------------------------------------------------------------------- */

static void step(fig_scan_body *b)
{
    b->new_state[0] = fig_tanh(fig_add(fig_matmul(b->state[0], b->fixed[0], NULL), b->x[0]));
    b->y[0] = fig_square(b->new_state[0]);
}

static fig_node build(fig_graph *g)
{
    fig_type weight = FIG_SHAPE(16, 16);
    fig_node x = fig_input(g, "x", FIG_SHAPE(3, 64, 16)), w = fig_state(g, "w", weight), y, last, d;
    fig_node zero = fig_full(g, FIG_SHAPE(64, 16), 0);
    fig_node picture = fig_input(g, "picture", FIG_SHAPE(4, 8, 8, 3)),
             kernel = fig_state(g, "kernel", FIG_SHAPE(5, 3, 3, 3));
    fig_scan(g, step,
             &(fig_scan_opts){ .state = &zero, .states = 1, .x = &x, .xs = 1, .fixed = &w, .fixeds = 1, .ys = 1 },
             &last, &y);
    fig_node seen = fig_relu(fig_convolution(picture, kernel, &(fig_conv_opts){.before = {FIG_PAD_SAME}}));
    fig_node noise = fig_dropout(fig_normal(g, FIG_SHAPE(500, 100)), 0.3f);
    fig_node loss = fig_add(fig_mean(y, NULL), fig_add(fig_mean(seen, NULL), fig_mean(fig_square(noise), NULL)));
    loss = fig_add(loss, fig_mean(fig_softmax(fig_matmul(last, w, NULL)), NULL));
    fig_gradients(loss, &w, 1, &d);
    fig_assign(w, fig_sub(w, fig_mul(fig_scalar(g, "lr", 0.1f), d)));
    return loss;
}

static fig_status add_states(fig_store *store, fig_error *err)
{
    fig_type w = FIG_SHAPE(16, 16), kernel = FIG_SHAPE(5, 3, 3, 3);
    FIG_TRY(fig_store_add(store, "w", &w, FIG_TRAINED, err));
    return fig_store_add(store, "kernel", &kernel, FIG_TRAINED, err);
}

static void every_call(int threads)
{
    fig_session *session = NULL;
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    fig_graph *g = NULL;
    fig_node loss;
    fig_error err = {0};
    char *text = NULL;
    SAME(fig_session_new(&(fig_session_opts){.threads = threads}, &session, &err));
    SAME(fig_store_new(session, &store, &err));
    SAME(CHECK_OK(add_states(store, &err), err));
    SAME(g = fig_graph_new());
    SAME(loss = build(g));
    SAME(CHECK_OK(fig_plan_compile(g, store, &(fig_plan_opts){.outputs = &loss, .n_outputs = 1}, &plan, &err), err));
    REQUIRE(plan);
    SAME(fig_plan_input(plan, "x", NULL));
    SAME(fig_plan_set_scalar(plan, "lr", 0.5f));
    for (int i = 0; i < 3; i++)
        SAME(CHECK_OK(fig_plan_run(plan, &(fig_run_opts){.seed = 1, .step = (uint64_t)i}, &err), err));
    SAME(fig_plan_output(plan, 0, NULL));
    SAME(text = fig_plan_profile(plan, 2));
    free(text);
    SAME(text = fig_plan_find_nonfinite(plan, NULL));
    CHECK(!text);
    free(text);
    SAME(text = fig_graph_print(g, true));
    free(text);
    SAME(fig_plan_free(plan));
    SAME(fig_graph_free(g));
    SAME(fig_store_free(store));
    SAME(fig_session_free(session));
}

FIG_TEST(modes_stay_around_every_call)
{
    every_call(1);
    every_call(3);
}

FIG_TEST(unusual_settings_of_the_host_stay)
{
    int usual = omp_get_max_threads();
    omp_set_num_threads(5);
#if defined(__x86_64__)
    unsigned control = _mm_getcsr();
    _mm_setcsr(control | 0x8040); /* flush to zero, denormals are zero */
    every_call(2);
    CHECK((_mm_getcsr() & 0x8040) == 0x8040);
    _mm_setcsr(control);
#else
    every_call(2);
#endif
    CHECK_INT(omp_get_max_threads(), 5);
    omp_set_num_threads(usual);
}

FIG_TEST(loading_the_library_changes_nothing)
{
    char path[4096];
    const char *build = getenv("FIGMENT_BUILD");
    snprintf(path, sizeof path, "%s/libfigment.so", build ? build : "build");
    if (access(path, R_OK) != 0)
        SKIP("%s is not built", path);
    void *library;
    SAME(library = dlopen(path, RTLD_NOW | RTLD_LOCAL));
    if (!library)
        SKIP("%s", dlerror());
    SAME(dlclose(library));
}

/* -- memory that is refused ---------------------------------------------------------------------------------------- */

typedef struct allocator { int requests, refuse; size_t held; } allocator;

static void *allocate(void *user, size_t bytes)
{
    allocator *a = user;
    if (++a->requests == a->refuse)
        return NULL;
    a->held += bytes;
    return aligned_alloc(64, (bytes + 63) / 64 * 64);
}

static void give_back(void *user, void *block, size_t bytes)
{
    ((allocator *)user)->held -= bytes;
    free(block);
}

/* All that takes tensor memory, until something fails. */
static fig_status take_all(fig_session *session, fig_error *err)
{
    fig_store *store;
    fig_plan *plan = NULL, *second = NULL;
    fig_graph *g = fig_graph_new();
    FIG_TRY(fig_store_new(session, &store, err));
    fig_status status = add_states(store, err);
    fig_node loss = build(g);
    if (status == FIG_OK)
        status = fig_plan_compile(g, store, &(fig_plan_opts){.outputs = &loss, .n_outputs = 1}, &plan, err);
    if (status == FIG_OK)
        status = fig_plan_run(plan, NULL, err);
    if (status == FIG_OK)
        status = fig_plan_compile(g, store, &(fig_plan_opts){ .outputs = &loss, .n_outputs = 1, .share = plan },
                                  &second, err);
    CHECK((status == FIG_OK) == (second != NULL));
    fig_plan_free(plan); /* the block goes with its last user */
    if (second)
        status = fig_plan_run(second, NULL, err);
    fig_plan_free(second);
    fig_graph_free(g);
    fig_store_free(store);
    return status;
}

FIG_TEST(every_refused_request_is_a_clean_error)
{
    fig_status status = FIG_E_LIMIT;
    int n = 0;
    while (status != FIG_OK && n < 200) {
        allocator a = {.refuse = ++n};
        fig_session *session = NULL;
        fig_error err = {0};
        fig_session_opts opts = {.threads = 2, .allocate = allocate, .release = give_back, .allocate_user = &a};
        REQUIRE_OK(fig_session_new(&opts, &session, &err), err);
        status = take_all(session, &err);
        fig_session_free(session);
        CHECK_INT(a.held, 0);
        if (status != FIG_OK) {
            CHECK_INT(status, FIG_E_LIMIT);
            CHECK_HAS(err.message, "refused");
        }
    }
    CHECK(n > 6 && n < 200); /* two states; input, block and those of the loops' bodies; ... */
}

FIG_TEST(half_a_pair_of_hooks_is_refused)
{
    fig_session *session = NULL;
    fig_error err = {0};
    CHECK_FAILS(fig_session_new(&(fig_session_opts){.allocate = allocate}, &session, &err), err, FIG_E_USAGE, "hooks");
    CHECK(!session);
}

/* -- several threads of the host ----------------------------------------------------------------------------------- */

enum { HOSTS = 4, TURNS = 25 };

typedef struct crew {
    fig_plan *shared, *own[HOSTS];
    fig_graph *graph;
    fig_store *store;
    pthread_barrier_t start;
} crew;
typedef struct worker { crew *crew; int number, faults; } worker;

static void *work(void *argument)
{
    worker *w = argument;
    crew *c = w->crew;
    fig_error err = {0};
    pthread_barrier_wait(&c->start);
    int before = omp_get_max_threads();
    for (int i = 0; i < TURNS; i++) {
        fig_plan *own = c->own[w->number], *fresh = NULL;
        fig_type type;
        float *x = fig_plan_input(own, "x", &type);
        for (int64_t k = 0; k < fig_elements(&type); k++)
            x[k] = (float)w->number;
        w->faults += fig_plan_run(c->shared, NULL, &err) != FIG_OK;
        w->faults += fig_plan_run(own, NULL, &err) != FIG_OK;
        w->faults += *(const float *)fig_plan_output(own, 0, NULL) !=
                     (float)(w->number * w->number) * (float)fig_elements(&type);
        if (i % 8 == 0) { /* compiling beside it, from one graph */
            w->faults += fig_plan_compile(c->graph, c->store, NULL, &fresh, &err) != FIG_OK;
            fig_plan_free(fresh);
        }
    }
    w->faults += before != omp_get_max_threads();
    return NULL;
}

static void count_up(fig_scan_body *b)
{
    b->new_state[0] = fig_shift(b->state[0], 1);
    b->y[0] = b->new_state[0];
}

FIG_TEST(plans_run_from_several_threads_in_turn)
{
    fig_session *session = NULL;
    fig_error err = {0};
    fig_type cells = FIG_SHAPE(40000);
    crew c = {.graph = fig_graph_new()};
    fig_graph *sums = fig_graph_new();
    REQUIRE_OK(fig_session_new(&(fig_session_opts){.threads = 2}, &session, &err), err);
    REQUIRE_OK(fig_store_new(session, &c.store, &err), err);
    fig_store_add(c.store, "counter", &cells, 0, &err);
    fig_node counter = fig_state(c.graph, "counter", cells), last, y;
    fig_scan(c.graph, count_up, &(fig_scan_opts){.state = &counter, .states = 1, .ys = 1, .steps = 2}, &last, &y);
    fig_assign(counter, last);
    CHECK_OK(fig_plan_compile(c.graph, c.store, NULL, &c.shared, &err), err);
    fig_node sum = fig_sum(fig_square(fig_input(sums, "x", FIG_SHAPE(128, 128))), NULL);
    for (int i = 0; i < HOSTS; i++)
        CHECK_OK(fig_plan_compile(sums, c.store, &(fig_plan_opts){ .outputs = &sum, .n_outputs = 1 }, &c.own[i], &err),
                 err);
    pthread_t thread[HOSTS];
    worker w[HOSTS];
    pthread_barrier_init(&c.start, NULL, HOSTS);
    for (int i = 0; i < HOSTS; i++) {
        w[i] = (worker){.crew = &c, .number = i};
        pthread_create(&thread[i], NULL, work, &w[i]);
    }
    for (int i = 0; i < HOSTS; i++) {
        pthread_join(thread[i], NULL);
        CHECK_INT(w[i].faults, 0);
    }
    const float *cell = fig_store_data(c.store, 0);
    for (int64_t i = 0; i < cells.dim[0]; i += 1999)
        CHECK_NEAR(cell[i], 2 * HOSTS * TURNS, 0);
    pthread_barrier_destroy(&c.start);
    for (int i = 0; i < HOSTS; i++)
        fig_plan_free(c.own[i]);
    fig_plan_free(c.shared);
    fig_graph_free(c.graph);
    fig_graph_free(sums);
    fig_store_free(c.store);
    fig_session_free(session);
}

FIG_TEST_MAIN
