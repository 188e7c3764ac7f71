/* wait.c - what an instance waits for: timers (one heap for all, real or virtual), descriptors and wakes
 * (libevent; in virtual time descriptors are not served). */
#include "plugin/loop.h"
#include "plugin/runtime_internal.h"

#include "util/clock.h"
#include "util/id.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <unistd.h>

enum { TIMER_BATCH = 256 }; /* timers fired before the loop turns to descriptors again */
#define GAP_NS (6 * 3600 * MMR_NS_PER_S) /* longer silence in recorded data is crossed, not lived through */

static int64_t timer_clock(const struct mmr_runtime *rt)
{
    return rt->opts.base ? mmr_clock_mono_ns() : rt->now_ns;
}

int64_t mmr_rt_now_ns(void *impl, int clock)
{
    const struct mmr_rt_instance *in = impl;
    if (!in->rt->opts.base)
        return in->rt->now_ns;
    return clock == MMR_CLOCK_MONOTONIC ? mmr_clock_mono_ns() : mmr_clock_wall_ns();
}

/* ---- the heap ---- */

static bool is_before(const struct mmr_rt_timer *a, const struct mmr_rt_timer *b)
{
    if (a->due_ns != b->due_ns)
        return a->due_ns < b->due_ns;
    return a->instance != b->instance ? a->instance < b->instance : a->order < b->order;
}

static void place(struct mmr_runtime *rt, struct mmr_rt_timer *t, size_t at)
{
    rt->heap[at] = t;
    t->heap_at = (uint32_t)at;
}

static void sift(struct mmr_runtime *rt, size_t at)
{
    struct mmr_rt_timer *t = rt->heap[at];
    while (at > 0 && is_before(t, rt->heap[(at - 1) / 2])) {
        place(rt, rt->heap[(at - 1) / 2], at);
        at = (at - 1) / 2;
    }
    for (;;) {
        size_t child = 2 * at + 1;
        if (child >= rt->n_timers)
            break;
        if (child + 1 < rt->n_timers && is_before(rt->heap[child + 1], rt->heap[child]))
            child++;
        if (!is_before(rt->heap[child], t))
            break;
        place(rt, rt->heap[child], at);
        at = child;
    }
    place(rt, t, at);
}

static struct mmr_rt_timer **bucket_of(struct mmr_runtime *rt, uint32_t instance, uint64_t cookie)
{
    uint64_t key[2] = {instance, cookie};
    return &rt->buckets[mmr_hash64(key, sizeof key, 0) % TIMER_BUCKETS];
}

static void remove_timer(struct mmr_runtime *rt, struct mmr_rt_timer *t)
{
    struct mmr_rt_timer **link = bucket_of(rt, t->instance, t->cookie);
    size_t at = t->heap_at;
    while (*link != t)
        link = &(*link)->next;
    *link = t->next;
    struct mmr_rt_timer *last = rt->heap[--rt->n_timers];
    if (last != t) {
        place(rt, last, at);
        sift(rt, at);
    }
    free(t);
}

static void arm(struct mmr_runtime *rt)
{
    if (!rt->timer_ev)
        return;
    if (rt->n_timers == 0) {
        (void)event_del(rt->timer_ev);
        return;
    }
    int64_t left = rt->heap[0]->due_ns - timer_clock(rt);
    if (left < 0)
        left = 0;
    left = (left + 999) / 1000; /* microseconds, rounded up: never early */
    struct timeval tv = {.tv_sec = (time_t)(left / 1000000), .tv_usec = (suseconds_t)(left % 1000000)};
    (void)evtimer_add(rt->timer_ev, &tv);
}

int mmr_rt_set_timer(void *impl, int64_t msec, uint64_t cookie)
{
    struct mmr_rt_instance *in = impl;
    struct mmr_runtime *rt = in->rt;
    if (!mmr_rt_on_loop(in, "set_timer"))
        return MMR_EINVAL;
    struct mmr_rt_timer **bucket = bucket_of(rt, in->index, cookie), *t = *bucket;
    while (t && (t->instance != in->index || t->cookie != cookie))
        t = t->next;
    if (msec < 0) {
        if (t)
            remove_timer(rt, t);
        return 0;
    }
    if (!in->plugin->on_timer)
        return MMR_EINVAL;
    if (msec == 0 && !rt->opts.base)
        msec = 1; /* virtual time stands still inside a callback: "at once, again" would never end */
    int64_t span, due = timer_clock(rt);
    if (__builtin_mul_overflow(msec, MMR_NS_PER_MS, &span) || __builtin_add_overflow(due, span, &due))
        due = INT64_MAX - 1;
    else if (rt->opts.base)
        due = mmr_loop_due(due, span);
    if (!t) {
        if (rt->n_timers == MMR_RUNTIME_TIMERS_MAX)
            return MMR_ETOOBIG;
        if (rt->n_timers == rt->cap_timers) {
            size_t cap = rt->cap_timers ? 2 * rt->cap_timers : 64;
            struct mmr_rt_timer **heap = reallocarray(rt->heap, cap, sizeof(struct mmr_rt_timer *));
            if (!heap)
                return MMR_ENOMEM;
            rt->heap = heap;
            rt->cap_timers = cap;
        }
        t = calloc(1, sizeof *t);
        if (!t)
            return MMR_ENOMEM;
        t->instance = in->index;
        t->cookie = cookie;
        t->next = *bucket;
        *bucket = t;
        place(rt, t, rt->n_timers++);
    }
    t->due_ns = due;
    t->order = rt->timer_order++;
    sift(rt, t->heap_at);
    arm(rt);
    return 0;
}

static void fire_first(struct mmr_runtime *rt)
{
    struct mmr_rt_timer *t = rt->heap[0];
    struct mmr_rt_instance *in = rt->inst[t->instance];
    uint64_t cookie = t->cookie;
    remove_timer(rt, t);
    struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_TIMER);
    in->plugin->on_timer(in->self, cookie);
    mmr_rt_leave(rt, was);
}

static void on_timer_ev(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_runtime *rt = ctx;
    (void)fd;
    (void)what;
    int64_t now = timer_clock(rt);
    uint64_t order = rt->timer_order; /* what is set from here on waits for the next turn */
    for (int i = 0; i < TIMER_BATCH && rt->n_timers; i++) {
        if (rt->heap[0]->due_ns > now || rt->heap[0]->order >= order)
            break;
        fire_first(rt);
    }
    arm(rt);
}

/* ---- virtual time ---- */

int64_t mmr_runtime_now_ns(const struct mmr_runtime *rt)
{
    return rt->opts.base ? mmr_clock_wall_ns() : rt->now_ns;
}

int64_t mmr_runtime_next_timer(const struct mmr_runtime *rt)
{
    return rt->n_timers ? rt->heap[0]->due_ns : INT64_MAX;
}

void mmr_runtime_begin(struct mmr_runtime *rt, int64_t t_ns)
{
    if (rt->opts.base || rt->has_begun)
        return;
    rt->has_begun = true;
    for (size_t i = 0; i < rt->n_timers; i++) /* the same shift for all keeps the heap's order */
        if (__builtin_add_overflow(rt->heap[i]->due_ns, t_ns - rt->now_ns, &rt->heap[i]->due_ns))
            rt->heap[i]->due_ns = INT64_MAX - 1;
    rt->now_ns = t_ns;
}

static void fire_until(struct mmr_runtime *rt, int64_t until_ns)
{
    while (rt->n_timers && rt->heap[0]->due_ns <= until_ns) {
        if (rt->heap[0]->due_ns > rt->now_ns)
            rt->now_ns = rt->heap[0]->due_ns;
        fire_first(rt);
    }
}

void mmr_runtime_advance(struct mmr_runtime *rt, int64_t t_ns)
{
    if (rt->opts.base)
        return;
    mmr_rt_deliver_wakes(rt);
    if (t_ns <= rt->now_ns) {
        fire_until(rt, rt->now_ns);
        return;
    }
    int64_t gap;
    if (!__builtin_sub_overflow(t_ns, rt->now_ns, &gap) && gap > GAP_NS) {
        fire_until(rt, rt->now_ns + GAP_NS);
        rt->now_ns = t_ns; /* as a machine that wakes up: what is overdue fires once, now */
    }
    fire_until(rt, t_ns);
    rt->now_ns = t_ns;
}

/* ---- descriptors ---- */

static void on_fd_ev(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_rt_watch *w = ctx;
    struct mmr_rt_instance *in = w->in;
    unsigned rw = ((what & EV_READ) ? MMR_FD_READ : 0u) | ((what & EV_WRITE) ? MMR_FD_WRITE : 0u);
    struct mmr_rt_was was = mmr_rt_enter(in->rt, in, MMR_DOING_FD);
    in->plugin->on_fd(in->self, (int)fd, rw, w->cookie);
    mmr_rt_leave(in->rt, was);
}

static void free_watch(struct mmr_rt_watch *w)
{
    if (w->ev)
        event_free(w->ev); /* deletes it first */
    w->ev = NULL;
    w->in = NULL;
}

/* The slot of this descriptor, or a free one, or a new one; NULL: no room. */
static struct mmr_rt_watch *watch_slot(struct mmr_runtime *rt, const struct mmr_rt_instance *in, int fd)
{
    struct mmr_rt_watch *unused = NULL;
    for (size_t i = 0; i < rt->n_watches; i++) {
        if (rt->watches[i]->in == in && rt->watches[i]->fd == fd)
            return rt->watches[i];
        if (!rt->watches[i]->in)
            unused = rt->watches[i];
    }
    if (unused || rt->n_watches == MMR_RUNTIME_WATCHES_MAX)
        return unused;
    if (rt->n_watches == rt->cap_watches) {
        size_t cap = rt->cap_watches ? 2 * rt->cap_watches : 16;
        struct mmr_rt_watch **w = reallocarray(rt->watches, cap, sizeof(struct mmr_rt_watch *));
        if (!w)
            return NULL;
        rt->watches = w;
        rt->cap_watches = cap;
    }
    unused = calloc(1, sizeof *unused);
    if (unused)
        rt->watches[rt->n_watches++] = unused;
    return unused;
}

int mmr_rt_watch_fd(void *impl, int fd, unsigned rw, uint64_t cookie)
{
    struct mmr_rt_instance *in = impl;
    struct mmr_runtime *rt = in->rt;
    if (!mmr_rt_on_loop(in, "watch_fd") || fd < 0 || !in->plugin->on_fd)
        return MMR_EINVAL;
    if (!rt->opts.base)
        return 0; /* recorded time waits for nothing outside */
    struct mmr_rt_watch *w = watch_slot(rt, in, fd);
    if (!w)
        return rw ? MMR_ETOOBIG : 0;
    free_watch(w);
    if (!rw)
        return 0;
    short what = (short)(((rw & MMR_FD_READ) ? EV_READ : 0) | ((rw & MMR_FD_WRITE) ? EV_WRITE : 0) | EV_PERSIST);
    w->ev = event_new(rt->opts.base, fd, what, on_fd_ev, w);
    if (!w->ev || event_add(w->ev, NULL) != 0) {
        free_watch(w);
        return MMR_EIO; /* a regular file, or a closed descriptor: epoll takes neither */
    }
    w->in = in;
    w->fd = fd;
    w->cookie = cookie;
    return 0;
}

/* ---- wakes ---- */

void mmr_rt_wake(void *impl)
{
    struct mmr_rt_instance *in = impl;
    uint64_t one = 1;
    atomic_store(&in->is_woken, true);
    (void)!write(in->rt->wake_fd, &one, sizeof one); /* fails only when it is signalled already */
}

void mmr_rt_deliver_wakes(struct mmr_runtime *rt)
{
    uint64_t v;
    if (read(rt->wake_fd, &v, sizeof v) < 0)
        return;
    for (uint32_t i = 0; i < rt->n; i++) {
        struct mmr_rt_instance *in = rt->inst[i];
        if (!atomic_exchange(&in->is_woken, false) || !in->self || !in->plugin->on_wake)
            continue;
        struct mmr_rt_was was = mmr_rt_enter(rt, in, MMR_DOING_WAKE);
        in->plugin->on_wake(in->self);
        mmr_rt_leave(rt, was);
    }
}

static void on_wake_ev(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    mmr_rt_deliver_wakes(ctx);
}

void mmr_runtime_writable(struct mmr_runtime *rt)
{
    for (uint32_t i = 0; i < rt->n; i++)
        if (rt->inst[i]->is_busy) {
            rt->inst[i]->is_busy = false;
            mmr_rt_wake(rt->inst[i]);
        }
}

/* ---- life ---- */

int mmr_rt_wait_init(struct mmr_runtime *rt, struct mmr_error *err)
{
    rt->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (rt->wake_fd < 0)
        return mmr_fail(err, MMR_EIO, "plugin runtime: eventfd: %s", strerror(errno));
    if (!rt->opts.base)
        return 0;
    rt->timer_ev = evtimer_new(rt->opts.base, on_timer_ev, rt);
    rt->wake_ev = event_new(rt->opts.base, rt->wake_fd, EV_READ | EV_PERSIST, on_wake_ev, rt);
    if (!rt->timer_ev || !rt->wake_ev || event_add(rt->wake_ev, NULL) != 0)
        return mmr_fail(err, MMR_ENOMEM, "plugin runtime: no event");
    return 0;
}

void mmr_rt_wait_forget(struct mmr_rt_instance *in)
{
    struct mmr_runtime *rt = in->rt;
    for (size_t i = 0; i < rt->n_timers;) {
        if (rt->heap[i]->instance == in->index) {
            remove_timer(rt, rt->heap[i]);
            i = 0; /* the heap was rearranged */
        } else {
            i++;
        }
    }
    for (size_t i = 0; i < rt->n_watches; i++)
        if (rt->watches[i]->in == in)
            free_watch(rt->watches[i]);
}

void mmr_rt_wait_done(struct mmr_runtime *rt)
{
    while (rt->n_timers)
        remove_timer(rt, rt->heap[rt->n_timers - 1]);
    for (size_t i = 0; i < rt->n_watches; i++) {
        free_watch(rt->watches[i]);
        free(rt->watches[i]);
    }
    free(rt->watches);
    free(rt->heap);
    if (rt->timer_ev)
        event_free(rt->timer_ev);
    if (rt->wake_ev)
        event_free(rt->wake_ev);
    if (rt->wake_fd >= 0)
        (void)close(rt->wake_fd);
}
