/* incident_allow.h - `mamori incident allow`: known-good from an incident, in one step. */
#ifndef MMR_CLI_INCIDENT_ALLOW_H
#define MMR_CLI_INCIDENT_ALLOW_H

#include "cli/site.h"

/* argv as the command's, "allow" its first word. Returns enum mmr_exit */
int mmr_cli_incident_allow(int argc, char **argv);

#endif
