/* test_data_loader.c - order, epochs, seeking, threads, splits: a batch is a function of its number alone */
#include "sample_data.h"
#include "test.h"
#include "data/prepared.h"

/* 50 pictures of 1 x 2 pixels whose label is their number (IDX labels are i % 50). */
static fig_data *fifty(const char *folder, double validation)
{
    sample_idx(sample_path(folder, "train-images-idx3-ubyte"), 3, (uint32_t[]){ 50, 1, 2 }, 0);
    sample_idx(sample_path(folder, "train-labels-idx1-ubyte"), 1, (uint32_t[]){ 50 }, 50);
    fig_error err = { 0 };
    fig_data *data;
    CHECK_OK(fig_data_open(folder, NULL, &data, &err), err);
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .validation = validation }, &err),
             err);
    return data;
}

static int32_t label(const fig_batch *batch, int row) { return ((const int32_t *)batch->data[1])[row]; }

FIG_TEST(permutation_is_one)
{
    for (uint64_t count = 1; count < 400; count += count / 3 + 1) {
        uint8_t *seen = calloc(count, 1);
        fig__permutation order;
        fig__permutation_init(&order, count, 7, 1, count);
        uint64_t at_home = 0;
        for (uint64_t i = 0; i < count; i++) {
            uint64_t item = fig__permutation_at(&order, i);
            REQUIRE(item < count);
            CHECK(!seen[item]);
            seen[item] = 1;
            at_home += item == i;
        }
        CHECK(count < 50 || at_home < 8);
        free(seen);
    }
}

FIG_TEST(permutation_is_spread_evenly)
{
    /* Over many epochs each item must come first about equally often. */
    enum { COUNT = 10, EPOCHS = 20000 };
    int first[COUNT] = { 0 }, pair[COUNT] = { 0 };
    for (int epoch = 0; epoch < EPOCHS; epoch++) {
        fig__permutation order;
        fig__permutation_init(&order, COUNT, 3, 0, (uint64_t)epoch);
        uint64_t a = fig__permutation_at(&order, 0), b = fig__permutation_at(&order, 1);
        first[a]++;
        pair[(b + COUNT - a) % COUNT]++;
    }
    for (int i = 0; i < COUNT; i++) {
        CHECK_NEAR(first[i], EPOCHS / COUNT, 6 * sqrt(EPOCHS / COUNT));
        CHECK_NEAR(pair[i], i ? EPOCHS / (COUNT - 1) : 0, 6 * sqrt(EPOCHS / COUNT));
    }
}

FIG_TEST(every_item_once_an_epoch)
{
    const char *folder = sample_folder();
    fig_data *data = fifty(folder, 0);
    fig_error err = { 0 };
    fig_loader *loader;
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 8, .seed = 5 }, &loader, &err), err);
    CHECK_INT(fig_loader_epoch_batches(loader), 7);
    int32_t order[2][50];
    for (int epoch = 0; epoch < 2; epoch++) {
        int seen[50] = { 0 }, count = 0;
        for (int b = 0; b < 7; b++) {
            const fig_batch *batch;
            CHECK_OK(fig_loader_next(loader, &batch, &err), err);
            CHECK_INT(batch->number, epoch * 7 + b);
            CHECK_INT(batch->rows, 8);
            CHECK_INT(batch->real_rows, b < 6 ? 8 : 2);
            for (int row = 0; row < 8; row++) {
                bool real = row < batch->real_rows;
                CHECK_NEAR(((const float *)batch->data[2])[row], real, 0);
                if (real) {
                    seen[label(batch, row)]++;
                    order[epoch][count++] = label(batch, row);
                }
            }
        }
        for (int i = 0; i < 50; i++)
            CHECK_INT(seen[i], 1);
    }
    CHECK(memcmp(order[0], order[1], sizeof order[0]) != 0);
    fig_loader_free(loader);

    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 8, .drop_last = true }, &loader, &err), err);
    CHECK_INT(fig_loader_epoch_batches(loader), 6);
    fig_loader_free(loader);
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 8, .epoch_batches = 100 }, &loader, &err), err);
    CHECK_INT(fig_loader_epoch_batches(loader), 100);
    fig_loader_free(loader);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(threads_and_seeking_do_not_change_the_order)
{
    const char *folder = sample_folder();
    fig_data *data = fifty(folder, 0);
    fig_error err = { 0 };
    enum { BATCHES = 40 };
    int32_t expected[BATCHES][8];
    for (int threads = 1; threads <= 4; threads++) {
        fig_loader *loader;
        CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 8, .seed = 9, .threads = threads }, &loader, &err),
                 err);
        for (int b = 0; b < BATCHES; b++) {
            const fig_batch *batch;
            CHECK_OK(fig_loader_next(loader, &batch, &err), err);
            for (int row = 0; row < 8; row++) {
                if (threads == 1)
                    expected[b][row] = label(batch, row);
                CHECK_INT(label(batch, row), expected[b][row]);
            }
        }
        for (int i = 0; i < 20; i++) {
            int b = i * 17 % BATCHES;
            const fig_batch *batch;
            fig_loader_seek(loader, (uint64_t)b);
            CHECK_OK(fig_loader_next(loader, &batch, &err), err);
            CHECK_INT(batch->number, b);
            CHECK_INT(label(batch, 3), expected[b][3]);
        }
        fig_loader_free(loader);
    }
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(keys_and_seeds_give_other_orders)
{
    const char *folder = sample_folder();
    fig_data *data = fifty(folder, 0);
    fig_error err = { 0 };
    int32_t row[4][50];
    for (int i = 0; i < 4; i++) {
        fig_loader_opts opts = { .batch = 50,
                                 .seed = i == 1,
                                 .key = i == 2 ? "b" : NULL,
                                 .order = i == 3 ? FIG_ORDER_REPLACEMENT : FIG_ORDER_SHUFFLED };
        fig_loader *loader;
        const fig_batch *batch;
        CHECK_OK(fig_loader_new(data, &opts, &loader, &err), err);
        CHECK_OK(fig_loader_next(loader, &batch, &err), err);
        memcpy(row[i], batch->data[1], sizeof row[i]);
        fig_loader_free(loader);
    }
    for (int i = 1; i < 4; i++)
        CHECK(memcmp(row[0], row[i], sizeof row[0]) != 0);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(validation_is_kept_aside)
{
    const char *folder = sample_folder();
    fig_data *data = fifty(folder, 0.2);
    fig_error err = { 0 };
    CHECK_INT(fig_data_items(data, FIG_TRAIN_SPLIT), 40);
    CHECK_INT(fig_data_items(data, FIG_VALIDATION_SPLIT), 10);
    int seen[50] = { 0 };
    for (int split = 0; split < 2; split++) {
        fig_loader *loader;
        const fig_batch *batch;
        int count = split ? 10 : 40;
        CHECK_OK(fig_loader_new(
                     data,
                     &(fig_loader_opts){ .split = (fig_split)split, .order = FIG_ORDER_SEQUENTIAL, .batch = count },
                     &loader, &err),
                 err);
        CHECK_OK(fig_loader_next(loader, &batch, &err), err);
        for (int row = 0; row < count; row++) {
            seen[label(batch, row)]++;
            CHECK(row == 0 || label(batch, row) > label(batch, row - 1));
        }
        fig_loader_free(loader);
    }
    for (int i = 0; i < 50; i++)
        CHECK_INT(seen[i], 1);
    /* the same items aside, by the spec */
    fig_data_spec *spec = fig_data_spec_copy(fig_data_get_spec(data));
    int32_t *before = malloc(10 * sizeof *before);
    memcpy(before, data->index[FIG_VALIDATION_SPLIT], 10 * sizeof *before);
    CHECK_OK(fig_data_prepare_like(data, spec, &err), err);
    CHECK(!memcmp(before, data->index[FIG_VALIDATION_SPLIT], 10 * sizeof *before));
    free(before);
    fig_data_spec_free(spec);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(sizes_and_ranges)
{
    const char *folder = sample_folder();
    fig_data *data = fifty(folder, 0);
    fig_error err = { 0 };
    fig_data_request request = {
        .kinds = FIG_DATA_IMAGES, .height = 4, .width = 8, .channels = 3, .low = -1, .high = 1
    };
    CHECK_OK(fig_data_prepare(data, &request, &err), err);
    fig_loader *loader;
    const fig_batch *batch;
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 4, .order = FIG_ORDER_SEQUENTIAL }, &loader, &err), err);
    for (int again = 0; again < 2; again++) { /* decoded, and from the cache */
        fig_loader_seek(loader, 0);
        CHECK_OK(fig_loader_next(loader, &batch, &err), err);
        const float *image = batch->data[0];
        CHECK_INT(batch->type[0].dim[1], 4);
        CHECK_INT(batch->type[0].dim[2], 8);
        CHECK_INT(batch->type[0].dim[3], 3);
        CHECK_NEAR(image[0], 3 / 127.5 - 1, 1e-6);          /* first pixel of item 0 is 3 */
        CHECK_NEAR(image[7 * 3 + 2], 10 / 127.5 - 1, 1e-6); /* last of the row is pixel 1: 10 */
    }
    fig_loader_free(loader);
    CHECK_FAILS(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_TEXT }, &err), err, FIG_E_USAGE,
                "holds pictures");
    request.low = 2;
    CHECK_FAILS(fig_data_prepare(data, &request, &err), err, FIG_E_USAGE, "smaller");
    request.low = 0;
    request.validation = 0.9;
    CHECK_FAILS(fig_data_prepare(data, &request, &err), err, FIG_E_USAGE, "validation");
    CHECK_FAILS(fig_loader_new(data, &(fig_loader_opts){ .batch = 1 }, &loader, &err), err, FIG_E_USAGE, "prepare");
    request.validation = 0;
    CHECK_OK(fig_data_prepare(data, &request, &err), err);
    CHECK_FAILS(fig_loader_new(data, &(fig_loader_opts){ .batch = 51, .drop_last = true }, &loader, &err), err,
                FIG_E_USAGE, "smaller batch");
    CHECK_FAILS(fig_loader_new(data, &(fig_loader_opts){ .batch = 1, .split = FIG_TEST_SPLIT }, &loader, &err), err,
                FIG_E_NOT_FOUND, "test");
    /* more rows than items: filled up with repeats of weight 0 */
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 120 }, &loader, &err), err);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    CHECK_INT(batch->real_rows, 50);
    fig_loader_free(loader);
    fig_data_free(data);
    sample_folder_end(folder);
}

static void read_batch(fig_data *data, const fig_loader_opts *opts, uint64_t number, int n, float *out, int32_t *label)
{
    fig_error err = { 0 };
    fig_loader *loader;
    const fig_batch *batch;
    REQUIRE_OK(fig_loader_new(data, opts, &loader, &err), err);
    fig_loader_seek(loader, number);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    memcpy(out, batch->data[0], sizeof(float) * 2 * (size_t)n);
    memcpy(label, batch->data[1], sizeof *label * (size_t)n);
    fig_loader_free(loader);
}

FIG_TEST(pixels_are_drawn_by_their_level)
{
    enum { BATCHES = 600 };
    const char *folder = sample_folder();
    fig_data *data = fifty(folder, 0.2);
    fig_error err = { 0 };
    fig_data_request request = { .kinds = FIG_DATA_IMAGES, .validation = 0.2, .low = -1, .high = 1, .binarise = FIG_BINARISE_DYNAMIC };
    CHECK_OK(fig_data_prepare(data, &request, &err), err);
    fig_loader *loader;
    const fig_batch *batch;
    double on[50][2] = { { 0 } };
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 40, .seed = 4 }, &loader, &err), err);
    for (int b = 0; b < BATCHES; b++) {
        REQUIRE_OK(fig_loader_next(loader, &batch, &err), err);
        for (int i = 0; i < 80; i++) {
            float value = ((const float *)batch->data[0])[i];
            CHECK(value == -1 || value == 1);
            on[label(batch, i / 2)][i % 2] += value > 0;
        }
    }
    fig_loader_free(loader);
    int seen = 0;
    for (int item = 0; item < 50; item++)
        for (int i = 0; i < 2; i++) { /* the picture's bytes are (n * 7 + 3) % 251 */
            double chance = (((item * 2 + i) * 7 + 3) % 251) / 255.0;
            if (on[item][0] + on[item][1] == 0)
                continue; /* kept aside */
            seen++;
            CHECK_NEAR(on[item][i] / BATCHES, chance, 5 * sqrt(chance * (1 - chance) / BATCHES) + 1e-3);
        }
    CHECK(seen >= 78);

    /* a batch is a function of its number; scoring sees the same picture whatever the seed and the batch size */
    float a[160], b[160], c[160];
    int32_t la[80], lb[80], lc[80];
    fig_loader_opts train = { .batch = 40, .seed = 4 };
    read_batch(data, &train, 7, 40, a, la);
    read_batch(data, &train, 7, 40, b, lb);
    CHECK(!memcmp(a, b, sizeof(float) * 80));
    fig_loader_opts still = { .batch = 40, .seed = 4, .still = true };
    fig_loader_opts other = { .batch = 20, .seed = 5, .order = FIG_ORDER_SEQUENTIAL, .still = true };
    read_batch(data, &still, 7, 40, a, la);
    read_batch(data, &other, 0, 20, b, lb);
    read_batch(data, &other, 1, 20, c, lc);
    int same = 0;
    for (int i = 0; i < 40; i++)
        for (int k = 0; k < 20; k++)
            same += (la[i] == lb[k] && !memcmp(a + 2 * i, b + 2 * k, sizeof(float) * 2)) ||
                    (la[i] == lc[k] && !memcmp(a + 2 * i, c + 2 * k, sizeof(float) * 2));
    CHECK_INT(same, 40);

    request.binarise = FIG_BINARISE_THRESHOLD;
    CHECK_OK(fig_data_prepare(data, &request, &err), err);
    char *json = fig_data_spec_to_json(fig_data_get_spec(data));
    fig_data_spec *spec;
    CHECK_OK(fig_data_spec_from_json(json, &spec, &err), err);
    CHECK_INT(spec->binarise, FIG_BINARISE_THRESHOLD);
    CHECK_OK(fig_data_prepare_like(data, spec, &err), err);
    read_batch(data, &train, 0, 40, a, la);
    for (int i = 0; i < 80; i++)
        CHECK_NEAR(a[i], ((la[i / 2] * 2 + i % 2) * 7 + 3) % 251 >= 128 ? 1 : -1, 0);
    fig_data_spec_free(spec);
    free(json);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST_MAIN
