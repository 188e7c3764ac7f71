/* covered.h - how much of the office is watched (SR-06, SR-07), noted in the evidence log: the weekly report says it. */
#ifndef MMR_BRAIN_COVERED_H
#define MMR_BRAIN_COVERED_H

#include <stdint.h>

struct mmr_live;
struct mmr_covered { /* starts as {0} */
    int64_t looked_ns, noted_ns; /* monotonic; wall */
    char noted[160];
};
/* Every few seconds: looks every ten minutes, notes ("coverage") what changed, and once a day. */
void mmr_covered_tick(struct mmr_live *l, struct mmr_covered *c);

#endif
