/* test_seat.c - the listener as its senders meet it: over real sockets, with every protocol. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <arpa/inet.h>
#include <errno.h>
#include <openssl/evp.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>

#include "testhost.h"
#include "stream.h"

extern const struct mmr_plugin mmr_plugin_seat;

/* ---- a sender ---- */

struct bytes {
    uint8_t p[256 * 1024];
    size_t n;
};
static void put(struct bytes *b, const void *p, size_t n)
{
    assert_true(sizeof b->p - b->n >= n);
    memcpy(b->p + b->n, p, n);
    b->n += n;
}
static void put8(struct bytes *b, unsigned v)
{
    uint8_t x = (uint8_t)v;
    put(b, &x, 1);
}
static void put32(struct bytes *b, uint32_t v)
{
    uint8_t x[4] = {(uint8_t)(v >> 24), (uint8_t)(v >> 16), (uint8_t)(v >> 8), (uint8_t)v};
    put(b, x, 4);
}
static void put_str(struct bytes *b, const char *s)
{
    put8(b, 0xdb); /* str32 */
    put32(b, (uint32_t)strlen(s));
    put(b, s, strlen(s));
}

static struct mmr_testhost *th;
static int port;

/* config: pairs after listen, which is proto://127.0.0.1 with a port of the system's choice */
static void start(const char *listen, const char *senders, const char *key, const char *value)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"listen", listen, "senders", senders, key, value, NULL};
    const char *said = "";
    th = mmr_testhost_new();
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_seat, cfg, &err) != 0 || mmr_testhost_start(th, &err) != 0)
        fail_msg("%s", err.text);
    (void)mmr_testhost_logged(th, MMR_LOG_INFO, &said);
    assert_non_null(strstr(said, "seat.listens"));
    port = (int)strtol(strstr(said, "port=") + 5, NULL, 10);
    assert_true(port > 0);
}

static int stop(void **state)
{
    (void)state;
    mmr_testhost_free(th);
    th = NULL;
    return 0;
}

static int join_up(int type)
{
    struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port), .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
    int fd = socket(AF_INET, type, 0);
    assert_true(fd >= 0);
    assert_int_equal(connect(fd, (struct sockaddr *)&a, sizeof a), 0);
    return fd;
}

static void send_all(int fd, const void *p, size_t n)
{
    const char *at = p;
    while (n) {
        ssize_t r = send(fd, at, n, MSG_NOSIGNAL | MSG_DONTWAIT);
        if (r < 0 && errno != EAGAIN)
            return; /* refused: what the test looks for is elsewhere */
        if (r > 0) {
            at += r;
            n -= (size_t)r;
        }
        mmr_testhost_poll(th, r > 0 ? 0 : 20);
    }
}

static void until(const char *kind, int n)
{
    for (int i = 0; i < 400 && mmr_testhost_count(th, kind) < n; i++)
        mmr_testhost_poll(th, 25);
    assert_int_equal(mmr_testhost_count(th, kind), n);
}

/* What the listener answers within a while; 0: nothing. */
static size_t answer(int fd, void *p, size_t cap, int rounds)
{
    for (int i = 0; i < rounds; i++) {
        ssize_t n = recv(fd, p, cap, MSG_DONTWAIT);
        if (n > 0)
            return (size_t)n;
        if (n == 0)
            return 0;
        mmr_testhost_poll(th, 10);
    }
    return 0;
}

static void commit_all(void)
{
    /* the listener's own words are events too */
    mmr_plugin_seat.sensor->on_committed(mmr_testhost_self(th, 0), (uint64_t)mmr_testhost_events(th));
}

static bool was_logged(const char *text)
{
    const char *last = "";
    (void)mmr_testhost_logged(th, MMR_LOG_WARN, &last);
    return strstr(last, text) != NULL;
}

/* ---- lines ---- */

static const char windows[] = "{\"EventTime\":\"2024-01-02 03:04:05\",\"Hostname\":\"PC1.office.example\",\"Channel\":\"Security\",\"EventID\":4625,"
                              "\"SourceName\":\"Microsoft-Windows-Security-Auditing\",\"TargetUserName\":\"bob\",\"IpAddress\":\"192.0.2.9\"}\n";

static void lines_in_both_framings_and_json_come_in(void **state)
{
    (void)state;
    start("tcp://127.0.0.1:0", "addr:127.0.0.1 PC1 srv", NULL, NULL);
    int fd = join_up(SOCK_STREAM);
    send_all(fd, windows, sizeof windows - 1);
    static const char rest[] = "<38>Jan  2 03:04:05 srv sshd[1]: three\r\n"
                               "{\"host\":\"x\",\"message\":\"<38>Jan  2 03:04:05 srv sshd[1]: four\"}\n";
    char framed[128];
    /* the counted one carries exactly what its number says */
    const char *counted = "<38>1 2024-01-02T03:04:05Z srv a - - - two";
    int n = snprintf(framed, sizeof framed, "<38>Jan  2 03:04:05 srv sshd[1]: one\n%zu %s", strlen(counted), counted);
    send_all(fd, framed, (size_t)n);
    for (const char *p = rest; *p; p++) /* byte by byte */
        send_all(fd, p, 1);
    until("log.record", 4);
    until("auth.fail", 1);
    int ev = mmr_testhost_find(th, "auth.fail", 0);
    assert_string_equal(mmr_testhost_text(th, ev, "device.hostname"), "PC1.office.example");
    assert_string_equal(mmr_testhost_text(th, ev, "user.name"), "bob");
    static const char *const words[] = {"one", "two", "three", "four"};
    for (int i = 0; i < 4; i++)
        assert_non_null(strstr(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", i), "message"), words[i]));
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    close(fd);
}

static void datagrams_of_a_known_address_come_in(void **state)
{
    (void)state;
    start("udp://127.0.0.1:0", "addr:127.0.0.1 srv", NULL, NULL);
    int fd = join_up(SOCK_DGRAM);
    send_all(fd, "<38>Jan  2 03:04:05 srv sshd[1]: one\n", 37);
    until("log.record", 1);
    close(fd);
}

static void a_machine_a_sender_may_not_speak_for_is_refused_and_named(void **state)
{
    (void)state;
    start("tcp://127.0.0.1:0", "addr:127.0.0.1 PC1", NULL, NULL);
    int fd = join_up(SOCK_STREAM);
    static const char *const rows[] = {
        "<38>Jan  2 03:04:05 PC2 sshd[1]: x\n",
        "{\"EventTime\":\"2024-01-02 03:04:05\",\"Hostname\":\"DC1\",\"Channel\":\"Security\",\"EventID\":4625,\"TargetUserName\":\"b\"}\n",
        "{\"EventTime\":\"2024-01-02 03:04:05\",\"Hostname\":\"PC1\",\"Hostname\":\"DC1\",\"Channel\":\"Security\",\"EventID\":1,\"Computer\":\"DC1\"}\n",
        ("{\"timestamp\":\"2024-01-02T08:04:05.000+0000\",\"event_type\":\"alert\",\"src_ip\":\"192.0.2.1\",\"src_port\":5,\"dest_ip\":\"192.0.2.2\",\"dest_port\":80,"
        "\"proto\":\"TCP\",\"alert\":{\"signature_id\":9,\"signature\":\"Bad\",\"severity\":1}}\n"),
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        send_all(fd, rows[i], strlen(rows[i]));
    send_all(fd, "Jan  2 03:04:05 pc1.example sshd[1]: mine\n", 42); /* case and domain are the machine's affair */
    until("log.record", 2); /* two names in one record: it is taken as the sender's own, and blames nobody else */
    assert_int_equal(mmr_testhost_find_text(th, "log.record", "device.hostname", "DC1"), -1);
    assert_int_equal(mmr_testhost_count(th, "auth.fail"), 0);
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    int ev = mmr_testhost_find(th, "seat.refused", 0);
    assert_true(ev >= 0);
    assert_non_null(strstr(mmr_testhost_text(th, ev, "message"), "'PC2'"));
    assert_non_null(strstr(mmr_testhost_text(th, ev, "message"), "addr:127.0.0.1"));
    assert_string_equal(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", 1), "device.hostname"), "pc1.example");
    close(fd);
}

static void an_unknown_address_is_closed_and_named(void **state)
{
    (void)state;
    char b[8];
    start("tcp://127.0.0.1:0", "addr:192.0.2.1 PC1", NULL, NULL);
    int fd = join_up(SOCK_STREAM);
    assert_int_equal(answer(fd, b, sizeof b, 50), 0);
    assert_true(was_logged("seat.unknown_sender peer=127.0.0.1"));
    close(fd);
}

static void lines_over_the_limit_cost_only_themselves(void **state)
{
    (void)state;
    start("tcp://127.0.0.1:0", "addr:127.0.0.1 srv", NULL, NULL);
    int fd = join_up(SOCK_STREAM);
    size_t n = 10 << 20;
    char *big = malloc(n);
    assert_non_null(big);
    memset(big, 'x', n);
    big[n - 1] = '\n';
    send_all(fd, big, n);
    send_all(fd, "<38>Jan  2 03:04:05 srv sshd[1]: behind\n", 40);
    until("log.record", 1);
    assert_true(was_logged("over 1 MiB"));
    send_all(fd, "9999999 <38>", 12); /* a count over the limit ends the connection */
    assert_int_equal(answer(fd, big, 8, 200), 0);
    assert_true(was_logged("9999999"));
    free(big);
    close(fd);
}

/* ---- forward ---- */

static void record(struct bytes *b, const char *message)
{
    put8(b, 0x92); /* [time, record] */
    put8(b, 0xd7); /* EventTime */
    put8(b, 0);
    put32(b, 1704164645);
    put32(b, 5);
    put8(b, 0x81);
    put_str(b, "message");
    put_str(b, message);
}

static void option(struct bytes *b, const char *chunk, bool is_gzip)
{
    put8(b, is_gzip ? 0x82 : 0x81);
    put_str(b, "chunk");
    put_str(b, chunk);
    if (is_gzip) {
        put_str(b, "compressed");
        put_str(b, "gzip");
    }
}

static void packed(struct bytes *b, const struct bytes *entries, const char *chunk, bool is_gzip)
{
    put8(b, 0x93);
    put_str(b, "tag");
    put8(b, 0xc6);
    put32(b, (uint32_t)entries->n);
    put(b, entries->p, entries->n);
    option(b, chunk, is_gzip);
}

static void gzip(struct bytes *b, const void *p, size_t n)
{
    z_stream z = {.next_in = (Bytef *)(uintptr_t)p, .avail_in = (uInt)n, .next_out = b->p + b->n, .avail_out = (uInt)(sizeof b->p - b->n)};
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    b->n += z.total_out;
    deflateEnd(&z);
}

static bool is_ack(const uint8_t *p, size_t n, const char *chunk)
{
    struct mmr_mp_cur c = {p, n, false};
    char json[256];
    struct mmr_mp_json out = {.p = json, .cap = sizeof json - 1};
    char want[128];
    if (!mmr_mp_to_json(&c, &out))
        return false;
    json[out.n] = '\0';
    snprintf(want, sizeof want, "{\"ack\":\"%s\"}", chunk);
    return strcmp(json, want) == 0 && c.left == 0;
}

static void every_mode_of_forward_is_read_and_a_chunk_is_acknowledged_after_its_commit(void **state)
{
    (void)state;
    struct bytes *m = calloc(1, sizeof *m), *e = calloc(1, sizeof *e), *z = calloc(1, sizeof *z);
    uint8_t got[256];
    assert_true(m && e && z);
    start("forward://127.0.0.1:0", "addr:127.0.0.1 srv", NULL, NULL);
    int fd = join_up(SOCK_STREAM);

    put8(m, 0x93); /* message mode, integer time */
    put_str(m, "tag");
    put8(m, 0xce);
    put32(m, 1704164645);
    put8(m, 0x81);
    put_str(m, "log");
    put_str(m, "<38>Jan  2 03:04:05 srv a: message\n");

    put8(m, 0x92); /* forward mode */
    put_str(m, "tag");
    put8(m, 0x92);
    record(m, "<38>Jan  2 03:04:05 srv a: forward one");
    record(m, "<38>Jan  2 03:04:05 srv a: forward two");

    record(e, "<38>Jan  2 03:04:05 srv a: packed one");
    record(e, "no head at all"); /* one machine only: it is the sender's */
    packed(m, e, "c1", false);
    for (size_t i = 0; i < m->n; i += 7) /* in small pieces */
        send_all(fd, m->p + i, m->n - i < 7 ? m->n - i : 7);
    until("log.record", 5);
    assert_string_equal(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", 4), "device.hostname"), "srv");
    assert_int_equal(mmr_testhost_int(th, mmr_testhost_find(th, "log.record", 4), "time", 0), INT64_C(1704164645000000005));

    assert_int_equal(answer(fd, got, sizeof got, 20), 0); /* not a word before the commit */
    mmr_plugin_seat.sensor->on_committed(mmr_testhost_self(th, 0), (uint64_t)mmr_testhost_events(th) - 1);
    assert_int_equal(answer(fd, got, sizeof got, 20), 0);
    commit_all();
    size_t n = answer(fd, got, sizeof got, 100);
    assert_true(is_ack(got, n, "c1"));

    e->n = m->n = 0; /* compressed, in two members */
    record(e, "<38>Jan  2 03:04:05 srv a: gzip one");
    gzip(z, e->p, e->n);
    e->n = 0;
    record(e, "<38>Jan  2 03:04:05 srv a: gzip two");
    gzip(z, e->p, e->n);
    packed(m, z, "c2", true);
    send_all(fd, m->p, m->n);
    until("log.record", 7);
    close(fd); /* the line breaks before it was acknowledged: the sender comes again */
    fd = join_up(SOCK_STREAM);
    send_all(fd, m->p, m->n);
    for (int i = 0; i < 20; i++)
        mmr_testhost_poll(th, 10);
    assert_int_equal(mmr_testhost_count(th, "log.record"), 7); /* not twice */
    commit_all();
    n = answer(fd, got, sizeof got, 100);
    assert_true(is_ack(got, n, "c2"));
    close(fd);
    free(m);
    free(e);
    free(z);
}

static void hostile_forward_messages_end_their_connection_and_nothing_else(void **state)
{
    (void)state;
    struct bytes *m = calloc(1, sizeof *m), *z = calloc(1, sizeof *z);
    char *zero = calloc(1, 60 << 20);
    assert_true(m && z && zero);
    start("forward://127.0.0.1:0", "addr:127.0.0.1 srv", NULL, NULL);
    for (int k = 0; k < 6; k++) {
        uint8_t got[8];
        const char *want = "";
        m->n = z->n = 0;
        switch (k) {
        case 0: /* a bomb: 60 MiB in 60 KiB */
            gzip(z, zero, 60 << 20);
            packed(m, z, "b", true);
            want = "unpacks to more than";
            break;
        case 1: /* deeper than anybody needs */
            put8(m, 0x92);
            put_str(m, "t");
            for (int i = 0; i < 100; i++)
                put8(m, 0x91);
            want = "deeper";
            break;
        case 2: /* declares 4 GiB */
            put8(m, 0x92);
            put_str(m, "t");
            put8(m, 0xc6);
            put32(m, UINT32_MAX);
            want = "over 16 MiB";
            break;
        case 3:
            put8(m, 0xc1);
            want = "no MessagePack";
            break;
        case 4: /* damaged gzip */
            put(z, "\x1f\x8b\x08\0\0\0\0\0\0\3garbage", 17);
            packed(m, z, "d", true);
            want = "damaged";
            break;
        default:
            put8(m, 0x92);
            put_str(m, "t");
            put8(m, 0x91);
            put8(m, 0x01);
            want = "message without record";
            break;
        }
        int fd = join_up(SOCK_STREAM);
        send_all(fd, m->p, m->n);
        assert_int_equal(answer(fd, got, sizeof got, 300), 0);
        if (!was_logged(want)) {
            const char *last = "";
            (void)mmr_testhost_logged(th, MMR_LOG_WARN, &last);
            fail_msg("case %d: expected '%s', logged: %s", k, want, last);
        }
        close(fd);
    }
    int fd = join_up(SOCK_STREAM);
    m->n = 0;
    put8(m, 0x92);
    put_str(m, "tag");
    put8(m, 0x91);
    record(m, "<38>Jan  2 03:04:05 srv a: still here");
    send_all(fd, m->p, m->n);
    until("log.record", 1);
    close(fd);
    free(zero);
    free(m);
    free(z);
}

static void hex_sum(const char *salt, const char *name, const uint8_t *nonce, const char *key, char out[129])
{
    uint8_t sum[64];
    unsigned n;
    EVP_MD_CTX *c = EVP_MD_CTX_new();
    EVP_DigestInit_ex(c, EVP_sha512(), NULL);
    EVP_DigestUpdate(c, salt, strlen(salt));
    EVP_DigestUpdate(c, name, strlen(name));
    EVP_DigestUpdate(c, nonce, 16);
    EVP_DigestUpdate(c, key, strlen(key));
    EVP_DigestFinal_ex(c, sum, &n);
    EVP_MD_CTX_free(c);
    for (int i = 0; i < 64; i++)
        snprintf(out + 2 * i, 3, "%02x", sum[i]);
}

static void a_shared_key_is_proved_by_both_ends_and_a_wrong_one_is_refused(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-seat-keys-XXXXXX", sum[129];
    static const char text[] = "# name key\npc1 a-secret-of-pc1\npc2 a-secret-of-pc2\n";
    int k = mkstemp(path);
    assert_int_equal(write(k, text, sizeof text - 1), sizeof text - 1);
    close(k);
    start("forward://127.0.0.1:0", "key:pc1 PC1 tool=sysmon, key:pc2 PC2", "keys", path);
    static const struct {
        const char *name, *key;
        bool is_let_in;
    } rows[] = {{"pc1", "a-secret-of-pc1", true}, {"pc1", "a-secret-of-pc2", false}, {"pc9", "a-secret-of-pc1", false}, {"pc9", "", false}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct bytes *m = calloc(1, sizeof *m);
        uint8_t got[512];
        assert_non_null(m);
        int fd = join_up(SOCK_STREAM);
        size_t n = answer(fd, got, sizeof got, 200);
        uint8_t *nonce = memmem(got, n, "nonce\xc4\x10", 7);
        assert_non_null(nonce);
        hex_sum("salt", rows[i].name, nonce + 7, rows[i].key, sum);
        put8(m, 0x96);
        put_str(m, "PING");
        put_str(m, rows[i].name);
        put_str(m, "salt");
        put_str(m, sum);
        put_str(m, "");
        put_str(m, "");
        put8(m, 0x92);
        put_str(m, "tag");
        put8(m, 0x91);
        record(m, "<38>Jan  2 03:04:05 PC1 a: hello");
        uint8_t own[16];
        memcpy(own, nonce + 7, 16);
        send_all(fd, m->p, m->n);
        n = answer(fd, got, sizeof got, 200);
        assert_true(n > 7);
        assert_memory_equal(got, "\x95\xa4PONG", 6);
        assert_int_equal(got[6], rows[i].is_let_in ? 0xc3 : 0xc2);
        if (rows[i].is_let_in) {
            hex_sum("salt", "mamori", own, rows[i].key, sum);
            assert_non_null(memmem(got, n, sum, 128)); /* we have the key too */
            until("log.record", 1);
        } else {
            assert_null(memmem(got, n, "mamori", 6));
            assert_int_equal(answer(fd, got, sizeof got, 50), 0);
            assert_true(was_logged("seat.closed"));
        }
        close(fd);
        free(m);
    }
    assert_int_equal(mmr_testhost_count(th, "log.record"), 1);
    unlink(path);
}

/* ---- Beats and RELP ---- */

static void a_window_of_beats_is_acknowledged_after_its_commit(void **state)
{
    (void)state;
    struct bytes *m = calloc(1, sizeof *m), *w = calloc(1, sizeof *w);
    static const char rec[] = "{\"@timestamp\":\"2024-01-02T03:04:05.000Z\",\"host\":{\"name\":\"pc1\"},\"winlog\":{\"channel\":\"Security\",\"provider_name\":"
                              "\"Microsoft-Windows-Security-Auditing\",\"event_id\":4625,\"computer_name\":\"PC1\",\"event_data\":{\"TargetUserName\":\"bob\",\"IpAddress\":\"192.0.2.9\"}}}";
    uint8_t got[64];
    assert_true(m && w);
    start("beats://127.0.0.1:0", "addr:127.0.0.1 PC1", NULL, NULL);
    for (uint32_t i = 1; i <= 3; i++) {
        put(w, "2J", 2);
        put32(w, i);
        put32(w, sizeof rec - 1);
        put(w, rec, sizeof rec - 1);
    }
    uLongf zn = compressBound(w->n);
    uint8_t *z = malloc(zn);
    assert_non_null(z);
    assert_int_equal(compress(z, &zn, w->p, w->n), Z_OK);
    put(m, "2W", 2);
    put32(m, 3);
    put(m, "2C", 2);
    put32(m, (uint32_t)zn);
    put(m, z, zn);
    int fd = join_up(SOCK_STREAM);
    send_all(fd, m->p, m->n);
    until("auth.fail", 3);
    assert_int_equal(answer(fd, got, sizeof got, 10), 0);
    commit_all();
    size_t n = answer(fd, got, sizeof got, 100);
    assert_int_equal(n, 6);
    assert_memory_equal(got, "2A\0\0\0\3", 6);
    send_all(fd, "GET / HTTP/1.1\r\n\r\n", 18);
    assert_int_equal(answer(fd, got, sizeof got, 100), 0);
    assert_true(was_logged("no Beats frame"));
    close(fd);
    free(z);
    free(m);
    free(w);
}

static void relp_is_answered_line_by_line_after_the_commit(void **state)
{
    (void)state;
    char got[512];
    start("relp://127.0.0.1:0", "addr:127.0.0.1 srv", NULL, NULL);
    int fd = join_up(SOCK_STREAM);
    static const char hello[] = "1 open 50 relp_version=0\nrelp_software=x,1,y\ncommands=syslog\n";
    char text[600];
    size_t want = strlen(hello + 10) - 1;
    int n = snprintf(text, sizeof text, "1 open %zu %.*s\n", want, (int)want, hello + 10);
    send_all(fd, text, (size_t)n);
    size_t k = answer(fd, got, sizeof got - 1, 100);
    got[k] = '\0';
    assert_memory_equal(got, "1 rsp ", 6);
    assert_non_null(strstr(got, "commands=syslog"));
    static const char line[] = "<38>Jan  2 03:04:05 srv sshd[1]: one";
    n = snprintf(text, sizeof text, "2 syslog %zu %s\n3 syslog %zu %s\n", sizeof line - 1, line, sizeof line - 1, line);
    send_all(fd, text, (size_t)n);
    until("log.record", 2);
    assert_int_equal(answer(fd, got, sizeof got, 10), 0);
    commit_all();
    k = answer(fd, got, sizeof got - 1, 100);
    got[k] = '\0';
    assert_string_equal(got, "2 rsp 6 200 OK\n3 rsp 6 200 OK\n");
    close(fd);
}

/* ---- full bus, silence, configuration ---- */

static void a_full_bus_stops_reading_and_nothing_is_lost(void **state)
{
    (void)state;
    start("tcp://127.0.0.1:0", "addr:127.0.0.1 srv", NULL, NULL);
    int fd = join_up(SOCK_STREAM);
    send_all(fd, "<38>Jan  2 03:04:05 srv a: first\n", 33);
    until("log.record", 1);
    mmr_testhost_emit_result(th, MMR_EAGAIN);
    char line[64];
    for (int i = 0; i < 500; i++) {
        int n = snprintf(line, sizeof line, "<38>Jan  2 03:04:05 srv a: number %d\n", i);
        send_all(fd, line, (size_t)n);
    }
    for (int i = 0; i < 10; i++)
        mmr_testhost_poll(th, 5);
    assert_int_equal(mmr_testhost_count(th, "log.record"), 1);
    mmr_testhost_emit_result(th, 0);
    mmr_plugin_seat.on_wake(mmr_testhost_self(th, 0));
    until("log.record", 501);
    for (int i = 0; i < 500; i++) {
        snprintf(line, sizeof line, "number %d", i);
        const char *m = mmr_testhost_text(th, mmr_testhost_find(th, "log.record", i + 1), "message");
        if (strcmp(m + strlen(m) - strlen(line), line) != 0)
            fail_msg("%d: %s", i, m);
    }
    close(fd);
}

static void a_silent_machine_is_told_and_told_when_it_is_back(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"listen", "udp://127.0.0.1:0", "senders", "addr:127.0.0.1 PC1 tool=sysmon", "silent_after", "5m", NULL};
    const char *said = "";
    th = mmr_testhost_new();
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_seat, cfg, &err), 0);
    assert_int_equal(mmr_testhost_start(th, &err), 0);
    (void)mmr_testhost_logged(th, MMR_LOG_INFO, &said);
    port = (int)strtol(strstr(said, "port=") + 5, NULL, 10);
    mmr_testhost_advance(th, 120 * MMR_TH_S);
    int ev = mmr_testhost_find(th, "seat.state", 0);
    assert_true(ev >= 0);
    assert_string_equal(mmr_testhost_text(th, ev, "status_detail"), "unheard");
    int fd = join_up(SOCK_DGRAM);
    send_all(fd, "<38>Jan  2 03:04:05 pc1 sshd[1]: one", 36);
    until("log.record", 1);
    ev = mmr_testhost_find_text(th, "seat.state", "status_detail", "up");
    assert_true(ev >= 0);
    assert_string_equal(mmr_testhost_text(th, ev, "device.hostname"), "PC1");
    assert_string_equal(mmr_testhost_text(th, ev, "unmapped.Tool"), "sysmon");
    assert_int_equal(mmr_testhost_find_text(th, "seat.state", "status_detail", "silent"), -1);
    mmr_testhost_advance(th, 299 * MMR_TH_S);
    assert_int_equal(mmr_testhost_find_text(th, "seat.state", "status_detail", "silent"), -1);
    mmr_testhost_advance(th, 3 * MMR_TH_S);
    assert_true(mmr_testhost_find_text(th, "seat.state", "status_detail", "silent") >= 0);
    mmr_testhost_clear(th);
    send_all(fd, "<38>Jan  2 03:04:05 pc1 sshd[1]: two", 36);
    until("log.record", 1);
    assert_true(mmr_testhost_find_text(th, "seat.state", "status_detail", "up") >= 0);
    static const char bye[] = "{\"EventTime\":\"2024-01-02 03:04:05\",\"Hostname\":\"PC1\",\"Channel\":\"System\",\"EventID\":6006,\"SourceName\":\"EventLog\"}";
    send_all(fd, bye, sizeof bye - 1);
    until("log.record", 2);
    mmr_testhost_advance(th, 302 * MMR_TH_S); /* a PC that said it switches off is no gap */
    assert_true(mmr_testhost_find_text(th, "seat.state", "status_detail", "off") >= 0);
    assert_int_equal(mmr_testhost_find_text(th, "seat.state", "status_detail", "silent"), -1);
    close(fd);
}

static void a_wrong_configuration_is_refused_with_its_place(void **state)
{
    (void)state;
    static const struct {
        const char *listen, *senders, *keys, *want;
    } rows[] = {
        {"tcp://127.0.0.1:0", "192.0.2.1 PC1", NULL, "192.0.2.1 PC1"},
        {"tcp://127.0.0.1:0", "addr:nowhere PC1", NULL, "'nowhere' is no address"},
        {"tcp://127.0.0.1:0", "addr:192.0.2.1", NULL, "names no machine"},
        {"tcp://127.0.0.1:0", "addr:192.0.2.1 A, addr:192.0.2.1 B", NULL, "stands there twice"},
        {"forward://127.0.0.1:0", "key:pc1 PC1", NULL, "has no key"},
        {"forward://127.0.0.1:0", "key:pc1 PC1", "/nonexistent", "/nonexistent"},
        {"http://127.0.0.1:0", "addr:192.0.2.1 A", NULL, "http://127.0.0.1:0"},
        {"tcp://127.0.0.1", "addr:192.0.2.1 A", NULL, "tcp://127.0.0.1"},
        {"tls://127.0.0.1:0", "addr:192.0.2.1 A", NULL, "'cert' and 'key'"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        const char *const cfg[] = {"listen", rows[i].listen, "senders", rows[i].senders, rows[i].keys ? "keys" : NULL, rows[i].keys, NULL};
        th = mmr_testhost_new();
        int r = mmr_testhost_add(th, &mmr_plugin_seat, cfg, &err);
        if (r >= 0)
            r = mmr_testhost_start(th, &err);
        if (r >= 0 || !strstr(err.text, rows[i].want))
            fail_msg("row %zu: %d '%s'", i, r, err.text);
        mmr_testhost_free(th);
        th = NULL;
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_teardown(lines_in_both_framings_and_json_come_in, stop),
        cmocka_unit_test_teardown(datagrams_of_a_known_address_come_in, stop),
        cmocka_unit_test_teardown(a_machine_a_sender_may_not_speak_for_is_refused_and_named, stop),
        cmocka_unit_test_teardown(an_unknown_address_is_closed_and_named, stop),
        cmocka_unit_test_teardown(lines_over_the_limit_cost_only_themselves, stop),
        cmocka_unit_test_teardown(every_mode_of_forward_is_read_and_a_chunk_is_acknowledged_after_its_commit, stop),
        cmocka_unit_test_teardown(hostile_forward_messages_end_their_connection_and_nothing_else, stop),
        cmocka_unit_test_teardown(a_shared_key_is_proved_by_both_ends_and_a_wrong_one_is_refused, stop),
        cmocka_unit_test_teardown(a_window_of_beats_is_acknowledged_after_its_commit, stop),
        cmocka_unit_test_teardown(relp_is_answered_line_by_line_after_the_commit, stop),
        cmocka_unit_test_teardown(a_full_bus_stops_reading_and_nothing_is_lost, stop),
        cmocka_unit_test_teardown(a_silent_machine_is_told_and_told_when_it_is_back, stop),
        cmocka_unit_test_teardown(a_wrong_configuration_is_refused_with_its_place, stop),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
