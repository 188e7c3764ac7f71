/* test_defend_rails.c - the never-block list, the ceilings and the breaker; and the life of a
 * lease. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "defend/lease.h"
#include "defend/rails.h"
#include "util/clock.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S MMR_NS_PER_S

static struct mmr_cidr net(const char *text)
{
    struct mmr_cidr n;
    assert_int_equal(mmr_cidr_parse(text, &n, NULL), 0);
    return n;
}

static struct mmr_target block(const char *text)
{
    return (struct mmr_target){.addr = net(text)};
}

static void what_is_never_blocked(void **state)
{
    (void)state;
    struct mmr_rails *r = NULL;
    assert_int_equal(mmr_rails_new(NULL, &r, NULL), 0);
    const struct mmr_cidr gw = net("192.168.2.1"), admin = net("10.9.0.0/16"),
                          dc = net("192.168.2.10"), v6 = net("2001:db8::53");
    assert_int_equal(mmr_rails_protect(r, &gw, MMR_GUARD_GATEWAY, NULL), 0);
    assert_int_equal(mmr_rails_protect(r, &admin, MMR_GUARD_ADMIN, NULL), 0);
    assert_int_equal(mmr_rails_protect(r, &dc, MMR_GUARD_DOMAIN_CONTROLLER, NULL), 0);
    assert_int_equal(mmr_rails_protect(r, &v6, MMR_GUARD_DNS, NULL), 0);
    assert_int_equal(mmr_rails_protect_name(r, "hub.example.org", MMR_GUARD_HUB, NULL), 0);
    static const struct {
        const char *addr;
        int want;
    } rows[] = {
        {"127.0.0.1", MMR_EPERM},     {"::1", MMR_EPERM},
        {"192.168.2.1", MMR_EPERM},   {"192.168.2.0/24", MMR_EPERM},
        {"10.9.200.7", MMR_EPERM},    {"192.168.2.10", MMR_EPERM},
        {"224.0.0.251", MMR_EPERM},   {"255.255.255.255", MMR_EPERM},
        {"2001:db8::53", MMR_EPERM},  {"2001:db8::/64", MMR_EPERM},
        {"198.51.0.0/16", MMR_EPERM}, {"0.0.0.0/0", MMR_EPERM},
        {"::/0", MMR_EPERM},          {"169.254.1.1", MMR_EPERM},
        {"198.51.100.6", 0},          {"198.51.100.0/24", 0},
        {"192.168.2.11", 0},          {"2001:db8::54", 0},
        {"fe80::1", MMR_EPERM},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int automatic = 0; automatic < 2; automatic++) { /* manual orders too */
            char why[200] = "";
            const struct mmr_target t = block(rows[i].addr);
            int got = mmr_rails_check(r, MMR_VERB_BLOCK_ADDR, &t, automatic, 0, why);
            if (got != rows[i].want || (got && !why[0]))
                fail_msg("%s: got %d '%s', want %d", rows[i].addr, got, why, rows[i].want);
        }
    struct mmr_target t = {.host = "HUB"};
    assert_int_equal(mmr_rails_check(r, MMR_VERB_ISOLATE_HOST, &t, true, 0, NULL), MMR_EPERM);
    t = (struct mmr_target){.host = "PC9", .addr = dc};
    assert_int_equal(mmr_rails_check(r, MMR_VERB_ISOLATE_HOST, &t, true, 0, NULL), MMR_EPERM);
    static const char *const names[] = {"hub.example.org", "x.hub.example.org", "example.org",
                                        "org"};
    for (size_t i = 0; i < 4; i++) {
        t = (struct mmr_target){0};
        (void)snprintf(t.text, sizeof t.text, "%s", names[i]);
        assert_int_equal(mmr_rails_check(r, MMR_VERB_BLOCK_NAME, &t, true, 0, NULL), MMR_EPERM);
    }
    t = (struct mmr_target){.text = "evil.example.net"};
    assert_int_equal(mmr_rails_check(r, MMR_VERB_BLOCK_NAME, &t, true, 0, NULL), 0);
    mmr_rails_unprotect(r, MMR_GUARD_GATEWAY);
    t = block("192.168.2.1");
    assert_int_equal(mmr_rails_check(r, MMR_VERB_BLOCK_ADDR, &t, true, 0, NULL), 0);
    mmr_rails_free(r);
}

static void processes_and_accounts_a_machine_needs_are_left(void **state)
{
    (void)state;
    struct mmr_rails *r = NULL;
    assert_int_equal(mmr_rails_new(NULL, &r, NULL), 0);
    static const struct {
        int64_t pid;
        const char *exe, *name;
        int want;
    } rows[] = {
        {1, "/tmp/x", "x", MMR_EPERM},
        {0, "", "x", MMR_EPERM},
        {700, "C:\\Windows\\System32\\lsass.exe", "lsass.exe", MMR_EPERM},
        {700, "C:\\Users\\u\\lsass.exe", "lsass.exe", 0},
        {300, "/usr/lib/systemd/systemd-journald", "systemd-journald", MMR_EPERM},
        {300, "", "lsass.exe", MMR_EPERM},
        {300, "/tmp/systemd", "systemd", 0},
        {300, "/usr/bin/bash", "bash", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_target t = {.pid = rows[i].pid};
        (void)snprintf(t.exe, sizeof t.exe, "%s", rows[i].exe);
        (void)snprintf(t.text, sizeof t.text, "%s", rows[i].name);
        if (mmr_rails_check(r, MMR_VERB_KILL_PROCESS, &t, true, 0, NULL) != rows[i].want)
            fail_msg("%lld %s", (long long)rows[i].pid, rows[i].exe);
    }
    struct mmr_target t = {.text = "EXAMPLE\\PC1$"};
    assert_int_equal(mmr_rails_check(r, MMR_VERB_LOCK_ACCOUNT, &t, true, 0, NULL), MMR_EPERM);
    t = (struct mmr_target){.text = "root"};
    assert_int_equal(mmr_rails_check(r, MMR_VERB_LOCK_ACCOUNT, &t, true, 0, NULL), MMR_EPERM);
    t = (struct mmr_target){.text = "alice"};
    assert_int_equal(mmr_rails_check(r, MMR_VERB_LOCK_ACCOUNT, &t, true, 0, NULL), 0);
    mmr_rails_free(r);
}

static struct mmr_target nth(unsigned k)
{
    char text[32];
    (void)snprintf(text, sizeof text, "198.51.%u.%u", 100 + k / 250, 1 + k % 250);
    return block(text);
}

static void ceilings_hold_and_free_again_with_time(void **state)
{
    (void)state;
    struct mmr_rails *r = NULL;
    const struct mmr_rails_limits lim = {.per_minute = 3, .per_hour = 5};
    int64_t now = 1000000 * S;
    assert_int_equal(mmr_rails_new(&lim, &r, NULL), 0);
    for (unsigned k = 0; k < 3; k++) {
        const struct mmr_target t = nth(k);
        assert_int_equal(mmr_rails_take(r, MMR_VERB_BLOCK_ADDR, &t, true, now, NULL), 0);
    }
    const struct mmr_target t = nth(9);
    assert_int_equal(mmr_rails_take(r, MMR_VERB_BLOCK_ADDR, &t, true, now + 30 * S, NULL),
                     MMR_EAGAIN);
    assert_int_equal(mmr_rails_check(r, MMR_VERB_BLOCK_ADDR, &t, false, now + 30 * S, NULL),
                     0); /* a person may */
    assert_false(mmr_rails_is_capped(r, now));
    now += 61 * S;
    for (unsigned k = 3; k < 5; k++) {
        const struct mmr_target x = nth(k);
        assert_int_equal(mmr_rails_take(r, MMR_VERB_BLOCK_ADDR, &x, true, now, NULL), 0);
    }
    assert_int_equal(mmr_rails_take(r, MMR_VERB_BLOCK_ADDR, &t, true, now + 61 * S, NULL),
                     MMR_EAGAIN);
    assert_true(mmr_rails_is_capped(r, now + 61 * S));
    assert_int_equal(mmr_rails_take(r, MMR_VERB_BLOCK_ADDR, &t, true, now + 3601 * S, NULL), 0);
    mmr_rails_free(r);
}

static void only_a_share_of_the_office_is_cut_off(void **state)
{
    (void)state;
    struct mmr_rails *r = NULL;
    const struct mmr_cidr home = net("192.168.2.0/24");
    assert_int_equal(mmr_rails_new(NULL, &r, NULL), 0);
    assert_int_equal(mmr_rails_inside(r, &home, 1, 10, NULL), 0); /* 20 % of 10 */
    const struct mmr_target a = {.host = "PC1", .addr = net("192.168.2.11")},
                            b = {.addr = net("192.168.2.12")},
                            c = {.host = "PC3", .addr = net("192.168.2.13")};
    assert_int_equal(mmr_rails_take(r, MMR_VERB_ISOLATE_HOST, &a, true, S, NULL), 0);
    assert_int_equal(mmr_rails_take(r, MMR_VERB_ISOLATE_HOST, &a, true, S, NULL),
                     0); /* held already */
    assert_int_equal(mmr_rails_take(r, MMR_VERB_BLOCK_ADDR, &b, true, S, NULL), 0);
    assert_int_equal(mmr_rails_take(r, MMR_VERB_ISOLATE_HOST, &c, true, S, NULL), MMR_EAGAIN);
    mmr_rails_report(r, MMR_VERB_ISOLATE_HOST, &a, MMR_RESULT_NONE, true, 2 * S);
    assert_int_equal(mmr_rails_take(r, MMR_VERB_ISOLATE_HOST, &c, true, 2 * S, NULL), 0);
    mmr_rails_free(r);
}

static void failures_in_a_row_open_the_breaker(void **state)
{
    (void)state;
    struct mmr_rails *r = NULL;
    assert_int_equal(mmr_rails_new(NULL, &r, NULL), 0);
    const struct mmr_target t = nth(1);
    for (int k = 0; k < 4; k++)
        mmr_rails_report(r, MMR_VERB_BLOCK_ADDR, &t, MMR_RESULT_FAILED, false, S);
    mmr_rails_report(r, MMR_VERB_BLOCK_ADDR, &t, MMR_RESULT_APPLIED, false,
                     S); /* a success begins anew */
    for (int k = 0; k < 4; k++)
        mmr_rails_report(r, MMR_VERB_BLOCK_ADDR, &t, MMR_RESULT_TIMEOUT, false, S);
    assert_int_equal(mmr_rails_check(r, MMR_VERB_BLOCK_ADDR, &t, true, S, NULL), 0);
    mmr_rails_report(r, MMR_VERB_BLOCK_ADDR, &t, MMR_RESULT_FAILED, false, S);
    assert_int_equal(mmr_rails_check(r, MMR_VERB_BLOCK_ADDR, &t, true, S, NULL), MMR_EAGAIN);
    assert_true(mmr_rails_is_capped(r, S));
    assert_int_equal(mmr_rails_check(r, MMR_VERB_BLOCK_ADDR, &t, true, 602 * S, NULL), 0);
    mmr_rails_free(r);
}

/* ---- leases ---- */

static struct mmr_action_rec order(uint64_t id, const char *address)
{
    struct mmr_action_rec a;
    memset(&a, 0, sizeof a);
    a.id = id;
    a.verb = MMR_VERB_BLOCK_ADDR;
    a.side = MMR_SIDE_NETWORK;
    a.target = block(address);
    a.ttl_ms = 90 * 1000;
    a.state = MMR_STATE_ORDERED;
    return a;
}

static struct mmr_receipt receipt(enum mmr_verified v, int64_t expires)
{
    return (struct mmr_receipt){
        .result = MMR_RESULT_APPLIED, .verified = v, .method = "readback", .expires_ns = expires};
}

static void no_state_follows_that_should_not(void **state)
{
    (void)state;
    enum { N = -1 };
    /* from ARCHITECTURE and the vocabulary: ordered, applied, proved, effective, then expired or
     * undone; or failed */
    static const int want[8][MMR_LEASE_EVENT_COUNT] = {
        [MMR_STATE_PLANNED] = {MMR_STATE_ORDERED, N, N, N, N, MMR_STATE_FAILED, N,
                               MMR_STATE_UNDONE},
        [MMR_STATE_ORDERED] = {N, MMR_STATE_APPLIED, MMR_STATE_PROVED, N, MMR_STATE_ORDERED,
                               MMR_STATE_FAILED, MMR_STATE_EXPIRED, MMR_STATE_UNDONE},
        [MMR_STATE_APPLIED] = {N, MMR_STATE_APPLIED, MMR_STATE_PROVED, MMR_STATE_EFFECTIVE,
                               MMR_STATE_ORDERED, MMR_STATE_FAILED, MMR_STATE_EXPIRED,
                               MMR_STATE_UNDONE},
        [MMR_STATE_PROVED] = {N, MMR_STATE_PROVED, MMR_STATE_PROVED, MMR_STATE_EFFECTIVE,
                              MMR_STATE_ORDERED, MMR_STATE_FAILED, MMR_STATE_EXPIRED,
                              MMR_STATE_UNDONE},
        [MMR_STATE_EFFECTIVE] = {N, MMR_STATE_EFFECTIVE, MMR_STATE_EFFECTIVE, MMR_STATE_EFFECTIVE,
                                 MMR_STATE_ORDERED, MMR_STATE_FAILED, MMR_STATE_EXPIRED,
                                 MMR_STATE_UNDONE},
        [MMR_STATE_FAILED] = {MMR_STATE_ORDERED, N, N, N, N, N, N, MMR_STATE_UNDONE},
        [MMR_STATE_EXPIRED] = {N, N, N, N, N, N, N, N},
        [MMR_STATE_UNDONE] = {N, N, N, N, N, N, N, N},
    };
    for (int from = 0; from < 8; from++)
        for (int ev = 0; ev < MMR_LEASE_EVENT_COUNT; ev++)
            if (mmr_action_next_state((enum mmr_action_state)from, (enum mmr_lease_event)ev) !=
                want[from][ev])
                fail_msg("state %d, event %d", from, ev);
}

static void a_lease_is_renewed_read_back_and_asserted_again(void **state)
{
    (void)state;
    struct mmr_leases *l = NULL;
    struct mmr_lease_step step[4];
    bool first = false;
    const struct mmr_action_rec a = order(7, "198.51.100.6");
    assert_int_equal(mmr_leases_new(NULL, &l, NULL), 0);
    assert_int_equal(mmr_leases_hold(l, &a, 100, 0, &first, NULL), 0);
    assert_true(first);
    struct mmr_receipt r = receipt(MMR_VERIFIED_CONFIRMED, 90 * S);
    assert_true(mmr_leases_receipt(l, 7, &r, 1));
    assert_int_equal(mmr_leases_get(l, 7)->state, MMR_STATE_PROVED);
    assert_int_equal(mmr_leases_due(l, 29 * S, step, 4, NULL, NULL), 0);
    assert_int_equal(mmr_leases_due(l, 30 * S + 1, step, 4, NULL, NULL), 1);
    assert_int_equal(step[0].what, MMR_LEASE_DO_VERIFY);
    assert_true(mmr_leases_receipt(l, 7, &r, 31 * S));
    assert_int_equal(mmr_leases_next_ns(l), 60 * S); /* 2/3 of 90 s */
    assert_int_equal(mmr_leases_due(l, 60 * S, step, 4, NULL, NULL), 1);
    assert_int_equal(step[0].what, MMR_LEASE_DO_RENEW);
    r.expires_ns = 150 * S;
    assert_true(mmr_leases_receipt(l, 7, &r, 60 * S));
    r.verified = MMR_VERIFIED_REFUTED; /* somebody flushed the table */
    assert_true(mmr_leases_receipt(l, 7, &r, 70 * S));
    assert_int_equal(mmr_leases_get(l, 7)->state, MMR_STATE_ORDERED);
    assert_int_equal(mmr_leases_due(l, 70 * S, step, 4, NULL, NULL), 1);
    assert_int_equal(step[0].what, MMR_LEASE_DO_ASSERT);
    r.verified = MMR_VERIFIED_CONFIRMED;
    assert_true(mmr_leases_receipt(l, 7, &r, 71 * S));
    assert_int_equal(mmr_leases_get(l, 7)->state, MMR_STATE_PROVED);
    r.verified =
        MMR_VERIFIED_INCONCLUSIVE; /* a read-back that could not be made does not unprove */
    assert_true(mmr_leases_receipt(l, 7, &r, 72 * S));
    assert_int_equal(mmr_leases_get(l, 7)->receipt.verified, MMR_VERIFIED_CONFIRMED);
    mmr_leases_free(l);
}

static void count_expired(void *ctx, const struct mmr_action_rec *a)
{
    assert_int_equal(a->state, MMR_STATE_EXPIRED);
    ++*(int *)ctx;
}

static void two_reasons_hold_one_element_and_the_last_undoes_it(void **state)
{
    (void)state;
    struct mmr_leases *l = NULL;
    bool first = false;
    uint64_t undo = 1, live[4];
    const struct mmr_action_rec a = order(7, "198.51.100.6"), b = order(8, "198.51.100.6"),
                                c = order(9, "198.51.100.7");
    assert_int_equal(mmr_leases_new(NULL, &l, NULL), 0);
    assert_int_equal(mmr_leases_hold(l, &a, 100, 0, &first, NULL), 0);
    assert_int_equal(mmr_leases_hold(l, &b, 200, 0, &first, NULL), 0);
    assert_false(first);
    assert_int_equal(mmr_leases_hold(l, &c, 200, 0, &first, NULL), 0);
    assert_true(first);
    assert_int_equal(mmr_leases_count(l), 2);
    assert_int_equal(mmr_leases_live(l, "", "", live, 4), 2);
    assert_int_equal(mmr_leases_release(l, 7, 100, &undo, NULL), 0);
    assert_int_equal(undo, 0);
    assert_int_equal(mmr_leases_release(l, 7, 100, &undo, NULL), MMR_ENOENT);
    assert_int_equal(mmr_leases_release(l, 7, 200, &undo, NULL), 0);
    assert_int_equal(undo, 7);
    const struct mmr_receipt r = receipt(MMR_VERIFIED_CONFIRMED, 90 * S);
    assert_true(mmr_leases_receipt(l, 9, &r, S));
    int expired = 0;
    assert_int_equal(mmr_leases_due(l, 91 * S, NULL, 0, count_expired, &expired), 0);
    assert_int_equal(expired, 1);
    assert_int_equal(mmr_leases_count(l), 0);
    assert_int_equal(mmr_leases_next_ns(l), INT64_MAX);
    mmr_leases_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_is_never_blocked),
        cmocka_unit_test(processes_and_accounts_a_machine_needs_are_left),
        cmocka_unit_test(ceilings_hold_and_free_again_with_time),
        cmocka_unit_test(only_a_share_of_the_office_is_cut_off),
        cmocka_unit_test(failures_in_a_row_open_the_breaker),
        cmocka_unit_test(no_state_follows_that_should_not),
        cmocka_unit_test(a_lease_is_renewed_read_back_and_asserted_again),
        cmocka_unit_test(two_reasons_hold_one_element_and_the_last_undoes_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
