/* exec/choices.c - the table of measured kernel choices, as text and in the cache file
 *
 *     CACHE/kernels.txt      one line a node: 32 hexadecimal digits, a blank, the kernel's name
 *
 * The key is a hash of all that the times depend on: op, attributes, types, threads, processor, versions, and the names of the
 * kernels that were compared. So one file serves several machines that share a home folder, and a row that no longer applies is
 * simply never found. The file may hold anything: lines of another form are passed over, and a kernel that a row names still
 * has to accept the node. */
#include "exec/choices.h"

#include <stdlib.h>
#include <string.h>

#define CACHE_NAME "kernels.txt"
#define CACHE_BYTES (4u << 20) /* more than FIG__CHOICES_MAX longest lines */

fig_choices *fig__choices_new(void)
{
    fig_choices *choices = fig__alloc(sizeof *choices);
    pthread_mutex_init(&choices->lock, NULL);
    return choices;
}

void fig__choices_free(fig_choices *choices)
{
    if (!choices)
        return;
    pthread_mutex_destroy(&choices->lock);
    fig__index_free(&choices->rows);
    free(choices->row);
    free(choices);
}

/* -- rows ----------------------------------------------------------------------------------------------------------- */

const fig__choice *fig__choices_find(const fig_choices *choices, const char *key)
{
    int64_t row = fig__index_get(&choices->rows, fig__hash64(key, FIG__KEY_LENGTH, 0), -1);
    return row >= 0 && !strcmp(choices->row[row].key, key) ? &choices->row[row] : NULL;
}

void fig__choices_set(fig_choices *choices, const char *key, const char *kernel, bool fresh)
{
    int64_t *at = fig__index_at(&choices->rows, fig__hash64(key, FIG__KEY_LENGTH, 0), -1);
    if (*at < 0) {
        if (choices->count >= FIG__CHOICES_MAX)
            return;
        if (choices->count == choices->capacity) {
            choices->capacity = choices->capacity ? 2 * choices->capacity : 64;
            choices->row = fig__realloc(choices->row, sizeof *choices->row * (size_t)choices->capacity);
        }
        *at = choices->count++;
    }
    fig__choice *row = &choices->row[*at];
    *row = (fig__choice){ .fresh = fresh };
    snprintf(row->key, sizeof row->key, "%s", key);
    snprintf(row->kernel, sizeof row->kernel, "%s", kernel);
}

bool fig__choice_key(const fig_kernel_query *q, char key[FIG__KEY_LENGTH + 1])
{
    if (q->op->adopt)
        return false;
    const fig__machine *machine = fig__machine_get();
    fig__text text;
    char type[128], hex[65];
    fig__text_init(&text, 1u << 20);
    fig__text_print(&text, "kernels/1 figment %s onednn %s %s %s threads %d\n%s", FIG_VERSION, fig__onednn_version(), machine->cpu,
                    machine->isa, q->threads, q->op->name);
    for (int i = 0; i < q->n_in + q->n_out; i++) {
        fig__type_text(i < q->n_in ? &q->in[i] : &q->out[i - q->n_in], type);
        fig__text_print(&text, "\n%s", type);
    }
    const fig_kernel *list[FIG__CANDIDATES];
    int candidates = fig__kernel_candidates(q, list);
    for (int i = 0; i < candidates; i++)
        fig__text_print(&text, "\n%s", list[i]->name);
    fig__text_add(&text, "\n", 1);
    if (q->op->attr_size)
        fig__text_add(&text, q->attr, q->op->attr_size);
    bool whole = !text.overflow;
    fig__sha256_of(text.data, text.length, hex);
    snprintf(key, FIG__KEY_LENGTH + 1, "%.*s", FIG__KEY_LENGTH, hex);
    fig__text_free(&text);
    return whole;
}

/* -- text ----------------------------------------------------------------------------------------------------------- */

static bool row_of(const char *line, size_t length, fig__choice *row)
{
    if (length < FIG__KEY_LENGTH + 2 || length - FIG__KEY_LENGTH - 1 >= sizeof row->kernel || line[FIG__KEY_LENGTH] != ' ')
        return false;
    for (size_t i = 0; i < FIG__KEY_LENGTH; i++)
        if (!((line[i] >= '0' && line[i] <= '9') || (line[i] >= 'a' && line[i] <= 'f')))
            return false;
    for (size_t i = FIG__KEY_LENGTH + 1; i < length; i++)
        if (!((line[i] >= 'a' && line[i] <= 'z') || (line[i] >= '0' && line[i] <= '9') || line[i] == '_'))
            return false;
    *row = (fig__choice){ 0 };
    memcpy(row->key, line, FIG__KEY_LENGTH);
    memcpy(row->kernel, line + FIG__KEY_LENGTH + 1, length - FIG__KEY_LENGTH - 1);
    return true;
}

void fig__choices_read(fig_choices *choices, const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        const char *end = memchr(text + at, '\n', length - at);
        size_t line = end ? (size_t)(end - text) - at : length - at;
        fig__choice row;
        if (row_of(text + at, line, &row))
            fig__choices_set(choices, row.key, row.kernel, false);
        at += line + 1;
    }
}

static void put_row(fig__text *out, const fig__choice *row)
{
    fig__text_print(out, "%s %s\n", row->key, row->kernel);
}

char *fig__choices_text(const fig_choices *choices)
{
    fig__text out;
    fig__text_init(&out, CACHE_BYTES);
    fig__text_add(&out, "", 0);
    for (int i = 0; i < choices->count; i++)
        if (choices->row[i].used)
            put_row(&out, &choices->row[i]);
    return out.data ? out.data : fig__strdup("");
}

/* -- the cache file ------------------------------------------------------------------------------------------------- */

static char *cache_path(void)
{
    char *folder = fig__cache_folder(), *path = fig__format("%s/" CACHE_NAME, folder);
    free(folder);
    return path;
}

void fig__choices_load(fig_choices *choices)
{
    char *path = cache_path(), *text = NULL;
    uint64_t length = 0;
    if (fig__file_read(path, CACHE_BYTES, &text, &length, NULL) == FIG_OK)
        fig__choices_read(choices, text, length);
    free(text);
    free(path);
}

/* Another process may have written meanwhile: its rows stay. When the file is full, the oldest rows make room. */
void fig__choices_save(fig_choices *choices)
{
    int fresh = 0;
    for (int i = 0; i < choices->count; i++)
        fresh += choices->row[i].fresh;
    if (!fresh)
        return;
    fig_choices *now = fig__choices_new();
    fig__choices_load(now);
    fig__text out;
    fig__text_init(&out, CACHE_BYTES);
    for (int i = now->count + fresh > FIG__CHOICES_MAX ? now->count + fresh - FIG__CHOICES_MAX : 0; i < now->count; i++) {
        const fig__choice *own = fig__choices_find(choices, now->row[i].key);
        if (!own || !own->fresh)
            put_row(&out, &now->row[i]);
    }
    for (int i = 0; i < choices->count; i++) {
        if (choices->row[i].fresh)
            put_row(&out, &choices->row[i]);
        choices->row[i].fresh = false;
    }
    char *folder = fig__cache_folder(), *path = cache_path();
    if (!out.overflow && fig__make_folders(folder, NULL) == FIG_OK)
        (void)fig__file_write(path, out.data, out.length, NULL); /* a cache that cannot be written costs the timing again */
    free(folder);
    free(path);
    fig__text_free(&out);
    fig__choices_free(now);
}
