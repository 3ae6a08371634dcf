/* sample/tokens.h - what the loops that make tokens share: histories, the window of the step graph, feeding it
 * (token.c) */
#ifndef FIG_SAMPLE_TOKENS_H
#define FIG_SAMPLE_TOKENS_H

#include "sample/sampler.h"

typedef struct fig__tokens {
    int32_t *history;     /* (batch, room): prompt and what was made */
    int64_t room, known;  /* per row: tokens in history */
    int64_t fed;          /* of the window: the next position */
    int64_t window;       /* index in history of position 0 */
    int64_t prompt;       /* tokens in the prompt, the implicit start included */
    int64_t shown_prompt; /* of them, those the user wrote */
    size_t *told;         /* per row: bytes given to opts.piece */
    void *scratch;        /* of fig__pick_token */
    double *score;        /* beam: log-probability of each row so far */
} fig__tokens;

fig_status fig__tokens_begin(fig_sampler *sampler, fig_error *err);
void fig__tokens_end(fig_sampler *sampler);
/* Starts the rows of the next batch: caches empty, the prompt in history (and in the texts). */
void fig__tokens_begin_batch(fig_sampler *sampler);
/* Makes room when the step graph's longest sequence is full. */
void fig__tokens_slide(fig_sampler *sampler);
/* Runs the step graph for the next token of every history. */
fig_status fig__tokens_feed(fig_sampler *sampler, fig_error *err);
/* Gives new whole characters to opts.piece. */
fig_status fig__tokens_tell(fig_sampler *sampler, fig_error *err);

#endif
