/* Orders to take back: each is remembered once, for as long as there is room, and a hub that runs for months keeps room. */
#include "brain/undone.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <string.h>

static struct mmr_undone u;

static void an_order_is_answered_once(void **state)
{
    (void)state;
    memset(&u, 0, sizeof u);
    mmr_undone_put(&u, 7);
    mmr_undone_put(&u, 7); /* asked again: the responder was away */
    assert_int_equal(u.n, 1);
    assert_true(mmr_undone_take(&u, 7));
    assert_false(mmr_undone_take(&u, 7));
    assert_int_equal(u.n, 0);
}

static void orders_nobody_answers_take_no_room_from_those_that_are(void **state)
{
    (void)state;
    memset(&u, 0, sizeof u);
    for (uint64_t id = 1; id <= 3 * MMR_UNDONE_MAX; id++)
        mmr_undone_put(&u, id);
    assert_int_equal(u.n, MMR_UNDONE_MAX);
    assert_true(mmr_undone_take(&u, 3 * MMR_UNDONE_MAX)); /* the newest */
    assert_true(mmr_undone_take(&u, 2 * MMR_UNDONE_MAX + 1)); /* the oldest that is kept */
    assert_false(mmr_undone_take(&u, 2 * MMR_UNDONE_MAX));
    mmr_undone_put(&u, 2 * MMR_UNDONE_MAX + 2); /* again: it is the newest now, and the last to go */
    for (uint64_t id = 1; id < MMR_UNDONE_MAX; id++)
        mmr_undone_put(&u, 10 * MMR_UNDONE_MAX + id);
    assert_true(mmr_undone_take(&u, 2 * MMR_UNDONE_MAX + 2));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_order_is_answered_once),
        cmocka_unit_test(orders_nobody_answers_take_no_room_from_those_that_are),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
