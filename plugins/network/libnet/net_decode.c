/* net_decode.c - link, network and transport headers of one frame. Trusts none of its bytes. */
#include "net_decode.h"

#include "net_cursor.h"

#include <netinet/in.h>
#include <string.h>

static void set_addr4(struct mmr_addr *a, const uint8_t *p)
{
    memset(a->b, 0, 10);
    a->b[10] = a->b[11] = 0xff;
    memcpy(a->b + 12, p, 4);
}

static uint32_t sum16(const uint8_t *p, size_t n, uint32_t s)
{
    for (; n > 1; n -= 2, p += 2)
        s += (uint32_t)(p[0] << 8 | p[1]);
    if (n)
        s += (uint32_t)p[0] << 8;
    while (s >> 16)
        s = (s & 0xffff) + (s >> 16);
    return s;
}

/* RFC 1071 over pseudo header and segment; is_v4 picks the pseudo header. */
static bool is_l4_sum_good(const struct mmr_packet *p, const uint8_t *seg, size_t len)
{
    uint32_t s = 0;
    if (p->proto != IPPROTO_ICMP) {
        bool v4 = p->ip_version == 4;
        s = sum16(p->src.b + (v4 ? 12 : 0), v4 ? 4 : 16, s);
        s = sum16(p->dst.b + (v4 ? 12 : 0), v4 ? 4 : 16, s);
        s += p->proto + (uint32_t)(len >> 16) + (uint32_t)(len & 0xffff);
    }
    s = sum16(seg, len, s);
    return s == 0xffff;
}

static enum net_decoded malformed(struct mmr_packet *p, enum net_decoded kind)
{
    p->flags |= MMR_PKT_MALFORMED;
    return kind;
}

/* The transport header of a whole datagram; l4 has have bytes of the want its header claims. */
static enum net_decoded decode_l4(const uint8_t *l4, size_t have, size_t want, bool check,
                                  struct mmr_packet *p, struct net_extra *x)
{
    struct net_cursor c = cur_of(l4, have);
    size_t head = 0;
    p->l4_off = (uint32_t)(l4 - p->l3);
    p->payload = l4;
    p->payload_len = (uint32_t)have;
    x->missing = (uint32_t)(want - have);
    if (p->proto == IPPROTO_TCP) {
        uint16_t sport = cur_u16be(&c), dport = cur_u16be(&c);
        uint32_t seq = cur_u32be(&c), ack = cur_u32be(&c);
        uint16_t off_flags = cur_u16be(&c), window = cur_u16be(&c);
        head = (size_t)(off_flags >> 12) * 4;
        if (c.bad)
            return malformed(p, NET_DECODED_IP);
        p->src_port = sport;
        p->dst_port = dport;
        p->tcp_seq = seq;
        p->tcp_ack = ack;
        p->tcp_flags = (uint8_t)off_flags;
        p->tcp_window = window;
        if (head < 20 || head > have)
            return malformed(p, NET_DECODED_IP);
    } else if (p->proto == IPPROTO_UDP) {
        uint16_t sport = cur_u16be(&c), dport = cur_u16be(&c), len = cur_u16be(&c);
        (void)cur_u16be(&c);
        if (c.bad)
            return malformed(p, NET_DECODED_IP);
        p->src_port = sport;
        p->dst_port = dport;
        head = 8;
        if (len != 0 && len < 8)
            return malformed(p, NET_DECODED_IP);
        if (len > want)
            p->flags |= MMR_PKT_MALFORMED; /* claims more than the datagram holds: use what is there */
        else if (len != 0 && len < have)
            have = len;
        if (len != 0 && len <= want) {
            want = len;
            x->missing = (uint32_t)(want > have ? want - have : 0);
        }
    } else if (p->proto == IPPROTO_ICMP || p->proto == IPPROTO_ICMPV6) {
        uint8_t type = cur_u8(&c), code = cur_u8(&c);
        if (cur_take(&c, 6) == NULL)
            return malformed(p, NET_DECODED_IP);
        p->icmp_type = type;
        p->icmp_code = code;
        head = 8;
    }
    p->payload = l4 + head;
    p->payload_len = (uint32_t)(have - head);
    if (check && have == want && head != 0 &&
        !(p->proto == IPPROTO_UDP && p->ip_version == 4 && net_be16(l4 + 6) == 0) &&
        !is_l4_sum_good(p, l4, have))
        p->flags |= MMR_PKT_BAD_CHECKSUM;
    return NET_DECODED_IP;
}

static enum net_decoded decode_ipv4(const uint8_t *l3, size_t len, bool check, struct mmr_packet *p,
                                    struct net_extra *x)
{
    if (len < 20)
        return malformed(p, NET_DECODED_OTHER);
    size_t head = (size_t)(l3[0] & 15) * 4, total = net_be16(l3 + 2);
    if (head < 20 || head > len)
        return malformed(p, NET_DECODED_OTHER);
    if (total == 0)
        total = len; /* segmentation offload leaves it 0 */
    if (total < head)
        return malformed(p, NET_DECODED_OTHER);
    size_t have = len < total ? len : total; /* what follows is link padding */
    p->l3 = l3;
    p->l3_len = (uint32_t)have;
    p->ip_version = 4;
    p->ttl = l3[8];
    p->proto = l3[9];
    p->ip_id = net_be16(l3 + 4);
    p->ip_frag_off = net_be16(l3 + 6);
    set_addr4(&p->src, l3 + 12);
    set_addr4(&p->dst, l3 + 16);
    if (check && sum16(l3, head, 0) != 0xffff)
        p->flags |= MMR_PKT_BAD_CHECKSUM;
    if (p->ip_frag_off & 0x3fff) { /* more fragments, or an offset */
        x->frag_id = p->ip_id;
        x->frag_off = (uint32_t)(p->ip_frag_off & 0x1fff) * 8;
        x->is_last_frag = !(p->ip_frag_off & 0x2000);
        x->missing = (uint32_t)(total - have);
        p->l4_off = (uint32_t)head;
        p->payload = l3 + head;
        p->payload_len = (uint32_t)(have - head);
        return NET_DECODED_FRAGMENT;
    }
    return decode_l4(l3 + head, have - head, total - head, check, p, x);
}

static enum net_decoded decode_ipv6(const uint8_t *l3, size_t len, bool check, struct mmr_packet *p,
                                    struct net_extra *x)
{
    if (len < 40)
        return malformed(p, NET_DECODED_OTHER);
    size_t total = (size_t)net_be16(l3 + 4) + 40;
    if (total == 40 && l3[6] != IPPROTO_NONE)
        total = len; /* jumbogram or segmentation offload */
    size_t have = len < total ? len : total;
    p->l3 = l3;
    p->l3_len = (uint32_t)have;
    p->ip_version = 6;
    p->ttl = l3[7];
    memcpy(p->src.b, l3 + 8, 16);
    memcpy(p->dst.b, l3 + 24, 16);
    struct net_cursor c = cur_of(l3 + 40, have - 40);
    uint8_t next = l3[6];
    /* as many extension headers as fit: hosts step over them all, each takes eight bytes at least */
    for (;;) {
        if (next == IPPROTO_HOPOPTS || next == IPPROTO_ROUTING || next == IPPROTO_DSTOPTS ||
            next == 135 || next == 139 || next == 140) {
            uint8_t nn = cur_u8(&c), units = cur_u8(&c);
            (void)cur_take(&c, (size_t)units * 8 + 6);
            if (c.bad)
                return malformed(p, NET_DECODED_IP);
            next = nn;
        } else if (next == IPPROTO_AH) {
            uint8_t nn = cur_u8(&c), units = cur_u8(&c);
            (void)cur_take(&c, (size_t)units * 4 + 6);
            if (c.bad)
                return malformed(p, NET_DECODED_IP);
            next = nn;
        } else if (next == IPPROTO_FRAGMENT) {
            uint8_t nn = cur_u8(&c);
            (void)cur_u8(&c);
            uint16_t off = cur_u16be(&c);
            uint32_t id = cur_u32be(&c);
            if (c.bad)
                return malformed(p, NET_DECODED_IP);
            next = nn;
            if (off & 0xfff9) {
                p->proto = next;
                p->ip_frag_off = (uint16_t)(off >> 3 | (off & 1 ? 0x2000 : 0));
                x->frag_id = id;
                x->frag_off = off & 0xfff8U;
                x->is_last_frag = !(off & 1);
                x->missing = (uint32_t)(total - have);
                p->l4_off = (uint32_t)(c.p - l3);
                p->payload = c.p;
                p->payload_len = (uint32_t)c.left;
                return NET_DECODED_FRAGMENT;
            }
        } else {
            break;
        }
    }
    p->proto = next;
    size_t done = (size_t)(c.p - l3);
    return decode_l4(c.p, c.left, total - done, check, p, x);
}

enum net_decoded net_decode_ip(const uint8_t *l3, size_t len, bool check, struct mmr_packet *p,
                               struct net_extra *x)
{
    if (len < 1)
        return malformed(p, NET_DECODED_OTHER);
    if (l3[0] >> 4 == 4)
        return decode_ipv4(l3, len, check, p, x);
    if (l3[0] >> 4 == 6)
        return decode_ipv6(l3, len, check, p, x);
    return malformed(p, NET_DECODED_OTHER);
}

static enum net_decoded decode_arp(const uint8_t *l3, size_t len, struct mmr_packet *p)
{
    /* Ethernet and IPv4 only: htype 1, ptype 0x0800, lengths 6 and 4 (RFC 826) */
    p->l3 = l3;
    p->l3_len = (uint32_t)len;
    p->payload = l3;
    p->payload_len = (uint32_t)len;
    if (len < 28 || net_be16(l3) != 1 || net_be16(l3 + 2) != NET_ETH_IPV4 || l3[4] != 6 || l3[5] != 4)
        return malformed(p, NET_DECODED_ARP);
    set_addr4(&p->src, l3 + 14);
    set_addr4(&p->dst, l3 + 24);
    return NET_DECODED_ARP;
}

/* From an Ethernet type on: tags, PPPoE, then the network layer. */
static enum net_decoded decode_type(struct net_cursor c, uint16_t type, bool check, struct mmr_packet *p,
                                    struct net_extra *x)
{
    /* 802.1Q, 802.1ad and the old QinQ type; 4 tags: deeper nesting does not occur in offices */
    for (unsigned i = 0; i < 4 && (type == 0x8100 || type == 0x88a8 || type == 0x9100); i++) {
        uint16_t tci = cur_u16be(&c);
        if (i == 0)
            x->vlan = tci & 0x0fff;
        else
            x->inner_vlan = tci & 0x0fff;
        type = cur_u16be(&c);
    }
    if (type == 0x893f) { /* 802.1BR E-tag: 6 bytes of control, then the next type */
        (void)cur_take(&c, 6);
        type = cur_u16be(&c);
    } else if (type == 0x8926) { /* VN-tag */
        (void)cur_take(&c, 4);
        type = cur_u16be(&c);
    }
    for (unsigned i = 0; i < 2 && (type == 0x8100 || type == 0x88a8); i++) {
        uint16_t tci = cur_u16be(&c);
        if (!x->vlan)
            x->vlan = tci & 0x0fff;
        type = cur_u16be(&c);
    }
    if (type == 0x8847 || type == 0x8848) { /* MPLS: labels up to the bottom of the stack; 8 are more than any path has */
        bool is_bottom = false;
        for (unsigned i = 0; i < 8 && !is_bottom && !c.bad; i++)
            is_bottom = cur_u32be(&c) & 0x100;
        if (!is_bottom || c.bad || c.left == 0)
            return malformed(p, NET_DECODED_OTHER);
        type = c.p[0] >> 4 == 4 ? NET_ETH_IPV4 : c.p[0] >> 4 == 6 ? NET_ETH_IPV6 : 0;
        if (!type && c.left > 18) { /* a pseudo wire: Ethernet behind an optional control word of zeros */
            if (net_be32(c.p) == 0)
                (void)cur_take(&c, 4);
            (void)cur_take(&c, 12);
            type = cur_u16be(&c);
        }
    }
    if (type == 0x8864) { /* PPPoE session: RFC 2516 */
        (void)cur_take(&c, 6);
        uint16_t ppp = cur_u16be(&c);
        type = ppp == 0x0021 ? NET_ETH_IPV4 : ppp == 0x0057 ? NET_ETH_IPV6 : 0;
    }
    if (c.bad)
        return malformed(p, NET_DECODED_OTHER);
    p->ethertype = type;
    if (type == NET_ETH_IPV4 || type == NET_ETH_IPV6)
        return net_decode_ip(c.p, c.left, check, p, x);
    if (type == NET_ETH_ARP)
        return decode_arp(c.p, c.left, p);
    return NET_DECODED_OTHER;
}

enum net_decoded net_decode(const struct mmr_frame *f, bool check, struct mmr_packet *p, struct net_extra *x)
{
    struct net_cursor c = cur_of(f->data, f->cap_len);
    const uint8_t *q;
    memset(p, 0, sizeof *p);
    memset(x, 0, sizeof *x);
    p->struct_size = sizeof *p;
    p->frame = f;
    switch (f->linktype) {
    case NET_DLT_EN10MB:
        q = cur_take(&c, 12);
        if (!q)
            return malformed(p, NET_DECODED_OTHER);
        memcpy(p->dst_mac, q, 6);
        memcpy(p->src_mac, q + 6, 6);
        return decode_type(c, cur_u16be(&c), check, p, x);
    case NET_DLT_SLL:
        q = cur_take(&c, 14);
        if (!q)
            return malformed(p, NET_DECODED_OTHER);
        if (net_be16(q + 4) == 6)
            memcpy(p->src_mac, q + 6, 6);
        return decode_type(c, cur_u16be(&c), check, p, x);
    case NET_DLT_SLL2:
        q = cur_take(&c, 20);
        if (!q)
            return malformed(p, NET_DECODED_OTHER);
        if (q[11] == 6)
            memcpy(p->src_mac, q + 12, 6);
        return decode_type(c, net_be16(q), check, p, x);
    case NET_DLT_C_HDLC: /* address, control, an Ethernet type */
        (void)cur_take(&c, 2);
        return decode_type(c, cur_u16be(&c), check, p, x);
    case NET_DLT_NULL:
    case NET_DLT_LOOP:
        /* a 4-byte address family in the capturing machine's byte order: the IP version says it too */
        (void)cur_take(&c, 4);
        break;
    case NET_DLT_PPP:
    case NET_DLT_PPP_SERIAL:
        if (c.left >= 2 && c.p[0] == 0xff && c.p[1] == 0x03)
            (void)cur_take(&c, 2);
        if (c.left >= 1 && (c.p[0] & 1)) /* compressed protocol field, RFC 1661 section 6.5 */
            (void)cur_u8(&c);
        else
            (void)cur_u16be(&c);
        break;
    case NET_DLT_PPP_ETHER:
        return decode_type(c, 0x8864, check, p, x);
    case NET_DLT_RAW:
    case NET_DLT_RAW_OPENBSD:
    case NET_DLT_RAW_LINK:
    case NET_DLT_IPV4:
    case NET_DLT_IPV6:
        break;
    default:
        return NET_DECODED_OTHER;
    }
    if (c.bad || c.left == 0)
        return malformed(p, NET_DECODED_OTHER);
    if (c.p[0] >> 4 != 4 && c.p[0] >> 4 != 6)
        return NET_DECODED_OTHER; /* PPP control and the like */
    p->ethertype = c.p[0] >> 4 == 4 ? NET_ETH_IPV4 : NET_ETH_IPV6;
    return net_decode_ip(c.p, c.left, check, p, x);
}
