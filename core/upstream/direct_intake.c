/* direct_intake.c - what sites send, on its way to the engine. */
#include "upstream/direct_internal.h"

#include "store/evidence.h"
#include "upstream/record.h"
#include "util/clock.h"
#include "util/id.h"
#include "util/log.h"
#include "util/scope.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static void on_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    struct mmr_direct *d = ctx;
    struct mmr_direct_site *s = mmr_direct_site(d, node);
    uint64_t first[MMR_LANES], upto[MMR_LANES];
    if (!s)
        return;
    if (!s->has_epoch || memcmp(s->epoch, epoch, 16) != 0) {
        mmr_direct_forget(d, s);
        memcpy(s->epoch, epoch, 16);
        s->has_epoch = true;
        mmr_site_hub_spooled(d->hub, node, first); /* the site knows what was acknowledged: no collector needs to */
        for (uint32_t lane = 0; lane < MMR_LANES; lane++)
            s->lane[lane].taken = s->lane[lane].acked = first[lane] - 1;
    }
    for (uint32_t lane = 0; lane < MMR_LANES; lane++)
        upto[lane] = s->lane[lane].acked;
    if (!s->is_up)
        mmr_log(MMR_LOG_INFO, "site.up", "site=%s", node);
    s->is_up = true;
    mmr_direct_tell_presence(d, s, "up");
    mmr_site_hub_welcome(d->hub, node, epoch, upto);
}

static void refuse(struct mmr_direct *d, struct mmr_direct_site *s, const struct mmr_error *err)
{
    char text[200];
    s->refused++;
    d->refused++;
    mmr_log(MMR_LOG_WARN, "site.misbehaves", "site=%s refused=%llu what=\"%s\"", s->name, (unsigned long long)s->refused,
            mmr_log_quote(err->text, strlen(err->text), text, sizeof text));
}

/* One more part; *ret_whole when it was the last. errors MMR_EBADMSG it does not follow the one before; MMR_ENOMEM */
static int join(struct mmr_direct_lane *l, const struct mmr_upstream_part *p, char **ret_whole, size_t *ret_len, struct mmr_error *err)
{
    if (p->part == 0) { /* begins anew, whatever came before */
        free(l->parts);
        l->parts = NULL;
        l->parts_len = 0;
        l->n_parts = 0;
    }
    if (p->part != l->n_parts || l->parts_len + p->len > MMR_UPSTREAM_BYTES_MAX)
        return mmr_fail(err, MMR_EBADMSG, "part %u of a record of which %u parts are here", p->part, l->n_parts);
    char *more = realloc(l->parts, l->parts_len + p->len + 1);
    if (!more)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    if (p->len)
        memcpy(more + l->parts_len, p->bytes, p->len);
    l->parts = more;
    l->parts_len += p->len;
    if (++l->n_parts < p->parts)
        return 0;
    *ret_whole = l->parts;
    *ret_len = l->parts_len;
    l->parts = NULL;
    l->parts_len = 0;
    l->n_parts = 0;
    return 0;
}

/* errors MMR_EBADMSG it will never be one; MMR_ENOMEM */
static int take(struct mmr_direct *d, struct mmr_direct_site *s, const struct mmr_site_record *r, struct mmr_error *err)
{
    struct mmr_upstream_part p;
    mmr_autofree char *whole = NULL;
    char *json = NULL;
    int e = mmr_upstream_read(r->bytes, r->len, &p, err);
    if (e)
        return e;
    struct mmr_engine_record x = {.number = r->number, .at_ns = p.at_ns, .is_urgent = r->lane <= MMR_LANE_FINDING, .site = s->name, .kind = p.kind};
    const char *bytes = p.bytes;
    size_t len = p.len;
    if (p.parts > 1) {
        e = join(&s->lane[r->lane], &p, &whole, &len, err);
        if (e || !whole)
            return e; /* not whole: its numbers are acknowledged with its last part's */
        bytes = whole;
    }
    e = mmr_record_shape(s->name, p.kind, bytes, len, &json, &x.len, err);
    if (e)
        return e;
    mmr_record_id(s->name, p.kind, json, x.len, x.id);
    e = mmr_direct_push(d, s, r->lane, r->seq, &x, json);
    return e ? mmr_fail(err, e, "out of memory") : 0;
}

static void to_hex(const uint8_t *bytes, size_t n, char *ret)
{
    for (size_t i = 0; i < n; i++)
        (void)snprintf(ret + 2 * i, 3, "%02x", bytes[i]);
}

static int take_checkpoint(struct mmr_direct *d, struct mmr_direct_site *s, const struct mmr_site_record *r, struct mmr_error *err)
{
    struct mmr_upstream_checkpoint c;
    struct mmr_evidence_mark m;
    char hash[2 * MMR_UPSTREAM_HASH + 1], key[2 * MMR_KEY + 1], sig[2 * MMR_SIGNATURE + 1], time[32], *json = NULL;
    int e = mmr_upstream_read_checkpoint(r->bytes, r->len, &c, err);
    if (e)
        return e;
    m.seq = c.seq;
    m.time_ns = c.time_ns;
    memcpy(m.hash, c.hash, sizeof m.hash);
    memcpy(m.key, c.key, sizeof m.key);
    memcpy(m.sig, c.sig, sizeof m.sig);
    if (!mmr_evidence_mark_is_signed(&m))
        return mmr_fail(err, MMR_EBADMSG, "a checkpoint of record %llu whose signature is not its key's", (unsigned long long)c.seq);
    to_hex(c.hash, sizeof c.hash, hash);
    to_hex(c.key, sizeof c.key, key);
    to_hex(c.sig, sizeof c.sig, sig);
    mmr_time_format(c.time_ns, time, sizeof time);
    int n = asprintf(&json, "{\"site\":\"%s\",\"record\":%llu,\"time\":\"%s\",\"time_ns\":%lld,\"hash\":\"%s\",\"key\":\"%s\",\"signature\":\"%s\"}", s->name,
                     (unsigned long long)c.seq, time, (long long)c.time_ns, hash, key, sig);
    if (n < 0)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    struct mmr_engine_record x = {.number = c.seq, .at_ns = c.time_ns, .is_urgent = r->lane <= MMR_LANE_FINDING, .site = s->name, .kind = "checkpoint", .len = (size_t)n};
    mmr_record_id(s->name, x.kind, json, x.len, x.id);
    e = mmr_direct_push(d, s, r->lane, r->seq, &x, json);
    return e ? mmr_fail(err, e, "out of memory") : 0;
}

static void on_record(void *ctx, const struct mmr_site_record *r)
{
    struct mmr_direct *d = ctx;
    struct mmr_direct_site *s = mmr_direct_site(d, r->node);
    struct mmr_error err = {.struct_size = sizeof err};
    if (!s || !s->has_epoch || memcmp(s->epoch, r->epoch, 16) != 0 || r->lane >= MMR_LANES || r->seq <= s->lane[r->lane].taken)
        return; /* the last: handed over twice by a connection that began anew */
    s->lane[r->lane].taken = r->seq;
    int e = r->kind == MMR_UPSTREAM_RECORD       ? take(d, s, r, &err)
            : r->kind == MMR_UPSTREAM_CHECKPOINT ? take_checkpoint(d, s, r, &err)
                                                 : mmr_fail(&err, MMR_EBADMSG, "a record of kind %u; expected %d or %d", r->kind, MMR_UPSTREAM_RECORD,
                                                            MMR_UPSTREAM_CHECKPOINT);
    d->records++;
    if (e == MMR_EBADMSG) {
        refuse(d, s, &err);
        e = mmr_direct_pass(d, s, r->lane, r->seq);
    }
    if (e) { /* nothing that was not acknowledged is lost: start again with all memory free */
        mmr_log(MMR_LOG_ERR, "collector.no_memory", "what=\"ends; sites send again what was not acknowledged\"");
        abort();
    }
}

/* Who is connected, for whoever watches over silent sites: at each change and each minute. Nobody waits for it, and it is left out when the queue is full. */
void mmr_direct_tell_presence(struct mmr_direct *d, struct mmr_direct_site *s, const char *state)
{
    char *json = NULL, time[32];
    const char *name = mmr_config_str(d->config, "node.name");
    const int64_t now = mmr_clock_wall_ns();
    s->told_ns = mmr_clock_mono_ns();
    if (mmr_direct_is_full(d))
        return;
    mmr_time_format(now, time, sizeof time);
    char quoted[100];
    int n = asprintf(&json, "{\"site\":\"%s\",\"state\":\"%s\",\"time\":\"%s\",\"collector\":\"%s\"}", s->name, state, time,
                     mmr_log_quote(name ? name : "", name ? strlen(name) : 0, quoted, sizeof quoted));
    if (n < 0)
        return;
    struct mmr_engine_record x = {.number = (uint64_t)now, .at_ns = now, .site = s->name, .kind = "presence", .len = (size_t)n};
    mmr_uuid7(now, x.id);
    if (mmr_direct_push(d, NULL, MMR_LANE_OTHER, 0, &x, json) == 0)
        mmr_direct_soon(d);
}

static void on_gone(void *ctx, const char *node, bool is_bye)
{
    struct mmr_direct *d = ctx;
    struct mmr_direct_site *s = mmr_direct_site(d, node);
    if (!s)
        return;
    s->is_up = false;
    mmr_log(MMR_LOG_INFO, "site.gone", "site=%s on_purpose=%d", node, is_bye);
    mmr_direct_tell_presence(d, s, is_bye ? "ended" : "gone");
}

static void on_misbehaved(void *ctx, const char *node, uint64_t count, const char *what)
{
    (void)ctx;
    mmr_log(MMR_LOG_WARN, "site.misbehaves", "site=%s count=%llu what=\"%s\"", node, (unsigned long long)count, what);
}

static int on_rotate(void *ctx, const char *node, const struct mmr_public_keys *next)
{
    (void)ctx;
    (void)next;
    mmr_log(MMR_LOG_WARN, "site.rotate_refused", "site=%s reason=\"this collector keeps nothing: new keys are taken by the collector where the site joined\"", node);
    return MMR_EPERM;
}

const struct mmr_site_hub_ops mmr_direct_hub_ops = {.hello = on_hello, .record = on_record, .gone = on_gone, .rotate = on_rotate, .misbehaved = on_misbehaved};
