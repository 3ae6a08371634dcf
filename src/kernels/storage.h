/* kernels/storage.h - reading and writing tensors that are stored in f32 or bf16, in f32 arithmetic
 *
 * Kernels that work line by line read a line by fig__load, which hands out the line itself when it is f32 and a widened copy
 * when it is not, and write one by computing at fig__target and calling fig__store. Spare lines are the caller's. */
#ifndef FIG_KERNELS_STORAGE_H
#define FIG_KERNELS_STORAGE_H

#include "kernels/cast.h"
#include "kernels/kernel.h"

static inline void fig__widen(float *to, const uint16_t *from, int64_t n) { fig__fast_bf16_to_f32(to, from, n); }
static inline void fig__narrow(uint16_t *to, const float *from, int64_t n) { fig__fast_f32_to_bf16(to, from, n); }

static inline bool fig__is_narrow(const fig_tensor *t) { return t->type.dtype == FIG_BF16; }

static inline bool fig__any_narrow(const fig_kernel_query *q)
{
    for (int i = 0; i < q->n_in; i++)
        if (q->in[i].dtype == FIG_BF16)
            return true;
    return q->out[0].dtype == FIG_BF16;
}

/* Whether all operands but the first and `other`, and all results but the first, are f32. */
static inline bool fig__others_wide(const fig_kernel_query *q, int other)
{
    for (int i = 1; i < q->n_in; i++)
        if (i != other && q->in[i].dtype == FIG_BF16)
            return false;
    for (int k = 1; k < q->n_out; k++)
        if (q->out[k].dtype == FIG_BF16)
            return false;
    return true;
}

/* n elements from `at`. */
static inline const float *fig__load(const fig_tensor *t, int64_t at, int64_t n, float *spare)
{
    if (!fig__is_narrow(t))
        return (const float *)t->data + at;
    fig__widen(spare, (const uint16_t *)t->data + at, n);
    return spare;
}

/* Where to compute what goes to `at`: there, or in the spare line. */
static inline float *fig__target(const fig_tensor *t, int64_t at, float *spare)
{
    return fig__is_narrow(t) ? spare : (float *)t->data + at;
}

static inline void fig__store(const fig_tensor *t, int64_t at, int64_t n, const float *computed)
{
    if (fig__is_narrow(t))
        fig__narrow((uint16_t *)t->data + at, computed, n);
}

#endif
