/* net_text.c - addresses as text, address ranges, and the fields every network event carries. */
#include "net_text.h"

#include "net_decode.h"
#include "net_digits.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

const char *net_addr_text(const struct mmr_addr *a, char *buf)
{
    if (net_addr_is4(a)) { /* inet_ntop goes through printf: seven times slower, twice for each event */
        char *p = buf;
        for (unsigned i = 12; i < 16; i++) {
            unsigned v = a->b[i];
            if (v >= 100)
                *p++ = (char)('0' + v / 100);
            if (v >= 10)
                *p++ = (char)('0' + v / 10 % 10);
            *p++ = (char)('0' + v % 10);
            *p++ = i < 15 ? '.' : '\0';
        }
    } else if (!inet_ntop(AF_INET6, a->b, buf, NET_ADDR_TEXT)) {
        buf[0] = '\0';
    }
    return buf;
}

const char *net_mac_text(const uint8_t mac[6], char buf[18])
{
    static const char hex[] = "0123456789abcdef";
    for (unsigned i = 0; i < 6; i++) {
        buf[i * 3] = hex[mac[i] >> 4];
        buf[i * 3 + 1] = hex[mac[i] & 15];
        buf[i * 3 + 2] = i == 5 ? '\0' : ':';
    }
    return buf;
}

int net_ranges_add(struct net_ranges *set, const char *text, struct mmr_error *err)
{
    char host[64];
    struct mmr_addr a = {{0}};
    const char *slash = strchr(text, '/');
    size_t n = slash ? (size_t)(slash - text) : strlen(text);
    if (set->n == NET_RANGES_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "address range '%s': more than %d ranges", text, NET_RANGES_MAX);
    if (n == 0 || n >= sizeof host)
        return mmr_fail(err, MMR_ECONFIG, "address range '%s': expected 192.168.0.0/16 or fd00::/8", text);
    memcpy(host, text, n);
    host[n] = '\0';
    unsigned width;
    if (inet_pton(AF_INET, host, a.b + 12) == 1) {
        a.b[10] = a.b[11] = 0xff;
        width = 32;
    } else if (inet_pton(AF_INET6, host, a.b) == 1) {
        width = 128;
    } else {
        return mmr_fail(err, MMR_ECONFIG, "address range '%s': '%s' is no IPv4 or IPv6 address", text, host);
    }
    unsigned long bits = width;
    if (slash) {
        char *end;
        bits = strtoul(slash + 1, &end, 10);
        if (slash[1] < '0' || slash[1] > '9' || *end || bits > width)
            return mmr_fail(err, MMR_ECONFIG, "address range '%s': prefix length must be 0 to %u", text, width);
    }
    set->r[set->n].addr = a;
    set->r[set->n].bits = (uint32_t)bits + (128 - width);
    set->n++;
    return MMR_OK;
}

static bool is_in(const struct mmr_addr *a, const struct mmr_addr *net, uint32_t bits)
{
    uint32_t whole = bits / 8, rest = bits % 8;
    if (memcmp(a->b, net->b, whole) != 0)
        return false;
    return rest == 0 || ((a->b[whole] ^ net->b[whole]) >> (8 - rest)) == 0;
}

bool net_ranges_has(const struct net_ranges *set, const struct mmr_addr *a)
{
    for (uint32_t i = 0; i < set->n; i++)
        if (is_in(a, &set->r[i].addr, set->r[i].bits))
            return true;
    return false;
}

void net_ranges_private(struct net_ranges *ret_set)
{
    static const char *const ranges[] = {"10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16", "127.0.0.0/8",
                                         "169.254.0.0/16", "100.64.0.0/10", "::1/128", "fc00::/7",
                                         "fe80::/10"};
    ret_set->n = 0;
    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0]; i++)
        (void)net_ranges_add(ret_set, ranges[i], NULL);
}

bool net_addr_is_multicast(const struct mmr_addr *a)
{
    if (net_addr_is4(a))
        return (a->b[12] & 0xf0) == 0xe0 || (a->b[12] & a->b[13] & a->b[14] & a->b[15]) == 0xff ||
               a->b[15] == 0xff; /* a /24's broadcast: near enough to be left out of scan counts */
    return a->b[0] == 0xff;
}

const char *net_proto_name(uint8_t proto, char buf[8])
{
    switch (proto) {
    case IPPROTO_TCP:
        return "tcp";
    case IPPROTO_UDP:
        return "udp";
    case IPPROTO_ICMP:
    case IPPROTO_ICMPV6:
        return "icmp";
    default:
        (void)snprintf(buf, 8, "%u", proto);
        return buf;
    }
}

void net_event_position(struct mmr_event *ev, const struct mmr_packet *pkt, bool is_replay)
{
    if (!is_replay || !pkt || !pkt->frame)
        return;
    mmr_event_str(ev, "mamori.input", pkt->frame->input);
    mmr_event_int(ev, "mamori.index", (int64_t)pkt->frame->index);
}

void net_event_flow(struct mmr_event *ev, const struct mmr_flow *flow, const struct mmr_packet *pkt,
                    bool is_replay)
{
    char text[NET_ADDR_TEXT], num[8], uid[24];
    mmr_event_str(ev, "src_endpoint.ip", net_addr_text(&flow->client, text));
    mmr_event_str(ev, "dst_endpoint.ip", net_addr_text(&flow->server, text));
    if (flow->proto == IPPROTO_TCP || flow->proto == IPPROTO_UDP) {
        mmr_event_int(ev, "src_endpoint.port", flow->client_port);
        mmr_event_int(ev, "dst_endpoint.port", flow->server_port);
    }
    mmr_event_str(ev, "connection_info.protocol_name", net_proto_name(flow->proto, num));
    *net_put_decimal(uid, flow->id) = '\0';
    mmr_event_str(ev, "connection_info.uid", uid);
    mmr_event_str(ev, "mamori.direction", net_direction(flow->zones));
    net_event_position(ev, pkt, is_replay);
}

const char *net_direction(uint8_t zones)
{
    bool c = zones & MMR_FLOW_CLIENT_INSIDE, s = zones & MMR_FLOW_SERVER_INSIDE;
    return c && s ? "internal" : c ? "outbound" : s ? "inbound" : NULL;
}
