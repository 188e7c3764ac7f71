/* conds.c - conditions on packet headers, flows and DCE/RPC calls. Header bytes are read with their bounds. */
#include <rules/engine.h>

#include <rules/buffers.h>

#include <string.h>

static uint16_t u16(const uint8_t *p) { return (uint16_t)(p[0] << 8 | p[1]); }

static const uint8_t *ip_header(const struct mmr_packet *p, size_t need)
{
    return p && p->l3 && p->l3_len >= need ? p->l3 : NULL;
}

static const uint8_t *tcp_option(const struct mmr_packet *p, uint8_t kind, size_t want)
{
    if (!p || p->proto != 6 || !p->l3 || p->l4_off >= p->l3_len || p->l3_len - p->l4_off < 20)
        return NULL;
    const uint8_t *h = p->l3 + p->l4_off;
    size_t len = (size_t)(h[12] >> 4) * 4;
    if (len > p->l3_len - p->l4_off)
        return NULL;
    for (size_t i = 20; i < len;) {
        if (h[i] == 0)
            return NULL;
        if (h[i] == 1) {
            i++;
            continue;
        }
        if (i + 1 >= len || h[i + 1] < 2 || h[i + 1] > len - i)
            return NULL;
        if (h[i] == kind)
            return h[i + 1] >= want + 2 ? h + i + 2 : NULL;
        i += h[i + 1];
    }
    return NULL;
}

static bool has_ip_option(const struct mmr_packet *p, uint8_t want)
{
    const uint8_t *h = ip_header(p, 20);
    if (!h || h[0] >> 4 != 4)
        return false;
    size_t len = (size_t)(h[0] & 15) * 4;
    if (len > p->l3_len || len <= 20)
        return false;
    if (want == 255)
        return true;
    for (size_t i = 20; i < len;) {
        if (h[i] == want)
            return true;
        if (h[i] == 0)
            return false;
        if (h[i] == 1) {
            i++;
            continue;
        }
        if (i + 1 >= len || h[i + 1] < 2)
            return false;
        i += h[i + 1];
    }
    return false;
}

/* Only these messages have an identifier and a sequence number. */
static bool has_icmp_id(const struct mmr_packet *p)
{
    uint8_t t = p->icmp_type;
    if (p->proto == 58)
        return t == 128 || t == 129;
    return p->proto == 1 && (t == 0 || t == 8 || (t >= 13 && t <= 18));
}

enum { VLANS_MAX = 4 };

/* The tags of the frame, the outer one first. */
static unsigned vlan_layers(const struct mmr_packet *p, uint16_t id[VLANS_MAX])
{
    const struct mmr_frame *f = p->frame;
    unsigned n = 0;
    if (!f || f->linktype != 1) /* Ethernet */
        return 0;
    for (size_t at = 12; at + 4 <= f->cap_len && n < VLANS_MAX; at += 4) {
        uint16_t type = u16(f->data + at);
        if (type != 0x8100 && type != 0x88a8 && type != 0x9100)
            break;
        id[n++] = u16(f->data + at + 2) & 0x0fff;
    }
    return n;
}

static bool vlan_id_is(const struct cond *c, const struct subject *s)
{
    uint16_t id[VLANS_MAX] = {0};
    unsigned n = vlan_layers(s->packet, id), hits = 0;
    if (!n && s->flow && s->flow->vlan) { /* the frame's tags were taken off on the way */
        id[0] = s->flow->vlan;
        n = 1;
    }
    if (c->num.which > NUMBER_ALL) {
        int64_t at = (int64_t)c->num.which - NUMBER_AT;
        at = at < 0 ? at + n : at;
        return at >= 0 && at < n && mmr_number_is(&c->num, id[at]);
    }
    for (unsigned i = 0; i < n; i++)
        hits += mmr_number_is(&c->num, id[i]);
    return c->num.which == NUMBER_ALL ? n && hits == n : hits > 0;
}

/* RFC 5531: identifier, 0 for a call, version 2 of the protocol, program, version, procedure; over TCP behind a record mark. */
static bool rpc_is(const struct rpc_call *want, const struct mmr_packet *p)
{
    size_t at = p->proto == 6 ? 4 : 0;
    if ((p->proto != 6 && p->proto != 17) || !p->payload || p->payload_len < at + 24)
        return false;
    uint32_t v[6];
    for (size_t i = 0; i < 6; i++)
        v[i] = (uint32_t)u16(p->payload + at + i * 4) << 16 | u16(p->payload + at + i * 4 + 2);
    return v[1] == 0 && v[2] == 2 && v[3] == want->program && (want->version < 0 || v[4] == want->version) &&
           (want->procedure < 0 || v[5] == want->procedure);
}

static uint32_t add16(uint32_t sum, const uint8_t *p, size_t n)
{
    for (; n > 1; n -= 2, p += 2)
        sum += u16(p);
    if (n)
        sum += (uint32_t)p[0] << 8;
    while (sum >> 16)
        sum = (sum & 0xffff) + (sum >> 16);
    return sum;
}

/* c->sub: IP version, c->sub2: protocol, 0 the IPv4 header; num.a: 1 asks for a valid sum. */
static bool checksum_is(const struct cond *c, const struct mmr_packet *p)
{
    const uint8_t *h = p->l3;
    if (p->ip_version != c->sub || (c->sub2 && p->proto != c->sub2) || !h || p->l4_off > p->l3_len || p->l4_off < 20 ||
        p->ip_frag_off & 0x3fff)
        return false;
    if (!c->sub2)
        return (add16(0, h, p->l4_off) == 0xffff) == (c->num.a == 1);
    size_t len = p->l3_len - p->l4_off;
    const uint8_t *l4 = h + p->l4_off;
    uint32_t sum = 0;
    if (len < 8)
        return false;
    if (p->proto == 17 && l4[6] == 0 && l4[7] == 0)
        return p->ip_version == 4 && c->num.a == 1; /* sent without one */
    if (p->proto != 1) {
        sum = p->ip_version == 4 ? add16(0, h + 12, 8) : add16(0, h + 8, 32);
        sum += p->proto + (uint32_t)len;
    }
    return (add16(sum, l4, len) == 0xffff) == (c->num.a == 1);
}

static bool bits_are(uint32_t have, uint32_t want, uint8_t mod)
{
    switch (mod) {
    case '+': return (have & want) == want;
    case '*': return (have & want) != 0;
    case '!': return (have & want) == 0;
    default: return have == want;
    }
}

/* One of a list: what is not known yet is none of them, but is "unknown" where that is named. */
static bool app_is_any(const struct cond *c, const struct subject *s)
{
    uint64_t any;
    bool is = false, has_unknown;
    memcpy(&any, c->p, sizeof any);
    has_unknown = any >> APP_UNKNOWN & 1;
    if (s->flow_app == APP_NONE && !has_unknown)
        return false;
    if (s->flow_app == APP_NONE || s->flow_app == APP_UNKNOWN)
        is = has_unknown;
    for (unsigned app = 1; app < APP_UNKNOWN && !is; app++)
        is = any >> app & 1 && mmr_app_covers(app, s->flow_app, c->sub2 & 1);
    return is != (bool)c->is_negated;
}

static bool app_is(const struct cond *c, const struct subject *s)
{
    if (c->p)
        return app_is_any(c, s);
    bool is = c->sub == APP_UNKNOWN ? s->flow_app == APP_NONE || s->flow_app == APP_UNKNOWN
                                    : mmr_app_covers(c->sub, s->flow_app, c->sub2 & 1);
    if (s->flow_app == APP_NONE && c->sub != APP_UNKNOWN)
        return false; /* not known yet: neither is nor is not */
    return is != (bool)c->is_negated;
}

static bool stream_size_is(const struct cond *c, const struct mmr_flow *f)
{
    if (!f || f->proto != 6)
        return false;
    /* counted by sequence numbers: the SYN is one of them */
    bool client = mmr_number_is(&c->num, (int64_t)f->bytes[MMR_TO_SERVER] + (f->packets[MMR_TO_SERVER] > 0));
    bool server = mmr_number_is(&c->num, (int64_t)f->bytes[MMR_TO_CLIENT] + (f->packets[MMR_TO_CLIENT] > 0));
    return c->sub == 1 ? server : c->sub == 2 ? client : c->sub == 3 ? server && client : server || client;
}

static bool dce_is(const struct cond *c, const struct subject *s)
{
    const struct mmr_dcerpc_call *d = s->tx && s->tx->detail && s->tx_app == APP_DCERPC ? s->tx->detail : NULL;
    if (!d)
        return false;
    if (c->type == COND_DCE_OPNUM) {
        const struct opnum_set *o = c->p;
        for (uint32_t i = 0; i < o->n; i++)
            if (d->opnum >= o->r[i].lo && d->opnum <= o->r[i].hi)
                return true;
        return false;
    }
    const struct dce_iface *f = c->p;
    if (memcmp(f->uuid, d->iface, 16) != 0 || (!f->any_frag && !d->first_frag))
        return false;
    return !f->has_version || mmr_number_is(&f->version, d->iface_major);
}

static bool cond_is(const struct cond *c, const struct subject *s)
{
    const struct mmr_packet *p = s->packet;
    const uint8_t *h;
    switch (c->type) {
    case COND_APP_PROTO: return app_is(c, s);
    case COND_STREAM_SIZE: return stream_size_is(c, s->flow);
    case COND_DCE_IFACE:
    case COND_DCE_OPNUM: return dce_is(c, s);
    case COND_FLOW_AGE:
        return s->flow && mmr_number_is(&c->num, (s->flow->last_ns - s->flow->first_ns) / 1000000000);
    case COND_FLOW_PKTS:
    case COND_FLOW_BYTES: {
        if (!s->flow)
            return false;
        const uint64_t *n = c->type == COND_FLOW_PKTS ? s->flow->packets : s->flow->bytes;
        if (c->sub == 3)
            return mmr_number_is(&c->num, (int64_t)n[0]) || mmr_number_is(&c->num, (int64_t)n[1]);
        return mmr_number_is(&c->num, (int64_t)(c->sub == 1 ? n[0] : c->sub == 2 ? n[1] : n[0] + n[1]));
    }
    default: break;
    }
    if (!p)
        return false;
    switch (c->type) {
    case COND_TCP_FLAGS:
        return p->proto == 6 && bits_are(p->tcp_flags & ~(uint32_t)c->num.a & 0xff, c->sub, c->sub2);
    case COND_DSIZE: return mmr_number_is(&c->num, p->payload_len);
    case COND_ITYPE: return (p->proto == 1 || p->proto == 58) && mmr_number_is(&c->num, p->icmp_type);
    case COND_ICODE: return (p->proto == 1 || p->proto == 58) && mmr_number_is(&c->num, p->icmp_code);
    case COND_ICMP_ID:
    case COND_ICMP_SEQ:
        if (!has_icmp_id(p) || !p->l3 || p->l4_off >= p->l3_len || p->l3_len - p->l4_off < 8)
            return false;
        return mmr_number_is(&c->num, u16(p->l3 + p->l4_off + (c->type == COND_ICMP_ID ? 4 : 6)));
    case COND_TTL: return mmr_number_is(&c->num, p->ttl);
    case COND_IP_ID: return p->ip_version == 4 && mmr_number_is(&c->num, p->ip_id);
    case COND_TOS: return p->ip_version == 4 && (h = ip_header(p, 20)) && mmr_number_is(&c->num, h[1]);
    case COND_IP_PROTO:
        return p->ip_version && (!c->sub || c->sub == p->ip_version) && mmr_number_is(&c->num, p->proto);
    case COND_SAMEIP: return p->ip_version && memcmp(&p->src, &p->dst, sizeof p->src) == 0;
    case COND_FRAGBITS:
        return p->ip_version == 4 && bits_are(p->ip_frag_off & 0xe000u, (uint32_t)c->num.a, c->sub2);
    case COND_FRAGOFFSET: return p->ip_version == 4 && mmr_number_is(&c->num, p->ip_frag_off & 0x1fff);
    case COND_SEQ: return p->proto == 6 && mmr_number_is(&c->num, p->tcp_seq);
    case COND_ACK: return p->proto == 6 && mmr_number_is(&c->num, p->tcp_ack);
    case COND_WINDOW: return p->proto == 6 && mmr_number_is(&c->num, p->tcp_window);
    case COND_IPOPTS: return has_ip_option(p, c->sub);
    case COND_TCP_MSS: return (h = tcp_option(p, 2, 2)) && mmr_number_is(&c->num, u16(h));
    case COND_TCP_WSCALE: return (h = tcp_option(p, 3, 1)) && mmr_number_is(&c->num, h[0]);
    case COND_VLAN_LAYERS: {
        uint16_t id[VLANS_MAX];
        return mmr_number_is(&c->num, vlan_layers(p, id));
    }
    case COND_RPC: return rpc_is(c->p, p);
    case COND_CHECKSUM: return checksum_is(c, p);
    case COND_IGMP_TYPE:
        return p->proto == 2 && p->l3 && p->l4_off < p->l3_len && mmr_number_is(&c->num, p->l3[p->l4_off]);
    case COND_ICMPV6_MTU:
        if (p->proto != 58 || p->icmp_type != 2 || !p->l3 || p->l4_off + 8 > p->l3_len)
            return false;
        h = p->l3 + p->l4_off + 4;
        return mmr_number_is(&c->num, (int64_t)u16(h) << 16 | u16(h + 2));
    case COND_VLAN_ID: return vlan_id_is(c, s);
    default: return false;
    }
}

bool mmr_header_conds(const struct rule *r, const struct subject *s)
{
    for (uint32_t i = 0; i < r->n_conds; i++)
        if (!cond_is(&r->conds[i], s))
            return false;
    return true;
}
