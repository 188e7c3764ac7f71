/* compile.h - orders the rules and builds the literal indexes. Private to this folder. */
#ifndef MMR_RULES_COMPILE_H
#define MMR_RULES_COMPILE_H

#include <rules/rule.h>

void mmr_rules_uncompile(struct mmr_rules *set); /* frees what compile made */
/* Does the rule belong to packets, to streams (of TCP), both, or neither (messages only)? */
bool mmr_rule_wants_pkt(const struct rule *r);
bool mmr_rule_wants_stream(const struct rule *r);

#endif
