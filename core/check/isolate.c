/* isolate.c - a process for foreign code: it sees no other process, no network, and cannot write. */
#include "check/probe.h"

#include <seccomp.h>

#include <errno.h>
#include <fcntl.h>
#include <linux/mount.h>
#include <net/if.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

static void put(const char *path, const char *text)
{
    int fd = open(path, O_WRONLY | O_CLOEXEC);
    if (fd < 0)
        return;
    (void)!write(fd, text, strlen(text));
    (void)close(fd);
}

static bool unshare_all(void)
{
    const int flags = CLONE_NEWNS | CLONE_NEWNET | CLONE_NEWIPC | CLONE_NEWUTS | CLONE_NEWPID;
    unsigned uid = geteuid(), gid = getegid();
    char map[64];
    if (unshare(flags) == 0)
        return true;
    if (unshare(flags | CLONE_NEWUSER) != 0)
        return false;
    put("/proc/self/setgroups", "deny");
    (void)snprintf(map, sizeof map, "0 %u 1", uid);
    put("/proc/self/uid_map", map);
    (void)snprintf(map, sizeof map, "0 %u 1", gid);
    put("/proc/self/gid_map", map);
    return true;
}

/* What cannot be set up is left out: each step only takes something away from the plugin. */
static void shut(const char *scratch)
{
    struct mount_attr attr = {.attr_set = MOUNT_ATTR_RDONLY};
    struct ifreq ifr = {.ifr_name = "lo", .ifr_flags = IFF_UP};
    (void)mount("none", "/", NULL, MS_REC | MS_PRIVATE, NULL);
#ifdef SYS_mount_setattr
    (void)syscall(SYS_mount_setattr, AT_FDCWD, "/", AT_RECURSIVE, &attr, sizeof attr);
#endif
    (void)mount("tmpfs", scratch, "tmpfs", MS_NOSUID | MS_NODEV, "size=64m,mode=0700");
    (void)mount("proc", "/proc", "proc", MS_NOSUID | MS_NODEV | MS_NOEXEC, NULL);
    int s = socket(AF_INET, SOCK_DGRAM | SOCK_CLOEXEC, 0);
    if (s >= 0) {
        (void)ioctl(s, SIOCSIFFLAGS, &ifr);
        (void)close(s);
    }
}

/* The middle process waits, tells how it ended, and goes. */
static void wait_for(pid_t pid, struct mmr_report *rep)
{
    int status = 0;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    rep->status = status;
    _exit(0);
}

bool mmr_isolate(struct mmr_report *rep, const char *scratch)
{
    if (!unshare_all())
        return false;
    rep->status = -1;
    pid_t first = fork(); /* number 1 of the new process namespace: signals of its own do not end it, so it runs nothing */
    if (first != 0) {
        int status;
        if (first > 0)
            (void)waitpid(first, &status, 0);
        _exit(first > 0 ? 0 : 3);
    }
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    shut(scratch);
    pid_t second = fork();
    if (second < 0)
        _exit(3);
    if (second > 0)
        wait_for(second, rep);
    (void)prctl(PR_SET_PDEATHSIG, SIGKILL);
    rep->is_isolated = 1;
    return true;
}

static struct mmr_report *noted; /* a signal handler has no other way to it */

static void on_trap(int sig, siginfo_t *info, void *ctx)
{
    (void)sig;
    (void)ctx;
    noted->trapped = info->si_syscall + 1;
    _exit(97);
}

int mmr_forbid_effects(struct mmr_report *rep, struct mmr_error *err)
{
    static const char *const calls[] = {
        "socket", "connect", "bind", "listen", "clone", "clone3", "fork", "vfork", "execve", "execveat", "unlink", "unlinkat",
        "rename", "renameat", "renameat2", "mkdir", "mkdirat", "rmdir", "symlink", "symlinkat", "link", "linkat", "chmod",
        "fchmod", "fchmodat", "chown", "fchown", "fchownat", "lchown", "truncate", "ftruncate", "kill", "setuid", "setgid",
        "chdir", "fchdir", "umask", "mount", "setitimer", "alarm", "timer_create", "inotify_init1", "fanotify_init", "ptrace",
        "creat", "write", "writev", "sendto", "sendmsg", "setrlimit", "setpriority", "sched_setaffinity"};
    const int writes[] = {O_WRONLY, O_RDWR};
    struct sigaction sa = {.sa_sigaction = on_trap, .sa_flags = SA_SIGINFO};
    noted = rep;
    (void)sigaction(SIGSYS, &sa, NULL);
    scmp_filter_ctx ctx = seccomp_init(SCMP_ACT_ALLOW);
    int r = ctx ? 0 : -ENOMEM;
    for (size_t i = 0; r == 0 && i < sizeof calls / sizeof calls[0]; i++) {
        int nr = seccomp_syscall_resolve_name(calls[i]);
        if (nr != __NR_SCMP_ERROR)
            r = seccomp_rule_add(ctx, SCMP_ACT_TRAP, nr, 0);
        if (r == -EDOM || r == -EOPNOTSUPP)
            r = 0;
    }
    for (size_t i = 0; r == 0 && i < 2; i++) {
        r = seccomp_rule_add(ctx, SCMP_ACT_TRAP, SCMP_SYS(openat), 1,
                             SCMP_A2(SCMP_CMP_MASKED_EQ, O_ACCMODE, (scmp_datum_t)writes[i]));
        if (r == 0)
            r = seccomp_rule_add(ctx, SCMP_ACT_TRAP, SCMP_SYS(open), 1,
                                 SCMP_A1(SCMP_CMP_MASKED_EQ, O_ACCMODE, (scmp_datum_t)writes[i]));
        if (r == -EDOM || r == -EOPNOTSUPP)
            r = 0;
    }
    if (r == 0)
        r = seccomp_load(ctx);
    if (ctx)
        seccomp_release(ctx);
    return r ? mmr_fail(err, MMR_EIO, "system call filter: %s", strerror(-r)) : 0;
}
