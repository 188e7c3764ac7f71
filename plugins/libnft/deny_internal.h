/* deny_internal.h - between deny.c (names, the tool) and deny_netlink.c (elements). */
#ifndef MMR_LIBNFT_DENY_INTERNAL_H
#define MMR_LIBNFT_DENY_INTERNAL_H

#include "deny.h"

#include <libmnl/libmnl.h>

struct mmr_deny {
    char table[32], full[40]; /* full: "inet mamori", as the tool wants it */
    uint8_t family;           /* NFPROTO_* */
    struct mnl_socket *nl, *events;
    uint32_t seq, port_id;
};

/*
 * mmr_nft_run - feed a script to `nft -f -`.
 *
 * ret_said  what the tool said, cut at said_cap - 1 bytes; NULL: not wanted
 * errors    MMR_EUNSUPPORTED no such tool; MMR_EPERM; MMR_EIO with its first complaint
 */
int mmr_nft_run(const char *script, char *ret_said, size_t said_cap, struct mmr_error *err);
const char *mmr_deny_set_name(const struct mmr_deny_key *k); /* "src4", "svc_dst6", … */
int mmr_deny_nl_open(struct mmr_deny *d, struct mmr_error *err);
int mmr_deny_nl_change(struct mmr_deny *d, const struct mmr_deny_key *k, bool is_add, int64_t timeout_ms,
                       struct mmr_error *err);

#endif
