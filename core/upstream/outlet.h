/*
 * outlet.h - where a collector's records go on to: a file, a message engine. One interface for all, each with its own place in the
 * outbox (store/incidents.h), so that a slow one never delays another, and what is not acknowledged is offered again.
 */
#ifndef MMR_UPSTREAM_OUTLET_H
#define MMR_UPSTREAM_OUTLET_H

#include "store/incidents.h"

struct mmr_outlet;
struct mmr_outlet_sink { /* what an outlet tells its owner, from submit, settle or work */
    void (*done)(void *ctx, struct mmr_outlet *o, uint64_t seq);                      /* it has this one durably */
    void (*never)(void *ctx, struct mmr_outlet *o, uint64_t seq, const char *why);    /* and this one it will never take */
    void *ctx;
};
struct mmr_outlet_ops {
    const char *name; /* in the outbox */
    /* Take a row (borrowed). errors MMR_EAGAIN not now: it is offered again; others likewise, and logged */
    int (*submit)(struct mmr_outlet *o, const struct mmr_outbox_row *row, struct mmr_error *err);
    /* After a round of submits: make it durable, or see to it. Everything told done goes into the batch that the owner has open. */
    int (*settle)(struct mmr_outlet *o, struct mmr_error *err);
    /* Each second, and when its descriptor is readable. NULL: nothing to do */
    void (*work)(struct mmr_outlet *o, int64_t mono_ns);
    void (*reopen)(struct mmr_outlet *o); /* SIGHUP; NULL: nothing to do */
    void (*close)(struct mmr_outlet *o);
};
struct mmr_outlet { /* first member of each */
    const struct mmr_outlet_ops *ops;
    struct mmr_outlet_sink sink;
};

/*
 * mmr_outlet_file_open - a line of JSON a record, appended to path. What was written after the last commit is cut off at the next
 * start, and so each record stands there once, whatever crashes when. The file may be moved away at any time; reopen makes a new one.
 *
 * db      where its place in the file is kept, in the owner's batch
 * errors  MMR_EIO; MMR_ENOMEM
 */
int mmr_outlet_file_open(const char *path, struct mmr_db *db, const struct mmr_outlet_sink *sink, struct mmr_outlet **ret, struct mmr_error *err);

#endif
