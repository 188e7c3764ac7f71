/*
 * ransom.c - programs that encrypt or destroy people's files. Two ways to notice: a canary is opened for writing (the
 * opener waits in its call meanwhile), or what a process group does to files becomes too much; that is counted here, from the
 * kernel's notifications, and where it can be in the kernel itself, which then stops the process at once. Either way the tree of
 * processes is stopped for a moment and a finding is told; whoever may end it does so, and else it goes on.
 */
#include "ransom.h"

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "names.h"
#include "procfs.h"

enum { GROUPS = 256, CANARY_MS = 600000, LOST_MS = 10000 };
#define TRUST_NS INT64_C(100000000)
#define SPARED_NS INT64_C(60000000000)

struct ransom {
    const struct mmr_host *host;
    const struct mmr_ransom_config *cfg;
    struct mmr_fan *fan;
    struct mmr_canary *canary;
    struct mmr_score *score;
    struct mmr_heldlist *held;
    struct mmr_hold *hold;
    struct mmr_counter *counter;
    struct mmr_gone *gone;
    struct mmr_ptable *table;
    struct mmr_users users;
    struct { /* which group a process is of, for a moment */
        uint32_t pid, group;
        int64_t at_ns;
        bool is_left_out, is_trusted;
    } groups[GROUPS];
    uint64_t netns, lost;
    struct stat self;
    char hostname[256];
    struct mmr_event ev;
    uint8_t buf[16 * 1024];
};

static int64_t mono(const struct ransom *r)
{
    return r->host->now_ns(r->host->impl, MMR_CLOCK_MONOTONIC);
}

static void arm(struct ransom *r)
{
    int64_t a = mmr_hold_next_ns(r->hold), b = r->canary ? mmr_canary_next_ns(r->canary) : 0;
    int64_t next = !a ? b : !b || a < b ? a : b, gone = mmr_gone_next_ns(r->gone);
    next = !next || (gone && gone < next) ? gone : next;
    int64_t left = next - mono(r);
    (void)r->host->set_timer(r->host->impl, next ? (left > 0 ? left / 1000000 + 1 : 0) : -1, MMR_RANSOM_TIMER_HOLD);
}

/* ---- who ---- */

static bool is_foreign(const struct ransom *r, uint32_t pid)
{
    if (strcmp(r->cfg->scope, "netns") == 0) {
        uint64_t ns = mmr_procfs_netns(pid);
        return ns && ns != r->netns;
    }
    return strcmp(r->cfg->scope, "cgroup") == 0 && !mmr_procfs_same_cgroup(pid);
}

/* The process's group; 0: one of ours, or outside our scope. A process that is gone is a group of its own. */
static uint32_t group_of(struct ransom *r, uint32_t pid)
{
    int64_t now = mono(r);
    size_t at = pid * 2654435761u >> 16 & (GROUPS - 1);
    char path[64], exe[512];
    struct stat st;
    if (r->groups[at].pid == pid && now - r->groups[at].at_ns < TRUST_NS)
        return r->groups[at].is_left_out ? 0 : r->groups[at].group;
    (void)snprintf(path, sizeof path, "/proc/%u/exe", pid);
    const bool is_own = stat(path, &st) == 0 && st.st_ino == r->self.st_ino && st.st_dev == r->self.st_dev;
    uint32_t group = mmr_ransom_group(pid);
    if (!group && r->groups[at].pid == pid) { /* gone since: what it was stays true of what it did */
        r->groups[at].at_ns = now;
        return r->groups[at].is_left_out ? 0 : r->groups[at].group;
    }
    r->groups[at].pid = pid;
    r->groups[at].at_ns = now;
    r->groups[at].group = group ? group : pid;
    r->groups[at].is_left_out = is_own || is_foreign(r, pid);
    r->groups[at].is_trusted = mmr_procfs_link(pid, "exe", exe, sizeof exe) && mmr_ransom_is_named(exe, &r->cfg->trusted);
    return r->groups[at].is_left_out ? 0 : r->groups[at].group;
}

/* A program whose daily work looks like encryption, or that puts back what was saved; asked right after group_of(). */
static bool is_trusted(const struct ransom *r, uint32_t pid)
{
    size_t at = pid * 2654435761u >> 16 & (GROUPS - 1);
    return r->groups[at].pid == pid && r->groups[at].is_trusted;
}

/* Who is to be stopped for what the group does: the writer, or, of several workers, who started them. */
static uint32_t lead_of(const struct mmr_actor *a, uint32_t pid)
{
    struct mmr_pstat st;
    if (a->n_writers < 2 || !mmr_procfs_stat(pid, &st) || st.ppid <= 1 || mmr_ransom_group(st.ppid) != a->group)
        return pid;
    return st.ppid;
}

/* ---- telling ---- */

static void put(struct ransom *r, const char *key, const char *text)
{
    if (text && *text)
        mmr_event_str(&r->ev, key, text);
}

static void put_process(struct ransom *r, uint32_t pid)
{
    char text[48];
    const struct mmr_pentry *e = mmr_ptable_load(r->table, pid, 0);
    mmr_event_int(&r->ev, "process.pid", pid);
    if (!e)
        return;
    (void)snprintf(text, sizeof text, "%u:%lld", e->pid, (long long)e->start_ticks);
    mmr_event_int(&r->ev, "process.start_ticks", e->start_ticks);
    mmr_event_str(&r->ev, "process.uid", text);
    put(r, "process.name", e->name);
    put(r, "process.file.path", e->path);
    put(r, "process.cmd_line", e->cmd_line);
    put(r, "user.name", mmr_users_name(&r->users, e->uid, mono(r)));
    (void)snprintf(text, sizeof text, "%u", e->uid);
    mmr_event_str(&r->ev, "user.uid", text);
}

static void tell(struct ransom *r, const char *rule, const char *title, const char *text, uint32_t pid, uint32_t hits, const char *path)
{
    static const char *const attack[] = {"T1486"};
    const char *base = strrchr(path, '/');
    mmr_event_begin(&r->ev, r->buf, sizeof r->buf, "finding", MMR_CLASS_FINDING, 1, r->host->now_ns(r->host->impl, MMR_CLOCK_WALL), 5);
    put(r, "device.hostname", r->hostname);
    mmr_event_str(&r->ev, "mamori.rule", rule);
    mmr_event_str(&r->ev, "finding_info.title", title);
    mmr_event_str(&r->ev, "message", text);
    /* before anything is lost it is a foothold, and may be undone by stopping it; after that, harm */
    mmr_event_str(&r->ev, "mamori.phase", hits ? "impact.data" : "foothold.process");
    if (hits)
        mmr_event_bool(&r->ev, "mamori.harm", true);
    mmr_event_str(&r->ev, "mamori.potential", "high");
    mmr_event_str(&r->ev, "mamori.direction", "local");
    mmr_event_strv(&r->ev, "mamori.attack", attack, 1);
    mmr_event_str(&r->ev, "unmapped.sample", path);
    put(r, "unmapped.sample_name", base ? base + 1 : path);
    if (hits)
        mmr_event_int(&r->ev, "count", hits);
    put_process(r, pid);
    if (mmr_event_emit(&r->ev, r->host) == MMR_EAGAIN)
        r->lost++; /* findings have a lane of their own: this is said, should it happen */
}

/* Stop first, talk then. Has it been stopped? */
static bool react(struct ransom *r, struct mmr_actor *a, uint32_t pid, const char *rule, const char *title, const char *what, const char *path)
{
    char text[600];
    struct mmr_pstat st = {0};
    uint32_t lead = lead_of(a, pid), n = 0;
    if (r->cfg->hold) {
        int64_t until = mono(r) + r->cfg->hold * 1000000;
        n = mmr_hold_tree(r->hold, pid, &r->cfg->never_hold, until);
        n += lead != pid ? mmr_hold_tree(r->hold, lead, &r->cfg->never_hold, until) : 0;
        arm(r);
        if (mmr_hold_is_unlisted(r->hold))
            r->host->log(r->host->impl, MMR_LOG_WARN, "ransom.no_list what=\"who stands still could not be written down (held, in this "
                         "instance's folder)\" then=\"if mamori is killed meanwhile, he stands until somebody sends SIGCONT\"");
    }
    (void)mmr_procfs_stat(lead, &st);
    (void)snprintf(text, sizeof text, "%.15s (pid %u) %s %.300s%s", st.comm[0] ? st.comm : "a process", lead, what, path,
                   n || mmr_hold_has(r->hold, lead) || mmr_hold_has(r->hold, pid) ? "; it stands still until somebody decides" : "");
    tell(r, rule, title, text, lead, a->hits, path);
    return n > 0;
}

static void tell_encryption(struct ransom *r, struct mmr_actor *a, uint32_t pid)
{
    char what[120];
    (void)snprintf(what, sizeof what, "encrypts or destroys files: %u within %lld s, the last one", a->hits,
                   (long long)(r->cfg->window / 1000));
    (void)react(r, a, pid, "mamori.ransom.encryption", "A program encrypts or destroys files, one after another", what, a->sample);
}

static bool on_touched(void *ctx, uint32_t pid, const char *path, bool is_write)
{
    struct ransom *r = ctx;
    uint32_t group = group_of(r, pid);
    int64_t now = mono(r);
    if (!group || is_trusted(r, pid))
        return false;
    struct mmr_actor *a = mmr_score_actor(r->score, group, now);
    if (!is_write && !a->hits) /* it cannot be asked what it wants, and has done nothing so far */
        return false;
    if (a->told_ns && now - a->told_ns < r->cfg->window * 1000000)
        return true;
    a->told_ns = now;
    (void)react(r, a, pid, "mamori.ransom.canary", "A program wants to change a file that nobody has reason to change", "opened the canary", path);
    return true;
}

static void canary_changed(struct ransom *r, uint32_t pid, uint32_t group, const char *what, const char *path)
{
    int64_t now = mono(r);
    struct mmr_actor *a = mmr_score_actor(r->score, group, now);
    if (a->told_ns && now - a->told_ns < r->cfg->window * 1000000)
        return;
    a->told_ns = now;
    a->last_pid = pid;
    (void)react(r, a, pid, "mamori.ransom.canary", "A program changed a file that nobody has reason to change", what, path);
}

static void canary_alone(void *ctx, const char *path, uint32_t pid)
{
    struct ransom *r = ctx;
    uint32_t group = group_of(r, pid);
    canary_changed(r, pid, group ? group : pid, "deleted the canary, not its folder:", path);
}

/* One that has done nothing else so far, and is what people remove folders with; or it is gone already, as such tools are. */
static bool is_by_remover(struct ransom *r, uint32_t pid, uint32_t group)
{
    char exe[512];
    const struct mmr_actor *a = mmr_score_actor(r->score, group, mono(r));
    return !a->hits && (!mmr_procfs_link(pid, "exe", exe, sizeof exe) || mmr_gone_is_remover(exe));
}

static void on_change(void *ctx, const struct mmr_change *c)
{
    struct ransom *r = ctx;
    uint32_t group = group_of(r, c->pid);
    if (!group || is_trusted(r, c->pid))
        return;
    int64_t now = mono(r);
    const char *of = c->kind == MMR_CHANGE_RENAME && c->old_path ? c->old_path : c->path;
    if (r->canary && c->kind != MMR_CHANGE_CREATE && mmr_canary_has_path(r->canary, of)) {
        if (c->kind == MMR_CHANGE_DELETE && is_by_remover(r, c->pid, group) && mmr_gone_wait(r->gone, of, c->pid, now))
            return; /* on_fd() sets the timer */
        canary_changed(r, c->pid, group, c->kind == MMR_CHANGE_DELETE ? "deleted the canary" : c->kind == MMR_CHANGE_RENAME ? "renamed the canary" : "wrote the canary",
                       of);
        return;
    }
    struct mmr_actor *a = mmr_score_change(r->score, c, group, now);
    if (!a)
        return;
    tell_encryption(r, a, c->pid);
}

/* The kernel has counted enough, and this process stands still already. */
static void on_stopped(void *ctx, const struct mmr_counter_stop *s)
{
    struct ransom *r = ctx;
    char link[64];
    uint32_t group = group_of(r, s->pid);
    int64_t now = mono(r), until = now + r->cfg->hold * 1000000;
    struct mmr_actor *a = mmr_score_actor(r->score, group ? group : s->pid, now);
    if (!group || (!mmr_hold_tree(r->hold, s->pid, &r->cfg->never_hold, until) && !mmr_hold_has(r->hold, s->pid))) {
        mmr_hold_let_go(s->pid); /* nobody who may be held, whatever it did */
        return;
    }
    arm(r);
    mmr_score_stopped(a, s->pid, s->hits, s->name);
    (void)snprintf(link, sizeof link, "fd/%d", s->fd);
    if (s->fd >= 0)
        (void)mmr_procfs_link(s->pid, link, a->sample, sizeof a->sample);
    if (a->told_ns && now - a->told_ns < SPARED_NS)
        return;
    a->told_ns = now;
    tell_encryption(r, a, s->pid);
}

/* The head of a file, unless it is a canary: to open that would be to ask ourselves, and wait for the answer. */
static size_t read_head(void *ctx, const char *path, uint8_t *buf, size_t cap)
{
    const struct ransom *r = ctx;
    struct stat st;
    char link[40];
    int at = open(path, O_PATH | O_CLOEXEC | O_NOFOLLOW);
    bool is_ok = at >= 0 && fstat(at, &st) == 0 && S_ISREG(st.st_mode) &&
                 !(r->canary && mmr_canary_is(r->canary, st.st_ino, st.st_dev));
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", at);
    int fd = is_ok ? open(link, O_RDONLY | O_CLOEXEC | O_NONBLOCK) : -1;
    ssize_t n = fd >= 0 ? pread(fd, buf, cap, 0) : 0;
    if (fd >= 0)
        (void)close(fd);
    if (at >= 0)
        (void)close(at);
    return n > 0 ? (size_t)n : 0;
}

static void on_lose(void *ctx)
{
    struct ransom *r = ctx;
    if (!r->lost++)
        (void)r->host->set_timer(r->host->impl, LOST_MS, MMR_RANSOM_TIMER_LOST);
}

static bool never_stopped(void *ctx)
{
    (void)ctx;
    return false; /* only findings leave here, and they are few */
}

static void tell_lost(struct ransom *r)
{
    char text[120];
    (void)snprintf(text, sizeof text, "the kernel's queue of file changes ran over %llu times", (unsigned long long)r->lost);
    mmr_event_begin(&r->ev, r->buf, sizeof r->buf, "sensor.drops", MMR_CLASS_EVENT_LOG, 99, r->host->now_ns(r->host->impl, MMR_CLOCK_WALL), 3);
    put(r, "device.hostname", r->hostname);
    mmr_event_str(&r->ev, "message", text);
    mmr_event_int(&r->ev, "count", (int64_t)r->lost);
    r->lost = 0;
    (void)mmr_event_emit(&r->ev, r->host);
    r->host->log(r->host->impl, MMR_LOG_WARN, text);
}

/* ---- life ---- */

/* Only where making programs stand still was agreed to: the kernel does nothing else. */
static void start_counter(struct ransom *r)
{
    const struct mmr_counter_opts o = {.config = r->cfg, .threshold = (uint32_t)r->cfg->threshold, .ctx = r, .stopped = on_stopped};
    struct mmr_error err = {.struct_size = sizeof err};
    char text[400];
    if (!r->cfg->counter || !r->cfg->hold)
        return;
    int e = mmr_counter_open(&o, &r->counter, &err);
    if (!e)
        e = r->host->watch_fd(r->host->impl, mmr_counter_fd(r->counter), MMR_FD_READ, MMR_RANSOM_FD_COUNTER);
    if (!e)
        return;
    mmr_counter_close(r->counter);
    r->counter = NULL;
    (void)snprintf(text, sizeof text, "ransom.no_counter what=\"%.300s\" instead=\"changes are counted when they are told\"", err.text);
    r->host->log(r->host->impl, MMR_LOG_INFO, text);
}

static void tell_mode(struct ransom *r)
{
    char text[200];
    const bool is_asked = r->canary && mmr_canary_fd(r->canary) >= 0;
    (void)snprintf(text, sizeof text, "ransom.mode canaries=%u asked=%s hold_ms=%lld counter=%s", r->canary ? mmr_canary_count(r->canary) : 0,
                   is_asked ? "yes" : "no", (long long)r->cfg->hold, r->counter ? "kernel" : "notification");
    r->host->log(r->host->impl, is_asked || !r->cfg->canaries ? MMR_LOG_INFO : MMR_LOG_WARN, text);
    mmr_event_begin(&r->ev, r->buf, sizeof r->buf, "sensor.mode", MMR_CLASS_EVENT_LOG, 99, r->host->now_ns(r->host->impl, MMR_CLOCK_WALL),
                    is_asked ? 1 : 2);
    put(r, "device.hostname", r->hostname);
    mmr_event_str(&r->ev, "message", text);
    mmr_event_str(&r->ev, "status_detail", is_asked ? "permission" : "notification");
    mmr_event_str(&r->ev, "unmapped.counter", r->counter ? "kernel" : "notification");
    (void)mmr_event_emit(&r->ev, r->host);
}

static void destroy(void *self)
{
    struct ransom *r = self;
    if (!r)
        return;
    mmr_fan_close(r->fan);
    mmr_canary_free(r->canary);
    mmr_counter_close(r->counter);
    mmr_gone_free(r->gone);
    mmr_hold_free(r->hold);
    mmr_heldlist_free(r->held);
    mmr_score_free(r->score);
    mmr_ptable_free(r->table);
    free(r);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct mmr_ransom_config *c = config;
    if (strcmp(c->scope, "host") != 0 && strcmp(c->scope, "cgroup") != 0 && strcmp(c->scope, "netns") != 0)
        return mmr_fail(err, MMR_ECONFIG, "scope '%s' is not one of host, cgroup, netns", c->scope);
    for (size_t i = 0; i < c->places.n; i++)
        if (c->places.v[i][0] != '/')
            return mmr_fail(err, MMR_ECONFIG, "place '%s' is no absolute path", c->places.v[i]);
    for (size_t i = 0; i < c->canary_names.n; i++)
        if (strchr(c->canary_names.v[i], '/') || strlen(c->canary_names.v[i]) > 200)
            return mmr_fail(err, MMR_ECONFIG, "canary name '%.60s' is no plain file name", c->canary_names.v[i]);
    struct ransom *r = calloc(1, sizeof *r);
    if (!r)
        return mmr_fail(err, MMR_ENOMEM, "ransom: out of memory");
    r->host = host;
    r->cfg = c;
    r->users.path = "/etc/passwd";
    r->netns = mmr_procfs_netns(0);
    (void)stat("/proc/self/exe", &r->self);
    if (gethostname(r->hostname, sizeof r->hostname - 1) != 0)
        r->hostname[0] = '\0';
    r->table = mmr_ptable_new(256);
    const struct mmr_score_config sc = {.window_ns = c->window * 1000000, .threshold = (uint32_t)c->threshold, .ctx = r, .head = read_head};
    const struct mmr_canary_config kc = {.host = host, .places = c->places, .exclude = c->exclude, .names = c->canary_names, .state_dir = host->state_dir,
                                         .hold_ns = c->hold * 1000000, .ctx = r, .touched = on_touched};
    int e = r->table ? mmr_score_new(&sc, &r->score, err) : mmr_fail(err, MMR_ENOMEM, "ransom: out of memory");
    if (!e && !(r->held = mmr_heldlist_new(host->state_dir)))
        e = mmr_fail(err, MMR_ENOMEM, "ransom: out of memory");
    if (!e)
        e = mmr_hold_new(r->held, &r->hold, err);
    if (!e)
        e = mmr_gone_new(&r->gone, err);
    if (!e && c->canaries)
        e = mmr_canary_new(&kc, &r->canary, err);
    else if (!e)
        mmr_canary_tidy(host->state_dir, NULL);
    if (e) {
        destroy(r);
        return e;
    }
    *ret_self = r;
    return 0;
}

/* Whom a run that was killed left standing goes on, now that he is watched again. */
static void let_go_of_old(struct ransom *r)
{
    char text[200];
    uint32_t n = mmr_heldlist_recover(r->held);
    if (!n)
        return;
    (void)snprintf(text, sizeof text, "ransom.let_go processes=%u what=\"a run of mamori that was killed had left them standing; they are watched again\"", n);
    r->host->log(r->host->impl, MMR_LOG_WARN, text);
}

static int start(void *self, struct mmr_error *err)
{
    struct ransom *r = self;
    const struct mmr_fan_config c = {.host = r->host, .places = r->cfg->places, .exclude = r->cfg->exclude, .ctx = r, .change = on_change,
                                     .lose = on_lose, .is_stopped = never_stopped};
    int e = mmr_fan_open(&c, &r->fan, err);
    if (e)
        return e;
    (void)r->host->set_timer(r->host->impl, CANARY_MS, MMR_RANSOM_TIMER_CANARIES);
    if (r->canary) {
        mmr_canary_place(r->canary);
        if (mmr_canary_fd(r->canary) >= 0)
            e = r->host->watch_fd(r->host->impl, mmr_canary_fd(r->canary), MMR_FD_READ, MMR_RANSOM_FD_CANARY);
    }
    start_counter(r);
    tell_mode(r);
    if (!e)
        e = r->host->watch_fd(r->host->impl, mmr_fan_fd(r->fan), MMR_FD_READ, MMR_RANSOM_FD_CHANGES);
    if (!e)
        let_go_of_old(r);
    return e;
}

static void stop(void *self)
{
    struct ransom *r = self;
    if (r->fan)
        (void)r->host->watch_fd(r->host->impl, mmr_fan_fd(r->fan), 0, MMR_RANSOM_FD_CHANGES);
    if (r->canary && mmr_canary_fd(r->canary) >= 0)
        (void)r->host->watch_fd(r->host->impl, mmr_canary_fd(r->canary), 0, MMR_RANSOM_FD_CANARY);
    if (r->counter)
        (void)r->host->watch_fd(r->host->impl, mmr_counter_fd(r->counter), 0, MMR_RANSOM_FD_COUNTER);
    for (uint64_t t = MMR_RANSOM_TIMER_HOLD; t <= MMR_RANSOM_TIMER_LOST; t++)
        (void)r->host->set_timer(r->host->impl, -1, t);
    mmr_fan_close(r->fan);
    r->fan = NULL;
    mmr_canary_free(r->canary);
    r->canary = NULL;
    mmr_counter_close(r->counter);
    r->counter = NULL;
    (void)mmr_hold_release(r->hold, INT64_MAX);
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct ransom *r = self;
    (void)fd, (void)rw;
    if (cookie == MMR_RANSOM_FD_CANARY && r->canary)
        mmr_canary_read(r->canary);
    else if (cookie == MMR_RANSOM_FD_COUNTER && r->counter)
        mmr_counter_read(r->counter);
    else if (r->fan)
        mmr_fan_read(r->fan);
    arm(r);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct ransom *r = self;
    char text[120];
    if (cookie == MMR_RANSOM_TIMER_LOST) {
        tell_lost(r);
        return;
    }
    if (cookie == MMR_RANSOM_TIMER_CANARIES) {
        if (r->canary)
            mmr_canary_place(r->canary);
        if (r->counter)
            mmr_counter_learn(r->counter);
        (void)r->host->set_timer(r->host->impl, CANARY_MS, MMR_RANSOM_TIMER_CANARIES);
        return;
    }
    int64_t now = mono(r);
    if (r->canary)
        mmr_canary_expire(r->canary, now);
    mmr_gone_look(r->gone, now, canary_alone, r);
    uint32_t alive = mmr_hold_release(r->hold, now);
    if (alive && r->counter)
        mmr_counter_spare(r->counter, SPARED_NS);
    if (alive) {
        (void)snprintf(text, sizeof text, "ransom.let_go processes=%u what=\"nobody ended them within %lld ms\"", alive, (long long)r->cfg->hold);
        r->host->log(r->host->impl, MMR_LOG_WARN, text);
    }
    arm(r);
}

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct mmr_ransom_config, places, MMR_CFG_STRV, 0, "/home,/root,/srv,/var/www", 0, 0, "folders whose files are watched over"),
    MMR_CFG(struct mmr_ransom_config, exclude, MMR_CFG_STRV, 0, "", 0, 0, "folders below them that are not"),
    MMR_CFG(struct mmr_ransom_config, canaries, MMR_CFG_BOOL, 0, "yes", 0, 0,
            "place small files that nobody has reason to change; they are removed when mamori stops"),
    MMR_CFG(struct mmr_ransom_config, canary_names, MMR_CFG_STRV, 0, ".00-mamori-canary.docx,.zz-mamori-canary.xlsx", 0, 0,
            "their names: one that sorts first, one that sorts last"),
    MMR_CFG(struct mmr_ransom_config, hold, MMR_CFG_MSEC, 0, "0s", 0, 30000,
            "how long a suspect's processes stand still for the verdict (3s is good, and what 'mamori agree' sets); 0s: never, it is only told"),
    MMR_CFG(struct mmr_ransom_config, threshold, MMR_CFG_INT, 0, "12", 4, 100000, "files encrypted or destroyed by one group of processes within window"),
    MMR_CFG(struct mmr_ransom_config, window, MMR_CFG_MSEC, 0, "10s", 1000, 600000, "see threshold"),
    MMR_CFG(struct mmr_ransom_config, never_hold, MMR_CFG_STRV, 0, "systemd,init,sshd,dbus-daemon,dockerd,containerd,NetworkManager", 0, 0,
            "programs of the system's folders never made to stand still"),
    MMR_CFG(struct mmr_ransom_config, trusted, MMR_CFG_STRV, 0,
            "dpkg,apt-get,apt,rpm,rsync,git,tar,unzip,restic,borg,duplicity,rclone,syncthing,gocryptfs,cryfs,encfs,ld,cc1,cc1plus", 0, 0,
            "programs of the system's folders that rewrite files for a living or put back what was saved: not counted, and canaries are theirs to write"),
    MMR_CFG(struct mmr_ransom_config, counter, MMR_CFG_BOOL, 0, "yes", 0, 0,
            "count in the kernel too, which stops a program at once; only with hold, and where the kernel can"),
    MMR_CFG(struct mmr_ransom_config, scope, MMR_CFG_STR, 0, "host", 0, 0, "host, cgroup or netns: whose doings count"),
    {0},
};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const char *const events[] = {"finding", "sensor.mode", "sensor.drops", NULL};

MMR_PLUGIN(ransom) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.ransom",
    .name = "Encryption of files",
    .version = MMR_VERSION,
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Programs that encrypt or destroy files: canaries whose writers are held, and what a group of processes does to files",
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .needs = MMR_NEED_FANOTIFY | MMR_NEED_FILES_RO | MMR_NEED_FILES_RW | MMR_NEED_PROC | MMR_NEED_KILL | MMR_NEED_BPF,
    .events = events,
    .config = config_keys,
    .config_size = sizeof(struct mmr_ransom_config),
    .create = create,
    .destroy = destroy,
    .on_fd = on_fd,
    .on_timer = on_timer,
    .sensor = &sensor,
};
