/* spool_disk.c - see spool_disk.h. The loop writes with one connection, the bus thread reads with another; what both look at
 * (the rows of each lane, their sizes, the memory copies of recent ones) is under a lock that no disk access holds for writing. */
#include "bus/spool_disk.h"

#include "bus/frame.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdatomic.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { SCHEMA_VERSION = 1, BUSY_MS = 5000, SOON_MS = 5, LATER_MS = 250, TRIM_MS = 2000, RETRY_MS = 1000, MARKS = 256, MARKS_KEPT_S = 30 * 24 * 3600,
       CACHE_MAX = 4 * 1024 * 1024 };

struct row { /* records first to first + n - 1 of a lane */
    uint64_t first;
    uint32_t n, bytes; /* bytes: of body; a record may be larger than a row's usual 64 KiB */
    uint8_t *body;     /* NULL: on disk alone */
};
struct lane {
    struct row *row; /* committed, oldest first: a ring of cap entries */
    size_t head, n, cap;
    struct row *wait; /* to be committed; the last one is open for more */
    size_t n_wait, cap_wait, open_cap;
    uint64_t last, committed, trim; /* newest number given; on disk; acknowledged by the hub */
    uint64_t dropped, told, told_next;
    size_t bytes; /* of both, with MMR_SPOOL_ROW_COST a row */
    uint64_t gone; /* rows up to this number may be deleted on disk */
};
struct mark {
    uint8_t epoch[16];
    uint32_t lane;
    uint64_t upto;
};
struct mmr_spool_disk {
    pthread_mutex_t lock;
    char dir[512];
    sqlite3 *w, *r; /* [loop], [bus] */
    sqlite3_stmt *insert, *erase, *state, *mark, *begin, *commit, *rollback, *read;
    size_t bytes, bytes_max, cached, pending;
    struct lane lane[MMR_LANES];
    struct mark marks[MARKS];
    size_t n_marks;
    uint8_t epoch[16];
    uint32_t n_pending;
    int64_t soon_ns, later_ns, trim_ns, retry_ns; /* monotonic; 0: nothing waits */
    int64_t committed_ns; /* when the last commit ended; 0: none yet */
    _Atomic bool has_trim; /* set by either */
    bool is_failing;
};

static const char schema[] =
    "CREATE TABLE row(id INTEGER PRIMARY KEY, n INTEGER NOT NULL, body BLOB NOT NULL);"
    "CREATE TABLE lane(lane INTEGER PRIMARY KEY, last INTEGER NOT NULL, dropped INTEGER NOT NULL, told INTEGER NOT NULL);"
    "CREATE TABLE mark(epoch BLOB NOT NULL, lane INTEGER NOT NULL, upto INTEGER NOT NULL, at INTEGER NOT NULL, PRIMARY KEY(epoch, lane)) WITHOUT ROWID;"
    "CREATE TABLE epoch(id BLOB NOT NULL);"
    "INSERT INTO lane VALUES(0,0,0,0),(1,0,0,0),(2,0,0,0),(3,0,0,0);"
    "PRAGMA user_version = 1;";

static int64_t row_id(uint32_t lane, uint64_t first) /* a lane's rows lie together, in order */
{
    return (int64_t)((uint64_t)lane << 56 | first);
}

static size_t cost(const struct row *x)
{
    return x->bytes + MMR_SPOOL_ROW_COST;
}

static int fail(const struct mmr_spool_disk *s, sqlite3 *h, const char *what, struct mmr_error *err)
{
    int rc = h ? sqlite3_errcode(h) & 0xff : SQLITE_NOMEM;
    return mmr_fail(err, rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? MMR_EBADMSG : rc == SQLITE_NOMEM ? MMR_ENOMEM : MMR_EIO,
                    "spool '%.200s/" MMR_SPOOL_FILE "': %s: %s%s", s->dir, what, h ? sqlite3_errmsg(h) : "out of memory",
                    rc == SQLITE_FULL ? "; the disk is full: make room, nothing is lost" : "");
}

/* ---- rows in memory ---- */

static struct row *at(const struct lane *l, size_t i)
{
    return &l->row[(l->head + i) % l->cap];
}

static bool push(struct lane *l, const struct row *x)
{
    if (l->n == l->cap) {
        size_t cap = l->cap ? l->cap * 2 : 64;
        struct row *bigger = calloc(cap, sizeof *bigger);
        if (!bigger)
            return false;
        for (size_t i = 0; i < l->n; i++)
            bigger[i] = *at(l, i);
        free(l->row);
        l->row = bigger;
        l->cap = cap;
        l->head = 0;
    }
    l->n++;
    *at(l, l->n - 1) = *x;
    return true;
}

static void uncache(struct mmr_spool_disk *s, struct row *x)
{
    if (!x->body)
        return;
    s->cached -= x->bytes;
    free(x->body);
    x->body = NULL;
}

static void pop(struct mmr_spool_disk *s, struct lane *l)
{
    struct row *x = at(l, 0);
    l->gone = x->first + x->n - 1;
    l->bytes -= cost(x);
    s->bytes -= cost(x);
    uncache(s, x);
    l->head = (l->head + 1) % l->cap;
    l->n--;
    s->has_trim = true;
}

/* The oldest waiting row leaves unwritten: only when nothing older is left on disk. Not the open one while others are before it. */
static void pop_waiting(struct mmr_spool_disk *s, struct lane *l)
{
    struct row x = l->wait[0];
    memmove(l->wait, l->wait + 1, (l->n_wait - 1) * sizeof *l->wait);
    l->n_wait--;
    if (!l->n_wait)
        l->open_cap = 0;
    l->bytes -= cost(&x);
    s->bytes -= cost(&x);
    s->pending -= x.bytes;
    s->n_pending -= x.n;
    free(x.body);
}

/* ---- opening ---- */

static int64_t pragma(sqlite3 *h, const char *sql)
{
    sqlite3_stmt *st = NULL;
    int64_t v = sqlite3_prepare_v2(h, sql, -1, &st, NULL) == SQLITE_OK && sqlite3_step(st) == SQLITE_ROW ? sqlite3_column_int64(st, 0) : -1;
    (void)sqlite3_finalize(st);
    return v;
}

static int new_epoch(struct mmr_spool_disk *s, struct mmr_error *err)
{
    sqlite3_stmt *st = NULL;
    mmr_uuid7(mmr_clock_wall_ns(), s->epoch);
    int rc = sqlite3_exec(s->w, "DELETE FROM epoch", NULL, NULL, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_prepare_v2(s->w, "INSERT INTO epoch VALUES(?)", -1, &st, NULL);
    if (rc == SQLITE_OK) {
        (void)sqlite3_bind_blob(st, 1, s->epoch, 16, SQLITE_STATIC);
        rc = sqlite3_step(st);
    }
    (void)sqlite3_finalize(st);
    return rc == SQLITE_DONE ? 0 : fail(s, s->w, "its epoch", err);
}

static int make_tables(struct mmr_spool_disk *s, struct mmr_error *err)
{
    int64_t version = pragma(s->w, "PRAGMA user_version");
    if (version < 0)
        return fail(s, s->w, "reading its version", err);
    if (version > SCHEMA_VERSION)
        return mmr_fail(err, MMR_EUNSUPPORTED, "spool '%.200s/" MMR_SPOOL_FILE "' has schema %lld, this mamori knows up to %d; run a newer mamori",
                        s->dir, (long long)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return 0;
    if (sqlite3_exec(s->w, "BEGIN IMMEDIATE", NULL, NULL, NULL) != SQLITE_OK || sqlite3_exec(s->w, schema, NULL, NULL, NULL) != SQLITE_OK)
        return fail(s, s->w, "making its tables", err);
    int r = new_epoch(s, err);
    return r || sqlite3_exec(s->w, "COMMIT", NULL, NULL, NULL) == SQLITE_OK ? r : fail(s, s->w, "making its tables", err);
}

static int load_rows(struct mmr_spool_disk *s, struct mmr_error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->w, "SELECT id, n, length(body) FROM row ORDER BY id", -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        uint64_t id = (uint64_t)sqlite3_column_int64(st, 0);
        struct lane *l = &s->lane[id >> 56 & 3];
        const struct row x = {.first = id & ((1ull << 56) - 1), .n = (uint32_t)sqlite3_column_int(st, 1), .bytes = (uint32_t)sqlite3_column_int(st, 2)};
        if (id >> 56 >= MMR_LANES || x.n == 0 || x.n > MMR_BATCH_RECORDS_MAX || x.first == 0 || (l->n && at(l, l->n - 1)->first >= x.first)) {
            (void)sqlite3_finalize(st);
            return mmr_fail(err, MMR_EBADMSG, "spool '%.200s/" MMR_SPOOL_FILE "': row %llu is damaged", s->dir, (unsigned long long)id);
        }
        if (!push(l, &x)) {
            (void)sqlite3_finalize(st);
            return mmr_fail(err, MMR_ENOMEM, "spool: out of memory");
        }
        l->bytes += cost(&x);
        s->bytes += cost(&x);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(st);
    return rc == SQLITE_DONE ? 0 : fail(s, s->w, "reading its rows", err);
}

/* Marks of hosts that ended long ago. */
static int forget_marks(struct mmr_spool_disk *s, struct mmr_error *err)
{
    char sql[80];
    (void)snprintf(sql, sizeof sql, "DELETE FROM mark WHERE at < %lld", (long long)(mmr_clock_wall_ns() - MARKS_KEPT_S * MMR_NS_PER_S));
    return sqlite3_exec(s->w, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(s, s->w, "forgetting old marks", err);
}

static int load_state(struct mmr_spool_disk *s, struct mmr_error *err)
{
    sqlite3_stmt *st = NULL;
    int rc = sqlite3_prepare_v2(s->w, "SELECT lane, last, dropped, told FROM lane", -1, &st, NULL);
    while (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW) {
        struct lane *l = &s->lane[sqlite3_column_int(st, 0) & 3];
        l->last = l->committed = (uint64_t)sqlite3_column_int64(st, 1);
        l->dropped = (uint64_t)sqlite3_column_int64(st, 2);
        l->told = l->told_next = (uint64_t)sqlite3_column_int64(st, 3);
        rc = SQLITE_OK;
    }
    (void)sqlite3_finalize(st);
    if (rc != SQLITE_DONE)
        return fail(s, s->w, "reading its state", err);
    rc = sqlite3_prepare_v2(s->w, "SELECT id FROM epoch", -1, &st, NULL);
    if (rc == SQLITE_OK && (rc = sqlite3_step(st)) == SQLITE_ROW && sqlite3_column_bytes(st, 0) == 16)
        memcpy(s->epoch, sqlite3_column_blob(st, 0), 16);
    else
        rc = SQLITE_CORRUPT;
    (void)sqlite3_finalize(st);
    return rc == SQLITE_ROW ? load_rows(s, err) : mmr_fail(err, MMR_EBADMSG, "spool '%.200s/" MMR_SPOOL_FILE "' has no epoch", s->dir);
}

static int prepare(struct mmr_spool_disk *s, struct mmr_error *err)
{
    const struct {
        sqlite3 *h;
        sqlite3_stmt **st;
        const char *sql;
    } rows[] = {{s->w, &s->insert, "INSERT INTO row VALUES(?, ?, ?)"},
                {s->w, &s->erase, "DELETE FROM row WHERE id BETWEEN ? AND ?"},
                {s->w, &s->state, "UPDATE lane SET last = ?, dropped = ?, told = ? WHERE lane = ?"},
                {s->w, &s->mark, "INSERT OR REPLACE INTO mark VALUES(?, ?, ?, ?)"},
                {s->w, &s->begin, "BEGIN IMMEDIATE"},
                {s->w, &s->commit, "COMMIT"},
                {s->w, &s->rollback, "ROLLBACK"},
                {s->r, &s->read, "SELECT body FROM row WHERE id = ?"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (sqlite3_prepare_v3(rows[i].h, rows[i].sql, -1, SQLITE_PREPARE_PERSISTENT, rows[i].st, NULL) != SQLITE_OK)
            return fail(s, rows[i].h, "preparing", err);
    return 0;
}

static int open_once(const char *dir, size_t bytes_max, struct mmr_spool_disk **ret, struct mmr_error *err)
{
    char path[600];
    struct mmr_spool_disk *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "spool: out of memory");
    (void)pthread_mutex_init(&s->lock, NULL);
    s->bytes_max = bytes_max;
    int n = snprintf(s->dir, sizeof s->dir, "%s", dir), r = 0;
    (void)snprintf(path, sizeof path, "%s/" MMR_SPOOL_FILE, s->dir);
    if (n < 0 || (size_t)n >= sizeof s->dir)
        r = mmr_fail(err, MMR_EINVAL, "state folder '%.60s…' is too long", dir);
    if (!r) { /* what it holds is nobody else's business: the mode is set before the first byte */
        mmr_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            r = mmr_fail(err, MMR_EIO, "spool '%.200s': %s", path, strerror(errno));
    }
    const int flags = SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW;
    if (!r && (sqlite3_open_v2(path, &s->w, flags, NULL) != SQLITE_OK || sqlite3_busy_timeout(s->w, BUSY_MS) != SQLITE_OK ||
               sqlite3_exec(s->w, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; PRAGMA journal_size_limit=4194304;", NULL, NULL, NULL) != SQLITE_OK))
        r = fail(s, s->w, "opening", err);
    if (!r)
        r = make_tables(s, err);
    if (!r)
        r = forget_marks(s, err);
    if (!r)
        r = load_state(s, err);
    if (!r && (sqlite3_open_v2(path, &s->r, flags, NULL) != SQLITE_OK || sqlite3_busy_timeout(s->r, BUSY_MS) != SQLITE_OK))
        r = fail(s, s->r, "opening", err);
    if (!r)
        r = prepare(s, err);
    if (r) {
        mmr_spool_disk_close(s);
        return r;
    }
    *ret = s;
    return 0;
}

int mmr_spool_disk_open(const char *dir, size_t bytes_max, struct mmr_spool_disk **ret, bool *ret_is_damaged, struct mmr_error *err)
{
    char path[600], aside[620];
    static const char *const more[] = {"-wal", "-shm"};
    int r = open_once(dir, bytes_max, ret, err);
    if (ret_is_damaged)
        *ret_is_damaged = r == MMR_EBADMSG;
    if (r != MMR_EBADMSG)
        return r;
    (void)snprintf(path, sizeof path, "%.500s/" MMR_SPOOL_FILE, dir);
    (void)snprintf(aside, sizeof aside, "%s.damaged", path);
    if (rename(path, aside) != 0)
        return r;
    for (size_t i = 0; i < 2; i++) {
        (void)snprintf(aside, sizeof aside, "%s%s", path, more[i]);
        (void)unlink(aside);
    }
    return open_once(dir, bytes_max, ret, err);
}

void mmr_spool_disk_close(struct mmr_spool_disk *s)
{
    if (!s)
        return;
    sqlite3_stmt *const all[] = {s->insert, s->erase, s->state, s->mark, s->begin, s->commit, s->rollback, s->read};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++)
        (void)sqlite3_finalize(all[i]);
    (void)sqlite3_close(s->r);
    (void)sqlite3_close(s->w);
    for (uint32_t i = 0; i < MMR_LANES; i++) {
        struct lane *l = &s->lane[i];
        for (size_t k = 0; k < l->n; k++)
            free(at(l, k)->body);
        for (size_t k = 0; k < l->n_wait; k++)
            free(l->wait[k].body);
        free(l->row);
        free(l->wait);
    }
    (void)pthread_mutex_destroy(&s->lock);
    free(s);
}

/* ---- appending [loop] ---- */

/* Room for so many bytes of this lane, by dropping what may be dropped for it. With the lock. */
static bool make_room(struct mmr_spool_disk *s, uint32_t lane, size_t bytes)
{
    for (uint32_t victim = MMR_LANE_TELEMETRY; victim >= MMR_LANE_OTHER;) {
        struct lane *l = &s->lane[victim];
        const bool is_full = s->bytes + bytes > s->bytes_max, is_much = s->pending + bytes > MMR_SPOOL_PENDING_MAX;
        if (!is_full && !is_much)
            return true;
        if (lane > victim) /* telemetry never pushes out a finding */
            return false;
        if (is_full && l->n) {
            l->dropped += at(l, 0)->n - (l->trim >= at(l, 0)->first ? l->trim - at(l, 0)->first + 1 : 0);
            pop(s, l);
        } else if (l->n_wait) {
            l->dropped += l->wait[0].n;
            pop_waiting(s, l);
        } else {
            victim--;
        }
    }
    return s->bytes + bytes <= s->bytes_max && s->pending + bytes <= MMR_SPOOL_PENDING_MAX;
}

/* The row that takes the next record; NULL: out of memory. */
static struct row *open_row(struct mmr_spool_disk *s, struct lane *l, size_t need)
{
    struct row *x = l->n_wait ? &l->wait[l->n_wait - 1] : NULL;
    if (!x || x->n == MMR_BATCH_RECORDS_MAX || x->bytes + need > MMR_BATCH_BYTES_MAX) {
        if (!l->wait || l->n_wait == l->cap_wait) {
            size_t cap = l->cap_wait ? 2 * l->cap_wait : 8;
            struct row *bigger = realloc(l->wait, cap * sizeof *bigger);
            if (!bigger)
                return NULL;
            l->wait = bigger;
            l->cap_wait = cap;
        }
        size_t cap = need > 4096 ? need : 4096;
        uint8_t *body = malloc(cap);
        if (!body)
            return NULL;
        x = &l->wait[l->n_wait++];
        *x = (struct row){.first = l->last + 1, .body = body};
        l->open_cap = cap;
        l->bytes += MMR_SPOOL_ROW_COST;
        s->bytes += MMR_SPOOL_ROW_COST;
    } else if (x->bytes + need > l->open_cap) {
        size_t cap = 2 * (x->bytes + need);
        uint8_t *body = realloc(x->body, cap);
        if (!body)
            return NULL;
        x->body = body;
        l->open_cap = cap;
    }
    return x;
}

static int append(void *spool, uint32_t lane, uint32_t kind, const char *instance, uint64_t number, const void *bytes, size_t len,
                  uint64_t *ret_seq)
{
    struct mmr_spool_disk *s = spool;
    struct lane *l = &s->lane[lane];
    const struct mmr_wire_record rec = {.name = instance, .name_len = (uint32_t)strlen(instance), .kind = kind, .number = number,
                                        .bytes = bytes, .len = len};
    const size_t need = len + rec.name_len + MMR_RECORD_HEAD_MAX;
    int r = 0;
    (void)pthread_mutex_lock(&s->lock);
    struct row *x = NULL;
    if (!make_room(s, lane, need + MMR_SPOOL_ROW_COST)) {
        r = MMR_EAGAIN;
        l->dropped += lane >= MMR_LANE_OTHER; /* nothing of its own to make room with: this one is the loss */
    } else if (!(x = open_row(s, l, need))) {
        r = MMR_ENOMEM;
    } else {
        size_t put = mmr_record_put(x->body + x->bytes, &rec);
        x->bytes += (uint32_t)put;
        x->n++;
        l->bytes += put;
        s->bytes += put;
        s->pending += put;
        s->n_pending++;
        *ret_seq = ++l->last;
    }
    (void)pthread_mutex_unlock(&s->lock);
    int64_t *since = lane == MMR_LANE_TELEMETRY ? &s->later_ns : &s->soon_ns;
    if (!r && !*since)
        *since = mmr_clock_mono_ns();
    return r;
}

int mmr_spool_disk_mark(struct mmr_spool_disk *s, const uint8_t epoch[16], uint32_t lane, uint64_t upto)
{
    struct mark *m = NULL;
    for (size_t i = 0; i < s->n_marks && !m; i++)
        if (s->marks[i].lane == lane && memcmp(s->marks[i].epoch, epoch, 16) == 0)
            m = &s->marks[i];
    if (!m) {
        if (s->n_marks == MARKS)
            return MMR_EAGAIN;
        m = &s->marks[s->n_marks++];
        memcpy(m->epoch, epoch, 16);
        m->lane = lane;
    }
    m->upto = upto;
    if (!s->soon_ns)
        s->soon_ns = mmr_clock_mono_ns();
    return 0;
}

uint64_t mmr_spool_disk_marked(struct mmr_spool_disk *s, const uint8_t epoch[16], uint32_t lane)
{
    sqlite3_stmt *st = NULL;
    uint64_t upto = 0;
    if (sqlite3_prepare_v2(s->w, "SELECT upto FROM mark WHERE epoch = ? AND lane = ?", -1, &st, NULL) == SQLITE_OK) {
        (void)sqlite3_bind_blob(st, 1, epoch, 16, SQLITE_STATIC);
        (void)sqlite3_bind_int(st, 2, (int)lane);
        if (sqlite3_step(st) == SQLITE_ROW)
            upto = (uint64_t)sqlite3_column_int64(st, 0);
    }
    (void)sqlite3_finalize(st);
    return upto;
}

/* ---- committing [loop] ---- */

int64_t mmr_spool_disk_deadline_ns(const struct mmr_spool_disk *s)
{
    int64_t due = INT64_MAX, t;
    /* the first finding after a quiet time waits for nobody; those that follow at once share a commit */
    t = s->committed_ns ? s->committed_ns + SOON_MS * MMR_NS_PER_MS : 0;
    if (s->soon_ns && (t = t > s->soon_ns ? t : s->soon_ns) < due)
        due = t;
    if (s->later_ns && (t = s->later_ns + LATER_MS * MMR_NS_PER_MS) < due)
        due = t;
    if (s->has_trim && (t = s->trim_ns + TRIM_MS * MMR_NS_PER_MS) < due)
        due = t;
    if (due == INT64_MAX)
        return due;
    if (s->n_pending >= MMR_BATCH_RECORDS_MAX || s->pending >= MMR_BATCH_BYTES_MAX)
        due = 0;
    return due > s->retry_ns ? due : s->retry_ns;
}

bool mmr_spool_disk_is_due(const struct mmr_spool_disk *s, int64_t mono_ns)
{
    return mono_ns >= mmr_spool_disk_deadline_ns(s);
}

bool mmr_spool_disk_is_failing(const struct mmr_spool_disk *s)
{
    return s->is_failing;
}

static bool step(sqlite3_stmt *st)
{
    int rc = sqlite3_step(st);
    (void)sqlite3_reset(st);
    return rc == SQLITE_DONE;
}

/* What a transaction writes, copied out under the lock; the rows themselves only the loop changes while they wait. */
struct snapshot {
    size_t n_wait[MMR_LANES];
    uint64_t last[MMR_LANES], dropped[MMR_LANES], gone[MMR_LANES];
};

static bool write_lane(struct mmr_spool_disk *s, uint32_t lane, const struct snapshot *snap)
{
    const struct lane *l = &s->lane[lane];
    for (size_t i = 0; i < snap->n_wait[lane]; i++) {
        (void)sqlite3_bind_int64(s->insert, 1, row_id(lane, l->wait[i].first));
        (void)sqlite3_bind_int64(s->insert, 2, l->wait[i].n);
        (void)sqlite3_bind_blob(s->insert, 3, l->wait[i].body, (int)l->wait[i].bytes, SQLITE_STATIC);
        bool is_good = step(s->insert);
        (void)sqlite3_clear_bindings(s->insert);
        if (!is_good)
            return false;
    }
    if (snap->gone[lane]) {
        (void)sqlite3_bind_int64(s->erase, 1, row_id(lane, 0));
        (void)sqlite3_bind_int64(s->erase, 2, row_id(lane, snap->gone[lane]));
        if (!step(s->erase))
            return false;
    }
    if (!snap->n_wait[lane] && snap->dropped[lane] == l->told && l->told == l->told_next && !snap->gone[lane])
        return true;
    (void)sqlite3_bind_int64(s->state, 1, (int64_t)snap->last[lane]);
    (void)sqlite3_bind_int64(s->state, 2, (int64_t)snap->dropped[lane]);
    (void)sqlite3_bind_int64(s->state, 3, (int64_t)l->told_next);
    (void)sqlite3_bind_int(s->state, 4, (int)lane);
    return step(s->state);
}

static bool write_marks(struct mmr_spool_disk *s)
{
    int64_t now = mmr_clock_wall_ns();
    for (size_t i = 0; i < s->n_marks; i++) {
        (void)sqlite3_bind_blob(s->mark, 1, s->marks[i].epoch, 16, SQLITE_STATIC);
        (void)sqlite3_bind_int(s->mark, 2, (int)s->marks[i].lane);
        (void)sqlite3_bind_int64(s->mark, 3, (int64_t)s->marks[i].upto);
        (void)sqlite3_bind_int64(s->mark, 4, now);
        if (!step(s->mark))
            return false;
    }
    return true;
}

/* The written rows are the newest committed ones now; recent ones stay in memory for the bus thread. With the lock. */
static void settle(struct mmr_spool_disk *s, const struct snapshot *snap)
{
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        struct lane *l = &s->lane[lane];
        for (size_t i = 0; i < snap->n_wait[lane]; i++) {
            struct row x = l->wait[i];
            s->pending -= x.bytes;
            s->n_pending -= x.n;
            if (s->cached + x.bytes > CACHE_MAX) {
                free(x.body);
                x.body = NULL;
            } else {
                s->cached += x.bytes;
            }
            (void)push(l, &x); /* room was made before the transaction */
        }
        l->n_wait -= snap->n_wait[lane];
        if (l->n_wait)
            memmove(l->wait, l->wait + snap->n_wait[lane], l->n_wait * sizeof *l->wait);
        if (!l->n_wait)
            l->open_cap = 0;
        l->committed = snap->last[lane];
        l->told = l->told_next;
        if (l->gone == snap->gone[lane])
            l->gone = 0;
    }
    s->n_marks = 0;
    s->has_trim = false;
    for (uint32_t lane = 0; lane < MMR_LANES; lane++)
        s->has_trim |= s->lane[lane].gone != 0;
}

/* Room in the ring for what is about to be committed: afterwards nothing may fail. With the lock. */
static bool reserve(struct lane *l)
{
    const size_t want = l->n + l->n_wait;
    const struct row nothing = {0};
    while (l->cap < want) {
        size_t n = l->n;
        l->n = l->cap; /* full: push doubles it */
        if (!push(l, &nothing)) {
            l->n = n;
            return false;
        }
        l->n = n;
    }
    return true;
}

int mmr_spool_disk_commit(struct mmr_spool_disk *s, struct mmr_error *err)
{
    struct snapshot snap;
    bool is_good = true;
    (void)pthread_mutex_lock(&s->lock);
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        struct lane *l = &s->lane[lane];
        is_good &= reserve(l);
        snap.n_wait[lane] = l->n_wait;
        snap.last[lane] = l->last;
        snap.dropped[lane] = l->dropped;
        snap.gone[lane] = l->gone;
    }
    (void)pthread_mutex_unlock(&s->lock);
    int r = is_good ? 0 : mmr_fail(err, MMR_ENOMEM, "spool: out of memory");
    bool has_begun = false;
    if (!r)
        is_good = has_begun = step(s->begin);
    for (uint32_t lane = 0; lane < MMR_LANES && is_good && !r; lane++)
        is_good = write_lane(s, lane, &snap);
    if (!r && (!is_good || !write_marks(s) || !step(s->commit)))
        r = fail(s, s->w, "writing", err);
    if (r) {
        if (has_begun && !sqlite3_get_autocommit(s->w))
            (void)step(s->rollback);
        s->retry_ns = mmr_clock_mono_ns() + RETRY_MS * MMR_NS_PER_MS;
        s->is_failing = true;
        return r;
    }
    (void)pthread_mutex_lock(&s->lock);
    settle(s, &snap);
    (void)pthread_mutex_unlock(&s->lock);
    s->soon_ns = s->later_ns = s->retry_ns = 0;
    s->trim_ns = s->committed_ns = mmr_clock_mono_ns();
    s->is_failing = false;
    return 0;
}

/* ---- what the link reads [bus] ---- */

static bool give(const struct row *x, const uint8_t *body, uint64_t seq, bool (*each)(void *arg, const struct mmr_spool_item *it), void *arg)
{
    struct mmr_wire_cursor cur = {body, body + x->bytes, false};
    struct mmr_wire_record r;
    for (uint64_t at_seq = x->first; mmr_record_next(&cur, &r); at_seq++) {
        char name[MMR_SITE_NAME_MAX + 1];
        if (at_seq < seq)
            continue;
        uint32_t len = r.name && r.name_len <= MMR_SITE_NAME_MAX ? r.name_len : 0;
        if (len)
            memcpy(name, r.name, len);
        name[len] = '\0';
        const struct mmr_spool_item it = {.seq = at_seq, .number = r.number, .kind = r.kind, .instance = name, .bytes = r.bytes, .len = r.len};
        if (!each(arg, &it))
            return false;
    }
    return true;
}

static void read_from(void *spool, uint32_t lane, uint64_t seq, bool (*each)(void *arg, const struct mmr_spool_item *it), void *arg)
{
    struct mmr_spool_disk *s = spool;
    (void)pthread_mutex_lock(&s->lock);
    const struct lane *l = &s->lane[lane];
    size_t low = 0, high = l->n; /* the first row that ends at seq or later */
    while (low < high) {
        size_t mid = (low + high) / 2;
        if (at(l, mid)->first + at(l, mid)->n <= seq)
            low = mid + 1;
        else
            high = mid;
    }
    for (bool goes_on = true; goes_on && low < l->n; low++) {
        const struct row *x = at(l, low);
        if (x->body) {
            goes_on = give(x, x->body, seq, each, arg);
            continue;
        }
        (void)sqlite3_bind_int64(s->read, 1, row_id(lane, x->first));
        goes_on = sqlite3_step(s->read) == SQLITE_ROW && (uint32_t)sqlite3_column_bytes(s->read, 0) == x->bytes &&
                  give(x, sqlite3_column_blob(s->read, 0), seq, each, arg);
        (void)sqlite3_reset(s->read);
    }
    (void)pthread_mutex_unlock(&s->lock);
}

static void trim(void *spool, uint32_t lane, uint64_t upto)
{
    struct mmr_spool_disk *s = spool;
    (void)pthread_mutex_lock(&s->lock);
    struct lane *l = &s->lane[lane];
    if (upto > l->trim)
        l->trim = upto;
    while (l->n && at(l, 0)->first + at(l, 0)->n - 1 <= upto)
        pop(s, l);
    (void)pthread_mutex_unlock(&s->lock);
}

static void range(void *spool, uint32_t lane, uint64_t *ret_first, uint64_t *ret_last)
{
    struct mmr_spool_disk *s = spool;
    (void)pthread_mutex_lock(&s->lock);
    const struct lane *l = &s->lane[lane];
    *ret_first = l->n ? at(l, 0)->first : l->committed + 1;
    if (*ret_first <= l->trim)
        *ret_first = l->trim + 1;
    *ret_last = l->committed;
    (void)pthread_mutex_unlock(&s->lock);
}

static void epoch(void *spool, uint8_t ret_epoch[16])
{
    memcpy(ret_epoch, ((struct mmr_spool_disk *)spool)->epoch, 16);
}

const struct mmr_spool_ops mmr_spool_disk_ops = {
    .is_durable = true, .append = append, .read_from = read_from, .trim = trim, .range = range, .epoch = epoch};

/* ---- counts ---- */

size_t mmr_spool_disk_bytes(struct mmr_spool_disk *s, uint32_t lane)
{
    (void)pthread_mutex_lock(&s->lock);
    size_t n = s->lane[lane].bytes;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

uint64_t mmr_spool_disk_dropped(struct mmr_spool_disk *s, uint32_t lane)
{
    (void)pthread_mutex_lock(&s->lock);
    uint64_t n = s->lane[lane].dropped;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

uint64_t mmr_spool_disk_untold(struct mmr_spool_disk *s, uint32_t lane, bool is_told)
{
    (void)pthread_mutex_lock(&s->lock);
    struct lane *l = &s->lane[lane];
    uint64_t n = l->dropped - l->told_next;
    if (is_told)
        l->told_next = l->dropped;
    (void)pthread_mutex_unlock(&s->lock);
    return n;
}

/* ---- another epoch ---- */

static bool renumber(struct mmr_spool_disk *s)
{
    sqlite3_stmt *st = NULL;
    bool is_good = sqlite3_prepare_v2(s->w, "UPDATE row SET id = ? WHERE id = ?", -1, &st, NULL) == SQLITE_OK;
    for (uint32_t lane = 0; lane < MMR_LANES && is_good; lane++) {
        struct lane *l = &s->lane[lane];
        uint64_t next = 1;
        for (size_t i = 0; i < l->n && is_good; i++) { /* oldest first: a new number is never above the old one */
            (void)sqlite3_bind_int64(st, 1, row_id(lane, next));
            (void)sqlite3_bind_int64(st, 2, row_id(lane, at(l, i)->first));
            is_good = step(st);
            next += at(l, i)->n;
        }
        (void)sqlite3_bind_int64(s->state, 1, (int64_t)(next - 1));
        (void)sqlite3_bind_int64(s->state, 2, (int64_t)l->dropped);
        (void)sqlite3_bind_int64(s->state, 3, (int64_t)l->told_next);
        (void)sqlite3_bind_int(s->state, 4, (int)lane);
        is_good = is_good && step(s->state);
    }
    (void)sqlite3_finalize(st);
    return is_good;
}

int mmr_spool_disk_renew(struct mmr_spool_disk *s, struct mmr_error *err)
{
    uint8_t old[16];
    memcpy(old, s->epoch, 16);
    int r = mmr_spool_disk_commit(s, err); /* nothing waits, nothing is to be deleted: rows and disk agree */
    if (r)
        return r;
    (void)pthread_mutex_lock(&s->lock);
    r = step(s->begin) && renumber(s) ? new_epoch(s, err) : fail(s, s->w, "another epoch", err);
    if (!r && !step(s->commit))
        r = fail(s, s->w, "another epoch", err);
    if (r) {
        if (!sqlite3_get_autocommit(s->w))
            (void)step(s->rollback);
        memcpy(s->epoch, old, 16);
    }
    for (uint32_t lane = 0; lane < MMR_LANES && !r; lane++) {
        struct lane *l = &s->lane[lane];
        uint64_t next = 1;
        for (size_t i = 0; i < l->n; i++) {
            at(l, i)->first = next;
            next += at(l, i)->n;
        }
        l->last = l->committed = next - 1;
        l->trim = l->gone = 0;
    }
    (void)pthread_mutex_unlock(&s->lock);
    return r;
}
