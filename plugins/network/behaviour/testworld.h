/*
 * testworld.h - for the tests of this folder: the plugin in the test host, events and packets for it, what it found. Each check is
 * shown what it must find and the ordinary traffic next to it that it must leave alone. Times, counts and limits are those of the
 * comments in the checks.
 */
#ifndef MMR_BEHAVIOUR_TESTWORLD_H
#define MMR_BEHAVIOUR_TESTWORLD_H

#include "behaviour.h"
#include "testhost.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_behaviour;

struct world {
    struct mmr_testhost *th;
    int i;
    int64_t now;
    struct mmr_event ev;
    uint8_t buf[8192];
};

static inline void begin(struct world *w, const char *const *cfg)
{
    struct mmr_error err = {.struct_size = sizeof err};
    memset(w, 0, sizeof *w);
    w->th = mmr_testhost_new();
    w->i = mmr_testhost_add(w->th, &mmr_plugin_behaviour, cfg, &err);
    if (w->i < 0)
        fail_msg("%s", err.text);
    w->now = MMR_TH_START_NS;
}

static inline void done(struct world *w)
{
    const char *why;
    if (mmr_testhost_refusals(w->th, &why))
        fail_msg("refused: %s", why);
    mmr_testhost_free(w->th);
}

static inline int found(struct world *w, const char *rule)
{
    return mmr_testhost_find_text(w->th, "finding", "mamori.rule", rule);
}

static inline struct mmr_event *event(struct world *w, const char *kind, const char *src, const char *dst, uint16_t port,
                                      const char *direction)
{
    mmr_event_begin(&w->ev, w->buf, sizeof w->buf, kind, MMR_CLASS_NETWORK, 1, w->now, 1);
    mmr_event_str(&w->ev, "src_endpoint.ip", src);
    mmr_event_str(&w->ev, "dst_endpoint.ip", dst);
    mmr_event_int(&w->ev, "src_endpoint.port", 50000);
    mmr_event_int(&w->ev, "dst_endpoint.port", port);
    mmr_event_str(&w->ev, "connection_info.protocol_name", "tcp");
    mmr_event_str(&w->ev, "mamori.direction", direction);
    return &w->ev;
}

static inline void send_event(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_event_end(&w->ev), 0);
    assert_int_equal(mmr_testhost_event(w->th, w->i, w->ev.buf, w->ev.len, &err), 0);
}

static inline void request(struct world *w, const char *src, const char *dst, uint16_t port, const char *direction,
                           const char *method, const char *path, const char *agent, const char *referer, bool is_address)
{
    struct mmr_event *ev = event(w, "http.request", src, dst, port, direction);
    mmr_event_str(ev, "http_request.http_method", method);
    mmr_event_str(ev, "http_request.url.path", path);
    mmr_event_str(ev, "http_request.user_agent", agent);
    mmr_event_str(ev, "http_request.referrer", referer);
    mmr_event_bool(ev, "unmapped.host_is_address", is_address);
    send_event(w);
}

static inline struct mmr_flow flow(uint8_t src, uint8_t dst, uint16_t port)
{
    struct mmr_flow f = {.struct_size = sizeof f, .ip_version = 4, .proto = IPPROTO_TCP, .zones = 3, .id = 7,
                         .client_port = 50000, .server_port = port};
    const uint8_t c[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, src},
                  s[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, dst};
    memcpy(f.client.b, c, 16);
    memcpy(f.server.b, s, 16);
    return f;
}

static inline void chunk(struct world *w, struct mmr_flow *f, uint8_t dir, const char *data, size_t n, uint32_t flags)
{
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = w->now, .input = "a", .index = 1};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = f};
    struct mmr_chunk c = {.struct_size = sizeof c, .flags = flags, .flow = f, .packet = &p, .data = (const uint8_t *)data,
                          .len = (uint32_t)n, .dir = dir};
    assert_int_equal(mmr_testhost_feed(w->th, w->i, MMR_TOPIC_STREAM, &c), 1);
}

#endif
