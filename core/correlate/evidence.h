/* evidence.h - a finding into an incident's evidence: repeats fold, the same record again is nothing new. */
#ifndef MMR_CORRELATE_EVIDENCE_H
#define MMR_CORRELATE_EVIDENCE_H

#include "model/incident.h"

/* Same rule, same actors, same process: a repeat. Source ports do not count. */
uint64_t mmr_evidence_fold(const struct mmr_finding *f);
/* The same observation of the same moment, by whatever source. */
uint64_t mmr_evidence_content(const struct mmr_finding *f, uint64_t fold);

/* Put a finding (taken, also on failure) into the incident; *ret_is_new: not a repeat. */
int mmr_evidence_add(struct mmr_incident *i, struct mmr_finding *f, uint64_t fold, bool *ret_is_new,
                     struct mmr_error *err);
/* Move all evidence and actions of `from` into `into`; counts of repeats are put together. */
int mmr_evidence_merge(struct mmr_incident *into, struct mmr_incident *from, struct mmr_error *err);
void mmr_evidence_sort(struct mmr_incident *i); /* after corrections of time */

#endif
