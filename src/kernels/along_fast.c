/* kernels/along_fast.c - running sums and places of the largest along an axis */
#include "kernels/along.h"
#include "kernels/parallel.h"

/* Rows one below another: four chains at a time. Written out, as the compiler would gather columns over the rows, which is slower
 * than one chain. */
static inline void sum_four(const fig__along *a, bool exclusive, const float *restrict x, float *restrict y)
{
    int64_t r = a->apart;
    double s0 = 0, s1 = 0, s2 = 0, s3 = 0;
    for (int64_t k = 0; k < a->n; k++, x += a->step, y += a->step) {
        double t0 = s0 + (double)x[0], t1 = s1 + (double)x[r], t2 = s2 + (double)x[2 * r], t3 = s3 + (double)x[3 * r];
        y[0] = (float)(exclusive ? s0 : t0);
        y[r] = (float)(exclusive ? s1 : t1);
        y[2 * r] = (float)(exclusive ? s2 : t2);
        y[3 * r] = (float)(exclusive ? s3 : t3);
        s0 = t0, s1 = t1, s2 = t2, s3 = t3;
    }
}

static inline void sum_one(const fig__along *a, bool exclusive, const float *restrict x, float *restrict y)
{
    double sum = 0;
    for (int64_t k = 0; k < a->n; k++, x += a->step, y += a->step) {
        double with = sum + (double)*x;
        *y = (float)(exclusive ? sum : with);
        sum = with;
    }
}

static inline void sum_columns(const fig__along *a, bool exclusive, const float *restrict x, float *restrict y)
{
    double sum[FIG__ALONG] = { 0 };
    for (int64_t k = 0; k < a->n; k++, x += a->step, y += a->step)
        for (int64_t j = 0; j < a->columns; j++) {
            double with = sum[j] + (double)x[j];
            y[j] = (float)(exclusive ? sum[j] : with);
            sum[j] = with;
        }
}

FIG_CLONES
void fig__fast_cumsum(const fig__along *a, bool exclusive, const float *x, float *y)
{
    if (a->apart == 1) {
        sum_columns(a, exclusive, x, y);
        return;
    }
    int64_t j = 0;
    for (; j + 4 <= a->columns; j += 4)
        sum_four(a, exclusive, x + j * a->apart, y + j * a->apart);
    for (; j < a->columns; j++)
        sum_one(a, exclusive, x + j * a->apart, y + j * a->apart);
}

FIG_CLONES
void fig__fast_cumsum_i32(const fig__along *a, bool exclusive, const int32_t *restrict x, int32_t *restrict y)
{
    uint32_t sum[FIG__ALONG] = { 0 };
    for (int64_t k = 0; k < a->n; k++, x += a->step, y += a->step)
        for (int64_t j = 0; j < a->columns; j++) {
            uint32_t with = sum[j] + (uint32_t)x[j * a->apart];
            y[j * a->apart] = (int32_t)(exclusive ? sum[j] : with);
            sum[j] = with;
        }
}

FIG_CLONES
void fig__fast_argmax(const fig__along *a, const float *restrict x, int32_t *restrict place)
{
    float best[FIG__ALONG];
    for (int64_t j = 0; j < a->columns; j++) {
        best[j] = x[j * a->apart];
        place[j] = 0;
    }
    for (int64_t k = 1; k < a->n; k++) {
        x += a->step;
        for (int64_t j = 0; j < a->columns; j++) {
            float value = x[j * a->apart];
            int32_t larger = -(int32_t)(value > best[j]);
            best[j] = value > best[j] ? value : best[j];
            place[j] = ((int32_t)k & larger) | (place[j] & ~larger);
        }
    }
}

FIG_CLONES
void fig__fast_argmax_i32(const fig__along *a, const int32_t *restrict x, int32_t *restrict place)
{
    int32_t best[FIG__ALONG];
    for (int64_t j = 0; j < a->columns; j++) {
        best[j] = x[j * a->apart];
        place[j] = 0;
    }
    for (int64_t k = 1; k < a->n; k++) {
        x += a->step;
        for (int64_t j = 0; j < a->columns; j++) {
            int32_t value = x[j * a->apart], larger = -(int32_t)(value > best[j]);
            best[j] = (value & larger) | (best[j] & ~larger);
            place[j] = ((int32_t)k & larger) | (place[j] & ~larger);
        }
    }
}

/* LANES candidates side by side, all starting from the first element; then the best of them, the earliest among equals. */
FIG_CLONES
int32_t fig__fast_argmax_row(const float *x, int64_t n)
{
    enum { LANES = 32 };
    float best[LANES];
    int32_t place[LANES];
    for (int j = 0; j < LANES; j++) {
        best[j] = x[0];
        place[j] = 0;
    }
    int64_t k = 0;
    for (; k + LANES <= n; k += LANES)
        for (int j = 0; j < LANES; j++) {
            int32_t larger = -(int32_t)(x[k + j] > best[j]);
            best[j] = x[k + j] > best[j] ? x[k + j] : best[j];
            place[j] = ((int32_t)(k + j) & larger) | (place[j] & ~larger);
        }
    float most = best[0];
    int32_t at = place[0];
    for (int j = 1; j < LANES; j++)
        if (best[j] > most || (best[j] == most && place[j] < at)) {
            most = best[j];
            at = place[j];
        }
    for (; k < n; k++)
        if (x[k] > most) {
            most = x[k];
            at = (int32_t)k;
        }
    return at;
}
