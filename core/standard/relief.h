/* relief.h - the formal rule of SERVICE_STANDARD 3.1: which service types a capability set conforms to. */
#ifndef MMR_STANDARD_RELIEF_H
#define MMR_STANDARD_RELIEF_H

#include "plugin/describe.h" /* enum mmr_cap: Na Ni Nu Ea Ei, linked */

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

/* What one plugin instance gives: side, detects and flags as in its descriptor; a responder defends with a verb
 * that is not query.*. detect_only or dry run gives no defence. */
struct mmr_cap_source {
    const char *plugin, *version, *instance;
    uint32_t side, detects, flags;
    bool is_detector;  /* sensor or analyzer */
    bool can_defend;   /* responder with at least one verb that is not query.* */
    bool is_dry_run, is_listed, is_loaded, is_healthy;
};
uint32_t mmr_caps_of(const struct mmr_cap_source *s); /* 0 unless listed, loaded and healthy */

struct mmr_relief {
    bool network, endpoint, combined; /* conforms */
    bool net_defence_relieved, ep_defence_relieved;
    uint32_t missing; /* enum mmr_cap bits, for the combined type: what must be added */
    bool is_linked_idle; /* linked defence present but not Linked */
};
/* caps: enum mmr_cap bits; is_linked: the other defence is in the manifest, commanded or read as receipts, watched */
struct mmr_relief mmr_relief_of(uint32_t caps, bool is_linked);
/* `mamori conform eval`: one JSON line in, one out (COMMANDS.md). ret_json returned; free().
 * errors MMR_EBADMSG naming the field */
int mmr_relief_json(const char *line, size_t len, char **ret_json, struct mmr_error *err);

#endif
