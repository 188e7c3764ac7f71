/* plan.c - candidates of either side for each need, best first, and the next when one does not do
 * it. */
#include "defend/plan.h"

#include "defend/match.h"

#include "util/clock.h"
#include "util/id.h"

#include <stdio.h>
#include <string.h>

enum { CANDIDATES_MAX = 48, CUTS_MAX = 4 }; /* cuts of one incident: they count against the rails' acts a minute */
#define CUT_FRESH_NS (300 * MMR_NS_PER_S) /* an older connection is over, or another one by now */

void mmr_policy_default(struct mmr_policy *p)
{
    *p = (struct mmr_policy){
        .mode = MMR_AUTO_DRY_RUN, .ttl_ms = 3600 * 1000, .answer_ms = 30 * 1000};
}

uint64_t mmr_plan_order_id(const struct mmr_action_rec *a)
{
    char line[1400], addr[MMR_ADDR_TEXT_MAX + 4];
    const struct mmr_target *t = &a->target;
    mmr_cidr_format(&t->addr, addr);
    int n = snprintf(line, sizeof line, "%llx|%d|%d|%s|%s|%u|%s|%d|%u|%s|%lld|%lld|%s|%s",
                     (unsigned long long)a->incident, (int)a->verb, (int)a->side, a->node,
                     a->instance, a->attempt, addr, (int)t->direction, t->port, t->proto,
                     (long long)t->pid, (long long)t->start_ticks, t->host, t->text);
    size_t len = n < 0 ? 0 : (size_t)n < sizeof line ? (size_t)n : sizeof line - 1;
    if (a->verb == MMR_VERB_CUT_FLOW) { /* its object is a connection: several of one incident are several orders */
        char src[MMR_ADDR_TEXT_MAX], dst[MMR_ADDR_TEXT_MAX];
        mmr_addr_format(&t->src, src);
        mmr_addr_format(&t->dst, dst);
        n = snprintf(line + len, sizeof line - len, "|%s|%u|%s|%u", src, t->src_port, dst, t->dst_port);
        len += n < 0 ? 0 : (size_t)n < sizeof line - len ? (size_t)n : sizeof line - len - 1;
    }
    uint64_t id = mmr_hash64(line, len, UINT64_C(0x6d616d6f7269));
    return id ? id : 1; /* 0 means none */
}

/* ---- what one responder could do for one want ---- */

struct candidate {
    const struct mmr_responder *r;
    enum mmr_verb verb;
    struct mmr_target target;
    int rank; /* lower is tried first */
};
struct candidates {
    uint32_t n;
    struct candidate v[CANDIDATES_MAX];
};
struct planner {
    const struct mmr_plan_env *env;
    const struct mmr_incident *i;
    int64_t now_ns;
    struct mmr_plan *out;
};

static bool has_verb(const struct mmr_responder *r, enum mmr_verb v)
{
    return (r->verbs & mmr_verb_bit(v)) != 0;
}

static bool sends_events(const struct planner *p, const struct mmr_want *w)
{
    if (p->env->has_endpoint)
        return p->env->has_endpoint(p->env->ctx, w->host, &w->host_addr);
    for (uint32_t k = 0; k < p->i->n_evidence; k++) {
        const struct mmr_finding *f = p->i->evidence[k].finding;
        if (f->side == MMR_SIDE_ENDPOINT &&
            mmr_same_host(f->host, &f->host_addr, w->host, &w->host_addr))
            return true;
    }
    return false;
}

static bool is_on_host(const struct planner *p, const struct mmr_responder *r,
                       const struct mmr_want *w)
{
    if (r->side != MMR_SIDE_ENDPOINT)
        return false;
    bool has_addr = false;
    for (size_t k = 0; k < sizeof r->addr / sizeof r->addr[0]; k++) {
        has_addr |= mmr_addr_is_set(&r->addr[k]);
        if (mmr_addr_is_set(&r->addr[k]) && mmr_same_host(NULL, &r->addr[k], NULL, &w->host_addr))
            return true;
    }
    if (r->host[0])
        return mmr_same_host(r->host, NULL, w->host, NULL);
    return !has_addr && (w->host[0] || mmr_addr_is_set(&w->host_addr)) && sends_events(p, w);
}

static struct candidate *put(struct candidates *c, const struct mmr_responder *r,
                             enum mmr_verb verb, int rank)
{
    if (c->n == CANDIDATES_MAX)
        return NULL;
    struct candidate *x = &c->v[c->n++];
    *x = (struct candidate){
        .r = r, .verb = verb, .rank = rank + (r->is_dry_run ? 100 : 0) + (r->is_linked ? 1 : 0)};
    return x;
}

static void put_host(struct mmr_target *t, const struct mmr_responder *r, const struct mmr_want *w)
{
    mmr_text_copy(t->host, sizeof t->host, w->host[0] ? w->host : r->host);
    if (!t->host[0] && mmr_addr_is_set(&w->host_addr))
        mmr_addr_format(&w->host_addr, t->host);
}

/* deny(src->dst service) and deny(host->dst): the address to deny is the far end, seen from what is
 * to be protected. */
static void deny_candidates(const struct planner *p, const struct mmr_want *w, struct candidates *c)
{
    const struct mmr_site_view *site = &p->env->site;
    const bool is_service = w->effect == MMR_EFFECT_DENY_SERVICE;
    const struct mmr_addr *far = is_service ? &w->src : &w->dst,
                          *near = is_service ? &w->dst : &w->src;
    const bool far_in = mmr_site_has(site, far);
    const bool near_in = !mmr_addr_is_set(near) || mmr_site_has(site, near);
    for (uint32_t k = 0; k < p->env->n_responder; k++) {
        const struct mmr_responder *r = &p->env->responder[k];
        const bool is_net = r->side == MMR_SIDE_NETWORK;
        if (!r->is_healthy || (!is_net && !is_on_host(p, r, w)))
            continue;
        if (!mmr_addr_is_set(far)) { /* only a name is known */
            if (!is_service && w->name[0] && has_verb(r, MMR_VERB_BLOCK_NAME)) {
                struct candidate *x = put(c, r, MMR_VERB_BLOCK_NAME, is_net ? 0 : 10);
                if (x) {
                    mmr_text_copy(x->target.text, sizeof x->target.text, w->name);
                    if (!is_net)
                        put_host(&x->target, r, w);
                }
            }
            continue;
        }
        if (!has_verb(r, MMR_VERB_BLOCK_ADDR) || (is_net && far_in && near_in && !r->sees_inside))
            continue; /* the packets do not cross it */
        /* the gateway protects everybody at once, and does not depend on a machine that may be the
         * enemy's */
        struct candidate *x = put(c, r, MMR_VERB_BLOCK_ADDR, is_net ? (far_in ? 5 : 0) : 10);
        if (!x)
            continue;
        x->target.addr = (struct mmr_cidr){.addr = *far, .bits = 128};
        if (!far_in) {
            x->target.direction =
                MMR_DIR_UNKNOWN; /* an attacker outside has no business in either direction */
        } else {
            x->target.direction = is_service ? MMR_DIR_INBOUND : MMR_DIR_OUTBOUND;
            if (is_net) { /* an inside machine keeps its other services */
                x->target.port = w->port;
                mmr_text_copy(x->target.proto, sizeof x->target.proto, w->port ? w->proto : "");
            }
        }
        if (!is_net)
            put_host(&x->target, r, w);
    }
}

static void isolate_candidates(const struct planner *p, const struct mmr_want *w,
                               struct candidates *c)
{
    for (uint32_t k = 0; k < p->env->n_responder; k++) {
        const struct mmr_responder *r = &p->env->responder[k];
        const bool is_net = r->side == MMR_SIDE_NETWORK;
        if (!r->is_healthy || !has_verb(r, MMR_VERB_ISOLATE_HOST))
            continue;
        if (is_net ? !r->sees_inside || !(w->mac[0] || mmr_site_has(&p->env->site, &w->host_addr))
                   : !is_on_host(p, r, w))
            continue;
        /* the network's hold does not depend on a machine that may be the enemy's by now */
        struct candidate *x = put(c, r, MMR_VERB_ISOLATE_HOST, is_net ? 0 : 10);
        if (!x)
            continue;
        if (mmr_addr_is_set(&w->host_addr))
            x->target.addr = (struct mmr_cidr){.addr = w->host_addr, .bits = 128};
        if (is_net)
            mmr_text_copy(x->target.text, sizeof x->target.text, w->mac);
        put_host(&x->target, r, w);
    }
}

static void host_candidates(const struct planner *p, const struct mmr_want *w, enum mmr_verb verb,
                            struct candidates *c)
{
    for (uint32_t k = 0; k < p->env->n_responder; k++) {
        const struct mmr_responder *r = &p->env->responder[k];
        if (!r->is_healthy || !has_verb(r, verb) || !is_on_host(p, r, w))
            continue;
        struct candidate *x = put(c, r, verb, verb == MMR_VERB_FREEZE_PROCESS ? 5 : 0);
        if (!x)
            continue;
        put_host(&x->target, r, w);
        mmr_text_copy(x->target.sha256, sizeof x->target.sha256, w->sha256);
        if (w->effect == MMR_EFFECT_STOP) {
            x->target.pid = w->pid;
            x->target.start_ticks = w->start_ticks;
            x->target.is_tree = verb == MMR_VERB_KILL_PROCESS;
            mmr_text_copy(x->target.text, sizeof x->target.text, w->name);
            mmr_text_copy(x->target.exe, sizeof x->target.exe, w->path);
        } else {
            mmr_text_copy(x->target.text, sizeof x->target.text,
                          w->effect == MMR_EFFECT_REVOKE_LOCK ? w->name : w->path);
            if (w->effect == MMR_EFFECT_NO_AUTOSTART)
                mmr_text_copy(x->target.exe, sizeof x->target.exe, w->name);
        }
    }
}

static void candidates_of(const struct planner *p, const struct mmr_want *w, struct candidates *c)
{
    c->n = 0;
    switch (w->effect) {
    case MMR_EFFECT_DENY_SERVICE:
    case MMR_EFFECT_DENY_DST:
        deny_candidates(p, w, c);
        break;
    case MMR_EFFECT_DENY_OTHERS:
    case MMR_EFFECT_ISOLATE:
        isolate_candidates(p, w, c);
        break;
    case MMR_EFFECT_STOP:
        host_candidates(p, w, MMR_VERB_KILL_PROCESS, c);
        host_candidates(p, w, MMR_VERB_FREEZE_PROCESS, c);
        break;
    case MMR_EFFECT_QUARANTINE:
        host_candidates(p, w, MMR_VERB_QUARANTINE_FILE, c);
        break;
    case MMR_EFFECT_DENY_EXEC:
        host_candidates(p, w, MMR_VERB_DENY_EXEC, c);
        host_candidates(p, w, MMR_VERB_QUARANTINE_FILE, c);
        break;
    case MMR_EFFECT_NO_AUTOSTART:
        host_candidates(p, w, MMR_VERB_REMOVE_AUTOSTART, c);
        break;
    case MMR_EFFECT_REVOKE_LOCK:
        if (w->name[0])
            host_candidates(p, w, MMR_VERB_LOCK_ACCOUNT, c);
        break;
    default:
        break;
    }
    for (uint32_t a = 1; a < c->n;
         a++) { /* stable: equal ranks keep the order of the configuration */
        struct candidate x = c->v[a];
        uint32_t b = a;
        for (; b > 0 && c->v[b - 1].rank > x.rank; b--)
            c->v[b] = c->v[b - 1];
        c->v[b] = x;
    }
}

/* ---- what was done so far ---- */

static const struct mmr_responder *responder_of(const struct planner *p,
                                                const struct mmr_action_rec *a)
{
    for (uint32_t k = 0; k < p->env->n_responder; k++) {
        const struct mmr_responder *r = &p->env->responder[k];
        if (r->side == a->side && strcmp(r->node, a->node) == 0 &&
            strcmp(r->instance, a->instance) == 0)
            return r;
    }
    return NULL;
}

static bool is_spent(const struct mmr_action_rec *a)
{
    return a->state == MMR_STATE_FAILED || a->state == MMR_STATE_EXPIRED ||
           a->state == MMR_STATE_UNDONE ||
           (a->receipt.result != MMR_RESULT_NONE && a->receipt.result != MMR_RESULT_APPLIED &&
            a->receipt.result != MMR_RESULT_ALREADY);
}

static bool is_serving(const struct planner *p, const struct mmr_action_rec *a)
{
    if (is_spent(a))
        return false;
    if (a->is_planned_only || a->state == MMR_STATE_PLANNED)
        return true;
    const struct mmr_responder *r = responder_of(p, a);
    return r && r->is_healthy; /* its responder died: what it held cannot be relied on */
}

static bool same_target(enum mmr_verb verb, const struct mmr_target *a, const struct mmr_target *b)
{
    return mmr_target_equal(verb, a, b) && a->port == b->port &&
           mmr_same_host(a->host[0] ? a->host : "-", NULL, b->host[0] ? b->host : "-", NULL);
}

/* What was ordered before, and what this call ordered already. */
struct tried {
    const struct mmr_action_rec *v[MMR_INCIDENT_ACTIONS_MAX + MMR_PLAN_ORDERS_MAX];
    uint32_t n;
};

/* Tried already with this responder? An expired lease may be asked again when the threat went on
 * after it. */
static bool is_tried(const struct planner *p, const struct candidate *c, const struct tried *list)
{
    for (uint32_t k = 0; k < list->n; k++) {
        const struct mmr_action_rec *a = list->v[k];
        if (a->verb != c->verb || a->side != c->r->side || strcmp(a->node, c->r->node) != 0 ||
            strcmp(a->instance, c->r->instance) != 0 ||
            !same_target(a->verb, &a->target, &c->target))
            continue;
        if (a->state == MMR_STATE_EXPIRED && p->i->last_ns > a->receipt.expires_ns)
            continue;
        if (a->state == MMR_STATE_FAILED && a->receipt.result == MMR_RESULT_TIMEOUT &&
            c->r->since_ns > a->ordered_ns)
            continue; /* it was away then */
        return true;
    }
    return false;
}

static bool is_need_served(const struct planner *p, const struct mmr_threat_need *need,
                           const struct tried *list, uint32_t *ret_attempts)
{
    for (uint32_t k = 0; k < list->n; k++)
        for (uint32_t o = 0; o < need->n_option; o++) {
            if (!mmr_action_aims_at(list->v[k], &need->option[o]))
                continue;
            if (is_serving(p, list->v[k]))
                return true;
            (*ret_attempts)++;
            break;
        }
    return false;
}

/* ---- ordering ---- */

static void set_state(const struct planner *p, struct mmr_action_rec *a)
{
    const struct mmr_policy *pol = &p->env->policy;
    if (pol->is_replay) {
        a->state = MMR_STATE_PLANNED;
        a->is_planned_only = true;
    } else if (pol->mode == MMR_AUTO_DRY_RUN) {
        a->state = MMR_STATE_ORDERED;
        a->is_planned_only = true;
    } else if (pol->mode == MMR_AUTO_AGREED && (pol->agreed_verbs & mmr_verb_bit(a->verb))) {
        a->state = MMR_STATE_ORDERED;
    } else {
        a->state = MMR_STATE_PLANNED;
        p->out->is_waiting_for_person = true;
    }
}

static bool has_lease(enum mmr_verb v)
{
    return v == MMR_VERB_BLOCK_ADDR || v == MMR_VERB_BLOCK_NAME || v == MMR_VERB_ISOLATE_HOST ||
           v == MMR_VERB_DENY_EXEC || v == MMR_VERB_FREEZE_PROCESS;
}

static bool emit(const struct planner *p, const struct mmr_threat_need *need,
                 const struct mmr_want *w, const struct candidate *c, uint32_t attempt)
{
    struct mmr_plan *out = p->out;
    const struct mmr_finding *f = p->i->evidence[need->evidence].finding;
    const char *what = f->title && f->title[0] ? f->title : f->rule ? f->rule : "finding";
    char why[200];
    struct mmr_action_rec *a = &out->order[out->n];
    memset(a, 0, sizeof *a);
    a->verb = c->verb;
    a->side = c->r->side;
    a->target = c->target;
    a->incident = p->i->id;
    a->ordered_ns = p->now_ns;
    a->ttl_ms =
        has_lease(c->verb) ? (p->env->policy.ttl_ms ? p->env->policy.ttl_ms : 3600 * 1000) : 0;
    a->attempt = attempt;
    mmr_text_copy(a->node, sizeof a->node, c->r->node);
    mmr_text_copy(a->instance, sizeof a->instance, c->r->instance);
    (void)snprintf(a->reason, sizeof a->reason, "%s: %.90s", c->verb == MMR_VERB_CUT_FLOW ? "cut" : mmr_effect_name(w->effect), what);
    a->id = mmr_plan_order_id(a);
    out->n++;
    if (p->env->rails &&
        mmr_rails_check(p->env->rails, a->verb, &a->target, true, p->now_ns, why) < 0) {
        a->state = MMR_STATE_FAILED;
        mmr_rails_refuse(why, p->now_ns, &a->receipt);
        return false;
    }
    set_state(p, a);
    return true;
}

static void collect(const struct planner *p, struct tried *ret)
{
    ret->n = 0;
    for (uint32_t k = 0; k < p->i->n_actions && k < MMR_INCIDENT_ACTIONS_MAX; k++)
        ret->v[ret->n++] = &p->i->actions[k];
    for (uint32_t k = 0; k < p->out->n; k++)
        ret->v[ret->n++] = &p->out->order[k];
}

/* An extra is done without asking or not at all, and never takes the room of what is needed. */
static bool may_do_extra(const struct planner *p)
{
    const struct mmr_policy *pol = &p->env->policy;
    const bool is_done = pol->is_replay || pol->mode == MMR_AUTO_DRY_RUN ||
                         (pol->mode == MMR_AUTO_AGREED && (pol->agreed_verbs & mmr_verb_bit(MMR_VERB_BLOCK_ADDR)));
    return is_done && (!p->env->rails || mmr_rails_has_room(p->env->rails, p->now_ns));
}

static void serve(struct planner *p, const struct mmr_threat_need *need)
{
    uint32_t attempts = 0;
    struct tried list;
    struct candidates c;
    collect(p, &list);
    if (is_need_served(p, need, &list, &attempts))
        return;
    for (uint32_t o = 0; o < need->n_option; o++) {
        candidates_of(p, &need->option[o], &c);
        for (uint32_t k = 0; k < c.n; k++) {
            if (is_tried(p, &c.v[k], &list))
                continue;
            if (p->out->n == MMR_PLAN_ORDERS_MAX ||
                p->i->n_actions + p->out->n >= MMR_INCIDENT_ACTIONS_MAX) {
                p->out->is_more = p->i->n_actions + p->out->n < MMR_INCIDENT_ACTIONS_MAX;
                p->out->is_exhausted |= !p->out->is_more;
                return;
            }
            if (emit(p, need, &need->option[o], &c.v[k], attempts++))
                return;
        }
    }
    p->out->is_exhausted = true;
}

/* No one can stop it on the machine itself and nothing else is ordered: the network cuts the
 * machine off. It is never a cover for stop or neutralise, only the least bad until a person comes.
 */
static void last_resort(struct planner *p, const struct mmr_needs *needs)
{
    for (uint32_t k = 0; k < p->i->n_actions; k++)
        if (p->i->actions[k].verb != MMR_VERB_CUT_FLOW && is_serving(p, &p->i->actions[k])) /* a cut is no hold */
            return;
    for (uint32_t k = 0; k < p->out->n; k++)
        if (!is_spent(&p->out->order[k]))
            return;
    for (uint32_t k = 0; k < needs->n; k++) {
        const struct mmr_threat_need *x = &needs->need[k];
        const enum mmr_effect e = x->option[0].effect;
        if (x->phase < MMR_PHASE_FOOTHOLD_PROCESS ||
            (e != MMR_EFFECT_STOP && e != MMR_EFFECT_NEUTRALISE))
            continue;
        struct mmr_threat_need iso = *x;
        iso.n_option = 1;
        iso.option[0].effect = MMR_EFFECT_ISOLATE;
        bool was_exhausted = p->out->is_exhausted;
        serve(p, &iso);
        p->out->is_exhausted |= was_exhausted;
    }
}

/* ---- cutting what is going on ---- */

static bool is_between(const struct mmr_want *w, const struct mmr_finding *f)
{
    if (w->effect != MMR_EFFECT_DENY_SERVICE && w->effect != MMR_EFFECT_DENY_DST)
        return false;
    const struct mmr_addr *far = w->effect == MMR_EFFECT_DENY_SERVICE ? &w->src : &w->dst;
    return mmr_addr_is_set(far) && (mmr_addr_equal(far, &f->src) || mmr_addr_equal(far, &f->dst));
}

/* The need whose far end the finding's connection has, and which no block of the network side serves: what such a block
 * denies has no connection left to cut. */
static const struct mmr_threat_need *need_to_cut(const struct planner *p, const struct mmr_needs *needs, const struct mmr_finding *f,
                                                 const struct tried *list)
{
    for (uint32_t k = 0; k < needs->n; k++) {
        const struct mmr_threat_need *x = &needs->need[k];
        if (!is_between(&x->option[0], f))
            continue;
        bool is_served = false;
        for (uint32_t a = 0; a < list->n && !is_served; a++)
            is_served = list->v[a]->side == MMR_SIDE_NETWORK && mmr_action_aims_at(list->v[a], &x->option[0]) && is_serving(p, list->v[a]);
        if (!is_served)
            return x;
    }
    return NULL;
}

static uint32_t cuts_in(const struct tried *list)
{
    uint32_t n = 0;
    for (uint32_t k = 0; k < list->n; k++)
        n += list->v[k]->verb == MMR_VERB_CUT_FLOW;
    return n;
}

/* A network side that cannot block may still cut: the connections the newest findings saw, beside whatever else is ordered. It covers no need
 * (effect_of), so nothing waits for it and nothing is called defended by it. */
static void cut_flows(struct planner *p, const struct mmr_needs *needs)
{
    for (uint32_t r = 0; r < p->env->n_responder; r++) {
        const struct mmr_responder *by = &p->env->responder[r];
        if (by->side != MMR_SIDE_NETWORK || !by->is_healthy || !has_verb(by, MMR_VERB_CUT_FLOW))
            continue;
        for (uint32_t k = p->i->n_evidence; k-- > 0;) {
            const struct mmr_finding *f = p->i->evidence[k].finding;
            struct tried list;
            if (f->potential != MMR_POTENTIAL_HIGH || !f->proto || strcmp(f->proto, "tcp") != 0 || !f->src_port || !f->dst_port ||
                !mmr_addr_is_set(&f->src) || !mmr_addr_is_set(&f->dst) || p->now_ns - mmr_finding_time(f) > CUT_FRESH_NS)
                continue;
            collect(p, &list);
            if (cuts_in(&list) >= CUTS_MAX || p->out->n == MMR_PLAN_ORDERS_MAX || p->i->n_actions + p->out->n >= MMR_INCIDENT_ACTIONS_MAX)
                return;
            struct candidate c = {.r = by, .verb = MMR_VERB_CUT_FLOW,
                                  .target = {.src = f->src, .dst = f->dst, .src_port = f->src_port, .dst_port = f->dst_port}};
            mmr_text_copy(c.target.proto, sizeof c.target.proto, "tcp");
            const struct mmr_threat_need *need = need_to_cut(p, needs, f, &list);
            if (need && !is_tried(p, &c, &list))
                (void)emit(p, need, &need->option[0], &c, 0);
        }
    }
}

void mmr_plan_incident(const struct mmr_plan_env *env, const struct mmr_incident *i, int64_t now_ns,
                       struct mmr_plan *ret)
{
    struct mmr_needs needs;
    struct planner p = {.env = env, .i = i, .now_ns = now_ns, .out = ret};
    ret->n = 0;
    ret->is_waiting_for_person = ret->is_exhausted = ret->is_more = false;
    if (env->policy.mode == MMR_AUTO_OFF || i->is_benign || i->is_closed)
        return;
    mmr_needs_of(i, &env->site, true, &needs);
    for (uint32_t k = 0; k < needs.n; k++) {
        const bool was_exhausted = ret->is_exhausted;
        if (needs.need[k].is_extra && !may_do_extra(&p))
            continue;
        serve(&p, &needs.need[k]);
        if (needs.need[k].is_extra)
            ret->is_exhausted = was_exhausted;
    }
    if (!ret->is_more)
        last_resort(&p, &needs);
    cut_flows(&p, &needs);
}

uint32_t mmr_plan_apply(struct mmr_incident *i, const struct mmr_plan *p)
{
    uint32_t added = 0;
    while (added < p->n && mmr_incident_add_action(i, &p->order[added], NULL) == 0)
        added++; /* full or no memory: the rest is asked for again at the next look */
    return added;
}

bool mmr_plan_timeouts(struct mmr_incident *i, const struct mmr_policy *policy, int64_t now_ns)
{
    const int64_t wait_ns = (policy->answer_ms ? policy->answer_ms : 30 * 1000) * MMR_NS_PER_MS;
    bool is_changed = false;
    for (uint32_t k = 0; k < i->n_actions; k++) {
        struct mmr_action_rec *a = &i->actions[k];
        if (a->state != MMR_STATE_ORDERED || a->receipt.result != MMR_RESULT_NONE ||
            now_ns - a->ordered_ns < wait_ns)
            continue;
        a->state = MMR_STATE_FAILED;
        a->receipt.result = MMR_RESULT_TIMEOUT;
        (void)snprintf(
            a->receipt.detail, sizeof a->receipt.detail, "no answer from %.40s within %lld s",
            a->instance[0] ? a->instance : "the responder", (long long)(wait_ns / MMR_NS_PER_S));
        is_changed = true;
    }
    return is_changed;
}
