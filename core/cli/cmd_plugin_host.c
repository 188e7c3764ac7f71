/* cmd_plugin_host.c - the hidden role in which plugins run. */
#include "cli/command.h"
#include "plugin/builtin.h"
#include "plugin/host.h"

#include <stdio.h>

static int run(int argc, char **argv)
{
    (void)argv;
    if (argc != 1) {
        (void)fputs("mamori plugin-host: takes no arguments; the supervisor starts it\n", stderr);
        return MMR_EXIT_USAGE;
    }
    return mmr_host_main(mmr_builtin_plugins);
}

MMR_COMMAND(plugin_host) = {
    .name = "plugin-host",
    .help = "holds plugin instances; started by `mamori run`",
    .usage = "usage: started by the supervisor only\n",
    .run = run,
    .is_hidden = true,
};
