/*
 * tls.c - TLS over TCP: records, the plain part of the handshake, heartbeats. Handshake messages are
 * put together up to a limit; encrypted records are only counted.
 */
#include "proto.h"

#include "net_cursor.h"
#include "tls_hello.h"

#include <netinet/in.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum {
    RECORD_HEAD = 5, HANDSHAKE_MAX = 48 * 1024, CERTS_MAX = 4,
    CCS = 20, ALERT = 21, HANDSHAKE = 22, DATA = 23, HEARTBEAT = 24,
    CLIENT_HELLO = 1, SERVER_HELLO = 2, CERTIFICATE = 11,
    RECORD_MAX = 16384 + 2048, /* RFC 5246 6.2.3 */
    V2 = 0, V2_HEAD = 2, V2_HELLO_MIN = 9, /* SSL 2.0 framing, in which old clients offer later versions (RFC 5246 E.2) */
};
struct tls_dir {
    uint8_t head[RECORD_HEAD + 3]; /* the record's header and, of heartbeats, their first bytes */
    uint8_t n_head, need_head;
    uint32_t left;    /* bytes of the record still to come */
    uint8_t *hs;      /* handshake bytes in the making */
    size_t n_hs, cap_hs;
    bool has_record;
    bool has_gap;
    bool is_encrypted, is_lost; /* lost: a gap; wait for a chunk that begins with a record */
};
struct tls_flow {
    struct tls_dir dir[2];
    uint32_t asked;        /* record length of the last heartbeat request, 0 none */
    bool asked_too_much, has_server, is_server_told;
    char sni[TLS_NAME_MAX];    /* what the client asked for; the rest of its hello is told and forgotten */
    struct tls_hello *server;  /* until it is told */
};

static bool is_record(const uint8_t *p, size_t n)
{
    return n >= RECORD_HEAD && p[0] >= CCS && p[0] <= HEARTBEAT && p[1] == 3 && p[2] <= 4 && net_be16(p + 3) > 0 &&
           net_be16(p + 3) <= RECORD_MAX;
}

/* A hello in the framing of SSL 2.0: two bytes of length with the top bit, the type, a version. */
static bool is_v2_hello(const uint8_t *p, size_t n)
{
    if (n < 5 || !(p[0] & 0x80) || p[2] != CLIENT_HELLO)
        return false;
    size_t len = (size_t)(p[0] & 0x7f) << 8 | p[1];
    if (len < V2_HELLO_MIN || len > 2048 || !((p[3] == 3 && p[4] <= 4) || (p[3] == 0 && p[4] == 2)))
        return false;
    if (n < 11)
        return true;
    size_t ciphers = net_be16(p + 5), session = net_be16(p + 7), challenge = net_be16(p + 9);
    return ciphers > 0 && ciphers % 3 == 0 && challenge >= 8 && challenge <= 32 && len == 9 + ciphers + session + challenge;
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)port;
    if (dir == MMR_TO_SERVER && n > 0 && (p[0] & 0x80)) {
        if (n < 11)
            return port == 443 && (n < 5 || is_v2_hello(p, n)) ? PROTO_MORE : PROTO_NO;
        return is_v2_hello(p, n) ? PROTO_YES : PROTO_NO;
    }
    if (n >= RECORD_HEAD + 1)
        return is_record(p, n) && (p[0] == HANDSHAKE ? p[5] == CLIENT_HELLO || p[5] == SERVER_HELLO : p[0] == DATA && port == 443)
                   ? PROTO_YES
                   : PROTO_NO;
    return n > 0 && p[0] == HANDSHAKE && (n < 2 || p[1] == 3) ? PROTO_MORE : PROTO_NO;
}

static void put_random(struct proto *m, const struct tls_hello *h)
{
    proto_buf(m, "tls.random", h->random, sizeof h->random);
    proto_buf(m, "tls.random_time", h->random, 4);
    proto_buf(m, "tls.random_bytes", h->random + 4, sizeof h->random - 4);
    for (size_t i = 0; i < h->n_alpns; i++)
        proto_buf(m, "tls.alpn", h->alpns[i], strlen(h->alpns[i]));
}

static void tell_client(struct proto *m, struct proto_flow *pf, const struct tls_hello *h, const struct mmr_packet *pkt)
{
    char version[16];
    const char *v = tls_version_name(h->version, version);
    m->n_bufs = 0;
    if (h->sni[0])
        proto_buf(m, "tls.sni", h->sni, strlen(h->sni));
    proto_buf(m, "tls.version", v, strlen(v));
    proto_buf(m, "tls.state", "client_hello", 12);
    put_random(m, h);
    proto_buf(m, "ja3.hash", h->ja3_hash, 32);
    proto_buf(m, "ja3.string", h->ja3, strlen(h->ja3));
    proto_buf(m, "ja4.hash", h->ja4, strlen(h->ja4));
    proto_tx_send(m, pf, pkt, MMR_TO_SERVER, false, "tls", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "tls.hello", MMR_CLASS_NETWORK, 6);
    mmr_event_str(ev, "tls.sni", h->sni[0] ? h->sni : NULL);
    mmr_event_str(ev, "tls.version", v);
    mmr_event_str(ev, "tls.ja3", h->ja3_hash);
    mmr_event_str(ev, "tls.ja4", h->ja4);
    mmr_event_str(ev, "unmapped.alpn", h->alpn[0] ? h->alpn : NULL);
    proto_event_send(m);
}

/* The certificates of a chain, each behind its 24-bit length, and how many they are. */
static void put_chain(struct proto *m, const uint8_t *p, size_t n, char count[16])
{
    struct net_cursor c = cur_of(p, n);
    unsigned all = 0;
    while (c.left >= 3) {
        size_t len = cur_u24be(&c);
        const uint8_t *der = cur_take(&c, len);
        if (!der)
            break;
        if (all++ < CERTS_MAX)
            proto_buf(m, "tls.certs", der, len);
    }
    proto_buf(m, "tls.cert_chain_len", count, (size_t)snprintf(count, 16, "%u", all));
}

struct cert_texts { /* lives until the message is sent */
    char before[24], after[24], count[16];
};

/* What rules read of a certificate, and whether it was good at the time of the packet. */
static void put_cert(struct proto *m, const struct tls_cert *cert, const uint8_t *chain, size_t n_chain, int64_t now_s, struct cert_texts *t)
{
    proto_buf(m, "tls.cert_subject", cert->subject, strlen(cert->subject));
    proto_buf(m, "tls.cert_issuer", cert->issuer, strlen(cert->issuer));
    proto_buf(m, "tls.cert_serial", cert->serial_colons, strlen(cert->serial_colons));
    proto_buf(m, "tls.cert_fingerprint", cert->fingerprint, strlen(cert->fingerprint));
    for (size_t i = 0; i < cert->n_names; i++)
        proto_buf(m, "tls.subjectaltname", cert->names[i], strlen(cert->names[i]));
    put_chain(m, chain, n_chain, t->count);
    if (cert->not_before_s < 0 || cert->not_after_s < 0)
        return;
    proto_buf(m, "tls.cert_not_before", t->before, (size_t)snprintf(t->before, sizeof t->before, "%lld", (long long)cert->not_before_s));
    proto_buf(m, "tls.cert_not_after", t->after, (size_t)snprintf(t->after, sizeof t->after, "%lld", (long long)cert->not_after_s));
    const char *state = now_s > cert->not_after_s ? "expired" : now_s < cert->not_before_s ? "early" : "valid";
    proto_buf(m, "tls.cert_time", state, strlen(state));
}

/* cert: the server's own; NULL: it was not in clear */
static void tell_server(struct proto *m, struct proto_flow *pf, struct tls_flow *t, const struct mmr_packet *pkt, const struct tls_cert *cert,
                        const uint8_t *chain, size_t n_chain)
{
    static const struct tls_hello unseen;
    const struct tls_hello *server = t->server ? t->server : &unseen;
    const char *sni = t->sni[0] ? t->sni : NULL;
    char version[16];
    struct cert_texts texts;
    const char *v = tls_version_name(server->version, version);
    if (t->is_server_told)
        return;
    t->is_server_told = true;
    m->n_bufs = 0;
    if (cert)
        put_cert(m, cert, chain, n_chain, proto_time(pf->flow, pkt) / 1000000000, &texts);
    if (sni)
        proto_buf(m, "tls.sni", sni, strlen(sni));
    proto_buf(m, "tls.version", v, strlen(v));
    if (t->has_server)
        proto_buf(m, "tls.state", "server_hello", 12);
    put_random(m, server);
    proto_buf(m, "ja3s.hash", server->ja3_hash, 32);
    proto_buf(m, "ja3s.string", server->ja3, strlen(server->ja3));
    proto_tx_send(m, pf, pkt, MMR_TO_CLIENT, true, "tls", NULL);
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "tls.server", MMR_CLASS_NETWORK, 6);
    mmr_event_str(ev, "tls.sni", sni);
    mmr_event_str(ev, "tls.version", v);
    mmr_event_str(ev, "tls.ja3s", server->ja3_hash);
    if (cert) {
        mmr_event_str(ev, "tls.certificate.subject", cert->subject);
        mmr_event_str(ev, "tls.certificate.issuer", cert->issuer);
        mmr_event_str(ev, "tls.certificate.serial_number", cert->serial);
        mmr_event_str(ev, "unmapped.not_after", cert->not_after);
        mmr_event_bool(ev, "unmapped.self_signed", cert->is_self_signed);
    }
    proto_event_send(m);
    free(t->server);
    t->server = NULL;
}

static void on_certificates(struct proto *m, struct proto_flow *pf, struct tls_flow *t, const struct mmr_packet *pkt, uint8_t dir,
                            const uint8_t *p, size_t n)
{
    struct net_cursor c = cur_of(p, n);
    struct net_cursor all = cur_sub(&c, cur_u24be(&c));
    const uint8_t *chain = all.p;
    size_t n_chain = all.left;
    size_t len = cur_u24be(&all);
    const uint8_t *der = cur_take(&all, len);
    if (!der)
        return;
    static _Thread_local struct tls_cert cert; /* one loop thread */
    bool has_cert = tls_certificate(der, len, &cert); /* the first is the sender's own */
    if (dir == MMR_TO_SERVER) { /* a client that shows who it is */
        struct cert_texts texts;
        m->n_bufs = 0;
        if (!has_cert)
            return;
        put_cert(m, &cert, chain, n_chain, proto_time(pf->flow, pkt) / 1000000000, &texts);
        proto_tx_send(m, pf, pkt, MMR_TO_SERVER, false, "tls", NULL);
        return;
    }
    tell_server(m, pf, t, pkt, has_cert ? &cert : NULL, chain, n_chain);
}

static void on_client_hello(struct proto *m, struct proto_flow *pf, struct tls_flow *t, const struct mmr_packet *pkt, const uint8_t *p, size_t n)
{
    static _Thread_local struct tls_hello h; /* one loop thread */
    if (!tls_client_hello(p, n, false, &h))
        return;
    memcpy(t->sni, h.sni, sizeof t->sni);
    tell_client(m, pf, &h, pkt);
}

static void on_server_hello(struct tls_flow *t, const uint8_t *p, size_t n)
{
    if (!t->is_server_told && (t->server || (t->server = calloc(1, sizeof *t->server))))
        t->has_server = tls_server_hello(p, n, t->server);
}

static void on_handshake(struct proto *m, struct proto_flow *pf, struct tls_flow *t, struct tls_dir *d, uint8_t dir,
                         const struct mmr_packet *pkt)
{
    size_t at = 0;
    while (d->n_hs - at >= 4) {
        const uint8_t *p = d->hs + at;
        size_t len = (size_t)p[1] << 16 | net_be16(p + 2);
        if (len > HANDSHAKE_MAX - 4) {
            d->is_encrypted = true; /* no plain handshake is that long: what follows is encrypted */
            at = d->n_hs;
            break;
        }
        if (d->n_hs - at < 4 + len)
            break;
        if (p[0] == CLIENT_HELLO && dir == MMR_TO_SERVER)
            on_client_hello(m, pf, t, pkt, p + 4, len);
        else if (p[0] == SERVER_HELLO && dir == MMR_TO_CLIENT)
            on_server_hello(t, p + 4, len);
        else if (p[0] == CERTIFICATE)
            on_certificates(m, pf, t, pkt, dir, p + 4, len);
        at += 4 + len;
    }
    memmove(d->hs, d->hs + at, d->n_hs - at);
    d->n_hs -= at;
    if (d->n_hs == 0) { /* often the last one: a long connection holds nothing */
        free(d->hs);
        d->hs = NULL;
        d->cap_hs = 0;
    }
}

/* RFC 6520: an answer repeats what was asked. One that is longer than the request gives memory away. */
static void on_heartbeat(struct proto *m, struct proto_flow *pf, struct tls_flow *t, const struct tls_dir *d, uint8_t dir,
                         const struct mmr_packet *pkt)
{
    uint32_t record = net_be16(d->head + 3);
    bool is_plain = !d->is_encrypted && d->need_head > RECORD_HEAD;
    if (dir == MMR_TO_SERVER) {
        t->asked = record;
        t->asked_too_much = is_plain && d->head[5] == 1 && (uint32_t)net_be16(d->head + 6) + 3 + 16 > record; /* 16: least padding */
    }
    struct mmr_event *ev = proto_event(m, pf->flow, pkt, "tls.heartbeat", MMR_CLASS_NETWORK, 6);
    mmr_event_str(ev, "unmapped.from", dir == MMR_TO_SERVER ? "client" : "server");
    mmr_event_int(ev, "unmapped.record_length", record);
    mmr_event_int(ev, "unmapped.request_length", t->asked);
    mmr_event_bool(ev, "unmapped.asked_too_much", t->asked_too_much);
    proto_event_send(m);
}

static void on_record_start(struct proto *m, struct proto_flow *pf, struct tls_flow *t, uint8_t dir,
                            const struct mmr_packet *pkt)
{
    struct tls_dir *d = &t->dir[dir];
    if (d->head[0] == CCS)
        d->is_encrypted = true;
    if (d->head[0] == HEARTBEAT)
        on_heartbeat(m, pf, t, d, dir, pkt);
    if ((d->head[0] == CCS || d->head[0] == DATA) && dir == MMR_TO_CLIENT && t->has_server)
        tell_server(m, pf, t, pkt, NULL, NULL, 0); /* resumed, or TLS 1.3: the certificate is not in clear */
}

static void body(struct tls_dir *d, const uint8_t *p, size_t n)
{
    if (d->head[0] != HANDSHAKE || d->is_encrypted)
        return;
    if (n > HANDSHAKE_MAX - d->n_hs)
        n = HANDSHAKE_MAX - d->n_hs;
    if (n > d->cap_hs - d->n_hs) { /* most handshakes are far from the longest */
        size_t cap = d->cap_hs ? d->cap_hs : 1024;
        while (cap < d->n_hs + n)
            cap *= 2;
        uint8_t *hs = realloc(d->hs, cap);
        if (!hs)
            return;
        d->hs = hs;
        d->cap_hs = cap;
    }
    memcpy(d->hs + d->n_hs, p, n);
    d->n_hs += n;
}

static void *tls_open(struct proto *m, struct mmr_flow *flow)
{
    (void)m;
    (void)flow;
    return calloc(1, sizeof(struct tls_flow));
}

static void tls_close(struct proto *m, void *state)
{
    struct tls_flow *t = state;
    (void)m;
    free(t->dir[0].hs);
    free(t->dir[1].hs);
    free(t->server);
    free(t);
}

static bool tls_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct tls_flow *t = pf->state;
    struct tls_dir *d = &t->dir[c->dir];
    const uint8_t *p = c->data;
    size_t n = c->len;
    if (c->flags & MMR_CHUNK_GAP) {
        d->has_gap = true;
        if (c->gap < d->left) {
            d->left -= c->gap; /* inside one record */
        } else {
            d->is_lost = true;
            d->left = 0;
            d->n_head = 0;
        }
    }
    if ((c->flags & MMR_CHUNK_MIDSTREAM) && (c->flags & MMR_CHUNK_START) && !is_record(p, n))
        d->is_lost = true;
    while (n > 0) {
        if (d->is_lost) {
            if (!is_record(p, n))
                return true;
            d->is_lost = false;
        }
        if (d->left > 0) {
            size_t take = n < d->left ? n : d->left;
            body(d, p, take);
            d->left -= (uint32_t)take;
            p += take;
            n -= take;
            if (d->n_hs >= 4 && !d->is_encrypted)
                on_handshake(m, pf, t, d, c->dir, c->packet);
            continue;
        }
        if (d->n_head == 0)
            d->need_head = RECORD_HEAD;
        d->head[d->n_head++] = *p++;
        n--;
        if (d->n_head == V2_HEAD && !d->has_record && (d->head[0] & 0x80)) {
            d->left = (uint32_t)(d->head[0] & 0x7f) << 8 | d->head[1];
            d->head[0] = V2; /* its body is not looked into */
            d->n_head = 0;
            continue;
        }
        if (d->n_head == RECORD_HEAD) {
            if (!is_record(d->head, RECORD_HEAD)) {
                if (!d->has_gap)
                    return false;
                d->is_lost = true; /* what followed the hole looked like a record and was none: wait for the next */
                d->n_head = 0;
                continue;
            }
            /* a heartbeat in clear: its type and claimed length are wanted as well */
            if (d->head[0] == HEARTBEAT && !d->is_encrypted && net_be16(d->head + 3) >= 3)
                d->need_head = RECORD_HEAD + 3;
        }
        if (d->n_head == d->need_head && d->n_head >= RECORD_HEAD) {
            d->has_record = true;
            d->left = net_be16(d->head + 3) - (uint32_t)(d->need_head - RECORD_HEAD);
            on_record_start(m, pf, t, c->dir, c->packet);
            d->n_head = 0;
        }
    }
    return true;
}

const struct proto_parser proto_tls = {
    .app = "tls", .ip_proto = IPPROTO_TCP, .probe = probe, .open = tls_open, .data = tls_data, .close = tls_close};
