/* checked.c - arithmetic on sizes that come from outside; false on overflow, and *out is then not to be used */
#include "core/core.h"

bool fig__mul(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_mul_overflow(a, b, out); }

bool fig__add(uint64_t a, uint64_t b, uint64_t *out) { return !__builtin_add_overflow(a, b, out); }
