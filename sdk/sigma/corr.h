/* corr.h - one correlation rule as it was read. Included by corr_read.c, which reads it, and correlate.c, which runs it. */
#ifndef MMR_SIGMA_CORR_H
#define MMR_SIGMA_CORR_H

#include "sigma/set.h"

enum {
    REFS_MAX = 64, GROUP_BY_MAX = 16, CONDITIONS_MAX = 4, VALUE_FIELDS_MAX = 8,
    ENTRIES_MAX = 4096, /* matches remembered for one group: none can count further */
};

#define SPAN_MAX_S INT64_C(3155695200) /* hundred years */

enum corr_type {
    CORR_EVENT_COUNT, CORR_VALUE_COUNT, CORR_TEMPORAL, CORR_ORDERED, CORR_SUM, CORR_AVG, CORR_MIN, CORR_MAX,
    CORR_MEDIAN, CORR_PERCENTILE,
};
struct bound {
    char op[4]; /* lt, lte, gt, gte, eq, neq */
    double value;
};

struct sigma_corr { /* one rule */
    enum corr_type type;
    int64_t span_ns;
    const char *ref_names[REFS_MAX];
    uint32_t refs[REFS_MAX], n_refs; /* rule indexes, once resolved */
    uint32_t n_group;
    const char *group_names[GROUP_BY_MAX];
    uint32_t (*group_fields)[GROUP_BY_MAX]; /* by reference: aliases differ */
    uint32_t value_fields[VALUE_FIELDS_MAX], n_value_fields; /* value_count: several make one value together */
    struct bound bounds[CONDITIONS_MAX];
    uint32_t n_bounds;
    double percentile;
    struct sigma_expr *expr; /* temporal: a condition over the names */
    bool is_generate, is_at_end; /* is_at_end: can only be judged when the span is over */
    bool is_named_by_condition;  /* without a list of rules, the condition's names are the rules */
};

#endif
