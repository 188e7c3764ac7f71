/* lease.c - the life of what was ordered: one table of held elements, one state machine. */
#include "defend/lease.h"

#include "util/clock.h"

#include <assert.h>
#include <stdlib.h>
#include <string.h>

enum { REASONS_MAX = 16 };
#define ASSERT_RETRY_NS (5 * MMR_NS_PER_S) /* between assertions that bring no answer */

int mmr_action_next_state(enum mmr_action_state from, enum mmr_lease_event ev)
{
    enum {
        P = MMR_STATE_PLANNED,
        O = MMR_STATE_ORDERED,
        A = MMR_STATE_APPLIED,
        R = MMR_STATE_PROVED,
        E = MMR_STATE_EFFECTIVE,
        F = MMR_STATE_FAILED,
        X = MMR_STATE_EXPIRED,
        U = MMR_STATE_UNDONE,
        N = -1
    };
    static const signed char next[][MMR_LEASE_EVENT_COUNT] = {
        /*             SENT APPLIED CONFIRMED OBSERVED REFUTED FAILED RAN_OUT UNDONE */
        [P] = {O, N, N, N, N, F, N, U},
        [O] = {N, A, R, N, O, F, X, U},
        [A] = {N, A, R, E, O, F, X, U},
        [R] = {N, R, R, E, O, F, X, U},
        [E] = {N, E, E, E, O, F, X, U},
        [F] = {O, N, N, N, N, N, N,
               U}, /* asserted again; or taken back though it had half failed */
        [X] = {N, N, N, N, N, N, N, N},
        [U] = {N, N, N, N, N, N, N, N},
    };
    if ((unsigned)from >= sizeof next / sizeof next[0] || (unsigned)ev >= MMR_LEASE_EVENT_COUNT)
        return -1;
    return next[from][ev];
}

enum mmr_lease_event mmr_receipt_event(const struct mmr_receipt *r)
{
    if (r->revoked_ns)
        return MMR_LEASE_UNDONE;
    if (r->result != MMR_RESULT_APPLIED && r->result != MMR_RESULT_ALREADY)
        return MMR_LEASE_FAILED;
    switch (r->verified) {
    case MMR_VERIFIED_CONFIRMED:
        return strcmp(r->method, "observe") == 0 || r->packets ? MMR_LEASE_OBSERVED
                                                               : MMR_LEASE_CONFIRMED;
    case MMR_VERIFIED_REFUTED:
        return MMR_LEASE_REFUTED;
    default:
        return MMR_LEASE_APPLIED;
    }
}

bool mmr_action_take_receipt(struct mmr_action_rec *a, const struct mmr_receipt *r, int64_t now_ns)
{
    if (r->result == MMR_RESULT_NONE)
        return false;
    enum mmr_lease_event ev = mmr_receipt_event(r);
    int to = mmr_action_next_state(a->state, ev);
    if (to < 0 && ev == MMR_LEASE_OBSERVED && a->state == MMR_STATE_ORDERED)
        to = MMR_STATE_EFFECTIVE; /* applied, proved and counting in one receipt */
    if (to < 0)
        return false;
    struct mmr_receipt n = *r;
    if (!n.applied_ns)
        n.applied_ns = a->receipt.applied_ns ? a->receipt.applied_ns : now_ns;
    if (!n.verified_ns && n.verified != MMR_VERIFIED_NONE)
        n.verified_ns = now_ns;
    if (!n.expires_ns && a->ttl_ms > 0 &&
        (n.result == MMR_RESULT_APPLIED || n.result == MMR_RESULT_ALREADY))
        n.expires_ns =
            a->receipt.expires_ns ? a->receipt.expires_ns : now_ns + a->ttl_ms * MMR_NS_PER_MS;
    if (n.verified == MMR_VERIFIED_INCONCLUSIVE && a->receipt.verified == MMR_VERIFIED_CONFIRMED &&
        (a->state == MMR_STATE_PROVED || a->state == MMR_STATE_EFFECTIVE)) {
        /* a read-back that could not be made does not take away the proof; the next one will tell
         */
        n.verified = MMR_VERIFIED_CONFIRMED;
        n.verified_ns = a->receipt.verified_ns;
        memcpy(n.method, a->receipt.method, sizeof n.method);
    }
    const bool is_changed =
        (int)a->state != to || n.result != a->receipt.result || n.verified != a->receipt.verified ||
        n.expires_ns != a->receipt.expires_ns || n.verified_ns != a->receipt.verified_ns ||
        n.packets != a->receipt.packets || n.bytes != a->receipt.bytes ||
        n.revoked_ns != a->receipt.revoked_ns || strcmp(n.detail, a->receipt.detail) != 0;
    a->state = (enum mmr_action_state)to;
    a->receipt = n;
    return is_changed;
}

struct lease {
    struct mmr_action_rec a;
    uint64_t reason[REASONS_MAX];
    uint32_t n_reason;
    int64_t verify_at_ns, renew_at_ns, assert_at_ns; /* 0: not due */
};
struct mmr_leases {
    struct mmr_leases_limits limit;
    struct lease *v;
    size_t n, cap;
    /* open addressing from action id to index + 1 */
    uint32_t *slot;
    size_t n_slot;
};

static size_t slot_of(const struct mmr_leases *l, uint64_t id)
{
    size_t mask = l->n_slot - 1, at = (size_t)(id * UINT64_C(0x9e3779b97f4a7c15) >> 32) & mask;
    while (l->slot[at] && l->v[l->slot[at] - 1].a.id != id)
        at = (at + 1) & mask;
    return at;
}

int mmr_leases_new(const struct mmr_leases_limits *limits, struct mmr_leases **ret,
                   struct mmr_error *err)
{
    struct mmr_leases *l = calloc(1, sizeof *l);
    if (!l)
        return mmr_fail(err, MMR_ENOMEM, "leases: out of memory");
    if (limits)
        l->limit = *limits;
    l->limit.verify_ns = l->limit.verify_ns ? l->limit.verify_ns : 30 * MMR_NS_PER_S;
    l->limit.max = l->limit.max ? l->limit.max : 4096;
    l->n_slot = 16;
    while (l->n_slot < 2 * (size_t)l->limit.max)
        l->n_slot *= 2;
    l->slot = calloc(l->n_slot, sizeof *l->slot);
    if (!l->slot) {
        free(l);
        return mmr_fail(err, MMR_ENOMEM, "leases: out of memory");
    }
    *ret = l;
    return 0;
}

void mmr_leases_free(struct mmr_leases *l)
{
    if (!l)
        return;
    free(l->slot);
    free(l->v);
    free(l);
}

static struct lease *find(const struct mmr_leases *l, uint64_t id)
{
    uint32_t at = l->slot[slot_of(l, id)];
    return at ? &l->v[at - 1] : NULL;
}

static bool is_live(const struct mmr_action_rec *a)
{
    return a->state == MMR_STATE_ORDERED || a->state == MMR_STATE_APPLIED ||
           a->state == MMR_STATE_PROVED || a->state == MMR_STATE_EFFECTIVE;
}

static bool same_element(const struct mmr_action_rec *a, const struct mmr_action_rec *b)
{
    return a->verb == b->verb && strcmp(a->node, b->node) == 0 &&
           strcmp(a->instance, b->instance) == 0 &&
           mmr_target_equal(a->verb, &a->target, &b->target);
}

static int grow(struct mmr_leases *l, struct mmr_error *err)
{
    if (l->n == l->limit.max)
        return mmr_fail(
            err, MMR_ETOOBIG,
            "leases: %u elements are held, no more can be; undo some with 'mamori block list'",
            l->limit.max);
    if (l->n < l->cap)
        return 0;
    size_t cap = l->cap ? l->cap * 2 : 32;
    struct lease *v = reallocarray(l->v, cap, sizeof *v);
    if (!v)
        return mmr_fail(err, MMR_ENOMEM, "leases: out of memory");
    l->v = v;
    l->cap = cap;
    return 0;
}

static void rebuild(struct mmr_leases *l)
{
    memset(l->slot, 0, l->n_slot * sizeof *l->slot);
    for (size_t i = 0; i < l->n; i++)
        l->slot[slot_of(l, l->v[i].a.id)] = (uint32_t)(i + 1);
}

static void drop(struct mmr_leases *l, struct lease *e)
{
    *e = l->v[--l->n];
    rebuild(l);
}

/* When to renew: 2/3 of the lease gone. */
static void arm_renewal(struct lease *e, int64_t now_ns)
{
    e->renew_at_ns = 0;
    if (e->a.ttl_ms > 0 && e->a.receipt.expires_ns > now_ns)
        e->renew_at_ns = e->a.receipt.expires_ns - e->a.ttl_ms * MMR_NS_PER_MS / 3;
}

int mmr_leases_hold(struct mmr_leases *l, const struct mmr_action_rec *a, uint64_t reason,
                    int64_t now_ns, bool *ret_is_first, struct mmr_error *err)
{
    assert(l->v || (l->n == 0 && l->cap == 0));
    struct lease *e = find(l, a->id);
    for (size_t i = 0; !e && i < l->n; i++)
        if (is_live(&l->v[i].a) && same_element(&l->v[i].a, a))
            e = &l->v[i];
    if (e) {
        for (uint32_t k = 0; k < e->n_reason; k++)
            if (e->reason[k] == reason) {
                *ret_is_first = false;
                return 0;
            }
        if (e->n_reason == REASONS_MAX)
            return mmr_fail(err, MMR_ETOOBIG, "lease %llu: already held for %d reasons",
                            (unsigned long long)e->a.id, REASONS_MAX);
        e->reason[e->n_reason++] = reason;
        *ret_is_first = false;
        return 0;
    }
    int r = grow(l, err);
    if (r < 0)
        return r;
    e = &l->v[l->n++];
    *e = (struct lease){.a = *a, .n_reason = 1};
    e->reason[0] = reason;
    l->slot[slot_of(l, a->id)] = (uint32_t)l->n;
    if (is_live(&e->a) && e->a.state != MMR_STATE_ORDERED) { /* loaded again after a restart */
        e->verify_at_ns = now_ns;
        arm_renewal(e, now_ns);
    }
    *ret_is_first = true;
    return 0;
}

int mmr_leases_release(struct mmr_leases *l, uint64_t action_id, uint64_t reason,
                       uint64_t *ret_undo_id, struct mmr_error *err)
{
    struct lease *e = find(l, action_id);
    uint32_t k = 0;
    while (e && k < e->n_reason && e->reason[k] != reason)
        k++;
    if (!e || k == e->n_reason)
        return mmr_fail(err, MMR_ENOENT, "lease %llu is not held for this reason",
                        (unsigned long long)action_id);
    e->reason[k] = e->reason[--e->n_reason];
    *ret_undo_id = 0;
    if (e->n_reason == 0) {
        *ret_undo_id = is_live(&e->a) ? action_id : 0;
        drop(l, e);
    }
    return 0;
}

bool mmr_leases_receipt(struct mmr_leases *l, uint64_t action_id, const struct mmr_receipt *r,
                        int64_t now_ns)
{
    struct lease *e = find(l, action_id);
    if (!e)
        return false;
    (void)mmr_action_take_receipt(&e->a, r, now_ns);
    if (!is_live(&e->a)) {
        drop(l, e); /* failed or taken back: the planner looks for another way */
        return true;
    }
    const bool is_refuted = r->verified == MMR_VERIFIED_REFUTED;
    e->assert_at_ns = is_refuted ? now_ns : 0;
    e->verify_at_ns = is_refuted ? 0 : now_ns + l->limit.verify_ns;
    arm_renewal(e, now_ns);
    return true;
}

const struct mmr_action_rec *mmr_leases_get(const struct mmr_leases *l, uint64_t action_id)
{
    const struct lease *e = find(l, action_id);
    return e ? &e->a : NULL;
}

void mmr_leases_each_reason(const struct mmr_leases *l, uint64_t action_id,
                            void (*fn)(void *ctx, uint64_t reason), void *ctx)
{
    const struct lease *e = find(l, action_id);
    for (uint32_t k = 0; e && k < e->n_reason; k++)
        fn(ctx, e->reason[k]);
}

static bool is_due(int64_t at_ns, int64_t now_ns)
{
    return at_ns != 0 && at_ns <= now_ns;
}

size_t mmr_leases_due(struct mmr_leases *l, int64_t now_ns, struct mmr_lease_step *ret, size_t cap,
                      void (*on_expired)(void *ctx, const struct mmr_action_rec *a), void *ctx)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n;) {
        struct lease *e = &l->v[i];
        if (is_due(e->a.receipt.expires_ns, now_ns)) {
            e->a.state = MMR_STATE_EXPIRED;
            if (on_expired)
                on_expired(ctx, &e->a);
            drop(l, e);
            continue; /* another lease took this place */
        }
        struct mmr_lease_step s = {.id = e->a.id, .reason = e->reason[0]};
        if (n < cap && is_due(e->assert_at_ns, now_ns)) {
            s.what = MMR_LEASE_DO_ASSERT;
            e->assert_at_ns = now_ns + ASSERT_RETRY_NS;
        } else if (n < cap && is_due(e->renew_at_ns, now_ns)) {
            s.what = MMR_LEASE_DO_RENEW; /* its receipt arms the next; unanswered: asked again */
            e->renew_at_ns = now_ns + l->limit.verify_ns;
        } else if (n < cap && is_due(e->verify_at_ns, now_ns)) {
            s.what = MMR_LEASE_DO_VERIFY;
            e->verify_at_ns = now_ns + l->limit.verify_ns;
        }
        if (s.what)
            ret[n++] = s;
        i++;
    }
    return n;
}

int64_t mmr_leases_next_ns(const struct mmr_leases *l)
{
    int64_t next = INT64_MAX;
    for (size_t i = 0; i < l->n; i++) {
        const struct lease *e = &l->v[i];
        const int64_t at[] = {e->assert_at_ns, e->renew_at_ns, e->verify_at_ns,
                              e->a.receipt.expires_ns};
        for (size_t k = 0; k < sizeof at / sizeof at[0]; k++)
            if (at[k] && at[k] < next)
                next = at[k];
    }
    return next;
}

size_t mmr_leases_live(const struct mmr_leases *l, const char *node, const char *instance,
                       uint64_t *ret, size_t cap)
{
    size_t n = 0;
    for (size_t i = 0; i < l->n && n < cap; i++)
        if ((!node[0] || strcmp(l->v[i].a.node, node) == 0) &&
            (!instance[0] || strcmp(l->v[i].a.instance, instance) == 0))
            ret[n++] = l->v[i].a.id;
    return n;
}

size_t mmr_leases_count(const struct mmr_leases *l)
{
    return l->n;
}

void mmr_leases_shift(struct mmr_leases *l, int64_t by_ns)
{
    for (size_t i = 0; i < l->n; i++) {
        struct lease *e = &l->v[i];
        int64_t *const at[] = {&e->assert_at_ns, &e->renew_at_ns, &e->verify_at_ns, &e->a.ordered_ns, &e->a.receipt.expires_ns};
        for (size_t k = 0; k < sizeof at / sizeof at[0]; k++)
            if (*at[k])
                *at[k] += by_ns;
    }
}
