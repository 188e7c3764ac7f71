/* What telemetry says about a span of time: gaps, other people's files, bytes that left. */
#include "brain/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#define T0 (INT64_C(1700000000) * 1000000000)

static void tell(struct mmr_watch *w, const char *kind, int64_t at, const char *path, const char *old_path, int64_t bytes)
{
    static uint8_t buf[4096];
    static struct mmr_event_view view;
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, kind, 1001, 1, at, 1);
    mmr_event_str(&ev, "device.hostname", "pc1");
    mmr_event_str(&ev, "file.path", path);
    mmr_event_str(&ev, "unmapped.OldPath", old_path);
    mmr_event_int(&ev, "traffic.bytes_out", bytes);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_event_read(buf, ev.len, &view, NULL), 0);
    mmr_watch_event(w, "pc1", &view);
}

static struct mmr_window look(struct mmr_watch *w, int64_t from, int64_t to)
{
    struct mmr_window r;
    assert_true(mmr_watch_window(w, "PC1", from, to, &r));
    return r;
}

static void an_own_new_file_is_nobody_elses(void **state)
{
    (void)state;
    struct mmr_watch *w = mmr_watch_new(NULL);
    assert_non_null(w);
    (void)mmr_watch_up(w, "pc1", 0, T0, NULL);
    tell(w, "file.create", T0 + 10, "/tmp/x", NULL, 0);
    tell(w, "file.change", T0 + 11, "/tmp/x", NULL, 0);
    tell(w, "file.rename", T0 + 12, "/tmp/y", "/tmp/x", 0);
    tell(w, "file.delete", T0 + 13, "/tmp/y", NULL, 0);
    struct mmr_window r = look(w, T0 + 5, T0 + 20);
    assert_true(r.is_gap_free);
    assert_false(r.others_files_changed);
    r = look(w, T0 + 11, T0 + 20); /* made before the attack began: somebody's */
    assert_true(r.others_files_changed);
    mmr_watch_free(w);
}

static void a_file_that_was_there_is_somebodys(void **state)
{
    static const char *const kinds[] = {"file.change", "file.delete", "file.rename"};
    (void)state;
    for (size_t i = 0; i < 3; i++) {
        struct mmr_watch *w = mmr_watch_new(NULL);
        assert_non_null(w);
        (void)mmr_watch_up(w, "pc1", 0, T0, NULL);
        tell(w, kinds[i], T0 + 11, "/home/a/b.ods", "/home/a/a.ods", 0);
        if (!look(w, T0 + 5, T0 + 20).others_files_changed)
            fail_msg("%s of a file that was there before is not seen", kinds[i]);
        assert_false(look(w, T0 + 12, T0 + 20).others_files_changed);
        mmr_watch_free(w);
    }
}

static void births_that_are_forgotten_count_as_somebodys(void **state)
{
    char path[32];
    (void)state;
    struct mmr_watch *w = mmr_watch_new(NULL);
    assert_non_null(w);
    (void)mmr_watch_up(w, "pc1", 0, T0, NULL);
    tell(w, "file.create", T0 + 1, "/tmp/first", NULL, 0);
    for (int i = 0; i < MMR_WATCH_BIRTHS_MAX; i++) {
        (void)snprintf(path, sizeof path, "/tmp/%d", i);
        tell(w, "file.create", T0 + 2, path, NULL, 0);
    }
    tell(w, "file.change", T0 + 3, "/tmp/first", NULL, 0);
    assert_true(look(w, T0, T0 + 9).others_files_changed);
    mmr_watch_free(w);
}

static void gaps_and_sent_bytes(void **state)
{
    (void)state;
    struct mmr_watch *w = mmr_watch_new(NULL);
    assert_non_null(w);
    (void)mmr_watch_up(w, "pc1", 0, T0, NULL);
    tell(w, "conn.close", T0 + 10, NULL, NULL, MMR_WATCH_SENT_MAX);
    assert_false(look(w, T0 + 5, T0 + 20).data_sent);
    tell(w, "conn.close", T0 + 11, NULL, NULL, 1);
    assert_true(look(w, T0 + 5, T0 + 20).data_sent);
    assert_false(look(w, T0 - 1, T0 + 20).is_gap_free); /* before anybody watched */
    tell(w, "sensor.drops", T0 + 12, NULL, NULL, 0);
    assert_false(look(w, T0 + 5, T0 + 20).is_gap_free);
    assert_true(look(w, T0 + 5, T0 + 20).is_blind);
    assert_true(look(w, T0 + 13, T0 + 20).is_gap_free);
    mmr_watch_gap(w, "pc1", "proc", MMR_BLIND_LOST, T0 + 14);
    assert_false(look(w, T0 + 13, T0 + 20).is_gap_free);
    assert_int_equal(look(w, T0 + 13, T0 + 20).blind_to_ns, INT64_MAX);
    assert_true(look(w, T0 + 13, T0 + 13).is_gap_free);
    mmr_watch_gap_end(w, "pc1", "proc", T0 + 16, true);
    assert_false(look(w, T0 + 15, T0 + 20).is_gap_free);
    assert_true(look(w, T0 + 17, T0 + 20).is_gap_free);
    mmr_watch_free(w);
}

/* What was lost on its way, or a machine that is off, hides no success of an attempt; but nothing is shown clean by it. */
static void what_leaves_no_sensor_blind(void **state)
{
    struct mmr_window r;
    (void)state;
    struct mmr_watch *w = mmr_watch_new(NULL);
    assert_non_null(w);
    (void)mmr_watch_up(w, "pc1", 0, T0, NULL);
    tell(w, "events.lost", T0 + 12, NULL, NULL, 0);
    r = look(w, T0 + 5, T0 + 20);
    assert_false(r.is_gap_free);
    assert_false(r.is_blind);
    mmr_watch_gap(w, "pc1", "link", MMR_BLIND_OFF, T0 + 30);
    r = look(w, T0 + 25, T0 + 40);
    assert_false(r.is_gap_free);
    assert_false(r.is_blind);
    mmr_watch_free(w);
}

struct kept {
    uint8_t bytes[MMR_GAPS_BYTES_MAX];
    size_t len, times, over;
};

static void keep(void *ctx, const char *host, const void *packed, size_t len)
{
    struct kept *k = ctx;
    assert_string_equal(host, "pc1");
    assert_true(len <= sizeof k->bytes);
    memcpy(k->bytes, packed, len);
    k->len = len;
    k->times++;
}

static void over(void *ctx, const char *host, const struct mmr_blind *g)
{
    struct kept *k = ctx;
    assert_string_equal(host, "pc1");
    assert_true(g->to_ns >= g->from_ns);
    k->over++;
}

/* The brain may be killed at any instant: the gaps of before count after it, the hints of before are forgotten. */
static void gaps_outlive_the_brain(void **state)
{
    static const uint8_t run_1[16] = {1}, run_2[16] = {2};
    struct kept k = {.len = 0};
    const struct mmr_watch_ops ops = {.keep = keep, .over = over, .ctx = &k};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_window r;
    (void)state;
    struct mmr_watch *w = mmr_watch_new(&ops);
    assert_non_null(w);
    assert_false(mmr_watch_up(w, "PC1", T0 - 5, T0, run_1)); /* never heard of before */
    assert_true(mmr_watch_take_news(w));
    assert_false(mmr_watch_take_news(w));
    assert_true(mmr_watch_up(w, "pc1", 0, T0 + 1, run_1));
    mmr_watch_gap(w, "pc1", "endpoint", MMR_BLIND_LOST, T0 + 100);
    mmr_watch_gap_end(w, "pc1", "endpoint", T0 + 110, true);
    mmr_watch_gap(w, "pc1", "files", MMR_BLIND_LOST, T0 + 300);
    assert_int_equal(k.over, 1);
    mmr_watch_free(w); /* killed */

    w = mmr_watch_new(&ops);
    assert_non_null(w);
    assert_int_equal(mmr_watch_restore(w, "pc1", k.bytes, k.len, T0 + 500, &err), 0);
    r = look(w, T0 - 3, T0 - 2);
    assert_true(r.is_blind); /* not ready yet */
    assert_string_equal(r.blind_why, "starting");
    assert_true(look(w, T0 + 105, T0 + 106).is_blind);
    assert_false(look(w, T0 + 200, T0 + 210).is_blind);
    assert_false(look(w, T0 + 200, T0 + 210).is_gap_free); /* its hints are forgotten */
    assert_true(look(w, T0 + 400, T0 + 410).is_blind);     /* still open */
    mmr_watch_gap_end(w, "pc1", "files", T0 + 510, true);
    assert_true(look(w, T0 + 511, T0 + 520).is_gap_free);
    /* the brain was away, but the same run of its sensors is back: nothing was missed */
    mmr_watch_gap(w, "pc1", "core", MMR_BLIND_STARTING, T0 + 600);
    assert_true(look(w, T0 + 605, T0 + 610).is_blind);
    assert_true(mmr_watch_up(w, "pc1", 0, T0 + 620, run_1));
    mmr_watch_gap_end(w, "pc1", "core", T0 + 620, false);
    assert_false(look(w, T0 + 605, T0 + 610).is_blind);
    assert_false(mmr_watch_up(w, "pc1", 0, T0 + 630, run_2));
    mmr_watch_free(w);
}

static void what_was_kept_is_read_with_care(void **state)
{
    struct mmr_gaps g = {.known_ns = T0}, back;
    uint8_t bytes[MMR_GAPS_BYTES_MAX], bad[MMR_GAPS_BYTES_MAX];
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_blind found;
    (void)state;
    for (int i = 0; i < 3 * MMR_GAPS_CLOSED_MAX; i++)
        mmr_gaps_add(&g, MMR_BLIND_LOST, T0 + i * 60 * INT64_C(1000000000), T0 + i * 60 * INT64_C(1000000000) + 9);
    mmr_gaps_begin(&g, "x", MMR_BLIND_SILENT, T0 + INT64_C(900000000000000));
    size_t len = mmr_gaps_pack(&g, bytes);
    assert_int_equal(mmr_gaps_unpack(bytes, len, &back, &err), 0);
    assert_int_equal(back.n_closed, MMR_GAPS_CLOSED_MAX);
    assert_true(mmr_gaps_end(&back, "x", T0 + INT64_C(900000000000001), true, &found)); /* by the same reason */
    assert_true(mmr_gaps_find(&back, T0, T0 + 1, false, &found)); /* let go for room: unknown, which is a gap */
    assert_int_equal(found.cause, MMR_BLIND_FORGOTTEN);
    for (size_t cut = 0; cut < len; cut++)
        assert_int_equal(mmr_gaps_unpack(bytes, cut, &back, &err), MMR_EBADMSG);
    for (size_t at = 0; at < 16; at++) {
        memcpy(bad, bytes, len);
        bad[at] ^= 0xff;
        assert_int_equal(mmr_gaps_unpack(bad, len, &back, &err), MMR_EBADMSG);
        assert_int_equal(back.n_open + back.n_closed, 0);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_own_new_file_is_nobody_elses),
        cmocka_unit_test(a_file_that_was_there_is_somebodys),
        cmocka_unit_test(births_that_are_forgotten_count_as_somebodys),
        cmocka_unit_test(gaps_and_sent_bytes),
        cmocka_unit_test(what_leaves_no_sensor_blind),
        cmocka_unit_test(gaps_outlive_the_brain),
        cmocka_unit_test(what_was_kept_is_read_with_care),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
