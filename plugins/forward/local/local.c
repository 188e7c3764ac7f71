/*
 * local.c - forwarder: notices on this machine: into a file a desktop or a login script can show, and onto the terminals of
 * who is logged in. It says level 1 only: nobody knows whether a person sat there.
 */
#include "record.h"
#include "seen.h"

#include <mamori/plugin.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utmpx.h>

enum { PATH_BYTES = 4096, KEEP_BYTES = 256 * 1024, TERMINALS_MAX = 64, TEXT_MAX = 8192 };

struct local_config {
    const char *path;
    bool terminals;
};
struct local {
    const struct mmr_host *host;
    const struct local_config *cfg;
    struct mmr_seen *seen;
    char path[PATH_BYTES];
};

static void destroy(void *self)
{
    struct local *l = self;
    if (l)
        mmr_seen_close(l->seen);
    free(l);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    struct local *l = calloc(1, sizeof *l);
    if (!l)
        return mmr_fail(err, MMR_ENOMEM, "local: out of memory");
    l->host = host;
    l->cfg = config;
    int n = l->cfg->path ? snprintf(l->path, sizeof l->path, "%s", l->cfg->path) : snprintf(l->path, sizeof l->path, "%s/notices.txt", host->state_dir);
    int r = n < 0 || (size_t)n >= sizeof l->path - 8 ? mmr_fail(err, MMR_ECONFIG, "'path' is too long") : mmr_seen_open(host->state_dir, &l->seen, err);
    int fd = r ? -1 : open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    if (!r && fd < 0)
        r = mmr_fail(err, MMR_EIO, "cannot open '%.200s' for writing: %s; check 'path' of this forwarder", l->path, strerror(errno));
    if (fd >= 0)
        (void)close(fd);
    if (r) {
        destroy(l);
        return r;
    }
    *ret_self = l;
    return 0;
}

/* Text that cannot move a cursor. */
static void plain(const char *from, char *buf, size_t cap)
{
    size_t out = 0;
    for (; *from && out + 1 < cap; from++)
        buf[out++] = ((unsigned char)*from < 0x20 && *from != '\n') || *from == 0x7f ? ' ' : *from;
    buf[out] = '\0';
}

static int append(struct local *l, const char *text, struct mmr_error *err)
{
    struct stat st;
    char old[PATH_BYTES + 8];
    (void)snprintf(old, sizeof old, "%s.1", l->path);
    if (stat(l->path, &st) == 0 && st.st_size > KEEP_BYTES)
        (void)rename(l->path, old);
    int fd = open(l->path, O_WRONLY | O_APPEND | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0644);
    size_t len = strlen(text);
    bool is_good = fd >= 0 && write(fd, text, len) == (ssize_t)len && fdatasync(fd) == 0;
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    return is_good ? 0 : mmr_fail(err, MMR_EIO, "cannot write '%.200s': %s", l->path, strerror(saved));
}

/* As wall(1) does; a terminal that does not take it at once is left alone. Returns how many took it. */
static unsigned shout(const char *text)
{
    unsigned n = 0, seen = 0;
    const struct utmpx *u;
    size_t len = strlen(text);
    setutxent();
    while ((u = getutxent()) && seen < TERMINALS_MAX) {
        char path[sizeof u->ut_line + 8], line[sizeof u->ut_line + 1];
        if (u->ut_type != USER_PROCESS)
            continue;
        seen++;
        memcpy(line, u->ut_line, sizeof u->ut_line);
        line[sizeof u->ut_line] = '\0';
        if (!*line || strstr(line, "..") || line[0] == '/')
            continue;
        (void)snprintf(path, sizeof path, "/dev/%s", line);
        int fd = open(path, O_WRONLY | O_NONBLOCK | O_NOCTTY | O_CLOEXEC | O_NOFOLLOW);
        if (fd < 0)
            continue;
        n += isatty(fd) && write(fd, text, len) == (ssize_t)len;
        (void)close(fd);
    }
    endutxent();
    return n;
}

static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    struct local *l = self;
    struct mmr_record r;
    char body[TEXT_MAX], text[TEXT_MAX + 128], detail[128];
    int level = MMR_DELIVERY_GATEWAY, e = mmr_record_read(data, len, &r, err);
    int64_t now = l->host->now_ns(l->host->impl, MMR_CLOCK_WALL);
    if (e)
        return e;
    bool is_new = !mmr_seen_has(l->seen, r.key, &level);
    plain(r.text, body, sizeof body);
    (void)snprintf(text, sizeof text, "\n---- %s  %s ----\n%s\n", r.service, r.incident, body);
    if (is_new && !(e = append(l, text, err))) {
        unsigned n = l->cfg->terminals ? shout(text) : 0;
        mmr_seen_add(l->seen, r.key, MMR_DELIVERY_GATEWAY);
        (void)snprintf(detail, sizeof detail, "%.80s, %u terminals", l->path, n);
    } else {
        (void)snprintf(detail, sizeof detail, "was shown before");
    }
    mmr_record_done(&r);
    if (e) {
        l->host->log(l->host->impl, MMR_LOG_ERR, err ? err->text : "local: the file refuses");
        return MMR_EAGAIN;
    }
    return l->host->forward_done(l->host->impl, seq, level, now, detail);
}

static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    (void)self;
    (void)deadline_ms;
    (void)err;
    return 0;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct local_config, path, MMR_CFG_STR, 0, NULL, 0, 0, "file that notices are added to; notices.txt in the instance's own folder when unset"),
    MMR_CFG(struct local_config, terminals, MMR_CFG_BOOL, 0, "yes", 0, 0, "show them on the terminals of who is logged in, too"),
    {0},
};
static const struct mmr_forwarder_ops forwarder = {.struct_size = sizeof forwarder, .forward = forward, .flush = flush};

MMR_PLUGIN(local) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.local", .name = "local", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Shows notices on this machine: in a file and on terminals.",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_FILES_RW,
    .config = config_rows, .config_size = sizeof(struct local_config),
    .create = create, .destroy = destroy, .forwarder = &forwarder,
};
