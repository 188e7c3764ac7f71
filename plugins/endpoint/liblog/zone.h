/*
 * zone.h - how far each host's written clock is from UTC. Windows senders write local time without
 * a zone, and some write it with a wrong 'Z'; a record that also carries a real UTC time proves the
 * shift for all others of the same host.
 */
#ifndef MMR_ZONE_H
#define MMR_ZONE_H

#include <stdbool.h>
#include <stdint.h>

#include "outev.h"

enum {
    MMR_ZONE_HOSTS_MAX = 256, /* further hosts use what the whole input says */
    MMR_ZONE_STEPS = 107,     /* quarter hours from -12:15 to +14:15 */
};
enum mmr_zone_clock { MMR_CLOCK_SYSTEM = 0, MMR_CLOCK_EVENT = 1, MMR_ZONE_CLOCKS = 2 };

struct mmr_zone_votes {
    uint32_t host; /* hash; 0: the whole input */
    uint16_t count[MMR_ZONE_CLOCKS][MMR_ZONE_STEPS];
    int16_t best[MMR_ZONE_CLOCKS]; /* step, -1: nothing known */
};
struct mmr_zones {
    uint32_t n, reserved;
    struct mmr_zone_votes v[MMR_ZONE_HOSTS_MAX + 1]; /* v[0]: the whole input */
};

void mmr_zones_init(struct mmr_zones *z);
/* A record of host shows this clock at wall_ns when it was utc_ns. Further apart than zones go: no vote. */
void mmr_zones_learn(struct mmr_zones *z, struct mmr_slice host, enum mmr_zone_clock clock, int64_t wall_ns,
                     int64_t utc_ns, uint16_t weight);
/* wall minus UTC in ns; false: nothing known of this clock */
bool mmr_zones_shift(const struct mmr_zones *z, struct mmr_slice host, enum mmr_zone_clock clock, int64_t *ret_ns);

#endif
