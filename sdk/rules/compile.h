/* compile.h - orders the rules and builds the literal indexes. Private to this folder. */
#ifndef MMR_RULES_COMPILE_H
#define MMR_RULES_COMPILE_H

#include <rules/rule.h>

enum { TCP_LITERAL_MAX = 32 }; /* bytes of a literal searched for in TCP data: what may lie across two packets is searched again */
void mmr_rules_uncompile(struct mmr_rules *set); /* frees what compile made */
/* Does the rule belong to packets, to streams (of TCP), both, or neither (messages only)? */
bool mmr_rule_wants_pkt(const struct rule *r);
bool mmr_rule_wants_stream(const struct rule *r);
bool mmr_rule_list_push(struct rule_list *l, uint32_t rule); /* false: no memory. The last one again adds nothing */

#endif
