/* test_capture.c - capture files written here: formats, byte orders, gzip, broken ends. */
#include "capture.h"
#include "testhost.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>
#include <zlib.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_capture;

struct got {
    unsigned n;
    int64_t time_ns[8];
    uint32_t len[8], wire[8], link;
    uint64_t index;
    char input[64];
};

static void on_frame(void *ctx, const void *item)
{
    struct got *g = ctx;
    const struct mmr_frame *f = item;
    if (g->n < 8) {
        g->time_ns[g->n] = f->time_ns;
        g->len[g->n] = f->cap_len;
        g->wire[g->n] = f->wire_len;
    }
    g->n++;
    g->link = f->linktype;
    g->index = f->index;
    (void)snprintf(g->input, sizeof g->input, "%s", f->input);
}

struct bytes {
    uint8_t p[4096];
    size_t n;
};

static void u32(struct bytes *b, uint32_t v, bool big)
{
    for (unsigned i = 0; i < 4; i++)
        b->p[b->n++] = (uint8_t)(v >> (big ? 24 - 8 * i : 8 * i));
}

/* A pcap file of two packets of 60 and 5 bytes, at 100.5 s and 101.25 s. */
static void classic(struct bytes *b, uint32_t magic, bool big)
{
    bool nano = magic == 0xa1b23c4d;
    b->n = 0;
    u32(b, magic, big);
    u32(b, big ? 2U << 16 | 4 : 4U << 16 | 2, big);
    u32(b, 0, big);
    u32(b, 0, big);
    u32(b, 65535, big);
    u32(b, 1, big);
    u32(b, 100, big);
    u32(b, nano ? 500000000 : 500000, big);
    u32(b, 60, big);
    u32(b, 1500, big);
    memset(b->p + b->n, 0xaa, 60);
    b->n += 60;
    u32(b, 101, big);
    u32(b, nano ? 250000000 : 250000, big);
    u32(b, 5, big);
    u32(b, 5, big);
    memset(b->p + b->n, 0xbb, 5);
    b->n += 5;
}

static void store(char *path, const void *p, size_t n)
{
    (void)snprintf(path, 32, "/tmp/mamori-test-XXXXXX");
    int fd = mkstemp(path);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, p, n), (ssize_t)n);
    (void)close(fd);
}

static int64_t replay(const void *p, size_t n, const char *const *cfg, struct got *g, unsigned *ret_warned, struct mmr_error *err)
{
    char path[32];
    struct mmr_testhost *th = mmr_testhost_new();
    memset(g, 0, sizeof *g);
    store(path, p, n);
    mmr_testhost_listen(th, MMR_TOPIC_FRAME, on_frame, g);
    int c = mmr_testhost_add(th, &mmr_plugin_capture, cfg, err);
    assert_true(c >= 0);
    int64_t rc = mmr_testhost_replay(th, c, path, NULL, err);
    if (ret_warned)
        *ret_warned = mmr_testhost_logged(th, MMR_LOG_WARN, NULL);
    mmr_testhost_free(th);
    (void)unlink(path);
    return rc;
}

static void every_byte_order_and_resolution_is_read(void **state)
{
    static const struct {
        const char *why;
        uint32_t magic;
        bool big;
    } rows[] = {{"little, µs", 0xa1b2c3d4, false}, {"big, µs", 0xa1b2c3d4, true}, {"little, ns", 0xa1b23c4d, false}, {"big, ns", 0xa1b23c4d, true}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes b;
        struct got g;
        struct mmr_error err = {.struct_size = sizeof err};
        unsigned warned;
        classic(&b, rows[i].magic, rows[i].big);
        int64_t rc = replay(b.p, b.n, NULL, &g, &warned, &err);
        if (rc != 2 || g.n != 2 || g.time_ns[0] != 100500000000 || g.time_ns[1] != 101250000000 || g.len[0] != 60 ||
            g.wire[0] != 1500 || g.len[1] != 5 || g.link != 1 || g.index != 2 || warned != 0)
            fail_msg("%s: %lld records, %u frames, first at %lld (%s)", rows[i].why, (long long)rc, g.n,
                     (long long)g.time_ns[0], err.text);
    }
}

static void a_broken_end_keeps_what_came_before(void **state)
{
    (void)state;
    for (size_t cut = 1; cut < 5 + 16; cut++) {
        struct bytes b;
        struct got g;
        struct mmr_error err = {.struct_size = sizeof err};
        unsigned warned;
        classic(&b, 0xa1b2c3d4, false);
        int64_t rc = replay(b.p, b.n - cut, NULL, &g, &warned, &err);
        if (rc != 1 || g.n != 1 || warned != 1)
            fail_msg("cut by %zu: %lld records, %u frames, %u warnings", cut, (long long)rc, g.n, warned);
    }
}

static void pcapng_is_read(void **state)
{
    struct bytes b = {.n = 0};
    struct got g;
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    u32(&b, 0x0a0d0d0a, false);
    u32(&b, 28, false);
    u32(&b, 0x1a2b3c4d, false);
    u32(&b, 1, false);
    u32(&b, 0xffffffff, false);
    u32(&b, 0xffffffff, false);
    u32(&b, 28, false);
    u32(&b, 1, false); /* interface: Ethernet, microseconds */
    u32(&b, 20, false);
    u32(&b, 1, false);
    u32(&b, 0, false);
    u32(&b, 20, false);
    uint64_t t = 100500000;
    u32(&b, 6, false); /* enhanced packet */
    u32(&b, 36, false);
    u32(&b, 0, false);
    u32(&b, (uint32_t)(t >> 32), false);
    u32(&b, (uint32_t)t, false);
    u32(&b, 4, false);
    u32(&b, 4, false);
    u32(&b, 0x01020304, false);
    u32(&b, 36, false);
    assert_int_equal(replay(b.p, b.n, NULL, &g, NULL, &err), 1);
    assert_int_equal(g.time_ns[0], 100500000000);
    assert_int_equal(g.len[0], 4);
}

static size_t gzip(const void *p, size_t n, uint8_t *out, size_t cap)
{
    z_stream z = {0};
    assert_int_equal(deflateInit2(&z, 9, Z_DEFLATED, 15 + 16, 9, Z_DEFAULT_STRATEGY), Z_OK);
    union { /* zlib reads but does not write it */
        const void *c;
        Bytef *b;
    } in = {.c = p};
    z.next_in = in.b;
    z.avail_in = (uInt)n;
    z.next_out = out;
    z.avail_out = (uInt)cap;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    size_t len = z.total_out;
    (void)deflateEnd(&z);
    return len;
}

static void gzip_is_inflated_up_to_its_limit(void **state)
{
    static const char *const small[] = {"gzip_max", "64K", NULL};
    struct bytes b;
    struct got g;
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t out[8192];
    unsigned warned;
    (void)state;
    classic(&b, 0xa1b2c3d4, false);
    assert_int_equal(replay(out, gzip(b.p, b.n, out, sizeof out), NULL, &g, NULL, &err), 2);
    /* a bomb: one header and 64 MiB of packets of zeros */
    size_t n = 64 << 20;
    uint8_t *bomb = calloc(1, n), *packed = malloc(1 << 20);
    assert_non_null(bomb);
    assert_non_null(packed);
    memcpy(bomb, b.p, 24);
    int64_t rc = replay(packed, gzip(bomb, n, packed, 1 << 20), small, &g, &warned, &err);
    free(bomb);
    free(packed);
    assert_true(rc > 0 && rc <= 65536 / 16);
}

static void other_files_are_not_ours(void **state)
{
    static const struct {
        const char *why;
        const char *bytes;
        size_t n;
    } rows[] = {{"empty", "", 0}, {"text", "{\"a\":1}\n", 8}, {"two bytes of a capture", "\xd4\xc3", 2}, {"gzip of nothing", "\x1f\x8b", 2}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct got g;
        struct mmr_error err = {.struct_size = sizeof err};
        int64_t rc = replay(rows[i].bytes, rows[i].n, NULL, &g, NULL, &err);
        if (rc != MMR_EUNSUPPORTED || !strstr(err.text, "/tmp/mamori-test-"))
            fail_msg("%s: %lld (%s)", rows[i].why, (long long)rc, err.text);
    }
}

static void the_default_route_names_the_interface(void **state)
{
    static const char table[] = "Iface\tDestination\tGateway \tFlags\tRefCnt\tUse\tMetric\tMask\t\tMTU\tWindow\tIRTT\n"
                                "eth1\t0000A8C0\t00000000\t0001\t0\t0\t0\t00FFFFFF\t0\t0\t0\n"
                                "wlan0\t00000000\t0100A8C0\t0003\t0\t0\t600\t00000000\t0\t0\t0\n"
                                "eth0\t00000000\t0100A8C0\t0003\t0\t0\t100\t00000000\t0\t0\t0\n";
    char path[32], name[64] = "untouched";
    (void)state;
    store(path, table, sizeof table - 1);
    assert_true(cap_default_route(path, name, sizeof name));
    assert_string_equal(name, "eth0"); /* the lower metric */
    (void)unlink(path);
    assert_false(cap_default_route(path, name, sizeof name));
}

static void the_gateways_count_is_read(void **state)
{
    static const char dev[] = "Inter-|   Receive                                                |  Transmit\n"
                              " face |bytes    packets errs drop fifo frame compressed multicast|bytes    packets errs drop fifo colls carrier compressed\n"
                              "  eth1: 1 2 3 4 5 6 7 8 9 10 11 12 13 14 15 16\n"
                              "  eth0:12345678901 2 0 0 0 0 0 0 99 10 0 0 0 0 0 0\n";
    char path[32];
    uint64_t n = 7;
    (void)state;
    store(path, dev, sizeof dev - 1);
    assert_true(cap_counter_read(path, "eth0", &n));
    assert_int_equal(n, 12345678901 + 99);
    assert_true(cap_counter_read(path, "eth1", &n));
    assert_int_equal(n, 1 + 9);
    assert_false(cap_counter_read(path, "eth", &n));
    assert_false(cap_counter_read(path, NULL, &n)); /* no number */
    assert_int_equal(n, 1 + 9);
    (void)unlink(path);
    store(path, "987654321\n", 10);
    assert_true(cap_counter_read(path, NULL, &n));
    assert_int_equal(n, 987654321);
    (void)unlink(path);
    store(path, "12 apples", 9);
    assert_false(cap_counter_read(path, NULL, &n));
    (void)unlink(path);
    assert_false(cap_counter_read(path, NULL, &n));
}

/* The comparison starts where the sensor does, starts anew with the gateway, and says nothing of a handful of bytes. */
static void captured_bytes_stand_beside_the_gateways(void **state)
{
    struct cap_config cfg = {0};
    struct cap c = {.cfg = &cfg};
    struct cap_input *in = &c.in[0];
    char path[32];
    (void)state;
    store(path, "5000000\n", 8);
    cfg.gateway_counter = path;
    cap_counter_look(&c, in);
    assert_int_equal(in->gateway_bytes, 0);
    assert_true(in->has_counter);
    for (unsigned i = 0; i < 2000; i++)
        cap_counter_frame(in, 996); /* 1,000 with the check sequence */
    (void)unlink(path);
    store(path, "5000900\n", 8);
    cfg.gateway_counter = path;
    cap_counter_look(&c, in);
    assert_int_equal(in->gateway_bytes, 0); /* too little to say anything */
    (void)unlink(path);
    store(path, "8000000\n", 8);
    cfg.gateway_counter = path;
    cap_counter_look(&c, in);
    assert_int_equal(in->gateway_bytes, 3000000);
    assert_int_equal(cap_counter_seen(in), 2000000);
    (void)unlink(path);
    store(path, "17\n", 3); /* it was switched off and on */
    cfg.gateway_counter = path;
    cap_counter_look(&c, in);
    assert_int_equal(in->gateway_bytes, 0);
    assert_int_equal(cap_counter_seen(in), 0);
    cfg.filter = "tcp"; /* what is left out on purpose is not missing */
    cap_counter_look(&c, in);
    assert_int_equal(in->gateway_bytes, 0);
    (void)unlink(path);
}

static void count_ours(void *ctx, const void *item)
{
    unsigned *n = ctx;
    const struct mmr_frame *f = item;
    if (memmem(f->data, f->cap_len, "mamori live capture test", 24))
        ++*n;
}

static void packets_of_an_interface_arrive(void **state)
{
    static const char *const cfg[] = {"interfaces", "lo", "filter", "udp and dst port 47474", NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    struct sockaddr_in to = {.sin_family = AF_INET, .sin_port = htons(47474), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    unsigned n = 0;
    (void)state;
    mmr_testhost_use_real_clock(th);
    mmr_testhost_listen(th, MMR_TOPIC_FRAME, count_ours, &n);
    assert_true(mmr_testhost_add(th, &mmr_plugin_capture, cfg, &err) >= 0);
    int rc = mmr_testhost_start(th, &err);
    if (rc == MMR_EPERM) { /* packet sockets are for root */
        assert_non_null(strstr(err.text, "lo"));
        mmr_testhost_free(th);
        skip();
    }
    if (rc < 0)
        fail_msg("%s", err.text);
    int fd = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    assert_true(fd >= 0);
    for (int i = 0; i < 10; i++)
        (void)sendto(fd, "mamori live capture test", 24, 0, (const struct sockaddr *)&to, sizeof to);
    for (int i = 0; i < 100 && n < 10; i++)
        (void)mmr_testhost_poll(th, 20);
    (void)close(fd);
    assert_true(n >= 10); /* the loopback shows each packet once or twice */
    mmr_testhost_free(th);
}

static void a_missing_interface_is_named(void **state)
{
    static const char *const cfg[] = {"interfaces", "nosuchif0", NULL}, *const bad[] = {"interfaces", "lo", "filter", "no filter", NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    assert_true(mmr_testhost_add(th, &mmr_plugin_capture, cfg, &err) >= 0);
    assert_true(mmr_testhost_start(th, &err) < 0);
    assert_non_null(strstr(err.text, "nosuchif0"));
    mmr_testhost_free(th);
    th = mmr_testhost_new();
    assert_true(mmr_testhost_add(th, &mmr_plugin_capture, bad, &err) >= 0);
    assert_true(mmr_testhost_start(th, &err) < 0);
    mmr_testhost_free(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_byte_order_and_resolution_is_read), cmocka_unit_test(a_broken_end_keeps_what_came_before),
        cmocka_unit_test(pcapng_is_read),                          cmocka_unit_test(gzip_is_inflated_up_to_its_limit),
        cmocka_unit_test(other_files_are_not_ours),                cmocka_unit_test(the_default_route_names_the_interface),
        cmocka_unit_test(the_gateways_count_is_read),              cmocka_unit_test(captured_bytes_stand_beside_the_gateways),
        cmocka_unit_test(packets_of_an_interface_arrive),          cmocka_unit_test(a_missing_interface_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
