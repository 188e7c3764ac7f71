/*
 * join_server.c - the hub's join socket. Whoever knows the hub's public key gets as far as this; what they send is at most
 * 4 KiB, counted by source address, and means nothing without a token's secret. Nothing is kept between two messages: the
 * challenge is a keyed hash of the connection's key and the minute.
 */
#include "bus/join.h"
#include "bus/link.h"
#include "bus/site_link.h"

#include "util/clock.h"
#include "util/id.h"

#include <errno.h>
#include <sodium.h>
#include <stdlib.h>

enum { OP_ASK = 1, OP_ANSWER, OP_BAD, SOURCES = 256, CHALLENGE_S = 60 };
enum { ZAP_ENFORCE_DOMAIN = 93 }; /* ZMQ_ZAP_ENFORCE_DOMAIN: the header hides it, the library has it */

struct source { /* of messages; the oldest makes room */
    char address[64];
    int64_t since_ns;
    uint32_t n;
};
struct mmr_join_server {
    struct mmr_bus_part part; /* first: a part is the server */
    const struct mmr_join_server_ops *ops;
    void *ctx;
    void *sock;
    char endpoint[128];
    struct mmr_keys keys;
    uint8_t secret[32], epoch[16], boot[16]; /* secret: of the challenges */
    struct source source[SOURCES]; /* [bus], like what follows */
    uint64_t bad;
    int64_t bad_told_ns;
};
struct ask { /* OP_ASK: what follows the message's head */
    struct mmr_join_request request;
    struct mmr_link_rid rid;
    uint8_t challenge[2][MMR_JOIN_CHALLENGE]; /* of this minute and the one before */
    char source[64];
};

static struct mmr_join_server *server_of(struct mmr_bus_part *p)
{
    return (struct mmr_join_server *)p; /* first member */
}

/* ---- [bus] ---- */

static void misbehaved(struct mmr_join_server *s, const char *source, const char *what, int64_t now_ns)
{
    char text[300];
    s->bad++;
    if (s->bad_told_ns && now_ns - s->bad_told_ns < MMR_NS_PER_S)
        return;
    s->bad_told_ns = now_ns;
    int n = snprintf(text, sizeof text, "%s%c%s", source, '\0', what);
    struct mmr_bus_msg *m = n > 0 ? mmr_bus_msg_new(&s->part, OP_BAD, sizeof text) : NULL;
    if (!m)
        return;
    m->a = s->bad;
    memcpy(m->bytes, text, sizeof text);
    (void)mmr_bus_deliver(m);
}

/* Five messages a second from one address: what is over is not looked at. */
static bool is_too_fast(struct mmr_join_server *s, const char *address, int64_t now_ns)
{
    struct source *x = NULL, *oldest = &s->source[0];
    for (size_t i = 0; i < SOURCES && !x; i++) {
        if (strcmp(s->source[i].address, address) == 0)
            x = &s->source[i];
        else if (s->source[i].since_ns < oldest->since_ns)
            oldest = &s->source[i];
    }
    if (!x) {
        x = oldest;
        x->since_ns = 0;
        (void)snprintf(x->address, sizeof x->address, "%s", address);
    }
    if (!x->since_ns || now_ns - x->since_ns >= MMR_NS_PER_S) {
        x->since_ns = now_ns;
        x->n = 0;
    }
    return ++x->n > MMR_JOIN_PER_S;
}

static void challenge_of(const struct mmr_join_server *s, const uint8_t curve[MMR_KEY], int64_t minute, uint8_t ret[MMR_JOIN_CHALLENGE])
{
    uint8_t text[MMR_KEY + 8];
    memcpy(text, curve, MMR_KEY);
    memcpy(text + MMR_KEY, &minute, sizeof minute);
    (void)crypto_generichash(ret, MMR_JOIN_CHALLENGE, text, sizeof text, s->secret, sizeof s->secret);
}

static void challenge(struct mmr_join_server *s, const struct mmr_link_rid *rid, const uint8_t curve[MMR_KEY], int64_t minute)
{
    uint8_t body[MMR_JOIN_CHALLENGE + 8], c[MMR_JOIN_CHALLENGE];
    struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_WELCOME, 0, s->epoch, s->boot);
    challenge_of(s, curve, minute, c);
    e.body_type = MMR_BODY_FIELDS;
    e.body = body;
    e.body_len = mmr_wire_put_bin(body, c, sizeof c);
    (void)mmr_link_send_envelope(s->sock, rid->b, rid->len, &e, NULL);
}

static void on_join(struct mmr_join_server *s, const struct mmr_link_rid *rid, const struct mmr_envelope *e,
                    const uint8_t curve[MMR_KEY], const char *source, int64_t minute, int64_t now_ns)
{
    struct ask a;
    if (mmr_join_request_read(e->body, e->body_len, &a.request, NULL) != 0 ||
        sodium_memcmp(a.request.pub.curve, curve, MMR_KEY) != 0) {
        misbehaved(s, source, "a request to join that cannot be read, or with a key that is not its connection's", now_ns);
        return;
    }
    if (!mmr_frame_is_signed_by(e, a.request.pub.sign)) {
        misbehaved(s, source, "a request to join without its own signature", now_ns);
        return;
    }
    a.rid = *rid;
    challenge_of(s, curve, minute, a.challenge[0]);
    challenge_of(s, curve, minute - 1, a.challenge[1]);
    (void)snprintf(a.source, sizeof a.source, "%s", source);
    struct mmr_bus_msg *m = mmr_bus_msg_new(&s->part, OP_ASK, sizeof a);
    if (!m)
        return;
    memcpy(m->bytes, &a, sizeof a);
    (void)mmr_bus_deliver(m);
}

static void on_frame(struct mmr_join_server *s, const struct mmr_link_rid *rid, struct mmr_bus_msg *m, bool is_readable, int64_t now_ns)
{
    uint8_t curve[MMR_KEY];
    size_t got = 0;
    const char *user = m && m->has_frame ? zmq_msg_gets(&m->frame, "User-Id") : NULL;
    const char *source = m && m->has_frame ? zmq_msg_gets(&m->frame, "Peer-Address") : NULL;
    const int64_t minute = now_ns / (CHALLENGE_S * MMR_NS_PER_S);
    if (!source)
        source = "";
    if (is_too_fast(s, source, now_ns))
        misbehaved(s, source, "more than 5 messages a second at the join port", now_ns);
    else if (!is_readable || !user || sodium_hex2bin(curve, sizeof curve, user, strlen(user), NULL, &got, NULL) != 0 || got != MMR_KEY)
        misbehaved(s, source, "a message at the join port that cannot be read", now_ns);
    else if (m->env.kind == MMR_FRAME_HELLO)
        challenge(s, rid, curve, minute);
    else if (m->env.kind == MMR_FRAME_JOIN && m->env.body_type == MMR_BODY_FIELDS)
        on_join(s, rid, &m->env, curve, source, minute, now_ns);
    else
        misbehaved(s, source, "a message at the join port that is not about joining", now_ns);
    mmr_bus_msg_free(m);
}

static void on_command(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_join_server *s = server_of(p);
    struct mmr_link_rid rid;
    struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_JOINED, 0, s->epoch, s->boot);
    memcpy(&rid, m->bytes, sizeof rid);
    e.body_type = MMR_BODY_FIELDS;
    e.body = m->bytes + sizeof rid;
    e.body_len = m->len - sizeof rid;
    (void)mmr_link_send_envelope(s->sock, rid.b, rid.len, &e, s->keys.sign_secret);
    mmr_bus_msg_free(m);
}

static int64_t on_tick(struct mmr_bus_part *p, int64_t now_ns)
{
    (void)p;
    (void)now_ns;
    return INT64_MAX;
}

static size_t on_poll(struct mmr_bus_part *p, zmq_pollitem_t *items)
{
    items[0] = (zmq_pollitem_t){.socket = server_of(p)->sock, .events = mmr_bus_has_room(p->bus) ? ZMQ_POLLIN : 0};
    return 1;
}

static void on_ready(struct mmr_bus_part *p, const zmq_pollitem_t *items, size_t count, int64_t now_ns)
{
    struct mmr_join_server *s = server_of(p);
    (void)count;
    for (unsigned i = 0; (items[0].revents & ZMQ_POLLIN) && i < MMR_BUS_TURN_MAX && mmr_bus_has_room(p->bus); i++) {
        struct mmr_link_rid rid;
        struct mmr_bus_msg *m;
        int r = mmr_link_recv_from(p, s->sock, &rid, &m);
        if (r == MMR_EAGAIN)
            break;
        on_frame(s, &rid, m, r == 0, now_ns);
    }
}

static void on_close(struct mmr_bus_part *p)
{
    struct mmr_join_server *s = server_of(p);
    (void)zmq_close(s->sock);
    s->sock = NULL;
}

/* ---- [loop] ---- */

static void answer(struct mmr_join_server *s, const struct mmr_link_rid *rid, const struct mmr_join_answer *a)
{
    struct mmr_bus_msg *m = mmr_bus_msg_new(&s->part, OP_ANSWER, sizeof *rid + MMR_JOIN_BODY_MAX);
    if (!m)
        return; /* the other end asks again */
    memcpy(m->bytes, rid, sizeof *rid);
    m->len = sizeof *rid + mmr_join_answer_put(a, m->bytes + sizeof *rid);
    (void)mmr_bus_post(m);
}

static void take(struct mmr_join_server *s, const struct ask *k)
{
    struct mmr_join_answer a = {.result = MMR_JOIN_REFUSED, .state = MMR_JOIN_WAITS};
    uint8_t secret[MMR_TOKEN_SECRET], mac[2][MMR_JOIN_MAC];
    memcpy(a.hub_sign, s->keys.pub.sign, MMR_KEY);
    bool is_known = s->ops->secret(s->ctx, k->request.token_id, secret) == 0;
    unsigned at = 0;
    for (unsigned i = 0; is_known && i < 2; i++) {
        mmr_join_request_mac(&k->request, secret, k->challenge[i], mac[i]);
        if (sodium_memcmp(mac[i], k->request.mac, MMR_JOIN_MAC) == 0)
            at = i + 1;
    }
    if (at) {
        s->ops->join(s->ctx, &k->request, &a);
        mmr_join_answer_mac(&a, secret, k->challenge[at - 1], a.mac);
    } else {
        if (s->ops->misbehaved)
            s->ops->misbehaved(s->ctx, k->source, 1, is_known ? "a token that was altered" : "a token nobody here gave");
        (void)snprintf(a.why, sizeof a.why, "this hub does not know the token; get a new one with 'mamori token new' at the hub");
    }
    answer(s, &k->rid, &a);
    sodium_memzero(secret, sizeof secret);
}

static void on_deliver(struct mmr_bus_part *p, struct mmr_bus_msg *m)
{
    struct mmr_join_server *s = server_of(p);
    if (m->op == OP_ASK) {
        struct ask k;
        memcpy(&k, m->bytes, sizeof k);
        take(s, &k);
    } else if (m->op == OP_BAD && s->ops->misbehaved) {
        const char *source = (const char *)m->bytes;
        s->ops->misbehaved(s->ctx, source, m->a, source + strlen(source) + 1);
    }
}

static void on_turn(struct mmr_bus_part *p)
{
    (void)p;
}

static const struct mmr_bus_part_ops part_ops = {.command = on_command, .tick = on_tick, .poll = on_poll, .ready = on_ready,
                                                 .deliver = on_deliver, .turn = on_turn, .close = on_close};

static void free_server(struct mmr_join_server *s)
{
    mmr_keys_done(&s->keys);
    sodium_memzero(s->secret, sizeof s->secret);
    free(s);
}

static int open_socket(struct mmr_join_server *s, struct mmr_bus *bus, const char *endpoint, struct mmr_error *err)
{
    static const char domain[] = MMR_SITE_JOIN_DOMAIN;
    const int one = 1, zero = 0;
    const int64_t most = MMR_JOIN_MESSAGE_MAX;
    size_t size = sizeof s->endpoint;
    if (!(s->sock = mmr_bus_socket(bus, ZMQ_ROUTER, err)))
        return MMR_EIO;
    int r = mmr_site_socket_setup(s->sock, &s->keys, NULL, err);
    if (r)
        return r;
    if (zmq_setsockopt(s->sock, ZMQ_MAXMSGSIZE, &most, sizeof most) != 0 ||
        zmq_setsockopt(s->sock, ZMQ_ZAP_DOMAIN, domain, sizeof domain - 1) != 0 ||
        zmq_setsockopt(s->sock, ZAP_ENFORCE_DOMAIN, &one, sizeof one) != 0 ||
        zmq_setsockopt(s->sock, ZMQ_ROUTER_MANDATORY, &one, sizeof one) != 0 ||
        zmq_setsockopt(s->sock, ZMQ_ROUTER_HANDOVER, &zero, sizeof zero) != 0 || zmq_bind(s->sock, endpoint) != 0 ||
        zmq_getsockopt(s->sock, ZMQ_LAST_ENDPOINT, s->endpoint, &size) != 0)
        return mmr_fail(err, MMR_EIO, "'%s' cannot be listened on: %s%s", endpoint, zmq_strerror(errno),
                        errno == EADDRINUSE ? "; another program has this port ('ss -ltnp' names it): end it, or choose another" : "");
    return 0;
}

int mmr_join_server_new(struct mmr_bus *bus, const char *endpoint, const struct mmr_keys *keys,
                        const struct mmr_join_server_ops *ops, void *ctx, struct mmr_join_server **ret, struct mmr_error *err)
{
    struct mmr_join_server *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "bus: out of memory for the join socket");
    s->part.ops = &part_ops;
    s->ops = ops;
    s->ctx = ctx;
    s->keys = *keys;
    randombytes_buf(s->secret, sizeof s->secret);
    mmr_uuid7(mmr_clock_wall_ns(), s->epoch);
    mmr_link_boot_id(s->boot);
    int r = open_socket(s, bus, endpoint, err);
    if (r == 0)
        r = mmr_bus_attach(bus, &s->part, err);
    if (r) {
        if (s->sock)
            (void)zmq_close(s->sock);
        free_server(s);
        return r;
    }
    *ret = s;
    return 0;
}

void mmr_join_server_free(struct mmr_join_server *s)
{
    if (!s)
        return;
    mmr_bus_detach(&s->part);
    free_server(s);
}

const char *mmr_join_server_endpoint(const struct mmr_join_server *s)
{
    return s->endpoint;
}
