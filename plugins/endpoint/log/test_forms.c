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

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(a_file_written_by_audited_calls_is_known_behind_its_folder),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
