/* test_fluent.c - records at a receiver of the forward protocol that follows the specification, and at some that do not. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "testserver.h"
#include "wire.h"

extern const struct mmr_plugin mmr_plugin_fluent;

static const char incident[] = "{\"class_uid\":2005,\"severity_id\":5,\"time\":1700000000123,\"desc\":\"a \\u8a71\",\"score\":0.5,\"big\":18446744073709551615,"
                               "\"unmapped\":{\"mamori\":{\"class\":\"severe\",\"list\":[1,-2,null,true]}}}";

struct setting {
    const char *args[8];
    const char *cfg[16];
};

static struct mmr_testhost *open_sender(const struct testserver *s, const char *const *more)
{
    static char server[64];
    const char *cfg[24] = {"server", server, "hostname", "hub-1", "ca_file", testserver_path(s, "cert.pem")};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    (void)snprintf(server, sizeof server, "localhost:%d", s->port);
    size_t at = more[0] && strcmp(more[0], "ca_file") == 0 ? 4 : 6; /* another one */
    for (size_t i = 0; more[i]; i++)
        cfg[at + i] = more[i], cfg[at + i + 1] = NULL;
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_fluent, cfg, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static void give(struct mmr_testhost *th, uint64_t seq)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_testhost_forward(th, 0, incident, seq, &err);
    if (r != 0)
        fail_msg("record %llu: %d %s", (unsigned long long)seq, r, err.text);
}

/* As the core does it: later, when it is told so. */
static void give_until_taken(struct mmr_testhost *th, uint64_t seq)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = MMR_EAGAIN;
    for (int i = 0; i < 1200 && r == MMR_EAGAIN; i++)
        if ((r = mmr_testhost_forward(th, 0, incident, seq, &err)) == MMR_EAGAIN)
            (void)mmr_testhost_poll(th, 50);
    assert_int_equal(r, 0);
}

static int count(const char *text, const char *word)
{
    int n = 0;
    for (const char *p = text; (p = strstr(p, word)); p++)
        n++;
    return n;
}

static char secret_dir[] = "/tmp/mamori-fluent-XXXXXX", key_file[64], password_file[64], other_file[64];
static int make_secrets(void **state)
{
    (void)state;
    if (!mkdtemp(secret_dir))
        return -1;
    (void)snprintf(key_file, sizeof key_file, "%s/key", secret_dir);
    (void)snprintf(password_file, sizeof password_file, "%s/password", secret_dir);
    (void)snprintf(other_file, sizeof other_file, "%s/other", secret_dir);
    testserver_write(key_file, "a-shared-secret\n", 0600);
    testserver_write(password_file, "a-password\n", 0600);
    testserver_write(other_file, "something-else\n", 0600);
    return 0;
}
static int drop_secrets(void **state)
{
    (void)state;
    return unlink(key_file) || unlink(password_file) || unlink(other_file) || rmdir(secret_dir);
}

static void records_arrive_and_count_when_acknowledged(void **state)
{
    (void)state;
    static const struct setting rows[] = {
        {{"tcp", NULL}, {"transport", "tcp", NULL}},
        {{"tls", NULL}, {NULL}},
        {{"tls", "a-shared-secret", NULL}, {"shared_key_file", key_file, NULL}},
        {{"tcp", "a-shared-secret", "office", "a-password", NULL}, {"transport", "tcp", "shared_key_file", key_file, "user", "office", "password_file", password_file, NULL}},
        {{"tls", "a-shared-secret", "--do=slow", NULL}, {"shared_key_file", key_file, NULL}},
        {{"tcp", "--do=reversed", NULL}, {"transport", "tcp", NULL}},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct testserver s;
        testserver_start(&s, "fluentpeer.py", rows[i].args);
        struct mmr_testhost *th = open_sender(&s, rows[i].cfg);
        for (uint64_t k = 1; k <= 20; k++)
            give(th, k);
        give(th, 20); /* it waits already */
        if (!testserver_wait(th, 20))
            fail_msg("row %zu: %zu of 20 acknowledged: %.400s", i, mmr_testhost_deliveries(th), testserver_log(&s, 0));
        for (size_t k = 0; k < 20; k++)
            assert_int_equal(mmr_testhost_delivery(th, k)->level, MMR_DELIVERY_GATEWAY);
        const char *log = testserver_log(&s, 20);
        assert_int_equal(count(log, "\"chunk\""), 20);
        assert_int_equal(count(log, "\"tag\": \"mamori.2005\", \"sec\": 1700000000, \"nsec\": 123000000"), 20);
        assert_int_equal(count(log, "\"desc\": \"a 話\", \"score\": 0.5, \"big\": 18446744073709551615"), 20);
        assert_int_equal(count(log, "\"list\": [1, -2, null, true]"), 20);
        assert_int_equal(count(log, "\"ping\": {\"name\": \"hub-1\""), rows[i].args[1] && rows[i].args[1][0] != '-' ? 1 : 0);
        assert_int_equal(count(log, "refused"), 0);
        assert_int_equal(mmr_testhost_deliveries(th), 20);
        mmr_testhost_free(th);
        testserver_stop(&s);
    }
}

static void what_was_not_acknowledged_is_given_again_under_its_name(void **state)
{
    (void)state;
    struct testserver s;
    static const char *const args[] = {"tcp", "--do=drop", NULL}, *const cfg[] = {"transport", "tcp", NULL};
    testserver_start(&s, "fluentpeer.py", args);
    struct mmr_testhost *th = open_sender(&s, cfg);
    give(th, 7);
    assert_true(testserver_wait(th, 1));
    assert_int_equal(mmr_testhost_delivery(th, 0)->level, MMR_DELIVERY_TRIED);
    assert_int_equal((int)mmr_testhost_delivery(th, 0)->seq, 7);
    give_until_taken(th, 7);
    assert_true(testserver_wait(th, 2));
    assert_int_equal(mmr_testhost_delivery(th, 1)->level, MMR_DELIVERY_GATEWAY);
    char first[64] = "", second[64] = "";
    const char *log = testserver_log(&s, 2), *p = strstr(log, "\"chunk\": \"");
    assert_non_null(p);
    (void)snprintf(first, sizeof first, "%.34s", p);
    p = strstr(p + 1, "\"chunk\": \"");
    assert_non_null(p);
    (void)snprintf(second, sizeof second, "%.34s", p);
    assert_string_equal(first, second);
    mmr_testhost_free(th);
    testserver_stop(&s);
}

static void a_receiver_that_is_none_gets_nothing_counted(void **state)
{
    (void)state;
    static const struct {
        struct setting s;
        const char *says;
    } rows[] = {
        {{{"tcp", "--do=deaf", NULL}, {"transport", "tcp", "ack_timeout", "1s", NULL}}, "no acknowledgement in time"},
        {{{"tcp", "--do=endless", NULL}, {"transport", "tcp", "ack_timeout", "2s", NULL}}, "no acknowledgement in time"},
        {{{"tcp", "a-shared-secret", NULL}, {"transport", "tcp", "shared_key_file", other_file, NULL}}, "shared_key mismatch"},
        {{{"tcp", "a-shared-secret", "--do=liar", NULL}, {"transport", "tcp", "shared_key_file", key_file, NULL}}, "did not prove"},
        {{{"tcp", "a-shared-secret", "--do=echo", NULL}, {"transport", "tcp", "shared_key_file", key_file, NULL}}, "our own name"},
        {{{"tcp", "a-shared-secret", "office", "a-password", NULL}, {"transport", "tcp", "shared_key_file", key_file, NULL}}, "asks for a user"},
        {{{"tcp", "a-shared-secret", "office", "a-password", NULL}, {"transport", "tcp", "shared_key_file", key_file, "user", "office", "password_file", other_file, NULL}}, "username/password"},
        {{{"tcp", "a-shared-secret", NULL}, {"transport", "tcp", NULL}}, "wants a shared key"},
        {{{"tcp", NULL}, {"transport", "tcp", "shared_key_file", key_file, "timeout", "1s", NULL}}, "no handshake in time"},
        {{{"tcp", NULL}, {"transport", "tls", "timeout", "5s", NULL}}, "localhost"},
        {{{"tls", NULL}, {"ca_file", "/etc/hostname", NULL}}, "localhost"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct testserver s;
        const char *last = "";
        testserver_start(&s, "fluentpeer.py", rows[i].s.args);
        struct mmr_testhost *th = open_sender(&s, rows[i].s.cfg);
        give(th, 1);
        if (!testserver_wait(th, 1))
            fail_msg("%s: no answer", rows[i].says);
        if (mmr_testhost_delivery(th, 0)->level != MMR_DELIVERY_TRIED)
            fail_msg("%s: level %d", rows[i].says, mmr_testhost_delivery(th, 0)->level);
        (void)mmr_testhost_logged(th, MMR_LOG_WARN, &last);
        if (!strstr(last, rows[i].says))
            fail_msg("row %zu: '%s' does not say '%s'", i, last, rows[i].says);
        struct mmr_error err = {.struct_size = sizeof err};
        assert_int_equal(mmr_testhost_forward(th, 0, incident, 1, &err), MMR_EAGAIN); /* not at once again */
        mmr_testhost_free(th);
        testserver_stop(&s);
    }
}

static void wrong_settings_are_named(void **state)
{
    (void)state;
    static const char *const rows[][7] = {{"server", "nohost"}, {"server", "h:1", "transport", "udp"}, {"server", "https://h:1"}, {"server", "h:1", "tag", "a b"},
                                          {"server", "h:1", "user", "x"}, {"server", "h:1", "shared_key_file", "/nonexistent"}};
    static const char *const says[] = {"'server'", "'transport'", "'server'", "'tag'", "'user'", "/nonexistent"};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_testhost *th = mmr_testhost_new();
        assert_true(mmr_testhost_add(th, &mmr_plugin_fluent, rows[i], &err) < 0);
        if (!strstr(err.text, says[i]))
            fail_msg("%s", err.text);
        mmr_testhost_free(th);
    }
}

static void answers_are_read_whole_or_refused(void **state)
{
    (void)state;
    static const struct {
        const char *why, *bytes;
        size_t len;
        int want;
    } rows[] = {
        {"an acknowledgement", "\x81\xa3" "ack\xa2" "id", 8, 1},
        {"a part of one", "\x81\xa3" "ack\xa2" "i", 7, 0},
        {"nothing", "", 0, 0},
        {"without a name", "\x81\xa3" "ack\xa0", 6, MMR_EBADMSG},
        {"another map", "\x81\xa3" "nak\xa2" "id", 8, MMR_EBADMSG},
        {"a HELO", "\x92\xa4HELO\x81\xa5nonce\xc4\x02" "ab", 17, 1},
        {"a HELO of three", "\x93\xa4HELO\x81\xa5nonce\xc4\x02" "ab\xc0", 18, MMR_EBADMSG},
        {"a PONG", "\x95\xa4PONG\xc3\xa0\xa1n\xa1" "d", 12, 1},
        {"a PONG whose yes is a number", "\x95\xa4PONG\x01\xa0\xa1n\xa1" "d", 12, MMR_EBADMSG},
        {"words of HTTP", "HTTP/1.1 400", 12, MMR_EBADMSG},
        {"a list of four thousand million", "\xdd\xff\xff\xff\xff", 5, 0},
        {"text of four thousand million", "\xdb\xff\xff\xff\xff", 5, MMR_ETOOBIG},
        {"no MessagePack", "\xc1", 1, MMR_EBADMSG},
        {"too deep", "\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91\x91", 20, MMR_ETOOBIG},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_fluent_answer a = {0};
        struct mmr_error err = {.struct_size = sizeof err};
        size_t used = 99;
        int got = mmr_fluent_answer((const uint8_t *)rows[i].bytes, rows[i].len, &used, &a, &err);
        if (got != rows[i].want)
            fail_msg("%s: got %d, want %d (%s)", rows[i].why, got, rows[i].want, err.text);
        assert_int_equal(used, got == 1 ? rows[i].len : 99);
    }
    struct mmr_error err = {.struct_size = sizeof err};
    char deep[200] = "", name[MMR_FLUENT_CHUNK_TEXT + 1];
    uint8_t *p = NULL;
    size_t n = 0;
    for (int i = 0; i < 20; i++)
        deep[i] = '[', deep[20 + i] = ']';
    char record[300];
    (void)snprintf(record, sizeof record, "{\"a\":%s}", deep);
    assert_int_equal(mmr_fluent_chunk("t", record, strlen(record), 1, 0, name, &p, &n, &err), MMR_EBADMSG);
    assert_int_equal(mmr_fluent_chunk("t", "[]", 2, 1, 0, name, &p, &n, &err), MMR_EBADMSG);
    assert_int_equal(mmr_fluent_chunk("t", "{", 1, 1, 0, name, &p, &n, &err), MMR_EBADMSG);
    assert_null(p);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(answers_are_read_whole_or_refused),
        cmocka_unit_test(wrong_settings_are_named),
        cmocka_unit_test(records_arrive_and_count_when_acknowledged),
        cmocka_unit_test(what_was_not_acknowledged_is_given_again_under_its_name),
        cmocka_unit_test(a_receiver_that_is_none_gets_nothing_counted),
    };
    return cmocka_run_group_tests(tests, make_secrets, drop_secrets);
}
