/* host_pending.c - actions that wait for their receipt, receipts that wait for the bus. */
#include "plugin/host_pending.h"

#include "plugin/order.h"

#include <mamori/event.h>

#include <stdlib.h>
#include <string.h>

struct waiting {
    uint64_t id;
    int64_t deadline_ns;
    uint32_t instance;
    bool is_used;
};
struct kept {
    struct kept *next;
    uint64_t id;
    uint32_t instance;
    size_t len;
    uint8_t bytes[];
};
struct mmr_pending {
    struct waiting actions[MMR_PENDING_MAX];
    struct kept *first, **last;
    size_t n_kept;
};

struct mmr_pending *mmr_pending_new(void)
{
    struct mmr_pending *p = calloc(1, sizeof *p);
    if (p)
        p->last = &p->first;
    return p;
}

void mmr_pending_free(struct mmr_pending *p)
{
    if (!p)
        return;
    while (p->first) {
        struct kept *k = p->first;
        p->first = k->next;
        free(k);
    }
    free(p);
}

static struct waiting *find(struct mmr_pending *p, uint32_t instance, uint64_t id)
{
    for (size_t i = 0; i < MMR_PENDING_MAX; i++)
        if (p->actions[i].is_used && p->actions[i].id == id && p->actions[i].instance == instance)
            return &p->actions[i];
    return NULL;
}

int mmr_pending_add(struct mmr_pending *p, uint32_t instance, uint64_t id, int64_t deadline_ns)
{
    struct waiting *w = find(p, instance, id);
    for (size_t i = 0; !w && i < MMR_PENDING_MAX; i++)
        if (!p->actions[i].is_used)
            w = &p->actions[i];
    if (!w)
        return MMR_ETOOBIG;
    *w = (struct waiting){.id = id, .deadline_ns = deadline_ns, .instance = instance, .is_used = true};
    return 0;
}

bool mmr_pending_done(struct mmr_pending *p, uint32_t instance, uint64_t id)
{
    struct waiting *w = find(p, instance, id);
    if (w)
        w->is_used = false;
    return w != NULL;
}

void mmr_pending_expire(struct mmr_pending *p, int64_t now_ns,
                        void (*late)(void *ctx, uint32_t instance, uint64_t id), void *ctx)
{
    for (size_t i = 0; i < MMR_PENDING_MAX; i++) {
        struct waiting *w = &p->actions[i];
        if (!w->is_used || w->deadline_ns > now_ns)
            continue;
        w->is_used = false;
        late(ctx, w->instance, w->id);
    }
}

int mmr_pending_send(struct mmr_pending *p, struct mmr_local_client *client, uint32_t instance, uint64_t id, int code,
                     const void *msgpack, size_t len)
{
    if (len > MMR_EVENT_BYTES_MAX || p->n_kept >= MMR_PENDING_MAX)
        return MMR_ETOOBIG;
    struct kept *k = malloc(sizeof *k + MMR_RECEIPT_HEAD + len);
    if (!k)
        return MMR_ENOMEM;
    *k = (struct kept){.id = id, .instance = instance};
    int r = mmr_receipt_wrap(code, msgpack, len, k->bytes, MMR_RECEIPT_HEAD + len, &k->len);
    if (r) {
        free(k);
        return r;
    }
    *p->last = k;
    p->last = &k->next;
    p->n_kept++;
    r = mmr_pending_flush(p, client);
    return r == MMR_EAGAIN ? 0 : r;
}

int mmr_pending_flush(struct mmr_pending *p, struct mmr_local_client *client)
{
    while (p->first) {
        struct kept *k = p->first;
        int r = mmr_local_send(client, k->instance, MMR_LOCAL_RECEIPT, MMR_LANE_URGENT, k->id, k->bytes, k->len);
        if (r == MMR_EAGAIN)
            return r;
        /* another error says that this receipt can never be sent; keeping it would hold up the rest */
        p->first = k->next;
        if (!p->first)
            p->last = &p->first;
        p->n_kept--;
        free(k);
        if (r)
            return r;
    }
    return 0;
}
