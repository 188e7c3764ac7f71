/* describe.h - what a plugin's descriptor promises: checked rule by rule, and read as capabilities. The
 * same for built-ins and files. The descriptor is const data of loaded code; its texts are NUL-terminated. */
#ifndef MMR_PLUGIN_DESCRIBE_H
#define MMR_PLUGIN_DESCRIBE_H

#include "config/config.h"

#include <mamori/plugin.h>

enum mmr_cap { /* docs/vocabulary.md, Capabilities */
    MMR_CAP_NET_DETECT_INBOUND = 1 << 0,
    MMR_CAP_NET_DETECT_OUTBOUND = 1 << 1,
    MMR_CAP_NET_DEFEND = 1 << 2,
    MMR_CAP_EP_DETECT = 1 << 3,
    MMR_CAP_EP_DEFEND = 1 << 4,
    MMR_CAP_EP_DEFEND_LINKED = 1 << 5,
};
enum { MMR_CAPS = 6 };
const char *mmr_cap_name(enum mmr_cap cap); /* "net.detect.inbound"; "" for no single capability */

enum mmr_plugin_role {
    MMR_ROLE_SENSOR = 1 << 0, MMR_ROLE_ANALYZER = 1 << 1, MMR_ROLE_RESPONDER = 1 << 2,
    MMR_ROLE_FORWARDER = 1 << 3,
};
uint32_t mmr_plugin_roles(const struct mmr_plugin *p); /* enum mmr_plugin_role */
uint32_t mmr_plugin_caps(const struct mmr_plugin *p, uint32_t side); /* enum mmr_cap of an instance on that side */
const char *mmr_need_name(enum mmr_need need); /* "capture", "netfilter", … as in a grant; "" unknown */
bool mmr_need_parse(const char *text, uint32_t *ret_need);
enum { MMR_NEEDS = 11 };

/*
 * mmr_plugin_check - every rule of the ABI on one descriptor; all that is wrong is said at once.
 *
 * diag    one line for each mismatch: found, expected, what to do; may be NULL
 * errors  MMR_EBADMSG with the first mismatch and how many there are; MMR_EUNSUPPORTED when the ABI is
 *         not ours (nothing else is read then)
 */
int mmr_plugin_check(const struct mmr_plugin *p, mmr_diag_fn diag, void *ctx, struct mmr_error *err);

/* The same, saying with each line which rule it breaks. */
#define MMR_RULE_ABI "abi"
#define MMR_RULE_DESCRIPTOR "descriptor"
#define MMR_RULE_CAPABILITIES "capabilities"
#define MMR_RULE_CONFIG "config-rows"
typedef void (*mmr_rule_fn)(void *ctx, const char *rule, const char *line);
int mmr_plugin_check_rules(const struct mmr_plugin *p, mmr_rule_fn rule_fn, void *ctx, struct mmr_error *err);

/*
 * mmr_plugin_check_grant - does the operator allow what the descriptor asks for?
 *
 * side     of the instance; 0: the descriptor's only side
 * needs    granted, enum mmr_need
 * actions  granted verbs; v NULL: all
 * ret_side the instance's side
 * errors   MMR_EPERM, every mismatch through diag
 */
int mmr_plugin_check_grant(const struct mmr_plugin *p, uint32_t side, uint32_t needs,
                           struct mmr_strv actions, mmr_diag_fn diag, void *ctx, uint32_t *ret_side,
                           struct mmr_error *err);

bool mmr_plugin_id_is_valid(const char *id);      /* reverse-DNS, [a-z0-9.-]{3,63} */
bool mmr_plugin_version_is_valid(const char *v);  /* semantic version 2.0.0 */
bool mmr_plugin_name_is_valid(const char *dotted); /* kind or verb: [a-z0-9_-]+(\.[a-z0-9_-]+)*, at most 63 */

#endif
