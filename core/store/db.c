/* db.c - opening, the schema, and group commit. The file's content is ours but may be damaged;
 * trust no size. */
#include "store/private.h"

#include "util/clock.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

enum { STATEMENTS_MAX = 40, SCHEMA_VERSION = 1, VALUE_MAX = 64 * 1024, BUSY_MS = 2000 };

struct mmr_db {
    sqlite3 *h;
    char *dir;
    bool is_readonly, has_batch, is_broken;
    uint32_t records;
    size_t bytes;
    int64_t since_ns; /* monotonic, of the batch's first record */
    struct {
        const char *sql;
        sqlite3_stmt *s;
    } stmt[STATEMENTS_MAX];
    size_t n_stmt;
};

static const char schema[] =
    "CREATE TABLE state(key TEXT PRIMARY KEY, value BLOB NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE incident(id INTEGER PRIMARY KEY, uid BLOB NOT NULL, t0 INTEGER NOT NULL, first "
    "INTEGER NOT NULL,"
    " last INTEGER NOT NULL, updated INTEGER NOT NULL, revision INTEGER NOT NULL, class INTEGER "
    "NOT NULL,"
    " peak INTEGER NOT NULL, band INTEGER NOT NULL, row INTEGER NOT NULL, closed INTEGER NOT NULL,"
    " exercise INTEGER NOT NULL, title TEXT NOT NULL, blob BLOB NOT NULL);"
    "CREATE INDEX incident_t0 ON incident(t0, id);"
    "CREATE INDEX incident_open ON incident(t0) WHERE closed = 0;"
    "CREATE TABLE received(epoch INTEGER NOT NULL, lane INTEGER NOT NULL, upto INTEGER NOT NULL,"
    " PRIMARY KEY(epoch, lane)) WITHOUT ROWID;"
    "CREATE TABLE outbox(seq INTEGER PRIMARY KEY AUTOINCREMENT, kind TEXT NOT NULL, urgent INTEGER "
    "NOT NULL,"
    " at INTEGER NOT NULL, json BLOB NOT NULL);"
    "CREATE TABLE forwarder(name TEXT PRIMARY KEY, since INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE todo(forwarder TEXT NOT NULL, urgent INTEGER NOT NULL, seq INTEGER NOT NULL,"
    " PRIMARY KEY(forwarder, urgent DESC, seq)) WITHOUT ROWID;"
    "CREATE TABLE delivery(forwarder TEXT NOT NULL, seq INTEGER NOT NULL, level INTEGER NOT NULL, "
    "at INTEGER NOT NULL,"
    " detail TEXT NOT NULL, PRIMARY KEY(forwarder, seq)) WITHOUT ROWID;"
    "CREATE TABLE action(id INTEGER PRIMARY KEY, incident INTEGER NOT NULL, state INTEGER NOT "
    "NULL, ordered INTEGER NOT NULL,"
    " expires INTEGER NOT NULL, verb TEXT NOT NULL, instance TEXT NOT NULL, rec BLOB NOT NULL);"
    "CREATE INDEX action_incident ON action(incident);"
    "CREATE TABLE evidence(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, kind TEXT NOT NULL, "
    "body BLOB NOT NULL,"
    " prev BLOB NOT NULL, hash BLOB NOT NULL);"
    "CREATE TABLE checkpoint(seq INTEGER PRIMARY KEY, time INTEGER NOT NULL, hash BLOB NOT NULL, "
    "key BLOB NOT NULL,"
    " sig BLOB NOT NULL);"
    "PRAGMA user_version = 1;";

static int code_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
    case SQLITE_FORMAT:
        return MMR_EBADMSG;
    case SQLITE_NOMEM:
        return MMR_ENOMEM;
    case SQLITE_TOOBIG:
        return MMR_ETOOBIG;
    default:
        return MMR_EIO;
    }
}

static const char *remedy_of(int rc)
{
    switch (rc & 0xff) {
    case SQLITE_FULL:
        return "; the disk is full: make room, nothing acknowledged is lost";
    case SQLITE_CORRUPT:
    case SQLITE_NOTADB:
        return "; the file is damaged: keep a copy, then restore or move it away";
    case SQLITE_BUSY:
        return "; another process holds it";
    case SQLITE_READONLY:
    case SQLITE_CANTOPEN:
    case SQLITE_PERM:
        return "; check the owner and mode of the state directory";
    default:
        return "";
    }
}

static int fail_sql(struct mmr_db *db, int rc, const char *what, struct mmr_error *err)
{
    return mmr_fail(err, code_of(rc), "store '%.100s': %.40s: %.60s%s", db->dir, what,
                    sqlite3_errmsg(db->h), remedy_of(rc));
}

sqlite3 *mmr_db_handle(struct mmr_db *db)
{
    return db->h;
}

const char *mmr_db_dir(const struct mmr_db *db)
{
    return db->dir;
}

static int exec(struct mmr_db *db, const char *sql, const char *what, struct mmr_error *err)
{
    int rc = sqlite3_exec(db->h, sql, NULL, NULL, NULL);
    return rc == SQLITE_OK ? 0 : fail_sql(db, rc, what, err);
}

static int read_version(struct mmr_db *db, int64_t *ret, struct mmr_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v2(db->h, "PRAGMA user_version", -1, &s, NULL);
    if (rc == SQLITE_OK)
        rc = sqlite3_step(s);
    if (rc != SQLITE_ROW) {
        int e = fail_sql(db, rc, "reading its version", err);
        (void)sqlite3_finalize(s);
        return e;
    }
    *ret = sqlite3_column_int64(s, 0);
    (void)sqlite3_finalize(s);
    return 0;
}

static int migrate(struct mmr_db *db, unsigned flags, struct mmr_error *err)
{
    int64_t version = 0;
    int r = read_version(db, &version, err);
    if (r < 0)
        return r;
    if (version > SCHEMA_VERSION)
        return mmr_fail(
            err, MMR_EBADMSG,
            "store '%.100s' has schema %lld, this mamori knows up to %d; run a newer mamori",
            db->dir, (long long)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return 0;
    if (!(flags & MMR_DB_CREATE))
        return mmr_fail(err, MMR_EBADMSG, "store '%.100s' is a database without mamori's tables",
                        db->dir);
    if ((r = exec(db, "BEGIN IMMEDIATE", "making its tables", err)) < 0)
        return r;
    /* another process may have been first */
    if ((r = read_version(db, &version, err)) == 0 && version == 0)
        r = exec(db, schema, "making its tables", err);
    if (r == 0)
        r = exec(db, "COMMIT", "making its tables", err);
    if (r < 0)
        (void)sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

int mmr_db_open(const char *dir, unsigned flags, struct mmr_db **ret, struct mmr_error *err)
{
    struct mmr_db *db = calloc(1, sizeof *db);
    mmr_autofree char *path = NULL;
    struct stat st;
    int r;
    if (!db || !(db->dir = strdup(dir)) || asprintf(&path, "%s/" MMR_DB_FILE, dir) < 0) {
        path = NULL;
        mmr_db_close(db);
        return mmr_fail(err, MMR_ENOMEM, "store '%.100s': out of memory", dir);
    }
    db->is_readonly = flags & MMR_DB_READONLY;
    if (!(flags & MMR_DB_CREATE) && stat(path, &st) < 0) {
        const int e = errno;
        r = e == ENOENT ? mmr_fail(err, MMR_ENOENT, "no store at '%.150s': mamori has not run with this state folder", path)
                        : mmr_fail(err, MMR_EIO, "store '%.150s': %s%s", path, strerror(e), e == EACCES ? "; run this as root" : "");
        mmr_db_close(db);
        return r;
    }
    if (flags & MMR_DB_CREATE) { /* what it holds is nobody else's business: the mode is set before
                                    the first byte */
        mmr_autoclose int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0) {
            r = mmr_fail(err, MMR_EIO, "store '%.150s': %s", path, strerror(errno));
            mmr_db_close(db);
            return r;
        }
    }
    int rc = sqlite3_open_v2(path, &db->h,
                             (db->is_readonly ? SQLITE_OPEN_READONLY : SQLITE_OPEN_READWRITE) |
                                 SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW,
                             NULL);
    if (rc != SQLITE_OK) {
        r = mmr_fail(err, code_of(rc), "store '%.150s': %s%s", path,
                     db->h ? sqlite3_errmsg(db->h) : "out of memory", remedy_of(rc));
        mmr_db_close(db);
        return r;
    }
    (void)sqlite3_busy_timeout(db->h, BUSY_MS);
    (void)sqlite3_extended_result_codes(db->h, 1);
    (void)sqlite3_db_config(db->h, SQLITE_DBCONFIG_DEFENSIVE, 1, NULL);
    (void)sqlite3_limit(db->h, SQLITE_LIMIT_LENGTH,
                        16 * 1024 * 1024); /* a damaged size must not become an allocation */
    r = exec(db,
             "PRAGMA trusted_schema = OFF; PRAGMA cell_size_check = ON; PRAGMA cache_size = -2048;",
             "opening", err);
    if (r == 0 && !db->is_readonly)
        r = exec(db,
                 "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA wal_autocheckpoint "
                 "= 1000;",
                 "opening", err);
    if (r == 0)
        r = migrate(db, flags, err);
    if (r < 0) {
        mmr_db_close(db);
        return r;
    }
    *ret = db;
    return 0;
}

void mmr_db_close(struct mmr_db *db)
{
    if (!db)
        return;
    for (size_t i = 0; i < db->n_stmt; i++)
        (void)sqlite3_finalize(db->stmt[i].s);
    if (db->h) {
        if (db->has_batch)
            (void)sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
        (void)sqlite3_close_v2(db->h);
    }
    free(db->dir);
    free(db);
}

/* ---- batch ---- */

int mmr_db_begin(struct mmr_db *db, struct mmr_error *err)
{
    if (db->is_readonly)
        return mmr_fail(err, MMR_EIO, "store '%.100s' is open for reading only", db->dir);
    if (db->is_broken)
        return mmr_fail(
            err, MMR_EIO,
            "store '%.100s': an earlier write of this batch failed; roll it back and write again",
            db->dir);
    if (db->has_batch)
        return 0;
    int rc = sqlite3_exec(db->h, "BEGIN IMMEDIATE", NULL, NULL, NULL);
    if (rc != SQLITE_OK)
        return fail_sql(db, rc, "beginning a batch", err);
    db->has_batch = true;
    db->records = 0;
    db->bytes = 0;
    db->since_ns = mmr_clock_mono_ns();
    return 0;
}

int mmr_db_commit(struct mmr_db *db, struct mmr_error *err)
{
    if (db->is_broken)
        return mmr_fail(
            err, MMR_EIO,
            "store '%.100s': a write of this batch failed; roll it back and write again", db->dir);
    if (!db->has_batch)
        return 0;
    int rc = sqlite3_exec(db->h, "COMMIT", NULL, NULL, NULL);
    if (rc != SQLITE_OK) {
        int e = fail_sql(db, rc, "committing", err);
        db->is_broken = true;
        return e;
    }
    db->has_batch = false;
    return 0;
}

void mmr_db_rollback(struct mmr_db *db)
{
    for (size_t i = 0; i < db->n_stmt; i++)
        (void)sqlite3_reset(db->stmt[i].s);
    if (!sqlite3_get_autocommit(db->h))
        (void)sqlite3_exec(db->h, "ROLLBACK", NULL, NULL, NULL);
    db->has_batch = false;
    db->is_broken = false;
}

bool mmr_db_has_batch(const struct mmr_db *db)
{
    return db->has_batch;
}

bool mmr_db_is_due(const struct mmr_db *db, int64_t mono_ns)
{
    return db->has_batch && (db->records >= MMR_DB_BATCH_RECORDS ||
                             db->bytes >= MMR_DB_BATCH_BYTES || mono_ns >= mmr_db_deadline_ns(db));
}

int64_t mmr_db_deadline_ns(const struct mmr_db *db)
{
    return db->has_batch ? db->since_ns + MMR_DB_BATCH_MS * MMR_NS_PER_MS : INT64_MAX;
}

/* ---- statements ---- */

int mmr_db_ask(struct mmr_db *db, const char *sql, sqlite3_stmt **ret, struct mmr_error *err)
{
    for (size_t i = 0; i < db->n_stmt; i++)
        if (db->stmt[i].sql == sql) {
            (void)sqlite3_reset(db->stmt[i].s);
            (void)sqlite3_clear_bindings(db->stmt[i].s);
            *ret = db->stmt[i].s;
            return 0;
        }
    if (db->n_stmt == STATEMENTS_MAX)
        return mmr_fail(err, MMR_EINTERNAL, "store: more than %d kinds of statements",
                        STATEMENTS_MAX);
    sqlite3_stmt *s = NULL;
    int rc = sqlite3_prepare_v3(db->h, sql, -1, SQLITE_PREPARE_PERSISTENT, &s, NULL);
    if (rc != SQLITE_OK)
        return fail_sql(db, rc, "preparing", err);
    db->stmt[db->n_stmt].sql = sql;
    db->stmt[db->n_stmt++].s = s;
    *ret = s;
    return 0;
}

int mmr_db_write(struct mmr_db *db, const char *sql, sqlite3_stmt **ret, struct mmr_error *err)
{
    int r = mmr_db_begin(db, err);
    return r < 0 ? r : mmr_db_ask(db, sql, ret, err);
}

int mmr_db_done(struct mmr_db *db, sqlite3_stmt *s, size_t bytes, const char *what,
                struct mmr_error *err)
{
    int rc = sqlite3_step(s);
    if (rc != SQLITE_DONE) {
        int e = fail_sql(db, rc, what, err);
        (void)sqlite3_reset(s);
        db->is_broken = true; /* a part of the batch is missing: none of it may count */
        return e;
    }
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    db->records++;
    db->bytes += bytes;
    return 0;
}

int mmr_db_fail(struct mmr_db *db, sqlite3_stmt *s, const char *what, struct mmr_error *err)
{
    int rc = sqlite3_errcode(db->h);
    int e = fail_sql(db, rc, what, err);
    (void)sqlite3_reset(s);
    return e;
}

int mmr_db_set(struct mmr_db *db, const char *key, const void *value, size_t len,
               struct mmr_error *err)
{
    sqlite3_stmt *s;
    if (len > VALUE_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "store: value of '%.60s' has %zu bytes, at most %d", key,
                        len, VALUE_MAX);
    int r = mmr_db_write(
        db,
        "INSERT INTO state(key, value) VALUES(?1, ?2) ON CONFLICT(key) DO UPDATE SET value = ?2",
        &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(s, 2, len ? value : "", len, SQLITE_STATIC);
    return mmr_db_done(db, s, len, key, err);
}

int mmr_db_get(struct mmr_db *db, const char *key, void **ret, size_t *ret_len,
               struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_ask(db, "SELECT value FROM state WHERE key = ?1", &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_DONE) {
        (void)sqlite3_reset(s);
        return mmr_fail(err, MMR_ENOENT, "store: nothing is kept as '%.60s'", key);
    }
    if (rc != SQLITE_ROW)
        return mmr_db_fail(db, s, key, err);
    size_t len = (size_t)sqlite3_column_bytes(s, 0);
    void *copy = malloc(len + 1);
    if (copy) {
        if (len)
            memcpy(copy, sqlite3_column_blob(s, 0), len);
        ((char *)copy)[len] = '\0'; /* text can be used as it is */
        *ret = copy;
        *ret_len = len;
    }
    (void)sqlite3_reset(s);
    return copy ? 0 : mmr_fail(err, MMR_ENOMEM, "store: out of memory");
}

int mmr_db_each(struct mmr_db *db, const char *prefix,
                int (*fn)(void *ctx, const char *key, const void *value, size_t len), void *ctx,
                struct mmr_error *err)
{
    sqlite3_stmt *s;
    int rc, r = mmr_db_ask(db,
                           "SELECT key, value FROM state WHERE substr(key, 1, length(?1)) = ?1"
                           " ORDER BY key",
                           &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, prefix, -1, SQLITE_STATIC);
    while (r == 0 && (rc = sqlite3_step(s)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW)
            return mmr_db_fail(db, s, prefix, err);
        const char *key = (const char *)sqlite3_column_text(s, 0);
        r = fn(ctx, key ? key : "", sqlite3_column_blob(s, 1), (size_t)sqlite3_column_bytes(s, 1));
    }
    (void)sqlite3_reset(s);
    return r;
}

int mmr_db_drop(struct mmr_db *db, const char *key, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db, "DELETE FROM state WHERE key = ?1", &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, key, -1, SQLITE_STATIC);
    return mmr_db_done(db, s, 0, key, err);
}
