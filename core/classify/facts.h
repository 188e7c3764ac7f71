/*
 * facts.h - from an incident to H, S, D, B, R, A, U with reasons in words, and the incident's class.
 * Pure: what the brain knows beside the incident comes in a context.
 */
#ifndef MMR_CLASSIFY_FACTS_H
#define MMR_CLASSIFY_FACTS_H

#include "classify/classify.h"

enum mmr_benign_kind { /* SERVICE_STANDARD 4, benign proof is only: */
    MMR_BENIGN_NONE = 0,
    MMR_BENIGN_ALLOW_RULE, /* owner, reason and expiry */
    MMR_BENIGN_EXERCISE,   /* marked exercise */
    MMR_BENIGN_DUPLICATE,  /* of a notified incident */
    MMR_BENIGN_ABSENT,     /* attempt against something shown absent or patched */
    MMR_BENIGN_ANALYST,    /* name and reason */
};
struct mmr_benign_proof {
    enum mmr_benign_kind kind;
    const char *owner, *reason; /* both needed for ALLOW_RULE and ANALYST; a proof without them is none */
    int64_t expires_ns;         /* needed for ALLOW_RULE; past: no proof */
    uint64_t duplicate_of;
};
struct mmr_window { /* what the endpoint telemetry of one host says about a span of time */
    bool is_gap_free;      /* a healthy sensor all the time, nothing lost */
    bool account_used, others_files_changed, data_sent;
    bool is_blind;         /* its sensors were down, starting, silent or overrun at some time of it */
    int64_t blind_from_ns, blind_to_ns; /* is_blind: when; INT64_MAX: still */
    const char *blind_why; /* is_blind: one word, a constant */
};
enum mmr_yes { MMR_UNKNOWN = 0, MMR_NO, MMR_YES };
struct mmr_facts_ctx { /* all borrowed; every callback may be NULL: unknown, the stricter answer */
    const struct mmr_site_view *site;
    mmr_responder_state_fn responder_state; /* NULL: healthy */
    bool (*window)(void *ctx, const char *host, const struct mmr_addr *addr, int64_t from_ns, int64_t to_ns,
                   struct mmr_window *ret); /* false: no endpoint sensor was ever on that machine */
    enum mmr_yes (*important)(void *ctx, const struct mmr_host_ref *h); /* unknown counts as yes */
    const struct mmr_benign_proof *proof;
    uint32_t n_proof;
    bool recurs_after_containment; /* same fingerprint again (see recur.h) */
    uint32_t defended_7d;          /* defended incidents on the asset in 7 days, this one not counted */
    bool is_threat_over;           /* Q without match under healthy detectors, or cause removed and confirmed */
    bool user_action_left;         /* something else the user must still do (an approval, a password) */
    int64_t known_ns;              /* since when the brain knows of it, by its own clock; 0: by t0 alone */
    bool is_replay;                /* no receipts can come: D is none at once */
    void *ctx;
};
struct mmr_facts {
    struct mmr_facts_in in;
    struct mmr_defence_view defence;
    int64_t clock_ns; /* where the 60 minutes count from: t0, or the later evidence of row 5 and late harm */
    char why[8][200];
    uint32_t n_why;
};
void mmr_facts_of(const struct mmr_incident *i, const struct mmr_facts_ctx *ctx, int64_t now_ns,
                  struct mmr_facts *ret);

/*
 * mmr_classify_incident - facts, table, and the rules about change over time, written into the incident:
 * harm, potential, is_*, class_current, class_peak, band, row, why, clock_ns, is_contained.
 *
 * Severe never falls by itself: after a late defence the class stays severe and is_contained is set.
 * Returns what changed: bits of enum mmr_change (0 nothing worth telling).
 */
enum mmr_change {
    MMR_CHANGE_CLASS = 1 << 0,     /* class_current is another */
    MMR_CHANGE_BAND = 1 << 1,
    MMR_CHANGE_CONTAINED = 1 << 2, /* late defence: send the follow-up at once */
    MMR_CHANGE_CLOCK = 1 << 3,     /* a new 60-minute clock starts */
    MMR_CHANGE_WHY = 1 << 4,
};
unsigned mmr_classify_incident(struct mmr_incident *i, const struct mmr_facts_ctx *ctx, int64_t now_ns);
/* When to classify again although nothing came: t0 + V while pending, a lease's end; INT64_MAX never. */
int64_t mmr_classify_next_ns(const struct mmr_incident *i, int64_t now_ns);
/* A named person takes a severe back, with a reason. errors MMR_EINVAL without name or reason */
int mmr_withdraw(struct mmr_incident *i, const char *who, const char *reason, struct mmr_error *err);

/* Fingerprint for recurrence: rule family, asset, remote indicator. 0: none (only inbound attempts). */
uint64_t mmr_incident_fingerprint(const struct mmr_incident *i);

#endif
