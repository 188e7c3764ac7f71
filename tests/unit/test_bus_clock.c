/* test_bus_clock.c - the clock of the other end: the best exchange counts, a clock that was set is noticed at once, lies change nothing. */
#include "bus/site_link.h"

#include "util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define NOW (INT64_C(1700000000) * MMR_NS_PER_S)
#define MS MMR_NS_PER_MS

static struct mmr_clock_filter new_filter(void)
{
    struct mmr_clock_filter f = {.n = 0};
    assert_int_equal(pthread_mutex_init(&f.lock, NULL), 0);
    return f;
}

/* An exchange at our time `at`, with a clock of theirs that is `ahead`, so long on each way. */
static void exchange(struct mmr_clock_filter *f, int64_t at, int64_t ahead, int64_t there, int64_t back)
{
    mmr_clock_filter_add(f, at, at + there + ahead, at + there + ahead + MS, at + there + MS + back);
}

static void the_best_exchange_counts_and_its_error_holds(void **state)
{
    (void)state;
    struct mmr_clock_filter f = new_filter();
    struct mmr_site_clock c;
    assert_false(mmr_clock_filter_best(&f, &c));
    for (int i = 0; i < 20; i++) {
        exchange(&f, NOW + i * 10 * MMR_NS_PER_S, 90 * MMR_NS_PER_S, (1 + i % 7) * MS, (1 + i * 5 % 11) * MS);
        assert_true(mmr_clock_filter_best(&f, &c));
        int64_t wrong = c.offset_ns + 90 * MMR_NS_PER_S; /* what is added to their time to get ours */
        assert_true(wrong <= c.error_ns && -wrong <= c.error_ns && c.error_ns <= 9 * MS);
    }
}

static void a_clock_that_was_set_is_known_with_the_next_exchange(void **state)
{
    (void)state;
    static const int64_t steps[] = {2 * MMR_NS_PER_S, -3600 * MMR_NS_PER_S, 86400 * MMR_NS_PER_S, 50 * MS};
    for (size_t i = 0; i < sizeof steps / sizeof steps[0]; i++) {
        struct mmr_clock_filter f = new_filter();
        struct mmr_site_clock c;
        for (int k = 0; k < 8; k++)
            exchange(&f, NOW + k * MMR_NS_PER_S, 0, MS / 10, MS / 10); /* very good ones */
        exchange(&f, NOW + 10 * MMR_NS_PER_S, steps[i], 20 * MS, 10 * MS); /* a worse one, that contradicts them */
        assert_true(mmr_clock_filter_best(&f, &c));
        assert_true(c.offset_ns >= -steps[i] - 20 * MS && c.offset_ns <= -steps[i] + 20 * MS);
        assert_int_equal(f.n, 1);
    }
}

static void a_slow_exchange_that_agrees_forgets_nothing(void **state)
{
    (void)state;
    struct mmr_clock_filter f = new_filter();
    struct mmr_site_clock c;
    exchange(&f, NOW, MMR_NS_PER_S, MS, MS);
    exchange(&f, NOW + 10 * MMR_NS_PER_S, MMR_NS_PER_S, 3 * MMR_NS_PER_S, MS); /* all of it on one way */
    assert_true(mmr_clock_filter_best(&f, &c));
    assert_true(c.error_ns < 2 * MS);
    assert_int_equal(f.n, 2);
}

static void a_glance_is_better_than_nothing_and_than_another_boots_clock(void **state)
{
    (void)state;
    struct mmr_clock_filter f = new_filter();
    struct mmr_site_clock c;
    mmr_clock_filter_glance(&f, NOW + 90 * MMR_NS_PER_S, NOW + 200 * MS, true);
    assert_true(mmr_clock_filter_best(&f, &c));
    assert_true(c.offset_ns == -90 * MMR_NS_PER_S + 200 * MS && c.error_ns == 10 * MMR_NS_PER_S);
    exchange(&f, NOW + MMR_NS_PER_S, 90 * MMR_NS_PER_S, MS, MS);
    assert_true(mmr_clock_filter_best(&f, &c) && c.error_ns < 2 * MS);
    mmr_clock_filter_glance(&f, NOW + 93 * MMR_NS_PER_S, NOW + 2 * MMR_NS_PER_S, false); /* it agrees: what was measured stays */
    assert_true(mmr_clock_filter_best(&f, &c) && c.error_ns < 2 * MS);
    mmr_clock_filter_glance(&f, NOW + 2 * MMR_NS_PER_S, NOW + 2 * MMR_NS_PER_S, false); /* its clock was set right meanwhile */
    assert_true(mmr_clock_filter_best(&f, &c) && c.offset_ns == 0 && c.error_ns == 10 * MMR_NS_PER_S);
    exchange(&f, NOW + 3 * MMR_NS_PER_S, 0, MS, MS);
    mmr_clock_filter_glance(&f, NOW + 4 * MMR_NS_PER_S, NOW + 4 * MMR_NS_PER_S, true); /* another boot: nothing is known of its clock but this */
    assert_true(mmr_clock_filter_best(&f, &c) && c.error_ns == 10 * MMR_NS_PER_S);
}

static void lies_and_impossible_times_change_nothing(void **state)
{
    (void)state;
    static const int64_t rows[][4] = {
        {NOW, -1, NOW, NOW + 1},        {NOW, NOW, -1, NOW + 1},           {NOW, NOW + 10, NOW, NOW + 100}, {NOW + 1, NOW, NOW, NOW},
        {NOW, NOW, NOW + 1000, NOW + 1}, {NOW, INT64_MAX, INT64_MAX, NOW}, {INT64_MIN, 0, 0, INT64_MAX},    {0, INT64_MIN, INT64_MAX, 0},
    };
    struct mmr_clock_filter f = new_filter();
    struct mmr_site_clock c;
    exchange(&f, NOW, 5 * MMR_NS_PER_S, MS, MS);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        mmr_clock_filter_add(&f, rows[i][0], rows[i][1], rows[i][2], rows[i][3]);
    mmr_clock_filter_glance(&f, INT64_MAX, NOW, true);
    mmr_clock_filter_glance(&f, -1, NOW, true);
    assert_true(mmr_clock_filter_best(&f, &c));
    assert_int_equal(f.n, 1);
    assert_true(c.offset_ns >= -5 * MMR_NS_PER_S - c.error_ns && c.offset_ns <= -5 * MMR_NS_PER_S + c.error_ns);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_best_exchange_counts_and_its_error_holds),
        cmocka_unit_test(a_clock_that_was_set_is_known_with_the_next_exchange),
        cmocka_unit_test(a_slow_exchange_that_agrees_forgets_nothing),
        cmocka_unit_test(a_glance_is_better_than_nothing_and_than_another_boots_clock),
        cmocka_unit_test(lies_and_impossible_times_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
