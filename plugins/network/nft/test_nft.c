/* test_nft.c - blocks in a network namespace of the test's own: applied, proved, shared, put back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "conntrack.h"
#include "guard.h"
#include "testhost.h"

#include <mamori/action.h>

#include <arpa/inet.h>
#include <netinet/in.h>
#include <sched.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_nft;

static int enter_namespace(void **state)
{
    static int done;
    (void)state;
    if (!done)
        done = geteuid() == 0 && unshare(CLONE_NEWNET) == 0 && access("/usr/sbin/nft", X_OK) == 0 ? 1 : -1;
    return 0;
}

#define NEED_NAMESPACE()                                                                           \
    do {                                                                                           \
        if (geteuid() != 0 || access("/usr/sbin/nft", X_OK) != 0)                                  \
            skip();                                                                                \
    } while (0)

static struct mmr_testhost *start(void)
{
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"never_block", "192.0.2.1,198.51.100.0/24", NULL};
    (void)mmr_testhost_make_state_dir(th);
    if (mmr_testhost_add(th, &mmr_plugin_nft, cfg, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static void order(struct mmr_testhost *th, uint64_t id, uint32_t flags, const char *addr, const char *direction, int64_t ttl_ms)
{
    uint8_t buf[512];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "addr", addr);
    mmr_event_str(&ev, "direction", direction);
    assert_int_equal(mmr_event_end(&ev), 0);
    struct mmr_action a = {.struct_size = sizeof a, .flags = flags, .id = id, .verb = "block.addr", .ttl_ms = ttl_ms,
                           .msgpack = ev.buf, .len = ev.len};
    if (mmr_testhost_act(th, 0, &a, &err) != 0)
        fail_msg("%s", err.text);
}

static const char *last(struct mmr_testhost *th, const char *key)
{
    return mmr_testhost_receipt_text(th, mmr_testhost_receipts(th) - 1, key);
}

static int shell(const char *cmd)
{
    return system(cmd); /* fixed texts of this test only */
}

static void a_block_is_applied_and_proved(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct mmr_testhost *th = start();
    order(th, 1, 0, "203.0.113.9", "both", 60000);
    assert_string_equal(last(th, "result"), "applied");
    assert_string_equal(last(th, "verify.result"), "confirmed");
    assert_int_equal(shell("nft get element inet mamori src4 '{ 203.0.113.9 }' >/dev/null 2>&1"), 0);
    assert_int_equal(shell("nft get element inet mamori dst4 '{ 203.0.113.9 }' >/dev/null 2>&1"), 0);
    order(th, 1, 0, "203.0.113.9", "both", 60000); /* asked twice, done once */
    assert_string_equal(last(th, "result"), "already");
    order(th, 1, MMR_ACT_UNDO, "203.0.113.9", "both", 0);
    assert_int_not_equal(shell("nft get element inet mamori src4 '{ 203.0.113.9 }' >/dev/null 2>&1"), 0);
    order(th, 1, MMR_ACT_VERIFY, "203.0.113.9", "both", 0);
    assert_string_equal(last(th, "verify.result"), "refuted");
    mmr_testhost_free(th);
}

static void every_form_of_address_can_be_blocked(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    static const char *const addrs[] = {"203.0.113.7", "203.0.113.128/25", "2001:db8::7", "2001:db8:1::/64"};
    struct mmr_testhost *th = start();
    for (size_t i = 0; i < sizeof addrs / sizeof addrs[0]; i++) {
        order(th, 10 + i, 0, addrs[i], "in", 60000);
        if (strcmp(last(th, "verify.result"), "confirmed") != 0)
            fail_msg("%s: %s (%s)", addrs[i], last(th, "verify.result"), last(th, "detail"));
    }
    for (size_t i = 0; i < sizeof addrs / sizeof addrs[0]; i++)
        order(th, 10 + i, MMR_ACT_UNDO, addrs[i], "in", 0);
    mmr_testhost_free(th);
}

static void what_must_never_be_blocked_is_refused(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    static const char *const addrs[] = {"127.0.0.1", "192.0.2.1", "198.51.100.77", "192.0.2.0/25", "10.0.0.0/8", "224.0.0.1", "::1"};
    struct mmr_testhost *th = start();
    for (size_t i = 0; i < sizeof addrs / sizeof addrs[0]; i++) {
        order(th, 20 + i, 0, addrs[i], "both", 60000);
        if (strcmp(last(th, "result"), "refused") != 0)
            fail_msg("%s: %s", addrs[i], last(th, "result"));
    }
    mmr_testhost_free(th);
}

static void two_reasons_share_one_element(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct mmr_testhost *th = start();
    order(th, 30, 0, "203.0.113.30", "in", 60000);
    order(th, 31, 0, "203.0.113.30", "in", 60000);
    order(th, 30, MMR_ACT_UNDO, "203.0.113.30", "in", 0);
    assert_int_equal(shell("nft get element inet mamori src4 '{ 203.0.113.30 }' >/dev/null 2>&1"), 0);
    order(th, 31, MMR_ACT_UNDO, "203.0.113.30", "in", 0);
    assert_int_not_equal(shell("nft get element inet mamori src4 '{ 203.0.113.30 }' >/dev/null 2>&1"), 0);
    mmr_testhost_free(th);
}

static void a_flush_by_somebody_else_is_put_right(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct mmr_testhost *th = start();
    mmr_testhost_use_real_clock(th);
    order(th, 40, 0, "203.0.113.40", "in", 60000);
    assert_int_equal(shell("nft flush ruleset"), 0);
    assert_true(mmr_testhost_poll_until(th, "enforcement.lost", 3000));
    assert_int_equal(shell("nft get element inet mamori src4 '{ 203.0.113.40 }' >/dev/null 2>&1"), 0);
    mmr_testhost_free(th);
}

static void a_restart_keeps_what_lives(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct mmr_testhost *th = start();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"table", "mamori", NULL};
    order(th, 50, 0, "203.0.113.50", "in", 60000);
    assert_int_equal(shell("nft delete table inet mamori"), 0);
    int again = mmr_testhost_add(th, &mmr_plugin_nft, cfg, &err); /* the same state folder: as after kill -9 */
    if (again < 0)
        fail_msg("%s", err.text);
    assert_int_equal(shell("nft get element inet mamori src4 '{ 203.0.113.50 }' >/dev/null 2>&1"), 0);
    mmr_testhost_free(th);
}

static void a_machine_is_isolated_by_its_address(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    uint8_t buf[512];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = start();
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "device.hostname", "PC1");
    mmr_event_str(&ev, "device.ip", "203.0.113.70");
    assert_int_equal(mmr_event_end(&ev), 0);
    struct mmr_action a = {.struct_size = sizeof a, .id = 70, .verb = "isolate.host", .ttl_ms = 60000, .msgpack = ev.buf, .len = ev.len};
    assert_int_equal(mmr_testhost_act(th, 0, &a, &err), 0);
    assert_string_equal(last(th, "verify.result"), "confirmed");
    assert_int_equal(shell("nft get element inet mamori src4 '{ 203.0.113.70 }' >/dev/null 2>&1"), 0);
    assert_int_equal(shell("nft get element inet mamori dst4 '{ 203.0.113.70 }' >/dev/null 2>&1"), 0);
    mmr_testhost_free(th);
}

static void isolate(struct mmr_testhost *th, uint64_t id, uint32_t flags, const char *addr, const char *mac)
{
    uint8_t buf[512];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "device.hostname", addr ? addr : mac);
    mmr_event_str(&ev, "device.ip", addr);
    mmr_event_str(&ev, "device.mac", mac);
    assert_int_equal(mmr_event_end(&ev), 0);
    struct mmr_action a = {.struct_size = sizeof a, .flags = flags, .id = id, .verb = "isolate.host", .ttl_ms = 60000, .msgpack = ev.buf, .len = ev.len};
    if (mmr_testhost_act(th, 0, &a, &err) != 0)
        fail_msg("%s", err.text);
}

static void a_card_is_cut_off_on_a_bridge_and_nowhere_else(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct mmr_testhost *th = start();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"family", "bridge", "table", "mamori_c", "never_block", "192.0.2.40", NULL};
    isolate(th, 80, 0, "203.0.113.80", "02:00:00:00:00:80"); /* family inet: it says so, and does no half of it */
    assert_string_equal(last(th, "result"), "unsupported");
    assert_non_null(strstr(last(th, "detail"), "on a bridge"));
    assert_int_not_equal(shell("nft get element inet mamori src4 '{ 203.0.113.80 }' >/dev/null 2>&1"), 0);
    mmr_testhost_free(th);

    assert_int_equal(shell("ip link add guarded type veth peer name guarded2 && ip link set guarded address 02:00:00:00:00:aa && ip link set guarded up && "
                           "ip addr add 192.0.2.254/24 dev guarded && ip neigh add 192.0.2.40 lladdr 02:00:00:00:00:40 dev guarded"), 0);
    th = mmr_testhost_new();
    (void)mmr_testhost_make_state_dir(th);
    if (mmr_testhost_add(th, &mmr_plugin_nft, cfg, &err) != 0)
        fail_msg("%s", err.text);
    isolate(th, 81, 0, "203.0.113.81", "02:00:00:00:00:81");
    assert_string_equal(last(th, "verify.result"), "confirmed");
    assert_int_equal(shell("nft list set bridge mamori_c card_src | grep -q 02:00:00:00:00:81"), 0);
    assert_int_equal(shell("nft list set bridge mamori_c card_dst | grep -q 02:00:00:00:00:81"), 0);
    assert_int_equal(shell("nft list set bridge mamori_c src4 | grep -q 203.0.113.81"), 0);
    isolate(th, 82, 0, NULL, "02:00:00:00:00:82"); /* no address is known of it */
    assert_string_equal(last(th, "verify.result"), "confirmed");
    assert_int_equal(shell("nft delete element bridge mamori_c card_src '{ 02:00:00:00:00:82 }'"), 0);
    isolate(th, 82, MMR_ACT_VERIFY, NULL, "02:00:00:00:00:82");
    assert_string_equal(last(th, "verify.result"), "refuted");
    isolate(th, 81, MMR_ACT_UNDO, "203.0.113.81", "02:00:00:00:00:81");
    assert_int_not_equal(shell("nft list table bridge mamori_c | grep -q 00:81"), 0);
    static const char *const never[] = {"02:00:00:00:00:aa", "02:00:00:00:00:40"}; /* a card of ours; one whose address is never blocked */
    for (size_t i = 0; i < 2; i++) {
        isolate(th, 90 + i, 0, NULL, never[i]);
        assert_string_equal(last(th, "result"), "refused");
    }
    assert_int_equal(shell("ip neigh replace 192.0.2.40 lladdr 02:00:00:00:00:41 dev guarded"), 0); /* somebody took the address over */
    isolate(th, 92, 0, NULL, "02:00:00:00:00:41");
    assert_string_equal(last(th, "verify.result"), "confirmed");
    isolate(th, 93, 0, NULL, never[1]);
    assert_string_equal(last(th, "result"), "refused");
    mmr_testhost_free(th);
    assert_int_equal(shell("nft delete table bridge mamori_c && ip link del guarded"), 0);
}

static void what_is_no_card_is_refused(void **state)
{
    static const char *const bad[] = {"", "02:00:00:00:00", "02:00:00:00:00:0g", "02-00-00-00-00-01", "ff:ff:ff:ff:ff:ff", "01:00:5e:00:00:01",
                                      "00:00:00:00:00:00", "02:00:00:00:00:01:02"};
    struct mmr_deny_key k;
    char text[64];
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (mmr_deny_parse_card(bad[i], &k))
            fail_msg("'%s' was taken for a card's address", bad[i]);
    assert_true(mmr_deny_parse_card("0A:00:00:bC:00:01", &k));
    mmr_deny_format(&k, text, sizeof text);
    assert_string_equal(text, "0a:00:00:bc:00:01");
}

static void a_bridge_is_guarded_in_its_own_family(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"family", "bridge", "table", "mamori_b", NULL}, *const bad[] = {"family", "ip", NULL};
    (void)mmr_testhost_make_state_dir(th);
    if (mmr_testhost_add(th, &mmr_plugin_nft, cfg, &err) != 0)
        fail_msg("%s", err.text);
    order(th, 1, 0, "203.0.113.77", "in", 60000);
    assert_string_equal(last(th, "verify.result"), "confirmed");
    assert_int_equal(shell("nft list set bridge mamori_b src4 | grep -q 203.0.113.77"), 0);
    order(th, 2, 0, "2001:db8:1::/64", "both", 60000);
    assert_string_equal(last(th, "verify.result"), "confirmed");
    order(th, 1, MMR_ACT_UNDO, "203.0.113.77", "in", 0);
    assert_int_not_equal(shell("nft list set bridge mamori_b src4 | grep -q 203.0.113.77"), 0);
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_nft, bad, &err), MMR_ECONFIG);
    mmr_testhost_free(th);
    assert_int_equal(shell("nft delete table bridge mamori_b"), 0);
}

/* A connection over the loopback, tracked because a rule asks for it; the block lets the kernel forget it. */
static void tracked_connections_of_the_address_are_let_go(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons(4455)};
    assert_int_equal(shell("ip link set lo up && ip addr add 203.0.113.88/32 dev lo"), 0);
    assert_int_equal(inet_pton(AF_INET, "203.0.113.88", &a.sin_addr), 1);
    if (shell("nft 'add table inet track; add chain inet track c { type filter hook output priority 0; }; add rule inet track c ct state new accept'") != 0)
        skip(); /* a kernel without connection tracking */
    int s = socket(AF_INET, SOCK_STREAM, 0), c = socket(AF_INET, SOCK_STREAM, 0);
    assert_int_equal(bind(s, (const struct sockaddr *)&a, sizeof a), 0);
    assert_int_equal(listen(s, 1), 0);
    assert_int_equal(connect(c, (const struct sockaddr *)&a, sizeof a), 0);
    struct mmr_deny_key k;
    struct mmr_error err = {.struct_size = sizeof err};
    unsigned n = 0;
    assert_true(mmr_deny_parse("203.0.113.99", &k));
    assert_int_equal(mmr_conntrack_forget(&k, 1, &n, &err), 0);
    assert_int_equal(n, 0); /* somebody else's is left alone */
    assert_true(mmr_deny_parse("203.0.113.88", &k));
    k.proto = IPPROTO_TCP;
    k.port = 4456;
    assert_int_equal(mmr_conntrack_forget(&k, 1, &n, &err), 0);
    assert_int_equal(n, 0); /* another service of it */
    k.proto = 0;
    k.port = 0;
    if (mmr_conntrack_forget(&k, 1, &n, &err) != 0)
        fail_msg("%s", err.text);
    assert_int_equal(n, 1);
    assert_int_equal(mmr_conntrack_forget(&k, 1, &n, &err), 0);
    assert_int_equal(n, 0);
    (void)close(c);
    (void)close(s);
    assert_int_equal(shell("nft delete table inet track && ip addr del 203.0.113.88/32 dev lo"), 0);
}

static void a_dry_run_changes_nothing(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct mmr_testhost *th = start();
    order(th, 60, MMR_ACT_DRY_RUN, "203.0.113.60", "in", 60000);
    assert_int_equal(mmr_testhost_receipt_int(th, mmr_testhost_receipts(th) - 1, "dry_run", 0), 1);
    assert_int_not_equal(shell("nft get element inet mamori src4 '{ 203.0.113.60 }' >/dev/null 2>&1"), 0);
    mmr_testhost_free(th);
}

static void what_the_operator_names_always_has_room(void **state)
{
    enum { MOST = MMR_GUARD_MAX / 2 };
    static char text[MOST + 1][16];
    static const char *list[MOST + 1];
    struct mmr_guard *g = calloc(1, sizeof *g);
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_deny_key k;
    (void)state;
    assert_non_null(g);
    for (int i = 0; i <= MOST; i++) {
        (void)snprintf(text[i], sizeof text[i], "198.51.100.%d", i + 1);
        list[i] = text[i];
    }
    assert_int_equal(mmr_guard_load(g, list, MOST, &err), 0);
    assert_true(mmr_deny_parse(list[MOST - 1], &k));
    assert_string_equal(mmr_guard_refuses(g, &k), "on the never-block list");
    assert_int_equal(mmr_guard_load(g, list, MOST + 1, &err), MMR_ETOOBIG); /* named, not half kept */
    assert_non_null(strstr(err.text, "never_block: 129 entries"));
    free(g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_block_is_applied_and_proved),
        cmocka_unit_test(every_form_of_address_can_be_blocked),
        cmocka_unit_test(what_must_never_be_blocked_is_refused),
        cmocka_unit_test(two_reasons_share_one_element),
        cmocka_unit_test(a_flush_by_somebody_else_is_put_right),
        cmocka_unit_test(a_restart_keeps_what_lives),
        cmocka_unit_test(a_machine_is_isolated_by_its_address),
        cmocka_unit_test(a_bridge_is_guarded_in_its_own_family),
        cmocka_unit_test(a_card_is_cut_off_on_a_bridge_and_nowhere_else),
        cmocka_unit_test(what_is_no_card_is_refused),
        cmocka_unit_test(tracked_connections_of_the_address_are_let_go),
        cmocka_unit_test(a_dry_run_changes_nothing),
        cmocka_unit_test(what_the_operator_names_always_has_room),
    };
    return cmocka_run_group_tests(tests, enter_namespace, NULL);
}
