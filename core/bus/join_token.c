/*
 * join_token.c - a token as text: base32 (RFC 4648, lower case, without padding) of
 *   version 1, n hosts, each: length 1 and bytes, CURVE key 32, id 8, secret 16, expiry 4 (Unix time), check sum 4
 * all numbers big-endian. The check sum is the start of a hash: against typing, not against anybody.
 */
#include "bus/join.h"

#include <sodium.h>
#include <string.h>

enum { VERSION = 1, RAW_MAX = 1 + 1 + MMR_TOKEN_HOSTS_MAX * (1 + MMR_TOKEN_HOST_MAX) + MMR_KEY + MMR_TOKEN_ID + MMR_TOKEN_SECRET + 8 };
static const char letters[] = "abcdefghijklmnopqrstuvwxyz234567";

static uint8_t *put_u32(uint8_t *p, uint32_t v)
{
    for (int i = 3; i >= 0; i--)
        *p++ = (uint8_t)(v >> (8 * i));
    return p;
}

static uint32_t get_u32(const uint8_t *p)
{
    return (uint32_t)p[0] << 24 | (uint32_t)p[1] << 16 | (uint32_t)p[2] << 8 | p[3];
}

static uint32_t check_sum(const uint8_t *raw, size_t n)
{
    uint8_t hash[crypto_generichash_BYTES];
    (void)crypto_generichash(hash, sizeof hash, raw, n, NULL, 0);
    return get_u32(hash);
}

static uint8_t *put(uint8_t *p, const void *b, size_t n)
{
    memcpy(p, b, n);
    return p + n;
}

int mmr_token_format(const struct mmr_token *t, char *buf, struct mmr_error *err)
{
    uint8_t raw[RAW_MAX], *p = raw;
    if (t->n_hosts == 0 || t->n_hosts > MMR_TOKEN_HOSTS_MAX)
        return mmr_fail(err, MMR_EINVAL, "a token has 1 to %d addresses of its hub", MMR_TOKEN_HOSTS_MAX);
    *p++ = VERSION;
    *p++ = (uint8_t)t->n_hosts;
    for (uint32_t i = 0; i < t->n_hosts; i++) {
        size_t len = strlen(t->host[i]);
        if (len == 0 || len > MMR_TOKEN_HOST_MAX)
            return mmr_fail(err, MMR_EINVAL, "address '%.70s': 1 to %d bytes", t->host[i], MMR_TOKEN_HOST_MAX);
        *p++ = (uint8_t)len;
        p = put(p, t->host[i], len);
    }
    p = put(p, t->hub_curve, MMR_KEY);
    p = put(p, t->id, MMR_TOKEN_ID);
    p = put(p, t->secret, MMR_TOKEN_SECRET);
    p = put_u32(p, (uint32_t)t->expires_s);
    p = put_u32(p, check_sum(raw, (size_t)(p - raw)));
    uint32_t acc = 0, bits = 0;
    for (const uint8_t *r = raw; r < p; r++) {
        acc = acc << 8 | *r;
        for (bits += 8; bits >= 5; bits -= 5)
            *buf++ = letters[acc >> (bits - 5) & 31];
    }
    if (bits)
        *buf++ = letters[acc << (5 - bits) & 31];
    *buf = '\0';
    sodium_memzero(raw, sizeof raw);
    return 0;
}

static int mistyped(struct mmr_error *err)
{
    return mmr_fail(err, MMR_EBADMSG, "this is not a token, or a letter of it is wrong or missing: copy all that 'mamori token new' "
                    "printed at the hub");
}

/* returns the length, 0: other letters, or too long */
static size_t decode(const char *text, uint8_t raw[RAW_MAX])
{
    uint32_t acc = 0, bits = 0;
    size_t n = 0;
    for (; *text; text++) {
        char c = *text >= 'A' && *text <= 'Z' ? (char)(*text + ('a' - 'A')) : *text;
        const char *at = strchr(letters, c);
        if (c == ' ' || c == '\n' || c == '\r' || c == '\t')
            continue;
        if (!at)
            return 0;
        acc = acc << 5 | (uint32_t)(at - letters);
        bits += 5;
        if (bits < 8)
            continue;
        bits -= 8;
        if (n == RAW_MAX)
            return 0;
        raw[n++] = (uint8_t)(acc >> bits);
    }
    return bits < 5 && (acc & ((1u << bits) - 1)) == 0 ? n : 0;
}

int mmr_token_parse(const char *text, struct mmr_token *ret, struct mmr_error *err)
{
    uint8_t raw[RAW_MAX];
    struct mmr_token t = {0};
    size_t n = decode(text, raw), at = 2;
    const size_t fixed = MMR_KEY + MMR_TOKEN_ID + MMR_TOKEN_SECRET + 8;
    if (n < 2 + 2 + fixed || get_u32(raw + n - 4) != check_sum(raw, n - 4))
        return mistyped(err);
    if (raw[0] != VERSION)
        return mmr_fail(err, MMR_EUNSUPPORTED, "a token of version %u, this mamori knows %d; run a newer mamori", raw[0], VERSION);
    t.n_hosts = raw[1];
    if (t.n_hosts == 0 || t.n_hosts > MMR_TOKEN_HOSTS_MAX)
        return mistyped(err);
    for (uint32_t i = 0; i < t.n_hosts; i++) {
        size_t len = at + fixed < n ? raw[at++] : 0;
        if (len == 0 || len > MMR_TOKEN_HOST_MAX || at + len + fixed > n)
            return mistyped(err);
        memcpy(t.host[i], raw + at, len);
        if (strspn(t.host[i], "0123456789abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ.-:[]%") != len)
            return mistyped(err);
        at += len;
    }
    if (at + fixed != n)
        return mistyped(err);
    memcpy(t.hub_curve, raw + at, MMR_KEY);
    memcpy(t.id, raw + at + MMR_KEY, MMR_TOKEN_ID);
    memcpy(t.secret, raw + at + MMR_KEY + MMR_TOKEN_ID, MMR_TOKEN_SECRET);
    t.expires_s = get_u32(raw + n - 8);
    *ret = t;
    sodium_memzero(raw, sizeof raw);
    sodium_memzero(&t, sizeof t);
    return 0;
}
