/*
 * test_forms.c - the same thing written by other programs: what collectors, forwarders and tools make of Windows records,
 * audit records and syslog lines ends as the same event.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <mamori/plugin.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "testhost.h"

extern const struct mmr_plugin mmr_plugin_log;

static char dir[] = "/tmp/mamori-forms-XXXXXX";
static char path[256];

static int setup(void **state)
{
    (void)state;
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(path, sizeof path, "%s/in.log", dir);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    (void)unlink(path);
    return rmdir(dir);
}

static struct mmr_testhost *replay(const void *text, size_t len, int64_t *ret)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    int fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_TRUNC, 0600);
    assert_true(fd >= 0);
    assert_int_equal(write(fd, text, len), len);
    close(fd);
    int i = mmr_testhost_add(th, &mmr_plugin_log, NULL, &err);
    assert_int_equal(i, 0);
    *ret = mmr_testhost_replay(th, i, path, NULL, &err);
    return th;
}

static void a_file_written_by_audited_calls_is_known_behind_its_folder(void **state)
{
    (void)state;
#define CALL(serial, nr, a1, a2)                                                                                                        \
    "type=SYSCALL msg=audit(1700000000.123:" serial "): arch=c000003e syscall=" nr " success=yes exit=3 a0=ffffff9c a1=" a1             \
    " a2=" a2 " a3=1b6 items=2 ppid=11 pid=12 auid=1000 uid=0 ses=3 comm=\"bash\" exe=\"/usr/bin/bash\" key=\"w\"\n"
#define PATHS(serial, nametype)                                                                                                         \
    "type=CWD msg=audit(1700000000.123:" serial "): cwd=\"/root\"\n"                                                                     \
    "type=PATH msg=audit(1700000000.123:" serial "): item=0 name=\"/etc/cron.d/\" inode=1 nametype=PARENT\n"                             \
    "type=PATH msg=audit(1700000000.123:" serial "): item=1 name=\"/etc/cron.d/upd\" inode=2 nametype=" nametype "\n"
    static const struct {
        const char *why, *text, *kind;
    } rows[] = {
        {"made, the folder's record first", CALL("5", "257", "7f0", "241") PATHS("5", "CREATE"), "file.create"},
        {"made by open", CALL("6", "2", "241", "1b6") PATHS("6", "CREATE"), "file.create"},
        {"there before, opened to be written", CALL("7", "257", "7f0", "201") PATHS("7", "NORMAL"), "file.change"},
        {"there before, opened for both", CALL("8", "2", "2", "0") PATHS("8", "NORMAL"), "file.change"},
        {"only read", CALL("9", "257", "7f0", "80000") PATHS("9", "NORMAL"), "log.record"},
        {"flags that are no number", CALL("10", "257", "7f0", "zz") PATHS("10", "NORMAL"), "log.record"},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t n;
        struct mmr_testhost *th = replay(rows[i].text, strlen(rows[i].text), &n);
        if (n != 1 || strcmp(mmr_testhost_text(th, 0, "mamori.kind"), rows[i].kind) != 0)
            fail_msg("%s: %lld events, %s", rows[i].why, (long long)n, n ? mmr_testhost_text(th, 0, "mamori.kind") : "");
        if (strcmp(rows[i].kind, "log.record") != 0)
            assert_string_equal(mmr_testhost_text(th, 0, "file.path"), "/etc/cron.d/upd");
        mmr_testhost_free(th);
    }
#undef CALL
#undef PATHS
}

#define IMAGE "C:\\\\Windows\\\\System32\\\\rundll32.exe"
#define LINE "rundll32.exe C:\\\\work\\\\a.dll,Run"
#define SYSMON "Microsoft-Windows-Sysmon"
#define PLAIN "\"UtcTime\":\"2024-05-14 01:20:00.123\",\"ProcessId\":\"5120\",\"Image\":\"" IMAGE "\",\"CommandLine\":\"" LINE "\",\"User\":\"KAWARA\\\\mio\""
#define SMALL "\"utcTime\":\"2024-05-14 01:20:00.123\",\"processId\":\"5120\",\"image\":\"" IMAGE "\",\"commandLine\":\"" LINE "\",\"user\":\"KAWARA\\\\mio\""
#define EVENT                                                                                                                           \
    "{\"Event\":{\"System\":{\"Provider\":{\"#attributes\":{\"Name\":\"" SYSMON "\"}},\"EventID\":1,\"Channel\":\"" SYSMON "/Operational\","           \
    "\"Computer\":\"pc1\",\"TimeCreated\":{\"#attributes\":{\"SystemTime\":\"2024-05-14T01:20:00.123Z\"}}},\"EventData\":{" PLAIN "}}}"
#define WAZUH                                                                                                                           \
    "{\"win\":{\"system\":{\"providerName\":\"" SYSMON "\",\"eventID\":\"1\",\"systemTime\":\"2024-05-14T01:20:00.1234567Z\",\"channel\":\"" SYSMON           \
    "/Operational\",\"computer\":\"pc1\"},\"eventdata\":{" SMALL "}}}"
#define MESSAGE                                                                                                                         \
    "Process Create:\\r\\nRuleName: -\\r\\nUtcTime: 2024-05-14 01:20:00.123\\r\\nProcessId: 5120\\r\\nImage: " IMAGE "\\r\\nCommandLine: " LINE                    \
    "\\r\\nUser: KAWARA\\\\mio"
#define OBJECT(time)                                                                                                                    \
    "{\r\n    \"Message\":  \"" MESSAGE "\",\r\n    \"Id\":  1,\r\n    \"ProviderName\":  \"" SYSMON "\",\r\n    \"LogName\":  \"" SYSMON                    \
    "/Operational\",\r\n    \"ProcessId\":  2000,\r\n    \"MachineName\":  \"pc1\",\r\n    \"TimeCreated\":  " time                                        \
    ",\r\n    \"Properties\":  [\r\n        {\r\n            \"Value\":  \"-\"\r\n        }\r\n    ]\r\n}"

static const struct {
    const char *why, *text;
    int64_t events;
} starts[] = {
    {"flat", "{\"EventTime\":\"2024-05-14 10:20:00\",\"Hostname\":\"pc1\",\"EventID\":\"1\",\"SourceName\":\"" SYSMON "\",\"Channel\":\"" SYSMON
             "/Operational\"," PLAIN "}\n", 1},
    {"qualifiers above the id", "{\"EventTime\":\"2024-05-14 10:20:00\",\"Hostname\":\"pc1\",\"EventID\":1073741825,\"SourceName\":\"" SYSMON
             "\",\"Channel\":\"" SYSMON "/Operational\"," PLAIN "}\n", 1},
    {"moved into the common schema", "{\"@timestamp\":\"2024-05-14T01:20:00.123Z\",\"event\":{\"code\":\"1\",\"provider\":\"" SYSMON
             "\"},\"process\":{\"pid\":5120,\"executable\":\"" IMAGE "\",\"command_line\":\"" LINE "\"},\"user\":{\"name\":\"mio\",\"domain\":\"KAWARA\"},"
             "\"winlog\":{\"channel\":\"" SYSMON "/Operational\",\"event_id\":\"1\",\"computer_name\":\"pc1\",\"event_data\":{\"Company\":\"-\"}}}\n", 1},
    {"paths as names", "{\"@timestamp\":\"2024-05-14T01:20:00.123Z\",\"winlog.channel\":\"" SYSMON "/Operational\",\"winlog.provider_name\":\"" SYSMON
             "\",\"winlog.event_id\":1,\"winlog.computer_name\":\"pc1\",\"winlog.event_data.ProcessId\":5120,\"winlog.event_data.Image\":\"" IMAGE
             "\",\"winlog.event_data.CommandLine\":\"" LINE "\",\"winlog.event_data.User\":\"KAWARA\\\\mio\"}\n", 1},
    {"a store's copy", "{\"_index\":\"a\",\"_source\":{\"@timestamp\":\"2024-05-14T01:20:00.123Z\",\"winlog\":{\"channel\":\"" SYSMON
             "/Operational\",\"event_id\":1,\"computer_name\":\"pc1\",\"event_data\":{" PLAIN "}}}}\n", 1},
    {"a hunting tool's copy", "{\"kind\":\"evtx\",\"document\":{\"data\":" EVENT "}}\n", 1},
    {"a manager's alert", "{\"timestamp\":\"2024-05-14T01:20:01.000+0000\",\"rule\":{\"level\":3},\"data\":" WAZUH "}\n", 1},
    {"a manager's record", WAZUH "\n", 1},
    {"values without names, and the text", "{\"date\":1715649600.123,\"ProviderName\":\"" SYSMON "\",\"EventID\":1,\"ProcessID\":2000,\"Channel\":\"" SYSMON
             "/Operational\",\"Computer\":\"pc1\",\"TimeCreated\":\"2024-05-14 10:20:00 +0900\",\"Message\":\"" MESSAGE "\",\"StringInserts\":[\"-\"]}\n", 1},
    {"values without names, by place", "{\"TimeGenerated\":\"2024-05-14 10:20:00 +0900\",\"EventID\":4688,\"Channel\":\"Security\",\"SourceName\":"
             "\"Microsoft-Windows-Security-Auditing\",\"ComputerName\":\"pc1\",\"Message\":\"x\",\"StringInserts\":[\"S-1-5-21-1\",\"mio\",\"KAWARA\",\"0x3e7\","
             "\"0x1400\",\"" IMAGE "\",\"%%1936\",\"0xbc4\",\"" LINE "\",\"S-1-0-0\",\"-\",\"-\",\"0x0\",\"cmd.exe\",\"x\"]}\n", 1},
    {"objects of a shell", "[\r\n" OBJECT("\"\\/Date(1715649600123)\\/\"") ",\r\n" OBJECT("\"\\/Date(1715649600123)\\/\"") "\r\n]\r\n", 2},
    {"one object, its time an object, a mark in front", "\xef\xbb\xbf" OBJECT("{\r\n \"value\": \"\\/Date(1715649600123)\\/\", \"DisplayHint\": 2\r\n}"), 1},
    {"an array on one line", "[" EVENT "," EVENT "," EVENT "]", 3},
    {"records named one by one", "Record 1\n" EVENT "\nRecord 2\n" EVENT "\n", 2},
    {"behind the head of a line", "<14>1 2024-05-14T10:20:00+09:00 pc1 " SYSMON " 2000 - - {\"Hostname\":\"pc1\",\"EventID\":1,\"Channel\":\"" SYSMON
             "/Operational\"," PLAIN "}\n", 1},
    {"in a field of a record", "{\"timestamp\":\"2024-05-14T01:20:01.000+0000\",\"full_log\":\"{\\\"Hostname\\\":\\\"pc1\\\",\\\"EventID\\\":1,\\\"Channel\\\":\\\""
             SYSMON "/Operational\\\",\\\"UtcTime\\\":\\\"2024-05-14 01:20:00.123\\\",\\\"ProcessId\\\":5120,\\\"CommandLine\\\":\\\"rundll32.exe "
             "C:\\\\\\\\work\\\\\\\\a.dll,Run\\\",\\\"User\\\":\\\"mio\\\"}\"}\n", 1},
    {"XML over lines", "<?xml version=\"1.0\"?>\n<Events>\n<Event xmlns=\"x\">\n <System>\n  <Provider Name=\"" SYSMON "\"/>\n  <EventID>1</EventID>\n"
             "  <TimeCreated SystemTime=\"2024-05-14T01:20:00.123Z\"/>\n  <Channel>" SYSMON "/Operational</Channel>\n  <Computer>pc1</Computer>\n </System>\n"
             " <EventData>\n  <Data Name=\"ProcessId\">5120</Data>\n  <Data Name=\"CommandLine\">rundll32.exe C:\\work\\a.dll,Run</Data>\n"
             "  <Data Name=\"User\">mio</Data>\n </EventData>\n</Event>\n</Events>\n", 1},
};

static void check_start(const char *why, struct mmr_testhost *th, int64_t n, int64_t want)
{
    if (n != want)
        fail_msg("%s: %lld events, not %lld", why, (long long)n, (long long)want);
    for (int i = 0; i < (int)n; i++) {
        if (strcmp(mmr_testhost_text(th, i, "mamori.kind"), "process.start") != 0 ||
            strcmp(mmr_testhost_text(th, i, "metadata.event_code"), strstr(why, "by place") ? "4688" : "1") != 0 ||
            strcmp(mmr_testhost_text(th, i, "process.cmd_line"), "rundll32.exe C:\\work\\a.dll,Run") != 0 ||
            strcmp(mmr_testhost_text(th, i, "user.name"), "mio") != 0 ||
            strcmp(mmr_testhost_text(th, i, "device.hostname"), "pc1") != 0 || mmr_testhost_int(th, i, "process.pid", 0) != 5120)
            fail_msg("%s: %s, %s, %s, %s, pid %lld", why, mmr_testhost_text(th, i, "mamori.kind"),
                     mmr_testhost_text(th, i, "process.cmd_line"), mmr_testhost_text(th, i, "user.name"),
                     mmr_testhost_text(th, i, "device.hostname"), (long long)mmr_testhost_int(th, i, "process.pid", 0));
        int64_t ns = mmr_testhost_int(th, i, "time", 0) / 1000000000;
        if (ns != 1715649600 && ns != 1715649600 - 9 * 3600)
            fail_msg("%s: time %lld", why, (long long)ns);
    }
}

static void a_windows_record_is_the_same_in_every_form(void **state)
{
    (void)state;
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++) {
        int64_t n;
        struct mmr_testhost *th = replay(starts[i].text, strlen(starts[i].text), &n);
        check_start(starts[i].why, th, n, starts[i].events);
        mmr_testhost_free(th);
    }
}

static void utf16_is_read_by_its_mark(void **state)
{
    (void)state;
    static uint8_t wide[64 * 1024];
    for (size_t i = 0; i < sizeof starts / sizeof starts[0]; i++)
        for (int is_big = 0; is_big < 2; is_big++) {
            size_t n = 0;
            const char *p = starts[i].text;
            if (strncmp(p, "\xef\xbb\xbf", 3) == 0)
                p += 3;
            wide[n++] = is_big ? 0xfe : 0xff;
            wide[n++] = is_big ? 0xff : 0xfe;
            for (; *p && n + 2 <= sizeof wide; p++) {
                wide[n++] = is_big ? 0 : (uint8_t)*p;
                wide[n++] = is_big ? (uint8_t)*p : 0;
            }
            int64_t events;
            struct mmr_testhost *th = replay(wide, n, &events);
            check_start(starts[i].why, th, events, starts[i].events);
            mmr_testhost_free(th);
        }
    /* half a pair, an odd byte at the end: what can be read is read */
    static const uint8_t odd[] = {0xff, 0xfe, 'a', 0, 0x00, 0xd8, 'b', 0, '\n', 0, 0x3d, 0xd8, 0x00, 0xde, 'x'};
    int64_t events;
    struct mmr_testhost *th = replay(odd, sizeof odd, &events);
    mmr_testhost_free(th);
}

static void a_line_is_the_same_behind_every_head(void **state)
{
    (void)state;
#define SSH "Failed password for root from 192.0.2.9 port 4242 ssh2"
    static const struct {
        const char *text, *host;
        int64_t time_s; /* 0: without year */
    } rows[] = {
        {"1 2024-05-14T10:20:00.123Z srv1 sshd 812 - - " SSH "\n", "srv1", 1715682000},
        {"<38>*May 14 10:20:00.123: srv1 sshd[812]: " SSH "\n", "srv1", 0},
        {"Tue May 14 10:20:00 2024 auth.info sshd[812]: " SSH "\n", "", 1715682000},
        {"May 14 10:20:00 srv1 auth.info sshd[812]: " SSH "\n", "srv1", 0},
        {"May 14 10:20:00 <auth.info> srv1 sshd[812]: " SSH "\n", "srv1", 0},
        {"1715649600.123456 srv1 sshd[812]: " SSH "\n", "srv1", 1715649600},
        {"May 14 10:20:00 2001:db8::5 sshd[812]: " SSH "\n", "2001:db8::5", 0},
        {"Tue 2024-05-14 10:20:00 JST srv1 sshd[812]: " SSH "\n", "srv1", 1715649600},
        {"Tue 2024-05-14 10:20:00 UTC srv1 sshd[812]: " SSH "\n", "srv1", 1715682000},
        {"{\"__REALTIME_TIMESTAMP\":\"1715649600123456\",\"_HOSTNAME\":\"srv1\",\"SYSLOG_IDENTIFIER\":\"sshd\",\"_PID\":\"812\",\"MESSAGE\":\"" SSH
         "\"}\n", "srv1", 1715649600},
        {"{\"timestamp\":\"2024-05-14T10:20:00+09:00\",\"host\":\"srv1\",\"syslog-tag\":\"sshd[812]:\",\"message\":\" " SSH "\"}\n", "srv1", 1715649600},
        {"{\"ISODATE\":\"2024-05-14T10:20:00+09:00\",\"HOST\":\"srv1\",\"PROGRAM\":\"sshd\",\"PID\":\"812\",\"MESSAGE\":\"" SSH "\"}\n", "srv1", 1715649600},
        {"{\"@timestamp\":\"2024-05-14T01:20:01Z\",\"host\":{\"name\":\"collector\"},\"message\":\"2024-05-14T10:20:00+09:00 srv1 sshd[812]: " SSH "\"}\n",
         "srv1", 1715649600},
        {"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1715649600123456\n_HOSTNAME=srv1\nSYSLOG_IDENTIFIER=sshd\n_PID=812\nMESSAGE=" SSH "\n\n", "srv1", 1715649600},
        {"__CURSOR=s=1\n__REALTIME_TIMESTAMP=1715649600123456\n_HOSTNAME=srv1\nX\n\3\0\0\0\0\0\0\0a\nb\nSYSLOG_IDENTIFIER=sshd\n_PID=812\nMESSAGE=" SSH "\n",
         "srv1", 1715649600},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t n;
        size_t len = strlen(rows[i].text);
        if (i == sizeof rows / sizeof rows[0] - 1) /* it holds zeros */
            len += 7 + strlen(rows[i].text + len + 7);
        struct mmr_testhost *th = replay(rows[i].text, len, &n);
        if (n != 1)
            fail_msg("row %zu: %lld events", i, (long long)n);
        if (strcmp(mmr_testhost_text(th, 0, "metadata.log_provider"), "sshd") != 0 ||
            strcmp(mmr_testhost_text(th, 0, "device.hostname"), rows[i].host) != 0 ||
            (rows[i].time_s && mmr_testhost_int(th, 0, "time", 0) / 1000000000 != rows[i].time_s))
            fail_msg("row %zu: %s on %s at %lld", i, mmr_testhost_text(th, 0, "metadata.log_provider"), mmr_testhost_text(th, 0, "device.hostname"),
                     (long long)(mmr_testhost_int(th, 0, "time", 0) / 1000000000));
        mmr_testhost_free(th);
    }
}

static void what_is_cut_or_no_record_costs_only_itself(void **state)
{
    (void)state;
    static const struct {
        const char *text;
        int64_t events; /* -1: any, it must only end */
    } rows[] = {
        {"[\n" EVENT ",\n{\"Event\":{\"System\":{", 1},
        {"Record 1\n" EVENT "\nRecord 2\n{\"Event\":", 1},
        {"{\"a\":\n}\n" EVENT "\n", -1},
        {"<Events>\n<Event><System><EventID>1</EventID>\n", -1},
        {"__CURSOR=a\n__REALTIME_TIMESTAMP=9\nX\n\377\377\377\377\377\377\377\377a\n\n", -1},
        {"{\"__REALTIME_TIMESTAMP\":\"1715649600123456\",\"MESSAGE\":[70,97,300]}\n", -1},
        {"{\"__REALTIME_TIMESTAMP\":\"1715649600123456\",\"MESSAGE\":[70,97,105,108]}\n", 1},
        {"{\"message\":\"{\\\"EventID\\\": cut {\\\"EventID\\\": cut {\\\"EventID\\\": cut }\"}\n", -1},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        int64_t n;
        struct mmr_testhost *th = replay(rows[i].text, strlen(rows[i].text), &n);
        if (rows[i].events >= 0 && n != rows[i].events)
            fail_msg("row %zu: %lld events", i, (long long)n);
        mmr_testhost_free(th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_windows_record_is_the_same_in_every_form),
        cmocka_unit_test(utf16_is_read_by_its_mark),
        cmocka_unit_test(a_line_is_the_same_behind_every_head),
        cmocka_unit_test(what_is_cut_or_no_record_costs_only_itself),
        cmocka_unit_test(a_file_written_by_audited_calls_is_known_behind_its_folder),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
