/* serve.c - see serve.h. */
#include "engine/serve.h"

#include "util/clock.h"
#include "util/log.h"

#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>

enum { TURN_MS = 100, DONE_AT_ONCE = 512, WHY_MAX = 300 };

struct mmr_engine_host {
    const struct mmr_engine_ops *ops;
    void *ctx;
    struct mmr_engine_pipe pipe;
    int work_fd, open_error;
    bool is_open, is_ready, is_again;
    char why[WHY_MAX];
    uint64_t done[DONE_AT_ONCE];
    uint32_t n_done;
};

static void flush_done(struct mmr_engine_host *h)
{
    if (h->n_done)
        (void)mmr_engine_put(&h->pipe, MMR_ENGINE_DONE, h->done, h->n_done * sizeof h->done[0], NULL, 0);
    h->n_done = 0;
}

void mmr_engine_done(struct mmr_engine_host *h, uint64_t seq)
{
    h->done[h->n_done++] = seq;
    if (h->n_done == DONE_AT_ONCE)
        flush_done(h);
}

void mmr_engine_never(struct mmr_engine_host *h, uint64_t seq, const char *why)
{
    flush_done(h);
    (void)mmr_engine_put(&h->pipe, MMR_ENGINE_NEVER, &seq, sizeof seq, why, strlen(why) + 1);
}

void mmr_engine_ready(struct mmr_engine_host *h)
{
    if (!h->is_ready)
        (void)mmr_engine_put(&h->pipe, MMR_ENGINE_READY, NULL, 0, NULL, 0);
    h->is_ready = true;
    h->why[0] = '\0';
}

void mmr_engine_away(struct mmr_engine_host *h, const char *why)
{
    char text[WHY_MAX];
    (void)mmr_log_quote(why, strlen(why), text, sizeof text);
    if (!h->is_ready && strcmp(text, h->why) == 0)
        return;
    h->is_ready = false;
    (void)snprintf(h->why, sizeof h->why, "%s", text);
    (void)mmr_engine_put(&h->pipe, MMR_ENGINE_AWAY, text, strlen(text) + 1, NULL, 0);
}

void mmr_engine_again(struct mmr_engine_host *h)
{
    h->is_again = true;
}

static int on_frame(void *ctx, uint32_t op, const uint8_t *bytes, size_t len)
{
    struct mmr_engine_host *h = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_engine_record r;
    const char *pairs[MMR_ENGINE_PAIRS_MAX][2];
    size_t n = 0;
    int e = MMR_EBADMSG;
    if (op == MMR_ENGINE_OPEN && !h->is_open) {
        e = mmr_engine_pairs_read(bytes, len, pairs, &n, &err);
        if (!e)
            e = h->ops->open(h->ctx, h, pairs, n, &h->work_fd, &err);
        h->is_open = !e;
    } else if (op == MMR_ENGINE_RECORD && h->is_open) {
        e = mmr_engine_record_read(bytes, len, &r, &err);
        if (!e)
            h->ops->record(h->ctx, &r);
    } else {
        (void)mmr_fail(&err, e, "outlet pipe: a frame of kind %u that was not expected now", op);
    }
    if (e) {
        h->open_error = e;
        mmr_engine_away(h, err.text);
        mmr_log(MMR_LOG_ERR, "outlet.program_ends", "outlet=%s reason=\"%s\"", h->ops->name, err.text);
    }
    return e;
}

int mmr_engine_serve(const struct mmr_engine_ops *ops, void *ctx)
{
    struct mmr_engine_host h = {.ops = ops, .ctx = ctx, .work_fd = -1};
    struct mmr_error err = {.struct_size = sizeof err};
    int64_t beat_ns = 0;
    int status = 0;
    if (fcntl(MMR_ENGINE_FD, F_GETFD) < 0) {
        (void)fprintf(stderr, "%s: started by 'mamori upstream' only\n", ops->name);
        return 2;
    }
    const struct rlimit no_core = {0}; /* credentials are in memory */
    (void)prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
    (void)setrlimit(RLIMIT_CORE, &no_core);
    static const int for_the_collector[] = {SIGTERM, SIGINT, SIGHUP, SIGPIPE}; /* a whole group is told; we end when the pipe does */
    for (size_t i = 0; i < sizeof for_the_collector / sizeof for_the_collector[0]; i++)
        (void)signal(for_the_collector[i], SIG_IGN);
    mmr_engine_pipe_init(&h.pipe, MMR_ENGINE_FD);
    for (;;) {
        struct pollfd fd[2] = {{.fd = h.pipe.fd, .events = POLLIN}, {.fd = h.work_fd, .events = POLLIN}};
        flush_done(&h);
        if (mmr_engine_flush(&h.pipe) != 0)
            break; /* nobody is there any more */
        if (mmr_engine_unsent(&h.pipe))
            fd[0].events |= POLLOUT;
        if (poll(fd, h.work_fd >= 0 ? 2 : 1, h.is_again ? 0 : TURN_MS) < 0 && errno != EINTR)
            break;
        if ((fd[0].revents & (POLLIN | POLLHUP | POLLERR)) && mmr_engine_read(&h.pipe, on_frame, &h, &err) != 0) {
            status = h.open_error == MMR_ECONFIG ? 2 : h.open_error ? 3 : 0;
            break;
        }
        const int64_t now = mmr_clock_mono_ns();
        h.is_again = false;
        if (h.is_open && ops->work(ctx, now, &err) != 0) {
            mmr_engine_away(&h, err.text);
            mmr_log(MMR_LOG_ERR, "outlet.program_ends", "outlet=%s reason=\"%s\"", ops->name, err.text);
            status = 3;
            break;
        }
        if (now - beat_ns >= MMR_ENGINE_BEAT_MS * MMR_NS_PER_MS) {
            beat_ns = now;
            (void)mmr_engine_put(&h.pipe, MMR_ENGINE_BEAT, NULL, 0, NULL, 0);
        }
    }
    flush_done(&h);
    (void)mmr_engine_flush(&h.pipe);
    mmr_engine_pipe_done(&h.pipe);
    return status;
}
