/* test_lines.c - lines with known verdicts: which fail, and who is blamed. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <dirent.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "jsonscan.h"
#include "match.h"
#include "syslog.h"
#include "sysmap.h"

static struct mmr_auth_matcher *matcher;

static int setup(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    if (mmr_auth_matcher_new(&matcher, &err) != 0) {
        fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mmr_auth_matcher_free(matcher);
    return 0;
}

static bool match(const char *line, struct mmr_auth_hit *hit)
{
    struct mmr_syslog s;
    mmr_syslog_read(line, strlen(line), &s);
    return mmr_auth_match(matcher, s.app, s.msg, hit);
}

static void the_client_is_blamed_and_nobody_else(void **state)
{
    (void)state;
    static const struct {
        const char *line, *host, *user; /* host NULL: no failure; "": two readings */
    } rows[] = {
        {"Jan  2 03:04:05 srv sshd[7]: Failed password for alice from 192.0.2.7 port 4711 ssh2", "192.0.2.7", "alice"},
        {"Jan  2 03:04:05 srv sshd[7]: Failed password for invalid user a from 198.51.100.1 port 22 ssh2 from 192.0.2.7 port 4711 ssh2",
         "192.0.2.7", "a from 198.51.100.1 port 22 ssh2"},
        {"Jan  2 03:04:05 srv sshd[7]: Failed password for invalid user a from 198.51.100.1 port 22 ssh2: b from 192.0.2.7 port 4711 ssh2",
         "", NULL},
        {"Jan  2 03:04:05 srv sshd[7]: Invalid user x from 198.51.100.1 port 9 from 192.0.2.7 port 4711", "192.0.2.7",
         "x from 198.51.100.1 port 9"},
        {"Jan  2 03:04:05 srv sshd[7]: Invalid user  from ::ffff:192.0.2.7 port 4711", "192.0.2.7", ""},
        {"Jan  2 03:04:05 srv sshd[7]: Accepted password for alice from 192.0.2.7 port 4711 ssh2", NULL, NULL},
        {"Jan  2 03:04:05 srv sshd[7]: Failed publickey for alice from 192.0.2.7 port 4711 ssh2: RSA SHA256:abc", NULL, NULL},
        {"Jan  2 03:04:05 srv cron[7]: Failed password for alice from 192.0.2.7 port 4711 ssh2", NULL, NULL},
        {"Jan  2 03:04:05 srv vsftpd[7]: [bob] FAIL LOGIN: Client \"2001:db8::7\"", "2001:db8::7", "bob"},
        {"[Wed Jan 02 03:04:05.123 2013] [auth_basic:error] [pid 1:tid 2] [client [2001:db8::1]:50] AH01617: user eve: authentication failure for \"/x\": Password Mismatch",
         "2001:db8::1", "eve"},
        {"[Wed Jan 02 03:04:05 2013] [error] [client 192.0.2.7] File does not exist: /srv/[client 198.51.100.1] user root not found", NULL, NULL},
        {"Jan  2 03:04:05 mx postfix/smtpd[9]: warning: unknown[192.0.2.7]: SASL LOGIN authentication failed: authentication failure, sasl_username=a",
         "192.0.2.7", "a"},
        {"2017-11-28 14:14:32 SMTP protocol error in \"AUTH\" H=(x) [198.51.100.1]\" H=(y) [192.0.2.6] AUTH command used when not advertised",
         "192.0.2.6", NULL},
        {"Jan  2 03:04:05 h roundcube: IMAP Error: Login failed for a from 198.51.100.1 from 192.0.2.7. AUTHENTICATE PLAIN: user=a from 198.51.100.1 in /x",
         "192.0.2.7", NULL},
        {"Jan  2 03:04:05 h phpMyAdmin[1]: user denied: root (mysql-denied) from 192.0.2.7", "192.0.2.7", "root"},
        {"Jan  2 03:04:05 h dovecot: imap-login: Disconnected (auth failed, 3 attempts in 9 secs): user=<bob>, method=PLAIN, rip=192.0.2.7, lip=192.0.2.1, TLS",
         "192.0.2.7", "bob"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_auth_hit hit;
        bool got = match(rows[i].line, &hit);
        if (got != (rows[i].host != NULL))
            fail_msg("%s: %s", rows[i].line, got ? "taken for a failure" : "missed");
        if (!got)
            continue;
        if (hit.is_ambiguous != (rows[i].host[0] == '\0'))
            fail_msg("%s: %s (%s, %s)", rows[i].line, hit.is_ambiguous ? "called ambiguous" : "not called ambiguous", hit.host, hit.other);
        if (!hit.is_ambiguous && strcmp(hit.host, rows[i].host) != 0)
            fail_msg("%s: blamed '%s'", rows[i].line, hit.host);
        if (rows[i].user && (hit.user.n != strlen(rows[i].user) || memcmp(hit.user.p, rows[i].user, hit.user.n) != 0))
            fail_msg("%s: user '%.*s'", rows[i].line, (int)hit.user.n, hit.user.p);
    }
}

static void canonical(const char *in, char out[256])
{
    struct in6_addr a;
    unsigned v[4];
    snprintf(out, 256, "%s", in);
    if (inet_pton(AF_INET6, in, &a) == 1)
        inet_ntop(AF_INET6, &a, out, 256);
    else if (sscanf(in, "%u.%u.%u.%u", &v[0], &v[1], &v[2], &v[3]) == 4)
        snprintf(out, 256, "%u.%u.%u.%u", v[0], v[1], v[2], v[3]);
}

struct score {
    int tp, fp, fn, tn, ambiguous, silent;
};

static char *slurp(const char *path, size_t *ret_len)
{
    FILE *f = fopen(path, "rb");
    char *p = malloc(4 << 20);
    *ret_len = f && p ? fread(p, 1, 4 << 20, f) : 0;
    if (f)
        fclose(f);
    return p;
}

static bool said_twice(const char *all, size_t len, const char *line, size_t n, bool verdict)
{
    struct mmr_js_doc *d = malloc(sizeof *d);
    bool found = false;
    for (const char *p = all; p < all + len && !found;) {
        const char *nl = memchr(p, '\n', (size_t)(all + len - p));
        size_t l = (size_t)((nl ? nl : all + len) - p);
        char *copy = strndup(p, l);
        if (mmr_js_parse(copy, l, d, NULL) == 0) {
            size_t tn, mn;
            const char *t = mmr_js_text(d, mmr_js_get(d, 0, "line"), &tn);
            const char *m = mmr_js_text(d, mmr_js_get(d, mmr_js_get(d, 0, "expected"), "match"), &mn);
            found = tn == n && memcmp(t, line, n) == 0 && (m[0] == 't') != verdict;
        }
        free(copy);
        p += l + 1;
    }
    free(d);
    return found;
}

static void score_file(const char *path, struct score *s, bool is_verbose)
{
    size_t len;
    char *all = slurp(path, &len);
    struct mmr_js_doc *d = malloc(sizeof *d);
    for (char *p = all; p < all + len;) {
        char *nl = memchr(p, '\n', (size_t)(all + len - p));
        size_t l = (size_t)((nl ? nl : all + len) - p);
        char *copy = strndup(p, l), want[256] = "", got_host[256] = "", other[256] = "";
        p += l + 1;
        if (mmr_js_parse(copy, l, d, NULL) != 0) {
            free(copy);
            continue;
        }
        size_t n, mn, hn;
        int32_t e = mmr_js_get(d, 0, "expected");
        const char *line = mmr_js_text(d, mmr_js_get(d, 0, "line"), &n);
        bool expected = mmr_js_text(d, mmr_js_get(d, e, "match"), &mn)[0] == 't';
        const char *h = mmr_js_text(d, mmr_js_get(d, e, "host"), &hn);
        char host[256], text[4096];
        snprintf(host, sizeof host, "%.*s", (int)hn, h);
        snprintf(text, sizeof text, "%.*s", (int)n, line);
        canonical(host, want);
        struct mmr_auth_hit hit;
        bool got = match(text, &hit);
        if (!got) { /* an access log line */
            struct mmr_syslog sy;
            struct mmr_outev o;
            static uint8_t buf[MMR_EVENT_BYTES_MAX];
            struct mmr_origin from = {NULL, 0, 0};
            mmr_syslog_read(text, strlen(text), &sy);
            mmr_sys_event(&sy, text, strlen(text), &from, &o, buf, sizeof buf);
            struct mmr_event_view *v = malloc(sizeof *v);
            size_t pn = 0;
            assert_int_equal(mmr_event_end(&o.ev), 0);
            assert_int_equal(mmr_event_read(buf, o.ev.len, v, NULL), 0);
            const char *path_text = mmr_event_get_str(v, "http_request.url.path", &pn);
            if (path_text && mmr_event_get_int(v, "http_response.code", 0) == 404 &&
                mmr_auth_is_bait(matcher, (struct mmr_slice){path_text, (uint32_t)pn, 0})) {
                got = true;
                hit = (struct mmr_auth_hit){0};
                mmr_event_copy_str(v, "src_endpoint.ip", hit.host, sizeof hit.host);
            }
            free(v);
        }
        if (got) {
            canonical(hit.host, got_host);
            if (hit.is_ambiguous)
                canonical(hit.other, other);
        }
        bool is_right = got && (strcmp(want, got_host) == 0 || (other[0] && strcmp(want, other) == 0));
        if (said_twice(all, len, text, strlen(text), expected)) {
            s->ambiguous++;
        } else if (!expected) {
            s->fp += got;
            s->tn += !got;
            if (got && is_verbose)
                printf("  false: %s\n", text);
        } else {
            s->tp += is_right;
            s->fn += !is_right;
            s->fp += got && !is_right;
            if (!is_right) {
                /* the address is on another line of the session: one line alone cannot tell it */
                s->silent += !strstr(text, host);
                if (is_verbose)
                    printf("  missed%s: %s [%s] wanted %s\n", strstr(text, host) ? "" : " (no address)", text, got_host, want);
            }
        }
        free(copy);
    }
    free(d);
    free(all);
}

static void real_lines_are_told_apart(void **state)
{
    const char *dir = MMR_SHARED_DIR "/data/endpoint/linux/fail2ban";
    struct dirent **list;
    int n = scandir(dir, &list, NULL, alphasort), files = 0;
    bool is_verbose = getenv("MMR_TEST_VERBOSE") != NULL, is_bad = false;
    (void)state;
    for (int i = 0; i < n; i++) {
        char path[1024];
        struct score s = {0};
        snprintf(path, sizeof path, "%s/%s", dir, list[i]->d_name);
        if (strstr(list[i]->d_name, ".jsonl")) {
            files++;
            score_file(path, &s, is_verbose);
            double precision = s.tp + s.fp ? (double)s.tp / (s.tp + s.fp) : 0;
            double recall = s.tp + s.fn - s.silent ? (double)s.tp / (s.tp + s.fn - s.silent) : 0;
            printf("%-24s tp %3d fp %2d fn %2d (of them without an address %2d) tn %2d: precision %.3f recall %.3f\n",
                   list[i]->d_name, s.tp, s.fp, s.fn, s.silent, s.tn, precision, recall);
            is_bad |= precision < 0.95 || recall < 0.95;
        }
        free(list[i]);
    }
    if (n >= 0)
        free(list);
    if (!files)
        skip();
    assert_false(is_bad);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_client_is_blamed_and_nobody_else),
        cmocka_unit_test(real_lines_are_told_apart),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
