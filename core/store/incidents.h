/*
 * incidents.h - incidents, how far each sender was received, and the outbox of the forwarders, in
 * one transaction, so that an event counts once whatever crashes when.
 */
#ifndef MMR_STORE_INCIDENTS_H
#define MMR_STORE_INCIDENTS_H

#include "store/db.h"

#include "model/incident.h"

struct mmr_incident_row { /* columns are for searching; the blob (mmr_incident_pack) is the incident
                           */
    uint64_t id;
    uint8_t uid[16];
    int64_t t0_ns, first_ns, last_ns, updated_ns;
    uint32_t revision;
    enum mmr_class class_current, class_peak;
    enum mmr_band band;
    int row;
    bool is_closed, is_exercise;
    const char *title; /* one line */
    const void *blob;
    size_t len;
};
void mmr_incident_row_of(const struct mmr_incident *i,
                         struct mmr_incident_row *ret); /* all but title and blob */

/* Insert, or replace when revision is not older. MMR_INCIDENT_BLOB_MAX bounds the blob. */
enum { MMR_INCIDENT_BLOB_MAX = 4 * 1024 * 1024 };
int mmr_store_incident_put(struct mmr_db *db, const struct mmr_incident_row *row,
                           struct mmr_error *err);
typedef int (*mmr_incident_row_fn)(void *ctx,
                                   const struct mmr_incident_row *row); /* not 0: stop, returned */
int mmr_store_incident_get(struct mmr_db *db, uint64_t id, mmr_incident_row_fn fn, void *ctx,
                           struct mmr_error *err);
struct mmr_incident_filter {
    bool only_open;
    int min_class;          /* enum mmr_class of class_current; 0 all */
    int64_t from_ns, to_ns; /* t0; 0: unbounded */
    uint32_t limit;         /* 0: all; newest first when set, else oldest first */
};
int mmr_store_incidents_each(struct mmr_db *db, const struct mmr_incident_filter *f,
                             mmr_incident_row_fn fn, void *ctx, struct mmr_error *err);

/* Received and applied up to this number, per sender's epoch and lane; never goes back. */
int mmr_store_received_put(struct mmr_db *db, uint64_t host_epoch, uint32_t lane, uint64_t upto,
                           struct mmr_error *err);
int mmr_store_received_get(struct mmr_db *db, uint64_t host_epoch, uint32_t lane,
                           uint64_t *ret_upto, struct mmr_error *err); /* 0 when nothing was */

/* ---- outbox: what forwarders must hand on; severe first ---- */
struct mmr_outbox_row {
    uint64_t seq;
    const char *kind; /* "incident", "finding", "receipt", "notice", "report" */
    bool is_urgent;
    int64_t at_ns;
    const char *json;
    size_t len;
    int level; /* how far that forwarder got it, enum mmr_delivery, or MMR_OUTBOX_NEW */
};
enum { MMR_OUTBOX_NEW = -2 }; /* level of a row this forwarder has not tried */
int mmr_store_outbox_add(struct mmr_db *db, const char *kind, bool is_urgent, int64_t at_ns,
                         const char *json, size_t len, uint64_t *ret_seq, struct mmr_error *err);
/* A forwarder that is new gets rows from now on only (or all: from_start). */
int mmr_store_outbox_register(struct mmr_db *db, const char *forwarder, bool from_start,
                              struct mmr_error *err);
/* Rows this forwarder has not handed over (level < GATEWAY and not given up), urgent first, then by
 * seq, up to limit (0: all). fn must not write to the store. */
int mmr_store_outbox_pending(struct mmr_db *db, const char *forwarder, uint32_t limit,
                             int (*fn)(void *ctx, const struct mmr_outbox_row *row), void *ctx,
                             struct mmr_error *err);
/* How far a row got; a lower level than known is ignored. MMR_DELIVERY_FAILED: given up. */
int mmr_store_outbox_level(struct mmr_db *db, const char *forwarder, uint64_t seq, int level,
                           int64_t at_ns, const char *detail, struct mmr_error *err);
int mmr_store_outbox_count(struct mmr_db *db, const char *forwarder, uint64_t *ret_pending,
                           struct mmr_error *err);
/* Delete rows every registered forwarder is done with and that are older than before_ns. */
int mmr_store_outbox_trim(struct mmr_db *db, int64_t before_ns, struct mmr_error *err);
/*
 * mmr_store_outbox_retire - what is older than before_ns no longer waits for a forwarder that is not configured any more; until then
 * it does, for it may come back. For a configured one rows wait as long as it takes.
 *
 * wanted  the configured forwarders, each followed by a newline: "file\nwebhook\n"
 */
int mmr_store_outbox_retire(struct mmr_db *db, const char *wanted, int64_t before_ns, struct mmr_error *err);

#endif
