/*
 * suppress.h - what the site has said about single rules: never alert (for these machines, until that day), or alert less often.
 * Each entry has an owner and a reason, so that somebody can ask in a year.
 */
#ifndef MMR_SIGNATURE_SUPPRESS_H
#define MMR_SIGNATURE_SUPPRESS_H

#include <mamori/plugin.h>
#include <rules/rules.h>

struct suppress;

/*
 * suppress_new - entries as written: "sid=2100498 src=192.0.2.0/24 dst=198.51.100.7 until=2030-01-31 owner=NAME reason=TEXT",
 * and for tune "sid=2100498 count=5 seconds=60 track=src owner=NAME reason=TEXT" (an alert for every count-th match within
 * seconds of one source, destination or of the rule). reason= comes last and may have blanks.
 *
 * ret     returned; suppress_free()
 * errors  MMR_ECONFIG naming the entry and what is wrong; MMR_ENOMEM
 */
int suppress_new(const struct mmr_strv *suppress, const struct mmr_strv *tune, struct suppress **ret, struct mmr_error *err);
void suppress_free(struct suppress *s); /* accepts NULL */
/* May this match become an alert? */
bool suppress_lets(struct suppress *s, const struct mmr_rule_hit *hit);
/* Matches kept quiet so far; and entries that have run out by now_s and should be taken out of the configuration. */
uint64_t suppress_quiet(const struct suppress *s);
size_t suppress_expired(const struct suppress *s, int64_t now_s);

#endif
