/* test_upstream_direct.c - the queue of a collector that keeps nothing: order, what a lost outlet had, and the end of its memory. */
#include "upstream/direct_internal.h"
#include "upstream/record.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { GIVEN_MAX = 40000 };

struct fake { /* takes at most room records */
    struct mmr_outlet o;
    uint64_t given[GIVEN_MAX];
    uint32_t n, room, settled;
};
struct world {
    struct mmr_direct d;
    struct fake f;
    int pipe[2];
};

static int submit(struct mmr_outlet *o, const struct mmr_engine_record *r, struct mmr_error *err)
{
    struct fake *f = (struct fake *)(void *)o;
    if (r->len > 1000000)
        return mmr_fail(err, MMR_ETOOBIG, "too long");
    if (f->n == f->room)
        return MMR_EAGAIN;
    f->given[f->n++] = r->number;
    return 0;
}

static int settle(struct mmr_outlet *o, struct mmr_error *err)
{
    (void)err;
    ((struct fake *)(void *)o)->settled++;
    return 0;
}

static void nothing(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    (void)ctx;
}

static const struct mmr_outlet_ops fake_ops = {.name = "fake", .submit = submit, .settle = settle};

static int setup(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    assert_non_null(w);
    assert_int_equal(pipe(w->pipe), 0);
    w->f.o.ops = &fake_ops;
    w->f.o.sink = mmr_direct_sink;
    w->f.o.sink.ctx = &w->d;
    w->f.room = GIVEN_MAX;
    w->d.base = event_base_new();
    w->d.bus_event = event_new(w->d.base, w->pipe[0], EV_READ | EV_PERSIST, nothing, NULL);
    w->d.pump_timer = event_new(w->d.base, -1, 0, nothing, NULL);
    assert_int_equal(event_add(w->d.bus_event, NULL), 0);
    w->d.outlet = &w->f.o;
    *state = w;
    return 0;
}

static int teardown(void **state)
{
    struct world *w = *state;
    mmr_direct_queue_done(&w->d);
    event_free(w->d.bus_event);
    event_free(w->d.pump_timer);
    event_base_free(w->d.base);
    (void)close(w->pipe[0]);
    (void)close(w->pipe[1]);
    free(w);
    return 0;
}

static void push(struct world *w, uint64_t number, bool is_urgent, size_t len)
{
    struct mmr_engine_record r = {.number = number, .is_urgent = is_urgent, .site = "acme.tokyo", .kind = "incident", .len = len};
    char *json = calloc(1, len ? len : 1);
    assert_non_null(json);
    assert_int_equal(mmr_direct_push(&w->d, NULL, is_urgent ? 0 : 2, 0, &r, json), 0);
}

static bool takes(const struct world *w)
{
    return event_pending(w->d.bus_event, EV_READ, NULL) != 0;
}

static void done(struct world *w, uint64_t from, uint64_t to)
{
    for (uint64_t i = from; i <= to; i++)
        w->f.o.sink.done(&w->d, &w->f.o, i);
}

static void urgent_ones_are_given_first_each_once(void **state)
{
    struct world *w = *state;
    for (uint64_t i = 1; i <= 6; i++)
        push(w, i, i % 2 == 0, 10);
    mmr_direct_pump(&w->d);
    mmr_direct_pump(&w->d);
    static const uint64_t want[] = {2, 4, 6, 1, 3, 5};
    assert_int_equal(w->f.n, 6);
    assert_memory_equal(w->f.given, want, sizeof want);
    assert_int_equal(w->f.settled, 1);
    done(w, 1, 6);
    done(w, 1, 6); /* told twice: nothing happens */
    assert_int_equal(w->d.held, 0);
    assert_int_equal(w->d.held_bytes, 0);
}

static void what_a_lost_outlet_had_is_given_again_in_order(void **state)
{
    struct world *w = *state;
    w->f.room = 4;
    for (uint64_t i = 1; i <= 6; i++)
        push(w, i, false, 10);
    mmr_direct_pump(&w->d);
    assert_int_equal(w->f.n, 4);
    done(w, 2, 2); /* out of order: of another site */
    w->f.o.sink.lost(&w->d, &w->f.o);
    w->f.n = 0;
    w->f.room = GIVEN_MAX;
    mmr_direct_pump(&w->d);
    static const uint64_t want[] = {1, 3, 4, 5, 6};
    assert_int_equal(w->f.n, 5);
    assert_memory_equal(w->f.given, want, sizeof want);
}

static void a_record_that_is_never_taken_holds_nobody_up(void **state)
{
    struct world *w = *state;
    push(w, 1, false, 10);
    push(w, 2, false, 1000001);
    push(w, 3, false, 10);
    mmr_direct_pump(&w->d);
    static const uint64_t want[] = {1, 3};
    assert_int_equal(w->f.n, 2);
    assert_memory_equal(w->f.given, want, sizeof want);
    assert_int_equal(w->d.dropped, 1);
    assert_int_equal(w->d.held, 2);
}

static void a_full_one_takes_nothing_more_until_half_is_gone(void **state)
{
    struct world *w = *state;
    w->f.room = MMR_DIRECT_HELD_MAX;
    for (uint64_t i = 1; i < MMR_DIRECT_HELD_MAX; i++)
        push(w, i, false, 1);
    mmr_direct_pump(&w->d);
    assert_true(takes(w));
    push(w, MMR_DIRECT_HELD_MAX, false, 1);
    mmr_direct_pump(&w->d);
    assert_false(takes(w)); /* what is not taken fills the connections, and sites keep it */
    done(w, 1, MMR_DIRECT_HELD_MAX / 2 - 1);
    mmr_direct_pump(&w->d);
    assert_false(takes(w));
    done(w, MMR_DIRECT_HELD_MAX / 2, MMR_DIRECT_HELD_MAX / 2);
    mmr_direct_pump(&w->d);
    assert_true(takes(w));
    w->f.room = 0;
    for (uint64_t i = 0; i < 70; i++)
        push(w, 100000 + i, false, 1000000); /* by bytes as well */
    mmr_direct_pump(&w->d);
    assert_false(takes(w));
}

static void a_record_says_whose_it_is_and_its_id_follows_from_it(void **state)
{
    (void)state;
    static const char sent[] = "{\"class_uid\":2005,\"metadata\":{\"uid\":\"u1\",\"tenant_uid\":\"somebody.else\"}}";
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_engine_record by_row;
    char *json = NULL, site[MMR_COLLECTED_SITE_MAX + 1];
    uint8_t id[16], other[16];
    size_t len = 0;
    assert_int_equal(mmr_record_shape("acme.tokyo", "incident", sent, sizeof sent - 1, &json, &len, &err), 0);
    assert_int_equal(len, strlen("{\"class_uid\":2005,\"metadata\":{\"uid\":\"u1\",\"tenant_uid\":\"acme.tokyo\"}}"));
    assert_memory_equal(json, "{\"class_uid\":2005,\"metadata\":{\"uid\":\"u1\",\"tenant_uid\":\"acme.tokyo\"}}", len);
    mmr_record_id("acme.tokyo", "incident", json, len, id);
    const struct mmr_outbox_row row = {.seq = 5, .kind = "incident", .json = json, .len = len}; /* the same by way of a collector with a store */
    mmr_record_of_row(&row, site, &by_row);
    assert_string_equal(site, "acme.tokyo");
    assert_memory_equal(by_row.id, id, 16);
    mmr_record_id("acme.osaka", "incident", json, len, other);
    assert_memory_not_equal(id, other, 16);
    mmr_record_id("acme.tokyo", "receipt", json, len, other);
    assert_memory_not_equal(id, other, 16);
    free(json);
    static const char *const bad[] = {"", "[]", "{}", "{\"class_uid\":2005}", "{\"class_uid\":\"2005\",\"metadata\":{}}", "{\"class_uid\":2005,\"metadata\":[]}"};
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++)
        if (mmr_record_shape("a.b", "incident", bad[i], strlen(bad[i]), &json, &len, &err) != MMR_EBADMSG)
            fail_msg("taken: %s", bad[i]);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(urgent_ones_are_given_first_each_once, setup, teardown),
        cmocka_unit_test_setup_teardown(what_a_lost_outlet_had_is_given_again_in_order, setup, teardown),
        cmocka_unit_test_setup_teardown(a_record_that_is_never_taken_holds_nobody_up, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_one_takes_nothing_more_until_half_is_gone, setup, teardown),
        cmocka_unit_test(a_record_says_whose_it_is_and_its_id_follows_from_it),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
