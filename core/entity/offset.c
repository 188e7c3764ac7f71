/* offset.c - per source the last samples, and their median. Sources are few; samples are kept sorted. */
#include "entity/offset.h"

#include "util/clock.h"

#include <stdlib.h>
#include <string.h>

enum { SAMPLES = 63 }; /* odd: the median is a sample */

struct source {
    uint32_t n, next;
    int64_t ring[SAMPLES], sorted[SAMPLES];
    int64_t told; /* the estimate callers last acted upon */
};
struct mmr_offsets {
    struct mmr_table *table;
};

int mmr_offsets_new(uint32_t max_sources, struct mmr_offsets **ret, struct mmr_error *err)
{
    struct mmr_offsets *o = calloc(1, sizeof *o);
    if (!o)
        return mmr_fail(err, MMR_ENOMEM, "clock estimates: out of memory");
    int e = mmr_table_new(sizeof(struct source), max_sources, NULL, NULL, &o->table, err);
    if (e < 0) {
        free(o);
        return e;
    }
    *ret = o;
    return 0;
}

void mmr_offsets_free(struct mmr_offsets *o)
{
    if (!o)
        return;
    mmr_table_free(o->table);
    free(o);
}

static void replace(struct source *s, int64_t v)
{
    uint32_t at;
    if (s->n == SAMPLES) {
        int64_t old = s->ring[s->next];
        for (at = 0; s->sorted[at] != old; at++)
            ;
        memmove(&s->sorted[at], &s->sorted[at + 1], (SAMPLES - 1 - at) * sizeof v);
        s->n--;
    }
    s->ring[s->next] = v;
    s->next = (s->next + 1) % SAMPLES;
    for (at = s->n; at > 0 && s->sorted[at - 1] > v; at--)
        s->sorted[at] = s->sorted[at - 1];
    s->sorted[at] = v;
    s->n++;
}

static int64_t median(const struct source *s)
{
    return s->n ? s->sorted[(s->n - 1) / 2] : 0;
}

bool mmr_offsets_sample(struct mmr_offsets *o, struct mmr_key source, int64_t network_minus_endpoint_ns)
{
    bool is_new;
    struct source *s = mmr_table_put(o->table, source, &is_new);
    if (!s)
        return false;
    replace(s, network_minus_endpoint_ns);
    int64_t m = median(s), moved = m > s->told ? m - s->told : s->told - m;
    if (moved <= MMR_NS_PER_S)
        return false;
    s->told = m;
    return true;
}

int64_t mmr_offsets_get(const struct mmr_offsets *o, struct mmr_key source)
{
    const struct source *s = mmr_table_find(o->table, source);
    return s ? median(s) : 0;
}

int64_t mmr_offsets_error(const struct mmr_offsets *o, struct mmr_key source)
{
    const struct source *s = mmr_table_find(o->table, source);
    return s && s->n ? s->sorted[(s->n - 1) * 3 / 4] - s->sorted[(s->n - 1) / 4] : 0;
}

