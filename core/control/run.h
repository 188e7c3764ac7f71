/*
 * run.h - the supervisor, `mamori run`: the only process with full privilege. It reads configuration and bounded
 * messages of its own children, nothing else; makes directories, starts the brain (or an endpoint's agent) and the
 * plugin hosts, restarts what ends, reloads, and answers the control socket.
 */
#ifndef MMR_CONTROL_RUN_H
#define MMR_CONTROL_RUN_H

#include <mamori/plugin.h>

#include <stdbool.h>

struct mmr_run_opts {
    const char *config_dir; /* NULL: the site's usual folder */
    const char *over;       /* YAML laid over everything; NULL: none */
    const struct mmr_plugin *const *builtins;
    bool is_quiet;          /* no text for people on stdout */
    bool is_simulated;      /* the brain's clock, for tests */
};
/* Runs until SIGTERM or SIGINT. Returns the exit status of the command. */
int mmr_run(const struct mmr_run_opts *o);

#endif
