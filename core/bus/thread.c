/* thread.c - the bus thread: polls every socket and its own eventfd, sleeps when there is nothing to do. */
#include "bus/part.h"

#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <poll.h>
#include <pthread.h>
#include <semaphore.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>

enum { OP_ATTACH = 1, OP_DETACH = 2 }; /* of messages without a part's op: op is 0, a says which */

struct mmr_bus {
    void *zmq;
    struct mmr_ring to_bus, to_loop;
    _Atomic size_t inbound; /* bytes in to_loop */
    _Atomic int stop, poke, blocked, notice; /* blocked: the bus thread waits for room in to_loop */
    pthread_t thread;
    bool has_thread, is_draining;
    struct mmr_bus_part *parts[MMR_BUS_PARTS_MAX]; /* [bus] */
    size_t n_parts;
    struct mmr_bus_part *loop_parts[MMR_BUS_PARTS_MAX]; /* [loop] */
    size_t n_loop_parts;
    struct mmr_bus_msg *backlog, **backlog_end; /* [loop] set aside by a detach */
    zmq_pollitem_t items[1 + MMR_BUS_PARTS_MAX * MMR_BUS_PART_POLL_MAX];
};

struct mmr_bus_msg *mmr_bus_msg_new(struct mmr_bus_part *p, uint32_t op, size_t len)
{
    struct mmr_bus_msg *m = malloc(sizeof *m + len);
    if (!m)
        return NULL;
    m->next = NULL;
    m->part = p;
    m->op = op;
    m->slot = m->tag = 0;
    m->a = m->b = 0;
    m->p = NULL;
    m->has_frame = false;
    m->len = len;
    return m;
}

void mmr_bus_msg_free(struct mmr_bus_msg *m)
{
    if (m && m->has_frame)
        (void)zmq_msg_close(&m->frame);
    free(m);
}

void *mmr_bus_context(struct mmr_bus *bus)
{
    return bus->zmq;
}

void mmr_bus_wake(struct mmr_bus *bus)
{
    atomic_store(&bus->poke, 1); /* seen by a bus thread that is just about to sleep */
    mmr_ring_wake(&bus->to_bus);
}

bool mmr_bus_post(struct mmr_bus_msg *m)
{
    struct mmr_bus *bus = m->part->bus;
    bool is_in = mmr_ring_push(&bus->to_bus, m);
    if (!is_in)
        mmr_bus_msg_free(m);
    mmr_ring_wake(&bus->to_bus);
    return is_in;
}

bool mmr_bus_has_room(struct mmr_bus *bus)
{
    size_t used = atomic_load(&bus->to_loop.tail) - atomic_load(&bus->to_loop.head);
    if (used < MMR_BUS_RING / 4 * 3 && atomic_load(&bus->inbound) < MMR_BUS_INBOUND_MAX)
        return true;
    atomic_store(&bus->blocked, 1);
    /* the loop may have emptied it just before it could see the flag */
    used = atomic_load(&bus->to_loop.tail) - atomic_load(&bus->to_loop.head);
    return used < MMR_BUS_RING / 4 * 3 && atomic_load(&bus->inbound) < MMR_BUS_INBOUND_MAX;
}

static size_t msg_weight(struct mmr_bus_msg *m)
{
    return sizeof *m + m->len + (m->has_frame ? zmq_msg_size(&m->frame) : 0);
}

bool mmr_bus_deliver(struct mmr_bus_msg *m)
{
    struct mmr_bus *bus = m->part->bus;
    size_t weight = msg_weight(m);
    atomic_fetch_add(&bus->inbound, weight);
    if (!mmr_ring_push(&bus->to_loop, m)) {
        atomic_fetch_sub(&bus->inbound, weight);
        mmr_bus_msg_free(m);
        return false;
    }
    mmr_ring_wake(&bus->to_loop);
    return true;
}

void mmr_bus_notice(struct mmr_bus *bus)
{
    if (atomic_exchange(&bus->notice, 1) == 0)
        mmr_ring_wake(&bus->to_loop);
}

/* ---- the thread ---- */

static void own_command(struct mmr_bus *bus, struct mmr_bus_msg *m)
{
    if (m->a == OP_ATTACH) {
        if (bus->n_parts < MMR_BUS_PARTS_MAX) /* attach counted them already */
            bus->parts[bus->n_parts++] = m->part;
    } else {
        for (size_t i = 0; i < bus->n_parts; i++)
            if (bus->parts[i] == m->part) {
                bus->parts[i] = bus->parts[--bus->n_parts];
                break;
            }
        m->part->ops->close(m->part);
        (void)sem_post(m->p);
    }
    mmr_bus_msg_free(m);
}

static void *run(void *arg)
{
    struct mmr_bus *bus = arg;
    size_t counts[MMR_BUS_PARTS_MAX] = {0};

    (void)pthread_setname_np(pthread_self(), "mamori-bus");
    while (!atomic_load(&bus->stop)) {
        struct mmr_bus_msg *m;
        atomic_store(&bus->poke, 0);
        for (unsigned i = 0; i < 4096 && (m = mmr_ring_pop(&bus->to_bus)); i++) {
            if (m->op == 0)
                own_command(bus, m);
            else
                m->part->ops->command(m->part, m);
        }
        int64_t now = mmr_clock_mono_ns(), deadline = INT64_MAX;
        for (size_t i = 0; i < bus->n_parts; i++) {
            int64_t at = bus->parts[i]->ops->tick(bus->parts[i], now);
            deadline = at < deadline ? at : deadline;
        }
        size_t n = 1;
        bus->items[0] = (zmq_pollitem_t){.fd = bus->to_bus.fd, .events = ZMQ_POLLIN};
        for (size_t i = 0; i < bus->n_parts; i++)
            n += counts[i] = bus->parts[i]->ops->poll(bus->parts[i], bus->items + n);
        long timeout_ms = -1;
        if (deadline != INT64_MAX) { /* rounded up: never woken just before it */
            int64_t wait = deadline - mmr_clock_mono_ns();
            timeout_ms = wait <= 0 ? 0 : (long)((wait + MMR_NS_PER_MS - 1) / MMR_NS_PER_MS);
        }
        if (!mmr_ring_sleep(&bus->to_bus) || atomic_load(&bus->poke))
            timeout_ms = 0;
        int r = zmq_poll(bus->items, (int)n, timeout_ms);
        mmr_ring_awake(&bus->to_bus);
        if (r < 0) {
            if (errno == EINTR)
                continue;
            mmr_log(MMR_LOG_ERR, "bus.poll", "error=\"%s\"", zmq_strerror(errno));
            break; /* ETERM or a bad socket: nothing can be served any more */
        }
        now = mmr_clock_mono_ns();
        n = 1;
        for (size_t i = 0; i < bus->n_parts; i++) {
            bus->parts[i]->ops->ready(bus->parts[i], bus->items + n, counts[i], now);
            n += counts[i];
        }
    }
    return NULL;
}

/* ---- the loop's side ---- */

int mmr_bus_new(struct mmr_bus **ret_bus, struct mmr_error *err)
{
    sigset_t all, old;
    struct mmr_bus *bus = calloc(1, sizeof *bus);
    if (!bus)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory");
    bus->to_bus.fd = bus->to_loop.fd = -1;
    bus->backlog_end = &bus->backlog;
    int r = mmr_ring_init(&bus->to_bus, MMR_BUS_RING, err);
    if (r == 0)
        r = mmr_ring_init(&bus->to_loop, MMR_BUS_RING, err);
    if (r == 0 && !(bus->zmq = zmq_ctx_new()))
        r = mmr_fail(err, MMR_EIO, "bus: zmq context: %s", zmq_strerror(errno));
    if (r == 0) {
        atomic_store(&bus->to_loop.asleep, 1);
        (void)zmq_ctx_set(bus->zmq, ZMQ_BLOCKY, 0);
        (void)sigfillset(&all); /* signals belong to the loop thread */
        (void)pthread_sigmask(SIG_SETMASK, &all, &old);
        int e = pthread_create(&bus->thread, NULL, run, bus);
        (void)pthread_sigmask(SIG_SETMASK, &old, NULL);
        bus->has_thread = e == 0;
        if (e)
            r = mmr_fail(err, MMR_EIO, "bus: thread: %s", strerror(e));
    }
    if (r) {
        mmr_bus_free(bus);
        return r;
    }
    *ret_bus = bus;
    return 0;
}

void mmr_bus_free(struct mmr_bus *bus)
{
    struct mmr_bus_msg *m;
    if (!bus)
        return;
    if (bus->has_thread) {
        atomic_store(&bus->stop, 1);
        mmr_ring_signal(&bus->to_bus);
        (void)pthread_join(bus->thread, NULL);
    }
    for (size_t i = 0; i < bus->n_parts; i++) /* not freed before: at least no socket stays open */
        bus->parts[i]->ops->close(bus->parts[i]);
    while (bus->to_bus.slots && (m = mmr_ring_pop(&bus->to_bus)))
        mmr_bus_msg_free(m);
    while (bus->to_loop.slots && (m = mmr_ring_pop(&bus->to_loop)))
        mmr_bus_msg_free(m);
    while ((m = bus->backlog)) {
        bus->backlog = m->next;
        mmr_bus_msg_free(m);
    }
    if (bus->zmq)
        (void)zmq_ctx_term(bus->zmq);
    mmr_ring_done(&bus->to_bus);
    mmr_ring_done(&bus->to_loop);
    free(bus);
}

int mmr_bus_attach(struct mmr_bus *bus, struct mmr_bus_part *p, struct mmr_error *err)
{
    p->bus = bus;
    struct mmr_bus_msg *m = mmr_bus_msg_new(p, 0, 0);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory");
    if (bus->n_loop_parts == MMR_BUS_PARTS_MAX) {
        mmr_bus_msg_free(m);
        return mmr_fail(err, MMR_ETOOBIG, "bus: more than %d servers and clients in one process", MMR_BUS_PARTS_MAX);
    }
    m->a = OP_ATTACH;
    if (!mmr_bus_post(m))
        return mmr_fail(err, MMR_EAGAIN, "bus: the ring to the bus thread is full");
    bus->loop_parts[bus->n_loop_parts++] = p;
    return 0;
}

void mmr_bus_detach(struct mmr_bus_part *p)
{
    struct mmr_bus *bus = p->bus;
    struct mmr_bus_msg *m, **at;
    sem_t done;
    (void)sem_init(&done, 0, 0);
    /* this message must not fail: wait for room (the bus thread empties its ring without the loop's help) */
    for (;;) {
        m = mmr_bus_msg_new(p, 0, 0);
        if (m) {
            m->a = OP_DETACH;
            m->p = &done;
            if (mmr_bus_post(m))
                break;
        }
        (void)poll(NULL, 0, 1);
    }
    while (sem_wait(&done) != 0)
        ; /* EINTR */
    (void)sem_destroy(&done);
    for (size_t i = 0; i < bus->n_loop_parts; i++)
        if (bus->loop_parts[i] == p) {
            bus->loop_parts[i] = bus->loop_parts[--bus->n_loop_parts];
            break;
        }
    while ((m = mmr_ring_pop(&bus->to_loop))) { /* what is for others waits its turn aside */
        atomic_fetch_sub(&bus->inbound, msg_weight(m));
        m->next = NULL;
        *bus->backlog_end = m;
        bus->backlog_end = &m->next;
    }
    for (at = &bus->backlog; (m = *at);) {
        if (m->part == p) {
            *at = m->next;
            mmr_bus_msg_free(m);
        } else {
            at = &m->next;
        }
    }
    bus->backlog_end = at;
    if (bus->backlog)
        mmr_ring_signal(&bus->to_loop);
}

int mmr_bus_fd(const struct mmr_bus *bus)
{
    return bus->to_loop.fd;
}

static struct mmr_bus_msg *next_message(struct mmr_bus *bus)
{
    struct mmr_bus_msg *m = bus->backlog;
    if (m) {
        bus->backlog = m->next;
        if (!bus->backlog)
            bus->backlog_end = &bus->backlog;
        return m;
    }
    m = mmr_ring_pop(&bus->to_loop);
    if (m)
        atomic_fetch_sub(&bus->inbound, msg_weight(m));
    return m;
}

size_t mmr_bus_drain(struct mmr_bus *bus)
{
    size_t n = 0;
    int64_t until = 0;
    if (bus->is_draining)
        return 0;
    bus->is_draining = true;
    mmr_ring_awake(&bus->to_loop);
    for (;;) {
        if (atomic_exchange(&bus->notice, 0))
            for (size_t i = 0; i < bus->n_loop_parts; i++)
                bus->loop_parts[i]->ops->turn(bus->loop_parts[i]);
        struct mmr_bus_msg *m = next_message(bus);
        if (m) {
            m->part->ops->deliver(m->part, m);
            mmr_bus_msg_free(m);
            n++;
            int64_t now = mmr_clock_mono_ns();
            if (until == 0)
                until = now + MMR_BUS_DRAIN_MS * MMR_NS_PER_MS;
            if (n >= MMR_BUS_DRAIN_MAX || now >= until) {
                mmr_ring_signal(&bus->to_loop); /* the rest after the loop has served its timers */
                break;
            }
            continue;
        }
        if (mmr_ring_sleep(&bus->to_loop)) {
            if (!atomic_load(&bus->notice))
                break;
            mmr_ring_awake(&bus->to_loop);
        }
    }
    if (atomic_exchange(&bus->blocked, 0))
        mmr_bus_wake(bus);
    bus->is_draining = false;
    return n;
}

size_t mmr_bus_wait(struct mmr_bus *bus, int timeout_ms)
{
    struct pollfd p = {.fd = bus->to_loop.fd, .events = POLLIN};
    (void)poll(&p, 1, timeout_ms);
    return mmr_bus_drain(bus);
}

void *mmr_bus_socket(struct mmr_bus *bus, int type, struct mmr_error *err)
{
    const struct { int option, value; } rows[] = {
        {ZMQ_LINGER, 0}, {ZMQ_SNDHWM, 64}, {ZMQ_RCVHWM, 256}, {ZMQ_HANDSHAKE_IVL, 5000},
        {ZMQ_IMMEDIATE, 1}};
    void *s = zmq_socket(bus->zmq, type);
    if (!s) {
        (void)mmr_fail(err, MMR_EIO, "bus: socket: %s", zmq_strerror(errno));
        return NULL;
    }
    int64_t max = MMR_FRAME_MAX + 1024;
    int r = zmq_setsockopt(s, ZMQ_MAXMSGSIZE, &max, sizeof max);
    for (size_t i = 0; r == 0 && i < sizeof rows / sizeof rows[0]; i++)
        r = zmq_setsockopt(s, rows[i].option, &rows[i].value, sizeof rows[i].value);
    if (r) {
        (void)mmr_fail(err, MMR_EIO, "bus: socket option: %s", zmq_strerror(errno));
        (void)zmq_close(s);
        return NULL;
    }
    return s;
}
