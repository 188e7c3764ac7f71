/* intake.c - records of plugin hosts and nodes become events of the pipeline, receipts and delivery news. */
#include "brain/listeners.h"
#include "brain/live.h"
#include "brain/membership.h"

#include "plugin/describe.h"
#include "plugin/order.h"
#include "plugin/roles.h"
#include "util/clock.h"
#include "util/log.h"

#include <json-c/json.h>
#include <stdlib.h>
#include <string.h>

/* Somebody took away what was in force: it was put back, and it is evidence all the same. */
static void note_enforcement(struct mmr_live *l, const char *host)
{
    struct mmr_error err = {.struct_size = sizeof err};
    char text[200] = "";
    struct json_object *o = json_object_new_object();
    (void)mmr_event_copy_str(l->view, "message", text, sizeof text);
    mmr_log(MMR_LOG_WARN, "enforcement.lost", "host=%s what=\"%s\"", host, text);
    json_object_object_add(o, "host", json_object_new_string(host));
    json_object_object_add(o, "missing", json_object_new_int64(mmr_event_get_int(l->view, "unmapped.missing", 0)));
    json_object_object_add(o, "restored", json_object_new_int64(mmr_event_get_int(l->view, "unmapped.restored", 0)));
    json_object_object_add(o, "message", json_object_new_string(text));
    (void)mmr_persist_note(l->persist, "enforcement.lost", json_object_to_json_string_ext(o, JSON_C_TO_STRING_PLAIN | JSON_C_TO_STRING_NOSLASHESCAPE), mmr_clock_wall_ns(), &err);
    json_object_put(o);
}

/* Who learns from an event beside the pipeline. */
static void teach(struct mmr_live *l, const char *host, uint32_t side, int64_t now_ns)
{
    const struct mmr_value *kind = mmr_event_get(l->view, "mamori.kind");
    mmr_selftest_event(&l->selftest, l->view);
    mmr_notices_event(l->notices, l->view);
    if (mmr_value_is(kind, "enforcement.lost"))
        note_enforcement(l, host);
    if (side == MMR_SIDE_NETWORK) {
        mmr_sights_event(l->sights, l->view);
        return;
    }
    mmr_watch_event(l->watch, host, l->view);
    if (mmr_value_is(kind, "seat.state") && (l->seats || (l->seats = calloc(1, sizeof *l->seats))))
        (void)mmr_seats_take(l->seats, l->view, now_ns);
}

static void pass_on(struct mmr_live *l, const char *host, uint32_t side, const void *stamped, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const int64_t now = mmr_clock_wall_ns();
    int r = mmr_event_read(stamped, len, l->view, &err);
    if (!r) {
        teach(l, host, side, now);
        l->event = stamped;
        l->event_len = len;
        r = mmr_pipeline_event(l->pipeline, l->view, now, &err);
    }
    if (r) {
        l->refused++;
        mmr_log(MMR_LOG_WARN, "event.refused", "from=%s reason=\"%s\"", host, err.text);
    } else {
        l->events++;
    }
}

static void take_receipt(struct mmr_live *l, const char *node, uint64_t id, const void *bytes, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_receipt r = {0};
    const void *map;
    size_t map_len;
    int code;
    int bad = mmr_receipt_unwrap(bytes, len, &code, &map, &map_len, &err);
    if (!bad && map_len)
        bad = mmr_receipt_decode(map, map_len, &r, &err);
    if (bad) {
        mmr_log(MMR_LOG_WARN, "receipt.refused", "node=%s action=%016llx reason=\"%s\"", node, (unsigned long long)id, err.text);
        r = (struct mmr_receipt){.result = MMR_RESULT_FAILED};
        (void)snprintf(r.detail, sizeof r.detail, "the responder's answer could not be read");
    } else if (code != 0 && r.result == MMR_RESULT_NONE) {
        r.result = code == MMR_EUNSUPPORTED ? MMR_RESULT_UNSUPPORTED : code == MMR_EPERM ? MMR_RESULT_REFUSED : MMR_RESULT_FAILED;
    }
    if (mmr_selftest_receipt(&l->selftest, id, &r))
        return;
    int64_t *const times[] = {&r.applied_ns, &r.verified_ns, &r.expires_ns, &r.revoked_ns};
    for (size_t k = 0; k < sizeof times / sizeof times[0]; k++)
        *times[k] += *times[k] ? l->ahead_ns : 0; /* 0 but with a simulated clock */
    if ((r.result == MMR_RESULT_APPLIED || r.result == MMR_RESULT_ALREADY) && mmr_undone_take(&l->undone, id))
        r.revoked_ns = mmr_clock_wall_ns();
    if (mmr_pipeline_receipt(l->pipeline, id, &r, mmr_clock_wall_ns(), &err) != 0 && !r.revoked_ns)
        mmr_log(MMR_LOG_INFO, "receipt.unknown", "node=%s action=%016llx what=\"nobody waits for it\"", node, (unsigned long long)id);
}

/* ---- this machine's hosts ---- */

static bool has_network_sensor(const struct mmr_roster_slot *s) /* eyes.c keeps the gaps of the endpoint's */
{
    for (uint32_t i = 0; s->instance && i < MMR_LOCAL_INSTANCES_MAX; i++)
        if (s->instance[i].is_used && s->instance[i].side == MMR_SIDE_NETWORK && s->instance[i].roles & MMR_ROLE_SENSOR)
            return true;
    return false;
}

static void welcome(struct mmr_live *l, uint32_t slot)
{
    struct mmr_roster_slot *s = &l->roster.slot[slot];
    const uint8_t *epoch = s->epoch;
    s->is_asking = false;
    s->has_epoch = s->is_up = true;
    s->is_reconciled = false;
    s->up_ns = mmr_clock_wall_ns();
    if (s->down_ns && has_network_sensor(s))
        mmr_weekly_gap(l, s->down_ns, s->up_ns, s->host, "unknown", false);
    s->down_ns = 0;
    for (uint32_t lane = 0; lane < MMR_LANES; lane++)
        s->upto[lane] = s->acked[lane] = mmr_persist_upto(l->persist, epoch, lane);
    mmr_local_welcome(l->server, slot, epoch, s->upto);
    mmr_listeners_tell(&l->roster, l->server, slot, "notice.answer"); /* no finding, but the notices read it */
    mmr_live_eyes_slot(l, slot);
    mmr_live_responders(l);
    if (l->is_settled) /* before, somebody else would be asked for what a responder that is about to connect holds */
        mmr_pipeline_reconsider(l->pipeline, s->up_ns);
}

static void on_hello(void *ctx, uint32_t slot, const uint8_t epoch[16])
{
    struct mmr_live *l = ctx;
    struct mmr_roster_slot *s = &l->roster.slot[slot];
    memcpy(s->epoch, epoch, 16);
    s->is_asking = true;
    if (s->is_ready)
        welcome(l, slot);
}

void mmr_live_known(struct mmr_live *l, uint32_t slot)
{
    l->roster.slot[slot].is_ready = true;
    if (l->roster.slot[slot].is_asking)
        welcome(l, slot);
}

static void on_record(void *ctx, const struct mmr_local_record *r)
{
    struct mmr_live *l = ctx;
    struct mmr_roster_instance *i = mmr_roster_get(&l->roster, r->slot, r->instance);
    struct mmr_error err = {.struct_size = sizeof err};
    if (r->lane < MMR_LANES && memcmp(r->epoch, l->roster.slot[r->slot].epoch, 16) == 0 &&
        r->seq > l->roster.slot[r->slot].upto[r->lane])
        l->roster.slot[r->slot].upto[r->lane] = r->seq;
    if (!i) {
        l->refused++;
        return;
    }
    if (r->kind == MMR_LOCAL_EVENT) {
        size_t len;
        if (mmr_stamp_event(&i->stamper, r->bytes, r->len, r->number, mmr_clock_wall_ns(), NULL, l->stamped,
                            MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX, &len, NULL, &err) != 0) {
            i->refused++;
            l->refused++;
            mmr_log(MMR_LOG_WARN, "event.refused", "instance=%s reason=\"%s\"", i->name, err.text);
            return;
        }
        i->events++;
        if (l->ahead_ns)
            (void)mmr_stamp_offset(l->stamped, len, MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX, l->ahead_ns, &len);
        pass_on(l, l->roster.hostname, i->side, l->stamped, len);
        mmr_listeners_event(&l->roster, l->server, r->slot, r->instance, l->stamped, len, l->view);
    } else if (r->kind == MMR_LOCAL_RECEIPT) {
        take_receipt(l, l->roster.node, r->number, r->bytes, r->len);
    } else if (r->kind == MMR_LOCAL_FORWARDED) {
        mmr_live_forwarded(l, r->slot, r->instance, r->number, r->bytes, r->len);
    }
}

static void on_gone(void *ctx, uint32_t slot, bool is_bye)
{
    struct mmr_live *l = ctx;
    if (l->roster.slot[slot].is_up)
        l->roster.slot[slot].down_ns = mmr_clock_wall_ns();
    l->roster.slot[slot].is_up = l->roster.slot[slot].is_asking = false;
    mmr_live_eyes_slot_gone(l, slot, is_bye);
    mmr_live_responders(l);
}

static void on_lost(void *ctx, uint32_t slot, uint64_t seq, const struct mmr_local_lost *lost)
{
    struct mmr_live *l = ctx;
    if (seq > l->roster.slot[slot].upto[MMR_LANE_FINDING])
        l->roster.slot[slot].upto[MMR_LANE_FINDING] = seq;
    uint8_t buf[1024];
    struct mmr_event ev;
    char text[200];
    mmr_live_eyes_slot_lost(l, slot, lost->first_ns);
    (void)snprintf(text, sizeof text, "host %s: %llu telemetry events were dropped because they came faster than they could be taken",
                   l->roster.slot[slot].host, (unsigned long long)lost->records);
    mmr_event_begin(&ev, buf, sizeof buf, "events.lost", MMR_CLASS_EVENT_LOG, 99, mmr_clock_wall_ns(), 3);
    mmr_event_str(&ev, "message", text);
    mmr_event_int(&ev, "unmapped.records", (int64_t)lost->records);
    if (mmr_event_end(&ev) == 0)
        mmr_live_fact(l, ev.buf, ev.len);
}

static void on_misbehaved(void *ctx, uint32_t slot, uint64_t count, const char *what)
{
    const struct mmr_live *l = ctx;
    mmr_log(MMR_LOG_WARN, "plugin.misbehaves", "host=%s count=%llu what=\"%s\"", l->roster.slot[slot].host,
            (unsigned long long)count, what);
    mmr_tell_misbehaved(l->tether, slot, what);
}

const struct mmr_local_server_ops mmr_live_local_ops = {.hello = on_hello, .record = on_record, .gone = on_gone,
                                                        .lost = on_lost, .misbehaved = on_misbehaved};

/* ---- nodes of the site ---- */

static void site_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    struct mmr_live *l = ctx;
    struct mmr_roster_node *n = mmr_roster_node(&l->roster, node);
    uint64_t upto[MMR_LANES] = {0};
    if (n) {
        memcpy(n->epoch, epoch, 16);
        n->has_epoch = n->is_up = true;
        n->up_ns = n->hello_ns = mmr_clock_wall_ns();
        n->settle_until_ns = 0;
        for (uint32_t lane = 0; lane < MMR_LANES; lane++)
            upto[lane] = n->upto[lane] = n->acked[lane] = mmr_persist_upto(l->persist, epoch, lane);
        mmr_log(MMR_LOG_INFO, "node.up", "node=%s", node);
        mmr_membership_up(l->membership, node);
    }
    mmr_site_hub_welcome(l->hub, node, epoch, upto);
    mmr_live_responders(l);
    mmr_pipeline_reconsider(l->pipeline, mmr_clock_wall_ns());
}

/* Events of a node were stamped by its agent; what they claim of their origin must be the key's owner. */
static bool is_own_name(struct mmr_live *l, const struct mmr_site_record *r, uint32_t *ret_side)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_event_read(r->bytes, r->len, l->view, &err) != 0)
        return false;
    *ret_side = mmr_value_is(mmr_event_get(l->view, "mamori.side"), "network") ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT;
    return mmr_value_is(mmr_event_get(l->view, "mamori.node"), r->node);
}

/* A node's times become the hub's by the offset measured on the link, when it is known better than it is large. */
static void pass_on_corrected(struct mmr_live *l, const struct mmr_roster_node *n, uint32_t side, const struct mmr_site_record *r)
{
    const char *host = n->hostname[0] ? n->hostname : n->name;
    struct mmr_site_clock clock;
    size_t len;
    if (mmr_site_hub_clock(l->hub, n->name, &clock) && clock.measured_ns && llabs(clock.offset_ns) > clock.error_ns &&
        r->len <= MMR_EVENT_BYTES_MAX) {
        memcpy(l->stamped, r->bytes, r->len);
        if (mmr_stamp_offset(l->stamped, r->len, MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX, clock.offset_ns, &len) == 0) {
            pass_on(l, host, side, l->stamped, len);
            return;
        }
    }
    pass_on(l, host, side, r->bytes, r->len);
}

static void site_record(void *ctx, const struct mmr_site_record *r)
{
    struct mmr_live *l = ctx;
    struct mmr_roster_node *n = mmr_roster_node(&l->roster, r->node);
    struct mmr_error err = {.struct_size = sizeof err};
    uint32_t side;
    if (!n)
        return;
    if (r->lane < MMR_LANES && r->seq > n->upto[r->lane])
        n->upto[r->lane] = r->seq;
    switch (r->kind) {
    case MMR_LOCAL_EVENT:
        if (!is_own_name(l, r, &side)) {
            l->refused++;
            mmr_log(MMR_LOG_WARN, "node.misbehaves", "node=%s what=\"an event that is not stamped with its own name\"", r->node);
            return;
        }
        mmr_live_eyes_event(l, n, r->lane, l->view);
        pass_on_corrected(l, n, side, r);
        return;
    case MMR_LOCAL_RECEIPT: take_receipt(l, r->node, r->number, r->bytes, r->len); return;
    case MMR_LOCAL_CONTROL:
        if (mmr_event_read(r->bytes, r->len, l->view, &err) != 0 || mmr_roster_described(n, l->view, &err) != 0) {
            mmr_log(MMR_LOG_WARN, "node.misbehaves", "node=%s what=\"%s\"", r->node, err.text);
            return;
        }
        mmr_live_eyes_account(l, n);
        n->up_ns = mmr_clock_wall_ns(); /* what it can do is known now */
        mmr_live_responders(l);
        mmr_pipeline_reconsider(l->pipeline, n->up_ns);
        return;
    default: mmr_membership_record(l->membership, r); return;
    }
}

static void site_gone(void *ctx, const char *node, bool is_bye)
{
    struct mmr_live *l = ctx;
    struct mmr_roster_node *n = mmr_roster_node(&l->roster, node);
    if (!n)
        return;
    n->is_up = false;
    n->down_ns = mmr_clock_wall_ns();
    mmr_live_eyes_node_gone(l, n, is_bye);
    mmr_log(MMR_LOG_WARN, "node.gone", "node=%s on_purpose=%d", node, is_bye);
    mmr_membership_gone(l->membership, node, is_bye);
    mmr_live_responders(l);
}

static void site_misbehaved(void *ctx, const char *node, uint64_t count, const char *what)
{
    struct mmr_live *l = ctx;
    mmr_log(MMR_LOG_WARN, "site.misbehaves", "node=%s count=%llu what=\"%s\"", node, (unsigned long long)count, what);
    mmr_membership_misbehaved(l->membership, node, what);
}

static int site_rotate(void *ctx, const char *node, const struct mmr_public_keys *next)
{
    struct mmr_live *l = ctx;
    return mmr_membership_rotate(l->membership, node, next);
}

static void site_rotated(void *ctx, const char *node, const struct mmr_public_keys *now)
{
    struct mmr_live *l = ctx;
    (void)now;
    mmr_membership_rotated(l->membership, node);
}

const struct mmr_site_hub_ops mmr_live_site_ops = {.hello = site_hello, .record = site_record, .gone = site_gone,
                                                   .rotate = site_rotate, .rotated = site_rotated, .misbehaved = site_misbehaved};

/* ---- the core's own ---- */

void mmr_live_fact(struct mmr_live *l, const void *event, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    size_t out;
    int64_t now = mmr_clock_wall_ns();
    if (mmr_stamp_event(&l->core_stamper, event, len, ++l->core_seq, now, NULL, l->stamped,
                        MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX, &out, NULL, &err) != 0) {
        mmr_log(MMR_LOG_ERR, "fact.refused", "reason=\"%s\"", err.text);
        return;
    }
    pass_on(l, l->roster.hostname, MMR_SIDE_NETWORK, l->stamped, out);
    char kind[64] = "", text[300] = "", json[512];
    if (mmr_event_read(event, len, l->view, &err) == 0) {
        (void)mmr_event_copy_str(l->view, "mamori.kind", kind, sizeof kind);
        (void)mmr_event_copy_str(l->view, "message", text, sizeof text);
    }
    for (char *c = text; *c; c++)
        if (*c == '"' || *c == '\\' || (unsigned char)*c < 0x20)
            *c = '_';
    (void)snprintf(json, sizeof json, "{\"kind\":\"%s\",\"message\":\"%s\"}", kind, text);
    (void)mmr_persist_note(l->persist, kind, json, now, &err);
}

int mmr_live_put_received(struct mmr_live *l, struct mmr_error *err)
{
    int r = 0;
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t lane = 0; lane < MMR_LANE_OTHER && !r; lane++) {
            const struct mmr_roster_slot *x = &l->roster.slot[s];
            if (x->has_epoch && x->upto[lane] > x->acked[lane])
                r = mmr_persist_received(l->persist, x->epoch, lane, x->upto[lane], err);
        }
    for (size_t k = 0; k < l->roster.n_nodes; k++)
        for (uint32_t lane = 0; lane < MMR_LANES && !r; lane++) {
            const struct mmr_roster_node *n = &l->roster.nodes[k];
            if (n->has_epoch && n->upto[lane] > n->acked[lane])
                r = mmr_persist_received(l->persist, n->epoch, lane, n->upto[lane], err);
        }
    return r;
}

void mmr_live_acknowledge(struct mmr_live *l)
{
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t lane = 0; lane < MMR_LANE_OTHER; lane++) {
            struct mmr_roster_slot *x = &l->roster.slot[s];
            if (!x->has_epoch || x->upto[lane] == x->acked[lane])
                continue;
            mmr_local_ack(l->server, s, x->epoch, lane, x->upto[lane]);
            x->acked[lane] = x->upto[lane];
        }
    for (size_t k = 0; k < l->roster.n_nodes; k++)
        for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
            struct mmr_roster_node *n = &l->roster.nodes[k];
            if (!n->has_epoch || n->upto[lane] == n->acked[lane])
                continue;
            mmr_site_hub_ack(l->hub, n->name, n->epoch, lane, n->upto[lane]);
            n->acked[lane] = n->upto[lane];
        }
}
