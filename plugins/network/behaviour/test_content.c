/*
 * test_content.c - what is said and fetched: call-backs, shells and passwords in clear text, programs nobody asked for,
 * heartbeats that return memory.
 */
#include "testworld.h"

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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_server_that_turns_round_is_told),
        cmocka_unit_test(clear_text_that_has_no_business_there_is_told),
        cmocka_unit_test(programs_that_nobody_asked_for_are_told),
        cmocka_unit_test(a_heartbeat_that_returns_more_is_heartbleed),
        cmocka_unit_test(clear_text_passwords_across_the_internet_are_a_hint),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
