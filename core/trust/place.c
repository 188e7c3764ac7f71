/* place.c - who could have put this file here? Only root, or the user this runs as. */
#include "trust/place.h"

#include "util/scope.h"

#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static bool is_ours(const struct stat *st)
{
    return st->st_uid == 0 || st->st_uid == geteuid();
}

static int check_folder(const char *what, const char *file, const char *folder, bool is_own_folder, struct mmr_error *err)
{
    struct stat st;
    if (lstat(folder, &st) != 0)
        return mmr_fail(err, MMR_EIO, "%s '%s': folder '%s': %s", what, file, folder, strerror(errno));
    if (!S_ISDIR(st.st_mode))
        return mmr_fail(err, MMR_EPERM, "%s '%s': '%s' is no folder", what, file, folder);
    if (!is_ours(&st))
        return mmr_fail(err, MMR_EPERM, "%s '%s': folder '%s' belongs to user %u, expected root or the service", what,
                        file, folder, st.st_uid);
    /* in a sticky folder nobody can rename what another one owns, so it may stand above, but not hold the file */
    bool is_sticky = (st.st_mode & S_ISVTX) && !is_own_folder;
    if ((st.st_mode & (S_IWGRP | S_IWOTH)) && !is_sticky)
        return mmr_fail(err, MMR_EPERM, "%s '%s': folder '%s' is writable by others; chmod go-w it", what, file, folder);
    return 0;
}

/* Every folder from the file's own up to the root, links resolved. */
static int check_folders(const char *what, const char *file, struct mmr_error *err)
{
    const char *slash = strrchr(file, '/');
    mmr_autofree char *given = slash ? strndup(file, slash == file ? 1 : (size_t)(slash - file)) : strdup(".");
    mmr_autofree char *at = given ? realpath(given, NULL) : NULL;
    if (!at)
        return mmr_fail(err, MMR_EIO, "%s '%s': its folder: %s", what, file, strerror(errno));
    bool is_own = true;
    for (;;) {
        int r = check_folder(what, file, at, is_own, err);
        if (r || strcmp(at, "/") == 0)
            return r;
        is_own = false;
        char *cut = strrchr(at, '/');
        cut[cut == at] = '\0'; /* the last step ends at "/" itself */
    }
}

static int check_file(const char *what, const char *path, const struct stat *st, int64_t max, struct mmr_error *err)
{
    if (!S_ISREG(st->st_mode))
        return mmr_fail(err, MMR_EPERM, "%s '%s' is no regular file", what, path);
    if (!is_ours(st))
        return mmr_fail(err, MMR_EPERM, "%s '%s' belongs to user %u, expected root or the service; chown it", what, path,
                        st->st_uid);
    if (st->st_mode & (S_IWGRP | S_IWOTH))
        return mmr_fail(err, MMR_EPERM, "%s '%s' is writable by others (mode %04o); chmod go-w it", what, path,
                        st->st_mode & 07777);
    if (st->st_size <= 0 || st->st_size > max)
        return mmr_fail(err, MMR_ETOOBIG, "%s '%s' has %lld bytes, expected 1 to %lld", what, path,
                        (long long)st->st_size, (long long)max);
    return check_folders(what, path, err);
}

int mmr_place_open(const char *what, const char *path, int64_t max, int *ret_fd, int64_t *ret_size, struct mmr_error *err)
{
    struct stat st;
    mmr_autoclose int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOCTTY);
    if (fd < 0)
        return mmr_fail(err, errno == ENOENT ? MMR_ENOENT : errno == ELOOP ? MMR_EPERM : MMR_EIO, "%s '%s': %s%s", what,
                        path, strerror(errno), errno == ELOOP ? "; links are not followed, name the file itself" : "");
    if (fstat(fd, &st) != 0)
        return mmr_fail(err, MMR_EIO, "%s '%s': %s", what, path, strerror(errno));
    int r = check_file(what, path, &st, max, err);
    if (r)
        return r;
    *ret_fd = fd;
    fd = -1; /* the caller's now */
    if (ret_size)
        *ret_size = st.st_size;
    return 0;
}

int mmr_place_read(const char *what, const char *path, size_t max, char **ret_text, size_t *ret_len, struct mmr_error *err)
{
    mmr_autoclose int fd = -1;
    int64_t size;
    int r = mmr_place_open(what, path, (int64_t)max, &fd, &size, err);
    if (r)
        return r;
    mmr_autofree char *text = malloc((size_t)size + 1);
    if (!text)
        return mmr_fail(err, MMR_ENOMEM, "%s '%s': out of memory", what, path);
    size_t len = 0;
    while (len < (size_t)size) {
        ssize_t n = read(fd, text + len, (size_t)size - len);
        if (n < 0 && errno == EINTR)
            continue;
        if (n <= 0)
            return mmr_fail(err, MMR_EIO, "%s '%s' could not be read whole; is it being written?", what, path);
        len += (size_t)n;
    }
    text[len] = '\0';
    *ret_text = text;
    text = NULL; /* the caller's now */
    *ret_len = len;
    return 0;
}

int mmr_place_hash(int fd, char ret_sha256[MMR_SHA256_TEXT], uint8_t ret_blake2b[MMR_BLAKE2B_512], struct mmr_error *err)
{
    crypto_hash_sha256_state sha;
    crypto_generichash_state blake;
    uint8_t buf[64 * 1024], digest[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256_init(&sha);
    (void)crypto_generichash_init(&blake, NULL, 0, MMR_BLAKE2B_512);
    for (off_t at = 0;;) {
        ssize_t n = pread(fd, buf, sizeof buf, at);
        if (n < 0 && errno == EINTR)
            continue;
        if (n < 0)
            return mmr_fail(err, MMR_EIO, "a file that is hashed cannot be read: %s", strerror(errno));
        if (n == 0)
            break;
        at += n;
        if (ret_sha256)
            (void)crypto_hash_sha256_update(&sha, buf, (unsigned long long)n);
        if (ret_blake2b)
            (void)crypto_generichash_update(&blake, buf, (unsigned long long)n);
    }
    (void)crypto_hash_sha256_final(&sha, digest);
    if (ret_sha256)
        (void)sodium_bin2hex(ret_sha256, MMR_SHA256_TEXT, digest, sizeof digest);
    if (ret_blake2b)
        (void)crypto_generichash_final(&blake, ret_blake2b, MMR_BLAKE2B_512);
    return 0;
}

void mmr_place_hash_bytes(const void *bytes, size_t len, char ret_sha256[MMR_SHA256_TEXT])
{
    uint8_t digest[crypto_hash_sha256_BYTES];
    (void)crypto_hash_sha256(digest, bytes, len);
    (void)sodium_bin2hex(ret_sha256, MMR_SHA256_TEXT, digest, sizeof digest);
}
