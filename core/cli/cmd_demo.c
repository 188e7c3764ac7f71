/* cmd_demo.c - `mamori demo`: the live demonstration. */
#include "cli/command.h"
#include "demo/demo.h"

#include <getopt.h>
#include <stdio.h>
#include <string.h>

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"act", required_argument, NULL, 'a'}, {"lang", required_argument, NULL, 'l'},
                                            {"keep", required_argument, NULL, 'k'}, {"chaos", no_argument, NULL, 'x'},
                                            {"json", no_argument, NULL, 'j'}, {"config", required_argument, NULL, 'c'}, {0}};
    struct mmr_demo_opts o = {0};
    for (int k; (k = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (k) {
        case 'a': o.acts = optarg; break;
        case 'l': o.lang = optarg; break;
        case 'k': o.keep = optarg; break;
        case 'x': o.is_chaos = true; break;
        case 'j': o.is_json = true; break;
        case 'c': break; /* the demo writes its own */
        default: return MMR_EXIT_USAGE;
        }
    if (optind < argc || (o.acts && (!*o.acts || strspn(o.acts, "abc") != strlen(o.acts))) ||
        (o.lang && strcmp(o.lang, "ja") != 0 && strcmp(o.lang, "en") != 0)) {
        (void)fprintf(stderr, "mamori demo: expected --act a, b or c, --lang ja or en; see 'mamori help demo'\n");
        return MMR_EXIT_USAGE;
    }
    return mmr_demo(&o);
}

MMR_COMMAND(demo) = {
    .name = "demo",
    .help = "a small office made of namespaces, real attacks in it, and a check of every conclusion",
    .usage = "mamori demo [--act a|b|c]... [--lang ja|en] [--json] [--chaos] [--keep DIR]\n"
             "\n"
             "Needs root and the tools ip, nft, sshd and ssh. Nothing outside its own namespaces is touched, and nothing is\n"
             "left behind. (a) the PCs defend, the network side watches; (b) the gateway defends, the PCs detect; (c) nobody\n"
             "may block. --chaos kills mamori's processes meanwhile; --keep leaves logs and state in DIR. Status 0 when every\n"
             "conclusion is right, 1 when one is wrong, 77 when this machine cannot play it.\n",
    .run = run,
};
