/*
 * net_decode.h - turns a captured frame into struct mmr_packet: link layers, VLAN tags, ARP, IPv4 and
 * IPv6 with their extension headers, TCP, UDP, ICMP. Bytes come from the wire; none is trusted.
 */
#ifndef MMR_NET_DECODE_H
#define MMR_NET_DECODE_H

#include <mamori/net.h>

enum { /* pcap link types read here (https://www.tcpdump.org/linktypes.html) */
    NET_DLT_NULL = 0, NET_DLT_EN10MB = 1, NET_DLT_PPP = 9, NET_DLT_RAW = 12, NET_DLT_LOOP = 108,
    NET_DLT_RAW_LINK = 101, NET_DLT_SLL = 113, NET_DLT_PPP_SERIAL = 50, NET_DLT_PPP_ETHER = 51,
    NET_DLT_IPV4 = 228, NET_DLT_IPV6 = 229, NET_DLT_SLL2 = 276, NET_DLT_RAW_OPENBSD = 14,
    NET_DLT_C_HDLC = 104,
};
enum { NET_ETH_IPV4 = 0x0800, NET_ETH_ARP = 0x0806, NET_ETH_IPV6 = 0x86dd };
enum { NET_TCP_FIN = 1, NET_TCP_SYN = 2, NET_TCP_RST = 4, NET_TCP_PSH = 8, NET_TCP_ACK = 16 };
enum net_decoded {
    NET_DECODED_OTHER = 0, /* not IP and not ARP, or a link type not read here */
    NET_DECODED_ARP,
    NET_DECODED_IP,       /* up to the transport header, as far as it is there */
    NET_DECODED_FRAGMENT, /* IP fragment: payload is the fragment's piece, no ports */
};
struct net_extra { /* what struct mmr_packet has no field for */
    uint16_t vlan;       /* the outer tag's id, 0 without */
    uint16_t inner_vlan; /* QinQ */
    uint32_t missing;    /* payload bytes the capture cut off */
    uint32_t frag_id;    /* IPv4 or IPv6 identification, for fragments */
    uint32_t frag_off;   /* bytes */
    bool is_last_frag;
    uint8_t pad[7];
};

/*
 * net_decode - fill ret_pkt from one frame.
 *
 * frame      borrowed; ret_pkt points into its data
 * check      verify IPv4, TCP, UDP and ICMP checksums of whole packets (MMR_PKT_BAD_CHECKSUM)
 * ret_pkt    always filled; MMR_PKT_MALFORMED says a header lied and where decoding stopped
 */
enum net_decoded net_decode(const struct mmr_frame *frame, bool check, struct mmr_packet *ret_pkt,
                            struct net_extra *ret_extra);
/* The same from an IP header on: for a reassembled datagram. pkt keeps its frame and link fields. */
enum net_decoded net_decode_ip(const uint8_t *l3, size_t len, bool check, struct mmr_packet *pkt,
                               struct net_extra *extra);

static inline bool net_addr_is4(const struct mmr_addr *a)
{
    static const uint8_t mapped[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
    return __builtin_memcmp(a->b, mapped, 12) == 0;
}

#endif
