/*
 * vault.h - quarantine: a file is moved, made inert, into a folder only root can read, with what is
 * needed to put it back byte for byte; and lines are taken out of text files with the original kept.
 */
#ifndef MMR_CONTAIN_VAULT_H
#define MMR_CONTAIN_VAULT_H

#include <mamori/error.h>

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct mmr_file_id { /* what the path must still be; 0, NULL: not compared */
    const char *path;
    uint64_t inode, device;
    const char *sha256; /* 64 hex digits */
};

/* Does this path belong to the system (never moved, never denied), or is it no plain absolute path? */
bool mmr_vault_is_system(const char *path);
/* Would it be taken? errors as mmr_vault_take() */
int mmr_vault_check(const struct mmr_file_id *f, int64_t max_bytes, struct mmr_error *err);
/*
 * mmr_vault_take - move the file into <dir>/<id>.bin with manifest <id>.meta.
 *
 * ret_sha256  65 bytes: of the file
 * errors      MMR_ENOENT there is no such file (any more); MMR_EPERM it must not be moved (system folder,
 *             no regular file, not the file meant); MMR_ETOOBIG over max_bytes; MMR_EIO
 */
int mmr_vault_take(const char *dir, uint64_t id, const struct mmr_file_id *f, int64_t max_bytes, char ret_sha256[65],
                   struct mmr_error *err);
/* Put it back: bytes and holes, owner, mode, times, extended attributes, flags; a file that had other names and still has one becomes that one
 * file again (they were of no use meanwhile: nobody could run or read it). errors MMR_ENOENT not in the vault; MMR_EIO (a new file stands in its place) */
int mmr_vault_restore(const char *dir, uint64_t id, struct mmr_error *err);
/* A second reason for what is kept: under a name of its own, at no cost. errors MMR_EIO */
int mmr_vault_share(const char *dir, uint64_t from, uint64_t to, struct mmr_error *err);
void mmr_vault_forget(const char *dir, uint64_t id); /* this name; the copy goes with the last */
/* Is the copy whole (hash as in the manifest) and the path free of that file? errors MMR_ENOENT: refuted */
int mmr_vault_verify(const char *dir, uint64_t id, struct mmr_error *err);

#endif
