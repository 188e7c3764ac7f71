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
    expect(&w, "http 0 file.name=/up/x.php\n");
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

static void certificates_tell_their_dates_and_hellos_their_version(void **state)
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
    expect(&w, "tls 0 tls.version=TLS 1.2\n");
    expect(&w, "tls 0 tls.state=client_hello\n");
    chunk(&w, 1, server, sizeof server, 0);
    chunk(&w, 1, cert, certificate_record(cert), 0);
    expect(&w, "tls 1 tls.version=TLS 1.2\n");
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

static void mail_becomes_tls_when_the_server_agrees(void **state)
{
    uint8_t hello[5 + 4 + 38 + 3] = {22, 3, 1, 0, 45, 1, 0, 0, 41, 3, 3};
    struct world w;
    (void)state;
    hello[9 + 36] = 2; /* one cipher */
    hello[9 + 38] = 0x2f;
    hello[9 + 39] = 1; /* no compression */
    for (int round = 0; round < 3; round++) {
        begin(&w, IPPROTO_TCP, 25, NULL);
        w.flow.packets[1] = round == 2 ? 0 : 1; /* the third time only the client's side is seen */
        text(&w, 0, "EHLO a.test\r\nSTARTTLS\r\n");
        if (round < 2)
            text(&w, 1, round ? "220 2.0.0 Ready to start TLS\r\n" : "454 4.7.0 TLS not available\r\n");
        if (round)
            chunk(&w, 0, hello, sizeof hello, 0);
        else
            text(&w, 0, "MAIL FROM:<a@a.test>\r\nRCPT TO:<b@b.test>\r\nDATA\r\n\r\nx\r\n.\r\n");
        assert_string_equal(w.flow.app, round ? "tls" : "smtp");
        expect(&w, round ? "tls 0 tls.version=TLS 1.2\n" : "smtp 0 smtp.mail_from=a@a.test\n");
        end(&w);
    }
}

static void software_is_told_without_its_comment(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 22, NULL);
    text(&w, 1, "SSH-2.0-OpenSSH_9.2p1 Debian-2\r\n");
    expect(&w, "ssh 1 ssh.software=OpenSSH_9.2p1\n");
    end(&w);
}

static void the_first_line_and_all_headers_are_the_start(void **state)
{
    struct world w;
    (void)state;
    begin(&w, IPPROTO_TCP, 80, NULL);
    text(&w, 0, "GET /a HTTP/1.1\r\nHost:  h\r\nCookie: c=1\r\n\r\n");
    expect(&w, "http 0 http.start=GET /a HTTP/1.1\r\nHost: h\r\nCookie: c=1\r\n\r\n\n");
    text(&w, 1, "HTTP/1.1 204 Nothing\r\nServer: s\r\n\r\n");
    expect(&w, "http 1 http.start=HTTP/1.1 204 Nothing\r\nServer: s\r\n\r\n\n");
    end(&w);
}

static void a_tree_of_pipes_is_a_pipe_as_well(void **state)
{
    uint8_t ask[4 + 64 + 8 + 18] = {0, 0, 0, 0, 0xfe, 'S', 'M', 'B', 64}, answer[4 + 64 + 16] = {0, 0, 0, 0, 0xfe, 'S', 'M', 'B', 64};
    static const char path[] = "\\\\h\\IPC$";
    struct world w;
    (void)state;
    ask[3] = sizeof ask - 4;
    answer[3] = sizeof answer - 4;
    ask[4 + 12] = answer[4 + 12] = 3; /* tree connect */
    ask[4 + 24] = answer[4 + 24] = 5; /* message */
    answer[4 + 16] = 1;               /* a response */
    answer[4 + 36] = 1;               /* tree */
    ask[4 + 64] = 9;
    ask[4 + 64 + 4] = 64 + 8;
    ask[4 + 64 + 6] = 2 * (sizeof path - 1);
    for (size_t i = 0; i < sizeof path - 1; i++)
        ask[4 + 64 + 8 + 2 * i] = (uint8_t)path[i];
    answer[4 + 64] = 16;
    answer[4 + 64 + 2] = 2; /* pipes */
    begin(&w, IPPROTO_TCP, 445, NULL);
    chunk(&w, 0, ask, sizeof ask, 0);
    chunk(&w, 1, answer, sizeof answer, 0);
    expect(&w, "smb 0 smb.share=\\\\h\\IPC$\n");
    expect(&w, "smb 0 smb.named_pipe=\\\\h\\IPC$\n");
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

/* Another connection of the same two machines; addresses and ports as they stand in the test. */
static void other_flow(struct world *w, struct mmr_flow *control, const struct mmr_addr *client, const struct mmr_addr *server, uint16_t port)
{
    *control = w->flow;
    w->flow = (struct mmr_flow){.struct_size = sizeof w->flow, .ip_version = 4, .proto = IPPROTO_TCP, .id = 2, .tcp_state = MMR_TCP_ESTABLISHED,
                                .client = *client, .server = *server, .client_port = 50001, .server_port = port, .first_ns = MMR_TH_START_NS};
    w->offset[0] = w->offset[1] = 0;
}

static void files_of_ftp_are_read_where_they_were_announced(void **state)
{
    static const struct mmr_addr pc = {{[10] = 0xff, 0xff, 192, 0, 2, 7}}, srv = {{[10] = 0xff, 0xff, 192, 0, 2, 1}};
    static const struct {
        const char *why, *ask, *answer, *transfer;
        bool is_active; /* the server opens the connection */
        uint16_t port;
        uint8_t dir;
        const char *want; /* NULL: no file */
    } rows[] = {
        {"passive", "PASV\r\n", "227 Entering Passive Mode (192,0,2,1,200,10)\r\n", "RETR pub/a.txt\r\n", false, 51210, 1, "ftp-data 1 file.data=root:x\n"},
        {"its name", "PASV\r\n", "227 Entering Passive Mode (192,0,2,1,200,10)\r\n", "RETR pub/a.txt\r\n", false, 51210, 1, "ftp-data 1 file.name=a.txt\n"},
        {"its size", "PASV\r\n", "227 Entering Passive Mode (192,0,2,1,200,10)\r\n", "RETR pub/a.txt\r\n", false, 51210, 1, "ftp-data 1 filesize=6\n"},
        {"extended passive, up", "EPSV\r\n", "229 Entering Extended Passive Mode (|||51210|)\r\n", "STOR b.bin\r\n", false, 51210, 0, "ftp-data 0 ftpdata_command=STOR\n"},
        {"active", "PORT 192,0,2,7,200,10\r\n", "200 ok\r\n", "RETR a.txt\r\n", true, 51210, 0, "ftp-data 0 file.data=root:x\n"},
        {"a fetch is told to the client, whoever connects", "PORT 192,0,2,7,200,10\r\n", "200 ok\r\n", "RETR a.txt\r\n", true, 51210, 0, "ftp-data 1 ftpdata_command=RETR\n"},
        {"extended active", "EPRT |1|192.0.2.7|51210|\r\n", "200 ok\r\n", "RETR a.txt\r\n", true, 51210, 0, "ftp-data 0 file.data=root:x\n"},
        {"another port", "PASV\r\n", "227 Entering Passive Mode (192,0,2,1,200,11)\r\n", "RETR a.txt\r\n", false, 51210, 1, NULL},
        {"a list is no file", "PASV\r\n", "227 Entering Passive Mode (192,0,2,1,200,10)\r\n", "LIST\r\n", false, 51210, 1, NULL},
        {"another machine announces nothing", "PORT 192,0,2,9,200,10\r\n", "500 no\r\n", "RETR a.txt\r\n", true, 51210, 0, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        struct mmr_flow control;
        begin(&w, IPPROTO_TCP, 21, NULL);
        w.flow.client = pc;
        w.flow.server = srv;
        text(&w, 1, "220 FTP ready\r\n");
        text(&w, 0, rows[i].ask);
        text(&w, 1, rows[i].answer);
        text(&w, 0, rows[i].transfer);
        other_flow(&w, &control, rows[i].is_active ? &srv : &pc, rows[i].is_active ? &pc : &srv, rows[i].port);
        chunk(&w, rows[i].dir, "root", 4, MMR_CHUNK_START);
        chunk(&w, rows[i].dir, ":x", 2, 0);
        chunk(&w, rows[i].dir, NULL, 0, MMR_CHUNK_END);
        bool has = strstr(w.buffers, rows[i].want ? rows[i].want : "ftp-data") != NULL;
        if (has != (rows[i].want != NULL))
            fail_msg("%s: in\n%s", rows[i].why, w.buffers);
        mmr_testhost_feed(w.th, w.i, MMR_TOPIC_FLOW, &w.flow);
        w.flow = control;
        end(&w);
    }
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
        cmocka_unit_test(certificates_tell_their_dates_and_hellos_their_version),
        cmocka_unit_test(mail_headers_are_told_with_their_folded_lines),
        cmocka_unit_test(a_port_command_that_names_another_machine_is_told),
        cmocka_unit_test(mail_becomes_tls_when_the_server_agrees),
        cmocka_unit_test(software_is_told_without_its_comment),
        cmocka_unit_test(the_first_line_and_all_headers_are_the_start),
        cmocka_unit_test(a_tree_of_pipes_is_a_pipe_as_well),
        cmocka_unit_test(files_of_ftp_are_read_where_they_were_announced),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
