/* report_internal.h - between the two layouts: reading the data, and every heading in both languages. */
#ifndef MMR_FORWARD_REPORT_INTERNAL_H
#define MMR_FORWARD_REPORT_INTERNAL_H

#include "report.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct words {
    const char *title, *numbers[3], *requests, *none_requests, *urgent, *none_urgent, *noticed, *told_in, *not_told, *minutes, *now, *defended,
        *none_defended, *no_response, *none_no_response, *gaps, *none_gaps, *coverage, *important, *exits, *unknown, *support, *ask, *last_week,
        *times, *percent, *items, *more, *footer, *watchword,
        *visits; /* of left and of all in a year: two numbers */
};
extern const struct words mmr_report_ja, mmr_report_en;

const char *mmr_report_str(struct json_object *o, const char *key);                   /* "" when absent */
int64_t mmr_report_int(struct json_object *o, const char *key, int64_t dflt);
bool mmr_report_has(struct json_object *o, const char *key); /* there, and not null */
struct json_object *mmr_report_list(struct json_object *o, const char *key, size_t *ret_n);
void mmr_report_visits(FILE *f, const char *before, struct json_object *o, const struct words *w, const char *behind); /* nothing when it is not told */
int mmr_report_text(struct json_object *o, const struct words *w, char **ret, struct mmr_error *err);

#endif
