/* text.c - growing text with a mandatory maximum, and the small questions one asks of text
 *
 * The maximum makes every producer bounded: an append that would pass it adds nothing and sets .overflow, so the owner
 * checks once at the end. Numbers are written and read in the C locale whatever the host has set, and in the shortest
 * form that reads back to the same bits, so that a run file or a log is both exact and short. */
#include "core/core.h"
#include <locale.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>

void fig__text_init(fig__text *text, size_t maximum)
{
    *text = (fig__text){ .maximum = maximum };
}

void fig__text_free(fig__text *text)
{
    free(text->data);
    *text = (fig__text){ .maximum = text->maximum };
}

/* Room for `more` bytes and the NUL; false past the maximum. */
static bool reserve(fig__text *text, size_t more)
{
    if (text->overflow || more > text->maximum || text->length > text->maximum - more) {
        text->overflow = true;
        return false;
    }
    size_t need = text->length + more + 1;
    if (need > text->capacity) {
        size_t capacity = text->capacity ? text->capacity : 64;
        while (capacity < need)
            capacity += capacity / 2;
        text->data = fig__realloc(text->data, capacity);
        text->capacity = capacity;
    }
    return true;
}

void fig__text_add(fig__text *text, const char *chars, size_t length)
{
    if (!reserve(text, length))
        return;
    if (length)
        memcpy(text->data + text->length, chars, length);
    text->length += length;
    text->data[text->length] = 0;
}

void fig__text_print(fig__text *text, const char *format, ...)
{
    va_list args, again;
    va_start(args, format);
    va_copy(again, args);
    int length = vsnprintf(NULL, 0, format, args);
    FIG_BUG_IF(length < 0, "text: bad format \"%s\"", format);
    if (reserve(text, (size_t)length)) {
        vsnprintf(text->data + text->length, (size_t)length + 1, format, again);
        text->length += (size_t)length;
    }
    va_end(again);
    va_end(args);
}

bool fig__starts_with(const char *text, const char *prefix)
{
    return strncmp(text, prefix, strlen(prefix)) == 0;
}

bool fig__ends_with(const char *text, const char *suffix)
{
    size_t length = strlen(text), tail = strlen(suffix);
    return length >= tail && memcmp(text + length - tail, suffix, tail) == 0;
}

/* Optimal string alignment: insertions, deletions, changes and swaps of neighbours, which are the slips of typing. Three rows of
 * the table are enough, as a swap looks back by two. */
int fig__edit_distance(const char *a, const char *b)
{
    enum { LIMIT = 64 };
    size_t n = strlen(a), m = strlen(b);
    if (n > LIMIT || m > LIMIT)
        return LIMIT * 2;
    int rows[3][LIMIT + 1];
    int *two_back = rows[0], *last = rows[1], *now = rows[2];
    for (size_t j = 0; j <= m; j++)
        last[j] = (int)j;
    for (size_t i = 1; i <= n; i++) {
        now[0] = (int)i;
        for (size_t j = 1; j <= m; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            best = last[j] + 1 < best ? last[j] + 1 : best;
            best = now[j - 1] + 1 < best ? now[j - 1] + 1 : best;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] && two_back[j - 2] + 1 < best)
                best = two_back[j - 2] + 1;
            now[j] = best;
        }
        int *spare = two_back;
        two_back = last;
        last = now;
        now = spare;
    }
    return last[m];
}

void fig__number_text(double value, char out[32])
{
    if (isnan(value) || isinf(value)) {
        strcpy(out, isnan(value) ? "nan" : value > 0 ? "inf" : "-inf");
        return;
    }
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0), host = uselocale(plain);
    if (value == rint(value) && fabs(value) < 1e15) {
        snprintf(out, 32, "%.0f", value); /* 1000000 rather than 1e+06 */
    } else {
        for (int digits = 1; digits <= 17; digits++) {
            snprintf(out, 32, "%.*g", digits, value);
            if (strtod(out, NULL) == value)
                break;
        }
    }
    uselocale(host);
    freelocale(plain);
}

bool fig__number_parse(const char *text, double *out)
{
    /* strtod skips white space and reads hexadecimal, neither of which a number in a file should have. */
    char first = text[0] == '-' || text[0] == '+' ? text[1] : text[0];
    if (!(first >= '0' && first <= '9') && first != '.' && first != 'i' && first != 'n')
        return false;
    if (strpbrk(text, "xX"))
        return false;
    locale_t plain = newlocale(LC_ALL_MASK, "C", (locale_t)0);
    char *end;
    *out = strtod_l(text, &end, plain);
    freelocale(plain);
    return end != text && *end == 0;
}

int32_t fig__utf8_next(const char **text)
{
    const unsigned char *at = (const unsigned char *)*text;
    if (at[0] == 0)
        return 0;
    if (at[0] < 0x80) {
        *text += 1;
        return at[0];
    }
    int more = at[0] >= 0xf0 ? 3 : at[0] >= 0xe0 ? 2 : 1;
    int32_t point = at[0] & (0x3f >> more), least = more == 3 ? 0x10000 : more == 2 ? 0x800 : 0x80;
    bool valid = at[0] >= 0xc2 && at[0] <= 0xf4;
    for (int i = 1; valid && i <= more; i++) {
        valid = (at[i] & 0xc0) == 0x80;
        point = point << 6 | (at[i] & 0x3f);
    }
    valid = valid && point >= least && point <= 0x10ffff && (point < 0xd800 || point > 0xdfff);
    *text += valid ? more + 1 : 1;
    return valid ? point : -1;
}
