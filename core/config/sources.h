/* sources.h - which drop-ins a start reads: the shipped ones (inside the executable), the chosen
 * deployment's, then the site's folder. */
#ifndef MMR_CONFIG_SOURCES_H
#define MMR_CONFIG_SOURCES_H

#include "config/config.h"

#define MMR_SITE_DIR "/etc/mamori/conf.d"

/*
 * mmr_config_load_site - load shipped, deployment and site drop-ins, in this order.
 *
 * dir      the site's folder; NULL: MMR_SITE_DIR where it exists, else none
 * over     YAML text laid over everything (a command's own settings); NULL: none
 * ret      returned; mmr_config_free()
 * errors   as mmr_config_load()
 */
int mmr_config_load_site(const char *dir, const char *over, mmr_diag_fn diag, void *ctx,
                         struct mmr_config **ret, struct mmr_error *err);

/*
 * mmr_config_load_sound - the same, but a file of the site's folder that is wrong is left out whole, and said: for the
 * commands a person needs just when an edit went wrong (status, undo-all). Never for what then runs.
 *
 * ret_left_out  how many files; 0: as mmr_config_load_site()
 */
int mmr_config_load_sound(const char *dir, mmr_diag_fn diag, void *ctx, struct mmr_config **ret, unsigned *ret_left_out,
                          struct mmr_error *err);

#endif
