/*
 * proc.c - processes and connections of this machine: program starts and ends with path, arguments, parent and user,
 * connections with their owner. Kernel programs where they load, else the process connector, else /proc again and again.
 */
#include "proc.h"

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "procfs.h"

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct mmr_proc_config, mode, MMR_CFG_STR, 0, "auto", 0, 0, "auto, bpf, cn_proc or poll: where starts are learned from"),
    MMR_CFG(struct mmr_proc_config, scope, MMR_CFG_STR, 0, "host", 0, 0, "host, cgroup or netns: whose processes are told"),
    MMR_CFG(struct mmr_proc_config, ring_bytes, MMR_CFG_BYTES, 0, "512K", 65536, 268435456, "the kernel's ring; a power of two"),
    MMR_CFG(struct mmr_proc_config, table, MMR_CFG_INT, 0, "8192", 256, 1048576, "processes remembered"),
    MMR_CFG(struct mmr_proc_config, poll, MMR_CFG_MSEC, 0, "500ms", 50, 60000, "between two looks at /proc, in mode poll"),
    MMR_CFG(struct mmr_proc_config, conn_poll, MMR_CFG_MSEC, 0, "1s", 100, 60000, "between two looks at the socket table, without kernel programs"),
    MMR_CFG(struct mmr_proc_config, connections, MMR_CFG_BOOL, 0, "true", 0, 0, "tell connections"),
    MMR_CFG(struct mmr_proc_config, exits, MMR_CFG_BOOL, 0, "true", 0, 0, "tell ends of processes"),
    {0},
};

static void destroy(void *self)
{
    struct mmr_proc *p = self;
    if (!p)
        return;
    mmr_bpf_close(p->bpf);
    mmr_cnproc_close(p->cnproc);
    mmr_poll_close(p->poll);
    mmr_conns_free(p->conns);
    mmr_dropped_free(p->dropped);
    mmr_missed_free(p->missed);
    mmr_ptable_free(p->table);
    free(p->pending);
    free(p);
}

static int pick(const char *what, const char *text, const char *const *names, struct mmr_error *err)
{
    for (int i = 0; names[i]; i++)
        if (strcmp(names[i], text) == 0)
            return i;
    return mmr_fail(err, MMR_ECONFIG, "%s '%s' is not one of %s, %s, %s%s%s", what, text, names[0], names[1], names[2],
                    names[3] ? ", " : "", names[3] ? names[3] : "");
}

static const char *const modes[] = {"auto", "bpf", "cn_proc", "poll", NULL};
static const char *const scopes[] = {"host", "cgroup", "netns", NULL};

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct mmr_proc_config *c = config;
    int scope = pick("scope", c->scope, scopes, err);
    if (scope < 0)
        return scope;
    int mode = pick("mode", c->mode, modes, err);
    if (mode < 0)
        return mode;
    struct mmr_proc *p = calloc(1, sizeof *p);
    if (!p)
        return mmr_fail(err, MMR_ENOMEM, "process sensor: out of memory");
    p->host = host;
    p->config = c;
    p->scope = (enum mmr_proc_scope)scope;
    p->users.path = "/etc/passwd";
    p->netns = mmr_procfs_netns(0);
    p->table = mmr_ptable_new((uint32_t)c->table);
    p->pending = malloc(MMR_PROC_PENDING_BYTES);
    int r = p->table && p->pending ? 0 : mmr_fail(err, MMR_ENOMEM, "process sensor: out of memory");
    if (!r)
        r = mmr_conns_new(p, &p->conns, err);
    if (!r)
        r = mmr_dropped_new(p, &p->dropped, err);
    if (!r)
        r = mmr_missed_new(p, &p->missed, err);
    if (r) {
        destroy(p);
        return r;
    }
    *ret_self = p;
    return 0;
}

static void tell_mode(struct mmr_proc *p, const char *mode, const char *note)
{
    char text[400];
    bool is_full = strcmp(mode, "bpf") == 0;
    (void)snprintf(text, sizeof text, "proc.mode mode=%s scope=%s%s%s", mode, p->config->scope, *note ? " note=" : "", note);
    p->host->log(p->host->impl, is_full ? MMR_LOG_INFO : MMR_LOG_WARN, text);
    mmr_proc_begin(p, "sensor.mode", MMR_CLASS_EVENT_LOG, 99, p->host->now_ns(p->host->impl, MMR_CLOCK_WALL), is_full ? 1 : 2);
    mmr_event_str(&p->ev, "message", text);
    mmr_event_str(&p->ev, "status_detail", mode);
    mmr_proc_send(p);
}

static int start(void *self, struct mmr_error *err)
{
    struct mmr_proc *p = self;
    struct mmr_error why = {.struct_size = sizeof why};
    int mode = pick("mode", p->config->mode, modes, err);
    char note[320] = "";
    if (mode <= 1) {
        int r = mmr_bpf_open(p, &p->bpf, &why);
        if (r && mode == 1)
            return mmr_fail(err, r, "mode bpf: %s", why.text);
        if (r)
            (void)snprintf(note, sizeof note, "\"%s\"", why.text);
    }
    if (!p->bpf && (mode == 0 || mode == 2)) {
        int r = mmr_cnproc_open(p, &p->cnproc, &why);
        if (r && mode == 2)
            return mmr_fail(err, r, "mode cn_proc: %s", why.text);
    }
    if (!p->bpf && !p->cnproc) {
        int r = mmr_poll_open(p, &p->poll, err);
        if (r)
            return r;
    }
    mmr_ptable_seed(p->table); /* after the kernel has begun to tell: nothing falls between */
    mmr_conns_refresh_listeners(p->conns);
    int64_t since = mmr_missed_tell(p->missed);
    if (p->config->connections && (!p->bpf || since != INT64_MAX))
        mmr_conns_look(p->conns, since);
    if (p->bpf)
        mmr_conns_forget(p->conns);
    else if (p->config->connections) {
        (void)p->host->set_timer(p->host->impl, p->config->conn_poll, MMR_PROC_TIMER_CONNS);
    }
    if (p->bpf) {
        tell_mode(p, "bpf", "");
        return p->host->watch_fd(p->host->impl, mmr_bpf_fd(p->bpf), MMR_FD_READ, MMR_PROC_FD_RING);
    }
    if (p->cnproc) {
        tell_mode(p, "cn_proc", *note ? note : "\"paths of short processes may be missing\"");
        return p->host->watch_fd(p->host->impl, mmr_cnproc_fd(p->cnproc), MMR_FD_READ, MMR_PROC_FD_CNPROC);
    }
    tell_mode(p, "poll", *note ? note : "\"short-lived processes may be missed\"");
    return p->host->set_timer(p->host->impl, p->config->poll, MMR_PROC_TIMER_POLL);
}

static void watch(struct mmr_proc *p, unsigned rw)
{
    if (p->bpf)
        (void)p->host->watch_fd(p->host->impl, mmr_bpf_fd(p->bpf), rw, MMR_PROC_FD_RING);
    if (p->cnproc)
        (void)p->host->watch_fd(p->host->impl, mmr_cnproc_fd(p->cnproc), rw, MMR_PROC_FD_CNPROC);
}

static void stop(void *self)
{
    struct mmr_proc *p = self;
    watch(p, 0);
    for (uint64_t t = MMR_PROC_TIMER_POLL; t <= MMR_PROC_TIMER_LOST; t++)
        (void)p->host->set_timer(p->host->impl, -1, t);
    mmr_bpf_close(p->bpf);
    p->bpf = NULL;
    mmr_cnproc_close(p->cnproc);
    p->cnproc = NULL;
    mmr_poll_close(p->poll);
    p->poll = NULL;
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct mmr_proc *p = self;
    (void)fd, (void)rw;
    if (cookie == MMR_PROC_FD_RING && p->bpf)
        mmr_bpf_read(p->bpf);
    else if (cookie == MMR_PROC_FD_CNPROC && p->cnproc)
        mmr_cnproc_read(p->cnproc);
    if (p->is_stopped)
        watch(p, 0);
}

static void on_wake(void *self)
{
    struct mmr_proc *p = self;
    if (p->is_stopped && mmr_proc_flush(p))
        watch(p, MMR_FD_READ);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct mmr_proc *p = self;
    if (cookie == MMR_PROC_TIMER_POLL && p->poll) {
        if (!p->is_stopped)
            mmr_poll_look(p->poll);
        (void)p->host->set_timer(p->host->impl, p->config->poll, MMR_PROC_TIMER_POLL);
    } else if (cookie == MMR_PROC_TIMER_CONNS) {
        mmr_conns_refresh_listeners(p->conns);
        if (!p->is_stopped)
            mmr_conns_look(p->conns, 0);
        (void)p->host->set_timer(p->host->impl, p->config->conn_poll, MMR_PROC_TIMER_CONNS);
    } else if (cookie == MMR_PROC_TIMER_LOST) {
        mmr_proc_tell_lost(p);
    }
}

static int event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct mmr_proc *p = self;
    int r = mmr_event_read(msgpack, len, &p->view, err);
    if (r == 0)
        mmr_dropped_file(p->dropped, &p->view);
    return r;
}

static void on_committed(void *self, uint64_t upto)
{
    struct mmr_proc *p = self;
    mmr_missed_committed(p->missed, upto);
}

static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop, .on_committed = on_committed};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event};
static const char *const events[] = {"process.start", "process.exit", "conn.open", "conn.close", "finding", "sensor.mode", "sensor.drops", NULL};
static const char *const subscribes[] = {"file.create", "file.change", "file.rename", NULL};

MMR_PLUGIN(proc) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.proc",
    .name = "Processes and connections",
    .version = MMR_VERSION,
    .vendor = "mamori",
    .license = "Apache-2.0; kernel programs GPL-2.0 OR BSD-3-Clause",
    .doc = "Program starts and ends, connections with their owner, shells on connections, programs that servers dropped",
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .needs = MMR_NEED_PROC | MMR_NEED_BPF,
    .events = events,
    .subscribes = subscribes,
    .config = config_keys,
    .config_size = sizeof(struct mmr_proc_config),
    .create = create,
    .destroy = destroy,
    .on_fd = on_fd,
    .on_timer = on_timer,
    .on_wake = on_wake,
    .sensor = &sensor,
    .analyzer = &analyzer,
};
