/*
 * minisign.h - keys and signatures as the minisign program writes them. Everything is text from outside; trust none of
 * it. Only prehashed signatures ("ED": Ed25519 over BLAKE2b-512 of the file) are taken; the older form signs the file
 * itself and would have to be held in memory whole.
 *
 * source  minisign's format, https://jedisct1.github.io/minisign/ ; checked against the program in the tests
 */
#ifndef MMR_TRUST_MINISIGN_H
#define MMR_TRUST_MINISIGN_H

#include <mamori/error.h>

#include <stddef.h>
#include <stdint.h>

enum {
    MMR_SIGN_FILE_MAX = 8 * 1024,   /* bytes of a key file or a signature file */
    MMR_SIGN_COMMENT_MAX = 1024,    /* bytes of a comment */
    MMR_SIGN_ID_TEXT = 17,          /* a key's id as people see it: 16 hexadecimal digits */
    MMR_SIGN_KEY_TEXT = 57,         /* a public key as one word */
    MMR_SIGN_SECRET_BYTES = 104,
};

struct mmr_sign_key { /* a public key */
    uint8_t id[8], pk[32];
};
void mmr_sign_id_text(const uint8_t id[8], char ret[MMR_SIGN_ID_TEXT]); /* "92D2BBD21CAC3E80", as minisign prints it */
void mmr_sign_key_text(const struct mmr_sign_key *k, char ret[MMR_SIGN_KEY_TEXT]); /* "RWS…", minisign -P */
/*
 * A public key: minisign's file (a comment line, a key line), or the key line alone.
 *
 * name    what to call it in messages
 * errors  MMR_EBADMSG what was found and expected
 */
int mmr_sign_key_parse(const char *name, const char *text, size_t len, struct mmr_sign_key *ret, struct mmr_error *err);

struct mmr_signature {
    uint8_t id[8], sig[64], global[64];
    char trusted[MMR_SIGN_COMMENT_MAX + 1]; /* the trusted comment */
    size_t trusted_len;
};
/* A .minisig file. errors MMR_EBADMSG: four lines, in this order, are expected; MMR_EUNSUPPORTED the older form */
int mmr_signature_parse(const char *name, const char *text, size_t len, struct mmr_signature *ret, struct mmr_error *err);

/*
 * Both signatures: of the file, then of the trusted comment.
 *
 * blake2b  of the file (mmr_place_hash)
 * errors   MMR_EPERM: another key's, another file's, or the comment was changed
 */
int mmr_signature_verify(const char *name, const struct mmr_sign_key *k, const struct mmr_signature *s,
                         const uint8_t blake2b[64], struct mmr_error *err);
/* The word behind "KEY=" in the trusted comment, "" where there is none. */
void mmr_signature_word(const struct mmr_signature *s, const char *key, char *buf, size_t cap);

/* ---- signing ---- */

struct mmr_sign_secret { /* overwrite with mmr_sign_secret_done() */
    uint8_t id[8], sk[64]; /* libsodium's form: seed and public key */
};
int mmr_sign_secret_new(struct mmr_sign_secret *ret, struct mmr_error *err);
void mmr_sign_secret_done(struct mmr_sign_secret *s);
void mmr_sign_secret_public(const struct mmr_sign_secret *s, struct mmr_sign_key *ret);
/*
 * A secret key file of minisign, with a password or (minisign -W) without.
 *
 * password  NULL: none
 * errors    MMR_EBADMSG no such file; MMR_EPERM a password is needed, or it is wrong; MMR_ENOMEM the password's
 *           hash needs more memory (up to 1 GiB) than there is
 */
int mmr_sign_secret_parse(const char *name, const char *text, size_t len, const char *password,
                          struct mmr_sign_secret *ret, struct mmr_error *err);
/* The file, without a password: text of minisign -W. buf of MMR_SIGN_FILE_MAX bytes; returns its length */
size_t mmr_sign_secret_format(const struct mmr_sign_secret *s, char *buf);
/* The public key's file. */
size_t mmr_sign_key_format(const struct mmr_sign_key *k, char *buf);
/*
 * A .minisig file's text for a file of this hash.
 *
 * trusted  the trusted comment, one line
 * buf      MMR_SIGN_FILE_MAX bytes; ret_len without the NUL
 * errors   MMR_EINVAL the comment is too long or no single line
 */
int mmr_signature_make(const struct mmr_sign_secret *s, const uint8_t blake2b[64], const char *trusted, char *buf,
                       size_t *ret_len, struct mmr_error *err);

#endif
