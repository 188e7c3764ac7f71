/* cmd_run.c - `mamori run`: this machine is watched until it is told to stop. */
#include "cli/command.h"
#include "control/run.h"
#include "plugin/builtin.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"set", required_argument, NULL, 's'},
                                            {"quiet", no_argument, NULL, 'q'}, {"clock", required_argument, NULL, 'k'},
                                            {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_run_opts o = {.builtins = mmr_builtin_plugins};
    for (int k; (k = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (k) {
        case 'c': o.config_dir = optarg; break;
        case 's': o.over = optarg; break;
        case 'k':
            if (strcmp(optarg, "sim") != 0) {
                (void)fprintf(stderr, "mamori run: --clock=%s is unknown; expected --clock=sim (tests only), or nothing for the machine's clock\n", optarg);
                return MMR_EXIT_USAGE;
            }
            o.is_simulated = true;
            break;
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
    .usage = "mamori run [--config DIR] [--set YAML] [--quiet] [--clock=sim]\n"
             "\n"
             "Starts the brain (or, on an endpoint, its agent) and the plugins that the configuration names, says what is\n"
             "watched, and stays. --set lays YAML text over the configuration: --set 'defence: {mode: auto}'.\n"
             "--clock=sim is for tests: time also goes on by 'mamori clock advance'; 'profile: service' refuses it.\n",
    .run = run,
};
