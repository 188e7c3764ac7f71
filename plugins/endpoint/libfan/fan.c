/* fan.c - one fanotify group. Marks whole filesystems where the kernel allows it, else every folder below the places.
 * An event names its folder by handle; the handle is opened and its path read, so renamed folders are right. */
#include "fan.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <sys/statfs.h>
#include <unistd.h>

#ifndef FAN_REPORT_TARGET_FID
#define FAN_REPORT_TARGET_FID 0x00001000 /* linux/fanotify.h, 5.17 */
#endif
#ifndef FAN_RENAME
#define FAN_RENAME 0x10000000
#endif
#ifndef FAN_EVENT_INFO_TYPE_OLD_DFID_NAME
#define FAN_EVENT_INFO_TYPE_OLD_DFID_NAME 10
#define FAN_EVENT_INFO_TYPE_NEW_DFID_NAME 12
#endif

enum { MOUNTS = 64, FOLDERS_MAX = 16384, BUF_BYTES = 32768, ROUNDS = 8, HANDLE_MAX = 128, INFO_HEAD = 12, HANDLE_HEAD = 8 };

struct mmr_fan {
    struct mmr_fan_config c;
    int fd;
    bool has_rename;
    struct {
        uint8_t fsid[8];
        int fd;
        bool is_whole; /* the filesystem is marked, not its folders */
    } mounts[MOUNTS];
    uint32_t n_mounts, n_folders;
    char path[2][PATH_MAX + 300];
    uint8_t buf[BUF_BYTES];
};

static bool is_below(const char *path, const char *prefix)
{
    size_t n = strlen(prefix);
    while (n > 1 && prefix[n - 1] == '/')
        n--;
    return strncmp(path, prefix, n) == 0 && (path[n] == '/' || path[n] == '\0' || n == 1);
}

bool mmr_fan_is_wanted(const struct mmr_fan_config *c, const char *path)
{
    bool is_in = false;
    for (size_t i = 0; i < c->places.n && !is_in; i++)
        is_in = is_below(path, c->places.v[i]);
    for (size_t i = 0; i < c->exclude.n && is_in; i++)
        is_in = !is_below(path, c->exclude.v[i]);
    return is_in;
}

static uint64_t mask_of(const struct mmr_fan *w)
{
    return FAN_CREATE | FAN_CLOSE_WRITE | FAN_DELETE | (w->c.has_attrib ? (uint64_t)FAN_ATTRIB : 0) | (w->has_rename ? FAN_RENAME : (uint64_t)FAN_MOVED_TO);
}

static int mark_folder(struct mmr_fan *w, const char *path)
{
    if (w->n_folders == FOLDERS_MAX)
        return ENOSPC;
    if (fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_ONLYDIR | FAN_MARK_DONT_FOLLOW, mask_of(w) | FAN_EVENT_ON_CHILD | FAN_ONDIR, AT_FDCWD,
                      path) != 0)
        return errno;
    w->n_folders++;
    return 0;
}

/* This folder and those below it on the same filesystem. */
static void mark_tree(struct mmr_fan *w, const char *path, dev_t dev, int depth)
{
    char below[PATH_MAX];
    struct stat st;
    if (depth > 32 || mark_folder(w, path) != 0)
        return;
    DIR *d = opendir(path);
    for (const struct dirent *e; d && (e = readdir(d));) {
        if ((e->d_type != DT_DIR && e->d_type != DT_UNKNOWN) || strcmp(e->d_name, ".") == 0 || strcmp(e->d_name, "..") == 0)
            continue;
        int n = snprintf(below, sizeof below, "%s/%s", path, e->d_name);
        if (n < (int)sizeof below && lstat(below, &st) == 0 && S_ISDIR(st.st_mode) && st.st_dev == dev)
            mark_tree(w, below, dev, depth + 1);
    }
    if (d)
        (void)closedir(d);
}

static int find_mount(const struct mmr_fan *w, const uint8_t fsid[8])
{
    for (uint32_t i = 0; i < w->n_mounts; i++)
        if (memcmp(w->mounts[i].fsid, fsid, 8) == 0)
            return (int)i;
    return -1;
}

static int mark_place(struct mmr_fan *w, const char *place)
{
    struct statfs fs;
    struct stat st;
    uint8_t fsid[8];
    int fd = open(place, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    if (fd < 0 || fstatfs(fd, &fs) != 0 || fstat(fd, &st) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return errno;
    }
    memcpy(fsid, &fs.f_fsid, 8);
    int i = find_mount(w, fsid), e = 0;
    if (i >= 0 || w->n_mounts == MOUNTS) {
        (void)close(fd);
        e = i < 0 ? ENOSPC : 0;
    } else {
        i = (int)w->n_mounts;
        bool is_whole = !w->c.is_by_folder && fanotify_mark(w->fd, FAN_MARK_ADD | FAN_MARK_FILESYSTEM, mask_of(w), AT_FDCWD, place) == 0;
        e = is_whole ? 0 : w->c.is_by_folder ? ENOENT : errno;
        memcpy(w->mounts[i].fsid, fsid, 8);
        w->mounts[i].fd = fd;
        w->mounts[i].is_whole = is_whole;
        w->n_mounts++;
    }
    if (i >= 0 && !w->mounts[i].is_whole) {
        uint32_t before = w->n_folders;
        mark_tree(w, place, st.st_dev, 0);
        e = w->n_folders > before ? 0 : e;
    }
    return e;
}

int mmr_fan_open(const struct mmr_fan_config *c, struct mmr_fan **ret, struct mmr_error *err)
{
    struct mmr_fan *w = calloc(1, sizeof *w);
    char text[300];
    if (!w)
        return mmr_fail(err, MMR_ENOMEM, "file watch: out of memory");
    w->c = *c;
    unsigned flags = FAN_CLASS_NOTIF | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_DFID_NAME;
    w->fd = fanotify_init(flags | FAN_REPORT_FID | FAN_REPORT_TARGET_FID, O_RDONLY | O_CLOEXEC);
    w->has_rename = w->fd >= 0;
    if (w->fd < 0)
        w->fd = fanotify_init(flags, O_RDONLY | O_CLOEXEC);
    if (w->fd < 0) {
        int e = errno;
        free(w);
        return mmr_fail(err, e == EPERM ? MMR_EPERM : MMR_EUNSUPPORTED, "file watch: fanotify: %s (kernel 5.9 and CAP_SYS_ADMIN are needed)",
                        strerror(e));
    }
    uint32_t n_marked = 0;
    for (size_t i = 0; i < c->places.n; i++) {
        int e = mark_place(w, c->places.v[i]);
        n_marked += e == 0;
        if (e && e != ENOENT) {
            (void)snprintf(text, sizeof text, "files.place path=%.200s error=\"%s\"", c->places.v[i], strerror(e));
            c->host->log(c->host->impl, MMR_LOG_WARN, text);
        }
    }
    if (!n_marked) {
        mmr_fan_close(w);
        return mmr_fail(err, MMR_EUNSUPPORTED, "file watch: none of the %zu places can be watched", c->places.n);
    }
    *ret = w;
    return 0;
}

bool mmr_fan_mode(const struct mmr_fan *w, char *text, size_t cap, const char **ret_mode)
{
    (void)snprintf(text, cap, "files.mode filesystems=%u folders=%u", w->n_mounts, w->n_folders);
    *ret_mode = w->n_folders ? "folders" : "filesystem";
    return w->n_folders < FOLDERS_MAX;
}

void mmr_fan_close(struct mmr_fan *w)
{
    if (!w)
        return;
    for (uint32_t i = 0; i < w->n_mounts; i++)
        (void)close(w->mounts[i].fd);
    (void)close(w->fd);
    free(w);
}

int mmr_fan_fd(const struct mmr_fan *w)
{
    return w->fd;
}

/* The path an info record names, in w->path[slot]; false: gone, or not on a filesystem of ours. */
static bool name_of(struct mmr_fan *w, const uint8_t *info, size_t len, int slot, bool *is_whole)
{
    union {
        struct file_handle h;
        uint8_t room[sizeof(struct file_handle) + HANDLE_MAX];
    } handle;
    uint32_t bytes;
    int32_t type;
    if (len < INFO_HEAD + HANDLE_HEAD)
        return false;
    memcpy(&bytes, info + INFO_HEAD, 4);
    memcpy(&type, info + INFO_HEAD + 4, 4);
    if (bytes > HANDLE_MAX || len < INFO_HEAD + HANDLE_HEAD + bytes + 1)
        return false;
    const char *name = (const char *)info + INFO_HEAD + HANDLE_HEAD + bytes;
    size_t name_len = strnlen(name, len - INFO_HEAD - HANDLE_HEAD - bytes);
    int mount = find_mount(w, info + 4);
    if (mount < 0 || name_len > NAME_MAX)
        return false;
    *is_whole = w->mounts[mount].is_whole;
    handle.h.handle_bytes = bytes;
    handle.h.handle_type = type;
    memcpy(handle.room + offsetof(struct file_handle, f_handle), info + INFO_HEAD + HANDLE_HEAD, bytes);
    int fd = open_by_handle_at(w->mounts[mount].fd, &handle.h, O_PATH | O_CLOEXEC);
    if (fd < 0)
        return false;
    char link[40];
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, w->path[slot], PATH_MAX);
    bool is_seen = n > 0 && n < PATH_MAX && w->path[slot][0] == '/';
    if (is_seen) { /* a folder under another mount has a name, but not here: that name is another folder's */
        struct stat here, there;
        w->path[slot][n] = '\0';
        is_seen = fstat(fd, &there) == 0 && (lstat(w->path[slot], &here) != 0 || (here.st_ino == there.st_ino && here.st_dev == there.st_dev));
    }
    (void)close(fd);
    if (!is_seen)
        return false;
    if (name_len && strcmp(name, ".") != 0) {
        if (n > 1)
            w->path[slot][n++] = '/';
        memcpy(w->path[slot] + n, name, name_len);
        n += (ssize_t)name_len;
    }
    w->path[slot][n] = '\0';
    return true;
}

static void take(struct mmr_fan *w, const struct fanotify_event_metadata *m, const uint8_t *infos, size_t len)
{
    bool has_new = false, has_old = false, is_whole = true;
    for (size_t at = 0; at + 4 <= len;) {
        uint8_t type = infos[at];
        uint16_t n;
        memcpy(&n, infos + at + 2, 2);
        if (n < 4 || n > len - at)
            break;
        if (type == FAN_EVENT_INFO_TYPE_DFID_NAME || type == FAN_EVENT_INFO_TYPE_NEW_DFID_NAME)
            has_new = name_of(w, infos + at, n, 0, &is_whole) || has_new;
        else if (type == FAN_EVENT_INFO_TYPE_OLD_DFID_NAME)
            has_old = name_of(w, infos + at, n, 1, &is_whole) || has_old;
        at += n;
    }
    if (m->mask & FAN_ONDIR) { /* marked folder by folder: a new folder is marked too */
        struct stat st;
        if (has_new && !is_whole && (m->mask & (FAN_CREATE | FAN_RENAME | FAN_MOVED_TO)) && mmr_fan_is_wanted(&w->c, w->path[0]) &&
            lstat(w->path[0], &st) == 0 && S_ISDIR(st.st_mode))
            mark_tree(w, w->path[0], st.st_dev, 0);
        if (!w->c.has_attrib)
            return;
    }
    struct mmr_change c = {.pid = (uint32_t)m->pid, .path = w->path[0], .old_path = has_old ? w->path[1] : NULL};
    bool is_wanted = has_new && mmr_fan_is_wanted(&w->c, w->path[0]);
    if (m->mask & (FAN_RENAME | FAN_MOVED_TO)) {
        if (!is_wanted && !(has_old && mmr_fan_is_wanted(&w->c, w->path[1])))
            return;
        if (!has_new)
            return;
        c.kind = MMR_CHANGE_RENAME;
        c.is_written = true;
        w->c.change(w->c.ctx, &c);
        return;
    }
    if (!is_wanted || m->pid < 0)
        return;
    c.old_path = NULL;
    if (m->mask & (FAN_CREATE | FAN_CLOSE_WRITE)) { /* the kernel merges what one process did to one file */
        c.kind = m->mask & FAN_CREATE ? MMR_CHANGE_CREATE : MMR_CHANGE_WRITE;
        c.is_written = m->mask & FAN_CLOSE_WRITE;
        w->c.change(w->c.ctx, &c);
    }
    if (m->mask & FAN_ATTRIB) {
        c.kind = MMR_CHANGE_ATTRIB;
        c.is_written = false;
        w->c.change(w->c.ctx, &c);
    }
    if (m->mask & FAN_DELETE) {
        c.kind = MMR_CHANGE_DELETE;
        c.is_written = false;
        w->c.change(w->c.ctx, &c);
    }
}

void mmr_fan_read(struct mmr_fan *w)
{
    for (int round = 0; round < ROUNDS && !w->c.is_stopped(w->c.ctx); round++) {
        ssize_t n = read(w->fd, w->buf, sizeof w->buf);
        if (n <= 0)
            return;
        for (size_t at = 0; (size_t)n - at >= sizeof(struct fanotify_event_metadata);) {
            struct fanotify_event_metadata m;
            memcpy(&m, w->buf + at, sizeof m);
            if (m.event_len < sizeof m || m.event_len > (size_t)n - at || m.vers != FANOTIFY_METADATA_VERSION || m.metadata_len > m.event_len)
                return;
            if (m.fd >= 0)
                (void)close(m.fd);
            if (m.mask & FAN_Q_OVERFLOW)
                w->c.lose(w->c.ctx); /* the kernel does not say how many */
            else
                take(w, &m, w->buf + at + m.metadata_len, m.event_len - m.metadata_len);
            at += m.event_len;
        }
    }
}
