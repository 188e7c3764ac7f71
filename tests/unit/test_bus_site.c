/* test_bus_site.c - hub and nodes over CURVE: who is admitted, who is believed, what arrives once. */
#include "bus/frame.h"
#include "bus/part.h"
#include "bus/link.h"
#include "bus/site.h"

#include "util/clock.h"
#include "util/id.h"

#include <fcntl.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct end {
    struct mmr_site_hub *hub;
    uint64_t n[MMR_LANES], last[MMR_LANES], holes, hellos, gones, bad, strangers, orders, refused, acked[MMR_LANES];
    uint64_t ups, downs;
    char node[40], instance[40], text[64], what[80], refusal[80];
    bool is_mute; /* does not acknowledge */
};

static void on_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    struct end *e = ctx;
    e->hellos++;
    mmr_site_hub_welcome(e->hub, node, epoch, e->last);
}

static void on_record(void *ctx, const struct mmr_site_record *r)
{
    struct end *e = ctx;
    e->n[r->lane]++;
    e->holes += r->seq != e->last[r->lane] + 1;
    e->last[r->lane] = r->seq;
    (void)snprintf(e->node, sizeof e->node, "%s", r->node);
    (void)snprintf(e->instance, sizeof e->instance, "%s", r->instance);
    (void)snprintf(e->text, sizeof e->text, "%.*s", (int)r->len, (const char *)r->bytes);
    if (!e->is_mute)
        mmr_site_hub_ack(e->hub, r->node, r->epoch, r->lane, r->seq);
}

static void on_gone(void *ctx, const char *node, bool is_bye)
{
    (void)node;
    (void)is_bye;
    ((struct end *)ctx)->gones++;
}

static void on_bad(void *ctx, const char *node, uint64_t count, const char *what)
{
    struct end *e = ctx;
    (void)snprintf(e->what, sizeof e->what, "%s", what);
    if (node[0])
        e->bad = count;
    else
        e->strangers = count;
}

static const struct mmr_site_hub_ops hub_ops = {.hello = on_hello, .record = on_record, .gone = on_gone,
                                                .misbehaved = on_bad};

static void on_order(void *ctx, const struct mmr_site_record *r)
{
    struct end *e = ctx;
    e->orders++;
    (void)snprintf(e->instance, sizeof e->instance, "%s", r->instance);
    (void)snprintf(e->text, sizeof e->text, "%.*s", (int)r->len, (const char *)r->bytes);
}

static void on_acked(void *ctx, uint32_t lane, uint64_t upto)
{
    ((struct end *)ctx)->acked[lane] = upto;
}

static void on_state(void *ctx, bool is_up)
{
    struct end *e = ctx;
    e->ups += is_up;
    e->downs += !is_up;
}

static void on_refused(void *ctx, const char *what)
{
    struct end *e = ctx;
    e->refused++;
    (void)snprintf(e->refusal, sizeof e->refusal, "%s", what);
}

static const struct mmr_site_node_ops node_ops = {.order = on_order, .acked = on_acked, .state = on_state,
                                                  .refused = on_refused};

struct world {
    struct mmr_bus *bus;
    struct mmr_keys hub_keys, node_keys;
    struct end at_hub, at_node;
    struct mmr_site_node *node;
    struct mmr_spool_memory *spool;
};

#define WAIT_FOR(w, cond)                                                                          \
    do {                                                                                           \
        int64_t until_ = mmr_clock_mono_ns() + 20 * MMR_NS_PER_S;                                  \
        while (!(cond) && mmr_clock_mono_ns() < until_)                                            \
            (void)mmr_bus_wait((w)->bus, 20);                                                      \
        if (!(cond))                                                                               \
            fail_msg("not within 20 s: %s", #cond);                                                \
    } while (0)

static void stay(struct world *w, int ms)
{
    int64_t until = mmr_clock_mono_ns() + ms * MMR_NS_PER_MS;
    while (mmr_clock_mono_ns() < until)
        (void)mmr_bus_wait(w->bus, 10);
}

static void open_hub(struct world *w)
{
    memset(w, 0, sizeof *w);
    assert_int_equal(mmr_keys_new(&w->hub_keys, NULL), 0);
    assert_int_equal(mmr_keys_new(&w->node_keys, NULL), 0);
    assert_int_equal(mmr_bus_new(&w->bus, NULL), 0);
    assert_int_equal(mmr_site_hub_new(w->bus, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", &w->hub_keys, &hub_ops,
                                      &w->at_hub, NULL, &w->at_hub.hub, NULL),
                     0);
}

static void open_node(struct world *w)
{
    static const struct mmr_site_config cfg = {.reconnect_ms = 50};
    assert_int_equal(mmr_spool_memory_new(64 << 20, &w->spool, NULL), 0);
    assert_int_equal(mmr_site_node_new(w->bus, mmr_site_hub_endpoint(w->at_hub.hub, false),
                                       mmr_site_hub_endpoint(w->at_hub.hub, true), "pc1", &w->node_keys,
                                       &w->hub_keys.pub, &mmr_spool_memory_ops, w->spool, &node_ops, &w->at_node, &cfg,
                                       &w->node, NULL),
                     0);
}

static void close_world(struct world *w)
{
    mmr_site_node_free(w->node);
    mmr_spool_memory_free(w->spool);
    mmr_site_hub_free(w->at_hub.hub);
    mmr_bus_free(w->bus);
}

static void records_of_all_lanes_arrive_once_and_orders_come_back(void **state)
{
    (void)state;
    struct world w;
    struct mmr_site_clock clock;
    const unsigned each = 3000;
    open_hub(&w);
    assert_int_equal(mmr_site_hub_allow(w.at_hub.hub, "pc1", &w.node_keys.pub, NULL), 0);
    open_node(&w);
    for (unsigned i = 1; i <= each; i++)
        for (uint32_t lane = 0; lane < MMR_LANES; lane++)
            assert_int_equal(mmr_site_node_send(w.node, lane, "proc", MMR_LOCAL_EVENT, i, "seen", 4, NULL), 0);
    for (uint32_t lane = 0; lane < MMR_LANES; lane++)
        WAIT_FOR(&w, w.at_node.acked[lane] == each);
    for (uint32_t lane = 0; lane < MMR_LANES; lane++)
        assert_int_equal(w.at_hub.n[lane], each);
    assert_int_equal(w.at_hub.holes, 0);
    assert_string_equal(w.at_hub.node, "pc1");
    assert_string_equal(w.at_hub.instance, "proc");
    assert_int_equal(w.at_hub.bad, 0);

    assert_int_equal(mmr_site_hub_order(w.at_hub.hub, "pc1", "contain", MMR_LOCAL_ACTION, 1, 5000, "kill", 4), 0);
    WAIT_FOR(&w, w.at_node.orders == 1);
    assert_string_equal(w.at_node.instance, "contain");
    assert_string_equal(w.at_node.text, "kill");
    assert_int_equal(mmr_site_hub_order(w.at_hub.hub, "pc1", "contain", MMR_LOCAL_ACTION, 1, 60001, "kill", 4),
                     MMR_EINVAL);
    assert_int_equal(mmr_site_hub_order(w.at_hub.hub, "pc2", "contain", MMR_LOCAL_ACTION, 1, 5000, "kill", 4),
                     MMR_ENOENT);

    /* one machine, one clock: the offset is zero within its stated error */
    assert_true(mmr_site_node_clock(w.node, &clock));
    assert_true(clock.offset_ns <= clock.error_ns && -clock.offset_ns <= clock.error_ns);
    WAIT_FOR(&w, mmr_site_hub_clock(w.at_hub.hub, "pc1", &clock));
    assert_true(clock.offset_ns <= clock.error_ns && -clock.offset_ns <= clock.error_ns);
    close_world(&w);
}

static void an_unknown_key_is_refused(void **state)
{
    (void)state;
    struct world w;
    open_hub(&w); /* nobody is allowed */
    open_node(&w);
    assert_int_equal(mmr_site_node_send(w.node, 0, "proc", MMR_LOCAL_EVENT, 1, "x", 1, NULL), 0);
    WAIT_FOR(&w, w.at_hub.strangers >= 1);
    stay(&w, 200);
    assert_int_equal(w.at_hub.hellos, 0);
    assert_int_equal(w.at_hub.n[0], 0);
    assert_int_equal(w.at_node.ups, 0);
    /* put on the list it is let in by itself, and what waited arrives */
    assert_int_equal(mmr_site_hub_allow(w.at_hub.hub, "pc1", &w.node_keys.pub, NULL), 0);
    WAIT_FOR(&w, w.at_hub.n[0] == 1);
    close_world(&w);
}

static void without_its_key_check_a_hub_accepts_nothing(void **state)
{
    (void)state;
    struct world w;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_site_hub *second;
    const int one = 1, none = 0, enforce = 93, wait_ms = 500;
    open_hub(&w);
    /* the name of the handler is taken: a hub that cannot have it does not open its sockets */
    assert_int_equal(mmr_site_hub_new(w.bus, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", &w.hub_keys, &hub_ops, &w.at_hub,
                                      NULL, &second, &err),
                     MMR_EIO);
    assert_non_null(strstr(err.text, "key check"));
    close_world(&w);

    /* and the library, told to enforce, lets nobody in when there is no handler at all */
    char endpoint[128], got[8];
    size_t size = sizeof endpoint;
    void *zmq = zmq_ctx_new(), *server = zmq_socket(zmq, ZMQ_ROUTER), *client = zmq_socket(zmq, ZMQ_DEALER);
    assert_int_equal(zmq_setsockopt(server, ZMQ_CURVE_SERVER, &one, sizeof one), 0);
    assert_int_equal(zmq_setsockopt(server, ZMQ_CURVE_SECRETKEY, w.hub_keys.curve_secret, MMR_KEY), 0);
    assert_int_equal(zmq_setsockopt(server, ZMQ_ZAP_DOMAIN, "mamori", 6), 0);
    assert_int_equal(zmq_setsockopt(server, enforce, &one, sizeof one), 0);
    assert_int_equal(zmq_setsockopt(server, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms), 0);
    assert_int_equal(zmq_bind(server, "tcp://127.0.0.1:*"), 0);
    assert_int_equal(zmq_getsockopt(server, ZMQ_LAST_ENDPOINT, endpoint, &size), 0);
    assert_int_equal(zmq_setsockopt(client, ZMQ_CURVE_SERVERKEY, w.hub_keys.pub.curve, MMR_KEY), 0);
    assert_int_equal(zmq_setsockopt(client, ZMQ_CURVE_PUBLICKEY, w.node_keys.pub.curve, MMR_KEY), 0);
    assert_int_equal(zmq_setsockopt(client, ZMQ_CURVE_SECRETKEY, w.node_keys.curve_secret, MMR_KEY), 0);
    assert_int_equal(zmq_setsockopt(client, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_connect(client, endpoint), 0);
    assert_int_equal(zmq_send(client, "hello", 5, ZMQ_DONTWAIT), 5);
    assert_int_equal(zmq_recv(server, got, sizeof got, 0), -1);
    assert_int_equal(zmq_close(client), 0);
    assert_int_equal(zmq_close(server), 0);
    assert_int_equal(zmq_ctx_term(zmq), 0);
}

static void a_revoked_node_is_not_heard_on_its_open_connection(void **state)
{
    (void)state;
    struct world w;
    open_hub(&w);
    assert_int_equal(mmr_site_hub_allow(w.at_hub.hub, "pc1", &w.node_keys.pub, NULL), 0);
    open_node(&w);
    assert_int_equal(mmr_site_node_send(w.node, 1, "proc", MMR_LOCAL_EVENT, 1, "before", 6, NULL), 0);
    WAIT_FOR(&w, w.at_node.acked[1] == 1);
    mmr_site_hub_revoke(w.at_hub.hub, "pc1");
    uint64_t strangers = w.at_hub.strangers;
    for (unsigned i = 0; i < 50; i++)
        for (uint32_t lane = 0; lane < MMR_LANES; lane++)
            assert_int_equal(mmr_site_node_send(w.node, lane, "proc", MMR_LOCAL_EVENT, i + 2, "after", 5, NULL), 0);
    WAIT_FOR(&w, w.at_hub.strangers > strangers);
    stay(&w, 200);
    assert_int_equal(w.at_hub.n[0] + w.at_hub.n[2] + w.at_hub.n[3], 0);
    assert_int_equal(w.at_hub.n[1], 1);
    assert_string_equal(w.at_hub.text, "before");
    assert_int_equal(mmr_site_hub_order(w.at_hub.hub, "pc1", "contain", 1, 1, 5000, "x", 1), MMR_ENOENT);
    assert_false(mmr_site_hub_is_up(w.at_hub.hub, "pc1"));
    close_world(&w);
}

/* A raw socket of an admitted node that claims to be another. */
struct raw {
    void *sock;
    uint8_t id[16], epoch[16];
    struct mmr_keys keys;
};

static void raw_open(struct world *w, struct raw *r, const void *rid, size_t rid_len)
{
    const int none = 0, wait_ms = 300;
    assert_int_equal(mmr_keys_new(&r->keys, NULL), 0);
    mmr_uuid_of(r->keys.pub.curve, MMR_KEY, r->id);
    mmr_uuid7(mmr_clock_wall_ns(), r->epoch);
    r->sock = zmq_socket(mmr_bus_context(w->bus), ZMQ_DEALER);
    assert_non_null(r->sock);
    assert_int_equal(zmq_setsockopt(r->sock, ZMQ_CURVE_SERVERKEY, w->hub_keys.pub.curve, MMR_KEY), 0);
    assert_int_equal(zmq_setsockopt(r->sock, ZMQ_CURVE_PUBLICKEY, r->keys.pub.curve, MMR_KEY), 0);
    assert_int_equal(zmq_setsockopt(r->sock, ZMQ_CURVE_SECRETKEY, r->keys.curve_secret, MMR_KEY), 0);
    assert_int_equal(zmq_setsockopt(r->sock, ZMQ_LINGER, &none, sizeof none), 0);
    assert_int_equal(zmq_setsockopt(r->sock, ZMQ_RCVTIMEO, &wait_ms, sizeof wait_ms), 0);
    if (rid)
        assert_int_equal(zmq_setsockopt(r->sock, ZMQ_ROUTING_ID, rid, rid_len), 0);
}

static void raw_send(struct raw *r, uint32_t kind, uint32_t lane, uint64_t seq, const uint8_t node[16],
                     const uint8_t *sign_secret, const void *body, size_t body_len)
{
    uint8_t frame[1024];
    size_t len;
    struct mmr_envelope e = {.kind = kind, .lane = lane, .seq = seq, .body_type = MMR_BODY_RECORDS, .body = body,
                             .body_len = body_len, .t_wall_ns = mmr_clock_wall_ns()};
    memcpy(e.node, node, 16);
    memcpy(e.epoch, r->epoch, 16);
    assert_int_equal(mmr_frame_encode(&e, sign_secret, frame, sizeof frame, &len, NULL), 0);
    assert_int_equal(zmq_send(r->sock, frame, len, 0), (int)len);
}

static void a_claim_to_be_another_is_not_believed(void **state)
{
    (void)state;
    struct world w;
    struct raw r;
    uint8_t body[200], pc1[16];
    /* library-made routing ids are 0x00 and a counter: claim the neighbours of the real node's */
    static const uint8_t claimed[] = "pc1";
    open_hub(&w);
    raw_open(&w, &r, claimed, 3);
    assert_int_equal(mmr_site_hub_allow(w.at_hub.hub, "pc1", &w.node_keys.pub, NULL), 0);
    assert_int_equal(mmr_site_hub_allow(w.at_hub.hub, "pc2", &r.keys.pub, NULL), 0);
    open_node(&w);
    WAIT_FOR(&w, w.at_node.ups == 1);
    assert_int_equal(zmq_connect(r.sock, mmr_site_hub_endpoint(w.at_hub.hub, false)), 0);
    mmr_uuid_of(w.node_keys.pub.curve, MMR_KEY, pc1);
    struct mmr_wire_record rec = {.name = "proc", .name_len = 4, .kind = 1, .number = 1, .bytes = (const uint8_t *)"lie",
                                  .len = 3};
    size_t n = mmr_record_put(body, &rec);

    raw_send(&r, MMR_FRAME_HELLO, 0, 0, pc1, NULL, "", 0); /* a node id that is not its key's */
    WAIT_FOR(&w, w.at_hub.bad == 1);
    assert_non_null(strstr(w.at_hub.what, "node id"));
    assert_int_equal(w.at_hub.hellos, 1);

    raw_send(&r, MMR_FRAME_HELLO, 0, 0, r.id, NULL, "", 0); /* as itself it may */
    WAIT_FOR(&w, mmr_site_hub_is_up(w.at_hub.hub, "pc2"));
    raw_send(&r, MMR_FRAME_DATA, 1, 1, r.id, NULL, body, n);
    WAIT_FOR(&w, w.at_hub.n[1] == 1);
    assert_string_equal(w.at_hub.node, "pc2"); /* named by its key */
    raw_send(&r, MMR_FRAME_RECEIPT, 0, 1, r.id, w.node_keys.sign_secret, body, n); /* signed by another */
    stay(&w, 1200); /* reports are at most one a second */
    raw_send(&r, MMR_FRAME_RECEIPT, 0, 1, r.id, NULL, body, n); /* not signed */
    WAIT_FOR(&w, w.at_hub.bad >= 3);
    assert_int_equal(w.at_hub.n[0], 0);
    raw_send(&r, MMR_FRAME_RECEIPT, 0, 1, r.id, r.keys.sign_secret, body, n);
    WAIT_FOR(&w, w.at_hub.n[0] == 1);

    /* an order for pc1 reaches pc1 alone */
    assert_int_equal(mmr_site_hub_order(w.at_hub.hub, "pc1", "contain", MMR_LOCAL_ACTION, 1, 5000, "for pc1", 7), 0);
    WAIT_FOR(&w, w.at_node.orders == 1);
    uint8_t got[2048];
    int len;
    while ((len = zmq_recv(r.sock, got, sizeof got, 0)) > 0) {
        struct mmr_envelope e;
        assert_int_equal(mmr_frame_decode(got, (size_t)len, &e, NULL), 0);
        assert_int_not_equal(e.kind, MMR_FRAME_CMD);
    }
    assert_int_equal(zmq_close(r.sock), 0);
    close_world(&w);
}

/* A hub made by hand whose orders are wrong in one way each. */
static void a_node_follows_only_good_orders(void **state)
{
    (void)state;
    struct world w = {0};
    struct mmr_keys other;
    uint8_t node_id[16], frame[1024], rid[256], body[200];
    char urgent[128], bulk[128];
    size_t size = sizeof urgent, len;
    const int one = 1, none = 0;
    static const struct mmr_site_config cfg = {.reconnect_ms = 50};
    assert_int_equal(mmr_keys_new(&w.hub_keys, NULL), 0);
    assert_int_equal(mmr_keys_new(&w.node_keys, NULL), 0);
    assert_int_equal(mmr_keys_new(&other, NULL), 0);
    mmr_uuid_of(w.node_keys.pub.curve, MMR_KEY, node_id);
    assert_int_equal(mmr_bus_new(&w.bus, NULL), 0);
    void *s[2];
    for (unsigned i = 0; i < 2; i++) {
        s[i] = zmq_socket(mmr_bus_context(w.bus), ZMQ_ROUTER);
        assert_int_equal(zmq_setsockopt(s[i], ZMQ_CURVE_SERVER, &one, sizeof one), 0);
        assert_int_equal(zmq_setsockopt(s[i], ZMQ_CURVE_SECRETKEY, w.hub_keys.curve_secret, MMR_KEY), 0);
        assert_int_equal(zmq_setsockopt(s[i], ZMQ_LINGER, &none, sizeof none), 0);
        assert_int_equal(zmq_bind(s[i], "tcp://127.0.0.1:*"), 0);
        size = sizeof urgent;
        assert_int_equal(zmq_getsockopt(s[i], ZMQ_LAST_ENDPOINT, i ? bulk : urgent, &size), 0);
    }
    assert_int_equal(mmr_spool_memory_new(1 << 20, &w.spool, NULL), 0);
    assert_int_equal(mmr_site_node_new(w.bus, urgent, bulk, "pc1", &w.node_keys, &w.hub_keys.pub, &mmr_spool_memory_ops,
                                       w.spool, &node_ops, &w.at_node, &cfg, &w.node, NULL),
                     0);
    int rid_len = zmq_recv(s[0], rid, sizeof rid, 0), n = zmq_recv(s[0], frame, sizeof frame, 0);
    struct mmr_envelope hello, e = {.kind = MMR_FRAME_WELCOME, .body_type = MMR_BODY_FIELDS, .body = body};
    assert_true(rid_len > 0 && n > 0);
    assert_int_equal(mmr_frame_decode(frame, (size_t)n, &hello, NULL), 0);
    assert_int_equal(hello.kind, MMR_FRAME_HELLO);
    memcpy(e.epoch, hello.epoch, 16);
    e.t_wall_ns = mmr_clock_wall_ns();
    size_t at = mmr_wire_put_int(body, hello.t_wall_ns);
    at += mmr_wire_put_int(body + at, e.t_wall_ns);
    for (unsigned i = 0; i < 4; i++)
        at += mmr_wire_put_uint(body + at, 0);
    e.body_len = at;
    assert_int_equal(mmr_frame_encode(&e, NULL, frame, sizeof frame, &len, NULL), 0);
    assert_int_equal(zmq_send(s[0], rid, (size_t)rid_len, ZMQ_SNDMORE), rid_len);
    assert_int_equal(zmq_send(s[0], frame, len, 0), (int)len);
    WAIT_FOR(&w, w.at_node.ups == 1);

    const struct {
        const char *why;
        const uint8_t *sign;
        bool is_other_node, is_repeat;
        int64_t from_ms, to_ms; /* issue and expiry, against now */
        const char *refusal;    /* NULL: followed */
    } rows[] = {
        {"good", w.hub_keys.sign_secret, false, false, 0, 5000, NULL},
        {"the same again", w.hub_keys.sign_secret, false, true, 0, 5000, "before"},
        {"not signed", NULL, false, false, 0, 5000, "signature"},
        {"signed by another", other.sign_secret, false, false, 0, 5000, "signature"},
        {"for another node", w.hub_keys.sign_secret, true, false, 0, 5000, "another node"},
        {"expired", w.hub_keys.sign_secret, false, false, -3000, -1000, "after its time"},
        {"good for too long", w.hub_keys.sign_secret, false, false, 0, 60001, "longer"},
        {"good again", w.hub_keys.sign_secret, false, false, 0, 60000, NULL},
    };
    uint8_t uid[16];
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_envelope c = {.kind = MMR_FRAME_CMD, .body_type = MMR_BODY_RECORDS, .body = body};
        struct mmr_wire_record rec = {.name = "contain", .name_len = 7, .kind = MMR_LOCAL_ACTION, .number = i,
                                      .bytes = (const uint8_t *)"act", .len = 3};
        uint64_t orders = w.at_node.orders, refused = w.at_node.refused;
        c.t_wall_ns = mmr_clock_wall_ns() + rows[i].from_ms * MMR_NS_PER_MS;
        if (!rows[i].is_repeat)
            mmr_uuid7(c.t_wall_ns, uid);
        memcpy(c.id, uid, 16);
        if (!rows[i].is_other_node)
            memcpy(c.node, node_id, 16);
        at = mmr_wire_put_int(body, c.t_wall_ns + (rows[i].to_ms - rows[i].from_ms) * MMR_NS_PER_MS);
        at += mmr_record_put(body + at, &rec);
        c.body_len = at;
        assert_int_equal(mmr_frame_encode(&c, rows[i].sign, frame, sizeof frame, &len, NULL), 0);
        assert_int_equal(zmq_send(s[0], rid, (size_t)rid_len, ZMQ_SNDMORE), rid_len);
        assert_int_equal(zmq_send(s[0], frame, len, 0), (int)len);
        WAIT_FOR(&w, w.at_node.orders + w.at_node.refused == orders + refused + 1);
        if ((w.at_node.orders > orders) != (rows[i].refusal == NULL))
            fail_msg("%s: orders %llu (%s)", rows[i].why, (unsigned long long)w.at_node.orders, w.at_node.refusal);
        if (rows[i].refusal && !strstr(w.at_node.refusal, rows[i].refusal))
            fail_msg("%s: refused with '%s'", rows[i].why, w.at_node.refusal);
    }
    struct mmr_envelope cannot = {.kind = MMR_FRAME_ERROR, .flags = MMR_LINK_CANNOT_READ}; /* what an older hub says */
    assert_int_equal(mmr_frame_encode(&cannot, NULL, frame, sizeof frame, &len, NULL), 0);
    assert_int_equal(zmq_send(s[0], rid, (size_t)rid_len, ZMQ_SNDMORE), rid_len);
    assert_int_equal(zmq_send(s[0], frame, len, 0), (int)len);
    WAIT_FOR(&w, strstr(w.at_node.refusal, "an older mamori"));
    mmr_site_node_free(w.node);
    mmr_spool_memory_free(w.spool);
    assert_int_equal(zmq_close(s[0]), 0);
    assert_int_equal(zmq_close(s[1]), 0);
    mmr_bus_free(w.bus);
}

static void a_hub_that_comes_back_gets_what_it_had_not_committed(void **state)
{
    (void)state;
    struct world w;
    char urgent[128], bulk[128];
    const unsigned total = 4000;
    unsigned sent = 0;
    open_hub(&w);
    (void)snprintf(urgent, sizeof urgent, "%s", mmr_site_hub_endpoint(w.at_hub.hub, false));
    (void)snprintf(bulk, sizeof bulk, "%s", mmr_site_hub_endpoint(w.at_hub.hub, true));
    assert_int_equal(mmr_site_hub_allow(w.at_hub.hub, "pc1", &w.node_keys.pub, NULL), 0);
    open_node(&w);
    for (unsigned round = 0; round < 4; round++) {
        for (unsigned i = 0; i < total / 4; i++, sent++)
            for (uint32_t lane = 0; lane < MMR_LANES; lane++)
                assert_int_equal(mmr_site_node_send(w.node, lane, "proc", MMR_LOCAL_EVENT, sent + 1, "x", 1, NULL), 0);
        WAIT_FOR(&w, w.at_hub.n[1] > round * total / 4 + 100);
        mmr_site_hub_free(w.at_hub.hub); /* at_hub.last survives, as a store would */
        w.at_hub.hub = NULL;
        int r = MMR_EIO; /* the ports close in the background */
        for (unsigned t = 0; r && t < 100; t++) {
            stay(&w, 20);
            r = mmr_site_hub_new(w.bus, urgent, bulk, &w.hub_keys, &hub_ops, &w.at_hub, NULL, &w.at_hub.hub, NULL);
        }
        assert_int_equal(r, 0);
        assert_int_equal(mmr_site_hub_allow(w.at_hub.hub, "pc1", &w.node_keys.pub, NULL), 0);
    }
    for (uint32_t lane = 0; lane < MMR_LANES; lane++) {
        WAIT_FOR(&w, w.at_node.acked[lane] == total);
        assert_int_equal(w.at_hub.n[lane], total);
    }
    assert_int_equal(w.at_hub.holes, 0);
    close_world(&w);
}

static void a_full_spool_keeps_what_matters(void **state)
{
    (void)state;
    struct mmr_spool_memory *s;
    char text[1000] = "";
    uint64_t seq, first, last;
    const struct mmr_spool_ops *o = &mmr_spool_memory_ops;
    assert_int_equal(mmr_spool_memory_new(100 * 1024, &s, NULL), 0);
    for (unsigned i = 0; i < 200; i++)
        assert_int_equal(o->append(s, 3, 1, "proc", i, text, sizeof text, &seq), 0);
    assert_int_equal(seq, 200);
    uint64_t dropped = mmr_spool_memory_dropped(s, 3);
    assert_true(dropped > 90 && dropped < 120);
    o->range(s, 3, &first, &last);
    assert_int_equal(first, dropped + 1);
    assert_int_equal(last, 200);
    unsigned n = 0;
    while (o->append(s, 1, 1, "proc", n, text, sizeof text, &seq) == 0)
        n++;
    assert_true(n > 80); /* incidents pushed all telemetry out, then said no */
    assert_int_equal(mmr_spool_memory_dropped(s, 3), 200);
    assert_int_equal(mmr_spool_memory_dropped(s, 1), 0);
    assert_int_equal(o->append(s, 3, 1, "proc", 1, text, sizeof text, &seq), MMR_EAGAIN);
    o->trim(s, 1, n);
    assert_int_equal(o->append(s, 3, 1, "proc", 1, text, sizeof text, &seq), 0);
    mmr_spool_memory_free(s);
}

/* ---- keys ---- */

static void keys_survive_a_file_and_strict_rules(void **state)
{
    (void)state;
    char dir[] = "/tmp/mmr-keys-XXXXXX", path[64], link_path[64], text[MMR_PUBLIC_TEXT_MAX];
    struct mmr_keys a, b = {0};
    struct mmr_public_keys pub;
    struct stat st;
    assert_non_null(mkdtemp(dir));
    (void)snprintf(path, sizeof path, "%s/k", dir);
    (void)snprintf(link_path, sizeof link_path, "%s/l", dir);
    assert_int_equal(mmr_keys_load(path, &b, NULL), MMR_ENOENT);
    assert_int_equal(mmr_keys_new(&a, NULL), 0);
    (void)snprintf(link_path, sizeof link_path, "%s/k.new", dir);
    assert_int_equal(close(open(link_path, O_WRONLY | O_CREAT | O_EXCL, 0600)), 0); /* left by a power cut */
    assert_int_equal(mmr_keys_save(&a, path, NULL), 0);
    assert_int_equal(unlink(link_path), 0);
    (void)snprintf(link_path, sizeof link_path, "%s/l", dir);
    assert_int_equal(stat(path, &st), 0);
    assert_int_equal(st.st_mode & 0777, 0600);
    assert_int_equal(mmr_keys_load(path, &b, NULL), 0);
    assert_memory_equal(&a, &b, sizeof a);
    assert_int_equal(mmr_keys_save(&b, path, NULL), MMR_EPERM); /* never over another */
    assert_int_equal(chmod(path, 0640), 0);
    assert_int_equal(mmr_keys_load(path, &b, NULL), MMR_EPERM);
    assert_int_equal(chmod(path, 0600), 0);
    assert_int_equal(symlink(path, link_path), 0);
    assert_int_equal(mmr_keys_load(link_path, &b, NULL), MMR_EPERM);
    mmr_public_keys_format(&a.pub, text);
    assert_int_equal(mmr_public_keys_parse(text, &pub, NULL), 0);
    assert_memory_equal(&pub, &a.pub, sizeof pub);
    text[30] = 'g';
    assert_int_equal(mmr_public_keys_parse(text, &pub, NULL), MMR_EBADMSG);
    /* a bit turned: the parts no longer belong together */
    FILE *f = fopen(path, "r+");
    assert_non_null(f);
    assert_int_equal(fseek(f, 14, SEEK_SET), 0);
    int c = fgetc(f);
    assert_int_equal(fseek(f, 14, SEEK_SET), 0);
    assert_int_equal(fputc(c == '4' ? '5' : '4', f), c == '4' ? '5' : '4');
    assert_int_equal(fseek(f, 60, SEEK_SET), 0);
    c = fgetc(f);
    assert_int_equal(fseek(f, 60, SEEK_SET), 0);
    assert_true(fputc(c == '4' ? '5' : '4', f) > 0);
    assert_int_equal(fclose(f), 0);
    assert_int_equal(mmr_keys_load(path, &b, NULL), MMR_EBADMSG);
    assert_int_equal(truncate(path, 100), 0);
    assert_int_equal(mmr_keys_load(path, &b, NULL), MMR_EBADMSG);
    (void)unlink(path);
    (void)unlink(link_path);
    assert_int_equal(rmdir(dir), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_of_all_lanes_arrive_once_and_orders_come_back),
        cmocka_unit_test(an_unknown_key_is_refused),
        cmocka_unit_test(without_its_key_check_a_hub_accepts_nothing),
        cmocka_unit_test(a_revoked_node_is_not_heard_on_its_open_connection),
        cmocka_unit_test(a_claim_to_be_another_is_not_believed),
        cmocka_unit_test(a_node_follows_only_good_orders),
        cmocka_unit_test(a_hub_that_comes_back_gets_what_it_had_not_committed),
        cmocka_unit_test(a_full_spool_keeps_what_matters),
        cmocka_unit_test(keys_survive_a_file_and_strict_rules),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
