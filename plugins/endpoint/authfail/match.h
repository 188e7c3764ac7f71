/* match.h - one log line against the table of patterns. */
#ifndef MMR_AUTHFAIL_MATCH_H
#define MMR_AUTHFAIL_MATCH_H

#include <stdbool.h>

#include "outev.h"
#include "patterns.h"

struct mmr_auth_matcher;

struct mmr_auth_hit {
    const struct mmr_auth_pattern *pattern;
    struct mmr_slice user;
    char host[256];  /* "" : the line names none, or has two readings */
    char other[256]; /* the second reading: somebody wrote an address into a field of their own; blame nobody */
    bool is_ambiguous, reserved[7];
};

int mmr_auth_matcher_new(struct mmr_auth_matcher **ret, struct mmr_error *err);
/* Compile row i of the table now, not when the first line could fit it. MMR_EINTERNAL: the table is wrong. */
int mmr_auth_matcher_row(struct mmr_auth_matcher *m, size_t i, struct mmr_error *err);
void mmr_auth_matcher_free(struct mmr_auth_matcher *m);
/*
 * mmr_auth_match - the first row of the table that the text fits. Rows of the classes from MMR_AUTH_END on only mean something
 * together with sessions.h; the caller sorts them out.
 * app: program of the log head, or absent; text: what stands behind the head. False: nothing of the table.
 */
bool mmr_auth_match(struct mmr_auth_matcher *m, struct mmr_slice app, struct mmr_slice text, struct mmr_auth_hit *ret);
/* Is this what scanners ask a web server for? */
bool mmr_auth_is_bait(struct mmr_auth_matcher *m, struct mmr_slice path);

#endif
