/*
 * test_plugin_sandbox.c - what Landlock hides of other processes, file by file of /proc: the reason why a host that needs to look into
 * others runs without it, and one that only ends others does not. Asked of this kernel; where it has no Landlock, nothing is to be seen.
 */
#include "plugin/sandbox.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

enum { HIDDEN = 0 };

struct look {
    const char *name;
    bool is_link;
};
/* What anybody may read of anybody, and what asks the kernel's rule for tracing (ptrace_may_access). maps and
 * environ ask it too, but newer kernels let a process with CAP_PERFMON pass. */
static const struct look open_to_all[] = {{"stat", false}, {"status", false}, {"comm", false}, {"cmdline", false}, {"cgroup", false}},
                         for_tracers[] = {{"exe", true}, {"fd/0", true}, {"cwd", true}, {"root", true}, {"ns/net", true}};

static bool can_see(pid_t pid, const struct look *l)
{
    char path[64], buf[256];
    (void)snprintf(path, sizeof path, "/proc/%d/%s", (int)pid, l->name);
    if (l->is_link)
        return readlink(path, buf, sizeof buf) > 0;
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    bool is_seen = fd >= 0 && read(fd, buf, sizeof buf) > 0;
    if (fd >= 0)
        (void)close(fd);
    return is_seen;
}

/* In a process confined for these needs: a bit for each file of the other that it saw, then whether it may signal it. */
struct seen {
    int landlock;
    uint32_t open_to_all, for_tracers;
    bool can_signal, can_read_shadow;
    char why[120];
};

static struct seen look_at(pid_t other, uint32_t needs)
{
    struct seen s = {0};
    int ends[2];
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        struct mmr_sandbox_report report = {.landlock = 0};
        const struct mmr_sandbox box = {.needs = needs};
        (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
        mmr_sandbox_confine(&box, &report);
        s.landlock = report.landlock;
        (void)snprintf(s.why, sizeof s.why, "%s", report.no_landlock);
        for (size_t i = 0; i < sizeof open_to_all / sizeof open_to_all[0]; i++)
            s.open_to_all |= (uint32_t)can_see(other, &open_to_all[i]) << i;
        for (size_t i = 0; i < sizeof for_tracers / sizeof for_tracers[0]; i++)
            s.for_tracers |= (uint32_t)can_see(other, &for_tracers[i]) << i;
        s.can_signal = kill(other, 0) == 0;
        s.can_read_shadow = can_see(other, &(const struct look){"root/etc/shadow", false});
        _exit(write(ends[1], &s, sizeof s) == (ssize_t)sizeof s ? 0 : 1);
    }
    (void)close(ends[1]);
    assert_int_equal(read(ends[0], &s, sizeof s), sizeof s);
    (void)close(ends[0]);
    assert_int_equal(waitpid(pid, NULL, 0), pid);
    return s;
}

enum { ALL_OPEN = (1 << (sizeof open_to_all / sizeof open_to_all[0])) - 1, ALL_TRACED = (1 << (sizeof for_tracers / sizeof for_tracers[0])) - 1 };

static pid_t other;
static int make_other(void **state)
{
    (void)state;
    other = fork();
    if (other == 0) {
        (void)setenv("X", "1", 1);
        for (;;)
            (void)pause();
    }
    return other > 0 ? 0 : -1;
}
static int end_other(void **state)
{
    (void)state;
    (void)kill(other, SIGKILL);
    return waitpid(other, NULL, 0) == other ? 0 : -1;
}

static void who_looks_into_others_is_not_in_landlock(void **state)
{
    (void)state;
    struct seen s = look_at(other, MMR_NEED_PROC);
    assert_int_equal(s.landlock, 0);
    assert_non_null(strstr(s.why, "look into other programs"));
    assert_int_equal(s.open_to_all, ALL_OPEN);
    assert_int_equal(s.for_tracers, ALL_TRACED);
}

static void who_ends_others_is_and_sees_what_anybody_may(void **state)
{
    (void)state;
    struct seen s = look_at(other, MMR_NEED_KILL);
    if (!s.landlock) {
        print_message("%s\n", s.why);
        skip();
    }
    assert_int_equal(s.open_to_all, ALL_OPEN);
    assert_true(s.can_signal);
    /* If these are seen one day, the kernel's rule has changed, and hosts with `proc` can be confined as well. */
    assert_int_equal(s.for_tracers, HIDDEN);
    assert_false(s.can_read_shadow);
}

static void without_a_need_others_are_not_there(void **state)
{
    (void)state;
    struct seen s = look_at(other, 0);
    if (!s.landlock) {
        print_message("%s\n", s.why);
        skip();
    }
    assert_int_equal(s.open_to_all, HIDDEN);
    assert_int_equal(s.for_tracers, HIDDEN);
    if (s.landlock >= 6)
        assert_false(s.can_signal);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup_teardown(who_looks_into_others_is_not_in_landlock, make_other, end_other),
        cmocka_unit_test_setup_teardown(who_ends_others_is_and_sees_what_anybody_may, make_other, end_other),
        cmocka_unit_test_setup_teardown(without_a_need_others_are_not_there, make_other, end_other),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
