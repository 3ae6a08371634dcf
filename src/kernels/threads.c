/* kernels/threads.c - the one place that talks to OpenMP
 *
 * oneDNN and our own kernels share OpenMP's team. A session sets its size when a run begins and puts the host's own setting
 * back at the end; the setting belongs to the calling thread, so other threads of the host never see it. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"

#include <omp.h>

void fig__threads_enter(int threads, int *saved)
{
    *saved = omp_get_max_threads();
    if (threads >= 1 && threads != *saved)
        omp_set_num_threads(threads);
}

void fig__threads_leave(int saved)
{
    if (saved != omp_get_max_threads())
        omp_set_num_threads(saved);
}

int fig__threads_now(void) { return omp_get_max_threads(); }

void fig__parallel(int parts, void (*body)(void *context, int part, int parts), void *context)
{
    if (parts <= 1) {
        body(context, 0, 1);
        return;
    }
    /* The team may be smaller than asked for (limits, nesting); every part is run all the same. */
#pragma omp parallel num_threads(parts)
    for (int part = omp_get_thread_num(); part < parts; part += omp_get_num_threads())
        body(context, part, parts);
}

void fig__parallel_steps(int parts, int64_t steps, void (*body)(void *context, int64_t step, int part, int parts), void *context)
{
    if (parts <= 1) {
        for (int64_t step = 0; step < steps; step++)
            body(context, step, 0, 1);
        return;
    }
#pragma omp parallel num_threads(parts)
    for (int64_t step = 0; step < steps; step++) {
        for (int part = omp_get_thread_num(); part < parts; part += omp_get_num_threads())
            body(context, step, part, parts);
#pragma omp barrier
    }
}
