/* hash.c - three hashes for three purposes
 *
 * SHA-256 (nettle) names content: data sets, checkpoints, protocols. XXH64 (Collet 2014) is the fast one for tables and
 * for the streams of noise nodes; it is part of "same seed, same samples" and therefore never changes. CRC-32C
 * (Castagnoli) frames TensorBoard events; the processor's instruction does eight bytes at a time, a table of sixteen
 * does the rest. */
#include "core/core.h"
#include <errno.h>
#include <fcntl.h>
#include <nettle/sha2.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

/* -- SHA-256 --------------------------------------------------------------------------------------------------------------- */

struct fig__sha256 { struct sha256_ctx state; };

fig__sha256 *fig__sha256_new(void)
{
    fig__sha256 *sha = fig__alloc(sizeof *sha);
    sha256_init(&sha->state);
    return sha;
}

void fig__sha256_update(fig__sha256 *sha, const void *data, size_t length)
{
    sha256_update(&sha->state, length, data);
}

static void finish(struct sha256_ctx *state, char hex[65])
{
    static const char digits[] = "0123456789abcdef";
    uint8_t digest[SHA256_DIGEST_SIZE];
    sha256_digest(state, sizeof digest, digest);
    for (size_t i = 0; i < sizeof digest; i++) {
        hex[2 * i] = digits[digest[i] >> 4];
        hex[2 * i + 1] = digits[digest[i] & 15];
    }
    hex[64] = 0;
}

void fig__sha256_finish(fig__sha256 *sha, char hex[65])
{
    finish(&sha->state, hex);
    free(sha);
}

void fig__sha256_of(const void *data, size_t length, char hex[65])
{
    struct sha256_ctx state;
    sha256_init(&state);
    sha256_update(&state, length, data);
    finish(&state, hex);
}

fig_status fig__sha256_file(const char *path, char hex[65], fig_error *err)
{
    hex[0] = 0;
    int file = open(path, O_RDONLY | O_CLOEXEC);
    if (file < 0)
        return fig_fail(err, errno == ENOENT ? FIG_E_NOT_FOUND : FIG_E_IO, "%s: cannot open (%s)", path, strerror(errno));
    enum { PIECE = 1 << 18 };
    uint8_t *piece = fig__alloc(PIECE);
    struct sha256_ctx state;
    sha256_init(&state);
    ssize_t count;
    while ((count = read(file, piece, PIECE)) > 0 || (count < 0 && errno == EINTR))
        if (count > 0)
            sha256_update(&state, (size_t)count, piece);
    int fault = errno;
    free(piece);
    close(file);
    if (count < 0)
        return fig_fail(err, FIG_E_IO, "%s: cannot read (%s)", path, strerror(fault));
    finish(&state, hex);
    return FIG_OK;
}

/* -- XXH64 --------------------------------------------------------------------------------------------------------- */

#define PRIME_1 0x9E3779B185EBCA87u
#define PRIME_2 0xC2B2AE3D27D4EB4Fu
#define PRIME_3 0x165667B19E3779F9u
#define PRIME_4 0x85EBCA77C2B2AE63u
#define PRIME_5 0x27D4EB2F165667C5u

static uint64_t rotate(uint64_t x, int by) { return x << by | x >> (64 - by); }
static uint64_t lane(uint64_t sum, uint64_t word) { return rotate(sum + word * PRIME_2, 31) * PRIME_1; }
static uint64_t merge(uint64_t hash, uint64_t sum) { return (hash ^ lane(0, sum)) * PRIME_1 + PRIME_4; }

/* Little-endian loads, whatever the machine; the compiler makes each one instruction. */
static uint64_t load64(const uint8_t *p)
{
    uint64_t x = 0;
    for (int i = 7; i >= 0; i--)
        x = x << 8 | p[i];
    return x;
}

static uint32_t load32(const uint8_t *p)
{
    return (uint32_t)p[3] << 24 | (uint32_t)p[2] << 16 | (uint32_t)p[1] << 8 | p[0];
}

uint64_t fig__hash64(const void *data, size_t length, uint64_t seed)
{
    const uint8_t *p = data;
    size_t left = length;
    uint64_t hash = seed + PRIME_5;
    if (left >= 32) {
        uint64_t a = seed + PRIME_1 + PRIME_2, b = seed + PRIME_2, c = seed, d = seed - PRIME_1;
        for (; left >= 32; left -= 32, p += 32) {
            a = lane(a, load64(p));
            b = lane(b, load64(p + 8));
            c = lane(c, load64(p + 16));
            d = lane(d, load64(p + 24));
        }
        hash = rotate(a, 1) + rotate(b, 7) + rotate(c, 12) + rotate(d, 18);
        hash = merge(merge(merge(merge(hash, a), b), c), d);
    }
    hash += length;
    for (; left >= 8; left -= 8, p += 8)
        hash = rotate(hash ^ lane(0, load64(p)), 27) * PRIME_1 + PRIME_4;
    if (left >= 4) {
        hash = rotate(hash ^ load32(p) * PRIME_1, 23) * PRIME_2 + PRIME_3;
        left -= 4;
        p += 4;
    }
    for (; left > 0; left--, p++)
        hash = rotate(hash ^ *p * PRIME_5, 11) * PRIME_1;
    hash = (hash ^ hash >> 33) * PRIME_2;
    hash = (hash ^ hash >> 29) * PRIME_3;
    return hash ^ hash >> 32;
}

/* -- CRC-32C --------------------------------------------------------------------------------------------------------------- */

#if defined(__x86_64__)
__attribute__((target("sse4.2"))) static uint32_t crc_hardware(const uint8_t *p, size_t length, uint32_t crc)
{
    uint64_t wide = crc;
    for (; length >= 8; length -= 8, p += 8)
        wide = __builtin_ia32_crc32di(wide, load64(p));
    crc = (uint32_t)wide;
    for (; length > 0; length--, p++)
        crc = __builtin_ia32_crc32qi(crc, *p);
    return crc;
}
#endif

/* Remainders of the sixteen half-bytes modulo the reflected polynomial 0x82f63b78. */
static const uint32_t half_byte[16] = {
    0x00000000, 0x105ec76f, 0x20bd8ede, 0x30e349b1, 0x417b1dbc, 0x5125dad3, 0x61c69362, 0x7198540d,
    0x82f63b78, 0x92a8fc17, 0xa24bb5a6, 0xb21572c9, 0xc38d26c4, 0xd3d3e1ab, 0xe330a81a, 0xf36e6f75,
};

uint32_t fig__crc32c_table(const void *data, size_t length, uint32_t crc)
{
    const uint8_t *p = data;
    crc = ~crc;
    for (; length > 0; length--, p++) {
        crc ^= *p;
        crc = crc >> 4 ^ half_byte[crc & 15];
        crc = crc >> 4 ^ half_byte[crc & 15];
    }
    return ~crc;
}

uint32_t fig__crc32c(const void *data, size_t length, uint32_t crc)
{
#if defined(__x86_64__)
    if (__builtin_cpu_supports("sse4.2"))
        return ~crc_hardware(data, length, ~crc);
#endif
    return fig__crc32c_table(data, length, crc);
}
