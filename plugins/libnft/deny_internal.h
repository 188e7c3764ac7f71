/* deny_internal.h - between deny.c (names, the tool) and deny_netlink.c (elements). */
#ifndef MMR_LIBNFT_DENY_INTERNAL_H
#define MMR_LIBNFT_DENY_INTERNAL_H

#include "deny.h"

#include <libmnl/libmnl.h>

struct mmr_deny {
    char table[32];
    struct mnl_socket *nl, *events;
    uint32_t seq, port_id;
};

const char *mmr_deny_set_name(const struct mmr_deny_key *k); /* "src4", "svc_dst6", … */
int mmr_deny_nl_open(struct mmr_deny *d, struct mmr_error *err);
int mmr_deny_nl_change(struct mmr_deny *d, const struct mmr_deny_key *k, bool is_add, int64_t timeout_ms,
                       struct mmr_error *err);

#endif
