/*
 * ndpi.c - what libndpi says about a flow: its application and its risks, as net.hint events and as
 * mmr_flow.app where our own parsers know nothing. Hints for correlation, never findings: on hostile
 * and on ordinary traffic alike many flows carry some risk. libndpi reads the packets, so its flow
 * count is bounded here and it sees the first packets of a flow only.
 */
#include "net_text.h"

#include <mamori/event.h>
#include <mamori/plugin.h>

#include <ndpi_api.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

struct ndpi_config {
    int64_t packets, flows_max;
};
struct hint {
    struct hint *prev, *next;
    struct ndpi_flow_struct *nf;
    uint32_t n;
    bool is_done;
};
struct ndpi_plugin {
    const struct mmr_host *host;
    const struct ndpi_config *cfg;
    struct ndpi_detection_module_struct *module;
    struct hint *hints;
    int64_t n_hints;
    uint64_t n_refused;
    bool is_replay;
    uint8_t event[8192];
};
enum { RISKS_MAX = 16 };

static void free_detail(struct hint *h)
{
    if (h->nf)
        ndpi_free_flow(h->nf);
    h->nf = NULL;
}

static void free_hint(struct ndpi_plugin *m, struct hint *h)
{
    free_detail(h);
    if (h->prev)
        h->prev->next = h->next;
    else
        m->hints = h->next;
    if (h->next)
        h->next->prev = h->prev;
    m->n_hints--;
    free(h);
}

static void tell(struct ndpi_plugin *m, struct mmr_flow *f, struct hint *h, ndpi_protocol proto, const struct mmr_packet *p)
{
    const char *risks[RISKS_MAX];
    size_t n = 0;
    struct mmr_event ev;
    uint16_t id = proto.app_protocol != NDPI_PROTOCOL_UNKNOWN ? proto.app_protocol : proto.master_protocol;
    h->is_done = true;
    for (unsigned r = 0; r < NDPI_MAX_RISK && n < RISKS_MAX; r++)
        if (h->nf->risk & (ndpi_risk)1 << r)
            risks[n++] = ndpi_risk2str((ndpi_risk_enum)r);
    if (id != NDPI_PROTOCOL_UNKNOWN || n) {
        const char *name = id != NDPI_PROTOCOL_UNKNOWN ? ndpi_get_proto_name(m->module, id) : NULL;
        if (name && !f->app)
            f->app = name; /* the module's own text: it lives as long as this instance */
        mmr_event_begin(&ev, m->event, sizeof m->event, "net.hint", MMR_CLASS_NETWORK, 6,
                        p && p->frame ? p->frame->time_ns : f->last_ns, 1);
        net_event_flow(&ev, f, p, m->is_replay);
        mmr_event_str(&ev, "app_name", name);
        if (proto.master_protocol != NDPI_PROTOCOL_UNKNOWN && proto.master_protocol != id)
            mmr_event_str(&ev, "unmapped.master_protocol", ndpi_get_proto_name(m->module, proto.master_protocol));
        mmr_event_str(&ev, "unmapped.category", ndpi_category_get_name(m->module, proto.category));
        if (h->nf->host_server_name[0])
            mmr_event_str(&ev, "unmapped.server_name", (const char *)h->nf->host_server_name);
        if (n)
            mmr_event_strv(&ev, "unmapped.risks", risks, n);
        (void)mmr_event_emit(&ev, m->host); /* telemetry: the host counts what it cannot take */
    }
    free_detail(h);
}

static struct hint *hint_of(struct ndpi_plugin *m, struct mmr_flow *f)
{
    struct hint *h = f->slot[MMR_SLOT_NDPI];
    if (h)
        return h;
    if (m->n_hints >= m->cfg->flows_max) {
        m->n_refused++;
        return NULL;
    }
    h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->nf = ndpi_flow_malloc(SIZEOF_FLOW_STRUCT);
    if (!h->nf) {
        free(h);
        return NULL;
    }
    memset(h->nf, 0, SIZEOF_FLOW_STRUCT);
    h->next = m->hints;
    if (m->hints)
        m->hints->prev = h;
    m->hints = h;
    m->n_hints++;
    f->slot[MMR_SLOT_NDPI] = h;
    return h;
}

static void on_packet(void *self, const void *item)
{
    struct ndpi_plugin *m = self;
    const struct mmr_packet *p = item;
    struct mmr_flow *f = p->flow;
    if (!f || !p->l3 || !p->frame || (p->flags & MMR_PKT_MALFORMED) || p->l3_len > UINT16_MAX)
        return;
    if (!f->slot[MMR_SLOT_NDPI] && p->proto == IPPROTO_TCP && p->payload_len == 0)
        return; /* a handshake says nothing yet, and a flood of half-open connections must not cost two kilobytes each */
    struct hint *h = hint_of(m, f);
    if (!h || h->is_done)
        return;
    ndpi_protocol proto = ndpi_detection_process_packet(m->module, h->nf, p->l3, (unsigned short)p->l3_len,
                                                        (uint64_t)p->frame->time_ns / 1000000);
    h->n++;
    bool is_known = proto.app_protocol != NDPI_PROTOCOL_UNKNOWN && !h->nf->check_extra_packets;
    if (!is_known && h->n < (uint32_t)m->cfg->packets)
        return;
    if (!is_known) {
        uint8_t guessed = 0;
        proto = ndpi_detection_giveup(m->module, h->nf, 0, &guessed); /* 0: a port is no identity */
    }
    tell(m, f, h, proto, p);
}

static void on_flow_end(void *self, const void *item)
{
    struct ndpi_plugin *m = self;
    union { /* the flow's last call: its slots are ours to clear */
        const void *c;
        struct mmr_flow *flow;
    } u = {.c = item};
    struct hint *h = u.flow->slot[MMR_SLOT_NDPI];
    if (!h)
        return;
    if (!h->is_done) {
        uint8_t guessed = 0;
        tell(m, u.flow, h, ndpi_detection_giveup(m->module, h->nf, 0, &guessed), NULL);
    }
    free_hint(m, h);
    u.flow->slot[MMR_SLOT_NDPI] = NULL;
}

static void destroy(void *self)
{
    struct ndpi_plugin *m = self;
    if (!m)
        return;
    while (m->hints)
        free_hint(m, m->hints);
    if (m->module)
        ndpi_exit_detection_module(m->module);
    free(m);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    NDPI_PROTOCOL_BITMASK all;
    if (ndpi_get_api_version() != NDPI_API_VERSION)
        return mmr_fail(err, MMR_EUNSUPPORTED, "libndpi has interface %u, this plugin was built for %u; rebuild it",
                        ndpi_get_api_version(), NDPI_API_VERSION);
    struct ndpi_plugin *m = calloc(1, sizeof *m);
    if (!m)
        return mmr_fail(err, MMR_ENOMEM, "ndpi '%s': out of memory", host->instance);
    m->host = host;
    m->cfg = config;
    m->is_replay = !host->state_dir || !host->state_dir[0];
    m->module = ndpi_init_detection_module(ndpi_dont_load_tor_hosts);
    if (!m->module) {
        destroy(m);
        return mmr_fail(err, MMR_ENOMEM, "ndpi '%s': libndpi could not be set up", host->instance);
    }
    NDPI_BITMASK_SET_ALL(all);
    ndpi_set_protocol_detection_bitmask2(m->module, &all);
    ndpi_finalize_initialization(m->module);
    *ret_self = m;
    return MMR_OK;
}

static const struct mmr_sink packet_sink = {.struct_size = sizeof packet_sink, .item = on_packet};
static const struct mmr_sink flow_sink = {.struct_size = sizeof flow_sink, .item = on_flow_end};

static const void *extension(const char *id)
{
    if (strcmp(id, MMR_TOPIC_PACKET) == 0)
        return &packet_sink;
    return strcmp(id, MMR_TOPIC_FLOW) == 0 ? &flow_sink : NULL;
}

static const struct mmr_cfg_key config[] = {
    MMR_CFG(struct ndpi_config, packets, MMR_CFG_INT, 0, "24", 4, 256, "packets of a flow shown to libndpi"),
    MMR_CFG(struct ndpi_config, flows_max, MMR_CFG_INT, 0, "65536", 256, 1048576, "flows looked at at once"),
    {0},
};

MMR_PLUGIN(ndpi) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.ndpi",
    .name = "ndpi",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0", /* links libndpi (LGPL-3.0) dynamically */
    .doc = "application and risks of flows by libndpi, as hints",
    .side = MMR_SIDE_NETWORK,
    .events = (const char *const[]){"net.hint", NULL},
    .config = config,
    .config_size = sizeof(struct ndpi_config),
    .create = create,
    .destroy = destroy,
    .extension = extension,
};
