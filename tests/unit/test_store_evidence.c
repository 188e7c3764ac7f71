/* test_store_evidence.c - the store under kill -9, flipped bits, truncation and a full disk. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "store/actions.h"
#include "store/evidence.h"
#include "store/incidents.h"

#include <fcntl.h>
#include <mamori/plugin.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

struct world {
    char dir[64];
};

static int set_up(void **state)
{
    struct world *w = calloc(1, sizeof *w);
    (void)snprintf(w->dir, sizeof w->dir, "/tmp/mmr-store-XXXXXX");
    *state = w;
    return w && mkdtemp(w->dir) ? 0 : -1;
}

static int tear_down(void **state)
{
    static const char *const names[] = {"mamori.db", "mamori.db-wal", "mamori.db-shm",
                                        "evidence.key", "evidence.pub"};
    struct world *w = *state;
    char path[128];
    for (size_t i = 0; i < sizeof names / sizeof names[0]; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", w->dir, names[i]);
        (void)unlink(path);
    }
    (void)rmdir(w->dir);
    free(w);
    return 0;
}

#define OK(call)                                            \
    do {                                                    \
        struct mmr_error err = {.struct_size = sizeof err}; \
        int ok_ = (call);                                   \
        if (ok_ != 0)                                       \
            fail_msg("%s: %d %s", #call, ok_, err.text);    \
    } while (0)

static struct mmr_db *open_db(const char *dir)
{
    struct mmr_db *db = NULL;
    OK(mmr_db_open(dir, MMR_DB_CREATE, &db, &err));
    return db;
}

/* n records, a checkpoint after every tenth, committed. */
static void write_log(const char *dir, int n)
{
    struct mmr_db *db = open_db(dir);
    struct mmr_evidence_log *log = NULL;
    OK(mmr_evidence_open(db, &log, &err));
    for (int i = 1; i <= n; i++) {
        char body[64];
        uint64_t seq = 0;
        (void)snprintf(body, sizeof body, "{\"decision\":%d,\"marker\":\"M%04dM\"}", i, i);
        OK(mmr_evidence_append(log, "incident.class", i * INT64_C(1000), body, strlen(body), &seq,
                               &err));
        assert_int_equal(seq, i);
        if (i % 10 == 0)
            OK(mmr_evidence_checkpoint(log, i * INT64_C(1000), &err));
    }
    OK(mmr_db_commit(db, &err));
    mmr_evidence_close(log);
    mmr_db_close(db);
}

static struct mmr_evidence_report verify(const char *dir)
{
    struct mmr_evidence_report r;
    OK(mmr_evidence_verify(dir, &r, &err));
    return r;
}

static void sql(const char *dir, const char *text)
{
    char path[128];
    sqlite3 *h = NULL;
    (void)snprintf(path, sizeof path, "%s/mamori.db", dir);
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_exec(h, text, NULL, NULL, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_close(h), SQLITE_OK);
}

static void a_whole_log_verifies_and_goes_on_after_reopening(void **state)
{
    struct world *w = *state;
    write_log(w->dir, 25);
    struct mmr_evidence_report r = verify(w->dir);
    assert_int_equal(r.records, 25);
    assert_int_equal(r.checkpoints, 2);
    assert_int_equal(r.signed_upto, 20);
    assert_int_equal(r.bad_seq, 0);
    assert_int_equal(strlen(r.head_hex), 64);
    struct mmr_db *db = open_db(w->dir);
    struct mmr_evidence_log *log = NULL;
    uint64_t seq = 0;
    OK(mmr_evidence_open(db, &log, &err));
    OK(mmr_evidence_append(log, "receipt", 99, "{}", 2, &seq, &err));
    assert_int_equal(seq, 26);
    mmr_db_rollback(db); /* what was rolled back was never there */
    OK(mmr_evidence_append(log, "receipt", 99, "", 0, &seq, &err));
    assert_int_equal(seq, 26);
    OK(mmr_db_commit(db, &err));
    mmr_evidence_close(log);
    mmr_db_close(db);
    r = verify(w->dir);
    assert_int_equal(r.records, 26);
    assert_int_equal(r.bad_seq, 0);
}

static void every_change_is_named_by_its_record(void **state)
{
    struct world *w = *state;
    static const struct {
        const char *why, *sql;
        uint64_t bad;
    } rows[] = {
        {"body", "UPDATE evidence SET body = replace(body, 'M0007M', 'M0008M') WHERE seq = 7", 7},
        {"time", "UPDATE evidence SET time = time + 1 WHERE seq = 3", 3},
        {"kind", "UPDATE evidence SET kind = 'receipt' WHERE seq = 25", 25},
        {"hash", "UPDATE evidence SET hash = zeroblob(32) WHERE seq = 12", 12},
        {"prev", "UPDATE evidence SET prev = zeroblob(32) WHERE seq = 2", 2},
        {"short hash", "UPDATE evidence SET hash = x'00' WHERE seq = 5", 5},
        {"hole", "DELETE FROM evidence WHERE seq = 9", 9},
        {"first gone", "DELETE FROM evidence WHERE seq = 1", 1},
        {"tail cut below a checkpoint", "DELETE FROM evidence WHERE seq > 15", 16},
        {"all gone", "DELETE FROM evidence", 1},
        {"signature", "UPDATE checkpoint SET sig = zeroblob(64) WHERE seq = 20", 20},
        {"signed hash", "UPDATE checkpoint SET hash = zeroblob(32) WHERE seq = 10", 10},
        {"another key", "UPDATE checkpoint SET key = zeroblob(32) WHERE seq = 10", 10},
        {"moved", "UPDATE evidence SET seq = 1000 WHERE seq = 25", 25},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        void *fresh = NULL;
        assert_int_equal(set_up(&fresh), 0);
        struct world *f = fresh;
        write_log(f->dir, 25);
        sql(f->dir, rows[i].sql);
        struct mmr_evidence_report r = verify(f->dir);
        if (r.bad_seq != rows[i].bad)
            fail_msg("%s: bad record %llu (%s), want %llu", rows[i].why,
                     (unsigned long long)r.bad_seq, r.bad, (unsigned long long)rows[i].bad);
        (void)tear_down(&fresh);
    }
    (void)w;
}

/* The bytes of one record's body as they lie in the file, flipped without SQLite's knowledge. */
static void a_flipped_bit_in_the_file_is_named(void **state)
{
    struct world *w = *state;
    char path[128];
    static char bytes[1 << 20];
    write_log(w->dir, 25);
    sql(w->dir, "PRAGMA wal_checkpoint(TRUNCATE)");
    (void)snprintf(path, sizeof path, "%s/mamori.db", w->dir);
    int fd = open(path, O_RDWR | O_CLOEXEC);
    ssize_t n = read(fd, bytes, sizeof bytes);
    assert_true(n > 0);
    char *at = memmem(bytes, (size_t)n, "M0013M", 6);
    assert_non_null(at);
    *at ^= 1;
    assert_int_equal(pwrite(fd, at, 1, at - bytes), 1);
    (void)close(fd);
    assert_int_equal(verify(w->dir).bad_seq, 13);
}

static void a_truncated_or_foreign_file_is_refused_in_words(void **state)
{
    struct world *w = *state;
    struct mmr_evidence_report r;
    struct mmr_error err = {.struct_size = sizeof err};
    char path[128];
    assert_int_equal(mmr_evidence_verify(w->dir, &r, &err), MMR_ENOENT);
    assert_non_null(strstr(err.text, w->dir));
    mmr_db_close(open_db(w->dir));
    assert_int_equal(mmr_evidence_verify(w->dir, &r, &err),
                     MMR_ENOENT); /* empty log: nothing proved */
    write_log(w->dir, 200);
    sql(w->dir, "PRAGMA wal_checkpoint(TRUNCATE)");
    (void)snprintf(path, sizeof path, "%s/mamori.db", w->dir);
    struct stat st;
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(truncate(path, st.st_size / 2 / 4096 * 4096), 0);
    int e = mmr_evidence_verify(w->dir, &r, &err);
    assert_true(e == MMR_EBADMSG || (e == 0 && r.bad_seq > 0));
    assert_int_equal(truncate(path, 0), 0);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    assert_int_equal(write(fd,
                           "this is no database, whatever its name says; it has to be long enough "
                           "to be looked at as one....",
                           96),
                     96);
    (void)close(fd);
    assert_int_equal(mmr_evidence_verify(w->dir, &r, &err), MMR_EBADMSG);
}

static void a_key_others_can_read_or_that_is_gone_is_refused(void **state)
{
    struct world *w = *state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_evidence_log *log = NULL;
    char path[128];
    write_log(w->dir, 3);
    struct mmr_db *db = open_db(w->dir);
    (void)snprintf(path, sizeof path, "%s/evidence.key", w->dir);
    assert_int_equal(chmod(path, 0644), 0);
    assert_int_equal(mmr_evidence_open(db, &log, &err), MMR_EPERM);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(mmr_evidence_open(db, &log, &err), MMR_EPERM);
    mmr_db_close(db);
}

static int put_incident(struct mmr_db *db, uint64_t id, uint32_t revision, const char *blob,
                        struct mmr_error *err)
{
    struct mmr_incident_row row = {.id = id,
                                   .t0_ns = (int64_t)id,
                                   .revision = revision,
                                   .title = "t",
                                   .blob = blob,
                                   .len = strlen(blob),
                                   .class_current = MMR_CLASS_OF_SEVERE};
    return mmr_store_incident_put(db, &row, err);
}

static int count_rows(void *ctx, const struct mmr_incident_row *row)
{
    (void)row;
    ++*(int *)ctx;
    return 0;
}

/* The child says what it acknowledged only after commit(); then it dies at any instant. */
static void kill_9_loses_and_doubles_nothing_acknowledged(void **state)
{
    struct world *w = *state;
    for (int round = 0; round < 6; round++) {
        int pipe_fd[2];
        assert_int_equal(pipe(pipe_fd), 0);
        pid_t pid = fork();
        assert_true(pid >= 0);
        if (pid == 0) {
            struct mmr_db *db = NULL;
            struct mmr_evidence_log *log = NULL;
            uint64_t upto = 0;
            (void)close(pipe_fd[0]);
            if (mmr_db_open(w->dir, MMR_DB_CREATE, &db, NULL) ||
                mmr_evidence_open(db, &log, NULL) || mmr_store_received_get(db, 7, 0, &upto, NULL))
                _exit(1);
            for (;;) {
                for (int k = 0; k < 5; k++) {
                    upto++;
                    if (put_incident(db, upto, 1, "blob", NULL) ||
                        mmr_store_received_put(db, 7, 0, upto, NULL) ||
                        mmr_evidence_append(log, "incident.class", (int64_t)upto, "{}", 2, NULL,
                                            NULL) ||
                        mmr_store_outbox_add(db, "incident", true, 0, "{}", 2, NULL, NULL))
                        _exit(2);
                }
                if (mmr_db_commit(db, NULL) || write(pipe_fd[1], &upto, sizeof upto) != sizeof upto)
                    _exit(3);
            }
        }
        (void)close(pipe_fd[1]);
        uint64_t acked = 0, got;
        const int wanted = 3 + round * 7; /* die after another number of commits each time */
        for (int k = 0; k < wanted && read(pipe_fd[0], &got, sizeof got) == sizeof got; k++)
            acked = got;
        assert_int_equal(kill(pid, SIGKILL), 0);
        while (read(pipe_fd[0], &got, sizeof got) == sizeof got)
            acked = got;
        int status;
        assert_int_equal(waitpid(pid, &status, 0), pid);
        assert_true(WIFSIGNALED(status));
        (void)close(pipe_fd[0]);
        struct mmr_db *db = open_db(w->dir);
        const struct mmr_incident_filter all = {0};
        uint64_t upto = 0;
        int rows = 0;
        OK(mmr_store_received_get(db, 7, 0, &upto, &err));
        OK(mmr_store_incidents_each(db, &all, count_rows, &rows, &err));
        mmr_db_close(db);
        assert_true(upto >= acked);
        assert_int_equal(upto % 5, 0); /* a batch is whole or not there */
        assert_int_equal(rows, upto);
        struct mmr_evidence_report r = verify(w->dir);
        assert_int_equal(r.records, upto);
        assert_int_equal(r.bad_seq, 0);
    }
}

static void a_full_disk_breaks_the_batch_and_nothing_else(void **state)
{
    struct world *w = *state;
    char dir[80];
    (void)snprintf(dir, sizeof dir, "%s/small", w->dir);
    assert_int_equal(mkdir(dir, 0700), 0);
    if (geteuid() != 0 || mount("none", dir, "tmpfs", MS_NOSUID | MS_NODEV, "size=600k") != 0) {
        (void)rmdir(dir);
        skip();
    }
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_db *db = NULL;
    static char blob[40000];
    memset(blob, 'x', sizeof blob - 1);
    int r = mmr_db_open(dir, MMR_DB_CREATE, &db, &err);
    uint64_t committed = 0, id = 0;
    while (r == 0 && id < 100) {
        id++;
        r = put_incident(db, id, 1, blob, &err);
        if (r == 0)
            r = mmr_db_commit(db, &err);
        if (r == 0)
            committed = id;
    }
    bool is_said = strstr(err.text, "full") != NULL;
    struct mmr_error again = {.struct_size = sizeof again};
    int after = db ? put_incident(db, 1000, 1, "y", &again)
                   : 0; /* the broken batch stays broken until it is rolled back */
    int rows = 0;
    if (db) {
        const struct mmr_incident_filter all = {0};
        mmr_db_rollback(db);
        (void)mmr_store_incidents_each(db, &all, count_rows, &rows, &err);
        mmr_db_close(db);
    }
    (void)umount2(dir, MNT_DETACH);
    (void)rmdir(dir);
    assert_int_equal(r, MMR_EIO);
    assert_true(is_said);
    assert_int_equal(after, MMR_EIO);
    assert_true(committed > 0);
    assert_int_equal(rows, committed);
}

struct seen {
    uint64_t seq[16];
    int level[16];
    int n;
};
/* The disk was full, or the power went, while the key was made: the next start goes on. */
static void a_key_that_was_cut_short_is_made_again_while_nothing_is_signed(void **state)
{
    struct world *w = *state;
    char key[128], pub[128];
    (void)snprintf(key, sizeof key, "%s/evidence.key", w->dir);
    (void)snprintf(pub, sizeof pub, "%s/evidence.pub", w->dir);
    int fd = open(key, O_WRONLY | O_CREAT | O_EXCL, 0600);
    assert_true(fd >= 0);
    (void)close(fd);
    write_log(w->dir, 20);
    assert_int_equal(verify(w->dir).checkpoints, 2);
    OK(unlink(pub)); /* it follows from the secret half */
    struct mmr_db *db = open_db(w->dir);
    struct mmr_evidence_log *log = NULL;
    OK(mmr_evidence_open(db, &log, &err));
    mmr_evidence_close(log);
    struct mmr_evidence_report r = verify(w->dir);
    assert_int_equal(r.bad_seq, 0);
    assert_int_equal(r.checkpoints, 2);
    OK(truncate(key, 5)); /* beside a log it is not made anew: what it signed would be nobody's */
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_evidence_open(db, &log, &err), MMR_EBADMSG);
    mmr_db_close(db);
}

static int see(void *ctx, const struct mmr_outbox_row *row)
{
    struct seen *s = ctx;
    s->seq[s->n] = row->seq;
    s->level[s->n++] = row->level;
    return 0;
}

static void the_outbox_gives_severe_first_and_each_once(void **state)
{
    struct world *w = *state;
    struct mmr_db *db = open_db(w->dir);
    uint64_t seq[3], pending = 0;
    OK(mmr_store_outbox_register(db, "file", true, &err));
    OK(mmr_store_outbox_add(db, "finding", false, 1, "a", 1, &seq[0], &err));
    OK(mmr_store_outbox_add(db, "incident", true, 2, "b", 1, &seq[1], &err));
    OK(mmr_store_outbox_add(db, "finding", false, 3, "c", 1, &seq[2], &err));
    OK(mmr_db_commit(db, &err));
    struct seen s = {0};
    OK(mmr_store_outbox_pending(db, "file", 0, see, &s, &err));
    assert_int_equal(s.n, 3);
    assert_int_equal(s.seq[0], seq[1]);
    assert_int_equal(s.seq[1], seq[0]);
    assert_int_equal(s.level[0], MMR_OUTBOX_NEW);
    OK(mmr_store_outbox_level(db, "file", seq[1], MMR_DELIVERY_TRIED, 5, "later", &err));
    OK(mmr_store_outbox_level(db, "file", seq[0], MMR_DELIVERY_GATEWAY, 5, "", &err));
    OK(mmr_store_outbox_level(db, "file", seq[2], MMR_DELIVERY_FAILED, 5, "refused", &err));
    OK(mmr_db_commit(db, &err));
    s.n = 0;
    OK(mmr_store_outbox_pending(db, "file", 0, see, &s, &err));
    assert_int_equal(s.n, 1);
    assert_int_equal(s.seq[0], seq[1]);
    assert_int_equal(s.level[0], MMR_DELIVERY_TRIED);
    OK(mmr_store_outbox_count(db, "file", &pending, &err));
    assert_int_equal(pending, 1);
    OK(mmr_store_outbox_register(db, "late", false, &err)); /* a new one starts from now */
    OK(mmr_store_outbox_count(db, "late", &pending, &err));
    assert_int_equal(pending, 0);
    OK(mmr_store_outbox_trim(db, 100, &err));
    OK(mmr_db_commit(db, &err));
    OK(mmr_store_outbox_count(db, "file", &pending, &err));
    assert_int_equal(pending, 1); /* what is not delivered is never trimmed */
    mmr_db_close(db);
}

static void what_waits_for_a_forwarder_that_was_taken_away_goes_in_the_end(void **state)
{
    struct world *w = *state;
    struct mmr_db *db = open_db(w->dir);
    uint64_t gone = 0, file = 0;
    struct seen s = {0};
    OK(mmr_store_outbox_register(db, "file", true, &err));
    OK(mmr_store_outbox_register(db, "fil", true, &err)); /* a part of another's name is not that one */
    OK(mmr_store_outbox_add(db, "incident", true, 10, "a", 1, NULL, &err));
    OK(mmr_store_outbox_add(db, "incident", true, 200, "b", 1, NULL, &err));
    OK(mmr_store_outbox_retire(db, "webhook\nfile\n", 100, &err));
    OK(mmr_store_outbox_trim(db, 100, &err));
    OK(mmr_db_commit(db, &err));
    OK(mmr_store_outbox_count(db, "fil", &gone, &err));
    assert_int_equal(gone, 1); /* what is young waits: it may be configured again */
    OK(mmr_store_outbox_count(db, "file", &file, &err));
    assert_int_equal(file, 2);
    OK(mmr_store_outbox_retire(db, "", 300, &err));
    OK(mmr_store_outbox_trim(db, 300, &err));
    OK(mmr_db_commit(db, &err));
    OK(mmr_store_outbox_register(db, "new", true, &err));
    OK(mmr_store_outbox_pending(db, "new", 0, see, &s, &err));
    assert_int_equal(s.n, 0); /* nothing of it is left in the store */
    mmr_db_close(db);
}

static int keep_action(void *ctx, const struct mmr_action_rec *a)
{
    *(struct mmr_action_rec *)ctx = *a;
    return 0;
}

static void actions_come_back_as_they_were(void **state)
{
    struct world *w = *state;
    struct mmr_db *db = open_db(w->dir);
    struct mmr_action_rec a, b;
    memset(&a, 0, sizeof a);
    memset(&b, 0, sizeof b);
    a.id = UINT64_C(0xfedcba9876543210);
    a.verb = MMR_VERB_KILL_PROCESS;
    a.side = MMR_SIDE_ENDPOINT;
    a.target.pid = 4711;
    a.target.start_ticks = -5;
    a.target.is_tree = true;
    memcpy(a.target.text, "evil", 5);
    memcpy(a.node, "pc1", 4);
    a.state = MMR_STATE_PROVED;
    a.receipt.result = MMR_RESULT_APPLIED;
    a.receipt.verified = MMR_VERIFIED_CONFIRMED;
    a.receipt.expires_ns = 77;
    memcpy(a.receipt.detail, "dead", 5);
    OK(mmr_store_action_put(db, &a, &err));
    OK(mmr_db_commit(db, &err));
    OK(mmr_store_actions_each(db, 0, true, keep_action, &b, &err));
    assert_memory_equal(&a, &b, sizeof a);
    a.state = MMR_STATE_UNDONE;
    OK(mmr_store_action_put(db, &a, &err));
    OK(mmr_db_commit(db, &err));
    memset(&b, 0, sizeof b);
    OK(mmr_store_actions_each(db, 0, true, keep_action, &b, &err));
    assert_int_equal(b.id, 0);
    mmr_db_close(db);
    sql(w->dir, "UPDATE action SET rec = substr(rec, 1, 100)");
    db = open_db(w->dir);
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_store_action_get(db, a.id, &b, &err), MMR_EBADMSG);
    mmr_db_close(db);
}

static void older_revisions_and_lower_numbers_change_nothing(void **state)
{
    struct world *w = *state;
    struct mmr_db *db = open_db(w->dir);
    uint64_t upto = 0;
    OK(put_incident(db, 1, 5, "new", &err));
    OK(put_incident(db, 1, 4, "old", &err));
    OK(mmr_store_received_put(db, UINT64_MAX, 1, 50, &err));
    OK(mmr_store_received_put(db, UINT64_MAX, 1, 40, &err));
    OK(mmr_db_commit(db, &err));
    OK(mmr_store_received_get(db, UINT64_MAX, 1, &upto, &err));
    assert_int_equal(upto, 50);
    int rows = 0;
    const struct mmr_incident_filter open = {.only_open = true, .min_class = MMR_CLASS_OF_SEVERE};
    OK(mmr_store_incidents_each(db, &open, count_rows, &rows, &err));
    assert_int_equal(rows, 1);
    sqlite3 *h = NULL;
    sqlite3_stmt *s = NULL;
    char path[128];
    (void)snprintf(path, sizeof path, "%s/mamori.db", w->dir);
    assert_int_equal(sqlite3_open(path, &h), SQLITE_OK);
    assert_int_equal(sqlite3_prepare_v2(h, "SELECT blob FROM incident", -1, &s, NULL), SQLITE_OK);
    assert_int_equal(sqlite3_step(s), SQLITE_ROW);
    assert_memory_equal(sqlite3_column_blob(s, 0), "new", 3);
    (void)sqlite3_finalize(s);
    (void)sqlite3_close(h);
    mmr_db_close(db);
}

int main(void)
{
    (void)umask(022);
#define T(f) cmocka_unit_test_setup_teardown(f, set_up, tear_down)
    const struct CMUnitTest tests[] = {
        T(a_whole_log_verifies_and_goes_on_after_reopening),
        T(every_change_is_named_by_its_record),
        T(a_flipped_bit_in_the_file_is_named),
        T(a_truncated_or_foreign_file_is_refused_in_words),
        T(a_key_others_can_read_or_that_is_gone_is_refused),
        T(kill_9_loses_and_doubles_nothing_acknowledged),
        T(a_full_disk_breaks_the_batch_and_nothing_else),
        T(a_key_that_was_cut_short_is_made_again_while_nothing_is_signed),
        T(the_outbox_gives_severe_first_and_each_once),
        T(what_waits_for_a_forwarder_that_was_taken_away_goes_in_the_end),
        T(actions_come_back_as_they_were),
        T(older_revisions_and_lower_numbers_change_nothing),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
