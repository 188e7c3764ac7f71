/* test_guessing.c - what the analyzer makes of series of failures, through the test host. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include <mamori/event.h>
#include <mamori/plugin.h>

#include "test_world.h"

static void feed(struct world *w, const char *kind, const char *message, const char *ip, const char *user)
{
    uint8_t buf[4096];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_event_begin(&ev, buf, sizeof buf, kind, MMR_CLASS_EVENT_LOG, 99, w->t, 1);
    mmr_event_str(&ev, "message", message);
    mmr_event_str(&ev, "device.hostname", "srv");
    mmr_event_str(&ev, "src_endpoint.ip", ip);
    mmr_event_str(&ev, "user.name", user);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(w->th, w->i, buf, ev.len, &err), 0);
}

static void ssh_fails(struct world *w, int n, const char *ip, bool is_spray, int64_t step_ns)
{
    for (int k = 0; k < n; k++, w->t += step_ns) {
        char line[200];
        snprintf(line, sizeof line, "Jan  2 03:04:05 srv sshd[%d]: Failed password for invalid user u%d from %s port %d ssh2", k + 1,
                 is_spray ? k : 0, ip, 40000 + k);
        feed(w, "log.record", line, NULL, NULL);
    }
}

static int count_rule(struct world *w, const char *rule)
{
    int n = 0;
    for (int k = 0; k < (int)mmr_testhost_events(w->th); k++)
        n += strcmp(mmr_testhost_text(w->th, k, "mamori.rule"), rule) == 0;
    return n;
}

static void five_failures_make_one_finding_and_each_a_hint(void **state)
{
    (void)state;
    struct world w = begin();
    ssh_fails(&w, 4, "192.0.2.7", false, MMR_TH_S);
    assert_int_equal(count_rule(&w, "mamori.authfail.guessing"), 0);
    ssh_fails(&w, 20, "192.0.2.7", false, MMR_TH_S);
    assert_int_equal(count_rule(&w, "mamori.authfail.guessing"), 1);
    assert_int_equal(count_rule(&w, "mamori.authfail.sshd"), 24);
    int f = mmr_testhost_find_text(w.th, "finding", "mamori.rule", "mamori.authfail.guessing");
    assert_string_equal(mmr_testhost_text(w.th, f, "src_endpoint.ip"), "192.0.2.7");
    assert_string_equal(mmr_testhost_text(w.th, f, "mamori.phase"), "attempt.inbound");
    assert_string_equal(mmr_testhost_text(w.th, f, "mamori.potential"), "low");
    assert_int_equal(mmr_testhost_int(w.th, f, "severity_id", 0), 3); /* more than one weak rule: somebody means it */
    assert_int_equal(mmr_testhost_int(w.th, f, "count", 0), 5);
    int h = mmr_testhost_find_text(w.th, "finding", "mamori.rule", "mamori.authfail.sshd");
    assert_string_equal(mmr_testhost_text(w.th, h, "mamori.potential"), "info");
    assert_string_equal(mmr_testhost_text(w.th, h, "mamori.phase"), "");
    assert_string_equal(mmr_testhost_text(w.th, h, "user.name"), "u0");
    assert_int_equal(mmr_testhost_refusals(w.th, NULL), 0);
    mmr_testhost_free(w.th);
}

static void slow_or_scattered_failures_make_none(void **state)
{
    (void)state;
    struct world w = begin();
    ssh_fails(&w, 12, "192.0.2.7", false, 60 * MMR_TH_S); /* three in two minutes */
    for (int k = 0; k < 40; k++) {
        char ip[32];
        snprintf(ip, sizeof ip, "198.51.100.%d", k + 1);
        ssh_fails(&w, 2, ip, false, MMR_TH_S);
    }
    assert_int_equal(count_rule(&w, "mamori.authfail.guessing"), 0);
    assert_int_equal(count_rule(&w, "mamori.authfail.spray"), 0);
    mmr_testhost_free(w.th);
}

static void many_accounts_from_one_source_are_a_spray(void **state)
{
    (void)state;
    struct world w = begin();
    for (int k = 0; k < 6; k++, w.t += 90 * MMR_TH_S) { /* Windows, slower than guessing counts */
        char user[24];
        snprintf(user, sizeof user, "user%d", k);
        feed(&w, "auth.fail", NULL, "10.1.2.3", user);
    }
    assert_int_equal(count_rule(&w, "mamori.authfail.spray"), 1);
    assert_int_equal(count_rule(&w, "mamori.authfail.windows"), 6);
    int f = mmr_testhost_find_text(w.th, "finding", "mamori.rule", "mamori.authfail.spray");
    assert_string_equal(mmr_testhost_text(w.th, f, "mamori.direction"), "internal");
    mmr_testhost_free(w.th);
}

static void a_success_after_guessing_is_high_and_one_alone_is_nothing(void **state)
{
    (void)state;
    struct world w = begin();
    ssh_fails(&w, 8, "192.0.2.7", false, MMR_TH_S);
    feed(&w, "auth.logon", NULL, "192.0.2.9", "u0");
    assert_int_equal(count_rule(&w, "mamori.authfail.let_in"), 0);
    feed(&w, "auth.logon", NULL, "192.0.2.7", "u0");
    feed(&w, "auth.logon", NULL, "192.0.2.7", "u0");
    assert_int_equal(count_rule(&w, "mamori.authfail.let_in"), 1);
    int f = mmr_testhost_find_text(w.th, "finding", "mamori.rule", "mamori.authfail.let_in");
    assert_string_equal(mmr_testhost_text(w.th, f, "mamori.phase"), "account");
    assert_string_equal(mmr_testhost_text(w.th, f, "mamori.potential"), "high");
    mmr_testhost_free(w.th);
}

static void a_line_with_two_readings_blames_nobody(void **state)
{
    (void)state;
    struct world w = begin();
    for (int k = 0; k < 10; k++)
        feed(&w, "log.record",
             "Jan  2 03:04:05 srv sshd[7]: Failed password for invalid user a from 198.51.100.1 port 22 ssh2: b from 192.0.2.7 port 4711 ssh2",
             NULL, NULL);
    assert_int_equal(count_rule(&w, "mamori.authfail.sshd"), 10);
    assert_int_equal(count_rule(&w, "mamori.authfail.guessing"), 0);
    assert_string_equal(mmr_testhost_text(w.th, 0, "src_endpoint.ip"), "");
    mmr_testhost_free(w.th);
}

static void more_sources_than_the_table_holds_do_no_harm(void **state)
{
    (void)state;
    struct world w = begin();
    for (int k = 0; k < 40000; k++) {
        char ip[32];
        snprintf(ip, sizeof ip, "10.%d.%d.1", k / 200, k % 200);
        feed(&w, "auth.fail", NULL, ip, "a");
        if (k % 1000 == 0)
            mmr_testhost_clear(w.th);
    }
    ssh_fails(&w, 6, "192.0.2.7", false, MMR_TH_S);
    assert_int_equal(count_rule(&w, "mamori.authfail.guessing"), 1);
    mmr_testhost_free(w.th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(five_failures_make_one_finding_and_each_a_hint),
        cmocka_unit_test(slow_or_scattered_failures_make_none),
        cmocka_unit_test(many_accounts_from_one_source_are_a_spray),
        cmocka_unit_test(a_success_after_guessing_is_high_and_one_alone_is_nothing),
        cmocka_unit_test(a_line_with_two_readings_blames_nobody),
        cmocka_unit_test(more_sources_than_the_table_holds_do_no_harm),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
