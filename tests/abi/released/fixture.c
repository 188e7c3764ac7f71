/*
 * fixture.c - what is kept of each released minor version: a plugin of every role, built once with the SDK of that release, as
 *   cc -O2 -s -shared -fPIC -fvisibility=hidden -D_GNU_SOURCE -DMMR_PLUGIN_SHARED -Isdk/include -Wl,-z,defs,-z,now,-z,noexecstack \
 *      -Wl,--exclude-libs,ALL tests/abi/released/fixture.c sdk/src/event.c -o tests/abi/released/abi-MAJOR.MINOR.MACHINE.so
 * The file is never built again: today's host must go on loading it.
 */
#include <mamori/action.h>
#include <mamori/event.h>
#include <mamori/net.h>
#include <mamori/plugin.h>

#include <stdlib.h>
#include <string.h>

struct config {
    const char *text;
    int64_t number, period, size;
    bool is_on;
    struct mmr_strv list;
};
static const struct mmr_cfg_key rows[] = {
    MMR_CFG(struct config, text, MMR_CFG_STR, 0, "a text", 0, 0, "a text"),
    MMR_CFG(struct config, number, MMR_CFG_INT, 0, "7", 1, 9, "a number"),
    MMR_CFG(struct config, period, MMR_CFG_MSEC, MMR_CFG_RELOADABLE, "1s", 10, 600000, "a time"),
    MMR_CFG(struct config, size, MMR_CFG_BYTES, 0, "64K", 0, 0, "a size"),
    MMR_CFG(struct config, is_on, MMR_CFG_BOOL, 0, "yes", 0, 0, "a switch"),
    MMR_CFG(struct config, list, MMR_CFG_STRV, 0, "a, b", 0, 0, "a list"),
    {0},
};
struct self {
    const struct mmr_host *host;
    const struct config *config, *next;
    const struct mmr_topic *topic;
    uint64_t items;
    struct mmr_event_view view;
    uint8_t buf[4096];
};

static int emit(struct self *s, const char *kind, int32_t class_uid)
{
    struct mmr_event ev;
    mmr_event_begin(&ev, s->buf, sizeof s->buf, kind, class_uid, 1, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), 1);
    mmr_event_str(&ev, "message", s->config->text);
    mmr_event_strv(&ev, "mamori.attack", s->config->list.v, s->config->list.n);
    return mmr_event_emit(&ev, s->host);
}
static int create(const struct mmr_host *host, const void *config, void **ret, struct mmr_error *err)
{
    const struct config *c = config;
    if (!MMR_HAS(host, forward_done) || c->number < 1 || c->number > 9)
        return mmr_fail(err, MMR_EUNSUPPORTED, "this host is older than the plugin");
    struct self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    s->host = host;
    s->config = c;
    s->topic = host->extension(host->impl, "fixture.item/0");
    *ret = s;
    return 0;
}
static void destroy(void *self)
{
    free(self);
}
static int start(void *self, struct mmr_error *err)
{
    struct self *s = self;
    (void)err;
    return s->host->set_timer(s->host->impl, s->config->period, 1);
}
static void stop(void *self)
{
    struct self *s = self;
    (void)s->host->set_timer(s->host->impl, -1, 1);
}
static void on_committed(void *self, uint64_t upto)
{
    (void)self;
    (void)upto;
}
static void on_timer(void *self, uint64_t cookie)
{
    struct self *s = self;
    (void)emit(s, "fixture.tick", MMR_CLASS_EVENT_LOG);
    if (s->topic && s->topic->sinks)
        s->topic->publish(s->host->impl, s->topic, &s->items);
    (void)s->host->set_timer(s->host->impl, s->config->period, cookie);
}
static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    (void)self;
    (void)fd;
    (void)rw;
    (void)cookie;
}
static void on_wake(void *self)
{
    (void)self;
}
static int event(void *self, const void *p, size_t len, struct mmr_error *err)
{
    struct self *s = self;
    int r = mmr_event_read(p, len, &s->view, err);
    return r || !mmr_value_is(mmr_event_get(&s->view, "process.name"), "sshd") ? r : emit(s, "finding", MMR_CLASS_FINDING);
}
static int finish(void *self, struct mmr_error *err)
{
    (void)self;
    (void)err;
    return 0;
}
static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    struct self *s = self;
    struct mmr_event map;
    (void)err;
    mmr_event_begin_map(&map, s->buf, sizeof s->buf);
    mmr_event_str(&map, "result", a->flags & MMR_ACT_UNDO ? "already" : "applied");
    int r = mmr_event_end(&map);
    return r ? r : s->host->action_done(s->host->impl, a->id, 0, map.buf, map.len);
}
static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    (void)self;
    (void)live;
    (void)n;
    (void)err;
    return 0;
}
static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    struct self *s = self;
    (void)data;
    (void)len;
    (void)err;
    return s->host->forward_done(s->host->impl, seq, MMR_DELIVERY_RECIPIENT, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), NULL);
}
static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    (void)self;
    (void)deadline_ms;
    (void)err;
    return 0;
}
static int prepare(void *self, const void *config, struct mmr_error *err)
{
    struct self *s = self;
    (void)err;
    s->next = config;
    return 0;
}
static void commit(void *self)
{
    struct self *s = self;
    s->config = s->next;
}
static void abort_reload(void *self)
{
    (void)self;
}
static void item(void *self, const void *p)
{
    struct self *s = self;
    (void)p;
    s->items++;
}
static const void *extension(const char *id)
{
    static const struct mmr_sink sink = {.struct_size = sizeof sink, .item = item};
    return strcmp(id, MMR_TOPIC_FLOW) == 0 ? &sink : NULL;
}

static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop, .on_committed = on_committed};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event, .finish = finish};
static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};
static const struct mmr_forwarder_ops forwarder = {.struct_size = sizeof forwarder, .forward = forward, .flush = flush};

MMR_PLUGIN(fixture) = {
    MMR_PLUGIN_HEAD, .id = "org.example.fixture", .name = "fixture", .version = "1.0.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "one of every role, kept as it was built", .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT, .detects = MMR_DETECT_HOST,
    .actions = (const char *const[]){"block.addr", NULL}, .events = (const char *const[]){"finding", "fixture.tick", NULL},
    .config = rows, .config_size = sizeof(struct config), .create = create, .destroy = destroy, .reload_prepare = prepare,
    .reload_commit = commit, .reload_abort = abort_reload, .on_fd = on_fd, .on_timer = on_timer, .on_wake = on_wake,
    .subscribes = (const char *const[]){"process.start", NULL}, .sensor = &sensor, .analyzer = &analyzer, .responder = &responder,
    .forwarder = &forwarder, .extension = extension,
};
