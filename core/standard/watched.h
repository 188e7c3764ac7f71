/*
 * watched.h - what covers this office (SR-06 to SR-08): what is there comes from the configuration, what works from the
 * status of the running mamori; what nobody reports does not count as working.
 */
#ifndef MMR_STANDARD_WATCHED_H
#define MMR_STANDARD_WATCHED_H

#include "config/config.h"
#include "standard/coverage.h"

#include <json-c/json.h>

struct mmr_watched {
    const struct mmr_config *config; /* borrowed */
    struct json_object *status;      /* as 'mamori status --json' (hosts, brain); NULL: none runs */
    struct json_object *notes;       /* what was not measured */
    const char *own, *hostname;      /* this machine's name in the configuration, and its own */
};
/* Measure the ways out (is_net), or the agents. notes holds what could not be measured. errors MMR_ENOMEM */
int mmr_watched_coverage(struct mmr_watched *v, bool is_net, struct mmr_coverage *ret);

#endif
