/* tether.c - the child's side of supervision: ready, heartbeats, the page that survives a crash. */
#include "plugin/loop.h"
#include "plugin/supervise.h"

#include <event2/event.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

enum { BEAT_MS = 1000 };

struct mmr_tether {
    struct mmr_channel *channel;
    struct event *beat_ev;
    const struct mmr_tether_ops *ops;
    void *ctx;
    struct mmr_trace *trace;
    struct mmr_trace own_trace; /* when there is no page */
    struct mmr_beat beat;
};

static void on_message(void *ctx, const struct mmr_message *m)
{
    struct mmr_tether *l = ctx;
    if (m->type == MMR_MSG_STOP)
        l->ops->end(l->ctx);
    else if (l->ops->message)
        l->ops->message(l->ctx, m);
}

static void on_end(void *ctx, const char *why)
{
    struct mmr_tether *l = ctx;
    (void)why;
    l->ops->end(l->ctx);
}

static void send_beat(struct mmr_tether *l)
{
    l->beat.tick++;
    if (l->ops->beat)
        l->ops->beat(l->ctx, &l->beat);
    size_t len = offsetof(struct mmr_beat, counters) + l->beat.n * sizeof l->beat.counters[0];
    (void)mmr_channel_send(l->channel, MMR_MSG_BEAT, NULL, &l->beat, len, -1);
}

static void on_beat(evutil_socket_t fd, short what, void *ctx)
{
    (void)fd;
    (void)what;
    struct mmr_tether *l = ctx;
    send_beat(l);
    (void)mmr_loop_every(l->beat_ev, BEAT_MS);
}

/* The page is shared with the supervisor; without it the child runs all the same. */
static struct mmr_trace *map_page(void)
{
    struct stat st;
    if (fcntl(MMR_CHANNEL_PAGE_FD, F_GETFD) < 0 || fstat(MMR_CHANNEL_PAGE_FD, &st) != 0 ||
        st.st_size < (off_t)sizeof(struct mmr_trace))
        return NULL;
    void *p = mmap(NULL, sizeof(struct mmr_trace), PROT_READ | PROT_WRITE, MAP_SHARED, MMR_CHANNEL_PAGE_FD, 0);
    (void)close(MMR_CHANNEL_PAGE_FD);
    return p == MAP_FAILED ? NULL : p;
}

int mmr_tether_new(struct event_base *base, const struct mmr_tether_ops *ops, void *ctx, struct mmr_tether **ret_tether,
                 struct mmr_error *err)
{
    int type = 0;
    socklen_t len = sizeof type;
    if (getsockopt(MMR_CHANNEL_FD, SOL_SOCKET, SO_TYPE, &type, &len) != 0 || type != SOCK_SEQPACKET)
        return mmr_fail(err, MMR_EPERM, "descriptor %d is no control channel; the supervisor starts this role (`mamori run`)",
                        MMR_CHANNEL_FD);
    struct mmr_tether *l = calloc(1, sizeof *l);
    if (!l)
        return mmr_fail(err, MMR_ENOMEM, "control link: out of memory");
    l->ops = ops;
    l->ctx = ctx;
    (void)fcntl(MMR_CHANNEL_FD, F_SETFD, FD_CLOEXEC);
    l->beat_ev = evtimer_new(base, on_beat, l);
    int r = mmr_channel_new(base, MMR_CHANNEL_FD, on_message, on_end, l, &l->channel, err);
    if (r == 0 && !l->beat_ev)
        r = mmr_fail(err, MMR_ENOMEM, "control link: no event");
    if (r) {
        mmr_tether_free(l);
        return r;
    }
    l->trace = map_page();
    if (!l->trace)
        l->trace = &l->own_trace;
    *ret_tether = l;
    return 0;
}

void mmr_tether_free(struct mmr_tether *l)
{
    if (!l)
        return;
    if (l->beat_ev)
        event_free(l->beat_ev);
    mmr_channel_free(l->channel);
    if (l->trace && l->trace != &l->own_trace)
        (void)munmap(l->trace, sizeof *l->trace);
    free(l);
}

int mmr_tether_send(struct mmr_tether *l, uint32_t type, struct mmr_event *map, const void *tail, size_t tail_len, int fd)
{
    return mmr_channel_send(l->channel, type, map, tail, tail_len, fd);
}

void mmr_tether_ready(struct mmr_tether *l)
{
    (void)mmr_channel_send(l->channel, MMR_MSG_READY, NULL, NULL, 0, -1);
    (void)mmr_loop_every(l->beat_ev, BEAT_MS);
    send_beat(l);
}

void mmr_tether_refuse(struct mmr_tether *l, const char *text)
{
    (void)mmr_channel_send(l->channel, MMR_MSG_REFUSED, NULL, text, strnlen(text, 1024), -1);
}

struct mmr_trace *mmr_tether_trace(struct mmr_tether *l)
{
    return l->trace;
}
