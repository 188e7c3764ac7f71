/* covers.h - how much of the office is watched, in four numbers (SR-06, SR-07); standard/watched.h says what is missing. */
#ifndef MMR_STANDARD_COVERS_H
#define MMR_STANDARD_COVERS_H

#include "config/config.h"

#include <json-c/json.h>
#include <stdbool.h>
#include <stdint.h>

struct mmr_covers {
    uint32_t exits, exits_ok;         /* ways out that are written down; those with a sensor at work */
    uint32_t important, important_ok; /* machines with important information (unknown counts as such); those with an agent at work */
    bool is_net_ok, is_ep_ok;         /* nothing is missing */
};
/* status: as in standard/watched.h. errors MMR_ENOMEM */
int mmr_covers_measure(const struct mmr_config *c, struct json_object *status, const char *own, const char *hostname, struct mmr_covers *ret);

#endif
