/* local_client.c - the host's end: numbers, window, telemetry batches. See local.h for the contract. */
#include "bus/link.h"

#include "util/clock.h"
#include "util/id.h"

#include <errno.h>
#include <pthread.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { OP_RECORD = 1, OP_STATE = 2, OP_MESSAGE = 3 };
enum { TELEMETRY = 2, KEPT = 3 }; /* index of lane 3 in arrays that leave out lane 2 */
enum state { DOWN = 0, WANTS_HELLO, SAID_HELLO, UP };

struct batch { /* telemetry records on their way */
    struct batch *next;
    size_t cap, len; /* of buf after the room for the head */
    uint32_t n;
    bool is_sealed;
    int64_t first_ns, last_ns, opened_ns; /* wall, wall, monotonic */
    uint64_t first_seq;
    uint64_t who; /* bit per instance that has a number below */
    uint64_t number[MMR_LOCAL_INSTANCES_MAX];
    uint8_t buf[];
};

struct mmr_local_client {
    struct mmr_bus_part part; /* first: a part is the client */
    const struct mmr_local_client_ops *ops;
    void *ctx;
    struct mmr_local_config cfg;
    uint8_t epoch[16], boot[16], secret[MMR_LOCAL_SECRET];
    size_t telemetry_max;

    /* [loop] */
    uint64_t given[2]; /* newest number of lanes 0 and 1 */
    uint64_t newest[MMR_LOCAL_INSTANCES_MAX][KEPT]; /* the instances' own numbers, as sent */
    uint64_t told[MMR_LOCAL_INSTANCES_MAX];
    bool has_report; /* drops to tell the core wait for a free place */

    /* both */
    _Atomic uint64_t acked[2];
    _Atomic size_t window_bytes;
    _Atomic uint64_t settled[MMR_LOCAL_INSTANCES_MAX][KEPT];
    _Atomic uint64_t dirty; /* instances whose settled changed */
    _Atomic int wants_room, has_drops;
    pthread_mutex_t lock; /* over what follows */
    struct batch *queue, *queue_tail, *flight, **flight_end, *spare;
    size_t queue_bytes, flight_bytes, n_flight;
    struct mmr_local_lost for_host, for_core;

    /* [bus] */
    void *sock, *monitor;
    enum state state;
    struct mmr_bus_msg **window[2];
    uint64_t last[2], next[2]; /* newest in the window; next to send */
    uint64_t telemetry_seq;
    struct batch *sending; /* numbered, did not fit yet */
    bool is_choked;
    int64_t heard_ns, pinged_ns, hello_ns;
};

static struct mmr_local_client *client_of(struct mmr_bus_part *p)
{
    return (struct mmr_local_client *)p; /* first member */
}

static void count_lost(struct mmr_local_lost *l, const struct batch *b)
{
    if (l->records == 0 || b->first_ns < l->first_ns)
        l->first_ns = b->first_ns;
    if (l->records == 0 || b->last_ns > l->last_ns)
        l->last_ns = b->last_ns;
    l->records += b->n;
}

/* with the lock */
static void lose(struct mmr_local_client *c, const struct batch *b)
{
    if (b->n == 0)
        return;
    count_lost(&c->for_host, b);
    count_lost(&c->for_core, b);
    atomic_store(&c->has_drops, 1);
}

static void settle(struct mmr_local_client *c, uint32_t instance, unsigned lane, uint64_t number)
{
    if (number > atomic_load_explicit(&c->settled[instance][lane], memory_order_relaxed)) {
        atomic_store(&c->settled[instance][lane], number);
        (void)atomic_fetch_or(&c->dirty, UINT64_C(1) << instance);
    }
}

static void settle_batch(struct mmr_local_client *c, const struct batch *b)
{
    for (uint64_t left = b->who; left; left &= left - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(left);
        settle(c, i, TELEMETRY, b->number[i]);
    }
}

/* with the lock */
static void retire(struct mmr_local_client *c, struct batch *b)
{
    if (!c->spare && b->cap == MMR_BATCH_BYTES_MAX)
        c->spare = b;
    else
        free(b);
}

/* ---- [bus] ---- */

static void set_up(struct mmr_local_client *c, bool is_up)
{
    struct mmr_bus_msg *m;
    if (is_up != (c->state == UP) && (m = mmr_bus_msg_new(&c->part, OP_STATE, 0))) {
        m->a = is_up;
        (void)mmr_bus_deliver(m); /* full: a later change is told */
    }
}

static void acked_upto(struct mmr_local_client *c, unsigned lane, uint64_t upto)
{
    uint64_t from = atomic_load_explicit(&c->acked[lane], memory_order_relaxed);
    size_t freed = 0;
    if (upto > c->last[lane])
        upto = c->last[lane]; /* it cannot have what was never sent */
    if (upto <= from)
        return;
    for (uint64_t s = from + 1; s <= upto; s++) {
        struct mmr_bus_msg **at = &c->window[lane][s % c->cfg.window];
        if ((*at)->env.seq)
            settle(c, (*at)->env.flags, lane, (*at)->env.seq);
        freed += (*at)->len;
        mmr_bus_msg_free(*at);
        *at = NULL;
    }
    atomic_fetch_sub(&c->window_bytes, freed);
    atomic_store(&c->acked[lane], upto);
    if (c->next[lane] <= upto)
        c->next[lane] = upto + 1;
    mmr_bus_notice(c->part.bus);
}

static void telemetry_acked(struct mmr_local_client *c, uint64_t upto)
{
    (void)pthread_mutex_lock(&c->lock);
    struct batch *b;
    while ((b = c->flight) && b->first_seq + b->n - 1 <= upto) {
        c->flight = b->next;
        c->flight_bytes -= b->len;
        c->n_flight--;
        settle_batch(c, b);
        retire(c, b);
    }
    if (!c->flight)
        c->flight_end = &c->flight;
    (void)pthread_mutex_unlock(&c->lock);
    mmr_bus_notice(c->part.bus);
}

/* What was in flight to a core that is gone may have arrived or not: it counts as lost. */
static void lose_flight(struct mmr_local_client *c)
{
    (void)pthread_mutex_lock(&c->lock);
    struct batch *b;
    while ((b = c->flight)) {
        c->flight = b->next;
        lose(c, b);
        settle_batch(c, b);
        retire(c, b);
    }
    c->flight_end = &c->flight;
    c->flight_bytes = c->n_flight = 0;
    if (c->sending) {
        lose(c, c->sending);
        settle_batch(c, c->sending);
        retire(c, c->sending);
        c->sending = NULL;
    }
    (void)pthread_mutex_unlock(&c->lock);
    mmr_bus_notice(c->part.bus);
}

static void go_down(struct mmr_local_client *c, enum state to)
{
    set_up(c, false);
    if (c->state == UP)
        lose_flight(c);
    c->state = to;
    c->hello_ns = 0;
}

static bool say_hello(struct mmr_local_client *c)
{
    uint8_t body[128], *p = body;
    struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_HELLO, 0, c->epoch, c->boot);
    p += mmr_wire_put_bin(p, c->secret, sizeof c->secret);
    for (unsigned lane = 0; lane < 2; lane++) { /* the range that can be sent again */
        p += mmr_wire_put_uint(p, atomic_load(&c->acked[lane]) + 1);
        p += mmr_wire_put_uint(p, c->last[lane]);
    }
    e.body_type = MMR_BODY_FIELDS;
    e.body = body;
    e.body_len = (size_t)(p - body);
    return mmr_link_send_envelope(c->sock, NULL, 0, &e, NULL) == 0;
}

static void send_window(struct mmr_local_client *c, unsigned lane)
{
    while (!c->is_choked && c->next[lane] <= c->last[lane]) {
        const struct mmr_bus_msg *m = c->window[lane][c->next[lane] % c->cfg.window];
        if (mmr_link_send(c->sock, NULL, 0, m->bytes + m->a, m->len - m->a) != 0)
            c->is_choked = true;
        else
            c->next[lane]++;
    }
}

/* The oldest telemetry batch if it is due; *ret_due: else when. */
static struct batch *next_batch(struct mmr_local_client *c, int64_t now_ns, int64_t *ret_due)
{
    struct batch *b = NULL;
    (void)pthread_mutex_lock(&c->lock);
    if (c->queue && c->n_flight < MMR_LINK_CREDIT_BATCHES) {
        int64_t due = c->queue->opened_ns + MMR_LOCAL_BATCH_MS * MMR_NS_PER_MS;
        if (c->queue->is_sealed || now_ns >= due) {
            b = c->queue;
            c->queue = b->next;
            if (!c->queue)
                c->queue_tail = NULL;
            c->queue_bytes -= b->len;
        } else {
            *ret_due = due;
        }
    }
    (void)pthread_mutex_unlock(&c->lock);
    return b;
}

static bool send_batch(struct mmr_local_client *c, struct batch *b)
{
    uint8_t head[MMR_FRAME_HEAD_MAX];
    struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_DATA, MMR_LANE_TELEMETRY, c->epoch, c->boot);
    e.body_type = MMR_BODY_RECORDS;
    e.body_len = b->len;
    e.seq = b->first_seq;
    size_t n = mmr_frame_put_head(&e, false, head);
    uint8_t *start = b->buf + MMR_FRAME_HEAD_MAX - n;
    memcpy(start, head, n);
    if (mmr_link_send(c->sock, NULL, 0, start, n + b->len) != 0)
        return false;
    (void)pthread_mutex_lock(&c->lock);
    b->next = NULL;
    *c->flight_end = b;
    c->flight_end = &b->next;
    c->flight_bytes += b->len;
    c->n_flight++;
    (void)pthread_mutex_unlock(&c->lock);
    return true;
}

static int64_t send_telemetry(struct mmr_local_client *c, int64_t now_ns)
{
    int64_t due = INT64_MAX;
    while (!c->is_choked) {
        struct batch *b = c->sending;
        if (!b && (b = next_batch(c, now_ns, &due))) {
            b->first_seq = c->telemetry_seq + 1;
            c->telemetry_seq += b->n;
        }
        if (!b)
            break;
        c->sending = b;
        if (send_batch(c, b))
            c->sending = NULL;
        else
            c->is_choked = true;
    }
    return due;
}

static void on_command(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_local_client *c = client_of(p); /* OP_RECORD is the only one */
    unsigned lane = m->slot;
    c->window[lane][m->b % c->cfg.window] = m;
    c->last[lane] = m->b;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

static int64_t on_tick(struct mmr_bus_part *p, int64_t now_ns)
{
    struct mmr_local_client *c = client_of(p);
    const int64_t ping_ns = c->cfg.ping_ms * MMR_NS_PER_MS, lost_ns = c->cfg.lost_ms * MMR_NS_PER_MS;
    int64_t at = INT64_MAX;

    if (atomic_load(&c->wants_room))
        mmr_bus_notice(p->bus);
    if (c->state == UP) {
        if (now_ns - c->heard_ns >= lost_ns) {
            go_down(c, WANTS_HELLO);
        } else {
            if (now_ns - c->heard_ns >= ping_ns && now_ns - c->pinged_ns >= ping_ns) {
                struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_PING, 0, c->epoch, c->boot);
                (void)mmr_link_send_envelope(c->sock, NULL, 0, &e, NULL);
                c->pinged_ns = now_ns;
            }
            send_window(c, 0);
            send_window(c, 1);
            at = send_telemetry(c, now_ns);
            at = sooner(at, c->heard_ns + lost_ns);
            at = sooner(at, (c->heard_ns > c->pinged_ns ? c->heard_ns : c->pinged_ns) + ping_ns);
        }
    }
    if (c->state == WANTS_HELLO || c->state == SAID_HELLO) {
        if (c->state == SAID_HELLO && now_ns - c->hello_ns >= ping_ns)
            c->state = WANTS_HELLO;
        if (c->state == WANTS_HELLO && now_ns - c->hello_ns >= 10 * MMR_NS_PER_MS) {
            c->hello_ns = now_ns;
            if (say_hello(c))
                c->state = SAID_HELLO;
        }
        at = sooner(at, c->hello_ns + (c->state == SAID_HELLO ? ping_ns : 10 * MMR_NS_PER_MS));
    }
    return at;
}

static size_t on_poll(struct mmr_bus_part *p, zmq_pollitem_t *items)
{
    struct mmr_local_client *c = client_of(p);
    short events = 0;
    if (mmr_bus_has_room(p->bus))
        events |= ZMQ_POLLIN;
    if (c->is_choked && c->state == UP)
        events |= ZMQ_POLLOUT;
    items[0] = (zmq_pollitem_t){.socket = c->monitor, .events = ZMQ_POLLIN};
    items[1] = (zmq_pollitem_t){.socket = c->sock, .events = events};
    return 2;
}

static void on_welcome(struct mmr_local_client *c, const struct mmr_envelope *e, int64_t now_ns)
{
    struct mmr_wire_cursor cur = {e->body, e->body + e->body_len, false};
    uint64_t upto[2] = {mmr_wire_uint(&cur), mmr_wire_uint(&cur)};
    if (cur.bad || memcmp(e->epoch, c->epoch, 16) != 0)
        return;
    if (c->state == UP)
        lose_flight(c); /* the core began anew without our noticing */
    for (unsigned lane = 0; lane < 2; lane++) {
        acked_upto(c, lane, upto[lane]);
        c->next[lane] = atomic_load(&c->acked[lane]) + 1;
    }
    c->telemetry_seq = 0;
    set_up(c, true);
    c->state = UP;
    c->is_choked = false;
    c->pinged_ns = now_ns;
    mmr_bus_notice(c->part.bus); /* drops counted meanwhile can be told now */
}

/* One frame from the core; true: m was passed on to the loop. */
static bool on_frame(struct mmr_local_client *c, struct mmr_bus_msg *m, int64_t now_ns)
{
    const struct mmr_envelope *e = &m->env;
    c->heard_ns = now_ns;
    switch (e->kind) {
    case MMR_FRAME_WELCOME:
        on_welcome(c, e, now_ns);
        return false;
    case MMR_FRAME_ACK:
        if (memcmp(e->epoch, c->epoch, 16) != 0 || c->state != UP)
            return false;
        if (e->lane == MMR_LANE_TELEMETRY) {
            telemetry_acked(c, e->seq);
        } else if (e->lane <= MMR_LANE_FINDING) {
            acked_upto(c, e->lane, e->seq);
            if (e->flags & MMR_LINK_GO_BACK)
                c->next[e->lane] = atomic_load(&c->acked[e->lane]) + 1;
        }
        return false;
    case MMR_FRAME_ERROR:
        if ((e->flags & MMR_LINK_SAY_HELLO) && c->state == UP)
            go_down(c, WANTS_HELLO);
        return false;
    case MMR_FRAME_DATA:
    case MMR_FRAME_CMD:
        m->op = OP_MESSAGE;
        (void)mmr_bus_deliver(m); /* has_room() was asked before receiving */
        return true;
    default: /* PONG: being heard is all it is for */
        return false;
    }
}

static void on_ready(struct mmr_bus_part *p, const zmq_pollitem_t *items, size_t n, int64_t now_ns)
{
    struct mmr_local_client *c = client_of(p);
    enum mmr_link_event ev;
    (void)n;
    if (items[0].revents & ZMQ_POLLIN)
        while ((ev = mmr_link_monitor_next(c->monitor)))
            go_down(c, ev == MMR_LINK_CONNECTED ? WANTS_HELLO : DOWN);
    if (items[1].revents & ZMQ_POLLOUT)
        c->is_choked = false;
    if (!(items[1].revents & ZMQ_POLLIN))
        return;
    for (unsigned i = 0; i < MMR_BUS_TURN_MAX && mmr_bus_has_room(p->bus); i++) {
        struct mmr_bus_msg *m;
        int r = mmr_link_recv(p, c->sock, &m);
        if (r == MMR_EAGAIN)
            break;
        if (r == 0 && !on_frame(c, m, now_ns))
            mmr_bus_msg_free(m);
    }
}

static void on_close(struct mmr_bus_part *p)
{
    struct mmr_local_client *c = client_of(p);
    int linger_ms = 200; /* for the goodbye alone */
    if (c->state == UP) {
        struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_BYE, 0, c->epoch, c->boot);
        (void)mmr_link_send_envelope(c->sock, NULL, 0, &e, NULL);
        (void)zmq_setsockopt(c->sock, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
    }
    (void)zmq_socket_monitor(c->sock, NULL, 0);
    (void)zmq_close(c->monitor);
    (void)zmq_close(c->sock);
    for (unsigned lane = 0; lane < 2; lane++)
        for (uint64_t s = atomic_load(&c->acked[lane]) + 1; s <= c->last[lane]; s++)
            mmr_bus_msg_free(c->window[lane][s % c->cfg.window]);
}

/* ---- [loop] ---- */

static void on_deliver(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_local_client *c = client_of(p);
    if (m->op == OP_STATE) {
        if (c->ops->state)
            c->ops->state(c->ctx, m->a != 0);
        return;
    }
    struct mmr_wire_cursor cur = {m->env.body, m->env.body + m->env.body_len, false};
    struct mmr_wire_record r;
    while (mmr_record_next(&cur, &r)) {
        struct mmr_local_record rec = {.instance = r.who, .kind = r.kind, .lane = m->env.lane, .number = r.number,
                                       .bytes = r.bytes, .len = r.len};
        if (!r.name && r.who < MMR_LOCAL_INSTANCES_MAX)
            c->ops->message(c->ctx, &rec);
    }
}

/* The newest number of an instance such that nothing at or below it is still on its way. A lane with something
 * on its way bounds it by what that lane has settled: never too high, exact once the lanes are quiet. */
static uint64_t settled_upto(struct mmr_local_client *c, uint32_t i)
{
    uint64_t all = 0, bound = UINT64_MAX;
    for (unsigned lane = 0; lane < KEPT; lane++) {
        uint64_t done = atomic_load(&c->settled[i][lane]);
        if (done < c->newest[i][lane])
            bound = done < bound ? done : bound;
        all = c->newest[i][lane] > all ? c->newest[i][lane] : all;
    }
    return bound < all ? bound : all;
}

static int send_kept(struct mmr_local_client *c, uint32_t instance, uint32_t kind, uint32_t lane,
                     uint64_t number, const void *bytes, size_t len)
{
    struct mmr_wire_record r = {.who = instance, .kind = kind, .number = number, .bytes = bytes, .len = len};
    if (c->given[lane] + 1 - atomic_load(&c->acked[lane]) > c->cfg.window ||
        atomic_load(&c->window_bytes) + len > MMR_LOCAL_WINDOW_BYTES) {
        atomic_store(&c->wants_room, 1);
        return MMR_EAGAIN;
    }
    struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_DATA, lane, c->epoch, c->boot);
    e.seq = c->given[lane] + 1;
    struct mmr_bus_msg *m = mmr_link_record(&c->part, OP_RECORD, &e, &r, NULL);
    if (!m)
        return MMR_ENOMEM;
    m->slot = lane;
    m->b = e.seq;
    m->env.flags = instance; /* not the frame's: what acked_upto() settles */
    m->env.seq = number;
    size_t size = m->len;
    atomic_fetch_add(&c->window_bytes, size);
    if (!mmr_bus_post(m)) {
        atomic_fetch_sub(&c->window_bytes, size);
        atomic_store(&c->wants_room, 1);
        return MMR_EAGAIN;
    }
    c->given[lane]++;
    if (number)
        c->newest[instance][lane] = number;
    return 0;
}

/* Tell the core what was lost, as a record that cannot be lost. */
static void report_drops(struct mmr_local_client *c)
{
    uint8_t body[32], *p = body;
    (void)pthread_mutex_lock(&c->lock);
    struct mmr_local_lost l = c->for_core;
    c->for_core = (struct mmr_local_lost){0};
    (void)pthread_mutex_unlock(&c->lock);
    if (l.records == 0)
        return;
    p += mmr_wire_put_uint(p, l.records);
    p += mmr_wire_put_int(p, l.first_ns);
    p += mmr_wire_put_int(p, l.last_ns);
    if (send_kept(c, 0, MMR_LOCAL_LOST, MMR_LANE_FINDING, 0, body, (size_t)(p - body)) == 0)
        return;
    (void)pthread_mutex_lock(&c->lock); /* no place now: put it back for the next turn */
    if (c->for_core.records && c->for_core.last_ns > l.last_ns)
        l.last_ns = c->for_core.last_ns;
    l.records += c->for_core.records;
    c->for_core = l;
    (void)pthread_mutex_unlock(&c->lock);
    atomic_store(&c->has_drops, 1);
}

static void on_turn(struct mmr_bus_part *p)
{
    struct mmr_local_client *c = client_of(p);
    uint64_t dirty = atomic_exchange(&c->dirty, 0);
    for (; dirty; dirty &= dirty - 1) {
        uint32_t i = (uint32_t)__builtin_ctzll(dirty);
        uint64_t upto = settled_upto(c, i);
        if (upto > c->told[i]) {
            c->told[i] = upto;
            if (c->ops->committed)
                c->ops->committed(c->ctx, i, upto);
        }
    }
    if (atomic_exchange(&c->has_drops, 0))
        report_drops(c);
    if (atomic_load(&c->wants_room) && mmr_local_pending(c) < c->cfg.window / 4 * 3 &&
        atomic_load(&c->window_bytes) < MMR_LOCAL_WINDOW_BYTES / 4 * 3) {
        atomic_store(&c->wants_room, 0);
        if (c->ops->writable)
            c->ops->writable(c->ctx);
    }
}

static const struct mmr_bus_part_ops part_ops = {
    .command = on_command, .tick = on_tick, .poll = on_poll, .ready = on_ready, .deliver = on_deliver,
    .turn = on_turn, .close = on_close,
};

static void free_client(struct mmr_local_client *c)
{
    struct batch *lists[] = {c->queue, c->flight, c->spare, c->sending};
    for (size_t i = 0; i < sizeof lists / sizeof lists[0]; i++)
        for (struct batch *b = lists[i], *next; b; b = next) {
            next = i < 2 ? b->next : NULL;
            free(b);
        }
    free(c->window[0]);
    free(c->window[1]);
    (void)pthread_mutex_destroy(&c->lock);
    sodium_memzero(c->secret, sizeof c->secret);
    free(c);
}

int mmr_local_client_new(struct mmr_bus *bus, const char *endpoint, const uint8_t secret[MMR_LOCAL_SECRET],
                         const struct mmr_local_client_ops *ops, void *ctx,
                         const struct mmr_local_config *cfg, struct mmr_local_client **ret_client,
                         struct mmr_error *err)
{
    const int ivl_ms = 50, ivl_max_ms = 500;
    int r = 0;
    if (strlen(endpoint) > MMR_LOCAL_ENDPOINT_MAX)
        return mmr_fail(err, MMR_EINVAL, "bus: endpoint '%s' is longer than %d bytes", endpoint,
                        MMR_LOCAL_ENDPOINT_MAX);
    struct mmr_local_client *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory for the link to '%s'", endpoint);
    (void)pthread_mutex_init(&c->lock, NULL);
    c->part.ops = &part_ops;
    c->ops = ops;
    c->ctx = ctx;
    c->cfg = mmr_link_config(cfg);
    c->telemetry_max = (size_t)c->cfg.telemetry_kib * 1024;
    c->flight_end = &c->flight;
    c->next[0] = c->next[1] = 1;
    memcpy(c->secret, secret, sizeof c->secret);
    mmr_uuid7(mmr_clock_wall_ns(), c->epoch);
    mmr_link_boot_id(c->boot);
    c->window[0] = calloc(c->cfg.window, sizeof *c->window[0]);
    c->window[1] = calloc(c->cfg.window, sizeof *c->window[1]);
    if (!c->window[0] || !c->window[1])
        r = mmr_fail(err, MMR_ENOMEM, "bus: out of memory for the link to '%s'", endpoint);
    if (r == 0 && !(c->sock = mmr_bus_socket(bus, ZMQ_DEALER, err)))
        r = MMR_EIO;
    if (r == 0 && !(c->monitor = mmr_link_monitor(bus, c->sock, err)))
        r = MMR_EIO;
    if (r == 0) {
        (void)zmq_setsockopt(c->sock, ZMQ_RECONNECT_IVL, &ivl_ms, sizeof ivl_ms);
        (void)zmq_setsockopt(c->sock, ZMQ_RECONNECT_IVL_MAX, &ivl_max_ms, sizeof ivl_max_ms);
        if (zmq_connect(c->sock, endpoint) != 0)
            r = mmr_fail(err, MMR_EIO, "bus: connect to '%s': %s", endpoint, zmq_strerror(errno));
    }
    if (r == 0)
        r = mmr_bus_attach(bus, &c->part, err);
    if (r) {
        if (c->monitor)
            (void)zmq_close(c->monitor);
        if (c->sock)
            (void)zmq_close(c->sock);
        free_client(c);
        return r;
    }
    *ret_client = c;
    return 0;
}

void mmr_local_client_free(struct mmr_local_client *c)
{
    if (!c)
        return;
    mmr_bus_detach(&c->part);
    free_client(c);
}

/* with the lock: a batch with room for need bytes, the open one or a new one at the end */
static struct batch *open_batch(struct mmr_local_client *c, size_t need, bool *ret_is_new)
{
    struct batch *b = c->queue_tail;
    *ret_is_new = false;
    if (b) {
        if (!b->is_sealed && b->n < MMR_BATCH_RECORDS_MAX && b->cap - b->len >= need)
            return b;
        b->is_sealed = true;
    }
    size_t cap = need > MMR_BATCH_BYTES_MAX ? need : MMR_BATCH_BYTES_MAX;
    if (cap == MMR_BATCH_BYTES_MAX && c->spare) {
        b = c->spare;
        c->spare = NULL;
    } else {
        b = malloc(sizeof *b + MMR_FRAME_HEAD_MAX + cap);
    }
    if (!b)
        return NULL;
    b->next = NULL;
    b->cap = cap;
    b->len = 0;
    b->n = 0;
    b->is_sealed = false;
    b->who = 0;
    b->opened_ns = mmr_clock_mono_ns();
    b->first_ns = mmr_clock_wall_ns();
    if (c->queue_tail)
        c->queue_tail->next = b;
    else
        c->queue = b;
    c->queue_tail = b;
    *ret_is_new = true;
    return b;
}

/* with the lock: the oldest waiting batch goes; its numbers settle with the batch after it, not before */
static void drop_oldest(struct mmr_local_client *c)
{
    struct batch *b = c->queue, *after = b->next;
    lose(c, b);
    for (uint64_t left = b->who; left; left &= left - 1) {
        unsigned i = (unsigned)__builtin_ctzll(left);
        if (!(after->who >> i & 1))
            after->number[i] = b->number[i];
    }
    after->who |= b->who;
    c->queue = after;
    c->queue_bytes -= b->len;
    retire(c, b);
}

static int send_telemetry_record(struct mmr_local_client *c, uint32_t instance, uint32_t kind, uint64_t number,
                                 const void *bytes, size_t len)
{
    struct mmr_wire_record r = {.who = instance, .kind = kind, .number = number, .bytes = bytes, .len = len};
    bool is_new, is_full;
    (void)pthread_mutex_lock(&c->lock);
    struct batch *b = open_batch(c, len + MMR_RECORD_HEAD_MAX, &is_new);
    if (!b) {
        (void)pthread_mutex_unlock(&c->lock);
        return MMR_ENOMEM;
    }
    size_t n = mmr_record_put(b->buf + MMR_FRAME_HEAD_MAX + b->len, &r);
    b->len += n;
    b->n++;
    b->last_ns = is_new ? b->first_ns : b->last_ns;
    b->who |= UINT64_C(1) << instance;
    b->number[instance] = number;
    c->queue_bytes += n;
    is_full = b->n == MMR_BATCH_RECORDS_MAX || b->len >= MMR_BATCH_BYTES_MAX;
    if (is_full) {
        b->is_sealed = true;
        b->last_ns = mmr_clock_wall_ns();
    }
    while (c->queue_bytes + c->flight_bytes > c->telemetry_max && c->queue->next)
        drop_oldest(c);
    (void)pthread_mutex_unlock(&c->lock);
    c->newest[instance][TELEMETRY] = number;
    if (is_new || is_full)
        mmr_bus_wake(c->part.bus);
    return 0;
}

int mmr_local_send(struct mmr_local_client *c, uint32_t instance, uint32_t kind, uint32_t lane,
                   uint64_t number, const void *bytes, size_t len)
{
    if (instance >= MMR_LOCAL_INSTANCES_MAX || lane == MMR_LANE_OTHER || lane >= MMR_LANES)
        return MMR_EINVAL;
    if (len > MMR_LOCAL_RECORD_MAX)
        return MMR_ETOOBIG;
    return lane == MMR_LANE_TELEMETRY ? send_telemetry_record(c, instance, kind, number, bytes, len)
                                      : send_kept(c, instance, kind, lane, number, bytes, len);
}

size_t mmr_local_pending(const struct mmr_local_client *c)
{
    return (size_t)(c->given[0] - atomic_load(&c->acked[0]) + c->given[1] - atomic_load(&c->acked[1]));
}

bool mmr_local_client_drops(struct mmr_local_client *c, struct mmr_local_lost *ret_lost)
{
    (void)pthread_mutex_lock(&c->lock);
    struct mmr_local_lost l = c->for_host;
    c->for_host = (struct mmr_local_lost){0};
    (void)pthread_mutex_unlock(&c->lock);
    if (l.records)
        *ret_lost = l;
    return l.records != 0;
}
