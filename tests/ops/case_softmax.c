/* ops/case_softmax.c - cases of softmax, its relatives, cross-entropy and attention */
#include "cases.h"
#include <string.h>

static void softmax(instance *t) { give(t, fig_softmax(any_real(t, any_shape(t, (int)any_between(t, 1, 4)), -3, 3))); }

static void softmax_gradient(instance *t)
{
    fig_type type = any_shape(t, (int)any_between(t, 1, 4));
    fig_node in[2] = { any_real(t, type, 0, 1), any_real(t, type, -1, 1) };
    give(t, fig__emit(t->graph, &fig_op_softmax_gradient, in, 2, NULL));
}

static void log_softmax(instance *t)
{
    give(t, fig_log_softmax(any_real(t, any_shape(t, (int)any_between(t, 1, 4)), -3, 3)));
}

static void logsumexp(instance *t)
{
    give(t, fig_logsumexp(any_real(t, any_shape(t, (int)any_between(t, 1, 4)), -3, 3)));
}

/* Labels from -1 (padding) to one past the last class. */
static void labelled(instance *t, fig_type *logits, fig_type *rows, fig_node *label)
{
    *logits = *rows = any_shape(t, (int)any_between(t, 1, 4));
    rows->rank--;
    *label = any_integers(t, *rows, -1, logits->dim[logits->rank - 1]);
}

static void cross_entropy(instance *t)
{
    fig_type type, rows;
    fig_node label;
    labelled(t, &type, &rows, &label);
    give(t, fig_cross_entropy(any_real(t, type, -3, 3), label));
}

static void cross_entropy_gradient(instance *t)
{
    fig_type type, rows;
    fig_node label;
    labelled(t, &type, &rows, &label);
    fig_node in[3] = { any_real(t, type, -3, 3), label, any_real(t, rows, -1, 1) };
    give(t, fig__emit(t->graph, &fig_op_cross_entropy_gradient, in, 3, NULL));
}

/* q, k and v, or all in one; long sequences now and then, so that kernels meet several blocks of queries. Returns how many. */
static int attention_operands(instance *t, fig_node in[3])
{
    bool tall = !t->small && any_chance(t, 0.2);
    int64_t b = any_between(t, 1, 2), h = any_between(t, 1, t->small ? 2 : 3), d = any_between(t, 1, t->small ? 2 : 17);
    int64_t queries = any_between(t, 1, t->small ? 3 : tall ? 90 : 20);
    int64_t keys = queries + any_between(t, 0, t->small ? 1 : tall ? 300 : 9);
    if (any_chance(t, 0.4)) {
        in[0] = any_real(t, FIG_SHAPE(b, queries, 3, h, d), -1, 1);
        return 1;
    }
    in[0] = any_real(t, FIG_SHAPE(b, queries, h, d), -1, 1);
    for (int i = 1; i < 3; i++)
        in[i] = any_real(t, FIG_SHAPE(b, keys, h, d), -1, 1);
    return 3;
}

static void attention(instance *t)
{
    fig_node in[3];
    int n = attention_operands(t, in);
    bool causal = any_chance(t, 0.5);
    float dropout = any_chance(t, 0.3) ? 0.25f : 0;
    give(t, n == 1 ? fig_attention_joint(in[0], causal, dropout) : fig_attention(in[0], in[1], in[2], causal, dropout));
}

static void attention_gradient(instance *t)
{
    fig_node in[4], out[3];
    int n = attention_operands(t, in);
    fig_type type = fig_type_of(in[0]);
    const int64_t *heads = &type.dim[n == 1 ? 3 : 2];
    in[n] = any_real(t, FIG_SHAPE(type.dim[0], type.dim[1], heads[0], heads[1]), -1, 1);
    fig_attention_attr attr;
    memset(&attr, 0, sizeof attr);
    attr.scale = 0.5f;
    attr.causal = any_chance(t, 0.5);
    attr.dropout = any_chance(t, 0.3) ? 0.25f : 0;
    attr.stream = 12345;
    fig__emit_multi(t->graph, &fig_op_attention_gradient, in, n + 1, &attr, out, n);
    for (int i = 0; i < n; i++)
        give(t, out[i]);
}

static void attention_cached(instance *t)
{
    int64_t b = any_between(t, 1, 3), h = any_between(t, 1, t->small ? 2 : 3), d = any_between(t, 1, t->small ? 3 : 70);
    int64_t steps = any_between(t, 1, 2), room = steps + any_between(t, 0, t->small ? 2 : any_chance(t, 0.3) ? 90 : 9);
    fig_node q = any_real(t, FIG_SHAPE(b, steps, h, d), -1, 1);
    fig_node keys = any_real(t, FIG_SHAPE(b, h, room, d), -1, 1), values = any_real(t, FIG_SHAPE(b, h, room, d), -1, 1);
    give(t, fig_attention_cached(q, keys, values, any_integers(t, FIG_SHAPE(b), 0, room - steps)));
}

static void attention_step(instance *t)
{
    int64_t b = any_between(t, 1, 3), h = any_between(t, 1, t->small ? 2 : 3), d = any_between(t, 1, t->small ? 3 : 70);
    int64_t steps = any_between(t, 1, 2), room = steps + any_between(t, 0, t->small ? 2 : any_chance(t, 0.3) ? 90 : 9);
    fig_node cache = any_real(t, FIG_SHAPE(b, 2, h, room, d), -1, 1), qkv = any_real(t, FIG_SHAPE(b, steps, 3, h, d), -1, 1), next;
    give(t, fig_attention_step(cache, qkv, any_integers(t, FIG_SHAPE(b), 0, room - steps), &next));
    give(t, next);
}

const op_case cases_softmax[] = {
    { "softmax", softmax },
    { "softmax_gradient", softmax_gradient },
    { "log_softmax", log_softmax },
    { "logsumexp", logsumexp },
    { "cross_entropy", cross_entropy },
    { "cross_entropy_gradient", cross_entropy_gradient },
    { "attention", attention },
    { "attention_gradient", attention_gradient },
    { "attention_cached", attention_cached },
    { "attention_step", attention_step },
    { 0 },
};
