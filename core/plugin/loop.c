/* loop.c - the event loop as every process makes it. */
#include "plugin/loop.h"

#include "util/clock.h"

#include <mamori/error.h>

#include <event2/event.h>

#include <stddef.h>

struct event_base *mmr_loop_new(void)
{
    struct event_config *c = event_config_new();
    struct event_base *base = c && event_config_set_flag(c, EVENT_BASE_FLAG_PRECISE_TIMER) == 0 ? event_base_new_with_config(c) : NULL;
    if (c)
        event_config_free(c);
    return base;
}

int mmr_loop_every(struct event *ev, int64_t period_ms)
{
    const int64_t period = period_ms * MMR_NS_PER_MS;
    int64_t left = (period - mmr_clock_mono_ns() % period + 999) / 1000; /* microseconds */
    const struct timeval tv = {.tv_sec = left / 1000000, .tv_usec = left % 1000000};
    return event_add(ev, &tv) == 0 ? MMR_OK : MMR_ENOMEM;
}

int64_t mmr_loop_due(int64_t due_ns, int64_t span_ns)
{
    /* each divides the next, so that a slow timer falls on a moment a fast one may use as well */
    static const int64_t grid_ms[] = {1000, 500, 100, 50};
    for (size_t i = 0; i < sizeof grid_ms / sizeof grid_ms[0]; i++) {
        int64_t grid = grid_ms[i] * MMR_NS_PER_MS, up = (grid - due_ns % grid) % grid;
        if (grid <= span_ns / 8)
            return due_ns > INT64_MAX - up ? due_ns : due_ns + up;
    }
    return due_ns;
}
