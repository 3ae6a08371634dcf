/* kernel_trial.h - one op on given operands: every kernel that accepts it against the reference loop
 *
 * A trial owns its operands. trial_check runs the reference loop, then each accepting kernel with 1, 2 and 3 threads, apart and in
 * place where the kernel allows it. An op no kernel accepts is a failure: a kernel that never runs is a defect. */
#ifndef KERNEL_TRIAL_H
#define KERNEL_TRIAL_H

#include "../test.h"
#include "core/core.h"
#include "kernels/kernel.h"

enum { TRIAL_OPERANDS = 4 };

typedef struct trial {
    const fig_op *op;
    const void *attr;
    int n_in, n_out;
    fig_type in[TRIAL_OPERANDS], out[TRIAL_OPERANDS];
    void *data[TRIAL_OPERANDS];
} trial;

/* The random numbers of a test; every test starts its own, so that tests can be run alone. */
static fig__rng trial_rng;

static inline int64_t trial_between(int64_t low, int64_t high)
{
    return low + (int64_t)fig__rng_below(&trial_rng, (uint64_t)(high - low + 1));
}

/* Often 1, often odd, sometimes longer than any vector. */
static inline int64_t trial_size(int64_t most)
{
    int64_t kind = trial_between(0, 9);
    return kind == 0 || most < 2 ? 1 : kind < 7 && most > 9 ? trial_between(2, 9) : trial_between(1, most);
}

/* An operand of this type: f32 values k / 8 within -span..span when `coarse` (many ties), else any; i32 within 0..span - 1, now and
 * then one beyond either end; bf16 any bits. */
static inline void trial_operand(trial *t, fig_type type, double span, bool coarse)
{
    int i = t->n_in++;
    t->in[i] = type;
    t->data[i] = fig__alloc(fig__bytes(&type) + 64);
    for (int64_t k = 0, n = fig__count(&type); k < n; k++) {
        double u = fig__rng_uniform(&trial_rng);
        if (type.dtype == FIG_I32)
            ((int32_t *)t->data[i])[k] =
                (int32_t)trial_between(u < 0.1 ? -2 : 0, (int64_t)span - 1 + (u > 0.9 ? 2 : 0));
        else if (type.dtype == FIG_F32)
            ((float *)t->data[i])[k] = (float)(coarse ? floor((2 * u - 1) * span * 8) / 8 : (2 * u - 1) * span);
        else
            ((uint16_t *)t->data[i])[k] = (uint16_t)fig__rng_below(&trial_rng, 65536);
    }
}

static inline void trial_free(trial *t)
{
    for (int i = 0; i < t->n_in; i++)
        free(t->data[i]);
}

static inline const char *trial_text(const trial *t)
{
    static char text[600];
    size_t at = 0;
    for (int i = 0; i < t->n_in; i++) {
        char type[128];
        fig__type_text(&t->in[i], type);
        at += (size_t)snprintf(text + at, sizeof text - at, " %s", type);
    }
    return text;
}

/* False when an element is further from the reference than `tolerance` times the largest number of the output; 0: bits, where a
 * NaN equals a NaN and 0 equals -0. */
static inline bool trial_equal(const fig_type *type, const void *found, const void *expected, double tolerance)
{
    if (type->dtype != FIG_F32)
        return memcmp(found, expected, fig__bytes(type)) == 0;
    const float *a = found, *b = expected;
    int64_t n = fig__count(type);
    double largest = 0;
    for (int64_t i = 0; i < n; i++)
        largest = isfinite(b[i]) ? fmax(largest, fabs((double)b[i])) : largest;
    for (int64_t i = 0; i < n; i++)
        if (!(a[i] == b[i] || (isnan(a[i]) && isnan(b[i])) || fabs((double)a[i] - (double)b[i]) <= tolerance * largest))
            return false;
    return true;
}

static inline void trial_fill(const trial *t, void **out)
{
    for (int i = 0; i < t->n_out; i++) {
        size_t bytes = (fig__bytes(&t->out[i]) + 127) / 64 * 64;
        out[i] = aligned_alloc(64, bytes);
        memset(out[i], 0xa5, bytes); /* what is not written shows */
    }
}

/* Runs a kernel (NULL: the reference loop); output 0 lies on a copy of operand `shared` unless that is -1. */
static inline bool trial_run(const trial *t, const fig_kernel *kernel, int threads, int shared, void **out)
{
    fig_kernel_query query = {
        .op = t->op, .n_in = t->n_in, .n_out = t->n_out, .in = t->in, .out = t->out, .attr = t->attr, .threads = threads
    };
    fig_tensor in[TRIAL_OPERANDS], result[TRIAL_OPERANDS];
    fig_run run = { .seed = 1, .threads = threads };
    fig_error err = { 0 };
    void *prepared = NULL, *workspace = NULL;
    size_t bytes = 0;
    if (kernel && kernel->prepare && kernel->prepare(&query, &prepared, &bytes, &err) != FIG_OK) {
        TEST_FAIL("%s: %s: %s", t->op->name, kernel->name, err.message);
        return false;
    }
    if (bytes)
        workspace = aligned_alloc(64, (bytes + 63) / 64 * 64);
    for (int i = 0; i < t->n_in; i++)
        in[i] = (fig_tensor){ t->in[i], t->data[i] };
    for (int i = 0; i < t->n_out; i++)
        result[i] = (fig_tensor){ t->out[i], out[i] };
    if (shared >= 0)
        in[shared].data = memcpy(out[0], t->data[shared], fig__bytes(&t->in[shared]));
    fig_eval eval = { t->n_in, t->n_out, in, result, t->attr, &run, workspace, prepared };
    int saved;
    fig__threads_enter(threads, &saved);
    (kernel ? kernel->run : t->op->reference)(&eval);
    fig__threads_leave(saved);
    if (kernel && kernel->release)
        kernel->release(prepared);
    free(workspace);
    return true;
}

static inline void trial_compare(const trial *t, const fig_kernel *kernel, void *const *expected, double tolerance)
{
    for (int threads = 1; threads <= 3; threads++)
        for (int shared = -1; shared < t->n_in; shared++) {
            if (shared >= 0 && (!(kernel->inplace >> shared & 1) || !fig__types_equal(&t->in[shared], &t->out[0])))
                continue;
            void *out[TRIAL_OPERANDS];
            trial_fill(t, out);
            bool ran = trial_run(t, kernel, threads, shared, out);
            for (int i = 0; i < t->n_out; i++) {
                if (ran && !trial_equal(&t->out[i], out[i], expected[i], tolerance))
                    TEST_FAIL("%s: kernel %s, %d threads%s: output %d differs, operands%s", t->op->name, kernel->name,
                              threads, shared >= 0 ? ", in place" : "", i, trial_text(t));
                free(out[i]);
            }
        }
}

/* The whole trial, and the end of its operands. */
static inline void trial_check(trial *t, double tolerance)
{
    fig_error err = { 0 };
    fig_infer infer = { t->n_in, 1, t->in, t->out, t->attr, &err };
    if (t->op->infer(&infer) != FIG_OK) {
        TEST_FAIL("%s: %s", t->op->name, err.message);
        trial_free(t);
        return;
    }
    t->n_out = infer.n_out;
    void *expected[TRIAL_OPERANDS];
    trial_fill(t, expected);
    trial_run(t, NULL, 1, -1, expected);
    bool accepted = false;
    for (const fig_kernel *const *kernel = fig__kernels; *kernel; kernel++) {
        fig_kernel_query query = {
            .op = t->op, .n_in = t->n_in, .n_out = t->n_out, .in = t->in, .out = t->out, .attr = t->attr, .threads = 2
        };
        if (strcmp((*kernel)->op, t->op->name) != 0 || !(*kernel)->accepts(&query))
            continue;
        accepted = true;
        trial_compare(t, *kernel, expected, tolerance);
    }
    if (!accepted)
        TEST_FAIL("%s: no kernel accepts operands%s", t->op->name, trial_text(t));
    for (int i = 0; i < t->n_out; i++)
        free(expected[i]);
    trial_free(t);
}

#endif
