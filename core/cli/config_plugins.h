/* config_plugins.h - the keys of every configured plugin against what that plugin says it takes. */
#ifndef MMR_CLI_CONFIG_PLUGINS_H
#define MMR_CLI_CONFIG_PLUGINS_H

#include "config/config.h"

/*
 * mmr_cli_check_plugins - each enabled instance: is its plugin there, and are its keys known, whole and in range?
 *
 * diag    every problem, with its place
 * note    what could not be asked: a file that is refused or unsound is left out when mamori runs, the others run
 * return  how many problems
 */
size_t mmr_cli_check_plugins(const struct mmr_config *c, mmr_diag_fn diag, mmr_diag_fn note, void *ctx);

#endif
