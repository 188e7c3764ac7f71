/* live.h - inside the brain process: one struct, six files: brain.c (start, loop), intake.c (records in), eyes.c (who
 * watches which machine), notices.c (people), dispatch.c (orders, receipts that must be made up, records for
 * forwarders), answer.c (what was asked). */
#ifndef MMR_BRAIN_LIVE_H
#define MMR_BRAIN_LIVE_H

#include "brain/covered.h"
#include "brain/notices.h"
#include "brain/persist.h"
#include "classify/allow.h"
#include "brain/roster.h"
#include "brain/seats.h"
#include "brain/selftest.h"
#include "brain/sights.h"
#include "brain/undone.h"
#include "brain/setup.h"
#include "brain/watch.h"
#include "brain/weekly.h"
#include "config/sources.h"
#include "plugin/roles.h"
#include "plugin/supervise.h"

struct event;
struct event_base;
struct json_object;

enum { MMR_LIVE_MADE_UP_MAX = 256, MMR_LIVE_INFLIGHT_MAX = 128, MMR_LIVE_FORWARDERS_MAX = 16 };

struct mmr_membership;
struct mmr_uplink;
struct mmr_made_up { /* a receipt nobody sent: the order could not be handed over, or the rails refused it */
    uint64_t id;
    struct mmr_receipt receipt;
};
struct mmr_forwarding {
    char name[64];
    uint32_t slot, index;
    uint64_t seq[MMR_LIVE_INFLIGHT_MAX];
    int64_t since_ns[MMR_LIVE_INFLIGHT_MAX];
    uint32_t n;
    int64_t rest_until_ns; /* busy: not before */
    bool takes_incident, takes_receipt;
};
struct mmr_live {
    struct event_base *base;
    struct event *bus_event, *timer, *forward_timer;
    struct mmr_tether *tether;
    struct mmr_config *config;
    struct mmr_setup setup;
    struct mmr_pipeline *pipeline;
    struct mmr_persist *persist;
    struct mmr_bus *bus;
    struct mmr_local_server *server;
    struct mmr_site_hub *hub; /* the membership's; NULL: no other machines */
    struct mmr_membership *membership;
    struct mmr_uplink *uplink; /* NULL: no provider's collector */
    struct mmr_roster roster;
    struct mmr_watch *watch;
    struct mmr_sights *sights;
    struct mmr_seats *seats; /* NULL until the first is heard of */
    struct mmr_allow *allow;
    struct mmr_notices *notices;
    struct mmr_weekly *weekly;
    struct mmr_selftest selftest;
    struct mmr_covered covered;
    struct mmr_stamper core_stamper;
    uint64_t core_seq;
    struct mmr_event_view *view;
    uint8_t *stamped; /* MMR_EVENT_BYTES_MAX + MMR_STAMP_EXTRA_MAX */
    const void *event; /* the one that is in the pipeline now */
    size_t event_len;
    uint64_t next_part; /* number of the next finding that is kept for the correlation rules */
    struct mmr_made_up made_up[MMR_LIVE_MADE_UP_MAX];
    uint32_t n_made_up;
    struct mmr_undone undone;
    struct mmr_forwarding forwarder[MMR_LIVE_FORWARDERS_MAX];
    uint32_t n_forwarder;
    bool has_news;  /* committed rows wait for forwarders */
    bool is_exit;
    int64_t started_ns; /* monotonic */
    bool is_simulated;  /* the clock: simclock.c */
    int64_t ahead_ns;   /* of the machine's */
    int64_t wall_minus_mono_ns; /* as the clocks stood when we last looked */
    int64_t started_wall_ns, alive_ns; /* alive_ns: when the store last learnt that we run */
    int64_t trimmed_ns; /* monotonic: when delivered records were last let go */
    bool has_waited;    /* long enough after our start to miss who has not come */
    int64_t lost_edge_ns; /* who went before this was looked at: wall clock */
    bool is_settled;    /* whoever is here has had the time to connect after our start */
    uint64_t events, refused;
    struct mmr_responder *responders;
};

/* brain.c */
void mmr_live_settle(struct mmr_live *l); /* after anything: work, made-up receipts, commit, acknowledge, forward */
void mmr_live_responders(struct mmr_live *l);
void mmr_live_end(struct mmr_live *l); /* the process ends and is started again */

/* intake.c */
extern const struct mmr_local_server_ops mmr_live_local_ops;
extern const struct mmr_site_hub_ops mmr_live_site_ops;
void mmr_live_fact(struct mmr_live *l, const void *event, size_t len); /* an event of the core itself */
void mmr_live_acknowledge(struct mmr_live *l);                         /* after a commit */
int mmr_live_put_received(struct mmr_live *l, struct mmr_error *err);  /* into the batch that is about to commit */

/* answer.c */
struct json_object *mmr_live_watched_json(const struct mmr_live *l); /* of the status, what coverage is measured by; json_object_put() */

/* visits.c */
bool mmr_live_visit_request(struct mmr_live *l, const char *command, const char *args, struct json_object *o, int *ret_status); /* visit.record; false: another command */

/* eyes.c */
int mmr_live_eyes_restore(struct mmr_live *l, struct mmr_error *err); /* makes l->watch from what was kept */
void mmr_live_known(struct mmr_live *l, uint32_t slot); /* what is in it: a host that asked is welcome now */
void mmr_live_eyes_slot(struct mmr_live *l, uint32_t slot); /* it said hello, or we learnt what is in it */
void mmr_live_eyes_slot_gone(struct mmr_live *l, uint32_t slot, bool is_ended); /* is_ended: else it fell silent */
void mmr_live_eyes_slot_lost(struct mmr_live *l, uint32_t slot, int64_t first_ns); /* its telemetry, since then */
void mmr_live_eyes_account(struct mmr_live *l, struct mmr_roster_node *n);
void mmr_live_eyes_node_gone(struct mmr_live *l, struct mmr_roster_node *n, bool is_bye);
void mmr_live_eyes_event(struct mmr_live *l, struct mmr_roster_node *n, uint32_t lane, const struct mmr_event_view *v);
void mmr_live_eyes_tick(struct mmr_live *l); /* every few seconds */

/* parts.c */
int mmr_live_parts_restore(struct mmr_live *l, struct mmr_error *err); /* the correlation rules count on from what was kept */
void mmr_live_part(void *ctx); /* ctx: struct mmr_live; the event in the pipeline is part of a story */

/* simclock.c */
int mmr_live_simclock_start(struct mmr_live *l, struct mmr_error *err); /* the store is open, nothing has looked at a clock */
bool mmr_live_simclock_request(struct mmr_live *l, const char *command, const char *args, struct json_object *o, int *ret_status);

/* known.c */
int mmr_live_known_restore(struct mmr_live *l, struct mmr_error *err); /* makes l->allow from what was kept */
void mmr_live_known_tick(struct mmr_live *l);
/* incident.allow, incident.allow.list, incident.allow.end; false: another command. Writes the answer into o. */
bool mmr_live_known_request(struct mmr_live *l, const char *command, const char *args, struct json_object *o, int *ret_status);

/* dispatch.c */
void mmr_live_order(void *ctx, const struct mmr_action_rec *a, unsigned flags);
bool mmr_live_try(void *ctx, const struct mmr_action_rec *a, unsigned flags); /* a self-test's order: outside the books */
void mmr_live_make_up(struct mmr_live *l, uint64_t id, enum mmr_result result, const char *detail);
void mmr_live_reconcile(struct mmr_live *l, uint32_t slot);
char *mmr_live_forwarders(const struct mmr_live *l); /* all that are configured, as mmr_persist_trim() takes them; free(); NULL: no memory */
void mmr_live_forward(struct mmr_live *l);
void mmr_live_forwarded(struct mmr_live *l, uint32_t slot, uint32_t index, uint64_t seq, const void *bytes, size_t len);

/* answer.c */
void mmr_live_request(struct mmr_live *l, const struct mmr_message *m);

#endif
