/* deadline_internal.h - between the files of the clock: deadline.c (what comes in), deadline_step.c (what is due). */
#ifndef MMR_NOTIFY_DEADLINE_INTERNAL_H
#define MMR_NOTIFY_DEADLINE_INTERNAL_H

#include "notify/deadline.h"

#define MMR_MINUTE_NS (INT64_C(60) * 1000000000)
enum { MMR_TARGET_MIN = 60 };

void mmr_notice_drop_planned(struct mmr_notice *n);                                       /* escalation stops: nothing that waits goes out */
void mmr_notice_confirm(struct mmr_deadline *d, struct mmr_notice *n, int64_t planned_ns, int64_t now_ns);
void mmr_notice_settle(struct mmr_notice *n, const struct mmr_deadline *d, int64_t now_ns); /* is the target met or missed? */
/* Plan one message to each user contact that was told anything, by push, mail and SMS. Returns how many. */
uint32_t mmr_notice_tell(struct mmr_deadline *d, struct mmr_notice *n, uint32_t step, enum mmr_text_kind kind, int64_t now_ns);
static inline bool mmr_notice_is_over(const struct mmr_notice *n)
{
    return n->confirmed_ns || n->closed_ns;
}

#endif
