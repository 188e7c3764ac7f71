/* conntrack.h - lets the kernel forget connections of a denied address. A block drops their packets anyway; but a connection that was handed
 * to a flow table (fast path) does not pass our chains until the kernel has forgotten it. */
#ifndef MMR_LIBNFT_CONNTRACK_H
#define MMR_LIBNFT_CONNTRACK_H

#include "deny.h"

enum { MMR_CONNTRACK_MAX = 4096 }; /* most connections forgotten by one call */

/*
 * mmr_conntrack_forget - delete the tracked connections one of whose ends is denied by one of the n_keys (any address of a network; with a key's
 * port only those to that service). One passage through the kernel's table for all of them; it blocks for tens of milliseconds.
 *
 * ret_n   how many were deleted
 * errors  MMR_EUNSUPPORTED no connection tracking here; MMR_EPERM; MMR_EIO; MMR_ENOMEM
 */
int mmr_conntrack_forget(const struct mmr_deny_key *k, size_t n_keys, unsigned *ret_n, struct mmr_error *err);

#endif
