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

static bool bits_are(uint32_t have, uint32_t want, uint8_t mod)
{
    switch (mod) {
    case '+': return (have & want) == want;
    case '*': return (have & want) != 0;
    case '!': return (have & want) == 0;
    default: return have == want;
    }
}

static bool app_is(const struct cond *c, const struct subject *s)
{
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
    bool client = mmr_number_is(&c->num, (int64_t)f->bytes[MMR_TO_SERVER]);
    bool server = mmr_number_is(&c->num, (int64_t)f->bytes[MMR_TO_CLIENT]);
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
        if ((p->proto != 1 && p->proto != 58) || !p->l3 || p->l4_off >= p->l3_len || p->l3_len - p->l4_off < 8)
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
    case COND_VLAN_ID: return s->flow && s->flow->vlan && mmr_number_is(&c->num, s->flow->vlan);
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
