/* recorded.h - one recorded log as records in the order of their times (mamori.replay/0). */
#ifndef MMR_RECORDED_H
#define MMR_RECORDED_H

#include <mamori/plugin.h>

struct mmr_recorded;

int mmr_recorded_open(const struct mmr_host *host, const char *path, const char *name, const char *format,
                      struct mmr_recorded **ret, struct mmr_error *err);
void mmr_recorded_close(struct mmr_recorded *r);
int mmr_recorded_next(struct mmr_recorded *r, int64_t *ret_time_ns, struct mmr_error *err);
int mmr_recorded_step(struct mmr_recorded *r, struct mmr_error *err);

#endif
