/*
 * log.h - one line a message on stderr: an event name, then key=value. Values from outside go through
 * mmr_log_quote (escaped and cut); a control character that is left in a line is written as a question mark. Repeats of one event name are limited and counted.
 */
#ifndef MMR_UTIL_LOG_H
#define MMR_UTIL_LOG_H

#include <mamori/plugin.h>

#include <stddef.h>

void mmr_log_level_set(int level); /* MMR_LOG_*; default MMR_LOG_INFO */
/* event: "plugin.refused"; fmt: the key=value part. Thread safe. */
__attribute__((format(printf, 3, 4))) void mmr_log(int level, const char *event, const char *fmt, ...);
/* text escaped (control characters, quotes, invalid UTF-8 as \xNN) and cut to fit; returns buf */
const char *mmr_log_quote(const char *text, size_t len, char *buf, size_t cap);

#endif
