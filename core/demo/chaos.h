/* chaos.h - while an act is played, mamori's processes are killed one after the other, again and again. */
#ifndef MMR_DEMO_CHAOS_H
#define MMR_DEMO_CHAOS_H

#include "demo/check.h"

void mmr_chaos_turn(struct mmr_scene *s);         /* called often; kills when it is time */
bool mmr_chaos_is_busy(const struct mmr_scene *s); /* kills are still to come, or something is not up again */
void mmr_chaos_stop(struct mmr_scene *s);

#endif
