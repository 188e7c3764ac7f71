/* loop.h - the event loop as every process makes it, and when what comes back regularly had better be due. */
#ifndef MMR_PLUGIN_LOOP_H
#define MMR_PLUGIN_LOOP_H

#include <stdint.h>

struct event;
struct event_base;

/* The caller frees it with event_base_free(). NULL: no memory, no descriptors. Its timers go by the exact clock: by libevent's
 * usual one, which moves every 4 ms, a loop wakes up early and then waits in steps of a millisecond until that clock has come. */
struct event_base *mmr_loop_new(void);
/*
 * Idle processes are woken by their timers. Those that come back on full periods of the machine's monotonic clock come at the
 * same moment in all processes, and one wake-up serves many: mmr_loop_every() adds ev (without EV_PERSIST) for the next full
 * period, in its callback again. errors MMR_ENOMEM
 */
int mmr_loop_every(struct event *ev, int64_t period_ms);
/* When a timer of span_ns that is due at due_ns (monotonic) fires: never early, at most an eighth of span_ns late. */
int64_t mmr_loop_due(int64_t due_ns, int64_t span_ns);

#endif
