/*
 * week.h - which incident is in which weekly report: each in exactly one, issued at most 7 days and 24 hours after it was
 * classed; a report every week, also when nothing happened (SERVICE_STANDARD 6, SR-23). Pure: the time is passed in.
 *
 * The owner's order: put or issue; pack and make it durable; only then send the report. A report can be made again at any
 * time from its number, so a crash before the sending loses nothing and a second sending carries the same number.
 */
#ifndef MMR_NOTIFY_WEEK_H
#define MMR_NOTIFY_WEEK_H

#include "model/incident.h"

enum { MMR_WEEK_INCIDENTS_MAX = 1 << 16, MMR_WEEK_GAPS_MAX = 1024, MMR_WEEK_KEPT_DAYS = 400 };
#define MMR_WEEK_NS (INT64_C(7) * 86400 * 1000000000)
#define MMR_WEEK_GRACE_NS (INT64_C(86400) * 1000000000)

struct mmr_week_item {
    uint64_t id;
    int64_t classed_ns; /* when it first got a class other than pending */
    enum mmr_class class_;  /* the worst so far until it is reported */
    uint32_t report;    /* number of its report; 0: waits */
};
struct mmr_week_gap {
    int64_t from_ns, to_ns; /* to 0: goes on */
};
struct mmr_week {
    int64_t first_ns;   /* report 1 covers the week from here */
    uint32_t issued;    /* reports issued so far */
    uint32_t undelivered; /* in a row, up to the last one */
    struct mmr_week_item *item; /* sorted by id */
    uint32_t n_items, cap_items;
    struct mmr_week_gap gap[MMR_WEEK_GAPS_MAX]; /* sorted, not overlapping */
    uint32_t n_gaps;
};

void mmr_week_init(struct mmr_week *w, int64_t first_ns);
void mmr_week_done(struct mmr_week *w);

/* An incident as it is now, at every change. Pending and exercises are not taken. What was reported stays where it was.
 * errors MMR_ENOMEM; MMR_ETOOBIG all places are taken by incidents younger than 400 days */
int mmr_week_put(struct mmr_week *w, uint64_t id, enum mmr_class class_, bool is_exercise, int64_t classed_ns, struct mmr_error *err);
/* Nobody watched from here to there (to 0: still so; given again with its end). Gaps may overlap and come in any order. */
int mmr_week_gap(struct mmr_week *w, int64_t from_ns, int64_t to_ns, struct mmr_error *err);

int64_t mmr_week_due(const struct mmr_week *w); /* when the next report is due */
/* Issue the report of each week that ended by now. Returns how many; their numbers follow w->issued as it was before. */
uint32_t mmr_week_issue(struct mmr_week *w, int64_t now_ns);

struct mmr_week_report {
    uint32_t number;
    int64_t from_ns, to_ns;
    uint32_t severe, defended, no_response;
    uint32_t late;           /* classed more than a week before the end: told late */
    uint32_t watch_permille; /* of the week's time, 1000: no gap */
    uint64_t *ids;           /* in ascending order */
    uint32_t n_ids;
};
/* What report `number` holds. free(ret->ids). errors MMR_ENOENT not issued yet; MMR_ENOMEM */
int mmr_week_report(const struct mmr_week *w, uint32_t number, int64_t now_ns, struct mmr_week_report *ret, struct mmr_error *err);
/* Did the last report reach the recipient's system (level 2)? Two in a row that did not: somebody has to call. */
void mmr_week_delivered(struct mmr_week *w, bool is_delivered);
bool mmr_week_needs_call(const struct mmr_week *w);

/* ret returned; free(). errors MMR_ENOMEM; unpack (of a new week): MMR_EBADMSG */
int mmr_week_pack(const struct mmr_week *w, uint8_t **ret, size_t *ret_len, struct mmr_error *err);
int mmr_week_unpack(struct mmr_week *w, const uint8_t *p, size_t len, struct mmr_error *err);

#endif
