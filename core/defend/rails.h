/*
 * rails.h - the last gate before every act: what is never blocked, how much may be done, and the
 * breaker. Used while planning and by the agent in front of each responder, also for manual orders;
 * needs no incident. A refusal is a receipt with result=refused and the reason.
 */
#ifndef MMR_DEFEND_RAILS_H
#define MMR_DEFEND_RAILS_H

#include "model/action.h"

struct mmr_rails;

enum mmr_guard { /* why something is on the never-block list */
    MMR_GUARD_OTHER = 0, MMR_GUARD_LOOPBACK, MMR_GUARD_OWN, MMR_GUARD_GATEWAY, MMR_GUARD_DNS, MMR_GUARD_TIME,
    MMR_GUARD_HUB, MMR_GUARD_UPSTREAM, MMR_GUARD_ADMIN, MMR_GUARD_DOMAIN_CONTROLLER, MMR_GUARD_HELPDESK,
    MMR_GUARD_CONFIGURED,
};
const char *mmr_guard_name(enum mmr_guard g);

struct mmr_rails_limits { /* 0: the default in brackets */
    uint32_t per_minute;        /* acts a minute on this node [30] */
    uint32_t per_hour;          /* acts an hour for the tenant [120]; reaching it is a severe/yellow incident */
    uint32_t internal_percent;  /* inside machines isolated or denied at once, of those known [20], at least 1 */
    uint32_t breaker_failures;  /* failed or refuted acts in a row [5] open the breaker ... */
    int64_t breaker_ns;         /* ... for this long [10 min] */
    uint8_t min_bits_v4, min_bits_v6; /* a net wider than this is never blocked [24], [64] */
};

/* errors MMR_ENOMEM. Loopback, unspecified, multicast, broadcast and link-local are always on the list. */
int mmr_rails_new(const struct mmr_rails_limits *limits, struct mmr_rails **ret, struct mmr_error *err);
void mmr_rails_free(struct mmr_rails *r); /* accepts NULL */

/* errors MMR_ETOOBIG: 1,024 entries; MMR_ENOMEM. The same entry twice is kept once. */
int mmr_rails_protect(struct mmr_rails *r, const struct mmr_cidr *net, enum mmr_guard why, struct mmr_error *err);
/* A host or domain name: protects isolate.host, block.name, and it or any name below it. Case-insensitive. */
int mmr_rails_protect_name(struct mmr_rails *r, const char *name, enum mmr_guard why, struct mmr_error *err);
/* Forget all entries of that reason (the gateway changed); the list is then added again. */
void mmr_rails_unprotect(struct mmr_rails *r, enum mmr_guard why);
/* What is inside: for the share of internal hosts. known_hosts: how many machines are known (0: unknown, share of 5). */
int mmr_rails_inside(struct mmr_rails *r, const struct mmr_cidr *home, uint32_t n_home, uint32_t known_hosts,
                     struct mmr_error *err);

/*
 * mmr_rails_check - may this be done? Counts nothing.
 *
 * is_automatic  false: ordered by a person; the ceilings and the breaker do not hold, the never-block list does
 * ret_why       200 bytes or NULL: the reason of a refusal, one line
 * errors        0 it may; MMR_EPERM never-block list or a target that is too wide or malformed;
 *               MMR_EAGAIN a ceiling or the open breaker
 */
int mmr_rails_check(const struct mmr_rails *r, enum mmr_verb verb, const struct mmr_target *t, bool is_automatic,
                    int64_t now_ns, char *ret_why);
/* check, and on success count it against the ceilings. Asking again for a target that is held costs nothing. */
int mmr_rails_take(struct mmr_rails *r, enum mmr_verb verb, const struct mmr_target *t, bool is_automatic,
                   int64_t now_ns, char *ret_why);
/* The act ended: result for the breaker; MMR_RESULT_NONE with is_over: the block was undone or expired. */
void mmr_rails_report(struct mmr_rails *r, enum mmr_verb verb, const struct mmr_target *t, enum mmr_result result,
                      bool is_over, int64_t now_ns);
bool mmr_rails_is_capped(const struct mmr_rails *r, int64_t now_ns); /* hourly cap reached, or breaker open */
/* Is half of both ceilings still free, and the breaker closed? What is done beyond need leaves that half to what is needed. */
bool mmr_rails_has_room(const struct mmr_rails *r, int64_t now_ns);
/* Fill the receipt of a refusal. */
void mmr_rails_refuse(const char *why, int64_t now_ns, struct mmr_receipt *ret);

#endif
