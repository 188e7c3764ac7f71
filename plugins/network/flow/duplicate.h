/*
 * duplicate.h - knows a packet again that a second capture point has seen too (a bridge and its member,
 * a mirror of two ports, captures of both ends). The same packet twice in one input is a retransmission
 * and no duplicate.
 */
#ifndef MMR_FLOW_DUPLICATE_H
#define MMR_FLOW_DUPLICATE_H

#include <mamori/net.h>

enum { DUP_SLOTS = 1 << 15, DUP_WAYS = 2, DUP_RECENT = 256, DUP_NAME = 64 };
struct dup_slot {
    uint64_t hash;
    int64_t time_ns;
    uint64_t input; /* hash of its name; 0: free */
};
struct dup_memory {
    int64_t window_ns;
    char name[DUP_NAME]; /* of the input that came last, and its hash; long names are hashed each time */
    uint64_t input;
    /* While there is one input only, the last packets are kept in a row; with the second they go to the slots. Most sensors have one,
     * and a miss of the cache for each packet is not for nothing. */
    uint64_t first_input; /* 0: no packet yet */
    bool is_several;
    uint32_t n_recent;
    struct dup_recent {
        uint64_t hash;
        int64_t time_ns;
    } recent[DUP_RECENT];
    struct dup_slot slots[DUP_SLOTS];
};
/* True if p was seen in another input within the window; otherwise it is remembered. */
bool dup_seen(struct dup_memory *m, const struct mmr_packet *p);

#endif
