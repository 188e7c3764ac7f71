/*
 * proto.h - what every protocol parser of this plugin sees: the context, the state of one flow, and
 * how transactions and events leave. A parser is one small file with one struct proto_parser; its
 * input comes from the network and none of it is trusted.
 */
#ifndef MMR_PROTO_H
#define MMR_PROTO_H

#include <mamori/event.h>
#include <mamori/net.h>
#include <mamori/plugin.h>

enum { PROTO_CLAIMS = 1024, FTP_EXPECTED = 32, PROTO_HOLD_BYTES = 2048, PROTO_BUFFERS_MAX = 96, PROTO_EVENT_BYTES = MMR_EVENT_BYTES_MAX };

struct proto_config {
    int64_t body_max, flow_memory_max;
    bool events;
};
struct proto_claim { /* who said last that an address is his */
    struct mmr_addr addr;
    uint8_t mac[6];
    bool is_used;
    uint32_t changes;
};
struct ftp_expected { /* a connection for a file that the control connection announced */
    struct mmr_addr addr;
    int64_t time_ns;
    uint16_t port;
    bool is_used, has_command, is_upload;
    char name[128];
};
enum proto_given_up { /* what a ceiling cuts off; counted, and told at 1, 10, 100 … */
    PROTO_GIVEN_UP_BODY = 0,  /* a body longer than body_max, inflated or not */
    PROTO_GIVEN_UP_PIPELINE,  /* requests without an answer */
    PROTO_GIVEN_UP_RPC,       /* arguments of a DCE/RPC call over RPC_STUB_MAX */
    PROTO_GIVEN_UP_DNS,       /* a name that loops, or runs off its message */
    PROTO_GIVEN_UP,           /* how many */
};
struct proto { /* the plugin instance */
    const struct mmr_host *host;
    const struct proto_config *cfg;
    const struct mmr_topic *tx;
    void *htp; /* shared libhtp configuration */
    struct proto_flow *flows;
    uint64_t n_flows, n_unknown, n_errors;
    uint64_t n_given_up[PROTO_GIVEN_UP]; /* what a ceiling cut off, by kind */
    bool is_replay;
    struct proto_claim claims[PROTO_CLAIMS];
    struct ftp_expected ftp_expected[FTP_EXPECTED];
    uint32_t ftp_next;
    struct mmr_event ev;
    struct mmr_buffer bufs[PROTO_BUFFERS_MAX]; /* the transaction being built */
    size_t n_bufs;
    uint8_t event[PROTO_EVENT_BYTES];
};

void proto_give_up(struct proto *m, enum proto_given_up what); /* [loop] */

enum proto_match { PROTO_NO = 0, PROTO_YES = 1, PROTO_MORE = 2 }; /* MORE: too few bytes to say */
struct proto_parser {
    const char *app; /* mmr_flow.app */
    uint8_t ip_proto;
    /* Is this the beginning of a message of mine? port: of the server. */
    enum proto_match (*probe)(const uint8_t *p, size_t n, uint8_t dir, uint16_t port);
    void *(*open)(struct proto *m, struct mmr_flow *flow); /* state of one flow, or NULL: no memory */
    /* One chunk in order; len 0 with END. False: this is not, or no longer, my protocol. */
    bool (*data)(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c);
    void (*close)(struct proto *m, void *state);
};
struct proto_flow {
    struct proto_flow *prev, *next;
    struct mmr_flow *flow;
    const struct proto_parser *parser;
    void *state;
    uint64_t tx_id;
    uint8_t *hold[2]; /* the first bytes, until the protocol is known; PROTO_HOLD_BYTES each */
    uint16_t n_hold[2];
    uint8_t tries[2];
    bool is_given_up, is_switching; /* switching: recognise anew from the next chunk (STARTTLS) */
};

extern const struct proto_parser proto_http, proto_http2, proto_dns_udp, proto_dns_tcp, proto_tls, proto_ssh, proto_smb,
    proto_dcerpc, proto_krb_udp, proto_krb_tcp, proto_ldap, proto_ftp, proto_smtp, proto_dhcp,
    proto_snmp;
void proto_link_packet(struct proto *m, const struct mmr_packet *p); /* ARP and ICMP */

/* A DNS message another protocol carries: its transaction, of the flow's app, and its event. */
void proto_dns_message(struct proto *m, struct proto_flow *pf, const struct mmr_packet *pkt, const uint8_t *p, size_t n);

/* ---- transactions ---- */
void proto_buf(struct proto *m, const char *name, const void *data, size_t len); /* borrowed until sent */
void proto_tx_send(struct proto *m, struct proto_flow *pf, const struct mmr_packet *pkt, uint8_t dir, bool final,
                   const char *app, const void *detail);

/* ---- events: begin, add fields to the returned builder, send ---- */
struct mmr_event *proto_event(struct proto *m, const struct mmr_flow *flow, const struct mmr_packet *pkt,
                              const char *kind, uint32_t class_uid, uint32_t activity_id);
void proto_event_send(struct proto *m);
int64_t proto_time(const struct mmr_flow *flow, const struct mmr_packet *pkt);

/* Text that came from the network, made printable in place of control bytes; always NUL-terminated. */
void proto_text(char *buf, size_t cap, const void *data, size_t len);
/* UTF-16LE to UTF-8, cut to cap. */
void proto_utf16(char *buf, size_t cap, const uint8_t *data, size_t len);
/* What the first bytes of a content say it is: "exe", "elf", "java-class", "zip", "png", …; NULL unknown. */
const char *proto_file_type(const uint8_t *p, size_t n);

#endif
