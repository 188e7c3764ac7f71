/* cmd_clock.c - `mamori clock advance`: the time of a `mamori run --clock=sim` goes on at once. For tests. */
#include "cli/site.h"
#include "config/value.h"
#include "util/clock.h"

#include <mamori/plugin.h>

#include <getopt.h>
#include <stdio.h>
#include <string.h>

enum { ASK_MS = 20000 };

static int line(void *ctx, struct json_object *o, const char *text, size_t len)
{
    const struct mmr_cli_site *s = ctx;
    (void)len;
    (void)puts(s->is_json ? text : mmr_cli_json_text(o, "now"));
    return 0;
}

static int run(int argc, char **argv)
{
    static const struct option options[] = {{"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    struct mmr_cli_site s = {.command = "clock", .is_tolerant = true};
    char why[200];
    int64_t by_ms;
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        switch (o) {
        case 'c': s.dir = optarg; break;
        case 'j': s.is_json = true; break;
        default: return MMR_EXIT_USAGE;
        }
    if (optind + 2 != argc || strcmp(argv[optind], "advance") != 0) {
        (void)fputs("mamori clock: expected 'advance DURATION', as in 'mamori clock advance 60m'\n", stderr);
        return MMR_EXIT_USAGE;
    }
    if (!mmr_value_parse(MMR_CFG_MSEC, argv[optind + 1], 1, INT64_C(366) * 86400 * 1000, &by_ms, why, sizeof why)) {
        (void)fprintf(stderr, "mamori clock: DURATION %s\n", why);
        return MMR_EXIT_USAGE;
    }
    int status = mmr_cli_site_open(&s);
    if (status == MMR_EXIT_OK) {
        struct json_object *args = json_object_new_object();
        mmr_cli_json_int(args, "by_ns", by_ms * MMR_NS_PER_MS);
        status = mmr_cli_site_ask(&s, "clock.advance", args, ASK_MS, line, &s, NULL);
        json_object_put(args);
    }
    mmr_cli_site_done(&s);
    return status;
}

MMR_COMMAND(clock) = {
    .name = "clock",
    .help = "tests only: lets the time of a run with --clock=sim go on",
    .usage = "mamori clock advance DURATION [--config DIR] [--json]\n"
             "\n"
             "For whoever tests what takes an hour or a week: the 60 minutes of a severe incident, the weekly report. Works only\n"
             "where 'mamori run --clock=sim' runs, which 'profile: service' refuses. DURATION is 90s, 60m, 8d, …\n",
    .run = run,
};
