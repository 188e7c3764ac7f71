/* tls_cert.c - names, serial and dates of an X.509 certificate. Source: RFC 5280. */
#include "net_der.h"
#include "net_md5.h"
#include "net_sha1.h"
#include "tls_hello.h"

#include <stdio.h>
#include <string.h>
#include <time.h>

static const char *attribute_name(const struct net_der *oid)
{
    static const struct {
        uint8_t oid[9], n;
        const char *name;
    } rows[] = {
        {{0x55, 4, 3}, 3, "CN"}, {{0x55, 4, 6}, 3, "C"},  {{0x55, 4, 7}, 3, "L"},          {{0x55, 4, 8}, 3, "ST"},
        {{0x55, 4, 10}, 3, "O"}, {{0x55, 4, 11}, 3, "OU"}, {{0x55, 4, 5}, 3, "serialNumber"},
        {{0x2a, 0x86, 0x48, 0x86, 0xf7, 0x0d, 1, 9, 1}, 9, "emailAddress"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (oid->len == rows[i].n && memcmp(oid->p, rows[i].oid, rows[i].n) == 0)
            return rows[i].name;
    return NULL;
}

/* "C=US, O=Example, CN=www.example.org", in the order of the certificate. */
static void name_text(const struct net_der *name, char *buf, size_t cap)
{
    struct net_cursor c = der_in(name), set, pair;
    struct net_der rdn, seq, oid, value;
    size_t at = 0;
    buf[0] = '\0';
    while (der_next(&c, &rdn)) {
        set = der_in(&rdn);
        if (!der_next(&set, &seq))
            continue;
        pair = der_in(&seq);
        if (!der_next(&pair, &oid) || !der_next(&pair, &value))
            continue;
        const char *key = attribute_name(&oid);
        if (!key || at + strlen(key) + 4 >= cap)
            continue;
        int n = snprintf(buf + at, cap - at, "%s%s=", at ? ", " : "", key);
        at += n > 0 ? (size_t)n : 0;
        for (size_t i = 0; i < value.len && at + 1 < cap; i++)
            if (value.p[i] >= 0x20 && value.p[i] != 0x7f)
                buf[at++] = (char)value.p[i];
        buf[at] = '\0';
    }
}

static void date_text(const struct net_der *t, char buf[24])
{
    size_t n = t->len < 23 ? t->len : 23;
    for (size_t i = 0; i < n; i++)
        buf[i] = (char)(t->p[i] >= 0x20 && t->p[i] < 0x7f ? t->p[i] : '?');
    buf[n] = '\0';
}

/* RFC 5280 4.1.2.5: YYMMDDHHMMSSZ (50 and later are the last century's) or YYYYMMDDHHMMSSZ; the seconds may be missing. */
static int64_t date_seconds(const struct net_der *t)
{
    int v[7] = {0}; /* century, year, month, day, hour, minute, second */
    size_t from = t->tag == 0x18 ? 0 : 1, n = 0;
    for (; from + n < 7 && 2 * n + 1 < t->len; n++) {
        uint8_t a = t->p[2 * n], b = t->p[2 * n + 1];
        if (a < '0' || a > '9' || b < '0' || b > '9')
            break;
        v[from + n] = (a - '0') * 10 + (b - '0');
    }
    if (from + n < 6)
        return -1;
    if (from)
        v[0] = v[1] >= 50 ? 19 : 20;
    struct tm tm = {.tm_year = v[0] * 100 + v[1] - 1900, .tm_mon = v[2] - 1, .tm_mday = v[3], .tm_hour = v[4], .tm_min = v[5], .tm_sec = v[6]};
    return v[2] < 1 || v[2] > 12 || v[3] < 1 || v[3] > 31 ? -1 : timegm(&tm);
}

static void colons(const uint8_t *p, size_t n, bool is_upper, char *buf, size_t cap)
{
    size_t at = 0;
    buf[0] = '\0';
    for (size_t i = 0; i < n && at + 4 <= cap; i++) {
        static const char lower[] = "0123456789abcdef", upper[] = "0123456789ABCDEF";
        const char *digits = is_upper ? upper : lower;
        if (i)
            buf[at++] = ':';
        buf[at++] = digits[p[i] >> 4];
        buf[at++] = digits[p[i] & 15];
        buf[at] = '\0';
    }
}

/* RFC 5280 4.2.1.6: names and mail addresses as text, addresses of hosts as bytes. */
static void alternative_names(const struct net_der *value, struct tls_cert *ret)
{
    struct net_cursor c = cur_of(value->p, value->len);
    struct net_der list, one;
    if (!der_expect(&c, 0x30, &list))
        return;
    c = der_in(&list);
    while (ret->n_names < sizeof ret->names / sizeof ret->names[0] && der_next(&c, &one)) {
        char *to = ret->names[ret->n_names];
        if (one.tag != 0x81 && one.tag != 0x82 && one.tag != 0x86 && one.tag != 0x87)
            continue;
        if (one.tag == 0x87 && one.len == 4) {
            (void)snprintf(to, sizeof ret->names[0], "%u.%u.%u.%u", one.p[0], one.p[1], one.p[2], one.p[3]);
        } else if (one.tag != 0x87 && one.len < sizeof ret->names[0]) {
            for (size_t i = 0; i < one.len; i++)
                to[i] = (char)(one.p[i] > 0x20 && one.p[i] < 0x7f ? one.p[i] : '?');
            to[one.len] = '\0';
        } else {
            continue;
        }
        ret->n_names++;
    }
}

static void extensions(struct net_cursor tbs, struct tls_cert *ret)
{
    static const uint8_t san[] = {0x55, 0x1d, 0x11};
    struct net_der d = {0}, list, one;
    while (der_next(&tbs, &d) && d.tag != 0xa3)
        continue;
    if (d.tag != 0xa3)
        return;
    struct net_cursor c = der_in(&d);
    if (!der_expect(&c, 0x30, &list))
        return;
    c = der_in(&list);
    while (der_next(&c, &one)) {
        struct net_cursor in = der_in(&one);
        struct net_der oid, value;
        if (!der_expect(&in, 0x06, &oid) || oid.len != sizeof san || memcmp(oid.p, san, sizeof san) != 0)
            continue;
        while (der_next(&in, &value))
            if (value.tag == 0x04) { /* behind the optional "critical" */
                alternative_names(&value, ret);
                return;
            }
    }
}

bool tls_certificate(const uint8_t *der, size_t n, struct tls_cert *ret)
{
    struct net_cursor c = cur_of(der, n), tbs, dates;
    struct net_der d, issuer, subject;
    memset(ret, 0, sizeof *ret);
    ret->not_before_s = ret->not_after_s = -1;
    if (!der_expect(&c, 0x30, &d))
        return false;
    c = der_in(&d);
    if (!der_expect(&c, 0x30, &d))
        return false;
    tbs = der_in(&d);
    (void)der_expect(&tbs, 0xa0, &d); /* version, absent in version 1 */
    if (!der_expect(&tbs, 0x02, &d))
        return false;
    net_hex(d.p, d.len < 31 ? d.len : 31, ret->serial);
    colons(d.p, d.len < 31 ? d.len : 31, true, ret->serial_colons, sizeof ret->serial_colons);
    uint8_t sha1[20];
    net_sha1(der, n, sha1);
    colons(sha1, sizeof sha1, false, ret->fingerprint, sizeof ret->fingerprint);
    if (!der_expect(&tbs, 0x30, &d) || !der_expect(&tbs, 0x30, &issuer))
        return false;
    if (!der_expect(&tbs, 0x30, &d))
        return false;
    dates = der_in(&d);
    if (der_next(&dates, &d)) {
        date_text(&d, ret->not_before);
        ret->not_before_s = date_seconds(&d);
    }
    if (der_next(&dates, &d)) {
        date_text(&d, ret->not_after);
        ret->not_after_s = date_seconds(&d);
    }
    if (!der_expect(&tbs, 0x30, &subject))
        return false;
    extensions(tbs, ret);
    name_text(&issuer, ret->issuer, sizeof ret->issuer);
    name_text(&subject, ret->subject, sizeof ret->subject);
    ret->is_self_signed = issuer.len == subject.len && memcmp(issuer.p, subject.p, issuer.len) == 0;
    return true;
}
