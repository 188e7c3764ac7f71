/* link: mmr_plugin_flow_objects mmr_net mamori-sdk */
/*
 * fuzz_decode.c - frames of every link type through decoding, fragments, the flow table and TCP
 * reassembly. The input is a row of frames: link type index, time step, two bytes of length, data.
 */
#include "net_decode.h"

#include <mamori/event.h>
#include <mamori/plugin.h>

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
extern const struct mmr_plugin mmr_plugin_flow;

static uint64_t n_bytes;

static void touch(void *impl, const struct mmr_topic *topic, const void *item)
{
    (void)impl;
    if (strcmp((const char *)(const void *)(topic + 1), MMR_TOPIC_STREAM) == 0) {
        const struct mmr_chunk *c = item;
        for (uint32_t i = 0; i < c->len; i++)
            n_bytes += c->data[i];
    } else if (strcmp((const char *)(const void *)(topic + 1), MMR_TOPIC_PACKET) == 0) {
        const struct mmr_packet *p = item;
        for (uint32_t i = 0; i < p->payload_len; i++)
            n_bytes += p->payload[i];
    }
}

static const struct {
    struct mmr_topic t;
    char id[32];
} topics[] = {{{sizeof(struct mmr_topic), 0, touch, 1, 0}, MMR_TOPIC_PACKET},
              {{sizeof(struct mmr_topic), 0, touch, 1, 0}, MMR_TOPIC_STREAM},
              {{sizeof(struct mmr_topic), 0, touch, 1, 0}, MMR_TOPIC_FLOW}};

static const void *extension(void *impl, const char *id)
{
    (void)impl;
    for (size_t i = 0; i < sizeof topics / sizeof topics[0]; i++)
        if (strcmp(topics[i].id, id) == 0)
            return &topics[i].t;
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
    static const uint32_t links[] = {NET_DLT_EN10MB, NET_DLT_RAW_LINK, NET_DLT_SLL, NET_DLT_SLL2, NET_DLT_NULL,
                                     NET_DLT_PPP, NET_DLT_PPP_ETHER, NET_DLT_LOOP, NET_DLT_C_HDLC};
    static const struct mmr_host host = {.struct_size = sizeof host, .instance = "fuzz", .state_dir = "", .emit = emit,
                                         .extension = extension, .set_timer = set_timer, .now_ns = now_ns, .log = nolog};
    /* the configuration as the host would fill it: numbers at the offsets the descriptor names */
    static max_align_t config[64];
    for (const struct mmr_cfg_key *k = mmr_plugin_flow.config; k->name; k++) {
        int64_t v = k->type == MMR_CFG_BYTES ? 65536 : k->type == MMR_CFG_MSEC ? 1000 : 256;
        if (k->type == MMR_CFG_INT || k->type == MMR_CFG_BYTES || k->type == MMR_CFG_MSEC)
            memcpy((uint8_t *)config + k->offset, &v, sizeof v);
        else if (k->type == MMR_CFG_BOOL)
            ((uint8_t *)config)[k->offset] = 1;
    }
    if (size)
        ((uint8_t *)config)[mmr_plugin_flow.config_size - 1] = 0;
    void *self = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_plugin_flow.create(&host, config, &self, &err) != 0)
        return 0;
    const struct mmr_sink *sink = mmr_plugin_flow.extension(MMR_TOPIC_FRAME);
    struct mmr_frame f = {.struct_size = sizeof f, .time_ns = 1000000000};
    while (size >= 4) {
        f.linktype = links[data[0] % (sizeof links / sizeof links[0])];
        f.input = data[0] & 0x80 ? "b" : "a";
        f.time_ns += (int64_t)data[1] * data[1] * 1000000;
        size_t len = (size_t)data[2] | (size_t)data[3] << 8;
        data += 4;
        size -= 4;
        len = len < size ? len : size;
        uint8_t *copy = malloc(len ? len : 1); /* its own block: reading past the end is seen */
        if (!copy)
            break;
        memcpy(copy, data, len);
        f.data = copy;
        f.cap_len = f.wire_len = (uint32_t)len;
        f.index++;
        sink->item(self, &f);
        free(copy);
        data += len;
        size -= len;
    }
    (void)mmr_plugin_flow.analyzer->finish(self, &err);
    mmr_plugin_flow.destroy(self);
    return 0;
}
