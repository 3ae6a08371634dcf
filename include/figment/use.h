/* figment/use.h - using a trained model: load, sample, evaluate, free
 *
 *     fig_trained *model; fig_samples *samples;
 *     fig_load(NULL, "run/model.safetensors", &model, &err);
 *     fig_sample(model, &(fig_sample_opts){.count = 64, .seed = 1}, &samples, &err);
 *     fig_samples_save(samples, "sheet.png", &err);
 *     fig_samples_free(samples); fig_trained_free(model); */
#ifndef FIGMENT_USE_H
#define FIGMENT_USE_H

#include <figment/model.h>
#include <figment/plan.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_trained fig_trained;
typedef struct fig_samples fig_samples;
typedef struct fig_sampler fig_sampler;

/* `path` is a model file or a run folder. session NULL = one of its own. Bytes are data, never code: every size is checked. */
FIG_API fig_status fig_load(fig_session *session, const char *path, fig_trained **out, fig_error *err);
/* The same for a model of the program's own recipe, which no table lists (examples/). */
FIG_API fig_status fig_load_with(fig_session *session, const fig_recipe *recipe, const char *path, fig_trained **out, fig_error *err);
FIG_API void fig_trained_free(fig_trained *model);
FIG_API const fig_recipe *fig_trained_recipe(const fig_trained *model);
FIG_API const fig_data_spec *fig_trained_data(const fig_trained *model);
FIG_API char *fig_trained_json(const fig_trained *model); /* "figment.model/1": recipe, options, data, provenance, scores; heap text */

typedef struct fig_sample_opts {
    int64_t count;          /* samples; 0 = 1 */
    uint64_t seed;          /* sample i depends on seed and i only */
    const char *sampler;    /* NULL = the first */
    const char *const *settings; /* "guidance=3", ending with NULL: options that the recipe's table marks as .sampling */
    const char *classes;    /* of models that tell classes apart: names or numbers "cat,dog", or "none"; samples take them in turn.
                             * NULL = all classes in turn */
    const char *prompt;     /* text */
    int64_t length;         /* tokens to make; 0 = 500 */
    double temperature;     /* 0 = 1; below 1e-6 = greedy: use .greedy */
    bool greedy;
    int top_k;              /* 0 = all */
    double top_p;           /* 0 = 1 */
    int beam;               /* beam samplers: prefixes kept; 0 = 4, or count when that is more */
    fig_weights weights;    /* of products: f32; bf16 and int8 are read faster, which is what making text takes */
    int batch;              /* rows a run; 0 = chosen */
    const float *input;     /* samplers that read data: (count, ...) */
    /* instead: asked for the next rows, of so many numbers each, in order */
    fig_status (*read)(void *user, int64_t rows, int64_t numbers, float *to, fig_error *err);
    bool (*piece)(void *user, int64_t sample, const char *bytes, int length); /* text as it comes; false = stop */
    void *user;
} fig_sample_opts;
FIG_API fig_status fig_sample(fig_trained *model, const fig_sample_opts *opts, fig_samples **out, fig_error *err);
/* The same, pulled: each call makes the next batch of samples (pictures made at once), takes one of the steps in which a batch is made
 * (diffusion, flows), or makes the next token of every row (text). */
FIG_API fig_status fig_sampler_new(fig_trained *model, const fig_sample_opts *opts, fig_sampler **out, fig_error *err);
FIG_API fig_status fig_sampler_next(fig_sampler *sampler, bool *finished, fig_error *err);
FIG_API const fig_samples *fig_sampler_samples(const fig_sampler *sampler); /* what is made so far */
FIG_API double fig_sampler_done(const fig_sampler *sampler);                /* share of the work, 0 to 1 */
FIG_API void fig_sampler_free(fig_sampler *sampler);
/* Of the step graph, for benchmarks: operations and memory of one run; a table of its kernels over `runs` runs (heap text). */
FIG_API fig_plan_info fig_sampler_plan_info(const fig_sampler *sampler);
FIG_API char *fig_sampler_profile(fig_sampler *sampler, int runs);

FIG_API int64_t fig_samples_count(const fig_samples *samples);
/* Pictures and points: (count, ...) f32 in the data's own range. Text: NULL. */
FIG_API const float *fig_samples_values(const fig_samples *samples, fig_type *type);
FIG_API int fig_samples_class(const fig_samples *samples, int64_t index); /* that it was asked to be of; -1 = none */
FIG_API const char *fig_samples_text(const fig_samples *samples, int64_t index, int64_t *length);
/* By the ending: .png a contact sheet (pictures, points as a scatter plot), .txt, .csv, .npy (classes beside it, in .labels.npy),
 * .json; a folder (path ends in '/' or exists) one file per sample, in a folder for each class where there are classes. */
FIG_API fig_status fig_samples_save(const fig_samples *samples, const char *path, fig_error *err);
FIG_API char *fig_samples_json(const fig_samples *samples); /* "figment.samples/1"; heap text */
FIG_API void fig_samples_free(fig_samples *samples);

/* -- evaluation ----------------------------------------------------------------------------------------------------------- */
typedef struct fig_eval_opts {
    const char *data;           /* NULL = what the model was trained on */
    const char *const *metrics; /* NULL-terminated names; NULL = all that the recipe declares, but for costly ones; of a recipe that
                                 * declares none, those of its samples that are not costly */
    int64_t count;              /* items; 0 = the whole split */
    uint64_t seed;              /* of the noise, and of samples */
    int64_t samples;            /* bounds by importance sampling: draws per item, 0 = 5,000; metrics of samples: how many are made,
                                 * 0 = as each metric likes, 2,000 mostly */
    const char *split;          /* "test" "validation" "train"; NULL = test if there is one, else validation */
    void (*progress)(void *user, double done);
    void *user;
    bool (*cancelled)(void *user);
    void (*task)(void *user, const char *what, double done); /* the same with the name of what is done; done < 0 = unknown */
    const char *const *settings; /* of sampling, as in fig_sample_opts: the model's side, so that no protocol names them */
    const char *inception;      /* metrics of pictures: safetensors file with the weights of Inception-v3, as of pytorch-fid, whose
                                 * features are compared instead of those of the judge; NULL = the judge */
    struct fig_sampling_cost *cost; /* or NULL: set when samples are made */
} fig_eval_opts;
/* What making samples took; they are made once for all metrics. */
typedef struct fig_sampling_cost {
    int64_t samples; /* 0 = none were made */
    double seconds, cpu_seconds;
} fig_sampling_cost;
typedef struct fig_score {
    char name[48], unit[32], split[16], protocol[288];
    double value, standard_error; /* NaN = none */
    int64_t count;
    bool higher_is_better;
} fig_score;
FIG_API fig_status fig_evaluate(fig_trained *model, const fig_eval_opts *opts, fig_score *scores, int max, int *count, fig_error *err);
/* Scores of pictures from anywhere - a folder, a file that fig_data_open takes - against opts->data, by metrics of samples. */
FIG_API fig_status fig_evaluate_pictures(fig_session *session, const char *path, const fig_eval_opts *opts, fig_score *scores, int max,
                                         int *count, fig_error *err);
/* Metrics of samples, for help and docs: name, what it is, the names of its scores; NULL after the last. */
FIG_API const char *fig_sample_metric_at(int index, const char **summary, const char **scores);
/* FIG_E_CHECK with both protocols unless the two may be compared. */
FIG_API fig_status fig_scores_comparable(const fig_score *a, const fig_score *b, fig_error *err);
/* Reads "figment.eval/1" back; `model` (or NULL) receives its name. */
FIG_API fig_status fig_scores_read(const char *json, const char *where, char model[256], fig_score *scores, int max, int *count,
                                   fig_error *err);
/* "figment.eval/1"; heap text. */
FIG_API char *fig_scores_json(const char *model, const fig_score *scores, int count);

/* How a model came to be, as far as a document tells: "" and NaN are not known. */
typedef struct fig_origin {
    char recipe[48], data_name[128], data_hash[72]; /* of what it was trained on */
    double parameters, seconds, cpu_seconds;        /* of training: by the clock; processor time of all threads, measured */
    double validation, test;                        /* shares of the data kept aside */
} fig_origin;
/* From a document "figment.run/1", "figment.model/1" (fig_show_json) or "figment.eval/1". */
FIG_API void fig_origin_read(const char *json, fig_origin *out);
/* "figment.eval/1" that also tells the origin (NULL = not); heap text. */
FIG_API char *fig_scores_json_of(const char *model, const fig_origin *origin, const fig_score *scores, int count);

/* -- runs: "figment.run/1" of a run folder or "figment.model/1" of a file: what, how, scores, files; heap text -------------- */
FIG_API fig_status fig_show_json(const char *path, char **json, fig_error *err);

#ifdef __cplusplus
}
#endif
#endif
