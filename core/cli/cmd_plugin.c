/* cmd_plugin.c - `mamori plugin list`: the plugins this executable knows. */
#include "cli/command.h"
#include "plugin/builtin.h"

#include <stdio.h>
#include <string.h>

static int list(void)
{
    for (size_t i = 0; mmr_builtin_plugins[i]; i++)
        (void)printf("%s %s built-in\n", mmr_builtin_plugins[i]->id, mmr_builtin_plugins[i]->version);
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    if (argc == 2 && strcmp(argv[1], "list") == 0)
        return list();
    (void)fputs("mamori plugin: expected 'list'\n", stderr);
    return MMR_EXIT_USAGE;
}

MMR_COMMAND(plugin) = {
    .name = "plugin",
    .help = "the plugins: what there is, and whether one is sound",
    .usage = "usage: mamori plugin list\n",
    .run = run,
};
