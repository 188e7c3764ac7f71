/* syslog.h - the head of a log line: RFC 3164, RFC 5424, RFC 3339-stamped, or none. Pure. */
#ifndef MMR_SYSLOG_H
#define MMR_SYSLOG_H

#include "outev.h"
#include "timestamp.h"

struct mmr_syslog { /* slices are borrowed from the line; absent ones have p NULL */
    struct mmr_slice host, app, pid, msg_id, msg;
    struct mmr_stamp stamp; /* with stamp.len 0: none */
    int32_t pri;            /* facility * 8 + severity, or -1 */
    bool is_5424, has_head; /* has_head: a priority, or a stamp and a program were there */
};

/* Never fails: a line without a known head is msg as a whole. */
void mmr_syslog_read(const char *line, size_t len, struct mmr_syslog *ret);

#endif
