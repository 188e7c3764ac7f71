/* test_integrity.c - real files below a folder of the test's own, a real baseline, and the package manager's record as it is written. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "integrity.h"
#include "testhost.h"

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <time.h>
#include <unistd.h>

extern const struct mmr_plugin mmr_plugin_integrity;

static char dir[64], etc[80], state[80];

static int set_up(void **ctx)
{
    (void)ctx;
    (void)snprintf(dir, sizeof dir, "/var/tmp/mamori-integrity-XXXXXX");
    if (!mkdtemp(dir))
        return -1;
    (void)snprintf(etc, sizeof etc, "%s/etc", dir);
    (void)snprintf(state, sizeof state, "%s/state", dir);
    return mkdir(etc, 0755) || mkdir(state, 0700);
}

static int shell(const char *what)
{
    char line[1024];
    (void)snprintf(line, sizeof line, "cd '%s' && { %s; }", dir, what);
    int status = system(line);
    return WIFEXITED(status) ? WEXITSTATUS(status) : -1;
}

static int tear_down(void **ctx)
{
    (void)ctx;
    return chdir("/") || shell("rm -rf \"$PWD\"");
}

/* One run of mamori; with files that are there from before. */
struct run {
    struct mmr_testhost *th;
    struct mmr_integrity_config config;
    const char *places[1];
    struct mmr_host host;
};

static void begin(struct run *r)
{
    struct mmr_error err = {.struct_size = sizeof err};
    memset(r, 0, sizeof *r);
    r->places[0] = etc;
    r->config = (struct mmr_integrity_config){.places = {r->places, 1}, .wait = 0, .rescan = 3600000, .pace = 64 << 20, .max_file = 1 << 20, .max_files = 1000};
    r->th = mmr_testhost_new();
    mmr_testhost_use_real_clock(r->th);
    int i = mmr_testhost_add_filled(r->th, &mmr_plugin_integrity, &r->config, &err);
    if (i < 0)
        fail_msg("%s", err.text);
    struct mmr_integrity *f = mmr_testhost_self(r->th, i);
    r->host = *f->host;
    r->host.state_dir = state; /* one folder over several runs */
    f->host = &r->host;
    if (mmr_testhost_start(r->th, &err) != 0)
        fail_msg("%s", err.text);
}

static void end(struct run *r)
{
    mmr_testhost_free(r->th);
}

static const char *text_of(struct run *r, int at, const char *key)
{
    return mmr_testhost_text(r->th, at, key);
}

/* The event that tells of this file; -1: none within a few seconds. */
static int told(struct run *r, const char *kind, const char *name, int seconds)
{
    for (time_t until = time(NULL) + seconds; time(NULL) <= until;) {
        for (int n = mmr_testhost_count(r->th, kind), i = 0; i < n; i++) {
            int at = mmr_testhost_find(r->th, kind, i);
            const char *path = text_of(r, at, "file.path"), *base = path ? strrchr(path, '/') : NULL;
            if (base && strcmp(base + 1, name) == 0)
                return at;
        }
        (void)mmr_testhost_poll(r->th, 50);
    }
    return -1;
}

static bool has_mode(struct run *r, const char *detail)
{
    for (time_t until = time(NULL) + 30; time(NULL) <= until;) {
        for (int n = mmr_testhost_count(r->th, "sensor.mode"), i = 0; i < n; i++)
            if (strcmp(text_of(r, mmr_testhost_find(r->th, "sensor.mode", i), "status_detail"), detail) == 0)
                return true;
        (void)mmr_testhost_poll(r->th, 50);
    }
    return false;
}

static void make_baseline(void)
{
    struct run r;
    assert_int_equal(shell("echo a > etc/hosts; echo b > etc/passwd; mkdir etc/ssh; echo c > etc/ssh/conf; ln -s hosts etc/link; echo d > etc/gone"), 0);
    begin(&r);
    assert_true(has_mode(&r, "baseline"));
    assert_int_equal(mmr_testhost_count(r.th, "integrity.change"), 0);
    end(&r);
}

static void what_changed_while_it_was_down_is_told_once(void **ctx)
{
    (void)ctx;
    static const struct {
        const char *name, *what;
    } rows[] = {{"hosts", "content"}, {"passwd", "mode"}, {"new", "added"}, {"gone", "removed"}, {"link", "content"}, {"conf", "attributes"}};
    struct run r;
    make_baseline();
    assert_int_equal(shell("echo x > etc/hosts; chmod 4755 etc/passwd; echo n > etc/new; rm etc/gone; ln -sfn passwd etc/link; touch etc/ssh"), 0);
    char path[128];
    (void)snprintf(path, sizeof path, "%s/ssh/conf", etc);
    bool has_xattrs = lsetxattr(path, "user.mark", "1", 1, 0) == 0;
    begin(&r);
    for (size_t i = 0; i < sizeof rows / sizeof rows[0]; i++) {
        if (i == 5 && !has_xattrs)
            continue;
        int at = told(&r, "integrity.change", rows[i].name, 20);
        if (at < 0)
            fail_msg("row %zu: %s is not told", i, rows[i].name);
        if (!strstr(text_of(&r, at, "unmapped.What"), rows[i].what))
            fail_msg("row %zu: %s: '%s', not %s", i, rows[i].name, text_of(&r, at, "unmapped.What"), rows[i].what);
        assert_string_equal(text_of(&r, at, "unmapped.Noticed"), "by looking through the places");
    }
    int at = told(&r, "finding", "passwd", 5); /* who runs it gets root's rights */
    assert_true(at >= 0);
    assert_string_equal(text_of(&r, at, "mamori.rule"), "mamori.integrity.rights");
    assert_int_equal(told(&r, "integrity.change", "ssh", 0), -1);
    end(&r);
    begin(&r); /* again: nothing new */
    assert_int_equal(told(&r, "integrity.change", "hosts", 4), -1);
    end(&r);
}

static void what_changes_while_it_runs_is_told_with_its_process(void **ctx)
{
    (void)ctx;
    struct run r;
    if (geteuid() != 0)
        skip();
    make_baseline();
    begin(&r);
    assert_true(has_mode(&r, "folders"));
    assert_int_equal(told(&r, "integrity.change", "hosts", 1), -1);
    assert_int_equal(shell("echo more >> etc/hosts; chmod 600 etc/ssh/conf; mkdir etc/made; echo y > etc/made/inside; rm etc/gone"), 0);
    int at = told(&r, "integrity.change", "hosts", 20);
    assert_true(at >= 0);
    assert_string_equal(text_of(&r, at, "unmapped.Noticed"), "when it happened");
    assert_true(mmr_testhost_int(r.th, at, "process.pid", 0) > 1);
    at = told(&r, "integrity.change", "conf", 20);
    assert_true(at >= 0);
    assert_string_equal(text_of(&r, at, "unmapped.What"), "mode");
    assert_true(told(&r, "integrity.change", "inside", 20) >= 0);
    assert_true(told(&r, "integrity.change", "gone", 20) >= 0);
    at = told(&r, "finding", "hosts", 20); /* one hint for them all, or for the first of them */
    assert_true(at < 0 || strcmp(text_of(&r, at, "mamori.potential"), "info") == 0);
    end(&r);
}

static void what_is_agreed_to_is_the_baseline(void **ctx)
{
    (void)ctx;
    struct run r;
    char path[200];
    make_baseline();
    assert_int_equal(shell("echo x > etc/hosts; rm etc/gone; echo n > etc/new"), 0);
    begin(&r);
    assert_true(told(&r, "integrity.change", "new", 20) >= 0);
    (void)snprintf(path, sizeof path, "%s/differs", state);
    for (int i = 0; i < 600 && access(path, F_OK) != 0; i++)
        (void)mmr_testhost_poll(r.th, 50);
    assert_int_equal(shell("[ $(wc -l < state/differs) = 3 ] && grep -v new state/differs > state/agree"), 0);
    assert_true(has_mode(&r, "agreed"));
    assert_int_equal(shell("[ $(wc -l < state/differs) = 1 ] && grep -q new state/differs && [ ! -e state/agree ]"), 0);
    end(&r);
    assert_int_equal(shell("echo a > etc/hosts; rm etc/new"), 0); /* as before it was agreed: this differs now; and new was never agreed */
    begin(&r);
    assert_true(told(&r, "integrity.change", "hosts", 20) >= 0);
    assert_int_equal(told(&r, "integrity.change", "new", 2), -1);
    end(&r);
}

static void a_damaged_baseline_is_named_and_made_anew(void **ctx)
{
    (void)ctx;
    static const char *const damage[] = {"dd if=/dev/urandom of=state/baseline.db bs=4096 seek=1 count=3 conv=notrunc 2>/dev/null",
                                         "echo this is no database at all, whatever its name says > state/baseline.db", "truncate -s 5000 state/baseline.db"};
    struct run r;
    for (size_t i = 0; i < sizeof damage / sizeof damage[0]; i++) {
        assert_int_equal(shell("rm -rf etc/* state/*"), 0);
        make_baseline();
        assert_int_equal(shell("rm -f state/*-wal state/*-shm"), 0);
        assert_int_equal(shell(damage[i]), 0);
        begin(&r);
        if (!has_mode(&r, "damaged") || !has_mode(&r, "baseline"))
            fail_msg("row %zu: not named, or not made anew", i);
        end(&r);
        assert_int_equal(shell("[ -e state/baseline.damaged ] && echo z > etc/hosts"), 0);
        begin(&r);
        if (told(&r, "integrity.change", "hosts", 20) < 0)
            fail_msg("row %zu: the new baseline is none", i);
        end(&r);
    }
}

static void packages_have_their_say(void **ctx)
{
    (void)ctx;
    struct mmr_pkg *p;
    char root[128], path[200];
    const char *place[] = {etc};
    const struct mmr_strv places = {place, 1};
    struct mmr_error err = {.struct_size = sizeof err};
    (void)snprintf(root, sizeof root, "%s/root", dir);
    assert_int_equal(shell("mkdir -p root/var/lib/dpkg/info; echo tool > etc/tool; echo other > etc/other; echo status > root/var/lib/dpkg/status; "
                           "for f in tool other; do md5sum $PWD/etc/$f | sed 's|  /|  |'; done > root/var/lib/dpkg/info/p.md5sums; "
                           "printf 'zz\\n%0200d  x\\n0123  short\\n' 7 > root/var/lib/dpkg/info/bad.md5sums; echo replaced > etc/other; echo own > etc/own"), 0);
    assert_int_equal(mmr_pkg_new(root, &places, &p, &err), 0);
    assert_false(mmr_pkg_learn(p, 0));
    for (int i = 0; i < 10 && !mmr_pkg_learn(p, 1); i++)
        ;
    assert_true(mmr_pkg_learn(p, 0));
    (void)snprintf(path, sizeof path, "%s/tool", etc);
    assert_int_equal(mmr_pkg_ask(p, path), MMR_PKG_SAME);
    (void)snprintf(path, sizeof path, "%s/other", etc);
    assert_int_equal(mmr_pkg_ask(p, path), MMR_PKG_OTHER);
    (void)snprintf(path, sizeof path, "%s/own", etc);
    assert_int_equal(mmr_pkg_ask(p, path), MMR_PKG_UNKNOWN);
    assert_true(mmr_pkg_changed_ns(p) > 0);
    assert_int_equal(mmr_pkg_running(p), 0);
    assert_true(mmr_pkg_is_manager("/usr/bin/dpkg"));
    assert_false(mmr_pkg_is_manager("/tmp/dpkg"));
    mmr_pkg_free(p);
}

/* The real one, with a root of its own: its files are its own doing, told as one. */
static void a_lock_that_is_held_is_seen(void **ctx)
{
    (void)ctx;
    struct mmr_pkg *p;
    char root[128], path[200];
    const struct mmr_strv none = {0};
    struct mmr_error err = {.struct_size = sizeof err};
    (void)snprintf(root, sizeof root, "%s/root", dir);
    assert_int_equal(shell("mkdir -p root/var/lib/dpkg; : > root/var/lib/dpkg/lock"), 0);
    assert_int_equal(mmr_pkg_new(root, &none, &p, &err), 0);
    int ready[2];
    assert_int_equal(pipe(ready), 0);
    (void)snprintf(path, sizeof path, "%s/var/lib/dpkg/lock", root);
    pid_t pid = fork();
    if (pid == 0) {
        struct flock l = {.l_type = F_WRLCK, .l_whence = SEEK_SET};
        int fd = open(path, O_RDWR);
        (void)!write(ready[1], fcntl(fd, F_SETLK, &l) == 0 ? "y" : "n", 1);
        for (;;)
            (void)pause();
    }
    char is_held = 'n';
    assert_int_equal(read(ready[0], &is_held, 1), 1);
    assert_int_equal(is_held, 'y');
    assert_int_equal(mmr_pkg_running(p), pid);
    (void)kill(pid, SIGKILL);
    (void)waitpid(pid, NULL, 0);
    assert_int_equal(mmr_pkg_running(p), 0);
    (void)close(ready[0]);
    (void)close(ready[1]);
    mmr_pkg_free(p);
}

static void reading_keeps_to_its_pace(void **ctx)
{
    (void)ctx;
    struct run r;
    assert_int_equal(shell("for i in 1 2 3 4; do head -c 600000 /dev/zero > etc/big-$i; done"), 0);
    struct timespec a, b;
    (void)clock_gettime(CLOCK_MONOTONIC, &a);
    begin(&r);
    r.config.pace = 1 << 20; /* 2.4 MB at 1 MiB a second; the first tick is yet to come */
    assert_true(has_mode(&r, "baseline"));
    (void)clock_gettime(CLOCK_MONOTONIC, &b);
    assert_true((b.tv_sec - a.tv_sec) * 1000 + (b.tv_nsec - a.tv_nsec) / 1000000 >= 2000);
    end(&r);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(what_changed_while_it_was_down_is_told_once, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_changes_while_it_runs_is_told_with_its_process, set_up, tear_down),
        cmocka_unit_test_setup_teardown(what_is_agreed_to_is_the_baseline, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_damaged_baseline_is_named_and_made_anew, set_up, tear_down),
        cmocka_unit_test_setup_teardown(packages_have_their_say, set_up, tear_down),
        cmocka_unit_test_setup_teardown(a_lock_that_is_held_is_seen, set_up, tear_down),
        cmocka_unit_test_setup_teardown(reading_keeps_to_its_pace, set_up, tear_down),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
