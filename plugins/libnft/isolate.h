/*
 * isolate.h - this machine cut off from every address but a few: an own table of nftables, made in one transaction. What
 * it drops depends on a set whose elements the kernel lets go of after their time, so a machine whose defender died comes
 * back by itself.
 */
#ifndef MMR_LIBNFT_ISOLATE_H
#define MMR_LIBNFT_ISOLATE_H

#include "deny.h"

/*
 * mmr_isolate_apply - cut off; replaces what this table did before.
 *
 * table       [a-z0-9_]{1,24}, of this machine's own; nothing else may use it
 * keep, n     addresses and networks that stay reachable in both directions (borrowed). Loopback, DHCP and neighbour
 *             discovery always do
 * timeout_ms  the kernel takes it back after this long; 0: only mmr_isolate_remove() does
 * errors      as mmr_deny_setup(); MMR_ETOOBIG more addresses than a script holds
 */
int mmr_isolate_apply(const char *table, const struct mmr_deny_key *keep, size_t n, int64_t timeout_ms, struct mmr_error *err);
/* A new time-out from now on; 0: none. errors MMR_ENOENT the table is gone */
int mmr_isolate_extend(const char *table, int64_t timeout_ms, struct mmr_error *err);
/* Read back that the table stands and drops. errors MMR_ENOENT it does not (any more) */
int mmr_isolate_check(const char *table, struct mmr_error *err);
int mmr_isolate_remove(const char *table, struct mmr_error *err); /* 0 when it is gone already */

#endif
