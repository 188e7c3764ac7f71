/*
 * mamori/net.h - network topics: borrowed structs handed between instances of one host, never
 * through MessagePack. Publisher -> topic -> sinks:
 *
 *   capture    -> mamori.frame/0    struct mmr_frame    link-layer frames as captured
 *   flow       -> mamori.packet/0   struct mmr_packet   decoded packets with their flow
 *   flow       -> mamori.stream/0   struct mmr_chunk    reassembled TCP data, in order, and UDP payloads
 *   flow       -> mamori.flow/0     struct mmr_flow     a flow has ended (last call for its slots)
 *   protocols  -> mamori.tx/0       struct mmr_tx       named buffers of one protocol message
 *   signature  -> mamori.alert/0    struct mmr_alert    every time a signature rule matched
 *
 * Everything is valid for the duration of the call, except struct mmr_flow, which lives until its
 * mamori.flow/0 call returns.
 */
#ifndef MAMORI_NET_H
#define MAMORI_NET_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#ifdef __cplusplus
extern "C" {
#endif

#define MMR_TOPIC_FRAME "mamori.frame/0"
#define MMR_TOPIC_PACKET "mamori.packet/0"
#define MMR_TOPIC_STREAM "mamori.stream/0"
#define MMR_TOPIC_FLOW "mamori.flow/0"
#define MMR_TOPIC_TX "mamori.tx/0"
#define MMR_TOPIC_ALERT "mamori.alert/0"

struct mmr_frame {
    uint32_t struct_size;
    uint32_t linktype; /* pcap DLT_* value */
    int64_t time_ns;
    const uint8_t *data;
    uint32_t cap_len, wire_len;
    const char *input; /* name of the input in replay, interface name when live */
    uint64_t index;    /* packet number in that input, from 1 */
};

struct mmr_addr { /* IPv6, or IPv4-mapped; all zero: absent */
    uint8_t b[16];
};

enum { MMR_TO_SERVER = 0, MMR_TO_CLIENT = 1 };
enum { MMR_FLOW_SLOTS = 8 };
enum mmr_tcp_state {
    MMR_TCP_NONE = 0, /* not TCP */
    MMR_TCP_SYN, MMR_TCP_SYN_ACK, MMR_TCP_ESTABLISHED, MMR_TCP_MIDSTREAM, MMR_TCP_CLOSING, MMR_TCP_CLOSED,
};
enum { /* mmr_flow.zones: topology, not address ranges alone */
    MMR_FLOW_CLIENT_INSIDE = 1 << 0, MMR_FLOW_SERVER_INSIDE = 1 << 1,
};
struct mmr_flow {
    uint32_t struct_size;
    uint8_t ip_version, proto, tcp_state, zones; /* proto: IPPROTO_* */
    uint64_t id;                                 /* unique in this run, from 1 */
    struct mmr_addr client, server;              /* client: who sent the first packet (or the SYN) */
    uint16_t client_port, server_port;           /* ICMP: type and code of the first message */
    uint16_t vlan, reserved;
    int64_t first_ns, last_ns;
    uint64_t packets[2], bytes[2]; /* by direction; bytes of IP payload (L4 data) */
    const char *app;               /* protocol once recognised: "http", "dns", …; else NULL (static text) */
    uint64_t bits;                 /* analyzers' shared hints; 0 at start */
    void *slot[MMR_FLOW_SLOTS];    /* one per analyzer, by MMR_SLOT_*; free in the mamori.flow/0 sink */
};
enum { MMR_SLOT_PROTOCOLS = 0, MMR_SLOT_SIGNATURE = 1, MMR_SLOT_NDPI = 2, MMR_SLOT_BEHAVIOUR = 3, MMR_SLOT_FREE = 4 };

enum { /* mmr_packet.flags */
    MMR_PKT_FIRST = 1 << 0,        /* first packet of its flow */
    MMR_PKT_FRAGMENT = 1 << 1,     /* was reassembled from fragments */
    MMR_PKT_DUPLICATE = 1 << 2,    /* the same packet was seen in another input */
    MMR_PKT_RETRANSMIT = 1 << 3,
    MMR_PKT_BAD_CHECKSUM = 1 << 4,
    MMR_PKT_MALFORMED = 1 << 5,    /* a header lies; fields up to it are set */
};
struct mmr_packet {
    uint32_t struct_size, flags;
    const struct mmr_frame *frame;
    struct mmr_flow *flow; /* NULL: no flow (ARP, malformed, table full) */
    uint8_t dir, ip_version, proto, ttl; /* dir: MMR_TO_* */
    uint16_t ethertype, ip_id;
    uint16_t src_port, dst_port;
    uint8_t tcp_flags, icmp_type, icmp_code, reserved;
    struct mmr_addr src, dst;
    uint32_t tcp_seq, tcp_ack;
    uint16_t tcp_window, ip_frag_off; /* ip_frag_off: flags and offset as in the IPv4 header */
    uint32_t payload_len;
    const uint8_t *payload; /* L4 data (after TCP/UDP/ICMP header) */
    const uint8_t *l3;      /* IP or ARP header, l3_len bytes to the end of the datagram */
    uint32_t l3_len, l4_off;
    uint8_t src_mac[6], dst_mac[6];
    uint32_t reserved2;
};

enum { /* mmr_chunk.flags */
    MMR_CHUNK_START = 1 << 0, MMR_CHUNK_END = 1 << 1, MMR_CHUNK_GAP = 1 << 2, /* bytes missing before it */
    MMR_CHUNK_MIDSTREAM = 1 << 3,
};
struct mmr_chunk {
    uint32_t struct_size, flags;
    struct mmr_flow *flow;
    const struct mmr_packet *packet; /* the packet that delivered it; NULL on a timeout */
    const uint8_t *data;
    uint32_t len;  /* 0 with END */
    uint32_t gap;  /* bytes missing before data, with GAP */
    uint64_t offset; /* of data in this direction's stream, from 0 */
    uint8_t dir, reserved[7];
};

/* One sticky buffer: "http.uri", "http.user_agent", "dns.query", "tls.sni", … Several buffers of one name
 * are several values ("tls.certs", "dns.query"). Keywords that compare a number are buffers with the
 * number in decimal text under the keyword's name ("dns.opcode" "0", "krb5_msg_type" "10"). */
struct mmr_buffer {
    const char *name; /* Suricata's keyword for it (static text) */
    const uint8_t *data;
    size_t len;
};
struct mmr_tx {
    uint32_t struct_size;
    uint8_t dir; /* which direction's part of the transaction is complete now */
    uint8_t final; /* no more of this transaction follows */
    uint8_t reserved[2];
    struct mmr_flow *flow;
    const struct mmr_packet *packet; /* the packet that completed it; NULL on a timeout */
    const char *app;                 /* "http", "dns", "tls", "ssh", "smb", "dcerpc", … */
    uint64_t id;                     /* transaction number in the flow, from 0 */
    const struct mmr_buffer *buffers;
    size_t n;
    const void *detail; /* app-specific struct for keywords that are no buffer, or NULL */
};
/* detail of app "dcerpc" */
struct mmr_dcerpc_call {
    uint32_t struct_size;
    uint8_t is_request, iface_minor_known, reserved[2];
    uint8_t iface[16]; /* as on the wire (little endian first three fields) */
    uint16_t iface_major, iface_minor, opnum, context_id;
    uint8_t first_frag, last_frag, little_endian, over_smb;
    uint32_t reserved2;
    const uint8_t *stub;
    size_t stub_len;
};

struct mmr_alert { /* one match of one signature rule, before findings are deduplicated */
    uint32_t struct_size;
    uint32_t sid, gid, rev;
    int64_t time_ns;
    struct mmr_flow *flow;           /* or NULL */
    const struct mmr_packet *packet; /* or NULL */
    const char *msg;
    uint8_t dir, reserved[7];
};

#ifdef __cplusplus
}
#endif
#endif
