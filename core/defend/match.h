/* match.h - the small comparisons the rooms of defence share: hosts, names, paths. Pure. */
#ifndef MMR_DEFEND_MATCH_H
#define MMR_DEFEND_MATCH_H

#include "util/addr.h"

/*
 * mmr_same_host - do these name one machine? Equal names do (a short name equals the first label of a long
 * one, case-insensitive), and equal addresses do: a machine may have several. Nothing known: false.
 * Any argument may be NULL, empty or unset.
 */
bool mmr_same_host(const char *name_a, const struct mmr_addr *addr_a, const char *name_b,
                   const struct mmr_addr *addr_b);
/* name equals parent or is below it ("a.example" within "example"); case-insensitive, final dots ignored */
bool mmr_name_within(const char *name, const char *parent);
/* The last component of a path with / or \ separators. */
const char *mmr_path_base(const char *path);
/* text into buf, cut at cap - 1; NULL gives "" */
void mmr_text_copy(char *buf, size_t cap, const char *text);

#endif
