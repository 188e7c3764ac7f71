/* pipeline_answer.c - receipts of orders, what people decide, and what is due by the clock. */
#include "brain/pipeline_internal.h"

#include <mamori/plugin.h>

#include <string.h>

enum { STEPS_MAX = 64 };

struct answer {
    struct mmr_pipeline *p;
    const struct mmr_receipt *r;
    struct mmr_action_rec like;
    int64_t now_ns;
    unsigned taken;
};

struct reasons {
    uint64_t id[64]; /* more incidents than this on one block learn of it at their next look */
    size_t n;
};

static void note_reason(void *ctx, uint64_t reason)
{
    struct reasons *r = ctx;
    if (r->n < sizeof r->id / sizeof r->id[0])
        r->id[r->n++] = reason;
}

/* Every incident that holds this block learns what became of it. */
static void take(void *ctx, uint64_t reason)
{
    struct answer *a = ctx;
    struct mmr_incident *i = mmr_tracker_get(a->p->tracker, reason);
    bool is_news = false;
    for (uint32_t k = 0; i && k < i->n_actions; k++) {
        struct mmr_action_rec *x = &i->actions[k];
        bool is_it = x->id == a->like.id ||
                     (x->verb == a->like.verb && x->side == a->like.side && strcmp(x->instance, a->like.instance) == 0 &&
                      strcmp(x->node, a->like.node) == 0 && mmr_target_equal(x->verb, &x->target, &a->like.target));
        if (is_it) {
            const int64_t expires_ns = x->receipt.expires_ns;
            is_news |= mmr_action_take_receipt(x, a->r, a->now_ns);
            if (x->receipt.expires_ns != expires_ns && x->incident == i->id && a->p->ops.lease)
                a->p->ops.lease(a->p->ops.ctx, x);
            a->taken++;
        }
    }
    if (is_news)
        mmr_pipeline_step(a->p, i, a->now_ns);
}

static bool find_action(void *ctx, struct mmr_incident *i)
{
    struct answer *a = ctx;
    if (!mmr_incident_action(i, a->like.id))
        return true;
    a->like = *mmr_incident_action(i, a->like.id);
    a->like.incident = i->id;
    a->taken = 1;
    return false;
}

int mmr_pipeline_receipt(struct mmr_pipeline *p, uint64_t action_id, const struct mmr_receipt *r, int64_t now_ns,
                         struct mmr_error *err)
{
    struct answer a = {.p = p, .r = r, .like = {.id = action_id}, .now_ns = now_ns};
    p->now_ns = now_ns;
    const struct mmr_action_rec *held = mmr_leases_get(p->leases, action_id);
    if (held) {
        a.like = *held;
        struct reasons list = {.n = 0}; /* first the list: a refusal ends the lease, and what follows may order another */
        mmr_leases_each_reason(p->leases, action_id, note_reason, &list);
        (void)mmr_leases_receipt(p->leases, action_id, r, now_ns);
        for (size_t k = 0; k < list.n; k++)
            take(&a, list.id[k]);
    } else { /* ended already, or an incident restored without its lease */
        mmr_tracker_each(p->tracker, find_action, &a);
        if (a.taken)
            take(&a, a.like.incident);
    }
    if (!a.taken)
        return mmr_fail(err, MMR_ENOENT, "receipt for action %016llx, which no open incident ordered",
                        (unsigned long long)action_id);
    return 0;
}

int mmr_pipeline_known_good(struct mmr_pipeline *p, uint64_t incident, const char *who, const char *reason, int64_t now_ns,
                            struct mmr_error *err)
{
    struct mmr_incident *i = mmr_tracker_get(p->tracker, incident);
    int e = 0;
    if (!i)
        return mmr_fail(err, MMR_ENOENT, "incident %016llx is not open", (unsigned long long)incident);
    p->now_ns = now_ns;
    if (i->class_current == MMR_CLASS_OF_SEVERE && !i->is_withdrawn)
        if ((e = mmr_withdraw(i, who, reason, err)) == 0)
            mmr_pipeline_tell(p, i, MMR_CHANGE_CLASS | MMR_CHANGE_BAND, now_ns); /* a correction for whoever was told */
    if (e == 0)
        mmr_pipeline_step(p, i, now_ns);
    return e;
}

static void lease_steps(struct mmr_pipeline *p, int64_t now_ns)
{
    static const unsigned flags[] = {[MMR_LEASE_DO_RENEW] = MMR_ACT_RENEW, [MMR_LEASE_DO_VERIFY] = MMR_ACT_VERIFY,
                                     [MMR_LEASE_DO_ASSERT] = 0, [MMR_LEASE_DO_UNDO] = MMR_ACT_UNDO};
    struct mmr_lease_step todo[STEPS_MAX];
    size_t n = mmr_leases_due(p->leases, now_ns, todo, STEPS_MAX, NULL, NULL);
    for (size_t k = 0; k < n; k++) {
        const struct mmr_action_rec *a = mmr_leases_get(p->leases, todo[k].id);
        if (a && p->ops.order)
            p->ops.order(p->ops.ctx, a, flags[todo[k].what]);
    }
}

void mmr_pipeline_tick(struct mmr_pipeline *p, int64_t now_ns)
{
    uint64_t id;
    p->now_ns = now_ns;
    if (p->env.policy.is_replay)
        return;
    lease_steps(p, now_ns);
    while (mmr_due_take(&p->due, now_ns, &id)) {
        struct mmr_incident *i = mmr_tracker_get(p->tracker, id);
        if (!i || i->id != id)
            continue;
        struct told *t = mmr_pipeline_told(p, id);
        if (t)
            t->due_ns = 0;
        if (may_close(i) && i->revision && now_ns - i->updated_ns >= p->quiet_ns) {
            i->is_closed = true;
            mmr_pipeline_tell(p, i, MMR_CHANGE_WHY, now_ns);
            mmr_pipeline_release(p, i);
            mmr_table_drop(p->told, mmr_key_of(K_TOLD, &id, 8));
            mmr_tracker_close(p->tracker, i);
            continue;
        }
        mmr_pipeline_step(p, i, now_ns);
    }
    (void)mmr_pipeline_work(p, now_ns, UINT32_MAX);
}

int64_t mmr_pipeline_next_due(const struct mmr_pipeline *p)
{
    int64_t a = mmr_due_next(&p->due), b = mmr_leases_next_ns(p->leases);
    return a < b ? a : b;
}
