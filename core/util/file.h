/* file.h - files that are there whole or not at all, whatever ends the process or the power meanwhile. */
#ifndef MMR_UTIL_FILE_H
#define MMR_UTIL_FILE_H

#include <mamori/error.h>

#include <stddef.h>

/* All of it, past signals and short writes. 0, or -1 with errno. */
int mmr_write_all(int fd, const void *bytes, size_t len);
/* What was created, renamed or removed in the folder of this path outlives a power cut. 0, or -1 with errno. */
int mmr_sync_folder_of(const char *path);

/*
 * mmr_file_replace - write a file beside its place, sync it, and move it there.
 *
 * what    "public key", for the words of an error
 * mode    exactly, whatever the umask
 * errors  MMR_EIO naming what, path and why; nothing is left beside it, and the old file stands unless only its folder could not be synced. MMR_ENOMEM
 */
int mmr_file_replace(const char *what, const char *path, unsigned mode, const void *bytes, size_t len, struct mmr_error *err);

#endif
