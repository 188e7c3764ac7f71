/* cmd_plugin_check.c - `mamori plugin check`: does a plugin keep the rules of the ABI? */
#include "cli/command.h"
#include "cli/plugin_file.h"
#include "plugin/describe.h"

#include <stdio.h>

static void print_error(void *ctx, const char *line)
{
    (void)ctx;
    (void)fprintf(stderr, "%s\n", line);
}

static int check(const char *what)
{
    const struct mmr_plugin *p = NULL;
    struct mmr_error err = {.struct_size = sizeof err};
    int r = mmr_plugin_find(what, &p, &err);
    if (r) {
        (void)fprintf(stderr, "mamori plugin: %s\n", err.text);
        return mmr_plugin_status(r);
    }
    if (mmr_plugin_check(p, print_error, NULL, &err))
        return MMR_EXIT_NO;
    (void)printf("%s %s: sound\n", p->id, p->version);
    return MMR_EXIT_OK;
}

static int run(int argc, char **argv)
{
    if (argc != 2) {
        (void)fputs("mamori plugin check: expected one plugin, by id or file\n", stderr);
        return MMR_EXIT_USAGE;
    }
    return mmr_plugin_in_process(check, argv[1]);
}

MMR_COMMAND(plugin_check) = {
    .name = "plugin check",
    .help = "whether a plugin keeps every rule",
    .usage = "usage: mamori plugin check ID|FILE\n\n"
             "Names every rule of the plugin ABI that the descriptor breaks; status 1 if there is one.\n",
    .run = run,
};
