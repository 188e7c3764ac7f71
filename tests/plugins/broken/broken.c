/*
 * broken.c - a sound plugin (sensor, analyzer, responder), and what it takes to break it in one place. BROKEN names the
 * fault at compile time (sound: none), so that each is a .so of its own; check.py says what `mamori plugin check` must say of it.
 */
#include <mamori/action.h>
#include <mamori/event.h>
#include <mamori/net.h>
#include <mamori/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/eventfd.h>
#include <time.h>
#include <unistd.h>

#define TEXT(x) TEXT2(x)
#define TEXT2(x) #x
static bool is(const char *fault)
{
    return strcmp(TEXT(BROKEN), fault) == 0;
}

struct config {
    const char *name;
    int64_t period;
};
struct self {
    const struct mmr_host *host;
    int64_t period, next_period;
    pthread_t thread;
    atomic_bool is_over;
    bool has_thread, has_stopped;
    int fd;
    uint8_t buf[4096];
};

static const struct mmr_cfg_key rows[] = {
    MMR_CFG(struct config, name, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "a name"),
#ifdef BROKEN_ROWS
    {"period", MMR_CFG_MSEC, 0, sizeof(struct config), 0, "1s", 1, 600000, "lies outside the struct"},
#else
    MMR_CFG(struct config, period, MMR_CFG_MSEC, MMR_CFG_RELOADABLE, "1s", 1, 600000, "how often"),
#endif
    {0},
};

static void spend_ms(long ms)
{
    struct timespec from, now;
    (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &from);
    do
        (void)clock_gettime(CLOCK_THREAD_CPUTIME_ID, &now);
    while ((now.tv_sec - from.tv_sec) * 1000 + (now.tv_nsec - from.tv_nsec) / 1000000 < ms);
}

#ifdef BROKEN_CONSTRUCTOR
static void *nothing(void *arg)
{
    return arg;
}
static void on_signal(int sig)
{
    (void)sig; /* never delivered */
}
__attribute__((constructor)) static void on_load(void)
{
    pthread_t t;
    struct sigaction sa = {.sa_handler = SIG_IGN};
    if (is("constructor_file"))
        (void)!open("mamori-was-here", O_CREAT | O_WRONLY, 0600);
    else if (is("constructor_thread"))
        (void)pthread_create(&t, NULL, nothing, NULL);
    else if (is("constructor_slow"))
        spend_ms(400);
    else if (is("constructor_environment"))
        (void)setenv("LANG", "broken", 1);
    else if (is("constructor_signal")) {
        sa.sa_handler = on_signal;
        (void)sigaction(SIGUSR1, &sa, NULL);
    }
}
#endif

static int emit(struct self *s, const char *kind)
{
    struct mmr_event ev;
    mmr_event_begin(&ev, s->buf, sizeof s->buf, kind, strcmp(kind, "finding") == 0 ? MMR_CLASS_FINDING : MMR_CLASS_PROCESS, 1,
                    s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), 1);
    mmr_event_str(&ev, "process.name", "x");
    return mmr_event_emit(&ev, s->host);
}

static void *emits_itself(void *arg)
{
    struct self *s = arg;
    const struct timespec moment = {.tv_nsec = 1000000};
    uint8_t buf[512];
    while (!atomic_load(&s->is_over)) {
        struct mmr_event ev;
        mmr_event_begin(&ev, buf, sizeof buf, "process.start", MMR_CLASS_PROCESS, 1, 1, 1);
        (void)mmr_event_emit(&ev, s->host);
        (void)nanosleep(&moment, NULL);
    }
    return NULL;
}

static int create(const struct mmr_host *host, const void *config, void **ret, struct mmr_error *err)
{
    const struct config *c = config;
    if (is("crash_in_create")) {
        volatile int *volatile nowhere = NULL;
        *nowhere = 1;
    }
    if (is("no_text"))
        return MMR_EIO;
    if (is("odd_code"))
        return mmr_fail(err, -4711, "an error nobody knows");
    if (is("no_instance"))
        return 0;
    if (is("hang_in_create"))
        (void)pause();
    struct self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    s->host = host;
    s->period = c->period;
    s->fd = eventfd(0, EFD_CLOEXEC | (is("blocks_on_descriptor") ? 0 : EFD_NONBLOCK));
    if (is("leak_memory")) {
        void *p = malloc(100);
        __asm__ volatile("" : : "r"(p) : "memory"); /* forgotten on purpose */
    }
    if (is("thread_emits"))
        s->has_thread = pthread_create(&s->thread, NULL, emits_itself, s) == 0;
    *ret = s;
    return 0;
}

static void destroy(void *self)
{
    struct self *s = self;
    if (!s)
        return;
    atomic_store(&s->is_over, true);
    if (s->has_thread)
        (void)pthread_join(s->thread, NULL);
    if (is("crash_in_destroy"))
        abort();
    if (s->fd >= 0 && !is("leak_descriptor"))
        (void)close(s->fd);
    free(s);
    static bool is_registered;
    if (is("ends_badly") && !is_registered)
        is_registered = atexit(abort) == 0;
}

static int start(void *self, struct mmr_error *err)
{
    struct self *s = self;
    if (is("starts_once") && s->has_stopped)
        return mmr_fail(err, MMR_EINVAL, "started already");
    (void)s->host->watch_fd(s->host->impl, s->fd, MMR_FD_READ, 7);
    return s->host->set_timer(s->host->impl, s->period, 1);
}

static void stop(void *self)
{
    struct self *s = self;
    s->has_stopped = true;
    (void)s->host->watch_fd(s->host->impl, s->fd, 0, 0);
    if (!is("emits_after_stop"))
        (void)s->host->set_timer(s->host->impl, -1, 1);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct self *s = self;
    const struct timespec fifth = {.tv_nsec = 200000000};
    if (is("sleeps_in_timer"))
        (void)nanosleep(&fifth, NULL);
    if (is("computes_in_timer"))
        spend_ms(1500);
    if (is("exits"))
        _exit(0);
    if (is("emits_rubbish"))
        (void)s->host->emit(s->host->impl, "\xc1", 1);
    (void)emit(s, is("emits_undeclared") ? "something.else" : "process.start");
    (void)s->host->set_timer(s->host->impl, s->period, cookie);
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    uint64_t v;
    (void)self;
    (void)rw;
    (void)cookie;
    (void)!read(fd, &v, sizeof v);
}

static int event(void *self, const void *p, size_t len, struct mmr_error *err)
{
    static struct mmr_event_view v; /* too large for a stack that others share */
    int r = mmr_event_read(p, len, &v, err);
    if (r)
        return r;
    const struct mmr_value *name = mmr_event_get(&v, "process.name");
    if (is("believes_types") && name && name->type != MMR_VAL_STR)
        abort();
    return name && mmr_value_is(name, "sshd") ? emit(self, "finding") : 0;
}

static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    struct self *s = self;
    struct mmr_event ev;
    if (is("unknown_verb") && strcmp(a->verb, "cut.flow") == 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "the verb '%s' is not known here", a->verb);
    if (is("no_receipt"))
        return 0;
    mmr_event_begin_map(&ev, s->buf, sizeof s->buf);
    mmr_event_str(&ev, "result", is("odd_receipt") ? "splendid" : "applied");
    mmr_event_bool(&ev, "dry_run", a->flags & MMR_ACT_DRY_RUN);
    int r = mmr_event_end(&ev);
    return r ? r : s->host->action_done(s->host->impl, a->id, 0, ev.buf, ev.len);
}

static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    (void)self;
    (void)live;
    (void)n;
    (void)err;
    return 0;
}

static int prepare(void *self, const void *config, struct mmr_error *err)
{
    struct self *s = self;
    const struct config *c = config;
    if (is("reload_refuses"))
        return mmr_fail(err, MMR_ECONFIG, "not today");
    s->next_period = c->period;
    return 0;
}
static void commit(void *self)
{
    struct self *s = self;
    s->period = s->next_period;
}
static void abort_reload(void *self)
{
    (void)self;
}

static void item(void *self, const void *p)
{
    const struct mmr_flow *f = p;
    (void)self;
    (void)f->id;
}

static const void *extension(const char *id)
{
    static const struct mmr_sink sink = {.struct_size = sizeof sink, .item = item};
    return is("answers_any_extension") || strcmp(id, MMR_TOPIC_FLOW) == 0 ? &sink : NULL;
}

static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event};
__attribute__((unused)) static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};

#ifdef BROKEN_EXPORT
__attribute__((visibility("default"))) int another_name(void);
int another_name(void)
{
    return 1;
}
#endif
#ifdef BROKEN_TEXTREL
__asm__(".pushsection .text\n.quad stderr\n.popsection");
#endif
#ifdef BROKEN_WCODE
__asm__(".pushsection .wcode,\"awx\",@progbits\nnop\n.popsection");
#endif
#ifndef ID
#define ID "org.example.broken"
#endif
#ifndef EVENTS
#define EVENTS ((const char *const[]){"process.start", "finding", NULL})
#endif
#ifndef HEAD
#define HEAD MMR_PLUGIN_HEAD
#endif
#ifndef NEEDS
#define NEEDS 0
#endif
#ifndef RESPONDER
#define RESPONDER &responder
#endif

MMR_PLUGIN(broken) = {
    HEAD, .id = ID, .name = "broken", .version = "0.1.0", .license = "Apache-2.0", .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST, .needs = NEEDS, .config = rows, .config_size = sizeof(struct config), .create = create, .destroy = destroy,
    .reload_prepare = prepare, .reload_commit = commit, .reload_abort = abort_reload, .on_timer = on_timer, .on_fd = on_fd,
    .events = EVENTS, .subscribes = (const char *const[]){"process.start", "login.failed", NULL}, .actions = (const char *const[]){"block.addr", "cut.flow", NULL},
    .sensor = &sensor, .analyzer = &analyzer, .responder = RESPONDER, .extension = extension,
};
