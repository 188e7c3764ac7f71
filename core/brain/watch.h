/*
 * watch.h - what the endpoint telemetry of each machine says about a span of time: was somebody watching all the
 * while, and was an account used, somebody's file changed, data sent? Without this answer no foothold is called
 * harmless (SERVICE_STANDARD 4, H).
 */
#ifndef MMR_BRAIN_WATCH_H
#define MMR_BRAIN_WATCH_H

#include "classify/facts.h"

#include <mamori/event.h>

enum { MMR_WATCH_HOSTS_MAX = 1024, MMR_WATCH_HINTS_MAX = 512, MMR_WATCH_BIRTHS_MAX = 256 };
enum { MMR_WATCH_SENT_MAX = 16 * 1024 }; /* bytes that leave in connections this machine opened, before it counts as data sent */

struct mmr_watch;
struct mmr_watch *mmr_watch_new(void); /* NULL: no memory */
void mmr_watch_free(struct mmr_watch *w);

/* A sensor of this machine's endpoint side came up, or went (its process ended, its node fell silent, it lost events). */
void mmr_watch_up(struct mmr_watch *w, const char *host, int64_t now_ns);
void mmr_watch_gap(struct mmr_watch *w, const char *host, int64_t now_ns);
/* Every stamped event of the endpoint side, telemetry included; host: the machine's own name for those that name none. */
void mmr_watch_event(struct mmr_watch *w, const char *host, const struct mmr_event_view *v);
/* As struct mmr_facts_ctx.window. */
bool mmr_watch_window(struct mmr_watch *w, const char *host, int64_t from_ns, int64_t to_ns, struct mmr_window *ret);

#endif
