/*
 * fault.c - a plugin that fails on request, and three that do not: the supervisor's opponents. Which one this file
 * becomes is said by FAULT at compile time, so that each is a .so of its own.
 *
 *   null      a sensor that dereferences NULL in a timer
 *   spin      a sensor that never comes back from a timer
 *   leak      a sensor that takes memory and keeps it
 *   flood     a sensor that emits as fast as it is called
 *   bad       a sensor that emits what is not allowed
 *   refuse    cannot be created
 *   sensor    emits a process.start each period
 *   analyzer  turns each process.start of its host into a finding
 *   responder carries out block.addr by saying so
 */
#include <mamori/action.h>
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <stdlib.h>
#include <string.h>

#define TEXT(x) TEXT2(x)
#define TEXT2(x) #x
#define NAME TEXT(FAULT)

struct config {
    int64_t after, period;
};
struct self {
    const struct mmr_host *host;
    int64_t period;
    uint64_t n;
    uint8_t buf[4096];
};

static const struct mmr_cfg_key rows[] = {
    MMR_CFG(struct config, after, MMR_CFG_MSEC, MMR_CFG_RELOADABLE, "300ms", 0, 600000, "when it begins"),
    MMR_CFG(struct config, period, MMR_CFG_MSEC, MMR_CFG_RELOADABLE, "100ms", 1, 600000, "and how often it goes on"),
    {0},
};

static int emit(struct self *s, const char *kind, const char *text)
{
    struct mmr_event ev;
    bool is_finding = strcmp(kind, "finding") == 0;
    mmr_event_begin(&ev, s->buf, sizeof s->buf, kind, is_finding ? MMR_CLASS_FINDING : MMR_CLASS_PROCESS, 1,
                    s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), is_finding ? 4 : 1);
    mmr_event_str(&ev, "process.name", text);
    return mmr_event_emit(&ev, s->host);
}

static void misbehave(struct self *s)
{
    if (strcmp(NAME, "null") == 0) {
        volatile int *volatile nowhere = NULL;
        *nowhere = 1;
    } else if (strcmp(NAME, "spin") == 0) {
        for (volatile unsigned forever = 1; forever;)
            ;
    } else if (strcmp(NAME, "leak") == 0) {
        void *p = malloc(8 << 20);
        if (p)
            memset(p, 1, 8 << 20); /* touched, so that it is resident; the address is forgotten on purpose */
        __asm__ volatile("" : : "r"(p) : "memory");
    } else if (strcmp(NAME, "flood") == 0) {
        for (int i = 0; i < 5000; i++)
            (void)emit(s, "process.start", "flood");
    } else if (strcmp(NAME, "bad") == 0) {
        (void)emit(s, "undeclared.kind", "bad");
        (void)s->host->emit(s->host->impl, "\xc1\xc1", 2);
    }
}

static void on_timer(void *self, uint64_t cookie)
{
    struct self *s = self;
    s->n++;
    (void)emit(s, "process.start", NAME);
    misbehave(s);
    (void)s->host->set_timer(s->host->impl, s->period, cookie);
}

static int create(const struct mmr_host *host, const void *config, void **ret, struct mmr_error *err)
{
    const struct config *c = config;
    if (strcmp(NAME, "refuse") == 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "this machine has no such device");
    struct self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    s->host = host;
    s->period = c->period;
    if (strcmp(NAME, "analyzer") != 0 && strcmp(NAME, "responder") != 0)
        (void)host->set_timer(host->impl, c->after, 1);
    *ret = s;
    return 0;
}
static void destroy(void *self)
{
    free(self);
}
static int start(void *self, struct mmr_error *err)
{
    (void)self;
    (void)err;
    return 0;
}
static void stop(void *self)
{
    struct self *s = self;
    (void)s->host->set_timer(s->host->impl, -1, 1);
}
static int event(void *self, const void *p, size_t len, struct mmr_error *err)
{
    struct mmr_event_view v;
    char name[32] = "";
    int r = mmr_event_read(p, len, &v, err);
    if (r)
        return r;
    (void)mmr_event_copy_str(&v, "process.name", name, sizeof name);
    return emit(self, "finding", name);
}
static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    struct self *s = self;
    struct mmr_event_view v;
    struct mmr_event ev;
    int r = mmr_event_read(a->msgpack, a->len, &v, err);
    if (r)
        return r;
    if (mmr_value_is(mmr_event_get(&v, "addr"), "127.0.0.1"))
        return mmr_fail(err, MMR_EPERM, "127.0.0.1 is never blocked");
    mmr_event_begin_map(&ev, s->buf, sizeof s->buf);
    mmr_event_str(&ev, "result", "applied");
    mmr_event_int(&ev, "flags", a->flags);
    mmr_event_int(&ev, "ttl", a->ttl_ms);
    r = mmr_event_end(&ev);
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
    if (c->period == 13)
        return mmr_fail(err, MMR_ECONFIG, "a period of 13 ms brings bad luck");
    s->n = (uint64_t)c->period;
    return 0;
}
static void commit(void *self)
{
    struct self *s = self;
    s->period = (int64_t)s->n;
}
static void abort_reload(void *self)
{
    (void)self;
}

static const char *const process[] = {"process.start", NULL};
static const char *const finding[] = {"finding", NULL};
static const char *const verbs[] = {"block.addr", NULL};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event};
static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};

#define ANALYZER (sizeof NAME == sizeof "analyzer")
#define RESPONDER (sizeof NAME == sizeof "responder")
/* the three are told apart by their names' lengths, which constant expressions may compare; "analyzer" has 8 letters,
 * "responder" 9, and no other name here has either */
MMR_PLUGIN(fault) = {
    MMR_PLUGIN_HEAD,
    .id = "test." NAME, .name = NAME, .version = "0.1.0", .license = "Apache-2.0", .side = MMR_SIDE_ENDPOINT,
    .detects = ANALYZER ? MMR_DETECT_HOST : 0,
    .actions = RESPONDER ? verbs : NULL,
    .events = ANALYZER ? finding : RESPONDER ? NULL : process,
    .subscribes = ANALYZER ? process : NULL,
    .config = rows, .config_size = sizeof(struct config),
    .create = create, .destroy = destroy, .on_timer = on_timer,
    .reload_prepare = prepare, .reload_commit = commit, .reload_abort = abort_reload,
    .sensor = ANALYZER || RESPONDER ? NULL : &sensor,
    .analyzer = ANALYZER ? &analyzer : NULL,
    .responder = RESPONDER ? &responder : NULL,
};
