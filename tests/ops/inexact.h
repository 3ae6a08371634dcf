/* ops/inexact.h - how far two computations of one value may be apart
 *
 * With eps = 2^-24, the largest relative error of one rounding to f32:
 *
 *   exact ops    no difference. They move, choose, compare or count; or round once, where IEEE leaves no choice; or add
 *                in the same order as the reference loop.
 *   other ops    eps (8 + 3 sqrt(n)) (|expected| + scale)
 *                n: the most terms that one result adds up. Their roundings have random signs, so they grow with sqrt(n);
 *                a kernel's many short sums are better than that, its worst of thousands of results is worse: 3 holds.
 *                8: what a formula costs without any sum: library functions within 4 ulp of each other, and the roundings
 *                around them. oneDNN's own tanh and gelu, in products with an activation, are the worst at 14 in all.
 *                scale: the largest absolute value among the op's operands and results. An intermediate value is rounded at
 *                its own size, however much of it cancels afterwards: a variance of equal numbers, a gradient that sums to
 *                0. So small results are as wrong as the large numbers they were made of, and not more.
 *   plans        the same with the largest n, and the scale over all values of the graph.
 *   bf16         a value that lies between two bf16 numbers may be rounded to either: 2^-7 |expected| more.
 *                Kernels that round what goes into their inner products: 2^-9 (1 + 3 sqrt(n)) (|expected| + scale) instead,
 *                as each term is off by 2^-9; second limit (|expected| + scale / 10) / 32.
 *                The same for recurrent nodes that round their state before each product: loop and kernel round at the same
 *                places, but a state that lies between two bf16 numbers may go either way, 2^-8 of it, and that is fed back.
 *   i32          no difference.
 *
 * n is an upper bound from types and operation counts. So that it cannot loosen what was strict, 3e-5 (|expected| + scale / 10)
 * is a second limit; with the scale of operands and results alone, and three times as much for plans.
 *
 * Measured over 200 instances of every op with AVX-512: f32 kernels reach 0.6 of the first limit at most (gelu_tanh_slope; products
 * with an activation and batch normalisation's gradient 0.45), plans and decompositions 0.35. */
#ifndef FIG_TESTS_INEXACT_H
#define FIG_TESTS_INEXACT_H

#include "ops/op.h"

typedef struct limit {
    bool exact;
    bool narrow;  /* what is multiplied was rounded to bf16 on the way */
    double terms; /* n */
    double scale;
    double near;   /* scale of the second limit; */
    double factor; /* and its factor */
} limit;

/* Largest absolute finite value; 0 for i32. */
double largest_of(const fig_type *type, const void *data);
bool is_exact(const fig_op *op);
/* The most terms that one result of this op adds up. */
double terms_of(const fig_op *op, const void *attr, const fig_type *in, int n_in, const fig_type *out, int n_out);
/* The worst error as a share of what is allowed: above 1 the two differ. NaN equals NaN. */
double error_between(const fig_type *type, const void *found, const void *expected, const limit *l);

#endif
