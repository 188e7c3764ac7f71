/* feed.c - made-up input of every kind a host hands to a plugin: sound in form, arbitrary in content. */
#include "check/probe.h"

#include <mamori/action.h>
#include <mamori/net.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { EVENT_ROOM = 16 * 1024, PAYLOAD_MAX = 600 };

static const char *const names[] = {
    "process.name", "process.cmd_line", "process.file.path", "process.parent_process.name", "process.pid", "process.created_time",
    "process.user.name", "actor.process.name", "actor.process.pid", "actor.user.name", "user.name", "user.uid", "file.path", "file.name",
    "file.hashes.sha256", "device.hostname", "device.ip", "src_endpoint.ip", "src_endpoint.port", "dst_endpoint.ip",
    "dst_endpoint.port", "connection_info.protocol_name", "query.hostname", "answers", "http_request.url.path", "http_request.user_agent",
    "http_response.code", "message", "status", "status_id", "mamori.direction", "mamori.phase", "mamori.rule", "mamori.potential",
    "mamori.input", "unmapped.EventID", "unmapped.Channel", "metadata.log_name", "finding_info.title", "auth_protocol", "logon_type_id",
    "count", "duration", "traffic.bytes_in", "traffic.bytes_out", "tls.sni", "raw_data"};
static const char *const texts[] = {"", "a", "root", "Administrator", "/usr/bin/bash", "C:\\Windows\\System32\\cmd.exe", "192.0.2.5", "2001:db8::1",
                                    "tcp", "www.example.com", "Failed password for root from 192.0.2.7 port 4242 ssh2", "%s%n%x", "inbound",
                                    "\xe5\xae\x88\xe3\x82\x8a", "0", "-1", "../../etc/passwd", "powershell -enc SQBFAFgA", "4625"};
static const int64_t numbers[] = {0, 1, -1, 22, 443, 4624, 65536, INT64_MAX, INT64_MIN, 1700000000};

static void put_random(struct mmr_event *ev, const char *key, struct mmr_probe_rng *rng)
{
    const char *text = texts[mmr_rng_below(rng, sizeof texts / sizeof texts[0])];
    char noise[64];
    switch (mmr_rng_below(rng, 8)) {
    case 0: mmr_event_int(ev, key, numbers[mmr_rng_below(rng, sizeof numbers / sizeof numbers[0])]); break;
    case 1: mmr_event_int(ev, key, (int64_t)mmr_rng_next(rng)); break;
    case 2: mmr_event_bool(ev, key, mmr_rng_below(rng, 2)); break;
    case 3: {
        const char *two[] = {text, "b"};
        mmr_event_strv(ev, key, two, (size_t)mmr_rng_below(rng, 3));
        break;
    }
    case 4: {
        size_t n = (size_t)mmr_rng_below(rng, sizeof noise);
        for (size_t i = 0; i < n; i++)
            noise[i] = (char)(1 + mmr_rng_below(rng, 127));
        mmr_event_strn(ev, key, noise, n);
        break;
    }
    default: mmr_event_str(ev, key, text);
    }
}

void mmr_probe_feed_event(struct mmr_probe *pr, struct mmr_probe_rng *rng)
{
    static const char *const kinds[] = {"process.start", "flow.end", "dns.answer", "auth.failure", "file.write", "finding", "log.line"};
    static uint8_t buf[EVENT_ROOM];
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_event ev;
    size_t n = 0;
    while (pr->p->subscribes && pr->p->subscribes[n])
        n++;
    if (n == 0)
        return;
    const char *kind = pr->p->subscribes[mmr_rng_below(rng, n)];
    if (strcmp(kind, "*") == 0)
        kind = kinds[mmr_rng_below(rng, sizeof kinds / sizeof kinds[0])];
    (void)snprintf(pr->report->doing, sizeof pr->report->doing, "an event of kind %s", kind);
    mmr_event_begin(&ev, buf, sizeof buf, kind, strcmp(kind, "finding") == 0 ? MMR_CLASS_FINDING : MMR_CLASS_PROCESS, 1,
                    mmr_runtime_now_ns(pr->rt), 1);
    mmr_event_str(&ev, "mamori.node", "check");
    uint64_t fields = mmr_rng_below(rng, 20), from = mmr_rng_next(rng);
    for (uint64_t i = 0; i < fields; i++) /* a name stands once in an event */
        put_random(&ev, names[(from + i) % (sizeof names / sizeof names[0])], rng);
    if (mmr_event_end(&ev) == 0 && mmr_runtime_deliver(pr->rt, ev.buf, ev.len, &err) != 0)
        mmr_probe_fault(pr, "our own event was not delivered: %s", err.text);
}

/* ---- topics ---- */

static struct mmr_flow flow;
static struct mmr_frame frame;
static struct mmr_packet packet;
static uint8_t payload[PAYLOAD_MAX];

static uint32_t fill_payload(struct mmr_probe_rng *rng)
{
    static const char *const starts[] = {"GET / HTTP/1.1\r\nHost: a\r\n\r\n", "SSH-2.0-x\r\n", "\x16\x03\x01\x00\x05", "\xffSMB", "EHLO a\r\n", ""};
    const char *s = starts[mmr_rng_below(rng, sizeof starts / sizeof starts[0])];
    uint32_t n = (uint32_t)mmr_rng_below(rng, sizeof payload - 64), at = (uint32_t)strlen(s);
    memcpy(payload, s, at);
    for (; at < n; at++)
        payload[at] = (uint8_t)mmr_rng_next(rng);
    return at;
}

static void begin_flow(struct mmr_probe *pr, struct mmr_probe_rng *rng, int64_t now)
{
    static const uint8_t v4[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 0, 2, 5};
    static const uint16_t ports[] = {22, 25, 53, 80, 443, 445, 88, 389, 50000};
    static uint64_t id;
    (void)pr;
    id++;
    flow = (struct mmr_flow){.struct_size = sizeof flow, .ip_version = 4, .proto = mmr_rng_below(rng, 4) ? 6 : 17, .id = id,
                             .tcp_state = MMR_TCP_ESTABLISHED, .first_ns = now, .last_ns = now,
                             .client_port = (uint16_t)(1024 + mmr_rng_below(rng, 60000)),
                             .server_port = ports[mmr_rng_below(rng, sizeof ports / sizeof ports[0])]};
    memcpy(flow.client.b, v4, 16);
    memcpy(flow.server.b, v4, 16);
    flow.server.b[15] = 9;
}

static const struct mmr_sink *sink_of(const struct mmr_probe *pr, const char *topic)
{
    return pr->p->extension ? pr->p->extension(topic) : NULL;
}

static void give(struct mmr_probe *pr, const char *topic, const void *item)
{
    const struct mmr_sink *s = sink_of(pr, topic);
    if (!s || !s->item)
        return;
    (void)snprintf(pr->report->doing, sizeof pr->report->doing, "an item of topic %s", topic);
    s->item(pr->self, item);
}

/* A short conversation: packets, their data, its end. Whoever keeps something in a slot frees it at the end. */
void mmr_probe_feed_item(struct mmr_probe *pr, struct mmr_probe_rng *rng)
{
    int64_t now = mmr_runtime_now_ns(pr->rt);
    uint64_t offset[2] = {0};
    begin_flow(pr, rng, now);
    for (uint64_t n = 1 + mmr_rng_below(rng, 4); n > 0; n--) {
        uint32_t len = fill_payload(rng);
        uint8_t dir = (uint8_t)mmr_rng_below(rng, 2);
        frame = (struct mmr_frame){.struct_size = sizeof frame, .linktype = 1, .time_ns = now, .data = payload, .cap_len = len,
                                   .wire_len = len, .input = "check", .index = n};
        packet = (struct mmr_packet){.struct_size = sizeof packet, .frame = &frame, .flow = &flow, .dir = dir, .ip_version = 4,
                                     .proto = flow.proto, .ttl = 64, .ethertype = 0x0800, .src = dir ? flow.server : flow.client,
                                     .dst = dir ? flow.client : flow.server, .src_port = dir ? flow.server_port : flow.client_port,
                                     .dst_port = dir ? flow.client_port : flow.server_port, .payload = payload, .payload_len = len,
                                     .l3 = payload, .l3_len = len, .flags = offset[dir] ? 0 : MMR_PKT_FIRST};
        flow.packets[dir]++;
        flow.bytes[dir] += len;
        struct mmr_chunk chunk = {.struct_size = sizeof chunk, .flow = &flow, .packet = &packet, .data = payload, .len = len, .dir = dir,
                                  .offset = offset[dir], .flags = offset[dir] ? 0 : MMR_CHUNK_START};
        struct mmr_buffer buffer = {"http.uri", payload, len};
        struct mmr_tx tx = {.struct_size = sizeof tx, .dir = dir, .final = 1, .flow = &flow, .packet = &packet, .app = "http",
                            .buffers = &buffer, .n = 1};
        offset[dir] += len;
        give(pr, MMR_TOPIC_FRAME, &frame);
        give(pr, MMR_TOPIC_PACKET, &packet);
        give(pr, MMR_TOPIC_STREAM, &chunk);
        give(pr, MMR_TOPIC_TX, &tx);
    }
    give(pr, MMR_TOPIC_FLOW, &flow);
}

/* ---- orders and records ---- */

void mmr_probe_feed_order(struct mmr_probe *pr, struct mmr_probe_rng *rng)
{
    static const uint32_t flags[] = {MMR_ACT_DRY_RUN, MMR_ACT_DRY_RUN, MMR_ACT_UNDO, MMR_ACT_VERIFY}; /* none changes anything */
    static uint8_t buf[EVENT_ROOM];
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_event map;
    size_t n = 0;
    while (pr->p->actions && pr->p->actions[n])
        n++;
    if (n == 0)
        return;
    const char *verb = pr->p->actions[mmr_rng_below(rng, n)];
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_str(&map, MMR_ACT_TARGET, "a made-up target");
    bool is_sound = mmr_rng_below(rng, 2);
    static const char *const keys[] = {"addr", "direction", "proto", "src_endpoint.ip", "src_endpoint.port", "dst_endpoint.ip", "dst_endpoint.port",
                                       "process.pid", "process.start_ticks", "process.file.path", "file.path", "user.name", "device.hostname",
                                       "device.ip", "tree", "entry", "reason", "port"};
    for (size_t i = 0; i < sizeof keys / sizeof keys[0]; i++)
        if (!is_sound)
            put_random(&map, keys[i], rng);
        else if (strstr(keys[i], "port") || strstr(keys[i], "pid") || strstr(keys[i], "ticks"))
            mmr_event_int(&map, keys[i], 4242);
        else
            mmr_event_str(&map, keys[i], strstr(keys[i], "path") ? "/nonexistent/check" : strstr(keys[i], "ip") || strcmp(keys[i], "addr") == 0 ? "192.0.2.77"
                                         : strcmp(keys[i], "direction") == 0 ? "both" : strcmp(keys[i], "proto") == 0 ? "tcp" : "check");
    if (mmr_event_end(&map) != 0)
        return;
    struct mmr_action a = {.struct_size = sizeof a, .flags = flags[mmr_rng_below(rng, sizeof flags / sizeof flags[0])],
                           .id = 1 + mmr_rng_below(rng, 1000), .verb = verb, .ttl_ms = 60000, .msgpack = map.buf, .len = map.len};
    uint64_t before = pr->receipts;
    (void)snprintf(pr->report->doing, sizeof pr->report->doing, "act(%s) with flags 0x%x", verb, a.flags);
    int r = mmr_runtime_act(pr->rt, 0, &a, &err);
    if (r == 0 && pr->receipts == before && (a.flags & (MMR_ACT_DRY_RUN | MMR_ACT_VERIFY)))
        mmr_probe_fault(pr, "act() of %s with flags 0x%x returned 0 and gave no receipt; return MMR_EAGAIN if action_done() follows", verb,
                        a.flags);
    if (r == MMR_EUNSUPPORTED && strstr(err.text, "verb"))
        mmr_probe_fault(pr, "actions[] declares %s, but act() does not know it: %s", verb, err.text);
}

void mmr_probe_feed_record(struct mmr_probe *pr, struct mmr_probe_rng *rng)
{
    static uint64_t seq;
    struct mmr_error err = {.struct_size = sizeof err};
    char text[512];
    int n = snprintf(text, sizeof text, "{\"class_uid\":2005,\"time\":%lld,\"message\":\"%s\",\"unmapped\":{\"mamori\":{\"class\":\"%s\"}}}",
                     (long long)mmr_runtime_now_ns(pr->rt) / 1000000, "made up", mmr_rng_below(rng, 2) ? "severe" : "defended");
    (void)snprintf(pr->report->doing, sizeof pr->report->doing, "a record to forward");
    if (n > 0)
        (void)mmr_runtime_forward(pr->rt, 0, text, (size_t)n, ++seq, &err);
    if (mmr_rng_below(rng, 8) == 0)
        (void)mmr_runtime_flush(pr->rt, 100, &err);
}
