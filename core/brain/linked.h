/*
 * linked.h - what a defence that is not ours (Microsoft Defender on a PC) says it has done, as an action with its receipt.
 * It becomes part of an incident only where it names that incident's threat object: the same file on the same machine.
 */
#ifndef MMR_BRAIN_LINKED_H
#define MMR_BRAIN_LINKED_H

#include "model/incident.h"

#include <mamori/event.h>

struct mmr_linked {
    struct mmr_action_rec action; /* verb, target (text: the path as reported), node, instance, reason */
    struct mmr_receipt receipt;
};
bool mmr_linked_is(const struct mmr_event_view *stamped); /* kind defence.report */
/*
 * mmr_linked_read - a stamped defence.report.
 *
 * errors  MMR_EBADMSG no machine, no file, another verb than quarantine.file or deny.exec, or no receipt
 */
int mmr_linked_read(const struct mmr_event_view *stamped, struct mmr_linked *ret, struct mmr_error *err);
/* Is the file on that machine a threat object of this incident? Then the target gets the incident's own spelling. */
bool mmr_linked_ties(const struct mmr_incident *i, struct mmr_linked *l);

#endif
