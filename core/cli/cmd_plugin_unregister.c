/* cmd_plugin_unregister.c - `mamori plugin unregister`: this site no longer agrees. */
#include "cli/site.h"
#include "trust/registration.h"

#include <getopt.h>
#include <stdio.h>

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site site = {.command = "plugin unregister"};
    struct mmr_error err = {.struct_size = sizeof err};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': site.dir = optarg; break;
        case 'j': site.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind + 1 != argc) {
        (void)fputs("mamori plugin unregister: expected one plugin id; see 'mamori help plugin unregister'\n", stderr);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&site);
    if (status)
        return status;
    int r = mmr_registration_remove(mmr_config_str(site.config, "trust.register_dir"), argv[optind], &err);
    if (r)
        (void)fprintf(stderr, "mamori plugin unregister: %s\n", err.text);
    else if (site.is_json)
        (void)printf("{\"unregistered\":\"%s\"}\n", argv[optind]); /* a valid id needs no quoting */
    else
        (void)printf("%s is no longer registered; 'mamori reload' ends it\n", argv[optind]);
    mmr_cli_site_done(&site);
    return r == 0 ? MMR_EXIT_OK : r == MMR_ENOENT ? MMR_EXIT_NO : r == MMR_EINVAL ? MMR_EXIT_USAGE : MMR_EXIT_FAILED;
}

MMR_COMMAND(plugin_unregister) = {
    .name = "plugin unregister",
    .help = "this site no longer agrees to a plugin",
    .usage = "usage: mamori plugin unregister ID\n\nTakes the registration away; a running plugin ends at the next reload.\n",
    .run = run,
};
