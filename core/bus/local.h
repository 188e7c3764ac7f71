/*
 * local.h - plugin hosts and their core (the brain, or an endpoint's agent) on one machine.
 *
 * The core binds one ROUTER socket per host process, a *slot*, at an ipc:// path in a directory the host
 * cannot write to; the host connects a DEALER. The slot a message arrived on is its identity. A secret handed
 * over an inherited channel must be in HELLO, so that another process that may open the path is nobody.
 * A host holds several plugin instances; an index (0 to MMR_LOCAL_INSTANCES_MAX - 1) says which is meant.
 *
 * From host to core, by lane:
 *   0 urgent     receipts, answers of actions, findings that need a defence. Sent at once. Never dropped.
 *   1 findings   other findings and whatever must be committed. Sent at once. Never dropped.
 *   3 telemetry  batched (up to 50 ms, 256 records or 64 KiB), under credit. When the core does not keep up
 *                the oldest is dropped and counted (mmr_local_client_drops).
 * Each record of a lane has the next number of (epoch, lane), without holes. The core acknowledges lanes 0
 * and 1 cumulatively with mmr_local_ack() *after* it committed them; the host keeps them in memory until then
 * and sends them again to a core that was restarted. The core's owner remembers, in the same transaction as
 * the records, the last number per (slot, epoch, lane) and says it in mmr_local_welcome(): what is
 * at or below it is never delivered again, so a record is handled once.
 * From core to host: orders, records for forwarders, events for analyzers, in order, at most once (orders
 * have ids and time-outs, forwarders answer, so their owners repeat them).
 *
 * All functions are [loop]; all callbacks come from mmr_bus_drain() and may call any function here except
 * the _free of the object that calls.
 */
#ifndef MMR_BUS_LOCAL_H
#define MMR_BUS_LOCAL_H

#include "bus/thread.h"

enum {
    MMR_LOCAL_SECRET = 32,          /* bytes of the start-up secret */
    MMR_LOCAL_SLOTS_MAX = 128,      /* slots are 0 to 127 */
    MMR_LOCAL_INSTANCES_MAX = 64,   /* in one host */
    MMR_LOCAL_RECORD_MAX = 160 * 1024, /* bytes of one record or message */
    MMR_LOCAL_ENDPOINT_MAX = 6 + 107,  /* "ipc://" and the longest path a unix socket has */
    MMR_LOCAL_WINDOW = 8192,        /* unacknowledged records of lanes 0 and 1, each */
    MMR_LOCAL_WINDOW_BYTES = 16 * 1024 * 1024, /* of both together */
    MMR_LOCAL_BATCH_MS = 50,
};
enum mmr_lane { MMR_LANE_URGENT = 0, MMR_LANE_FINDING = 1, MMR_LANE_OTHER = 2, MMR_LANE_TELEMETRY = 3, MMR_LANES = 4 };

enum mmr_local_kind { /* what a record or message is; others above 64 are the owners' own */
    MMR_LOCAL_EVENT = 1,   /* host -> core: an event as emitted; core -> host: a stamped event for an analyzer */
    MMR_LOCAL_RECEIPT = 2, /* host -> core: a receipt; the bytes are the owner's, number = the action's id */
    MMR_LOCAL_ACTION = 3,  /* core -> host: an order; the bytes are the owner's (see core/plugin) */
    MMR_LOCAL_FORWARD = 4, /* core -> host: a record for a forwarder, number = its queue position */
    MMR_LOCAL_FORWARDED = 5, /* host -> core: how far it got */
    MMR_LOCAL_RELOAD = 6,  /* core -> host */
    MMR_LOCAL_CONTROL = 7, /* either way, opaque */
    MMR_LOCAL_LOST = 8,    /* host -> core, made by the bus itself: see server_ops.lost */
};

struct mmr_local_record { /* borrowed for the call */
    uint32_t slot;     /* core side: who sent it (host side: 0) */
    uint32_t instance; /* index inside the host */
    uint32_t kind;     /* enum mmr_local_kind */
    uint32_t lane;     /* enum mmr_lane */
    uint64_t seq;      /* of (epoch, lane), from 1: what mmr_local_ack() takes. Host side: 0 */
    const uint8_t *epoch; /* core side: 16 bytes, of the host's start it belongs to. Host side: NULL */
    uint64_t number;   /* the sender's own: an event's number in its instance, an action's id, a queue position */
    const void *bytes;
    size_t len;
};

/* ---- core side ---- */

struct mmr_local_server;
struct mmr_local_lost { /* telemetry of one slot that did not arrive, told by the host with its next batch */
    uint64_t records;
    int64_t first_ns, last_ns; /* when they were sent, the host's wall clock */
};
struct mmr_local_server_ops { /* [loop]; any may be NULL but hello and record */
    /* A host said HELLO with the right secret. Answer with mmr_local_welcome(), now or later; nothing of it is
     * delivered before. epoch: 16 bytes, new for each start of the host. */
    void (*hello)(void *ctx, uint32_t slot, const uint8_t epoch[16]);
    void (*record)(void *ctx, const struct mmr_local_record *r);
    /* Nothing heard for lost_ms, or it said goodbye. is_bye: on purpose. hello() comes if it returns. */
    void (*gone)(void *ctx, uint32_t slot, bool is_bye);
    /* A numbered record of lane 1 like the others: acknowledge seq. NULL: it comes to record() as MMR_LOCAL_LOST. */
    void (*lost)(void *ctx, uint32_t slot, uint64_t seq, const struct mmr_local_lost *lost);
    /* Malformed bytes, a wrong secret, or a record beyond its credit; count is since the slot was opened. */
    void (*misbehaved)(void *ctx, uint32_t slot, uint64_t count, const char *what);
    void (*writable)(void *ctx, uint32_t slot); /* after mmr_local_order() returned MMR_EAGAIN for a full queue */
};
struct mmr_local_config { /* 0 in a field: the default */
    int64_t ping_ms;  /* silence after which a PING goes out; 2000 */
    int64_t lost_ms;  /* silence after which the other end counts as gone; 10000 */
    uint32_t window;  /* host side: records of lanes 0 and 1, each, without acknowledgement; MMR_LOCAL_WINDOW */
    uint32_t telemetry_kib; /* host side: telemetry waiting or without acknowledgement; 4096 */
};

/* ops, ctx borrowed, must outlive it. cfg may be NULL. */
int mmr_local_server_new(struct mmr_bus *bus, const struct mmr_local_server_ops *ops, void *ctx,
                         const struct mmr_local_config *cfg, struct mmr_local_server **ret_srv,
                         struct mmr_error *err);
void mmr_local_server_free(struct mmr_local_server *srv); /* accepts NULL */

/*
 * mmr_local_slot_open - bind one host's socket.
 *
 * endpoint  "ipc:///run/mamori/…", at most MMR_LOCAL_ENDPOINT_MAX; the file gets mode 0666: its folder says who may come
 * secret    the one given to the host; after a restart of the core, the same again
 * errors    MMR_EINVAL slot over the maximum or open already, path too long; MMR_EIO cannot bind
 */
int mmr_local_slot_open(struct mmr_local_server *srv, uint32_t slot, const char *endpoint,
                        const uint8_t secret[MMR_LOCAL_SECRET], struct mmr_error *err);
/* Forget a host (its process ended). Nothing of it is delivered afterwards, not even what has arrived. */
void mmr_local_slot_close(struct mmr_local_server *srv, uint32_t slot);

/* Answer to hello(): upto[lane] is the last committed number of this epoch (0: none), lanes 0 and 1 count. */
void mmr_local_welcome(struct mmr_local_server *srv, uint32_t slot, const uint8_t epoch[16],
                       const uint64_t upto[MMR_LANES]);
/* Everything of this epoch and lane up to upto is committed; of an epoch that is over: ignored. Telemetry needs
 * none: returning from record() is it. */
void mmr_local_ack(struct mmr_local_server *srv, uint32_t slot, const uint8_t epoch[16], uint32_t lane,
                   uint64_t upto);

/*
 * mmr_local_order - send something to an instance of a host.
 *
 * lane    MMR_LANE_URGENT goes before whatever waits in MMR_LANE_TELEMETRY
 * bytes   copied
 * errors  MMR_ENOENT no host is connected to the slot; MMR_EAGAIN its queue (1024 messages or 4 MiB) is full;
 *         MMR_ETOOBIG; MMR_ENOMEM
 */
int mmr_local_order(struct mmr_local_server *srv, uint32_t slot, uint32_t instance, uint32_t kind,
                    uint32_t lane, uint64_t number, const void *bytes, size_t len);
bool mmr_local_is_up(const struct mmr_local_server *srv, uint32_t slot);

/* ---- host side ---- */

struct mmr_local_client;
struct mmr_local_client_ops { /* [loop]; any may be NULL but message */
    void (*message)(void *ctx, const struct mmr_local_record *m);
    /* Every record of this instance up to `upto` (the numbers given to mmr_local_send) is settled: lanes 0
     * and 1 committed by the core, telemetry handled or counted as dropped. */
    void (*committed)(void *ctx, uint32_t instance, uint64_t upto);
    void (*state)(void *ctx, bool is_up); /* the core welcomed us / fell silent */
    void (*writable)(void *ctx);          /* after mmr_local_send() returned MMR_EAGAIN: there is room again */
};

/* Connects (and keeps trying). endpoint and secret as given by the supervisor; copied. */
int mmr_local_client_new(struct mmr_bus *bus, const char *endpoint, const uint8_t secret[MMR_LOCAL_SECRET],
                         const struct mmr_local_client_ops *ops, void *ctx,
                         const struct mmr_local_config *cfg, struct mmr_local_client **ret_client,
                         struct mmr_error *err);
/* Says goodbye; what is not acknowledged is gone with it. Accepts NULL. */
void mmr_local_client_free(struct mmr_local_client *c);

/*
 * mmr_local_send - one record to the core. Copies the bytes.
 *
 * number  the instance's own number of the record, from 1, rising: what committed() tells
 * errors  MMR_EAGAIN lanes 0 and 1: the window is full, nothing was taken, writable() will come;
 *         MMR_EINVAL lane 2, or an instance over the maximum; MMR_ETOOBIG; MMR_ENOMEM
 *         Telemetry is always taken (0): the oldest is dropped and counted instead.
 */
int mmr_local_send(struct mmr_local_client *c, uint32_t instance, uint32_t kind, uint32_t lane,
                   uint64_t number, const void *bytes, size_t len);
size_t mmr_local_pending(const struct mmr_local_client *c); /* records of lanes 0 and 1 not yet acknowledged */

/* Telemetry dropped since the last call, and the counters start again; false if there was none. The core is
 * told by itself (server_ops.lost); this is for the host's own log. In flight when a core died counts as dropped. */
bool mmr_local_client_drops(struct mmr_local_client *c, struct mmr_local_lost *ret_lost);

#endif
