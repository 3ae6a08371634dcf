/* sample/pick.c - one token from a row of logits
 *
 * Order of the filters, as everywhere: temperature, top-k, top-p (Holtzman et al. 2020: the smallest set of the
 * likeliest whose probabilities reach p), then a draw from what is left. Ties keep the lower index. Arithmetic is
 * double, so that the same logits always give the same token. */
#include "sample/sampler.h"

#include <math.h>
#include <stdlib.h>

typedef struct candidate {
    double p;
    int32_t token;
} candidate;
_Static_assert(sizeof(candidate) == FIG__PICK_BYTES, "scratch of fig__pick_token");

static int likelier(const void *a, const void *b)
{
    const candidate *x = a, *y = b;
    if (x->p != y->p)
        return x->p < y->p ? 1 : -1;
    return x->token < y->token ? -1 : 1;
}

static int32_t largest(const float *logits, int64_t n)
{
    int64_t best = 0;
    for (int64_t i = 1; i < n; i++)
        if (logits[i] > logits[best])
            best = i;
    return (int32_t)best;
}

int32_t fig__pick_token(const float *logits, int64_t n, const fig__pick *pick, double u, void *scratch)
{
    int32_t top = largest(logits, n);
    if (pick->greedy)
        return top;
    candidate *c = scratch;
    double total = 0, highest = (double)logits[top];
    for (int64_t i = 0; i < n; i++) {
        c[i] = (candidate){ exp(((double)logits[i] - highest) / pick->temperature), (int32_t)i };
        total += c[i].p;
    }
    int64_t kept = n;
    bool filtered = (pick->top_k > 0 && pick->top_k < n) || pick->top_p < 1;
    if (filtered)
        qsort(c, (size_t)n, sizeof *c, likelier);
    if (pick->top_k > 0 && pick->top_k < n)
        kept = pick->top_k;
    if (filtered) {
        total = 0;
        for (int64_t i = 0; i < kept; i++)
            total += c[i].p;
    }
    if (pick->top_p < 1) {
        double sum = 0, enough = pick->top_p * total;
        int64_t i = 0;
        while (i < kept && (i == 0 || sum < enough))
            sum += c[i++].p;
        kept = i;
        total = sum;
    }
    double at = u * total, sum = 0;
    for (int64_t i = 0; i < kept; i++) {
        sum += c[i].p;
        if (at < sum)
            return c[i].token;
    }
    return kept < n ? c[kept - 1].token : top; /* rounding at the very end */
}
