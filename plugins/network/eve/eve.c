/* eve.c - another network sensor's EVE JSON as a network side: from a unix socket and from files that grow. */
#include "socket.h"
#include "tail.h"

#include <stdlib.h>
#include <string.h>

enum { TICK_COOKIE = 2, /* 1 is the tail's */ TICK_MS = 10000 };
struct eve_config {
    struct mmr_strv files;
    const char *socket, *socket_type, *group;
};
struct eve {
    const struct mmr_host *host;
    const struct eve_config *cfg;
    struct mmr_tail *tail;
    struct eve_socket *socket;
};

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct eve_config *c = config;
    if (strcmp(c->socket_type, "stream") != 0 && strcmp(c->socket_type, "dgram") != 0)
        return mmr_fail(err, MMR_ECONFIG, "eve: socket_type '%.40s' is neither stream nor dgram", c->socket_type);
    struct eve *e = calloc(1, sizeof *e);
    if (!e)
        return mmr_fail(err, MMR_ENOMEM, "eve: out of memory");
    e->host = host;
    e->cfg = c;
    *ret_self = e;
    return 0;
}

static void stop(void *self)
{
    struct eve *e = self;
    mmr_tail_stop(e->tail);
    eve_socket_close(e->socket);
    e->tail = NULL;
    e->socket = NULL;
}

static void destroy(void *self)
{
    if (!self)
        return;
    stop(self);
    free(self);
}

static int start(void *self, struct mmr_error *err)
{
    struct eve *e = self;
    bool has_socket = e->cfg->socket && e->cfg->socket[0];
    int r = 0;
    if (has_socket == (e->cfg->files.n > 0)) /* what is committed is counted for an instance: two sources, two instances */
        return mmr_fail(err, MMR_ECONFIG, "eve: expected either 'socket' or 'files'; for both, make two instances");
    if (has_socket)
        r = eve_socket_open(e->host, e->cfg->socket, strcmp(e->cfg->socket_type, "dgram") == 0, e->cfg->group, &e->socket, err);
    if (r == 0 && !has_socket)
        r = mmr_tail_start(e->host, &e->cfg->files, MMR_LOG_EVE, false, &e->tail, err);
    if (r == 0 && has_socket)
        r = e->host->set_timer(e->host->impl, TICK_MS, TICK_COOKIE);
    return r;
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct eve *e = self;
    (void)fd, (void)rw;
    if (cookie >= EVE_COOKIE && e->socket)
        eve_socket_readable(e->socket, cookie);
    else if (e->tail)
        mmr_tail_on_fd(e->tail);
}

static void on_timer(void *self, uint64_t cookie)
{
    struct eve *e = self;
    if (cookie == TICK_COOKIE && e->socket) {
        eve_socket_room(e->socket);
        eve_socket_tick(e->socket);
        (void)e->host->set_timer(e->host->impl, TICK_MS, TICK_COOKIE);
    } else if (e->tail) {
        mmr_tail_on_timer(e->tail);
    }
}

static void on_wake(void *self)
{
    struct eve *e = self;
    if (e->socket)
        eve_socket_room(e->socket);
    if (e->tail)
        mmr_tail_on_wake(e->tail);
}

static void on_committed(void *self, uint64_t upto)
{
    struct eve *e = self;
    if (e->tail)
        mmr_tail_on_committed(e->tail, upto);
}

static const struct mmr_cfg_key keys[] = {
    MMR_CFG(struct eve_config, socket, MMR_CFG_STR, 0, NULL, 0, 0, "unix socket to make, for the other sensor to write to"),
    MMR_CFG(struct eve_config, socket_type, MMR_CFG_STR, 0, "stream", 0, 0, "stream or dgram (unix_stream, unix_dgram of Suricata)"),
    MMR_CFG(struct eve_config, group, MMR_CFG_STR, 0, NULL, 0, 0, "group that may write to the socket"),
    MMR_CFG(struct eve_config, files, MMR_CFG_STRV, 0, "", 0, 0, "EVE files to follow, absolute paths"),
    {0},
};
static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop, .on_committed = on_committed};

MMR_PLUGIN(eve) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_NETWORK,
    .detects = MMR_DETECT_INBOUND | MMR_DETECT_OUTBOUND,
    .needs = MMR_NEED_FILES_RO | MMR_NEED_LISTEN,
    .flags = MMR_PLUGIN_EXTERNAL,
    .id = "org.mamori.eve",
    .name = "eve",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "findings and telemetry of another network sensor that writes EVE JSON (Suricata)",
    .events = (const char *const[]){"finding", "dns.query", "dns.answer", "http.request", "flow.end", "tls.hello", "log.record", NULL},
    .config = keys,
    .config_size = sizeof(struct eve_config),
    .create = create,
    .destroy = destroy,
    .on_fd = on_fd,
    .on_timer = on_timer,
    .on_wake = on_wake,
    .sensor = &sensor,
};
