/*
 * weekly.h - the weekly report, live: when a week is over its report is made from the evidence log and handed to everybody who
 * gets it, until each has it or a week is gone. A report missed while nothing ran is sent at the next start, in its order.
 */
#ifndef MMR_BRAIN_WEEKLY_H
#define MMR_BRAIN_WEEKLY_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stdint.h>

struct mmr_live;
struct mmr_weekly;
struct json_object;

int mmr_weekly_new(struct mmr_live *l, struct mmr_weekly **ret, struct mmr_error *err); /* after the store is open */
void mmr_weekly_free(struct mmr_weekly *w); /* accepts NULL */
void mmr_weekly_tick(struct mmr_weekly *w, int64_t wall_ns); /* every few seconds */
/* A forwarder's answer; false: the number is none of a report. */
bool mmr_weekly_answer(struct mmr_weekly *w, uint64_t number, int level, bool is_busy, int64_t wall_ns, const char *detail);
/* A report's mail came back: as a delivery notice, or a person's reply. False: the token is of none. */
bool mmr_weekly_token(struct mmr_weekly *w, const char *token, int level);
/*
 * A gap of the watch that ended is evidence ("watch_gap", SR-20) when it was longer than site.gap_after.
 *
 * what         the machine or part; "*": everything
 * cause        the standard's word: link, power, update, unknown, announced_off
 * is_buffered  what happened meanwhile was kept, and came or comes with its own times
 */
void mmr_weekly_gap(struct mmr_live *l, int64_t from_ns, int64_t to_ns, const char *what, const char *cause, bool is_buffered);
struct json_object *mmr_weekly_json(const struct mmr_weekly *w); /* {"sent", "due", "recipients": […], "call"}; json_object_put() */

#endif
