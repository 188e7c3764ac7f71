/* procfs.c - see procfs.h. Formats: proc(5). */
#include "procfs.h"

#include <dirent.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static ssize_t read_entry(uint32_t pid, const char *name, char *buf, size_t cap)
{
    char path[64];
    (void)(pid ? snprintf(path, sizeof path, "/proc/%u/%s", pid, name) : snprintf(path, sizeof path, "/proc/self/%s", name));
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return -1;
    size_t at = 0;
    for (ssize_t n; at < cap - 1 && (n = read(fd, buf + at, cap - 1 - at)) > 0;)
        at += (size_t)n;
    (void)close(fd);
    buf[at] = '\0';
    return (ssize_t)at;
}

bool mmr_procfs_stat(uint32_t pid, struct mmr_pstat *ret)
{
    char buf[1024];
    unsigned long long start;
    unsigned ppid;
    char state;
    if (read_entry(pid, "stat", buf, sizeof buf) <= 0)
        return false;
    /* the name in brackets may hold anything, brackets too: fields are counted from the last one */
    const char *open = strchr(buf, '('), *close = strrchr(buf, ')');
    if (!open || !close || close < open ||
        sscanf(close + 1, " %c %u %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %*s %llu", &state, &ppid,
               &start) != 3)
        return false;
    size_t n = (size_t)(close - open - 1);
    n = n < sizeof ret->comm ? n : sizeof ret->comm - 1;
    *ret = (struct mmr_pstat){.state = state, .ppid = ppid, .start_ticks = (int64_t)start};
    memcpy(ret->comm, open + 1, n);
    return true;
}

size_t mmr_procfs_link(uint32_t pid, const char *name, char *ret, size_t cap)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%u/%s", pid, name);
    ssize_t n = readlink(path, ret, cap - 1);
    ret[n > 0 ? n : 0] = '\0';
    return n > 0 ? (size_t)n : 0;
}

size_t mmr_procfs_join_args(char *args, size_t len)
{
    while (len && args[len - 1] == '\0')
        len--;
    for (size_t i = 0; i < len; i++)
        if ((unsigned char)args[i] < ' ')
            args[i] = ' ';
    return len;
}

size_t mmr_procfs_cmdline(uint32_t pid, char *ret, size_t cap)
{
    ssize_t n = read_entry(pid, "cmdline", ret, cap);
    size_t len = n > 0 ? mmr_procfs_join_args(ret, (size_t)n) : 0;
    ret[len] = '\0';
    return len;
}

bool mmr_procfs_uid(uint32_t pid, uint32_t *ret_uid)
{
    char buf[2048];
    unsigned uid;
    if (read_entry(pid, "status", buf, sizeof buf) <= 0)
        return false;
    const char *p = strstr(buf, "\nUid:");
    if (!p || sscanf(p + 5, "%u", &uid) != 1)
        return false;
    *ret_uid = uid;
    return true;
}

uint64_t mmr_procfs_netns(uint32_t pid)
{
    char path[64];
    struct stat st;
    (void)(pid ? snprintf(path, sizeof path, "/proc/%u/ns/net", pid) : snprintf(path, sizeof path, "/proc/self/ns/net"));
    return stat(path, &st) == 0 ? (uint64_t)st.st_ino : 0;
}

bool mmr_procfs_cgroup(uint32_t pid, char *ret, size_t cap)
{
    char buf[4096], id[13];
    if (read_entry(pid, "cgroup", buf, sizeof buf) <= 0)
        return false;
    const char *best = NULL;
    for (char *line = buf, *next; line && *line; line = next) {
        next = strchr(line, '\n');
        if (next)
            *next++ = '\0';
        const char *leaf = strrchr(line, '/');
        if (leaf && (!best || strncmp(line, "0::", 3) == 0 || mmr_procfs_container(leaf + 1, id)))
            best = leaf + 1;
        if (best && mmr_procfs_container(best, id))
            break;
    }
    if (!best)
        return false;
    (void)snprintf(ret, cap, "%s", best);
    return true;
}

bool mmr_procfs_same_cgroup(uint32_t pid)
{
    char mine[4096], theirs[4096];
    return read_entry(0, "cgroup", mine, sizeof mine) > 0 && read_entry(pid, "cgroup", theirs, sizeof theirs) > 0 &&
           strcmp(mine, theirs) == 0;
}

void mmr_procfs_each(bool (*fn)(void *ctx, uint32_t pid), void *ctx)
{
    DIR *d = opendir("/proc");
    for (const struct dirent *e; d && (e = readdir(d));) {
        char *end;
        unsigned long pid = e->d_name[0] >= '1' && e->d_name[0] <= '9' ? strtoul(e->d_name, &end, 10) : 0;
        if (pid && pid <= INT32_MAX && *end == '\0' && !fn(ctx, (uint32_t)pid))
            break;
    }
    if (d)
        (void)closedir(d);
}

static uint64_t socket_of(int dir, const char *name)
{
    char to[64], *end;
    ssize_t n = readlinkat(dir, name, to, sizeof to - 1);
    if (n < 10 || memcmp(to, "socket:[", 8) != 0)
        return 0;
    to[n] = '\0';
    uint64_t inode = strtoull(to + 8, &end, 10);
    return *end == ']' ? inode : 0;
}

uint64_t mmr_procfs_socket(uint32_t pid, int fd)
{
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%u/fd/%d", pid, fd);
    return socket_of(AT_FDCWD, path);
}

struct holders {
    struct mmr_holder *rows;
    size_t n, left;
};

static struct mmr_holder *find_row(const struct holders *h, uint64_t inode)
{
    size_t lo = 0, hi = h->n;
    while (lo < hi) {
        size_t mid = lo + (hi - lo) / 2;
        if (h->rows[mid].inode < inode)
            lo = mid + 1;
        else
            hi = mid;
    }
    return lo < h->n && h->rows[lo].inode == inode ? &h->rows[lo] : NULL;
}

static bool search_descriptors(void *ctx, uint32_t pid)
{
    struct holders *h = ctx;
    char path[64];
    (void)snprintf(path, sizeof path, "/proc/%u/fd", pid);
    DIR *d = opendir(path);
    for (const struct dirent *e; d && h->left && (e = readdir(d));) {
        uint64_t inode = e->d_name[0] == '.' ? 0 : socket_of(dirfd(d), e->d_name);
        struct mmr_holder *row = inode ? find_row(h, inode) : NULL;
        if (row && !row->pid) {
            row->pid = pid;
            h->left--;
        }
    }
    if (d)
        (void)closedir(d);
    return h->left > 0;
}

void mmr_procfs_holders(struct mmr_holder *rows, size_t n)
{
    struct holders h = {rows, n, n};
    if (n)
        mmr_procfs_each(search_descriptors, &h);
}

bool mmr_procfs_container(const char *cgroup, char ret[13])
{
    for (size_t i = 0, run = 0; cgroup[i]; i++) {
        char c = cgroup[i];
        run = (c >= '0' && c <= '9') || (c >= 'a' && c <= 'f') ? run + 1 : 0;
        if (run == 64) { /* a SHA-256 in hex: containerd, docker, podman */
            memcpy(ret, cgroup + i - 63, 12);
            ret[12] = '\0';
            return true;
        }
    }
    return false;
}

bool mmr_procfs_boot_id(char ret[37])
{
    int fd = open("/proc/sys/kernel/random/boot_id", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, ret, 36) : 0;
    if (fd >= 0)
        (void)close(fd);
    ret[n == 36 ? 36 : 0] = '\0';
    return n == 36;
}
