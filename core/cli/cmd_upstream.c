/* cmd_upstream.c - `mamori upstream`: the provider's collector, until it is told to stop. */
#include "cli/site.h"
#include "upstream/collector.h"
#include "upstream/direct.h"

#include <getopt.h>
#include <sodium.h>
#include <stdio.h>

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site site = {.command = "upstream"};
    struct mmr_error err = {.struct_size = sizeof err};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': site.dir = optarg; break;
        case 'j': break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind < argc) {
        (void)fprintf(stderr, "mamori upstream: unexpected '%s'; see 'mamori help upstream'\n", argv[optind]);
        return MMR_EXIT_USAGE;
    }
    int status = sodium_init() < 0 ? MMR_EXIT_FAILED : mmr_cli_site_open(&site);
    if (status)
        return status;
    int r = mmr_config_str(site.config, "collector.sites") ? mmr_direct_run(site.config, &err) : mmr_collector_run(site.config, &err);
    if (r) {
        (void)fprintf(stderr, "mamori upstream: %s\n", err.text);
        status = r == MMR_ECONFIG ? MMR_EXIT_USAGE : MMR_EXIT_FAILED;
    }
    mmr_cli_site_done(&site);
    return status;
}

MMR_COMMAND(upstream) = {
    .name = "upstream",
    .help = "the provider's collector: takes what many sites send",
    .usage = "mamori upstream [--config DIR]\n"
             "\n"
             "Takes incidents, receipts and findings of the sites that joined, severe ones first, keeps each once, acknowledges what\n"
             "is committed, writes OCSF JSON lines (collector.file) and names sites that fall silent. It needs in DIR\n"
             "    deployment: none\n"
             "    site: {listen: tcp://192.0.2.1:7500}\n"
             "    collector: {file: /var/log/mamori/sites.jsonl}\n"
             "and the three ports from the given one on open to the sites. 'mamori token new --name TENANT.SITE' makes what a site\n"
             "needs to join, 'mamori node' lists, revokes and changes keys, all with the same --config. SIGHUP opens the file anew, SIGTERM ends it.\n"
             "\n"
             "With 'collector: {engine: [nats://192.0.2.10:4222]}' records go into a stream of NATS JetStream as well (or into a\n"
             "table: postgresql://USER@HOST/DATABASE). With collector.sites, a\n"
             "file of 'mamori upstream sites', the collector keeps nothing itself: a site's record is acknowledged when the engine has it,\n"
             "and any number of such collectors may run side by side with a copy of the same node.key.\n",
    .run = run,
};
