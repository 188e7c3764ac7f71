/*
 * metrics_http.h - /metrics over HTTP (libevent's evhttp), for those on this machine who measure it: GET and HEAD of one path, heads of a few KiB,
 * seconds. The text is made by whoever owns this when it is asked for. Everything is [loop].
 */
#ifndef MMR_CONTROL_METRICS_HTTP_H
#define MMR_CONTROL_METRICS_HTTP_H

#include "config/metrics_listen.h"

#include <stddef.h>

struct event_base;
struct mmr_metrics_http;
/*
 * mmr_metrics_http_open - listen and serve.
 *
 * wanted  somebody waits for the text: call mmr_metrics_http_answer(), now or within ten seconds
 * errors  MMR_EIO the address or path cannot be had; MMR_ENOMEM
 */
int mmr_metrics_http_open(struct event_base *base, const struct mmr_metrics_listen *at, void (*wanted)(void *ctx), void *ctx,
                          struct mmr_metrics_http **ret, struct mmr_error *err);
/* To all who wait. text borrowed; NULL: it cannot be told now (503) */
void mmr_metrics_http_answer(struct mmr_metrics_http *h, const char *text, size_t len);
void mmr_metrics_http_close(struct mmr_metrics_http *h); /* accepts NULL */

#endif
