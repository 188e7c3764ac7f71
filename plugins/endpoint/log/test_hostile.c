/*
 * test_hostile.c - logs in which the other side had its hand: forged fields, newlines and escapes inside values, names of
 * other machines, bytes of another character set. What matters is who the event says it is about, and what stays in which field.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <mamori/event.h>

#include "decode.h"

struct got {
    int n;
    struct mmr_event_view v;
    uint8_t bytes[MMR_EVENT_BYTES_MAX];
};

static void keep(void *ctx, const void *p, size_t n, int64_t t)
{
    struct got *g = ctx;
    (void)t;
    g->n++;
    memcpy(g->bytes, p, n);
    assert_int_equal(mmr_event_read(g->bytes, n, &g->v, NULL), 0);
}

static struct got *decode(const char *text, size_t n, const char *own_host)
{
    static struct got g;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_logdec *d;
    char *line = malloc(n + 1);
    g.n = 0;
    assert_non_null(line);
    memcpy(line, text, n);
    line[n] = '\0';
    assert_int_equal(mmr_logdec_new(MMR_LOG_AUTO, NULL, INT64_C(1704164700000000000), &d, &err), 0);
    mmr_logdec_host(d, own_host);
    mmr_logdec_line(d, line, n, 1, keep, &g);
    mmr_logdec_flush(d, keep, &g);
    mmr_logdec_free(d);
    free(line);
    return &g;
}

static const char *field(struct got *g, const char *key)
{
    static char text[4][4096];
    static unsigned turn;
    char *out = text[turn++ % 4];
    return mmr_event_copy_str(&g->v, key, out, sizeof text[0]) ? out : "";
}

static void a_value_stays_in_its_field(void **state)
{
    static const struct {
        const char *why, *line, *host, *user, *ip;
    } rows[] = {
        {"a quote in a name, escaped", "{\"Channel\":\"Security\",\"EventID\":4625,\"Hostname\":\"PC1\",\"EventTime\":\"2024-01-02 03:04:05\",\"TargetUserName\":\"x\\\",\\\"Hostname\\\":\\\"DC1\","
         "\"IpAddress\":\"192.0.2.7\"}", "PC1", "x\",\"Hostname\":\"DC1", "192.0.2.7"},
        {"the same field twice: the first is it", "{\"Channel\":\"Security\",\"EventID\":4625,\"Hostname\":\"PC1\",\"EventTime\":\"2024-01-02 03:04:05\",\"TargetUserName\":\"eve\",\"TargetUserName\":\"bob\","
         "\"IpAddress\":\"192.0.2.7\",\"IpAddress\":\"198.51.100.1\",\"Hostname\":\"DC1\"}", "PC1", "eve", "192.0.2.7"},
        {"a field that is ours", "{\"Channel\":\"Security\",\"EventID\":4625,\"Hostname\":\"PC1\",\"EventTime\":\"2024-01-02 03:04:05\",\"TargetUserName\":\"eve\",\"IpAddress\":\"192.0.2.7\","
         "\"device.hostname\":\"DC1\",\"mamori.kind\":\"finding\",\"src_endpoint.ip\":\"198.51.100.1\"}", "PC1", "eve", "192.0.2.7"},
        {"a newline in a name", "{\"Channel\":\"Security\",\"EventID\":4625,\"Hostname\":\"PC1\",\"EventTime\":\"2024-01-02 03:04:05\",\"TargetUserName\":\"x\\nHostname: DC1\",\"IpAddress\":\"192.0.2.7\"}",
         "PC1", "x\nHostname: DC1", "192.0.2.7"},
        {"an address that is none", "{\"Channel\":\"Security\",\"EventID\":4625,\"Hostname\":\"PC1\",\"EventTime\":\"2024-01-02 03:04:05\",\"TargetUserName\":\"eve\",\"IpAddress\":\"198.51.100.1 \"}",
         "PC1", "eve", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct got *g = decode(rows[i].line, strlen(rows[i].line), NULL);
        if (g->n != 1 || strcmp(field(g, "device.hostname"), rows[i].host) != 0 || strcmp(field(g, "user.name"), rows[i].user) != 0 ||
            strcmp(field(g, "src_endpoint.ip"), rows[i].ip) != 0 || strcmp(field(g, "mamori.kind"), "auth.fail") != 0)
            fail_msg("%s: %d events, kind '%s', host '%s', user '%s', address '%s'", rows[i].why, g->n, field(g, "mamori.kind"), field(g, "device.hostname"), field(g, "user.name"),
                     field(g, "src_endpoint.ip"));
    }
}

static void a_line_inside_a_line_is_not_a_line(void **state)
{
    static const char carried[] = "{\"message\":\"<38>Jan  2 03:04:05 srv app: x\\nJan  2 03:04:05 DC1 sshd[1]: Failed password for root from 198.51.100.1 port 2 ssh2\"}";
    static const char plain[] = "Jan  2 03:04:05 srv app: \x1b[2J\x1b[1;1H x\rJan  2 03:04:05 DC1 sshd[1]: y";
    (void)state;
    struct got *g = decode(carried, sizeof carried - 1, NULL);
    assert_int_equal(g->n, 1);
    assert_string_equal(field(g, "device.hostname"), "srv");
    g = decode(plain, sizeof plain - 1, NULL);
    assert_int_equal(g->n, 1);
    assert_string_equal(field(g, "device.hostname"), "srv");
    g = decode("no head at all, from nobody", 27, "srv9");
    assert_string_equal(field(g, "device.hostname"), "srv9");
    g = decode("Jan  2 03:04:05 DC1 sshd[1]: y", 30, "srv9"); /* what a record says of itself is kept, to be judged */
    assert_string_equal(field(g, "device.hostname"), "DC1");
}

static void audit_fields_of_another_record_are_not_taken(void **state)
{
    /* exe, comm and the like are quoted or in hex by the kernel; what stands inside the quotes is text */
    static const char text[] = "type=USER_AUTH msg=audit(1704164645.124:6): pid=1 uid=0 auid=4294967295 ses=1 msg='op=x acct=\"bob addr=198.51.100.1\" exe=\"/usr/sbin/sshd\" "
                               "hostname=? addr=192.0.2.7 terminal=ssh res=failed'";
    (void)state;
    struct got *g = decode(text, sizeof text - 1, "srv");
    assert_int_equal(g->n, 1);
    assert_string_equal(field(g, "src_endpoint.ip"), "192.0.2.7");
}

static void japanese_windows_is_read_in_both_its_character_sets(void **state)
{
    static const char head[] = "{\"Channel\":\"Security\",\"EventID\":4625,\"Hostname\":\"PC1\",\"EventTime\":\"2024-01-02 03:04:05\",\"IpAddress\":\"192.0.2.7\",\"TargetUserName\":\"";
    static const struct {
        const char *why, *name, *user;
    } rows[] = {
        {"UTF-8", "\xe7\xb5\x8c\xe7\x90\x86", "\xe7\xb5\x8c\xe7\x90\x86"},
        {"CP932", "\x8c\x6f\x97\x9d", "\xe7\xb5\x8c\xe7\x90\x86"},
        {"CP932, the second byte a backslash, escaped byte by byte", "\x95\x5c\\\x8e\xa6", "\xe8\xa1\xa8\xe7\xa4\xba"},
        {"CP932, the second byte a backslash, as it is", "\x95\x5c\x8e\xa6", "\xe8\xa1\xa8\xe7\xa4\xba"},
        {"neither", "\xff\xfe x", "\xef\xbf\xbd\xef\xbf\xbd x"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        char line[600];
        int n = snprintf(line, sizeof line, "%s%s\"}", head, rows[i].name);
        struct got *g = decode(line, (size_t)n, NULL);
        if (g->n != 1 || strcmp(field(g, "user.name"), rows[i].user) != 0)
            fail_msg("%s: %d events, user '%s'", rows[i].why, g->n, field(g, "user.name"));
    }
    /* a lone lead byte before an escaped quote must not swallow the escape and let the rest out of its field */
    static const char trick[] = "{\"Channel\":\"Security\",\"EventID\":4625,\"EventTime\":\"2024-01-02 03:04:05\",\"TargetUserName\":\"\x81\\\",\\\"Hostname\\\":\\\"DC1\\\",\\\"x\\\":\\\"\","
                                "\"Hostname\":\"PC1\"}";
    struct got *g = decode(trick, sizeof trick - 1, NULL);
    assert_int_equal(g->n, 1);
    assert_string_equal(field(g, "device.hostname"), "PC1");
}

static void a_whole_event_as_xml_in_a_field_is_read(void **state)
{
    static const char text[] = "{\"date\":1704164645.0,\"System\":\"<Event xmlns='http://schemas.microsoft.com/win/2004/08/events/event'><System><Provider Name='Microsoft-Windows-Security-Auditing'/>"
                               "<EventID>4625</EventID><TimeCreated SystemTime='2024-01-02T03:04:05.1Z'/><Channel>Security</Channel><Computer>PC1</Computer></System><EventData>"
                               "<Data Name='TargetUserName'>eve</Data><Data Name='IpAddress'>192.0.2.7</Data></EventData></Event>\",\"Message\":\"localised text\"}";
    (void)state;
    struct got *g = decode(text, sizeof text - 1, NULL);
    assert_int_equal(g->n, 1);
    assert_string_equal(field(g, "mamori.kind"), "auth.fail");
    assert_string_equal(field(g, "device.hostname"), "PC1");
    assert_string_equal(field(g, "user.name"), "eve");
}

static void ten_megabytes_in_one_line_are_one_bounded_event_or_none(void **state)
{
    size_t n = 10 << 20;
    char *line = malloc(n);
    (void)state;
    assert_non_null(line);
    memset(line, 'A', n);
    memcpy(line, "<38>Jan  2 03:04:05 srv app: ", 29);
    struct got *g = decode(line, n, NULL);
    assert_int_equal(g->n, 1);
    assert_true(strlen(field(g, "message")) <= MMR_EVENT_STR_MAX);
    memset(line, '[', n);
    line[0] = '{';
    g = decode(line, n, NULL);
    assert_int_equal(g->n, 0);
    free(line);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_value_stays_in_its_field),
        cmocka_unit_test(a_line_inside_a_line_is_not_a_line),
        cmocka_unit_test(audit_fields_of_another_record_are_not_taken),
        cmocka_unit_test(japanese_windows_is_read_in_both_its_character_sets),
        cmocka_unit_test(a_whole_event_as_xml_in_a_field_is_read),
        cmocka_unit_test(ten_megabytes_in_one_line_are_one_bounded_event_or_none),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
