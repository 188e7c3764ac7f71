/*
 * roster.h - who is there: the plugin hosts of this machine (slots) and the nodes of the site, their
 * instances, and from both the list of responders the planner may ask. Plain data; nobody here talks.
 */
#ifndef MMR_BRAIN_ROSTER_H
#define MMR_BRAIN_ROSTER_H

#include "bus/local.h"
#include "bus/site.h"
#include "defend/plan.h"
#include "event/stamp.h"

enum { MMR_ROSTER_NODES_MAX = MMR_SITE_NODES_MAX, MMR_ROSTER_ACTIONS = 1024 };

struct mmr_roster_instance {
    bool is_used, is_dry_run;
    char name[64], plugin[72], version[48];
    uint32_t side, caps, roles; /* enum mmr_side, mmr_cap, mmr_plugin_role */
    char actions[MMR_ROSTER_ACTIONS];
    char subscribes[MMR_ROSTER_ACTIONS]; /* of a program: kinds it reads, space separated (listeners.h) */
    uint64_t heard, unheard;             /* events handed to it, and of these left out because it did not keep up */
    int64_t unheard_told_ns;
    struct mmr_stamper stamper;
    uint64_t events, refused;
};
struct mmr_roster_slot {
    bool is_used, is_up, has_epoch, is_reconciled;
    bool is_ready; /* its instances run */
    bool is_asking; /* said HELLO before we knew its instances: WELCOME waits, or what it sends would be nobody's */
    char host[64];
    uint8_t epoch[16];
    uint64_t upto[MMR_LANES], acked[MMR_LANES]; /* handled; told the host after the commit */
    int64_t up_ns, down_ns; /* the last time it came and went */
    struct mmr_roster_instance *instance; /* MMR_LOCAL_INSTANCES_MAX of them; NULL until one is known */
};
struct mmr_roster_node {
    bool is_used, is_up, has_epoch, is_bye, is_lost, is_seen_due, knows_hub_next; /* bye: it left on purpose; lost: that was said */
    char name[MMR_SITE_NAME_MAX + 1], hostname[64];
    uint8_t epoch[16];
    uint64_t upto[MMR_LANES], acked[MMR_LANES];
    int64_t up_ns, down_ns, accused_ns; /* accused: monotonic; when it was last said that its key is in wrong hands */
    struct mmr_addr addr[4];
    uint32_t n_responder;
    struct mmr_responder responder[8];
    char sensors[1024];  /* "name plugin;…" for people */
    char eyes[512];      /* " name name " of what watches its endpoint side */
    int64_t hello_ns, settle_from_ns, settle_until_ns; /* settle: what it kept while it was not heard still comes; 0: no */
    bool is_same_run;    /* of its spool, as before it was silent */
    uint32_t caps;
};
struct mmr_roster {
    char node[40], hostname[64]; /* this machine */
    struct mmr_addr addr[4];
    bool has_listeners;  /* an instance with subscribes is or was there */
    bool inside_crosses; /* defence.inside_crosses_gateway */
    struct mmr_roster_slot slot[MMR_LOCAL_SLOTS_MAX];
    struct mmr_roster_node *nodes; /* grows to MMR_ROSTER_NODES_MAX */
    size_t n_nodes;
};

int mmr_roster_init(struct mmr_roster *r, const char *node, struct mmr_error *err); /* addresses from the machine */
void mmr_roster_done(struct mmr_roster *r);

/* From MMR_TELL_SLOT and MMR_TELL_INSTANCE. errors MMR_EBADMSG, MMR_ENOMEM */
int mmr_roster_slot(struct mmr_roster *r, uint32_t slot, const char *host, struct mmr_error *err);
int mmr_roster_instance(struct mmr_roster *r, const struct mmr_event_view *v, struct mmr_error *err);
struct mmr_roster_instance *mmr_roster_get(struct mmr_roster *r, uint32_t slot, uint32_t index); /* or NULL */
/* Slot and index of an instance of this machine; false: none of that name. */
bool mmr_roster_find(const struct mmr_roster *r, const char *instance, uint32_t *ret_slot, uint32_t *ret_index);

struct mmr_roster_node *mmr_roster_node(struct mmr_roster *r, const char *name); /* or NULL */
int mmr_roster_node_add(struct mmr_roster *r, const char *name, struct mmr_error *err);

/*
 * A node's account of itself, sent by its agent when it comes up and when something changes: a flat map
 *   node.hostname, node.ip (array), instances (array of "name|plugin|side|caps|roles|dry_run|verb verb …")
 */
int mmr_roster_describe(const struct mmr_roster *r, void *buf, size_t cap, size_t *ret_len);
int mmr_roster_described(struct mmr_roster_node *n, const struct mmr_event_view *v, struct mmr_error *err);

/* Every responder known, healthy or not; returns how many (at most cap). */
uint32_t mmr_roster_responders(const struct mmr_roster *r, struct mmr_responder *ret, uint32_t cap);

#endif
