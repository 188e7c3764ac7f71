/* charset.c - iconv of the C library, with memory that is kept from one value to the next. */
#include "charset.h"

#include <iconv.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

struct mmr_charset {
    iconv_t cd;
    char *out, *copy;
    size_t out_cap, copy_cap;
};

struct mmr_charset *mmr_charset_new(void)
{
    struct mmr_charset *c = calloc(1, sizeof *c);
    if (!c)
        return NULL;
    c->cd = iconv_open("UTF-8", "CP932");
    if (c->cd == (iconv_t)-1) {
        free(c);
        return NULL;
    }
    return c;
}

void mmr_charset_free(struct mmr_charset *c)
{
    if (!c)
        return;
    (void)iconv_close(c->cd);
    free(c->out);
    free(c->copy);
    free(c);
}

bool mmr_charset_is_utf8(const char *text, size_t n)
{
    const uint8_t *p = (const uint8_t *)text, *end = p + n;
    while (p < end) {
        uint64_t eight;
        if (end - p >= 8 && (memcpy(&eight, p, 8), !(eight & UINT64_C(0x8080808080808080)))) {
            p += 8;
            continue;
        }
        if (*p < 0x80) {
            p++;
            continue;
        }
        unsigned more = *p >= 0xf0 && *p <= 0xf4 ? 3 : *p >= 0xe0 ? 2 : *p >= 0xc2 ? 1 : 0;
        if (!more || *p > 0xf4 || (size_t)(end - p) <= more)
            return false;
        if ((*p == 0xe0 && p[1] < 0xa0) || (*p == 0xed && p[1] > 0x9f) || (*p == 0xf0 && p[1] < 0x90) || (*p == 0xf4 && p[1] > 0x8f))
            return false;
        for (unsigned i = 1; i <= more; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        p += more + 1;
    }
    return true;
}

static bool room(char **p, size_t *cap, size_t need)
{
    if (need <= *cap)
        return true;
    char *more = realloc(*p, need);
    if (!more)
        return false;
    *p = more;
    *cap = need;
    return true;
}

char *mmr_charset_from_cp932(struct mmr_charset *c, const char *p, size_t n, size_t *ret_n)
{
    if (n > SIZE_MAX / 4 || !room(&c->out, &c->out_cap, 3 * n + 1))
        return NULL;
    char *in = (char *)(uintptr_t)p, *out = c->out; /* iconv does not write there, whatever its type says */
    size_t in_left = n, out_left = 3 * n;
    (void)iconv(c->cd, NULL, NULL, NULL, NULL);
    if (iconv(c->cd, &in, &in_left, &out, &out_left) == (size_t)-1 || in_left)
        return NULL;
    *ret_n = (size_t)(out - c->out);
    *out = '\0';
    return c->out;
}

char *mmr_charset_copy(struct mmr_charset *c, const char *p, size_t n)
{
    if (n == SIZE_MAX || !room(&c->copy, &c->copy_cap, n + 1))
        return NULL;
    memcpy(c->copy, p, n);
    c->copy[n] = '\0';
    return c->copy;
}
