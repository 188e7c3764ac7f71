/*
 * track.h - the open incidents. A finding becomes keys (join.h); incidents whose findings share a key
 * inside its window are one. The result does not depend on the order in which sources interleave:
 * windows are symmetric in corrected time, links learnt late are applied to what is already there.
 */
#ifndef MMR_CORRELATE_TRACK_H
#define MMR_CORRELATE_TRACK_H

#include "entity/resolve.h"

struct mmr_track_config {
    uint32_t max_incidents; /* 0: 65,536. The one quiet for longest goes first, counted and told */
    uint32_t max_keys;      /* 0: 8 for each incident */
    bool is_quiet;          /* nobody takes what changed (replay): no list of it is kept */
    uint32_t max_hints;     /* 0: 8,192 findings without a phase, waiting for a story */
};

enum mmr_track_outcome {
    MMR_TRACK_NEW = 1,   /* opened an incident */
    MMR_TRACK_JOINED,    /* new evidence of an open incident (or it merged several) */
    MMR_TRACK_FOLDED,    /* a repeat */
    MMR_TRACK_DUPLICATE, /* the same record again */
    MMR_TRACK_HELD,      /* a hint without a story */
};
struct mmr_tracker;
struct mmr_track_ops {
    /* `from` was merged into `into`: its evidence and actions have moved, it is freed after the call */
    void (*merged)(void *ctx, struct mmr_incident *into, struct mmr_incident *from);
    void (*evicted)(void *ctx, struct mmr_incident *i); /* dropped for room; freed after the call */
    void *ctx;
};
int mmr_tracker_new(const struct mmr_track_config *c, struct mmr_resolve *r, const struct mmr_track_ops *ops,
                    struct mmr_tracker **ret, struct mmr_error *err); /* r, ops borrowed, must outlive it */
void mmr_tracker_free(struct mmr_tracker *t);

/*
 * mmr_tracker_add - a finding (taken, also on failure) finds its incident.
 *
 * ret_incident  the incident it belongs to, or NULL when held
 */
int mmr_tracker_add(struct mmr_tracker *t, struct mmr_finding *f, enum mmr_track_outcome *ret,
                    struct mmr_incident **ret_incident, struct mmr_error *err);
/* Telemetry taught the resolver something: apply it to the incidents there are. */
int mmr_tracker_learnt(struct mmr_tracker *t, const struct mmr_learnt *l, struct mmr_error *err);
/* An open incident from the store (taken, also on failure): its evidence posts its keys again. */
int mmr_tracker_restore(struct mmr_tracker *t, struct mmr_incident *i, struct mmr_error *err);
void mmr_tracker_close(struct mmr_tracker *t, struct mmr_incident *i); /* forget it; frees it */

struct mmr_incident *mmr_tracker_get(struct mmr_tracker *t, uint64_t id); /* follows merges; or NULL */
/* Visit every open incident, oldest slot first; false from fn stops. */
void mmr_tracker_each(struct mmr_tracker *t, bool (*fn)(void *ctx, struct mmr_incident *i), void *ctx);
/* Incidents changed since they were last taken, in the order they first changed; NULL at the end. */
struct mmr_incident *mmr_tracker_take_changed(struct mmr_tracker *t);
/* Derive hosts, roles, attackers, victims and joins from the evidence and what the resolver knows. */
int mmr_tracker_view(struct mmr_tracker *t, struct mmr_incident *i, struct mmr_error *err);

struct mmr_track_stats {
    uint32_t open, hints, keys;
    uint64_t evicted_incidents, evicted_keys, evicted_hints, merged, duplicates, folded;
    size_t bytes;
};
void mmr_tracker_stats(const struct mmr_tracker *t, struct mmr_track_stats *ret);

#endif
