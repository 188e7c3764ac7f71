/* cmd_classify.c - `mamori classify`: the decision table over JSON lines. */
#include "classify/classify.h"
#include "cli/command.h"
#include "cli/json_lines.h"

#include <getopt.h>
#include <stdio.h>

static int run(int argc, char **argv)
{
    static const struct option options[] = {
        {"config", required_argument, NULL, 'c'}, {"json", no_argument, NULL, 'j'}, {0}};
    for (int o; (o = getopt_long(argc, argv, "", options, NULL)) != -1;)
        if (o == '?')
            return MMR_EXIT_USAGE;
    if (optind != argc) {
        (void)fprintf(
            stderr,
            "mamori classify: found '%s', expected nothing: the facts come on standard input\n",
            argv[optind]);
        return MMR_EXIT_USAGE;
    }
    return mmr_json_lines("mamori classify", mmr_classify_json);
}

MMR_COMMAND(classify) = {
    .name = "classify",
    .help = "the class of an incident from its facts, by the table of the service standard",
    .usage = "mamori classify < FACTS\n"
             "\n"
             "Reads JSON lines\n"
             "  {\"H\":\"yes|unknown|no\",\"S\":\"high|low|info\",\n"
             "   \"D\":\"none|in_progress|unverified|partial|failed|lapsed|verified\",\n"
             "   \"B\":false,\"R\":false,\"A\":false,\"U\":false,\"age_s\":120}\n"
             "(B, R, A, U left out are false, age_s left out is 0) and answers lines\n"
             "  {\"class\":...,\"band\":...,\"row\":7,\"why\":\"...\"}\n",
    .run = run,
};
