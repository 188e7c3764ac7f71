/* The set of records that were taken: what it must remember, when it may forget, and what it costs. */
#include "correlate/seen.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

enum { KEPT = 131072 };

static void knows_what_it_was_given(void **state)
{
    (void)state;
    struct mmr_seen s = {0};
    assert_int_equal(mmr_seen_bytes(&s), 0);
    for (uint64_t k = 0; k < 1000; k++) /* 0 is a content like any other; neighbours and equal low halves, too */
        assert_int_equal(mmr_seen_put(&s, k << 32), 1);
    for (uint64_t k = 0; k < 1000; k++)
        assert_int_equal(mmr_seen_put(&s, k << 32), 0);
    mmr_seen_done(&s);
    assert_int_equal(mmr_seen_put(&s, 7), 1);
    mmr_seen_done(&s);
}

static void remembers_the_latest_and_forgets_the_oldest(void **state)
{
    (void)state;
    struct mmr_seen s = {0};
    const uint64_t step = UINT64_C(0x9e3779b97f4a7c15);
    for (uint64_t k = 1; k <= 3 * KEPT; k++)
        assert_int_equal(mmr_seen_put(&s, k * step), 1);
    const size_t most = mmr_seen_bytes(&s);
    assert_true(most <= (size_t)4 * 2 * KEPT * sizeof(uint64_t));
    for (uint64_t k = 2 * KEPT + 1; k <= 3 * KEPT; k++)
        assert_int_equal(mmr_seen_put(&s, k * step), 0);
    assert_int_equal(mmr_seen_put(&s, 1 * step), 1); /* two generations ago */
    mmr_seen_done(&s);
}

static void what_comes_again_stays_known(void **state)
{
    (void)state;
    struct mmr_seen s = {0};
    assert_int_equal(mmr_seen_put(&s, 42), 1);
    for (uint64_t k = 1000; k < 1000 + 5 * KEPT; k++) {
        assert_int_equal(mmr_seen_put(&s, k), 1);
        if (k % 1000 == 0)
            assert_int_equal(mmr_seen_put(&s, 42), 0);
    }
    mmr_seen_done(&s);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(knows_what_it_was_given),
        cmocka_unit_test(remembers_the_latest_and_forgets_the_oldest),
        cmocka_unit_test(what_comes_again_stays_known),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
