/* guard.h - the responder's own last gate: what is never denied, whoever asks. */
#ifndef MMR_LIBNFT_GUARD_H
#define MMR_LIBNFT_GUARD_H

#include "deny.h"
#include "sessions.h"

enum { MMR_GUARD_MAX = 256, MMR_GUARD_CARDS_MAX = 256 };
struct mmr_guard {
    struct {
        struct mmr_addr addr; /* whose card it was when it was first seen; unset: one of this machine's own */
        uint8_t mac[6];
    } card[MMR_GUARD_CARDS_MAX];
    uint32_t n_cards;
    struct {
        struct mmr_deny_key net;
        const char *why; /* "the default gateway", … */
    } item[MMR_GUARD_MAX];
    uint32_t n;
    struct mmr_sessions admins; /* learned once, by mmr_guard_learn() */
};

/* Remember whose SSH session is open now; to be called once, before the first mmr_guard_load(). */
void mmr_guard_learn(struct mmr_guard *g);
/*
 * mmr_guard_load - collect it anew: loopback, link-local, multicast, this machine's addresses, its
 * default gateways (/proc/net/route, ipv6_route), its name servers (/etc/resolv.conf), the far ends of SSH sessions that
 * were open at the start and still are (sessions.h), and the configured networks (administrators' machines belong there:
 * an SSH session opened later proves nobody).
 *
 * Also the cards of this machine, and of what is guarded as the kernel's neighbour table knows them: of each address the card that was seen first,
 * so that who takes such an address over later is not guarded by it.
 *
 * errors  MMR_ECONFIG a configured entry is no address or network; MMR_ETOOBIG more than half of MMR_GUARD_MAX of them
 */
int mmr_guard_load(struct mmr_guard *g, const char *const *configured, size_t n, struct mmr_error *err);
/* NULL: may be denied; else why not. A network is refused when it holds anything guarded, or is wider
 * than /24 (IPv4) or /64 (IPv6). */
const char *mmr_guard_refuses(const struct mmr_guard *g, const struct mmr_deny_key *k);

#endif
