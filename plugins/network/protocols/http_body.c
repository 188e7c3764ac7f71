/* http_body.c - see http_body.h. Sources: RFC 9110 section 8.4, RFC 1950 to 1952. */
#include "http_body.h"

#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <zlib.h>

enum { LAYERS = 2, FIRST_BYTES = 16 * 1024 };

/* window: zlib's windowBits. False when not even one byte comes out. */
static bool inflate_all(int window, const uint8_t *p, size_t n, size_t max, uint8_t **ret, size_t *ret_n)
{
    z_stream z = {0};
    size_t cap = max < FIRST_BYTES ? max : FIRST_BYTES, done = 0;
    uint8_t *out = malloc(cap ? cap : 1);
    if (!out || n > UINT32_MAX || inflateInit2(&z, window) != Z_OK) {
        free(out);
        return false;
    }
    union { /* zlib reads only, but its field is not const */
        const uint8_t *c;
        uint8_t *m;
    } in = {p};
    z.next_in = in.m;
    z.avail_in = (uInt)n;
    int rc = Z_OK;
    while (rc == Z_OK && done < max) {
        if (done == cap) {
            size_t grown = cap * 2 < max ? cap * 2 : max;
            uint8_t *more = realloc(out, grown);
            if (!more)
                break;
            out = more;
            cap = grown;
        }
        z.next_out = out + done;
        z.avail_out = (uInt)(cap - done);
        rc = inflate(&z, Z_NO_FLUSH);
        done = cap - z.avail_out;
        if (rc == Z_BUF_ERROR)
            break; /* the body was cut off */
    }
    (void)inflateEnd(&z);
    if (done == 0 || rc == Z_DATA_ERROR || rc == Z_NEED_DICT) {
        if (done == 0 || window < 0) { /* bare deflate has no mark of its own: broken means it never was */
            free(out);
            return false;
        }
    }
    *ret = out;
    *ret_n = done;
    return true;
}

static bool undo(const char *name, size_t len, const uint8_t *p, size_t n, size_t max, uint8_t **ret, size_t *ret_n)
{
    bool is_gzip = (len == 4 && strncasecmp(name, "gzip", 4) == 0) || (len == 6 && strncasecmp(name, "x-gzip", 6) == 0);
    bool is_deflate = len == 7 && strncasecmp(name, "deflate", 7) == 0;
    if (n < 2 || (!is_gzip && !is_deflate))
        return false;
    if (p[0] == 0x1f && p[1] == 0x8b)
        return inflate_all(15 + 16, p, n, max, ret, ret_n);
    if (!is_deflate)
        return false;
    if ((p[0] & 15) == 8 && ((unsigned)p[0] << 8 | p[1]) % 31 == 0)
        return inflate_all(15, p, n, max, ret, ret_n);
    return inflate_all(-15, p, n, max, ret, ret_n);
}

bool http_body_decode(const void *coding, size_t n_coding, const uint8_t *p, size_t n, size_t max, uint8_t **ret,
                      size_t *ret_n)
{
    const char *c = coding;
    size_t end = n_coding;
    uint8_t *have = NULL;
    size_t n_have = 0;
    for (unsigned i = 0; i < LAYERS && end > 0; i++) { /* the last one named was put on last */
        size_t from = end, len;
        while (from > 0 && c[from - 1] != ',')
            from--;
        size_t at = from;
        while (at < end && (c[at] == ' ' || c[at] == '\t'))
            at++;
        len = end - at;
        while (len > 0 && (c[at + len - 1] == ' ' || c[at + len - 1] == '\t'))
            len--;
        uint8_t *next;
        size_t n_next;
        if (!undo(c + at, len, have ? have : p, have ? n_have : n, max, &next, &n_next))
            break;
        free(have);
        have = next;
        n_have = n_next;
        end = from > 0 ? from - 1 : 0;
    }
    if (!have)
        return false;
    *ret = have;
    *ret_n = n_have;
    return true;
}
