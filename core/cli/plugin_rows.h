/* plugin_rows.h - every plugin this site has, is configured with, or refused, as one JSON row each. */
#ifndef MMR_CLI_PLUGIN_ROWS_H
#define MMR_CLI_PLUGIN_ROWS_H

#include "cli/site.h"

/*
 * id, maker, model, version, side, capabilities, needs, actions, granted_needs, granted_actions, file, sha256, trust, registration,
 * instances (name, host, state, reason) and self-tests, sorted by id. only: one id or file; NULL: all.
 *
 * is_running  out: a mamori runs here, and the states are its
 * returned; json_object_put(). NULL: out of memory
 */
struct json_object *mmr_plugin_rows(const struct mmr_cli_site *s, const char *only, bool *is_running);

#endif
