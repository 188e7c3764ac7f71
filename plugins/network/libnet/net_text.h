/* net_text.h - addresses as text, address ranges, and the fields every network event carries. */
#ifndef MMR_NET_TEXT_H
#define MMR_NET_TEXT_H

#include <mamori/event.h>
#include <mamori/net.h>

enum { NET_ADDR_TEXT = 46, NET_RANGES_MAX = 64 };

/* "192.0.2.1" or "2001:db8::1"; buf of NET_ADDR_TEXT bytes. Returns buf. */
const char *net_addr_text(const struct mmr_addr *a, char *buf);
const char *net_mac_text(const uint8_t mac[6], char buf[18]);

struct net_ranges { /* a set of CIDR ranges */
    uint32_t n, reserved;
    struct {
        struct mmr_addr addr;
        uint32_t bits; /* of the 128 */
    } r[NET_RANGES_MAX];
};
/* Add "192.168.0.0/16", "fe80::/10" or one address. errors MMR_ECONFIG naming text; MMR_ETOOBIG full. */
int net_ranges_add(struct net_ranges *set, const char *text, struct mmr_error *err);
bool net_ranges_has(const struct net_ranges *set, const struct mmr_addr *a);
/* The private and link-local ranges, used when the site names none. */
void net_ranges_private(struct net_ranges *ret_set);
bool net_addr_is_multicast(const struct mmr_addr *a); /* broadcast too */

/*
 * net_event_flow - add src_endpoint.*, dst_endpoint.*, connection_info.* of a flow, and where the
 * record came from.
 *
 * pkt        the packet that caused it, or NULL; gives mamori.input and mamori.index
 * is_replay  recorded input: only there is the position worth naming
 */
void net_event_flow(struct mmr_event *ev, const struct mmr_flow *flow, const struct mmr_packet *pkt,
                    bool is_replay);
void net_event_position(struct mmr_event *ev, const struct mmr_packet *pkt, bool is_replay);
/* "tcp", "udp", "icmp", or the number as text in buf */
const char *net_proto_name(uint8_t proto, char buf[8]);
/* inbound, outbound, internal, from a flow's zones; NULL when both ends are outside */
const char *net_direction(uint8_t zones);

#endif
