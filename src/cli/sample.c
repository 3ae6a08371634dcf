/* cli/sample.c - new pictures, points and text from a trained model */
#include "cli/command.h"
#include <stdlib.h>
#include <string.h>

typedef struct sample_options {
    int64_t count, seed, length, top_k, threads;
    double temperature, top_p;
    char *sampler, *prompt, *output, *class_name, *steps, *guidance, *set;
    bool greedy, tune, json;
    int weights;
} sample_options;

static const fig_option sample_option_table[] = {
    { "n", FIG_INT, offsetof(sample_options, count), 0, 0, 1e7, "samples; 0 = 64 pictures, 1,000 points, 1 text",
      .short_name = 'n' },
    { "seed", FIG_INT, offsetof(sample_options, seed), 1, 0, 9e15, "sample i depends on the seed and i only",
      .short_name = 's' },
    { "output", FIG_TEXT, offsetof(sample_options, output),
      .help = "by its ending: .png a sheet, .txt .csv .npy .json; a folder gets a file a sample, and a folder a class; - is "
              "standard output for text and JSON (default sample.png; text goes to standard output)",
      .metavar = "FILE|DIR/", .short_name = 'o' },
    { "prompt", FIG_TEXT, offsetof(sample_options, prompt), .help = "text to go on from", .metavar = "TEXT",
      .short_name = 'p' },
    { "length", FIG_INT, offsetof(sample_options, length), 0, 0, 1e8, "tokens of text to make; 0 = 500" },
    { "temperature", FIG_FLOAT, offsetof(sample_options, temperature), 1, 0, 100,
      "below 1 safer, above 1 wilder; 0 = greedy" },
    { "top_k", FIG_INT, offsetof(sample_options, top_k), 0, 0, 1e7,
      "draw from the k most likely tokens; 0 = from all" },
    { "top_p", FIG_FLOAT, offsetof(sample_options, top_p), 1, 0, 1,
      "draw from the smallest set with this probability" },
    { "greedy", FIG_BOOL, offsetof(sample_options, greedy), .help = "always take the most likely token" },
    { "class", FIG_TEXT, offsetof(sample_options, class_name),
      .help = "classes by name or number, taken in turn; none = of no class; default: all in turn", .metavar = "NAME,..." },
    { "guidance", FIG_TEXT, offsetof(sample_options, guidance),
      .help = "how strongly samples are pushed towards their class: 1 = as learned, 2 to 5 = clearer and less varied", .metavar = "X" },
    { "steps", FIG_TEXT, offsetof(sample_options, steps),
      .help = "steps of diffusion and flows, instead of the model's sample_steps", .metavar = "N" },
    { "set", FIG_TEXT, offsetof(sample_options, set),
      .help = "a setting of the recipe that no weight depends on; may be repeated", .metavar = "NAME=VALUE" },
    { "sampler", FIG_TEXT, offsetof(sample_options, sampler),
      .help = "one of the recipe's samplers; default: its first", .metavar = "NAME" },
    { "weights", FIG_CHOICE, offsetof(sample_options, weights), FIG_WEIGHTS_F32,
      .help = "how products read the weights: as trained, or from a copy in half or a quarter of the bytes, which makes text "
              "faster and changes it a little",
      .choices = FIG_WEIGHTS_CHOICES },
    { "threads", FIG_INT, offsetof(sample_options, threads), 0, 0, 1024, "threads; 0 = what the machine allows",
      .short_name = 't' },
    { "tune", FIG_BOOL, offsetof(sample_options, tune),
      .help = "choose kernels by measuring, and write which beside the result (OUT.kernels.txt); otherwise by the fixed table, which gives "
              "the same bits everywhere" },
    { "json", FIG_BOOL, offsetof(sample_options, json),
      .help = "one JSON document \"figment.samples/1\" on standard output" },
    { 0 },
};

static bool stream_piece(void *user, int64_t sample, const char *bytes, int length)
{
    (void)user;
    (void)sample;
    return fwrite(bytes, 1, (size_t)length, stdout) == (size_t)length && fflush(stdout) == 0;
}

/* Several texts one after another, each under its number. */
static void print_texts(const fig_samples *samples)
{
    for (int64_t i = 0, n = fig_samples_count(samples); i < n; i++) {
        int64_t length = 0;
        const char *text = fig_samples_text(samples, i, &length);
        printf("--- sample %lld ---\n", (long long)i);
        fwrite(text ? text : "", 1, text ? (size_t)length : 0, stdout);
        putchar('\n');
    }
}

/* --tune: the kernels that were measured and used, in a file beside the result. */
static fig_status record_kernels(fig_cli *cli, fig_session *session, const char *path, fig_error *err)
{
    size_t length = strlen(path);
    while (length > 1 && path[length - 1] == '/')
        length--;
    char *file = malloc(length + sizeof ".kernels.txt"), *table = fig_session_kernels(session);
    fig_status status = file ? FIG_OK : fig_fail(err, FIG_E_LIMIT, "out of memory");
    if (file) {
        memcpy(file, path, length);
        memcpy(file + length, ".kernels.txt", sizeof ".kernels.txt");
        status = cli_write_text(file, table, true, err);
    }
    if (status == FIG_OK)
        cli_say(cli, "Wrote", "%s: the kernels that were measured", file);
    free(file);
    free(table);
    return status;
}

/* "NAME=VALUE" of --set, --steps and --guidance: heap texts, ending with NULL. */
static void collect_settings(const fig_arguments *given, char *out[FIG_MAX_WORDS + 3])
{
    const sample_options *o = given->values;
    const char *set[FIG_MAX_WORDS + 1];
    int count = cli_arguments_list(given, "set", set);
    for (int i = 0; i < count; i++)
        out[i] = cli_join("%s", set[i]);
    if (o->steps)
        out[count++] = cli_join("sample_steps=%s", o->steps);
    if (o->guidance)
        out[count++] = cli_join("guidance=%s", o->guidance);
    out[count] = NULL;
}

/* Samples step by step, so that there is something to show meanwhile. */
static fig_status make(fig_cli *cli, fig_trained *model, const fig_sample_opts *opts, fig_sampler **out, fig_error *err)
{
    fig_status status = fig_sampler_new(model, opts, out, err);
    for (bool finished = false; status == FIG_OK && !finished;) {
        status = fig_sampler_next(*out, &finished, err);
        if (!opts->piece)
            cli_progress_fraction(cli, "sampling", fig_sampler_done(*out));
    }
    cli_progress_clear(cli);
    return status;
}

static fig_status draw(fig_cli *cli, const fig_arguments *given, fig_trained *model, fig_error *err)
{
    const sample_options *o = given->values;
    fig_data_kind kind = fig_trained_data(model)->kind;
    bool text = kind == FIG_DATA_TEXT, to_stdout = o->json || (o->output ? !strcmp(o->output, "-") : text);
    if (!text && (o->prompt || o->length || o->greedy || o->top_k || o->weights))
        return fig_fail(err, FIG_E_USAGE, "%s does not make text; leave --prompt, --length, --greedy, --top-k and --weights out",
                        given->word[0]);
    if (!text && to_stdout && !o->json)
        return fig_fail(err, FIG_E_USAGE,
                        "only text goes to standard output; write pictures with -o FILE.png, or add --json");
    int64_t count = o->count ? o->count : text ? 1 : kind == FIG_DATA_POINTS ? 1000 : 64;
    bool stream = text && to_stdout && !o->json && count == 1;
    char *settings[FIG_MAX_WORDS + 3];
    collect_settings(given, settings);
    fig_sample_opts opts = { .count = count,
                             .seed = (uint64_t)o->seed,
                             .sampler = o->sampler,
                             .classes = o->class_name,
                             .settings = (const char *const *)settings,
                             .prompt = o->prompt,
                             .length = o->length,
                             .temperature = o->temperature,
                             .greedy = o->greedy || o->temperature < 1e-6,
                             .top_k = (int)o->top_k,
                             .top_p = o->top_p,
                             .weights = (fig_weights)o->weights,
                             .piece = stream ? stream_piece : NULL,
                             .user = cli };
    fig_sampler *sampler = NULL;
    fig_status status = make(cli, model, &opts, &sampler, err);
    const fig_samples *samples = sampler ? fig_sampler_samples(sampler) : NULL;
    const char *path = o->output ? o->output : "sample.png";
    if (status != FIG_OK) {
        /* nothing to write */
    } else if (o->json) {
        status = cli_print_document(cli, fig_samples_json(samples), true, given->word[0], err);
    } else if (stream) {
        putchar('\n');
    } else if (to_stdout) {
        print_texts(samples);
    } else {
        status = fig_samples_save(samples, path, err);
        char number[32];
        if (status == FIG_OK)
            cli_say(cli, "Wrote", "%s: %s sample%s, seed %lld", path, cli_count_text(count, number),
                    count == 1 ? "" : "s", (long long)o->seed);
    }
    fig_sampler_free(sampler);
    for (int i = 0; settings[i]; i++)
        free(settings[i]);
    return status;
}

static fig_status sample_run(fig_cli *cli, const fig_arguments *given, fig_error *err)
{
    const sample_options *o = given->values;
    fig_session *session = NULL;
    fig_trained *model = NULL;
    FIG_TRY(cli_session_open(cli, o->threads, o->tune, &session, err));
    fig_status status = fig_load(session, given->word[0], &model, err);
    if (status == FIG_OK)
        status = draw(cli, given, model, err);
    if (status == FIG_OK && o->tune && o->output && strcmp(o->output, "-"))
        status = record_kernels(cli, session, o->output, err);
    fig_trained_free(model);
    fig_session_free(session);
    return status;
}

const fig_command fig_command_sample = {
    .name = "sample",
    .summary = "make new pictures, points or text with a trained model",
    .usage = "RUN|MODEL",
    .help = "Needs the model file and nothing else. The same seed gives the same samples, however many are drawn.",
    .examples = "figment sample runs/clothes -n 64 -o clothes.png\n"
                "figment sample runs/words --prompt \"hacker /n./\" --length 800 --temperature 0.8\n"
                "figment sample runs/clothes -n 1000 -o clothes/\n"
                "figment sample runs/clothes -n 1 --json\n"
                "figment sample runs/digits --class 3,8 --guidance 2 --steps 20",
    .options = sample_option_table,
    .options_size = sizeof(sample_options),
    .repeatable = "set",
    .least = 1,
    .most = 1,
    .computes = true,
    .run = sample_run,
};
