/* match.c - runs the patterns; lines come from outside. */
#include "match.h"

#define PCRE2_CODE_UNIT_WIDTH 8
#include <pcre2.h>

#include <arpa/inet.h>
#include <stdlib.h>
#include <string.h>

enum { LINE_MAX_BYTES = 8192, STEPS_MAX = 200000, DEPTH_MAX = 5000, KNOWN = 64, APP_MAX = 32 };

struct compiled { /* made when the first line could fit: a machine runs few of these services, and all compiled take megabytes */
    pcre2_code *greedy, *lazy;
    uint32_t host, user; /* group numbers, 0: none */
    bool is_bad;
    uint8_t reserved[7];
};
struct known { /* the rows that are for a program: a machine's lines come from few, and there are hundreds of rows */
    bool is_used;
    uint8_t app_len;
    char app[APP_MAX];
    uint16_t n, *rows;
};
struct mmr_auth_matcher {
    const struct mmr_auth_pattern *rows;
    size_t n;
    struct compiled *c;
    struct known known[KNOWN + 1]; /* by a hash of the name, the newer one stays; the last is for names that are too long */
    pcre2_code *bait;
    pcre2_match_data *md;
    pcre2_match_context *ctx;
};

static int compile(const char *regex, uint32_t options, pcre2_code **ret, struct mmr_error *err)
{
    int code;
    PCRE2_SIZE at;
    PCRE2_UCHAR why[120];
    *ret = pcre2_compile((PCRE2_SPTR)regex, PCRE2_ZERO_TERMINATED, options | PCRE2_DOLLAR_ENDONLY, &code, &at, NULL);
    if (!*ret) {
        (void)pcre2_get_error_message(code, why, sizeof why);
        return mmr_fail(err, MMR_EINTERNAL, "authfail pattern '%.60s' at %zu: %s", regex, (size_t)at, (const char *)why);
    }
    (void)pcre2_jit_compile(*ret, PCRE2_JIT_COMPLETE); /* without JIT it is only slower */
    return 0;
}

static uint32_t group(const pcre2_code *c, const char *name)
{
    int n = pcre2_substring_number_from_name(c, (PCRE2_SPTR)name);
    return n > 0 ? (uint32_t)n : 0;
}

int mmr_auth_matcher_row(struct mmr_auth_matcher *m, size_t i, struct mmr_error *err)
{
    struct compiled *c = &m->c[i];
    if (c->lazy)
        return 0;
    int r = c->greedy ? 0 : compile(m->rows[i].regex, 0, &c->greedy, err);
    if (r == 0)
        r = compile(m->rows[i].regex, PCRE2_UNGREEDY, &c->lazy, err);
    c->is_bad = r != 0; /* of a constant table that a test compiles whole: no memory, then */
    if (r == 0) {
        c->host = group(c->greedy, "host");
        c->user = group(c->greedy, "user");
    }
    return r;
}

int mmr_auth_matcher_new(struct mmr_auth_matcher **ret, struct mmr_error *err)
{
    struct mmr_auth_matcher *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "authfail: out of memory");
    m->rows = mmr_auth_patterns(&m->n);
    m->c = calloc(m->n, sizeof *m->c);
    m->md = pcre2_match_data_create(16, NULL);
    m->ctx = pcre2_match_context_create(NULL);
    int r = m->c && m->md && m->ctx ? 0 : mmr_fail(err, MMR_ENOMEM, "authfail: out of memory");
    if (r == 0)
        r = compile("^/+(?:(?:typo3|xampp|admin|db|sql|web|tools)/+)?(?:pma|(?:php)?-?my-?admin|mysql-?admin|sqladmin|dbadmin|"
                    "roundcube|horde|squirrelmail|(?:ext|v-?|web)+mail|wp-(?:login|signup)|cgi-bin)", PCRE2_CASELESS, &m->bait, err);
    if (r != 0) {
        mmr_auth_matcher_free(m);
        return r;
    }
    (void)pcre2_set_match_limit(m->ctx, STEPS_MAX); /* a hostile line costs a bounded time and is no match */
    (void)pcre2_set_depth_limit(m->ctx, DEPTH_MAX);
    *ret = m;
    return 0;
}

void mmr_auth_matcher_free(struct mmr_auth_matcher *m)
{
    if (!m)
        return;
    for (size_t i = 0; m->c && i < m->n; i++) {
        pcre2_code_free(m->c[i].greedy);
        pcre2_code_free(m->c[i].lazy);
    }
    for (size_t i = 0; i <= KNOWN; i++)
        free(m->known[i].rows);
    pcre2_code_free(m->bait);
    pcre2_match_data_free(m->md);
    pcre2_match_context_free(m->ctx);
    free(m->c);
    free(m);
}

/* Is app one of the space separated names? "-" stands for a line without a head. */
static bool is_app(const char *apps, struct mmr_slice app)
{
    for (const char *p = apps; *p;) {
        size_t n = strcspn(p, " ");
        if (n == 1 && *p == '-') {
            if (!app.n)
                return true;
        } else if (p[n - 1] == '*') {
            if (n == 1 || (app.n >= n - 1 && memcmp(app.p, p, n - 1) == 0))
                return true;
        } else if (app.n == n && memcmp(app.p, p, n) == 0) {
            return true;
        }
        p += n;
        p += *p == ' ';
    }
    return false;
}

/* NULL: out of memory */
static const struct known *rows_for(struct mmr_auth_matcher *m, struct mmr_slice app)
{
    uint32_t h = 0;
    for (uint32_t i = 0; i < app.n && i < APP_MAX; i++)
        h = h * 31 + (uint8_t)app.p[i];
    const bool is_long = app.n > APP_MAX;
    struct known *k = &m->known[is_long ? KNOWN : h % KNOWN];
    if (k->is_used && !is_long && k->app_len == app.n && (!app.n || memcmp(k->app, app.p, app.n) == 0))
        return k;
    if (!k->rows && !(k->rows = calloc(m->n, sizeof *k->rows)))
        return NULL;
    k->is_used = true;
    k->app_len = (uint8_t)(is_long ? 0 : app.n);
    if (k->app_len)
        memcpy(k->app, app.p, k->app_len);
    k->n = 0;
    for (size_t i = 0; i < m->n; i++)
        if (is_app(m->rows[i].apps, app))
            k->rows[k->n++] = (uint16_t)i;
    return k;
}

/* "[2001:db8::1]:443", "192.0.2.1:80", "::ffff:192.0.2.1" to a plain address; names stay as they are. */
static void plain_host(const char *p, size_t n, char out[256])
{
    char text[256];
    struct in6_addr a6;
    struct in_addr a4;
    if (n >= sizeof text)
        n = sizeof text - 1;
    if (n) /* a group of the pattern that took no part is at no place */
        memcpy(text, p, n);
    text[n] = '\0';
    if (text[0] == '[') {
        size_t close = strcspn(text, "]");
        memmove(text, text + 1, close - 1);
        text[close - 1] = '\0';
    } else if (inet_pton(AF_INET6, text, &a6) != 1) {
        char *colon = strchr(text, ':'), *last = strrchr(text, ':'), *dot = strrchr(text, '.');
        if (colon != last && dot && last > dot && strspn(last + 1, "0123456789") == strlen(last + 1)) {
            *last = '\0'; /* "::ffff:192.0.2.1:60495" */
            colon = NULL;
        }
        if (colon && strspn(colon + 1, "0123456789") == strlen(colon + 1))
            *colon = '\0';
    }
    if (inet_pton(AF_INET6, text, &a6) == 1) {
        if (IN6_IS_ADDR_V4MAPPED(&a6))
            (void)inet_ntop(AF_INET, a6.s6_addr + 12, text, sizeof text);
        else
            (void)inet_ntop(AF_INET6, &a6, text, sizeof text);
    } else if (text[0] && strspn(text, "0123456789.") == strlen(text)) {
        /* 192.030.0.6: some programs pad the numbers */
        unsigned v[4] = {0}, parts = 0;
        const char *q = text;
        for (; parts < 4 && *q >= '0' && *q <= '9'; parts++) {
            for (; *q >= '0' && *q <= '9' && v[parts] < 1000; q++)
                v[parts] = v[parts] * 10 + (unsigned)(*q - '0');
            q += *q == '.';
        }
        if (parts == 4 && !*q && v[0] < 256 && v[1] < 256 && v[2] < 256 && v[3] < 256) {
            a4.s_addr = htonl(v[0] << 24 | v[1] << 16 | v[2] << 8 | v[3]);
            (void)inet_ntop(AF_INET, &a4, text, sizeof text);
        }
    }
    memcpy(out, text, strlen(text) + 1);
}

static bool run(struct mmr_auth_matcher *m, const pcre2_code *c, struct mmr_slice text)
{
    return pcre2_match(c, (PCRE2_SPTR)text.p, text.n, 0, 0, m->md, m->ctx) > 0;
}

static struct mmr_slice captured(struct mmr_auth_matcher *m, uint32_t number, struct mmr_slice text)
{
    const PCRE2_SIZE *v = pcre2_get_ovector_pointer(m->md);
    uint32_t have = pcre2_get_ovector_count(m->md);
    if (!number || number >= have || v[2 * number] == PCRE2_UNSET)
        return (struct mmr_slice){0};
    return (struct mmr_slice){text.p + v[2 * number], (uint32_t)(v[2 * number + 1] - v[2 * number]), 0};
}

bool mmr_auth_match(struct mmr_auth_matcher *m, struct mmr_slice app, struct mmr_slice text, struct mmr_auth_hit *ret)
{
    if (!text.p || !text.n || text.n > LINE_MAX_BYTES)
        return false;
    const struct known *k = rows_for(m, app);
    for (size_t at = 0; k && at < k->n; at++) {
        const size_t i = k->rows[at];
        const struct mmr_auth_pattern *row = &m->rows[i];
        if ((row->need[0] && !memmem(text.p, text.n, row->need, strlen(row->need))) ||
            m->c[i].is_bad || mmr_auth_matcher_row(m, i, NULL) != 0 || !run(m, m->c[i].greedy, text))
            continue;
        struct mmr_slice host = captured(m, m->c[i].host, text);
        *ret = (struct mmr_auth_hit){.pattern = row, .user = captured(m, m->c[i].user, text)};
        if (host.n)
            plain_host(host.p, host.n, ret->host);
        if (host.n && run(m, m->c[i].lazy, text)) {
            struct mmr_slice first = captured(m, m->c[i].host, text);
            if (first.p != host.p) { /* two places of the line can be the address */
                plain_host(first.p, first.n, ret->other);
                ret->is_ambiguous = strcmp(ret->host, ret->other) != 0;
            }
        }
        return true;
    }
    return false;
}

bool mmr_auth_is_bait(struct mmr_auth_matcher *m, struct mmr_slice path)
{
    return path.n && path.n <= LINE_MAX_BYTES && run(m, m->bait, path);
}
