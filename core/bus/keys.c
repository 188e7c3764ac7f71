/* keys.c - key pairs and their files. One line of text: the name of the format, then hexadecimal parts. */
#include "bus/keys.h"

#include "util/file.h"
#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <string.h>
#include <sys/stat.h>

#define SECRET_HEAD "mamori-keys-1 "
#define PUBLIC_HEAD "mamori-public-1 "
enum { SECRET_LINE = sizeof(SECRET_HEAD) - 1 + 2 * (MMR_KEY + MMR_KEY + MMR_SIGN_SECRET) + 3 };

int mmr_keys_new(struct mmr_keys *ret_keys, struct mmr_error *err)
{
    if (sodium_init() < 0)
        return mmr_fail(err, MMR_EIO, "keys: the system gives no random numbers");
    (void)crypto_box_keypair(ret_keys->pub.curve, ret_keys->curve_secret);
    (void)crypto_sign_keypair(ret_keys->pub.sign, ret_keys->sign_secret);
    return 0;
}

void mmr_keys_done(struct mmr_keys *keys)
{
    sodium_memzero(keys, sizeof *keys);
}

static char *put_hex(char *p, const uint8_t *b, size_t n)
{
    (void)sodium_bin2hex(p, 2 * n + 1, b, n);
    return p + 2 * n;
}

/* The temporary file carries the process's number: one that a power cut left behind is in nobody's way. */
int mmr_keys_save(const struct mmr_keys *keys, const char *path, struct mmr_error *err)
{
    char line[SECRET_LINE + 1], temp[4096], *p = line;
    int n = snprintf(temp, sizeof temp, "%s.%ld.new", path, (long)getpid());
    if (n < 0 || (size_t)n >= sizeof temp)
        return mmr_fail(err, MMR_EINVAL, "keys '%.60s…': the path is too long", path);
    memcpy(p, SECRET_HEAD, sizeof SECRET_HEAD - 1);
    p = put_hex(p + sizeof SECRET_HEAD - 1, keys->curve_secret, MMR_KEY);
    *p++ = ' ';
    p = put_hex(p, keys->pub.curve, MMR_KEY);
    *p++ = ' ';
    p = put_hex(p, keys->sign_secret, MMR_SIGN_SECRET);
    *p++ = '\n';
    int r = mmr_file_replace("keys", temp, 0600, line, (size_t)(p - line), err);
    sodium_memzero(line, sizeof line);
    if (r)
        return r;
    if (link(temp, path) != 0) /* unlike rename it never replaces keys that are there */
        r = errno == EEXIST ? mmr_fail(err, MMR_EPERM, "keys '%s' are there already; move the old file away first", path)
                            : mmr_fail(err, MMR_EIO, "keys '%s' could not be written: %s", path, strerror(errno));
    else if (mmr_sync_folder_of(path) != 0)
        r = mmr_fail(err, MMR_EIO, "the folder of '%s' could not be synced: %s", path, strerror(errno));
    (void)unlink(temp);
    return r;
}

void mmr_public_keys_fingerprint(const struct mmr_public_keys *pub, char buf[MMR_FINGERPRINT_MAX])
{
    uint8_t hash[crypto_generichash_BYTES];
    (void)crypto_generichash(hash, sizeof hash, (const uint8_t *)pub, sizeof *pub, NULL, 0);
    for (unsigned i = 0; i < 4; i++)
        (void)snprintf(buf + 5 * i, i == 3 ? 5 : 6, "%02x%02x%s", hash[2 * i], hash[2 * i + 1], i == 3 ? "" : "-");
}

static bool take_hex(const char **p, const char *end, uint8_t *b, size_t n, char after)
{
    size_t got;
    if ((size_t)(end - *p) < 2 * n + 1 || sodium_hex2bin(b, n, *p, 2 * n, NULL, &got, NULL) != 0 || got != n ||
        (*p)[2 * n] != after)
        return false;
    *p += 2 * n + 1;
    return true;
}

static bool belong_together(struct mmr_keys *k)
{
    uint8_t curve[MMR_KEY], seed[crypto_sign_SEEDBYTES], secret[MMR_SIGN_SECRET];
    (void)crypto_scalarmult_base(curve, k->curve_secret);
    (void)crypto_sign_ed25519_sk_to_seed(seed, k->sign_secret);
    (void)crypto_sign_seed_keypair(k->pub.sign, secret, seed);
    bool is_same = sodium_memcmp(curve, k->pub.curve, MMR_KEY) == 0 &&
                   sodium_memcmp(secret, k->sign_secret, sizeof secret) == 0;
    sodium_memzero(seed, sizeof seed);
    sodium_memzero(secret, sizeof secret);
    return is_same;
}

int mmr_keys_load(const char *path, struct mmr_keys *ret_keys, struct mmr_error *err)
{
    char line[SECRET_LINE + 1];
    struct stat st;
    struct mmr_keys k;
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return mmr_fail(err, errno == ENOENT ? MMR_ENOENT : errno == ELOOP ? MMR_EPERM : MMR_EIO, "keys '%s': %s", path,
                        strerror(errno));
    if (fstat(fd, &st) != 0)
        return mmr_fail(err, MMR_EIO, "keys '%s': %s", path, strerror(errno));
    if (!S_ISREG(st.st_mode))
        return mmr_fail(err, MMR_EPERM, "keys '%s' is not a regular file", path);
    if (st.st_uid != geteuid() && st.st_uid != 0)
        return mmr_fail(err, MMR_EPERM, "keys '%s' belongs to user %u, expected %u or root", path, st.st_uid, geteuid());
    if (st.st_mode & 077)
        return mmr_fail(err, MMR_EPERM, "keys '%s' has mode %03o, others can reach it; chmod 600 it", path,
                        st.st_mode & 0777);
    ssize_t n = read(fd, line, sizeof line);
    const char *p = line + sizeof SECRET_HEAD - 1, *end = line + (n > 0 ? n : 0);
    bool is_good = n == SECRET_LINE && memcmp(line, SECRET_HEAD, sizeof SECRET_HEAD - 1) == 0 &&
                   take_hex(&p, end, k.curve_secret, MMR_KEY, ' ') && take_hex(&p, end, k.pub.curve, MMR_KEY, ' ') &&
                   take_hex(&p, end, k.sign_secret, MMR_SIGN_SECRET, '\n');
    sodium_memzero(line, sizeof line);
    if (!is_good)
        return mmr_fail(err, MMR_EBADMSG, "keys '%s' is not a key file of mamori, or is cut", path);
    if (!belong_together(&k)) {
        mmr_keys_done(&k);
        return mmr_fail(err, MMR_EBADMSG, "keys '%s': public and secret part do not belong together", path);
    }
    *ret_keys = k;
    mmr_keys_done(&k);
    return 0;
}

void mmr_public_keys_format(const struct mmr_public_keys *pub, char buf[MMR_PUBLIC_TEXT_MAX])
{
    char *p = buf;
    memcpy(p, PUBLIC_HEAD, sizeof PUBLIC_HEAD - 1);
    p = put_hex(p + sizeof PUBLIC_HEAD - 1, pub->curve, MMR_KEY);
    *p++ = ' ';
    p = put_hex(p, pub->sign, MMR_KEY);
    *p = '\0';
}

int mmr_public_keys_parse(const char *text, struct mmr_public_keys *ret_pub, struct mmr_error *err)
{
    struct mmr_public_keys k;
    const char *p = text + sizeof PUBLIC_HEAD - 1;
    size_t len = strlen(text);
    while (len && (text[len - 1] == '\n' || text[len - 1] == '\r'))
        len--;
    const size_t want = sizeof PUBLIC_HEAD - 1 + 4 * MMR_KEY + 1;
    size_t got;
    if (len != want || memcmp(text, PUBLIC_HEAD, sizeof PUBLIC_HEAD - 1) != 0 ||
        !take_hex(&p, text + len, k.curve, MMR_KEY, ' ') ||
        sodium_hex2bin(k.sign, MMR_KEY, p, (size_t)2 * MMR_KEY, NULL, &got, NULL) != 0 || got != MMR_KEY)
        return mmr_fail(err, MMR_EBADMSG, "public keys '%.24s…': expected \"mamori-public-1 HEX HEX\" of 64 digits each",
                        text);
    *ret_pub = k;
    return 0;
}
