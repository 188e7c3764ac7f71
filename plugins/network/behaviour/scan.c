/*
 * scan.c - connection attempts that are not answered. Statistic: distinct ports of one host (vertical),
 * distinct hosts on one port (horizontal), distinct pairs over hours (slow), each tried and not
 * answered. An answer takes the attempt back, so busy clients, passive FTP and browsers do not count.
 */
#include "behaviour.h"

#include "net_text.h"

#include <netinet/in.h>
#include <string.h>

enum { SET_MAX = 256, FIN = 1, SYN = 2, RST = 4, ACK = 16, SLOW_S = 6 * 3600, FAST_S = 60 };
struct attempts {
    int64_t since_ns;
    uint32_t tried, answered, n;
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
    if (now - a->since_ns > window_s * SECOND) {
        memset(a, 0, sizeof *a);
        a->since_ns = now;
    }
}

static bool try_one(struct attempts *a, uint32_t what)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (a->open[i] == what)
            return false;
    if (a->n < SET_MAX)
        a->open[a->n++] = what;
    a->tried++;
    return true;
}

static void answer_one(struct attempts *a, uint32_t what)
{
    for (uint32_t i = 0; i < a->n; i++)
        if (a->open[i] == what) {
            a->open[i] = a->open[--a->n];
            a->answered++;
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

static void on_syn(struct beh *b, const struct mmr_packet *p)
{
    const struct mmr_flow *f = p->flow;
    int64_t now = p->frame->time_ns;
    struct beh_where w;
    char src[NET_ADDR_TEXT], dst[NET_ADDR_TEXT];
    struct memory_key kp = memory_key(&f->client, &f->server, 0), kh = memory_key(&f->client, NULL, f->server_port),
                      ks = memory_key(&f->client, NULL, 1U << 16);
    struct attempts *ports = memory_get(&b->scan_port, &kp), *hosts = memory_get(&b->scan_host, &kh),
                    *all = memory_get(&b->scan_slow, &ks);
    if (!ports || !hosts || !all || net_addr_is_multicast(&f->server))
        return;
    forget_old(ports, now, FAST_S);
    forget_old(hosts, now, FAST_S);
    forget_old(all, now, SLOW_S);
    uint32_t host = addr_hash(&f->server, 0);
    (void)try_one(ports, hash32((uint64_t)f->server_port << 8 | 1));
    (void)try_one(hosts, host);
    (void)try_one(all, addr_hash(&f->server, f->server_port));
    beh_where_flow(&w, f, p);
    const enum place place = place_of(b, f);
    (void)net_addr_text(&f->client, src);
    (void)net_addr_text(&f->server, dst);
    /* three quarters unanswered: a scanner also hits open ports */
    if (ports->n >= (uint32_t)b->cfg->scan_ports && ports->n * 4 >= ports->tried * 3) {
        w.dst_port = 0;
        beh_find(b, &vertical[place], &w, "%s tried %u ports of %s in %lld s, %u did not answer (limit %lld): a port scan", src,
                 ports->tried, dst, (long long)((now - ports->since_ns) / SECOND), ports->n, (long long)b->cfg->scan_ports);
    } else if (hosts->n >= (uint32_t)b->cfg->scan_hosts && hosts->n * 4 >= hosts->tried * 3) {
        beh_find(b, &horizontal[place], &w, "%s tried port %u of %u hosts in %lld s, %u did not answer (limit %lld), last %s: a sweep",
                 src, f->server_port, hosts->tried, (long long)((now - hosts->since_ns) / SECOND), hosts->n,
                 (long long)b->cfg->scan_hosts, dst);
    } else if (all->n >= (uint32_t)b->cfg->scan_slow && all->n * 10 >= all->tried * 9) {
        beh_find(b, &slow[place], &w, "%s made %u attempts in %lld min, %u unanswered (limit %lld), last %s port %u: a slow scan",
                 src, all->tried, (long long)((now - all->since_ns) / (60 * SECOND)), all->n, (long long)b->cfg->scan_slow,
                 dst, f->server_port);
    }
}

static void on_answer(struct beh *b, const struct mmr_flow *f)
{
    struct memory_key kp = memory_key(&f->client, &f->server, 0), kh = memory_key(&f->client, NULL, f->server_port),
                      ks = memory_key(&f->client, NULL, 1U << 16);
    struct attempts *a;
    if ((a = memory_find(&b->scan_port, &kp)))
        answer_one(a, hash32((uint64_t)f->server_port << 8 | 1));
    if ((a = memory_find(&b->scan_host, &kh)))
        answer_one(a, addr_hash(&f->server, 0));
    if ((a = memory_find(&b->scan_slow, &ks)))
        answer_one(a, addr_hash(&f->server, f->server_port));
}

void scan_packet(struct beh *b, const struct mmr_packet *p)
{
    if (p->proto != IPPROTO_TCP || !p->flow || !p->frame)
        return;
    uint8_t flags = p->tcp_flags & (SYN | ACK | RST | FIN);
    if (flags == SYN && p->dir == MMR_TO_SERVER && (p->flags & MMR_PKT_FIRST))
        on_syn(b, p);
    else if (flags == (SYN | ACK) && p->dir == MMR_TO_CLIENT)
        on_answer(b, p->flow);
    else if (flags == ACK && p->dir == MMR_TO_SERVER && p->flow->packets[MMR_TO_SERVER] == 2)
        on_answer(b, p->flow); /* only one half of the line is captured: the client goes on, so it was answered */
}
