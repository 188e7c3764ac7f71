/* direct_queue.c - records between a site and the engine: given in order, acknowledged in order, bounded by count and bytes for all sites together. */
#include "upstream/direct_internal.h"

#include "util/clock.h"
#include "util/log.h"
#include "util/table.h"

#include <event2/event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct mmr_direct_slot {
    uint64_t number, seq;
    struct mmr_direct_site *site; /* NULL: nobody waits */
    uint32_t lane;
    bool is_done;
    struct mmr_engine_record r;
    char site_name[MMR_SITE_NAME_MAX + 1], kind[MMR_UPSTREAM_KIND_MAX + 1], *json;
    struct mmr_direct_slot *lane_next, *prev, *next; /* of its site's lane; of the work list */
    UT_hash_handle hh;
};

static int which(const struct mmr_direct_slot *q)
{
    return q->r.is_urgent ? 0 : 1;
}

bool mmr_direct_is_full(const struct mmr_direct *d)
{
    return d->held >= MMR_DIRECT_HELD_MAX || d->held_bytes >= MMR_DIRECT_HELD_BYTES;
}

static struct mmr_direct_slot *new_slot(struct mmr_direct *d, struct mmr_direct_site *site, uint32_t lane, uint64_t seq)
{
    struct mmr_direct_slot *q = calloc(1, sizeof *q);
    if (!q)
        return NULL;
    q->number = ++d->number;
    q->seq = seq;
    q->site = site;
    q->lane = lane;
    if (site) {
        struct mmr_direct_lane *l = &site->lane[lane];
        if (l->tail)
            l->tail->lane_next = q;
        else
            l->head = q;
        l->tail = q;
    }
    return q;
}

static void free_slot(struct mmr_direct_slot *q)
{
    free(q->json);
    free(q);
}

/* Everything of this lane up to the first that the engine has not. */
static void acknowledge(struct mmr_direct *d, struct mmr_direct_site *s, uint32_t lane)
{
    struct mmr_direct_lane *l = &s->lane[lane];
    const uint64_t before = l->acked;
    while (l->head && l->head->is_done) {
        struct mmr_direct_slot *q = l->head;
        l->acked = q->seq;
        l->head = q->lane_next;
        if (!l->head)
            l->tail = NULL;
        free_slot(q);
    }
    if (l->acked > before)
        mmr_site_hub_ack(d->hub, s->name, s->epoch, lane, l->acked);
}

int mmr_direct_pass(struct mmr_direct *d, struct mmr_direct_site *site, uint32_t lane, uint64_t seq)
{
    struct mmr_direct_slot *q = new_slot(d, site, lane, seq);
    if (!q)
        return MMR_ENOMEM;
    q->is_done = true;
    acknowledge(d, site, lane);
    return 0;
}

int mmr_direct_push(struct mmr_direct *d, struct mmr_direct_site *site, uint32_t lane, uint64_t seq, const struct mmr_engine_record *r, char *json)
{
    struct mmr_direct_slot *q = new_slot(d, site, lane, seq);
    if (!q) {
        free(json);
        return MMR_ENOMEM;
    }
    (void)snprintf(q->site_name, sizeof q->site_name, "%s", r->site);
    (void)snprintf(q->kind, sizeof q->kind, "%s", r->kind);
    q->json = json;
    q->r = *r;
    q->r.seq = q->number;
    q->r.site = q->site_name;
    q->r.kind = q->kind;
    q->r.json = json;
    HASH_ADD(hh, d->by_number, number, sizeof q->number, q);
    const int w = which(q);
    q->prev = d->work_end[w];
    if (q->prev)
        q->prev->next = q;
    else
        d->work[w] = q;
    d->work_end[w] = q;
    if (!d->next[w])
        d->next[w] = q;
    d->held++;
    d->held_bytes += r->len;
    return 0;
}

/* The engine has it, or never takes it. */
static void finish(struct mmr_direct *d, uint64_t number)
{
    struct mmr_direct_slot *q = NULL;
    HASH_FIND(hh, d->by_number, &number, sizeof number, q);
    if (!q)
        return;
    const int w = which(q);
    HASH_DEL(d->by_number, q);
    if (d->next[w] == q)
        d->next[w] = q->next;
    if (q->prev)
        q->prev->next = q->next;
    else
        d->work[w] = q->next;
    if (q->next)
        q->next->prev = q->prev;
    else
        d->work_end[w] = q->prev;
    d->held--;
    d->held_bytes -= q->r.len;
    free(q->json);
    q->json = NULL;
    q->is_done = true;
    if (q->site)
        acknowledge(d, q->site, q->lane);
    else
        free_slot(q);
}

void mmr_direct_forget(struct mmr_direct *d, struct mmr_direct_site *site)
{
    (void)d;
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        struct mmr_direct_lane *l = &site->lane[lane];
        for (struct mmr_direct_slot *q = l->head, *next; q; q = next) {
            next = q->lane_next;
            q->site = NULL;
            q->lane_next = NULL;
            if (q->is_done)
                free_slot(q);
        }
        free(l->parts);
        *l = (struct mmr_direct_lane){0};
    }
}

void mmr_direct_queue_done(struct mmr_direct *d)
{
    struct mmr_direct_slot *q, *next;
    for (uint32_t i = 0; i < d->n_sites; i++)
        mmr_direct_forget(d, &d->site[i]);
    HASH_ITER(hh, d->by_number, q, next)
    {
        HASH_DEL(d->by_number, q);
        free_slot(q);
    }
}

/* ---- to the engine ---- */

static void pause_if_full(struct mmr_direct *d)
{
    if (!d->is_paused && mmr_direct_is_full(d)) {
        d->is_paused = true;
        d->paused_ns = mmr_clock_mono_ns();
        (void)event_del(d->bus_event); /* what is not taken fills the ring, then the connections, then the sites keep it */
        mmr_log(MMR_LOG_WARN, "collector.full", "records=%u bytes=%zu what=\"the engine does not keep up: nothing more is taken from sites until half of it is gone\"", d->held,
                d->held_bytes);
    } else if (d->is_paused && d->held <= MMR_DIRECT_HELD_MAX / 2 && d->held_bytes <= MMR_DIRECT_HELD_BYTES / 2) {
        d->is_paused = false;
        (void)event_add(d->bus_event, NULL);
        mmr_log(MMR_LOG_INFO, "collector.takes_again", "after_ms=%lld", (long long)((mmr_clock_mono_ns() - d->paused_ns) / MMR_NS_PER_MS));
    }
}

void mmr_direct_pump(struct mmr_direct *d)
{
    struct mmr_error err = {.struct_size = sizeof err};
    bool has_given = false, has_room = true;
    for (int w = 0; w < 2 && has_room; w++)
        while (d->next[w]) {
            struct mmr_direct_slot *q = d->next[w];
            int r = d->outlet->ops->submit(d->outlet, &q->r, &err);
            if (r == MMR_ETOOBIG) {
                mmr_direct_sink.never(d, d->outlet, q->number, err.text);
                continue;
            }
            if (r < 0) {
                has_room = false;
                break;
            }
            has_given = true;
            d->next[w] = q->next;
        }
    if (has_given)
        (void)d->outlet->ops->settle(d->outlet, &err);
    pause_if_full(d);
}

void mmr_direct_soon(struct mmr_direct *d)
{
    const struct timeval now = {0};
    if (d->pump_timer && !event_pending(d->pump_timer, EV_TIMEOUT, NULL))
        (void)event_add(d->pump_timer, &now);
}

static void on_done(void *ctx, struct mmr_outlet *o, uint64_t number)
{
    (void)o;
    finish(ctx, number);
    mmr_direct_soon(ctx);
}

static void on_never(void *ctx, struct mmr_outlet *o, uint64_t number, const char *why)
{
    struct mmr_direct *d = ctx;
    struct mmr_direct_slot *q = NULL;
    HASH_FIND(hh, d->by_number, &number, sizeof number, q);
    mmr_log(MMR_LOG_ERR, "outlet.refused", "outlet=%s site=%s kind=%s number=%llu bytes=%zu reason=\"%s\" what=\"it stays in the site's own store; the site sends it no more\"",
            o->ops->name, q ? q->site_name : "?", q ? q->kind : "?", q ? (unsigned long long)q->r.number : 0, q ? q->r.len : 0, why);
    d->dropped++;
    finish(d, number);
    mmr_direct_soon(d);
}

/* Its process ended: everything from the oldest on once more, in the same order. */
static void on_lost(void *ctx, struct mmr_outlet *o)
{
    struct mmr_direct *d = ctx;
    (void)o;
    for (int w = 0; w < 2; w++)
        d->next[w] = d->work[w];
}

static void on_ready(void *ctx, struct mmr_outlet *o)
{
    (void)o;
    mmr_direct_soon(ctx);
}

const struct mmr_outlet_sink mmr_direct_sink = {.done = on_done, .never = on_never, .lost = on_lost, .ready = on_ready};
