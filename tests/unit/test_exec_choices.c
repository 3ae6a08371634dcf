/* test_exec_choices.c - the table of measured kernels: its text, its bound, its file; plans tuned, untuned and by the reference
 * loops compute the same */
#include "../test.h"

#include "exec/exec.h"
#include <figment/figment.h>

#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static char home[] = P_tmpdir "/figment-choices-XXXXXX";

FIG_TEST(rows_of_another_form_are_passed_over)
{
    fig_choices *c = fig__choices_new();
    const char text[] = "00000000000000000000000000000001 onednn_matmul\r\n"      /* a byte that names do not have */
                        "00000000000000000000000000000002 onednn_matmul\n"
                        "00000000000000000000000000000002 matmul_packed\n"        /* the later one counts */
                        "0000000000000000000000000000000g onednn_matmul\n"
                        "00000000000000000000000000000004onednn_matmul\n"
                        "00000000000000000000000000000005 \n"
                        "00000000000000000000000000000006 a_name_that_is_longer_than_any_kernel_has_ever_had_it\n"
                        "00000000000000000000000000000007 matmul_sgemm"; /* no line end */
    fig__choices_read(c, text, sizeof text - 1);
    CHECK(c->count == 2);
    const fig__choice *row = fig__choices_find(c, "00000000000000000000000000000002");
    CHECK(row && !strcmp(row->kernel, "matmul_packed"));
    row = fig__choices_find(c, "00000000000000000000000000000007");
    CHECK(row && !strcmp(row->kernel, "matmul_sgemm"));
    CHECK(!fig__choices_find(c, "00000000000000000000000000000001"));
    char *text_out = fig__choices_text(c);
    CHECK(!strcmp(text_out, "")); /* no plan has used one */
    free(text_out);
    fig__choices_free(c);
}

FIG_TEST(the_table_is_bounded)
{
    fig_choices *c = fig__choices_new();
    char key[FIG__KEY_LENGTH + 1];
    for (int i = 0; i < FIG__CHOICES_MAX + 100; i++) {
        snprintf(key, sizeof key, "%032x", (unsigned)i);
        fig__choices_set(c, key, "onednn_matmul", true);
    }
    CHECK(c->count == FIG__CHOICES_MAX);
    fig__choices_save(c);
    /* More is added: the oldest make room. */
    fig_choices *more = fig__choices_new();
    fig__choices_set(more, "ffffffffffffffffffffffffffffffff", "matmul_packed", true);
    fig__choices_save(more);
    fig_choices *back = fig__choices_new();
    fig__choices_load(back);
    CHECK(back->count == FIG__CHOICES_MAX);
    CHECK(fig__choices_find(back, "ffffffffffffffffffffffffffffffff"));
    CHECK(!fig__choices_find(back, "00000000000000000000000000000000"));
    CHECK(fig__choices_find(back, "00000000000000000000000000000001"));
    fig__choices_free(back);
    fig__choices_free(more);
    fig__choices_free(c);
    char *folder = fig__cache_folder(), *path = fig__format("%s/kernels.txt", folder);
    CHECK(unlink(path) == 0);
    free(path);
    free(folder);
}

/* y = relu(x w + b) as a picture, through a convolution and its weight gradient: ops with several kernels. */
static void run(const fig_session_opts *opts, float out[2], char **kernels)
{
    fig_error err = { 0 };
    fig_session *session = NULL;
    fig_store *store = NULL;
    fig_plan *plan = NULL;
    CHECK(fig_session_new(opts, &session, &err) == FIG_OK);
    CHECK(fig_store_new(session, &store, &err) == FIG_OK);
    fig_graph *g = fig_graph_new();
    fig_node x = fig_input(g, "x", FIG_SHAPE(64, 96)), w = fig_input(g, "w", FIG_SHAPE(96, 128)),
             k = fig_input(g, "k", FIG_SHAPE(16, 3, 3, 8));
    fig_node picture = fig_reshape(fig_relu(fig_matmul(x, w, NULL)), FIG_SHAPE(16, 8, 8, 8));
    fig_node loss = fig_sum(fig_square(fig_convolution(picture, k, NULL)), NULL), gradient;
    fig_gradients(loss, &k, 1, &gradient);
    fig_node outputs[2] = { loss, fig_sum(fig_square(gradient), NULL) };
    CHECK(fig_plan_compile(g, store, &(fig_plan_opts){ .outputs = outputs, .n_outputs = 2 }, &plan, &err) == FIG_OK);
    if (plan) {
        fig__rng rng = { 1 };
        static const char *const names[] = { "x", "w", "k" };
        for (int i = 0; i < 3; i++) {
            fig_type type;
            float *to = fig_plan_input(plan, names[i], &type);
            for (int64_t n = 0; n < fig__count(&type); n++)
                to[n] = (float)fig__rng_uniform(&rng) - 0.4f;
        }
        CHECK(fig_plan_run(plan, NULL, &err) == FIG_OK);
        for (int i = 0; i < 2; i++)
            out[i] = *(const float *)fig_plan_output(plan, i, NULL);
        if (kernels)
            *kernels = session->choices ? fig__choices_text(session->choices) : fig__strdup("");
    } else {
        printf("%s\n", err.message);
    }
    fig_plan_free(plan);
    fig_graph_free(g);
    fig_store_free(store);
    fig_session_free(session);
}

FIG_TEST(tuned_untuned_and_reference_agree)
{
    float tuned[2] = { 0 }, again[2] = { 0 }, fixed[2] = { 0 }, reference[2] = { 0 };
    char *first = NULL, *second = NULL, *none = NULL;
    run(&(fig_session_opts){ .threads = 2, .tune = true }, tuned, &first);
    run(&(fig_session_opts){ .threads = 2, .tune = true }, again, &second);
    run(&(fig_session_opts){ .threads = 2 }, fixed, &none);
    run(&(fig_session_opts){ .threads = 2, .reference_kernels = true }, reference, NULL);
    for (int i = 0; i < 2; i++) {
        CHECK_NEAR(tuned[i] / reference[i], 1, 1e-5);
        CHECK_NEAR(fixed[i] / reference[i], 1, 1e-5);
        CHECK(tuned[i] == again[i]); /* kernels from the cache file: the same bits */
    }
    CHECK(first && second && none);
    if (first && second && none) {
        CHECK(strlen(first) > 2 * FIG__KEY_LENGTH); /* the product and the weight gradient at least */
        CHECK(!strcmp(first, second));
        CHECK(!strcmp(none, ""));
    }
    free(first);
    free(second);
    free(none);
}

static fig_kernel_query query_of(const fig_type *in, const fig_type *out, const fig_matmul_attr *attr, int threads)
{
    return (fig_kernel_query){
        .op = &fig_op_matmul, .n_in = 2, .n_out = 1, .in = in, .out = out, .attr = attr, .threads = threads
    };
}

FIG_TEST(keys_name_all_that_times_depend_on)
{
    fig_type in[2] = { FIG_SHAPE(64, 32), FIG_SHAPE(32, 16) }, other[2] = { FIG_SHAPE(64, 32), FIG_SHAPE(32, 16) },
             out = FIG_SHAPE(64, 16);
    fig_matmul_attr plain = { 0, 0 }, transposed = { 0, 1 };
    char key[5][FIG__KEY_LENGTH + 1];
    other[1].dtype = FIG_BF16;
    fig_kernel_query q[5] = { query_of(in, &out, &plain, 2), query_of(in, &out, &transposed, 2), query_of(in, &out, &plain, 1),
                              query_of(other, &out, &plain, 2), query_of(in, &out, &plain, 2) };
    for (int i = 0; i < 5; i++)
        CHECK(fig__choice_key(&q[i], key[i]));
    CHECK(!strcmp(key[0], key[4]));
    for (int i = 0; i < 4; i++)
        for (int k = 0; k < i; k++)
            CHECK(strcmp(key[i], key[k]));
}

int main(int argc, char **argv)
{
    if (!mkdtemp(home))
        return 1;
    setenv("FIGMENT_HOME", home, 1);
    int code = test_main(argc, argv);
    char command[128];
    snprintf(command, sizeof command, "rm -rf %s", home);
    return system(command) ? 1 : code;
}
