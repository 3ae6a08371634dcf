/* kernels/parallel.h - splitting work over the threads of a run
 *
 * All OpenMP of the library is in threads.c: kernels hand over a function and a number of parts. Part i of n always covers the
 * same elements, whatever thread runs it, so results (and partial sums combined in order of parts) depend only on the number
 * of parts. Small work runs on the calling thread: starting a team costs about as much as 10,000 additions. */
#ifndef FIG_KERNELS_PARALLEL_H
#define FIG_KERNELS_PARALLEL_H

#include <stddef.h>
#include <stdint.h>

/* Calls body(context, part, parts) for every part, in up to `parts` threads. */
void fig__parallel(int parts, void (*body)(void *context, int part, int parts), void *context);

/* The same `steps` times, step after step: no part begins a step before all parts have ended the one before. One team does all of
 * them, so a step costs a barrier rather than a start. */
void fig__parallel_steps(int parts, int64_t steps, void (*body)(void *context, int64_t step, int part, int parts), void *context);

/* Calls body(context) on this thread, with up to `threads` - 1 others at hand, which *team names meanwhile (NULL before and after; if it
 * names some already, those are used). They are started once and take parts as they come, which costs a fifth of starting a team each
 * time, and evens out what a busy machine does. The body gets no other threads than these (fig_kernel.team). */
typedef struct fig__team fig__team;
void fig__with_team(int threads, fig__team **team, void (*body)(void *context), void *context);

/* What a later job of the team reads from memory and nobody writes meanwhile, in that many parts: a thread that has to wait asks for the
 * beginning of the part that it is going to take, so that memory is at work while one thread does what cannot be shared. A hint. */
typedef struct fig__ahead {
    const void *from;
    size_t bytes;
    int parts; /* of equal size */
} fig__ahead;
void fig__team_ahead(fig__team *team, fig__ahead ahead);

/* fig__parallel by the threads of a team, in any number; NULL = as fig__parallel. A part that does this in turn does it all by itself. */
void fig__parallel_in(fig__team *team, int parts, void (*body)(void *context, int part, int parts), void *context);

/* Number of parts worth starting for work that takes about `elements` simple operations. */
static inline int fig__parts(int64_t elements, int threads)
{
    int64_t worth = elements / 12288;
    return worth >= threads ? threads : worth > 1 ? (int)worth : 1;
}

/* The half-open range of part `part`: n split into nearly equal pieces whose borders are multiples of grain. */
static inline void fig__share(int64_t n, int64_t grain, int part, int parts, int64_t *begin, int64_t *end)
{
    int64_t blocks = (n + grain - 1) / grain;
    *begin = blocks * part / parts * grain;
    *end = part + 1 == parts ? n : blocks * (part + 1) / parts * grain;
    if (*begin > n)
        *begin = n;
    if (*end > n)
        *end = n;
}

/* Compiles a function of a *_fast.c file for three processor generations; the loader picks one (AVX-512, AVX2 with FMA, SSE2).
 * Clones must not be inlined into callers, and only gcc on x86-64 has them. */
#if defined(__x86_64__) && defined(__GNUC__) && !defined(__clang__)
#define FIG_CLONES __attribute__((target_clones("arch=x86-64-v4", "arch=x86-64-v3", "default")))
#else
#define FIG_CLONES
#endif

#endif
