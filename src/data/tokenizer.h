/* data/tokenizer.h - the record of a kind of tokenizer, and the shared part of every tokenizer
 *
 * A tokenizer is built from text, or read back from JSON; it turns text into numbers 0..size-1 and each number into
 * bytes. */
#ifndef FIG_TOKENIZER_H
#define FIG_TOKENIZER_H

#include "core/core.h"
#include <figment/data.h>

typedef struct fig_tokenizer_kind fig_tokenizer_kind;

struct fig_tokenizer {
    const fig_tokenizer_kind *kind;
    int size;
    fig__arena *arena;
    void *self;
};

struct fig_tokenizer_kind {
    const char *name;
    /* From the training text (pieces of it, at least one). */
    fig_status (*build)(fig_tokenizer *tokenizer, const char *const *text, const int64_t *length, int pieces,
                        fig_error *err);
    fig_status (*load)(fig_tokenizer *tokenizer, const fig__json *json, fig_error *err);
    void (*save)(const fig_tokenizer *tokenizer, fig__text *json); /* members after "type", each with a comma before */
    /* The next token of text[*at..length), which moves on; -1 = not in the vocabulary (at stays). */
    int32_t (*next)(const fig_tokenizer *tokenizer, const char *text, int64_t length, int64_t *at);
    const char *(*piece)(const fig_tokenizer *tokenizer, int32_t id, int *length);
};

fig_status fig__tokenizer_build(const char *kind, const char *const *text, const int64_t *length, int pieces,
                                fig_tokenizer **out, fig_error *err);
fig_status fig__tokenizer_load(const fig__json *json, fig_tokenizer **out, fig_error *err);
void fig__tokenizer_save(const fig_tokenizer *tokenizer, fig__text *json);
fig_tokenizer *fig__tokenizer_copy(const fig_tokenizer *tokenizer);
void fig__tokenizer_free(fig_tokenizer *tokenizer);
/* Every token of a text as 1- or 2-byte numbers (by the tokenizer's size); what is not in the vocabulary is left out
 * and counted. */
fig_status fig__tokenizer_encode_all(const fig_tokenizer *tokenizer, const char *text, int64_t length, void **ids,
                                     int *width, int64_t *count, int64_t *unknown, fig_error *err);
/* First byte that is not UTF-8, or -1. */
int64_t fig__find_invalid_utf8(const char *text, int64_t length);
/* One code point of text[at..length): its length in bytes 1..4, or 0 when invalid (overlong, surrogate, cut). */
int fig__utf8_decode(const char *text, int64_t length, uint32_t *point);
int fig__utf8_encode(uint32_t point, char out[4]);

#endif
