/* members.c - tokens and members in their own small database, apart from the brain's: commands write into it, too. */
#include "store/members.h"

#include "util/clock.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <sqlite3.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCHEMA_VERSION = 1, BUSY_MS = 5000, KEPT_S = 7 * 24 * 3600 };

struct mmr_members {
    sqlite3 *h;
    char dir[512];
    int64_t version; /* PRAGMA data_version as of the last look */
    bool has_looked;
};

static const char schema[] =
    "CREATE TABLE token(id BLOB PRIMARY KEY, secret BLOB NOT NULL, name TEXT, made INTEGER NOT NULL, expires INTEGER NOT NULL,"
    " spent INTEGER, spent_by BLOB) WITHOUT ROWID;"
    "CREATE TABLE member(name TEXT PRIMARY KEY, hostname TEXT NOT NULL, state INTEGER NOT NULL, curve BLOB NOT NULL UNIQUE, sign BLOB NOT NULL,"
    " next_curve BLOB, next_sign BLOB, hub_next BLOB, joined INTEGER NOT NULL, decided INTEGER NOT NULL, rotated INTEGER NOT NULL,"
    " seen INTEGER NOT NULL) WITHOUT ROWID;"
    "CREATE TABLE burnt(curve BLOB PRIMARY KEY, name TEXT NOT NULL, at INTEGER NOT NULL) WITHOUT ROWID;"
    "PRAGMA user_version = 1;";
#define COLUMNS "name, hostname, state, curve, sign, next_curve, next_sign, hub_next, joined, decided, rotated, seen"

const char *mmr_member_state_name(enum mmr_member_state s)
{
    return s == MMR_MEMBER_APPROVED ? "approved" : s == MMR_MEMBER_REVOKED ? "revoked" : "waits";
}

static int fail(struct mmr_members *m, const char *what, struct mmr_error *err)
{
    int rc = sqlite3_errcode(m->h) & 0xff;
    return mmr_fail(err, rc == SQLITE_CORRUPT || rc == SQLITE_NOTADB ? MMR_EBADMSG : rc == SQLITE_NOMEM ? MMR_ENOMEM : MMR_EIO,
                    "members '%.200s/" MMR_MEMBERS_FILE "': %s: %s", m->dir, what, sqlite3_errmsg(m->h));
}

static int exec(struct mmr_members *m, const char *sql, const char *what, struct mmr_error *err)
{
    return sqlite3_exec(m->h, sql, NULL, NULL, NULL) == SQLITE_OK ? 0 : fail(m, what, err);
}

/* ---- statements: prepared, bound and ended here; a small table needs no keeping of them ---- */

static void finalize(sqlite3_stmt **s)
{
    (void)sqlite3_finalize(*s);
}
#define autostmt __attribute__((cleanup(finalize))) sqlite3_stmt

static sqlite3_stmt *prepare(struct mmr_members *m, const char *sql)
{
    sqlite3_stmt *s = NULL;
    (void)sqlite3_prepare_v2(m->h, sql, -1, &s, NULL);
    return s;
}

static void bind_blob(sqlite3_stmt *s, int at, const void *p, size_t n)
{
    (void)sqlite3_bind_blob(s, at, p, (int)n, SQLITE_STATIC);
}

static void bind_text(sqlite3_stmt *s, int at, const char *text)
{
    (void)sqlite3_bind_text(s, at, text, -1, SQLITE_STATIC); /* NULL binds NULL */
}

static bool done(sqlite3_stmt *s)
{
    return s && sqlite3_step(s) == SQLITE_DONE;
}

static bool get_blob(sqlite3_stmt *s, int column, void *buf, size_t n)
{
    if (sqlite3_column_bytes(s, column) != (int)n)
        return false;
    memcpy(buf, sqlite3_column_blob(s, column), n);
    return true;
}

static void get_text(sqlite3_stmt *s, int column, char *buf, size_t cap)
{
    const unsigned char *t = sqlite3_column_text(s, column);
    (void)snprintf(buf, cap, "%s", t ? (const char *)t : "");
}

/* ---- opening ---- */

static int64_t pragma(struct mmr_members *m, const char *sql)
{
    autostmt *s = prepare(m, sql);
    return s && sqlite3_step(s) == SQLITE_ROW ? sqlite3_column_int64(s, 0) : -1;
}

static int prepare_file(struct mmr_members *m, struct mmr_error *err)
{
    int r = exec(m, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL;", "opening", err);
    int64_t version = r ? -1 : pragma(m, "PRAGMA user_version");
    if (r)
        return r;
    if (version > SCHEMA_VERSION)
        return mmr_fail(err, MMR_EBADMSG, "members '%.200s/" MMR_MEMBERS_FILE "' has schema %lld, this mamori knows up to %d; run a newer mamori",
                        m->dir, (long long)version, SCHEMA_VERSION);
    if (version == SCHEMA_VERSION)
        return 0;
    if (version < 0)
        return fail(m, "reading its version", err);
    r = exec(m, "BEGIN IMMEDIATE", "making its tables", err);
    if (!r && pragma(m, "PRAGMA user_version") == 0) /* another process may have been first */
        r = exec(m, schema, "making its tables", err);
    if (!r)
        r = exec(m, "COMMIT", "making its tables", err);
    return r;
}

int mmr_members_open(const char *dir, bool is_new, struct mmr_members **ret, struct mmr_error *err)
{
    char path[600];
    struct mmr_members *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "members: out of memory");
    int n = snprintf(m->dir, sizeof m->dir, "%s", dir);
    (void)snprintf(path, sizeof path, "%s/" MMR_MEMBERS_FILE, m->dir);
    int r = n < 0 || (size_t)n >= sizeof m->dir ? mmr_fail(err, MMR_EINVAL, "state folder '%.60s…' is too long", dir) : 0;
    if (!r) { /* secrets of tokens are in it: the mode is set before the first byte */
        mmr_autoclose int fd = open(path, O_RDWR | (is_new ? O_CREAT : 0) | O_CLOEXEC | O_NOFOLLOW, 0600);
        if (fd < 0)
            r = mmr_fail(err, errno == ENOENT ? MMR_ENOENT : MMR_EIO, "members '%.200s': %s", path, strerror(errno));
    }
    if (!r && sqlite3_open_v2(path, &m->h, SQLITE_OPEN_READWRITE | SQLITE_OPEN_NOMUTEX | SQLITE_OPEN_NOFOLLOW, NULL) != SQLITE_OK)
        r = fail(m, "opening", err);
    if (!r) {
        (void)sqlite3_busy_timeout(m->h, BUSY_MS);
        r = prepare_file(m, err);
    }
    if (r) {
        mmr_members_close(m);
        return r;
    }
    *ret = m;
    return 0;
}

void mmr_members_close(struct mmr_members *m)
{
    if (!m)
        return;
    (void)sqlite3_close(m->h);
    free(m);
}

bool mmr_members_has_news(struct mmr_members *m)
{
    int64_t version = pragma(m, "PRAGMA data_version");
    bool has = !m->has_looked || version != m->version;
    m->has_looked = true;
    m->version = version;
    return has;
}

/* ---- tokens ---- */

int mmr_members_token_put(struct mmr_members *m, const uint8_t id[MMR_MEMBER_TOKEN_ID], const uint8_t secret[MMR_MEMBER_SECRET],
                          const char *name, int64_t now_ns, int64_t expires_ns, struct mmr_error *err)
{
    autostmt *old = prepare(m, "DELETE FROM token WHERE expires < ?");
    autostmt *s = prepare(m, "INSERT INTO token(id, secret, name, made, expires) VALUES(?, ?, ?, ?, ?)");
    if (!s || !old)
        return fail(m, "a token", err);
    (void)sqlite3_bind_int64(old, 1, now_ns - KEPT_S * MMR_NS_PER_S);
    bind_blob(s, 1, id, MMR_MEMBER_TOKEN_ID);
    bind_blob(s, 2, secret, MMR_MEMBER_SECRET);
    bind_text(s, 3, name);
    (void)sqlite3_bind_int64(s, 4, now_ns);
    (void)sqlite3_bind_int64(s, 5, expires_ns);
    return done(old) && done(s) ? 0 : fail(m, "a token", err);
}

int mmr_members_token_secret(struct mmr_members *m, const uint8_t id[MMR_MEMBER_TOKEN_ID], uint8_t ret_secret[MMR_MEMBER_SECRET],
                             struct mmr_error *err)
{
    autostmt *s = prepare(m, "SELECT secret FROM token WHERE id = ?");
    if (!s)
        return fail(m, "a token", err);
    bind_blob(s, 1, id, MMR_MEMBER_TOKEN_ID);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_DONE)
        return mmr_fail(err, MMR_ENOENT, "nobody here gave this token");
    return rc == SQLITE_ROW && get_blob(s, 0, ret_secret, MMR_MEMBER_SECRET) ? 0 : fail(m, "a token", err);
}

bool mmr_members_has_open_token(struct mmr_members *m, int64_t now_ns)
{
    autostmt *s = prepare(m, "SELECT 1 FROM token WHERE expires > ? LIMIT 1");
    if (!s)
        return false;
    (void)sqlite3_bind_int64(s, 1, now_ns);
    return sqlite3_step(s) == SQLITE_ROW;
}

int mmr_members_token_void(struct mmr_members *m, int64_t now_ns, uint32_t *ret_n, struct mmr_error *err)
{
    autostmt *s = prepare(m, "UPDATE token SET expires = ?1 WHERE expires > ?1 AND spent IS NULL");
    if (!s)
        return fail(m, "tokens", err);
    (void)sqlite3_bind_int64(s, 1, now_ns);
    if (!done(s))
        return fail(m, "tokens", err);
    *ret_n = (uint32_t)sqlite3_changes(m->h);
    return 0;
}

/* ---- members ---- */

static int read_member(struct mmr_members *m, sqlite3_stmt *s, struct mmr_member *x, struct mmr_error *err)
{
    memset(x, 0, sizeof *x);
    get_text(s, 0, x->name, sizeof x->name);
    get_text(s, 1, x->hostname, sizeof x->hostname);
    x->state = (enum mmr_member_state)sqlite3_column_int(s, 2);
    if (!get_blob(s, 3, x->curve, MMR_MEMBER_KEY) || !get_blob(s, 4, x->sign, MMR_MEMBER_KEY) || x->state < MMR_MEMBER_WAITS ||
        x->state > MMR_MEMBER_REVOKED)
        return mmr_fail(err, MMR_EBADMSG, "members '%.200s/" MMR_MEMBERS_FILE "': the row of '%s' is damaged", m->dir, x->name);
    x->has_next = get_blob(s, 5, x->next_curve, MMR_MEMBER_KEY) && get_blob(s, 6, x->next_sign, MMR_MEMBER_KEY);
    x->has_hub_next = get_blob(s, 7, x->hub_next, MMR_MEMBER_KEY);
    x->joined_ns = sqlite3_column_int64(s, 8);
    x->decided_ns = sqlite3_column_int64(s, 9);
    x->rotated_ns = sqlite3_column_int64(s, 10);
    x->seen_ns = sqlite3_column_int64(s, 11);
    return 0;
}

int mmr_members_each(struct mmr_members *m, int (*fn)(void *ctx, const struct mmr_member *x), void *ctx, struct mmr_error *err)
{
    autostmt *s = prepare(m, "SELECT " COLUMNS " FROM member ORDER BY name");
    struct mmr_member x;
    int rc = SQLITE_ERROR, r = 0;
    while (s && !r && (rc = sqlite3_step(s)) == SQLITE_ROW)
        if ((r = read_member(m, s, &x, err)) == 0)
            r = fn(ctx, &x);
    return r || rc == SQLITE_DONE ? r : fail(m, "reading", err);
}

int mmr_members_get(struct mmr_members *m, const char *name, struct mmr_member *ret, struct mmr_error *err)
{
    autostmt *s = prepare(m, "SELECT " COLUMNS " FROM member WHERE name = ?");
    struct mmr_member x;
    if (!s)
        return fail(m, "reading", err);
    bind_text(s, 1, name);
    int rc = sqlite3_step(s);
    if (rc == SQLITE_DONE)
        return mmr_fail(err, MMR_ENOENT, "no node '%.40s' has joined; 'mamori node list' shows them", name);
    int r = rc == SQLITE_ROW ? read_member(m, s, &x, err) : fail(m, "reading", err);
    if (!r)
        *ret = x;
    return r;
}

static int change(struct mmr_members *m, sqlite3_stmt *s, const char *name, struct mmr_error *err)
{
    if (!done(s))
        return fail(m, name, err);
    return sqlite3_changes(m->h) ? 0 : mmr_fail(err, MMR_ENOENT, "no node '%.40s' has joined; 'mamori node list' shows them", name);
}

static int burn(struct mmr_members *m, const uint8_t *curve, const char *name, int64_t now_ns, struct mmr_error *err)
{
    autostmt *s = prepare(m, "INSERT OR IGNORE INTO burnt(curve, name, at) VALUES(?, ?, ?)");
    if (!s)
        return fail(m, name, err);
    bind_blob(s, 1, curve, MMR_MEMBER_KEY);
    bind_text(s, 2, name);
    (void)sqlite3_bind_int64(s, 3, now_ns);
    return done(s) ? 0 : fail(m, name, err);
}

static int end(struct mmr_members *m, int r, struct mmr_error *err)
{
    if (!r)
        return exec(m, "COMMIT", "writing", err);
    (void)sqlite3_exec(m->h, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

static int decide(struct mmr_members *m, const char *name, enum mmr_member_state state, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_member x = {0};
    autostmt *s = prepare(m, "UPDATE member SET state = ?, decided = ?, next_curve = NULL, next_sign = NULL WHERE name = ?");
    int r = mmr_members_get(m, name, &x, err);
    if (r || !s)
        return r ? r : fail(m, name, err);
    if (x.state == state)
        return 0;
    if (x.state == MMR_MEMBER_REVOKED)
        return mmr_fail(err, MMR_EPERM, "node '%s' was revoked; its keys are not taken again. There: 'mamori keys new --force', then join with a new token",
                        name);
    if (state == MMR_MEMBER_REVOKED) {
        r = burn(m, x.curve, name, now_ns, err);
        if (!r && x.has_next)
            r = burn(m, x.next_curve, name, now_ns, err);
    }
    (void)sqlite3_bind_int(s, 1, (int)state);
    (void)sqlite3_bind_int64(s, 2, now_ns);
    bind_text(s, 3, name);
    return r ? r : change(m, s, name, err);
}

int mmr_members_decide(struct mmr_members *m, const char *name, enum mmr_member_state state, int64_t now_ns, struct mmr_error *err)
{
    int r = exec(m, "BEGIN IMMEDIATE", "writing", err);
    return r ? r : end(m, decide(m, name, state, now_ns, err), err);
}

static int enter(struct mmr_members *m, const struct mmr_member *x, struct mmr_error *err)
{
    autostmt *s = prepare(m, "INSERT OR REPLACE INTO member(name, hostname, state, curve, sign, joined, decided, rotated, seen)"
                             " VALUES(?, ?, ?, ?, ?, ?, ?, 0, 0)");
    if (!s)
        return fail(m, x->name, err);
    bind_text(s, 1, x->name);
    bind_text(s, 2, x->hostname);
    (void)sqlite3_bind_int(s, 3, (int)x->state);
    bind_blob(s, 4, x->curve, MMR_MEMBER_KEY);
    bind_blob(s, 5, x->sign, MMR_MEMBER_KEY);
    (void)sqlite3_bind_int64(s, 6, x->joined_ns);
    (void)sqlite3_bind_int64(s, 7, x->decided_ns);
    return done(s) ? 0 : fail(m, x->name, err);
}

int mmr_members_revoke_keys(struct mmr_members *m, const char *name, const uint8_t curve[MMR_MEMBER_KEY],
                            const uint8_t sign[MMR_MEMBER_KEY], int64_t now_ns, struct mmr_error *err)
{
    struct mmr_member x = {.state = MMR_MEMBER_REVOKED, .joined_ns = now_ns, .decided_ns = now_ns};
    (void)snprintf(x.name, sizeof x.name, "%s", name);
    memcpy(x.curve, curve, MMR_MEMBER_KEY);
    memcpy(x.sign, sign, MMR_MEMBER_KEY);
    int r = exec(m, "BEGIN IMMEDIATE", "writing", err);
    if (r)
        return r;
    r = burn(m, curve, name, now_ns, err);
    return end(m, r ? r : enter(m, &x, err), err);
}

int mmr_members_next_keys(struct mmr_members *m, const char *name, const uint8_t curve[MMR_MEMBER_KEY],
                          const uint8_t sign[MMR_MEMBER_KEY], struct mmr_error *err)
{
    autostmt *b = prepare(m, "SELECT 1 FROM burnt WHERE curve = ?");
    autostmt *s = prepare(m, "UPDATE member SET next_curve = ?, next_sign = ? WHERE name = ? AND state = 2");
    if (!s || !b)
        return fail(m, name, err);
    bind_blob(b, 1, curve, MMR_MEMBER_KEY);
    if (sqlite3_step(b) != SQLITE_DONE)
        return mmr_fail(err, MMR_EPERM, "node '%.40s': these keys were revoked before", name);
    bind_blob(s, 1, curve, MMR_MEMBER_KEY);
    bind_blob(s, 2, sign, MMR_MEMBER_KEY);
    bind_text(s, 3, name);
    return change(m, s, name, err);
}

int mmr_members_rotated(struct mmr_members *m, const char *name, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_member x;
    autostmt *s = prepare(m, "UPDATE member SET curve = next_curve, sign = next_sign, next_curve = NULL, next_sign = NULL, rotated = ?"
                             " WHERE name = ? AND next_curve IS NOT NULL AND state = 2");
    int r = exec(m, "BEGIN IMMEDIATE", "writing", err);
    if (r)
        return r;
    r = mmr_members_get(m, name, &x, err);
    if (!r && s) {
        (void)sqlite3_bind_int64(s, 1, now_ns);
        bind_text(s, 2, name);
        r = burn(m, x.curve, name, now_ns, err);
        if (!r)
            r = change(m, s, name, err);
    }
    return end(m, s ? r : fail(m, name, err), err);
}

int mmr_members_knows_hub_next(struct mmr_members *m, const char *name, const uint8_t hub_curve[MMR_MEMBER_KEY], struct mmr_error *err)
{
    autostmt *s = prepare(m, "UPDATE member SET hub_next = ? WHERE name = ?");
    if (!s)
        return fail(m, name, err);
    bind_blob(s, 1, hub_curve, MMR_MEMBER_KEY);
    bind_text(s, 2, name);
    return change(m, s, name, err);
}

int mmr_members_seen(struct mmr_members *m, const char *name, int64_t at_ns, struct mmr_error *err)
{
    autostmt *s = prepare(m, "UPDATE member SET seen = ? WHERE name = ?");
    if (!s)
        return fail(m, name, err);
    (void)sqlite3_bind_int64(s, 1, at_ns);
    bind_text(s, 2, name);
    return change(m, s, name, err);
}

int mmr_members_begin(struct mmr_members *m, struct mmr_error *err)
{
    return exec(m, "BEGIN IMMEDIATE", "writing", err);
}

int mmr_members_end(struct mmr_members *m, struct mmr_error *err)
{
    int r = exec(m, "COMMIT", "writing", err);
    if (r)
        (void)sqlite3_exec(m->h, "ROLLBACK", NULL, NULL, NULL);
    return r;
}

/* ---- joining ---- */

struct token {
    char name[MMR_MEMBER_NAME_MAX + 1];
    int64_t expires_ns;
    bool is_spent;
    uint8_t by[MMR_MEMBER_KEY];
};

static int read_token(struct mmr_members *m, const uint8_t *id, struct token *t, struct mmr_error *err)
{
    autostmt *s = prepare(m, "SELECT name, expires, spent, spent_by FROM token WHERE id = ?");
    if (!s)
        return fail(m, "a token", err);
    bind_blob(s, 1, id, MMR_MEMBER_TOKEN_ID);
    if (sqlite3_step(s) != SQLITE_ROW)
        return mmr_fail(err, MMR_EPERM, "this hub does not know the token; get a new one with 'mamori token new' at the hub");
    get_text(s, 0, t->name, sizeof t->name);
    t->expires_ns = sqlite3_column_int64(s, 1);
    t->is_spent = sqlite3_column_type(s, 2) != SQLITE_NULL;
    if (t->is_spent && !get_blob(s, 3, t->by, MMR_MEMBER_KEY))
        return fail(m, "a token", err);
    return 0;
}

static int spend(struct mmr_members *m, const struct mmr_member_request *r, int64_t now_ns, struct mmr_error *err)
{
    autostmt *s = prepare(m, "UPDATE token SET spent = ?, spent_by = ? WHERE id = ? AND spent IS NULL");
    if (!s)
        return fail(m, "a token", err);
    (void)sqlite3_bind_int64(s, 1, now_ns);
    bind_blob(s, 2, r->curve, MMR_MEMBER_KEY);
    bind_blob(s, 3, r->token_id, MMR_MEMBER_TOKEN_ID);
    return done(s) && sqlite3_changes(m->h) == 1 ? 0 : fail(m, "a token", err);
}

static bool find_curve(struct mmr_members *m, const uint8_t *curve, struct mmr_member *ret, bool *is_burnt)
{
    autostmt *s = prepare(m, "SELECT " COLUMNS " FROM member WHERE curve = ?1 OR next_curve = ?1");
    autostmt *b = prepare(m, "SELECT 1 FROM burnt WHERE curve = ?");
    struct mmr_error err = {.struct_size = sizeof err};
    if (!s || !b)
        return false;
    bind_blob(b, 1, curve, MMR_MEMBER_KEY);
    *is_burnt = sqlite3_step(b) == SQLITE_ROW;
    bind_blob(s, 1, curve, MMR_MEMBER_KEY);
    return sqlite3_step(s) == SQLITE_ROW && read_member(m, s, ret, &err) == 0;
}

static int join(struct mmr_members *m, const struct mmr_member_request *r, int64_t now_ns, struct mmr_member *x, struct mmr_error *err)
{
    struct token t = {0};
    struct mmr_member other;
    bool is_burnt = false;
    int code = read_token(m, r->token_id, &t, err);
    if (code)
        return code;
    if (now_ns >= t.expires_ns)
        return mmr_fail(err, MMR_EPERM, "the token has expired; get a new one with 'mamori token new' at the hub");
    if (t.is_spent && memcmp(t.by, r->curve, MMR_MEMBER_KEY) != 0)
        return mmr_fail(err, MMR_EPERM, "the token was used by another machine already; get a new one with 'mamori token new' at the hub");
    const bool is_known = find_curve(m, r->curve, &other, &is_burnt);
    if (is_burnt || (is_known && other.state == MMR_MEMBER_REVOKED))
        return mmr_fail(err, MMR_EPERM, "this machine's keys were revoked; make new ones with 'mamori keys new --force' and use a new token");
    if (is_known && memcmp(other.sign, r->sign, MMR_MEMBER_KEY) != 0 && !other.has_next)
        return mmr_fail(err, MMR_EPERM, "this machine joined with another signature key before; make new keys with 'mamori keys new --force'");
    if (is_known) { /* its answer was lost, or it joins once more: it is who it was */
        *x = other;
        return t.is_spent ? 0 : spend(m, r, now_ns, err);
    }
    if (t.is_spent)
        return mmr_fail(err, MMR_EPERM, "the token was used already; get a new one with 'mamori token new' at the hub");
    memset(x, 0, sizeof *x);
    (void)snprintf(x->name, sizeof x->name, "%s", t.name[0] ? t.name : r->name);
    (void)snprintf(x->hostname, sizeof x->hostname, "%s", r->hostname);
    code = mmr_members_get(m, x->name, &other, err);
    if ((code == 0 && other.state != MMR_MEMBER_REVOKED) || (r->is_taken && r->is_taken(r->ctx, x->name)))
        return mmr_fail(err, MMR_EPERM, "another machine is called %s; give this one a name of its own with 'mamori join --name', or revoke the other at the hub",
                        x->name);
    if (code && code != MMR_ENOENT)
        return code;
    autostmt *count = prepare(m, "SELECT count(*) FROM member WHERE state != 3");
    if (!count || sqlite3_step(count) != SQLITE_ROW)
        return fail(m, "counting", err);
    if (sqlite3_column_int64(count, 0) >= MMR_MEMBERS_MAX)
        return mmr_fail(err, MMR_EPERM, "the site has %d nodes, the most there can be", MMR_MEMBERS_MAX);
    x->state = r->is_approved_at_once ? MMR_MEMBER_APPROVED : MMR_MEMBER_WAITS;
    memcpy(x->curve, r->curve, MMR_MEMBER_KEY);
    memcpy(x->sign, r->sign, MMR_MEMBER_KEY);
    x->joined_ns = now_ns;
    x->decided_ns = r->is_approved_at_once ? now_ns : 0;
    code = spend(m, r, now_ns, err);
    return code ? code : enter(m, x, err);
}

int mmr_members_join(struct mmr_members *m, const struct mmr_member_request *r, int64_t now_ns, struct mmr_member *ret,
                     struct mmr_error *err)
{
    struct mmr_member x;
    int code = exec(m, "BEGIN IMMEDIATE", "writing", err);
    if (code)
        return code;
    code = end(m, join(m, r, now_ns, &x, err), err);
    if (!code)
        *ret = x;
    return code;
}
