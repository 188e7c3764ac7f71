/* link: mmr_plugin_behaviour_objects mmr_net mamori-sdk */
/*
 * fuzz_behaviour.c - what the behaviour plugin reads of streams itself: refusals of services, shells, mining, lookups, leases. The input is a
 * row of chunks: a byte of direction and protocol, one that picks the server's port, two bytes of length, data.
 */
#include "net_decode.h"

#include <mamori/event.h>
#include <mamori/plugin.h>

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct mmr_plugin mmr_plugin_behaviour;

static const void *extension(void *impl, const char *id)
{
    (void)impl;
    (void)id;
    return NULL;
}

static int emit(void *impl, const void *msgpack, size_t len)
{
    static struct mmr_event_view view;
    (void)impl;
    if (mmr_event_read(msgpack, len, &view, NULL) != 0)
        abort();
    return 0;
}

static int set_timer(void *impl, int64_t msec, uint64_t cookie)
{
    (void)impl;
    (void)msec;
    (void)cookie;
    return 0;
}

static int64_t now_ns(void *impl, int clock)
{
    (void)impl;
    (void)clock;
    return 1;
}

static void nolog(void *impl, int level, const char *text)
{
    (void)impl;
    (void)level;
    (void)text;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const uint16_t ports[] = {23, 25, 67, 80, 110, 143, 161, 389, 443, 587, 1433, 1883, 3306, 5432, 6379, 27017};
    static const struct mmr_host host = {.struct_size = sizeof host, .instance = "fuzz", .state_dir = "", .emit = emit,
                                         .extension = extension, .set_timer = set_timer, .now_ns = now_ns, .log = nolog};
    /* the configuration as the host would fill it: limits so low that what is counted is told */
    static max_align_t config[64];
    for (const struct mmr_cfg_key *k = mmr_plugin_behaviour.config; k->name; k++) {
        int64_t v = 1;
        if (k->type == MMR_CFG_INT || k->type == MMR_CFG_BYTES || k->type == MMR_CFG_MSEC)
            memcpy((uint8_t *)config + k->offset, &v, sizeof v);
    }
    void *self = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_plugin_behaviour.create(&host, config, &self, &err) != 0)
        return 0;
    const struct mmr_sink *chunks = mmr_plugin_behaviour.extension(MMR_TOPIC_STREAM);
    struct mmr_frame f = {.struct_size = sizeof f, .time_ns = 1000000000, .input = "a"};
    while (size >= 4) {
        struct mmr_flow flow = {.struct_size = sizeof flow, .ip_version = 4, .id = 1, .client = {{[10] = 0xff, 0xff, 10, 0, 0, 1}},
                                .server = {{[10] = 0xff, 0xff, 10, 0, 0, 2}}, .client_port = 50000};
        struct mmr_packet p = {.struct_size = sizeof p, .frame = &f, .flow = &flow};
        flow.proto = p.proto = data[0] & 2 ? IPPROTO_UDP : IPPROTO_TCP;
        flow.zones = data[0] >> 2 & 3;
        flow.server_port = ports[data[1] % (sizeof ports / sizeof ports[0])];
        size_t len = (size_t)data[2] | (size_t)data[3] << 8;
        const uint8_t dir = data[0] & 1;
        data += 4;
        size -= 4;
        len = len < size ? len : size;
        uint8_t *copy = malloc(len ? len : 1); /* its own block: reading past the end is seen */
        if (!copy)
            break;
        memcpy(copy, data, len);
        struct mmr_chunk c = {.struct_size = sizeof c, .flags = MMR_CHUNK_START, .flow = &flow, .packet = &p, .data = copy, .len = (uint32_t)len, .dir = dir};
        f.time_ns += 1000000;
        f.index++;
        chunks->item(self, &c);
        free(copy);
        data += len;
        size -= len;
    }
    mmr_plugin_behaviour.destroy(self);
    return 0;
}
