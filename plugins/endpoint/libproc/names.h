/* names.h - what a program's name or a path says: servers, shells, interpreters, temporary folders; and whom a process
 * descends from. */
#ifndef MMR_NAMES_H
#define MMR_NAMES_H

#include <stdbool.h>

#include "ptable.h"

enum { /* mmr_name_traits() */
    MMR_NAME_SERVER = 1 << 0,  /* a web or application server, nothing else */
    MMR_NAME_RUNTIME = 1 << 1, /* a language runtime: a server when it listens */
    MMR_NAME_SHELL = 1 << 2,
    MMR_NAME_FETCH = 1 << 3, /* curl, wget */
    MMR_NAME_LOGIN = 1 << 4, /* a person's session starts here: sshd, login, cron, desktop */
};
unsigned mmr_name_traits(const char *name); /* a process's name or a path's last part */
bool mmr_path_is_temporary(const char *path); /* below /tmp, /var/tmp, /dev/shm or a user's run directory */
const char *mmr_name_base(const char *path);

/*
 * mmr_lineage_service - the web or application server e is or descends from, or NULL. A login between the two ends the
 * search: what a person does in a session is not the server's doing.
 */
const struct mmr_pentry *mmr_lineage_service(struct mmr_ptable *t, const struct mmr_pentry *e);
/* Is e or one of its ancestors, up to the session, one of these traits? */
bool mmr_lineage_has(struct mmr_ptable *t, const struct mmr_pentry *e, unsigned traits);

#endif
