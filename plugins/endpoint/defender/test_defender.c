/* test_defender.c - Defender's own events, in the shapes senders give them, and what is made of them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "decode.h"
#include "testhost.h"

extern const struct mmr_plugin mmr_plugin_defender;

static struct mmr_testhost *th;
static struct mmr_logdec *dec;

static int setup(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    (void)state;
    th = mmr_testhost_new();
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_defender, NULL, &err), 0);
    assert_int_equal(mmr_logdec_new(MMR_LOG_AUTO, NULL, mmr_testhost_time(th), &dec, &err), 0);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    mmr_testhost_free(th);
    mmr_logdec_free(dec);
    return 0;
}

static void feed(void *ctx, const void *p, size_t n, int64_t t)
{
    struct mmr_error err = {.struct_size = sizeof err};
    (void)ctx, (void)t;
    assert_int_equal(mmr_testhost_event(th, 0, p, n, &err), 0);
}

/* second: of 2024-01-02 03:00 UTC */
static void event(int id, const char *host, int second, const char *fields)
{
    char line[4000];
    int n = snprintf(line, sizeof line,
                     "{\"EventTime\":\"2024-01-02 03:%02d:%02d +00:00\",\"Hostname\":\"%s\",\"Channel\":\"Microsoft-Windows-Windows Defender/Operational\","
                     "\"SourceName\":\"Microsoft-Windows-Windows Defender\",\"EventID\":%d%s%s}",
                     second / 60, second % 60, host, id, *fields ? "," : "", fields);
    mmr_logdec_line(dec, line, (size_t)n, 1, feed, NULL);
}

#define FOUND "\"Detection ID\":\"{11111111-2222-3333-4444-555555555555}\",\"Threat Name\":\"Trojan:Win32/Test\",\"Severity ID\":\"5\"," \
    "\"Path\":\"file:_C:\\\\Users\\\\bob\\\\a.exe\",\"Detection User\":\"OFFICE\\\\bob\",\"Process Name\":\"C:\\\\Windows\\\\explorer.exe\""
#define DONE(action) FOUND ",\"Action ID\":\"" action "\",\"Error Code\":\"0x00000000\""

static const char *report(int n, const char *key)
{
    return mmr_testhost_text(th, mmr_testhost_find(th, "defence.report", n), key);
}

static void a_removal_is_a_receipt_and_confirmed_only_when_the_machine_is_heard_and_the_threat_is_not(void **state)
{
    (void)state;
    event(1116, "PC1", 0, FOUND);
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    int f = mmr_testhost_find(th, "finding", 0);
    assert_string_equal(mmr_testhost_text(th, f, "file.path"), "C:\\Users\\bob\\a.exe");
    assert_string_equal(mmr_testhost_text(th, f, "mamori.phase"), "attempt.user");
    assert_string_equal(mmr_testhost_text(th, f, "mamori.potential"), "high");
    assert_string_equal(mmr_testhost_text(th, f, "user.name"), "bob");
    event(1117, "PC1", 2, DONE("2"));
    assert_int_equal(mmr_testhost_count(th, "defence.report"), 1);
    assert_string_equal(report(0, "unmapped.result"), "applied");
    assert_string_equal(report(0, "unmapped.verify"), "none");
    assert_string_equal(report(0, "unmapped.verb"), "quarantine.file");
    assert_string_equal(report(0, "file.path"), "C:\\Users\\bob\\a.exe");
    mmr_testhost_advance(th, 3600 * MMR_TH_S); /* an hour of silence confirms nothing */
    assert_int_equal(mmr_testhost_count(th, "defence.report"), 1);
    event(1000, "PC2", 600, "");
    mmr_testhost_advance(th, 60 * MMR_TH_S); /* nor does another machine */
    assert_int_equal(mmr_testhost_count(th, "defence.report"), 1);
    event(1000, "PC1", 310, "");
    mmr_testhost_advance(th, 60 * MMR_TH_S);
    assert_int_equal(mmr_testhost_count(th, "defence.report"), 2);
    assert_string_equal(report(1, "unmapped.verify"), "confirmed");
    event(1116, "PC1", 400, FOUND); /* and it is back */
    assert_string_equal(report(2, "unmapped.verify"), "refuted");
    assert_int_equal(mmr_testhost_count(th, "finding"), 2);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
}

static void what_cannot_be_tied_to_a_threat_is_refused_and_named(void **state)
{
    static const struct {
        const char *why, *host, *fields, *want;
    } rows[] = {
        {"never found", "PC1", "\"Detection ID\":\"{9}\",\"Threat Name\":\"X\",\"Path\":\"file:_C:\\\\a.exe\",\"Action ID\":\"2\"", "no detection"},
        {"found on another machine", "PC2", DONE("2"), "no detection"},
        {"another file", "PC1", "\"Detection ID\":\"{11111111-2222-3333-4444-555555555555}\",\"Threat Name\":\"Trojan:Win32/Test\",\"Path\":\"file:_C:\\\\b.exe\",\"Action ID\":\"2\"",
         "does not name the files"},
        {"no file", "PC1", "\"Detection ID\":\"{11111111-2222-3333-4444-555555555555}\",\"Threat Name\":\"Trojan:Win32/Test\",\"Action ID\":\"2\"", "does not name the files"},
    };
    (void)state;
    event(1116, "PC1", 0, FOUND);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *last = "";
        event(1117, rows[i].host, 5, rows[i].fields);
        (void)mmr_testhost_logged(th, MMR_LOG_WARN, &last);
        if (mmr_testhost_count(th, "defence.report") || !strstr(last, rows[i].want) || !strstr(last, rows[i].host))
            fail_msg("%s: %s", rows[i].why, last);
    }
}

static void what_failed_or_was_allowed_is_no_defence(void **state)
{
    static const struct {
        int id;
        const char *fields, *want;
    } rows[] = {
        {1118, DONE("2"), "failed"}, {1119, DONE("3"), "failed"}, {1117, FOUND ",\"Action ID\":\"2\",\"Error Code\":\"0x80508023\"", "failed"},
        {1117, DONE("6"), "refused"}, {1117, DONE("9"), "refused"},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        mmr_testhost_clear(th);
        event(1116, "PC1", 10 * (int)i, FOUND);
        event(rows[i].id, "PC1", 10 * (int)i + 1, rows[i].fields);
        if (mmr_testhost_count(th, "defence.report") != 1 || strcmp(report(0, "unmapped.result"), rows[i].want) != 0)
            fail_msg("row %zu: %s", i, report(0, "unmapped.result"));
        event(1000, "PC1", 3000, "");
        mmr_testhost_advance(th, 600 * MMR_TH_S);
        assert_int_equal(mmr_testhost_count(th, "defence.report"), 1);
    }
}

static void paths_of_archives_processes_and_other_spellings_are_read(void **state)
{
    (void)state;
    event(1116, "PC1", 0,
          "\"DetectionID\":\"{7}\",\"ThreatName\":\"Trojan\",\"SeverityID\":\"2\",\"Path\":\"containerfile:_C:\\\\d\\\\b.zip; file:_C:\\\\d\\\\b.zip->x.exe; process:_pid:4711,ProcessStart:133\"");
    int f = mmr_testhost_find(th, "finding", 0);
    assert_string_equal(mmr_testhost_text(th, f, "file.path"), "C:\\d\\b.zip");
    assert_string_equal(mmr_testhost_text(th, f, "mamori.phase"), "foothold.process");
    assert_string_equal(mmr_testhost_text(th, f, "mamori.potential"), "low");
    assert_int_equal(mmr_testhost_int(th, f, "process.pid", 0), 4711);
    event(5001, "PC1", 3, "");
    assert_true(mmr_testhost_find_text(th, "finding", "mamori.rule", "mamori.defender.off") >= 0);
    /* the same words in another channel are somebody else's */
    char line[] = "{\"EventTime\":\"2024-01-02 03:00:00\",\"Hostname\":\"PC1\",\"Channel\":\"Application\",\"EventID\":1116,\"Threat Name\":\"Y\",\"Path\":\"file:_C:\\\\y\"}";
    int before = mmr_testhost_count(th, "finding");
    mmr_logdec_line(dec, line, strlen(line), 1, feed, NULL);
    assert_int_equal(mmr_testhost_count(th, "finding"), before);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_removal_is_a_receipt_and_confirmed_only_when_the_machine_is_heard_and_the_threat_is_not, setup, teardown),
        cmocka_unit_test_setup_teardown(what_cannot_be_tied_to_a_threat_is_refused_and_named, setup, teardown),
        cmocka_unit_test_setup_teardown(what_failed_or_was_allowed_is_no_defence, setup, teardown),
        cmocka_unit_test_setup_teardown(paths_of_archives_processes_and_other_spellings_are_read, setup, teardown),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
