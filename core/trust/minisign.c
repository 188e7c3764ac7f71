/* minisign.c - reads line by line with exact lengths; base64 must be canonical, so no two texts are one key. */
#include "trust/minisign.h"

#include <ctype.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <string.h>

#define UNTRUSTED "untrusted comment: "
#define TRUSTED "trusted comment: "
enum { VARIANT = sodium_base64_VARIANT_ORIGINAL, KEY_BYTES = 42, SIG_BYTES = 74, FILE_SECRET_BYTES = 158, SUM_BYTES = 32 };

/* One line of a text, without its end; the last one may lack it. */
struct lines {
    const char *p;
    size_t left;
};
struct line {
    const char *p;
    size_t len;
};

static bool next_line(struct lines *t, struct line *ret)
{
    if (t->left == 0)
        return false;
    const char *end = memchr(t->p, '\n', t->left);
    size_t len = end ? (size_t)(end - t->p) : t->left;
    *ret = (struct line){t->p, len && t->p[len - 1] == '\r' ? len - 1 : len};
    t->p += len + (end != NULL);
    t->left -= len + (end != NULL);
    return true;
}

static bool starts(const struct line *l, const char *head)
{
    size_t n = strlen(head);
    return l->len >= n && memcmp(l->p, head, n) == 0;
}

/* Its own check of the alphabet: libsodium's decoder takes some bytes above 127 for a '/' (seen with 1.0.18). */
static bool is_base64(const struct line *l)
{
    for (size_t i = 0; i < l->len; i++)
        if ((l->p[i] & 0x80) || !(isalnum((unsigned char)l->p[i]) || memchr("+/=", l->p[i], 3)))
            return false;
    return true;
}

static bool decode(const struct line *l, uint8_t *buf, size_t want)
{
    size_t got = 0;
    return is_base64(l) && sodium_base642bin(buf, want, l->p, l->len, NULL, &got, NULL, VARIANT) == 0 && got == want;
}

void mmr_sign_id_text(const uint8_t id[8], char ret[MMR_SIGN_ID_TEXT])
{
    for (int i = 0; i < 8; i++) /* a little-endian number */
        (void)snprintf(ret + 2 * i, 3, "%02X", id[7 - i]);
}

void mmr_sign_key_text(const struct mmr_sign_key *k, char ret[MMR_SIGN_KEY_TEXT])
{
    uint8_t raw[KEY_BYTES] = {'E', 'd'};
    memcpy(raw + 2, k->id, 8);
    memcpy(raw + 10, k->pk, 32);
    (void)sodium_bin2base64(ret, MMR_SIGN_KEY_TEXT, raw, sizeof raw, VARIANT);
}

int mmr_sign_key_parse(const char *name, const char *text, size_t len, struct mmr_sign_key *ret, struct mmr_error *err)
{
    struct lines t = {text, len};
    struct line l = {0}, more;
    uint8_t raw[KEY_BYTES];
    if (len > MMR_SIGN_FILE_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%s: %zu bytes are no public key, expected at most %d", name, len, MMR_SIGN_FILE_MAX);
    if (!next_line(&t, &l))
        return mmr_fail(err, MMR_EBADMSG, "%s: is empty, expected a public key of minisign", name);
    if (starts(&l, UNTRUSTED) && !next_line(&t, &l))
        return mmr_fail(err, MMR_EBADMSG, "%s: ends after its comment, expected the key line", name);
    if (next_line(&t, &more))
        return mmr_fail(err, MMR_EBADMSG, "%s: has more lines than a comment and a key", name);
    if (!decode(&l, raw, sizeof raw))
        return mmr_fail(err, MMR_EBADMSG, "%s: the key line is not the %d characters of a public key of minisign, found %zu",
                        name, MMR_SIGN_KEY_TEXT - 1, l.len);
    if (raw[0] != 'E' || raw[1] != 'd')
        return mmr_fail(err, MMR_EBADMSG, "%s: is no Ed25519 key (it begins with bytes %02x%02x)", name, raw[0], raw[1]);
    memcpy(ret->id, raw + 2, 8);
    memcpy(ret->pk, raw + 10, 32);
    return 0;
}

int mmr_signature_parse(const char *name, const char *text, size_t len, struct mmr_signature *ret, struct mmr_error *err)
{
    struct lines t = {text, len};
    struct line l[4], more;
    uint8_t raw[SIG_BYTES];
    if (len > MMR_SIGN_FILE_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%s: %zu bytes are no signature, expected at most %d", name, len, MMR_SIGN_FILE_MAX);
    for (int i = 0; i < 4; i++)
        if (!next_line(&t, &l[i]))
            return mmr_fail(err, MMR_EBADMSG, "%s: has %d lines, expected the four of a minisign signature", name, i);
    if (next_line(&t, &more))
        return mmr_fail(err, MMR_EBADMSG, "%s: has more than the four lines of a minisign signature", name);
    if (!starts(&l[0], UNTRUSTED))
        return mmr_fail(err, MMR_EBADMSG, "%s:1: expected '" UNTRUSTED "…'", name);
    if (!decode(&l[1], raw, sizeof raw))
        return mmr_fail(err, MMR_EBADMSG, "%s:2: is not the base64 of a signature", name);
    if (!starts(&l[2], TRUSTED))
        return mmr_fail(err, MMR_EBADMSG, "%s:3: expected '" TRUSTED "…'", name);
    size_t n = l[2].len - strlen(TRUSTED);
    if (n > MMR_SIGN_COMMENT_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%s:3: a comment of %zu bytes, at most %d are read", name, n, MMR_SIGN_COMMENT_MAX);
    if (!decode(&l[3], ret->global, sizeof ret->global))
        return mmr_fail(err, MMR_EBADMSG, "%s:4: is not the base64 of the comment's signature", name);
    if (raw[0] == 'E' && raw[1] == 'd')
        return mmr_fail(err, MMR_EUNSUPPORTED, "%s: is of the older form without prehashing; sign again with a minisign of 0.10 or later (or -H)", name);
    if (raw[0] != 'E' || raw[1] != 'D')
        return mmr_fail(err, MMR_EBADMSG, "%s: unknown kind of signature (bytes %02x%02x)", name, raw[0], raw[1]);
    memcpy(ret->id, raw + 2, 8);
    memcpy(ret->sig, raw + 10, 64);
    memcpy(ret->trusted, l[2].p + strlen(TRUSTED), n);
    ret->trusted[n] = '\0';
    ret->trusted_len = n;
    return 0;
}

int mmr_signature_verify(const char *name, const struct mmr_sign_key *k, const struct mmr_signature *s,
                         const uint8_t blake2b[64], struct mmr_error *err)
{
    char mine[MMR_SIGN_ID_TEXT], theirs[MMR_SIGN_ID_TEXT];
    uint8_t whole[64 + MMR_SIGN_COMMENT_MAX];
    mmr_sign_id_text(k->id, mine);
    mmr_sign_id_text(s->id, theirs);
    if (memcmp(k->id, s->id, 8) != 0)
        return mmr_fail(err, MMR_EPERM, "%s: was made with key %s, not with %s", name, theirs, mine);
    if (crypto_sign_verify_detached(s->sig, blake2b, 64, k->pk) != 0)
        return mmr_fail(err, MMR_EPERM, "%s: does not belong to this file: the file or the signature was changed after key %s signed", name, mine);
    memcpy(whole, s->sig, 64);
    memcpy(whole + 64, s->trusted, s->trusted_len);
    if (crypto_sign_verify_detached(s->global, whole, 64 + s->trusted_len, k->pk) != 0)
        return mmr_fail(err, MMR_EPERM, "%s: its trusted comment was changed after key %s signed", name, mine);
    return 0;
}

void mmr_signature_word(const struct mmr_signature *s, const char *key, char *buf, size_t cap)
{
    size_t n = strlen(key);
    buf[0] = '\0';
    for (const char *p = s->trusted; *p;) {
        size_t skip = strspn(p, " \t"), len = strcspn(p + skip, " \t");
        p += skip;
        if (len > n && memcmp(p, key, n) == 0 && p[n] == '=' && len - n - 1 < cap) {
            memcpy(buf, p + n + 1, len - n - 1);
            buf[len - n - 1] = '\0';
            return;
        }
        p += len;
    }
}

/* ---- signing ---- */

int mmr_sign_secret_new(struct mmr_sign_secret *ret, struct mmr_error *err)
{
    uint8_t pk[32];
    if (sodium_init() < 0)
        return mmr_fail(err, MMR_EIO, "key: the system gives no random numbers");
    (void)crypto_sign_keypair(pk, ret->sk);
    randombytes_buf(ret->id, sizeof ret->id);
    return 0;
}

void mmr_sign_secret_done(struct mmr_sign_secret *s)
{
    sodium_memzero(s, sizeof *s);
}

void mmr_sign_secret_public(const struct mmr_sign_secret *s, struct mmr_sign_key *ret)
{
    memcpy(ret->id, s->id, 8);
    (void)crypto_sign_ed25519_sk_to_pk(ret->pk, s->sk);
}

static uint64_t le64(const uint8_t *p)
{
    uint64_t v = 0;
    for (int i = 7; i >= 0; i--)
        v = v << 8 | p[i];
    return v;
}

/* raw: kind 2, derivation 2, checksum 2, salt 32, operations 8, memory 8, then 104 (id 8, secret 64, checksum 32). */
static int unlock(const char *name, uint8_t *raw, const char *password, struct mmr_error *err)
{
    enum { OPS_MAX = 1 << 26, MEMORY_MAX = 1 << 30 };
    uint8_t stream[MMR_SIGN_SECRET_BYTES];
    uint64_t ops = le64(raw + 38), memory = le64(raw + 46);
    if (!password || !*password)
        return mmr_fail(err, MMR_EPERM, "%s: has a password; name a file that holds it with --password-file", name);
    if (ops > OPS_MAX || memory > MEMORY_MAX)
        return mmr_fail(err, MMR_ETOOBIG, "%s: asks for %llu operations and %llu bytes to try a password, at most %d and %d are spent",
                        name, (unsigned long long)ops, (unsigned long long)memory, OPS_MAX, MEMORY_MAX);
    if (crypto_pwhash_scryptsalsa208sha256(stream, sizeof stream, password, strlen(password), raw + 6, ops, (size_t)memory) != 0)
        return mmr_fail(err, MMR_ENOMEM, "%s: trying the password needs %llu MiB of memory", name, (unsigned long long)(memory >> 20));
    for (size_t i = 0; i < sizeof stream; i++)
        raw[54 + i] ^= stream[i];
    sodium_memzero(stream, sizeof stream);
    return 0;
}

int mmr_sign_secret_parse(const char *name, const char *text, size_t len, const char *password,
                          struct mmr_sign_secret *ret, struct mmr_error *err)
{
    struct lines t = {text, len};
    struct line l[2] = {0}, more;
    uint8_t raw[FILE_SECRET_BYTES], sum[SUM_BYTES], pk[32], sk[64];
    crypto_generichash_state st;
    if (len > MMR_SIGN_FILE_MAX || !next_line(&t, &l[0]) || !next_line(&t, &l[1]) || next_line(&t, &more) ||
        !starts(&l[0], UNTRUSTED) || !decode(&l[1], raw, sizeof raw))
        return mmr_fail(err, MMR_EBADMSG, "%s: is no secret key file of minisign (a comment line and a key line)", name);
    bool has_password = raw[2] == 'S' && raw[3] == 'c';
    if (raw[0] != 'E' || raw[1] != 'd' || raw[4] != 'B' || raw[5] != '2' || !(has_password || (raw[2] == 0 && raw[3] == 0)))
        return mmr_fail(err, MMR_EBADMSG, "%s: is of a kind this program does not know", name);
    int r = has_password ? unlock(name, raw, password, err) : 0;
    if (r)
        return r;
    const uint8_t *id = raw + 54, *key = raw + 62, *check = raw + 126;
    (void)crypto_generichash_init(&st, NULL, 0, sizeof sum);
    (void)crypto_generichash_update(&st, raw, 2);
    (void)crypto_generichash_update(&st, id, 72);
    (void)crypto_generichash_final(&st, sum, sizeof sum);
    (void)crypto_sign_seed_keypair(pk, sk, key);
    if (has_password && sodium_memcmp(sum, check, sizeof sum) != 0)
        r = mmr_fail(err, MMR_EPERM, "%s: the password is wrong", name);
    else if (sodium_memcmp(sk, key, sizeof sk) != 0) /* without a password minisign writes no sum; the key is one itself */
        r = mmr_fail(err, MMR_EBADMSG, "%s: is damaged: its halves do not belong together", name);
    if (r == 0) {
        memcpy(ret->id, id, 8);
        memcpy(ret->sk, key, 64);
    }
    sodium_memzero(raw, sizeof raw);
    sodium_memzero(sk, sizeof sk);
    return r;
}

size_t mmr_sign_secret_format(const struct mmr_sign_secret *s, char *buf)
{
    uint8_t raw[FILE_SECRET_BYTES] = {'E', 'd', 0, 0, 'B', '2'};
    char text[sodium_base64_ENCODED_LEN(FILE_SECRET_BYTES, VARIANT)];
    memcpy(raw + 54, s->id, 8);
    memcpy(raw + 62, s->sk, 64);
    (void)sodium_bin2base64(text, sizeof text, raw, sizeof raw, VARIANT);
    int n = snprintf(buf, MMR_SIGN_FILE_MAX, UNTRUSTED "minisign secret key\n%s\n", text);
    sodium_memzero(raw, sizeof raw);
    sodium_memzero(text, sizeof text);
    return n > 0 ? (size_t)n : 0;
}

size_t mmr_sign_key_format(const struct mmr_sign_key *k, char *buf)
{
    char id[MMR_SIGN_ID_TEXT], text[MMR_SIGN_KEY_TEXT];
    mmr_sign_id_text(k->id, id);
    mmr_sign_key_text(k, text);
    int n = snprintf(buf, MMR_SIGN_FILE_MAX, UNTRUSTED "minisign public key %s\n%s\n", id, text);
    return n > 0 ? (size_t)n : 0;
}

int mmr_signature_make(const struct mmr_sign_secret *s, const uint8_t blake2b[64], const char *trusted, char *buf,
                       size_t *ret_len, struct mmr_error *err)
{
    uint8_t raw[SIG_BYTES] = {'E', 'D'}, whole[64 + MMR_SIGN_COMMENT_MAX], global[64];
    char sig[sodium_base64_ENCODED_LEN(SIG_BYTES, VARIANT)], glob[sodium_base64_ENCODED_LEN(64, VARIANT)], id[MMR_SIGN_ID_TEXT];
    size_t n = strlen(trusted);
    if (n > MMR_SIGN_COMMENT_MAX || strpbrk(trusted, "\r\n"))
        return mmr_fail(err, MMR_EINVAL, "the trusted comment has %zu bytes, expected one line of at most %d", n, MMR_SIGN_COMMENT_MAX);
    memcpy(raw + 2, s->id, 8);
    (void)crypto_sign_detached(raw + 10, NULL, blake2b, 64, s->sk);
    memcpy(whole, raw + 10, 64);
    memcpy(whole + 64, trusted, n);
    (void)crypto_sign_detached(global, NULL, whole, 64 + n, s->sk);
    (void)sodium_bin2base64(sig, sizeof sig, raw, sizeof raw, VARIANT);
    (void)sodium_bin2base64(glob, sizeof glob, global, sizeof global, VARIANT);
    mmr_sign_id_text(s->id, id);
    int len = snprintf(buf, MMR_SIGN_FILE_MAX, UNTRUSTED "signature from key %s\n%s\n" TRUSTED "%s\n%s\n", id, sig, trusted, glob);
    *ret_len = len > 0 ? (size_t)len : 0;
    return 0;
}
