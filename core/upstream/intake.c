/* intake.c - what sites send: into the batch, each record once; acknowledged after the commit. */
#include "upstream/collector_internal.h"

#include "bus/upstream.h"
#include "store/evidence.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/scope.h"

#include <string.h>

static void on_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    struct mmr_collector *c = ctx;
    struct mmr_collector_site *s = mmr_collector_site(c, node);
    struct mmr_error err = {.struct_size = sizeof err};
    uint64_t upto[MMR_LANES] = {0};
    if (!s)
        return;
    if (!s->has_epoch || memcmp(s->epoch, epoch, 16) != 0) {
        if (mmr_collected_received_get(c->db, node, epoch, upto, &err) != 0) {
            mmr_log(MMR_LOG_ERR, "collector.not_read", "site=%s reason=\"%s\"", node, err.text);
            return; /* it says HELLO again */
        }
        memcpy(s->epoch, epoch, 16);
        memcpy(s->upto, upto, sizeof upto);
        memcpy(s->acked, upto, sizeof upto);
        s->has_epoch = true;
    }
    if (s->is_silent)
        mmr_log(MMR_LOG_WARN, "site.back", "site=%s after_s=%lld", node, (long long)((mmr_clock_wall_ns() - s->seen_ns) / MMR_NS_PER_S));
    else if (!s->is_up)
        mmr_log(MMR_LOG_INFO, "site.up", "site=%s", node);
    s->is_silent = s->is_bye = false;
    s->is_up = s->is_changed = true;
    s->seen_ns = mmr_clock_wall_ns();
    mmr_site_hub_welcome(c->hub, node, epoch, s->acked); /* what was taken since is not committed: it may come again */
}

static void refuse(struct mmr_collector *c, struct mmr_collector_site *s, const struct mmr_error *err)
{
    char text[200];
    s->refused++;
    c->refused++;
    mmr_log(MMR_LOG_WARN, "site.misbehaves", "site=%s refused=%llu what=\"%s\"", s->name, (unsigned long long)s->refused,
            mmr_log_quote(err->text, strlen(err->text), text, sizeof text));
}

/* Whole records, and parts as they come. errors MMR_EBADMSG it will never be one; others: of the store */
static int take(struct mmr_collector *c, const struct mmr_site_record *r, bool *ret_is_new, struct mmr_error *err)
{
    struct mmr_upstream_part p;
    mmr_autofree char *whole = NULL;
    int e = mmr_upstream_read(r->bytes, r->len, &p, err);
    if (e)
        return e;
    struct mmr_collected_record x = {.site = r->node, .kind = p.kind, .is_urgent = r->lane <= MMR_LANE_FINDING, .at_ns = p.at_ns,
                                     .json = p.bytes, .len = p.len};
    if (p.parts > 1) {
        e = mmr_collected_part(c->db, r->node, r->lane, p.part, p.parts, p.bytes, p.len, &whole, &x.len, err);
        if (e || !whole)
            return e;
        x.json = whole;
    }
    return mmr_collected_put(c->db, &x, mmr_clock_wall_ns(), ret_is_new, err);
}

static int take_checkpoint(struct mmr_collector *c, const struct mmr_site_record *r, struct mmr_error *err)
{
    struct mmr_upstream_checkpoint x;
    struct mmr_evidence_mark m;
    char doubt[MMR_COLLECTED_DOUBT_MAX + 1];
    int e = mmr_upstream_read_checkpoint(r->bytes, r->len, &x, err);
    if (e)
        return e;
    m.seq = x.seq;
    m.time_ns = x.time_ns;
    memcpy(m.hash, x.hash, sizeof m.hash);
    memcpy(m.key, x.key, sizeof m.key);
    memcpy(m.sig, x.sig, sizeof m.sig);
    e = mmr_collected_checkpoint(c->db, r->node, &m, doubt, err);
    if (!e && doubt[0])
        mmr_log(MMR_LOG_ERR, "site.evidence_doubtful", "site=%s what=\"%s\"", r->node, doubt);
    return e;
}

static void on_record(void *ctx, const struct mmr_site_record *r)
{
    struct mmr_collector *c = ctx;
    struct mmr_collector_site *s = mmr_collector_site(c, r->node);
    struct mmr_error err = {.struct_size = sizeof err};
    bool is_new = true;
    if (!s || c->is_broken || !s->has_epoch || memcmp(s->epoch, r->epoch, 16) != 0 || r->lane >= MMR_LANES || r->seq <= s->upto[r->lane])
        return; /* the last: handed over twice by a connection that began anew */
    if (r->kind == MMR_SITE_HUB_KEY)
        mmr_collector_knows_next(c, r);
    int e = r->kind == MMR_SITE_HUB_KEY            ? 0
            : r->kind == MMR_UPSTREAM_RECORD     ? take(c, r, &is_new, &err)
            : r->kind == MMR_UPSTREAM_CHECKPOINT ? take_checkpoint(c, r, &err)
                                                 : mmr_fail(&err, MMR_EBADMSG, "a record of kind %u; expected %d or %d", r->kind,
                                                            MMR_UPSTREAM_RECORD, MMR_UPSTREAM_CHECKPOINT);
    if (e == MMR_EBADMSG) {
        refuse(c, s, &err);
    } else if (e) {
        mmr_collector_fail(c, &err);
        return;
    }
    s->upto[r->lane] = r->seq;
    c->records++;
    c->repeated += !is_new;
    if (!mmr_db_has_batch(c->db) && mmr_db_begin(c->db, &err) != 0) /* a repetition alone: its acknowledgement gathers for a batch's time */
        mmr_collector_fail(c, &err);
}

static void on_gone(void *ctx, const char *node, bool is_bye)
{
    struct mmr_collector *c = ctx;
    struct mmr_collector_site *s = mmr_collector_site(c, node);
    if (!s)
        return;
    if (s->is_up)
        s->seen_ns = mmr_clock_wall_ns();
    s->is_up = false;
    s->is_bye = is_bye;
    s->is_changed = true;
    mmr_log(MMR_LOG_INFO, "site.gone", "site=%s on_purpose=%d", node, is_bye);
}

static void on_misbehaved(void *ctx, const char *node, uint64_t count, const char *what)
{
    (void)ctx;
    mmr_log(MMR_LOG_WARN, "site.misbehaves", "site=%s count=%llu what=\"%s\"", node, (unsigned long long)count, what);
}

static int on_rotate(void *ctx, const char *node, const struct mmr_public_keys *next)
{
    struct mmr_collector *c = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_members_next_keys(c->list, node, next->curve, next->sign, &err);
    if (r)
        mmr_log(MMR_LOG_WARN, "site.rotate_refused", "site=%s reason=\"%s\"", node, err.text);
    return r;
}

static void on_rotated(void *ctx, const char *node, const struct mmr_public_keys *now)
{
    struct mmr_collector *c = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)now;
    if (mmr_members_rotated(c->list, node, mmr_clock_wall_ns(), &err) != 0)
        mmr_log(MMR_LOG_ERR, "site.rotation_not_recorded", "site=%s reason=\"%s\"", node, err.text);
    mmr_log(MMR_LOG_INFO, "site.rotated", "site=%s", node);
}

const struct mmr_site_hub_ops mmr_collector_hub_ops = {.hello = on_hello, .record = on_record, .gone = on_gone, .rotate = on_rotate,
                                                       .rotated = on_rotated, .misbehaved = on_misbehaved};

int mmr_collector_put_received(struct mmr_collector *c, struct mmr_error *err)
{
    int r = 0;
    for (uint32_t i = 0; i < c->n_sites; i++)
        for (uint32_t lane = 0; lane < MMR_LANES && !r; lane++)
            if (c->site[i].has_epoch && c->site[i].upto[lane] > c->site[i].acked[lane])
                r = mmr_collected_received_put(c->db, c->site[i].name, c->site[i].epoch, lane, c->site[i].upto[lane], err);
    return r;
}

void mmr_collector_acknowledge(struct mmr_collector *c)
{
    for (uint32_t i = 0; i < c->n_sites; i++)
        for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
            struct mmr_collector_site *s = &c->site[i];
            if (!s->has_epoch || s->upto[lane] == s->acked[lane])
                continue;
            mmr_site_hub_ack(c->hub, s->name, s->epoch, lane, s->upto[lane]);
            s->acked[lane] = s->upto[lane];
        }
}
