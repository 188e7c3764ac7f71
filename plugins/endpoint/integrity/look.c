/* look.c - what a file is: kind, mode, owner, size, times, content and extended attributes. Everything may be gone at any step. */
#include "integrity.h"

#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <sys/xattr.h>
#include <unistd.h>

enum { CHUNK = 64 * 1024, NAMES = 4096, VALUE = 65536, ATTRIBUTES = 64 };

static int by_name(const void *a, const void *b)
{
    return strcmp(*(const char *const *)a, *(const char *const *)b);
}

/* Attributes in the order of their names, each with its length, so that nothing can be moved from one into the other. */
static void look_xattrs(const char *path, struct mmr_state *s)
{
    char names[NAMES];
    const char *sorted[ATTRIBUTES];
    uint8_t *value = NULL;
    size_t n = 0;
    crypto_generichash_state sum;
    ssize_t len = llistxattr(path, names, sizeof names);
    for (ssize_t at = 0; at < len && n < ATTRIBUTES; at += (ssize_t)strlen(names + at) + 1)
        if (strncmp(names + at, "security.ima", 12) != 0 && strncmp(names + at, "security.evm", 12) != 0)
            sorted[n++] = names + at;
    if (!n || !(value = malloc(VALUE)))
        return;
    qsort(sorted, n, sizeof sorted[0], by_name);
    (void)crypto_generichash_init(&sum, NULL, 0, MMR_INTEGRITY_HASH);
    for (size_t i = 0; i < n; i++) {
        ssize_t v = lgetxattr(path, sorted[i], value, VALUE);
        const uint32_t sizes[2] = {(uint32_t)strlen(sorted[i]), v > 0 ? (uint32_t)v : 0};
        (void)crypto_generichash_update(&sum, (const uint8_t *)sizes, sizeof sizes);
        (void)crypto_generichash_update(&sum, (const uint8_t *)sorted[i], sizes[0]);
        (void)crypto_generichash_update(&sum, value, sizes[1]);
        s->has_caps = s->has_caps || strcmp(sorted[i], "security.capability") == 0;
    }
    (void)crypto_generichash_final(&sum, s->xattrs, MMR_INTEGRITY_HASH);
    free(value);
}

static int64_t ns_of(struct timespec t)
{
    return (int64_t)t.tv_sec * 1000000000 + t.tv_nsec;
}

static bool is_untouched(const struct mmr_state *a, const struct mmr_state *b)
{
    return a->kind == b->kind && a->mode == b->mode && a->uid == b->uid && a->gid == b->gid && a->size == b->size && a->inode == b->inode &&
           a->mtime_ns == b->mtime_ns && a->ctime_ns == b->ctime_ns;
}

void mmr_look_begin(struct mmr_looking *l, const char *path, const struct mmr_state *before, uint64_t max_file)
{
    struct stat st;
    char link[PATH_MAX];
    memset(l, 0, sizeof *l);
    l->fd = -1;
    if (lstat(path, &st) != 0)
        return;
    struct mmr_state *s = &l->state;
    *s = (struct mmr_state){.kind = st.st_mode & S_IFMT, .mode = st.st_mode & 07777, .uid = st.st_uid, .gid = st.st_gid,
                            .size = S_ISDIR(st.st_mode) ? 0 : (uint64_t)st.st_size, .inode = st.st_ino,
                            .mtime_ns = S_ISDIR(st.st_mode) ? 0 : ns_of(st.st_mtim), .ctime_ns = S_ISDIR(st.st_mode) ? 0 : ns_of(st.st_ctim)};
    if (before && !S_ISDIR(st.st_mode) && is_untouched(before, s)) {
        *s = *before;
        return;
    }
    look_xattrs(path, s);
    if (S_ISLNK(st.st_mode)) {
        ssize_t n = readlink(path, link, sizeof link);
        (void)crypto_generichash(s->hash, MMR_INTEGRITY_HASH, (const uint8_t *)link, n > 0 ? (unsigned long long)n : 0, NULL, 0);
    }
    if (!S_ISREG(st.st_mode) || (uint64_t)st.st_size > max_file)
        return;
    l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK | O_NOATIME);
    if (l->fd < 0)
        l->fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (l->fd < 0)
        return;
    (void)crypto_generichash_init(&l->sum, NULL, 0, MMR_INTEGRITY_HASH);
    l->left = (uint64_t)st.st_size; /* a file that grows meanwhile changes again, and is looked at again */
    l->is_open = true;
}

uint64_t mmr_look_more(struct mmr_looking *l, uint64_t budget)
{
    uint8_t buf[CHUNK];
    uint64_t done = 0;
    while (l->is_open && done < budget) {
        uint64_t want = l->left < budget - done ? l->left : budget - done;
        ssize_t n = want ? read(l->fd, buf, want < sizeof buf ? want : sizeof buf) : 0;
        if (n <= 0) {
            (void)crypto_generichash_final(&l->sum, l->state.hash, MMR_INTEGRITY_HASH);
            mmr_look_end(l);
            break;
        }
        (void)crypto_generichash_update(&l->sum, buf, (unsigned long long)n);
        l->left -= (uint64_t)n;
        done += (uint64_t)n;
    }
    return done;
}

void mmr_look_end(struct mmr_looking *l)
{
    if (l->is_open)
        (void)close(l->fd);
    l->fd = -1;
    l->is_open = false;
}

uint32_t mmr_state_diff(const struct mmr_state *before, const struct mmr_state *now)
{
    if (!before->kind || !now->kind)
        return before->kind ? MMR_DIFF_REMOVED : now->kind ? MMR_DIFF_ADDED : 0;
    if (before->kind != now->kind)
        return MMR_DIFF_KIND;
    return (memcmp(before->hash, now->hash, sizeof now->hash) != 0 || before->size != now->size ? MMR_DIFF_CONTENT : 0u) |
           (before->mode != now->mode ? MMR_DIFF_MODE : 0u) | (before->uid != now->uid || before->gid != now->gid ? MMR_DIFF_OWNER : 0u) |
           (memcmp(before->xattrs, now->xattrs, sizeof now->xattrs) != 0 ? MMR_DIFF_XATTRS : 0u);
}

void mmr_state_digest(const struct mmr_state *s, uint8_t ret[16])
{
    crypto_generichash_state sum;
    const uint64_t numbers[] = {s->kind, s->mode, s->uid, s->gid, s->size};
    (void)crypto_generichash_init(&sum, NULL, 0, 16);
    (void)crypto_generichash_update(&sum, (const uint8_t *)numbers, sizeof numbers);
    (void)crypto_generichash_update(&sum, s->hash, sizeof s->hash);
    (void)crypto_generichash_update(&sum, s->xattrs, sizeof s->xattrs);
    (void)crypto_generichash_final(&sum, ret, 16);
}
