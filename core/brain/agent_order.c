/*
 * agent_order.c - orders of the hub, through the last gate to the responder; what became of them, back. The agent
 * does not reconcile a responder after its start: it keeps no books of what lives, the hub does, and leases end by
 * themselves. A block whose lease was not renewed is taken back here as well, should its responder not have done so.
 */
#include "brain/agent.h"

#include "plugin/describe.h"
#include "plugin/order.h"
#include "util/clock.h"
#include "util/log.h"

#include <mamori/action.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { GRACE_S = 60, LEASE_GRACE_S = 2 }; /* a lease's end and the receipt about it may come this late; then it is taken back */

/* ---- what was passed on ---- */

static struct mmr_agent_act *find(struct mmr_agent *a, uint64_t id)
{
    for (size_t i = 0; i < MMR_AGENT_ACTS_MAX; i++)
        if (a->act[i].id == id)
            return &a->act[i];
    return NULL;
}

static void forget(struct mmr_agent *a, struct mmr_agent_act *x, enum mmr_result result)
{
    mmr_gate_report(a->gate, x->verb, &x->target, result, true, mmr_clock_wall_ns());
    free(x->map);
    memset(x, 0, sizeof *x);
}

/* What shuts somebody out, and so must end when nobody wants it any more; a quarantined file stays where it is. */
static bool lets_go(enum mmr_verb v)
{
    return v == MMR_VERB_BLOCK_ADDR || v == MMR_VERB_BLOCK_NAME || v == MMR_VERB_ISOLATE_HOST || v == MMR_VERB_FREEZE_PROCESS;
}

static int remember(struct mmr_agent *a, const struct mmr_action *order, enum mmr_verb verb, const struct mmr_target *t,
                    uint32_t slot, uint32_t index, struct mmr_error *err)
{
    struct mmr_agent_act *x = find(a, order->id);
    if (!x)
        x = find(a, 0);
    if (!x)
        return mmr_fail(err, MMR_EAGAIN, "more than %d actions live on this machine", MMR_AGENT_ACTS_MAX);
    const bool is_new = x->id == 0;
    if (is_new) {
        x->map = malloc(order->len ? order->len : 1);
        if (!x->map)
            return mmr_fail(err, MMR_ENOMEM, "out of memory for an action");
        if (order->len)
            memcpy(x->map, order->msgpack, order->len);
        x->map_len = order->len;
        x->id = order->id;
        x->verb = verb;
        x->target = *t;
    }
    x->slot = slot;
    x->index = index;
    if (is_new || !(order->flags & (MMR_ACT_UNDO | MMR_ACT_VERIFY)))
        x->lease_ns = order->ttl_ms && lets_go(verb) ? mmr_clock_wall_ns() + (order->ttl_ms + LEASE_GRACE_S * 1000) * MMR_NS_PER_MS : 0;
    if (is_new || !(order->flags & (MMR_ACT_UNDO | MMR_ACT_VERIFY)))
        x->until_ns = order->ttl_ms ? mmr_clock_wall_ns() + (order->ttl_ms + GRACE_S * 1000) * MMR_NS_PER_MS : 0;
    x->is_undone_by_hub |= (order->flags & MMR_ACT_UNDO) != 0;
    return 0;
}

static int undo_one(struct mmr_agent *a, struct mmr_agent_act *x)
{
    uint8_t *bytes = malloc(x->map_len + MMR_ORDER_HEAD_MAX);
    size_t len;
    const struct mmr_action order = {.struct_size = sizeof order, .flags = MMR_ACT_UNDO, .id = x->id,
                                     .verb = mmr_verb_name(x->verb), .msgpack = x->map, .len = x->map_len};
    if (!bytes)
        return MMR_ENOMEM;
    int r = mmr_order_encode(&order, bytes, x->map_len + MMR_ORDER_HEAD_MAX, &len);
    if (!r)
        r = mmr_local_order(a->server, x->slot, x->index, MMR_LOCAL_ACTION, MMR_LANE_URGENT, x->id, bytes, len);
    free(bytes);
    x->is_undone_here |= r == 0;
    mmr_log(r ? MMR_LOG_ERR : MMR_LOG_INFO, "action.undo", "action=%016llx verb=%s code=%d", (unsigned long long)x->id,
            mmr_verb_name(x->verb), r);
    return r;
}

void mmr_agent_expire(struct mmr_agent *a)
{
    int64_t now = mmr_clock_wall_ns();
    for (size_t i = 0; i < MMR_AGENT_ACTS_MAX; i++) {
        struct mmr_agent_act *x = &a->act[i];
        if (x->id && x->lease_ns && x->lease_ns < now && x->is_applied && !x->is_over) {
            x->is_over = true;
            mmr_log(MMR_LOG_WARN, "action.lease_over", "action=%016llx verb=%s hub_up=%d", (unsigned long long)x->id, mmr_verb_name(x->verb),
                    a->is_hub_up);
            (void)undo_one(a, x);
        }
        if (x->id && x->until_ns && x->until_ns < now)
            forget(a, x, MMR_RESULT_NONE);
    }
}

/* ---- receipts ---- */

static int receipt_map(const char *result, int64_t revoked_ns, const char *detail, int code, void *buf, size_t cap,
                       size_t *ret_len)
{
    uint8_t map[768];
    struct mmr_event ev;
    mmr_event_begin_map(&ev, map, sizeof map);
    mmr_event_str(&ev, "result", result);
    mmr_event_str(&ev, "verify.result", "none");
    if (revoked_ns)
        mmr_event_int(&ev, "revoked_at", revoked_ns);
    mmr_event_str(&ev, "detail", detail);
    int r = mmr_event_end(&ev);
    return r ? r : mmr_receipt_wrap(code, map, ev.len, buf, cap, ret_len);
}

static void answer(struct mmr_agent *a, const char *instance, uint64_t id, enum mmr_result result, int code, const char *detail)
{
    uint8_t buf[1024];
    size_t len;
    int r = receipt_map(mmr_result_name(result), 0, detail, code, buf, sizeof buf, &len);
    if (!r)
        r = mmr_agent_say(a, MMR_LANE_URGENT, instance, MMR_LOCAL_RECEIPT, id, buf, len);
    if (r)
        mmr_log(MMR_LOG_ERR, "receipt.not_sent", "action=%016llx code=%d", (unsigned long long)id, r);
}

bool mmr_agent_receipt(struct mmr_agent *a, uint64_t id, const void *bytes, size_t n, void *buf, size_t cap, size_t *ret_len)
{
    struct mmr_agent_act *x = id ? find(a, id) : NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_receipt r = {0};
    const void *map;
    size_t map_len;
    int code;
    if (!x || mmr_receipt_unwrap(bytes, n, &code, &map, &map_len, &err) != 0 ||
        (map_len && mmr_receipt_decode(map, map_len, &r, &err) != 0))
        return false; /* the hub judges it */
    if (r.result == MMR_RESULT_NONE && code)
        r.result = MMR_RESULT_FAILED;
    const bool is_good = r.result == MMR_RESULT_APPLIED || r.result == MMR_RESULT_ALREADY || r.result == MMR_RESULT_PARTIAL;
    const bool is_undone = is_good && (x->is_undone_here || x->is_undone_by_hub);
    const bool is_by_us = is_undone && x->is_undone_here, was_over = x->is_over;
    if (is_undone || (!is_good && !x->is_applied) || x->verb == MMR_VERB_QUERY_CONNECTION_OWNER)
        forget(a, x, is_good ? MMR_RESULT_NONE : r.result);
    else if (is_good) {
        x->is_applied = true;
        mmr_gate_report(a->gate, x->verb, &x->target, r.result, false, mmr_clock_wall_ns());
    }
    /* "applied" of an undo the hub did not ask for would read as a defence that holds: say that it does not */
    return is_by_us && receipt_map("applied", mmr_clock_wall_ns(), was_over ? "its lease ended: the hub did not renew it in time"
                                                                            : "taken back on this machine by its operator",
                                   0, buf, cap, ret_len) == 0;
}

/* ---- orders ---- */

static enum mmr_result result_of(int code)
{
    switch (code) {
    case MMR_EUNSUPPORTED: return MMR_RESULT_UNSUPPORTED;
    case MMR_EPERM: return MMR_RESULT_REFUSED;
    case MMR_ENOENT: return MMR_RESULT_TIMEOUT; /* its responder is not there: it may be ordered again when it is */
    default: return MMR_RESULT_FAILED;
    }
}

static int judge(struct mmr_agent *a, const struct mmr_action *order, enum mmr_verb *ret_verb, struct mmr_target *ret_target,
                 struct mmr_error *err)
{
    char why[MMR_GATE_WHY] = "";
    if (!mmr_verb_parse(order->verb, strlen(order->verb), ret_verb))
        return mmr_fail(err, MMR_EUNSUPPORTED, "the verb '%s' is not known here", order->verb);
    if (mmr_target_decode(*ret_verb, order->msgpack, order->len, ret_target, err) != 0)
        return MMR_EPERM; /* what cannot be read cannot be judged */
    if (mmr_gate_take(a->gate, *ret_verb, ret_target, order->flags, mmr_clock_wall_ns(), why) != 0)
        return mmr_fail(err, MMR_EPERM, "%s", why);
    return 0;
}

void mmr_agent_order(struct mmr_agent *a, const struct mmr_site_record *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char verb_text[MMR_ORDER_VERB_MAX + 1] = "";
    struct mmr_action order;
    enum mmr_verb verb = MMR_VERB_NONE;
    struct mmr_target t;
    uint32_t slot = 0, index = 0;
    if (mmr_agent_own_order(a, o))
        return;
    if (o->kind != MMR_LOCAL_ACTION) {
        mmr_log(MMR_LOG_WARN, "order.unknown", "kind=%u", o->kind);
        return;
    }
    int r = mmr_order_decode(o->bytes, o->len, o->number, verb_text, &order, &err);
    if (!r && mmr_agent_wait(a, o, order.flags))
        return;
    a->orders++;
    if (!r)
        r = judge(a, &order, &verb, &t, &err);
    const bool is_judged = r == 0;
    if (r == MMR_EPERM) {
        a->orders_refused++;
        mmr_log(MMR_LOG_WARN, "action.refused", "action=%016llx verb=%s reason=\"%s\"", (unsigned long long)o->number, verb_text,
                err.text);
    }
    if (!r && !mmr_roster_find(&a->roster, o->instance, &slot, &index))
        r = mmr_fail(&err, MMR_ENOENT, "no instance '%s' is on this machine", o->instance);
    if (!r && !(order.flags & MMR_ACT_DRY_RUN))
        r = remember(a, &order, verb, &t, slot, index, &err);
    if (!r) {
        r = mmr_local_order(a->server, slot, index, MMR_LOCAL_ACTION, MMR_LANE_URGENT, o->number, o->bytes, o->len);
        if (r)
            (void)mmr_fail(&err, r = MMR_ENOENT, "instance '%s' is not connected", o->instance);
    }
    if (!r) {
        if (!(order.flags & (MMR_ACT_RENEW | MMR_ACT_VERIFY)))
            mmr_log(MMR_LOG_INFO, "action.passed_on", "action=%016llx verb=%s instance=%s flags=%u", (unsigned long long)o->number,
                    verb_text, o->instance, order.flags);
        return;
    }
    struct mmr_agent_act *x = o->number ? find(a, o->number) : NULL;
    if (is_judged && !x && !order.flags)
        mmr_gate_report(a->gate, verb, &t, MMR_RESULT_NONE, true, mmr_clock_wall_ns()); /* it was counted, and is not held */
    else if (x && !x->is_applied)
        forget(a, x, MMR_RESULT_NONE);
    answer(a, o->instance, o->number, result_of(r), r, err.text);
}

/* ---- taking back ---- */

/* An agent that was restarted does not know what was ordered before; the responders' journals do. */
static void let_go_of_all(struct mmr_agent *a, uint32_t *failed)
{
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t i = 0; a->roster.slot[s].instance && i < MMR_LOCAL_INSTANCES_MAX; i++) {
            const struct mmr_roster_instance *x = &a->roster.slot[s].instance[i];
            if (x->is_used && x->roles & MMR_ROLE_RESPONDER &&
                mmr_local_order(a->server, s, i, MMR_HOST_RECONCILE, MMR_LANE_URGENT, 0, "", 0) != 0)
                ++*failed;
        }
}

void mmr_agent_undo(struct mmr_agent *a, uint64_t id, uint32_t *ret_done, uint32_t *ret_failed)
{
    *ret_done = *ret_failed = 0;
    for (size_t i = 0; i < MMR_AGENT_ACTS_MAX; i++) {
        struct mmr_agent_act *x = &a->act[i];
        if (!x->id || (id && x->id != id))
            continue;
        if (undo_one(a, x) == 0)
            ++*ret_done;
        else
            ++*ret_failed;
    }
    if (!id)
        let_go_of_all(a, ret_failed);
}
