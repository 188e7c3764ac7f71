/* What the brain keeps until a commit carried it: through a disk that refuses, and without growing for ever. */
#include "brain/persist.h"

#include "util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#define T0 (INT64_C(1700000000) * MMR_NS_PER_S)

struct world {
    char dir[64];
    struct mmr_persist *p;
    struct mmr_error err;
};

static void open_world(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->err.struct_size = sizeof w->err;
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mmr-persist-XXXXXX");
    assert_non_null(mkdtemp(w->dir));
    assert_int_equal(mmr_persist_open(w->dir, &w->p, &w->err), 0);
}

static void close_world(struct world *w)
{
    static const char *const files[] = {"mamori.db", "mamori.db-wal", "mamori.db-shm", "evidence.key", "evidence.pub"};
    mmr_persist_close(w->p);
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++) {
        char path[128];
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, files[i]);
        (void)unlink(path);
    }
    assert_int_equal(rmdir(w->dir), 0);
}

static int count_one(void *ctx, uint64_t seq, int64_t time_ns, const char *kind, const void *body, size_t len)
{
    (void)seq;
    (void)time_ns;
    (void)body;
    (void)len;
    *(unsigned *)ctx += strcmp(kind, "a.note") == 0;
    return 0;
}

static unsigned notes(struct world *w)
{
    unsigned n = 0;
    assert_int_equal(mmr_evidence_each(mmr_persist_db(w->p), 1, count_one, &n, &w->err), 0);
    return n;
}

static void what_no_disk_takes_does_not_hold_up_what_waited_with_it(void **state)
{
    struct world w;
    char path[128];
    sqlite3 *other = NULL;
    char *huge = malloc(MMR_EVIDENCE_BODY_MAX + 2);
    (void)state;
    open_world(&w);
    assert_non_null(huge);
    memset(huge, 'x', MMR_EVIDENCE_BODY_MAX + 1);
    huge[MMR_EVIDENCE_BODY_MAX + 1] = '\0';
    assert_int_equal(mmr_persist_note(w.p, "a.note", huge, T0, &w.err), MMR_ETOOBIG); /* while all is well it is refused at once */
    assert_int_equal(mmr_persist_commit(w.p, T0, &w.err), 0);

    (void)snprintf(path, sizeof path, "%s/mamori.db", w.dir);
    assert_int_equal(sqlite3_open(path, &other), SQLITE_OK);
    assert_int_equal(sqlite3_exec(other, "BEGIN IMMEDIATE", NULL, NULL, NULL), SQLITE_OK); /* nobody else can write */
    assert_int_equal(mmr_persist_note(w.p, "a.note", "1", T0, &w.err), 0);
    assert_true(mmr_persist_health(w.p)->is_failing);
    assert_int_equal(mmr_persist_note(w.p, "a.note", "2", T0, &w.err), 0);
    (void)mmr_persist_note(w.p, "a.note", huge, T0, &w.err);
    assert_int_equal(mmr_persist_note(w.p, "a.note", "3", T0, &w.err), 0);
    assert_int_not_equal(mmr_persist_retry(w.p, &w.err), 0);

    assert_int_equal(sqlite3_exec(other, "ROLLBACK", NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(other), SQLITE_OK);
    if (mmr_persist_retry(w.p, &w.err) != 0)
        fail_msg("the store works again, yet: %s", w.err.text);
    assert_int_equal(mmr_persist_commit(w.p, T0, &w.err), 0);
    assert_false(mmr_persist_health(w.p)->is_failing);
    assert_int_equal(notes(&w), 3);
    assert_int_equal(mmr_persist_note(w.p, "a.note", "4", T0, &w.err), 0);
    assert_int_equal(mmr_persist_commit(w.p, T0, &w.err), 0);
    assert_int_equal(notes(&w), 4);
    free(huge);
    close_world(&w);
}

static void closed_incidents_leave_nothing_in_memory(void **state)
{
    struct world w;
    (void)state;
    open_world(&w);
    for (uint64_t id = 1; id <= 200; id++) {
        struct mmr_incident *i = mmr_incident_new(id, &w.err);
        struct mmr_action_rec a = {.id = 1000 + id, .verb = MMR_VERB_BLOCK_ADDR, .side = MMR_SIDE_NETWORK, .state = MMR_STATE_ORDERED,
                                   .incident = id, .ordered_ns = T0, .instance = "nft"};
        assert_non_null(i);
        i->t0_ns = i->first_ns = i->last_ns = T0;
        assert_int_equal(mmr_incident_add_action(i, &a, &w.err), 0);
        assert_int_equal(mmr_persist_order(w.p, &i->actions[0], 0, T0, &w.err), 0);
        assert_int_equal(mmr_persist_incident(w.p, i, MMR_ACTIVITY_CREATE, MMR_CHANGE_CLASS, T0, &w.err), 0);
        assert_int_equal(mmr_persist_health(w.p)->known, 1);
        i->is_closed = true;
        i->revision++;
        assert_int_equal(mmr_persist_incident(w.p, i, MMR_ACTIVITY_CLOSE, MMR_CHANGE_WHY, T0, &w.err), 0);
        assert_int_equal(mmr_persist_order(w.p, &i->actions[0], MMR_ACT_UNDO, T0, &w.err), 0); /* its block is taken back behind it */
        assert_int_equal(mmr_persist_health(w.p)->known, 0);
        mmr_incident_free(i);
    }
    assert_int_equal(mmr_persist_commit(w.p, T0, &w.err), 0);
    close_world(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(what_no_disk_takes_does_not_hold_up_what_waited_with_it),
        cmocka_unit_test(closed_incidents_leave_nothing_in_memory),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
