/* test_brain_selftest.c - capabilities try themselves at the start, each month, each hour while they fail; what came out outlives the brain. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "brain/selftest.h"
#include "plugin/describe.h"
#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

#define S MMR_NS_PER_S
#define HOUR (3600 * S)
#define DAY (24 * HOUR)

struct world {
    struct mmr_roster roster;
    struct mmr_selftest t;
    uint64_t ordered; /* the last dry run's id; 0: none since it was looked at */
    bool is_cut;
};

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    (void)snprintf(w->roster.node, sizeof w->roster.node, "hub");
    w->roster.slot[0].is_up = true;
    w->roster.slot[0].instance = calloc(MMR_LOCAL_INSTANCES_MAX, sizeof *w->roster.slot[0].instance);
    assert_non_null(w->roster.slot[0].instance);
    struct mmr_roster_instance *x = &w->roster.slot[0].instance[0];
    *x = (struct mmr_roster_instance){.is_used = true, .side = MMR_SIDE_NETWORK, .roles = MMR_ROLE_RESPONDER, .name = "nft", .plugin = "org.mamori.nft", .actions = "block.addr"};
}

static void end(struct world *w)
{
    free(w->roster.slot[0].instance);
}

static bool order(void *ctx, const struct mmr_action_rec *a, unsigned flags)
{
    struct world *w = ctx;
    assert_int_equal(flags, MMR_ACT_DRY_RUN); /* nothing is ever changed */
    assert_int_equal(a->verb, MMR_VERB_BLOCK_ADDR);
    if (w->is_cut)
        return false;
    w->ordered = a->id;
    return true;
}

/* A turn of the loop at that time: was it tried? */
static bool turn(struct world *w, int64_t now_ns)
{
    w->ordered = 0;
    mmr_selftest_run(&w->t, &w->roster, order, w, now_ns);
    mmr_selftest_tick(&w->t, now_ns);
    return w->ordered != 0;
}

static void answer(struct world *w, bool is_good)
{
    const struct mmr_receipt r = {.is_dry_run = is_good, .result = is_good ? MMR_RESULT_APPLIED : MMR_RESULT_FAILED, .detail = "what it said"};
    assert_true(mmr_selftest_receipt(&w->t, w->ordered, &r));
}

static void tried_at_the_start_monthly_and_hourly_while_it_fails(void **state)
{
    (void)state;
    struct world w;
    int64_t now = mmr_clock_wall_ns();
    begin(&w);
    w.is_cut = true;
    assert_false(turn(&w, now)); /* not connected: at the next turn */
    w.is_cut = false;
    assert_true(turn(&w, now));
    assert_int_equal(w.t.row[0].result, MMR_SELFTEST_OPEN);
    answer(&w, true);
    assert_int_equal(w.t.row[0].result, MMR_SELFTEST_PASSED);
    assert_true(w.t.row[0].passed_ns >= now && w.t.row[0].is_news);
    assert_false(turn(&w, now + 29 * DAY));
    assert_true(turn(&w, now + 30 * DAY + S));
    assert_int_equal(w.t.row[0].result, MMR_SELFTEST_PASSED); /* until the answer is there */
    assert_false(turn(&w, now + 30 * DAY + 2 * S)); /* under way */
    assert_false(turn(&w, now + 30 * DAY + 7 * S)); /* no answer in five seconds */
    assert_int_equal(w.t.row[0].result, MMR_SELFTEST_FAILED);
    assert_true(w.t.row[0].passed_ns > 0); /* when it last passed is still known */
    assert_false(turn(&w, now + 30 * DAY + HOUR - S));
    assert_true(turn(&w, now + 30 * DAY + HOUR + 10 * S));
    answer(&w, false);
    assert_int_equal(w.t.row[0].result, MMR_SELFTEST_FAILED);
    assert_string_equal(w.t.row[0].detail, "what it said");
    assert_true(turn(&w, now - DAY - HOUR)); /* the wall clock was set back */
    assert_int_equal(w.t.n, 1);
    end(&w);
}

static void what_came_out_outlives_the_brain(void **state)
{
    (void)state;
    struct world a, b;
    char key[64], other[64];
    int64_t now = mmr_clock_wall_ns();
    begin(&a);
    begin(&b);
    assert_true(turn(&a, now));
    answer(&a, true);
    struct mmr_selftest_row *x = &a.t.row[0];
    assert_true(mmr_selftest_note(x));
    assert_false(mmr_selftest_note(x)); /* told */
    char *json = mmr_selftest_pack(x, key);
    assert_non_null(json);
    assert_true(mmr_selftest_unpack(&b.t, json, strlen(json)));
    assert_int_equal(b.t.n, 1);
    assert_int_equal(b.t.row[0].result, MMR_SELFTEST_PASSED);
    assert_int_equal(b.t.row[0].passed_ns, x->passed_ns);
    assert_int_equal(b.t.row[0].sent_ns, 0); /* not tried since this start, */
    assert_true(turn(&b, now + S));          /* so it is tried now */
    answer(&b, true);
    assert_false(mmr_selftest_note(&b.t.row[0])); /* the same, within the day: no news for the log */
    b.ordered = 0;
    assert_true(turn(&b, now + 31 * DAY));
    answer(&b, false);
    assert_true(mmr_selftest_note(&b.t.row[0]));
    char *again = mmr_selftest_pack(&b.t.row[0], other);
    assert_string_equal(key, other); /* in the same place */
    static const char *const bad[] = {"", "{", "[]", "{\"instance\":\"x\"}", "{\"instance\":\"x\",\"node\":\"n\",\"what\":\"something else\"}", "{\"instance\":5,\"what\":\"sees a packet leave\"}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        assert_false(mmr_selftest_unpack(&b.t, bad[i], strlen(bad[i])));
    assert_int_equal(b.t.n, 1);
    free(json);
    free(again);
    end(&a);
    end(&b);
}

static void rows_of_what_left_make_room(void **state)
{
    (void)state;
    struct world w;
    begin(&w);
    for (int i = 0; i < MMR_SELFTEST_MAX; i++) {
        char json[160];
        (void)snprintf(json, sizeof json, "{\"node\":\"old\",\"instance\":\"i%d\",\"what\":\"sees a packet leave\",\"result\":\"failed\"}", i);
        assert_true(mmr_selftest_unpack(&w.t, json, strlen(json)));
    }
    assert_int_equal(w.t.n, MMR_SELFTEST_MAX);
    assert_true(turn(&w, mmr_clock_wall_ns()));
    assert_int_equal(w.t.n, MMR_SELFTEST_MAX);
    answer(&w, true);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(tried_at_the_start_monthly_and_hourly_while_it_fails),
        cmocka_unit_test(what_came_out_outlives_the_brain),
        cmocka_unit_test(rows_of_what_left_make_room),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
