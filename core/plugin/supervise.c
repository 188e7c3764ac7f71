/* supervise.c - the life of a child process: spawn, ready, heartbeats, end, delay, again. */
#include "plugin/supervise_internal.h"

#include "util/clock.h"
#include "util/id.h"
#include "util/log.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <spawn.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/pidfd.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

static const char *const state_names[] = {"stopped", "starting", "running", "stopping", "waiting", "quarantined"};
static const char *const cause_names[] = {"none", "exit", "signal", "refused", "not_ready", "stuck", "memory",
                                          "nonsense", "stopped", "spawn"};
static const char *const doing_names[] = {"", "create", "start", "event", "item", "timer", "fd", "wake", "act",
                                          "forward", "reload", "replay", "stop", "destroy"};

const char *mmr_child_state_name(enum mmr_child_state s)
{
    return (size_t)s < sizeof state_names / sizeof state_names[0] ? state_names[s] : "";
}

const char *mmr_child_cause_name(enum mmr_child_cause c)
{
    return (size_t)c < sizeof cause_names / sizeof cause_names[0] ? cause_names[c] : "";
}

static int64_t now_ms(void)
{
    return mmr_clock_mono_ns() / MMR_NS_PER_MS;
}

static void set_deadline(struct mmr_child *c, int64_t in_ms)
{
    const struct timeval tv = {.tv_sec = (time_t)(in_ms / 1000), .tv_usec = (suseconds_t)(in_ms % 1000) * 1000};
    c->deadline_ms = now_ms() + in_ms;
    (void)evtimer_add(c->deadline_ev, &tv);
}

static void set_state(struct mmr_child *c, enum mmr_child_state to)
{
    enum mmr_child_state from = c->state;
    if (from == to)
        return;
    c->state = to;
    mmr_log(to == MMR_CHILD_QUARANTINED ? MMR_LOG_ERR : MMR_LOG_INFO, "child.state", "name=%s from=%s to=%s", c->name,
            state_names[from], state_names[to]);
    if (c->sup->ops.state)
        c->sup->ops.state(c->sup->ctx, c, from, to);
}

static void say(struct mmr_child *c, const char *kind)
{
    const struct mmr_supervise_fact f = {.kind = kind, .child = c, .end = &c->end};
    if (c->sup->ops.fact)
        c->sup->ops.fact(c->sup->ctx, &f);
}

void mmr_child_limits(struct mmr_supervise_limits *l, const struct mmr_supervise_limits *given,
                      const struct mmr_supervise_limits *dflt)
{
    const struct mmr_supervise_limits own = {20000, 15000, 5000, INT64_C(512) << 20, 200, 60000, 600000, 5};
    const struct mmr_supervise_limits none = {0};
    const struct mmr_supervise_limits *g = given ? given : &none, *d = dflt ? dflt : &own;
#define PICK(f) l->f = g->f ? g->f : d->f ? d->f : own.f
    PICK(ready_ms);
    PICK(stuck_ms);
    PICK(stop_ms);
    PICK(memory_bytes);
    PICK(delay_ms);
    PICK(delay_max_ms);
    PICK(window_ms);
    PICK(quarantine_after);
#undef PICK
    if (l->quarantine_after > ENDS_MAX)
        l->quarantine_after = ENDS_MAX;
}

/* ---- the end of a process ---- */

static bool is_plain(char ch)
{
    return (ch >= 'a' && ch <= 'z') || (ch >= '0' && ch <= '9') || ch == '.' || ch == '_' || ch == '-';
}

/* The page was writable by the child: take only what can be a kind, an index and an activity. */
static void read_page(struct mmr_child *c)
{
    struct mmr_trace t;
    if (!c->page)
        return;
    memcpy(&t, c->page, sizeof t);
    size_t n = 0;
    while (n + 1 < sizeof c->end.kind && n < sizeof t.kind && is_plain(t.kind[n]))
        n++;
    memcpy(c->end.kind, t.kind, n);
    c->end.kind[n] = '\0';
    c->end.doing = t.doing < sizeof doing_names / sizeof doing_names[0] ? doing_names[t.doing] : "";
    if (c->group && t.instance > 0 && t.instance <= c->group->n)
        memcpy(c->end.instance, c->group->instances[t.instance - 1].name, sizeof c->end.instance);
}

static void describe_end(struct mmr_child *c, int status)
{
    char what[280];
    bool is_signal = WIFSIGNALED(status);
    c->end = (struct mmr_child_end){.at_ns = mmr_clock_wall_ns(), .doing = "", .cause = c->cause,
                                    .status = is_signal ? WTERMSIG(status) : WEXITSTATUS(status)};
    read_page(c);
    bool was_full = c->group && mmr_cgroup_end(&c->sup->cgroup, c->name);
    if (c->end.cause == MMR_CAUSE_NONE && was_full && is_signal && c->end.status == SIGKILL)
        c->end.cause = MMR_CAUSE_MEMORY;
    if (c->end.cause == MMR_CAUSE_NONE)
        c->end.cause = c->refusal[0] ? MMR_CAUSE_REFUSED : is_signal ? MMR_CAUSE_SIGNAL : MMR_CAUSE_EXIT;
    switch (c->end.cause) {
    case MMR_CAUSE_REFUSED: (void)snprintf(what, sizeof what, "refused: %s", c->refusal); break;
    case MMR_CAUSE_NOT_READY:
        (void)snprintf(what, sizeof what, "was not ready within %lld ms", (long long)c->limits.ready_ms);
        break;
    case MMR_CAUSE_STUCK:
        (void)snprintf(what, sizeof what, "gave no sign of life for %lld ms", (long long)c->limits.stuck_ms);
        break;
    case MMR_CAUSE_MEMORY:
        if (was_full)
            (void)snprintf(what, sizeof what, "was ended by the kernel, allowed are %lld MiB", (long long)(c->limits.memory_bytes >> 20));
        else
            (void)snprintf(what, sizeof what, "used %lld MiB, allowed are %lld MiB", (long long)(c->rss_bytes >> 20),
                           (long long)(c->limits.memory_bytes >> 20));
        break;
    case MMR_CAUSE_NONSENSE:
        (void)snprintf(what, sizeof what, "sent nonsense%s%.200s", c->refusal[0] ? ": " : " on its control channel", c->refusal);
        break;
    case MMR_CAUSE_STOPPED: (void)snprintf(what, sizeof what, "stopped"); break;
    default:
        if (is_signal)
            (void)snprintf(what, sizeof what, "ended by signal %d (%s)", c->end.status, sigdescr_np(c->end.status));
        else
            (void)snprintf(what, sizeof what, "ended with status %d", c->end.status);
    }
    (void)snprintf(c->end.text, sizeof c->end.text, "%.24s %.100s%s%.32s%s%.12s%s%.40s", c->name, what,
                   c->end.instance[0] ? ", serving " : "", c->end.instance, c->end.doing[0] ? " in " : "", c->end.doing,
                   c->end.kind[0] ? ", last event " : "", c->end.kind);
}

static void release_process(struct mmr_child *c)
{
    mmr_channel_free(c->channel);
    c->channel = NULL;
    if (c->exit_ev)
        event_free(c->exit_ev);
    c->exit_ev = NULL;
    if (c->pidfd >= 0)
        (void)close(c->pidfd);
    c->pidfd = -1;
    if (c->page)
        (void)munmap(c->page, sizeof *c->page);
    c->page = NULL;
    if (c->page_fd >= 0)
        (void)close(c->page_fd);
    c->page_fd = -1;
    c->pid = 0;
    c->rss_bytes = 0;
}

static uint32_t recent_ends(const struct mmr_child *c)
{
    uint32_t n = 0;
    int64_t from = now_ms() - c->limits.window_ms;
    for (uint32_t i = 0; i < ENDS_MAX; i++)
        n += i < c->n_ends && c->ends_ms[i] > from;
    return n;
}

/* Doubled at each recent end, a quarter of it random so that many do not come back at one instant. */
static int64_t restart_delay_ms(struct mmr_child *c, uint32_t recent)
{
    int64_t delay = c->limits.delay_ms;
    for (uint32_t i = 1; i < recent && delay < c->limits.delay_max_ms; i++)
        delay *= 2;
    if (delay > c->limits.delay_max_ms)
        delay = c->limits.delay_max_ms;
    int64_t seed[2] = {mmr_clock_mono_ns(), c->pid};
    c->sup->jitter = mmr_hash64(seed, sizeof seed, c->sup->jitter);
    return delay + (int64_t)(c->sup->jitter % (uint64_t)(delay / 4 + 1));
}

static void spawn(struct mmr_child *c);

static void after_end(struct mmr_child *c)
{
    enum mmr_child_state was = c->state;
    bool is_ours = c->cause == MMR_CAUSE_STOPPED;
    mmr_log(is_ours ? MMR_LOG_INFO : MMR_LOG_WARN, "child.end", "name=%s cause=%s status=%d text=\"%s\"", c->name,
            cause_names[c->end.cause], c->end.status, c->end.text);
    mmr_reload_child_ended(c);
    (void)event_del(c->deadline_ev);
    if (!c->is_wanted) {
        set_state(c, MMR_CHILD_STOPPED);
        return;
    }
    c->restarts++;
    if (c->is_restarting) {
        c->is_restarting = false;
        spawn(c);
        return;
    }
    c->ends_ms[c->n_ends % ENDS_MAX] = now_ms();
    c->n_ends++;
    if (c->n_ends > 2 * ENDS_MAX)
        c->n_ends -= ENDS_MAX; /* stays above ENDS_MAX, so every slot counts */
    uint32_t recent = recent_ends(c);
    if (c->end.cause == MMR_CAUSE_REFUSED && was == MMR_CHILD_STARTING)
        say(c, "plugin.refused");
    if (was != MMR_CHILD_STARTING && c->is_sensor && !c->is_lost) {
        c->is_lost = true;
        say(c, "sensor.lost");
    }
    if (recent >= c->limits.quarantine_after) {
        set_state(c, MMR_CHILD_QUARANTINED);
        if (c->is_sensor && !c->is_lost) { /* it never came up: it is missing all the same */
            c->is_lost = true;
            say(c, "sensor.lost");
        }
        return;
    }
    set_state(c, MMR_CHILD_WAITING);
    set_deadline(c, restart_delay_ms(c, recent));
}

static void on_exit_ev(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_child *c = ctx;
    int status = 0;
    (void)fd;
    (void)what;
    siginfo_t dead = {.si_pid = 0};
    if (waitid(P_PID, (id_t)c->pid, &dead, WEXITED | WNOHANG | WNOWAIT) == 0 && dead.si_pid == c->pid)
        (void)kill(-c->pid, SIGKILL); /* what it started and left; its number is not given away before it is waited for */
    pid_t got = waitpid(c->pid, &status, WNOHANG);
    if (got == 0 || (got < 0 && errno == EINTR))
        return;
    describe_end(c, got < 0 ? 0 : status);
    release_process(c);
    after_end(c);
}

void mmr_child_kill(struct mmr_child *c, enum mmr_child_cause cause)
{
    if (!c->pid)
        return;
    if (c->cause == MMR_CAUSE_NONE)
        c->cause = cause;
    (void)kill(c->pid, SIGKILL); /* the pid is ours until waitpid(), which follows on the pidfd */
}

void mmr_child_nonsense(struct mmr_child *c, const char *text)
{
    if (!mmr_group_is_program(c) || !c->pid)
        return;
    (void)snprintf(c->refusal, sizeof c->refusal, "%s", text);
    mmr_child_kill(c, MMR_CAUSE_NONSENSE);
}

/* ---- messages and deadlines ---- */

static void on_ready(struct mmr_child *c)
{
    if (c->state != MMR_CHILD_STARTING)
        return;
    set_state(c, MMR_CHILD_RUNNING);
    set_deadline(c, c->limits.stuck_ms);
    if (c->is_lost) {
        c->is_lost = false;
        say(c, "sensor.back");
    }
}

static void on_beat(struct mmr_child *c, const struct mmr_message *m)
{
    size_t head = offsetof(struct mmr_beat, counters);
    struct mmr_beat b = {0};
    bool is_good = m->tail_len >= head && m->tail_len <= sizeof b;
    if (is_good) {
        memcpy(&b, m->tail, m->tail_len);
        is_good = b.n <= MMR_RUNTIME_INSTANCES_MAX && m->tail_len == head + b.n * sizeof b.counters[0];
    }
    if (!is_good) {
        mmr_child_nonsense(c, "a heartbeat of the wrong length on its tether");
        return;
    }
    c->beat = b;
    if (c->state == MMR_CHILD_RUNNING)
        set_deadline(c, c->limits.stuck_ms);
}

static void on_message(void *ctx, const struct mmr_message *m)
{
    struct mmr_child *c = ctx;
    switch (m->type) {
    case MMR_MSG_READY: on_ready(c); break;
    case MMR_MSG_BEAT: on_beat(c, m); break;
    case MMR_MSG_INFO: mmr_group_info(c, m); break;
    case MMR_MSG_SANDBOX: mmr_group_sandbox(c, m); break;
    case MMR_MSG_PREPARED: mmr_reload_answer(c, m); break;
    case MMR_MSG_REFUSED:
        (void)mmr_log_quote(m->tail, m->tail_len < 200 ? m->tail_len : 200, c->refusal, sizeof c->refusal);
        break;
    default:
        if (mmr_group_is_program(c))
            mmr_child_nonsense(c, "a message on its tether of a type programs do not send");
        else if (m->type >= MMR_MSG_OWN && c->sup->ops.message)
            c->sup->ops.message(c->sup->ctx, c, m);
    }
}

/* Its process will follow, and that is when we act; but a process that closed its channel and lives is stuck. */
static void on_channel_end(void *ctx, const char *why)
{
    struct mmr_child *c = ctx;
    if (why && mmr_group_is_program(c))
        mmr_child_nonsense(c, why);
    else if (why)
        mmr_child_kill(c, MMR_CAUSE_NONSENSE);
    else if (c->state == MMR_CHILD_RUNNING || c->state == MMR_CHILD_STARTING)
        set_deadline(c, 1000);
}

static void on_deadline(evutil_socket_t fd, short what, void *ctx)
{
    struct mmr_child *c = ctx;
    (void)fd;
    (void)what;
    switch (c->state) {
    case MMR_CHILD_STARTING: mmr_child_kill(c, MMR_CAUSE_NOT_READY); break;
    case MMR_CHILD_RUNNING: mmr_child_kill(c, MMR_CAUSE_STUCK); break;
    case MMR_CHILD_STOPPING: mmr_child_kill(c, MMR_CAUSE_STOPPED); break;
    case MMR_CHILD_WAITING: spawn(c); break;
    default: break;
    }
}

/* ---- the start of a process ---- */

static int make_page(struct mmr_child *c)
{
    c->page_fd = memfd_create("mamori-trace", MFD_CLOEXEC | MFD_ALLOW_SEALING);
    if (c->page_fd < 0 || ftruncate(c->page_fd, sizeof *c->page) != 0 ||
        fcntl(c->page_fd, F_ADD_SEALS, F_SEAL_SHRINK | F_SEAL_GROW | F_SEAL_SEAL) != 0)
        return -1; /* sealed: a child that shrank it would make us fault when reading */
    void *p = mmap(NULL, sizeof *c->page, PROT_READ, MAP_SHARED, c->page_fd, 0);
    if (p == MAP_FAILED)
        return -1;
    c->page = p;
    return 0;
}

static int run(struct mmr_child *c, int control_fd)
{
    posix_spawn_file_actions_t files;
    posix_spawnattr_t attr;
    sigset_t none, all;
    /* nothing is inherited but where tools and times are found */
    char *env[8];
    size_t n = 0;
    static const char *const kept[] = {"PATH", "TZ", "LANG", "ASAN_OPTIONS", "UBSAN_OPTIONS"};
    int r = MMR_ENOMEM;

    for (size_t i = 0; i < sizeof kept / sizeof kept[0]; i++) {
        const char *v = getenv(kept[i]);
        if (v && asprintf(&env[n], "%s=%s", kept[i], v) >= 0)
            n++;
    }
    env[n] = NULL;
    if (posix_spawn_file_actions_init(&files) != 0)
        goto free_env;
    if (posix_spawnattr_init(&attr) != 0)
        goto free_files;
    (void)sigemptyset(&none);
    (void)sigfillset(&all);
    /* above the range first: the descriptors may themselves be 3 or 4 */
    int high[2] = {fcntl(control_fd, F_DUPFD_CLOEXEC, 16), fcntl(c->page_fd, F_DUPFD_CLOEXEC, 16)};
    if (high[0] >= 0 && high[1] >= 0 &&
        posix_spawn_file_actions_addopen(&files, 0, "/dev/null", O_RDONLY, 0) == 0 &&
        posix_spawn_file_actions_adddup2(&files, high[0], MMR_CHANNEL_FD) == 0 &&
        posix_spawn_file_actions_adddup2(&files, high[1], MMR_CHANNEL_PAGE_FD) == 0 &&
        posix_spawn_file_actions_addclosefrom_np(&files, 5) == 0 && posix_spawnattr_setsigmask(&attr, &none) == 0 &&
        posix_spawnattr_setsigdefault(&attr, &all) == 0 && posix_spawnattr_setpgroup(&attr, 0) == 0 &&
        posix_spawnattr_setflags(&attr, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP) == 0) {
        int e = posix_spawn(&c->pid, c->sup->exe, &files, &attr, c->argv, env);
        r = e ? MMR_EIO : 0;
        errno = e;
    }
    for (int i = 0; i < 2; i++)
        if (high[i] >= 0)
            (void)close(high[i]);
    (void)posix_spawnattr_destroy(&attr);
free_files:
    (void)posix_spawn_file_actions_destroy(&files);
free_env:
    while (n > 0)
        free(env[--n]);
    return r;
}

static int try_spawn(struct mmr_child *c, struct mmr_error *err)
{
    int pair[2];
    if (socketpair(AF_UNIX, SOCK_SEQPACKET | SOCK_CLOEXEC, 0, pair) != 0)
        return mmr_fail(err, MMR_EIO, "child '%s': socketpair: %s", c->name, strerror(errno));
    mmr_autoclose int theirs = pair[1];
    int r = mmr_channel_new(c->sup->base, pair[0], on_message, on_channel_end, c, &c->channel, err);
    if (r)
        return r;
    if (make_page(c) != 0)
        return mmr_fail(err, MMR_EIO, "child '%s': shared page: %s", c->name, strerror(errno));
    if (run(c, theirs) != 0) {
        c->pid = 0;
        return mmr_fail(err, MMR_EIO, "child '%s': '%s' cannot be started: %s", c->name, c->sup->exe, strerror(errno));
    }
    if (c->group)
        c->has_ceiling = mmr_cgroup_put(&c->sup->cgroup, c->name, c->pid, c->limits.memory_bytes + c->limits.memory_bytes / 4);
    c->pidfd = pidfd_open(c->pid, 0);
    c->exit_ev = c->pidfd < 0 ? NULL : event_new(c->sup->base, c->pidfd, EV_READ | EV_PERSIST, on_exit_ev, c);
    if (!c->exit_ev || event_add(c->exit_ev, NULL) != 0)
        return mmr_fail(err, MMR_EIO, "child '%s': its end cannot be watched: %s", c->name, strerror(errno));
    r = c->group ? mmr_group_assign(c, err) : c->assign ? c->assign(c->ctx, c, err) : 0;
    return r ? r : mmr_channel_send(c->channel, MMR_MSG_GO, NULL, NULL, 0, -1);
}

static void spawn(struct mmr_child *c)
{
    struct mmr_error err = {.struct_size = sizeof err};
    c->cause = MMR_CAUSE_NONE;
    c->refusal[0] = '\0';
    c->beat = (struct mmr_beat){0};
    c->started_ns = mmr_clock_wall_ns();
    set_state(c, MMR_CHILD_STARTING);
    int r = try_spawn(c, &err);
    if (r == 0) {
        set_deadline(c, c->limits.ready_ms);
        return;
    }
    if (c->pid) { /* it runs, but cannot be told what to do, or be watched */
        (void)kill(c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
    }
    release_process(c);
    c->end = (struct mmr_child_end){.cause = MMR_CAUSE_SPAWN, .at_ns = mmr_clock_wall_ns(), .doing = ""};
    memcpy(c->end.text, err.text, sizeof c->end.text);
    after_end(c);
}

/* ---- what the owner calls ---- */

int mmr_child_new(struct mmr_supervisor *sup, const struct mmr_child_conf *conf, struct mmr_child **ret_child,
                  struct mmr_error *err)
{
    size_t len = strnlen(conf->name, MMR_RUNTIME_NAME_MAX + 1);
    if (len == 0 || len > MMR_RUNTIME_NAME_MAX)
        return mmr_fail(err, MMR_EINVAL, "child '%.70s': a name has 1 to %d bytes", conf->name, MMR_RUNTIME_NAME_MAX);
    for (const struct mmr_child *o = sup->children; o; o = o->next)
        if (strcmp(o->name, conf->name) == 0)
            return mmr_fail(err, MMR_EINVAL, "child '%s' exists already", conf->name);
    struct mmr_child *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "child '%s': out of memory", conf->name);
    c->sup = sup;
    c->pidfd = c->page_fd = -1;
    memcpy(c->name, conf->name, len);
    mmr_child_limits(&c->limits, conf->limits, &sup->limits);
    c->is_sensor = conf->is_sensor;
    c->assign = conf->assign;
    c->ctx = conf->ctx;
    c->end.doing = "";
    c->deadline_ev = evtimer_new(sup->base, on_deadline, c);
    c->argv[0] = strdup("mamori");
    bool is_ok = c->deadline_ev && c->argv[0];
    for (size_t i = 0; is_ok && conf->argv[i]; i++)
        is_ok = i < ARGS_MAX && (c->argv[i + 1] = strdup(conf->argv[i])) != NULL;
    struct mmr_child **link = &sup->children;
    while (*link)
        link = &(*link)->next;
    *link = c;
    if (!is_ok) {
        mmr_child_free(c);
        return mmr_fail(err, MMR_ENOMEM, "child '%s': out of memory, or over %d arguments", conf->name, ARGS_MAX);
    }
    *ret_child = c;
    return 0;
}

void mmr_child_free(struct mmr_child *c)
{
    if (!c)
        return;
    struct mmr_child **link = &c->sup->children;
    while (*link && *link != c)
        link = &(*link)->next;
    if (*link)
        *link = c->next;
    if (c->pid) {
        (void)kill(c->pid, SIGKILL);
        (void)waitpid(c->pid, NULL, 0);
    }
    release_process(c);
    if (c->deadline_ev)
        event_free(c->deadline_ev);
    for (size_t i = 0; c->argv[i]; i++)
        free(c->argv[i]);
    mmr_group_free(c->group);
    free(c);
}

void mmr_child_start(struct mmr_child *c)
{
    c->is_wanted = true;
    c->n_ends = 0;
    if (c->state == MMR_CHILD_STOPPING)
        c->is_restarting = true; /* it starts when its end has come */
    else if (!c->pid)
        spawn(c);
}

static void ask_to_end(struct mmr_child *c)
{
    if (c->state == MMR_CHILD_STOPPING)
        return;
    c->cause = MMR_CAUSE_STOPPED;
    (void)mmr_channel_send(c->channel, MMR_MSG_STOP, NULL, NULL, 0, -1);
    set_state(c, MMR_CHILD_STOPPING);
    set_deadline(c, c->limits.stop_ms);
}

void mmr_child_stop(struct mmr_child *c)
{
    c->is_wanted = c->is_restarting = false;
    c->is_lost = false; /* asked for: no security event */
    if (c->pid) {
        ask_to_end(c);
        return;
    }
    (void)event_del(c->deadline_ev);
    set_state(c, MMR_CHILD_STOPPED);
}

void mmr_child_restart(struct mmr_child *c)
{
    if (!c->pid) {
        mmr_child_start(c);
        return;
    }
    c->is_wanted = c->is_restarting = true;
    ask_to_end(c);
}

int mmr_child_send(struct mmr_child *c, uint32_t type, struct mmr_event *map, const void *tail, size_t tail_len, int fd)
{
    return c->channel ? mmr_channel_send(c->channel, type, map, tail, tail_len, fd) : MMR_ENOENT;
}
