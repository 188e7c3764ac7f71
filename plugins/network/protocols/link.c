/*
 * link.c - what speaks below flows: ARP claims (who says an address is his) and ICMP errors. A claim
 * is told when it is new or changes, so that a quiet office tells little.
 */
#include "proto.h"

#include "net_decode.h"
#include "net_text.h"

#include <netinet/in.h>
#include <string.h>

static void claim(struct proto *m, const struct mmr_packet *p, const struct mmr_addr *addr, const uint8_t mac[6])
{
    char text[NET_ADDR_TEXT], now[18], before[18];
    uint32_t h = 2166136261U;
    for (unsigned i = 0; i < 16; i++)
        h = (h ^ addr->b[i]) * 16777619U;
    struct proto_claim *c = &m->claims[h % PROTO_CLAIMS];
    bool is_same_addr = c->is_used && memcmp(&c->addr, addr, sizeof *addr) == 0;
    if (is_same_addr && memcmp(c->mac, mac, 6) == 0)
        return;
    struct mmr_event *ev = proto_event(m, NULL, p, "arp.claim", MMR_CLASS_DHCP, 1);
    mmr_event_str(ev, "device.ip", net_addr_text(addr, text));
    mmr_event_str(ev, "device.mac", net_mac_text(mac, now));
    mmr_event_str(ev, "src_endpoint.ip", text);
    mmr_event_str(ev, "src_endpoint.mac", now);
    if (is_same_addr)
        mmr_event_str(ev, "unmapped.previous_mac", net_mac_text(c->mac, before));
    if (is_same_addr)
        mmr_event_int(ev, "unmapped.changes", ++c->changes);
    else
        c->changes = 0;
    proto_event_send(m);
    c->is_used = true;
    c->addr = *addr;
    memcpy(c->mac, mac, 6);
}

void proto_link_packet(struct proto *m, const struct mmr_packet *p)
{
    static const uint8_t none[4] = {0};
    if (p->ethertype == NET_ETH_ARP) {
        if ((p->flags & MMR_PKT_MALFORMED) || p->l3_len < 28 || memcmp(p->src.b + 12, none, 4) == 0)
            return; /* 0.0.0.0 asks before it takes an address: no claim (RFC 5227) */
        claim(m, p, &p->src, p->l3 + 8);
        return;
    }
    bool v6 = p->proto == IPPROTO_ICMPV6;
    bool is_error = v6 ? p->icmp_type < 128 : p->icmp_type == 3 || p->icmp_type == 5 || p->icmp_type == 11;
    if (!is_error || !p->flow || !(p->flags & MMR_PKT_FIRST))
        return;
    struct mmr_event *ev = proto_event(m, p->flow, p, "icmp.message", MMR_CLASS_NETWORK, 6);
    mmr_event_int(ev, "unmapped.icmp_type", p->icmp_type);
    mmr_event_int(ev, "unmapped.icmp_code", p->icmp_code);
    proto_event_send(m);
}
