/* test_syslog.c - messages at a real receiver (rsyslog) over UDP, TCP and TLS, as it parsed them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "line.h"
#include "testserver.h"

#include <arpa/inet.h>
#include <sys/socket.h>

extern const struct mmr_plugin mmr_plugin_syslog;

static const char incident[] = "{\"class_uid\":2005,\"severity_id\":5,\"metadata\":{\"uid\":\"0190-\\\"]x\"},\"desc\":\"a story\",\"unmapped\":{\"mamori\":{\"class\":\"severe\",\"band\":\"red\"}}}";

static bool is_listening(int port)
{
    struct sockaddr_in in = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
    bool is_there = connect(fd, (const struct sockaddr *)(const void *)&in, sizeof in) == 0;
    (void)close(fd);
    return is_there;
}

static void messages_arrive_by_every_transport(void **state)
{
    (void)state;
    static const char *const kinds[] = {"udp", "tcp", "tls"};
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        struct testserver s;
        struct mmr_error err = {.struct_size = sizeof err};
        char server[64];
        const char *const args[] = {kinds[i], NULL};
        testserver_start(&s, "syslogd.py", args);
        (void)snprintf(server, sizeof server, "localhost:%d", s.port);
        if (i == 0)
            (void)snprintf(server, sizeof server, "127.0.0.1:%d", s.port);
        const char *const cfg[] = {"server", server, "transport", kinds[i], "ca_file", testserver_path(&s, "cert.pem"), "hostname", "hub-1", NULL};
        struct mmr_testhost *th = mmr_testhost_new();
        mmr_testhost_use_real_clock(th);
        if (mmr_testhost_add(th, &mmr_plugin_syslog, cfg, &err) != 0)
            fail_msg("%s", err.text);
        for (uint64_t k = 1; k <= 20; k++)
            assert_int_equal(mmr_testhost_forward(th, 0, incident, k, &err), 0);
        if (!testserver_wait(th, 20))
            fail_msg("%s: %zu of 20 handed over", kinds[i], mmr_testhost_deliveries(th));
        for (size_t k = 0; k < 20; k++)
            assert_int_equal(mmr_testhost_delivery(th, k)->level, MMR_DELIVERY_GATEWAY);
        const char *log = testserver_log(&s, 20);
        int lines = 0;
        for (const char *p = log; (p = strstr(p, "\"app\":\"mamori\"")); p++)
            lines++;
        if (lines != 20)
            fail_msg("%s: %d of 20 arrived: %.600s", kinds[i], lines, log);
        assert_non_null(strstr(log, "\"msgid\":\"ocsf-2005\""));
        assert_non_null(strstr(log, "\"host\":\"hub-1\""));
        assert_non_null(strstr(log, "\"severity\":\"2\""));
        assert_non_null(strstr(log, "\"facility\":\"16\""));
        assert_non_null(strstr(log, "class=\\\"severe\\\""));
        testserver_stop(&s);
        if (i) { /* nobody there: given back, not lost */
            size_t before = mmr_testhost_deliveries(th);
            while (is_listening(s.port)) /* it ends a moment after its keeper */
                (void)usleep(20000);
            (void)mmr_testhost_poll(th, 100);
            int r = mmr_testhost_forward(th, 0, incident, 99, &err);
            if (r == 0 && testserver_wait(th, before + 1))
                assert_int_equal(mmr_testhost_delivery(th, before)->level, MMR_DELIVERY_TRIED);
            else
                assert_int_equal(r, MMR_EAGAIN);
        }
        mmr_testhost_free(th);
    }
}

static void a_line_is_what_the_standard_says(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_syslog_line l = {.facility = 16, .hostname = "hub-1", .procid = 7, .now_ns = INT64_C(1700000000123456789), .max_bytes = 4096};
    char *line = NULL;
    size_t len = 0;
    assert_int_equal(mmr_syslog_format(&l, incident, strlen(incident), &line, &len, &err), 0);
    static const char head[] = "<130>1 2023-11-14T22:13:20.123456Z hub-1 mamori 7 ocsf-2005 [mamori@32473 uid=\"0190-\\\"\\]x\" class=\"severe\" band=\"red\"] ";
    if (strncmp(line, head, strlen(head)) != 0)
        fail_msg("%s", line);
    assert_string_equal(line + strlen(head), incident);
    free(line);
    l.max_bytes = 200; /* too long: its summary, marked */
    l.hostname = "a b";
    assert_int_equal(mmr_syslog_format(&l, incident, strlen(incident), &line, &len, &err), 0);
    assert_non_null(strstr(line, "Z - mamori"));
    assert_non_null(strstr(line, "cut=\"yes\"] a story"));
    free(line);
    assert_int_equal(mmr_syslog_format(&l, "[]", 2, &line, &len, &err), MMR_EBADMSG);
    assert_int_equal(mmr_syslog_format(&l, "{", 1, &line, &len, &err), MMR_EBADMSG);
    static const char broken[] = "{\"kind\":\"notice\",\"band\":\"yellow\",\"text\":\"a\\nb\"}";
    l.max_bytes = 4096;
    assert_int_equal(mmr_syslog_format(&l, broken, strlen(broken), &line, &len, &err), 0);
    assert_null(strchr(line, '\n'));
    assert_int_equal(strncmp(line, "<132>1 ", 7), 0);
    free(line);
}

static void wrong_settings_are_named(void **state)
{
    (void)state;
    static const char *const rows[][5] = {{"server", "nohost", NULL}, {"server", "h:1", "transport", "quic", NULL}, {"server", "https://h:1", NULL}};
    static const char *const says[] = {"'server'", "'transport'", "'server'"};
    struct mmr_error err = {.struct_size = sizeof err};
    for (size_t i = 0; i < 3; i++) {
        struct mmr_testhost *th = mmr_testhost_new();
        assert_int_equal(mmr_testhost_add(th, &mmr_plugin_syslog, rows[i], &err), MMR_ECONFIG);
        assert_non_null(strstr(err.text, says[i]));
        mmr_testhost_free(th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_line_is_what_the_standard_says),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(messages_arrive_by_every_transport),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
