/* Control groups of both versions, against a folder that looks like one: what is written where, and what is said when it cannot be. Then
 * against the kernel's, where this process may make a group: who goes over its ceiling is ended. */
#include "plugin/cgroup.h"

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <sys/xattr.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

static void touch(const char *dir, const char *name, const char *text)
{
    char path[1200];
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "we");
    assert_non_null(f);
    (void)fputs(text, f);
    assert_int_equal(fclose(f), 0);
}

static void expect(const char *dir, const char *name, const char *want)
{
    char path[1200], got[64] = "";
    (void)snprintf(path, sizeof path, "%s/%s", dir, name);
    FILE *f = fopen(path, "re");
    if (!f || !fgets(got, sizeof got, f))
        got[0] = '\0';
    if (f)
        (void)fclose(f);
    if (strcmp(got, want) != 0)
        fail_msg("%s: '%s', expected '%s'", path, got, want);
}

__attribute__((format(printf, 3, 4))) static void make(char *buf, size_t cap, const char *fmt, ...)
{
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(buf, cap, fmt, ap);
    va_end(ap);
    assert_int_equal(mkdir(buf, 0700), 0);
}

static void clean(const char *root)
{
    char command[96];
    (void)snprintf(command, sizeof command, "rm -rf '%s'", root);
    assert_int_equal(system(command), 0);
}

static void version_one_has_a_folder_of_its_own(void **state)
{
    char root[] = "/tmp/mmr-cgroup-XXXXXX", dir[200], host[1100], at[64], pid[16];
    struct mmr_cgroup g;
    (void)state;
    assert_non_null(mkdtemp(root));
    make(dir, sizeof dir, "%s/memory", root);
    make(dir, sizeof dir, "%s/memory/box", root);
    mmr_cgroup_open(&g, root, "9:name=systemd:/\n4:cpu,memory:/box\n0::/\n");
    assert_string_equal(g.why, "");
    (void)snprintf(at, sizeof at, "mamori-%d", (int)getpid());
    assert_non_null(strstr(g.dir, at));
    (void)snprintf(host, sizeof host, "%s/host-nft", g.dir);
    assert_false(mmr_cgroup_put(&g, "nft", 4711, 1000)); /* the files are the kernel's to make; there are none */
    touch(host, "memory.limit_in_bytes", "");
    touch(host, "cgroup.procs", "");
    touch(host, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 0\n");
    assert_true(mmr_cgroup_put(&g, "nft", 4711, 1000));
    expect(host, "memory.limit_in_bytes", "1000");
    (void)snprintf(pid, sizeof pid, "%d", 4711);
    expect(host, "cgroup.procs", pid);
    assert_false(mmr_cgroup_end(&g, "nft"));
    touch(host, "memory.oom_control", "oom_kill_disable 0\nunder_oom 0\noom_kill 2\n");
    assert_true(mmr_cgroup_end(&g, "nft"));
    clean(root);
}

static void version_two_must_have_been_handed_over(void **state)
{
    char root[] = "/tmp/mmr-cgroup-XXXXXX", dir[200], core[200], host[256];
    struct mmr_cgroup g;
    (void)state;
    assert_non_null(mkdtemp(root));
    make(dir, sizeof dir, "%s/mamori.service", root);
    touch(root, "cgroup.controllers", "memory pids\n");
    mmr_cgroup_open(&g, root, "0::/mamori.service\n");
    assert_non_null(strstr(g.why, "Delegate=yes"));
    assert_false(mmr_cgroup_put(&g, "nft", 4711, 1000));
    if (setxattr(dir, "trusted.delegate", "1", 1, 0) != 0 && setxattr(dir, "user.delegate", "1", 1, 0) != 0) {
        clean(root);
        skip(); /* this file system keeps no such attribute */
    }
    make(core, sizeof core, "%s/mamori.service/core", root);
    touch(core, "cgroup.procs", "");
    touch(dir, "cgroup.subtree_control", "");
    mmr_cgroup_open(&g, root, "0::/mamori.service\n");
    assert_string_equal(g.why, "");
    expect(dir, "cgroup.subtree_control", "+memory");
    make(host, sizeof host, "%s/mamori.service/host-nft", root);
    touch(host, "memory.max", "");
    touch(host, "cgroup.procs", "");
    touch(host, "memory.events", "low 0\noom 1\noom_kill 1\n");
    assert_true(mmr_cgroup_put(&g, "nft", 4711, 1000));
    expect(host, "memory.max", "1000");
    assert_true(mmr_cgroup_end(&g, "nft"));
    clean(root);
}

/* ---- the kernel's own groups, where this process may make one ---- */

/* A child that waits to be let go, then touches so many MiB and ends. */
static pid_t eater(int mib, int *ret_go)
{
    int ends[2];
    char byte;
    assert_int_equal(pipe(ends), 0);
    pid_t pid = fork();
    assert_true(pid >= 0);
    if (pid == 0) {
        (void)close(ends[1]);
        if (read(ends[0], &byte, 1) != 1)
            _exit(2);
        for (int i = 0; i < mib; i++) {
            char *p = mmap(NULL, 1 << 20, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
            if (p == MAP_FAILED)
                _exit(3);
            memset(p, 1, 1 << 20);
        }
        _exit(0);
    }
    (void)close(ends[0]);
    *ret_go = ends[1];
    return pid;
}

static int let_it_eat(const struct mmr_cgroup *g, const char *name, int mib, int64_t ceiling, bool *ret_was_full)
{
    int go, status = 0;
    pid_t pid = eater(mib, &go);
    assert_true(mmr_cgroup_put(g, name, pid, ceiling));
    assert_int_equal(write(go, "x", 1), 1);
    assert_int_equal(waitpid(pid, &status, 0), pid);
    (void)close(go);
    *ret_was_full = mmr_cgroup_end(g, name);
    return status;
}

static void the_kernel_ends_who_goes_over_its_ceiling_and_nobody_else(void **state)
{
    char own[4096] = "";
    struct mmr_cgroup g;
    bool was_full;
    (void)state;
    FILE *f = fopen("/proc/self/cgroup", "re");
    assert_non_null(f);
    own[fread(own, 1, sizeof own - 1, f)] = '\0';
    (void)fclose(f);
    mmr_cgroup_open(&g, "/sys/fs/cgroup", own);
    if (!g.dir[0]) {
        print_message("%s\n", g.why);
        skip();
    }
    print_message("version %d, %s\n", g.is_v2 ? 2 : 1, g.dir);
    int status = let_it_eat(&g, "small", 4, 64 << 20, &was_full);
    assert_true(WIFEXITED(status) && WEXITSTATUS(status) == 0);
    assert_false(was_full);
    status = let_it_eat(&g, "large", 256, 64 << 20, &was_full);
    assert_true(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
    assert_true(was_full);
    char dir[1200];
    (void)snprintf(dir, sizeof dir, "%s/host-large", g.dir);
    assert_int_not_equal(access(dir, F_OK), 0); /* the group went with it */
    status = let_it_eat(&g, "large", 4, 64 << 20, &was_full); /* and comes again under the same name */
    assert_true(WIFEXITED(status) && !was_full);
    mmr_cgroup_close(&g);
    assert_true(g.is_v2 || access(g.dir, F_OK) != 0);
}

static void without_groups_the_reason_is_kept(void **state)
{
    struct mmr_cgroup g;
    (void)state;
    mmr_cgroup_open(&g, "/nonexistent", "0::/x\n");
    assert_non_null(strstr(g.why, "no memory groups"));
    mmr_cgroup_open(&g, "/nonexistent", "nonsense\n\n::\n:");
    assert_true(g.why[0] && !g.dir[0]);
    mmr_cgroup_close(&g);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(version_one_has_a_folder_of_its_own),
        cmocka_unit_test(version_two_must_have_been_handed_over),
        cmocka_unit_test(the_kernel_ends_who_goes_over_its_ceiling_and_nobody_else),
        cmocka_unit_test(without_groups_the_reason_is_kept),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
