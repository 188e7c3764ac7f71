/*
 * collected_evidence.c - checkpoints of the sites' evidence, kept where the site cannot reach: who rewrites his log later cannot make it fit them.
 */
#include "store/collected.h"

#include "store/chain.h"
#include "store/private.h"

#include <sodium.h>
#include <stdio.h>
#include <string.h>

bool mmr_evidence_mark_is_signed(const struct mmr_evidence_mark *m)
{
    uint8_t bytes[MMR_CHAIN_SIGNED_BYTES];
    mmr_chain_signed_bytes(m->seq, m->time_ns, m->hash, bytes);
    return crypto_sign_verify_detached(m->sig, bytes, sizeof bytes, m->key) == 0;
}

static bool blob_of(sqlite3_stmt *s, int i, void *to, size_t want)
{
    if (sqlite3_column_bytes(s, i) != (int)want)
        return false;
    memcpy(to, sqlite3_column_blob(s, i), want);
    return true;
}

/* Of a row: seq, time, hash, key, sig. */
static bool mark_of(sqlite3_stmt *s, struct mmr_evidence_mark *ret)
{
    ret->seq = (uint64_t)sqlite3_column_int64(s, 0);
    ret->time_ns = sqlite3_column_int64(s, 1);
    return blob_of(s, 2, ret->hash, sizeof ret->hash) && blob_of(s, 3, ret->key, sizeof ret->key) && blob_of(s, 4, ret->sig, sizeof ret->sig);
}

int mmr_evidence_last_mark(struct mmr_db *db, struct mmr_evidence_mark *ret, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_ask(db, "SELECT seq, time, hash, key, sig FROM checkpoint ORDER BY seq DESC LIMIT 1", &s, err);
    if (r)
        return r;
    int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading the checkpoints", err);
    struct mmr_evidence_mark m;
    bool is_there = rc == SQLITE_ROW && mark_of(s, &m);
    (void)sqlite3_reset(s);
    if (!is_there)
        return mmr_fail(err, MMR_ENOENT, "store '%.100s' has no checkpoint yet", mmr_db_dir(db));
    *ret = m;
    return 0;
}

/* The site's newest at or below seq (is_below), or its newest of all. */
static int kept(struct mmr_db *db, const char *site, uint64_t seq, bool is_below, struct mmr_evidence_mark *ret, bool *ret_is_there, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_ask(db, "SELECT seq, time, hash, key, sig FROM collected_checkpoint WHERE site = ?1 AND seq <= ?2 ORDER BY seq DESC LIMIT 1", &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, is_below ? (sqlite3_int64)seq : INT64_MAX);
    int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading the checkpoints", err);
    *ret_is_there = rc == SQLITE_ROW && mark_of(s, ret);
    (void)sqlite3_reset(s);
    return 0;
}

static int put(struct mmr_db *db, const char *site, const struct mmr_evidence_mark *m, const char *doubt, struct mmr_error *err)
{
    sqlite3_stmt *s; /* what was signed first stays; that something else came stands beside it */
    int r = mmr_db_write(db,
                         "INSERT INTO collected_checkpoint(site, seq, time, hash, key, sig, doubt) VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7)"
                         " ON CONFLICT(site, seq) DO UPDATE SET doubt = ?7 WHERE ?7 <> ''",
                         &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    (void)sqlite3_bind_int64(s, 2, (sqlite3_int64)m->seq);
    (void)sqlite3_bind_int64(s, 3, m->time_ns);
    (void)sqlite3_bind_blob(s, 4, m->hash, sizeof m->hash, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 5, m->key, sizeof m->key, SQLITE_STATIC);
    (void)sqlite3_bind_blob(s, 6, m->sig, sizeof m->sig, SQLITE_STATIC);
    (void)sqlite3_bind_text(s, 7, doubt, -1, SQLITE_STATIC);
    return mmr_db_done(db, s, 200, "a checkpoint", err);
}

int mmr_collected_checkpoint(struct mmr_db *db, const char *site, const struct mmr_evidence_mark *m, char *ret_doubt, struct mmr_error *err)
{
    struct mmr_evidence_mark same, last;
    bool has_same = false, has_last = false;
    char doubt[MMR_COLLECTED_DOUBT_MAX + 1] = "";
    if (!mmr_evidence_mark_is_signed(m))
        return mmr_fail(err, MMR_EBADMSG, "a checkpoint of record %llu whose signature is not its key's", (unsigned long long)m->seq);
    int r = kept(db, site, m->seq, true, &same, &has_same, err);
    if (!r)
        r = kept(db, site, 0, false, &last, &has_last, err);
    if (r)
        return r;
    if (has_same && same.seq == m->seq && memcmp(same.hash, m->hash, sizeof m->hash) != 0)
        (void)snprintf(doubt, sizeof doubt, "record %llu had another hash when it was signed before", (unsigned long long)m->seq);
    else if (has_last && m->seq < last.seq && m->time_ns > last.time_ns)
        (void)snprintf(doubt, sizeof doubt, "record %llu was signed after record %llu: its log was cut or put back", (unsigned long long)m->seq,
                       (unsigned long long)last.seq);
    else if (has_last && memcmp(last.key, m->key, sizeof m->key) != 0)
        (void)snprintf(doubt, sizeof doubt, "record %llu is signed with another key than before", (unsigned long long)m->seq);
    r = put(db, site, m, doubt, err);
    if (!r)
        memcpy(ret_doubt, doubt, sizeof doubt);
    return r;
}

int mmr_collected_evidence(struct mmr_db *db, const char *site, uint64_t *ret_seq, int64_t *ret_time_ns, char *ret_doubt, struct mmr_error *err)
{
    sqlite3_stmt *s;
    struct mmr_evidence_mark m = {0};
    bool is_there = false;
    int r = kept(db, site, 0, false, &m, &is_there, err);
    if (!r)
        r = mmr_db_ask(db, "SELECT doubt FROM collected_checkpoint WHERE site = ?1 AND doubt <> '' ORDER BY seq DESC LIMIT 1", &s, err);
    if (r)
        return r;
    (void)sqlite3_bind_text(s, 1, site, -1, SQLITE_STATIC);
    int rc = sqlite3_step(s);
    if (rc != SQLITE_ROW && rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading the checkpoints", err);
    const char *text = rc == SQLITE_ROW ? (const char *)sqlite3_column_text(s, 0) : "";
    (void)snprintf(ret_doubt, MMR_COLLECTED_DOUBT_MAX + 1, "%s", text ? text : "");
    (void)sqlite3_reset(s);
    *ret_seq = is_there ? m.seq : 0;
    *ret_time_ns = is_there ? m.time_ns : 0;
    return 0;
}
