/*
 * dns.c - DNS over UDP and TCP, mDNS, LLMNR and NetBIOS names: questions and answers. Compression
 * pointers are followed backwards only, so a loop cannot happen. Source: RFC 1035, RFC 1002.
 */
#include "proto.h"

#include "net_cursor.h"
#include "net_text.h"

#include <arpa/inet.h>
#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { NAME_MAX_BYTES = 256, ANSWERS_MAX = 24, QUESTIONS_MAX = 8, TYPE_A = 1, TYPE_AAAA = 28, TYPE_OPT = 41, HEADER = 12 };
enum { KIND_DNS, KIND_NBNS };
enum { SECTION_ANSWERS, SECTION_AUTHORITIES, SECTION_ADDITIONALS, SECTIONS };

struct dns_name {
    char text[NAME_MAX_BYTES];
    size_t len;
};

/* Expand the name at *pos; *pos moves behind it. False: truncated, looping, too long. */
static bool read_name(const uint8_t *msg, size_t len, size_t *pos, struct dns_name *ret)
{
    size_t at = *pos, limit = len;
    bool jumped = false;
    ret->len = 0;
    for (;;) {
        if (at >= limit)
            return false;
        uint8_t n = msg[at];
        if (n == 0) {
            if (!jumped)
                *pos = at + 1;
            break;
        }
        if ((n & 0xc0) == 0xc0) {
            if (at + 1 >= len)
                return false;
            size_t to = (size_t)(n & 0x3f) << 8 | msg[at + 1];
            if (!jumped)
                *pos = at + 2;
            if (to >= at || to < HEADER)
                return false;
            jumped = true;
            limit = at; /* later jumps stay before this one */
            at = to;
            continue;
        }
        if ((n & 0xc0) || at + 1 + n > len || ret->len + n + 1 >= NAME_MAX_BYTES)
            return false;
        if (ret->len)
            ret->text[ret->len++] = '.';
        for (size_t i = 0; i < n; i++) {
            uint8_t c = msg[at + 1 + i];
            ret->text[ret->len++] = (char)(c < 0x21 || c == 0x7f ? '?' : c);
        }
        at += 1U + n;
        limit = jumped ? limit : len;
    }
    ret->text[ret->len] = '\0';
    return true;
}

static const char *type_name(uint16_t t, char buf[12])
{
    static const struct {
        uint16_t type;
        const char *name;
    } rows[] = {{1, "A"},      {2, "NS"},   {5, "CNAME"}, {6, "SOA"},  {10, "NULL"}, {12, "PTR"},  {13, "HINFO"},
                {15, "MX"},    {16, "TXT"}, {28, "AAAA"}, {33, "SRV"}, {32, "NB"},   {35, "NAPTR"}, {41, "OPT"},
                {43, "DS"},    {46, "RRSIG"}, {47, "NSEC"}, {48, "DNSKEY"}, {64, "SVCB"}, {65, "HTTPS"},
                {252, "AXFR"}, {255, "ANY"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (rows[i].type == t)
            return rows[i].name;
    (void)snprintf(buf, 12, "TYPE%u", t);
    return buf;
}

/* RFC 1001 14.1: 32 letters hold 16 bytes; the last is the service. */
static void netbios_name(struct dns_name *n)
{
    char out[17];
    size_t len = 0;
    if (n->len < 32)
        return;
    for (size_t i = 0; i < 32; i += 2) {
        int hi = n->text[i] - 'A', lo = n->text[i + 1] - 'A';
        if (hi < 0 || hi > 15 || lo < 0 || lo > 15)
            return;
        char c = (char)(hi << 4 | lo);
        out[len++] = c >= 0x20 && c < 0x7f ? c : ' ';
    }
    len = 15; /* without the service byte */
    while (len > 0 && out[len - 1] == ' ')
        len--;
    memcpy(n->text, out, len);
    n->text[len] = '\0';
    n->len = len;
}

struct answers {
    char text[ANSWERS_MAX][NAME_MAX_BYTES];
    const char *p[ANSWERS_MAX];
    bool is_name[ANSWERS_MAX];
    size_t n, n_owners;
    struct {
        struct dns_name name;
        unsigned section;
    } owners[ANSWERS_MAX]; /* of all sections */
    struct mmr_addr addr; /* the first one, for host.addr */
    struct dns_name owner;
    bool has_addr;
};

static void add_answer(struct answers *a, const char *text, bool is_name)
{
    if (a->n == ANSWERS_MAX)
        return;
    (void)snprintf(a->text[a->n], sizeof a->text[0], "%s", text);
    a->p[a->n] = a->text[a->n];
    a->is_name[a->n] = is_name;
    a->n++;
}

static void read_rdata(const uint8_t *msg, size_t len, size_t at, uint16_t type, uint16_t n, bool is_nbns,
                       const struct dns_name *owner, struct answers *out)
{
    struct mmr_addr addr = {{0}};
    char text[NAME_MAX_BYTES];
    struct dns_name name;
    size_t pos = at;
    if (type == TYPE_A && n == 4) {
        addr.b[10] = addr.b[11] = 0xff;
        memcpy(addr.b + 12, msg + at, 4);
    } else if (type == 32 && is_nbns && n >= 6) {
        addr.b[10] = addr.b[11] = 0xff;
        memcpy(addr.b + 12, msg + at + 2, 4);
    } else if (type == TYPE_AAAA && n == 16) {
        memcpy(addr.b, msg + at, 16);
    } else if ((type == 2 || type == 5 || type == 12) && read_name(msg, len, &pos, &name)) {
        add_answer(out, name.text, true);
        return;
    } else if (type == 15 && n > 2 && (pos += 2, read_name(msg, len, &pos, &name))) {
        add_answer(out, name.text, true);
        return;
    } else if (type == 33 && n > 6 && (pos += 6, read_name(msg, len, &pos, &name))) {
        add_answer(out, name.text, true);
        return;
    } else if (type == 16 && n > 1) {
        proto_text(text, sizeof text, msg + at + 1, msg[at] < n ? msg[at] : (size_t)n - 1);
        add_answer(out, text, false);
        return;
    } else {
        return;
    }
    if (!out->has_addr) {
        out->addr = addr;
        out->owner = *owner;
        out->has_addr = true;
    }
    add_answer(out, net_addr_text(&addr, text), false);
}

/* The records of one section. False: the message ends or lies before their end. */
static bool read_section(const uint8_t *p, size_t n, size_t *pos, unsigned section, bool is_nbns, struct answers *a)
{
    unsigned count = net_be16(p + 6 + 2 * section);
    struct dns_name owner;
    for (unsigned i = 0; i < count; i++) {
        if (!read_name(p, n, pos, &owner) || *pos + 10 > n)
            return false;
        uint16_t type = net_be16(p + *pos), rdlen = net_be16(p + *pos + 8);
        if (*pos + 10 + rdlen > n)
            return false;
        if (is_nbns)
            netbios_name(&owner);
        if (a->n_owners < ANSWERS_MAX && type != TYPE_OPT) {
            a->owners[a->n_owners].section = section;
            a->owners[a->n_owners++].name = owner;
        }
        if (section == SECTION_ANSWERS)
            read_rdata(p, n, *pos + 10, type, rdlen, is_nbns, &owner, a);
        *pos += 10U + rdlen;
    }
    return true;
}

static bool is_header_sane(const uint8_t *p, size_t n)
{
    if (n < HEADER + 1)
        return false;
    unsigned opcode = p[2] >> 3 & 15, qd = net_be16(p + 4), an = net_be16(p + 6), ns = net_be16(p + 8),
             ar = net_be16(p + 10);
    if ((opcode > 5 && opcode != 8) || qd > 32 || an > 512 || ns > 128 || ar > 128 || qd + an + ns + ar == 0)
        return false;
    return (p[3] & 0x40) == 0 || opcode >= 5; /* Z must be zero; NetBIOS uses the bits */
}

static enum proto_match probe_udp(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    struct dns_name name;
    size_t pos = HEADER;
    (void)dir;
    if (!is_header_sane(p, n))
        return PROTO_NO;
    if (port == 53 || port == 5353 || port == 5355 || port == 137)
        return PROTO_YES;
    /* elsewhere only what can be nothing else: one question, no records of it, a name, a known type */
    if (net_be16(p + 4) != 1 || (!(p[2] & 0x80) && (net_be16(p + 6) || net_be16(p + 8))) || (p[2] & 0x78))
        return PROTO_NO;
    if (!read_name(p, n, &pos, &name) || name.len < 4 || !strchr(name.text, '.') || pos + 4 > n)
        return PROTO_NO;
    uint16_t type = net_be16(p + pos), class = net_be16(p + pos + 2);
    return class == 1 && type > 0 && type < 260 ? PROTO_YES : PROTO_NO;
}

static void host_addr(struct proto *m, const struct proto_flow *pf, const struct mmr_packet *pkt,
                      const struct answers *a, const char *source)
{
    char name[NAME_MAX_BYTES], text[NET_ADDR_TEXT];
    (void)snprintf(name, sizeof name, "%s", a->owner.text);
    if (a->owner.len > 6 && strcmp(name + a->owner.len - 6, ".local") == 0)
        name[a->owner.len - 6] = '\0';
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "host.addr", MMR_CLASS_DHCP, 1);
    mmr_event_str(ev, "device.hostname", name);
    mmr_event_str(ev, "device.ip", net_addr_text(&a->addr, text));
    mmr_event_str(ev, "unmapped.source", source);
    proto_event_send(m);
}

static bool give_up(struct proto *m)
{
    proto_give_up(m, PROTO_GIVEN_UP_DNS);
    return true;
}

static bool message(struct proto *m, struct proto_flow *pf, const struct mmr_packet *pkt, const char *app, const uint8_t *p,
                    size_t n)
{
    static const char *const section_names[SECTIONS] = {"dns.answers.rrname", "dns.authorities.rrname", "dns.additionals.rrname"};
    static _Thread_local struct answers a; /* one loop thread; too large for its stack */
    struct dns_name names[QUESTIONS_MAX], owner;
    uint16_t types[QUESTIONS_MAX];
    size_t n_names = 0, pos = HEADER;
    uint16_t port = pf->flow->server_port;
    bool is_nbns = port == 137, is_response;
    char tbuf[12], numbers[QUESTIONS_MAX][8], opcode[8], rcode[8];
    if (!is_header_sane(p, n))
        return false;
    is_response = p[2] & 0x80;
    unsigned qd = net_be16(p + 4), an = net_be16(p + 6);
    for (unsigned i = 0; i < qd; i++) {
        if (!read_name(p, n, &pos, &owner) || pos + 4 > n)
            return give_up(m); /* malformed behind a sane header: the next datagram may be good */
        if (is_nbns)
            netbios_name(&owner);
        if (n_names < QUESTIONS_MAX) {
            types[n_names] = net_be16(p + pos);
            names[n_names++] = owner;
        }
        pos += 4;
    }
    a.n = a.n_owners = 0;
    a.has_addr = false;
    bool is_whole = true;
    for (unsigned section = 0; section < SECTIONS && is_whole; section++)
        is_whole = read_section(p, n, &pos, section, is_nbns, &a);
    if (!is_whole)
        proto_give_up(m, PROTO_GIVEN_UP_DNS);
    m->n_bufs = 0;
    for (size_t i = 0; i < n_names; i++) {
        if (!is_response)
            proto_buf(m, "dns.query", names[i].text, names[i].len);
        proto_buf(m, "dns.queries.rrname", names[i].text, names[i].len);
        proto_buf(m, "dns.rrtype", numbers[i], (size_t)snprintf(numbers[i], sizeof numbers[i], "%u", types[i]));
    }
    proto_buf(m, "dns.opcode", opcode, (size_t)snprintf(opcode, sizeof opcode, "%u", p[2] >> 3 & 15U));
    if (is_response)
        proto_buf(m, "dns.rcode", rcode, (size_t)snprintf(rcode, sizeof rcode, "%u", p[3] & 15U));
    for (size_t i = 0; i < a.n_owners; i++)
        proto_buf(m, section_names[a.owners[i].section], a.owners[i].name.text, a.owners[i].name.len);
    if (is_response) {
        for (size_t i = 0; i < a.n_owners; i++)
            proto_buf(m, "dns.response.rrname", a.owners[i].name.text, a.owners[i].name.len);
        for (size_t i = 0; i < a.n; i++)
            if (a.is_name[i])
                proto_buf(m, "dns.response.rrname", a.text[i], strlen(a.text[i]));
    }
    for (size_t i = 0; i < a.n; i++)
        proto_buf(m, "dns.answers", a.text[i], strlen(a.text[i]));
    proto_tx_send(m, pf, pkt, is_response ? MMR_TO_CLIENT : MMR_TO_SERVER, is_response, app, NULL);

    struct mmr_event *ev = proto_event(m, pf->flow, pkt, is_response ? "dns.answer" : "dns.query", MMR_CLASS_DNS,
                                       is_response ? 2 : 1);
    if (n_names) {
        mmr_event_str(ev, "query.hostname", names[0].text);
        mmr_event_str(ev, "query.type", type_name(types[0], tbuf));
    }
    if (is_response) {
        mmr_event_strv(ev, "answers", a.p, a.n);
        mmr_event_int(ev, "rcode_id", p[3] & 15);
        mmr_event_int(ev, "unmapped.answers", an);
    }
    mmr_event_int(ev, "unmapped.id", net_be16(p));
    mmr_event_int(ev, "unmapped.z", p[3] >> 4 & 7); /* reserved, zero but for DNSSEC's two bits */
    mmr_event_int(ev, "unmapped.bytes", (int64_t)n);
    proto_event_send(m);
    bool is_local = port == 5353 || port == 5355 || is_nbns;
    if (is_local && a.has_addr && a.owner.len)
        host_addr(m, pf, pkt, &a, is_nbns ? "nbns" : port == 5353 ? "mdns" : "llmnr");
    return true;
}

void proto_dns_message(struct proto *m, struct proto_flow *pf, const struct mmr_packet *pkt, const uint8_t *p, size_t n)
{
    if (n >= HEADER)
        (void)message(m, pf, pkt, pf->flow->app, p, n);
}

struct dns_flow { /* TCP: one message in the making for each direction */
    uint8_t *buf[2];
    size_t n[2];
    uint32_t n_bad;
};

static void *dns_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct dns_flow));
}

static void dns_close(struct proto *m, void *state)
{
    struct dns_flow *d = state;
    (void)m;
    free(d->buf[0]);
    free(d->buf[1]);
    free(d);
}

static bool udp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct dns_flow *d = pf->state;
    if (c->len == 0)
        return true;
    if (message(m, pf, c->packet, "dns", c->data, c->len)) {
        d->n_bad = 0;
        return true;
    }
    return ++d->n_bad < 8; /* that many datagrams in a row that are no DNS: something else took the port */
}

static enum proto_match probe_tcp(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    struct dns_name name;
    size_t pos = HEADER;
    if (n < 2 + HEADER + 1)
        return port == 53 && n < 2 + HEADER + 1 ? PROTO_MORE : PROTO_NO;
    size_t len = net_be16(p);
    if (len < HEADER + 5 || !is_header_sane(p + 2, n - 2))
        return PROTO_NO;
    if (port == 53)
        return PROTO_YES;
    (void)dir;
    if (len + 2 != n || net_be16(p + 6) != 1 || (p[4] & 0x78))
        return PROTO_NO;
    return read_name(p + 2, n - 2, &pos, &name) && strchr(name.text, '.') ? PROTO_YES : PROTO_NO;
}

static bool tcp_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct dns_flow *d = pf->state;
    uint8_t dir = c->dir;
    const uint8_t *p = c->data;
    size_t left = c->len;
    if (c->flags & MMR_CHUNK_GAP)
        d->n[dir] = 0; /* the next chunk most often begins a message */
    if (!d->buf[dir] && !(d->buf[dir] = malloc(65537 + 1)))
        return false;
    while (left > 0) {
        size_t want = d->n[dir] < 2 ? 2 : 2U + net_be16(d->buf[dir]);
        size_t n = want - d->n[dir] < left ? want - d->n[dir] : left;
        memcpy(d->buf[dir] + d->n[dir], p, n);
        d->n[dir] += n;
        p += n;
        left -= n;
        if (d->n[dir] < 2 || d->n[dir] < 2U + net_be16(d->buf[dir]))
            continue;
        size_t len = net_be16(d->buf[dir]);
        d->n[dir] = 0;
        if (len && !message(m, pf, c->packet, "dns", d->buf[dir] + 2, len) && ++d->n_bad > 4)
            return false;
    }
    return true;
}

const struct proto_parser proto_dns_udp = {
    .app = "dns", .ip_proto = IPPROTO_UDP, .probe = probe_udp, .open = dns_open, .data = udp_data, .close = dns_close};
const struct proto_parser proto_dns_tcp = {
    .app = "dns", .ip_proto = IPPROTO_TCP, .probe = probe_tcp, .open = dns_open, .data = tcp_data, .close = dns_close};
