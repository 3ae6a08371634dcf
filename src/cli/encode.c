/* cli/encode.c - `encode` and `decode`: one half of an autoencoder alone, over a whole data set or a file of codes
 *
 * Rows are read as they are wanted, so the data need not fit into memory; the result does. */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

typedef struct coding_options {
    char *output, *split;
    int64_t count, threads;
    bool json;
} coding_options;

#define OUTPUT_ROW(text)                                                                                    \
    { "output", FIG_TEXT, offsetof(coding_options, output), .help = text, .metavar = "FILE|DIR/", .short_name = 'o' }
#define SHARED_ROWS                                                                                         \
    { "n", FIG_INT, offsetof(coding_options, count), 0, 0, 1e12, "rows; 0 = all", .short_name = 'n' },      \
        { "threads", FIG_INT, offsetof(coding_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows", .short_name = 't' }, \
        { "json", FIG_BOOL, offsetof(coding_options, json), .help = "a summary as JSON \"figment.codes/1\" on standard output" }

static const fig_option encode_option_table[] = {
    OUTPUT_ROW("the codes, by its ending: .npy .csv .json (default codes.npy)"),
    { "split", FIG_TEXT, offsetof(coding_options, split), .help = "train, validation or test; default: all, in this order",
      .metavar = "SPLIT" },
    SHARED_ROWS,
    { 0 },
};
static const fig_option decode_option_table[] = {
    OUTPUT_ROW("what the codes stand for, by its ending: .png a sheet, .csv .npy .json; or a folder (default decoded.png)"),
    SHARED_ROWS,
    { 0 },
};

/* -- rows of a data set, one split after the other ------------------------------------------------------------------------ */

typedef struct rows {
    fig_cli *cli;
    fig_data *data;
    fig_loader *loader;
    const fig_batch *batch;
    int split, last_split, used; /* used: rows of the batch that are done */
    const char *field;
    int64_t row; /* numbers in one */
} rows;

static fig_status open_split(rows *r, fig_error *err)
{
    fig_loader_free(r->loader);
    r->loader = NULL;
    r->batch = NULL;
    while (r->split <= r->last_split && fig_data_items(r->data, (fig_split)r->split) == 0)
        r->split++;
    if (r->split > r->last_split)
        return fig_fail(err, FIG_E_FAILED, "the data ended early");
    const fig_loader_opts opts = { .split = (fig_split)r->split, .order = FIG_ORDER_SEQUENTIAL, .batch = 256, .threads = 1, .still = true };
    return fig_loader_new(r->data, &opts, &r->loader, err);
}

/* The next row's numbers. */
static fig_status next_row(rows *r, const float **out, fig_error *err)
{
    while (!r->loader || !r->batch || r->used == r->batch->real_rows) {
        if (r->batch && fig_loader_epoch_batches(r->loader) == (int64_t)r->batch->number + 1) {
            r->split++;
            FIG_TRY(open_split(r, err));
        } else if (!r->loader) {
            FIG_TRY(open_split(r, err));
        }
        FIG_TRY(fig_loader_next(r->loader, &r->batch, err));
        r->used = 0;
    }
    for (int i = 0; i < r->batch->fields; i++)
        if (!strcmp(r->batch->name[i], r->field))
            *out = (const float *)r->batch->data[i] + r->row * r->used;
    r->used++;
    return FIG_OK;
}

static fig_status read_rows(void *user, int64_t count, int64_t numbers, float *to, fig_error *err)
{
    rows *r = user;
    if (numbers != r->row)
        return fig_fail(err, FIG_E_USAGE, "rows have %lld numbers, and this model takes %lld", (long long)r->row, (long long)numbers);
    for (int64_t i = 0; i < count; i++) {
        const float *from = NULL;
        FIG_TRY(next_row(r, &from, err));
        memcpy(to + i * r->row, from, sizeof *to * (size_t)r->row);
    }
    return FIG_OK;
}

static void on_open(void *user, const char *what, double done) { cli_progress_fraction(user, what, done); }
static void on_warning(void *user, const char *message) { cli_warn(user, "%s", message); }

/* -- running one half ----------------------------------------------------------------------------------------------------- */

static fig_status run_half(fig_cli *cli, const fig_arguments *given, fig_trained *model, const char *half, rows *r, int64_t count,
                           const char *fallback, fig_error *err)
{
    const coding_options *o = given->values;
    const char *path = o->output ? o->output : fallback;
    const fig_sample_opts opts = { .count = o->count && o->count < count ? o->count : count, .seed = 1, .sampler = half,
                                   .read = read_rows, .user = r };
    fig_sampler *sampler = NULL;
    fig_status status = fig_sampler_new(model, &opts, &sampler, err);
    for (bool finished = false; status == FIG_OK && !finished;) {
        status = fig_sampler_next(sampler, &finished, err);
        cli_progress_fraction(cli, half[0] == 'e' ? "encoding" : "decoding", sampler ? fig_sampler_done(sampler) : 0);
    }
    cli_progress_clear(cli);
    const fig_samples *made = sampler ? fig_sampler_samples(sampler) : NULL;
    if (status == FIG_OK)
        status = fig_samples_save(made, path, err);
    if (status == FIG_OK) {
        fig_type type;
        fig_samples_values(made, &type);
        long long numbers = 1;
        for (int i = 1; i < type.rank; i++)
            numbers *= type.dim[i];
        char text[32];
        cli_say(cli, "Wrote", "%s: %s rows, %lld numbers of %lld each", path, cli_count_text(type.dim[0], text), numbers,
                (long long)r->row);
        if (o->json)
            printf("{\"schema\": \"figment.codes/1\", \"rows\": %lld, \"numbers\": %lld, \"numbers_before\": %lld}\n",
                   (long long)type.dim[0], numbers, (long long)r->row);
    }
    fig_sampler_free(sampler);
    return status;
}

static fig_status split_range(const char *name, rows *r, fig_error *err)
{
    static const char *const names[FIG_SPLITS] = { "train", "validation", "test" };
    r->split = 0;
    r->last_split = FIG_SPLITS - 1;
    for (int i = 0; name && i < FIG_SPLITS; i++)
        if (!strcmp(name, names[i])) {
            r->split = r->last_split = i;
            return FIG_OK;
        }
    return name ? fig_fail(err, FIG_E_USAGE, "--split %s: it is train, validation or test", name) : FIG_OK;
}

static fig_status run_command(fig_cli *cli, const fig_arguments *given, bool encode, fig_error *err)
{
    const coding_options *o = given->values;
    fig_session *session = NULL;
    fig_trained *model = NULL;
    rows r = { .cli = cli };
    FIG_TRY(split_range(o->split, &r, err));
    FIG_TRY(cli_session_open(cli, o->threads, false, &session, err));
    fig_status status = fig_load(session, given->word[0], &model, err);
    const fig_data_open_opts how = { .progress = on_open, .warn = on_warning, .user = cli };
    if (status == FIG_OK)
        status = fig_data_open(given->word[1], &how, &r.data, err);
    cli_progress_clear(cli);
    const fig_data_spec *spec = model ? fig_trained_data(model) : NULL;
    if (status == FIG_OK && encode)
        status = fig_data_prepare_like(r.data, spec, err);
    else if (status == FIG_OK)
        status = fig_data_prepare(r.data, &(fig_data_request){ .kinds = FIG_DATA_POINTS }, err);
    if (status == FIG_OK) {
        bool points = !encode || spec->kind == FIG_DATA_POINTS;
        r.field = points ? "point" : "image";
        r.row = points ? (int64_t)fig_data_get_spec(r.data)->dimensions : (int64_t)spec->height * spec->width * spec->channels;
        int64_t count = 0;
        for (int i = r.split; i <= r.last_split; i++)
            count += fig_data_items(r.data, (fig_split)i);
        if (!count)
            status = fig_fail(err, FIG_E_NOT_FOUND, "%s has no rows in this split", given->word[1]);
        else
            status = run_half(cli, given, model, encode ? "encode" : "decode", &r, count, encode ? "codes.npy" : "decoded.png", err);
    }
    fig_loader_free(r.loader);
    fig_data_free(r.data);
    fig_trained_free(model);
    fig_session_free(session);
    return status;
}

static fig_status encode_run(fig_cli *cli, const fig_arguments *given, fig_error *err) { return run_command(cli, given, true, err); }
static fig_status decode_run(fig_cli *cli, const fig_arguments *given, fig_error *err) { return run_command(cli, given, false, err); }

const fig_command fig_command_encode = {
    .name = "encode",
    .summary = "make the short codes that an autoencoder has for data",
    .usage = "RUN|MODEL DATASET|PATH",
    .help = "Runs the encoder alone, over every item: one row of numbers an item, in the data's order (train, validation, test). For "
            "models with an encoder: autoencoder, vae, vqvae (numbers of codes). How much a code loses is what figment eval says (mse, "
            "reconstruction).",
    .examples = "figment encode runs/digits mnist -o codes.npy\nfigment encode runs/faces photos/ -o codes.csv",
    .options = encode_option_table,
    .options_size = sizeof(coding_options),
    .least = 2,
    .most = 2,
    .computes = true,
    .run = encode_run,
};

const fig_command fig_command_decode = {
    .name = "decode",
    .summary = "make pictures or points from codes",
    .usage = "RUN|MODEL FILE",
    .help = "Runs the decoder alone. FILE holds one code a row, as figment encode writes them (.npy or .csv).",
    .examples = "figment decode runs/digits codes.npy -o again.png",
    .options = decode_option_table,
    .options_size = sizeof(coding_options),
    .least = 2,
    .most = 2,
    .computes = true,
    .run = decode_run,
};
