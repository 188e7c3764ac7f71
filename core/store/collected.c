/* collected.c - see collected.h. Content comes from sites: each JSON is parsed before it counts. */
#include "store/collected.h"

#include "store/incidents.h"
#include "store/private.h"
#include "util/id.h"
#include "util/json.h"
#include "util/scope.h"

#include <json-c/json.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { INCIDENT_CLASS = 2005, PARTS_BYTES_MAX = 4 * 1024 * 1024 + 128 * 1024 };

static const char tables[] =
    "CREATE TABLE IF NOT EXISTS collected(id BLOB PRIMARY KEY, at INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS collected_at ON collected(at);"
    "CREATE TABLE IF NOT EXISTS collected_part(site TEXT NOT NULL, lane INTEGER NOT NULL, part INTEGER NOT NULL, bytes BLOB NOT NULL,"
    " PRIMARY KEY(site, lane, part)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS collected_upto(site TEXT NOT NULL, lane INTEGER NOT NULL, epoch BLOB NOT NULL, upto INTEGER NOT NULL,"
    " PRIMARY KEY(site, lane)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS collected_site(name TEXT PRIMARY KEY, first INTEGER NOT NULL, seen INTEGER NOT NULL, up INTEGER NOT NULL,"
    " silent INTEGER NOT NULL, records INTEGER NOT NULL, record INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS collected_incident(site TEXT NOT NULL, uid TEXT NOT NULL, class TEXT NOT NULL, band TEXT NOT NULL,"
    " status INTEGER NOT NULL, last INTEGER NOT NULL, logged INTEGER NOT NULL, title TEXT NOT NULL, PRIMARY KEY(site, uid)) WITHOUT ROWID;"
    "CREATE TABLE IF NOT EXISTS collected_checkpoint(site TEXT NOT NULL, seq INTEGER NOT NULL, time INTEGER NOT NULL, hash BLOB NOT NULL,"
    " key BLOB NOT NULL, sig BLOB NOT NULL, doubt TEXT NOT NULL, PRIMARY KEY(site, seq)) WITHOUT ROWID;"
    "CREATE INDEX IF NOT EXISTS collected_severe ON collected_incident(site, last) WHERE class = 'severe' AND status < 4;";

int mmr_collected_open(struct mmr_db *db, struct mmr_error *err)
{
    char *why = NULL;
    int r = mmr_db_begin(db, err);
    if (r)
        return r;
    if (sqlite3_exec(mmr_db_handle(db), tables, NULL, NULL, &why) != SQLITE_OK) {
        r = mmr_fail(err, MMR_EIO, "store '%.100s': making the collector's tables: %.100s", mmr_db_dir(db), why ? why : "?");
        sqlite3_free(why);
        mmr_db_rollback(db);
        return r;
    }
    return mmr_db_commit(db, err);
}

/* ---- records ---- */

static const char *text_of(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_string) ? json_object_get_string(v) : "";
}

static int64_t number_of(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_int) ? json_object_get_int64(v) : 0;
}

static struct json_object *object_of(struct json_object *o, const char *key)
{
    struct json_object *v = NULL;
    return o && json_object_object_get_ex(o, key, &v) && json_object_is_type(v, json_type_object) ? v : NULL;
}

static int id_of(const struct mmr_collected_record *r, uint8_t ret[16], struct mmr_error *err)
{
    size_t site = strlen(r->site) + 1, kind = strlen(r->kind) + 1;
    mmr_autofree char *all = malloc(site + kind + r->len);
    if (!all)
        return mmr_fail(err, MMR_ENOMEM, "store: out of memory");
    memcpy(all, r->site, site);
    memcpy(all + site, r->kind, kind);
    if (r->len)
        memcpy(all + site + kind, r->json, r->len);
    mmr_uuid_of(all, site + kind + r->len, ret);
    return 0;
}

static int remember(struct mmr_db *db, const uint8_t id[16], int64_t now_ns, bool *ret_is_new, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db, "INSERT INTO collected(id, at) VALUES(?1, ?2) ON CONFLICT(id) DO NOTHING", &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_blob(s, 1, id, 16, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, now_ns);
    r = mmr_db_done(db, s, 32, "collected", err);
    *ret_is_new = !r && sqlite3_changes(mmr_db_handle(db)) > 0;
    return r;
}

/* As it stands: of two states of one incident the later logged one counts, in whatever order they come. */
static int put_incident(struct mmr_db *db, const char *site, struct json_object *o, struct mmr_error *err)
{
    sqlite3_stmt *s;
    struct json_object *meta = object_of(o, "metadata"), *own = object_of(object_of(o, "unmapped"), "mamori");
    char title[MMR_COLLECTED_TITLE_MAX + 1], uid[MMR_COLLECTED_UID_MAX + 1];
    (void)snprintf(title, sizeof title, "%s", text_of(o, "message"));
    (void)snprintf(uid, sizeof uid, "%s", text_of(meta, "uid"));
    int r = mmr_db_write(db,
                         "INSERT INTO collected_incident(site, uid, class, band, status, last, logged, title)"
                         " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(site, uid) DO UPDATE"
                         " SET class = ?3, band = ?4, status = ?5, last = ?6, logged = ?7, title = ?8 WHERE ?7 >= logged",
                         &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(s, 2, uid, -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(s, 3, text_of(own, "class"), -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_text(s, 4, text_of(own, "band"), -1, SQLITE_TRANSIENT);
    (void)sqlite3_bind_int64(s, 5, number_of(o, "status_id"));
    (void)sqlite3_bind_int64(s, 6, number_of(o, "time"));
    (void)sqlite3_bind_int64(s, 7, number_of(meta, "logged_time"));
    (void)sqlite3_bind_text(s, 8, title, -1, SQLITE_STATIC);
    return mmr_db_done(db, s, 256, "collected incident", err);
}

static int count(struct mmr_db *db, const char *site, int64_t now_ns, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db,
                         "INSERT INTO collected_site(name, first, seen, up, silent, records, record) VALUES(?1, ?2, ?2, 1, 0, 1, ?2)"
                         " ON CONFLICT(name) DO UPDATE SET records = records + 1, record = ?2",
                         &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, now_ns);
    return mmr_db_done(db, s, 0, site, err);
}

int mmr_collected_put(struct mmr_db *db, const struct mmr_collected_record *x, int64_t now_ns, bool *ret_is_new, struct mmr_error *err)
{
    mmr_autojson struct json_object *o = NULL;
    struct json_object *meta;
    uint8_t id[16];
    bool is_new = false;
    int r = mmr_json_line(x->json, x->len, "{\"class_uid\":2005,\"metadata\":{…},…}", &o, err);
    if (r)
        return r;
    meta = object_of(o, "metadata");
    if (!meta || number_of(o, "class_uid") <= 0)
        return mmr_fail(err, MMR_EBADMSG, "a %.30s without class_uid or metadata: expected an OCSF event", x->kind);
    if ((r = id_of(x, id, err)) != 0 || (r = remember(db, id, now_ns, &is_new, err)) != 0)
        return r;
    if (is_new) { /* whose it is says the key it came with, not the record */
        if (json_object_object_add(meta, "tenant_uid", json_object_new_string(x->site)) < 0)
            return mmr_fail(err, MMR_ENOMEM, "store: out of memory");
        size_t len = 0;
        const char *text = json_object_to_json_string_length(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE, &len);
        r = text ? mmr_store_outbox_add(db, x->kind, x->is_urgent, now_ns, text, len, NULL, err) : mmr_fail(err, MMR_ENOMEM, "store: out of memory");
        if (!r && number_of(o, "class_uid") == INCIDENT_CLASS)
            r = put_incident(db, x->site, o, err);
        if (!r)
            r = count(db, x->site, now_ns, err);
    }
    if (!r)
        *ret_is_new = is_new;
    return r;
}

/* ---- parts ---- */

static int drop_parts(struct mmr_db *db, const char *site, uint32_t lane, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db, "DELETE FROM collected_part WHERE site = ?1 AND lane = ?2", &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(s, 2, (int)lane);
    return mmr_db_done(db, s, 0, "a part", err);
}

static int put_part(struct mmr_db *db, const char *site, uint32_t lane, uint32_t part, const void *bytes, size_t len, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db, "INSERT INTO collected_part(site, lane, part, bytes) VALUES(?1, ?2, ?3, ?4) ON CONFLICT(site, lane, part) DO UPDATE SET bytes = ?4",
                         &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(s, 2, (int)lane);
    (void)sqlite3_bind_int(s, 3, (int)part);
    (void)sqlite3_bind_blob64(s, 4, len ? bytes : "", len, SQLITE_STATIC);
    return mmr_db_done(db, s, len, "a part", err);
}

/* All parts kept of this lane, behind one another; *ret_n how many. */
static int join_parts(struct mmr_db *db, const char *site, uint32_t lane, char **ret, size_t *ret_len, uint32_t *ret_n, struct mmr_error *err)
{
    sqlite3_stmt *s;
    mmr_autofree char *all = malloc(PARTS_BYTES_MAX);
    size_t len = 0;
    uint32_t n = 0;
    int rc, r = mmr_db_ask(db, "SELECT part, bytes FROM collected_part WHERE site = ?1 AND lane = ?2 ORDER BY part", &s, err);
    if (r)
        return r;
    if (!all)
        return mmr_fail(err, MMR_ENOMEM, "store: out of memory");
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(s, 2, (int)lane);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        size_t more = (size_t)sqlite3_column_bytes(s, 1);
        if (sqlite3_column_int(s, 0) != (int)n || len + more > PARTS_BYTES_MAX)
            break; /* a hole: the caller sees it in the number */
        if (more)
            memcpy(all + len, sqlite3_column_blob(s, 1), more);
        len += more;
        n++;
    }
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading parts", err);
    (void)sqlite3_reset(s);
    *ret = all;
    all = NULL;
    *ret_len = len;
    *ret_n = n;
    return 0;
}

int mmr_collected_part(struct mmr_db *db, const char *site, uint32_t lane, uint32_t part, uint32_t parts, const void *bytes, size_t len,
                       char **ret_json, size_t *ret_len, struct mmr_error *err)
{
    mmr_autofree char *all = NULL;
    uint32_t n = 0;
    int r = part == 0 ? drop_parts(db, site, lane, err) : 0;
    if (!r)
        r = put_part(db, site, lane, part, bytes, len, err);
    *ret_json = NULL;
    if (r || part + 1 < parts)
        return r;
    r = join_parts(db, site, lane, &all, ret_len, &n, err);
    if (!r)
        r = drop_parts(db, site, lane, err);
    if (r)
        return r;
    if (n != parts)
        return mmr_fail(err, MMR_EBADMSG, "a record of %u parts of which %u are here", parts, n);
    *ret_json = all;
    all = NULL;
    return 0;
}

/* ---- how far ---- */

int mmr_collected_received_put(struct mmr_db *db, const char *site, const uint8_t epoch[16], uint32_t lane, uint64_t upto, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db,
                         "INSERT INTO collected_upto(site, lane, epoch, upto) VALUES(?1, ?2, ?3, ?4)"
                         " ON CONFLICT(site, lane) DO UPDATE SET epoch = ?3, upto = ?4 WHERE epoch <> ?3 OR upto < ?4",
                         &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int(s, 2, (int)lane);
    (void)sqlite3_bind_blob(s, 3, epoch, 16, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 4, (sqlite3_int64)upto);
    return mmr_db_done(db, s, 0, "how far a site was received", err);
}

int mmr_collected_received_get(struct mmr_db *db, const char *site, const uint8_t epoch[16], uint64_t ret_upto[MMR_COLLECTED_LANES],
                               struct mmr_error *err)
{
    sqlite3_stmt *s;
    uint64_t upto[MMR_COLLECTED_LANES] = {0};
    int rc, r = mmr_db_ask(db, "SELECT lane, upto FROM collected_upto WHERE site = ?1 AND epoch = ?2", &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 2, epoch, 16, SQLITE_STATIC);
    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        int lane = sqlite3_column_int(s, 0);
        if (lane >= 0 && lane < MMR_COLLECTED_LANES)
            upto[lane] = (uint64_t)sqlite3_column_int64(s, 1);
    }
    if (rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading how far a site was received", err);
    (void)sqlite3_reset(s);
    memcpy(ret_upto, upto, sizeof upto);
    return 0;
}

/* ---- sites and incidents ---- */

int mmr_collected_seen(struct mmr_db *db, const char *site, int64_t seen_ns, bool is_up, bool is_silent, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_write(db,
                         "INSERT INTO collected_site(name, first, seen, up, silent, records, record) VALUES(?1, ?2, ?2, ?3, ?4, 0, 0)"
                         " ON CONFLICT(name) DO UPDATE SET seen = max(seen, ?2), up = ?3, silent = ?4",
                         &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, seen_ns);
    (void)sqlite3_bind_int(s, 3, is_up);
    (void)sqlite3_bind_int(s, 4, is_silent);
    return mmr_db_done(db, s, 0, site, err);
}

static void column(sqlite3_stmt *s, int i, char *buf, size_t cap)
{
    const char *text = (const char *)sqlite3_column_text(s, i);
    (void)snprintf(buf, cap, "%s", text ? text : "");
}

int mmr_collected_sites(struct mmr_db *db, int (*fn)(void *ctx, const struct mmr_collected_site *s), void *ctx, struct mmr_error *err)
{
    sqlite3_stmt *s = NULL;
    int rc = SQLITE_DONE, r = mmr_db_ask(db,
                           "SELECT name, first, seen, up, silent, records, record, (SELECT count(*) FROM collected_incident i"
                           " WHERE i.site = name AND i.class = 'severe' AND i.status < 4) FROM collected_site ORDER BY name",
                           &s, err);
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        struct mmr_collected_site x = {
            .first_ns = sqlite3_column_int64(s, 1), .seen_ns = sqlite3_column_int64(s, 2), .is_up = sqlite3_column_int(s, 3) != 0,
            .is_silent = sqlite3_column_int(s, 4) != 0, .records = (uint64_t)sqlite3_column_int64(s, 5),
            .record_ns = sqlite3_column_int64(s, 6), .severe_open = (uint64_t)sqlite3_column_int64(s, 7)};
        column(s, 0, x.name, sizeof x.name);
        r = fn(ctx, &x);
    }
    if (r == 0 && rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading the sites", err);
    if (s)
        (void)sqlite3_reset(s);
    return r;
}

int mmr_collected_severe(struct mmr_db *db, const char *site, uint32_t limit, int (*fn)(void *ctx, const struct mmr_collected_incident *i),
                         void *ctx, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int rc = SQLITE_DONE, r = mmr_db_ask(db,
                           "SELECT site, uid, class, band, title, last FROM collected_incident WHERE class = 'severe' AND status < 4"
                           " AND (?1 IS NULL OR site = ?1) ORDER BY last DESC, uid LIMIT ?2",
                           &s, err);
    if (r)
        return r;
    if (site)
        (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, limit ? (sqlite3_int64)limit : -1);
    while (r == 0 && (rc = sqlite3_step(s)) == SQLITE_ROW) {
        const struct mmr_collected_incident i = {
            .site = (const char *)sqlite3_column_text(s, 0), .uid = (const char *)sqlite3_column_text(s, 1),
            .class_name = (const char *)sqlite3_column_text(s, 2), .band = (const char *)sqlite3_column_text(s, 3),
            .title = (const char *)sqlite3_column_text(s, 4), .last_ns = sqlite3_column_int64(s, 5) * 1000000};
        r = fn(ctx, &i);
    }
    if (r == 0 && rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading the incidents", err);
    (void)sqlite3_reset(s);
    return r;
}

int mmr_collected_trim(struct mmr_db *db, const char *wanted, int64_t done_before_ns, int64_t before_ns, struct mmr_error *err)
{
    static const char *const sql[] = {
        "DELETE FROM collected WHERE at < ?1",
        "DELETE FROM collected_incident WHERE last < ?1 / 1000000 AND status >= 4",
    };
    for (size_t k = 0; k < sizeof sql / sizeof sql[0]; k++) {
        sqlite3_stmt *s;
        int r = mmr_db_write(db, sql[k], &s, err);
        if (r)
            return r;
        (void)sqlite3_bind_int64(s, 1, before_ns);
        if ((r = mmr_db_done(db, s, 0, "trimming what was collected", err)) != 0)
            return r;
    }
    int r = mmr_store_outbox_retire(db, wanted, before_ns, err);
    return r ? r : mmr_store_outbox_trim(db, done_before_ns, err);
}
