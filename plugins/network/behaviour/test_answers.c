/*
 * test_answers.c - what is counted by what was answered, or was not: scans other than by SYN, log-ins refused by services of all kinds, echo packets
 * with content of their own, leases, lists; and clocks that are set back.
 */
#include "testworld.h"

static void call(struct world *w, const char *src, const char *dst, const char *iface, const char *op)
{
    struct mmr_event *ev = event(w, "dcerpc.call", src, dst, 445, "internal");
    mmr_event_str(ev, "unmapped.interface", iface);
    mmr_event_str(ev, "unmapped.operation", op);
    send_event(w);
}

static void one_packet(struct world *w, struct mmr_flow *f, uint8_t flags, uint8_t dir, uint8_t icmp_type, bool is_first)
{
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = w->now, .input = "a", .index = 1};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = f, .proto = f->proto, .tcp_flags = flags, .dir = dir,
                           .icmp_type = icmp_type, .flags = is_first ? MMR_PKT_FIRST : 0};
    f->packets[dir]++;
    assert_int_equal(mmr_testhost_feed(w->th, w->i, MMR_TOPIC_PACKET, &p), 1);
}

static void scans_without_a_syn_are_scans(void **state)
{
    enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16, URG = 32 };
    static const struct {
        const char *why, *rule;
        uint8_t proto, flags, answer, zones; /* answer: flags of TCP; for others, 1: answered */
        uint16_t from, to;
        int n, n_hosts;
        bool want;
    } rows[] = {
        {"FIN", "mamori.behaviour.port_scan", IPPROTO_TCP, FIN, 0, 3, 40000, 1000, 25, 1, true},
        {"no flags", "mamori.behaviour.port_scan", IPPROTO_TCP, 0, RST | ACK, 3, 40000, 1000, 25, 1, true},
        {"all flags", "mamori.behaviour.port_scan", IPPROTO_TCP, FIN | PSH | URG, 0, 3, 40000, 1000, 25, 1, true},
        {"acknowledgements of nothing, refused", "mamori.behaviour.port_scan", IPPROTO_TCP, ACK, RST, 3, 40000, 1000, 25, 1, true},
        {"connections the capture began in the middle of", "mamori.behaviour.port_scan", IPPROTO_TCP, ACK, ACK, 3, 40000, 1000, 60, 1, false},
        {"and that were over", "mamori.behaviour.port_scan", IPPROTO_TCP, ACK | FIN, RST | ACK, 3, 40000, 1000, 60, 1, false},
        {"datagrams", "mamori.behaviour.port_scan", IPPROTO_UDP, 0, 0, 3, 40000, 1000, 50, 1, true},
        {"not so many", "mamori.behaviour.port_scan", IPPROTO_UDP, 0, 0, 3, 40000, 1000, 49, 1, false},
        {"answered", "mamori.behaviour.port_scan", IPPROTO_UDP, 0, 1, 3, 40000, 1000, 200, 1, false},
        {"traceroute", "mamori.behaviour.port_scan", IPPROTO_UDP, 0, 0, 3, 40000, 33434, 90, 1, false},
        {"a name server whose questions were not seen", "mamori.behaviour.port_scan", IPPROTO_UDP, 0, 0, 3, 53, 40000, 200, 1, false},
        {"one of ours that plays outside", "mamori.behaviour.port_scan", IPPROTO_UDP, 0, 0, MMR_FLOW_CLIENT_INSIDE, 40000, 1000, 200, 1, false},
        {"echo requests", "mamori.behaviour.host_sweep", IPPROTO_ICMP, 0, 0, 3, 8, 0, 20, 200, true},
        {"echo requests that are answered", "mamori.behaviour.host_sweep", IPPROTO_ICMP, 0, 1, 3, 8, 0, 200, 200, false},
        {"one machine, again and again", "mamori.behaviour.host_sweep", IPPROTO_ICMP, 0, 0, 3, 8, 0, 200, 1, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            const bool is_icmp = rows[i].proto == IPPROTO_ICMP;
            struct mmr_flow f = flow(5, (uint8_t)(rows[i].n_hosts == 1 ? 6 : 10 + k), (uint16_t)(is_icmp ? 0 : rows[i].to + k));
            f.proto = rows[i].proto;
            f.client_port = rows[i].from;
            f.zones = rows[i].zones;
            w.now += 20 * MMR_TH_MS;
            one_packet(&w, &f, rows[i].flags, MMR_TO_SERVER, is_icmp ? 8 : 0, true);
            if (rows[i].answer)
                one_packet(&w, &f, rows[i].answer, MMR_TO_CLIENT, 0, false);
        }
        bool got = found(&w, rows[i].rule) >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d, want %d", rows[i].why, got, rows[i].want);
        done(&w);
    }
}

/* The clock was ahead by a year when twenty attempts were counted, and is right again: they are not held against those that follow, nor is what
 * was told then a reason to be silent now. */
static void a_clock_set_back_begins_anew(void **state)
{
    struct world w;
    (void)state;
    begin(&w, NULL);
    for (int part = 0; part < 3; part++) {
        if (part == 1)
            w.now -= 365 * 86400 * MMR_TH_S;
        for (int k = 0; k < (part == 2 ? 40 : 20); k++) {
            struct mmr_flow f = flow(5, 6, (uint16_t)(1000 + part * 100 + k));
            w.now += (part == 1 ? 10000 : 20) * MMR_TH_MS;
            one_packet(&w, &f, 2, MMR_TO_SERVER, 0, true);
        }
        assert_int_equal(mmr_testhost_count(w.th, "finding"), part == 2);
    }
    w.now -= 365 * 86400 * MMR_TH_S;
    for (int k = 0; k < 40; k++) {
        struct mmr_flow f = flow(5, 6, (uint16_t)(1000 + k));
        w.now += 20 * MMR_TH_MS;
        one_packet(&w, &f, 2, MMR_TO_SERVER, 0, true);
    }
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 2);
    done(&w);
}

static void refusals_of_services_in_a_row_are_guessing(void **state)
{
#define R(s) s, sizeof s - 1
    static const struct {
        const char *why, *data;
        size_t n;
        uint16_t port;
        bool want;
    } rows[] = {
        {"MySQL", R("\x48\0\0\x02\xff\x15\x04#28000Access denied for user 'root'@'10.0.0.9' (using password: YES)...."), 3306, true},
        {"MySQL, another error", R("\x1e\0\0\x02\xff\x28\x04#42000You have an error in...."), 3306, false},
        {"PostgreSQL", R("E\0\0\0\x58SFATAL\0VFATAL\0C28P01\0Mpassword authentication failed for user \"postgres\"\0Fauth.c\0L330\0Rauth\0\0"), 5432, true},
        {"PostgreSQL, another error", R("E\0\0\0\x2cSERROR\0VERROR\0C42P01\0Mrelation \"a\" is not there\0\0"), 5432, false},
        {"SQL Server", R("\x04\x01\0\x28\0\x34\x01\0\xaa\x1a\0\x18\x48\0\0\x01\x0e\x04L\0o\0g\0i\0n\0 \0f\0a\0i\0l\0e\0d\0"), 1433, true},
        {"SQL Server, changed database", R("\x04\x01\0\x28\0\x34\x01\0\xab\x1a\0\x45\x16\0\0\x01\x0e\x04L\0o\0g\0i\0n\0 \0f\0a\0i\0l\0e\0d\0"), 1433, false},
        {"directory", R("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\x31\x04\0\x04\0"), 389, true},
        {"directory, success", R("\x30\x0c\x02\x01\x01\x61\x07\x0a\x01\0\x04\0\x04\0"), 389, false},
        {"IMAP", R("a1 NO [AUTHENTICATIONFAILED] Authentication failed.\r\n"), 143, true},
        {"IMAP, no such folder", R("a1 NO Mailbox does not exist.\r\n"), 143, false},
        {"POP3", R("-ERR [AUTH] Invalid credentials.\r\n"), 110, true},
        {"SMTP", R("535 5.7.8 Error: authentication failed\r\n"), 587, true},
        {"SMTP, asks for a log-in", R("530 5.7.0 Authentication required\r\n"), 587, false},
        {"Redis", R("-WRONGPASS invalid username-password pair or user is disabled.\r\n"), 6379, true},
        {"Redis, not logged on", R("-NOAUTH Authentication required.\r\n"), 6379, false},
        {"Telnet", R("\r\nLogin incorrect\r\nlogin: "), 23, true},
        {"Telnet, last log-in", R("\r\nLast login: Mon Nov 2 on pts/0\r\n$ "), 23, false},
        {"broker", R("\x20\x02\0\x05"), 1883, true},
        {"broker, success", R("\x20\x02\0\0"), 1883, false},
    };
#undef R
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        for (int n = 14; n <= 15; n++) {
            struct world w;
            begin(&w, NULL);
            for (int k = 0; k < n; k++) {
                struct mmr_flow f = flow(5, 6, rows[i].port);
                w.now += 10 * MMR_TH_S;
                chunk(&w, &f, MMR_TO_CLIENT, rows[i].data, rows[i].n, 0);
            }
            bool got = found(&w, "mamori.behaviour.password_guessing") >= 0;
            if (got != (rows[i].want && n == 15))
                fail_msg("%s, %d times: found %d", rows[i].why, n, got);
            done(&w);
        }
}

static void communities_tried_one_after_the_other_are_guessing(void **state)
{
    (void)state;
    for (int differ = 0; differ < 2; differ++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < 40; k++) {
            char data[40] = "\x30\x1a\x02\x01\x01\x04\x08public00\xa0\x0b\x02\x01\x01\x02\x01\0\x02\x01\0\x30\0";
            struct mmr_flow f = flow(5, 6, 161);
            f.proto = IPPROTO_UDP;
            if (differ)
                data[14] = (char)('a' + k % 26);
            w.now += MMR_TH_S;
            chunk(&w, &f, MMR_TO_SERVER, data, 28, 0);
        }
        assert_int_equal(found(&w, "mamori.behaviour.password_guessing") >= 0 || found(&w, "mamori.behaviour.password_spraying") >= 0, differ);
        done(&w);
    }
}

static void one_failure_at_each_of_many_machines_is_spraying(void **state)
{
    (void)state;
    for (int n = 7; n <= 8; n++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < n; k++)
            for (int again = 0; again < 2; again++) { /* the same machine twice is one */
                char dst[32];
                (void)snprintf(dst, sizeof dst, "192.168.1.%d", 20 + k);
                w.now += MMR_TH_S;
                struct mmr_event *ev = event(&w, "smb.session", "192.168.1.5", dst, 445, "internal");
                mmr_event_str(ev, "unmapped.nt_status", "0xc000006d");
                mmr_event_str(ev, "user.name", "administrator");
                send_event(&w);
            }
        assert_int_equal(found(&w, "mamori.behaviour.password_spraying") >= 0, n == 8);
        done(&w);
    }
}

static void echo_requests_with_content_of_their_own_are_a_tunnel(void **state)
{
    enum { PATTERN, COUNTED, DATA, KINDS };
    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        struct world w;
        struct mmr_flow f = flow(5, 6, 0);
        f.proto = IPPROTO_ICMP;
        begin(&w, NULL);
        for (uint16_t k = 0; k < 60; k++) {
            uint8_t b[8 + 64] = {8, 0, 0, 0, 0, 1, (uint8_t)(k >> 8), (uint8_t)k};
            for (size_t i = 8; i < sizeof b; i++)
                b[i] = (uint8_t)i;
            if (kind == COUNTED) /* as ping does: time first */
                memset(b + 8, k, 16);
            if (kind == DATA)
                memset(b + 30, k * 3, 20);
            struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = w.now += MMR_TH_S, .input = "a", .index = 1};
            for (uint8_t reply = 0; reply < 2; reply++) { /* the system of the other side sends it back as it is */
                b[0] = reply ? 0 : 8;
                struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = &f, .proto = IPPROTO_ICMP, .icmp_type = b[0], .dir = reply,
                                       .l3 = b, .l3_len = sizeof b, .payload = b + 8, .payload_len = 64,
                                       .src = reply ? f.server : f.client, .dst = reply ? f.client : f.server};
                assert_int_equal(mmr_testhost_feed(w.th, w.i, MMR_TOPIC_PACKET, &p), 1);
            }
        }
        assert_int_equal(found(&w, "mamori.behaviour.icmp_tunnel") >= 0, kind == DATA);
        done(&w);
    }
}

static void addresses_taken_under_made_up_cards_are_told(void **state)
{
    static const struct {
        const char *why;
        unsigned cards, makers;
        bool want;
    } rows[] = {{"made up", 120, 120, true}, {"a power cut: many machines of few makers", 120, 5, false}, {"an office in the morning", 60, 60, false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (unsigned k = 0; k < 300; k++) {
            char b[300] = {1, 1, 6, 0};
            struct mmr_flow f = flow(0, 255, 67);
            f.proto = IPPROTO_UDP;
            b[29] = (char)(k % rows[i].makers);
            b[33] = (char)(k % rows[i].cards);
            memcpy(b + 236, "\x63\x82\x53\x63\x35\x01\x01\xff", 8);
            w.now += 100 * MMR_TH_MS;
            chunk(&w, &f, MMR_TO_SERVER, b, sizeof b, 0);
        }
        bool got = found(&w, "mamori.behaviour.dhcp_starvation") >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d", rows[i].why, got);
        done(&w);
    }
}

static void searches_that_only_attackers_need_are_told(void **state)
{
    static const struct {
        const char *filter, *rule;
    } rows[] = {
        {"(&(samAccountType=805306368)(servicePrincipalName=*)(!(samAccountName=krbtgt)))", "mamori.lateral.ldap_roastable"},
        {"(&(UserAccountControl:1.2.840.113556.1.4.803:=4194304)(!(UserAccountControl:1.2.840.113556.1.4.803:=2)))", "mamori.lateral.ldap_roastable"},
        {"(&(objectCategory=computer)(ms-Mcs-AdmPwd=*))", "mamori.lateral.ldap_secrets"},
        {"(adminCount=1)", "mamori.lateral.ldap_survey"},
        {"(sAMAccountName=anna)", NULL},
        {"(&(objectClass=user)(servicePrincipalName=HTTP/intranet))", NULL},
        {"(objectClass=*)", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        mmr_event_str(event(&w, "ldap.search", "192.168.1.5", "192.168.1.2", 389, "internal"), "unmapped.filter", rows[i].filter);
        send_event(&w);
        assert_int_equal(mmr_testhost_count(w.th, "finding"), rows[i].rule != NULL);
        if (rows[i].rule && found(&w, rows[i].rule) < 0)
            fail_msg("%s", rows[i].filter);
        done(&w);
    }
}

static void weak_tickets_of_many_services_are_a_harvest(void **state)
{
    static const struct {
        const char *why, *format;
        int n, etype;
        bool want;
    } rows[] = {
        {"four services of persons", "MSSQLSvc/db%d.example.local", 4, 23, true},
        {"three", "MSSQLSvc/db%d.example.local", 3, 23, false},
        {"well encrypted", "MSSQLSvc/db%d.example.local", 20, 18, false},
        {"file servers", "cifs/files%d.example.local", 20, 23, false},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        for (int k = 0; k < rows[i].n; k++) {
            char service[64];
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wformat-nonliteral" /* the table's own formats */
            (void)snprintf(service, sizeof service, rows[i].format, k);
#pragma GCC diagnostic pop
            w.now += MMR_TH_S;
            struct mmr_event *ev = event(&w, "krb.reply", "192.168.1.5", "192.168.1.2", 88, "internal");
            mmr_event_str(ev, "unmapped.message", "TGS-REP");
            mmr_event_str(ev, "unmapped.service", service);
            mmr_event_int(ev, "unmapped.ticket_etype", rows[i].etype);
            send_event(&w);
        }
        bool got = found(&w, "mamori.lateral.ticket_harvest") >= 0;
        if (got != rows[i].want)
            fail_msg("%s: found %d", rows[i].why, got);
        done(&w);
    }
}

static void one_list_after_the_other_is_told(void **state)
{
    static const char *const asked[][2] = {{"samr", "SamrEnumerateUsersInDomain"}, {"samr", "SamrQueryDisplayInformation"}, {"samr", "SamrEnumerateGroupsInDomain"},
                                           {"srvsvc", "NetrShareEnum"}, {"lsarpc", "LsarEnumerateAccounts"}};
    (void)state;
    for (size_t n = 4; n <= 5; n++) { /* the first two are one kind */
        struct world w;
        begin(&w, NULL);
        for (size_t i = 0; i < n; i++)
            call(&w, "192.168.1.5", "192.168.1.2", asked[i][0], asked[i][1]);
        assert_int_equal(found(&w, "mamori.lateral.enumeration") >= 0, n == 5);
        done(&w);
    }
}

static void files_with_passwords_and_autostarts_on_other_machines_are_told(void **state)
{
    static const struct {
        const char *kind, *path, *rule;
    } rows[] = {
        {"smb.open", "Windows\\NTDS\\ntds.dit", "mamori.lateral.secret_file"},
        {"smb.open", "Windows\\System32\\config\\SAM", "mamori.lateral.secret_file"},
        {"smb.open", "Users\\anna\\Documents\\config\\sample.txt", NULL},
        {"smb.write", "Users\\anna\\AppData\\Roaming\\Microsoft\\Windows\\Start Menu\\Programs\\Startup\\a.lnk", "mamori.lateral.autostart_file"},
        {"smb.write", "Users\\anna\\Documents\\startup.docx", NULL},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, rows[i].kind, "192.168.1.5", "192.168.1.6", 445, "internal");
        mmr_event_str(ev, "file.path", rows[i].path);
        mmr_event_str(ev, "unmapped.share", "\\\\192.168.1.6\\C$");
        send_event(&w);
        assert_int_equal(mmr_testhost_count(w.th, "finding"), rows[i].rule != NULL);
        if (rows[i].rule && found(&w, rows[i].rule) < 0)
            fail_msg("%s", rows[i].path);
        done(&w);
    }
}

static void who_says_he_is_the_proxy_of_all_is_told_at_once(void **state)
{
    static const struct {
        const char *name, *source;
        bool want;
    } rows[] = {{"WPAD", "nbns", true}, {"wpad", "llmnr", true}, {"printer", "llmnr", false}, {"wpad", "dhcp", false}, {"wpadding", "nbns", false}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct world w;
        begin(&w, NULL);
        struct mmr_event *ev = event(&w, "host.addr", "192.168.1.7", "192.168.1.66", 137, "internal");
        mmr_event_str(ev, "device.hostname", rows[i].name);
        mmr_event_str(ev, "device.ip", "192.168.1.66");
        mmr_event_str(ev, "unmapped.source", rows[i].source);
        send_event(&w);
        assert_int_equal(found(&w, "mamori.behaviour.name_poisoning") >= 0, rows[i].want);
        done(&w);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(scans_without_a_syn_are_scans),
        cmocka_unit_test(a_clock_set_back_begins_anew),
        cmocka_unit_test(refusals_of_services_in_a_row_are_guessing),
        cmocka_unit_test(communities_tried_one_after_the_other_are_guessing),
        cmocka_unit_test(one_failure_at_each_of_many_machines_is_spraying),
        cmocka_unit_test(echo_requests_with_content_of_their_own_are_a_tunnel),
        cmocka_unit_test(addresses_taken_under_made_up_cards_are_told),
        cmocka_unit_test(searches_that_only_attackers_need_are_told),
        cmocka_unit_test(weak_tickets_of_many_services_are_a_harvest),
        cmocka_unit_test(one_list_after_the_other_is_told),
        cmocka_unit_test(files_with_passwords_and_autostarts_on_other_machines_are_told),
        cmocka_unit_test(who_says_he_is_the_proxy_of_all_is_told_at_once),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
