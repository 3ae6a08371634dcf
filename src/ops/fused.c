/* ops/fused.c - a fused pointwise program: several element-by-element steps, and sums behind them, as one node
 *
 * Made by passes/fuse_pointwise.c only, after differentiation, so it has no gradient. The reference below interprets
 * the program one element at a time with the scalar rules of pointwise.def; the fast form runs it over tiles. */
#include "ops/attributes.h"
#include "ops/op.h"

#include <stdlib.h>
#include <string.h>

const fig_pointwise_rule *fig__pointwise_rule(int code)
{
    for (int i = 0; fig__ops[i]; i++)
        if (fig__ops[i]->pointwise && fig__ops[i]->pointwise->code == code)
            return fig__ops[i]->pointwise;
    FIG_BUG("no element-by-element op has code %d", code);
}

static fig_status fused_infer(fig_infer *c)
{
    const fig_fused_program *p = ((const fig_fused_attr *)c->attr)->program;
    if (c->n_in != p->n_in)
        return fig_fail(c->err, FIG_E_SHAPE, "fused: %d operands for a program of %d", c->n_in, p->n_in);
    for (int i = 0; i < c->n_in; i++) {
        fig_type meet;
        if (fig__broadcast_types(&p->space, &c->in[i], &meet) != FIG_OK || !fig__shapes_equal(&meet, &p->space))
            return fig_fail(c->err, FIG_E_SHAPE, "fused: operand %d does not broadcast to the iteration space", i);
    }
    c->n_out = p->n_out;
    for (int k = 0; k < p->n_out; k++) {
        fig_type t = {.dtype = FIG_F32};
        for (int i = 0; i < p->space.rank; i++) {
            bool reduced = (p->reduce[k] >> i) & 1;
            if (!reduced || p->keep[k])
                t.dim[t.rank++] = reduced ? 1 : p->space.dim[i];
        }
        c->out[k] = t;
    }
    return FIG_OK;
}

/* Offset of an index of the space within output k. */
static int64_t place(const fig_fused_program *p, int k, const int64_t *index)
{
    int64_t at = 0;
    for (int i = 0; i < p->space.rank; i++)
        if (!((p->reduce[k] >> i) & 1))
            at = at * p->space.dim[i] + index[i];
    return at;
}

/* Sums in double, so that they can judge kernels that add in any order. */
static void fused_reference(fig_eval *c)
{
    const fig_fused_program *p = ((const fig_fused_attr *)c->attr)->program;
    const fig_pointwise_rule *rule[FIG_FUSED_MAX];
    int64_t stride[FIG_FUSED_MAX][FIG_MAX_RANK], index[FIG_MAX_RANK] = {0};
    float value[2 * FIG_FUSED_MAX];
    for (int s = 0; s < p->n_steps; s++)
        rule[s] = fig__pointwise_rule(p->step[s].code);
    for (int i = 0; i < p->n_in; i++)
        fig__broadcast_strides(&c->in[i].type, &p->space, stride[i]);
    double *sum[FIG_MAX_OUTPUTS] = {0};
    for (int k = 0; k < p->n_out; k++)
        if (p->reduce[k])
            sum[k] = fig__alloc(sizeof(double) * (size_t)fig__count(&c->out[k].type));
    do {
        for (int i = 0; i < p->n_in; i++) {
            int64_t at = 0;
            for (int d = 0; d < p->space.rank; d++)
                at += index[d] * stride[i][d];
            value[i] = FIG_F32_IN(c, i)[at];
        }
        for (int s = 0; s < p->n_steps; s++) {
            const fig_fused_step *step = &p->step[s];
            value[p->n_in + s] = rule[s]->f32(value[step->source[0]], value[step->source[1]], value[step->source[2]], step->p);
        }
        for (int k = 0; k < p->n_out; k++) {
            int64_t at = place(p, k, index);
            if (sum[k])
                sum[k][at] += (double)value[p->outputs[k]];
            else
                FIG_F32_OUT(c, k)[at] = value[p->outputs[k]];
        }
    } while (fig__next_index(index, p->space.dim, p->space.rank));
    for (int k = 0; k < p->n_out; k++) {
        for (int64_t i = 0; sum[k] && i < fig__count(&c->out[k].type); i++)
            FIG_F32_OUT(c, k)[i] = (float)(sum[k][i] * (double)p->scale[k]);
        free(sum[k]);
    }
}

static void fused_print(const void *attr, fig__text *out)
{
    const fig_fused_program *p = ((const fig_fused_attr *)attr)->program;
    fig__text_print(out, " {");
    for (int s = 0; s < p->n_steps; s++) {
        const fig_op *op = NULL;
        for (int i = 0; fig__ops[i]; i++)
            if (fig__ops[i]->pointwise && fig__ops[i]->pointwise->code == p->step[s].code)
                op = fig__ops[i];
        fig__text_print(out, "%sr%d=%s", s ? " " : "", p->n_in + s, op ? op->name : "?");
        for (int k = 0; op && k < op->operands; k++)
            fig__text_print(out, "%sr%d", k ? "," : "(", p->step[s].source[k]);
        fig__text_print(out, ")");
    }
    for (int k = 0; k < p->n_out; k++)
        fig__text_print(out, "%s%sr%d", k ? "," : " -> ", p->reduce[k] ? "sum " : "", p->outputs[k]);
    fig__text_print(out, "}");
}

static void fused_adopt(void *attr, fig_graph *graph)
{
    fig_fused_attr *fused = attr;
    fig_fused_program *copy = FIG_NEW(fig__graph_arena(graph), fig_fused_program);
    *copy = *fused->program;
    fused->program = copy;
}

const fig_op fig_op_fused = {
    .name = "fused", .operands = -1, .flags = FIG_OP_INPLACE, .attr_size = sizeof(fig_fused_attr), .infer = fused_infer,
    .reference = fused_reference, .print = fused_print, .adopt = fused_adopt,
};
