/*
 * layers.h - lays one YAML tree over another, key by key.
 *
 *   key: value     a map is merged; anything else replaces what was there
 *   key+: [a, b]   adds to the list that was there (or to the default)
 *   key: null      takes the key away
 */
#ifndef MMR_CONFIG_LAYERS_H
#define MMR_CONFIG_LAYERS_H

#include "config/yaml.h"

/*
 * mmr_layers_merge - lay `over` over `base` (both maps; NULL: empty). Values keep their origin.
 * Wrong uses of `+` go to diag. Returns the number of problems, or MMR_ENOMEM.
 */
int mmr_layers_merge(struct mmr_yaml_pool *p, struct mmr_yaml *base, const struct mmr_yaml *over,
                     mmr_diag_fn diag, void *ctx);

#endif
