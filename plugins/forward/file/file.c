/*
 * file.c - forwarder: one OCSF JSON line for each record, appended to a file and synced before it is
 * said to be delivered. Records of one moment share a sync. The durable queue is the core's; a record
 * it hands over again after a crash is recognised and not written twice.
 */
#include "tail.h"

#include <mamori/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { WAITING_MAX = 1024, SYNC_MS = 5, RETRY_MS = 2000, COOKIE_SYNC = 1 };

struct file_config {
    const char *path;
    int64_t rotate_bytes;
};
struct file {
    const struct mmr_host *host;
    const struct file_config *cfg;
    char path[4096];
    int fd;
    uint64_t size;
    struct mmr_tail tail;
    uint64_t waiting[WAITING_MAX]; /* written, not yet synced */
    uint32_t n_waiting;
    bool is_failing; /* the disk refused; said once */
};

static int open_file(struct file *f, struct mmr_error *err)
{
    f->fd = open(f->path, O_RDWR | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0640);
    if (f->fd < 0)
        return mmr_fail(err, MMR_EIO, "cannot open '%s' for writing: %s; check 'path' of this forwarder", f->path,
                        strerror(errno));
    return mmr_tail_load(&f->tail, f->fd, f->path, &f->size, err);
}

static void destroy(void *self)
{
    struct file *f = self;
    if (!f)
        return;
    if (f->fd >= 0)
        (void)close(f->fd);
    free(f);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct file *f = calloc(1, sizeof *f);
    if (!f)
        return mmr_fail(err, MMR_ENOMEM, "file: out of memory");
    f->host = host;
    f->cfg = config;
    f->fd = -1;
    int n = f->cfg->path ? snprintf(f->path, sizeof f->path, "%s", f->cfg->path)
                         : snprintf(f->path, sizeof f->path, "%s/incidents.jsonl", host->state_dir);
    if (n < 0 || (size_t)n >= sizeof f->path) {
        free(f);
        return mmr_fail(err, MMR_ECONFIG, "file: 'path' is longer than %zu bytes", sizeof f->path - 1);
    }
    int r = open_file(f, err);
    if (r) {
        destroy(f);
        return r;
    }
    *ret_self = f;
    return 0;
}

/* The full file moves aside as <path>.1 (the one before it as .2); a new one begins. */
static int rotate(struct file *f, struct mmr_error *err)
{
    char one[4100], two[4100];
    (void)snprintf(one, sizeof one, "%s.1", f->path);
    (void)snprintf(two, sizeof two, "%s.2", f->path);
    (void)rename(one, two);
    if (rename(f->path, one) != 0)
        return mmr_fail(err, MMR_EIO, "cannot move '%s' aside: %s", f->path, strerror(errno));
    struct mmr_tail kept = f->tail;
    (void)close(f->fd);
    f->fd = -1;
    int r = open_file(f, err);
    f->tail = kept; /* what was written before the turn may still be handed over again */
    return r;
}

static void sync_now(struct file *f)
{
    bool is_ok = fdatasync(f->fd) == 0;
    int64_t now = f->host->now_ns(f->host->impl, MMR_CLOCK_WALL);
    for (uint32_t i = 0; i < f->n_waiting; i++)
        (void)f->host->forward_done(f->host->impl, f->waiting[i],
                                    is_ok ? MMR_DELIVERY_GATEWAY : MMR_DELIVERY_TRIED, now,
                                    is_ok ? f->path : strerror(errno));
    f->n_waiting = 0;
}

static int append(struct file *f, const void *data, size_t len)
{
    size_t done = 0;
    uint8_t *line = malloc(len + 1);
    if (!line)
        return MMR_EAGAIN;
    memcpy(line, data, len);
    line[len] = '\n';
    while (done < len + 1) {
        ssize_t n = write(f->fd, line + done, len + 1 - done);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            break;
        done += (size_t)n;
    }
    int saved = errno;
    free(line);
    if (done == len + 1) {
        f->size += len + 1;
        return 0;
    }
    if (done && ftruncate(f->fd, (off_t)f->size) != 0) /* no half line for the next one to continue */
        f->host->log(f->host->impl, MMR_LOG_ERR, "file.damaged hint=\"a half line could not be taken back\"");
    if (!f->is_failing) {
        char text[512];
        (void)snprintf(text, sizeof text, "file.refused path=\"%.300s\" error=\"%s\" what=\"kept and tried again\"",
                       f->path, strerror(saved));
        f->host->log(f->host->impl, MMR_LOG_ERR, text);
        f->is_failing = true;
    }
    return MMR_EAGAIN;
}

static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    struct file *f = self;
    uint64_t hash = mmr_tail_hash(data, len);
    if (memchr(data, '\n', len))
        return mmr_fail(err, MMR_EINVAL, "file: record %llu has an end of line inside", (unsigned long long)seq);
    if (f->n_waiting == WAITING_MAX)
        sync_now(f);
    if (!mmr_tail_has(&f->tail, hash)) {
        int r = f->size + len + 1 > (uint64_t)f->cfg->rotate_bytes && f->size ? rotate(f, err) : 0;
        if (r || (r = append(f, data, len))) {
            (void)f->host->set_timer(f->host->impl, RETRY_MS, COOKIE_SYNC);
            return MMR_EAGAIN;
        }
        mmr_tail_add(&f->tail, hash);
    }
    f->is_failing = false;
    f->waiting[f->n_waiting++] = seq;
    return f->n_waiting == 1 ? f->host->set_timer(f->host->impl, SYNC_MS, COOKIE_SYNC) : 0;
}

static void on_timer(void *self, uint64_t cookie)
{
    if (cookie == COOKIE_SYNC)
        sync_now(self);
}

static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    (void)deadline_ms;
    (void)err;
    sync_now(self);
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct file_config, path, MMR_CFG_STR, 0, NULL, 0, 0,
            "file to append to; incidents.jsonl in the instance's own folder when unset"),
    MMR_CFG(struct file_config, rotate_bytes, MMR_CFG_BYTES, 0, "256M", 4096, INT64_C(1) << 40,
            "a file that would grow over this moves aside; two old ones are kept"),
    {0},
};
static const struct mmr_forwarder_ops forwarder = {.struct_size = sizeof forwarder, .forward = forward, .flush = flush};

MMR_PLUGIN(file) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.file", .name = "file", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Appends each classified incident, finding and receipt to a file as one OCSF JSON line.",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_FILES_RW,
    .config = config_rows, .config_size = sizeof(struct file_config),
    .create = create, .destroy = destroy, .on_timer = on_timer, .forwarder = &forwarder,
};
