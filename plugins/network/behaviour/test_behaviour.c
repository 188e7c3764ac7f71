/*
 * test_behaviour.c - how much, how often, how regular: beacons, scans, guessing, tunnels, data that leaves; and the memory all
 * of them share.
 */
#include "testworld.h"

static void regular_polls_of_a_bare_address_are_a_beacon(void **state)
{
    static const struct {
        const char *why, *direction, *agent, *referer;
        bool is_address, is_regular;
        int n_paths;
        bool want;
        int part;
    } rows[] = {
        {"a film, part by part", "outbound", "player/1", NULL, true, true, 1, false, 120000},
        {"an answer that calls itself a part", "outbound", "player/1", NULL, true, true, 1, true, 200},
        {"an implant with jitter", "outbound", "Mozilla/5.0", NULL, true, true, 2, true, 0},
        {"a script, too", "outbound", "curl/8", NULL, true, true, 1, true, 0},
        {"a site with a name", "outbound", "Mozilla/5.0", NULL, false, true, 2, false, 0},
        {"a page that reloads itself", "outbound", "Mozilla/5.0", "http://203.0.113.5/", true, true, 1, false, 0},
        {"a person", "outbound", "Mozilla/5.0", NULL, true, false, 2, false, 0},
        {"many pages", "outbound", "Mozilla/5.0", NULL, true, true, 12, false, 0},
        {"a printer in the office asked by a tool", "internal", "monitor/1", NULL, true, true, 1, false, 0},
        {"a server that is asked from outside", "inbound", "Mozilla/5.0", NULL, true, true, 1, false, 0},
    };
    static const int jitter_ms[] = {0, 900, -700, 400, -1000, 200, 800, -300, 0, 500, -600, 100};
    static const int person_ms[] = {0, 31000, 900, 64000, 1200, 190000, 700, 8000, 95000, 600, 47000, 2000};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < 12; k++) {
            char path[32];
            (void)snprintf(path, sizeof path, "/p%d.php?x=%d", k % rows[i].n_paths, k);
            w.now += (rows[i].is_regular ? 5000 + jitter_ms[k] : person_ms[k]) * MMR_TH_MS;
            request(&w, "192.168.1.5", "203.0.113.5", 80, rows[i].direction, "GET", path, rows[i].agent, rows[i].referer, rows[i].is_address);
            if (!rows[i].part)
                continue;
            struct mmr_event *ev = event(&w, "http.response", "192.168.1.5", "203.0.113.5", 80, rows[i].direction);
            mmr_event_int(ev, "http_response.code", 206);
            mmr_event_int(ev, "http_response.body_length", rows[i].part);
            send_event(&w);
        }
        bool got = found(&w, "mamori.behaviour.http_beacon") >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d, want %d", rows[i].why, got, rows[i].want);
        done(&w);
    }
}

static void tcp_packet(struct world *w, struct mmr_flow *f, uint8_t flags, uint8_t dir, uint32_t pkt_flags)
{
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = w->now, .input = "a", .index = 1};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = f, .proto = IPPROTO_TCP, .tcp_flags = flags,
                           .dir = dir, .flags = pkt_flags};
    f->packets[dir]++;
    assert_int_equal(mmr_testhost_feed(w->th, w->i, MMR_TOPIC_PACKET, &p), 1);
}

static void unanswered_attempts_are_a_scan_answered_ones_are_not(void **state)
{
    static const struct {
        const char *why, *rule;
        int n, n_hosts, answer_each, gap_ms;
        bool want;
    } rows[] = {
        {"ports of one host", "mamori.behaviour.port_scan", 25, 1, 0, 20, true},
        {"one fewer", "mamori.behaviour.port_scan", 24, 1, 0, 20, false},
        {"a client with many answered connections (passive FTP)", "mamori.behaviour.port_scan", 400, 1, 1, 20, false},
        {"a scanner that finds every fifth port open", "mamori.behaviour.port_scan", 40, 1, 5, 20, true},
        {"one port of many hosts", "mamori.behaviour.host_sweep", 20, 200, 0, 20, true},
        {"busy browsing", "mamori.behaviour.host_sweep", 150, 200, 1, 20, false},
        {"too slow for a minute, too few for a day", "mamori.behaviour.port_scan", 100, 1, 0, 4000, false},
        {"slow", "mamori.behaviour.slow_scan", 130, 1, 0, 60000, true},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            struct mmr_flow f = rows[i].n_hosts == 1 ? flow(5, 6, (uint16_t)(1000 + k)) : flow(5, (uint8_t)(10 + k), 445);
            w.now += rows[i].gap_ms * MMR_TH_MS;
            tcp_packet(&w, &f, 2, MMR_TO_SERVER, MMR_PKT_FIRST);
            if (rows[i].answer_each && k % rows[i].answer_each == 0)
                tcp_packet(&w, &f, 0x12, MMR_TO_CLIENT, 0);
        }
        bool got = found(&w, rows[i].rule) >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d, want %d", rows[i].why, got, rows[i].want);
        done(&w);
    }
}

/* Does that finding name this technique? */
static bool has_technique(struct world *w, const char *rule, const char *technique)
{
    size_t len = 0;
    const int i = found(w, rule);
    const void *p = i < 0 ? NULL : mmr_testhost_bytes(w->th, i, &len);
    return p && memmem(p, len, technique, strlen(technique));
}

/* T1595.001 is what the core shuts a scanner out for (core/defend/needs.c). */
static void only_a_stranger_from_outside_is_scanning_to_be_shut_out(void **state)
{
    static const struct {
        const char *why;
        uint8_t zones;
        bool is_named, want;
    } rows[] = {
        {"a stranger from outside", MMR_FLOW_SERVER_INSIDE, false, true},
        {"an address the office asked a name for", MMR_FLOW_SERVER_INSIDE, true, false},
        {"one of ours that looks around outside", MMR_FLOW_CLIENT_INSIDE, false, false},
        {"inside the office", MMR_FLOW_CLIENT_INSIDE | MMR_FLOW_SERVER_INSIDE, false, false},
    };
    static const char *const rule[] = {"mamori.behaviour.port_scan", "mamori.behaviour.host_sweep"};
    (void)state;
    for (size_t i = 0; i < 2 * sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        if (rows[i / 2].is_named) {
            static const char *const answers[] = {"192.168.1.5"};
            mmr_event_strv(event(&w, "dns.answer", "192.168.1.6", "192.168.1.1", 53, "internal"), "answers", answers, 1);
            send_event(&w);
        }
        for (int k = 0; k < 30; k++) {
            struct mmr_flow f = i % 2 ? flow(5, (uint8_t)(10 + k), 445) : flow(5, 6, (uint16_t)(1000 + k));
            f.zones = rows[i / 2].zones;
            w.now += 20 * MMR_TH_MS;
            tcp_packet(&w, &f, 2, MMR_TO_SERVER, MMR_PKT_FIRST);
        }
        if (!has_technique(&w, rule[i % 2], "T1046") || has_technique(&w, rule[i % 2], "T1595.001") != rows[i / 2].want)
            fail_msg("%s: %s", rows[i / 2].why, rule[i % 2]);
        done(&w);
    }
}

static void short_login_sessions_in_a_row_are_guessing(void **state)
{
    static const struct {
        const char *why;
        int n, gap_s, in, ms;
        bool want;
    } rows[] = {
        {"eight in a minute", 8, 5, 2400, 3000, true},
        {"seven", 7, 5, 2400, 3000, false},
        {"an hour apart", 20, 3600, 2400, 3000, false},
        {"with work done in them", 20, 5, 900000, 3000, false},
        {"long ones", 20, 5, 2400, 300000, false},
        {"refused before the key exchange", 20, 5, 40, 10, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            w.now += rows[i].gap_s * MMR_TH_S;
            struct mmr_event *ev = event(&w, "flow.end", "203.0.113.9", "192.168.1.2", 22, "inbound");
            mmr_event_str(ev, "app_name", "ssh");
            mmr_event_int(ev, "traffic.bytes_in", rows[i].in);
            mmr_event_int(ev, "traffic.bytes_out", 2500);
            mmr_event_int(ev, "duration", rows[i].ms);
            send_event(&w);
        }
        bool got = found(&w, "mamori.behaviour.password_guessing") >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d, want %d", rows[i].why, got, rows[i].want);
        done(&w);
    }
}

static void coded_names_are_a_tunnel_long_names_are_not(void **state)
{
    static const struct {
        const char *why, *fmt;
        int n;
        bool want;
    } rows[] = {
        {"hex", "%08x9f3c0177ab21e4d05c66b19e%04x.t.example.org", 12, true},
        {"base32", "nfxhg2lem4qgs3rtn5zgk%03dxa4tf5w7k2q6%03d.example.org", 12, true},
        {"too few", "%08x9f3c0177ab21e4d05c66b19e%04x.t.example.org", 11, false},
        {"a reputation service", "%08x9f3c0177ab21e4d05c66b19e%04x.avqs.mcafee.com", 40, false},
        {"words", "mail-server-of-the-long-named-department-%d-%d.example.org", 40, false},
        {"reverse names", "%d.%d.168.192.in-addr.arpa", 40, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            char name[128];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the table's own formats */
            (void)snprintf(name, sizeof name, rows[i].fmt, (k * 7919 + 5) & 0xff, k);
#pragma GCC diagnostic pop
            w.now += MMR_TH_S / 2;
            mmr_event_str(event(&w, "dns.query", "192.168.1.5", "192.168.1.1", 53, "internal"), "query.hostname", name);
            send_event(&w);
        }
        bool got = found(&w, "mamori.behaviour.dns_tunnel") >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d, want %d", rows[i].why, got, rows[i].want);
        done(&w);
    }
}

static void echo(struct world *w, struct mmr_flow *f, uint8_t type, uint16_t seq, const char *data)
{
    uint8_t b[256] = {type, 0, 0, 0, 0, 1, (uint8_t)(seq >> 8), (uint8_t)seq};
    size_t n = strlen(data);
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = w->now += MMR_TH_S, .input = "a", .index = 1};
    memcpy(b + 8, data, n);
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = f, .proto = IPPROTO_ICMP, .icmp_type = type,
                           .l3 = b, .l3_len = (uint32_t)(8 + n), .payload = b + 8, .payload_len = (uint32_t)n,
                           .src = type == 8 ? f->client : f->server, .dst = type == 8 ? f->server : f->client};
    assert_int_equal(mmr_testhost_feed(w->th, w->i, MMR_TOPIC_PACKET, &p), 1);
}

static void echo_replies_that_differ_are_a_tunnel(void **state)
{
    (void)state;
    for (int differ = 0; differ < 2; differ++) {
        struct world w;
        struct mmr_flow f = flow(5, 6, 0);
        f.proto = IPPROTO_ICMP;
        begin(&w, NULL);
        for (uint16_t k = 0; k < 20; k++) {
            char data[64];
            (void)snprintf(data, sizeof data, "abcdefghijklmnopqrstuvw%d", k);
            echo(&w, &f, 8, k, data);
            echo(&w, &f, 0, k, differ ? "other content, every time" : data);
        }
        assert_int_equal(found(&w, "mamori.behaviour.icmp_tunnel") >= 0, differ);
        done(&w);
    }
}

static void sent(struct world *w, const char *dst, int64_t out, int64_t in)
{
    struct mmr_event *ev = event(w, "flow.end", "192.168.1.5", dst, 443, "outbound");
    mmr_event_int(ev, "traffic.bytes_out", out);
    mmr_event_int(ev, "traffic.bytes_in", in);
    send_event(w);
}

static void upload(struct world *w, struct mmr_flow *f, unsigned mib)
{
    struct mmr_frame frame = {.struct_size = sizeof frame, .input = "a", .index = 1};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = f, .proto = IPPROTO_TCP, .dir = MMR_TO_SERVER, .payload_len = 1 << 20};
    for (unsigned i = 0; i < mib; i++) {
        frame.time_ns = w->now += 100 * MMR_TH_MS;
        f->bytes[MMR_TO_SERVER] += p.payload_len;
        assert_int_equal(mmr_testhost_feed(w->th, w->i, MMR_TOPIC_PACKET, &p), 1);
    }
}

static void more_data_than_ever_before_is_told_by_where_it_goes(void **state)
{
    struct world w;
    (void)state;
    begin(&w, NULL);
    const struct mmr_addr client = {{[10] = 0xff, 0xff, 192, 168, 1, 5}}, server = {{[10] = 0xff, 0xff, 203, 0, 113, 50}},
                          store = {{[10] = 0xff, 0xff, 203, 0, 113, 51}};
    for (int day = 0; day < 4; day++) { /* its own history: 20 MB in an hour now and then */
        struct mmr_flow f = {.struct_size = sizeof f, .proto = IPPROTO_TCP, .zones = MMR_FLOW_CLIENT_INSIDE, .id = 1, .client = client, .server = store};
        upload(&w, &f, 20);
        w.now += 86400 * MMR_TH_S;
    }
    struct mmr_flow f = {.struct_size = sizeof f, .proto = IPPROTO_TCP, .zones = MMR_FLOW_CLIENT_INSIDE, .id = 2, .client = client, .server = server};
    upload(&w, &f, 120); /* over the floor, but not eight times its peak of 20 MiB */
    assert_int_equal(found(&w, "mamori.behaviour.exfiltration"), -1);
    f.bytes[MMR_TO_CLIENT] = f.bytes[MMR_TO_SERVER]; /* both ways alike: somebody synchronises */
    upload(&w, &f, 100);
    assert_int_equal(found(&w, "mamori.behaviour.exfiltration"), -1);
    f.bytes[MMR_TO_CLIENT] = 0;
    upload(&w, &f, 60);
    int n = found(&w, "mamori.behaviour.exfiltration");
    assert_true(n >= 0);
    assert_string_equal(mmr_testhost_text(w.th, n, "mamori.phase"), "impact.data");
    assert_string_equal(mmr_testhost_text(w.th, n, "mamori.potential"), "high");
    assert_string_equal(mmr_testhost_text(w.th, n, "dst_endpoint.ip"), "203.0.113.50");
    assert_int_equal(found(&w, "mamori.behaviour.upload"), -1);
    /* the same to an address somebody named is only worth knowing */
    struct mmr_event *ev = event(&w, "dns.answer", "192.168.1.5", "192.168.1.1", 53, "internal");
    const char *const answers[] = {"203.0.113.51"};
    mmr_event_strv(ev, "answers", answers, 1);
    send_event(&w);
    f.server = store;
    f.bytes[MMR_TO_SERVER] = 0;
    upload(&w, &f, 200);
    n = found(&w, "mamori.behaviour.upload");
    assert_true(n >= 0);
    assert_string_equal(mmr_testhost_text(w.th, n, "mamori.potential"), "info");
    done(&w);
    begin(&w, NULL); /* many small connections, of a machine without history: nothing; with it: told */
    for (int i = 0; i < 400; i++, w.now += MMR_TH_S)
        sent(&w, "203.0.113.60", 900000, 1000);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 0);
    w.now += 4 * 86400 * MMR_TH_S;
    for (int i = 0; i < 4000 && !mmr_testhost_count(w.th, "finding"); i++, w.now += 100 * MMR_TH_MS)
        sent(&w, "203.0.113.61", 900000, 1000);
    assert_true(found(&w, "mamori.behaviour.exfiltration") >= 0);
    done(&w);
}

static void addresses_nobody_named_are_a_hint(void **state)
{
    struct world w;
    (void)state;
    begin(&w, NULL);
    const char *const answers[] = {"203.0.113.1", "203.0.113.2", "203.0.113.3", "203.0.113.4", "203.0.113.5"};
    char dst[32];
    for (int round = 0; round < 2; round++) { /* in the first hour nothing is said */
        struct mmr_event *ev = event(&w, "dns.answer", "192.168.1.5", "192.168.1.1", 53, "internal");
        mmr_event_strv(ev, "answers", answers, 5);
        send_event(&w);
        for (int i = 0; i < 19 + round; i++) {
            (void)snprintf(dst, sizeof dst, "198.51.100.%d", i);
            (void)event(&w, "flow.start", "192.168.1.5", dst, 443, "outbound");
            send_event(&w);
        }
        for (size_t i = 0; i < 5; i++) { /* named ones do not count */
            (void)event(&w, "flow.start", "192.168.1.5", answers[i], 443, "outbound");
            send_event(&w);
        }
        assert_int_equal(found(&w, "mamori.behaviour.nameless_addresses") >= 0, round);
        w.now += 7200 * MMR_TH_S;
    }
    int n = found(&w, "mamori.behaviour.nameless_addresses");
    assert_string_equal(mmr_testhost_text(w.th, n, "mamori.phase"), "");
    assert_string_equal(mmr_testhost_text(w.th, n, "mamori.potential"), "info");
    done(&w);
}

static void memory_keeps_to_its_ceiling(void **state)
{
    struct memory m;
    (void)state;
    assert_int_equal(memory_init(&m, 100, 8), 0);
    for (uint64_t i = 0; i < 1000; i++) {
        struct memory_key k = memory_key(NULL, NULL, i);
        uint64_t *v = memory_get(&m, &k);
        assert_non_null(v);
        assert_int_equal(*v, 0);
        *v = i;
        struct memory_key first = memory_key(NULL, NULL, 0);
        v = memory_find(&m, &first); /* in use: it stays */
        assert_non_null(v);
    }
    assert_int_equal(m.n, 100);
    assert_int_equal(m.n_evicted, 900);
    struct memory_key old = memory_key(NULL, NULL, 500), last = memory_key(NULL, NULL, 999);
    assert_null(memory_find(&m, &old));
    assert_int_equal(*(uint64_t *)memory_find(&m, &last), 999);
    memory_done(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(regular_polls_of_a_bare_address_are_a_beacon),
        cmocka_unit_test(unanswered_attempts_are_a_scan_answered_ones_are_not),
        cmocka_unit_test(only_a_stranger_from_outside_is_scanning_to_be_shut_out),
        cmocka_unit_test(short_login_sessions_in_a_row_are_guessing),
        cmocka_unit_test(coded_names_are_a_tunnel_long_names_are_not),
        cmocka_unit_test(echo_replies_that_differ_are_a_tunnel),
        cmocka_unit_test(more_data_than_ever_before_is_told_by_where_it_goes),
        cmocka_unit_test(addresses_nobody_named_are_a_hint),
        cmocka_unit_test(memory_keeps_to_its_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
