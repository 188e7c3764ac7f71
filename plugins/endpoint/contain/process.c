/* process.c - pidfds, fingerprints, trees. Reads /proc, whose texts are other people's words. */
#include "process.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

bool mmr_scope_parse(const char *text, enum mmr_scope *ret)
{
    static const char *const names[] = {"host", "cgroup", "netns"};
    for (unsigned i = 0; i < 3; i++)
        if (strcmp(text, names[i]) == 0) {
            *ret = (enum mmr_scope)i;
            return true;
        }
    return false;
}

static bool read_file(const char *path, char *buf, size_t cap)
{
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return false;
    ssize_t n = read(fd, buf, cap - 1);
    (void)close(fd);
    if (n < 0)
        return false;
    buf[n] = '\0';
    return true;
}

bool mmr_scope_has(enum mmr_scope scope, pid_t pid)
{
    char path[64], a[4096], b[4096];
    struct stat mine, theirs;
    if (scope == MMR_SCOPE_NETNS) {
        (void)snprintf(path, sizeof path, "/proc/%d/ns/net", (int)pid);
        return stat("/proc/self/ns/net", &mine) == 0 && stat(path, &theirs) == 0 && mine.st_ino == theirs.st_ino &&
               mine.st_dev == theirs.st_dev;
    }
    if (scope == MMR_SCOPE_CGROUP) {
        (void)snprintf(path, sizeof path, "/proc/%d/cgroup", (int)pid);
        return read_file("/proc/self/cgroup", a, sizeof a) && read_file(path, b, sizeof b) && strcmp(a, b) == 0;
    }
    return true;
}

struct stat_line {
    char state;
    int64_t ppid, start_ticks;
};

/* /proc/PID/stat: the name in brackets may hold anything, so fields are counted from its last ')'. */
static bool read_stat(pid_t pid, struct stat_line *ret)
{
    char path[64], buf[2048];
    long long ppid;
    unsigned long long start;
    (void)snprintf(path, sizeof path, "/proc/%d/stat", (int)pid);
    if (!read_file(path, buf, sizeof buf))
        return false;
    const char *p = strrchr(buf, ')');
    if (!p || sscanf(p + 1, " %c %lld %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu",
                     &ret->state, &ppid, &start) != 3)
        return false;
    ret->ppid = ppid;
    ret->start_ticks = (int64_t)start;
    return true;
}

int64_t mmr_process_start_ticks(pid_t pid)
{
    struct stat_line s;
    return read_stat(pid, &s) ? s.start_ticks : -1;
}

static int pidfd_open(pid_t pid)
{
    return (int)syscall(SYS_pidfd_open, pid, 0);
}

static bool is_same_file(const char *a, const char *b)
{
    struct stat x, y;
    return stat(a, &x) == 0 && stat(b, &y) == 0 && x.st_ino == y.st_ino && x.st_dev == y.st_dev;
}

static int refuse_vital(pid_t pid, enum mmr_scope scope, const char *const *never, size_t n_never, struct mmr_error *err)
{
    char path[64], exe[4096];
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    if (pid <= 1)
        return mmr_fail(err, MMR_EPERM, "process %d is never ended: the machine stands on it", (int)pid);
    if (pid == getpid() || pid == getppid() || is_same_file(path, "/proc/self/exe"))
        return mmr_fail(err, MMR_EPERM, "process %d is part of this service", (int)pid);
    if (!mmr_scope_has(scope, pid))
        return mmr_fail(err, MMR_EPERM, "process %d is outside the scope of this instance", (int)pid);
    ssize_t n = readlink(path, exe, sizeof exe - 1);
    if (n < 0)
        return errno == ENOENT && kill(pid, 0) != 0 ? mmr_fail(err, MMR_ENOENT, "process %d is gone", (int)pid)
               : errno == ENOENT                    ? mmr_fail(err, MMR_EPERM, "process %d is the kernel's or a zombie", (int)pid)
                                                    : 0;
    exe[n] = '\0';
    const char *base = strrchr(exe, '/');
    for (size_t i = 0; i < n_never; i++)
        if (strcmp(base ? base + 1 : exe, never[i]) == 0)
            return mmr_fail(err, MMR_EPERM, "process %d is %s, which is never ended", (int)pid, never[i]);
    return 0;
}

static bool has_pinned(const struct mmr_kill *k, const pid_t *pids, pid_t pid)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (pids[i] == pid)
            return true;
    return false;
}

/* Pin everything whose parent is pinned, until a round finds nothing new. */
static void pin_tree(struct mmr_kill *k, pid_t *pids, enum mmr_scope scope)
{
    for (uint32_t before = 0; before != k->n && k->n < MMR_KILL_MAX;) {
        DIR *d = opendir("/proc");
        const struct dirent *e;
        before = k->n;
        while (d && (e = readdir(d)) && k->n < MMR_KILL_MAX) {
            struct stat_line s;
            long pid = strtol(e->d_name, NULL, 10);
            if (pid <= 1 || !read_stat((pid_t)pid, &s) || !has_pinned(k, pids, (pid_t)s.ppid) ||
                has_pinned(k, pids, (pid_t)pid) || pid == getpid() || !mmr_scope_has(scope, (pid_t)pid))
                continue;
            int fd = pidfd_open((pid_t)pid);
            struct stat_line again;
            if (fd < 0)
                continue;
            if (!read_stat((pid_t)pid, &again) || again.start_ticks != s.start_ticks) {
                (void)close(fd);
                continue;
            }
            pids[k->n] = (pid_t)pid;
            k->fd[k->n++] = fd;
        }
        if (d)
            (void)closedir(d);
    }
}

int mmr_process_pin(const struct mmr_fingerprint *f, bool is_tree, enum mmr_scope scope, const char *const *never,
                    size_t n_never, struct mmr_kill *ret, struct mmr_error *err)
{
    char path[64], exe[4096] = "";
    pid_t pids[MMR_KILL_MAX];
    pid_t pid = (pid_t)f->pid;
    struct stat_line s;
    ret->n = 0;
    if (f->pid <= 0 || f->pid > INT32_MAX)
        return mmr_fail(err, MMR_EINVAL, "process.pid %lld is no process id", (long long)f->pid);
    int fd = pidfd_open(pid);
    if (fd < 0)
        return errno == ESRCH || errno == EINVAL ? mmr_fail(err, MMR_ENOENT, "process %d is gone", (int)pid)
                                                 : mmr_fail(err, MMR_EIO, "process %d: %s", (int)pid, strerror(errno));
    (void)snprintf(path, sizeof path, "/proc/%d/exe", (int)pid);
    ssize_t n = readlink(path, exe, sizeof exe - 1);
    exe[n > 0 ? n : 0] = '\0';
    bool is_alive = read_stat(pid, &s) && s.state != 'Z' && s.state != 'X';
    bool is_other = is_alive && f->start_ticks > 0 && s.start_ticks != f->start_ticks;
    if (is_alive && f->start_ticks <= 0)
        is_other = !f->exe || strcmp(exe, f->exe) != 0; /* a bare pid is nobody's fingerprint */
    int r = !is_alive || is_other ? mmr_fail(err, MMR_ENOENT, "process %d is gone%s", (int)pid,
                                             is_other ? "; its number is another's by now" : "")
                                  : refuse_vital(pid, scope, never, n_never, err);
    if (r) {
        (void)close(fd);
        return r;
    }
    pids[0] = pid;
    ret->fd[ret->n++] = fd;
    if (is_tree) {
        (void)syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0); /* it starts nothing new while we look */
        pin_tree(ret, pids, scope);
        for (uint32_t i = 1; i < ret->n; i++)
            (void)syscall(SYS_pidfd_send_signal, ret->fd[i], SIGSTOP, NULL, 0);
        pin_tree(ret, pids, scope); /* what was started between */
    }
    const char *base = strrchr(exe, '/');
    (void)snprintf(ret->what, sizeof ret->what, "%.60s (pid %d)%s", base ? base + 1 : exe, (int)pid,
                   ret->n > 1 ? " and what it started" : "");
    return 0;
}

int mmr_process_signal(const struct mmr_kill *k, int sig)
{
    int first = 0;
    for (uint32_t i = 0; i < k->n; i++)
        if (k->fd[i] >= 0 && syscall(SYS_pidfd_send_signal, k->fd[i], sig, NULL, 0) != 0 && errno != ESRCH && !first)
            first = errno;
    return first;
}

bool mmr_process_is_dead(struct mmr_kill *k)
{
    bool is_all = true;
    for (uint32_t i = 0; i < k->n; i++) {
        struct pollfd p = {.fd = k->fd[i], .events = POLLIN};
        if (k->fd[i] < 0)
            continue;
        if (poll(&p, 1, 0) == 1 && (p.revents & POLLIN)) {
            (void)close(k->fd[i]);
            k->fd[i] = -1;
        } else {
            is_all = false;
        }
    }
    return is_all;
}

/* Do all that descend from pid stand still? Those that are gone meanwhile do. */
static bool is_tree_stopped(pid_t top)
{
    pid_t pids[MMR_KILL_MAX] = {top};
    uint32_t n = 1;
    bool is_all = true;
    for (uint32_t before = 0; before != n && is_all;) {
        DIR *d = opendir("/proc");
        const struct dirent *e;
        before = n;
        while (d && (e = readdir(d)) && n < MMR_KILL_MAX && is_all) {
            struct stat_line s;
            long pid = strtol(e->d_name, NULL, 10);
            bool is_below = false, is_known = false;
            if (pid <= 1 || !read_stat((pid_t)pid, &s))
                continue;
            for (uint32_t i = 0; i < n; i++) {
                is_below |= pids[i] == (pid_t)s.ppid;
                is_known |= pids[i] == (pid_t)pid;
            }
            if (!is_below || is_known)
                continue;
            is_all = s.state == 'T' || s.state == 'Z' || s.state == 'X';
            pids[n++] = (pid_t)pid;
        }
        if (d)
            (void)closedir(d);
    }
    return is_all;
}

bool mmr_process_is_stopped(const struct mmr_fingerprint *f, bool is_tree)
{
    struct stat_line s;
    if (!read_stat((pid_t)f->pid, &s) || (f->start_ticks > 0 && s.start_ticks != f->start_ticks))
        return false;
    return s.state == 'T' && (!is_tree || is_tree_stopped((pid_t)f->pid));
}

uint32_t mmr_process_signal_user(uid_t uid, enum mmr_scope scope, int sig)
{
    uint32_t n = 0;
    DIR *d = opendir("/proc");
    for (const struct dirent *e; d && (e = readdir(d));) {
        char path[64];
        struct stat st;
        long pid = strtol(e->d_name, NULL, 10);
        if (pid <= 1 || pid == getpid() || !mmr_scope_has(scope, (pid_t)pid))
            continue;
        int fd = pidfd_open((pid_t)pid);
        (void)snprintf(path, sizeof path, "/proc/%ld", pid); /* owned by who it runs as; pinned, so it is the same one */
        if (fd >= 0 && stat(path, &st) == 0 && st.st_uid == uid && syscall(SYS_pidfd_send_signal, fd, sig, NULL, 0) == 0)
            n++;
        if (fd >= 0)
            (void)close(fd);
    }
    if (d)
        (void)closedir(d);
    return n;
}

void mmr_process_release(struct mmr_kill *k)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->fd[i] >= 0)
            (void)close(k->fd[i]);
    k->n = 0;
}
