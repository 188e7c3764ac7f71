/* list.c - plain lists, and what all lists share: the forms of values, what is refused. JSON is in list_json.c. */
#include "list_internal.h"

#include <arpa/inet.h>
#include <ctype.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>
#include <time.h>

static bool is_hex(const char *p, size_t n)
{
    for (size_t i = 0; i < n; i++)
        if (!isxdigit((unsigned char)p[i]))
            return false;
    return true;
}

/* Special purpose ranges (RFC 6890): an entry there is a mistake of the list and would meet the office itself. */
static bool is_special(const struct mmr_addr *a, bool is_v4)
{
    const uint8_t *b = is_v4 ? a->b + 12 : a->b;
    if (is_v4)
        return b[0] == 0 || b[0] == 10 || b[0] == 127 || b[0] >= 224 || (b[0] == 172 && (b[1] & 0xf0) == 16) ||
               (b[0] == 192 && b[1] == 168) || (b[0] == 169 && b[1] == 254) || (b[0] == 100 && (b[1] & 0xc0) == 64);
    return (b[0] & 0xe0) != 0x20; /* only 2000::/3 is the internet */
}

static int add_addr(struct reader *r, const char *p, size_t n, uint32_t expires_s, const char *label)
{
    char text[INET6_ADDRSTRLEN + 4];
    struct mmr_addr a = {{0}};
    unsigned bits, width;
    if (n >= sizeof text)
        return MMR_EBADMSG;
    memcpy(text, p, n);
    text[n] = '\0';
    char *slash = strchr(text, '/');
    if (slash)
        *slash = '\0';
    if (inet_pton(AF_INET, text, a.b + 12) == 1) {
        a.b[10] = a.b[11] = 0xff;
        width = 32;
    } else if (inet_pton(AF_INET6, text, a.b) == 1) {
        width = 128;
    } else {
        return MMR_EBADMSG;
    }
    bits = width;
    if (slash) {
        char *end;
        unsigned long v = strtoul(slash + 1, &end, 10);
        if (!isdigit((unsigned char)slash[1]) || *end || v > width)
            return MMR_EBADMSG;
        bits = (unsigned)v;
    }
    if (bits < (width == 32 ? 8U : 19U) || is_special(&a, width == 32)) {
        r->stats->too_wide++;
        return 0;
    }
    int rc = ind_set_add_addr(r->set, &a, 128 - width + bits, expires_s, label);
    r->stats->entries += rc == 0;
    return rc;
}

static bool is_domain(const char *p, size_t n)
{
    size_t label = 0, dots = 0;
    bool has_letter = false;
    if (n < 3 || n > 253)
        return false;
    for (size_t i = 0; i < n; i++) {
        unsigned char c = (unsigned char)p[i];
        if (c == '.') {
            if (label == 0)
                return false;
            label = 0;
            dots++;
            has_letter = false;
        } else if (isalnum(c) || c == '-' || c == '_') {
            label++;
            has_letter |= !isdigit(c);
        } else {
            return false;
        }
        if (label > 63)
            return false;
    }
    return dots > 0 && label > 0 && has_letter; /* the last label of an address is a number */
}

static int add_domain(struct reader *r, const char *p, size_t n, uint32_t expires_s, const char *label)
{
    char low[256];
    if (n > 2 && p[0] == '*' && p[1] == '.') {
        p += 2;
        n -= 2;
    } else if (n > 1 && p[0] == '.') {
        p++;
        n--;
    }
    if (n > 1 && p[n - 1] == '.')
        n--;
    if (n && n < 64 && !memchr(p, '.', n)) {
        r->stats->too_wide++; /* a whole top level domain */
        return 0;
    }
    if (!is_domain(p, n))
        return MMR_EBADMSG;
    for (size_t i = 0; i < n; i++)
        low[i] = (char)tolower((unsigned char)p[i]);
    int rc = ind_set_add(r->set, IND_DOMAIN, low, n, expires_s, label);
    r->stats->entries += rc == 0;
    return rc;
}

bool ind_url_normal(const char *text, size_t len, char *buf, size_t cap, size_t *ret_len)
{
    const char *p = text, *end = text + len, *s = len > 3 ? memmem(text, len, "://", 3) : NULL;
    bool is_tls = s && s - text == 5 && strncasecmp(text, "https", 5) == 0;
    if (s && s - text <= 8)
        p = s + 3;
    const char *hash = memchr(p, '#', (size_t)(end - p));
    if (hash)
        end = hash;
    const char *slash = memchr(p, '/', (size_t)(end - p));
    const char *query = memchr(p, '?', (size_t)(end - p));
    const char *host_end = slash && (!query || slash < query) ? slash : query ? query : end;
    const char *at = memchr(p, '@', (size_t)(host_end - p));
    if (at)
        p = at + 1;
    size_t host = (size_t)(host_end - p), rest = (size_t)(end - host_end), n = 0;
    const char *port = is_tls ? ":443" : ":80";
    if (host > strlen(port) && memcmp(host_end - strlen(port), port, strlen(port)) == 0)
        host -= strlen(port);
    if (host == 0 || host + rest + 2 > cap)
        return false;
    for (size_t i = 0; i < host; i++)
        buf[n++] = (char)tolower((unsigned char)p[i]);
    if (rest == 0 || *host_end == '?')
        buf[n++] = '/';
    memcpy(buf + n, host_end, rest);
    *ret_len = n + rest;
    return true;
}

static int add_url(struct reader *r, const char *p, size_t n, uint32_t expires_s, const char *label)
{
    char url[2048];
    size_t len;
    if (!ind_url_normal(p, n, url, sizeof url, &len) || !memchr(url, '.', len))
        return MMR_EBADMSG;
    int rc = ind_set_add(r->set, IND_URL, url, len, expires_s, label);
    r->stats->entries += rc == 0;
    return rc;
}

static int add_hex(struct reader *r, enum ind_kind k, const char *p, size_t n, uint32_t expires_s, const char *label)
{
    char low[64];
    if (n != (k == IND_SHA256 ? 64U : 32U) || !is_hex(p, n))
        return MMR_EBADMSG;
    for (size_t i = 0; i < n; i++)
        low[i] = (char)tolower((unsigned char)p[i]);
    int rc = ind_set_add(r->set, k, low, n, expires_s, label);
    r->stats->entries += rc == 0;
    return rc;
}

/* t13d1516h2_8daaf6152771_b186095e22b6 */
static bool is_ja4(const char *p, size_t n)
{
    return n == 36 && (p[0] == 't' || p[0] == 'q' || p[0] == 'd') && p[10] == '_' && p[23] == '_' && is_hex(p + 11, 12) &&
           is_hex(p + 24, 12);
}

int ind_take(struct reader *r, enum ind_kind k, const char *p, size_t n, uint32_t expires_s, const char *label)
{
    uint32_t until = expires_s ? expires_s : r->o->expires_s;
    if (until && until <= r->o->now_s) {
        r->stats->expired++;
        return 0;
    }
    if (k == 0)
        k = n == 64 && is_hex(p, n)              ? IND_SHA256
            : is_ja4(p, n)                       ? IND_JA4
            : memmem(p, n, "://", 3)             ? IND_URL
            : is_domain(p, n) || (n > 2 && p[0] == '*') || (n > 1 && p[0] == '.') ? IND_DOMAIN
            : memchr(p, '/', n) && !isdigit((unsigned char)p[0]) && !memchr(p, ':', n) ? IND_URL
                                                 : IND_ADDR;
    switch (k) {
    case IND_ADDR: return add_addr(r, p, n, until, label);
    case IND_DOMAIN: return add_domain(r, p, n, until, label);
    case IND_URL: return add_url(r, p, n, until, label);
    case IND_JA4: {
        int rc = is_ja4(p, n) ? ind_set_add(r->set, IND_JA4, p, n, until, label) : MMR_EBADMSG;
        r->stats->entries += rc == 0;
        return rc;
    }
    default: return add_hex(r, k, p, n, until, label);
    }
}

uint32_t ind_time(const char *text, size_t len)
{
    char buf[32];
    struct tm t = {0};
    unsigned long long v = 0;
    if (len == 0 || len >= sizeof buf)
        return 0;
    memcpy(buf, text, len);
    buf[len] = '\0';
    if (strspn(buf, "0123456789") == len) {
        v = strtoull(buf, NULL, 10);
        return v > UINT32_MAX ? UINT32_MAX : (uint32_t)v;
    }
    const char *end = strptime(buf, "%Y-%m-%dT%H:%M:%S", &t);
    if (!end)
        end = strptime(buf, "%Y-%m-%d", &t);
    if (!end)
        return 0;
    time_t s = timegm(&t);
    return s <= 0 ? 1 : s > (time_t)UINT32_MAX ? UINT32_MAX : (uint32_t)s;
}

/* ---- plain ---- */

static bool is_space(char c)
{
    return c == ' ' || c == '\t' || c == '\r' || c == '"';
}

/* "value", "value # remark", "0.0.0.0 name" (hosts file), "value,more,columns", "value;more" */
static int plain_line(struct reader *r, const char *p, size_t n)
{
    r->line++;
    while (n && is_space(p[0])) {
        p++;
        n--;
    }
    while (n && is_space(p[n - 1]))
        n--;
    if (n == 0 || p[0] == '#' || p[0] == ';' || (n > 1 && p[0] == '/' && p[1] == '/'))
        return 0;
    size_t len = 0;
    while (len < n && !is_space(p[len]) && p[len] != ',' && p[len] != ';' && p[len] != '|')
        len++;
    if (r->o->kind != IND_URL)
        for (size_t i = 0; i < len; i++)
            if (p[i] == '#')
                len = i;
    bool is_hosts = (len == 7 && memcmp(p, "0.0.0.0", 7) == 0) || (len == 9 && memcmp(p, "127.0.0.1", 9) == 0) ||
                    (len == 2 && memcmp(p, "::", 2) == 0) || (len == 3 && memcmp(p, "::1", 3) == 0);
    if (is_hosts && len < n) {
        while (len < n && is_space(p[len]))
            len++;
        p += len;
        n -= len;
        for (len = 0; len < n && !is_space(p[len]) && p[len] != '#';)
            len++;
        if (len == 0 || !memchr(p, '.', len)) /* "127.0.0.1 localhost" */
            return 0;
    }
    int rc = ind_take(r, r->o->kind, p, len, 0, NULL);
    if (rc == MMR_EBADMSG) {
        r->stats->unreadable++;
        if (!r->stats->first_bad)
            r->stats->first_bad = r->line;
        rc = 0;
    }
    return rc;
}

int ind_plain_push(struct reader *r, const char *p, size_t n)
{
    int rc = 0;
    while (n && rc == 0) {
        const char *nl = memchr(p, '\n', n);
        size_t take = nl ? (size_t)(nl - p) : n, room = sizeof r->text - r->used;
        size_t copy = take < room ? take : room;
        if (nl && r->used == 0 && take <= sizeof r->text) {
            rc = plain_line(r, p, take);
        } else {
            memcpy(r->text + r->used, p, copy);
            r->used += copy;
            r->is_long |= copy < take;
            if (nl) {
                if (r->is_long) {
                    r->line++;
                    r->stats->unreadable++;
                } else {
                    rc = plain_line(r, r->text, r->used);
                }
                r->used = 0;
                r->is_long = false;
            }
        }
        take += nl != NULL;
        p += take;
        n -= take;
    }
    return rc;
}

int ind_plain_end(struct reader *r)
{
    int rc = r->used && !r->is_long ? plain_line(r, r->text, r->used) : 0;
    r->stats->unreadable += r->is_long;
    r->used = 0;
    return rc;
}

/* ---- either ---- */

static int push(struct reader *r, const char *p, size_t n, struct mmr_error *err)
{
    if (!r->is_known) {
        size_t i = 0;
        if (n >= 3 && memcmp(p, "\xef\xbb\xbf", 3) == 0)
            i = 3;
        while (i < n && isspace((unsigned char)p[i]))
            i++;
        if (i == n)
            return 0;
        r->is_json = p[i] == '{' || p[i] == '[';
        r->is_known = true;
        if (r->is_json || i >= 3) {
            p += i;
            n -= i;
        }
    }
    return r->is_json ? ind_json_push(r, p, n, err) : ind_plain_push(r, p, n);
}

static int finish(struct reader *r, struct mmr_error *err)
{
    return r->is_json ? ind_json_end(r, err) : ind_plain_end(r);
}

static int failed(int rc, struct mmr_error *err)
{
    if (rc == MMR_ENOMEM)
        return mmr_fail(err, rc, "indicator list: out of memory");
    if (rc == MMR_ETOOBIG)
        return mmr_fail(err, rc, "indicator lists: more than %d entries", IND_ENTRIES_MAX);
    return rc;
}

int ind_list_read(const char *text, size_t len, const struct ind_list_options *o, struct ind_set *set,
                  struct ind_list_stats *ret, struct mmr_error *err)
{
    struct reader *r = calloc(1, sizeof *r);
    if (!r)
        return failed(MMR_ENOMEM, err);
    *ret = (struct ind_list_stats){0};
    r->o = o;
    r->set = set;
    r->stats = ret;
    int rc = push(r, text, len, err);
    if (rc == 0)
        rc = finish(r, err);
    free(r);
    return failed(rc, err);
}

int ind_list_file(FILE *f, const char *name, const struct ind_list_options *o, struct ind_set *set,
                  struct ind_list_stats *ret, struct mmr_error *err)
{
    enum { PART = 64 * 1024 };
    struct reader *r = calloc(1, sizeof *r);
    char *part = malloc(PART);
    int rc = r && part ? 0 : MMR_ENOMEM;
    *ret = (struct ind_list_stats){0};
    if (rc == 0) {
        r->o = o;
        r->set = set;
        r->stats = ret;
        for (size_t n; rc == 0 && (n = fread(part, 1, PART, f)) > 0;)
            rc = push(r, part, n, err);
        if (rc == 0 && ferror(f))
            rc = mmr_fail(err, MMR_EIO, "indicator list '%s' cannot be read to its end", name);
        if (rc == 0)
            rc = finish(r, err);
    }
    free(part);
    free(r);
    return failed(rc, err);
}
