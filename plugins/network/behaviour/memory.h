/* memory.h - a hash map from a short key to a fixed-size value, with a ceiling: the entry unused longest gives way. */
#ifndef MMR_BEHAVIOUR_MEMORY_H
#define MMR_BEHAVIOUR_MEMORY_H

#include <mamori/net.h>

enum { MEMORY_KEY_BYTES = 48 };
struct memory_key {
    uint8_t b[MEMORY_KEY_BYTES];
};
struct memory_entry;
struct memory {
    struct memory_entry **buckets, *oldest, *youngest;
    uint32_t mask, n, max;
    uint32_t value_bytes;
    uint64_t n_evicted;
};
/* errors MMR_ENOMEM; the value's bytes start as zero */
int memory_init(struct memory *m, uint32_t max, uint32_t value_bytes);
void memory_done(struct memory *m);
void *memory_find(struct memory *m, const struct memory_key *k); /* NULL: not there */
void *memory_get(struct memory *m, const struct memory_key *k);  /* made when absent; NULL: no memory */
/* A key of up to two addresses and a number. */
struct memory_key memory_key(const struct mmr_addr *a, const struct mmr_addr *b, uint64_t extra);

#endif
