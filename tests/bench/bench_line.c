/* link: mmr_bench mmr_plugin_capture_objects mmr_plugin_flow_objects mmr_plugin_protocols_objects mmr_plugin_behaviour_objects mmr_plugin_asset_objects mmr_plugin_signature_objects mamori-testhost mamori-rules mmr_net mamori-sdk mmr_lib_pcap */
/*
 * bench_line.c - packets a second that pass from a live interface without a loss: through a plain libpcap loop (the floor), through capture,
 * flows, parsers and behaviour, and with a big rule set; a pair of virtual interfaces in a namespace of its own, a sender beside it on the
 * other processor, 64-byte and 1,500-byte frames of 1,000 conversations, rate by rate. The sender's work is not counted, but it shares
 * the machine.
 */
#include "stub_host.h"

#include <mamori/event.h>

#include <linux/if_packet.h>
#include <net/ethernet.h>
#include <net/if.h>
#include <arpa/inet.h>
#include <pcap/pcap.h>
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

extern const struct mmr_plugin mmr_plugin_capture, mmr_plugin_flow, mmr_plugin_protocols, mmr_plugin_behaviour, mmr_plugin_asset, mmr_plugin_signature;
enum { BATCH = 32, CONVERSATIONS = 1000, RUN_MS = 1500, RING_BYTES = 16 << 20 };
#define RULES MMR_SHARED_DIR "/data/rules-et/et-open-2025.rules.gz"
static const char *const rules_cfg[] = {"rules", RULES, NULL}, *const capture_cfg[] = {"interfaces", "bench1", NULL};

struct counts {
    int64_t received, dropped, cpu_ns;
};
static struct counts seen; /* of the latest capture.stats */

static int64_t clock_ns(clockid_t id)
{
    struct timespec t;
    (void)clock_gettime(id, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static void on_event(void *ctx, const void *msgpack, size_t len)
{
    static struct mmr_event_view v;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)ctx;
    if (memmem(msgpack, len < 64 ? len : 64, "capture.stats", 13) && mmr_event_read(msgpack, len, &v, &err) == 0) {
        seen.received = mmr_event_get_int(&v, "unmapped.received", 0);
        seen.dropped = mmr_event_get_int(&v, "unmapped.dropped", 0);
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
        for (unsigned k = sizeof head; k < bytes; k++) /* text of no meaning */
            frame[i][k] = (uint8_t)(' ' + (k * 2654435761u >> 13) % 95);
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

static void end_sender(pid_t pid)
{
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
}

static void touch(uint8_t *user, const struct pcap_pkthdr *h, const uint8_t *data)
{
    uint64_t sum = 0;
    for (uint32_t i = 0; i < h->caplen && i < 54; i++)
        sum += data[i];
    *(volatile uint64_t *)(void *)user += sum;
}

/* The same ring, the same frames, nothing done with them. */
static struct counts run_floor(unsigned bytes, unsigned per_s)
{
    struct counts c = {0};
    struct pcap_stat st = {0};
    char text[PCAP_ERRBUF_SIZE];
    uint64_t sum = 0;
    pcap_t *p = pcap_create("bench1", text);
    if (!p || pcap_set_snaplen(p, 65535) != 0 || pcap_set_buffer_size(p, RING_BYTES) != 0 || pcap_set_timeout(p, 10) != 0 || pcap_activate(p) < 0 ||
        pcap_setnonblock(p, 1, text) != 0) {
        (void)fprintf(stderr, "libpcap: %s\n", p ? pcap_geterr(p) : text);
        exit(1);
    }
    pid_t pid = fork();
    if (pid == 0)
        sender(bytes, per_s);
    int64_t start = clock_ns(CLOCK_MONOTONIC), cpu = clock_ns(CLOCK_PROCESS_CPUTIME_ID);
    while (clock_ns(CLOCK_MONOTONIC) - start < (int64_t)RUN_MS * 1000000) {
        struct pollfd fd = {pcap_get_selectable_fd(p), POLLIN, 0};
        if (poll(&fd, 1, 20) > 0)
            (void)pcap_dispatch(p, 1024, touch, (uint8_t *)&sum);
    }
    c.cpu_ns = clock_ns(CLOCK_PROCESS_CPUTIME_ID) - cpu;
    end_sender(pid);
    (void)pcap_stats(p, &st);
    c.received = st.ps_recv;
    c.dropped = st.ps_drop + st.ps_ifdrop;
    pcap_close(p);
    return c;
}

static struct stub_host h;

static void start_sensor(bool has_rules)
{
    static const struct mmr_plugin *const plugins[] = {&mmr_plugin_flow, &mmr_plugin_protocols, &mmr_plugin_behaviour, &mmr_plugin_asset};
    struct mmr_error err = {.struct_size = sizeof err};
    stub_init(&h);
    h.is_live = true;
    h.seen = on_event;
    seen = (struct counts){0};
    stub_add(&h, &mmr_plugin_capture, capture_cfg);
    for (size_t i = 0; i < sizeof plugins / sizeof plugins[0]; i++)
        stub_add(&h, plugins[i], NULL);
    if (has_rules)
        stub_add(&h, &mmr_plugin_signature, rules_cfg);
    if (mmr_plugin_capture.sensor->start(h.self[0], &err) < 0) {
        (void)fprintf(stderr, "%s\n", err.text);
        exit(1);
    }
}

static void stop_sensor(void)
{
    mmr_plugin_capture.sensor->stop(h.self[0]);
    stub_done(&h);
}

static struct counts run_sensor(unsigned bytes, unsigned per_s)
{
    struct counts before = seen;
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
    end_sender(pid);
    for (struct pollfd p = {h.fd, POLLIN, 0}; poll(&p, 1, 0) > 0;) /* the next rate starts with an empty ring */
        mmr_plugin_capture.on_fd(h.self[0], h.fd, MMR_FD_READ, h.cookie);
    mmr_plugin_capture.on_timer(h.self[0], 0);
    return (struct counts){seen.received - before.received, seen.dropped - before.dropped, cpu};
}

/* One rate; false: packets were lost, or the machine cannot send that fast. */
static bool one(unsigned way, unsigned bytes, unsigned per_s, double *best)
{
    static const char *const ways[] = {"libpcap floor", "sensor", "sensor with the big rule set"};
    struct counts c = way == 0 ? run_floor(bytes, per_s) : run_sensor(bytes, per_s);
    double got = (double)c.received * 1000 / RUN_MS;
    (void)printf("{\"bench\":\"line\",\"what\":\"%s, %u-byte frames, %u a second\",\"received_per_s\":%.0f,\"dropped\":%lld,\"ns_per_packet\":%.0f,"
                 "\"mbit\":%.0f}\n", ways[way], bytes, per_s, got, (long long)c.dropped, c.received ? (double)c.cpu_ns / (double)c.received : 0,
                 got * bytes * 8 / 1e6);
    (void)fflush(stdout);
    if (c.dropped == 0 && got > *best)
        *best = got;
    return c.dropped == 0 && got > per_s * 0.8;
}

/* Rate by rate, up to the first that does not pass twice in a row: on a shared machine a moment without its processor is no limit. */
static void measure(unsigned way, unsigned bytes, double *best)
{
    static const unsigned rates[] = {50000, 100000, 200000, 300000, 500000, 800000};
    if (way > 0)
        start_sensor(way == 2);
    for (size_t i = 0; i < sizeof rates / sizeof rates[0]; i++)
        if (!one(way, bytes, rates[i], best) && !one(way, bytes, rates[i], best))
            break;
    if (way > 0)
        stop_sensor();
}

int main(void)
{
    static const unsigned sizes[] = {64, 1500};
    double best[2][3] = {{0}};
    if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 ||
        system("ip link add bench0 type veth peer name bench1 && ip link set bench0 up && ip link set bench1 up") != 0) {
        (void)printf("{\"bench\":\"line\",\"skipped\":\"needs root and iproute2\"}\n");
        return 0;
    }
    for (unsigned k = 0; k < 2; k++)
        for (unsigned way = 0; way < (access(RULES, R_OK) == 0 ? 3U : 2U); way++)
            measure(way, sizes[k], &best[k][way]);
    for (unsigned k = 0; k < 2; k++)
        (void)printf("{\"bench\":\"line\",\"what\":\"no loss at %u bytes\",\"per_s\":%.0f,\"with_rules_per_s\":%.0f,\"floor_per_s\":%.0f}\n", sizes[k],
                     best[k][1], best[k][2], best[k][0]);
    return 0;
}
