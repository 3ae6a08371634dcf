/* sample/sampler.h - inside of a sampler: a compiled step graph, a host loop that drives it, and what came out so far
 *
 * One record per host loop (loops.def): once, schedule, token, raster, beam. Sample i depends on the seed and i alone:
 * noise is numbered by the row in the whole set of samples, choices of tokens by (seed, i, position). */
#ifndef FIG_SAMPLE_SAMPLER_H
#define FIG_SAMPLE_SAMPLER_H

#include "exec/exec.h"
#include "registry/trained.h"

struct fig_samples {
    fig_data_kind kind;
    int64_t count, wanted; /* made; asked for */
    fig_type type;         /* of values: (wanted, ...) f32, or i32 for tokens without text */
    void *values;
    fig__text *text;        /* wanted entries, or NULL */
    float low, high;        /* pictures */
    double *offset, *scale; /* copied from the data spec, or NULL: points, one per column; pictures, one per channel */
    int64_t units;          /* of them */
    int columns, gap;       /* of a sheet; 0 = chosen */
    int32_t *label;         /* wanted entries: the class a sample was asked to be of, -1 = none; NULL = no classes */
    char **class_name;      /* owned; NULL = only numbers */
    int classes;
};

typedef struct fig__sample_loop fig__sample_loop;
struct fig_sampler {
    fig_trained *trained; /* borrowed */
    fig_sample_opts opts; /* prompt and sampler name copied */
    char *prompt;
    void *options;    /* the recipe's options with opts.settings in them; NULL = as trained */
    int32_t *classes; /* that opts.classes names; NULL = all in turn */
    int n_classes;
    fig_store *store; /* the model's tensors, and caches of this sampler's own */
    fig_model *model;
    bool ids; /* tokens as numbers, even where there is a tokenizer */
    const fig_sampler_decl *decl;
    const fig__sample_loop *loop;
    fig_plan *plan;
    fig_plan *finish; /* of the declaration's last run; NULL = none */
    int batch;   /* rows of the plan */
    int64_t row; /* first sample of the batch in work */
    fig_samples *samples;
    void *state; /* the loop's */
};

struct fig__sample_loop {
    const char *name;
    fig_loop loop;
    bool tokens; /* makes tokens, one at a time */
    fig_status (*begin)(fig_sampler *sampler, fig_error *err);
    fig_status (*next)(fig_sampler *sampler, bool *finished, fig_error *err);
    void (*end)(fig_sampler *sampler);
    double (*share)(const fig_sampler *sampler); /* of the batch in work that is done; NULL = 0 */
};
extern const fig__sample_loop *const fig__sample_loops[];

fig_status fig__sampler_new(fig_trained *model, const fig_sample_opts *opts, bool ids, fig_sampler **out,
                            fig_error *err);
/* Starts again from sample 0 with the weights as they are now: the samples so far are dropped, the plan is kept. */
fig_status fig__sampler_restart(fig_sampler *sampler, uint64_t seed, fig_error *err);
/* Runs to the end. */
fig_status fig__sampler_finish(fig_sampler *sampler, bool (*cancelled)(void *user), void *user, fig_error *err);
/* Gives caches and other states that are not in the model file their first values. */
void fig__sampler_reset_states(fig_sampler *sampler);
/* Reads opts.classes, once decl is known. */
fig_status fig__sampler_read_classes(fig_sampler *sampler, fig_error *err);
int32_t fig__sampler_class_of(const fig_sampler *sampler, int64_t sample);
/* Classes and rows of data into the plan's inputs, for samplers that read some. */
fig_status fig__sampler_feed(fig_sampler *sampler, fig_error *err);
/* Copies rows of a plan's output into the samples, with their classes. */
fig_status fig__sampler_take(fig_sampler *sampler, const fig_plan *plan, fig_error *err);
/* The rows' classes alone. */
void fig__sampler_take_classes(fig_sampler *sampler);

/* One token from logits (n) by temperature, top-k, top-p; `u` in [0, 1). Greedy: the first largest. scratch holds n
 * times FIG__PICK_BYTES. */
enum { FIG__PICK_BYTES = 16 };
typedef struct fig__pick {
    double temperature, top_p;
    int top_k;
    bool greedy;
} fig__pick;
int32_t fig__pick_token(const float *logits, int64_t n, const fig__pick *pick, double u, void *scratch);

fig_samples *fig__samples_new(const fig_data_spec *data, int64_t count);
/* Memory for values of one sample's type (f32 or i32), or for texts. */
fig_status fig__samples_hold(fig_samples *samples, const fig_type *one, fig_error *err);
void fig__samples_hold_text(fig_samples *samples, size_t longest);
/* One sheet of everything: pictures side by side, points as a scatter plot. */
fig_status fig__samples_sheet(const fig_samples *samples, int columns, int gap, int zoom, fig_picture *out,
                              fig_error *err);
/* points (n, 2) and more columns (the first two count) as black dots on white; limits from the points. */
fig_status fig__scatter(const float *points, int64_t n, int dimensions, int size, fig_picture *out, fig_error *err);
/* Length of the longest prefix that does not end inside a UTF-8 character. */
size_t fig__whole_utf8(const char *text, size_t length);

#endif
