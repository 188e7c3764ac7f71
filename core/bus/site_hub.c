/*
 * site_hub.c - the hub's end of the site link. Every byte and every claim of a node is checked: who it is comes
 * from the key of its connection, looked up in the allow-list for each message.
 */
#include "bus/site_hub_internal.h"

#include "util/clock.h"
#include "util/id.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

enum { ORDERS_MAX = 256 };
enum { ZAP_ENFORCE_DOMAIN = 93 }; /* ZMQ_ZAP_ENFORCE_DOMAIN: the header hides it, the library has it */

static struct mmr_site_hub *hub_of(struct mmr_bus_part *p)
{
    return (struct mmr_site_hub *)p; /* first member */
}

/* ---- [bus] ---- */

static void tell(struct mmr_site_hub *hub, struct mmr_hub_node *n, uint32_t op, uint64_t a)
{
    struct mmr_bus_msg *m = mmr_bus_msg_new(&hub->part, op, 16 + sizeof n->first);
    if (!m)
        return;
    m->p = n;
    m->a = a;
    m->b = n->session;
    memcpy(m->bytes, n->epoch, 16);
    memcpy(m->bytes + 16, n->first, sizeof n->first);
    (void)mmr_bus_deliver(m);
}

static void free_orders(struct mmr_hub_node *n)
{
    struct mmr_bus_msg *m;
    while ((m = n->orders)) {
        n->orders = m->next;
        atomic_fetch_sub(&n->n_orders, 1);
        mmr_bus_msg_free(m);
    }
    n->orders_end = &n->orders;
}

static void go_silent(struct mmr_site_hub *hub, struct mmr_hub_node *n, bool is_bye)
{
    if (n->state == MMR_HUB_UP)
        tell(hub, n, MMR_HUB_GONE, is_bye);
    n->state = MMR_HUB_SILENT;
    n->has_rid[0] = n->has_rid[1] = false;
    atomic_store(&n->is_up, 0);
    atomic_store(&n->is_welcomed, 0);
    free_orders(n);
}

static struct mmr_envelope envelope_for(struct mmr_site_hub *hub, const struct mmr_hub_node *n, uint32_t kind, uint32_t lane)
{
    struct mmr_envelope e = mmr_link_envelope(kind, lane, n->epoch, hub->boot);
    memcpy(e.node, n->bus_id, 16);
    return e;
}

static int answer(struct mmr_site_hub *hub, const struct mmr_hub_node *n, unsigned c, uint32_t kind, uint32_t lane, uint64_t seq,
                  uint32_t flags)
{
    struct mmr_envelope e = envelope_for(hub, n, kind, lane);
    e.seq = seq;
    e.flags = flags;
    return mmr_link_send_envelope(hub->sock[c], n->rid[c].b, n->rid[c].len, &e, NULL);
}

static void send_welcome(struct mmr_site_hub *hub, struct mmr_hub_node *n, unsigned c)
{
    uint8_t body[64], *b = body;
    struct mmr_envelope e = envelope_for(hub, n, MMR_FRAME_WELCOME, c == MMR_SITE_URGENT ? 0 : 2);
    b += mmr_wire_put_int(b, n->hello_wall_ns[c][0]);
    b += mmr_wire_put_int(b, n->hello_wall_ns[c][1]);
    for (unsigned lane = 0; lane < MMR_LANES; lane++)
        b += mmr_wire_put_uint(b, n->ack_sent[lane]);
    e.body_type = MMR_BODY_FIELDS;
    e.body = body;
    e.body_len = (size_t)(b - body);
    (void)mmr_link_send_envelope(hub->sock[c], n->rid[c].b, n->rid[c].len, &e, NULL);
}

static void send_ping(struct mmr_site_hub *hub, struct mmr_hub_node *n, int64_t now_ns)
{
    struct mmr_envelope e = envelope_for(hub, n, MMR_FRAME_PING, 0);
    (void)mmr_link_send_envelope(hub->sock[0], n->rid[0].b, n->rid[0].len, &e, NULL);
    n->pinged_ns = now_ns;
}

static void on_command(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_site_hub *hub = hub_of(p);
    struct mmr_hub_node *n = m->p;
    if (m->op == MMR_HUB_ORDER) {
        if (n->state == MMR_HUB_UP) {
            *n->orders_end = m;
            n->orders_end = &m->next;
            return;
        }
        atomic_fetch_sub(&n->n_orders, 1);
    } else if (m->op == MMR_HUB_ROTATE) {
        if (n->state == MMR_HUB_UP) {
            uint8_t body[MMR_KEY + 8];
            struct mmr_envelope e = envelope_for(hub, n, MMR_FRAME_ROTATE, 0);
            e.body_type = MMR_BODY_FIELDS;
            e.body = body;
            e.body_len = mmr_wire_put_bin(body, m->bytes, MMR_KEY);
            (void)mmr_link_send_envelope(hub->sock[0], n->rid[0].b, n->rid[0].len, &e, hub->keys.sign_secret);
        }
    } else if (n->state == MMR_HUB_WAITS && memcmp(m->bytes, n->epoch, 16) == 0) { /* MMR_HUB_WELCOME */
        for (unsigned lane = 0; lane < MMR_LANES; lane++) {
            uint64_t upto;
            memcpy(&upto, m->bytes + 16 + lane * sizeof upto, sizeof upto);
            if (n->expected[lane] <= upto)
                n->expected[lane] = upto + 1;
            n->ack_sent[lane] = upto;
            n->is_gap_told[lane] = false;
        }
        n->state = MMR_HUB_UP;
        atomic_store(&n->is_up, 1);
        for (unsigned c = 0; c < MMR_SITE_CONNECTIONS; c++)
            if (n->has_rid[c])
                send_welcome(hub, n, c);
        send_ping(hub, n, mmr_clock_mono_ns());
    }
    mmr_bus_msg_free(m);
}

static void flush_node(struct mmr_site_hub *hub, struct mmr_hub_node *n, int64_t now_ns)
{
    struct mmr_bus_msg *m;
    n->retry_ns = 0;
    while ((m = n->orders)) {
        int r = mmr_link_send(hub->sock[0], n->rid[0].b, n->rid[0].len, m->bytes, m->len);
        if (r == MMR_EAGAIN) { /* a ROUTER cannot be polled for one peer's room */
            n->retry_ns = now_ns + 2 * MMR_NS_PER_MS;
            return;
        }
        if (r) {
            go_silent(hub, n, false);
            return;
        }
        n->orders = m->next;
        if (!m->next)
            n->orders_end = &n->orders;
        atomic_fetch_sub(&n->n_orders, 1);
        mmr_bus_msg_free(m);
    }
    if (!atomic_exchange(&n->has_acks, 0) || atomic_load(&n->ack_session) != n->session)
        return;
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        unsigned c = mmr_site_connection(lane);
        uint64_t upto = atomic_load(&n->ack[lane]);
        if (upto <= n->ack_sent[lane] || upto >= n->expected[lane] || !n->has_rid[c])
            continue;
        int r = answer(hub, n, c, MMR_FRAME_ACK, lane, upto, 0);
        if (r == 0)
            n->ack_sent[lane] = upto;
        else if (r == MMR_ENOENT)
            n->has_rid[c] = false; /* the connection is gone; its next HELLO gets the numbers */
        else {
            atomic_store(&n->has_acks, 1);
            n->retry_ns = now_ns + 2 * MMR_NS_PER_MS;
        }
    }
}

static int64_t on_tick(struct mmr_bus_part *p, int64_t now_ns)
{
    struct mmr_site_hub *hub = hub_of(p);
    int64_t at = INT64_MAX;
    (void)pthread_mutex_lock(&hub->lock);
    uint32_t count = hub->n_nodes;
    (void)pthread_mutex_unlock(&hub->lock);
    for (uint32_t i = 0; i < count; i++) {
        struct mmr_hub_node *n = hub->node[i];
        const int64_t mute_at = mmr_hub_look_for_mute(hub, n, now_ns);
        at = mute_at < at ? mute_at : at;
        if (n->state != MMR_HUB_UP)
            continue;
        int64_t lost_at = n->heard_ns + hub->cfg.lost_ms * MMR_NS_PER_MS;
        if (!n->is_allowed || (now_ns >= lost_at && mmr_bus_has_room(p->bus))) {
            go_silent(hub, n, false);
            continue;
        }
        if (now_ns - n->pinged_ns >= hub->cfg.ping_ms * MMR_NS_PER_MS)
            send_ping(hub, n, now_ns);
        flush_node(hub, n, now_ns);
        int64_t ping_at = n->pinged_ns + hub->cfg.ping_ms * MMR_NS_PER_MS;
        at = ping_at < at ? ping_at : at;
        at = lost_at > now_ns && lost_at < at ? lost_at : at;
        at = n->retry_ns && n->retry_ns < at ? n->retry_ns : at;
    }
    return at;
}

static size_t on_poll(struct mmr_bus_part *p, zmq_pollitem_t *items)
{
    struct mmr_site_hub *hub = hub_of(p);
    short in = mmr_bus_has_room(p->bus) ? ZMQ_POLLIN : 0;
    items[0] = (zmq_pollitem_t){.socket = hub->zap, .events = ZMQ_POLLIN};
    items[1] = (zmq_pollitem_t){.socket = hub->sock[MMR_SITE_URGENT], .events = in};
    items[2] = (zmq_pollitem_t){.socket = hub->sock[MMR_SITE_BULK], .events = in};
    for (unsigned c = 0; c < MMR_SITE_CONNECTIONS; c++)
        items[3 + c] = (zmq_pollitem_t){.socket = hub->monitor[c], .events = ZMQ_POLLIN};
    return 3 + MMR_SITE_CONNECTIONS;
}

/* First and last number of each lane; what cannot be read says that nothing is kept. */
static void read_range(struct mmr_hub_node *n, const struct mmr_envelope *e)
{
    struct mmr_wire_cursor cur = {e->body, e->body + e->body_len, e->body_type != MMR_BODY_FIELDS};
    for (unsigned lane = 0; lane < MMR_LANES; lane++) {
        uint64_t first = mmr_wire_uint(&cur);
        (void)mmr_wire_uint(&cur);
        n->first[lane] = cur.bad || first == 0 ? 1 : first;
    }
}

static void on_hello(struct mmr_site_hub *hub, struct mmr_hub_node *n, unsigned c, const struct mmr_link_rid *rid,
                     const struct mmr_envelope *e, int64_t now_ns)
{
    n->rid[c] = *rid; /* the newest connection of this key is the node */
    n->hello_wall_ns[c][0] = e->t_wall_ns;
    n->hello_wall_ns[c][1] = mmr_clock_wall_ns();
    n->heard_ns = now_ns;
    mmr_clock_filter_glance(&n->clock, e->t_wall_ns, n->hello_wall_ns[c][1], memcmp(n->boot, e->boot, 16) != 0);
    memcpy(n->boot, e->boot, 16);
    bool is_same = memcmp(n->epoch, e->epoch, 16) == 0 && n->session != 0;
    if (c == MMR_SITE_BULK) { /* joins the session of the urgent connection, which may come after it */
        n->has_rid[c] = true;
        memcpy(n->bulk_epoch, e->epoch, 16);
        if (n->state == MMR_HUB_UP && is_same)
            send_welcome(hub, n, c);
        return;
    }
    bool has_bulk = n->has_rid[MMR_SITE_BULK] && memcmp(n->bulk_epoch, e->epoch, 16) == 0;
    if (n->state == MMR_HUB_UP)
        go_silent(hub, n, false);
    n->has_rid[MMR_SITE_URGENT] = true;
    n->has_rid[MMR_SITE_BULK] = has_bulk;
    if (!is_same)
        for (unsigned lane = 0; lane < MMR_LANES; lane++)
            n->expected[lane] = 1;
    memcpy(n->epoch, e->epoch, 16);
    read_range(n, e);
    n->state = MMR_HUB_WAITS;
    n->session++;
    tell(hub, n, MMR_HUB_HELLO, 0);
}

/* DATA or RECEIPT of a session. true: m was passed on. */
static bool on_data(struct mmr_site_hub *hub, struct mmr_hub_node *n, struct mmr_bus_msg *m, const uint8_t sign[MMR_KEY],
                    unsigned c, int64_t now_ns)
{
    const struct mmr_envelope *e = &m->env;
    uint32_t count = e->body_type == MMR_BODY_RECORDS ? mmr_records_count(e->body, e->body_len) : 0;
    if (count == 0 || e->seq == 0 || mmr_site_connection(e->lane) != c || memcmp(e->epoch, n->epoch, 16) != 0 ||
        (e->kind == MMR_FRAME_RECEIPT) != (e->lane == MMR_LANE_URGENT)) {
        (void)mmr_hub_misbehaved(hub, n, "records that cannot be read, or of another epoch", NULL, now_ns);
        return false;
    }
    if (e->lane == MMR_LANE_URGENT && !mmr_frame_is_signed_by(e, sign)) {
        (void)mmr_hub_misbehaved(hub, n, MMR_SITE_CANNOT_SIGN, NULL, now_ns);
        return false;
    }
    uint64_t *expected = &n->expected[e->lane];
    if (e->seq + count <= *expected) { /* all known: an acknowledgement was lost */
        if (e->seq + count - 1 <= n->ack_sent[e->lane])
            (void)answer(hub, n, c, MMR_FRAME_ACK, e->lane, n->ack_sent[e->lane], 0);
        return false;
    }
    if (e->seq > *expected && !((e->flags & MMR_SITE_SKIPPED) && e->lane >= MMR_LANE_OTHER)) {
        if (!n->is_gap_told[e->lane]) {
            n->is_gap_told[e->lane] = true;
            (void)answer(hub, n, c, MMR_FRAME_ACK, e->lane, n->ack_sent[e->lane], MMR_LINK_GO_BACK);
        }
        return false;
    }
    m->op = MMR_HUB_DATA;
    m->p = n;
    m->a = e->seq < *expected ? *expected : e->seq; /* the first that is new */
    m->b = n->session;
    *expected = e->seq + count;
    n->is_gap_told[e->lane] = false;
    (void)mmr_bus_deliver(m); /* room was asked for before receiving */
    return true;
}

/* A node gives its next keys, signed by its present ones (the envelope) and by the next (possession). true: m was passed on. */
static bool on_rotate(struct mmr_site_hub *hub, struct mmr_hub_node *n, struct mmr_bus_msg *m, const uint8_t sign[MMR_KEY],
                      int64_t now_ns)
{
    struct mmr_public_keys next;
    if (!mmr_frame_is_signed_by(&m->env, sign) || !mmr_site_rotation_read(&m->env, &next)) {
        (void)mmr_hub_misbehaved(hub, n, "new keys without the signatures of the old and the new one", NULL, now_ns);
        return false;
    }
    m->op = MMR_HUB_ROTATE;
    m->p = n;
    m->b = n->session;
    (void)mmr_bus_deliver(m);
    return true;
}

/* Who sent this, by the key of its connection; of the payload frame: 4.3.4 loses the metadata of the routing id's frame. */
static struct mmr_hub_node *sender_of(struct mmr_site_hub *hub, struct mmr_bus_msg *m, struct mmr_hub_key *key, bool *is_next)
{
    uint8_t curve[MMR_KEY];
    size_t got = 0;
    const char *user = m && m->has_frame ? zmq_msg_gets(&m->frame, "User-Id") : NULL;
    if (!user || sodium_hex2bin(curve, sizeof curve, user, strlen(user), NULL, &got, NULL) != 0 || got != MMR_KEY)
        return NULL;
    return mmr_hub_find_key(hub, curve, key, is_next);
}

static const char *source_of(struct mmr_bus_msg *m)
{
    return m && m->has_frame ? zmq_msg_gets(&m->frame, "Peer-Address") : NULL;
}

static void on_frame(struct mmr_site_hub *hub, unsigned c, const struct mmr_link_rid *rid, struct mmr_bus_msg *m,
                     int64_t now_ns)
{
    struct mmr_hub_key key;
    bool is_next = false;
    struct mmr_hub_node *n = sender_of(hub, m, &key, &is_next);
    const uint8_t *sign = key.pub.sign, *id = key.id;
    if (!n) {
        (void)mmr_hub_misbehaved(hub, NULL, "a revoked key still sends on its open connection", source_of(m), now_ns);
        mmr_bus_msg_free(m);
        return; /* never answered */
    }
    const struct mmr_envelope *e = &m->env;
    n->let_in_ns = 0;
    memcpy(n->bus_id, id, 16);
    if (memcmp(e->node, id, 16) != 0) {
        (void)mmr_hub_misbehaved(hub, n, MMR_SITE_CLAIMS_ANOTHER, NULL, now_ns);
        mmr_bus_msg_free(m);
        return;
    }
    bool is_session = n->has_rid[c] && mmr_link_rid_equal(rid, &n->rid[c]) && n->state != MMR_HUB_SILENT;
    if (e->kind == MMR_FRAME_HELLO) {
        if (is_next) /* told before the HELLO is: the old key is over from here on */
            tell(hub, n, MMR_HUB_ROTATED, 0);
        on_hello(hub, n, c, rid, e, now_ns);
    } else if (!is_session) {
        struct mmr_envelope a = envelope_for(hub, n, MMR_FRAME_ERROR, 0);
        a.flags = MMR_LINK_SAY_HELLO;
        (void)mmr_link_send_envelope(hub->sock[c], rid->b, rid->len, &a, NULL);
    } else {
        n->heard_ns = now_ns;
        struct mmr_wire_cursor cur = {e->body, e->body + e->body_len, false};
        switch (e->kind) {
        case MMR_FRAME_PING:
            (void)mmr_site_pong(hub->sock[c], rid, e, mmr_clock_wall_ns(), n->bus_id, hub->boot);
            break;
        case MMR_FRAME_PONG: {
            int64_t t1 = mmr_wire_int(&cur), t2 = mmr_wire_int(&cur);
            if (!cur.bad)
                mmr_clock_filter_add(&n->clock, t1, t2, e->t_wall_ns, mmr_clock_wall_ns());
            break;
        }
        case MMR_FRAME_BYE:
            go_silent(hub, n, true);
            break;
        case MMR_FRAME_ROTATE:
            if (n->state == MMR_HUB_UP && c == MMR_SITE_URGENT && on_rotate(hub, n, m, sign, now_ns))
                return;
            break;
        case MMR_FRAME_DATA:
        case MMR_FRAME_RECEIPT:
            if (n->state == MMR_HUB_UP && on_data(hub, n, m, sign, c, now_ns))
                return;
            break;
        default:
            (void)mmr_hub_misbehaved(hub, n, "a message of a kind nodes do not send", NULL, now_ns);
            break;
        }
    }
    mmr_bus_msg_free(m);
}

/* Told to a member, seldom: its mamori may be of a later version. */
static void cannot_read(struct mmr_site_hub *hub, unsigned c, const struct mmr_hub_node *n, const struct mmr_link_rid *rid)
{
    struct mmr_envelope a = envelope_for(hub, n, MMR_FRAME_ERROR, 0);
    a.flags = MMR_LINK_CANNOT_READ;
    (void)mmr_link_send_envelope(hub->sock[c], rid->b, rid->len, &a, NULL);
}

static void on_ready(struct mmr_bus_part *p, const zmq_pollitem_t *items, size_t count, int64_t now_ns)
{
    struct mmr_site_hub *hub = hub_of(p);
    (void)count;
    if (items[0].revents & ZMQ_POLLIN)
        for (unsigned i = 0; i < MMR_BUS_TURN_MAX && mmr_hub_serve_zap(hub, now_ns); i++)
            ;
    for (unsigned c = 0; c < MMR_SITE_CONNECTIONS; c++) {
        if (items[3 + c].revents & ZMQ_POLLIN)
            mmr_hub_watch_door(hub, c, now_ns);
        if (!(items[1 + c].revents & ZMQ_POLLIN))
            continue;
        for (unsigned t = 0; t < MMR_BUS_TURN_MAX && mmr_bus_has_room(p->bus); t++) {
            struct mmr_link_rid rid;
            struct mmr_bus_msg *m;
            int r = mmr_link_recv_from(p, hub->sock[c], &rid, &m);
            if (r == MMR_EAGAIN)
                break;
            if (r) {
                struct mmr_hub_node *n = sender_of(hub, m, NULL, NULL);
                if (mmr_hub_misbehaved(hub, n, "a message that cannot be read", source_of(m), now_ns) && n)
                    cannot_read(hub, c, n, &rid);
                mmr_bus_msg_free(m);
            } else {
                on_frame(hub, c, &rid, m, now_ns);
            }
        }
    }
}

static void close_sockets(struct mmr_site_hub *hub)
{
    for (unsigned c = 0; c < MMR_SITE_CONNECTIONS; c++) {
        if (hub->monitor[c])
            (void)zmq_socket_monitor(hub->sock[c], NULL, 0);
        if (hub->sock[c])
            (void)zmq_close(hub->sock[c]);
        if (hub->monitor[c])
            (void)zmq_close(hub->monitor[c]);
        hub->monitor[c] = NULL;
    }
    if (hub->zap) /* last: as long as the others are open somebody must answer */
        (void)zmq_close(hub->zap);
    hub->zap = hub->sock[0] = hub->sock[1] = NULL;
}

static void on_close(struct mmr_bus_part *p)
{
    struct mmr_site_hub *hub = hub_of(p);
    for (uint32_t i = 0; i < hub->n_nodes; i++)
        free_orders(hub->node[i]);
    close_sockets(hub);
}

/* ---- [loop] ---- */

static void deliver_records(struct mmr_site_hub *hub, const struct mmr_hub_node *n, const struct mmr_bus_msg *m)
{
    struct mmr_wire_cursor cur = {m->env.body, m->env.body + m->env.body_len, false};
    struct mmr_wire_record r;
    for (uint64_t seq = m->env.seq; n->is_loop_allowed && mmr_record_next(&cur, &r); seq++) {
        char name[MMR_SITE_NAME_MAX + 1];
        uint32_t len = r.name && r.name_len <= MMR_SITE_NAME_MAX ? r.name_len : 0;
        if (seq < m->a)
            continue;
        if (len)
            memcpy(name, r.name, len);
        name[len] = '\0';
        struct mmr_site_record rec = {.node = n->name, .instance = name, .kind = r.kind, .lane = m->env.lane, .seq = seq,
                                      .number = r.number, .epoch = m->env.epoch, .bytes = r.bytes, .len = r.len};
        hub->ops->record(hub->ctx, &rec);
    }
}

/* The owner keeps the next keys, then they are admitted, then the node hears of it. */
static void take_rotation(struct mmr_site_hub *hub, struct mmr_hub_node *n, const struct mmr_bus_msg *m)
{
    struct mmr_public_keys next;
    if (!hub->ops->rotate || !mmr_site_rotation_read(&m->env, &next) || hub->ops->rotate(hub->ctx, n->name, &next) != 0 ||
        mmr_site_hub_allow_next(hub, n->name, &next, NULL) != 0)
        return;
    struct mmr_bus_msg *answer = mmr_bus_msg_new(&hub->part, MMR_HUB_ROTATE, MMR_KEY);
    if (!answer)
        return; /* the node asks again */
    answer->p = n;
    memcpy(answer->bytes, next.curve, MMR_KEY);
    (void)mmr_bus_post(answer);
}

static void on_deliver(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_site_hub *hub = hub_of(p);
    struct mmr_hub_node *n = m->p;
    if (m->op == MMR_HUB_BAD) {
        if (hub->ops->misbehaved)
            hub->ops->misbehaved(hub->ctx, n ? n->name : "", m->a, (const char *)m->bytes);
        return;
    }
    if (!n || (!n->is_loop_allowed && m->op != MMR_HUB_GONE))
        return;
    if (m->op == MMR_HUB_ROTATE) {
        take_rotation(hub, n, m);
    } else if (m->op == MMR_HUB_ROTATED) {
        if (mmr_hub_promote(hub, n) && hub->ops->rotated)
            hub->ops->rotated(hub->ctx, n->name, &n->key.pub);
    } else if (m->op == MMR_HUB_HELLO) {
        memcpy(n->loop_epoch, m->bytes, 16);
        memcpy(n->loop_first, m->bytes + 16, sizeof n->loop_first);
        n->loop_session = (uint32_t)m->b;
        hub->ops->hello(hub->ctx, n->name, n->loop_epoch);
    } else if (m->op == MMR_HUB_DATA) {
        deliver_records(hub, n, m);
    } else if (m->op == MMR_HUB_GONE && hub->ops->gone) {
        hub->ops->gone(hub->ctx, n->name, m->a != 0);
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

static int open_socket(struct mmr_site_hub *hub, struct mmr_bus *bus, unsigned c, const char *endpoint,
                       struct mmr_error *err)
{
    static const char domain[] = "mamori";
    const int one = 1, zero = 0, backlog = 1024;
    size_t size = sizeof hub->endpoint[c];
    void *s = hub->sock[c] = mmr_bus_socket(bus, ZMQ_ROUTER, err);
    if (!s)
        return MMR_EIO;
    int r = mmr_site_socket_setup(s, &hub->keys, NULL, err);
    if (!r && !(hub->monitor[c] = mmr_hub_monitor(bus, s, err)))
        r = MMR_EIO;
    if (r)
        return r;
    if (zmq_setsockopt(s, ZMQ_ZAP_DOMAIN, domain, sizeof domain - 1) != 0 ||
        zmq_setsockopt(s, ZAP_ENFORCE_DOMAIN, &one, sizeof one) != 0 ||
        zmq_setsockopt(s, ZMQ_ROUTER_MANDATORY, &one, sizeof one) != 0 ||
        zmq_setsockopt(s, ZMQ_ROUTER_HANDOVER, &zero, sizeof zero) != 0 ||
        zmq_setsockopt(s, ZMQ_BACKLOG, &backlog, sizeof backlog) != 0 || zmq_bind(s, endpoint) != 0 ||
        zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, hub->endpoint[c], &size) != 0)
        return mmr_fail(err, MMR_EIO, "'%s' cannot be listened on: %s%s", endpoint, zmq_strerror(errno),
                        errno == EADDRINUSE ? "; another program has this port ('ss -ltnp' names it): end it, or choose another" : "");
    return 0;
}

static void free_hub(struct mmr_site_hub *hub)
{
    for (uint32_t i = 0; i < hub->n_nodes; i++) {
        (void)pthread_mutex_destroy(&hub->node[i]->clock.lock);
        free(hub->node[i]);
    }
    (void)pthread_mutex_destroy(&hub->lock);
    mmr_keys_done(&hub->keys);
    free(hub);
}

int mmr_site_hub_new(struct mmr_bus *bus, const char *urgent, const char *bulk, const struct mmr_keys *keys,
                     const struct mmr_site_hub_ops *ops, void *ctx, const struct mmr_site_config *cfg,
                     struct mmr_site_hub **ret_hub, struct mmr_error *err)
{
    int r = 0;
    struct mmr_site_hub *hub = calloc(1, sizeof *hub);
    if (!hub)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory for the site's hub");
    (void)pthread_mutex_init(&hub->lock, NULL);
    hub->part.ops = &part_ops;
    hub->ops = ops;
    hub->ctx = ctx;
    hub->cfg = mmr_site_config_of(cfg);
    hub->keys = *keys;
    mmr_uuid7(mmr_clock_wall_ns(), hub->epoch);
    mmr_link_boot_id(hub->boot);
    mmr_hub_rebuild_table(hub);
    /* the handler first: without one CURVE lets everybody in */
    if (!(hub->zap = zmq_socket(mmr_bus_context(bus), ZMQ_REP)))
        r = mmr_fail(err, MMR_EIO, "bus: key check: %s", zmq_strerror(errno));
    else if (zmq_bind(hub->zap, "inproc://zeromq.zap.01") != 0)
        r = mmr_fail(err, MMR_EIO, "bus: key check: %s; a process has one hub at most", zmq_strerror(errno));
    if (r == 0)
        r = open_socket(hub, bus, MMR_SITE_URGENT, urgent, err);
    if (r == 0)
        r = open_socket(hub, bus, MMR_SITE_BULK, bulk, err);
    if (r == 0)
        r = mmr_bus_attach(bus, &hub->part, err);
    if (r) {
        close_sockets(hub);
        free_hub(hub);
        return r;
    }
    *ret_hub = hub;
    return 0;
}

void mmr_site_hub_free(struct mmr_site_hub *hub)
{
    if (!hub)
        return;
    mmr_bus_detach(&hub->part);
    free_hub(hub);
}

const char *mmr_site_hub_endpoint(const struct mmr_site_hub *hub, bool is_bulk)
{
    return hub->endpoint[is_bulk ? MMR_SITE_BULK : MMR_SITE_URGENT];
}

void mmr_site_hub_welcome(struct mmr_site_hub *hub, const char *node, const uint8_t epoch[16],
                          const uint64_t upto[MMR_LANES])
{
    struct mmr_hub_node *n = mmr_hub_find_name(hub, node);
    struct mmr_bus_msg *m = n ? mmr_bus_msg_new(&hub->part, MMR_HUB_WELCOME, 16 + MMR_LANES * sizeof upto[0]) : NULL;
    if (!m)
        return; /* the node says HELLO again */
    m->p = n;
    memcpy(m->bytes, epoch, 16);
    memcpy(m->bytes + 16, upto, MMR_LANES * sizeof upto[0]);
    if (mmr_bus_post(m))
        atomic_store(&n->is_welcomed, 1);
}

void mmr_site_hub_spooled(struct mmr_site_hub *hub, const char *node, uint64_t ret_first[MMR_LANES])
{
    const struct mmr_hub_node *n = mmr_hub_find_name(hub, node);
    for (unsigned lane = 0; lane < MMR_LANES; lane++)
        ret_first[lane] = n && n->loop_first[lane] ? n->loop_first[lane] : 1;
}

void mmr_site_hub_ack(struct mmr_site_hub *hub, const char *node, const uint8_t epoch[16], uint32_t lane,
                      uint64_t upto)
{
    struct mmr_hub_node *n = mmr_hub_find_name(hub, node);
    if (!n || lane >= MMR_LANES || memcmp(epoch, n->loop_epoch, 16) != 0)
        return;
    if (atomic_load(&n->ack_session) != n->loop_session) {
        for (unsigned l = 0; l < MMR_LANES; l++)
            atomic_store(&n->ack[l], 0);
        atomic_store(&n->ack_session, n->loop_session);
    }
    if (upto <= atomic_load(&n->ack[lane]))
        return;
    atomic_store(&n->ack[lane], upto);
    if (atomic_exchange(&n->has_acks, 1) == 0)
        mmr_bus_wake(hub->part.bus);
}

int mmr_site_hub_order(struct mmr_site_hub *hub, const char *node, const char *instance, uint32_t kind,
                       uint64_t number, int64_t ttl_ms, const void *bytes, size_t len)
{
    struct mmr_hub_node *n = mmr_hub_find_name(hub, node);
    size_t name_len = strlen(instance);
    if (ttl_ms <= 0 || ttl_ms > MMR_SITE_ORDER_TTL_MAX_MS || name_len == 0 || name_len > MMR_SITE_NAME_MAX)
        return MMR_EINVAL;
    if (len > MMR_SITE_RECORD_MAX)
        return MMR_ETOOBIG;
    if (!n || !n->is_loop_allowed || !(atomic_load(&n->is_up) || atomic_load(&n->is_welcomed)))
        return MMR_ENOENT;
    if (atomic_load(&n->n_orders) >= ORDERS_MAX)
        return MMR_EAGAIN;
    uint8_t *body = malloc(9 + name_len + len + MMR_RECORD_HEAD_MAX);
    struct mmr_bus_msg *m =
        mmr_bus_msg_new(&hub->part, MMR_HUB_ORDER,
                        MMR_FRAME_HEAD_MAX + 9 + name_len + len + MMR_RECORD_HEAD_MAX + MMR_FRAME_SIG + 2);
    int r = MMR_ENOMEM;
    if (body && m) {
        struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_CMD, MMR_LANE_URGENT, n->loop_epoch, hub->boot);
        struct mmr_wire_record rec = {.name = instance, .name_len = (uint32_t)name_len, .kind = kind, .number = number,
                                      .bytes = bytes, .len = len};
        memcpy(e.node, n->key.id, 16); /* signed: an order for one node is no order for another */
        mmr_uuid7(e.t_wall_ns, e.id);
        size_t at = mmr_wire_put_int(body, e.t_wall_ns + ttl_ms * MMR_NS_PER_MS);
        at += mmr_record_put(body + at, &rec);
        e.body_type = MMR_BODY_RECORDS;
        e.body = body;
        e.body_len = at;
        r = mmr_frame_encode(&e, hub->keys.sign_secret, m->bytes, m->len, &m->len, NULL);
    }
    free(body);
    if (r) {
        mmr_bus_msg_free(m);
        return r;
    }
    m->p = n;
    atomic_fetch_add(&n->n_orders, 1);
    if (mmr_bus_post(m))
        return 0;
    atomic_fetch_sub(&n->n_orders, 1);
    return MMR_EAGAIN;
}

bool mmr_site_hub_is_up(const struct mmr_site_hub *hub, const char *node)
{
    for (uint32_t i = 0; i < hub->n_nodes; i++)
        if (strcmp(hub->node[i]->name, node) == 0)
            return hub->node[i]->is_loop_allowed && atomic_load(&hub->node[i]->is_up);
    return false;
}

bool mmr_site_hub_clock(const struct mmr_site_hub *hub, const char *node, struct mmr_site_clock *ret_clock)
{
    for (uint32_t i = 0; i < hub->n_nodes; i++)
        if (strcmp(hub->node[i]->name, node) == 0)
            return mmr_clock_filter_best(&hub->node[i]->clock, ret_clock);
    return false;
}
