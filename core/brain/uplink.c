/* uplink.c - see uplink.h. */
#include "brain/uplink_internal.h"

#include "bus/upstream.h"
#include "util/clock.h"
#include "util/log.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

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
    if (u->n_lane[lane] == MMR_UPLINK_EACH_MAX || u->bytes + row->len > MMR_UPLINK_FLIGHT_BYTES_MAX || u->n_never == 2 * MMR_UPLINK_EACH_MAX)
        return 1;
    int r = send_row(u, row, &last);
    if (r == MMR_EAGAIN || r == MMR_ENOMEM) /* a part of it may be on its way: what follows begins it anew */
        return 1;
    if (r) {
        mmr_log(MMR_LOG_ERR, "upstream.not_sent", "row=%llu kind=%s bytes=%zu code=%d", (unsigned long long)row->seq, row->kind, row->len, r);
        u->never[u->n_never++] = row->seq;
        return 0;
    }
    u->flight[u->n++] = (struct mmr_uplink_flight){.row = row->seq, .last = last, .lane = lane, .len = row->len};
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
    if (mmr_store_outbox_pending(db, MMR_UPLINK_FORWARDER, 2 * MMR_UPLINK_EACH_MAX, offer, u, &err) < 0)
        mmr_log(MMR_LOG_WARN, "upstream.outbox_not_read", "reason=\"%s\"", err.text);
    send_mark(u, db);
    for (uint32_t i = 0; i < u->n_never; i++)
        note(u, u->never[i], MMR_DELIVERY_FAILED, "the link does not take it");
}

/* ---- the link ---- */

void mmr_uplink_acked(struct mmr_uplink *u, uint32_t lane, uint64_t upto)
{
    for (uint32_t i = 0; i < u->n;) {
        struct mmr_uplink_flight *f = &u->flight[i];
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
        r = mmr_uplink_link_open(u, &err);
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
    mmr_keys_done(&u->next);
    free(u->buf);
    free(u);
}

bool mmr_uplink_is_up(const struct mmr_uplink *u, int64_t *ret_since_mono_ns)
{
    if (u)
        *ret_since_mono_ns = u->since_ns;
    return u && u->is_up;
}
