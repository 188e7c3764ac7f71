/*
 * week_log.h - the weekly reports as the evidence log has them: an incident belongs to the week in which the log first
 * gives it a class. The log only grows, so the answer about a week that is over never changes.
 *
 * Gaps of the watch are not in the log yet: the share of watched time is not known from it.
 */
#ifndef MMR_NOTIFY_WEEK_LOG_H
#define MMR_NOTIFY_WEEK_LOG_H

#include "notify/week.h"
#include "store/evidence.h"

struct mmr_week_log;
/* Reads the whole log; weeks begin on Monday 0 h of the machine's clock on the wall, reports of weeks that ended by now_ns
 * are issued. *ret is NULL for an empty log.   errors MMR_ENOMEM; those of the store */
int mmr_week_log_read(struct mmr_db *db, int64_t now_ns, struct mmr_week_log **ret, struct mmr_error *err);
void mmr_week_log_free(struct mmr_week_log *l); /* accepts NULL */
const struct mmr_week *mmr_week_log_week(const struct mmr_week_log *l);
const char *mmr_week_log_uid(const struct mmr_week_log *l, uint64_t id); /* the incident's UUID; "" unknown */
uint64_t mmr_week_log_unreadable(const struct mmr_week_log *l);          /* records left out because they are damaged */

#endif
