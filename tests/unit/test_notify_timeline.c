/* The time the 60 minutes are counted in, whatever the wall clock does. */
#include "notify/timeline.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <string.h>

#define S INT64_C(1000000000)
#define MIN (60 * S)
#define DAY (INT64_C(86400) * S)
#define WALL (INT64_C(1767225600) * S)

static void the_wall_set_by_a_day_changes_nothing(void **state)
{
    (void)state;
    static const int64_t jump[] = {DAY, -DAY, 400 * DAY, -WALL + 1, 0};
    for (size_t i = 0; i < sizeof jump / sizeof jump[0]; i++) {
        struct mmr_timeline t = {.boot = ""};
        mmr_timeline_start(&t, "boot-a", 100 * S, WALL);
        assert_int_equal(mmr_timeline_now(&t, 100 * S, WALL), WALL);
        assert_int_equal(mmr_timeline_now(&t, 100 * S + 30 * MIN, WALL + jump[i]), WALL + 30 * MIN);
        mmr_timeline_start(&t, "boot-a", 100 * S + 31 * MIN, WALL + jump[i]); /* the process restarts just then */
        assert_int_equal(mmr_timeline_now(&t, 100 * S + 31 * MIN, WALL + jump[i]), WALL + 31 * MIN);
        /* what another program saw five minutes ago by the clock as it is now */
        assert_int_equal(mmr_timeline_of(&t, WALL + jump[i] - 5 * MIN), WALL + 26 * MIN);
        assert_int_equal(mmr_timeline_wall(&t, WALL + 31 * MIN), WALL + jump[i]);
    }
}

static void a_restart_of_the_machine_adds_the_time_it_was_off(void **state)
{
    (void)state;
    struct mmr_timeline t = {.boot = ""}, u;
    uint8_t bytes[MMR_TIMELINE_PACKED];
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_timeline_start(&t, "boot-a", 100 * S, WALL);
    (void)mmr_timeline_now(&t, 100 * S + 10 * MIN, WALL + 10 * MIN - DAY); /* the wall was set back by a day meanwhile */
    mmr_timeline_pack(&t, bytes);
    memset(&u, 0, sizeof u);
    assert_int_equal(mmr_timeline_unpack(&u, bytes, sizeof bytes, &err), 0);
    mmr_timeline_start(&u, "boot-b", 5 * S, WALL + 30 * MIN - DAY); /* 20 minutes later by that clock */
    assert_int_equal(mmr_timeline_now(&u, 5 * S, WALL + 30 * MIN - DAY), WALL + 30 * MIN);
    memset(&u, 0, sizeof u);
    assert_int_equal(mmr_timeline_unpack(&u, bytes, sizeof bytes, &err), 0);
    mmr_timeline_start(&u, "boot-b", 5 * S, 1000 * S); /* the battery is empty: 1970 */
    assert_int_equal(mmr_timeline_now(&u, 5 * S, 1000 * S), WALL + 10 * MIN);
    assert_int_equal(mmr_timeline_now(&u, 65 * S, WALL + 90 * MIN), WALL + 11 * MIN); /* and the network corrects it */
}

static void it_never_goes_back_and_refuses_damaged_bytes(void **state)
{
    (void)state;
    struct mmr_timeline t = {.boot = ""};
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t bytes[MMR_TIMELINE_PACKED];
    mmr_timeline_start(&t, "boot-a", 100 * S, WALL);
    (void)mmr_timeline_now(&t, 200 * S, WALL + 100 * S);
    assert_int_equal(mmr_timeline_now(&t, 150 * S, WALL), WALL + 100 * S);
    mmr_timeline_start(&t, "boot-a", 50 * S, WALL); /* the id says the same boot, its time says another: a copied disk */
    assert_int_equal(mmr_timeline_now(&t, 50 * S, WALL), WALL + 100 * S);
    assert_int_equal(mmr_timeline_of(&t, WALL + 3 * DAY), WALL + 100 * S); /* what has not come yet is now */
    mmr_timeline_pack(&t, bytes);
    assert_int_equal(mmr_timeline_unpack(&t, bytes, sizeof bytes - 1, &err), MMR_EBADMSG);
    bytes[0] = 9;
    assert_int_equal(mmr_timeline_unpack(&t, bytes, sizeof bytes, &err), MMR_EBADMSG);
    bytes[0] = 1;
    bytes[23] = 0x7f;
    assert_int_equal(mmr_timeline_unpack(&t, bytes, sizeof bytes, &err), MMR_EBADMSG);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(the_wall_set_by_a_day_changes_nothing),
        cmocka_unit_test(a_restart_of_the_machine_adds_the_time_it_was_off),
        cmocka_unit_test(it_never_goes_back_and_refuses_damaged_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
