/* test_kernels_index.c - kernels by index, dynamic slices and updates, casts, running sums and places of the largest
 *
 * All of them move numbers, or add them in the reference's order: equal to the reference loops to the bit. */
#include "kernel_trial.h"
#include "ops/attributes.h"

enum { TRIALS = 200 };

static fig_type any_type(fig_dtype dtype, int least, int most)
{
    fig_type type = { .dtype = dtype, .rank = (int)trial_between(least, most) };
    for (int i = 0; i < type.rank; i++)
        type.dim[i] = trial_size(i == type.rank - 1 ? 150 : 12);
    return type;
}

static fig_dtype any_dtype(void) { return (fig_dtype[]){ FIG_F32, FIG_I32, FIG_BF16 }[trial_between(0, 2)]; }

static void begin(uint64_t seed) { trial_rng = (fig__rng){ seed }; }

FIG_TEST(gather)
{
    begin(1);
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type table = any_type(any_dtype(), 1, 3), index = any_type(FIG_I32, 0, 3);
        trial t = { .op = &fig_op_gather };
        trial_operand(&t, table, 100, false);
        trial_operand(&t, index, (double)table.dim[0], false);
        trial_check(&t, 0);
    }
}

/* A few rows that many indices name: sums in the order of the indices, so equal to the bit with any number of threads. */
FIG_TEST(scatter_add)
{
    begin(2);
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type table = any_type(FIG_F32, 1, 3), index = any_type(FIG_I32, 0, 2), update = index;
        if (i % 10 == 0)
            table.dim[table.rank - 1] = trial_between(500, 900);
        update.dtype = FIG_F32;
        for (int axis = 1; axis < table.rank; axis++)
            update.dim[update.rank++] = table.dim[axis];
        fig_shape_attr attr;
        memset(&attr, 0, sizeof attr);
        attr.type = table;
        trial t = { .op = &fig_op_scatter_add, .attr = &attr };
        trial_operand(&t, index, (double)table.dim[0], false);
        trial_operand(&t, update, 1, false);
        trial_check(&t, 0);
    }
}

FIG_TEST(pick)
{
    begin(3);
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type x = any_type(any_dtype(), 1, 4), index = x;
        index.dtype = FIG_I32;
        index.dim[x.rank - 1] = trial_size(20);
        trial t = { .op = &fig_op_pick };
        trial_operand(&t, x, 100, false);
        trial_operand(&t, index, (double)x.dim[x.rank - 1], false);
        trial_check(&t, 0);
    }
}

FIG_TEST(place_and_one_hot)
{
    begin(4);
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type index = any_type(FIG_I32, 1, 3), update = index;
        update.dtype = FIG_F32;
        fig_classes_attr attr = { trial_size(300) };
        trial t = { .op = &fig_op_place, .attr = &attr }, hot = { .op = &fig_op_one_hot, .attr = &attr };
        trial_operand(&t, index, (double)attr.classes, false);
        trial_operand(&t, update, 1, false);
        trial_check(&t, 0);
        trial_operand(&hot, index, (double)attr.classes, false);
        trial_check(&hot, 0);
    }
}

FIG_TEST(dynamic)
{
    begin(5);
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type x = any_type(any_dtype(), 1, 4), part, start = { .dtype = FIG_I32 };
        fig_dynamic_attr attr = { .axis = (int)trial_between(0, x.rank - 1) };
        if (i % 10 == 0)
            x.dim[x.rank - 1] = 5000;
        attr.length = trial_between(1, x.dim[attr.axis]);
        if (attr.axis && i % 3) {
            start.rank = 1;
            start.dim[0] = x.dim[0];
        }
        part = x;
        part.dim[attr.axis] = attr.length;
        trial cut = { .op = &fig_op_dynamic_slice, .attr = &attr },
              put = { .op = &fig_op_dynamic_update, .attr = &attr };
        trial_operand(&cut, x, 100, false);
        trial_operand(&cut, start, (double)x.dim[attr.axis], false);
        trial_check(&cut, 0);
        trial_operand(&put, x, 100, false);
        trial_operand(&put, part, 100, false);
        trial_operand(&put, start, (double)x.dim[attr.axis], false);
        trial_check(&put, 0);
    }
}

/* Every kind of float: specials, ties of rounding, beyond the integers; bf16 operands are all 65,536 of them. */
static void special_values(float *x, int64_t n)
{
    const float some[] = { NAN,           INFINITY,       -INFINITY, 0.0f,    -0.0f,    2147483648.0f, -2147483648.0f,
                           2147483520.0f, -2147483904.0f, 1e-40f,    3.4e38f, -3.4e38f, 1.00390625f,   1.01171875f,
                           0.99999994f,   -0.5f,          1e10f,     -1e10f };
    for (int64_t i = 0; i < n; i++) {
        uint32_t bits = (uint32_t)fig__rng_next(&trial_rng);
        if (i % 3 == 0)
            x[i] = some[trial_between(0, (int64_t)(sizeof some / sizeof *some) - 1)];
        else if (i % 3 == 1)
            memcpy(&x[i], &bits, sizeof bits);
    }
}

FIG_TEST(casts)
{
    begin(6);
    const fig_dtype types[] = { FIG_F32, FIG_I32, FIG_BF16 };
    for (int from = 0; from < 3; from++)
        for (int to = 0; to < 3; to++)
            for (int i = 0; i < 40 && from != to && !test_failures; i++) {
                fig_type x =
                    i ? any_type(types[from], 0, 3) : (fig_type){ .dtype = types[from], .rank = 1, .dim = { 70001 } };
                fig_shape_attr attr;
                memset(&attr, 0, sizeof attr);
                attr.type.dtype = types[to];
                trial t = { .op = &fig_op_cast, .attr = &attr };
                trial_operand(&t, x, 1000, false);
                if (types[from] == FIG_F32)
                    special_values(t.data[0], fig__count(&x));
                for (int64_t k = 0; k < fig__count(&x) && types[from] == FIG_BF16; k++)
                    ((uint16_t *)t.data[0])[k] = (uint16_t)k;
                for (int64_t k = 0; k < fig__count(&x) && types[from] == FIG_I32; k++)
                    ((int32_t *)t.data[0])[k] = (int32_t)fig__rng_next(&trial_rng) >> trial_between(0, 31);
                trial_check(&t, 0);
            }
}

FIG_TEST(cumsum)
{
    begin(7);
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type x = any_type(i % 4 ? FIG_F32 : FIG_I32, 1, 4);
        fig_cumsum_attr attr = { (int)trial_between(0, x.rank - 1), (int)trial_between(0, 1),
                                 (int)trial_between(0, 1) };
        trial t = { .op = &fig_op_cumsum, .attr = &attr };
        trial_operand(&t, x, 1e9, false);
        trial_check(&t, 0);
    }
}

FIG_TEST(argmax)
{
    begin(8);
    for (int i = 0; i < TRIALS && !test_failures; i++) {
        fig_type x = any_type(i % 4 ? FIG_F32 : FIG_I32, 1, 4);
        fig_axis_attr attr = { .axis = (int)trial_between(0, x.rank - 1) };
        trial t = { .op = &fig_op_argmax, .attr = &attr };
        trial_operand(&t, x, 1.5, i % 2);
        for (int64_t k = 0; k < fig__count(&x) && x.dtype == FIG_F32 && i % 3 == 0; k++)
            if (trial_between(0, 15) == 0)
                ((float *)t.data[0])[k] = (float[]){ NAN, INFINITY, -INFINITY, -0.0f }[trial_between(0, 3)];
        trial_check(&t, 0);
    }
}

FIG_TEST_MAIN
