/*
 * plan.h - from an incident to orders: for each need the best responder of either side that can reach
 * it, and the next one when that refuses, fails or is silent. Pure: state is the incident's actions.
 */
#ifndef MMR_DEFEND_PLAN_H
#define MMR_DEFEND_PLAN_H

#include "defend/effect.h"
#include "defend/rails.h"

struct mmr_responder { /* one that can be asked (declared in replay, loaded when live) */
    char node[40], instance[40];
    enum mmr_side side;
    uint32_t verbs;  /* bit (1u << enum mmr_verb) */
    char host[64];   /* endpoint: the machine it acts on, "" any machine that sends events (replay) */
    struct mmr_addr addr[4]; /* endpoint: that machine's addresses; unset after the last */
    bool is_healthy, is_dry_run, is_linked;
    int64_t since_ns;        /* healthy since; an order that got no answer before may be given again */
    bool sees_inside;        /* network: traffic between inside machines crosses it too */
};
static inline uint32_t mmr_verb_bit(enum mmr_verb v) { return 1u << (unsigned)v; }

enum mmr_auto { /* defence.mode */
    MMR_AUTO_OFF = 0,  /* orders nothing */
    MMR_AUTO_DRY_RUN,  /* orders with MMR_ACT_DRY_RUN: "would have" */
    MMR_AUTO_APPROVE,  /* each order waits for a person */
    MMR_AUTO_AGREED,   /* what auto_actions_agreed lists runs; the rest waits for a person */
};
struct mmr_policy {
    enum mmr_auto mode;
    uint32_t agreed_verbs;    /* contract.auto_actions_agreed, bits */
    int64_t ttl_ms;           /* lease of a block [1 h], renewed at 2/3 */
    int64_t answer_ms;        /* an order without receipt for so long is a time-out [30 s] */
    bool is_replay;           /* every order is planned only */
};
struct mmr_plan_env { /* all borrowed */
    const struct mmr_responder *responder;
    uint32_t n_responder;
    struct mmr_site_view site;
    struct mmr_policy policy;
    struct mmr_rails *rails; /* checked, not taken: the agent takes; NULL: none (tests) */
    /* Is this machine (name or address) sending endpoint events, so that a responder with host "" is there?
     * NULL: the incident's endpoint evidence decides. */
    bool (*has_endpoint)(void *ctx, const char *host, const struct mmr_addr *addr);
    void *ctx;
};

enum { MMR_PLAN_ORDERS_MAX = 16 }; /* new orders of one call; the rest comes with the next call */
struct mmr_plan {
    uint32_t n;
    /* ret orders, to append to incident->actions and send. state PLANNED (waits for a person, replay),
     * ORDERED (send it now), or FAILED with result=refused (never sent: the receipt says why) */
    struct mmr_action_rec order[MMR_PLAN_ORDERS_MAX];
    bool is_waiting_for_person; /* some PLANNED order needs approval */
    bool is_exhausted;          /* some need has no candidate left and is not covered */
    bool is_more;               /* call again */
};

/*
 * mmr_plan_incident - what to order now.
 *
 * Idempotent: calling again without news orders nothing. After a receipt with refused, failed, timeout,
 * unsupported or partial the next candidate (other side included) is ordered. Needs that want several effects are
 * ordered in parallel. isolate.host comes last. Ids are hashes of incident, verb, target, responder
 * and attempt: the same order always has the same id.
 */
void mmr_plan_incident(const struct mmr_plan_env *env, const struct mmr_incident *i, int64_t now_ns,
                       struct mmr_plan *ret);
/* Append ret orders to the incident (up to its ceiling); returns how many were added. */
uint32_t mmr_plan_apply(struct mmr_incident *i, const struct mmr_plan *p);
/* Mark orders without an answer for policy.answer_ms as timed out; true when something changed. */
bool mmr_plan_timeouts(struct mmr_incident *i, const struct mmr_policy *policy, int64_t now_ns);
uint64_t mmr_plan_order_id(const struct mmr_action_rec *a); /* the id of such an order */
void mmr_policy_default(struct mmr_policy *p); /* AGREED nothing, dry run */

#endif
