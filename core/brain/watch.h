/*
 * watch.h - what the endpoint telemetry of each machine says about a span of time: was somebody watching all the
 * while, and was an account used, somebody's file changed, data sent? Without this answer no foothold is called
 * harmless (SERVICE_STANDARD 4, H).
 */
#ifndef MMR_BRAIN_WATCH_H
#define MMR_BRAIN_WATCH_H

#include "brain/gaps.h"
#include "classify/facts.h"

#include <mamori/event.h>

enum { MMR_WATCH_HOSTS_MAX = 1024, MMR_WATCH_HINTS_MAX = 512, MMR_WATCH_BIRTHS_MAX = 256 };
enum { MMR_WATCH_SENT_MAX = 16 * 1024 }; /* bytes that leave in connections this machine opened, before it counts as data sent */

struct mmr_watch_ops { /* what must outlive this process */
    void (*keep)(void *ctx, const char *host, const void *packed, size_t len); /* the machine's gaps, when they changed */
    void (*over)(void *ctx, const char *host, const struct mmr_blind *g);        /* a gap ended */
    void *ctx;
};
struct mmr_watch;
struct mmr_watch *mmr_watch_new(const struct mmr_watch_ops *ops); /* NULL: no memory. ops is copied; NULL: nobody keeps */
void mmr_watch_free(struct mmr_watch *w);

/*
 * What was kept of a machine, before anything else is told of it. The hints were not kept: what happened before now_ns
 * is forgotten. errors MMR_EBADMSG
 */
int mmr_watch_restore(struct mmr_watch *w, const char *host, const void *packed, size_t len, int64_t now_ns, struct mmr_error *err);
/*
 * The sensors of this machine's endpoint side are ready. since_ns: whoever has watched it was about to do so since then
 * (0: nobody was): for a machine heard of for the first time, the time between is a gap. epoch: which run of theirs, or
 * NULL. Returns whether it is the run that was heard last.
 */
bool mmr_watch_up(struct mmr_watch *w, const char *host, int64_t since_ns, int64_t now_ns, const uint8_t epoch[16]);
/* As mmr_gaps_begin(), _end(), _add(), for a machine; of one that was never watched: nothing. */
void mmr_watch_gap(struct mmr_watch *w, const char *host, const char *reason, enum mmr_blind_cause cause, int64_t at_ns);
void mmr_watch_gap_end(struct mmr_watch *w, const char *host, const char *reason, int64_t at_ns, bool is_missed);
void mmr_watch_gap_add(struct mmr_watch *w, const char *host, enum mmr_blind_cause cause, int64_t from_ns, int64_t to_ns);
bool mmr_watch_take_news(struct mmr_watch *w); /* did a gap begin or end since this was last asked? */
/* Each machine that was ever watched. */
void mmr_watch_each(struct mmr_watch *w, void (*fn)(void *ctx, const char *host), void *ctx);
/* Every stamped event of the endpoint side, telemetry included; host: the machine's own name for those that name none. */
void mmr_watch_event(struct mmr_watch *w, const char *host, const struct mmr_event_view *v);
/* As struct mmr_facts_ctx.window. */
bool mmr_watch_window(struct mmr_watch *w, const char *host, int64_t from_ns, int64_t to_ns, struct mmr_window *ret);

#endif
