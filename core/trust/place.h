/* place.h - is a file where only root or the service can put one? And reading small files from such places. */
#ifndef MMR_TRUST_PLACE_H
#define MMR_TRUST_PLACE_H

#include <mamori/error.h>

#include <stddef.h>
#include <stdint.h>

/*
 * mmr_place_open - open a file for reading, without following a link at its end, and check its place: a regular file of
 * 1 to max bytes, owner root or this user, not writable by group or others, and so each folder above it (a sticky
 * folder may stand above, but not hold the file).
 *
 * what      "plugin file", "key", …: begins each message
 * ret_size  bytes; may be NULL
 * errors    MMR_ENOENT not there; MMR_EPERM what is unsafe and the remedy; MMR_ETOOBIG; MMR_EIO
 */
int mmr_place_open(const char *what, const char *path, int64_t max, int *ret_fd, int64_t *ret_size, struct mmr_error *err);

/* The same, and its bytes with a NUL behind them. ret_text returned; free() */
int mmr_place_read(const char *what, const char *path, size_t max, char **ret_text, size_t *ret_len, struct mmr_error *err);

enum { MMR_SHA256_TEXT = 65, MMR_BLAKE2B_512 = 64 };
/* Both hashes of a descriptor's bytes from its beginning, each may be NULL; its offset does not move.
 * errors MMR_EIO */
int mmr_place_hash(int fd, char ret_sha256[MMR_SHA256_TEXT], uint8_t ret_blake2b[MMR_BLAKE2B_512], struct mmr_error *err);
void mmr_place_hash_bytes(const void *bytes, size_t len, char ret_sha256[MMR_SHA256_TEXT]);

#endif
