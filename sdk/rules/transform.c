/* transform.c - what a rule may do to a buffer before it looks into it. */
#include <rules/chain.h>

#include <string.h>

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : c >= 'a' && c <= 'f' ? c - 'a' + 10 : c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

static bool is_space(uint8_t c) { return c == ' ' || (c >= '\t' && c <= '\r'); }

/* The registrable part by the simple rule "last two labels"; the public suffix list is not ours to carry. */
static size_t last_labels(const uint8_t *p, size_t len, int labels, uint8_t *out)
{
    size_t at = len;
    while (at > 0) {
        if (p[at - 1] == '.' && --labels == 0)
            break;
        at--;
    }
    memcpy(out, p + at, len - at);
    return len - at;
}

size_t mmr_transform(const struct transform *t, const uint8_t *p, size_t len, uint8_t *out, size_t out_cap)
{
    size_t n = 0;
    if (len > out_cap / 2 || !out_cap)
        len = out_cap / 2;
    switch (t->type) {
    case TR_LOWER:
        for (; n < len; n++)
            out[n] = (uint8_t)(p[n] >= 'A' && p[n] <= 'Z' ? p[n] + 32 : p[n]);
        return n;
    case TR_UPPER:
        for (; n < len; n++)
            out[n] = (uint8_t)(p[n] >= 'a' && p[n] <= 'z' ? p[n] - 32 : p[n]);
        return n;
    case TR_STRIP_WS:
        for (size_t i = 0; i < len; i++)
            if (!is_space(p[i]))
                out[n++] = p[i];
        return n;
    case TR_COMPRESS_WS:
        for (size_t i = 0; i < len; i++)
            if (!is_space(p[i]) || i == 0 || !is_space(p[i - 1]))
                out[n++] = p[i];
        return n;
    case TR_DOTPREFIX:
        out[0] = '.';
        memcpy(out + 1, p, len);
        return len + 1;
    case TR_URL_DECODE:
        for (size_t i = 0; i < len; i++) {
            if (p[i] == '%' && i + 2 < len && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
                out[n++] = (uint8_t)(hex(p[i + 1]) << 4 | hex(p[i + 2]));
                i += 2;
            } else {
                out[n++] = p[i] == '+' ? ' ' : p[i];
            }
        }
        return n;
    case TR_XOR:
        for (; n < len; n++)
            out[n] = p[n] ^ t->arg[n % t->len];
        return n;
    case TR_STRIP_PSEUDO: /* header lines that begin with ':' (HTTP/2) */
        for (size_t i = 0; i < len;) {
            const uint8_t *nl = memchr(p + i, '\n', len - i);
            size_t line = nl ? (size_t)(nl - (p + i)) + 1 : len - i;
            if (p[i] != ':') {
                memcpy(out + n, p + i, line);
                n += line;
            }
            i += line;
        }
        return n;
    case TR_HEADER_LOWER: /* the name before ':' of each line */
        for (bool is_name = true; n < len; n++) {
            if (p[n] == '\n')
                is_name = true;
            else if (p[n] == ':')
                is_name = false;
            out[n] = (uint8_t)(is_name && p[n] >= 'A' && p[n] <= 'Z' ? p[n] + 32 : p[n]);
        }
        return n;
    case TR_DOMAIN:
        return last_labels(p, len, 2, out);
    case TR_TLD:
        return last_labels(p, len, 1, out);
    default:
        memcpy(out, p, len);
        return len;
    }
}
