/* due.c - a binary heap; ties go by id, so that equal input gives equal order. */
#include "brain/due.h"

#include <stdlib.h>

void mmr_due_done(struct mmr_due *d)
{
    free(d->heap);
    *d = (struct mmr_due){0};
}

static bool before(const struct mmr_due_item *a, const struct mmr_due_item *b)
{
    return a->at_ns != b->at_ns ? a->at_ns < b->at_ns : a->id < b->id;
}

static void sink(struct mmr_due *d, uint32_t at)
{
    for (;;) {
        uint32_t kid = at * 2 + 1;
        if (kid >= d->n)
            return;
        if (kid + 1 < d->n && before(&d->heap[kid + 1], &d->heap[kid]))
            kid++;
        if (!before(&d->heap[kid], &d->heap[at]))
            return;
        struct mmr_due_item t = d->heap[at];
        d->heap[at] = d->heap[kid];
        d->heap[kid] = t;
        at = kid;
    }
}

int mmr_due_put(struct mmr_due *d, int64_t at_ns, uint64_t id, struct mmr_error *err)
{
    if (d->n == d->cap) {
        uint32_t cap = d->cap ? d->cap * 2 : 64;
        struct mmr_due_item *h = realloc(d->heap, cap * sizeof *h);
        if (!h)
            return mmr_fail(err, MMR_ENOMEM, "timers of incidents: out of memory for %u", cap);
        d->heap = h;
        d->cap = cap;
    }
    uint32_t at = d->n++;
    d->heap[at] = (struct mmr_due_item){at_ns, id};
    while (at > 0 && before(&d->heap[at], &d->heap[(at - 1) / 2])) {
        struct mmr_due_item t = d->heap[at];
        d->heap[at] = d->heap[(at - 1) / 2];
        d->heap[(at - 1) / 2] = t;
        at = (at - 1) / 2;
    }
    return 0;
}

bool mmr_due_take(struct mmr_due *d, int64_t now_ns, uint64_t *ret_id)
{
    if (d->n == 0 || d->heap[0].at_ns > now_ns)
        return false;
    *ret_id = d->heap[0].id;
    d->heap[0] = d->heap[--d->n];
    sink(d, 0);
    return true;
}

int64_t mmr_due_next(const struct mmr_due *d)
{
    return d->n ? d->heap[0].at_ns : INT64_MAX;
}
