/*
 * scan.c - attempts that are not answered. Statistic: distinct ports of one host (vertical), distinct hosts on
 * one port (horizontal), distinct pairs over hours (slow), each tried and not answered. An answer takes the
 * attempt back, so busy clients, passive FTP and browsers do not count. Attempts are SYNs; segments no system
 * opens with (FIN, none or all flags), and acknowledgements of nothing that are refused; datagrams to machines of
 * the office, twice as many; echo requests to many hosts.
 */
#include "behaviour.h"

#include "net_text.h"

#include <netinet/in.h>
#include <stdio.h>
#include <string.h>

enum { SET_MAX = 256 /* more than any limit may be set to */, FIN = 1, SYN = 2, RST = 4, ACK = 16, SLOW_S = 6 * 3600, FAST_S = 60,
       TRACE_FROM = 33434, TRACE_TO = 33690 /* where traceroute sends its datagrams */ };
enum way { BY_SYN = 0, BY_STRAY, BY_DATAGRAM, BY_ECHO };
struct attempts {
    int64_t since_ns;
    uint32_t tried, n;
    uint32_t open[SET_MAX]; /* hashes of what was tried and not answered; 0 free */
};
const uint32_t scan_bytes = sizeof(struct attempts);

/*
 * Looking around from or to the outside harms nobody by itself; inside the office it goes before spread. T1595.001 asks for the scanner to be
 * shut out for a time. The source of attempts that nobody answered may be forged, so it is left away for an address that somebody here asked a
 * name for or reached by one: a forger must not shut the office off from what it uses.
 */
enum place { FROM_OUTSIDE = 0, INSIDE, OTHER, PLACES };
static const struct beh_rule vertical[PLACES] = {
    {"mamori.behaviour.port_scan", "Port scan", "attempt.inbound", "info", 2, {"T1046", "T1595.001"}},
    {"mamori.behaviour.port_scan", "Port scan inside the office", "attempt.inbound", "low", 3, {"T1046"}},
    {"mamori.behaviour.port_scan", "Port scan", "attempt.inbound", "info", 2, {"T1046"}}};
static const struct beh_rule horizontal[PLACES] = {
    {"mamori.behaviour.host_sweep", "Sweep of many hosts on one port", "attempt.inbound", "info", 2, {"T1046", "T1018", "T1595.001"}},
    {"mamori.behaviour.host_sweep", "Sweep of many hosts on one port inside the office", "attempt.inbound", "low", 3, {"T1046", "T1018"}},
    {"mamori.behaviour.host_sweep", "Sweep of many hosts on one port", "attempt.inbound", "info", 2, {"T1046", "T1018"}}};
static const struct beh_rule slow[PLACES] = {
    {"mamori.behaviour.slow_scan", "Slow scan", "attempt.inbound", "info", 2, {"T1046", "T1595.001"}},
    {"mamori.behaviour.slow_scan", "Slow scan inside the office", "attempt.inbound", "low", 3, {"T1046"}},
    {"mamori.behaviour.slow_scan", "Slow scan", "attempt.inbound", "info", 2, {"T1046"}}};

static enum place place_of(struct beh *b, const struct mmr_flow *f)
{
    const bool from_in = f->zones & MMR_FLOW_CLIENT_INSIDE, to_in = f->zones & MMR_FLOW_SERVER_INSIDE;
    if (from_in && to_in)
        return INSIDE;
    return !from_in && to_in && !names_has(b, &f->client) ? FROM_OUTSIDE : OTHER;
}

static uint32_t hash32(uint64_t v)
{
    v = (v ^ v >> 31) * 0x9fb21c651e98df25U;
    uint32_t h = (uint32_t)(v >> 32);
    return h ? h : 1;
}

static void forget_old(struct attempts *a, int64_t now, int64_t window_s)
{
    if (beh_is_over(now, a->since_ns, window_s)) {
        memset(a, 0, sizeof *a);
        a->since_ns = now;
    }
}

static void try_one(struct attempts *a, uint32_t what)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (a->open[i] == what)
            return;
    if (a->n < SET_MAX)
        a->open[a->n++] = what;
    a->tried++;
}

static void answer_one(struct attempts *a, uint32_t what)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (a->open[i] == what) {
            a->open[i] = a->open[--a->n];
            return;
        }
}

static uint32_t addr_hash(const struct mmr_addr *a, uint16_t port)
{
    uint64_t hi, lo;
    memcpy(&hi, a->b, 8);
    memcpy(&lo, a->b + 8, 8);
    return hash32(hi * 31 ^ lo ^ (uint64_t)port << 48);
}

struct keys {
    struct memory_key ports, hosts, all;
};

static struct keys keys_of(const struct mmr_addr *from, const struct mmr_addr *to, uint16_t port, enum way way)
{
    return (struct keys){memory_key(from, to, way), memory_key(from, NULL, (uint64_t)way << 20 | port), memory_key(from, NULL, 1U << 16)};
}

static void tell(struct beh *b, const struct mmr_packet *p, enum way way, const struct attempts *ports, const struct attempts *hosts, const struct attempts *all)
{
    static const char *const how[] = {"", " by segments that open nothing", " by datagrams", ""};
    const struct mmr_flow *f = p->flow;
    const enum place place = place_of(b, f);
    const uint32_t port_limit = (uint32_t)b->cfg->scan_ports * (way == BY_DATAGRAM ? 2 : 1);
    struct beh_where w;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    beh_where_flow(&w, f, p);
    (void)net_addr_text(&f->client, src);
    (void)net_addr_text(&f->server, dst);
    /* three quarters unanswered: a scanner also hits open ports */
    if (ports && ports->n >= port_limit && ports->n * 4 >= ports->tried * 3) {
        w.dst_port = 0;
        beh_find(b, &vertical[place], &w, "%s tried %u ports of %s%s in %lld s, %u did not answer (limit %u): a port scan", src,
                 ports->tried, dst, how[way], (long long)((w.time_ns - ports->since_ns) / SECOND), ports->n, port_limit);
    } else if (hosts && hosts->n >= (uint32_t)b->cfg->scan_hosts && hosts->n * 4 >= hosts->tried * 3) {
        char what[24] = "sent echo requests to";
        if (way != BY_ECHO)
            (void)snprintf(what, sizeof what, "tried port %u of", w.dst_port);
        beh_find(b, &horizontal[place], &w, "%s %s %u hosts in %lld s, %u did not answer (limit %lld), last %s: a sweep",
                 src, what, hosts->tried, (long long)((w.time_ns - hosts->since_ns) / SECOND), hosts->n,
                 (long long)b->cfg->scan_hosts, dst);
    } else if (all && all->n >= (uint32_t)b->cfg->scan_slow && all->n * 10 >= all->tried * 9) {
        beh_find(b, &slow[place], &w, "%s made %u attempts in %lld min, %u unanswered (limit %lld), last %s port %u: a slow scan",
                 src, all->tried, (long long)((w.time_ns - all->since_ns) / (60 * SECOND)), all->n, (long long)b->cfg->scan_slow,
                 dst, w.dst_port);
    }
}

static struct attempts *count(struct memory *m, const struct memory_key *k, int64_t now, int64_t window_s, uint32_t what)
{
    struct attempts *a = memory_get(m, k);
    if (a) {
        forget_old(a, now, window_s);
        try_one(a, what);
    }
    return a;
}

static void on_attempt(struct beh *b, const struct mmr_packet *p, enum way way)
{
    const struct mmr_flow *f = p->flow;
    const int64_t now = p->frame->time_ns;
    if (net_addr_is_multicast(&f->server))
        return;
    const struct keys k = keys_of(&f->client, &f->server, f->server_port, way);
    const uint32_t port = hash32((uint64_t)f->server_port << 8 | 1);
    const struct attempts *ports = NULL, *hosts = NULL, *all = NULL;
    if (way != BY_ECHO)
        ports = count(&b->scan_port, &k.ports, now, FAST_S, port);
    if (way == BY_SYN || way == BY_ECHO)
        hosts = count(&b->scan_host, &k.hosts, now, FAST_S, addr_hash(&f->server, 0));
    if (way == BY_SYN)
        all = count(&b->scan_slow, &k.all, now, SLOW_S, addr_hash(&f->server, f->server_port));
    tell(b, p, way, ports, hosts, all);
}

static void on_answer(struct beh *b, const struct mmr_flow *f, enum way way)
{
    const struct keys k = keys_of(&f->client, &f->server, f->server_port, way);
    struct attempts *a;
    if ((a = memory_find(&b->scan_port, &k.ports)))
        answer_one(a, hash32((uint64_t)f->server_port << 8 | 1));
    if ((a = memory_find(&b->scan_host, &k.hosts)))
        answer_one(a, addr_hash(&f->server, 0));
    if (way == BY_SYN && (a = memory_find(&b->scan_slow, &k.all)))
        answer_one(a, addr_hash(&f->server, f->server_port));
}

static void on_segment(struct beh *b, const struct mmr_packet *p)
{
    const uint8_t flags = p->tcp_flags & (SYN | ACK | RST | FIN);
    const bool is_first = p->flags & MMR_PKT_FIRST;
    const struct mmr_flow *f = p->flow;
    if (flags == SYN && p->dir == MMR_TO_SERVER && is_first)
        on_attempt(b, p, BY_SYN);
    else if (flags == (SYN | ACK) && p->dir == MMR_TO_CLIENT)
        on_answer(b, f, BY_SYN);
    else if (flags == ACK && p->dir == MMR_TO_SERVER && f->packets[MMR_TO_SERVER] == 2)
        on_answer(b, f, BY_SYN); /* only one half of the line is captured: the client goes on, so it was answered */
    else if (!(flags & (SYN | ACK | RST)) && p->dir == MMR_TO_SERVER && is_first)
        on_attempt(b, p, BY_STRAY);
    else if (flags == RST && p->dir == MMR_TO_CLIENT && f->packets[0] == 1 && f->packets[1] == 1 && f->bytes[0] == 0)
        on_attempt(b, p, BY_STRAY); /* the one segment before it acknowledged something: a SYN is refused with an acknowledgement of it */
}

static void on_datagram(struct beh *b, const struct mmr_packet *p)
{
    const struct mmr_flow *f = p->flow;
    if (p->dir == MMR_TO_CLIENT && f->packets[MMR_TO_CLIENT] == 1)
        on_answer(b, f, BY_DATAGRAM);
    /* what comes from a service's port answers somebody, seen or not */
    else if (p->dir == MMR_TO_SERVER && (p->flags & MMR_PKT_FIRST) && (f->zones & MMR_FLOW_SERVER_INSIDE) && f->client_port >= 1024 &&
             (f->server_port < TRACE_FROM || f->server_port > TRACE_TO))
        on_attempt(b, p, BY_DATAGRAM);
}

void scan_packet(struct beh *b, const struct mmr_packet *p)
{
    if (!p->flow || !p->frame)
        return;
    if (p->proto == IPPROTO_TCP)
        on_segment(b, p);
    else if (p->proto == IPPROTO_UDP)
        on_datagram(b, p);
    else if ((p->proto == IPPROTO_ICMP && p->icmp_type == 8) || (p->proto == IPPROTO_ICMPV6 && p->icmp_type == 128)) {
        if (p->flags & MMR_PKT_FIRST)
            on_attempt(b, p, BY_ECHO);
    } else if ((p->proto == IPPROTO_ICMP && p->icmp_type == 0) || (p->proto == IPPROTO_ICMPV6 && p->icmp_type == 129)) {
        on_answer(b, p->flow, BY_ECHO);
    }
}
