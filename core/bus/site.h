/*
 * site.h - the hub and the nodes of one site: ZeroMQ over TCP with CURVE; keys placed by hand, or by bus/join.h.
 *
 * The hub is the CURVE server; a ZAP handler admits only keys of the allow-list, bound before the sockets and
 * enforced. Who a message is from is the key its connection authenticated with (User-Id of its payload frame),
 * never what it claims; each message is looked up in the allow-list again, so a revocation bites at once.
 * Two connections: urgent (lanes 0, 1) and bulk (2, 3). Records are numbered per (node, epoch, lane), kept in
 * the node's spool until the hub acknowledged them, sent again after any loss: handled once. Receipts (lane 0)
 * are signed by the node, orders by the hub, which also expire (at most 60 s) and run once.
 * The clock offset of each node is measured with four stamps at HELLO and on every PING, and anew when a clock was set.
 *
 * All functions are [loop]; all callbacks come from mmr_bus_drain() and may call any function here except the
 * _free of the object that calls. spool ops: see there.
 */
#ifndef MMR_BUS_SITE_H
#define MMR_BUS_SITE_H

#include "bus/keys.h"
#include "bus/local.h"

/* misbehaved() of a node: what somebody does who has its key and is not its mamori; begins of the texts */
#define MMR_SITE_CLAIMS_ANOTHER "a node id that is not its key's"
#define MMR_SITE_CANNOT_SIGN "receipts without the node's signature"

enum { /* kinds of orders and records of the link's owners themselves; instance "agent" */
    MMR_SITE_HUB_KEY = 80, /* hub -> node: CURVE and signature key the hub will use next; node -> hub: the CURVE key, known now */
    MMR_SITE_ROTATE = 81,  /* hub -> node: make new keys */
};
enum {
    MMR_SITE_NODES_MAX = 1024,
    MMR_SITE_NAME_MAX = 39,             /* bytes of a node's or an instance's name */
    MMR_SITE_RECORD_MAX = 160 * 1024,
    MMR_SITE_ORDER_TTL_MAX_MS = 60000,
    MMR_SITE_CREDIT = 256,              /* records of a lane in flight; lane 3: a quarter */
};

struct mmr_site_record { /* borrowed for the call */
    const char *node;     /* hub: who sent it, from the allow-list; node: "hub" */
    const char *instance; /* NUL-terminated; hub: the sender's claim inside its node */
    uint32_t kind;        /* enum mmr_local_kind */
    uint32_t lane;
    uint64_t seq;         /* of (node, epoch, lane): what mmr_site_hub_ack() takes */
    uint64_t number;      /* the sender's own, as in local.h */
    const uint8_t *epoch; /* hub: 16 bytes, of the node's spool; node: NULL */
    const void *bytes;
    size_t len;
};
struct mmr_site_clock { /* other end's clock against ours, from the best of the last 8 exchanges */
    int64_t offset_ns; /* add to a time of the other end to get ours */
    int64_t error_ns;  /* at most this wrong, if the way there and back take equally long at worst not at all */
    int64_t measured_ns; /* when, our wall clock; 0: never */
};
struct mmr_site_config { /* 0 in a field: the default */
    int64_t ping_ms;     /* 10000 */
    int64_t lost_ms;     /* 30000 */
    int64_t reconnect_ms; /* first of a doubling delay to 60 s; 500 */
};

/* ---- hub ---- */

struct mmr_site_hub;
struct mmr_site_hub_ops { /* [loop]; any may be NULL but hello and record */
    /* Answer with mmr_site_hub_welcome(); no record of it is delivered before. */
    void (*hello)(void *ctx, const char *node, const uint8_t epoch[16]);
    void (*record)(void *ctx, const struct mmr_site_record *r);
    void (*gone)(void *ctx, const char *node, bool is_bye);
    /* A node gives the keys it will use next, signed by its present ones. Keep them durably beside the present ones and
     * return 0: then they are admitted and the node is told. Anything else: it asks again later. */
    int (*rotate)(void *ctx, const char *node, const struct mmr_public_keys *next);
    /* The next keys were used: they are the node's only ones now. */
    void (*rotated)(void *ctx, const char *node, const struct mmr_public_keys *now);
    /* A key that is not on the list tried, a revoked node still sends, a bad signature, malformed bytes, a node id
     * that is not the key's. node: "" if unknown. At most one call a second per node; count since start. */
    void (*misbehaved)(void *ctx, const char *node, uint64_t count, const char *what);
};
/*
 * mmr_site_hub_new - handler first, then both sockets.
 *
 * urgent, bulk  "tcp://10.0.0.1:7000", with port 0 or * any free one (mmr_site_hub_endpoint tells)
 * keys          copied
 */
int mmr_site_hub_new(struct mmr_bus *bus, const char *urgent, const char *bulk, const struct mmr_keys *keys,
                     const struct mmr_site_hub_ops *ops, void *ctx, const struct mmr_site_config *cfg,
                     struct mmr_site_hub **ret_hub, struct mmr_error *err);
void mmr_site_hub_free(struct mmr_site_hub *hub); /* accepts NULL */
const char *mmr_site_hub_endpoint(const struct mmr_site_hub *hub, bool is_bulk);

/* Put a node on the allow-list, or give it other keys. errors MMR_EINVAL name or a key that another node has;
 * MMR_ETOOBIG too many nodes */
int mmr_site_hub_allow(struct mmr_site_hub *hub, const char *node, const struct mmr_public_keys *pub,
                       struct mmr_error *err);
/* A second pair of keys for a node on the list (a rotation that a restart cut short): both are good until the second is
 * used, which ends the first. errors as above; MMR_ENOENT not on the list */
int mmr_site_hub_allow_next(struct mmr_site_hub *hub, const char *node, const struct mmr_public_keys *pub,
                            struct mmr_error *err);
/* From this call on nothing of that node is delivered or sent, also on its open connection. */
void mmr_site_hub_revoke(struct mmr_site_hub *hub, const char *node);

void mmr_site_hub_welcome(struct mmr_site_hub *hub, const char *node, const uint8_t epoch[16],
                          const uint64_t upto[MMR_LANES]);
/* From hello on: the oldest number of each lane that the node can still send. What is below was acknowledged, by this process or by
 * another one with the same keys: an owner who keeps no numbers welcomes it with one less. */
void mmr_site_hub_spooled(struct mmr_site_hub *hub, const char *node, uint64_t ret_first[MMR_LANES]);
/* All lanes: everything of this epoch up to upto is committed (lane 3: handled). Of another epoch: ignored. */
void mmr_site_hub_ack(struct mmr_site_hub *hub, const char *node, const uint8_t epoch[16], uint32_t lane,
                      uint64_t upto);

/*
 * mmr_site_hub_order - a signed order to an instance of a node, at most once.
 *
 * ttl_ms   1 to MMR_SITE_ORDER_TTL_MAX_MS: how long it may be begun; the node refuses it later
 * errors   MMR_ENOENT node unknown, revoked or not connected; MMR_EAGAIN its queue is full; MMR_ETOOBIG; MMR_EINVAL
 */
int mmr_site_hub_order(struct mmr_site_hub *hub, const char *node, const char *instance, uint32_t kind,
                       uint64_t number, int64_t ttl_ms, const void *bytes, size_t len);
bool mmr_site_hub_is_allowed(const struct mmr_site_hub *hub, const char *node);
/* Are connections to the join socket (bus/join.h) let in at all? At first: no. */
void mmr_site_hub_open_door(struct mmr_site_hub *hub, bool is_open);
bool mmr_site_hub_is_up(const struct mmr_site_hub *hub, const char *node);
bool mmr_site_hub_clock(const struct mmr_site_hub *hub, const char *node, struct mmr_site_clock *ret_clock);

/* ---- the spool of a node: where records wait for their acknowledgement ---- */

struct mmr_spool_item {
    uint64_t seq, number;
    uint32_t kind;
    const char *instance;
    const void *bytes; /* valid until the callback returns */
    size_t len;
};
/* append is called [loop], read_from and trim [bus], range by both: the spool locks for itself. */
struct mmr_spool_ops {
    bool is_durable; /* a record counts only once it is committed: append, commit, then mmr_site_node_committed() */
    /* Take a record as the next number of its lane. errors MMR_EAGAIN full */
    int (*append)(void *spool, uint32_t lane, uint32_t kind, const char *instance, uint64_t number,
                  const void *bytes, size_t len, uint64_t *ret_seq);
    /* Give the records from seq on, in order, until each() says false or there are no more. */
    void (*read_from)(void *spool, uint32_t lane, uint64_t seq, bool (*each)(void *arg, const struct mmr_spool_item *it),
                      void *arg);
    void (*trim)(void *spool, uint32_t lane, uint64_t upto); /* these are acknowledged */
    /* *ret_first: the oldest kept (last + 1 if none); *ret_last: the newest number ever given (durable: and committed), 0 none */
    void (*range)(void *spool, uint32_t lane, uint64_t *ret_first, uint64_t *ret_last);
    void (*epoch)(void *spool, uint8_t ret_epoch[16]); /* born with the spool; a copy must take a new one */
};
/* In memory, for tests and nodes without a disk: bytes_max in all; full: lane 3 then 2 lose their oldest, counted,
 * lanes 0 and 1 get MMR_EAGAIN. */
struct mmr_spool_memory;
int mmr_spool_memory_new(size_t bytes_max, struct mmr_spool_memory **ret_spool, struct mmr_error *err);
void mmr_spool_memory_free(struct mmr_spool_memory *spool); /* accepts NULL */
uint64_t mmr_spool_memory_dropped(struct mmr_spool_memory *spool, uint32_t lane);
extern const struct mmr_spool_ops mmr_spool_memory_ops;

/* ---- node ---- */

struct mmr_site_node;
struct mmr_site_node_ops { /* [loop]; any may be NULL but order */
    void (*order)(void *ctx, const struct mmr_site_record *order); /* signature, expiry and repetition checked */
    void (*acked)(void *ctx, uint32_t lane, uint64_t upto);        /* the hub has these numbers of this lane */
    void (*state)(void *ctx, bool is_up);
    void (*rotated)(void *ctx);     /* the hub admits the keys given with mmr_site_node_rotate(): open the link anew with them */
    void (*hub_rotated)(void *ctx); /* the hub uses its next keys: pin those */
    void (*rolled_back)(void *ctx); /* the hub has more than this spool ever sent, or less than it acknowledged (its disk, or ours, was put back): give the spool another epoch, then open the link anew */
    void (*refused)(void *ctx, const char *what); /* an order not followed: signature, expired, seen before, malformed */
};
/* hub: its public keys, pinned. spool, ops, ctx borrowed. name: this node's, as in the hub's allow-list. */
int mmr_site_node_new(struct mmr_bus *bus, const char *urgent, const char *bulk, const char *name,
                      const struct mmr_keys *keys, const struct mmr_public_keys *hub,
                      const struct mmr_spool_ops *spool_ops, void *spool, const struct mmr_site_node_ops *ops,
                      void *ctx, const struct mmr_site_config *cfg, struct mmr_site_node **ret_node,
                      struct mmr_error *err);
void mmr_site_node_free(struct mmr_site_node *node); /* accepts NULL */
/* Into the spool and on its way. ret_seq may be NULL. errors as the spool's append; MMR_EINVAL; MMR_ETOOBIG */
int mmr_site_node_send(struct mmr_site_node *node, uint32_t lane, const char *instance, uint32_t kind,
                       uint64_t number, const void *bytes, size_t len, uint64_t *ret_seq);
void mmr_site_node_committed(struct mmr_site_node *node); /* the durable spool has committed: send it */
/* Tell the hub, now and at each connection until it agrees, which keys this node will use next. */
int mmr_site_node_rotate(struct mmr_site_node *node, const struct mmr_keys *next);
/* Keys the hub will use next: tried in turn with the pinned ones while there is no connection. */
int mmr_site_node_hub_next(struct mmr_site_node *node, const struct mmr_public_keys *next);
bool mmr_site_node_clock(const struct mmr_site_node *node, struct mmr_site_clock *ret_clock); /* of the hub */

#endif
