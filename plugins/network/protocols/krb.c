/* krb.c - Kerberos 5 requests, replies and errors over UDP and TCP. Source: RFC 4120. */
#include "proto.h"

#include "net_der.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    TEXT = 256, MESSAGE_MAX = 64 * 1024,
    AS_REQ = 10, AS_REP = 11, TGS_REQ = 12, TGS_REP = 13, AP_REQ = 14, AP_REP = 15, ERROR = 30,
};
struct krb_message {
    int64_t type, error;
    char realm[TEXT], client[TEXT], service[TEXT], etypes[128];
    int64_t etype, ticket_etype; /* -1 absent */
};
struct krb_flow { /* TCP: one message in the making a direction */
    uint8_t *buf[2];
    size_t n[2], want[2];
    bool is_lost[2];
    uint32_t n_bad;
};

static bool is_message(const uint8_t *p, size_t n)
{
    struct net_cursor c = cur_of(p, n);
    if (n < 10 || (p[0] & 0xe0) != 0x60)
        return false;
    uint8_t type = p[0] & 0x1f;
    if (!((type >= AS_REQ && type <= AP_REP) || type == ERROR))
        return false;
    (void)cur_u8(&c);
    uint8_t len = cur_u8(&c);
    if (len >= 0x80)
        (void)cur_take(&c, len & 0x7fU);
    return cur_u8(&c) == 0x30 && !c.bad;
}

/* PrincipalName: SEQ { [0] type, [1] SEQ OF string } as "a/b". */
static void principal(const struct net_der *d, char *buf, size_t cap)
{
    struct net_cursor c = der_in(d), names;
    struct net_der e, s;
    size_t at = 0;
    buf[0] = '\0';
    if (!der_expect(&c, 0x30, &e))
        return;
    c = der_in(&e);
    while (der_next(&c, &e)) {
        if (e.tag != 0xa1)
            continue;
        names = der_in(&e);
        if (!der_expect(&names, 0x30, &s))
            return;
        names = der_in(&s);
        while (der_next(&names, &s) && at + 2 < cap) {
            if (at)
                buf[at++] = '/';
            proto_text(buf + at, cap - at, s.p, s.len);
            at += strlen(buf + at);
        }
    }
}

static void inner_text(const struct net_der *d, char *buf, size_t cap)
{
    struct net_cursor c = der_in(d);
    struct net_der s;
    if (der_next(&c, &s))
        proto_text(buf, cap, s.p, s.len);
}

static int64_t inner_int(const struct net_der *d)
{
    struct net_cursor c = der_in(d);
    struct net_der i;
    return der_expect(&c, 0x02, &i) ? der_int(&i) : -1;
}

/* EncryptedData: SEQ { [0] etype … } */
static int64_t enc_type(const struct net_der *d)
{
    struct net_cursor c = der_in(d);
    struct net_der s;
    if (!der_expect(&c, 0x30, &s))
        return -1;
    c = der_in(&s);
    return der_expect(&c, 0xa0, &s) ? inner_int(&s) : -1;
}

static void request_body(const struct net_der *d, struct krb_message *m)
{
    struct net_cursor c = der_in(d), list;
    struct net_der e, i;
    size_t at = 0;
    if (!der_expect(&c, 0x30, &e))
        return;
    c = der_in(&e);
    while (der_next(&c, &e)) {
        if (e.tag == 0xa1)
            principal(&e, m->client, sizeof m->client);
        else if (e.tag == 0xa2)
            inner_text(&e, m->realm, sizeof m->realm);
        else if (e.tag == 0xa3)
            principal(&e, m->service, sizeof m->service);
        if (e.tag != 0xa8)
            continue;
        list = der_in(&e);
        if (!der_expect(&list, 0x30, &i))
            continue;
        list = der_in(&i);
        while (der_next(&list, &i) && at + 16 < sizeof m->etypes) {
            int n = snprintf(m->etypes + at, sizeof m->etypes - at, "%s%lld", at ? "," : "", (long long)der_int(&i));
            at += n > 0 ? (size_t)n : 0;
        }
    }
}

static void ticket(const struct net_der *d, struct krb_message *m)
{
    struct net_cursor c = der_in(d);
    struct net_der e;
    if (!der_expect(&c, 0x61, &e))
        return;
    c = der_in(&e);
    if (!der_expect(&c, 0x30, &e))
        return;
    c = der_in(&e);
    while (der_next(&c, &e)) {
        if (e.tag == 0xa2)
            principal(&e, m->service, sizeof m->service);
        else if (e.tag == 0xa3)
            m->ticket_etype = enc_type(&e);
    }
}

static bool read_message(const uint8_t *p, size_t n, struct krb_message *m)
{
    struct net_cursor c = cur_of(p, n);
    struct net_der e;
    memset(m, 0, sizeof *m);
    m->etype = m->ticket_etype = -1;
    if (!is_message(p, n) || !der_next(&c, &e))
        return false;
    m->type = e.tag & 0x1f;
    c = der_in(&e);
    if (!der_expect(&c, 0x30, &e))
        return false;
    c = der_in(&e);
    while (der_next(&c, &e)) {
        if (m->type == AS_REQ || m->type == TGS_REQ) {
            if (e.tag == 0xa4)
                request_body(&e, m);
        } else if (m->type == AS_REP || m->type == TGS_REP) {
            if (e.tag == 0xa3)
                inner_text(&e, m->realm, sizeof m->realm);
            else if (e.tag == 0xa4)
                principal(&e, m->client, sizeof m->client);
            else if (e.tag == 0xa5)
                ticket(&e, m);
            else if (e.tag == 0xa6)
                m->etype = enc_type(&e);
        } else if (m->type == ERROR) {
            if (e.tag == 0xa6)
                m->error = inner_int(&e);
            else if (e.tag == 0xa8)
                principal(&e, m->client, sizeof m->client);
            else if (e.tag == 0xa9)
                inner_text(&e, m->realm, sizeof m->realm);
            else if (e.tag == 0xaa)
                principal(&e, m->service, sizeof m->service);
        }
    }
    return true;
}

static bool message(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c, const uint8_t *p, size_t n)
{
    static const char *const names[] = {"AS-REQ", "AS-REP", "TGS-REQ", "TGS-REP", "AP-REQ", "AP-REP"};
    struct krb_message k;
    if (!read_message(p, n, &k))
        return false;
    bool is_request = k.type == AS_REQ || k.type == TGS_REQ || k.type == AP_REQ;
    const char *name = k.type >= AS_REQ && k.type <= AP_REP ? names[k.type - AS_REQ] : "KRB-ERROR";
    m->n_bufs = 0;
    proto_buf(m, "krb5.cname", k.client, strlen(k.client));
    proto_buf(m, "krb5.sname", k.service, strlen(k.service));
    char number[16], error[16], ticket_type[24];
    proto_buf(m, "krb5_msg_type", number, (size_t)snprintf(number, sizeof number, "%d", (int)k.type));
    if (k.ticket_etype >= 0)
        proto_buf(m, "krb5.ticket_etype", ticket_type, (size_t)snprintf(ticket_type, sizeof ticket_type, "%lld", (long long)k.ticket_etype));
    if (k.type == ERROR)
        proto_buf(m, "krb5_err_code", error, (size_t)snprintf(error, sizeof error, "%d", (int)k.error));
    proto_tx_send(m, pf, c->packet, is_request ? MMR_TO_SERVER : MMR_TO_CLIENT, !is_request, "krb5", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, c->packet, is_request ? "krb.request" : "krb.reply", MMR_CLASS_AUTH, 1);
    mmr_event_str(ev, "unmapped.message", name);
    mmr_event_str(ev, "user.name", k.client[0] ? k.client : NULL);
    mmr_event_str(ev, "user.domain", k.realm[0] ? k.realm : NULL);
    mmr_event_str(ev, "unmapped.service", k.service[0] ? k.service : NULL);
    mmr_event_str(ev, "unmapped.etypes", k.etypes[0] ? k.etypes : NULL);
    if (k.etype >= 0)
        mmr_event_int(ev, "unmapped.etype", k.etype);
    if (k.ticket_etype >= 0)
        mmr_event_int(ev, "unmapped.ticket_etype", k.ticket_etype);
    if (k.type == ERROR)
        mmr_event_int(ev, "unmapped.error_code", k.error);
    if (!is_request)
        mmr_event_int(ev, "status_id", k.type == ERROR ? 2 : 1);
    proto_event_send(m);
    return true;
}

static enum proto_match probe_udp(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    struct krb_message k;
    (void)dir;
    (void)port;
    return is_message(p, n) && read_message(p, n, &k) && (k.realm[0] || k.service[0]) ? PROTO_YES : PROTO_NO;
}

static enum proto_match probe_tcp(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)dir;
    if (n >= 14)
        return p[0] == 0 && net_be32(p) >= 10 && net_be32(p) <= MESSAGE_MAX && is_message(p + 4, n - 4) ? PROTO_YES : PROTO_NO;
    return port == 88 && n > 0 && p[0] == 0 ? PROTO_MORE : PROTO_NO;
}

static void *krb_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct krb_flow));
}

static void krb_close(struct proto *m, void *state)
{
    struct krb_flow *k = state;
    (void)m;
    free(k->buf[0]);
    free(k->buf[1]);
    free(k);
}

static bool udp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct krb_flow *k = pf->state;
    if (c->len == 0 || message(m, pf, c, c->data, c->len))
        return true;
    return ++k->n_bad < 8;
}

static bool tcp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct krb_flow *k = pf->state;
    const uint8_t *p = c->data;
    size_t left = c->len;
    uint8_t d = c->dir;
    if (c->flags & MMR_CHUNK_GAP) {
        k->n[d] = k->want[d] = 0;
        k->is_lost[d] = true;
    }
    if (k->is_lost[d] || ((c->flags & MMR_CHUNK_MIDSTREAM) && k->n[d] == 0)) {
        if (left < 14 || !is_message(p + 4, left - 4))
            return true;
        k->is_lost[d] = false;
    }
    if (!k->buf[d] && left && !(k->buf[d] = malloc(4)))
        return false;
    while (left > 0) {
        size_t want = k->want[d] ? k->want[d] : 4, take = want - k->n[d] < left ? want - k->n[d] : left;
        memcpy(k->buf[d] + k->n[d], p, take);
        k->n[d] += take;
        p += take;
        left -= take;
        if (k->n[d] < want)
            break;
        if (k->want[d] == 0) {
            size_t len = net_be32(k->buf[d]);
            if (len == 0 || len > MESSAGE_MAX)
                return false;
            uint8_t *bigger = realloc(k->buf[d], 4 + len);
            if (!bigger)
                return false;
            k->buf[d] = bigger;
            k->want[d] = 4 + len;
            continue;
        }
        if (!message(m, pf, c, k->buf[d] + 4, want - 4) && ++k->n_bad > 4)
            return false;
        k->n[d] = k->want[d] = 0;
    }
    return true;
}

const struct proto_parser proto_krb_udp = {
    .app = "krb5", .ip_proto = IPPROTO_UDP, .probe = probe_udp, .open = krb_open, .data = udp_data, .close = krb_close};
const struct proto_parser proto_krb_tcp = {
    .app = "krb5", .ip_proto = IPPROTO_TCP, .probe = probe_tcp, .open = krb_open, .data = tcp_data, .close = krb_close};
