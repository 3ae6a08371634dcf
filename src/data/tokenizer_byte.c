/* tokenizer_byte.c - every byte is its own token: 256 of them, and nothing that it cannot say */
#include "data/tokenizer.h"

typedef struct bytes {
    char piece[256];
} bytes;

static void make(fig_tokenizer *tokenizer)
{
    bytes *self = tokenizer->self = FIG_NEW(tokenizer->arena, bytes);
    tokenizer->size = 256;
    for (int i = 0; i < 256; i++)
        self->piece[i] = (char)i;
}

static fig_status byte_build(fig_tokenizer *tokenizer, const char *const *text, const int64_t *length, int pieces,
                             fig_error *err)
{
    (void)text, (void)length, (void)pieces, (void)err;
    make(tokenizer);
    return FIG_OK;
}

static fig_status byte_load(fig_tokenizer *tokenizer, const fig__json *json, fig_error *err)
{
    (void)json, (void)err;
    make(tokenizer);
    return FIG_OK;
}

static int32_t byte_next(const fig_tokenizer *tokenizer, const char *text, int64_t length, int64_t *at)
{
    (void)tokenizer, (void)length;
    return (uint8_t)text[(*at)++];
}

static const char *byte_piece(const fig_tokenizer *tokenizer, int32_t id, int *length)
{
    const bytes *self = tokenizer->self;
    *length = 1;
    return &self->piece[id];
}

const fig_tokenizer_kind fig_tokenizer_byte = {
    .name = "byte",
    .build = byte_build,
    .load = byte_load,
    .next = byte_next,
    .piece = byte_piece,
};
