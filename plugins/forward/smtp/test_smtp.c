/* test_smtp.c - letters at a real mail server (aiosmtpd): in the open, with STARTTLS, with TLS from the start, with a log-in,
 * and straight to the recipient's own server found by a name server. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "letter.h"
#include "testserver.h"

extern const struct mmr_plugin mmr_plugin_smtp;

static const char notice[] =
    "{\"kind\":\"notice\",\"key\":\"00000000000000aa.0.owner.mail\",\"channel\":\"mail\",\"to\":\"%s\",\"lang\":\"ja\",\"office\":\"山田商店\","
    "\"service\":\"見守り\",\"subject\":\"【至急】経理のパソコンで、悪い動きを見つけました。すぐに線を抜いてください\",\"text\":\"【至急】<経理>のパソコン\\n電話してください\","
    "\"band\":\"red\",\"message\":\"urgent\",\"confirm_url\":\"https://m.example.jp/c/0123\"}";

static const char *record(const char *to, const char *key)
{
    static char buf[2048];
    (void)snprintf(buf, sizeof buf, notice, to);
    if (key) {
        char *at = strstr(buf, "aa.0");
        memcpy(at, key, 2);
    }
    return buf;
}

static struct mmr_testhost *host(const char *const *cfg)
{
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_testhost_use_real_clock(th);
    (void)mmr_testhost_make_state_dir(th);
    if (mmr_testhost_add(th, &mmr_plugin_smtp, cfg, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static void send_one(struct mmr_testhost *th, const char *json, uint64_t seq, int level)
{
    struct mmr_error err = {.struct_size = sizeof err};
    size_t before = mmr_testhost_deliveries(th);
    int r = mmr_testhost_forward(th, 0, json, seq, &err);
    if (r)
        fail_msg("%d %s", r, err.text);
    assert_true(testserver_wait(th, before + 1));
    const struct mmr_testhost_delivery *d = mmr_testhost_delivery(th, before);
    if (d->level != level || d->seq != seq)
        fail_msg("level %d of %llu, expected %d of %llu: %s", d->level, (unsigned long long)d->seq, level, (unsigned long long)seq, d->detail);
}

static void letters_arrive_whole_by_every_way(void **state)
{
    (void)state;
    static const struct {
        const char *modes[3], *tls;
        bool is_tls, has_user;
    } rows[] = {{{"plain", NULL}, "none", false, false}, {{"starttls", NULL}, "starttls", true, false}, {{"starttls", "auth", NULL}, "starttls", true, true},
                {{"implicit", "auth", NULL}, "implicit", true, true}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct testserver s;
        char server[64];
        testserver_start(&s, "smtpd.py", rows[i].modes);
        testserver_write(testserver_path(&s, "password"), "correct horse\n", 0600);
        (void)snprintf(server, sizeof server, "localhost:%d", s.port);
        const char *with[] = {"server", server, "tls", rows[i].tls, "from", "mamori@example.jp", "ca_file", testserver_path(&s, "cert.pem"),
                              "hello", "office.test", "user", "office", "password_file", testserver_path(&s, "password"), NULL};
        if (!rows[i].has_user)
            with[10] = NULL;
        struct mmr_testhost *th = host(with);
        send_one(th, record("owner@example.jp", NULL), 7, MMR_DELIVERY_GATEWAY); /* a relay's yes is level 1 */
        const char *log = testserver_log(&s, 1);
        assert_non_null(strstr(log, rows[i].is_tls ? "\"tls\": true" : "\"tls\": false"));
        assert_non_null(strstr(log, rows[i].has_user ? "\"user\": \"office\"" : "\"user\": null"));
        assert_non_null(strstr(log, "\"to\": [\"owner@example.jp\"]"));
        assert_non_null(strstr(log, "\"subject\": \"【至急】経理のパソコンで、悪い動きを見つけました。すぐに線を抜いてください\""));
        assert_non_null(strstr(log, "00000000000000aa.0.owner.mail@example.jp"));
        assert_non_null(strstr(log, "&lt;経理&gt;のパソコン<br>"));
        assert_non_null(strstr(log, "https://m.example.jp/c/0123"));
        assert_non_null(strstr(log, "\"eight_bit\": false"));
        /* the same again, as after a crash of the core: known, not sent */
        send_one(th, record("owner@example.jp", NULL), 7, MMR_DELIVERY_GATEWAY);
        assert_null(strchr(strchr(testserver_log(&s, 1), '\n') + 1, '\n'));
        mmr_testhost_free(th);
        testserver_stop(&s);
    }
}

static void a_refusal_and_a_later_are_told_apart(void **state)
{
    (void)state;
    static const char *const plain[] = {"plain", NULL};
    struct testserver s;
    char server[64];
    testserver_start(&s, "smtpd.py", plain);
    (void)snprintf(server, sizeof server, "127.0.0.1:%d", s.port);
    const char *const cfg[] = {"server", server, "tls", "none", "from", "mamori@example.jp", "own_domains", "home.test", NULL};
    struct mmr_testhost *th = host(cfg);
    send_one(th, record("busy@example.jp", "01"), 1, MMR_DELIVERY_TRIED);
    send_one(th, record("gone@example.jp", "02"), 2, MMR_DELIVERY_FAILED);
    send_one(th, record("owner@home.test", "03"), 3, MMR_DELIVERY_RECIPIENT); /* this server is the recipient's own */
    send_one(th, record("busy@example.jp", "01"), 1, MMR_DELIVERY_TRIED); /* what failed is tried again under its key */
    testserver_stop(&s);
    send_one(th, record("owner@example.jp", "04"), 4, MMR_DELIVERY_TRIED); /* nobody there */
    mmr_testhost_free(th);
}

static void a_server_that_cannot_be_trusted_gets_nothing(void **state)
{
    (void)state;
    static const char *const starttls[] = {"starttls", NULL}, *const plain[] = {"plain", NULL};
    struct testserver s;
    char server[64];
    testserver_start(&s, "smtpd.py", starttls);
    (void)snprintf(server, sizeof server, "localhost:%d", s.port);
    const char *const cfg[] = {"server", server, "from", "mamori@example.jp", NULL}; /* nobody vouches for its certificate */
    struct mmr_testhost *th = host(cfg);
    send_one(th, record("owner@example.jp", NULL), 1, MMR_DELIVERY_FAILED);
    assert_string_equal(testserver_log(&s, 0), "");
    mmr_testhost_free(th);
    testserver_stop(&s);
    testserver_start(&s, "smtpd.py", plain); /* and one that offers no TLS where it is asked for */
    (void)snprintf(server, sizeof server, "localhost:%d", s.port);
    th = host(cfg);
    send_one(th, record("owner@example.jp", NULL), 2, MMR_DELIVERY_FAILED);
    assert_string_equal(testserver_log(&s, 0), "");
    mmr_testhost_free(th);
    testserver_stop(&s);
}

static void straight_to_the_recipients_server_is_level_2(void **state)
{
    (void)state;
    static const char *const modes[] = {"starttls", "dns:0", NULL};
    struct testserver s;
    char port[16], dns[64] = "";
    testserver_start(&s, "smtpd.py", modes);
    FILE *f = fopen(testserver_path(&s, "dns"), "re");
    assert_non_null(f);
    assert_non_null(fgets(dns, sizeof dns, f));
    (void)fclose(f);
    (void)snprintf(port, sizeof port, "%d", s.port);
    const char *const cfg[] = {"server", "mx", "from", "mamori@example.jp", "dns", dns, "mx_port", port, NULL};
    struct mmr_testhost *th = host(cfg);
    send_one(th, record("owner@any.test", "01"), 1, MMR_DELIVERY_RECIPIENT);
    assert_non_null(strstr(testserver_log(&s, 1), "\"tls\": true")); /* encrypted where the other side can */
    assert_non_null(strstr(mmr_testhost_delivery(th, 0)->detail, "mx.example.test"));
    send_one(th, record("owner@nowhere.test", "02"), 2, MMR_DELIVERY_FAILED); /* no such domain: the next channel at once */
    send_one(th, record("gone@any.test", "03"), 3, MMR_DELIVERY_FAILED);
    mmr_testhost_free(th);
    testserver_stop(&s);
}

static void wrong_settings_and_records_are_named(void **state)
{
    (void)state;
    static const struct {
        const char *cfg[9], *says;
        int code;
    } rows[] = {
        {{"server", "h:25", "from", "nobody", NULL}, "'from'", MMR_ECONFIG},
        {{"server", "h:25", "from", "a@b", "tls", "ssl", NULL}, "'tls'", MMR_ECONFIG},
        {{"server", "smtp://h", "from", "a@b", NULL}, "'server'", MMR_ECONFIG},
        {{"server", "h:25", "from", "a@b", "user", "u", NULL}, "'password_file'", MMR_ECONFIG},
        {{"server", "mx", "from", "a@b", "dns", "not an address", NULL}, "'dns'", MMR_ECONFIG},
        {{"server", "h:25", "from", "a@b", "user", "u", "password_file", "/nonexistent/x", NULL}, "/nonexistent/x", MMR_EIO},
    };
    struct mmr_error err = {.struct_size = sizeof err};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_testhost *th = mmr_testhost_new();
        assert_int_equal(mmr_testhost_add(th, &mmr_plugin_smtp, rows[i].cfg, &err), rows[i].code);
        if (!strstr(err.text, rows[i].says))
            fail_msg("row %zu: %s", i, err.text);
        mmr_testhost_free(th);
    }
    const char *const cfg[] = {"server", "127.0.0.1:1", "tls", "none", "from", "a@b", NULL};
    struct mmr_testhost *th = host(cfg);
    assert_int_equal(mmr_testhost_forward(th, 0, "{\"class_uid\":2005}", 1, &err), MMR_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "takes"));
    assert_int_equal(mmr_testhost_forward(th, 0, record("a@b>\\r\\nRCPT TO:<c@d", NULL), 1, &err), MMR_EBADMSG);
    assert_int_equal(mmr_testhost_forward(th, 0, record("a@b,c@d", NULL), 1, &err), MMR_EINVAL);
    assert_int_equal(mmr_testhost_forward(th, 0, "[1", 1, &err), MMR_EBADMSG);
    mmr_testhost_free(th);
}

static void a_subject_is_folded_into_whole_characters(void **state)
{
    (void)state;
    char buf[1400];
    mmr_letter_encode("plain", buf, sizeof buf);
    assert_string_equal(buf, "plain");
    mmr_letter_encode("あいうえおかきくけこさしすせそ", buf, sizeof buf); /* 15 characters of 3 bytes: 13 in a word */
    assert_string_equal(buf, "=?UTF-8?B?44GC44GE44GG44GI44GK44GL44GN44GP44GR44GT44GV44GX44GZ?=\r\n =?UTF-8?B?44Gb44Gd?=");
    mmr_letter_encode("あいう", buf, 20); /* no room: nothing rather than half a word */
    assert_string_equal(buf, "");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_subject_is_folded_into_whole_characters),
        cmocka_unit_test(wrong_settings_and_records_are_named),
        cmocka_unit_test(letters_arrive_whole_by_every_way),
        cmocka_unit_test(a_refusal_and_a_later_are_told_apart),
        cmocka_unit_test(a_server_that_cannot_be_trusted_gets_nothing),
        cmocka_unit_test(straight_to_the_recipients_server_is_level_2),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
