/* http2_tx.c - sticky buffers and event of one HTTP/2 message, named as those of HTTP/1. */
#include "http2.h"

#include "http_body.h"

#include <stdlib.h>
#include <string.h>

enum { SCRATCH = 160 * 1024, URL_MAX = 4096, HEADER_BUFS = 32 };
struct scratch {
    uint8_t p[SCRATCH];
    size_t n;
};

static void put(struct scratch *s, const void *p, size_t n)
{
    if (n > SCRATCH - s->n)
        n = SCRATCH - s->n;
    if (n)
        memcpy(s->p + s->n, p, n);
    s->n += n;
}

static bool is_name(const struct h2_part *p, const struct h2_field *f, const char *name)
{
    return f->n_name == strlen(name) && memcmp(p->text + f->at, name, f->n_name) == 0;
}

const uint8_t *http2_find(const struct h2_part *p, const char *name, size_t *ret_n)
{
    for (size_t i = 0; i < p->n_fields; i++)
        if (is_name(p, &p->fields[i], name)) {
            *ret_n = p->fields[i].n_value;
            return p->text + p->fields[i].at + p->fields[i].n_name;
        }
    return NULL;
}

static void named(struct proto *m, const struct h2_part *p, bool is_request)
{
    static const struct {
        const char *name, *buffer;
        bool of_request, of_response;
    } rows[] = {
        {":path", "http.uri", true, false}, {":path", "http.uri.raw", true, false}, {":method", "http.method", true, false},
        {":status", "http.stat_code", false, true}, {"user-agent", "http.user_agent", true, false},
        {"referer", "http.referer", true, false}, {"cookie", "http.cookie", true, false},
        {"set-cookie", "http.cookie", false, true}, {"accept", "http.accept", true, false},
        {"accept-encoding", "http.accept_enc", true, false}, {"accept-language", "http.accept_lang", true, false},
        {"connection", "http.connection", true, true}, {"content-type", "http.content_type", true, true},
        {"content-length", "http.content_len", true, true}, {"server", "http.server", false, true},
        {"location", "http.location", false, true},
    };
    size_t n;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const uint8_t *v = (is_request ? rows[i].of_request : rows[i].of_response) ? http2_find(p, rows[i].name, &n) : NULL;
        if (v)
            proto_buf(m, rows[i].buffer, v, n);
    }
}

/* http.host: lower case, without user and port; http.host.raw as it came. */
static void put_host(struct scratch *s, struct proto *m, const struct h2_part *p)
{
    size_t n, from = s->n;
    const uint8_t *v = http2_find(p, ":authority", &n);
    if (!v && !(v = http2_find(p, "host", &n)))
        return;
    proto_buf(m, "http.host.raw", v, n);
    const uint8_t *at = memchr(v, '@', n);
    if (at) {
        n -= (size_t)(at + 1 - v);
        v = at + 1;
    }
    const uint8_t *colon = n && v[0] != '[' ? memchr(v, ':', n) : NULL;
    put(s, v, colon ? (size_t)(colon - v) : n);
    for (size_t i = from; i < s->n; i++)
        if (s->p[i] >= 'A' && s->p[i] <= 'Z')
            s->p[i] = (uint8_t)(s->p[i] | 32);
    proto_buf(m, "http.host", s->p + from, s->n - from);
}

static void put_headers(struct scratch *s, struct proto *m, const struct h2_part *p, bool is_request)
{
    size_t from = s->n, start[HEADER_BUFS + 1], count = 0;
    for (size_t i = 0; i < p->n_fields; i++) {
        const struct h2_field *f = &p->fields[i];
        if (is_name(p, f, "cookie") || is_name(p, f, "set-cookie"))
            continue;
        put(s, p->text + f->at, f->n_name);
        put(s, ": ", 2);
        put(s, p->text + f->at + f->n_name, f->n_value);
        put(s, "\r\n", 2);
    }
    proto_buf(m, "http.header", s->p + from, s->n - from);
    from = s->n;
    for (size_t i = 0; i < p->n_fields; i++) {
        const struct h2_field *f = &p->fields[i];
        if (count < HEADER_BUFS)
            start[count++] = s->n;
        put(s, p->text + f->at, f->n_name);
        put(s, ": ", 2);
        put(s, p->text + f->at + f->n_name, f->n_value);
        put(s, "\r\n", 2);
    }
    proto_buf(m, "http.header.raw", s->p + from, s->n - from);
    start[count] = s->n;
    for (size_t i = 0; i < count; i++) {
        size_t end = i + 1 < count ? start[i + 1] : start[count];
        if (i + 1 == count && count < p->n_fields)
            break; /* the last kept would run into those left out */
        if (end >= start[i] + 2)
            proto_buf(m, is_request ? "http.request_header" : "http.response_header", s->p + start[i], end - start[i] - 2);
    }
    from = s->n;
    put(s, "\r\n", 2);
    for (size_t i = 0; i < p->n_fields; i++) {
        put(s, p->text + p->fields[i].at, p->fields[i].n_name);
        put(s, "\r\n", 2);
    }
    put(s, "\r\n", 2);
    proto_buf(m, "http.header_names", s->p + from, s->n - from);
}

static void text_field(struct mmr_event *ev, const char *key, const struct h2_part *p, const char *name)
{
    char text[1024];
    size_t n;
    const uint8_t *v = http2_find(p, name, &n);
    if (!v || !n)
        return;
    proto_text(text, sizeof text, v, n);
    mmr_event_str(ev, key, text);
}

static void emit(struct h2_flow *h, const struct h2_stream *s, uint8_t dir)
{
    const struct h2_part *request = &s->part[MMR_TO_SERVER], *p = &s->part[dir];
    bool is_request = dir == MMR_TO_SERVER;
    struct mmr_event *ev = proto_event(h->m, h->pf->flow, h->packet, is_request ? "http.request" : "http.response",
                                       MMR_CLASS_HTTP, is_request ? 1 : 2);
    text_field(ev, "http_request.http_method", request, ":method");
    text_field(ev, "http_request.url.path", request, ":path");
    text_field(ev, "http_request.url.hostname", request, ":authority");
    text_field(ev, "http_request.user_agent", request, "user-agent");
    if (!is_request) {
        size_t n;
        const uint8_t *v = http2_find(p, ":status", &n);
        if (v && n == 3 && v[0] >= '1' && v[0] <= '9' && v[1] >= '0' && v[1] <= '9' && v[2] >= '0' && v[2] <= '9')
            mmr_event_int(ev, "http_response.code", (v[0] - '0') * 100 + (v[1] - '0') * 10 + (v[2] - '0'));
    }
    text_field(ev, is_request ? "unmapped.request_content_type" : "http_response.content_type", p, "content-type");
    mmr_event_int(ev, is_request ? "http_request.body_length" : "http_response.body_length", (int64_t)p->total);
    mmr_event_str(ev, "unmapped.file_type", proto_file_type(p->body, p->n_body));
    mmr_event_int(ev, "unmapped.transaction", (int64_t)s->tx_id);
    proto_event_send(h->m);
}

static bool is_dns_type(const struct h2_part *p, const char *name)
{
    size_t n;
    const uint8_t *v = http2_find(p, name, &n);
    return v && n == 23 && memcmp(v, "application/dns-message", 23) == 0;
}

static int digit(uint8_t c)
{
    return c >= 'A' && c <= 'Z' ? c - 'A' : c >= 'a' && c <= 'z' ? c - 'a' + 26 : c >= '0' && c <= '9' ? c - '0' + 52
           : c == '-' || c == '+' ? 62 : c == '_' || c == '/' ? 63 : -1;
}

/* "/dns-query?dns=<base64url>" */
static size_t dns_of_path(const struct h2_part *p, uint8_t out[URL_MAX])
{
    size_t n, done = 0;
    const uint8_t *v = http2_find(p, ":path", &n), *q = v ? memmem(v, n, "?dns=", 5) : NULL;
    uint32_t bits = 0;
    unsigned have = 0;
    if (!q && v)
        q = memmem(v, n, "&dns=", 5);
    if (!q)
        return 0;
    for (q += 5; q < v + n && done < URL_MAX; q++) {
        int d = digit(*q);
        if (d < 0)
            break;
        bits = bits << 6 | (uint32_t)d;
        have += 6;
        if (have >= 8) {
            have -= 8;
            out[done++] = (uint8_t)(bits >> have);
        }
    }
    return done;
}

void http2_send(struct h2_flow *h, struct h2_stream *s, uint8_t dir)
{
    static _Thread_local struct scratch scratch; /* one loop thread; too large for its stack */
    uint8_t query[URL_MAX];
    struct proto *m = h->m;
    struct h2_part *p = &s->part[dir];
    bool is_request = dir == MMR_TO_SERVER;
    const uint8_t *body = p->body, *coding;
    size_t n_body = p->n_body, n_dns = 0, n_coding;
    uint8_t *plain = NULL;
    p->is_sent = true;
    coding = http2_find(p, "content-encoding", &n_coding);
    if (coding && n_body && http_body_decode(coding, n_coding, body, n_body, (size_t)m->cfg->body_max, &plain, &n_body))
        body = plain;
    if (is_request) {
        n_dns = dns_of_path(p, query);
        s->is_dns = n_dns || is_dns_type(p, "content-type") || is_dns_type(p, "accept");
    }
    if (s->is_dns)
        h->pf->flow->app = "doh2"; /* from the first such request on: rules tell it apart */
    scratch.n = 0;
    m->n_bufs = 0;
    named(m, p, is_request);
    if (is_request)
        put_host(&scratch, m, p);
    proto_buf(m, "http.protocol", "HTTP/2", 6);
    if (n_body) {
        proto_buf(m, is_request ? "http.request_body" : "http.response_body", body, n_body);
        proto_buf(m, "file.data", body, n_body);
    }
    put_headers(&scratch, m, p, is_request);
    h->pf->tx_id = s->tx_id;
    proto_tx_send(m, h->pf, h->packet, dir, !is_request, s->is_dns ? "doh2" : "http2", NULL);
    emit(h, s, dir);
    if (n_dns)
        proto_dns_message(m, h->pf, h->packet, query, n_dns);
    else if (n_body && is_dns_type(p, "content-type"))
        proto_dns_message(m, h->pf, h->packet, body, n_body);
    free(plain);
}
