/* inode.c - see inode.h. */
#include "inode.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/fs.h>
#include <sodium.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

enum { KEPT = FS_IMMUTABLE_FL | FS_APPEND_FL };

union handle {
    struct file_handle h;
    uint8_t room[sizeof(struct file_handle) + MMR_INODE_HANDLE];
};

void mmr_inode_look(int fd, const struct stat *st, struct mmr_inode *ret)
{
    int flags = 0, mount;
    union handle u = {.h = {.handle_bytes = MMR_INODE_HANDLE}};
    *ret = (struct mmr_inode){.names = (unsigned)st->st_nlink, .is_sparse = st->st_blocks * 512 < st->st_size};
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) == 0)
        ret->flags = (unsigned)flags & KEPT;
    if (ret->names > 1 && name_to_handle_at(fd, "", &u.h, &mount, AT_EMPTY_PATH) == 0 && u.h.handle_bytes <= MMR_INODE_HANDLE) {
        ret->type = u.h.handle_type;
        ret->len = u.h.handle_bytes;
        memcpy(ret->handle, u.room + offsetof(struct file_handle, f_handle), ret->len);
    }
}

bool mmr_inode_is_plain(const struct mmr_inode *n)
{
    return !n->flags && n->names < 2 && !n->is_sparse;
}

static int set_flags(int fd, unsigned which, bool is_on)
{
    int flags;
    if (!which)
        return 0;
    if (ioctl(fd, FS_IOC_GETFLAGS, &flags) != 0)
        return -1;
    flags = is_on ? flags | (int)which : flags & ~(int)which;
    return ioctl(fd, FS_IOC_SETFLAGS, &flags);
}

int mmr_inode_flags_on(int fd, const struct mmr_inode *n)
{
    return set_flags(fd, n->flags, true);
}

int mmr_inode_disarm(int fd, const struct mmr_inode *n)
{
    if (set_flags(fd, n->flags, false) != 0)
        return -1;
    return n->names > 1 && n->len ? fchmod(fd, 0) : 0;
}

int mmr_inode_rearm(int fd, const struct mmr_inode *n, mode_t mode)
{
    int r = n->names > 1 && n->len ? fchmod(fd, mode) : 0;
    return set_flags(fd, n->flags, true) != 0 ? -1 : r;
}

int mmr_inode_find(const char *path, const struct mmr_inode *n)
{
    char folder[4096];
    union handle u = {.h = {.handle_bytes = n->len, .handle_type = n->type}};
    struct stat st;
    const char *slash = strrchr(path, '/');
    if (n->names < 2 || !n->len || !slash || (size_t)(slash - path) >= sizeof folder)
        return -1;
    memcpy(u.room + offsetof(struct file_handle, f_handle), n->handle, n->len);
    (void)snprintf(folder, sizeof folder, "%.*s/", (int)(slash - path), path);
    int mount = open(folder, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
    int fd = mount < 0 ? -1 : open_by_handle_at(mount, &u.h, O_RDONLY | O_CLOEXEC | O_NONBLOCK);
    if (mount >= 0)
        (void)close(mount);
    if (fd >= 0 && (fstat(fd, &st) != 0 || !S_ISREG(st.st_mode) || !st.st_nlink)) {
        (void)close(fd);
        fd = -1;
    }
    return fd;
}

int mmr_inode_write(const struct mmr_inode *n, char *text, size_t cap)
{
    char hex[2 * MMR_INODE_HANDLE + 1];
    (void)sodium_bin2hex(hex, sizeof hex, n->handle, n->len);
    int len = snprintf(text, cap, "%x %u %d %d %s\n", n->flags, n->names, n->is_sparse, n->type, n->len ? hex : "-");
    return len > 0 && (size_t)len < cap ? 0 : -1;
}

int mmr_inode_read(const char *text, struct mmr_inode *ret)
{
    char hex[2 * MMR_INODE_HANDLE + 1];
    int is_sparse, at = 0;
    size_t len = 0;
    memset(ret, 0, sizeof *ret);
    if (sscanf(text, "%x %u %d %d %256s%n", &ret->flags, &ret->names, &is_sparse, &ret->type, hex, &at) != 5 || text[at] != '\n' || (ret->flags & ~(unsigned)KEPT) ||
        (strcmp(hex, "-") != 0 && sodium_hex2bin(ret->handle, sizeof ret->handle, hex, strlen(hex), NULL, &len, NULL) != 0))
        return -1;
    ret->is_sparse = is_sparse != 0;
    ret->len = (uint32_t)len;
    return 0;
}
