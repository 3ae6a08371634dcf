/* ops/attention.h - where an attention node's queries, keys and values lie
 *
 * Either in three operands, q (B, T, H, D) and k, v (B, S, H, D), or in one (B, T, 3, H, D), as a layer's single product makes them.
 * The gradient lies in results of the same shapes, one or three. y and its gradient are (B, T, H, D). */
#ifndef FIG_OPS_ATTENTION_H
#define FIG_OPS_ATTENTION_H

#include "ops/op.h"

enum { FIG__QUERIES, FIG__KEYS, FIG__VALUES, FIG__ATTENDED }; /* the last: y and its gradient */

typedef struct fig__attention_shape {
    int64_t batch, queries, keys, heads, width;
    int operands;  /* 3 or 1 */
    int64_t line;  /* numbers of one position of q, k, v or y: heads * width */
} fig__attention_shape;

static inline fig__attention_shape fig__attention_shape_of(const fig_type *in)
{
    bool joint = in[0].rank == 5;
    const int64_t *dim = in[0].dim;
    fig__attention_shape s = { .batch = dim[0], .queries = dim[1], .keys = joint ? dim[1] : in[1].dim[1], .operands = joint ? 1 : 3 };
    s.heads = dim[joint ? 3 : 2];
    s.width = dim[joint ? 4 : 3];
    s.line = s.heads * s.width;
    return s;
}

/* Index, within its tensor, of the first number of head h at position t of row b; and from there to the next position. */
static inline int64_t fig__attention_at(const fig__attention_shape *s, int part, int64_t b, int64_t t, int64_t h)
{
    int64_t length = part == FIG__KEYS || part == FIG__VALUES ? s->keys : s->queries, at = (b * length + t) * s->line;
    if (s->operands == 1 && part != FIG__ATTENDED)
        at = 3 * at + part * s->line;
    return at + h * s->width;
}
static inline int64_t fig__attention_step(const fig__attention_shape *s, int part)
{
    return s->operands == 1 && part != FIG__ATTENDED ? 3 * s->line : s->line;
}
/* Operand, or result of the gradient. */
static inline int fig__attention_tensor(const fig__attention_shape *s, int part) { return s->operands == 1 ? 0 : part; }

#endif
