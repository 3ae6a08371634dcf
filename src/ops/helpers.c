/* ops/helpers.c - what shape rules, gradients and reference loops share
 *
 * Types as text for messages, broadcasting (shapes aligned at the last axis, an axis of size 1 stretches), its gradient, and
 * walking a multi-index. A shape rule's message names the op first, then what was found, then what was expected. */
#include "ops/attributes.h"
#include "ops/int8.h"
#include "ops/op.h"
#include <string.h>

static const char *const dtype_names[] = { [FIG_F32] = "f32", [FIG_I32] = "i32", [FIG_BF16] = "bf16", [FIG_I8] = "int8" };

void fig__type_text(const fig_type *type, char out[128])
{
    int length = snprintf(out, 128, "%s (", dtype_names[type->dtype]);
    for (int i = 0; i < type->rank && length < 120; i++)
        length += snprintf(out + length, 128 - (size_t)length, i ? ", %lld" : "%lld", (long long)type->dim[i]);
    if (length < 127)
        snprintf(out + length, 128 - (size_t)length, ")");
}

fig_status fig__expect_rank(fig_infer *c, int operand, int rank, const char *op)
{
    if (c->in[operand].rank == rank)
        return FIG_OK;
    char text[128];
    fig__type_text(&c->in[operand], text);
    return fig_fail(c->err, FIG_E_SHAPE, "%s: operand %d has %d axes, expected %d: found %s", op, operand + 1,
                    c->in[operand].rank, rank, text);
}

fig_status fig__expect_dtype(fig_infer *c, int operand, fig_dtype dtype, const char *op)
{
    if (c->in[operand].dtype == dtype)
        return FIG_OK;
    char text[128];
    fig__type_text(&c->in[operand], text);
    return fig_fail(c->err, FIG_E_SHAPE, "%s: operand %d must be %s, found %s; convert it with fig_cast", op,
                    operand + 1, dtype_names[dtype], text);
}

/* The dtype of the result is a's; callers that need equal dtypes check that themselves. */
fig_status fig__broadcast_types(const fig_type *a, const fig_type *b, fig_type *out)
{
    fig_type result = { .dtype = a->dtype, .rank = a->rank > b->rank ? a->rank : b->rank };
    for (int i = 1; i <= result.rank; i++) {
        int64_t x = i <= a->rank ? a->dim[a->rank - i] : 1, y = i <= b->rank ? b->dim[b->rank - i] : 1;
        if (x != y && x != 1 && y != 1)
            return FIG_E_SHAPE;
        result.dim[result.rank - i] = x == 1 ? y : x;
    }
    *out = result;
    return FIG_OK;
}

bool fig__shapes_equal(const fig_type *a, const fig_type *b)
{
    return a->rank == b->rank && memcmp(a->dim, b->dim, sizeof(int64_t) * (size_t)a->rank) == 0;
}

bool fig__types_equal(const fig_type *a, const fig_type *b) { return a->dtype == b->dtype && fig__shapes_equal(a, b); }

int64_t fig__count(const fig_type *type)
{
    int64_t count = 1;
    for (int i = 0; i < type->rank; i++)
        count *= type->dim[i];
    return count;
}

size_t fig__dtype_size(fig_dtype dtype) { return dtype == FIG_I8 ? 1 : dtype == FIG_BF16 ? 2 : 4; }

size_t fig__bytes(const fig_type *type)
{
    return type->dtype == FIG_I8 ? fig__int8_bytes(type) : (size_t)fig__count(type) * fig__dtype_size(type->dtype);
}

fig_node fig__unbroadcast(fig_node gradient, fig_node x)
{
    fig_type from = fig_type_of(gradient), to = fig_type_of(x);
    if (fig__shapes_equal(&from, &to))
        return gradient;
    unsigned axes = 0;
    int lead = from.rank - to.rank;
    for (int i = 0; i < from.rank; i++)
        if (i < lead || (to.dim[i - lead] == 1 && from.dim[i] != 1))
            axes |= 1u << i;
    fig_node sum = axes ? fig_sum(gradient, &(fig_reduce_opts){ .axes = axes, .keep = lead == 0 }) : gradient;
    fig_type found = fig_type_of(sum);
    return fig__shapes_equal(&found, &to) ? sum : fig_reshape(sum, to);
}

void fig__broadcast_strides(const fig_type *type, const fig_type *out, int64_t strides[FIG_MAX_RANK])
{
    int lead = out->rank - type->rank;
    int64_t stride = 1;
    for (int i = out->rank - 1; i >= 0; i--) {
        bool stretched = i < lead || (type->dim[i - lead] == 1 && out->dim[i] != 1);
        strides[i] = stretched ? 0 : stride;
        if (i >= lead)
            stride *= type->dim[i - lead];
    }
}

bool fig__next_index(int64_t *index, const int64_t *dim, int rank)
{
    for (int i = rank - 1; i >= 0; i--) {
        if (++index[i] < dim[i])
            return true;
        index[i] = 0;
    }
    return false;
}
