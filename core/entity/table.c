/* table.c - open addressing with linear probing over an index; items live in chunks and never move. A slot keeps a part of
 * its key's hash: probing and closing gaps read the index alone, and only a likely match is looked up. */
#include "entity/table.h"

#include <stdlib.h>
#include <string.h>

enum { CHUNK = 256, NONE = 0xffffffff };

struct head { /* before each item */
    struct mmr_key key;
    uint32_t prev, next; /* by use: prev is newer */
};
struct slot {
    uint32_t item; /* its number + 1; 0: empty */
    uint32_t hash; /* the low half of key.a: says where it wants to be */
};
struct mmr_table {
    size_t stride, item_bytes;
    uint32_t cap, count, made, mask;
    uint32_t newest, oldest, free_list;
    uint64_t evicted;
    struct slot *slots;
    char **chunks;
    uint32_t n_chunks;
    mmr_table_evict_fn evict;
    void *ctx;
};

static struct head *head_at(const struct mmr_table *t, uint32_t i)
{
    char *p = t->chunks[i / CHUNK] + (size_t)(i % CHUNK) * t->stride;
    return (struct head *)(void *)p;
}

static void *item_of(struct head *h)
{
    return h + 1;
}

int mmr_table_new(size_t item_bytes, uint32_t cap, mmr_table_evict_fn evict, void *ctx, struct mmr_table **ret,
                  struct mmr_error *err)
{
    struct mmr_table *t = calloc(1, sizeof *t);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "table: out of memory");
    t->item_bytes = item_bytes;
    t->stride = (sizeof(struct head) + item_bytes + 15) / 16 * 16;
    t->cap = cap ? cap : 1;
    t->evict = evict;
    t->ctx = ctx;
    t->newest = t->oldest = t->free_list = NONE;
    t->mask = 255;
    t->slots = calloc((size_t)t->mask + 1, sizeof *t->slots);
    t->n_chunks = (t->cap + CHUNK - 1) / CHUNK;
    t->chunks = calloc(t->n_chunks, sizeof *t->chunks);
    if (!t->slots || !t->chunks) {
        mmr_table_free(t);
        return mmr_fail(err, MMR_ENOMEM, "table: out of memory for %u items", t->cap);
    }
    *ret = t;
    return 0;
}

void mmr_table_free(struct mmr_table *t)
{
    if (!t)
        return;
    if (t->evict && t->chunks)
        for (uint32_t i = t->oldest; i != NONE; i = head_at(t, i)->prev)
            t->evict(t->ctx, item_of(head_at(t, i)));
    for (uint32_t i = 0; t->chunks && i < t->n_chunks; i++)
        free(t->chunks[i]);
    free(t->chunks);
    free(t->slots);
    free(t);
}

static bool key_equal(struct mmr_key x, struct mmr_key y)
{
    return x.a == y.a && x.b == y.b;
}

/* The slot that holds the key, or the empty one where it would go. */
static uint32_t slot_of(const struct mmr_table *t, struct mmr_key key)
{
    const uint32_t hash = (uint32_t)key.a;
    uint32_t s = hash & t->mask;
    while (t->slots[s].item && !(t->slots[s].hash == hash && key_equal(head_at(t, t->slots[s].item - 1)->key, key)))
        s = (s + 1) & t->mask;
    return s;
}

static void unlink_item(struct mmr_table *t, uint32_t i)
{
    struct head *h = head_at(t, i);
    if (h->prev == NONE)
        t->newest = h->next;
    else
        head_at(t, h->prev)->next = h->next;
    if (h->next == NONE)
        t->oldest = h->prev;
    else
        head_at(t, h->next)->prev = h->prev;
}

static void link_newest(struct mmr_table *t, uint32_t i)
{
    struct head *h = head_at(t, i);
    h->prev = NONE;
    h->next = t->newest;
    if (t->newest != NONE)
        head_at(t, t->newest)->prev = i;
    t->newest = i;
    if (t->oldest == NONE)
        t->oldest = i;
}

static void remove_at(struct mmr_table *t, uint32_t s)
{
    uint32_t i = t->slots[s].item - 1;
    if (t->evict)
        t->evict(t->ctx, item_of(head_at(t, i)));
    unlink_item(t, i);
    head_at(t, i)->next = t->free_list;
    t->free_list = i;
    t->count--;
    /* close the gap: whoever probed past this slot moves back */
    uint32_t hole = s;
    for (uint32_t k = (s + 1) & t->mask; t->slots[k].item; k = (k + 1) & t->mask) {
        uint32_t home = t->slots[k].hash & t->mask;
        if (((k - home) & t->mask) >= ((k - hole) & t->mask)) {
            t->slots[hole] = t->slots[k];
            hole = k;
        }
    }
    t->slots[hole] = (struct slot){0};
}

static bool grow(struct mmr_table *t)
{
    uint32_t mask = t->mask * 2 + 1, old = t->mask;
    struct slot *slots = calloc((size_t)mask + 1, sizeof *slots), *was = t->slots;
    if (!slots)
        return false;
    t->slots = slots;
    t->mask = mask;
    for (uint32_t s = 0; s <= old; s++)
        if (was[s].item) {
            uint32_t k = was[s].hash & mask;
            while (slots[k].item)
                k = (k + 1) & mask;
            slots[k] = was[s];
        }
    free(was);
    return true;
}

static uint32_t take_item(struct mmr_table *t)
{
    if (t->free_list != NONE) {
        uint32_t i = t->free_list;
        t->free_list = head_at(t, i)->next;
        return i;
    }
    uint32_t i = t->made;
    if (!t->chunks[i / CHUNK]) {
        t->chunks[i / CHUNK] = malloc(CHUNK * t->stride);
        if (!t->chunks[i / CHUNK])
            return NONE;
    }
    t->made++;
    return i;
}

void *mmr_table_find(const struct mmr_table *t, struct mmr_key key)
{
    uint32_t s = slot_of(t, key);
    return t->slots[s].item ? item_of(head_at(t, t->slots[s].item - 1)) : NULL;
}

void *mmr_table_put(struct mmr_table *t, struct mmr_key key, bool *ret_is_new)
{
    uint32_t s = slot_of(t, key);
    *ret_is_new = t->slots[s].item == 0;
    if (t->slots[s].item) {
        uint32_t i = t->slots[s].item - 1;
        if (t->newest != i) {
            unlink_item(t, i);
            link_newest(t, i);
        }
        return item_of(head_at(t, i));
    }
    if (t->count == t->cap) {
        t->evicted++;
        remove_at(t, slot_of(t, head_at(t, t->oldest)->key));
    }
    if ((uint64_t)(t->count + 1) * 2 > t->mask && !grow(t))
        return NULL;
    uint32_t i = take_item(t);
    if (i == NONE)
        return NULL;
    struct head *h = head_at(t, i);
    memset(h, 0, t->stride);
    h->key = key;
    t->slots[slot_of(t, key)] = (struct slot){i + 1, (uint32_t)key.a}; /* room may have moved it */
    t->count++;
    link_newest(t, i);
    return item_of(h);
}

void mmr_table_drop(struct mmr_table *t, struct mmr_key key)
{
    uint32_t s = slot_of(t, key);
    if (t->slots[s].item)
        remove_at(t, s);
}

uint32_t mmr_table_count(const struct mmr_table *t)
{
    return t->count;
}

uint64_t mmr_table_evicted(const struct mmr_table *t)
{
    return t->evicted;
}

size_t mmr_table_bytes(const struct mmr_table *t)
{
    uint32_t chunks = (t->made + CHUNK - 1) / CHUNK;
    return sizeof *t + ((size_t)t->mask + 1) * sizeof *t->slots + t->n_chunks * sizeof *t->chunks +
           (size_t)chunks * CHUNK * t->stride;
}
