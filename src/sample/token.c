/* sample/token.c - sequences made token by token: the step graph gives logits (B, V), the host chooses, and feeds the
 * choice back
 *
 * All rows of a batch are at the same position. A call of `next` makes one token of every row:
 *
 *     prompt p0 p1 p2        positions 0 1 2: fed, logits of the last one count
 *     made   t3 t4 ...       choice from logits at position 2 is t3, fed at position 3 ...
 *
 * When the step graph's longest sequence is full, the later half of it is fed again from position 0 and the walk goes
 * on: learned positions and cached keys cannot be shifted. The choice for sample i at place n depends on (seed, i, n)
 * alone. Text comes out at once, cut at whole UTF-8 characters.
 *
 * The raster loop is the same over the elements of a picture, in the sampler's order: no prompt, the token before the first is 0,
 * and token v of V stands for the grey level low + (high - low) * v / (V - 1). Or tokens are codes of something else: a sampler with a
 * `finish` makes the sample of all of them in one run, when the last is there. */
#include "sample/tokens.h"

#include <stdlib.h>
#include <string.h>

void fig__tokens_end(fig_sampler *s)
{
    fig__tokens *t = s->state;
    free(t->history);
    free(t->told);
    free(t->scratch);
    free(t->score);
    free(t);
    s->state = NULL;
}

/* The token a text begins with when there is no prompt: a new line where the vocabulary has one, else token 0. */
static int32_t start_token(const fig_sampler *s)
{
    int32_t id = 0;
    const fig_tokenizer *tokenizer = s->trained->data->tokenizer;
    if (tokenizer && fig_tokenizer_encode(tokenizer, "\n", 1, &id, 1, NULL) == 1)
        return id;
    return 0;
}

static fig_status encode_prompt(fig_sampler *s, int32_t **ids, int64_t *count, fig_error *err)
{
    const fig_tokenizer *tokenizer = s->trained->data->tokenizer;
    const char *prompt = s->opts.prompt ? s->opts.prompt : "";
    int64_t length = (int64_t)strlen(prompt);
    *ids = fig__alloc(sizeof **ids * (size_t)(length + 1));
    *count = 0;
    if (length && !tokenizer)
        return fig_fail(err, FIG_E_USAGE, "prompt: this model has no tokenizer, so it takes no prompt");
    if (length > 1 << 20)
        return fig_fail(err, FIG_E_LIMIT, "prompt: %lld bytes, at most 1 MB are allowed", (long long)length);
    if (length)
        *count = fig_tokenizer_encode(tokenizer, prompt, length, *ids, length + 1, err);
    if (*count < 0)
        return fig_error_prefix(err, "prompt"), err ? err->status : FIG_E_USAGE;
    return FIG_OK;
}

fig_status fig__tokens_begin(fig_sampler *s, fig_error *err)
{
    int32_t *ids = NULL;
    int64_t count = 0;
    if (s->loop->loop == FIG_LOOP_RASTER && s->opts.prompt && *s->opts.prompt)
        return fig_fail(err, FIG_E_USAGE, "prompt: pictures are made without one");
    fig_status status = encode_prompt(s, &ids, &count, err);
    if (status != FIG_OK) {
        free(ids);
        return status;
    }
    fig__tokens *t = fig__alloc(sizeof *t);
    s->state = t;
    bool raster = s->loop->loop == FIG_LOOP_RASTER;
    int64_t length = raster ? s->decl->length : s->opts.length;
    s->opts.length = length;
    t->shown_prompt = count;
    t->prompt = count ? count : 1;
    t->room = t->prompt + length;
    t->history = fig__alloc(sizeof *t->history * (size_t)t->room * (size_t)s->batch);
    t->told = fig__alloc(sizeof *t->told * (size_t)s->batch);
    fig_type logits = fig_type_of(s->decl->output);
    t->scratch = fig__alloc((size_t)logits.dim[logits.rank - 1] * FIG__PICK_BYTES);
    fig_type one = FIG_SHAPE(length);
    one.dtype = FIG_I32;
    if (raster && !s->finish)
        one = FIG_SHAPE(s->trained->data->height, s->trained->data->width, s->trained->data->channels);
    if (!raster && s->trained->data->tokenizer && !s->ids)
        fig__samples_hold_text(s->samples, 1 << 28);
    else if (!s->finish && raster && fig_elements(&one) != length)
        status = fig_fail(err, FIG_E_FAILED, "sampler %s makes %lld elements, a picture has %lld", s->decl->name,
                          (long long)length, (long long)fig_elements(&one));
    else if (!s->finish) /* else: when the type is known, with the first samples */
        status = fig__samples_hold(s->samples, &one, err);
    if (!count)
        ids[0] = raster ? 0 : start_token(s);
    for (int row = 0; row < s->batch; row++)
        memcpy(t->history + row * t->room, ids, sizeof *ids * (size_t)t->prompt);
    free(ids);
    return status;
}

void fig__tokens_begin_batch(fig_sampler *s)
{
    fig__tokens *t = s->state;
    fig__sampler_reset_states(s);
    t->known = t->prompt;
    t->fed = t->window = 0;
    if (t->prompt >= s->decl->length) /* keep room to write into */
        t->window = t->prompt - (s->decl->length + 1) / 2;
    memset(t->told, 0, sizeof *t->told * (size_t)s->batch);
    if (!s->samples->text)
        return;
    for (int row = 0; row < s->batch && s->row + row < s->opts.count; row++)
        for (int64_t i = 0; i < t->shown_prompt; i++) {
            int length;
            const char *piece =
                fig_tokenizer_piece(s->trained->data->tokenizer, t->history[row * t->room + i], &length);
            fig__text_add(&s->samples->text[s->row + row], piece, (size_t)length);
        }
}

/* Runs the step graph for the next token of the history. */
fig_status fig__tokens_feed(fig_sampler *s, fig_error *err)
{
    fig__tokens *t = s->state;
    const char *token = ((const fig_leaf_attr *)fig__producer_attr(s->decl->token))->name;
    fig_type type;
    int32_t *to = fig_plan_input(s->plan, token, &type);
    for (int row = 0; to && row < s->batch; row++)
        to[row] = t->history[row * t->room + t->window + t->fed];
    if (!fig_is_none(s->decl->position)) {
        int32_t *position =
            fig_plan_input(s->plan, ((const fig_leaf_attr *)fig__producer_attr(s->decl->position))->name, &type);
        for (int row = 0; position && row < s->batch; row++)
            position[row] = (int32_t)t->fed;
    }
    FIG_TRY(fig_plan_run(
        s->plan,
        &(fig_run_opts){ .seed = s->opts.seed, .step = (uint64_t)(t->window + t->fed), .first_row = (uint64_t)s->row },
        err));
    t->fed++;
    return FIG_OK;
}

static void put(fig_sampler *s, int row, int32_t token)
{
    fig__tokens *t = s->state;
    int64_t sample = s->row + row, made = t->known - t->prompt;
    t->history[row * t->room + t->known] = token;
    if (sample >= s->opts.count || s->finish)
        return;
    if (s->samples->text) {
        int length;
        const char *piece = fig_tokenizer_piece(s->trained->data->tokenizer, token, &length);
        if (piece)
            fig__text_add(&s->samples->text[sample], piece, (size_t)length);
    } else if (s->loop->loop == FIG_LOOP_RASTER) {
        fig_type logits = fig_type_of(s->decl->output);
        int64_t levels = logits.dim[logits.rank - 1];
        float share = levels > 1 ? (float)token / (float)(levels - 1) : 0;
        int64_t element = s->decl->order ? s->decl->order[made] : made;
        ((float *)s->samples->values)[sample * s->opts.length + element] =
            s->samples->low + (s->samples->high - s->samples->low) * share;
    } else {
        ((int32_t *)s->samples->values)[sample * s->opts.length + made] = token;
    }
}

static double chance(const fig_sampler *s, int64_t sample, int64_t place)
{
    static const char name[] = "token";
    uint32_t bits[4];
    fig__philox(s->opts.seed, fig__hash64(name, sizeof name - 1, 0), (uint64_t)sample, (uint64_t)place, bits);
    return ((double)(bits[0] >> 5) * 67108864.0 + (double)(bits[1] >> 6)) / 9007199254740992.0; /* 53 bits */
}

fig_status fig__tokens_tell(fig_sampler *s, fig_error *err)
{
    fig__tokens *t = s->state;
    for (int row = 0; s->opts.piece && s->samples->text && row < s->batch && s->row + row < s->opts.count; row++) {
        fig__text *text = &s->samples->text[s->row + row];
        if (!text->data)
            continue;
        size_t whole = fig__whole_utf8(text->data, text->length);
        if (whole <= t->told[row])
            continue;
        if (!s->opts.piece(s->opts.user, s->row + row, text->data + t->told[row], (int)(whole - t->told[row])))
            return fig_fail(err, FIG_E_INTERRUPTED, "sampling was stopped");
        t->told[row] = whole;
    }
    return FIG_OK;
}

void fig__tokens_slide(fig_sampler *s)
{
    fig__tokens *t = s->state;
    if (t->fed < s->decl->length)
        return;
    fig__sampler_reset_states(s);
    t->window += t->fed - s->decl->length / 2;
    t->fed = 0;
}

/* The batch's samples, out of all their tokens. */
static fig_status finish(fig_sampler *s, fig_error *err)
{
    const fig__tokens *t = s->state;
    fig_type type;
    int32_t *made = fig_plan_input(s->finish, ((const fig_leaf_attr *)fig__producer_attr(s->decl->made))->name, &type);
    for (int row = 0; made && row < s->batch; row++)
        memcpy(made + row * s->opts.length, t->history + row * t->room + t->prompt, sizeof *made * (size_t)s->opts.length);
    const fig_run_opts opts = { .seed = s->opts.seed, .step = (uint64_t)t->room, .first_row = (uint64_t)s->row };
    FIG_TRY(fig_plan_run(s->finish, &opts, err));
    return fig__sampler_take(s, s->finish, err);
}

static fig_status next(fig_sampler *s, bool *finished, fig_error *err)
{
    fig__tokens *t = s->state;
    if (t->known == 0) {
        fig__tokens_begin_batch(s);
        FIG_TRY(fig__sampler_feed(s, err));
    }
    fig__tokens_slide(s);
    while (t->window + t->fed < t->known)
        FIG_TRY(fig__tokens_feed(s, err));
    fig_type type;
    const float *logits = fig_plan_output(s->plan, 0, &type);
    int64_t vocabulary = type.dim[type.rank - 1];
    fig__pick pick = { s->opts.temperature, s->opts.top_p, s->opts.top_k, s->opts.greedy };
    for (int row = 0; row < s->batch; row++)
        put(s, row,
            fig__pick_token(logits + row * vocabulary, vocabulary, &pick, chance(s, s->row + row, t->known - t->prompt),
                            t->scratch));
    t->known++;
    bool done = t->known == t->room;
    FIG_TRY(fig__tokens_tell(s, err));
    if (done && s->finish)
        FIG_TRY(finish(s, err));
    if (done) {
        int64_t left = s->opts.count - s->row;
        if (!s->finish) {
            fig__sampler_take_classes(s);
            s->samples->count += left < s->batch ? left : s->batch;
        }
        s->row += s->batch;
        t->known = 0;
    }
    *finished = s->row >= s->opts.count;
    return FIG_OK;
}

const fig__sample_loop fig__sample_loop_token = {
    .name = "token",
    .loop = FIG_LOOP_TOKEN,
    .tokens = true,
    .begin = fig__tokens_begin,
    .next = next,
    .end = fig__tokens_end,
};
const fig__sample_loop fig__sample_loop_raster = {
    .name = "raster",
    .loop = FIG_LOOP_RASTER,
    .tokens = true,
    .begin = fig__tokens_begin,
    .next = next,
    .end = fig__tokens_end,
};
