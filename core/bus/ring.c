/* ring.c - single producer, single consumer. Sequentially consistent where sleep and push must see each other. */
#include "bus/ring.h"

#include <errno.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

int mmr_ring_init(struct mmr_ring *r, size_t cap, struct mmr_error *err)
{
    size_t n = 2;
    while (n < cap)
        n *= 2;
    *r = (struct mmr_ring){.mask = n - 1, .fd = -1};
    r->slots = calloc(n, sizeof *r->slots);
    if (!r->slots)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory for a ring of %zu", n);
    r->fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (r->fd < 0) {
        int saved = errno;
        mmr_ring_done(r);
        return mmr_fail(err, MMR_EIO, "bus: eventfd: %s", strerror(saved));
    }
    return 0;
}

void mmr_ring_done(struct mmr_ring *r)
{
    free(r->slots);
    r->slots = NULL;
    if (r->fd >= 0)
        (void)close(r->fd);
    r->fd = -1;
}

bool mmr_ring_push(struct mmr_ring *r, void *p)
{
    size_t tail = atomic_load_explicit(&r->tail, memory_order_relaxed);
    if (tail - atomic_load_explicit(&r->head, memory_order_acquire) > r->mask)
        return false;
    r->slots[tail & r->mask] = p;
    atomic_store(&r->tail, tail + 1); /* ordered against `asleep`, see mmr_ring_sleep */
    return true;
}

void *mmr_ring_pop(struct mmr_ring *r)
{
    size_t head = atomic_load_explicit(&r->head, memory_order_relaxed);
    if (head == atomic_load_explicit(&r->tail, memory_order_acquire))
        return NULL;
    void *p = r->slots[head & r->mask];
    atomic_store_explicit(&r->head, head + 1, memory_order_release);
    return p;
}

bool mmr_ring_is_empty(const struct mmr_ring *r)
{
    return atomic_load(&r->head) == atomic_load(&r->tail);
}

void mmr_ring_signal(struct mmr_ring *r)
{
    uint64_t one = 1;
    /* EAGAIN: the counter is full, so the descriptor is readable anyway */
    (void)!write(r->fd, &one, sizeof one);
}

void mmr_ring_wake(struct mmr_ring *r)
{
    if (atomic_load(&r->asleep) && atomic_exchange(&r->asleep, 0))
        mmr_ring_signal(r);
}

bool mmr_ring_sleep(struct mmr_ring *r)
{
    atomic_store(&r->asleep, 1);
    if (mmr_ring_is_empty(r))
        return true;
    atomic_store(&r->asleep, 0);
    return false;
}

void mmr_ring_awake(struct mmr_ring *r)
{
    uint64_t n;
    atomic_store(&r->asleep, 0);
    (void)!read(r->fd, &n, sizeof n);
}
