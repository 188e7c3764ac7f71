/* test_webhook.c - requests at a real server over TLS: body, headers, signature, and what each answer counts as. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "reply.h"
#include "template.h"
#include "testserver.h"

#include <sodium.h>

extern const struct mmr_plugin mmr_plugin_webhook;

static const char notice[] = "{\"kind\":\"notice\",\"key\":\"%s.0.owner.sms\",\"channel\":\"sms\",\"to\":\"%s\",\"lang\":\"ja\",\"subject\":\"件名\","
                             "\"text\":\"一行目 \\\"引用\\\"\\n二行目\",\"report_url\":\"https://m.example.jp/d/01\"}";

static const char *record(const char *key, const char *to)
{
    static char buf[1024];
    (void)snprintf(buf, sizeof buf, notice, key, to);
    return buf;
}

static struct mmr_testhost *host(const char *const *cfg)
{
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_testhost_use_real_clock(th);
    (void)mmr_testhost_make_state_dir(th);
    if (mmr_testhost_add(th, &mmr_plugin_webhook, cfg, &err) != 0)
        fail_msg("%s", err.text);
    return th;
}

static void send_one(struct mmr_testhost *th, const char *json, int level)
{
    struct mmr_error err = {.struct_size = sizeof err};
    static uint64_t seq;
    size_t before = mmr_testhost_deliveries(th);
    int r = mmr_testhost_forward(th, 0, json, ++seq, &err);
    if (r)
        fail_msg("%d %s", r, err.text);
    assert_true(testserver_wait(th, before + 1));
    if (mmr_testhost_delivery(th, before)->level != level)
        fail_msg("level %d, expected %d: %s", mmr_testhost_delivery(th, before)->level, level, mmr_testhost_delivery(th, before)->detail);
}

static void a_message_goes_out_by_its_template_signed_and_once(void **state)
{
    (void)state;
    struct testserver s;
    char url[96], want[200], signed_text[400];
    testserver_start(&s, "hookd.py", NULL);
    (void)snprintf(url, sizeof url, "https://localhost:%d/sms", s.port);
    testserver_write(testserver_path(&s, "template"), "{\"to\": \"{to}\", \"body\": \"{text}\", \"n\": {\"cb\": \"{report_url}\"}}", 0644);
    testserver_write(testserver_path(&s, "secret"), "s3cret\n", 0600);
    testserver_write(testserver_path(&s, "token"), "t0ken\n", 0600);
    const char *const cfg[] = {"url", url, "ca_file", testserver_path(&s, "cert.pem"), "template", testserver_path(&s, "template"),
                               "secret_file", testserver_path(&s, "secret"), "token_file", testserver_path(&s, "token"), "status_field", "messages.0.status",
                               "status_delivered", "delivered", NULL};
    struct mmr_testhost *th = host(cfg);
    send_one(th, record("aa", "+810000000001"), MMR_DELIVERY_RECIPIENT);
    send_one(th, record("bb", "+810000000002"), MMR_DELIVERY_GATEWAY);
    send_one(th, record("aa", "+810000000001"), MMR_DELIVERY_RECIPIENT); /* given again: known, not sent */
    const char *log = testserver_log(&s, 2);
    assert_null(strchr(strchr(strchr(log, '\n') + 1, '\n') + 1, '\n'));
    assert_non_null(strstr(log, "\"body\": \"{\\\"to\\\": \\\"+810000000001\\\", \\\"body\\\": \\\"一行目 \\\\\\\"引用\\\\\\\"\\\\n二行目\\\""));
    assert_non_null(strstr(log, "\"authorization\": \"Bearer t0ken\""));
    assert_non_null(strstr(log, "\"idempotency-key\": \"aa.0.owner.sms\""));
    const char *sig = strstr(log, "\"x-mamori-signature\": \"t=");
    assert_non_null(sig);
    long long t = strtoll(sig + 25, NULL, 10);
    uint8_t mac[crypto_auth_hmacsha256_BYTES];
    char hex[65];
    crypto_auth_hmacsha256_state st;
    int n = snprintf(signed_text, sizeof signed_text, "%lld.{\"to\": \"+810000000001\", \"body\": \"一行目 \\\"引用\\\"\\n二行目\", \"n\": {\"cb\": \"https://m.example.jp/d/01\"}}", t);
    (void)crypto_auth_hmacsha256_init(&st, (const uint8_t *)"s3cret", 6);
    (void)crypto_auth_hmacsha256_update(&st, (const uint8_t *)signed_text, (unsigned long long)n);
    (void)crypto_auth_hmacsha256_final(&st, mac);
    (void)sodium_bin2hex(hex, sizeof hex, mac, sizeof mac);
    (void)snprintf(want, sizeof want, "v1=%s", hex);
    assert_non_null(strstr(log, want));
    mmr_testhost_free(th);
    testserver_stop(&s);
}

static void answers_of_the_server_count_as_what_they_say(void **state)
{
    (void)state;
    static const struct {
        const char *path;
        int level;
    } rows[] = {{"ok", MMR_DELIVERY_GATEWAY}, {"later", MMR_DELIVERY_TRIED}, {"no", MMR_DELIVERY_FAILED}, {"moved", MMR_DELIVERY_FAILED}};
    struct testserver s;
    char url[96];
    testserver_start(&s, "hookd.py", NULL);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        (void)snprintf(url, sizeof url, "https://localhost:%d/%s", s.port, rows[i].path);
        const char *const cfg[] = {"url", url, "ca_file", testserver_path(&s, "cert.pem"), NULL};
        struct mmr_testhost *th = host(cfg);
        send_one(th, record("cc", "room"), rows[i].level);
        send_one(th, "{\"class_uid\":2005,\"metadata\":{\"uid\":\"u\"}}", rows[i].level); /* a machine's record as it is */
        mmr_testhost_free(th);
    }
    (void)snprintf(url, sizeof url, "https://localhost:%d/ok", s.port);
    const char *const cfg[] = {"url", url, NULL}; /* nobody vouches for it */
    struct mmr_testhost *th = host(cfg);
    const char *before = testserver_log(&s, 8);
    size_t len = strlen(before);
    send_one(th, record("dd", "room"), MMR_DELIVERY_FAILED);
    assert_int_equal(strlen(testserver_log(&s, 8)), len);
    mmr_testhost_free(th);
    testserver_stop(&s);
}

static void replies_are_read_by_their_rule(void **state)
{
    (void)state;
    const struct mmr_reply_rule plain = {.level_of_2xx = MMR_DELIVERY_GATEWAY}, sure = {.level_of_2xx = MMR_DELIVERY_RECIPIENT},
                                field = {.field = "a.1.b", .delivered = "3", .failed = "no", .level_of_2xx = MMR_DELIVERY_GATEWAY};
    assert_int_equal(mmr_reply_level(&plain, 204, "", 0), MMR_DELIVERY_GATEWAY);
    assert_int_equal(mmr_reply_level(&sure, 200, "", 0), MMR_DELIVERY_RECIPIENT);
    assert_int_equal(mmr_reply_level(&plain, 429, "", 0), MMR_DELIVERY_TRIED);
    assert_int_equal(mmr_reply_level(&plain, 404, "", 0), MMR_DELIVERY_FAILED);
    assert_int_equal(mmr_reply_level(&plain, 0, "", 0), MMR_DELIVERY_TRIED);
    static const struct {
        const char *body;
        int level;
    } rows[] = {{"{\"a\":[0,{\"b\":3}]}", MMR_DELIVERY_RECIPIENT}, {"{\"a\":[0,{\"b\":\"no\"}]}", MMR_DELIVERY_FAILED}, {"{\"a\":[0,{\"b\":\"\"}]}", MMR_DELIVERY_GATEWAY},
                {"{\"a\":[0]}", MMR_DELIVERY_GATEWAY}, {"{\"a\":{\"1\":{\"b\":\"3\"}}}", MMR_DELIVERY_RECIPIENT}, {"<html>", MMR_DELIVERY_GATEWAY}, {"[[[[[[[[[[[[[[[[[[[[", MMR_DELIVERY_GATEWAY}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++)
        if (mmr_reply_level(&field, 200, rows[i].body, strlen(rows[i].body)) != rows[i].level)
            fail_msg("%s", rows[i].body);
}

static const char *value(void *ctx, const char *name)
{
    (void)ctx;
    return strcmp(name, "x") == 0 ? "a&\"\n日" : NULL;
}

static void places_are_written_as_their_body_needs(void **state)
{
    (void)state;
    struct mmr_error err = {.struct_size = sizeof err};
    char *out = NULL;
    assert_int_equal(mmr_template_fill("{ \"{x}\" {}", MMR_TEMPLATE_JSON, value, NULL, &out, &err), 0);
    assert_string_equal(out, "{ \"a&\\\"\\n日\" {}");
    free(out);
    assert_int_equal(mmr_template_fill("t={x}", MMR_TEMPLATE_FORM, value, NULL, &out, &err), 0);
    assert_string_equal(out, "t=a%26%22%0A%E6%97%A5");
    free(out);
    assert_int_equal(mmr_template_fill("{y}", MMR_TEMPLATE_TEXT, value, NULL, &out, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "{y}"));
    static const struct {
        const char *cfg[7], *says;
    } rows[] = {{{"url", "http://h/", NULL}, "'url'"}, {{"url", "https://h/", "type", "xml", NULL}, "'type'"}, {{"url", "https://h/", "headers", "x", NULL}, "'headers'"},
                {{"url", "https://h/", "accepted", "maybe", NULL}, "'accepted'"}, {{"url", "https://h/", "template", "/nonexistent/t", NULL}, "/nonexistent/t"}};
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_testhost *th = mmr_testhost_new();
        assert_true(mmr_testhost_add(th, &mmr_plugin_webhook, rows[i].cfg, &err) < 0);
        assert_non_null(strstr(err.text, rows[i].says));
        mmr_testhost_free(th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(places_are_written_as_their_body_needs),
        cmocka_unit_test(replies_are_read_by_their_rule),
        cmocka_unit_test(a_message_goes_out_by_its_template_signed_and_once),
        cmocka_unit_test(answers_of_the_server_count_as_what_they_say),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
