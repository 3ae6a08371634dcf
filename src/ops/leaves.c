/* ops/leaves.c - values without operands: inputs, states and scalars from outside, and constants
 *
 * input, state and scalar are only records here: their builders, which keep names unique, are the graph's (graph/). The
 * constants are values of the graph itself: full (one number everywhere), constant_data (a copied array) and iota (0, 1,
 * 2 ... along an axis). A constant's type is f32 or i32. */
#include "ops/attributes.h"
#include "ops/op.h"
#include <string.h>

/* -- leaves that are fed from outside ------------------------------------------------------------------------------ */

static fig_status check_type(fig_infer *c, const fig_type *type, const char *op)
{
    if (type->rank < 0 || type->rank > FIG_MAX_RANK)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: %d axes, expected 0 to %d", op, type->rank, FIG_MAX_RANK);
    if (type->dtype != FIG_F32 && type->dtype != FIG_I32 && type->dtype != FIG_BF16)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: unknown element type %d", op, (int)type->dtype);
    uint64_t count = 1;
    for (int i = 0; i < type->rank; i++)
        if (type->dim[i] < 1 || !fig__mul(count, (uint64_t)type->dim[i], &count) || count > (uint64_t)1 << 40)
            return fig_fail(c->err, FIG_E_SHAPE,
                            "%s: axis %d has size %lld; sizes are at least 1 and a tensor has at most "
                            "2^40 elements",
                            op, i, (long long)type->dim[i]);
    *c->out = *type;
    for (int i = type->rank; i < FIG_MAX_RANK; i++)
        c->out->dim[i] = 0;
    return FIG_OK;
}

static fig_status leaf_infer(fig_infer *c)
{
    const fig_leaf_attr *attr = c->attr;
    return check_type(c, &attr->type, attr->name ? attr->name : "leaf");
}

static void leaf_print(const void *attr, fig__text *out)
{
    const fig_leaf_attr *leaf = attr;
    fig__text_print(out, " \"%s\"", leaf->name ? leaf->name : "");
}

static void leaf_adopt(void *attr, fig_graph *graph)
{
    fig_leaf_attr *leaf = attr;
    leaf->name = fig__arena_text(fig__graph_arena(graph), leaf->name);
}

const fig_op fig_op_input = {
    .name = "input",
    .flags = FIG_OP_LEAF,
    .attr_size = sizeof(fig_leaf_attr),
    .infer = leaf_infer,
    .print = leaf_print,
    .adopt = leaf_adopt,
};
const fig_op fig_op_state = {
    .name = "state",
    .flags = FIG_OP_LEAF,
    .attr_size = sizeof(fig_leaf_attr),
    .infer = leaf_infer,
    .print = leaf_print,
    .adopt = leaf_adopt,
};
const fig_op fig_op_scalar = {
    .name = "scalar",
    .flags = FIG_OP_LEAF,
    .attr_size = sizeof(fig_leaf_attr),
    .infer = leaf_infer,
    .print = leaf_print,
    .adopt = leaf_adopt,
};

/* -- constants ----------------------------------------------------------------------------------------------------- */

static fig_status constant_type(fig_infer *c, const fig_type *type, const char *op)
{
    if (type->dtype == FIG_BF16)
        return fig_fail(c->err, FIG_E_SHAPE, "%s: bf16 constants do not exist; make it f32 and fig_cast it", op);
    return check_type(c, type, op);
}

static fig_status full_infer(fig_infer *c) { return constant_type(c, &((const fig_full_attr *)c->attr)->type, "full"); }

static void full_reference(fig_eval *c)
{
    double value = ((const fig_full_attr *)c->attr)->value;
    int64_t n = fig__count(&c->out[0].type);
    for (int64_t i = 0; i < n; i++) {
        if (c->out[0].type.dtype == FIG_F32)
            FIG_F32_OUT(c, 0)[i] = (float)value;
        else
            FIG_I32_OUT(c, 0)[i] = (int32_t)value;
    }
}

static void full_print(const void *attr, fig__text *out)
{
    char number[32];
    fig__number_text(((const fig_full_attr *)attr)->value, number);
    fig__text_print(out, " %s", number);
}

const fig_op fig_op_full = {
    .name = "full",
    .flags = FIG_OP_CONSTANT,
    .attr_size = sizeof(fig_full_attr),
    .infer = full_infer,
    .reference = full_reference,
    .print = full_print,
};

static fig_status constant_data_infer(fig_infer *c)
{
    return constant_type(c, &((const fig_constant_data_attr *)c->attr)->type, "constant_data");
}

static void constant_data_reference(fig_eval *c)
{
    memcpy(c->out[0].data, ((const fig_constant_data_attr *)c->attr)->data, fig__bytes(&c->out[0].type));
}

static void constant_data_adopt(void *attr, fig_graph *graph)
{
    fig_constant_data_attr *constant = attr;
    size_t bytes = fig__bytes(&constant->type);
    void *copy = fig__arena_alloc(fig__graph_arena(graph), bytes);
    memcpy(copy, constant->data, bytes);
    constant->data = copy;
}

const fig_op fig_op_constant_data = {
    .name = "constant_data",
    .flags = FIG_OP_CONSTANT,
    .attr_size = sizeof(fig_constant_data_attr),
    .infer = constant_data_infer,
    .reference = constant_data_reference,
    .adopt = constant_data_adopt,
};

static fig_status iota_infer(fig_infer *c)
{
    const fig_iota_attr *attr = c->attr;
    FIG_TRY(constant_type(c, &attr->type, "iota"));
    if (attr->axis < 0 || attr->axis >= attr->type.rank)
        return fig_fail(c->err, FIG_E_SHAPE, "iota: axis %d of a value with %d axes", attr->axis, attr->type.rank);
    return FIG_OK;
}

static void iota_reference(fig_eval *c)
{
    const fig_type *type = &c->out[0].type;
    int axis = ((const fig_iota_attr *)c->attr)->axis;
    int64_t inner = 1, n = fig__count(type);
    for (int i = axis + 1; i < type->rank; i++)
        inner *= type->dim[i];
    for (int64_t i = 0; i < n; i++) {
        int64_t value = i / inner % type->dim[axis];
        if (type->dtype == FIG_F32)
            FIG_F32_OUT(c, 0)[i] = (float)value;
        else
            FIG_I32_OUT(c, 0)[i] = (int32_t)value;
    }
}

static void iota_print(const void *attr, fig__text *out)
{
    fig__text_print(out, " axis=%d", ((const fig_iota_attr *)attr)->axis);
}

const fig_op fig_op_iota = {
    .name = "iota",
    .flags = FIG_OP_CONSTANT,
    .attr_size = sizeof(fig_iota_attr),
    .infer = iota_infer,
    .reference = iota_reference,
    .print = iota_print,
};

/* -- builders ------------------------------------------------------------------------------------------------------ */

/* Attributes are compared as bytes: dimensions past the rank are cleared. */
static fig_type clean_type(fig_type type)
{
    fig_type clean;
    memset(&clean, 0, sizeof clean);
    clean.dtype = type.dtype;
    clean.rank = type.rank;
    for (int i = 0; i < type.rank && i < FIG_MAX_RANK; i++)
        clean.dim[i] = type.dim[i];
    return clean;
}

static fig_node full(fig_graph *graph, fig_type type, double value)
{
    fig_full_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type = clean_type(type);
    attr.value = value;
    return fig__emit(graph, &fig_op_full, NULL, 0, &attr);
}

fig_node fig_constant(fig_graph *graph, float value) { return full(graph, FIG_SCALAR, (double)value); }

fig_node fig_constant_i32(fig_graph *graph, int32_t value)
{
    return full(graph, (fig_type){ .dtype = FIG_I32 }, (double)value);
}

fig_node fig_full(fig_graph *graph, fig_type type, float value)
{
    if (type.dtype == FIG_I32 && !(value >= -2147483648.0f && value < 2147483648.0f))
        return fig_graph_fail(graph, "full: %g does not fit an i32", (double)value);
    return full(graph, type, (double)value);
}

fig_node fig_zeros_like(fig_node x) { return fig_is_none(x) ? x : full(x.graph, fig_type_of(x), 0.0); }

fig_node fig_ones_like(fig_node x) { return fig_is_none(x) ? x : full(x.graph, fig_type_of(x), 1.0); }

fig_node fig_constant_data(fig_graph *graph, fig_type type, const void *data)
{
    fig_constant_data_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type = clean_type(type);
    fig_error err = { 0 };
    fig_type out;
    fig_infer rule = { .n_out = 1, .out = &out, .attr = &attr, .err = &err };
    if (constant_data_infer(&rule) != FIG_OK) /* before its size is used */
        return fig_graph_fail(graph, "%s", err.message);
    size_t bytes = fig__bytes(&attr.type);
    void *copy = fig__arena_alloc(fig__graph_arena(graph), bytes);
    memcpy(copy, data, bytes);
    attr.data = copy;
    attr.hash = fig__hash64(copy, bytes, 0);
    return fig__emit(graph, &fig_op_constant_data, NULL, 0, &attr);
}

fig_node fig_iota(fig_graph *graph, fig_type type, int axis)
{
    fig_iota_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.type = clean_type(type);
    attr.axis = axis < 0 ? axis + type.rank : axis;
    return fig__emit(graph, &fig_op_iota, NULL, 0, &attr);
}
