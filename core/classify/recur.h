/* recur.h - remembers what was contained and what was defended, to say "again" (R of the standard). */
#ifndef MMR_CLASSIFY_RECUR_H
#define MMR_CLASSIFY_RECUR_H

#include "classify/facts.h"

struct mmr_recur; /* bounded: the oldest is forgotten and counted */
int mmr_recur_new(uint32_t max, struct mmr_recur **ret, struct mmr_error *err); /* 0: 4,096 */
void mmr_recur_free(struct mmr_recur *r);
/* The incident's cause was contained and removed, both confirmed (defended, or contained) at now. */
void mmr_recur_contained(struct mmr_recur *r, const struct mmr_incident *i, int64_t now_ns);
/* Fills recurs_after_containment and defended_7d of ctx for this incident. */
void mmr_recur_look(const struct mmr_recur *r, const struct mmr_incident *i, int64_t now_ns,
                    struct mmr_facts_ctx *ctx);

#endif
