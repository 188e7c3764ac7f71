/* cmd_agent.c - the role `mamori agent`, started by the supervisor only. */
#include "brain/brain.h"
#include "cli/command.h"

static int run(int argc, char **argv)
{
    (void)argc;
    (void)argv;
    return mmr_agent_main();
}

MMR_COMMAND(agent) = {.name = "agent", .help = "the agent of an endpoint", .usage = "started by 'mamori run'\n", .run = run, .is_hidden = true};
