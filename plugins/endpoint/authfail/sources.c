/* sources.c - eight-way buckets: bounded work for each look-up, and nobody can fill the table for long. */
#include "sources.h"

#include <stdlib.h>
#include <string.h>

enum { WAYS = 8 };

struct mmr_sources {
    uint32_t mask, reserved;
    uint64_t evicted;
    struct mmr_source *e;
};

int mmr_sources_new(uint32_t entries, struct mmr_sources **ret, struct mmr_error *err)
{
    uint32_t buckets = 1;
    while (buckets * WAYS < entries && buckets < 1u << 20)
        buckets *= 2;
    struct mmr_sources *s = calloc(1, sizeof *s);
    if (s)
        s->e = calloc((size_t)buckets * WAYS, sizeof *s->e);
    if (!s || !s->e) {
        free(s);
        return mmr_fail(err, MMR_ENOMEM, "authfail: no memory for %u sources", entries);
    }
    s->mask = buckets - 1;
    *ret = s;
    return 0;
}

void mmr_sources_free(struct mmr_sources *s)
{
    if (s)
        free(s->e);
    free(s);
}

struct mmr_source *mmr_sources_get(struct mmr_sources *s, uint64_t key, bool is_new)
{
    if (!key)
        key = 1;
    struct mmr_source *b = s->e + (size_t)((key ^ key >> 32) & s->mask) * WAYS, *oldest = b;
    for (int i = 0; i < WAYS; i++) {
        if (b[i].key == key)
            return &b[i];
        if (!b[i].key || (oldest->key && b[i].last_ns < oldest->last_ns))
            oldest = &b[i];
    }
    if (!is_new)
        return NULL;
    s->evicted += oldest->key != 0;
    memset(oldest, 0, sizeof *oldest);
    oldest->key = key;
    return oldest;
}

uint32_t mmr_source_fail(struct mmr_source *e, int64_t now_ns, int64_t window_ns, uint32_t user_hash)
{
    if (e->n && now_ns - e->last_ns > window_ns) { /* it paused: what comes is a new story */
        e->n = e->users = 0;
        e->is_told = e->is_let_in = false;
    }
    if (now_ns > e->last_ns || !e->n)
        e->last_ns = now_ns;
    e->time_ns[e->at] = now_ns;
    e->at = (e->at + 1) % MMR_SRC_TIMES_MAX;
    if (e->n < MMR_SRC_TIMES_MAX)
        e->n++;
    uint32_t i = 0;
    while (i < e->users && e->user[i] != user_hash)
        i++;
    if (user_hash && i == e->users && i < MMR_SRC_USERS_MAX)
        e->user[e->users++] = user_hash;
    uint32_t in_window = 0;
    for (i = 0; i < e->n; i++)
        in_window += e->last_ns - e->time_ns[i] <= window_ns && e->time_ns[i] - e->last_ns <= window_ns;
    return in_window;
}

uint64_t mmr_sources_evicted(const struct mmr_sources *s)
{
    return s->evicted;
}
