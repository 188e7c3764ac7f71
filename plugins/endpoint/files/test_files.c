/* test_files.c - real files changed by real processes below temporary folders of the test's own. Needs root. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "files.h"
#include "testhost.h"

#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_files;

static char dir[64];

static int set_up(void **state)
{
    (void)state;
    (void)snprintf(dir, sizeof dir, "/var/tmp/mamori-test-XXXXXX");
    return mkdtemp(dir) ? 0 : -1;
}

static void shell(const char *fmt, const char *arg)
{
    char line[1024];
    (void)snprintf(line, sizeof line, "D='%s'; X='%s'; %s", dir, arg, fmt);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    int status = -1;
    (void)waitpid(pid, &status, 0);
    assert_int_equal(status, 0);
}

static int tear_down(void **state)
{
    (void)state;
    shell("rm -rf \"$D\"", "");
    return 0;
}

static struct mmr_testhost *start(const char *exclude, const char *rate, const char *scope)
{
    const char *const config[] = {"places", dir, "exclude", exclude, "rate", rate, "scope", scope, "rate_window", "500ms", NULL};
    struct mmr_error err = {.struct_size = sizeof err};
    if (geteuid() != 0)
        skip();
    struct mmr_testhost *th = mmr_testhost_new();
    mmr_testhost_use_real_clock(th);
    if (mmr_testhost_add(th, &mmr_plugin_files, config, &err) != 0)
        fail_msg("%s", err.text);
    int r = mmr_testhost_start(th, &err);
    if (r) {
        print_message("%s\n", err.text);
        mmr_testhost_free(th);
        skip();
    }
    return th;
}

static void poll_rounds(struct mmr_testhost *th, int n) /* n times 20 ms; other files' changes wake it up too */
{
    int64_t until = mmr_testhost_time(th) + n * 20 * MMR_TH_MS;
    while (mmr_testhost_time(th) < until)
        (void)mmr_testhost_poll(th, 20);
}

static int find_path(struct mmr_testhost *th, const char *kind, const char *name)
{
    char path[256];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    int e = mmr_testhost_find_text(th, kind, "file.path", path);
    if (e < 0) {
        mmr_testhost_dump(th);
        fail_msg("no %s of %s", kind, path);
    }
    return e;
}

static void changes_name_file_and_process(void **state)
{
    (void)state;
    struct mmr_testhost *th = start("", "200", "host");
    struct stat st;
    char path[256];
    shell("mkdir \"$D/sub\" && echo one >\"$D/sub/a\" && sleep 0.1 && echo two >>\"$D/sub/a\" && mv \"$D/sub/a\" \"$D/b\" && sleep 0.3; rm \"$D/b\"; touch \"$D/last\"", "");
    poll_rounds(th, 20);
    int e = find_path(th, "file.create", "sub/a");
    assert_int_equal(mmr_testhost_int(th, e, "class_uid", 0), MMR_CLASS_FILE);
    assert_true(mmr_testhost_int(th, e, "process.pid", 0) > 0);
    assert_true(find_path(th, "file.delete", "b") > e);
    e = find_path(th, "file.rename", "b");
    (void)snprintf(path, sizeof path, "%s/sub/a", dir);
    assert_string_equal(mmr_testhost_text(th, e, "unmapped.OldPath"), path);
    (void)snprintf(path, sizeof path, "%s/last", dir);
    assert_int_equal(stat(path, &st), 0);
    e = find_path(th, "file.create", "last");
    assert_int_equal(mmr_testhost_int(th, e, "file.inode", 0), (int64_t)st.st_ino);
    assert_int_equal(mmr_testhost_int(th, e, "file.device", 0), (int64_t)st.st_dev);
    assert_int_equal(mmr_testhost_refusals(th, NULL), 0);
    mmr_testhost_free(th);
}

static void a_living_writer_is_named(void **state)
{
    (void)state;
    struct mmr_testhost *th = start("", "200", "host");
    int ready[2];
    char c;
    assert_int_equal(pipe(ready), 0);
    pid_t pid = fork();
    if (pid == 0) {
        char line[256];
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(ready[1], 1);
        (void)snprintf(line, sizeof line, "echo x >%s/mine; echo done; read y </dev/zero", dir);
        (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    assert_int_equal(read(ready[0], &c, 1), 1);
    poll_rounds(th, 10);
    int e = find_path(th, "file.create", "mine");
    char exe[4096];
    assert_true(realpath("/bin/sh", exe) != NULL);
    assert_int_equal(mmr_testhost_int(th, e, "process.pid", 0), pid);
    assert_true(mmr_testhost_int(th, e, "process.start_ticks", 0) > 0);
    assert_string_equal(mmr_testhost_text(th, e, "process.name"), "sh");
    assert_string_equal(mmr_testhost_text(th, e, "process.file.path"), exe);
    assert_string_equal(mmr_testhost_text(th, e, "user.name"), "root");
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
    mmr_testhost_free(th);
}

static void own_writes_and_excluded_places_are_silent(void **state)
{
    (void)state;
    char exclude[128], path[256];
    (void)snprintf(exclude, sizeof exclude, "%s/quiet", dir);
    assert_int_equal(mkdir(exclude, 0755), 0);
    struct mmr_testhost *th = start(exclude, "200", "host");
    (void)snprintf(path, sizeof path, "%s/own", dir);
    int fd = open(path, O_WRONLY | O_CREAT, 0600); /* this executable is the one the sensor runs in */
    assert_true(fd >= 0);
    (void)close(fd);
    shell("echo x >\"$D/quiet/a\"; mkdir \"$D/quieter\"; echo x >\"$D/quieter/b\"", "");
    poll_rounds(th, 15);
    (void)find_path(th, "file.create", "quieter/b");
    for (size_t i = 0; i < mmr_testhost_events(th); i++) {
        assert_null(strstr(mmr_testhost_text(th, (int)i, "file.path"), "/quiet/"));
        assert_string_not_equal(mmr_testhost_text(th, (int)i, "file.path"), path);
    }
    mmr_testhost_free(th);
}

static void a_flood_is_counted(void **state)
{
    (void)state;
    struct mmr_testhost *th = start("", "20", "host");
    shell("i=0; while [ $i -lt 300 ]; do echo x >\"$D/f$i\"; i=$((i+1)); done; sleep 0.3", "");
    poll_rounds(th, 50);
    int told = mmr_testhost_count(th, "file.create") + mmr_testhost_count(th, "file.change");
    int e = mmr_testhost_find(th, "sensor.drops", 0);
    if (e < 0) {
        mmr_testhost_dump(th);
        fail_msg("nothing was said about %d of 300 changes", 300 - told);
    }
    assert_true(mmr_testhost_int(th, e, "count", 0) >= 200);
    /* below /var/tmp every change is looked at for programs, but only as many are told */
    assert_true(told <= 60);
    mmr_testhost_free(th);
}

static void written_programs_are_hashed(void **state)
{
    (void)state;
    struct mmr_testhost *th = start("", "200", "host");
    static const char text[] = "#!/bin/sh\nexit 0\n";
    uint8_t sum[crypto_hash_sha256_BYTES];
    char hex[65];
    shell("printf '#!/bin/sh\\nexit 0\\n' >\"$D/prog\"; echo text >\"$D/plain\"", "");
    poll_rounds(th, 15);
    (void)crypto_hash_sha256(sum, (const uint8_t *)text, sizeof text - 1);
    (void)sodium_bin2hex(hex, sizeof hex, sum, sizeof sum);
    int found = mmr_testhost_find_text(th, "file.create", "file.hashes.sha256", hex);
    if (found < 0)
        found = mmr_testhost_find_text(th, "file.change", "file.hashes.sha256", hex);
    assert_true(found >= 0);
    assert_string_equal(mmr_testhost_text(th, find_path(th, "file.create", "plain"), "file.hashes.sha256"), "");
    mmr_testhost_free(th);
}

static void autostart_changes_are_findings(void **state)
{
    (void)state;
    if (geteuid() != 0)
        skip();
    struct mmr_testhost *th = start("", "200", "host");
    shell("mkdir -p \"$D/.ssh\"; echo 'ssh-ed25519 AAAAC3Nz someone' >\"$D/.ssh/authorized_keys\"", "");
    poll_rounds(th, 15);
    int e = mmr_testhost_find_text(th, "finding", "mamori.rule", "mamori.files.autostart");
    assert_true(e >= 0);
    char path[256];
    (void)snprintf(path, sizeof path, "%s/.ssh/authorized_keys", dir);
    assert_string_equal(mmr_testhost_text(th, e, "mamori.autostart"), path);
    assert_string_equal(mmr_testhost_text(th, e, "mamori.potential"), "info");
    assert_string_equal(mmr_testhost_text(th, e, "mamori.phase"), "");
    /* the same by a program that runs from a temporary folder */
    mmr_testhost_clear(th);
    shell("cp /bin/sh \"$D/tool\"", "");
    pid_t pid = fork();
    if (pid == 0) {
        char tool[128], line[512];
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)snprintf(tool, sizeof tool, "%s/tool", dir);
        (void)snprintf(line, sizeof line, "echo 'ssh-ed25519 AAAAC3Nz other' >>%s; sleep 9; true", path);
        (void)execl(tool, "tool", "-c", line, (char *)NULL);
        _exit(127);
    }
    for (int i = 0; i < 1000 && mmr_testhost_find_text(th, "finding", "mamori.rule", "mamori.files.autostart") < 0; i++)
        poll_rounds(th, 1);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    e = mmr_testhost_find_text(th, "finding", "mamori.rule", "mamori.files.autostart");
    assert_true(e >= 0);
    assert_int_equal(mmr_testhost_int(th, e, "process.pid", 0), pid);
    assert_string_equal(mmr_testhost_text(th, e, "mamori.potential"), "high");
    assert_string_equal(mmr_testhost_text(th, e, "mamori.phase"), "foothold.process");
    assert_non_null(strstr(mmr_testhost_text(th, e, "message"), "AAAAC3Nz other"));
    assert_null(strstr(mmr_testhost_text(th, e, "message"), "AAAAC3Nz someone"));
    mmr_testhost_free(th);
}

/* A writer that is gone when its change is read has a name when the process sensor told its start. */
static void a_gone_writer_is_named_by_its_start(void **state)
{
    (void)state;
    struct mmr_testhost *th = start("", "200", "host");
    uint8_t buf[1024];
    struct mmr_event ev;
    char line[128];
    int go[2];
    assert_int_equal(pipe(go), 0);
    pid_t pid = fork();
    if (pid == 0) {
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)dup2(go[0], 0);
        (void)snprintf(line, sizeof line, "read x; echo x >%s/brief", dir);
        (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    mmr_event_begin(&ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, mmr_testhost_time(th), 1);
    mmr_event_int(&ev, "process.pid", pid);
    mmr_event_int(&ev, "process.start_ticks", 4711);
    mmr_event_str(&ev, "process.name", "brief-writer");
    mmr_event_str(&ev, "process.file.path", "/opt/brief-writer");
    mmr_event_str(&ev, "user.uid", "0");
    assert_int_equal(mmr_event_end(&ev), 0);
    assert_int_equal(mmr_testhost_event(th, 0, buf, ev.len, NULL), 0);
    assert_int_equal(write(go[1], "x\n", 2), 2);
    (void)waitpid(pid, NULL, 0);
    (void)close(go[0]);
    (void)close(go[1]);
    poll_rounds(th, 15);
    int e = find_path(th, "file.create", "brief");
    assert_string_equal(mmr_testhost_text(th, e, "process.name"), "brief-writer");
    assert_int_equal(mmr_testhost_int(th, e, "process.start_ticks", 0), 4711);
    mmr_testhost_free(th);
}

static void places_are_known(void **state)
{
    (void)state;
    static const struct {
        const char *path, *technique;
    } rows[] = {
        {"/etc/cron.d/job", "T1053.003"}, {"/etc/crontab", "T1053.003"}, {"/var/spool/cron/crontabs/bob", "T1053.003"},
        {"/var/spool/cron/atjobs/a0001", "T1053.002"}, {"/etc/systemd/system/x.service", "T1543.002"},
        {"/home/bob/.config/systemd/user/x.timer", "T1543.002"}, {"/root/.bashrc", "T1546.004"}, {"/home/bob/.profile", "T1546.004"},
        {"/etc/profile.d/x.sh", "T1546.004"}, {"/home/bob/.ssh/authorized_keys", "T1098.004"}, {"/etc/ld.so.preload", "T1574.006"},
        {"/etc/rc.local", "T1037.004"}, {"/home/bob/.config/autostart/x.desktop", "T1547.013"},
        {"/etc/crontab.swp", NULL}, {"/etc/cron.d/.job.swp", NULL}, {"/home/bob/notes.txt", NULL}, {"/home/.bashrc", NULL},
        {"/etc/rc.locale", NULL}, {"/srv/home/bob/.bashrc", NULL}, {"/etc/cron.d/", NULL}, {"/etc/systemd/system.conf", NULL},
    };
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        const char *what = NULL, *got = mmr_persist_technique(rows[i].path, &what);
        if ((got == NULL) != (rows[i].technique == NULL) || (got && strcmp(got, rows[i].technique) != 0))
            fail_msg("%s: got %s, want %s", rows[i].path, got ? got : "none", rows[i].technique ? rows[i].technique : "none");
    }
}

static void new_lines_are_told_once(void **state)
{
    (void)state;
    struct mmr_persist *p;
    char path[128];
    struct mmr_persist_news news;
    assert_int_equal(mmr_persist_new(&p, NULL), 0);
    (void)snprintf(path, sizeof path, "%s/crontab", dir);
    shell("printf '# comment /x\\n17 * * * * root /usr/bin/run-parts\\n' >\"$D/crontab\"", "");
    mmr_persist_look(p, path, &news);
    assert_string_equal(news.lines, "17 * * * * root /usr/bin/run-parts");
    assert_string_equal(news.entry, ""); /* never looked at before: it may be anybody's */
    assert_false(news.is_temporary);
    shell("printf '* * * * * root /dev/shm/.x\\n' >>\"$D/crontab\"", "");
    mmr_persist_look(p, path, &news);
    assert_string_equal(news.lines, "* * * * * root /dev/shm/.x");
    assert_string_equal(news.entry, "* * * * * root /dev/shm/.x");
    assert_true(news.is_temporary);
    mmr_persist_look(p, path, &news);
    assert_string_equal(news.lines, "");
    shell("printf '1 * * * * root /a b\\n2 * * * * root /c d\\n' >>\"$D/crontab\"", "");
    mmr_persist_look(p, path, &news);
    assert_string_equal(news.lines, "1 * * * * root /a b | 2 * * * * root /c d");
    assert_string_equal(news.entry, ""); /* two: which one is meant is for a person to say */
    mmr_persist_free(p);
}

static void scope_netns_leaves_others_out(void **state)
{
    (void)state;
    struct mmr_testhost *th = start("", "200", "netns");
    pid_t pid = fork();
    if (pid == 0) {
        char line[256];
        (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
        (void)snprintf(line, sizeof line, "echo x >%s/theirs; sleep 0.5", dir);
        if (unshare(CLONE_NEWNET) == 0)
            (void)execl("/bin/sh", "sh", "-c", line, (char *)NULL);
        _exit(127);
    }
    poll_rounds(th, 15);
    (void)waitpid(pid, NULL, 0);
    shell("echo x >\"$D/ours\"; sleep 0.2", "");
    poll_rounds(th, 15);
    (void)find_path(th, "file.create", "ours");
    char path[128];
    (void)snprintf(path, sizeof path, "%s/theirs", dir);
    assert_int_equal(mmr_testhost_find_text(th, "file.create", "file.path", path), -1);
    mmr_testhost_free(th);
}

static void wrong_config_is_refused(void **state)
{
    (void)state;
    static const char *const rows[][2] = {{"scope", "world"}, {"places", "relative/path"}};
    for (size_t i = 0; i < 2; i++) {
        const char *const config[] = {rows[i][0], rows[i][1], NULL};
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_testhost *th = mmr_testhost_new();
        assert_int_equal(mmr_testhost_add(th, &mmr_plugin_files, config, &err), MMR_ECONFIG);
        assert_non_null(strstr(err.text, rows[i][1]));
        mmr_testhost_free(th);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(changes_name_file_and_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_living_writer_is_named, set_up, tear_down),
        cmocka_unit_test_setup_teardown(own_writes_and_excluded_places_are_silent, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_flood_is_counted, set_up, tear_down),
        cmocka_unit_test_setup_teardown(written_programs_are_hashed, set_up, tear_down),
        cmocka_unit_test_setup_teardown(autostart_changes_are_findings, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_gone_writer_is_named_by_its_start, set_up, tear_down),
        cmocka_unit_test_setup_teardown(new_lines_are_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(scope_netns_leaves_others_out, set_up, tear_down),
        cmocka_unit_test(places_are_known),
        cmocka_unit_test(wrong_config_is_refused),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
