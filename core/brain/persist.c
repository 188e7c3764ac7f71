/*
 * persist.c - puts and commits. When the disk refuses (full, gone), the batch is rolled back and nothing of it is
 * acknowledged: hosts send their records again, and incidents are told again by the pipeline's next change; the
 * newest state of each incident touched meanwhile is kept here and put again first.
 */
#include "brain/persist.h"

#include "util/id.h"
#include "util/log.h"
#include "util/scope.h"
#include "util/table.h"

#include <stdio.h>
#include <string.h>

enum { RETRY_MAX = 4096 };

struct known_action { /* the last state written, so that only news are */
    uint64_t id;
    uint64_t state;
    UT_hash_handle hh;
};
struct kept { /* an incident whose batch was rolled back */
    uint64_t id;
    struct mmr_incident_row row;
    uint8_t *blob;
    char *title;
    UT_hash_handle hh;
};
struct mmr_persist {
    struct mmr_db *db;
    struct mmr_evidence_log *evidence;
    struct known_action *known;
    struct kept *kept;
    struct mmr_persist_health health;
};

int mmr_persist_open(const char *state_dir, struct mmr_persist **ret, struct mmr_error *err)
{
    struct mmr_persist *p = calloc(1, sizeof *p);
    if (!p)
        return mmr_fail(err, MMR_ENOMEM, "store: out of memory");
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

static void forget_kept(struct mmr_persist *p)
{
    struct kept *k, *next;
    HASH_ITER(hh, p->kept, k, next) {
        HASH_DEL(p->kept, k);
        free(k->blob);
        free(k->title);
        free(k);
    }
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
    forget_kept(p);
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
    }
    k->state = state;
    return true;
}

static int put_actions(struct mmr_persist *p, const struct mmr_incident *i, int64_t now_ns, struct mmr_error *err)
{
    int r = 0;
    for (uint32_t k = 0; k < i->n_actions && !r; k++) {
        const struct mmr_action_rec *a = &i->actions[k];
        mmr_autofree char *json = NULL;
        if (!is_news(p, a))
            continue;
        r = mmr_store_action_put(p->db, a, err);
        if (r || a->receipt.result == MMR_RESULT_NONE)
            continue;
        r = mmr_action_to_json(a, i, &json, err);
        if (!r)
            r = mmr_evidence_append(p->evidence, "receipt", now_ns, json, strlen(json), NULL, err);
        if (!r)
            r = mmr_store_outbox_add(p->db, "receipt", i->class_current == MMR_CLASS_OF_SEVERE, now_ns, json, strlen(json),
                                     NULL, err);
        p->health.actions++;
    }
    return r;
}

static void keep(struct mmr_persist *p, const struct mmr_incident_row *row, const char *title)
{
    struct kept *k;
    HASH_FIND(hh, p->kept, &row->id, sizeof row->id, k);
    if (!k) {
        if (HASH_COUNT(p->kept) >= RETRY_MAX || !(k = calloc(1, sizeof *k)))
            return;
        k->id = row->id;
        HASH_ADD(hh, p->kept, id, sizeof k->id, k);
    }
    free(k->blob);
    free(k->title);
    k->row = *row;
    k->blob = malloc(row->len ? row->len : 1);
    k->title = strdup(title);
    if (k->blob)
        memcpy(k->blob, row->blob, row->len);
    k->row.blob = k->blob;
    k->row.title = k->title;
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
    keep(p, &row, title);
    r = mmr_store_incident_put(p->db, &row, err);
    if (!r)
        r = mmr_incident_to_json(i, (int)activity, &json, err);
    if (!r && (change || activity != MMR_ACTIVITY_UPDATE))
        r = mmr_evidence_append(p->evidence, "incident.class", now_ns, json, strlen(json), NULL, err);
    if (!r)
        r = put_actions(p, i, now_ns, err);
    if (!r && i->class_current != MMR_CLASS_OF_PENDING)
        r = mmr_store_outbox_add(p->db, "incident", i->class_current == MMR_CLASS_OF_SEVERE, now_ns, json, strlen(json),
                                 NULL, err);
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
    (void)is_news(p, a);
    int r = mmr_store_action_put(p->db, a, err);
    return r ? r : mmr_evidence_append(p->evidence, "action.ordered", now_ns, json, strlen(json), NULL, err);
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
    return mmr_evidence_append(p->evidence, kind, now_ns, json, strlen(json), NULL, err);
}

bool mmr_persist_is_due(const struct mmr_persist *p, int64_t mono_ns)
{
    return mmr_db_is_due(p->db, mono_ns);
}

int64_t mmr_persist_deadline(const struct mmr_persist *p)
{
    return mmr_db_deadline_ns(p->db);
}

int mmr_persist_commit(struct mmr_persist *p, int64_t now_ns, struct mmr_error *err)
{
    int r = 0;
    if (p->health.is_failing) { /* what an earlier, rolled back batch held */
        struct kept *k, *next;
        HASH_ITER(hh, p->kept, k, next)
            if (!r)
                r = mmr_store_incident_put(p->db, &k->row, err);
    }
    if (!r && mmr_evidence_is_checkpoint_due(p->evidence, now_ns))
        r = mmr_evidence_checkpoint(p->evidence, now_ns, err);
    if (!r)
        r = mmr_db_commit(p->db, err);
    if (r) {
        mmr_db_rollback(p->db);
        if (!p->health.is_failing)
            mmr_log(MMR_LOG_ERR, "store.failing", "reason=\"%s\" what=\"nothing is acknowledged until it works again\"", err->text);
        p->health.is_failing = true;
        p->health.failures++;
        (void)snprintf(p->health.error, sizeof p->health.error, "%s", err->text);
        return r;
    }
    if (p->health.is_failing)
        mmr_log(MMR_LOG_INFO, "store.back", "failures=%llu", (unsigned long long)p->health.failures);
    p->health.is_failing = false;
    p->health.commits++;
    forget_kept(p);
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
