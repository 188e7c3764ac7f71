/* Weekly reports: SR-23 (each in exactly one, in time, also when nothing happened) and the share of watched time (SR-20). */
#include "notify/week.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>
#include <string.h>

#define S INT64_C(1000000000)
#define MIN (60 * S)
#define HOUR (60 * MIN)
#define DAY (24 * HOUR)
#define MONDAY (INT64_C(1767571200) * S) /* 2026-01-05 00:00 UTC */
enum { INCIDENTS = 40, DAYS = 15 };

static void reload(struct mmr_week *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t *bytes = NULL;
    size_t len = 0;
    assert_int_equal(mmr_week_pack(w, &bytes, &len, &err), 0);
    mmr_week_done(w);
    assert_int_equal(mmr_week_unpack(w, bytes, len, &err), 0);
    free(bytes);
}

static uint64_t id_of(int i)
{
    return (uint64_t)(i + 1) * UINT64_C(0x9e3779b97f4a7c15); /* as ids are: in no order */
}

/* 40 mixed incidents over 15 days, every change told several times, a restart each hour. */
static void forty_incidents_are_each_in_one_report_in_time(void **state)
{
    (void)state;
    struct mmr_week w;
    struct mmr_error err = {.struct_size = sizeof err};
    int seen[INCIDENTS] = {0};
    uint32_t total = 0, severe = 0, by_class[4] = {0};
    mmr_week_init(&w, MONDAY);
    for (int64_t now = MONDAY; now < MONDAY + (DAYS + 8) * DAY; now += HOUR) {
        for (int i = 0; i < INCIDENTS; i++) {
            int64_t classed = MONDAY + i * (DAYS * DAY / INCIDENTS) + 7 * MIN;
            enum mmr_class class_ = (enum mmr_class)(1 + i % 3);
            if (now < classed || now > classed + 9 * DAY) /* an open incident changes again and again, also after its report */
                continue;
            assert_int_equal(mmr_week_put(&w, id_of(i), MMR_CLASS_OF_PENDING, false, classed, &err), 0);
            assert_int_equal(mmr_week_put(&w, id_of(i), class_, false, classed, &err), 0);
        }
        assert_int_equal(mmr_week_put(&w, 4242, MMR_CLASS_OF_DEFENDED, true, now, &err), 0); /* an exercise is nowhere */
        uint32_t before = w.issued, n = mmr_week_issue(&w, now);
        reload(&w);
        for (uint32_t k = before + 1; k <= before + n; k++) {
            struct mmr_week_report r;
            assert_int_equal(mmr_week_report(&w, k, now, &r, &err), 0);
            assert_int_equal(r.n_ids, r.severe + r.defended + r.no_response);
            total += r.n_ids;
            severe += r.severe;
            for (uint32_t x = 0; x < r.n_ids; x++)
                for (int i = 0; i < INCIDENTS; i++)
                    if (r.ids[x] == id_of(i)) {
                        seen[i]++;
                        assert_true(now - (MONDAY + i * (DAYS * DAY / INCIDENTS) + 7 * MIN) <= MMR_WEEK_NS + MMR_WEEK_GRACE_NS);
                    }
            free(r.ids);
        }
    }
    for (int i = 0; i < INCIDENTS; i++) {
        by_class[1 + i % 3]++;
        if (seen[i] != 1)
            fail_msg("incident %d is in %d reports", i, seen[i]);
    }
    assert_int_equal(total, INCIDENTS);
    assert_int_equal(severe, by_class[MMR_CLASS_OF_SEVERE]);
    assert_int_equal(w.issued, 3);
    mmr_week_done(&w);
}

static void a_quiet_week_and_weeks_without_power_have_reports(void **state)
{
    (void)state;
    struct mmr_week w;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_week_report r;
    mmr_week_init(&w, MONDAY);
    assert_int_equal(mmr_week_due(&w), MONDAY + 7 * DAY);
    assert_int_equal(mmr_week_issue(&w, MONDAY + 7 * DAY - 1), 0);
    assert_int_equal(mmr_week_issue(&w, MONDAY + 7 * DAY), 1);
    assert_int_equal(mmr_week_report(&w, 1, MONDAY + 7 * DAY, &r, &err), 0);
    assert_true(r.n_ids == 0 && r.watch_permille == 1000 && r.to_ns == MONDAY + 7 * DAY);
    free(r.ids);
    assert_int_equal(mmr_week_put(&w, 5, MMR_CLASS_OF_DEFENDED, false, MONDAY + 8 * DAY, &err), 0);
    assert_int_equal(mmr_week_issue(&w, MONDAY + 29 * DAY), 3); /* off for three weeks */
    assert_int_equal(mmr_week_report(&w, 2, MONDAY + 29 * DAY, &r, &err), 0);
    assert_int_equal(r.n_ids, 1);
    free(r.ids);
    assert_true(mmr_week_needs_call(&w)); /* nothing is known to have arrived */
    mmr_week_delivered(&w, true);
    assert_false(mmr_week_needs_call(&w));
    assert_int_equal(mmr_week_put(&w, 6, MMR_CLASS_OF_DEFENDED, false, MONDAY + 9 * DAY, &err), 0); /* told two weeks late */
    assert_int_equal(mmr_week_issue(&w, MONDAY + 35 * DAY), 1);
    assert_int_equal(mmr_week_report(&w, 5, MONDAY + 35 * DAY, &r, &err), 0);
    assert_true(r.n_ids == 1 && r.ids[0] == 6 && r.late == 1);
    free(r.ids);
    assert_int_equal(mmr_week_report(&w, 6, MONDAY + 35 * DAY, &r, &err), MMR_ENOENT);
    mmr_week_done(&w);
}

static void a_class_may_rise_until_it_is_reported(void **state)
{
    (void)state;
    struct mmr_week w;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_week_report r;
    mmr_week_init(&w, MONDAY);
    assert_int_equal(mmr_week_put(&w, 1, MMR_CLASS_OF_DEFENDED, false, MONDAY + DAY, &err), 0);
    assert_int_equal(mmr_week_put(&w, 1, MMR_CLASS_OF_SEVERE, false, MONDAY + 2 * DAY, &err), 0);
    assert_int_equal(mmr_week_put(&w, 1, MMR_CLASS_OF_DEFENDED, false, MONDAY + 3 * DAY, &err), 0);
    (void)mmr_week_issue(&w, MONDAY + 7 * DAY);
    assert_int_equal(mmr_week_report(&w, 1, MONDAY + 7 * DAY, &r, &err), 0);
    assert_true(r.severe == 1 && r.defended == 0);
    free(r.ids);
    mmr_week_done(&w);
}

static void gaps_take_their_share_once(void **state)
{
    (void)state;
    struct mmr_week w;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_week_report r;
    mmr_week_init(&w, MONDAY);
    assert_int_equal(mmr_week_gap(&w, MONDAY + 10 * HOUR, MONDAY + 20 * HOUR, &err), 0);
    assert_int_equal(mmr_week_gap(&w, MONDAY + 15 * HOUR, 0, &err), 0); /* another sensor's, open */
    reload(&w);
    assert_int_equal(mmr_week_gap(&w, MONDAY - 5 * HOUR, MONDAY + 2 * HOUR, &err), 0); /* 2 hours of this week */
    assert_int_equal(mmr_week_gap(&w, MONDAY + 5 * HOUR, MONDAY + 4 * HOUR, &err), MMR_EINVAL);
    (void)mmr_week_issue(&w, MONDAY + 7 * DAY);
    assert_int_equal(mmr_week_report(&w, 1, MONDAY + 40 * HOUR, &r, &err), 0);
    assert_int_equal(r.watch_permille, 1000 * (168 - 30 - 2) / 168); /* 10 h to 40 h, and 2 h */
    free(r.ids);
    mmr_week_done(&w);
    mmr_week_init(&w, MONDAY);
    assert_int_equal(mmr_week_gap(&w, MONDAY + 10 * HOUR, 0, &err), 0);
    assert_int_equal(mmr_week_gap(&w, MONDAY + 10 * HOUR, MONDAY + 10 * HOUR + 20 * MIN, &err), 0); /* it ended */
    for (int i = 0; i < 3000; i++) /* a link that comes and goes: bounded, and never less than was lost */
        assert_int_equal(mmr_week_gap(&w, MONDAY + DAY + i * 2 * MIN, MONDAY + DAY + (i * 2 + 1) * MIN, &err), 0);
    assert_int_equal(w.n_gaps, MMR_WEEK_GAPS_MAX);
    (void)mmr_week_issue(&w, MONDAY + 7 * DAY);
    assert_int_equal(mmr_week_report(&w, 1, MONDAY + 7 * DAY, &r, &err), 0);
    assert_true(r.watch_permille <= 1000 - 1000 * (50 + 0) / 168);
    free(r.ids);
    mmr_week_done(&w);
}

static void damaged_bytes_are_refused(void **state)
{
    (void)state;
    struct mmr_week w, x;
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t *bytes = NULL;
    size_t len = 0;
    mmr_week_init(&w, MONDAY);
    for (uint64_t id = 1; id < 6; id++)
        assert_int_equal(mmr_week_put(&w, id, MMR_CLASS_OF_DEFENDED, false, MONDAY, &err), 0);
    assert_int_equal(mmr_week_gap(&w, MONDAY, MONDAY + DAY, &err), 0);
    assert_int_equal(mmr_week_pack(&w, &bytes, &len, &err), 0);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(mmr_week_unpack(&x, bytes, cut, &err), MMR_EBADMSG);
    for (size_t at = 0; at < len; at++) {
        bytes[at] ^= 0x80;
        if (mmr_week_unpack(&x, bytes, len, &err) == 0)
            mmr_week_done(&x);
        bytes[at] ^= 0x80;
    }
    free(bytes);
    mmr_week_done(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(forty_incidents_are_each_in_one_report_in_time),
        cmocka_unit_test(a_quiet_week_and_weeks_without_power_have_reports),
        cmocka_unit_test(a_class_may_rise_until_it_is_reported),
        cmocka_unit_test(gaps_take_their_share_once),
        cmocka_unit_test(damaged_bytes_are_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
