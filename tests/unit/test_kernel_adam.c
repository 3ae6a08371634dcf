/* test_kernel_adam.c - the update of Adam as one loop: which programs it recognises, and that it computes them */
#include "../pass_rig.h"

typedef struct variant { bool select, clip, l2, shrink, swapped; int count; } variant;

static fig_node average(fig_node mean, fig_node x, float decay, bool swapped)
{
    fig_node a = fig_scale(mean, decay), b = fig_scale(x, 1 - decay);
    return swapped ? fig_add(b, a) : fig_add(a, b);
}

static fig_node times(fig_node a, fig_node b, bool swapped) { return swapped ? fig_mul(b, a) : fig_mul(a, b); }

static int adam_kernels(const pass_rig *r)
{
    int count = 0;
    for (int i = 0; i < r->plan->n_steps; i++)
        count += r->plan->step[i].kernel && !strcmp(r->plan->step[i].kernel->name, "adam");
    return count;
}

/* The update as train/adam.c writes it, with what the trainer puts around it. `wrong` bends one detail. */
static pass_rig begin(const variant *k, bool wrong)
{
    pass_rig r = rig_begin(NULL);
    fig_type type = FIG_SHAPE(k->count);
    fig_node w = rig_state(&r, "w", type), m = rig_state(&r, "m", type), v = rig_state(&r, "v", type);
    fig_node g = rig_input(&r, type), number[5];
    for (int i = 0; i < 5; i++)
        number[i] = rig_input(&r, FIG_SCALAR);
    if (k->clip)
        g = times(times(g, number[0], k->swapped), fig_shift(number[4], 1), k->swapped);
    if (k->l2)
        g = fig_add(g, fig_scale(w, 0.01f));
    fig_node mean = average(m, g, 0.9f, k->swapped);
    fig_node square = average(v, fig_square(wrong ? fig_shift(g, 1) : g), 0.999f, k->swapped);
    fig_node root = fig_shift(times(fig_sqrt(square), number[1], k->swapped), 1e-8f);
    fig_node base = k->shrink ? times(w, number[2], k->swapped) : w;
    fig_node out[] = { fig_sub(base, fig_div(times(mean, number[3], k->swapped), root)), mean, square };
    fig_node old[] = { w, m, v };
    for (int i = 0; i < 3; i++)
        fig_assign(old[i], k->select ? fig_select(number[4], out[i], old[i]) : out[i]);
    return r;
}

FIG_TEST(every_way_of_writing_it_is_one_loop)
{
    for (int bits = 0; bits < 32; bits++)
        for (int size = 0; size < 3; size++) {
            const variant k = { bits & 1, bits & 2, bits & 4, bits & 8, bits & 16, (int[]){ 3, 1025, 50003 }[size] };
            pass_rig r = begin(&k, false);
            if (rig_compile(&r))
                CHECK_INT(adam_kernels(&r), 1);
            rig_end(&r);
        }
}

FIG_TEST(another_update_stays_with_the_tiles)
{
    for (int bits = 0; bits < 32; bits++) {
        const variant k = { bits & 1, bits & 2, bits & 4, bits & 8, bits & 16, 100 };
        pass_rig r = begin(&k, true);
        if (rig_compile(&r))
            CHECK_INT(adam_kernels(&r), 0);
        rig_end(&r);
    }
}

/* A step without any example keeps all that is there, to the bit. */
FIG_TEST(a_refused_step_changes_nothing)
{
    const variant k = { .select = true, .count = 4099 };
    pass_rig r = begin(&k, false);
    fig_plan *plan = rig_compile_one(&r, r.store);
    float before[3][4099];
    const char *name[] = { "w", "m", "v" };
    for (int i = 0; i < 3; i++)
        memcpy(before[i], fig_store_data(r.store, fig_store_find(r.store, name[i])), sizeof before[i]);
    for (int i = 0; i < 6; i++) {
        char input[8];
        fig_type type;
        snprintf(input, sizeof input, "x%d", i);
        float *data = fig_plan_input(plan, input, &type);
        for (int64_t j = 0; data && j < fig__count(&type); j++)
            data[j] = i == 5 ? 0 : 1;
    }
    CHECK_OK(fig_plan_run(plan, &(fig_run_opts){ .seed = 1 }, &r.err), r.err);
    for (int i = 0; i < 3; i++)
        CHECK(!memcmp(before[i], fig_store_data(r.store, fig_store_find(r.store, name[i])), sizeof before[i]));
    fig_plan_free(plan);
    rig_end(&r);
}

/* Operands that are no states end here, so results may take their memory, each any of them. */
static void check_shared_memory(bool refused)
{
    pass_rig r = rig_begin(NULL);
    fig_type type = FIG_SHAPE(40, 40);
    fig_node x = rig_input(&r, type), made[4];
    for (int i = 0; i < 4; i++)
        made[i] = fig_matmul(x, rig_input(&r, type), NULL);
    fig_node w = made[0], m = made[1], v = made[2], g = made[3], number = rig_input(&r, FIG_SCALAR);
    fig_node taken = fig_shift(fig_floor(fig_scale(number, 0.5f)), refused ? 0.0f : 1.0f);
    fig_node mean = average(m, g, 0.9f, false), square = average(v, fig_square(g), 0.999f, false);
    fig_node root = fig_shift(fig_mul(fig_sqrt(square), number), 1e-8f);
    fig_node next = fig_sub(w, fig_div(fig_mul(mean, number), root));
    rig_output(&r, fig_matmul(fig_select(taken, next, w), x, NULL));
    rig_output(&r, fig_matmul(fig_select(taken, mean, m), x, NULL));
    rig_output(&r, fig_matmul(fig_select(taken, square, v), x, NULL));
    if (rig_compile(&r))
        CHECK_INT(adam_kernels(&r), 1);
    rig_end(&r);
}

FIG_TEST(a_refused_step_keeps_values_that_share_memory) { check_shared_memory(true); }
FIG_TEST(a_step_of_values_that_share_memory) { check_shared_memory(false); }

/* A dead unit: averages reach zero instead of staying among the subnormal numbers. */
FIG_TEST(averages_of_a_dead_weight_reach_zero)
{
    const variant k = { .count = 64 };
    pass_rig r = begin(&k, false);
    fig_plan *plan = rig_compile_one(&r, r.store);
    fig_type type;
    for (int i = 0; i < 5; i++) {
        char input[8];
        snprintf(input, sizeof input, "x%d", i);
        float *data = fig_plan_input(plan, input, &type);
        for (int64_t j = 0; data && j < fig__count(&type); j++)
            data[j] = i == 0 ? 0 : 1;
    }
    for (int step = 0; step < 1200; step++)
        CHECK_OK(fig_plan_run(plan, &(fig_run_opts){ .seed = 1 }, &r.err), r.err);
    const float *mean = fig_store_data(r.store, fig_store_find(r.store, "m"));
    for (int i = 0; i < 64; i++)
        CHECK(mean[i] == 0);
    fig_plan_free(plan);
    rig_end(&r);
}

FIG_TEST_MAIN
