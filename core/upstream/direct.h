/*
 * direct.h - a collector that keeps nothing: what sites send goes to an engine (collector.engine) at once, and a site hears "received" when the
 * engine has it. Its key and its configuration are all it has, so any number may run side by side, on any machine, and each may be
 * killed at any instant: what was not acknowledged the site sends again, to whichever it finds, and the engine knows it by its id.
 *
 * Who may connect stands in the file collector.sites. What it does not do, as it keeps nothing: let sites join, give them new keys, hold a site's
 * signed checkpoints against each other, list sites. A collector with a store does the first two, with the same key; checkpoints (with their
 * signature checked) and who is connected go into the engine as records of the kinds "checkpoint" and "presence", to be judged by who reads it.
 */
#ifndef MMR_UPSTREAM_DIRECT_H
#define MMR_UPSTREAM_DIRECT_H

#include "config/config.h"

/*
 * mmr_direct_run - until SIGTERM or SIGINT.
 *
 * config  site.listen, node.state_dir (its node.key is read, nothing is written), collector.sites, collector.engine* (borrowed)
 * errors  MMR_ECONFIG; MMR_EIO; MMR_ENOMEM
 */
int mmr_direct_run(const struct mmr_config *config, struct mmr_error *err);

#endif
