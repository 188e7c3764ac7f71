/* config_text.h - a plugin's config struct from text pairs; inside the test host only. */
#ifndef MAMORI_TESTHOST_CONFIG_TEXT_H
#define MAMORI_TESTHOST_CONFIG_TEXT_H

#include <mamori/plugin.h>

/*
 * mmr_testhost_config_fill - by the same rules as the core: unknown, missing, malformed and
 * out-of-range values are errors.
 *
 * pairs  "key", "value", ..., NULL; or NULL
 * ret    returned: one block, free(); NULL where the plugin has no configuration
 */
int mmr_testhost_config_fill(const struct mmr_plugin *p, const char *const *pairs, void **ret,
                             struct mmr_error *err);

#endif
