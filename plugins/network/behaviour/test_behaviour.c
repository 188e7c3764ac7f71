/*
 * test_behaviour.c - each check with what it must find and with the ordinary traffic next to it that it
 * must leave alone. Times, counts and limits are those of the comments in the checks.
 */
#include "behaviour.h"
#include "testhost.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_behaviour;

struct world {
    struct mmr_testhost *th;
    int i;
    int64_t now;
    struct mmr_event ev;
    uint8_t buf[8192];
};

static void begin(struct world *w, const char *const *cfg)
{
    struct mmr_error err = {.struct_size = sizeof err};
    memset(w, 0, sizeof *w);
    w->th = mmr_testhost_new();
    w->i = mmr_testhost_add(w->th, &mmr_plugin_behaviour, cfg, &err);
    if (w->i < 0)
        fail_msg("%s", err.text);
    w->now = MMR_TH_START_NS;
}

static void done(struct world *w)
{
    const char *why;
    if (mmr_testhost_refusals(w->th, &why))
        fail_msg("refused: %s", why);
    mmr_testhost_free(w->th);
}

static int found(struct world *w, const char *rule)
{
    return mmr_testhost_find_text(w->th, "finding", "mamori.rule", rule);
}

static struct mmr_event *event(struct world *w, const char *kind, const char *src, const char *dst, uint16_t port,
                               const char *direction)
{
    mmr_event_begin(&w->ev, w->buf, sizeof w->buf, kind, MMR_CLASS_NETWORK, 1, w->now, 1);
    mmr_event_str(&w->ev, "src_endpoint.ip", src);
    mmr_event_str(&w->ev, "dst_endpoint.ip", dst);
    mmr_event_int(&w->ev, "src_endpoint.port", 50000);
    mmr_event_int(&w->ev, "dst_endpoint.port", port);
    mmr_event_str(&w->ev, "connection_info.protocol_name", "tcp");
    mmr_event_str(&w->ev, "mamori.direction", direction);
    return &w->ev;
}

static void send_event(struct world *w)
{
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_event_end(&w->ev), 0);
    assert_int_equal(mmr_testhost_event(w->th, w->i, w->ev.buf, w->ev.len, &err), 0);
}

static void request(struct world *w, const char *src, const char *dst, uint16_t port, const char *direction,
                    const char *method, const char *path, const char *agent, const char *referer, bool is_address)
{
    struct mmr_event *ev = event(w, "http.request", src, dst, port, direction);
    mmr_event_str(ev, "http_request.http_method", method);
    mmr_event_str(ev, "http_request.url.path", path);
    mmr_event_str(ev, "http_request.user_agent", agent);
    mmr_event_str(ev, "http_request.referrer", referer);
    mmr_event_bool(ev, "unmapped.host_is_address", is_address);
    send_event(w);
}

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

static struct mmr_flow flow(uint8_t src, uint8_t dst, uint16_t port)
{
    struct mmr_flow f = {.struct_size = sizeof f, .ip_version = 4, .proto = IPPROTO_TCP, .zones = 3, .id = 7,
                         .client_port = 50000, .server_port = port};
    const uint8_t c[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, src},
                  s[16] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff, 192, 168, 1, dst};
    memcpy(f.client.b, c, 16);
    memcpy(f.server.b, s, 16);
    return f;
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

static void chunk(struct world *w, struct mmr_flow *f, uint8_t dir, const char *data, size_t n, uint32_t flags)
{
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = w->now, .input = "a", .index = 1};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = f};
    struct mmr_chunk c = {.struct_size = sizeof c, .flags = flags, .flow = f, .packet = &p, .data = (const uint8_t *)data,
                          .len = (uint32_t)n, .dir = dir};
    assert_int_equal(mmr_testhost_feed(w->th, w->i, MMR_TOPIC_STREAM, &c), 1);
}

static void a_server_that_turns_round_is_told(void **state)
{
    static const char bind[] = "\x30\x0c\x02\x01\x01\x60\x07\x02\x01\x03\x04\x00\x80\x00";
    static const struct {
        const char *why;
        int after_s;
        bool is_asked;
        bool want;
    } rows[] = {{"LDAP back to the client", 1, true, true},
                {"much later", 300, true, false},
                {"a directory client that was not asked anything", 1, false, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        struct mmr_flow f = flow(10, 66, 1389);
        begin(&w, NULL);
        if (rows[i].is_asked)
            request(&w, "192.168.1.66", "192.168.1.10", 8080, "internal", "GET", "/app", "x", NULL, true);
        w.now += rows[i].after_s * MMR_TH_S;
        chunk(&w, &f, MMR_TO_SERVER, bind, sizeof bind - 1, MMR_CHUNK_START);
        bool got = found(&w, "mamori.behaviour.callback_lookup") >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d, want %d", rows[i].why, got, rows[i].want);
        done(&w);
    }
    /* UPnP: the device calls the subscriber back, with an event and no program */
    struct world w;
    begin(&w, NULL);
    request(&w, "192.168.1.66", "192.168.1.10", 1400, "internal", "SUBSCRIBE", "/event", "x", NULL, true);
    request(&w, "192.168.1.10", "192.168.1.66", 3400, "internal", "NOTIFY", "/cb", "x", NULL, true);
    struct mmr_event *ev = event(&w, "http.response", "192.168.1.10", "192.168.1.66", 3400, "internal");
    mmr_event_str(ev, "unmapped.file_type", "xml");
    send_event(&w);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 0);
    /* a class file is another matter */
    ev = event(&w, "http.response", "192.168.1.10", "192.168.1.66", 8888, "internal");
    mmr_event_str(ev, "unmapped.file_type", "java-class");
    mmr_event_str(ev, "http_request.url.path", "/A.class");
    send_event(&w);
    assert_true(found(&w, "mamori.behaviour.callback_fetch") >= 0);
    done(&w);
}

static void clear_text_that_has_no_business_there_is_told(void **state)
{
    static const struct {
        const char *why, *data, *app, *rule;
        uint16_t port;
        bool want;
    } rows[] = {
        {"bash", "www@web1:/var/www$ ", NULL, "mamori.behaviour.clear_text_shell", 443, true},
        {"no terminal", "bash: no job control in this shell\n", NULL, "mamori.behaviour.clear_text_shell", 4444, true},
        {"Windows", "\r\nC:\\Windows\\system32>", NULL, "mamori.behaviour.clear_text_shell", 8443, true},
        {"PowerShell", "\r\nPS C:\\Users\\a> \r\nPS C:\\Users\\a>", NULL, "mamori.behaviour.clear_text_shell", 80, true},
        {"id", "uid=33(www) gid=33(www) groups=33(www)\n", NULL, "mamori.behaviour.clear_text_shell", 53, true},
        {"Telnet shows prompts by design", "anna@router:~$ ", NULL, "mamori.behaviour.clear_text_shell", 23, false},
        {"a page about shells", "anna@host:/tmp$ ", "http", "mamori.behaviour.clear_text_shell", 80, false},
        {"a mail address at the end of a line", "write to anna@example.org for $ ", NULL, "mamori.behaviour.clear_text_shell", 9000, false},
        {"an HTML tag", "<a href=\"C:\\x\">", NULL, "mamori.behaviour.clear_text_shell", 9000, false},
        {"Stratum", "{\"id\":1,\"method\":\"mining.subscribe\",\"params\":[]}\n", NULL, "mamori.behaviour.mining", 3333, true},
        {"CryptoNote", "{\"method\":\"login\",\"params\":{\"login\":\"4x\",\"pass\":\"x\",\"agent\":\"m\"},\"id\":1}\n", NULL, "mamori.behaviour.mining", 443, true},
        {"another JSON protocol", "{\"id\":1,\"method\":\"login\",\"params\":[\"anna\"]}\n", NULL, "mamori.behaviour.mining", 9000, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        struct mmr_flow f = flow(5, 6, rows[i].port);
        f.app = rows[i].app;
        begin(&w, NULL);
        chunk(&w, &f, MMR_TO_SERVER, rows[i].data, strlen(rows[i].data), MMR_CHUNK_START);
        bool got = found(&w, rows[i].rule) >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d, want %d", rows[i].why, got, rows[i].want);
        done(&w);
    }
}

static void call(struct world *w, const char *src, const char *dst, const char *iface, const char *op)
{
    struct mmr_event *ev = event(w, "dcerpc.call", src, dst, 445, "internal");
    mmr_event_str(ev, "unmapped.interface", iface);
    mmr_event_str(ev, "unmapped.operation", op);
    send_event(w);
}

static void remote_administration_follows_the_table(void **state)
{
    static const struct {
        const char *iface, *op, *rule, *phase;
    } rows[] = {
        {"svcctl", "CreateServiceW", "mamori.lateral.service_create", "spread"},
        {"svcctl", "ControlService", "mamori.lateral.service_control", "spread"},
        {"ITaskSchedulerService", "SchRpcRun", "mamori.lateral.task_run", "spread"},
        {"winreg", "BaseRegCreateKey", "mamori.lateral.registry_set", "spread"},
        {"IDispatch", "Invoke", "mamori.lateral.dcom_invoke", "spread"},
        {"drsuapi", "DRSAddEntry", "mamori.lateral.dcshadow", "account"},
        {"srvsvc", "NetrShareAdd", "mamori.lateral.share_add", "spread"},
        {"netdfs", "NetrDfsRemoveStdRoot", "mamori.lateral.coerced_logon", "account"},
        {"netdfs", "NetrDfsEnum", NULL, NULL},
        {"FssagentRpc", "IsPathShadowCopied", "mamori.lateral.coerced_logon", "account"},
        {"FssagentRpc", "GetSupportedVersion", NULL, NULL},
        {"IRemoteWinspool", "RpcAsyncAddPrinterDriver", "mamori.lateral.driver_add", "spread"},
        {"epmapper", "ept_map", NULL, NULL}, /* what every client asks first */
        {"spoolss", "RpcAddPrinterDriverEx", "mamori.lateral.driver_add", "spread"},
        {"svcctl", "CreateServiceWOW64A", "mamori.lateral.service_create", "spread"},
        {"svcctl", "CloseServiceHandle", NULL, NULL},
        {"ITaskSchedulerService", "SchRpcRegisterTask", "mamori.lateral.task_register", "spread"},
        {"ITaskSchedulerService", "SchRpcHighestVersion", NULL, NULL},
        {"IWbemServices", "ExecMethod", "mamori.lateral.wmi_exec", "spread"},
        {"drsuapi", "DRSGetNCChanges", "mamori.lateral.dcsync", "account"},
        {"drsuapi", "DRSCrackNames", NULL, NULL},
        {"lsarpc", "LsarRetrievePrivateData", "mamori.lateral.lsa_secret", "account"},
        {"lsarpc", "LsarLookupSids", NULL, NULL},
        {"srvsvc", "NetrSessionEnum", "mamori.lateral.session_enum", "spread"},
        {"srvsvc", "NetrShareGetInfo", NULL, NULL},
        {"netlogon", "NetrServerPasswordSet2", NULL, NULL}, /* once a month, by every machine */
        {"winreg", "CreateServiceW", NULL, NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        call(&w, "192.168.1.5", "192.168.1.6", rows[i].iface, rows[i].op);
        int n = mmr_testhost_count(w.th, "finding");
        if (n != (rows[i].rule != NULL))
            fail_msg("%s::%s: %d findings", rows[i].iface, rows[i].op, n);
        if (rows[i].rule) {
            int f = found(&w, rows[i].rule);
            assert_true(f >= 0);
            assert_string_equal(mmr_testhost_text(w.th, f, "mamori.phase"), rows[i].phase);
            assert_non_null(strstr(mmr_testhost_text(w.th, f, "message"), rows[i].op));
        }
        done(&w);
    }
}

static void controllers_may_replicate(void **state)
{
    static const char *const cfg[] = {"domain_controllers", "192.168.1.3", NULL};
    struct world w;
    (void)state;
    begin(&w, cfg);
    call(&w, "192.168.1.3", "192.168.1.2", "drsuapi", "DRSGetNCChanges"); /* configured */
    mmr_event_str(event(&w, "krb.reply", "192.168.1.9", "192.168.1.2", 88, "internal"), "unmapped.message", "AS-REP");
    send_event(&w);
    call(&w, "192.168.1.2", "192.168.1.3", "drsuapi", "DRSGetNCChanges"); /* learnt: it answers Kerberos */
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 0);
    call(&w, "192.168.1.9", "192.168.1.3", "drsuapi", "DRSGetNCChanges");
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 1);
    done(&w);
}

static void a_flood_of_netlogon_challenges_is_zerologon(void **state)
{
    (void)state;
    for (int slow = 0; slow < 2; slow++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < 40; k++) {
            w.now += slow ? 120 * MMR_TH_S : MMR_TH_MS;
            call(&w, "192.168.1.5", "192.168.1.2", "netlogon", k & 1 ? "NetrServerAuthenticate2" : "NetrServerReqChallenge");
        }
        call(&w, "192.168.1.5", "192.168.1.2", "netlogon", "NetrServerPasswordSet2");
        assert_int_equal(found(&w, "mamori.lateral.netlogon_flood") >= 0, !slow);
        assert_int_equal(found(&w, "mamori.lateral.netlogon_password") >= 0, !slow);
        done(&w);
    }
}

static void programs_that_nobody_asked_for_are_told(void **state)
{
    static const char browser[] = "Mozilla/5.0 (Windows NT 10.0) Firefox/120.0";
    static const struct {
        const char *why, *direction, *path, *type, *agent;
        bool is_address;
        const char *want;
    } rows[] = {
        {"a first stage gets its second", "outbound", "/solar.php", "exe", "pwtyyEKzNt", true, "mamori.behaviour.program_from_address"},
        {"with a browser's name", "outbound", "/get?id=4", "exe", browser, true, "mamori.behaviour.program_from_address"},
        {"a worm's downloader", "outbound", "/bins/arm7", "elf", "Wget", true, "mamori.behaviour.program_from_address"},
        {"under a picture's name", "outbound", "/a.png", "exe", browser, true, "mamori.behaviour.disguised_program"},
        {"a person at a bare address", "outbound", "/setup.exe?v=2", "exe", browser, true, NULL},
        {"a maker's site", "outbound", "/setup.php", "exe", "updater/1", false, NULL},
        {"Windows Update's cache", "outbound", "/files/1", "exe", "Microsoft-Delivery-Optimization/10.0", true, NULL},
        {"the office's own server", "internal", "/agent", "exe", "updater/1", true, NULL},
        {"our web server's visitors", "inbound", "/agent.php", "exe", "x", true, NULL},
        {"a document", "outbound", "/a.php", "pdf", "x", true, NULL},
    };
    static const char *const rules[] = {"mamori.behaviour.program_from_address", "mamori.behaviour.disguised_program"};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "http.response", "192.168.1.5", "203.0.113.5", 80, rows[i].direction);
        mmr_event_str(ev, "http_request.http_method", "GET");
        mmr_event_str(ev, "http_request.url.path", rows[i].path);
        mmr_event_str(ev, "http_request.user_agent", rows[i].agent);
        mmr_event_str(ev, "unmapped.file_type", rows[i].type);
        mmr_event_bool(ev, "unmapped.host_is_address", rows[i].is_address);
        send_event(&w);
        for (size_t k = 0; k < 2; k++)
            if ((found(&w, rules[k]) >= 0) != (rows[i].want && strcmp(rows[i].want, rules[k]) == 0))
                fail_msg("%s: %s", rows[i].why, rules[k]);
        done(&w);
    }
}

static void programs_on_administrative_shares_are_told(void **state)
{
    static const struct {
        const char *share, *type;
        bool want;
    } rows[] = {{"\\\\PC2\\C$", "exe", true},   {"\\\\PC2\\ADMIN$", "exe", true}, {"\\\\PC2\\c$", "elf", true},
                {"\\\\PC2\\C$", "pdf", false},  {"\\\\NAS\\tools", "exe", false}, {"\\\\PRN\\print$", "exe", false},
                {"\\\\PC2\\IPC$", "exe", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "smb.write", "192.168.1.5", "192.168.1.6", 445, "internal");
        mmr_event_str(ev, "unmapped.share", rows[i].share);
        mmr_event_str(ev, "unmapped.file_type", rows[i].type);
        mmr_event_str(ev, "file.path", "x.exe");
        send_event(&w);
        if ((found(&w, "mamori.lateral.admin_share_program") >= 0) != rows[i].want)
            fail_msg("%s %s", rows[i].share, rows[i].type);
        done(&w);
    }
}

static void rc4_only_requests_are_told_lists_with_it_are_not(void **state)
{
    static const struct {
        const char *etypes;
        bool want;
    } rows[] = {{"23", true}, {"23,24,-135", true}, {"23,-133,-128,3,1,24,-135", false}, {"18,17,23", false}, {"23,17", false}, {"18", false}, {"-123", false}, {"3,1", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "krb.request", "192.168.1.5", "192.168.1.2", 88, "internal");
        mmr_event_str(ev, "unmapped.message", "AS-REQ");
        mmr_event_str(ev, "unmapped.etypes", rows[i].etypes);
        send_event(&w);
        if ((found(&w, "mamori.lateral.rc4_ticket") >= 0) != rows[i].want)
            fail_msg("etypes %s", rows[i].etypes);
        done(&w);
    }
}

static void service_tickets_with_rc4_only_are_roasting(void **state)
{
    static const struct {
        const char *service, *etypes;
        bool want;
    } rows[] = {{"MSSQLSvc/db1.office.example", "23", true}, {"HTTP/web", "23,16,3", true}, {"krbtgt/OFFICE", "23", false}, {"sqlsvc", "23,16,3", true},
                {"MSSQLSvc/db1.office.example", "18,17,23", false}, {"MSSQLSvc/db1.office.example", "23,-133,-128,3,1,24,-135", false}, {"host/xp1.office.example", "23", false}, {"PC1$", "23", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "krb.request", "192.168.1.5", "192.168.1.2", 88, "internal");
        mmr_event_str(ev, "unmapped.message", "TGS-REQ");
        mmr_event_str(ev, "unmapped.service", rows[i].service);
        mmr_event_str(ev, "unmapped.etypes", rows[i].etypes);
        send_event(&w);
        if ((found(&w, "mamori.lateral.rc4_service_ticket") >= 0) != rows[i].want)
            fail_msg("%s %s", rows[i].service, rows[i].etypes);
        done(&w);
    }
}

static void who_answers_to_every_name_is_told_who_answers_to_his_own_is_not(void **state)
{
    static const struct {
        const char *why, *source, *name[6], *ip[6];
        bool want;
    } rows[] = {
        {"poisoner", "llmnr", {"files", "wpad", "printer", "fileserv"}, {"192.168.1.66", "192.168.1.66", "192.168.1.66", "192.168.1.66"}, true},
        {"one PC, asked often", "nbns", {"PC1", "pc1", "PC1", "pc1.local", "PC1"}, {"192.168.1.5", "192.168.1.5", "192.168.1.5", "192.168.1.5", "192.168.1.5"}, false},
        {"a name service for others", "nbns", {"PC1", "PC2", "PC3", "PC4"}, {"192.168.1.5", "192.168.1.6", "192.168.1.7", "192.168.1.8"}, false},
        {"a printer with many services", "mdns", {"a", "b", "c", "d", "e"}, {"192.168.1.9", "192.168.1.9", "192.168.1.9", "192.168.1.9", "192.168.1.9"}, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (size_t k = 0; k < 6 && rows[i].name[k]; k++) {
            struct mmr_event *ev = event(&w, "host.addr", rows[i].ip[k], "192.168.1.20", 5355, "internal");
            mmr_event_str(ev, "device.hostname", rows[i].name[k]);
            mmr_event_str(ev, "device.ip", rows[i].ip[k]);
            mmr_event_str(ev, "unmapped.source", rows[i].source);
            send_event(&w);
        }
        if ((found(&w, "mamori.behaviour.name_poisoning") >= 0) != rows[i].want)
            fail_msg("%s", rows[i].why);
        done(&w);
    }
}

static void made_up_names_are_told_mistyped_ones_are_not(void **state)
{
    static const char *const odd[] = {"qxvkzjwpfrtb.com", "wjzxqkvbnmpl.net", "kqvxzbtrfjgw.info", "zxcvqwkjhgfp.org", "bvnxmzkqwjrt.co.jp"};
    static const char *const words[] = {"tanakashoten.co.jp", "officesupplies.com", "sakuranetwork.jp", "printerstore.net", "maintenance.org"};
    static const struct {
        const char *why;
        const char *const *base;
        int n, below, rcode;
        bool want;
    } rows[] = {{"a program that lost its server", odd, 24, 0, 3, true}, {"the same, but they exist", odd, 24, 0, 0, false},
                {"too few", odd, 15, 0, 3, false}, {"words nobody registered", words, 40, 0, 3, false}, {"a blocklist's one domain", odd, 60, 1, 3, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        char name[80];
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            const char *base = rows[i].base[k % 5];
            if (rows[i].below)
                (void)snprintf(name, sizeof name, "%d.%s", k, odd[0]);
            else /* different each time, and of the same kind */
                (void)snprintf(name, sizeof name, "%c%c%s", 'a' + k / 5 * 5 % 26, rows[i].base == odd ? 'q' : 'n', base);
            w.now += 2 * MMR_TH_S;
            struct mmr_event *ev = event(&w, "dns.answer", "192.168.1.5", "192.168.1.1", 53, "internal");
            mmr_event_str(ev, "query.hostname", name);
            mmr_event_int(ev, "rcode_id", rows[i].rcode);
            send_event(&w);
        }
        if ((found(&w, "mamori.behaviour.generated_names") >= 0) != rows[i].want)
            fail_msg("%s", rows[i].why);
        done(&w);
    }
}

static void a_heartbeat_that_returns_more_is_heartbleed(void **state)
{
    static const struct {
        const char *why;
        int request, answer;
        bool too_much, want;
    } rows[] = {{"honest", 34, 34, false, false}, {"padding", 50, 240, false, false}, {"memory, encrypted", 61, 16413, false, true}, {"memory, in clear", 16368, 16384, true, true}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "tls.heartbeat", "203.0.113.9", "192.168.1.2", 443, "inbound");
        mmr_event_str(ev, "unmapped.from", "server");
        mmr_event_int(ev, "unmapped.record_length", rows[i].answer);
        mmr_event_int(ev, "unmapped.request_length", rows[i].request);
        mmr_event_bool(ev, "unmapped.asked_too_much", rows[i].too_much);
        send_event(&w);
        if ((found(&w, "mamori.behaviour.heartbleed") >= 0) != rows[i].want)
            fail_msg("%s", rows[i].why);
        done(&w);
    }
}

static void an_address_that_flaps_between_two_cards_is_spoofed(void **state)
{
    static const struct {
        const char *why;
        int n, gap_s;
        bool want;
    } rows[] = {{"an attacker against the owner", 4, 2, true}, {"a new card", 1, 2, false}, {"a failover a day", 10, 86400, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            static const char *const mac[] = {"02:00:00:00:00:01", "02:00:00:00:00:02"};
            w.now += rows[i].gap_s * MMR_TH_S;
            struct mmr_event *ev = event(&w, "arp.claim", "192.168.1.1", "", 0, "internal");
            mmr_event_str(ev, "device.mac", mac[k & 1]);
            mmr_event_str(ev, "unmapped.previous_mac", mac[!(k & 1)]);
            send_event(&w);
        }
        if ((found(&w, "mamori.behaviour.arp_spoofing") >= 0) != rows[i].want)
            fail_msg("%s", rows[i].why);
        done(&w);
    }
}

static void claim(struct world *w, const char *addr, const char *mac, const char *before)
{
    struct mmr_event *ev = event(w, "arp.claim", addr, "", 0, "internal");
    w->now += 2 * MMR_TH_S;
    mmr_event_str(ev, "device.mac", mac);
    mmr_event_str(ev, "unmapped.previous_mac", before);
    send_event(w);
}

/* Who it is done to is never the one that is named: he would be cut off for it. */
static void a_spoofer_is_named_by_his_card_where_it_is_clear_who_he_is(void **state)
{
    static const char owner[] = "02:00:00:00:00:01", other[] = "02:00:00:00:00:02", at[] = "192.168.1.1";
    static const struct {
        const char *why, *owners_other, *others_own, *want_mac, *want_src;
    } rows[] = {
        {"a machine of the office", NULL, "192.168.1.7", other, "192.168.1.7"},
        {"a card without an address of its own", NULL, NULL, other, ""},
        {"a router with two addresses against a machine with one", "192.168.1.2", "192.168.1.7", other, "192.168.1.7"},
        {"the first has another address and the second has none: perhaps it was the spoofer that was seen first", "192.168.1.2", NULL, "", ""},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        claim(&w, at, owner, NULL);
        if (rows[i].owners_other)
            claim(&w, rows[i].owners_other, owner, NULL);
        if (rows[i].others_own)
            claim(&w, rows[i].others_own, other, NULL);
        for (int k = 0; k < 4; k++)
            claim(&w, at, k & 1 ? owner : other, k & 1 ? other : owner);
        const int got = found(&w, "mamori.behaviour.arp_spoofing");
        if (got < 0)
            fail_msg("%s: not found", rows[i].why);
        const char *mac = mmr_testhost_text(w.th, got, "src_endpoint.mac"), *src = mmr_testhost_text(w.th, got, "src_endpoint.ip");
        if (strcmp(mac ? mac : "", rows[i].want_mac) != 0 || strcmp(rows[i].want_src[0] ? rows[i].want_src : "::", src) != 0)
            fail_msg("%s: named %s, %s", rows[i].why, mac, src);
        assert_string_equal(mmr_testhost_text(w.th, got, "dst_endpoint.ip"), at);
        done(&w);
    }
}

static void the_same_pair_is_told_once_in_ten_minutes(void **state)
{
    struct world w;
    (void)state;
    begin(&w, NULL);
    for (int k = 0; k < 5; k++) {
        call(&w, "192.168.1.5", "192.168.1.6", "svcctl", "CreateServiceW");
        w.now += MMR_TH_S;
    }
    call(&w, "192.168.1.5", "192.168.1.7", "svcctl", "CreateServiceW"); /* another target */
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 2);
    w.now += 600 * MMR_TH_S;
    call(&w, "192.168.1.5", "192.168.1.6", "svcctl", "CreateServiceW");
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 3);
    done(&w);
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

static void clear_text_passwords_across_the_internet_are_a_hint(void **state)
{
    static const struct {
        uint16_t port;
        const char *text;
        bool is_told;
    } rows[] = {{110, "PASS secret\r\n", true},        {143, "a1 LOGIN kei secret\r\n", true}, {587, "AUTH PLAIN AGtlaQBzZWNyZXQ=\r\n", true},
                {110, "USER kei\r\n", false},          {143, "a1 STARTTLS\r\n", false},        {587, "STARTTLS\r\n", false},
                {8080, "PASS secret\r\n", false}};
    struct world w;
    (void)state;
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        begin(&w, NULL);
        struct mmr_flow f = {.struct_size = sizeof f, .proto = IPPROTO_TCP, .zones = MMR_FLOW_CLIENT_INSIDE, .id = 1, .server_port = rows[k].port};
        struct mmr_chunk c = {.struct_size = sizeof c, .flow = &f, .data = (const uint8_t *)rows[k].text, .len = (uint32_t)strlen(rows[k].text)};
        assert_int_equal(mmr_testhost_feed(w.th, w.i, MMR_TOPIC_STREAM, &c), 1);
        int n = found(&w, "mamori.behaviour.clear_text_password");
        if ((n >= 0) != rows[k].is_told)
            fail_msg("row %zu", k);
        if (n >= 0)
            assert_null(strstr(mmr_testhost_text(w.th, n, "message"), "secret"));
        f.zones = MMR_FLOW_CLIENT_INSIDE | MMR_FLOW_SERVER_INSIDE;
        f.client.b[15] = 9; /* another pair, inside the office */
        mmr_testhost_clear(w.th);
        assert_int_equal(mmr_testhost_feed(w.th, w.i, MMR_TOPIC_STREAM, &c), 1);
        assert_int_equal(mmr_testhost_count(w.th, "finding"), 0);
        done(&w);
    }
    begin(&w, NULL);
    struct mmr_event *ev = event(&w, "ftp.command", "192.168.1.5", "203.0.113.9", 21, "outbound");
    mmr_event_str(ev, "unmapped.command", "PASS");
    send_event(&w);
    assert_true(found(&w, "mamori.behaviour.clear_text_password") >= 0);
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
        cmocka_unit_test(a_server_that_turns_round_is_told),
        cmocka_unit_test(clear_text_that_has_no_business_there_is_told),
        cmocka_unit_test(remote_administration_follows_the_table),
        cmocka_unit_test(controllers_may_replicate),
        cmocka_unit_test(a_flood_of_netlogon_challenges_is_zerologon),
        cmocka_unit_test(programs_that_nobody_asked_for_are_told),
        cmocka_unit_test(programs_on_administrative_shares_are_told),
        cmocka_unit_test(rc4_only_requests_are_told_lists_with_it_are_not),
        cmocka_unit_test(service_tickets_with_rc4_only_are_roasting),
        cmocka_unit_test(made_up_names_are_told_mistyped_ones_are_not),
        cmocka_unit_test(who_answers_to_every_name_is_told_who_answers_to_his_own_is_not),
        cmocka_unit_test(a_heartbeat_that_returns_more_is_heartbleed),
        cmocka_unit_test(an_address_that_flaps_between_two_cards_is_spoofed),
        cmocka_unit_test(a_spoofer_is_named_by_his_card_where_it_is_clear_who_he_is),
        cmocka_unit_test(the_same_pair_is_told_once_in_ten_minutes),
        cmocka_unit_test(more_data_than_ever_before_is_told_by_where_it_goes),
        cmocka_unit_test(addresses_nobody_named_are_a_hint),
        cmocka_unit_test(clear_text_passwords_across_the_internet_are_a_hint),
        cmocka_unit_test(memory_keeps_to_its_ceiling),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
