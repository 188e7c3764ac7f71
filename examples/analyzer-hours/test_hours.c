/* test_hours.c - log-ins at chosen hours, and what is made of them; also without memory. */
#include <mamori/testhost.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

extern const struct mmr_plugin mmr_plugin_hours;

#define DAY_NS (INT64_C(19675) * 24 * 3600 * MMR_TH_S) /* 2023-11-14 00:00 UTC, 09:00 in Tokyo */

static void logon(struct mmr_testhost *th, int hour_utc, const char *user, const char *from)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t buf[1024];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "auth.logon", MMR_CLASS_AUTH, 1, DAY_NS + hour_utc * 3600 * MMR_TH_S, 1);
    mmr_event_str(&ev, "user.name", user);
    if (from)
        mmr_event_str(&ev, "src_endpoint.ip", from);
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(th, 0, ev.buf, ev.len, &err), 0);
}

static struct mmr_testhost *begin(void)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    const char *const config[] = {"ignore", "backup", NULL};
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_hours, config, &err), 0);
    return th;
}

static void work_is_no_finding(void **state)
{
    struct mmr_testhost *th = begin();
    (void)state;
    logon(th, 0, "sato", "192.0.2.5");
    logon(th, 10, "sato", "192.0.2.5");  /* 19:00 */
    logon(th, 15, "backup", "192.0.2.9"); /* midnight, and meant to */
    assert_int_equal(mmr_testhost_count(th, NULL), 0);
    mmr_testhost_free(th);
}

static void the_night_is_a_hint_and_a_new_place_at_night_is_more(void **state)
{
    struct mmr_testhost *th = begin();
    (void)state;
    logon(th, 1, "sato", "192.0.2.5");
    logon(th, 15, "sato", "192.0.2.5");
    logon(th, 16, "sato", "198.51.100.7");
    assert_int_equal(mmr_testhost_count(th, "finding"), 2);
    assert_string_equal(mmr_testhost_text(th, 0, "mamori.phase"), "");
    assert_string_equal(mmr_testhost_text(th, 1, "mamori.phase"), "account");
    assert_string_equal(mmr_testhost_text(th, 1, "src_endpoint.ip"), "198.51.100.7");
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    mmr_testhost_free(th);
}

static void make_and_free(void *ctx)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    (void)ctx;
    int r = mmr_testhost_add(th, &mmr_plugin_hours, NULL, &err);
    assert_int_equal(r, mmr_testhost_alloc_failed() ? MMR_ENOMEM : 0);
    mmr_testhost_free(th);
}

static void no_memory_is_refused(void **state)
{
    (void)state;
    assert_int_equal(mmr_testhost_each_alloc(make_and_free, NULL), 1);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(work_is_no_finding),
        cmocka_unit_test(the_night_is_a_hint_and_a_new_place_at_night_is_more),
        cmocka_unit_test(no_memory_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
