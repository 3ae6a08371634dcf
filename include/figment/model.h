/* figment/model.h - the contract between a model family and everything that runs it
 *
 * A recipe describes and never runs: its `build` is called on a fresh graph for each purpose (training, evaluation,
 * sampling) and declares inputs, states, phases, metrics and samplers there. Weights are found by name, so all of these
 * graphs share them. Trainer, evaluator and sampler do the rest. */
#ifndef FIGMENT_MODEL_H
#define FIGMENT_MODEL_H

#include <figment/data.h>
#include <figment/layers.h>
#include <figment/option.h>

#ifdef __cplusplus
extern "C" {
#endif

typedef struct fig_model fig_model;

typedef enum fig_purpose {
    FIG_FOR_TRAINING,   /* declare phases (and metrics that are logged); layers are in training mode */
    FIG_FOR_EVALUATION, /* declare metrics; layers are in inference mode */
    FIG_FOR_SAMPLING    /* declare samplers; layers are in inference mode; no data is fed */
} fig_purpose;

/* -- the recipe's record ----------------------------------------------------------------------------------------------- */

/* A named set of settings: "latent=20 likelihood=bernoulli lr=1e-3 batch=128 epochs=10" - recipe and training options. */
typedef struct fig_preset {
    const char *name, *summary, *settings;
    unsigned data_kinds;  /* the kinds it is the default for (0 = only by name) */
    const char *data;     /* what it was made for, e.g. "mnist"; shown, not enforced */
    double minutes;       /* on two cores, measured; 0 = not measured */
    const char *log_line; /* plain progress instead of the recipe's; NULL = the recipe's */
} fig_preset;

typedef struct fig_recipe {
    const char *name, *summary, *paper, *help; /* help: a paragraph */
    unsigned data_kinds;
    const fig_option *options; /* ends with {0} */
    size_t options_size;
    const fig_preset *presets; /* ends with {0}; the first is the default where no data_kinds match */
    /* What to ask of the data, seeing what was found. */
    fig_status (*request)(const void *options, const fig_data_info *found, fig_data_request *request, fig_error *err);
    fig_status (*build)(fig_model *model, const void *options, const fig_data_spec *data, fig_error *err);
    /* Optional: one warning per line about settings that train badly (linear critic ...); heap text or NULL. */
    char *(*advise)(const void *options, const fig_data_spec *data);
    const char *networks; /* "generator discriminator": scopes whose weights are counted apart; as the paper names them */
    const char *log_line; /* plain progress: "Epoch: {epoch}, Step: {step}, Gen Loss: {loss.generator:.4f}"; NULL = default */
} fig_recipe;
FIG_API const fig_recipe *fig_recipe_find(const char *name);
FIG_API const fig_recipe *fig_recipe_at(int index); /* NULL after the last */

/* -- what a build may ask and declare -------------------------------------------------------------------------------------- */

FIG_API fig_graph *fig_model_graph(fig_model *model);
FIG_API fig_purpose fig_model_purpose(const fig_model *model);
FIG_API int64_t fig_model_batch(const fig_model *model); /* B */
/* Initialiser used where a layer says FIG_INIT_DEFAULT: Glorot uniform with zero bias unless set before the layers. */
FIG_API void fig_model_default_init(fig_model *model, fig_init weight, fig_init bias);

/* Where an input's rows come from. */
typedef enum fig_feed {
    FIG_FEED_LOADER,  /* a field of the data set: "image" "label" "tokens" "point" */
    FIG_FEED_POOL,    /* rows drawn from a pool of earlier values of `from` (replay, image history), each new row
                         replacing an old one with probability 1/2 */
    FIG_FEED_SAMPLER  /* rows made by this model's sampler `from` at the start of every round (roll-outs) */
} fig_feed;
typedef struct fig_input_decl {
    const char *name;  /* unique; for loader feeds also the field unless .field is set */
    fig_feed feed;
    fig_type type;     /* with the batch axis; rank 0 = from the data spec (loader feeds) */
    const char *field; /* loader: the field's name */
    const char *data;  /* loader: which data set ("" = the only one, else the A of --data A=PATH) */
    fig_node from;     /* pool: the value that fills it; its type is the input's */
    int64_t labelled;  /* loader: rows of so many examples only, the same number of each class, chosen by the seed; 0 = of all */
    const char *sampler;
    int pool;          /* rows in the pool */
} fig_input_decl;
/* The usual case: a field of the only data set. Pictures (B, H, W, C), tokens i32 (B, context + 1), points (B, D). */
FIG_API fig_node fig_model_input(fig_model *model, const char *field);
FIG_API fig_node fig_model_input_declare(fig_model *model, const fig_input_decl *decl);
/* N(0, 1) of shape (B, width). */
FIG_API fig_node fig_model_noise(fig_model *model, int64_t width);
/* 1 for rows that count, 0 for rows that fill up a batch: (B). */
FIG_API fig_node fig_model_weight(fig_model *model);

/* Variational dropout of the layers so far (fig_linear_opts.noise); scalars, or FIG_NONE where no weight has noise. KL in nats of what
 * is known of all those weights from what was before the data: a bound per example has one part in as many as there are examples
 * (fig_data_spec.items). Sparsity: the share of them of which only noise is left (log alpha above 3); those with a noise of their own
 * are 0 outside of training. */
FIG_API fig_node fig_model_weight_kl(fig_model *model);
FIG_API fig_node fig_model_sparsity(fig_model *model);

/* A state: what outlives a step. */
typedef enum fig_reset { FIG_RESET_NEVER, FIG_RESET_SEQUENCE, FIG_RESET_EPOCH, FIG_RESET_STAGE } fig_reset;
typedef enum fig_combine { FIG_COMBINE_MEAN, FIG_COMBINE_SUM, FIG_COMBINE_FIRST } fig_combine; /* over ranks */
typedef struct fig_state_decl {
    const char *name; /* under the current scope */
    fig_type type;
    fig_init init;
    bool trained, exported;
    fig_reset reset;
    fig_combine combine;
} fig_state_decl;
FIG_API fig_node fig_model_state(fig_model *model, const fig_state_decl *decl);

/* A number that the host sets each step: from `start` to `end` in a line over `steps` steps, then constant. Controllers
 * may change it. */
FIG_API fig_node fig_model_ramp(fig_model *model, const char *name, double start, double end, double steps);

/* A phase: one loss, the weights it moves, and when. Phases of one stage run in order of declaration, each seeing the
 * weights that the one before has left (`simultaneous` on the first: all gradients are taken before any update). A value
 * used by two phases is computed once unless it depends on weights changed in between. */
typedef struct fig_phase {
    const char *name;
    fig_node loss;           /* (B), or (B, T) with mask; the trainer weights and averages */
    fig_node mask;           /* (B, T), optional */
    const char *trains;      /* scopes, blank-separated; NULL = every trained state */
    int times, every;        /* 1, 1: repeated `times` in a round, in every `every`-th round */
    int64_t from, until;     /* rounds; until 0 = for ever */
    bool simultaneous;
    const char *stage;       /* NULL = the only one */
    const char *settings;    /* defaults of phases.NAME.*: "lr=2e-4 beta1=0.5"; what the user sets wins */
    double rate;             /* its learning rate is so many times lr (two time-scales, Heusel et al. 2017); 0 = once */
    float clip_weights;      /* after the update, clamp the trained weights to [-c, c]; 0 = no (Wasserstein clipping) */
} fig_phase;
FIG_API fig_status fig_model_phase(fig_model *model, const fig_phase *phase, fig_error *err);
/* Ordered stages with the step at which each ends (0 = never); without this call there is one. */
typedef struct fig_stage { const char *name; int64_t steps; } fig_stage;
FIG_API fig_status fig_model_stages(fig_model *model, const fig_stage *stages, int count, fig_error *err);
/* A named value per example (B) or scalar, averaged and logged with a phase ("kl", "accuracy_real"). */
FIG_API void fig_model_log(fig_model *model, const char *phase, const char *name, fig_node value);

/* A metric of evaluation: per example (B), or (B, T) with mask; averaged over the split. */
typedef struct fig_metric_decl {
    const char *name;    /* from DESIGN section 5: "elbo" "reconstruction" "cross_entropy" ... */
    fig_node value, mask;
    const char *unit;    /* "nats/item" */
    bool higher_is_better;
    const char *protocol; /* what pins it besides split and count: "grey-bernoulli,samples=1" */
    int samples;          /* 0; else the value is the log of a mean over so many draws of the model's noise (B), and is taken again with
                           * fresh noise until fig_eval_opts.samples are in the mean. The protocol names how many */
    bool on_request;      /* costly: computed only when it is named */
    const char *derive;   /* also reported from the mean, with it and by name: "perplexity bits_per_byte bits_per_dim"; NULL = none */
} fig_metric_decl;
FIG_API void fig_model_metric(fig_model *model, const fig_metric_decl *metric);

/* A sampler: a step graph and the host loop that drives it. */
typedef enum fig_loop {
    FIG_LOOP_ONCE,     /* output (B, ...) in one run */
    FIG_LOOP_SCHEDULE, /* `steps` runs; per-step scalars from `table` (steps x scalars) are set before each */
    FIG_LOOP_TOKEN,    /* logits (B, V) -> one token per row, fed back into `token`, at `position` */
    FIG_LOOP_RASTER,   /* the same over the elements of a picture, in raster order or in `order` */
    FIG_LOOP_BEAM      /* token with the `beam` best prefixes kept */
} fig_loop;
typedef struct fig_sampler_decl {
    const char *name; /* the first declared is the default */
    fig_loop loop;
    fig_node output;          /* ONCE and SCHEDULE: the sample (last run); TOKEN, RASTER, BEAM: logits (B, V) */
    fig_node token, position; /* i32 (B) inputs of the token loops, made by fig_input */
    int64_t length;           /* token loops: longest sequence that the step graph can hold */
    fig_node made, finish;    /* RASTER: an i32 (B, length) input made by fig_input, which receives all of a sample's tokens, and the
                               * sample made of it in one more run; none = tokens are grey levels */
    const int32_t *order;     /* RASTER: the element made at each of the `length` steps; NULL = one after the other. Copied */
    fig_node label;           /* optional i32 (B) input made by fig_input: the class of each row, -1 = none */
    bool unlabelled;          /* it can be told no class */
    int steps, scalars;       /* SCHEDULE */
    const char *const *scalar_names;
    const float *table;       /* copied */
    const char *input;        /* fed from data: name of an input ("image" for reconstructions), NULL = none */
    bool codes;               /* ONCE: makes codes (B, Z), not data: saved as points, in no unit and of no class */
    bool as_trained;          /* ONCE: training sees what is sampled here, as a GAN's generator does. With `ema`, batch norm's
                               * statistics are then taken anew for the averaged weights: those of the last weights do not fit them.
                               * Asked of the first sampler that is declared where they are taken (train/standing.c) */
} fig_sampler_decl;
FIG_API void fig_model_sampler(fig_model *model, const fig_sampler_decl *sampler);

/* Another model used inside this one: its weights are read from `path` into states under scope `name` when training
 * begins, and are saved inside this model's file from then on. */
typedef struct fig_part { const char *name, *path; bool frozen; } fig_part;
FIG_API void fig_model_part(fig_model *model, const fig_part *part);

#ifdef __cplusplus
}
#endif
#endif
