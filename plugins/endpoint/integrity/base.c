/* base.c - the baseline: one SQLite file in the instance's own folder. A database that is not sound stands aside and is made anew. */
#include "integrity.h"

#include <sqlite3.h>

#include <malloc.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { GET, PUT, REMOVE, SEEN, UNSEEN, COUNT, COUNT_TOLD, EACH_TOLD, NUMBER, SET_NUMBER, STATEMENTS };

static const char *const sql[STATEMENTS] = {
    [GET] = "SELECT kind, mode, uid, gid, size, inode, mtime_ns, ctime_ns, hash, xattrs, has_caps, told FROM file WHERE path = ?1",
    [PUT] = ("INSERT INTO file (path, kind, mode, uid, gid, size, inode, mtime_ns, ctime_ns, hash, xattrs, has_caps, told, scan) "
            "VALUES (?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14) ON CONFLICT (path) DO UPDATE SET kind = ?2, mode = ?3, uid = ?4, "
            "gid = ?5, size = ?6, inode = ?7, mtime_ns = ?8, ctime_ns = ?9, hash = ?10, xattrs = ?11, has_caps = ?12, told = ?13, scan = ?14"),
    [REMOVE] = "DELETE FROM file WHERE path = ?1",
    [SEEN] = "UPDATE file SET scan = ?2 WHERE path = ?1",
    [UNSEEN] = "SELECT path FROM file WHERE scan <> ?1 LIMIT 1",
    [COUNT] = "SELECT count(*) FROM file",
    [COUNT_TOLD] = "SELECT count(*) FROM file WHERE told IS NOT NULL",
    [EACH_TOLD] = "SELECT path FROM file WHERE told IS NOT NULL ORDER BY path LIMIT 10000",
    [NUMBER] = "SELECT v FROM number WHERE k = ?1",
    [SET_NUMBER] = "INSERT INTO number (k, v) VALUES (?1, ?2) ON CONFLICT (k) DO UPDATE SET v = ?2",
};
static const char schema[] =
    "CREATE TABLE IF NOT EXISTS file (path TEXT PRIMARY KEY, kind INTEGER NOT NULL, mode INTEGER NOT NULL, uid INTEGER NOT NULL, gid INTEGER NOT NULL, "
    "size INTEGER NOT NULL, inode INTEGER NOT NULL, mtime_ns INTEGER NOT NULL, ctime_ns INTEGER NOT NULL, hash BLOB NOT NULL, xattrs BLOB NOT NULL, "
    "has_caps INTEGER NOT NULL, told BLOB, scan INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS file_scan ON file (scan); CREATE INDEX IF NOT EXISTS file_told ON file (path) WHERE told IS NOT NULL;"
    "CREATE TABLE IF NOT EXISTS number (k TEXT PRIMARY KEY, v INTEGER NOT NULL) WITHOUT ROWID;";

struct mmr_base {
    sqlite3 *db;
    sqlite3_stmt *s[STATEMENTS];
    bool is_inside;
};

static int set_up(struct mmr_base *b, const char *path, struct mmr_error *err)
{
    sqlite3_stmt *check = NULL;
    int r = sqlite3_open_v2(path, &b->db, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE | SQLITE_OPEN_NOFOLLOW, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_exec(b->db, "PRAGMA journal_mode = WAL; PRAGMA synchronous = NORMAL; PRAGMA cache_size = -512; PRAGMA trusted_schema = OFF", NULL, NULL, NULL);
    if (r == SQLITE_OK)
        r = sqlite3_prepare_v2(b->db, "PRAGMA integrity_check(1)", -1, &check, NULL);
    if (r == SQLITE_OK && (r = sqlite3_step(check)) == SQLITE_ROW) {
        const char *said = (const char *)sqlite3_column_text(check, 0);
        r = said && strcmp(said, "ok") == 0 ? SQLITE_OK : SQLITE_CORRUPT;
        if (r)
            (void)mmr_fail(err, MMR_EBADMSG, "baseline '%s' is damaged: %.120s", path, said ? said : "");
    }
    (void)sqlite3_finalize(check);
    if (r == SQLITE_CORRUPT)
        return MMR_EBADMSG;
    if (r == SQLITE_OK)
        r = sqlite3_exec(b->db, schema, NULL, NULL, NULL);
    for (int i = 0; i < STATEMENTS && r == SQLITE_OK; i++)
        r = sqlite3_prepare_v3(b->db, sql[i], -1, SQLITE_PREPARE_PERSISTENT, &b->s[i], NULL);
    if (r == SQLITE_OK)
        return 0;
    /* no database at all, or another table of that name: whatever it is, it is not what was written here */
    bool is_other = r == SQLITE_NOTADB || r == SQLITE_CORRUPT || r == SQLITE_ERROR;
    return mmr_fail(err, is_other ? MMR_EBADMSG : MMR_EIO, "baseline '%s': %s", path, b->db ? sqlite3_errmsg(b->db) : "out of memory");
}

int mmr_base_open(const char *folder, struct mmr_base **ret, enum mmr_base_found *ret_found, struct mmr_error *err)
{
    char path[PATH_MAX], aside[PATH_MAX + 16];
    static const char *const ends[] = {"", "-wal", "-shm"};
    struct mmr_error why = {.struct_size = sizeof why};
    struct mmr_base *b = calloc(1, sizeof *b);
    if (!b)
        return mmr_fail(err, MMR_ENOMEM, "baseline: out of memory");
    (void)snprintf(path, sizeof path, "%.4000s/baseline.db", folder);
    *ret_found = access(path, F_OK) == 0 ? MMR_BASE_THERE : MMR_BASE_NONE;
    int r = set_up(b, path, &why);
    if (r == MMR_EBADMSG) {
        mmr_base_close(b);
        *ret_found = MMR_BASE_DAMAGED;
        for (size_t i = 0; i < 3; i++) { /* what an earlier one left there goes: it is one file, not a heap of them */
            char from[PATH_MAX + 8];
            (void)snprintf(from, sizeof from, "%s%s", path, ends[i]);
            (void)snprintf(aside, sizeof aside, "%.4000s/baseline.damaged%s", folder, ends[i]);
            if (rename(from, aside) != 0)
                (void)unlink(from);
        }
        b = calloc(1, sizeof *b);
        r = b ? set_up(b, path, err) : mmr_fail(err, MMR_ENOMEM, "baseline: out of memory");
        if (!r)
            (void)mmr_fail(err, MMR_EBADMSG, "%s", why.text);
    } else if (r) {
        (void)mmr_fail(err, r, "%s", why.text);
    }
    if (r) {
        mmr_base_close(b);
        return r;
    }
    *ret = b;
    return 0;
}

void mmr_base_close(struct mmr_base *b)
{
    if (!b)
        return;
    if (b->is_inside)
        (void)sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL);
    for (int i = 0; i < STATEMENTS; i++)
        (void)sqlite3_finalize(b->s[i]);
    (void)sqlite3_close(b->db);
    free(b);
}

void mmr_base_rest(struct mmr_base *b)
{
    (void)sqlite3_db_release_memory(b->db);
    (void)malloc_trim(0);
}

static sqlite3_stmt *with_path(struct mmr_base *b, int which, const char *path)
{
    sqlite3_stmt *s = b->s[which];
    (void)sqlite3_reset(s);
    (void)sqlite3_clear_bindings(s);
    if (path)
        (void)sqlite3_bind_text(s, 1, path, -1, SQLITE_STATIC);
    return s;
}

static int done(struct mmr_base *b, sqlite3_stmt *s, struct mmr_error *err)
{
    int r = sqlite3_step(s);
    (void)sqlite3_reset(s);
    return r == SQLITE_DONE || r == SQLITE_ROW ? 0 : mmr_fail(err, MMR_EIO, "baseline: %s", sqlite3_errmsg(b->db));
}

static void take_blob(sqlite3_stmt *s, int column, uint8_t *to, int n)
{
    const void *p = sqlite3_column_blob(s, column);
    memset(to, 0, (size_t)n);
    if (p && sqlite3_column_bytes(s, column) == n)
        memcpy(to, p, (size_t)n);
}

int mmr_base_get(struct mmr_base *b, const char *path, struct mmr_row *ret, struct mmr_error *err)
{
    sqlite3_stmt *s = with_path(b, GET, path);
    int r = sqlite3_step(s);
    memset(ret, 0, sizeof *ret);
    if (r == SQLITE_ROW) {
        ret->state = (struct mmr_state){.kind = (uint32_t)sqlite3_column_int64(s, 0), .mode = (uint32_t)sqlite3_column_int64(s, 1),
                                        .uid = (uint32_t)sqlite3_column_int64(s, 2), .gid = (uint32_t)sqlite3_column_int64(s, 3),
                                        .size = (uint64_t)sqlite3_column_int64(s, 4), .inode = (uint64_t)sqlite3_column_int64(s, 5),
                                        .mtime_ns = sqlite3_column_int64(s, 6), .ctime_ns = sqlite3_column_int64(s, 7),
                                        .has_caps = sqlite3_column_int(s, 10) != 0};
        take_blob(s, 8, ret->state.hash, MMR_INTEGRITY_HASH);
        take_blob(s, 9, ret->state.xattrs, MMR_INTEGRITY_HASH);
        ret->is_told = sqlite3_column_type(s, 11) == SQLITE_BLOB;
        take_blob(s, 11, ret->told, sizeof ret->told);
        ret->is_known = true;
    }
    (void)sqlite3_reset(s);
    return r == SQLITE_ROW || r == SQLITE_DONE ? 0 : mmr_fail(err, MMR_EIO, "baseline: %s", sqlite3_errmsg(b->db));
}

int mmr_base_put(struct mmr_base *b, const char *path, const struct mmr_row *row, int64_t scan, struct mmr_error *err)
{
    sqlite3_stmt *s = with_path(b, PUT, path);
    const struct mmr_state *t = &row->state;
    const int64_t numbers[] = {t->kind, t->mode, t->uid, t->gid, (int64_t)t->size, (int64_t)t->inode, t->mtime_ns, t->ctime_ns};
    for (int i = 0; i < 8; i++)
        (void)sqlite3_bind_int64(s, i + 2, numbers[i]);
    (void)sqlite3_bind_blob(s, 10, t->hash, sizeof t->hash, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 11, t->xattrs, sizeof t->xattrs, SQLITE_STATIC);
    (void)sqlite3_bind_int(s, 12, t->has_caps);
    if (row->is_told)
        (void)sqlite3_bind_blob(s, 13, row->told, sizeof row->told, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 14, scan);
    return done(b, s, err);
}

int mmr_base_remove(struct mmr_base *b, const char *path, struct mmr_error *err)
{
    return done(b, with_path(b, REMOVE, path), err);
}

int mmr_base_seen(struct mmr_base *b, const char *path, int64_t scan, struct mmr_error *err)
{
    sqlite3_stmt *s = with_path(b, SEEN, path);
    (void)sqlite3_bind_int64(s, 2, scan);
    return done(b, s, err);
}

bool mmr_base_unseen(struct mmr_base *b, int64_t scan, char *ret, size_t cap)
{
    sqlite3_stmt *s = with_path(b, UNSEEN, NULL);
    (void)sqlite3_bind_int64(s, 1, scan);
    bool is_there = sqlite3_step(s) == SQLITE_ROW;
    if (is_there)
        (void)snprintf(ret, cap, "%s", (const char *)sqlite3_column_text(s, 0));
    (void)sqlite3_reset(s);
    return is_there;
}

int64_t mmr_base_count(struct mmr_base *b, bool is_told)
{
    sqlite3_stmt *s = with_path(b, is_told ? COUNT_TOLD : COUNT, NULL);
    int64_t n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    (void)sqlite3_reset(s);
    return n;
}

void mmr_base_each_told(struct mmr_base *b, void (*fn)(void *ctx, const char *path), void *ctx)
{
    sqlite3_stmt *s = with_path(b, EACH_TOLD, NULL);
    while (sqlite3_step(s) == SQLITE_ROW)
        fn(ctx, (const char *)sqlite3_column_text(s, 0));
    (void)sqlite3_reset(s);
}

int64_t mmr_base_number(struct mmr_base *b, const char *key)
{
    sqlite3_stmt *s = with_path(b, NUMBER, key);
    int64_t n = sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : 0;
    (void)sqlite3_reset(s);
    return n;
}

void mmr_base_set_number(struct mmr_base *b, const char *key, int64_t v)
{
    sqlite3_stmt *s = with_path(b, SET_NUMBER, key);
    (void)sqlite3_bind_int64(s, 2, v);
    (void)done(b, s, NULL);
}

void mmr_base_begin(struct mmr_base *b)
{
    if (!b->is_inside)
        b->is_inside = sqlite3_exec(b->db, "BEGIN IMMEDIATE", NULL, NULL, NULL) == SQLITE_OK;
}

int mmr_base_commit(struct mmr_base *b, struct mmr_error *err)
{
    if (!b->is_inside)
        return 0;
    b->is_inside = false;
    if (sqlite3_exec(b->db, "COMMIT", NULL, NULL, NULL) == SQLITE_OK)
        return 0;
    (void)mmr_fail(err, MMR_EIO, "baseline: %s", sqlite3_errmsg(b->db));
    (void)sqlite3_exec(b->db, "ROLLBACK", NULL, NULL, NULL);
    return MMR_EIO;
}
