/* kernels/pool_fast.c - inner loops of pooling: windows in order, a window's places in order, channels in vectors
 *
 * A window is a box of places, cut where the input ends. Comparisons are written as in the reference: the first largest wins,
 * and a NaN wins over every number. Pictures of up to four channels have loops of their own, as a vector loop over so few costs more to
 * enter than it does. */
#include "kernels/exponential.h"
#include "kernels/parallel.h"
#include "kernels/pool.h"

/* The places a window sees: [low, high) along each axis; at is the window's own index. */
typedef struct box {
    int64_t at[3], low[3], high[3];
} box;

static inline void cut(const fig__window *w, box *b, int axis)
{
    int64_t start = b->at[axis] * w->stride[axis] - w->before[axis], end = start + w->kernel[axis];
    b->low[axis] = start < 0 ? 0 : start;
    b->high[axis] = end > w->in[axis] ? w->in[axis] : end;
}

static inline box first_box(const fig__window *w)
{
    box b = { 0 };
    for (int axis = 0; axis < 3; axis++)
        cut(w, &b, axis);
    return b;
}

static inline void next_box(const fig__window *w, box *b)
{
    for (int axis = 2; axis >= 0; axis--) {
        bool wraps = ++b->at[axis] == w->out[axis];
        if (wraps)
            b->at[axis] = 0;
        cut(w, b, axis);
        if (!wraps)
            return;
    }
}

/* The places of a box one after another, as offsets in elements. */
typedef struct walk {
    int64_t i[3], offset;
} walk;

static inline int64_t offset_of(const fig__pool *p, const int64_t i[3])
{
    return ((i[0] * p->window.in[1] + i[1]) * p->window.in[2] + i[2]) * p->channels;
}

static inline walk first_place(const fig__pool *p, const box *b)
{
    return (walk){ { b->low[0], b->low[1], b->low[2] }, offset_of(p, b->low) };
}

static inline bool next_place(const fig__pool *p, const box *b, walk *v)
{
    if (++v->i[2] < b->high[2]) {
        v->offset += p->channels;
        return true;
    }
    v->i[2] = b->low[2];
    if (++v->i[1] == b->high[1]) {
        v->i[1] = b->low[1];
        if (++v->i[0] == b->high[0])
            return false;
    }
    v->offset = offset_of(p, v->i);
    return true;
}

#define INLINE static inline __attribute__((always_inline))
#define BY_CHANNELS(body, p, n, ...)    \
    (n == 1   ? body(p, 1, __VA_ARGS__) \
     : n == 2 ? body(p, 2, __VA_ARGS__) \
     : n == 3 ? body(p, 3, __VA_ARGS__) \
     : n == 4 ? body(p, 4, __VA_ARGS__) \
              : body(p, n, __VA_ARGS__))

/* Written so that no branch depends on the numbers but for NaN: the processor cannot guess which of them is larger. */
static inline float larger(float x, float best)
{
    float largest = x > best ? x : best; /* best where either is NaN */
    return x != x ? x : largest;
}

/* All bits set when x takes the place of best. */
static inline int32_t beats(float x, float best) { return -(int32_t)((x > best) | ((x != x) & (best == best))); }

static inline int32_t chosen(int32_t mask, int32_t yes, int32_t no) { return (yes & mask) | (no & ~mask); }
static inline float chosen_float(int32_t mask, float yes, float no)
{
    return fig__bits_float((fig__float_bits(yes) & (uint32_t)mask) | (fig__float_bits(no) & ~(uint32_t)mask));
}

INLINE void max_pool(const fig__pool *p, int64_t n, const float *restrict x, float *restrict y)
{
    box b = first_box(&p->window);
    for (int64_t left = fig__window_places(&p->window); left--; next_box(&p->window, &b), y += p->channels) {
        walk v = first_place(p, &b);
        for (int64_t c = 0; c < n; c++)
            y[c] = x[v.offset + c];
        while (next_place(p, &b, &v)) {
            const float *row = x + v.offset;
            for (int64_t c = 0; c < n; c++)
                y[c] = larger(row[c], y[c]);
        }
    }
}

FIG_CLONES
void fig__fast_max_pool(const fig__pool *p, int64_t n, const float *x, float *y) { BY_CHANNELS(max_pool, p, n, x, y); }

INLINE void max_pool_gradient(const fig__pool *p, int64_t n, const float *restrict x, const float *restrict dy,
                              float *restrict dx)
{
    float best[FIG__POOL_CHANNELS];
    int32_t place[FIG__POOL_CHANNELS]; /* of the best: number within the window */
    box b = first_box(&p->window);
    for (int64_t left = fig__window_places(&p->window); left--; next_box(&p->window, &b), dy += p->channels) {
        walk v = first_place(p, &b);
        for (int64_t c = 0; c < n; c++) {
            best[c] = x[v.offset + c];
            place[c] = 0;
        }
        for (int32_t number = 1; next_place(p, &b, &v); number++) {
            const float *row = x + v.offset;
            for (int64_t c = 0; c < n; c++) {
                int32_t better = beats(row[c], best[c]);
                best[c] = larger(row[c], best[c]);
                place[c] = chosen(better, number, place[c]);
            }
        }
        v = first_place(p, &b);
        int32_t number = 0;
        do {
            float *row = dx + v.offset;
            for (int64_t c = 0; c < n; c++)
                row[c] += chosen_float(-(int32_t)(place[c] == number), dy[c], 0.0f);
            number++;
        } while (next_place(p, &b, &v));
    }
}

FIG_CLONES
void fig__fast_max_pool_gradient(const fig__pool *p, int64_t n, const float *x, const float *dy, float *dx)
{
    BY_CHANNELS(max_pool_gradient, p, n, x, dy, dx);
}

INLINE void max_pool_pick(const fig__pool *p, int64_t n, const float *restrict x, const float *restrict u,
                          float *restrict y)
{
    float best[FIG__POOL_CHANNELS];
    box b = first_box(&p->window);
    for (int64_t left = fig__window_places(&p->window); left--; next_box(&p->window, &b), y += p->channels) {
        walk v = first_place(p, &b);
        for (int64_t c = 0; c < n; c++) {
            best[c] = x[v.offset + c];
            y[c] = u[v.offset + c];
        }
        while (next_place(p, &b, &v)) {
            const float *row = x + v.offset, *picked = u + v.offset;
            for (int64_t c = 0; c < n; c++) {
                int32_t better = beats(row[c], best[c]);
                best[c] = larger(row[c], best[c]);
                y[c] = chosen_float(better, picked[c], y[c]);
            }
        }
    }
}

FIG_CLONES
void fig__fast_max_pool_pick(const fig__pool *p, int64_t n, const float *x, const float *u, float *y)
{
    BY_CHANNELS(max_pool_pick, p, n, x, u, y);
}

static inline float share_of(const box *b)
{
    return 1.0f / (float)((b->high[0] - b->low[0]) * (b->high[1] - b->low[1]) * (b->high[2] - b->low[2]));
}

INLINE void average_pool(const fig__pool *p, int64_t n, const float *restrict x, float *restrict y)
{
    box b = first_box(&p->window);
    for (int64_t left = fig__window_places(&p->window); left--; next_box(&p->window, &b), y += p->channels) {
        float share = share_of(&b);
        walk v = first_place(p, &b);
        for (int64_t c = 0; c < n; c++)
            y[c] = x[v.offset + c];
        while (next_place(p, &b, &v)) {
            const float *row = x + v.offset;
            for (int64_t c = 0; c < n; c++)
                y[c] += row[c];
        }
        for (int64_t c = 0; c < n; c++)
            y[c] *= share;
    }
}

FIG_CLONES
void fig__fast_average_pool(const fig__pool *p, int64_t n, const float *x, float *y)
{
    BY_CHANNELS(average_pool, p, n, x, y);
}

INLINE void average_pool_gradient(const fig__pool *p, int64_t n, const float *restrict dy, float *restrict dx)
{
    box b = first_box(&p->window);
    for (int64_t left = fig__window_places(&p->window); left--; next_box(&p->window, &b), dy += p->channels) {
        float share = share_of(&b);
        walk v = first_place(p, &b);
        do {
            float *row = dx + v.offset;
            for (int64_t c = 0; c < n; c++)
                row[c] += dy[c] * share;
        } while (next_place(p, &b, &v));
    }
}

FIG_CLONES
void fig__fast_average_pool_gradient(const fig__pool *p, int64_t n, const float *dy, float *dx)
{
    BY_CHANNELS(average_pool_gradient, p, n, dy, dx);
}
