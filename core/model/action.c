/* action.c - targets to the wire and to people's words; receipts from the wire. */
#include "model/action.h"

#include <mamori/action.h>

#include <string.h>

static void put_addr(struct mmr_event *ev, const char *key, const struct mmr_addr *a)
{
    char text[MMR_ADDR_TEXT_MAX];
    if (!mmr_addr_is_set(a))
        return;
    mmr_addr_format(a, text);
    mmr_event_str(ev, key, text);
}

static void put_text(struct mmr_event *ev, const char *key, const char *text)
{
    if (text[0])
        mmr_event_str(ev, key, text);
}

static const char *word_of(enum mmr_direction d)
{
    return d == MMR_DIR_INBOUND ? "in" : d == MMR_DIR_OUTBOUND ? "out" : "both";
}

int mmr_action_encode(const struct mmr_action_rec *a, void *buf, size_t cap, size_t *ret_len)
{
    const struct mmr_target *t = &a->target;
    struct mmr_event ev;
    char line[320], cidr[MMR_ADDR_TEXT_MAX + 4];
    mmr_event_begin_map(&ev, buf, cap);
    mmr_target_format(a->verb, t, line, sizeof line);
    mmr_event_str(&ev, MMR_ACT_TARGET, line);
    put_text(&ev, "reason", a->reason);
    mmr_cidr_format(&t->addr, cidr);
    switch (a->verb) {
    case MMR_VERB_BLOCK_ADDR:
        mmr_event_str(&ev, "addr", cidr);
        mmr_event_str(&ev, "direction", word_of(t->direction));
        if (t->port)
            mmr_event_int(&ev, "port", t->port);
        put_text(&ev, "proto", t->proto);
        break;
    case MMR_VERB_CUT_FLOW:
    case MMR_VERB_QUERY_CONNECTION_OWNER:
        put_text(&ev, "proto", t->proto);
        put_addr(&ev, "src_endpoint.ip", &t->src);
        mmr_event_int(&ev, "src_endpoint.port", t->src_port);
        put_addr(&ev, "dst_endpoint.ip", &t->dst);
        mmr_event_int(&ev, "dst_endpoint.port", t->dst_port);
        break;
    case MMR_VERB_BLOCK_NAME:
        put_text(&ev, "name", t->text);
        break;
    case MMR_VERB_KILL_PROCESS:
    case MMR_VERB_FREEZE_PROCESS:
        mmr_event_int(&ev, "process.pid", t->pid);
        mmr_event_int(&ev, "process.start_ticks", t->start_ticks);
        put_text(&ev, "process.file.path", t->exe);
        put_text(&ev, "process.file.sha256", t->sha256);
        mmr_event_bool(&ev, "tree", t->is_tree);
        break;
    case MMR_VERB_DENY_EXEC:
    case MMR_VERB_QUARANTINE_FILE:
        put_text(&ev, "file.path", t->text);
        put_text(&ev, "file.hashes.sha256", t->sha256);
        break;
    case MMR_VERB_REMOVE_AUTOSTART:
        put_text(&ev, "file.path", t->text);
        put_text(&ev, "entry", t->exe);
        break;
    case MMR_VERB_ISOLATE_HOST:
        put_text(&ev, "device.hostname", t->host);
        put_text(&ev, "device.mac", t->text);
        if (mmr_addr_is_set(&t->addr.addr))
            mmr_event_str(&ev, "device.ip", cidr);
        break;
    case MMR_VERB_LOCK_ACCOUNT:
        put_text(&ev, "user.name", t->text);
        break;
    case MMR_VERB_NONE:
    case MMR_VERB_COUNT:
        break;
    }
    int e = mmr_event_end(&ev);
    if (e == 0)
        *ret_len = ev.len;
    return e;
}

static const char *base(const char *path)
{
    const char *last = path;
    for (const char *p = path; *p; p++)
        if ((*p == '/' || *p == '\\') && p[1])
            last = p + 1;
    return last;
}

void mmr_target_format(enum mmr_verb verb, const struct mmr_target *t, char *buf, size_t cap)
{
    char a[MMR_ADDR_TEXT_MAX + 4], b[MMR_ADDR_TEXT_MAX];
    const char *on = t->host[0] ? " on " : "";
    switch (verb) {
    case MMR_VERB_BLOCK_ADDR:
        mmr_cidr_format(&t->addr, a);
        if (t->port)
            (void)snprintf(buf, cap, "%s port %u%s%s", a, t->port, t->proto[0] ? "/" : "", t->proto);
        else
            (void)snprintf(buf, cap, "%s", a);
        return;
    case MMR_VERB_CUT_FLOW:
    case MMR_VERB_QUERY_CONNECTION_OWNER:
        mmr_addr_format(&t->src, a);
        mmr_addr_format(&t->dst, b);
        (void)snprintf(buf, cap, "%s:%u->%s:%u %s", a, t->src_port, b, t->dst_port, t->proto);
        return;
    case MMR_VERB_KILL_PROCESS:
    case MMR_VERB_FREEZE_PROCESS:
        (void)snprintf(buf, cap, "%s (pid %lld)%s%s", t->text[0] ? t->text : base(t->exe), (long long)t->pid, on,
                       t->host);
        return;
    case MMR_VERB_ISOLATE_HOST:
        mmr_cidr_format(&t->addr, a);
        if (t->host[0] && mmr_addr_is_set(&t->addr.addr))
            (void)snprintf(buf, cap, "%s (%s%s%s)", t->host, a, t->text[0] ? ", card " : "", t->text);
        else
            (void)snprintf(buf, cap, "%s", t->host[0] ? t->host : a);
        return;
    case MMR_VERB_BLOCK_NAME:
    case MMR_VERB_DENY_EXEC:
    case MMR_VERB_QUARANTINE_FILE:
    case MMR_VERB_REMOVE_AUTOSTART:
    case MMR_VERB_LOCK_ACCOUNT:
        (void)snprintf(buf, cap, "%s%s%s", t->text, on, t->host);
        return;
    case MMR_VERB_NONE:
    case MMR_VERB_COUNT:
        break;
    }
    (void)snprintf(buf, cap, "%s", t->text);
}

bool mmr_target_equal(enum mmr_verb verb, const struct mmr_target *a, const struct mmr_target *b)
{
    if (strcmp(a->host, b->host) != 0)
        return false;
    switch (verb) {
    case MMR_VERB_BLOCK_ADDR:
        return mmr_addr_equal(&a->addr.addr, &b->addr.addr) && a->addr.bits == b->addr.bits &&
               a->direction == b->direction && a->port == b->port && strcmp(a->proto, b->proto) == 0;
    case MMR_VERB_CUT_FLOW:
    case MMR_VERB_QUERY_CONNECTION_OWNER:
        return mmr_addr_equal(&a->src, &b->src) && mmr_addr_equal(&a->dst, &b->dst) &&
               a->src_port == b->src_port && a->dst_port == b->dst_port && strcmp(a->proto, b->proto) == 0;
    case MMR_VERB_KILL_PROCESS:
    case MMR_VERB_FREEZE_PROCESS:
        return a->pid == b->pid && a->start_ticks == b->start_ticks && strcmp(a->exe, b->exe) == 0;
    case MMR_VERB_ISOLATE_HOST:
        return mmr_addr_equal(&a->addr.addr, &b->addr.addr) && strcmp(a->text, b->text) == 0;
    case MMR_VERB_REMOVE_AUTOSTART:
        return strcmp(a->text, b->text) == 0 && strcmp(a->exe, b->exe) == 0;
    default:
        return strcmp(a->text, b->text) == 0;
    }
}

int mmr_receipt_decode(const void *msgpack, size_t len, struct mmr_receipt *ret, struct mmr_error *err)
{
    struct mmr_event_view v;
    struct mmr_receipt r = {0};
    size_t n;
    int e = mmr_event_read(msgpack, len, &v, err);
    if (e < 0)
        return e;
    const char *p = mmr_event_get_str(&v, "result", &n);
    if (!p || !mmr_result_parse(p, n, &r.result))
        return mmr_fail(err, MMR_EBADMSG, "receipt: 'result' is %s, expected applied, already, partial, failed, "
                        "refused, timeout or unsupported", p ? "unknown" : "missing");
    p = mmr_event_get_str(&v, "verify.result", &n);
    if (p && !mmr_verified_parse(p, n, &r.verified))
        return mmr_fail(err, MMR_EBADMSG, "receipt: 'verify.result' is unknown, expected confirmed, refuted, "
                        "inconclusive or none");
    (void)mmr_event_copy_str(&v, "verify.method", r.method, sizeof r.method);
    (void)mmr_event_copy_str(&v, "detail", r.detail, sizeof r.detail);
    r.applied_ns = mmr_event_get_int(&v, "applied_at", 0);
    r.verified_ns = mmr_event_get_int(&v, "verify.at", 0);
    r.expires_ns = mmr_event_get_int(&v, "expires_at", 0);
    r.revoked_ns = mmr_event_get_int(&v, "revoked_at", 0);
    r.is_dry_run = mmr_event_get_int(&v, "dry_run", 0) != 0;
    const struct mmr_value *dry = mmr_event_get(&v, "dry_run");
    if (dry && dry->type == MMR_VAL_BOOL)
        r.is_dry_run = dry->n.i != 0;
    int64_t packets = mmr_event_get_int(&v, "counter.packets", 0);
    int64_t bytes = mmr_event_get_int(&v, "counter.bytes", 0);
    if (r.applied_ns < 0 || r.verified_ns < 0 || r.expires_ns < 0 || r.revoked_ns < 0 || packets < 0 || bytes < 0)
        return mmr_fail(err, MMR_EBADMSG, "receipt: a time or counter is negative");
    r.packets = (uint64_t)packets;
    r.bytes = (uint64_t)bytes;
    *ret = r;
    return 0;
}
