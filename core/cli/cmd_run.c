/* cmd_run.c - `mamori run`: this machine is watched until it is told to stop. */
#include "cli/command.h"
#include "control/run.h"
#include "plugin/builtin.h"

#include <getopt.h>
#include <stdio.h>

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 's'},
                                            {"quiet", no_argument, NULL, 'q'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_run_opts o = {.builtins = mmr_builtin_plugins};
    for (int k; (k = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (k) {
        case 'c': o.config_dir = optarg; break;
        case 's': o.over = optarg; break;
        case 'q': case 'j': o.is_quiet = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind < argc) {
        (void)fprintf(stderr, "mamori run: unexpected '%s'; see 'mamori help run'\n", argv[optind]);
        return MMR_EXIT_USAGE;
    }
    return mmr_run(&o);
}

MMR_COMMAND(run) = {
    .name = "run",
    .help = "watches this machine; SIGHUP reloads, SIGTERM ends it",
    .usage = "mamori run [--config DIR] [--set YAML] [--quiet]\n"
             "\n"
             "Starts the brain (or, on an endpoint, its agent) and the plugins that the configuration names, says what is\n"
             "watched, and stays. --set lays YAML text over the configuration: --set 'defence: {mode: auto}'.\n",
    .run = run,
};
