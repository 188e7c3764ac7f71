/* site_hub_internal.h - inside the bus room: the hub's table of nodes, shared by site_hub.c (what moves), site_allow.c (who may)
 * and site_door.c (who tried). */
#ifndef MMR_BUS_SITE_HUB_INTERNAL_H
#define MMR_BUS_SITE_HUB_INTERNAL_H

#include "bus/site_link.h"

#include <stdatomic.h>

enum { MMR_HUB_WELCOME = 1, MMR_HUB_ORDER, MMR_HUB_HELLO, MMR_HUB_DATA, MMR_HUB_GONE, MMR_HUB_BAD, MMR_HUB_ROTATE, MMR_HUB_ROTATED };
enum { MMR_HUB_TABLE = 8192, MMR_HUB_NOBODY = 0xffff }; /* two keys a node at most: a quarter full */
enum mmr_hub_state { MMR_HUB_SILENT = 0, MMR_HUB_WAITS, MMR_HUB_UP };

struct mmr_hub_key { /* one that may be used now */
    struct mmr_public_keys pub;
    uint8_t id[16];
};
struct mmr_hub_node {
    char name[MMR_SITE_NAME_MAX + 1];
    /* under the hub's lock */
    struct mmr_hub_key key, next; /* next: announced by the node itself, not used yet */
    bool has_next;
    _Atomic bool is_allowed;
    /* [bus] */
    enum mmr_hub_state state;
    struct mmr_link_rid rid[MMR_SITE_CONNECTIONS];
    bool has_rid[MMR_SITE_CONNECTIONS];
    uint8_t bus_id[16]; /* id as of its last message */
    uint8_t epoch[16], bulk_epoch[16], boot[16];
    uint64_t expected[MMR_LANES], ack_sent[MMR_LANES], first[MMR_LANES]; /* first: what its HELLO says it can send again, at the lowest */
    bool is_gap_told[MMR_LANES];
    uint32_t session;
    int64_t heard_ns, pinged_ns, retry_ns;
    int64_t hello_wall_ns[MMR_SITE_CONNECTIONS][2]; /* t1 and t2 of the HELLO */
    struct mmr_bus_msg *orders, **orders_end;
    int64_t let_in_ns; /* its key passed the door, and nothing was heard of it since; 0: it was */
    char let_in_from[64];
    uint64_t bad;
    int64_t bad_told_ns;
    /* both */
    struct mmr_clock_filter clock;
    _Atomic uint32_t is_up, is_welcomed, ack_session, has_acks, n_orders; /* is_welcomed: the owner's word is on its way, orders may follow it */
    _Atomic uint64_t ack[MMR_LANES];
    /* [loop] */
    bool is_loop_allowed;
    uint8_t loop_epoch[16];
    uint64_t loop_first[MMR_LANES];
    uint32_t loop_session;
};

struct mmr_site_hub {
    struct mmr_bus_part part; /* first: a part is the hub */
    const struct mmr_site_hub_ops *ops;
    void *ctx;
    struct mmr_site_config cfg;
    struct mmr_keys keys;
    uint8_t epoch[16], boot[16];
    char endpoint[MMR_SITE_CONNECTIONS][128];
    void *zap, *sock[MMR_SITE_CONNECTIONS], *monitor[MMR_SITE_CONNECTIONS];
    pthread_mutex_t lock;               /* over table, n_nodes, and the nodes' keys */
    uint16_t table[MMR_HUB_TABLE];      /* CURVE key -> 2 * node + is_next, open addressing */
    struct mmr_hub_node *node[MMR_SITE_NODES_MAX]; /* never removed before the hub goes: a revoked one stays known */
    uint32_t n_nodes;
    uint32_t loop_hit;                  /* [loop] the node found last */
    _Atomic bool is_join_open;
    uint64_t strangers;                 /* [bus] */
    int64_t stranger_told_ns;
    char last_source[64];               /* [bus] whose connection was accepted last */
};

/* ---- site_allow.c ---- */

/* [any] The node that may use this CURVE key now, with that key (copied); NULL nobody. ret_key, ret_is_next may be NULL. */
struct mmr_hub_node *mmr_hub_find_key(struct mmr_site_hub *hub, const uint8_t curve[MMR_KEY], struct mmr_hub_key *ret_key,
                                      bool *ret_is_next);
void mmr_hub_rebuild_table(struct mmr_site_hub *hub);                             /* with the lock */
struct mmr_hub_node *mmr_hub_find_name(struct mmr_site_hub *hub, const char *name); /* [loop] or NULL */
bool mmr_hub_promote(struct mmr_site_hub *hub, struct mmr_hub_node *n); /* [loop] its next key is its key from now on; false: it has none */

/* ---- site_door.c, all [bus] ---- */

bool mmr_hub_serve_zap(struct mmr_site_hub *hub, int64_t now_ns); /* false: no request waits */
/* Somebody let in who says nothing is named: where a routing id is another connection's, the library holds back what is sent. When to look again */
int64_t mmr_hub_look_for_mute(struct mmr_site_hub *hub, struct mmr_hub_node *n, int64_t now_ns);
/* What the library saw at a socket: connections that never finished their handshake, or could not be accepted. */
void mmr_hub_watch_door(struct mmr_site_hub *hub, unsigned connection, int64_t now_ns);
/* n NULL: nobody who is known. At most one report a second each: true, this is one. source may be NULL. */
bool mmr_hub_misbehaved(struct mmr_site_hub *hub, struct mmr_hub_node *n, const char *what, const char *source, int64_t now_ns);
void *mmr_hub_monitor(struct mmr_bus *bus, void *sock, struct mmr_error *err); /* [loop] before it is bound */

#endif
