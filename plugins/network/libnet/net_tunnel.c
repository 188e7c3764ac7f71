/* net_tunnel.c - see net_tunnel.h. Sources: RFC 2003, 4213, 2784, 2890, 2637, 7348, 8926, 4380; ERSPAN drafts. */
#include "net_tunnel.h"

#include "net_cursor.h"
#include "net_decode.h"

#include <netinet/in.h>

enum { PORT_VXLAN = 4789, PORT_GENEVE = 6081, PORT_TEREDO = 3544, ETH_TEB = 0x6558, ETH_ERSPAN = 0x88be,
       ETH_ERSPAN3 = 0x22eb, ETH_PPP = 0x880b };

static bool inner(struct mmr_frame *f, uint32_t linktype, struct net_cursor c)
{
    size_t least = linktype == NET_DLT_EN10MB ? 14 : linktype == NET_DLT_PPP ? 3 : 20;
    if (c.bad || c.left < least)
        return false;
    if (linktype == NET_DLT_RAW && c.p[0] >> 4 != 4 && c.p[0] >> 4 != 6)
        return false;
    f->linktype = linktype;
    f->data = c.p;
    f->cap_len = f->wire_len = (uint32_t)c.left;
    return true;
}

static bool by_type(struct mmr_frame *f, uint16_t type, struct net_cursor c)
{
    if (type == NET_ETH_IPV4 || type == NET_ETH_IPV6)
        return inner(f, NET_DLT_RAW, c);
    return type == ETH_TEB && inner(f, NET_DLT_EN10MB, c);
}

static bool gre(struct mmr_frame *f, struct net_cursor c)
{
    uint16_t flags = cur_u16be(&c), type = cur_u16be(&c);
    unsigned version = flags & 7;
    if (flags & 0x4000 || version > 1) /* source routes are not in use */
        return false;
    if (version == 0 && flags & 0x8000)
        (void)cur_take(&c, 4);
    if (flags & 0x2000)
        (void)cur_take(&c, 4);
    if (flags & 0x1000)
        (void)cur_take(&c, 4);
    if (version == 1 && flags & 0x0080)
        (void)cur_take(&c, 4);
    if (type == ETH_ERSPAN) {
        if (flags & 0x1000) /* with a sequence number it is type II, with a header of its own */
            (void)cur_take(&c, 8);
        return inner(f, NET_DLT_EN10MB, c);
    }
    if (type == ETH_ERSPAN3) {
        const uint8_t *h = cur_take(&c, 12);
        if (h && h[11] & 1)
            (void)cur_take(&c, 8);
        return inner(f, NET_DLT_EN10MB, c);
    }
    if (type == ETH_PPP)
        return inner(f, NET_DLT_PPP, c);
    return by_type(f, type, c);
}

static bool vxlan(struct mmr_frame *f, struct net_cursor c)
{
    const uint8_t *h = cur_take(&c, 8);
    return h && h[0] & 0x08 && inner(f, NET_DLT_EN10MB, c); /* the network identifier is valid */
}

static bool geneve(struct mmr_frame *f, struct net_cursor c)
{
    const uint8_t *h = cur_take(&c, 8);
    if (!h || h[0] >> 6)
        return false;
    (void)cur_take(&c, (size_t)(h[0] & 63) * 4);
    return by_type(f, net_be16(h + 2), c);
}

/* IPv6 in UDP, after an authentication or an origin indication if there is one (RFC 4380 5.1.1). */
static bool teredo(struct mmr_frame *f, struct net_cursor c)
{
    if (c.left >= 4 && net_be16(c.p) == 0x0001) {
        size_t n = 4U + c.p[2] + c.p[3] + 8 + 1;
        (void)cur_take(&c, n);
    }
    if (c.left >= 8 && net_be16(c.p) == 0)
        (void)cur_take(&c, 8);
    if (c.bad || c.left < 40 || c.p[0] >> 4 != 6 || (size_t)net_be16(c.p + 4) + 40 > c.left)
        return false;
    return inner(f, NET_DLT_RAW, c);
}

bool net_tunnel(const struct mmr_packet *p, struct mmr_frame *ret)
{
    struct net_cursor c = cur_of(p->payload, p->payload_len);
    if (!p->payload || !p->frame || p->flags & MMR_PKT_MALFORMED)
        return false;
    *ret = *p->frame;
    switch (p->proto) {
    case IPPROTO_IPIP:
    case IPPROTO_IPV6: return inner(ret, NET_DLT_RAW, c);
    case IPPROTO_GRE: return gre(ret, c);
    case IPPROTO_UDP: break;
    default: return false;
    }
    if (p->dst_port == PORT_VXLAN)
        return vxlan(ret, c);
    if (p->dst_port == PORT_GENEVE)
        return geneve(ret, c);
    if (p->ip_version == 4 && (p->dst_port == PORT_TEREDO || p->src_port == PORT_TEREDO))
        return teredo(ret, c);
    return false;
}
