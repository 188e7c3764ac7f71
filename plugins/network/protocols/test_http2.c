/* test_http2.c - HTTP/2 connections in chunks go in; the same buffers as of HTTP/1 come out. */
#include "testconn.h"

static size_t h2(uint8_t *out, uint8_t type, uint8_t flags, uint32_t id, const void *p, size_t n)
{
    const uint8_t head[9] = {(uint8_t)(n >> 16), (uint8_t)(n >> 8), (uint8_t)n, type, flags, 0, 0, 0, (uint8_t)id};
    memcpy(out, head, sizeof head);
    if (n)
        memcpy(out + 9, p, n);
    return n + 9;
}

/* The header block of RFC 7541 C.4.1, and the one of C.4.3 after it that uses the table. */
static const uint8_t first[] = {0x82, 0x86, 0x84, 0x41, 0x8c, 0xf1, 0xe3, 0xc2, 0xe5, 0xf2, 0x3a, 0x6b, 0xa0, 0xab, 0x90, 0xf4, 0xff};
static const uint8_t second[] = {0x82, 0x86, 0x84, 0xbe, 0x58, 0x86, 0xa8, 0xeb, 0x10, 0x64, 0x9c, 0xbf};

static size_t preface(uint8_t *out)
{
    memcpy(out, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n", 24);
    return 24 + h2(out + 24, 4, 0, 0, NULL, 0);
}

static void requests_and_responses_fill_the_buffers(void **state)
{
    struct world w;
    uint8_t b[512];
    size_t n;
    (void)state;
    begin(&w, IPPROTO_TCP, 80, NULL);
    n = preface(b);
    n += h2(b + n, 1, 5, 1, first, sizeof first);
    n += h2(b + n, 1, 5, 3, second, sizeof second);
    for (size_t i = 0; i < n; i++) /* cut anywhere */
        chunk(&w, 0, b + i, 1, 0);
    assert_string_equal(w.flow.app, "http2");
    expect(&w, "http2 0 http.host=www.example.com\n");
    expect(&w, "http2 0 http.method=GET\n");
    expect(&w, "http2 0 http.uri=/\n");
    expect(&w, "http2 0 http.request_header=cache-control: no-cache\n");
    assert_int_equal(w.n_tx, 2);
    n = h2(b, 4, 0, 0, NULL, 0);
    n += h2(b + n, 1, 4, 1, "\x88\x76\x01x", 4); /* :status 200, server x */
    n += h2(b + n, 0, 8, 1, "\x02" "hel\0\0", 6);
    n += h2(b + n, 0, 1, 1, "lo", 2);
    chunk(&w, 1, b, n, 0);
    expect(&w, "http2 1 http.stat_code=200\n");
    expect(&w, "http2 1 http.server=x\n");
    expect(&w, "http2 1 file.data=hello\n");
    end(&w);
}

static void a_dns_message_inside_is_a_dns_message(void **state)
{
    static const uint8_t dns[] = {0, 0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 4, 'h', 'o', 's', 't', 7, 'e', 'x', 'a',
                                  'm', 'p', 'l', 'e', 0, 0, 1, 0, 1};
    struct world w;
    uint8_t b[512], head[128] = {0x83, 0x84, 0x87, 0x0f, 0x10, 23}; /* POST; content-type by its index 31 */
    size_t n;
    (void)state;
    begin(&w, IPPROTO_TCP, 80, NULL);
    memcpy(head + 6, "application/dns-message", 23);
    n = preface(b);
    n += h2(b + n, 1, 0, 1, head, 10);
    n += h2(b + n, 9, 4, 1, head + 10, 19);
    n += h2(b + n, 0, 1, 1, dns, sizeof dns);
    chunk(&w, 0, b, n, 0);
    assert_string_equal(w.flow.app, "doh2");
    expect(&w, "doh2 0 dns.query=host.example\n");
    end(&w);
}

static void hostile_blocks_end_the_reading(void **state)
{
    static const struct {
        uint8_t n, p[8];
    } bad[] = {{1, {0x80}}, {1, {0xff}}, {2, {0xbf, 0}}, {3, {0x40, 0x7f, 'a'}}, {6, {0xff, 0xff, 0xff, 0xff, 0xff, 0x0f}},
               {4, {0x40, 0x81, 0xff, 0}}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct world w;
        uint8_t b[256];
        begin(&w, IPPROTO_TCP, 80, NULL);
        size_t n = preface(b);
        n += h2(b + n, 1, 5, 1, bad[i].p, bad[i].n);
        n += h2(b + n, 1, 5, 3, first, sizeof first); /* nothing can be trusted after it */
        chunk(&w, 0, b, n, 0);
        assert_int_equal(w.n_tx, 0);
        end(&w);
    }
}

static void open_streams_and_tables_are_bounded(void **state)
{
    struct world w;
    uint8_t b[512], head[64] = {0x82, 0x84, 0x87};
    (void)state;
    begin(&w, IPPROTO_TCP, 80, NULL);
    chunk(&w, 0, b, preface(b), 0);
    for (unsigned i = 0; i < 200; i++) { /* each adds an entry to the table, none ends */
        memcpy(head + 3, "\x40\x02xy\x10", 5);
        memset(head + 8, 'a' + (int)(i % 26), 16);
        w.n = 0;
        chunk(&w, 0, b, h2(b, 1, 4, i + 1, head, 24), 0);
    }
    assert_in_range(w.n_tx, 100, 199); /* the oldest were told to make room */
    w.n = 0;
    assert_int_equal(mmr_testhost_feed(w.th, w.i, MMR_TOPIC_FLOW, &w.flow), 1);
    mmr_testhost_free(w.th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(requests_and_responses_fill_the_buffers),
        cmocka_unit_test(a_dns_message_inside_is_a_dns_message),
        cmocka_unit_test(hostile_blocks_end_the_reading),
        cmocka_unit_test(open_streams_and_tables_are_bounded),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
