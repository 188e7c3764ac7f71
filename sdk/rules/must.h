/*
 * must.h - literals of which a subject must hold one for a regular expression to match: what the prefilter searches for in place of
 * running the expression. Conservative: where the expression is not understood, there are none.
 */
#ifndef MMR_RULES_MUST_H
#define MMR_RULES_MUST_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum { MUST_LITERALS = 16, MUST_BYTES = 24, MUST_SHORTEST = 3 };
struct must {
    uint32_t n; /* 0: nothing is known */
    struct must_literal {
        uint8_t len;
        uint8_t p[MUST_BYTES];
    } v[MUST_LITERALS];
};
/*
 * mmr_must_of - the best set of literals of a PCRE2 expression.
 *
 * text, len   the expression without its slashes, already compiled without error
 * is_nocase   the expression ignores case: literals come in lower case
 */
void mmr_must_of(const char *text, size_t len, bool is_nocase, struct must *ret);
/* The shortest literal's bytes; 0 without any. */
uint32_t mmr_must_shortest(const struct must *m);

#endif
