/* Weekly reports out of a real evidence log in a store of its own. */
#include "notify/week_log.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define S INT64_C(1000000000)
#define DAY (86400 * S)
#define MONDAY (INT64_C(1767571200) * S) /* 2026-01-05 00:00 UTC */
static const char *const files[] = {MMR_DB_FILE, MMR_DB_FILE "-wal", MMR_DB_FILE "-shm", "evidence.key", "evidence.pub"};

struct world {
    char dir[64];
    struct mmr_db *db;
    struct mmr_evidence_log *log;
};

static void begin(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(setenv("TZ", "UTC", 1), 0);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mamori-weeklog-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(mmr_db_open(w->dir, MMR_DB_CREATE, &w->db, &err), 0);
    assert_int_equal(mmr_evidence_open(w->db, &w->log, &err), 0);
}

static void end(struct world *w)
{
    char path[128];
    mmr_evidence_close(w->log);
    mmr_db_close(w->db);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
}

static void note(struct world *w, int64_t at_ns, int n, const char *class_, const char *more)
{
    char body[256];
    struct mmr_error err = {.struct_size = sizeof err};
    (void)snprintf(body, sizeof body, "{\"metadata\":{\"uid\":\"00000000-0000-7000-8000-%012d\"},\"unmapped\":{\"mamori\":{\"class\":\"%s\"%s}}}", n, class_, more);
    assert_int_equal(mmr_evidence_append(w->log, "incident.class", at_ns, body, strlen(body), NULL, &err), 0);
}

static void commit(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_db_commit(w->db, &err), 0);
}

static void each_incident_is_in_the_week_that_first_classed_it(void **state)
{
    (void)state;
    struct world w;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_week_log *l = NULL;
    struct mmr_week_report r;
    begin(&w);
    note(&w, MONDAY + 2 * DAY, 1, "pending", "");
    note(&w, MONDAY + 2 * DAY, 2, "defended", "");
    note(&w, MONDAY + 3 * DAY, 9, "severe", ",\"exercise\":true");
    assert_int_equal(mmr_evidence_append(w.log, "receipt", MONDAY + 4 * DAY, "{}", 2, NULL, &err), 0);
    assert_int_equal(mmr_evidence_append(w.log, "incident.class", MONDAY + 4 * DAY, "{\"metadata\"", 11, NULL, &err), 0);
    note(&w, MONDAY + 8 * DAY, 1, "no_response_needed", "");
    note(&w, MONDAY + 8 * DAY, 2, "severe", ""); /* late harm: told at once, but its place in the reports stays */
    note(&w, MONDAY + 20 * DAY, 3, "severe", "");
    commit(&w);
    assert_int_equal(mmr_week_log_read(w.db, MONDAY + 21 * DAY, &l, &err), 0);
    assert_non_null(l);
    assert_int_equal(mmr_week_log_unreadable(l), 1);
    static const struct { const char *uid; uint32_t severe, defended, no_response; } want[] = {
        {"00000000-0000-7000-8000-000000000002", 0, 1, 0}, {"00000000-0000-7000-8000-000000000001", 0, 0, 1},
        {"00000000-0000-7000-8000-000000000003", 1, 0, 0}};
    assert_int_equal(mmr_week_log_week(l)->issued, 3);
    for (uint32_t k = 0; k < 3; k++) {
        assert_int_equal(mmr_week_report(mmr_week_log_week(l), k + 1, MONDAY + 21 * DAY, &r, &err), 0);
        assert_int_equal(r.n_ids, 1);
        assert_string_equal(mmr_week_log_uid(l, r.ids[0]), want[k].uid);
        assert_true(r.severe == want[k].severe && r.defended == want[k].defended && r.no_response == want[k].no_response);
        assert_true(r.from_ns == MONDAY + k * 7 * DAY && r.to_ns == r.from_ns + 7 * DAY);
        free(r.ids);
    }
    mmr_week_log_free(l);
    end(&w);
}

static void an_empty_log_has_no_weeks(void **state)
{
    (void)state;
    struct world w;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_week_log *l = NULL;
    begin(&w);
    assert_int_equal(mmr_week_log_read(w.db, MONDAY, &l, &err), 0);
    assert_null(l);
    mmr_week_log_free(l);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(each_incident_is_in_the_week_that_first_classed_it),
        cmocka_unit_test(an_empty_log_has_no_weeks),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
