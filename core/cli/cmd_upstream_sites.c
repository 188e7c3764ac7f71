/* cmd_upstream_sites.c - `mamori upstream sites`: the approved sites of a collector with their keys, for collectors that keep nothing. */
#include "bus/keys.h"
#include "cli/site.h"
#include "store/members.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static int print(void *ctx, const struct mmr_member *x)
{
    struct mmr_public_keys pub;
    char line[MMR_PUBLIC_TEXT_MAX];
    (void)ctx;
    if (x->state != MMR_MEMBER_APPROVED)
        return 0;
    memcpy(pub.curve, x->curve, sizeof pub.curve);
    memcpy(pub.sign, x->sign, sizeof pub.sign);
    mmr_public_keys_format(&pub, line);
    (void)printf("%s %s\n", x->name, line);
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site site = {.command = "upstream sites"};
    struct mmr_error err = {.struct_size = sizeof err};
    struct mmr_members *list = NULL;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': site.dir = optarg; break;
        case 'j': break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind < argc) {
        (void)fprintf(stderr, "mamori upstream sites: unexpected '%s'; see 'mamori help upstream sites'\n", argv[optind]);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&site);
    if (!status) {
        int r = mmr_members_open(site.state_dir, false, &list, &err);
        if (!r)
            r = mmr_members_each(list, print, NULL, &err);
        if (r) {
            (void)fprintf(stderr, "mamori upstream sites: %s; is this the collector where sites joined?\n", err.text);
            status = MMR_EXIT_FAILED;
        } else if (fflush(stdout) != 0) {
            status = MMR_EXIT_FAILED;
        }
        mmr_members_close(list);
    }
    mmr_cli_site_done(&site);
    return status;
}

MMR_COMMAND(upstream_sites) = {
    .name = "upstream sites",
    .help = "at the collector where sites joined: their keys, for collectors that keep nothing",
    .usage = "mamori upstream sites [--config DIR]\n"
             "\n"
             "A line 'NAME mamori-public-1 HEX HEX' for each approved site: the file collector.sites of collectors that keep nothing.\n"
             "Make it anew whenever a site joined, was revoked or has new keys; they read it again when it changes:\n"
             "    mamori upstream sites --config DIR >sites.new && mv sites.new sites\n",
    .run = run,
};
