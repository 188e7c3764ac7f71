/*
 * emitter.c - sensor for measurements: emits findings with the time of emission in their text, one every
 * `interval` or as fast as the bus takes them, and writes to its state folder when the last one was
 * committed.
 */
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

enum { BATCH = 256, COOKIE = 1, PAUSE_MS = 1 };

struct emitter_config {
    int64_t count, distinct, interval, delay;
    bool is_defended;
};
struct emitter {
    const struct mmr_host *host;
    const struct emitter_config *cfg;
    int64_t sent, first_ns;
    uint8_t buf[4096];
};

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct emitter *e = calloc(1, sizeof *e);
    if (!e)
        return mmr_fail(err, MMR_ENOMEM, "emitter: out of memory");
    e->host = host;
    e->cfg = config;
    *ret_self = e;
    return 0;
}

static void destroy(void *self)
{
    free(self);
}

static int emit_one(struct emitter *e)
{
    struct mmr_event ev;
    char text[64], addr[32];
    int64_t now = e->host->now_ns(e->host->impl, MMR_CLOCK_WALL);
    int64_t n = e->sent % e->cfg->distinct;
    (void)snprintf(text, sizeof text, "bench %lld", (long long)now);
    (void)snprintf(addr, sizeof addr, "203.%lld.%lld.%lld", (long long)(n >> 16 & 127), (long long)(n >> 8 & 255), (long long)(n & 255));
    mmr_event_begin(&ev, e->buf, sizeof e->buf, "finding", MMR_CLASS_FINDING, 1, now, 4);
    mmr_event_str(&ev, "mamori.rule", "bench.attempt");
    mmr_event_str(&ev, "finding_info.title", "measurement");
    mmr_event_str(&ev, "message", text);
    mmr_event_str(&ev, "mamori.phase", e->cfg->is_defended ? "attempt.inbound" : NULL);
    mmr_event_str(&ev, "mamori.direction", "inbound");
    mmr_event_str(&ev, "mamori.potential", e->cfg->is_defended ? "high" : "info");
    mmr_event_str(&ev, "src_endpoint.ip", addr);
    mmr_event_int(&ev, "src_endpoint.port", 40000);
    mmr_event_str(&ev, "dst_endpoint.ip", "192.168.1.5");
    mmr_event_int(&ev, "dst_endpoint.port", 22);
    mmr_event_str(&ev, "connection_info.protocol_name", "tcp");
    int r = mmr_event_emit(&ev, e->host);
    if (r)
        return r;
    if (!e->sent++)
        e->first_ns = now;
    return 0;
}

static void on_timer(void *self, uint64_t cookie)
{
    struct emitter *e = self;
    (void)cookie;
    if (e->cfg->interval) {
        (void)emit_one(e);
    } else {
        for (int i = 0; i < BATCH && e->sent < e->cfg->count; i++)
            if (emit_one(e) != 0)
                break; /* the window is full: on_wake() goes on */
    }
    if (e->sent < e->cfg->count)
        (void)e->host->set_timer(e->host->impl, e->cfg->interval ? e->cfg->interval : 0, COOKIE);
}

static void on_wake(void *self)
{
    on_timer(self, COOKIE);
}

static int start(void *self, struct mmr_error *err)
{
    const struct emitter *e = self;
    (void)err;
    return e->host->set_timer(e->host->impl, e->cfg->delay, COOKIE);
}

static void stop(void *self)
{
    const struct emitter *e = self;
    (void)e->host->set_timer(e->host->impl, -1, COOKIE);
}

static void on_committed(void *self, uint64_t upto)
{
    const struct emitter *e = self;
    char path[4096], line[128];
    if (upto < (uint64_t)e->cfg->count)
        return;
    (void)snprintf(path, sizeof path, "%s/committed", e->host->state_dir);
    int n = snprintf(line, sizeof line, "%lld %lld %llu\n", (long long)e->first_ns,
                     (long long)e->host->now_ns(e->host->impl, MMR_CLOCK_WALL), (unsigned long long)upto);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
    if (fd >= 0) {
        (void)!write(fd, line, (size_t)n);
        (void)close(fd);
    }
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct emitter_config, count, MMR_CFG_INT, 0, "200", 1, 100000000, "findings in all"),
    MMR_CFG(struct emitter_config, distinct, MMR_CFG_INT, 0, "200", 1, 8000000, "different attackers"),
    MMR_CFG(struct emitter_config, interval, MMR_CFG_MSEC, 0, "50ms", 0, 60000, "between two findings; 0: as fast as they are taken"),
    MMR_CFG(struct emitter_config, delay, MMR_CFG_MSEC, 0, "4s", 0, 60000, "before the first"),
    MMR_CFG(struct emitter_config, is_defended, MMR_CFG_BOOL, 0, "yes", 0, 0, "findings need a defence"),
    {0},
};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop, .on_committed = on_committed};

MMR_PLUGIN(bench_emitter) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.bench-emitter", .name = "bench emitter", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Emits findings for measurements; never part of a deployment.",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT, .detects = MMR_DETECT_INBOUND,
    .events = (const char *const[]){"finding", NULL},
    .config = config_rows, .config_size = sizeof(struct emitter_config),
    .create = create, .destroy = destroy, .on_timer = on_timer, .on_wake = on_wake, .sensor = &sensor,
};
