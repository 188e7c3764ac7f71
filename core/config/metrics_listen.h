/* metrics_listen.h - where measurements are read: `metrics.listen` taken apart. */
#ifndef MMR_CONFIG_METRICS_LISTEN_H
#define MMR_CONFIG_METRICS_LISTEN_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stdint.h>

enum { MMR_METRICS_PATH_MAX = 100 };
struct mmr_metrics_listen {
    bool is_unix, is_v6;
    char host[64];                        /* an address as text */
    uint16_t port;
    char path[MMR_METRICS_PATH_MAX + 1]; /* is_unix */
};
/*
 * mmr_metrics_listen_read - "127.0.0.1:9464", "[::1]:9464" or "unix:/run/mamori/metrics.sock".
 *
 * is_open  addresses that others can reach, too (`metrics.open`)
 * errors   MMR_ECONFIG none of these, or an address that others can reach
 */
int mmr_metrics_listen_read(const char *text, bool is_open, struct mmr_metrics_listen *ret, struct mmr_error *err);

#endif
