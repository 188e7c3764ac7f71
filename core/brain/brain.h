/* brain.h - the two roles that stand between plugin hosts and the rest, each a process started by the supervisor. */
#ifndef MMR_BRAIN_BRAIN_H
#define MMR_BRAIN_BRAIN_H

/* `mamori brain`: on a hub. Returns the exit status. */
int mmr_brain_main(void);
/* `mamori agent`: on an endpoint; stamps, spools, passes on to the hub, and is the last gate before each act. */
int mmr_agent_main(void);

#endif
