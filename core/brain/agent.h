/* agent.h - inside the agent process: one struct, six files: agent.c (start, loop), agent_link.c (the link to the hub, and
 * keys that change), agent_intake.c (records of the plugin hosts to the hub), agent_order.c (orders of the hub to the plugin
 * hosts), agent_wait.c (orders for a host that is being started), agent_answer.c (what was asked). */
#ifndef MMR_BRAIN_AGENT_H
#define MMR_BRAIN_AGENT_H

#include "brain/gate.h"
#include "brain/roster.h"
#include "brain/setup.h"
#include "bus/spool_disk.h"
#include "plugin/roles.h"
#include "plugin/supervise.h"

struct event;
struct event_base;

enum {
    MMR_AGENT_ACTS_MAX = 1024,
    MMR_AGENT_WAITING_MAX = 64,
    MMR_AGENT_RESERVE = 1024 * 1024,     /* bytes of the spool that hosts do not get: for what the agent itself must say */
    MMR_AGENT_ACCOUNT_MAX = 64 * 1024,   /* bytes of the node's account of itself */
};

struct mmr_agent_act { /* an action passed on: what undo-all takes back, and what the ceilings count */
    uint64_t id;       /* 0: free */
    uint32_t slot, index;
    enum mmr_verb verb;
    struct mmr_target target;
    int64_t until_ns;  /* wall; its lease is over by then. 0: until it is undone */
    int64_t lease_ns;  /* wall; a lease that lets go by itself ends then. 0: none */
    bool is_applied, is_undone_here, is_undone_by_hub, is_over; /* over: taken back because its lease ended */
    void *map;         /* as ordered */
    size_t map_len;
};
struct mmr_agent_waiting { /* an order for a responder that is not there for a moment */
    char instance[40];
    uint64_t number;
    void *bytes;
    size_t len;
    int64_t until_ns; /* monotonic */
};
struct mmr_agent {
    struct event_base *base;
    struct event *bus_event, *timer, *commit_timer;
    struct mmr_tether *tether;
    struct mmr_config *config;
    struct mmr_setup setup;
    struct mmr_gate *gate;
    struct mmr_bus *bus;
    struct mmr_local_server *server;
    struct mmr_site_node *link;
    struct mmr_spool_disk *spool;
    size_t spool_bytes;
    struct mmr_keys next; /* this node's next keys, while the hub does not admit them yet */
    bool has_next, is_link_due, is_renewal_due, is_spool_failing; /* link_due: to be opened anew */
    struct mmr_roster roster;
    char endpoint[MMR_LOCAL_SLOTS_MAX][MMR_LOCAL_ENDPOINT_MAX + 1];
    uint8_t secret[MMR_LOCAL_SLOTS_MAX][MMR_LOCAL_SECRET];
    bool is_stalled[MMR_LOCAL_SLOTS_MAX]; /* told nothing more until there is room; then asked to send again */
    struct mmr_stamper core_stamper;
    uint64_t core_seq;
    struct mmr_event_view *view;
    uint8_t *stamped; /* MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX */
    struct mmr_agent_act act[MMR_AGENT_ACTS_MAX];
    struct mmr_agent_waiting waiting[MMR_AGENT_WAITING_MAX]; /* in the order they came */
    uint32_t n_waiting;
    bool is_last_try; /* the order that is passed on has waited */
    bool is_hub_up, is_account_due, is_exit;
    int64_t hub_since_ns; /* monotonic: since when the hub is there, or gone */
    uint64_t ticks, events, refused, orders, orders_refused, commits;
};

/* agent_intake.c */
extern const struct mmr_local_server_ops mmr_agent_local_ops;
void mmr_agent_commit(struct mmr_agent *a);  /* if it is due: what is in the spool stays there; hosts hear of it, and the link sends it */
void mmr_agent_known(struct mmr_agent *a, uint32_t slot); /* what is in it: a host that asked is welcome now */
bool mmr_agent_is_crowded(const struct mmr_agent *a); /* is the spool's share of what is never dropped more than half full? */
void mmr_agent_unstall(struct mmr_agent *a); /* hosts that were not heard for want of room, once there is some */
void mmr_agent_fact(struct mmr_agent *a, const void *event, size_t len); /* an event of the core itself */
void mmr_agent_spool_drops(struct mmr_agent *a); /* tells the hub how much telemetry did not fit */
/* Something of the agent's own, into the reserve. errors MMR_EAGAIN */
int mmr_agent_say(struct mmr_agent *a, uint32_t lane, const char *instance, uint32_t kind, uint64_t number, const void *bytes,
                  size_t len);

/* agent_order.c */
void mmr_agent_order(struct mmr_agent *a, const struct mmr_site_record *order);
/* A receipt of a host: what it means for the act. true: buf, *len hold what the hub shall get in its place. */
bool mmr_agent_receipt(struct mmr_agent *a, uint64_t id, const void *bytes, size_t n, void *buf, size_t cap, size_t *ret_len);
void mmr_agent_expire(struct mmr_agent *a);                             /* acts whose lease is over */
void mmr_agent_undo(struct mmr_agent *a, uint64_t id, uint32_t *ret_done, uint32_t *ret_failed); /* id 0: all */

/* agent_wait.c */
/* May the order wait, for its responder is not there? true: it was copied. flags: enum mmr_act_flag of it. */
bool mmr_agent_wait(struct mmr_agent *a, const struct mmr_site_record *order, uint32_t flags);
void mmr_agent_waited(struct mmr_agent *a); /* passes on what can be, gives up what waited too long; outside of callbacks */
void mmr_agent_waiting_free(struct mmr_agent *a);

/* agent_link.c */
int mmr_agent_open_link(struct mmr_agent *a, struct mmr_error *err); /* reads keys, spool and the hub's pinned keys */
void mmr_agent_link_work(struct mmr_agent *a); /* outside of callbacks: opens the link anew where that is due */
int mmr_agent_rotate(struct mmr_agent *a, struct mmr_error *err); /* new keys, given to the hub */
/* Orders to the agent itself: MMR_SITE_ROTATE, MMR_SITE_HUB_KEY. false: another kind */
bool mmr_agent_own_order(struct mmr_agent *a, const struct mmr_site_record *o);

/* agent_answer.c */
void mmr_agent_request(struct mmr_agent *a, const struct mmr_message *m);

#endif
