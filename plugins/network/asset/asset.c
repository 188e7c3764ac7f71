/*
 * asset.c - the asset plugin: who is in the office, from what passes by. It sends `asset.seen` about each machine (when it is
 * first seen, when something is learnt of it, and every ten minutes while it speaks), `net.sees` about each capture point
 * (which directions pass there), and says what is new once the first days are learnt. In recorded input it does nothing.
 */
#include "hosts.h"
#include "known.h"
#include "maker.h"

#include "net_text.h"

#include <mamori/event.h>
#include <mamori/plugin.h>

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <arpa/inet.h>

enum { TICK_MS = 10000, TELL_MAX = 128, INPUTS_MAX = 16, ROUTERS_MAX = 16, SYN = 2, ACK = 16 };
#define AGAIN_NS (INT64_C(600) * 1000000000)

struct asset_config {
    struct mmr_strv home_net;
    const char *makers;
    int64_t learn;
};
struct input { /* one capture point */
    char name[64];
    uint64_t in, out, inside, bytes;
    uint64_t told;
};
struct asset {
    const struct mmr_host *host;
    const struct asset_config *cfg;
    struct net_ranges home;
    struct known *known; /* NULL: recorded input */
    struct asset_hosts hosts;
    struct input input[INPUTS_MAX];
    uint32_t n_inputs;
    uint8_t router[ROUTERS_MAX][6];
    uint32_t n_routers;
    struct mmr_event_view view;
    uint8_t out[4096];
};

static int64_t now_ns(const struct asset *x)
{
    return x->host->now_ns(x->host->impl, MMR_CLOCK_WALL);
}

/* ---- what is new ---- */

static void tell_new(struct asset *x, const struct asset_host *h, uint16_t port)
{
    char ip[NET_ADDR_TEXT], mac[18], text[256];
    struct mmr_event ev;
    if (now_ns(x) / 1000000000 < known_since_s(x->known) + x->cfg->learn / 1000)
        return;
    (void)net_addr_text(&h->addr, ip);
    (void)net_mac_text(h->mac, mac);
    if (port)
        (void)snprintf(text, sizeof text, "%s (%s) answers on TCP port %u, which it never did before", ip, h->name[0] ? h->name : mac, port);
    else
        (void)snprintf(text, sizeof text, "a machine not seen before is in the network: %s, card %s%s%s", ip, mac, h->maker[0] ? " of " : "", h->maker);
    mmr_event_begin(&ev, x->out, sizeof x->out, "finding", MMR_CLASS_FINDING, 1, now_ns(x), 1);
    mmr_event_str(&ev, "mamori.rule", port ? "mamori.asset.new_service" : "mamori.asset.new_device");
    mmr_event_str(&ev, "finding_info.title", port ? "A machine offers a new service" : "A new machine in the network");
    mmr_event_str(&ev, "message", text);
    mmr_event_str(&ev, "mamori.potential", "info"); /* no phase: a hint, never a reason to act */
    mmr_event_str(&ev, "mamori.direction", "internal");
    mmr_event_str(&ev, "src_endpoint.ip", ip);
    mmr_event_str(&ev, "device.mac", mac);
    if (port)
        mmr_event_int(&ev, "src_endpoint.port", port);
    (void)mmr_event_emit(&ev, x->host);
}

/* ---- packets ---- */

static bool is_router(const struct asset *x, const uint8_t mac[6])
{
    for (uint32_t i = 0; i < x->n_routers; i++)
        if (memcmp(x->router[i], mac, 6) == 0)
            return true;
    return false;
}

static bool is_card(const uint8_t mac[6])
{
    static const uint8_t none[6] = {0};
    return !(mac[0] & 1) && memcmp(mac, none, 6) != 0;
}

/* A card that brings packets from outside the office is a router's: it is nobody else's card. */
static void learn_router(struct asset *x, const uint8_t mac[6])
{
    if (!is_card(mac) || is_router(x, mac) || x->n_routers == ROUTERS_MAX)
        return;
    memcpy(x->router[x->n_routers++], mac, 6);
    for (uint32_t i = 0; i < HOSTS_MAX; i++)
        if (x->hosts.slot[i].has_mac && memcmp(x->hosts.slot[i].mac, mac, 6) == 0)
            x->hosts.slot[i].is_router = x->hosts.slot[i].is_changed = true;
}

static void learn_card(struct asset *x, struct asset_host *h, const uint8_t mac[6])
{
    if (!is_card(mac) || is_router(x, mac) || (h->has_mac && memcmp(h->mac, mac, 6) == 0))
        return;
    memcpy(h->mac, mac, 6);
    h->has_mac = h->is_changed = true;
    asset_maker(mac, x->cfg->makers, h->maker);
    if (known_add(x->known, mac, 0))
        tell_new(x, h, 0);
}

static struct input *input_of(struct asset *x, const char *name)
{
    for (uint32_t i = 0; i < x->n_inputs; i++)
        if (strncmp(x->input[i].name, name, sizeof x->input[i].name - 1) == 0)
            return &x->input[i];
    if (x->n_inputs == INPUTS_MAX)
        return NULL;
    (void)snprintf(x->input[x->n_inputs].name, sizeof x->input[0].name, "%s", name);
    return &x->input[x->n_inputs++];
}

static void on_packet(void *self, const void *item)
{
    struct asset *x = self;
    const struct mmr_packet *p = item;
    if (!x->known || !p->frame || !p->ip_version)
        return;
    bool src_in = net_ranges_has(&x->home, &p->src), dst_in = net_ranges_has(&x->home, &p->dst);
    bool is_group = net_addr_is_multicast(&p->dst);
    struct input *in = input_of(x, p->frame->input ? p->frame->input : "");
    if (in) {
        in->bytes += p->frame->wire_len;
        if (src_in && !dst_in && !is_group)
            in->out++;
        else if (!src_in && dst_in)
            in->in++;
        else
            in->inside++;
    }
    if (!src_in) {
        if (dst_in)
            learn_router(x, p->src_mac);
        return;
    }
    struct asset_host *h = asset_host_get(&x->hosts, &p->src, p->frame->time_ns);
    if (!h)
        return;
    h->last_ns = p->frame->time_ns;
    if (p->flow)
        h->flow_ns = p->frame->time_ns;
    learn_card(x, h, p->src_mac);
    if (p->proto == IPPROTO_TCP && (p->tcp_flags & (SYN | ACK)) == SYN && p->ttl && h->syn_ttl != p->ttl) {
        h->is_changed |= h->syn_ttl == 0;
        h->syn_ttl = p->ttl;
    }
    if (p->proto == IPPROTO_TCP && (p->tcp_flags & (SYN | ACK)) == (SYN | ACK) && p->src_port < 49152 && asset_host_serves(h, p->src_port) &&
        h->has_mac && known_add(x->known, h->mac, p->src_port))
        tell_new(x, h, p->src_port);
    if (p->proto == IPPROTO_UDP && p->src_port == 53 && p->dir == MMR_TO_CLIENT && !h->serves_dns)
        h->serves_dns = h->is_changed = true;
}

/* ---- names ---- */

static bool read_addr(const char *text, struct mmr_addr *ret)
{
    memset(ret, 0, sizeof *ret);
    if (inet_pton(AF_INET, text, ret->b + 12) == 1) {
        ret->b[10] = ret->b[11] = 0xff;
        return true;
    }
    return inet_pton(AF_INET6, text, ret->b) == 1;
}

static int on_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct asset *x = self;
    char text[64], name[HOST_NAME_MAX_BYTES] = "", vendor[40] = "";
    struct mmr_addr a;
    if (!x->known)
        return 0;
    int rc = mmr_event_read(msgpack, len, &x->view, err);
    if (rc < 0)
        return rc;
    if (!mmr_event_copy_str(&x->view, "device.ip", text, sizeof text) && !mmr_event_copy_str(&x->view, "src_endpoint.ip", text, sizeof text))
        return 0;
    if (!read_addr(text, &a) || !net_ranges_has(&x->home, &a))
        return 0;
    struct asset_host *h = asset_host_get(&x->hosts, &a, mmr_event_get_int(&x->view, "time", 0));
    if (!h)
        return 0;
    h->last_ns = mmr_event_get_int(&x->view, "time", h->last_ns);
    (void)mmr_event_copy_str(&x->view, "device.hostname", name, sizeof name);
    (void)mmr_event_copy_str(&x->view, "unmapped.vendor_class", vendor, sizeof vendor);
    if (name[0] && strcmp(name, h->name) != 0) {
        memcpy(h->name, name, sizeof name);
        h->is_changed = true;
    }
    if (vendor[0] && strcmp(vendor, h->vendor_class) != 0) {
        memcpy(h->vendor_class, vendor, sizeof vendor);
        h->is_changed = true;
    }
    return 0;
}

/* ---- telling ---- */

static void tell_host(struct asset *x, struct asset_host *h, int64_t now)
{
    char ip[NET_ADDR_TEXT], mac[18], ports[SERVICES_MAX * 6 + 1] = "";
    struct mmr_event ev;
    size_t at = 0;
    for (unsigned i = 0; i < h->n_tcp; i++)
        at += (size_t)snprintf(ports + at, sizeof ports - at, "%s%u", i ? " " : "", h->tcp[i]);
    mmr_event_begin(&ev, x->out, sizeof x->out, "asset.seen", 5001, 2, now, 1);
    mmr_event_str(&ev, "device.ip", net_addr_text(&h->addr, ip));
    mmr_event_str(&ev, "device.hostname", h->name[0] ? h->name : NULL);
    mmr_event_str(&ev, "device.mac", h->has_mac ? net_mac_text(h->mac, mac) : NULL);
    mmr_event_str(&ev, "unmapped.maker", h->maker[0] ? h->maker : NULL);
    mmr_event_str(&ev, "unmapped.system", asset_host_system(h));
    mmr_event_str(&ev, "unmapped.role", asset_host_role(h));
    mmr_event_str(&ev, "unmapped.services", ports[0] ? ports : NULL);
    mmr_event_int(&ev, "unmapped.first_seen", h->first_ns);
    mmr_event_int(&ev, "unmapped.last_seen", h->last_ns);
    mmr_event_int(&ev, "unmapped.flow_seen", h->flow_ns);
    if (mmr_event_emit(&ev, x->host) != 0)
        return; /* the next tick tries again */
    h->is_told = true;
    h->is_changed = false;
    h->told_ns = now;
}

static void tell_input(struct asset *x, struct input *in, int64_t now)
{
    struct mmr_event ev;
    uint64_t all = in->in + in->out + in->inside;
    if (all == in->told)
        return;
    mmr_event_begin(&ev, x->out, sizeof x->out, "net.sees", MMR_CLASS_EVENT_LOG, 99, now, 1);
    mmr_event_str(&ev, "unmapped.interface", in->name);
    mmr_event_int(&ev, "unmapped.packets_in", (int64_t)in->in);
    mmr_event_int(&ev, "unmapped.packets_out", (int64_t)in->out);
    mmr_event_int(&ev, "unmapped.packets_inside", (int64_t)in->inside);
    mmr_event_int(&ev, "unmapped.bytes", (int64_t)in->bytes);
    if (mmr_event_emit(&ev, x->host) == 0)
        in->told = all;
}

static void on_timer(void *self, uint64_t cookie)
{
    struct asset *x = self;
    int64_t now = now_ns(x);
    unsigned told = 0;
    (void)cookie;
    for (uint32_t i = 0; i < HOSTS_MAX && told < TELL_MAX; i++) {
        struct asset_host *h = &x->hosts.slot[i];
        if (!h->first_ns || (!h->is_changed && !(h->last_ns > h->told_ns && now - h->told_ns > AGAIN_NS)))
            continue;
        tell_host(x, h, now);
        told++;
    }
    for (uint32_t i = 0; i < x->n_inputs; i++)
        tell_input(x, &x->input[i], now);
    (void)x->host->set_timer(x->host->impl, TICK_MS, 0);
}

/* ---- plugin ---- */

static void destroy(void *self)
{
    struct asset *x = self;
    if (!x)
        return;
    known_close(x->known);
    free(x);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct asset *x = calloc(1, sizeof *x);
    int rc = x ? 0 : mmr_fail(err, MMR_ENOMEM, "asset: out of memory");
    if (rc == 0) {
        x->host = host;
        x->cfg = config;
        if (x->cfg->home_net.n == 0)
            net_ranges_private(&x->home);
        for (size_t i = 0; rc == 0 && i < x->cfg->home_net.n; i++)
            rc = net_ranges_add(&x->home, x->cfg->home_net.v[i], err);
    }
    if (rc == 0 && host->state_dir && host->state_dir[0]) {
        rc = known_open(host->state_dir, now_ns(x) / 1000000000, &x->known, err);
        if (rc == 0)
            rc = host->set_timer(host->impl, TICK_MS, 0);
    }
    if (rc < 0) {
        destroy(x);
        return rc;
    }
    *ret_self = x;
    return 0;
}

static const struct mmr_sink packet_sink = {.struct_size = sizeof packet_sink, .item = on_packet};

static const void *extension(const char *id)
{
    return strcmp(id, MMR_TOPIC_PACKET) == 0 ? &packet_sink : NULL;
}

static const struct mmr_cfg_key keys[] = {
    MMR_CFG(struct asset_config, home_net, MMR_CFG_STRV, 0, "", 0, 0, "address ranges of the office; empty: the private ranges"),
    MMR_CFG(struct asset_config, makers, MMR_CFG_STR, 0, NULL, 0, 0,
            "the registry of card makers; unset: /usr/share/ieee-data/oui.txt (package ieee-data) where it is"),
    MMR_CFG(struct asset_config, learn, MMR_CFG_MSEC, 0, "7d", 0, 7776000000, "after the first start, this long nothing is called new"),
    {0},
};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = on_event};

MMR_PLUGIN(asset) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_NETWORK,
    .id = "org.mamori.asset",
    .name = "asset",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "who is in the office, from what passes by: address, card, maker, name, system, role; what is new; what each capture point sees",
    .events = (const char *const[]){"asset.seen", "net.sees", "finding", NULL},
    .config = keys,
    .config_size = sizeof(struct asset_config),
    .create = create,
    .destroy = destroy,
    .on_timer = on_timer,
    .subscribes = (const char *const[]){"host.addr", "dhcp.lease", "arp.claim", NULL},
    .analyzer = &analyzer,
    .extension = extension,
};
