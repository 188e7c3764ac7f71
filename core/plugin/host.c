/*
 * host.c - the plugin host process: from the assignment to running instances, and between them and the bus.
 * Nothing of a plugin runs before the privileges that were not granted are gone.
 */
#include "plugin/loop.h"
#include "plugin/host.h"

#include "bus/local.h"
#include "plugin/ahead.h"
#include "plugin/describe.h"
#include "plugin/host_paths.h"
#include "plugin/host_pending.h"
#include "plugin/load.h"
#include "plugin/order.h"
#include "plugin/program.h"
#include "plugin/sandbox.h"
#include "plugin/supervise.h"
#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"
#include "util/scope.h"

#include <event2/event.h>

#include <mamori/action.h>

#include <limits.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum {
    EXIT_ENDED = 0, EXIT_REFUSED = 2, EXIT_FAILED = 3,
    ACT_TIMEOUT_MS = 20000,  /* below the planner's 30 s, so that our answer comes before its own */
    SETTLE_MS = 50,          /* how soon a sensor hears that events nobody waits for are settled */
    PENDING_MS = 1000,
    FLUSH_MS = 2000,
};

struct assigned {
    char name[MMR_RUNTIME_NAME_MAX + 1], plugin[64];
    char *state_dir;
    uint8_t *packed;
    size_t packed_len;
    char *verbs[MMR_EVENT_ARRAY_MAX];
    size_t n_verbs;
    bool has_file, has_verbs, is_tool_named, is_program;
    int fd;
    uint32_t side, needs;
    const struct mmr_plugin *found;
    uint64_t last_sent, committed; /* numbers of events: given to the bus; what it says is committed */
    /* how far a listener's events had come when it was last looked, and what the bus had been given by then of everybody
     * here: a finding that an analyzer of this host made of an event is part of that event's commit */
    uint64_t asked, settled, barrier[MMR_RUNTIME_INSTANCES_MAX];
};

struct host {
    const struct mmr_plugin *const *builtins;
    struct event_base *base;
    struct mmr_tether *link;
    struct mmr_bus *bus;
    struct mmr_local_client *client;
    struct mmr_runtime *rt;
    struct event *bus_ev, *settle_ev, *pending_ev;
    struct mmr_pending *pending; /* actions without receipt; receipts the bus had no room for */
    struct assigned inst[MMR_RUNTIME_INSTANCES_MAX];
    size_t n, expected;
    char name[64], node[128], endpoint[MMR_LOCAL_ENDPOINT_MAX + 1];
    uint8_t secret[MMR_LOCAL_SECRET];
    struct mmr_sandbox sandbox;
    struct mmr_sandbox_report report;
    char *wants;
    bool is_assigned, is_running, is_settling;
    int status;
};

static void leave(struct host *h, int status)
{
    if (h->status < 0)
        h->status = status;
    (void)event_base_loopbreak(h->base);
}

static void refuse(struct host *h, const char *text)
{
    mmr_log(MMR_LOG_ERR, "plugin.refused", "host=%s text=\"%s\"", h->name, text);
    mmr_tether_refuse(h->link, text);
    leave(h, EXIT_REFUSED);
}

/* ---- from the instances to the bus ---- */

static int on_event(void *ctx, const struct mmr_runtime_event *ev)
{
    struct host *h = ctx;
    uint32_t lane = ev->facts->has_phase ? MMR_LANE_URGENT : ev->facts->is_finding ? MMR_LANE_FINDING : MMR_LANE_TELEMETRY;
    int r = mmr_local_send(h->client, ev->instance, MMR_LOCAL_EVENT, lane, ev->seq, ev->raw, ev->raw_len);
    if (r == 0)
        h->inst[ev->instance].last_sent = ev->seq;
    return r;
}

static int on_receipt(void *ctx, uint32_t instance, uint64_t id, int code, const void *msgpack, size_t len)
{
    struct host *h = ctx;
    mmr_pending_done(h->pending, instance, id);
    return mmr_pending_send(h->pending, h->client, instance, id, code, msgpack, len);
}

static int on_forwarded(void *ctx, uint32_t instance, uint64_t seq, int level, int64_t time_ns, const char *detail)
{
    struct host *h = ctx;
    uint8_t buf[MMR_FORWARDED_MAX];
    size_t len = mmr_forwarded_wrap(level, time_ns, detail, buf);
    return mmr_local_send(h->client, instance, MMR_LOCAL_FORWARDED, MMR_LANE_FINDING, seq, buf, len);
}

/* Does it want to hear how far its events are settled? */
static bool is_listener(const struct assigned *in)
{
    const struct mmr_sensor_ops *s = in->found ? in->found->sensor : NULL;
    return s && MMR_HAS(s, on_committed) && s->on_committed;
}

static void on_emitted(void *ctx, uint32_t instance)
{
    struct host *h = ctx;
    const struct timeval soon = {.tv_usec = SETTLE_MS * 1000};
    if (!h->is_settling && is_listener(&h->inst[instance]))
        h->is_settling = event_add(h->settle_ev, &soon) == 0;
}

static const struct mmr_runtime_ops runtime_ops = {
    .on_event = on_event, .on_emitted = on_emitted, .on_receipt = on_receipt, .on_forwarded = on_forwarded};

/* A receipt that says what went wrong, in the responder's name. */
static void answer(struct host *h, uint32_t instance, uint64_t id, int code, const char *result, const char *detail)
{
    uint8_t buf[1024];
    struct mmr_event map;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_str(&map, "result", result);
    mmr_event_str(&map, "verify.result", "none");
    mmr_event_str(&map, "detail", detail);
    if (mmr_event_end(&map) == 0)
        (void)mmr_pending_send(h->pending, h->client, instance, id, code, map.buf, map.len);
}

static void on_late(void *ctx, uint32_t instance, uint64_t id)
{
    struct host *h = ctx;
    answer(h, instance, id, MMR_EIO, "timeout", "the responder gave no receipt in time");
}

/* ---- from the bus to the instances ---- */

static void do_action(struct host *h, const struct mmr_local_record *m)
{
    char verb[MMR_ORDER_VERB_MAX + 1];
    struct mmr_action a;
    struct mmr_error err = {.struct_size = sizeof err};
    if (mmr_order_decode(m->bytes, m->len, m->number, verb, &a, &err)) {
        answer(h, m->instance, m->number, MMR_EBADMSG, "failed", err.text);
        return;
    }
    bool is_granted = m->instance < h->n && !h->inst[m->instance].has_verbs;
    for (size_t i = 0; !is_granted && m->instance < h->n && i < h->inst[m->instance].n_verbs; i++)
        is_granted = strcmp(h->inst[m->instance].verbs[i], verb) == 0;
    if (!is_granted) {
        answer(h, m->instance, m->number, MMR_EPERM, "refused", "the verb is not granted to this instance");
        return;
    }
    if (mmr_pending_add(h->pending, m->instance, a.id, mmr_clock_mono_ns() + ACT_TIMEOUT_MS * MMR_NS_PER_MS)) {
        answer(h, m->instance, m->number, MMR_EAGAIN, "failed", "too many actions wait for their receipt");
        return;
    }
    int r = mmr_runtime_act(h->rt, m->instance, &a, &err);
    if (r == 0 || r == MMR_EAGAIN)
        return; /* the receipt came or comes; if not, on_late() */
    if (mmr_pending_done(h->pending, m->instance, a.id))
        answer(h, m->instance, a.id, r, r == MMR_ENOENT || r == MMR_EUNSUPPORTED ? "unsupported"
                                        : r == MMR_EPERM ? "refused" : "failed", err.text);
}

static void do_forward(struct host *h, const struct mmr_local_record *m)
{
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_runtime_forward(h->rt, m->instance, m->bytes, m->len, m->number, &err);
    if (r)
        (void)on_forwarded(h, m->instance, m->number, r == MMR_EAGAIN ? (int)MMR_FORWARD_BUSY : (int)MMR_DELIVERY_FAILED,
                           mmr_clock_wall_ns(), err.text);
}

static void do_reconcile(struct host *h, const struct mmr_local_record *m)
{
    uint64_t ids[MMR_RECONCILE_MAX];
    const uint8_t *p = m->bytes;
    struct mmr_error err = {.struct_size = sizeof err};
    size_t n = m->len / 8;
    if (m->len % 8 || n > MMR_RECONCILE_MAX) {
        mmr_log(MMR_LOG_ERR, "host.reconcile", "host=%s text=\"%zu bytes are no list of ids\"", h->name, m->len);
        return;
    }
    for (size_t i = 0; i < n; i++) {
        ids[i] = 0;
        for (unsigned b = 0; b < 8; b++)
            ids[i] |= (uint64_t)p[8 * i + b] << (8 * b);
    }
    if (mmr_runtime_reconcile(h->rt, m->instance, ids, n, &err))
        mmr_log(MMR_LOG_ERR, "host.reconcile", "host=%s instance=%u text=\"%s\"", h->name, m->instance, err.text);
}

static void do_wants(struct host *h, const char *text, size_t len)
{
    char kind[64];
    while (len) {
        size_t n = 0;
        while (n < len && text[n] != '\n')
            n++;
        if (n > 0 && n < sizeof kind) {
            memcpy(kind, text, n);
            kind[n] = '\0';
            if (mmr_runtime_want(h->rt, kind))
                mmr_log(MMR_LOG_WARN, "host.want", "host=%s kind=%s text=\"one kind too many\"", h->name, kind);
        }
        n += n < len;
        text += n;
        len -= n;
    }
}

static void on_bus_message(void *ctx, const struct mmr_local_record *m)
{
    struct host *h = ctx;
    struct mmr_error err = {.struct_size = sizeof err};
    switch (m->kind) {
    case MMR_LOCAL_EVENT:
        if (mmr_runtime_deliver(h->rt, m->bytes, m->len, &err))
            mmr_log(MMR_LOG_WARN, "host.event", "host=%s text=\"%s\"", h->name, err.text);
        break;
    case MMR_LOCAL_ACTION: do_action(h, m); break;
    case MMR_LOCAL_FORWARD: do_forward(h, m); break;
    case MMR_HOST_RECONCILE: do_reconcile(h, m); break;
    case MMR_HOST_WANT: do_wants(h, m->bytes, m->len); break;
    default: mmr_log(MMR_LOG_WARN, "host.message", "host=%s kind=%u text=\"unknown\"", h->name, m->kind);
    }
}

static bool is_past_barrier(const struct host *h, const struct assigned *in)
{
    for (uint32_t k = 0; k < h->n; k++)
        if (h->inst[k].committed < in->barrier[k])
            return false;
    return true;
}

/*
 * Tell a sensor how far its events are settled: what went to the bus when that says so; what stayed here at once; and in
 * both cases not before everything that was made of them here is committed as well. Called outside of emit(), when
 * analyzers are done with what has been emitted.
 */
static void settle(struct host *h, uint32_t i)
{
    struct mmr_runtime_counters c;
    struct assigned *in = &h->inst[i];
    mmr_runtime_counters(h->rt, i, &c);
    for (int turn = 0; turn < 2; turn++) {
        if (in->asked == in->settled) { /* nothing is waited for: what there is now */
            if (c.emitted == in->settled)
                return;
            in->asked = c.emitted;
            for (uint32_t k = 0; k < h->n; k++)
                in->barrier[k] = h->inst[k].last_sent;
        }
        if (!is_past_barrier(h, in))
            return;
        in->settled = in->asked;
        mmr_runtime_committed(h->rt, i, in->settled);
    }
}

static bool is_settled(const struct host *h, uint32_t i)
{
    struct mmr_runtime_counters c;
    mmr_runtime_counters(h->rt, i, &c);
    return c.emitted == h->inst[i].settled;
}

static void settle_all(struct host *h)
{
    for (uint32_t i = 0; i < h->n; i++)
        if (is_listener(&h->inst[i]))
            settle(h, i);
}

static void on_committed(void *ctx, uint32_t instance, uint64_t upto)
{
    struct host *h = ctx;
    if (instance >= h->n || !h->is_running)
        return;
    if (upto > h->inst[instance].committed)
        h->inst[instance].committed = upto;
    settle_all(h);
}

static void on_settle(evutil_socket_t fd, short what, void *ctx)
{
    struct host *h = ctx;
    (void)fd;
    (void)what;
    h->is_settling = false;
    settle_all(h);
    for (uint32_t i = 0; i < h->n; i++)
        if (is_listener(&h->inst[i]) && !is_settled(h, i))
            on_emitted(h, i);
}

static void on_bus_state(void *ctx, bool is_up)
{
    const struct host *h = ctx;
    mmr_log(MMR_LOG_INFO, "host.bus", "host=%s up=%d", h->name, is_up);
}

static void on_writable(void *ctx)
{
    struct host *h = ctx;
    if (mmr_pending_flush(h->pending, h->client) == 0)
        mmr_runtime_writable(h->rt);
}

static const struct mmr_local_client_ops client_ops = {
    .message = on_bus_message, .committed = on_committed, .state = on_bus_state, .writable = on_writable};

static void on_bus(evutil_socket_t fd, short what, void *ctx)
{
    struct host *h = ctx;
    (void)fd;
    (void)what;
    (void)mmr_bus_drain(h->bus);
}

static void on_pending(evutil_socket_t fd, short what, void *ctx)
{
    struct host *h = ctx;
    struct mmr_local_lost lost;
    (void)fd;
    (void)what;
    mmr_pending_expire(h->pending, mmr_clock_mono_ns(), on_late, h);
    (void)mmr_pending_flush(h->pending, h->client);
    if (mmr_local_client_drops(h->client, &lost))
        mmr_log(MMR_LOG_WARN, "events.lost", "host=%s records=%llu", h->name, (unsigned long long)lost.records);
    (void)mmr_loop_every(h->pending_ev, PENDING_MS);
}

/* ---- the assignment ---- */

static void take_assignment(struct host *h, const struct mmr_message *m)
{
    const struct mmr_value *secret = mmr_event_get(m->map, "secret");
    (void)mmr_event_copy_str(m->map, "host", h->name, sizeof h->name);
    (void)mmr_event_copy_str(m->map, "node", h->node, sizeof h->node);
    (void)mmr_event_copy_str(m->map, "endpoint", h->endpoint, sizeof h->endpoint);
    if (!secret || secret->type != MMR_VAL_BIN || secret->len != sizeof h->secret || h->is_assigned) {
        refuse(h, "the assignment is malformed");
        return;
    }
    memcpy(h->secret, secret->p, sizeof h->secret);
    h->sandbox.uid = (uint32_t)mmr_event_get_int(m->map, "uid", 0);
    h->sandbox.gid = (uint32_t)mmr_event_get_int(m->map, "gid", 0);
    h->sandbox.group = (uint32_t)mmr_event_get_int(m->map, "group", 0);
    h->sandbox.memory_bytes = mmr_event_get_int(m->map, "memory", 0);
    h->expected = (size_t)mmr_event_get_int(m->map, "instances", 0);
    h->wants = strndup(m->tail, m->tail_len);
    h->is_assigned = h->wants != NULL;
}

static void take_instance(struct host *h, const struct mmr_message *m)
{
    if (!h->is_assigned || h->n == MMR_RUNTIME_INSTANCES_MAX) {
        refuse(h, "an instance without an assignment, or one too many");
        return;
    }
    struct assigned *in = &h->inst[h->n++];
    const struct mmr_value *verbs = mmr_event_get(m->map, "actions");
    const char *text;
    size_t len;
    (void)mmr_event_copy_str(m->map, "name", in->name, sizeof in->name);
    (void)mmr_event_copy_str(m->map, "plugin", in->plugin, sizeof in->plugin);
    if ((text = mmr_event_get_str(m->map, "state_dir", &len)) != NULL)
        in->state_dir = strndup(text, len);
    in->side = (uint32_t)mmr_event_get_int(m->map, "side", 0);
    in->needs = (uint32_t)mmr_event_get_int(m->map, "needs", 0);
    in->has_file = mmr_event_get_int(m->map, "has_file", 0);
    in->is_tool_named = mmr_event_get_int(m->map, "is_tool_named", 0);
    in->has_verbs = verbs != NULL;
    struct mmr_array_it it = {0};
    while (in->n_verbs < MMR_EVENT_ARRAY_MAX && mmr_value_next(verbs, &it, &text, &len))
        if ((in->verbs[in->n_verbs] = strndup(text, len)) != NULL)
            in->n_verbs++;
    in->fd = *m->fd;
    *m->fd = -1; /* ours now */
    in->is_program = in->fd >= 0 && mmr_program_is(in->fd);
    in->packed = malloc(m->tail_len + 1);
    if (!in->packed || (in->has_file && in->fd < 0)) {
        refuse(h, "an instance came without its file, or there is no memory");
        return;
    }
    if (m->tail_len)
        memcpy(in->packed, m->tail, m->tail_len);
    in->packed_len = m->tail_len;
}

static void log_line(void *ctx, const char *line)
{
    (void)ctx;
    mmr_log(MMR_LOG_ERR, "plugin.refused", "text=\"%s\"", line);
}

static int find_plugin(struct host *h, struct assigned *in, struct mmr_error *err)
{
    int r;
    if (in->has_file)
        r = mmr_plugin_load(in->fd, in->name, &in->found, err);
    else
        r = (in->found = mmr_plugin_builtin(h->builtins, in->plugin)) ? 0 : mmr_fail(
            err, MMR_ENOENT, "instance '%s': plugin %s is not built in and no file was given", in->name, in->plugin);
    if (r == 0)
        r = mmr_plugin_check(in->found, log_line, NULL, err);
    if (r == 0 && strcmp(in->found->id, in->plugin) != 0)
        r = mmr_fail(err, MMR_EBADMSG, "instance '%s': the file holds %s, expected %s", in->name, in->found->id,
                     in->plugin);
    if (r == 0) {
        const char *verbs[MMR_EVENT_ARRAY_MAX];
        for (size_t i = 0; i < in->n_verbs; i++)
            verbs[i] = in->verbs[i];
        r = mmr_plugin_check_grant(in->found, in->side, in->needs,
                                   (struct mmr_strv){in->has_verbs ? verbs : NULL, in->n_verbs}, log_line, NULL,
                                   &in->side, err);
    }
    return r;
}

static void join_words(struct mmr_event *map, const char *key, const char *const *list)
{
    char text[1024];
    size_t at = 0;
    text[0] = '\0';
    for (; list && *list && at < sizeof text; list++)
        at += (size_t)snprintf(text + at, sizeof text - at, "%s%s", at ? " " : "", *list);
    mmr_event_str(map, key, text);
}

static void send_info(struct host *h, size_t i)
{
    const struct assigned *in = &h->inst[i];
    uint8_t buf[8192];
    struct mmr_event map;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "index", (int64_t)i);
    mmr_event_int(&map, "side", in->side);
    bool is_counted = in->is_tool_named || !(in->found->flags & MMR_PLUGIN_EXTERNAL);
    mmr_event_int(&map, "caps", is_counted ? mmr_plugin_caps(in->found, in->side) : 0);
    mmr_event_int(&map, "roles", mmr_plugin_roles(in->found));
    mmr_event_int(&map, "needs", in->found->needs);
    mmr_event_str(&map, "version", in->found->version);
    mmr_event_str(&map, "maker", in->found->vendor ? in->found->vendor : "");
    mmr_event_str(&map, "model", in->found->name);
    join_words(&map, "actions", in->found->actions);
    join_words(&map, "subscribes", in->found->subscribes);
    join_words(&map, "events", in->found->events);
    (void)mmr_tether_send(h->link, MMR_MSG_INFO, &map, NULL, 0, -1);
}

/* What starts a program: itself, its interpreter with what that keeps in /etc, the loader. */
static int program_needs(struct host *h, struct mmr_sandbox *box, struct mmr_host_paths *reads, struct mmr_host_paths *execs, struct mmr_error *err)
{
    static const char *const loaders[] = {"/lib", "/lib64", "/usr/lib", "/usr/lib64"};
    char interpreter[PATH_MAX], own[PATH_MAX + 8];
    if (h->n != 1)
        return mmr_fail(err, MMR_EINVAL, "instance '%s' is a program, which is a host of its own; no other entry may name 'host: %s'", h->inst[0].name,
                        h->name);
    int r = mmr_program_interpreter(h->inst[0].fd, h->inst[0].name, interpreter, err);
    for (size_t i = 0; r == 0 && i < sizeof loaders / sizeof loaders[0]; i++)
        mmr_host_paths_put(execs, loaders[i]);
    if (r == 0 && interpreter[0]) {
        mmr_host_paths_put(execs, interpreter);
        (void)snprintf(own, sizeof own, "/etc%s", strrchr(interpreter, '/'));
        mmr_host_paths_put(reads, own);
    }
    box->exec_fd = MMR_PROGRAM_FD;
    return r;
}

/* Privileges first, then code: what is granted to any instance stays for loading, what is also declared for running. */
static int load_all(struct host *h, struct mmr_error *err)
{
    struct mmr_sandbox box = h->sandbox;
    box.is_host = true;
    struct mmr_host_paths reads = {.n = 0}, writes = {.n = 0}, execs = {.n = 0};
    box.needs = 0;
    int r = 0;
    for (size_t i = 0; i < h->n && r == 0; i++)
        if (h->inst[i].is_program)
            r = program_needs(h, &box, &reads, &execs, err);
    for (size_t i = 0; i < h->n; i++) {
        box.needs |= h->inst[i].needs;
        mmr_host_paths_add(&reads, h->inst[i].packed, h->inst[i].packed_len);
        if (h->inst[i].state_dir && *h->inst[i].state_dir)
            mmr_host_paths_put(&writes, h->inst[i].state_dir);
    }
    box.reads = (const char *const *)reads.v;
    box.writes = (const char *const *)writes.v;
    box.execs = (const char *const *)execs.v;
    if (r == 0)
        r = mmr_sandbox_enter(&box, NULL, err);
    box.needs = 0;
    for (size_t i = 0; i < h->n && r == 0; i++) {
        r = find_plugin(h, &h->inst[i], err);
        if (r == 0)
            box.needs |= h->inst[i].needs & h->inst[i].found->needs;
    }
    if (r == 0)
        r = mmr_sandbox_enter(&box, &h->report, err);
    mmr_host_paths_done(&reads);
    mmr_host_paths_done(&writes);
    mmr_host_paths_done(&execs);
    return r;
}

static void send_sandbox(struct host *h)
{
    uint8_t buf[512];
    struct mmr_event map;
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "landlock", h->report.landlock);
    mmr_event_str(&map, "no_landlock", h->report.no_landlock);
    mmr_event_int(&map, "user", (int64_t)geteuid());
    (void)mmr_tether_send(h->link, MMR_MSG_SANDBOX, &map, NULL, 0, -1);
}

static int connect_bus(struct host *h, struct mmr_error *err)
{
    int r = mmr_bus_new(&h->bus, err);
    if (r == 0)
        r = mmr_local_client_new(h->bus, h->endpoint, h->secret, &client_ops, h, NULL, &h->client, err);
    explicit_bzero(h->secret, sizeof h->secret);
    if (r)
        return r;
    h->bus_ev = event_new(h->base, mmr_bus_fd(h->bus), EV_READ | EV_PERSIST, on_bus, h);
    if (!h->bus_ev || event_add(h->bus_ev, NULL) != 0)
        return mmr_fail(err, MMR_EIO, "the bus cannot be watched");
    return 0;
}

static int run_all(struct host *h, struct mmr_error *err)
{
    const struct mmr_runtime_opts opts = {.base = h->base, .node = h->node, .core_version = MMR_VERSION,
                                          .ops = &runtime_ops, .ctx = h, .trace = mmr_tether_trace(h->link),
                                          .is_raw_owner = true};
    h->pending_ev = evtimer_new(h->base, on_pending, h);
    h->settle_ev = evtimer_new(h->base, on_settle, h);
    if (!h->pending_ev || !h->settle_ev || mmr_loop_every(h->pending_ev, PENDING_MS) != 0)
        return mmr_fail(err, MMR_ENOMEM, "no timer");
    int r = mmr_runtime_new(&opts, &h->rt, err);
    if (r == 0)
        do_wants(h, h->wants, strlen(h->wants));
    for (size_t i = 0; i < h->n && r == 0; i++) {
        struct assigned *in = &h->inst[i];
        struct mmr_runtime_instance conf = {.plugin = in->found, .name = in->name, .side = in->side,
                                            .state_dir = in->state_dir ? in->state_dir : "",
                                            .packed = in->packed_len ? in->packed : NULL, .packed_len = in->packed_len};
        uint32_t index;
        r = mmr_runtime_add(h->rt, &conf, &index, err);
    }
    if (r == 0)
        r = mmr_runtime_start(h->rt, err);
    return r;
}

/* This process becomes the program, whose tether, sandbox and limits are this one's. Returns only when it cannot. */
static int become_program(struct host *h, struct mmr_error *err)
{
    const struct assigned *in = &h->inst[0];
    const struct mmr_program_start start = {.host = h->name, .instance = in->name, .node = h->node, .endpoint = h->endpoint,
                                            .state_dir = in->state_dir, .secret = h->secret, .side = in->side, .needs = in->needs & in->found->needs,
                                            .wants = h->wants, .plugin = in->found, .packed = in->packed, .packed_len = in->packed_len};
    mmr_autofree uint8_t *assignment = NULL;
    size_t len = 0;
    int r = mmr_program_assignment(&start, &assignment, &len, err);
    if (r)
        return r;
    send_sandbox(h);
    send_info(h, 0);
    return mmr_program_exec(in->fd, in->name, assignment, len, err);
}

static void go(struct host *h)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (!h->is_assigned || h->n == 0 || h->n != h->expected || h->is_running) {
        refuse(h, "told to go without a whole assignment");
        return;
    }
    int r = load_all(h, &err);
    if (r == 0 && h->inst[0].is_program)
        r = become_program(h, &err);
    if (r == 0)
        r = connect_bus(h, &err);
    if (r == 0)
        r = run_all(h, &err);
    if (r) {
        refuse(h, err.text);
        return;
    }
    h->is_running = true;
    send_sandbox(h);
    for (size_t i = 0; i < h->n; i++)
        send_info(h, i);
    mmr_tether_ready(h->link);
    mmr_memory_settle(); /* compiling rules took far more than the compiled rules need */
}

/* ---- the channel ---- */

static void prepare(struct host *h, const struct mmr_message *m)
{
    struct mmr_error err = {.struct_size = sizeof err};
    uint8_t buf[512];
    struct mmr_event map;
    int64_t i = mmr_event_get_int(m->map, "index", -1);
    int r = MMR_ENOENT;
    if (h->is_running && i >= 0 && (uint64_t)i < h->n)
        r = mmr_runtime_prepare(h->rt, (uint32_t)i, m->tail_len ? m->tail : NULL, m->tail_len, &err);
    mmr_event_begin_map(&map, buf, sizeof buf);
    mmr_event_int(&map, "code", r);
    mmr_event_str(&map, "text", err.text);
    (void)mmr_tether_send(h->link, MMR_MSG_PREPARED, &map, NULL, 0, -1);
}

static void on_message(void *ctx, const struct mmr_message *m)
{
    struct host *h = ctx;
    switch (m->type) {
    case MMR_MSG_ASSIGN: take_assignment(h, m); break;
    case MMR_MSG_INSTANCE: take_instance(h, m); break;
    case MMR_MSG_GO: go(h); break;
    case MMR_MSG_PREPARE: prepare(h, m); break;
    case MMR_MSG_COMMIT:
        if (h->is_running)
            mmr_runtime_commit(h->rt);
        break;
    case MMR_MSG_ABORT:
        if (h->is_running)
            mmr_runtime_abort(h->rt);
        break;
    default: mmr_log(MMR_LOG_WARN, "host.message", "host=%s type=%u text=\"unknown\"", h->name, m->type);
    }
}

static void on_end(void *ctx)
{
    leave(ctx, EXIT_ENDED);
}

static void on_beat(void *ctx, struct mmr_beat *b)
{
    const struct host *h = ctx;
    b->n = (uint32_t)h->n;
    for (uint32_t i = 0; i < b->n; i++)
        mmr_runtime_counters(h->rt, i, &b->counters[i]);
    mmr_ahead_again();
}

static const struct mmr_tether_ops link_ops = {.message = on_message, .end = on_end, .beat = on_beat};

static void release(struct host *h)
{
    struct mmr_error err = {.struct_size = sizeof err};
    if (h->rt && h->is_running) {
        mmr_runtime_stop(h->rt);
        (void)mmr_runtime_flush(h->rt, FLUSH_MS, &err);
    }
    mmr_runtime_free(h->rt);
    struct event *events[] = {h->bus_ev, h->settle_ev, h->pending_ev};
    for (size_t i = 0; i < sizeof events / sizeof events[0]; i++)
        if (events[i])
            event_free(events[i]);
    mmr_local_client_free(h->client);
    if (h->bus)
        mmr_bus_free(h->bus);
    mmr_pending_free(h->pending);
    mmr_tether_free(h->link);
    if (h->base)
        event_base_free(h->base);
    for (size_t i = 0; i < h->n; i++) {
        for (size_t j = 0; j < h->inst[i].n_verbs; j++)
            free(h->inst[i].verbs[j]);
        free(h->inst[i].state_dir);
        free(h->inst[i].packed);
        if (h->inst[i].fd >= 0)
            (void)close(h->inst[i].fd);
    }
    free(h->wants);
    free(h);
}

int mmr_host_main(const struct mmr_plugin *const *builtins)
{
    struct mmr_error err = {.struct_size = sizeof err};
    mmr_memory_begin();
    struct host *h = calloc(1, sizeof *h);
    if (!h)
        return EXIT_FAILED;
    h->builtins = builtins;
    h->status = -1;
    (void)umask(022); /* the supervisor's own files are closed to all; what a plugin writes is the plugin's business */
    (void)signal(SIGPIPE, SIG_IGN);
    (void)signal(SIGXFSZ, SIG_IGN); /* a file over its limit is an error of write() */
    h->base = mmr_loop_new();
    h->pending = mmr_pending_new();
    int r = h->base && h->pending ? mmr_tether_new(h->base, &link_ops, h, &h->link, &err)
                                  : mmr_fail(&err, MMR_ENOMEM, "out of memory");
    if (r == 0)
        r = mmr_sandbox_die_with_parent(&err);
    if (r) {
        mmr_log(MMR_LOG_ERR, "host.start", "text=\"%s\"", err.text);
        release(h);
        return r == MMR_EPERM ? EXIT_REFUSED : EXIT_FAILED;
    }
    (void)event_base_dispatch(h->base);
    int status = h->status < 0 ? EXIT_FAILED : h->status;
    release(h);
    return status;
}
