/* test_reset.c - the segments of a cut and what their answers prove, worked out from RFC 9293 and RFC 5961; and what the plugin refuses. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "cut.h"
#include "net_decode.h"
#include "testhost.h"

#include <arpa/inet.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_reset;

static struct mmr_addr addr(const char *text)
{
    struct mmr_addr a = {0};
    if (inet_pton(AF_INET, text, a.b + 12) == 1)
        a.b[10] = a.b[11] = 0xff;
    else
        assert_int_equal(inet_pton(AF_INET6, text, a.b), 1);
    return a;
}

/* ---- segments ---- */

static void a_segment_is_what_the_decoder_reads(void **state)
{
    (void)state;
    static const char *const ends[][2] = {{"192.0.2.1", "198.51.100.9"}, {"2001:db8::1", "2001:db8:1::9"}};
    for (size_t i = 0; i < 2; i++) {
        const struct reset_segment s = {.src = addr(ends[i][0]), .dst = addr(ends[i][1]), .src_port = 443, .dst_port = 50001, .seq = 0xfffffff0,
                                        .ack = 0x01020304, .flags = NET_TCP_RST | NET_TCP_ACK, .window = 0x1234, .urgent = 0xabcd};
        uint8_t buf[RESET_SEGMENT_MAX];
        struct mmr_packet p;
        struct net_extra extra;
        const size_t len = reset_segment_write(&s, buf);
        assert_int_equal(len, i ? 60 : 40);
        const struct mmr_frame f = {.struct_size = sizeof f, .linktype = i ? NET_DLT_IPV6 : NET_DLT_IPV4, .data = buf, .cap_len = (uint32_t)len,
                                    .wire_len = (uint32_t)len, .input = "test"};
        assert_int_equal(net_decode(&f, true, &p, &extra), NET_DECODED_IP); /* with its check sums looked at */
        assert_int_equal(p.flags & (MMR_PKT_BAD_CHECKSUM | MMR_PKT_MALFORMED), 0);
        assert_memory_equal(&p.src, &s.src, sizeof p.src);
        assert_memory_equal(&p.dst, &s.dst, sizeof p.dst);
        assert_int_equal(p.src_port, 443);
        assert_int_equal(p.dst_port, 50001);
        assert_int_equal(p.tcp_seq, s.seq);
        assert_int_equal(p.tcp_ack, s.ack);
        assert_int_equal(p.tcp_flags, s.flags);
        assert_int_equal(p.payload_len, 0);
    }
}

/* ---- the logic ---- */

enum { CLIENT = 0, SERVER = 1, MARK = 0x51a7e3c2 };
struct scene {
    struct cut c;
    struct reset_segment out[CUT_OUT_MAX];
    unsigned n;
    uint8_t l3[40];
};

static void begin(struct scene *s)
{
    const struct mmr_addr a = addr("192.0.2.5"), b = addr("198.51.100.7");
    memset(s, 0, sizeof *s);
    cut_begin(&s->c, &a, 50000, &b, 80, MARK, 1000);
}

static struct mmr_packet packet(struct scene *s, int from, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    const struct cut_end *e = &s->c.end[from], *o = &s->c.end[!from];
    return (struct mmr_packet){.struct_size = sizeof(struct mmr_packet), .ip_version = 4, .proto = 6, .src = e->addr, .dst = o->addr,
                               .src_port = e->port, .dst_port = o->port, .tcp_flags = flags, .tcp_seq = seq, .tcp_ack = ack, .payload_len = len,
                               .tcp_window = 500, .l3 = s->l3, .l3_len = sizeof s->l3, .l4_off = 20};
}

static void sees(struct scene *s, int64_t ms, int from, uint8_t flags, uint32_t seq, uint32_t ack, uint32_t len)
{
    const struct mmr_packet p = packet(s, from, flags, seq, ack, len);
    assert_true(cut_is_of(&s->c, &p));
    s->n = cut_packet(&s->c, &p, ms, s->out);
}

static void each_end_is_sent_the_number_it_expects(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    sees(&s, 1001, CLIENT, NET_TCP_ACK | NET_TCP_PSH, 700, 9000, 100);
    assert_int_equal(s.n, 2);
    /* back to the client, in the server's name: the client has everything before 9000 */
    assert_int_equal(s.out[0].dst_port, 50000);
    assert_int_equal(s.out[0].src_port, 80);
    assert_int_equal(s.out[0].seq, 9000);
    assert_true(s.out[0].flags & NET_TCP_RST);
    /* on to the server, in the client's: when it has these 100 bytes, 800 is next */
    assert_int_equal(s.out[1].dst_port, 80);
    assert_int_equal(s.out[1].seq, 800);
    sees(&s, 1002, SERVER, NET_TCP_ACK, 9000, 800, 0);
    assert_int_equal(s.n, 0); /* no flood of our own */
    sees(&s, 1004, SERVER, NET_TCP_ACK, 9000, 800, 1448);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.out[0].dst_port, 80);
    assert_int_equal(s.out[0].seq, 800);
    assert_int_equal(s.out[1].seq, 10448);
    sees(&s, 1020, CLIENT, NET_TCP_ACK, 0xffffffff, 5, 3); /* numbers wrap */
    assert_int_equal(s.out[1].seq, 2);
}

static void a_connection_that_begins_is_cut_at_once(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    sees(&s, 1001, CLIENT, NET_TCP_SYN, 300, 0, 0);
    assert_int_equal(s.n, 2);
    assert_int_equal(s.out[0].ack, 301); /* who has sent a SYN takes a reset that acknowledges it (RFC 9293 3.10.7.3) */
    assert_true(s.out[0].flags & NET_TCP_ACK);
    assert_int_equal(s.out[1].seq, 301);
    sees(&s, 1010, SERVER, NET_TCP_SYN | NET_TCP_ACK, 7000, 301, 0);
    assert_int_equal(s.out[0].seq, 301);
    assert_int_equal(s.out[1].ack, 301);
    assert_int_equal(s.out[1].seq, 7001);
}

static void a_quiet_connection_is_asked_and_its_answer_used(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    s.n = cut_tick(&s.c, 1001, s.out);
    assert_int_equal(s.n, 2); /* both ends */
    assert_int_equal(s.out[0].flags, NET_TCP_ACK); /* never a SYN: it would open a connection */
    assert_int_equal(s.out[0].dst_port, 50000);
    assert_int_equal(s.out[1].dst_port, 80);
    uint32_t first = s.out[0].seq;
    assert_int_equal(cut_tick(&s.c, 1100, s.out), 0);
    assert_int_equal(cut_tick(&s.c, 1001 + CUT_PROBE_MS, s.out), 2);
    assert_true(s.out[0].seq - first > 0x10000000 && first - s.out[0].seq > 0x10000000); /* not in the same window again */
    sees(&s, 1600, CLIENT, NET_TCP_ACK, 4000, 6000, 0); /* it still has the connection, and says its numbers */
    assert_int_equal(s.n, 2);
    assert_int_equal(s.out[0].seq, 6000);
    assert_int_equal(s.out[1].seq, 4000);
}

static void only_an_ends_own_reset_proves(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        int64_t data_ms[3];    /* the client sends data then; 0: not */
        int64_t gone_ms[2];    /* the end says that it is gone */
        int64_t at_ms;
        enum cut_verdict want;
    } rows[] = {
        {"both say it", {1001}, {1100, 1110}, 1200, CUT_ENDED},
        {"one says it: not before it was quiet for a while", {1001}, {1100, 0}, 1200, CUT_OPEN},
        {"one says it, and nothing follows", {1001}, {1100, 0}, 2200, CUT_ENDED},
        {"what was on its way is no life", {1001, 1150}, {1100, 0}, 2200, CUT_ENDED},
        {"nobody says anything: not decided", {1001}, {0, 0}, 3000, CUT_OPEN},
        {"nobody says anything to the end", {1001}, {0, 0}, 6000, CUT_SILENT},
        {"nothing was seen at all", {0}, {0, 0}, 6000, CUT_SILENT},
        {"data to the end", {1001, 3000, 5900}, {0, 0}, 6000, CUT_GOES_ON},
        {"somebody between them forged the answer, and the data goes on", {1001, 3000, 5900}, {0, 1100}, 6000, CUT_GOES_ON},
        {"it was gone before", {0}, {1050, 1060}, 1100, CUT_ENDED_BEFORE},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct scene s;
        begin(&s);
        for (int64_t ms = 1000; ms <= rows[i].at_ms; ms++) {
            for (size_t k = 0; k < 3; k++)
                if (rows[i].data_ms[k] == ms)
                    sees(&s, ms, CLIENT, NET_TCP_ACK | NET_TCP_PSH, 700, 9000, 10);
            for (int k = 0; k < 2; k++)
                if (rows[i].gone_ms[k] == ms)
                    sees(&s, ms, k, NET_TCP_RST, 1, 0, 0);
            (void)cut_tick(&s.c, ms, s.out);
        }
        enum cut_verdict got = cut_verdict(&s.c, rows[i].at_ms, 6000);
        if (got != rows[i].want)
            fail_msg("%s: %d, expected %d", rows[i].why, (int)got, (int)rows[i].want);
    }
}

static void our_own_segments_prove_nothing(void **state)
{
    (void)state;
    struct scene s;
    begin(&s);
    sees(&s, 1001, CLIENT, NET_TCP_ACK, 700, 9000, 10);
    struct mmr_packet p = packet(&s, SERVER, NET_TCP_RST | NET_TCP_ACK, s.out[0].seq, s.out[0].ack, 0);
    p.tcp_window = s.out[0].window;
    s.l3[38] = (uint8_t)(s.out[0].urgent >> 8);
    s.l3[39] = (uint8_t)s.out[0].urgent;
    assert_false(cut_is_of(&s.c, &p)); /* the mirror shows them too */
    s.l3[39] ^= 1;
    assert_true(cut_is_of(&s.c, &p));
    p.src_port++;
    assert_false(cut_is_of(&s.c, &p));
}

static void a_cut_has_a_ceiling(void **state)
{
    (void)state;
    struct scene s;
    unsigned sent = 0;
    begin(&s);
    for (int64_t ms = 1001; ms < 1001 + 100000; ms += 10) {
        sees(&s, ms, CLIENT, NET_TCP_ACK | NET_TCP_PSH, (uint32_t)ms, 9000, 10);
        sent += s.n + cut_tick(&s.c, ms, s.out);
    }
    assert_true(sent <= CUT_SENT_MAX);
    assert_true(sent > CUT_SENT_MAX - 4);
}

/* ---- the plugin ---- */

/* In a network of its own: what is sent reaches nobody. */
#define NEED_NAMESPACE()                                                                           \
    do {                                                                                           \
        if (geteuid() != 0 || unshare(CLONE_NEWNET) != 0 || system("ip link set lo up") != 0)      \
            skip();                                                                                \
    } while (0)

static struct mmr_testhost *start(void)
{
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"interfaces", "lo", "never_block", "192.0.2.1,198.51.100.0/24", "wait", "1500ms", NULL};
    if (mmr_testhost_add(th, &mmr_plugin_reset, cfg, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static int order(struct mmr_testhost *th, uint64_t id, uint32_t flags, const char *src, int64_t port, const char *dst, const char *proto)
{
    uint8_t buf[512];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "proto", proto);
    mmr_event_str(&ev, "src_endpoint.ip", src);
    mmr_event_int(&ev, "src_endpoint.port", port);
    mmr_event_str(&ev, "dst_endpoint.ip", dst);
    mmr_event_int(&ev, "dst_endpoint.port", 80);
    assert_int_equal(mmr_event_end(&ev), 0);
    const struct mmr_action a = {.struct_size = sizeof a, .flags = flags, .id = id, .verb = "cut.flow", .msgpack = ev.buf, .len = ev.len};
    return mmr_testhost_act(th, 0, &a, &err);
}

static const char *last(struct mmr_testhost *th, const char *key)
{
    return mmr_testhost_receipt_text(th, mmr_testhost_receipts(th) - 1, key);
}

static void what_may_not_be_cut_is_refused_in_words(void **state)
{
    (void)state;
    static const struct {
        const char *src, *dst, *proto, *want;
        int64_t port;
    } rows[] = {
        {"127.0.0.1", "203.0.113.9", "tcp", "refused", 5},        {"203.0.113.9", "192.0.2.1", "tcp", "refused", 5},
        {"198.51.100.77", "203.0.113.9", "tcp", "refused", 5},    {"203.0.113.9", "203.0.113.8", "udp", "unsupported", 5},
        {"203.0.113.9", "203.0.113.8", "tcp", "", 0},             {"203.0.113.9", "2001:db8::1", "tcp", "", 5},
        {"nobody", "203.0.113.8", "tcp", "", 5},                  {"203.0.113.9", "203.0.113.8", "tcp", "", 70000},
    };
    NEED_NAMESPACE();
    struct mmr_testhost *th = start();
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int r = order(th, 10 + i, 0, rows[i].src, rows[i].port, rows[i].dst, rows[i].proto);
        if (rows[i].want[0] ? r != 0 || strcmp(last(th, "result"), rows[i].want) != 0 : r != MMR_EINVAL)
            fail_msg("row %zu: %d %s", i, r, rows[i].want[0] ? last(th, "result") : "");
    }
    assert_int_equal(order(th, 50, MMR_ACT_DRY_RUN, "203.0.113.9", 5, "203.0.113.8", "tcp"), 0);
    assert_non_null(strstr(last(th, "detail"), "would have"));
    assert_int_equal(mmr_testhost_next_timer(th), INT64_MAX); /* nothing is looked at */
    mmr_testhost_free(th);
}

static void what_nobody_answers_for_is_not_called_done(void **state)
{
    (void)state;
    NEED_NAMESPACE();
    struct mmr_testhost *th = start();
    assert_int_equal(order(th, 1, 0, "203.0.113.9", 5, "203.0.113.8", "tcp"), 0);
    assert_int_equal(mmr_testhost_receipts(th), 0); /* the receipt says what was seen, so it comes later */
    for (int i = 0; i < 40 && mmr_testhost_receipts(th) == 0; i++)
        mmr_testhost_advance(th, 100 * MMR_TH_MS);
    assert_int_equal(mmr_testhost_receipts(th), 1);
    assert_string_equal(last(th, "result"), "failed");
    assert_string_not_equal(last(th, "verify.result"), "confirmed");
    assert_int_equal(order(th, 1, MMR_ACT_UNDO, "203.0.113.9", 5, "203.0.113.8", "tcp"), 0);
    assert_string_equal(last(th, "result"), "applied");
    assert_int_equal(mmr_testhost_next_timer(th), INT64_MAX);
    assert_int_equal(order(th, 1, MMR_ACT_VERIFY, "203.0.113.9", 5, "203.0.113.8", "tcp"), 0);
    assert_string_equal(last(th, "verify.result"), "inconclusive");
    /* at the ceiling of cuts at once: said, and no memory taken */
    for (uint64_t id = 100; id < 133; id++)
        assert_int_equal(order(th, id, 0, "203.0.113.9", (int64_t)id, "203.0.113.8", "tcp"), 0);
    assert_string_equal(last(th, "result"), "failed");
    mmr_testhost_free(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_segment_is_what_the_decoder_reads),
        cmocka_unit_test(each_end_is_sent_the_number_it_expects),
        cmocka_unit_test(a_connection_that_begins_is_cut_at_once),
        cmocka_unit_test(a_quiet_connection_is_asked_and_its_answer_used),
        cmocka_unit_test(only_an_ends_own_reset_proves),
        cmocka_unit_test(our_own_segments_prove_nothing),
        cmocka_unit_test(a_cut_has_a_ceiling),
        cmocka_unit_test(what_may_not_be_cut_is_refused_in_words),
        cmocka_unit_test(what_nobody_answers_for_is_not_called_done),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
