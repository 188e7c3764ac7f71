/* arena.c - see arena.h. Sizes come from rule texts whose length is bounded by the caller. */
#include <rules/arena.h>

#include <stdlib.h>
#include <string.h>

enum { BLOCK_BYTES = 256 * 1024 };

struct arena_block {
    struct arena_block *next;
    size_t used, cap;
    uint64_t reserved; /* keeps what follows aligned to 16 */
    uint8_t bytes[];
};

void *mmr_arena_take(struct arena *a, size_t len)
{
    size_t need = (len + 15) & ~(size_t)15;
    if (need < len)
        return NULL;
    if (!a->top || a->top->cap - a->top->used < need) {
        size_t cap = need > BLOCK_BYTES ? need : BLOCK_BYTES;
        struct arena_block *b = malloc(sizeof *b + cap);
        if (!b)
            return NULL;
        b->used = 0;
        b->cap = cap;
        b->next = a->top;
        a->top = b;
        a->bytes += cap;
    }
    void *p = a->top->bytes + a->top->used;
    a->top->used += need;
    memset(p, 0, need);
    return p;
}

void *mmr_arena_copy(struct arena *a, const void *p, size_t len)
{
    void *q = mmr_arena_take(a, len ? len : 1);
    if (q && len)
        memcpy(q, p, len);
    return q;
}

const char *mmr_arena_str(struct arena *a, const char *s, size_t len)
{
    char *q = mmr_arena_take(a, len + 1);
    if (q && len)
        memcpy(q, s, len);
    return q;
}

void mmr_arena_done(struct arena *a)
{
    while (a->top) {
        struct arena_block *b = a->top;
        a->top = b->next;
        free(b);
    }
    a->bytes = 0;
}

struct str_slot {
    const char *key;
    uint32_t len, value;
};

uint64_t mmr_rules_hash(const void *p, size_t len, uint64_t seed)
{
    const uint8_t *b = p;
    uint64_t h = 0xcbf29ce484222325u ^ seed; /* FNV-1a, then a finalizer: tables, not secrets */
    for (size_t i = 0; i < len; i++)
        h = (h ^ b[i]) * 0x100000001b3u;
    h ^= h >> 32;
    h *= 0x9e3779b97f4a7c15u;
    return h ^ h >> 29;
}

static struct str_slot *find(const struct str_map *m, const char *key, size_t len)
{
    uint32_t i = (uint32_t)mmr_rules_hash(key, len, 0) & (m->cap - 1);
    while (m->slot[i].key && (m->slot[i].len != len || memcmp(m->slot[i].key, key, len) != 0))
        i = (i + 1) & (m->cap - 1);
    return &m->slot[i];
}

static bool grow(struct str_map *m)
{
    struct str_map bigger = {.cap = m->cap ? m->cap * 2 : 64, .n = m->n};
    if (bigger.cap > 1u << 24)
        return false;
    bigger.slot = calloc(bigger.cap, sizeof *bigger.slot);
    if (!bigger.slot)
        return false;
    for (uint32_t i = 0; i < m->cap; i++)
        if (m->slot[i].key)
            *find(&bigger, m->slot[i].key, m->slot[i].len) = m->slot[i];
    free(m->slot);
    *m = bigger;
    return true;
}

uint32_t mmr_str_map_put(struct str_map *m, struct arena *a, const char *key, size_t len, uint32_t value)
{
    if ((m->n + 1) * 2 > m->cap && !grow(m))
        return 0;
    struct str_slot *s = find(m, key, len);
    if (s->key)
        return s->value;
    const char *copy = mmr_arena_str(a, key, len);
    if (!copy || len > UINT32_MAX)
        return 0;
    *s = (struct str_slot){copy, (uint32_t)len, value};
    m->n++;
    return value;
}

uint32_t mmr_str_map_get(const struct str_map *m, const char *key, size_t len)
{
    return m->cap ? find(m, key, len)->value : 0;
}

void mmr_str_map_done(struct str_map *m)
{
    free(m->slot);
    *m = (struct str_map){0};
}
