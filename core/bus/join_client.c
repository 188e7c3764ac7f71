/* join_client.c - the machine's end of joining: one command that asks and waits. The hub is who has the token's key. */
#include "bus/frame.h"
#include "bus/join.h"
#include "bus/link.h"
#include "bus/site_link.h"

#include "util/clock.h"
#include "util/id.h"

#include <errno.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <zmq.h>

struct asking {
    void *zmq, *sock;
    uint8_t epoch[16], boot[16], node[16];
    const struct mmr_keys *keys;
    int64_t until_ns;
};

static void send_frame(struct asking *a, uint32_t kind, const void *body, size_t len)
{
    uint8_t buf[MMR_JOIN_BODY_MAX + MMR_FRAME_HEAD_MAX + MMR_FRAME_SIG + 16];
    size_t n;
    struct mmr_envelope e = mmr_link_envelope(kind, 0, a->epoch, a->boot);
    memcpy(e.node, a->node, 16);
    e.body_type = len ? MMR_BODY_FIELDS : MMR_BODY_NONE;
    e.body = body;
    e.body_len = len;
    if (mmr_frame_encode(&e, a->keys->sign_secret, buf, sizeof buf, &n, NULL) == 0)
        (void)zmq_send(a->sock, buf, n, 0); /* waits for the connection, at most as long as SNDTIMEO says */
}

/* A frame of this kind; false: none in time. */
static bool recv_frame(struct asking *a, uint32_t kind, uint8_t *buf, size_t cap, struct mmr_envelope *ret)
{
    for (;;) {
        int64_t left = (a->until_ns - mmr_clock_mono_ns()) / MMR_NS_PER_MS;
        zmq_pollitem_t item = {.socket = a->sock, .events = ZMQ_POLLIN};
        if (left <= 0 || zmq_poll(&item, 1, left) <= 0)
            return false;
        int n = zmq_recv(a->sock, buf, cap, ZMQ_DONTWAIT);
        if (n > 0 && (size_t)n <= cap && mmr_frame_decode(buf, (size_t)n, ret, NULL) == 0 && ret->kind == kind)
            return true;
    }
}

static int open_socket(struct asking *a, const struct mmr_token *t, const char *host, int timeout_ms, struct mmr_error *err)
{
    char endpoint[MMR_TOKEN_HOST_MAX + 8];
    const int none = 0, one = 1;
    const int64_t most = MMR_JOIN_MESSAGE_MAX;
    (void)snprintf(endpoint, sizeof endpoint, "tcp://%s", host);
    a->sock = zmq_socket(a->zmq, ZMQ_DEALER);
    if (!a->sock || mmr_site_socket_setup(a->sock, a->keys, t->hub_curve, err) != 0)
        return mmr_fail(err, MMR_EIO, "join: socket: %s", zmq_strerror(errno));
    (void)zmq_setsockopt(a->sock, ZMQ_LINGER, &none, sizeof none);
    (void)zmq_setsockopt(a->sock, ZMQ_IMMEDIATE, &one, sizeof one);
    (void)zmq_setsockopt(a->sock, ZMQ_SNDTIMEO, &timeout_ms, sizeof timeout_ms);
    (void)zmq_setsockopt(a->sock, ZMQ_MAXMSGSIZE, &most, sizeof most);
    if (zmq_connect(a->sock, endpoint) != 0)
        return mmr_fail(err, MMR_EIO, "join: connect to '%s': %s", endpoint, zmq_strerror(errno));
    return 0;
}

static int ask(struct asking *a, const struct mmr_token *t, struct mmr_join_request *r, struct mmr_join_answer *ret, struct mmr_error *err)
{
    uint8_t buf[MMR_JOIN_MESSAGE_MAX], body[MMR_JOIN_BODY_MAX], challenge[MMR_JOIN_CHALLENGE], mac[MMR_JOIN_MAC];
    struct mmr_envelope e;
    size_t len = 0;
    send_frame(a, MMR_FRAME_HELLO, NULL, 0);
    if (!recv_frame(a, MMR_FRAME_WELCOME, buf, sizeof buf, &e))
        return mmr_fail(err, MMR_EIO, "no answer; is mamori running at the hub, is its port open, and is the token still good?");
    struct mmr_wire_cursor c = {e.body, e.body + e.body_len, false};
    const uint8_t *p = mmr_wire_bin(&c, &len);
    if (c.bad || len != sizeof challenge)
        return mmr_fail(err, MMR_EBADMSG, "the hub's answer cannot be read");
    memcpy(challenge, p, sizeof challenge);
    mmr_join_request_mac(r, t->secret, challenge, r->mac);
    send_frame(a, MMR_FRAME_JOIN, body, mmr_join_request_put(r, body));
    if (!recv_frame(a, MMR_FRAME_JOINED, buf, sizeof buf, &e))
        return mmr_fail(err, MMR_EIO, "no answer to the request; ask again with the same token, that costs nothing");
    int code = mmr_join_answer_read(e.body, e.body_len, ret, err);
    if (code)
        return code;
    mmr_join_answer_mac(ret, t->secret, challenge, mac);
    if (ret->result == MMR_JOIN_TAKEN && sodium_memcmp(mac, ret->mac, sizeof mac) != 0)
        return mmr_fail(err, MMR_EPERM, "the answer does not know the token's secret: it is not from the hub that gave the token");
    return 0;
}

int mmr_join_ask(const struct mmr_token *t, const struct mmr_keys *keys, const char *name, const char *hostname,
                 int timeout_ms, struct mmr_join_answer *ret, char *ret_host, struct mmr_error *err)
{
    struct asking a = {.keys = keys};
    struct mmr_join_request r = {.pub = keys->pub};
    struct mmr_error why = {.struct_size = sizeof why};
    int code = MMR_EIO;
    memcpy(r.token_id, t->id, sizeof r.token_id);
    (void)snprintf(r.name, sizeof r.name, "%s", name);
    (void)snprintf(r.hostname, sizeof r.hostname, "%s", hostname);
    mmr_uuid7(mmr_clock_wall_ns(), a.epoch);
    mmr_link_boot_id(a.boot);
    mmr_site_node_id(keys->pub.curve, a.node);
    if (!(a.zmq = zmq_ctx_new()))
        return mmr_fail(err, MMR_ENOMEM, "join: %s", zmq_strerror(errno));
    for (uint32_t i = 0; i < t->n_hosts && code; i++) {
        a.until_ns = mmr_clock_mono_ns() + timeout_ms * MMR_NS_PER_MS;
        code = open_socket(&a, t, t->host[i], timeout_ms, &why);
        if (!code)
            code = ask(&a, t, &r, ret, &why);
        if (!code)
            (void)snprintf(ret_host, MMR_TOKEN_HOST_MAX + 1, "%s", t->host[i]);
        else
            (void)mmr_fail(err, code, "hub %s: %s", t->host[i], why.text);
        if (a.sock)
            (void)zmq_close(a.sock);
        a.sock = NULL;
    }
    (void)zmq_ctx_term(a.zmq);
    return code;
}
