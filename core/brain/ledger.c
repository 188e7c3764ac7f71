/* ledger.c - a ring a lane, indexed by the hub's number. */
#include "brain/ledger.h"

#include <stdlib.h>

struct entry {
    uint64_t seq;
    uint32_t session, bytes;
    uint16_t slot;
};
struct lane {
    struct entry *ring;
    uint64_t first, next; /* hub numbers under way: first to next - 1 */
};
struct slot {
    uint32_t session;
    uint64_t last[MMR_LEDGER_LANES]; /* hub number of its newest record; 0: none of this session */
    uint64_t upto[MMR_LEDGER_LANES]; /* gathered during one mmr_ledger_acked() */
};
struct mmr_ledger {
    uint32_t n_slots, cap;
    size_t bytes;
    struct lane lane[MMR_LEDGER_LANES];
    struct slot slot[];
};

int mmr_ledger_new(uint32_t slots, uint32_t entries, struct mmr_ledger **ret, struct mmr_error *err)
{
    struct mmr_ledger *l = calloc(1, sizeof *l + slots * sizeof l->slot[0]);
    if (!l)
        return mmr_fail(err, MMR_ENOMEM, "ledger: out of memory for %u slots", slots);
    l->n_slots = slots;
    l->cap = entries;
    for (uint32_t i = 0; i < MMR_LEDGER_LANES; i++)
        if (!(l->lane[i].ring = calloc(entries, sizeof *l->lane[i].ring))) {
            mmr_ledger_free(l);
            return mmr_fail(err, MMR_ENOMEM, "ledger: out of memory for %u records", entries);
        }
    *ret = l;
    return 0;
}

void mmr_ledger_free(struct mmr_ledger *l)
{
    if (!l)
        return;
    for (uint32_t i = 0; i < MMR_LEDGER_LANES; i++)
        free(l->lane[i].ring);
    free(l);
}

void mmr_ledger_renew(struct mmr_ledger *l, uint32_t slot)
{
    l->slot[slot].session++;
    for (uint32_t i = 0; i < MMR_LEDGER_LANES; i++)
        l->slot[slot].last[i] = 0;
}

bool mmr_ledger_has_room(const struct mmr_ledger *l, uint32_t lane)
{
    return l->lane[lane].next - l->lane[lane].first < l->cap;
}

size_t mmr_ledger_bytes(const struct mmr_ledger *l)
{
    return l->bytes;
}

int mmr_ledger_sent(struct mmr_ledger *l, uint32_t lane, uint64_t hub_seq, uint32_t slot, uint64_t seq, size_t bytes)
{
    struct lane *n = &l->lane[lane];
    if (!mmr_ledger_has_room(l, lane))
        return MMR_EAGAIN;
    if (n->first == n->next)
        n->first = n->next = hub_seq;
    n->next = hub_seq + 1;
    struct entry *e = &n->ring[hub_seq % l->cap];
    *e = (struct entry){.seq = seq, .bytes = (uint32_t)bytes, .slot = (uint16_t)slot};
    l->bytes += bytes;
    if (slot < l->n_slots) {
        e->session = l->slot[slot].session;
        l->slot[slot].last[lane] = hub_seq;
    }
    return 0;
}

bool mmr_ledger_done(struct mmr_ledger *l, uint32_t lane, uint32_t slot, uint64_t seq)
{
    uint64_t last = l->slot[slot].last[lane];
    if (last < l->lane[lane].first || last >= l->lane[lane].next)
        return true;
    l->lane[lane].ring[last % l->cap].seq = seq; /* told together with the one before it */
    return false;
}

void mmr_ledger_acked(struct mmr_ledger *l, uint32_t lane, uint64_t hub_seq,
                      void (*each)(void *ctx, uint32_t slot, uint32_t lane, uint64_t seq), void *ctx)
{
    struct lane *n = &l->lane[lane];
    for (; n->first < n->next && n->first <= hub_seq; n->first++) {
        const struct entry *e = &n->ring[n->first % l->cap];
        l->bytes -= e->bytes;
        if (e->slot < l->n_slots && e->session == l->slot[e->slot].session)
            l->slot[e->slot].upto[lane] = e->seq;
    }
    for (uint32_t s = 0; s < l->n_slots; s++)
        if (l->slot[s].upto[lane]) {
            each(ctx, s, lane, l->slot[s].upto[lane]);
            l->slot[s].upto[lane] = 0;
        }
}
