/* data/npy.h - numpy's arrays: one .npy, or the members of a .npz, as bytes in memory with a checked header */
#ifndef FIG_NPY_H
#define FIG_NPY_H

#include "data/source.h"

enum { FIG__NPY_RANK = 8 };

/* An array of numbers. `values` points into the file's bytes and need not be aligned. */
typedef struct fig__npy {
    char kind;     /* 'u' 'i' 'f' 'b', as numpy writes it */
    int width;     /* bytes of one number: 1, 2, 4, 8 */
    bool big;      /* big-endian */
    int rank;
    uint64_t dim[FIG__NPY_RANK], count; /* count: the product */
    const uint8_t *values;
} fig__npy;

/* Header and size are checked against `length`; Python objects, text, complex numbers and Fortran order are refused. `where` stands
 * in messages. */
fig_status fig__npy_parse(const uint8_t *bytes, uint64_t length, const char *where, fig__npy *out, fig_error *err);
double fig__npy_number(const fig__npy *array, uint64_t index);

/* -- zip.c: the members of a zip archive, unpacked into memory one at a time (stored or deflated; no encryption, no spanning) */
typedef struct fig__zip_member {
    const char *name;
    uint64_t packed, bytes, place; /* place of its local header */
    uint32_t crc;
    bool deflated;
} fig__zip_member;
typedef struct fig__zip {
    const uint8_t *data;
    uint64_t length;
    fig__zip_member *members; /* in the arena */
    size_t count;
} fig__zip;
/* Reads the list at the end of the archive. `data` must outlive it. */
fig_status fig__zip_open(const uint8_t *data, uint64_t length, const char *where, fig__arena *arena, fig__zip *out, fig_error *err);
/* Heap memory of member->bytes bytes, checked by its CRC-32. */
fig_status fig__zip_read(const fig__zip *zip, const fig__zip_member *member, const char *where, uint8_t **out, fig_error *err);

#endif
