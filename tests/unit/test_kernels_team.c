/* test_kernels_team.c - one team for many small jobs: every part runs once and before the next job begins, whoever takes it */
#include "../test.h"

#include "kernels/parallel.h"

#include <stdatomic.h>
#include <string.h>

enum { MOST = 300, JOBS = 200 };

typedef struct work {
    _Atomic int count[MOST];
    int parts, wrong, jobs;
    bool nested;
    fig__team *team;
    char ahead[5000]; /* what threads that wait ask for */
} work;

static void inner(void *context, int part, int parts)
{
    (void)parts;
    atomic_fetch_add((_Atomic int *)context + part, 1);
}

static void part_body(void *context, int part, int parts)
{
    work *w = context;
    w->wrong += parts != w->parts; /* written by nobody unless something is wrong */
    if (w->nested) {
        _Atomic int inside[5] = { 0 };
        fig__parallel_in(w->team, 5, inner, inside);
        for (int i = 0; i < 5; i++)
            w->wrong += atomic_load(&inside[i]) != 1;
    }
    atomic_fetch_add(&w->count[part], 1);
}

static void one_job(work *w, int parts)
{
    w->parts = parts;
    memset(w->count, 0, sizeof w->count);
    fig__team_ahead(w->team, (fig__ahead){ w->jobs % 4 ? w->ahead + w->jobs : NULL, sizeof w->ahead - JOBS, w->jobs % 6 });
    fig__parallel_in(w->team, parts, part_body, w);
    for (int i = 0; i < MOST; i++)
        w->wrong += atomic_load(&w->count[i]) != (i < parts); /* all done, once, when fig__parallel_in returns */
    w->jobs++;
}

static void many_jobs(void *context)
{
    work *w = context;
    for (int i = 0; i < JOBS; i++)
        one_job(w, i % 7 == 6 ? MOST : 1 + i % 9);
}

FIG_TEST(every_part_once)
{
    for (int threads = 1; threads <= 7; threads++)
        for (int nested = 0; nested < 2; nested++) {
            work w = { .nested = nested && threads > 1 };
            fig__with_team(threads, &w.team, many_jobs, &w);
            CHECK_INT(w.jobs, JOBS);
            CHECK_INT(w.wrong, 0);
        }
}

static void step_body(void *context, int64_t step, int part, int parts)
{
    work *w = context;
    w->wrong += atomic_fetch_add(&w->count[part], 1) != step || parts != 3;
}

static void steps(void *context) { fig__parallel_steps(3, 50, step_body, context); }

FIG_TEST(steps_in_order)
{
    work w = { .parts = 3 };
    steps(&w);
    CHECK_INT(w.wrong, 0);
    memset(&w, 0, sizeof w);
    fig__with_team(3, &w.team, steps, &w);
    CHECK_INT(w.wrong, 0);
    CHECK_INT(atomic_load(&w.count[2]), 50);
}

static void inside(void *context)
{
    work *w = context;
    fig__team *ours = w->team;
    fig__with_team(3, &w->team, many_jobs, w);
    w->wrong += w->team != ours;
}

FIG_TEST(a_team_inside_a_team_is_the_same_one)
{
    work w = { .parts = 0 };
    fig__with_team(3, &w.team, inside, &w);
    CHECK(w.team == NULL);
    fig__with_team(2, &w.team, many_jobs, &w); /* and the next one starts afresh */
    CHECK_INT(w.jobs, 2 * JOBS);
    CHECK_INT(w.wrong, 0);
}

FIG_TEST_MAIN
