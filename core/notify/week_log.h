/*
 * week_log.h - the weekly reports as the evidence log has them: an incident belongs to the week in which the log first
 * gives it a class. The log only grows, so the answer about a week that is over never changes.
 * Gaps of the watch ("watch_gap") and in how many seconds a person's system had an urgent message ("notice.target") are
 * read with it.
 */
#ifndef MMR_NOTIFY_WEEK_LOG_H
#define MMR_NOTIFY_WEEK_LOG_H

#include "notify/week.h"
#include "store/evidence.h"

struct mmr_week_log;
int64_t mmr_week_begin(int64_t ns); /* Monday 0 h before, by the machine's clock on the wall */
/* Reads the whole log; weeks begin on Monday 0 h of the machine's clock on the wall, reports of weeks that ended by now_ns
 * are issued. *ret is NULL for an empty log.   errors MMR_ENOMEM; those of the store */
int mmr_week_log_read(struct mmr_db *db, int64_t now_ns, struct mmr_week_log **ret, struct mmr_error *err);
void mmr_week_log_free(struct mmr_week_log *l); /* accepts NULL */
const struct mmr_week *mmr_week_log_week(const struct mmr_week_log *l);
const char *mmr_week_log_uid(const struct mmr_week_log *l, uint64_t id); /* the incident's UUID; "" unknown */
struct mmr_week_told {
    bool is_known, is_met;
    int64_t elapsed_s; /* to level 2; -1: not reached */
};
struct mmr_week_told mmr_week_log_told(const struct mmr_week_log *l, uint64_t incident_id); /* by the incident's number, not its UUID */
struct mmr_week_absence { /* as it was noted */
    int64_t from_ns, to_ns;
    char what[64], cause[32];
};
/* Those that touch a time, oldest first; returns how many (at most cap). */
uint32_t mmr_week_log_absences(const struct mmr_week_log *l, int64_t from_ns, int64_t to_ns, struct mmr_week_absence *ret, uint32_t cap);
struct mmr_week_coverage { /* as it was last noted ("coverage"): with a working sensor or agent, of how many (0: none is known) */
    uint32_t exits, exits_ok, important, important_ok;
};
/* The last one of that time; false: none. */
bool mmr_week_log_coverage(const struct mmr_week_log *l, int64_t from_ns, int64_t to_ns, struct mmr_week_coverage *ret);
/* Free visits of a technician ("dispatch", counts_as_free) in that time. */
uint32_t mmr_week_log_visits(const struct mmr_week_log *l, int64_t from_ns, int64_t to_ns);
enum mmr_class mmr_week_log_class(const struct mmr_week_log *l, uint64_t id); /* as it is reported; PENDING: not known */
uint64_t mmr_week_log_id(const uint8_t uid[16]); /* the number this log gives an incident */
uint64_t mmr_week_log_unreadable(const struct mmr_week_log *l);          /* records left out because they are damaged */

#endif
