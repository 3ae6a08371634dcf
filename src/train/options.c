/* train/options.c - the training option table
 *
 * Every row has a name, range and one sentence; flags, help, run files and messages all come from here. Rows that a
 * phase may set for itself are written once, in PHASE_ROWS, and placed twice. Recipes have tables of their own; no
 * name may stand in both (a test holds that). */
#include "train/options.h"
#include "train/optimizer.h"
#include "train/schedule.h"

/* clang-format off */
#define PHASE_ROWS(AT) \
    { "lr", FIG_FLOAT, AT(lr), 1e-3, 0, 1e3, "learning rate" }, \
    { "optimizer", FIG_CHOICE, AT(optimizer), 0, 0, 0, "how gradients move weights", \
      .choices = FIG__OPTIMIZER_CHOICES }, \
    { "beta1", FIG_FLOAT, AT(beta1), 0.9, 0, 0.999999, "adam, adamw: decay of the mean of gradients" }, \
    { "beta2", FIG_FLOAT, AT(beta2), 0.999, 0, 0.9999999, "adam, adamw: decay of the mean of squared gradients" }, \
    { "eps", FIG_FLOAT, AT(eps), 1e-8, 1e-30, 1, "adam, adamw, rmsprop: added to the root of the mean square" }, \
    { "momentum", FIG_FLOAT, AT(momentum), 0, 0, 0.999999, "sgd, rmsprop: share of the last update in the next" }, \
    { "nesterov", FIG_BOOL, AT(nesterov), 0, 0, 0, "sgd: look ahead along the momentum" }, \
    { "decay_rate", FIG_FLOAT, AT(decay_rate), 0.99, 0, 0.9999999, "rmsprop: decay of the mean square" }, \
    { "weight_decay", FIG_FLOAT, AT(weight_decay), 0, 0, 10, \
      "pull of weights towards zero (adamw: apart from the gradient)" }, \
    { "decay_all", FIG_BOOL, AT(decay_all), 0, 0, 0, "weight decay on biases and gains as well" }, \
    { "clip", FIG_FLOAT, AT(clip), 0, 0, 1e9, "longest gradient, as norm over all weights of a phase; 0 = no limit" }, \
    { "clip_value", FIG_FLOAT, AT(clip_value), 0, 0, 1e9, "largest element of a gradient; 0 = no limit" }
/* clang-format on */

#define AT_PHASE(field) offsetof(fig__phase_options, field)
#define AT_TRAIN(field) offsetof(fig__train_options, phase.field)
#define AT(field) offsetof(fig__train_options, field)

const fig_option fig__phase_options_table[] = {
    PHASE_ROWS(AT_PHASE),
    { "times", FIG_INT, AT_PHASE(times), 0, 0, 1000, "updates in a round; 0 = as the recipe says" },
    { 0 },
};

const fig_option fig__train_options_table[] = {
    { "batch", FIG_INT, AT(batch), 64, 1, 1 << 20, "examples per step" },
    { "steps", FIG_INT, AT(steps), 0, 0, 1e12, "rounds to train; 0 = as many as the epochs have" },
    { "epochs", FIG_INT, AT(epochs), 10, 0, 1e9, "passes over the data; 0 = as many as the steps make" },
    { "minutes", FIG_FLOAT, AT(minutes), 0, 0, 1e7, "stop early after this time, at a logged step; 0 = no limit" },
    { "cpu_minutes", FIG_FLOAT, AT(cpu_minutes), 0, 0, 1e7,
      "stop early after so much processor time of all threads together, at a logged step; 0 = no limit" },
    PHASE_ROWS(AT_TRAIN),
    { "schedule", FIG_CHOICE, AT(schedule), 0, 0, 0, "how the learning rate moves", .choices = FIG__SCHEDULE_CHOICES },
    { "warmup", FIG_INT, AT(warmup), 0, 0, 1e9, "steps in which the learning rate rises from zero" },
    { "lr_end", FIG_FLOAT, AT(lr_end), 0, 0, 1, "linear, cosine: share of the learning rate left at the end" },
    { "decay_steps", FIG_INT, AT(decay_steps), 0, 0, 1e12,
      "linear, cosine: step at which the end is reached; 0 = the last" },
    { "drop_every", FIG_INT, AT(drop_every), 1000, 1, 1e12, "step: steps between two drops of the learning rate" },
    { "drop_factor", FIG_FLOAT, AT(drop_factor), 0.5, 0, 1, "step: factor of a drop" },
    { "accumulate", FIG_INT, AT(accumulate), 1, 1, 65536, "batches whose gradients make one step" },
    { "ema", FIG_FLOAT, AT(ema), 0, 0, 0.9999999,
      "decay of the moving average of weights that is used and saved; 0 = none" },
    { "ema_warm", FIG_BOOL, AT(ema_warm), 1, 0, 0, "let the moving average follow faster in the beginning" },
    { "seed", FIG_INT, AT(seed), 1, 0, 9007199254740992.0, "seed of weights, order and noise" },
    { "precision", FIG_CHOICE, AT(precision), 0, 0, 0, "bf16: operands of products and stored activations in bf16", .choices = "f32 bf16" },
    { "memory_budget", FIG_TEXT, AT(memory_budget), 0, 0, 0,
      "most memory that the step may take (weights, moments, gradients, activations): activations are computed again instead of kept "
      "until it fits; none = as much as it likes", .fallback_text = "none", .metavar = "SIZE" },
    { "threads", FIG_INT, AT(threads), 0, 0, 1024, "threads that compute; 0 = what the machine gives" },
    { "validation", FIG_FLOAT, AT(validation), -1, -1, 0.5,
      "share of the data kept aside for validation; -1 = as the recipe says" },
    { "test", FIG_FLOAT, AT(test), 0, 0, 0.5, "share of the data kept aside for a test split, where they have none" },
    { "resize", FIG_CHOICE, AT(resize), 0, 0, 0,
      "pictures of another shape: cut to cover the size, made to fit into it, stretched, or only cut",
      .choices = "cover fit stretch crop" },
    { "background", FIG_TEXT, AT(background), 0, 0, 0,
      "what lies below transparent pictures and beside those made to fit: white, black, grey or #rrggbb",
      .fallback_text = "white", .metavar = "COLOUR" },
    { "standardise", FIG_BOOL, AT(standardise), 0, 0, 0,
      "pictures: each channel to mean 0 and deviation 1 over the training split; saved with the model and undone in samples" },
    { "random_flip", FIG_CHOICE, AT(random_flip), 0, 0, 0, "training pictures mirrored at random: left-right, top-bottom, both",
      .choices = "none across down both" },
    { "random_crop", FIG_INT, AT(random_crop), 0, 0, 4096, "training pictures moved at random by up to so many pixels" },
    { "random_rotation", FIG_FLOAT, AT(random_rotation), 0, 0, 180, "training pictures turned at random by up to so many degrees" },
    { "random_scale", FIG_FLOAT, AT(random_scale), 0, 0, 4,
      "training pictures enlarged or shrunk at random by a factor of up to 1 + this" },
    { "random_colour", FIG_FLOAT, AT(random_colour), 0, 0, 1,
      "training pictures' brightness, contrast and saturation changed at random by up to this share" },
    { "epoch_steps", FIG_INT, AT(epoch_steps), 0, 0, 1e9, "rounds of an epoch; 0 = a pass over the data" },
    { "data_order", FIG_CHOICE, AT(data_order), 0, 0, 0, "order of examples",
      .choices = "shuffled sequential replacement balanced" },
    { "drop_last", FIG_BOOL, AT(drop_last), 1, 0, 0, "leave out the last, smaller batch of an epoch" },
    { "workers", FIG_INT, AT(workers), 1, 1, 64, "threads that read data" },
    { "log_every", FIG_TEXT, AT(log_every), 0, 0, 0,
      "how often losses are written down: 100, \"2 epochs\", \"5 minutes\", never", .fallback_text = "auto",
      .metavar = "CADENCE" },
    { "sample_every", FIG_TEXT, AT(sample_every), 0, 0, 0, "how often samples are drawn", .fallback_text = "auto",
      .metavar = "CADENCE" },
    { "eval_every", FIG_TEXT, AT(eval_every), 0, 0, 0, "how often the validation split is scored",
      .fallback_text = "auto", .metavar = "CADENCE" },
    { "checkpoint_every", FIG_TEXT, AT(checkpoint_every), 0, 0, 0, "how often everything is saved",
      .fallback_text = "5 minutes", .metavar = "CADENCE" },
    { "keep", FIG_TEXT, AT(keep), 0, 0, 0, "checkpoints that stay: all, \"last 3\", best, \"last 2 best\"",
      .fallback_text = "last 2 best", .metavar = "WHICH" },
    { "snapshots", FIG_INT, AT(snapshots), 0, 0, 1000,
      "models kept along the way, at equal distances and at the last step, for scores over time: models/step-N.safetensors" },
    { "watch", FIG_TEXT, AT(watch), 0, 0, 0, "metric that chooses the best model; empty = the recipe's first",
      .fallback_text = "", .metavar = "METRIC" },
    { "eval_items", FIG_INT, AT(eval_items), 0, 0, 1e12,
      "items scored while training; 0 = the whole validation split" },
    { "sample_rows", FIG_INT, AT(sample_rows), 8, 1, 100, "rows of a sample sheet" },
    { "sample_columns", FIG_INT, AT(sample_columns), 8, 1, 100, "columns of a sample sheet" },
    { "sample_gap", FIG_INT, AT(sample_gap), 2, 0, 100, "pixels between the pictures of a sheet" },
    { "sample_zoom", FIG_INT, AT(sample_zoom), 0, 0, 32, "times that a sheet's pictures are enlarged; 0 = chosen" },
    { "sample_seed", FIG_INT, AT(sample_seed), 1, 0, 9007199254740992.0, "seed of the sample sheets" },
    { "sample_length", FIG_INT, AT(sample_length), 500, 1, 1000000, "tokens of a text sample" },
    { "early_stopping.patience", FIG_INT, AT(early_stopping.patience), 0, 0, 1e6,
      "evaluations without a better score after which training stops; 0 = never" },
    { "early_stopping.min_delta", FIG_FLOAT, AT(early_stopping.min_delta), 0, 0, 1e9,
      "smallest change that counts as better" },
    { "plateau.factor", FIG_FLOAT, AT(plateau.factor), 0.5, 0, 1, "schedule plateau: factor of the learning rate" },
    { "plateau.patience", FIG_INT, AT(plateau.patience), 3, 1, 1e6,
      "schedule plateau: evaluations without a better score before a drop" },
    { "plateau.min_delta", FIG_FLOAT, AT(plateau.min_delta), 0, 0, 1e9,
      "schedule plateau: smallest change that counts as better" },
    { "nan_policy.action", FIG_CHOICE, AT(nan_policy.action), 0, 0, 0, "what follows a value that is not finite",
      .choices = "stop roll_back" },
    { "nan_policy.limit", FIG_INT, AT(nan_policy.limit), 3, 1, 1000, "roll_back: most times that it is tried" },
    { 0 },
};

const fig_option *fig_train_option_table(void) { return fig__train_options_table; }
