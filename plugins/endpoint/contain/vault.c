/* vault.c - files out of harm's way, and back. The stored bytes are flipped, so that nothing runs or
 * scans them by accident. */
#include "vault.h"

#include "inode.h"
#include "xattrs.h"

#include <errno.h>
#include <fcntl.h>
#include <sodium.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, PATH_BYTES = 4096, FLIP = 0xa5 };

struct manifest {
    char path[PATH_BYTES], sha256[65];
    unsigned mode, uid, gid;
    long long size, mtime_s, mtime_ns, atime_s, atime_ns;
};

bool mmr_vault_is_system(const char *path)
{
    static const char *const prefixes[] = {"/usr/", "/bin/", "/sbin/", "/lib/", "/lib32/", "/lib64/", "/boot/",
                                           "/proc/", "/sys/", "/dev/", "/run/systemd/"};
    if (path[0] != '/' || strstr(path, "/../") || strstr(path, "//"))
        return true;
    for (size_t i = 0; i < sizeof prefixes / sizeof prefixes[0]; i++)
        if (strncmp(path, prefixes[i], strlen(prefixes[i])) == 0)
            return strncmp(path, "/dev/shm/", 9) != 0 && strncmp(path, "/usr/local/", 11) != 0;
    return false;
}

static void name_of(const char *dir, uint64_t id, const char *suffix, char *buf, size_t cap)
{
    (void)snprintf(buf, cap, "%s/%016llx.%s", dir, (unsigned long long)id, suffix);
}

static int write_all(int fd, const uint8_t *p, size_t n)
{
    while (n) {
        ssize_t w = write(fd, p, n);
        if (w < 0 && errno == EINTR)
            continue;
        if (w <= 0)
            return -1;
        p += w;
        n -= (size_t)w;
    }
    return 0;
}

static bool is_zero(const uint8_t *p, size_t n)
{
    return n && !p[0] && memcmp(p, p + 1, n - 1) == 0;
}

/* Copy from one descriptor to another (to < 0: nowhere), flipping on the way in or out. The hash is
 * always of the plain bytes: of the input when is_plain_in, else of the output. is_sparse: zeros are left out. */
static int copy(int from, int to, bool is_flipped, bool is_plain_in, bool is_sparse, char hex[65])
{
    crypto_hash_sha256_state st;
    uint8_t digest[crypto_hash_sha256_BYTES];
    uint8_t *buf = malloc(CHUNK);
    ssize_t n = -1;
    if (!buf)
        return -1;
    (void)crypto_hash_sha256_init(&st);
    while ((n = read(from, buf, CHUNK)) > 0) {
        if (is_plain_in)
            (void)crypto_hash_sha256_update(&st, buf, (size_t)n);
        for (ssize_t i = 0; is_flipped && i < n; i++)
            buf[i] ^= FLIP;
        if (!is_plain_in)
            (void)crypto_hash_sha256_update(&st, buf, (size_t)n);
        bool is_hole = is_sparse && to >= 0 && is_zero(buf, (size_t)n);
        if (to >= 0 && (is_hole ? lseek(to, n, SEEK_CUR) < 0 : write_all(to, buf, (size_t)n) != 0)) {
            n = -1;
            break;
        }
    }
    free(buf);
    if (n < 0 || (is_sparse && to >= 0 && ftruncate(to, lseek(to, 0, SEEK_CUR)) != 0))
        return -1;
    (void)crypto_hash_sha256_final(&st, digest);
    (void)sodium_bin2hex(hex, 65, digest, sizeof digest);
    return 0;
}

static int sync_dir(const char *dir)
{
    int fd = open(dir, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int r = fd < 0 ? -1 : fsync(fd);
    if (fd >= 0)
        (void)close(fd);
    return r;
}

static int save_manifest(const char *dir, uint64_t id, const struct manifest *m)
{
    char path[PATH_BYTES + 64], text[PATH_BYTES + 512];
    name_of(dir, id, "meta", path, sizeof path);
    int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
    if (fd < 0)
        return -1;
    int n = snprintf(text, sizeof text, "%o %u %u %lld %lld %lld %lld %lld %s\n%s\n", m->mode, m->uid, m->gid, m->size,
                     m->mtime_s, m->mtime_ns, m->atime_s, m->atime_ns, m->sha256, m->path);
    int r = n < 0 || (size_t)n >= sizeof text || write_all(fd, (const uint8_t *)text, (size_t)n) != 0 || fsync(fd) != 0 ? -1 : 0;
    (void)close(fd);
    return r;
}

/* Extended attributes lie beside the copy; most files have none. */
static int save_xattrs(const char *dir, uint64_t id, int file)
{
    char path[PATH_BYTES + 64];
    unsigned char *bytes;
    long n = mmr_xattrs_read(file, &bytes);
    int r = n < 0 ? -1 : 0;
    name_of(dir, id, "xattr", path, sizeof path);
    if (n > 0) {
        int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600);
        r = fd < 0 || write_all(fd, bytes, (size_t)n) != 0 || fsync(fd) != 0 ? -1 : 0;
        if (fd >= 0)
            (void)close(fd);
    }
    free(bytes);
    return r;
}

static int load_xattrs(const char *dir, uint64_t id, int file)
{
    char path[PATH_BYTES + 64];
    struct stat st;
    name_of(dir, id, "xattr", path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    unsigned char *bytes = fstat(fd, &st) == 0 && st.st_size <= MMR_XATTRS_MAX ? malloc((size_t)st.st_size + 1) : NULL;
    int r = bytes && read(fd, bytes, (size_t)st.st_size) == st.st_size ? mmr_xattrs_write(file, bytes, (size_t)st.st_size) : -1;
    free(bytes);
    (void)close(fd);
    return r;
}

/* What is out of the ordinary lies there too; most files have nothing of it. */
static int save_node(const char *dir, uint64_t id, const struct mmr_inode *n)
{
    char path[PATH_BYTES + 64], text[512];
    name_of(dir, id, "node", path, sizeof path);
    if (mmr_inode_is_plain(n))
        return 0;
    int fd = mmr_inode_write(n, text, sizeof text) == 0 ? open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    int r = fd < 0 || write_all(fd, (const uint8_t *)text, strlen(text)) != 0 || fsync(fd) != 0 ? -1 : 0;
    if (fd >= 0)
        (void)close(fd);
    return r;
}

static int load_node(const char *dir, uint64_t id, struct mmr_inode *ret)
{
    char path[PATH_BYTES + 64], text[512];
    name_of(dir, id, "node", path, sizeof path);
    memset(ret, 0, sizeof *ret);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    if (fd < 0)
        return errno == ENOENT ? 0 : -1;
    ssize_t n = read(fd, text, sizeof text - 1);
    (void)close(fd);
    text[n > 0 ? n : 0] = '\0';
    return mmr_inode_read(text, ret);
}

void mmr_vault_forget(const char *dir, uint64_t id)
{
    static const char *const suffixes[] = {"bin", "meta", "xattr", "node"};
    char path[PATH_BYTES + 64];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        name_of(dir, id, suffixes[i], path, sizeof path);
        (void)unlink(path);
    }
}

int mmr_vault_share(const char *dir, uint64_t from, uint64_t to, struct mmr_error *err)
{
    static const char *const suffixes[] = {"bin", "meta", "xattr", "node"};
    char a[PATH_BYTES + 64], b[PATH_BYTES + 64];
    for (size_t i = 0; i < sizeof suffixes / sizeof suffixes[0]; i++) {
        name_of(dir, from, suffixes[i], a, sizeof a);
        name_of(dir, to, suffixes[i], b, sizeof b);
        if (link(a, b) != 0 && errno != EEXIST && !(i >= 2 && errno == ENOENT))
            return mmr_fail(err, MMR_EIO, "quarantine '%s': %s", a, strerror(errno));
    }
    return 0;
}

static int load_manifest(const char *dir, uint64_t id, struct manifest *m, struct mmr_error *err)
{
    char path[PATH_BYTES + 64], text[PATH_BYTES + 512];
    name_of(dir, id, "meta", path, sizeof path);
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    ssize_t n = fd < 0 ? -1 : read(fd, text, sizeof text - 1);
    if (fd >= 0)
        (void)close(fd);
    if (n <= 0)
        return mmr_fail(err, MMR_ENOENT, "nothing is kept in quarantine under %016llx", (unsigned long long)id);
    text[n] = '\0';
    char *line = strchr(text, '\n');
    if (!line || text[n - 1] != '\n' ||
        sscanf(text, "%o %u %u %lld %lld %lld %lld %lld %64s", &m->mode, &m->uid, &m->gid, &m->size, &m->mtime_s,
               &m->mtime_ns, &m->atime_s, &m->atime_ns, m->sha256) != 9)
        return mmr_fail(err, MMR_EBADMSG, "quarantine manifest '%s' is damaged", path);
    text[n - 1] = '\0';
    (void)snprintf(m->path, sizeof m->path, "%s", line + 1);
    return 0;
}

static int open_wanted(const struct mmr_file_id *f, int64_t max_bytes, struct stat *st, struct mmr_error *err)
{
    if (mmr_vault_is_system(f->path) || strlen(f->path) >= PATH_BYTES)
        return mmr_fail(err, MMR_EPERM, "'%.200s' belongs to the system and is never moved", f->path);
    int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return errno == ENOENT || errno == ENOTDIR ? mmr_fail(err, MMR_ENOENT, "'%.200s' is not there", f->path)
                                                   : mmr_fail(err, MMR_EIO, "'%.200s': %s", f->path, strerror(errno));
    int r = 0;
    if (fstat(fd, st) != 0)
        r = mmr_fail(err, MMR_EIO, "'%.200s': %s", f->path, strerror(errno));
    else if (!S_ISREG(st->st_mode))
        r = mmr_fail(err, MMR_EPERM, "'%.200s' is no regular file", f->path);
    else if ((f->inode && f->inode != st->st_ino) || (f->device && f->device != st->st_dev))
        r = mmr_fail(err, MMR_ENOENT, "'%.200s' is another file by now", f->path);
    else if (st->st_size > max_bytes)
        r = mmr_fail(err, MMR_ETOOBIG, "'%.200s' has %lld bytes, at most %lld are moved", f->path, (long long)st->st_size,
                     (long long)max_bytes);
    if (!r)
        return fd;
    (void)close(fd);
    return r;
}

int mmr_vault_take(const char *dir, uint64_t id, const struct mmr_file_id *f, int64_t max_bytes, char ret_sha256[65],
                   struct mmr_error *err)
{
    char bin[PATH_BYTES + 64];
    struct stat st, now;
    struct manifest m = {0};
    struct mmr_inode node;
    int fd = open_wanted(f, max_bytes, &st, err);
    if (fd < 0)
        return fd;
    mmr_inode_look(fd, &st, &node);
    name_of(dir, id, "bin", bin, sizeof bin);
    int out = mkdir(dir, 0700) == 0 || errno == EEXIST ? open(bin, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC | O_NOFOLLOW, 0600) : -1;
    int r = 0;
    if (out < 0 || copy(fd, out, true, true, false, m.sha256) != 0 || fsync(out) != 0)
        r = mmr_fail(err, MMR_EIO, "quarantine '%s': %s", bin, strerror(errno));
    if (!r && save_xattrs(dir, id, fd) != 0)
        r = mmr_fail(err, MMR_EIO, "attributes of '%.150s': %s", f->path, strerror(errno));
    if (!r && save_node(dir, id, &node) != 0)
        r = mmr_fail(err, MMR_EIO, "other names and flags of '%.150s': %s", f->path, strerror(errno));
    if (out >= 0)
        (void)close(out);
    if (!r && f->sha256 && f->sha256[0] && strcasecmp(f->sha256, m.sha256) != 0)
        r = mmr_fail(err, MMR_ENOENT, "'%.150s' has other contents by now", f->path);
    (void)snprintf(m.path, sizeof m.path, "%s", f->path);
    m.mode = st.st_mode & 07777;
    m.uid = st.st_uid;
    m.gid = st.st_gid;
    m.size = st.st_size;
    m.mtime_s = st.st_mtim.tv_sec;
    m.mtime_ns = st.st_mtim.tv_nsec;
    m.atime_s = st.st_atim.tv_sec;
    m.atime_ns = st.st_atim.tv_nsec;
    if (!r && (save_manifest(dir, id, &m) != 0 || sync_dir(dir) != 0))
        r = mmr_fail(err, MMR_EIO, "quarantine manifest in '%s': %s", dir, strerror(errno));
    if (!r && (lstat(f->path, &now) != 0 || now.st_ino != st.st_ino || now.st_dev != st.st_dev))
        r = mmr_fail(err, MMR_ENOENT, "'%.200s' was replaced meanwhile", f->path);
    bool is_disarmed = !r;
    if (!r && mmr_inode_disarm(fd, &node) != 0)
        r = mmr_fail(err, MMR_EIO, "'%.200s' cannot be made harmless: %s", f->path, strerror(errno));
    if (!r && unlink(f->path) != 0)
        r = mmr_fail(err, MMR_EIO, "'%.200s' cannot be removed: %s", f->path, strerror(errno));
    if (r && is_disarmed)
        (void)mmr_inode_rearm(fd, &node, m.mode);
    (void)close(fd);
    if (r) {
        mmr_vault_forget(dir, id);
        return r;
    }
    memcpy(ret_sha256, m.sha256, 65);
    return 0;
}

int mmr_vault_verify(const char *dir, uint64_t id, struct mmr_error *err)
{
    char bin[PATH_BYTES + 64], hex[65], now_hex[65];
    struct manifest m = {0};
    int r = load_manifest(dir, id, &m, err);
    if (r)
        return r;
    name_of(dir, id, "bin", bin, sizeof bin);
    int fd = open(bin, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    r = fd < 0 || copy(fd, -1, true, false, false, hex) != 0 || strcmp(hex, m.sha256) != 0
            ? mmr_fail(err, MMR_ENOENT, "the quarantined copy '%s' is missing or damaged", bin)
            : 0;
    if (fd >= 0)
        (void)close(fd);
    if (r)
        return r;
    fd = open(m.path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return 0;
    r = copy(fd, -1, false, true, false, now_hex) == 0 && strcmp(now_hex, m.sha256) == 0
            ? mmr_fail(err, MMR_ENOENT, "'%.200s' is there again with the same contents", m.path)
            : 0;
    (void)close(fd);
    return r;
}

/* A file that had other names, and still has one: it gets this one back, and what was taken from the others. 0: done; 1: another way. */
static int give_name_back(const struct manifest *m, const struct mmr_inode *node, struct mmr_error *err)
{
    char hex[65], link[40];
    int fd = mmr_inode_find(m->path, node), r = 1;
    if (fd < 0)
        return 1;
    bool is_same = copy(fd, -1, false, true, false, hex) == 0 && strcmp(hex, m->sha256) == 0;
    (void)snprintf(link, sizeof link, "/proc/self/fd/%d", fd);
    if (is_same)
        r = linkat(AT_FDCWD, link, AT_FDCWD, m->path, AT_SYMLINK_FOLLOW) == 0
                ? 0
                : mmr_fail(err, MMR_EIO, "'%.150s' cannot be put back: %s", m->path, errno == EEXIST ? "another file stands there; move it first" : strerror(errno));
    if (r >= 0 && mmr_inode_rearm(fd, node, m->mode) != 0)
        r = mmr_fail(err, MMR_EIO, "the other names of '%.150s': %s", m->path, strerror(errno));
    (void)close(fd);
    return r;
}

int mmr_vault_restore(const char *dir, uint64_t id, struct mmr_error *err)
{
    char bin[PATH_BYTES + 64], temp[PATH_BYTES + 64], hex[65] = "";
    struct manifest m = {0};
    int r = load_manifest(dir, id, &m, err);
    if (r)
        return r;
    struct mmr_inode node;
    if (load_node(dir, id, &node) != 0)
        return mmr_fail(err, MMR_EBADMSG, "what was kept of '%.150s' beside its bytes is damaged", m.path);
    r = give_name_back(&m, &node, err);
    if (r <= 0) {
        if (!r)
            mmr_vault_forget(dir, id);
        return r;
    }
    r = 0;
    name_of(dir, id, "bin", bin, sizeof bin);
    (void)snprintf(temp, sizeof temp, "%s.mamori-restore", m.path);
    int in = open(bin, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
    int out = in < 0 ? -1 : open(temp, O_WRONLY | O_CREAT | O_EXCL | O_CLOEXEC | O_NOFOLLOW, 0600);
    const struct timespec times[2] = {{m.atime_s, m.atime_ns}, {m.mtime_s, m.mtime_ns}};
    if (out < 0 || copy(in, out, true, false, node.is_sparse, hex) != 0 || strcmp(hex, m.sha256) != 0 || fchown(out, m.uid, m.gid) != 0 ||
        fchmod(out, m.mode) != 0 || load_xattrs(dir, id, out) != 0 || futimens(out, times) != 0 || fsync(out) != 0)
        r = mmr_fail(err, MMR_EIO, "putting '%.150s' back: %s", m.path,
                     hex[0] && strcmp(hex, m.sha256) != 0 ? "the kept copy is damaged" : strerror(errno));
    if (in >= 0)
        (void)close(in);
    if (!r && renameat2(AT_FDCWD, temp, AT_FDCWD, m.path, RENAME_NOREPLACE) != 0)
        r = mmr_fail(err, MMR_EIO, "'%.150s' cannot be put back: %s", m.path,
                     errno == EEXIST ? "another file stands there; move it first" : strerror(errno));
    if (!r)
        (void)mmr_inode_flags_on(out, &node); /* they would have kept it from being moved here */
    if (out >= 0)
        (void)close(out);
    if (r) {
        if (out >= 0)
            (void)unlink(temp);
        return r;
    }
    mmr_vault_forget(dir, id);
    return 0;
}

int mmr_vault_check(const struct mmr_file_id *f, int64_t max_bytes, struct mmr_error *err)
{
    struct stat st;
    int fd = open_wanted(f, max_bytes, &st, err);
    if (fd < 0)
        return fd;
    (void)close(fd);
    return 0;
}
