/*
 * counter.c - a sensor whose findings are numbered from 1 without a hole, each about a machine of its own, so that a test can
 * say which were lost, doubled or out of order. It goes on where the core said it had committed ("cursor" in its state folder).
 */
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <inttypes.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>

enum { TIMER = 1 };

struct counter_config {
    const char *name;    /* machines are called <name>-<number> */
    int64_t every, last; /* milliseconds between two; the last number */
    int64_t grave_every; /* each so many is grave; 0: none */
};
static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct counter_config, name, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "what the machines are called"),
    MMR_CFG(struct counter_config, every, MMR_CFG_MSEC, 0, "20ms", 1, 60000, "time between two findings"),
    MMR_CFG(struct counter_config, last, MMR_CFG_INT, 0, "1000", 1, 1000000, "how many"),
    MMR_CFG(struct counter_config, grave_every, MMR_CFG_INT, 0, "0", 0, 1000000, "each so many is grave; 0: none"),
    {0},
};
struct counter {
    const struct mmr_host *host;
    const struct counter_config *config;
    uint64_t base, emitted; /* numbers of the start before; of this one */
    uint8_t buf[4096];
};

static void cursor_path(const struct counter *c, const char *suffix, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%s/cursor%s", c->host->state_dir, suffix);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    char path[4096];
    struct counter *c = calloc(1, sizeof *c);
    if (!c)
        return mmr_fail(err, MMR_ENOMEM, "counter: out of memory");
    c->host = host;
    c->config = config;
    cursor_path(c, "", path, sizeof path);
    FILE *f = fopen(path, "re");
    if (f) {
        if (fscanf(f, "%" SCNu64, &c->base) != 1)
            c->base = 0;
        (void)fclose(f);
    }
    *ret_self = c;
    return MMR_OK;
}

static int emit(struct counter *c, uint64_t n)
{
    char host[80], ip[24], title[80];
    struct mmr_event ev;
    const bool is_grave = c->config->grave_every && n % (uint64_t)c->config->grave_every == 0;
    (void)snprintf(host, sizeof host, "%.40s-%" PRIu64, c->config->name, n);
    (void)snprintf(title, sizeof title, "counted %.40s-%" PRIu64 "!", c->config->name, n);
    (void)snprintf(ip, sizeof ip, "198.18.%u.%u", (unsigned)(n / 250 % 256), (unsigned)(n % 250 + 1));
    mmr_event_begin(&ev, c->buf, sizeof c->buf, "finding", MMR_CLASS_FINDING, 1, c->host->now_ns(c->host->impl, MMR_CLOCK_WALL), is_grave ? 5 : 3);
    mmr_event_str(&ev, "mamori.rule", title);
    mmr_event_str(&ev, "finding_info.title", title);
    mmr_event_str(&ev, "mamori.phase", c->config->grave_every && !is_grave ? "attempt.user" : "foothold.process");
    mmr_event_str(&ev, "mamori.potential", is_grave ? "high" : c->config->grave_every ? "info" : "low");
    mmr_event_str(&ev, "mamori.direction", "local");
    mmr_event_str(&ev, "device.hostname", host);
    return mmr_event_emit(&ev, c->host);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct counter *c = self;
    (void)cookie;
    if (c->base + c->emitted < (uint64_t)c->config->last && emit(c, c->base + c->emitted + 1) == MMR_OK)
        c->emitted++;
    (void)c->host->set_timer(c->host->impl, c->config->every, TIMER);
}

static void on_committed(void *self, uint64_t upto)
{
    struct counter *c = self;
    char path[4096], part[4096];
    cursor_path(c, "", path, sizeof path);
    cursor_path(c, ".new", part, sizeof part);
    FILE *f = fopen(part, "we");
    if (!f)
        return;
    bool is_good = fprintf(f, "%" PRIu64 "\n", c->base + upto) > 0;
    if (fclose(f) == 0 && is_good)
        (void)rename(part, path);
}

static int start(void *self, struct mmr_error *err)
{
    struct counter *c = self;
    return c->host->set_timer(c->host->impl, c->config->every, TIMER) == MMR_OK ? MMR_OK : mmr_fail(err, MMR_EINTERNAL, "counter: no timer");
}

static void stop(void *self)
{
    struct counter *c = self;
    (void)c->host->set_timer(c->host->impl, -1, TIMER);
}

static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop, .on_committed = on_committed};

MMR_PLUGIN(counter) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_ENDPOINT, .detects = MMR_DETECT_HOST, .id = "org.example.counter", .name = "counter", .version = "1.0.0",
    .vendor = "example", .license = "Apache-2.0", .doc = "numbered findings", .events = (const char *const[]){"finding", NULL},
    .config = config_keys, .config_size = sizeof(struct counter_config), .create = create, .destroy = free, .on_timer = on_timer,
    .sensor = &sensor,
};
