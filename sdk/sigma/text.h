/*
 * text.h - what comparing text in Sigma's way needs: folding of case, patterns with wildcards, the
 * encodings of the transformation modifiers, addresses, numbers and times. Pure functions.
 */
#ifndef MMR_SIGMA_TEXT_H
#define MMR_SIGMA_TEXT_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#include "sigma/arena.h"

/*
 * sigma_text_fold - lower case without change of length: letters of ASCII, Latin, Greek, Cyrillic, Armenian and of full
 * width. Those whose small letter has another length in UTF-8 stay (the Kelvin sign is no k), as do a few that Unicode maps
 * out of their row. Folding never depends on the locale and never fails; bytes that are no UTF-8 stay.
 *
 * out     len bytes, may be p itself
 * return  true if there was a byte above 0x7f
 */
bool sigma_text_fold(const char *p, size_t len, char *out);

/* The offset of the first byte that is no UTF-8 (RFC 3629, section 4), or len. */
size_t sigma_text_not_utf8(const char *p, size_t len);

/* A pattern: one unit a byte, or a wildcard. */
enum { MMR_PAT_ANY = 0x100 /* '*' */, MMR_PAT_ONE = 0x101 /* '?': one character */ };
struct sigma_pat {
    uint16_t *u;
    size_t n;
};

/* A Sigma string with its escapes read (specification, "Escaping"); false when out of memory.
 * has_wild false: '*' and '?' are plain. */
bool sigma_pat_parse(struct mmr_sigma_arena *a, const char *p, size_t len, bool has_wild,
                   struct sigma_pat *ret);
bool sigma_pat_join(struct mmr_sigma_arena *a, const uint16_t *pre, size_t n_pre,
                  const struct sigma_pat *mid, const uint16_t *post, size_t n_post, struct sigma_pat *ret);
bool sigma_pat_is_plain(const struct sigma_pat *p); /* no wildcard */

/* Whole-value match of a pattern with wildcards, in time len x wildcards at worst. */
bool sigma_pat_match(const uint16_t *u, size_t n, const char *text, size_t len);

/* Base64 of bytes; offset 0 to 2: what stays the same wherever they stand in a longer text
 * (base64offset). false when out of memory. */
bool sigma_text_base64(struct mmr_sigma_arena *a, const char *p, size_t len, bool is_whole, int offset,
                     char **ret, size_t *ret_len);
bool sigma_text_utf16(struct mmr_sigma_arena *a, const char *p, size_t len, bool is_big, bool has_bom,
                    char **ret, size_t *ret_len);

struct sigma_cidr {
    uint8_t net[16]; /* IPv4 as mapped IPv6 */
    uint8_t bits;
};
bool sigma_cidr_parse(const char *text, struct sigma_cidr *ret);
bool sigma_cidr_has(const struct sigma_cidr *c, const char *addr, size_t len);

/* Decimal (with sign and fraction) or 0x hexadecimal; the whole text. */
bool sigma_text_number(const char *p, size_t len, double *ret);

enum sigma_time_part { MMR_TIME_MINUTE, MMR_TIME_HOUR, MMR_TIME_DAY, MMR_TIME_WEEK, MMR_TIME_MONTH, MMR_TIME_YEAR };
/* A part of "2025-01-31T08:15:00…" (any separator, no zone arithmetic). */
bool sigma_time_part_of_text(const char *p, size_t len, enum sigma_time_part part, int *ret);
bool sigma_time_part_of_ns(int64_t ns, enum sigma_time_part part, int *ret); /* UTC */

const char *sigma_text_find(const char *hay, size_t hay_len, const char *needle, size_t len); /* or NULL */

#endif
