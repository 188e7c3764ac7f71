/* seen.c - open addressing over bare hashes: a look costs one cache line a generation. */
#include "correlate/seen.h"

#include <mamori/error.h>

#include <stdbool.h>
#include <stdlib.h>

enum { FIRST = 256, GENERATION = 1 << 17 };

static uint64_t *slot_of(const struct mmr_seen_generation *g, uint64_t hash)
{
    uint32_t s = (uint32_t)hash & g->mask;
    while (g->slots[s] && g->slots[s] != hash)
        s = (s + 1) & g->mask;
    return &g->slots[s];
}

static bool has(const struct mmr_seen_generation *g, uint64_t hash)
{
    return g->slots && *slot_of(g, hash);
}

/* Room for one more at a fill of a half. */
static bool grow(struct mmr_seen_generation *g)
{
    const uint32_t slots = g->slots ? (g->mask + 1) * 2 : FIRST;
    struct mmr_seen_generation wide = {.slots = calloc(slots, sizeof *wide.slots), .mask = slots - 1, .n = g->n};
    if (!wide.slots)
        return false;
    for (uint32_t k = 0; g->slots && k <= g->mask; k++)
        if (g->slots[k])
            *slot_of(&wide, g->slots[k]) = g->slots[k];
    free(g->slots);
    *g = wide;
    return true;
}

int mmr_seen_put(struct mmr_seen *s, uint64_t content)
{
    const uint64_t hash = content ? content : 1;
    if (has(&s->now, hash))
        return 0;
    const bool is_known = has(&s->before, hash);
    if (s->now.n == GENERATION) {
        free(s->before.slots);
        s->before = s->now;
        s->now = (struct mmr_seen_generation){0};
    }
    if ((!s->now.slots || (s->now.n + 1) * 2 > s->now.mask) && !grow(&s->now))
        return is_known ? 0 : MMR_ENOMEM;
    *slot_of(&s->now, hash) = hash;
    s->now.n++;
    return !is_known;
}

void mmr_seen_done(struct mmr_seen *s)
{
    free(s->now.slots);
    free(s->before.slots);
    *s = (struct mmr_seen){0};
}

size_t mmr_seen_bytes(const struct mmr_seen *s)
{
    return ((s->now.slots ? (size_t)s->now.mask + 1 : 0) + (s->before.slots ? (size_t)s->before.mask + 1 : 0)) * sizeof *s->now.slots;
}
