/*
 * wrap.c - our functions around the plugin's and around the host's: who calls what, when, from which thread, how long it
 * takes, and what comes out. One plugin a process, so one file-scope pointer finds the probe.
 */
#include "check/probe.h"

#include "event/stamp.h"

#include <stdio.h>
#include <string.h>

enum {
    SLOW_MS = 50, /* the threading contract's; processor time may be as long again on a slow machine */
#if defined(__SANITIZE_ADDRESS__) || defined(__SANITIZE_THREAD__)
    CPU_MS = 1000,
#else
    CPU_MS = 250,
#endif
};

static struct mmr_probe *pr; /* of this process */

static void check_time(const struct mmr_stopwatch *w, const char *what)
{
    int64_t cpu, slept;
    mmr_stopwatch_stop(w, &cpu, &slept);
    if (slept > SLOW_MS * INT64_C(1000000))
        mmr_probe_fault(pr, "%s() slept %lld ms, expected at most %d; wait with watch_fd() or set_timer(), or in a thread of your own",
                        what, (long long)(slept / 1000000), SLOW_MS);
    if (cpu > CPU_MS * INT64_C(1000000))
        mmr_probe_fault(pr, "%s() computed for %lld ms, expected at most %d; do it in parts, or in a thread of your own", what,
                        (long long)(cpu / 1000000), CPU_MS);
}

/* A call that must return soon. */
#define TIMED(what, call)                                                                          \
    do {                                                                                           \
        struct mmr_stopwatch w_ = {0};                                                             \
        if (pr->is_timed)                                                                          \
            mmr_stopwatch_start(&w_);                                                              \
        call;                                                                                      \
        if (pr->is_timed)                                                                          \
            check_time(&w_, what);                                                                 \
    } while (0)

/* A refusal has a code of mamori/error.h and a sentence. */
static void check_error(int r, const struct mmr_error *err, const char *what)
{
    if (r == 0 || r == MMR_EAGAIN)
        return;
    if (r > 0 || r < MMR_ENOENT)
        mmr_probe_fault(pr, "%s() returned %d, expected 0 or one of the MMR_E codes of mamori/error.h", what, r);
    else if (!err->text[0])
        mmr_probe_fault(pr, "%s() returned %d without a text; use mmr_fail() with a sentence an operator can act on", what, r);
    else if (strnlen(err->text, sizeof err->text) == sizeof err->text)
        mmr_probe_fault(pr, "%s() left an error text without its NUL", what);
}

/* ---- the host, as the plugin sees it ---- */

static bool may_call(const char *what)
{
    if (!pthread_equal(pthread_self(), pr->loop)) {
        mmr_probe_fault(pr, "%s() called from a thread of the plugin's own; only log(), wake() and now_ns() may be, so bring the "
                            "result home with wake() and on_wake()", what);
        return false;
    }
    if (!pr->is_alive) {
        mmr_probe_fault(pr, "%s() called after destroy()", what);
        return false;
    }
    return true;
}

static int w_emit(void *impl, const void *msgpack, size_t len)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_event_facts facts;
    if (!may_call("emit"))
        return MMR_EINVAL;
    if (pr->is_stopped) {
        mmr_probe_fault(pr, "emit() called after stop(): cancel timers, descriptors and threads in stop()");
        return MMR_EINVAL;
    }
    if (pr->is_bus_full)
        return MMR_EAGAIN;
    if (mmr_event_check(msgpack, len, pr->p->events, &facts, &err) != 0) {
        mmr_probe_fault(pr, "emit(): %s", err.text);
        return MMR_EBADMSG;
    }
    pr->emitted++;
    return pr->real_host->emit(impl, msgpack, len);
}

static int w_action_done(void *impl, uint64_t id, int code, const void *msgpack, size_t len)
{
    static struct mmr_event_view view; /* [loop], as said by may_call() */
    struct mmr_error err = {.struct_size = sizeof err};
    static const char *const results[] = {"applied", "already", "partial", "failed", "refused", "timeout", "unsupported", NULL};
    char text[32] = "";
    if (!may_call("action_done"))
        return MMR_EINVAL;
    pr->receipts++;
    if (len == 0) {
        mmr_probe_fault(pr, "action_done(): an empty receipt; say `result` at least (mamori/action.h)");
        return MMR_EBADMSG;
    }
    if (mmr_event_read(msgpack, len, &view, &err) != 0) {
        mmr_probe_fault(pr, "action_done(): the receipt is no flat map: %s", err.text);
        return MMR_EBADMSG;
    }
    (void)mmr_event_copy_str(&view, "result", text, sizeof text);
    bool is_known = mmr_event_get(&view, "process.pid") || mmr_event_get(&view, "process.name"); /* a query's answer */
    for (size_t i = 0; results[i]; i++)
        is_known = is_known || strcmp(text, results[i]) == 0;
    if (!is_known)
        mmr_probe_fault(pr, "action_done(): result '%s' is none of applied, already, partial, failed, refused, timeout, unsupported", text);
    return pr->real_host->action_done(impl, id, code, msgpack, len);
}

static int w_forward_done(void *impl, uint64_t seq, int level, int64_t time_ns, const char *detail)
{
    if (!may_call("forward_done"))
        return MMR_EINVAL;
    if (level < MMR_DELIVERY_FAILED || level > MMR_DELIVERY_CONFIRMED)
        mmr_probe_fault(pr, "forward_done() with level %d, expected %d to %d (enum mmr_delivery)", level, MMR_DELIVERY_FAILED,
                        MMR_DELIVERY_CONFIRMED);
    pr->forwarded++;
    return pr->real_host->forward_done(impl, seq, level, time_ns, detail);
}

static int w_watch_fd(void *impl, int fd, unsigned rw, uint64_t cookie)
{
    size_t i = 0;
    if (!may_call("watch_fd"))
        return MMR_EINVAL;
    if (rw && !pr->p->on_fd)
        mmr_probe_fault(pr, "watch_fd() is called, but on_fd is NULL");
    while (i < pr->n_fds && pr->fds[i].fd != fd)
        i++;
    if (!rw && i < pr->n_fds)
        pr->fds[i] = pr->fds[--pr->n_fds];
    else if (rw && i < PROBE_FDS_MAX) {
        pr->fds[i].fd = fd;
        pr->fds[i].rw = rw;
        pr->fds[i].cookie = cookie;
        if (i == pr->n_fds)
            pr->n_fds++;
    }
    return pr->real_host->watch_fd(impl, fd, rw, cookie);
}

static int w_set_timer(void *impl, int64_t msec, uint64_t cookie)
{
    if (!may_call("set_timer"))
        return MMR_EINVAL;
    if (msec >= 0 && !pr->p->on_timer)
        mmr_probe_fault(pr, "set_timer() is called, but on_timer is NULL");
    return pr->real_host->set_timer(impl, msec, cookie);
}

static void w_log(void *impl, int level, const char *text)
{
    (void)impl;
    if (level != MMR_LOG_ERR && level != MMR_LOG_WARN && level != MMR_LOG_INFO && level != MMR_LOG_DEBUG)
        mmr_probe_fault(pr, "log() with level %d, which is none of enum mmr_log_level", level);
    if (!text)
        mmr_probe_fault(pr, "log() without a text");
    __atomic_add_fetch(&pr->logged, 1, __ATOMIC_RELAXED);
}

static void w_wake(void *impl)
{
    if (!__atomic_load_n(&pr->is_alive, __ATOMIC_ACQUIRE)) {
        mmr_probe_fault(pr, "wake() called after destroy(): end your threads in destroy()");
        return;
    }
    if (!pr->p->on_wake)
        mmr_probe_fault(pr, "wake() is called, but on_wake is NULL");
    pr->real_host->wake(impl);
}

static const void *w_extension(void *impl, const char *id)
{
    return may_call("extension") ? pr->real_host->extension(impl, id) : NULL;
}

/* ---- the plugin, as the runtime sees it ---- */

static int w_create(const struct mmr_host *host, const void *config, void **ret, struct mmr_error *err)
{
    void *const untouched = &pr->wrapped;
    void *self = untouched;
    pr->real_host = host;
    pr->host = *host;
    pr->host.log = w_log;
    pr->host.emit = w_emit;
    pr->host.action_done = w_action_done;
    pr->host.watch_fd = w_watch_fd;
    pr->host.set_timer = w_set_timer;
    pr->host.wake = w_wake;
    pr->host.extension = w_extension;
    pr->host.forward_done = w_forward_done;
    pr->n_fds = 0;
    pr->is_stopped = false;
    __atomic_store_n(&pr->is_alive, true, __ATOMIC_RELEASE);
    int r = pr->p->create(&pr->host, config, &self, err);
    check_error(r, err, "create");
    if (r == MMR_EAGAIN)
        mmr_probe_fault(pr, "create() returned MMR_EAGAIN, which nobody repeats");
    if (r == 0 && (self == untouched || !self))
        mmr_probe_fault(pr, "create() returned 0 without an instance in *ret_self: it would never be called");
    if (r != 0 || self == untouched || !self) {
        pr->is_alive = false;
        *ret = NULL;
        return r ? r : MMR_EINTERNAL;
    }
    pr->self = self;
    *ret = self;
    return 0;
}

static void w_destroy(void *self)
{
    pr->p->destroy(self);
    __atomic_store_n(&pr->is_alive, false, __ATOMIC_RELEASE);
    pr->self = NULL;
    pr->n_fds = 0;
}

static int w_start(void *self, struct mmr_error *err)
{
    pr->is_stopped = false;
    int r = pr->p->sensor->start(self, err);
    check_error(r, err, "start");
    return r;
}
static void w_stop(void *self)
{
    pr->p->sensor->stop(self);
    pr->is_stopped = true;
}
static void w_on_committed(void *self, uint64_t upto)
{
    TIMED("on_committed", pr->p->sensor->on_committed(self, upto));
}
static int w_event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    int r = 0;
    TIMED("event", r = pr->p->analyzer->event(self, msgpack, len, err));
    check_error(r, err, "event");
    return r;
}
static int w_finish(void *self, struct mmr_error *err)
{
    int r = pr->p->analyzer->finish(self, err);
    check_error(r, err, "finish");
    return r;
}
static int w_act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    uint64_t before = pr->receipts;
    int r = 0;
    TIMED("act", r = pr->p->responder->act(self, a, err));
    check_error(r, err, "act");
    if (r != 0 && r != MMR_EAGAIN && pr->receipts != before)
        mmr_probe_fault(pr, "act() of %s returned %d and gave a receipt too; one of both", a->verb, r);
    return r;
}
static int w_reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    int r = pr->p->responder->reconcile(self, live, n, err);
    check_error(r, err, "reconcile");
    return r;
}
static int w_forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    int r = 0;
    TIMED("forward", r = pr->p->forwarder->forward(self, data, len, seq, err));
    check_error(r, err, "forward");
    return r;
}
static int w_flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    int r = pr->p->forwarder->flush(self, deadline_ms, err);
    check_error(r, err, "flush");
    return r;
}
static int w_prepare(void *self, const void *config, struct mmr_error *err)
{
    int r = pr->p->reload_prepare(self, config, err);
    check_error(r, err, "reload_prepare");
    return r;
}
static void w_on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    TIMED("on_fd", pr->p->on_fd(self, fd, rw, cookie));
}
static void w_on_timer(void *self, uint64_t cookie)
{
    TIMED("on_timer", pr->p->on_timer(self, cookie));
}
static void w_on_wake(void *self)
{
    TIMED("on_wake", pr->p->on_wake(self));
}

/* A role's table may be shorter than ours: only what it holds is copied. */
static void copy_table(void *to, size_t cap, const void *from, uint32_t size)
{
    memset(to, 0, cap);
    memcpy(to, from, size < cap ? size : cap);
}

void mmr_probe_wrap(struct mmr_probe *probe)
{
    const struct mmr_plugin *p = probe->p;
    struct mmr_plugin *w = &probe->wrapped;
    pr = probe;
    probe->loop = pthread_self();
    copy_table(w, sizeof *w, p, p->struct_size);
    w->struct_size = sizeof *w;
    w->create = w_create;
    w->destroy = w_destroy;
    w->reload_prepare = p->reload_prepare ? w_prepare : NULL;
    w->on_fd = p->on_fd ? w_on_fd : NULL;
    w->on_timer = p->on_timer ? w_on_timer : NULL;
    w->on_wake = p->on_wake ? w_on_wake : NULL;
    if (p->sensor) {
        copy_table(&probe->sensor, sizeof probe->sensor, p->sensor, p->sensor->struct_size);
        probe->sensor.start = w_start;
        probe->sensor.stop = w_stop;
        probe->sensor.on_committed = probe->sensor.on_committed ? w_on_committed : NULL;
        probe->sensor.struct_size = sizeof probe->sensor;
        w->sensor = &probe->sensor;
    }
    if (p->analyzer) {
        copy_table(&probe->analyzer, sizeof probe->analyzer, p->analyzer, p->analyzer->struct_size);
        probe->analyzer.event = probe->analyzer.event ? w_event : NULL;
        probe->analyzer.finish = probe->analyzer.finish ? w_finish : NULL;
        probe->analyzer.struct_size = sizeof probe->analyzer;
        w->analyzer = &probe->analyzer;
    }
    if (p->responder) {
        copy_table(&probe->responder, sizeof probe->responder, p->responder, p->responder->struct_size);
        probe->responder.act = w_act;
        probe->responder.reconcile = w_reconcile;
        w->responder = &probe->responder;
    }
    if (p->forwarder) {
        copy_table(&probe->forwarder, sizeof probe->forwarder, p->forwarder, p->forwarder->struct_size);
        probe->forwarder.forward = w_forward;
        probe->forwarder.flush = w_flush;
        w->forwarder = &probe->forwarder;
    }
}
