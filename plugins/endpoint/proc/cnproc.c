/* cnproc.c - the kernel's process connector: says that a process started a program or ended, nothing more. What it was
 * is read from /proc afterwards, so a very short process may stay without a name. Format: linux/cn_proc.h. */
#include "proc.h"

#include <errno.h>
#include <linux/cn_proc.h>
#include <linux/connector.h>
#include <linux/netlink.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

enum { RECEIVE_BYTES = 8 * 1024 * 1024, BATCH = 256, ANSWER_MS = 200 };

struct mmr_cnproc {
    struct mmr_proc *p;
    int fd, reserved;
};

/* errors EPERM and kin as errno values; 0: the kernel will tell us */
static int subscribe(int fd)
{
    const uint32_t op = PROC_CN_MCAST_LISTEN;
    uint8_t out[NLMSG_HDRLEN + sizeof(struct cn_msg) + sizeof op];
    const struct nlmsghdr h = {.nlmsg_len = sizeof out, .nlmsg_type = NLMSG_DONE};
    struct cn_msg m;
    uint8_t in[1024];
    struct pollfd wait = {.fd = fd, .events = POLLIN};
    memset(&m, 0, sizeof m);
    m.id.idx = CN_IDX_PROC;
    m.id.val = CN_VAL_PROC;
    m.len = sizeof op;
    memcpy(out, &h, sizeof h);
    memcpy(out + NLMSG_HDRLEN, &m, sizeof m);
    memcpy(out + NLMSG_HDRLEN + sizeof m, &op, sizeof op);
    if (send(fd, out, sizeof out, 0) != (ssize_t)sizeof out)
        return errno;
    /* The kernel answers a listener with an event that holds its error; in a network namespace nothing answers. */
    for (int i = 0; i < 16 && poll(&wait, 1, ANSWER_MS) == 1; i++) {
        struct proc_event ev = {0};
        ssize_t n = recv(fd, in, sizeof in, MSG_DONTWAIT);
        size_t head = NLMSG_HDRLEN + sizeof(struct cn_msg);
        if (n < (ssize_t)(head + offsetof(struct proc_event, event_data) + 4))
            continue;
        memcpy(&ev, in + head, (size_t)n - head < sizeof ev ? (size_t)n - head : sizeof ev);
        return ev.what == PROC_EVENT_NONE ? (int)ev.event_data.ack.err : 0;
    }
    return ETIMEDOUT;
}

int mmr_cnproc_open(struct mmr_proc *p, struct mmr_cnproc **ret, struct mmr_error *err)
{
    int size = RECEIVE_BYTES;
    struct sockaddr_nl addr = {.nl_family = AF_NETLINK, .nl_groups = CN_IDX_PROC};
    struct mmr_cnproc *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "process connector: out of memory");
    c->p = p;
    c->fd = socket(AF_NETLINK, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, NETLINK_CONNECTOR);
    int e = c->fd < 0 || bind(c->fd, (const struct sockaddr *)&addr, sizeof addr) != 0 ? errno : 0;
    if (!e && setsockopt(c->fd, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof size) != 0)
        (void)setsockopt(c->fd, SOL_SOCKET, SO_RCVBUF, &size, sizeof size); /* capped, but more than the default */
    if (!e)
        e = subscribe(c->fd);
    if (e) {
        mmr_cnproc_close(c);
        return mmr_fail(err, MMR_EUNSUPPORTED, "process connector: %s", strerror(e));
    }
    *ret = c;
    return 0;
}

void mmr_cnproc_close(struct mmr_cnproc *c)
{
    if (c && c->fd >= 0)
        (void)close(c->fd);
    free(c);
}

int mmr_cnproc_fd(const struct mmr_cnproc *c)
{
    return c->fd;
}

static int64_t monotonic_ns(void)
{
    struct timespec t;
    (void)clock_gettime(CLOCK_MONOTONIC, &t);
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

void mmr_cnproc_read(struct mmr_cnproc *c)
{
    struct mmr_proc *p = c->p;
    int64_t offset = p->host->now_ns(p->host->impl, MMR_CLOCK_WALL) - monotonic_ns();
    for (int i = 0; i < BATCH && !p->is_stopped; i++) {
        uint8_t in[1024];
        struct proc_event ev;
        struct sockaddr_nl from = {0};
        socklen_t from_len = sizeof from;
        ssize_t n = recvfrom(c->fd, in, sizeof in, 0, (struct sockaddr *)&from, &from_len);
        size_t head = NLMSG_HDRLEN + sizeof(struct cn_msg);
        if (n < 0 && errno == ENOBUFS) { /* the kernel does not say how many */
            mmr_proc_lose(p, 1);
            continue;
        }
        if (n < 0)
            return;
        if (from.nl_pid != 0 || (size_t)n < head + offsetof(struct proc_event, event_data))
            continue; /* only the kernel speaks here */
        memset(&ev, 0, sizeof ev);
        memcpy(&ev, in + head, (size_t)n - head < sizeof ev ? (size_t)n - head : sizeof ev);
        int64_t wall = offset + (int64_t)ev.timestamp_ns;
        if (ev.what == PROC_EVENT_EXEC) {
            mmr_proc_exec_pid(p, (uint32_t)ev.event_data.exec.process_tgid, wall);
        } else if (ev.what == PROC_EVENT_EXIT && ev.event_data.exit.process_pid == ev.event_data.exit.process_tgid) {
            mmr_proc_ended(p, (uint32_t)ev.event_data.exit.process_tgid, 0, true, (int)ev.event_data.exit.exit_code, wall);
        }
    }
}
