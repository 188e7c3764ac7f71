/* test_brain_seats.c - what is known of machines that send their logs, and since when nothing is. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "brain/seats.h"

#define S INT64_C(1000000000)

static bool tell(struct mmr_seats *s, const char *name, const char *state, const char *tool, int64_t heard_ns, int64_t now_ns)
{
    static struct mmr_event_view v;
    static uint8_t buf[4096];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "seat.state", MMR_CLASS_EVENT_LOG, 99, now_ns, 1);
    mmr_event_str(&ev, "device.hostname", name);
    mmr_event_str(&ev, "status_detail", state);
    mmr_event_str(&ev, "unmapped.Tool", tool);
    if (heard_ns)
        mmr_event_int(&ev, "unmapped.LastHeard", heard_ns);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_event_read(buf, ev.len, &v, NULL), 0);
    return mmr_seats_take(s, &v, now_ns);
}

static void a_machine_is_what_its_listener_last_said_and_unknown_when_that_is_silent(void **state)
{
    static struct mmr_seats s;
    (void)state;
    memset(&s, 0, sizeof s);
    assert_true(tell(&s, "PC1", "unheard", "sysmon", 0, 1000 * S));
    assert_string_equal(mmr_seats_state(&s.row[0], 1000 * S), "unheard");
    assert_true(tell(&s, "pc1", "up", "sysmon", 1010 * S, 1010 * S));
    assert_int_equal(s.n, 1);
    assert_string_equal(mmr_seats_state(&s.row[0], 1011 * S), "up");
    assert_string_equal(s.row[0].tool, "sysmon");
    assert_string_equal(mmr_seats_state(&s.row[0], (1011 + MMR_SEATS_STALE_S) * S), "unknown");
    assert_true(tell(&s, "PC1", "silent", "sysmon", 1010 * S, 1300 * S));
    assert_string_equal(mmr_seats_state(&s.row[0], 1300 * S), "silent");
    assert_true(tell(&s, "PC1", "no such word", NULL, 1010 * S, 1310 * S));
    assert_string_equal(mmr_seats_state(&s.row[0], 1310 * S), "unknown");
    assert_string_equal(s.row[0].tool, "");
}

static void a_listener_that_hears_nothing_does_not_overrule_one_that_does(void **state)
{
    static struct mmr_seats s;
    (void)state;
    memset(&s, 0, sizeof s);
    assert_true(tell(&s, "PC1", "up", NULL, 2000 * S, 2000 * S));
    assert_true(tell(&s, "PC1", "silent", NULL, 100 * S, 2010 * S));
    assert_string_equal(mmr_seats_state(&s.row[0], 2010 * S), "up");
    assert_true(tell(&s, "PC1", "silent", NULL, 2000 * S, 2100 * S)); /* the one that heard it says so */
    assert_string_equal(mmr_seats_state(&s.row[0], 2100 * S), "silent");
}

static void the_table_is_bounded(void **state)
{
    static struct mmr_seats s;
    char name[16];
    (void)state;
    memset(&s, 0, sizeof s);
    for (int i = 0; i < MMR_SEATS_MAX + 5; i++) {
        snprintf(name, sizeof name, "pc%d", i);
        assert_int_equal(tell(&s, name, "up", NULL, S, S), i < MMR_SEATS_MAX);
    }
    assert_int_equal(s.n, MMR_SEATS_MAX);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_machine_is_what_its_listener_last_said_and_unknown_when_that_is_silent),
        cmocka_unit_test(a_listener_that_hears_nothing_does_not_overrule_one_that_does),
        cmocka_unit_test(the_table_is_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
