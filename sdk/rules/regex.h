/* regex.h - one PCRE2 expression of a rule: compiled at load, JIT code made at its first use. */
#ifndef MMR_RULES_REGEX_H
#define MMR_RULES_REGEX_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct regex;
struct must; /* must.h */
struct regex_scratch; /* per engine: match data and limits */

enum { RE_NOCASE = 1 << 0, RE_MULTILINE = 1 << 1, RE_DOTALL = 1 << 2, RE_EXTENDED = 1 << 3, RE_ANCHORED = 1 << 4,
       RE_DOLLAR_END = 1 << 5, RE_UNGREEDY = 1 << 6 };
int mmr_regex_new(const char *text, size_t len, unsigned flags, struct regex **ret, struct mmr_error *err);
void mmr_regex_free(struct regex *re);
/* Literals of which a subject must hold one to match; read once, at load. NULL: none are known */
const struct must *mmr_regex_must(const struct regex *re, bool *ret_nocase);
void mmr_regex_forget_must(struct regex *re); /* frees them */
struct regex **mmr_regex_next(struct regex *re); /* the owner's list */

struct regex_scratch *mmr_regex_scratch_new(void); /* NULL: no memory */
void mmr_regex_scratch_free(struct regex_scratch *s);
enum { RE_NO_MATCH = 0, RE_MATCH = 1, RE_GAVE_UP = 2 };
/* ret_end: offset after the match */
int mmr_regex_match(const struct regex *re, struct regex_scratch *s, const uint8_t *p, size_t len, size_t *ret_end);

/* Where the first brackets of the expression matched. false: no match, or they took no part in it */
bool mmr_regex_part(const struct regex *re, struct regex_scratch *s, const uint8_t *p, size_t len, size_t *ret_start, size_t *ret_end);

#endif
