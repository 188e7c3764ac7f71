/* zone.c - votes for the shift of a host's clock, in quarter hours. */
#include "zone.h"

#include <string.h>

static const int64_t STEP_NS = INT64_C(900) * 1000000000;
enum { STEP_ZERO = 49 /* -12:15 */ };

void mmr_zones_init(struct mmr_zones *z)
{
    memset(z, 0, sizeof *z);
    z->n = 1;
    z->v[0].best[0] = z->v[0].best[1] = -1;
}

static uint32_t host_key(struct mmr_slice host)
{
    uint32_t h = mmr_slice_hash(host);
    return h ? h : 1;
}

static const struct mmr_zone_votes *find(const struct mmr_zones *z, uint32_t key)
{
    for (uint32_t i = 1; i < z->n; i++)
        if (z->v[i].host == key)
            return &z->v[i];
    return NULL;
}

static void vote(struct mmr_zone_votes *v, enum mmr_zone_clock clock, int step, uint16_t weight)
{
    uint16_t *c = &v->count[clock][step];
    *c = (uint16_t)(*c > UINT16_MAX - weight ? UINT16_MAX : *c + weight);
    if (v->best[clock] < 0 || *c > v->count[clock][v->best[clock]])
        v->best[clock] = (int16_t)step;
}

void mmr_zones_learn(struct mmr_zones *z, struct mmr_slice host, enum mmr_zone_clock clock, int64_t wall_ns,
                     int64_t utc_ns, uint16_t weight)
{
    int64_t d = wall_ns - utc_ns;
    int64_t step = (d + (d < 0 ? -STEP_NS : STEP_NS) / 2) / STEP_NS + STEP_ZERO;
    if (step < 0 || step >= MMR_ZONE_STEPS)
        return;
    vote(&z->v[0], clock, (int)step, weight);
    if (!host.n)
        return;
    uint32_t key = host_key(host);
    for (uint32_t i = 1; i < z->n; i++)
        if (z->v[i].host == key) {
            vote(&z->v[i], clock, (int)step, weight);
            return;
        }
    if (z->n > MMR_ZONE_HOSTS_MAX)
        return;
    struct mmr_zone_votes *v = &z->v[z->n++];
    memset(v, 0, sizeof *v);
    v->host = key;
    v->best[0] = v->best[1] = -1;
    vote(v, clock, (int)step, weight);
}

bool mmr_zones_shift(const struct mmr_zones *z, struct mmr_slice host, enum mmr_zone_clock clock, int64_t *ret_ns)
{
    const struct mmr_zone_votes *v = host.n ? find(z, host_key(host)) : NULL;
    if (!v || v->best[clock] < 0)
        v = &z->v[0];
    if (v->best[clock] < 0)
        return false;
    *ret_ns = (v->best[clock] - STEP_ZERO) * STEP_NS;
    return true;
}
