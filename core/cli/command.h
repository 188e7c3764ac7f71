/*
 * command.h - one command of the executable. A command is one file core/cli/cmd_<name>.c that ends with
 *
 *     MMR_COMMAND(replay) = {
 *         .name = "replay", .help = "recorded input through the same pipeline",
 *         .usage = "mamori replay [--pcap FILE]... [--log [FORMAT:]FILE]...\n", .run = mmr_cmd_replay,
 *     };
 *
 * The build makes the table from the files, so adding a command touches no other file. In the file's
 * name a '-' of the command is '_' (cmd_plugin_host.c is "plugin-host"). A name of two words is a command of a command:
 * cmd_plugin_check.c holds MMR_COMMAND(plugin_check) with the name "plugin check", found before "plugin" is asked.
 */
#ifndef MMR_CLI_COMMAND_H
#define MMR_CLI_COMMAND_H

#include <stdbool.h>
#include <stdio.h>

enum mmr_exit { /* the exit status of every command, docs of the command contract */
    MMR_EXIT_OK = 0,     /* done and good */
    MMR_EXIT_NO = 1,     /* done, and the answer is no */
    MMR_EXIT_USAGE = 2,  /* the call or the configuration is wrong */
    MMR_EXIT_FAILED = 3, /* it could not be done: I/O, privilege, peer */
};

struct mmr_command {
    const char *name;
    const char *help;  /* one line */
    const char *usage; /* the text of --help after the first line; lines end with \n */
    /* argv[0] is the (last word of the) command's name, so getopt_long works as it is. `--help` never gets here; the
     * global options (--config DIR, --json) come after argv[0] wherever the user wrote them. */
    int (*run)(int argc, char **argv); /* returns enum mmr_exit */
    bool is_hidden;                    /* a role the supervisor starts, not a command for people */
};

#define MMR_COMMAND(ident)                                                                         \
    extern const struct mmr_command mmr_command_##ident;                                           \
    const struct mmr_command mmr_command_##ident

extern const struct mmr_command *const mmr_commands[]; /* generated, by name, ends with NULL */

/* The help of a command, with a line for each of its own commands; as `--help` prints it. */
void mmr_print_usage(FILE *to, const char *name);

#endif
