/* content.c - what a file is: its inode, whether it can be run, its hash. Only regular files are opened. */
#include "files.h"

#include <fcntl.h>
#include <sodium.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

static void hash(int fd, struct mmr_content *c)
{
    crypto_hash_sha256_state state;
    uint8_t buf[16384], out[crypto_hash_sha256_BYTES];
    uint64_t left = c->size; /* a file that grows meanwhile is not followed */
    (void)crypto_hash_sha256_init(&state);
    for (ssize_t n; left && (n = read(fd, buf, left < sizeof buf ? left : sizeof buf)) > 0; left -= (uint64_t)n)
        (void)crypto_hash_sha256_update(&state, buf, (unsigned long long)n);
    if (left)
        return;
    (void)crypto_hash_sha256_final(&state, out);
    (void)sodium_bin2hex(c->sha256, sizeof c->sha256, out, sizeof out);
}

void mmr_content_look(const char *path, bool is_read, int64_t hash_bytes, struct mmr_content *ret)
{
    struct stat st;
    uint8_t head[4] = {0};
    memset(ret, 0, sizeof *ret);
    if (lstat(path, &st) != 0)
        return;
    *ret = (struct mmr_content){.inode = st.st_ino, .size = (uint64_t)st.st_size, .device = st.st_dev,
                                .is_there = true, .is_regular = S_ISREG(st.st_mode), .is_link = S_ISLNK(st.st_mode)};
    if (!is_read || !ret->is_regular)
        return;
    int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW | O_NONBLOCK);
    if (fd < 0)
        return;
    if (fstat(fd, &st) == 0 && S_ISREG(st.st_mode) && read(fd, head, sizeof head) >= 2) {
        ret->is_executable = memcmp(head, "\177ELF", 4) == 0 || memcmp(head, "#!", 2) == 0;
        ret->size = (uint64_t)st.st_size;
        if (ret->is_executable && st.st_size <= hash_bytes && lseek(fd, 0, SEEK_SET) == 0)
            hash(fd, ret);
    }
    (void)close(fd);
}
