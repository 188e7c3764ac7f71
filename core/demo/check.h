/* check.h - what must be true after an act, looked at from outside mamori: the attacker's view, the machines, the store. */
#ifndef MMR_DEMO_CHECK_H
#define MMR_DEMO_CHECK_H

#include "demo/parts.h"
#include "demo/site.h"
#include "demo/story.h"
#include "demo/tell.h"
#include "demo/truth.h"

struct mmr_scene { /* one act being played */
    struct mmr_lab *lab;
    struct mmr_parts *parts;
    struct mmr_site site;
    struct mmr_tell *tell;
    struct mmr_truth *truth;
    struct mmr_story story;
    bool is_chaos;
};
void mmr_check_class(struct mmr_scene *s, const struct mmr_incident *i, enum mmr_class want);
void mmr_check_receipts(struct mmr_scene *s, const struct mmr_incident *i);             /* every action proved */
void mmr_check_sides(struct mmr_scene *s, const struct mmr_incident *i, unsigned want); /* bits of enum mmr_side */
void mmr_check_one_story(struct mmr_scene *s, const struct mmr_incident *i);
void mmr_check_evidence(struct mmr_scene *s);                                           /* hub's chain; upstream has the incident */
void mmr_check_own_processes(struct mmr_scene *s);
void mmr_check_office_works(struct mmr_scene *s);

#endif
