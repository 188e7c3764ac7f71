/* dispatch.c - orders to the responder that was chosen, behind the rails; records to the forwarders. */
#include "brain/live.h"

#include "brain/uplink.h"
#include "plugin/describe.h"
#include "plugin/order.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { ORDER_TTL_MS = 10000, FORWARD_RETRY_S = 30, FORWARD_REST_S = 2, LIVE_MAX = MMR_RECONCILE_MAX };

void mmr_live_make_up(struct mmr_live *l, uint64_t id, enum mmr_result result, const char *detail)
{
    if (l->n_made_up == MMR_LIVE_MADE_UP_MAX)
        return; /* the pipeline's own time-out answers for it */
    struct mmr_made_up *m = &l->made_up[l->n_made_up++];
    m->id = id;
    m->receipt = (struct mmr_receipt){.result = result};
    (void)snprintf(m->receipt.detail, sizeof m->receipt.detail, "%s", detail);
}

static int hand_over(struct mmr_live *l, const struct mmr_action_rec *a, const void *bytes, size_t len, struct mmr_error *err)
{
    uint32_t slot, index;
    if (a->node[0] == '\0' || strcmp(a->node, l->roster.node) == 0) {
        if (!mmr_roster_find(&l->roster, a->instance, &slot, &index))
            return mmr_fail(err, MMR_ENOENT, "no instance '%s' is here", a->instance);
        int r = mmr_local_order(l->server, slot, index, MMR_LOCAL_ACTION, MMR_LANE_URGENT, a->id, bytes, len);
        return r ? mmr_fail(err, r, "instance '%s' is not connected", a->instance) : 0;
    }
    if (!l->hub)
        return mmr_fail(err, MMR_ENOENT, "node '%s' is not of this site", a->node);
    int r = mmr_site_hub_order(l->hub, a->node, a->instance, MMR_LOCAL_ACTION, a->id, ORDER_TTL_MS, bytes, len);
    return r ? mmr_fail(err, r, "node '%s' is not connected", a->node) : 0;
}

bool mmr_live_try(void *ctx, const struct mmr_action_rec *a, unsigned flags)
{
    uint8_t map[2048], bytes[2048 + MMR_ORDER_HEAD_MAX];
    size_t map_len, len;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_action_encode(a, map, sizeof map, &map_len) != 0)
        return false;
    const struct mmr_action order = {.struct_size = sizeof order, .flags = flags, .id = a->id, .verb = mmr_verb_name(a->verb),
                                     .ttl_ms = a->ttl_ms, .msgpack = map, .len = map_len};
    return mmr_order_encode(&order, bytes, sizeof bytes, &len) == 0 && hand_over(ctx, a, bytes, len, &err) == 0;
}

void mmr_live_order(void *ctx, const struct mmr_action_rec *a, unsigned flags)
{
    struct mmr_live *l = ctx;
    uint8_t map[4096], bytes[4096 + MMR_ORDER_HEAD_MAX];
    char why[200];
    size_t map_len, len;
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t now = mmr_clock_wall_ns();
    if (!(flags & (MMR_ACT_RENEW | MMR_ACT_VERIFY | MMR_ACT_UNDO | MMR_ACT_DRY_RUN)) &&
        mmr_rails_take(mmr_pipeline_rails(l->pipeline), a->verb, &a->target, true, now, why) != 0) {
        mmr_log(MMR_LOG_WARN, "action.refused", "verb=%s reason=\"%s\"", mmr_verb_name(a->verb), why);
        mmr_live_make_up(l, a->id, MMR_RESULT_REFUSED, why);
        return;
    }
    if (flags & MMR_ACT_UNDO)
        mmr_undone_put(&l->undone, a->id);
    int r = mmr_action_encode(a, map, sizeof map, &map_len);
    const struct mmr_action order = {.struct_size = sizeof order, .flags = flags, .id = a->id, .verb = mmr_verb_name(a->verb),
                                     .ttl_ms = a->ttl_ms, .msgpack = map, .len = r ? 0 : map_len};
    if (!r)
        r = mmr_order_encode(&order, bytes, sizeof bytes, &len);
    if (r)
        (void)mmr_fail(&err, r, "the order is larger than %zu bytes", sizeof bytes);
    else
        r = hand_over(l, a, bytes, len, &err);
    /* a look at what is in force that cannot be had now says nothing: it is asked again, and who stays away is lost */
    if (r && !(flags & (MMR_ACT_RENEW | MMR_ACT_VERIFY)))
        mmr_live_make_up(l, a->id, r == MMR_ETOOBIG ? MMR_RESULT_FAILED : MMR_RESULT_TIMEOUT, err.text);
    if (mmr_persist_order(l->persist, a, flags, now, &err) != 0)
        mmr_log(MMR_LOG_ERR, "action.not_recorded", "action=%016llx reason=\"%s\"", (unsigned long long)a->id, err.text);
    if (!(flags & (MMR_ACT_RENEW | MMR_ACT_VERIFY)))
        mmr_log(MMR_LOG_INFO, "action.ordered", "action=%016llx verb=%s node=%s instance=%s flags=%u", (unsigned long long)a->id,
                mmr_verb_name(a->verb), a->node, a->instance, flags);
}

/* After a host's start: what lives by our books; everything else it undoes. So a list that is not whole is not sent. */
void mmr_live_reconcile(struct mmr_live *l, uint32_t slot)
{
    struct mmr_roster_slot *s = &l->roster.slot[slot];
    uint64_t *ids = calloc(LIVE_MAX + 1, sizeof *ids);
    uint8_t *bytes = calloc(LIVE_MAX, 8);
    s->is_reconciled = true;
    for (uint32_t i = 0; ids && bytes && s->instance && i < MMR_LOCAL_INSTANCES_MAX; i++) {
        if (!s->instance[i].is_used || !(s->instance[i].roles & MMR_ROLE_RESPONDER))
            continue;
        size_t n = mmr_persist_live_actions(l->persist, l->roster.node, s->instance[i].name, ids, LIVE_MAX + 1);
        if (n > LIVE_MAX) {
            mmr_log(MMR_LOG_WARN, "reconcile.left", "instance=%s what=\"more than %d actions live; nothing of it is undone\"",
                    s->instance[i].name, LIVE_MAX);
            continue;
        }
        for (size_t k = 0; k < n; k++)
            for (unsigned b = 0; b < 8; b++)
                bytes[8 * k + b] = (uint8_t)(ids[k] >> (8 * b));
        (void)mmr_local_order(l->server, slot, i, MMR_HOST_RECONCILE, MMR_LANE_URGENT, 0, bytes, 8 * n);
    }
    free(ids);
    free(bytes);
}

/* ---- forwarders ---- */

_Static_assert((int)MMR_INCIDENT_RECORD_MAX <= (int)MMR_LOCAL_RECORD_MAX, "a record of the largest incident reaches its forwarder");

static void read_takes(const struct mmr_live *l, struct mmr_forwarding *f)
{
    char path[128];
    (void)snprintf(path, sizeof path, "plugins.%s.takes", f->name);
    struct mmr_strv v = mmr_config_strv(l->config, path);
    for (size_t i = 0; i < v.n; i++) {
        f->takes_incident |= strcmp(v.v[i], "incident") == 0;
        f->takes_receipt |= strcmp(v.v[i], "receipt") == 0;
    }
}

char *mmr_live_forwarders(const struct mmr_live *l)
{
    char *all = NULL;
    size_t len = 0;
    FILE *f = open_memstream(&all, &len);
    if (!f)
        return NULL;
    for (size_t i = 0; i < mmr_config_instances(l->config); i++) /* not all of them forward: a name too many harms nobody */
        if (mmr_config_instance(l->config, i)->is_enabled)
            (void)fprintf(f, "%s\n", mmr_config_instance(l->config, i)->name);
    if (l->uplink)
        (void)fprintf(f, "%s\n", MMR_UPLINK_FORWARDER);
    return fclose(f) == 0 ? all : (free(all), NULL);
}

static struct mmr_forwarding *forwarding_of(struct mmr_live *l, uint32_t slot, uint32_t index)
{
    for (uint32_t i = 0; i < l->n_forwarder; i++)
        if (l->forwarder[i].slot == slot && l->forwarder[i].index == index)
            return &l->forwarder[i];
    const struct mmr_roster_instance *x = mmr_roster_get(&l->roster, slot, index);
    struct mmr_error err = {.struct_size = sizeof err};
    if (!x || l->n_forwarder == MMR_LIVE_FORWARDERS_MAX)
        return NULL;
    struct mmr_forwarding *f = &l->forwarder[l->n_forwarder++];
    memset(f, 0, sizeof *f);
    (void)snprintf(f->name, sizeof f->name, "%s", x->name);
    f->slot = slot;
    f->index = index;
    read_takes(l, f);
    if ((f->takes_incident || f->takes_receipt) && mmr_persist_forwarder(l->persist, f->name, &err) != 0)
        mmr_log(MMR_LOG_ERR, "forwarder.not_registered", "instance=%s reason=\"%s\"", f->name, err.text);
    return f;
}

struct offer {
    struct mmr_live *l;
    struct mmr_forwarding *f;
    int64_t now_ns;
    struct {
        uint64_t seq;
        const char *why;
    } never[MMR_LIVE_INFLIGHT_MAX]; /* rows it will not get */
    uint32_t n_never;
};

static int leave_out(struct offer *o, uint64_t seq, const char *why)
{
    if (o->n_never == MMR_LIVE_INFLIGHT_MAX)
        return 1;
    o->never[o->n_never].seq = seq;
    o->never[o->n_never++].why = why;
    return 0;
}

static int offer_row(void *ctx, const struct mmr_outbox_row *row)
{
    struct offer *o = ctx;
    uint32_t at = 0;
    if ((!o->f->takes_incident && strcmp(row->kind, "incident") == 0) || (!o->f->takes_receipt && strcmp(row->kind, "receipt") == 0))
        return leave_out(o, row->seq, "not taken");
    if (row->len > MMR_LOCAL_RECORD_MAX) /* none is made so large any more; an older version's must not stop those behind it */
        return leave_out(o, row->seq, "larger than a message to a plugin may be");
    while (at < o->f->n && o->f->seq[at] != row->seq)
        at++;
    if (at < o->f->n && o->now_ns - o->f->since_ns[at] < FORWARD_RETRY_S * MMR_NS_PER_S)
        return 0; /* its answer is awaited */
    if (at == o->f->n && o->f->n == MMR_LIVE_INFLIGHT_MAX)
        return 1;
    if (mmr_local_order(o->l->server, o->f->slot, o->f->index, MMR_LOCAL_FORWARD,
                        row->is_urgent ? MMR_LANE_URGENT : MMR_LANE_FINDING, row->seq, row->json, row->len) != 0)
        return 1;
    o->f->seq[at] = row->seq;
    o->f->since_ns[at] = o->now_ns;
    if (at == o->f->n)
        o->f->n++;
    return 0;
}

void mmr_live_forward(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t now = mmr_clock_mono_ns();
    l->has_news = false;
    mmr_uplink_offer(l->uplink);
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t i = 0; l->roster.slot[s].is_up && l->roster.slot[s].instance && i < MMR_LOCAL_INSTANCES_MAX; i++) {
            const struct mmr_roster_instance *x = &l->roster.slot[s].instance[i];
            struct offer o = {.l = l, .now_ns = now};
            if (!x->is_used || !(x->roles & MMR_ROLE_FORWARDER))
                continue;
            o.f = forwarding_of(l, s, i);
            if (o.f && now >= o.f->rest_until_ns && (o.f->takes_incident || o.f->takes_receipt))
                (void)mmr_store_outbox_pending(mmr_persist_db(l->persist), o.f->name, MMR_LIVE_INFLIGHT_MAX, offer_row, &o, &err);
            for (uint32_t k = 0; k < o.n_never; k++)
                (void)mmr_persist_forwarded(l->persist, o.f->name, o.never[k].seq, MMR_DELIVERY_FAILED, mmr_clock_wall_ns(), o.never[k].why, &err);
        }
}

void mmr_live_forwarded(struct mmr_live *l, uint32_t slot, uint32_t index, uint64_t seq, const void *bytes, size_t len)
{
    struct mmr_forwarding *f = forwarding_of(l, slot, index);
    struct mmr_error err = {.struct_size = sizeof err};
    char detail[MMR_FORWARDED_DETAIL_MAX + 1];
    int level;
    int64_t at_ns;
    if (!f || mmr_forwarded_unwrap(bytes, len, &level, &at_ns, detail, &err) != 0)
        return;
    if (mmr_notices_answer(l->notices, seq, level, level == MMR_FORWARD_BUSY, at_ns, detail) ||
        mmr_weekly_answer(l->weekly, seq, level, level == MMR_FORWARD_BUSY, mmr_clock_wall_ns(), detail))
        return;
    for (uint32_t i = 0; i < f->n; i++)
        if (f->seq[i] == seq) {
            f->n--;
            f->seq[i] = f->seq[f->n];
            f->since_ns[i] = f->since_ns[f->n];
            break;
        }
    if (level == MMR_FORWARD_BUSY || level == MMR_DELIVERY_TRIED) {
        f->rest_until_ns = mmr_clock_mono_ns() + FORWARD_REST_S * MMR_NS_PER_S;
        return;
    }
    if (mmr_persist_forwarded(l->persist, f->name, seq, level, at_ns, detail, &err) != 0)
        mmr_log(MMR_LOG_WARN, "forward.not_recorded", "instance=%s seq=%llu reason=\"%s\"", f->name, (unsigned long long)seq, err.text);
    l->has_news = true;
}
