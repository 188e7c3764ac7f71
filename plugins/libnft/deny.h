/*
 * deny.h - a table of ours in nftables that drops packets from or to denied addresses.
 *
 *   table inet <name>   (or bridge <name>)
 *     never4, never6        networks that are always let through, ahead of the drops
 *     src4, dst4, src6, dst6            address, kernel timeout, counter
 *     svc_src4 … svc_dst6               address . protocol . port
 *     net_src4 … net_dst6               networks
 *     card_src, card_dst                (bridge only) hardware addresses: everything of a card, ARP too
 *     chain pre  (prerouting, priority -160: before anybody else's filter and before conntrack's accept rules)
 *     chain out  (output, priority -160)
 *
 * The set-up is done by the `nft` tool; single addresses go through netlink (5 us at any size of the
 * set), networks through the tool. An element carries its lease as a kernel timeout: when we die,
 * it heals itself. One thread.
 */
#ifndef MMR_LIBNFT_DENY_H
#define MMR_LIBNFT_DENY_H

#include <mamori/error.h>
#include <mamori/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum mmr_deny_direction { MMR_DENY_SRC = 0, MMR_DENY_DST = 1 };
struct mmr_deny_key { /* compare with memcmp: zero it before filling */
    struct mmr_addr addr;
    uint8_t direction; /* enum mmr_deny_direction */
    uint8_t proto;     /* IPPROTO_TCP or _UDP with port; 0: everything */
    uint16_t port;     /* the service's port: destination for SRC and DST alike; 0: everything */
    uint8_t bits;      /* 128: one address; less: a network (counted on the mapped form) */
    bool is_card;      /* addr.b[0..5] is a hardware address, bits 128; only in family bridge */
    uint8_t zero[2];
};
struct mmr_deny_element {
    int64_t expires_ms; /* left of its timeout; 0: none */
    uint64_t packets, bytes; /* dropped so far; networks: not known, 0 */
};
struct mmr_deny;

/* table: [a-z0-9_]{1,24}. is_bridge: in family bridge, for frames between the ports of a bridge, which family inet never sees.
 * errors MMR_EPERM, MMR_EUNSUPPORTED (no nft tool, no netlink), MMR_ENOMEM */
int mmr_deny_open(const char *table, bool is_bridge, struct mmr_deny **ret, struct mmr_error *err);
void mmr_deny_close(struct mmr_deny *d); /* leaves the table as it is */

/* Make table, sets, chains and rules where they are missing; what is denied stays denied.
 * never: networks let through ("192.0.2.1", "2001:db8::/32"); replaced whole. */
int mmr_deny_setup(struct mmr_deny *d, const char *const *never, size_t n, struct mmr_error *err);
int mmr_deny_remove(struct mmr_deny *d, struct mmr_error *err); /* the whole table; 0 when it is gone already */

/* Add, or give a new timeout, in one transaction. timeout_ms 0: until deleted. */
int mmr_deny_add(struct mmr_deny *d, const struct mmr_deny_key *k, int64_t timeout_ms, struct mmr_error *err);
int mmr_deny_del(struct mmr_deny *d, const struct mmr_deny_key *k, struct mmr_error *err); /* 0 when absent */
/* Read back. errors MMR_ENOENT: it is not there */
int mmr_deny_get(struct mmr_deny *d, const struct mmr_deny_key *k, struct mmr_deny_element *ret,
                 struct mmr_error *err);
/* Are our chains and all their rules still there? errors MMR_ENOENT naming what is missing */
int mmr_deny_check(struct mmr_deny *d, struct mmr_error *err);

/* A descriptor that becomes readable when somebody changed nftables; mmr_deny_drain() reads it empty and
 * says whether a change that we did not make touched our table. */
int mmr_deny_fd(const struct mmr_deny *d);
bool mmr_deny_drain(struct mmr_deny *d);

/* Text as in an action's target: "192.0.2.0/24", direction in|out; false if it is no address. */
bool mmr_deny_parse(const char *addr, struct mmr_deny_key *ret);
/* A hardware address, "02:00:00:00:00:01"; false if it is none, or none of one card (zero, a group's). */
bool mmr_deny_parse_card(const char *mac, struct mmr_deny_key *ret);
void mmr_deny_format(const struct mmr_deny_key *k, char *buf, size_t cap);
bool mmr_deny_is_v4(const struct mmr_addr *a);
bool mmr_deny_covers(const struct mmr_deny_key *net, const struct mmr_addr *a);

#endif
