/* clock.c - the machine's clocks, and time as text. */
#include "util/clock.h"

#include <stdatomic.h>
#include <stdio.h>
#include <time.h>

static int64_t read_clock(clockid_t id)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) != 0)
        return 0;
    return (int64_t)ts.tv_sec * MMR_NS_PER_S + ts.tv_nsec;
}

static atomic_int_fast64_t ahead; /* the process's own, as its clocks are */

void mmr_clock_simulate(int64_t ahead_ns)
{
    atomic_store(&ahead, ahead_ns);
}

int64_t mmr_clock_wall_ns(void)
{
    return read_clock(CLOCK_REALTIME) + atomic_load_explicit(&ahead, memory_order_relaxed);
}

int64_t mmr_clock_boot_ns(void)
{
    return read_clock(CLOCK_BOOTTIME) + atomic_load_explicit(&ahead, memory_order_relaxed);
}

int64_t mmr_clock_mono_ns(void)
{
    return read_clock(CLOCK_MONOTONIC);
}

void mmr_time_format(int64_t ns, char *buf, size_t cap)
{
    int64_t s = ns / MMR_NS_PER_S, frac = ns % MMR_NS_PER_S;
    if (frac < 0) {
        frac += MMR_NS_PER_S;
        s--;
    }
    time_t t = (time_t)s;
    struct tm tm;
    if (!gmtime_r(&t, &tm)) {
        (void)snprintf(buf, cap, "1970-01-01T00:00:00.000Z");
        return;
    }
    (void)snprintf(buf, cap, "%04d-%02d-%02dT%02d:%02d:%02d.%03dZ", tm.tm_year + 1900, tm.tm_mon + 1,
                   tm.tm_mday, tm.tm_hour, tm.tm_min, tm.tm_sec, (int)(frac / MMR_NS_PER_MS));
}
