/* sample/beam.c - the likeliest sequences by beam search: of all one-token continuations of the best prefixes, the
 * best are kept
 *
 * The plan's rows are the beam. After each step the W rows times V tokens are W * V candidates with score =
 * log-probability of the prefix + that of the token; the best W become the new rows, and each row's caches are those
 * of the row it came from. Nothing is drawn, so the seed does not matter; ties go to the earlier row, then the lower
 * token. Sample i is the i-th best sequence, so at most W can be asked for. Texts appear at the end: until then any
 * row may still be dropped. */
#include "sample/tokens.h"

#include <math.h>
#include <stdlib.h>
#include <string.h>

typedef struct candidate {
    double score;
    int32_t row, token;
} candidate;

static fig_status begin(fig_sampler *s, fig_error *err)
{
    if (s->opts.count > s->batch)
        return fig_fail(err, FIG_E_USAGE, "count: a beam of %d gives at most %d sequences", s->batch, s->batch);
    FIG_TRY(fig__tokens_begin(s, err));
    fig__tokens *t = s->state;
    t->score = fig__alloc(sizeof *t->score * (size_t)s->batch);
    return FIG_OK;
}

static bool better(const candidate *a, const candidate *b)
{
    if (a->score != b->score)
        return a->score > b->score;
    return a->row != b->row ? a->row < b->row : a->token < b->token;
}

/* Puts a candidate into a list of the best `room`, sorted. */
static void offer(candidate *best, int *count, int room, candidate c)
{
    if (*count == room && !better(&c, &best[room - 1]))
        return;
    int at = *count < room ? (*count)++ : room - 1;
    for (; at > 0 && better(&c, &best[at - 1]); at--)
        best[at] = best[at - 1];
    best[at] = c;
}

/* The best continuations; in the first step all rows are the same, so only row 0 counts. */
static int choose(fig_sampler *s, candidate *best)
{
    fig__tokens *t = s->state;
    fig_type type;
    const float *logits = fig_plan_output(s->plan, 0, &type);
    int64_t vocabulary = type.dim[type.rank - 1];
    int count = 0, rows = t->known == t->prompt ? 1 : s->batch;
    for (int row = 0; row < rows; row++) {
        const float *x = logits + row * vocabulary;
        double highest = (double)x[0], sum = 0;
        for (int64_t v = 1; v < vocabulary; v++)
            highest = fmax(highest, (double)x[v]);
        for (int64_t v = 0; v < vocabulary; v++)
            sum += exp((double)x[v] - highest);
        for (int64_t v = 0; v < vocabulary; v++)
            offer(best, &count, s->batch,
                  (candidate){ t->score[row] + (double)x[v] - highest - log(sum), row, (int32_t)v });
    }
    return count;
}

/* Rows of a tensor in the order of the candidates' rows. */
static void permute(void *data, size_t row_bytes, const candidate *best, int count)
{
    char *copy = fig__alloc(row_bytes * (size_t)count);
    for (int i = 0; i < count; i++)
        memcpy(copy + (size_t)i * row_bytes, (char *)data + (size_t)best[i].row * row_bytes, row_bytes);
    memcpy(data, copy, row_bytes * (size_t)count);
    free(copy);
}

static void follow(fig_sampler *s, const candidate *best, int count)
{
    fig__tokens *t = s->state;
    permute(t->history, sizeof *t->history * (size_t)t->room, best, count);
    for (int i = 0; i < s->model->n_weights; i++) {
        const fig__weight *w = &s->model->weights[i];
        int index = fig_store_find(s->store, w->name);
        if (w->exported || w->trained || index < 0 || w->type.rank < 1 || w->type.dim[0] != s->batch)
            continue;
        permute(fig_store_data(s->store, index), fig_store_bytes(s->store, index) / (size_t)s->batch, best, count);
    }
    for (int i = 0; i < count; i++) {
        t->score[i] = best[i].score;
        t->history[i * t->room + t->known] = best[i].token;
    }
    for (int i = count; i < s->batch; i++) /* fewer tokens than rows, in the first step only */
        t->score[i] = -INFINITY;
}

static void put_results(fig_sampler *s)
{
    fig__tokens *t = s->state;
    const fig_tokenizer *tokenizer = s->trained->data->tokenizer;
    for (int64_t i = 0; i < s->opts.count; i++)
        for (int64_t k = t->prompt; k < t->room; k++) {
            int32_t token = t->history[i * t->room + k];
            int length;
            const char *piece = s->samples->text ? fig_tokenizer_piece(tokenizer, token, &length) : NULL;
            if (piece)
                fig__text_add(&s->samples->text[i], piece, (size_t)length);
            else if (!s->samples->text)
                ((int32_t *)s->samples->values)[i * s->opts.length + k - t->prompt] = token;
        }
    s->samples->count = s->opts.count;
}

static fig_status next(fig_sampler *s, bool *finished, fig_error *err)
{
    fig__tokens *t = s->state;
    if (t->known == 0) {
        fig__tokens_begin_batch(s);
        FIG_TRY(fig__sampler_feed(s, err));
        memset(t->score, 0, sizeof *t->score * (size_t)s->batch);
    }
    fig__tokens_slide(s);
    while (t->window + t->fed < t->known)
        FIG_TRY(fig__tokens_feed(s, err));
    candidate *best = fig__alloc(sizeof *best * (size_t)s->batch);
    follow(s, best, choose(s, best));
    free(best);
    t->known++;
    if (t->known == t->room) {
        put_results(s);
        FIG_TRY(fig__tokens_tell(s, err));
        s->row = s->opts.count;
    }
    *finished = s->row >= s->opts.count;
    return FIG_OK;
}

const fig__sample_loop fig__sample_loop_beam = {
    .name = "beam",
    .loop = FIG_LOOP_BEAM,
    .tokens = true,
    .begin = begin,
    .next = next,
    .end = fig__tokens_end,
};
