/* test_journal.c - real journal files, written by systemd-journal-remote, through the sensor: what is believed, restarts, a full bus. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "entry.h"
#include "testhost.h"

extern const struct mmr_plugin mmr_plugin_journal;

#define WRITER "/lib/systemd/systemd-journal-remote"
enum { WAIT_MS = 20000 };

static char dir[64], elsewhere[96];

static int setup(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/tmp/mamori-journal-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    snprintf(elsewhere, sizeof elsewhere, "%s/syslog", dir);
    return 0;
}

static int teardown(void **state)
{
    char cmd[300];
    (void)state;
    snprintf(cmd, sizeof cmd, "rm -rf '%s'", dir);
    return system(cmd);
}

/* One record in the export format; binary-safe form of the message, as it may hold newlines. */
static void put(FILE *to, unsigned n, const char *identifier, const char *comm, unsigned uid, const char *message, size_t len)
{
    uint8_t size[8];
    for (int i = 0; i < 8; i++)
        size[i] = (uint8_t)((uint64_t)len >> (8 * i));
    fprintf(to, "__REALTIME_TIMESTAMP=%llu\n__MONOTONIC_TIMESTAMP=%u\n_BOOT_ID=0123456789abcdef0123456789abcdef\n_MACHINE_ID=0123456789abcdef0123456789abcde1\n",
            1700000000000000ULL + n * 1000000ULL, 1000 + n);
    fprintf(to, "_HOSTNAME=srv\n_PID=%u\n_UID=%u\n_COMM=%s\nPRIORITY=6\nSYSLOG_FACILITY=10\n", 4000 + n, uid, comm);
    if (identifier)
        fprintf(to, "SYSLOG_IDENTIFIER=%s\n", identifier);
    fprintf(to, "MESSAGE\n");
    fwrite(size, 1, sizeof size, to);
    fwrite(message, 1, len, to);
    fprintf(to, "\n\n");
}

static FILE *writer(const char *name)
{
    char cmd[300];
    snprintf(cmd, sizeof cmd, WRITER " -o '%s/%s.journal' - >/dev/null 2>&1", dir, name);
    FILE *f = popen(cmd, "w");
    assert_non_null(f);
    return f;
}

/* records from..to, each a refused log-in of 192.0.2.<number> */
static void refuse(const char *name, unsigned from, unsigned to)
{
    FILE *f = writer(name);
    for (unsigned i = from; i <= to; i++) {
        char text[100];
        int n = snprintf(text, sizeof text, "Failed password for root from 192.0.2.%u port 4022 ssh2", i);
        put(f, i, "sshd", "sshd", 0, text, (size_t)n);
    }
    assert_int_equal(pclose(f), 0);
}

static struct mmr_testhost *host(bool is_from_start)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_testhost *th = mmr_testhost_new();
    const char *const cfg[] = {"directory", dir, "unless", elsewhere, "from_start", is_from_start ? "true" : "false", NULL};
    mmr_testhost_use_real_clock(th);
    assert_true(mmr_testhost_add(th, &mmr_plugin_journal, cfg, &err) >= 0);
    assert_int_equal(mmr_testhost_start(th, &err), 0);
    return th;
}

static bool poll_until(struct mmr_testhost *th, int records)
{
    for (int i = 0; i < WAIT_MS / 50 && mmr_testhost_count(th, "log.record") < records; i++)
        (void)mmr_testhost_poll(th, 50);
    return mmr_testhost_count(th, "log.record") >= records;
}

static bool is_there(void)
{
    if (access(WRITER, X_OK) == 0)
        return true;
    print_message("skipped: needs " WRITER " (systemd-journal-remote)\n");
    return false;
}

static void a_name_is_believed_of_the_systems_accounts_only(void **state)
{
    (void)state;
    if (!is_there())
        skip();
    static const char hostile[] = "hello\nNov 14 22:13:20 srv sshd[1]: Failed password for root from 198.51.100.9 port 1 ssh2\x1b[2J";
    FILE *f = writer("a");
    put(f, 1, "sshd", "sshd", 0, "Failed password for root from 192.0.2.7 port 4022 ssh2", 54);
    put(f, 2, "sshd", "logger", 1000, "Failed password for root from 192.0.2.8 port 4022 ssh2", 54);
    put(f, 3, "shop", "php", 33, hostile, sizeof hostile - 1);
    put(f, 4, NULL, "cron", 0, "no name of its own", 18);
    put(f, 5, "bad name]: sshd[1]", "x", 0, "\xff\xfe bytes", 8);
    put(f, 6, "empty", "x", 0, "", 0);
    assert_int_equal(pclose(f), 0);
    struct mmr_testhost *th = host(true);
    assert_true(poll_until(th, 5));
    static const char *const apps[] = {"sshd", "logger", "shop", "cron", "bad"};
    for (int k = 0; k < 5; k++) {
        int at = mmr_testhost_find(th, "log.record", k);
        assert_string_equal(mmr_testhost_text(th, at, "metadata.log_provider"), apps[k]);
        assert_string_equal(mmr_testhost_text(th, at, "device.hostname"), "srv");
        assert_true(mmr_testhost_int(th, at, "time", 0) == INT64_C(1700000000000000000) + (k + 1) * MMR_TH_S);
    }
    assert_null(strchr(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", 2), "message"), '\n'));
    assert_null(strchr(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", 2), "message"), 0x1b));
    assert_int_equal(mmr_testhost_count(th, "log.record"), 5); /* the one without text is none */
    assert_string_equal(mmr_testhost_text(th, mmr_testhost_find(th, "sensor.mode", 0), "status_detail"), "journal");
    mmr_testhost_free(th);
}

static void what_is_added_is_read_also_from_new_files(void **state)
{
    (void)state;
    if (!is_there())
        skip();
    refuse("a", 1, 3);
    struct mmr_testhost *th = host(false);
    for (int k = 0; k < 5; k++)
        (void)mmr_testhost_poll(th, 20);
    assert_int_equal(mmr_testhost_count(th, "log.record"), 0); /* it was there before */
    refuse("b", 4, 6);
    assert_true(poll_until(th, 3));
    assert_non_null(strstr(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", 0), "message"), "192.0.2.4"));
    mmr_testhost_free(th);
}

static void a_full_bus_neither_loses_nor_doubles(void **state)
{
    (void)state;
    if (!is_there())
        skip();
    refuse("a", 1, 200);
    struct mmr_testhost *th = mmr_testhost_new();
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"directory", dir, "unless", elsewhere, "from_start", "true", NULL};
    mmr_testhost_use_real_clock(th);
    int i = mmr_testhost_add(th, &mmr_plugin_journal, cfg, &err);
    mmr_testhost_emit_result(th, MMR_EAGAIN);
    assert_int_equal(mmr_testhost_start(th, &err), 0);
    const struct mmr_host *h = mmr_testhost_host(th, i);
    for (int k = 0; k < 4; k++) {
        h->wake(h->impl);
        (void)mmr_testhost_poll(th, 10);
    }
    assert_int_equal(mmr_testhost_count(th, NULL), 0);
    mmr_testhost_emit_result(th, 0);
    h->wake(h->impl);
    assert_true(poll_until(th, 200));
    for (int k = 0; k < 200; k++) {
        char want[32];
        snprintf(want, sizeof want, "192.0.2.%d port", k + 1);
        assert_non_null(strstr(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", k), "message"), want));
    }
    assert_int_equal(mmr_testhost_count(th, "log.record"), 200);
    mmr_testhost_free(th);
}

static void after_a_restart_it_goes_on_behind_what_was_committed(void **state)
{
    struct mmr_error err = {.struct_size = sizeof err};
    const char *const cfg[] = {"directory", dir, "unless", elsewhere, "from_start", "true", NULL};
    void *self[2];
    (void)state;
    if (!is_there())
        skip();
    refuse("a", 1, 5);
    struct mmr_testhost *th = mmr_testhost_new();
    (void)mmr_testhost_make_state_dir(th);
    mmr_testhost_use_real_clock(th);
    int i = mmr_testhost_add(th, &mmr_plugin_journal, cfg, &err), j = mmr_testhost_add(th, &mmr_plugin_journal, cfg, &err);
    const struct mmr_plugin *p = &mmr_plugin_journal;
    self[0] = mmr_testhost_self(th, i);
    self[1] = mmr_testhost_self(th, j);
    assert_int_equal(p->sensor->start(self[0], &err), 0);
    assert_int_equal(mmr_testhost_count(th, "log.record"), 5);
    p->sensor->on_committed(self[0], 6); /* sensor.mode and the five */
    p->sensor->stop(self[0]);
    refuse("b", 6, 8); /* while nothing runs */
    assert_int_equal(p->sensor->start(self[1], &err), 0); /* the same state folder */
    assert_int_equal(mmr_testhost_count(th, "log.record"), 8);
    assert_non_null(strstr(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", 5), "message"), "192.0.2.6 "));
    p->sensor->stop(self[1]);
    mmr_testhost_free(th);
}

static void a_syslog_daemon_that_writes_the_same_comes_first(void **state)
{
    (void)state;
    if (!is_there())
        skip();
    refuse("a", 1, 3);
    int fd = open(elsewhere, O_WRONLY | O_CREAT | O_CLOEXEC, 0600);
    assert_int_equal(write(fd, "x\n", 2), 2);
    close(fd);
    struct mmr_testhost *th = host(true);
    refuse("b", 4, 6);
    for (int k = 0; k < 5; k++)
        (void)mmr_testhost_poll(th, 20);
    assert_int_equal(mmr_testhost_count(th, "log.record"), 0);
    assert_string_equal(mmr_testhost_text(th, mmr_testhost_find(th, "sensor.mode", 0), "status_detail"), "files");
    mmr_testhost_free(th);
}

static void a_damaged_file_is_no_end(void **state)
{
    char path[128];
    (void)state;
    if (!is_there())
        skip();
    refuse("a", 1, 50);
    snprintf(path, sizeof path, "%s/a.journal", dir);
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    char noise[4096];
    memset(noise, 0xa5, sizeof noise);
    assert_int_equal(pwrite(fd, noise, sizeof noise, 16384), sizeof noise);
    close(fd);
    struct mmr_testhost *th = host(true);
    refuse("b", 51, 60);
    bool has_last = false;
    for (int k = 0; k < WAIT_MS / 50 && !has_last; k++) {
        (void)mmr_testhost_poll(th, 50);
        int n = mmr_testhost_count(th, "log.record");
        has_last = n > 0 && strstr(mmr_testhost_text(th, mmr_testhost_find(th, "log.record", n - 1), "message"), "192.0.2.60 ");
    }
    assert_true(has_last);
    mmr_testhost_free(th);
}

static void a_line_has_its_limits(void **state)
{
    static char text[MMR_ENTRY_MESSAGE_MAX + 100], line[MMR_ENTRY_LINE_MAX];
    static char name[600];
    (void)state;
    memset(text, 'm', sizeof text);
    memset(name, 'n', sizeof name);
    struct mmr_entry_field word = {name, sizeof name};
    struct mmr_entry e = {.time_ns = INT64_C(1700000000123456000), .host = word, .identifier = word, .comm = word, .pid = word, .message = {text, sizeof text},
                          .facility = {"99", 2}, .priority = {"x", 1}};
    size_t n = mmr_entry_line(&e, line);
    assert_true(n > MMR_ENTRY_MESSAGE_MAX && n < MMR_ENTRY_LINE_MAX);
    assert_memory_equal(line, "<14>1 2023-11-14T22:13:20.123456Z nnn", 37);
    e.message = (struct mmr_entry_field){0};
    assert_int_equal(mmr_entry_line(&e, line), 0);
    e.message = (struct mmr_entry_field){"m", 1};
    e.time_ns = -1;
    assert_int_equal(mmr_entry_line(&e, line), 0);
    e.time_ns = INT64_MAX;
    assert_true(mmr_entry_line(&e, line) > 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(a_name_is_believed_of_the_systems_accounts_only, setup, teardown),
        cmocka_unit_test_setup_teardown(what_is_added_is_read_also_from_new_files, setup, teardown),
        cmocka_unit_test_setup_teardown(a_full_bus_neither_loses_nor_doubles, setup, teardown),
        cmocka_unit_test_setup_teardown(after_a_restart_it_goes_on_behind_what_was_committed, setup, teardown),
        cmocka_unit_test_setup_teardown(a_syslog_daemon_that_writes_the_same_comes_first, setup, teardown),
        cmocka_unit_test_setup_teardown(a_damaged_file_is_no_end, setup, teardown),
        cmocka_unit_test(a_line_has_its_limits),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
