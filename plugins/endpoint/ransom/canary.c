/* canary.c - files that nobody has reason to write. Only they are marked for permission, so nothing else ever waits. */
#include "ransom.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/fanotify.h>
#include <sys/stat.h>
#include <unistd.h>

#ifndef FAN_REPORT_TID
#define FAN_REPORT_TID 0x00000100
#endif

enum { CANARIES = 256, HELD = 64, DEPTH = 2, BYTES = 6144, LIST_BYTES = CANARIES * (MMR_RANSOM_PATH + 48) };

struct mmr_canary {
    struct mmr_canary_config c;
    int fd;
    struct {
        char *path;
        uint64_t inode, device;
    } file[CANARIES];
    uint32_t n, n_held;
    struct {
        int fd;
        uint32_t pid;
        int64_t until_ns;
    } held[HELD];
};

int mmr_canary_new(const struct mmr_canary_config *c, struct mmr_canary **ret, struct mmr_error *err)
{
    struct mmr_canary *k = calloc(1, sizeof *k);
    if (!k)
        return mmr_fail(err, MMR_ENOMEM, "ransom: out of memory");
    k->c = *c;
    k->fd = fanotify_init(FAN_CLASS_CONTENT | FAN_CLOEXEC | FAN_NONBLOCK | FAN_REPORT_TID, O_RDONLY | O_CLOEXEC | O_LARGEFILE);
    *ret = k;
    return 0;
}

static void answer(struct mmr_canary *k, int fd, bool is_allowed)
{
    const struct fanotify_response r = {.fd = fd, .response = is_allowed ? FAN_ALLOW : FAN_DENY};
    (void)!write(k->fd, &r, sizeof r); /* who waited may be dead: then nobody does */
    (void)close(fd);
}

/* What was placed, for a later run: this one may be cut short. */
static void keep_list(const struct mmr_canary *k)
{
    char path[MMR_RANSOM_PATH + 16], fresh[MMR_RANSOM_PATH + 16];
    if (!k->c.state_dir || !*k->c.state_dir)
        return;
    (void)snprintf(path, sizeof path, "%.4000s/canaries", k->c.state_dir);
    (void)snprintf(fresh, sizeof fresh, "%.4000s/canaries.new", k->c.state_dir);
    if (!k->n) {
        (void)unlink(path);
        return;
    }
    FILE *f = fopen(fresh, "we");
    for (uint32_t i = 0; f && i < k->n; i++) {
        (void)fprintf(f, "%llu %llu %s", (unsigned long long)k->file[i].inode, (unsigned long long)k->file[i].device, k->file[i].path);
        (void)fputc('\0', f);
    }
    if (f && fclose(f) == 0)
        (void)rename(fresh, path);
}

void mmr_canary_free(struct mmr_canary *k)
{
    if (!k)
        return;
    mmr_canary_expire(k, INT64_MAX);
    if (k->fd >= 0)
        (void)close(k->fd);
    for (uint32_t i = 0; i < k->n; i++) {
        struct stat st;
        if (lstat(k->file[i].path, &st) == 0 && st.st_ino == k->file[i].inode && st.st_dev == k->file[i].device)
            (void)unlink(k->file[i].path);
        free(k->file[i].path);
    }
    k->n = 0;
    keep_list(k);
    free(k);
}

void mmr_canary_tidy(const char *state_dir, const struct mmr_canary *k)
{
    char path[MMR_RANSOM_PATH + 16];
    if (!*state_dir)
        return;
    (void)snprintf(path, sizeof path, "%.4000s/canaries", state_dir);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    char *text = fd >= 0 ? malloc(LIST_BYTES + 1) : NULL;
    ssize_t n = text ? read(fd, text, LIST_BYTES) : 0;
    if (fd >= 0)
        (void)close(fd);
    if (n > 0)
        text[n] = '\0';
    for (ssize_t at = 0, len; at < n; at += len + 1) { /* "inode device path", NUL */
        unsigned long long inode, device;
        int begin = 0;
        struct stat st;
        len = (ssize_t)strlen(text + at);
        if (sscanf(text + at, "%llu %llu %n", &inode, &device, &begin) != 2 || text[at + begin] != '/' || (k && mmr_canary_is(k, inode, device)))
            continue;
        /* the very file, as long as it was made: else it is somebody's by now */
        if (lstat(text + at + begin, &st) == 0 && S_ISREG(st.st_mode) && st.st_ino == inode && st.st_dev == device && st.st_size == BYTES)
            (void)unlink(text + at + begin);
    }
    free(text);
    if (!k)
        (void)unlink(path);
}

/* ---- placing ---- */

/* Text that looks like somebody's table, so that a program that reads before it writes goes on. */
static void fill(char buf[BYTES])
{
    size_t at = 0;
    for (unsigned i = 1; at < BYTES - 80; i++)
        at += (size_t)snprintf(buf + at, BYTES - at, "%04u;invoice;%u.%02u;paid;customer %u\n", i, i * 37 % 9000, i * 7 % 100, i * 13 % 500);
    memset(buf + at, '\n', BYTES - at);
}

static void note(struct mmr_canary *k, const char *path, const struct stat *st)
{
    if (k->n == CANARIES)
        return;
    if (k->fd >= 0 && fanotify_mark(k->fd, FAN_MARK_ADD | FAN_MARK_DONT_FOLLOW, FAN_OPEN_PERM, AT_FDCWD, path) != 0)
        return; /* a file system that does not ask: its changes are seen, and it is no use to write there */
    k->file[k->n].path = strdup(path);
    if (!k->file[k->n].path)
        return;
    k->file[k->n].inode = st->st_ino;
    k->file[k->n++].device = st->st_dev;
}

static void place_one(struct mmr_canary *k, const char *folder, const char *name, const struct stat *owner)
{
    char path[MMR_RANSOM_PATH], text[BYTES];
    struct stat st;
    int len = snprintf(path, sizeof path, "%s/%s", folder, name);
    if (len < 0 || (size_t)len >= sizeof path || mmr_canary_has_path(k, path))
        return;
    int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0 && errno == EEXIST && lstat(path, &st) == 0 && S_ISREG(st.st_mode) && st.st_size == BYTES) {
        note(k, path, &st); /* ours, of a run that was cut short */
        return;
    }
    if (fd < 0)
        return;
    fill(text);
    /* who may write the folder may write the file: else it would be left alone, and tell nothing */
    bool is_ok = write(fd, text, sizeof text) == (ssize_t)sizeof text && fchown(fd, owner->st_uid, owner->st_gid) == 0 &&
                 fchmod(fd, 0644) == 0 && fstat(fd, &st) == 0;
    (void)close(fd);
    if (is_ok)
        note(k, path, &st);
    else
        (void)unlink(path);
}

static bool is_left_out(const struct mmr_canary *k, const char *path)
{
    const struct mmr_fan_config c = {.places = k->c.places, .exclude = k->c.exclude};
    return !mmr_fan_is_wanted(&c, path);
}

static void place_in(struct mmr_canary *k, const char *folder, dev_t device, int depth)
{
    char below[MMR_RANSOM_PATH];
    struct stat st;
    if (k->n == CANARIES || is_left_out(k, folder) || lstat(folder, &st) != 0 || !S_ISDIR(st.st_mode) || st.st_dev != device)
        return;
    for (size_t i = 0; i < k->c.names.n; i++)
        place_one(k, folder, k->c.names.v[i], &st);
    DIR *d = depth < DEPTH ? opendir(folder) : NULL;
    for (const struct dirent *e; d && (e = readdir(d));) {
        if (e->d_name[0] == '.' || (e->d_type != DT_DIR && e->d_type != DT_UNKNOWN))
            continue;
        int n = snprintf(below, sizeof below, "%s/%s", folder, e->d_name);
        if (n > 0 && (size_t)n < sizeof below)
            place_in(k, below, device, depth + 1);
    }
    if (d)
        (void)closedir(d);
}

void mmr_canary_place(struct mmr_canary *k)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < k->n; i++) { /* those that are gone make room */
        struct stat st;
        if (lstat(k->file[i].path, &st) == 0 && st.st_ino == k->file[i].inode && st.st_dev == k->file[i].device)
            k->file[kept++] = k->file[i];
        else
            free(k->file[i].path);
    }
    k->n = kept;
    for (size_t i = 0; i < k->c.places.n; i++) {
        struct stat st;
        if (lstat(k->c.places.v[i], &st) == 0 && S_ISDIR(st.st_mode))
            place_in(k, k->c.places.v[i], st.st_dev, 0);
    }
    if (k->c.state_dir)
        mmr_canary_tidy(k->c.state_dir, k);
    keep_list(k);
}

bool mmr_canary_is(const struct mmr_canary *k, uint64_t inode, uint64_t device)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (k->file[i].inode == inode && k->file[i].device == device)
            return true;
    return false;
}

bool mmr_canary_has_path(const struct mmr_canary *k, const char *path)
{
    for (uint32_t i = 0; i < k->n; i++)
        if (strcmp(k->file[i].path, path) == 0)
            return true;
    return false;
}

uint32_t mmr_canary_count(const struct mmr_canary *k)
{
    return k->n;
}

/* ---- who opens one ---- */

int mmr_canary_fd(const struct mmr_canary *k)
{
    return k->fd;
}

static void judge(struct mmr_canary *k, int fd, uint32_t tid)
{
    char link[40], path[MMR_RANSOM_PATH];
    uint32_t pid = mmr_ransom_process(tid);
    enum mmr_intent intent = mmr_ransom_intent(tid);
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    ssize_t n = readlink(link, path, sizeof path - 1);
    path[n > 0 ? n : 0] = '\0';
    if (!pid || (pid_t)pid == getpid() || intent == MMR_INTENT_READ) { /* a backup, an indexer: reading is nobody's crime */
        answer(k, fd, true);
        return;
    }
    bool is_held = k->c.touched(k->c.ctx, pid, path, intent == MMR_INTENT_WRITE);
    if (!is_held || !k->c.hold_ns || k->n_held == HELD) {
        answer(k, fd, !is_held);
        return;
    }
    k->held[k->n_held].fd = fd;
    k->held[k->n_held].pid = pid;
    k->held[k->n_held++].until_ns = k->c.host->now_ns(k->c.host->impl, MMR_CLOCK_MONOTONIC) + k->c.hold_ns;
}

void mmr_canary_read(struct mmr_canary *k)
{
    uint8_t buf[4096] __attribute__((aligned(8)));
    ssize_t n = read(k->fd, buf, sizeof buf);
    for (size_t at = 0; n > 0 && (size_t)n - at >= sizeof(struct fanotify_event_metadata);) {
        struct fanotify_event_metadata m;
        memcpy(&m, buf + at, sizeof m);
        if (m.event_len < sizeof m || m.event_len > (size_t)n - at || m.vers != FANOTIFY_METADATA_VERSION)
            return;
        if (m.fd >= 0 && (m.mask & FAN_OPEN_PERM))
            judge(k, m.fd, (uint32_t)m.pid);
        else if (m.fd >= 0)
            (void)close(m.fd);
        at += m.event_len;
    }
}

int64_t mmr_canary_next_ns(const struct mmr_canary *k)
{
    int64_t next = 0;
    for (uint32_t i = 0; i < k->n_held; i++)
        if (!next || k->held[i].until_ns < next)
            next = k->held[i].until_ns;
    return next;
}

void mmr_canary_expire(struct mmr_canary *k, int64_t now_ns)
{
    uint32_t kept = 0;
    for (uint32_t i = 0; i < k->n_held; i++)
        if (k->held[i].until_ns > now_ns)
            k->held[kept++] = k->held[i];
        else
            answer(k, k->held[i].fd, false);
    k->n_held = kept;
}
