/* kernels/rank.c - sort and top_k of the last axis, row by row
 *
 * A row becomes keys (rank.h). Sorting is by digits. The k first are kept in a pool of up to 2 k + 2 BLOCK keys: a block
 * adds those that are below the k-th key known so far; a full pool is sorted and cut to k, which lowers that limit. Most
 * of a row never enters. */
#include "kernels/kernel.h"
#include "kernels/parallel.h"
#include "kernels/rank.h"

#include <stdlib.h>
#include <string.h>

enum { BLOCK = 256 };

typedef struct rank_state {
    int64_t rows, n, k;
    bool descending;
    int64_t keys; /* of each of a part's two arrays */
    int parts;
} rank_state;

static bool rank_accepts(const fig_kernel_query *q) { return fig_elements(&q->in[0]) > 0; }

static fig_status rank_prepare(const fig_kernel_query *q, void **prepared, size_t *workspace, fig_error *err)
{
    (void)err;
    rank_state *s = fig__alloc(sizeof *s);
    bool whole = strcmp(q->op->name, "sort") == 0;
    s->n = q->in[0].dim[q->in[0].rank - 1];
    s->rows = fig_elements(&q->in[0]) / s->n;
    s->k = whole ? s->n : ((const fig_classes_attr *)q->attr)->classes;
    s->descending = whole ? ((const fig_sort_attr *)q->attr)->descending != 0 : true;
    s->keys = s->k < s->n / 4 && s->n > 4 * BLOCK ? 2 * s->k + 2 * BLOCK : s->n;
    s->parts = fig__parts(8 * fig_elements(&q->in[0]), q->threads);
    *workspace = sizeof(uint64_t) * 2 * (size_t)s->keys * (size_t)s->parts;
    *prepared = s;
    return FIG_OK;
}

static void rank_release(void *prepared) { free(prepared); }

/* The first k keys of x in order, in pool. */
static void first_keys(const rank_state *s, const float *x, uint64_t *pool, uint64_t *spare)
{
    if (s->keys == s->n) {
        fig__fast_rank_keys(pool, x, s->n, s->descending);
        fig__fast_rank_sort(pool, spare, s->n);
        return;
    }
    uint64_t limit = UINT64_MAX, block[BLOCK];
    int64_t count = 0;
    for (int64_t first = 0; first < s->n; first += BLOCK) {
        int64_t n = s->n - first < BLOCK ? s->n - first : BLOCK;
        fig__fast_rank_keys(block, x + first, n, s->descending);
        for (int64_t i = 0; i < n; i++)
            block[i] += (uint64_t)first;
        count = fig__fast_rank_filter(pool, count, block, n, limit);
        if (count >= 2 * s->k + BLOCK) {
            fig__fast_rank_sort(pool, spare, count);
            count = s->k;
            limit = pool[s->k - 1];
        }
    }
    fig__fast_rank_sort(pool, spare, count);
}

static void rank_part(void *context, int part, int parts)
{
    const fig_eval *c = context;
    const rank_state *s = c->prepared;
    uint64_t *pool = (uint64_t *)c->workspace + 2 * s->keys * part, *spare = pool + s->keys;
    int64_t begin, end;
    fig__share(s->rows, 1, part, parts, &begin, &end);
    for (int64_t row = begin; row < end; row++) {
        const float *x = FIG_F32_IN(c, 0) + row * s->n;
        first_keys(s, x, pool, spare);
        for (int64_t i = 0; i < s->k; i++) {
            int32_t index = (int32_t)(uint32_t)pool[i];
            FIG_F32_OUT(c, 0)[row * s->k + i] = x[index];
            FIG_I32_OUT(c, 1)[row * s->k + i] = index;
        }
    }
}

static void rank_run(fig_eval *c) { fig__parallel(((const rank_state *)c->prepared)->parts, rank_part, c); }

const fig_kernel fig_kernel_sort = {
    .name = "rank",
    .op = "sort",
    .accepts = rank_accepts,
    .prepare = rank_prepare,
    .release = rank_release,
    .run = rank_run,
};
const fig_kernel fig_kernel_top_k = {
    .name = "rank",
    .op = "top_k",
    .accepts = rank_accepts,
    .prepare = rank_prepare,
    .release = rank_release,
    .run = rank_run,
};
