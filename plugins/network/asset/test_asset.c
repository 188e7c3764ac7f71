/* test_asset.c - machines are learnt from packets and names, routers lend their card to nobody, what is new is said after the first days. */
#include <testhost.h>

#include "maker.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_asset;

static struct mmr_addr v4(uint8_t a, uint8_t b, uint8_t c, uint8_t d)
{
    return (struct mmr_addr){{[10] = 0xff, 0xff, a, b, c, d}};
}

/* from: last byte of 192.168.1.x, 0: 203.0.113.9 */
static void packet(struct mmr_testhost *th, int i, uint8_t from, uint8_t to, uint8_t card, uint8_t flags, uint16_t sport, uint8_t ttl)
{
    struct mmr_frame f = {.struct_size = sizeof f, .time_ns = mmr_testhost_time(th), .wire_len = 60, .input = "eth0", .index = 1};
    struct mmr_flow flow = {.struct_size = sizeof flow};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &f, .flow = &flow, .ip_version = 4, .proto = IPPROTO_TCP, .tcp_flags = flags, .ttl = ttl,
                           .src_port = sport, .dst_port = 50000, .src_mac = {0x00, 0x80, 0x77, 0, 0, card},
                           .src = from ? v4(192, 168, 1, from) : v4(203, 0, 113, 9), .dst = to ? v4(192, 168, 1, to) : v4(203, 0, 113, 9)};
    assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_PACKET, &p), 1);
}

static int add(struct mmr_testhost *th, const char *learn)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"learn", learn, "makers", "/nowhere", NULL};
    int i = mmr_testhost_add(th, &mmr_plugin_asset, cfg, &err);
    if (i < 0)
        fail_msg("%s", err.text);
    return i;
}

static void machines_are_told_with_card_maker_system_and_role(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    (void)mmr_testhost_make_state_dir(th);
    int i = add(th, "7d");
    packet(th, i, 5, 0, 5, 2, 50001, 127);    /* a Windows PC opens */
    packet(th, i, 9, 5, 9, 18, 9100, 64);     /* a printer answers */
    packet(th, i, 0, 5, 1, 18, 443, 50);      /* through the router's card */
    packet(th, i, 77, 5, 1, 16, 50002, 64);   /* an inside machine behind it: no card of its own */
    mmr_testhost_advance(th, 11 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(th, "asset.seen"), 3);
    int n = mmr_testhost_find_text(th, "asset.seen", "device.ip", "192.168.1.5");
    assert_string_equal(mmr_testhost_text(th, n, "device.mac"), "00:80:77:00:00:05");
    assert_string_equal(mmr_testhost_text(th, n, "unmapped.maker"), "Brother");
    assert_string_equal(mmr_testhost_text(th, n, "unmapped.system"), "Windows");
    assert_string_equal(mmr_testhost_text(th, n, "unmapped.role"), "client");
    n = mmr_testhost_find_text(th, "asset.seen", "device.ip", "192.168.1.9");
    assert_string_equal(mmr_testhost_text(th, n, "unmapped.role"), "printer");
    assert_string_equal(mmr_testhost_text(th, n, "unmapped.services"), "9100");
    n = mmr_testhost_find_text(th, "asset.seen", "device.ip", "192.168.1.77");
    assert_string_equal(mmr_testhost_text(th, n, "device.mac"), "");
    n = mmr_testhost_find(th, "net.sees", 0);
    assert_int_equal(mmr_testhost_int(th, n, "unmapped.packets_out", -1), 1);
    assert_int_equal(mmr_testhost_int(th, n, "unmapped.packets_in", -1), 1);
    assert_int_equal(mmr_testhost_int(th, n, "unmapped.packets_inside", -1), 2);
    mmr_testhost_advance(th, 60 * MMR_TH_S); /* nothing new: nothing told */
    assert_int_equal(mmr_testhost_count(th, NULL), 4);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    mmr_testhost_free(th);
}

static void what_is_new_is_said_after_the_first_days_also_across_a_restart(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    (void)mmr_testhost_make_state_dir(th);
    int i = add(th, "1d");
    packet(th, i, 5, 9, 5, 18, 80, 64);
    packet(th, i, 0, 5, 1, 16, 443, 50);
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    mmr_testhost_set_time(th, MMR_TH_START_NS + 2 * 86400 * MMR_TH_S);
    packet(th, i, 5, 9, 5, 18, 80, 64); /* known */
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    packet(th, i, 5, 9, 5, 18, 4444, 64);
    packet(th, i, 6, 9, 6, 2, 50000, 64);
    assert_int_equal(mmr_testhost_count(th, "finding"), 2);
    int n = mmr_testhost_find_text(th, "finding", "mamori.rule", "mamori.asset.new_service");
    assert_int_equal(mmr_testhost_int(th, n, "src_endpoint.port", 0), 4444);
    assert_string_equal(mmr_testhost_text(th, n, "mamori.phase"), "");
    assert_true(mmr_testhost_find_text(th, "finding", "mamori.rule", "mamori.asset.new_device") >= 0);
    int k = add(th, "1d"); /* another instance over the same state: it remembers */
    packet(th, k, 5, 9, 5, 18, 4444, 64);
    packet(th, k, 6, 9, 6, 2, 50000, 64);
    assert_int_equal(mmr_testhost_count(th, "finding"), 2);
    mmr_testhost_free(th);
}

static void recorded_input_changes_nothing(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, "0s");
    packet(th, i, 5, 9, 5, 18, 80, 64);
    mmr_testhost_advance(th, 20 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(th, NULL), 0);
    mmr_testhost_free(th);
}

static void the_table_keeps_its_ceiling(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    (void)mmr_testhost_make_state_dir(th);
    int i = add(th, "7d");
    for (unsigned k = 0; k < 60000; k++) {
        struct mmr_frame f = {.struct_size = sizeof f, .time_ns = mmr_testhost_time(th), .wire_len = 60, .input = "eth0"};
        struct mmr_packet p = {.struct_size = sizeof p, .frame = &f, .ip_version = 4, .proto = IPPROTO_UDP, .src_mac = {0, 1, 2, 3, (uint8_t)(k >> 8), (uint8_t)k},
                               .src = v4(10, (uint8_t)(k >> 16), (uint8_t)(k >> 8), (uint8_t)k), .dst = v4(192, 168, 1, 1)};
        assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_PACKET, &p), 1);
    }
    mmr_testhost_advance(th, 400 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(th, "asset.seen"), 3072);
    mmr_testhost_free(th);
}

static void makers_come_from_table_registry_or_are_random(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-oui-XXXXXX", buf[40];
    static const char text[] = "OUI/MA-L\n\nAC-DE-48   (hex)\t\tTest Maker, Inc.\r\nACDE48     (base 16)\n";
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, sizeof text - 1), (ssize_t)sizeof text - 1);
    (void)close(fd);
    static const struct {
        uint8_t mac[6];
        const char *want;
    } rows[] = {{{0x00, 0xa0, 0xde, 1, 2, 3}, "Yamaha"}, {{0xac, 0xde, 0x48, 1, 2, 3}, "Test Maker, Inc."},
                {{0x02, 1, 2, 3, 4, 5}, "random"}, {{0xfc, 0xff, 0xfc, 1, 2, 3}, ""}};
    for (size_t k = 0; k < sizeof rows / sizeof rows[0]; k++) {
        asset_maker(rows[k].mac, path, buf);
        assert_string_equal(buf, rows[k].want);
    }
    assert_int_equal(unlink(path), 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(machines_are_told_with_card_maker_system_and_role),
        cmocka_unit_test(what_is_new_is_said_after_the_first_days_also_across_a_restart),
        cmocka_unit_test(recorded_input_changes_nothing),
        cmocka_unit_test(the_table_keeps_its_ceiling),
        cmocka_unit_test(makers_come_from_table_registry_or_are_random),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
