/* exec/session.c - sessions (threads, kernel choice, memory hooks) and stores (named tensors) */
#include "exec/exec.h"
#include "ops/bf16.h"

#include <stdlib.h>
#include <string.h>

/* The environment chooses for sessions that a program does not open itself too, so that any program can be tried with the plain loops. */
static fig_status kernels_wanted(bool *reference, fig_error *err)
{
    const char *kernels = getenv("FIGMENT_KERNELS");
    if (kernels && !strcmp(kernels, "reference"))
        *reference = true;
    else if (kernels && *kernels && strcmp(kernels, "fast") != 0)
        return fig_fail(err, FIG_E_USAGE, "FIGMENT_KERNELS is \"%s\"; it may be \"reference\" or \"fast\"", kernels);
    return FIG_OK;
}

fig_status fig_session_new(const fig_session_opts *opts, fig_session **out, fig_error *err)
{
    *out = NULL;
    bool reference = opts && opts->reference_kernels;
    FIG_TRY(kernels_wanted(&reference, err));
    fig_session *s = fig__alloc(sizeof *s);
    if (opts)
        s->opts = *opts;
    s->opts.reference_kernels = reference;
    if ((s->opts.allocate == NULL) != (s->opts.release == NULL)) {
        free(s);
        return fig_fail(err, FIG_E_USAGE, "session: give both memory hooks or none");
    }
    int most = fig__machine_get()->threads;
    s->threads = s->opts.threads > 0 ? s->opts.threads : most;
    if (s->threads > 256) {
        free(s);
        return fig_fail(err, FIG_E_USAGE, "session: %d threads; the most is 256", opts->threads);
    }
    s->passes_off = fig__strdup(s->opts.passes_off ? s->opts.passes_off : "");
    pthread_mutex_init(&s->lock, NULL);
    if (s->opts.tune && !reference) {
        s->choices = fig__choices_new();
        fig__choices_load(s->choices);
    }
    *out = s;
    return FIG_OK;
}

void fig_session_free(fig_session *s)
{
    if (!s)
        return;
    fig__choices_free(s->choices);
    pthread_mutex_destroy(&s->lock);
    free(s->passes_off);
    free(s);
}

char *fig_session_kernels(const fig_session *s) { return s->choices ? fig__choices_text(s->choices) : fig__strdup(""); }

int fig_session_threads(const fig_session *s)
{
    return s->threads;
}

fig_status fig__session_allocate(fig_session *s, size_t bytes, void **out, fig_error *err)
{
    if (!s->opts.allocate)
        return fig__pages_new(bytes, out, err);
    *out = s->opts.allocate(s->opts.allocate_user, bytes);
    if (!*out)
        return fig_fail(err, FIG_E_LIMIT, "the host's allocator refused %zu bytes", bytes);
    memset(*out, 0, bytes);
    return FIG_OK;
}

void fig__session_release(fig_session *s, void *block, size_t bytes)
{
    if (!block)
        return;
    if (s->opts.release)
        s->opts.release(s->opts.allocate_user, block, bytes);
    else
        fig__pages_free(block, bytes);
}

/* -- store --------------------------------------------------------------------------------------------------------- */

fig_status fig_store_new(fig_session *session, fig_store **out, fig_error *err)
{
    (void)err;
    *out = fig__alloc(sizeof **out);
    (*out)->session = session;
    (*out)->version = &(*out)->changes;
    return FIG_OK;
}

void fig_store_free(fig_store *store)
{
    if (!store)
        return;
    for (int i = 0; i < store->count; i++) {
        if (!store->entry[i].borrowed)
            fig__session_release(store->session, store->entry[i].data, store->entry[i].bytes);
        free(store->entry[i].name);
    }
    free(store->entry);
    fig__index_free(&store->names);
    free(store);
}

static uint64_t name_key(const char *name)
{
    return fig__hash64(name, strlen(name), 7);
}

fig_status fig__store_above(const fig_store *below, fig_store **out, fig_error *err)
{
    FIG_TRY(fig_store_new(below->session, out, err));
    fig_store *store = *out;
    store->version = below->version;
    store->count = store->capacity = below->count;
    store->entry = fig__alloc(sizeof *store->entry * (size_t)(below->count + 1));
    for (int i = 0; i < below->count; i++) {
        below->entry[i].bound = true;
        store->entry[i] = below->entry[i];
        store->entry[i].name = fig__strdup(below->entry[i].name);
        store->entry[i].borrowed = true;
        *fig__index_at(&store->names, name_key(below->entry[i].name), -1) = i;
    }
    return FIG_OK;
}

int fig_store_find(const fig_store *store, const char *name)
{
    return (int)fig__index_get(&store->names, name_key(name), -1);
}

fig_status fig_store_add(fig_store *store, const char *name, const fig_type *type, unsigned flags, fig_error *err)
{
    if (type->dtype == FIG_I8)
        return fig_fail(err, FIG_E_SHAPE, "state \"%s\": int8 lines exist inside plans only; add it as f32", name);
    int old = fig_store_find(store, name);
    if (old >= 0) {
        if (fig__types_equal(&store->entry[old].type, type))
            return FIG_OK;
        char a[128], b[128];
        fig__type_text(&store->entry[old].type, a);
        fig__type_text(type, b);
        return fig_fail(err, FIG_E_SHAPE, "state \"%s\" is %s, not %s", name, a, b);
    }
    if (store->count == store->capacity) {
        store->capacity = store->capacity ? store->capacity * 2 : 64;
        store->entry = fig__realloc(store->entry, sizeof *store->entry * (size_t)store->capacity);
    }
    fig__entry entry = {.type = *type, .flags = flags, .bytes = (fig__bytes(type) + 63) / 64 * 64};
    FIG_TRY(fig__session_allocate(store->session, entry.bytes, &entry.data, err));
    entry.name = fig__strdup(name);
    *fig__index_at(&store->names, name_key(name), -1) = store->count;
    store->entry[store->count++] = entry;
    return FIG_OK;
}

fig_status fig__store_narrow(fig_store *store, int index, fig_error *err)
{
    fig__entry *entry = &store->entry[index], narrow = *entry;
    if (entry->bound || entry->borrowed || entry->type.dtype != FIG_F32)
        return fig_fail(err, FIG_E_USAGE, "state \"%s\" would be kept in bf16, but is in use as it is: give this plan a store of its own",
                        entry->name);
    narrow.type.dtype = FIG_BF16;
    narrow.bytes = (fig__bytes(&narrow.type) + 63) / 64 * 64;
    FIG_TRY(fig__session_allocate(store->session, narrow.bytes, &narrow.data, err));
    for (int64_t i = 0, n = fig__count(&narrow.type); i < n; i++)
        ((uint16_t *)narrow.data)[i] = fig__to_bf16(((const float *)entry->data)[i]);
    fig__session_release(store->session, entry->data, entry->bytes);
    *entry = narrow;
    return FIG_OK;
}

int fig_store_count(const fig_store *store)
{
    return store->count;
}

const char *fig_store_name(const fig_store *store, int index)
{
    return store->entry[index].name;
}

const fig_type *fig_store_type(const fig_store *store, int index)
{
    return &store->entry[index].type;
}

unsigned fig_store_flags(const fig_store *store, int index)
{
    return store->entry[index].flags;
}

void fig_store_set_flags(fig_store *store, int index, unsigned flags)
{
    store->entry[index].flags = flags;
}

void *fig_store_data(fig_store *store, int index)
{
    ++*store->version; /* who asks may write */
    return store->entry[index].data;
}

size_t fig_store_bytes(const fig_store *store, int index)
{
    return fig__bytes(&store->entry[index].type);
}
