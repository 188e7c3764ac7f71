/* testconn.h - for the tests of this folder: one connection whose chunks go in, and what came out of them as lines of text. */
#ifndef MMR_PROTOCOLS_TESTCONN_H
#define MMR_PROTOCOLS_TESTCONN_H

#include "testhost.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_protocols;

struct world {
    struct mmr_testhost *th;
    int i;
    struct mmr_flow flow;
    uint64_t offset[2];
    char buffers[65536]; /* "app dir name=value\n" of every transaction */
    size_t n;
    struct mmr_dcerpc_call call;
    unsigned n_calls, n_tx;
};

static inline void on_tx(void *ctx, const void *item)
{
    struct world *w = ctx;
    const struct mmr_tx *tx = item;
    w->n_tx++;
    for (size_t i = 0; i < tx->n; i++) {
        int n = snprintf(w->buffers + w->n, sizeof w->buffers - w->n, "%s %u %s=%.*s\n", tx->app, tx->dir,
                         tx->buffers[i].name, (int)tx->buffers[i].len, (const char *)tx->buffers[i].data);
        assert_true(n > 0 && w->n + (size_t)n < sizeof w->buffers);
        w->n += (size_t)n;
    }
    if (strcmp(tx->app, "dcerpc") == 0 && tx->detail) {
        memcpy(&w->call, tx->detail, sizeof w->call);
        w->n_calls++;
    }
}

static inline void begin(struct world *w, uint8_t proto, uint16_t port, const char *const *cfg)
{
    struct mmr_error err = {.struct_size = sizeof err};
    memset(w, 0, sizeof *w);
    w->th = mmr_testhost_new();
    mmr_testhost_listen(w->th, MMR_TOPIC_TX, on_tx, w);
    w->i = mmr_testhost_add(w->th, &mmr_plugin_protocols, cfg, &err);
    if (w->i < 0)
        fail_msg("%s", err.text);
    w->flow = (struct mmr_flow){.struct_size = sizeof w->flow, .ip_version = 4, .proto = proto, .id = 1,
                                .tcp_state = MMR_TCP_ESTABLISHED, .client_port = 50000, .server_port = port};
}

static inline void chunk(struct world *w, uint8_t dir, const void *p, size_t n, uint32_t flags)
{
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = MMR_TH_START_NS, .input = "a", .index = 1};
    struct mmr_packet packet = {.struct_size = sizeof packet, .frame = &frame, .flow = &w->flow, .proto = w->flow.proto};
    struct mmr_chunk c = {.struct_size = sizeof c, .flags = flags | (w->offset[dir] ? 0 : MMR_CHUNK_START), .flow = &w->flow,
                          .packet = &packet, .data = p, .len = (uint32_t)n, .offset = w->offset[dir], .dir = dir,
                          .gap = flags & MMR_CHUNK_GAP ? 10 : 0};
    if (n == 0)
        c.flags |= MMR_CHUNK_END;
    w->offset[dir] += n;
    assert_int_equal(mmr_testhost_feed(w->th, w->i, MMR_TOPIC_STREAM, &c), 1);
}

static inline void text(struct world *w, uint8_t dir, const char *s)
{
    chunk(w, dir, s, strlen(s), 0);
}

static inline void end(struct world *w)
{
    const char *why;
    assert_int_equal(mmr_testhost_feed(w->th, w->i, MMR_TOPIC_FLOW, &w->flow), 1);
    assert_null(w->flow.slot[MMR_SLOT_PROTOCOLS]);
    if (mmr_testhost_refusals(w->th, &why))
        fail_msg("refused: %s", why);
    mmr_testhost_free(w->th);
}

static inline void expect(const struct world *w, const char *line)
{
    if (!strstr(w->buffers, line))
        fail_msg("no \"%s\" in\n%s", line, w->buffers);
}

#endif
