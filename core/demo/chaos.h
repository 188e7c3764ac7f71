/*
 * chaos.h - while an act is played, mamori's processes are killed (SIGKILL) one after the other: each once before the
 * attack, the brain, an agent and responders in the middle of it, each once more afterwards. What was supervised comes back by
 * itself; a supervisor is started again by the demo, as an init system would.
 */
#ifndef MMR_DEMO_CHAOS_H
#define MMR_DEMO_CHAOS_H

#include "demo/scene.h"

int mmr_chaos_before(struct mmr_scene *s, struct mmr_error *err); /* until everything is up again */
int mmr_chaos_during(struct mmr_scene *s, struct mmr_error *err); /* starts who kills within the next milliseconds */
void mmr_chaos_turn(struct mmr_scene *s);                         /* called often while waiting for the conclusion */
bool mmr_chaos_is_busy(const struct mmr_scene *s);                /* kills are still to come */

#endif
