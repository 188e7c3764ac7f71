/*
 * decode.h - one input of log lines into events: recognises the format, keeps what one line needs to
 * know of others (zones of hosts, open audit events). Pure: no file, no clock.
 */
#ifndef MMR_DECODE_H
#define MMR_DECODE_H

#include <mamori/error.h>

#include "outev.h"

enum { MMR_LOG_LINE_MAX = 1024 * 1024 };

enum mmr_log_format {
    MMR_LOG_AUTO = 0, /* every line by what it is */
    MMR_LOG_WINEVENT, MMR_LOG_SYSMON_LINUX, MMR_LOG_AUDITD, MMR_LOG_SYSLOG, MMR_LOG_EVE,
};

/* An event is ready: bytes borrowed for the call. */
typedef void mmr_log_event(void *ctx, const void *msgpack, size_t len, int64_t time_ns);

struct mmr_logdec; /* about 1.5 MB */
struct mmr_logdec_stats {
    uint64_t lines, events;
    uint64_t unreadable; /* lines that are not of the format (malformed JSON, XML, audit records) */
    uint64_t cut;        /* fields left out because they did not fit */
};

/* format by the user's name for it; MMR_EUNSUPPORTED names the known ones. NULL: MMR_LOG_AUTO */
int mmr_log_format_by_name(const char *name, enum mmr_log_format *ret, struct mmr_error *err);
const char *mmr_log_format_name(enum mmr_log_format f);
/* What the first lines look like; MMR_EUNSUPPORTED: no known log format. An input of no byte is MMR_LOG_AUTO. */
int mmr_log_recognise(const char *text, size_t len, enum mmr_log_format *ret, struct mmr_error *err);

/* input: mamori.input of the events, or NULL when live (copied). now_ns: a time no record is later than, for
 * stamps without year and records without time. */
int mmr_logdec_new(enum mmr_log_format format, const char *input, int64_t now_ns, struct mmr_logdec **ret, struct mmr_error *err);
void mmr_logdec_free(struct mmr_logdec *d);
void mmr_logdec_now(struct mmr_logdec *d, int64_t now_ns);
/* The machine of records that name none (copied, at most 63 bytes; NULL: such records stay without). */
void mmr_logdec_host(struct mmr_logdec *d, const char *name);
/* Are parts of records held that further lines may complete? mmr_logdec_flush() gives them. */
bool mmr_logdec_is_open(const struct mmr_logdec *d);
/* Learn zones from a line without making events (line is changed). */
void mmr_logdec_learn(struct mmr_logdec *d, char *line, size_t len);
/* One line without its newline (changed in place), its number from 1; calls event() 0 or more times. */
void mmr_logdec_line(struct mmr_logdec *d, char *line, size_t len, uint64_t index, mmr_log_event *event, void *ctx);
/* End of input, or nothing came for two seconds: open audit events are complete. */
void mmr_logdec_flush(struct mmr_logdec *d, mmr_log_event *event, void *ctx);
const struct mmr_logdec_stats *mmr_logdec_stats(const struct mmr_logdec *d);

#endif
