/* kernels/relayout.h - convolution weights between Figment's layout and the library's blocked ones */
#ifndef FIG_KERNELS_RELAYOUT_H
#define FIG_KERNELS_RELAYOUT_H

#include <dnnl.h>
#include <stdbool.h>
#include <stdint.h>

enum { FIG__RELAYOUT_AXES = 6 };

/* Weights (O, taps..., I) against blocks of outputs, or of outputs and channels. Strides and offsets are in elements. */
typedef struct fig__relayout {
    bool back; /* from blocked to plain */
    int form;  /* 1: (I, block); 2: (block, 16) runs; 3: (16, block) */
    int axes;  /* walked outside of a block */
    int64_t dim[FIG__RELAYOUT_AXES], plain[FIG__RELAYOUT_AXES], blocked[FIG__RELAYOUT_AXES];
    int64_t block, channels, plain_row,
        blocked_row; /* outputs and channels of a block; distance of its outputs (channels) */
    int64_t count;   /* blocks */
} fig__relayout;

/* False where the pair is not of these forms. */
bool fig__relayout_make(fig__relayout *r, const dnnl_memory_desc_t *from, const dnnl_memory_desc_t *to);
void fig__relayout_run(const fig__relayout *r, const float *from, float *to);

#endif
