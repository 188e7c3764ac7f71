/* memory.c - a hash map with a ceiling and eviction of the entry unused longest. */
#include "memory.h"

#include <mamori/error.h>

#include <stdlib.h>
#include <string.h>

struct memory_entry {
    struct memory_entry *next, *older, *newer;
    uint32_t hash, pad;
    struct memory_key key;
    max_align_t value[];
};

int memory_init(struct memory *m, uint32_t max, uint32_t value_bytes)
{
    uint32_t buckets = 64;
    while (buckets < max)
        buckets *= 2;
    memset(m, 0, sizeof *m);
    m->buckets = calloc(buckets, sizeof *m->buckets);
    m->mask = buckets - 1;
    m->max = max;
    m->value_bytes = value_bytes;
    return m->buckets ? MMR_OK : MMR_ENOMEM;
}

void memory_done(struct memory *m)
{
    for (struct memory_entry *e = m->oldest, *next; e; e = next) {
        next = e->newer;
        free(e);
    }
    free(m->buckets);
    memset(m, 0, sizeof *m);
}

static uint32_t hash(const struct memory_key *k)
{
    uint64_t h = 0x9e3779b97f4a7c15U, v;
    for (unsigned i = 0; i < MEMORY_KEY_BYTES; i += 8) {
        memcpy(&v, k->b + i, 8);
        h = (h ^ v) * 0x9fb21c651e98df25U;
        h ^= h >> 32;
    }
    return (uint32_t)h;
}

static void unlink_age(struct memory *m, struct memory_entry *e)
{
    if (e->older)
        e->older->newer = e->newer;
    else
        m->oldest = e->newer;
    if (e->newer)
        e->newer->older = e->older;
    else
        m->youngest = e->older;
}

static void link_age(struct memory *m, struct memory_entry *e)
{
    e->newer = NULL;
    e->older = m->youngest;
    if (e->older)
        e->older->newer = e;
    else
        m->oldest = e;
    m->youngest = e;
}

void *memory_find(struct memory *m, const struct memory_key *k)
{
    uint32_t h = hash(k);
    for (struct memory_entry *e = m->buckets[h & m->mask]; e; e = e->next)
        if (e->hash == h && memcmp(&e->key, k, sizeof *k) == 0) {
            unlink_age(m, e);
            link_age(m, e);
            return e->value;
        }
    return NULL;
}

void *memory_get(struct memory *m, const struct memory_key *k)
{
    struct memory_entry *e;
    void *v = memory_find(m, k);
    if (v)
        return v;
    if (m->n < m->max) {
        e = malloc(sizeof *e + m->value_bytes);
        if (!e)
            return NULL;
        m->n++;
    } else {
        e = m->oldest;
        for (struct memory_entry **at = &m->buckets[e->hash & m->mask]; *at; at = &(*at)->next)
            if (*at == e) {
                *at = e->next;
                break;
            }
        unlink_age(m, e);
        m->n_evicted++;
    }
    e->hash = hash(k);
    e->key = *k;
    memset(e->value, 0, m->value_bytes);
    e->next = m->buckets[e->hash & m->mask];
    m->buckets[e->hash & m->mask] = e;
    link_age(m, e);
    return e->value;
}

struct memory_key memory_key(const struct mmr_addr *a, const struct mmr_addr *b, uint64_t extra)
{
    struct memory_key k;
    memset(&k, 0, sizeof k);
    if (a)
        memcpy(k.b, a->b, 16);
    if (b)
        memcpy(k.b + 16, b->b, 16);
    memcpy(k.b + 32, &extra, 8);
    return k;
}
