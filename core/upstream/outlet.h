/*
 * outlet.h - where a collector's records go on to: a file, a message engine, a database. One interface for all. A collector with a store
 * gives rows of its outbox (store/incidents.h), each outlet with its own place in it, so that a slow one never delays another; one
 * without a store (direct.h) gives records as they come. What is not told done is given again.
 */
#ifndef MMR_UPSTREAM_OUTLET_H
#define MMR_UPSTREAM_OUTLET_H

#include "config/config.h"
#include "engine/engine.h"
#include "store/incidents.h"

struct event_base;
struct mmr_outlet;
struct mmr_outlet_sink { /* what an outlet tells its owner, from submit, settle or work */
    void (*done)(void *ctx, struct mmr_outlet *o, uint64_t seq);                      /* it has this one durably */
    void (*never)(void *ctx, struct mmr_outlet *o, uint64_t seq, const char *why);    /* and this one it will never take */
    void (*lost)(void *ctx, struct mmr_outlet *o);                                    /* what it took and did not tell done is to be given again; NULL: is not asked for */
    void (*ready)(void *ctx, struct mmr_outlet *o);                                   /* it takes more: after MMR_EAGAIN. NULL: not asked for */
    void *ctx;
};
struct mmr_outlet_ops {
    const char *name; /* in the outbox */
    /*
     * Take a record (borrowed); of a site and lane in this order. Returns 0, or 1: it has this one already and has not told it done.
     * errors MMR_EAGAIN not now: give it again; MMR_ETOOBIG it will never take it; others likewise as EAGAIN, and logged
     */
    int (*submit)(struct mmr_outlet *o, const struct mmr_engine_record *r, struct mmr_error *err);
    /* After a round of submits: make it durable, or see to it. Everything told done goes into the batch that the owner has open. */
    int (*settle)(struct mmr_outlet *o, struct mmr_error *err);
    void (*work)(struct mmr_outlet *o, int64_t mono_ns); /* each second. NULL: nothing to do */
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

/*
 * mmr_outlet_program_open - an engine, in a process of its own: the program <outlets>/NAME that fits collector.engine (nats://, tls://: nats),
 * started, watched (a beat each second), and started again with a growing delay when it ends. Tells lost() whenever it ended.
 *
 * base     its pipe is watched here, [loop]
 * config   collector.engine*, borrowed for the call
 * errors   MMR_ECONFIG collector.engine names no engine we know, or its program is not there; MMR_ENOMEM
 */
int mmr_outlet_program_open(struct event_base *base, const struct mmr_config *config, const struct mmr_outlet_sink *sink, struct mmr_outlet **ret,
                            struct mmr_error *err);
bool mmr_outlet_program_is_ready(const struct mmr_outlet *o); /* the engine takes records */
int mmr_outlet_program_pid(const struct mmr_outlet *o);       /* 0: none runs */

#endif
