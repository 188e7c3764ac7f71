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

static void put_header(struct scratch *s, const htp_header_t *h, bool is_cookie_wanted)
{
    if (!h || (!is_cookie_wanted && is_cookie(h)))
        return;
    put_bstr(s, h->name);
    put_text(s, ": ");
    put_bstr(s, h->value);
    put_text(s, "\r\n");
}

/* http.header ("Name: value\r\n" without cookies), http.header_names ("\r\nName\r\n…\r\n") and http.start (the first line and every header). */
static void put_headers(struct scratch *s, struct proto *m, const htp_table_t *headers, const bstr *line)
{
    size_t n = headers ? htp_table_size(headers) : 0, from = s->n;
    for (size_t i = 0; i < n; i++)
        put_header(s, htp_table_get_index(headers, i, NULL), false);
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
    proto_buf(m, "http.header_names", s->p + from, s->n - from);
    from = s->n;
    put_bstr(s, line);
    put_text(s, "\r\n");
    for (size_t i = 0; i < n; i++)
        put_header(s, htp_table_get_index(headers, i, NULL), true);
    put_text(s, "\r\n");
    proto_buf(m, "http.start", s->p + from, s->n - from);
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

enum header_name { /* those looked for, in the order of their buffers */
    H_USER_AGENT, H_REFERER, H_COOKIE, H_SET_COOKIE, H_ACCEPT, H_ACCEPT_ENCODING, H_ACCEPT_LANGUAGE, H_CONNECTION, H_CONTENT_TYPE,
    H_CONTENT_LENGTH, H_HOST, H_SERVER, H_LOCATION, H_AUTHORIZATION, H_CONTENT_DISPOSITION, H_COUNT
};
static const struct {
    const char *header, *buffer; /* buffer NULL: it has none */
    uint8_t len;
    bool of_request, of_response;
} header_rows[H_COUNT] = {
    [H_USER_AGENT] = {"user-agent", "http.user_agent", 10, true, false},
    [H_REFERER] = {"referer", "http.referer", 7, true, false},
    [H_COOKIE] = {"cookie", "http.cookie", 6, true, false},
    [H_SET_COOKIE] = {"set-cookie", "http.cookie", 10, false, true},
    [H_ACCEPT] = {"accept", "http.accept", 6, true, false},
    [H_ACCEPT_ENCODING] = {"accept-encoding", "http.accept_enc", 15, true, false},
    [H_ACCEPT_LANGUAGE] = {"accept-language", "http.accept_lang", 15, true, false},
    [H_CONNECTION] = {"connection", "http.connection", 10, true, true},
    [H_CONTENT_TYPE] = {"content-type", "http.content_type", 12, true, true},
    [H_CONTENT_LENGTH] = {"content-length", "http.content_len", 14, true, true},
    [H_HOST] = {"host", "http.host.raw", 4, true, false},
    [H_SERVER] = {"server", "http.server", 6, false, true},
    [H_LOCATION] = {"location", "http.location", 8, false, true},
    [H_AUTHORIZATION] = {"authorization", NULL, 13, false, false},
    [H_CONTENT_DISPOSITION] = {"content-disposition", NULL, 19, false, false},
};
struct headers { /* the values, found in one pass; NULL: absent */
    const bstr *v[H_COUNT];
};

static void read_headers(const htp_table_t *table, struct headers *ret)
{
    size_t n = table ? htp_table_size(table) : 0;
    *ret = (struct headers){{NULL}};
    for (size_t i = 0; i < n; i++) {
        const htp_header_t *h = htp_table_get_index(table, i, NULL);
        size_t len = h && h->name ? bstr_len(h->name) : 0;
        if (!len)
            continue;
        const char *name = (const char *)bytes_of(h->name);
        bool has_zeros = memchr(name, 0, len) != NULL; /* the library takes a name with zeros in it for the name without */
        for (unsigned k = 0; k < H_COUNT; k++)
            if (!ret->v[k] && (has_zeros ? bstr_cmp_c_nocasenorzero(h->name, header_rows[k].header) == 0
                                         : header_rows[k].len == len && strncasecmp(name, header_rows[k].header, len) == 0))
                ret->v[k] = h->value;
    }
}

static void named_headers(struct proto *m, const struct headers *h, bool is_request)
{
    for (unsigned k = 0; k < H_COUNT; k++)
        if (header_rows[k].buffer && (is_request ? header_rows[k].of_request : header_rows[k].of_response))
            buf_bstr(m, header_rows[k].buffer, h->v[k]);
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

static void emit(struct http_flow *h, const struct http_tx *t, uint8_t dir, const struct headers *asked, const struct headers *own, const uint8_t *uri,
                 size_t uri_len)
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
        bstr_field(ev, "http_request.user_agent", asked->v[H_USER_AGENT]);
        if (is_request)
            bstr_field(ev, "http_request.referrer", asked->v[H_REFERER]);
        mmr_event_bool(ev, "unmapped.host_is_address", is_address(tx->request_hostname));
        mmr_event_bool(ev, "unmapped.has_cookie", asked->v[H_COOKIE] != NULL);
    }
    if (!is_request)
        mmr_event_int(ev, "http_response.code", tx->response_status_number);
    bstr_field(ev, is_request ? "unmapped.request_content_type" : "http_response.content_type",
               own->v[H_CONTENT_TYPE]);
    mmr_event_int(ev, is_request ? "http_request.body_length" : "http_response.body_length", (int64_t)body->total);
    const bstr *auth = asked->v[H_AUTHORIZATION];
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

/* filename="x" or filename=x of a Content-Disposition, else the path. */
static void put_file(struct scratch *s, struct proto *m, const struct http_text *body, const bstr *disposition,
                     size_t uri_len)
{
    size_t from = s->n;
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
        p = s->p;
        n = query ? (size_t)(query - s->p) : uri_len;
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
    struct headers asked, answered;
    s.n = 0;
    m->n_bufs = 0;
    if (is_request)
        decode_request(h, t);
    put_uri(&s, tx);
    size_t uri_len = s.n;
    if (is_request && !is_uri_seen(tx))
        return; /* libhtp made it up for a response without request */
    read_headers(tx->request_headers, &asked);
    if (!is_request)
        read_headers(tx->response_headers, &answered);
    if (is_request) {
        proto_buf(m, "http.uri", s.p, uri_len);
        buf_bstr(m, "http.uri.raw", tx->request_uri);
        buf_bstr(m, "http.method", tx->request_method);
        buf_bstr(m, "http.request_line", tx->request_line);
        buf_bstr(m, "http.protocol", tx->request_protocol);
        put_host(&s, m, tx->request_hostname);
        named_headers(m, &asked, true);
        put_headers(&s, m, tx->request_headers, tx->request_line);
        proto_buf(m, "http.request_body", body->p, body->n);
        const bstr *type = asked.v[H_CONTENT_TYPE];
        if (!type || !bstr_begins_with_c_nocase(type, "application/x-www-form-urlencoded")) {
            proto_buf(m, "file.data", body->p, body->n);
            put_file(&s, m, body, asked.v[H_CONTENT_DISPOSITION], uri_len);
        }
    } else {
        if (tx->response_status)
            buf_bstr(m, "http.stat_code", tx->response_status);
        buf_bstr(m, "http.stat_msg", tx->response_message);
        buf_bstr(m, "http.response_line", tx->response_line);
        buf_bstr(m, "http.protocol", tx->response_protocol);
        named_headers(m, &answered, false);
        put_headers(&s, m, tx->response_headers, tx->response_line);
        proto_buf(m, "http.response_body", body->p, body->n);
        proto_buf(m, "file.data", body->p, body->n);
        put_file(&s, m, body, answered.v[H_CONTENT_DISPOSITION], uri_len);
    }
    proto_buf(m, "http.header.raw", t->head[dir].p, t->head[dir].n);
    each_header(&s, m, is_request ? tx->request_headers : tx->response_headers,
                is_request ? "http.request_header" : "http.response_header");
    h->pf->tx_id = t->id;
    proto_tx_send(m, h->pf, h->packet, dir, !is_request, "http", NULL);
    emit(h, t, dir, &asked, is_request ? &asked : &answered, s.p, uri_len);
}
