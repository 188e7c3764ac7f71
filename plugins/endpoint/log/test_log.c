/* test_log.c - recorded and live logs through the sensor: times, ends of connections, bad input, rotation. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "testhost.h"

extern const struct mmr_plugin mmr_plugin_log;

static char dir[] = "/tmp/mamori-log-XXXXXX";
static char path[256];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    snprintf(path, sizeof path, "%s/in.log", dir);
    return 0;
}

static int teardown(void **state)
{
    char cmd[300];
    (void)state;
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

static void write_file(const char *name, const void *p, size_t n, bool is_append)
{
    int fd = open(name, O_WRONLY | O_CREAT | O_CLOEXEC | (is_append ? O_APPEND : O_TRUNC), 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), n);
    close(fd);
}

static struct mmr_testhost *replay(const char *text, size_t n, const char *format, int64_t *ret)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    write_file(path, text, n, false);
    int i = mmr_testhost_add(th, &mmr_plugin_log, NULL, &err);
    assert_int_equal(i, 0);
    *ret = mmr_testhost_replay(th, i, path, format, &err);
    return th;
}

/* 2024-01-02 08:04:05 UTC; the machine writes 03:04:05 (UTC-5) */
#define UTC_NS INT64_C(1704182645000000000)

static void local_clocks_are_corrected_by_records_that_know_utc(void **state)
{
    (void)state;
    static const char text[] =
        "{\"Channel\":\"Security\",\"SourceName\":\"Microsoft-Windows-Security-Auditing\",\"EventID\":4634,\"Hostname\":\"PC\",\"EventTime\":\"2024-01-02 03:04:05\"}\n"
        "{\"Channel\":\"Security\",\"SourceName\":\"Microsoft-Windows-Security-Auditing\",\"EventID\":4647,\"Hostname\":\"PC\",\"TimeCreated\":\"2024-01-02T03:04:05.000Z\"}\n"
        "{\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"SourceName\":\"Microsoft-Windows-Sysmon\",\"EventID\":5,\"Hostname\":\"PC\","
        "\"EventTime\":\"2024-01-02 03:04:09\",\"TimeCreated\":\"2024-01-02T03:04:09.000Z\",\"UtcTime\":\"2024-01-02 08:04:08.500\"}\n";
    int64_t n;
    struct mmr_testhost *th = replay(text, sizeof text - 1, NULL, &n);
    assert_int_equal(n, 3);
    assert_true(mmr_testhost_int(th, 0, "time", 0) == UTC_NS);
    assert_true(mmr_testhost_int(th, 1, "time", 0) == UTC_NS); /* the wrong Z is not believed */
    assert_true(mmr_testhost_int(th, 2, "time", 0) == UTC_NS + 3500 * MMR_TH_MS);
    mmr_testhost_free(th);
}

static void a_true_z_is_believed(void **state)
{
    (void)state;
    static const char text[] =
        "{\"@timestamp\":\"2024-01-02T08:04:05.000Z\",\"winlog\":{\"channel\":\"Security\",\"provider_name\":\"P\",\"event_id\":4625,\"computer_name\":\"PC\","
        "\"event_data\":{\"IpAddress\":\"::ffff:192.0.2.7\",\"IpPort\":\"50000\",\"TargetUserName\":\"bob\"}}}\n"
        "{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"P\"}},\"EventID\":4625,\"Channel\":\"Security\",\"Computer\":\"PC\","
        "\"TimeCreated\":{\"#attributes\":{\"SystemTime\":\"2024-01-02T08:04:06.000Z\"}}},\"EventData\":{\"IpAddress\":\"192.0.2.8\"}}}\n";
    int64_t n;
    struct mmr_testhost *th = replay(text, sizeof text - 1, NULL, &n);
    assert_int_equal(n, 2);
    assert_string_equal(mmr_testhost_text(th, 0, "mamori.kind"), "auth.fail");
    assert_true(mmr_testhost_int(th, 0, "time", 0) == UTC_NS);
    assert_string_equal(mmr_testhost_text(th, 0, "src_endpoint.ip"), "192.0.2.7");
    assert_int_equal(mmr_testhost_int(th, 0, "src_endpoint.port", 0), 50000);
    assert_string_equal(mmr_testhost_text(th, 0, "user.name"), "bob");
    assert_int_equal(mmr_testhost_int(th, 0, "status_id", 0), 2);
    assert_true(mmr_testhost_int(th, 1, "time", 0) == UTC_NS + MMR_TH_S);
    mmr_testhost_free(th);
}

static void the_source_of_a_connection_is_who_opened_it(void **state)
{
    (void)state;
    static const struct {
        const char *why, *proto, *initiated, *s_ip, *s_port, *s_name, *d_ip, *d_port, *opener, *device;
    } rows[] = {
        {"outgoing", "tcp", "true", "192.0.2.1", "50000", "-", "192.0.2.2", "445", "192.0.2.1", "192.0.2.1"},
        {"incoming, opener as source", "tcp", "false", "192.0.2.2", "50000", "-", "192.0.2.1", "445", "192.0.2.2", "192.0.2.1"},
        {"incoming, both ports high", "tcp", "false", "192.0.2.2", "50000", "-", "192.0.2.1", "49674", "192.0.2.2", "192.0.2.1"},
        {"incoming, local end as source", "tcp", "false", "192.0.2.1", "4444", "-", "192.0.2.2", "38208", "192.0.2.2", "192.0.2.1"},
        {"incoming, local end named", "tcp", "false", "192.0.2.1", "40000", "PC.example.com", "192.0.2.2", "38208", "192.0.2.2", "192.0.2.1"},
        {"datagram to our name server", "udp", "false", "192.0.2.1", "53", "-", "192.0.2.2", "52346", "192.0.2.2", "192.0.2.1"},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        char text[1024];
        int64_t n;
        int len = snprintf(text, sizeof text,
                           "{\"Channel\":\"Microsoft-Windows-Sysmon/Operational\",\"SourceName\":\"Microsoft-Windows-Sysmon\",\"EventID\":3,\"Hostname\":\"PC\","
                           "\"UtcTime\":\"2024-01-02 08:04:05.000\",\"Protocol\":\"%s\",\"Initiated\":\"%s\",\"SourceIp\":\"%s\",\"SourcePort\":\"%s\","
                           "\"SourceHostname\":\"%s\",\"DestinationIp\":\"%s\",\"DestinationPort\":\"%s\",\"DestinationHostname\":\"-\"}\n",
                           rows[k].proto, rows[k].initiated, rows[k].s_ip, rows[k].s_port, rows[k].s_name, rows[k].d_ip, rows[k].d_port);
        struct mmr_testhost *th = replay(text, (size_t)len, NULL, &n);
        assert_int_equal(n, 1);
        if (strcmp(mmr_testhost_text(th, 0, "src_endpoint.ip"), rows[k].opener) != 0 ||
            strcmp(mmr_testhost_text(th, 0, "device.ip"), rows[k].device) != 0)
            fail_msg("%s: src %s, device %s", rows[k].why, mmr_testhost_text(th, 0, "src_endpoint.ip"),
                     mmr_testhost_text(th, 0, "device.ip"));
        mmr_testhost_free(th);
    }
}

static void records_come_in_the_order_of_their_times(void **state)
{
    (void)state;
    static const char text[] = "2024-01-02T03:04:07Z h a: three\n2024-01-02T03:04:05Z h a: one\n2024-01-02T03:04:06Z h a: two\n";
    int64_t n;
    struct mmr_testhost *th = replay(text, sizeof text - 1, NULL, &n);
    assert_int_equal(n, 3);
    assert_int_equal(mmr_testhost_int(th, 0, "mamori.index", 0), 2);
    assert_int_equal(mmr_testhost_int(th, 1, "mamori.index", 0), 3);
    assert_int_equal(mmr_testhost_int(th, 2, "mamori.index", 0), 1);
    mmr_testhost_free(th);
}

static void an_audit_event_is_one_record_with_its_arguments(void **state)
{
    (void)state;
    static const char text[] =
        "type=SYSCALL msg=audit(1700000000.123:5): arch=c000003e syscall=59 success=yes exit=0 a0=1 a1=2 ppid=11 pid=12 auid=4294967295 uid=33 ses=3 comm=\"sh\" exe=\"/usr/bin/dash\" key=(null)\x1d" "UID=\"www-data\"\n"
        "type=USER_AUTH msg=audit(1700000000.124:6): pid=1 uid=0 auid=4294967295 ses=4294967295 msg='op=x acct=\"bob\" exe=\"/usr/sbin/sshd\" hostname=? addr=192.0.2.7 terminal=ssh res=failed'\n"
        "type=EXECVE msg=audit(1700000000.123:5): argc=3 a0=\"sh\" a1=\"-c\" a2=6375726C20783B6964\n"
        "type=EOE msg=audit(1700000000.123:5): \n";
    int64_t n;
    struct mmr_testhost *th = replay(text, sizeof text - 1, NULL, &n);
    assert_int_equal(n, 2);
    assert_string_equal(mmr_testhost_text(th, 0, "mamori.kind"), "process.start");
    assert_string_equal(mmr_testhost_text(th, 0, "process.cmd_line"), "sh -c curl x;id");
    assert_string_equal(mmr_testhost_text(th, 0, "process.file.path"), "/usr/bin/dash");
    assert_string_equal(mmr_testhost_text(th, 0, "user.name"), "www-data");
    assert_string_equal(mmr_testhost_text(th, 0, "unmapped.a2"), "curl x;id");
    assert_string_equal(mmr_testhost_text(th, 0, "unmapped.syscall"), "execve");
    assert_int_equal(mmr_testhost_int(th, 0, "process.pid", 0), 12);
    assert_int_equal(mmr_testhost_int(th, 0, "mamori.index", 0), 1);
    assert_string_equal(mmr_testhost_text(th, 1, "mamori.kind"), "auth.fail");
    assert_string_equal(mmr_testhost_text(th, 1, "unmapped.result"), "fail");
    assert_string_equal(mmr_testhost_text(th, 1, "unmapped.auid"), "unset");
    assert_string_equal(mmr_testhost_text(th, 1, "src_endpoint.ip"), "192.0.2.7");
    mmr_testhost_free(th);
}

static void a_cut_gzip_is_used_as_far_as_it_goes(void **state)
{
    (void)state;
    char text[120000], packed[sizeof text];
    size_t n = 0;
    uint32_t seed = 7; /* numbers that do not compress away, so that half of the file holds many lines */
    while (n < sizeof text - 100) {
        seed = seed * 1664525u + 1013904223u;
        n += (size_t)snprintf(text + n, sizeof text - n, "Jan  2 03:04:05 h a[1]: message %08x\n", seed);
    }
    z_stream z = {.next_in = (Bytef *)text, .avail_in = (uInt)n, .next_out = (Bytef *)packed, .avail_out = sizeof packed};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = z.total_out;
    deflateEnd(&z);

    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    write_file(path, packed, len / 2, false);
    int i = mmr_testhost_add(th, &mmr_plugin_log, NULL, &err);
    (void)mmr_testhost_replay(th, i, path, NULL, &err); /* the end is an error that says what happened */
    assert_non_null(strstr(err.text, "gzip"));
    assert_true(mmr_testhost_count(th, "log.record") > 500);
    mmr_testhost_free(th);
}

static void what_is_no_log_is_refused_and_an_empty_file_is_empty(void **state)
{
    (void)state;
    static const struct {
        const char *why, *text;
        size_t n;
        int64_t want;
    } rows[] = {
        {"binary", "\x00\x01\x02\x03\xff\xfe\x10\x00\x80\x00\x00\x00", 12, MMR_EUNSUPPORTED},
        {"prose", "once upon a time\nthere was a file\n", 34, MMR_EUNSUPPORTED},
        {"other JSON", "{\"a\":1}\n", 8, MMR_EUNSUPPORTED},
        {"nothing", "", 0, 0},
        {"blank lines", "\n\n\n", 3, 0},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        int64_t n;
        struct mmr_testhost *th = replay(rows[k].text, rows[k].n, NULL, &n);
        if (n != rows[k].want)
            fail_msg("%s: %lld", rows[k].why, (long long)n);
        mmr_testhost_free(th);
    }
}

static void hostile_lines_cost_only_themselves(void **state)
{
    (void)state;
    size_t n = 0, cap = 4 << 20;
    char *text = malloc(cap);
    assert_non_null(text);
    n += (size_t)snprintf(text, cap, "Jan  2 03:04:05 h a: first\n");
    memset(text + n, 'x', 2 << 20); /* over the limit of a line */
    n += 2 << 20;
    text[n++] = '\n';
    memcpy(text + n, "Jan  2 03:04:06 h a: \x83\x6f\x83\x62\x83\x4e\0\x1b[31m end\n", 38); /* CP932, NUL, escape */
    n += 38;
    memset(text + n, '{', 5000);
    n += 5000;
    text[n++] = '\n';
    n += (size_t)snprintf(text + n, cap - n, "Jan  2 03:04:07 h a: last");
    int64_t got;
    struct mmr_testhost *th = replay(text, n, NULL, &got);
    assert_int_equal(got, 3);
    assert_int_equal(mmr_testhost_int(th, 2, "mamori.index", 0), 5);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    const char *last;
    assert_int_equal(mmr_testhost_logged(th, MMR_LOG_WARN, &last), 1);
    assert_non_null(strstr(last, "lines_too_long=1 lines_unreadable=1"));
    mmr_testhost_free(th);
    free(text);
}

static void alerts_of_an_ids_are_findings(void **state)
{
    (void)state;
    static const char text[] = "{\"timestamp\":\"2024-01-02T08:04:05.000+0000\",\"event_type\":\"alert\",\"src_ip\":\"192.0.2.1\",\"src_port\":5,\"dest_ip\":\"192.0.2.2\","
                               "\"dest_port\":80,\"proto\":\"TCP\",\"alert\":{\"signature_id\":9,\"signature\":\"Bad thing\",\"severity\":1}}\n";
    int64_t n;
    struct mmr_testhost *th = replay(text, sizeof text - 1, NULL, &n);
    assert_int_equal(n, 1);
    assert_string_equal(mmr_testhost_text(th, 0, "mamori.rule"), "sid:9");
    assert_string_equal(mmr_testhost_text(th, 0, "connection_info.protocol_name"), "tcp");
    assert_true(mmr_testhost_int(th, 0, "time", 0) == UTC_NS);
    mmr_testhost_free(th);
}

/* ---- live ---- */

static struct mmr_testhost *follow(const char *file, const char *state_of, char *ret_offsets, size_t cap)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    const char *const cfg[] = {"files", file, NULL};
    const char *made = mmr_testhost_make_state_dir(th);
    if (ret_offsets)
        snprintf(ret_offsets, cap, "%s/offsets", made);
    if (state_of) { /* go on where another one stopped */
        char cmd[600];
        snprintf(cmd, sizeof cmd, "cp '%s' '%s/offsets'", state_of, made);
        assert_int_equal(system(cmd), 0);
    }
    mmr_testhost_use_real_clock(th);
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_log, cfg, &err), 0);
    if (mmr_testhost_start(th, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static void wait_for(struct mmr_testhost *th, int n)
{
    for (int k = 0; k < 100 && mmr_testhost_count(th, "log.record") < n; k++)
        mmr_testhost_poll(th, 50);
    assert_int_equal(mmr_testhost_count(th, "log.record"), n);
}

static void a_growing_file_is_followed_through_both_kinds_of_rotation(void **state)
{
    (void)state;
    char old[300];
    write_file(path, "Jan  2 03:04:05 h a: before\n", 28, false);
    struct mmr_testhost *th = follow(path, NULL, NULL, 0);
    write_file(path, "Jan  2 03:04:05 h a: one\nJan  2 03:04:05 h a: ha", 48, true);
    wait_for(th, 1); /* not what was there before, not half a line */
    write_file(path, "lf\n", 3, true);
    wait_for(th, 2);
    snprintf(old, sizeof old, "%s.1", path);
    assert_int_equal(rename(path, old), 0);
    write_file(old, "Jan  2 03:04:05 h a: into the old one\n", 38, true);
    write_file(path, "Jan  2 03:04:05 h a: into the new one\n", 38, false);
    wait_for(th, 4);
    write_file(path, "Jan  2 03:04:05 h a: short\n", 27, false); /* truncated in place */
    wait_for(th, 5);
    mmr_testhost_free(th);
}

static void a_restart_goes_on_behind_the_last_committed_line(void **state)
{
    (void)state;
    char offsets[512], kept[300], cmd[900];
    write_file(path, "", 0, false);
    struct mmr_testhost *th = follow(path, NULL, offsets, sizeof offsets);
    write_file(path, "Jan  2 03:04:05 h a: one\nJan  2 03:04:05 h a: two\n", 50, true);
    wait_for(th, 2);
    mmr_plugin_log.sensor->on_committed(mmr_testhost_self(th, 0), 1); /* the second is not safe yet */
    mmr_testhost_stop(th);
    snprintf(kept, sizeof kept, "%s/kept", dir);
    snprintf(cmd, sizeof cmd, "cp '%s' '%s'", offsets, kept);
    assert_int_equal(system(cmd), 0);
    mmr_testhost_free(th);
    write_file(path, "Jan  2 03:04:05 h a: three\n", 27, true);
    th = follow(path, kept, NULL, 0);
    wait_for(th, 2);
    assert_non_null(strstr(mmr_testhost_text(th, 0, "message"), "two"));
    assert_non_null(strstr(mmr_testhost_text(th, 1, "message"), "three"));
    mmr_testhost_free(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(local_clocks_are_corrected_by_records_that_know_utc),
        cmocka_unit_test(a_true_z_is_believed),
        cmocka_unit_test(the_source_of_a_connection_is_who_opened_it),
        cmocka_unit_test(records_come_in_the_order_of_their_times),
        cmocka_unit_test(an_audit_event_is_one_record_with_its_arguments),
        cmocka_unit_test(a_cut_gzip_is_used_as_far_as_it_goes),
        cmocka_unit_test(what_is_no_log_is_refused_and_an_empty_file_is_empty),
        cmocka_unit_test(hostile_lines_cost_only_themselves),
        cmocka_unit_test(alerts_of_an_ids_are_findings),
        cmocka_unit_test(a_growing_file_is_followed_through_both_kinds_of_rotation),
        cmocka_unit_test(a_restart_goes_on_behind_the_last_committed_line),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
