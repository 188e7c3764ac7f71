/* direct_internal.h - one struct, five files: direct.c (loop), direct_sites.c (who is let in), direct_intake.c (what they send), direct_queue.c (what is on its way), direct_measure.c. */
#ifndef MMR_UPSTREAM_DIRECT_INTERNAL_H
#define MMR_UPSTREAM_DIRECT_INTERNAL_H

#include "bus/site.h"
#include "bus/upstream.h"
#include "upstream/outlet.h"

#include <sys/types.h>

struct event;
struct mmr_direct_slot;
struct mmr_metrics_http;

enum { MMR_DIRECT_HELD_MAX = 16384, MMR_DIRECT_HELD_BYTES = 64 * 1024 * 1024 }; /* records taken and not told done, of all sites */

struct mmr_direct_lane {
    struct mmr_direct_slot *head, *tail; /* of this session, in order; acknowledged from the head */
    uint64_t taken, acked;
    char *parts; /* of a long record, as far as it came */
    size_t parts_len;
    uint32_t n_parts;
};
struct mmr_direct_site {
    char name[MMR_SITE_NAME_MAX + 1];
    uint8_t epoch[16];
    bool has_epoch, is_up, is_listed; /* listed: in the file as read last */
    struct mmr_direct_lane lane[MMR_LANES];
    uint64_t refused;
    int64_t told_ns; /* monotonic: its presence */
};
struct mmr_direct {
    const struct mmr_config *config;
    struct event_base *base;
    struct event *bus_event, *timer, *pump_timer, *signal[3];
    struct mmr_bus *bus;
    struct mmr_site_hub *hub;
    struct mmr_outlet *outlet;
    struct mmr_metrics_http *metrics; /* NULL: metrics.listen is not set */
    int64_t started_ns;               /* monotonic */
    struct mmr_direct_site *site; /* MMR_SITE_NODES_MAX */
    uint32_t n_sites;
    struct timespec list_time; /* of collector.sites as read last */
    off_t list_size;
    ino_t list_inode;
    /* queue */
    struct mmr_direct_slot *by_number, *work[2], *work_end[2], *next[2]; /* urgent, others: all not told done; the first not given yet */
    uint64_t number;
    size_t held_bytes;
    uint32_t held;
    bool is_paused;
    int64_t paused_ns;
    uint64_t records, refused, dropped;
};

/* direct_queue.c */
/* Takes json (free()). site NULL: nobody waits for it. errors MMR_ENOMEM */
int mmr_direct_push(struct mmr_direct *d, struct mmr_direct_site *site, uint32_t lane, uint64_t seq, const struct mmr_engine_record *r, char *json);
/* A number that needs no engine: acknowledged when all before it are. errors MMR_ENOMEM */
int mmr_direct_pass(struct mmr_direct *d, struct mmr_direct_site *site, uint32_t lane, uint64_t seq);
void mmr_direct_pump(struct mmr_direct *d);
void mmr_direct_soon(struct mmr_direct *d); /* pump, from the loop */
void mmr_direct_forget(struct mmr_direct *d, struct mmr_direct_site *site); /* a new session: what is on its way goes on, nobody waits */
bool mmr_direct_is_full(const struct mmr_direct *d);
void mmr_direct_queue_done(struct mmr_direct *d);
extern const struct mmr_outlet_sink mmr_direct_sink; /* ctx to be set */

/* direct_intake.c */
extern const struct mmr_site_hub_ops mmr_direct_hub_ops;
void mmr_direct_tell_presence(struct mmr_direct *d, struct mmr_direct_site *s, const char *state);

/* direct_measure.c */
int mmr_direct_measure_open(struct mmr_direct *d, struct mmr_error *err); /* nothing where metrics.listen is not set */

/* direct_sites.c */
int mmr_direct_sites_read(struct mmr_direct *d, struct mmr_error *err); /* at first, and whenever the file is another */
bool mmr_direct_sites_changed(const struct mmr_direct *d);
struct mmr_direct_site *mmr_direct_site(struct mmr_direct *d, const char *name); /* NULL: unknown */

#endif
