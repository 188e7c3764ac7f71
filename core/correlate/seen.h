/*
 * seen.h - which records have been taken, by the hash of their content: the latest 131,072 at least, twice as many at most.
 * An exact set in two generations: the full one becomes the older, the older is forgotten. Single-threaded.
 */
#ifndef MMR_CORRELATE_SEEN_H
#define MMR_CORRELATE_SEEN_H

#include <stddef.h>
#include <stdint.h>

struct mmr_seen_generation {
    uint64_t *slots; /* 0: empty */
    uint32_t mask, n;
};
struct mmr_seen {
    struct mmr_seen_generation now, before;
};

/* 1: new, and kept; 0: known, and fresh again; MMR_ENOMEM. A zeroed struct mmr_seen is an empty set. */
int mmr_seen_put(struct mmr_seen *s, uint64_t content);
void mmr_seen_done(struct mmr_seen *s);
size_t mmr_seen_bytes(const struct mmr_seen *s);

#endif
