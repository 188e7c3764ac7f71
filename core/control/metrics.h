/*
 * metrics.h - what `mamori status --json` says as measurements (OpenMetrics): the watch, incidents and the hour they must be told in, defence,
 * what was lost, what waits, the processes. A pure function of that object.
 */
#ifndef MMR_CONTROL_METRICS_H
#define MMR_CONTROL_METRICS_H

#include <mamori/error.h>

#include <json-c/json.h>
#include <stddef.h>

/* status: as the control socket gives it, "brain" inside (null: it does not answer). ret returned; free(). errors MMR_ENOMEM; MMR_EBADMSG no such object */
int mmr_metrics_text(struct json_object *status, char **ret, size_t *ret_len, struct mmr_error *err);

#endif
