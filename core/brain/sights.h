/*
 * sights.h - what the network side says it sees: machines of the office, and at each capture point the packets, the losses and
 * the directions. Kept in memory for the status and for coverage (SR-06, SR-07); bounded, the longest unseen gives way.
 */
#ifndef MMR_BRAIN_SIGHTS_H
#define MMR_BRAIN_SIGHTS_H

#include <json-c/json.h>
#include <mamori/event.h>

struct mmr_sights;
struct mmr_sights *mmr_sights_new(void); /* NULL: no memory */
void mmr_sights_free(struct mmr_sights *s); /* accepts NULL */
/* Any stamped event; those that say nothing of this are ignored. */
void mmr_sights_event(struct mmr_sights *s, const struct mmr_event_view *v);
/* Adds "hosts" and "captures" to the brain's status. */
void mmr_sights_json(const struct mmr_sights *s, struct json_object *o);

#endif
