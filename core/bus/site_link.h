/* site_link.h - inside the bus room: what hub and node share. */
#ifndef MMR_BUS_SITE_LINK_H
#define MMR_BUS_SITE_LINK_H

#include "bus/link.h"
#include "bus/site.h"

#include <pthread.h>

enum { MMR_SITE_SKIPPED = 1 << 2 }; /* flag of DATA in lanes 2, 3: numbers before it were dropped by the spool */
#define MMR_SITE_JOIN_DOMAIN "mamori.join" /* the ZAP domain of the join socket: any key, once the door is open */
enum { MMR_SITE_URGENT = 0, MMR_SITE_BULK = 1, MMR_SITE_CONNECTIONS = 2 };
static inline unsigned mmr_site_connection(uint32_t lane)
{
    return lane <= MMR_LANE_FINDING ? MMR_SITE_URGENT : MMR_SITE_BULK;
}

/* The 16 bytes a node has in envelopes: a hash of its CURVE key. */
void mmr_site_node_id(const uint8_t curve[MMR_KEY], uint8_t ret_id[16]);
struct mmr_site_config mmr_site_config_of(const struct mmr_site_config *cfg);
/* CURVE and TCP settings of both ends. errors MMR_EIO */
int mmr_site_socket_setup(void *sock, const struct mmr_keys *keys, const uint8_t *server_key, struct mmr_error *err);

/* The best of the last exchanges: the one that took least time bounds the error best. One that contradicts it begins anew: a clock was set. */
enum { MMR_CLOCK_SAMPLES = 8, MMR_CLOCK_GLANCE_MS = 10000 };
struct mmr_clock_filter {
    pthread_mutex_t lock; /* read by the loop */
    struct mmr_site_clock samples[MMR_CLOCK_SAMPLES];
    uint32_t n;
};
/* t1 we sent, t2 they received, t3 they sent, t4 we received; t1 and t4 by our clock, t2 and t3 by theirs */
void mmr_clock_filter_add(struct mmr_clock_filter *f, int64_t t1, int64_t t2, int64_t t3, int64_t t4);
/* A message of theirs, one way: all there is before the first exchange of a session, good to MMR_CLOCK_GLANCE_MS. Beside what was measured before
 * it counts only when the two contradict each other, or the other end has booted since. */
void mmr_clock_filter_glance(struct mmr_clock_filter *f, int64_t theirs, int64_t ours, bool is_another_boot);
bool mmr_clock_filter_best(struct mmr_clock_filter *f, struct mmr_site_clock *ret);
/*
 * New keys of a node: the body of ROTATE, signed over by the new signature key; the envelope is signed by the old one.
 * body: MMR_SITE_ROTATION_MAX bytes; returns its length.
 */
enum { MMR_SITE_ROTATION_MAX = 160 };
size_t mmr_site_rotation_put(const uint8_t node_id[16], const struct mmr_keys *next, uint8_t *body);
bool mmr_site_rotation_read(const struct mmr_envelope *e, struct mmr_public_keys *ret_next); /* false: malformed, or not theirs */
/* PONG (and WELCOME) bodies begin with the PING's t1 and its time of receipt. */
int mmr_site_pong(void *sock, const struct mmr_link_rid *rid, const struct mmr_envelope *ping, int64_t received_ns,
                  const uint8_t node[16], const uint8_t boot[16]);

#endif
