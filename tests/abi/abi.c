/* abi.c - a plugin built with nothing but the public headers in strict C17. */
#include "layout.h"

#include <mamori/action.h>
#include <mamori/event.h>
#include <mamori/net.h>

#include <string.h>

_Static_assert(MMR_ABI_MAJOR == 1, "the layout below is that of major 1");

static int create(const struct mmr_host *host, const void *config, void **ret_self, struct mmr_error *err)
{
    (void)host;
    (void)config;
    (void)ret_self;
    return mmr_fail(err, MMR_EUNSUPPORTED, "a specimen");
}
static void destroy(void *self)
{
    (void)self;
}

struct specimen_config {
    int64_t limit;
};
static const struct mmr_cfg_key rows[] = {
    MMR_CFG(struct specimen_config, limit, MMR_CFG_INT, 0, "1", 0, 0, "a limit"),
    {0},
};

MMR_PLUGIN(specimen) = {
    MMR_PLUGIN_HEAD, .id = "test.specimen", .name = "specimen", .version = "0.1.0", .license = "Apache-2.0",
    .side = MMR_SIDE_NETWORK, .config = rows, .config_size = sizeof(struct specimen_config), .create = create,
    .destroy = destroy,
};

int main(void)
{
    /* a host that is older, and so shorter, is seen as such */
    struct mmr_host old = {.struct_size = offsetof(struct mmr_host, forward_done)};
    struct mmr_error err = {.struct_size = sizeof err};
    void *self = NULL;
    if (MMR_HAS(&old, forward_done) || !MMR_HAS(&old, extension))
        return 1;
    if (mmr_plugin_specimen.struct_size != sizeof(struct mmr_plugin) || strcmp(MMR_ENTRY_NAME, "mmr_plugin_entry_v1") != 0)
        return 2;
    return mmr_plugin_specimen.create(&old, rows, &self, &err) == MMR_EUNSUPPORTED && err.text[0] ? 0 : 3;
}
