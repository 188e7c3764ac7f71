/* request.h - what the brain's and the agent's answers both read from a command's arguments. */
#ifndef MMR_BRAIN_REQUEST_H
#define MMR_BRAIN_REQUEST_H

#include <stdbool.h>
#include <stdint.h>

/* The action's number out of the arguments {"id":"16 hex digits"} (JSON text). false: anything else. */
bool mmr_request_action_id(const char *args, uint64_t *ret_id);

#endif
