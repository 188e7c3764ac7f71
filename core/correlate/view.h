/* view.h - what an incident is about, derived from its evidence and what the resolver knows. */
#ifndef MMR_CORRELATE_VIEW_H
#define MMR_CORRELATE_VIEW_H

#include "entity/resolve.h"

/* Fill hosts with roles, attackers, victims, joins, t0, exercise. Replaces what was there; the same
 * evidence gives the same answer. errors MMR_ENOMEM */
int mmr_view_derive(const struct mmr_resolve *r, struct mmr_incident *i, struct mmr_error *err);

#endif
