/* outbox.c - what forwarders must hand on. A row is due for a forwarder while it stands in todo. */
#include "store/incidents.h"

#include "store/private.h"

#include <mamori/plugin.h>

#include <stdio.h>

enum { JSON_MAX = 4 * 1024 * 1024 };

int mmr_store_outbox_add(struct mmr_db *db, const char *kind, bool is_urgent, int64_t at_ns,
                         const char *json, size_t len, uint64_t *ret_seq, struct mmr_error *err)
{
    sqlite3_stmt *s;
    if (len > JSON_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "outbox: a %.20s of %zu bytes, at most %d", kind, len,
                        JSON_MAX);
    int r = mmr_db_write(db, "INSERT INTO outbox(kind, urgent, at, json) VALUES(?1, ?2, ?3, ?4)",
                         &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, kind, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(s, 2, is_urgent);
    (void)sqlite3_bind_int64(s, 3, at_ns);
    (void)sqlite3_bind_blob64(s, 4, len ? json : "", len, SQLITE_STATIC);
    if ((r = mmr_db_done(db, s, len, "outbox", err)) < 0)
        return r;
    const sqlite3_int64 seq = sqlite3_last_insert_rowid(mmr_db_handle(db));
    r = mmr_db_write(
        db, "INSERT INTO todo(forwarder, urgent, seq) SELECT name, ?1, ?2 FROM forwarder", &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int(s, 1, is_urgent);
    (void)sqlite3_bind_int64(s, 2, seq);
    if ((r = mmr_db_done(db, s, 0, "outbox", err)) == 0 && ret_seq)
        *ret_seq = (uint64_t)seq;
    return r;
}

int mmr_store_outbox_register(struct mmr_db *db, const char *forwarder, bool from_start,
                              struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(
        db,
        "INSERT INTO forwarder(name, since) VALUES(?1, (SELECT coalesce(max(seq), 0) FROM outbox))"
        " ON CONFLICT(name) DO NOTHING",
        &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, forwarder, -1, SQLITE_STATIC);
    if ((r = mmr_db_done(db, s, 0, forwarder, err)) < 0 ||
        sqlite3_changes(mmr_db_handle(db)) == 0 || !from_start)
        return r;
    if ((r = mmr_db_write(
             db, "INSERT INTO todo(forwarder, urgent, seq) SELECT ?1, urgent, seq FROM outbox", &s,
             err)) < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, forwarder, -1, SQLITE_STATIC);
    return mmr_db_done(db, s, 0, forwarder, err);
}

int mmr_store_outbox_pending(struct mmr_db *db, const char *forwarder, uint32_t limit,
                             int (*fn)(void *ctx, const struct mmr_outbox_row *row), void *ctx,
                             struct mmr_error *err)
{
    sqlite3_stmt *s;
    int rc, r = mmr_db_ask(
                db,
                "SELECT o.seq, o.kind, o.urgent, o.at, o.json, coalesce(d.level, -2) FROM todo t"
                " JOIN outbox o ON o.seq = t.seq LEFT JOIN delivery d ON d.forwarder = t.forwarder "
                "AND d.seq = t.seq"
                " WHERE t.forwarder = ?1 ORDER BY t.urgent DESC, t.seq LIMIT ?2",
                &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, forwarder, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, limit ? (sqlite3_int64)limit : -1);
    while (r == 0 && (rc = sqlite3_step(s)) != SQLITE_DONE) {
        if (rc != SQLITE_ROW)
            return mmr_db_fail(db, s, "reading the outbox", err);
        const char *kind = (const char *)sqlite3_column_text(s, 1);
        const struct mmr_outbox_row row = {
            .seq = (uint64_t)sqlite3_column_int64(s, 0),
            .kind = kind ? kind : "",
            .is_urgent = sqlite3_column_int(s, 2) != 0,
            .at_ns = sqlite3_column_int64(s, 3),
            .json = sqlite3_column_blob(s, 4),
            .len = (size_t)sqlite3_column_bytes(s, 4),
            .level = sqlite3_column_int(s, 5),
        };
        r = fn(ctx, &row);
    }
    (void)sqlite3_reset(s);
    return r;
}

int mmr_store_outbox_level(struct mmr_db *db, const char *forwarder, uint64_t seq, int level,
                           int64_t at_ns, const char *detail, struct mmr_error *err)
{
    sqlite3_stmt *s;
    /* given up is a last word only until the record gets further after all (a late delivery notice)
     */
    int r = mmr_db_write(
        db,
        "INSERT INTO delivery(forwarder, seq, level, at, detail) VALUES(?1, ?2, ?3, ?4, ?5)"
        " ON CONFLICT(forwarder, seq) DO UPDATE SET level = ?3, at = ?4, detail = ?5"
        " WHERE ?3 > level OR (?3 < 0 AND level < 1)",
        &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, forwarder, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, (sqlite3_int64)seq);
    (void)sqlite3_bind_int(s, 3, level);
    (void)sqlite3_bind_int64(s, 4, at_ns);
    (void)sqlite3_bind_text(s, 5, detail ? detail : "", -1, SQLITE_STATIC);
    if ((r = mmr_db_done(db, s, 64, "delivery", err)) < 0 ||
        (level >= 0 && level < MMR_DELIVERY_GATEWAY))
        return r;
    if ((r = mmr_db_write(db,
                          "DELETE FROM todo WHERE forwarder = ?1 AND seq = ?2 AND urgent IN (0, 1)",
                          &s, err)) < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, forwarder, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, (sqlite3_int64)seq);
    return mmr_db_done(db, s, 0, "delivery", err);
}

int mmr_store_outbox_count(struct mmr_db *db, const char *forwarder, uint64_t *ret_pending,
                           struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_ask(db, "SELECT count(*) FROM todo WHERE forwarder = ?1", &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, forwarder, -1, SQLITE_STATIC);
    if (sqlite3_step(s) != SQLITE_ROW)
        return mmr_db_fail(db, s, "counting the outbox", err);
    *ret_pending = (uint64_t)sqlite3_column_int64(s, 0);
    (void)sqlite3_reset(s);
    return 0;
}

int mmr_store_outbox_retire(struct mmr_db *db, const char *wanted, int64_t before_ns, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db,
                         "DELETE FROM todo WHERE instr(char(10) || ?1, char(10) || forwarder || char(10)) = 0"
                         " AND seq IN (SELECT seq FROM outbox WHERE at < ?2)",
                         &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_text(s, 1, wanted, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, before_ns);
    return mmr_db_done(db, s, 0, "trimming the outbox", err);
}

int mmr_store_outbox_trim(struct mmr_db *db, int64_t before_ns, struct mmr_error *err)
{
    static const char *const sql[] = {
        "DELETE FROM outbox WHERE at < ?1 AND seq NOT IN (SELECT seq FROM todo)",
        "DELETE FROM delivery WHERE ?1 IS NOT NULL AND seq NOT IN (SELECT seq FROM outbox)",
    };
    for (size_t k = 0; k < sizeof sql / sizeof sql[0]; k++) {
        sqlite3_stmt *s;
        int r = mmr_db_write(db, sql[k], &s, err);
        if (r < 0)
            return r;
        (void)sqlite3_bind_int64(s, 1, before_ns);
        if ((r = mmr_db_done(db, s, 0, "trimming the outbox", err)) < 0)
            return r;
    }
    return 0;
}
