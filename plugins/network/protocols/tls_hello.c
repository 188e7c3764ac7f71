/*
 * tls_hello.c - client and server hello with their fingerprints JA3 and JA4.
 * Source: RFC 8446, RFC 5246, RFC 6066; JA3 by Althouse, Atkinson, Atkins; JA4 by FoxIO (client part).
 */
#include "tls_hello.h"

#include "net_cursor.h"
#include "net_digits.h"
#include "net_md5.h"

#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EXT_SNI = 0, EXT_GROUPS = 10, EXT_POINTS = 11, EXT_SIGNATURES = 13, EXT_ALPN = 16, EXT_VERSIONS = 43 };
struct list {
    uint16_t v[TLS_LIST_MAX];
    size_t n;
};

static bool is_grease(uint16_t v) /* RFC 8701 */
{
    return (v & 0x0f0f) == 0x0a0a && v >> 8 == (v & 0xff);
}

static void add(struct list *l, uint16_t v)
{
    if (!is_grease(v) && l->n < TLS_LIST_MAX)
        l->v[l->n++] = v;
}

static void add_u16s(struct list *l, struct net_cursor c)
{
    while (c.left >= 2)
        add(l, cur_u16be(&c));
}

struct hello {
    struct list ciphers, extensions, groups, points, signatures;
    uint16_t best_version;
};

static void extension(uint16_t type, struct net_cursor e, bool is_client, struct hello *h, struct tls_hello *ret)
{
    struct net_cursor in;
    switch (type) {
    case EXT_SNI:
        if (!is_client)
            break;
        in = cur_sub(&e, cur_u16be(&e));
        if (cur_u8(&in) == 0) {
            size_t n = cur_u16be(&in);
            const uint8_t *p = cur_take(&in, n);
            if (p && n < TLS_NAME_MAX) {
                for (size_t i = 0; i < n; i++)
                    ret->sni[i] = (char)(p[i] > 0x20 && p[i] < 0x7f ? p[i] : '?');
                ret->sni[n] = '\0';
            }
        }
        break;
    case EXT_GROUPS:
        add_u16s(&h->groups, cur_sub(&e, cur_u16be(&e)));
        break;
    case EXT_POINTS:
        in = cur_sub(&e, cur_u8(&e));
        while (in.left)
            if (h->points.n < TLS_LIST_MAX)
                h->points.v[h->points.n++] = cur_u8(&in);
            else
                break;
        break;
    case EXT_SIGNATURES:
        add_u16s(&h->signatures, cur_sub(&e, cur_u16be(&e)));
        break;
    case EXT_ALPN:
        in = cur_sub(&e, cur_u16be(&e));
        for (bool is_first = true; in.left; is_first = false) {
            size_t n = cur_u8(&in);
            const uint8_t *p = cur_take(&in, n);
            char text[32];
            if (!p || n >= sizeof text)
                break;
            for (size_t i = 0; i < n; i++)
                text[i] = (char)(p[i] > 0x20 && p[i] < 0x7f ? p[i] : '?');
            text[n] = '\0';
            if (is_first)
                memcpy(ret->alpn, text, n + 1);
            if (ret->n_alpns < sizeof ret->alpns / sizeof ret->alpns[0])
                memcpy(ret->alpns[ret->n_alpns++], text, n + 1);
        }
        break;
    case EXT_VERSIONS:
        if (is_client) {
            in = cur_sub(&e, cur_u8(&e));
            while (in.left >= 2) {
                uint16_t v = cur_u16be(&in);
                if (!is_grease(v) && v > h->best_version && v < 0x0400)
                    h->best_version = v;
            }
        } else {
            h->best_version = cur_u16be(&e);
        }
        break;
    default:
        break;
    }
}

static void extensions(struct net_cursor *c, bool is_client, struct hello *h, struct tls_hello *ret)
{
    if (c->left < 2)
        return;
    struct net_cursor all = cur_sub(c, cur_u16be(c));
    while (all.left >= 4) {
        uint16_t type = cur_u16be(&all), n = cur_u16be(&all);
        struct net_cursor e = cur_sub(&all, n);
        if (e.bad)
            break;
        add(&h->extensions, type);
        extension(type, e, is_client, h, ret);
    }
}

static size_t join(char *buf, size_t cap, size_t at, const struct list *l, const char *fmt, char sep)
{
    for (size_t i = 0; i < l->n; i++) {
        char num[8];
        const char *end = fmt[0] == 'd' ? net_put_decimal(num, l->v[i]) : net_put_hex(net_put_hex(num, (uint8_t)(l->v[i] >> 8)), (uint8_t)l->v[i]);
        size_t n = (size_t)(end - num);
        if (at + n + 2 >= cap)
            break;
        if (i)
            buf[at++] = sep;
        memcpy(buf + at, num, n);
        at += n;
    }
    buf[at] = '\0';
    return at;
}

static void ja3(const struct hello *h, bool is_client, uint16_t version, struct tls_hello *ret)
{
    size_t cap = sizeof ret->ja3, at = (size_t)snprintf(ret->ja3, cap, "%u,", version);
    const struct list *const parts[] = {&h->ciphers, &h->extensions, &h->groups, &h->points};
    size_t n = is_client ? 4 : 2;
    uint8_t digest[16];
    for (size_t i = 0; i < n; i++) {
        at = join(ret->ja3, cap, at, parts[i], "d", '-');
        if (i + 1 < n && at + 1 < cap) {
            ret->ja3[at++] = ',';
            ret->ja3[at] = '\0';
        }
    }
    net_md5((const uint8_t *)ret->ja3, at, digest);
    net_hex(digest, 16, ret->ja3_hash);
}

static int by_value(const void *a, const void *b)
{
    return *(const uint16_t *)a - *(const uint16_t *)b;
}

static void short_hash(const char *text, size_t n, char ret[13])
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    if (n == 0) {
        memcpy(ret, "000000000000", 13);
        return;
    }
    (void)crypto_hash_sha256(digest, (const uint8_t *)text, n);
    net_hex(digest, 6, ret);
}

static bool is_alnum(char c)
{
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z');
}

static void ja4(const struct hello *h, bool is_quic, struct tls_hello *ret)
{
    struct list ciphers = h->ciphers, ext = {.n = 0};
    char text[2048], c_hash[13], e_hash[13], first = '0', last = '0';
    const char *version = ret->version == 0x0304   ? "13"
                          : ret->version == 0x0303 ? "12"
                          : ret->version == 0x0302 ? "11"
                          : ret->version == 0x0301 ? "10"
                          : ret->version == 0x0300 ? "s3"
                                                   : "00";
    size_t len = strlen(ret->alpn), n_ext = h->extensions.n < 99 ? h->extensions.n : 99,
           n_ciphers = ciphers.n < 99 ? ciphers.n : 99;
    if (len && is_alnum(ret->alpn[0]) && is_alnum(ret->alpn[len - 1])) {
        first = ret->alpn[0];
        last = ret->alpn[len - 1];
    }
    for (size_t i = 0; i < h->extensions.n; i++)
        if (h->extensions.v[i] != EXT_SNI && h->extensions.v[i] != EXT_ALPN)
            ext.v[ext.n++] = h->extensions.v[i];
    qsort(ciphers.v, ciphers.n, sizeof ciphers.v[0], by_value);
    qsort(ext.v, ext.n, sizeof ext.v[0], by_value);
    short_hash(text, join(text, sizeof text, 0, &ciphers, "x", ','), c_hash);
    size_t at = join(text, sizeof text, 0, &ext, "x", ',');
    if (h->signatures.n && at + 1 < sizeof text) {
        text[at++] = '_';
        at = join(text, sizeof text, at, &h->signatures, "x", ',');
    }
    short_hash(text, at, e_hash);
    (void)snprintf(ret->ja4, sizeof ret->ja4, "%c%s%c%02zu%02zu%c%c_%s_%s", is_quic ? 'q' : 't', version,
                   ret->sni[0] ? 'd' : 'i', n_ciphers, n_ext, first, last, c_hash, e_hash);
}

bool tls_client_hello(const uint8_t *p, size_t n, bool is_quic, struct tls_hello *ret)
{
    struct net_cursor c = cur_of(p, n);
    struct hello h;
    memset(&h, 0, sizeof h);
    memset(ret, 0, sizeof *ret);
    ret->legacy_version = cur_u16be(&c);
    const uint8_t *random = cur_take(&c, 32);
    if (random)
        memcpy(ret->random, random, sizeof ret->random);
    (void)cur_take(&c, cur_u8(&c));
    struct net_cursor ciphers = cur_sub(&c, cur_u16be(&c));
    (void)cur_take(&c, cur_u8(&c));
    if (c.bad)
        return false;
    add_u16s(&h.ciphers, ciphers);
    extensions(&c, true, &h, ret);
    ret->version = h.best_version ? h.best_version : ret->legacy_version;
    ja3(&h, true, ret->legacy_version, ret);
    ja4(&h, is_quic, ret);
    return true;
}

bool tls_server_hello(const uint8_t *p, size_t n, struct tls_hello *ret)
{
    struct net_cursor c = cur_of(p, n);
    struct hello h;
    memset(&h, 0, sizeof h);
    memset(ret, 0, sizeof *ret);
    ret->legacy_version = cur_u16be(&c);
    const uint8_t *random = cur_take(&c, 32);
    if (random)
        memcpy(ret->random, random, sizeof ret->random);
    (void)cur_take(&c, cur_u8(&c));
    uint16_t cipher = cur_u16be(&c);
    (void)cur_u8(&c);
    if (c.bad)
        return false;
    h.ciphers.v[h.ciphers.n++] = cipher;
    extensions(&c, false, &h, ret);
    ret->version = h.best_version ? h.best_version : ret->legacy_version;
    ja3(&h, false, ret->legacy_version, ret);
    return true;
}

const char *tls_version_name(uint16_t v, char buf[16])
{
    switch (v) {
    case 0x0002:
        return "SSLv2";
    case 0x0300:
        return "SSLv3";
    case 0x0301:
        return "TLSv1";
    case 0x0302:
        return "TLS 1.1";
    case 0x0303:
        return "TLS 1.2";
    case 0x0304:
        return "TLS 1.3";
    default:
        (void)snprintf(buf, 16, "0x%04x", v);
        return buf;
    }
}
