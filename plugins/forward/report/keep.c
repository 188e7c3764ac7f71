/* keep.c - forwarder: each weekly report as a page (HTML), as text and as its JSON twin in a folder, and the renderer itself
 * as a service ("mamori.render/0"), which `mamori report week --html` uses. */
#include "record.h"
#include "report.h"

#include <mamori/plugin.h>
#include <mamori/render.h>

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

enum { PATH_BYTES = 4096 };

struct keep_config {
    const char *path;
};
struct keep {
    const struct mmr_host *host;
    char dir[PATH_BYTES];
};

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct keep_config *c = config;
    struct keep *k = calloc(1, sizeof *k);
    if (!k)
        return mmr_fail(err, MMR_ENOMEM, "report: out of memory");
    k->host = host;
    int n = snprintf(k->dir, sizeof k->dir, "%s", c->path ? c->path : host->state_dir);
    if (n < 0 || (size_t)n >= sizeof k->dir - 64 || (*k->dir && access(k->dir, W_OK) != 0)) {
        int r = mmr_fail(err, MMR_EIO, "report: cannot write into '%.200s': %s; check 'path'", k->dir, strerror(errno));
        free(k);
        return r;
    }
    *ret_self = k;
    return 0;
}

/* The old file or the new one, whatever happens meanwhile. */
static int put(const struct keep *k, long long number, const char *suffix, const char *bytes, size_t len, struct mmr_error *err)
{
    char path[PATH_BYTES + 64], part[PATH_BYTES + 80];
    (void)snprintf(path, sizeof path, "%s/week-%04lld.%s", k->dir, number, suffix);
    (void)snprintf(part, sizeof part, "%s.part", path);
    int fd = open(part, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0640);
    bool is_good = fd >= 0;
    for (size_t at = 0; is_good && at < len;) {
        ssize_t n = write(fd, bytes + at, len - at);
        is_good = n > 0 || (n < 0 && errno == EINTR);
        at += n > 0 ? (size_t)n : 0;
    }
    is_good = is_good && fdatasync(fd) == 0 && rename(part, path) == 0;
    int saved = errno;
    if (fd >= 0)
        (void)close(fd);
    if (is_good)
        return 0;
    (void)unlink(part);
    return mmr_fail(err, MMR_EIO, "report: cannot write '%.200s': %s", path, strerror(saved));
}

static int forward(void *self, const void *data, size_t len, uint64_t seq, struct mmr_error *err)
{
    struct keep *k = self;
    struct mmr_record r;
    char *html = NULL, *text = NULL, detail[128];
    int e = mmr_record_read(data, len, &r, err);
    if (e)
        return e;
    struct json_object *number = NULL;
    long long n = json_object_object_get_ex(r.json, "number", &number) ? (long long)json_object_get_int64(number) : 0;
    if (!r.is_report || n < 1 || n > 9999)
        e = mmr_fail(err, MMR_EUNSUPPORTED, "report: found a notice or a report without a number; give it 'takes: [report]'");
    if (!e)
        e = mmr_report_render(r.json, &html, &text, err);
    if (!e)
        e = put(k, n, "json", data, len, err);
    if (!e)
        e = put(k, n, "txt", text, strlen(text), err);
    if (!e)
        e = put(k, n, "html", html, strlen(html), err);
    free(html);
    free(text);
    mmr_record_done(&r);
    if (e == MMR_EIO || e == MMR_ENOMEM) {
        k->host->log(k->host->impl, MMR_LOG_ERR, err ? err->text : "report: cannot be written");
        return MMR_EAGAIN;
    }
    (void)snprintf(detail, sizeof detail, "%.80s/week-%04lld.html", k->dir, n);
    return e ? e : k->host->forward_done(k->host->impl, seq, MMR_DELIVERY_GATEWAY, k->host->now_ns(k->host->impl, MMR_CLOCK_WALL), detail);
}

static int flush(void *self, int64_t deadline_ms, struct mmr_error *err)
{
    (void)self;
    (void)deadline_ms;
    (void)err;
    return 0;
}

static int render(const char *json, size_t len, char **ret_html, char **ret_text, struct mmr_error *err)
{
    struct json_tokener *t = json_tokener_new();
    struct json_object *o = t && len < INT32_MAX ? json_tokener_parse_ex(t, json, (int)len) : NULL;
    int r = mmr_report_render(o, ret_html, ret_text, err);
    json_object_put(o);
    if (t)
        json_tokener_free(t);
    return r;
}

static const void *extension(const char *id)
{
    static const struct mmr_render_ops ops = {.struct_size = sizeof ops, .render = render};
    return strcmp(id, MMR_RENDER_ID) == 0 ? &ops : NULL;
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct keep_config, path, MMR_CFG_STR, 0, NULL, 0, 0, "folder for week-NNNN.html, .txt and .json; the instance's own when unset"),
    {0},
};
static const struct mmr_forwarder_ops forwarder = {.struct_size = sizeof forwarder, .forward = forward, .flush = flush};

MMR_PLUGIN(report) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.report", .name = "report", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Keeps each weekly report as a page, as text and as JSON.",
    .side = MMR_SIDE_NETWORK | MMR_SIDE_ENDPOINT,
    .needs = MMR_NEED_FILES_RW,
    .config = config_rows, .config_size = sizeof(struct keep_config),
    .create = create, .destroy = free, .forwarder = &forwarder, .extension = extension,
};
