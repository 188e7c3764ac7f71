/*
 * set.h - millions of indicators in little memory: 16 bytes an entry in one open table that is built once and never
 * changed. A value is kept as a 64-bit hash only; what it was is known from the event that asked. Networks are looked
 * for with every prefix length that occurs, domains with every suffix.
 */
#ifndef MMR_INDICATOR_SET_H
#define MMR_INDICATOR_SET_H

#include <mamori/error.h>
#include <mamori/net.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

enum ind_kind { IND_ADDR = 1, IND_DOMAIN, IND_URL, IND_SHA256, IND_JA3, IND_JA4, IND_KINDS };
const char *ind_kind_name(enum ind_kind k);

enum { IND_LISTS_MAX = 256, IND_LABEL_MAX = 96, IND_LABELS_MAX = 65535, IND_ENTRIES_MAX = 1 << 26 };
struct ind_hit { /* texts live as long as the set */
    uint32_t list;        /* number of the list, in the order given to ind_set_list() */
    uint32_t expires_s;   /* UTC seconds; 0: never */
    const char *label;    /* what the list says it is; "" if nothing */
    unsigned bits;        /* IND_ADDR: length of the prefix that matched, on the IPv6 form */
    size_t at;            /* IND_DOMAIN: where in the name the matching suffix begins */
};
struct ind_set;

struct ind_set *ind_set_new(void); /* NULL: no memory */
void ind_set_free(struct ind_set *s); /* accepts NULL */
/* The lists' entries are added under the number set last. */
void ind_set_list(struct ind_set *s, uint32_t list);
/*
 * Add one value. addr values: 16 bytes of the address and bits on the IPv6 form (128: one address); others: text, already
 * in the form that is asked for (lower case; a URL without scheme and fragment).
 *
 * errors  MMR_ENOMEM; MMR_ETOOBIG more than IND_ENTRIES_MAX
 */
int ind_set_add_addr(struct ind_set *s, const struct mmr_addr *a, unsigned bits, uint32_t expires_s, const char *label);
int ind_set_add(struct ind_set *s, enum ind_kind k, const char *text, size_t len, uint32_t expires_s, const char *label);
/* After the last add, before the first question. errors MMR_ENOMEM */
int ind_set_build(struct ind_set *s, struct mmr_error *err);

size_t ind_set_count(const struct ind_set *s);
size_t ind_set_bytes(const struct ind_set *s); /* memory held, all of it */

/* now_s: an entry that has expired is none. The longest prefix, the longest suffix wins. */
bool ind_set_addr(const struct ind_set *s, const struct mmr_addr *a, uint32_t now_s, struct ind_hit *ret);
bool ind_set_domain(const struct ind_set *s, const char *name, size_t len, uint32_t now_s, struct ind_hit *ret);
/* URL, SHA-256, JA3, JA4 as text */
bool ind_set_text(const struct ind_set *s, enum ind_kind k, const char *text, size_t len, uint32_t now_s, struct ind_hit *ret);

#endif
