/*
 * keeper.c - a responder whose blocks are one file, "blocks" in its state folder: reconcile() with nothing that lives
 * takes it away. Files beside it make it fail: "refuse" (cannot be created), "broken" (says so), "crash" (ends its process).
 */
#include <mamori/plugin.h>

#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

struct self {
    const struct mmr_host *host;
};

static void path_of(const struct mmr_host *host, const char *name, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%s/%s", host->state_dir, name);
}

static int is_there(const struct mmr_host *host, const char *name)
{
    char path[4096];
    path_of(host, name, path, sizeof path);
    return access(path, F_OK) == 0;
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    (void)config;
    if (is_there(host, "refuse"))
        return mmr_fail(err, MMR_EIO, "the keeper cannot reach its blocks");
    struct self *s = calloc(1, sizeof *s);
    if (!s)
        return mmr_fail(err, MMR_ENOMEM, "out of memory");
    s->host = host;
    *ret_self = s;
    return 0;
}

static int act(void *self, const struct mmr_action *a, struct mmr_error *err)
{
    (void)self;
    (void)a;
    return mmr_fail(err, MMR_EUNSUPPORTED, "the keeper only takes back");
}

static int reconcile(void *self, const uint64_t *live, size_t n, struct mmr_error *err)
{
    const struct self *s = self;
    char path[4096];
    (void)live;
    (void)err;
    if (is_there(s->host, "crash"))
        abort();
    if (is_there(s->host, "broken")) {
        s->host->log(s->host->impl, MMR_LOG_ERR, "the keeper lost its key");
        return 0;
    }
    path_of(s->host, "blocks", path, sizeof path);
    if (n == 0)
        (void)unlink(path);
    return 0;
}

static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};

MMR_PLUGIN(keeper) = {
    MMR_PLUGIN_HEAD,
    .id = "org.example.keeper", .name = "keeper", .version = "1.0.0", .vendor = "example", .license = "Apache-2.0",
    .doc = "keeps its blocks in one file", .side = MMR_SIDE_NETWORK,
    .actions = (const char *const[]){"block.addr", NULL}, .events = (const char *const[]){NULL},
    .create = create, .destroy = free, .responder = &responder,
};
