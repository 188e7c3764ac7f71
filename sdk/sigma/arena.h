/* arena.h - memory that lives as long as one rule set: many small pieces, freed in one call. */
#ifndef MMR_SIGMA_ARENA_H
#define MMR_SIGMA_ARENA_H

#include <stddef.h>

struct mmr_sigma_arena {
    struct mmr_sigma_block *last;
    size_t used_bytes, max_bytes; /* reaching max_bytes fails like a lack of memory */
};

/* Zeroed, aligned for any type; NULL when out of memory or over the limit. */
void *mmr_sigma_alloc(struct mmr_sigma_arena *a, size_t n, size_t size);
/* A NUL-terminated copy; NULL when out of memory. */
char *mmr_sigma_strndup(struct mmr_sigma_arena *a, const char *p, size_t len);
void mmr_sigma_arena_done(struct mmr_sigma_arena *a);

#endif
