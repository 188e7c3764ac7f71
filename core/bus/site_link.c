/* site_link.c - sockets, clocks and identities of the site link. */
#include "bus/site_link.h"

#include "util/clock.h"
#include "util/id.h"

#include <errno.h>
#include <sodium.h>

void mmr_site_node_id(const uint8_t curve[MMR_KEY], uint8_t ret_id[16])
{
    mmr_uuid_of(curve, MMR_KEY, ret_id);
}

struct mmr_site_config mmr_site_config_of(const struct mmr_site_config *cfg)
{
    struct mmr_site_config c = cfg ? *cfg : (struct mmr_site_config){0};
    if (c.ping_ms <= 0)
        c.ping_ms = 10000;
    if (c.lost_ms <= 0)
        c.lost_ms = 30000;
    if (c.reconnect_ms <= 0 || c.reconnect_ms > 60000)
        c.reconnect_ms = 500;
    return c;
}

int mmr_site_socket_setup(void *sock, const struct mmr_keys *keys, const uint8_t *server_key, struct mmr_error *err)
{
    const int one = 1;
    const struct { int option, value; } rows[] = {
        {ZMQ_HEARTBEAT_IVL, 10000}, {ZMQ_HEARTBEAT_TIMEOUT, 30000}, {ZMQ_HEARTBEAT_TTL, 30000}, {ZMQ_TCP_KEEPALIVE, 1}};
    int r = 0;
    for (size_t i = 0; r == 0 && i < sizeof rows / sizeof rows[0]; i++)
        r = zmq_setsockopt(sock, rows[i].option, &rows[i].value, sizeof rows[i].value);
    if (r == 0 && server_key) {
        r = zmq_setsockopt(sock, ZMQ_CURVE_SERVERKEY, server_key, MMR_KEY);
        if (r == 0)
            r = zmq_setsockopt(sock, ZMQ_CURVE_PUBLICKEY, keys->pub.curve, MMR_KEY);
    } else if (r == 0) {
        r = zmq_setsockopt(sock, ZMQ_CURVE_SERVER, &one, sizeof one);
    }
    if (r == 0)
        r = zmq_setsockopt(sock, ZMQ_CURVE_SECRETKEY, keys->curve_secret, MMR_KEY);
    return r ? mmr_fail(err, MMR_EIO, "bus: site socket: %s", zmq_strerror(errno)) : 0;
}

/* The best of what is kept; false: nothing is. With the lock. */
static bool best_of(const struct mmr_clock_filter *f, struct mmr_site_clock *ret)
{
    uint32_t n = f->n < MMR_CLOCK_SAMPLES ? f->n : MMR_CLOCK_SAMPLES, best = 0;
    for (uint32_t i = 1; i < n; i++)
        if (f->samples[i].error_ns < f->samples[best].error_ns)
            best = i;
    if (n)
        *ret = f->samples[best];
    return n != 0;
}

static bool is_apart(const struct mmr_site_clock *a, const struct mmr_site_clock *b)
{
    const int64_t apart = a->offset_ns - b->offset_ns;
    return apart > a->error_ns + b->error_ns || -apart > a->error_ns + b->error_ns;
}

static bool is_time(int64_t t) /* of the next centuries: differences of two do not overflow */
{
    return t >= 0 && t < INT64_MAX / 2;
}

void mmr_clock_filter_add(struct mmr_clock_filter *f, int64_t t1, int64_t t2, int64_t t3, int64_t t4)
{
    if (!is_time(t1) || !is_time(t2) || !is_time(t3) || !is_time(t4))
        return;
    int64_t away = t4 - t1, there = t3 - t2, there_and_back = away - there;
    if (away < 0 || there < 0 || there_and_back < 0)
        return; /* a clock was set meanwhile, or the other end lies */
    struct mmr_site_clock s = {
        .offset_ns = (t1 - t2) / 2 + (t4 - t3) / 2,
        .error_ns = there_and_back / 2 + 1,
        .measured_ns = t4,
    };
    struct mmr_site_clock best;
    (void)pthread_mutex_lock(&f->lock);
    if (best_of(f, &best) && is_apart(&s, &best)) /* both cannot be: a clock was set since, and all before is of another time */
        f->n = 0;
    f->samples[f->n++ % MMR_CLOCK_SAMPLES] = s;
    (void)pthread_mutex_unlock(&f->lock);
}

void mmr_clock_filter_glance(struct mmr_clock_filter *f, int64_t theirs, int64_t ours, bool is_another_boot)
{
    if (!is_time(theirs) || !is_time(ours))
        return;
    struct mmr_site_clock s = {.offset_ns = ours - theirs, .error_ns = MMR_CLOCK_GLANCE_MS * MMR_NS_PER_MS, .measured_ns = ours}, best;
    (void)pthread_mutex_lock(&f->lock);
    const bool has = best_of(f, &best);
    if (!has || is_another_boot || is_apart(&s, &best)) {
        f->samples[0] = s;
        f->n = 1;
    }
    (void)pthread_mutex_unlock(&f->lock);
}

bool mmr_clock_filter_best(struct mmr_clock_filter *f, struct mmr_site_clock *ret)
{
    (void)pthread_mutex_lock(&f->lock);
    const bool has = best_of(f, ret);
    (void)pthread_mutex_unlock(&f->lock);
    return has;
}

int mmr_site_pong(void *sock, const struct mmr_link_rid *rid, const struct mmr_envelope *ping, int64_t received_ns,
                  const uint8_t node[16], const uint8_t boot[16])
{
    uint8_t body[32], *p = body;
    struct mmr_envelope e = mmr_link_envelope(MMR_FRAME_PONG, ping->lane, ping->epoch, boot);
    memcpy(e.node, node, 16);
    p += mmr_wire_put_int(p, ping->t_wall_ns);
    p += mmr_wire_put_int(p, received_ns);
    e.body_type = MMR_BODY_FIELDS;
    e.body = body;
    e.body_len = (size_t)(p - body);
    return mmr_link_send_envelope(sock, rid ? rid->b : NULL, rid ? rid->len : 0, &e, NULL);
}

static size_t rotation_text(const uint8_t node_id[16], const struct mmr_public_keys *next, uint8_t text[128])
{
    static const char head[] = "mamori new keys of ";
    size_t at = sizeof head - 1;
    memcpy(text, head, at);
    memcpy(text + at, node_id, 16);
    memcpy(text + at + 16, next->curve, MMR_KEY);
    memcpy(text + at + 16 + MMR_KEY, next->sign, MMR_KEY);
    return at + 16 + MMR_KEY + MMR_KEY;
}

size_t mmr_site_rotation_put(const uint8_t node_id[16], const struct mmr_keys *next, uint8_t *body)
{
    uint8_t text[128], sig[MMR_SIGNATURE];
    size_t n = rotation_text(node_id, &next->pub, text), at;
    (void)crypto_sign_detached(sig, NULL, text, n, next->sign_secret);
    at = mmr_wire_put_bin(body, next->pub.curve, MMR_KEY);
    at += mmr_wire_put_bin(body + at, next->pub.sign, MMR_KEY);
    return at + mmr_wire_put_bin(body + at, sig, sizeof sig);
}

bool mmr_site_rotation_read(const struct mmr_envelope *e, struct mmr_public_keys *ret_next)
{
    struct mmr_wire_cursor cur = {e->body, e->body + e->body_len, false};
    size_t curve_len = 0, sign_len = 0, sig_len = 0;
    const uint8_t *curve = mmr_wire_bin(&cur, &curve_len), *sign = mmr_wire_bin(&cur, &sign_len), *sig = mmr_wire_bin(&cur, &sig_len);
    uint8_t text[128];
    struct mmr_public_keys next;
    if (cur.bad || curve_len != MMR_KEY || sign_len != MMR_KEY || sig_len != MMR_SIGNATURE)
        return false;
    memcpy(next.curve, curve, MMR_KEY);
    memcpy(next.sign, sign, MMR_KEY);
    if (crypto_sign_verify_detached(sig, text, rotation_text(e->node, &next, text), next.sign) != 0)
        return false;
    *ret_next = next;
    return true;
}
