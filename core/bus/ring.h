/*
 * ring.h - a bounded queue of pointers from one thread to one other, and the eventfd that wakes the reader.
 *
 * One producer thread, one consumer thread. The eventfd is written only when the consumer said that it is
 * going to sleep, so a busy pair makes no system calls.
 */
#ifndef MMR_BUS_RING_H
#define MMR_BUS_RING_H

#include <mamori/error.h>

#include <stdatomic.h>
#include <stdbool.h>
#include <stddef.h>

struct mmr_ring {
    void **slots;
    size_t mask;
    int fd; /* readable when the consumer was woken */
    char pad0[64 - sizeof(void *) - sizeof(size_t) - sizeof(int)]; /* head and tail on lines of their own */
    _Atomic size_t head;  /* next to pop; written by the consumer */
    char pad1[64 - sizeof(size_t)];
    _Atomic size_t tail;  /* next to push; written by the producer */
    char pad2[64 - sizeof(size_t)];
    _Atomic int asleep;   /* 1: the consumer wants the eventfd written */
};

/* cap: rounded up to a power of two. errors MMR_ENOMEM, MMR_EIO. End with mmr_ring_done(). */
int mmr_ring_init(struct mmr_ring *r, size_t cap, struct mmr_error *err);
void mmr_ring_done(struct mmr_ring *r); /* what is still inside is the caller's to pop first */

bool mmr_ring_push(struct mmr_ring *r, void *p); /* [producer] false: full. Does not wake. */
void *mmr_ring_pop(struct mmr_ring *r);          /* [consumer] NULL: empty */
bool mmr_ring_is_empty(const struct mmr_ring *r); /* [any] */

void mmr_ring_wake(struct mmr_ring *r); /* [any] wake the consumer if it sleeps */
/* [consumer] Announce sleep; false: something came meanwhile (and sleep is off again), do not sleep. */
bool mmr_ring_sleep(struct mmr_ring *r);
void mmr_ring_awake(struct mmr_ring *r);  /* [consumer] woken: swallow the eventfd */
void mmr_ring_signal(struct mmr_ring *r); /* [consumer] make the eventfd readable: there is more to do */

#endif
