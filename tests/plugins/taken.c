/*
 * taken.c - a plugin that was taken over: once it runs it tries what an intruder would, writes into its own folder what came
 * of each try ("NAME ok" or "NAME errno text"), and then floods and fills memory. Without a single need. The test that
 * runs it says what must have been refused (tests/e2e/run/taken_over.py).
 */
#include <mamori/event.h>
#include <mamori/plugin.h>

#include "tries.h"

struct config {
    const char *site;   /* "at:" and the test's folder: no path, so that naming it gives no right to it */
    const char *socket; /* an abstract socket of somebody else */
    int64_t prey;       /* a process of another host */
    bool ends;          /* go on to flooding and filling memory */
};
struct self {
    const struct mmr_host *host;
    const struct config *c;
    const char *site;
    struct tries tries;
    int phase;
    uint8_t buf[4096];
};

static int send_event(struct self *s, const char *kind, const char *key, const char *value)
{
    struct mmr_event ev;
    mmr_event_begin(&ev, s->buf, sizeof s->buf, kind, MMR_CLASS_PROCESS, 1, s->host->now_ns(s->host->impl, MMR_CLOCK_WALL), 1);
    mmr_event_str(&ev, "process.name", "taken");
    if (key)
        mmr_event_str(&ev, key, value);
    int r = mmr_event_emit(&ev, s->host);
    errno = r == MMR_EBADMSG ? EBADMSG : EPROTO;
    return r;
}

static void identity(struct self *s)
{
    note(&s->tries, "own_event", send_event(s, "process.start", NULL, NULL) == 0);
    note(&s->tries, "undeclared_kind", send_event(s, "sensor.lost", NULL, NULL) == 0);
    note(&s->tries, "claim_plugin", send_event(s, "process.start", "mamori.plugin", "org.mamori.nft") == 0);
    note(&s->tries, "claim_node", send_event(s, "process.start", "mamori.node", "another") == 0);
    note(&s->tries, "claim_side", send_event(s, "process.start", "mamori.side", "network") == 0);
}

/* The events of a flood go through; that they cost nobody else anything is for the test to see. */
static void flood(struct self *s)
{
    for (int i = 0; i < 20000; i++)
        (void)send_event(s, "process.start", NULL, NULL);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct self *s = self;
    char path[4096], done[4096];
    (void)cookie;
    if (s->phase++ > 0) {
        flood(s);
        if (s->phase > 3)
            fill_memory();
        (void)s->host->set_timer(s->host->impl, 500, 1);
        return;
    }
    (void)snprintf(path, sizeof path, "%s/tries.new", s->host->state_dir);
    (void)snprintf(done, sizeof done, "%s/tries", s->host->state_dir);
    s->tries = (struct tries){.out = fopen(path, "we"), .state_dir = s->host->state_dir, .site = s->site, .socket = s->c->socket, .prey = (pid_t)s->c->prey};
    if (!s->tries.out)
        return;
    all_tries(&s->tries);
    identity(s);
    (void)fclose(s->tries.out);
    (void)rename(path, done);
    if (s->c->ends)
        (void)s->host->set_timer(s->host->impl, 500, 1);
}

static int create(const struct mmr_host *host, const void *config, void **ret, struct mmr_error *err)
{
    struct self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    s->host = host;
    s->c = config;
    s->site = s->c->site + strlen("at:");
    (void)host->set_timer(host->impl, 200, 1);
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
    (void)self;
}

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct config, site, MMR_CFG_STR, MMR_CFG_REQUIRED, NULL, 0, 0, "at: and the test's folder"),
    MMR_CFG(struct config, socket, MMR_CFG_STR, 0, NULL, 0, 0, "an abstract socket, with @"),
    MMR_CFG(struct config, prey, MMR_CFG_INT, 0, "1", 1, 1 << 30, "a process"),
    MMR_CFG(struct config, ends, MMR_CFG_BOOL, 0, "no", 0, 0, "flood and fill memory afterwards"),
    {0},
};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
MMR_PLUGIN(taken) = {
    MMR_PLUGIN_HEAD, .id = "test.taken", .name = "taken", .version = "0.1.0", .vendor = "test", .license = "Apache-2.0",
    .doc = "a plugin that was taken over", .side = MMR_SIDE_ENDPOINT,
    .events = (const char *const[]){"process.start", NULL}, .config = config_keys, .config_size = sizeof(struct config),
    .create = create, .destroy = destroy, .on_timer = on_timer, .sensor = &sensor,
};
