/*
 * collector.h - the provider's receiver: one process that takes records of many sites over the site link, commits them, acknowledges
 * them, hands them on through its outlets, and says which sites have fallen silent. Each member of its list is a site's hub.
 */
#ifndef MMR_UPSTREAM_COLLECTOR_H
#define MMR_UPSTREAM_COLLECTOR_H

#include "config/config.h"

#include <stdbool.h>

/*
 * mmr_collector_run - until SIGTERM or SIGINT; SIGHUP opens the outlet's files anew. One a state folder.
 *
 * config  site.listen, node.state_dir, site.approve, collector.* (borrowed)
 * errors  MMR_ECONFIG; MMR_EPERM another one runs here; MMR_EIO, MMR_ENOMEM; after a failed commit MMR_EIO: nothing that was not
 *         committed is acknowledged, so sites send it again once it is started again
 */
int mmr_collector_run(const struct mmr_config *config, struct mmr_error *err);

/* Has one ever run over this state folder? Then its control socket is in it (control/server.h), not in node.run_dir. */
bool mmr_collector_is_folder(const char *state_dir);
/* Does one run over it now? */
bool mmr_collector_is_running(const char *state_dir);

#endif
