/*
 * fuzz_net.h - runs one protocol parser over made-up chunks. The input is a row of chunks: one byte of
 * flags (1 to the client, 2 a gap before it, 4 picked up in the middle), two bytes of length, the data.
 */
#ifndef MMR_FUZZ_NET_H
#define MMR_FUZZ_NET_H

#include "http.h"
#include "net_decode.h"
#include "proto.h"

#include <stdlib.h>
#include <string.h>

static int fuzz_emit(void *impl, const void *msgpack, size_t len)
{
    static struct mmr_event_view view;
    (void)impl;
    if (mmr_event_read(msgpack, len, &view, NULL) != 0)
        abort(); /* a parser must never send what the host refuses */
    return 0;
}

static const void *fuzz_extension(void *impl, const char *id)
{
    (void)impl;
    (void)id;
    return NULL;
}

static void fuzz_log(void *impl, int level, const char *text)
{
    (void)impl;
    (void)level;
    (void)text;
}

/* What all parsers share; it outlives an input. */
static struct proto fuzz_proto;
static const struct mmr_addr fuzz_client = {{[10] = 0xff, [11] = 0xff, 10, 0, 0, 1}}, fuzz_server = {{[10] = 0xff, [11] = 0xff, 10, 0, 0, 2}};

static inline void fuzz_parser_at(const struct proto_parser *parser, const struct mmr_addr *server, uint16_t port, const uint8_t *p, size_t n)
{
    static const struct mmr_host host = {
        .struct_size = sizeof host, .instance = "fuzz", .state_dir = "", .log = fuzz_log, .emit = fuzz_emit,
        .extension = fuzz_extension};
    static const struct proto_config cfg = {.body_max = 16384, .flow_memory_max = 65536, .events = true};
    struct proto *m = &fuzz_proto;
    struct mmr_flow flow = {.struct_size = sizeof flow, .ip_version = 4, .proto = parser->ip_proto,
                            .tcp_state = MMR_TCP_ESTABLISHED, .id = 1, .client = fuzz_client, .server = *server, .client_port = 50000, .server_port = port};
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = 1, .input = "fuzz", .index = 1};
    struct mmr_packet packet = {.struct_size = sizeof packet, .frame = &frame, .flow = &flow};
    struct proto_flow pf = {.flow = &flow, .parser = parser};
    m->host = &host;
    m->cfg = &cfg;
    m->is_replay = true;
    if (!m->htp)
        m->htp = proto_http_config_new();
    flow.app = parser->app;
    flow.slot[MMR_SLOT_PROTOCOLS] = &pf;
    (void)parser->probe(p, n, 0, port);
    (void)parser->probe(p, n, 1, port);
    pf.state = parser->open(m, &flow);
    if (!pf.state)
        return;
    uint64_t offset[2] = {0, 0};
    bool is_first[2] = {true, true}, ok = true;
    while (ok && n >= 3) {
        uint8_t flags = p[0], dir = flags & 1;
        size_t len = (size_t)p[1] | (size_t)p[2] << 8;
        p += 3;
        n -= 3;
        len = len < n ? len : n;
        uint8_t *copy = malloc(len ? len : 1); /* its own block: reading past the end is seen */
        if (!copy)
            break;
        memcpy(copy, p, len);
        struct mmr_chunk c = {.struct_size = sizeof c, .flow = &flow, .packet = &packet, .data = copy, .len = (uint32_t)len,
                              .offset = offset[dir], .dir = dir};
        c.flags = is_first[dir] ? MMR_CHUNK_START : 0;
        if (flags & 2) {
            c.flags |= MMR_CHUNK_GAP;
            c.gap = 1U + flags;
        }
        if (flags & 4)
            c.flags |= MMR_CHUNK_MIDSTREAM;
        if (len == 0)
            c.flags |= MMR_CHUNK_END;
        is_first[dir] = false;
        offset[dir] += len;
        packet.payload = copy;
        packet.payload_len = (uint32_t)len;
        ok = parser->data(m, &pf, &c);
        free(copy);
        p += len;
        n -= len;
    }
    parser->close(m, pf.state);
}

static inline void fuzz_parser(const struct proto_parser *parser, uint16_t port, const uint8_t *p, size_t n)
{
    fuzz_parser_at(parser, &fuzz_server, port, p, n);
}

#endif
