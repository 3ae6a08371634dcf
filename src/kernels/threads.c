/* kernels/threads.c - the one place that talks to OpenMP
 *
 * oneDNN and our own kernels share OpenMP's team. A session sets its size when a run begins and puts the host's own setting
 * back at the end; the setting belongs to the calling thread, so other threads of the host never see it.
 *
 * Starting OpenMP's team takes more than a microsecond, and small products little more. Within fig__with_team the threads are started once
 * and then watch one word, the ticket, which says what job there is and which of its parts nobody has taken yet:
 *
 *     ticket = job (24 bits) | end (20) | begin (20)          parts begin ... end - 1 are left
 *
 * The leader takes the first of them, the others the last, so that each walks through memory of its own. Whoever replaces a ticket by
 * one with a part less has taken that part; if the ticket is no longer the one that was read, the job may be over and nothing was
 * taken. The leader waits for parts that others took, never for a thread: one that the machine runs late finds nothing left to do.
 * Whoever waits asks for what comes next from memory meanwhile. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"

#include <omp.h>
#include <sched.h>
#include <stdatomic.h>
#include <stddef.h>

typedef void part_function(void *context, int part, int parts);

enum { PART_BITS = 20, MOST_PARTS = (1 << PART_BITS) - 1, SPINS = 1000, CACHE_LINE = 64, MOST_AHEAD = 256 << 10 };
#define LAST_TICKET UINT64_MAX /* no job: none has MOST_PARTS parts */

struct fig__team {
    _Alignas(128) _Atomic uint64_t ticket;
    _Atomic(part_function *) body; /* of the ticket's job; read before a part is taken, so these are atomic, too */
    void *_Atomic context;
    _Atomic int parts;
    _Alignas(128) _Atomic int done; /* parts of the job that are finished */
    _Atomic bool busy;              /* a job is going on: whoever hands out another from inside of it does it alone */
    _Alignas(128) const char *_Atomic ahead; /* fig__team_ahead; read without an order, as it is a hint */
    _Atomic size_t ahead_bytes;
    _Atomic int ahead_parts;
};

/* How far a thread that waits has come in asking for bytes. */
typedef struct asking {
    const char *of; /* fig__ahead.from */
    size_t done;    /* of each quarter */
} asking;

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

static inline uint64_t make_ticket(uint64_t job, int begin, int end)
{
    return job << 2 * PART_BITS | (uint64_t)end << PART_BITS | (uint64_t)begin;
}
static inline int begin_of(uint64_t ticket) { return (int)(ticket & MOST_PARTS); }
static inline int end_of(uint64_t ticket) { return (int)(ticket >> PART_BITS & MOST_PARTS); }

static inline void wait_a_little(int *spins)
{
    if (++*spins > SPINS)
        sched_yield(); /* somebody else may need this processor to go on */
#if defined(__x86_64__)
    __builtin_ia32_pause();
#endif
}

void fig__team_ahead(fig__team *team, fig__ahead ahead)
{
    if (!team)
        return;
    atomic_store_explicit(&team->ahead_bytes, ahead.bytes, memory_order_relaxed);
    atomic_store_explicit(&team->ahead_parts, ahead.parts, memory_order_relaxed);
    atomic_store_explicit(&team->ahead, ahead.from, memory_order_relaxed);
}

/* Asks for the next lines of the part that thread `id` will take first; false when there are none. Kernels read a part as straight
 * walks from its quarters (matmul_lines_fast.c), so all four are gone along. */
static bool ask_ahead(fig__team *t, int id, asking *a)
{
    const char *from = atomic_load_explicit(&t->ahead, memory_order_relaxed);
    int parts = atomic_load_explicit(&t->ahead_parts, memory_order_relaxed);
    if (!from || parts < 1 || id > parts) /* two words, not always of one moment */
        return false;
    if (a->of != from)
        *a = (asking){ from, 0 };
    size_t part = atomic_load_explicit(&t->ahead_bytes, memory_order_relaxed) / (size_t)parts, quarter = part / 4;
    if (a->done >= quarter || a->done >= MOST_AHEAD / 4)
        return false;
    from += part * (size_t)(id ? parts - id : 0) + a->done;
    for (size_t i = 0; i < 4; i++)
        __builtin_prefetch(from + i * quarter, 0, 2);
    a->done += CACHE_LINE;
    return true;
}

/* Takes and runs one part of the job at hand; false when there is none. */
static bool take_part(fig__team *t, uint64_t ticket, bool leader)
{
    int begin = begin_of(ticket), end = end_of(ticket);
    if (begin >= end)
        return false;
    part_function *body = atomic_load_explicit(&t->body, memory_order_relaxed);
    void *context = atomic_load_explicit(&t->context, memory_order_relaxed);
    int parts = atomic_load_explicit(&t->parts, memory_order_relaxed);
    uint64_t less = leader ? ticket + 1 : ticket - ((uint64_t)1 << PART_BITS);
    if (atomic_compare_exchange_strong_explicit(&t->ticket, &ticket, less, memory_order_acq_rel, memory_order_relaxed)) {
        body(context, leader ? begin : end - 1, parts);
        atomic_fetch_add_explicit(&t->done, 1, memory_order_release);
    }
    return true;
}

static void follow(fig__team *t, int id)
{
    asking asked = { 0 };
    int spins = 0;
    for (;;) {
        uint64_t ticket = atomic_load_explicit(&t->ticket, memory_order_acquire);
        if (ticket == LAST_TICKET)
            return;
        if (take_part(t, ticket, false))
            spins = 0;
        else if (!ask_ahead(t, id, &asked))
            wait_a_little(&spins);
    }
}

static void lead(fig__team *t, int parts, part_function *body, void *context)
{
    uint64_t job = (atomic_load_explicit(&t->ticket, memory_order_relaxed) >> 2 * PART_BITS) + 1;
    atomic_store_explicit(&t->body, body, memory_order_relaxed);
    atomic_store_explicit(&t->context, context, memory_order_relaxed);
    atomic_store_explicit(&t->parts, parts, memory_order_relaxed);
    atomic_store_explicit(&t->done, 0, memory_order_relaxed);
    atomic_store_explicit(&t->ticket, make_ticket(job, 0, parts), memory_order_release);
    while (take_part(t, atomic_load_explicit(&t->ticket, memory_order_acquire), true))
        continue;
    asking asked = { 0 };
    for (int spins = 0; atomic_load_explicit(&t->done, memory_order_acquire) < parts;)
        if (!ask_ahead(t, 0, &asked))
            wait_a_little(&spins);
}

void fig__with_team(int threads, fig__team **team, void (*body)(void *context), void *context)
{
    if (threads <= 1 || *team) {
        body(context);
        return;
    }
    fig__team t = { .ticket = 0 };
#pragma omp parallel num_threads(threads)
    if (omp_get_thread_num() == 0) {
        *team = &t;
        body(context);
        *team = NULL;
        atomic_store_explicit(&t.ticket, LAST_TICKET, memory_order_release);
    } else {
        follow(&t, omp_get_thread_num());
    }
}

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

void fig__parallel_in(fig__team *team, int parts, void (*body)(void *context, int part, int parts), void *context)
{
    if (!team || parts <= 1 || parts >= MOST_PARTS) {
        fig__parallel(parts, body, context);
        return;
    }
    if (atomic_exchange_explicit(&team->busy, true, memory_order_acquire)) {
        for (int part = 0; part < parts; part++)
            body(context, part, parts);
        return;
    }
    lead(team, parts, body, context);
    atomic_store_explicit(&team->busy, false, memory_order_release);
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
