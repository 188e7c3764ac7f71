/* sysmap.h - a syslog, daemon or access log line becomes an event. */
#ifndef MMR_SYSMAP_H
#define MMR_SYSMAP_H

#include "syslog.h"

/* from->time_ns is already the line's. The whole line is kept as `message`; the parsed head beside it. */
void mmr_sys_event(const struct mmr_syslog *s, const char *line, size_t len, const struct mmr_origin *from,
                   struct mmr_outev *o, void *buf, size_t cap);
/* A stamp inside the message, where the head has none: "[Thu Jul 11 01:21:41 2013] [error]", access logs,
 * daemons that write their own. False: none. */
bool mmr_sys_inner_stamp(struct mmr_slice msg, struct mmr_stamp *ret);

#endif
