/* log.c - the log sensor: follows log files of this machine, reads recorded logs. */
#include <mamori/plugin.h>

#include <stdlib.h>
#include <string.h>

#include "decode.h"
#include "recorded.h"
#include "tail.h"

struct log_config {
    struct mmr_strv files;
    const char *format;
    bool from_start;
};
struct log_self {
    const struct mmr_host *host;
    const struct log_config *config;
    enum mmr_log_format format;
    struct mmr_tail *tail;
    struct mmr_recorded *recorded;
};

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct log_config, files, MMR_CFG_STRV, 0, NULL, 0, 0, "log files to follow, absolute paths"),
    MMR_CFG(struct log_config, format, MMR_CFG_STR, 0, "auto", 0, 0,
            "auto, winevent-json, sysmon-linux, auditd, syslog or eve"),
    MMR_CFG(struct log_config, from_start, MMR_CFG_BOOL, 0, "false", 0, 0,
            "read a file seen for the first time from its start, not only what is added"),
    {0},
};

static int log_create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct log_self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "log: out of memory");
    s->host = host;
    s->config = config;
    if (mmr_log_format_by_name(s->config->format, &s->format, err) != 0) {
        free(s);
        return MMR_ECONFIG;
    }
    *ret_self = s;
    return 0;
}

static void log_stop(void *self)
{
    struct log_self *s = self;
    mmr_tail_stop(s->tail);
    s->tail = NULL;
}

static void log_destroy(void *self)
{
    struct log_self *s = self;
    if (!s)
        return;
    mmr_tail_stop(s->tail);
    mmr_recorded_close(s->recorded);
    free(s);
}

static int log_start(void *self, struct mmr_error *err)
{
    struct log_self *s = self;
    if (!s->config->files.n)
        return mmr_fail(err, MMR_ECONFIG, "log: no 'files' to follow are configured");
    return mmr_tail_start(s->host, &s->config->files, s->format, s->config->from_start, &s->tail, err);
}

static void log_on_committed(void *self, uint64_t upto)
{
    struct log_self *s = self;
    if (s->tail)
        mmr_tail_on_committed(s->tail, upto);
}

static void log_on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct log_self *s = self;
    (void)fd, (void)rw, (void)cookie;
    if (s->tail)
        mmr_tail_on_fd(s->tail);
}

static void log_on_timer(void *self, uint64_t cookie)
{
    struct log_self *s = self;
    (void)cookie;
    if (s->tail)
        mmr_tail_on_timer(s->tail);
}

static void log_on_wake(void *self)
{
    struct log_self *s = self;
    if (s->tail)
        mmr_tail_on_wake(s->tail);
}

/* ---- recorded input ---- */

static int replay_open(void *self, const char *path, const char *name, const char *format, struct mmr_error *err)
{
    struct log_self *s = self;
    if (s->recorded)
        return mmr_fail(err, MMR_EINVAL, "log: a second input '%s' for one instance", path);
    return mmr_recorded_open(s->host, path, name, format, &s->recorded, err);
}

static int replay_next(void *self, int64_t *ret_time_ns, struct mmr_error *err)
{
    struct log_self *s = self;
    return s->recorded ? mmr_recorded_next(s->recorded, ret_time_ns, err) : mmr_fail(err, MMR_EINVAL, "log: no input is open");
}

static int replay_step(void *self, struct mmr_error *err)
{
    struct log_self *s = self;
    return s->recorded ? mmr_recorded_step(s->recorded, err) : mmr_fail(err, MMR_EINVAL, "log: no input is open");
}

static const void *log_extension(const char *id)
{
    static const struct mmr_replay_ops replay = {
        .struct_size = sizeof replay, .open = replay_open, .next = replay_next, .step = replay_step};
    return strcmp(id, "mamori.replay/0") == 0 ? &replay : NULL;
}

static const char *const kinds[] = {
    "process.start", "process.exit", "process.access", "process.inject", "conn.open",
    "file.create", "file.delete", "file.rename", "file.change", "module.load", "driver.load",
    "registry.set", "pipe.create", "wmi.event", "auth.logon", "auth.fail", "auth.logoff",
    "account.change", "service.install", "task.create", "share.access", "script.block", "log.record",
    "dns.query", "dns.answer", "http.request", "tls.hello", "flow.end", "finding", NULL};

static const struct mmr_sensor_ops sensor = {
    .struct_size = sizeof sensor, .start = log_start, .stop = log_stop, .on_committed = log_on_committed};

MMR_PLUGIN(log) = {
    MMR_PLUGIN_HEAD,
    .side = MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_FILES_RO,
    .id = "org.mamori.log",
    .name = "log",
    .version = "0.1.0",
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Follows log files: syslog, auditd, Windows events as JSON, Sysmon for Linux, EVE; reads recorded logs",
    .events = kinds,
    .config = config_keys,
    .config_size = sizeof(struct log_config),
    .create = log_create,
    .destroy = log_destroy,
    .on_fd = log_on_fd,
    .on_timer = log_on_timer,
    .on_wake = log_on_wake,
    .sensor = &sensor,
    .extension = log_extension,
};
