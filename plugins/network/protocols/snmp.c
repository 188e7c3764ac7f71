/* snmp.c - version, community and kind of SNMP messages. Sources: RFC 1157, RFC 1901, RFC 3412. */
#include "proto.h"

#include "net_der.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { TAG_INTEGER = 0x02, TAG_TEXT = 0x04, TAG_SEQUENCE = 0x30, TAG_PDU = 0xa0, PDU_LAST = 8, VERSION_3 = 3 };
struct snmp_flow {
    uint32_t n_bad;
};
struct snmp_message {
    unsigned version; /* 1, 2, 3 as people count */
    const uint8_t *community;
    size_t n_community;
    int pdu; /* -1: encrypted */
};

static bool read_message(const uint8_t *p, size_t n, struct snmp_message *ret)
{
    struct net_cursor c = cur_of(p, n), in;
    struct net_der d;
    *ret = (struct snmp_message){.pdu = -1};
    if (!der_expect(&c, TAG_SEQUENCE, &d))
        return false;
    c = der_in(&d);
    if (!der_expect(&c, TAG_INTEGER, &d) || d.len != 1 || (d.p[0] > 1 && d.p[0] != VERSION_3))
        return false;
    ret->version = d.p[0] == VERSION_3 ? VERSION_3 : d.p[0] + 1U;
    if (ret->version == VERSION_3) { /* header, security parameters, then the scoped PDU unless it is encrypted */
        if (!der_expect(&c, TAG_SEQUENCE, &d) || !der_expect(&c, TAG_TEXT, &d))
            return false;
        if (!der_expect(&c, TAG_SEQUENCE, &d))
            return true;
        in = der_in(&d);
        if (!der_expect(&in, TAG_TEXT, &d) || !der_expect(&in, TAG_TEXT, &d) || !der_next(&in, &d))
            return false;
    } else {
        if (!der_expect(&c, TAG_TEXT, &d))
            return false;
        ret->community = d.p;
        ret->n_community = d.len;
        if (!der_next(&c, &d))
            return false;
    }
    if (d.tag < TAG_PDU || d.tag > TAG_PDU + PDU_LAST)
        return false;
    ret->pdu = d.tag - TAG_PDU;
    return true;
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    struct snmp_message s;
    (void)dir;
    return (port == 161 || port == 162) && read_message(p, n, &s) ? PROTO_YES : PROTO_NO;
}

static void *snmp_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct snmp_flow));
}

static void snmp_close(struct proto *m, void *state)
{
    (void)m;
    free(state);
}

static bool snmp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct snmp_flow *f = pf->state;
    struct snmp_message s;
    char version[8], pdu[8];
    if (c->len == 0)
        return true;
    if (!read_message(c->data, c->len, &s))
        return ++f->n_bad < 8;
    f->n_bad = 0;
    m->n_bufs = 0;
    proto_buf(m, "snmp.version", version, (size_t)snprintf(version, sizeof version, "%u", s.version));
    if (s.community)
        proto_buf(m, "snmp.community", s.community, s.n_community);
    if (s.pdu >= 0)
        proto_buf(m, "snmp.pdu_type", pdu, (size_t)snprintf(pdu, sizeof pdu, "%d", s.pdu));
    proto_tx_send(m, pf, c->packet, c->dir, true, "snmp", NULL);
    return true;
}

const struct proto_parser proto_snmp = {
    .app = "snmp", .ip_proto = IPPROTO_UDP, .probe = probe, .open = snmp_open, .data = snmp_data, .close = snmp_close};
