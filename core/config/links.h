/* links.h - where the site's and the provider's links go: "tcp://ADDRESS:PORT". */
#ifndef MMR_CONFIG_LINKS_H
#define MMR_CONFIG_LINKS_H

#include <mamori/error.h>

/*
 * mmr_link_port - the port of such a text, and how much stands before its colon.
 *
 * key     "site.listen", for the words of an error
 * errors  MMR_ECONFIG it is none, or its port is not from 1 to 65533 (the two after it are used, too)
 */
int mmr_link_port(const char *key, const char *text, int *ret_port, int *ret_before, struct mmr_error *err);

#endif
