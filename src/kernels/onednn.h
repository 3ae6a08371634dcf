/* kernels/onednn.h - oneDNN as this folder uses it
 *
 * Everything that allocates happens in a kernel's prepare: primitive descriptors, primitives, memory objects. Running sets
 * addresses and executes. The scratchpad is always the caller's ("user mode"): it is a part of the kernel's workspace, so the
 * plan's memory is known beforehand and primitives of several sessions never meet. */
#ifndef FIG_KERNELS_ONEDNN_H
#define FIG_KERNELS_ONEDNN_H

#include "kernels/kernel.h"
#include "kernels/relayout.h"

#include <dnnl.h>

/* NULL when the library could not make a processor engine. */
dnnl_engine_t fig__dnnl_engine(void);
dnnl_stream_t fig__dnnl_stream(void);
/* Turns a library status into an error that names the call's purpose. */
fig_status fig__dnnl_check(dnnl_status_t status, const char *what, fig_error *err);

/* One primitive with its memory objects. Arguments keep the order they are given in; a scratchpad comes last. */
#define FIG__CALL_ARGS 6
typedef struct fig__call {
    dnnl_primitive_t primitive;
    int count;                                 /* without the scratchpad */
    dnnl_exec_arg_t arg[FIG__CALL_ARGS + 1];
    void *address[FIG__CALL_ARGS + 1];         /* what each memory object points to now */
    size_t scratch;                            /* bytes it wants */
    fig__relayout own;                         /* a reorder that needs no primitive: .own.form is not 0 */
} fig__call;

/* Attributes with user scratchpad and, when given, an activation appended. */
fig_status fig__dnnl_attr(const fig_epilogue *after, dnnl_primitive_attr_t *out, fig_error *err);
/* Makes the primitive of pd, which is destroyed whatever happens. args: DNNL_ARG_... */
fig_status fig__call_make(fig__call *call, dnnl_primitive_desc_t pd, const int *args, int count, const char *what, fig_error *err);
/* Copies between two layouts of one tensor; the arguments are (from, to). */
fig_status fig__call_reorder(fig__call *call, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to, fig_error *err);
void fig__call_run(fig__call *call, void *const *address, void *scratch);
void fig__call_clear(fig__call *call);
static inline bool fig__call_made(const fig__call *call) { return call->primitive || call->own.form; }

/* Takes `bytes` from a workspace that is being laid out: returns the offset of a 64-byte aligned piece. */
static inline size_t fig__carve(size_t *total, size_t bytes)
{
    size_t offset = *total;
    *total += (bytes + 63) / 64 * 64;
    return offset;
}

/* c (m, n) = a (m, k) b (k, n) + beta c; row-major with row lengths; the flags say that an operand is stored transposed.
 * Inside a parallel region it runs on the calling thread. */
void fig__gemm(bool transpose_a, bool transpose_b, int64_t m, int64_t n, int64_t k, const float *a, int64_t a_row,
               const float *b, int64_t b_row, float beta, float *c, int64_t c_row);

#endif
