/* hold.c - a tree of processes stopped for a moment by pidfds, and let go. */
#include "ransom.h"

#include <dirent.h>
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "procfs.h"

enum { HELD_MAX = 512, ROUNDS = 8 };

struct mmr_hold {
    struct {
        int fd;
        uint32_t pid;
        int64_t until_ns;
    } held[HELD_MAX];
    uint32_t n;
    bool is_unlisted;
    struct mmr_heldlist *list;
    struct stat self;
};

int mmr_hold_new(struct mmr_heldlist *list, struct mmr_hold **ret, struct mmr_error *err)
{
    struct mmr_hold *h = calloc(1, sizeof *h);
    if (!h)
        return mmr_fail(err, MMR_ENOMEM, "ransom: out of memory");
    (void)stat("/proc/self/exe", &h->self);
    h->list = list;
    *ret = h;
    return 0;
}

void mmr_hold_free(struct mmr_hold *h)
{
    if (h)
        (void)mmr_hold_release(h, INT64_MAX);
    free(h);
}

static bool is_vital(const struct mmr_hold *h, uint32_t pid, const struct mmr_strv *never)
{
    char path[64], exe[512];
    struct stat st;
    if (pid <= 1 || (pid_t)pid == getpid() || (pid_t)pid == getppid())
        return true;
    (void)snprintf(path, sizeof path, "/proc/%u/exe", pid);
    if (stat(path, &st) == 0 && st.st_ino == h->self.st_ino && st.st_dev == h->self.st_dev)
        return true;
    if (!mmr_procfs_link(pid, "exe", exe, sizeof exe))
        return true; /* the kernel's, or gone */
    return mmr_ransom_is_named(exe, never);
}

static bool has(const struct mmr_hold *h, uint32_t pid)
{
    for (uint32_t i = 0; i < h->n; i++)
        if (h->held[i].pid == pid)
            return true;
    return false;
}

static bool stop(struct mmr_hold *h, uint32_t pid, int64_t until_ns)
{
    if (h->n == HELD_MAX)
        return false;
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd >= 0 && !mmr_heldlist_add(h->list, pid)) /* stopped all the same: his files first */
        h->is_unlisted = true;
    if (fd < 0 || syscall(SYS_pidfd_send_signal, fd, SIGSTOP, NULL, 0) != 0) {
        if (fd >= 0)
            (void)close(fd);
        return false;
    }
    h->held[h->n].fd = fd;
    h->held[h->n].pid = pid;
    h->held[h->n++].until_ns = until_ns;
    return true;
}

struct round {
    struct mmr_hold *h;
    const struct mmr_strv *never;
    int64_t until_ns;
    uint32_t from, n;
};

static bool stop_child(void *ctx, uint32_t pid)
{
    struct round *r = ctx;
    struct mmr_pstat st;
    if (!mmr_procfs_stat(pid, &st) || has(r->h, pid))
        return true;
    for (uint32_t i = r->from; i < r->h->n; i++)
        if (r->h->held[i].pid == st.ppid) {
            r->n += !is_vital(r->h, pid, r->never) && stop(r->h, pid, r->until_ns);
            break;
        }
    return true;
}

bool mmr_hold_has(const struct mmr_hold *h, uint32_t pid)
{
    return has(h, pid);
}

bool mmr_hold_is_unlisted(const struct mmr_hold *h)
{
    return h->is_unlisted;
}

void mmr_hold_let_go(uint32_t pid)
{
    int fd = (int)syscall(SYS_pidfd_open, pid, 0);
    if (fd < 0)
        return;
    (void)syscall(SYS_pidfd_send_signal, fd, SIGCONT, NULL, 0);
    (void)close(fd);
}

uint32_t mmr_hold_tree(struct mmr_hold *h, uint32_t pid, const struct mmr_strv *never, int64_t until_ns)
{
    struct round r = {.h = h, .never = never, .until_ns = until_ns, .from = h->n};
    if (has(h, pid) || is_vital(h, pid, never) || !stop(h, pid, until_ns))
        return 0;
    r.n = 1;
    for (uint32_t before = 0, i = 0; before != r.n && i < ROUNDS; i++) { /* until a round finds nobody new */
        before = r.n;
        mmr_procfs_each(stop_child, &r);
    }
    return r.n;
}

int64_t mmr_hold_next_ns(const struct mmr_hold *h)
{
    int64_t next = 0;
    for (uint32_t i = 0; i < h->n; i++)
        if (!next || h->held[i].until_ns < next)
            next = h->held[i].until_ns;
    return next;
}

uint32_t mmr_hold_release(struct mmr_hold *h, int64_t now_ns)
{
    uint32_t kept = 0, alive = 0;
    for (uint32_t i = 0; i < h->n; i++) {
        if (h->held[i].until_ns > now_ns) {
            h->held[kept++] = h->held[i];
            continue;
        }
        alive += syscall(SYS_pidfd_send_signal, h->held[i].fd, SIGCONT, NULL, 0) == 0;
        (void)close(h->held[i].fd);
    }
    h->n = kept;
    if (!kept) {
        h->is_unlisted = false;
        mmr_heldlist_clear(h->list);
    }
    return alive;
}
