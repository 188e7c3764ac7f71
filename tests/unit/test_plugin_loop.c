/* Timers of the loop: never early, not much late, together with others. */
#include "plugin/loop.h"

#include "util/clock.h"

#include <event2/event.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void due_is_late_by_an_eighth_at_most(void **state)
{
    static const int64_t spans_ms[] = {0, 1, 50, 399, 400, 799, 800, 1000, 3999, 4000, 8000, 60000, 86400000};
    (void)state;
    for (size_t i = 0; i < sizeof spans_ms / sizeof spans_ms[0]; i++)
        for (int64_t due = INT64_C(7777777777777); due < INT64_C(7779777777777); due += 1234567) {
            int64_t span = spans_ms[i] * MMR_NS_PER_MS, got = mmr_loop_due(due, span);
            assert_in_range(got - due, 0, span / 8);
            assert_true(got == due || got % (50 * MMR_NS_PER_MS) == 0);
            assert_true(spans_ms[i] < 400 ? got == due : got % (50 * MMR_NS_PER_MS) == 0);
        }
    assert_int_equal(mmr_loop_due(INT64_MAX - 1, INT64_MAX - 1), INT64_MAX - 1); /* "never" stays */
}

static void note(evutil_socket_t fd, short what, void *ctx)
{
    int64_t *at = ctx;
    (void)fd;
    (void)what;
    *at = mmr_clock_mono_ns();
}

static void timers_are_not_early(void **state)
{
    struct event_base *base = mmr_loop_new();
    int64_t at = 0;
    (void)state;
    assert_non_null(base);
    struct event *ev = evtimer_new(base, note, &at);
    for (int i = 0; i < 30; i++) {
        const struct timeval three = {.tv_usec = 3000};
        int64_t start = mmr_clock_mono_ns();
        assert_int_equal(event_add(ev, &three), 0);
        (void)event_base_loop(base, EVLOOP_ONCE);
        assert_true(at - start >= 3 * MMR_NS_PER_MS);
    }
    event_free(ev);
    event_base_free(base);
}

static void every_is_due_at_the_next_full_period(void **state)
{
    struct event_base *base = mmr_loop_new();
    int64_t at = 0;
    (void)state;
    assert_non_null(base);
    struct event *ev = evtimer_new(base, note, &at);
    for (int i = 0; i < 5; i++) {
        int64_t before = mmr_clock_mono_ns() / (20 * MMR_NS_PER_MS);
        assert_int_equal(mmr_loop_every(ev, 20), 0);
        (void)event_base_loop(base, EVLOOP_ONCE);
        assert_true(at / (20 * MMR_NS_PER_MS) > before); /* not within the period it was asked in */
    }
    event_free(ev);
    event_base_free(base);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(due_is_late_by_an_eighth_at_most),
        cmocka_unit_test(timers_are_not_early),
        cmocka_unit_test(every_is_due_at_the_next_full_period),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
