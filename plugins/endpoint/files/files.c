/*
 * files.c - changes of files under chosen places, with the process that made them, from fanotify; and changes of places from
 * which programs are started, as findings.
 */
#include "files.h"

#include <sodium.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

static const struct mmr_cfg_key config_keys[] = {
    MMR_CFG(struct mmr_files_config, places, MMR_CFG_STRV, 0,
            "/home,/root,/etc,/srv,/var/www,/tmp,/var/tmp,/dev/shm,/var/spool/cron,/usr/local", 0, 0, "folders that are watched"),
    MMR_CFG(struct mmr_files_config, exclude, MMR_CFG_STRV, 0, "", 0, 0, "folders below them that are not"),
    MMR_CFG(struct mmr_files_config, scope, MMR_CFG_STR, 0, "host", 0, 0, "host, cgroup or netns: whose changes are told"),
    MMR_CFG(struct mmr_files_config, rate, MMR_CFG_INT, 0, "200", 1, 1000000, "changes one process may tell in rate_window; more are counted"),
    MMR_CFG(struct mmr_files_config, rate_window, MMR_CFG_MSEC, 0, "10s", 100, 3600000, "see rate"),
    MMR_CFG(struct mmr_files_config, hash_bytes, MMR_CFG_BYTES, 0, "1M", 0, 16777216, "executables up to this size are hashed"),
    {0},
};

static void destroy(void *self)
{
    struct mmr_files *f = self;
    if (!f)
        return;
    mmr_fan_close(f->fan);
    mmr_who_free(f->who);
    mmr_persist_free(f->persist);
    mmr_late_free(f->late);
    mmr_ptable_free(f->table);
    free(f->pending);
    free(f);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct mmr_files_config *c = config;
    if (strcmp(c->scope, "host") != 0 && strcmp(c->scope, "cgroup") != 0 && strcmp(c->scope, "netns") != 0)
        return mmr_fail(err, MMR_ECONFIG, "scope '%s' is not one of host, cgroup, netns", c->scope);
    for (size_t i = 0; i < c->places.n; i++)
        if (c->places.v[i][0] != '/')
            return mmr_fail(err, MMR_ECONFIG, "place '%s' is no absolute path", c->places.v[i]);
    if (sodium_init() < 0)
        return mmr_fail(err, MMR_EUNSUPPORTED, "file watch: libsodium does not start");
    struct mmr_files *f = calloc(1, sizeof *f);
    if (!f)
        return mmr_fail(err, MMR_ENOMEM, "file watch: out of memory");
    f->host = host;
    f->config = c;
    f->users.path = "/etc/passwd";
    if (gethostname(f->hostname, sizeof f->hostname - 1) != 0)
        f->hostname[0] = '\0';
    f->table = mmr_ptable_new(4096);
    f->pending = malloc(MMR_FILES_PENDING_BYTES);
    int r = f->table && f->pending ? 0 : mmr_fail(err, MMR_ENOMEM, "file watch: out of memory");
    if (!r)
        r = mmr_who_new(f, &f->who, err);
    if (!r)
        r = mmr_persist_new(&f->persist, err);
    if (!r)
        r = mmr_late_new(&f->late, err);
    if (r) {
        destroy(f);
        return r;
    }
    *ret_self = f;
    return 0;
}

static void changed(void *ctx, const struct mmr_change *c)
{
    mmr_files_changed(ctx, c);
}

static void lose_one(void *ctx)
{
    mmr_files_lose(ctx, 1);
}

static bool is_stopped(void *ctx)
{
    const struct mmr_files *f = ctx;
    return f->is_stopped;
}

static int start(void *self, struct mmr_error *err)
{
    struct mmr_files *f = self;
    const struct mmr_fan_config c = {.host = f->host, .places = f->config->places, .exclude = f->config->exclude, .ctx = f,
                                     .change = changed, .lose = lose_one, .is_stopped = is_stopped};
    const char *mode;
    char text[120];
    int r = mmr_fan_open(&c, &f->fan, err);
    if (r)
        return r;
    bool is_full = mmr_fan_mode(f->fan, text, sizeof text, &mode);
    mmr_files_tell_mode(f, mode, text, is_full);
    mmr_ptable_seed(f->table);
    mmr_persist_seed(f->persist);
    return f->host->watch_fd(f->host->impl, mmr_fan_fd(f->fan), MMR_FD_READ, MMR_FILES_FD_NOTIFY);
}

static void stop(void *self)
{
    struct mmr_files *f = self;
    if (!f->fan)
        return;
    (void)f->host->watch_fd(f->host->impl, mmr_fan_fd(f->fan), 0, MMR_FILES_FD_NOTIFY);
    (void)f->host->set_timer(f->host->impl, -1, MMR_FILES_TIMER_SUMMARY);
    (void)f->host->set_timer(f->host->impl, -1, MMR_FILES_TIMER_LATE);
    mmr_late_tell(f);
    mmr_fan_close(f->fan);
    f->fan = NULL;
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    struct mmr_files *f = self;
    (void)rw, (void)cookie;
    if (f->fan)
        mmr_fan_read(f->fan);
    if (f->is_stopped)
        (void)f->host->watch_fd(f->host->impl, fd, 0, MMR_FILES_FD_NOTIFY);
}

static void on_wake(void *self)
{
    struct mmr_files *f = self;
    if (f->is_stopped && mmr_files_flush(f) && f->fan)
        (void)f->host->watch_fd(f->host->impl, mmr_fan_fd(f->fan), MMR_FD_READ, MMR_FILES_FD_NOTIFY);
}

static void on_timer(void *self, uint64_t cookie)
{
    if (cookie == MMR_FILES_TIMER_LATE)
        mmr_late_tell(self);
    else
        mmr_files_summary(self);
}

/* The process sensor's starts: who a writer was, also when it is gone by the time its change is read. */
static int event(void *self, const void *msgpack, size_t len, struct mmr_error *err)
{
    struct mmr_files *f = self;
    char name[16] = "", path[4096] = "", cmd[MMR_PTABLE_CMD_MAX + 1] = "", uid[16] = "0", parent[48] = "";
    int r = mmr_event_read(msgpack, len, &f->view, err);
    int64_t pid = r ? 0 : mmr_event_get_int(&f->view, "process.pid", 0);
    int64_t ticks = r ? 0 : mmr_event_get_int(&f->view, "process.start_ticks", 0);
    int64_t ppid = r ? 0 : mmr_event_get_int(&f->view, "process.parent_process.pid", 0);
    if (r || pid <= 0 || pid > INT32_MAX || ppid < 0 || ppid > INT32_MAX || ticks <= 0)
        return r;
    (void)mmr_event_copy_str(&f->view, "process.name", name, sizeof name);
    (void)mmr_event_copy_str(&f->view, "process.file.path", path, sizeof path);
    (void)mmr_event_copy_str(&f->view, "process.cmd_line", cmd, sizeof cmd);
    (void)mmr_event_copy_str(&f->view, "user.uid", uid, sizeof uid);
    (void)mmr_event_copy_str(&f->view, "process.parent_process.uid", parent, sizeof parent);
    const char *colon = strchr(parent, ':');
    struct mmr_pnew row = {.pid = (uint32_t)pid, .ppid = (uint32_t)ppid, .uid = (uint32_t)strtoul(uid, NULL, 10), .is_started = true,
                           .start_ticks = ticks, .parent_ticks = colon ? strtoll(colon + 1, NULL, 10) : 0, .name = name, .path = path,
                           .cmd_line = cmd};
    (void)mmr_ptable_put(f->table, &row);
    f->is_told_starts = true;
    if (mmr_late_is_waiting(f, row.pid))
        mmr_late_tell(f);
    return 0;
}

static const struct mmr_sensor_ops sensor = {.struct_size = sizeof sensor, .start = start, .stop = stop};
static const struct mmr_analyzer_ops analyzer = {.struct_size = sizeof analyzer, .event = event};
static const char *const events[] = {"file.create", "file.change", "file.rename", "file.delete", "finding", "sensor.mode", "sensor.drops", NULL};
static const char *const subscribes[] = {"process.start", NULL};

MMR_PLUGIN(files) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.files",
    .name = "File changes",
    .version = MMR_VERSION,
    .vendor = "mamori",
    .license = "Apache-2.0",
    .doc = "Changes of files under chosen places with the process that made them; new or changed autostart entries",
    .side = MMR_SIDE_ENDPOINT,
    .detects = MMR_DETECT_HOST,
    .needs = MMR_NEED_FANOTIFY | MMR_NEED_FILES_RO | MMR_NEED_PROC,
    .events = events,
    .subscribes = subscribes,
    .config = config_keys,
    .config_size = sizeof(struct mmr_files_config),
    .create = create,
    .destroy = destroy,
    .on_fd = on_fd,
    .on_timer = on_timer,
    .on_wake = on_wake,
    .sensor = &sensor,
    .analyzer = &analyzer,
};
