/*
 * tails.h - literals that must stand at the end of a buffer (names of hosts and domains, for the most part): found by a hash of the
 * buffer's last bytes. Thousands of them take a few dozen kilobytes and no time to prepare.
 */
#ifndef MMR_RULES_TAILS_H
#define MMR_RULES_TAILS_H

#include <rules/rule.h>

enum { TAIL_MAX = 64 }; /* of a longer literal only its last bytes count */

/* p, len: the literal, case does not matter; rules come in rising order. errors MMR_ENOMEM */
int mmr_tails_add(struct tail_index *x, const uint8_t *p, uint32_t len, uint32_t rule);
void mmr_tails_done(struct tail_index *x);
/* Every list of rules whose literal may end the data (perhaps another with the same hash). */
void mmr_tails_find(const struct tail_index *x, const uint8_t *p, size_t len, void (*hit)(void *ctx, const struct rule_list *rules), void *ctx);

#endif
