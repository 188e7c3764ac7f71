/* uplink_internal.h - one struct, two files: uplink.c (rows of the outbox), uplink_link.c (the link: where to, with which keys). */
#ifndef MMR_BRAIN_UPLINK_INTERNAL_H
#define MMR_BRAIN_UPLINK_INTERNAL_H

#include "brain/uplink.h"

#include "brain/live.h"
#include "bus/site.h"

enum {
    MMR_UPLINK_EACH_MAX = 128,                       /* rows in flight: urgent ones, and others */
    MMR_UPLINK_FLIGHT_BYTES_MAX = 16 * 1024 * 1024,
    MMR_UPLINK_SPOOL_BYTES = 64 * 1024 * 1024,       /* never full: what is in flight, one longest row and their heads are less */
    MMR_UPLINK_ADDRESSES_MAX = 8,
};

struct mmr_uplink_flight {
    uint64_t row, last; /* of the outbox; the number of its last part in the lane */
    uint32_t lane;
    size_t len;
};
struct mmr_uplink {
    struct mmr_live *l;
    struct mmr_spool_memory *spool;
    struct mmr_site_node *link;
    bool is_up;
    int64_t since_ns; /* monotonic */
    struct mmr_uplink_flight flight[2 * MMR_UPLINK_EACH_MAX];
    uint32_t n, n_lane[MMR_LANES];
    size_t bytes;
    uint64_t never[2 * MMR_UPLINK_EACH_MAX]; /* rows the link will never take */
    uint32_t n_never;
    uint8_t *buf;
    uint64_t marked; /* up to this record the evidence's checkpoint was sent on this link */
    /* uplink_link.c */
    const char *address[MMR_UPLINK_ADDRESSES_MAX]; /* borrowed from the configuration */
    uint32_t n_addresses, at;
    int64_t tried_ns;              /* monotonic: since when this address is tried */
    bool is_link_due, is_anew_due; /* open the link again; with nothing of what was under way */
    bool has_next;
    struct mmr_keys next; /* this end's, given to the collector and not in use yet */
};

/* uplink_link.c */
int mmr_uplink_link_open(struct mmr_uplink *u, struct mmr_error *err);
void mmr_uplink_link_close(struct mmr_uplink *u);
void mmr_uplink_link_state(struct mmr_uplink *u, bool is_up); /* it came up or went */

/* uplink.c: rows up to this number of the lane are at the collector */
void mmr_uplink_acked(struct mmr_uplink *u, uint32_t lane, uint64_t upto);

#endif
