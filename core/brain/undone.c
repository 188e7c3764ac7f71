/* undone.c - a list that never grows past its room: some orders are never answered, and a hub runs for months. */
#include "brain/undone.h"

#include <string.h>

static void drop(struct mmr_undone *u, uint32_t at)
{
    memmove(&u->id[at], &u->id[at + 1], (u->n - at - 1) * sizeof u->id[0]);
    u->n--;
}

bool mmr_undone_take(struct mmr_undone *u, uint64_t id)
{
    for (uint32_t k = 0; k < u->n; k++)
        if (u->id[k] == id) {
            drop(u, k);
            return true;
        }
    return false;
}

void mmr_undone_put(struct mmr_undone *u, uint64_t id)
{
    (void)mmr_undone_take(u, id); /* the newest order counts */
    if (u->n == MMR_UNDONE_MAX)
        drop(u, 0);
    u->id[u->n++] = id;
}
