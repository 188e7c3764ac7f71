/* ldap.c - LDAP binds and searches in clear, over TCP. Source: RFC 4511, RFC 4515 for filters as text. */
#include "proto.h"

#include "net_der.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { MESSAGE_MAX = 64 * 1024, FILTER_MAX = 1024, DEPTH_MAX = 12, BIND = 0x60, SEARCH = 0x63 };
struct ldap_flow {
    uint8_t *buf[2];
    size_t n[2];
    uint64_t skip[2]; /* bytes of a message too long to look at */
    bool is_lost[2];
};
struct text {
    char p[FILTER_MAX];
    size_t n;
};

static void put(struct text *t, const void *p, size_t n)
{
    for (size_t i = 0; i < n && t->n + 1 < FILTER_MAX; i++) {
        uint8_t b = ((const uint8_t *)p)[i];
        t->p[t->n++] = (char)(b < 0x20 || b == 0x7f ? '.' : b);
    }
    t->p[t->n] = '\0';
}

static void pair(struct text *t, const struct net_der *d, const char *op)
{
    struct net_cursor c = der_in(d);
    struct net_der name, value;
    if (!der_next(&c, &name) || !der_next(&c, &value))
        return;
    put(t, name.p, name.len);
    put(t, op, strlen(op));
    put(t, value.p, value.len);
}

static void filter(struct text *t, const struct net_der *d, unsigned depth)
{
    struct net_cursor c = der_in(d);
    struct net_der e, s;
    if (depth > DEPTH_MAX)
        return;
    put(t, "(", 1);
    switch (d->tag & 0x1f) {
    case 0:
    case 1:
    case 2:
        put(t, &"&|!"[d->tag & 0x1f], 1);
        while (der_next(&c, &e))
            filter(t, &e, depth + 1);
        break;
    case 3:
        pair(t, d, "=");
        break;
    case 4:
        if (!der_next(&c, &e) || !der_next(&c, &s))
            break;
        put(t, e.p, e.len);
        put(t, "=", 1);
        for (c = der_in(&s); der_next(&c, &e);) {
            if ((e.tag & 0x1f) != 0)
                put(t, "*", 1);
            put(t, e.p, e.len);
            if ((e.tag & 0x1f) == 0)
                put(t, "*", 1);
        }
        break;
    case 5:
        pair(t, d, ">=");
        break;
    case 6:
        pair(t, d, "<=");
        break;
    case 7:
        put(t, d->p, d->len);
        put(t, "=*", 2);
        break;
    case 8:
        pair(t, d, "~=");
        break;
    case 9: { /* extensible: [1] rule, [2] attribute, [3] value; written attribute:rule:=value (RFC 4515 section 3) */
        struct net_der part[3] = {0};
        while (der_next(&c, &e))
            if ((e.tag & 0x1f) >= 1 && (e.tag & 0x1f) <= 3)
                part[(e.tag & 0x1f) - 1] = e;
        put(t, part[1].p, part[1].len);
        if (part[0].p)
            put(t, ":", 1);
        put(t, part[0].p, part[0].len);
        put(t, ":=", 2);
        put(t, part[2].p, part[2].len);
        break;
    }
    default:
        break;
    }
    put(t, ")", 1);
}

static void on_search(struct proto *m, struct proto_flow *pf, const struct mmr_packet *pkt, const struct net_der *op)
{
    struct net_cursor c = der_in(op);
    struct net_der base, scope, e;
    struct text t = {.n = 0};
    char dn[256];
    if (!der_next(&c, &base) || !der_next(&c, &scope))
        return;
    for (unsigned i = 0; i < 4; i++)
        if (!der_next(&c, &e))
            return;
    if (der_next(&c, &e))
        filter(&t, &e, 0);
    proto_text(dn, sizeof dn, base.p, base.len);
    m->n_bufs = 0;
    proto_buf(m, "ldap.request.dn", dn, strlen(dn));
    proto_buf(m, "ldap.filter", t.p, t.n);
    proto_tx_send(m, pf, pkt, MMR_TO_SERVER, true, "ldap", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "ldap.search", MMR_CLASS_NETWORK, 6);
    mmr_event_str(ev, "unmapped.base", dn);
    mmr_event_int(ev, "unmapped.scope", der_int(&scope));
    mmr_event_str(ev, "unmapped.filter", t.p);
    proto_event_send(m);
}

static void on_bind(struct proto *m, struct proto_flow *pf, const struct mmr_packet *pkt, const struct net_der *op)
{
    struct net_cursor c = der_in(op);
    struct net_der version, name, auth;
    char dn[256];
    if (!der_next(&c, &version) || !der_next(&c, &name) || !der_next(&c, &auth))
        return;
    proto_text(dn, sizeof dn, name.p, name.len);
    m->n_bufs = 0;
    proto_buf(m, "ldap.request.dn", dn, strlen(dn));
    proto_tx_send(m, pf, pkt, MMR_TO_SERVER, true, "ldap", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "ldap.bind", MMR_CLASS_AUTH, 1);
    mmr_event_str(ev, "user.name", dn[0] ? dn : NULL);
    mmr_event_str(ev, "unmapped.method", auth.tag == 0x80 ? (auth.len ? "simple" : "anonymous") : "sasl");
    proto_event_send(m);
}

/* Is this the header of an LDAPMessage? Its whole length, or 0. */
static size_t message_length(const uint8_t *p, size_t n)
{
    struct net_cursor c = cur_of(p, n);
    if (n < 7 || cur_u8(&c) != 0x30)
        return 0;
    size_t len = cur_u8(&c), head = 2;
    if (len >= 0x80) {
        unsigned bytes = (unsigned)len & 0x7f;
        if (bytes == 0 || bytes > 4)
            return 0;
        len = 0;
        head += bytes;
        for (unsigned i = 0; i < bytes; i++)
            len = len << 8 | cur_u8(&c);
    }
    if (cur_u8(&c) != 0x02)
        return 0;
    uint8_t id = cur_u8(&c);
    if (id < 1 || id > 4 || len < 5U || c.bad)
        return 0;
    if (cur_take(&c, id) && c.left) { /* the operation: application class, known numbers */
        uint8_t op = c.p[0];
        if ((op & 0xc0) != 0x40 || (op & 0x1f) > 25)
            return 0;
    }
    return head + len;
}

static void message(struct proto *m, struct proto_flow *pf, const struct mmr_packet *pkt, const uint8_t *p, size_t n)
{
    struct net_cursor c = cur_of(p, n);
    struct net_der seq, id, op;
    if (!der_next(&c, &seq))
        return;
    c = der_in(&seq);
    if (!der_next(&c, &id) || !der_next(&c, &op))
        return;
    if (op.tag == SEARCH)
        on_search(m, pf, pkt, &op);
    else if (op.tag == BIND)
        on_bind(m, pf, pkt, &op);
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)dir;
    if (n < 10)
        return n > 0 && p[0] == 0x30 && (port == 389 || port == 3268) ? PROTO_MORE : PROTO_NO;
    return message_length(p, n) ? PROTO_YES : PROTO_NO;
}

static void *ldap_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct ldap_flow));
}

static void ldap_close(struct proto *m, void *state)
{
    struct ldap_flow *l = state;
    (void)m;
    free(l->buf[0]);
    free(l->buf[1]);
    free(l);
}

static bool ldap_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct ldap_flow *l = pf->state;
    uint8_t d = c->dir;
    const uint8_t *p = c->data;
    size_t left = c->len;
    if (c->dir == MMR_TO_CLIENT || left == 0)
        return true; /* answers tell nothing that is used, and are long */
    if (c->flags & MMR_CHUNK_GAP) {
        l->n[d] = 0;
        l->skip[d] = 0;
        l->is_lost[d] = true;
    }
    if (!l->buf[d] && !(l->buf[d] = malloc(MESSAGE_MAX)))
        return false;
    while (left > 0) {
        if (l->skip[d]) {
            size_t n = left < l->skip[d] ? left : (size_t)l->skip[d];
            l->skip[d] -= n;
            p += n;
            left -= n;
            continue;
        }
        if (l->n[d] == 0 && left >= 7) {
            size_t len = message_length(p, left);
            if (len == 0) { /* signed or sealed after the bind: nothing more to see until the next plain one */
                l->is_lost[d] = true;
                return true;
            }
            l->is_lost[d] = false;
            if (len <= left) {
                message(m, pf, c->packet, p, len);
                p += len;
                left -= len;
                continue;
            }
            if (len > MESSAGE_MAX) {
                l->skip[d] = len;
                continue;
            }
        } else if (l->is_lost[d] && l->n[d] == 0) {
            return true;
        }
        size_t have = l->n[d], want = have >= 7 ? message_length(l->buf[d], have) : 7;
        if (want == 0 || want > MESSAGE_MAX) {
            l->n[d] = 0;
            l->is_lost[d] = true;
            return true;
        }
        if (have < 7 && want == 7 && left + have > 16)
            want = 16; /* enough of the header to know the length */
        if (want < have)
            want = have;
        size_t take = want - have < left ? want - have : left;
        memcpy(l->buf[d] + have, p, take);
        l->n[d] += take;
        p += take;
        left -= take;
        size_t len = l->n[d] >= 7 ? message_length(l->buf[d], l->n[d]) : 0;
        if (len && l->n[d] >= len) {
            message(m, pf, c->packet, l->buf[d], len);
            /* a short message may have been followed by the next one's beginning */
            memmove(l->buf[d], l->buf[d] + len, l->n[d] - len);
            l->n[d] -= len;
        } else if (take == 0) {
            return true;
        }
    }
    return true;
}

const struct proto_parser proto_ldap = {
    .app = "ldap", .ip_proto = IPPROTO_TCP, .probe = probe, .open = ldap_open, .data = ldap_data, .close = ldap_close};
