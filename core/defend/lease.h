/*
 * lease.h - the life of what was ordered: renewed at 2/3 of its time, read back every 30 s, asserted
 * again when somebody removed it, held while at least one reason wants it, reconciled after a restart.
 * now_ns is the clock of the receipts' expires_ns (the hub's).
 */
#ifndef MMR_DEFEND_LEASE_H
#define MMR_DEFEND_LEASE_H

#include "model/action.h"

/* What may follow what: ordered -> applied -> proved -> effective -> expired | undone; any live state
 * -> failed; expired, undone and failed are ends. A refuted proof falls back to ordered (asserted again). */
enum mmr_lease_event {
    MMR_LEASE_SENT = 0,    /* planned -> ordered */
    MMR_LEASE_APPLIED,     /* receipt applied or already, not confirmed */
    MMR_LEASE_CONFIRMED,   /* read back and there */
    MMR_LEASE_OBSERVED,    /* seen to work: counter, flow gone, no more matches */
    MMR_LEASE_REFUTED,     /* read back and gone */
    MMR_LEASE_FAILED,      /* failed, refused, timeout, unsupported, partial */
    MMR_LEASE_RAN_OUT,
    MMR_LEASE_UNDONE,
    MMR_LEASE_EVENT_COUNT
};
/* The next state, or -1 when the event makes no sense there (counted by the caller, state kept). */
int mmr_action_next_state(enum mmr_action_state from, enum mmr_lease_event ev);
/* The event a receipt means. */
enum mmr_lease_event mmr_receipt_event(const struct mmr_receipt *r);
/*
 * mmr_action_take_receipt - put a receipt into an action record and move its state.
 *
 * returns  true when state or receipt changed; false for a repeat or a receipt that comes too late
 */
bool mmr_action_take_receipt(struct mmr_action_rec *a, const struct mmr_receipt *r, int64_t now_ns);

enum mmr_lease_do { MMR_LEASE_DO_RENEW = 1, MMR_LEASE_DO_VERIFY, MMR_LEASE_DO_ASSERT, MMR_LEASE_DO_UNDO };
struct mmr_lease_step { /* what to send now: MMR_ACT_RENEW, MMR_ACT_VERIFY, or the order itself again */
    enum mmr_lease_do what;
    uint64_t id;      /* the action that holds the element */
    uint64_t reason;  /* the incident (or other reason) */
};

struct mmr_leases;
struct mmr_leases_limits { int64_t verify_ns; uint32_t max; }; /* 0: 30 s, 4,096 */
int mmr_leases_new(const struct mmr_leases_limits *limits, struct mmr_leases **ret, struct mmr_error *err);
void mmr_leases_free(struct mmr_leases *l);

/*
 * mmr_leases_hold - reason wants this action's element to be held.
 *
 * Reference counted per (target, reason): the first reason makes the lease and ret_is_first is true
 * (send the order); a further one only adds itself (the element is already there: take its receipt).
 * errors MMR_ETOOBIG the table is full; MMR_ENOMEM
 */
int mmr_leases_hold(struct mmr_leases *l, const struct mmr_action_rec *a, uint64_t reason, int64_t now_ns,
                    bool *ret_is_first, struct mmr_error *err);
/* reason lets go; *ret_undo_id is the action to undo when it was the last one, else 0. errors MMR_ENOENT */
int mmr_leases_release(struct mmr_leases *l, uint64_t action_id, uint64_t reason, uint64_t *ret_undo_id,
                       struct mmr_error *err);
/* A receipt came for the holding action. Refuted: due for re-assertion at once. False: id not held. */
bool mmr_leases_receipt(struct mmr_leases *l, uint64_t action_id, const struct mmr_receipt *r, int64_t now_ns);
/* The action record as the lease sees it (borrowed), by id of the holder; NULL. */
const struct mmr_action_rec *mmr_leases_get(const struct mmr_leases *l, uint64_t action_id);
/* fn for each reason the holding action is held for. */
void mmr_leases_each_reason(const struct mmr_leases *l, uint64_t action_id, void (*fn)(void *ctx, uint64_t reason),
                            void *ctx);
/*
 * mmr_leases_due - up to cap steps that are due; each is given once until its next time.
 * Leases whose time ran out turn EXPIRED and are reported through on_expired (may be NULL).
 */
size_t mmr_leases_due(struct mmr_leases *l, int64_t now_ns, struct mmr_lease_step *ret, size_t cap,
                      void (*on_expired)(void *ctx, const struct mmr_action_rec *a), void *ctx);
int64_t mmr_leases_next_ns(const struct mmr_leases *l); /* when due() has something next; INT64_MAX: never */
/* Live action ids of a responder instance ("" any), for reconcile() after a restart. */
size_t mmr_leases_live(const struct mmr_leases *l, const char *node, const char *instance, uint64_t *ret, size_t cap);
size_t mmr_leases_count(const struct mmr_leases *l);
/* The wall clock was set by so much: what the kernel holds goes on as long as it would have. */
void mmr_leases_shift(struct mmr_leases *l, int64_t by_ns);

#endif
