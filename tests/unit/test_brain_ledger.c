/* test_brain_ledger.c - a host is acknowledged what the hub has, and never more. */
#include "brain/ledger.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct told {
    uint64_t seq[4][MMR_LEDGER_LANES];
    unsigned calls;
};

static void each(void *ctx, uint32_t slot, uint32_t lane, uint64_t seq)
{
    struct told *t = ctx;
    assert_true(slot < 4 && lane < MMR_LEDGER_LANES);
    t->seq[slot][lane] = seq;
    t->calls++;
}

static void a_slot_is_told_its_own_newest_number(void **state)
{
    (void)state;
    struct mmr_ledger *l;
    struct told t = {0};
    assert_int_equal(mmr_ledger_new(4, 8, &l, NULL), 0);
    assert_int_equal(mmr_ledger_sent(l, 0, 1, 0, 10, 100), 0);
    assert_int_equal(mmr_ledger_sent(l, 0, 2, 3, 77, 100), 0);
    assert_int_equal(mmr_ledger_sent(l, 0, 3, MMR_LEDGER_NONE, 0, 50), 0);
    assert_int_equal(mmr_ledger_sent(l, 0, 4, 0, 11, 100), 0);
    assert_int_equal(mmr_ledger_sent(l, 1, 1, 0, 5, 1), 0);
    assert_int_equal(mmr_ledger_bytes(l), 351);
    mmr_ledger_acked(l, 0, 3, each, &t);
    assert_int_equal(t.calls, 2);
    assert_int_equal(t.seq[0][0], 10); /* 11 is still under way */
    assert_int_equal(t.seq[3][0], 77);
    assert_int_equal(t.seq[0][1], 0); /* the other lane's affair */
    assert_int_equal(mmr_ledger_bytes(l), 101);
    mmr_ledger_acked(l, 0, 4, each, &t);
    assert_int_equal(t.seq[0][0], 11);
    mmr_ledger_acked(l, 0, 4, each, &t); /* said twice: nothing new */
    assert_int_equal(t.calls, 3);
    mmr_ledger_free(l);
}

static void what_is_not_passed_on_waits_for_what_was(void **state)
{
    (void)state;
    struct mmr_ledger *l;
    struct told t = {0};
    assert_int_equal(mmr_ledger_new(4, 8, &l, NULL), 0);
    assert_true(mmr_ledger_done(l, 1, 2, 1)); /* nothing before it: at once */
    assert_int_equal(mmr_ledger_sent(l, 1, 1, 2, 2, 10), 0);
    assert_false(mmr_ledger_done(l, 1, 2, 3));
    assert_false(mmr_ledger_done(l, 1, 2, 4));
    assert_true(mmr_ledger_done(l, 0, 2, 9)); /* the lanes do not wait for each other */
    mmr_ledger_acked(l, 1, 1, each, &t);
    assert_int_equal(t.seq[2][1], 4);
    assert_true(mmr_ledger_done(l, 1, 2, 5));
    mmr_ledger_free(l);
}

static void a_host_that_began_anew_is_not_told_of_the_old_one(void **state)
{
    (void)state;
    struct mmr_ledger *l;
    struct told t = {0};
    assert_int_equal(mmr_ledger_new(4, 8, &l, NULL), 0);
    assert_int_equal(mmr_ledger_sent(l, 0, 1, 1, 500, 10), 0);
    mmr_ledger_renew(l, 1);
    assert_int_equal(mmr_ledger_sent(l, 0, 2, 1, 1, 10), 0);
    mmr_ledger_acked(l, 0, 1, each, &t);
    assert_int_equal(t.calls, 0);
    mmr_ledger_acked(l, 0, 2, each, &t);
    assert_int_equal(t.seq[1][0], 1);
    assert_int_equal(mmr_ledger_bytes(l), 0);
    mmr_ledger_free(l);
}

static void it_is_full_at_its_ceiling_and_goes_round(void **state)
{
    (void)state;
    struct mmr_ledger *l;
    struct told t = {0};
    assert_int_equal(mmr_ledger_new(4, 3, &l, NULL), 0);
    uint64_t hub = 0, own = 0;
    for (unsigned round = 0; round < 10; round++) {
        while (mmr_ledger_has_room(l, 0)) {
            hub++;
            own++;
            assert_int_equal(mmr_ledger_sent(l, 0, hub, 0, own, 7), 0);
        }
        assert_int_equal(mmr_ledger_sent(l, 0, hub + 1, 0, own + 1, 7), MMR_EAGAIN);
        assert_int_equal(mmr_ledger_bytes(l), 21);
        mmr_ledger_acked(l, 0, hub - 1, each, &t);
        assert_int_equal(t.seq[0][0], own - 1);
        assert_int_equal(mmr_ledger_bytes(l), 7);
    }
    mmr_ledger_acked(l, 0, UINT64_MAX, each, &t); /* a hub that claims more than was sent */
    assert_int_equal(t.seq[0][0], own);
    assert_int_equal(mmr_ledger_bytes(l), 0);
    mmr_ledger_free(l);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_slot_is_told_its_own_newest_number),
        cmocka_unit_test(what_is_not_passed_on_waits_for_what_was),
        cmocka_unit_test(a_host_that_began_anew_is_not_told_of_the_old_one),
        cmocka_unit_test(it_is_full_at_its_ceiling_and_goes_round),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
