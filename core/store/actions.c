/* actions.c - action records as rows. The record is kept field by field, little-endian, with a
 * version. */
#include "store/actions.h"

#include "store/private.h"

#include <stdio.h>
#include <string.h>

enum { FORMAT = 1, REC_MAX = 4096 };

/* One list of fields for both directions: what is written is what is read. */
struct codec {
    uint8_t *p;
    size_t at, len;
    bool is_write, is_bad;
};

static void raw(struct codec *c, void *v, size_t n)
{
    if (c->is_bad || c->len - c->at < n) {
        c->is_bad = true;
        return;
    }
    if (c->is_write)
        memcpy(c->p + c->at, v, n);
    else
        memcpy(v, c->p + c->at, n);
    c->at += n;
}

static int64_t number(struct codec *c, int64_t v)
{
    uint8_t b[8];
    for (unsigned k = 0; k < 8; k++)
        b[k] = (uint8_t)((uint64_t)v >> (8 * k));
    raw(c, b, sizeof b);
    uint64_t r = 0;
    for (unsigned k = 0; k < 8; k++)
        r |= (uint64_t)b[k] << (8 * k);
    return c->is_bad ? 0 : (int64_t)r;
}

static void text(struct codec *c, char *s, size_t cap)
{
    size_t n = (size_t)number(c, (int64_t)strnlen(s, cap - 1));
    if (n >= cap) {
        c->is_bad = true;
        return;
    }
    raw(c, s, n);
    if (!c->is_bad && !c->is_write)
        s[n] = '\0';
}

#define NUMBER(c, field) ((field) = (__typeof__(field))number((c), (int64_t)(field)))
#define TEXT(c, field) text((c), (field), sizeof(field))

static void cidr(struct codec *c, struct mmr_cidr *n)
{
    raw(c, n->addr.b, sizeof n->addr.b);
    NUMBER(c, n->bits);
}

static void record(struct codec *c, struct mmr_action_rec *a)
{
    struct mmr_target *t = &a->target;
    struct mmr_receipt *r = &a->receipt;
    NUMBER(c, a->id);
    NUMBER(c, a->verb);
    NUMBER(c, a->side);
    cidr(c, &t->addr);
    NUMBER(c, t->direction);
    NUMBER(c, t->port);
    TEXT(c, t->proto);
    raw(c, t->src.b, sizeof t->src.b);
    raw(c, t->dst.b, sizeof t->dst.b);
    NUMBER(c, t->src_port);
    NUMBER(c, t->dst_port);
    NUMBER(c, t->pid);
    NUMBER(c, t->start_ticks);
    NUMBER(c, t->is_tree);
    TEXT(c, t->host);
    TEXT(c, t->text);
    TEXT(c, t->sha256);
    TEXT(c, t->exe);
    TEXT(c, a->node);
    TEXT(c, a->instance);
    TEXT(c, a->reason);
    NUMBER(c, a->incident);
    NUMBER(c, a->ordered_ns);
    NUMBER(c, a->ttl_ms);
    NUMBER(c, a->state);
    NUMBER(c, a->is_planned_only);
    NUMBER(c, a->attempt);
    NUMBER(c, r->result);
    NUMBER(c, r->verified);
    TEXT(c, r->method);
    NUMBER(c, r->applied_ns);
    NUMBER(c, r->verified_ns);
    NUMBER(c, r->expires_ns);
    NUMBER(c, r->revoked_ns);
    NUMBER(c, r->is_dry_run);
    NUMBER(c, r->packets);
    NUMBER(c, r->bytes);
    TEXT(c, r->detail);
}

int mmr_store_action_put(struct mmr_db *db, const struct mmr_action_rec *a, struct mmr_error *err)
{
    uint8_t buf[REC_MAX] = {FORMAT};
    struct codec c = {.p = buf, .at = 1, .len = sizeof buf, .is_write = true};
    struct mmr_action_rec copy = *a;
    sqlite3_stmt *s;
    char what[40];
    record(&c, &copy);
    if (c.is_bad)
        return mmr_fail(err, MMR_EINTERNAL, "action %016llx does not fit %d bytes",
                        (unsigned long long)a->id, REC_MAX);
    int r = mmr_db_write(
        db,
        "INSERT INTO action(id, incident, state, ordered, expires, verb, instance, rec)"
        " VALUES(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8) ON CONFLICT(id) DO UPDATE SET incident = ?2, "
        "state = ?3,"
        " ordered = ?4, expires = ?5, verb = ?6, instance = ?7, rec = ?8",
        &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)a->id);
    (void)sqlite3_bind_int64(s, 2, (sqlite3_int64)a->incident);
    (void)sqlite3_bind_int(s, 3, (int)a->state);
    (void)sqlite3_bind_int64(s, 4, a->ordered_ns);
    (void)sqlite3_bind_int64(s, 5, a->receipt.expires_ns);
    (void)sqlite3_bind_text(s, 6, mmr_verb_name(a->verb), -1, SQLITE_STATIC);
    (void)sqlite3_bind_text(s, 7, a->instance, -1, SQLITE_STATIC);
    (void)sqlite3_bind_blob64(s, 8, buf, c.at, SQLITE_STATIC);
    (void)snprintf(what, sizeof what, "action %016llx", (unsigned long long)a->id);
    return mmr_db_done(db, s, c.at, what, err);
}

static int read_rec(sqlite3_stmt *s, struct mmr_action_rec *ret, struct mmr_error *err)
{
    uint8_t buf[REC_MAX];
    const void *p = sqlite3_column_blob(s, 0);
    int n = sqlite3_column_bytes(s, 0);
    if (!p || n < 1 || n > REC_MAX)
        return mmr_fail(err, MMR_EBADMSG,
                        "store: an action's record has %d bytes, expected 1 to %d", n, REC_MAX);
    memcpy(buf, p, (size_t)n);
    struct codec c = {.p = buf, .at = 1, .len = (size_t)n};
    memset(ret, 0, sizeof *ret);
    record(&c, ret);
    if (buf[0] != FORMAT || c.is_bad || c.at != c.len || (unsigned)ret->verb >= MMR_VERB_COUNT ||
        (unsigned)ret->state > MMR_STATE_UNDONE ||
        (unsigned)ret->receipt.result > MMR_RESULT_UNSUPPORTED ||
        (unsigned)ret->receipt.verified > MMR_VERIFIED_INCONCLUSIVE)
        return mmr_fail(err, MMR_EBADMSG,
                        "store: an action's record is damaged or of another version");
    return 0;
}

int mmr_store_actions_each(struct mmr_db *db, uint64_t incident, bool only_live, mmr_action_fn fn,
                           void *ctx, struct mmr_error *err)
{
    sqlite3_stmt *s;
    int rc, r = mmr_db_ask(db,
                           "SELECT rec FROM action WHERE (?1 = 0 OR incident = ?1) AND (?2 = 0 OR "
                           "state BETWEEN 1 AND 4)"
                           " ORDER BY ordered, id",
                           &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)incident);
    (void)sqlite3_bind_int(s, 2, only_live);
    while (r == 0 && (rc = sqlite3_step(s)) != SQLITE_DONE) {
        struct mmr_action_rec a;
        if (rc != SQLITE_ROW)
            return mmr_db_fail(db, s, "reading actions", err);
        r = read_rec(s, &a, err);
        if (r == 0)
            r = fn(ctx, &a);
    }
    (void)sqlite3_reset(s);
    return r;
}

int mmr_store_action_get(struct mmr_db *db, uint64_t id, struct mmr_action_rec *ret,
                         struct mmr_error *err)
{
    sqlite3_stmt *s;
    int r = mmr_db_ask(db, "SELECT rec FROM action WHERE id = ?1", &s, err);
    if (r < 0)
        return r;
    (void)sqlite3_bind_int64(s, 1, (sqlite3_int64)id);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_ROW) {
        r = read_rec(s, ret, err);
        (void)sqlite3_reset(s);
        return r;
    }
    if (rc != SQLITE_DONE)
        return mmr_db_fail(db, s, "reading an action", err);
    (void)sqlite3_reset(s);
    return mmr_fail(err, MMR_ENOENT, "there is no action %016llx; see 'mamori block list'",
                    (unsigned long long)id);
}
