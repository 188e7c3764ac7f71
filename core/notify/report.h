/*
 * report.h - a weekly report as data (SERVICE_STANDARD 6): every sentence composed, every incident's id listed. A forwarder
 * lays it out; `mamori report week` shows it. From the evidence log and the store only, so the same again at any time.
 */
#ifndef MMR_NOTIFY_REPORT_H
#define MMR_NOTIFY_REPORT_H

#include "notify/compose.h"
#include "notify/week_log.h"

enum { MMR_REPORT_LISTED_MAX = 40, MMR_REPORT_BYTES_MAX = 140 * 1024 };

struct json_object;
/*
 * mmr_report_data - report `number` as {"kind": "report", …} (docs/wire.md).
 *
 * ret       returned; json_object_put()
 * errors    MMR_ENOENT not issued; MMR_ENOMEM; those of the store
 */
int mmr_report_data(struct mmr_db *db, const struct mmr_week_log *l, uint32_t number, const struct mmr_office *o, int64_t now_ns,
                    struct json_object **ret, struct mmr_error *err);

#endif
