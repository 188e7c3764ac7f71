/*
 * duplicate.h - knows a packet again that a second capture point has seen too (a bridge and its member,
 * a mirror of two ports, captures of both ends). The same packet twice in one input is a retransmission
 * and no duplicate.
 */
#ifndef MMR_FLOW_DUPLICATE_H
#define MMR_FLOW_DUPLICATE_H

#include <mamori/net.h>

enum { DUP_SLOTS = 1 << 15, DUP_WAYS = 2 };
struct dup_slot {
    uint64_t hash;
    int64_t time_ns;
    uint64_t input; /* hash of its name; 0: free */
};
struct dup_memory {
    int64_t window_ns;
    struct dup_slot slots[DUP_SLOTS];
};
/* True if p was seen in another input within the window; otherwise it is remembered. */
bool dup_seen(struct dup_memory *m, const struct mmr_packet *p);

#endif
