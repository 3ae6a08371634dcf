/* eval/derived.c - means with their standard errors, and what is derived from them
 *
 *     perplexity    exp(nats per token)
 *     bits_per_byte nats in all / ln 2 / bytes of the scored text
 *     bits_per_dim  nats per item / ln 2 / numbers in an item      (of a bound that is better higher: its negative)
 *
 * Standard errors go through the derivative of the formula. */
#include "eval/derived.h"

#include <math.h>

void fig__score_mean(const fig__sums *sums, fig_score *score)
{
    score->value = score->standard_error = NAN;
    score->count = (int64_t)llround(sums->m);
    if (sums->m <= 0)
        return;
    double mean = sums->s / sums->m, n = (double)sums->n;
    double residual = sums->ss - 2 * mean * sums->sm + mean * mean * sums->mm;
    score->value = mean;
    if (sums->n > 1)
        score->standard_error = sqrt(fmax(residual, 0) * n / (n - 1)) / sums->m;
}

static void perplexity(const fig__sums *sums, const fig_data_spec *data, const fig_score *base, fig_score *out)
{
    (void)sums, (void)data;
    out->value = exp(base->value);
    out->standard_error = out->value * base->standard_error;
}

static void scale(const fig_score *base, double factor, fig_score *out)
{
    out->value = base->value * factor;
    out->standard_error = base->standard_error * fabs(factor);
}

static void bits_per_byte(const fig__sums *sums, const fig_data_spec *data, const fig_score *base, fig_score *out)
{
    (void)data;
    scale(base, sums->bytes > 0 ? sums->m / sums->bytes / M_LN2 : NAN, out);
}

static void bits_per_dim(const fig__sums *sums, const fig_data_spec *data, const fig_score *base, fig_score *out)
{
    (void)sums;
    double numbers = data->kind == FIG_DATA_IMAGES   ? (double)data->height * data->width * data->channels
                     : data->kind == FIG_DATA_POINTS ? data->dimensions
                                                     : NAN;
    scale(base, (base->higher_is_better ? -1 : 1) / numbers / M_LN2, out);
}

const fig__derivation fig__derived[] = {
    { "perplexity", "", perplexity },
    { "bits_per_byte", "bits/byte", bits_per_byte },
    { "bits_per_dim", "bits/dim", bits_per_dim },
    { 0 },
};
