/* cut.c - resets, probes, and what the answers prove. */
#include "cut.h"

#include "net_decode.h"

#include <string.h>

void cut_begin(struct cut *c, const struct mmr_addr *a, uint16_t a_port, const struct mmr_addr *b, uint16_t b_port, uint32_t mark, int64_t now_ms)
{
    *c = (struct cut){.end = {{.addr = *a, .port = a_port}, {.addr = *b, .port = b_port}}, .mark = mark, .begin_ms = now_ms};
}

static bool is_end(const struct cut_end *e, const struct mmr_addr *a, uint16_t port)
{
    return e->port == port && memcmp(&e->addr, a, sizeof *a) == 0;
}

/* 0 or 1: the end that sent it; -1: not of this connection. */
static int sender(const struct cut *c, const struct mmr_packet *p)
{
    for (int i = 0; i < 2; i++)
        if (is_end(&c->end[i], &p->src, p->src_port) && is_end(&c->end[!i], &p->dst, p->dst_port))
            return i;
    return -1;
}

static bool is_ours(const struct cut *c, const struct mmr_packet *p)
{
    const size_t at = (size_t)p->l4_off + 18; /* urgent pointer */
    if (p->tcp_window != (uint16_t)c->mark || p->l3_len < at + 2)
        return false;
    return (uint16_t)(p->l3[at] << 8 | p->l3[at + 1]) == (uint16_t)(c->mark >> 16);
}

bool cut_is_of(const struct cut *c, const struct mmr_packet *p)
{
    return p->proto == 6 && sender(c, p) >= 0 && !is_ours(c, p);
}

/* A segment to end `to`, in the other's name. */
static struct reset_segment segment(const struct cut *c, int to, uint8_t flags, uint32_t seq, uint32_t ack)
{
    const struct cut_end *e = &c->end[to], *o = &c->end[!to];
    return (struct reset_segment){.src = o->addr, .dst = e->addr, .src_port = o->port, .dst_port = e->port, .seq = seq, .ack = ack,
                                  .flags = flags, .window = (uint16_t)c->mark, .urgent = (uint16_t)(c->mark >> 16)};
}

static bool may_send(const struct cut *c, unsigned n)
{
    return c->resets + c->probes + n <= CUT_SENT_MAX;
}

/* To the end that spoke: what it acknowledged is what it expects. To the other: what follows the packet, for when it has it. */
static unsigned resets(struct cut *c, int from, uint32_t expects, uint32_t next, int64_t now_ms, struct reset_segment *out)
{
    if (!may_send(c, 2) || (c->last_reset_ms && now_ms - c->last_reset_ms < CUT_GAP_MS))
        return 0;
    out[0] = segment(c, from, NET_TCP_RST | NET_TCP_ACK, expects, next);
    out[1] = segment(c, !from, NET_TCP_RST | NET_TCP_ACK, next, expects);
    c->resets += 2;
    c->last_reset_ms = now_ms;
    if (!c->first_reset_ms)
        c->first_reset_ms = now_ms;
    return 2;
}

unsigned cut_packet(struct cut *c, const struct mmr_packet *p, int64_t now_ms, struct reset_segment *out)
{
    const int from = sender(c, p);
    if (from < 0)
        return 0;
    struct cut_end *e = &c->end[from];
    if (p->tcp_flags & NET_TCP_RST) {
        e->is_gone = true;
        if (!c->gone_ms)
            c->gone_ms = now_ms;
        return 0;
    }
    const bool is_syn = p->tcp_flags & NET_TCP_SYN;
    const uint32_t after = p->tcp_seq + p->payload_len + (is_syn ? 1U : 0U) + (p->tcp_flags & NET_TCP_FIN ? 1U : 0U);
    if (is_syn && !(p->tcp_flags & NET_TCP_ACK)) { /* it begins anew: what ended before says nothing of this one */
        c->is_new_try = c->is_new_try || c->gone_ms;
        c->end[0].is_gone = c->end[1].is_gone = false;
        c->gone_ms = 0;
        return resets(c, from, 0, after, now_ms, out);
    }
    e->is_known = true;
    e->expects = p->tcp_ack;
    e->next = after;
    e->alive_ms = now_ms;
    if (p->payload_len)
        e->data_ms = now_ms;
    return resets(c, from, p->tcp_ack, after, now_ms, out);
}

/* One byte before what it expects, as a keep-alive has it; nothing known: anywhere, far from where we asked before. */
static struct reset_segment probe(struct cut *c, int to)
{
    const struct cut_end *e = &c->end[to];
    const uint32_t stray = c->mark * 2654435761U + c->rounds++ * 0x55555555U; /* a third of the number space further each time */
    return segment(c, to, NET_TCP_ACK, e->is_known ? e->expects - 1 : stray, e->is_known ? e->next : stray ^ c->mark);
}

unsigned cut_tick(struct cut *c, int64_t now_ms, struct reset_segment *out)
{
    unsigned n = 0;
    if (c->last_probe_ms && now_ms - c->last_probe_ms < CUT_PROBE_MS)
        return 0;
    for (int i = 0; i < 2; i++)
        if (!c->end[i].is_gone && may_send(c, 1)) {
            out[n++] = probe(c, i);
            c->probes++;
        }
    c->last_probe_ms = now_ms;
    return n;
}

/* Did an end speak after that moment, what was on its way then left out? */
static bool has_spoken(const struct cut *c, int64_t since_ms)
{
    for (int i = 0; i < 2; i++)
        if (c->end[i].alive_ms > since_ms + CUT_FLIGHT_MS)
            return true;
    return false;
}

enum cut_verdict cut_verdict(const struct cut *c, int64_t now_ms, int64_t deadline_ms)
{
    const bool is_gone = c->gone_ms && !has_spoken(c, c->gone_ms);
    if (is_gone && ((c->end[0].is_gone && c->end[1].is_gone) || now_ms - c->gone_ms >= CUT_QUIET_MS))
        return c->first_reset_ms && c->first_reset_ms <= c->gone_ms ? CUT_ENDED : CUT_ENDED_BEFORE;
    if (now_ms < deadline_ms)
        return CUT_OPEN;
    /* who has it still answers a probe: two of them fit into this time */
    if (c->first_reset_ms && has_spoken(c, c->first_reset_ms) && has_spoken(c, now_ms - 2 * CUT_PROBE_MS - CUT_FLIGHT_MS))
        return CUT_GOES_ON;
    return CUT_SILENT;
}
