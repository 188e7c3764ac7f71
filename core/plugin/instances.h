/*
 * instances.h - from the configuration's plugin entries to loaded descriptors and checked keys. Loads plugin
 * code into this process: for replay and the command line, not for the supervisor.
 */
#ifndef MMR_PLUGIN_INSTANCES_H
#define MMR_PLUGIN_INSTANCES_H

#include "config/config.h"

#include <mamori/plugin.h>

struct mmr_instance { /* one enabled entry; texts borrowed from the configuration */
    const struct mmr_instance_conf *conf;
    const struct mmr_plugin *plugin;
    uint32_t side;    /* enum mmr_side, exactly one */
    char *file;       /* where the .so lies; NULL: built in */
    uint8_t *packed;  /* mmr_config_pack() */
    size_t packed_len;
};
struct mmr_instances {
    struct mmr_instance *v;
    size_t n;
};

/*
 * mmr_instances_load - find and check every enabled plugin and its keys.
 *
 * builtins  ends with NULL
 * ret       mmr_instances_done()
 * errors    MMR_ECONFIG after diag was called for each problem: no such plugin, unsound descriptor, wrong keys,
 *           side not given; MMR_ENOMEM
 */
int mmr_instances_load(const struct mmr_config *c, const struct mmr_plugin *const *builtins, mmr_diag_fn diag,
                       void *ctx, struct mmr_instances *ret, struct mmr_error *err);
void mmr_instances_done(struct mmr_instances *i);

/* The folders searched for plugin files: configured ones, else beside the executable (build tree), else the
 * installed one. buf holds the texts. Returns how many. */
size_t mmr_plugin_dirs(const struct mmr_config *c, char *buf, size_t cap, const char **ret, size_t max);

/* Those beside the executable and the installed one: what lies there is bundled. */
size_t mmr_plugin_own_dirs(char *buf, size_t cap, const char **ret, size_t max);

/* Does the plugin listen to a topic of mamori/net.h? Then it belongs to every replay, though it starts nothing. */
bool mmr_plugin_has_sink(const struct mmr_plugin *p);

#endif
