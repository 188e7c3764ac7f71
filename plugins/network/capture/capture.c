/* capture.c - the capture plugin: frames of files and interfaces, published to the flow plugin. */
#include "capture.h"

#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

void cap_log(const struct cap *c, int level, const char *fmt, ...)
{
    char text[512];
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(text, sizeof text, fmt, ap);
    va_end(ap);
    c->host->log(c->host->impl, level, text);
}

void cap_publish(struct cap *c, struct cap_input *in, const struct pcap_pkthdr *h, const uint8_t *data, bool ns)
{
    if (!c->frames)
        c->frames = c->host->extension(c->host->impl, MMR_TOPIC_FRAME);
    in->index++;
    cap_counter_frame(in, h->len < h->caplen ? h->caplen : h->len);
    if (!c->frames || c->frames->sinks == 0)
        return;
    struct mmr_frame f = {
        .struct_size = sizeof f,
        .linktype = in->linktype,
        .time_ns = (int64_t)h->ts.tv_sec * 1000000000 + (int64_t)h->ts.tv_usec * (ns ? 1 : 1000),
        .data = data,
        .cap_len = h->caplen,
        .wire_len = h->len < h->caplen ? h->caplen : h->len,
        .input = in->name,
        .index = in->index,
    };
    c->frames->publish(c->host->impl, c->frames, &f);
}

void cap_input_done(struct cap_input *in)
{
    if (in->pcap)
        pcap_close(in->pcap);
    free(in->name);
    memset(in, 0, sizeof *in);
    in->fd = -1;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct cap *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "capture '%s': out of memory", host->instance);
    c->host = host;
    c->cfg = config;
    for (unsigned i = 0; i < CAP_INPUTS_MAX; i++)
        c->in[i].fd = -1;
    *ret_self = c;
    return MMR_OK;
}

static void destroy(void *self)
{
    struct cap *c = self;
    if (!c)
        return;
    for (uint32_t i = 0; i < c->n; i++)
        cap_input_done(&c->in[i]);
    free(c);
}

static const struct mmr_replay_ops replay = {
    .struct_size = sizeof replay, .open = cap_recorded_open, .next = cap_recorded_next, .step = cap_recorded_step};

static const void *extension(const char *id)
{
    return strcmp(id, "mamori.replay/0") == 0 ? &replay : NULL;
}

static const struct mmr_cfg_key config[] = {
    MMR_CFG(struct cap_config, interfaces, MMR_CFG_STRV, 0, "default", 0, 0,
            "interfaces to listen on; default: the one of the default route"),
    MMR_CFG(struct cap_config, filter, MMR_CFG_STR, 0, NULL, 0, 0, "packet filter (pcap-filter syntax)"),
    MMR_CFG(struct cap_config, gateway_counter, MMR_CFG_STR, 0, NULL, 0, 0,
            "what the gateway counted, for coverage: 'interface' on the gateway itself, or a file with its total of bytes; unset: not compared"),
    MMR_CFG(struct cap_config, snaplen, MMR_CFG_BYTES, 0, "64K", 96, 262144, "bytes kept of each packet"),
    MMR_CFG(struct cap_config, buffer, MMR_CFG_BYTES, 0, "6M", 65536, 1 << 30, "kernel ring per interface; 6M holds 48 ms of a full 1 Gbit/s"),
    MMR_CFG(struct cap_config, gzip_max, MMR_CFG_BYTES, 0, "16G", 65536, 0x10000000000,
            "what a compressed capture file may inflate to"),
    MMR_CFG(struct cap_config, promiscuous, MMR_CFG_BOOL, 0, "true", 0, 0, "also take packets for other machines"),
    MMR_CFG(struct cap_config, immediate, MMR_CFG_BOOL, 0, "false", 0, 0,
            "wake for every packet instead of every 10 ms"),
    {0},
};
static const struct mmr_sensor_ops sensor = {
    .struct_size = sizeof sensor, .start = cap_live_start, .stop = cap_live_stop};

MMR_PLUGIN(capture) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.capture",
    .name = "capture",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "packets of interfaces and capture files (pcap, pcapng, gzip)",
    .side = MMR_SIDE_NETWORK,
    .needs = MMR_NEED_CAPTURE,
    .events = (const char *const[]){"capture.drops", "capture.stats", NULL},
    .config = config,
    .config_size = sizeof(struct cap_config),
    .create = create,
    .destroy = destroy,
    .on_fd = cap_live_on_fd,
    .on_timer = cap_live_on_timer,
    .sensor = &sensor,
    .extension = extension,
};
