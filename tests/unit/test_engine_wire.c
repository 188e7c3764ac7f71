/* test_engine_wire.c - the pipe between a collector and its outlet program, and what NATS servers say. */
#include "engine/engine.h"
#include "engine/nats_answer.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

struct seen {
    unsigned n, op;
    struct mmr_engine_record r;
    char site[80], kind[40], *json;
};

static int keep(void *ctx, uint32_t op, const uint8_t *bytes, size_t len)
{
    struct seen *s = ctx;
    s->n++;
    s->op = op;
    if (op != MMR_ENGINE_RECORD)
        return 0;
    assert_int_equal(mmr_engine_record_read(bytes, len, &s->r, NULL), 0);
    (void)snprintf(s->site, sizeof s->site, "%s", s->r.site);
    (void)snprintf(s->kind, sizeof s->kind, "%s", s->r.kind);
    free(s->json);
    s->json = malloc(s->r.len + 1);
    assert_non_null(s->json);
    memcpy(s->json, s->r.json, s->r.len);
    s->json[s->r.len] = '\0';
    return 0;
}

static void records_come_out_as_they_went_in_however_the_pipe_cuts_them(void **state)
{
    (void)state;
    struct mmr_engine_pipe a, b;
    struct mmr_error err = {.struct_size = sizeof err};
    struct seen s = {0};
    int sv[2];
    const size_t big = 3 * 1024 * 1024;
    char *json = malloc(big + 1);
    assert_non_null(json);
    memset(json, 'j', big);
    json[big] = '\0';
    assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
    mmr_engine_pipe_init(&a, sv[0]);
    mmr_engine_pipe_init(&b, sv[1]);
    const size_t sizes[] = {0, 1, 2900, big};
    unsigned want = 0;
    for (size_t i = 0; i < sizeof sizes / sizeof sizes[0]; i++) {
        struct mmr_engine_record r = {.seq = 7 + i, .number = UINT64_MAX - i, .at_ns = -5, .is_urgent = i % 2, .site = "acme.tokyo", .kind = "incident", .json = json,
                                      .len = sizes[i]};
        memset(r.id, (int)i + 1, sizeof r.id);
        assert_int_equal(mmr_engine_put_record(&a, &r), 0);
        want++;
        for (int k = 0; k < 10000 && s.n < want; k++) { /* more than a socket takes at once */
            assert_int_equal(mmr_engine_flush(&a), 0);
            assert_int_equal(mmr_engine_read(&b, keep, &s, &err), 0);
        }
        assert_int_equal(s.n, want);
        assert_int_equal(mmr_engine_unsent(&a), 0);
        assert_true(s.r.seq == r.seq && s.r.number == r.number && s.r.at_ns == -5 && s.r.is_urgent == r.is_urgent && s.r.len == sizes[i]);
        assert_memory_equal(s.r.id, r.id, 16);
        assert_string_equal(s.site, "acme.tokyo");
        assert_string_equal(s.kind, "incident");
        assert_int_equal(strlen(s.json), sizes[i]);
    }
    const struct mmr_engine_record long_name = {.site = "a-name-that-is-longer-than-any-site-may-have-which-is-thirty-nine-letters-as-everybody-knows", .kind = "x", .json = "{}", .len = 2};
    assert_int_equal(mmr_engine_put_record(&a, &long_name), MMR_ETOOBIG);
    mmr_engine_pipe_done(&a);
    assert_int_equal(mmr_engine_read(&b, keep, &s, &err), MMR_EIO); /* the other end is gone */
    mmr_engine_pipe_done(&b);
    free(s.json);
    free(json);
}

static void a_frame_that_is_none_is_refused(void **state)
{
    (void)state;
    static const struct {
        const char *why;
        uint8_t bytes[8];
    } rows[] = {{"no length", {0, 0, 0, 0, 1}}, {"longer than any", {0xff, 0xff, 0xff, 0xff, 1}}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_engine_pipe b;
        struct mmr_error err = {.struct_size = sizeof err};
        struct seen s = {0};
        int sv[2];
        assert_int_equal(socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, sv), 0);
        mmr_engine_pipe_init(&b, sv[1]);
        assert_int_equal(write(sv[0], rows[i].bytes, 5), 5);
        int r = mmr_engine_read(&b, keep, &s, &err);
        if (r != MMR_EBADMSG || s.n != 0)
            fail_msg("%s: got %d (%s)", rows[i].why, r, err.text);
        mmr_engine_pipe_done(&b);
        (void)close(sv[0]);
    }
}

static void damaged_contents_are_refused(void **state)
{
    (void)state;
    struct mmr_engine_record r;
    const char *pairs[MMR_ENGINE_PAIRS_MAX][2], *why;
    uint8_t bytes[200];
    uint64_t seq;
    size_t n = 9;
    memset(bytes, 'x', sizeof bytes);
    assert_int_equal(mmr_engine_record_read(bytes, 40, &r, NULL), MMR_EBADMSG);  /* its head is not whole */
    assert_int_equal(mmr_engine_record_read(bytes, 200, &r, NULL), MMR_EBADMSG); /* no name ends */
    bytes[199] = '\0';
    assert_int_equal(mmr_engine_record_read(bytes, 200, &r, NULL), MMR_EBADMSG); /* the site's is too long, the kind is not there */
    assert_int_equal(mmr_engine_pairs_read(bytes, 10, pairs, &n, NULL), MMR_EBADMSG);
    static const uint8_t one[] = "key"; /* a key without its value */
    assert_int_equal(mmr_engine_pairs_read(one, sizeof one, pairs, &n, NULL), MMR_EBADMSG);
    assert_int_equal(n, 9);
    static const uint8_t two[] = "a\0b\0c\0";
    assert_int_equal(mmr_engine_pairs_read(two, sizeof two, pairs, &n, NULL), 0);
    assert_int_equal(n, 2);
    assert_string_equal(mmr_engine_pair(pairs, n, "a"), "b");
    assert_string_equal(mmr_engine_pair(pairs, n, "c"), "");
    assert_string_equal(mmr_engine_pair(pairs, n, "d"), "");
    uint8_t many[200];
    for (size_t i = 0; i < sizeof many; i++)
        many[i] = i % 2 ? 0 : 'k';
    assert_int_equal(mmr_engine_pairs_read(many, sizeof many, pairs, &n, NULL), MMR_EBADMSG); /* 50 pairs */
    assert_int_equal(mmr_engine_never_read(bytes, 8, &seq, &why, NULL), MMR_EBADMSG);
    assert_int_equal(mmr_engine_never_read(bytes, 100, &seq, &why, NULL), MMR_EBADMSG);
}

static void answers_of_a_stream_are_read(void **state)
{
    (void)state;
    static const struct {
        const char *json;
        enum mmr_nats_what what;
        bool is_known;
        int64_t code;
    } rows[] = {
        {"{\"stream\":\"mamori\",\"seq\":12}", MMR_NATS_STORED, false, 0},
        {"{\"stream\":\"mamori\",\"seq\":12,\"duplicate\":true}", MMR_NATS_STORED, true, 0},
        {"{\"error\":{\"code\":400,\"err_code\":10054,\"description\":\"message size exceeds maximum allowed\"},\"stream\":\"mamori\",\"seq\":0}", MMR_NATS_REFUSED, false, 10054},
        {"{\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"maximum bytes exceeded\"}}", MMR_NATS_REFUSED, false, 10077},
        {"{\"stream\":\"mamori\",\"seq\":0}", MMR_NATS_REFUSED, false, 0},
        {"{\"stream\":\"mamori\",\"seq\":\"12\"}", MMR_NATS_REFUSED, false, 0},
        {"+OK", MMR_NATS_REFUSED, false, 0},
        {"", MMR_NATS_REFUSED, false, 0},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_nats_answer a;
        mmr_nats_answer_read(rows[i].json, strlen(rows[i].json), &a);
        if (a.what != rows[i].what || a.is_known != rows[i].is_known || a.code != rows[i].code || (a.what == MMR_NATS_REFUSED) != (a.text[0] != '\0'))
            fail_msg("%s: got %d %d %lld '%s'", rows[i].json, (int)a.what, a.is_known, (long long)a.code, a.text);
    }
}

static void what_servers_say_of_themselves_is_read(void **state)
{
    (void)state;
    char version[MMR_NATS_VERSION_MAX + 1] = "", host[64], port[8];
    bool is_always = false;
    int64_t seconds = 0;
    assert_true(mmr_nats_greeting_version("INFO {\"server_id\":\"N\",\"version\":\"2.9.10\",\"proto\":1} \r\n", version));
    assert_string_equal(version, "2.9.10");
    assert_false(mmr_nats_greeting_version("INFO {\"version\":2}\r\n", version));
    assert_false(mmr_nats_greeting_version("SSH-2.0-OpenSSH_9.2\r\n", version));
    assert_true(mmr_nats_is_older("2.9.10", 2, 10, 23));
    assert_true(mmr_nats_is_older("2.10.22", 2, 10, 23));
    assert_false(mmr_nats_is_older("2.10.23", 2, 10, 23));
    assert_false(mmr_nats_is_older("2.12.1", 2, 12, 0));
    assert_false(mmr_nats_is_older("2.12.0-RC.1", 2, 12, 0));
    assert_true(mmr_nats_is_older("unknown", 2, 12, 0));
    assert_true(mmr_nats_page_sync("HTTP/1.0 200 OK\r\n\r\n{\"jetstream\":{\"config\":{\"sync_interval\":120000000000}}}", &is_always, &seconds));
    assert_true(!is_always && seconds == 120);
    assert_true(mmr_nats_page_sync("HTTP/1.1 200 OK\r\nA: b\r\n\r\n{\"jetstream\":{\"config\":{\"sync_interval\":120000000000,\"sync_always\":true}}}\n", &is_always, &seconds));
    assert_true(is_always);
    assert_true(mmr_nats_page_sync("HTTP/1.0 200 OK\r\n\r\n{\"jetstream\":{\"config\":{}}}", &is_always, &seconds)); /* 2.9 does not say */
    assert_true(!is_always && seconds == 120);
    assert_false(mmr_nats_page_sync("HTTP/1.0 404 Not Found\r\n\r\nno", &is_always, &seconds));
    assert_false(mmr_nats_page_sync("{\"jetstream\":{\"config\":{}}}", &is_always, &seconds));
    assert_true(mmr_nats_host_of("nats://192.0.2.1:4333", "4222", host, sizeof host, port, sizeof port));
    assert_string_equal(host, "192.0.2.1");
    assert_string_equal(port, "4333");
    assert_true(mmr_nats_host_of("tls://u:p@[2001:db8::1]:4222/x", "1", host, sizeof host, port, sizeof port));
    assert_string_equal(host, "2001:db8::1");
    assert_string_equal(port, "4222");
    assert_true(mmr_nats_host_of("http://host", "8222", host, sizeof host, port, sizeof port));
    assert_string_equal(port, "8222");
    assert_false(mmr_nats_host_of("nats://:4222", "4222", host, sizeof host, port, sizeof port));
    assert_false(mmr_nats_host_of("nats://[::1", "4222", host, sizeof host, port, sizeof port));
    assert_false(mmr_nats_host_of("nats://h:123456789", "4222", host, sizeof host, port, sizeof port));
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(records_come_out_as_they_went_in_however_the_pipe_cuts_them), cmocka_unit_test(a_frame_that_is_none_is_refused),
        cmocka_unit_test(damaged_contents_are_refused), cmocka_unit_test(answers_of_a_stream_are_read), cmocka_unit_test(what_servers_say_of_themselves_is_read),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
