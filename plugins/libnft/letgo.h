/*
 * letgo.h - a thread that lets the kernel forget the connections of addresses that were just denied (conntrack.h). Going through the
 * kernel's table takes tens of milliseconds however few connections it holds, so no order waits for it, and addresses that are denied
 * meanwhile share the next passage.
 */
#ifndef MMR_LIBNFT_LETGO_H
#define MMR_LIBNFT_LETGO_H

#include "deny.h"

enum { MMR_LETGO_WAITING_MAX = 1024 }; /* addresses that wait; more are left to the block alone, and counted */

struct mmr_letgo;
struct mmr_letgo_count {
    uint64_t connections, left_out; /* forgotten since the start; addresses for which there was no room */
    struct mmr_error error;         /* of the last passage that failed; code 0: none since the last call */
};

int mmr_letgo_new(struct mmr_letgo **ret, struct mmr_error *err);
void mmr_letgo_free(struct mmr_letgo *l); /* waits for the passage at hand; accepts NULL */
void mmr_letgo_add(struct mmr_letgo *l, const struct mmr_deny_key *k);
struct mmr_letgo_count mmr_letgo_count(struct mmr_letgo *l);

#endif
