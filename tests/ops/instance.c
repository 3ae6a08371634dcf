/* ops/instance.c - making random operands for op cases (see cases.h) */
#include "cases.h"
#include <math.h>
#include <stdlib.h>
#include <string.h>

#define FIG_CASES(family) extern const op_case cases_##family[];
#include "cases.def"
#undef FIG_CASES

const op_case *const all_cases[] = {
#define FIG_CASES(family) cases_##family,
#include "cases.def"
#undef FIG_CASES
    NULL,
};

/* -- sizes and shapes ---------------------------------------------------------------------------------------------- */

int64_t any_between(instance *t, int64_t low, int64_t high)
{
    return low + (int64_t)fig__rng_below(&t->rng, (uint64_t)(high - low + 1));
}

bool any_chance(instance *t, double probability) { return fig__rng_uniform(&t->rng) < probability; }

int64_t any_size(instance *t)
{
    if (any_chance(t, 0.15))
        return 1;
    if (t->small)
        return any_between(t, 2, 3);
    if (any_chance(t, 0.7))
        return any_between(t, 2, 9);
    return any_chance(t, 0.5) ? 2 * any_between(t, 4, 30) + 1 : 16 * any_between(t, 1, 4);
}

fig_type any_shape(instance *t, int rank)
{
    fig_type type = { .rank = rank };
    int64_t left = t->small ? 18 : 4096;
    for (int i = rank - 1; i >= 0; i--) {
        int64_t size = any_size(t);
        type.dim[i] = size <= left ? size : left;
        left /= type.dim[i];
    }
    return type;
}

/* -- operands ------------------------------------------------------------------------------------------------------ */

static operand *new_operand(instance *t, fig_type type, fig_dtype dtype, bool real)
{
    FIG_BUG_IF(t->operands == MAX_OPERANDS, "more operands than MAX_OPERANDS");
    operand *o = &t->operand[t->operands];
    char name[16];
    snprintf(name, sizeof name, "x%d", t->operands++);
    type.dtype = dtype;
    *o = (operand){
        .node = fig_input(t->graph, name, type), .type = type, .data = fig__alloc(fig__bytes(&type)), .real = real
    };
    return o;
}

static double between(instance *t, double low, double high) { return low + (high - low) * fig__rng_uniform(&t->rng); }

fig_node any_real(instance *t, fig_type type, double low, double high)
{
    operand *o = new_operand(t, type, FIG_F32, true);
    for (int64_t i = 0, n = fig__count(&type); i < n; i++)
        ((float *)o->data)[i] = (float)between(t, low, high);
    return o->node;
}

fig_node any_apart(instance *t, fig_type type, double low, double high, double step)
{
    operand *o = new_operand(t, type, FIG_F32, true);
    for (int64_t i = 0, n = fig__count(&type); i < n; i++) {
        double value, nearest;
        do {
            value = between(t, low, high);
            nearest = step > 0 ? step * round(value / step) : 0;
        } while (fabs(value - nearest) < 0.06);
        ((float *)o->data)[i] = (float)value;
    }
    return o->node;
}

fig_node any_grid(instance *t, fig_type type, double low, double high, double spacing, double offset)
{
    operand *o = new_operand(t, type, FIG_F32, true);
    for (int64_t i = 0, n = fig__count(&type); i < n; i++)
        ((float *)o->data)[i] = (float)(spacing * round(between(t, low, high) / spacing) + offset);
    return o->node;
}

fig_node any_distinct(instance *t, fig_type type)
{
    operand *o = new_operand(t, type, FIG_F32, true);
    int64_t n = fig__count(&type);
    float *x = o->data;
    for (int64_t i = 0; i < n; i++)
        x[i] = 0.25f * (float)(i - n / 2);
    for (int64_t i = n - 1; i > 0; i--) {
        int64_t j = any_between(t, 0, i);
        float swapped = x[i];
        x[i] = x[j];
        x[j] = swapped;
    }
    return o->node;
}

fig_node any_fixed(instance *t, fig_type type, double low, double high)
{
    fig_node node = any_real(t, type, low, high);
    t->operand[t->operands - 1].real = false;
    return node;
}

fig_node any_choice(instance *t, fig_type type)
{
    operand *o = new_operand(t, type, FIG_F32, false);
    for (int64_t i = 0, n = fig__count(&type); i < n; i++)
        ((float *)o->data)[i] = (float)any_between(t, 0, 1);
    return o->node;
}

fig_node any_integers(instance *t, fig_type type, int64_t low, int64_t high)
{
    operand *o = new_operand(t, type, FIG_I32, false);
    for (int64_t i = 0, n = fig__count(&type); i < n; i++)
        ((int32_t *)o->data)[i] = (int32_t)any_between(t, low, high);
    return o->node;
}

void give(instance *t, fig_node result)
{
    FIG_BUG_IF(t->results == MAX_OPERANDS, "more results than MAX_OPERANDS");
    t->result[t->results++] = result;
}

/* -- life ---------------------------------------------------------------------------------------------------------- */

void instance_begin(instance *t, const op_case *row, uint64_t number, bool small)
{
    memset(t, 0, sizeof *t);
    t->row = row;
    t->small = small;
    t->graph = fig_graph_new();
    t->rng.state = fig__hash64(row->op, strlen(row->op), number * 2 + small);
    row->build(t);
}

void instance_end(instance *t)
{
    for (int i = 0; i < t->operands; i++)
        free(t->operand[i].data);
    fig_graph_free(t->graph);
}

const char *instance_text(const instance *t)
{
    static char text[1024];
    int length = 0;
    text[0] = 0;
    for (int i = 0; i < t->operands && length < 800; i++) {
        char type[128];
        fig__type_text(&t->operand[i].type, type);
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%s", i ? ", " : "", type);
    }
    return text;
}
