/* undone.h - orders to take a block back whose answer is awaited: "applied" from them means that the block is gone. */
#ifndef MMR_BRAIN_UNDONE_H
#define MMR_BRAIN_UNDONE_H

#include <stdbool.h>
#include <stdint.h>

enum { MMR_UNDONE_MAX = 4096 }; /* as many as may live on one responder (MMR_RECONCILE_MAX) */
struct mmr_undone {
    uint64_t id[MMR_UNDONE_MAX]; /* oldest first */
    uint32_t n;
};

/* An undo was ordered; asked again for the same action it is one. Past the ceiling the oldest goes: it will hardly be answered. */
void mmr_undone_put(struct mmr_undone *u, uint64_t id);
/* Its responder did it: was that ordered? It is forgotten. */
bool mmr_undone_take(struct mmr_undone *u, uint64_t id);

#endif
