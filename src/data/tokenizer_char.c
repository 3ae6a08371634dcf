/* tokenizer_char.c - a token per character: the code points of the training text, sorted
 *
 * Sorted order makes the numbers a function of the set of characters alone. Invalid UTF-8 is refused: prepare.c then
 * falls back to bytes. ASCII is looked up in a table, the rest by bisection. */
#include "data/tokenizer.h"
#include <stdlib.h>
#include <string.h>

/* Numbers are stored in 16 bits; no text of a living script comes near. */
enum { MAX_CHARACTERS = 65536, CODE_POINTS = 0x110000 };

typedef struct piece {
    char bytes[4];
    uint8_t length;
} piece;

typedef struct characters {
    uint32_t *point; /* sorted */
    piece *pieces;
    int32_t ascii[128];
} characters;

static void make(fig_tokenizer *tokenizer, const uint32_t *points, int count)
{
    characters *self = tokenizer->self = FIG_NEW(tokenizer->arena, characters);
    tokenizer->size = count;
    self->point = FIG_NEW_ARRAY(tokenizer->arena, uint32_t, count);
    self->pieces = FIG_NEW_ARRAY(tokenizer->arena, piece, count);
    memset(self->ascii, -1, sizeof self->ascii);
    for (int i = 0; i < count; i++) {
        self->point[i] = points[i];
        self->pieces[i].length = (uint8_t)fig__utf8_encode(points[i], self->pieces[i].bytes);
        if (points[i] < 128)
            self->ascii[points[i]] = i;
    }
}

static fig_status char_build(fig_tokenizer *tokenizer, const char *const *text, const int64_t *length, int pieces,
                             fig_error *err)
{
    uint64_t *seen = fig__alloc(CODE_POINTS / 8); /* a bit per code point */
    uint32_t *points = NULL;
    int count = 0;
    fig_status status = FIG_OK;
    for (int i = 0; i < pieces && status == FIG_OK; i++)
        for (int64_t at = 0; at < length[i];) {
            uint32_t point;
            int size = fig__utf8_decode(text[i] + at, length[i] - at, &point);
            if (!size) {
                status = fig_fail(err, FIG_E_FORMAT, "byte %lld of the text is not UTF-8", (long long)at);
                break;
            }
            uint64_t bit = 1ull << point % 64;
            count += !(seen[point / 64] & bit);
            seen[point / 64] |= bit;
            at += size;
        }
    if (status == FIG_OK && (count == 0 || count > MAX_CHARACTERS))
        status = fig_fail(err, FIG_E_FORMAT, "the text has %d different characters, expected 1 to %d", count,
                          MAX_CHARACTERS);
    if (status == FIG_OK) {
        points = fig__alloc((size_t)count * sizeof *points);
        for (uint32_t point = 0, next = 0; point < CODE_POINTS; point++)
            if (!seen[point / 64])
                point |= 63;
            else if (seen[point / 64] >> point % 64 & 1)
                points[next++] = point;
        make(tokenizer, points, count);
    }
    free(points);
    free(seen);
    return status;
}

static fig_status char_load(fig_tokenizer *tokenizer, const fig__json *json, fig_error *err)
{
    const fig__json *list = fig__json_get(json, "points");
    size_t count = fig__json_count(list);
    if (!fig__json_is_array(list) || count < 1 || count > MAX_CHARACTERS)
        return fig_fail(err, FIG_E_FORMAT, "tokenizer: \"points\" must be a list of 1 to %d code points",
                        MAX_CHARACTERS);
    uint32_t *points = fig__alloc(count * sizeof *points);
    fig_status status = FIG_OK;
    for (size_t i = 0; i < count && status == FIG_OK; i++) {
        int64_t point = fig__json_int(fig__json_at(list, i), -1);
        bool surrogate = point >= 0xd800 && point <= 0xdfff;
        if (point < 0 || point >= CODE_POINTS || surrogate || (i && point <= (int64_t)points[i - 1]))
            status = fig_fail(err, FIG_E_FORMAT, "tokenizer: \"points\" must be rising code points (entry %zu)", i);
        else
            points[i] = (uint32_t)point;
    }
    if (status == FIG_OK)
        make(tokenizer, points, (int)count);
    free(points);
    return status;
}

static void char_save(const fig_tokenizer *tokenizer, fig__text *json)
{
    const characters *self = tokenizer->self;
    fig__text_print(json, ",\"points\":[");
    for (int i = 0; i < tokenizer->size; i++)
        fig__text_print(json, i ? ",%u" : "%u", self->point[i]);
    fig__text_print(json, "]");
}

static int32_t char_next(const fig_tokenizer *tokenizer, const char *text, int64_t length, int64_t *at)
{
    const characters *self = tokenizer->self;
    uint32_t point;
    int size = fig__utf8_decode(text + *at, length - *at, &point);
    if (!size)
        return -1;
    int32_t id = -1;
    if (point < 128)
        id = self->ascii[point];
    else
        for (int low = 0, high = tokenizer->size; low < high;) {
            int middle = low + (high - low) / 2;
            if (self->point[middle] == point) {
                id = middle;
                break;
            }
            if (self->point[middle] < point)
                low = middle + 1;
            else
                high = middle;
        }
    *at += id >= 0 ? size : 0;
    return id;
}

static const char *char_piece(const fig_tokenizer *tokenizer, int32_t id, int *length)
{
    const characters *self = tokenizer->self;
    *length = self->pieces[id].length;
    return self->pieces[id].bytes;
}

const fig_tokenizer_kind fig_tokenizer_char = {
    .name = "char",
    .build = char_build,
    .load = char_load,
    .save = char_save,
    .next = char_next,
    .piece = char_piece,
};
