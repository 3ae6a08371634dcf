/* train/feeds.c - filling a plan's inputs before each run
 *
 * Each data set has one loader; inputs that read the same set see the same batch. A plan that runs several times in a
 * round takes a new batch each time. Inputs of a few labelled examples have a second loader beside it, of those examples alone.
 *
 * A pool (Shrivastava et al. 2017) holds rows that an earlier plan of the round has computed. Until it is full, new
 * rows go in and out; then each new row is, with probability 1/2, swapped against a random old one. Which, is a
 * function of (seed, input, round, time in the round, row). Its rows are a saved state, "pool/INPUT", its fill "pool/INPUT/#". */
#include "train/feeds.h"
#include "train/trainer.h"

#include <stdlib.h>
#include <string.h>

typedef struct pool {
    void *rows;      /* (batch, ...): what the plan is fed */
    size_t row;      /* bytes */
    int state, fill; /* store entries */
} pool;

struct fig__feeds {
    fig_trainer *t;
    const fig_model *m;
    fig_loader *loader[FIG__MAX_DATA];
    const fig_batch *batch[FIG__MAX_DATA];
    fig_loader *few[FIG__MAX_DATA]; /* of a few labelled examples */
    const fig_batch *few_batch[FIG__MAX_DATA];
    pool pool[FIG_MODEL_MAX];            /* by input */
    fig_sampler *sampler[FIG_MODEL_MAX]; /* by input */
    uint64_t filled_random[64];          /* plans whose inputs hold random data already */
    int n_filled;
};

static int set_of(const fig_trainer *t, const char *key)
{
    for (int i = 0; i < t->n_data; i++)
        if (!strcmp(t->data[i].key, key) || (t->n_data == 1 && !*key))
            return i;
    return -1;
}

/* -- making -------------------------------------------------------------------------------------------------------- */

static fig_status open_loader(fig__feeds *f, int set, int64_t labelled, fig_error *err)
{
    if (labelled ? f->few[set] : f->loader[set])
        return FIG_OK;
    const fig_trainer *t = f->t;
    const fig__train_options *o = &t->settings.train;
    int64_t items = fig_data_items(t->data[set].data, FIG_TRAIN_SPLIT);
    fig_augment augment = { .flip = (fig_flip)o->random_flip,
                            .crop = (int)o->random_crop,
                            .rotation = (float)o->random_rotation,
                            .scale = (float)o->random_scale,
                            .colour = (float)o->random_colour };
    fig_loader_opts opts = { .split = FIG_TRAIN_SPLIT,
                             .order = (fig_order)o->data_order,
                             .batch = (int)o->batch,
                             .seed = (uint64_t)o->seed,
                             .drop_last = o->drop_last,
                             .threads = (int)o->workers,
                             .augment = &augment,
                             .key = t->data[set].key };
    if (items < o->batch)
        opts.drop_last = false; /* a set smaller than one batch: rows of weight 0 fill it up */
    if (!labelled)
        return fig_loader_new(t->data[set].data, &opts, &f->loader[set], err);
    /* All rows are real, whatever their number; every example as often as the others where a batch has room for no more. */
    char *key = fig__format("%s/labelled", t->data[set].key);
    opts.key = key;
    opts.labelled = labelled;
    opts.order = labelled < o->batch ? FIG_ORDER_REPLACEMENT : FIG_ORDER_SHUFFLED;
    opts.drop_last = true;
    fig_status status = fig_loader_new(t->data[set].data, &opts, &f->few[set], err);
    free(key);
    return status;
}

static fig_status open_pool(fig__feeds *f, int i, fig_error *err)
{
    const fig_input_decl *d = &f->m->input[i].decl;
    pool *p = &f->pool[i];
    p->row = fig__bytes(&d->type) / (size_t)d->type.dim[0];
    p->rows = fig__alloc(fig__bytes(&d->type));
    fig_type type = d->type, fill = { .dtype = FIG_I32, .rank = 1, .dim = { 2 } };
    type.dim[0] = d->pool > 0 ? d->pool : 1;
    char *name = fig__format("pool/%s", d->name), *counter = fig__format("pool/%s/#", d->name);
    fig_status status = fig_store_add(f->t->store, name, &type, FIG__SAVED, err);
    if (status == FIG_OK)
        status = fig_store_add(f->t->store, counter, &fill, FIG__SAVED, err);
    p->state = fig_store_find(f->t->store, name);
    p->fill = fig_store_find(f->t->store, counter);
    free(name);
    free(counter);
    return status;
}

static fig_status open_sampler(fig__feeds *f, int i, fig_error *err)
{
    const fig_input_decl *d = &f->m->input[i].decl;
    fig_sample_opts opts = { .count = d->type.dim[0],
                             .batch = (int)d->type.dim[0],
                             .sampler = d->sampler,
                             .seed = 1,
                             .length = d->type.rank == 2 ? d->type.dim[1] : 0 };
    return fig__sampler_new(&f->t->view, &opts, true, &f->sampler[i], err);
}

static fig_status open_feeds(fig__feeds *f, fig_error *err)
{
    for (int i = 0; i < f->m->n_inputs; i++) {
        const fig_input_decl *d = &f->m->input[i].decl;
        if (d->feed == FIG_FEED_POOL)
            FIG_TRY(open_pool(f, i, err));
        if (d->feed != FIG_FEED_LOADER || f->t->random_data || !strcmp(d->field, "weight"))
            continue;
        int set = set_of(f->t, d->data);
        if (set < 0)
            return fig_fail(err, FIG_E_USAGE, "recipe %s reads a data set \"%s\"; give it with --data %s=PATH",
                            f->t->settings.recipe->name, d->data, d->data);
        FIG_TRY(open_loader(f, set, d->labelled, err));
    }
    return FIG_OK;
}

fig_status fig__feeds_new(fig_trainer *t, fig__feeds **out, fig_error *err)
{
    *out = NULL;
    fig__feeds *f = fig__alloc(sizeof *f);
    f->t = t;
    f->m = t->round->model;
    fig_status status = open_feeds(f, err);
    if (status != FIG_OK) {
        fig__feeds_free(f);
        return status;
    }
    *out = f;
    return FIG_OK;
}

void fig__feeds_free(fig__feeds *f)
{
    if (!f)
        return;
    for (int i = 0; i < FIG__MAX_DATA; i++) {
        fig_loader_free(f->loader[i]);
        fig_loader_free(f->few[i]);
    }
    for (int i = 0; i < FIG_MODEL_MAX; i++) {
        free(f->pool[i].rows);
        fig_sampler_free(f->sampler[i]);
    }
    free(f);
}

int64_t fig__feeds_epoch_batches(const fig__feeds *f)
{
    if (f->t->random_data)
        return 60000 / f->t->settings.train.batch + 1;
    for (int i = 0; i < FIG__MAX_DATA; i++)
        if (f->loader[i])
            return fig_loader_epoch_batches(f->loader[i]);
    return 0;
}

static unsigned used_by(const fig__feeds *f, fig_plan *plan, bool labelled)
{
    unsigned used = 0;
    for (int i = 0; i < f->m->n_inputs; i++) {
        const fig_input_decl *d = &f->m->input[i].decl;
        int set = f->t->random_data ? 0 : set_of(f->t, d->data);
        fig_type type;
        if (d->feed == FIG_FEED_LOADER && set >= 0 && strcmp(d->field, "weight") && labelled == (d->labelled > 0) &&
            fig_plan_input(plan, d->name, &type))
            used |= 1u << set;
    }
    return used;
}

unsigned fig__feeds_used(const fig__feeds *f, fig_plan *plan) { return used_by(f, plan, false); }

void fig__feeds_seek(fig__feeds *f)
{
    for (int i = 0; i < FIG__MAX_DATA; i++)
        if (f->loader[i])
            fig_loader_seek(f->loader[i], (uint64_t)f->t->state.drawn[i]);
    for (int i = 0; i < FIG__MAX_DATA; i++)
        if (f->few[i])
            fig_loader_seek(f->few[i], (uint64_t)f->t->state.few[i]);
}

/* -- filling ------------------------------------------------------------------------------------------------------- */

static const void *field_of(const fig_batch *batch, const char *name, size_t bytes)
{
    fig_type type;
    const void *data = fig_batch_field(batch, name, &type);
    return data && fig__bytes(&type) == bytes ? data : NULL;
}

/* Fixed random data: values in the data's range, labels and tokens below their bounds, weights 1. */
static void fill_random(const fig__feeds *f, const fig_input_decl *d, void *to, const fig_type *type)
{
    const fig_data_spec *spec = f->t->spec;
    int64_t n = fig__count(type);
    fig__rng rng = { fig__hash64(d->name, strlen(d->name), 3) };
    uint64_t bound = (uint64_t)(strcmp(d->field, "tokens") ? spec->classes : spec->vocabulary);
    for (int64_t i = 0; i < n; i++)
        if (type->dtype == FIG_I32)
            ((int32_t *)to)[i] = (int32_t)fig__rng_below(&rng, bound ? bound : 1);
        else
            ((float *)to)[i] =
                strcmp(d->field, "weight") ? spec->low + (spec->high - spec->low) * (float)fig__rng_uniform(&rng) : 1;
}

static fig_status fill_one(fig__feeds *f, int i, fig_plan *plan, fig_error *err)
{
    const fig_input_decl *d = &f->m->input[i].decl;
    fig_type type;
    void *to = fig_plan_input(plan, d->name, &type);
    if (!to)
        return FIG_OK;
    size_t bytes = fig__bytes(&type);
    if (d->feed == FIG_FEED_POOL) {
        memcpy(to, f->pool[i].rows, bytes);
        return FIG_OK;
    }
    if (d->feed == FIG_FEED_SAMPLER) {
        const fig_samples *made = fig_sampler_samples(f->sampler[i]);
        if (!made->values || fig__bytes(&made->type) != bytes)
            return fig_fail(err, FIG_E_SHAPE, "input \"%s\": sampler \"%s\" makes values of another size", d->name,
                            d->sampler);
        memcpy(to, made->values, bytes);
        return FIG_OK;
    }
    if (f->t->random_data) {
        fill_random(f, d, to, &type);
        return FIG_OK;
    }
    bool is_weight = !strcmp(d->field, "weight");
    int set = is_weight ? 0 : set_of(f->t, d->data);
    while (is_weight && set + 1 < FIG__MAX_DATA && !f->batch[set]) /* that of the first set the plan reads */
        set++;
    const fig_batch *batch = d->labelled ? f->few_batch[set] : f->batch[set];
    if (!batch && is_weight) { /* a plan that reads no data: every row counts */
        for (int64_t k = 0; k < fig__count(&type); k++)
            ((float *)to)[k] = 1;
        return FIG_OK;
    }
    const void *from = batch ? field_of(batch, d->field, bytes) : NULL;
    if (!from)
        return fig_fail(err, FIG_E_SHAPE, "input \"%s\": the data have no field \"%s\" of %zu bytes a batch", d->name,
                        d->field, bytes);
    memcpy(to, from, bytes);
    return FIG_OK;
}

/* Random inputs stay where they are between runs, so that a benchmark measures no copying. */
static bool random_already(fig__feeds *f, const fig_plan *plan)
{
    uint64_t key = (uint64_t)(uintptr_t)plan;
    for (int i = 0; i < f->n_filled; i++)
        if (f->filled_random[i] == key)
            return true;
    if (f->n_filled < 64)
        f->filled_random[f->n_filled++] = key;
    return false;
}

fig_status fig__feeds_fill(fig__feeds *f, fig_plan *plan, fig_error *err)
{
    if (f->t->random_data && random_already(f, plan))
        return FIG_OK;
    unsigned used = used_by(f, plan, false), few = used_by(f, plan, true);
    for (int set = 0; set < FIG__MAX_DATA; set++) {
        f->batch[set] = f->few_batch[set] = NULL;
        if (used >> set & 1 && !f->t->random_data) {
            FIG_TRY(fig_loader_next(f->loader[set], &f->batch[set], err));
            f->t->state.drawn[set]++;
        }
        if (few >> set & 1 && !f->t->random_data) {
            FIG_TRY(fig_loader_next(f->few[set], &f->few_batch[set], err));
            f->t->state.few[set]++;
        }
    }
    for (int i = 0; i < f->m->n_inputs; i++)
        FIG_TRY(fill_one(f, i, plan, err));
    return FIG_OK;
}

/* -- pools and roll-outs ------------------------------------------------------------------------------------------- */

void fig__feeds_pool(fig__feeds *f, int input, const void *rows, int nth)
{
    const fig_input_decl *d = &f->m->input[input].decl;
    pool *p = &f->pool[input];
    char *held = fig_store_data(f->t->store, p->state);
    int32_t *filled = fig_store_data(f->t->store, p->fill);
    int64_t capacity = fig_store_type(f->t->store, p->state)->dim[0];
    uint64_t stream = fig__hash64(d->name, strlen(d->name), 11);
    memcpy(p->rows, rows, fig__bytes(&d->type));
    for (int64_t row = 0; row < d->type.dim[0]; row++) {
        char *fresh = (char *)p->rows + (size_t)row * p->row;
        if (filled[0] < capacity) {
            memcpy(held + (size_t)filled[0]++ * p->row, fresh, p->row);
            continue;
        }
        uint32_t bits[4];
        fig__philox((uint64_t)f->t->settings.train.seed, stream, (uint64_t)(f->t->state.step + f->t->state.noise_skip),
                    (uint64_t)nth << 32 | (uint64_t)row, bits);
        if (bits[0] & 1)
            continue;
        char *old = held + (size_t)(bits[1] % (uint64_t)capacity) * p->row;
        for (size_t i = 0; i < p->row; i++) {
            char byte = old[i];
            old[i] = fresh[i];
            fresh[i] = byte;
        }
    }
}

fig_status fig__feeds_roll_out(fig__feeds *f, fig_error *err)
{
    for (int i = 0; i < f->m->n_inputs; i++) {
        if (f->m->input[i].decl.feed != FIG_FEED_SAMPLER)
            continue;
        if (!f->sampler[i])
            FIG_TRY(open_sampler(f, i, err));
        uint32_t bits[4];
        uint64_t stream = fig__hash64(f->m->input[i].decl.name, strlen(f->m->input[i].decl.name), 13);
        fig__philox((uint64_t)f->t->settings.train.seed, stream, (uint64_t)(f->t->state.step + f->t->state.noise_skip),
                    0, bits);
        FIG_TRY(fig__sampler_restart(f->sampler[i], (uint64_t)bits[0] << 32 | bits[1], err));
        FIG_TRY(fig__sampler_finish(f->sampler[i], NULL, NULL, err));
    }
    return FIG_OK;
}
