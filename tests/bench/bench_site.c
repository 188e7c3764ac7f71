/* link: mmr_bus mmr_lib_msgpack */
/*
 * bench_site.c - the durable site link beside its floor, in one run: events over CURVE into SQLite (FULL), acknowledged after
 * the commit; then 500 and 1,000 nodes at one hub: memory of each, and how long all of them take to come back after the hub was away.
 * One JSON object a line. The floor is the same work with the libraries alone: one message an event, unpack, insert, commit of
 * 256, one acknowledgement a commit; both have a window of 4096. They take turns, and the middle one of three counts: the machine
 * has other work, too. Seconds per measurement: the first argument (default 1).
 */
#include "sample_event.h"

#include "bus/link.h"
#include "bus/site.h"
#include "bus/spool_disk.h"
#include "event/stamp.h"
#include "util/clock.h"

#include <msgpack.h>
#include <net/if.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <sqlite3.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

enum { BATCH = 256, WINDOW = 4096, NODES_MAX = 1000, PER_BUS = 8, TURNS = 3, AWAY_S = 8, IDLE_S = 20 };
static double seconds = 1;
static uint8_t event[4096];
static size_t event_len;
static char dir[] = "/tmp/mmr-bench-XXXXXX";
static struct mmr_keys hub_keys, node_keys;

static void must(bool is_good, const char *what)
{
    if (is_good)
        return;
    fprintf(stderr, "bench_site: %s failed\n", what);
    exit(1);
}

/* ---- what is measured beside the rate ---- */

struct usage {
    int64_t wall_ns, cpu_ns;
    uint64_t line_bytes;
};

static uint64_t loopback_bytes(void)
{
    char line[512];
    unsigned long long n = 0;
    FILE *f = fopen("/proc/self/net/dev", "re");
    while (f && fgets(line, sizeof line, f))
        if (sscanf(line, " lo: %llu", &n) == 1)
            break;
    if (f)
        (void)fclose(f);
    return n;
}

static struct usage now(void)
{
    struct rusage r;
    (void)getrusage(RUSAGE_SELF, &r);
    return (struct usage){.wall_ns = mmr_clock_mono_ns(), .line_bytes = loopback_bytes(),
                          .cpu_ns = (r.ru_utime.tv_sec + r.ru_stime.tv_sec) * MMR_NS_PER_S + (r.ru_utime.tv_usec + r.ru_stime.tv_usec) * 1000};
}

static double rate(const char *what, uint64_t n, struct usage from)
{
    struct usage to = now();
    double per_s = (double)n * 1e9 / (double)(to.wall_ns - from.wall_ns);
    printf("{\"what\":\"%s\",\"n\":%llu,\"bytes\":%zu,\"per_s\":%.0f,\"cpu_us_per_event\":%.2f,\"line_bytes_per_event\":%.0f}\n", what,
           (unsigned long long)n, event_len, per_s, (double)(to.cpu_ns - from.cpu_ns) / 1e3 / (double)n,
           (double)(to.line_bytes - from.line_bytes) / (double)n);
    (void)fflush(stdout);
    return per_s;
}

/* A network of our own, so that the bytes on its loopback are ours; without the privilege the machine's counts. */
static void own_network(void)
{
    struct ifreq r = {.ifr_name = "lo", .ifr_flags = IFF_UP | IFF_RUNNING};
    if (unshare(CLONE_NEWNET) != 0)
        return;
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    must(fd >= 0 && ioctl(fd, SIOCSIFFLAGS, &r) == 0, "loopback");
    (void)close(fd);
}

/* ---- the store of both: one row an event, and how far it came, in one transaction ---- */

struct store {
    sqlite3 *h;
    sqlite3_stmt *insert, *upto, *begin, *commit;
    uint32_t n;
    size_t bytes;
    int64_t since_ns;
};

static void store_open(struct store *s, const char *name)
{
    char path[128];
    memset(s, 0, sizeof *s);
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    must(sqlite3_open(path, &s->h) == SQLITE_OK &&
             sqlite3_exec(s->h, "PRAGMA journal_mode=WAL; PRAGMA synchronous=FULL; CREATE TABLE e(seq INTEGER PRIMARY KEY, body BLOB);"
                                "CREATE TABLE u(lane INTEGER PRIMARY KEY, upto INTEGER)", NULL, NULL, NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(s->h, "INSERT INTO e VALUES(?, ?)", -1, &s->insert, NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(s->h, "INSERT OR REPLACE INTO u VALUES(?, ?)", -1, &s->upto, NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(s->h, "BEGIN", -1, &s->begin, NULL) == SQLITE_OK &&
             sqlite3_prepare_v2(s->h, "COMMIT", -1, &s->commit, NULL) == SQLITE_OK, "the store");
}

static void step(sqlite3_stmt *s)
{
    must(sqlite3_step(s) == SQLITE_DONE, "a write");
    (void)sqlite3_reset(s);
}

static void store_put(struct store *s, uint64_t seq, const void *bytes, size_t len)
{
    if (s->n == 0) {
        step(s->begin);
        s->since_ns = mmr_clock_mono_ns();
    }
    (void)sqlite3_bind_int64(s->insert, 1, (int64_t)seq);
    (void)sqlite3_bind_blob(s->insert, 2, bytes, (int)len, SQLITE_STATIC);
    step(s->insert);
    s->n++;
    s->bytes += len;
}

static void store_commit(struct store *s, uint64_t upto)
{
    (void)sqlite3_bind_int(s->upto, 1, 2);
    (void)sqlite3_bind_int64(s->upto, 2, (int64_t)upto);
    step(s->upto);
    step(s->commit);
    s->n = 0;
    s->bytes = 0;
}

static void store_close(struct store *s)
{
    (void)sqlite3_finalize(s->insert);
    (void)sqlite3_finalize(s->upto);
    (void)sqlite3_finalize(s->begin);
    (void)sqlite3_finalize(s->commit);
    (void)sqlite3_close(s->h);
}

/* ---- the floor ---- */

struct floor {
    void *zmq;
    char endpoint[128];
    uint64_t n;
    _Atomic int ready;
};

static void *floor_server(void *arg)
{
    struct floor *f = arg;
    struct store st;
    const int one = 1;
    char rid[256];
    uint8_t buf[sizeof event];
    size_t size = sizeof f->endpoint, off;
    msgpack_zone *zone = msgpack_zone_new(64 * 1024);
    void *s = zmq_socket(f->zmq, ZMQ_ROUTER);
    store_open(&st, "floor.db");
    must(s && zmq_setsockopt(s, ZMQ_CURVE_SERVER, &one, sizeof one) == 0 && /* no ZAP: for a measurement only */
             zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, hub_keys.curve_secret, MMR_KEY) == 0 && zmq_bind(s, "tcp://127.0.0.1:*") == 0 &&
             zmq_getsockopt(s, ZMQ_LAST_ENDPOINT, f->endpoint, &size) == 0, "the floor's server");
    atomic_store(&f->ready, 1);
    for (uint64_t i = 1; i <= f->n; i++) {
        msgpack_object o;
        int a = zmq_recv(s, rid, sizeof rid, 0), b = zmq_recv(s, buf, sizeof buf, 0);
        must(a > 0 && b > 0, "receiving");
        msgpack_zone_clear(zone);
        off = 0;
        must(msgpack_unpack((const char *)buf, (size_t)b, &off, zone, &o) == MSGPACK_UNPACK_SUCCESS, "unpacking");
        store_put(&st, i, buf, (size_t)b);
        if (st.n < BATCH && i < f->n)
            continue;
        store_commit(&st, i);
        must(zmq_send(s, rid, (size_t)a, ZMQ_SNDMORE) >= 0 && zmq_send(s, &i, sizeof i, 0) >= 0, "acknowledging");
    }
    store_close(&st);
    msgpack_zone_free(zone);
    (void)zmq_close(s);
    return NULL;
}

static double bench_floor(void)
{
    struct floor f = {.zmq = zmq_ctx_new(), .n = (uint64_t)(100000 * seconds)};
    const int hwm = 2 * WINDOW;
    pthread_t t;
    must(pthread_create(&t, NULL, floor_server, &f) == 0, "a thread");
    while (!atomic_load(&f.ready))
        (void)poll(NULL, 0, 1);
    void *s = zmq_socket(f.zmq, ZMQ_DEALER);
    must(s && zmq_setsockopt(s, ZMQ_SNDHWM, &hwm, sizeof hwm) == 0 &&
             zmq_setsockopt(s, ZMQ_CURVE_SERVERKEY, hub_keys.pub.curve, MMR_KEY) == 0 &&
             zmq_setsockopt(s, ZMQ_CURVE_PUBLICKEY, node_keys.pub.curve, MMR_KEY) == 0 &&
             zmq_setsockopt(s, ZMQ_CURVE_SECRETKEY, node_keys.curve_secret, MMR_KEY) == 0 && zmq_connect(s, f.endpoint) == 0, "the floor's client");
    struct usage from = now();
    for (uint64_t sent = 0, acked = 0; acked < f.n;) {
        uint64_t upto;
        while (sent < f.n && sent - acked < WINDOW) {
            must(zmq_send(s, event, event_len, 0) >= 0, "sending");
            sent++;
        }
        must(zmq_recv(s, &upto, sizeof upto, 0) == sizeof upto, "an acknowledgement");
        acked = upto;
        while (zmq_recv(s, &upto, sizeof upto, ZMQ_DONTWAIT) == sizeof upto)
            acked = upto;
    }
    double per_s = rate("floor: CURVE, unpack, SQLite FULL by 256, window 4096", f.n, from);
    (void)zmq_close(s);
    (void)pthread_join(t, NULL);
    (void)zmq_ctx_term(f.zmq);
    return per_s;
}

/* ---- ours ---- */

struct hub {
    struct mmr_bus *bus;
    struct mmr_site_hub *hub;
    struct store st;
    struct mmr_event_view view;
    uint64_t n, last;
    uint8_t epoch[16];
    _Atomic int stop;
};

static void hub_hello(void *ctx, const char *node, const uint8_t epoch[16])
{
    static const uint64_t none[MMR_LANES];
    struct hub *h = ctx;
    memcpy(h->epoch, epoch, 16);
    mmr_site_hub_welcome(h->hub, node, epoch, none);
}

static void hub_commit(struct hub *h)
{
    store_commit(&h->st, h->last);
    mmr_site_hub_ack(h->hub, "pc1", h->epoch, MMR_LANE_OTHER, h->last);
}

static void hub_record(void *ctx, const struct mmr_site_record *r)
{
    struct hub *h = ctx;
    must(mmr_event_read(r->bytes, r->len, &h->view, NULL) == 0 && r->seq == h->last + 1, "a record in its place");
    store_put(&h->st, r->seq, r->bytes, r->len);
    h->last = r->seq;
    h->n++;
    if (h->st.n >= BATCH)
        hub_commit(h);
}

static const struct mmr_site_hub_ops hub_ops = {.hello = hub_hello, .record = hub_record};

static void *hub_loop(void *arg)
{
    struct hub *h = arg;
    while (!atomic_load(&h->stop)) {
        (void)mmr_bus_wait(h->bus, h->st.n ? 1 : 20);
        if (h->st.n && mmr_clock_mono_ns() - h->st.since_ns > 5 * MMR_NS_PER_MS)
            hub_commit(h);
    }
    return NULL;
}

struct node {
    bool is_up;
    uint64_t acked;
};
static void node_order(void *ctx, const struct mmr_site_record *r)
{
    (void)ctx;
    (void)r;
}
static void node_acked(void *ctx, uint32_t lane, uint64_t upto)
{
    (void)lane;
    ((struct node *)ctx)->acked = upto;
}
static void node_state(void *ctx, bool is_up)
{
    ((struct node *)ctx)->is_up = is_up;
}
static const struct mmr_site_node_ops node_ops = {.order = node_order, .acked = node_acked, .state = node_state};

static double bench_ours(bool is_disk)
{
    static struct hub h;
    struct node n = {0};
    struct mmr_bus *bus = NULL;
    struct mmr_site_node *node;
    struct mmr_spool_memory *memory = NULL;
    struct mmr_spool_disk *disk = NULL;
    const uint64_t total = (uint64_t)(100000 * seconds);
    pthread_t t;
    memset(&h, 0, sizeof h);
    store_open(&h.st, is_disk ? "disk.db" : "memory.db");
    must(mmr_bus_new(&h.bus, NULL) == 0 && mmr_bus_new(&bus, NULL) == 0 &&
             mmr_site_hub_new(h.bus, "tcp://127.0.0.1:*", "tcp://127.0.0.1:*", &hub_keys, &hub_ops, &h, NULL, &h.hub, NULL) == 0 &&
             mmr_site_hub_allow(h.hub, "pc1", &node_keys.pub, NULL) == 0, "the hub");
    must(is_disk ? mmr_spool_disk_open(dir, 256 << 20, &disk, NULL, NULL) == 0 : mmr_spool_memory_new(64 << 20, &memory, NULL) == 0, "the spool");
    must(mmr_site_node_new(bus, mmr_site_hub_endpoint(h.hub, false), mmr_site_hub_endpoint(h.hub, true), "pc1", &node_keys, &hub_keys.pub,
                           is_disk ? &mmr_spool_disk_ops : &mmr_spool_memory_ops, is_disk ? (void *)disk : (void *)memory, &node_ops, &n, NULL,
                           &node, NULL) == 0 && pthread_create(&t, NULL, hub_loop, &h) == 0, "the node");
    while (!n.is_up)
        (void)mmr_bus_wait(bus, 10);
    struct usage from = now();
    for (uint64_t sent = 0; n.acked < total;) {
        while (sent < total && sent - n.acked < WINDOW &&
               mmr_site_node_send(node, MMR_LANE_OTHER, "proc", MMR_LOCAL_EVENT, sent + 1, event, event_len, NULL) == 0) {
            sent++;
            if (disk && sent % BATCH == 0)
                break;
        }
        if (disk && mmr_spool_disk_is_due(disk, mmr_clock_mono_ns())) {
            must(mmr_spool_disk_commit(disk, NULL) == 0, "the spool's commit");
            mmr_site_node_committed(node);
        }
        (void)mmr_bus_wait(bus, sent < total && sent - n.acked < WINDOW ? 0 : 2);
    }
    double per_s = rate(is_disk ? "site link, spool on disk to hub's SQLite, acknowledged" : "site link, to hub's SQLite, acknowledged", total, from);
    mmr_site_node_free(node);
    mmr_spool_memory_free(memory);
    mmr_spool_disk_close(disk);
    atomic_store(&h.stop, 1);
    (void)pthread_join(t, NULL);
    mmr_site_hub_free(h.hub);
    mmr_bus_free(bus);
    mmr_bus_free(h.bus);
    store_close(&h.st);
    return per_s;
}

/* ---- many nodes: in a process of their own, with the real node code, eight to a bus ---- */

struct crowd_head {
    char urgent[128], bulk[128];
    struct mmr_public_keys hub;
};
static struct node crowd_node[NODES_MAX];

static uint32_t crowd_up(uint32_t nodes)
{
    uint32_t n = 0;
    for (unsigned i = 0; i < nodes; i++)
        n += crowd_node[i].is_up;
    return n;
}

static void crowd(int in, int out, struct mmr_keys *keys, uint32_t nodes)
{
    enum { BUSES_MAX = (NODES_MAX + PER_BUS - 1) / PER_BUS };
    static struct mmr_bus *bus[BUSES_MAX];
    struct pollfd p[BUSES_MAX];
    const uint32_t buses = (nodes + PER_BUS - 1) / PER_BUS;
    struct crowd_head head;
    must(read(in, &head, sizeof head) == (ssize_t)sizeof head, "the address");
    for (unsigned b = 0; b < buses; b++) {
        must(mmr_bus_new(&bus[b], NULL) == 0, "a bus");
        p[b] = (struct pollfd){.fd = mmr_bus_fd(bus[b]), .events = POLLIN};
    }
    for (unsigned i = 0; i < nodes; i++) {
        struct mmr_spool_memory *spool;
        struct mmr_site_node *node;
        char name[16];
        (void)snprintf(name, sizeof name, "pc%u", i);
        must(mmr_spool_memory_new(1 << 20, &spool, NULL) == 0 &&
                 mmr_site_node_new(bus[i / PER_BUS], head.urgent, head.bulk, name, &keys[i], &head.hub, &mmr_spool_memory_ops, spool, &node_ops,
                                   &crowd_node[i], NULL, &node, NULL) == 0, "a node of the crowd");
    }
    for (uint32_t told = 0;;) {
        (void)poll(p, buses, 50);
        for (unsigned b = 0; b < buses; b++)
            (void)mmr_bus_drain(bus[b]);
        uint32_t up = crowd_up(nodes);
        if (up != told && write(out, &up, sizeof up) != (ssize_t)sizeof up)
            _exit(0); /* the other end is done */
        told = up;
    }
}

/* How they came: when half and nearly all were there, and how many at most within 100 ms. */
struct arrival {
    int64_t half_ns, most_ns;
    uint32_t peak;
};

static struct arrival wait_for_crowd(struct hub *h, int from_crowd, uint32_t want)
{
    struct arrival a = {0};
    uint32_t up = want + 1, before = 0;
    const int64_t start = mmr_clock_mono_ns();
    int64_t until = start + 180 * MMR_NS_PER_S, tenth = start;
    while (up != want && mmr_clock_mono_ns() < until) {
        struct pollfd p[2] = {{.fd = mmr_bus_fd(h->bus), .events = POLLIN}, {.fd = from_crowd, .events = POLLIN}};
        (void)poll(p, 2, 100);
        (void)mmr_bus_drain(h->bus);
        if (p[1].revents & POLLIN)
            must(read(from_crowd, &up, sizeof up) == (ssize_t)sizeof up, "the crowd");
        const int64_t now_ns = mmr_clock_mono_ns();
        if (up <= want && up >= want / 2 && !a.half_ns)
            a.half_ns = now_ns - start;
        if (up <= want && up >= want - want / 20 && !a.most_ns)
            a.most_ns = now_ns - start;
        if (now_ns - tenth >= 100 * MMR_NS_PER_MS && up <= want) {
            a.peak = up > before && up - before > a.peak ? up - before : a.peak;
            before = up;
            tenth = now_ns;
        }
    }
    must(up == want, "all of the crowd within 180 s");
    return a;
}

static size_t resident(void)
{
    unsigned long size, pages = 0;
    FILE *f = fopen("/proc/self/statm", "re");
    must(f && fscanf(f, "%lu %lu", &size, &pages) == 2, "memory");
    (void)fclose(f);
    return pages * (size_t)sysconf(_SC_PAGESIZE);
}

static int64_t cpu_ns(void)
{
    return now().cpu_ns;
}

static void crowd_record(void *ctx, const struct mmr_site_record *r)
{
    struct hub *h = ctx;
    h->n++;
    (void)r;
}
static const struct mmr_site_hub_ops crowd_ops = {.hello = hub_hello, .record = crowd_record};

static void open_crowd_hub(struct hub *h, const struct crowd_head *at, struct mmr_keys *keys, uint32_t nodes)
{
    int r = MMR_EIO;
    for (unsigned t = 0; r && t < 500; t++) { /* the ports close in the background */
        r = mmr_site_hub_new(h->bus, at->urgent, at->bulk, &hub_keys, &crowd_ops, h, NULL, &h->hub, NULL);
        if (r)
            (void)poll(NULL, 0, 10);
    }
    must(r == 0, "the hub of the crowd");
    for (unsigned i = 0; i < nodes; i++) {
        char name[16];
        (void)snprintf(name, sizeof name, "pc%u", i);
        must(mmr_site_hub_allow(h->hub, name, &keys[i].pub, NULL) == 0, "a place in the list");
    }
}

static void bench_crowd(uint32_t nodes)
{
    struct hub h = {0};
    struct crowd_head head = {.urgent = "tcp://127.0.0.1:*", .bulk = "tcp://127.0.0.1:*", .hub = hub_keys.pub};
    struct mmr_keys *keys = calloc(nodes, sizeof *keys);
    struct rlimit lim;
    int to[2], from[2];
    must(keys && pipe(to) == 0 && pipe(from) == 0, "pipes");
    must(getrlimit(RLIMIT_NOFILE, &lim) == 0, "limits");
    lim.rlim_cur = lim.rlim_max;
    (void)setrlimit(RLIMIT_NOFILE, &lim);
    for (unsigned i = 0; i < nodes; i++)
        must(mmr_keys_new(&keys[i], NULL) == 0, "keys");
    pid_t pid = fork();
    must(pid >= 0, "fork");
    if (pid == 0) {
        (void)close(to[1]);
        (void)close(from[0]);
        crowd(to[0], from[1], keys, nodes);
        _exit(0);
    }
    (void)close(from[1]);
    must(mmr_bus_new(&h.bus, NULL) == 0, "a bus");
    open_crowd_hub(&h, &head, keys, nodes);
    (void)snprintf(head.urgent, sizeof head.urgent, "%s", mmr_site_hub_endpoint(h.hub, false));
    (void)snprintf(head.bulk, sizeof head.bulk, "%s", mmr_site_hub_endpoint(h.hub, true));
    size_t before = resident();
    int64_t start = mmr_clock_mono_ns(), cpu = cpu_ns();
    must(write(to[1], &head, sizeof head) == (ssize_t)sizeof head, "the address");
    (void)wait_for_crowd(&h, from[0], nodes);
    int64_t took = mmr_clock_mono_ns() - start;
    int64_t settle = mmr_clock_mono_ns() + MMR_NS_PER_S;
    while (mmr_clock_mono_ns() < settle)
        (void)mmr_bus_wait(h.bus, 50);
    printf("{\"what\":\"%u nodes connect to one hub\",\"n\":%u,\"all_up_ms\":%.0f,\"hub_cpu_ms_per_node\":%.2f,\"hub_kib_per_node\":%.1f}\n", nodes, nodes,
           (double)took / 1e6, (double)(cpu_ns() - cpu) / 1e6 / nodes, (double)(resident() - before) / 1024 / nodes);
    cpu = cpu_ns();
    const uint64_t line = loopback_bytes();
    settle = mmr_clock_mono_ns() + (int64_t)(IDLE_S * 1e9 * (seconds < 1 ? seconds : 1));
    start = mmr_clock_mono_ns();
    while (mmr_clock_mono_ns() < settle)
        (void)mmr_bus_wait(h.bus, 50);
    const double idle_s = (double)(mmr_clock_mono_ns() - start) / 1e9;
    printf("{\"what\":\"%u idle nodes at one hub\",\"n\":%u,\"hub_cpu_percent\":%.2f,\"line_bytes_per_node_and_s\":%.0f}\n", nodes, nodes,
           (double)(cpu_ns() - cpu) / 1e7 / idle_s, (double)(loopback_bytes() - line) / nodes / idle_s);
    const int64_t gone = mmr_clock_mono_ns();
    mmr_site_hub_free(h.hub); /* gone, and back: everybody at once */
    h.hub = NULL;
    (void)wait_for_crowd(&h, from[0], 0);
    while (mmr_clock_mono_ns() - gone < AWAY_S * MMR_NS_PER_S) /* long enough for their waits to have grown */
        (void)poll(NULL, 0, 50);
    cpu = cpu_ns();
    start = mmr_clock_mono_ns();
    open_crowd_hub(&h, &head, keys, nodes);
    const struct arrival came = wait_for_crowd(&h, from[0], nodes);
    printf("{\"what\":\"%u nodes come back after the hub was away\",\"n\":%u,\"away_ms\":%.0f,\"half_up_ms\":%.0f,\"95_percent_up_ms\":%.0f,\"all_up_ms\":%.0f,"
           "\"most_in_100_ms\":%u,\"hub_cpu_ms_per_node\":%.2f}\n", nodes, nodes, (double)(start - gone) / 1e6, (double)came.half_ns / 1e6,
           (double)came.most_ns / 1e6, (double)(mmr_clock_mono_ns() - start) / 1e6, came.peak, (double)(cpu_ns() - cpu) / 1e6 / nodes);
    (void)fflush(stdout);
    (void)close(from[0]);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    mmr_site_hub_free(h.hub);
    mmr_bus_free(h.bus);
    free(keys);
}

static void forget(void)
{
    static const char *const files[] = {"floor.db", "memory.db", "disk.db", "spool.db"};
    for (size_t i = 0; i < sizeof files / sizeof files[0]; i++)
        for (unsigned k = 0; k < 3; k++) {
            static const char *const more[] = {"", "-wal", "-shm"};
            char path[128];
            (void)snprintf(path, sizeof path, "%s/%s%s", dir, files[i], more[k]);
            (void)unlink(path);
        }
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;
    return (x > y) - (x < y);
}

static double middle(double v[TURNS])
{
    qsort(v, TURNS, sizeof v[0], by_size);
    return v[TURNS / 2];
}

int main(int argc, char **argv)
{
    double base[TURNS], memory[TURNS], disk[TURNS];
    if (argc > 1 && (seconds = strtod(argv[1], NULL)) <= 0) {
        fprintf(stderr, "usage: %s [SECONDS]\n", argv[0]);
        return 2;
    }
    must(mkdtemp(dir) && mmr_keys_new(&hub_keys, NULL) == 0 && mmr_keys_new(&node_keys, NULL) == 0, "start");
    own_network();
    event_len = sample_event(event, sizeof event);
    bench_crowd(500); /* first: they fork */
    bench_crowd(NODES_MAX);
    for (unsigned i = 0; i < TURNS; i++) {
        base[i] = bench_floor();
        memory[i] = bench_ours(false);
        disk[i] = bench_ours(true);
        forget();
    }
    const double floor_per_s = middle(base), ours = middle(memory), with_disk = middle(disk);
    printf("{\"what\":\"durable events a second beside the floor, middle of %d turns\",\"floor_per_s\":%.0f,\"per_s\":%.0f,\"per_s_with_disk_spool\":%.0f,"
           "\"ratio\":%.2f,\"ratio_with_disk_spool\":%.2f}\n", TURNS, floor_per_s, ours, with_disk, ours / floor_per_s, with_disk / floor_per_s);
    (void)rmdir(dir);
    return 0;
}
