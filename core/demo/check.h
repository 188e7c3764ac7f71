/* check.h - what must be true after an act, looked at from outside mamori: the attacker's view, the machines, the store. */
#ifndef MMR_DEMO_CHECK_H
#define MMR_DEMO_CHECK_H

#include "demo/scene.h"

void mmr_check_class(struct mmr_scene *s, const struct mmr_incident *i, enum mmr_class want);
void mmr_check_receipts(struct mmr_scene *s, const struct mmr_incident *i);             /* every action proved */
void mmr_check_sides(struct mmr_scene *s, const struct mmr_incident *i, unsigned want); /* bits of enum mmr_side */
void mmr_check_one_story(struct mmr_scene *s, const struct mmr_incident *i);
void mmr_check_evidence(struct mmr_scene *s);                                           /* hub's chain; upstream has the incident */
void mmr_check_note_seen(struct mmr_scene *s); /* after each look into the store */
void mmr_check_nothing_lost(struct mmr_scene *s);
void mmr_check_own_processes(struct mmr_scene *s);
void mmr_check_office_works(struct mmr_scene *s);

#endif
