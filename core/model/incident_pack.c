/*
 * incident_pack.c - an incident as a row of MessagePack values in fixed order, for the store. One list of fields serves both ways: the
 * same walk writes when `out`, reads when not, so the two cannot drift apart. Reading trusts no byte: a
 * cursor with a sticky fault, every count checked against its ceiling. Texts are kept with their NUL as
 * binary, so that a finding can be copied straight out of the bytes.
 */
#include "model/incident.h"

#include <stdlib.h>
#include <string.h>

enum { VERSION = 4, /* 2: src_name and stories of a finding; 3: entry; 4: src_mac; older ones are still read */ PACK_MAX = 4 * 1024 * 1024 };

struct walk {
    bool is_out, is_bad, is_full;
    uint8_t *buf; /* out: owned, grows */
    size_t len, cap;
    const uint8_t *p; /* in */
    size_t left;
    const char *at; /* what is being read, for the error */
    int64_t version;
};

/* ---- bytes ---- */

static void put(struct walk *w, const void *p, size_t n)
{
    if (w->is_full)
        return;
    if (n > w->cap - w->len) {
        size_t cap = w->cap ? w->cap : 1024;
        while (cap - w->len < n && cap < PACK_MAX)
            cap *= 2;
        uint8_t *b = cap - w->len < n ? NULL : realloc(w->buf, cap);
        if (!b) {
            w->is_full = true;
            return;
        }
        w->buf = b;
        w->cap = cap;
    }
    memcpy(w->buf + w->len, p, n);
    w->len += n;
}

static void put_be(struct walk *w, uint8_t tag, uint64_t v, unsigned bytes)
{
    uint8_t b[9] = {tag};
    for (unsigned i = 0; i < bytes; i++)
        b[1 + i] = (uint8_t)(v >> (8 * (bytes - 1 - i)));
    put(w, b, 1 + bytes);
}

static const uint8_t *take(struct walk *w, size_t n)
{
    if (w->is_bad || w->left < n) {
        w->is_bad = true;
        return NULL;
    }
    w->p += n;
    w->left -= n;
    return w->p - n;
}

static uint64_t take_be(struct walk *w, unsigned bytes)
{
    const uint8_t *p = take(w, bytes);
    uint64_t v = 0;
    for (unsigned i = 0; p && i < bytes; i++)
        v = v << 8 | p[i];
    return v;
}

static uint8_t take_tag(struct walk *w)
{
    const uint8_t *p = take(w, 1);
    return p ? *p : 0xc1; /* 0xc1 is no MessagePack */
}

/* ---- values ---- */

static void integer(struct walk *w, int64_t *v)
{
    if (w->is_out) {
        if (*v >= 0 && *v < 128)
            put_be(w, (uint8_t)*v, 0, 0);
        else
            put_be(w, 0xd3, (uint64_t)*v, 8);
        return;
    }
    uint8_t tag = take_tag(w);
    if (tag < 0x80)
        *v = tag;
    else if (tag == 0xd3)
        *v = (int64_t)take_be(w, 8);
    else
        w->is_bad = true;
}

/* How many records follow, at most so many. */
static void count(struct walk *w, uint32_t *n, uint32_t most, const char *at)
{
    int64_t v = w->is_out ? (int64_t)*n : 0;
    if (!w->is_out && !w->is_bad)
        w->at = at;
    integer(w, &v);
    if (w->is_out)
        return;
    if (v < 0 || v > most)
        w->is_bad = true;
    *n = w->is_bad ? 0 : (uint32_t)v;
}

/* Any integer member, within bounds when read. */
#define NUM(w, m, lo, hi)                                                                          \
    do {                                                                                           \
        int64_t n_ = (int64_t)(m);                                                                 \
        integer(w, &n_);                                                                           \
        if (!(w)->is_out) {                                                                        \
            if (n_ < (int64_t)(lo) || n_ > (int64_t)(hi)) {                                        \
                (w)->is_bad = true;                                                                \
                n_ = 0;                                                                            \
            }                                                                                      \
            (m) = (__typeof__(m))n_;                                                               \
        }                                                                                          \
    } while (0)
#define ANY(w, m) NUM(w, m, INT64_MIN, INT64_MAX)
#define FLAG(w, m) NUM(w, m, 0, 1)

static void bytes(struct walk *w, void *p, size_t n)
{
    if (w->is_out) {
        put_be(w, 0xc6, n, 4);
        put(w, p, n);
        return;
    }
    const uint8_t *from = take_tag(w) == 0xc6 && take_be(w, 4) == n ? take(w, n) : NULL;
    if (from)
        memcpy(p, from, n);
    else
        w->is_bad = true;
}

/* A text in a fixed array. */
static void text(struct walk *w, char *buf, size_t cap)
{
    if (w->is_out) {
        size_t n = strnlen(buf, cap - 1) + 1;
        put_be(w, 0xc6, n, 4);
        put(w, buf, n - 1);
        put(w, "", 1);
        return;
    }
    uint64_t n = take_tag(w) == 0xc6 ? take_be(w, 4) : 0;
    const uint8_t *from = n > 0 && n <= cap ? take(w, n) : NULL;
    if (from && from[n - 1] == '\0')
        memcpy(buf, from, n);
    else
        w->is_bad = true;
}

/* A text that may be absent. Read: it points into the packed bytes, NUL-terminated. */
static void string(struct walk *w, const char **s)
{
    if (w->is_out) {
        if (!*s) {
            put_be(w, 0xc0, 0, 0);
            return;
        }
        size_t n = strlen(*s) + 1;
        put_be(w, 0xc6, n, 4);
        put(w, *s, n);
        return;
    }
    uint8_t tag = take_tag(w);
    *s = NULL;
    if (tag == 0xc0)
        return;
    uint64_t n = tag == 0xc6 ? take_be(w, 4) : 0;
    const uint8_t *from = n > 0 ? take(w, n) : NULL;
    if (from && from[n - 1] == '\0')
        *s = (const char *)from;
    else
        w->is_bad = true;
}

/* ---- the parts ---- */

static void finding(struct walk *w, struct mmr_finding *f)
{
    struct mmr_process *p = &f->process;
    const char **texts[] = {&f->kind, &f->node, &f->plugin, &f->instance, &f->rule, &f->title, &f->what, &f->proto,
                            &f->host, &f->domain, &f->url, &f->user, &f->session, &p->name, &p->path, &p->cmd_line,
                            &p->uid, &p->parent_name, &p->parent_path, &p->parent_cmd_line, &p->parent_uid,
                            &p->sha256, &f->file, &f->sha256, &f->autostart, &f->answers, &f->input,
                            &f->src_name, &f->stories};
    bytes(w, f->id, 16);
    NUM(w, f->class_uid, 0, UINT32_MAX);
    NUM(w, f->severity_id, 0, 6);
    ANY(w, f->time_ns);
    ANY(w, f->received_ns);
    ANY(w, f->offset_ns);
    ANY(w, f->estimate_ns);
    NUM(w, f->side, 0, MMR_SIDE_ENDPOINT);
    ANY(w, f->seq);
    NUM(w, f->phase, 0, MMR_PHASE_IMPACT);
    NUM(w, f->direction, 0, MMR_DIR_LOCAL);
    NUM(w, f->potential, 0, MMR_POTENTIAL_HIGH);
    FLAG(w, f->is_harm);
    FLAG(w, f->is_exercise);
    bytes(w, f->src.b, 16);
    bytes(w, f->dst.b, 16);
    bytes(w, f->host_addr.b, 16);
    NUM(w, f->src_port, 0, UINT16_MAX);
    NUM(w, f->dst_port, 0, UINT16_MAX);
    ANY(w, p->pid);
    ANY(w, p->parent_pid);
    ANY(w, p->start_ticks);
    ANY(w, f->index);
    for (size_t i = 0; i < sizeof texts / sizeof texts[0] - (w->version < 2 ? 2 : 0); i++)
        string(w, texts[i]);
    if (w->version >= 3)
        string(w, &f->entry);
    if (w->version >= 4)
        string(w, &f->src_mac);
    count(w, &f->n_attack, MMR_FINDING_ATTACKS_MAX, "attack");
    for (uint32_t i = 0; i < f->n_attack; i++) {
        string(w, &f->attack[i]);
        if (!w->is_out && !f->attack[i]) {
            w->is_bad = true;
            f->attack[i] = "";
        }
    }
    if (!w->is_out && !f->kind)
        w->is_bad = true;
}

static void evidence(struct walk *w, struct mmr_evidence *e)
{
    if (w->is_out) {
        finding(w, e->finding);
    } else {
        struct mmr_finding f;
        memset(&f, 0, sizeof f);
        finding(w, &f);
        e->finding = w->is_bad ? NULL : mmr_finding_copy(&f);
        w->is_full |= !w->is_bad && !e->finding;
    }
    NUM(w, e->count, 0, UINT32_MAX);
    ANY(w, e->last_ns);
    ANY(w, e->fold);
    for (unsigned i = 0; i < 4; i++) {
        ANY(w, e->source[i]);
        NUM(w, e->source_count[i], 0, UINT32_MAX);
    }
}

static void action(struct walk *w, struct mmr_action_rec *a)
{
    struct mmr_target *t = &a->target;
    struct mmr_receipt *r = &a->receipt;
    ANY(w, a->id);
    NUM(w, a->verb, 0, MMR_VERB_COUNT - 1);
    NUM(w, a->side, 0, MMR_SIDE_ENDPOINT);
    bytes(w, t->addr.addr.b, 16);
    NUM(w, t->addr.bits, 0, 128);
    NUM(w, t->direction, 0, MMR_DIR_LOCAL);
    NUM(w, t->port, 0, UINT16_MAX);
    text(w, t->proto, sizeof t->proto);
    bytes(w, t->src.b, 16);
    bytes(w, t->dst.b, 16);
    NUM(w, t->src_port, 0, UINT16_MAX);
    NUM(w, t->dst_port, 0, UINT16_MAX);
    ANY(w, t->pid);
    ANY(w, t->start_ticks);
    FLAG(w, t->is_tree);
    text(w, t->host, sizeof t->host);
    text(w, t->text, sizeof t->text);
    text(w, t->sha256, sizeof t->sha256);
    text(w, t->exe, sizeof t->exe);
    text(w, a->node, sizeof a->node);
    text(w, a->instance, sizeof a->instance);
    text(w, a->reason, sizeof a->reason);
    ANY(w, a->incident);
    ANY(w, a->ordered_ns);
    ANY(w, a->ttl_ms);
    NUM(w, a->state, 0, MMR_STATE_UNDONE);
    FLAG(w, a->is_planned_only);
    NUM(w, a->attempt, 0, UINT32_MAX);
    NUM(w, r->result, 0, MMR_RESULT_UNSUPPORTED);
    NUM(w, r->verified, 0, MMR_VERIFIED_INCONCLUSIVE);
    text(w, r->method, sizeof r->method);
    ANY(w, r->applied_ns);
    ANY(w, r->verified_ns);
    ANY(w, r->expires_ns);
    ANY(w, r->revoked_ns);
    FLAG(w, r->is_dry_run);
    ANY(w, r->packets);
    ANY(w, r->bytes);
    text(w, r->detail, sizeof r->detail);
}

static void head(struct walk *w, struct mmr_incident *i)
{
    ANY(w, i->id);
    bytes(w, i->uid, 16);
    ANY(w, i->t0_ns);
    ANY(w, i->first_ns);
    ANY(w, i->last_ns);
    ANY(w, i->updated_ns);
    NUM(w, i->revision, 0, UINT32_MAX);
    NUM(w, i->evicted, 0, UINT32_MAX);
    NUM(w, i->harm, 'n', 'y');
    NUM(w, i->potential, 0, MMR_POTENTIAL_HIGH);
    FLAG(w, i->is_benign);
    FLAG(w, i->is_recurring);
    FLAG(w, i->is_important);
    FLAG(w, i->has_user_action);
    FLAG(w, i->is_exercise);
    NUM(w, i->class_current, 0, MMR_CLASS_OF_SEVERE);
    NUM(w, i->class_peak, 0, MMR_CLASS_OF_SEVERE);
    NUM(w, i->band, 0, MMR_BAND_RED);
    NUM(w, i->row, 0, 12);
    FLAG(w, i->is_closed);
    FLAG(w, i->is_contained);
    FLAG(w, i->is_withdrawn);
    ANY(w, i->clock_ns);
}

static void addr_list(struct walk *w, struct mmr_addr *list, uint32_t *n, const char *at)
{
    count(w, n, MMR_INCIDENT_ADDRS_MAX, at);
    for (uint32_t k = 0; k < *n; k++)
        bytes(w, list[k].b, 16);
}

static void host(struct walk *w, struct mmr_host_ref *h)
{
    text(w, h->name, sizeof h->name);
    NUM(w, h->role, 0, MMR_ROLE_SOURCE);
    for (unsigned k = 0; k < 4; k++)
        bytes(w, h->addr[k].b, 16);
}

int mmr_incident_pack(const struct mmr_incident *i, uint8_t **ret, size_t *ret_len, struct mmr_error *err)
{
    struct walk w = {.is_out = true};
    struct mmr_incident c = *i; /* the walk serves both ways and so takes no const; it does not write here */
    int64_t version = w.version = VERSION;
    integer(&w, &version);
    head(&w, &c);
    count(&w, &c.n_evidence, MMR_INCIDENT_EVIDENCE_MAX, "evidence");
    for (uint32_t k = 0; k < c.n_evidence; k++)
        evidence(&w, &c.evidence[k]);
    count(&w, &c.n_joins, MMR_INCIDENT_JOINS_MAX, "joins");
    for (uint32_t k = 0; k < c.n_joins; k++) {
        NUM(&w, c.joins[k].kind, 0, MMR_ENT_RULE);
        text(&w, c.joins[k].value, sizeof c.joins[k].value);
    }
    count(&w, &c.n_hosts, MMR_INCIDENT_HOSTS_MAX, "hosts");
    for (uint32_t k = 0; k < c.n_hosts; k++)
        host(&w, &c.hosts[k]);
    addr_list(&w, c.attackers, &c.n_attackers, "attackers");
    addr_list(&w, c.victims, &c.n_victims, "victims");
    count(&w, &c.n_actions, MMR_INCIDENT_ACTIONS_MAX, "actions");
    for (uint32_t k = 0; k < c.n_actions; k++)
        action(&w, &c.actions[k]);
    count(&w, &c.n_why, MMR_INCIDENT_WHY_MAX, "why");
    for (uint32_t k = 0; k < c.n_why; k++)
        text(&w, c.why[k], sizeof c.why[k]);
    if (w.is_full) {
        free(w.buf);
        return mmr_fail(err, MMR_ENOMEM, "incident %016llx: no memory to pack it (%zu bytes so far)",
                        (unsigned long long)i->id, w.len);
    }
    *ret = w.buf;
    *ret_len = w.len;
    return 0;
}

/* The lists, each item read into a local and added through the container, which keeps the ceilings. */
static void read_lists(struct walk *w, struct mmr_incident *i, struct mmr_error *err)
{
    uint32_t n = 0;
    int e = 0;
    count(w, &n, MMR_INCIDENT_EVIDENCE_MAX, "evidence");
    for (uint32_t k = 0; k < n && !w->is_bad && e == 0; k++) {
        struct mmr_evidence v;
        memset(&v, 0, sizeof v);
        evidence(w, &v);
        if (v.finding && !w->is_bad)
            e = mmr_incident_insert_evidence(i, &v, err);
        else
            free(v.finding);
    }
    count(w, &n, MMR_INCIDENT_JOINS_MAX, "joins");
    for (uint32_t k = 0; k < n && !w->is_bad && e == 0; k++) {
        struct mmr_join j = {.kind = MMR_ENT_RULE};
        NUM(w, j.kind, 0, MMR_ENT_RULE);
        text(w, j.value, sizeof j.value);
        if (!w->is_bad)
            e = mmr_incident_add_join(i, j.kind, j.value, err);
    }
    count(w, &n, MMR_INCIDENT_HOSTS_MAX, "hosts");
    for (uint32_t k = 0; k < n && !w->is_bad && e == 0; k++) {
        struct mmr_host_ref h = {.role = MMR_ROLE_OTHER};
        host(w, &h);
        if (!w->is_bad)
            e = mmr_incident_add_host(i, &h, err);
    }
    addr_list(w, i->attackers, &i->n_attackers, "attackers");
    addr_list(w, i->victims, &i->n_victims, "victims");
    count(w, &n, MMR_INCIDENT_ACTIONS_MAX, "actions");
    for (uint32_t k = 0; k < n && !w->is_bad && e == 0; k++) {
        struct mmr_action_rec a;
        memset(&a, 0, sizeof a);
        action(w, &a);
        if (!w->is_bad)
            e = mmr_incident_add_action(i, &a, err);
    }
    count(w, &n, MMR_INCIDENT_WHY_MAX, "why");
    for (uint32_t k = 0; k < n && !w->is_bad; k++) {
        char why[MMR_INCIDENT_WHY_BYTES];
        text(w, why, sizeof why);
        if (!w->is_bad)
            mmr_incident_why(i, "%s", why);
    }
    w->is_full |= e < 0;
}

int mmr_incident_unpack(const uint8_t *p, size_t len, struct mmr_incident **ret, struct mmr_error *err)
{
    struct walk w = {.p = p, .left = len, .at = "incident"};
    int64_t version = 0;
    struct mmr_incident *i = mmr_incident_new(0, err);
    if (!i)
        return MMR_ENOMEM;
    integer(&w, &version);
    w.version = version;
    if (!w.is_bad && (version < 1 || version > VERSION)) {
        mmr_incident_free(i);
        return mmr_fail(err, MMR_EBADMSG, "stored incident has version %lld, this build reads up to %d", (long long)version,
                        VERSION);
    }
    head(&w, i);
    read_lists(&w, i, err);
    if (w.is_full) {
        mmr_incident_free(i);
        return mmr_fail(err, MMR_ENOMEM, "stored incident: out of memory");
    }
    if (w.is_bad || w.left) {
        mmr_incident_free(i);
        return mmr_fail(err, MMR_EBADMSG, "stored incident: '%s' is truncated or not as written (%zu bytes left)", w.at,
                        w.left);
    }
    *ret = i;
    return 0;
}
