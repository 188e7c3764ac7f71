/* actions.h - ordered actions as searchable rows: `mamori block list`, and what lives after a
 * restart. */
#ifndef MMR_STORE_ACTIONS_H
#define MMR_STORE_ACTIONS_H

#include "store/db.h"

#include "model/action.h"

/* Insert or replace. The whole record is kept (every field comes back), target as a flat map of its
 * own. */
int mmr_store_action_put(struct mmr_db *db, const struct mmr_action_rec *a, struct mmr_error *err);
typedef int (*mmr_action_fn)(void *ctx, const struct mmr_action_rec *a); /* not 0: stop, returned */
/* incident 0: any; only_live: ordered, applied, proved or effective */
int mmr_store_actions_each(struct mmr_db *db, uint64_t incident, bool only_live, mmr_action_fn fn,
                           void *ctx, struct mmr_error *err);
int mmr_store_action_get(struct mmr_db *db, uint64_t id, struct mmr_action_rec *ret,
                         struct mmr_error *err);

#endif
