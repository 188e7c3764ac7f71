/* arena.c - blocks of 64 KiB, larger pieces in blocks of their own. */
#include "sigma/arena.h"

#include <stdint.h>
#include <stdlib.h>
#include <string.h>

enum { BLOCK = 64 * 1024, ALIGN = 16 };

struct mmr_sigma_block {
    struct mmr_sigma_block *prev;
    size_t used, cap;
    _Alignas(ALIGN) unsigned char data[];
};

static struct mmr_sigma_block *grow(struct mmr_sigma_arena *a, size_t cap)
{
    if (cap > a->max_bytes - a->used_bytes)
        return NULL;
    struct mmr_sigma_block *b = calloc(1, sizeof *b + cap);
    if (!b)
        return NULL;
    b->cap = cap;
    a->used_bytes += cap;
    return b;
}

void *mmr_sigma_alloc(struct mmr_sigma_arena *a, size_t n, size_t size)
{
    size_t want;
    if (__builtin_mul_overflow(n, size, &want) || want > SIZE_MAX - ALIGN)
        return NULL;
    want = (want + ALIGN - 1) & ~(size_t)(ALIGN - 1);
    struct mmr_sigma_block *b = a->last;
    if (!b || want > b->cap - b->used) {
        struct mmr_sigma_block *fresh = grow(a, want > BLOCK / 4 ? want : BLOCK);
        if (!fresh)
            return NULL;
        if (want > BLOCK / 4 && b) { /* keep filling the block we have */
            fresh->prev = b->prev;
            b->prev = fresh;
        } else {
            fresh->prev = b;
            a->last = fresh;
        }
        b = fresh;
    }
    void *p = b->data + b->used;
    b->used += want;
    return p;
}

char *mmr_sigma_strndup(struct mmr_sigma_arena *a, const char *p, size_t len)
{
    char *s = len < SIZE_MAX ? mmr_sigma_alloc(a, len + 1, 1) : NULL;
    if (s && len)
        memcpy(s, p, len);
    return s;
}

void mmr_sigma_arena_done(struct mmr_sigma_arena *a)
{
    while (a->last) {
        struct mmr_sigma_block *b = a->last;
        a->last = b->prev;
        free(b);
    }
    a->used_bytes = 0;
}
