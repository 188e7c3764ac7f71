/* lists.h - the configured lists as one set: what each says of itself, loading, whether a file has changed since. */
#ifndef MMR_INDICATOR_LISTS_H
#define MMR_INDICATOR_LISTS_H

#include "list.h"

#include <mamori/plugin.h>

struct ind_list_conf { /* "PATH;name=…;kind=…;phase=…;potential=…;days=…" */
    char path[512], name[64];
    char phase[24], potential[8]; /* "": by what is met */
    enum ind_kind kind;
    uint32_t days; /* entries without an end of their own are believed this long after the file was written; 0: for ever */
};
struct ind_stamp { int64_t mtime_ns, size, inode; };
struct ind_lists {
    struct ind_list_conf *conf;
    struct ind_stamp *stamp; /* of what was loaded */
    uint32_t n;
    struct ind_set *set;
    struct ind_set *exclude;
};

/*
 * ind_lists_load - read every list; one call for one generation of lists.
 *
 * lists, exclude  as configured; exclude are addresses, networks and domains that are never met
 * log             told once a list what was read and what was left out; may be NULL
 * ret             returned; ind_lists_free()
 * errors          MMR_ECONFIG a list's words; MMR_EIO a file that is not there; those of ind_list_file()
 */
int ind_lists_load(const struct mmr_strv *lists, const struct mmr_strv *exclude, int64_t now_ns, const struct mmr_host *log,
                   struct ind_lists **ret, struct mmr_error *err);
void ind_lists_free(struct ind_lists *l); /* accepts NULL */
bool ind_lists_are_old(const struct ind_lists *l); /* a file is another than the one that was read */

#endif
