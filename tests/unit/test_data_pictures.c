/* test_data_pictures.c - what becomes of pictures on their way to a model: sizes, random changes, standardising, balance, copies */
#include "sample_data.h"
#include "test.h"
#include "data/prepared.h"

static fig_data *opened(const char *path, const fig_data_request *request)
{
    fig_error err = { 0 };
    fig_data *data = NULL;
    CHECK_OK(fig_data_open(path, NULL, &data, &err), err);
    if (data)
        CHECK_OK(fig_data_prepare(data, request, &err), err);
    return data;
}

/* `count` different pictures of smooth noise. */
static fig_picture noise_picture(int width, int height, int seed)
{
    fig_picture picture = { width, height, 3, malloc((size_t)(width * height * 3)) };
    fig__rng rng = { (uint64_t)seed };
    double phase[9];
    for (int i = 0; i < 9; i++)
        phase[i] = fig__rng_uniform(&rng) * 6.283;
    for (int i = 0; i < width * height * 3; i++) {
        double x = (i / 3 % width + 0.5) / width, y = (i / 3 / width + 0.5) / height, value = 128;
        for (int k = 0; k < 3; k++)
            value += 40 * sin((3 * k + 4) * (x * cos(phase[k]) + y * sin(phase[k])) + phase[3 + k] + i % 3 * phase[6 + k]);
        picture.pixels[i] = (uint8_t)(value < 0 ? 0 : value > 255 ? 255 : value);
    }
    return picture;
}
static void write_noise(const char *path, int width, int height, int seed)
{
    fig_picture picture = noise_picture(width, height, seed);
    fig_error err = { 0 };
    sample_bytes(path, "", 0);
    CHECK_OK(fig_picture_save(&picture, path, &err), err);
    fig_picture_free(&picture);
}

FIG_TEST(resize_policies)
{
    static const uint8_t ground[3] = { 9, 8, 7 };
    fig__resizer *r = fig__resizer_new();
    fig_picture wide = { 8, 4, 1, malloc(32) };
    for (int i = 0; i < 32; i++)
        wide.pixels[i] = (uint8_t)(i % 8 * 10);
    uint8_t out[4 * 4 * 3];
    fig__resize_by(r, FIG_RESIZE_FIT, ground, &wide, 4, 4, 3, out); /* 4 x 2 in the middle, ground above and below */
    CHECK(!memcmp(out, "\x09\x08\x07", 3) && !memcmp(out + 3 * 15, "\x09\x08\x07", 3));
    CHECK(out[3 * 4] < out[3 * 5] && out[3 * 6] < out[3 * 7]);
    fig__resize_by(r, FIG_RESIZE_STRETCH, ground, &wide, 4, 4, 1, out);
    CHECK(out[0] < 10 && out[3] > 60); /* both ends are there */
    fig__resize_by(r, FIG_RESIZE_CROP, ground, &wide, 2, 2, 1, out);
    CHECK(out[0] == 30 && out[1] == 40 && out[2] == 30); /* cut out, bits kept */
    fig__resize_by(r, FIG_RESIZE_CROP, ground, &wide, 3, 3, 1, out);
    CHECK(out[0] == 20 && out[1] == 30 && out[2] == 40);
    fig__resize_by(r, FIG_RESIZE_COVER, ground, &wide, 4, 4, 1, out);
    CHECK(out[0] == 20 && out[3] == 50);
    fig_picture_free(&wide);
    fig__resizer_free(r);
}

FIG_TEST(changes_depend_on_seed_epoch_and_item)
{
    const char *folder = sample_folder();
    sample_idx(sample_path(folder, "train-images-idx3-ubyte"), 3, (uint32_t[]){ 20, 6, 5 }, 0);
    sample_idx(sample_path(folder, "train-labels-idx1-ubyte"), 1, (uint32_t[]){ 20 }, 20);
    fig_data *data = opened(folder, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .low = 0, .high = 255 });
    fig_augment change = { .flip = FIG_FLIP_BOTH, .crop = 2, .rotation = 20, .scale = 0.2f, .colour = 0.2f };
    static float seen[2][15][4 * 30];
    fig_error err = { 0 };
    for (int run = 0; run < 2; run++) { /* one thread in order; three threads, placed in the middle */
        fig_loader *loader;
        const fig_batch *batch;
        CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 4, .seed = 5, .threads = run ? 3 : 1, .augment = &change },
                                &loader, &err), err);
        if (run)
            fig_loader_seek(loader, 7);
        for (int b = run ? 7 : 0; b < 15; b++) {
            CHECK_OK(fig_loader_next(loader, &batch, &err), err);
            memcpy(seen[run][b], batch->data[0], sizeof seen[run][b]);
        }
        fig_loader_free(loader);
    }
    for (int b = 7; b < 15; b++)
        CHECK(!memcmp(seen[0][b], seen[1][b], sizeof seen[0][b]));
    /* The same item in two epochs looks different. */
    uint8_t from[30], to[3][30];
    for (int i = 0; i < 30; i++)
        from[i] = (uint8_t)(i * 8);
    for (int k = 0; k < 3; k++)
        fig__change_picture(&change, &(fig__draw_key){ 5, 1, k < 2 ? 0 : 1, 3 }, from, 6, 5, 1, to[k]);
    CHECK(!memcmp(to[0], to[1], 30));
    CHECK(memcmp(to[0], to[2], 30) != 0);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(whole_pixel_changes_keep_the_bits)
{
    uint8_t from[12], to[12];
    for (int i = 0; i < 12; i++)
        from[i] = (uint8_t)(i + 1);
    int as_is = 0, mirrored = 0;
    for (uint64_t item = 0; item < 200; item++) {
        fig__change_picture(&(fig_augment){ .flip = FIG_FLIP_ACROSS }, &(fig__draw_key){ 1, 2, 3, item }, from, 3, 4, 1, to);
        as_is += !memcmp(to, from, 12);
        mirrored += !memcmp(to, "\x04\x03\x02\x01\x08\x07\x06\x05\x0c\x0b\x0a\x09", 12);
    }
    CHECK_INT(as_is + mirrored, 200);
    CHECK(as_is > 70 && mirrored > 70);
    int places[9] = { 0 };
    for (uint64_t item = 0; item < 900; item++) {
        fig__change_picture(&(fig_augment){ .crop = 1 }, &(fig__draw_key){ 1, 2, 3, item }, from, 3, 4, 1, to);
        for (int i = 0; i < 9; i++) { /* pixel (1, 1) shows where the picture was moved to */
            int source = (i / 3) * 4 + i % 3;
            places[i] += to[5] == from[source];
        }
    }
    for (int i = 0; i < 9; i++)
        CHECK(places[i] > 60);
    fig__change_picture(&(fig_augment){ .colour = 0 }, &(fig__draw_key){ 1, 2, 3, 4 }, from, 3, 4, 1, to);
    CHECK(!memcmp(from, to, 12));
    CHECK(!fig__changes_pictures(&(fig_augment){ 0 }));
    /* Turning keeps a constant picture, and values stay bytes. */
    uint8_t flat[48], turned[48];
    memset(flat, 200, sizeof flat);
    fig__change_picture(&(fig_augment){ .rotation = 180, .scale = 4 }, &(fig__draw_key){ 1, 2, 3, 4 }, flat, 4, 4, 3, turned);
    CHECK(!memcmp(flat, turned, 48));
}

FIG_TEST(standardised)
{
    const char *folder = sample_folder();
    for (int i = 0; i < 30; i++) {
        char name[40];
        snprintf(name, sizeof name, "%d.png", i);
        write_noise(sample_path(folder, name), 8, 8, i + 1);
    }
    fig_data_request request = { .kinds = FIG_DATA_IMAGES, .low = -1, .high = 1, .standardise_pictures = true, .validation = 0.2 };
    fig_data *data = opened(folder, &request);
    const fig_data_spec *spec = fig_data_get_spec(data);
    REQUIRE(spec && spec->offset);
    fig_error err = { 0 };
    for (int natural = 0; natural < 2; natural++) {
        fig_loader *loader;
        const fig_batch *batch;
        CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 24, .order = FIG_ORDER_SEQUENTIAL, .natural = natural },
                                &loader, &err), err);
        CHECK_OK(fig_loader_next(loader, &batch, &err), err);
        const float *values = batch->data[0];
        double sum[3] = { 0 }, squares[3] = { 0 };
        int count = 24 * 64 * 3;
        for (int i = 0; i < count; i++) {
            sum[i % 3] += values[i];
            squares[i % 3] += (double)values[i] * values[i];
            CHECK(!natural || (values[i] >= -1 && values[i] <= 1));
        }
        for (int c = 0; c < 3 && !natural; c++) {
            CHECK_NEAR(sum[c] * 3 / count, 0, 1e-4);
            CHECK_NEAR(squares[c] * 3 / count, 1, 1e-3);
        }
        for (int c = 0; c < 3 && natural; c++)
            CHECK_NEAR(sum[c] * 3 / count, spec->offset[c], 1e-4);
        fig_loader_free(loader);
    }
    /* through the model file, and on other data */
    char *json = fig_data_spec_to_json(spec);
    fig_data_spec *read = NULL;
    CHECK_OK(fig_data_spec_from_json(json, &read, &err), err);
    REQUIRE(read && read->offset);
    float low, high;
    fig_data_spec_range(read, &low, &high);
    CHECK(low < -1.5f && high > 1.5f);
    for (int c = 0; c < 3; c++) {
        CHECK_NEAR(read->offset[c], spec->offset[c], 0);
        CHECK_NEAR(read->scale[c], spec->scale[c], 0);
    }
    CHECK_OK(fig_data_prepare_like(data, read, &err), err);
    CHECK_NEAR(fig_data_get_spec(data)->scale[1], read->scale[1], 0);
    free(json);
    fig_data_spec_free(read);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(spec_keeps_the_policy)
{
    fig_data_spec spec = { .kind = FIG_DATA_IMAGES, .height = 4, .width = 4, .channels = 3, .low = 0, .high = 1,
                           .resize = FIG_RESIZE_FIT, .background = { 1, 2, 255 }, .test = 0.25 }, *read;
    fig_error err = { 0 };
    char *json = fig_data_spec_to_json(&spec);
    CHECK_HAS(json, "\"resize\":\"fit\"");
    CHECK_HAS(json, "\"background\":\"#0102ff\"");
    CHECK_OK(fig_data_spec_from_json(json, &read, &err), err);
    CHECK(read->resize == FIG_RESIZE_FIT && !memcmp(read->background, spec.background, 3) && read->test == 0.25);
    fig_data_spec_free(read);
    free(json);
    static const char head[] = "{\"kind\":\"images\",\"height\":4,\"width\":4,\"channels\":3,\"low\":0,\"high\":1";
    static const struct {
        const char *rest, *says;
    } bad[] = { { ",\"resize\":\"bend\"}", "resize" }, { ",\"background\":\"white\"}", "background" },
                { ",\"background\":\"#fffff\"}", "background" }, { ",\"offset\":[0,0,0]}", "belong together" },
                { ",\"offset\":[0,0,0],\"scale\":[1,0,1]}", "above 0" }, { ",\"offset\":[0,0],\"scale\":[1,1]}", "3 numbers" },
                { ",\"test\":0.9}", "test" } };
    for (size_t i = 0; i < sizeof bad / sizeof *bad; i++) {
        char text[300];
        snprintf(text, sizeof text, "%s%s", head, bad[i].rest);
        CHECK_FAILS(fig_data_spec_from_json(text, &read, &err), err, FIG_E_FORMAT, bad[i].says);
    }
    char plain[300];
    snprintf(plain, sizeof plain, "%s}", head);
    CHECK_OK(fig_data_spec_from_json(plain, &read, &err), err);
    CHECK(read->background[0] == 255 && read->background[2] == 255 && read->resize == FIG_RESIZE_COVER);
    fig_data_spec_free(read);
}

FIG_TEST(balanced_classes)
{
    const char *folder = sample_folder();
    for (int i = 0; i < 22; i++) {
        char name[40];
        snprintf(name, sizeof name, i < 20 ? "many/%d.png" : "few/%d.png", i);
        sample_png(sample_path(folder, name), 4, 4, 3, i);
    }
    fig_data *data = opened(folder, &(fig_data_request){ .kinds = FIG_DATA_IMAGES });
    fig_loader *loader;
    fig_error err = { 0 };
    const fig_batch *batch;
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 500, .order = FIG_ORDER_BALANCED, .seed = 3 }, &loader, &err), err);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    int few = 0;
    for (int i = 0; i < 500; i++)
        few += ((const int32_t *)batch->data[1])[i] == 0;
    CHECK(few > 200 && few < 300);
    CHECK_INT(batch->real_rows, 500);
    /* every picture of either class comes, those of the small one ten times as often: 125 and 12.5 times */
    int distinct = 0, times[22] = { 0 };
    const float *first[22], *values = batch->data[0];
    for (int i = 0; i < 500; i++) {
        int k = 0;
        while (k < distinct && memcmp(first[k], values + i * 48, 48 * sizeof *values) != 0)
            k++;
        if (k == 22) {
            TEST_FAIL("a picture that is not there");
            break;
        }
        if (k == distinct)
            first[distinct++] = values + i * 48;
        times[k]++;
        CHECK((((const int32_t *)batch->data[1])[i] == 0) == (((const int32_t *)batch->data[1])[(first[k] - values) / 48] == 0));
    }
    CHECK_INT(distinct, 22);
    for (int k = 0; k < distinct; k++) {
        bool of_few = ((const int32_t *)batch->data[1])[(first[k] - values) / 48] == 0;
        CHECK(of_few ? times[k] > 85 && times[k] < 165 : times[k] >= 1 && times[k] < 30);
    }
    fig_loader_free(loader);
    CHECK_OK(fig_loader_new(data, &(fig_loader_opts){ .batch = 500, .order = FIG_ORDER_REPLACEMENT, .seed = 3 }, &loader, &err), err);
    CHECK_OK(fig_loader_next(loader, &batch, &err), err);
    few = 0;
    for (int i = 0; i < 500; i++) /* as they are: one in eleven */
        few += ((const int32_t *)batch->data[1])[i] == 0;
    CHECK(few > 20 && few < 75);
    fig_loader_free(loader);
    fig_data_free(data);
    data = opened("synthetic:swissroll", &(fig_data_request){ .kinds = FIG_DATA_POINTS });
    CHECK_INT(fig_data_get_spec(data)->classes, 0);
    CHECK_FAILS(fig_loader_new(data, &(fig_loader_opts){ .batch = 5, .order = FIG_ORDER_BALANCED }, &loader, &err), err, FIG_E_USAGE,
                "no classes");
    fig_data_free(data);
    sample_folder_end(folder);
}

/* -- copies -------------------------------------------------------------------------------------------------------- */

FIG_TEST(near_and_not_near)
{
    int apart = 0;
    for (int seed = 1; seed <= 12; seed++) {
        fig_picture made = noise_picture(96, 64, seed), read = { 0 }, other = noise_picture(96, 64, seed + 1000);
        fig__fingerprint a, b, c;
        fig__fingerprint_of(&made, &a);
        unsigned long length;
        uint8_t *bytes = sample_jpeg_bytes(&made, NULL, 0, false, &length); /* compressed */
        CHECK_OK(fig__picture_decode(bytes, length, NULL, &read, NULL), (fig_error){ 0 });
        fig__fingerprint_of(&read, &b);
        CHECK(fig__fingerprints_near(&a, &b));
        free(bytes);
        fig_picture_free(&read);
        fig_picture small = { 48, 32, 3, malloc(48 * 32 * 3) }; /* and at half the size */
        fig__resizer *r = fig__resizer_new();
        fig__resize(r, &made, 32, 48, 3, small.pixels);
        fig__fingerprint_of(&small, &b);
        CHECK(fig__fingerprints_near(&a, &b));
        fig__fingerprint_of(&other, &c);
        apart += !fig__fingerprints_near(&a, &c);
        fig__resizer_free(r);
        fig_picture_free(&small);
        fig_picture_free(&made);
        fig_picture_free(&other);
    }
    CHECK_INT(apart, 12);
    /* Every size, down to one pixel. */
    for (int width = 1; width < 12; width++) {
        fig_picture tiny = sample_picture(width, 12 - width, 1, 3);
        fig__fingerprint a;
        fig__fingerprint_of(&tiny, &a);
        fig_picture_free(&tiny);
    }
}

/* Against all pairs, joined in the plainest way. */
FIG_TEST(groups_are_those_of_all_pairs)
{
    enum { COUNT = 300 };
    static fig__fingerprint prints[COUNT];
    fig__rng rng = { 7 };
    for (int i = 0; i < COUNT; i++) {
        if (i % 3 == 0)
            for (size_t k = 0; k < sizeof prints[i]; k++)
                ((uint8_t *)&prints[i])[k] = (uint8_t)fig__rng_below(&rng, 256);
        else { /* a changed copy of an earlier one: sometimes too far */
            prints[i] = prints[fig__rng_below(&rng, (uint64_t)i)];
            for (uint64_t flips = fig__rng_below(&rng, 7); flips; flips--)
                prints[i].outline ^= 1ull << fig__rng_below(&rng, 64);
            int shift = (int)fig__rng_below(&rng, 7);
            for (int k = 0; k < 192; k++)
                prints[i].thumb[k] = (uint8_t)(prints[i].thumb[k] > 200 ? 200 : prints[i].thumb[k] + shift);
        }
    }
    int32_t found[COUNT], wanted[COUNT];
    fig__group_alike(prints, COUNT, found);
    for (int i = 0; i < COUNT; i++)
        wanted[i] = i;
    for (bool changed = true; changed;) {
        changed = false;
        for (int i = 0; i < COUNT; i++)
            for (int k = 0; k < COUNT; k++)
                if (wanted[k] > wanted[i] && fig__fingerprints_near(&prints[i], &prints[k]))
                    wanted[k] = wanted[i], changed = true;
    }
    int groups = 0;
    for (int i = 0; i < COUNT; i++) {
        CHECK_INT(found[i], wanted[i]);
        groups += wanted[i] == i;
    }
    CHECK(groups > 90 && groups < 290);
}

static bool is_in(const fig_data *data, fig_split split, int32_t item)
{
    for (int64_t i = 0; i < fig_data_items(data, split); i++)
        if (fig__data_item(data, split, i) == item)
            return true;
    return false;
}

FIG_TEST(splits_keep_copies_together)
{
    const char *folder = sample_folder();
    for (int i = 0; i < 60; i++) { /* 20 pictures, each as two PNGs of different size and a JPEG */
        char name[40];
        snprintf(name, sizeof name, "%02d.%s", i, i % 3 == 2 ? "jpg" : "png");
        const char *path = sample_path(folder, name);
        if (i % 3 < 2)
            write_noise(path, i % 3 ? 80 : 40, i % 3 ? 60 : 30, 100 + i / 3);
        else {
            fig_picture picture = noise_picture(80, 60, 100 + i / 3);
            unsigned long length;
            uint8_t *bytes = sample_jpeg_bytes(&picture, NULL, 0, false, &length);
            sample_bytes(path, bytes, length);
            free(bytes);
            fig_picture_free(&picture);
        }
    }
    fig_data *data = opened(folder, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .height = 16, .validation = 0.2, .test = 0.1 });
    int64_t train = fig_data_items(data, FIG_TRAIN_SPLIT), validation = fig_data_items(data, FIG_VALIDATION_SPLIT),
            test = fig_data_items(data, FIG_TEST_SPLIT);
    CHECK_INT(train + validation + test, 60);
    CHECK(validation >= 12 && validation <= 15 && test >= 6 && test <= 9);
    for (int32_t i = 0; i < 60; i += 3)
        for (int split = 0; split < FIG_SPLITS; split++) {
            bool first = is_in(data, (fig_split)split, i);
            CHECK(first == is_in(data, (fig_split)split, i + 1) && first == is_in(data, (fig_split)split, i + 2));
        }
    fig_error err = { 0 };
    CHECK_OK(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .height = 16 }, &err), err);
    CHECK_INT(fig_data_items(data, FIG_TRAIN_SPLIT), 60);
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST(all_the_same_cannot_be_split)
{
    const char *folder = sample_folder();
    for (int i = 0; i < 10; i++) {
        char name[40];
        snprintf(name, sizeof name, "%d.png", i);
        sample_png(sample_path(folder, name), 8, 8, 3, 1);
    }
    fig_data *data = opened(folder, &(fig_data_request){ .kinds = FIG_DATA_IMAGES });
    fig_error err = { 0 };
    CHECK_FAILS(fig_data_prepare(data, &(fig_data_request){ .kinds = FIG_DATA_IMAGES, .validation = 0.2 }, &err), err, FIG_E_USAGE,
                "copies stay together");
    fig_data_free(data);
    sample_folder_end(folder);
}

FIG_TEST_MAIN
