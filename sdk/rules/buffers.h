/* buffers.h - the buffers a rule can look into, under their present and former keywords. */
#ifndef MMR_RULES_BUFFERS_H
#define MMR_RULES_BUFFERS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum buf_id { /* those the code names; the rest only have their row */
    BUF_NONE = 0, BUF_PAYLOAD = 1, BUF_BASE64 = 2, BUF_IPV4_HDR, BUF_IPV6_HDR, BUF_TCP_HDR, BUF_UDP_HDR, BUF_ICMPV4_HDR,
    BUF_ICMPV6_HDR, BUF_ETH_HDR, BUF_IP_SRC, BUF_IP_DST, BUF_LAST_FIXED = BUF_IP_DST,
};
enum app_id {
    APP_NONE = 0, APP_HTTP1, APP_HTTP2, APP_DNS, APP_DOH2, APP_MDNS, APP_TLS, APP_SSH, APP_SMB, APP_DCERPC, APP_FTP,
    APP_FTP_DATA, APP_SMTP, APP_KRB5, APP_LDAP, APP_DHCP, APP_NFS, APP_SNMP, APP_SIP, APP_RDP, APP_TFTP, APP_IKE,
    APP_QUIC, APP_MQTT, APP_MODBUS, APP_DNP3, APP_ENIP, APP_RFB, APP_TELNET, APP_POP3, APP_IMAP, APP_NTP, APP_PGSQL,
    APP_WEBSOCKET, APP_BITTORRENT, APP_HTTP_ANY, /* http1 or http2 */
    APP_UNKNOWN, /* negotiated as something we have no name for, or recognised by nobody */
    APP_COUNT,
};
enum { DIR_TO_SERVER = 1, DIR_TO_CLIENT = 2, DIR_BOTH = 3 };
enum { BUF_MULTI = 1 << 0 /* several values in one message: each sticky keyword starts anew */,
       BUF_ANYCASE = 1 << 1 /* host names and hex digits: contents mean them in either case */,
       BUF_PACKET = 1 << 2 /* cut from the packet, not from a message */,
       BUF_UNSEEN = 1 << 3 /* no parser of ours gives it yet: a rule with it could never match, so it is refused by
                            * name. Drop the flag when the protocols plugin fills the buffer */ };

struct buf_kind {
    const char *name; /* what struct mmr_buffer calls it */
    uint8_t app, dir, flags, reserved;
};
const struct buf_kind *mmr_buf_kind(unsigned id); /* NULL past the last */
unsigned mmr_buf_by_name(const char *name, size_t len); /* of a message's buffer; BUF_NONE: unknown */
/* A keyword that makes the buffer current; aliases included. */
unsigned mmr_buf_by_sticky(const char *name, size_t len);
/* A former keyword that follows its content ("http_uri"). */
unsigned mmr_buf_by_modifier(const char *name, size_t len);
unsigned mmr_app_by_name(const char *name, size_t len); /* as in a rule; APP_NONE: unknown */
unsigned mmr_app_of(const char *app);                   /* as in struct mmr_flow */
bool mmr_app_is_parsed(unsigned app); /* false: no parser ever says that a connection speaks it */
bool mmr_app_covers(unsigned rule_app, unsigned flow_app, bool is_exact);

#endif
