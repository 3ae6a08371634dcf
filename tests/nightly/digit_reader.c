/* digit_reader.c - which digits do samples show? A small convolutional classifier trained on MNIST reads them
 *
 * usage: digit_reader SAMPLES.npy [SAMPLES.npy ...]   (each f32, N x 28 x 28 x 1, in -1..1 or 0..1)
 *
 * Trains on MNIST's 60,000 pictures (about a minute), prints its accuracy on the 10,000 test pictures, and for each file the
 * share of every digit, how many digits have 2 % or more, and the pixels' mean and deviation. Exit code 0 when the reader has
 * 99 % and every file shows all ten digits, 8 otherwise. */
#include <figment/figment.h>

#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { BATCH = 100, EPOCHS = 3 };

/* x (B, 28, 28, 1) in 0..1 -> logits (B, 10) */
static fig_node reader(fig_graph *g, fig_node x, bool training)
{
    (void)training;
    fig_scope_push(g, "reader");
    fig_node w1 = fig_param(g, "w1", FIG_SHAPE(32, 5, 5, 1), (fig_init){0}), b1 = fig_param(g, "b1", FIG_SHAPE(32), (fig_init){0});
    fig_node w2 = fig_param(g, "w2", FIG_SHAPE(64, 5, 5, 32), (fig_init){0}), b2 = fig_param(g, "b2", FIG_SHAPE(64), (fig_init){0});
    fig_node w3 = fig_param(g, "w3", FIG_SHAPE(128, 3136), (fig_init){0}), b3 = fig_param(g, "b3", FIG_SHAPE(128), (fig_init){0});
    fig_node w4 = fig_param(g, "w4", FIG_SHAPE(10, 128), (fig_init){0}), b4 = fig_param(g, "b4", FIG_SHAPE(10), (fig_init){0});
    const fig_conv_opts same = {.before = {FIG_PAD_SAME}};
    const fig_pool_opts half = {.size = {2}};
    fig_node h = fig_max_pool(fig_relu(fig_add(fig_convolution(x, w1, &same), b1)), &half); /* (B, 14, 14, 32) */
    h = fig_max_pool(fig_relu(fig_add(fig_convolution(h, w2, &same), b2)), &half);          /* (B, 7, 7, 64) */
    h = fig_relu(fig_add(fig_matmul(fig_flatten(h), w3, &(fig_matmul_opts){.transpose_b = true}), b3));
    if (training)
        h = fig_dropout(h, 0.4f);
    fig_node logits = fig_add(fig_matmul(h, w4, &(fig_matmul_opts){.transpose_b = true}), b4);
    fig_scope_pop(g);
    return logits;
}

static const struct { const char *name; fig_type type; double deviation; } weights[] = {
    {"reader.w1", {.rank = 4, .dim = {32, 5, 5, 1}}, 0.28}, {"reader.b1", {.rank = 1, .dim = {32}}, 0},
    {"reader.w2", {.rank = 4, .dim = {64, 5, 5, 32}}, 0.05}, {"reader.b2", {.rank = 1, .dim = {64}}, 0},
    {"reader.w3", {.rank = 2, .dim = {128, 3136}}, 0.025}, {"reader.b3", {.rank = 1, .dim = {128}}, 0},
    {"reader.w4", {.rank = 2, .dim = {10, 128}}, 0.125}, {"reader.b4", {.rank = 1, .dim = {10}}, 0},
};
enum { WEIGHTS = sizeof weights / sizeof *weights };

static void must(fig_status status, const fig_error *err)
{
    if (status == FIG_OK)
        return;
    fprintf(stderr, "digit_reader: %s\n", err->message);
    exit(fig_status_exit_code(status));
}

static float normal(uint64_t *state)
{
    double u[2];
    for (int i = 0; i < 2; i++) {
        *state = *state * 6364136223846793005u + 1442695040888963407u;
        u[i] = ((double)(*state >> 11) + 0.5) / 9007199254740992.0;
    }
    return (float)(sqrt(-2 * log(u[0])) * cos(6.283185307179586 * u[1]));
}

static void make_weights(fig_store *store, fig_error *err)
{
    uint64_t state = 12345;
    for (int i = 0; i < WEIGHTS; i++) {
        for (int moment = 0; moment < 3; moment++) {
            char name[64];
            snprintf(name, sizeof name, "%s%s", moment == 0 ? "" : moment == 1 ? "m/" : "v/", weights[i].name);
            must(fig_store_add(store, name, &weights[i].type, 0, err), err);
            float *data = fig_store_data(store, fig_store_find(store, name));
            for (int64_t k = 0; moment == 0 && k < fig_elements(&weights[i].type); k++)
                data[k] = (float)weights[i].deviation * normal(&state);
        }
    }
}

/* Adam, bias correction in the rate. */
static fig_plan *training_plan(fig_store *store, fig_error *err)
{
    fig_graph *g = fig_graph_new();
    fig_node x = fig_input(g, "image", FIG_SHAPE(BATCH, 28, 28, 1)),
             label = fig_input(g, "label", (fig_type){ .dtype = FIG_I32, .rank = 1, .dim = { BATCH } });
    fig_node loss = fig_mean(fig_cross_entropy(reader(g, x, true), label), NULL), w[WEIGHTS], d[WEIGHTS], lr = fig_scalar(g, "lr", 1e-3f);
    for (int i = 0; i < WEIGHTS; i++)
        w[i] = fig_state(g, weights[i].name, weights[i].type);
    fig_gradients(loss, w, WEIGHTS, d);
    for (int i = 0; i < WEIGHTS; i++) {
        char name[64];
        snprintf(name, sizeof name, "m/%s", weights[i].name);
        fig_node m = fig_state(g, name, weights[i].type);
        snprintf(name, sizeof name, "v/%s", weights[i].name);
        fig_node v = fig_state(g, name, weights[i].type);
        fig_node m1 = fig_add(fig_scale(m, 0.9f), fig_scale(d[i], 0.1f)),
                 v1 = fig_add(fig_scale(v, 0.999f), fig_scale(fig_square(d[i]), 0.001f));
        fig_assign(m, m1);
        fig_assign(v, v1);
        fig_assign(w[i], fig_sub(w[i], fig_mul(lr, fig_div(m1, fig_shift(fig_sqrt(v1), 1e-7f)))));
    }
    fig_plan *plan;
    must(fig_plan_compile(g, store, &(fig_plan_opts){.outputs = &loss, .n_outputs = 1}, &plan, err), err);
    fig_graph_free(g);
    return plan;
}

static fig_plan *reading_plan(fig_store *store, fig_error *err)
{
    fig_graph *g = fig_graph_new();
    fig_node digit = fig_argmax(reader(g, fig_input(g, "image", FIG_SHAPE(BATCH, 28, 28, 1)), false), -1);
    fig_plan *plan;
    must(fig_plan_compile(g, store, &(fig_plan_opts){.outputs = &digit, .n_outputs = 1}, &plan, err), err);
    fig_graph_free(g);
    return plan;
}

static void train(fig_plan *plan, fig_data *mnist, fig_error *err)
{
    fig_loader *loader;
    must(fig_loader_new(mnist,
                        &(fig_loader_opts){ .split = FIG_TRAIN_SPLIT, .batch = BATCH, .seed = 1, .drop_last = true },
                        &loader, err),
         err);
    int64_t total = EPOCHS * fig_loader_epoch_batches(loader);
    for (int64_t i = 0; i < total; i++) {
        const fig_batch *batch;
        must(fig_loader_next(loader, &batch, err), err);
        for (int f = 0; f < batch->fields; f++) {
            void *to = fig_plan_input(plan, batch->name[f], NULL);
            if (to)
                memcpy(to, batch->data[f], (size_t)fig_elements(&batch->type[f]) * 4);
        }
        double t = (double)i + 1, corrected = sqrt(1 - pow(0.999, t)) / (1 - pow(0.9, t));
        fig_plan_set_scalar(plan, "lr", (float)(1e-3 * (1 - (double)i / (double)total) * corrected));
        must(fig_plan_run(plan, &(fig_run_opts){.seed = 1, .step = (uint64_t)i}, err), err);
        if (i % 200 == 0)
            fprintf(stderr, "\rdigit_reader: step %lld of %lld, loss %.4f  ", (long long)i, (long long)total,
                    (double)*(const float *)fig_plan_output(plan, 0, NULL));
    }
    fputc('\n', stderr);
    fig_loader_free(loader);
}

static double accuracy(fig_plan *plan, fig_data *mnist, fig_error *err)
{
    fig_loader *loader;
    must(fig_loader_new(mnist,
                        &(fig_loader_opts){ .split = FIG_TEST_SPLIT, .batch = BATCH, .order = FIG_ORDER_SEQUENTIAL },
                        &loader, err),
         err);
    int64_t right = 0, batches = fig_loader_epoch_batches(loader);
    for (int64_t i = 0; i < batches; i++) {
        const fig_batch *batch;
        const int32_t *label = NULL;
        must(fig_loader_next(loader, &batch, err), err);
        for (int f = 0; f < batch->fields; f++) {
            if (!strcmp(batch->name[f], "image"))
                memcpy(fig_plan_input(plan, "image", NULL), batch->data[f], (size_t)fig_elements(&batch->type[f]) * 4);
            if (!strcmp(batch->name[f], "label"))
                label = batch->data[f];
        }
        must(fig_plan_run(plan, NULL, err), err);
        const int32_t *digit = fig_plan_output(plan, 0, NULL);
        for (int r = 0; r < BATCH; r++)
            right += digit[r] == label[r];
    }
    fig_loader_free(loader);
    return (double)right / (double)(batches * BATCH);
}

/* A version 1 .npy of f32 pictures; the file is a test's own, so only the shape of the header is checked. */
static float *read_npy(const char *path, int64_t *count)
{
    FILE *f = fopen(path, "rb");
    unsigned char head[10];
    char text[1024] = {0};
    if (!f || fread(head, 1, 10, f) != 10 || memcmp(head, "\x93NUMPY", 6) || head[8] + 256 * head[9] >= 1023 ||
        !fread(text, (size_t)(head[8] + 256 * head[9]), 1, f) || !strstr(text, "<f4") || !strstr(text, "28, 28, 1)")) {
        fprintf(stderr, "digit_reader: %s: not an f32 .npy of shape (N, 28, 28, 1)\n", path);
        exit(4);
    }
    *count = atoll(strchr(text, '(') + 1);
    float *data = malloc((size_t)*count * 784 * 4);
    if (!data || fread(data, 784 * 4, (size_t)*count, f) != (size_t)*count) {
        fprintf(stderr, "digit_reader: %s: shorter than its header says\n", path);
        exit(4);
    }
    fclose(f);
    return data;
}

static int read_file(fig_plan *plan, const char *path, fig_error *err)
{
    int64_t count, histogram[10] = {0};
    float *data = read_npy(path, &count), low = 0;
    double sum = 0, squares = 0;
    for (int64_t i = 0; i < count * 784; i++) {
        low = fminf(low, data[i]);
        sum += data[i];
        squares += (double)data[i] * data[i];
    }
    for (int64_t first = 0; first < count; first += BATCH) {
        float *x = fig_plan_input(plan, "image", NULL);
        int64_t rows = count - first < BATCH ? count - first : BATCH;
        for (int64_t i = 0; i < rows * 784; i++)
            x[i] = low < -0.01f ? (data[first * 784 + i] + 1) / 2 : data[first * 784 + i];
        must(fig_plan_run(plan, NULL, err), err);
        const int32_t *digit = fig_plan_output(plan, 0, NULL);
        for (int64_t r = 0; r < rows; r++)
            histogram[digit[r]]++;
    }
    int shown = 0;
    printf("%s: %lld samples, mean %.3f, deviation %.3f; per cent of 0-9:", path, (long long)count, sum / (double)(count * 784),
           sqrt(squares / (double)(count * 784) - pow(sum / (double)(count * 784), 2)));
    for (int d = 0; d < 10; d++) {
        printf(" %.1f", 100.0 * (double)histogram[d] / (double)count);
        shown += (double)histogram[d] >= 0.02 * (double)count;
    }
    printf("; digits with 2 %% or more: %d\n", shown);
    free(data);
    return shown;
}

int main(int argc, char **argv)
{
    fig_error err = {0};
    fig_session *session;
    fig_store *store;
    fig_data *mnist;
    must(fig_session_new(NULL, &session, &err), &err);
    must(fig_store_new(session, &store, &err), &err);
    must(fig_data_open(getenv("FIGMENT_MNIST") ? getenv("FIGMENT_MNIST") : "mnist", NULL, &mnist, &err), &err);
    must(fig_data_prepare(mnist, &(fig_data_request){.kinds = FIG_DATA_IMAGES}, &err), &err);
    make_weights(store, &err);
    fig_plan *learn = training_plan(store, &err), *read = reading_plan(store, &err);
    train(learn, mnist, &err);
    double right = accuracy(read, mnist, &err);
    printf("reader: %.2f %% of 10,000 test digits\n", 100 * right);
    bool good = right >= 0.99;
    for (int i = 1; i < argc; i++)
        good &= read_file(read, argv[i], &err) == 10;
    fig_plan_free(learn);
    fig_plan_free(read);
    fig_data_free(mnist);
    fig_store_free(store);
    fig_session_free(session);
    return good ? 0 : 8;
}
