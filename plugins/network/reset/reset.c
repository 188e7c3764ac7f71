/*
 * reset.c - responder: cut.flow from beside the line, by TCP resets to both ends. Orders in, segments out, and receipts that say no more than
 * was seen: confirmed only when an end answered that the connection is gone.
 */
#include "cut.h"
#include "guard.h"
#include "line.h"

#include "acts.h"
#include "net_decode.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/random.h>

enum { JOBS_MAX = RESET_LINE_ADDRS, TICK_MS = 50, REST_MS = 1000, NS_PER_MS = 1000000, HOLD_MAX_MS = 600000 };
enum job_state { JOB_FREE = 0, JOB_TRIES, JOB_WATCHES };

struct reset_config {
    struct mmr_strv interfaces, never_block;
    const char *send_by;
    int64_t wait, hold;
};
struct job { /* one cut */
    enum job_state state;
    enum cut_verdict verdict;
    uint64_t id;
    uint64_t answer_id;       /* an order waits for its receipt; 0 none */
    bool is_verify;           /* of what it was asked last */
    struct cut c;
    int64_t deadline_ms, end_ms, hold_ms, applied_ns;
    char error[120];          /* why nothing could be sent */
};
struct reset {
    const struct mmr_host *host;
    const struct reset_config *cfg;
    struct reset_line_config line_cfg;
    struct reset_line *line;
    struct mmr_guard guard;
    struct job job[JOBS_MAX];
};

static int64_t now_ms(const struct reset *s)
{
    return s->host->now_ns(s->host->impl, MMR_CLOCK_MONOTONIC) / NS_PER_MS + 1; /* 0 means never */
}

/* ---- receipts ---- */

static void answer(const struct reset *s, struct job *j)
{
    static const struct {
        const char *result, *verified, *text;
    } words[] = {
        [CUT_OPEN] = {"applied", "inconclusive", "resets are being sent"},
        [CUT_ENDED] = {"applied", "confirmed", "an end of the connection said that it is gone, and nothing went on"},
        [CUT_ENDED_BEFORE] = {"already", "confirmed", "an end of the connection said that it was gone before a reset was sent"},
        [CUT_GOES_ON] = {"failed", "refuted", "the connection goes on: the resets come too late or are kept from it"},
        [CUT_SILENT] = {"applied", "inconclusive", "resets were sent and nothing more is seen, but no end said that the connection is gone"},
    };
    char text[256];
    const char *result = words[j->verdict].result, *verified = words[j->verdict].verified, *what = words[j->verdict].text;
    if (j->verdict == CUT_SILENT && !j->c.resets) {
        result = "failed";
        what = j->error[0] ? j->error : "no packet of this connection was seen and nobody answered for it: does 'interfaces' name the mirror?";
    }
    if (j->is_verify && strcmp(result, "applied") == 0)
        result = "already";
    (void)snprintf(text, sizeof text, "%s (%u resets, %u questions)", what, j->c.resets, j->c.probes);
    const uint64_t id = j->answer_id;
    j->answer_id = 0;
    mmr_receipt_send(s->host, id, 0, &(struct mmr_receipt_out){.result = result, .verified = verified, .method = "observe", .detail = text,
                     .applied_ns = j->applied_ns});
}

/* ---- what is looked at ---- */

static void rearm(struct reset *s)
{
    struct mmr_addr addr[JOBS_MAX];
    struct mmr_error err = {.struct_size = sizeof err};
    size_t n = 0;
    bool is_trying = false;
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (s->job[i].state != JOB_FREE) {
            addr[n++] = s->job[i].c.end[0].addr;
            is_trying |= s->job[i].state == JOB_TRIES;
        }
    if (reset_line_listen(s->line, addr, n, &err) != 0)
        for (size_t i = 0; i < JOBS_MAX; i++)
            if (s->job[i].state == JOB_TRIES)
                (void)snprintf(s->job[i].error, sizeof s->job[i].error, "%.119s", err.text);
    (void)s->host->set_timer(s->host->impl, n == 0 ? -1 : is_trying ? TICK_MS : REST_MS, 0);
}

static void send_all(struct reset *s, struct job *j, const struct reset_segment *out, unsigned n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    for (unsigned i = 0; i < n; i++)
        if (reset_line_send(s->line, &out[i], &err) != 0)
            (void)snprintf(j->error, sizeof j->error, "%.119s", err.text);
}

static void on_packet(void *ctx, const struct mmr_packet *p)
{
    struct reset *s = ctx;
    struct reset_segment out[CUT_OUT_MAX];
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *j = &s->job[i];
        if (j->state != JOB_FREE && cut_is_of(&j->c, p))
            send_all(s, j, out, cut_packet(&j->c, p, now_ms(s), out));
    }
}

static void tell(const struct reset *s, const struct job *j)
{
    static const char *const names[] = {"open", "ended", "ended_before", "goes_on", "silent"};
    char text[200];
    (void)snprintf(text, sizeof text, "reset.%s id=%llx resets=%u questions=%u ms=%lld%s%.60s", names[j->verdict], (unsigned long long)j->id, j->c.resets,
                   j->c.probes, (long long)(now_ms(s) - j->c.begin_ms), j->error[0] ? " error=" : "", j->error);
    s->host->log(s->host->impl, j->verdict == CUT_GOES_ON ? MMR_LOG_WARN : MMR_LOG_INFO, text);
}

static void look(struct reset *s, struct job *j)
{
    struct reset_segment out[CUT_OUT_MAX];
    const int64_t now = now_ms(s);
    send_all(s, j, out, cut_tick(&j->c, now, out));
    j->verdict = cut_verdict(&j->c, now, j->deadline_ms);
    if (j->verdict == CUT_OPEN)
        return;
    tell(s, j);
    if (j->answer_id)
        answer(s, j);
    j->state = j->hold_ms ? JOB_WATCHES : JOB_FREE;
    j->end_ms = now + j->hold_ms;
}

static void on_timer(void *self, uint64_t cookie)
{
    struct reset *s = self;
    (void)cookie;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *j = &s->job[i];
        if (j->state == JOB_TRIES)
            look(s, j);
        else if (j->state == JOB_WATCHES && now_ms(s) >= j->end_ms)
            j->state = JOB_FREE;
    }
    rearm(s);
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct reset *s = self;
    (void)fd;
    (void)rw;
    reset_line_readable(s->line, cookie, on_packet, s);
}

/* ---- orders ---- */

struct order {
    struct mmr_addr addr[2];
    uint16_t port[2];
    bool is_tcp;
};

static bool read_addr(const struct mmr_event_view *v, const char *key, struct mmr_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    memset(ret, 0, sizeof *ret);
    if (!mmr_event_copy_str(v, key, text, sizeof text))
        return false;
    if (inet_pton(AF_INET, text, ret->b + 12) == 1) {
        ret->b[10] = ret->b[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, text, ret->b) == 1;
}

static int parse(const struct mmr_action *a, struct order *o, struct mmr_error *err)
{
    static const char *const ends[] = {"src_endpoint", "dst_endpoint"};
    char proto[8] = "tcp", key[40];
    struct mmr_event_view *v = malloc(sizeof *v);
    if (!v)
        return mmr_fail(err, MMR_ENOMEM, "cut.flow: out of memory");
    int r = mmr_event_read(a->msgpack, a->len, v, err);
    for (int i = 0; i < 2 && !r; i++) {
        (void)snprintf(key, sizeof key, "%s.ip", ends[i]);
        if (!read_addr(v, key, &o->addr[i])) {
            r = mmr_fail(err, MMR_EINVAL, "cut.flow: %s is no address", key);
            break;
        }
        (void)snprintf(key, sizeof key, "%s.port", ends[i]);
        const int64_t port = mmr_event_get_int(v, key, 0);
        if (port < 1 || port > 65535)
            r = mmr_fail(err, MMR_EINVAL, "cut.flow: %s is %lld; a reset needs both ports of the connection", key, (long long)port);
        o->port[i] = (uint16_t)port;
    }
    if (!r) {
        (void)mmr_event_copy_str(v, "proto", proto, sizeof proto);
        o->is_tcp = strcmp(proto, "tcp") == 0;
    }
    if (!r && net_addr_is4(&o->addr[0]) != net_addr_is4(&o->addr[1]))
        r = mmr_fail(err, MMR_EINVAL, "cut.flow: one end is IPv4, the other IPv6");
    free(v);
    return r;
}

/* What is never cut: connections of what is never blocked. NULL: it may be. */
static const char *refused(struct reset *s, const struct order *o, char *buf, size_t cap)
{
    (void)mmr_guard_load(&s->guard, s->cfg->never_block.v, s->cfg->never_block.n, NULL);
    for (int i = 0; i < 2; i++) {
        struct mmr_deny_key k;
        char addr[64];
        memset(&k, 0, sizeof k);
        k.addr = o->addr[i];
        k.bits = 128;
        const char *why = mmr_guard_refuses(&s->guard, &k);
        if (!why)
            continue;
        mmr_deny_format(&k, addr, sizeof addr);
        (void)snprintf(buf, cap, "connections of %s are never cut: %s", addr, why);
        return buf;
    }
    return NULL;
}

static struct job *find(struct reset *s, uint64_t id)
{
    for (size_t i = 0; i < JOBS_MAX; i++)
        if (s->job[i].state != JOB_FREE && s->job[i].id == id)
            return &s->job[i];
    return NULL;
}

static struct job *place(struct reset *s) /* the watch that ends first gives way; NULL: all are at work */
{
    struct job *best = NULL;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        struct job *j = &s->job[i];
        if (j->state == JOB_FREE)
            return j;
        if (j->state == JOB_WATCHES && (!best || j->end_ms < best->end_ms))
            best = j;
    }
    return best;
}

static void begin(struct reset *s, struct job *j, const struct mmr_action *a, const struct order *o)
{
    uint32_t mark = 0;
    if (getrandom(&mark, sizeof mark, GRND_NONBLOCK) != (ssize_t)sizeof mark)
        mark = (uint32_t)(a->id ^ (uint64_t)now_ms(s));
    *j = (struct job){.state = JOB_TRIES, .id = a->id, .answer_id = a->id, .hold_ms = a->ttl_ms > 0 ? a->ttl_ms : s->cfg->hold,
                      .applied_ns = s->host->now_ns(s->host->impl, MMR_CLOCK_WALL)};
    j->hold_ms = j->hold_ms < HOLD_MAX_MS ? j->hold_ms : HOLD_MAX_MS;
    cut_begin(&j->c, &o->addr[0], o->port[0], &o->addr[1], o->port[1], mark, now_ms(s));
    j->deadline_ms = j->c.begin_ms + s->cfg->wait;
    rearm(s);
    struct reset_segment out[CUT_OUT_MAX]; /* a quiet connection has nothing to learn from: ask at once */
    send_all(s, j, out, cut_tick(&j->c, now_ms(s), out));
}

static void undo(struct reset *s, struct job *j, uint64_t id)
{
    if (j && j->answer_id)
        answer(s, j); /* what it was ordered for has its receipt before */
    if (j)
        j->state = JOB_FREE;
    rearm(s);
    mmr_receipt_send(s->host, id, 0, &(struct mmr_receipt_out){.result = j ? "applied" : "already",
                     .detail = "no more resets are sent for it; a connection that was cut cannot be put back"});
}

static void verify(struct reset *s, struct job *j, uint64_t id)
{
    if (!j) {
        mmr_receipt_send(s->host, id, 0, &(struct mmr_receipt_out){.result = "already", .verified = "inconclusive", .method = "observe",
                         .detail = "this connection is not watched any more"});
        return;
    }
    if (j->answer_id) { /* still at work: each order has one receipt */
        answer(s, j);
        j->answer_id = id;
        return;
    }
    j->answer_id = id;
    j->is_verify = true;
    const enum cut_verdict now = cut_verdict(&j->c, now_ms(s), now_ms(s));
    if (now == j->verdict && (now == CUT_ENDED || now == CUT_ENDED_BEFORE)) {
        answer(s, j); /* watched since, and quiet */
        return;
    }
    j->state = JOB_TRIES;
    j->deadline_ms = now_ms(s) + s->cfg->wait;
    rearm(s);
}

static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    struct reset *s = self;
    struct order o;
    char text[200];
    struct job *j = find(s, a->id);
    if (a->flags & MMR_ACT_UNDO) {
        undo(s, j, a->id);
        return 0;
    }
    if (a->flags & MMR_ACT_VERIFY) {
        verify(s, j, a->id);
        return 0;
    }
    int r = parse(a, &o, err);
    if (r)
        return r;
    const char *why = !o.is_tcp ? "only TCP connections can be cut by resets" : refused(s, &o, text, sizeof text);
    if (why) {
        mmr_receipt_fail(s->host, a->id, o.is_tcp ? "refused" : "unsupported", why);
        return 0;
    }
    if (a->flags & MMR_ACT_DRY_RUN) {
        mmr_receipt_send(s->host, a->id, 0, &(struct mmr_receipt_out){.result = "applied", .is_dry_run = true,
                         .detail = "dry run: this connection would have been cut"});
        return 0;
    }
    if (j) { /* seen twice, done once */
        j->hold_ms = a->flags & MMR_ACT_RENEW && a->ttl_ms > 0 && a->ttl_ms < HOLD_MAX_MS ? a->ttl_ms : j->hold_ms;
        verify(s, j, a->id);
        return 0;
    }
    j = place(s);
    if (!j) {
        mmr_receipt_fail(s->host, a->id, "failed", "as many connections as can be are being cut at this moment");
        return 0;
    }
    begin(s, j, a, &o);
    return 0;
}

static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    struct reset *s = self;
    (void)err;
    for (size_t i = 0; i < JOBS_MAX; i++) {
        bool is_live = false;
        for (size_t k = 0; k < n && !is_live; k++)
            is_live = live[k] == s->job[i].id;
        if (!is_live)
            s->job[i].state = JOB_FREE;
    }
    for (size_t k = 0; k < n; k++)
        if (!find(s, live[k])) /* a cut leaves nothing behind that could be read back */
            mmr_receipt_send(s->host, live[k], 0, &(struct mmr_receipt_out){.result = "already", .verified = "inconclusive", .method = "observe",
                             .detail = "this connection is not watched any more"});
    rearm(s);
    return 0;
}

/* ---- life ---- */

static void destroy(void *self)
{
    struct reset *s = self;
    if (s)
        reset_line_free(s->line);
    free(s);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct reset *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "reset: out of memory");
    s->host = host;
    s->cfg = config;
    s->line_cfg = (struct reset_line_config){.interfaces = s->cfg->interfaces, .send_by = s->cfg->send_by};
    mmr_guard_learn(&s->guard);
    int r = mmr_guard_load(&s->guard, s->cfg->never_block.v, s->cfg->never_block.n, err);
    if (!r)
        r = reset_line_new(host, &s->line_cfg, &s->line, err);
    if (r) {
        destroy(s);
        return r;
    }
    *ret_self = s;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct reset_config, interfaces, MMR_CFG_STRV, 0, "any", 0, 0, "where the mirrored traffic arrives, as in capture; any: all interfaces"),
    MMR_CFG(struct reset_config, send_by, MMR_CFG_STR, 0, "", 0, 0,
            "interface that resets leave by, when the mirror port takes nothing in; empty: as the routing table says"),
    MMR_CFG(struct reset_config, never_block, MMR_CFG_STRV, 0, NULL, 0, 0,
            "addresses and networks whose connections are never cut; gateway, name servers and own addresses are always added"),
    MMR_CFG(struct reset_config, wait, MMR_CFG_MSEC, 0, "2s", 1500, 20000,
            "how long it is tried and watched before the receipt; shorter than defence.action_timeout"),
    MMR_CFG(struct reset_config, hold, MMR_CFG_MSEC, 0, "60s", 0, HOLD_MAX_MS, "how long afterwards packets of the same connection are answered with resets"),
    {0},
};
static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};

MMR_PLUGIN(reset) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.reset", .name = "reset", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Cuts TCP connections from a mirror port by resets to both ends; says confirmed only when an end answers that it is gone.",
    .side = MMR_SIDE_NETWORK, .needs = MMR_NEED_CAPTURE,
    .actions = (const char *const[]){"cut.flow", NULL},
    .config = config_rows, .config_size = sizeof(struct reset_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer,
    .responder = &responder,
};
