/* nft.c - responder: block.addr and isolate.host at the gateway (libnft/blocker.h does the work). */
#include "blocker.h"

#include <stdlib.h>
#include <string.h>

struct nft_config {
    const char *table, *family;
    struct mmr_strv never_block;
    int64_t sweep;
};
struct nft {
    struct mmr_blocker *blocker;
    struct mmr_blocker_config cfg;
};

static void destroy(void *self)
{
    struct nft *n = self;
    if (n)
        mmr_blocker_free(n->blocker);
    free(n);
}

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    const struct nft_config *c = config;
    bool is_bridge = strcmp(c->family, "bridge") == 0;
    if (!is_bridge && strcmp(c->family, "inet") != 0)
        return mmr_fail(err, MMR_ECONFIG, "nft: family '%.40s' is neither inet nor bridge", c->family);
    struct nft *n = calloc(1, sizeof *n);
    if (!n)
        return mmr_fail(err, MMR_ENOMEM, "nft: out of memory");
    n->cfg = (struct mmr_blocker_config){.table = c->table, .is_bridge = is_bridge, .dir = host->state_dir, .never_block = c->never_block,
                                         .sweep_ms = c->sweep};
    int r = mmr_blocker_new(host, &n->cfg, &n->blocker, err);
    if (r) {
        free(n);
        return r;
    }
    *ret_self = n;
    return 0;
}

static int act(void *self, const struct mmr_action *o, struct mmr_error *err)
{
    const struct nft *n = self;
    return mmr_blocker_act(n->blocker, o, err);
}

static int reconcile(void *self, const uint64_t *live, size_t count, struct mmr_error *err)
{
    const struct nft *n = self;
    (void)err;
    mmr_blocker_reconcile(n->blocker, live, count);
    return 0;
}

static void on_timer(void *self, uint64_t cookie)
{
    const struct nft *n = self;
    mmr_blocker_timer(n->blocker, cookie);
}

static void on_fd(void *self, int fd, unsigned rw, uint64_t cookie)
{
    const struct nft *n = self;
    (void)fd;
    (void)rw;
    mmr_blocker_readable(n->blocker, cookie);
}

static const struct mmr_cfg_key config_rows[] = {
    MMR_CFG(struct nft_config, table, MMR_CFG_STR, 0, "mamori", 0, 0, "name of our nftables table"),
    MMR_CFG(struct nft_config, family, MMR_CFG_STR, 0, "inet", 0, 0,
            "inet: what is routed through this machine; bridge: what passes between the ports of its bridges"),
    MMR_CFG(struct nft_config, never_block, MMR_CFG_STRV, 0, NULL, 0, 0,
            "addresses and networks never blocked; gateway, name servers and own addresses are always added"),
    MMR_CFG(struct nft_config, sweep, MMR_CFG_MSEC, 0, "30s", 1000, 3600000, "how often every block is verified"),
    {0},
};
static const struct mmr_responder_ops responder = {.struct_size = sizeof responder, .act = act, .reconcile = reconcile};

MMR_PLUGIN(nft) = {
    MMR_PLUGIN_HEAD,
    .id = "org.mamori.nft", .name = "nft", .version = "0.1.0", .vendor = "mamori", .license = "Apache-2.0",
    .doc = "Blocks addresses at the gateway with nftables: own table, kernel time-outs, proved by read-back.",
    .side = MMR_SIDE_NETWORK, .needs = MMR_NEED_NETFILTER,
    .actions = (const char *const[]){"block.addr", "isolate.host", NULL},
    .events = (const char *const[]){"enforcement.lost", NULL},
    .config = config_rows, .config_size = sizeof(struct nft_config),
    .create = create, .destroy = destroy, .on_fd = on_fd, .on_timer = on_timer,
    .responder = &responder,
};
