/* uplink.c - see uplink.h. */
#include "brain/uplink.h"

#include "brain/live.h"
#include "brain/site_conf.h"
#include "bus/upstream.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    EACH_MAX = 128,                    /* rows in flight: urgent ones, and others */
    FLIGHT_BYTES_MAX = 16 * 1024 * 1024,
    SPOOL_BYTES = 64 * 1024 * 1024,    /* never full: what is in flight, one longest row and their heads are less */
};

struct flight {
    uint64_t row, last; /* of the outbox; the number of its last part in the lane */
    uint32_t lane;
    size_t len;
};
struct mmr_uplink {
    struct mmr_live *l;
    struct mmr_spool_memory *spool;
    struct mmr_site_node *link;
    bool is_up;
    int64_t since_ns; /* monotonic */
    struct flight flight[2 * EACH_MAX];
    uint32_t n, n_lane[MMR_LANES];
    size_t bytes;
    uint64_t never[2 * EACH_MAX]; /* rows the link will never take */
    uint32_t n_never;
    uint8_t *buf;
    uint64_t marked; /* up to this record the evidence's checkpoint was sent on this link */
};

/* ---- rows ---- */

static uint32_t lane_of(const struct mmr_outbox_row *row)
{
    return row->is_urgent ? MMR_LANE_URGENT : MMR_LANE_OTHER;
}

static bool is_in_flight(const struct mmr_uplink *u, uint64_t row)
{
    for (uint32_t i = 0; i < u->n; i++)
        if (u->flight[i].row == row)
            return true;
    return false;
}

static int send_row(struct mmr_uplink *u, const struct mmr_outbox_row *row, uint64_t *ret_last)
{
    struct mmr_upstream_part p = {.at_ns = row->at_ns, .parts = (uint32_t)(row->len / MMR_UPSTREAM_PART_MAX) + 1};
    if (strlen(row->kind) > MMR_UPSTREAM_KIND_MAX || row->len > MMR_UPSTREAM_BYTES_MAX)
        return MMR_ETOOBIG;
    (void)snprintf(p.kind, sizeof p.kind, "%s", row->kind);
    for (int r = 0; p.part < p.parts; p.part++) {
        size_t at = (size_t)p.part * MMR_UPSTREAM_PART_MAX;
        p.bytes = row->json + at;
        p.len = row->len - at < MMR_UPSTREAM_PART_MAX ? row->len - at : MMR_UPSTREAM_PART_MAX;
        size_t n = mmr_upstream_put(&p, u->buf);
        if ((r = mmr_site_node_send(u->link, lane_of(row), "outbox", MMR_UPSTREAM_RECORD, row->seq, u->buf, n, ret_last)) != 0)
            return r;
    }
    return 0;
}

static int offer(void *ctx, const struct mmr_outbox_row *row)
{
    struct mmr_uplink *u = ctx;
    uint32_t lane = lane_of(row);
    uint64_t last = 0;
    if (is_in_flight(u, row->seq))
        return 0;
    if (lane != MMR_LANE_URGENT && u->n_lane[MMR_LANE_URGENT]) /* two connections keep no order: what is severe is there first */
        return 1;
    if (u->n_lane[lane] == EACH_MAX || u->bytes + row->len > FLIGHT_BYTES_MAX || u->n_never == 2 * EACH_MAX)
        return 1;
    int r = send_row(u, row, &last);
    if (r == MMR_EAGAIN || r == MMR_ENOMEM) /* a part of it may be on its way: what follows begins it anew */
        return 1;
    if (r) {
        mmr_log(MMR_LOG_ERR, "upstream.not_sent", "row=%llu kind=%s bytes=%zu code=%d", (unsigned long long)row->seq, row->kind, row->len, r);
        u->never[u->n_never++] = row->seq;
        return 0;
    }
    u->flight[u->n++] = (struct flight){.row = row->seq, .last = last, .lane = lane, .len = row->len};
    u->n_lane[lane]++;
    u->bytes += row->len;
    return 0;
}

static void note(struct mmr_uplink *u, uint64_t row, int level, const char *detail)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_persist_forwarded(u->l->persist, MMR_UPLINK_FORWARDER, row, level, mmr_clock_wall_ns(), detail, &err) != 0)
        mmr_log(MMR_LOG_WARN, "upstream.not_recorded", "row=%llu reason=\"%s\"", (unsigned long long)row, err.text);
}

/* The newest checkpoint of the evidence: again at each start, and whenever there is a newer one. Repeated it changes nothing. */
static void send_mark(struct mmr_uplink *u, struct mmr_db *db)
{
    struct mmr_evidence_mark m;
    struct mmr_upstream_checkpoint c;
    uint8_t buf[MMR_UPSTREAM_CHECKPOINT_MAX];
    if (mmr_evidence_last_mark(db, &m, NULL) != 0 || m.seq == u->marked)
        return;
    c.seq = m.seq;
    c.time_ns = m.time_ns;
    memcpy(c.hash, m.hash, sizeof c.hash);
    memcpy(c.key, m.key, sizeof c.key);
    memcpy(c.sig, m.sig, sizeof c.sig);
    size_t n = mmr_upstream_put_checkpoint(&c, buf);
    if (mmr_site_node_send(u->link, MMR_LANE_OTHER, "evidence", MMR_UPSTREAM_CHECKPOINT, m.seq, buf, n, NULL) == 0)
        u->marked = m.seq;
}

void mmr_uplink_offer(struct mmr_uplink *u)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_db *db = u ? mmr_persist_db(u->l->persist) : NULL;
    if (!u || !u->is_up || mmr_db_has_batch(db)) /* only what is committed; it is called again after each commit */
        return;
    u->n_never = 0;
    if (mmr_store_outbox_pending(db, MMR_UPLINK_FORWARDER, 2 * EACH_MAX, offer, u, &err) < 0)
        mmr_log(MMR_LOG_WARN, "upstream.outbox_not_read", "reason=\"%s\"", err.text);
    send_mark(u, db);
    for (uint32_t i = 0; i < u->n_never; i++)
        note(u, u->never[i], MMR_DELIVERY_FAILED, "the link does not take it");
}

/* ---- the link ---- */

static void on_acked(void *ctx, uint32_t lane, uint64_t upto)
{
    struct mmr_uplink *u = ctx;
    for (uint32_t i = 0; i < u->n;) {
        struct flight *f = &u->flight[i];
        if (f->lane != lane || f->last > upto) {
            i++;
            continue;
        }
        note(u, f->row, MMR_DELIVERY_GATEWAY, "collector");
        u->n_lane[lane]--;
        u->bytes -= f->len;
        *f = u->flight[--u->n];
        u->l->has_news = true;
    }
}

static void on_state(void *ctx, bool is_up)
{
    struct mmr_uplink *u = ctx;
    int64_t now = mmr_clock_mono_ns();
    mmr_log(is_up ? MMR_LOG_INFO : MMR_LOG_WARN, is_up ? "upstream.up" : "upstream.gone", "collector=%s after_s=%lld",
            mmr_config_str(u->l->config, "upstream.collector"), (long long)((now - u->since_ns) / MMR_NS_PER_S));
    u->is_up = is_up;
    u->since_ns = now;
    u->l->has_news = true;
}

static void on_order(void *ctx, const struct mmr_site_record *order)
{
    (void)ctx; /* a collector takes; what a site does is decided in the site */
    mmr_log(MMR_LOG_WARN, "upstream.order_refused", "kind=%u", order->kind);
}

static void on_refused(void *ctx, const char *what)
{
    (void)ctx;
    mmr_log(MMR_LOG_WARN, "upstream.refused", "what=\"%s\"", what);
}

static const struct mmr_site_node_ops link_ops = {.order = on_order, .acked = on_acked, .state = on_state, .refused = on_refused};

static int open_link(struct mmr_uplink *u, struct mmr_error *err)
{
    const struct mmr_config *c = u->l->config;
    const char *collector = mmr_config_str(c, "upstream.collector"), *key = mmr_config_str(c, "upstream.collector_key"),
               *name = mmr_config_str(c, "upstream.name");
    struct mmr_public_keys pub;
    struct mmr_keys keys;
    char bulk[128], dir[4200];
    if (!key || !name)
        return mmr_fail(err, MMR_ECONFIG, "upstream.collector is set, but not %s: run 'mamori upstream join TOKEN' here, which sets all three",
                        key ? "upstream.name" : "upstream.collector_key");
    (void)snprintf(dir, sizeof dir, "%s/" MMR_UPLINK_DIR, mmr_config_str(c, "node.state_dir"));
    int r = mmr_site_port_endpoint(collector, 1, bulk, sizeof bulk, err);
    if (!r)
        r = mmr_site_read_public(key, &pub, err);
    if (!r)
        r = mmr_site_read_keys(dir, &keys, err);
    if (r)
        return r;
    r = mmr_site_node_new(u->l->bus, collector, bulk, name, &keys, &pub, &mmr_spool_memory_ops, u->spool, &link_ops, u, NULL, &u->link, err);
    mmr_keys_done(&keys);
    return r;
}

struct mmr_uplink *mmr_uplink_open(struct mmr_live *l)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (!mmr_config_str(l->config, "upstream.collector"))
        return NULL;
    struct mmr_uplink *u = calloc(1, sizeof *u);
    int r = u && (u->buf = malloc(MMR_UPSTREAM_PART_MAX + MMR_UPSTREAM_HEAD_MAX)) ? 0 : mmr_fail(&err, MMR_ENOMEM, "out of memory");
    if (!r) {
        u->l = l;
        u->since_ns = mmr_clock_mono_ns();
        r = mmr_persist_forwarder(l->persist, MMR_UPLINK_FORWARDER, &err);
    }
    if (!r)
        r = mmr_spool_memory_new(SPOOL_BYTES, &u->spool, &err);
    if (!r)
        r = open_link(u, &err);
    if (!r)
        return u;
    mmr_log(MMR_LOG_ERR, "upstream.not_open", "reason=\"%s\" what=\"records wait in the store; the office is watched and defended\"", err.text);
    mmr_uplink_close(u);
    return NULL;
}

void mmr_uplink_close(struct mmr_uplink *u)
{
    if (!u)
        return;
    mmr_site_node_free(u->link);
    mmr_spool_memory_free(u->spool);
    free(u->buf);
    free(u);
}

bool mmr_uplink_is_up(const struct mmr_uplink *u, int64_t *ret_since_mono_ns)
{
    if (u)
        *ret_since_mono_ns = u->since_ns;
    return u && u->is_up;
}
