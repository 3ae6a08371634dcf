/* kernels/convolution_taps_fast.c - sums of outer products, held in registers
 *
 * Up to 8 x 2 vectors of 16 sums stay in registers while a place after the other is added: two loads of x, eight broadcasts of dy,
 * sixteen multiply-adds. Measured 110 to 117 GFLOP/s on a Zen 4 core whose products reach 103 to 115; tiles of 12 x 2, 14 x 2, 8 x 3,
 * 7 x 4 and 16 x 1 are within 3 %. */
#include "kernels/convolution_taps.h"

#if defined(__x86_64__) && defined(__GNUC__)

typedef float vector __attribute__((vector_size(64), aligned(4), may_alias));

#define TILE(O, V)                                                                                                \
    __attribute__((target("arch=x86-64-v4"))) static void tile_##O##_##V(                                         \
        const fig__segment *segment, int64_t segments, int64_t x_step, int64_t dy_step, int add, float *dw,       \
        int64_t row)                                                                                              \
    {                                                                                                             \
        vector sum[O][V];                                                                                         \
        _Pragma("GCC unroll 8") for (int o = 0; o < O; o++) _Pragma("GCC unroll 2") for (int v = 0; v < V; v++)   \
            sum[o][v] = add ? *(const vector *)(dw + o * row + 16 * v) : (vector){ 0 };                           \
        for (int64_t s = 0; s < segments; s++) {                                                                  \
            const float *x = segment[s].x, *dy = segment[s].dy;                                                   \
            for (int64_t p = 0; p < segment[s].places; p++, x += x_step, dy += dy_step) {                         \
                vector part[V];                                                                                   \
                _Pragma("GCC unroll 2") for (int v = 0; v < V; v++) part[v] = *(const vector *)(x + 16 * v);      \
                _Pragma("GCC unroll 8") for (int o = 0; o < O; o++)                                               \
                    _Pragma("GCC unroll 2") for (int v = 0; v < V; v++) sum[o][v] += dy[o] * part[v];             \
            }                                                                                                     \
        }                                                                                                         \
        _Pragma("GCC unroll 8") for (int o = 0; o < O; o++) _Pragma("GCC unroll 2") for (int v = 0; v < V; v++) * \
            (vector *)(dw + o * row + 16 * v) = sum[o][v];                                                        \
    }

TILE(1, 1)
TILE(2, 1) TILE(3, 1) TILE(4, 1) TILE(5, 1) TILE(6, 1) TILE(7, 1) TILE(8, 1) TILE(1, 2) TILE(2, 2) TILE(3, 2) TILE(4, 2)
    TILE(5, 2) TILE(6, 2) TILE(7, 2) TILE(8, 2)

        void fig__fast_tap_sums(int outputs, int vectors, const fig__segment *segment, int64_t segments, int64_t x_step,
                                int64_t dy_step, int add, float *dw, int64_t row)
{
    static void (*const tiles[2][8])(const fig__segment *, int64_t, int64_t, int64_t, int, float *, int64_t) = {
        { tile_1_1, tile_2_1, tile_3_1, tile_4_1, tile_5_1, tile_6_1, tile_7_1, tile_8_1 },
        { tile_1_2, tile_2_2, tile_3_2, tile_4_2, tile_5_2, tile_6_2, tile_7_2, tile_8_2 },
    };
    tiles[vectors - 1][outputs - 1](segment, segments, x_step, dy_step, add, dw, row);
}

#else

void fig__fast_tap_sums(int outputs, int vectors, const fig__segment *segment, int64_t segments, int64_t x_step,
                        int64_t dy_step, int add, float *dw, int64_t row)
{
    for (int o = 0; o < outputs; o++)
        for (int i = 0; i < 16 * vectors; i++) {
            float sum = add ? dw[o * row + i] : 0;
            for (int64_t s = 0; s < segments; s++)
                for (int64_t p = 0; p < segment[s].places; p++)
                    sum += segment[s].dy[p * dy_step + o] * segment[s].x[p * x_step + i];
            dw[o * row + i] = sum;
        }
}

#endif
