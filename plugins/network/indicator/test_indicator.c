/* test_indicator.c - lists of every form, what is refused, what is met, expiry, replacement in one step, memory an entry. */
#include "list.h"

#include <mamori/event.h>
#include <testhost.h>

#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_indicator;

static struct ind_set *read_text(const char *text, enum ind_kind kind, uint32_t now_s, struct ind_list_stats *st)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct ind_list_options o = {.kind = kind, .now_s = now_s};
    struct ind_set *s = ind_set_new();
    assert_non_null(s);
    assert_int_equal(ind_list_read(text, strlen(text), &o, s, st, &err), 0);
    assert_int_equal(ind_set_build(s, &err), 0);
    return s;
}

static bool has_addr(const struct ind_set *s, const char *text)
{
    struct mmr_addr a = {{0}};
    struct ind_hit hit;
    if (inet_pton(AF_INET, text, a.b + 12) == 1)
        a.b[10] = a.b[11] = 0xff;
    else
        assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
    return ind_set_addr(s, &a, 1000, &hit);
}

static bool has_name(const struct ind_set *s, const char *name)
{
    struct ind_hit hit;
    return ind_set_domain(s, name, strlen(name), 1000, &hit);
}

static bool has_text(const struct ind_set *s, enum ind_kind k, const char *text)
{
    struct ind_hit hit;
    return ind_set_text(s, k, text, strlen(text), 1000, &hit);
}

#define SHA "0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
#define MD5 "0123456789abcdef0123456789abcdef"

static void plain_lists_are_read_by_the_looks_of_each_line(void **state)
{
    (void)state;
    struct ind_list_stats st;
    struct ind_set *s = read_text("# remark\r\n198.51.100.7\r\n203.0.113.0/24 # a network\n2001:db8:1::/48,bad,more\n\n"
                                  "Evil.Example.COM\n*.wild.example.net\n0.0.0.0 hosts.example.org\n127.0.0.1 localhost\n"
                                  "https://user@Site.example:443/A?b=1#frag\n" SHA "\nt13d1516h2_8daaf6152771_b186095e22b6\n" MD5
                                  "\n\"quoted.example.com\"\nno end of line.example",
                                  0, 0, &st);
    assert_true(has_addr(s, "198.51.100.7"));
    assert_false(has_addr(s, "198.51.100.8"));
    assert_true(has_addr(s, "203.0.113.200"));
    assert_false(has_addr(s, "203.0.114.1"));
    assert_true(has_addr(s, "2001:db8:1:2::3"));
    assert_true(has_name(s, "evil.example.com"));
    assert_true(has_name(s, "a.b.EVIL.example.com."));
    assert_false(has_name(s, "notevil.example.com"));
    assert_false(has_name(s, "example.com"));
    assert_true(has_name(s, "x.wild.example.net"));
    assert_true(has_name(s, "hosts.example.org"));
    assert_false(has_name(s, "localhost"));
    assert_true(has_name(s, "quoted.example.com"));
    assert_true(has_text(s, IND_URL, "site.example/A?b=1"));
    assert_true(has_text(s, IND_SHA256, SHA));
    assert_true(has_text(s, IND_JA4, "t13d1516h2_8daaf6152771_b186095e22b6"));
    assert_false(has_text(s, IND_JA3, MD5));
    assert_int_equal(st.unreadable, 2); /* the MD5 that nobody called a JA3, and "no" */
    assert_int_equal(st.first_bad, 13);
    ind_set_free(s);
    s = read_text(MD5 "\n" SHA "\n", IND_JA3, 0, &st);
    assert_true(has_text(s, IND_JA3, MD5));
    assert_int_equal(st.unreadable, 1);
    ind_set_free(s);
}

static void what_would_meet_the_office_itself_is_refused(void **state)
{
    (void)state;
    static const char *const bad[] = {"0.0.0.0/0", "10.1.2.3", "192.168.0.0/16", "127.0.0.1", "224.0.0.1", "169.254.1.1", "100.64.0.1",
                                      "4.0.0.0/6", "::/0", "fe80::1", "fc00::/7", "2000::/3", "com"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct ind_list_stats st;
        struct ind_set *s = read_text(bad[i], strchr(bad[i], 'o') ? IND_DOMAIN : 0, 0, &st);
        if (st.too_wide != 1 || ind_set_count(s) != 0)
            fail_msg("%s: too_wide %llu, entries %zu", bad[i], (unsigned long long)st.too_wide, ind_set_count(s));
        ind_set_free(s);
    }
}

static void misp_and_stix_are_read_with_their_labels_and_ends(void **state)
{
    (void)state;
    struct ind_list_stats st;
    struct ind_hit hit;
    struct ind_set *s = read_text(
        "{\"response\":[{\"Event\":{\"info\":\"Operation \\u0041pple\",\"Attribute\":["
        "{\"type\":\"ip-dst|port\",\"value\":\"198.51.100.9|443\",\"to_ids\":true},"
        "{\"type\":\"domain\",\"value\":\"c2.example.com\",\"to_ids\":true},"
        "{\"type\":\"domain\",\"value\":\"context.example.com\",\"to_ids\":false},"
        "{\"type\":\"domain\",\"value\":\"gone.example.com\",\"deleted\":true},"
        "{\"type\":\"filename|sha256\",\"value\":\"a.exe|" SHA "\"},"
        "{\"type\":\"comment\",\"value\":\"nothing to us\"},"
        "{\"type\":\"ip-src\",\"value\":\"not an address\"}],"
        "\"Object\":[{\"name\":\"url\",\"Attribute\":[{\"type\":\"url\",\"value\":\"http://198.51.100.10:8080/x\"}]}]}}]}",
        0, 1000, &st);
    assert_true(has_addr(s, "198.51.100.9"));
    assert_true(ind_set_domain(s, "a.c2.example.com", 16, 1000, &hit));
    assert_string_equal(hit.label, "Operation Apple");
    assert_int_equal(hit.at, 2);
    assert_false(has_name(s, "context.example.com"));
    assert_false(has_name(s, "gone.example.com"));
    assert_true(has_text(s, IND_SHA256, SHA));
    assert_true(has_text(s, IND_URL, "198.51.100.10:8080/x"));
    assert_int_equal(st.entries, 4);
    assert_int_equal(st.expired, 2);
    assert_int_equal(st.unreadable, 1);
    ind_set_free(s);

    s = read_text("{\"type\":\"bundle\",\"objects\":["
                  "{\"type\":\"indicator\",\"name\":\"Bad things\",\"pattern_type\":\"stix\",\"valid_until\":\"2033-05-18T03:33:20Z\","
                  "\"pattern\":\"[ipv4-addr:value = '198.51.100.1' OR domain-name:value='Bad.example.net']\"},"
                  "{\"type\":\"indicator\",\"pattern\":\"[file:hashes.'SHA-256' = '" SHA "'] OR [url:value = 'http://u.example/p']\"},"
                  "{\"type\":\"indicator\",\"revoked\":true,\"pattern\":\"[domain-name:value='revoked.example']\"},"
                  "{\"type\":\"indicator\",\"valid_until\":\"1970-01-01T00:10:00Z\",\"pattern\":\"[domain-name:value='old.example']\"},"
                  "{\"type\":\"indicator\",\"pattern\":\"[domain-name:value='a.example' AND ipv4-addr:value='198.51.100.2']\"},"
                  "{\"type\":\"indicator\",\"pattern\":\"[domain-name:value != 'not.example']\"},"
                  "{\"type\":\"indicator\",\"pattern_type\":\"sigma\",\"pattern\":\"title: x\"},"
                  "{\"type\":\"malware\",\"name\":\"x\"}]}",
                  0, 1000, &st);
    assert_true(has_addr(s, "198.51.100.1"));
    assert_true(ind_set_domain(s, "bad.example.net", 15, 1000, &hit));
    assert_string_equal(hit.label, "Bad things");
    assert_int_equal(hit.expires_s, 2000000000);
    assert_false(ind_set_domain(s, "bad.example.net", 15, 2000000001, &hit));
    assert_true(has_text(s, IND_SHA256, SHA));
    assert_true(has_text(s, IND_URL, "u.example/p"));
    assert_false(has_name(s, "revoked.example"));
    assert_false(has_name(s, "old.example"));
    assert_false(has_name(s, "a.example"));
    assert_int_equal(st.entries, 4);
    assert_int_equal(st.expired, 2);
    assert_int_equal(st.unreadable, 2);
    ind_set_free(s);
}

static void broken_json_names_its_place(void **state)
{
    (void)state;
    static const char *const bad[] = {"{\"a\":[1,2}", "{\"a\":\"b", "{\"a\":{}", "[}", "{\"a\" @}", "{},{}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct ind_list_options o = {0};
        struct ind_list_stats st;
        struct ind_set *s = ind_set_new();
        int rc = ind_list_read(bad[i], strlen(bad[i]), &o, s, &st, &err);
        if (rc != MMR_EBADMSG || !strstr(err.text, "broken JSON at byte"))
            fail_msg("%s: %d %s", bad[i], rc, err.text);
        ind_set_free(s);
    }
}

/* Every way to cut a list into parts reads the same. */
static void parts_of_any_size_read_the_same(void **state)
{
    (void)state;
    static const char json[] = "{\"Event\":{\"info\":\"i\\\"\\u00e9\",\"Attribute\":[{\"type\":\"domain\",\"value\":\"c2.example.com\"}]}}";
    for (size_t part = 1; part < sizeof json; part++) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct ind_list_options o = {0};
        struct ind_list_stats st;
        struct ind_set *s = ind_set_new();
        int p[2];
        char buf[sizeof json];
        memcpy(buf, json, sizeof json);
        assert_int_equal(pipe(p), 0);
        FILE *f = fdopen(p[0], "r");
        assert_non_null(f);
        (void)setvbuf(f, NULL, _IOFBF, part < 16 ? 16 : part);
        assert_int_equal(write(p[1], buf, sizeof json - 1), (ssize_t)sizeof json - 1);
        (void)close(p[1]);
        assert_int_equal(ind_list_file(f, "pipe", &o, s, &st, &err), 0);
        (void)fclose(f);
        assert_int_equal(ind_set_build(s, &err), 0);
        assert_true(has_name(s, "c2.example.com"));
        ind_set_free(s);
    }
}

static void an_entry_costs_at_most_24_bytes(void **state)
{
    (void)state;
    enum { N = 300000 };
    struct mmr_error err = {.struct_size = sizeof err};
    struct ind_set *s = ind_set_new();
    for (unsigned i = 0; i < N; i++) {
        char name[40];
        int n = snprintf(name, sizeof name, "host%u.example.com", i);
        assert_int_equal(ind_set_add(s, IND_DOMAIN, name, (size_t)n, 0, "one label for all"), 0);
        assert_int_equal(ind_set_add(s, IND_DOMAIN, name, (size_t)n, 5000, NULL), 0); /* given twice: one entry, the longer life */
    }
    assert_int_equal(ind_set_build(s, &err), 0);
    assert_int_equal(ind_set_count(s), N);
    ind_set_free(s);
    s = ind_set_new();
    for (unsigned i = 0; i < N; i++) {
        struct mmr_addr a = {{[10] = 0xff, 0xff, 100, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        assert_int_equal(ind_set_add_addr(s, &a, 128, 0, NULL), 0);
    }
    assert_int_equal(ind_set_build(s, &err), 0);
    assert_true(ind_set_bytes(s) <= (size_t)N * 24);
    for (unsigned i = 0; i < 2 * N; i += 7) {
        struct mmr_addr a = {{[10] = 0xff, 0xff, 100, (uint8_t)(i >> 16), (uint8_t)(i >> 8), (uint8_t)i}};
        struct ind_hit hit;
        assert_int_equal(ind_set_addr(s, &a, 1, &hit), i < N);
    }
    ind_set_free(s);
}

/* ---- the plugin ---- */

static void tell(struct mmr_testhost *th, int i, const char *kind, const char *src, const char *dst, const char *key, const char *value)
{
    uint8_t buf[2048];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_event_begin(&ev, buf, sizeof buf, kind, MMR_CLASS_NETWORK, 1, mmr_testhost_time(th), 1);
    mmr_event_str(&ev, "src_endpoint.ip", src);
    mmr_event_str(&ev, "dst_endpoint.ip", dst);
    mmr_event_int(&ev, "dst_endpoint.port", 80);
    mmr_event_str(&ev, key, value);
    if (strcmp(kind, "http.request") == 0)
        mmr_event_str(&ev, "http_request.url.path", "/x");
    const char *const answers[] = {"cname.example.net", "198.51.100.77"};
    if (strcmp(kind, "dns.answer") == 0)
        mmr_event_strv(&ev, "answers", answers, 2);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(th, i, ev.buf, ev.len, &err), 0);
}

static void write_list(const char *path, const char *text)
{
    char tmp[600];
    (void)snprintf(tmp, sizeof tmp, "%s.new", path);
    FILE *f = fopen(tmp, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(rename(tmp, path), 0); /* as an updater should */
}

static void findings_say_what_was_met_and_from_which_list(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    char path[512], conf[700];
    (void)snprintf(path, sizeof path, "%s/list", mmr_testhost_make_state_dir(th));
    write_list(path, "198.51.100.7\nc2.example.com\nhttp://web.example/x\nweb.example.org\n" SHA "\nok.example.com\n");
    (void)snprintf(conf, sizeof conf, "%s;name=tests", path);
    const char *const cfg[] = {"lists", conf, "exclude", "ok.example.com", NULL};
    int i = mmr_testhost_add(th, &mmr_plugin_indicator, cfg, &err);
    if (i < 0)
        fail_msg("%s", err.text);
    tell(th, i, "flow.start", "192.168.1.5", "198.51.100.7", "mamori.direction", "outbound");
    tell(th, i, "flow.start", "192.168.1.5", "198.51.100.7", "mamori.direction", "outbound"); /* told once */
    tell(th, i, "flow.start", "198.51.100.7", "192.168.1.5", "mamori.direction", "inbound");
    tell(th, i, "flow.start", "192.168.1.5", "198.51.100.8", "mamori.direction", "outbound");
    tell(th, i, "dns.query", "192.168.1.5", "192.168.1.1", "query.hostname", "a.c2.example.com");
    tell(th, i, "dns.answer", "192.168.1.5", "192.168.1.1", "query.hostname", "a.c2.example.com");
    tell(th, i, "dns.query", "192.168.1.5", "192.168.1.1", "query.hostname", "www.ok.example.com");
    tell(th, i, "http.request", "192.168.1.5", "203.0.113.5", "http_request.url.hostname", "web.example");
    tell(th, i, "tls.hello", "192.168.1.5", "203.0.113.6", "tls.sni", "web.example.org");
    tell(th, i, "process.start", NULL, NULL, "process.file.hashes.sha256", SHA);
    static const struct {
        const char *rule, *phase, *potential, *dst;
    } rows[] = {{"mamori.indicator.address", "foothold.c2", "low", "198.51.100.7"},
                {"mamori.indicator.visitor", "attempt.inbound", "info", "192.168.1.5"},
                {"mamori.indicator.domain", "foothold.c2", "high", ""},
                {"mamori.indicator.domain", "foothold.c2", "high", "198.51.100.77"},
                {"mamori.indicator.url", "foothold.c2", "high", "203.0.113.5"},
                {"mamori.indicator.domain", "foothold.c2", "high", "203.0.113.6"},
                {"mamori.indicator.file", "foothold.process", "high", ""}};
    assert_int_equal(mmr_testhost_count(th, "finding"), 7);
    for (int k = 0; k < 7; k++) {
        int n = mmr_testhost_find(th, "finding", k);
        assert_string_equal(mmr_testhost_text(th, n, "mamori.rule"), rows[k].rule);
        assert_string_equal(mmr_testhost_text(th, n, "mamori.phase"), rows[k].phase);
        assert_string_equal(mmr_testhost_text(th, n, "mamori.potential"), rows[k].potential);
        assert_string_equal(mmr_testhost_text(th, n, "dst_endpoint.ip"), rows[k].dst);
        assert_string_equal(mmr_testhost_text(th, n, "unmapped.indicator_list"), "tests");
        assert_non_null(strstr(mmr_testhost_text(th, n, "message"), "\"tests\""));
    }
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    mmr_testhost_free(th);
}

static void a_changed_file_takes_the_place_of_the_old_in_one_step(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    char path[512];
    (void)snprintf(path, sizeof path, "%s/list", mmr_testhost_make_state_dir(th));
    write_list(path, "old.example.com\n");
    const char *const cfg[] = {"lists", path, NULL};
    int i = mmr_testhost_add(th, &mmr_plugin_indicator, cfg, &err);
    assert_true(i >= 0);
    write_list(path, "new.example.com\nother.example.com\n");
    mmr_testhost_advance(th, 61 * MMR_TH_S); /* the check; the worker wakes the loop */
    for (int k = 0; k < 600; k++) {
        (void)mmr_testhost_poll(th, 100);
        tell(th, i, "dns.query", "192.168.1.5", "192.168.1.1", "query.hostname", "new.example.com");
        if (mmr_testhost_count(th, "finding"))
            break;
    }
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    tell(th, i, "dns.query", "192.168.1.5", "192.168.1.1", "query.hostname", "old.example.com");
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    write_list(path, "{\"broken\":"); /* what cannot be read leaves the lists in force, and is said */
    unsigned logged = mmr_testhost_logged(th, MMR_LOG_ERR, NULL);
    mmr_testhost_advance(th, 61 * MMR_TH_S);
    for (int k = 0; k < 600 && mmr_testhost_logged(th, MMR_LOG_ERR, NULL) == logged; k++)
        (void)mmr_testhost_poll(th, 100);
    assert_int_equal(mmr_testhost_logged(th, MMR_LOG_ERR, NULL), logged + 1);
    tell(th, i, "dns.query", "192.168.1.6", "192.168.1.1", "query.hostname", "other.example.com");
    assert_int_equal(mmr_testhost_count(th, "finding"), 2);
    const char *const bad[] = {"lists", "relative/path", NULL};
    assert_int_equal(mmr_testhost_reload(th, i, bad, true, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "relative/path"));
    mmr_testhost_free(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lists_are_read_by_the_looks_of_each_line),
        cmocka_unit_test(what_would_meet_the_office_itself_is_refused),
        cmocka_unit_test(misp_and_stix_are_read_with_their_labels_and_ends),
        cmocka_unit_test(broken_json_names_its_place),
        cmocka_unit_test(parts_of_any_size_read_the_same),
        cmocka_unit_test(an_entry_costs_at_most_24_bytes),
        cmocka_unit_test(findings_say_what_was_met_and_from_which_list),
        cmocka_unit_test(a_changed_file_takes_the_place_of_the_old_in_one_step),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
