/*
 * account.h - a local account that may not log in any more: its password locked and the account expired, so that neither a
 * password nor a key opens it, and its sessions ended.
 */
#ifndef MMR_CONTAIN_ACCOUNT_H
#define MMR_CONTAIN_ACCOUNT_H

#include <mamori/error.h>

#include <stddef.h>
#include <stdint.h>
#include <sys/types.h>

enum { MMR_ACCOUNT_UID_LEAST = 1000, MMR_ACCOUNT_UNDO_MAX = 64 };

/*
 * mmr_account_check - may it be locked? The last gate.
 *
 * etc      "/etc" (tests have a folder of their own)
 * never    names on the list of accounts that stay
 * ret_uid  of the account, may be NULL
 * errors   MMR_ENOENT no such local account; MMR_EPERM root, a service's account (uid below 1000), or on the list
 */
int mmr_account_check(const char *etc, const char *user, const char *const *never, size_t n_never, uid_t *ret_uid, struct mmr_error *err);
/*
 * mmr_account_lock - "!" before the password's hash and an expiry date in the past, in one rewrite of shadow.
 *
 * ret_undo  MMR_ACCOUNT_UNDO_MAX bytes: what mmr_account_unlock() needs; no secret
 * errors    MMR_ENOENT, MMR_EAGAIN somebody else holds the lock of the password files, MMR_EIO
 */
int mmr_account_lock(const char *etc, const char *user, char *ret_undo, struct mmr_error *err);
int mmr_account_unlock(const char *etc, const char *user, const char *undo, struct mmr_error *err);
/* 0 it is locked and expired; MMR_ENOENT it is not (any more) */
int mmr_account_is_locked(const char *etc, const char *user, struct mmr_error *err);

#endif
