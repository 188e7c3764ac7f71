/* arena.h - memory that lives as long as a rule set, and a map of texts to numbers inside it. */
#ifndef MMR_RULES_ARENA_H
#define MMR_RULES_ARENA_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct arena {
    struct arena_block *top;
    size_t bytes; /* taken from the system */
};
void *mmr_arena_take(struct arena *a, size_t len); /* zeroed, 16-byte aligned; NULL: no memory */
void *mmr_arena_copy(struct arena *a, const void *p, size_t len);
const char *mmr_arena_str(struct arena *a, const char *s, size_t len); /* NUL-terminated copy */
void mmr_arena_done(struct arena *a);

struct str_map { /* open addressing; keys live in the arena */
    struct str_slot *slot;
    uint32_t cap, n;
};
/* The number stored under the key; if absent, value is stored. 0 is "no memory". value must not be 0. */
uint32_t mmr_str_map_put(struct str_map *m, struct arena *a, const char *key, size_t len, uint32_t value);
uint32_t mmr_str_map_get(const struct str_map *m, const char *key, size_t len); /* 0: absent */
void mmr_str_map_done(struct str_map *m);
uint64_t mmr_rules_hash(const void *p, size_t len, uint64_t seed);

#endif
