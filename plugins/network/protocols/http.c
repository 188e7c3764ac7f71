/*
 * http.c - HTTP/1 by libhtp: chunked and compressed bodies, pipelining, pickup in the middle of a
 * connection. libhtp sees bytes of the network; bodies, header counts and inflation are bounded.
 */
#include "http.h"

#include "http_tx.h"

#include <netinet/in.h>
#include <stdlib.h>
#include <string.h>

enum {
    OPEN_MAX = 64,           /* requests without a response (one-way captures, pipelining bombs) */
    HEAD_MAX = 64 * 1024,
    FIELD_MAX = 32 * 1024,
    HEADERS_MAX = 512,
    BOMB_BYTES = 1 << 20,    /* libhtp stops a ratio above 2048 beyond that */
    INFLATE_US = 50000,
    LAYERS_MAX = 2,
};

static bool is_method(const uint8_t *p, size_t n)
{
    static const char *const methods[] = {"GET ", "POST ", "HEAD ", "PUT ", "DELETE ", "OPTIONS ", "CONNECT ",
                                          "TRACE ", "PATCH ", "PROPFIND ", "PROPPATCH ", "MKCOL ", "COPY ", "MOVE ",
                                          "LOCK ", "UNLOCK ", "SEARCH ", "REPORT ", "NOTIFY ", "SUBSCRIBE ",
                                          "M-SEARCH ", "DEBUG ", "TRACK ", "RPC_IN_DATA ", "RPC_OUT_DATA "};
    for (size_t i = 0; i < sizeof methods / sizeof methods[0]; i++) {
        size_t len = strlen(methods[i]);
        if (n >= len ? memcmp(p, methods[i], len) == 0 : memcmp(p, methods[i], n) == 0)
            return true;
    }
    return false;
}

/* A token, a space and something like a URI: made-up methods are HTTP too when " HTTP/" follows. */
static bool is_odd_request(const uint8_t *p, size_t n)
{
    const uint8_t *nl = memchr(p, '\n', n < 4096 ? n : 4096);
    if (!nl || nl - p < 12)
        return false;
    size_t line = (size_t)(nl - p), i = 0;
    while (i < line && ((p[i] >= 'A' && p[i] <= 'Z') || p[i] == '_' || p[i] == '-'))
        i++;
    return i > 0 && i < 24 && p[i] == ' ' && memmem(p, line, " HTTP/1.", 8) != NULL;
}

static bool is_message_start(const uint8_t *p, size_t n, uint8_t dir)
{
    if (dir == MMR_TO_CLIENT)
        return n >= 7 && memcmp(p, "HTTP/1.", 7) == 0;
    return n >= 8 && (is_method(p, n) || is_odd_request(p, n));
}

static enum proto_match probe(const uint8_t *p, size_t n, uint8_t dir, uint16_t port)
{
    (void)port;
    if (dir == MMR_TO_CLIENT) {
        if (n < 7)
            return memcmp(p, "HTTP/1.", n) == 0 ? PROTO_MORE : PROTO_NO;
        return memcmp(p, "HTTP/1.", 7) == 0 || (n >= 7 && memcmp(p, "HTTP/0.", 7) == 0) ? PROTO_YES : PROTO_NO;
    }
    while (n >= 2 && p[0] == '\r' && p[1] == '\n') { /* RFC 9112 2.2: ignore empty lines before a request */
        p += 2;
        n -= 2;
    }
    if (n == 0)
        return PROTO_MORE;
    if (!is_method(p, n))
        return is_odd_request(p, n) ? PROTO_YES : n < 16 && p[0] >= 'A' && p[0] <= 'Z' ? PROTO_MORE : PROTO_NO;
    const uint8_t *nl = memchr(p, '\n', n);
    if (!nl)
        return n < 1024 ? PROTO_MORE : PROTO_YES;
    /* SIP and RTSP share the methods' names */
    size_t line = (size_t)(nl - p);
    if (memmem(p, line, " SIP/", 5) || memmem(p, line, " RTSP/", 6))
        return PROTO_NO;
    return PROTO_YES;
}

static void append(struct http_text *t, const void *p, size_t n, size_t max)
{
    t->total += n;
    if (!p || n == 0 || t->n >= max)
        return;
    if (n > max - t->n)
        n = max - t->n;
    if (t->n + n > t->cap) {
        size_t cap = t->cap ? t->cap : 1024;
        while (cap < t->n + n)
            cap *= 2;
        uint8_t *grown = realloc(t->p, cap);
        if (!grown)
            return;
        t->p = grown;
        t->cap = cap;
    }
    memcpy(t->p + t->n, p, n);
    t->n += n;
}

static struct http_flow *flow_of(htp_tx_t *tx)
{
    return htp_connp_get_user_data(tx->connp);
}

static struct http_tx *tx_of(htp_tx_t *tx)
{
    struct http_tx *t = htp_tx_get_user_data(tx);
    struct http_flow *h = flow_of(tx);
    if (t || !h)
        return t;
    t = calloc(1, sizeof *t);
    if (!t)
        return NULL;
    t->htp = tx;
    t->id = h->next_id++;
    t->next = h->txs;
    if (h->txs)
        h->txs->prev = t;
    h->txs = t;
    h->n_open++;
    htp_tx_set_user_data(tx, t);
    return t;
}

static void free_tx(struct http_flow *h, struct http_tx *t)
{
    for (unsigned d = 0; d < 2; d++) {
        free(t->body[d].p);
        free(t->head[d].p);
    }
    if (t->prev)
        t->prev->next = t->next;
    else
        h->txs = t->next;
    if (t->next)
        t->next->prev = t->prev;
    h->n_open--;
    htp_tx_set_user_data(t->htp, NULL);
    free(t);
}

static void send_once(struct http_flow *h, struct http_tx *t, uint8_t dir)
{
    if (t->is_sent[dir])
        return;
    t->is_sent[dir] = true;
    http_tx_send(h, t, dir);
}

static int on_head(htp_tx_data_t *d, uint8_t dir)
{
    struct http_tx *t = tx_of(d->tx);
    if (t)
        append(&t->head[dir], d->data, d->len, HEAD_MAX);
    return HTP_OK;
}

static int on_request_head(htp_tx_data_t *d)
{
    return on_head(d, MMR_TO_SERVER);
}

static int on_response_head(htp_tx_data_t *d)
{
    return on_head(d, MMR_TO_CLIENT);
}

static int on_body(htp_tx_data_t *d, uint8_t dir)
{
    struct http_tx *t = tx_of(d->tx);
    struct http_flow *h = flow_of(d->tx);
    if (!t || !h || d->len == 0)
        return HTP_OK;
    size_t max = (size_t)h->m->cfg->body_max;
    const bool was_full = t->body[dir].n >= max;
    append(&t->body[dir], d->data, d->len, max);
    if (!was_full && t->body[dir].n >= max)
        proto_give_up(h->m, PROTO_GIVEN_UP_BODY);
    if (t->body[dir].n >= max) /* enough to judge: do not wait for the end of a long download */
        send_once(h, t, dir);
    return HTP_OK;
}

static int on_request_body(htp_tx_data_t *d)
{
    return on_body(d, MMR_TO_SERVER);
}

static int on_response_body(htp_tx_data_t *d)
{
    return on_body(d, MMR_TO_CLIENT);
}

static int on_request_complete(htp_tx_t *tx)
{
    struct http_tx *t = tx_of(tx);
    if (t)
        send_once(flow_of(tx), t, MMR_TO_SERVER);
    return HTP_OK;
}

static int on_response_complete(htp_tx_t *tx)
{
    struct http_tx *t = tx_of(tx);
    if (t)
        send_once(flow_of(tx), t, MMR_TO_CLIENT);
    return HTP_OK;
}

static int on_complete(htp_tx_t *tx)
{
    struct http_tx *t = htp_tx_get_user_data(tx);
    struct http_flow *h = flow_of(tx);
    if (t && h)
        free_tx(h, t);
    return HTP_OK;
}

void *proto_http_config_new(void)
{
    htp_cfg_t *cfg = htp_config_create();
    if (!cfg)
        return NULL;
    (void)htp_config_set_server_personality(cfg, HTP_SERVER_IDS);
    htp_config_set_convert_lowercase(cfg, HTP_DECODER_URL_PATH, 0); /* rules tell cases apart */
    htp_config_set_tx_auto_destroy(cfg, 1);
    htp_config_set_log_level(cfg, HTP_LOG_NONE);
    htp_config_set_parse_request_cookies(cfg, 0);
    htp_config_set_parse_request_auth(cfg, 0);
    htp_config_set_plusspace_decode(cfg, HTP_DECODER_URLENCODED, 0);
    htp_config_set_field_limits(cfg, FIELD_MAX / 2, FIELD_MAX);
    htp_config_set_number_headers_limit(cfg, HEADERS_MAX);
    htp_config_set_compression_bomb_limit(cfg, BOMB_BYTES);
    htp_config_set_compression_time_limit(cfg, INFLATE_US);
    htp_config_set_response_decompression_layer_limit(cfg, LAYERS_MAX);
    htp_config_set_lzma_layers(cfg, 0); /* no browser sends it, and it takes much memory */
    htp_config_set_request_decompression(cfg, 0); /* http_body.c: what is declared is not always what comes */
    htp_config_register_request_header_data(cfg, on_request_head);
    htp_config_register_request_body_data(cfg, on_request_body);
    htp_config_register_request_complete(cfg, on_request_complete);
    htp_config_register_response_header_data(cfg, on_response_head);
    htp_config_register_response_body_data(cfg, on_response_body);
    htp_config_register_response_complete(cfg, on_response_complete);
    htp_config_register_transaction_complete(cfg, on_complete);
    return cfg;
}

void proto_http_config_free(void *cfg)
{
    if (cfg)
        htp_config_destroy(cfg);
}

static bool start(struct http_flow *h)
{
    h->connp = htp_connp_create(h->m->htp);
    if (!h->connp)
        return false;
    htp_connp_set_user_data(h->connp, h);
    htp_connp_open(h->connp, NULL, 0, NULL, 0, NULL);
    return true;
}

/* Send what an unfinished connection still has, and forget it. */
static void stop(struct http_flow *h)
{
    if (!h->connp)
        return;
    for (struct http_tx *t = h->txs, *next; t; t = next) {
        next = t->next;
        if (t->htp->request_progress > HTP_REQUEST_LINE && !t->is_sent[MMR_TO_SERVER])
            send_once(h, t, MMR_TO_SERVER);
        if (t->htp->response_progress > HTP_RESPONSE_LINE && !t->is_sent[MMR_TO_CLIENT])
            send_once(h, t, MMR_TO_CLIENT);
        free_tx(h, t);
    }
    htp_connp_destroy_all(h->connp);
    h->connp = NULL;
}

static void *http_open(struct proto *m, struct mmr_flow *flow)
{
    struct http_flow *h = calloc(1, sizeof *h);
    if (!h)
        return NULL;
    h->m = m;
    h->pf = flow->slot[MMR_SLOT_PROTOCOLS];
    if (!start(h)) {
        free(h);
        return NULL;
    }
    return h;
}

static void http_close(struct proto *m, void *state)
{
    struct http_flow *h = state;
    (void)m;
    h->packet = NULL;
    stop(h);
    free(h);
}

static htp_time_t stamp(const struct mmr_chunk *c)
{
    int64_t ns = proto_time(c->flow, c->packet);
    return (htp_time_t){.tv_sec = (time_t)(ns / 1000000000), .tv_usec = (suseconds_t)(ns / 1000 % 1000000)};
}

static int parse(struct http_flow *h, uint8_t dir, const htp_time_t *ts, const void *p, size_t n)
{
    return dir == MMR_TO_SERVER ? htp_connp_req_data(h->connp, ts, p, n) : htp_connp_res_data(h->connp, ts, p, n);
}

static bool http_data(struct proto *m, struct proto_flow *pf, const struct mmr_chunk *c)
{
    struct http_flow *h = pf->state;
    htp_time_t ts = stamp(c);
    (void)m;
    h->packet = c->packet;
    if (c->len == 0) {
        if ((c->flags & MMR_CHUNK_END) && h->connp) {
            if (c->dir == MMR_TO_SERVER)
                htp_connp_req_close(h->connp, &ts);
            else
                htp_connp_close(h->connp, &ts);
        }
        return true;
    }
    if ((c->flags & MMR_CHUNK_GAP) && h->connp && h->is_synced[c->dir] &&
        parse(h, c->dir, &ts, NULL, c->gap) == HTP_STREAM_ERROR)
        h->is_synced[c->dir] = false; /* the hole was not inside a body */
    if (!h->is_synced[c->dir]) {
        if (!(c->flags & (MMR_CHUNK_MIDSTREAM | MMR_CHUNK_GAP)) && (c->flags & MMR_CHUNK_START))
            h->is_synced[c->dir] = true;
        else if (is_message_start(c->data, c->len, c->dir))
            h->is_synced[c->dir] = true;
        else
            return true;
    }
    if (h->n_open > OPEN_MAX) {
        proto_give_up(h->m, PROTO_GIVEN_UP_PIPELINE);
        stop(h);
    }
    if (!h->connp && !start(h))
        return false;
    int rc = parse(h, c->dir, &ts, c->data, c->len);
    if (rc == HTP_STREAM_TUNNEL) {
        pf->is_switching = true; /* CONNECT or Upgrade: what comes now is another protocol */
    } else if (rc == HTP_STREAM_ERROR || rc == HTP_STREAM_STOP) {
        stop(h);
        h->is_synced[0] = h->is_synced[1] = false;
        /* the bytes may begin a message that only the broken state hid */
        if (is_message_start(c->data, c->len, c->dir) && start(h)) {
            h->is_synced[c->dir] = true;
            if (parse(h, c->dir, &ts, c->data, c->len) == HTP_STREAM_ERROR) {
                stop(h);
                h->is_synced[c->dir] = false;
            }
        }
    }
    h->packet = NULL;
    return true;
}

const struct proto_parser proto_http = {
    .app = "http", .ip_proto = IPPROTO_TCP, .probe = probe, .open = http_open, .data = http_data, .close = http_close};
