/*
 * select.h - which rules of a pack somebody means: by number, by the file they stand in, or by a regular expression over their line, as
 * the field's tools do it.
 */
#ifndef MMR_RULES_SELECT_H
#define MMR_RULES_SELECT_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { SELECT_MAX = 4096 };
struct rule_select;

/*
 * mmr_select_new - entries as written: "2019401" or "1:2019401" (a sid, with its gid), "group:NAME" (the rule file's name, with or without
 * its ending, * and ? as in a shell), "re:EXPRESSION" (anywhere in the line, in any case).
 *
 * what     name of the list, for messages
 * ret      returned; mmr_select_free(). NULL where there are no entries
 * errors   MMR_ECONFIG naming the entry and what is wrong with it; MMR_ETOOBIG; MMR_ENOMEM
 */
int mmr_select_new(const char *what, const char *const *entries, size_t n, struct rule_select **ret, struct mmr_error *err);
void mmr_select_free(struct rule_select *s); /* accepts NULL */
/* Is the rule of this line meant? Counts the entries that mean it. s may be NULL: no rule is */
bool mmr_select_has(struct rule_select *s, const char *file, uint32_t gid, uint32_t sid, const char *line, size_t len);
/* The at-th entry that has meant no rule so far; NULL: no more */
const char *mmr_select_idle(const struct rule_select *s, size_t at);

#endif
