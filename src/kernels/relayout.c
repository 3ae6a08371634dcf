/* kernels/relayout.c - convolution weights between (outputs, taps, channels) and the blocked layouts of the library
 *
 * Weights change at every step, so they are laid out anew for every convolution, and weight gradients back. The library's
 * own reorder moves an element in five to six cycles, a third of the time of a convolution of one small picture; these move
 * it in about one:
 *
 *     form 1   blocks of outputs, "Acdb32a"           a block is a transposed matrix (channels, 32)
 *     form 2   blocks of both, "ABcd16a16b"           runs of 16 channels
 *     form 3   blocks of both, "ABcd16b16a"           transposed 16 x 16
 *
 * 256-256 3x3 within a step of cyclegan: 0.53 ms by the library, 0.15 to 0.35 ms here (two Zen 4 cores), which is the memory.
 * Sizes that do not divide into blocks stay the library's. Results are copies, so they do not depend on the number of parts. */
#include "kernels/relayout.h"
#include "kernels/kernel.h"
#include "kernels/move.h"
#include "kernels/parallel.h"

#include <string.h>

static bool dense_f32(const dnnl_memory_desc_t *d)
{
    return d->format_kind == dnnl_blocked && d->data_type == dnnl_f32 && d->offset0 == 0 && d->extra.flags == 0 &&
           memcmp(d->dims, d->padded_dims, sizeof(d->dims[0]) * (size_t)d->ndims) == 0;
}

/* Which axis of the library's order is the outputs: weights with groups have one axis before. Spatial axes are 1 to 3. The plain side says:
 * channels are its only axis of stride 1 that has a size. */
static int outputs_axis(const dnnl_memory_desc_t *plain)
{
    for (int o = 0; o <= 1; o++)
        if (plain->ndims > o + 2 && plain->format_desc.blocking.strides[o + 1] == 1 && plain->dims[o + 1] >= 16)
            return o;
    return -1;
}

static int form_of(const dnnl_blocking_desc_t *b, int o)
{
    if (b->inner_nblks == 1 && b->inner_idxs[0] == o)
        return 1;
    if (b->inner_nblks != 2 || b->inner_blks[0] != 16 || b->inner_blks[1] != 16)
        return 0;
    if (b->inner_idxs[0] == o && b->inner_idxs[1] == o + 1)
        return 2;
    return b->inner_idxs[0] == o + 1 && b->inner_idxs[1] == o ? 3 : 0;
}

bool fig__relayout_make(fig__relayout *r, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to)
{
    memset(r, 0, sizeof(*r));
    if (!dense_f32(from) || !dense_f32(to) || from->ndims != to->ndims || from->ndims > FIG__RELAYOUT_AXES)
        return false;
    r->back = to->format_desc.blocking.inner_nblks == 0;
    const dnnl_memory_desc_t *plain = r->back ? to : from, *blocked = r->back ? from : to;
    const dnnl_blocking_desc_t *p = &plain->format_desc.blocking, *b = &blocked->format_desc.blocking;
    int o = p->inner_nblks == 0 ? outputs_axis(plain) : -1;
    r->form = o < 0 ? 0 : form_of(b, o);
    if (!r->form)
        return false;
    r->block = r->form == 1 ? b->inner_blks[0] : 16;
    r->channels = r->form == 1 ? plain->dims[o + 1] : 16;
    r->plain_row = p->strides[o];
    r->blocked_row = r->form == 1 ? b->strides[o + 1] : 16;
    if (r->block % 16 || (r->form == 1 && r->channels < 16))
        return false;
    r->count = 1;
    for (int axis = 0; axis < plain->ndims; axis++) {
        int64_t inside = axis == o ? r->block : axis == o + 1 ? r->channels : 1;
        r->dim[axis] = plain->dims[axis] / inside;
        r->plain[axis] = p->strides[axis] * inside;
        r->blocked[axis] = b->strides[axis]; /* of a blocked axis: already from block to block */
        r->count *= r->dim[axis];
    }
    r->axes = plain->ndims;
    return true;
}

typedef struct work {
    const fig__relayout *r;
    const float *from;
    float *to;
} work;

static void move_block(const fig__relayout *r, const float *from, float *to)
{
    const uint32_t *source = (const uint32_t *)(const void *)from;
    uint32_t *target = (uint32_t *)(void *)to;
    if (r->form == 2)
        fig__fast_copy_rows(target, r->back ? r->plain_row : 16, source, r->back ? 16 : r->plain_row, 16, 16);
    else if (r->back)
        fig__fast_transpose_4(target, r->plain_row, source, r->blocked_row, r->block, r->channels);
    else
        fig__fast_transpose_4(target, r->blocked_row, source, r->plain_row, r->channels, r->block);
}

static void relayout_part(void *context, int part, int parts)
{
    const work *w = context;
    const fig__relayout *r = w->r;
    int64_t begin, end;
    fig__share(r->count, 1, part, parts, &begin, &end);
    for (int64_t i = begin; i < end; i++) {
        int64_t rest = i, plain = 0, blocked = 0;
        for (int axis = r->axes - 1; axis >= 0; axis--) {
            int64_t at = rest % r->dim[axis];
            rest /= r->dim[axis];
            plain += at * r->plain[axis];
            blocked += at * r->blocked[axis];
        }
        move_block(r, w->from + (r->back ? blocked : plain), w->to + (r->back ? plain : blocked));
    }
}

void fig__relayout_run(const fig__relayout *r, const float *from, float *to)
{
    work w = { r, from, to };
    fig__parallel(fig__parts(r->count * r->block * r->channels, fig__threads_now()), relayout_part, &w);
}
