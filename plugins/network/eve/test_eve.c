/* test_eve.c - EVE lines over a unix socket and from a file become findings and telemetry; what is hostile is counted and left out. */
#include <testhost.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/un.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_eve;

#define STAMP "\"timestamp\":\"2023-11-14T22:13:20.000000+0000\","
static const char alert[] = "{" STAMP "\"flow_id\":77,\"event_type\":\"alert\",\"src_ip\":\"203.0.113.9\",\"src_port\":80,"
                            "\"dest_ip\":\"192.168.1.5\",\"dest_port\":50000,\"proto\":\"TCP\",\"direction\":\"to_client\","
                            "\"alert\":{\"action\":\"allowed\",\"signature_id\":2027865,\"signature\":\"Checkin\","
                            "\"category\":\"Malware Command and Control Activity Detected\",\"severity\":1,"
                            "\"metadata\":{\"signature_severity\":[\"Major\"],\"mitre_technique_id\":[\"T1071\"]}}}\n";
static const char policy[] = "{" STAMP "\"event_type\":\"alert\",\"src_ip\":\"192.168.1.5\",\"src_port\":50001,\"dest_ip\":\"203.0.113.9\",\"dest_port\":80,"
                             "\"proto\":\"TCP\",\"alert\":{\"signature_id\":1,\"signature\":\"curl\",\"category\":\"Misc activity\",\"severity\":3}}\n";
static const char dns[] = "{" STAMP "\"event_type\":\"dns\",\"src_ip\":\"192.168.1.5\",\"dest_ip\":\"192.168.1.1\",\"proto\":\"UDP\","
                          "\"dns\":{\"type\":\"query\",\"rrname\":\"www.example.com\",\"rrtype\":\"A\"}}\n";

static int connect_to(const char *path, int type)
{
    struct sockaddr_un a = {.sun_family = AF_UNIX};
    assert_true(strlen(path) < sizeof a.sun_path);
    memcpy(a.sun_path, path, strlen(path) + 1);
    int fd = socket(AF_UNIX, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (const struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void put(int fd, const char *text)
{
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
}

static struct mmr_testhost *with_socket(char *path, size_t cap, const char *type)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    (void)snprintf(path, cap, "%s/eve.sock", mmr_testhost_make_state_dir(th));
    const char *const cfg[] = {"socket", path, "socket_type", type, NULL};
    assert_true(mmr_testhost_add(th, &mmr_plugin_eve, cfg, &err) >= 0);
    if (mmr_testhost_start(th, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static void until(struct mmr_testhost *th, const char *kind, int n)
{
    for (int i = 0; i < 600 && mmr_testhost_count(th, kind) < n; i++)
        (void)mmr_testhost_poll(th, 100);
    assert_int_equal(mmr_testhost_count(th, kind), n);
}

static void alerts_of_a_stream_become_findings_of_who_opened_the_connection(void **state)
{
    (void)state;
    char path[200];
    struct stat st;
    struct mmr_testhost *th = with_socket(path, sizeof path, "stream");
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0660);
    int a = connect_to(path, SOCK_STREAM), b = connect_to(path, SOCK_STREAM);
    char half[sizeof alert];
    memcpy(half, alert, sizeof alert);
    half[100] = '\0';
    put(a, half); /* two senders at once, and a line in two parts */
    put(b, dns);
    put(b, policy);
    until(th, "dns.query", 1);
    put(a, alert + 100);
    until(th, "finding", 2);
    int n = mmr_testhost_find_text(th, "finding", "mamori.rule", "sid:2027865");
    assert_true(n >= 0);
    assert_string_equal(mmr_testhost_text(th, n, "src_endpoint.ip"), "192.168.1.5");
    assert_int_equal(mmr_testhost_int(th, n, "src_endpoint.port", 0), 50000);
    assert_string_equal(mmr_testhost_text(th, n, "dst_endpoint.ip"), "203.0.113.9");
    assert_string_equal(mmr_testhost_text(th, n, "mamori.phase"), "foothold.c2");
    assert_string_equal(mmr_testhost_text(th, n, "mamori.potential"), "high");
    n = mmr_testhost_find_text(th, "finding", "mamori.rule", "sid:1");
    assert_string_equal(mmr_testhost_text(th, n, "mamori.phase"), "");
    assert_string_equal(mmr_testhost_text(th, n, "mamori.potential"), "info");
    (void)close(a); /* a sender may go and come back */
    a = connect_to(path, SOCK_STREAM);
    put(a, dns);
    until(th, "dns.query", 2);
    (void)close(a);
    (void)close(b);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    mmr_testhost_free(th);
    assert_int_equal(access(path, F_OK), -1);
}

static void what_is_no_line_of_eve_is_left_out_and_said(void **state)
{
    (void)state;
    char path[200];
    struct mmr_testhost *th = with_socket(path, sizeof path, "stream");
    int fd = connect_to(path, SOCK_STREAM);
    enum { LONG = 1200 * 1024, PART = 16 * 1024 };
    char *junk = malloc(PART);
    assert_non_null(junk);
    memset(junk, 'x', PART);
    put(fd, "no json\n{\"event_type\":\n\n[1,2]\n");
    for (size_t done = 0; done < LONG; done += PART) {
        assert_int_equal(write(fd, junk, PART), PART);
        (void)mmr_testhost_poll(th, 0);
    }
    put(fd, "\n");
    put(fd, dns);
    until(th, "dns.query", 1);
    assert_int_equal(mmr_testhost_count(th, NULL), 1);
    mmr_testhost_advance(th, 11 * MMR_TH_S);
    const char *said = "";
    assert_true(mmr_testhost_logged(th, MMR_LOG_WARN, &said) >= 1);
    assert_non_null(strstr(said, "too_long=1"));
    assert_non_null(strstr(said, "unreadable=3"));
    free(junk);
    (void)close(fd);
    mmr_testhost_free(th);
}

static void a_full_bus_makes_the_sender_wait_and_loses_nothing(void **state)
{
    (void)state;
    char path[200];
    struct mmr_testhost *th = with_socket(path, sizeof path, "dgram");
    int fd = connect_to(path, SOCK_DGRAM);
    put(fd, dns);
    until(th, "dns.query", 1);
    mmr_testhost_emit_result(th, MMR_EAGAIN);
    put(fd, dns);
    for (int i = 0; i < 20; i++)
        (void)mmr_testhost_poll(th, 10);
    mmr_testhost_emit_result(th, 0);
    mmr_testhost_advance(th, 11 * MMR_TH_S); /* or the host's wake, whichever is first */
    until(th, "dns.query", 2);
    put(fd, dns);
    until(th, "dns.query", 3);
    (void)close(fd);
    mmr_testhost_free(th);
}

static void files_that_grow_are_followed(void **state)
{
    (void)state;
    char path[200];
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    (void)snprintf(path, sizeof path, "%s/eve.json", mmr_testhost_make_state_dir(th));
    FILE *f = fopen(path, "w");
    assert_non_null(f);
    const char *const cfg[] = {"files", path, NULL};
    assert_true(mmr_testhost_add(th, &mmr_plugin_eve, cfg, &err) >= 0);
    assert_int_equal(mmr_testhost_start(th, &err), 0);
    assert_true(fputs(alert, f) >= 0 && fflush(f) == 0);
    until(th, "finding", 1);
    assert_int_equal(fclose(f), 0);
    mmr_testhost_free(th);
}

static void wrong_configuration_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][5] = {{NULL}, {"socket", "/tmp/x.sock", "files", "/tmp/x", NULL}, {"socket", "relative", NULL},
                                          {"socket", "/nowhere/at/all/eve.sock", NULL}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_testhost *th = mmr_testhost_new();
        int r = mmr_testhost_add(th, &mmr_plugin_eve, rows[i], &err);
        if (r >= 0)
            r = mmr_testhost_start(th, &err);
        if (r >= 0 || !err.text[0])
            fail_msg("row %zu was not refused", i);
        mmr_testhost_free(th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(alerts_of_a_stream_become_findings_of_who_opened_the_connection),
        cmocka_unit_test(what_is_no_line_of_eve_is_left_out_and_said),
        cmocka_unit_test(a_full_bus_makes_the_sender_wait_and_loses_nothing),
        cmocka_unit_test(files_that_grow_are_followed),
        cmocka_unit_test(wrong_configuration_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
