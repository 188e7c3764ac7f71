/* host.h - the plugin host process: `mamori plugin-host`, started by the supervisor (supervise.h) and by nobody else. */
#ifndef MMR_PLUGIN_HOST_H
#define MMR_PLUGIN_HOST_H

#include <mamori/plugin.h>

/*
 * mmr_host_main - receive the assignment, give away privileges, load and check the plugins, run them until the
 * channel ends. builtins ends with NULL. Returns the exit status: 0 ended on purpose, 2 not started by a
 * supervisor or refused (said on the channel and in the log), 3 a failure of the system.
 */
int mmr_host_main(const struct mmr_plugin *const *builtins);

#endif
