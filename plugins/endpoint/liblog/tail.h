/*
 * tail.h - follows growing log files: new lines within milliseconds (inotify), rotation by rename and
 * by copy-and-truncate, and a file of offsets so that a restart neither repeats nor loses lines.
 */
#ifndef MMR_TAIL_H
#define MMR_TAIL_H

#include <mamori/plugin.h>

#include "decode.h"

struct mmr_tail;

int mmr_tail_start(const struct mmr_host *host, const struct mmr_strv *files, enum mmr_log_format format,
                   bool from_start, struct mmr_tail **ret, struct mmr_error *err);
void mmr_tail_stop(struct mmr_tail *t);
void mmr_tail_on_fd(struct mmr_tail *t);
void mmr_tail_on_timer(struct mmr_tail *t);
void mmr_tail_on_wake(struct mmr_tail *t); /* the bus has room again */
void mmr_tail_on_committed(struct mmr_tail *t, uint64_t upto);

#endif
