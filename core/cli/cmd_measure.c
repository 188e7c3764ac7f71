/* cmd_measure.c - the role `mamori measure`, started by the supervisor only. */
#include "cli/command.h"
#include "control/measure.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return mmr_measure_main();
}

MMR_COMMAND(measure) = {.name = "measure", .help = "serves measurements", .usage = "started by 'mamori run'\n", .run = run, .is_hidden = true};
