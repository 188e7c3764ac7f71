/* link: mmr_bus mmr_lib_msgpack */
/*
 * bench_bus.c - floors of the machine and of the libraries, and the bus beside them, in one run. One JSON object
 * a line: {"what":…, "n":…, …}. Seconds per measurement: the first argument (default 1).
 */
#include "sample_event.h"

#include "bus/link.h"
#include "bus/site.h"
#include "event/skim.h"
#include "event/stamp.h"
#include "util/clock.h"

#include <msgpack.h>
#include <poll.h>
#include <pthread.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static double seconds = 1;
static uint8_t event[4096];
static size_t event_len;

static void rate(const char *what, uint64_t n, int64_t took_ns)
{
    printf("{\"what\":\"%s\",\"n\":%llu,\"bytes\":%zu,\"per_s\":%.0f}\n", what, (unsigned long long)n, event_len,
           (double)n * 1e9 / (double)took_ns);
    (void)fflush(stdout);
}

static int by_value(const void *a, const void *b)
{
    int64_t x, y;
    memcpy(&x, a, sizeof x);
    memcpy(&y, b, sizeof y);
    return (x > y) - (x < y);
}

static void latency(const char *what, int64_t *ns, size_t n)
{
    if (n == 0)
        return;
    qsort(ns, n, sizeof *ns, by_value);
    printf("{\"what\":\"%s\",\"n\":%zu,\"p50_us\":%.1f,\"p95_us\":%.1f,\"p99_us\":%.1f}\n", what, n, (double)ns[n / 2] / 1e3,
           (double)ns[n * 95 / 100] / 1e3, (double)ns[n * 99 / 100] / 1e3);
    (void)fflush(stdout);
}

/* ---- without a socket ---- */

static int do_skim(void)
{
    return mmr_skim(event, event_len, NULL, NULL);
}

static int do_unpack(void)
{
    static msgpack_zone *zone;
    msgpack_object o;
    size_t off = 0;
    if (!zone)
        zone = msgpack_zone_new(64 * 1024);
    msgpack_zone_clear(zone);
    return msgpack_unpack((const char *)event, event_len, &off, zone, &o) == MSGPACK_UNPACK_SUCCESS ? 0 : -1;
}

static int do_read(void)
{
    static struct mmr_event_view view;
    return mmr_event_read(event, event_len, &view, NULL);
}

static int do_stamp(void)
{
    static const char *const kinds[] = {"conn.open", NULL};
    static struct mmr_stamper st;
    static bool is_ready;
    static uint64_t seq;
    uint8_t out[sizeof event + MMR_STAMP_EXTRA_MAX];
    size_t len;
    if (!is_ready) {
        if (mmr_stamper_init(&st, kinds, "gateway", "network", "org.mamori.flow", "flow", NULL) != 0)
            return -1;
        is_ready = true;
    }
    return mmr_stamp_event(&st, event, event_len, ++seq, 1652292620900000000, NULL, out, sizeof out, &len, NULL, NULL);
}

static void bench_plain(const char *what, int (*one)(void))
{
    int64_t start = mmr_clock_mono_ns(), now = start;
    uint64_t n = 0;
    while (now - start < (int64_t)(seconds * 1e9)) {
        for (unsigned i = 0; i < 1000; i++, n++)
            if (one() != 0) {
                fprintf(stderr, "%s failed\n", what);
                exit(1);
            }
        now = mmr_clock_mono_ns();
    }
    rate(what, n, now - start);
}

/* ---- raw ZeroMQ ---- */

struct raw {
    void *zmq;
    char endpoint[128];
    uint64_t n;
    bool is_echo;
    const struct mmr_keys *server, *client;
};

static void *raw_sender(void *arg)
{
    struct raw *r = arg;
    void *s = zmq_socket(r->zmq, ZMQ_DEALER);
    if (!s || zmq_connect(s, r->endpoint) != 0)
        exit(1);
    for (uint64_t i = 0; i < r->n; i++)
        if (zmq_send(s, event, event_len, 0) < 0)
            exit(1);
    (void)zmq_close(s); /* default linger: what was sent arrives */
    return NULL;
}

static void bench_raw_one_way(const char *dir)
{
    struct raw r = {.zmq = zmq_ctx_new(), .n = (uint64_t)(300000 * seconds)};
    pthread_t t;
    char rid[256], buf[sizeof event];
    (void)snprintf(r.endpoint, sizeof r.endpoint, "ipc://%s/raw", dir);
    void *s = zmq_socket(r.zmq, ZMQ_ROUTER);
    if (!s || zmq_bind(s, r.endpoint) != 0 || pthread_create(&t, NULL, raw_sender, &r) != 0)
        exit(1);
    int64_t start = 0;
    for (uint64_t i = 0; i < r.n; i++) {
        if (zmq_recv(s, rid, sizeof rid, 0) < 0 || zmq_recv(s, buf, sizeof buf, 0) < 0)
            exit(1);
        if (i == 0)
            start = mmr_clock_mono_ns();
    }
    rate("zmq ipc DEALER->ROUTER one way, raw", r.n, mmr_clock_mono_ns() - start);
    (void)pthread_join(t, NULL);
    (void)zmq_close(s);
    (void)zmq_ctx_term(r.zmq);
}

static void *raw_echo(void *arg)
{
    struct raw *r = arg;
    const int one = 1;
    char rid[256], buf[sizeof event];
    size_t size = sizeof r->endpoint;
    void *s = zmq_socket(r->zmq, ZMQ_ROUTER);
    if (!s)
        exit(1);
    if (r->server) { /* no ZAP handler and no domain: everybody in, which is right for a measurement only */
        (void)zmq_setsockopt(s, ZMQ_CURVE_SERVER, &one, sizeof one);
        (void)zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, r->server->curve_secret, MMR_KEY);
    }
    if (zmq_bind(s, r->endpoint) != 0 || zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, r->endpoint, &size) != 0)
        exit(1);
    atomic_thread_fence(memory_order_seq_cst);
    r->is_echo = true;
    for (uint64_t i = 0; i < r->n; i++) {
        int a = zmq_recv(s, rid, sizeof rid, 0), b = zmq_recv(s, buf, sizeof buf, 0);
        if (a < 0 || b < 0 || zmq_send(s, rid, (size_t)a, ZMQ_SNDMORE) < 0 || zmq_send(s, buf, (size_t)b, 0) < 0)
            exit(1);
    }
    (void)zmq_close(s);
    return NULL;
}

static void bench_raw_echo(const char *what, const char *endpoint, const struct mmr_keys *server,
                           const struct mmr_keys *client)
{
    struct raw r = {.zmq = zmq_ctx_new(), .n = (uint64_t)(8000 * seconds), .server = server};
    int64_t *ns = calloc((size_t)r.n, sizeof *ns);
    char buf[sizeof event];
    pthread_t t;
    (void)snprintf(r.endpoint, sizeof r.endpoint, "%s", endpoint);
    if (!ns || pthread_create(&t, NULL, raw_echo, &r) != 0)
        exit(1);
    while (!*(volatile bool *)&r.is_echo)
        (void)poll(NULL, 0, 1);
    void *s = zmq_socket(r.zmq, ZMQ_DEALER);
    if (!s)
        exit(1);
    if (client) {
        (void)zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, server->pub.curve, MMR_KEY);
        (void)zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, client->pub.curve, MMR_KEY);
        (void)zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, client->curve_secret, MMR_KEY);
    }
    if (zmq_connect(s, r.endpoint) != 0)
        exit(1);
    for (uint64_t i = 0; i < r.n; i++) {
        int64_t at = mmr_clock_mono_ns();
        if (zmq_send(s, event, event_len, 0) < 0 || zmq_recv(s, buf, sizeof buf, 0) < 0)
            exit(1);
        ns[i] = mmr_clock_mono_ns() - at;
    }
    latency(what, ns + r.n / 20, (size_t)(r.n - r.n / 20)); /* the connection is made in the first ones */
    (void)pthread_join(t, NULL);
    (void)zmq_close(s);
    (void)zmq_ctx_term(r.zmq);
    free(ns);
}

/* ---- the local link: host and core with a bus and a loop thread each, as in life ---- */

static const uint8_t secret[MMR_LOCAL_SECRET] = "bench";
struct core {
    struct mmr_local_server *srv;
    struct mmr_site_hub *hub;
    _Atomic uint64_t n;
    _Atomic int stop;
    struct mmr_bus *bus;
    uint8_t epoch[16];
    bool is_echo;
};

static void core_hello(void *ctx, uint32_t slot, const uint8_t epoch[16])
{
    static const uint64_t none[MMR_LANES];
    struct core *c = ctx;
    memcpy(c->epoch, epoch, 16);
    mmr_local_welcome(c->srv, slot, epoch, none);
}

static void core_record(void *ctx, const struct mmr_local_record *r)
{
    struct core *c = ctx;
    atomic_fetch_add(&c->n, 1);
    if (c->is_echo)
        (void)mmr_local_order(c->srv, r->slot, 0, MMR_LOCAL_CONTROL, 0, r->number, r->bytes, r->len);
    if (r->lane != MMR_LANE_TELEMETRY)
        mmr_local_ack(c->srv, r->slot, r->epoch, r->lane, r->seq);
}

static const struct mmr_local_server_ops core_ops = {.hello = core_hello, .record = core_record};

static void *core_loop(void *arg)
{
    struct core *c = arg;
    while (!atomic_load(&c->stop))
        (void)mmr_bus_wait(c->bus, 50);
    return NULL;
}

struct host {
    uint64_t messages;
    bool is_up;
};
static void host_message(void *ctx, const struct mmr_local_record *m)
{
    (void)m;
    ((struct host *)ctx)->messages++;
}
static void host_state(void *ctx, bool is_up)
{
    ((struct host *)ctx)->is_up = is_up;
}
static const struct mmr_local_client_ops host_ops = {.message = host_message, .state = host_state};

static void bench_local(const char *dir)
{
    struct core c = {0};
    struct host h = {0};
    struct mmr_bus *bus;
    struct mmr_local_client *client;
    struct mmr_local_lost lost = {0};
    const struct mmr_local_config cfg = {.telemetry_kib = 16 * 1024};
    char endpoint[128];
    pthread_t t;
    (void)snprintf(endpoint, sizeof endpoint, "ipc://%s/s", dir);
    if (mmr_bus_new(&c.bus, NULL) || mmr_bus_new(&bus, NULL) ||
        mmr_local_server_new(c.bus, &core_ops, &c, NULL, &c.srv, NULL) ||
        mmr_local_slot_open(c.srv, 0, endpoint, secret, NULL) || pthread_create(&t, NULL, core_loop, &c) != 0 ||
        mmr_local_client_new(bus, endpoint, secret, &host_ops, &h, &cfg, &client, NULL))
        exit(1);
    while (!h.is_up)
        (void)mmr_bus_wait(bus, 10);

    const uint64_t n = (uint64_t)(1000000 * seconds);
    uint64_t dropped = 0;
    int64_t start = mmr_clock_mono_ns();
    for (uint64_t i = 0; i < n; i++) {
        (void)mmr_local_send(client, 0, MMR_LOCAL_EVENT, MMR_LANE_TELEMETRY, i + 1, event, event_len);
        if (i % 4096 == 0) {
            (void)mmr_bus_wait(bus, 0);
            while (i > atomic_load(&c.n) + dropped + 30000) { /* a sensor that can wait, waits */
                (void)mmr_bus_wait(bus, 1);
                if (mmr_local_client_drops(client, &lost))
                    dropped += lost.records;
            }
        }
    }
    while (atomic_load(&c.n) + dropped < n) {
        (void)mmr_bus_wait(bus, 1);
        if (mmr_local_client_drops(client, &lost))
            dropped += lost.records;
    }
    rate("mmr_local telemetry, host to core", atomic_load(&c.n), mmr_clock_mono_ns() - start);

    const uint64_t m = (uint64_t)(300000 * seconds);
    uint64_t before = atomic_load(&c.n);
    start = mmr_clock_mono_ns();
    for (uint64_t i = 0; i < m;) {
        if (mmr_local_send(client, 0, MMR_LOCAL_EVENT, MMR_LANE_FINDING, n + i + 1, event, event_len) == 0)
            i++;
        else
            (void)mmr_bus_wait(bus, 10);
    }
    while (mmr_local_pending(client))
        (void)mmr_bus_wait(bus, 10);
    if (atomic_load(&c.n) - before != m)
        exit(1);
    rate("mmr_local findings, sent to acknowledged", m, mmr_clock_mono_ns() - start);

    const size_t k = (size_t)(4000 * seconds);
    int64_t *ns = calloc(k, sizeof *ns);
    c.is_echo = true;
    for (size_t i = 0; ns && i < k; i++) {
        uint64_t seen = h.messages;
        int64_t at = mmr_clock_mono_ns();
        if (mmr_local_send(client, 0, MMR_LOCAL_EVENT, MMR_LANE_URGENT, n + m + i + 1, event, event_len) != 0)
            exit(1);
        while (h.messages == seen)
            (void)mmr_bus_wait(bus, 1000);
        ns[i] = mmr_clock_mono_ns() - at;
    }
    latency("mmr_local finding -> order round trip", ns, k);
    free(ns);
    atomic_store(&c.stop, 1);
    mmr_local_client_free(client);
    (void)pthread_join(t, NULL);
    mmr_local_server_free(c.srv);
    mmr_bus_free(bus);
    mmr_bus_free(c.bus);
}

/* ---- the site link ---- */

static void hub_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    static const uint64_t none[MMR_LANES];
    mmr_site_hub_welcome(((struct core *)ctx)->hub, node, epoch, none);
}

static void hub_record(void *ctx, const struct mmr_site_record *r)
{
    struct core *c = ctx;
    atomic_fetch_add(&c->n, 1);
    mmr_site_hub_ack(c->hub, r->node, r->epoch, r->lane, r->seq);
    if (c->is_echo && r->lane == MMR_LANE_FINDING)
        (void)mmr_site_hub_order(c->hub, r->node, "contain", MMR_LOCAL_ACTION, r->number, 5000, r->bytes, r->len);
}
static const struct mmr_site_hub_ops hub_ops = {.hello = hub_hello, .record = hub_record};

static void node_order(void *ctx, const struct mmr_site_record *r)
{
    (void)r;
    ((struct host *)ctx)->messages++;
}
static void node_acked(void *ctx, uint32_t lane, uint64_t upto)
{
    (void)ctx;
    (void)lane;
    (void)upto;
}
static const struct mmr_site_node_ops node_ops = {.order = node_order, .acked = node_acked, .state = host_state};

static void bench_site(const struct mmr_keys *hub_keys, const struct mmr_keys *node_keys)
{
    struct core c = {.is_echo = true};
    struct host h = {0};
    struct mmr_bus *bus;
    struct mmr_site_node *node;
    struct mmr_spool_memory *spool;
    pthread_t t;
    if (mmr_bus_new(&c.bus, NULL) || mmr_bus_new(&bus, NULL) ||
        mmr_site_hub_new(c.bus, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", hub_keys, &hub_ops, &c, NULL, &c.hub, NULL) ||
        mmr_site_hub_allow(c.hub, "pc1", &node_keys->pub, NULL) || mmr_spool_memory_new(64 << 20, &spool, NULL) ||
        mmr_site_node_new(bus, mmr_site_hub_endpoint(c.hub, false), mmr_site_hub_endpoint(c.hub, true), "pc1", node_keys,
                          &hub_keys->pub, &mmr_spool_memory_ops, spool, &node_ops, &h, NULL, &node, NULL) ||
        pthread_create(&t, NULL, core_loop, &c) != 0)
        exit(1);
    while (!h.is_up)
        (void)mmr_bus_wait(bus, 10);
    const size_t k = (size_t)(1000 * seconds);
    int64_t *ns = calloc(k, sizeof *ns);
    for (size_t i = 0; ns && i < k; i++) {
        uint64_t seen = h.messages;
        int64_t at = mmr_clock_mono_ns();
        if (mmr_site_node_send(node, MMR_LANE_FINDING, "proc", MMR_LOCAL_EVENT, i, event, event_len, NULL) != 0)
            exit(1);
        while (h.messages == seen)
            (void)mmr_bus_wait(bus, 1000);
        ns[i] = mmr_clock_mono_ns() - at;
    }
    latency("mmr_site finding -> signed order round trip", ns, k);
    free(ns);

    const uint64_t m = (uint64_t)(200000 * seconds);
    uint64_t before = atomic_load(&c.n);
    int64_t start = mmr_clock_mono_ns();
    for (uint64_t i = 0; i < m; i++) {
        while (mmr_site_node_send(node, MMR_LANE_OTHER, "proc", MMR_LOCAL_EVENT, i, event, event_len, NULL) != 0)
            (void)mmr_bus_wait(bus, 1);
        while (i > atomic_load(&c.n) - before + 50000)
            (void)mmr_bus_wait(bus, 1);
    }
    while (atomic_load(&c.n) - before < m)
        (void)mmr_bus_wait(bus, 10);
    rate("mmr_site bulk findings, node to hub over CURVE", m, mmr_clock_mono_ns() - start);
    atomic_store(&c.stop, 1);
    (void)pthread_join(t, NULL);
    mmr_site_node_free(node);
    mmr_spool_memory_free(spool);
    mmr_site_hub_free(c.hub);
    mmr_bus_free(bus);
    mmr_bus_free(c.bus);
}

int main(int argc, char **argv)
{
    char dir[] = "/tmp/mmr-bench-XXXXXX", path[64];
    struct mmr_keys hub, node;
    if (argc > 1 && (seconds = strtod(argv[1], NULL)) <= 0) {
        fprintf(stderr, "usage: %s [SECONDS]\n", argv[0]);
        return 2;
    }
    if (!mkdtemp(dir) || mmr_keys_new(&hub, NULL) || mmr_keys_new(&node, NULL))
        return 1;
    event_len = sample_event(event, sizeof event);
    bench_plain("mmr_skim", do_skim);
    bench_plain("msgpack unpack", do_unpack);
    bench_plain("mmr_event_read", do_read);
    bench_plain("mmr_stamp_event", do_stamp);
    bench_raw_one_way(dir);
    (void)snprintf(path, sizeof path, "ipc://%s/echo", dir);
    bench_raw_echo("zmq ipc round trip, raw", path, NULL, NULL);
    bench_raw_echo("zmq tcp CURVE round trip, raw", "tcp://127.0.0.1:*", &hub, &node);
    bench_local(dir);
    bench_site(&hub, &node);
    static const char *const files[] = {"raw", "echo", "s"};
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(path, sizeof path, "%s/%s", dir, files[i]);
        (void)unlink(path);
    }
    (void)rmdir(dir);
    return 0;
}
