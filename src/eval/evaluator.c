/* eval/evaluator.c - running the evaluation graph over a split and turning sums into scores
 *
 * A metric gives one value per example, or (B, T) with a mask. With s the sum of an example's values and m what it
 * counts for (1, or its mask's sum), the score is the ratio sum(s) / sum(m), and its standard error that of a ratio:
 *
 *     se^2 = n / (n - 1) * sum((s - score * m)^2) / sum(m)^2
 *
 * Sums are in double. Noise (a latent sample of the ELBO) depends on the seed and the item's number, not on the batch
 * size. A metric of many samples gives the log of a mean over some; the batch runs again, each time with the noise of another step,
 * and the means are joined in double: log((1 / passes) sum exp(value)). */
#include "eval/evaluator.h"
#include "eval/derived.h"
#include "exec/exec.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

enum { EVAL_BATCH = 64, DEFAULT_SAMPLES = 5000 };

struct fig__evaluator {
    fig_trained *trained;
    fig_store *store; /* the model's tensors, and what only the evaluation graph has */
    fig_model *model;
    fig_plan *plan;
    const char **wanted; /* NULL = all */
    int n_wanted;
    int metric[FIG_MODEL_MAX];                                   /* indices in model->metric */
    int value_output[FIG_MODEL_MAX], mask_output[FIG_MODEL_MAX]; /* mask -1 = none */
    int n_metrics;
};

/* -- choosing ------------------------------------------------------------------------------------------------------ */

static bool is_word_of(const char *words, const char *word)
{
    size_t length = strlen(word);
    for (const char *at = words; at && (at = strstr(at, word)); at += length)
        if ((at == words || at[-1] == ' ') && (at[length] == ' ' || !at[length]))
            return true;
    return false;
}

bool fig__metric_gives(const fig_metric_decl *metric, const char *name)
{
    return !strcmp(metric->name, name) || is_word_of(metric->derive, name);
}

static bool wants(const fig__evaluator *e, const char *name)
{
    for (int i = 0; i < e->n_wanted; i++)
        if (!strcmp(e->wanted[i], name))
            return true;
    return !e->n_wanted;
}

static fig_status check_names(const fig__evaluator *e, fig_error *err)
{
    const fig_model *m = e->model;
    for (int k = 0; k < e->n_wanted; k++) {
        bool known = false;
        char list[400] = "";
        size_t used = 0;
        for (int i = 0; i < m->n_metrics; i++) {
            const fig_metric_decl *d = &m->metric[i];
            known |= fig__metric_gives(d, e->wanted[k]);
            if (used + 120 < sizeof list)
                used += (size_t)snprintf(list + used, sizeof list - used, "%s%.40s%s%.60s", used ? " " : "", d->name,
                                         d->derive ? " " : "", d->derive ? d->derive : "");
        }
        if (!known)
            return fig_fail(err, FIG_E_NOT_FOUND, "recipe %s has no metric \"%.60s\"; it has: %s",
                            e->trained->recipe->name, e->wanted[k], used ? list : "none");
    }
    return FIG_OK;
}

/* A costly metric is computed for its own name only, not for what is derived from it. */
static bool wants_any(const fig__evaluator *e, const fig_metric_decl *d)
{
    for (int i = 0; i < e->n_wanted; i++)
        if (d->on_request ? !strcmp(d->name, e->wanted[i]) : fig__metric_gives(d, e->wanted[i]))
            return true;
    return !e->n_wanted && !d->on_request;
}

fig_status fig__evaluator_new(fig_trained *t, const char *const *metrics, fig__evaluator **out, fig_error *err)
{
    *out = NULL;
    fig__evaluator *e = fig__alloc(sizeof *e);
    e->trained = t;
    while (metrics && metrics[e->n_wanted])
        e->n_wanted++;
    e->wanted = fig__alloc(sizeof *e->wanted * (size_t)(e->n_wanted + 1));
    for (int i = 0; i < e->n_wanted; i++)
        e->wanted[i] = metrics[i];
    fig_status status =
        fig__model_build(t->recipe, t->options, t->data, FIG_FOR_EVALUATION, EVAL_BATCH, &e->model, err);
    if (status == FIG_OK)
        status = check_names(e, err);
    if (status == FIG_OK)
        status = fig__store_above(t->store, &e->store, err);
    if (status == FIG_OK)
        status = fig__model_initialise(e->model, e->store, t->seed, err);
    fig_node outputs[2 * FIG_MODEL_MAX];
    int n_outputs = 0;
    for (int i = 0; status == FIG_OK && i < e->model->n_metrics; i++) {
        const fig_metric_decl *d = &e->model->metric[i];
        if (!wants_any(e, d))
            continue;
        int k = e->n_metrics++;
        e->metric[k] = i;
        e->value_output[k] = n_outputs;
        outputs[n_outputs++] = d->value;
        e->mask_output[k] = fig_is_none(d->mask) ? -1 : n_outputs;
        if (!fig_is_none(d->mask))
            outputs[n_outputs++] = d->mask;
    }
    if (status == FIG_OK && e->n_metrics)
        status = fig_plan_compile(
            e->model->graph, e->store,
            &(fig_plan_opts){
                .outputs = outputs, .n_outputs = n_outputs, .state_prefix = t->state_prefix, .share = t->share },
            &e->plan, err);
    if (status != FIG_OK) {
        fig__evaluator_free(e);
        return status;
    }
    *out = e;
    return FIG_OK;
}

void fig__evaluator_free(fig__evaluator *e)
{
    if (!e)
        return;
    fig_plan_free(e->plan);
    fig_store_free(e->store);
    fig__model_free(e->model);
    free(e->wanted);
    free(e);
}

int fig__evaluator_metrics(const fig__evaluator *e) { return e->n_metrics; }

/* -- running ------------------------------------------------------------------------------------------------------- */

typedef struct running {
    fig__evaluator *e;
    const fig__eval_run *run;
    fig_loader *loader[8];
    int n_loaders;
    const fig_batch *batch[8];
    fig__sums sums[FIG_MODEL_MAX];
    double joined[FIG_MODEL_MAX][EVAL_BATCH]; /* metrics of many samples: log of the sum over passes */
    int64_t items;
} running;

static int set_of(const running *r, const char *key)
{
    for (int i = 0; i < r->run->n_data; i++)
        if (!strcmp(r->run->data[i].key, key))
            return i;
    return 0;
}

static fig_status feed(running *r, fig_error *err)
{
    const fig_model *m = r->e->model;
    for (int i = 0; i < m->n_inputs; i++) {
        const fig_input_decl *d = &m->input[i].decl;
        fig_type to_type, from_type;
        void *to = fig_plan_input(r->e->plan, d->name, &to_type);
        if (!to)
            continue;
        if (d->feed != FIG_FEED_LOADER)
            return fig_fail(err, FIG_E_FAILED, "input \"%s\" of the evaluation is not read from data", d->name);
        const void *from = fig_batch_field(r->batch[set_of(r, d->data)], d->field, &from_type);
        if (!from || fig__bytes(&from_type) != fig__bytes(&to_type))
            return fig_fail(err, FIG_E_SHAPE, "input \"%s\": the data have no such field of this size", d->name);
        memcpy(to, from, fig__bytes(&to_type));
    }
    return FIG_OK;
}

/* Bytes of text that the targets of a row stand for: the denominator of bits per byte. */
static double target_bytes(const running *r, int row, const float *mask, int64_t width)
{
    const fig_tokenizer *tokenizer = r->e->trained->data->tokenizer;
    fig_type type;
    const int32_t *tokens = fig_batch_field(r->batch[0], "tokens", &type);
    if (!tokens || !tokenizer || type.rank != 2 || type.dim[1] != width + 1)
        return 0;
    double bytes = 0;
    for (int64_t t = 0; t < width; t++) {
        int length;
        if (fig_tokenizer_piece(tokenizer, tokens[row * type.dim[1] + t + 1], &length))
            bytes += length * (mask ? (double)mask[row * width + t] : 1);
    }
    return bytes;
}

/* How often a batch runs for metric k: once, or until its samples are reached. */
static int64_t passes_of(const running *r, int k)
{
    int samples = r->e->model->metric[r->e->metric[k]].samples;
    int64_t wanted = r->run->samples > 0 ? r->run->samples : DEFAULT_SAMPLES;
    return samples > 0 ? (wanted + samples - 1) / samples : 1;
}

static double add_logs(double a, double b)
{
    double high = fmax(a, b), low = fmin(a, b);
    return high == -INFINITY ? high : high + log1p(exp(low - high));
}

static fig_status run_passes(running *r, uint64_t first_row, fig_error *err)
{
    int64_t most = 1;
    for (int k = 0; k < r->e->n_metrics; k++)
        most = passes_of(r, k) > most ? passes_of(r, k) : most;
    for (int64_t pass = most - 1; pass >= 0; pass--) { /* the first pass last: its outputs are what plain metrics read */
        if (r->run->cancelled && r->run->cancelled(r->run->user))
            return fig_fail(err, FIG_E_INTERRUPTED, "the evaluation was stopped");
        FIG_TRY(fig_plan_run(r->e->plan,
                             &(fig_run_opts){ .seed = r->run->seed, .step = (uint64_t)pass, .first_row = first_row }, err));
        for (int k = 0; k < r->e->n_metrics; k++) {
            if (pass >= passes_of(r, k))
                continue;
            const float *value = fig_plan_output(r->e->plan, r->e->value_output[k], NULL);
            for (int row = 0; row < EVAL_BATCH && passes_of(r, k) > 1; row++)
                r->joined[k][row] = pass == passes_of(r, k) - 1 ? (double)value[row] : add_logs(r->joined[k][row], (double)value[row]);
        }
    }
    return FIG_OK;
}

static void add_row(running *r, int k, int row)
{
    fig__sums *sums = &r->sums[k];
    fig_type type;
    int64_t passes = passes_of(r, k);
    const float *value = fig_plan_output(r->e->plan, r->e->value_output[k], &type);
    const float *mask = r->e->mask_output[k] < 0 ? NULL : fig_plan_output(r->e->plan, r->e->mask_output[k], NULL);
    int64_t width = type.rank == 2 ? type.dim[1] : 1;
    double s = 0, m = 0;
    for (int64_t t = 0; t < width; t++) {
        double w = mask ? (double)mask[row * width + t] : 1;
        if (w != 0)
            s += w * (passes > 1 ? r->joined[k][row] - log((double)passes) : (double)value[row * width + t]);
        m += w;
    }
    sums->s += s;
    sums->m += m;
    sums->ss += s * s;
    sums->sm += s * m;
    sums->mm += m * m;
    sums->n++;
    if (type.rank == 2)
        sums->bytes += target_bytes(r, row, mask, width);
}

static fig_status run_batches(running *r, fig_error *err)
{
    const fig__eval_run *run = r->run;
    int64_t batches = fig_loader_epoch_batches(r->loader[0]), all = fig_data_items(run->data[0].data, run->split);
    int64_t wanted = run->count && run->count < all ? run->count : all;
    for (int64_t b = 0; b < batches && r->items < wanted; b++) {
        for (int i = 0; i < r->n_loaders; i++)
            FIG_TRY(fig_loader_next(r->loader[i], &r->batch[i], err));
        FIG_TRY(feed(r, err));
        FIG_TRY(run_passes(r, (uint64_t)(b * EVAL_BATCH), err));
        fig_type type;
        const float *weight = fig_batch_field(r->batch[0], "weight", &type);
        for (int row = 0; row < r->batch[0]->rows && r->items < wanted; row++) {
            if (weight && weight[row] == 0)
                continue;
            for (int k = 0; k < r->e->n_metrics; k++)
                add_row(r, k, row);
            r->items++;
        }
        if (run->progress)
            run->progress(run->user, (double)(b + 1) / (double)batches);
    }
    return FIG_OK;
}

static void put_protocol(const running *r, int k, char *out, size_t size)
{
    const fig_metric_decl *d = &r->e->model->metric[r->e->metric[k]];
    const fig_data_spec *spec = r->e->trained->data;
    char shape[64] = "", draws[40] = "";
    if (d->samples > 0)
        snprintf(draws, sizeof draws, ",samples=%lld", (long long)(passes_of(r, k) * d->samples));
    if (spec->kind == FIG_DATA_IMAGES)
        snprintf(shape, sizeof shape, ",%dx%dx%d in %g..%g", spec->height, spec->width, spec->channels,
                 (double)spec->low, (double)spec->high);
    else if (spec->kind == FIG_DATA_TEXT)
        snprintf(shape, sizeof shape, ",window=%d,stride=%d", spec->context, spec->context);
    snprintf(out, size, "%s/1%s%.60s%s%s,split=%s,items=%lld,seed=%llu%s%.24s", d->name,
             d->protocol && *d->protocol ? "," : "", d->protocol ? d->protocol : "", draws, shape,
             fig__split_names[r->run->split], (long long)r->items, (unsigned long long)r->run->seed,
             r->run->note ? "," : "", r->run->note ? r->run->note : "");
}

static bool is_there(const fig_score *scores, int count, const char *name)
{
    for (int i = 0; i < count; i++)
        if (!strcmp(scores[i].name, name))
            return true;
    return false;
}

/* Two means may make the same of themselves (the bits of a bound and of a tighter one); a name stands once, for the first. */
static void put_scores(const running *r, fig_score *scores, int max, int *count)
{
    *count = 0;
    for (int k = 0; k < r->e->n_metrics; k++) {
        const fig_metric_decl *d = &r->e->model->metric[r->e->metric[k]];
        fig_score base = { .higher_is_better = d->higher_is_better };
        snprintf(base.name, sizeof base.name, "%s", d->name);
        snprintf(base.unit, sizeof base.unit, "%s", d->unit ? d->unit : "");
        snprintf(base.split, sizeof base.split, "%s", fig__split_names[r->run->split]);
        put_protocol(r, k, base.protocol, sizeof base.protocol);
        fig__score_mean(&r->sums[k], &base);
        if (wants(r->e, d->name) && *count < max)
            scores[(*count)++] = base;
        for (int i = 0; fig__derived[i].name; i++) {
            if (!is_word_of(d->derive, fig__derived[i].name) || *count >= max || is_there(scores, *count, fig__derived[i].name))
                continue;
            if (!wants(r->e, fig__derived[i].name) && !wants(r->e, d->name)) /* who asks for a mean gets what is made of it */
                continue;
            fig_score score = base;
            score.higher_is_better = false;
            snprintf(score.name, sizeof score.name, "%s", fig__derived[i].name);
            snprintf(score.unit, sizeof score.unit, "%s", fig__derived[i].unit);
            fig__derived[i].derive(&r->sums[k], r->e->trained->data, &base, &score);
            scores[(*count)++] = score;
        }
    }
}

fig_status fig__evaluator_run(fig__evaluator *e, const fig__eval_run *run, fig_score *scores, int max, int *count,
                              fig_error *err)
{
    *count = 0;
    if (!e->n_metrics)
        return FIG_OK;
    running *r = fig__alloc(sizeof *r);
    r->e = e;
    r->run = run;
    fig_status status = FIG_OK;
    for (int i = 0; i < run->n_data && i < 8 && status == FIG_OK; i++) {
        status = fig_loader_new(
            run->data[i].data,
            &(fig_loader_opts){
                .split = run->split, .order = FIG_ORDER_SEQUENTIAL, .batch = EVAL_BATCH, .key = run->data[i].key, .still = true },
            &r->loader[i], err);
        r->n_loaders += status == FIG_OK;
    }
    if (status == FIG_OK)
        status = run_batches(r, err);
    if (status == FIG_OK)
        put_scores(r, scores, max, count);
    for (int i = 0; i < r->n_loaders; i++)
        fig_loader_free(r->loader[i]);
    free(r);
    return status;
}
