/* watch.c - the supervisor as a whole: memory of its children, status, facts as events. */
#include "plugin/supervise_internal.h"

#include "plugin/loop.h"
#include "util/clock.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { WATCH_MS = 1000 }; /* when the children say that they live */

/* Resident bytes as the kernel counts them: what a child says of itself is no limit to it. 0: unknown. */
static int64_t resident_bytes(pid_t pid)
{
    char path[64], text[128];
    (void)snprintf(path, sizeof path, "/proc/%d/statm", (int)pid);
    int fd = open(path, O_RDONLY | O_CLOEXEC);
    if (fd < 0)
        return 0;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    if (n <= 0)
        return 0;
    text[n] = '\0';
    char *end;
    (void)strtoll(text, &end, 10);
    return strtoll(end, NULL, 10) * sysconf(_SC_PAGESIZE);
}

static void on_watch(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_supervisor *sup = ctx;
    (void)fd;
    (void)what;
    for (struct mmr_child *c = sup->children; c; c = c->next) {
        if (!c->pid)
            continue;
        c->rss_bytes = resident_bytes(c->pid);
        if (c->rss_bytes > c->limits.memory_bytes)
            mmr_child_kill(c, MMR_CAUSE_MEMORY);
    }
    (void)mmr_loop_every(sup->watch_ev, WATCH_MS);
}

int mmr_supervisor_new(struct event_base *base, const char *exe, const struct mmr_supervise_limits *limits,
                       const struct mmr_supervisor_ops *ops, void *ctx, struct mmr_supervisor **ret_sup,
                       struct mmr_error *err)
{
    struct mmr_supervisor *sup = calloc(1, sizeof *sup);
    if (!sup)
        return mmr_fail(err, MMR_ENOMEM, "supervisor: out of memory");
    sup->base = base;
    sup->ctx = ctx;
    if (ops)
        sup->ops = *ops;
    (void)snprintf(sup->exe, sizeof sup->exe, "%s", exe ? exe : "/proc/self/exe");
    mmr_child_limits(&sup->limits, limits, NULL);
    sup->watch_ev = evtimer_new(base, on_watch, sup);
    if (!sup->watch_ev || mmr_loop_every(sup->watch_ev, WATCH_MS) != 0) {
        mmr_supervisor_free(sup);
        return mmr_fail(err, MMR_ENOMEM, "supervisor: no event");
    }
    *ret_sup = sup;
    return 0;
}

const char *mmr_supervisor_use_cgroups(struct mmr_supervisor *sup)
{
    char own[4096];
    int fd = open("/proc/self/cgroup", O_RDONLY | O_CLOEXEC);
    ssize_t n = fd >= 0 ? read(fd, own, sizeof own - 1) : 0;
    if (fd >= 0)
        (void)close(fd);
    own[n > 0 ? n : 0] = '\0';
    mmr_cgroup_open(&sup->cgroup, "/sys/fs/cgroup", own);
    return sup->cgroup.why;
}

void mmr_supervisor_free(struct mmr_supervisor *sup)
{
    if (!sup)
        return;
    while (sup->children)
        mmr_child_free(sup->children);
    mmr_cgroup_close(&sup->cgroup);
    if (sup->reload.timeout_ev)
        event_free(sup->reload.timeout_ev);
    if (sup->watch_ev)
        event_free(sup->watch_ev);
    free(sup);
}

static void stop_from(struct mmr_child *c)
{
    /* at most a few dozen children; the last started ends first */
    if (!c)
        return;
    stop_from(c->next);
    mmr_child_stop(c);
}

void mmr_supervisor_stop(struct mmr_supervisor *sup)
{
    stop_from(sup->children);
}

bool mmr_supervisor_is_idle(const struct mmr_supervisor *sup)
{
    for (const struct mmr_child *c = sup->children; c; c = c->next)
        if (c->pid)
            return false;
    return true;
}

const char *mmr_child_name(const struct mmr_child *c)
{
    return c->name;
}

void mmr_child_status(const struct mmr_child *c, struct mmr_child_status *ret)
{
    int64_t now_ms = mmr_clock_mono_ns() / MMR_NS_PER_MS;
    *ret = (struct mmr_child_status){.name = c->name, .state = c->state, .pid = c->pid, .restarts = c->restarts,
                                     .started_ns = c->pid ? c->started_ns : 0, .rss_bytes = c->rss_bytes,
                                     .ticks = c->beat.tick, .end = c->end};
    for (uint32_t i = 0; i < ENDS_MAX && i < c->n_ends; i++)
        ret->recent_ends += c->ends_ms[i] > now_ms - c->limits.window_ms;
    if (c->state == MMR_CHILD_WAITING && c->deadline_ms > now_ms)
        ret->next_start_ms = c->deadline_ms - now_ms;
}

bool mmr_host_counters(const struct mmr_child *c, size_t i, struct mmr_runtime_counters *ret)
{
    if (!c->group || i >= c->group->n)
        return false;
    *ret = i < c->beat.n ? c->beat.counters[i] : (struct mmr_runtime_counters){0};
    return true;
}

int mmr_fact_event(const struct mmr_supervise_fact *f, int64_t now_ns, void *buf, size_t cap, size_t *ret_len)
{
    struct mmr_event ev;
    bool is_bad = strcmp(f->kind, "sensor.back") != 0;
    mmr_event_begin(&ev, buf, cap, f->kind, MMR_CLASS_EVENT_LOG, 99, now_ns, is_bad ? 3 : 1);
    mmr_event_str(&ev, "unmapped.host", f->child->name);
    if (is_bad) {
        mmr_event_str(&ev, "message", f->end->text);
        mmr_event_str(&ev, "unmapped.cause", mmr_child_cause_name(f->end->cause));
        mmr_event_int(&ev, "unmapped.status", f->end->status);
        mmr_event_str(&ev, "unmapped.doing", f->end->doing);
        mmr_event_str(&ev, "unmapped.last_kind", f->end->kind);
        mmr_event_str(&ev, "unmapped.instance", f->end->instance);
    } else {
        mmr_event_str(&ev, "message", "runs again");
    }
    if (f->child->group) {
        const char *names[MMR_RUNTIME_INSTANCES_MAX];
        for (size_t i = 0; i < f->child->group->n; i++)
            names[i] = f->child->group->instances[i].name;
        mmr_event_strv(&ev, "unmapped.instances", names, f->child->group->n);
    }
    int r = mmr_event_end(&ev);
    if (r == 0)
        *ret_len = ev.len;
    return r;
}
