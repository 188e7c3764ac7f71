/*
 * http_tx.c - the sticky buffers and the event of one HTTP message. Buffer names and shapes are those
 * of Suricata's keywords, because rules are written for them.
 */
#include "http_tx.h"

#include "http_body.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

enum { SCRATCH_BYTES = 256 * 1024 };
struct scratch {
    uint8_t p[SCRATCH_BYTES];
    size_t n;
};

static size_t put(struct scratch *s, const void *p, size_t n)
{
    if (n > SCRATCH_BYTES - s->n)
        n = SCRATCH_BYTES - s->n;
    if (n)
        memcpy(s->p + s->n, p, n);
    s->n += n;
    return n;
}

static void put_text(struct scratch *s, const char *text)
{
    (void)put(s, text, strlen(text));
}

/* The library's bstr_ptr() casts const away. */
static const uint8_t *bytes_of(const bstr *b)
{
    return b->realptr ? b->realptr : (const uint8_t *)(b + 1);
}

static void put_bstr(struct scratch *s, const bstr *b)
{
    if (b)
        (void)put(s, bytes_of(b), bstr_len(b));
}

static void buf_bstr(struct proto *m, const char *name, const bstr *b)
{
    if (b)
        proto_buf(m, name, bytes_of(b), bstr_len(b));
}

static int hex(uint8_t c)
{
    return c >= '0' && c <= '9' ? c - '0' : (c | 32) >= 'a' && (c | 32) <= 'f' ? (c | 32) - 'a' + 10 : -1;
}

static void put_decoded(struct scratch *s, const uint8_t *p, size_t n)
{
    for (size_t i = 0; i < n; i++) {
        uint8_t c = p[i];
        if (c == '%' && i + 2 < n && hex(p[i + 1]) >= 0 && hex(p[i + 2]) >= 0) {
            c = (uint8_t)(hex(p[i + 1]) * 16 + hex(p[i + 2]));
            i += 2;
        }
        (void)put(s, &c, 1);
    }
}

/* http.host: lower case, without the port. */
static void put_host(struct scratch *s, struct proto *m, const bstr *host)
{
    size_t from = s->n;
    if (!host || bstr_len(host) == 0)
        return;
    put_bstr(s, host);
    for (size_t i = from; i < s->n; i++)
        if (s->p[i] >= 'A' && s->p[i] <= 'Z')
            s->p[i] = (uint8_t)(s->p[i] | 32);
    proto_buf(m, "http.host", s->p + from, s->n - from);
}

static bool is_uri_seen(const htp_tx_t *tx)
{
    return tx->request_line && tx->request_uri && tx->request_method;
}

/* http.uri: decoded path, '?' and decoded query. */
static void put_uri(struct scratch *s, const htp_tx_t *tx)
{
    const htp_uri_t *u = tx->parsed_uri;
    if (!u || (!u->path && !u->query)) {
        put_bstr(s, tx->request_uri);
        return;
    }
    put_bstr(s, u->path);
    if (u->query) {
        put_text(s, "?");
        put_decoded(s, bytes_of(u->query), bstr_len(u->query));
    }
    if (u->fragment) {
        put_text(s, "#");
        put_bstr(s, u->fragment);
    }
}

static bool is_cookie(const htp_header_t *h)
{
    return bstr_cmp_c_nocase(h->name, "cookie") == 0 || bstr_cmp_c_nocase(h->name, "set-cookie") == 0;
}

/* http.header ("Name: value\r\n" without cookies) and http.header_names ("\r\nName\r\n…\r\n"). */
static void put_headers(struct scratch *s, struct proto *m, const htp_table_t *headers, const bstr *line)
{
    size_t n = headers ? htp_table_size(headers) : 0, from = s->n;
    for (size_t i = 0; i < n; i++) {
        const htp_header_t *h = htp_table_get_index(headers, i, NULL);
        if (!h || is_cookie(h))
            continue;
        put_bstr(s, h->name);
        put_text(s, ": ");
        put_bstr(s, h->value);
        put_text(s, "\r\n");
    }
    proto_buf(m, "http.header", s->p + from, s->n - from);
    from = s->n;
    put_text(s, "\r\n");
    for (size_t i = 0; i < n; i++) {
        const htp_header_t *h = htp_table_get_index(headers, i, NULL);
        if (!h)
            continue;
        put_bstr(s, h->name);
        put_text(s, "\r\n");
    }
    put_text(s, "\r\n");
    size_t names = s->n - from;
    proto_buf(m, "http.header_names", s->p + from, names);
    size_t start = s->n;
    put_bstr(s, line);
    (void)put(s, s->p + from, names);
    proto_buf(m, "http.start", s->p + start, s->n - start);
}

/* Each header as a value of its own. */
static void each_header(struct scratch *s, struct proto *m, const htp_table_t *headers, const char *name)
{
    size_t n = headers ? htp_table_size(headers) : 0;
    for (size_t i = 0; i < n; i++) {
        const htp_header_t *h = htp_table_get_index(headers, i, NULL);
        size_t from = s->n;
        if (!h)
            continue;
        put_bstr(s, h->name);
        put_text(s, ": ");
        put_bstr(s, h->value);
        proto_buf(m, name, s->p + from, s->n - from);
    }
}

static const bstr *header(const htp_table_t *headers, const char *name)
{
    const htp_header_t *h = headers ? htp_table_get_c(headers, name) : NULL;
    return h ? h->value : NULL;
}

static void named_headers(struct proto *m, const htp_table_t *headers, bool is_request)
{
    static const struct {
        const char *header, *buffer;
        bool of_request, of_response;
    } rows[] = {
        {"user-agent", "http.user_agent", true, false},
        {"referer", "http.referer", true, false},
        {"cookie", "http.cookie", true, false},
        {"set-cookie", "http.cookie", false, true},
        {"accept", "http.accept", true, false},
        {"accept-encoding", "http.accept_enc", true, false},
        {"accept-language", "http.accept_lang", true, false},
        {"connection", "http.connection", true, true},
        {"content-type", "http.content_type", true, true},
        {"content-length", "http.content_len", true, true},
        {"host", "http.host.raw", true, false},
        {"server", "http.server", false, true},
        {"location", "http.location", false, true},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (is_request ? rows[i].of_request : rows[i].of_response)
            buf_bstr(m, rows[i].buffer, header(headers, rows[i].header));
}

static void text_field(struct mmr_event *ev, const char *key, const void *p, size_t n)
{
    char text[1024];
    if (!p || n == 0)
        return;
    proto_text(text, sizeof text, p, n);
    mmr_event_str(ev, key, text);
}

static void bstr_field(struct mmr_event *ev, const char *key, const bstr *b)
{
    if (b)
        text_field(ev, key, bytes_of(b), bstr_len(b));
}

static int64_t printable_percent(const uint8_t *p, size_t n)
{
    size_t yes = 0;
    n = n < 4096 ? n : 4096; /* the beginning says what kind it is */
    for (size_t i = 0; i < n; i++)
        yes += (p[i] >= 0x20 && p[i] < 0x7f) || p[i] == '\n' || p[i] == '\r' || p[i] == '\t';
    return (int64_t)(yes * 100 / n);
}

static bool is_address(const bstr *host)
{
    char text[64];
    uint8_t addr[16];
    if (!host || bstr_len(host) == 0 || bstr_len(host) >= sizeof text)
        return false;
    memcpy(text, bytes_of(host), bstr_len(host));
    text[bstr_len(host)] = '\0';
    return inet_pton(AF_INET, text, addr) == 1 || inet_pton(AF_INET6, text, addr) == 1;
}

static void emit(struct http_flow *h, const struct http_tx *t, uint8_t dir, const uint8_t *uri, size_t uri_len)
{
    const htp_tx_t *tx = t->htp;
    const struct http_text *body = &t->body[dir];
    bool is_request = dir == MMR_TO_SERVER;
    struct mmr_event *ev = proto_event(h->m, h->pf->flow, h->packet, is_request ? "http.request" : "http.response",
                                       MMR_CLASS_HTTP, is_request ? 1 : 2);
    if (is_uri_seen(tx)) {
        bstr_field(ev, "http_request.http_method", tx->request_method);
        text_field(ev, "http_request.url.path", uri, uri_len);
        bstr_field(ev, "http_request.url.hostname", tx->request_hostname);
        bstr_field(ev, "http_request.user_agent", header(tx->request_headers, "user-agent"));
        if (is_request)
            bstr_field(ev, "http_request.referrer", header(tx->request_headers, "referer"));
        mmr_event_bool(ev, "unmapped.host_is_address", is_address(tx->request_hostname));
        mmr_event_bool(ev, "unmapped.has_cookie", header(tx->request_headers, "cookie") != NULL);
    }
    if (!is_request)
        mmr_event_int(ev, "http_response.code", tx->response_status_number);
    bstr_field(ev, is_request ? "unmapped.request_content_type" : "http_response.content_type",
               header(is_request ? tx->request_headers : tx->response_headers, "content-type"));
    mmr_event_int(ev, is_request ? "http_request.body_length" : "http_response.body_length", (int64_t)body->total);
    const bstr *auth = header(tx->request_headers, "authorization");
    if (auth) { /* the scheme only: what follows is a secret */
        const uint8_t *p = bytes_of(auth), *space = memchr(p, ' ', bstr_len(auth));
        text_field(ev, "unmapped.authorization_type", p, space ? (size_t)(space - p) : bstr_len(auth));
    }
    if (!is_request && body->n)
        mmr_event_int(ev, "unmapped.body_printable", printable_percent(body->p, body->n));
    mmr_event_str(ev, "unmapped.file_type", proto_file_type(body->p, body->n));
    mmr_event_int(ev, "unmapped.transaction", (int64_t)t->id);
    proto_event_send(h->m);
}

/* Of a request libhtp gives the body as it came; that of a response it has decoded. */
static void decode_request(struct http_flow *h, struct http_tx *t)
{
    struct http_text *body = &t->body[MMR_TO_SERVER];
    const bstr *coding = header(t->htp->request_headers, "content-encoding");
    uint8_t *plain;
    size_t n;
    if (!coding || !body->n || !http_body_decode(bytes_of(coding), bstr_len(coding), body->p, body->n,
                                                 (size_t)h->m->cfg->body_max, &plain, &n))
        return;
    free(body->p);
    *body = (struct http_text){.p = plain, .n = n, .cap = n, .total = body->total};
}

/* filename="x" or filename=x of a Content-Disposition, else what the path ends with. */
static void put_file(struct scratch *s, struct proto *m, const struct http_text *body, const bstr *disposition,
                     size_t uri_len)
{
    size_t from = s->n, end = uri_len;
    char number[24];
    const uint8_t *p = NULL;
    size_t n = 0;
    if (!body->n)
        return;
    if (disposition && (p = memmem(bytes_of(disposition), bstr_len(disposition), "filename=", 9))) {
        p += 9;
        n = (size_t)(bytes_of(disposition) + bstr_len(disposition) - p);
        if (n && *p == '"') {
            p++;
            n--;
        }
        size_t len = 0;
        while (len < n && p[len] != '"' && p[len] != ';')
            len++;
        n = len;
    } else {
        const uint8_t *query = memchr(s->p, '?', uri_len);
        end = query ? (size_t)(query - s->p) : uri_len;
        size_t at = end;
        while (at > 0 && s->p[at - 1] != '/')
            at--;
        p = s->p + at;
        n = end - at;
    }
    n = put(s, p, n);
    proto_buf(m, "file.name", s->p + from, n);
    from = s->n;
    int used = snprintf(number, sizeof number, "%llu", (unsigned long long)body->total);
    size_t kept = put(s, number, used > 0 ? (size_t)used : 0);
    proto_buf(m, "filesize", s->p + from, kept);
}

void http_tx_send(struct http_flow *h, struct http_tx *t, uint8_t dir)
{
    static _Thread_local struct scratch s; /* one loop thread; too large for its stack */
    struct proto *m = h->m;
    const htp_tx_t *tx = t->htp;
    const struct http_text *body = &t->body[dir];
    bool is_request = dir == MMR_TO_SERVER;
    char code[16];
    s.n = 0;
    m->n_bufs = 0;
    if (is_request)
        decode_request(h, t);
    put_uri(&s, tx);
    size_t uri_len = s.n;
    if (is_request && !is_uri_seen(tx))
        return; /* libhtp made it up for a response without request */
    if (is_request) {
        proto_buf(m, "http.uri", s.p, uri_len);
        buf_bstr(m, "http.uri.raw", tx->request_uri);
        buf_bstr(m, "http.method", tx->request_method);
        buf_bstr(m, "http.request_line", tx->request_line);
        buf_bstr(m, "http.protocol", tx->request_protocol);
        put_host(&s, m, tx->request_hostname);
        named_headers(m, tx->request_headers, true);
        put_headers(&s, m, tx->request_headers, tx->request_line);
        proto_buf(m, "http.request_body", body->p, body->n);
        const bstr *type = header(tx->request_headers, "content-type");
        if (!type || !bstr_begins_with_c_nocase(type, "application/x-www-form-urlencoded")) {
            proto_buf(m, "file.data", body->p, body->n);
            put_file(&s, m, body, header(tx->request_headers, "content-disposition"), uri_len);
        }
    } else {
        (void)snprintf(code, sizeof code, "%d", tx->response_status_number);
        if (tx->response_status)
            buf_bstr(m, "http.stat_code", tx->response_status);
        buf_bstr(m, "http.stat_msg", tx->response_message);
        buf_bstr(m, "http.response_line", tx->response_line);
        buf_bstr(m, "http.protocol", tx->response_protocol);
        named_headers(m, tx->response_headers, false);
        put_headers(&s, m, tx->response_headers, tx->response_line);
        proto_buf(m, "http.response_body", body->p, body->n);
        proto_buf(m, "file.data", body->p, body->n);
        put_file(&s, m, body, header(tx->response_headers, "content-disposition"), uri_len);
    }
    proto_buf(m, "http.header.raw", t->head[dir].p, t->head[dir].n);
    each_header(&s, m, is_request ? tx->request_headers : tx->response_headers,
                is_request ? "http.request_header" : "http.response_header");
    h->pf->tx_id = t->id;
    proto_tx_send(m, h->pf, h->packet, dir, !is_request, "http", NULL);
    emit(h, t, dir, s.p, uri_len);
}
