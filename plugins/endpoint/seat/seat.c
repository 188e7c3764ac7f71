/*
 * seat.c - the listener for machines without an agent of ours: what NXLog, Winlogbeat, Fluent Bit, Fluentd and rsyslog
 * send. A sender is told "received" only when the hub has committed what it sent.
 */
#include "seat.h"

#include <stdlib.h>

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct mmr_seat_config, listen, MMR_CFG_STRV, MMR_CFG_REQUIRED, NULL, 0, 0,
            "where to listen: udp://, tcp://, tls://, forward://, forward+tls://, relp://, beats:// and an address and port"),
    MMR_CFG(struct mmr_seat_config, senders, MMR_CFG_STRV, MMR_CFG_REQUIRED, NULL, 0, 0,
            "who may send, and for which machines it speaks: 'addr:192.0.2.5 PC1', 'cert:pc1 PC1', 'key:pc1 PC1 tool=sysmon'"),
    MMR_CFG(struct mmr_seat_config, keys, MMR_CFG_STR, 0, NULL, 0, 0, "file of lines 'NAME KEY', the shared keys of 'key:' senders"),
    MMR_CFG(struct mmr_seat_config, cert, MMR_CFG_STR, 0, NULL, 0, 0, "PEM file: this machine's certificate and its chain, for tls"),
    MMR_CFG(struct mmr_seat_config, key, MMR_CFG_STR, 0, NULL, 0, 0, "PEM file: the certificate's key"),
    MMR_CFG(struct mmr_seat_config, ca, MMR_CFG_STR, 0, NULL, 0, 0, "PEM file: who signs the senders' certificates; with it every tls sender needs one"),
    MMR_CFG(struct mmr_seat_config, silent_after, MMR_CFG_MSEC, 0, "15m", 60000, 604800000, "a machine not heard of for this long is a gap"),
    MMR_CFG(struct mmr_seat_config, max_connections, MMR_CFG_INT, 0, "256", 1, 2048, "connections open at the same time"),
    MMR_CFG(struct mmr_seat_config, max_memory, MMR_CFG_BYTES, 0, "128M", 1048576, 4294967296, "bytes all connections together may hold"),
    {0},
};

static void seat_destroy(void *self)
{
    struct mmr_seat *t = self;
    if (!t)
        return;
    mmr_seat_close_all(t);
    mmr_senders_free(t->senders);
    mmr_tls_free(t->tls);
    free(t->wait);
    free(t->conn);
    free(t);
}

static int seat_create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct mmr_seat *t = calloc(1, sizeof *t);
    if (!t)
        return mmr_fail(err, MMR_ENOMEM, "seat: out of memory");
    t->host = host;
    t->config = config;
    t->conns_cap = (uint32_t)t->config->max_connections;
    t->conn = calloc(t->conns_cap, sizeof *t->conn);
    int r = t->conn ? mmr_senders_read(&t->config->senders, t->config->keys, &t->senders, err) : mmr_fail(err, MMR_ENOMEM, "seat: out of memory");
    if (r != 0) {
        seat_destroy(t);
        return r;
    }
    *ret_self = t;
    return 0;
}

static void seat_stop(void *self)
{
    struct mmr_seat *t = self;
    mmr_seat_close_all(t);
    (void)t->host->set_timer(t->host->impl, -1, 1);
    t->is_running = false;
    if (t->counts.lines)
        mmr_seat_log(t, MMR_LOG_INFO, "seat.stopped lines=%llu events=%llu refused=%llu left_out=%llu unknown=%llu lost=%llu", (unsigned long long)t->counts.lines,
                     (unsigned long long)t->counts.events, (unsigned long long)t->counts.refused, (unsigned long long)t->counts.left_out,
                     (unsigned long long)t->counts.unknown, (unsigned long long)t->counts.lost);
}

static int seat_start(void *self, struct mmr_error *err)
{
    struct mmr_seat *t = self;
    int r = 0;
    t->started_ns = t->host->now_ns(t->host->impl, MMR_CLOCK_MONOTONIC);
    for (size_t i = 0; r == 0 && i < t->config->listen.n; i++)
        r = mmr_seat_listen(t, t->config->listen.v[i], err);
    if (r == 0)
        r = t->host->set_timer(t->host->impl, MMR_SEAT_TICK_MS, 1);
    if (r != 0)
        mmr_seat_close_all(t);
    t->is_running = r == 0;
    for (uint32_t i = 0; i < t->n_listeners; i++)
        mmr_seat_log(t, MMR_LOG_INFO, "seat.listens at=%s port=%u", t->listener[i].text, t->listener[i].port);
    return r;
}

static void seat_on_committed(void *self, uint64_t upto)
{
    struct mmr_seat *t = self;
    t->committed = upto;
    mmr_seat_committed(t);
}

static void seat_on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    (void)fd;
    mmr_seat_on_fd(self, cookie, rw);
}

static void go_on(struct mmr_seat *t)
{
    if (!t->is_full)
        return;
    mmr_seat_retry(t);
    if (!t->is_full)
        mmr_seat_pump_all(t);
}

static void seat_on_timer(void *self, uint64_t cookie)
{
    struct mmr_seat *t = self;
    (void)cookie;
    if (!t->is_running)
        return;
    go_on(t);
    mmr_seat_heartbeat(t);
    mmr_seat_conns_tick(t);
    (void)t->host->set_timer(t->host->impl, MMR_SEAT_TICK_MS, 1);
}

static void seat_on_wake(void *self)
{
    go_on(self);
}

static const char *const kinds[] = {
    "process.start", "process.exit", "process.access", "process.inject", "conn.open",
    "file.create", "file.delete", "file.rename", "file.change", "module.load", "driver.load",
    "registry.set", "pipe.create", "wmi.event", "auth.logon", "auth.fail", "auth.logoff",
    "account.change", "service.install", "task.create", "share.access", "script.block", "log.record",
    "dns.query", "http.request", "seat.state", "seat.refused", NULL};

static const struct mmr_sensor_ops sensor = {
    .struct_size = sizeof sensor, .start = seat_start, .stop = seat_stop, .on_committed = seat_on_committed};

MMR_PLUGIN(seat) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_LISTEN | MMR_NEED_FILES_RO, /* keys and certificates that only root may read */
    .id = "org.mamori.seat",
    .name = "seat",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Takes in what machines without an agent send: syslog, JSON lines, RELP, Beats and the Fluentd forward protocol, plain or TLS",
    .events = kinds,
    .config = config_keys,
    .config_size = sizeof(struct mmr_seat_config),
    .create = seat_create,
    .destroy = seat_destroy,
    .on_fd = seat_on_fd,
    .on_timer = seat_on_timer,
    .on_wake = seat_on_wake,
    .sensor = &sensor,
};
