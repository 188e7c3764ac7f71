/* testhost.c - the fake host: instances, clock, timers, descriptors, topics. What comes out of the
 * instances is kept in collect.c. */
#include "internal.h"

#include <errno.h>
#include <ftw.h>
#include <limits.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <sys/stat.h>
#include <time.h>
#include <unistd.h>

void mmr_testhost_die(const char *what)
{
    (void)fprintf(stderr, "testhost: %s\n", what);
    abort();
}

static int64_t real_ns(clockid_t id)
{
    struct timespec ts;
    if (clock_gettime(id, &ts) != 0)
        mmr_testhost_die("no clock");
    return (int64_t)ts.tv_sec * MMR_TH_S + ts.tv_nsec;
}

int64_t mmr_testhost_time(const struct mmr_testhost *th)
{
    return th->is_real ? real_ns(CLOCK_REALTIME) : th->wall_ns;
}

static struct instance *inst_at(struct mmr_testhost *th, int i)
{
    if (i < 0 || i >= th->n_inst)
        mmr_testhost_die("no such instance");
    return th->inst[i];
}

/* ---- struct mmr_host ---- */

static void host_log(void *impl, int level, const char *text)
{
    struct instance *in = impl;
    struct mmr_testhost *th = in->th;
    (void)pthread_mutex_lock(&th->lock);
    for (int l = level < 0 ? 0 : level; l < 8; l++) {
        th->logged[l]++;
        (void)snprintf(th->log_text[l], sizeof th->log_text[l], "%s", text);
    }
    (void)pthread_mutex_unlock(&th->lock);
    if (getenv("MMR_TESTHOST_LOG"))
        (void)fprintf(stderr, "log %d %s: %s\n", level, in->name, text);
}

static int host_watch_fd(void *impl, int fd, unsigned rw, uint64_t cookie)
{
    struct instance *in = impl;
    struct mmr_testhost *th = in->th;
    mmr_testhost_on_loop(th, "watch_fd");
    int free_at = -1;
    for (int i = 0; i < MAX_WATCHES; i++) {
        struct watch *w = &th->watches[i];
        if (w->rw && w->fd == fd && w->in == in) {
            w->rw = rw;
            w->cookie = cookie;
            return 0;
        }
        if (!w->rw && free_at < 0)
            free_at = i;
    }
    if (!rw)
        return 0;
    if (fd < 0)
        return MMR_EINVAL;
    if (free_at < 0)
        return MMR_ETOOBIG;
    th->watches[free_at] = (struct watch){.in = in, .fd = fd, .rw = rw, .cookie = cookie};
    return 0;
}

static int host_set_timer(void *impl, int64_t msec, uint64_t cookie)
{
    struct instance *in = impl;
    struct mmr_testhost *th = in->th;
    mmr_testhost_on_loop(th, "set_timer");
    size_t at = 0;
    while (at < th->n_timers && (th->timers[at].in != in || th->timers[at].cookie != cookie))
        at++;
    if (msec < 0) {
        if (at < th->n_timers)
            th->timers[at] = th->timers[--th->n_timers];
        return 0;
    }
    if (at == th->n_timers) {
        if (th->n_timers == th->cap_timers) {
            size_t cap = th->cap_timers ? 2 * th->cap_timers : 32;
            struct timer *t = __real_reallocarray(th->timers, cap, sizeof *t);
            if (!t)
                return MMR_ENOMEM;
            th->timers = t;
            th->cap_timers = cap;
        }
        th->n_timers++;
    }
    int64_t span, due = mmr_testhost_time(th);
    if (__builtin_mul_overflow(msec, MMR_TH_MS, &span) || __builtin_add_overflow(due, span, &due))
        due = INT64_MAX - 1;
    th->timers[at] = (struct timer){.in = in, .cookie = cookie, .due_ns = due, .order = th->timer_order++};
    return 0;
}

static void host_wake(void *impl)
{
    struct instance *in = impl;
    uint64_t one = 1;
    atomic_store(&in->is_woken, true);
    (void)!write(in->th->wake_fd, &one, sizeof one);
}

static int64_t host_now_ns(void *impl, int clock)
{
    struct instance *in = impl;
    struct mmr_testhost *th = in->th;
    if (th->is_real)
        return real_ns(clock == MMR_CLOCK_MONOTONIC ? CLOCK_MONOTONIC : CLOCK_REALTIME);
    return clock == MMR_CLOCK_MONOTONIC ? th->wall_ns - MMR_TH_START_NS + 1000 * MMR_TH_S : th->wall_ns;
}

/* ---- topics ---- */

static const struct mmr_sink *sink_of(const struct instance *in, const char *topic)
{
    return in->plugin->extension ? in->plugin->extension(topic) : NULL;
}

static void topic_publish(void *impl, const struct mmr_topic *topic, const void *item)
{
    struct topic *t = (struct topic *)((uintptr_t)topic - offsetof(struct topic, pub));
    struct instance *from = impl;
    struct mmr_testhost *th = from->th;
    mmr_testhost_on_loop(th, "publish");
    for (int i = 0; i < th->n_inst; i++) {
        const struct mmr_sink *s = th->inst[i]->self ? sink_of(th->inst[i], t->id) : NULL;
        if (s)
            s->item(th->inst[i]->self, item);
    }
    for (size_t i = 0; i < th->n_listeners; i++)
        if (strcmp(th->listeners[i].topic, t->id) == 0)
            th->listeners[i].fn(th->listeners[i].ctx, item);
}

static void count_sinks(struct mmr_testhost *th, struct topic *t)
{
    t->pub.sinks = 0;
    for (int i = 0; i < th->n_inst; i++)
        t->pub.sinks += sink_of(th->inst[i], t->id) != NULL;
    for (size_t i = 0; i < th->n_listeners; i++)
        t->pub.sinks += strcmp(th->listeners[i].topic, t->id) == 0;
}

static const void *host_extension(void *impl, const char *id)
{
    struct instance *in = impl;
    struct mmr_testhost *th = in->th;
    mmr_testhost_on_loop(th, "extension");
    for (size_t i = 0; i < th->n_offers; i++)
        if (strcmp(th->offers[i].id, id) == 0)
            return th->offers[i].p;
    for (size_t i = 0; i < th->n_topics; i++)
        if (strcmp(th->topics[i].id, id) == 0)
            return &th->topics[i].pub;
    if (th->n_topics == MAX_TOPICS)
        return NULL;
    struct topic *t = &th->topics[th->n_topics++];
    (void)snprintf(t->id, sizeof t->id, "%s", id);
    t->pub = (struct mmr_topic){.struct_size = sizeof t->pub, .publish = topic_publish};
    count_sinks(th, t);
    return &t->pub;
}

void mmr_testhost_listen(struct mmr_testhost *th, const char *topic, mmr_testhost_item_fn fn, void *ctx)
{
    if (th->n_listeners == MAX_LISTENERS)
        mmr_testhost_die("too many listeners");
    th->listeners[th->n_listeners++] = (struct listener){topic, fn, ctx};
    for (size_t i = 0; i < th->n_topics; i++)
        count_sinks(th, &th->topics[i]);
}

void mmr_testhost_offer(struct mmr_testhost *th, const char *id, const void *p)
{
    if (th->n_offers == MAX_OFFERS)
        mmr_testhost_die("too many offered services");
    th->offers[th->n_offers++] = (struct offer){id, p};
}

int mmr_testhost_feed(struct mmr_testhost *th, int i, const char *topic, const void *item)
{
    int n = 0;
    for (int j = 0; j < th->n_inst; j++) {
        const struct mmr_sink *s = i < 0 || i == j ? sink_of(th->inst[j], topic) : NULL;
        if (!s)
            continue;
        s->item(th->inst[j]->self, item);
        n++;
    }
    return n;
}

/* ---- life ---- */

struct mmr_testhost *mmr_testhost_new(void)
{
    struct mmr_testhost *th = __real_calloc(1, sizeof *th);
    if (!th || pthread_mutex_init(&th->lock, NULL) != 0)
        mmr_testhost_die("out of memory");
    th->wake_fd = eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK);
    if (th->wake_fd < 0)
        mmr_testhost_die("no eventfd");
    th->wall_ns = MMR_TH_START_NS;
    th->loop_thread = pthread_self();
    return th;
}

static int add(struct mmr_testhost *th, const struct mmr_plugin *p, const void *config, void *owned,
               struct mmr_error *err)
{
    if (th->n_inst == MAX_INSTANCES)
        mmr_testhost_die("too many instances");
    struct instance *in = __real_calloc(1, sizeof *in);
    if (!in)
        mmr_testhost_die("out of memory");
    in->th = th;
    in->plugin = p;
    in->number = th->n_inst;
    in->owned_config[0] = owned;
    (void)snprintf(in->name, sizeof in->name, "%s-%d", p->name ? p->name : "plugin", in->number);
    (void)snprintf(in->state_dir, sizeof in->state_dir, "%s", th->state_dir);
    in->host = (struct mmr_host){
        .struct_size = sizeof in->host, .abi_major = MMR_ABI_MAJOR, .abi_minor = MMR_ABI_MINOR,
        .impl = in, .core_version = "testhost", .instance = in->name, .state_dir = in->state_dir,
        .log = host_log, .emit = mmr_testhost_emit, .action_done = mmr_testhost_action_done,
        .watch_fd = host_watch_fd, .set_timer = host_set_timer, .wake = host_wake,
        .now_ns = host_now_ns, .extension = host_extension, .forward_done = mmr_testhost_forward_done,
    };
    th->inst[th->n_inst++] = in; /* known before create(): it may already emit and set timers */
    int r = p->create(&in->host, config, &in->self, err);
    if (r) {
        in->self = NULL;
        in->is_dead = true;
        return r;
    }
    for (size_t i = 0; i < th->n_topics; i++)
        count_sinks(th, &th->topics[i]);
    return in->number;
}

int mmr_testhost_add(struct mmr_testhost *th, const struct mmr_plugin *p, const char *const *config_text,
                     struct mmr_error *err)
{
    void *config;
    int r = mmr_testhost_config_fill(p, config_text, &config, err);
    return r ? r : add(th, p, config, config, err);
}

int mmr_testhost_add_filled(struct mmr_testhost *th, const struct mmr_plugin *p, const void *config,
                            struct mmr_error *err)
{
    return add(th, p, config, NULL, err);
}

void *mmr_testhost_self(struct mmr_testhost *th, int i)
{
    return inst_at(th, i)->self;
}

const struct mmr_host *mmr_testhost_host(struct mmr_testhost *th, int i)
{
    return &inst_at(th, i)->host;
}

int mmr_testhost_start(struct mmr_testhost *th, struct mmr_error *err)
{
    for (int i = 0; i < th->n_inst; i++) {
        struct instance *in = th->inst[i];
        if (!in->self || in->is_started || !in->plugin->sensor)
            continue;
        int r = in->plugin->sensor->start(in->self, err);
        if (r)
            return r;
        in->is_started = true;
        in->is_stopped = false;
    }
    return 0;
}

void mmr_testhost_stop(struct mmr_testhost *th)
{
    for (int i = th->n_inst - 1; i >= 0; i--) {
        struct instance *in = th->inst[i];
        if (!in->is_started)
            continue;
        in->plugin->sensor->stop(in->self);
        in->is_started = false;
        in->is_stopped = true;
    }
}

static int remove_entry(const char *path, const struct stat *st, int type, struct FTW *at)
{
    (void)st;
    (void)type;
    (void)at;
    return remove(path);
}

void mmr_testhost_free(struct mmr_testhost *th)
{
    if (!th)
        return;
    mmr_testhost_stop(th);
    for (int i = th->n_inst - 1; i >= 0; i--) {
        struct instance *in = th->inst[i];
        if (in->self)
            in->plugin->destroy(in->self);
        in->self = NULL;
    }
    for (int i = 0; i < th->n_inst; i++) {
        free(th->inst[i]->owned_config[0]);
        free(th->inst[i]->owned_config[1]);
        free(th->inst[i]);
    }
    mmr_testhost_clear(th);
    free(th->events);
    free(th->receipts);
    free(th->deliveries);
    free(th->timers);
    (void)close(th->wake_fd);
    (void)pthread_mutex_destroy(&th->lock);
    if (th->state_dir[0])
        (void)nftw(th->state_dir, remove_entry, 16, FTW_DEPTH | FTW_PHYS);
    free(th);
}

int mmr_testhost_reload(struct mmr_testhost *th, int i, const char *const *config_text, bool is_commit,
                        struct mmr_error *err)
{
    struct instance *in = inst_at(th, i);
    void *config;
    if (!in->plugin->reload_prepare)
        return mmr_fail(err, MMR_EUNSUPPORTED, "%s has no reload_prepare", in->plugin->id);
    int r = mmr_testhost_config_fill(in->plugin, config_text, &config, err);
    if (r)
        return r;
    r = in->plugin->reload_prepare(in->self, config, err);
    if (r == 0 && is_commit) {
        in->plugin->reload_commit(in->self);
        free(in->owned_config[0]);
        in->owned_config[0] = config;
        return 0;
    }
    if (r == 0)
        in->plugin->reload_abort(in->self);
    free(config);
    return r;
}

const char *mmr_testhost_make_state_dir(struct mmr_testhost *th)
{
    const char *tmp = getenv("TMPDIR");
    if (th->state_dir[0])
        return th->state_dir;
    int n = snprintf(th->state_dir, sizeof th->state_dir, "%s/mmr-testhost-XXXXXX", tmp ? tmp : "/tmp");
    if (n < 0 || (size_t)n >= sizeof th->state_dir || !mkdtemp(th->state_dir))
        mmr_testhost_die("no temporary directory");
    return th->state_dir;
}

/* ---- time ---- */

void mmr_testhost_set_time(struct mmr_testhost *th, int64_t wall_ns)
{
    th->wall_ns = wall_ns;
}

void mmr_testhost_use_real_clock(struct mmr_testhost *th)
{
    th->is_real = true;
}

static struct timer *first_timer(const struct mmr_testhost *th)
{
    struct timer *best = NULL;
    for (size_t i = 0; i < th->n_timers; i++) {
        struct timer *t = &th->timers[i];
        if (!best || t->due_ns < best->due_ns || (t->due_ns == best->due_ns && t->order < best->order))
            best = t;
    }
    return best;
}

int64_t mmr_testhost_next_timer(const struct mmr_testhost *th)
{
    const struct timer *t = first_timer(th);
    return t ? t->due_ns : INT64_MAX;
}

static int fire_until(struct mmr_testhost *th, int64_t until_ns)
{
    int n = 0;
    for (struct timer *t; (t = first_timer(th)) && t->due_ns <= until_ns; n++) {
        struct instance *in = t->in;
        uint64_t cookie = t->cookie;
        if (t->due_ns > th->wall_ns)
            th->wall_ns = t->due_ns;
        *t = th->timers[--th->n_timers];
        if (!in->plugin->on_timer)
            mmr_testhost_refuse(in, "set_timer() without on_timer");
        else if (in->self)
            in->plugin->on_timer(in->self, cookie);
    }
    return n;
}

void mmr_testhost_advance(struct mmr_testhost *th, int64_t ns)
{
    int64_t until = th->wall_ns + ns;
    (void)fire_until(th, until);
    th->wall_ns = until;
}

/* ---- waiting ---- */

static int deliver_wakes(struct mmr_testhost *th)
{
    uint64_t v;
    int n = 0;
    (void)!read(th->wake_fd, &v, sizeof v);
    for (int i = 0; i < th->n_inst; i++) {
        struct instance *in = th->inst[i];
        if (!atomic_exchange(&in->is_woken, false) || !in->self)
            continue;
        if (in->plugin->on_wake)
            in->plugin->on_wake(in->self);
        else
            mmr_testhost_refuse(in, "wake() without on_wake");
        n++;
    }
    return n;
}

static int wait_ms(const struct mmr_testhost *th, int timeout_ms)
{
    int64_t next = mmr_testhost_next_timer(th);
    if (!th->is_real || next == INT64_MAX)
        return timeout_ms;
    int64_t left_ms = (next - mmr_testhost_time(th) + MMR_TH_MS - 1) / MMR_TH_MS;
    if (left_ms < 0)
        left_ms = 0;
    return timeout_ms < 0 || left_ms < timeout_ms ? (int)left_ms : timeout_ms;
}

int mmr_testhost_poll(struct mmr_testhost *th, int timeout_ms)
{
    struct pollfd fds[MAX_WATCHES + 1];
    struct watch seen[MAX_WATCHES];
    int n = 0, served = 0;

    for (int i = 0; i < MAX_WATCHES; i++) {
        const struct watch *w = &th->watches[i];
        if (!w->rw)
            continue;
        short ev = (short)(((w->rw & MMR_FD_READ) ? POLLIN : 0) | ((w->rw & MMR_FD_WRITE) ? POLLOUT : 0));
        fds[n] = (struct pollfd){.fd = w->fd, .events = ev};
        seen[n++] = *w;
    }
    fds[n] = (struct pollfd){.fd = th->wake_fd, .events = POLLIN};
    if (poll(fds, (nfds_t)n + 1, wait_ms(th, timeout_ms)) < 0 && errno != EINTR)
        mmr_testhost_die("poll failed");
    for (int i = 0; i < n; i++) {
        unsigned rw = ((fds[i].revents & (POLLIN | POLLHUP | POLLERR)) ? MMR_FD_READ : 0u) |
                      ((fds[i].revents & POLLOUT) ? MMR_FD_WRITE : 0u);
        rw &= seen[i].rw;
        if (!rw || !mmr_testhost_watched(th, seen[i].fd)) /* an earlier callback may have stopped it */
            continue;
        if (!seen[i].in->plugin->on_fd)
            mmr_testhost_refuse(seen[i].in, "watch_fd() without on_fd");
        else if (seen[i].in->self)
            seen[i].in->plugin->on_fd(seen[i].in->self, seen[i].fd, rw, seen[i].cookie);
        served++;
    }
    if (fds[n].revents)
        served += deliver_wakes(th);
    if (th->is_real)
        served += fire_until(th, mmr_testhost_time(th));
    return served;
}

bool mmr_testhost_poll_until(struct mmr_testhost *th, const char *kind, int timeout_ms)
{
    int64_t end = real_ns(CLOCK_MONOTONIC) + timeout_ms * MMR_TH_MS;
    while (mmr_testhost_count(th, kind) == 0) {
        int64_t left = (end - real_ns(CLOCK_MONOTONIC)) / MMR_TH_MS;
        if (left <= 0)
            return false;
        (void)mmr_testhost_poll(th, (int)left);
    }
    return true;
}

unsigned mmr_testhost_watched(const struct mmr_testhost *th, int fd)
{
    unsigned rw = 0;
    for (int i = 0; i < MAX_WATCHES; i++)
        if (th->watches[i].fd == fd)
            rw |= th->watches[i].rw;
    return rw;
}

bool mmr_testhost_ready(struct mmr_testhost *th, int fd, unsigned rw)
{
    for (int i = 0; i < MAX_WATCHES; i++) {
        struct watch w = th->watches[i];
        if (w.fd != fd || !(w.rw & rw))
            continue;
        if (!w.in->plugin->on_fd)
            mmr_testhost_refuse(w.in, "watch_fd() without on_fd");
        else if (w.in->self)
            w.in->plugin->on_fd(w.in->self, fd, w.rw & rw, w.cookie);
        return true;
    }
    return false;
}

/* ---- calls into roles ---- */

int mmr_testhost_event(struct mmr_testhost *th, int i, const void *msgpack, size_t len,
                       struct mmr_error *err)
{
    struct instance *in = inst_at(th, i);
    if (!in->plugin->analyzer || !in->plugin->analyzer->event)
        mmr_testhost_die("not an analyzer");
    int r = in->plugin->analyzer->event(in->self, msgpack, len, err);
    mmr_testhost_route(th);
    return r;
}

int mmr_testhost_finish(struct mmr_testhost *th, struct mmr_error *err)
{
    for (int i = 0; i < th->n_inst; i++) {
        const struct instance *in = th->inst[i];
        const struct mmr_analyzer_ops *a = in->plugin->analyzer;
        if (!in->self || !a || !MMR_HAS(a, finish) || !a->finish)
            continue;
        int r = a->finish(in->self, err);
        mmr_testhost_route(th);
        if (r)
            return r;
    }
    return 0;
}

int64_t mmr_testhost_replay(struct mmr_testhost *th, int i, const char *path, const char *format,
                            struct mmr_error *err)
{
    struct instance *in = inst_at(th, i);
    const struct mmr_replay_ops *ops =
        in->plugin->extension ? in->plugin->extension("mamori.replay/0") : NULL;
    int64_t n = 0, t;
    if (!ops)
        return mmr_fail(err, MMR_EUNSUPPORTED, "%s reads no recorded input", in->plugin->id);
    const char *slash = strrchr(path, '/');
    int r = ops->open(in->self, path, slash ? slash + 1 : path, format, err);
    while (r == 0 && (r = ops->next(in->self, &t, err)) == 0) {
        if (n == 0)
            th->wall_ns = t;
        (void)fire_until(th, t);
        if (t > th->wall_ns)
            th->wall_ns = t;
        r = ops->step(in->self, err);
        n++;
    }
    return r == MMR_ENOENT ? n : r;
}

int mmr_testhost_act(struct mmr_testhost *th, int i, const struct mmr_action *a, struct mmr_error *err)
{
    struct instance *in = inst_at(th, i);
    if (!in->plugin->responder)
        mmr_testhost_die("not a responder");
    return in->plugin->responder->act(in->self, a, err);
}

int mmr_testhost_forward(struct mmr_testhost *th, int i, const char *json, uint64_t seq,
                         struct mmr_error *err)
{
    struct instance *in = inst_at(th, i);
    if (!in->plugin->forwarder)
        mmr_testhost_die("not a forwarder");
    return in->plugin->forwarder->forward(in->self, json, strlen(json), seq, err);
}
