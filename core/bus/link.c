/* link.c - frames in and out of sockets, for local and site links. */
#include "bus/link.h"

#include "util/clock.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdatomic.h>
#include <stdio.h>

struct mmr_local_config mmr_link_config(const struct mmr_local_config *cfg)
{
    struct mmr_local_config c = cfg ? *cfg : (struct mmr_local_config){0};
    if (c.ping_ms <= 0)
        c.ping_ms = 2000;
    if (c.lost_ms <= 0)
        c.lost_ms = 10000;
    if (c.window == 0 || c.window > MMR_LOCAL_WINDOW)
        c.window = MMR_LOCAL_WINDOW;
    if (c.telemetry_kib == 0)
        c.telemetry_kib = 4096;
    return c;
}

void mmr_link_boot_id(uint8_t ret_id[16])
{
    char text[40] = "";
    mmr_autoclose int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    memset(ret_id, 0, 16);
    ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : -1;
    if (n > 0) { /* "xxxxxxxx-xxxx-…": hexadecimal digits, dashes skipped */
        size_t bin_len;
        (void)sodium_hex2bin(ret_id, 16, text, (size_t)n, "-\n", &bin_len, NULL);
    }
}

struct mmr_envelope mmr_link_envelope(uint32_t kind, uint32_t lane, const uint8_t epoch[16],
                                      const uint8_t boot[16])
{
    struct mmr_envelope e = {.kind = kind, .lane = lane, .t_wall_ns = mmr_clock_wall_ns(),
                             .t_mono_ns = mmr_clock_mono_ns()};
    memcpy(e.epoch, epoch, 16);
    memcpy(e.boot, boot, 16);
    return e;
}

int mmr_link_send(void *sock, const void *rid, size_t rid_len, const void *bytes, size_t len)
{
    if (rid && zmq_send(sock, rid, rid_len, ZMQ_SNDMORE | ZMQ_DONTWAIT) < 0)
        return errno == EAGAIN ? MMR_EAGAIN : errno == EHOSTUNREACH ? MMR_ENOENT : MMR_EIO;
    if (zmq_send(sock, bytes, len, ZMQ_DONTWAIT) < 0)
        return errno == EAGAIN ? MMR_EAGAIN : MMR_EIO;
    return 0;
}

int mmr_link_send_envelope(void *sock, const void *rid, size_t rid_len, const struct mmr_envelope *env,
                           const uint8_t *sign_secret)
{
    uint8_t buf[1024]; /* control frames only: bodies of a few numbers */
    size_t len;
    int r = mmr_frame_encode(env, sign_secret, buf, sizeof buf, &len, NULL);
    return r ? r : mmr_link_send(sock, rid, rid_len, buf, len);
}

static int recv_frame(struct mmr_bus_part *p, void *sock, struct mmr_bus_msg **ret_msg)
{
    struct mmr_bus_msg *m = mmr_bus_msg_new(p, 0, 0);
    if (!m)
        return MMR_ENOMEM; /* the frame stays where it is */
    (void)zmq_msg_init(&m->frame);
    m->has_frame = true;
    if (zmq_msg_recv(&m->frame, sock, ZMQ_DONTWAIT) < 0) {
        mmr_bus_msg_free(m);
        return MMR_EAGAIN;
    }
    bool is_single = true;
    while (zmq_msg_more(&m->frame)) { /* our messages have one frame; swallow the rest of a strange one */
        is_single = false;
        if (zmq_msg_recv(&m->frame, sock, ZMQ_DONTWAIT) < 0)
            break;
    }
    *ret_msg = m;
    if (!is_single)
        return MMR_EBADMSG;
    return mmr_frame_decode(zmq_msg_data(&m->frame), zmq_msg_size(&m->frame), &m->env, NULL);
}

int mmr_link_recv(struct mmr_bus_part *p, void *sock, struct mmr_bus_msg **ret_msg)
{
    struct mmr_bus_msg *m = NULL;
    int r = recv_frame(p, sock, &m);
    if (r && m)
        mmr_bus_msg_free(m);
    if (r == MMR_EAGAIN || r == MMR_ENOMEM)
        return MMR_EAGAIN;
    if (r)
        return MMR_EBADMSG;
    *ret_msg = m;
    return 0;
}

int mmr_link_recv_from(struct mmr_bus_part *p, void *sock, struct mmr_link_rid *ret_rid,
                       struct mmr_bus_msg **ret_msg)
{
    *ret_msg = NULL;
    int n = zmq_recv(sock, ret_rid->b, sizeof ret_rid->b, ZMQ_DONTWAIT);
    if (n < 0)
        return MMR_EAGAIN;
    int more = 0;
    size_t size = sizeof more;
    (void)zmq_getsockopt(sock, ZMQ_RCVMORE, &more, &size);
    ret_rid->len = (uint8_t)(n < MMR_LINK_RID_MAX ? n : MMR_LINK_RID_MAX);
    if (!more)
        return MMR_EBADMSG;
    int r = recv_frame(p, sock, ret_msg);
    return r == MMR_EAGAIN || r == MMR_ENOMEM ? MMR_EAGAIN : r ? MMR_EBADMSG : 0;
}

struct mmr_bus_msg *mmr_link_record(struct mmr_bus_part *p, uint32_t op, struct mmr_envelope *env,
                                    const struct mmr_wire_record *r, const uint8_t *sign_secret)
{
    uint8_t head[MMR_FRAME_HEAD_MAX];
    struct mmr_bus_msg *m = mmr_bus_msg_new(p, op, MMR_FRAME_HEAD_MAX + r->len + r->name_len + MMR_RECORD_HEAD_MAX +
                                                       MMR_FRAME_SIG + 2);
    if (!m)
        return NULL;
    env->body = m->bytes + MMR_FRAME_HEAD_MAX;
    env->body_len = mmr_record_put(m->bytes + MMR_FRAME_HEAD_MAX, r);
    env->body_type = MMR_BODY_RECORDS;
    size_t n = mmr_frame_put_head(env, sign_secret != NULL, head);
    m->a = MMR_FRAME_HEAD_MAX - n;
    memcpy(m->bytes + m->a, head, n);
    m->len = MMR_FRAME_HEAD_MAX + env->body_len;
    if (sign_secret) {
        uint8_t sig[MMR_FRAME_SIG];
        (void)crypto_sign_detached(sig, NULL, m->bytes + m->a + 1, m->len - m->a - 1, sign_secret);
        m->len += mmr_wire_put_bin(m->bytes + m->len, sig, sizeof sig);
    }
    return m;
}

void *mmr_link_monitor(struct mmr_bus *bus, void *sock, struct mmr_error *err)
{
    return mmr_link_monitor_events(bus, sock, ZMQ_EVENT_HANDSHAKE_SUCCEEDED | ZMQ_EVENT_DISCONNECTED | ZMQ_EVENT_HANDSHAKE_FAILED_AUTH,
                                   err);
}

void *mmr_link_monitor_events(struct mmr_bus *bus, void *sock, int events, struct mmr_error *err)
{
    static _Atomic unsigned count; /* inproc names are per process, so is this */
    char name[48];
    (void)snprintf(name, sizeof name, "inproc://mamori.monitor.%u", atomic_fetch_add(&count, 1));
    void *pair = NULL;
    if (zmq_socket_monitor(sock, name, events) == 0 && (pair = zmq_socket(mmr_bus_context(bus), ZMQ_PAIR)) && zmq_connect(pair, name) == 0) {
        int zero = 0;
        (void)zmq_setsockopt(pair, ZMQ_LINGER, &zero, sizeof zero);
        return pair;
    }
    (void)mmr_fail(err, MMR_EIO, "bus: monitor: %s", zmq_strerror(errno));
    if (pair)
        (void)zmq_close(pair);
    return NULL;
}

enum mmr_link_event mmr_link_monitor_next(void *monitor)
{
    uint8_t head[6], address[256];
    uint16_t event;
    if (zmq_recv(monitor, head, sizeof head, ZMQ_DONTWAIT) < (int)sizeof event)
        return MMR_LINK_NOTHING;
    (void)zmq_recv(monitor, address, sizeof address, ZMQ_DONTWAIT);
    memcpy(&event, head, sizeof event);
    return event == ZMQ_EVENT_HANDSHAKE_SUCCEEDED ? MMR_LINK_CONNECTED
           : event == ZMQ_EVENT_DISCONNECTED      ? MMR_LINK_DISCONNECTED
                                                  : MMR_LINK_REFUSED;
}
