/* denyexec.c - one fanotify group, a thread that answers it, and the fallback by mode and flag. */
#include "denyexec.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <poll.h>
#include <pthread.h>
#include <signal.h>
#include <spawn.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/fanotify.h>
#include <sys/ioctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/sysmacros.h>
#include <sys/wait.h>
#include <unistd.h>

#ifndef AT_EXECVE_CHECK
#define AT_EXECVE_CHECK 0x10000 /* linux/fcntl.h, 6.14 */
#endif

struct mmr_denyexec {
    int fd, stop; /* -1: this kernel cannot */
    pthread_t thread;
    bool is_running;
    _Atomic bool is_asking; /* we ask whether we may run it: answer us as anybody */
    struct {
        uint64_t inode, device;
        int file; /* O_PATH: holds the inode while it is marked; -1: free */
        uint64_t mask;
    } armed[MMR_DENYEXEC_MAX];
};

/* ---- answering ---- */

static void answer_all(struct mmr_denyexec *d)
{
    uint8_t buf[4096] __attribute__((aligned(8)));
    ssize_t n = read(d->fd, buf, sizeof buf);
    for (size_t at = 0; n > 0 && (size_t)n - at >= sizeof(struct fanotify_event_metadata);) {
        struct fanotify_event_metadata m;
        memcpy(&m, buf + at, sizeof m);
        if (m.event_len < sizeof m || m.event_len > (size_t)n - at)
            return;
        if (m.fd >= 0) {
            /* to look at it, or to move it away, is ours alone */
            const bool is_ours = m.pid == getpid() && !atomic_load(&d->is_asking);
            struct fanotify_response r = {.fd = m.fd, .response = is_ours ? FAN_ALLOW : FAN_DENY};
            (void)!write(d->fd, &r, sizeof r);
            (void)close(m.fd);
        }
        at += m.event_len;
    }
}

static void *serve(void *arg)
{
    struct mmr_denyexec *d = arg;
    struct pollfd p[2] = {{.fd = d->fd, .events = POLLIN}, {.fd = d->stop, .events = POLLIN}};
    while (poll(p, 2, -1) > 0 || errno == EINTR) {
        if (p[1].revents)
            break;
        if (p[0].revents)
            answer_all(d);
    }
    return NULL;
}

/* ---- starting ---- */

static int run_probe(const char *path)
{
    char *argv[] = {(char[]){"probe"}, NULL}, *env[] = {NULL};
    pid_t pid;
    int status = 0, r = posix_spawn(&pid, path, NULL, NULL, argv, env);
    if (r)
        return r;
    while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
        ;
    return WIFEXITED(status) && WEXITSTATUS(status) == 127 ? EPERM : 0; /* an older C library says it so */
}

/* A harmless script of our own must not start while it is marked; then the way works here. */
static int try_it(struct mmr_denyexec *d, const char *dir, struct mmr_error *err)
{
    static const char text[] = "#!/bin/true\n";
    char path[4096 + 32];
    (void)snprintf(path, sizeof path, "%.4000s/probe", dir);
    (void)unlink(path);
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0700);
    if (fd < 0 || write(fd, text, sizeof text - 1) != (ssize_t)sizeof text - 1) {
        int saved = errno;
        if (fd >= 0)
            (void)close(fd);
        return mmr_fail(err, MMR_EIO, "probe '%.200s': %s", path, strerror(saved));
    }
    (void)close(fd);
    int r = fanotify_mark(d->fd, FAN_MARK_ADD, FAN_OPEN_EXEC_PERM, AT_FDCWD, path) == 0
                ? 0 : mmr_fail(err, MMR_EUNSUPPORTED, "fanotify cannot deny on this file system: %s", strerror(errno));
    if (!r && run_probe(path) == 0)
        r = mmr_fail(err, MMR_EUNSUPPORTED, "fanotify takes the mark but lets a program run all the same");
    (void)fanotify_mark(d->fd, FAN_MARK_FLUSH, 0, AT_FDCWD, NULL);
    (void)unlink(path);
    return r;
}

static int start(struct mmr_denyexec *d, const char *dir, struct mmr_error *err)
{
    sigset_t all, before;
    d->fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK, O_RDONLY | O_CLOEXEC | O_LARGEFILE);
    if (d->fd < 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "fanotify: %s", strerror(errno));
    d->stop = eventfd(0, EFD_CLOEXEC);
    (void)sigfillset(&all);
    (void)pthread_sigmask(SIG_SETMASK, &all, &before); /* signals are the loop's */
    d->is_running = d->stop >= 0 && pthread_create(&d->thread, NULL, serve, d) == 0;
    (void)pthread_sigmask(SIG_SETMASK, &before, NULL);
    return d->is_running ? try_it(d, dir, err) : mmr_fail(err, MMR_EIO, "no thread to answer fanotify");
}

static void end(struct mmr_denyexec *d)
{
    if (d->is_running) {
        const uint64_t one = 1;
        (void)!write(d->stop, &one, sizeof one);
        (void)pthread_join(d->thread, NULL);
    }
    if (d->fd >= 0)
        (void)close(d->fd);
    if (d->stop >= 0)
        (void)close(d->stop);
    d->fd = d->stop = -1;
    d->is_running = false;
}

int mmr_denyexec_new(const char *dir, struct mmr_denyexec **ret, const char **ret_mode, struct mmr_error *err)
{
    struct mmr_denyexec *d = calloc(1, sizeof *d);
    if (!d)
        return mmr_fail(err, MMR_ENOMEM, "deny.exec: out of memory");
    d->fd = d->stop = -1;
    for (size_t i = 0; i < MMR_DENYEXEC_MAX; i++)
        d->armed[i].file = -1;
    *ret_mode = "fanotify";
    if (start(d, dir, err) != 0) {
        end(d);
        *ret_mode = "mode";
    }
    *ret = d;
    return 0;
}

void mmr_denyexec_free(struct mmr_denyexec *d)
{
    if (!d)
        return;
    end(d);
    for (size_t i = 0; i < MMR_DENYEXEC_MAX; i++)
        if (d->armed[i].file >= 0)
            (void)close(d->armed[i].file);
    free(d);
}

/* ---- files ---- */

static int open_it(const struct mmr_file_id *f, int flags, struct stat *st, struct mmr_error *err)
{
    if (mmr_vault_is_system(f->path))
        return mmr_fail(err, MMR_EPERM, "'%.200s' belongs to the system and is never denied", f->path);
    int fd = open(f->path, flags | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return mmr_fail(err, errno == ENOENT || errno == ENOTDIR ? MMR_ENOENT : MMR_EIO, "'%.200s': %s", f->path, strerror(errno));
    int r = 0;
    if (fstat(fd, st) != 0)
        r = mmr_fail(err, MMR_EIO, "'%.200s': %s", f->path, strerror(errno));
    else if (!S_ISREG(st->st_mode))
        r = mmr_fail(err, MMR_EPERM, "'%.200s' is no regular file", f->path);
    else if ((f->inode && f->inode != st->st_ino) || (f->device && f->device != st->st_dev))
        r = mmr_fail(err, MMR_ENOENT, "'%.200s' is another file by now", f->path);
    if (!r)
        return fd;
    (void)close(fd);
    return r;
}

int mmr_denyexec_check(const struct mmr_file_id *f, struct mmr_error *err)
{
    struct stat st;
    int fd = open_it(f, O_PATH, &st, err);
    if (fd < 0)
        return fd;
    (void)close(fd);
    return 0;
}

static bool is_script(const char *path)
{
    char head[2] = "";
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    bool is_it = fd >= 0 && read(fd, head, sizeof head) == 2 && head[0] == '#' && head[1] == '!';
    if (fd >= 0)
        (void)close(fd);
    return is_it;
}

static long find(const struct mmr_denyexec *d, const struct stat *st)
{
    for (long i = 0; i < MMR_DENYEXEC_MAX; i++)
        if (d->armed[i].file >= 0 && d->armed[i].inode == st->st_ino && d->armed[i].device == st->st_dev)
            return i;
    return -1;
}

static int mark(struct mmr_denyexec *d, const struct mmr_file_id *f, int fd, const struct stat *st, char *undo, struct mmr_error *err)
{
    char link[40];
    long at = find(d, st), i = 0;
    while (at < 0 && i < MMR_DENYEXEC_MAX && d->armed[i].file >= 0)
        i++;
    if (at < 0 && i == MMR_DENYEXEC_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%d files are denied already", MMR_DENYEXEC_MAX);
    uint64_t mask = FAN_OPEN_EXEC_PERM | (is_script(f->path) ? (uint64_t)FAN_OPEN_PERM : 0);
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (fanotify_mark(d->fd, FAN_MARK_ADD, mask, AT_FDCWD, link) != 0)
        return mmr_fail(err, MMR_EIO, "'%.200s': fanotify: %s", f->path, strerror(errno));
    if (at < 0) {
        d->armed[i].file = fcntl(fd, F_DUPFD_CLOEXEC, 3);
        d->armed[i].inode = st->st_ino;
        d->armed[i].device = st->st_dev;
        d->armed[i].mask = mask;
    }
    (void)snprintf(undo, MMR_DENYEXEC_UNDO_MAX, "fanotify");
    return 0;
}

static int set_flag(int fd, bool is_on, bool *ret_was_on)
{
    int flags = 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
        return -1;
    *ret_was_on = (flags & FS_IMMUTABLE_FL) != 0;
    if (*ret_was_on == is_on)
        return 0;
    flags = is_on ? flags | FS_IMMUTABLE_FL : flags & ~FS_IMMUTABLE_FL;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

static int take_mode(const struct mmr_file_id *f, char *undo, struct mmr_error *err)
{
    struct stat st;
    bool was_immutable = false;
    int fd = open_it(f, O_RDONLY, &st, err);
    if (fd < 0)
        return fd;
    int r = (st.st_mode & 0111) == 0 || fchmod(fd, st.st_mode & 07777 & ~(mode_t)0111) == 0 ? 0 : mmr_fail(err, MMR_EIO, "'%.200s': %s", f->path, strerror(errno));
    if (!r && !undo[0]) {
        (void)set_flag(fd, true, &was_immutable); /* tmpfs has no such flag: the mode alone then */
        (void)snprintf(undo, MMR_DENYEXEC_UNDO_MAX, "mode %o %d", (unsigned)(st.st_mode & 07777), was_immutable);
    }
    (void)close(fd);
    return r;
}

int mmr_denyexec_arm(struct mmr_denyexec *d, const struct mmr_file_id *f, char *undo, struct mmr_error *err)
{
    struct stat st;
    if (strncmp(undo, "mode ", 5) == 0 || d->fd < 0)
        return take_mode(f, undo, err);
    int fd = open_it(f, O_PATH, &st, err);
    if (fd < 0)
        return fd;
    int r = mark(d, f, fd, &st, undo, err);
    (void)close(fd);
    return r == MMR_EIO ? take_mode(f, undo, err) : r;
}

/* What the kernel says of our group: "fanotify ino:HEX sdev:HEX mflags:HEX mask:HEX …" for each marked file. */
static bool is_marked(const struct mmr_denyexec *d, const struct stat *st)
{
    char path[48], line[512];
    unsigned long ino;
    unsigned dev, flags, mask;
    bool is_there = false;
    (void)snprintf(path, sizeof path, "/proc/self/fdinfo/%d", d->fd);
    FILE *f = fopen(path, "re");
    while (f && !is_there && fgets(line, sizeof line, f))
        is_there = sscanf(line, "fanotify ino:%lx sdev:%x mflags:%x mask:%x", &ino, &dev, &flags, &mask) == 4 && ino == st->st_ino &&
                   dev == (major(st->st_dev) << 20 | minor(st->st_dev)) && (mask & FAN_OPEN_EXEC_PERM);
    if (f)
        (void)fclose(f);
    return is_there;
}

/* Would the kernel run it, were we to ask in earnest? 1 yes, 0 no, -1 this kernel does not say. */
static int would_run(struct mmr_denyexec *d, int fd)
{
    char *argv[] = {(char[]){"x"}, NULL}, *env[] = {NULL};
    atomic_store(&d->is_asking, true);
    long r = syscall(SYS_execveat, fd, "", argv, env, AT_EMPTY_PATH | AT_EXECVE_CHECK);
    int saved = errno;
    atomic_store(&d->is_asking, false);
    return r == 0 ? 1 : saved == EINVAL || saved == ENOSYS ? -1 : 0;
}

int mmr_denyexec_verify(struct mmr_denyexec *d, const struct mmr_file_id *f, const char *undo, struct mmr_error *err)
{
    struct stat st;
    int fd = open_it(f, O_PATH, &st, err);
    int r = fd < 0 ? fd : 0;
    if (r == MMR_ENOENT)
        return 0; /* what is gone does not run */
    if (!r && strncmp(undo, "mode ", 5) == 0 && (st.st_mode & 0111))
        r = mmr_fail(err, MMR_ENOENT, "'%.200s' may be run again", f->path);
    if (!r && strncmp(undo, "mode ", 5) != 0 && (d->fd < 0 || !is_marked(d, &st)))
        r = mmr_fail(err, MMR_ENOENT, "'%.200s' is not denied (any more)", f->path);
    if (!r && would_run(d, fd) == 1)
        r = mmr_fail(err, MMR_ENOENT, "the kernel would run '%.200s'", f->path);
    if (fd >= 0)
        (void)close(fd);
    return r;
}

int mmr_denyexec_disarm(struct mmr_denyexec *d, const struct mmr_file_id *f, const char *undo, struct mmr_error *err)
{
    struct stat st;
    unsigned mode;
    int was_immutable, r = 0;
    bool is_on;
    const bool is_mode = sscanf(undo, "mode %o %d", &mode, &was_immutable) == 2;
    int fd = open_it(f, is_mode ? O_RDONLY : O_PATH, &st, err);
    if (fd < 0)
        return fd == MMR_ENOENT ? 0 : fd;
    if (is_mode) {
        if (!was_immutable)
            (void)set_flag(fd, false, &is_on);
        r = fchmod(fd, mode) == 0 ? 0 : mmr_fail(err, MMR_EIO, "'%.200s': %s", f->path, strerror(errno));
    } else {
        char link[40];
        long at = find(d, &st);
        (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
        if (at >= 0) {
            if (fanotify_mark(d->fd, FAN_MARK_REMOVE, d->armed[at].mask, AT_FDCWD, link) != 0 && errno != ENOENT)
                r = mmr_fail(err, MMR_EIO, "'%.200s': fanotify: %s", f->path, strerror(errno));
            (void)close(d->armed[at].file);
            d->armed[at].file = -1;
        }
    }
    (void)close(fd);
    return r;
}
