/*
 * openmetrics.h - measurements as text: families, samples, labels, the end. Values of labels may come from outside: they are escaped,
 * and what is no UTF-8 becomes '?'. Source: the OpenMetrics specification, version 1.0.0, "Text format".
 */
#ifndef MMR_CONTROL_OPENMETRICS_H
#define MMR_CONTROL_OPENMETRICS_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

#define MMR_OPENMETRICS_TYPE "application/openmetrics-text; version=1.0.0; charset=utf-8"

enum mmr_om_type { MMR_OM_GAUGE = 0, MMR_OM_COUNTER, MMR_OM_INFO, MMR_OM_STATESET };
struct mmr_om {
    FILE *f;
    const char *name; /* of the family that is open */
    enum mmr_om_type type;
};
/*
 * A family: every sample until the next one is of it. name without "_total" and "_info"; unit is its last word, or NULL.
 * help: one line, ours. Each name once in a text.
 */
void mmr_om_family(struct mmr_om *m, const char *name, enum mmr_om_type type, const char *unit, const char *help);
/* label: name, value, name, value, … NULL; the same set of values once in a family */
void mmr_om_sample(struct mmr_om *m, double value, const char *const *label);
void mmr_om_count(struct mmr_om *m, uint64_t value, const char *const *label); /* exact */
void mmr_om_end(struct mmr_om *m);                                              /* "# EOF" */

#endif
