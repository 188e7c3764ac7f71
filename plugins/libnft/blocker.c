/* blocker.c - block.addr by a deny table of our own. */
#include "blocker.h"

#include "acts.h"
#include "letgo.h"
#include "deny.h"
#include "guard.h"

#include <stdlib.h>
#include <string.h>

enum { KEYS_MAX = 4, SETTLE_MS = 20 }; /* address and card, both ways */
enum { COOKIE_EXPIRY = MMR_BLOCKER_COOKIE, COOKIE_SWEEP, COOKIE_CHANGED, COOKIE_EVENTS };

struct mmr_blocker {
    const struct mmr_host *host;
    const struct mmr_blocker_config *cfg;
    struct mmr_deny *deny;
    struct mmr_acts *acts;
    struct mmr_guard guard;
    struct mmr_letgo *letgo;
    uint64_t told_gone;
};
struct keys {
    struct mmr_deny_key k[KEYS_MAX];
    uint32_t n;
    bool has_card; /* its own keys stand after the address's */
};

static void put_keys(struct keys *ks, struct mmr_deny_key k, bool is_in, bool is_out)
{
    if (!is_out) {
        k.direction = MMR_DENY_SRC;
        ks->k[ks->n++] = k;
    }
    if (!is_in) {
        k.direction = MMR_DENY_DST;
        ks->k[ks->n++] = k;
    }
}

static int parse_target(const void *msgpack, size_t len, struct keys *ret, struct mmr_error *err)
{
    char addr[80], direction[8] = "both", proto[8] = "", mac[24] = "";
    struct mmr_deny_key k = {0};
    struct mmr_event_view *v = malloc(sizeof *v);
    if (!v)
        return mmr_fail(err, MMR_ENOMEM, "block.addr: out of memory");
    int r = mmr_event_read(msgpack, len, v, err);
    /* isolate.host names the machine's address; cutting it off is denying it in both directions */
    bool has_addr = !r && (mmr_event_copy_str(v, "addr", addr, sizeof addr) || mmr_event_copy_str(v, "device.ip", addr, sizeof addr));
    int64_t port = r ? 0 : mmr_event_get_int(v, "port", 0);
    if (!r) {
        (void)mmr_event_copy_str(v, "device.mac", mac, sizeof mac);
        (void)mmr_event_copy_str(v, "direction", direction, sizeof direction);
        (void)mmr_event_copy_str(v, "proto", proto, sizeof proto);
    }
    free(v);
    if (r)
        return r;
    *ret = (struct keys){.has_card = mac[0] != '\0'};
    if (mac[0] && !mmr_deny_parse_card(mac, &k))
        return mmr_fail(err, MMR_EINVAL, "isolate.host: device.mac '%s' is no card's address; expected six bytes as 02:00:00:00:00:01", mac);
    if (mac[0] && !has_addr) {
        put_keys(ret, k, false, false);
        return 0;
    }
    const struct mmr_deny_key card = k;
    if (!has_addr || !mmr_deny_parse(addr, &k))
        return mmr_fail(err, MMR_EINVAL, "block.addr needs 'addr', an address or network; found '%.60s'",
                        has_addr ? addr : "nothing");
    if (port < 0 || port > 65535 || (port && k.bits < 128))
        return mmr_fail(err, MMR_EINVAL, "block.addr: port %lld with %s", (long long)port, addr);
    if (port) {
        k.port = (uint16_t)port;
        k.proto = strcmp(proto, "udp") == 0 ? 17 : 6;
    }
    bool is_in = strcmp(direction, "in") == 0, is_out = strcmp(direction, "out") == 0;
    if (!is_in && !is_out && strcmp(direction, "both") != 0)
        return mmr_fail(err, MMR_EINVAL, "block.addr: direction '%s', expected in, out or both", direction);
    put_keys(ret, k, is_in, is_out);
    if (mac[0])
        put_keys(ret, card, false, false);
    return 0;
}

static int64_t left_ms(const struct mmr_blocker *n, const struct mmr_act *a)
{
    int64_t left = (a->expires_mono - n->host->now_ns(n->host->impl, MMR_CLOCK_MONOTONIC)) / 1000000;
    return !a->expires_mono ? 0 : left > 0 ? left : 1;
}

/* How long an element must stay for the sake of the other live actions: -1 nobody, 0 for ever, or ms. */
static int64_t needed_by_others(const struct mmr_blocker *n, const struct mmr_act *but, const struct mmr_deny_key *k)
{
    int64_t most = -1;
    for (const struct mmr_act *a = mmr_acts_first(n->acts); a; a = a->next) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct keys ks;
        if (a == but || !a->applied_ns || parse_target(a->payload, a->len, &ks, &err) != 0)
            continue;
        for (uint32_t i = 0; i < ks.n; i++)
            if (memcmp(&ks.k[i], k, sizeof *k) == 0) {
                int64_t left = left_ms(n, a);
                if (left == 0)
                    return 0;
                most = left > most ? left : most;
            }
    }
    return most;
}

static int put_elements(struct mmr_blocker *n, const struct mmr_act *act, const struct keys *ks, int64_t ttl_ms, struct mmr_error *err)
{
    int r = 0;
    for (uint32_t i = 0; i < ks->n && !r; i++) {
        int64_t others = needed_by_others(n, act, &ks->k[i]);
        int64_t ms = others == 0 || ttl_ms == 0 ? 0 : others > ttl_ms ? others : ttl_ms;
        r = mmr_deny_add(n->deny, &ks->k[i], ms, err);
    }
    return r;
}

static int take_elements(struct mmr_blocker *n, const struct mmr_act *act, const struct keys *ks, struct mmr_error *err)
{
    int r = 0;
    for (uint32_t i = 0; i < ks->n; i++) {
        int64_t others = needed_by_others(n, act, &ks->k[i]);
        int e = others < 0 ? mmr_deny_del(n->deny, &ks->k[i], err) : mmr_deny_add(n->deny, &ks->k[i], others, err);
        r = r ? r : e;
    }
    return r;
}

/* Read back every element and the rules that use them; what was stopped so far is added up. */
static int read_back(struct mmr_blocker *n, const struct keys *ks, struct mmr_receipt_out *out, struct mmr_error *err)
{
    int r = mmr_deny_check(n->deny, err);
    for (uint32_t i = 0; i < ks->n && !r; i++) {
        struct mmr_deny_element e = {0};
        if (ks->k[i].bits < 128)
            continue; /* networks: the tool has said that it is in; rules were checked */
        r = mmr_deny_get(n->deny, &ks->k[i], &e, err);
        out->packets += e.packets;
        out->bytes += e.bytes;
        out->has_counter = true;
    }
    return r;
}

static void answer(struct mmr_blocker *n, const struct mmr_act *act, const struct keys *ks, const char *result)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_receipt_out out = {.result = result, .method = "readback", .applied_ns = act->applied_ns,
                                  .expires_ns = mmr_act_expires_ns(act, n->host)};
    int r = read_back(n, ks, &out, &err);
    out.verified = r == 0 ? "confirmed" : r == MMR_ENOENT ? "refuted" : "inconclusive";
    out.detail = r              ? err.text
                 : ks->has_card ? "the card is in the kernel's deny set and the rules that use it are in place"
                                : "the address is in the kernel's deny set and the rules that use it are in place";
    mmr_receipt_send(n->host, act->id, 0, &out);
}

static void arm(struct mmr_blocker *n)
{
    const struct mmr_act *a = mmr_acts_next_expiry(n->acts);
    (void)n->host->set_timer(n->host->impl, a ? left_ms(n, a) : -1, COOKIE_EXPIRY);
}

static int apply(struct mmr_blocker *n, const struct mmr_action *o, const struct keys *ks, struct mmr_error *err)
{
    struct mmr_act *act;
    int r = mmr_acts_begin(n->acts, o, "", &act, err);
    if (r)
        return r;
    r = put_elements(n, act, ks, o->ttl_ms, err);
    if (r == MMR_ENOENT) { /* our table is gone: somebody flushed; make it again, once */
        r = mmr_deny_setup(n->deny, n->cfg->never_block.v, n->cfg->never_block.n, err);
        if (!r)
            r = put_elements(n, act, ks, o->ttl_ms, err);
    }
    if (r) {
        mmr_acts_forget(n->acts, act);
        return r;
    }
    mmr_acts_applied(n->acts, act, o->ttl_ms);
    answer(n, act, ks, "applied"); /* the block holds without what follows */
    if (!ks->k[0].is_card)
        mmr_letgo_add(n->letgo, &ks->k[0]); /* both directions name one address */
    arm(n);
    return 0;
}

static int undo(struct mmr_blocker *n, struct mmr_act *act, const struct keys *ks, uint64_t id, struct mmr_error *err)
{
    int r = act ? take_elements(n, act, ks, err) : 0;
    if (r)
        return r;
    if (act)
        mmr_acts_forget(n->acts, act);
    arm(n);
    mmr_receipt_send(n->host, id, 0, &(struct mmr_receipt_out){.result = act ? "applied" : "already", .verified = "confirmed",
                     .method = "readback", .detail = "the block is taken back"});
    return 0;
}

int mmr_blocker_act(struct mmr_blocker *n, const struct mmr_action *o, struct mmr_error *err)
{
    struct keys ks;
    struct mmr_act *known = mmr_acts_find(n->acts, o->id);
    int r = parse_target(known ? known->payload : o->msgpack, known ? known->len : o->len, &ks, err);
    if (r && !(o->flags & MMR_ACT_UNDO))
        return r;
    if (o->flags & MMR_ACT_UNDO)
        return undo(n, known, &ks, o->id, err);
    if (o->flags & MMR_ACT_VERIFY) {
        if (!known)
            mmr_receipt_send(n->host, o->id, 0, &(struct mmr_receipt_out){.result = "failed", .verified = "refuted",
                             .method = "readback", .detail = "this block is not in force: its lease ended or it was undone"});
        else
            answer(n, known, &ks, "already");
        return 0;
    }
    if (ks.has_card && !n->cfg->is_bridge) { /* its frames to others, and its ARP, never pass family inet */
        mmr_receipt_fail(n->host, o->id, "unsupported", "a card can only be cut off on a bridge: this instance sees routed packets, and neither ARP nor "
                         "what passes between machines of one network");
        return 0;
    }
    (void)mmr_guard_load(&n->guard, n->cfg->never_block.v, n->cfg->never_block.n, NULL);
    for (uint32_t i = 0; i < ks.n; i++) {
        const char *why = mmr_guard_refuses(&n->guard, &ks.k[i]);
        char addr[64], text[200];
        if (!why)
            continue;
        mmr_deny_format(&ks.k[i], addr, sizeof addr);
        (void)snprintf(text, sizeof text, "%s is never blocked: %s", addr, why);
        mmr_receipt_fail(n->host, o->id, "refused", text);
        return 0;
    }
    if (o->flags & MMR_ACT_DRY_RUN) {
        mmr_receipt_send(n->host, o->id, 0, &(struct mmr_receipt_out){.result = "applied", .is_dry_run = true,
                         .detail = "dry run: this would have been blocked"});
        return 0;
    }
    if (!known)
        return apply(n, o, &ks, err);
    if (o->flags & MMR_ACT_RENEW) {
        r = put_elements(n, known, &ks, o->ttl_ms, err);
        if (r)
            return r;
        mmr_acts_applied(n->acts, known, o->ttl_ms);
        arm(n);
    }
    answer(n, known, &ks, "already");
    return 0;
}

void mmr_blocker_reconcile(struct mmr_blocker *n, const uint64_t *live, size_t count)
{
    struct mmr_error err = {.struct_size = sizeof err};
    for (struct mmr_act *a = mmr_acts_first(n->acts), *next; a; a = next) {
        bool is_live = false;
        struct keys ks;
        next = a->next;
        for (size_t i = 0; i < count && !is_live; i++)
            is_live = live[i] == a->id;
        int r = parse_target(a->payload, a->len, &ks, &err);
        if (r || !is_live) {
            if (!r)
                (void)take_elements(n, a, &ks, &err);
            mmr_acts_forget(n->acts, a);
        } else {
            answer(n, a, &ks, "already");
        }
    }
    arm(n);
}

/* Is everything that should be in force in force? Put right what is not, and say so. */
static void sweep(struct mmr_blocker *n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    unsigned missing = 0, again = 0;
    uint8_t buf[2048];
    struct mmr_event ev;
    bool is_table_gone = mmr_deny_check(n->deny, &err) == MMR_ENOENT;
    if (is_table_gone)
        (void)mmr_deny_setup(n->deny, n->cfg->never_block.v, n->cfg->never_block.n, &err);
    for (const struct mmr_act *a = mmr_acts_first(n->acts); a; a = a->next) {
        struct keys ks;
        struct mmr_receipt_out out = {0};
        if (!a->applied_ns || parse_target(a->payload, a->len, &ks, &err) != 0 || read_back(n, &ks, &out, &err) != MMR_ENOENT)
            continue;
        missing++;
        if (put_elements(n, a, &ks, left_ms(n, a), &err) == 0) {
            again++;
            answer(n, a, &ks, "already");
        }
    }
    if (!is_table_gone && !missing)
        return;
    mmr_event_begin(&ev, buf, sizeof buf, "enforcement.lost", 1008, 99, n->host->now_ns(n->host->impl, MMR_CLOCK_WALL), 4);
    mmr_event_str(&ev, "message", "somebody removed blocks from the firewall; they were put back");
    mmr_event_int(&ev, "unmapped.missing", missing);
    mmr_event_int(&ev, "unmapped.restored", again);
    mmr_event_bool(&ev, "unmapped.table_gone", is_table_gone);
    (void)mmr_event_emit(&ev, n->host);
    char text[160];
    (void)snprintf(text, sizeof text, "enforcement.lost missing=%u restored=%u table_gone=%s", missing, again, is_table_gone ? "yes" : "no");
    n->host->log(n->host->impl, MMR_LOG_WARN, text);
}

static void expire(struct mmr_blocker *n)
{
    int64_t now = n->host->now_ns(n->host->impl, MMR_CLOCK_MONOTONIC);
    for (struct mmr_act *a; (a = mmr_acts_next_expiry(n->acts)) && a->expires_mono <= now;)
        mmr_acts_forget(n->acts, a); /* the kernel has let go of the element by itself */
    arm(n);
}

static void tell_letgo(struct mmr_blocker *n)
{
    struct mmr_letgo_count c = mmr_letgo_count(n->letgo);
    char text[320];
    if (c.error.code)
        n->host->log(n->host->impl, MMR_LOG_WARN, c.error.text);
    if (c.connections == n->told_gone)
        return;
    (void)snprintf(text, sizeof text, "connections.let_go total=%llu left_out=%llu", (unsigned long long)c.connections,
                   (unsigned long long)c.left_out);
    n->host->log(n->host->impl, MMR_LOG_INFO, text);
    n->told_gone = c.connections;
}

void mmr_blocker_timer(struct mmr_blocker *n, uint64_t cookie)
{
    if (cookie == COOKIE_EXPIRY) {
        expire(n);
        return;
    }
    expire(n);
    sweep(n);
    tell_letgo(n);
    if (cookie == COOKIE_SWEEP)
        (void)n->host->set_timer(n->host->impl, n->cfg->sweep_ms, COOKIE_SWEEP);
}

void mmr_blocker_readable(struct mmr_blocker *n, uint64_t cookie)
{
    if (cookie == COOKIE_EVENTS && mmr_deny_drain(n->deny)) /* let whoever changes it finish its work */
        (void)n->host->set_timer(n->host->impl, SETTLE_MS, COOKIE_CHANGED);
}

void mmr_blocker_free(struct mmr_blocker *n)
{
    if (!n)
        return;
    mmr_letgo_free(n->letgo);
    mmr_acts_close(n->acts); /* blocks stay: the kernel ends them with their leases */
    mmr_deny_close(n->deny);
    free(n);
}

/* After a restart: what was begun but never known to be done is taken back, the rest is in force again. */
static void recover(struct mmr_blocker *n)
{
    struct mmr_error err = {.struct_size = sizeof err};
    expire(n);
    for (struct mmr_act *a = mmr_acts_first(n->acts), *next; a; a = next) {
        struct keys ks;
        next = a->next;
        bool is_known = parse_target(a->payload, a->len, &ks, &err) == 0;
        if (is_known && a->applied_ns) {
            (void)put_elements(n, a, &ks, left_ms(n, a), &err);
        } else {
            if (is_known)
                (void)take_elements(n, a, &ks, &err);
            mmr_acts_forget(n->acts, a);
        }
    }
    arm(n);
}

int mmr_blocker_new(const struct mmr_host *host, const struct mmr_blocker_config *cfg, struct mmr_blocker **ret,
                    struct mmr_error *err)
{
    unsigned damaged = 0;
    struct mmr_blocker *n = calloc(1, sizeof *n);
    if (!n)
        return mmr_fail(err, MMR_ENOMEM, "block.addr: out of memory");
    n->host = host;
    n->cfg = cfg;
    mmr_guard_learn(&n->guard);
    int r = mmr_guard_load(&n->guard, cfg->never_block.v, cfg->never_block.n, err);
    if (!r)
        r = mmr_deny_open(cfg->table, cfg->is_bridge, &n->deny, err);
    if (!r)
        r = mmr_deny_setup(n->deny, cfg->never_block.v, cfg->never_block.n, err);
    if (!r)
        r = mmr_acts_open(host, cfg->dir, &n->acts, &damaged, err);
    if (!r)
        r = mmr_letgo_new(&n->letgo, err);
    if (r) {
        mmr_blocker_free(n);
        return r;
    }
    if (damaged)
        host->log(host->impl, MMR_LOG_WARN, "journal.cut hint=\"its end was damaged, as after a power cut; the rest is used\"");
    recover(n);
    (void)mmr_deny_drain(n->deny); /* our own set-up */
    (void)host->watch_fd(host->impl, mmr_deny_fd(n->deny), MMR_FD_READ, COOKIE_EVENTS);
    (void)host->set_timer(host->impl, cfg->sweep_ms, COOKIE_SWEEP);
    *ret = n;
    return 0;
}
