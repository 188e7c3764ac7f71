/*
 * allow.h - what is known to be good: rules with an owner, a reason and an end. A finding that fits one is not told
 * again and again, and an incident made of nothing else is benign by proof (SERVICE_STANDARD 4). Plain data; whoever
 * keeps them decides where.
 */
#ifndef MMR_CLASSIFY_ALLOW_H
#define MMR_CLASSIFY_ALLOW_H

#include "classify/facts.h"
#include "entity/entity.h"

enum { MMR_ALLOW_MAX = 256, MMR_ALLOW_DAYS_MAX = 366, MMR_ALLOW_JSON_MAX = 2048 };
#define MMR_ALLOW_SHOW_NS (3600 * MMR_NS_PER_S) /* of what fits a rule, one finding in so long is kept as evidence */

struct mmr_allow_rule { /* what is set must fit; at least one of rule, src, dst, process is */
    uint64_t id;
    char rule[128], process[256], host[MMR_HOST_NAME_MAX]; /* process: path, or name without a path; "" any */
    struct mmr_cidr src, dst;
    bool has_src, has_dst;
    char owner[64], reason[200];
    uint64_t incident; /* it was made from */
    int64_t made_ns, expires_ns;
    bool is_over_told; /* its end was reported */
    /* not kept: since this process began */
    uint64_t hits;
    int64_t last_ns, shown_ns;
};
struct mmr_allow {
    struct mmr_allow_rule v[MMR_ALLOW_MAX];
    uint32_t n;
};

bool mmr_allow_fits(const struct mmr_allow_rule *r, const struct mmr_finding *f);
/* The first rule in force that a finding fits, or NULL. */
struct mmr_allow_rule *mmr_allow_of(struct mmr_allow *a, const struct mmr_finding *f, int64_t now_ns);
/* A finding fits and something like it was kept within MMR_ALLOW_SHOW_NS: it is only counted. */
bool mmr_allow_suppress(struct mmr_allow *a, const struct mmr_finding *f, int64_t now_ns);
/* The proof for an incident all of whose findings fit rules in force; borrowed from a. Returns 0 or 1. */
size_t mmr_allow_proofs(struct mmr_allow *a, const struct mmr_incident *i, int64_t now_ns, struct mmr_benign_proof *ret, size_t cap);

enum mmr_allow_what { MMR_ALLOW_AS_SEEN = 0, MMR_ALLOW_SOURCE, MMR_ALLOW_DESTINATION, MMR_ALLOW_RULE, MMR_ALLOW_PROCESS };
/*
 * mmr_allow_from_incident - the rules that would have made this incident known good.
 *
 * what    AS_SEEN: each rule with the source and program it was seen with; else that one thing alone
 * ret     at most cap, without doubles; owner and reason are set, id is of what the rule says
 * errors  MMR_EINVAL owner or reason missing or too long, days not 1 to MMR_ALLOW_DAYS_MAX, no finding names the thing
 * Returns how many.
 */
int mmr_allow_from_incident(const struct mmr_incident *i, enum mmr_allow_what what, const char *owner, const char *reason, int64_t days,
                            int64_t now_ns, struct mmr_allow_rule *ret, size_t cap, struct mmr_error *err);
/* Adds it, or puts it in the place of one that says the same. errors MMR_ETOOBIG MMR_ALLOW_MAX are in force */
int mmr_allow_add(struct mmr_allow *a, const struct mmr_allow_rule *r, int64_t now_ns, struct mmr_error *err);

/* JSON for the store and for people; buf: MMR_ALLOW_JSON_MAX. errors MMR_EBADMSG */
int mmr_allow_to_json(const struct mmr_allow_rule *r, int64_t now_ns, char *buf, struct mmr_error *err);
int mmr_allow_from_json(const char *text, struct mmr_allow_rule *ret, struct mmr_error *err);

#endif
