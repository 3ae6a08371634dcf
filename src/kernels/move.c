/* kernels/move.c - strided copies: merging of axes, splitting over threads, choice of the inner loop (move.h) */
#include "kernels/move.h"
#include "kernels/parallel.h"

#include <string.h>

static void drop_axis(fig__move *m, int axis)
{
    for (int i = axis; i + 1 < m->axes; i++)
        m->dim[i] = m->dim[i + 1], m->from[i] = m->from[i + 1], m->to[i] = m->to[i + 1];
    m->axes--;
}

static void swap_axes(fig__move *m, int a, int b)
{
    int64_t dim = m->dim[a], from = m->from[a], to = m->to[a];
    m->dim[a] = m->dim[b], m->from[a] = m->from[b], m->to[a] = m->to[b];
    m->dim[b] = dim, m->from[b] = from, m->to[b] = to;
}

void fig__move_finish(fig__move *m)
{
    for (int axis = m->axes - 1; axis >= 0; axis--)
        if (m->dim[axis] == 1)
            drop_axis(m, axis);
    /* Largest step of `to` first, so that writing runs forward. */
    for (int i = 1; i < m->axes; i++)
        for (int k = i; k > 0 && m->to[k] > m->to[k - 1]; k--)
            swap_axes(m, k, k - 1);
    for (int axis = m->axes - 2; axis >= 0; axis--)
        if (m->from[axis] == m->from[axis + 1] * m->dim[axis + 1] && m->to[axis] == m->to[axis + 1] * m->dim[axis + 1]) {
            m->dim[axis + 1] *= m->dim[axis];
            drop_axis(m, axis);
        }
    if (m->axes == 0) {
        m->axes = 1;
        m->dim[0] = m->from[0] = m->to[0] = 1;
    }
    /* Bring the axis that is straight in `from`, if it is another, next to the last. */
    for (int axis = 0; axis < m->axes - 2; axis++)
        if (m->from[axis] == 1 && m->from[m->axes - 1] != 1) {
            swap_axes(m, axis, m->axes - 2);
            break;
        }
}

typedef struct move_work {
    const fig__move *m;
    const char *from;
    char *to;
    int64_t rows, columns;         /* of the inner plane */
    int64_t from_row, from_column, to_row, to_column;
    int64_t planes;
} move_work;

/* One inner plane, rows [begin, end) of it. */
static void move_plane(const move_work *w, const char *from, char *to, int64_t begin, int64_t end)
{
    size_t size = w->m->size;
    int64_t rows = end - begin;
    from += begin * w->from_row * (int64_t)size;
    to += begin * w->to_row * (int64_t)size;
    if (w->from_column == 1 && w->to_column == 1) {
        if (size == 4 && w->columns < 64) {
            fig__fast_copy_rows((uint32_t *)(void *)to, w->to_row, (const uint32_t *)(const void *)from, w->from_row, rows, w->columns);
            return;
        }
        for (int64_t i = 0; i < rows; i++)
            memcpy(to + i * w->to_row * (int64_t)size, from + i * w->from_row * (int64_t)size, size * (size_t)w->columns);
        return;
    }
    if (w->from_row == 1 && w->to_column == 1) {
        if (size == 4)
            fig__fast_transpose_4((uint32_t *)(void *)to, w->to_row, (const uint32_t *)(const void *)from,
                                  w->from_column, rows, w->columns);
        else
            fig__fast_transpose_2((uint16_t *)(void *)to, w->to_row, (const uint16_t *)(const void *)from,
                                  w->from_column, rows, w->columns);
        return;
    }
    for (int64_t i = 0; i < rows; i++)
        for (int64_t j = 0; j < w->columns; j++)
            memcpy(to + (i * w->to_row + j * w->to_column) * (int64_t)size,
                   from + (i * w->from_row + j * w->from_column) * (int64_t)size, size);
}

/* Parts share planes, or the rows of the one plane. */
static void move_part(void *context, int part, int parts)
{
    const move_work *w = context;
    const fig__move *m = w->m;
    int64_t begin, end;
    fig__share(w->planes * w->rows, 16, part, parts, &begin, &end);
    while (begin < end) {
        int64_t plane = begin / w->rows, first = begin % w->rows;
        int64_t last = w->rows < end - plane * w->rows ? w->rows : end - plane * w->rows;
        int64_t from = 0, to = 0, rest = plane;
        for (int axis = m->axes - 3; axis >= 0; axis--) {
            int64_t index = rest % m->dim[axis];
            rest /= m->dim[axis];
            from += index * m->from[axis];
            to += index * m->to[axis];
        }
        move_plane(w, w->from + from * (int64_t)m->size, w->to + to * (int64_t)m->size, first, last);
        begin = plane * w->rows + last;
    }
}

void fig__move_run(const fig__move *m, const void *from, void *to, const fig_run *run)
{
    move_work w = {
        .m = m, .from = (const char *)from + m->from_at * (int64_t)m->size, .to = (char *)to + m->to_at * (int64_t)m->size,
        .rows = 1, .columns = m->dim[m->axes - 1], .from_column = m->from[m->axes - 1], .to_column = m->to[m->axes - 1], .planes = 1,
    };
    if (m->axes == 1 && w.from_column == 1 && w.to_column == 1 && w.columns >= 1 << 15) {
        w.rows = w.columns / 4096; /* one long run: in pieces, so that parts can share it */
        int64_t done = w.rows * 4096;
        memcpy(w.to + done * (int64_t)m->size, w.from + done * (int64_t)m->size, m->size * (size_t)(w.columns - done));
        w.columns = w.from_row = w.to_row = 4096;
    } else if (m->axes > 1) {
        w.rows = m->dim[m->axes - 2], w.from_row = m->from[m->axes - 2], w.to_row = m->to[m->axes - 2];
    }
    for (int axis = 0; axis < m->axes - 2; axis++)
        w.planes *= m->dim[axis];
    fig__parallel_in(run ? run->team : NULL, fig__parts(w.planes * w.rows * w.columns, run ? run->threads : 1), move_part, &w);
}
