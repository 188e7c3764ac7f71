/*
 * agent_intake.c - records of this machine's plugin hosts, stamped, into the spool on disk that the hub empties. A host hears
 * that a record is committed when the spool's commit is done; in the same commit stands how far the host was taken, so a record
 * that comes again after a crash is known. When the spool is full the host is simply not answered: its window fills, its
 * sensors wait, nothing is lost.
 */
#include "brain/agent.h"
#include "brain/listeners.h"

#include "plugin/order.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/log.h"

#include <stdio.h>
#include <string.h>

enum { RECEIPT_BYTES_MAX = 64 * 1024 };

/* ---- into the spool ---- */

int mmr_agent_say(struct mmr_agent *a, uint32_t lane, const char *instance, uint32_t kind, uint64_t number, const void *bytes,
                  size_t len)
{
    return mmr_site_node_send(a->link, lane, instance, kind, number, bytes, len, NULL);
}

/* The name travels with at most MMR_SITE_NAME_MAX bytes. */
static const char *cut(const char *name, char buf[MMR_SITE_NAME_MAX + 1])
{
    (void)snprintf(buf, MMR_SITE_NAME_MAX + 1, "%.*s", (int)MMR_SITE_NAME_MAX, name);
    return buf;
}

/* What is never dropped: lanes 0 and 1. */
static size_t kept_bytes(const struct mmr_agent *a)
{
    return mmr_spool_disk_bytes(a->spool, MMR_LANE_URGENT) + mmr_spool_disk_bytes(a->spool, MMR_LANE_FINDING);
}

bool mmr_agent_is_crowded(const struct mmr_agent *a)
{
    return kept_bytes(a) > a->spool_bytes / 2;
}

/* A numbered record of a host; false: no room, it must come again. */
static bool pass_on(struct mmr_agent *a, const struct mmr_local_record *r, const char *instance, uint32_t kind, const void *bytes,
                    size_t len)
{
    char name[MMR_SITE_NAME_MAX + 1];
    if (kept_bytes(a) + len + MMR_AGENT_RESERVE > a->spool_bytes)
        return false;
    int e = mmr_site_node_send(a->link, r->lane, cut(instance, name), kind, r->number, bytes, len, NULL);
    if (e == MMR_EAGAIN || e == MMR_ENOMEM)
        return false;
    if (e) { /* it can never be sent: said, and done with */
        mmr_log(MMR_LOG_WARN, "record.refused", "instance=%s bytes=%zu code=%d", instance, len, e);
        a->refused++;
    }
    return true;
}

/* The same record sent again after an agent's restart has the same id: whoever has it already sees that. */
static void id_of(const struct mmr_agent *a, const struct mmr_local_record *r, uint8_t ret_id[16])
{
    char text[160];
    int n = snprintf(text, sizeof text, "%s %u %llu ", a->roster.node, r->lane, (unsigned long long)r->seq);
    size_t len = n > 0 && (size_t)n < sizeof text - 16 ? (size_t)n : 0;
    memcpy(text + len, r->epoch, 16);
    mmr_uuid_of(text, len + 16, ret_id);
}

static bool take_event(struct mmr_agent *a, const struct mmr_local_record *r, struct mmr_roster_instance *i)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t id[16] = {0};
    size_t len;
    if (r->lane < MMR_LANE_OTHER)
        id_of(a, r, id);
    if (mmr_stamp_event(&i->stamper, r->bytes, r->len, r->number, mmr_clock_wall_ns(), r->lane < MMR_LANE_OTHER ? id : NULL,
                        a->stamped, MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX, &len, NULL, &err) != 0) {
        i->refused++;
        a->refused++;
        mmr_log(MMR_LOG_WARN, "event.refused", "instance=%s reason=\"%s\"", i->name, err.text);
        return true;
    }
    if (r->lane < MMR_LANE_OTHER && !pass_on(a, r, i->name, MMR_LOCAL_EVENT, a->stamped, len))
        return false;
    if (r->lane >= MMR_LANE_OTHER) {
        char name[MMR_SITE_NAME_MAX + 1];
        (void)mmr_site_node_send(a->link, MMR_LANE_TELEMETRY, cut(i->name, name), MMR_LOCAL_EVENT, r->number, a->stamped, len,
                                 NULL); /* full: the spool counts what it drops */
    }
    i->events++;
    a->events++;
    mmr_listeners_event(&a->roster, a->server, r->slot, r->instance, a->stamped, len, a->view);
    return true;
}

static bool take_receipt(struct mmr_agent *a, const struct mmr_local_record *r, const struct mmr_roster_instance *i)
{
    uint8_t other[1024];
    size_t len;
    if (r->lane != MMR_LANE_URGENT || r->len > RECEIPT_BYTES_MAX) {
        mmr_log(MMR_LOG_WARN, "receipt.refused", "instance=%s lane=%u bytes=%zu", i->name, r->lane, r->len);
        a->refused++;
        return true;
    }
    if (mmr_agent_receipt(a, r->number, r->bytes, r->len, other, sizeof other, &len))
        return pass_on(a, r, i->name, MMR_LOCAL_RECEIPT, other, len);
    return pass_on(a, r, i->name, MMR_LOCAL_RECEIPT, r->bytes, r->len);
}

/* ---- from the local bus ---- */

static void welcome(struct mmr_agent *a, uint32_t slot)
{
    struct mmr_roster_slot *s = &a->roster.slot[slot];
    s->is_asking = false;
    s->has_epoch = s->is_up = true;
    s->up_ns = mmr_clock_wall_ns();
    a->is_stalled[slot] = false;
    a->is_account_due = true;
    mmr_local_welcome(a->server, slot, s->epoch, s->acked); /* what was taken since is not committed: it may come again */
    mmr_listeners_tell(&a->roster, a->server, slot, "");
}

static void on_hello(void *ctx, uint32_t slot, const uint8_t epoch[16])
{
    struct mmr_agent *a = ctx;
    struct mmr_roster_slot *s = &a->roster.slot[slot];
    if (!s->has_epoch || memcmp(s->epoch, epoch, 16) != 0) {
        memcpy(s->epoch, epoch, 16);
        for (uint32_t lane = 0; lane < MMR_LANES; lane++) /* of before our own start, if the host is older than we are */
            s->upto[lane] = s->acked[lane] = lane < MMR_LANE_OTHER ? mmr_spool_disk_marked(a->spool, epoch, lane) : 0;
    }
    s->is_asking = true;
    if (s->is_ready)
        welcome(a, slot);
}

void mmr_agent_known(struct mmr_agent *a, uint32_t slot)
{
    a->roster.slot[slot].is_ready = true;
    if (a->roster.slot[slot].is_asking)
        welcome(a, slot);
}

/* Nothing of this host is heard any more; it keeps what it was not acknowledged. */
static void stall(struct mmr_agent *a, uint32_t slot)
{
    if (!a->is_stalled[slot])
        mmr_log(MMR_LOG_WARN, "spool.full", "host=%s bytes=%zu hub_up=%d", a->roster.slot[slot].host, kept_bytes(a),
                a->is_hub_up);
    a->is_stalled[slot] = true;
}

static void on_record(void *ctx, const struct mmr_local_record *r)
{
    struct mmr_agent *a = ctx;
    struct mmr_roster_slot *s = &a->roster.slot[r->slot];
    struct mmr_roster_instance *i = mmr_roster_get(&a->roster, r->slot, r->instance);
    const bool is_numbered = r->lane < MMR_LANE_OTHER;
    bool is_taken = true;
    if (memcmp(r->epoch, s->epoch, 16) != 0)
        return;
    if (is_numbered && (a->is_stalled[r->slot] || r->seq <= s->upto[r->lane]))
        return; /* to come again; or in the spool already */
    if (i && r->kind == MMR_LOCAL_EVENT)
        is_taken = take_event(a, r, i);
    else if (i && r->kind == MMR_LOCAL_RECEIPT)
        is_taken = take_receipt(a, r, i);
    else {
        a->refused++;
    }
    if (!is_taken)
        stall(a, r->slot);
    else if (is_numbered)
        s->upto[r->lane] = r->seq;
}

static void on_gone(void *ctx, uint32_t slot, bool is_bye)
{
    struct mmr_agent *a = ctx;
    (void)is_bye;
    a->roster.slot[slot].is_up = a->roster.slot[slot].is_asking = false;
    a->is_account_due = true;
}

static int lost_event(const char *whose, uint64_t n, void *buf, size_t cap, size_t *ret_len)
{
    struct mmr_event ev;
    char text[200];
    (void)snprintf(text, sizeof text, "%s: %llu telemetry events were dropped because they came faster than they could be taken",
                   whose, (unsigned long long)n);
    mmr_event_begin(&ev, buf, cap, "events.lost", MMR_CLASS_EVENT_LOG, 99, mmr_clock_wall_ns(), 3);
    mmr_event_str(&ev, "message", text);
    mmr_event_int(&ev, "unmapped.records", (int64_t)n);
    int r = mmr_event_end(&ev);
    *ret_len = ev.len;
    return r;
}

static int stamp_own(struct mmr_agent *a, const void *event, size_t len, size_t *ret_len, struct mmr_error *err)
{
    return mmr_stamp_event(&a->core_stamper, event, len, ++a->core_seq, mmr_clock_wall_ns(), NULL, a->stamped,
                           MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX, ret_len, NULL, err);
}

static void on_lost(void *ctx, uint32_t slot, uint64_t seq, const struct mmr_local_lost *lost)
{
    struct mmr_agent *a = ctx;
    struct mmr_roster_slot *s = &a->roster.slot[slot];
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t buf[1024];
    char whose[80];
    size_t len, out;
    const struct mmr_local_record r = {.slot = slot, .lane = MMR_LANE_FINDING, .seq = seq, .epoch = s->epoch,
                                       .number = a->core_seq + 1};
    if (a->is_stalled[slot] || seq <= s->upto[MMR_LANE_FINDING])
        return;
    (void)snprintf(whose, sizeof whose, "host %s", s->host);
    if (lost_event(whose, lost->records, buf, sizeof buf, &len) == 0 && stamp_own(a, buf, len, &out, &err) == 0) {
        if (!pass_on(a, &r, "core", MMR_LOCAL_EVENT, a->stamped, out)) {
            stall(a, slot);
            return;
        }
    } else {
        a->refused++;
    }
    s->upto[MMR_LANE_FINDING] = seq;
}

static void on_misbehaved(void *ctx, uint32_t slot, uint64_t count, const char *what)
{
    const struct mmr_agent *a = ctx;
    mmr_log(MMR_LOG_WARN, "plugin.misbehaves", "host=%s count=%llu what=\"%s\"", a->roster.slot[slot].host,
            (unsigned long long)count, what);
    mmr_tell_misbehaved(a->tether, slot, what);
}

const struct mmr_local_server_ops mmr_agent_local_ops = {.hello = on_hello, .record = on_record, .gone = on_gone,
                                                         .lost = on_lost, .misbehaved = on_misbehaved};

/* ---- committed ---- */

/* In the same transaction as the records: how far each host was taken. */
static bool put_marks(struct mmr_agent *a)
{
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t lane = 0; lane < MMR_LANE_OTHER; lane++) {
            const struct mmr_roster_slot *x = &a->roster.slot[s];
            if (x->has_epoch && x->upto[lane] > x->acked[lane] && mmr_spool_disk_mark(a->spool, x->epoch, lane, x->upto[lane]) != 0)
                return false;
        }
    return true;
}

static bool has_unmarked(const struct mmr_agent *a)
{
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t lane = 0; lane < MMR_LANE_OTHER; lane++)
            if (a->roster.slot[s].has_epoch && a->roster.slot[s].upto[lane] > a->roster.slot[s].acked[lane])
                return true;
    return false;
}

void mmr_agent_commit(struct mmr_agent *a)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (has_unmarked(a) && mmr_spool_disk_deadline_ns(a->spool) == INT64_MAX)
        (void)put_marks(a); /* nothing but refused records came: they are answered with a commit, too */
    if (!mmr_spool_disk_is_due(a->spool, mmr_clock_mono_ns()) || !put_marks(a))
        return;
    int r = mmr_spool_disk_commit(a->spool, &err);
    if ((r != 0) != a->is_spool_failing) {
        a->is_spool_failing = r != 0;
        mmr_log(r ? MMR_LOG_ERR : MMR_LOG_INFO, r ? "spool.failing" : "spool.works_again", "%s%s%s", r ? "reason=\"" : "", r ? err.text : "",
                r ? "\"" : "");
    }
    if (r)
        return; /* everything is still there; it is tried again in a second */
    a->commits++;
    mmr_site_node_committed(a->link);
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++)
        for (uint32_t lane = 0; lane < MMR_LANE_OTHER; lane++) {
            struct mmr_roster_slot *x = &a->roster.slot[s];
            if (!x->has_epoch || x->upto[lane] == x->acked[lane])
                continue;
            mmr_local_ack(a->server, s, x->epoch, lane, x->upto[lane]);
            x->acked[lane] = x->upto[lane];
        }
}

/* Half empty before anybody is asked again: else each small room would cost a host's whole window on the wire. */
void mmr_agent_unstall(struct mmr_agent *a)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_agent_is_crowded(a) || a->is_spool_failing)
        return;
    for (uint32_t s = 0; s < MMR_LOCAL_SLOTS_MAX; s++) {
        if (!a->is_stalled[s])
            continue;
        a->is_stalled[s] = false;
        mmr_local_slot_close(a->server, s); /* a host whose core begins anew says HELLO and sends what was not acknowledged */
        if (mmr_local_slot_open(a->server, s, a->endpoint[s], a->secret[s], &err) != 0) {
            mmr_log(MMR_LOG_ERR, "slot.not_open", "host=%s reason=\"%s\"", a->roster.slot[s].host, err.text);
            a->is_stalled[s] = true;
        }
    }
}

/* ---- the core's own ---- */

void mmr_agent_fact(struct mmr_agent *a, const void *event, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    size_t out;
    int r = stamp_own(a, event, len, &out, &err);
    if (!r && (r = mmr_agent_say(a, MMR_LANE_FINDING, "core", MMR_LOCAL_EVENT, a->core_seq, a->stamped, out)) != 0)
        (void)mmr_fail(&err, r, "the spool is full");
    if (r)
        mmr_log(MMR_LOG_ERR, "fact.refused", "reason=\"%s\"", err.text);
}

void mmr_agent_spool_drops(struct mmr_agent *a)
{
    uint8_t buf[1024];
    size_t len;
    static const char *const whose[MMR_LANES] = {"", "", "the way to the hub (findings)", "the way to the hub"};
    for (uint32_t lane = MMR_LANE_OTHER; lane < MMR_LANES; lane++) {
        uint64_t n = mmr_spool_disk_untold(a->spool, lane, false);
        if (!a->is_hub_up || n == 0)
            continue; /* one account of it all once somebody listens */
        if (lost_event(whose[lane], n, buf, sizeof buf, &len) == 0) {
            (void)mmr_spool_disk_untold(a->spool, lane, true); /* in one commit with the account */
            mmr_agent_fact(a, buf, len);
        }
    }
}
