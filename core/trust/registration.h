/*
 * registration.h - this site's consent to one plugin file: plugins.d/<id>.yaml, written by `mamori plugin register`. Its
 * last line holds a checksum of the rest, so that a damaged one, or one edited by hand, is told from one that was meant.
 */
#ifndef MMR_TRUST_REGISTRATION_H
#define MMR_TRUST_REGISTRATION_H

#include "trust/minisign.h"
#include "trust/place.h"

#include <mamori/error.h>

enum { MMR_REGISTRATION_MAX = 16 * 1024 };

struct mmr_registration {
    char id[64], version[48], file[1024]; /* file: where it lay when it was registered */
    char sha256[MMR_SHA256_TEXT];
    char key[MMR_SIGN_ID_TEXT];           /* id of the key that signed; "" it was not signed */
    char signature[MMR_SHA256_TEXT];      /* hash of the signature file; "" */
    char maker[128], model[128];
    char sides[32], needs[256], actions[1024]; /* granted; words with a space between */
    char at[40], by[64];
};

int mmr_registration_parse(const char *name, const char *text, size_t len, struct mmr_registration *ret, struct mmr_error *err);
/* errors MMR_EINVAL a text holds what cannot be written */
int mmr_registration_format(const struct mmr_registration *g, char buf[MMR_REGISTRATION_MAX], size_t *ret_len, struct mmr_error *err);

/* Read <dir>/<id>.yaml. errors MMR_ENOENT there is none; MMR_EPERM its place; MMR_EBADMSG its text */
int mmr_registration_load(const char *dir, const char *id, struct mmr_registration *ret, struct mmr_error *err);
int mmr_registration_save(const char *dir, const struct mmr_registration *g, struct mmr_error *err);
int mmr_registration_remove(const char *dir, const char *id, struct mmr_error *err); /* errors MMR_ENOENT, MMR_EIO */

#endif
