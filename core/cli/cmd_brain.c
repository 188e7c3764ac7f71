/* cmd_brain.c - the role `mamori brain`, started by the supervisor only. */
#include "brain/brain.h"
#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return mmr_brain_main();
}

MMR_COMMAND(brain) = {.name = "brain", .help = "the brain of a hub", .usage = "started by 'mamori run'\n", .run = run, .is_hidden = true};
