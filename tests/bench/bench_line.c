/* link: mmr_plugin_capture_objects mmr_plugin_flow_objects mmr_plugin_protocols_objects mmr_plugin_behaviour_objects mmr_plugin_asset_objects mamori-testhost mmr_net mamori-sdk mmr_lib_pcap */
/*
 * bench_line.c - packets a second that pass from a live interface through capture, flows, parsers and behaviour without a loss: a pair of
 * virtual interfaces in a namespace of its own, a sender beside it on the other processor, 64-byte and 1,500-byte frames of 1,000
 * conversations, rate by rate. The sender's work is not counted, but it shares the machine.
 */
#include "config_text.h"

#include <mamori/event.h>
#include <mamori/net.h>
#include <mamori/plugin.h>

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <poll.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_capture, mmr_plugin_flow, mmr_plugin_protocols, mmr_plugin_behaviour, mmr_plugin_asset;
enum { PLUGINS = 5, TOPICS = 5, BATCH = 32, CONVERSATIONS = 1000, RUN_MS = 2000 };
static const struct mmr_plugin *const plugins[PLUGINS] = {&mmr_plugin_capture, &mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_behaviour,
                                                          &mmr_plugin_asset};
struct slot {
    struct mmr_topic t;
    const char *id;
    const struct mmr_sink *sink[PLUGINS];
    void *self[PLUGINS];
};
struct host {
    struct mmr_host h;
    struct slot topics[TOPICS];
    void *self[PLUGINS], *config[PLUGINS];
    int fd;
    uint64_t cookie;
    int64_t received, dropped;
};

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void publish(void *impl, const struct mmr_topic *topic, const void *item)
{
    struct host *h = impl;
    for (unsigned i = 0; i < TOPICS; i++)
        if (&h->topics[i].t == topic)
            for (uint32_t k = 0; k < topic->sinks; k++)
                h->topics[i].sink[k]->item(h->topics[i].self[k], item);
}

static int emit(void *impl, const void *msgpack, size_t len)
{
    static struct mmr_event_view v;
    struct host *h = impl;
    struct mmr_error err = {.struct_size = sizeof err};
    if (memmem(msgpack, len < 64 ? len : 64, "capture.stats", 13) && mmr_event_read(msgpack, len, &v, &err) == 0) {
        h->received = mmr_event_get_int(&v, "unmapped.received", 0);
        h->dropped = mmr_event_get_int(&v, "unmapped.dropped", 0);
    }
    return 0;
}

static const void *extension(void *impl, const char *id)
{
    struct host *h = impl;
    for (unsigned i = 0; i < TOPICS; i++)
        if (strcmp(h->topics[i].id, id) == 0)
            return &h->topics[i].t;
    return NULL;
}

static int64_t now_ns(void *impl, int which)
{
    (void)impl;
    return clock_ns(which == MMR_CLOCK_WALL ? CLOCK_REALTIME : CLOCK_MONOTONIC);
}

static int set_timer(void *impl, int64_t msec, uint64_t cookie)
{
    (void)impl;
    (void)msec;
    (void)cookie;
    return 0;
}

static int watch_fd(void *impl, int fd, unsigned rw, uint64_t cookie)
{
    struct host *h = impl;
    h->fd = rw ? fd : -1;
    h->cookie = cookie;
    return 0;
}

static void quiet(void *impl, int level, const char *text)
{
    (void)impl;
    if (level <= MMR_LOG_WARN)
        (void)fprintf(stderr, "%s\n", text);
}

static int begin(struct host *h)
{
    static const char *const ids[TOPICS] = {MMR_TOPIC_FRAME, MMR_TOPIC_PACKET, MMR_TOPIC_STREAM, MMR_TOPIC_FLOW, MMR_TOPIC_TX};
    static const char *const capture_cfg[] = {"interfaces", "bench1", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    memset(h, 0, sizeof *h);
    h->fd = -1;
    h->h = (struct mmr_host){.struct_size = sizeof h->h, .impl = h, .instance = "bench", .state_dir = "", .log = quiet, .emit = emit,
                             .extension = extension, .now_ns = now_ns, .set_timer = set_timer, .watch_fd = watch_fd};
    for (unsigned i = 0; i < TOPICS; i++) {
        h->topics[i].id = ids[i];
        h->topics[i].t = (struct mmr_topic){.struct_size = sizeof h->topics[i].t, .publish = publish};
    }
    for (unsigned i = 0; i < PLUGINS; i++) {
        if (mmr_testhost_config_fill(plugins[i], i == 0 ? capture_cfg : NULL, &h->config[i], &err) < 0 ||
            plugins[i]->create(&h->h, h->config[i], &h->self[i], &err) < 0) {
            (void)fprintf(stderr, "%s: %s\n", plugins[i]->id, err.text);
            return -1;
        }
        for (unsigned t = 0; plugins[i]->extension && t < TOPICS; t++) {
            const struct mmr_sink *sink = plugins[i]->extension(h->topics[t].id);
            if (sink) {
                h->topics[t].sink[h->topics[t].t.sinks] = sink;
                h->topics[t].self[h->topics[t].t.sinks++] = h->self[i];
            }
        }
    }
    if (mmr_plugin_capture.sensor->start(h->self[0], &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        return -1;
    }
    return 0;
}

static void end(struct host *h)
{
    mmr_plugin_capture.sensor->stop(h->self[0]);
    for (unsigned i = PLUGINS; i-- > 0;) {
        plugins[i]->destroy(h->self[i]);
        free(h->config[i]);
    }
}

/* Sends frames at about this rate until it is ended. */
static void sender(unsigned bytes, unsigned per_s)
{
    static uint8_t frame[BATCH][1514];
    struct mmsghdr m[BATCH];
    struct iovec v[BATCH];
    struct sockaddr_ll to = {.sll_family = AF_PACKET, .sll_protocol = htons(ETH_P_IP), .sll_ifindex = (int)if_nametoindex("bench0"), .sll_halen = 6};
    int fd = socket(AF_PACKET, SOCK_RAW, 0), on = 1, ip_len = (int)bytes - 14;
    (void)setsockopt(fd, SOL_PACKET, PACKET_QDISC_BYPASS, &on, sizeof on);
    for (unsigned i = 0; i < BATCH; i++) {
        static const uint8_t head[42] = {2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45, 0, 0, 0, 0, 1, 0, 0, 64, 17, 0, 0, 192, 168, 1, 5,
                                         203, 0, 113, 9, 0, 0, 0x13, 0x88};
        memcpy(frame[i], head, sizeof head);
        frame[i][16] = (uint8_t)(ip_len >> 8);
        frame[i][17] = (uint8_t)ip_len;
        frame[i][38] = (uint8_t)((ip_len - 20) >> 8);
        frame[i][39] = (uint8_t)(ip_len - 20);
        v[i] = (struct iovec){frame[i], bytes};
        m[i] = (struct mmsghdr){.msg_hdr = {.msg_name = &to, .msg_namelen = sizeof to, .msg_iov = &v[i], .msg_iovlen = 1}};
    }
    int64_t start = clock_ns(CLOCK_MONOTONIC);
    for (uint64_t n = 0;; n += BATCH) {
        while ((clock_ns(CLOCK_MONOTONIC) - start) * (int64_t)per_s / 1000000000 < (int64_t)n)
            ;
        for (unsigned i = 0; i < BATCH; i++) {
            unsigned port = 10000 + (unsigned)((n + i) % CONVERSATIONS);
            frame[i][34] = (uint8_t)(port >> 8);
            frame[i][35] = (uint8_t)port;
        }
        (void)sendmmsg(fd, m, BATCH, 0);
    }
}

/* One rate; false: packets were lost, or the machine cannot send that fast. */
static bool one(unsigned bytes, unsigned per_s)
{
    static struct host h;
    if (begin(&h) < 0)
        exit(1);
    pid_t pid = fork();
    if (pid == 0)
        sender(bytes, per_s);
    int64_t start = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    while (clock_ns(CLOCK_MONOTONIC) - start < (int64_t)RUN_MS * 1000000) {
        struct pollfd p = {h.fd, POLLIN, 0};
        if (poll(&p, 1, 20) > 0)
            mmr_plugin_capture.on_fd(h.self[0], h.fd, MMR_FD_READ, h.cookie);
    }
    cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    mmr_plugin_capture.on_timer(h.self[0], 0);
    double got = (double)h.received * 1000 / RUN_MS;
    (void)printf("{\"bench\":\"line\",\"what\":\"%u-byte frames, %u a second\",\"received_per_s\":%.0f,\"dropped\":%lld,\"ns_per_packet\":%.0f,\"mbit\":%.0f}\n", bytes,
                 per_s, got, (long long)h.dropped, h.received ? (double)cpu / (double)h.received : 0, got * bytes * 8 / 1e6);
    (void)fflush(stdout);
    bool is_good = h.dropped == 0 && got > per_s * 0.8;
    end(&h);
    return is_good;
}

int main(void)
{
    static const unsigned rates[] = {50000, 100000, 200000, 300000, 500000, 800000};
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 ||
        system("ip link add bench0 type veth peer name bench1 && ip link set bench0 up && ip link set bench1 up") != 0) {
        (void)printf("{\"bench\":\"line\",\"skipped\":\"needs root and iproute2\"}\n");
        return 0;
    }
    for (unsigned k = 0; k < 2; k++)
        for (size_t i = 0; i < sizeof rates / sizeof rates[0] && one(k ? 1500 : 64, rates[i]); i++)
            ;
    return 0;
}
