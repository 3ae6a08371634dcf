/* tokenizer.c - text to numbers and back, whatever the kind: the list of kinds, and the public calls */
#include "data/tokenizer.h"
#include <stdlib.h>
#include <string.h>

#define FIG_TOKENIZER(name) extern const fig_tokenizer_kind fig_tokenizer_##name;
#include "tokenizers.def"
#undef FIG_TOKENIZER
static const fig_tokenizer_kind *const kinds[] = {
#define FIG_TOKENIZER(name) &fig_tokenizer_##name,
#include "tokenizers.def"
#undef FIG_TOKENIZER
};

static fig_status new_of_kind(const char *name, fig_tokenizer **out, fig_error *err)
{
    fig__text known;
    fig__text_init(&known, 1000);
    for (size_t i = 0; i < sizeof kinds / sizeof *kinds; i++) {
        fig__text_print(&known, "%s%s", i ? ", " : "", kinds[i]->name);
        if (strcmp(kinds[i]->name, name))
            continue;
        fig__text_free(&known);
        *out = fig__alloc(sizeof **out);
        **out = (fig_tokenizer){ .kind = kinds[i], .arena = fig__arena_new() };
        return FIG_OK;
    }
    *out = NULL;
    fig_status status = fig_fail(err, FIG_E_USAGE, "no tokenizer \"%s\" (known: %s)", name, known.data);
    fig__text_free(&known);
    return status;
}

static fig_status keep_if(fig_status status, fig_tokenizer **tokenizer)
{
    if (status != FIG_OK) {
        fig__tokenizer_free(*tokenizer);
        *tokenizer = NULL;
    }
    return status;
}

fig_status fig__tokenizer_build(const char *kind, const char *const *text, const int64_t *length, int pieces,
                                fig_tokenizer **out, fig_error *err)
{
    FIG_TRY(new_of_kind(kind, out, err));
    return keep_if((*out)->kind->build(*out, text, length, pieces, err), out);
}

fig_status fig__tokenizer_load(const fig__json *json, fig_tokenizer **out, fig_error *err)
{
    *out = NULL;
    const char *kind = fig__json_text(fig__json_get(json, "type"), NULL);
    if (!kind)
        return fig_fail(err, FIG_E_FORMAT, "tokenizer: no \"type\"");
    FIG_TRY(new_of_kind(kind, out, err));
    return keep_if((*out)->kind->load(*out, json, err), out);
}

void fig__tokenizer_save(const fig_tokenizer *tokenizer, fig__text *json)
{
    fig__text_print(json, "{\"type\":\"%s\"", tokenizer->kind->name);
    if (tokenizer->kind->save)
        tokenizer->kind->save(tokenizer, json);
    fig__text_print(json, "}");
}

fig_tokenizer *fig__tokenizer_copy(const fig_tokenizer *tokenizer)
{
    fig__text text;
    fig__text_init(&text, 64 << 20);
    fig__tokenizer_save(tokenizer, &text);
    fig__json *json = NULL;
    fig_tokenizer *copy = NULL;
    fig_error err = { 0 };
    if (fig__json_parse(text.data, text.length, "tokenizer", &json, &err) != FIG_OK ||
        fig__tokenizer_load(json, &copy, &err) != FIG_OK)
        FIG_BUG("a tokenizer does not read back: %s", err.message);
    fig__json_free(json);
    fig__text_free(&text);
    return copy;
}

void fig__tokenizer_free(fig_tokenizer *tokenizer)
{
    if (!tokenizer)
        return;
    fig__arena_free(tokenizer->arena);
    free(tokenizer);
}

int fig_tokenizer_size(const fig_tokenizer *tokenizer) { return tokenizer->size; }

const char *fig_tokenizer_piece(const fig_tokenizer *tokenizer, int32_t id, int *length)
{
    if (id < 0 || id >= tokenizer->size) {
        *length = 0;
        return "";
    }
    return tokenizer->kind->piece(tokenizer, id, length);
}

int64_t fig_tokenizer_encode(const fig_tokenizer *tokenizer, const char *text, int64_t length, int32_t *ids,
                             int64_t max, fig_error *err)
{
    int64_t count = 0;
    for (int64_t at = 0; at < length && count < max;) {
        int32_t id = tokenizer->kind->next(tokenizer, text, length, &at);
        if (id >= 0) {
            ids[count++] = id;
            continue;
        }
        uint32_t point;
        int size = fig__utf8_decode(text + at, length - at, &point);
        if (size)
            fig_fail(err, FIG_E_USAGE, "\"%.*s\" (U+%04X) is not in the model's vocabulary of %d characters", size,
                     text + at, point, tokenizer->size);
        else
            fig_fail(err, FIG_E_USAGE, "byte %lld of the text is not UTF-8", (long long)at);
        return -1;
    }
    return count;
}

fig_status fig__tokenizer_encode_all(const fig_tokenizer *tokenizer, const char *text, int64_t length, void **ids,
                                     int *width, int64_t *count, int64_t *unknown, fig_error *err)
{
    *width = tokenizer->size <= 256 ? 1 : 2;
    *count = *unknown = 0;
    /* A token is at least one byte long, so the text's length is enough room. */
    *ids = malloc((size_t)length * (size_t)*width + 1);
    if (!*ids)
        return fig_fail(err, FIG_E_LIMIT, "no memory for %lld tokens", (long long)length);
    uint8_t *narrow = *ids;
    uint16_t *wide = *ids;
    for (int64_t at = 0; at < length;) {
        int32_t id = tokenizer->kind->next(tokenizer, text, length, &at);
        if (id < 0) {
            uint32_t point;
            int size = fig__utf8_decode(text + at, length - at, &point);
            at += size ? size : 1;
            ++*unknown;
        } else if (*width == 1)
            narrow[(*count)++] = (uint8_t)id;
        else
            wide[(*count)++] = (uint16_t)id;
    }
    return FIG_OK;
}

/* -- UTF-8 (RFC 3629) ---------------------------------------------------------------------------------------------- */

int fig__utf8_decode(const char *text, int64_t length, uint32_t *point)
{
    const uint8_t *byte = (const uint8_t *)text;
    static const uint32_t smallest[5] = { 0, 0, 0x80, 0x800, 0x10000 };
    if (length < 1)
        return 0;
    if (byte[0] < 0x80) {
        *point = byte[0];
        return 1;
    }
    int size = byte[0] >= 0xf0 ? 4 : byte[0] >= 0xe0 ? 3 : 2;
    if (byte[0] < 0xc2 || byte[0] > 0xf4 || length < size)
        return 0;
    uint32_t value = byte[0] & (0x7fu >> size);
    for (int i = 1; i < size; i++) {
        if ((byte[i] & 0xc0) != 0x80)
            return 0;
        value = value << 6 | (byte[i] & 0x3f);
    }
    if (value < smallest[size] || value > 0x10ffff || (value >= 0xd800 && value <= 0xdfff))
        return 0;
    *point = value;
    return size;
}

int fig__utf8_encode(uint32_t point, char out[4])
{
    if (point < 0x80) {
        out[0] = (char)point;
        return 1;
    }
    int size = point < 0x800 ? 2 : point < 0x10000 ? 3 : 4;
    for (int i = size - 1; i > 0; i--, point >>= 6)
        out[i] = (char)(0x80 | (point & 0x3f));
    out[0] = (char)((0xf00u >> size) | point);
    return size;
}

int64_t fig__find_invalid_utf8(const char *text, int64_t length)
{
    for (int64_t at = 0; at < length;) {
        uint32_t point;
        int size = fig__utf8_decode(text + at, length - at, &point);
        if (!size)
            return at;
        at += size;
    }
    return -1;
}
