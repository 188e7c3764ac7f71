/* test_flow.c - frames built byte by byte go in; packets, ordered data, flows and events come out. */
#include "net_decode.h"
#include "net_text.h"
#include "testhost.h"

#include <netinet/in.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_flow;
enum { FIN = 1, SYN = 2, RST = 4, PSH = 8, ACK = 16 };

struct seen {
    struct mmr_testhost *th;
    int flow;
    char data[2][8192];
    size_t n[2];
    uint32_t gaps[2], ends[2], packets, retransmits, fragments, starts, n_ended;
    uint64_t bytes[2];
    uint8_t state, zones;
    int64_t time_ns;
    uint64_t index;
    const char *input;
    uint16_t ip_id, urgent;
};

static void on_chunk(void *ctx, const void *item)
{
    struct seen *s = ctx;
    const struct mmr_chunk *c = item;
    if (c->flags & MMR_CHUNK_GAP) {
        s->gaps[c->dir] += c->gap;
        s->data[c->dir][s->n[c->dir]++] = '_';
    }
    if (c->flags & MMR_CHUNK_START)
        s->starts++;
    if (c->flags & MMR_CHUNK_END)
        s->ends[c->dir]++;
    assert_true(s->n[c->dir] + c->len < sizeof s->data[0]);
    if (c->len)
        memcpy(s->data[c->dir] + s->n[c->dir], c->data, c->len);
    s->n[c->dir] += c->len;
}

static void on_packet(void *ctx, const void *item)
{
    struct seen *s = ctx;
    const struct mmr_packet *p = item;
    s->packets++;
    s->retransmits += (p->flags & MMR_PKT_RETRANSMIT) != 0;
    s->fragments += (p->flags & MMR_PKT_FRAGMENT) != 0;
}

static void on_end(void *ctx, const void *item)
{
    struct seen *s = ctx;
    const struct mmr_flow *f = item;
    s->n_ended++;
    s->state = f->tcp_state;
    s->zones = f->zones;
    s->bytes[0] = f->bytes[0];
    s->bytes[1] = f->bytes[1];
}

static void begin(struct seen *s, const char *const *cfg)
{
    struct mmr_error err = {.struct_size = sizeof err};
    memset(s, 0, sizeof *s);
    s->th = mmr_testhost_new();
    mmr_testhost_listen(s->th, MMR_TOPIC_STREAM, on_chunk, s);
    mmr_testhost_listen(s->th, MMR_TOPIC_PACKET, on_packet, s);
    mmr_testhost_listen(s->th, MMR_TOPIC_FLOW, on_end, s);
    s->flow = mmr_testhost_add(s->th, &mmr_plugin_flow, cfg, &err);
    if (s->flow < 0)
        fail_msg("%s", err.text);
    s->time_ns = MMR_TH_START_NS;
    s->input = "a";
    s->ip_id = 1;
}

static void finish(struct seen *s)
{
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_testhost_finish(s->th, &err), 0);
}

static void frame(struct seen *s, uint32_t link, const uint8_t *p, size_t n)
{
    struct mmr_frame f = {.struct_size = sizeof f, .linktype = link, .time_ns = s->time_ns += MMR_TH_MS, .data = p,
                          .cap_len = (uint32_t)n, .wire_len = (uint32_t)n, .input = s->input, .index = ++s->index};
    assert_int_equal(mmr_testhost_feed(s->th, s->flow, MMR_TOPIC_FRAME, &f), 1);
}

static size_t ip4(struct seen *s, uint8_t *b, uint8_t proto, uint8_t src, uint8_t dst, const void *l4, size_t n, uint16_t frag)
{
    uint16_t total = (uint16_t)(20 + n), id = s->ip_id++;
    const uint8_t head[20] = {0x45, 0, (uint8_t)(total >> 8), (uint8_t)total, (uint8_t)(id >> 8), (uint8_t)id,
                              (uint8_t)(frag >> 8), (uint8_t)frag, 64, proto, 0, 0, 10, 0, 0, src, 10, 0, 0, dst};
    memcpy(b, head, 20);
    memcpy(b + 20, l4, n);
    return 20 + n;
}

/* A segment from client (10.0.0.1:50000) to server (10.0.0.2:80), or back. */
static void tcp(struct seen *s, bool to_server, uint8_t flags, uint32_t seq, uint32_t ack, const char *data)
{
    uint8_t b[2048], seg[1600];
    size_t n = strlen(data);
    uint16_t sp = to_server ? 50000 : 80, dp = to_server ? 80 : 50000;
    const uint8_t head[20] = {(uint8_t)(sp >> 8), (uint8_t)sp, (uint8_t)(dp >> 8), (uint8_t)dp, (uint8_t)(seq >> 24),
                              (uint8_t)(seq >> 16), (uint8_t)(seq >> 8), (uint8_t)seq, (uint8_t)(ack >> 24),
                              (uint8_t)(ack >> 16), (uint8_t)(ack >> 8), (uint8_t)ack, 0x50, flags, 0x20, 0, 0, 0, (uint8_t)(s->urgent >> 8), (uint8_t)s->urgent};
    memcpy(seg, head, 20);
    memcpy(seg + 20, data, n);
    frame(s, NET_DLT_RAW_LINK, b, ip4(s, b, IPPROTO_TCP, to_server ? 1 : 2, to_server ? 2 : 1, seg, 20 + n, 0));
}

static void handshake(struct seen *s)
{
    tcp(s, true, SYN, 999, 0, "");
    tcp(s, false, SYN | ACK, 4999, 1000, "");
    tcp(s, true, ACK, 1000, 5000, "");
}

static void expect(const struct seen *s, uint8_t dir, const char *want)
{
    if (s->n[dir] != strlen(want) || memcmp(s->data[dir], want, s->n[dir]) != 0)
        fail_msg("direction %u: got \"%.*s\", want \"%s\"", dir, (int)s->n[dir], s->data[dir], want);
}

static void segments_come_out_in_order_once(void **state)
{
    static const struct {
        const char *why;
        struct {
            uint32_t seq;
            const char *data;
        } seg[5];
        const char *want;
    } rows[] = {
        {"in order", {{1000, "abc"}, {1003, "def"}}, "abcdef"},
        {"swapped", {{1003, "def"}, {1000, "abc"}}, "abcdef"},
        {"repeated", {{1000, "abc"}, {1000, "abc"}, {1003, "def"}}, "abcdef"},
        {"a later copy does not change an earlier byte", {{1000, "abc"}, {1001, "XYZ"}}, "abcZ"},
        {"nor one that still waits", {{1003, "def"}, {1002, "XXXXY"}, {1000, "ab"}}, "abXdefY"},
        {"a piece inside a waiting piece", {{1002, "cdef"}, {1003, "XX"}, {1000, "ab"}}, "abcdef"},
        {"one piece over several waiting ones", {{1001, "b"}, {1003, "d"}, {1000, "XXXXXX"}}, "XbXdXX"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        begin(&s, NULL);
        handshake(&s);
        for (size_t k = 0; k < 5 && rows[i].seg[k].data; k++)
            tcp(&s, true, ACK | PSH, rows[i].seg[k].seq, 5000, rows[i].seg[k].data);
        if (s.n[0] != strlen(rows[i].want) || memcmp(s.data[0], rows[i].want, s.n[0]) != 0)
            fail_msg("%s: got \"%.*s\", want \"%s\"", rows[i].why, (int)s.n[0], s.data[0], rows[i].want);
        mmr_testhost_free(s.th);
    }
}

static void a_hole_the_receiver_acknowledged_is_given_up(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    handshake(&s);
    tcp(&s, true, ACK, 1000, 5000, "abc");
    tcp(&s, true, ACK, 1010, 5000, "xyz"); /* seven bytes never captured */
    expect(&s, 0, "abc");
    s.time_ns += 50 * MMR_TH_MS;
    tcp(&s, false, ACK, 5000, 1013, "");
    expect(&s, 0, "abc_xyz");
    assert_int_equal(s.gaps[0], 7);
    tcp(&s, true, ACK, 1003, 5000, "LATEONE");
    expect(&s, 0, "abc_xyz");
    mmr_testhost_free(s.th);
}

static void waiting_data_has_a_ceiling(void **state)
{
    static const char *const cfg[] = {"stream_max", "4K", NULL};
    struct seen s;
    char block[513];
    (void)state;
    memset(block, 'x', 512);
    block[512] = '\0';
    begin(&s, cfg);
    handshake(&s);
    for (uint32_t i = 0; i < 9; i++) /* nine times 512 is more than 4 KiB */
        tcp(&s, true, ACK, 1100 + i * 512, 5000, block);
    assert_int_equal(s.gaps[0], 100);
    assert_int_equal(s.n[0], 9 * 512 + 1);
    mmr_testhost_free(s.th);
}

static void sequence_numbers_may_wrap(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    tcp(&s, true, SYN, 0xfffffffdU, 0, "");
    tcp(&s, false, SYN | ACK, 1, 0xfffffffeU, "");
    tcp(&s, true, ACK, 0xfffffffeU, 2, "abcd");
    tcp(&s, true, ACK, 2, 2, "ef");
    expect(&s, 0, "abcdef");
    mmr_testhost_free(s.th);
}

static void fin_and_reset_end_the_streams(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    handshake(&s);
    tcp(&s, true, ACK | FIN, 1000, 5000, "bye");
    assert_int_equal(s.ends[0], 1);
    assert_int_equal(s.ends[1], 0);
    tcp(&s, false, RST, 9000000, 0, ""); /* does not fit the stream: anybody can send it */
    assert_int_equal(s.ends[1], 0);
    tcp(&s, false, ACK, 5000, 1004, "ok");
    expect(&s, 1, "ok");
    tcp(&s, false, RST | ACK, 5002, 1004, "");
    assert_int_equal(s.ends[1], 1);
    finish(&s);
    assert_int_equal(s.n_ended, 1);
    assert_int_equal(s.state, MMR_TCP_CLOSED);
    assert_int_equal(s.bytes[0], 3);
    assert_int_equal(s.bytes[1], 2);
    assert_int_equal(mmr_testhost_count(s.th, "flow.start"), 1);
    assert_int_equal(mmr_testhost_count(s.th, "flow.end"), 1);
    int end = mmr_testhost_find(s.th, "flow.end", 0);
    assert_string_equal(mmr_testhost_text(s.th, end, "src_endpoint.ip"), "10.0.0.1");
    assert_int_equal(mmr_testhost_int(s.th, end, "traffic.bytes_out", -1), 3);
    assert_int_equal(mmr_testhost_int(s.th, end, "traffic.bytes_in", -1), 2);
    mmr_testhost_free(s.th);
}

static void a_pickup_in_the_middle_finds_client_and_server(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    tcp(&s, false, ACK, 7000, 300, "HTTP/1.1 200 OK\r\n\r\n"); /* the server's half comes first */
    tcp(&s, true, ACK, 300, 7019, "GET / HTTP/1.1\r\n");
    expect(&s, 1, "HTTP/1.1 200 OK\r\n\r\n");
    expect(&s, 0, "GET / HTTP/1.1\r\n");
    int start = mmr_testhost_find(s.th, "flow.start", 0);
    assert_string_equal(mmr_testhost_text(s.th, start, "src_endpoint.ip"), "10.0.0.1");
    assert_int_equal(mmr_testhost_int(s.th, start, "dst_endpoint.port", 0), 80);
    assert_string_equal(mmr_testhost_text(s.th, start, "unmapped.tcp_state"), "midstream");
    mmr_testhost_free(s.th);
}

static void one_packet_seen_at_two_points_counts_once(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    handshake(&s);
    tcp(&s, true, ACK, 1000, 5000, "abc");
    uint32_t packets = s.packets;
    s.ip_id--;
    s.input = "b";
    tcp(&s, true, ACK, 1000, 5000, "abc"); /* the same packet elsewhere */
    assert_int_equal(s.packets, packets);
    s.ip_id--;
    s.input = "a";
    tcp(&s, true, ACK, 1000, 5000, "abc"); /* again at the same place: the sender repeated it */
    assert_int_equal(s.packets, packets + 1);
    assert_int_equal(s.retransmits, 1);
    expect(&s, 0, "abc");
    mmr_testhost_free(s.th);
}

static void fragments_are_put_together_and_the_first_byte_wins(void **state)
{
    struct seen s;
    uint8_t b[2048];
    /* UDP 53000 -> 5000, 8 + 24 bytes, in three fragments of 16, 8 and 8; one overlaps with other bytes */
    uint8_t udp[32] = {0xcf, 0x08, 0x13, 0x88, 0, 32, 0, 0};
    (void)state;
    memcpy(udp + 8, "0123456789abcdefghijklmn", 24);
    begin(&s, NULL);
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, udp + 24, 8, 3)); /* last: offset 24 */
    s.ip_id--;
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, udp, 16, 0x2000));
    s.ip_id--;
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, "XXXXXXXXYYYYYYYY", 16, 0x2000 | 1)); /* 8 to 24 */
    assert_int_equal(s.fragments, 1);
    expect(&s, 0, "01234567YYYYYYYYghijklmn");
    mmr_testhost_free(s.th);
}

static void tags_and_link_types_are_read(void **state)
{
    static const struct {
        const char *why;
        uint32_t link;
        uint8_t head[24];
        size_t n;
    } rows[] = {
        {"Ethernet", NET_DLT_EN10MB, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}, 14},
        {"one tag", NET_DLT_EN10MB, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x81, 0, 0, 5, 8, 0}, 18},
        {"QinQ", NET_DLT_EN10MB, {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x88, 0xa8, 0, 5, 0x81, 0, 0, 6, 8, 0}, 22},
        {"cooked", NET_DLT_SLL, {0, 0, 0, 1, 0, 6, 0, 0, 0, 0, 0, 0, 0, 0, 8, 0}, 16},
        {"cooked 2", NET_DLT_SLL2, {8, 0}, 20},
        {"loopback", NET_DLT_NULL, {2}, 4},
        {"PPP", NET_DLT_PPP, {0xff, 3, 0, 0x21}, 4},
        {"raw", NET_DLT_RAW_LINK, {0}, 0},
    };
    const uint8_t udp[12] = {0xcf, 0x08, 0x13, 0x88, 0, 12, 0, 0, 't', 'e', 'x', 't'};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        uint8_t b[256];
        begin(&s, NULL);
        memcpy(b, rows[i].head, rows[i].n);
        frame(&s, rows[i].link, b, rows[i].n + ip4(&s, b + rows[i].n, IPPROTO_UDP, 1, 2, udp, sizeof udp, 0));
        if (s.n[0] != 4 || memcmp(s.data[0], "text", 4) != 0)
            fail_msg("%s: the payload was not found", rows[i].why);
        mmr_testhost_free(s.th);
    }
}

static void a_full_table_drops_the_oldest_half_open_flow(void **state)
{
    static const char *const cfg[] = {"flows_max", "256", NULL};
    struct seen s;
    (void)state;
    begin(&s, cfg);
    handshake(&s);
    for (unsigned i = 0; i < 2000; i++) { /* a SYN flood of made-up sources */
        uint8_t b[64], seg[20] = {0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, SYN, 0x20, 0};
        seg[0] = (uint8_t)(i >> 8);
        seg[1] = (uint8_t)i;
        frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_TCP, 9, 2, seg, 20, 0));
    }
    assert_true(s.n_ended >= 1700);
    tcp(&s, true, ACK, 1000, 5000, "still here");
    expect(&s, 0, "still here");
    mmr_testhost_free(s.th);
}

static void flows_end_after_their_time(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    mmr_testhost_set_time(s.th, s.time_ns);
    tcp(&s, true, SYN, 999, 0, "");
    mmr_testhost_advance(s.th, 29 * MMR_TH_S);
    assert_int_equal(s.n_ended, 0);
    mmr_testhost_advance(s.th, 4 * MMR_TH_S);
    assert_int_equal(s.n_ended, 1);
    mmr_testhost_free(s.th);
}

static void zones_follow_the_configured_ranges(void **state)
{
    static const char *const cfg[] = {"home_net", "10.0.0.2/32", NULL}, *const bad[] = {"home_net", "10.0.0.0/33", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    struct seen s;
    (void)state;
    begin(&s, cfg);
    handshake(&s);
    finish(&s);
    assert_int_equal(s.zones, MMR_FLOW_SERVER_INSIDE);
    assert_string_equal(mmr_testhost_text(s.th, mmr_testhost_find(s.th, "flow.start", 0), "mamori.direction"), "inbound");
    assert_int_equal(mmr_testhost_add(s.th, &mmr_plugin_flow, bad, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "10.0.0.0/33"));
    mmr_testhost_free(s.th);
}

static void lying_headers_are_marked_not_followed(void **state)
{
    static const struct {
        const char *why;
        uint8_t b[28];
        size_t n;
    } rows[] = {
        {"header longer than the packet", {0x4f, 0, 0, 28, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, 20},
        {"total shorter than the header", {0x45, 0, 0, 10, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2}, 20},
        {"TCP cut", {0x45, 0, 0, 24, 0, 1, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 0, 80, 0, 81}, 24},
        {"one byte", {0x45}, 1},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        begin(&s, NULL);
        frame(&s, NET_DLT_RAW_LINK, rows[i].b, rows[i].n);
        if (s.packets != 1 || s.n[0] || s.n[1] || mmr_testhost_count(s.th, "flow.start") != 0)
            fail_msg("%s: packets %u, flows %d", rows[i].why, s.packets, mmr_testhost_count(s.th, "flow.start"));
        mmr_testhost_free(s.th);
    }
}

/* Each kind of tunnel carries the same datagram; its payload is seen beside the outer one's. */
static void what_tunnels_carry_is_seen(void **state)
{
    static const struct {
        uint8_t proto;
        uint16_t port; /* of UDP */
        uint8_t n, head[24];
        bool has_eth;
    } rows[] = {
        {4, 0, 0, {0}, false},
        {47, 0, 4, {0, 0, 8, 0}, false},
        {47, 0, 12, {0x30, 0, 0x65, 0x58, 0, 0, 0, 1, 0, 0, 0, 2}, true},
        {47, 0, 16, {0x10, 0, 0x88, 0xbe, 0, 0, 0, 1, 0x10}, true},
        {17, 4789, 8, {8}, true},
        {17, 6081, 8, {0, 0, 0x65, 0x58}, true},
    };
    static const uint8_t eth[14] = {2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4, 8, 0};
    static const uint8_t dgram[] = {0x30, 0x39, 0, 53, 0, 13, 0, 0, 'i', 'n', 'n', 'e', 'r'};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        uint8_t in[128], l4[200], out[256];
        begin(&s, NULL);
        size_t n_in = ip4(&s, in, IPPROTO_UDP, 7, 8, dgram, sizeof dgram, 0), n = rows[i].port ? 8 : 0;
        memcpy(l4 + n, rows[i].head, rows[i].n);
        n += rows[i].n;
        if (rows[i].has_eth) {
            memcpy(l4 + n, eth, sizeof eth);
            n += sizeof eth;
        }
        memcpy(l4 + n, in, n_in);
        n += n_in;
        if (rows[i].port) {
            const uint8_t udp[8] = {0x40, 0, (uint8_t)(rows[i].port >> 8), (uint8_t)rows[i].port, 0, (uint8_t)n, 0, 0};
            memcpy(l4, udp, sizeof udp);
        }
        frame(&s, NET_DLT_RAW, out, ip4(&s, out, rows[i].proto, 1, 2, l4, n, 0));
        assert_int_equal(s.packets, 2);
        assert_true(s.n[0] >= 5 && memcmp(s.data[0] + s.n[0] - 5, "inner", 5) == 0);
        mmr_testhost_free(s.th);
    }
}

static void tunnels_in_tunnels_end_somewhere(void **state)
{
    struct seen s;
    uint8_t a[512], b[512];
    size_t n = 8;
    (void)state;
    begin(&s, NULL);
    memset(a, 0, sizeof a);
    for (int i = 0; i < 12; i++) {
        n = ip4(&s, b, 4, 1, 2, a, n, 0);
        memcpy(a, b, n);
    }
    frame(&s, NET_DLT_RAW, a, n);
    assert_int_equal(s.packets, 5); /* the outer one and four inside */
    mmr_testhost_free(s.th);
}

static void labels_and_tags_are_stepped_over(void **state)
{
    static const uint8_t mac[12] = {2, 2, 2, 2, 2, 2, 4, 4, 4, 4, 4, 4};
    static const struct {
        uint32_t link;
        uint8_t n, head[20];
    } rows[] = {
        {NET_DLT_C_HDLC, 4, {0x0f, 0, 8, 0}},
        {NET_DLT_EN10MB, 10, {0x88, 0x47, 0, 0, 0x10, 0x40, 0, 0, 0x21, 0x40}},
        {NET_DLT_EN10MB, 10, {0x89, 0x3f, 0, 0, 0, 0, 0, 0, 8, 0}},
        {NET_DLT_EN10MB, 8, {0x89, 0x26, 0, 0, 0, 0, 8, 0}},
    };
    static const uint8_t dgram[] = {0x30, 0x39, 0, 53, 0, 13, 0, 0, 'i', 'n', 'n', 'e', 'r'};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        uint8_t out[128];
        size_t n = 0;
        begin(&s, NULL);
        if (rows[i].link == NET_DLT_EN10MB) {
            memcpy(out, mac, n = sizeof mac);
        }
        memcpy(out + n, rows[i].head, rows[i].n);
        n += rows[i].n;
        if (i == 1) /* the second label is the last */
            out[n - 2] |= 1;
        n += ip4(&s, out + n, IPPROTO_UDP, 7, 8, dgram, sizeof dgram, 0);
        frame(&s, rows[i].link, out, n);
        assert_int_equal(s.n[0], 5);
        assert_memory_equal(s.data[0], "inner", 5);
        mmr_testhost_free(s.th);
    }
}

/* What a host does not take is not data; each row says what the server's program would read. */
static void what_the_other_side_does_not_take_is_no_data(void **state)
{
    enum { C = 1, S = 2 };
    static const struct {
        const char *why;
        struct {
            uint8_t from, flags;
            uint32_t seq, ack;
            const char *data;
            uint16_t urgent;
            int wait_ms;
        } seg[12];
        const char *want;
    } rows[] = {
        {"data on a SYN that was not taken", {{C, SYN, 999, 0, "innocent", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK, 1000, 5000, "evil", 0, 0}}, "evil"},
        {"data on a SYN that was taken", {{C, SYN, 999, 0, "fast", 0, 0}, {S, SYN | ACK, 4999, 1004, "", 0, 0}, {C, ACK, 1004, 5000, "open", 0, 0}}, "fastopen"},
        {"data on a SYN, only one half seen, sent again", {{C, SYN, 999, 0, "innocent", 0, 0}, {C, ACK, 1000, 5000, "evil", 0, 0}}, "evil"},
        {"data on a SYN, only one half seen, taken", {{C, SYN, 999, 0, "fast", 0, 0}, {C, ACK, 1004, 5000, "open", 0, 0}}, "fastopen"},
        {"a second SYN with another number", {{C, SYN, 999, 0, "", 0, 0}, {C, SYN, 77777, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK, 1000, 5000, "evil", 0, 0}}, "evil"},
        {"a SYN into an open connection", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK, 1000, 5000, "", 0, 0}, {C, SYN, 77777, 0, "", 0, 0}, {C, ACK, 1000, 5000, "evil", 0, 0}}, "evil"},
        {"a FIN from the past", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK, 1000, 5000, "ev", 0, 0}, {C, FIN | ACK, 500, 5000, "", 0, 0}, {C, ACK, 1002, 5000, "il", 0, 0}}, "evil"},
        {"a FIN and data that acknowledge nothing", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, PSH, 1000, 0, "nope", 0, 0}, {C, FIN, 1000, 0, "", 0, 0}, {C, ACK, 1000, 5000, "evil", 0, 0}}, "evil"},
        {"a FIN, then a SYN, of which the server knows nothing", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK, 1000, 5000, "ev", 0, 0}, {C, FIN | ACK, 1040, 5000, "", 0, 0}, {C, SYN, 77777, 0, "", 0, 0}, {C, ACK, 1002, 5000, "il", 0, 0}}, "evil"},
        {"what comes with a reset", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK, 1000, 5000, "a", 0, 0}, {C, RST, 900000000, 0, "reason", 0, 0}, {C, ACK, 1001, 5000, "b", 0, 0}}, "ab"},
        {"an urgent byte", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK | 32, 1000, 5000, "eXvil", 2, 0}}, "evil"},
        {"an urgent byte of the next segment, which comes first", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK | 32, 1002, 5000, "X", 1, 0}, {C, ACK, 1003, 5000, "il", 0, 0}, {C, ACK, 1000, 5000, "ev", 0, 0}}, "evil"},
        {"an urgent byte announced by the segment before", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK | 32, 1000, 5000, "ev", 3, 0}, {C, ACK, 1002, 5000, "Xil", 0, 0}}, "evil"},
        {"a hole the server waits for", {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK, 1002, 5000, "il", 0, 0}, {S, ACK, 5000, 1000, "", 0, 9000}, {C, ACK, 1000, 5000, "ev", 0, 0}}, "evil"},
        {"segments out of the window, again and again",
         {{C, SYN, 999, 0, "", 0, 0}, {S, SYN | ACK, 4999, 1000, "", 0, 0}, {C, ACK, 1000, 5000, "ev", 0, 0}, {C, ACK, 50001000, 5000, "a", 0, 0}, {C, ACK, 50001001, 5000, "b", 0, 0},
          {C, ACK, 50001002, 5000, "c", 0, 0}, {C, ACK, 50001003, 5000, "d", 0, 0}, {C, ACK, 50001004, 5000, "e", 0, 0}, {C, ACK, 1002, 5000, "il", 0, 0}},
         "evil"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct seen s;
        begin(&s, NULL);
        for (size_t k = 0; k < 12 && rows[i].seg[k].from; k++) {
            s.urgent = rows[i].seg[k].urgent;
            s.time_ns += rows[i].seg[k].wait_ms * MMR_TH_MS;
            tcp(&s, rows[i].seg[k].from == C, rows[i].seg[k].flags, rows[i].seg[k].seq, rows[i].seg[k].ack, rows[i].seg[k].data);
        }
        if (s.n[0] != strlen(rows[i].want) || memcmp(s.data[0], rows[i].want, s.n[0]) != 0)
            fail_msg("%s: got \"%.*s\", want \"%s\"", rows[i].why, (int)s.n[0], s.data[0], rows[i].want);
        if (s.n_ended)
            fail_msg("%s: the flow ended", rows[i].why);
        mmr_testhost_free(s.th);
    }
}

/* The end of the old connection was not captured; its ports are used again. */
static void ports_used_again_are_a_new_connection_when_the_server_agrees(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    handshake(&s);
    tcp(&s, true, ACK, 1000, 5000, "old");
    tcp(&s, true, SYN, 0x70000000U, 0, "");
    assert_int_equal(s.n_ended, 0);
    tcp(&s, false, SYN | ACK, 0x20000000U, 0x70000001U, "");
    assert_int_equal(s.n_ended, 1);
    tcp(&s, true, ACK, 0x70000001U, 0x20000001U, "new");
    tcp(&s, false, ACK, 0x20000001U, 0x70000004U, "yes");
    expect(&s, 0, "oldnew");
    expect(&s, 1, "yes");
    assert_int_equal(s.gaps[0] + s.gaps[1], 0);
    mmr_testhost_free(s.th);
}

static void an_answer_sent_twice_is_no_new_connection(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    handshake(&s);
    tcp(&s, false, ACK, 5000, 1000, "220 hello");
    tcp(&s, false, SYN | ACK, 4999, 1000, "");
    tcp(&s, true, ACK, 1000, 5009, "EHLO");
    assert_int_equal(s.n_ended, 0);
    expect(&s, 0, "EHLO");
    mmr_testhost_free(s.th);
}

/* Fragments that say different ends: nothing comes out that was never sent. */
static void a_datagram_has_one_end(void **state)
{
    struct seen s;
    uint8_t b[2048], big[80], udp[32] = {0xcf, 0x08, 0x13, 0x88, 0, 32, 0, 0};
    (void)state;
    memset(big, 'B', sizeof big);
    memcpy(udp + 8, "0123456789abcdefghijklmn", 24);
    begin(&s, NULL);
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, big, 80, 0x2000 | 10)); /* 80 to 160 */
    s.ip_id--;
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, udp + 24, 8, 3)); /* "the last one", before them */
    s.ip_id--;
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, udp, 8, 0x2000));
    assert_int_equal(s.fragments, 0);
    s.ip_id += 5;
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, udp + 24, 8, 3));
    s.ip_id--;
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, big, 80, 0x2000 | 10)); /* behind the end */
    s.ip_id--;
    frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_UDP, 1, 2, udp, 24, 0x2000));
    assert_int_equal(s.fragments, 1);
    expect(&s, 0, "0123456789abcdefghijklmn");
    mmr_testhost_free(s.th);
}

static size_t ip6(uint8_t *b, uint8_t next, const void *rest, size_t n)
{
    const uint8_t head[40] = {0x60, 0, 0, 0, (uint8_t)(n >> 8), (uint8_t)n, next, 64, 0xfd, [23] = 1, [24] = 0xfd, [39] = 2};
    memcpy(b, head, 40);
    memcpy(b + 40, rest, n);
    return 40 + n;
}

static void many_extension_headers_hide_nothing(void **state)
{
    struct seen s;
    uint8_t b[512], rest[200] = {0};
    const uint8_t udp[12] = {0xcf, 0x08, 0x13, 0x88, 0, 12, 0, 0, 't', 'e', 'x', 't'};
    (void)state;
    for (size_t i = 0; i < 20; i++)
        rest[i * 8] = i == 19 ? IPPROTO_UDP : IPPROTO_DSTOPTS;
    memcpy(rest + 160, udp, sizeof udp);
    begin(&s, NULL);
    frame(&s, NET_DLT_RAW_LINK, b, ip6(b, IPPROTO_DSTOPTS, rest, 172));
    expect(&s, 0, "text");
    mmr_testhost_free(s.th);
}

static void ipv6_fragments_need_not_agree_on_the_protocol(void **state)
{
    struct seen s;
    uint8_t b[128];
    const uint8_t first[16] = {IPPROTO_UDP, 0, 0, 1, 0, 0, 0, 9, 0xcf, 0x08, 0x13, 0x88, 0, 16, 0, 0},
                  second[16] = {IPPROTO_TCP, 0, 0, 8, 0, 0, 0, 9, 'f', 'r', 'a', 'g', 'm', 'e', 'n', 't'};
    (void)state;
    begin(&s, NULL);
    frame(&s, NET_DLT_RAW_LINK, b, ip6(b, IPPROTO_FRAGMENT, second, sizeof second));
    frame(&s, NET_DLT_RAW_LINK, b, ip6(b, IPPROTO_FRAGMENT, first, sizeof first));
    expect(&s, 0, "fragment");
    mmr_testhost_free(s.th);
}

static void tagged(struct seen *s, uint16_t vlan, bool to_server, uint8_t flags, uint32_t seq, uint32_t ack, const char *data)
{
    uint8_t b[256] = {0}, seg[128];
    size_t n = strlen(data), at = 12;
    uint16_t sp = to_server ? 50000 : 80, dp = to_server ? 80 : 50000;
    const uint8_t head[20] = {(uint8_t)(sp >> 8), (uint8_t)sp, (uint8_t)(dp >> 8), (uint8_t)dp, 0, 0, (uint8_t)(seq >> 8), (uint8_t)seq,
                              0, 0, (uint8_t)(ack >> 8), (uint8_t)ack, 0x50, flags, 0x20};
    memcpy(seg, head, 20);
    memcpy(seg + 20, data, n);
    if (vlan) {
        b[at] = 0x81;
        b[at + 3] = (uint8_t)vlan;
        at += 4;
    }
    b[at] = 8;
    frame(s, NET_DLT_EN10MB, b, at + 2 + ip4(s, b + at + 2, IPPROTO_TCP, to_server ? 1 : 2, to_server ? 2 : 1, seg, 20 + n, 0));
}

static void a_mirror_that_tags_one_direction_shows_one_conversation(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    tagged(&s, 5, true, SYN, 999, 0, "");
    tagged(&s, 0, false, SYN | ACK, 4999, 1000, "");
    tagged(&s, 5, true, ACK, 1000, 5000, "ask");
    tagged(&s, 0, false, ACK, 5000, 1003, "answer");
    assert_int_equal(mmr_testhost_count(s.th, "flow.start"), 1);
    expect(&s, 0, "ask");
    expect(&s, 1, "answer");
    mmr_testhost_free(s.th);
    begin(&s, NULL); /* routed from one to the other on the same line: two, each with its own halves */
    tagged(&s, 5, true, SYN, 999, 0, "");
    tagged(&s, 6, true, SYN, 999, 0, "");
    tagged(&s, 6, false, SYN | ACK, 4999, 1000, "");
    tagged(&s, 5, false, SYN | ACK, 4999, 1000, "");
    tagged(&s, 5, true, ACK, 1000, 5000, "x");
    tagged(&s, 6, true, ACK, 1000, 5000, "x");
    assert_int_equal(mmr_testhost_count(s.th, "flow.start"), 2);
    expect(&s, 0, "xx");
    mmr_testhost_free(s.th);
}

/* The clock was wrong at first and is set back by years: what is said afterwards must not end at once, nor never. */
static void a_clock_set_back_ends_nothing(void **state)
{
    struct seen s;
    (void)state;
    begin(&s, NULL);
    s.time_ns += 365 * 86400 * MMR_TH_S;
    handshake(&s);
    s.time_ns -= 365 * 86400 * MMR_TH_S;
    mmr_testhost_set_time(s.th, s.time_ns);
    for (uint32_t i = 0; i < 20; i++)
        tcp(&s, true, ACK, 1000 + i, 5000, "x");
    mmr_testhost_advance(s.th, 2 * MMR_TH_S);
    assert_int_equal(s.n_ended, 0);
    mmr_testhost_advance(s.th, 1900 * MMR_TH_S);
    assert_int_equal(s.n_ended, 1);
    mmr_testhost_free(s.th);
}

/* Packets that belong to nothing do not push real conversations out of the table. */
static void stray_packets_give_way_first(void **state)
{
    static const char *const cfg[] = {"flows_max", "256", NULL};
    struct seen s;
    (void)state;
    begin(&s, cfg);
    handshake(&s);
    tcp(&s, true, ACK, 1000, 5000, "a");
    for (unsigned i = 0; i < 2000; i++) { /* FIN alone, as some scanners send it */
        uint8_t b[64], seg[20] = {0, 0, 0, 80, 0, 0, 0, 1, 0, 0, 0, 0, 0x50, FIN, 0x20, 0};
        seg[0] = (uint8_t)(i >> 8);
        seg[1] = (uint8_t)i;
        frame(&s, NET_DLT_RAW_LINK, b, ip4(&s, b, IPPROTO_TCP, 9, 2, seg, 20, 0));
    }
    tcp(&s, true, ACK, 1001, 5000, "b");
    expect(&s, 0, "ab");
    assert_int_equal(s.starts, 1);
    mmr_testhost_free(s.th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(segments_come_out_in_order_once),
        cmocka_unit_test(a_hole_the_receiver_acknowledged_is_given_up),
        cmocka_unit_test(waiting_data_has_a_ceiling),
        cmocka_unit_test(sequence_numbers_may_wrap),
        cmocka_unit_test(fin_and_reset_end_the_streams),
        cmocka_unit_test(a_pickup_in_the_middle_finds_client_and_server),
        cmocka_unit_test(one_packet_seen_at_two_points_counts_once),
        cmocka_unit_test(fragments_are_put_together_and_the_first_byte_wins),
        cmocka_unit_test(tags_and_link_types_are_read),
        cmocka_unit_test(a_full_table_drops_the_oldest_half_open_flow),
        cmocka_unit_test(flows_end_after_their_time),
        cmocka_unit_test(zones_follow_the_configured_ranges),
        cmocka_unit_test(lying_headers_are_marked_not_followed),
        cmocka_unit_test(what_tunnels_carry_is_seen),
        cmocka_unit_test(tunnels_in_tunnels_end_somewhere),
        cmocka_unit_test(labels_and_tags_are_stepped_over),
        cmocka_unit_test(what_the_other_side_does_not_take_is_no_data),
        cmocka_unit_test(ports_used_again_are_a_new_connection_when_the_server_agrees),
        cmocka_unit_test(an_answer_sent_twice_is_no_new_connection),
        cmocka_unit_test(a_datagram_has_one_end),
        cmocka_unit_test(many_extension_headers_hide_nothing),
        cmocka_unit_test(ipv6_fragments_need_not_agree_on_the_protocol),
        cmocka_unit_test(a_mirror_that_tags_one_direction_shows_one_conversation),
        cmocka_unit_test(a_clock_set_back_ends_nothing),
        cmocka_unit_test(stray_packets_give_way_first),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
