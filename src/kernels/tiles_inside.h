/* kernels/tiles_inside.h - a compiled program of the tile engine; for tiles.c and tiles_run.c only */
#ifndef FIG_KERNELS_TILES_INSIDE_H
#define FIG_KERNELS_TILES_INSIDE_H

#include "kernels/tiles.h"

/* NUMBER: one value for the whole tile. STRAIGHT: the tile is a straight run of the operand. REPEATED: one line of columns for
 * every row. EXPANDED: anything else, row by row. */
typedef enum operand_kind { NUMBER, STRAIGHT, REPEATED, EXPANDED } operand_kind;

typedef struct operand {
    int64_t stride[FIG_MAX_RANK]; /* in elements, of the merged axes; 0 = broadcast */
    operand_kind kind;
    bool spread;                  /* a NUMBER that some step needs as an array */
    bool narrow;                  /* stored in bf16: widened into its slot before the tile's steps */
    bool shares;                  /* walks exactly as the space: may be the memory of an output */
    int slot;                     /* -1: read where it lies */
} operand;

typedef struct step {
    const fig_pointwise_rule *rule;
    fig__tile *loop;
    int arity, source[4];
    float p[2];
    int joined;    /* FIG__JOIN_..., -1: the rule's own loop */
    bool gone;     /* part of a later step now */
    bool spread;   /* takes NUMBER operands as arrays */
    int slot;
    int direct;    /* output whose memory it writes; -1: the slot */
} step;

typedef struct output {
    int64_t stride[FIG_MAX_RANK], elements;
    int reg;
    bool reduced, copied; /* copied: elementwise, from the register's slot at the tile's end */
    bool wide;            /* sums in double */
    bool narrow;          /* stored in bf16: copied */
    bool squared;         /* a sum of the register's squares */
    size_t sums;          /* offset of the accumulators in a part's memory */
    float scale;
} output;

struct fig__tiles {
    int n_in, n_steps, n_out, axes; /* axes >= 2: the last two are rows and columns */
    int64_t dim[FIG_MAX_RANK], total, planes, rows, columns;
    int64_t tile_rows, tile_columns, row_tiles, column_tiles, units;
    int parts, slots;
    fig__combine combine;
    size_t slot_bytes, spare, part_bytes; /* of one part: slots, one spare tile, accumulators */
    operand operand[FIG_FUSED_MAX];
    step step[FIG_FUSED_MAX];
    output output[FIG_FUSED_MAX];
    int order[FIG_FUSED_MAX];             /* in which outputs are finished */
};

/* tiles_join.c: steps whose only reader can do their work become a part of it. */
void fig__tiles_join(fig__tiles *t);

#endif
