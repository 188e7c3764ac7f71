/*
 * persist.c - puts and commits. Every put is kept in memory until a commit carried it. When the disk refuses (full,
 * gone), the batch is rolled back, nothing of it is acknowledged, and what is kept is put again, in its order, by a
 * later try. What is kept is bounded: what senders may have unacknowledged bounds it first; beyond KEPT_BYTES_MAX it
 * is let go, and the process must start anew once the disk works, so that everything not acknowledged comes again.
 */
#include "brain/persist.h"

#include "util/clock.h"
#include "util/id.h"
#include "util/log.h"
#include "util/scope.h"
#include "util/table.h"

#include <stdio.h>
#include <string.h>

enum { KEPT_BYTES_MAX = 64 << 20, RETRY_MS = 250, RETRY_MAX_MS = 4000, PUT_NAME_MAX = 96 };

struct known_action { /* the last state written, so that only news are */
    uint64_t id;
    uint64_t state;
    UT_hash_handle hh;
};
enum put_what { PUT_INCIDENT, PUT_EVIDENCE, PUT_OUTBOX, PUT_ACTION, PUT_FORWARDER, PUT_LEVEL, PUT_STATE, PUT_NO_STATE, PUT_TRIM };
struct put { /* one write, until a commit carried it */
    struct put *next;
    enum put_what what;
    char name[PUT_NAME_MAX]; /* kind of a record, or the forwarder */
    int64_t time_ns;
    uint64_t seq;
    int level;
    bool is_urgent;
    struct mmr_incident_row row;
    char *title;
    size_t len;
    uint8_t bytes[]; /* blob, text, or struct mmr_action_rec */
};
struct mmr_persist {
    struct mmr_db *db;
    struct mmr_evidence_log *evidence;
    struct known_action *known;
    struct put *puts, **puts_end;
    size_t kept_bytes;
    int64_t retry_ns, retry_ms; /* monotonic; failing: not before */
    bool is_over;               /* what was kept had to be let go */
    struct mmr_persist_health health;
};

int mmr_persist_open(const char *state_dir, struct mmr_persist **ret, struct mmr_error *err)
{
    struct mmr_persist *p = calloc(1, sizeof *p);
    if (!p)
        return mmr_fail(err, MMR_ENOMEM, "store: out of memory");
    p->puts_end = &p->puts;
    int r = mmr_db_open(state_dir, MMR_DB_CREATE, &p->db, err);
    if (!r)
        r = mmr_evidence_open(p->db, &p->evidence, err);
    if (r) {
        mmr_evidence_close(p->evidence);
        mmr_db_close(p->db);
        free(p);
        return r;
    }
    *ret = p;
    return 0;
}

static void forget_puts(struct mmr_persist *p)
{
    struct put *x;
    while ((x = p->puts)) {
        p->puts = x->next;
        free(x->title);
        free(x);
    }
    p->puts_end = &p->puts;
    p->kept_bytes = 0;
}

void mmr_persist_close(struct mmr_persist *p)
{
    struct known_action *a, *next;
    struct mmr_error err = {.struct_size = sizeof err};
    if (!p)
        return;
    (void)mmr_db_commit(p->db, &err);
    HASH_ITER(hh, p->known, a, next) {
        HASH_DEL(p->known, a);
        free(a);
    }
    forget_puts(p);
    mmr_evidence_close(p->evidence);
    mmr_db_close(p->db);
    free(p);
}

struct mmr_db *mmr_persist_db(struct mmr_persist *p)
{
    return p->db;
}

const struct mmr_persist_health *mmr_persist_health(const struct mmr_persist *p)
{
    return &p->health;
}

static uint64_t state_of(const struct mmr_action_rec *a)
{
    const uint64_t words[] = {(uint64_t)a->state, (uint64_t)a->receipt.result, (uint64_t)a->receipt.verified,
                              (uint64_t)a->receipt.expires_ns, (uint64_t)a->receipt.revoked_ns, a->receipt.packets ? 1u : 0u};
    return mmr_hash64(words, sizeof words, 7);
}

/* Has this action changed since it was last written? Remembers that it is written now. */
static bool is_news(struct mmr_persist *p, const struct mmr_action_rec *a)
{
    struct known_action *k;
    uint64_t state = state_of(a);
    HASH_FIND(hh, p->known, &a->id, sizeof a->id, k);
    if (k && k->state == state)
        return false;
    if (!k) {
        k = calloc(1, sizeof *k);
        if (!k)
            return true;
        k->id = a->id;
        HASH_ADD(hh, p->known, id, sizeof k->id, k);
        p->health.known = HASH_COUNT(p->known);
    }
    k->state = state;
    return true;
}

/* Of a closed incident nothing is news any more. */
static void forget_actions(struct mmr_persist *p, const struct mmr_incident *i)
{
    for (uint32_t n = 0; n < i->n_actions; n++) {
        struct known_action *k;
        HASH_FIND(hh, p->known, &i->actions[n].id, sizeof i->actions[n].id, k);
        if (k)
            HASH_DEL(p->known, k);
        free(k);
    }
    p->health.known = HASH_COUNT(p->known);
}

/* ---- puts ---- */

static int apply(struct mmr_persist *p, const struct put *x, struct mmr_error *err)
{
    const char *text = (const char *)x->bytes;
    struct mmr_action_rec a;
    int r;
    switch (x->what) {
    case PUT_INCIDENT: return mmr_store_incident_put(p->db, &x->row, err);
    case PUT_EVIDENCE: return mmr_evidence_append(p->evidence, x->name, x->time_ns, text, x->len, NULL, err);
    case PUT_OUTBOX: return mmr_store_outbox_add(p->db, x->name, x->is_urgent, x->time_ns, text, x->len, NULL, err);
    case PUT_FORWARDER: return mmr_store_outbox_register(p->db, x->name, true, err);
    case PUT_LEVEL: return mmr_store_outbox_level(p->db, x->name, x->seq, x->level, x->time_ns, text, err);
    case PUT_STATE: return mmr_db_set(p->db, x->name, x->bytes, x->len, err);
    case PUT_NO_STATE: return mmr_db_drop(p->db, x->name, err);
    case PUT_TRIM:
        r = mmr_store_outbox_retire(p->db, text, x->time_ns, err);
        return r ? r : mmr_store_outbox_trim(p->db, x->time_ns, err);
    case PUT_ACTION:
        memcpy(&a, x->bytes, sizeof a);
        return mmr_store_action_put(p->db, &a, err);
    }
    return mmr_fail(err, MMR_EINTERNAL, "store: no such put");
}

static struct put *new_put(enum put_what what, const char *name, int64_t time_ns, const void *bytes, size_t len)
{
    struct put *x = calloc(1, sizeof *x + len + 1);
    if (!x)
        return NULL;
    x->what = what;
    x->time_ns = time_ns;
    x->len = len;
    (void)snprintf(x->name, sizeof x->name, "%s", name);
    if (bytes && len)
        memcpy(x->bytes, bytes, len);
    return x;
}

static void free_put(struct put *x)
{
    if (x)
        free(x->title);
    free(x);
}

/* *at out of the list. */
static void drop_put(struct mmr_persist *p, struct put **at)
{
    struct put *x = *at;
    *at = x->next;
    if (!*at)
        p->puts_end = at;
    p->kept_bytes -= sizeof *x + x->len;
    free_put(x);
}

static bool is_stores_fault(int r)
{
    return r == MMR_EIO || r == MMR_EBADMSG || r == MMR_ENOMEM;
}

/* Kept first, then written (not while the disk refuses). x is taken. */
static int put(struct mmr_persist *p, struct put *x, struct mmr_error *err)
{
    if (!x)
        return mmr_fail(err, MMR_ENOMEM, "store: out of memory");
    size_t size = sizeof *x + x->len;
    if (p->is_over || p->kept_bytes + size > KEPT_BYTES_MAX) {
        if (!p->is_over)
            mmr_log(MMR_LOG_ERR, "store.over", "what=\"more than %d MiB wait for the disk; once it works the brain starts anew and takes everything again\"",
                    KEPT_BYTES_MAX >> 20);
        p->is_over = true;
        forget_puts(p);
        free_put(x);
        return 0;
    }
    int r = p->health.is_failing ? 0 : apply(p, x, err);
    if (r && !is_stores_fault(r)) { /* no disk will ever take it */
        free_put(x);
        return r;
    }
    *p->puts_end = x;
    p->puts_end = &x->next;
    p->kept_bytes += size;
    if (r)
        mmr_persist_failed(p, err);
    return 0;
}

static int put_text(struct mmr_persist *p, enum put_what what, const char *name, bool is_urgent, int64_t time_ns, const char *text,
                    struct mmr_error *err)
{
    struct put *x = new_put(what, name, time_ns, text, strlen(text));
    if (x)
        x->is_urgent = is_urgent;
    return put(p, x, err);
}

static int put_action(struct mmr_persist *p, const struct mmr_action_rec *a, struct mmr_error *err)
{
    return put(p, new_put(PUT_ACTION, "", 0, a, sizeof *a), err);
}

static int put_incident(struct mmr_persist *p, const struct mmr_incident_row *row, struct mmr_error *err)
{
    struct put *x = new_put(PUT_INCIDENT, "", 0, row->blob, row->len);
    if (!x || !(x->title = strdup(row->title))) {
        free_put(x);
        return mmr_fail(err, MMR_ENOMEM, "store: out of memory");
    }
    x->row = *row;
    x->row.blob = x->bytes;
    x->row.title = x->title;
    return put(p, x, err);
}

static int put_actions(struct mmr_persist *p, const struct mmr_incident *i, int64_t now_ns, struct mmr_error *err)
{
    int r = 0;
    for (uint32_t k = 0; k < i->n_actions && !r; k++) {
        const struct mmr_action_rec *a = &i->actions[k];
        mmr_autofree char *json = NULL;
        if (!is_news(p, a))
            continue;
        r = put_action(p, a, err);
        if (r || a->receipt.result == MMR_RESULT_NONE)
            continue;
        r = mmr_action_to_json(a, i, &json, err);
        if (!r)
            r = put_text(p, PUT_EVIDENCE, "receipt", false, now_ns, json, err);
        if (!r)
            r = put_text(p, PUT_OUTBOX, "receipt", i->class_current == MMR_CLASS_OF_SEVERE, now_ns, json, err);
        p->health.actions++;
    }
    return r;
}

static void title_of(const struct mmr_incident *i, char *buf, size_t cap)
{
    const struct mmr_finding *f = i->n_evidence ? i->evidence[0].finding : NULL;
    (void)snprintf(buf, cap, "%s", f && f->what && *f->what ? f->what : f && f->title ? f->title : "");
    for (char *c = buf; *c; c++)
        if (*c == '\n' || *c == '\r')
            *c = ' ';
}

int mmr_persist_incident(struct mmr_persist *p, const struct mmr_incident *i, enum mmr_activity activity, unsigned change,
                         int64_t now_ns, struct mmr_error *err)
{
    struct mmr_incident_row row;
    mmr_autofree uint8_t *blob = NULL;
    mmr_autofree char *json = NULL;
    char title[300];
    size_t len = 0;
    int r = mmr_incident_pack(i, &blob, &len, err);
    if (r)
        return r;
    mmr_incident_row_of(i, &row);
    title_of(i, title, sizeof title);
    row.title = title;
    row.blob = blob;
    row.len = len;
    if (activity == MMR_ACTIVITY_CLOSE)
        row.is_closed = true;
    r = put_incident(p, &row, err);
    if (!r)
        r = mmr_incident_to_record(i, (int)activity, &json, err);
    if (!r && (change || activity != MMR_ACTIVITY_UPDATE))
        r = put_text(p, PUT_EVIDENCE, "incident.class", false, now_ns, json, err);
    if (!r)
        r = put_actions(p, i, now_ns, err);
    if (!r && i->class_current != MMR_CLASS_OF_PENDING)
        r = put_text(p, PUT_OUTBOX, "incident", i->class_current == MMR_CLASS_OF_SEVERE, now_ns, json, err);
    if (activity == MMR_ACTIVITY_CLOSE)
        forget_actions(p, i);
    p->health.incidents++;
    return r;
}

int mmr_persist_order(struct mmr_persist *p, const struct mmr_action_rec *a, unsigned flags, int64_t now_ns, struct mmr_error *err)
{
    char json[1024], target[400];
    if (flags & (MMR_ACT_RENEW | MMR_ACT_VERIFY))
        return 0; /* only what they change is worth a record */
    mmr_target_format(a->verb, &a->target, target, sizeof target);
    for (char *c = target; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20)
            *c = '_';
    (void)snprintf(json, sizeof json,
                   "{\"id\":\"%016llx\",\"verb\":\"%s\",\"undo\":%s,\"side\":\"%s\",\"target\":\"%s\",\"node\":\"%s\","
                   "\"instance\":\"%s\",\"incident\":\"%016llx\",\"attempt\":%u}",
                   (unsigned long long)a->id, mmr_verb_name(a->verb), flags & MMR_ACT_UNDO ? "true" : "false",
                   mmr_side_name(a->side), target, a->node, a->instance, (unsigned long long)a->incident, a->attempt);
    if (!(flags & MMR_ACT_UNDO)) /* its incident may be closed, and nobody would forget it then */
        (void)is_news(p, a);
    int r = put_action(p, a, err);
    return r ? r : put_text(p, PUT_EVIDENCE, "action.ordered", false, now_ns, json, err);
}

int mmr_persist_lease(struct mmr_persist *p, const struct mmr_action_rec *a, struct mmr_error *err)
{
    return put_action(p, a, err);
}

static uint64_t epoch_key(const uint8_t epoch[16])
{
    uint64_t h = mmr_hash64(epoch, 16, 11);
    return h & INT64_MAX ? h & INT64_MAX : 1; /* SQLite's integers are signed */
}

int mmr_persist_received(struct mmr_persist *p, const uint8_t epoch[16], uint32_t lane, uint64_t upto, struct mmr_error *err)
{
    return mmr_store_received_put(p->db, epoch_key(epoch), lane, upto, err);
}

uint64_t mmr_persist_upto(struct mmr_persist *p, const uint8_t epoch[16], uint32_t lane)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint64_t upto = 0;
    if (mmr_store_received_get(p->db, epoch_key(epoch), lane, &upto, &err) != 0)
        return 0;
    return upto;
}

int mmr_persist_note(struct mmr_persist *p, const char *kind, const char *json, int64_t now_ns, struct mmr_error *err)
{
    return put_text(p, PUT_EVIDENCE, kind, false, now_ns, json, err);
}

int mmr_persist_trim(struct mmr_persist *p, const char *wanted, int64_t before_ns, struct mmr_error *err)
{
    return put_text(p, PUT_TRIM, "", false, before_ns, wanted, err);
}

int mmr_persist_state(struct mmr_persist *p, const char *key, const void *value, size_t len, struct mmr_error *err)
{
    return put(p, new_put(value ? PUT_STATE : PUT_NO_STATE, key, 0, value, len), err);
}

int mmr_persist_forwarder(struct mmr_persist *p, const char *name, struct mmr_error *err)
{
    return put(p, new_put(PUT_FORWARDER, name, 0, "", 0), err);
}

int mmr_persist_forwarded(struct mmr_persist *p, const char *name, uint64_t seq, int level, int64_t at_ns, const char *detail,
                          struct mmr_error *err)
{
    struct put *x = new_put(PUT_LEVEL, name, at_ns, detail, strlen(detail));
    if (x) {
        x->seq = seq;
        x->level = level;
    }
    return put(p, x, err);
}

/* ---- commits ---- */

bool mmr_persist_is_due(const struct mmr_persist *p, int64_t mono_ns)
{
    return mmr_db_is_due(p->db, mono_ns);
}

int64_t mmr_persist_deadline(const struct mmr_persist *p)
{
    return p->health.is_failing ? p->retry_ns : mmr_db_deadline_ns(p->db);
}

void mmr_persist_failed(struct mmr_persist *p, const struct mmr_error *err)
{
    mmr_db_rollback(p->db);
    if (!p->health.is_failing) {
        mmr_log(MMR_LOG_ERR, "store.failing", "reason=\"%s\" what=\"nothing is acknowledged until it works again\"", err->text);
        p->retry_ms = RETRY_MS;
    } else if (p->retry_ms < RETRY_MAX_MS) {
        p->retry_ms *= 2;
    }
    p->retry_ns = mmr_clock_mono_ns() + p->retry_ms * MMR_NS_PER_MS;
    p->health.is_failing = true;
    p->health.failures++;
    (void)snprintf(p->health.error, sizeof p->health.error, "%s", err->text);
}

int mmr_persist_retry(struct mmr_persist *p, struct mmr_error *err)
{
    if (!p->health.is_failing)
        return 0;
    mmr_db_rollback(p->db);
    int r = mmr_db_begin(p->db, err);
    for (struct put **at = &p->puts; *at && !r;) {
        struct put *x = *at;
        r = apply(p, x, err);
        if (r && !is_stores_fault(r)) { /* kept untried; no disk will ever take it, and it must not hold up what will be */
            mmr_log(MMR_LOG_ERR, "store.refused", "what=%s reason=\"%s\"", x->name[0] ? x->name : "record", err->text);
            drop_put(p, at);
            r = 0;
            continue;
        }
        at = &x->next;
    }
    if (!r && p->is_over) /* is there room at all? */
        r = mmr_db_set(p->db, "store.probe", "", 0, err);
    if (r)
        mmr_persist_failed(p, err);
    return r;
}

bool mmr_persist_is_over(const struct mmr_persist *p)
{
    return p->is_over;
}

int mmr_persist_commit(struct mmr_persist *p, int64_t now_ns, struct mmr_error *err)
{
    int r = 0;
    if (mmr_evidence_is_checkpoint_due(p->evidence, now_ns))
        r = mmr_evidence_checkpoint(p->evidence, now_ns, err);
    if (!r)
        r = mmr_db_commit(p->db, err);
    if (r) {
        mmr_persist_failed(p, err);
        return r;
    }
    if (p->health.is_failing)
        mmr_log(MMR_LOG_INFO, "store.back", "failures=%llu", (unsigned long long)p->health.failures);
    p->health.is_failing = false;
    p->health.commits++;
    forget_puts(p);
    return 0;
}

struct restoring {
    struct mmr_persist *p;
    struct mmr_pipeline *pipe;
    int64_t now_ns;
    int n;
};

static int restore_one(void *ctx, const struct mmr_incident_row *row)
{
    struct restoring *x = ctx;
    struct mmr_incident *i = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_incident_unpack(row->blob, row->len, &i, &err);
    if (!r) {
        for (uint32_t k = 0; k < i->n_actions; k++)
            (void)is_news(x->p, &i->actions[k]);
        r = mmr_pipeline_restore(x->pipe, i, x->now_ns, &err);
    }
    if (r)
        mmr_log(MMR_LOG_ERR, "incident.not_restored", "id=%016llx reason=\"%s\"", (unsigned long long)row->id, err.text);
    else
        x->n++;
    return 0;
}

int mmr_persist_restore(struct mmr_persist *p, struct mmr_pipeline *pipe, int64_t now_ns, struct mmr_error *err)
{
    struct restoring x = {.p = p, .pipe = pipe, .now_ns = now_ns};
    const struct mmr_incident_filter f = {.only_open = true};
    int r = mmr_store_incidents_each(p->db, &f, restore_one, &x, err);
    return r ? r : x.n;
}

struct live {
    const char *node, *instance;
    uint64_t *ids;
    size_t n, cap;
};

static int live_one(void *ctx, const struct mmr_action_rec *a)
{
    struct live *l = ctx;
    if (strcmp(a->node, l->node) == 0 && strcmp(a->instance, l->instance) == 0 && l->n < l->cap)
        l->ids[l->n++] = a->id;
    return 0;
}

size_t mmr_persist_live_actions(struct mmr_persist *p, const char *node, const char *instance, uint64_t *ret, size_t cap)
{
    struct live l = {.node = node, .instance = instance, .ids = ret, .cap = cap};
    struct mmr_error err = {.struct_size = sizeof err};
    (void)mmr_store_actions_each(p->db, 0, true, live_one, &l, &err);
    return l.n;
}
