/* sample_event.h - the event that the benches of the bus and of the link send: a connection with its process, some 320 bytes. */
#ifndef MMR_BENCH_SAMPLE_EVENT_H
#define MMR_BENCH_SAMPLE_EVENT_H

#include "util/clock.h"

#include <mamori/event.h>

#include <stdlib.h>

/* Into buf; its length. Ends the program where there is no room: that is our own mistake. */
static inline size_t sample_event(uint8_t *buf, size_t cap)
{
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, cap, "conn.open", MMR_CLASS_NETWORK, 1, mmr_clock_wall_ns(), 1);
    mmr_event_str(&ev, "src_endpoint.ip", "192.0.2.17");
    mmr_event_int(&ev, "src_endpoint.port", 49152);
    mmr_event_str(&ev, "dst_endpoint.ip", "198.51.100.6");
    mmr_event_int(&ev, "dst_endpoint.port", 443);
    mmr_event_str(&ev, "connection_info.protocol_name", "tcp");
    mmr_event_int(&ev, "process.pid", 4711);
    mmr_event_str(&ev, "process.name", "curl");
    mmr_event_str(&ev, "process.file.path", "/usr/bin/curl");
    mmr_event_str(&ev, "user.name", "office");
    mmr_event_str(&ev, "device.hostname", "pc1");
    if (mmr_event_end(&ev) != 0)
        abort();
    return ev.len;
}

#endif
