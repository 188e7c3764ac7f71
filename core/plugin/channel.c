/* channel.c - messages over an inherited socket. The other end may be a plugin host that was taken over. */
#include "plugin/channel.h"

#include "util/scope.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <stdbool.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <unistd.h>

enum { READ_BATCH = 64, SOCKET_BUFFER = 1024 * 1024 };

struct head {
    uint32_t type, map_len;
};
struct waiting {
    struct waiting *next;
    size_t len;
    int fd;
    uint8_t bytes[];
};
struct mmr_channel {
    int fd;
    struct event *read_ev, *write_ev;
    mmr_message_fn on_message;
    mmr_channel_end_fn on_end;
    void *ctx;
    struct waiting *first, **last;
    size_t n_waiting;
    bool is_over, is_in_callback, is_freed;
    struct mmr_event_view view;
    uint8_t buf[MMR_CHANNEL_MESSAGE_MAX];
};

static void end(struct mmr_channel *ch, const char *why)
{
    if (ch->is_over)
        return;
    ch->is_over = true;
    (void)event_del(ch->read_ev);
    (void)event_del(ch->write_ev);
    ch->on_end(ch->ctx, why);
}

/* One message; false when there is none now, or no more. */
static bool receive(struct mmr_channel *ch)
{
    union {
        struct cmsghdr head; /* aligns it */
        char room[CMSG_SPACE(sizeof(int))];
    } control;
    struct iovec iov = {ch->buf, sizeof ch->buf};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1, .msg_control = &control, .msg_controllen = sizeof control};
    ssize_t n = recvmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_CMSG_CLOEXEC);
    if (n < 0 && (errno == EAGAIN || errno == EINTR))
        return false;
    if (n <= 0) {
        end(ch, NULL);
        return false;
    }
    mmr_autoclose int fd = -1;
    for (struct cmsghdr *c = CMSG_FIRSTHDR(&msg); c; c = CMSG_NXTHDR(&msg, c))
        if (c->cmsg_level == SOL_SOCKET && c->cmsg_type == SCM_RIGHTS && c->cmsg_len == CMSG_LEN(sizeof fd))
            memcpy(&fd, CMSG_DATA(c), sizeof fd);
    struct head h;
    if ((msg.msg_flags & (MSG_TRUNC | MSG_CTRUNC)) || (size_t)n < sizeof h) {
        end(ch, "a message that is too long, too short, or carries too much");
        return false;
    }
    memcpy(&h, ch->buf, sizeof h);
    if (h.map_len > (size_t)n - sizeof h) {
        end(ch, "a message whose map is longer than itself");
        return false;
    }
    ch->view.n = 0;
    if (h.map_len && mmr_event_read(ch->buf + sizeof h, h.map_len, &ch->view, NULL) != 0) {
        end(ch, "a message whose map is malformed");
        return false;
    }
    struct mmr_message m = {.type = h.type, .map = &ch->view, .tail = ch->buf + sizeof h + h.map_len,
                            .tail_len = (size_t)n - sizeof h - h.map_len, .fd = &fd};
    ch->on_message(ch->ctx, &m);
    return !ch->is_freed && !ch->is_over;
}

static void release(struct mmr_channel *ch)
{
    while (ch->first) {
        struct waiting *w = ch->first;
        ch->first = w->next;
        if (w->fd >= 0)
            (void)close(w->fd);
        free(w);
    }
    if (ch->read_ev)
        event_free(ch->read_ev);
    if (ch->write_ev)
        event_free(ch->write_ev);
    if (ch->fd >= 0)
        (void)close(ch->fd);
    free(ch);
}

static void on_read(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_channel *ch = ctx;
    (void)fd;
    (void)what;
    ch->is_in_callback = true;
    for (int i = 0; i < READ_BATCH && receive(ch); i++)
        ;
    ch->is_in_callback = false;
    if (ch->is_freed)
        release(ch);
}

/* 0 sent, MMR_EAGAIN later, MMR_EIO never. */
static int push(struct mmr_channel *ch, const void *bytes, size_t len, int fd)
{
    union {
        struct cmsghdr head;
        char room[CMSG_SPACE(sizeof(int))];
    } control = {0};
    union { /* sendmsg() does not write to it, but its type does not say so */
        const void *from;
        void *to;
    } p = {.from = bytes};
    struct iovec iov = {p.to, len};
    struct msghdr msg = {.msg_iov = &iov, .msg_iovlen = 1};
    if (fd >= 0) {
        msg.msg_control = &control;
        msg.msg_controllen = sizeof control;
        struct cmsghdr *c = CMSG_FIRSTHDR(&msg);
        c->cmsg_level = SOL_SOCKET;
        c->cmsg_type = SCM_RIGHTS;
        c->cmsg_len = CMSG_LEN(sizeof fd);
        memcpy(CMSG_DATA(c), &fd, sizeof fd);
    }
    if (sendmsg(ch->fd, &msg, MSG_DONTWAIT | MSG_NOSIGNAL) >= 0)
        return 0;
    return errno == EAGAIN || errno == ENOBUFS || errno == EINTR ? MMR_EAGAIN : MMR_EIO;
}

static void on_write(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_channel *ch = ctx;
    (void)fd;
    (void)what;
    while (ch->first) {
        struct waiting *w = ch->first;
        if (push(ch, w->bytes, w->len, w->fd) == MMR_EAGAIN)
            return;
        ch->first = w->next; /* sent, or the end is gone, which reading will tell */
        if (w->fd >= 0)
            (void)close(w->fd);
        free(w);
        ch->n_waiting--;
    }
    ch->last = &ch->first;
    (void)event_del(ch->write_ev);
}

int mmr_channel_new(struct event_base *base, int fd, mmr_message_fn on_message, mmr_channel_end_fn on_end, void *ctx,
                    struct mmr_channel **ret_ch, struct mmr_error *err)
{
    struct mmr_channel *ch = calloc(1, sizeof *ch);
    int size = SOCKET_BUFFER;
    if (!ch) {
        (void)close(fd);
        return mmr_fail(err, MMR_ENOMEM, "control channel: out of memory");
    }
    ch->fd = fd;
    ch->on_message = on_message;
    ch->on_end = on_end;
    ch->ctx = ctx;
    ch->last = &ch->first;
    (void)setsockopt(fd, SOL_SOCKET, SO_SNDBUF, &size, sizeof size); /* as far as the system allows */
    ch->read_ev = event_new(base, fd, EV_READ | EV_PERSIST, on_read, ch);
    ch->write_ev = event_new(base, fd, EV_WRITE | EV_PERSIST, on_write, ch);
    if (!ch->read_ev || !ch->write_ev || event_add(ch->read_ev, NULL) != 0) {
        release(ch);
        return mmr_fail(err, MMR_EIO, "control channel: descriptor %d cannot be watched", fd);
    }
    *ret_ch = ch;
    return 0;
}

void mmr_channel_free(struct mmr_channel *ch)
{
    if (!ch)
        return;
    if (ch->is_in_callback) {
        ch->is_freed = true;
        (void)event_del(ch->read_ev);
        (void)event_del(ch->write_ev);
        return;
    }
    release(ch);
}

int mmr_channel_send(struct mmr_channel *ch, uint32_t type, struct mmr_event *map, const void *tail,
                     size_t tail_len, int fd)
{
    int r = map ? mmr_event_end(map) : 0;
    if (r)
        return r;
    struct head h = {type, map ? (uint32_t)map->len : 0};
    size_t len = sizeof h + h.map_len + tail_len;
    if (len > MMR_CHANNEL_MESSAGE_MAX || ch->n_waiting == MMR_CHANNEL_QUEUE_MAX)
        return MMR_ETOOBIG;
    if (ch->is_over)
        return MMR_EIO;
    struct waiting *w = malloc(sizeof *w + len);
    if (!w)
        return MMR_ENOMEM;
    *w = (struct waiting){.len = len, .fd = -1};
    memcpy(w->bytes, &h, sizeof h);
    if (map)
        memcpy(w->bytes + sizeof h, map->buf, map->len);
    if (tail_len)
        memcpy(w->bytes + sizeof h + h.map_len, tail, tail_len);
    if (!ch->first) {
        r = push(ch, w->bytes, len, fd);
        if (r != MMR_EAGAIN) {
            free(w);
            return r;
        }
    }
    if (fd >= 0 && (w->fd = fcntl(fd, F_DUPFD_CLOEXEC, 5)) < 0) {
        free(w);
        return MMR_EIO;
    }
    *ch->last = w;
    ch->last = &w->next;
    ch->n_waiting++;
    return event_add(ch->write_ev, NULL) == 0 ? 0 : MMR_EIO;
}
