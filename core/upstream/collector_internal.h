/* collector_internal.h - one struct, four files: collector.c (start, loop, outlets), members.c (who is let in), intake.c (what
 * they send), rotate.c (what is asked of it, keys that change). */
#ifndef MMR_UPSTREAM_COLLECTOR_INTERNAL_H
#define MMR_UPSTREAM_COLLECTOR_INTERNAL_H

#include "bus/join.h"
#include "bus/site.h"
#include "config/config.h"
#include "store/collected.h"
#include "store/members.h"
#include "upstream/outlet.h"

struct event;
struct event_base;
struct mmr_metrics_http;
struct mmr_control_server;

enum { MMR_COLLECTOR_OUTLETS_MAX = 4 };

struct mmr_collector_site {
    char name[MMR_SITE_NAME_MAX + 1];
    uint8_t epoch[16];
    uint64_t upto[MMR_LANES], acked[MMR_LANES]; /* taken; committed and acknowledged */
    bool has_epoch, is_up, is_bye, is_silent, is_changed; /* changed: to be written */
    int64_t seen_ns;                                      /* Unix */
    uint64_t refused;
};
struct mmr_collector {
    const struct mmr_config *config;
    const char *state_dir;
    struct event_base *base;
    struct event *bus_event, *timer, *commit_timer, *signal[3];
    struct mmr_bus *bus;
    struct mmr_site_hub *hub;
    struct mmr_join_server *join;
    struct mmr_members *list;
    struct mmr_db *db;
    struct mmr_metrics_http *metrics; /* NULL: metrics.listen is not set */
    struct mmr_collector_site *site; /* MMR_SITE_NODES_MAX */
    uint32_t n_sites, port;
    struct mmr_outlet *outlet[MMR_COLLECTOR_OUTLETS_MAX];
    uint32_t n_outlets;
    bool is_automatic, is_broken;
    int64_t silent_after_ns, started_ns, seen_ns, trimmed_ns; /* started: Unix; the others monotonic */
    uint64_t records, repeated, refused;
    struct mmr_control_server *control; /* NULL: it could not be opened */
    bool has_next, is_switch_due;       /* its own next keys; to be used now */
    struct mmr_keys next;
    int64_t announced_ns;
    struct mmr_error failure;
};

struct mmr_collector_site *mmr_collector_site(struct mmr_collector *c, const char *name); /* NULL: unknown */
void mmr_collector_fail(struct mmr_collector *c, const struct mmr_error *err);            /* the store took nothing: end */

/* measure.c */
int mmr_collector_measure_open(struct mmr_collector *c, struct mmr_error *err);

/* members.c */
int mmr_collector_members_open(struct mmr_collector *c, struct mmr_error *err);
void mmr_collector_members_close(struct mmr_collector *c);
void mmr_collector_members_tick(struct mmr_collector *c); /* each second */
void mmr_collector_members_apply(struct mmr_collector *c); /* what is in the list is in force */

/* intake.c */
extern const struct mmr_site_hub_ops mmr_collector_hub_ops;
int mmr_collector_put_received(struct mmr_collector *c, struct mmr_error *err); /* into the batch that is about to commit */
void mmr_collector_acknowledge(struct mmr_collector *c);                        /* after it */

/* rotate.c */
void mmr_collector_control_open(struct mmr_collector *c); /* a failure is logged: it runs without */
void mmr_collector_control_close(struct mmr_collector *c);
void mmr_collector_keys_tick(struct mmr_collector *c); /* each second */
void mmr_collector_knows_next(struct mmr_collector *c, const struct mmr_site_record *r); /* a site knows the next keys */
/* The next keys are its keys: the sites' link is closed and opened anew. Nothing of the batch may be open. errors as of members_open */
int mmr_collector_keys_switch(struct mmr_collector *c, struct mmr_error *err);

#endif
