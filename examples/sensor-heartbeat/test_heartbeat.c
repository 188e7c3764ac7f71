/* test_heartbeat.c - the plugin in a host whose clock the test turns. */
#include <mamori/testhost.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_heartbeat;

struct world {
    struct mmr_testhost *th;
    struct mmr_error err;
    char file[512];
};

/* The file changes at the test's time, not at the machine's. */
static void touch(struct world *w)
{
    int64_t now = mmr_testhost_time(w->th);
    struct timespec t[2] = {{.tv_sec = now / MMR_TH_S, .tv_nsec = now % MMR_TH_S}, {.tv_sec = now / MMR_TH_S, .tv_nsec = now % MMR_TH_S}};
    int fd = open(w->file, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(futimens(fd, t), 0);
    assert_int_equal(close(fd), 0);
}

static void begin(struct world *w)
{
    memset(w, 0, sizeof *w);
    w->err.struct_size = sizeof w->err;
    w->th = mmr_testhost_new();
    (void)snprintf(w->file, sizeof w->file, "%s/stamp", mmr_testhost_make_state_dir(w->th));
    const char *const config[] = {"file", w->file, "every", "1h", "look", "1m", NULL};
    assert_int_equal(mmr_testhost_add(w->th, &mmr_plugin_heartbeat, config, &w->err), 0);
}

static void end(struct world *w)
{
    const char *why = "";
    if (mmr_testhost_refusals(w->th, &why) != 0)
        fail_msg("the host would have refused something: %s", why);
    (void)unlink(w->file);
    mmr_testhost_free(w->th);
}

static void a_file_that_changes_is_no_finding(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    touch(&w);
    assert_int_equal(mmr_testhost_start(w.th, &w.err), 0);
    for (int i = 0; i < 5; i++) {
        mmr_testhost_advance(w.th, 50 * 60 * MMR_TH_S);
        touch(&w);
    }
    mmr_testhost_advance(w.th, 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(w.th, "heartbeat.seen"), 6);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 0);
    end(&w);
}

static void a_silence_is_said_once_and_again_after_the_next(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    touch(&w);
    assert_int_equal(mmr_testhost_start(w.th, &w.err), 0);
    mmr_testhost_advance(w.th, 59 * 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 0);
    mmr_testhost_advance(w.th, 3 * 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 1);
    int f = mmr_testhost_find(w.th, "finding", 0);
    assert_string_equal(mmr_testhost_text(w.th, f, "file.path"), w.file);
    assert_string_equal(mmr_testhost_text(w.th, f, "mamori.rule"), "org.example.heartbeat.late");
    mmr_testhost_advance(w.th, 300 * 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 1);
    touch(&w);
    mmr_testhost_advance(w.th, 62 * 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 2);
    end(&w);
}

static void a_file_that_never_comes_is_late_too(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    assert_int_equal(mmr_testhost_start(w.th, &w.err), 0);
    mmr_testhost_advance(w.th, 61 * 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 1);
    end(&w);
}

static void a_full_bus_loses_no_finding(void **state)
{
    struct world w;
    (void)state;
    begin(&w);
    assert_int_equal(mmr_testhost_start(w.th, &w.err), 0);
    mmr_testhost_emit_result(w.th, MMR_EAGAIN);
    mmr_testhost_advance(w.th, 70 * 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 0);
    mmr_testhost_emit_result(w.th, 0);
    mmr_testhost_advance(w.th, 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(w.th, "finding"), 1);
    end(&w);
}

static void wrong_configuration_is_refused(void **state)
{
    static const struct {
        const char *why, *file, *every;
    } rows[] = {{"a relative path", "stamp", "1h"}, {"no time", "/x", "often"}, {"too short", "/x", "1ms"}};
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct mmr_testhost *th = mmr_testhost_new();
        struct mmr_error err = {.struct_size = sizeof err};
        const char *const config[] = {"file", rows[i].file, "every", rows[i].every, NULL};
        int got = mmr_testhost_add(th, &mmr_plugin_heartbeat, config, &err);
        if (got != MMR_ECONFIG)
            fail_msg("%s: got %d (%s)", rows[i].why, got, err.text);
        mmr_testhost_free(th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_that_changes_is_no_finding), cmocka_unit_test(a_silence_is_said_once_and_again_after_the_next),
        cmocka_unit_test(a_file_that_never_comes_is_late_too), cmocka_unit_test(a_full_bus_loses_no_finding),
        cmocka_unit_test(wrong_configuration_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
