/* transform.c - what a rule may do to a buffer before it looks into it. */
#include <rules/chain.h>

#include <openssl/evp.h>
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

static size_t digest(const EVP_MD *md, const uint8_t *p, size_t len, uint8_t *out)
{
    unsigned n = 0;
    return EVP_Digest(p, len, out, &n, md, NULL) == 1 ? n : 0;
}

/* Decoded; as it was where nothing of it could be. */
static size_t from_base64(const struct base64_op *op, const uint8_t *p, size_t len, uint8_t *out, size_t cap)
{
    size_t n = 0, from = op->offset < len ? op->offset : len;
    size_t take = op->bytes && op->bytes < len - from ? op->bytes : len - from;
    if (op->mode == BASE64_SKIPS) { /* gather the letters behind the room for the result */
        uint8_t *kept = out + cap / 2;
        size_t k = 0;
        for (size_t i = 0; i < take; i++)
            if (mmr_is_base64(p[from + i]))
                kept[k++] = p[from + i];
        n = mmr_base64_decode(kept, k, out, cap / 2);
    } else {
        bool is_whole = true;
        for (size_t i = 0; i < take && op->mode == BASE64_STRICT; i++)
            is_whole &= mmr_is_base64(p[from + i]) || p[from + i] == '=';
        n = is_whole ? mmr_base64_decode(p + from, take, out, cap / 2) : 0;
    }
    if (!n) {
        memcpy(out, p, len);
        n = len;
    }
    return n;
}

size_t mmr_transform(const struct transform *t, struct regex_scratch *scratch, const uint8_t *p, size_t len, uint8_t *out, size_t out_cap)
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
            out[n] = p[n] ^ ((const uint8_t *)t->arg)[n % t->len];
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
    case TR_MD5: return digest(EVP_md5(), p, len, out);
    case TR_SHA1: return digest(EVP_sha1(), p, len, out);
    case TR_SHA256: return digest(EVP_sha256(), p, len, out);
    case TR_BASE64: return from_base64(t->arg, p, len, out, out_cap);
    case TR_PCRE: { /* what the first brackets hold; the whole where the expression does not match */
        size_t start = 0, end = len;
        if (!mmr_regex_part(t->arg, scratch, p, len, &start, &end)) {
            start = 0;
            end = len;
        }
        memcpy(out, p + start, end - start);
        return end - start;
    }
    case TR_DOMAIN:
        return last_labels(p, len, 2, out);
    case TR_TLD:
        return last_labels(p, len, 1, out);
    default:
        memcpy(out, p, len);
        return len;
    }
}
