/*
 * table.h - a bounded hash table of fixed-size items with least-recently-used eviction, counted. Items
 * never move. Identity is a 128-bit hash of kind and value, so that no key text is stored.
 */
#ifndef MMR_ENTITY_TABLE_H
#define MMR_ENTITY_TABLE_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_key {
    uint64_t a, b;
};

struct mmr_table;
/* Called before an item is dropped to make room. */
typedef void (*mmr_table_evict_fn)(void *ctx, void *item);

/* cap: most items kept (at least 1). ret: mmr_table_free() */
int mmr_table_new(size_t item_bytes, uint32_t cap, mmr_table_evict_fn evict, void *ctx,
                  struct mmr_table **ret, struct mmr_error *err);
void mmr_table_free(struct mmr_table *t); /* calls evict for each item; accepts NULL */

void *mmr_table_find(const struct mmr_table *t, struct mmr_key key); /* or NULL; does not count as use */
/* Find or make (zeroed); it becomes the newest. NULL: no memory. */
void *mmr_table_put(struct mmr_table *t, struct mmr_key key, bool *ret_is_new);
void mmr_table_drop(struct mmr_table *t, struct mmr_key key); /* calls evict */
uint32_t mmr_table_count(const struct mmr_table *t);
uint64_t mmr_table_evicted(const struct mmr_table *t);
size_t mmr_table_bytes(const struct mmr_table *t);

#endif
