/*
 * seats.h - machines without an agent of ours that send their logs: when each was last heard of, as the listener says
 * (kind seat.state). Nothing is known of them once the listener itself is silent.
 */
#ifndef MMR_BRAIN_SEATS_H
#define MMR_BRAIN_SEATS_H

#include <mamori/event.h>

enum { MMR_SEATS_MAX = 1024, MMR_SEATS_STALE_S = 180 }; /* the listener speaks of each once a minute */

struct mmr_seat_row {
    char name[64], tool[64]; /* tool: what sends there, as the configuration lists it; "": it counts for nothing */
    char state[12];          /* up, silent, off, unheard */
    int64_t told_ns, heard_ns; /* when the listener said so; when the machine was last heard, 0: not yet */
};
struct mmr_seats {
    uint32_t n, reserved;
    struct mmr_seat_row row[MMR_SEATS_MAX];
};

/* A seat.state event. Several listeners may hear one machine: "up" of one is up. False: no such event, or no room. */
bool mmr_seats_take(struct mmr_seats *s, const struct mmr_event_view *v, int64_t now_ns);
/* "up", "silent", "off", "unheard", or "unknown" when the listener has not spoken of it lately. */
const char *mmr_seats_state(const struct mmr_seat_row *r, int64_t now_ns);

#endif
