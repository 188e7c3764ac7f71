/* keyring.h - whose signatures count here: a folder with one small YAML file a key. */
#ifndef MMR_TRUST_KEYRING_H
#define MMR_TRUST_KEYRING_H

#include "trust/minisign.h"

#include <stdbool.h>

enum { MMR_KEYRING_MAX = 256 };
enum mmr_key_use { MMR_KEY_PLUGINS = 1 << 0, MMR_KEY_TOOLS = 1 << 1 }; /* TOOLS: the tool manifest */

struct mmr_ring_key {
    struct mmr_sign_key key;
    unsigned signs; /* enum mmr_key_use */
    char file[256]; /* its name in the folder */
    char owner[128], comment[256], added[40];
    char revoked[40], why[256]; /* revoked: when; "" it is in force */
};
struct mmr_keyring {
    struct mmr_ring_key *key;
    size_t n;
    size_t n_bad;       /* files that were left out */
    char bad[248];      /* what is wrong with the first of them */
};

/* One key file: key, owner, comment, signs (plugins, tools or both), added, revoked, why. errors MMR_EBADMSG */
int mmr_ring_key_parse(const char *name, const char *text, size_t len, struct mmr_ring_key *ret, struct mmr_error *err);
/* Its file's text. buf of MMR_SIGN_FILE_MAX bytes. errors MMR_EINVAL a text holds what cannot be written (a quote, a
 * control character), or is too long */
int mmr_ring_key_format(const struct mmr_ring_key *k, char *buf, size_t *ret_len, struct mmr_error *err);

/*
 * mmr_keyring_load - every *.yaml of a folder, in byte order. A file in an unsafe place or with a wrong text is left out and
 * counted: its key then counts for nothing. A folder that is not there is an empty ring.
 *
 * ret     mmr_keyring_done()
 * errors  MMR_EIO the folder cannot be read; MMR_ETOOBIG; MMR_ENOMEM
 */
int mmr_keyring_load(const char *dir, struct mmr_keyring *ret, struct mmr_error *err);
void mmr_keyring_done(struct mmr_keyring *k);

/*
 * The key with this id, good for this use.
 *
 * name    whose signature asks, for the message
 * errors  MMR_ENOENT unknown; MMR_EPERM revoked (in any file that holds it), or not for this use
 */
int mmr_keyring_find(const struct mmr_keyring *k, const char *name, const uint8_t id[8], unsigned use,
                     const struct mmr_ring_key **ret, struct mmr_error *err);

#endif
