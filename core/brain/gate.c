/*
 * gate.c - rails in front of this machine's responders. This machine's own addresses are kept beside the rails: nobody
 * may deny them, but to isolate this machine is what an endpoint is asked for.
 */
#include "brain/gate.h"

#include "util/log.h"

#include <mamori/event.h>

#include <arpa/inet.h>
#include <ifaddrs.h>
#include <netdb.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <strings.h>

enum { OWN_MAX = 64, HUB_MAX = 8, LINES_MAX = 512 };

struct mmr_gate {
    struct mmr_rails *rails;
    struct mmr_addr own[OWN_MAX];
    size_t n_own;
    char hostname[64];
};

static bool addr_of(const struct sockaddr *sa, struct mmr_addr *ret)
{
    char text[INET6_ADDRSTRLEN];
    const void *raw = NULL;
    if (sa && sa->sa_family == AF_INET)
        raw = &((const struct sockaddr_in *)(const void *)sa)->sin_addr;
    else if (sa && sa->sa_family == AF_INET6)
        raw = &((const struct sockaddr_in6 *)(const void *)sa)->sin6_addr;
    return raw && inet_ntop(sa->sa_family, raw, text, sizeof text) && mmr_addr_parse(text, strlen(text), ret);
}

static void protect_one(struct mmr_gate *g, const struct mmr_addr *a, enum mmr_guard why)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const struct mmr_cidr one = {*a, 128};
    if (mmr_addr_is_set(a) && mmr_rails_protect(g->rails, &one, why, &err) != 0)
        mmr_log(MMR_LOG_ERR, "gate.list", "reason=\"%s\"", err.text);
}

/* ---- what this machine lives from ---- */

static void read_own(struct mmr_gate *g)
{
    struct ifaddrs *list;
    if (getifaddrs(&list) != 0)
        return; /* the last known ones go on */
    g->n_own = 0;
    for (const struct ifaddrs *i = list; i && g->n_own < OWN_MAX; i = i->ifa_next)
        if (addr_of(i->ifa_addr, &g->own[g->n_own]))
            g->n_own++;
    freeifaddrs(list);
}

/* IPv4: "iface destination gateway flags refcnt use metric mask …", the addresses as the kernel's words in hexadecimal. */
static void read_routes4(struct mmr_gate *g)
{
    char line[256];
    FILE *f = fopen("/proc/net/route", "re");
    for (int n = 0; f && n < LINES_MAX && fgets(line, sizeof line, f); n++) {
        unsigned to, by, mask, flags;
        char text[INET_ADDRSTRLEN];
        struct mmr_addr a;
        if (sscanf(line, "%*s %8x %8x %4x %*s %*s %*s %8x", &to, &by, &flags, &mask) != 4 || to || mask || !by)
            continue;
        const struct in_addr in = {.s_addr = by};
        if (inet_ntop(AF_INET, &in, text, sizeof text) && mmr_addr_parse(text, strlen(text), &a))
            protect_one(g, &a, MMR_GUARD_GATEWAY);
    }
    if (f)
        (void)fclose(f);
}

/* IPv6: "destination bits source bits next-hop metric …", 32 hexadecimal digits an address. */
static void read_routes6(struct mmr_gate *g)
{
    char line[256];
    FILE *f = fopen("/proc/net/ipv6_route", "re");
    for (int n = 0; f && n < LINES_MAX && fgets(line, sizeof line, f); n++) {
        char to[33], by[33], text[40];
        unsigned bits;
        struct mmr_addr a;
        size_t at = 0;
        if (sscanf(line, "%32s %2x %*s %*s %32s", to, &bits, by) != 3 || bits || strspn(to, "0") != 32 || strlen(by) != 32)
            continue;
        for (size_t i = 0; i < 32; i++) {
            text[at++] = by[i];
            if (i % 4 == 3 && i != 31)
                text[at++] = ':';
        }
        if (mmr_addr_parse(text, at, &a))
            protect_one(g, &a, MMR_GUARD_GATEWAY);
    }
    if (f)
        (void)fclose(f);
}

static void read_resolvers(struct mmr_gate *g)
{
    char line[256], word[80];
    struct mmr_addr a;
    FILE *f = fopen("/etc/resolv.conf", "re");
    for (int n = 0; f && n < LINES_MAX && fgets(line, sizeof line, f); n++)
        if (sscanf(line, " nameserver %79s", word) == 1 && mmr_addr_parse(word, strcspn(word, "%"), &a))
            protect_one(g, &a, MMR_GUARD_DNS);
    if (f)
        (void)fclose(f);
}

void mmr_gate_refresh(struct mmr_gate *g)
{
    read_own(g);
    mmr_rails_unprotect(g->rails, MMR_GUARD_GATEWAY);
    mmr_rails_unprotect(g->rails, MMR_GUARD_DNS);
    read_routes4(g);
    read_routes6(g);
    read_resolvers(g);
}

/* ---- making ---- */

static int protect_hub(struct mmr_gate *g, const char *hub, struct mmr_error *err)
{
    const char *p = strstr(hub, "://"), *colon = strrchr(hub, ':');
    char name[128];
    struct addrinfo *list;
    const struct addrinfo hints = {.ai_socktype = SOCK_STREAM};
    struct mmr_addr a;
    p = p ? p + 3 : hub;
    size_t len = colon && colon >= p ? (size_t)(colon - p) : strlen(p);
    if (len > 1 && p[0] == '[' && p[len - 1] == ']') {
        p++;
        len -= 2;
    }
    if (len == 0 || len >= sizeof name)
        return mmr_fail(err, MMR_ECONFIG, "site.hub '%.80s': expected tcp://ADDRESS:PORT", hub);
    memcpy(name, p, len);
    name[len] = '\0';
    if (mmr_addr_parse(name, len, &a)) {
        protect_one(g, &a, MMR_GUARD_HUB);
        return 0;
    }
    int r = mmr_rails_protect_name(g->rails, name, MMR_GUARD_HUB, err);
    if (r || getaddrinfo(name, NULL, &hints, &list) != 0)
        return r;
    size_t n = 0;
    for (const struct addrinfo *i = list; i && n < HUB_MAX; i = i->ai_next, n++)
        if (addr_of(i->ai_addr, &a))
            protect_one(g, &a, MMR_GUARD_HUB);
    freeaddrinfo(list);
    return 0;
}

int mmr_gate_new(const struct mmr_setup *setup, const char *hub, const char *hostname, struct mmr_gate **ret,
                 struct mmr_error *err)
{
    struct mmr_gate *g = calloc(1, sizeof *g);
    if (!g)
        return mmr_fail(err, MMR_ENOMEM, "gate: out of memory");
    (void)snprintf(g->hostname, sizeof g->hostname, "%s", hostname);
    int r = mmr_rails_new(&setup->rails, &g->rails, err);
    if (!r)
        r = mmr_rails_inside(g->rails, setup->home, (uint32_t)setup->n_home, (uint32_t)setup->n_assets, err);
    for (size_t i = 0; !r && i < setup->n_never_block; i++) {
        struct mmr_cidr net;
        r = mmr_cidr_parse(setup->never_block[i], &net, NULL) == 0
                ? mmr_rails_protect(g->rails, &net, MMR_GUARD_CONFIGURED, err)
                : mmr_rails_protect_name(g->rails, setup->never_block[i], MMR_GUARD_CONFIGURED, err);
    }
    if (!r)
        r = protect_hub(g, hub, err);
    if (r) {
        mmr_gate_free(g);
        return r;
    }
    mmr_gate_refresh(g);
    *ret = g;
    return 0;
}

void mmr_gate_free(struct mmr_gate *g)
{
    if (!g)
        return;
    mmr_rails_free(g->rails);
    free(g);
}

/* ---- reading a target ---- */

/* Absent is fine; a value that would be cut is not: what was not read cannot be judged. */
static int text_at(const struct mmr_event_view *v, const char *key, char *buf, size_t cap, struct mmr_error *err)
{
    size_t len;
    const char *p = mmr_event_get_str(v, key, &len);
    if (!p)
        return mmr_event_get(v, key) ? mmr_fail(err, MMR_EBADMSG, "target: '%s' is no text", key) : 0;
    if (len >= cap || memchr(p, '\0', len))
        return mmr_fail(err, MMR_EBADMSG, "target: '%s' has %zu bytes or a NUL; at most %zu", key, len, cap - 1);
    memcpy(buf, p, len);
    buf[len] = '\0';
    return 0;
}

static int addr_at(const struct mmr_event_view *v, const char *key, struct mmr_addr *ret, struct mmr_error *err)
{
    char text[80] = "";
    int r = text_at(v, key, text, sizeof text, err);
    if (!r && text[0] && !mmr_addr_parse(text, strlen(text), ret))
        r = mmr_fail(err, MMR_EBADMSG, "target: '%s' is '%s', expected an IP address", key, text);
    return r;
}

static int cidr_at(const struct mmr_event_view *v, const char *key, struct mmr_cidr *ret, struct mmr_error *err)
{
    char text[80] = "";
    int r = text_at(v, key, text, sizeof text, err);
    return r || !text[0] ? r : mmr_cidr_parse(text, ret, err) ? MMR_EBADMSG : 0;
}

static int port_at(const struct mmr_event_view *v, const char *key, uint16_t *ret, struct mmr_error *err)
{
    int64_t n = mmr_event_get_int(v, key, 0);
    if (n < 0 || n > 65535)
        return mmr_fail(err, MMR_EBADMSG, "target: '%s' is %lld, expected 0 to 65535", key, (long long)n);
    *ret = (uint16_t)n;
    return 0;
}

static int flow_at(const struct mmr_event_view *v, struct mmr_target *t, struct mmr_error *err)
{
    int r = text_at(v, "proto", t->proto, sizeof t->proto, err);
    if (!r)
        r = addr_at(v, "src_endpoint.ip", &t->src, err);
    if (!r)
        r = addr_at(v, "dst_endpoint.ip", &t->dst, err);
    if (!r)
        r = port_at(v, "src_endpoint.port", &t->src_port, err);
    return r ? r : port_at(v, "dst_endpoint.port", &t->dst_port, err);
}

static int process_at(const struct mmr_event_view *v, struct mmr_target *t, struct mmr_error *err)
{
    const struct mmr_value *tree = mmr_event_get(v, "tree");
    t->pid = mmr_event_get_int(v, "process.pid", 0);
    t->start_ticks = mmr_event_get_int(v, "process.start_ticks", 0);
    t->is_tree = tree && tree->type == MMR_VAL_BOOL && tree->n.i;
    int r = text_at(v, "process.file.path", t->exe, sizeof t->exe, err);
    return r ? r : text_at(v, "process.file.sha256", t->sha256, sizeof t->sha256, err);
}

static int block_at(const struct mmr_event_view *v, struct mmr_target *t, struct mmr_error *err)
{
    const struct mmr_value *d = mmr_event_get(v, "direction");
    t->direction = mmr_value_is(d, "in") ? MMR_DIR_INBOUND : mmr_value_is(d, "out") ? MMR_DIR_OUTBOUND : MMR_DIR_UNKNOWN;
    int r = cidr_at(v, "addr", &t->addr, err);
    if (!r)
        r = port_at(v, "port", &t->port, err);
    return r ? r : text_at(v, "proto", t->proto, sizeof t->proto, err);
}

int mmr_target_decode(enum mmr_verb verb, const void *msgpack, size_t len, struct mmr_target *ret, struct mmr_error *err)
{
    struct mmr_event_view v;
    struct mmr_target t = {0};
    int r = mmr_event_read(msgpack, len, &v, err);
    if (r)
        return r;
    switch (verb) {
    case MMR_VERB_BLOCK_ADDR: r = block_at(&v, &t, err); break;
    case MMR_VERB_CUT_FLOW:
    case MMR_VERB_QUERY_CONNECTION_OWNER: r = flow_at(&v, &t, err); break;
    case MMR_VERB_BLOCK_NAME: r = text_at(&v, "name", t.text, sizeof t.text, err); break;
    case MMR_VERB_KILL_PROCESS:
    case MMR_VERB_FREEZE_PROCESS: r = process_at(&v, &t, err); break;
    case MMR_VERB_DENY_EXEC:
    case MMR_VERB_QUARANTINE_FILE:
        r = text_at(&v, "file.path", t.text, sizeof t.text, err);
        if (!r)
            r = text_at(&v, "file.hashes.sha256", t.sha256, sizeof t.sha256, err);
        break;
    case MMR_VERB_REMOVE_AUTOSTART:
        r = text_at(&v, "file.path", t.text, sizeof t.text, err);
        if (!r)
            r = text_at(&v, "entry", t.exe, sizeof t.exe, err);
        break;
    case MMR_VERB_ISOLATE_HOST:
        r = text_at(&v, "device.hostname", t.host, sizeof t.host, err);
        if (!r)
            r = cidr_at(&v, "device.ip", &t.addr, err);
        if (!r)
            r = text_at(&v, "device.mac", t.text, sizeof t.text, err);
        break;
    case MMR_VERB_LOCK_ACCOUNT: r = text_at(&v, "user.name", t.text, sizeof t.text, err); break;
    case MMR_VERB_NONE:
    case MMR_VERB_COUNT: return mmr_fail(err, MMR_EBADMSG, "target: no such verb");
    }
    if (r)
        return r;
    *ret = t;
    return 0;
}

/* ---- the gate ---- */

static int deny_own(const struct mmr_gate *g, enum mmr_verb verb, const struct mmr_target *t, char *ret_why)
{
    char text[MMR_ADDR_TEXT_MAX];
    for (size_t i = 0; verb == MMR_VERB_BLOCK_ADDR && i < g->n_own; i++)
        if (mmr_cidr_has(&t->addr, &g->own[i])) {
            mmr_addr_format(&g->own[i], text);
            (void)snprintf(ret_why, MMR_GATE_WHY, "%s: %s", text, mmr_guard_name(MMR_GUARD_OWN));
            return MMR_EPERM;
        }
    if (verb == MMR_VERB_BLOCK_NAME && g->hostname[0] && strcasecmp(t->text, g->hostname) == 0) {
        (void)snprintf(ret_why, MMR_GATE_WHY, "%s: %s", g->hostname, mmr_guard_name(MMR_GUARD_OWN));
        return MMR_EPERM;
    }
    return 0;
}

int mmr_gate_take(struct mmr_gate *g, enum mmr_verb verb, const struct mmr_target *t, uint32_t flags, int64_t now_ns,
                  char *ret_why)
{
    if (flags & (MMR_ACT_UNDO | MMR_ACT_VERIFY))
        return 0;
    int r = deny_own(g, verb, t, ret_why);
    if (r)
        return r;
    if (flags & (MMR_ACT_RENEW | MMR_ACT_DRY_RUN))
        return mmr_rails_check(g->rails, verb, t, false, now_ns, ret_why);
    return mmr_rails_take(g->rails, verb, t, true, now_ns, ret_why);
}

void mmr_gate_report(struct mmr_gate *g, enum mmr_verb verb, const struct mmr_target *t, enum mmr_result result,
                     bool is_over, int64_t now_ns)
{
    mmr_rails_report(g->rails, verb, t, result, is_over, now_ns);
}
