/* kernels/onednn.c - engine, stream, primitives and reorders of oneDNN
 *
 * Engine and stream are made once per process and never change after: a processor stream has no state of its own, it only
 * carries calls to the calling thread's OpenMP team, so sessions in several threads may share it. */
#include "kernels/onednn.h"

#include <pthread.h>
#include <stdlib.h>
#include <string.h>

static dnnl_engine_t engine;
static dnnl_stream_t stream;

static void make_engine(void)
{
    if (dnnl_engine_create(&engine, dnnl_cpu, 0) != dnnl_success) {
        engine = NULL;
        return;
    }
    if (dnnl_stream_create(&stream, engine, dnnl_stream_default_flags) != dnnl_success)
        engine = NULL;
}

dnnl_engine_t fig__dnnl_engine(void)
{
    static pthread_once_t once = PTHREAD_ONCE_INIT;
    pthread_once(&once, make_engine);
    return engine;
}

dnnl_stream_t fig__dnnl_stream(void)
{
    return fig__dnnl_engine() ? stream : NULL;
}

fig_status fig__dnnl_check(dnnl_status_t status, const char *what, fig_error *err)
{
    if (status == dnnl_success)
        return FIG_OK;
    if (status == dnnl_out_of_memory)
        return fig_fail(err, FIG_E_LIMIT, "%s: not enough memory to prepare it", what);
    return fig_fail(err, FIG_E_FAILED, "%s: oneDNN refused it (status %d)", what, (int)status);
}

static dnnl_alg_kind_t eltwise_kind(fig_activation activation)
{
    static const dnnl_alg_kind_t kinds[] = {
        [FIG_LINEAR] = dnnl_eltwise_linear, [FIG_RELU] = dnnl_eltwise_relu, [FIG_LEAKY_RELU] = dnnl_eltwise_relu,
        [FIG_TANH] = dnnl_eltwise_tanh, [FIG_SIGMOID] = dnnl_eltwise_logistic, [FIG_GELU_TANH] = dnnl_eltwise_gelu_tanh,
        [FIG_SILU] = dnnl_eltwise_swish,
    };
    return kinds[activation];
}

fig_status fig__dnnl_attr(const fig_epilogue *after, dnnl_primitive_attr_t *out, fig_error *err)
{
    dnnl_primitive_attr_t attr = NULL;
    FIG_TRY(fig__dnnl_check(dnnl_primitive_attr_create(&attr), "attributes", err));
    dnnl_status_t status = dnnl_primitive_attr_set_scratchpad_mode(attr, dnnl_scratchpad_mode_user);
    if (status == dnnl_success && after && after->activation != FIG_LINEAR) {
        float alpha = after->activation == FIG_LEAKY_RELU ? after->p : after->activation == FIG_SILU ? 1.0f : 0.0f;
        dnnl_post_ops_t ops = NULL;
        status = dnnl_post_ops_create(&ops);
        if (status == dnnl_success)
            status = dnnl_post_ops_append_eltwise(ops, 1.0f, eltwise_kind(after->activation), alpha, 0.0f);
        if (status == dnnl_success)
            status = dnnl_primitive_attr_set_post_ops(attr, ops);
        dnnl_post_ops_destroy(ops);
    }
    if (status != dnnl_success) {
        dnnl_primitive_attr_destroy(attr);
        return fig__dnnl_check(status, "attributes", err);
    }
    *out = attr;
    return FIG_OK;
}

/* Adds a memory object for one argument of pd. Its address is set at the first run. */
static dnnl_status_t add_argument(fig__call *call, int slot, const dnnl_memory_desc_t *desc, int arg)
{
    dnnl_memory_t memory = NULL;
    dnnl_status_t status = dnnl_memory_create(&memory, desc, engine, DNNL_MEMORY_NONE);
    call->arg[slot] = (dnnl_exec_arg_t){ arg, memory };
    call->address[slot] = NULL;
    return status;
}

fig_status fig__call_make(fig__call *call, dnnl_primitive_desc_t pd, const int *args, int count, const char *what, fig_error *err)
{
    FIG_BUG_IF(count > FIG__CALL_ARGS, "%s: %d arguments", what, count);
    memset(call, 0, sizeof(*call));
    dnnl_status_t status = dnnl_success;
    for (int i = 0; i < count && status == dnnl_success; i++)
        status = add_argument(call, i, dnnl_primitive_desc_query_md(pd, dnnl_query_exec_arg_md, args[i]), args[i]);
    call->count = count;
    const dnnl_memory_desc_t *scratch = dnnl_primitive_desc_query_md(pd, dnnl_query_scratchpad_md, 0);
    call->scratch = scratch ? dnnl_memory_desc_get_size(scratch) : 0;
    if (status == dnnl_success && call->scratch)
        status = add_argument(call, count, scratch, DNNL_ARG_SCRATCHPAD);
    if (status == dnnl_success)
        status = dnnl_primitive_create(&call->primitive, pd);
    dnnl_primitive_desc_destroy(pd);
    if (status != dnnl_success)
        fig__call_clear(call);
    return fig__dnnl_check(status, what, err);
}

fig_status fig__call_reorder(fig__call *call, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to, fig_error *err)
{
    fig__relayout own;
    if (fig__relayout_make(&own, from, to)) {
        memset(call, 0, sizeof(*call));
        call->own = own;
        call->count = 2;
        dnnl_status_t made = add_argument(call, 0, from, DNNL_ARG_FROM); /* for those who ask for the layouts */
        if (made == dnnl_success)
            made = add_argument(call, 1, to, DNNL_ARG_TO);
        if (made != dnnl_success)
            fig__call_clear(call);
        return fig__dnnl_check(made, "reorder", err);
    }
    dnnl_primitive_attr_t attr = NULL;
    FIG_TRY(fig__dnnl_attr(NULL, &attr, err));
    dnnl_primitive_desc_t pd = NULL;
    dnnl_status_t status = dnnl_reorder_primitive_desc_create(&pd, from, engine, to, engine, attr);
    dnnl_primitive_attr_destroy(attr);
    FIG_TRY(fig__dnnl_check(status, "reorder", err));
    static const int args[] = { DNNL_ARG_FROM, DNNL_ARG_TO };
    return fig__call_make(call, pd, args, 2, "reorder", err);
}

void fig__call_run(fig__call *call, void *const *address, void *scratch)
{
    if (call->own.form) {
        fig__relayout_run(&call->own, address[0], address[1]);
        return;
    }
    int all = call->count + (call->scratch ? 1 : 0);
    for (int i = 0; i < all; i++) {
        void *wanted = i < call->count ? address[i] : scratch;
        if (wanted == call->address[i])
            continue;
        dnnl_memory_set_data_handle(call->arg[i].memory, wanted);
        call->address[i] = wanted;
    }
    dnnl_status_t status = dnnl_primitive_execute(call->primitive, stream, all, call->arg);
    FIG_BUG_IF(status != dnnl_success, "oneDNN could not run a prepared primitive (status %d)", (int)status);
}

void fig__call_clear(fig__call *call)
{
    for (int i = 0; i <= FIG__CALL_ARGS; i++)
        if (call->arg[i].memory)
            dnnl_memory_destroy(call->arg[i].memory);
    if (call->primitive)
        dnnl_primitive_destroy(call->primitive);
    memset(call, 0, sizeof(*call));
}

void fig__gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row,
               const float *b, int64_t b_row, float beta, float *c, int64_t c_row)
{
    dnnl_status_t status =
        dnnl_sgemm(transpose_a ? 'T' : 'N', transpose_b ? 'T' : 'N', m, n, k, 1.0f, a, a_row, b, b_row, beta, c, c_row);
    FIG_BUG_IF(status != dnnl_success, "product (%lld, %lld, %lld) failed (status %d)", (long long)m, (long long)k,
               (long long)n, (int)status);
}

#define TEXT_OF(x) #x
#define VERSION_TEXT(major, minor, patch) TEXT_OF(major) "." TEXT_OF(minor) "." TEXT_OF(patch)

const char *fig__onednn_version(void)
{
    return VERSION_TEXT(DNNL_VERSION_MAJOR, DNNL_VERSION_MINOR, DNNL_VERSION_PATCH);
}
