/* Tables with ceilings, identities, clock estimates, and who is who. */
#include "entity/resolve.h"

#include "util/clock.h"

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define S MMR_NS_PER_S

static unsigned dropped;

static void on_drop(void *ctx, void *item)
{
    (void)ctx;
    (void)item;
    dropped++;
}

static void a_full_table_forgets_the_oldest(void **state)
{
    struct mmr_table *t;
    bool is_new;
    (void)state;
    dropped = 0;
    assert_int_equal(mmr_table_new(sizeof(uint64_t), 1000, on_drop, NULL, &t, NULL), 0);
    for (uint64_t k = 0; k < 5000; k++) {
        uint64_t *v = mmr_table_put(t, mmr_key_of(1, &k, 8), &is_new);
        assert_true(is_new);
        *v = k;
        uint64_t keep = 0; /* in use: never the oldest */
        assert_non_null(mmr_table_put(t, mmr_key_of(1, &keep, 8), &is_new));
        assert_false(is_new);
    }
    assert_int_equal(mmr_table_count(t), 1000);
    assert_int_equal(mmr_table_evicted(t), 4000);
    for (uint64_t k = 0; k < 5000; k++) {
        uint64_t *v = mmr_table_find(t, mmr_key_of(1, &k, 8));
        assert_true((v != NULL) == (k == 0 || k > 4000));
        if (v)
            assert_int_equal(*v, k);
    }
    for (uint64_t k = 4001; k < 5000; k += 2)
        mmr_table_drop(t, mmr_key_of(1, &k, 8));
    for (uint64_t k = 4001; k < 5000; k++)
        assert_true((mmr_table_find(t, mmr_key_of(1, &k, 8)) != NULL) == (k % 2 == 0));
    mmr_table_free(t);
    assert_int_equal(dropped, 5000);
}

static void identities(void **state)
{
    (void)state;
    static const char *const same[][2] = {{"PC1.office.example", "pc1"}, {"Pc1", "pc1"}, {"192.0.2.5", "192.0.2.5"},
                                          {"PC1$", "pc1"}};
    for (size_t k = 0; k < 4; k++) {
        char got[MMR_HOST_NAME_MAX];
        mmr_host_normalise(same[k][0], got);
        assert_string_equal(got, same[k][1]);
    }
    struct mmr_conn a = {.src_port = 5000, .dst_port = 443, .proto = 6}, b = {.src_port = 443, .dst_port = 5000, .proto = 6};
    assert_true(mmr_addr_parse("192.0.2.5", 9, &a.src));
    assert_true(mmr_addr_parse("203.0.113.9", 11, &a.dst));
    b.src = a.dst;
    b.dst = a.src;
    struct mmr_key x = mmr_key_conn(&a), y = mmr_key_conn(&b);
    assert_memory_equal(&x, &y, sizeof x);
    b.dst_port = 5001;
    y = mmr_key_conn(&b);
    assert_memory_not_equal(&x, &y, sizeof x);
    static const struct {
        const char *path;
        bool is_common;
    } paths[] = {
        {"C:\\Windows\\System32\\cmd.exe", true}, {"c:\\windows\\explorer.exe", true}, {"/usr/bin/bash", true}, {"", true},
        {"C:\\Windows\\Temp\\x.exe", false}, {"C:\\Users\\a\\AppData\\x.exe", false}, {"/tmp/x", false}, {"x", false},
    };
    for (size_t k = 0; k < sizeof paths / sizeof paths[0]; k++)
        if (mmr_path_is_common(paths[k].path) != paths[k].is_common)
            fail_msg("'%s'", paths[k].path);
    assert_true(mmr_user_is_common("NT AUTHORITY\\SYSTEM") && mmr_user_is_common("PC1$") && mmr_user_is_common("root"));
    assert_false(mmr_user_is_common("office\\hanako"));
    assert_true(mmr_process_is_common("C:\\Windows\\System32\\svchost.exe") && mmr_process_is_common("systemd"));
    assert_false(mmr_process_is_common("/usr/bin/java"));
}

static void the_median_of_samples_is_the_offset(void **state)
{
    struct mmr_offsets *o;
    struct mmr_key k = mmr_key_text(1, "", "pc1"), other = mmr_key_text(1, "", "pc2");
    (void)state;
    assert_int_equal(mmr_offsets_new(4, &o, NULL), 0);
    assert_int_equal(mmr_offsets_get(o, k), 0);
    assert_true(mmr_offsets_sample(o, k, 40 * S));
    assert_false(mmr_offsets_sample(o, k, 40 * S + 1000));
    (void)mmr_offsets_sample(o, k, -9000 * S); /* a reused port: one wild sample */
    assert_int_equal(mmr_offsets_get(o, k), 40 * S);
    for (int i = 0; i < 200; i++) /* the clock is set right: old samples leave */
        (void)mmr_offsets_sample(o, k, (i % 3) * 1000);
    assert_int_equal(mmr_offsets_get(o, k), 1000);
    assert_true(mmr_offsets_error(o, k) <= 2000);
    assert_int_equal(mmr_offsets_get(o, other), 0);
    mmr_offsets_free(o);
}

static struct mmr_finding event(char side, const char *kind, const char *src, int sport, const char *dst, int dport,
                                const char *host)
{
    struct mmr_finding f;
    memset(&f, 0, sizeof f);
    f.side = side == 'n' ? MMR_SIDE_NETWORK : MMR_SIDE_ENDPOINT;
    f.kind = kind;
    f.host = host;
    f.proto = "tcp";
    f.time_ns = 1000 * S;
    if (src)
        assert_true(mmr_addr_parse(src, strlen(src), &f.src));
    if (dst)
        assert_true(mmr_addr_parse(dst, strlen(dst), &f.dst));
    f.src_port = (uint16_t)sport;
    f.dst_port = (uint16_t)dport;
    return f;
}

static void connections_find_processes_hosts_and_clocks(void **state)
{
    struct mmr_resolve *r;
    struct mmr_resolve_config c = {0};
    struct mmr_learnt l;
    (void)state;
    assert_int_equal(mmr_resolve_new(&c, &r, NULL), 0);
    struct mmr_finding net = event('n', "flow.start", "10.1.1.5", 5000, "203.0.113.9", 443, NULL);
    struct mmr_finding ep = event('e', "conn.open", "10.1.1.5", 5000, "203.0.113.9", 443, "PC1.lan");
    ep.process.name = "curl";
    ep.process.uid = "9:1";
    ep.time_ns -= 5 * 86400 * S; /* five days slow */
    assert_int_equal(mmr_resolve_learn(r, &net, &l, NULL), 0);
    assert_int_equal(l.what, 0);
    assert_int_equal(mmr_resolve_learn(r, &ep, &l, NULL), 0);
    assert_int_equal(l.what, MMR_LEARNT_CONN | MMR_LEARNT_ADDR | MMR_LEARNT_OFFSET);
    assert_string_equal(l.host, "pc1");
    struct mmr_conn conn;
    assert_true(mmr_conn_of(&net, &conn));
    const struct mmr_seen_conn *s = mmr_resolve_conn(r, &conn);
    assert_non_null(s);
    assert_string_equal(s->owner[0].name, "curl");
    assert_string_equal(s->owner[0].process, "9:1");
    assert_int_equal(mmr_resolve_clock(r, &ep), 5 * 86400 * S);
    assert_int_equal(mmr_resolve_clock(r, &net), 0);
    /* the machine's own address followed from the connection: the other end is outside */
    assert_string_equal(mmr_resolve_host(r, &net.src), "pc1");
    assert_null(mmr_resolve_host(r, &net.dst));
    assert_ptr_equal(mmr_resolve_pair_next(r, &net.dst, &net.src, NULL), s);
    assert_null(mmr_resolve_pair_next(r, &net.dst, &net.src, s));
    mmr_resolve_free(r);
}

static void addresses_move_and_services_show(void **state)
{
    struct mmr_resolve *r;
    struct mmr_cidr home;
    assert_int_equal(mmr_cidr_parse("192.0.2.0/24", &home, NULL), 0);
    struct mmr_asset gw = {.name = "GW", .role = "router"};
    assert_true(mmr_addr_parse("192.0.2.254", 11, &gw.addr[0]));
    struct mmr_resolve_config c = {.home = &home, .n_home = 1, .assets = &gw, .n_assets = 1};
    struct mmr_learnt l;
    (void)state;
    assert_int_equal(mmr_resolve_new(&c, &r, NULL), 0);
    assert_int_equal(mmr_resolve_infra(r, &gw.addr[0], false), MMR_INFRA_ROUTER);
    struct mmr_finding lease = event('n', "host.addr", NULL, 0, NULL, 0, "PC1");
    assert_true(mmr_addr_parse("192.0.2.5", 9, &lease.host_addr));
    assert_int_equal(mmr_resolve_learn(r, &lease, &l, NULL), 0);
    assert_string_equal(mmr_resolve_host(r, &lease.host_addr), "pc1");
    assert_string_equal(mmr_resolve_display(r, "pc1"), "PC1");
    lease.host = "PC2"; /* DHCP gives the address to another */
    assert_int_equal(mmr_resolve_learn(r, &lease, &l, NULL), 0);
    assert_int_equal(l.what, MMR_LEARNT_ADDR);
    assert_string_equal(mmr_resolve_host(r, &lease.host_addr), "pc2");

    struct mmr_finding dns = event('n', "dns.answer", "192.0.2.5", 5000, "192.0.2.2", 53, NULL);
    dns.domain = "www.example";
    dns.answers = "203.0.113.80 203.0.113.81";
    assert_int_equal(mmr_resolve_learn(r, &dns, &l, NULL), 0);
    assert_int_equal(mmr_resolve_infra(r, &dns.dst, true), MMR_INFRA_DNS);
    assert_int_equal(mmr_resolve_infra(r, &dns.dst, false), 0);
    struct mmr_addr web;
    assert_true(mmr_addr_parse("203.0.113.81", 12, &web));
    assert_string_equal(mmr_resolve_name(r, &web), "www.example");
    /* outside, one client may be talking to a tunnel; two make it a service */
    struct mmr_finding out = event('n', "dns.answer", "192.0.2.5", 5000, "198.51.100.53", 53, NULL);
    assert_int_equal(mmr_resolve_learn(r, &out, &l, NULL), 0);
    assert_int_equal(mmr_resolve_infra(r, &out.dst, true), 0);
    assert_true(mmr_addr_parse("192.0.2.6", 9, &out.src));
    assert_int_equal(mmr_resolve_learn(r, &out, &l, NULL), 0);
    assert_int_equal(mmr_resolve_infra(r, &out.dst, true), MMR_INFRA_DNS);
    struct mmr_addr list[8];
    assert_int_equal(mmr_resolve_infra_list(r, list, 8), 3);
    mmr_resolve_free(r);
}

static void tables_hold_their_ceilings(void **state)
{
    struct mmr_resolve *r;
    struct mmr_resolve_config c = {.max_conns = 10, .max_processes = 10, .max_addrs = 10, .max_names = 10, .max_sessions = 10};
    struct mmr_learnt l;
    (void)state;
    assert_int_equal(mmr_resolve_new(&c, &r, NULL), 0);
    for (int k = 0; k < 1000; k++) {
        char host[16], uid[16];
        struct mmr_finding f = event('e', "conn.open", "10.0.0.1", 1 + k, "203.0.113.9", 443, host);
        (void)snprintf(host, sizeof host, "h%d", k);
        (void)snprintf(uid, sizeof uid, "%d:1", k);
        f.process.uid = uid;
        assert_int_equal(mmr_resolve_learn(r, &f, &l, NULL), 0);
    }
    assert_true(mmr_resolve_evicted(r) >= 990 * 2);
    unsigned walked = 0;
    struct mmr_addr a, b;
    assert_true(mmr_addr_parse("10.0.0.1", 8, &a));
    assert_true(mmr_addr_parse("203.0.113.9", 11, &b));
    for (const struct mmr_seen_conn *s = NULL; walked < 100 && (s = mmr_resolve_pair_next(r, &a, &b, s)); walked++)
        ;
    assert_int_equal(walked, 10);
    mmr_resolve_free(r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_full_table_forgets_the_oldest),
        cmocka_unit_test(identities),
        cmocka_unit_test(the_median_of_samples_is_the_offset),
        cmocka_unit_test(connections_find_processes_hosts_and_clocks),
        cmocka_unit_test(addresses_move_and_services_show),
        cmocka_unit_test(tables_hold_their_ceilings),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
