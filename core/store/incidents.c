/* incidents.c - incidents and how far each sender was received. */
#include "store/incidents.h"

#include "store/private.h"

#include <stdio.h>
#include <string.h>

void mmr_incident_row_of(const struct mmr_incident *i, struct mmr_incident_row *ret)
{
    *ret = (struct mmr_incident_row){
        .id = i->id,
        .t0_ns = i->t0_ns,
        .first_ns = i->first_ns,
        .last_ns = i->last_ns,
        .updated_ns = i->updated_ns,
        .revision = i->revision,
        .class_current = i->class_current,
        .class_peak = i->class_peak,
        .band = i->band,
        .row = i->row,
        .is_closed = i->is_closed,
        .is_exercise = i->is_exercise,
        .title = "",
    };
    memcpy(ret->uid, i->uid, sizeof ret->uid);
}

int mmr_store_incident_put(struct mmr_db *db, const struct mmr_incident_row *row,
                           struct mmr_error *err)
{
    sqlite3_stmt *s;
    char what[40];
    if (row->len > MMR_INCIDENT_BLOB_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "incident %016llx has %zu bytes, at most %d",
                        (unsigned long long)row->id, row->len, MMR_INCIDENT_BLOB_MAX);
    int r = mmr_db_write(
        db,
        "INSERT INTO incident(id, uid, t0, first, last, updated, revision, class, peak, band, row, "
        "closed, exercise,"
        " title, blob) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11, ?12, ?13, ?14, ?15)"
        " ON CONFLICT(id) DO UPDATE SET uid = ?2, t0 = ?3, first = ?4, last = ?5, updated = ?6, "
        "revision = ?7,"
        " class = ?8, peak = ?9, band = ?10, row = ?11, closed = ?12, exercise = ?13, title = ?14, "
        "blob = ?15"
        " WHERE ?7 >= revision",
        &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)row->id);
    (void)sqlite3_bind_blob(s, 2, row->uid, sizeof row->uid, SQLITE_STATIC);
    const int64_t numbers[] = {row->t0_ns,    row->first_ns,      row->last_ns,    row->updated_ns,
                               row->revision, row->class_current, row->class_peak, row->band,
                               row->row,      row->is_closed,     row->is_exercise};
    for (size_t k = 0; k < sizeof numbers / sizeof numbers[0]; k++)
        (void)sqlite3_bind_int64(s, 3 + (int)k, numbers[k]);
    (void)sqlite3_bind_text(s, 14, row->title ? row->title : "", -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(s, 15, row->len ? row->blob : "", row->len, SQLITE_STATIC);
    (void)snprintf(what, sizeof what, "incident %016llx", (unsigned long long)row->id);
    return mmr_db_done(db, s, row->len, what, err);
}

#define COLUMNS                                                                               \
    "id, uid, t0, first, last, updated, revision, class, peak, band, row, closed, exercise, " \
    "title, blob"

static void read_row(sqlite3_stmt *s, struct mmr_incident_row *r)
{
    *r = (struct mmr_incident_row){
        .id = (uint64_t)sqlite3_column_int64(s, 0),
        .t0_ns = sqlite3_column_int64(s, 2),
        .first_ns = sqlite3_column_int64(s, 3),
        .last_ns = sqlite3_column_int64(s, 4),
        .updated_ns = sqlite3_column_int64(s, 5),
        .revision = (uint32_t)sqlite3_column_int64(s, 6),
        .class_current = (enum mmr_class)sqlite3_column_int(s, 7),
        .class_peak = (enum mmr_class)sqlite3_column_int(s, 8),
        .band = (enum mmr_band)sqlite3_column_int(s, 9),
        .row = sqlite3_column_int(s, 10),
        .is_closed = sqlite3_column_int(s, 11) != 0,
        .is_exercise = sqlite3_column_int(s, 12) != 0,
        .title = (const char *)sqlite3_column_text(s, 13),
        .blob = sqlite3_column_blob(s, 14),
        .len = (size_t)sqlite3_column_bytes(s, 14),
    };
    if (sqlite3_column_bytes(s, 1) == (int)sizeof r->uid)
        memcpy(r->uid, sqlite3_column_blob(s, 1), sizeof r->uid);
    if (!r->title)
        r->title = "";
}

static int each(struct mmr_db *db, sqlite3_stmt *s, mmr_incident_row_fn fn, void *ctx,
                uint64_t *ret_n, struct mmr_error *err)
{
    int rc, r = 0;
    while (r == 0 && (rc = sqlite3_step(s)) != SQLITE_DONE) {
        struct mmr_incident_row row;
        if (rc != SQLITE_ROW)
            return mmr_db_fail(db, s, "reading incidents", err);
        read_row(s, &row);
        (*ret_n)++;
        r = fn(ctx, &row);
    }
    (void)sqlite3_reset(s);
    return r;
}

int mmr_store_incident_get(struct mmr_db *db, uint64_t id, mmr_incident_row_fn fn, void *ctx,
                           struct mmr_error *err)
{
    sqlite3_stmt *s;
    uint64_t n = 0;
    int r = mmr_db_ask(db, "SELECT " COLUMNS " FROM incident WHERE id = ?1", &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)id);
    r = each(db, s, fn, ctx, &n, err);
    if (r == 0 && n == 0)
        return mmr_fail(err, MMR_ENOENT, "there is no incident %016llx; see 'mamori incident list'",
                        (unsigned long long)id);
    return r;
}

int mmr_store_incidents_each(struct mmr_db *db, const struct mmr_incident_filter *f,
                             mmr_incident_row_fn fn, void *ctx, struct mmr_error *err)
{
    static const char oldest[] =
        "SELECT " COLUMNS " FROM incident WHERE (?1 = 0 OR closed = 0) AND class >= ?2 AND t0 >= ?3"
        " AND t0 <= ?4 ORDER BY t0, id LIMIT ?5";
    static const char newest[] =
        "SELECT " COLUMNS " FROM incident WHERE (?1 = 0 OR closed = 0) AND class >= ?2 AND t0 >= ?3"
        " AND t0 <= ?4 ORDER BY t0 DESC, id DESC LIMIT ?5";
    sqlite3_stmt *s;
    uint64_t n = 0;
    int r = mmr_db_ask(db, f->limit ? newest : oldest, &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int(s, 1, f->only_open);
    (void)sqlite3_bind_int(s, 2, f->min_class);
    (void)sqlite3_bind_int64(s, 3, f->from_ns ? f->from_ns : INT64_MIN);
    (void)sqlite3_bind_int64(s, 4, f->to_ns ? f->to_ns : INT64_MAX);
    (void)sqlite3_bind_int64(s, 5, f->limit ? (sqlite3_int64)f->limit : -1);
    return each(db, s, fn, ctx, &n, err);
}

int mmr_store_received_put(struct mmr_db *db, uint64_t host_epoch, uint32_t lane, uint64_t upto,
                           struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db,
                         "INSERT INTO received(epoch, lane, upto) VALUES(?1, ?2, ?3)"
                         " ON CONFLICT(epoch, lane) DO UPDATE SET upto = ?3 WHERE ?3 > upto",
                         &s, err);
    if (r < 0)
        return r;
    if (upto > INT64_MAX)
        return mmr_fail(err, MMR_EINVAL, "received number %llu is out of range",
                        (unsigned long long)upto);
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)host_epoch);
    (void)sqlite3_bind_int64(s, 2, lane);
    (void)sqlite3_bind_int64(s, 3, (sqlite3_int64)upto);
    return mmr_db_done(db, s, 24, "received numbers", err);
}

int mmr_store_received_get(struct mmr_db *db, uint64_t host_epoch, uint32_t lane,
                           uint64_t *ret_upto, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_ask(db, "SELECT upto FROM received WHERE epoch = ?1 AND lane = ?2", &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)host_epoch);
    (void)sqlite3_bind_int64(s, 2, lane);
    int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading received numbers", err);
    *ret_upto = rc == SQLITE_ROW ? (uint64_t)sqlite3_column_int64(s, 0) : 0;
    (void)sqlite3_reset(s);
    return 0;
}

