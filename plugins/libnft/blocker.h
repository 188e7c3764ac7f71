/*
 * blocker.h - the verbs block.addr and isolate.host (by its address, on a bridge by its card too), whole, for the gateway's and the host's responder: journalled before it
 * acts, proved by reading the element and the rules back, shared between actions on one address, watched so
 * that a flush by somebody else is put right and said (event enforcement.lost, which the plugin declares).
 */
#ifndef MMR_LIBNFT_BLOCKER_H
#define MMR_LIBNFT_BLOCKER_H

#include <mamori/plugin.h>

enum { MMR_BLOCKER_COOKIE = 1000, MMR_BLOCKER_COOKIE_END = 1010 }; /* timers and descriptors with these are its own */

struct mmr_blocker_config { /* borrowed as long as the blocker lives */
    const char *table;           /* of nftables */
    bool is_bridge;              /* family bridge in place of inet */
    const char *dir;             /* for the journal, exists; "": none */
    struct mmr_strv never_block; /* beside what the machine itself needs (guard.h) */
    int64_t sweep_ms;            /* how often every block is verified */
};
struct mmr_blocker;

int mmr_blocker_new(const struct mmr_host *host, const struct mmr_blocker_config *cfg, struct mmr_blocker **ret,
                    struct mmr_error *err);
void mmr_blocker_free(struct mmr_blocker *b); /* blocks stay until their leases end; accepts NULL */
/* As responder->act for block.addr; the receipt goes out before it returns. */
int mmr_blocker_act(struct mmr_blocker *b, const struct mmr_action *o, struct mmr_error *err);
void mmr_blocker_reconcile(struct mmr_blocker *n, const uint64_t *live, size_t count);
void mmr_blocker_timer(struct mmr_blocker *b, uint64_t cookie);
void mmr_blocker_readable(struct mmr_blocker *b, uint64_t cookie);

#endif
