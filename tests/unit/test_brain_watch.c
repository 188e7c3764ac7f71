/* What telemetry says about a span of time: gaps, other people's files, bytes that left. */
#include "brain/watch.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>

enum { T0 = 1000000 };

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
    struct mmr_watch *w = mmr_watch_new();
    assert_non_null(w);
    mmr_watch_up(w, "pc1", T0);
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
        struct mmr_watch *w = mmr_watch_new();
        assert_non_null(w);
        mmr_watch_up(w, "pc1", T0);
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
    struct mmr_watch *w = mmr_watch_new();
    assert_non_null(w);
    mmr_watch_up(w, "pc1", T0);
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
    struct mmr_watch *w = mmr_watch_new();
    assert_non_null(w);
    mmr_watch_up(w, "pc1", T0);
    tell(w, "conn.close", T0 + 10, NULL, NULL, MMR_WATCH_SENT_MAX);
    assert_false(look(w, T0 + 5, T0 + 20).data_sent);
    tell(w, "conn.close", T0 + 11, NULL, NULL, 1);
    assert_true(look(w, T0 + 5, T0 + 20).data_sent);
    assert_false(look(w, T0 - 1, T0 + 20).is_gap_free); /* before anybody watched */
    tell(w, "sensor.drops", T0 + 12, NULL, NULL, 0);
    assert_false(look(w, T0 + 5, T0 + 20).is_gap_free);
    assert_true(look(w, T0 + 13, T0 + 20).is_gap_free);
    mmr_watch_gap(w, "pc1", T0 + 14);
    assert_false(look(w, T0 + 13, T0 + 20).is_gap_free);
    mmr_watch_free(w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_own_new_file_is_nobody_elses),
        cmocka_unit_test(a_file_that_was_there_is_somebodys),
        cmocka_unit_test(births_that_are_forgotten_count_as_somebodys),
        cmocka_unit_test(gaps_and_sent_bytes),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
