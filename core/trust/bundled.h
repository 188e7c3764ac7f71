/*
 * bundled.h - the list of plugin files an installation brought along: "bundled.sha256" in its plugin folder, as sha256sum writes
 * it. Made by the build and by `cmake --install` (cmake/bundled.cmake). A file that lies in that folder and is not on the list,
 * or has other bytes, is a stranger like any other.
 */
#ifndef MMR_TRUST_BUNDLED_H
#define MMR_TRUST_BUNDLED_H

#include "trust/place.h"

#define MMR_BUNDLED_FILE "bundled.sha256"
enum { MMR_BUNDLED_MAX = 64 * 1024 }; /* bytes of the list: some 600 files */

/*
 * mmr_bundled_hash - what the list of a folder says of one file.
 *
 * dir     the folder; base: the file's name in it
 * ret     MMR_SHA256_TEXT bytes; written on success only
 * errors  MMR_ENOENT there is no list, or the file is not on it; MMR_EPERM the list lies in an unsafe place;
 *         MMR_EBADMSG a line of it is no "HASH  NAME"; MMR_ETOOBIG; MMR_EIO
 * source  sha256sum(1), the text format
 */
int mmr_bundled_hash(const char *dir, const char *base, char ret[MMR_SHA256_TEXT], struct mmr_error *err);
/* The same of a list's text; name is the list's, for messages. */
int mmr_bundled_find(const char *name, const char *text, const char *base, char ret[MMR_SHA256_TEXT], struct mmr_error *err);

#endif
