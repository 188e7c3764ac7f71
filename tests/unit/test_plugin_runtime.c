/* The runtime in virtual time, and replay on it: routing, order, timers, topics, reload, merging. */
#include "plugin/runtime.h"

#include "plugin/describe.h"
#include "plugin/replay.h"

#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#define T0 INT64_C(1650000000000000000)
#define S INT64_C(1000000000)
#define MS INT64_C(1000000)

/* Everything the plugins below see and do goes here, in order. */
static char diary[16384];

__attribute__((format(printf, 1, 2))) static void note(const char *fmt, ...)
{
    size_t at = strlen(diary);
    va_list ap;
    va_start(ap, fmt);
    (void)vsnprintf(diary + at, sizeof diary - at, fmt, ap);
    va_end(ap);
}

/* One plugin for all: what it does follows from its configuration. */
struct config {
    const char *tag;
    int64_t tick;
    const char *reacts; /* emits this kind for every event it reads */
};
struct self {
    const struct mmr_host *host;
    struct config c;
    const struct config *next;
    const struct mmr_topic *topic;
    uint64_t ticks;
    FILE *in;
    int64_t next_ns;
    char name[64];
};

static const struct mmr_cfg_key rows[] = {
    MMR_CFG(struct config, tag, MMR_CFG_STR, 0, "x", 0, 0, "name in the diary"),
    MMR_CFG(struct config, tick, MMR_CFG_MSEC, 0, "0ms", 0, 3600000, "timer period"),
    MMR_CFG(struct config, reacts, MMR_CFG_STR, 0, NULL, 0, 0, "kind emitted for each event read"),
    {0},
};

static int emit(struct self *s, const char *kind, const char *text, int64_t time_ns)
{
    uint8_t buf[4096];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, kind, strcmp(kind, "finding") == 0 ? 2004 : 1007, 1, time_ns, 1);
    mmr_event_str(&ev, "message", text);
    return mmr_event_emit(&ev, s->host);
}

static int create(const struct mmr_host *host, const void *config, void **ret, struct mmr_error *err)
{
    const struct config *c = config;
    if (strcmp(c->tag, "broken") == 0)
        return mmr_fail(err, MMR_EIO, "tag is 'broken'");
    struct self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "no memory");
    s->host = host;
    s->c = *c;
    s->topic = host->extension(host->impl, "test.topic/0");
    if (c->tick)
        assert_int_equal(host->set_timer(host->impl, c->tick, 7), 0);
    *ret = s;
    return 0;
}
static void destroy(void *self)
{
    struct self *s = self;
    if (s && s->in)
        (void)fclose(s->in);
    if (s)
        note("destroy:%s ", s->c.tag);
    free(s);
}
static int start(void *self, struct mmr_error *err)
{
    struct self *s = self;
    note("start:%s ", s->c.tag);
    return strcmp(s->c.tag, "nostart") == 0 ? mmr_fail(err, MMR_EIO, "no device") : 0;
}
static void stop(void *self)
{
    struct self *s = self;
    note("stop:%s ", s->c.tag);
}
static void on_timer(void *self, uint64_t cookie)
{
    struct self *s = self;
    note("tick:%s@%lld ", s->c.tag, (long long)((s->host->now_ns(s->host->impl, MMR_CLOCK_WALL) - T0) / MS));
    s->ticks++;
    (void)s->host->set_timer(s->host->impl, s->c.tick, cookie);
}
static int event(void *self, const void *p, size_t len, struct mmr_error *err)
{
    struct self *s = self;
    struct mmr_event_view v;
    char kind[64], text[64] = "", from[64];
    (void)err;
    assert_int_equal(mmr_event_read(p, len, &v, err), 0);
    assert_true(mmr_event_copy_str(&v, "mamori.kind", kind, sizeof kind));
    assert_true(mmr_event_copy_str(&v, "mamori.instance", from, sizeof from));
    (void)mmr_event_copy_str(&v, "message", text, sizeof text);
    note("%s<%s:%s:%s ", s->c.tag, from, kind, text);
    if (s->c.reacts)
        (void)emit(s, s->c.reacts, text, mmr_event_get_int(&v, "time", 0));
    note("%s. ", s->c.tag);
    return 0;
}
static int finish(void *self, struct mmr_error *err)
{
    struct self *s = self;
    (void)err;
    note("finish:%s ", s->c.tag);
    return 0;
}
static void item(void *self, const void *it)
{
    struct self *s = self;
    note("%s[%s] ", s->c.tag, (const char *)it);
}
static int prepare(void *self, const void *config, struct mmr_error *err)
{
    struct self *s = self;
    const struct config *c = config;
    if (strcmp(c->tag, "bad") == 0)
        return mmr_fail(err, MMR_ECONFIG, "tag 'bad' is refused");
    s->next = c;
    note("prepare:%s ", c->tag);
    return 0;
}
static void commit(void *self)
{
    struct self *s = self;
    s->c = *s->next;
    note("commit:%s ", s->c.tag);
}
static void abort_reload(void *self)
{
    struct self *s = self;
    s->next = NULL;
    note("abort:%s ", s->c.tag);
}
static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    struct self *s = self;
    (void)err;
    note("act:%s ", a->verb);
    return s->host->action_done(s->host->impl, a->id, 0, "\x80", 1);
}
static int reconcile(void *self, const uint64_t *ids, size_t n, struct mmr_error *err)
{
    (void)self;
    (void)err;
    note("reconcile:%zu:%llu ", n, n ? (unsigned long long)ids[0] : 0);
    return 0;
}

/* replay: lines "SECONDS TEXT"; a line "!" is damage */
static int rp_open(void *self, const char *path, const char *name, const char *format, struct mmr_error *err)
{
    struct self *s = self;
    char magic[8] = "";
    if (format && strcmp(format, "lines") != 0)
        return MMR_EUNSUPPORTED;
    s->in = fopen(path, "r");
    if (!s->in)
        return mmr_fail(err, MMR_EIO, "cannot open");
    if (!fgets(magic, sizeof magic, s->in) || strcmp(magic, "LINES\n") != 0)
        return strncmp(magic, "LINE", 4) == 0 ? mmr_fail(err, MMR_EBADMSG, "damaged head") : MMR_EUNSUPPORTED;
    (void)snprintf(s->name, 32, "%s", name);
    return 0;
}
static int rp_next(void *self, int64_t *ret, struct mmr_error *err)
{
    struct self *s = self;
    char line[64];
    if (!fgets(line, sizeof line, s->in))
        return MMR_ENOENT;
    if (line[0] == '!')
        return mmr_fail(err, MMR_EBADMSG, "damage");
    char *end;
    s->next_ns = T0 + (int64_t)strtol(line, &end, 10) * S;
    end[strcspn(end, "\n")] = '\0';
    (void)snprintf(s->name + 32, sizeof s->name - 32, "%s", end + 1);
    *ret = s->next_ns;
    return 0;
}
static int rp_step(void *self, struct mmr_error *err)
{
    struct self *s = self;
    (void)err;
    return emit(s, "process.start", s->name + 32, s->next_ns);
}
static const struct mmr_replay_ops replay = {.struct_size = sizeof replay, .open = rp_open, .next = rp_next,
                                             .step = rp_step};
static const struct mmr_sink sink = {.struct_size = sizeof sink, .item = item};

static const void *no_extension(const char *id)
{
    (void)id;
    return NULL;
}
static const void *sink_extension(const char *id)
{
    return strcmp(id, "test.topic/0") == 0 ? &sink : NULL;
}
static const void *replay_extension(const char *id)
{
    return strcmp(id, "mamori.replay/0") == 0 ? &replay : NULL;
}

static const struct mmr_sensor_ops sensor_ops = {.struct_size = sizeof sensor_ops, .start = start, .stop = stop};
static const struct mmr_analyzer_ops analyzer_ops = {.struct_size = sizeof analyzer_ops, .event = event,
                                                     .finish = finish};
static const struct mmr_responder_ops responder_ops = {.struct_size = sizeof responder_ops, .act = act,
                                                       .reconcile = reconcile};
static const char *const kinds[] = {"process.start", "dns.query", NULL};
static const char *const found[] = {"finding", "dns.query", NULL};
static const char *const reads_process[] = {"process.start", NULL};
static const char *const reads_all[] = {"*", NULL};
static const char *const verbs[] = {"block.addr", NULL};

#define COMMON                                                                                     \
    MMR_PLUGIN_HEAD, .version = "0.1.0", .license = "Apache-2.0", .side = MMR_SIDE_ENDPOINT,        \
    .config = rows, .config_size = sizeof(struct config), .create = create, .destroy = destroy,     \
    .on_timer = on_timer, .reload_prepare = prepare, .reload_commit = commit, .reload_abort = abort_reload
static const struct mmr_plugin sensor = {COMMON, .id = "test.sensor", .name = "sensor", .events = kinds,
                                         .sensor = &sensor_ops, .extension = no_extension};
static const struct mmr_plugin middle = {COMMON, .id = "test.middle", .name = "middle", .events = kinds,
                                         .sensor = &sensor_ops, .extension = sink_extension};
static const struct mmr_plugin reader = {COMMON, .id = "test.reader", .name = "reader", .events = kinds,
                                         .sensor = &sensor_ops, .extension = replay_extension};
static const struct mmr_plugin analyzer = {COMMON, .id = "test.analyzer", .name = "analyzer", .events = found,
                                           .subscribes = reads_process, .analyzer = &analyzer_ops};
static const struct mmr_plugin nosy = {COMMON, .id = "test.nosy", .name = "nosy", .events = found,
                                       .subscribes = reads_all, .analyzer = &analyzer_ops};
static const struct mmr_plugin responder = {COMMON, .id = "test.responder", .name = "responder", .actions = verbs,
                                            .responder = &responder_ops};

struct owner {
    int code; /* what on_event answers */
    unsigned events, receipts;
    uint64_t last_seq;
    char ids[4096];
};
static int on_event(void *ctx, const struct mmr_runtime_event *ev)
{
    struct owner *o = ctx;
    struct mmr_event_view v;
    char text[64] = "", id[64] = "";
    if (o->code)
        return o->code;
    o->events++;
    o->last_seq = ev->seq;
    if (!ev->stamped)
        return 0;
    assert_int_equal(mmr_event_read(ev->stamped, ev->stamped_len, &v, NULL), 0);
    (void)mmr_event_copy_str(&v, "message", text, sizeof text);
    note("owner<%.*s:%s ", (int)ev->facts->kind_len, ev->facts->kind, text);
    const struct mmr_value *raw_id = mmr_event_get(&v, "mamori.id");
    assert_non_null(raw_id);
    size_t at = strlen(o->ids);
    for (uint32_t i = 0; i < raw_id->len && i < 8; i++)
        at += (size_t)snprintf(o->ids + at, sizeof o->ids - at, "%02x", raw_id->p[i]);
    (void)snprintf(o->ids + at, sizeof o->ids - at, "@%lld ",
                   (long long)((mmr_event_get_int(&v, "mamori.received", 0) - T0) / MS));
    (void)id;
    return 0;
}
static int on_receipt(void *ctx, uint32_t instance, uint64_t id, int code, const void *p, size_t len)
{
    struct owner *o = ctx;
    (void)instance;
    (void)p;
    assert_int_equal(code, 0);
    assert_int_equal(len, 1);
    assert_int_equal(id, 42);
    o->receipts++;
    return 0;
}
static const struct mmr_runtime_ops ops = {.on_event = on_event, .on_receipt = on_receipt};

static struct mmr_runtime *world(struct owner *o, bool is_raw)
{
    struct mmr_runtime *rt = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_runtime_opts opts = {.node = "n1", .core_version = "test", .ops = &ops, .ctx = o,
                                    .wants_all = !is_raw, .is_raw_owner = is_raw};
    diary[0] = '\0';
    *o = (struct owner){0};
    assert_int_equal(mmr_runtime_new(&opts, &rt, &err), 0);
    return rt;
}

/* An instance with tag, tick and reaction ("" and NULL: the default). */
static int add(struct mmr_runtime *rt, const struct mmr_plugin *p, const char *tag, const char *tick,
               const char *reacts, struct mmr_error *err)
{
    uint8_t buf[512];
    struct mmr_event ev;
    uint32_t index = 0;
    mmr_event_begin_map(&ev, buf, sizeof buf);
    mmr_event_str(&ev, "tag", tag);
    mmr_event_str(&ev, "tick", tick);
    mmr_event_str(&ev, "reacts", reacts);
    assert_int_equal(mmr_event_end(&ev), 0);
    struct mmr_runtime_instance conf = {.plugin = p, .name = tag, .side = MMR_SIDE_ENDPOINT, .state_dir = "",
                                        .packed = buf, .packed_len = ev.len};
    int r = mmr_runtime_add(rt, &conf, &index, err);
    return r ? r : (int)index;
}

static void descriptors_here_are_sound(void **state)
{
    (void)state;
    const struct mmr_plugin *const all[] = {&sensor, &middle, &reader, &analyzer, &nosy, &responder};
    for (size_t i = 0; i < sizeof all / sizeof all[0]; i++) {
        struct mmr_error err = {.struct_size = sizeof err};
        if (mmr_plugin_check(all[i], NULL, NULL, &err))
            fail_msg("%s", err.text);
    }
}

static void an_event_reaches_its_readers_once_and_never_its_emitter(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    int s = add(rt, &sensor, "s", NULL, NULL, &err);
    (void)add(rt, &analyzer, "a", NULL, "finding", &err);
    (void)add(rt, &nosy, "n", NULL, NULL, &err);
    assert_int_equal(emit(mmr_runtime_self(rt, (uint32_t)s), "process.start", "sh", T0), 0);
    /* a's finding is made inside event(): the owner has it at once, n reads it after its own turn with sh */
    assert_string_equal(diary, "owner<process.start:sh a<s:process.start:sh owner<finding:sh a. "
                               "n<s:process.start:sh n. n<a:finding:sh n. ");
    struct mmr_runtime_counters c;
    mmr_runtime_counters(rt, 0, &c);
    assert_int_equal(c.emitted, 1);
    mmr_runtime_counters(rt, 2, &c);
    assert_int_equal(c.delivered, 2);
    mmr_runtime_free(rt);
}

static void a_loop_of_analyzers_ends_and_is_counted(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    int s = add(rt, &sensor, "s", NULL, NULL, &err);
    (void)add(rt, &nosy, "n1", NULL, "dns.query", &err);
    (void)add(rt, &nosy, "n2", NULL, "finding", &err);
    assert_int_equal(emit(mmr_runtime_self(rt, (uint32_t)s), "process.start", "x", T0), 0);
    struct mmr_runtime_counters c1, c2;
    mmr_runtime_counters(rt, 1, &c1);
    mmr_runtime_counters(rt, 2, &c2);
    assert_true(c1.delivered > 3 && c1.delivered < 64);
    assert_true(c1.dropped + c2.dropped > 0);
    assert_int_equal(o.events, c1.emitted + c2.emitted + 1); /* the owner missed nothing */
    mmr_runtime_free(rt);
}

static void bad_events_are_refused_and_counted(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    struct self *s = mmr_runtime_self(rt, (uint32_t)add(rt, &sensor, "s", NULL, NULL, &err));
    assert_int_equal(emit(s, "file.create", "undeclared", T0), MMR_EBADMSG);
    assert_int_equal(s->host->emit(s->host->impl, "\xc1", 1), MMR_EBADMSG);
    assert_int_equal(s->host->emit(s->host->impl, "", 0), MMR_EBADMSG);
    uint8_t buf[512];
    struct mmr_event ev;
    mmr_event_begin(&ev, buf, sizeof buf, "process.start", 1007, 1, T0, 1);
    mmr_event_str(&ev, "mamori.node", "other"); /* pretending to be another machine */
    assert_int_equal(mmr_event_emit(&ev, s->host), MMR_EBADMSG);
    struct mmr_runtime_counters c;
    mmr_runtime_counters(rt, 0, &c);
    assert_int_equal(c.refused, 4);
    assert_int_equal(c.emitted, 0);
    assert_int_equal(o.events, 0);
    mmr_runtime_free(rt);
}

static void a_full_owner_stops_the_emitter_and_loses_nothing(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    struct self *s = mmr_runtime_self(rt, (uint32_t)add(rt, &sensor, "s", NULL, NULL, &err));
    (void)add(rt, &analyzer, "a", NULL, NULL, &err);
    o.code = MMR_EAGAIN;
    assert_int_equal(emit(s, "process.start", "x", T0), MMR_EAGAIN);
    assert_string_equal(diary, ""); /* nobody saw it: it will come whole */
    o.code = 0;
    assert_int_equal(emit(s, "process.start", "x", T0), 0);
    assert_int_equal(o.last_seq, 1);
    assert_string_equal(diary, "owner<process.start:x a<s:process.start:x a. ");
    mmr_runtime_free(rt);
}

static void a_raw_owner_gets_findings_and_what_it_wants(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, true);
    struct mmr_error err = {.struct_size = sizeof err};
    struct self *s = mmr_runtime_self(rt, (uint32_t)add(rt, &sensor, "s", NULL, NULL, &err));
    struct self *a = mmr_runtime_self(rt, (uint32_t)add(rt, &analyzer, "a", NULL, NULL, &err));
    assert_int_equal(emit(s, "process.start", "x", T0), 0);
    assert_int_equal(o.events, 0); /* telemetry stays here */
    assert_int_equal(emit(a, "finding", "x", T0), 0);
    assert_int_equal(o.events, 1);
    assert_int_equal(mmr_runtime_want(rt, "process.start"), 0);
    assert_int_equal(emit(s, "process.start", "y", T0), 0);
    assert_int_equal(o.events, 2);
    assert_int_equal(o.last_seq, 2);
    mmr_runtime_free(rt);
}

static void sinks_start_before_sources_and_stop_after(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    int s = add(rt, &sensor, "s", NULL, NULL, &err);
    (void)add(rt, &middle, "m", NULL, NULL, &err);
    struct self *self = mmr_runtime_self(rt, (uint32_t)s);
    assert_int_equal(self->topic->sinks, 1); /* although m came later */
    assert_int_equal(mmr_runtime_start(rt, &err), 0);
    self->topic->publish(self->host->impl, self->topic, "hello");
    mmr_runtime_stop(rt);
    assert_int_equal(emit(self, "process.start", "late", T0), MMR_EINVAL);
    mmr_runtime_free(rt);
    assert_string_equal(diary, "start:m start:s m[hello] stop:s stop:m destroy:m destroy:s ");
}

static void a_failed_start_stops_what_runs(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    (void)add(rt, &sensor, "s", NULL, NULL, &err);
    (void)add(rt, &sensor, "nostart", NULL, NULL, &err);
    assert_int_equal(mmr_runtime_start(rt, &err), MMR_EIO);
    assert_non_null(strstr(err.text, "'nostart'"));
    assert_non_null(strstr(err.text, "no device"));
    assert_string_equal(diary, "start:s start:nostart stop:s ");
    mmr_runtime_free(rt);
}

static void an_instance_that_cannot_be_created_leaves_nothing(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    assert_int_equal(add(rt, &nosy, "broken", "5s", NULL, &err), MMR_EIO);
    assert_non_null(strstr(err.text, "'broken'"));
    assert_int_equal(add(rt, &nosy, "n", "five", NULL, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "tick"));
    assert_int_equal(mmr_runtime_count(rt), 0);
    assert_int_equal(mmr_runtime_next_timer(rt), INT64_MAX);
    int s = add(rt, &sensor, "s", NULL, NULL, &err);
    assert_int_equal(add(rt, &sensor, "s", NULL, NULL, &err), MMR_EINVAL); /* the name is taken */
    assert_int_equal(emit(mmr_runtime_self(rt, (uint32_t)s), "process.start", "x", T0), 0);
    mmr_runtime_free(rt);
}

static void timers_fire_in_order_of_time_then_instance(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    (void)add(rt, &sensor, "a", "300ms", NULL, &err);
    (void)add(rt, &sensor, "b", "200ms", NULL, &err);
    mmr_runtime_begin(rt, T0); /* what was set before data time began keeps its distance */
    assert_int_equal(mmr_runtime_next_timer(rt), T0 + 200 * MS);
    mmr_runtime_advance(rt, T0 + 600 * MS);
    assert_string_equal(diary, "tick:b@200 tick:a@300 tick:b@400 tick:a@600 tick:b@600 ");
    assert_int_equal(mmr_runtime_now_ns(rt), T0 + 600 * MS);
    mmr_runtime_advance(rt, T0); /* never backwards */
    assert_int_equal(mmr_runtime_now_ns(rt), T0 + 600 * MS);
    mmr_runtime_free(rt);
}

static void a_long_silence_costs_bounded_work(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    struct self *s = mmr_runtime_self(rt, (uint32_t)add(rt, &sensor, "a", "1s", NULL, &err));
    mmr_runtime_begin(rt, T0);
    mmr_runtime_advance(rt, T0 + INT64_C(100) * 365 * 86400 * S);
    assert_int_equal(s->ticks, 6 * 3600 + 1); /* six hours of them, and one when the silence ends */
    assert_int_equal(mmr_runtime_next_timer(rt), T0 + INT64_C(100) * 365 * 86400 * S + S);
    mmr_runtime_free(rt);
}

struct asker {
    const struct mmr_host *host;
    _Atomic bool is_over;
    _Atomic uint64_t asked;
    bool went_back;
};

static void *ask_the_time(void *ctx)
{
    struct asker *k = ctx;
    for (int64_t now, last = T0; !k->is_over; last = now, k->asked++) {
        now = k->host->now_ns(k->host->impl, MMR_CLOCK_WALL);
        k->went_back |= now < last;
    }
    return NULL;
}

/* now_ns() is [any]: under the thread sanitizer this shows that it may be. */
static void the_time_of_replay_may_be_asked_from_any_thread(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    struct self *s = mmr_runtime_self(rt, (uint32_t)add(rt, &sensor, "a", "0ms", NULL, &err));
    struct asker k = {.host = s->host};
    pthread_t t;
    mmr_runtime_begin(rt, T0);
    assert_int_equal(pthread_create(&t, NULL, ask_the_time, &k), 0);
    int64_t at = T0;
    for (uint64_t i = 0; i < 1000 || k.asked < 1000; i++)
        mmr_runtime_advance(rt, ++at);
    k.is_over = true;
    assert_int_equal(pthread_join(t, NULL), 0);
    assert_false(k.went_back);
    assert_int_equal(mmr_runtime_now_ns(rt), at);
    mmr_runtime_free(rt);
}

static void a_timer_set_again_moves_and_negative_stops_it(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    struct self *s = mmr_runtime_self(rt, (uint32_t)add(rt, &sensor, "a", NULL, NULL, &err));
    mmr_runtime_begin(rt, T0);
    for (int64_t i = 0; i < 50; i++)
        assert_int_equal(s->host->set_timer(s->host->impl, 1000 - i * 10, (uint64_t)i), 0);
    for (int64_t i = 0; i < 50; i += 2)
        assert_int_equal(s->host->set_timer(s->host->impl, -1, (uint64_t)i), 0);
    assert_int_equal(s->host->set_timer(s->host->impl, 5, 49), 0);
    assert_int_equal(mmr_runtime_next_timer(rt), T0 + 5 * MS);
    s->c.tick = -1; /* do not set again */
    mmr_runtime_advance(rt, T0 + 1000 * MS);
    assert_int_equal(s->ticks, 25);
    assert_int_equal(mmr_runtime_next_timer(rt), INT64_MAX);
    mmr_runtime_free(rt);
}

static void reload_applies_whole_or_not_at_all(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    (void)add(rt, &sensor, "s", NULL, NULL, &err);
    (void)add(rt, &analyzer, "a", NULL, NULL, &err);
    uint8_t good[64], bad[64], wrong[64];
    struct mmr_event ev;
    mmr_event_begin_map(&ev, good, sizeof good);
    mmr_event_str(&ev, "tag", "new");
    assert_int_equal(mmr_event_end(&ev), 0);
    size_t good_len = ev.len;
    mmr_event_begin_map(&ev, bad, sizeof bad);
    mmr_event_str(&ev, "tag", "bad");
    assert_int_equal(mmr_event_end(&ev), 0);
    size_t bad_len = ev.len;
    mmr_event_begin_map(&ev, wrong, sizeof wrong);
    mmr_event_str(&ev, "tagg", "new");
    assert_int_equal(mmr_event_end(&ev), 0);

    assert_int_equal(mmr_runtime_prepare(rt, 0, good, good_len, &err), 0);
    assert_int_equal(mmr_runtime_prepare(rt, 1, bad, bad_len, &err), MMR_ECONFIG);
    assert_non_null(strstr(err.text, "refused"));
    mmr_runtime_abort(rt);
    assert_string_equal(diary, "prepare:new abort:s ");
    assert_int_equal(mmr_runtime_prepare(rt, 0, wrong, ev.len, &err), MMR_ECONFIG);
    diary[0] = '\0';
    assert_int_equal(mmr_runtime_prepare(rt, 0, good, good_len, &err), 0);
    assert_int_equal(mmr_runtime_prepare(rt, 1, good, good_len, &err), 0);
    mmr_runtime_commit(rt);
    assert_string_equal(diary, "prepare:new prepare:new commit:new commit:new ");
    mmr_runtime_free(rt);
}

static void actions_reach_only_who_declares_the_verb(void **state)
{
    (void)state;
    struct owner o;
    struct mmr_runtime *rt = world(&o, false);
    struct mmr_error err = {.struct_size = sizeof err};
    (void)add(rt, &responder, "r", NULL, NULL, &err);
    (void)add(rt, &sensor, "s", NULL, NULL, &err);
    struct mmr_action a = {.struct_size = sizeof a, .id = 42, .verb = "block.addr", .msgpack = "\x80", .len = 1};
    assert_int_equal(mmr_runtime_act(rt, 0, &a, &err), 0);
    assert_int_equal(o.receipts, 1);
    assert_int_equal(mmr_runtime_act(rt, 1, &a, &err), MMR_ENOENT);
    assert_int_equal(mmr_runtime_act(rt, 9, &a, &err), MMR_ENOENT);
    a.verb = "kill.process";
    assert_int_equal(mmr_runtime_act(rt, 0, &a, &err), MMR_ENOENT);
    const uint64_t ids[] = {42};
    assert_int_equal(mmr_runtime_reconcile(rt, 0, ids, 1, &err), 0);
    assert_string_equal(diary, "act:block.addr reconcile:1:42 ");
    mmr_runtime_free(rt);
}

/* ---- replay ---- */

static const char *put(const char *dir, const char *name, const char *text)
{
    static char path[4][256];
    static unsigned n;
    char *p = path[n++ % 4];
    (void)snprintf(p, sizeof path[0], "%s/%s", dir, name);
    FILE *f = fopen(p, "w");
    assert_non_null(f);
    assert_true(fputs(text, f) >= 0);
    assert_int_equal(fclose(f), 0);
    return p;
}

static char warned[512];
static void warn(void *ctx, const char *line)
{
    (void)ctx;
    (void)snprintf(warned, sizeof warned, "%s", line);
}

static int run(struct mmr_runtime *rt, const struct mmr_replay_input *in, size_t n,
               struct mmr_replay_stats *stats, struct mmr_error *err)
{
    const struct mmr_replay_reader readers[] = {{.plugin = &sensor, .side = MMR_SIDE_ENDPOINT},
                                                {.plugin = &reader, .side = MMR_SIDE_ENDPOINT}};
    return mmr_replay_run(rt, readers, 2, in, n, 2 * S, warn, NULL, NULL, stats, err);
}

static void inputs_are_merged_by_time_with_timers_between(void **state)
{
    (void)state;
    char dir[] = "/tmp/mmr-runtime-XXXXXX";
    assert_non_null(mkdtemp(dir));
    /* b's second line is out of order: it is read when its predecessor was, and keeps its own time */
    const char *pa = put(dir, "a", "LINES\n1 a1\n3 a3\n3 a3b\n");
    const char *pb = put(dir, "b", "LINES\n2 b2\n1 b1\n3 b3\n");
    struct mmr_replay_input in[] = {{.path = pa, .name = "a"}, {.path = pb, .name = "b", .format = "lines"}};
    char first[sizeof diary], first_ids[4096];
    for (int round = 0; round < 2; round++) {
        struct owner o;
        struct mmr_runtime *rt = world(&o, false);
        struct mmr_error err = {.struct_size = sizeof err};
        struct mmr_replay_stats stats;
        (void)add(rt, &analyzer, "an", "1500ms", NULL, &err);
        int r = run(rt, in, 2, &stats, &err);
        if (r)
            fail_msg("%s", err.text);
        mmr_runtime_free(rt);
        assert_int_equal(stats.records, 6);
        assert_int_equal(stats.first_ns, T0 + 1 * S);
        assert_int_equal(stats.last_ns, T0 + 3 * S);
        assert_int_equal(stats.cut, 0);
        if (round == 0) {
            memcpy(first, diary, sizeof first);
            memcpy(first_ids, o.ids, sizeof first_ids);
        }
        assert_string_equal(diary, first);
        assert_string_equal(o.ids, first_ids);
    }
    char seen[1024] = "";
    for (char *at = first; (at = strstr(at, "an<")) != NULL; at++) {
        char text[32] = "";
        if (sscanf(at, "an<%*[^:]:process.start:%31s", text) == 1) {
            strncat(seen, text, sizeof seen - strlen(seen) - 1);
            strncat(seen, " ", sizeof seen - strlen(seen) - 1);
        }
    }
    assert_string_equal(seen, "a1 b2 b1 a3 a3b b3 ");
    /* data time begins at 1 s: the first tick is due at 2.5 s, between b1 and a3; two more within the grace time */
    assert_non_null(strstr(first, ":b1 an. tick:an@2500 owner<process.start:a3 "));
    assert_non_null(strstr(first, "finish:an tick:an@4000 destroy:"));
    assert_non_null(strstr(first_ids, "@1000 "));
    (void)unlink(pa);
    (void)unlink(pb);
    (void)rmdir(dir);
}

static void damaged_and_unknown_inputs(void **state)
{
    (void)state;
    char dir[] = "/tmp/mmr-runtime-XXXXXX";
    assert_non_null(mkdtemp(dir));
    const char *cut = put(dir, "cut", "LINES\n1 one\n!\n2 two\n");
    const char *unknown = put(dir, "unknown", "GIF89a");
    const char *broken = put(dir, "broken", "LINEX\n");
    struct owner o;
    struct mmr_replay_stats stats;
    struct mmr_error err = {.struct_size = sizeof err};

    struct mmr_runtime *rt = world(&o, false);
    struct mmr_replay_input in = {.path = cut, .name = "cut"};
    assert_int_equal(run(rt, &in, 1, &stats, &err), 0);
    assert_int_equal(stats.records, 1);
    assert_int_equal(stats.cut, 1);
    assert_non_null(strstr(warned, "'cut'"));
    assert_non_null(strstr(warned, "damage"));
    mmr_runtime_free(rt);

    rt = world(&o, false);
    in = (struct mmr_replay_input){.path = unknown, .name = "unknown"};
    assert_int_equal(run(rt, &in, 1, &stats, &err), MMR_EUNSUPPORTED);
    assert_non_null(strstr(err.text, "'unknown'"));
    in = (struct mmr_replay_input){.path = broken, .name = "broken"};
    assert_int_equal(run(rt, &in, 1, &stats, &err), MMR_EBADMSG);
    assert_non_null(strstr(err.text, "damaged head"));
    in = (struct mmr_replay_input){.path = cut, .name = "cut", .side = MMR_SIDE_NETWORK};
    assert_int_equal(run(rt, &in, 1, &stats, &err), MMR_EUNSUPPORTED); /* a log given as a capture */
    assert_int_equal(mmr_runtime_count(rt), 0);
    mmr_runtime_free(rt);
    (void)unlink(cut);
    (void)unlink(unknown);
    (void)unlink(broken);
    (void)rmdir(dir);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_here_are_sound),
        cmocka_unit_test(an_event_reaches_its_readers_once_and_never_its_emitter),
        cmocka_unit_test(a_loop_of_analyzers_ends_and_is_counted),
        cmocka_unit_test(bad_events_are_refused_and_counted),
        cmocka_unit_test(a_full_owner_stops_the_emitter_and_loses_nothing),
        cmocka_unit_test(a_raw_owner_gets_findings_and_what_it_wants),
        cmocka_unit_test(sinks_start_before_sources_and_stop_after),
        cmocka_unit_test(a_failed_start_stops_what_runs),
        cmocka_unit_test(an_instance_that_cannot_be_created_leaves_nothing),
        cmocka_unit_test(timers_fire_in_order_of_time_then_instance),
        cmocka_unit_test(a_long_silence_costs_bounded_work),
        cmocka_unit_test(the_time_of_replay_may_be_asked_from_any_thread),
        cmocka_unit_test(a_timer_set_again_moves_and_negative_stops_it),
        cmocka_unit_test(reload_applies_whole_or_not_at_all),
        cmocka_unit_test(actions_reach_only_who_declares_the_verb),
        cmocka_unit_test(inputs_are_merged_by_time_with_timers_between),
        cmocka_unit_test(damaged_and_unknown_inputs),
    };
    return cmocka_run_group_tests(tests, NULL, NULL);
}
