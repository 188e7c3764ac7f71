/*
 * pipeline.h - the brain's steps in order, pure: events in, incidents and orders out through callbacks,
 * receipts in, time passed in. The live loop, replay and tests drive the same code.
 *
 *   event -> resolve -> correlate            mmr_pipeline_event()      for every event
 *   view -> plan -> classify -> tell         mmr_pipeline_work()       for what changed, after a batch
 *   timeouts, leases, pending, closing       mmr_pipeline_tick()       at mmr_pipeline_next_due()
 *
 * In replay (policy.is_replay) nothing is told before mmr_pipeline_finish().
 */
#ifndef MMR_BRAIN_PIPELINE_H
#define MMR_BRAIN_PIPELINE_H

#include "classify/facts.h"
#include "correlate/track.h"
#include "defend/plan.h"

struct mmr_pipeline_config { /* all borrowed for mmr_pipeline_new() only */
    struct mmr_resolve_config resolve; /* home networks, assets, ceilings */
    struct mmr_track_config track;
    struct mmr_policy policy;
    const struct mmr_responder *responder;
    uint32_t n_responder;
    const char *const *never_block; /* addresses, networks and names */
    size_t n_never_block;
    const struct mmr_rails_limits *rails; /* NULL: defaults */
    const char *const *stories; /* files and folders of Sigma correlation rules over findings */
    size_t n_stories;
    int64_t quiet_ns; /* an incident that is not open severe closes after so long without news; 0: 24 h */
};

enum mmr_activity { MMR_ACTIVITY_CREATE = 1, MMR_ACTIVITY_UPDATE = 2, MMR_ACTIVITY_CLOSE = 3 };
struct mmr_pipeline_ops { /* every callback may be NULL; called inside work, tick, finish, receipt */
    /* A finding that is no duplicate, before it is correlated (replay --findings). Borrowed. */
    void (*finding)(void *ctx, const struct mmr_finding *f);
    /* An incident worth telling upstream; change: bits of enum mmr_change (0: evidence or actions only).
     * The incident is borrowed for the call; its revision is already counted up. */
    void (*incident)(void *ctx, const struct mmr_incident *i, enum mmr_activity activity, unsigned change);
    /* Two told incidents are one story: `from` is closed, everything of it is in `into` now. */
    void (*merged)(void *ctx, uint64_t into, uint64_t from);
    /* Send this; flags: MMR_ACT_* (0 do it, RENEW, VERIFY, UNDO, DRY_RUN). In replay: never called. */
    void (*order)(void *ctx, const struct mmr_action_rec *a, unsigned flags);
    /* The lease of a live action has another end (renewed, or the clock was set); its incident may have no news. */
    void (*lease)(void *ctx, const struct mmr_action_rec *a);
    /* Facts from outside the pipeline: as in struct mmr_facts_ctx. */
    struct mmr_responder_state (*responder_state)(void *ctx, const struct mmr_action_rec *a);
    bool (*window)(void *ctx, const char *host, const struct mmr_addr *addr, int64_t from_ns, int64_t to_ns,
                   struct mmr_window *ret);
    /* Does this instance read the receipts of a defence that is not ours? NULL: none does. */
    bool (*is_linked)(void *ctx, const char *node, const char *instance);
    /* This finding is known to be good and was seen lately: it is only counted. */
    bool (*suppress)(void *ctx, const struct mmr_finding *f);
    /* The event that was just given is part of a story of the correlation rules: mmr_pipeline_part() wants it after a restart. */
    void (*part)(void *ctx);
    size_t (*proofs)(void *ctx, const struct mmr_incident *i, struct mmr_benign_proof *ret, size_t cap);
    void *ctx;
};

struct mmr_pipeline;
int mmr_pipeline_new(const struct mmr_pipeline_config *c, const struct mmr_pipeline_ops *ops, struct mmr_pipeline **ret,
                     struct mmr_error *err); /* ops is copied */
void mmr_pipeline_free(struct mmr_pipeline *p);

/* One stamped event: telemetry teaches the resolver, a finding finds its incident.
 * errors MMR_EBADMSG the event lacks a field (count it and go on); MMR_ENOMEM */
int mmr_pipeline_event(struct mmr_pipeline *p, const struct mmr_event_view *stamped, int64_t now_ns, struct mmr_error *err);
/* The same for a decoded one (taken, also on failure). */
int mmr_pipeline_finding(struct mmr_pipeline *p, struct mmr_finding *f, int64_t now_ns, struct mmr_error *err);
/* After a restart, before the first event: a finding that was part of a story. The rules count it, and tell nothing. */
void mmr_pipeline_part(struct mmr_pipeline *p, const struct mmr_event_view *stamped);
/* Plan, classify and tell up to `most` incidents that changed; true: there are more. */
bool mmr_pipeline_work(struct mmr_pipeline *p, int64_t now_ns, uint32_t most);
/* The receipt of an order. errors MMR_ENOENT nobody ordered that */
int mmr_pipeline_receipt(struct mmr_pipeline *p, uint64_t action_id, const struct mmr_receipt *r, int64_t now_ns,
                         struct mmr_error *err);
/*
 * A named person says that this incident is known to be good: what was done against it is taken back; a severe one is
 * withdrawn. errors MMR_ENOENT not open; MMR_EINVAL without name or reason
 */
int mmr_pipeline_known_good(struct mmr_pipeline *p, uint64_t incident, const char *who, const char *reason, int64_t now_ns,
                            struct mmr_error *err);
void mmr_pipeline_tick(struct mmr_pipeline *p, int64_t now_ns);
int64_t mmr_pipeline_next_due(const struct mmr_pipeline *p); /* when tick has something to do; INT64_MAX never */
/* Replay: everything has been read. Classify, plan and tell every incident, oldest first. */
int mmr_pipeline_finish(struct mmr_pipeline *p, struct mmr_error *err);
/* An open incident of the store (mmr_incident_unpack; taken, also on failure), before the first event. */
int mmr_pipeline_restore(struct mmr_pipeline *p, struct mmr_incident *i, int64_t now_ns, struct mmr_error *err);
/* Something outside changed that decides about defence (a responder came back, or is gone for good): every incident with
 * orders, or that needs some, is planned and classified again by the next tick. */
void mmr_pipeline_reconsider(struct mmr_pipeline *p, int64_t now_ns);
/* The wall clock was set by so much while we ran: what is to happen later keeps its distance. */
void mmr_pipeline_clock_set(struct mmr_pipeline *p, int64_t by_ns, int64_t now_ns);
/* Responders came, went or changed (live): the whole list anew. */
int mmr_pipeline_responders(struct mmr_pipeline *p, const struct mmr_responder *list, uint32_t n, struct mmr_error *err);

const struct mmr_incident *mmr_pipeline_incident(struct mmr_pipeline *p, uint64_t id); /* borrowed, or NULL */
const struct mmr_resolve *mmr_pipeline_resolve(const struct mmr_pipeline *p);
struct mmr_rails *mmr_pipeline_rails(struct mmr_pipeline *p); /* for the agent's gate and manual orders */

struct mmr_pipeline_stats {
    uint64_t events, findings, bad, duplicates, folded, held, told, ordered, suppressed, leases; /* leases: held now */
    struct mmr_track_stats track;
    uint64_t resolver_evicted;
};
void mmr_pipeline_stats(const struct mmr_pipeline *p, struct mmr_pipeline_stats *ret);

#endif
