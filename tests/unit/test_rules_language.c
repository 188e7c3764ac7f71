/* test_rules_language.c - the rule language: what is read, what is refused by name, and what a chain means. */
#include <rules/rules.h>

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <cmocka.h>

struct seen {
    unsigned ok, bad;
    char unsupported[128], reason[256];
};

static void on_diag(void *ctx, const struct mmr_rule_diag *d)
{
    struct seen *s = ctx;
    s->ok += d->is_ok;
    s->bad += !d->is_ok;
    (void)snprintf(s->reason, sizeof s->reason, "%s", d->reason);
    for (size_t i = 0; i < d->n_unsupported; i++)
        (void)snprintf(s->unsupported + strlen(s->unsupported), sizeof s->unsupported - strlen(s->unsupported), "%s ",
                       d->unsupported[i]);
}

static struct mmr_rules *read_rules(const char *text, struct seen *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules *set = NULL;
    *s = (struct seen){0};
    assert_int_equal(mmr_rules_new(NULL, &set, &err), 0);
    assert_int_equal(mmr_rules_add_text(set, "t", text, strlen(text), on_diag, s, &err), 0);
    return set;
}

static void bad_rules_are_refused_with_the_reason(void **state)
{
    (void)state;
    static const struct {
        const char *why, *rule, *want;
    } rows[] = {
        {"no sid", "alert tcp any any -> any any (content:\"a\";)", "sid"},
        {"no port", "alert tcp any any -> any (content:\"a\"; sid:1;)", "header"},
        {"unknown action", "shout tcp any any -> any any (sid:1;)", "action"},
        {"unknown protocol", "alert xyz any any -> any any (sid:1;)", "protocol"},
        {"unknown variable", "alert tcp $NOWHERE any -> any any (sid:1;)", "NOWHERE"},
        {"nothing left of a list", "alert tcp !any any -> any any (sid:1;)", "leaves no"},
        {"prefix too long", "alert tcp 192.0.2.0/33 any -> any any (sid:1;)", "prefix"},
        {"port too high", "alert tcp any 65536 -> any any (sid:1;)", "65536"},
        {"odd hex", "alert tcp any any -> any any (content:\"|4|\"; sid:1;)", "hex"},
        {"empty content", "alert tcp any any -> any any (content:\"\"; sid:1;)", "empty"},
        {"depth below length", "alert tcp any any -> any any (content:\"abc\"; depth:2; sid:1;)", "depth"},
        {"modifier without content", "alert tcp any any -> any any (nocase; sid:1;)", "no content"},
        {"regex does not compile", "alert tcp any any -> any any (pcre:\"/(/\"; sid:1;)", "pcre"},
        {"option not closed", "alert tcp any any -> any any (sid:1; content:\"a\")", "';'"},
        {"directions mixed", "alert http any any -> any any (http.uri; content:\"a\"; http.stat_code; content:\"2\"; sid:1;)", "mixed"},
        {"flow against the buffer", "alert http any any -> any any (flow:to_client; http.uri; content:\"a\"; sid:1;)", "direction"},
        {"variable not set before", "alert tcp any any -> any any (content:\"a\"; byte_test:1,>,v,0; sid:1;)", "variable"},
        {"base64_data alone", "alert tcp any any -> any any (base64_data; content:\"a\"; sid:1;)", "base64_decode"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        struct mmr_rules *set = read_rules(rows[i].rule, &s);
        if (s.bad != 1 || mmr_rules_count(set) != 0 || !strstr(s.reason, rows[i].want))
            fail_msg("%s: bad %u, reason '%s', expected '%s' in it", rows[i].why, s.bad, s.reason, rows[i].want);
        mmr_rules_free(set);
    }
}

static void unknown_keywords_are_all_named_and_others_go_on(void **state)
{
    (void)state;
    struct seen s;
    struct mmr_rules *set = read_rules("alert tcp any any -> any any (flux.capacitor:1; content:\"a\"; warp; flux.capacitor:2; sid:7;)\n"
                                       "# a comment\n\nalert tcp any any -> any any (content:\"a\"; sid:8;)\n", &s);
    assert_int_equal(s.bad, 1);
    assert_int_equal(s.ok, 1);
    assert_string_equal(s.unsupported, "flux.capacitor warp ");
    assert_int_equal(mmr_rules_count(set), 1);
    assert_int_equal(mmr_rules_info(set, 0)->sid, 8);
    mmr_rules_free(set);
}

static void the_rarer_keywords_load(void **state)
{
    static const char *const options[] = {
        "vlan.layers:2;", "icmpv6.mtu:<1280;", "igmp.type:0x11;", "ipv4-csum:invalid;", "udpv6-csum:\"valid\";",
        "flow.pkts:toserver,>3;", "flow.bytes:either,>100;", "filesize:>10; file.name; content:\"x\";",
        "dns.answers.rrname; content:\"x\";", "dns.query.name; content:\"x\";", "dns.rcode:3;", "dns.rrtype:!A;", "dns.opcode:4;",
        "tls.alpn; content:\"h2\";", "tls.cert_chain_len:>2;", "tls.version:1.2;", "tls.subjectaltname; content:\"x\";",
        "ssh.hassh; content:\"x\";", "http.request_header; content:\"x\";", "snmp.community; content:\"public\";",
        "krb5_msg_type:10;", "smb.ntlmssp_user; content:\"x\";",
    };
    (void)state;
    for (size_t i = 0; i < sizeof options / sizeof options[0]; i++) {
        char rule[256];
        struct seen s;
        (void)snprintf(rule, sizeof rule, "alert ip any any -> any any (%s sid:1;)", options[i]);
        if (strstr(options[i], "content") || strchr(options[i], '.') == NULL)
            (void)snprintf(rule, sizeof rule, "alert tcp any any -> any any (%s sid:1;)", options[i]);
        struct mmr_rules *set = read_rules(rule, &s);
        if (s.ok != 1)
            fail_msg("%s: %s", rule, s.reason);
        mmr_rules_free(set);
    }
    struct seen s;
    mmr_rules_free(read_rules("alert udp any any -> any any (ipv4-csum:good; sid:1;)", &s));
    assert_int_equal(s.bad, 1);
    mmr_rules_free(read_rules("alert udp any any -> any any (flow.pkts:sideways,>3; sid:1;)", &s));
    assert_int_equal(s.bad, 1);
}

static void the_higher_revision_wins(void **state)
{
    (void)state;
    struct seen s;
    struct mmr_rules *set = read_rules("alert tcp any any -> any any (msg:\"old\"; content:\"a\"; sid:1; rev:1;)\n"
                                       "alert tcp any any -> any any (msg:\"new\"; content:\"b\"; sid:1; rev:3;)\n"
                                       "alert tcp any any -> any any (msg:\"mid\"; content:\"c\"; sid:1; rev:2;)\n", &s);
    assert_int_equal(mmr_rules_count(set), 1);
    assert_string_equal(mmr_rules_info(set, 0)->msg, "new");
    mmr_rules_free(set);
}

struct hits {
    unsigned n;
};
static void on_hit(void *ctx, const struct mmr_rule_hit *hit)
{
    (void)hit;
    ((struct hits *)ctx)->n++;
}

/* Alerts of one rule set on datagrams with these payloads from 192.0.2.1:1000 to 198.51.100.1:53. */
static unsigned on_datagrams(const char *rules, const char *const *payload, size_t n, const char *which)
{
    struct seen s;
    struct hits hits = {0};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules_options opt = {.hit = on_hit, .ctx = &hits};
    struct mmr_rules_engine *e = NULL;
    struct mmr_rules *set = read_rules(rules, &s);
    if (s.bad)
        fail_msg("%s: %s", which, s.reason);
    assert_int_equal(mmr_rules_compile(set, &err), 0);
    assert_int_equal(mmr_rules_engine_new(set, &opt, &e, &err), 0);
    struct mmr_flow flow = {.struct_size = sizeof flow, .ip_version = 4, .proto = IPPROTO_UDP, .id = 1, .client_port = 1000,
                            .server_port = 53, .packets = {1, 1}, .bytes = {10, 10}};
    flow.client = (struct mmr_addr){{[10] = 0xff, 0xff, 192, 0, 2, 1}};
    flow.server = (struct mmr_addr){{[10] = 0xff, 0xff, 198, 51, 100, 1}};
    for (size_t i = 0; i < n; i++) {
        struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = (int64_t)(i + 1) * 1000000000, .index = i + 1};
        struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = &flow, .ip_version = 4, .proto = IPPROTO_UDP,
                               .ttl = 64, .src = flow.client, .dst = flow.server, .src_port = 1000, .dst_port = 53,
                               .payload = (const uint8_t *)payload[i], .payload_len = (uint32_t)strlen(payload[i])};
        mmr_rules_packet(e, &p);
    }
    mmr_rules_flow_end(e, &flow);
    mmr_rules_engine_free(e);
    mmr_rules_free(set);
    return hits.n;
}

#define R(options) "alert udp any any -> any any (" options " sid:1;)"
static void chains_mean_what_the_language_says(void **state)
{
    (void)state;
    static const struct {
        const char *rule, *payload;
        unsigned want;
    } rows[] = {
        {R("content:\"abc\";"), "xxabcxx", 1},
        {"alert ip 0.0.0.0/0 any -> 198.51.100.0/24 any (sid:1;)", "x", 1},
        {"alert ip ::/0 any -> any any (sid:1;)", "x", 0}, /* the datagram is IPv4's */
        {"alert ip 8000::/1 any -> any any (sid:1;)", "x", 0},
        {"alert ip !::/0 any -> any any (sid:1;)", "x", 1},
        {"alert ip [::/0,0.0.0.0/0] any -> any any (sid:1;)", "x", 1},
        {R("ip.src; content:\"|c0 00 02 01|\"; bsize:4;"), "x", 1},
        {R("ip.dst; content:\"|c6 33|\"; startswith;"), "x", 1},
        {R("ip.dst; content:\"|c0 00|\"; startswith;"), "x", 0},
        {R("l3_proto:ipv4; content:\"x\";"), "x", 1},
        {R("l3_proto:ipv6; content:\"x\";"), "x", 0},
        {R("content:\"n=\"; byte_test:0,=,12,0,relative,string,dec;"), "n=12;", 1},
        {R("content:\"n=\"; byte_test:0,=,12,0,relative,string,dec;"), "n=", 0},
        {R("content:\"ABC\";"), "xxabcxx", 0},
        {R("content:\"ABC\"; nocase;"), "xxaBcxx", 1},
        {R("content:\"abc\"; depth:5;"), "xxabc", 1},
        {R("content:\"abc\"; depth:4;"), "xxabc", 0},
        {R("content:\"abc\"; offset:2; depth:3;"), "xxabc", 1},
        {R("content:\"abc\"; offset:3;"), "xxabc", 0},
        {R("content:\"abc\"; startswith;"), "abcx", 1},
        {R("content:\"abc\"; startswith;"), "xabc", 0},
        {R("content:\"abc\"; endswith;"), "abcxabc", 1},
        {R("content:\"abc\"; endswith;"), "abcx", 0},
        {R("content:\"a\"; content:\"b\"; distance:2;"), "a12b", 1},
        {R("content:\"a\"; content:\"b\"; distance:3;"), "a12b", 0},
        {R("content:\"a\"; content:\"b\"; within:2;"), "a1b", 1},
        {R("content:\"a\"; content:\"b\"; within:2;"), "a12b", 0},
        {R("content:\"a\"; content:\"b\"; distance:1; within:1;"), "aa1b", 1}, /* the second a fits */
        {R("content:\"a\"; content:!\"b\"; distance:0;"), "ba", 1},
        {R("content:\"a\"; content:!\"b\";"), "ba", 0},
        {R("content:\"a\"; content:!\"b\"; within:2;"), "a12b", 1},
        {R("content:\"a\"; isdataat:2,relative;"), "a12", 1},
        {R("content:\"a\"; isdataat:3,relative;"), "a12", 0},
        {R("content:\"a\"; isdataat:!1,relative;"), "xa", 1},
        {R("content:\"a\"; pcre:\"/^b+c/R\";"), "abbc", 1},
        {R("content:\"a\"; pcre:\"/^c/R\";"), "abbc", 0},
        {R("pcre:!\"/b/\"; content:\"a\";"), "ac", 1},
        {R("dsize:>3; content:\"a\";"), "abcd", 1},
        {R("dsize:2<>4; content:\"a\";"), "abcd", 0},
        {R("ttl:<65; content:\"a\";"), "a", 1},
        {R("byte_test:1,>,0x60,0;"), "a", 1},
        {R("byte_test:2,=,0x6261,0,little;"), "ab", 1},
        {R("byte_test:3,=,123,1,string,dec;"), "x123", 1},
        {R("byte_test:1,&,0x40,0;"), "a", 1},
        {R("byte_test:1,!&,0x40,0;"), "a", 0},
        {R("content:\"L\"; byte_jump:1,0,relative,string,dec; content:\"e\"; within:1;"), "L3xyze", 1},
        {R("content:\"L\"; byte_extract:1,0,n,relative,string,dec; content:\"e\"; distance:n; within:1;"), "L3xyze", 1},
        {R("content:\"L\"; byte_math:bytes 1, offset 0, oper +, rvalue 1, result n, relative, string dec; content:\"e\"; distance:n; within:1;"), "L2xyze", 1},
        {R("content:\"=\"; base64_decode:relative; base64_data; content:\"mamori\";"), "x=bWFtb3Jp", 1},
        {R("content:\"=\"; base64_decode:relative; base64_data; content:\"other\";"), "x=bWFtb3Jp", 0},
        {R("icmp_id:0; content:\"a\";"), "a", 0},
        {R("igmp.type:0x61; content:\"a\";"), "a", 0},
        {R("vlan.layers:0; content:\"a\";"), "a", 1},
        {R("flow.pkts:either,<1000; content:\"a\";"), "a", 1},
        {R("content:\"a|3b 20|b\";"), "a; b", 1},
        {R("content:\"a\\;b\";"), "a;b", 1},
        {"alert udp 192.0.2.0/24 any -> any 53 (content:\"a\"; sid:1;)", "a", 1},
        {"alert udp !192.0.2.0/24 any -> any 53 (content:\"a\"; sid:1;)", "a", 0},
        {"alert udp [192.0.2.0/24,!192.0.2.1] any -> any any (content:\"a\"; sid:1;)", "a", 0},
        {"alert udp any any -> 192.0.2.1 any (content:\"a\"; sid:1;)", "a", 0},
        {"alert udp any any <> 192.0.2.1 any (content:\"a\"; sid:1;)", "a", 1},
        {"alert udp any any -> any [1:52,54:] (content:\"a\"; sid:1;)", "a", 0},
        {"alert udp any any -> any !53 (content:\"a\"; sid:1;)", "a", 0},
        {"alert tcp any any -> any any (content:\"a\"; sid:1;)", "a", 0},
        {"alert udp any any -> any any (content:\"a\"; flow:to_client; sid:1;)", "a", 0},
        {"alert udp any any -> any any (content:\"a\"; noalert; sid:1;)", "a", 0},
        {"pass udp any any -> any any (content:\"a\"; sid:2;)\n" R("content:\"b\";"), "ab", 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned got = on_datagrams(rows[i].rule, &rows[i].payload, 1, rows[i].rule);
        if (got != rows[i].want)
            fail_msg("%s on '%s': %u alerts, want %u", rows[i].rule, rows[i].payload, got, rows[i].want);
    }
}

static void state_spans_packets(void **state)
{
    (void)state;
    static const char *const ab[] = {"a", "b", "b", "b", "b"};
    static const struct {
        const char *rules;
        unsigned want;
    } rows[] = {
        {"alert udp any any -> any any (content:\"b\"; flowbits:isset,x; sid:1;)\n"
         "alert udp any any -> any any (content:\"a\"; flowbits:set,x; flowbits:noalert; sid:2;)", 4},
        {"alert udp any any -> any any (content:\"b\"; flowbits:isnotset,x; flowbits:set,x; sid:1;)", 1},
        {"alert udp any any -> any any (content:\"a\"; xbits:set,y,track ip_src,expire 2; noalert; sid:1;)\n"
         "alert udp any any -> any any (content:\"b\"; xbits:isset,y,track ip_src; sid:2;)", 2},
        {"alert udp any any -> any any (content:\"b\"; flowint:n,+,1; flowint:n,>,1; sid:1;)", 0},
        {"alert udp any any -> any any (content:\"b\"; flowint:n,+,1; noalert; sid:1;)\n"
         "alert udp any any -> any any (content:\"b\"; flowint:n,>=,3; sid:2;)", 2},
        {"alert udp any any -> any any (content:\"b\"; threshold:type limit, track by_src, count 2, seconds 60; sid:1;)", 2},
        {"alert udp any any -> any any (content:\"b\"; threshold:type threshold, track by_dst, count 2, seconds 60; sid:1;)", 2},
        {"alert udp any any -> any any (content:\"b\"; threshold:type both, track by_src, count 3, seconds 60; sid:1;)", 1},
        {"alert udp any any -> any any (content:\"b\"; detection_filter:track by_src, count 3, seconds 60; sid:1;)", 1},
        {"alert udp any any -> any any (content:\"b\"; threshold:type limit, track by_src, count 1, seconds 1; sid:1;)", 2},
        /* who speaks with whom is asked once for each direction; "flow" makes it a question of every packet */
        {"alert udp any any -> any 53 (sid:1;)", 1},
        {"alert ip any any -> any any (ip_proto:17; sid:1;)", 1},
        {"alert ip any any -> any any (ip_proto:6; sid:1;)", 0},
        {"alert udp any any -> any 53 (flow:to_server; sid:1;)", 5},
        /* both ends have spoken and nobody knew them */
        {"alert udp any any -> any any (app-layer-protocol:!dns; content:\"b\"; sid:1;)", 4},
        {"alert udp any any -> any any (app-layer-protocol:failed; sid:1;)", 1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned got = on_datagrams(rows[i].rules, ab, sizeof ab / sizeof ab[0], rows[i].rules);
        if (got != rows[i].want)
            fail_msg("%s: %u alerts, want %u", rows[i].rules, got, rows[i].want);
    }
}

/* Segments of a TCP stream to the server; alerts. */
static unsigned on_stream(const char *rules, const char *const *seg, size_t n)
{
    struct seen s;
    struct hits hits = {0};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules_options opt = {.hit = on_hit, .ctx = &hits};
    struct mmr_rules_engine *e = NULL;
    struct mmr_rules *set = read_rules(rules, &s);
    uint64_t offset = 0;
    assert_int_equal(mmr_rules_compile(set, &err), 0);
    assert_int_equal(mmr_rules_engine_new(set, &opt, &e, &err), 0);
    struct mmr_flow flow = {.struct_size = sizeof flow, .ip_version = 4, .proto = IPPROTO_TCP, .id = 1,
                            .tcp_state = MMR_TCP_ESTABLISHED, .client_port = 1000, .server_port = 80, .packets = {2, 1}};
    for (size_t i = 0; i < n; i++) {
        struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = 1, .index = i + 1};
        struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = &flow, .ip_version = 4, .proto = IPPROTO_TCP,
                               .payload = (const uint8_t *)seg[i], .payload_len = (uint32_t)strlen(seg[i])};
        struct mmr_chunk c = {.struct_size = sizeof c, .flow = &flow, .packet = &p, .data = p.payload, .len = p.payload_len,
                              .offset = offset};
        mmr_rules_packet(e, &p);
        mmr_rules_chunk(e, &c);
        offset += c.len;
    }
    mmr_rules_flow_end(e, &flow);
    mmr_rules_engine_free(e);
    mmr_rules_free(set);
    return hits.n;
}

static void streams_are_seen_across_segments_and_once(void **state)
{
    (void)state;
    static const char *const split[] = {"xxab", "cdxx", "end"};
    static const struct {
        const char *rule;
        unsigned want;
    } rows[] = {
        {"alert tcp any any -> any any (content:\"abcd\"; sid:1;)", 1},
        {"alert tcp-pkt any any -> any any (content:\"abcd\"; sid:1;)", 0},
        {"alert tcp-stream any any -> any any (content:\"abcd\"; sid:1;)", 1},
        {"alert tcp any any -> any any (content:\"ab\"; content:\"end\"; distance:0; sid:1;)", 1},
        {"alert tcp any any -> any any (content:\"x\"; sid:1;)", 1},            /* twice in one chunk: one alert */
        {"alert tcp any any -> any any (content:\"ab\"; content:!\"end\"; sid:1;)", 0}, /* judged when complete */
        {"alert tcp any any -> any any (content:\"ab\"; content:!\"zzz\"; sid:1;)", 1},
        {"alert tcp any any -> any any (content:\"xx\"; depth:2; sid:1;)", 1},
        {"alert tcp any any -> any any (content:\"end\"; stream_size:server,=,1; sid:1;)", 1}, /* by sequence numbers: its SYN */
        {"alert tcp any any -> any any (content:\"end\"; stream_size:server,=,0; sid:1;)", 0},
        {"alert tcp any any -> any any (content:\"end\"; flow:established,to_client; sid:1;)", 0},
        {"alert tcp any any -> any any (content:\"end\"; app-layer-protocol:!http; sid:1;)", 0}, /* the server may still say it */
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        unsigned got = on_stream(rows[i].rule, split, 3);
        if (got != rows[i].want)
            fail_msg("%s: %u alerts, want %u", rows[i].rule, got, rows[i].want);
    }
}

static void the_public_rule_set_loads(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_rules *set = NULL;
    FILE *f = fopen(MMR_SHARED_DIR "/data/rules-et/et-open-2025.rules.gz", "rb");
    if (!f)
        skip();
    (void)fclose(f);
    assert_int_equal(mmr_rules_new(NULL, &set, &err), 0);
    assert_int_equal(mmr_rules_add_file(set, MMR_SHARED_DIR "/data/rules-et/et-open-2025.rules.gz", NULL, NULL, &err), 0);
    assert_true(mmr_rules_count(set) > 18000);
    assert_true(mmr_rules_failed(set) * 50 < mmr_rules_count(set)); /* 98 % */
    assert_int_equal(mmr_rules_compile(set, &err), 0);
    mmr_rules_free(set);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bad_rules_are_refused_with_the_reason),
        cmocka_unit_test(unknown_keywords_are_all_named_and_others_go_on),
        cmocka_unit_test(the_rarer_keywords_load),
        cmocka_unit_test(the_higher_revision_wins),
        cmocka_unit_test(chains_mean_what_the_language_says),
        cmocka_unit_test(state_spans_packets),
        cmocka_unit_test(streams_are_seen_across_segments_and_once),
        cmocka_unit_test(the_public_rule_set_loads),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
