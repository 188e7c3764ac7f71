/* test_protocols.c - messages in chunks go in; recognised protocol, buffers and events come out. */
#include "testconn.h"

#include <stdlib.h>
#include <zlib.h>

static void an_http_exchange_fills_the_buffers_of_rules(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 9999, NULL); /* no port of HTTP */
    text(&w, 0, "GET /a%2fb/../C?q=%41+1 HTTP/1.1\r\nHost: WWW.Example.ORG:9999\r\nUser-Agent: t/1\r\nCookie: k=v\r\n"
                "Referer: http://x/\r\n\r\n");
    text(&w, 1, "HTTP/1.1 200 OK\r\nContent-Type: text/plain\r\nTransfer-Encoding: chunked\r\nSet-Cookie: s=1\r\n\r\n"
                "3\r\nabc\r\n2\r\nde\r\n0\r\n\r\n");
    assert_string_equal(w.flow.app, "http");
    expect(&w, "http 0 http.method=GET\n");
    expect(&w, "http 0 http.uri=/a/C?q=A+1\n"); /* decoded and normalised, case kept */
    expect(&w, "http 0 http.uri.raw=/a%2fb/../C?q=%41+1\n");
    expect(&w, "http 0 http.host=www.example.org\n");
    expect(&w, "http 0 http.user_agent=t/1\n");
    expect(&w, "http 0 http.cookie=k=v\n");
    expect(&w, "http 0 http.header=Host: WWW.Example.ORG:9999\r\nUser-Agent: t/1\r\nReferer: http://x/\r\n");
    expect(&w, "http 0 http.header_names=\r\nHost\r\nUser-Agent\r\nCookie\r\nReferer\r\n\r\n");
    expect(&w, "http 0 http.request_line=GET /a%2fb/../C?q=%41+1 HTTP/1.1\n");
    expect(&w, "http 1 http.stat_code=200\n");
    expect(&w, "http 1 http.response_body=abcde\n");
    expect(&w, "http 1 file.data=abcde\n");
    expect(&w, "http 1 http.cookie=s=1\n");
    int e = mmr_testhost_find(w.th, "http.response", 0);
    assert_int_equal(mmr_testhost_int(w.th, e, "http_response.code", 0), 200);
    assert_int_equal(mmr_testhost_int(w.th, e, "http_response.body_length", 0), 5);
    assert_string_equal(mmr_testhost_text(w.th, e, "http_request.url.path"), "/a/C?q=A+1");
    end(&w);
}

static void http_is_recognised_one_byte_at_a_time(void **state)
{
    static const char req[] = "POST /x HTTP/1.1\r\nHost: h\r\nContent-Length: 3\r\n\r\nabc";
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 80, NULL);
    for (size_t i = 0; i < sizeof req - 1; i++)
        chunk(&w, 0, req + i, 1, 0);
    expect(&w, "http 0 http.request_body=abc\n");
    assert_int_equal(mmr_testhost_count(w.th, "http.request"), 1);
    end(&w);
}

static void http_is_picked_up_in_the_middle_and_after_a_hole(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 80, NULL);
    chunk(&w, 1, "rest of some body", 17, MMR_CHUNK_MIDSTREAM);
    chunk(&w, 0, "GET /one HTTP/1.1\r\nHost: h\r\n\r\n", 30, MMR_CHUNK_MIDSTREAM);
    chunk(&w, 1, "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n", 45, MMR_CHUNK_MIDSTREAM);
    chunk(&w, 0, "GET /two HTTP/1.1\r\nHost: h\r\n\r\n", 30, MMR_CHUNK_MIDSTREAM | MMR_CHUNK_GAP);
    expect(&w, "http 0 http.uri=/one\n");
    expect(&w, "http 1 http.stat_code=404\n");
    expect(&w, "http 0 http.uri=/two\n");
    end(&w);
}

static void a_long_and_an_inflating_body_are_bounded(void **state)
{
    static const char *const cfg[] = {"body_max", "4K", NULL};
    static uint8_t zeros[8 << 20], packed[64 << 10];
    z_stream z = {.next_in = zeros, .avail_in = sizeof zeros, .next_out = packed, .avail_out = sizeof packed};
    char block[4096], head[160];
    (void)state;
    memset(block, 'z', sizeof block);
    memset(zeros, 'z', sizeof zeros);
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t n = z.total_out;
    (void)deflateEnd(&z);
    for (int inflating = 0; inflating < 2; inflating++) {
        struct world w;
        begin(&w, IPPROTO_TCP, 80, cfg);
        text(&w, 0, "GET / HTTP/1.1\r\nHost: h\r\n\r\n");
        (void)snprintf(head, sizeof head, "HTTP/1.1 200 OK\r\nContent-Type: text/html\r\n%sContent-Length: %zu\r\n\r\n",
                       inflating ? "Content-Encoding: gzip\r\n" : "", inflating ? n : 200 * sizeof block);
        text(&w, 1, head);
        if (inflating)
            chunk(&w, 1, packed, n, 0);
        for (int i = 0; i < 200 && !inflating; i++)
            chunk(&w, 1, block, sizeof block, 0);
        const char *body = strstr(w.buffers, "http 1 http.response_body=");
        assert_non_null(body);
        assert_int_equal(strspn(body + strlen("http 1 http.response_body="), "z"), 4096);
        assert_int_equal(mmr_testhost_count(w.th, "http.response"), 1);
        end(&w);
    }
}

static void requests_without_answers_are_bounded(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 80, NULL);
    for (int i = 0; i < 2000; i++) {
        w.n = 0;
        text(&w, 0, "GET /flood HTTP/1.1\r\nHost: h\r\n\r\n");
    }
    assert_int_equal(mmr_testhost_count(w.th, "http.request"), 2000);
    end(&w);
}

static void dns_questions_and_answers_are_read(void **state)
{
    static const uint8_t query[] = {0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 3, 'w', 'w', 'w', 7, 'e', 'x', 'a', 'm', 'p',
                                    'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0, 1};
    static const uint8_t answer[] = {0x12, 0x34, 0x81, 0x80, 0, 1, 0, 2, 0, 0, 0, 0, 3, 'w', 'w', 'w', 7, 'e', 'x', 'a',
                                     'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0, 1, 0xc0, 12, 0, 5, 0, 1, 0, 0, 0,
                                     60, 0, 4, 1, 'a', 0xc0, 16, 0xc0, 45, 0, 1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 7};
    struct world w;
    (void)state;
    begin(&w, IPPROTO_UDP, 53, NULL);
    chunk(&w, 0, query, sizeof query, 0);
    chunk(&w, 1, answer, sizeof answer, 0);
    expect(&w, "dns 0 dns.query=www.example.org\n");
    int e = mmr_testhost_find(w.th, "dns.answer", 0);
    assert_string_equal(mmr_testhost_text(w.th, e, "query.hostname"), "www.example.org");
    assert_string_equal(mmr_testhost_text(w.th, e, "query.type"), "A");
    const struct mmr_value *v = mmr_event_get(mmr_testhost_view(w.th, e), "answers");
    struct mmr_array_it it = {0};
    const char *p;
    size_t n;
    assert_true(mmr_value_next(v, &it, &p, &n) && n == 13 && memcmp(p, "a.example.org", 13) == 0);
    assert_true(mmr_value_next(v, &it, &p, &n) && n == 9 && memcmp(p, "192.0.2.7", 9) == 0);
    assert_false(mmr_value_next(v, &it, &p, &n));
    end(&w);
}

static void hostile_dns_gives_no_name(void **state)
{
    static const struct {
        const char *why;
        uint8_t name[8];
        size_t n;
    } rows[] = {
        {"a pointer to itself", {0xc0, 12, 0, 1, 0, 1}, 6},
        {"a pointer forward", {0xc0, 40, 0, 1, 0, 1}, 6},
        {"a pointer into the header", {0xc0, 2, 0, 1, 0, 1}, 6},
        {"a label that runs off the end", {60, 'a', 'b'}, 3},
        {"a label length nobody defined", {0x80, 'a', 0, 0, 1, 0, 1}, 7},
        {"a name without its end", {1, 'a'}, 2},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        uint8_t msg[20] = {0, 1, 1, 0, 0, 1};
        struct world w;
        begin(&w, IPPROTO_UDP, 53, NULL);
        memcpy(msg + 12, rows[i].name, rows[i].n);
        chunk(&w, 0, msg, 12 + rows[i].n, 0);
        if (mmr_testhost_count(w.th, NULL) != 0)
            fail_msg("%s: %d events", rows[i].why, mmr_testhost_count(w.th, NULL));
        end(&w);
    }
}

/* Client hello with SNI example.org, made of RFC 8446's fields. */
static size_t client_hello(uint8_t *b)
{
    static const uint8_t hello[] = {
        0x16, 3, 1, 0, 97, 1, 0, 0, 93, 3, 3,
        0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, /* random */
        0,                                             /* session id */
        0, 6, 0x0a, 0x0a, 0x13, 0x01, 0xc0, 0x2b,      /* ciphers: GREASE, 4865, 49195 */
        1, 0,                                          /* compression */
        0, 46,                                         /* extensions */
        0, 0, 0, 16, 0, 14, 0, 0, 11, 'e', 'x', 'a', 'm', 'p', 'l', 'e', '.', 'o', 'r', 'g',
        0, 10, 0, 4, 0, 2, 0, 29,                      /* groups: x25519 */
        0, 11, 0, 2, 1, 0,                             /* point formats: uncompressed */
        0, 43, 0, 3, 2, 3, 4,                          /* versions: 1.3 */
        0x1a, 0x1a, 0, 1, 0,                           /* GREASE */
    };
    memcpy(b, hello, sizeof hello);
    return sizeof hello;
}

static void a_client_hello_gives_name_and_fingerprints(void **state)
{
    uint8_t b[256];
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 8443, NULL);
    size_t n = client_hello(b);
    assert_int_equal(n, 5 + 97);
    chunk(&w, 0, b, 40, 0);
    chunk(&w, 0, b + 40, n - 40, 0);
    expect(&w, "tls 0 tls.sni=example.org\n");
    expect(&w, "tls 0 tls.version=TLS 1.3\n");
    expect(&w, "tls 0 ja3.string=771,4865-49195,0-10-11-43,29,0\n");
    /* md5 of that string, and sha256 of "1301,c02b" and "000a,000b,002b" cut to 12 (md5sum, sha256sum) */
    expect(&w, "tls 0 ja3.hash=67a7422173ae2e72ac0e18c2de57d8f0\n");
    expect(&w, "tls 0 ja4.hash=t13d020400_777cda164f4b_675b29d69375\n");
    end(&w);
}

static size_t rpc_request(uint8_t *b, uint16_t opnum, const uint8_t *stub, size_t n)
{
    const uint8_t head[24] = {5, 0, 0, 3, 0x10, 0, 0, 0, (uint8_t)(24 + n), 0, 0, 0, 2, 0, 0, 0, (uint8_t)n, 0, 0, 0, 0, 0,
                              (uint8_t)opnum, 0};
    memcpy(b, head, 24);
    memcpy(b + 24, stub, n);
    return 24 + n;
}

static void a_bind_names_the_calls_that_follow(void **state)
{
    static const uint8_t bind[72] = {5, 0, 11, 3, 0x10, 0, 0, 0, 72, 0, 0, 0, 1, 0, 0, 0, 0xb8, 0x10, 0xb8, 0x10, 0, 0, 0, 0,
                                     1, 0, 0, 0, 0, 0, 1, 0,
                                     /* svcctl 367abb81-9844-35f1-ad32-98f038001003 version 2.0 */
                                     0x81, 0xbb, 0x7a, 0x36, 0x44, 0x98, 0xf1, 0x35, 0xad, 0x32, 0x98, 0xf0, 0x38, 0, 0x10, 3,
                                     2, 0, 0, 0};
    /* NDR: context handle, then the strings "ab" and "c" */
    static const uint8_t stub[20 + 20 + 16] = {[20] = 3, [28] = 3, [32] = 'a', [34] = 'b', [40] = 2, [48] = 2, [52] = 'c'};
    uint8_t b[128];
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 49155, NULL);
    chunk(&w, 0, bind, sizeof bind, 0);
    size_t n = rpc_request(b, 12, stub, sizeof stub);
    chunk(&w, 0, b, 10, 0);
    chunk(&w, 0, b + 10, n - 10, 0);
    int e = mmr_testhost_find(w.th, "dcerpc.call", 0);
    assert_string_equal(mmr_testhost_text(w.th, e, "unmapped.interface"), "svcctl");
    assert_string_equal(mmr_testhost_text(w.th, e, "unmapped.operation"), "CreateServiceW");
    assert_string_equal(mmr_testhost_text(w.th, e, "unmapped.interface_uuid"), "367abb81-9844-35f1-ad32-98f038001003");
    const struct mmr_value *v = mmr_event_get(mmr_testhost_view(w.th, e), "unmapped.args");
    struct mmr_array_it it = {0};
    const char *p;
    size_t len;
    assert_true(mmr_value_next(v, &it, &p, &len) && len == 2 && memcmp(p, "ab", 2) == 0);
    assert_int_equal(w.n_calls, 1);
    assert_int_equal(w.call.opnum, 12);
    assert_int_equal(w.call.iface_major, 2);
    assert_int_equal(w.call.stub_len, sizeof stub);
    end(&w);
}

static void rc4_only_ticket_requests_show_their_types(void **state)
{
    /* AS-REQ { pvno 5, type 10, body { options, cname "u", realm "R", etype (23) } }, RFC 4120 section 5.4.1 */
    static const uint8_t req[] = {
        0x6a, 58, 0x30, 56, 0xa1, 3, 2, 1, 5, 0xa2, 3, 2, 1, 10, 0xa4, 44, 0x30, 42,
        0xa0, 7, 3, 5, 0, 0, 0, 0, 0,
        0xa1, 14, 0x30, 12, 0xa0, 3, 2, 1, 1, 0xa1, 5, 0x30, 3, 0x1b, 1, 'u',
        0xa2, 3, 0x1b, 1, 'R',
        0xa8, 10, 0x30, 8, 2, 1, 23, 2, 1, 24, 2, 0,
    };
    struct world w;
    (void)state;
    assert_int_equal(sizeof req, 60);
    begin(&w, IPPROTO_UDP, 88, NULL);
    chunk(&w, 0, req, sizeof req, 0);
    int e = mmr_testhost_find(w.th, "krb.request", 0);
    assert_string_equal(mmr_testhost_text(w.th, e, "unmapped.message"), "AS-REQ");
    assert_string_equal(mmr_testhost_text(w.th, e, "user.name"), "u");
    assert_string_equal(mmr_testhost_text(w.th, e, "user.domain"), "R");
    assert_string_equal(mmr_testhost_text(w.th, e, "unmapped.etypes"), "23,24,0");
    end(&w);
}

static void passwords_never_leave(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 21, NULL);
    text(&w, 1, "220 FTP ready\r\n");
    text(&w, 0, "USER anna\r\nPASS geheim1\r\n");
    text(&w, 1, "530 Login incorrect.\r\n");
    int e = mmr_testhost_find(w.th, "ftp.reply", 1);
    assert_int_equal(mmr_testhost_int(w.th, e, "unmapped.code", 0), 530);
    assert_string_equal(mmr_testhost_text(w.th, e, "user.name"), "anna");
    for (int i = 0; i < (int)mmr_testhost_events(w.th); i++) {
        size_t n;
        const void *bytes = mmr_testhost_bytes(w.th, i, &n);
        assert_null(memmem(bytes, n, "geheim1", 7));
    }
    end(&w);

    begin(&w, IPPROTO_TCP, 80, NULL);
    text(&w, 0, "GET / HTTP/1.1\r\nHost: h\r\nAuthorization: Basic Z2VoZWltMQ==\r\n\r\n");
    e = mmr_testhost_find(w.th, "http.request", 0);
    assert_string_equal(mmr_testhost_text(w.th, e, "unmapped.authorization_type"), "Basic");
    size_t n;
    const void *bytes = mmr_testhost_bytes(w.th, e, &n);
    assert_null(memmem(bytes, n, "Z2VoZWltMQ", 10));
    end(&w);
}

static void mail_gives_envelope_and_attachments(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 25, NULL);
    text(&w, 1, "220 mx ESMTP\r\n");
    text(&w, 0, "EHLO pc\r\nMAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.com>\r\nDATA\r\n");
    text(&w, 0, "Subject: Bill\r\nContent-Type: multipart/mixed; boundary=\"q\"\r\n\r\n--q\r\nContent-Type: text/plain\r\n\r\nhello\r\n"
                "--q\r\nContent-Type: application/octet-stream;\r\n name=\"bill.class\"\r\nContent-Transfer-Encoding: base64\r\n\r\n"
                "yv66vgAAADQ=\r\n--q--\r\n.\r\n");
    int e = mmr_testhost_find(w.th, "smtp.file", 0);
    assert_string_equal(mmr_testhost_text(w.th, e, "file.name"), "bill.class");
    assert_string_equal(mmr_testhost_text(w.th, e, "unmapped.file_type"), "java-class");
    e = mmr_testhost_find(w.th, "smtp.mail", 0);
    assert_string_equal(mmr_testhost_text(w.th, e, "email.from"), "a@example.org");
    assert_string_equal(mmr_testhost_text(w.th, e, "email.subject"), "Bill");
    assert_int_equal(mmr_testhost_int(w.th, e, "unmapped.attachments", 0), 1);
    end(&w);
}

/* Without TLS after all, and with the mail in numbered pieces: what is in it is seen all the same. */
static void a_mail_in_pieces_after_a_refused_starttls_is_read(void **state)
{
    static const char *const pieces[] = {
        "From: a@example.org\r\nSubject: Bill\r\nContent-Type: multipart/mixed; boundary=x\r\n\r\n--x\r\nContent-Type: application/octet-stream; na",
        "me=\"bill.exe\"\r\nContent-Transfer-Encoding: base64\r\n\r\nyv66vg", "AAADQ=\r\n--x--"};
    struct world w;
    char command[64];
    (void)state;
    begin(&w, IPPROTO_TCP, 25, NULL);
    w.flow.packets[MMR_TO_CLIENT] = 1; /* the server is seen */
    text(&w, 1, "220 mail ESMTP\r\n");
    text(&w, 0, "EHLO a\r\n");
    text(&w, 1, "250 CHUNKING\r\n");
    text(&w, 0, "STARTTLS\r\n");
    text(&w, 1, "502 5.5.1 not here\r\n");
    text(&w, 0, "MAIL FROM:<a@example.org>\r\nRCPT TO:<b@example.org>\r\n");
    for (size_t i = 0; i < 3; i++) {
        (void)snprintf(command, sizeof command, "BDAT %zu%s\r\n", strlen(pieces[i]), i == 2 ? " LAST" : "");
        text(&w, 0, command);
        text(&w, 0, pieces[i]);
    }
    text(&w, 0, "QUIT\r\n");
    int e = mmr_testhost_find(w.th, "smtp.file", 0);
    assert_true(e >= 0);
    assert_string_equal(mmr_testhost_text(w.th, e, "file.name"), "bill.exe");
    assert_string_equal(mmr_testhost_text(w.th, e, "unmapped.file_type"), "java-class");
    e = mmr_testhost_find(w.th, "smtp.mail", 0);
    assert_true(e >= 0);
    assert_string_equal(mmr_testhost_text(w.th, e, "email.from"), "a@example.org");
    assert_string_equal(mmr_testhost_text(w.th, e, "email.subject"), "Bill");
    end(&w);
}

static void noise_is_given_up_quietly(void **state)
{
    struct world w;
    uint8_t b[1000];
    (void)state;
    begin(&w, IPPROTO_TCP, 4444, NULL);
    srand(1);
    for (int i = 0; i < 200; i++) {
        for (size_t k = 0; k < sizeof b; k++)
            b[k] = (uint8_t)(0x80 | rand());
        chunk(&w, (uint8_t)(i & 1), b, sizeof b, 0);
    }
    assert_null(w.flow.app);
    assert_int_equal(w.n_tx, 0);
    assert_int_equal(mmr_testhost_count(w.th, NULL), 0);
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(an_http_exchange_fills_the_buffers_of_rules),
        cmocka_unit_test(http_is_recognised_one_byte_at_a_time),
        cmocka_unit_test(http_is_picked_up_in_the_middle_and_after_a_hole),
        cmocka_unit_test(a_long_and_an_inflating_body_are_bounded),
        cmocka_unit_test(requests_without_answers_are_bounded),
        cmocka_unit_test(dns_questions_and_answers_are_read),
        cmocka_unit_test(hostile_dns_gives_no_name),
        cmocka_unit_test(a_client_hello_gives_name_and_fingerprints),
        cmocka_unit_test(a_bind_names_the_calls_that_follow),
        cmocka_unit_test(rc4_only_ticket_requests_show_their_types),
        cmocka_unit_test(passwords_never_leave),
        cmocka_unit_test(mail_gives_envelope_and_attachments),
        cmocka_unit_test(a_mail_in_pieces_after_a_refused_starttls_is_read),
        cmocka_unit_test(noise_is_given_up_quietly),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
