/*
 * denyexec.h - a file that nobody may run. Where the kernel lets us (fanotify, CAP_SYS_ADMIN) each attempt is answered
 * with "not permitted", and a script cannot be read by an interpreter either; else the right to run is taken from the file
 * and the file made immutable. Only denied files are marked, and their answer is always the same: nothing else ever waits.
 */
#ifndef MMR_CONTAIN_DENYEXEC_H
#define MMR_CONTAIN_DENYEXEC_H

#include "vault.h"

#include <mamori/error.h>

#include <stdbool.h>

enum { MMR_DENYEXEC_MAX = 256, MMR_DENYEXEC_UNDO_MAX = 96 };
struct mmr_denyexec;

/*
 * mmr_denyexec_new - try what this kernel can, on a program of our own in dir that does nothing.
 *
 * ret_mode  "fanotify" or "mode"; why not the better one is in err's text then
 * errors    MMR_ENOMEM only
 */
int mmr_denyexec_new(const char *dir, struct mmr_denyexec **ret, const char **ret_mode, struct mmr_error *err);
void mmr_denyexec_free(struct mmr_denyexec *d); /* marks end with it, changed modes stay; accepts NULL */

/* Is it a regular file of the kind that may be denied? errors MMR_ENOENT gone or another by now; MMR_EPERM the system's */
int mmr_denyexec_check(const struct mmr_file_id *f, struct mmr_error *err);
/*
 * mmr_denyexec_arm - deny from now on.
 *
 * undo    MMR_DENYEXEC_UNDO_MAX bytes. In: "" or what an earlier call wrote, then that is done again (after a restart)
 * errors  MMR_ENOENT, MMR_EPERM as check; MMR_ETOOBIG MMR_DENYEXEC_MAX files are denied already; MMR_EIO
 */
int mmr_denyexec_arm(struct mmr_denyexec *d, const struct mmr_file_id *f, char *undo, struct mmr_error *err);
/* In force? Read back from the kernel, and where it can (6.14) asked whether it would let the file run. MMR_ENOENT: no */
int mmr_denyexec_verify(struct mmr_denyexec *d, const struct mmr_file_id *f, const char *undo, struct mmr_error *err);
int mmr_denyexec_disarm(struct mmr_denyexec *d, const struct mmr_file_id *f, const char *undo, struct mmr_error *err);

#endif
