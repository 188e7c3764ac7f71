/* keys.h - the key pairs of one node: Curve25519 for the link (CURVE), Ed25519 for signatures. */
#ifndef MMR_BUS_KEYS_H
#define MMR_BUS_KEYS_H

#include <mamori/error.h>

#include <stdint.h>

enum { MMR_KEY = 32, MMR_SIGN_SECRET = 64, MMR_SIGNATURE = 64, MMR_PUBLIC_TEXT_MAX = 160 };

struct mmr_public_keys {
    uint8_t curve[MMR_KEY]; /* CURVE public key */
    uint8_t sign[MMR_KEY];  /* Ed25519 public key */
};
struct mmr_keys {
    struct mmr_public_keys pub;
    uint8_t curve_secret[MMR_KEY];
    uint8_t sign_secret[MMR_SIGN_SECRET]; /* libsodium's form: seed and public key */
};

int mmr_keys_new(struct mmr_keys *ret_keys, struct mmr_error *err); /* end with mmr_keys_done() */
void mmr_keys_done(struct mmr_keys *keys);                          /* overwrites the secrets */

/* Write a new file, mode 0600, whole or not at all. errors MMR_EPERM it exists already; MMR_EIO */
int mmr_keys_save(const struct mmr_keys *keys, const char *path, struct mmr_error *err);
/*
 * Read it back. errors MMR_EPERM not a regular file, not owned by this user or root, or readable by anyone
 * else (chmod 600); MMR_EBADMSG not a key file, or public and secret parts do not belong together; MMR_EIO;
 * MMR_ENOENT no such file
 */
int mmr_keys_load(const char *path, struct mmr_keys *ret_keys, struct mmr_error *err);

/* What two people compare: "1a2b-3c4d-5e6f-7081", of both keys. */
enum { MMR_FINGERPRINT_MAX = 20 };
void mmr_public_keys_fingerprint(const struct mmr_public_keys *pub, char buf[MMR_FINGERPRINT_MAX]);
/* One line of text to be placed by hand on the other machine: "mamori-public-1 HEX HEX". */
void mmr_public_keys_format(const struct mmr_public_keys *pub, char buf[MMR_PUBLIC_TEXT_MAX]);
int mmr_public_keys_parse(const char *text, struct mmr_public_keys *ret_pub, struct mmr_error *err);

#endif
