/* run.c - the life of the supervisor. */
#include "control/run_internal.h"

#include "util/clock.h"
#include "util/log.h"
#include "util/memory.h"
#include "plugin/loop.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

enum { TICK_MS = 2000, ANNOUNCE_AFTER_S = 20 };

static void say(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

static void on_state(void *ctx, struct mmr_child *c, enum mmr_child_state from, enum mmr_child_state to)
{
    struct mmr_run_state *s = ctx;
    size_t slot;
    if (c == s->core) {
        s->is_core_ready = to == MMR_CHILD_RUNNING;
        if (from == MMR_CHILD_RUNNING && !s->is_stopping)
            mmr_run_unanswered(s);
        if (s->is_core_ready)
            mmr_run_tell_all(s);
    } else if (mmr_run_host_of(s, c, &slot) && s->is_core_ready) {
        if (to == MMR_CHILD_RUNNING)
            mmr_run_tell_instances(s, slot);
        else if (from == MMR_CHILD_RUNNING)
            mmr_run_tell_down(s, slot);
    }
    if (s->is_stopping && mmr_supervisor_is_idle(s->sup))
        (void)event_base_loopbreak(s->base);
}

static void on_fact(void *ctx, const struct mmr_supervise_fact *f)
{
    struct mmr_run_state *s = ctx;
    uint8_t buf[4096];
    size_t len;
    if (mmr_fact_event(f, mmr_clock_wall_ns(), buf, sizeof buf, &len) == 0)
        mmr_run_tell_fact(s, buf, len);
}

static void on_message(void *ctx, struct mmr_child *c, const struct mmr_message *m)
{
    struct mmr_run_state *s = ctx;
    if (c == s->core && m->type == MMR_TELL_ANSWER)
        mmr_run_answered(s, m);
    if (c == s->measure && m->type == MMR_TELL_MEASURE)
        mmr_run_measure(s);
    if (c == s->core && m->type == MMR_TELL_MISBEHAVED)
        mmr_run_misbehaved(s, m);
}

static void stop(struct mmr_run_state *s)
{
    if (s->is_stopping)
        return;
    s->is_stopping = true;
    mmr_supervisor_stop(s->sup);
    if (mmr_supervisor_is_idle(s->sup))
        (void)event_base_loopbreak(s->base);
}

static void on_signal(evutil_socket_t sig, short what, void *ctx)
{
    struct mmr_run_state *s = ctx;
    (void)what;
    if (sig == SIGHUP)
        mmr_run_reload(s, 0);
    else
        stop(s);
}

static bool all_up(const struct mmr_run_state *s)
{
    struct mmr_child_status st;
    if (!s->is_core_ready)
        return false;
    for (size_t i = 0; i < s->n_hosts; i++) {
        mmr_child_status(s->host[i].child, &st);
        if (st.state != MMR_CHILD_RUNNING && st.state != MMR_CHILD_QUARANTINED)
            return false;
    }
    return true;
}

static void on_tick(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_run_state *s = ctx;
    (void)fd;
    (void)what;
    if (s->is_core_ready)
        mmr_run_ask(s, 0, "status", "{}", NULL);
    if (!s->is_announced && s->brain &&
        ((all_up(s) && (s->is_endpoint || mmr_run_is_tested(s))) || mmr_clock_mono_ns() - s->started_ns > ANNOUNCE_AFTER_S * MMR_NS_PER_S)) {
        s->is_announced = true;
        mmr_memory_settle();
        if (!s->opts->is_quiet)
            mmr_run_announce(s);
    }
    (void)mmr_loop_every(s->tick, TICK_MS);
}

/* One mamori a run_dir. */
static int lock(struct mmr_run_state *s, struct mmr_error *err)
{
    char path[4096];
    (void)snprintf(path, sizeof path, "%s/lock", mmr_config_str(s->config, "node.run_dir"));
    s->lock_fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (s->lock_fd < 0)
        return mmr_fail(err, MMR_EIO, "'%s': %s", path, strerror(errno));
    if (flock(s->lock_fd, LOCK_EX | LOCK_NB) != 0)
        return mmr_fail(err, MMR_EPERM, "mamori runs here already (it holds '%s'); see 'mamori status'", path);
    return 0;
}

int mmr_run_clock_allowed(const struct mmr_run_state *s, const struct mmr_config *c, struct mmr_error *err)
{
    if (s->opts->is_simulated && strcmp(mmr_config_str(c, "profile"), "service") == 0)
        return mmr_fail(err, MMR_ECONFIG, "--clock=sim is for tests; with 'profile: service' the clock is the machine's");
    if (s->opts->is_simulated && strcmp(mmr_config_str(c, "node.role"), "endpoint") == 0)
        return mmr_fail(err, MMR_ECONFIG, "--clock=sim is the hub's: an endpoint decides nothing by the clock");
    return 0;
}

static int start(struct mmr_run_state *s, struct mmr_error *err)
{
    static const struct mmr_supervisor_ops ops = {.state = on_state, .fact = on_fact, .message = on_message};
    struct mmr_supervise_limits limits = {
        .ready_ms = mmr_config_int(s->config, "supervise.ready_timeout"),
        .stuck_ms = mmr_config_int(s->config, "supervise.stuck_timeout"),
        .memory_bytes = mmr_config_int(s->config, "supervise.memory_max"),
        .delay_ms = mmr_config_int(s->config, "supervise.restart_delay"),
        .quarantine_after = (uint32_t)mmr_config_int(s->config, "supervise.quarantine_after")};
    char path[4096];
    int r = mmr_supervisor_new(s->base, NULL, &limits, &ops, s, &s->sup, err);
    if (!r)
        (void)snprintf(s->no_ceiling, sizeof s->no_ceiling, "%s", mmr_supervisor_use_cgroups(s->sup));
    if (!r)
        r = mmr_run_make_core(s, err);
    if (!r)
        r = mmr_run_make_hosts(s, err);
    if (!r)
        r = mmr_run_make_measure(s, err);
    if (!r)
        r = lock(s, err);
    (void)snprintf(path, sizeof path, "%s/%s", mmr_config_str(s->config, "node.run_dir"), MMR_CONTROL_SOCKET);
    if (!r)
        r = mmr_control_server_new(s->base, path, mmr_run_request, s, &s->control, err);
    if (r)
        return r;
    mmr_child_start(s->core);
    for (size_t i = 0; i < s->n_hosts; i++)
        mmr_child_start(s->host[i].child);
    if (s->measure)
        mmr_child_start(s->measure);
    return 0;
}

static int watch_signals(struct mmr_run_state *s)
{
    s->sigterm = evsignal_new(s->base, SIGTERM, on_signal, s);
    s->sigint = evsignal_new(s->base, SIGINT, on_signal, s);
    s->sighup = evsignal_new(s->base, SIGHUP, on_signal, s);
    s->tick = evtimer_new(s->base, on_tick, s);
    return s->sigterm && s->sigint && s->sighup && s->tick && event_add(s->sigterm, NULL) == 0 && event_add(s->sigint, NULL) == 0 &&
                   event_add(s->sighup, NULL) == 0 && mmr_loop_every(s->tick, TICK_MS) == 0
               ? 0
               : MMR_ENOMEM;
}

static void done(struct mmr_run_state *s)
{
    struct event *events[] = {s->sigterm, s->sigint, s->sighup, s->tick};
    mmr_run_pause_free(s);
    mmr_control_server_free(s->control);
    mmr_supervisor_free(s->sup);
    for (size_t i = 0; i < 4; i++)
        if (events[i])
            event_free(events[i]);
    for (size_t i = 0; i < s->n_facts; i++)
        free(s->fact[i].bytes);
    for (size_t i = 0; i < MMR_RUN_ASKED_MAX; i++) {
        json_object_put(s->asked[i].pending);
        free(s->asked[i].text);
    }
    json_object_put(s->brain);
    json_object_put(s->changes);
    if (s->base)
        event_base_free(s->base);
    mmr_config_free(s->config);
    mmr_config_free(s->next_config);
    if (s->lock_fd >= 0)
        (void)close(s->lock_fd);
    free(s);
}

int mmr_run(const struct mmr_run_opts *o)
{
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_run_state *s = calloc(1, sizeof *s);
    if (!s || sodium_init() < 0) {
        free(s);
        return 3;
    }
    s->opts = o;
    (void)umask(077); /* plugin hosts may pass through our folders; what is in them is for root */
    s->lock_fd = -1;
    s->started_ns = mmr_clock_mono_ns();
    int r = mmr_config_load_site(o->config_dir, o->over, say, NULL, &s->config, &err);
    if (!r)
        r = mmr_run_clock_allowed(s, s->config, &err);
    if (!r) {
        static const struct {
            const char *name;
            int level;
        } levels[] = {{"error", MMR_LOG_ERR}, {"warn", MMR_LOG_WARN}, {"info", MMR_LOG_INFO}, {"debug", MMR_LOG_DEBUG}};
        for (size_t i = 0; i < 4; i++)
            if (strcmp(mmr_config_str(s->config, "log.level"), levels[i].name) == 0)
                mmr_log_level_set(levels[i].level);
        s->base = mmr_loop_new();
        r = s->base && watch_signals(s) == 0 ? start(s, &err) : mmr_fail(&err, MMR_ENOMEM, "out of memory");
    }
    if (!r)
        (void)event_base_dispatch(s->base);
    else
        (void)fprintf(stderr, "mamori run: %s\n", err.text);
    done(s);
    return !r ? 0 : r == MMR_ECONFIG || r == MMR_ENOENT ? 2 : 3;
}
