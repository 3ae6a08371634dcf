/* recipes/codebook.h - a codebook: vectors that stand for whatever lies nearest to them (van den Oord et al. 2017)
 *
 * The vectors are not trained but follow what they stand for, as the centres of online k-means with forgetting (Razavi et al. 2019,
 * appendix A.1). Two exported states under "codebook" say them: counts (K), how often a code was taken of late, and sums (K, D), of
 * what it was taken for; a vector is its sum by its count. */
#ifndef FIG_RECIPES_CODEBOOK_H
#define FIG_RECIPES_CODEBOOK_H

#include "recipes/settings.h"

typedef struct fig__codebook_options {
    int64_t codes, width;
    double decay, restart;
} fig__codebook_options;

/* clang-format off */
/* Rows of a recipe's option table; AT(field) gives a field's place in fig__codebook_options. */
#define FIG__CODEBOOK_ROWS(AT) \
    { "codes", FIG_INT, AT(codes), 256, 2, 65536, "vectors in the codebook" }, \
    { "code_width", FIG_INT, AT(width), 64, 1, 1024, "numbers in one of them" }, \
    { "decay", FIG_FLOAT, AT(decay), 0.99, 0, 0.999999, \
      "how much of its count and sum a code keeps in a step; the rest is new" }, \
    { "restart", FIG_FLOAT, AT(restart), 0.01, 0, 0.5, \
      "codes taken less often than this share of the average begin anew at what the encoder says of some place of the batch; 0 = none do" }
/* clang-format on */

/* The vectors as they are now, (K, D). */
fig_node fig__codebook(fig_model *model, const fig__codebook_options *options);
/* Which vector is nearest to each of h (..., D): i32 (...); the first of equals. */
fig_node fig__codebook_nearest(fig_node vectors, fig_node h);
/* h in value q, to q's gradient h itself (Bengio et al. 2013). */
fig_node fig__straight_through(fig_node h, fig_node q);
/* Lets the vectors follow h (B, ..., D), of which index (B, ...) says the code; once a round. The result is the perplexity of the
 * batch's codes, rank 0: how many there would be if all were taken equally often. Rows that only fill up count nothing. */
fig_node fig__codebook_follow(fig_model *model, const fig__codebook_options *options, fig_node h, fig_node index);
/* log p of each code, (K), as often as it was taken of late. */
fig_node fig__codebook_log_frequency(fig_model *model, const fig__codebook_options *options);

#endif
