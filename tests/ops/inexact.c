/* ops/inexact.c - limits of errors (see inexact.h) */
#include "inexact.h"

#include "ops/bf16.h"
#include "ops/int8.h"
#include <float.h>
#include <math.h>
#include <string.h>

static float element(const fig_type *type, const void *data, int64_t i)
{
    return type->dtype == FIG_BF16 ? fig__from_bf16(((const uint16_t *)data)[i]) : ((const float *)data)[i];
}

/* Written for the compiler's vectors: this is where the test of all ops spends its time. */
double largest_of(const fig_type *type, const void *data)
{
    int64_t n = fig__count(type);
    float largest = 0;
    if (type->dtype == FIG_F32)
        for (int64_t i = 0; i < n; i++) {
            float size = fabsf(((const float *)data)[i]);
            largest = size > largest && size <= FLT_MAX ? size : largest;
        }
    else if (type->dtype == FIG_BF16)
        for (int64_t i = 0; i < n; i++) {
            float size = fabsf(fig__from_bf16(((const uint16_t *)data)[i]));
            largest = size > largest && size <= FLT_MAX ? size : largest;
        }
    return (double)largest;
}

bool is_exact(const fig_op *op)
{
    static const char *const moved[] = { "transpose",   "broadcast",     "concat",         "slice",         "pad",
                                         "pad_reflect", "reverse",       "copy",           "gather",        "pick",
                                         "one_hot",     "dynamic_slice", "dynamic_update", "resize_nearest" },
                             *const chosen[] = { "max",          "min",        "clamp",    "select",        "relu",
                                                 "relu_slope",   "reduce_max", "max_pool", "max_pool_pick", "argmax",
                                                 "top_k",        "sort",       "sign",     "floor",         "abs",
                                                 "neg",          "equal",      "less",     "less_equal",    "greater",
                                                 "greater_equal" },
                             *const rounded_once[] = { "add",   "sub",     "mul",        "scale",
                                                       "shift", "square",  "leaky_relu", "leaky_relu_slope",
                                                       "cast",  "uniform", "bernoulli",  "dropout" },
                             *const same_order[] = { "scatter_add", "place", "cumsum", "max_pool_gradient" };
    static const struct {
        const char *const *name;
        size_t count;
    } lists[] = {
        { moved, sizeof moved / sizeof *moved },
        { chosen, sizeof chosen / sizeof *chosen },
        { rounded_once, sizeof rounded_once / sizeof *rounded_once },
        { same_order, sizeof same_order / sizeof *same_order },
    };
    for (size_t l = 0; l < sizeof lists / sizeof *lists; l++)
        for (size_t i = 0; i < lists[l].count; i++)
            if (strcmp(lists[l].name[i], op->name) == 0)
                return true;
    return false;
}

double terms_of(const fig_op *op, const void *attr, const fig_type *in, int n_in, const fig_type *out, int n_out)
{
    double terms = 1;
    fig_error err = { 0 };
    for (int i = 0; i < n_in; i++)
        for (int k = 0; k < n_out; k++)
            terms = fmax(terms, (double)fig__count(&in[i]) / (double)fig__count(&out[k]));
    if (op->flops) {
        fig_type copy[FIG_MAX_OUTPUTS];
        memcpy(copy, out, sizeof *out * (size_t)n_out);
        fig_infer infer = { .n_in = n_in, .n_out = n_out, .in = in, .out = copy, .attr = attr, .err = &err };
        terms = fmax(terms, op->flops(&infer) / 2 / (double)fig__count(&out[0]));
    }
    return terms;
}

/* Bytes and scales, without what lies between them. */
static bool same_lines(const fig_type *type, const void *a, const void *b)
{
    return memcmp(a, b, (size_t)fig__count(type)) == 0 && memcmp(fig__int8_scales(type, a), fig__int8_scales(type, b),
                                                                 sizeof(float) * (size_t)fig__int8_lines(type)) == 0;
}

double error_between(const fig_type *type, const void *found, const void *expected, const limit *l)
{
    const double eps = 1.0 / (1 << 24), nearest_bf16 = type->dtype == FIG_BF16 ? 1.0 / 128 : 0;
    const double units = l->narrow ? (1 + 3 * sqrt(l->terms)) / 512 : eps * (8 + 3 * sqrt(l->terms));
    const double second = l->factor * (l->narrow ? 1.0 / 32 : 3e-5), least = 1e-37; /* denormals may be taken for 0 */
    double worst = 0;
    if (type->dtype == FIG_I32)
        return memcmp(found, expected, fig__bytes(type)) == 0 ? 0 : INFINITY;
    if (type->dtype == FIG_I8)
        return same_lines(type, found, expected) ? 0 : INFINITY;
    for (int64_t i = 0, n = fig__count(type); i < n; i++) {
        float x = element(type, found, i), y = element(type, expected, i);
        if (x == y || (isnan(x) && isnan(y)))
            continue;
        double a = (double)x, b = (double)y;
        double allowed = fmin(units * (fabs(b) + l->scale), second * (fabs(b) + 0.1 * l->near));
        allowed = l->exact ? 0 : allowed + nearest_bf16 * fabs(b) + least;
        double share = fabs(a - b) / allowed;
        worst = isnan(share) ? INFINITY : fmax(worst, share);
    }
    return worst;
}
