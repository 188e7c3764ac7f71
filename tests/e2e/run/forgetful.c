/*
 * forgetful.c MOUNT LIVE DURABLE - a file system that keeps what is written in LIVE and what was synced in DURABLE. When the
 * power goes (the test kills this process), LIVE is what a page cache held and is gone; DURABLE is what a disk would have.
 * Stricter than most: data counts from the file's fsync on, names from an fsync of the file or of its folder on.
 */
#define FUSE_USE_VERSION 31 /* libfuse 3.1 and later */
#include <fuse.h>

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/statvfs.h>
#include <unistd.h>

enum { PATH_LEN = 2048, DIRTY_MAX = 4096 };
struct dirty { /* what of a file was written since its last sync */
    char path[512];
    off_t from, to;
    char was[512]; /* renamed from, and the folder was not synced since; "" */
};
static struct dirty dirty[DIRTY_MAX];
static size_t n_dirty;
static pthread_mutex_t lock = PTHREAD_MUTEX_INITIALIZER;
static char live[PATH_LEN], durable[PATH_LEN];

static const char *at(const char *root, const char *path, char buf[PATH_LEN * 2])
{
    (void)snprintf(buf, PATH_LEN * 2, "%s%s", root, path);
    return buf;
}

static struct dirty *of(const char *path, int make)
{
    for (size_t i = 0; i < n_dirty; i++)
        if (strcmp(dirty[i].path, path) == 0)
            return &dirty[i];
    if (!make)
        return NULL;
    if (n_dirty == DIRTY_MAX) {
        (void)fprintf(stderr, "forgetful: more files than it can watch\n");
        abort();
    }
    struct dirty *d = &dirty[n_dirty++];
    memset(d, 0, sizeof *d);
    (void)snprintf(d->path, sizeof d->path, "%s", path);
    return d;
}

static void forget(const char *path)
{
    struct dirty *d = of(path, 0);
    if (d)
        *d = dirty[--n_dirty];
}

static void touch(const char *path, off_t from, off_t to)
{
    struct dirty *d = of(path, 1);
    if (d->from == d->to) {
        d->from = from;
        d->to = to;
        return;
    }
    d->from = from < d->from ? from : d->from;
    d->to = to > d->to ? to : d->to;
}

/* The name becomes durable; its content is what was synced, under whatever name. */
static int make_durable_name(const char *path)
{
    char a[PATH_LEN * 2], b[PATH_LEN * 2], old[PATH_LEN * 2];
    struct dirty *d = of(path, 0);
    struct stat st;
    if (lstat(at(live, path, a), &st) != 0)
        return 0;
    at(durable, path, b);
    if (d && d->was[0]) {
        (void)rename(at(durable, d->was, old), b);
        d->was[0] = '\0';
    }
    if (S_ISDIR(st.st_mode))
        return (mkdir(b, st.st_mode & 07777) != 0 && errno != EEXIST) || lchown(b, st.st_uid, st.st_gid) != 0 ? -errno : 0;
    int fd = open(b, O_WRONLY | O_CREAT, st.st_mode & 07777);
    if (fd < 0)
        return -errno;
    (void)fchmod(fd, st.st_mode & 07777);
    (void)!fchown(fd, st.st_uid, st.st_gid);
    (void)close(fd);
    return 0;
}

static void make_durable_folders(const char *path)
{
    char part[PATH_LEN];
    (void)snprintf(part, sizeof part, "%s", path);
    for (char *p = strchr(part + 1, '/'); p; p = strchr(p + 1, '/')) {
        *p = '\0';
        (void)make_durable_name(part);
        *p = '/';
    }
}

static int sync_file(const char *path)
{
    static char block[65536];
    char a[PATH_LEN * 2], b[PATH_LEN * 2];
    struct stat st;
    make_durable_folders(path);
    int r = make_durable_name(path);
    struct dirty *d = of(path, 0);
    if (r || !d)
        return r;
    int from = open(at(live, path, a), O_RDONLY), to = open(at(durable, path, b), O_WRONLY);
    r = from < 0 || to < 0 || fstat(from, &st) != 0 || ftruncate(to, st.st_size) != 0 ? -errno : 0;
    for (off_t p = d->from; !r && p < d->to && p < st.st_size;) {
        ssize_t n = pread(from, block, sizeof block, p);
        if (n < 0 || (n > 0 && pwrite(to, block, (size_t)n, p) != n))
            r = -EIO;
        if (n <= 0)
            break;
        p += n;
    }
    if (from >= 0)
        (void)close(from);
    if (to >= 0)
        (void)close(to);
    if (!r)
        forget(path);
    return r;
}

static int fs_fsync(const char *path, int is_data, struct fuse_file_info *fi)
{
    (void)is_data;
    (void)fi;
    (void)pthread_mutex_lock(&lock);
    int r = sync_file(path);
    (void)pthread_mutex_unlock(&lock);
    return r;
}

static int fs_fsyncdir(const char *path, int is_data, struct fuse_file_info *fi)
{
    char a[PATH_LEN * 2], b[PATH_LEN * 2], name[PATH_LEN];
    const struct dirent *e;
    (void)is_data;
    (void)fi;
    (void)pthread_mutex_lock(&lock);
    make_durable_folders(path);
    if (strcmp(path, "/") != 0)
        (void)make_durable_name(path);
    DIR *d = opendir(at(live, path, a));
    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            (void)snprintf(name, sizeof name, "%s/%s", strcmp(path, "/") == 0 ? "" : path, e->d_name);
            (void)make_durable_name(name);
        }
    if (d)
        (void)closedir(d);
    d = opendir(at(durable, path, b));
    while (d && (e = readdir(d)))
        if (strcmp(e->d_name, ".") != 0 && strcmp(e->d_name, "..") != 0) {
            (void)snprintf(name, sizeof name, "%s/%s", strcmp(path, "/") == 0 ? "" : path, e->d_name);
            if (access(at(live, name, a), F_OK) != 0 && remove(at(durable, name, b)) != 0)
                (void)fprintf(stderr, "forgetful: %s: %s\n", name, strerror(errno));
        }
    if (d)
        (void)closedir(d);
    (void)pthread_mutex_unlock(&lock);
    return 0;
}

/* ---- everything else goes to LIVE ---- */

#define LIVE_CALL(expr)                                                                                                                                        \
    char a[PATH_LEN * 2];                                                                                                                                      \
    at(live, path, a);                                                                                                                                         \
    return (expr) < 0 ? -errno : 0

static int fs_getattr(const char *path, struct stat *st, struct fuse_file_info *fi)
{
    (void)fi;
    LIVE_CALL(lstat(a, st));
}
static int fs_access(const char *path, int mode)
{
    LIVE_CALL(access(a, mode));
}
static int fs_mkdir(const char *path, mode_t mode)
{
    LIVE_CALL(mkdir(a, mode));
}
static int fs_rmdir(const char *path)
{
    LIVE_CALL(rmdir(a));
}
static int fs_chmod(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    (void)fi;
    LIVE_CALL(chmod(a, mode));
}
static int fs_chown(const char *path, uid_t u, gid_t g, struct fuse_file_info *fi)
{
    (void)fi;
    LIVE_CALL(lchown(a, u, g));
}
static int fs_utimens(const char *path, const struct timespec tv[2], struct fuse_file_info *fi)
{
    (void)fi;
    LIVE_CALL(utimensat(AT_FDCWD, a, tv, AT_SYMLINK_NOFOLLOW));
}
static int fs_statfs(const char *path, struct statvfs *st)
{
    LIVE_CALL(statvfs(a, st));
}

static int fs_unlink(const char *path)
{
    char a[PATH_LEN * 2];
    (void)pthread_mutex_lock(&lock);
    int r = unlink(at(live, path, a)) < 0 ? -errno : 0;
    if (!r)
        forget(path);
    (void)pthread_mutex_unlock(&lock);
    return r;
}

static int fs_rename(const char *from, const char *to, unsigned flags)
{
    char a[PATH_LEN * 2], b[PATH_LEN * 2];
    if (flags)
        return -EINVAL;
    (void)pthread_mutex_lock(&lock);
    int r = rename(at(live, from, a), at(live, to, b)) < 0 ? -errno : 0;
    if (!r) {
        forget(to);
        struct dirty *d = of(from, 1);
        if (!d->was[0])
            (void)snprintf(d->was, sizeof d->was, "%s", from);
        (void)snprintf(d->path, sizeof d->path, "%s", to);
    }
    (void)pthread_mutex_unlock(&lock);
    return r;
}

static int fs_open(const char *path, struct fuse_file_info *fi)
{
    char a[PATH_LEN * 2];
    int flags = fi->flags & ~(O_APPEND | O_EXCL | O_CREAT); /* offsets are given */
    if ((flags & O_ACCMODE) == O_WRONLY)
        flags = (flags & ~O_ACCMODE) | O_RDWR; /* for the page cache */
    int fd = open(at(live, path, a), flags);
    if (fd < 0)
        return -errno;
    if (flags & O_TRUNC) {
        (void)pthread_mutex_lock(&lock);
        touch(path, 0, 1);
        (void)pthread_mutex_unlock(&lock);
    }
    fi->fh = (uint64_t)fd;
    return 0;
}

static int fs_create(const char *path, mode_t mode, struct fuse_file_info *fi)
{
    char a[PATH_LEN * 2];
    int fd = open(at(live, path, a), O_RDWR | O_CREAT | (fi->flags & (O_EXCL | O_TRUNC)), mode);
    if (fd < 0)
        return -errno;
    fi->fh = (uint64_t)fd;
    return 0;
}

static int fs_read(const char *path, char *buf, size_t n, off_t off, struct fuse_file_info *fi)
{
    (void)path;
    ssize_t r = pread((int)fi->fh, buf, n, off);
    return r < 0 ? -errno : (int)r;
}

static int fs_write(const char *path, const char *buf, size_t n, off_t off, struct fuse_file_info *fi)
{
    (void)pthread_mutex_lock(&lock);
    ssize_t r = pwrite((int)fi->fh, buf, n, off);
    if (r > 0 && path)
        touch(path, off, off + r);
    (void)pthread_mutex_unlock(&lock);
    return r < 0 ? -errno : (int)r;
}

static int fs_truncate(const char *path, off_t size, struct fuse_file_info *fi)
{
    char a[PATH_LEN * 2];
    (void)fi;
    (void)pthread_mutex_lock(&lock);
    int r = truncate(at(live, path, a), size) < 0 ? -errno : 0;
    touch(path, size, size + 1);
    (void)pthread_mutex_unlock(&lock);
    return r;
}

static int fs_release(const char *path, struct fuse_file_info *fi)
{
    (void)path;
    return close((int)fi->fh) < 0 ? -errno : 0;
}

static int fs_readdir(const char *path, void *buf, fuse_fill_dir_t fill, off_t off, struct fuse_file_info *fi, enum fuse_readdir_flags flags)
{
    char a[PATH_LEN * 2];
    const struct dirent *e;
    (void)off;
    (void)fi;
    (void)flags;
    DIR *d = opendir(at(live, path, a));
    if (!d)
        return -errno;
    while ((e = readdir(d)))
        if (fill(buf, e->d_name, NULL, 0, 0))
            break;
    (void)closedir(d);
    return 0;
}

int main(int argc, char **argv)
{
    static const struct fuse_operations ops = {
        .getattr = fs_getattr, .access = fs_access, .mkdir = fs_mkdir, .rmdir = fs_rmdir, .chmod = fs_chmod, .chown = fs_chown,
        .utimens = fs_utimens, .statfs = fs_statfs, .unlink = fs_unlink, .rename = fs_rename, .open = fs_open, .create = fs_create,
        .read = fs_read, .write = fs_write, .truncate = fs_truncate, .release = fs_release, .readdir = fs_readdir, .fsync = fs_fsync,
        .fsyncdir = fs_fsyncdir,
    };
    char foreground[] = "-f", option[] = "-oallow_other", dir[PATH_LEN];
    if (argc != 4 || !realpath(argv[2], live) || !realpath(argv[3], durable) || !realpath(argv[1], dir)) {
        (void)fprintf(stderr, "usage: forgetful MOUNT LIVE DURABLE (folders that exist)\n");
        return 2;
    }
    umask(0);
    char *args[] = {argv[0], foreground, option, dir, NULL};
    return fuse_main(4, args, &ops, NULL);
}
