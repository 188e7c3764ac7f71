/* main.c - finds the command in the generated table and runs it; nothing is decided here. */
#include "cli/command.h"
#include "util/nearest.h"

#include <mamori/plugin.h>

#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static const char *const ocsf_version = "1.8.0";

static void print_help(FILE *to)
{
    (void)fputs("mamori - hybrid security sensor for small offices\n\n"
                "usage: mamori [--config DIR] [--json] COMMAND ...\n\ncommands:\n", to);
    for (size_t i = 0; mmr_commands[i]; i++)
        if (!mmr_commands[i]->is_hidden && !strchr(mmr_commands[i]->name, ' '))
            (void)fprintf(to, "  %-12s %s\n", mmr_commands[i]->name, mmr_commands[i]->help);
    (void)fputs("\n`mamori help COMMAND` explains one; `mamori --version` names this build.\n", to);
}

static const struct mmr_command *find(const char *name)
{
    for (size_t i = 0; mmr_commands[i]; i++)
        if (strcmp(mmr_commands[i]->name, name) == 0)
            return mmr_commands[i];
    return NULL;
}

/* The command of a command (`plugin check`), or NULL. */
static const struct mmr_command *find_two(const char *name, const char *word)
{
    size_t n = strlen(name);
    for (size_t i = 0; word && mmr_commands[i]; i++) {
        const char *c = mmr_commands[i]->name;
        if (strncmp(c, name, n) == 0 && c[n] == ' ' && strcmp(c + n + 1, word) == 0)
            return mmr_commands[i];
    }
    return NULL;
}

void mmr_print_usage(FILE *to, const char *name)
{
    const struct mmr_command *c = find(name);
    size_t n = strlen(name);
    bool has_more = false;
    if (!c)
        return;
    (void)fprintf(to, "mamori %s - %s\n\n%s", c->name, c->help, c->usage ? c->usage : "");
    for (size_t i = 0; mmr_commands[i]; i++) {
        if (strncmp(mmr_commands[i]->name, name, n) != 0 || mmr_commands[i]->name[n] != ' ')
            continue;
        (void)fprintf(to, "%s  mamori %-20s %s\n", has_more ? "" : "\nand, each with a --help of its own:\n",
                      mmr_commands[i]->name, mmr_commands[i]->help);
        has_more = true;
    }
}

static int unknown(const char *name)
{
    const char *nearest = NULL;
    size_t best = SIZE_MAX;
    for (size_t i = 0; mmr_commands[i]; i++)
        if (!mmr_commands[i]->is_hidden && !strchr(mmr_commands[i]->name, ' '))
            mmr_nearest(name, mmr_commands[i]->name, &nearest, &best);
    if (nearest)
        (void)fprintf(stderr, "mamori: unknown command '%s'; did you mean '%s'?\n", name, nearest);
    else
        (void)fprintf(stderr, "mamori: unknown command '%s'; `mamori help` lists them\n", name);
    return MMR_EXIT_USAGE;
}

static int help(const char *name, const char *word)
{
    if (!name) {
        print_help(stdout);
        return MMR_EXIT_OK;
    }
    const struct mmr_command *c = find_two(name, word);
    if (!c)
        c = find(name);
    if (!c)
        return unknown(name);
    mmr_print_usage(stdout, c->name);
    return MMR_EXIT_OK;
}

static bool wants_help(int argc, char **argv)
{
    for (int i = 1; i < argc && strcmp(argv[i], "--") != 0; i++)
        if (strcmp(argv[i], "--help") == 0)
            return true;
    return false;
}

int main(int argc, char **argv)
{
    int at = 1; /* the command's place: behind the global options */

    while (at < argc && argv[at][0] == '-') {
        if (strcmp(argv[at], "--help") == 0 || strcmp(argv[at], "-h") == 0)
            return help(NULL, NULL);
        if (strcmp(argv[at], "--version") == 0) {
            (void)printf("mamori %s (plugin ABI %d.%d, OCSF %s)\n", MMR_VERSION, MMR_ABI_MAJOR,
                         MMR_ABI_MINOR, ocsf_version);
            return MMR_EXIT_OK;
        }
        if (strcmp(argv[at], "--config") == 0) {
            at += 2;
        } else if (strncmp(argv[at], "--config=", 9) == 0 || strcmp(argv[at], "--json") == 0) {
            at++;
        } else {
            (void)fprintf(stderr, "mamori: unknown option '%s'; `mamori help` says what there is\n",
                          argv[at]);
            return MMR_EXIT_USAGE;
        }
    }
    if (at >= argc) {
        print_help(stderr);
        return MMR_EXIT_USAGE;
    }
    if (strcmp(argv[at], "help") == 0)
        return help(at + 1 < argc ? argv[at + 1] : NULL, at + 2 < argc ? argv[at + 2] : NULL);
    int words = 2;
    const struct mmr_command *c = find_two(argv[at], at + 1 < argc ? argv[at + 1] : NULL);
    if (!c) {
        words = 1;
        c = find(argv[at]);
    }
    if (!c)
        return unknown(argv[at]);
    if (wants_help(argc - at, argv + at)) {
        mmr_print_usage(stdout, c->name);
        return MMR_EXIT_OK;
    }

    /* the command first, then the global options that stood before it, then the rest */
    char name[64]; /* what getopt_long() begins its complaints with */
    (void)snprintf(name, sizeof name, "mamori %s", c->name);
    memmove(argv + 1 + words, argv + 1, (size_t)(at - 1) * sizeof *argv);
    argv[words] = name;
    int status = c->run(argc - words, argv + words);
    if (fflush(stdout) != 0 || ferror(stdout)) {
        (void)fputs("mamori: standard output could not be written\n", stderr);
        return status == MMR_EXIT_OK ? MMR_EXIT_FAILED : status;
    }
    return status;
}
