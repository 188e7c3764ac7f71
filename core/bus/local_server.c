/* local_server.c - the core's end: one ROUTER a slot, sessions, acknowledgements. Hosts are not trusted. */
#include "bus/link.h"

#include "util/clock.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>
#include <sys/stat.h>

enum { /* to the bus thread */
    OP_OPEN = 1, OP_CLOSE, OP_WELCOME, OP_ORDER,
    /* to the loop */
    OP_HELLO, OP_DATA, OP_GONE, OP_BAD,
};
enum { ORDERS_MAX = 1024, ORDER_BYTES_MAX = 4 * 1024 * 1024, SLOT_INBOUND_MAX = 4 * 1024 * 1024 };
enum state { FREE = 0, SILENT, WAITS, UP }; /* WAITS: said HELLO, the owner has not answered yet */

struct queue {
    struct mmr_bus_msg *head, **end;
};

struct slot {
    /* [bus] */
    void *sock;
    enum state state;
    struct mmr_link_rid rid;
    uint8_t secret[MMR_LOCAL_SECRET], epoch[16];
    uint64_t expected[MMR_LANES], bad;
    uint64_t ack_sent[MMR_LANES];
    bool is_gap_told[MMR_LANES];
    struct queue out[2]; /* urgent, then the rest */
    int64_t heard_ns, retry_ns, bad_told_ns;
    uint32_t session; /* counts HELLOs: acknowledgements of another one are not sent */
    uint32_t tag;     /* the generation the loop opened */
    /* both */
    _Atomic uint32_t is_up, is_welcomed, ack_session; /* is_welcomed: the owner's word is on its way, orders may follow it */
    _Atomic uint64_t ack[MMR_LANES];
    _Atomic size_t n_out, out_bytes, inbound;
    _Atomic int has_acks, wants_room;
    /* [loop] */
    bool is_open;
    char endpoint[MMR_LOCAL_ENDPOINT_MAX + 1]; /* bound; stays so after a close */
    uint32_t generation; /* counts opens: what arrived for an earlier one is not delivered */
    uint8_t loop_epoch[16];
    uint32_t loop_session;
};

struct mmr_local_server {
    struct mmr_bus_part part; /* first: a part is the server */
    const struct mmr_local_server_ops *ops;
    void *ctx;
    struct mmr_local_config cfg;
    uint8_t boot[16];
    uint32_t polled[MMR_LOCAL_SLOTS_MAX]; /* [bus] slot of each item of the last poll */
    uint32_t turn;                        /* [bus] who is served first */
    uint32_t n_used;                      /* [bus] slots at or above it were never opened */
    struct slot slot[MMR_LOCAL_SLOTS_MAX];
};

static struct mmr_local_server *server_of(struct mmr_bus_part *p)
{
    return (struct mmr_local_server *)p; /* first member */
}

/* ---- [bus] ---- */

static void tell(struct mmr_local_server *srv, uint32_t i, uint32_t op, uint64_t a, const char *what)
{
    size_t len = what ? strlen(what) + 1 : 16;
    struct mmr_bus_msg *m = mmr_bus_msg_new(&srv->part, op, len);
    if (!m)
        return;
    m->slot = i;
    m->a = a;
    m->b = srv->slot[i].session;
    memcpy(m->bytes, what ? (const void *)what : srv->slot[i].epoch, len);
    m->tag = srv->slot[i].tag;
    (void)mmr_bus_deliver(m);
}

static void misbehaved(struct mmr_local_server *srv, uint32_t i, const char *what, int64_t now_ns)
{
    struct slot *s = &srv->slot[i];
    s->bad++;
    if (s->bad_told_ns && now_ns - s->bad_told_ns < MMR_NS_PER_S)
        return; /* a flood of bad messages is one report a second, with the count */
    s->bad_told_ns = now_ns;
    tell(srv, i, OP_BAD, s->bad, what);
}

static void drop_order(struct slot *s, struct mmr_bus_msg *m)
{
    atomic_fetch_sub(&s->n_out, 1);
    atomic_fetch_sub(&s->out_bytes, m->len);
    mmr_bus_msg_free(m);
}

static void clear_queues(struct slot *s)
{
    for (unsigned q = 0; q < 2; q++) {
        struct mmr_bus_msg *m;
        while ((m = s->out[q].head)) {
            s->out[q].head = m->next;
            drop_order(s, m);
        }
        s->out[q].end = &s->out[q].head;
    }
}

static void go_silent(struct mmr_local_server *srv, uint32_t i, bool is_bye)
{
    struct slot *s = &srv->slot[i];
    if (s->state == UP)
        tell(srv, i, OP_GONE, is_bye, NULL);
    s->state = SILENT;
    atomic_store(&s->is_up, 0);
    atomic_store(&s->is_welcomed, 0);
    clear_queues(s);
}

static int answer(struct mmr_local_server *srv, uint32_t i, const struct mmr_link_rid *rid, uint32_t kind,
                  uint32_t lane, uint64_t seq, uint32_t flags)
{
    struct slot *s = &srv->slot[i];
    struct mmr_envelope e = mmr_link_envelope(kind, lane, s->epoch, srv->boot);
    e.seq = seq;
    e.flags = flags;
    return mmr_link_send_envelope(s->sock, rid->b, rid->len, &e, NULL);
}

/* The socket stays bound: closing it would remove, some time later, a path that may be open again by then. */
static void close_slot(struct mmr_local_server *srv, uint32_t i)
{
    struct slot *s = &srv->slot[i];
    s->state = FREE;
    atomic_store(&s->is_up, 0);
    atomic_store(&s->is_welcomed, 0);
    clear_queues(s);
}

static void on_command(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_local_server *srv = server_of(p);
    struct slot *s = &srv->slot[m->slot];
    switch (m->op) {
    case OP_OPEN:
        if (m->p) {
            if (s->sock)
                (void)zmq_close(s->sock);
            s->sock = m->p;
        }
        s->tag = m->tag;
        if (m->slot >= srv->n_used)
            srv->n_used = m->slot + 1;
        s->state = SILENT;
        memcpy(s->secret, m->bytes, sizeof s->secret);
        sodium_memzero(m->bytes, sizeof s->secret);
        memset(s->epoch, 0, sizeof s->epoch);
        s->bad = 0;
        s->session++;
        break;
    case OP_CLOSE:
        close_slot(srv, m->slot);
        break;
    case OP_WELCOME:
        if (s->state == WAITS && memcmp(m->bytes, s->epoch, 16) == 0) {
            uint8_t body[32], *b = body;
            struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_WELCOME, 0, s->epoch, srv->boot);
            uint64_t upto[2] = {m->a, m->b};
            for (unsigned lane = 0; lane < 2; lane++) {
                /* what this process already passed on is not asked for again, only acknowledged later */
                if (s->expected[lane] <= upto[lane])
                    s->expected[lane] = upto[lane] + 1;
                b += mmr_wire_put_uint(b, upto[lane]);
                s->ack_sent[lane] = upto[lane];
                s->is_gap_told[lane] = false;
            }
            s->expected[MMR_LANE_TELEMETRY] = 1;
            s->ack_sent[MMR_LANE_TELEMETRY] = 0;
            e.body_type = MMR_BODY_FIELDS;
            e.body = body;
            e.body_len = (size_t)(b - body);
            if (mmr_link_send_envelope(s->sock, s->rid.b, s->rid.len, &e, NULL) == 0) {
                s->state = UP;
                atomic_store(&s->is_up, 1);
            } else {
                s->state = SILENT; /* it left meanwhile; its next HELLO starts over */
            }
        }
        break;
    case OP_ORDER:
        if (s->state == UP) {
            struct queue *q = &s->out[m->b == MMR_LANE_URGENT ? 0 : 1];
            *q->end = m;
            q->end = &m->next;
            return;
        }
        drop_order(s, m);
        return;
    default:
        break;
    }
    mmr_bus_msg_free(m);
}

static void flush_orders(struct mmr_local_server *srv, uint32_t i, int64_t now_ns)
{
    struct slot *s = &srv->slot[i];
    struct mmr_bus_msg *m;
    s->retry_ns = 0;
    for (unsigned q = 0; q < 2; q++)
        while ((m = s->out[q].head)) {
            int r = mmr_link_send(s->sock, s->rid.b, s->rid.len, m->bytes + m->a, m->len - m->a);
            if (r == MMR_EAGAIN) { /* a ROUTER cannot be polled for one peer's room */
                s->retry_ns = now_ns + 2 * MMR_NS_PER_MS;
                return;
            }
            if (r) {
                go_silent(srv, i, false);
                return;
            }
            s->out[q].head = m->next;
            if (!m->next)
                s->out[q].end = &s->out[q].head;
            drop_order(s, m);
        }
    if (atomic_load(&s->wants_room))
        mmr_bus_notice(srv->part.bus);
}

static void flush_acks(struct mmr_local_server *srv, uint32_t i)
{
    struct slot *s = &srv->slot[i];
    if (!atomic_exchange(&s->has_acks, 0) || atomic_load(&s->ack_session) != s->session)
        return;
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        uint64_t upto = atomic_load(&s->ack[lane]);
        if (upto > s->ack_sent[lane] && upto < s->expected[lane]) {
            if (answer(srv, i, &s->rid, MMR_FRAME_ACK, lane, upto, 0) == 0)
                s->ack_sent[lane] = upto;
            else
                atomic_store(&s->has_acks, 1);
        }
    }
    if (atomic_load(&s->has_acks))
        s->retry_ns = mmr_clock_mono_ns() + 2 * MMR_NS_PER_MS;
}

static int64_t on_tick(struct mmr_bus_part *p, int64_t now_ns)
{
    struct mmr_local_server *srv = server_of(p);
    int64_t at = INT64_MAX;
    for (uint32_t i = 0; i < srv->n_used; i++) {
        struct slot *s = &srv->slot[i];
        if (s->state != UP)
            continue;
        int64_t lost_at = s->heard_ns + srv->cfg.lost_ms * MMR_NS_PER_MS;
        if (now_ns >= lost_at && mmr_bus_has_room(p->bus)) { /* without room we are the one who does not listen */
            go_silent(srv, i, false);
            continue;
        }
        flush_orders(srv, i, now_ns);
        if (s->state != UP)
            continue;
        flush_acks(srv, i);
        if (lost_at > now_ns && lost_at < at)
            at = lost_at;
        if (s->retry_ns && s->retry_ns < at)
            at = s->retry_ns;
    }
    return at;
}

static size_t on_poll(struct mmr_bus_part *p, zmq_pollitem_t *items)
{
    struct mmr_local_server *srv = server_of(p);
    size_t n = 0;
    if (!mmr_bus_has_room(p->bus))
        return 0;
    for (uint32_t k = 0; k < srv->n_used; k++) {
        uint32_t i = (srv->turn + k) % srv->n_used;
        struct slot *s = &srv->slot[i];
        /* a slot that alone fills the way to the loop waits; on_deliver() wakes us when it is below again */
        if (s->state == FREE || atomic_load(&s->inbound) > SLOT_INBOUND_MAX)
            continue;
        srv->polled[n] = i;
        items[n++] = (zmq_pollitem_t){.socket = s->sock, .events = ZMQ_POLLIN};
    }
    srv->turn++;
    return n;
}

static void on_hello(struct mmr_local_server *srv, uint32_t i, const struct mmr_link_rid *rid,
                     const struct mmr_envelope *e, int64_t now_ns)
{
    struct slot *s = &srv->slot[i];
    struct mmr_wire_cursor cur = {e->body, e->body + e->body_len, false};
    size_t n;
    const uint8_t *secret = mmr_wire_bin(&cur, &n);
    if (!secret || n != MMR_LOCAL_SECRET || sodium_memcmp(secret, s->secret, MMR_LOCAL_SECRET) != 0) {
        misbehaved(srv, i, "HELLO without the right secret", now_ns);
        return;
    }
    if (s->state == UP)
        go_silent(srv, i, false);
    if (memcmp(s->epoch, e->epoch, 16) != 0)
        for (unsigned lane = 0; lane < MMR_LANES; lane++) {
            /* the oldest it still has: to a core that keeps no books, what is before it was acknowledged by the last one */
            uint64_t first = lane <= MMR_LANE_FINDING ? mmr_wire_uint(&cur) : 1;
            if (lane <= MMR_LANE_FINDING)
                (void)mmr_wire_uint(&cur); /* the newest */
            s->expected[lane] = cur.bad || first == 0 ? 1 : first;
        }
    memcpy(s->epoch, e->epoch, 16);
    s->rid = *rid;
    s->heard_ns = now_ns;
    s->state = WAITS;
    s->session++;
    tell(srv, i, OP_HELLO, 0, NULL);
}

/* DATA from the session's peer. true: m was passed on. */
static bool on_data(struct mmr_local_server *srv, uint32_t i, struct mmr_bus_msg *m, int64_t now_ns)
{
    struct slot *s = &srv->slot[i];
    const struct mmr_envelope *e = &m->env;
    uint32_t n = e->body_type == MMR_BODY_RECORDS ? mmr_records_count(e->body, e->body_len) : 0;
    if (n == 0 || e->seq == 0 || e->lane == MMR_LANE_OTHER) {
        misbehaved(srv, i, "records that cannot be read", now_ns);
        return false;
    }
    if (e->seq != s->expected[e->lane]) {
        if (e->seq < s->expected[e->lane]) { /* passed on already: sent again because an acknowledgement was lost */
            if (e->lane <= MMR_LANE_FINDING && e->seq <= s->ack_sent[e->lane])
                (void)answer(srv, i, &s->rid, MMR_FRAME_ACK, e->lane, s->ack_sent[e->lane], 0);
            return false;
        }
        if (e->lane == MMR_LANE_TELEMETRY) {
            misbehaved(srv, i, "telemetry with a number left out", now_ns);
        } else if (!s->is_gap_told[e->lane]) {
            s->is_gap_told[e->lane] = true;
            (void)answer(srv, i, &s->rid, MMR_FRAME_ACK, e->lane, s->ack_sent[e->lane], MMR_LINK_GO_BACK);
        }
        return false;
    }
    s->expected[e->lane] += n;
    s->is_gap_told[e->lane] = false;
    size_t weight = zmq_msg_size(&m->frame);
    m->op = OP_DATA;
    m->slot = i;
    m->b = s->session;
    m->tag = s->tag;
    atomic_fetch_add(&s->inbound, weight);
    (void)mmr_bus_deliver(m); /* room was asked for before receiving */
    return true;
}

static void on_frame(struct mmr_local_server *srv, uint32_t i, const struct mmr_link_rid *rid,
                     struct mmr_bus_msg *m, int64_t now_ns)
{
    struct slot *s = &srv->slot[i];
    bool is_peer = mmr_link_rid_equal(rid, &s->rid) && (s->state == UP || s->state == WAITS);
    if (m->env.kind == MMR_FRAME_HELLO) {
        on_hello(srv, i, rid, &m->env, now_ns);
    } else if (!is_peer) { /* after our restart: a host that has not noticed; anybody else learns nothing */
        (void)answer(srv, i, rid, MMR_FRAME_ERROR, 0, 0, MMR_LINK_SAY_HELLO);
    } else {
        s->heard_ns = now_ns;
        switch (m->env.kind) {
        case MMR_FRAME_PING:
            (void)answer(srv, i, rid, MMR_FRAME_PONG, 0, 0, 0);
            break;
        case MMR_FRAME_BYE:
            go_silent(srv, i, true);
            break;
        case MMR_FRAME_DATA:
            if (s->state == UP && on_data(srv, i, m, now_ns))
                return;
            break;
        default:
            misbehaved(srv, i, "a message of a kind hosts do not send", now_ns);
            break;
        }
    }
    mmr_bus_msg_free(m);
}

static void on_ready(struct mmr_bus_part *p, const zmq_pollitem_t *items, size_t n, int64_t now_ns)
{
    struct mmr_local_server *srv = server_of(p);
    for (size_t k = 0; k < n; k++) {
        uint32_t i = srv->polled[k];
        if (!(items[k].revents & ZMQ_POLLIN))
            continue;
        for (unsigned t = 0; t < MMR_BUS_TURN_MAX && mmr_bus_has_room(p->bus); t++) {
            struct mmr_link_rid rid;
            struct mmr_bus_msg *m;
            int r = mmr_link_recv_from(p, srv->slot[i].sock, &rid, &m);
            if (r == MMR_EAGAIN)
                break;
            if (r) {
                mmr_bus_msg_free(m);
                misbehaved(srv, i, "a message that cannot be read", now_ns);
            } else {
                on_frame(srv, i, &rid, m, now_ns);
            }
        }
    }
}

static void on_close(struct mmr_bus_part *p)
{
    struct mmr_local_server *srv = server_of(p);
    for (uint32_t i = 0; i < MMR_LOCAL_SLOTS_MAX; i++) {
        close_slot(srv, i);
        if (srv->slot[i].sock)
            (void)zmq_close(srv->slot[i].sock);
        srv->slot[i].sock = NULL;
    }
}

/* ---- [loop] ---- */

static void set_ack(struct mmr_local_server *srv, struct slot *s, uint32_t lane, uint64_t upto)
{
    if (atomic_load(&s->ack_session) != s->loop_session) { /* the first of this session */
        for (unsigned l = 0; l < MMR_LANES; l++)
            atomic_store(&s->ack[l], 0);
        atomic_store(&s->ack_session, s->loop_session);
    }
    if (upto <= atomic_load(&s->ack[lane]))
        return;
    atomic_store(&s->ack[lane], upto);
    if (atomic_exchange(&s->has_acks, 1) == 0)
        mmr_bus_wake(srv->part.bus);
}

static void deliver_lost(struct mmr_local_server *srv, const struct mmr_local_record *rec)
{
    struct mmr_wire_cursor c = {rec->bytes, (const uint8_t *)rec->bytes + rec->len, false};
    struct mmr_local_lost lost = {0};
    lost.records = mmr_wire_uint(&c);
    lost.first_ns = mmr_wire_int(&c);
    lost.last_ns = mmr_wire_int(&c);
    if (c.bad)
        lost = (struct mmr_local_lost){0}; /* its number still has to be acknowledged */
    srv->ops->lost(srv->ctx, rec->slot, rec->seq, &lost);
}

static void deliver_records(struct mmr_local_server *srv, struct slot *s, const struct mmr_bus_msg *m)
{
    struct mmr_wire_cursor cur = {m->env.body, m->env.body + m->env.body_len, false};
    struct mmr_wire_record r;
    uint64_t seq = m->env.seq;
    uint32_t generation = s->generation;
    for (; s->generation == generation && s->is_open && mmr_record_next(&cur, &r); seq++) {
        struct mmr_local_record rec = {.slot = m->slot, .instance = r.who, .kind = r.kind, .lane = m->env.lane,
                                       .seq = seq, .epoch = m->env.epoch, .number = r.number, .bytes = r.bytes,
                                       .len = r.len};
        if (r.name || r.who >= MMR_LOCAL_INSTANCES_MAX)
            rec.instance = UINT32_MAX; /* still numbered: the owner refuses it and acknowledges */
        if (r.kind == MMR_LOCAL_LOST && srv->ops->lost)
            deliver_lost(srv, &rec);
        else
            srv->ops->record(srv->ctx, &rec);
    }
    if (m->env.lane == MMR_LANE_TELEMETRY && m->b == s->loop_session)
        set_ack(srv, s, MMR_LANE_TELEMETRY, seq - 1);
}

static void on_deliver(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_local_server *srv = server_of(p);
    struct slot *s = &srv->slot[m->slot];
    if (m->op == OP_DATA) {
        size_t weight = zmq_msg_size(&m->frame);
        size_t before = atomic_fetch_sub(&s->inbound, weight);
        if (before > SLOT_INBOUND_MAX && before - weight <= SLOT_INBOUND_MAX)
            mmr_bus_wake(p->bus);
    }
    if (!s->is_open || m->tag != s->generation) /* closed meanwhile */
        return;
    switch (m->op) {
    case OP_HELLO:
        memcpy(s->loop_epoch, m->bytes, 16);
        s->loop_session = (uint32_t)m->b;
        srv->ops->hello(srv->ctx, m->slot, s->loop_epoch);
        break;
    case OP_DATA:
        deliver_records(srv, s, m);
        break;
    case OP_GONE:
        if (srv->ops->gone)
            srv->ops->gone(srv->ctx, m->slot, m->a != 0);
        break;
    case OP_BAD:
        if (srv->ops->misbehaved)
            srv->ops->misbehaved(srv->ctx, m->slot, m->a, (const char *)m->bytes);
        break;
    default:
        break;
    }
}

static void on_turn(struct mmr_bus_part *p)
{
    struct mmr_local_server *srv = server_of(p);
    for (uint32_t i = 0; i < MMR_LOCAL_SLOTS_MAX; i++) {
        struct slot *s = &srv->slot[i];
        if (s->is_open && atomic_load(&s->wants_room) && atomic_load(&s->n_out) < ORDERS_MAX / 2) {
            atomic_store(&s->wants_room, 0);
            if (srv->ops->writable)
                srv->ops->writable(srv->ctx, i);
        }
    }
}

static const struct mmr_bus_part_ops part_ops = {
    .command = on_command, .tick = on_tick, .poll = on_poll, .ready = on_ready, .deliver = on_deliver,
    .turn = on_turn, .close = on_close,
};

int mmr_local_server_new(struct mmr_bus *bus, const struct mmr_local_server_ops *ops, void *ctx,
                         const struct mmr_local_config *cfg, struct mmr_local_server **ret_srv,
                         struct mmr_error *err)
{
    struct mmr_local_server *srv = calloc(1, sizeof *srv);
    if (!srv)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory for the plugin hosts' sockets");
    srv->part.ops = &part_ops;
    srv->ops = ops;
    srv->ctx = ctx;
    srv->cfg = mmr_link_config(cfg);
    mmr_link_boot_id(srv->boot);
    for (uint32_t i = 0; i < MMR_LOCAL_SLOTS_MAX; i++)
        for (unsigned q = 0; q < 2; q++)
            srv->slot[i].out[q].end = &srv->slot[i].out[q].head;
    int r = mmr_bus_attach(bus, &srv->part, err);
    if (r) {
        free(srv);
        return r;
    }
    *ret_srv = srv;
    return 0;
}

void mmr_local_server_free(struct mmr_local_server *srv)
{
    if (!srv)
        return;
    mmr_bus_detach(&srv->part);
    for (uint32_t i = 0; i < MMR_LOCAL_SLOTS_MAX; i++)
        sodium_memzero(srv->slot[i].secret, sizeof srv->slot[i].secret);
    free(srv);
}

int mmr_local_slot_open(struct mmr_local_server *srv, uint32_t slot, const char *endpoint,
                        const uint8_t secret[MMR_LOCAL_SECRET], struct mmr_error *err)
{
    const int one = 1;
    if (slot >= MMR_LOCAL_SLOTS_MAX || srv->slot[slot].is_open)
        return mmr_fail(err, MMR_EINVAL, "bus: slot %u is %s", slot,
                        slot >= MMR_LOCAL_SLOTS_MAX ? "over the maximum of 127" : "open already");
    if (strncmp(endpoint, "ipc://", 6) != 0 || strlen(endpoint) > MMR_LOCAL_ENDPOINT_MAX)
        return mmr_fail(err, MMR_EINVAL, "bus: '%s' is not ipc:// with a path of at most 107 bytes", endpoint);
    struct slot *s = &srv->slot[slot];
    struct mmr_bus_msg *m = mmr_bus_msg_new(&srv->part, OP_OPEN, MMR_LOCAL_SECRET);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory for slot %u", slot);
    void *sock = NULL;
    int r = 0;
    if (strcmp(endpoint, s->endpoint) != 0) {
        sock = mmr_bus_socket(srv->part.bus, ZMQ_ROUTER, err);
        if (!sock)
            r = MMR_EIO;
        else if (zmq_setsockopt(sock, ZMQ_ROUTER_MANDATORY, &one, sizeof one) != 0 || zmq_bind(sock, endpoint) != 0)
            r = mmr_fail(err, MMR_EIO, "'%s' cannot be listened on: %s", endpoint, zmq_strerror(errno));
        else if (chmod(endpoint + 6, 0666) != 0) /* who may pass the folder it is in may connect, and is asked for the secret */
            r = mmr_fail(err, MMR_EIO, "bus: chmod '%s': %s", endpoint + 6, strerror(errno));
    }
    if (r) {
        mmr_bus_msg_free(m);
    } else {
        m->slot = slot;
        m->tag = s->generation + 1;
        m->p = sock;
        memcpy(m->bytes, secret, MMR_LOCAL_SECRET);
        if (!mmr_bus_post(m))
            r = mmr_fail(err, MMR_EAGAIN, "bus: slot %u: the ring to the bus thread is full", slot);
    }
    if (r) {
        if (sock)
            (void)zmq_close(sock);
        return r;
    }
    (void)snprintf(s->endpoint, sizeof s->endpoint, "%s", endpoint);
    s->is_open = true;
    s->generation++;
    return 0;
}

void mmr_local_slot_close(struct mmr_local_server *srv, uint32_t slot)
{
    if (slot >= MMR_LOCAL_SLOTS_MAX || !srv->slot[slot].is_open)
        return;
    srv->slot[slot].is_open = false;
    struct mmr_bus_msg *m = mmr_bus_msg_new(&srv->part, OP_CLOSE, 0);
    if (m) {
        m->slot = slot;
        (void)mmr_bus_post(m);
    }
}

void mmr_local_welcome(struct mmr_local_server *srv, uint32_t slot, const uint8_t epoch[16],
                       const uint64_t upto[MMR_LANES])
{
    struct mmr_bus_msg *m = slot < MMR_LOCAL_SLOTS_MAX ? mmr_bus_msg_new(&srv->part, OP_WELCOME, 16) : NULL;
    if (!m)
        return; /* the host says HELLO again */
    m->slot = slot;
    m->a = upto[0];
    m->b = upto[1];
    memcpy(m->bytes, epoch, 16);
    if (mmr_bus_post(m))
        atomic_store(&srv->slot[slot].is_welcomed, 1);
}

void mmr_local_ack(struct mmr_local_server *srv, uint32_t slot, const uint8_t epoch[16], uint32_t lane,
                   uint64_t upto)
{
    struct slot *s = slot < MMR_LOCAL_SLOTS_MAX ? &srv->slot[slot] : NULL;
    if (s && s->is_open && lane < MMR_LANES && memcmp(epoch, s->loop_epoch, 16) == 0)
        set_ack(srv, s, lane, upto);
}

int mmr_local_order(struct mmr_local_server *srv, uint32_t slot, uint32_t instance, uint32_t kind,
                    uint32_t lane, uint64_t number, const void *bytes, size_t len)
{
    struct mmr_wire_record r = {.who = instance, .kind = kind, .number = number, .bytes = bytes, .len = len};
    if (len > MMR_LOCAL_RECORD_MAX)
        return MMR_ETOOBIG;
    if (!mmr_local_is_up(srv, slot) && !(slot < MMR_LOCAL_SLOTS_MAX && srv->slot[slot].is_open && atomic_load(&srv->slot[slot].is_welcomed)))
        return MMR_ENOENT;
    struct slot *s = &srv->slot[slot];
    if (atomic_load(&s->n_out) >= ORDERS_MAX || atomic_load(&s->out_bytes) + len > ORDER_BYTES_MAX) {
        atomic_store(&s->wants_room, 1);
        return MMR_EAGAIN;
    }
    struct mmr_envelope e = mmr_link_envelope(lane == MMR_LANE_URGENT ? MMR_FRAME_CMD : MMR_FRAME_DATA, lane & 3,
                                              s->loop_epoch, srv->boot);
    struct mmr_bus_msg *m = mmr_link_record(&srv->part, OP_ORDER, &e, &r, NULL);
    if (!m)
        return MMR_ENOMEM;
    m->slot = slot;
    m->b = lane;
    size_t size = m->len;
    atomic_fetch_add(&s->n_out, 1);
    atomic_fetch_add(&s->out_bytes, size);
    if (mmr_bus_post(m))
        return 0;
    atomic_fetch_sub(&s->n_out, 1);
    atomic_fetch_sub(&s->out_bytes, size);
    return MMR_EAGAIN;
}

bool mmr_local_is_up(const struct mmr_local_server *srv, uint32_t slot)
{
    return slot < MMR_LOCAL_SLOTS_MAX && srv->slot[slot].is_open && atomic_load(&srv->slot[slot].is_up);
}
