/*
 * list.h - reads indicator lists: plain text (one a line, hosts files, the first column of CSV), MISP events and STIX 2.1
 * bundles as JSON. Bytes come from outside; a line or object that is not understood is counted and left out.
 */
#ifndef MMR_INDICATOR_LIST_H
#define MMR_INDICATOR_LIST_H

#include "set.h"

#include <stdio.h>

struct ind_list_options {
    enum ind_kind kind;   /* of a plain list; 0: by what each line looks like (an MD5 is no JA3 unless this says so) */
    uint32_t now_s;       /* what has expired by now is left out */
    uint32_t expires_s;   /* for entries that say nothing themselves; 0: never */
};
struct ind_list_stats {
    uint64_t entries;
    uint64_t expired;     /* or revoked, deleted, not meant for detection */
    uint64_t too_wide;    /* whole top level domains, networks wider than /8 (IPv4) or /19 (IPv6), private and special addresses */
    uint64_t unreadable;  /* of no known form, or a STIX pattern with more than alternatives */
    uint64_t first_bad;   /* line of the first unreadable one in a plain list; 0 none */
};

/* Read text of len bytes into the set. errors MMR_ENOMEM, MMR_ETOOBIG (too many entries), MMR_EBADMSG broken JSON */
int ind_list_read(const char *text, size_t len, const struct ind_list_options *o, struct ind_set *set,
                  struct ind_list_stats *ret, struct mmr_error *err);
/* The same from a file, a part at a time; name is for messages. errors also MMR_EIO */
int ind_list_file(FILE *f, const char *name, const struct ind_list_options *o, struct ind_set *set,
                  struct ind_list_stats *ret, struct mmr_error *err);

/* A URL as it is compared: without scheme, user, default port and fragment, host in lower case. False: none, or too long. */
bool ind_url_normal(const char *text, size_t len, char *buf, size_t cap, size_t *ret_len);
/* "2030-01-02T03:04:05Z" or "2030-01-02", or seconds; 0: not a time */
uint32_t ind_time(const char *text, size_t len);

#endif
