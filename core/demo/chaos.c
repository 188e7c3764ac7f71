/* chaos.c - kill -9, in turn. */
#include "demo/chaos.h"

void mmr_chaos_turn(struct mmr_scene *s)
{
    if (s->is_chaos)
        (void)mmr_site_mend(&s->site);
}

bool mmr_chaos_is_busy(const struct mmr_scene *s)
{
    (void)s;
    return false;
}

void mmr_chaos_stop(struct mmr_scene *s)
{
    (void)s;
}
