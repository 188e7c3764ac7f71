/* test_rulebuffers.c - what rules look at beyond the first buffers of each protocol. */
#include "testconn.h"

static void a_body_that_is_not_what_it_declares_stays_as_it_is(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 80, NULL);
    text(&w, 0, "POST /up/x.php?a=1 HTTP/1.1\r\nHost: h\r\nUser-Agent:\r\nContent-Encoding: gzip\r\nContent-Length: 8\r\n\r\n{\"a\":12}");
    expect(&w, "http 0 http.request_body={\"a\":12}\n");
    expect(&w, "http 0 http.user_agent=\n"); /* there, and empty */
    expect(&w, "http 0 http.request_header=Content-Encoding: gzip\n");
    expect(&w, "http 0 file.name=x.php\n");
    expect(&w, "http 0 filesize=8\n");
    text(&w, 1, "HTTP/1.1 200 OK\r\nContent-Disposition: attachment; filename=\"a b.exe\"; x=1\r\nContent-Length: 2\r\n\r\nok");
    expect(&w, "http 1 file.name=a b.exe\n");
    end(&w);
}

static void dns_codes_and_the_names_of_every_section_are_told(void **state)
{
    static const uint8_t answer[] = {
        0, 1, 0x85, 0x83, 0, 1, 0, 1, 0, 1, 0, 0, 1, 'q', 4, 't', 'e', 's', 't', 0, 0, 5, 0, 1,
        0xc0, 12, 0, 5, 0, 1, 0, 0, 0, 1, 0, 4, 1, 'c', 0xc0, 14, /* q.test CNAME c.test */
        0xc0, 14, 0, 2, 0, 1, 0, 0, 0, 1, 0, 4, 1, 'n', 0xc0, 14, /* test NS n.test */
    };
    struct world w;
    (void)state;
    begin(&w, IPPROTO_UDP, 53, NULL);
    chunk(&w, 1, answer, sizeof answer, 0);
    expect(&w, "dns 1 dns.rcode=3\n");
    expect(&w, "dns 1 dns.opcode=0\n");
    expect(&w, "dns 1 dns.rrtype=5\n");
    expect(&w, "dns 1 dns.queries.rrname=q.test\n");
    expect(&w, "dns 1 dns.answers.rrname=q.test\n");
    expect(&w, "dns 1 dns.authorities.rrname=test\n");
    expect(&w, "dns 1 dns.response.rrname=c.test\n");
    end(&w);
}

static void an_ssl2_framed_hello_leads_to_the_server_s_records(void **state)
{
    static const uint8_t hello[] = {0x80, 9 + 3 + 16, 1, 3, 1, 0, 3, 0, 0, 0, 16, 0, 0, 0x39,
                                    1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16};
    uint8_t server[5 + 4 + 38] = {22, 3, 1, 0, 42, 2, 0, 0, 38, 3, 1, 0xaa};
    static const uint8_t ccs[] = {20, 3, 1, 0, 1, 1};
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 443, NULL);
    for (size_t i = 0; i < sizeof hello; i++)
        chunk(&w, 0, hello + i, 1, 0);
    assert_string_equal(w.flow.app, "tls");
    server[9 + 34] = 0; /* no session */
    server[9 + 36] = 0x39;
    chunk(&w, 1, server, sizeof server, 0);
    chunk(&w, 1, ccs, sizeof ccs, 0);
    expect(&w, "tls 1 tls.version=TLSv1\n");
    end(&w);
}

static void key_exchange_offers_give_hassh(void **state)
{
    static const char *const lists[10] = {"kex-a,kex-b", "host-a", "enc-c", "enc-s", "mac-c", "mac-s", "none", "zlib", "", ""};
    struct world w;
    uint8_t b[512] = {0, 0, 0, 0, 4, 20};
    size_t n = 6 + 16;
    (void)state;
    for (unsigned i = 0; i < 10; i++) {
        size_t len = strlen(lists[i]);
        b[n + 3] = (uint8_t)len;
        memcpy(b + n + 4, lists[i], len);
        n += 4 + len;
    }
    n += 5 + 4; /* follows, reserved; padding */
    b[3] = (uint8_t)(n - 4);
    begin(&w, IPPROTO_TCP, 22, NULL);
    text(&w, 0, "SSH-2.0-client_1\r\n");
    for (size_t i = 0; i < n; i++) /* cut anywhere */
        chunk(&w, 0, b + i, 1, 0);
    expect(&w, "ssh 0 ssh.hassh.string=kex-a,kex-b;enc-c;mac-c;none\n");
    expect(&w, "ssh 0 ssh.hassh=");
    text(&w, 1, "SSH-2.0-server_1\r\n");
    chunk(&w, 1, b, n, 0);
    expect(&w, "ssh 1 ssh.hassh.server.string=kex-a,kex-b;enc-s;mac-s;zlib\n");
    end(&w);
}

static void lying_key_exchanges_are_left_alone(void **state)
{
    static const uint8_t bad[][10] = {{0xff, 0xff, 0xff, 0xff, 4, 20}, {0, 0, 0, 6, 200, 20}, {0, 0, 0, 6, 0, 21}, {0, 0, 0, 6, 4, 20}};
    (void)state;
    for (size_t i = 0; i < sizeof bad / sizeof bad[0]; i++) {
        struct world w;
        begin(&w, IPPROTO_TCP, 22, NULL);
        text(&w, 0, "SSH-2.0-x\r\n");
        chunk(&w, 0, bad[i], sizeof bad[i], 0);
        assert_int_equal(w.n_tx, 1); /* the banner's */
        end(&w);
    }
}

/* A lock request with a write behind it: the chain of SMB 1 commands in one message. */
static void commands_behind_a_command_are_followed(void **state)
{
    uint8_t b[4 + 32 + 1 + 16 + 2 + 1 + 28 + 2 + 4] = {0, 0, 0, 0, 0xff, 'S', 'M', 'B', 0x24};
    uint8_t *lock = b + 4 + 32, *write = lock + 1 + 16 + 2;
    struct world w;
    (void)state;
    b[3] = (uint8_t)(sizeof b - 4);
    lock[0] = 8;
    lock[1] = 0x2f;
    lock[3] = (uint8_t)(write - (b + 4));
    write[0] = 14;
    write[1] = 0xff;
    write[5] = 7; /* file */
    write[1 + 20] = 4;
    write[1 + 22] = (uint8_t)(sizeof b - 4 - 4);
    memcpy(b + sizeof b - 4, "DATA", 4);
    begin(&w, IPPROTO_TCP, 445, NULL);
    chunk(&w, 0, b, sizeof b, 0);
    expect(&w, "smb 0 file.data=DATA\n");
    lock[3] = 32; /* points at itself: no loop */
    chunk(&w, 0, b, sizeof b, 0);
    end(&w);
}

static void what_a_bind_is_called_reaches_the_call(void **state)
{
    uint8_t bind[] = {5, 0, 11, 0, 0x10, 0, 0, 0, 48, 0, 0, 0, 1, 0, 0, 0, 0, 16, 0, 16, 0, 0, 0, 0, 1, 0, 0, 0,
                      0, 0, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 13, 14, 15, 16, 1, 0, 0, 0};
    static const uint8_t call[] = {5, 0, 0, 3, 0x10, 0, 0, 0, 24, 0, 0, 0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 42, 0};
    (void)state;
    bind[8] = sizeof bind;
    for (uint8_t flags = 0; flags <= 3; flags += 3) {
        struct world w;
        bind[3] = flags;
        begin(&w, IPPROTO_TCP, 135, NULL);
        chunk(&w, 0, bind, sizeof bind, 0);
        chunk(&w, 0, call, sizeof call, 0);
        assert_int_equal(w.n_calls, 1);
        assert_int_equal(w.call.opnum, 42);
        assert_int_equal(w.call.first_frag, flags & 1);
        end(&w);
    }
}

static void snmp_tells_version_community_and_kind(void **state)
{
    static const uint8_t get[] = {0x30, 0x1b, 2, 1, 1, 4, 6, 'p', 'u', 'b', 'l', 'i', 'c', 0xa0, 0x0e, 2, 1, 1, 2, 1, 0,
                                  2, 1, 0, 0x30, 3, 0x30, 1, 5};
    struct world w;
    (void)state;
    begin(&w, IPPROTO_UDP, 161, NULL);
    chunk(&w, 0, get, sizeof get, 0);
    assert_string_equal(w.flow.app, "snmp");
    expect(&w, "snmp 0 snmp.version=2\n");
    expect(&w, "snmp 0 snmp.community=public\n");
    expect(&w, "snmp 0 snmp.pdu_type=0\n");
    chunk(&w, 0, get, 12, 0); /* cut off: nothing is told */
    assert_int_equal(w.n_tx, 1);
    end(&w);
}

static void put24(uint8_t *p, size_t v)
{
    p[0] = 0;
    p[1] = (uint8_t)(v >> 8);
    p[2] = (uint8_t)v;
}

/* A certificate of CN=a, good from 2015-01-01 to 2030-12-31, in a handshake message with a chain of one. */
static size_t certificate_record(uint8_t *out)
{
    static const uint8_t der[] = {
        0x30, 0x46, 0x30, 0x44, 0x02, 0x01, 0x05, 0x30, 0x03, 0x06, 0x01, 0x2a, /* serial 5, some algorithm */
        0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'i',
        0x30, 0x1e, 0x17, 0x0d, '1', '5', '0', '1', '0', '1', '0', '0', '0', '0', '0', '0', 'Z',
        0x17, 0x0d, '3', '0', '1', '2', '3', '1', '2', '3', '5', '9', '5', '9', 'Z',
        0x30, 0x0c, 0x31, 0x0a, 0x30, 0x08, 0x06, 0x03, 0x55, 0x04, 0x03, 0x0c, 0x01, 'a'};
    size_t n = 5 + 4 + 6 + sizeof der;
    memset(out, 0, n);
    out[0] = 22;
    out[1] = out[2] = 3;
    out[4] = (uint8_t)(n - 5);
    out[5] = 11;
    put24(out + 6, n - 9);
    put24(out + 9, n - 12);
    put24(out + 12, n - 15);
    memcpy(out + 15, der, sizeof der);
    return n;
}

static void certificates_tell_their_dates_and_hellos_their_record(void **state)
{
    uint8_t client[5 + 4 + 38 + 3] = {22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3}, server[5 + 4 + 38] = {22, 3, 2, 0, 42, 2, 0, 0, 38, 3, 3};
    uint8_t cert[256];
    struct world w;
    (void)state;
    client[9 + 36] = 2; /* one cipher */
    client[9 + 38] = 0x2f;
    client[9 + 39] = 1; /* no compression */
    server[9 + 36] = 0x2f;
    begin(&w, IPPROTO_TCP, 443, NULL);
    chunk(&w, 0, client, sizeof client, 0);
    expect(&w, "tls 0 tls.record_version=TLSv1\n");
    expect(&w, "tls 0 tls.version=TLS 1.2\n");
    expect(&w, "tls 0 tls.state=client_hello\n");
    chunk(&w, 1, server, sizeof server, 0);
    chunk(&w, 1, cert, certificate_record(cert), 0);
    expect(&w, "tls 1 tls.record_version=TLS 1.1\n");
    expect(&w, "tls 1 tls.state=server_hello\n");
    expect(&w, "tls 1 tls.cert_subject=CN=a\n");
    expect(&w, "tls 1 tls.cert_not_before=1420070400\n");
    expect(&w, "tls 1 tls.cert_not_after=1924991999\n");
    expect(&w, "tls 1 tls.cert_time=valid\n");
    chunk(&w, 0, cert, certificate_record(cert), 0); /* the client's own */
    expect(&w, "tls 0 tls.cert_issuer=CN=i\n");
    end(&w);
}

static void mail_headers_are_told_with_their_folded_lines(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 25, NULL);
    text(&w, 0, "EHLO a\r\nMAIL FROM:<env@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\nReceived: from x\r\nReceived: from y\r\n"
                "From: Ann <ann@a.test>\r\nTo: b@b.test,\r\n c@b.test\r\nCC: d@b.test\r\nDate: Fri, 21 Apr 2023\r\n"
                "Message-Id: <1@a.test>\r\nX-Mailer: mail 1\r\nSubject: hi\r\n\r\nbody\r\n.\r\n");
    expect(&w, "smtp 0 smtp.mail_from=env@a.test\n");
    expect(&w, "smtp 0 email.from=Ann <ann@a.test>\n");
    expect(&w, "smtp 0 email.to=b@b.test, c@b.test\n");
    expect(&w, "smtp 0 email.cc=d@b.test\n");
    expect(&w, "smtp 0 email.date=Fri, 21 Apr 2023\n");
    expect(&w, "smtp 0 email.message_id=<1@a.test>\n");
    expect(&w, "smtp 0 email.x_mailer=mail 1\n");
    expect(&w, "smtp 0 email.subject=hi\n");
    expect(&w, "smtp 0 email.received=from x\n");
    expect(&w, "smtp 0 email.received=from y\n");
    end(&w);
}

static void a_port_command_that_names_another_machine_is_told(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 21, NULL);
    w.flow.client = (struct mmr_addr){{[10] = 0xff, 0xff, 192, 0, 2, 7}};
    text(&w, 0, "USER a\r\nPORT 192,0,2,7,4,1\r\n");
    assert_null(strstr(w.buffers, "ftp.bounce"));
    text(&w, 0, "PORT 192,0,2,8,4,1\r\n");
    expect(&w, "ftp 0 ftp.bounce=yes\n");
    end(&w);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_body_that_is_not_what_it_declares_stays_as_it_is),
        cmocka_unit_test(dns_codes_and_the_names_of_every_section_are_told),
        cmocka_unit_test(an_ssl2_framed_hello_leads_to_the_server_s_records),
        cmocka_unit_test(key_exchange_offers_give_hassh),
        cmocka_unit_test(lying_key_exchanges_are_left_alone),
        cmocka_unit_test(commands_behind_a_command_are_followed),
        cmocka_unit_test(snmp_tells_version_community_and_kind),
        cmocka_unit_test(what_a_bind_is_called_reaches_the_call),
        cmocka_unit_test(certificates_tell_their_dates_and_hellos_their_record),
        cmocka_unit_test(mail_headers_are_told_with_their_folded_lines),
        cmocka_unit_test(a_port_command_that_names_another_machine_is_told),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
