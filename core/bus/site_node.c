/* site_node.c - a node's end of the site link: sends its spool, checks what the hub orders. */
#include "bus/site_link.h"

#include "util/clock.h"

#include <errno.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdlib.h>

enum { OP_STATE = 1, OP_ACKED, OP_ORDER, OP_REFUSED, OP_ROTATE, OP_ROTATED, OP_HUB_NEXT, OP_HUB_ROTATED, OP_ROLLED_BACK };
enum state { DOWN = 0, WANTS_HELLO, SAID_HELLO, UP };
enum { OTHER_KEY_AFTER_MS = 3000, ROTATE_AGAIN_S = 10 };
enum { FLIGHT_MAX = MMR_SITE_CREDIT, FLIGHT_BYTES_MAX = 1024 * 1024, SEEN_MAX = 1024 };

struct conn {
    void *sock, *monitor;
    char endpoint[128];
    enum state state;
    bool is_choked;
    bool is_next; /* tries, or uses, the hub's next key */
    int64_t key_ns; /* since when this key is tried */
    int64_t heard_ns, pinged_ns, hello_ns;
    int64_t retry_ns, delay_ms; /* after a refusal: when to connect anew (0: not), and how long the last wait was */
};
struct flight { /* sent and not acknowledged, a lane: what the credit counts */
    uint64_t upto[FLIGHT_MAX];
    uint32_t size[FLIGHT_MAX];
    uint32_t head, n;
    size_t bytes;
};

struct mmr_site_node {
    struct mmr_bus_part part; /* first: a part is the node */
    const struct mmr_site_node_ops *ops;
    void *ctx;
    const struct mmr_spool_ops *spool_ops;
    void *spool;
    struct mmr_site_config cfg;
    struct mmr_keys keys;
    struct mmr_public_keys hub; /* [bus], like the next ones */
    struct mmr_public_keys hub_next;
    bool has_hub_next;
    uint8_t rotation[MMR_SITE_ROTATION_MAX]; /* new keys to give to the hub, as they are sent */
    size_t rotation_len;
    int64_t rotation_ns;
    uint8_t rotation_curve[MMR_KEY];
    uint8_t id[16], boot[16], epoch[16];
    struct mmr_clock_filter clock;
    _Atomic uint64_t last[MMR_LANES]; /* newest number in the spool */
    _Atomic int64_t bulk_since;       /* monotonic ns since when bulk records wait; 0: none */

    /* [bus] */
    struct conn conn[MMR_SITE_CONNECTIONS];
    uint64_t acked[MMR_LANES], next[MMR_LANES];
    struct flight flight[MMR_LANES];
    struct {
        uint8_t uid[16];
        int64_t expires_ns;
    } seen[SEEN_MAX]; /* orders remembered until they expire */
    uint32_t n_seen;
    bool is_rolled_back;
    uint8_t frame[MMR_FRAME_HEAD_MAX + MMR_BATCH_BYTES_MAX + MMR_SITE_RECORD_MAX + 1024];
};

static struct mmr_site_node *node_of(struct mmr_bus_part *p)
{
    return (struct mmr_site_node *)p; /* first member */
}

/* ---- [bus] ---- */

static void tell(struct mmr_site_node *n, uint32_t op, uint64_t a, uint64_t b, const char *text)
{
    size_t len = text ? strlen(text) + 1 : 0;
    struct mmr_bus_msg *m = mmr_bus_msg_new(&n->part, op, len);
    if (!m)
        return;
    m->a = a;
    m->b = b;
    if (len)
        memcpy(m->bytes, text, len);
    (void)mmr_bus_deliver(m);
}

static bool is_up(const struct mmr_site_node *n)
{
    return n->conn[MMR_SITE_URGENT].state == UP;
}

static void go_down(struct mmr_site_node *n, unsigned c, enum state to)
{
    if (c == MMR_SITE_URGENT && is_up(n))
        tell(n, OP_STATE, 0, 0, NULL);
    n->conn[c].state = to;
    n->conn[c].hello_ns = 0;
    n->conn[c].is_choked = false;
    for (unsigned lane = 0; lane < MMR_LANES; lane++)
        if (mmr_site_connection(lane) == c)
            n->flight[lane] = (struct flight){0};
}

static bool say_hello(struct mmr_site_node *n, unsigned c)
{
    uint8_t body[128], *p = body;
    struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_HELLO, c == MMR_SITE_URGENT ? 0 : 2, n->epoch, n->boot);
    memcpy(e.node, n->id, 16);
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        uint64_t first, last;
        n->spool_ops->range(n->spool, lane, &first, &last);
        p += mmr_wire_put_uint(p, first);
        p += mmr_wire_put_uint(p, last);
    }
    e.body_type = MMR_BODY_FIELDS;
    e.body = body;
    e.body_len = (size_t)(p - body);
    return mmr_link_send_envelope(n->conn[c].sock, NULL, 0, &e, NULL) == 0;
}

static void acked_upto(struct mmr_site_node *n, uint32_t lane, uint64_t upto)
{
    struct flight *f = &n->flight[lane];
    uint64_t last = atomic_load(&n->last[lane]);
    if (upto > last) /* a hub cannot have what was never sent */
        upto = last;
    while (f->n && f->upto[f->head] <= upto) {
        f->bytes -= f->size[f->head];
        f->head = (f->head + 1) % FLIGHT_MAX;
        f->n--;
    }
    if (upto <= n->acked[lane])
        return;
    n->acked[lane] = upto;
    if (n->next[lane] <= upto)
        n->next[lane] = upto + 1;
    n->spool_ops->trim(n->spool, lane, upto);
    tell(n, OP_ACKED, lane, upto, NULL);
}

struct gather {
    uint8_t *p;
    size_t len;
    uint64_t first;
    uint32_t n;
};

static bool gather_one(void *arg, const struct mmr_spool_item *it)
{
    struct gather *g = arg;
    if (g->n == MMR_BATCH_RECORDS_MAX || (g->n && (it->seq != g->first + g->n || g->len + it->len > MMR_BATCH_BYTES_MAX)) ||
        it->len > MMR_SITE_RECORD_MAX)
        return false;
    if (g->n == 0)
        g->first = it->seq;
    struct mmr_wire_record r = {.name = it->instance, .name_len = (uint32_t)strlen(it->instance), .kind = it->kind,
                                .number = it->number, .bytes = it->bytes, .len = it->len};
    g->len += mmr_record_put(g->p + g->len, &r);
    g->n++;
    return true;
}

/* The next frame of a lane; false: nothing more, no credit, or no room in the socket. */
static bool send_frame(struct mmr_site_node *n, uint32_t lane)
{
    struct conn *c = &n->conn[mmr_site_connection(lane)];
    struct flight *f = &n->flight[lane];
    const uint32_t share = lane == MMR_LANE_TELEMETRY ? 4 : 1;
    uint8_t head[MMR_FRAME_HEAD_MAX];
    if (n->next[lane] > atomic_load(&n->last[lane]) || f->n >= FLIGHT_MAX / share || f->bytes >= FLIGHT_BYTES_MAX / share)
        return false;
    struct gather g = {.p = n->frame + MMR_FRAME_HEAD_MAX};
    n->spool_ops->read_from(n->spool, lane, n->next[lane], gather_one, &g);
    if (g.n == 0)
        return false;
    const bool is_signed = lane == MMR_LANE_URGENT;
    struct mmr_envelope e = mmr_link_envelope(is_signed ? MMR_FRAME_RECEIPT : MMR_FRAME_DATA, lane, n->epoch, n->boot);
    memcpy(e.node, n->id, 16);
    e.seq = g.first;
    e.flags = g.first != n->next[lane] ? MMR_SITE_SKIPPED : 0;
    e.body_type = MMR_BODY_RECORDS;
    e.body_len = g.len;
    size_t head_len = mmr_frame_put_head(&e, is_signed, head);
    uint8_t *start = n->frame + MMR_FRAME_HEAD_MAX - head_len;
    memcpy(start, head, head_len);
    size_t len = head_len + g.len;
    if (is_signed) {
        uint8_t sig[MMR_FRAME_SIG];
        (void)crypto_sign_detached(sig, NULL, start + 1, len - 1, n->keys.sign_secret);
        len += mmr_wire_put_bin(start + len, sig, sizeof sig);
    }
    if (mmr_link_send(c->sock, NULL, 0, start, len) != 0) {
        c->is_choked = true;
        return false;
    }
    uint32_t at = (f->head + f->n) % FLIGHT_MAX;
    n->next[lane] = g.first + g.n;
    f->upto[at] = n->next[lane] - 1;
    f->size[at] = (uint32_t)len;
    f->bytes += len;
    f->n++;
    return true;
}

static int64_t sooner(int64_t a, int64_t b)
{
    return a < b ? a : b;
}

/* Urgent lanes at once; bulk when it has waited long enough, or is a whole message. */
static int64_t send_lanes(struct mmr_site_node *n, int64_t now_ns)
{
    int64_t at = INT64_MAX;
    if (n->conn[MMR_SITE_URGENT].state == UP)
        for (uint32_t lane = 0; lane <= MMR_LANE_FINDING; lane++)
            while (!n->conn[MMR_SITE_URGENT].is_choked && send_frame(n, lane))
                ;
    struct conn *bulk = &n->conn[MMR_SITE_BULK];
    int64_t since = atomic_load(&n->bulk_since);
    if (bulk->state != UP || since == 0)
        return at;
    uint64_t waiting = 0;
    for (uint32_t lane = MMR_LANE_OTHER; lane < MMR_LANES; lane++)
        waiting += atomic_load(&n->last[lane]) + 1 - n->next[lane];
    if (waiting < MMR_BATCH_RECORDS_MAX && now_ns - since < MMR_LOCAL_BATCH_MS * MMR_NS_PER_MS)
        return since + MMR_LOCAL_BATCH_MS * MMR_NS_PER_MS;
    atomic_store(&n->bulk_since, 0);
    bool has_sent = true;
    while (has_sent && !bulk->is_choked) { /* other findings first, telemetry keeps a share */
        has_sent = false;
        for (unsigned i = 0; i < 9 && !bulk->is_choked && send_frame(n, MMR_LANE_OTHER); i++)
            has_sent = true;
        if (!bulk->is_choked && send_frame(n, MMR_LANE_TELEMETRY))
            has_sent = true;
    }
    for (uint32_t lane = MMR_LANE_OTHER; lane < MMR_LANES; lane++)
        if (n->next[lane] <= atomic_load(&n->last[lane])) { /* waits for credit: an ACK or POLLOUT comes */
            int64_t none = 0;
            (void)atomic_compare_exchange_strong(&n->bulk_since, &none, now_ns - MMR_NS_PER_S);
        }
    return at;
}

static void on_command(struct mmr_bus_part *p, struct mmr_bus_msg *m) /* records do not come this way: they go through the spool */
{
    struct mmr_site_node *n = node_of(p);
    if (m->op == OP_ROTATE) {
        memcpy(n->rotation_curve, m->bytes, MMR_KEY);
        n->rotation_len = m->len - MMR_KEY;
        memcpy(n->rotation, m->bytes + MMR_KEY, n->rotation_len);
        n->rotation_ns = 0;
    } else if (m->op == OP_HUB_NEXT) {
        memcpy(n->hub_next.curve, m->bytes, MMR_KEY);
        memcpy(n->hub_next.sign, m->bytes + MMR_KEY, MMR_KEY);
        n->has_hub_next = true;
    }
    mmr_bus_msg_free(m);
}

static int64_t give_rotation(struct mmr_site_node *n, int64_t now_ns)
{
    if (!n->rotation_len || !is_up(n))
        return INT64_MAX;
    if (!n->rotation_ns || now_ns - n->rotation_ns >= ROTATE_AGAIN_S * MMR_NS_PER_S) {
        struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_ROTATE, 0, n->epoch, n->boot);
        memcpy(e.node, n->id, 16);
        e.body_type = MMR_BODY_FIELDS;
        e.body = n->rotation;
        e.body_len = n->rotation_len;
        (void)mmr_link_send_envelope(n->conn[MMR_SITE_URGENT].sock, NULL, 0, &e, n->keys.sign_secret);
        n->rotation_ns = now_ns;
    }
    return n->rotation_ns + ROTATE_AGAIN_S * MMR_NS_PER_S;
}

/* A hub that changed its key does not answer to the old one: the two are tried in turn until one is. */
static int64_t try_other_key(struct mmr_site_node *n, struct conn *c, int64_t now_ns)
{
    if (!n->has_hub_next || c->state != DOWN)
        return INT64_MAX;
    if (!c->key_ns)
        c->key_ns = now_ns;
    if (now_ns - c->key_ns >= OTHER_KEY_AFTER_MS * MMR_NS_PER_MS) {
        c->is_next = !c->is_next;
        c->key_ns = now_ns;
        c->retry_ns = 0;
        (void)zmq_disconnect(c->sock, c->endpoint);
        (void)zmq_setsockopt(c->sock, ZMQ_CURVE_SERVERKEY, c->is_next ? n->hub_next.curve : n->hub.curve, MMR_KEY);
        (void)zmq_connect(c->sock, c->endpoint);
    }
    return c->key_ns + OTHER_KEY_AFTER_MS * MMR_NS_PER_MS;
}

/* A refused handshake ends the library's own reconnecting: try anew after a doubling wait with jitter. */
static void refused(struct mmr_site_node *n, struct conn *c, int64_t now_ns)
{
    c->delay_ms = c->delay_ms ? c->delay_ms * 2 : n->cfg.reconnect_ms;
    if (c->delay_ms > 60000)
        c->delay_ms = 60000;
    c->retry_ns = now_ns + (c->delay_ms + randombytes_uniform((uint32_t)c->delay_ms)) * MMR_NS_PER_MS;
}

static int64_t on_tick(struct mmr_bus_part *p, int64_t now_ns)
{
    struct mmr_site_node *n = node_of(p);
    const int64_t ping_ns = n->cfg.ping_ms * MMR_NS_PER_MS, lost_ns = n->cfg.lost_ms * MMR_NS_PER_MS;
    int64_t at = INT64_MAX;
    for (unsigned i = 0; i < MMR_SITE_CONNECTIONS; i++) {
        struct conn *c = &n->conn[i];
        at = sooner(at, try_other_key(n, c, now_ns));
        if (c->retry_ns && now_ns >= c->retry_ns) {
            c->retry_ns = 0;
            (void)zmq_disconnect(c->sock, c->endpoint);
            if (zmq_connect(c->sock, c->endpoint) != 0)
                refused(n, c, now_ns);
        }
        if (c->retry_ns)
            at = sooner(at, c->retry_ns);
        if (c->state == UP) {
            if (now_ns - c->heard_ns >= lost_ns) {
                go_down(n, i, WANTS_HELLO);
            } else {
                if (now_ns - c->pinged_ns >= ping_ns) { /* also when busy: it measures the clock */
                    struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_PING, i == 0 ? 0 : 2, n->epoch, n->boot);
                    memcpy(e.node, n->id, 16);
                    (void)mmr_link_send_envelope(c->sock, NULL, 0, &e, NULL);
                    c->pinged_ns = now_ns;
                }
                at = sooner(at, sooner(c->heard_ns + lost_ns, c->pinged_ns + ping_ns));
            }
        }
        if (c->state == SAID_HELLO && now_ns - c->hello_ns >= 5 * MMR_NS_PER_S)
            c->state = WANTS_HELLO;
        if (c->state == WANTS_HELLO && now_ns - c->hello_ns >= 10 * MMR_NS_PER_MS) {
            c->hello_ns = now_ns;
            if (say_hello(n, i))
                c->state = SAID_HELLO;
        }
        if (c->state == WANTS_HELLO || c->state == SAID_HELLO)
            at = sooner(at, c->hello_ns + (c->state == SAID_HELLO ? 5 * MMR_NS_PER_S : 10 * MMR_NS_PER_MS));
    }
    return sooner(sooner(at, give_rotation(n, now_ns)), send_lanes(n, now_ns));
}

static size_t on_poll(struct mmr_bus_part *p, zmq_pollitem_t *items)
{
    struct mmr_site_node *n = node_of(p);
    short in = mmr_bus_has_room(p->bus) ? ZMQ_POLLIN : 0;
    for (size_t i = 0; i < MMR_SITE_CONNECTIONS; i++) {
        items[2 * i] = (zmq_pollitem_t){.socket = n->conn[i].monitor, .events = ZMQ_POLLIN};
        items[2 * i + 1] = (zmq_pollitem_t){
            .socket = n->conn[i].sock,
            .events = (short)(in | (n->conn[i].is_choked && n->conn[i].state == UP ? ZMQ_POLLOUT : 0))};
    }
    return (size_t)2 * MMR_SITE_CONNECTIONS;
}

static void on_welcome(struct mmr_site_node *n, unsigned i, const struct mmr_envelope *e, int64_t now_ns)
{
    struct mmr_wire_cursor cur = {e->body, e->body + e->body_len, false};
    int64_t t1 = mmr_wire_int(&cur), t2 = mmr_wire_int(&cur);
    uint64_t upto[MMR_LANES];
    for (uint32_t lane = 0; lane < MMR_LANES; lane++)
        upto[lane] = mmr_wire_uint(&cur);
    if (cur.bad || memcmp(e->epoch, n->epoch, 16) != 0 || n->conn[i].state == DOWN)
        return;
    mmr_clock_filter_add(&n->clock, t1, t2, e->t_wall_ns, mmr_clock_wall_ns());
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) /* less: told by their own connection, whose order tells it from a late word; other lanes have holes */
        if (upto[lane] > atomic_load(&n->last[lane]) || (i == MMR_SITE_URGENT && lane < MMR_LANE_OTHER && upto[lane] < n->acked[lane])) {
            if (!n->is_rolled_back)
                tell(n, OP_ROLLED_BACK, 0, 0, NULL);
            n->is_rolled_back = true;
        }
    if (n->is_rolled_back)
        return; /* until the owner opened the link anew, with another epoch */
    if (n->conn[i].is_next && i == MMR_SITE_URGENT) {
        n->hub = n->hub_next;
        n->has_hub_next = false;
        for (unsigned k = 0; k < MMR_SITE_CONNECTIONS; k++)
            if (k != i && !n->conn[k].is_next) { /* the other one follows */
                go_down(n, k, DOWN);
                (void)zmq_disconnect(n->conn[k].sock, n->conn[k].endpoint);
                (void)zmq_setsockopt(n->conn[k].sock, ZMQ_CURVE_SERVERKEY, n->hub.curve, MMR_KEY);
                (void)zmq_connect(n->conn[k].sock, n->conn[k].endpoint);
            }
        n->conn[0].is_next = n->conn[1].is_next = false;
        tell(n, OP_HUB_ROTATED, 0, 0, NULL);
    }
    n->conn[i].key_ns = 0;
    n->rotation_ns = 0;
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        if (mmr_site_connection(lane) != i)
            continue;
        n->flight[lane] = (struct flight){0};
        acked_upto(n, lane, upto[lane]);
        n->next[lane] = n->acked[lane] + 1;
    }
    if (i == MMR_SITE_URGENT && !is_up(n))
        tell(n, OP_STATE, 1, 0, NULL);
    n->conn[i].state = UP;
    n->conn[i].is_choked = false;
    n->conn[i].pinged_ns = now_ns;
    int64_t none = 0;
    if (i == MMR_SITE_BULK)
        (void)atomic_compare_exchange_strong(&n->bulk_since, &none, now_ns - MMR_NS_PER_S);
}

/* NULL: fine; else why not. Remembers it. */
static const char *check_order(struct mmr_site_node *n, const struct mmr_envelope *e, int64_t expires_ns)
{
    struct mmr_site_clock clock = {0};
    if (!mmr_frame_is_signed_by(e, n->hub.sign))
        return "an order without the hub's signature";
    if (memcmp(e->node, n->id, 16) != 0)
        return "an order for another node";
    (void)mmr_clock_filter_best(&n->clock, &clock); /* measured at WELCOME, before any order can come */
    int64_t hub_now = mmr_clock_wall_ns() - clock.offset_ns;
    if (expires_ns - e->t_wall_ns > MMR_SITE_ORDER_TTL_MAX_MS * MMR_NS_PER_MS || expires_ns <= e->t_wall_ns)
        return "an order that is good for longer than 60 s, or for no time";
    if (hub_now > expires_ns)
        return "an order that came after its time";
    for (uint32_t i = 0; i < n->n_seen;) {
        if (n->seen[i].expires_ns < hub_now) {
            n->seen[i] = n->seen[--n->n_seen];
            continue;
        }
        if (memcmp(n->seen[i].uid, e->id, 16) == 0)
            return "an order that came before";
        i++;
    }
    if (n->n_seen == SEEN_MAX)
        return "more than 1024 orders in a minute";
    memcpy(n->seen[n->n_seen].uid, e->id, 16);
    n->seen[n->n_seen++].expires_ns = expires_ns;
    return NULL;
}

static bool on_order(struct mmr_site_node *n, struct mmr_bus_msg *m)
{
    struct mmr_wire_cursor cur = {m->env.body, m->env.body + m->env.body_len, false};
    int64_t expires_ns = mmr_wire_int(&cur);
    const char *why = cur.bad ? "an order that cannot be read" : check_order(n, &m->env, expires_ns);
    if (why) {
        tell(n, OP_REFUSED, 0, 0, why);
        return false;
    }
    m->op = OP_ORDER;
    m->a = (uint64_t)(cur.p - m->env.body); /* where the record begins */
    (void)mmr_bus_deliver(m);
    return true;
}

static bool on_frame(struct mmr_site_node *n, unsigned i, struct mmr_bus_msg *m, int64_t now_ns)
{
    const struct mmr_envelope *e = &m->env;
    struct conn *c = &n->conn[i];
    c->heard_ns = now_ns;
    switch (e->kind) {
    case MMR_FRAME_WELCOME:
        on_welcome(n, i, e, now_ns);
        return false;
    case MMR_FRAME_ACK:
        if (memcmp(e->epoch, n->epoch, 16) == 0 && c->state == UP && mmr_site_connection(e->lane) == i) {
            acked_upto(n, e->lane, e->seq);
            if (e->flags & MMR_LINK_GO_BACK) {
                n->next[e->lane] = n->acked[e->lane] + 1;
                n->flight[e->lane] = (struct flight){0};
            }
        }
        return false;
    case MMR_FRAME_PING:
        (void)mmr_site_pong(c->sock, NULL, e, mmr_clock_wall_ns(), n->id, n->boot);
        return false;
    case MMR_FRAME_PONG: {
        struct mmr_wire_cursor cur = {e->body, e->body + e->body_len, false};
        int64_t t1 = mmr_wire_int(&cur), t2 = mmr_wire_int(&cur);
        if (!cur.bad)
            mmr_clock_filter_add(&n->clock, t1, t2, e->t_wall_ns, mmr_clock_wall_ns());
        return false;
    }
    case MMR_FRAME_ERROR:
        if ((e->flags & MMR_LINK_SAY_HELLO) && c->state == UP)
            go_down(n, i, WANTS_HELLO);
        if (e->flags & MMR_LINK_CANNOT_READ)
            tell(n, OP_REFUSED, 0, 0, "the other end cannot read what this one sends: is it an older mamori? Renew it first");
        return false;
    case MMR_FRAME_ROTATE: {
        struct mmr_wire_cursor cur = {e->body, e->body + e->body_len, false};
        size_t len = 0;
        const uint8_t *curve = mmr_wire_bin(&cur, &len);
        if (!cur.bad && len == MMR_KEY && n->rotation_len && memcmp(curve, n->rotation_curve, MMR_KEY) == 0 &&
            mmr_frame_is_signed_by(e, n->hub.sign)) {
            n->rotation_len = 0;
            tell(n, OP_ROTATED, 0, 0, NULL);
        }
        return false;
    }
    case MMR_FRAME_CMD:
        return i == MMR_SITE_URGENT && c->state == UP && on_order(n, m);
    default:
        return false;
    }
}

static void on_ready(struct mmr_bus_part *p, const zmq_pollitem_t *items, size_t count, int64_t now_ns)
{
    struct mmr_site_node *n = node_of(p);
    (void)count;
    for (unsigned i = 0; i < MMR_SITE_CONNECTIONS; i++) {
        enum mmr_link_event ev;
        if (items[(size_t)2 * i].revents & ZMQ_POLLIN)
            while ((ev = mmr_link_monitor_next(n->conn[i].monitor))) {
                if (ev == MMR_LINK_REFUSED) {
                    tell(n, OP_REFUSED, 0, 0, "the hub does not admit this node's key");
                    refused(n, &n->conn[i], now_ns);
                } else if (ev == MMR_LINK_CONNECTED) {
                    n->conn[i].retry_ns = n->conn[i].delay_ms = 0;
                }
                go_down(n, i, ev == MMR_LINK_CONNECTED ? WANTS_HELLO : DOWN);
            }
        if (items[(size_t)2 * i + 1].revents & ZMQ_POLLOUT)
            n->conn[i].is_choked = false;
        if (!(items[(size_t)2 * i + 1].revents & ZMQ_POLLIN))
            continue;
        for (unsigned t = 0; t < MMR_BUS_TURN_MAX && mmr_bus_has_room(p->bus); t++) {
            struct mmr_bus_msg *m;
            int r = mmr_link_recv(p, n->conn[i].sock, &m);
            if (r == MMR_EAGAIN)
                break;
            if (r == 0 && !on_frame(n, i, m, now_ns))
                mmr_bus_msg_free(m);
        }
    }
}

static void on_close(struct mmr_bus_part *p)
{
    struct mmr_site_node *n = node_of(p);
    const int linger_ms = 200; /* for the goodbye alone */
    for (unsigned i = 0; i < MMR_SITE_CONNECTIONS; i++) {
        struct conn *c = &n->conn[i];
        if (c->state == UP && i == MMR_SITE_URGENT) {
            struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_BYE, 0, n->epoch, n->boot);
            memcpy(e.node, n->id, 16);
            (void)mmr_link_send_envelope(c->sock, NULL, 0, &e, NULL);
            (void)zmq_setsockopt(c->sock, ZMQ_LINGER, &linger_ms, sizeof linger_ms);
        }
        (void)zmq_socket_monitor(c->sock, NULL, 0);
        (void)zmq_close(c->monitor);
        (void)zmq_close(c->sock);
    }
}

/* ---- [loop] ---- */

static void on_deliver(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_site_node *n = node_of(p);
    switch (m->op) {
    case OP_STATE:
        if (n->ops->state)
            n->ops->state(n->ctx, m->a != 0);
        break;
    case OP_ACKED:
        if (n->ops->acked)
            n->ops->acked(n->ctx, (uint32_t)m->a, m->b);
        break;
    case OP_ROTATED:
        if (n->ops->rotated)
            n->ops->rotated(n->ctx);
        break;
    case OP_HUB_ROTATED:
        if (n->ops->hub_rotated)
            n->ops->hub_rotated(n->ctx);
        break;
    case OP_ROLLED_BACK:
        if (n->ops->rolled_back)
            n->ops->rolled_back(n->ctx);
        break;
    case OP_REFUSED:
        if (n->ops->refused)
            n->ops->refused(n->ctx, (const char *)m->bytes);
        break;
    case OP_ORDER: {
        struct mmr_wire_cursor cur = {m->env.body + m->a, m->env.body + m->env.body_len, false};
        struct mmr_wire_record r;
        char name[MMR_SITE_NAME_MAX + 1];
        if (!mmr_record_next(&cur, &r) || !r.name || r.name_len > MMR_SITE_NAME_MAX)
            break;
        memcpy(name, r.name, r.name_len);
        name[r.name_len] = '\0';
        struct mmr_site_record rec = {.node = "hub", .instance = name, .kind = r.kind, .lane = MMR_LANE_URGENT,
                                      .number = r.number, .bytes = r.bytes, .len = r.len};
        n->ops->order(n->ctx, &rec);
        break;
    }
    default:
        break;
    }
}

static void on_turn(struct mmr_bus_part *p)
{
    (void)p;
}

static const struct mmr_bus_part_ops part_ops = {
    .command = on_command, .tick = on_tick, .poll = on_poll, .ready = on_ready, .deliver = on_deliver,
    .turn = on_turn, .close = on_close,
};

static int open_conn(struct mmr_site_node *n, struct mmr_bus *bus, unsigned i, const char *endpoint, struct mmr_error *err)
{
    struct conn *c = &n->conn[i];
    const int ivl = (int)n->cfg.reconnect_ms, ivl_max = 60000;
    int len = snprintf(c->endpoint, sizeof c->endpoint, "%s", endpoint);
    if (len < 0 || (size_t)len >= sizeof c->endpoint)
        return mmr_fail(err, MMR_EINVAL, "bus: hub endpoint '%.60s…' is longer than 127 bytes", endpoint);
    if (!(c->sock = mmr_bus_socket(bus, ZMQ_DEALER, err)))
        return MMR_EIO;
    int r = mmr_site_socket_setup(c->sock, &n->keys, n->hub.curve, err);
    if (r)
        return r;
    (void)zmq_setsockopt(c->sock, ZMQ_RECONNECT_IVL, &ivl, sizeof ivl);
    (void)zmq_setsockopt(c->sock, ZMQ_RECONNECT_IVL_MAX, &ivl_max, sizeof ivl_max);
    if (!(c->monitor = mmr_link_monitor(bus, c->sock, err)))
        return MMR_EIO;
    if (zmq_connect(c->sock, endpoint) != 0)
        return mmr_fail(err, MMR_EIO, "bus: connect to hub '%s': %s", endpoint, zmq_strerror(errno));
    return 0;
}

static void free_node(struct mmr_site_node *n)
{
    mmr_keys_done(&n->keys);
    (void)pthread_mutex_destroy(&n->clock.lock);
    free(n);
}

int mmr_site_node_new(struct mmr_bus *bus, const char *urgent, const char *bulk, const char *name,
                      const struct mmr_keys *keys, const struct mmr_public_keys *hub,
                      const struct mmr_spool_ops *spool_ops, void *spool, const struct mmr_site_node_ops *ops,
                      void *ctx, const struct mmr_site_config *cfg, struct mmr_site_node **ret_node,
                      struct mmr_error *err)
{
    struct mmr_site_node *n = calloc(1, sizeof *n);
    if (!n)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory for node '%s'", name);
    (void)pthread_mutex_init(&n->clock.lock, NULL);
    n->part.ops = &part_ops;
    n->ops = ops;
    n->ctx = ctx;
    n->spool_ops = spool_ops;
    n->spool = spool;
    n->cfg = mmr_site_config_of(cfg);
    n->keys = *keys;
    n->hub = *hub;
    mmr_site_node_id(keys->pub.curve, n->id);
    mmr_link_boot_id(n->boot);
    spool_ops->epoch(spool, n->epoch);
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        uint64_t first, last;
        spool_ops->range(spool, lane, &first, &last);
        atomic_store(&n->last[lane], last);
        n->acked[lane] = first - 1;
        n->next[lane] = first;
    }
    int r = open_conn(n, bus, MMR_SITE_URGENT, urgent, err);
    if (r == 0)
        r = open_conn(n, bus, MMR_SITE_BULK, bulk, err);
    if (r == 0)
        r = mmr_bus_attach(bus, &n->part, err);
    if (r) {
        for (unsigned i = 0; i < MMR_SITE_CONNECTIONS; i++) {
            if (n->conn[i].monitor)
                (void)zmq_close(n->conn[i].monitor);
            if (n->conn[i].sock)
                (void)zmq_close(n->conn[i].sock);
        }
        free_node(n);
        return r;
    }
    *ret_node = n;
    return 0;
}

void mmr_site_node_free(struct mmr_site_node *node)
{
    if (!node)
        return;
    mmr_bus_detach(&node->part);
    free_node(node);
}

/* These numbers are in the spool to stay: the bus thread may send them. */
static void publish(struct mmr_site_node *n, uint32_t lane, uint64_t last)
{
    if (last <= atomic_load(&n->last[lane]))
        return;
    bool is_batch = last / MMR_BATCH_RECORDS_MAX != atomic_load(&n->last[lane]) / MMR_BATCH_RECORDS_MAX;
    atomic_store(&n->last[lane], last);
    int64_t none = 0;
    bool is_first = lane >= MMR_LANE_OTHER && atomic_compare_exchange_strong(&n->bulk_since, &none, mmr_clock_mono_ns());
    if (is_first || lane <= MMR_LANE_FINDING || is_batch)
        mmr_bus_wake(n->part.bus);
}

int mmr_site_node_send(struct mmr_site_node *node, uint32_t lane, const char *instance, uint32_t kind,
                       uint64_t number, const void *bytes, size_t len, uint64_t *ret_seq)
{
    uint64_t seq;
    size_t name_len = strlen(instance);
    if (lane >= MMR_LANES || name_len == 0 || name_len > MMR_SITE_NAME_MAX)
        return MMR_EINVAL;
    if (len > MMR_SITE_RECORD_MAX)
        return MMR_ETOOBIG;
    int r = node->spool_ops->append(node->spool, lane, kind, instance, number, bytes, len, &seq);
    if (r)
        return r;
    if (ret_seq)
        *ret_seq = seq;
    if (!node->spool_ops->is_durable)
        publish(node, lane, seq);
    return 0;
}

void mmr_site_node_committed(struct mmr_site_node *node)
{
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        uint64_t first, last;
        node->spool_ops->range(node->spool, lane, &first, &last);
        publish(node, lane, last);
    }
}

int mmr_site_node_rotate(struct mmr_site_node *node, const struct mmr_keys *next)
{
    struct mmr_bus_msg *m = mmr_bus_msg_new(&node->part, OP_ROTATE, MMR_KEY + MMR_SITE_ROTATION_MAX);
    if (!m)
        return MMR_ENOMEM;
    memcpy(m->bytes, next->pub.curve, MMR_KEY);
    m->len = MMR_KEY + mmr_site_rotation_put(node->id, next, m->bytes + MMR_KEY);
    return mmr_bus_post(m) ? 0 : MMR_EAGAIN;
}

int mmr_site_node_hub_next(struct mmr_site_node *node, const struct mmr_public_keys *next)
{
    struct mmr_bus_msg *m = mmr_bus_msg_new(&node->part, OP_HUB_NEXT, (size_t)2 * MMR_KEY);
    if (!m)
        return MMR_ENOMEM;
    memcpy(m->bytes, next->curve, MMR_KEY);
    memcpy(m->bytes + MMR_KEY, next->sign, MMR_KEY);
    return mmr_bus_post(m) ? 0 : MMR_EAGAIN;
}

bool mmr_site_node_clock(const struct mmr_site_node *node, struct mmr_site_clock *ret_clock)
{
    struct mmr_site_node *n = node_of((struct mmr_bus_part *)(uintptr_t)&node->part); /* the lock is not the node's state */
    return mmr_clock_filter_best(&n->clock, ret_clock);
}
