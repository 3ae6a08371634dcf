/* kernels/tile_rows.h - a function for each number of rows that a tile may have, so that its sums are registers by name
 *
 * Thirteen rows of two vectors are 26 of the 32 registers of AVX-512 (FIG__TILE_ROWS in kernels/panel.h). */
#ifndef FIG_KERNELS_TILE_ROWS_H
#define FIG_KERNELS_TILE_ROWS_H

/* DEFINE(rows) for 1 to 13, which writes kind_1 ... */
#define FIG__EACH_TILE(DEFINE) \
    DEFINE(1) DEFINE(2) DEFINE(3) DEFINE(4) DEFINE(5) DEFINE(6) DEFINE(7) DEFINE(8) DEFINE(9) DEFINE(10) DEFINE(11) DEFINE(12) DEFINE(13)

/* ... and the table of them by their rows. */
#define FIG__TILE_TABLE(kind)                                                                                              \
    { 0, kind##_1, kind##_2, kind##_3, kind##_4, kind##_5, kind##_6, kind##_7, kind##_8, kind##_9, kind##_10, kind##_11,   \
      kind##_12, kind##_13 }

#endif
