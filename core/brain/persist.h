/*
 * persist.h - what the brain must not forget, in one transaction each batch: incidents, actions, evidence, how far
 * each sender was received, and what forwarders must hand on. Nothing is acknowledged or shown before commit.
 */
#ifndef MMR_BRAIN_PERSIST_H
#define MMR_BRAIN_PERSIST_H

#include "brain/pipeline.h"
#include "store/actions.h"
#include "store/evidence.h"
#include "store/incidents.h"

struct mmr_persist;
struct mmr_persist_health { /* for status */
    bool is_failing;
    uint64_t incidents, actions, commits, failures;
    uint32_t known; /* actions of open incidents whose last written state is remembered */
    char error[248];
};

int mmr_persist_open(const char *state_dir, struct mmr_persist **ret, struct mmr_error *err);
void mmr_persist_close(struct mmr_persist *p); /* commits what is open; accepts NULL */
struct mmr_db *mmr_persist_db(struct mmr_persist *p);
const struct mmr_persist_health *mmr_persist_health(const struct mmr_persist *p);

/* The incident as it is now: blob, evidence of class changes, its actions' news, outbox rows. */
int mmr_persist_incident(struct mmr_persist *p, const struct mmr_incident *i, enum mmr_activity activity, unsigned change,
                         int64_t now_ns, struct mmr_error *err);
int mmr_persist_order(struct mmr_persist *p, const struct mmr_action_rec *a, unsigned flags, int64_t now_ns, struct mmr_error *err);
/* The action as it is, beside its incident: evidence of what changes is the incident's affair. */
int mmr_persist_lease(struct mmr_persist *p, const struct mmr_action_rec *a, struct mmr_error *err);
int mmr_persist_received(struct mmr_persist *p, const uint8_t epoch[16], uint32_t lane, uint64_t upto, struct mmr_error *err);
uint64_t mmr_persist_upto(struct mmr_persist *p, const uint8_t epoch[16], uint32_t lane);
int mmr_persist_note(struct mmr_persist *p, const char *kind, const char *json, int64_t now_ns, struct mmr_error *err);
/* In this batch: rows for forwarders that all of them are done with and that are older go (mmr_store_outbox_retire, _trim). */
int mmr_persist_trim(struct mmr_persist *p, const char *wanted, int64_t before_ns, struct mmr_error *err);
/* A piece of state (mmr_db_set), in this batch; NULL, 0: it goes. key: under 64 bytes */
int mmr_persist_state(struct mmr_persist *p, const char *key, const void *value, size_t len, struct mmr_error *err);
int mmr_persist_forwarder(struct mmr_persist *p, const char *name, struct mmr_error *err); /* rows are kept for it from now on */
int mmr_persist_forwarded(struct mmr_persist *p, const char *name, uint64_t seq, int level, int64_t at_ns, const char *detail,
                          struct mmr_error *err);

bool mmr_persist_is_due(const struct mmr_persist *p, int64_t mono_ns);
int64_t mmr_persist_deadline(const struct mmr_persist *p); /* monotonic; INT64_MAX: nothing is open; failing: the next try */
/*
 * While the disk refuses, puts are kept in memory and nothing is written. mmr_persist_retry(), at the deadline, opens a
 * batch and puts all of it again; then commit. mmr_persist_failed() is for a write of the batch that the caller made.
 */
int mmr_persist_retry(struct mmr_persist *p, struct mmr_error *err); /* 0 at once when nothing fails */
void mmr_persist_failed(struct mmr_persist *p, const struct mmr_error *err);
/* Too much waited and was let go: acknowledge nothing, and start anew after the next commit that works. */
bool mmr_persist_is_over(const struct mmr_persist *p);
/* 0: everything put is durable. After an error the batch stays in memory, for mmr_persist_retry(). */
int mmr_persist_commit(struct mmr_persist *p, int64_t now_ns, struct mmr_error *err);
/* Give every open incident of the store back to the pipeline. Returns how many, or an error. */
int mmr_persist_restore(struct mmr_persist *p, struct mmr_pipeline *pipe, int64_t now_ns, struct mmr_error *err);
/* The ids of actions that live, for reconcile; returns how many. node, instance: of the responder. */
size_t mmr_persist_live_actions(struct mmr_persist *p, const char *node, const char *instance, uint64_t *ret, size_t cap);

#endif
