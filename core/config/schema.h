/* schema.h - every key the core knows, as data; the manual's table is printed from it. */
#ifndef MMR_CONFIG_SCHEMA_H
#define MMR_CONFIG_SCHEMA_H

#include "config/yaml.h"

#include <mamori/plugin.h>

enum { MMR_CFG_CHOICE = 100, MMR_CFG_ANY = 101 }; /* beside enum mmr_cfg_type: one of min..; a plugin's own map */

struct mmr_schema_row {
    const char *path; /* dotted; `*` stands for one name the user chooses */
    uint32_t type;
    const char *dflt;    /* as written; lists comma separated; NULL: unset */
    const char *choices; /* MMR_CFG_CHOICE: space separated */
    int64_t min, max;
    const char *doc;
};
extern const struct mmr_schema_row mmr_schema[]; /* ends with .path == NULL */

/* The row of a concrete path ("plugins.capture.host" finds "plugins.*.host"), or NULL. */
const struct mmr_schema_row *mmr_schema_find(const char *path);
/* Check a merged tree: unknown keys (with the nearest known one), types, ranges. Returns the number
 * of problems, each said through diag. */
unsigned mmr_schema_check(const struct mmr_yaml *root, mmr_diag_fn diag, void *ctx);
/* What no single key shows: is there an enabled instance for each channel a contact has, is the address one? The tree is
 * sound by mmr_schema_check(). Returns the number of problems, each said to diag. */
unsigned mmr_notify_check(const struct mmr_yaml *root, mmr_diag_fn diag, void *ctx);
/* The same of metrics.listen: is it one, and can nobody else reach it (or is that wanted)? */
unsigned mmr_metrics_check(const struct mmr_yaml *root, mmr_diag_fn diag, void *ctx);
/* And of site.listen, site.hub and upstream.collector: are they addresses with a port? */
unsigned mmr_links_check(const struct mmr_yaml *root, mmr_diag_fn diag, void *ctx);

#endif
