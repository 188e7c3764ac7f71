/* flows.c - see flows.h. A process for each number of flows, so that memory is counted from the start. */
#include "flows.h"
#include "stub_host.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_flow, mmr_plugin_protocols, mmr_plugin_signature;
enum { HEAD = 40, ROUND_PACKETS = 1000000 };

struct run {
    struct stub_host host;
    const struct mmr_sink *sink;
    struct mmr_frame f;
    uint8_t b[512];
};

static void start(struct run *r, const char *const *flow_cfg)
{
    stub_init(&r->host);
    stub_add(&r->host, &mmr_plugin_flow, flow_cfg);
    r->sink = mmr_plugin_flow.extension(MMR_TOPIC_FRAME);
    r->f = (struct mmr_frame){.struct_size = sizeof r->f, .linktype = 101, .data = r->b, .input = "a", .time_ns = 1000000000};
    memcpy(r->b, (const uint8_t[HEAD]){0x45, [8] = 64, 6, [12] = 10, [16] = 192, 0, 2, 1, [22] = 0, 80, [32] = 0x50, 0, 0xff, 0xff}, HEAD);
}

/* A segment of flow i: 16 ports of each of many clients towards one server. */
static void segment(struct run *r, uint32_t i, bool is_answer, uint8_t flags, uint32_t seq, const char *text)
{
    size_t n = strlen(text);
    uint32_t client = htonl(0x0a000000U + (i >> 4)), server = htonl(0xc0000201U), be = htonl(seq);
    uint16_t port = htons((uint16_t)(0x8000 | (i & 15))), web = htons(80), len = htons((uint16_t)(HEAD + n));
    r->f.time_ns += 100;
    r->f.index++;
    r->f.cap_len = r->f.wire_len = (uint32_t)(HEAD + n);
    memcpy(r->b + 2, &len, 2);
    r->b[5] = (uint8_t)r->f.index;
    memcpy(r->b + 12, is_answer ? &server : &client, 4);
    memcpy(r->b + 16, is_answer ? &client : &server, 4);
    memcpy(r->b + 20, is_answer ? &web : &port, 2);
    memcpy(r->b + 22, is_answer ? &port : &web, 2);
    memcpy(r->b + 24, &be, 4);
    r->b[33] = flags;
    memcpy(r->b + HEAD, text, n);
    r->sink->item(r->host.self[0], &r->f);
}

/* The table alone: one SYN a flow, then data over all of them again and again. */
static void table_of(uint32_t flows)
{
    static const char *const cfg[] = {"flows_max", "1048576", "start_events", "false", "end_events", "false", "tcp_new", "1h", NULL};
    static struct run r;
    uint32_t rounds = ROUND_PACKETS / flows > 2 ? ROUND_PACKETS / flows : 2;
    start(&r, cfg);
    size_t before = stub_resident();
    double from = stub_cpu_s();
    for (uint32_t i = 0; i < flows; i++)
        segment(&r, i, false, 2, 0, "");
    double made = stub_cpu_s();
    size_t after = stub_resident();
    for (uint32_t k = 0; k < rounds; k++)
        for (uint32_t i = 0; i < flows; i++)
            segment(&r, i, false, 24, 1 + k * 20, "twenty bytes of data");
    double again = stub_cpu_s();
    (void)printf("{\"bench\":\"net\",\"what\":\"flow table of %u\",\"ns_per_new_flow\":%.0f,\"ns_per_packet\":%.0f,\"bytes_per_flow\":%.0f}\n", flows,
                 (made - from) * 1e9 / flows, (again - made) * 1e9 / ((double)rounds * flows), (double)(after > before ? after - before : 0) / flows);
    stub_done(&r.host);
}

/* What a conversation holds while it is open: a web request and its answer, seen by parsers and the own rules. */
static void held_by(uint32_t flows)
{
    static const char *const cfg[] = {"flows_max", "1048576", "start_events", "false", "end_events", "false", NULL};
    static struct run r;
    start(&r, cfg);
    stub_add(&r.host, &mmr_plugin_protocols, NULL);
    stub_add(&r.host, &mmr_plugin_signature, NULL);
    size_t before = stub_resident();
    for (uint32_t i = 0; i < flows; i++) {
        segment(&r, i, false, 2, 0, "");
        segment(&r, i, true, 18, 0, "");
        segment(&r, i, false, 16, 1, "");
        segment(&r, i, false, 24, 1, "GET /index.html HTTP/1.1\r\nHost: www.example.com\r\nUser-Agent: Mozilla/5.0\r\nAccept: */*\r\n\r\n");
        segment(&r, i, true, 24, 1, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\nContent-Length: 13\r\n\r\n<html></html>");
    }
    size_t after = stub_resident();
    (void)printf("{\"bench\":\"net\",\"what\":\"%u open web conversations, parsers and rules\",\"bytes_per_flow\":%.0f,\"peak_rss_mb\":%.1f}\n", flows,
                 (double)(after - before) / flows, (double)stub_peak() / 1e6);
    stub_done(&r.host);
}

static void apart(void (*f)(uint32_t), uint32_t flows)
{
    (void)fflush(stdout);
    pid_t pid = fork();
    if (pid == 0) {
        f(flows);
        (void)fflush(stdout);
        _exit(0);
    }
    (void)waitpid(pid, NULL, 0);
}

void bench_flows(void)
{
    static const uint32_t counts[] = {1000, 10000, 100000, 1000000};
    for (size_t i = 0; i < sizeof counts / sizeof counts[0]; i++)
        apart(table_of, counts[i]);
    for (size_t i = 1; i < 3; i++)
        apart(held_by, counts[i]);
}
