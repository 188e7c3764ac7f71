/* pipeline.c - the steps in order; what each decides lives in the rooms below. */
#include "brain/pipeline_internal.h"

#include "brain/linked.h"
#include "util/clock.h"
#include "util/log.h"

#include <mamori/plugin.h>

#include <stdlib.h>
#include <string.h>

enum { PROOFS_MAX = 8, INFRA_MAX = 64, AGENTS_MAX = 8192 };
#define QUIET_NS (24 * 3600 * MMR_NS_PER_S)

/* ---- what the rooms below ask ---- */

static struct mmr_key agent_key(const char *host)
{
    char name[MMR_HOST_NAME_MAX];
    mmr_host_normalise(host, name);
    return mmr_key_text(K_AGENT, "", name);
}

static bool has_endpoint(void *ctx, const char *host, const struct mmr_addr *addr)
{
    const struct mmr_pipeline *p = ctx;
    const char *name = addr && mmr_addr_is_set(addr) ? mmr_resolve_host(p->resolve, addr) : NULL;
    return (host && host[0] && mmr_table_find(p->agents, agent_key(host))) ||
           (name && mmr_table_find(p->agents, agent_key(name)));
}

static enum mmr_yes is_important(void *ctx, const struct mmr_host_ref *h)
{
    const struct mmr_pipeline *p = ctx;
    if (!h->name[0])
        return MMR_UNKNOWN;
    return mmr_resolve_is_important(p->resolve, h->name) ? MMR_YES : MMR_UNKNOWN;
}

static bool window(void *ctx, const char *host, const struct mmr_addr *addr, int64_t from_ns, int64_t to_ns,
                   struct mmr_window *ret)
{
    const struct mmr_pipeline *p = ctx;
    return p->ops.window && p->ops.window(p->ops.ctx, host, addr, from_ns, to_ns, ret);
}

static struct mmr_responder_state responder_state(void *ctx, const struct mmr_action_rec *a)
{
    const struct mmr_pipeline *p = ctx;
    return p->ops.responder_state(p->ops.ctx, a);
}

/* ---- telling ---- */

/* Everything a reader would call news; counts of repeats are not. */
uint64_t mmr_pipeline_digest(const struct mmr_incident *i)
{
    /* what an incident has no room for any more is news when it has doubled: a scan of everything floods nobody */
    uint64_t h = i->n_evidence + 31u * (i->evicted ? 32u - (unsigned)__builtin_clz(i->evicted) : 0) + 977u * i->n_hosts + 7919u * i->n_attackers;
    h = h * 31 + (unsigned)i->class_current * 8u + (unsigned)i->band;
    h = h * 31 + i->is_contained + 2u * i->is_closed + 4u * i->is_withdrawn;
    for (uint32_t k = 0; k < i->n_actions; k++)
        h = (h ^ i->actions[k].id) * UINT64_C(0x100000001b3) + (unsigned)i->actions[k].state * 8u +
            (unsigned)i->actions[k].receipt.result;
    return h;
}

struct told *mmr_pipeline_told(struct mmr_pipeline *p, uint64_t id)
{
    bool is_new;
    struct told *t = mmr_table_put(p->told, mmr_key_of(K_TOLD, &id, 8), &is_new);
    if (t && is_new)
        t->since_ns = p->now_ns;
    return t;
}

void mmr_pipeline_tell(struct mmr_pipeline *p, struct mmr_incident *i, unsigned change, int64_t now_ns)
{
    struct told *t = mmr_pipeline_told(p, i->id);
    uint64_t digest = mmr_pipeline_digest(i);
    if (t && t->digest == digest && i->revision > 0 && change == 0)
        return;
    if (t)
        t->digest = digest;
    enum mmr_activity activity = i->is_closed ? MMR_ACTIVITY_CLOSE
                                 : i->revision ? MMR_ACTIVITY_UPDATE
                                               : MMR_ACTIVITY_CREATE;
    i->revision++;
    i->updated_ns = now_ns;
    p->stats.told++;
    if (p->ops.incident)
        p->ops.incident(p->ops.ctx, i, activity, change);
}

static void on_merged(void *ctx, struct mmr_incident *into, struct mmr_incident *from)
{
    struct mmr_pipeline *p = ctx;
    if (from->revision > 0 && p->ops.merged)
        p->ops.merged(p->ops.ctx, into->id, from->id);
    mmr_table_drop(p->told, mmr_key_of(K_TOLD, &from->id, 8));
}

void mmr_pipeline_release(struct mmr_pipeline *p, struct mmr_incident *i)
{
    for (uint32_t k = 0; k < i->n_actions; k++) {
        uint64_t undo = 0;
        struct mmr_action_rec held;
        const struct mmr_action_rec *a = mmr_leases_get(p->leases, i->actions[k].id);
        if (!a)
            continue;
        held = *a;
        if (mmr_leases_release(p->leases, held.id, i->id, &undo, NULL) == 0 && undo && p->ops.order)
            p->ops.order(p->ops.ctx, &held, MMR_ACT_UNDO);
    }
}

static void on_evicted(void *ctx, struct mmr_incident *i)
{
    struct mmr_pipeline *p = ctx;
    i->is_closed = true;
    mmr_incident_why(i, "closed for room: more incidents are open than the ceiling allows");
    mmr_pipeline_tell(p, i, MMR_CHANGE_WHY, p->now_ns);
    mmr_pipeline_release(p, i);
    mmr_table_drop(p->told, mmr_key_of(K_TOLD, &i->id, 8));
}

/* ---- making ---- */

static int protect(struct mmr_pipeline *p, const struct mmr_pipeline_config *c, struct mmr_error *err)
{
    int e = 0;
    for (size_t k = 0; e == 0 && k < c->n_never_block; k++) {
        struct mmr_cidr net;
        if (mmr_cidr_parse(c->never_block[k], &net, NULL) == 0)
            e = mmr_rails_protect(p->rails, &net, MMR_GUARD_CONFIGURED, err);
        else
            e = mmr_rails_protect_name(p->rails, c->never_block[k], MMR_GUARD_CONFIGURED, err);
    }
    return e;
}

static void say_rule(void *ctx, const char *line)
{
    (void)ctx;
    mmr_log(MMR_LOG_WARN, "correlate.rule", "%s", line);
}

static int make_rooms(struct mmr_pipeline *p, const struct mmr_pipeline_config *c, struct mmr_error *err)
{
    int e = mmr_resolve_new(&c->resolve, &p->resolve, err);
    struct mmr_track_config track = c->track;
    track.is_quiet = c->policy.is_replay; /* told at the end, all of them */
    p->track_ops = (struct mmr_track_ops){on_merged, on_evicted, p};
    if (e == 0)
        e = mmr_tracker_new(&track, p->resolve, &p->track_ops, &p->tracker, err);
    if (e == 0)
        e = mmr_rails_new(c->rails, &p->rails, err);
    if (e == 0)
        e = mmr_leases_new(NULL, &p->leases, err);
    if (e == 0)
        e = mmr_recur_new(0, &p->recur, err);
    if (e == 0)
        e = mmr_table_new(1, AGENTS_MAX, NULL, NULL, &p->agents, err);
    if (e == 0)
        e = mmr_table_new(sizeof(struct told), (c->track.max_incidents ? c->track.max_incidents : 65536), NULL, NULL,
                          &p->told, err);
    if (e == 0 && c->n_stories)
        e = mmr_stories_new(c->stories, c->n_stories, say_rule, NULL, &p->stories, err);
    if (e == 0 && c->resolve.n_home) {
        p->home = calloc(c->resolve.n_home, sizeof *p->home);
        if (!p->home)
            return mmr_fail(err, MMR_ENOMEM, "pipeline: out of memory for the home networks");
        memcpy(p->home, c->resolve.home, c->resolve.n_home * sizeof *p->home);
    }
    if (e == 0)
        e = mmr_rails_inside(p->rails, p->home, (uint32_t)c->resolve.n_home, (uint32_t)c->resolve.n_assets, err);
    return e == 0 ? protect(p, c, err) : e;
}

int mmr_pipeline_new(const struct mmr_pipeline_config *c, const struct mmr_pipeline_ops *ops, struct mmr_pipeline **ret,
                     struct mmr_error *err)
{
    struct mmr_pipeline *p = calloc(1, sizeof *p);
    if (!p)
        return mmr_fail(err, MMR_ENOMEM, "pipeline: out of memory");
    p->ops = *ops;
    p->quiet_ns = c->quiet_ns ? c->quiet_ns : QUIET_NS;
    int e = make_rooms(p, c, err);
    p->env = (struct mmr_plan_env){.site = {p->home, (uint32_t)c->resolve.n_home}, .policy = c->policy, .rails = p->rails,
                                   .has_endpoint = has_endpoint, .ctx = p};
    if (e == 0)
        e = mmr_pipeline_responders(p, c->responder, c->n_responder, err);
    if (e < 0) {
        mmr_pipeline_free(p);
        return e;
    }
    *ret = p;
    return 0;
}

void mmr_pipeline_free(struct mmr_pipeline *p)
{
    if (!p)
        return;
    mmr_tracker_free(p->tracker);
    mmr_resolve_free(p->resolve);
    mmr_rails_free(p->rails);
    mmr_leases_free(p->leases);
    mmr_recur_free(p->recur);
    mmr_stories_free(p->stories);
    mmr_table_free(p->agents);
    mmr_table_free(p->told);
    mmr_due_done(&p->due);
    free(p->responders);
    free(p->home);
    free(p);
}

int mmr_pipeline_responders(struct mmr_pipeline *p, const struct mmr_responder *list, uint32_t n, struct mmr_error *err)
{
    struct mmr_responder *copy = n ? calloc(n, sizeof *copy) : NULL;
    if (n && !copy)
        return mmr_fail(err, MMR_ENOMEM, "pipeline: out of memory for %u responders", n);
    if (n)
        memcpy(copy, list, n * sizeof *copy);
    free(p->responders);
    p->responders = copy;
    p->env.responder = copy;
    p->env.n_responder = n;
    return 0;
}

static bool reconsider_one(void *ctx, struct mmr_incident *i)
{
    struct mmr_pipeline *p = ctx;
    struct told *t = i->n_actions || i->class_current != MMR_CLASS_OF_NO_RESPONSE ? mmr_pipeline_told(p, i->id) : NULL;
    if (t) {
        t->due_ns = p->now_ns;
        (void)mmr_due_put(&p->due, p->now_ns, i->id, NULL);
    }
    return true;
}

void mmr_pipeline_reconsider(struct mmr_pipeline *p, int64_t now_ns)
{
    p->now_ns = now_ns;
    mmr_tracker_each(p->tracker, reconsider_one, p);
}

struct shift {
    struct mmr_pipeline *p;
    int64_t by_ns;
};

static bool shift_one(void *ctx, struct mmr_incident *i)
{
    const struct shift *x = ctx;
    struct told *t = mmr_pipeline_told(x->p, i->id);
    if (i->updated_ns)
        i->updated_ns += x->by_ns;
    for (uint32_t k = 0; k < i->n_actions; k++) {
        struct mmr_action_rec *a = &i->actions[k];
        const bool is_live = a->state >= MMR_STATE_ORDERED && a->state <= MMR_STATE_EFFECTIVE;
        if (is_live)
            a->ordered_ns += x->by_ns;
        if (is_live && a->receipt.expires_ns) {
            a->receipt.expires_ns += x->by_ns;
            if (x->p->ops.lease)
                x->p->ops.lease(x->p->ops.ctx, a);
        }
    }
    if (t) {
        t->since_ns += x->by_ns;
        t->due_ns = x->p->now_ns;
        (void)mmr_due_put(&x->p->due, x->p->now_ns, i->id, NULL);
    }
    return true;
}

void mmr_pipeline_clock_set(struct mmr_pipeline *p, int64_t by_ns, int64_t now_ns)
{
    struct shift x = {p, by_ns};
    p->now_ns = now_ns;
    mmr_leases_shift(p->leases, by_ns);
    mmr_tracker_each(p->tracker, shift_one, &x);
}

/* ---- events in ---- */

int mmr_pipeline_finding(struct mmr_pipeline *p, struct mmr_finding *f, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_learnt learnt = {0};
    bool is_new;
    p->now_ns = now_ns;
    p->stats.events++;
    if (f->side == MMR_SIDE_ENDPOINT && f->host)
        (void)mmr_table_put(p->agents, agent_key(f->host), &is_new);
    int e = mmr_resolve_learn(p->resolve, f, &learnt, err);
    if (e == 0 && learnt.what)
        e = mmr_tracker_learnt(p->tracker, &learnt, err);
    if (e < 0 || strcmp(f->kind, "finding") != 0) {
        free(f);
        return e;
    }
    enum mmr_track_outcome outcome;
    struct mmr_incident *i;
    p->stats.findings++;
    if (p->ops.suppress && p->ops.suppress(p->ops.ctx, f)) {
        p->stats.suppressed++;
        free(f);
        return 0;
    }
    if (p->ops.finding)
        p->ops.finding(p->ops.ctx, f);
    e = mmr_tracker_add(p->tracker, f, &outcome, &i, err);
    if (e == 0) {
        p->stats.duplicates += outcome == MMR_TRACK_DUPLICATE;
        p->stats.folded += outcome == MMR_TRACK_FOLDED;
        p->stats.held += outcome == MMR_TRACK_HELD;
    }
    return e;
}

struct tie {
    struct mmr_linked *l;
    struct mmr_incident *i;
};

static bool tie(void *ctx, struct mmr_incident *i)
{
    struct tie *t = ctx;
    if (!i->is_closed && mmr_linked_ties(i, t->l))
        t->i = i;
    return !t->i;
}

/* A defence that is not ours says what it did: a receipt without an order, for the incident whose threat object it names. */
static int linked(struct mmr_pipeline *p, const struct mmr_event_view *stamped, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_linked l;
    struct tie t = {.l = &l};
    int e = mmr_linked_read(stamped, &l, err);
    if (e < 0)
        return e;
    if (!p->ops.is_linked || !p->ops.is_linked(p->ops.ctx, l.action.node, l.action.instance))
        return mmr_fail(err, MMR_EPERM, "defence.report of '%s' on '%s', which is no plugin that reads a linked defence", l.action.instance, l.action.node);
    (void)mmr_pipeline_work(p, now_ns, UINT32_MAX); /* what was found in the same batch is an incident by now */
    mmr_tracker_each(p->tracker, tie, &t);
    if (!t.i)
        return mmr_fail(err, MMR_ENOENT, "defence.report about '%.100s' on '%s': no open incident is about that file; it proves nothing", l.action.target.text,
                        l.action.target.host);
    struct mmr_action_rec *a = mmr_incident_action(t.i, l.action.id);
    if (!a) {
        e = mmr_incident_add_action(t.i, &l.action, err);
        a = e == 0 ? mmr_incident_action(t.i, l.action.id) : NULL;
    }
    if (a && mmr_action_take_receipt(a, &l.receipt, now_ns))
        mmr_pipeline_step(p, t.i, now_ns);
    return e;
}

int mmr_pipeline_event(struct mmr_pipeline *p, const struct mmr_event_view *stamped, int64_t now_ns, struct mmr_error *err)
{
    struct mmr_finding *f;
    if (mmr_linked_is(stamped)) {
        p->now_ns = now_ns;
        p->stats.events++;
        return p->env.policy.is_replay ? 0 : linked(p, stamped, now_ns, err); /* a recording shows no defence of ours to judge */
    }
    int e = mmr_finding_from_event(stamped, &f, err);
    if (e < 0) {
        p->stats.bad++;
        return e;
    }
    if (!p->stories || strcmp(f->kind, "finding") != 0)
        return mmr_pipeline_finding(p, f, now_ns, err);
    struct mmr_finding *made[MMR_STORIES_MADE_MAX];
    size_t n = mmr_stories_take(p->stories, stamped, &f, made);
    if (f->stories && p->ops.part)
        p->ops.part(p->ops.ctx);
    e = mmr_pipeline_finding(p, f, now_ns, err);
    for (size_t k = 0; k < n; k++) {
        int one = mmr_pipeline_finding(p, made[k], now_ns, err);
        e = e < 0 ? e : one;
    }
    return e;
}

void mmr_pipeline_part(struct mmr_pipeline *p, const struct mmr_event_view *stamped)
{
    if (p->stories)
        mmr_stories_learn(p->stories, stamped);
}

/* ---- the steps of one incident ---- */

static enum mmr_guard guard_of(unsigned infra)
{
    return infra & MMR_INFRA_ROUTER ? MMR_GUARD_GATEWAY
           : infra & MMR_INFRA_DC   ? MMR_GUARD_DOMAIN_CONTROLLER
           : infra & MMR_INFRA_DNS  ? MMR_GUARD_DNS
                                    : MMR_GUARD_TIME;
}

/* What serves everybody is never denied; learnt from assets and from the data. */
void mmr_pipeline_protect_infra(struct mmr_pipeline *p)
{
    struct mmr_addr list[INFRA_MAX];
    size_t n = mmr_resolve_infra_list(p->resolve, list, INFRA_MAX);
    for (; p->n_infra < n; p->n_infra++) {
        struct mmr_cidr one = {list[p->n_infra], 128};
        struct mmr_error err = {.struct_size = sizeof err};
        const char *name = mmr_resolve_host(p->resolve, &one.addr);
        enum mmr_guard why = guard_of(mmr_resolve_infra(p->resolve, &one.addr, true));
        if (mmr_rails_protect(p->rails, &one, why, &err) < 0 ||
            (name && mmr_rails_protect_name(p->rails, name, why, &err) < 0))
            mmr_log(MMR_LOG_ERR, "brain.rails", "%s", err.text);
    }
}

static void send_order(struct mmr_pipeline *p, struct mmr_incident *i, struct mmr_action_rec *a, int64_t now_ns)
{
    bool is_first = true;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_leases_hold(p->leases, a, i->id, now_ns, &is_first, &err) < 0)
        mmr_log(MMR_LOG_ERR, "brain.lease", "%s", err.text); /* still ordered: it ends by its own ttl */
    p->stats.ordered++;
    if (is_first && p->ops.order)
        p->ops.order(p->ops.ctx, a, p->env.policy.mode == MMR_AUTO_DRY_RUN ? MMR_ACT_DRY_RUN : 0);
}

static void plan(struct mmr_pipeline *p, struct mmr_incident *i, int64_t now_ns)
{
    for (unsigned round = 0; round < 4; round++) { /* a plan holds so many orders; the ceiling ends it anyway */
        mmr_plan_incident(&p->env, i, now_ns, &p->plan);
        uint32_t before = i->n_actions, added = mmr_plan_apply(i, &p->plan);
        for (uint32_t k = before; k < before + added; k++)
            if (i->actions[k].state == MMR_STATE_ORDERED && !i->actions[k].is_planned_only)
                send_order(p, i, &i->actions[k], now_ns);
        if (!p->plan.is_more || added == 0)
            break;
    }
}

static unsigned classify(struct mmr_pipeline *p, struct mmr_incident *i, const struct mmr_benign_proof *proofs, size_t n_proofs,
                         int64_t now_ns)
{
    struct mmr_facts_ctx ctx = {
        .site = &p->env.site, .responder_state = p->ops.responder_state ? responder_state : NULL,
        .window = p->ops.window ? window : NULL, .important = is_important, .proof = proofs,
        .is_replay = p->env.policy.is_replay, .ctx = p,
    };
    ctx.n_proof = (uint32_t)n_proofs;
    const struct told *t = p->env.policy.is_replay ? NULL : mmr_pipeline_told(p, i->id);
    ctx.known_ns = t ? t->since_ns : 0;
    mmr_recur_look(p->recur, i, now_ns, &ctx);
    unsigned change = mmr_classify_incident(i, &ctx, now_ns);
    if ((change & (MMR_CHANGE_CLASS | MMR_CHANGE_CONTAINED)) &&
        (i->class_current == MMR_CLASS_OF_DEFENDED || i->is_contained))
        mmr_recur_contained(p->recur, i, now_ns);
    return change;
}

void mmr_pipeline_schedule(struct mmr_pipeline *p, struct mmr_incident *i, int64_t now_ns)
{
    int64_t next = mmr_classify_next_ns(i, now_ns), quiet = (i->updated_ns ? i->updated_ns : now_ns) + p->quiet_ns;
    for (uint32_t k = 0; k < i->n_actions; k++) {
        const struct mmr_action_rec *a = &i->actions[k];
        int64_t timeout = a->ordered_ns + p->env.policy.answer_ms * MMR_NS_PER_MS;
        if (a->state == MMR_STATE_ORDERED && a->receipt.result == MMR_RESULT_NONE && timeout < next)
            next = timeout;
    }
    if (may_close(i) && quiet < next)
        next = quiet;
    struct told *t = mmr_pipeline_told(p, i->id);
    if (t && i->row == 9 && t->since_ns + MMR_POLICY_V_NS < next)
        next = t->since_ns + MMR_POLICY_V_NS;
    if (next == INT64_MAX || !t || (t->due_ns > now_ns && t->due_ns <= next))
        return;
    t->due_ns = next > now_ns ? next : now_ns + MMR_NS_PER_S;
    (void)mmr_due_put(&p->due, t->due_ns, i->id, NULL);
}

/* What nobody answered is not held: the same may be ordered again when its responder is back. */
static void drop_unanswered(struct mmr_pipeline *p, const struct mmr_incident *i, int64_t now_ns)
{
    for (uint32_t k = 0; k < i->n_actions; k++)
        if (i->actions[k].state == MMR_STATE_FAILED && i->actions[k].receipt.result == MMR_RESULT_TIMEOUT)
            (void)mmr_leases_receipt(p->leases, i->actions[k].id, &i->actions[k].receipt, now_ns);
}

void mmr_pipeline_step(struct mmr_pipeline *p, struct mmr_incident *i, int64_t now_ns)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_tracker_view(p->tracker, i, &err) < 0)
        mmr_log(MMR_LOG_ERR, "brain.view", "%s", err.text);
    if (mmr_plan_timeouts(i, &p->env.policy, now_ns))
        drop_unanswered(p, i, now_ns);
    struct mmr_benign_proof proofs[PROOFS_MAX];
    size_t n = p->ops.proofs ? p->ops.proofs(p->ops.ctx, i, proofs, PROOFS_MAX) : 0;
    bool is_known_good = i->is_withdrawn;
    for (size_t k = 0; k < n; k++)
        is_known_good |= proofs[k].kind == MMR_BENIGN_ALLOW_RULE;
    if (is_known_good)
        mmr_pipeline_release(p, i);
    else
        plan(p, i, now_ns);
    unsigned change = classify(p, i, proofs, n, now_ns);
    mmr_pipeline_tell(p, i, change, now_ns);
    if (!p->env.policy.is_replay)
        mmr_pipeline_schedule(p, i, now_ns);
}

bool mmr_pipeline_work(struct mmr_pipeline *p, int64_t now_ns, uint32_t most)
{
    struct mmr_incident *i;
    p->now_ns = now_ns;
    if (p->env.policy.is_replay)
        return false;
    mmr_pipeline_protect_infra(p);
    for (uint32_t n = 0; n < most; n++) {
        i = mmr_tracker_take_changed(p->tracker);
        if (!i)
            return false;
        mmr_pipeline_step(p, i, now_ns);
    }
    return true;
}

const struct mmr_incident *mmr_pipeline_incident(struct mmr_pipeline *p, uint64_t id)
{
    return mmr_tracker_get(p->tracker, id);
}

const struct mmr_resolve *mmr_pipeline_resolve(const struct mmr_pipeline *p)
{
    return p->resolve;
}

struct mmr_rails *mmr_pipeline_rails(struct mmr_pipeline *p)
{
    return p->rails;
}

void mmr_pipeline_stats(const struct mmr_pipeline *p, struct mmr_pipeline_stats *ret)
{
    *ret = p->stats;
    mmr_tracker_stats(p->tracker, &ret->track);
    ret->resolver_evicted = mmr_resolve_evicted(p->resolve);
    ret->leases = mmr_leases_count(p->leases);
}
