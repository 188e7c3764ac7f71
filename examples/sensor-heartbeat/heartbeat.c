/*
 * heartbeat.c - a file that should change regularly (the stamp of the nightly backup) did not: a finding. Attackers stop
 * backups before they encrypt. It trusts the file's time only; the file's contents are never read.
 */
#include <mamori/event.h>
#include <mamori/plugin.h>

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#define NS_PER_S INT64_C(1000000000)
#define NS_PER_MS INT64_C(1000000)

enum { TIMER_LOOK = 1 };

/* The host parses, checks and fills this from the drop-in; it lives as long as the instance. */
struct heartbeat_config {
    const char *file;
    int64_t every, look; /* milliseconds */
};
static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct heartbeat_config, file, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "the file that should change"),
    MMR_CFG(struct heartbeat_config, every, MMR_CFG_MSEC, 0, "26h", 1000, 2678400000, "it changes at least this often"),
    MMR_CFG(struct heartbeat_config, look, MMR_CFG_MSEC, 0, "1m", 100, 3600000, "how often it is looked at"),
    {0},
};

struct heartbeat {
    const struct mmr_host *host;
    const struct heartbeat_config *config;
    int64_t changed_ns; /* the newest change that was told; 0: none yet */
    int64_t born_ns;    /* a file that was never there is late from then on */
    bool is_late;       /* said already: once for each silence */
    char hostname[65];
    uint8_t buf[8192];
};

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct heartbeat_config *c = config;
    if (c->file[0] != '/')
        return mmr_fail(err, MMR_ECONFIG, "file: '%s' must be an absolute path", c->file);
    struct heartbeat *h = calloc(1, sizeof *h);
    if (!h)
        return mmr_fail(err, MMR_ENOMEM, "heartbeat: out of memory");
    h->host = host;
    h->config = c;
    (void)gethostname(h->hostname, sizeof h->hostname - 1);
    *ret_self = h;
    return MMR_OK;
}

static void destroy(void *self)
{
    free(self);
}

/* mmr_event_emit() may say MMR_EAGAIN when the bus is full; then this look is lost, and the next one tells. */
static int tell_change(struct heartbeat *h, int64_t changed_ns)
{
    struct mmr_event ev;
    mmr_event_begin(&ev, h->buf, sizeof h->buf, "heartbeat.seen", MMR_CLASS_FILE, 3, changed_ns, 1);
    mmr_event_str(&ev, "file.path", h->config->file);
    return mmr_event_emit(&ev, h->host);
}

/* No mamori.phase: a hint. It supports an incident about this machine, and opens none by itself. */
static int tell_late(struct heartbeat *h, int64_t now_ns, int64_t silent_ns)
{
    char text[400];
    struct mmr_event ev;
    (void)snprintf(text, sizeof text, "%.200s has not changed for %" PRId64 " minutes; it should at least every %" PRId64, h->config->file,
                   silent_ns / (60 * NS_PER_S), h->config->every / 60000);
    mmr_event_begin(&ev, h->buf, sizeof h->buf, "finding", MMR_CLASS_FINDING, 1, now_ns, 3);
    mmr_event_str(&ev, "mamori.rule", "org.example.heartbeat.late");
    mmr_event_str(&ev, "finding_info.title", "A regular job did not run");
    mmr_event_str(&ev, "message", text);
    mmr_event_str(&ev, "mamori.potential", "low");
    mmr_event_str(&ev, "mamori.direction", "local");
    mmr_event_str(&ev, "device.hostname", h->hostname); /* what joins it with other findings about this machine */
    mmr_event_strv(&ev, "mamori.attack", (const char *const[]){"T1490"}, 1);
    mmr_event_str(&ev, "file.path", h->config->file);
    return mmr_event_emit(&ev, h->host);
}

static void look(struct heartbeat *h)
{
    struct stat st;
    int64_t now = h->host->now_ns(h->host->impl, MMR_CLOCK_WALL);
    if (stat(h->config->file, &st) == 0) {
        int64_t changed = (int64_t)st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec;
        if (changed != h->changed_ns && tell_change(h, changed) == MMR_OK)
            h->changed_ns = changed;
    } else if (errno != ENOENT && errno != ENOTDIR) {
        char text[400];
        (void)snprintf(text, sizeof text, "heartbeat.unreadable file=%.200s reason=\"%.80s\"", h->config->file, strerror(errno));
        h->host->log(h->host->impl, MMR_LOG_WARN, text);
    }
    int64_t since = h->changed_ns ? h->changed_ns : h->born_ns;
    bool is_late = now - since > h->config->every * NS_PER_MS;
    if (is_late && !h->is_late && tell_late(h, now, now - since) != MMR_OK)
        return;
    h->is_late = is_late;
}

static void on_timer(void *self, uint64_t cookie)
{
    struct heartbeat *h = self;
    (void)cookie;
    look(h);
    (void)h->host->set_timer(h->host->impl, h->config->look, TIMER_LOOK);
}

static int start(void *self, struct mmr_error *err)
{
    struct heartbeat *h = self;
    h->born_ns = h->host->now_ns(h->host->impl, MMR_CLOCK_WALL);
    if (h->host->set_timer(h->host->impl, 0, TIMER_LOOK) != MMR_OK)
        return mmr_fail(err, MMR_EINTERNAL, "heartbeat: the host gives no timer");
    return MMR_OK;
}

static void stop(void *self)
{
    struct heartbeat *h = self;
    (void)h->host->set_timer(h->host->impl, -1, TIMER_LOOK);
}

static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};

MMR_PLUGIN(heartbeat) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .needs = MMR_NEED_FILES_RO,
    .id = "org.example.heartbeat",
    .name = "heartbeat",
    .version = "0.1.0",
    .vendor = "example",
    .license = "Apache-2.0",
    .doc = "Says when a file that should change regularly did not.",
    .events = (const char *const[]){"finding", "heartbeat.seen", NULL},
    .config = config_keys,
    .config_size = sizeof(struct heartbeat_config),
    .create = create,
    .destroy = destroy,
    .on_timer = on_timer,
    .sensor = &sensor,
};
