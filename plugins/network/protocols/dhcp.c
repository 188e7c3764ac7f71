/* dhcp.c - leases and names: who got which address. Source: RFC 2131, RFC 2132. */
#include "proto.h"

#include "net_cursor.h"
#include "net_text.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum { FIXED = 240, OPT_MASK_END = 255, OPT_HOST = 12, OPT_REQUESTED = 50, OPT_LEASE = 51, OPT_TYPE = 53, OPT_SERVER = 54,
       OPT_VENDOR = 60, OPT_FQDN = 81, TYPE_REQUEST = 3, TYPE_ACK = 5, TYPE_INFORM = 8 };
struct dhcp_flow { /* the name a client gave stays for the server's answer of the same exchange */
    uint32_t xid;
    char host[128];
};

static bool is_dhcp(const uint8_t *p, size_t n)
{
    return n >= FIXED + 3 && (p[0] == 1 || p[0] == 2) && p[1] == 1 && p[2] == 6 && net_be32(p + 236) == 0x63825363;
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)dir;
    (void)port;
    return is_dhcp(p, n) ? PROTO_YES : PROTO_NO;
}

static void *dhcp_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct dhcp_flow));
}

static void dhcp_close(struct proto *m, void *state)
{
    (void)m;
    free(state);
}

static void set4(struct mmr_addr *a, const uint8_t *p)
{
    memset(a, 0, sizeof *a);
    a->b[10] = a->b[11] = 0xff;
    memcpy(a->b + 12, p, 4);
}

static bool dhcp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct dhcp_flow *f = pf->state;
    const uint8_t *p = c->data;
    char host[128] = "", vendor[64] = "", mac[18], text[NET_ADDR_TEXT];
    struct mmr_addr addr = {{0}}, server = {{0}};
    uint8_t type = 0;
    uint32_t lease = 0;
    bool has_addr = false, has_server = false;
    if (c->len == 0)
        return true;
    if (!is_dhcp(p, c->len))
        return false;
    struct net_cursor o = cur_of(p + FIXED, c->len - FIXED);
    while (o.left) {
        uint8_t code = cur_u8(&o);
        if (code == 0)
            continue;
        if (code == OPT_MASK_END)
            break;
        uint8_t n = cur_u8(&o);
        const uint8_t *v = cur_take(&o, n);
        if (!v)
            break;
        if (code == OPT_HOST)
            proto_text(host, sizeof host, v, n);
        else if (code == OPT_FQDN && n > 3 && !host[0] && !(v[0] & 4)) /* 4: coded as DNS labels */
            proto_text(host, sizeof host, v + 3, n - 3U);
        else if (code == OPT_VENDOR)
            proto_text(vendor, sizeof vendor, v, n);
        else if (code == OPT_TYPE && n == 1)
            type = v[0];
        else if (code == OPT_LEASE && n == 4)
            lease = net_be32(v);
        else if (code == OPT_SERVER && n == 4) {
            set4(&server, v);
            has_server = true;
        } else if (code == OPT_REQUESTED && n == 4 && type == TYPE_REQUEST) {
            set4(&addr, v);
            has_addr = true;
        }
    }
    if (net_be32(p + 16)) { /* yiaddr */
        set4(&addr, p + 16);
        has_addr = true;
    } else if (net_be32(p + 12)) { /* ciaddr: renewals and INFORM */
        set4(&addr, p + 12);
        has_addr = true;
    }
    if (p[0] == 1 && host[0]) {
        f->xid = net_be32(p + 4);
        memcpy(f->host, host, sizeof f->host);
    } else if (p[0] == 2 && !host[0] && f->xid == net_be32(p + 4)) {
        memcpy(host, f->host, sizeof host);
    }
    if (!has_addr || !(type == TYPE_ACK || type == TYPE_REQUEST || type == TYPE_INFORM))
        return true;
    struct mmr_event *ev = proto_event(m, pf->flow, c->packet, type == TYPE_ACK ? "dhcp.lease" : "host.addr", MMR_CLASS_DHCP, 1);
    mmr_event_str(ev, "device.hostname", host[0] ? host : NULL);
    mmr_event_str(ev, "device.ip", net_addr_text(&addr, text));
    mmr_event_str(ev, "device.mac", net_mac_text(p + 28, mac));
    mmr_event_str(ev, "unmapped.vendor_class", vendor[0] ? vendor : NULL);
    mmr_event_str(ev, "unmapped.source", "dhcp");
    if (type == TYPE_ACK) {
        mmr_event_int(ev, "lease_dur", lease);
        if (has_server)
            mmr_event_str(ev, "unmapped.server", net_addr_text(&server, text));
    }
    proto_event_send(m);
    if (type == TYPE_ACK && host[0]) {
        ev = proto_event(m, pf->flow, c->packet, "host.addr", MMR_CLASS_DHCP, 1);
        mmr_event_str(ev, "device.hostname", host);
        mmr_event_str(ev, "device.ip", net_addr_text(&addr, text));
        mmr_event_str(ev, "device.mac", mac);
        mmr_event_str(ev, "unmapped.source", "dhcp");
        proto_event_send(m);
    }
    return true;
}

const struct proto_parser proto_dhcp = {
    .app = "dhcp", .ip_proto = IPPROTO_UDP, .probe = probe, .open = dhcp_open, .data = dhcp_data, .close = dhcp_close};
