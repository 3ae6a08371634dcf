/* kernels/tiles_join.c - several steps of a program in one loop
 *
 * A step costs a pass over a tile in the first cache: about two loads and a store per vector, often more than its arithmetic.
 * So a step that is read once, by a step that can do its work on the way, becomes a part of that one. The patterns are those
 * that optimizers and gradients are made of; thirteen steps of Adam become four:
 *
 *     m' = b m + (1 - b) g            add(scale, scale)               weighted
 *     v' = c v + (1 - c) g g          add(scale, scale(square))       square
 *     d  = sqrt(v') root + eps        shift(mul(sqrt, number))        root
 *     w' = w - m' rate / d            sub(., div(mul(., number), .))  quotient
 *     and add or sub of a product     add(mul(., .), .)               product
 *
 * A sum of squares squares while it adds. */
#include "kernels/tiles_inside.h"
#include "ops/pointwise.h"

#include <string.h>

enum { FOR_AN_OUTPUT = 2 };

typedef struct joiner {
    fig__tiles *t;
    int uses[2 * FIG_FUSED_MAX];
} joiner;

/* The step with this code that makes register r, if nobody else reads it; else NULL. */
static step *maker(const joiner *j, int r, int code)
{
    if (r < j->t->n_in || j->uses[r] != 1)
        return NULL;
    step *s = &j->t->step[r - j->t->n_in];
    return s->joined < 0 && !s->gone && s->rule->code == code ? s : NULL;
}

static bool is_number(const joiner *j, int r)
{
    return r < j->t->n_in && j->t->operand[r].kind == NUMBER;
}

static void become(step *s, int joined, int a, int b, int c, int d, int arity, float p0, float p1)
{
    s->joined = joined;
    s->source[0] = a, s->source[1] = b, s->source[2] = c, s->source[3] = d;
    s->arity = arity;
    s->p[0] = p0;
    s->p[1] = p1;
}

/* A factor in front of a register: through a scale that only this reader sees. */
static int weighted_source(const joiner *j, int r, float *weight, step **scale)
{
    *scale = maker(j, r, FIG__CODE_scale);
    if (!*scale || is_number(j, (*scale)->source[0])) {
        *scale = NULL;
        return r;
    }
    *weight *= (*scale)->p[0];
    return (*scale)->source[0];
}

/* x + sign y with scales, squares or a product inside. */
static bool join_sum(joiner *j, step *s, float sign)
{
    if (is_number(j, s->source[0]) || is_number(j, s->source[1]))
        return false;
    float p[2] = { 1.0f, sign };
    step *scale[2];
    int from[2];
    for (int k = 0; k < 2; k++)
        from[k] = weighted_source(j, s->source[k], &p[k], &scale[k]);
    for (int k = 1; k >= 0; k--) {
        step *square = maker(j, from[k], FIG__CODE_square), *product = maker(j, from[k], FIG__CODE_mul);
        if (square && !is_number(j, square->source[0])) {
            become(s, FIG__JOIN_SQUARE, from[1 - k], square->source[0], 0, 0, 2, p[1 - k], p[k]);
            square->gone = true;
        } else if (product && !is_number(j, product->source[0]) && !is_number(j, product->source[1])) {
            become(s, FIG__JOIN_PRODUCT, product->source[0], product->source[1], from[1 - k], 0, 3, p[k], p[1 - k]);
            product->gone = true;
        } else {
            continue;
        }
        break;
    }
    if (s->joined < 0 && (scale[0] || scale[1]))
        become(s, FIG__JOIN_WEIGHTED, from[0], from[1], 0, 0, 2, p[0], p[1]);
    for (int k = 0; k < 2 && s->joined >= 0; k++)
        if (scale[k])
            scale[k]->gone = true;
    return s->joined >= 0;
}

/* Sorts the operands of a product into array and single number. */
static bool split_product(const joiner *j, const step *product, int *array, int *number)
{
    if (!product)
        return false;
    for (int k = 0; k < 2; k++)
        if (is_number(j, product->source[k]) && !is_number(j, product->source[1 - k])) {
            *number = product->source[k];
            *array = product->source[1 - k];
            return true;
        }
    return false;
}

/* shift(mul(sqrt(a), n), p) */
static void join_root(joiner *j, step *s)
{
    int array, number;
    step *product = maker(j, s->source[0], FIG__CODE_mul);
    if (!split_product(j, product, &array, &number))
        return;
    step *root = maker(j, array, FIG__CODE_sqrt);
    if (!root || is_number(j, root->source[0]))
        return;
    become(s, FIG__JOIN_ROOT, root->source[0], number, 0, 0, 2, s->p[0], 0.0f);
    product->gone = root->gone = true;
}

/* sub(a, div(mul(b, n), c)) */
static bool join_quotient(joiner *j, step *s)
{
    int array, number;
    step *quotient = maker(j, s->source[1], FIG__CODE_div);
    if (!quotient || is_number(j, s->source[0]) || is_number(j, quotient->source[1]))
        return false;
    step *product = maker(j, quotient->source[0], FIG__CODE_mul);
    if (!split_product(j, product, &array, &number))
        return false;
    become(s, FIG__JOIN_QUOTIENT, s->source[0], array, quotient->source[1], number, 4, 0.0f, 0.0f);
    quotient->gone = product->gone = true;
    return true;
}

/* A gradient's norm: squares that nobody but one sum over everything wants. */
static void join_squares(joiner *j, output *o)
{
    const fig__tiles *t = j->t;
    if (o->reg < t->n_in || j->uses[o->reg] != FOR_AN_OUTPUT || !o->reduced || t->combine != FIG__COMBINE_SUM)
        return;
    step *s = &j->t->step[o->reg - t->n_in];
    int from = s->source[0];
    if (s->joined >= 0 || s->gone || s->rule->code != FIG__CODE_square || from >= t->n_in || t->operand[from].kind != STRAIGHT ||
        o->stride[t->axes - 2] || o->stride[t->axes - 1])
        return;
    s->gone = o->squared = true;
    o->reg = from;
}

void fig__tiles_join(fig__tiles *t)
{
    joiner j = { .t = t };
    for (int i = 0; i < t->n_steps; i++)
        for (int k = 0; k < t->step[i].arity; k++)
            j.uses[t->step[i].source[k]]++;
    for (int k = 0; k < t->n_out; k++)
        j.uses[t->output[k].reg] += FOR_AN_OUTPUT; /* never a part of another step */
    for (int i = 0; i < t->n_steps; i++) {
        step *s = &t->step[i];
        if (s->rule->code == FIG__CODE_add)
            join_sum(&j, s, 1.0f);
        else if (s->rule->code == FIG__CODE_sub && !join_quotient(&j, s))
            join_sum(&j, s, -1.0f);
        else if (s->rule->code == FIG__CODE_shift)
            join_root(&j, s);
    }
    for (int k = 0; k < t->n_out; k++)
        join_squares(&j, &t->output[k]);
}
