/*
 * classify.h - the decision table of SERVICE_STANDARD section 4 as a pure function.
 */
#ifndef MMR_CLASSIFY_CLASSIFY_H
#define MMR_CLASSIFY_CLASSIFY_H

#include "defend/effect.h"

#include "util/clock.h"

/* The standard's constants, in one place. */
#define MMR_POLICY_V_NS (10 * 60 * MMR_NS_PER_S)                /* V: pending at most */
#define MMR_POLICY_Q_NS (24 * 3600 * MMR_NS_PER_S)              /* Q: quiet period */
#define MMR_POLICY_TARGET_NS (60 * 60 * MMR_NS_PER_S)           /* severe: target to notify */
#define MMR_POLICY_RECUR_WINDOW_NS (7 * 24 * 3600 * MMR_NS_PER_S)
enum { MMR_POLICY_RECUR_DEFENDED = 3 };                         /* defended incidents on one asset in 7 days */
#define MMR_POLICY_MERGE_NS (60 * 60 * MMR_NS_PER_S)            /* repeats of an open severe merge */
#define MMR_POLICY_STORM_NS (10 * 60 * MMR_NS_PER_S)
enum { MMR_POLICY_STORM_COUNT = 5 };
#define MMR_POLICY_SETTLE_NS (10 * MMR_NS_PER_S) /* what an attempt led to shows on the endpoint within this time */
#define MMR_POLICY_OBSERVE_NS (5 * 60 * MMR_NS_PER_S)           /* outbound: no match for so long */

struct mmr_facts_in { /* the inputs of the table */
    char harm; /* 'y' 'u' 'n' */
    enum mmr_potential potential;
    enum mmr_defence defence;
    bool is_benign, is_recurring, is_important, has_user_action; /* B R A U */
    int64_t age_ns;                                              /* since t0 */
};
struct mmr_verdict {
    enum mmr_class class_now;
    enum mmr_band band;
    int row;         /* 1 to 12 */
    const char *why; /* static text: the condition of the row in words */
};
/* Total: every input has exactly one row. errors none; a harm that is none of the three counts as unknown. */
struct mmr_verdict mmr_classify(const struct mmr_facts_in *in);

/* `mamori classify`: facts from one JSON line, answer as one JSON line (COMMANDS.md).
 * ret_json  returned; free(). errors MMR_EBADMSG naming the field */
int mmr_classify_json(const char *line, size_t len, char **ret_json, struct mmr_error *err);

#endif
