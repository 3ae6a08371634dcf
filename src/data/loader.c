/* loader.c - batches, filled ahead of time by the loader's own threads
 *
 * Batch number b is a function of (data, options, b) alone: threads only decide when it is filled. Slots form a ring:
 *
 *     slot b % slots:  EMPTY -> FILLING (a thread claimed b) -> READY -> held until the caller's next call -> EMPTY
 *
 * There are threads + 2 slots: one the caller holds, one ready beside it, and one for each thread. All memory is
 * taken at the start. A picture that turns out broken is replaced by the next readable one of its split. Random changes
 * (augment.c) are made here, in the loader's threads, and depend on seed, epoch and item. */
#include "data/prepared.h"
#include <math.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

__extension__ typedef unsigned __int128 wide;
enum { MAX_BATCH = 1 << 20, MAX_THREADS = 64, MAX_FIELDS = 3 };

typedef enum slot_state { EMPTY, FILLING, READY } slot_state;

typedef struct batch_slot {
    slot_state state;
    uint64_t number;
    fig_batch batch;
    void *memory; /* fields one after the other */
    float *image, *point, *weight;
    int32_t *label, *tokens;
    fig_status status;
    fig_error err;
} batch_slot;

struct fig_loader {
    fig_data *data;
    fig_loader_opts opts;
    uint64_t stream;      /* hash of the key */
    int64_t items;        /* of the split */
    int64_t pass_batches; /* batches in one pass over the items */
    size_t slot_bytes;
    float low[3], step[3]; /* value of a pixel = low + step * byte, by channel */
    bool by_channel;       /* they differ */
    bool augments;
    fig_augment augment;
    int32_t *picked; /* places of the only items that are read; NULL = all */
    int32_t *class_items, *class_first; /* balanced order: items sorted by class; where each class begins, and the end */
    int class_groups;
    batch_slot *slots;
    int slot_count;
    pthread_t *threads;
    int thread_count;
    pthread_mutex_t lock; /* guards all below and the slots' states */
    pthread_cond_t changed;
    uint64_t next_claim, next_out;
    int held; /* slot that the caller reads, or -1 */
    int filling;
    bool stop, paused;
    double waited;
};

/* -- which item ---------------------------------------------------------------------------------------------------- */

static int64_t item_at(const fig_loader *loader, int64_t place)
{
    return fig__data_item(loader->data, loader->opts.split, loader->picked ? loader->picked[place] : place);
}

/* Place in the order of one batch: everything that its rows share is worked out once. */
typedef struct batch_order {
    const fig_loader *loader;
    uint64_t number, first; /* place of row 0 in its pass */
    fig__permutation order;
} batch_order;

static void begin_order(batch_order *order, const fig_loader *loader, uint64_t number)
{
    uint64_t pass = number / (uint64_t)loader->pass_batches;
    *order = (batch_order){ .loader = loader,
                            .number = number,
                            .first = number % (uint64_t)loader->pass_batches * (uint64_t)loader->opts.batch };
    if (loader->opts.order == FIG_ORDER_SHUFFLED)
        fig__permutation_init(&order->order, (uint64_t)loader->items, loader->opts.seed, loader->stream, pass);
}

static uint64_t draw(const fig_loader *loader, uint64_t number, int row, uint64_t bound)
{
    uint32_t random[4];
    fig__philox(loader->opts.seed, loader->stream, number, (uint64_t)row, random);
    return (uint64_t)(((wide)((uint64_t)random[0] << 32 | random[1]) * bound) >> 64);
}

/* First the class, then one of its items. */
static int64_t balanced_item(const fig_loader *loader, uint64_t number, int row)
{
    uint32_t random[4];
    fig__philox(loader->opts.seed, loader->stream, number, (uint64_t)row, random);
    int group = (int)((uint64_t)random[0] * (uint64_t)loader->class_groups >> 32);
    uint64_t first = (uint64_t)loader->class_first[group], count = (uint64_t)loader->class_first[group + 1] - first;
    return loader->class_items[first + (((uint64_t)random[1] * count) >> 32)];
}

/* Item of a row; *real is false for rows that only fill up the last batch of a pass (they repeat its first items). */
static int64_t row_item(const batch_order *order, int row, bool *real)
{
    const fig_loader *loader = order->loader;
    uint64_t place = order->first + (uint64_t)row, items = (uint64_t)loader->items;
    *real = true;
    if (loader->opts.order == FIG_ORDER_BALANCED)
        return balanced_item(loader, order->number, row);
    if (loader->opts.order == FIG_ORDER_REPLACEMENT)
        return (int64_t)draw(loader, order->number, row, items);
    if (place >= items) {
        *real = false;
        place %= items;
    }
    return (int64_t)(loader->opts.order == FIG_ORDER_SHUFFLED ? fig__permutation_at(&order->order, place) : place);
}

/* -- filling ------------------------------------------------------------------------------------------------------- */

static void put_label(const fig_loader *loader, batch_slot *slot, int row, fig_split from, int64_t item)
{
    const fig_data *data = loader->data;
    if (!slot->label)
        return;
    int32_t label = data->contents.labels[from] ? data->contents.labels[from][item] : -1;
    slot->label[row] = label >= 0 && data->class_map ? data->class_map[label] : label;
}

/* Sixteen at a time by interleaving with zeros (bytes to 16 and then 32 bits), because gcc converts vectors of bytes
 * to float one by one. A batch of MNIST takes some twenty microseconds. */
static void to_values(const uint8_t *restrict pixels, size_t count, float low, float step, float *restrict out)
{
    typedef uint8_t bytes __attribute__((vector_size(16)));
    typedef uint16_t halves __attribute__((vector_size(16)));
    typedef int32_t words __attribute__((vector_size(16)));
    typedef float floats __attribute__((vector_size(16)));
    size_t i = 0;
    for (; __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__ && i + 16 <= count; i += 16) {
        bytes pixel, none = { 0 };
        halves zero = { 0 };
        memcpy(&pixel, pixels + i, sizeof pixel);
        halves half[2] = {
            (halves)__builtin_shufflevector(pixel, none, 0, 16, 1, 17, 2, 18, 3, 19, 4, 20, 5, 21, 6, 22, 7, 23),
            (halves)__builtin_shufflevector(pixel, none, 8, 24, 9, 25, 10, 26, 11, 27, 12, 28, 13, 29, 14, 30, 15, 31)
        };
        for (int k = 0; k < 2; k++) {
            words word[2] = { (words)__builtin_shufflevector(half[k], zero, 0, 8, 1, 9, 2, 10, 3, 11),
                              (words)__builtin_shufflevector(half[k], zero, 4, 12, 5, 13, 6, 14, 7, 15) };
            floats value[2] = { __builtin_convertvector(word[0], floats) * step + low,
                                __builtin_convertvector(word[1], floats) * step + low };
            memcpy(out + i + 8 * (size_t)k, value, sizeof value);
        }
    }
    for (; i < count; i++)
        out[i] = (float)pixels[i] * step + low;
}

/* A still draw is numbered by the source's item, so that neither order nor a part kept aside changes it. */
static fig__binary_draw draw_of(const fig_loader *loader, uint64_t number, int row, fig_split from, int64_t item)
{
    static const char name[] = "binarise";
    bool still = loader->opts.still;
    return (fig__binary_draw){ .kind = loader->data->spec->binarise,
                               .seed = still ? 0 : loader->opts.seed,
                               .stream = fig__hash64(name, sizeof name - 1, still ? (uint64_t)from : loader->stream),
                               .step = still ? 0 : number,
                               .row = still ? (uint64_t)item : (uint64_t)row };
}

/* With replacement an item comes several times in one epoch, so there batch and row number the draw. */
static fig__draw_key change_of(const fig_loader *loader, uint64_t number, int row, fig_split from, int64_t item)
{
    static const char name[] = "augment";
    bool drawn = loader->opts.order == FIG_ORDER_REPLACEMENT || loader->opts.order == FIG_ORDER_BALANCED;
    return (fig__draw_key){ .seed = loader->opts.seed,
                            .stream = fig__hash64(name, sizeof name - 1, loader->stream + (uint64_t)from),
                            .step = drawn ? number : number / (uint64_t)loader->pass_batches,
                            .row = drawn ? (uint64_t)row : (uint64_t)item };
}

/* Channels with factors of their own, as standardised colours have. */
static void to_values_by_channel(const uint8_t *pixels, size_t count, const fig_loader *loader, float *out)
{
    size_t channels = (size_t)loader->data->spec->channels;
    for (size_t i = 0; i < count; i++)
        out[i] = (float)pixels[i] * loader->step[i % channels] + loader->low[i % channels];
}

static fig_status fill_picture(const fig_loader *loader, fig__picture_reader *reader, batch_slot *slot, int row,
                               int64_t place, uint8_t *changed, fig_error *err)
{
    fig_data *data = loader->data;
    const fig_data_spec *spec = data->spec;
    fig_split from = data->from[loader->opts.split];
    const uint8_t *pixels = NULL;
    int64_t item = 0, tries = 0;
    fig_error inner = { 0 };
    for (; !pixels && tries < loader->items; tries++) {
        item = item_at(loader, (place + tries) % loader->items);
        fig_error_clear(&inner);
        if (fig__picture_reader_get(reader, from, item, &pixels, &inner) != FIG_OK)
            pixels = NULL;
    }
    if (!pixels)
        return fig_fail(err, FIG_E_FORMAT, "%s: no picture of the %s split can be read; the last failed with: %s",
                        data->contents.info.path, fig__split_names[loader->opts.split], inner.message);
    size_t count = (size_t)spec->height * (size_t)spec->width * (size_t)spec->channels;
    float *out = slot->image + (size_t)row * count;
    if (loader->augments) {
        fig__draw_key key = change_of(loader, slot->batch.number, row, from, item);
        fig__change_picture(&loader->augment, &key, pixels, spec->height, spec->width, spec->channels, changed);
        pixels = changed;
    }
    if (spec->binarise) {
        fig__binary_draw binary = draw_of(loader, slot->batch.number, row, from, item);
        fig__binarise(pixels, count, &binary, spec->low, spec->high, out);
    } else if (loader->by_channel)
        to_values_by_channel(pixels, count, loader, out);
    else
        to_values(pixels, count, loader->low[0], loader->step[0], out);
    put_label(loader, slot, row, from, item);
    return FIG_OK;
}

static void fill_point(const fig_loader *loader, batch_slot *slot, int row, int64_t place)
{
    const fig_data *data = loader->data;
    size_t dimensions = (size_t)data->spec->dimensions;
    fig_split from = data->from[loader->opts.split];
    int64_t item = item_at(loader, place);
    memcpy(slot->point + (size_t)row * dimensions, data->points[from] + (size_t)item * dimensions,
           dimensions * sizeof(float));
    put_label(loader, slot, row, from, item);
}

static void fill_text(const fig_loader *loader, batch_slot *slot, uint64_t number, int row, int64_t place)
{
    const fig__tokens *tokens = &loader->data->tokens[loader->opts.split];
    int64_t context = loader->data->spec->context;
    int64_t start = loader->opts.order == FIG_ORDER_SEQUENTIAL
                        ? place * context
                        : (int64_t)draw(loader, number, row, (uint64_t)(tokens->count - context));
    int32_t *out = slot->tokens + (int64_t)row * (context + 1);
    int64_t here = tokens->count - start < context + 1 ? tokens->count - start : context + 1;
    if (tokens->width == 1)
        for (int64_t i = 0; i < here; i++)
            out[i] = ((const uint8_t *)tokens->ids)[start + i];
    else
        for (int64_t i = 0; i < here; i++)
            out[i] = ((const uint16_t *)tokens->ids)[start + i];
    for (int64_t i = here; i <= context; i++) /* past the end of the text: only in the last window in order */
        out[i] = -1;
}

static fig_status fill(const fig_loader *loader, fig__picture_reader *reader, uint8_t *changed, batch_slot *slot,
                       uint64_t number)
{
    batch_order order;
    begin_order(&order, loader, number);
    slot->batch.number = number;
    slot->batch.real_rows = 0;
    fig_error_clear(&slot->err);
    for (int row = 0; row < loader->opts.batch; row++) {
        bool real;
        int64_t place = row_item(&order, row, &real);
        slot->weight[row] = real ? 1 : 0;
        slot->batch.real_rows += real;
        if (slot->image)
            FIG_TRY(fill_picture(loader, reader, slot, row, place, changed, &slot->err));
        else if (slot->tokens)
            fill_text(loader, slot, number, row, place);
        else
            fill_point(loader, slot, row, place);
    }
    return FIG_OK;
}

/* -- threads ------------------------------------------------------------------------------------------------------- */

static void *work(void *user)
{
    fig_loader *loader = user;
    fig__picture_reader *reader =
        loader->data->spec->kind == FIG_DATA_IMAGES ? fig__picture_reader_new(loader->data) : NULL;
    const fig_data_spec *spec = loader->data->spec;
    uint8_t *changed = loader->augments
                           ? fig__alloc((size_t)spec->height * (size_t)spec->width * (size_t)spec->channels)
                           : NULL;
    pthread_mutex_lock(&loader->lock);
    while (!loader->stop) {
        batch_slot *slot = &loader->slots[loader->next_claim % (uint64_t)loader->slot_count];
        if (loader->paused || slot->state != EMPTY) {
            pthread_cond_wait(&loader->changed, &loader->lock);
            continue;
        }
        slot->state = FILLING;
        slot->number = loader->next_claim++;
        loader->filling++;
        pthread_mutex_unlock(&loader->lock);
        slot->status = fill(loader, reader, changed, slot, slot->number);
        pthread_mutex_lock(&loader->lock);
        slot->state = READY;
        loader->filling--;
        pthread_cond_broadcast(&loader->changed);
    }
    pthread_mutex_unlock(&loader->lock);
    fig__picture_reader_free(reader);
    free(changed);
    return NULL;
}

/* Signals are the host's business: the threads take none. */
static fig_status start_threads(fig_loader *loader, fig_error *err)
{
    sigset_t all, before;
    sigfillset(&all);
    pthread_sigmask(SIG_SETMASK, &all, &before);
    int wanted = loader->opts.threads, failed = 0;
    for (; loader->thread_count < wanted && !failed; loader->thread_count += !failed)
        failed = pthread_create(&loader->threads[loader->thread_count], NULL, work, loader);
    pthread_sigmask(SIG_SETMASK, &before, NULL);
    return loader->thread_count
               ? FIG_OK
               : fig_fail(err, FIG_E_LIMIT, "no thread for reading data can be started (%s)", strerror(failed));
}

/* -- making -------------------------------------------------------------------------------------------------------- */

static fig_status check_opts(const fig_data *data, const fig_loader_opts *opts, fig_error *err)
{
    if (!data->spec)
        return fig_fail(err, FIG_E_USAGE, "loader: the data has not been prepared; call fig_data_prepare first");
    if (opts->batch < 1 || opts->batch > MAX_BATCH || opts->threads < 0 || opts->epoch_batches < 0 ||
        (unsigned)opts->split >= FIG_SPLITS)
        return fig_fail(err, FIG_E_USAGE, "loader: a batch of %d; 1 to %d is possible", opts->batch, MAX_BATCH);
    int64_t items = opts->labelled && data->count[opts->split] ? opts->labelled : data->count[opts->split];
    if (!items)
        return fig_fail(err, FIG_E_NOT_FOUND, "%s: it has no %s split%s", data->contents.info.path,
                        fig__split_names[opts->split],
                        opts->split == FIG_VALIDATION_SPLIT ? "; keep a part aside with --set validation=0.1" : "");
    if (opts->order == FIG_ORDER_BALANCED && (!data->spec->classes || data->spec->kind == FIG_DATA_TEXT))
        return fig_fail(err, FIG_E_USAGE, "%s: its items have no classes that could be balanced; use data_order=shuffled",
                        data->contents.info.path);
    if (opts->drop_last && opts->order < FIG_ORDER_REPLACEMENT && items < opts->batch)
        return fig_fail(err, FIG_E_USAGE,
                        "%s: the %s split has %lld items, fewer than a batch of %d; use a smaller batch",
                        data->contents.info.path, fig__split_names[opts->split], (long long)items, opts->batch);
    return FIG_OK;
}

static void add_field(fig_batch *batch, const char *name, fig_dtype dtype, int rank, const int64_t *dim)
{
    int at = batch->fields++;
    batch->name[at] = name;
    batch->type[at] = (fig_type){ .dtype = dtype, .rank = rank };
    memcpy(batch->type[at].dim, dim, (size_t)rank * sizeof *dim);
}

static void describe_fields(const fig_loader *loader, fig_batch *batch)
{
    const fig_data_spec *spec = loader->data->spec;
    int64_t rows = loader->opts.batch;
    *batch = (fig_batch){ .rows = loader->opts.batch };
    if (spec->kind == FIG_DATA_IMAGES)
        add_field(batch, "image", FIG_F32, 4, (int64_t[]){ rows, spec->height, spec->width, spec->channels });
    else if (spec->kind == FIG_DATA_TEXT)
        add_field(batch, "tokens", FIG_I32, 2, (int64_t[]){ rows, spec->context + 1 });
    else
        add_field(batch, "point", FIG_F32, 2, (int64_t[]){ rows, spec->dimensions });
    if (spec->classes && spec->kind != FIG_DATA_TEXT)
        add_field(batch, "label", FIG_I32, 1, &rows);
    add_field(batch, "weight", FIG_F32, 1, &rows);
}

static fig_status make_slot(fig_loader *loader, batch_slot *slot, fig_error *err)
{
    describe_fields(loader, &slot->batch);
    size_t place[MAX_FIELDS], total = 0;
    for (int i = 0; i < slot->batch.fields; i++) {
        place[i] = total;
        size_t bytes = 4;
        for (int k = 0; k < slot->batch.type[i].rank; k++)
            bytes *= (size_t)slot->batch.type[i].dim[k];
        total += (bytes + 63) / 64 * 64;
    }
    loader->slot_bytes = total;
    FIG_TRY(fig__pages_new(total, &slot->memory, err));
    for (int i = 0; i < slot->batch.fields; i++) {
        void *data = (char *)slot->memory + place[i];
        slot->batch.data[i] = data;
        switch (slot->batch.name[i][0]) {
        case 'i':
            slot->image = data;
            break;
        case 't':
            slot->tokens = data;
            break;
        case 'p':
            slot->point = data;
            break;
        case 'l':
            slot->label = data;
            break;
        default:
            slot->weight = data;
            break;
        }
    }
    return FIG_OK;
}

static void plan_order(fig_loader *loader)
{
    int64_t batch = loader->opts.batch, whole = loader->items / batch;
    bool text_windows = loader->data->spec->kind == FIG_DATA_TEXT && loader->opts.order != FIG_ORDER_SEQUENTIAL;
    bool drop = loader->opts.drop_last || text_windows || loader->opts.order >= FIG_ORDER_REPLACEMENT;
    /* Random windows and draws are all real: a pass is only a unit of counting. */
    if (text_windows)
        loader->opts.order = FIG_ORDER_REPLACEMENT;
    loader->pass_batches = drop ? whole : (loader->items + batch - 1) / batch;
    if (loader->pass_batches < 1)
        loader->pass_batches = 1;
}

/* Items of the split sorted by class, those without one last: counted, then placed. */
static void sort_classes(fig_loader *loader)
{
    const fig_data *data = loader->data;
    fig_split from = data->from[loader->opts.split];
    const int32_t *labels = data->contents.labels[from];
    int classes = data->contents.info.classes;
    int32_t *count = fig__alloc(((size_t)classes + 2) * sizeof *count);
    for (int64_t i = 0; i < loader->items; i++) {
        int32_t label = labels ? labels[item_at(loader, i)] : -1;
        count[label < 0 ? classes : label]++;
    }
    int32_t *group = fig__alloc(((size_t)classes + 1) * sizeof *group); /* classes without items have none */
    loader->class_first = fig__alloc(((size_t)classes + 2) * sizeof *loader->class_first);
    for (int c = 0; c <= classes; c++)
        if (count[c]) {
            group[c] = loader->class_groups;
            loader->class_first[loader->class_groups + 1] = loader->class_first[loader->class_groups] + count[c];
            loader->class_groups++;
        }
    loader->class_items = fig__alloc((size_t)loader->items * sizeof *loader->class_items);
    memset(count, 0, ((size_t)classes + 2) * sizeof *count);
    for (int64_t i = 0; i < loader->items; i++) {
        int32_t label = labels ? labels[item_at(loader, i)] : -1;
        int32_t at = group[label < 0 ? classes : label];
        loader->class_items[loader->class_first[at] + count[at]++] = (int32_t)i;
    }
    free(count);
    free(group);
}

/* Bytes to values: the range, and what standardising makes of it. */
static void plan_values(fig_loader *loader)
{
    const fig_data_spec *spec = loader->data->spec;
    double step = ((double)spec->high - spec->low) / 255;
    bool standard = spec->kind == FIG_DATA_IMAGES && spec->offset && !loader->opts.natural;
    for (int c = 0; c < 3; c++) {
        int channel = c < spec->channels ? c : 0;
        loader->low[c] = (float)(standard ? (spec->low - spec->offset[channel]) / spec->scale[channel] : spec->low);
        loader->step[c] = (float)(standard ? step / spec->scale[channel] : step);
    }
    loader->by_channel = standard && spec->channels > 1;
}

fig_status fig_loader_new(fig_data *data, const fig_loader_opts *opts, fig_loader **out, fig_error *err)
{
    *out = NULL;
    FIG_TRY(check_opts(data, opts, err));
    fig_loader *loader = fig__alloc(sizeof *loader);
    loader->data = data;
    loader->opts = *opts;
    loader->opts.threads = opts->threads < 1 ? 1 : opts->threads > MAX_THREADS ? MAX_THREADS : opts->threads;
    loader->opts.key = NULL; /* the caller's; only its hash is needed */
    loader->stream =
        fig__hash64(opts->key ? opts->key : "", opts->key ? strlen(opts->key) : 0, (uint64_t)opts->split + 1);
    loader->items = data->count[opts->split];
    loader->held = -1;
    if (opts->labelled) {
        fig_status status = fig__pick_labelled(data, opts->split, opts->labelled, opts->seed, &loader->picked, err);
        if (status != FIG_OK) {
            free(loader);
            return status;
        }
        loader->items = opts->labelled;
    }
    plan_order(loader);
    plan_values(loader);
    if (loader->opts.order == FIG_ORDER_BALANCED)
        sort_classes(loader);
    if (opts->augment && data->spec->kind == FIG_DATA_IMAGES) {
        loader->augment = *opts->augment;
        loader->augments = fig__changes_pictures(opts->augment);
    }
    loader->opts.augment = NULL; /* the caller's */
    pthread_mutex_init(&loader->lock, NULL);
    pthread_cond_init(&loader->changed, NULL);
    loader->slot_count = loader->opts.threads + 2;
    loader->slots = fig__alloc((size_t)loader->slot_count * sizeof *loader->slots);
    loader->threads = fig__alloc((size_t)loader->opts.threads * sizeof *loader->threads);
    fig_status status = FIG_OK;
    for (int i = 0; i < loader->slot_count && status == FIG_OK; i++)
        status = make_slot(loader, &loader->slots[i], err);
    if (status == FIG_OK)
        status = start_threads(loader, err);
    if (status != FIG_OK) {
        fig_loader_free(loader);
        return status;
    }
    *out = loader;
    return FIG_OK;
}

void fig_loader_free(fig_loader *loader)
{
    if (!loader)
        return;
    pthread_mutex_lock(&loader->lock);
    loader->stop = true;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
    for (int i = 0; i < loader->thread_count; i++)
        pthread_join(loader->threads[i], NULL);
    for (int i = 0; i < loader->slot_count; i++)
        if (loader->slots[i].memory)
            fig__pages_free(loader->slots[i].memory, loader->slot_bytes);
    pthread_cond_destroy(&loader->changed);
    pthread_mutex_destroy(&loader->lock);
    free(loader->picked);
    free(loader->class_items);
    free(loader->class_first);
    free(loader->threads);
    free(loader->slots);
    free(loader);
}

/* -- using --------------------------------------------------------------------------------------------------------- */

int64_t fig_loader_epoch_batches(const fig_loader *loader)
{
    return loader->opts.epoch_batches ? loader->opts.epoch_batches : loader->pass_batches;
}

void fig_loader_seek(fig_loader *loader, uint64_t batch)
{
    pthread_mutex_lock(&loader->lock);
    loader->paused = true;
    while (loader->filling)
        pthread_cond_wait(&loader->changed, &loader->lock);
    for (int i = 0; i < loader->slot_count; i++)
        loader->slots[i].state = EMPTY;
    loader->held = -1;
    loader->next_claim = loader->next_out = batch;
    loader->paused = false;
    pthread_cond_broadcast(&loader->changed);
    pthread_mutex_unlock(&loader->lock);
}

const void *fig_batch_field(const fig_batch *batch, const char *name, fig_type *type)
{
    for (int i = 0; i < batch->fields; i++)
        if (!strcmp(batch->name[i], name)) {
            if (type)
                *type = batch->type[i];
            return batch->data[i];
        }
    return NULL;
}

fig_status fig_loader_next(fig_loader *loader, const fig_batch **batch, fig_error *err)
{
    *batch = NULL;
    pthread_mutex_lock(&loader->lock);
    if (loader->held >= 0) {
        loader->slots[loader->held].state = EMPTY;
        loader->held = -1;
        pthread_cond_broadcast(&loader->changed);
    }
    int at = (int)(loader->next_out % (uint64_t)loader->slot_count);
    batch_slot *slot = &loader->slots[at];
    if (slot->state != READY || slot->number != loader->next_out) {
        double start = fig__seconds();
        while (slot->state != READY || slot->number != loader->next_out)
            pthread_cond_wait(&loader->changed, &loader->lock);
        loader->waited += fig__seconds() - start;
    }
    loader->held = at;
    loader->next_out++;
    pthread_mutex_unlock(&loader->lock);
    fig__warn_skipped(&loader->data->contents);
    if (slot->status != FIG_OK)
        return fig_fail(err, slot->status, "%s", slot->err.message);
    *batch = &slot->batch;
    return FIG_OK;
}

double fig_loader_waited(const fig_loader *loader) { return loader->waited; }
