/* test_ndpi.c - a DNS question and a stream of noise: one is named, the other never called a finding. */
#include "testhost.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <string.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_ndpi;

static void feed(struct mmr_testhost *th, int i, struct mmr_flow *f, const uint8_t *udp, size_t n)
{
    uint8_t b[512] = {0x45, 0, 0, 0, 0, 1, 0, 0, 64, IPPROTO_UDP, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2};
    b[2] = (uint8_t)((20 + n) >> 8);
    b[3] = (uint8_t)(20 + n);
    memcpy(b + 20, udp, n);
    struct mmr_frame frame = {.struct_size = sizeof frame, .time_ns = MMR_TH_START_NS, .input = "a", .index = 1};
    struct mmr_packet p = {.struct_size = sizeof p, .frame = &frame, .flow = f, .ip_version = 4, .proto = IPPROTO_UDP,
                           .l3 = b, .l3_len = (uint32_t)(20 + n), .l4_off = 20, .payload = b + 28,
                           .payload_len = (uint32_t)(n - 8)};
    assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_PACKET, &p), 1);
}

static void a_dns_question_is_named(void **state)
{
    static const uint8_t query[] = {0xcf, 0x08, 0, 53, 0, 37, 0, 0, 0x12, 0x34, 1, 0, 0, 1, 0, 0, 0, 0, 0, 0, 7, 'e', 'x',
                                    'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0, 1};
    static const uint8_t answer[] = {0, 53, 0xcf, 0x08, 0, 53, 0, 0, 0x12, 0x34, 0x81, 0x80, 0, 1, 0, 1, 0, 0, 0, 0, 7,
                                     'e', 'x', 'a', 'm', 'p', 'l', 'e', 3, 'o', 'r', 'g', 0, 0, 1, 0, 1, 0xc0, 0x0c, 0,
                                     1, 0, 1, 0, 0, 0, 60, 0, 4, 192, 0, 2, 1};
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_flow f = {.struct_size = sizeof f, .ip_version = 4, .proto = IPPROTO_UDP, .id = 1, .client_port = 53000, .server_port = 53};
    (void)state;
    int i = mmr_testhost_add(th, &mmr_plugin_ndpi, NULL, &err);
    if (i < 0)
        fail_msg("%s", err.text);
    feed(th, i, &f, query, sizeof query);
    feed(th, i, &f, answer, sizeof answer);
    assert_int_equal(mmr_testhost_feed(th, i, MMR_TOPIC_FLOW, &f), 1);
    assert_null(f.slot[MMR_SLOT_NDPI]);
    assert_int_equal(mmr_testhost_count(th, "net.hint"), 1);
    assert_string_equal(mmr_testhost_text(th, mmr_testhost_find(th, "net.hint", 0), "app_name"), "DNS");
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    mmr_testhost_free(th);
}

static void flows_beyond_the_ceiling_are_left_out(void **state)
{
    static const char *const cfg[] = {"flows_max", "256", NULL};
    static const uint8_t noise[16] = {0xcf, 0x08, 0x30, 0x39, 0, 16, 0, 0, 1, 2, 3, 4, 5, 6, 7, 8};
    static struct mmr_flow f[300];
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    size_t taken = 0;
    (void)state;
    int i = mmr_testhost_add(th, &mmr_plugin_ndpi, cfg, &err);
    assert_true(i >= 0);
    for (size_t k = 0; k < 300; k++) {
        f[k] = (struct mmr_flow){.struct_size = sizeof f[k], .ip_version = 4, .proto = IPPROTO_UDP, .id = k + 1};
        feed(th, i, &f[k], noise, sizeof noise);
        taken += f[k].slot[MMR_SLOT_NDPI] != NULL;
    }
    assert_int_equal(taken, 256);
    mmr_testhost_free(th); /* destroy() frees what is open */
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_dns_question_is_named),
                                       cmocka_unit_test(flows_beyond_the_ceiling_are_left_out)};
    return cmocka_run_group_tests(tests, NULL, NULL);
}
