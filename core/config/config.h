/*
 * config.h - the merged configuration: YAML drop-ins of one or more folders, later files win key by
 * key. Read-only once loaded; a reload loads another one beside it.
 */
#ifndef MMR_CONFIG_CONFIG_H
#define MMR_CONFIG_CONFIG_H

#include "config/yaml.h"

#include <mamori/error.h>
#include <mamori/action.h>
#include <mamori/plugin.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_config;

/* mmr_diag_fn: every error of every file in one go; each call is one line, "file:line:column: text". */

struct mmr_config_source { /* a folder of *.yaml read in byte order of names, or text in memory */
    const char *dir;       /* NULL: use text */
    const char *name, *text; /* name: what to call it in messages */
};

/*
 * mmr_config_load - read and merge the sources in order, check every key against the schema.
 *
 * ret      returned; mmr_config_free()
 * errors   MMR_ECONFIG (diag was called at least once); MMR_EIO; MMR_ENOMEM
 */
int mmr_config_load(const struct mmr_config_source *src, size_t n, mmr_diag_fn diag, void *ctx,
                    struct mmr_config **ret, struct mmr_error *err);
void mmr_config_free(struct mmr_config *c); /* accepts NULL */

/* The core's own settings by dotted path ("site.name", "defence.mode"); the schema's default where
 * unset. Borrowed from c. A path that is not in the schema is our mistake (assert). */
const char *mmr_config_str(const struct mmr_config *c, const char *path); /* NULL: unset, no default */
int64_t mmr_config_int(const struct mmr_config *c, const char *path);     /* also ms and bytes */
bool mmr_config_bool(const struct mmr_config *c, const char *path);
struct mmr_strv mmr_config_strv(const struct mmr_config *c, const char *path);

/* The names below a section whose keys the user chooses ("assets", "site.nodes"): how many there are;
 * up to cap of them in ret, borrowed. */
size_t mmr_config_names(const struct mmr_config *c, const char *path, const char **ret, size_t cap);

/* One `plugins:` entry. Texts borrowed from the config. */
struct mmr_instance_conf {
    const char *name;   /* the entry's key */
    const char *plugin; /* plugin id, "org.mamori.capture" */
    const char *file;   /* .so to load, or program; NULL: built in, or <plugin_dir>/<ident>.so found by id */
    const char *host;   /* host group; the instance's own name when not given */
    uint32_t side;      /* enum mmr_side; 0: the descriptor's only side */
    bool is_program;    /* file was given with `exec:` */
    bool is_service_user; /* its host runs as the user mamori runs as */
    bool is_enabled, is_dry_run;
    bool is_tool_named; /* its `tool:` names an entry of `tools:` */
    const void *node;   /* the config: map, for mmr_config_pack */
};
size_t mmr_config_instances(const struct mmr_config *c);
const struct mmr_instance_conf *mmr_config_instance(const struct mmr_config *c, size_t i);

/*
 * mmr_config_pack - an instance's `config:` map as a flat MessagePack map: every value as text as
 * written, lists as arrays of text, and the site's values that plugins inherit (home_net, never_block)
 * with "site:" before their names. It travels to the plugin host, which fills the struct.
 *
 * ret, ret_len  returned; free()
 */
int mmr_config_pack(const struct mmr_config *c, const struct mmr_instance_conf *inst, uint8_t **ret,
                    size_t *ret_len, struct mmr_error *err);

/*
 * mmr_config_fill - fill a plugin's config struct from packed text by the rows of its descriptor.
 *
 * packed, len  from mmr_config_pack; NULL, 0: defaults only
 * ret_struct   returned: one block of config_size bytes followed by the texts it points to; free().
 *              NULL where the plugin has no configuration
 * errors       MMR_ECONFIG: unknown key (with the nearest known one), missing, wrong type, out of range;
 *              the text names the key
 */
int mmr_config_fill(const struct mmr_plugin *p, const uint8_t *packed, size_t len, void **ret_struct,
                    struct mmr_error *err);

/* Check an instance's config against its descriptor; problems go to diag with their position. */
int mmr_config_check_instance(const struct mmr_config *c, const struct mmr_instance_conf *inst,
                              const struct mmr_plugin *p, mmr_diag_fn diag, void *ctx);

/* Every effective value with its origin, one call a line: path, value, "file:line" or "default". */
typedef void (*mmr_config_show_fn)(void *ctx, const char *path, const char *value, const char *origin);
void mmr_config_show(const struct mmr_config *c, mmr_config_show_fn show, void *ctx);

#endif
