/* pipeline_recorded.c - the end of recorded input, and the beginning after a restart. */
#include "brain/pipeline_internal.h"

#include <stdlib.h>
#include <string.h>

struct all {
    struct mmr_incident **list;
    size_t n, cap;
    bool is_failed;
};

static bool collect(void *ctx, struct mmr_incident *i)
{
    struct all *a = ctx;
    if (a->n == a->cap) {
        size_t cap = a->cap ? a->cap * 2 : 64;
        struct mmr_incident **p = realloc(a->list, cap * sizeof(struct mmr_incident *));
        if (!p) {
            a->is_failed = true;
            return false;
        }
        a->list = p;
        a->cap = cap;
    }
    a->list[a->n++] = i;
    return true;
}

static int oldest_first(const void *x, const void *y)
{
    struct mmr_incident *a, *b;
    memcpy(&a, x, sizeof a);
    memcpy(&b, y, sizeof b);
    if (a->first_ns != b->first_ns)
        return a->first_ns < b->first_ns ? -1 : 1;
    return a->id < b->id ? -1 : a->id > b->id;
}

int mmr_pipeline_finish(struct mmr_pipeline *p, struct mmr_error *err)
{
    struct all a = {0};
    int e = 0;
    mmr_pipeline_protect_infra(p);
    mmr_tracker_each(p->tracker, collect, &a);
    if (a.is_failed)
        e = mmr_fail(err, MMR_ENOMEM, "replay: out of memory for %zu incidents", a.n);
    for (size_t k = 0; e == 0 && k < a.n; k++)
        e = mmr_tracker_view(p->tracker, a.list[k], err);
    if (e == 0 && a.n)
        qsort(a.list, a.n, sizeof(struct mmr_incident *), oldest_first);
    for (size_t k = 0; e == 0 && k < a.n; k++)
        mmr_pipeline_step(p, a.list[k], a.list[k]->last_ns);
    free(a.list);
    return e;
}

int mmr_pipeline_restore(struct mmr_pipeline *p, struct mmr_incident *i, int64_t now_ns, struct mmr_error *err)
{
    uint64_t id = i->id;
    int e = mmr_tracker_restore(p->tracker, i, err);
    struct mmr_incident *open = mmr_tracker_get(p->tracker, id);
    if (e < 0 || !open)
        return e;
    for (uint32_t k = 0; k < open->n_actions; k++) {
        const struct mmr_action_rec *a = &open->actions[k];
        bool is_first;
        if (a->state >= MMR_STATE_ORDERED && a->state <= MMR_STATE_EFFECTIVE)
            (void)mmr_leases_hold(p->leases, a, open->id, now_ns, &is_first, NULL);
    }
    struct told *t = mmr_pipeline_told(p, open->id);
    if (t)
        t->digest = mmr_pipeline_digest(open);
    mmr_pipeline_schedule(p, open, now_ns);
    return 0;
}
