/* test_rules_words.c - keywords that name a value in words, numbers among several values, transforms, frames. */
#include <rules/rules.h>

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    unsigned hits, bad;
    char why[256], unsupported[64];
};

static void on_diag(void *ctx, const struct mmr_rule_diag *d)
{
    struct seen *s = ctx;
    s->bad += !d->is_ok;
    (void)snprintf(s->why, sizeof s->why, "%s", d->reason);
    (void)snprintf(s->unsupported, sizeof s->unsupported, "%s", d->n_unsupported ? d->unsupported[0] : "");
}

static void on_hit(void *ctx, const struct mmr_rule_hit *hit)
{
    (void)hit;
    ((struct seen *)ctx)->hits++;
}

struct one { /* a rule set made ready for one object */
    struct mmr_rules *set;
    struct mmr_rules_engine *e;
    struct seen seen;
};

static void ready(struct one *o, const char *rule)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules_options opt = {.hit = on_hit, .ctx = &o->seen};
    memset(o, 0, sizeof *o);
    assert_int_equal(mmr_rules_new(NULL, &o->set, &err), 0);
    assert_int_equal(mmr_rules_add_text(o->set, "t", rule, strlen(rule), on_diag, &o->seen, &err), 0);
    if (o->seen.bad)
        fail_msg("%s: %s", rule, o->seen.why);
    assert_int_equal(mmr_rules_compile(o->set, &err), 0);
    assert_int_equal(mmr_rules_engine_new(o->set, &opt, &o->e, &err), 0);
}

static unsigned done(struct one *o, struct mmr_flow *f)
{
    if (f)
        mmr_rules_flow_end(o->e, f);
    mmr_rules_engine_free(o->e);
    mmr_rules_free(o->set);
    return o->seen.hits;
}

/* Alerts of a rule on one message; buffers as "name=value" behind one another, "" ends. */
static unsigned on_message(const char *rule, const char *app, uint8_t dir, const char *const *bufs)
{
    struct one o;
    struct mmr_buffer b[8];
    size_t n = 0;
    char names[8][32];
    ready(&o, rule);
    for (; *bufs && n < 8; bufs++, n++) {
        const char *eq = strchr(*bufs, '=');
        assert_non_null(eq);
        (void)snprintf(names[n], sizeof names[n], "%.*s", (int)(eq - *bufs), *bufs);
        b[n] = (struct mmr_buffer){.name = names[n], .data = (const uint8_t *)eq + 1, .len = strlen(eq + 1)};
    }
    struct mmr_flow flow = {.struct_size = sizeof flow, .ip_version = 4, .proto = IPPROTO_TCP, .id = 1, .app = app,
                            .tcp_state = MMR_TCP_ESTABLISHED, .client_port = 1000, .server_port = 443};
    struct mmr_tx tx = {.struct_size = sizeof tx, .dir = dir, .final = 1, .flow = &flow, .app = app, .buffers = b, .n = n};
    mmr_rules_tx(o.e, &tx);
    return done(&o, &flow);
}

#define TLS(options) "alert tls any any -> any any (" options " sid:1;)"
#define HTTP(options) "alert http any any -> any any (" options " sid:1;)"
static void words_and_numbers_mean_what_the_language_says(void **state)
{
    (void)state;
    static const char *const cert[] = {"tls.cert_subject=C=JP, CN=a.test", "tls.cert_issuer=CN=ca", "tls.cert_fingerprint=aa:bb",
                                       "tls.cert_not_before=1445852105", "tls.cert_not_after=1767225599", "tls.cert_time=expired", NULL};
    static const char *const hello[] = {"tls.version=TLS 1.2", "tls.state=client_hello", NULL};
    static const char *const types[] = {"dns.rrtype=1", "dns.rrtype=28", "dns.rrtype=1", NULL};
    static const char *const all_a[] = {"dns.rrtype=1", "dns.rrtype=1", NULL};
    static const char *const none[] = {"dns.opcode=0", NULL};
    static const char *const ticket[] = {"krb5.ticket_etype=23", NULL}, *const strong[] = {"krb5.ticket_etype=18", NULL},
                      *const odd[] = {"krb5.ticket_etype=-133", NULL};
    static const char *const old_ssh[] = {"ssh.proto=1.99", "ssh.software=OpenSSH_3", NULL};
    static const char *const ssh[] = {"ssh.proto=2.0", "ssh.software=OpenSSH_9", NULL};
    static const char *const retr[] = {"ftpdata_command=RETR", NULL};
    static const char *const uri[] = {"http.uri=/get?q=aGVsbG8&x", NULL};
    static const char *const file[] = {"file.data=x", "http.uri=/", NULL}, *const bare[] = {"http.uri=/", NULL};
    static const char *const bounce[] = {"ftp.command=PORT", "ftp.bounce=yes", NULL}, *const port[] = {"ftp.command=PORT", NULL};
    static const char *const serial[] = {"tls.cert_serial=0A:FE", NULL}, *const length[] = {"http.content_len=1456", NULL};
    static const char *const abc[] = {"http.host=abc", NULL};
    static const char *const abd[] = {"http.host=abd", NULL};
    static const char *const abcd[] = {"http.host=abcd", NULL};
    static const char *const xxab[] = {"http.host=xxab", NULL};
    static const char *const aaaa[] = {"http.host=aaaa", NULL};
    static const char *const a[] = {"http.host=a", NULL};
    static const char *const cc[] = {"email.cc=d@b.test", NULL};
    static const char *const received[] = {"email.received=x", "email.received=y", NULL};
    static const struct {
        const char *rule, *app;
        uint8_t dir;
        const char *const *bufs;
        unsigned want;
    } rows[] = {
        {TLS("tls.subject:\"CN=a.test\";"), "tls", 1, cert, 1},
        {TLS("tls.subject:\"CN=A.test\";"), "tls", 1, cert, 0},
        {TLS("tls.subject:!\"CN=b\";"), "tls", 1, cert, 1},
        {TLS("tls.issuerdn:\"CN=ca\";"), "tls", 1, cert, 1},
        {TLS("tls.issuerdn:!\"CN=ca\";"), "tls", 1, cert, 0},
        {TLS("tls.fingerprint:\"AA:BB\";"), "tls", 1, cert, 1},
        {TLS("tls.fingerprint:\"aa:bc\";"), "tls", 1, cert, 0},
        {TLS("tls_cert_notbefore:<2016;"), "tls", 1, cert, 1},
        {TLS("tls_cert_notbefore:>2015-10-26 10;"), "tls", 1, cert, 0}, /* 2015-10-26 09:35:05 */
        {TLS("tls_cert_notbefore:2015-10-26T09:35:05;"), "tls", 1, cert, 1},
        {TLS("tls_cert_notbefore:1445852105<>1445852105;"), "tls", 1, cert, 1}, /* the ends are in */
        {TLS("tls_cert_notbefore:1445852106<>1445852107;"), "tls", 1, cert, 0},
        {TLS("tls_cert_notafter:>2025;"), "tls", 1, cert, 1},
        {TLS("tls_cert_notafter:>2026;"), "tls", 1, cert, 0},
        {TLS("tls_cert_expired;"), "tls", 1, cert, 1},
        {TLS("tls_cert_valid;"), "tls", 1, cert, 0},
        {TLS("tls.version:1.2;"), "tls", 0, hello, 1},
        {TLS("tls.version:!1.2;"), "tls", 0, hello, 0},
        {TLS("ssl_version:tls1.0,tls1.1;"), "tls", 0, hello, 0},
        {TLS("ssl_version:tls1.0,tls1.2;"), "tls", 0, hello, 1},
        {TLS("ssl_version:!sslv3;"), "tls", 0, hello, 1},
        {TLS("ssl_state:client_hello;"), "tls", 0, hello, 1},
        {TLS("ssl_state:server_hello|client_hello;"), "tls", 0, hello, 1},
        {TLS("ssl_state:server_hello;"), "tls", 0, hello, 0},
        {"alert dns any any -> any any (dns.rrtype:28; sid:1;)", "dns", 0, types, 1},
        {"alert dns any any -> any any (dns.rrtype:28,any; sid:1;)", "dns", 0, types, 1},
        {"alert dns any any -> any any (dns.rrtype:28,1; sid:1;)", "dns", 0, types, 1},
        {"alert dns any any -> any any (dns.rrtype:28,0; sid:1;)", "dns", 0, types, 0},
        {"alert dns any any -> any any (dns.rrtype:28,-2; sid:1;)", "dns", 0, types, 1},
        {"alert dns any any -> any any (dns.rrtype:28,-4; sid:1;)", "dns", 0, types, 0},
        {"alert dns any any -> any any (dns.rrtype:1,all; sid:1;)", "dns", 0, types, 0},
        {"alert dns any any -> any any (dns.rrtype:A,all; sid:1;)", "dns", 0, all_a, 1},
        {"alert dns any any -> any any (dns.rrtype:1,all; sid:1;)", "dns", 0, none, 0},
        {"alert krb5 any any -> any any (krb5.ticket_encryption:weak; sid:1;)", "krb5", 1, ticket, 1},
        {"alert krb5 any any -> any any (krb5.ticket_encryption:weak; sid:1;)", "krb5", 1, strong, 0},
        {"alert krb5 any any -> any any (krb5.ticket_encryption:!weak; sid:1;)", "krb5", 1, strong, 1},
        {"alert krb5 any any -> any any (krb5.ticket_encryption:17,23; sid:1;)", "krb5", 1, ticket, 1},
        {"alert krb5 any any -> any any (krb5.ticket_encryption:17,2; sid:1;)", "krb5", 1, ticket, 0},
        {"alert krb5 any any -> any any (krb5.ticket_encryption:1,-133; sid:1;)", "krb5", 1, odd, 1},
        {"alert ssh any any -> any any (ssh.protoversion:2_compat; sid:1;)", "ssh", 0, old_ssh, 1},
        {"alert ssh any any -> any any (ssh.protoversion:2; sid:1;)", "ssh", 0, old_ssh, 0},
        {"alert ssh any any -> any any (ssh.protoversion:\"2.0\"; sid:1;)", "ssh", 0, ssh, 1},
        {"alert ssh any any -> any any (ssh.softwareversion:\"OpenSSH\"; sid:1;)", "ssh", 0, ssh, 1},
        {"alert ssh any any -> any any (ssh.softwareversion:\"openssh\"; sid:1;)", "ssh", 0, ssh, 0},
        {HTTP("filestore;"), "http", 1, file, 1},
        {HTTP("filestore;"), "http", 1, bare, 0},
        {"alert ftp any any -> any any (ftpbounce; sid:1;)", "ftp", 0, bounce, 1},
        {"alert ftp any any -> any any (ftpbounce; sid:1;)", "ftp", 0, port, 0},
        {"alert ftp-data any any -> any any (ftpdata_command:retr; sid:1;)", "ftp-data", 1, retr, 1},
        {"alert ftp-data any any -> any any (ftpdata_command:stor; sid:1;)", "ftp-data", 1, retr, 0},
        {"alert tcp any any -> any any (app-layer-protocol:tls|dns; tls.version:1.2; sid:1;)", "tls", 0, hello, 1},
        {"alert tcp any any -> any any (app-layer-protocol:http|dns; tls.version:1.2; sid:1;)", "tls", 0, hello, 0},
        {"alert tcp any any -> any any (app-layer-protocol:!http|dns; tls.version:1.2; sid:1;)", "tls", 0, hello, 1},
        {"alert tcp any any -> any any (app-layer-protocol:unknown|tls,either; tls.version:1.2; sid:1;)", "tls", 0, hello, 1},
        {"alert tcp any any -> any any (app-layer-protocol:!unknown|tls; tls.version:1.2; sid:1;)", "tls", 0, hello, 0},
        /* digests of "abc": RFC 1321 A.5, FIPS 180-4 examples */
        {HTTP("http.host; to_md5; content:\"|90 01 50 98 3c d2 4f b0 d6 96 3f 7d 28 e1 7f 72|\"; bsize:16;"), "http", 0,
         abc, 1},
        {HTTP("http.host; to_sha1; content:\"|a9 99 3e 36|\"; startswith; bsize:20;"), "http", 0, abc, 1},
        {HTTP("http.host; to_sha256; content:\"|ba 78 16 bf|\"; startswith; bsize:32;"), "http", 0,
         abc, 1},
        {HTTP("http.host; to_sha256; content:\"|ba 78 16 bf|\";"), "http", 0, abd, 0},
        {HTTP("http.uri; from_base64: offset 7, bytes 7; content:\"hello\"; bsize:5;"), "http", 0, uri, 1},
        {HTTP("http.uri; from_base64: offset 7, mode strict; content:\"hello\";"), "http", 0, uri, 0}, /* "&" is none of it */
        {HTTP("http.uri; from_base64: offset 7, mode rfc2045; content:\"hello\"; startswith;"), "http", 0, uri, 1},
        {HTTP("http.uri; pcrexform:\"q=([^&]+)\"; content:\"aGVsbG8\"; bsize:7;"), "http", 0, uri, 1},
        {HTTP("http.uri; pcrexform:\"nothing=([^&]+)\"; bsize:16;"), "http", 0, uri, 1}, /* no match: as it was */
        {HTTP("http.uri; pcre:\"/q=(\\w+)/, flow:name\";"), "http", 0, uri, 1},
        {HTTP("http.uri; pcre:\"/z=(\\w+)/, flow:name\";"), "http", 0, uri, 0},
        {HTTP("http.host; entropy: value >= 2, bytes 4;"), "http", 0, abcd, 1},
        {HTTP("http.host; entropy: value > 2;"), "http", 0, abcd, 0},
        {HTTP("http.host; entropy: value 0.5<>1.5, offset 2;"), "http", 0, xxab, 1},
        {HTTP("http.host; entropy: value = 0;"), "http", 0, aaaa, 1},
        {HTTP("http.host; entropy: value < 9, bytes 5;"), "http", 0, abcd, 0}, /* too short */
        {HTTP("http.host; content:\"a\"; prefilter; bypass;"), "http", 0, a, 1},
        {HTTP("http.host; content:\"A\";"), "http", 0, a, 1}, /* names of hosts and hex digits: in any case */
        {TLS("tls.cert_serial; content:\"0a:fe\";"), "tls", 1, serial, 1},
        {TLS("tls.cert_serial; content:!\"a\"; bsize:5;"), "tls", 1, serial, 0},
        {TLS("tls.cert_fingerprint; content:\"AA:BB\"; startswith;"), "tls", 1, cert, 1},
        {HTTP("http.content_len; byte_test:0,>,1000,0,string,dec;"), "http", 0, length, 1}, /* 0: as many digits as there are */
        {HTTP("http.content_len; byte_test:0,>,1456,0,string,dec;"), "http", 0, length, 0},
        {"alert smtp any any -> any any (email.cc; content:\"d@\"; sid:1;)", "smtp", 0, cc, 1},
        {"alert smtp any any -> any any (email.received; content:\"y\"; sid:1;)", "smtp", 0,
         received, 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned got = on_message(rows[i].rule, rows[i].app, rows[i].dir, rows[i].bufs);
        if (got != rows[i].want)
            fail_msg("%s: %u alerts, want %u", rows[i].rule, got, rows[i].want);
    }
}

/* Alerts of a rule on one Ethernet frame; l3_off 0: neither IP nor ARP. */
static unsigned on_frame(const char *rule, const uint8_t *data, uint32_t len, uint32_t l3_off, uint16_t ethertype)
{
    struct one o;
    ready(&o, rule);
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = 1, .index = 1, .linktype = 1, .data = data, .cap_len = len};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .ethertype = ethertype};
    if (l3_off) {
        p.l3 = data + l3_off;
        p.l3_len = len - l3_off;
        if (ethertype == 0x0800) {
            p.ip_version = 4;
            p.proto = p.l3[9];
            p.l4_off = 20;
            p.payload = p.l3 + 28;
            p.payload_len = p.l3_len - 28;
        }
    }
    mmr_rules_packet(o.e, &p);
    return done(&o, NULL);
}

static void frames_are_seen_with_their_headers_and_tags(void **state)
{
    (void)state;
    static const uint8_t arp[14 + 28] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12, 0x08, 0x06}, other[60] = {[12] = 0x88, 0xcc};
    static const uint8_t tagged[14 + 8 + 20 + 8 + 24] = {
        [12] = 0x81, 0, 0, 100, 0x81, 0, 0, 200, 8, 0, /* two tags */
        [22] = 0x45, 8, 0, 52, [31] = 17,              /* tos 8, UDP */
        [22 + 28 + 11] = 2, [22 + 28 + 13] = 1, 0x86, 0xa0, [22 + 28 + 19] = 2, [22 + 28 + 23] = 3, /* call 100000, version 2, procedure 3 */
    };
    static const uint8_t query[14 + 24 + 8] = {[12] = 8, 0, 0x46, [17] = 32, [22] = 1, 2, [14 + 20] = 0x94, 4, [14 + 24] = 0x11};
#define UDP(options) "alert udp any any -> any any (" options " sid:1;)"
    static const struct {
        const char *rule;
        const uint8_t *data;
        uint32_t len, l3_off;
        uint16_t ethertype;
        unsigned want;
    } rows[] = {
        {"alert ether any any -> any any (eth.hdr; content:\"|08 06|\"; offset:12; depth:2; sid:1;)", arp, sizeof arp, 14, 0x0806, 1},
        {"alert arp any any -> any any (eth.hdr; content:\"|08 06|\"; offset:12; depth:2; sid:1;)", arp, sizeof arp, 14, 0x0806, 1},
        {"alert ether any any -> any any (eth.hdr; content:\"|08 00|\"; offset:12; depth:2; sid:1;)", arp, sizeof arp, 14, 0x0806, 0},
        {"alert ether any any -> any any (eth.hdr; content:\"|88 cc|\"; offset:12; sid:1;)", other, sizeof other, 0, 0x88cc, 1},
        {"alert arp any any -> any any (eth.hdr; content:\"|88 cc|\"; offset:12; sid:1;)", other, sizeof other, 0, 0x88cc, 0},
        {"alert ip any any -> any any (eth.hdr; content:\"|81 00|\"; offset:12; sid:1;)", tagged, sizeof tagged, 22, 0x0800, 1},
        {"alert igmp any any -> any any (sid:1;)", query, sizeof query, 14, 0x0800, 1},
        {"alert igmp any any -> any any (sid:1;)", tagged, sizeof tagged, 22, 0x0800, 0},
        {UDP("vlan.id:200;"), tagged, sizeof tagged, 22, 0x0800, 1},
        {UDP("vlan.id:200,0;"), tagged, sizeof tagged, 22, 0x0800, 0},
        {UDP("vlan.id:200,1;"), tagged, sizeof tagged, 22, 0x0800, 1},
        {UDP("vlan.id:100,-2;"), tagged, sizeof tagged, 22, 0x0800, 1},
        {UDP("vlan.id:>99,all;"), tagged, sizeof tagged, 22, 0x0800, 1},
        {UDP("vlan.id:>100,all;"), tagged, sizeof tagged, 22, 0x0800, 0},
        {UDP("vlan.id:300,any;"), tagged, sizeof tagged, 22, 0x0800, 0},
        {UDP("tos:x08;"), tagged, sizeof tagged, 22, 0x0800, 1},
        {UDP("tos:!x08;"), tagged, sizeof tagged, 22, 0x0800, 0},
        {UDP("rpc:100000,2,3;"), tagged, sizeof tagged, 22, 0x0800, 1},
        {UDP("rpc:100000,*,3;"), tagged, sizeof tagged, 22, 0x0800, 1},
        {UDP("rpc:100000,2,4;"), tagged, sizeof tagged, 22, 0x0800, 0},
        {UDP("rpc:100003,*,*;"), tagged, sizeof tagged, 22, 0x0800, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned got = on_frame(rows[i].rule, rows[i].data, rows[i].len, rows[i].l3_off, rows[i].ethertype);
        if (got != rows[i].want)
            fail_msg("%s: %u alerts, want %u", rows[i].rule, got, rows[i].want);
    }
}

static void what_cannot_be_kept_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *unsupported, *why;
    } rows[] = {
        {TLS("ssl_state:client_keyx;"), "ssl_state", "ssl_state"},
        {TLS("ssl_state:!client_hello;"), "ssl_state", "ssl_state"},
        {TLS("ssl_state:tired;"), "", "ssl_state"},
        {TLS("tls_cert_notbefore:tomorrow;"), "", "date"},
        {"alert tcp any any -> any any (app-layer-protocol:tls|nonsense; sid:1;)", "", "protocol"},
        {"alert ftp-data any any -> any any (ftpdata_command:list; sid:1;)", "", "retr"},
        {TLS("tls_cert_notafter:2015-13-01;"), "", "date"},
        {TLS("tls.subject:\"\";"), "", "text"},
        {TLS("tls_cert_expired:yes;"), "", "no value"},
        {TLS("ssl_version:tls9;"), "", "tls1.3"},
        {"alert dns any any -> any any (dns.rrtype:1,first; sid:1;)", "", "place"},
        {"alert krb5 any any -> any any (krb5.ticket_encryption:strong; sid:1;)", "", "weak"},
        {"alert ssh any any -> any any (ssh.protoversion:two; sid:1;)", "", "version"},
        {HTTP("http.uri; from_base64: mode odd; content:\"a\";"), "", "mode"},
        {HTTP("http.uri; pcrexform:\"(\"; content:\"a\";"), "", "pcre"},
        {HTTP("http.uri; entropy: bytes 4;"), "", "value"},
        {HTTP("http.uri; entropy: value much;"), "", "value"},
        {"alert udp any any -> any any (rpc:nfs; sid:1;)", "", "program"},
        {"alert udp any any -> any any (tos:xfff; sid:1;)", "", "tos"},
        {"alert udp any any -> any any (vlan.id:100,inner; sid:1;)", "", "place"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_rules *set = NULL;
        struct seen s = {0};
        assert_int_equal(mmr_rules_new(NULL, &set, &err), 0);
        assert_int_equal(mmr_rules_add_text(set, "t", rows[i].rule, strlen(rows[i].rule), on_diag, &s, &err), 0);
        if (s.bad != 1 || strcmp(s.unsupported, rows[i].unsupported) != 0 || !strstr(s.why, rows[i].why))
            fail_msg("%s: bad %u, unsupported '%s', reason '%s'", rows[i].rule, s.bad, s.unsupported, s.why);
        mmr_rules_free(set);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(words_and_numbers_mean_what_the_language_says),
        cmocka_unit_test(frames_are_seen_with_their_headers_and_tags),
        cmocka_unit_test(what_cannot_be_kept_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
