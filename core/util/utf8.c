/* utf8.c - is it UTF-8? */
#include "util/utf8.h"

#include <stdint.h>
#include <string.h>

bool mmr_is_utf8(const void *text, size_t len)
{
    const uint8_t *p = text;
    const uint8_t *end = p + len;
    while (p < end) {
        if (end - p >= 8) { /* eight ASCII bytes in one look: nearly all text is */
            uint64_t w;
            memcpy(&w, p, 8);
            if ((w & UINT64_C(0x8080808080808080)) == 0) {
                p += 8;
                continue;
            }
        }
        uint8_t b = *p;
        if (b < 0x80) {
            p++;
            continue;
        }
        size_t n = b >= 0xc2 && b <= 0xdf ? 2 : (b & 0xf0) == 0xe0 ? 3 : b >= 0xf0 && b <= 0xf4 ? 4 : 0;
        if (n == 0 || (size_t)(end - p) < n)
            return false;
        for (size_t i = 1; i < n; i++)
            if ((p[i] & 0xc0) != 0x80)
                return false;
        if ((b == 0xe0 && p[1] < 0xa0) || (b == 0xed && p[1] > 0x9f) || (b == 0xf0 && p[1] < 0x90) ||
            (b == 0xf4 && p[1] > 0x8f))
            return false; /* overlong, surrogate, above U+10FFFF */
        p += n;
    }
    return true;
}
