/* finding.h - a rule's match made into a finding: the event's own fields, and one line for people. */
#ifndef MMR_PLUGIN_SIGMA_FINDING_H
#define MMR_PLUGIN_SIGMA_FINDING_H

#include <mamori/event.h>

#include "sigma/sigma.h"

/* Identity of "the same rule on the same subject" */
uint64_t finding_key(const struct mmr_sigma_rule *r, const struct mmr_event_view *v, const char *group);

/*
 * finding_build - begin and fill ev; close it with mmr_event_end() or mmr_event_emit().
 *
 * buf    MMR_EVENT_BYTES_MAX bytes, borrowed by ev
 * count  occurrences it stands for
 */
void finding_build(struct mmr_event *ev, void *buf, const struct mmr_sigma_hit *h, const struct mmr_event_view *v,
                   uint64_t count);

#endif
