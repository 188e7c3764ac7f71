/*
 * truth.c - a table of process numbers. Forks and execs come from the kernel's process connector; the child of a known
 * process is on its parent's machine even when it is gone before anybody could look. Without the connector /proc is
 * looked at again and again, and short lives stay unknown.
 */
#include "demo/truth.h"

#include "util/scope.h"

#include <dirent.h>
#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/stat.h>

enum { PIDS_MAX = 1 << 22, NONE = 0, OUTSIDE = 255 };

struct mmr_truth {
    struct mmr_lab *lab;
    int fd; /* the connector, or -1 */
    uint8_t *machine; /* by pid: 0 never seen, 1 + index, OUTSIDE */
};

static uint8_t look_at(struct mmr_truth *t, uint32_t pid)
{
    char path[64];
    struct stat st;
    (void)snprintf(path, sizeof path, "/proc/%u/ns/net", pid);
    if (stat(path, &st) != 0) /* gone, or dead and not yet waited for */
        return NONE;
    for (size_t i = 0; i < t->lab->n; i++)
        if (t->lab->machine[i].netns == st.st_ino)
            return (uint8_t)(1 + i);
    return OUTSIDE;
}

static int subscribe(struct mmr_truth *t)
{
    uint8_t ask[NLMSG_LENGTH(sizeof(struct cn_msg) + sizeof(uint32_t))] = {0};
    const struct nlmsghdr head = {.nlmsg_len = sizeof ask, .nlmsg_type = NLMSG_DONE};
    const uint32_t op = PROC_CN_MCAST_LISTEN;
    struct cn_msg msg = {.id = {CN_IDX_PROC, CN_VAL_PROC}, .len = sizeof op};
    const struct sockaddr_nl at = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    int bytes = 4 << 20;
    t->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
    if (t->fd < 0)
        return -1;
    (void)setsockopt(t->fd, SOL_SOCKET, SO_RCVBUFFORCE, &bytes, sizeof bytes);
    memcpy(ask, &head, sizeof head);
    memcpy(ask + NLMSG_HDRLEN, &msg, sizeof msg);
    memcpy(ask + NLMSG_HDRLEN + sizeof msg, &op, sizeof op);
    return bind(t->fd, (const struct sockaddr *)&at, sizeof at) == 0 && send(t->fd, ask, sizeof ask, 0) == (ssize_t)sizeof ask ? 0 : -1;
}

int mmr_truth_new(struct mmr_lab *lab, struct mmr_truth **ret, struct mmr_error *err)
{
    struct mmr_truth *t = calloc(1, sizeof *t);
    if (t)
        t->machine = calloc(PIDS_MAX, 1);
    if (!t || !t->machine) {
        free(t);
        return mmr_fail(err, MMR_ENOMEM, "process table: out of memory");
    }
    t->lab = lab;
    if (subscribe(t) != 0) {
        if (t->fd >= 0)
            (void)close(t->fd);
        t->fd = -1;
    }
    *ret = t;
    return 0;
}

void mmr_truth_free(struct mmr_truth *t)
{
    if (!t)
        return;
    if (t->fd >= 0)
        (void)close(t->fd);
    free(t->machine);
    free(t);
}

static void on_event(struct mmr_truth *t, const uint8_t *p, size_t len)
{
    struct proc_event e;
    size_t n = len < sizeof e ? len : sizeof e;
    memset(&e, 0, sizeof e);
    memcpy(&e, p, n);
    uint32_t what = (uint32_t)e.what;
    if (what == 0x00000001) { /* fork: a thread's number is its process's */
        uint32_t child = (uint32_t)e.event_data.fork.child_tgid, parent = (uint32_t)e.event_data.fork.parent_tgid;
        if (child < PIDS_MAX && parent < PIDS_MAX && child == (uint32_t)e.event_data.fork.child_pid)
            t->machine[child] = t->machine[parent];
    } else if (what == 0x00000002) { /* exec: by now it has entered where it belongs */
        uint32_t pid = (uint32_t)e.event_data.exec.process_tgid;
        uint8_t m = pid < PIDS_MAX ? look_at(t, pid) : NONE;
        if (m)
            t->machine[pid] = m;
    }
}

void mmr_truth_look(struct mmr_truth *t)
{
    uint8_t buf[8192] __attribute__((aligned(8)));
    for (ssize_t n; t->fd >= 0 && (n = recv(t->fd, buf, sizeof buf, 0)) > 0;) {
        size_t at = 0;
        while (at + sizeof(struct nlmsghdr) <= (size_t)n) {
            struct nlmsghdr h;
            struct cn_msg c;
            memcpy(&h, buf + at, sizeof h);
            if (h.nlmsg_len < sizeof h || at + h.nlmsg_len > (size_t)n)
                break;
            if (h.nlmsg_len >= sizeof h + sizeof c) {
                memcpy(&c, buf + at + sizeof h, sizeof c);
                on_event(t, buf + at + sizeof h + sizeof c, h.nlmsg_len - sizeof h - sizeof c);
            }
            at += NLMSG_ALIGN(h.nlmsg_len);
        }
    }
    DIR *d = opendir("/proc");
    for (struct dirent *e; d && (e = readdir(d));) {
        char *end;
        unsigned long pid = strtoul(e->d_name, &end, 10);
        if (*end || pid == 0 || pid >= PIDS_MAX)
            continue;
        uint8_t m = look_at(t, (uint32_t)pid);
        if (m)
            t->machine[pid] = m;
    }
    if (d)
        (void)closedir(d);
}

int mmr_truth_was(struct mmr_truth *t, int64_t pid, const char *machine)
{
    if (pid <= 0 || pid >= PIDS_MAX || t->machine[pid] == NONE)
        return -1;
    uint8_t m = t->machine[pid];
    return m != OUTSIDE && strcmp(t->lab->machine[m - 1].name, machine) == 0;
}
