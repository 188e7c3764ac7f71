/* cmd_upstream_rotate.c - `mamori upstream rotate`: at a hub, new keys for its link to the collector. */
#include "cli/person.h"
#include "cli/site.h"

#include <getopt.h>
#include <stdio.h>

enum { ASK_MS = 15000 };

static int on_answer(void *ctx, struct json_object *line, const char *text, size_t len)
{
    const struct mmr_cli_site *s = ctx;
    struct json_object *up = NULL;
    (void)len;
    if (s->is_json) {
        (void)puts(text);
        return 0;
    }
    (void)printf(mmr_cli_word(s, "新しい鍵 %s を収集サーバーに届けます。受け取られしだい切り替わります。\n",
                              "new keys %s; they are used as soon as the collector has them\n"), mmr_cli_json_text(line, "keys"));
    if (!json_object_object_get_ex(line, "connected", &up) || !json_object_get_boolean(up))
        (void)puts(mmr_cli_word(s, "いまは接続されていません。つながったときに届けます。", "There is no connection now; they are given when there is."));
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site s = {.command = "upstream rotate"};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind < argc) {
        (void)fprintf(stderr, "mamori upstream rotate: unexpected '%s'; see 'mamori help upstream rotate'\n", argv[optind]);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (!status)
        status = mmr_cli_site_ask(&s, "upstream.rotate", NULL, ASK_MS, on_answer, &s, NULL);
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(upstream_rotate) = {
    .name = "upstream rotate",
    .help = "at a hub: new keys for its link to the collector",
    .usage = "mamori upstream rotate [--config DIR] [--json]\n"
             "\n"
             "Makes new keys for the link to the provider's collector, which gets their public half over the present one and takes\n"
             "the old ones no longer from the moment the new ones are first used. At the collector 'mamori node rotate SITE' asks\n"
             "for the same, and 'mamori node rotate --hub' changes the collector's own keys. --json: {\"keys\":...,\"connected\":...}\n",
    .run = run,
};
