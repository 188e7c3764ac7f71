/* outlet.c - see outlet.h. */
#include "notify/outlet_internal.h"

#include "classify/facts.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/log.h"

#include <mamori/plugin.h>

#include <json-c/json.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define KEY_CONTACTS MMR_OUTLET_STATE "0contacts"
#define KEY_SECRET MMR_OUTLET_STATE "0key"
#define SINK "sink:"
enum { BUSY_MAX = 256, NEWS_BITS = MMR_CHANGE_CLASS | MMR_CHANGE_BAND | MMR_CHANGE_CLOCK };

static int64_t wall_of(void *ctx, int64_t ns)
{
    const struct mmr_outlet *o = ctx;
    return o->ops.wall_of(o->ops.ctx, ns);
}

static const struct mmr_incident *incident_of(void *ctx, uint64_t id)
{
    const struct mmr_outlet *o = ctx;
    return o->ops.incident(o->ops.ctx, id);
}

static void compose(void *ctx, const struct mmr_notice *n, enum mmr_text_kind kind, char *buf, size_t cap)
{
    struct mmr_outlet *o = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_compose(&o->c.office, n, kind, wall_of, incident_of, o, buf, cap, &err) != 0)
        mmr_log(MMR_LOG_ERR, "notice.words", "incident=%016llx reason=\"%s\"", (unsigned long long)n->id, err.text);
}

int mmr_outlet_new(const struct mmr_outlet_config *c, const struct mmr_outlet_ops *ops, struct mmr_outlet **ret, struct mmr_error *err)
{
    struct mmr_outlet *o = calloc(1, sizeof *o);
    if (!o)
        return mmr_fail(err, MMR_ENOMEM, "notices: out of memory");
    const struct mmr_deadline_ops dops = {.compose = compose, .ctx = o};
    o->c = *c;
    o->ops = *ops;
    int r = sodium_init() < 0 ? mmr_fail(err, MMR_EINTERNAL, "notices: no random numbers") : mmr_deadline_init(&o->d, c->contact, c->n_contacts, &dops, err);
    if (r) {
        free(o);
        return r;
    }
    o->d.utc_offset_s = c->office.utc_offset_s;
    *ret = o;
    return 0;
}

void mmr_outlet_free(struct mmr_outlet *o)
{
    if (!o)
        return;
    mmr_deadline_done(&o->d);
    for (uint32_t i = 0; i < o->n_shadows; i++)
        free(o->shadow[i]);
    sodium_memzero(o->key, sizeof o->key);
    free(o);
}

struct mmr_deadline *mmr_outlet_book(struct mmr_outlet *o)
{
    return &o->d;
}

/* ---- from the store ---- */

int mmr_outlet_restore(struct mmr_outlet *o, const char *key, const void *value, size_t len, struct mmr_error *err)
{
    if (strcmp(key, KEY_SECRET) == 0) {
        if (len != sizeof o->key)
            return mmr_fail(err, MMR_EBADMSG, "the stored key of links has %zu bytes, expected %zu", len, sizeof o->key);
        memcpy(o->key, value, len);
        o->has_key = true;
        return 0;
    }
    if (strcmp(key, KEY_CONTACTS) == 0)
        return mmr_contacts_unpack(&o->d, value, len, err);
    return mmr_notice_unpack(&o->d, value, len, err);
}

int mmr_outlet_restored(struct mmr_outlet *o, struct mmr_error *err)
{
    if (!o->has_key)
        randombytes_buf(o->key, sizeof o->key);
    int r = mmr_deadline_contacts(&o->d, o->c.contact, o->c.n_contacts, err);
    if (r)
        return r;
    memcpy(&o->d.seed, o->key, sizeof o->d.seed); /* the jitter of retries is the same after a restart */
    for (uint32_t i = 0; i < o->d.n_notices; i++)
        mmr_outlet_know(o, o->d.notice[i]);
    o->are_contacts_dirty = true;
    o->is_restored = true;
    return 0;
}

/* ---- incidents ---- */

/* The same story again: rule, machine and the other end (SERVICE_STANDARD 4). */
static uint64_t fingerprint_of(const struct mmr_incident *i)
{
    const struct mmr_finding *f = i->n_evidence ? i->evidence[0].finding : NULL;
    uint64_t h = f && f->rule ? mmr_hash64(f->rule, strlen(f->rule), 29) : 0;
    if (i->n_hosts)
        h = h * 31 + mmr_hash64(i->hosts[0].name, strlen(i->hosts[0].name), 29) + mmr_hash64(&i->hosts[0].addr[0], sizeof i->hosts[0].addr[0], 31);
    if (i->n_attackers)
        h = h * 31 + mmr_hash64(&i->attackers[0], sizeof i->attackers[0], 37);
    return h ? h : 1;
}

void mmr_outlet_incident(struct mmr_outlet *o, const struct mmr_incident *i, unsigned change, int64_t t0_ns, int64_t now_ns)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint64_t assets[MMR_NOTICE_ASSETS_MAX];
    uint32_t n = 0;
    o->now_ns = now_ns;
    if (!o->c.n_contacts)
        return;
    if (i->is_withdrawn) {
        (void)mmr_deadline_close(&o->d, i->id, "mamori", true, now_ns, &err);
        return;
    }
    if (i->class_peak != MMR_CLASS_OF_SEVERE && i->class_current != MMR_CLASS_OF_SEVERE)
        return;
    if (change & MMR_CHANGE_CONTAINED && i->is_contained)
        (void)mmr_deadline_followup(&o->d, i->id, now_ns, &err);
    if (i->class_current != MMR_CLASS_OF_SEVERE || i->is_closed || (i->is_contained && !mmr_deadline_find(&o->d, i->id)))
        return;
    for (uint32_t k = 0; k < i->n_hosts && n < MMR_NOTICE_ASSETS_MAX; k++)
        if (i->hosts[k].role != MMR_ROLE_ATTACKER || i->n_hosts == 1)
            assets[n++] = i->hosts[k].name[0] ? mmr_hash64(i->hosts[k].name, strlen(i->hosts[k].name), 41)
                                              : mmr_hash64(&i->hosts[k].addr[0], sizeof i->hosts[k].addr[0], 43);
    const struct mmr_severe s = {.id = i->id, .fingerprint = fingerprint_of(i), .band = i->band, .is_exercise = i->is_exercise,
                                 .has_news = (change & NEWS_BITS) != 0, .t0_ns = t0_ns, .classed_ns = now_ns, .assets = assets, .n_assets = n};
    if (mmr_deadline_severe(&o->d, &s, now_ns, &err) < 0)
        mmr_log(MMR_LOG_ERR, "notice.not_opened", "incident=%016llx reason=\"%s\"", (unsigned long long)i->id, err.text);
}

/* ---- the live order ---- */

static int put_contacts(struct mmr_outlet *o, struct mmr_error *err)
{
    uint8_t *bytes = NULL;
    size_t len = 0;
    int r = o->has_key ? 0 : o->ops.put(o->ops.ctx, KEY_SECRET, o->key, sizeof o->key, err);
    o->has_key |= !r;
    if (!r)
        r = mmr_contacts_pack(&o->d, &bytes, &len, err);
    if (!r)
        r = o->ops.put(o->ops.ctx, KEY_CONTACTS, bytes, len, err);
    free(bytes);
    o->are_contacts_dirty = r != 0;
    return r;
}

static int put_notice(struct mmr_outlet *o, struct mmr_notice *n, struct mmr_error *err)
{
    char key[40];
    uint8_t *bytes = NULL;
    size_t len = 0;
    int r = mmr_notice_pack(n, &bytes, &len, err);
    (void)snprintf(key, sizeof key, MMR_OUTLET_STATE "1%016llx", (unsigned long long)n->id);
    if (!r)
        r = o->ops.put(o->ops.ctx, key, bytes, len, err);
    free(bytes);
    if (!r)
        r = mmr_outlet_note(o, n, err);
    n->is_dirty = r != 0;
    return r;
}

int mmr_outlet_tick(struct mmr_outlet *o, int64_t now_ns, struct mmr_error *err)
{
    uint32_t broken = 0, now_broken = 0;
    int r;
    o->now_ns = now_ns;
    for (uint32_t i = 0; i < o->d.n_contacts; i++)
        for (unsigned k = 0; k < 2 * MMR_NOTICE_CHANNELS; k++)
            broken += (i * 8 + k + 1) * o->d.contact[i].is_broken[k / 2][k % 2];
    r = mmr_deadline_tick(&o->d, now_ns, err);
    for (uint32_t i = 0; i < o->d.n_contacts; i++)
        for (unsigned k = 0; k < 2 * MMR_NOTICE_CHANNELS; k++)
            now_broken += (i * 8 + k + 1) * o->d.contact[i].is_broken[k / 2][k % 2];
    if (!r && (o->are_contacts_dirty || broken != now_broken)) /* before the notices that name them */
        r = put_contacts(o, err);
    for (uint32_t i = 0; i < o->d.n_notices && !r; i++)
        if (o->d.notice[i]->is_dirty)
            r = put_notice(o, o->d.notice[i], err);
    return r;
}

int64_t mmr_outlet_next(const struct mmr_outlet *o)
{
    return mmr_deadline_next(&o->d);
}

struct busy { /* handed to nobody: told after the walk, which must not be changed under way */
    struct mmr_outlet *o;
    struct mmr_attempt_key key[BUSY_MAX];
    int level[BUSY_MAX];
    uint32_t n;
};

static void later(struct busy *b, const struct mmr_notice *n, const struct mmr_attempt *a, int level)
{
    if (b->n == BUSY_MAX)
        return; /* the clock's own wait for an answer does the same, later */
    b->key[b->n] = (struct mmr_attempt_key){n->id, a->step, a->contact, a->channel};
    b->level[b->n++] = level;
}

static int sink_level(const char *sink)
{
    return strcmp(sink, "ok") == 0            ? (int)MMR_DELIVERY_RECIPIENT
           : strcmp(sink, "accept-only") == 0 ? (int)MMR_DELIVERY_GATEWAY
           : strcmp(sink, "permfail") == 0    ? (int)MMR_DELIVERY_FAILED
                                              : (int)MMR_NOTICE_TEMPFAIL;
}

static void on_send(void *ctx, const struct mmr_notice *n, const struct mmr_attempt *a, const struct mmr_contact *c)
{
    struct busy *b = ctx;
    struct mmr_outlet *o = b->o;
    const char *through = mmr_outlet_through(o, a->channel, a->carrier);
    (void)c;
    if (strncmp(through, SINK, strlen(SINK)) == 0) {
        later(b, n, a, sink_level(through + strlen(SINK)));
        return;
    }
    char *json = mmr_outlet_record(o, n, a);
    if (!json || !o->ops.hand(o->ops.ctx, through, mmr_outlet_number_of(o, n, a), json, strlen(json)))
        later(b, n, a, MMR_NOTICE_TEMPFAIL);
    free(json);
}

void mmr_outlet_send(struct mmr_outlet *o, int64_t now_ns)
{
    struct busy b = {.o = o};
    struct mmr_error err = {.struct_size = sizeof err};
    o->now_ns = now_ns;
    mmr_deadline_send(&o->d, on_send, &b);
    for (uint32_t i = 0; i < b.n; i++)
        (void)mmr_deadline_result(&o->d, &b.key[i], b.level[i], now_ns, b.level[i] == MMR_NOTICE_TEMPFAIL ? "nobody carries this channel now" : "sink", now_ns, &err);
}

/* ---- answers ---- */

bool mmr_outlet_is_number(uint64_t number)
{
    return number & (MMR_NUMBER_NOTICE | MMR_NUMBER_TEST);
}

void mmr_outlet_answer(struct mmr_outlet *o, uint64_t number, int level, bool is_busy, int64_t at_ns, const char *detail, int64_t now_ns)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_attempt *a = NULL;
    o->now_ns = now_ns;
    for (uint32_t i = 0; i < o->n_tests; i++)
        if (o->test[i].number == number) {
            o->test[i].level = is_busy ? (int)MMR_DELIVERY_TRIED : level;
            o->test[i].at_ns = at_ns;
            (void)snprintf(o->test[i].detail, sizeof o->test[i].detail, "%s", detail);
            return;
        }
    const struct mmr_notice *n = mmr_outlet_by_number(o, number, &a);
    if (!n)
        return;
    const struct mmr_attempt_key key = {n->id, a->step, a->contact, a->channel};
    (void)mmr_deadline_result(&o->d, &key, is_busy || level == MMR_DELIVERY_TRIED ? (int)MMR_NOTICE_TEMPFAIL : level, at_ns, detail, now_ns, &err);
}

/* Of which kind is this token of that key? NULL: of none. */
static const char *kind_of(const struct mmr_outlet *o, const char *key, const char *token)
{
    static const char *const kinds[] = {"confirm", "reply", "report"};
    const char *found = NULL;
    char mine[MMR_TOKEN_MAX];
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++) {
        mmr_outlet_token_for(o, kinds[i], key, mine);
        if (sodium_memcmp(mine, token, MMR_TOKEN_MAX - 1) == 0)
            found = kinds[i];
    }
    return found;
}

static bool is_level(int level)
{
    return level >= MMR_DELIVERY_FAILED && level <= MMR_DELIVERY_CONFIRMED;
}

/* A test's message came back: its result rises, or is a refusal. */
static int token_of_test(struct mmr_outlet *o, const char *token, int level, const char *who, int64_t now_ns)
{
    char key[MMR_OUTLET_TEST_KEY_MAX];
    for (uint32_t i = 0; i < o->n_tests; i++) {
        struct mmr_outlet_test *t = &o->test[i];
        mmr_outlet_test_key(t, key);
        if (!kind_of(o, key, token))
            continue;
        if (!is_level(level))
            return MMR_EINVAL;
        if (level > t->level || level == MMR_DELIVERY_FAILED) {
            t->level = level;
            t->at_ns = now_ns;
            (void)snprintf(t->detail, sizeof t->detail, "%s", who);
        }
        return 0;
    }
    return MMR_ENOENT;
}

int mmr_outlet_token(struct mmr_outlet *o, const char *token, int level, const char *who, int64_t now_ns)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char text[MMR_ATTEMPT_KEY_TEXT_MAX];
    o->now_ns = now_ns;
    if (strlen(token) != MMR_TOKEN_MAX - 1)
        return MMR_ENOENT;
    for (uint32_t k = 0; k < o->d.n_notices; k++)
        for (uint32_t i = 0; i < o->d.notice[k]->n_attempts; i++) {
            const struct mmr_notice *n = o->d.notice[k];
            const struct mmr_attempt *a = &n->attempt[i];
            mmr_attempt_key_text(&o->d, n, a, text);
            const char *kind = kind_of(o, text, token);
            if (!kind)
                continue;
            bool is_link = strcmp(kind, "confirm") == 0;
            if (a->at_ns[MMR_DELIVERY_CONFIRMED] && (is_link || level == MMR_DELIVERY_CONFIRMED))
                return MMR_EPERM;
            if (!is_link && !is_level(level))
                return MMR_EINVAL;
            const struct mmr_attempt_key key = {n->id, a->step, a->contact, a->channel};
            return mmr_deadline_result(&o->d, &key, is_link ? (int)MMR_DELIVERY_CONFIRMED : level, now_ns, who, now_ns, &err);
        }
    return token_of_test(o, token, level, who, now_ns);
}

/* ---- people ---- */

static int named(const char *who, struct mmr_error *err)
{
    return who && *who ? 0 : mmr_fail(err, MMR_EINVAL, "a notice is confirmed or closed by somebody; give the person's name");
}

/* What is closed for an incident that was merged into another, or speaks through an umbrella, is the one it speaks through. */
static struct mmr_notice *notice_of(struct mmr_outlet *o, uint64_t id)
{
    struct mmr_notice *n = mmr_deadline_find(&o->d, id);
    for (uint32_t k = 0; k < o->d.n_notices && !n; k++)
        for (uint32_t i = 0; i < o->d.notice[k]->n_members; i++)
            if (o->d.notice[k]->member[i].id == id)
                n = o->d.notice[k];
    return n;
}

int mmr_outlet_confirm(struct mmr_outlet *o, uint64_t id, const char *who, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_notice *n = notice_of(o, id);
    int r = named(who, err);
    o->now_ns = now_ns;
    if (r)
        return r;
    if (!n)
        return mmr_fail(err, MMR_ENOENT, "no notice of incident %016llx is known", (unsigned long long)id);
    return mmr_deadline_confirm(&o->d, n->id, who, now_ns, err);
}

int mmr_outlet_close(struct mmr_outlet *o, uint64_t id, const char *who, bool is_withdrawn, int64_t now_ns, struct mmr_error *err)
{
    const struct mmr_notice *n = notice_of(o, id);
    int r = named(who, err);
    o->now_ns = now_ns;
    return r ? r : mmr_deadline_close(&o->d, n ? n->id : id, who, is_withdrawn, now_ns, err);
}

int mmr_outlet_test(struct mmr_outlet *o, const char *contact, int64_t now_ns, struct mmr_error *err)
{
    char text[MMR_NOTICE_TEXT_MAX];
    bool is_known = false;
    o->now_ns = now_ns;
    int r = mmr_compose_test(&o->c.office, wall_of(o, now_ns), text, sizeof text, err);
    if (r)
        return r;
    o->n_tests = 0;
    for (uint32_t i = 0; i < o->c.n_contacts; i++)
        for (unsigned ch = 0; ch < MMR_NOTICE_CHANNELS; ch++)
            for (unsigned k = 0; k < 2; k++) {
                const struct mmr_contact *c = &o->d.contact[i];
                if (contact && strcmp(contact, c->name) != 0)
                    continue;
                is_known = true;
                if (!c->address[ch][0] || (k && !o->c.channel[ch].through[1][0]) || o->n_tests == MMR_OUTLET_TESTS_MAX)
                    continue;
                struct mmr_outlet_test *t = &o->test[o->n_tests++];
                const char *through = mmr_outlet_through(o, ch, k);
                *t = (struct mmr_outlet_test){.contact = (uint8_t)i, .channel = (uint8_t)ch, .carrier = (uint8_t)k, .level = MMR_OUTLET_NO_ANSWER, .sent_ns = now_ns};
                const uint64_t mix[] = {(uint64_t)now_ns, i, ch, k};
                t->number = MMR_NUMBER_TEST | (mmr_hash64(mix, sizeof mix, 19) & MMR_NUMBER_MASK);
                if (strncmp(through, SINK, strlen(SINK)) == 0) {
                    int level = sink_level(through + strlen(SINK));
                    t->level = level == MMR_NOTICE_TEMPFAIL ? (int)MMR_DELIVERY_TRIED : level;
                    continue;
                }
                char *json = mmr_outlet_test_record(o, t, text);
                if (!json || !o->ops.hand(o->ops.ctx, through, t->number, json, strlen(json))) {
                    t->level = MMR_DELIVERY_TRIED;
                    (void)snprintf(t->detail, sizeof t->detail, "instance '%s' is not connected; is it enabled?", through);
                }
                free(json);
            }
    if (!is_known)
        return contact ? mmr_fail(err, MMR_ENOENT, "no contact '%.40s' is configured (notify.contacts)", contact)
                       : mmr_fail(err, MMR_ENOENT, "nobody is configured to be told (notify.contacts)");
    return (int)o->n_tests;
}
