/* npy.c - the header of a numpy array, and its numbers
 *
 *     93 "NUMPY" | version | length of the header | {'descr': '<f4', 'fortran_order': False, 'shape': (60000, 28, 28), } | values
 *
 * The header is a Python literal; only what numpy itself writes is understood, nothing is evaluated. */
#include "data/npy.h"
#include <ctype.h>
#include <math.h>
#include <string.h>

enum { MAX_HEADER = 1 << 16 };

/* What follows "'key':" in the header, or NULL. */
static const char *value_of(const char *header, const char *key)
{
    char quoted[40];
    snprintf(quoted, sizeof quoted, "'%s'", key);
    const char *at = strstr(header, quoted);
    if (!at)
        return NULL;
    at += strlen(quoted);
    at += strspn(at, " ");
    if (*at++ != ':')
        return NULL;
    return at + strspn(at, " ");
}

static fig_status read_type(const char *header, const char *where, fig__npy *out, fig_error *err)
{
    const char *type = value_of(header, "descr");
    if (!type || *type++ != '\'')
        return fig_fail(err, FIG_E_FORMAT, "%s: a numpy array of records, or without a type; plain numbers are read", where);
    size_t length = strcspn(type, "'");
    bool sound = length == 3 && strchr("<>|=", type[0]) && strchr("uifb", type[1]) && strchr("1248", type[2]);
    if (!sound || (type[1] == 'f' && type[2] == '1') || (type[1] == 'b' && type[2] != '1'))
        return fig_fail(err, FIG_E_FORMAT,
                        "%s: numpy type '%.*s'; whole and floating numbers of 1 to 8 bytes are read%s", where,
                        (int)(length < 20 ? length : 20), type,
                        memchr(type, 'O', length) ? ", Python objects never, because reading them could run code" : "");
    out->big = type[0] == '>';
    out->kind = type[1];
    out->width = type[2] - '0';
    return FIG_OK;
}

static fig_status read_shape(const char *header, const char *where, fig__npy *out, fig_error *err)
{
    const char *at = value_of(header, "shape");
    out->count = 1;
    bool fine = at && *at++ == '(';
    while (fine && *at && *at != ')') {
        at += strspn(at, " ");
        uint64_t size = 0;
        fine = isdigit((unsigned char)*at) && out->rank < FIG__NPY_RANK;
        for (; fine && isdigit((unsigned char)*at); at++)
            fine = fig__mul(size, 10, &size) && fig__add(size, (uint64_t)(*at - '0'), &size);
        if (!fine)
            break;
        out->dim[out->rank++] = size;
        fine = fig__mul(out->count, size, &out->count);
        at += strspn(at, " ");
        if (*at == ',')
            at++;
        else
            fine = fine && *at == ')';
        at += strspn(at, " ");
    }
    return fine && *at == ')'
               ? FIG_OK
               : fig_fail(err, FIG_E_FORMAT, "%s: the shape in the numpy header is no list of at most %d sizes", where, FIG__NPY_RANK);
}

fig_status fig__npy_parse(const uint8_t *bytes, uint64_t length, const char *where, fig__npy *out, fig_error *err)
{
    fig__reader reader;
    *out = (fig__npy){ 0 };
    fig__reader_init(&reader, bytes, length);
    const uint8_t *magic = fig__read_bytes(&reader, 6);
    int version = fig__read_u8(&reader);
    fig__read_u8(&reader);
    uint64_t size = fig__read_u8(&reader);
    size |= (uint64_t)fig__read_u8(&reader) << 8;
    if (version > 1) {
        size |= (uint64_t)fig__read_u8(&reader) << 16;
        size |= (uint64_t)fig__read_u8(&reader) << 24;
    }
    if (reader.failed || memcmp(magic, "\x93NUMPY", 6) || version < 1 || version > 3)
        return fig_fail(err, FIG_E_FORMAT, "%s: not a numpy array (.npy)", where);
    const uint8_t *text = size <= MAX_HEADER ? fig__read_bytes(&reader, size) : NULL;
    if (!text)
        return fig_fail(err, FIG_E_FORMAT, "%s: a numpy header of %llu bytes, but the file has %llu", where, (unsigned long long)size,
                        (unsigned long long)length);
    char header[MAX_HEADER + 1];
    memcpy(header, text, (size_t)size);
    header[size] = 0;
    FIG_TRY(read_type(header, where, out, err));
    const char *order = value_of(header, "fortran_order");
    if (!order || strncmp(order, "False", 5))
        return fig_fail(err, FIG_E_FORMAT, "%s: stored column by column (fortran_order); save it with order='C'", where);
    FIG_TRY(read_shape(header, where, out, err));
    uint64_t wanted;
    if (!fig__mul(out->count, (uint64_t)out->width, &wanted) || wanted != length - reader.position)
        return fig_fail(err, FIG_E_FORMAT, "%s: its header promises %llu numbers of %d bytes, the file holds %llu bytes of them", where,
                        (unsigned long long)out->count, out->width, (unsigned long long)(length - reader.position));
    out->values = bytes + reader.position;
    return FIG_OK;
}

/* IEEE half precision: subnormals and infinities too. */
static double half(uint64_t bits)
{
    int exponent = (int)(bits >> 10 & 31), fraction = (int)(bits & 1023);
    double value = exponent == 0    ? ldexp(fraction, -24)
                   : exponent == 31 ? (fraction ? NAN : INFINITY)
                                    : ldexp(1024 + fraction, exponent - 25);
    return bits & 0x8000 ? -value : value;
}

double fig__npy_number(const fig__npy *array, uint64_t index)
{
    const uint8_t *at = array->values + index * (uint64_t)array->width;
    uint64_t bits = 0;
    for (int i = 0; i < array->width; i++)
        bits |= (uint64_t)at[array->big ? array->width - 1 - i : i] << (8 * i);
    if (array->kind == 'b')
        return bits != 0;
    if (array->kind == 'f') {
        float single;
        double full;
        uint32_t low = (uint32_t)bits;
        memcpy(&single, &low, sizeof single);
        memcpy(&full, &bits, sizeof full);
        return array->width == 2 ? half(bits) : array->width == 4 ? (double)single : full;
    }
    int unused = 64 - 8 * array->width;
    return array->kind == 'i' ? (double)((int64_t)(bits << unused) >> unused) : (double)bits;
}
