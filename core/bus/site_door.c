/*
 * site_door.c - the hub's door: the key check (ZAP, RFC 27), and what the library tells of connections that never came
 * through it. A silent connection, a replayed or broken handshake and an exhausted descriptor table are all named here.
 */
#include "bus/site_hub_internal.h"

#include "util/clock.h"

#include <arpa/inet.h>
#include <errno.h>
#include <sodium.h>
#include <sys/socket.h>

enum { MUTE_AFTER_S = 20 };

bool mmr_hub_misbehaved(struct mmr_site_hub *hub, struct mmr_hub_node *n, const char *what, const char *source, int64_t now_ns)
{
    uint64_t *count = n ? &n->bad : &hub->strangers;
    int64_t *told = n ? &n->bad_told_ns : &hub->stranger_told_ns;
    char text[200];
    ++*count;
    if (*told && now_ns - *told < MMR_NS_PER_S)
        return false;
    *told = now_ns;
    int len = snprintf(text, sizeof text, "%s%s%.60s", what, source && *source ? ", from " : "", source ? source : "");
    struct mmr_bus_msg *m = len > 0 ? mmr_bus_msg_new(&hub->part, MMR_HUB_BAD, sizeof text) : NULL;
    if (!m)
        return false;
    m->p = n;
    m->a = *count;
    m->b = n ? n->session : 0;
    memcpy(m->bytes, text, sizeof text);
    return mmr_bus_deliver(m);
}

int64_t mmr_hub_look_for_mute(struct mmr_site_hub *hub, struct mmr_hub_node *n, int64_t now_ns)
{
    const int64_t due = n->let_in_ns + MUTE_AFTER_S * MMR_NS_PER_S;
    if (!n->let_in_ns)
        return INT64_MAX;
    if (now_ns < due)
        return due;
    n->let_in_ns = 0;
    if (n->is_allowed)
        (void)mmr_hub_misbehaved(hub, n, "its key was let in and nothing came: a routing id that another connection has, or no mamori", n->let_in_from, now_ns);
    return INT64_MAX;
}

/* A request has seven frames: version, request id, domain, address, identity, mechanism, credentials. */
bool mmr_hub_serve_zap(struct mmr_site_hub *hub, int64_t now_ns)
{
    struct { uint8_t b[256]; size_t n; } part[7] = {0};
    static const char data[] = "mamori", join[] = MMR_SITE_JOIN_DOMAIN;
    int more = 1, n;
    size_t size = sizeof more, count = 0;
    while (more) {
        uint8_t skip[256];
        n = count < 7 ? zmq_recv(hub->zap, part[count].b, sizeof part[0].b, ZMQ_DONTWAIT)
                      : zmq_recv(hub->zap, skip, sizeof skip, ZMQ_DONTWAIT);
        if (n < 0)
            return false;
        if (count < 7)
            part[count].n = (size_t)n < sizeof part[0].b ? (size_t)n : sizeof part[0].b;
        count++;
        if (zmq_getsockopt(hub->zap, ZMQ_RCVMORE, &more, &size) != 0)
            return false;
    }
    char user[2 * MMR_KEY + 1] = "", source[64] = "";
    const bool is_curve = count == 7 && part[0].n == 3 && memcmp(part[0].b, "1.0", 3) == 0 && part[5].n == 5 &&
                          memcmp(part[5].b, "CURVE", 5) == 0 && part[6].n == MMR_KEY;
    const bool is_join = is_curve && part[2].n == sizeof join - 1 && memcmp(part[2].b, join, sizeof join - 1) == 0;
    const bool is_data = is_curve && part[2].n == sizeof data - 1 && memcmp(part[2].b, data, sizeof data - 1) == 0;
    struct mmr_hub_node *node = is_data ? mmr_hub_find_key(hub, part[6].b, NULL, NULL) : NULL;
    const bool is_good = is_join ? atomic_load(&hub->is_join_open) /* any key: what it says there needs a token's secret */
                                 : node != NULL;
    if (part[3].n < sizeof source)
        memcpy(source, part[3].b, part[3].n);
    if (node && !node->let_in_ns) {
        node->let_in_ns = now_ns;
        memcpy(node->let_in_from, source, sizeof node->let_in_from);
    }
    if (is_good)
        (void)sodium_bin2hex(user, sizeof user, part[6].b, MMR_KEY);
    else
        (void)mmr_hub_misbehaved(hub, NULL, is_join ? "somebody wants to join, and no token is open" : "a key that is not on the allow-list",
                           source, now_ns);
    (void)zmq_send(hub->zap, "1.0", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(hub->zap, part[1].b, part[1].n, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(hub->zap, is_good ? "200" : "400", 3, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(hub->zap, is_good ? "OK" : "No", 2, ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(hub->zap, user, strlen(user), ZMQ_SNDMORE | ZMQ_DONTWAIT);
    (void)zmq_send(hub->zap, "", 0, ZMQ_DONTWAIT);
    return true;
}

void *mmr_hub_monitor(struct mmr_bus *bus, void *sock, struct mmr_error *err)
{
    return mmr_link_monitor_events(bus, sock, ZMQ_EVENT_ACCEPTED | ZMQ_EVENT_ACCEPT_FAILED | ZMQ_EVENT_HANDSHAKE_FAILED_NO_DETAIL |
                                                  ZMQ_EVENT_HANDSHAKE_FAILED_PROTOCOL, err);
}

/* Of a descriptor that may be closed already, or another's by now: good for a log line, for nothing else. */
static void peer_of(int fd, char *buf, size_t cap)
{
    struct sockaddr_storage a = {0};
    socklen_t len = sizeof a;
    const void *raw = NULL;
    if (getpeername(fd, (struct sockaddr *)(void *)&a, &len) != 0)
        return;
    if (a.ss_family == AF_INET)
        raw = &((const struct sockaddr_in *)(const void *)&a)->sin_addr;
    else if (a.ss_family == AF_INET6)
        raw = &((const struct sockaddr_in6 *)(const void *)&a)->sin6_addr;
    if (!raw || !inet_ntop(a.ss_family, raw, buf, (socklen_t)cap))
        buf[0] = '\0';
}

void mmr_hub_watch_door(struct mmr_site_hub *hub, unsigned connection, int64_t now_ns)
{
    for (unsigned i = 0; i < MMR_BUS_TURN_MAX; i++) {
        uint8_t head[6], address[256];
        uint16_t event;
        int32_t value;
        if (zmq_recv(hub->monitor[connection], head, sizeof head, ZMQ_DONTWAIT) < (int)sizeof head)
            return;
        (void)zmq_recv(hub->monitor[connection], address, sizeof address, ZMQ_DONTWAIT);
        memcpy(&event, head, sizeof event);
        memcpy(&value, head + sizeof event, sizeof value);
        if (event == ZMQ_EVENT_ACCEPTED)
            peer_of(value, hub->last_source, sizeof hub->last_source);
        else if (event == ZMQ_EVENT_ACCEPT_FAILED)
            (void)mmr_hub_misbehaved(hub, NULL, value == EMFILE || value == ENFILE ? "a connection could not be taken: too many are open"
                                                                            : "a connection could not be taken",
                               NULL, now_ns);
        else
            (void)mmr_hub_misbehaved(hub, NULL, "a connection that did not finish its handshake; the last one came", hub->last_source, now_ns);
    }
}
